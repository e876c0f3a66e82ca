"""The straight line from a message to its verdict: reading, checks, conclusion.

Pure: no clock, file, environment or socket.  The same message, answers, time and settings give the same verdict.
Every check asks through ``ask``; where an answer is not there yet the check is interrupted (``NotKnownYet`` rises
through the libraries), and ``evaluate`` returns what all interrupted checks still need.  Called again with the
``Progress`` it returned, it runs only those.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Any, TypeVar

from msgspec import Struct

from verify.checks.arc import check_arc
from verify.checks.canonical import BodyHashes
from verify.checks.dkim import check_signature, order_signatures, read_signature
from verify.checks.dmarc import check_dmarc
from verify.checks.held import Held, Used
from verify.checks.iprev import check_iprev
from verify.checks.spf import Evaluation, evaluate_helo, evaluate_mail_from, mail_from_domain
from verify.conclusion import recorded_domain
from verify.grammar.names import domain_name, is_below, split_mailbox
from verify.model import (
    Anomaly,
    AnomalyCode,
    Answer,
    ArcResult,
    ArcWord,
    Ask,
    AtMode,
    Author,
    Confidence,
    DkimCheck,
    DkimWord,
    DmarcResult,
    DmarcStandard,
    DmarcWord,
    Envelope,
    Identifier,
    IdentifierState,
    Identity,
    IprevResult,
    JudgedAtSource,
    Limits,
    Message,
    Method,
    NotKnownYet,
    Origin,
    OriginSource,
    Outcome,
    Question,
    Reason,
    Settings,
    SpfResult,
    SpfWord,
    Verdict,
    replace,
)
from verify.reading.author import read_author, receiver_lookalikes
from verify.reading.origin import OriginFacts, read_origin
from verify.reading.recorded import read_recorded
from verify.verdict import Reading, Results, make_verdict

T = TypeVar("T")

_NAME_OCTETS = 253  # a longer HELO name is not remembered
_IDENTIFIERS_MOST = 20  # nor is what rests on more identifiers, ours

# What came of the checks of earlier messages
_MAIL_FROM = Held[Evaluation](lambda evaluation: evaluation.rememberable)
_HELO = Held[Evaluation](lambda evaluation: evaluation.rememberable)
_IPREV = Held[IprevResult]()
_DMARC = Held[DmarcResult]()


class Progress(Struct, kw_only=True):
    """What an interrupted evaluation has done so far; opaque to the caller.

    ``lacks``: what an interrupted check asked for, the question that it stands at first.
    """

    reading: Reading
    done: dict[str, Any] = {}
    used: dict[str, Used] = {}
    lacks: dict[str, tuple[Question, ...]] = {}


class NeedAnswers(Struct, frozen=True, kw_only=True):
    """Questions to ask before going on: ``decisive`` can change the conclusion, ``others`` cannot."""

    decisive: tuple[Question, ...]
    others: tuple[Question, ...]
    progress: Progress


class _Asking:
    """An ``Ask`` that keeps the answers that one check used."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.used: dict[Question, Answer] = {}

    def __call__(self, question: Question) -> Answer:
        answer = self._ask(question)
        self.used[question] = answer
        return answer


class _Run:
    """Runs checks once each, and collects what the interrupted ones lack."""

    def __init__(self, ask: Ask, progress: Progress) -> None:
        self._ask = ask
        self._progress = progress
        self.decisive: dict[Question, None] = {}
        self.others: dict[Question, None] = {}

    def __call__(
        self,
        name: str,
        decisive: bool,
        check: Callable[[Ask], T],
        held: Held[T] | None = None,
        key: Hashable = None,
    ) -> T | None:
        """The result, or None when the check was interrupted.

        ``key``: everything besides the answers that a result in ``held`` depends on; None: it is not to be held.
        """
        progress = self._progress
        if name in progress.done:
            return progress.done[name]  # type: ignore[no-any-return]
        lacks = progress.lacks.get(name)
        if lacks is not None and not self._knows(lacks[0]):
            self._need(lacks, decisive)
            return None
        try:
            result, progress.used[name] = self._result(check, held, key)
        except NotKnownYet as missing:
            progress.lacks[name] = missing.questions
            self._need(missing.questions, decisive)
            return None
        progress.done[name] = result
        return result

    def preview(self, check: Callable[[Ask], T], held: Held[T], key: Hashable) -> None:
        """Run a check for the questions that it will ask; it is not done with that."""
        try:
            self._result(check, held, key)
        except NotKnownYet as missing:
            self._need(missing.questions, decisive=True)

    def _result(self, check: Callable[[Ask], T], held: Held[T] | None, key: Hashable) -> tuple[T, Used]:
        """The result with the answers it rests on.  Raises ``NotKnownYet``."""
        if held is None or key is None:
            asking = _Asking(self._ask)
            return check(asking), asking.used
        found = held.recall(key, self._ask)
        if found is None:
            asking = _Asking(self._ask)
            found = check(asking), asking.used
            held.keep(key, *found)
        return found

    def _knows(self, question: Question) -> bool:
        try:
            self._ask(question)
        except NotKnownYet:
            return False
        return True

    def _need(self, questions: tuple[Question, ...], decisive: bool) -> None:
        (self.decisive if decisive else self.others).update(dict.fromkeys(questions))

    @property
    def interrupted(self) -> bool:
        return bool(self.decisive or self.others)

    def needs(self) -> NeedAnswers:
        others = tuple(q for q in self.others if q not in self.decisive)
        return NeedAnswers(decisive=tuple(self.decisive), others=others, progress=self._progress)


def evaluate(
    message: Message, envelope: Envelope, ask: Ask, now: int, settings: Settings, progress: Progress | None = None
) -> Verdict | NeedAnswers:
    """Judge one message.

    ``ask`` returns an ``Answer`` or raises ``NotKnownYet``.  ``now``: epoch seconds.  ``progress``: from the
    ``NeedAnswers`` of the call before, for the same message, envelope, time and settings.
    """
    if progress is None:
        progress = Progress(reading=_read(message, envelope, now, settings))
    reading = progress.reading
    author, origin = reading.author, reading.facts.origin
    run = _Run(ask, progress)

    # 1. The checks that rest on nothing but the message.  What could align is asked first.
    mail_from = _mail_from(run, origin, author, settings)
    signatures = [
        run(
            f"dkim {field.index}",
            _may_align(read_signature(field, settings.limits).domain, author.domain),
            lambda ask, field=field: check_signature(  # type: ignore[misc]
                message, field, ask, reading.judged_at, settings, reading.bodies
            ),
        )
        for field in reading.signatures
    ]
    tried = tuple([s for s in signatures if s is not None])
    # 2. DMARC, over the results so far: while some are missing it still tells what it needs to know.
    identifiers = _identifiers(author, origin, mail_from, tried, reading.untried)
    policy, key = partial(_dmarc, author, identifiers, settings), _dmarc_key(author, identifiers, settings)
    dmarc = None
    if run.interrupted:
        run.preview(policy, _DMARC, key)
    else:
        dmarc = run("dmarc", True, policy, _DMARC, key)
    # 3. What cannot change the conclusion.
    helo = _helo(run, origin, settings)
    arc = run("arc", False, lambda ask: check_arc(message, ask, reading.judged_at, settings, reading.bodies))
    iprev = _iprev(run, origin, settings)
    exists = None if dmarc is None else _author_exists(run, dmarc)
    other = None if dmarc is None else _other_standard(run, author, identifiers, settings)
    override = None if arc is None or dmarc is None else _trusted_sealer(run, arc, author, identifiers, dmarc, settings)
    if run.interrupted:
        return run.needs()
    assert mail_from is not None
    assert dmarc is not None
    assert arc is not None
    assert iprev is not None
    results = Results(
        mail_from=mail_from,
        helo=helo,
        signatures=tried if len(tried) < 2 else tuple(sorted(tried, key=lambda s: s.result.index)),
        dmarc=dmarc if other is None else replace(dmarc, old_result=other.result),
        sealed_dmarc=override,
        arc=arc,
        iprev=iprev,
        author_exists=exists,
    )
    return make_verdict(message, envelope, settings, reading, results, progress.used)


# ---- reading ----


def _read(message: Message, envelope: Envelope, now: int, settings: Settings) -> Reading:
    author, author_anomalies = read_author(message, settings.limits)
    author_anomalies += receiver_lookalikes(message, author, _own_names(envelope, settings), settings.limits)
    facts = read_origin(message, envelope, settings)
    recorded = read_recorded(message, facts, settings)
    judged_at, source, time_anomalies = _judging_time(facts, now, settings)
    signatures, left_out = order_signatures(message, author.domain, settings.limits)
    anomalies = message.anomalies + author_anomalies + facts.anomalies + time_anomalies
    for each in recorded:
        if each.limit is not None:
            anomalies += (Anomaly(AnomalyCode.LIMIT_HIT, each.limit),)
    untried: tuple[str, ...] = ()
    if left_out:
        anomalies += (Anomaly(AnomalyCode.SIGNATURES_NOT_TRIED, str(len(left_out))),)
        fields = {field.index: field for field in message.fields}
        foreign = [read_signature(fields[index], settings.limits).domain for index in left_out]
        untried = tuple(dict.fromkeys([domain for domain in foreign if domain is not None]))
    return Reading(
        author=author,
        anomalies=anomalies,
        facts=facts,
        recorded=recorded,
        judged_at=judged_at,
        judged_at_source=source,
        signatures=signatures,
        untried=untried,
        bodies=BodyHashes(message.body, settings.limits),
    )


def _own_names(envelope: Envelope, settings: Settings) -> frozenset[str]:
    """Names of the receiver: its id, its hosts as configured, and the domains that it gets mail for."""
    if settings.authserv_id == "localhost" and not settings.trust_hosts and not envelope.rcpt_to:
        return frozenset()
    texts = [settings.authserv_id]
    texts += [pattern.removeprefix("*.") for pattern in settings.trust_hosts]
    texts += [split_mailbox(recipient)[1] for recipient in envelope.rcpt_to]
    return frozenset([name for text in texts if (name := domain_name(text)) is not None and "." in name])


def _judging_time(facts: OriginFacts, now: int, settings: Settings) -> tuple[int, JudgedAtSource, tuple[Anomaly, ...]]:
    """The time of receipt where somebody vouches for it, else now; an option wins.

    A date that nothing vouches for is not used: a forged old one would revive an expired signature.
    """
    if isinstance(settings.at, int):
        return settings.at, JudgedAtSource.OPTION, ()
    if settings.at is AtMode.NOW or facts.origin.source in (OriginSource.INFERRED, OriginSource.NONE):
        return now, JudgedAtSource.NOW, ()
    for date in facts.receipt_dates:
        seconds = int(date.timestamp())
        if 0 <= seconds <= now + settings.limits.clock_drift:
            return seconds, JudgedAtSource.RECEIPT, ()
    if not facts.receipt_dates:
        return now, JudgedAtSource.NOW, ()
    return now, JudgedAtSource.NOW, (Anomaly(AnomalyCode.RECEIPT_DATE_UNUSABLE),)


@lru_cache(maxsize=4096)
def _may_align(domain: str | None, author_domain: str | None) -> bool:
    """A cheap guess before the Organizational Domain is known: related names are asked first."""
    if domain is None or author_domain is None:
        return False
    if is_below(domain, author_domain) or is_below(author_domain, domain):
        return True
    return domain.rsplit(".", 2)[-2:] == author_domain.rsplit(".", 2)[-2:]


# ---- the checks, each with what it needs ----


def _mail_from(run: _Run, origin: Origin, author: Author, settings: Settings) -> SpfResult | None:
    ip, sender, helo = origin.client_ip, origin.mail_from, origin.helo
    domain = None if sender is None else mail_from_domain(helo, sender)
    if origin.never_crossed_border:
        return _not_run(Identity.MAILFROM, domain, Reason.NEVER_CROSSED_BORDER)
    if sender is None:
        return _not_run(Identity.MAILFROM, None, Reason.NO_MAIL_FROM)
    if ip is None:
        return _not_run(Identity.MAILFROM, domain, Reason.NO_CLIENT_IP)
    if not sender and helo is None:
        return _not_run(Identity.MAILFROM, None, Reason.NO_HELO)
    evaluation = run(
        "spf mailfrom",
        _may_align(domain, author.domain),
        lambda ask: evaluate_mail_from(ip, helo, sender, ask, settings.limits),
        _MAIL_FROM,
        _spf_key(ip, helo, domain, settings.limits),
    )
    return _marked(evaluation, origin)


def _helo(run: _Run, origin: Origin, settings: Settings) -> SpfResult | None:
    ip, helo = origin.client_ip, origin.helo
    if ip is None or helo is None or origin.never_crossed_border:
        return None
    evaluation = run(
        "spf helo",
        False,
        lambda ask: evaluate_helo(ip, helo, ask, settings.limits),
        _HELO,
        _spf_key(ip, helo, helo, settings.limits),
    )
    return _marked(evaluation, origin)


def _spf_key(ip: str, helo: str | None, domain: str | None, limits: Limits) -> Hashable:
    if domain is None or len(domain) > _NAME_OCTETS or (helo is not None and len(helo) > _NAME_OCTETS):
        return None
    return ip, helo, domain, limits.spf_lookups, limits.spf_void_lookups, limits.spf_record_octets


def _not_run(identity: Identity, domain: str | None, reason: Reason) -> SpfResult:
    return SpfResult(identity=identity, domain=domain, result=None, reason=reason)


def _marked(evaluation: Evaluation | None, origin: Origin) -> SpfResult | None:
    """A pass from an origin that nobody vouches for stands with that reason and counts for nothing."""
    if evaluation is None:
        return None
    result = evaluation.result
    if result.result is SpfWord.PASS and not origin.vouched_for:
        return replace(result, reason=Reason.ORIGIN_INFERRED)
    return result


def _iprev(run: _Run, origin: Origin, settings: Settings) -> IprevResult | None:
    ip = origin.client_ip
    if origin.never_crossed_border:
        return IprevResult(result=None, reason=Reason.NEVER_CROSSED_BORDER)
    if ip is None:
        return IprevResult(result=None, reason=Reason.NO_CLIENT_IP)
    limits = settings.limits
    return run("iprev", False, lambda ask: check_iprev(ip, ask, limits), _IPREV, (ip, limits.ptr_names))


def _author_exists(run: _Run, dmarc: DmarcResult) -> bool | None:
    """False when the Author Domain has no policy because there is no such domain; asked where that may be so."""
    domain = dmarc.author_domain
    if domain is None or dmarc.result is not DmarcWord.NONE:
        return None
    own = next((step.outcome for step in dmarc.walk if step.name == f"_dmarc.{domain}"), None)
    if own is not Outcome.NXDOMAIN:
        return None
    # TXT: what SPF asks for, too, so that it mostly is no further question
    answer = run("author exists", False, lambda ask: ask(Question(domain, "TXT")))
    return None if answer is None else answer.outcome is not Outcome.NXDOMAIN


def _dmarc(author: Author, identifiers: tuple[Identifier, ...], settings: Settings, ask: Ask) -> DmarcResult:
    """With every signature settled: one that aligns decides before an SPF pass does."""
    return check_dmarc(author, identifiers, ask, settings, every_signature=True)


def _dmarc_key(author: Author, identifiers: tuple[Identifier, ...], settings: Settings) -> Hashable:
    old = settings.dmarc is DmarcStandard.RFC7489  # rests on the Public Suffix List besides
    if old or author.domain is None or len(identifiers) > _IDENTIFIERS_MOST:
        return None
    return author.domain, identifiers, settings.limits.tag_list_octets


def _identifiers(
    author: Author,
    origin: Origin,
    mail_from: SpfResult | None,
    signatures: tuple[DkimCheck, ...],
    untried: tuple[str, ...],
) -> tuple[Identifier, ...]:
    """What the checks bring to DMARC, passing or not; results without a domain bring nothing.

    A signature that a limit kept unread could be the author's own.
    """
    found = []
    if mail_from is not None and mail_from.domain is not None:
        found.append(Identifier(Method.SPF, mail_from.domain, _spf_state(origin, mail_from), mail_from.reason))
    for signature in signatures:
        domain = signature.result.domain
        if domain is None and signature.result.reason is Reason.LIMIT:
            domain = author.domain
        if domain is not None and signature.result.result is not DkimWord.NONE:
            found.append(Identifier(Method.DKIM, domain, _dkim_state(signature), signature.result.reason))
    found.extend(Identifier(Method.DKIM, domain, IdentifierState.UNKNOWN, Reason.LIMIT) for domain in untried)
    return tuple(dict.fromkeys(found))


def _spf_state(origin: Origin, mail_from: SpfResult) -> IdentifierState:
    word = mail_from.result
    if word is None:
        return IdentifierState.UNKNOWN
    if word is SpfWord.TEMPERROR:
        return IdentifierState.TEMPORARY
    if word is SpfWord.PASS:
        return IdentifierState.PASS if origin.vouched_for else IdentifierState.UNKNOWN
    inferred = origin.source is OriginSource.INFERRED
    return IdentifierState.UNKNOWN if inferred and origin.confidence is Confidence.GUESS else IdentifierState.NOT_PASS


def _dkim_state(signature: DkimCheck) -> IdentifierState:
    word = signature.result.result
    if word is DkimWord.PASS:
        return IdentifierState.PASS
    if word is DkimWord.TEMPERROR:
        return IdentifierState.TEMPORARY
    if word is None or signature.result.reason is Reason.LIMIT:
        return IdentifierState.UNKNOWN
    return IdentifierState.NOT_PASS


def _other_standard(
    run: _Run, author: Author, identifiers: tuple[Identifier, ...], settings: Settings
) -> DmarcResult | None:
    """Under the old rules on request, what RFC 9989 says besides."""
    if settings.dmarc is not DmarcStandard.RFC7489:
        return None
    today = replace(settings, dmarc=DmarcStandard.RFC9989)
    return run("dmarc rfc9989", False, partial(_dmarc, author, identifiers, today))


def _trusted_sealer(
    run: _Run,
    arc: ArcResult,
    author: Author,
    identifiers: tuple[Identifier, ...],
    dmarc: DmarcResult,
    settings: Settings,
) -> DmarcResult | None:
    """DMARC again with what trusted sealers report; changes the disposition alone (standards 4.2)."""
    if arc.result is not ArcWord.PASS or arc.trusted_through is None or dmarc.result is not DmarcWord.FAIL:
        return None
    reported = []
    for arc_set in arc.sets:
        if arc_set.instance < arc.trusted_through:
            continue
        for result in arc_set.results:
            if result.result != "pass" or result.method not in ("spf", "dkim"):
                continue
            prop = result.properties
            value = (
                prop.get("smtp.mailfrom") if result.method == "spf" else prop.get("header.d") or prop.get("header.i")
            )
            domain = domain_name(recorded_domain(value)) if value else None
            if domain is not None:
                reported.append(Identifier(Method(result.method), domain, IdentifierState.PASS))
    if not reported:
        return None
    everything = tuple(dict.fromkeys((*identifiers, *reported)))
    return run("dmarc trusted-sealer", False, lambda ask: check_dmarc(author, everything, ask, settings))

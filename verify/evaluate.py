"""The straight line from a message to its verdict: reading, checks, conclusion.

Pure: no clock, file, environment or socket.  The same message, answers, time and settings give the same verdict.
Every check asks through ``ask``; where an answer is not there yet the check is interrupted (``NotKnownYet`` rises
through the libraries), and ``evaluate`` returns what all interrupted checks still need.  Called again with the
``Progress`` it returned, it runs only those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from verify.checks.arc import check_arc
from verify.checks.canonical import BodyHashes
from verify.checks.compare import Findings, compare
from verify.checks.coverage import read_coverage
from verify.checks.diagnose import diagnose
from verify.checks.dkim import check_signature, order_signatures, read_signature
from verify.checks.dmarc import check_dmarc
from verify.checks.iprev import check_iprev
from verify.checks.spf import check_helo, check_mail_from, mail_from_domain, passes_everyone
from verify.conclusion import Facts, conclude, recorded_domain, settled_dmarc
from verify.grammar.names import domain_name, is_below
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
    DmarcWord,
    DnsError,
    DnsUse,
    Envelope,
    Field,
    Identifier,
    IdentifierState,
    Identity,
    IprevResult,
    JudgedAtSource,
    Message,
    Method,
    NotKnownYet,
    Origin,
    OriginSource,
    Outcome,
    Override,
    PolicyWord,
    Question,
    Reason,
    Recorded,
    Settings,
    SpfResult,
    SpfWord,
    Verdict,
    replace,
    utc,
)
from verify.reading.author import read_author
from verify.reading.origin import OriginFacts, read_origin
from verify.reading.originating import proven_by
from verify.reading.recorded import read_recorded, removable_fields

T = TypeVar("T")

_LATE = 7 * 86_400  # seconds; answers this much later than the receipt are "records later"


class Reading(Struct, frozen=True, kw_only=True):
    """What the message says before any answer is known."""

    author: Author
    anomalies: tuple[Anomaly, ...]
    facts: OriginFacts
    recorded: tuple[Recorded, ...]
    judged_at: int
    judged_at_source: JudgedAtSource
    signatures: tuple[Field, ...]
    untried: tuple[str, ...]
    bodies: BodyHashes


class Progress(Struct, kw_only=True):
    """What an interrupted evaluation has done so far; opaque to the caller."""

    reading: Reading
    done: dict[str, Any] = {}
    used: dict[str, dict[Question, Answer]] = {}


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

    def __call__(self, name: str, decisive: bool, check: Callable[[Ask], T]) -> T | None:
        """The result, or None when the check was interrupted."""
        done = self._progress.done
        if name in done:
            return done[name]  # type: ignore[no-any-return]
        asking = _Asking(self._ask)
        try:
            result = check(asking)
        except NotKnownYet as missing:
            (self.decisive if decisive else self.others).update(dict.fromkeys(missing.questions))
            return None
        done[name] = result
        self._progress.used[name] = asking.used
        return result

    def preview(self, check: Callable[[Ask], T]) -> None:
        """Run a check for the questions that it will ask; its result is not kept."""
        try:
            check(self._ask)
        except NotKnownYet as missing:
            self.decisive.update(dict.fromkeys(missing.questions))

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
    tried = tuple(s for s in signatures if s is not None)
    # 2. DMARC, over the results so far: while some are missing it still tells what it needs to know.
    identifiers = _identifiers(origin, mail_from, tried, reading.untried)
    dmarc = None
    if run.interrupted:
        run.preview(lambda ask: _dmarc(author, identifiers, ask, settings))
    else:
        dmarc = run("dmarc", True, lambda ask: _dmarc(author, identifiers, ask, settings))
    # 3. What cannot change the conclusion.
    helo = _helo(run, origin, settings)
    arc = run("arc", False, lambda ask: check_arc(message, ask, reading.judged_at, settings, reading.bodies))
    iprev = _iprev(run, origin, settings)
    override = None if arc is None or dmarc is None else _trusted_sealer(run, arc, author, identifiers, dmarc, settings)
    if run.interrupted:
        return run.needs()
    assert mail_from is not None
    assert dmarc is not None
    assert arc is not None
    assert iprev is not None
    return _verdict(message, envelope, settings, progress, mail_from, helo, tried, dmarc, arc, iprev, override)


# ---- reading ----


def _read(message: Message, envelope: Envelope, now: int, settings: Settings) -> Reading:
    author, author_anomalies = read_author(message, settings.limits)
    facts = read_origin(message, envelope, settings)
    recorded = read_recorded(message, facts, settings)
    judged_at, source, time_anomalies = _judging_time(facts, now, settings)
    signatures, left_out = order_signatures(message, author.domain, settings.limits)
    foreign = (read_signature(_at(message, index), settings.limits).domain for index in left_out)
    untried = tuple(dict.fromkeys(domain for domain in foreign if domain is not None))
    limits_hit = tuple(Anomaly(AnomalyCode.LIMIT_HIT, r.limit) for r in recorded if r.limit is not None)
    if left_out:
        limits_hit += (Anomaly(AnomalyCode.SIGNATURES_NOT_TRIED, str(len(left_out))),)
    return Reading(
        author=author,
        anomalies=message.anomalies + author_anomalies + facts.anomalies + time_anomalies + limits_hit,
        facts=facts,
        recorded=recorded,
        judged_at=judged_at,
        judged_at_source=source,
        signatures=signatures,
        untried=untried,
        bodies=BodyHashes(message.body, settings.limits),
    )


def _at(message: Message, index: int) -> Field:
    return next(field for field in message.fields if field.index == index)


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
    result = run(
        "spf mailfrom",
        _may_align(domain, author.domain),
        lambda ask: check_mail_from(ip, helo, sender, ask, settings.limits),
    )
    return _marked(result, origin)


def _helo(run: _Run, origin: Origin, settings: Settings) -> SpfResult | None:
    ip, helo = origin.client_ip, origin.helo
    if ip is None or helo is None or origin.never_crossed_border:
        return None
    result = run("spf helo", False, lambda ask: check_helo(ip, helo, ask, settings.limits))
    return _marked(result, origin)


def _not_run(identity: Identity, domain: str | None, reason: Reason) -> SpfResult:
    return SpfResult(identity=identity, domain=domain, result=None, reason=reason)


def _marked(result: SpfResult | None, origin: Origin) -> SpfResult | None:
    """A pass from an origin that nobody vouches for stands with that reason and counts for nothing."""
    if result is not None and result.result is SpfWord.PASS and not origin.vouched_for:
        return replace(result, reason=Reason.ORIGIN_INFERRED)
    return result


def _iprev(run: _Run, origin: Origin, settings: Settings) -> IprevResult | None:
    ip = origin.client_ip
    if origin.never_crossed_border:
        return IprevResult(result=None, reason=Reason.NEVER_CROSSED_BORDER)
    if ip is None:
        return IprevResult(result=None, reason=Reason.NO_CLIENT_IP)
    return run("iprev", False, lambda ask: check_iprev(ip, ask, settings.limits))


def _dmarc(author: Author, identifiers: tuple[Identifier, ...], ask: Ask, settings: Settings) -> DmarcResult:
    """With every signature settled: one that aligns decides before an SPF pass does."""
    return check_dmarc(author, identifiers, ask, settings, every_signature=True)


def _identifiers(
    origin: Origin, mail_from: SpfResult | None, signatures: tuple[DkimCheck, ...], untried: tuple[str, ...]
) -> tuple[Identifier, ...]:
    """What the checks bring to DMARC, passing or not; results without a domain bring nothing."""
    found = []
    if mail_from is not None and mail_from.domain is not None:
        found.append(Identifier(Method.SPF, mail_from.domain, _spf_state(origin, mail_from), mail_from.reason))
    for signature in signatures:
        domain = signature.result.domain
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


# ---- the verdict ----


def _verdict(
    message: Message,
    envelope: Envelope,
    settings: Settings,
    progress: Progress,
    mail_from: SpfResult,
    helo: SpfResult | None,
    tried: tuple[DkimCheck, ...],
    dmarc: DmarcResult,
    arc: ArcResult,
    iprev: IprevResult,
    override: DmarcResult | None,
) -> Verdict:
    reading = progress.reading
    author, facts = reading.author, reading.facts
    origin = facts.origin
    signatures = tuple(sorted(tried, key=lambda s: s.result.index))
    late_signatures, late_spf, late = _late(progress, signatures, origin, reading.judged_at)
    basis = Facts(
        fidelity=message.source.fidelity,
        limits_hit=tuple(a.detail for a in reading.anomalies if a.code is AnomalyCode.LIMIT_HIT),
        author=author,
        origin=origin,
        mail_from=mail_from,
        signatures=signatures,
        untried=reading.untried,
        dmarc=dmarc,
        recorded=reading.recorded,
        date_vouched=not _date_unvouched(reading, settings),
        late_signatures=late_signatures,
        late_spf=late_spf,
    )
    conclusion, reason = conclude(basis)
    dmarc_anomalies = dmarc.anomalies
    dmarc = replace(settled_dmarc(basis, reason), anomalies=())
    if override is not None and override.result is DmarcWord.PASS and dmarc.result is DmarcWord.FAIL:
        dmarc = replace(dmarc, override=Override.TRUSTED_SEALER, disposition=PolicyWord.NONE)
    fields = {field.index: field for field in message.fields}
    known = _Known(progress)
    signatures = tuple(
        _explained(message, fields[s.result.index], s, _aligned(dmarc, s), known, settings) for s in signatures
    )
    vouched = reading.judged_at_source is not JudgedAtSource.NOW
    coverage, coverage_anomalies = read_coverage(
        message, signatures, judged_at=reading.judged_at if vouched else None, recipients=envelope.rcpt_to
    )
    spf = (mail_from,) if helo is None else (mail_from, helo)
    findings = Findings(
        origin=origin,
        spf=spf,
        dkim=signatures,
        arc=arc,
        iprev=iprev,
        dmarc=dmarc,
        fidelity=message.source.fidelity,
        records_later=late,
    )
    anomalies = reading.anomalies + dmarc_anomalies + coverage_anomalies
    if late:
        anomalies += (Anomaly(AnomalyCode.RECORDS_LATER_THAN_MAIL),)
    anomalies += tuple(Anomaly(AnomalyCode.SPF_PASS_ALL, r.domain or "") for r in spf if passes_everyone(r))
    return Verdict(
        source=message.source,
        authserv_id=settings.authserv_id,
        judged_at=_time(reading.judged_at),
        judged_at_source=reading.judged_at_source,
        conclusion=conclusion,
        conclusion_reason=reason,
        author=author,
        origin=origin,
        hops=facts.hops,
        originating_ip=proven_by(facts.originating_ip, _signed(signatures)),
        spf=spf,
        dkim=tuple(s.result for s in signatures),
        arc=arc,
        iprev=iprev,
        dmarc=dmarc,
        recorded=compare(reading.recorded, findings),
        coverage=coverage,
        anomalies=tuple(dict.fromkeys(anomalies)),
        dns=_dns_use(progress),
        headers_removed=removable_fields(
            message,
            (settings.authserv_id, *settings.trust_authserv_ids),
            peer_is_ours=False,
            limits=settings.limits,
        ),
    )


def _signed(signatures: Iterable[DkimCheck]) -> frozenset[int]:
    """Header indexes that aligned passing signatures cover."""
    counting = (s for s in signatures if s.result.result is DkimWord.PASS and s.result.aligned)
    return frozenset(index for s in counting for index in s.covered)


def _time(seconds: int) -> datetime:
    time = utc(seconds)
    assert time is not None, "the judging time is a date"
    return time


def _aligned(dmarc: DmarcResult, signature: DkimCheck) -> bool | None:
    """Whether the signing domain aligns; None when that was not asked for."""
    domain = signature.result.domain
    for alignment in dmarc.aligned:
        if alignment.method is Method.DKIM and alignment.identifier == domain:
            return alignment.aligned
    if domain is None or dmarc.author_domain is None:
        return None
    if domain == dmarc.author_domain:
        return True
    return None if any(i.domain == domain for i in dmarc.could_align) else False


class _Known:
    """The answers that the checks used, for a look back that may ask nothing new."""

    def __init__(self, progress: Progress) -> None:
        self._answers = {q: a for used in progress.used.values() for q, a in used.items()}

    def __call__(self, question: Question) -> Answer:
        return self._answers.get(question) or Answer(question=question, outcome=Outcome.NOT_RECORDED)


def _explained(
    message: Message, field: Field, check: DkimCheck, aligned: bool | None, known: Ask, settings: Settings
) -> DkimCheck:
    """The signature with its alignment and, where it does not hold, what explains that."""
    diagnoses = diagnose(message, field, check, known, settings.limits)
    result = replace(check.result, aligned=aligned, diagnoses=diagnoses)
    return replace(check, result=result)


def _date_unvouched(reading: Reading, settings: Settings) -> bool:
    return settings.at is AtMode.RECEIPT and reading.judged_at_source is JudgedAtSource.NOW


def _late(
    progress: Progress, signatures: tuple[DkimCheck, ...], origin: Origin, judged_at: int
) -> tuple[frozenset[int], bool, bool]:
    """Which answers are more than seven days later than a receipt that is at least likely."""
    if origin.received_at is None or origin.confidence is Confidence.GUESS:
        return frozenset(), False, False
    latest = int(origin.received_at.timestamp()) + _LATE

    def late(name: str) -> bool:
        return any((a.observed_at or 0) > latest for a in progress.used.get(name, {}).values())

    late_signatures = frozenset(s.result.index for s in signatures if late(f"dkim {s.result.index}"))
    late_spf = late("spf mailfrom")
    return late_signatures, late_spf, bool(late_signatures) or late_spf or late("dmarc")


def _dns_use(progress: Progress) -> DnsUse:
    answers: dict[Question, Answer] = {}
    for used in progress.used.values():
        answers.update(used)
    asked = [a for a in answers.values() if a.outcome is not Outcome.NOT_RECORDED]
    recorded = sum(a.recorded for a in asked)
    errors = tuple(
        DnsError(name=a.question.name, type=a.question.rdtype, outcome=a.outcome, cause=a.cause)
        for a in sorted(answers.values(), key=lambda a: (a.question.name, a.question.rdtype))
        if a.outcome in (Outcome.TEMPORARY, Outcome.NOT_RECORDED)
    )
    return DnsUse(questions=len(answers), live=len(asked) - recorded, recorded=recorded, errors=errors)

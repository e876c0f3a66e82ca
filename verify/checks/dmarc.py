"""DMARC by RFC 9989, or by RFC 7489 where that is asked for: policy, alignment, result.

Takes the Authenticated Identifiers as values and DNS answers through ``ask``; decides nothing about delivery beyond
naming the Domain Owner's wish.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from verify.checks.discovery import (
    Discovery,
    OrganizationalDomains,
    Suffixes,
    Walks,
    choose,
    choose_old,
    discover,
    discover_old,
    existence_matters,
    existence_question,
    policy_question,
    walk_questions,
)
from verify.checks.policy import PolicyRecord, one_lower
from verify.grammar.names import is_below
from verify.model import (
    DNS_REASONS,
    Alignment,
    AlignmentMode,
    Anomaly,
    AnomalyCode,
    Ask,
    Author,
    AuthorPolicy,
    DmarcResult,
    DmarcStandard,
    DmarcWord,
    Identifier,
    IdentifierState,
    Method,
    PolicyWord,
    Question,
    Reason,
    Settings,
)

_DNS = frozenset(DNS_REASONS.values())

# What stands in the way of a result, weightiest first; anything not named here comes last.
_WEIGHT = {
    reason: weight
    for weight, reasons in enumerate(
        (
            {Reason.NEVER_CROSSED_BORDER},
            {Reason.NOT_CHECKABLE},
            {Reason.COPY_ALTERED},
            {Reason.RECORDS_LATER},
            {Reason.LIMIT},
            _DNS,
            {Reason.NOT_RECORDED},
        )
    )
    for reason in reasons
}


def foreseen(author_domain: str, identifiers: Iterable[str] = ()) -> tuple[Question, ...]:
    """The DMARC questions that may be needed, known before any answer: the Author Domain's walk first.

    ``identifiers``: domains of signatures and MAIL FROM; only those that could align add questions.
    """
    related = (
        name
        for name in identifiers
        if name != author_domain and could_align(name, author_domain, None, AlignmentMode.RELAXED)
    )
    return walk_questions((author_domain, *related))


def could_align(
    identifier_domain: str, author_domain: str, organizational_domain: str | None, mode: AlignmentMode
) -> bool:
    """False when the identifier can have no bearing on the result, whatever became of it.

    Relaxed: equal to the Author Domain, or at or below its Organizational Domain; while that is None (not known), at
    or below any ancestor of the Author Domain that has two or more labels.  Strict: equal.
    """
    if identifier_domain == author_domain:
        return True
    if mode is AlignmentMode.STRICT:
        return False
    if organizational_domain is None:
        organizational_domain = ".".join(author_domain.split(".")[-2:])
        if "." not in organizational_domain:
            return False
    return is_below(identifier_domain, organizational_domain)


def check_dmarc(
    author: Author, identifiers: Sequence[Identifier], ask: Ask, settings: Settings, *, every_signature: bool = False
) -> DmarcResult:
    """The DMARC result (RFC 9989 4.10, 5.3).

    ``identifiers``: what SPF (MAIL FROM) and the signatures bring, passing or not; domains in A-labels.  A failed or
    missing answer, and an identifier that could not be judged, count only where they could have changed the result.
    Questions stop once one identifier aligns; ``every_signature`` settles the other passing signatures too.  Raises
    ``NotKnownYet`` with all questions that can be foreseen at that point, some of which may be known already, and
    ValueError when RFC 7489 is set without ``settings.public_suffix``.
    """
    domain = author.domain
    if domain is None:
        return _without_author_domain(author, ask, settings)
    if policy_question(domain) is None:
        return DmarcResult(
            result=DmarcWord.PERMERROR,
            reason=Reason.NAME_TOO_LONG,
            author_domain=domain,
            disposition=PolicyWord.NONE,
        )
    walks = Walks(ask, settings.limits)
    walks.foresee = lambda: _foreseen(domain, [each.domain for each in identifiers], settings)
    domains, found = _find_policy(domain, walks, settings)
    if found.unanswered is not None or found.record is None:
        return _without_policy(domain, found, walks)

    record = found.record
    passing = list(dict.fromkeys((each.method, each.domain) for each in identifiers if _passes(each)))
    related = [
        name
        for method, name in passing
        if could_align(name, domain, found.organizational_domain, _mode(record, method))
    ]
    if domains is walks:
        enough = domain in related and not every_signature
        walks.foresee = lambda: (
            *([existence_question(domain)] if existence_matters(domain, found) else []),
            *([] if enough else walk_questions((domain, *related))),
        )
    word, tag = _choose(domain, found, walks, settings)
    settled = _Alignments(domain, record, found.organizational_domain, domains, passing)
    settled.settle(every_signature)
    result, reason = settled.result(identifiers)
    applied = _applied(word, record, settings) if result in (DmarcWord.PASS, DmarcWord.FAIL) else None
    organizational = settled.organizational
    if organizational is not None and "." not in organizational:
        walks.anomalies.append(Anomaly(AnomalyCode.ONE_LABEL_DOMAIN, organizational))
    return DmarcResult(
        result=result,
        reason=reason,
        author_domain=domain,
        organizational_domain=organizational,
        policy_domain=found.policy_domain,
        record=record.text,
        policy=word,
        policy_tag=tag,
        applied_policy=applied,
        disposition=_disposition(applied) if result is DmarcWord.FAIL else PolicyWord.NONE,
        test_mode=None if settings.dmarc is DmarcStandard.RFC7489 else record.test_mode,
        aligned=settled.alignments(),
        could_align=settled.could_align(identifiers),
        walk=tuple(walks.steps),
        anomalies=tuple(walks.anomalies),
    )


def _passes(identifier: Identifier) -> bool:
    return identifier.state is IdentifierState.PASS


def _mode(record: PolicyRecord, method: Method) -> AlignmentMode:
    return record.adkim if method is Method.DKIM else record.aspf


def _suffixes(settings: Settings) -> Suffixes:
    if settings.public_suffix is None:
        raise ValueError("RFC 7489 needs the Public Suffix List")
    return Suffixes(settings.public_suffix)


def _foreseen(domain: str, identifiers: Sequence[str], settings: Settings) -> tuple[Question, ...]:
    if settings.dmarc is DmarcStandard.RFC7489:
        names = (domain, _suffixes(settings).organizational_domain(domain))
        return tuple(question for name in names if (question := policy_question(name)) is not None)
    return foreseen(domain, identifiers)


def _find_policy(domain: str, walks: Walks, settings: Settings) -> tuple[OrganizationalDomains, Discovery]:
    if settings.dmarc is DmarcStandard.RFC7489:
        suffixes = _suffixes(settings)
        return suffixes, discover_old(domain, walks, suffixes.organizational_domain(domain))
    return walks, discover(domain, walks)


def _choose(domain: str, found: Discovery, walks: Walks, settings: Settings) -> tuple[PolicyWord, str]:
    if settings.dmarc is DmarcStandard.RFC7489:
        return choose_old(domain, found)
    return choose(domain, found, walks)


def _applied(word: PolicyWord, record: PolicyRecord, settings: Settings) -> PolicyWord:
    """The policy after ``t`` (RFC 9989 4.7), or after ``pct=0``, its forerunner; no other percentage is drawn."""
    milder = record.pct == 0 if settings.dmarc is DmarcStandard.RFC7489 else record.test_mode
    return one_lower(word) if milder else word


def _disposition(applied: PolicyWord | None) -> PolicyWord:
    """Never rejected on the policy alone (RFC 9989 7.4)."""
    return PolicyWord.QUARANTINE if applied is PolicyWord.REJECT else applied or PolicyWord.NONE


def _without_policy(domain: str, found: Discovery, walks: Walks) -> DmarcResult:
    """DMARC does not apply, or that cannot be told."""
    return DmarcResult(
        result=_word(found.unanswered) if found.unanswered is not None else DmarcWord.NONE,
        reason=found.unanswered or found.ended,
        author_domain=domain,
        organizational_domain=found.organizational_domain,
        policy_domain=found.policy_domain,
        record=found.written.text if found.written else None,
        disposition=PolicyWord.NONE,
        walk=tuple(walks.steps),
        anomalies=tuple(walks.anomalies),
    )


def _word(reason: Reason) -> DmarcWord | None:
    return DmarcWord.TEMPERROR if reason in _DNS else None


class _Alignments:
    """Which passing identifiers align (RFC 9989 4.10.2, 5.3.5); asks only until one does."""

    def __init__(
        self,
        domain: str,
        record: PolicyRecord,
        organizational: str | None,
        domains: OrganizationalDomains,
        passing: list[tuple[Method, str]],
    ) -> None:
        self._domain = domain
        self._record = record
        self._domains = domains
        self.organizational = organizational
        self._problem: Reason | None = None  # why the Author Domain's Organizational Domain is not known
        self._aligned: dict[tuple[Method, str], bool | Reason | None] = dict.fromkeys(passing)

    def _could(self, method: Method, name: str) -> bool:
        return could_align(name, self._domain, self.organizational, _mode(self._record, method))

    def _any(self) -> bool:
        return any(aligned is True for aligned in self._aligned.values())

    def settle(self, every_signature: bool) -> None:
        for each in self._aligned:
            if each[1] == self._domain:
                self._aligned[each] = True
        enough = self._any()
        if not enough or (every_signature and self._undecided(Method.DKIM)):
            self._find_organizational()
        elif self.organizational is None and self._domain.count(".") == 1:
            self.organizational = self._domain  # above it stands a top-level domain alone, on which nothing rests here
        for each in self._aligned:
            if self._aligned[each] is None and not self._could(*each):
                self._aligned[each] = False
        if self.organizational is None:
            return
        for each in self._undecided():
            if self._domains.costs_nothing(each[1]):
                self._compare(each)
        for each in (*self._undecided(Method.DKIM), *self._undecided(Method.SPF)):
            if not self._any() or (every_signature and each[0] is Method.DKIM):
                self._compare(each)

    def _undecided(self, method: Method | None = None) -> list[tuple[Method, str]]:
        return [
            each
            for each, aligned in self._aligned.items()
            if aligned is None and method in (None, each[0]) and self._could(*each)
        ]

    def _find_organizational(self) -> None:
        if self.organizational is None:
            answer = self._domains.organizational_domain(self._domain)
            if isinstance(answer, Reason):
                self._problem = answer
            else:
                self.organizational = answer

    def _compare(self, each: tuple[Method, str]) -> None:
        answer = self._domains.organizational_domain(each[1])
        self._aligned[each] = answer if isinstance(answer, Reason) else answer == self.organizational

    def result(self, identifiers: Sequence[Identifier]) -> tuple[DmarcWord | None, Reason]:
        if self._any():
            return DmarcWord.PASS, Reason.ALIGNED
        problems = [aligned for aligned in self._aligned.values() if isinstance(aligned, Reason)]
        if self._problem is not None and None in self._aligned.values():
            problems.append(self._problem)
        for each in identifiers:
            if each.state is IdentifierState.TEMPORARY and self._could(each.method, each.domain):
                problems.append(each.reason or Reason.DNS_SERVFAIL)
            elif each.state is IdentifierState.UNKNOWN and self._could(each.method, each.domain):
                problems.append(each.reason or Reason.NOT_RECORDED)
        if not problems:
            return DmarcWord.FAIL, Reason.NOT_ALIGNED
        reason = min(problems, key=lambda each: _WEIGHT.get(each, len(_WEIGHT)))
        return _word(reason), reason

    def alignments(self) -> tuple[Alignment, ...]:
        return tuple(
            Alignment(
                identifier=name,
                method=method,
                mode=_mode(self._record, method),
                aligned=aligned if isinstance(aligned, bool) else None,
            )
            for (method, name), aligned in self._aligned.items()
        )

    def could_align(self, identifiers: Sequence[Identifier]) -> tuple[Identifier, ...]:
        return tuple(dict.fromkeys(each for each in identifiers if self._could(each.method, each.domain)))


def _without_author_domain(author: Author, ask: Ask, settings: Settings) -> DmarcResult:
    """No one Author Domain: no evaluation; the policy of every domain that From names is listed (RFC 9989 11.5).

    Fails closed: the mail is to be handled as suspicious whatever those domains wish, except where only a limit stands
    in the way, which proves nothing against it.
    """
    named = tuple(dict.fromkeys(reading.domain for reading in author.readings if reading.domain is not None))
    domains = named[: settings.limits.author_domains]
    anomalies = [Anomaly(AnomalyCode.LIMIT_HIT, "author_domains")] if len(named) > len(domains) else []
    walks = Walks(ask, settings.limits)
    walks.foresee = lambda: [question for domain in domains for question in _foreseen(domain, (), settings)]
    policies = tuple(_author_policy(domain, walks, settings) for domain in domains)
    limit = author.problem is Reason.LIMIT
    return DmarcResult(
        result=None if limit else DmarcWord.PERMERROR,
        reason=author.problem or Reason.AUTHOR_MISSING,
        disposition=PolicyWord.NONE if limit else PolicyWord.QUARANTINE,
        walk=tuple(walks.steps),
        anomalies=(*anomalies, *walks.anomalies),
        author_policies=policies,
    )


def _author_policy(domain: str, walks: Walks, settings: Settings) -> AuthorPolicy:
    _, found = _find_policy(domain, walks, settings)
    outcome = applied = None
    if found.unanswered is not None:
        outcome = DmarcWord.TEMPERROR
    elif found.record is None:
        outcome = DmarcWord.NONE
    else:
        applied = _applied(_choose(domain, found, walks, settings)[0], found.record, settings)
    return AuthorPolicy(domain=domain, policy_domain=found.policy_domain, applied_policy=applied, outcome=outcome)

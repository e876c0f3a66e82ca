"""From what was read and what was checked to the one value that says it all.

Decides nothing about a mechanism: it brings the results to the conclusion, sets them against what others recorded,
and collects what is worth saying besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import TypeAlias

from msgspec import Struct

from verify.checks.canonical import BodyHashes
from verify.checks.compare import Findings, compare
from verify.checks.coverage import read_coverage
from verify.checks.reached import limits_reached
from verify.checks.spf import passes_everyone
from verify.conclusion import Facts, conclude, settled_dmarc
from verify.grammar.names import domain_name, is_below, split_mailbox
from verify.model import (
    Anomaly,
    AnomalyCode,
    Answer,
    ArcResult,
    AtMode,
    Author,
    Comparison,
    ConclusionReason,
    Confidence,
    Diagnosis,
    DkimCheck,
    DkimWord,
    DmarcResult,
    DmarcWord,
    DnsError,
    DnsUse,
    Envelope,
    FidelityNote,
    Field,
    Identity,
    IprevResult,
    JudgedAtSource,
    Limits,
    Message,
    Method,
    Origin,
    Outcome,
    Override,
    PolicyWord,
    Question,
    Reason,
    Recorded,
    RecordedStanding,
    Settings,
    SpfResult,
    Verdict,
    replace,
    utc,
)
from verify.reading.origin import OriginFacts
from verify.reading.originating import proven_by
from verify.reading.recorded import removable_fields

Answers: TypeAlias = Mapping[Question, Answer]  # those of all checks together
Used: TypeAlias = Mapping[str, Mapping[Question, Answer]]  # the answers that each check used, by the check's name

_LATE = 7 * 86_400  # seconds; answers this much later than the receipt are "records later"
_SKEW = 86_400  # seconds between t= and the receipt that are worth saying, ours


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


class Results(Struct, frozen=True, kw_only=True):
    """What came of the checks.

    ``signatures``: in header order.  ``sealed_dmarc``: DMARC with what trusted sealers report besides.
    ``author_exists``: False when the DNS knows no such domain as the author's.
    """

    mail_from: SpfResult
    helo: SpfResult | None
    signatures: tuple[DkimCheck, ...]
    dmarc: DmarcResult
    sealed_dmarc: DmarcResult | None
    arc: ArcResult
    iprev: IprevResult
    author_exists: bool | None = None


def make_verdict(
    message: Message, envelope: Envelope, settings: Settings, reading: Reading, results: Results, used: Used
) -> Verdict:
    """The verdict; every check has its result."""
    origin, facts = reading.facts.origin, reading.facts
    answers = _all(used)
    dns = _dns_use(answers)
    late_signatures, late_spf, late = _late(used, answers, results.signatures, origin)
    basis = Facts(
        fidelity=message.source.fidelity,
        limits_hit=tuple([a.detail for a in reading.anomalies if a.code is AnomalyCode.LIMIT_HIT]),
        author=reading.author,
        origin=origin,
        mail_from=results.mail_from,
        signatures=results.signatures,
        untried=reading.untried,
        dmarc=results.dmarc,
        recorded=reading.recorded,
        date_vouched=not _date_unvouched(reading, settings),
        late_signatures=late_signatures,
        late_spf=late_spf,
        rebuilt=FidelityNote.LINE_ENDS_REBUILT in message.source.fidelity_notes,
    )
    conclusion, reason = conclude(basis)
    dmarc = _dispose(settled_dmarc(basis, reason), results.sealed_dmarc)
    if dmarc.anomalies:
        dmarc = replace(dmarc, anomalies=())
    signatures = _explained(message, results.signatures, dmarc, answers, settings)
    vouched = reading.judged_at_source is not JudgedAtSource.NOW
    coverage, coverage_anomalies = read_coverage(
        message, signatures, judged_at=reading.judged_at if vouched else None, recipients=envelope.rcpt_to
    )
    spf = (results.mail_from,) if results.helo is None else (results.mail_from, results.helo)
    recorded = reading.recorded
    if recorded:
        findings = Findings(
            origin=origin,
            spf=spf,
            dkim=signatures,
            arc=results.arc,
            iprev=results.iprev,
            dmarc=dmarc,
            fidelity=message.source.fidelity,
            records_later=late,
        )
        recorded = compare(recorded, findings)
    anomalies = [
        *reading.anomalies,
        *results.dmarc.anomalies,
        *((Anomaly(AnomalyCode.NO_SUCH_AUTHOR_DOMAIN),) if results.author_exists is False else ()),
        *coverage_anomalies,
        *_clock_anomalies(reading, signatures, late),
        *_recorded_anomalies(recorded),
        *_spf_anomalies(spf, reason),
        *_local_part_anomalies(reading.author, origin, signatures, reason),
        *_library_anomalies(spf, results),
        *_limit_anomalies(spf, results, dns, settings.limits),
    ]
    return Verdict(
        source=message.source,
        authserv_id=settings.authserv_id,
        judged_at=_time(reading.judged_at),
        judged_at_source=reading.judged_at_source,
        conclusion=conclusion,
        conclusion_reason=reason,
        author=reading.author,
        origin=origin,
        hops=facts.hops,
        originating_ip=proven_by(facts.originating_ip, _signed(signatures)) if facts.originating_ip else (),
        spf=spf,
        dkim=tuple([s.result for s in signatures]),
        arc=results.arc,
        iprev=results.iprev,
        dmarc=dmarc,
        recorded=recorded,
        coverage=coverage,
        anomalies=tuple(dict.fromkeys(anomalies)),
        dns=dns,
        headers_removed=removable_fields(
            message,
            (settings.authserv_id, *settings.trust_authserv_ids),
            peer_is_ours=False,
            limits=settings.limits,
        ),
    )


def _dispose(dmarc: DmarcResult, sealed: DmarcResult | None) -> DmarcResult:
    """A trusted sealer's report changes what would be done, never the result (RFC 8617 7.2.1)."""
    if sealed is not None and sealed.result is DmarcWord.PASS and dmarc.result is DmarcWord.FAIL:
        return replace(dmarc, override=Override.TRUSTED_SEALER, disposition=PolicyWord.NONE)
    return dmarc


# ---- what is worth saying besides ----


def _clock_anomalies(reading: Reading, signatures: tuple[DkimCheck, ...], late: bool) -> list[Anomaly]:
    found = [Anomaly(AnomalyCode.RECORDS_LATER_THAN_MAIL)] if late else []
    received_at = reading.facts.origin.received_at
    if received_at is None:
        return found
    for signature in signatures:
        signed_at = signature.result.signed_at
        if signature.signature_holds and signed_at is not None:
            seconds = int((received_at - signed_at).total_seconds())
            if abs(seconds) > _SKEW:
                found.append(Anomaly(AnomalyCode.SIGNING_TIME_SKEW, str(seconds)))
    return found


def _recorded_anomalies(recorded: tuple[Recorded, ...]) -> list[Anomaly]:
    found = []
    for field in recorded:
        if field.standing is RecordedStanding.FORGED:
            found.append(Anomaly(AnomalyCode.FORGED_RESULTS, field.authserv_id or field.field))
        if field.standing is RecordedStanding.TRUSTED and field.comparison is Comparison.DIFFERS:
            found.append(Anomaly(AnomalyCode.RECORDED_DIFFERS, field.authserv_id or field.field))
    return found


def _spf_anomalies(spf: tuple[SpfResult, ...], reason: ConclusionReason) -> list[Anomaly]:
    found = []
    for result in spf:
        if passes_everyone(result):
            found.append(Anomaly(AnomalyCode.SPF_PASS_ALL, result.domain or ""))
        elif reason is ConclusionReason.SPF_ALIGNED and result.identity is Identity.MAILFROM:
            kind, _, pool = (result.mechanism or "").lstrip("+").partition(":")
            if kind.lower() == "include" and not is_below(pool.lower(), result.domain or ""):
                found.append(Anomaly(AnomalyCode.SPF_SHARED_POOL, pool))
    return found


def _local_part_anomalies(
    author: Author, origin: Origin, signatures: Iterable[DkimCheck], reason: ConclusionReason
) -> list[Anomaly]:
    """What passed names another user of the domain than From does: the domain alone is proven."""
    named: list[str] = []
    if reason is ConclusionReason.DKIM_ALIGNED:
        results = [signature.result for signature in signatures]
        named = [r.auid for r in results if r.auid and r.result is DkimWord.PASS and r.aligned]
    elif reason is ConclusionReason.SPF_ALIGNED and origin.mail_from:
        local, domain = split_mailbox(origin.mail_from)
        if domain_name(domain) == author.domain:  # bounces go to a domain of their own, or to no one person
            named = [f"{local}@{domain}"]
    others = {split_mailbox(address)[0].lower() for address in named} - {""}
    if not others:
        return []
    return [
        Anomaly(AnomalyCode.LOCAL_PART_UNPROVEN, mailbox.address)
        for mailbox in author.addresses
        if split_mailbox(mailbox.address)[0].lower() not in others
    ]


def _library_anomalies(spf: tuple[SpfResult, ...], results: Results) -> list[Anomaly]:
    reasons = [results.arc.reason, *[result.reason for result in spf], *[s.result.reason for s in results.signatures]]
    return [Anomaly(AnomalyCode.LIBRARY_ERROR)] if Reason.LIBRARY_ERROR in reasons else []


def _limit_anomalies(spf: tuple[SpfResult, ...], results: Results, dns: DnsUse, limits: Limits) -> list[Anomaly]:
    names = limits_reached(spf, results.signatures, results.arc, results.iprev, dns.errors, limits)
    return [Anomaly(AnomalyCode.LIMIT_HIT, name) for name in dict.fromkeys(names)]


# ---- signatures, times, DNS ----


def _signed(signatures: Iterable[DkimCheck]) -> frozenset[int]:
    """Header indexes that aligned passing signatures cover."""
    counting = [s.covered for s in signatures if s.result.result is DkimWord.PASS and s.result.aligned]
    return frozenset().union(*counting)


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

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def __call__(self, question: Question) -> Answer:
        return self._answers.get(question) or Answer(question=question, outcome=Outcome.NOT_RECORDED)


def _explained(
    message: Message, signatures: tuple[DkimCheck, ...], dmarc: DmarcResult, answers: Answers, settings: Settings
) -> tuple[DkimCheck, ...]:
    """The signatures with their alignment and, where one does not hold, what explains that."""
    aligned = [_aligned(dmarc, check) for check in signatures]
    diagnoses = _diagnoses(message, signatures, aligned, answers, settings.limits) if settings.diagnose else {}
    return tuple(
        [
            replace(check, result=replace(check.result, aligned=own, diagnoses=diagnoses.get(check.result.index, ())))
            for check, own in zip(signatures, aligned, strict=True)
        ]
    )


def _diagnoses(
    message: Message, signatures: tuple[DkimCheck, ...], aligned: list[bool | None], answers: Answers, limits: Limits
) -> dict[int, tuple[Diagnosis, ...]]:
    """By header index; of those that fail, the ones that could speak for the author first."""
    failing = [
        (own is False, check)
        for check, own in zip(signatures, aligned, strict=True)
        if check.result.result is not DkimWord.PASS
    ]
    if not failing:
        return {}
    from verify.checks.diagnose import SIGNATURES, diagnose  # most mail has no signature that fails

    failing.sort(key=itemgetter(0))
    known = _Known(answers)
    return {
        check.result.index: diagnose(message, message.fields[check.result.index], check, known, limits)
        for _, check in failing[:SIGNATURES]
    }


def _date_unvouched(reading: Reading, settings: Settings) -> bool:
    return settings.at is AtMode.RECEIPT and reading.judged_at_source is JudgedAtSource.NOW


def _late(
    used: Used, answers: Answers, signatures: tuple[DkimCheck, ...], origin: Origin
) -> tuple[frozenset[int], bool, bool]:
    """Which answers are more than seven days later than a receipt that is at least likely."""
    if origin.received_at is None or origin.confidence is Confidence.GUESS:
        return frozenset(), False, False
    latest = int(origin.received_at.timestamp()) + _LATE

    def late(answers: Answers) -> bool:
        return max([answer.observed_at or 0 for answer in answers.values()], default=latest) > latest

    if not late(answers):
        return frozenset(), False, False
    late_signatures = frozenset([s.result.index for s in signatures if late(used.get(f"dkim {s.result.index}", {}))])
    late_spf = late(used.get("spf mailfrom", {}))
    return late_signatures, late_spf, bool(late_signatures) or late_spf or late(used.get("dmarc", {}))


def _all(used: Used) -> Answers:
    found: dict[Question, Answer] = {}
    for answers in used.values():
        found.update(answers)
    return found


def _dns_use(answers: Answers) -> DnsUse:
    recorded = not_recorded = 0
    failed: list[Answer] = []
    for answer in answers.values():
        if answer.outcome is Outcome.NOT_RECORDED:
            not_recorded += 1
            failed.append(answer)
            continue
        recorded += answer.recorded
        if answer.outcome is Outcome.TEMPORARY:
            failed.append(answer)
    failed.sort(key=lambda answer: (answer.question.name, answer.question.rdtype))
    return DnsUse(
        questions=len(answers),
        live=len(answers) - not_recorded - recorded,
        recorded=recorded,
        errors=tuple(
            [DnsError(name=a.question.name, type=a.question.rdtype, outcome=a.outcome, cause=a.cause) for a in failed]
        ),
    )

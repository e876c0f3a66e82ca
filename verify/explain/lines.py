"""One phrase or sentence for each part of a verdict: origin, every check, recorded results, anomalies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from verify.explain.words import (
    ANOMALIES,
    CAUSES,
    COMPARISON_REASONS,
    COMPARISONS,
    DIAGNOSES,
    FIDELITIES,
    FIDELITY_NOTES,
    ORIGIN_REASONS,
    OUTCOMES,
    OVERRIDES,
    REASONS,
    duration,
    listed,
    name,
    shown,
)
from verify.model import (
    SAME_AUTHOR,
    Anomaly,
    AnomalyCode,
    ArcResult,
    ArcWord,
    AuthorPolicy,
    Comparison,
    ComparisonReason,
    Confidence,
    Coverage,
    Diagnosis,
    DiagnosisCode,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    DnsError,
    Hop,
    Identity,
    IprevResult,
    IprevWord,
    Origin,
    OriginReason,
    OriginSource,
    PolicyWord,
    Reason,
    Recorded,
    RecordedResult,
    Source,
    SpfResult,
    SpfWord,
    Verdict,
    WalkStep,
)

_CONFIDENCES = {
    Confidence.CERTAIN: "certain",
    Confidence.LIKELY: "likely, but a sender could have written it all",
    Confidence.GUESS: "a guess",
}
_ASKS = {
    PolicyWord.NONE: "asks for no special handling",
    PolicyWord.QUARANTINE: "asks to set such mail aside",
    PolicyWord.REJECT: "asks to reject such mail",
}


def _because(reason: Reason | None) -> str:
    return REASONS[reason] if reason is not None else "no reason was given"


def asks(policy: PolicyWord | None) -> str:
    """What a domain's policy asks of receivers."""
    return _ASKS[policy] if policy is not None else "publishes no usable policy"


# --- origin and time -------------------------------------------------------------------------------


def origin_why(origin: Origin, hops: Sequence[Hop] = ()) -> str:
    """Why the border is where it is, and how sure that is."""
    words = ORIGIN_REASONS[origin.reason]
    if origin.border is not None and origin.reason is not OriginReason.GIVEN:
        where = f"hop {origin.border}"
        if 0 <= origin.border < len(hops) and (by := hops[origin.border].by):
            where += f", written by {shown(by, 80)}"
        words = f"{where}: {words}"
    if origin.profile and origin.source is OriginSource.INFERRED:
        words += f"; the receiver looks like {shown(origin.profile, 40)}"
    elif origin.profile:
        words += f"; you named the receiver {shown(origin.profile, 40)}"
    if origin.source is OriginSource.INFERRED:
        words += f" ({_CONFIDENCES[origin.confidence]})"
    if origin.conflict:
        words += "; what the receiver recorded elsewhere contradicts it"
    if origin.incomplete:
        words += "; the boundary is not complete"
    return words


def encryption(origin: Origin) -> str:
    """Whether the message crossed every trusted hop encrypted, in one line."""
    if origin.encrypted is None:
        return "Nothing trustworthy says whether the message travelled encrypted."
    if origin.encrypted:
        return "Every trusted hop over a network was encrypted."
    return "Not every trusted hop over a network was encrypted."


def fidelity(source: Source) -> str:
    """How close the judged octets are to those that were received."""
    return FIDELITIES[source.fidelity]


def fidelity_notes(source: Source) -> tuple[str, ...]:
    return tuple(FIDELITY_NOTES[note] for note in source.fidelity_notes)


# --- checks ----------------------------------------------------------------------------------------


def spf_line(spf: SpfResult, client_ip: str | None = None) -> str:
    """What SPF found for one identity."""
    who = shown(client_ip) if client_ip else "the sending address"
    match spf.result:
        case None:
            return f"not checked, because {_because(spf.reason)}"
        case SpfWord.PASS:
            words = f"allows {who}"
        case SpfWord.FAIL:
            words = f"does not allow {who}"
        case SpfWord.SOFTFAIL:
            words = f"probably does not allow {who}"
        case SpfWord.NEUTRAL:
            words = f"takes no position on {who}"
        case _:
            return _because(spf.reason)
    if spf.mechanism:
        words += f" ({shown(spf.mechanism)})"
    return f"{words}, but {_because(spf.reason)}" if spf.reason is Reason.ORIGIN_INFERRED else words


def key_name(dkim: DkimResult) -> str | None:
    """The DNS name of a signature's key."""
    return f"{dkim.selector}._domainkey.{dkim.domain}" if dkim.selector and dkim.domain else None


def key_kind(dkim: DkimResult) -> str:
    """Algorithm and size, with a warning when the key is marked as a test."""
    words = shown(dkim.algorithm, 40) if dkim.algorithm else "unknown algorithm"
    if dkim.key_bits is not None:
        words += f", {dkim.key_bits} bits"
    return words + (", key marked as a test" if dkim.testing else "")


def dkim_line(dkim: DkimResult) -> str:
    """What came of one signature, and whether it speaks for the author."""
    match dkim.result:
        case None:
            return f"not checked, because {_because(dkim.reason)}"
        case DkimWord.PASS:
            words = "intact"
        case _:
            words = _because(dkim.reason)
    if dkim.unsigned_octets:
        words += f", {dkim.unsigned_octets} octets unsigned"
    if dkim.aligned is not None:
        speaks = "speaks" if dkim.result is DkimWord.PASS else "would speak"
        words += f"; {speaks} for the author" if dkim.aligned else "; not the author's domain"
    return words


def diagnosis(dkim: DkimResult) -> str | None:
    """Why a signature failed, as far as a change explains it; never an excuse."""
    return " ".join(_diagnosis(one) for one in dkim.diagnoses) or None


def _diagnosis(one: Diagnosis) -> str:
    words, detail = DIAGNOSES[one.code], shown(one.detail or "")
    match one.code:
        case DiagnosisCode.FOOTER_REMOVED if detail == "part":
            what = "the last part, a mailing-list footer, is removed"
        case DiagnosisCode.FOOTER_REMOVED if detail.isdigit():
            what = "the last line, a mailing-list footer, is removed"
            if detail != "1":
                what = f"the last {detail} lines, a mailing-list footer, are removed"
        case DiagnosisCode.FOOTER_REMOVED:
            what = "its footer is removed"
        case DiagnosisCode.LINES_ADDED:
            what = "The last part was" if detail == "part" else "The last line was"
            if detail.isdigit() and detail != "1":
                what = f"The last {detail} lines were"
            return f"{what} {words}."
        case DiagnosisCode.SUBJECT_TAG_REMOVED:
            return f"{words}."
        case DiagnosisCode.FIELD_INSERTED | DiagnosisCode.FIELD_REPLACED if detail:
            return f"{words.replace('header field', f'header field, {detail},', 1)}."
        case DiagnosisCode.KEY_WEAK if detail:
            return f"{words} ({detail} bits)."
        case DiagnosisCode.KEY_GONE if detail:
            return "Its owner has revoked the key, so nobody can check this signature any more."
        case _:
            named = detail and not detail.isdigit()
            return f"{words} ({detail})." if named else f"{words}."
    return f"{words} when {what}."


def arc_line(arc: ArcResult) -> str:
    """What came of the ARC chain.  It never changes a result."""
    match arc.result:
        case None:
            return f"not checked, because {_because(arc.reason)}"
        case ArcWord.NONE:
            return "no ARC chain"
        case ArcWord.FAIL:
            return f"chain of {len(arc.sets)} is broken: {_because(arc.reason)}"
    count = len(arc.sets)
    handlers = listed((name(item.sealer) for item in arc.sets), 2)
    words = f"{count} intact {'seal' if count == 1 else 'seals'}" + (f" by {handlers}" if handlers else "")
    if arc.trusted_through is None:
        return words + ", none of them trusted"
    return words + f", trusted down to seal {arc.trusted_through}"


def iprev_line(iprev: IprevResult, client_ip: str | None = None) -> str:
    """What the address is called, and whether the name leads back."""
    who = shown(client_ip) if client_ip else "the address"
    match iprev.result:
        case None:
            return f"not checked, because {_because(iprev.reason)}"
        case IprevWord.PASS:
            return f"{who} is {listed((shown(item) for item in iprev.confirmed), 2)}"
        case IprevWord.FAIL if iprev.names:
            return f"{who} calls itself {listed((shown(item) for item in iprev.names), 2)}, which does not lead back"
    return _because(iprev.reason)


def policy_name(dmarc: DmarcResult) -> str | None:
    """The DNS name that the policy stands at."""
    return f"_dmarc.{dmarc.policy_domain}" if dmarc.policy_domain else None


def dmarc_line(dmarc: DmarcResult) -> str:
    """What DMARC found, and what the domain asks for."""
    match dmarc.result:
        case None:
            words = f"not decided, because {_because(dmarc.reason)}"
        case DmarcWord.PASS:
            methods = listed(f"{one.method.upper()} of {name(one.identifier)}" for one in dmarc.aligned if one.aligned)
            words = f"rests on {methods}" if methods else _because(dmarc.reason)
        case DmarcWord.NONE if dmarc.reason is None or dmarc.reason is Reason.NO_POLICY:
            return f"{name(dmarc.author_domain)} publishes no policy"
        case _:
            words = _because(dmarc.reason)
    if dmarc.applied_policy is not None:
        words += f"; policy {dmarc.applied_policy.value}"
    if dmarc.test_mode:
        words += " (test mode)"
    if dmarc.override is not None:
        words += f"; handled otherwise: {OVERRIDES[dmarc.override]}"
    return words


def old_standard(dmarc: DmarcResult) -> str | None:
    """One sentence where RFC 7489 and RFC 9989 part, when both were asked."""
    if dmarc.old_result is None or dmarc.old_result is dmarc.result:
        return None
    ours = dmarc.result.value if dmarc.result is not None else "nothing"
    return f"The two DMARC standards part here: the result is {ours}, by the other one {dmarc.old_result.value}."


def author_policy(policy: AuthorPolicy) -> str:
    """The policy of one of several domains that From names."""
    if policy.outcome is DmarcWord.TEMPERROR:
        return f"the policy of {name(policy.domain)} could not be looked up"
    return f"{name(policy.domain)} {asks(policy.applied_policy)}"


def walk_step(step: WalkStep) -> str:
    """What one step of the tree walk found."""
    return shown(step.record, 200) if step.record is not None else OUTCOMES[step.outcome]


def dns_error(error: DnsError) -> str:
    """A question without a usable answer."""
    words = CAUSES[error.cause] if error.cause is not None else OUTCOMES[error.outcome]
    return f"{shown(error.name)} {shown(error.type, 20)}: {words}"


def identity(spf: SpfResult) -> str:
    return "MAIL FROM" if spf.identity is Identity.MAILFROM else "HELO"


# --- recorded results, coverage, anomalies ---------------------------------------------------------


def compared(result: RecordedResult) -> str:
    """How one recorded result stands to ours, with what explains a difference."""
    if result.comparison is None:
        return "not compared"
    words = result.comparison.value
    return f"{words}: {COMPARISON_REASONS[result.reason]}" if result.reason is not None else words


def comparison(recorded: Recorded) -> str | None:
    """How a recorded field stands to our results; None when it was not compared."""
    if not recorded.parsed:
        return "It is not readable as what it claims to be."
    if recorded.comparison is None:
        return None
    if recorded.reason is ComparisonReason.METHOD_NOT_RUN:
        return f"Not compared with our results: {COMPARISON_REASONS[recorded.reason]}."
    words = COMPARISONS[recorded.comparison]
    if recorded.reason is not None:
        words += f": {COMPARISON_REASONS[recorded.reason]}"
    if recorded.comparison is Comparison.DIFFERS:
        methods = listed(shown(r.method, 30) for r in recorded.results if r.comparison is Comparison.DIFFERS)
        words += f" ({methods})" if methods else ""
    return words + "."


def nothing_asked(verdict: Verdict) -> bool:
    """No question has an answer, for none was asked: then our results say nothing of what others recorded."""
    return verdict.dns.questions > 0 and verdict.dns.live + verdict.dns.recorded == 0


def recorded_line(recorded: Recorded) -> str:
    """What a field records, in one line, where nothing was asked that it could be compared with."""
    results = listed((f"{shown(r.method, 30)}={shown(r.result, 30)}" for r in recorded.results), 12)
    return f"recorded {results or 'no result'}; not compared, as nothing was asked"


def coverage_line(coverage: Coverage) -> str | None:
    """What readers are shown and no aligned passing signature covers; None when all of it is covered."""
    parts = []
    if coverage.unsigned_fields:
        parts.append(listed(shown(field, 40) for field in coverage.unsigned_fields))
    if coverage.unsigned_octets:
        parts.append(f"{coverage.unsigned_octets} octets of the body")
    return " and ".join(parts) if parts else None


def anomaly(item: Anomaly) -> str:
    """One sentence for an anomaly."""
    return anomalies((item,))[0]


def anomalies(items: Iterable[Anomaly]) -> tuple[str, ...]:
    """One sentence for each kind of anomaly, in the order of their first, with what they concern."""
    details: dict[AnomalyCode, list[str]] = {}
    for item in items:
        known = details.setdefault(item.code, [])
        if item.detail:
            known.append(_detail(item))
    return tuple(f"{ANOMALIES[code]}{': ' if known else ''}{listed(known, 6)}." for code, known in details.items())


def _detail(item: Anomaly) -> str:
    """The detail with its unit, where it is a number."""
    if item.detail.isdecimal() and item.detail.isascii() and len(item.detail) < 16:
        if item.code in (AnomalyCode.CLOCK_BACKWARDS, AnomalyCode.HOP_NOT_ENCRYPTED):
            return f"hop {item.detail}"
        if item.code is AnomalyCode.UNSIGNED_OCTETS:
            return f"{item.detail} octets"
    if item.code is AnomalyCode.ODD_FROM_SYNTAX and item.detail == SAME_AUTHOR:
        return "every reading gives the same author"
    if item.code in (AnomalyCode.DATE_SKEW, AnomalyCode.SIGNING_TIME_SKEW):
        digits = item.detail.removeprefix("-")
        if digits.isdecimal() and digits.isascii() and len(digits) < 16:
            return f"{duration(int(digits))} {'before' if digits == item.detail else 'after'} it"
    return shown(item.detail, 200)

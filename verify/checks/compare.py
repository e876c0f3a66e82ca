"""What others recorded, method by method, against what we found.

A recorded result never enters our own: the comparison only says whether the two agree, and if not, whether something
that we can see explains it.  For a field that nobody vouches for nothing is explained, it agrees or differs.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from verify.grammar.names import address, domain_name, is_below
from verify.model import (
    ArcResult,
    ArcWord,
    Comparison,
    ComparisonReason,
    Confidence,
    DkimCheck,
    DkimWord,
    DmarcResult,
    DmarcWord,
    Fidelity,
    Identity,
    IprevResult,
    IprevWord,
    Method,
    Origin,
    OriginSource,
    Reason,
    Recorded,
    RecordedResult,
    RecordedStanding,
    SpfResult,
    SpfWord,
    replace,
)

_Outcome = tuple[Comparison, ComparisonReason | None]

_AGREES: _Outcome = (Comparison.AGREES, None)
_DIFFERS: _Outcome = (Comparison.DIFFERS, None)
_NOT_OUR_RESULT: _Outcome = (Comparison.NOT_COMPARABLE, ComparisonReason.NOT_OUR_RESULT)
_OTHER_ORIGIN: _Outcome = (Comparison.NOT_COMPARABLE, ComparisonReason.OTHER_ORIGIN)

_BELIEVED = (RecordedStanding.TRUSTED, RecordedStanding.INFERRED)
_DNS_TROUBLE = frozenset(
    {Reason.DNS_TIMEOUT, Reason.DNS_SERVFAIL, Reason.DNS_REFUSED, Reason.DNS_MALFORMED, Reason.DNS_BUDGET}
)
_NOT_RUN = frozenset({Reason.NOT_RECORDED, Reason.NOT_CHECKABLE, Reason.LIMIT})
_KEY_GONE = frozenset({Reason.NO_KEY, Reason.KEY_REVOKED})
_KEY_OTHER = frozenset(
    {
        Reason.KEY_SYNTAX,
        Reason.KEY_HASH_NOT_ALLOWED,
        Reason.KEY_TYPE_MISMATCH,
        Reason.KEY_SERVICE_NOT_EMAIL,
        Reason.KEY_STRICT_AUID,
        Reason.SEVERAL_KEYS,
    }
)
_WORDS: dict[str, frozenset[str]] = {
    "spf": frozenset(SpfWord),
    "dkim": frozenset(DkimWord),
    "arc": frozenset(ArcWord),
    "iprev": frozenset(IprevWord),
    "dmarc": frozenset(DmarcWord),
}
# Words that writers choose differently for one thing: the signature was there and did not verify.
_DKIM_NOT_VERIFIED = frozenset({"fail", "neutral", "policy", "permerror"})


class Findings(Struct, frozen=True, kw_only=True):
    """Our own results.  ``records_later``: the answers are more than seven days later than the receipt."""

    origin: Origin
    spf: Sequence[SpfResult]
    dkim: Sequence[DkimCheck]
    arc: ArcResult
    iprev: IprevResult
    dmarc: DmarcResult
    fidelity: Fidelity = Fidelity.ORIGINAL
    records_later: bool = False


def compare(recorded: Sequence[Recorded], ours: Findings) -> tuple[Recorded, ...]:
    """The recorded fields with ``comparison`` and ``reason`` set, on each result and on the field as a whole.

    A field differs when one of its results does, else it is explained when one is, else it agrees when one does.
    """
    return tuple(_compare_field(field, ours) for field in recorded)


def _compare_field(field: Recorded, ours: Findings) -> Recorded:
    results = []
    for result in field.results:
        comparison, reason = _compare_result(field, result, ours)
        if comparison is Comparison.EXPLAINED and field.standing not in _BELIEVED:
            comparison, reason = _DIFFERS
        results.append(replace(result, comparison=comparison, reason=reason))
    for wanted in (Comparison.DIFFERS, Comparison.EXPLAINED, Comparison.AGREES):
        decisive = next((r for r in results if r.comparison is wanted), None)
        if decisive is not None:
            break
    else:
        decisive = results[0] if results else None
    return replace(
        field,
        results=tuple(results),
        comparison=decisive.comparison if decisive else Comparison.NOT_COMPARABLE,
        reason=decisive.reason if decisive else None,
    )


def _compare_result(field: Recorded, result: RecordedResult, ours: Findings) -> _Outcome:
    word = "fail" if (result.method, result.result) == ("spf", "hardfail") else result.result  # RFC 8601 2.7.2
    if word not in _WORDS.get(result.method, ()):
        return _NOT_OUR_RESULT
    if result.method == "dkim":
        return _dkim(word, result, ours)
    sealed = field.field.lower() == "arc-authentication-results"
    if field.standing not in _BELIEVED or (sealed and result.method == "arc"):
        return _OTHER_ORIGIN  # what is said at another hop; an AAR speaks of the chain before its own set
    match result.method:
        case "spf":
            return _spf(word, result, ours)
        case "iprev":
            return _iprev(word, result, ours)
        case "arc":
            return _arc(word, ours)
    return _dmarc(word, result, ours)


def _explained(reason: ComparisonReason) -> _Outcome:
    return Comparison.EXPLAINED, reason


# ---- SPF and iprev: about one client address ----


def _spf(word: str, result: RecordedResult, ours: Findings) -> _Outcome:
    mail_from = next((result.properties[p] for p in ("smtp.mailfrom", "smtp.mail") if p in result.properties), None)
    helo = result.properties.get("smtp.helo")
    null_path = mail_from == "" or (mail_from is None and helo is not None)
    named = helo if null_path else mail_from
    order = (Identity.HELO, Identity.MAILFROM) if null_path else (Identity.MAILFROM,)
    found = next((r for identity in order for r in ours.spf if r.identity is identity), None)
    if _other_client(result, ours):
        return _OTHER_ORIGIN
    if found is None or found.result is None:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    if named and found.domain is not None and _domain(named) != found.domain:
        return _OTHER_ORIGIN
    return _by_records(word, found.result, ours)


def _iprev(word: str, result: RecordedResult, ours: Findings) -> _Outcome:
    if _other_client(result, ours):
        return _OTHER_ORIGIN
    if ours.iprev.result is None:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    return _by_records(word, ours.iprev.result, ours)


def _other_client(result: RecordedResult, ours: Findings) -> bool:
    """The writer names another client address than the one that we went by."""
    if ours.origin.client_ip is None:
        return False
    client = address(ours.origin.client_ip)
    named = (result.properties.get(name) for name in ("smtp.remote-ip", "policy.iprev", "client-ip"))
    return any(ip is not None and ip != client for ip in (address(text) for text in named if text))


def _by_records(word: str, found: str, ours: Findings) -> _Outcome:
    if word == found:
        return _AGREES
    if "temperror" in (word, found):
        return _explained(ComparisonReason.DNS_TROUBLE)
    if ours.origin.source is OriginSource.INFERRED and ours.origin.confidence is Confidence.GUESS:
        return _OTHER_ORIGIN  # the guess may be what is wrong
    return _explained(ComparisonReason.RECORD_CHANGED) if ours.records_later else _DIFFERS


# ---- DKIM and ARC: about signatures ----


def _dkim(word: str, result: RecordedResult, ours: Findings) -> _Outcome:
    if word == "none":
        return _dkim_none(ours)
    found = _signatures(result, ours.dkim)
    if not found:
        return _explained(ComparisonReason.COPY_ALTERED)  # the signature is not in this copy
    words = {check.result.result for check in found}
    if any(_same_dkim(word, w) for w in words):
        return _AGREES
    if words == {None}:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    if word == "pass":
        return next((o for o in (_why_not(check, ours) for check in found) if o is not _DIFFERS), _DIFFERS)
    if word == "temperror" or DkimWord.TEMPERROR in words:
        return _explained(ComparisonReason.DNS_TROUBLE)
    return _explained(ComparisonReason.KEY_CHANGED) if ours.records_later else _DIFFERS


def _dkim_none(ours: Findings) -> _Outcome:
    if not ours.dkim:
        return _AGREES
    return _DIFFERS if ours.fidelity is Fidelity.ORIGINAL else _explained(ComparisonReason.COPY_ALTERED)


def _same_dkim(word: str, found: DkimWord | None) -> bool:
    return word == found or (word in _DKIM_NOT_VERIFIED and found in _DKIM_NOT_VERIFIED)


def _signatures(result: RecordedResult, checks: Sequence[DkimCheck]) -> list[DkimCheck]:
    """The signatures that a recorded result may speak of: by header.b, else by domain and selector, else all."""
    properties = result.properties
    start = properties.get("header.b", "")
    if len(start) >= 8:  # RFC 6008 4
        named = [c for c in checks if c.result.b and (c.result.b.startswith(start) or start.startswith(c.result.b))]
        if named:
            return named
    domain = _domain(properties.get("header.d") or properties.get("header.i") or "")
    selector = properties.get("header.s")
    return [
        check
        for check in checks
        if (domain is None or _is_signer(domain, check, exact="header.d" in properties))
        and (selector is None or check.result.selector == selector)
    ]


def _is_signer(domain: str, check: DkimCheck, *, exact: bool) -> bool:
    """``header.i`` alone may name a domain below d=."""
    signer = check.result.domain
    return signer is not None and (domain == signer if exact else is_below(domain, signer))


def _why_not(check: DkimCheck, ours: Findings) -> _Outcome:
    """Why a signature that somebody found good does not pass here."""
    result = check.result
    if result.result is DkimWord.PASS:
        return _AGREES
    if result.result is None or result.reason in _NOT_RUN:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    if result.reason is Reason.EXPIRED:
        received, expires = ours.origin.received_at, result.expires_at
        late = received is None or expires is None or expires >= received
        return _explained(ComparisonReason.EXPIRED_SINCE if late else ComparisonReason.STRICTER_HERE)
    if result.reason is Reason.SIGNATURE_MISMATCH and check.body_hash_holds and ours.records_later:
        return _explained(ComparisonReason.KEY_CHANGED)
    return _why_signature(result.reason, ours)


def _why_signature(reason: Reason | None, ours: Findings) -> _Outcome:
    if reason is None or reason is Reason.LIBRARY_ERROR:
        return _DIFFERS
    if reason in _DNS_TROUBLE:
        return _explained(ComparisonReason.DNS_TROUBLE)
    if reason in _KEY_GONE:
        return _explained(ComparisonReason.KEY_GONE)
    if reason in _KEY_OTHER and ours.records_later:
        return _explained(ComparisonReason.KEY_CHANGED)
    if reason in (Reason.BODY_HASH_MISMATCH, Reason.SIGNATURE_MISMATCH, Reason.TESTING):
        return _explained(ComparisonReason.COPY_ALTERED)
    return _explained(ComparisonReason.STRICTER_HERE)


def _arc(word: str, ours: Findings) -> _Outcome:
    arc = ours.arc
    if arc.result is None:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    if word == arc.result:
        return _AGREES
    if word == "none":
        return _OTHER_ORIGIN  # the receiver looked before it added a set of its own
    if arc.result is ArcWord.NONE:
        return _explained(ComparisonReason.COPY_ALTERED)
    if word == "fail":
        return _explained(ComparisonReason.KEY_CHANGED) if ours.records_later else _DIFFERS
    reasons = [r for s in arc.sets for r in (s.message_signature_reason, s.seal_reason)]
    found = next((r for r in reasons if r not in (None, Reason.VERIFIED)), None)
    if found is not None:
        return _why_signature(found, ours)
    if arc.reason in (Reason.MESSAGE_SIGNATURE_FAILED, Reason.SEAL_FAILED):
        return _explained(ComparisonReason.COPY_ALTERED)
    return _why_signature(arc.reason, ours) if arc.reason in _DNS_TROUBLE | _KEY_GONE else _DIFFERS


# ---- DMARC: about the author ----


def _dmarc(word: str, result: RecordedResult, ours: Findings) -> _Outcome:
    dmarc = ours.dmarc
    named = _domain(result.properties.get("header.from", ""))
    author = dmarc.author_domain
    if named and author and not is_below(named, author) and not is_below(author, named):
        return _OTHER_ORIGIN
    if word == dmarc.result:
        return _AGREES
    if dmarc.reason is Reason.COPY_ALTERED:
        return _explained(ComparisonReason.COPY_ALTERED)
    if dmarc.reason is Reason.RECORDS_LATER:
        return _explained(ComparisonReason.RECORD_CHANGED)
    if dmarc.old_result is not None and word == dmarc.old_result:
        return _explained(ComparisonReason.OLD_STANDARD)
    if dmarc.result is None:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    if "temperror" in (word, dmarc.result):
        return _explained(ComparisonReason.DNS_TROUBLE)
    if (word, dmarc.result) == ("pass", DmarcWord.FAIL):
        return _why_not_aligned(ours)
    return _explained(ComparisonReason.RECORD_CHANGED) if ours.records_later else _DIFFERS


def _why_not_aligned(ours: Findings) -> _Outcome:
    """Why no identifier that could align passes here, although somebody found one that did."""
    able = {(i.method, i.domain) for i in ours.dmarc.could_align}
    for check in ours.dkim:
        if (Method.DKIM, check.result.domain) in able and (why := _why_not(check, ours)) not in (_DIFFERS, _AGREES):
            return why
    mail_from = next((r for r in ours.spf if r.identity is Identity.MAILFROM), None)
    if mail_from is None or mail_from.result is None or mail_from.reason is Reason.ORIGIN_INFERRED:
        return _explained(ComparisonReason.METHOD_NOT_RUN)
    return _explained(ComparisonReason.RECORD_CHANGED) if ours.records_later else _DIFFERS


def _domain(text: str) -> str | None:
    """The domain of a recorded value: an address, ``@domain`` or a domain."""
    return domain_name(text.rpartition("@")[2])

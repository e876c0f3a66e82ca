"""From results to one conclusion with its reason: the first rule that holds decides.

The rule above all others: only a signature, or what the user vouches for, makes a message ``authenticated``; what
could not be checked is never ``failed``; what is inferred can accuse, or make cautious, but never clear.
"""

from __future__ import annotations

from msgspec import Struct

from verify.model import (
    Author,
    Conclusion,
    ConclusionReason,
    Confidence,
    DkimCheck,
    DkimWord,
    DmarcResult,
    DmarcWord,
    Fidelity,
    IdentifierState,
    Method,
    Origin,
    OriginSource,
    Outcome,
    Reason,
    Recorded,
    RecordedResult,
    RecordedStanding,
    SpfResult,
    SpfWord,
    replace,
)

_FAILED = {
    Reason.AUTHOR_MISSING: ConclusionReason.AUTHOR_MISSING,
    Reason.AUTHOR_REPEATED: ConclusionReason.AUTHOR_REPEATED,
    Reason.AUTHOR_SEVERAL_DOMAINS: ConclusionReason.AUTHOR_SEVERAL_DOMAINS,
    Reason.AUTHOR_AMBIGUOUS: ConclusionReason.AUTHOR_AMBIGUOUS,
}

# What may have changed at the signer since the mail was received, while the signed body still holds.
_KEY_TROUBLE = frozenset(
    {
        Reason.NO_KEY,
        Reason.KEY_REVOKED,
        Reason.KEY_SYNTAX,
        Reason.KEY_TYPE_MISMATCH,
        Reason.KEY_HASH_NOT_ALLOWED,
        Reason.KEY_SERVICE_NOT_EMAIL,
        Reason.SEVERAL_KEYS,
        Reason.KEY_STRICT_AUID,
        Reason.KEY_TOO_SHORT,
        Reason.KEY_TOO_LONG,
        Reason.SIGNATURE_MISMATCH,
        Reason.TESTING,
    }
)
_WRONG_IN_COPY = frozenset(
    {Reason.BODY_HASH_MISMATCH, Reason.SIGNATURE_MISMATCH, Reason.LENGTH_OVER_BODY, Reason.TESTING}
)

# Conclusions under which nothing may be written that reads as "checked and wrong".
_NOT_RUN = frozenset(
    {
        ConclusionReason.NOT_RECORDED,
        ConclusionReason.ORIGIN_UNKNOWN,
        ConclusionReason.ORIGIN_INFERRED,
        ConclusionReason.NEVER_CROSSED_BORDER,
        ConclusionReason.NOT_CHECKABLE,
        ConclusionReason.LIMIT,
    }
)


class Facts(Struct, frozen=True, kw_only=True):
    """Everything that the conclusion rests on.

    ``signatures``: those tried.  ``untried``: signing domains of signatures left out by a limit.  ``date_vouched``:
    somebody answers for the time that signatures were judged at.  ``late_signatures``: header indexes of signatures
    whose key answers, ``late_spf``: whether the SPF answers, are more than seven days later than a receipt that is
    at least likely.  ``rebuilt``: line ends were, so that programs may not agree where the header ends.
    """

    fidelity: Fidelity
    limits_hit: tuple[str, ...]
    author: Author
    origin: Origin
    mail_from: SpfResult
    signatures: tuple[DkimCheck, ...]
    untried: tuple[str, ...]
    dmarc: DmarcResult
    recorded: tuple[Recorded, ...]
    date_vouched: bool
    late_signatures: frozenset[int]
    late_spf: bool
    rebuilt: bool = False


def conclude(facts: Facts) -> tuple[Conclusion, ConclusionReason]:
    """The nine rules of the contract, in their order."""
    author, dmarc = facts.author, facts.dmarc
    # 1, 2: the author
    if author.problem is Reason.AUTHOR_MISSING:
        if facts.fidelity is Fidelity.SYNTHETIC:
            return _undetermined(ConclusionReason.NOT_CHECKABLE)
        if facts.limits_hit:
            return _undetermined(ConclusionReason.LIMIT)
    if author.problem is not None and author.problem is not Reason.LIMIT:
        return Conclusion.FAILED, _FAILED[author.problem]
    # 3: something of the header, or of From, was not read; a name that cannot be asked for is a limit of the DNS
    if facts.limits_hit or author.problem is not None or dmarc.result is DmarcWord.PERMERROR:
        return _undetermined(ConclusionReason.LIMIT)
    # 4: the domain asks for nothing
    if dmarc.result is DmarcWord.NONE:
        return Conclusion.UNPROTECTED, ConclusionReason.NO_POLICY
    # 5, 6, 7: something passed
    if dmarc.result is DmarcWord.PASS:
        return _undetermined(ConclusionReason.NOT_CHECKABLE) if facts.rebuilt else _passed(facts)
    # 8: something that could have changed the result could not be checked
    for reason, holds in _OBSTACLES:
        if holds(facts):
            return _undetermined(reason)
    if dmarc.result is DmarcWord.FAIL:  # 9
        return Conclusion.FAILED, ConclusionReason.NOT_ALIGNED
    return _undetermined(ConclusionReason.DNS if dmarc.result is DmarcWord.TEMPERROR else ConclusionReason.NOT_RECORDED)


def settled_dmarc(facts: Facts, reason: ConclusionReason) -> DmarcResult:
    """The DMARC result as the conclusion leaves it: never ``fail`` where something could not be checked."""
    dmarc = facts.dmarc
    if reason is ConclusionReason.DNS:
        return replace(dmarc, result=DmarcWord.TEMPERROR, reason=_trouble(facts))
    if reason in _NOT_RUN and dmarc.result in (DmarcWord.FAIL, DmarcWord.TEMPERROR, None):
        return replace(dmarc, result=None, reason=Reason(reason.value))
    if reason is ConclusionReason.RECORDS_LATER and dmarc.result is DmarcWord.PASS:
        return replace(dmarc, result=None, reason=Reason.RECORDS_LATER)  # a pass of today, not of then
    if reason is ConclusionReason.NOT_CHECKABLE and dmarc.result is DmarcWord.PASS:
        return replace(dmarc, result=None, reason=Reason.NOT_CHECKABLE)  # a pass of what was rebuilt
    if dmarc.result is not DmarcWord.FAIL:
        return dmarc
    if reason is ConclusionReason.COPY_ALTERED:
        return replace(dmarc, reason=Reason.COPY_ALTERED)
    if reason is ConclusionReason.RECORDS_LATER:
        return replace(dmarc, reason=Reason.RECORDS_LATER)
    return dmarc


def _trouble(facts: Facts) -> Reason | None:
    """What the DNS did not answer: a policy record, else the key or the SPF record that could have decided."""
    if any(step.outcome is Outcome.TEMPORARY for step in facts.dmarc.walk):
        return facts.dmarc.reason
    keys = [s.result.reason for s in _alignable(facts) if s.result.result is DkimWord.TEMPERROR]
    return keys[0] if keys else facts.mail_from.reason


def _undetermined(reason: ConclusionReason) -> tuple[Conclusion, ConclusionReason]:
    return Conclusion.UNDETERMINED, reason


def _passed(facts: Facts) -> tuple[Conclusion, ConclusionReason]:
    one_label = False
    organizational = facts.dmarc.organizational_domain
    for method, granted in (
        (Method.DKIM, ConclusionReason.DKIM_ALIGNED),
        (Method.SPF, ConclusionReason.SPF_ALIGNED),
    ):
        for alignment in facts.dmarc.aligned:
            if alignment.method is not method or not alignment.aligned:
                continue
            if alignment.identifier != facts.author.domain and organizational is not None and "." not in organizational:
                one_label = True
                continue
            if (
                method is Method.SPF
                and facts.late_spf
                and _trusted_word(facts, Method.SPF, facts.mail_from.domain) == "not-pass"
            ):
                return _undetermined(ConclusionReason.RECORDS_LATER)
            return Conclusion.AUTHENTICATED, granted
    if one_label:
        return _undetermined(ConclusionReason.ONE_LABEL_DOMAIN)
    raise AssertionError("dmarc=pass without an aligned identifier")


# ---- rule 8: each obstacle, and whether it could have changed the result ----


def _could_align(facts: Facts, domain: str | None, method: Method) -> bool:
    return domain is not None and any(i.domain == domain and i.method is method for i in facts.dmarc.could_align)


def _spf_could_decide(facts: Facts) -> bool:
    """The MAIL FROM domain could align, or the identity is not known; one that is no address cannot align."""
    if facts.mail_from.domain is None:
        return facts.mail_from.result is None
    return _could_align(facts, facts.mail_from.domain, Method.SPF)


def _alignable(facts: Facts) -> tuple[DkimCheck, ...]:
    return tuple(s for s in facts.signatures if _could_align(facts, s.result.domain, Method.DKIM))


def _never_crossed_border(facts: Facts) -> bool:
    return facts.origin.never_crossed_border


def _not_checkable(facts: Facts) -> bool:
    """No original octets, or the message that a signature holds for is not there whole."""
    if facts.fidelity is Fidelity.SYNTHETIC and not facts.signatures:
        return True
    return any(s.result.reason is Reason.NOT_CHECKABLE for s in _alignable(facts))


def _copy_altered(facts: Facts) -> bool:
    """A receiver recorded that it passed, and the signature is wrong in this copy."""
    return any(s.result.reason in _WRONG_IN_COPY for s in _alignable(facts)) and _recorded_pass(facts)


def _records_later(facts: Facts) -> bool:
    """An identifier lacks only what may have changed since the receipt; a trusted recorded result decides."""
    for signature in _alignable(facts):
        if (
            signature.result.index in facts.late_signatures
            and signature.body_hash_holds
            and signature.result.result is not DkimWord.PASS
            and signature.result.reason in _KEY_TROUBLE
            and _trusted_word(facts, Method.DKIM, signature.result.domain) != "not-pass"
        ):
            return True
    return (
        facts.late_spf
        and _could_align(facts, facts.mail_from.domain, Method.SPF)
        and facts.mail_from.result not in (None, SpfWord.PASS, SpfWord.TEMPERROR)
        and _trusted_word(facts, Method.SPF, facts.mail_from.domain) != "not-pass"
    )


def _limit(facts: Facts) -> bool:
    return any(i.reason is Reason.LIMIT for i in facts.dmarc.could_align) or any(
        _could_align(facts, domain, Method.DKIM) for domain in facts.untried
    )


def _dns(facts: Facts) -> bool:
    return (
        facts.dmarc.result is DmarcWord.TEMPERROR
        or any(s.result.result is DkimWord.TEMPERROR for s in _alignable(facts))
        or (facts.mail_from.result is SpfWord.TEMPERROR and _could_align(facts, facts.mail_from.domain, Method.SPF))
    )


def _not_recorded(facts: Facts) -> bool:
    return (
        _walk_missing(facts)
        or any(s.result.reason is Reason.NOT_RECORDED for s in _alignable(facts))
        or (facts.mail_from.reason is Reason.NOT_RECORDED and _could_align(facts, facts.mail_from.domain, Method.SPF))
    )


def _walk_missing(facts: Facts) -> bool:
    """A step of a walk is missing on which it hangs whether there is a policy, or whether something aligns."""
    dmarc = facts.dmarc
    if dmarc.result is not None or all(step.outcome is not Outcome.NOT_RECORDED for step in dmarc.walk):
        return False
    if dmarc.record is None or any(alignment.aligned is None for alignment in dmarc.aligned):
        return True
    return dmarc.organizational_domain is None and any(
        each.state is IdentifierState.UNKNOWN and each.domain != facts.author.domain for each in dmarc.could_align
    )


def _expiry_unvouched(facts: Facts) -> bool:
    """An aligned signature is good but for an expiry that hangs on a date nothing vouches for."""
    return not facts.date_vouched and any(s.expired_only for s in _alignable(facts))


def _origin_unknown(facts: Facts) -> bool:
    origin = facts.origin
    if origin.source is OriginSource.NONE and _expiry_unvouched(facts):
        return True
    could_not_run = facts.mail_from.reason in (Reason.NO_CLIENT_IP, Reason.NO_MAIL_FROM, Reason.NO_HELO)
    return could_not_run and origin.source is not OriginSource.INFERRED and _spf_could_decide(facts)


def _origin_inferred(facts: Facts) -> bool:
    origin = facts.origin
    if _expiry_unvouched(facts):
        return True
    if origin.vouched_for or not _spf_could_decide(facts):
        return False
    if facts.mail_from.result is SpfWord.PASS:
        return True
    return origin.source is OriginSource.INFERRED and (
        origin.confidence is Confidence.GUESS or facts.mail_from.result is None
    )


_OBSTACLES = (
    (ConclusionReason.NEVER_CROSSED_BORDER, _never_crossed_border),
    (ConclusionReason.NOT_CHECKABLE, _not_checkable),
    (ConclusionReason.COPY_ALTERED, _copy_altered),
    (ConclusionReason.RECORDS_LATER, _records_later),
    (ConclusionReason.LIMIT, _limit),
    (ConclusionReason.DNS, _dns),
    (ConclusionReason.NOT_RECORDED, _not_recorded),
    (ConclusionReason.ORIGIN_UNKNOWN, _origin_unknown),
    (ConclusionReason.ORIGIN_INFERRED, _origin_inferred),
)


# ---- what others recorded: it may make us cautious, never clear ----


def _recorded_pass(facts: Facts) -> bool:
    believed = (RecordedStanding.TRUSTED, RecordedStanding.INFERRED)
    return any(
        result.result == "pass" and _concerns_author(facts, result)
        for recorded in facts.recorded
        if recorded.standing in believed
        for result in recorded.results
    )


def _concerns_author(facts: Facts, result: RecordedResult) -> bool:
    """A recorded ``dmarc=pass`` for the Author Domain, or a ``dkim=pass`` that aligns."""
    if result.method == "dmarc":
        named = result.properties.get("header.from")
        return named is None or recorded_domain(named) == facts.author.domain
    if result.method == "dkim":
        return _could_align(facts, _signer(result), Method.DKIM)
    return False


def _trusted_word(facts: Facts, method: Method, domain: str | None) -> str | None:
    """What a trusted receiver recorded for this identifier: ``pass``, ``not-pass``, or None when nothing definite."""
    words = {
        result.result
        for recorded in facts.recorded
        if recorded.standing is RecordedStanding.TRUSTED
        for result in recorded.results
        if result.method == method.value and _is_about(facts, result, domain)
    }
    words.discard("temperror")
    if not words:
        return None
    return "pass" if "pass" in words else "not-pass"


def _is_about(facts: Facts, result: RecordedResult, domain: str | None) -> bool:
    """Whether a recorded SPF or DKIM result is about the identifier with this domain.

    SPF is about MAIL FROM, also where the writer names no identity; a HELO result is so for the null path alone.
    """
    if result.method == "dkim":
        return _signer(result) == domain
    prop = result.properties
    named = prop.get("smtp.mailfrom") or prop.get("smtp.mail")
    if named:
        return recorded_domain(named) == domain
    return "smtp.helo" not in prop or facts.origin.mail_from == ""


def _signer(result: RecordedResult) -> str | None:
    value = result.properties.get("header.d") or result.properties.get("header.i")
    return recorded_domain(value) if value else None


def recorded_domain(value: str) -> str:
    """The domain of a recorded property value, which may be an address, ``@domain`` or a domain."""
    return value.rsplit("@", 1)[-1].strip("<>").rstrip(".").lower()

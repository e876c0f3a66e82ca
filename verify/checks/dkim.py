"""DKIM signatures (RFC 6376, 8301, 8463): which are tried, and what each one proves.

The key is asked for before the body is hashed, so that an interrupted check has cost little.
"""

from __future__ import annotations

from verify.checks.canonical import BodyHashes
from verify.checks.examine import Examined, examine, objection
from verify.checks.keys import LibraryError
from verify.checks.signature import DKIM, Signature, parse_signature
from verify.grammar.names import is_below
from verify.model import (
    DNS_REASONS,
    Answer,
    Ask,
    Cause,
    DkimCheck,
    DkimResult,
    DkimWord,
    Fidelity,
    Field,
    Limits,
    Message,
    Outcome,
    Question,
    Reason,
    Settings,
    replace,
    utc,
)

SIGNATURE = b"dkim-signature"
B_LEAST = 8  # characters of b= in a result, RFC 6008 4

_PERMERROR = frozenset(
    (
        Reason.BAD_DOMAIN,
        Reason.BAD_SELECTOR,
        Reason.BAD_AUID,
        Reason.RSA_SHA1,
        Reason.FROM_NOT_SIGNED,
        Reason.AUID_OUTSIDE_DOMAIN,
    )
)


def read_signature(field: Field, limits: Limits) -> Signature:
    """A DKIM-Signature field read; ``.question`` is where its key is."""
    return parse_signature(field.value, DKIM, limits.tag_list_octets, limits.signed_names)


def order_signatures(
    message: Message, author_domain: str | None, limits: Limits
) -> tuple[tuple[Field, ...], tuple[int, ...]]:
    """The signatures to try, in the order to try them, and the header indexes of those left out.

    Those come first whose d= equals the Author Domain, lies below it, or is an ancestor of two labels or more; so a
    flood of foreign signatures cannot push out the one that counts.  Results stand in the verdict in header order.
    """
    fields = message.named(SIGNATURE)
    if author_domain is not None and len(fields) > 1:
        fields = tuple(sorted(fields, key=lambda f: not _may_align(read_signature(f, limits), author_domain)))
    return fields[: limits.signatures], tuple(sorted(f.index for f in fields[limits.signatures :]))


def _may_align(signature: Signature, author_domain: str) -> bool:
    domain = signature.domain
    if domain is None:
        return False
    return is_below(domain, author_domain) or ("." in domain and is_below(author_domain, domain))


def check_signature(
    message: Message, field: Field, ask: Ask, judged_at: int, settings: Settings, bodies: BodyHashes
) -> DkimCheck:
    """What one DKIM-Signature proves of this message.

    ``field``: one of the message's; ``bodies``: made of its body.  ``ask`` may raise ``NotKnownYet``.  Times are judged
    at ``judged_at``, epoch seconds.  Result words: pass; fail (the arithmetic says no); neutral (cannot be read);
    permerror (a MUST is broken, the key among it); temperror; policy (good, but refused); None (could not be run).
    """
    limits = settings.limits
    signature = read_signature(field, limits)
    base = DkimResult(
        domain=signature.domain,
        selector=signature.selector,
        auid=signature.auid,
        algorithm=signature.algorithm,
        result=None,
        signed_fields=signature.names_shown,
        signed_at=utc(signature.signed_at),
        expires_at=utc(signature.expires_at),
        b=_start_of_b(message, field, signature, limits),
        index=field.index,
    )
    if message.source.fidelity is Fidelity.SYNTHETIC:
        return _refused(base, None, Reason.NOT_CHECKABLE)
    if signature.problem is not None:
        return _refused(base, _word_of_problem(signature.problem), signature.problem)
    question = signature.question
    if question is None:  # no problem means that both names are there
        return _refused(base, DkimWord.PERMERROR, Reason.BAD_SELECTOR)
    if "." not in (signature.domain or ""):  # a top-level domain signs for nobody (RFC 6376 6.1.1)
        return _refused(base, DkimWord.POLICY, Reason.PUBLIC_SUFFIX)

    answer = ask(question)
    if answer.outcome is Outcome.NOT_RECORDED:
        return _refused(base, None, Reason.NOT_RECORDED)
    if answer.outcome is Outcome.TEMPORARY:
        return _refused(base, DkimWord.TEMPERROR, DNS_REASONS[answer.cause or Cause.SERVFAIL])
    return _judge(message, field, signature, base, answer, judged_at, settings, bodies)


def _refused(base: DkimResult, word: DkimWord | None, reason: Reason) -> DkimCheck:
    return DkimCheck(result=replace(base, result=word, reason=reason))


def _word_of_problem(problem: Reason) -> DkimWord | None:
    if problem is Reason.LIMIT:
        return None
    return DkimWord.PERMERROR if problem in _PERMERROR else DkimWord.NEUTRAL


def _judge(
    message: Message,
    field: Field,
    signature: Signature,
    base: DkimResult,
    answer: Answer,
    judged_at: int,
    settings: Settings,
    bodies: BodyHashes,
) -> DkimCheck:
    """Body hash, arithmetic, then what stands against a signature that holds."""
    try:
        examined = examine(message, field, signature, answer, settings.limits, bodies)
    except LibraryError:
        return _refused(base, DkimWord.PERMERROR, Reason.LIBRARY_ERROR)
    if examined is None:
        return _refused(base, None, Reason.LIMIT)
    record = examined.arithmetic.record
    testing = None if record is None else record.testing
    reason = examined.reason
    if reason is Reason.VERIFIED:
        reason = objection(signature, examined, judged_at, settings, bodies) or reason
    word, reason = _outcome(examined, reason, bool(testing))
    return DkimCheck(
        result=replace(
            base,
            key_bits=None if record is None else record.bits,
            testing=testing,
            result=word,
            reason=reason,
            unsigned_octets=examined.unsigned_octets,
        ),
        covered=tuple(sorted([f.index for f in examined.covered])),
        body_hash_holds=examined.body_holds,
        signature_holds=examined.arithmetic.holds,
        expired_only=reason is Reason.EXPIRED,
        body_octets_signed=signature.length,
    )


def _outcome(examined: Examined, reason: Reason, testing: bool) -> tuple[DkimWord | None, Reason]:
    if examined.arithmetic.problem is Reason.LIMIT or reason is Reason.NOT_CHECKABLE:
        return None, reason
    if examined.arithmetic.problem is not None:
        return DkimWord.POLICY if reason is Reason.KEY_TOO_LONG else DkimWord.PERMERROR, reason
    if reason is Reason.LENGTH_OVER_BODY:
        return DkimWord.NEUTRAL, reason
    if reason in (Reason.BODY_HASH_MISMATCH, Reason.SIGNATURE_MISMATCH):
        # RFC 6376 3.6.1: under a testing key a failing signature is as if there were none
        return (DkimWord.NEUTRAL, Reason.TESTING) if testing else (DkimWord.FAIL, reason)
    return DkimWord.PASS if reason is Reason.VERIFIED else DkimWord.POLICY, reason


def _start_of_b(message: Message, field: Field, signature: Signature, limits: Limits) -> str | None:
    """At least 8 characters of b=, more until no other signature of the message begins so (RFC 6008 4)."""
    own = signature.b_text
    if own is None:
        return None
    length = B_LEAST
    for other in message.named(SIGNATURE):
        if other is field:
            continue
        text = read_signature(other, limits).b_text
        if text is not None and text != own:
            length = max(length, _common_start(own, text) + 1)
    return own[:length]


def _common_start(one: str, other: str) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def key_questions(message: Message, author_domain: str | None, limits: Limits) -> tuple[Question, ...]:
    """The keys that the signatures to be tried will need, those that could align first; pure."""
    tried, _ = order_signatures(message, author_domain, limits)
    found: dict[Question, None] = {}
    for field in tried:
        signature = read_signature(field, limits)
        if signature.problem is None and signature.question is not None:
            found[signature.question] = None
    return tuple(found)

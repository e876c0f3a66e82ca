"""The Authenticated Received Chain (RFC 8617 5.2): is the chain whole, and what does each set claim.

A chain that passes says who sealed, not that the sealer is to be believed; that is for the user to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from verify.checks.canonical import RELAXED, BodyHashes, signature_field
from verify.checks.examine import examine, objection, try_keys
from verify.checks.keys import LibraryError, key_records
from verify.checks.signature import MESSAGE_SIGNATURE, SEAL, Signature, instance_number, parse_signature
from verify.grammar.names import address
from verify.grammar.results import parse_results
from verify.model import (
    DNS_REASONS,
    Answer,
    ArcResult,
    ArcSet,
    ArcWord,
    Ask,
    Cause,
    Fidelity,
    Field,
    Limits,
    Message,
    NotKnownYet,
    Outcome,
    Question,
    Reason,
    RecordedResult,
    Settings,
    replace,
)

RESULTS_FIELD, SIGNATURE_FIELD, SEAL_FIELD = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"

_NO_CHAIN = ArcResult(result=ArcWord.NONE)
_REMOTE_IP = ("smtp.remote-ip", "smtp.client-ip")


class _Set(Struct, frozen=True):
    """One whole set: its three fields, two of them read."""

    results: Field
    message_field: Field
    message_signature: Signature
    seal_field: Field
    seal: Signature


class _Member(Struct, frozen=True):
    field: Field
    instance: int | None
    signature: Signature | None


class _Judged(Struct, frozen=True):
    """``word``: None when it could not be run."""

    word: ArcWord | None
    reason: Reason


def check_arc(message: Message, ask: Ask, judged_at: int, settings: Settings, bodies: BodyHashes) -> ArcResult:
    """Validate the chain; sets are listed newest first even when it fails.

    ``ask`` may raise ``NotKnownYet``; all keys of the chain are then asked for at once.  All failures are permanent,
    DNS errors too (RFC 8617 5.2.1); only a key that a recording lacks, or a limit of ours, gives result None.
    """
    limits = settings.limits
    members = _read_members(message, limits)
    # 1. Collect the sets.
    if not members:
        return _NO_CHAIN
    claimed = _claimed(members, limits)
    newest = max((m.instance or 0 for m in members), default=0)
    if newest > limits.arc_sets:
        return ArcResult(result=ArcWord.FAIL, reason=Reason.CHAIN_TOO_LONG, sets=claimed)
    # 2. The newest seal may say that the chain is broken already.
    if any(m.instance == newest and m.signature and m.signature.cv == b"fail" for m in _of(members, SEAL_FIELD)):
        return ArcResult(result=ArcWord.FAIL, reason=Reason.CHAIN_FAILED_BEFORE, sets=claimed)
    # 3. The structure.
    chain = _whole_sets(members, newest)
    if isinstance(chain, Reason):
        return ArcResult(result=ArcWord.FAIL, reason=chain, sets=claimed)
    if message.source.fidelity is Fidelity.SYNTHETIC:
        return ArcResult(result=None, reason=Reason.NOT_CHECKABLE, sets=claimed)
    if newest > limits.arc_seals_checked:
        return ArcResult(result=None, reason=Reason.LIMIT, sets=claimed)
    # 4. to 6. Message signatures and seals.
    answers = _keys(chain, ask)
    signatures = [_check_message_signature(message, s, answers, judged_at, settings, bodies) for s in chain]
    seals = _check_seals(chain, answers, limits, bodies)
    sets = tuple(
        replace(
            claim,
            seal=seals[claim.instance - 1].word,
            seal_reason=seals[claim.instance - 1].reason,
            message_signature=signatures[claim.instance - 1].word,
            message_signature_reason=signatures[claim.instance - 1].reason,
        )
        for claim in claimed
    )
    # 7. The chain.
    word, reason = _conclude(signatures[-1], seals)
    if word is not ArcWord.PASS:
        return ArcResult(result=word, reason=reason, sets=sets)
    return ArcResult(
        result=word,
        reason=reason,
        oldest_pass=_oldest_pass(signatures),
        trusted_through=_trusted_through(chain, settings),
        sets=sets,
    )


def key_questions(message: Message, limits: Limits) -> tuple[Question, ...]:
    """The keys that a check of the chain will ask for; empty when it fails without them."""
    members = _read_members(message, limits)
    newest = max((m.instance or 0 for m in members), default=0)
    if not members or newest > limits.arc_sets:
        return ()
    chain = _whole_sets(members, newest)
    return () if isinstance(chain, Reason) else tuple(_questions(chain))


def _read_members(message: Message, limits: Limits) -> list[_Member]:
    """The fields of all sets; those of one name topmost first."""
    members = [_Member(f, _results_instance(f.value), None) for f in message.named(RESULTS_FIELD)]
    for key, kind in ((SIGNATURE_FIELD, MESSAGE_SIGNATURE), (SEAL_FIELD, SEAL)):
        for field in message.named(key):
            signature = parse_signature(field.value, kind, limits.tag_list_octets, limits.signed_names)
            members.append(_Member(field, signature.instance, signature))
    return members


def _results_instance(value: bytes) -> int | None:
    """i= must come first and be ended by a semicolon (RFC 8617 4.1.1); the rest need not be readable."""
    first, semicolon, _ = value.partition(b";")
    name, equals, number = first.partition(b"=")
    if not semicolon or not equals or name.strip(b" \t\r\n") != b"i":
        return None
    return instance_number(number.strip(b" \t\r\n"))


def _of(members: Sequence[_Member], key: bytes) -> list[_Member]:
    return [m for m in members if m.field.key == key]


def _claimed(members: Sequence[_Member], limits: Limits) -> tuple[ArcSet, ...]:
    """What the sets say, before anything is verified; of a repeated member the topmost."""
    found: dict[int, dict[bytes, _Member]] = {}
    for member in members:
        if member.instance is not None:
            found.setdefault(member.instance, {}).setdefault(member.field.key, member)
    sets = []
    for instance in sorted(found, reverse=True)[: limits.arc_sets]:
        seal = found[instance].get(SEAL_FIELD)
        results = found[instance].get(RESULTS_FIELD)
        signature = seal.signature if seal else None
        parsed = parse_results(results.field.value, limits) if results else None
        sets.append(
            ArcSet(
                instance=instance,
                sealer=signature.domain if signature else None,
                selector=signature.selector if signature else None,
                cv=_CV.get(signature.cv or b"") if signature else None,
                results=parsed.results if parsed else (),
                authserv_id=parsed.authserv_id if parsed else None,
                remote_ip=_remote_ip(parsed.results) if parsed else None,
            )
        )
    return tuple(sets)


_CV = {b"none": "none", b"pass": "pass", b"fail": "fail"}


def _remote_ip(results: tuple[RecordedResult, ...]) -> str | None:
    """The client address as the sealer wrote it (RFC 8617 6)."""
    for result in results:
        for name in _REMOTE_IP:
            found = address(result.properties.get(name, ""))
            if found is not None:
                return str(found)
    return None


def _whole_sets(members: Sequence[_Member], newest: int) -> list[_Set] | Reason:
    """The sets 1 to ``newest``, or why they are none (RFC 8617 5.2 step 3)."""
    placed: dict[tuple[int, bytes], _Member] = {}
    for member in members:
        key = (member.instance or 0, member.field.key)
        if member.instance is None or key in placed:
            return Reason.CHAIN_STRUCTURE
        placed[key] = member
    chain = []
    for instance in range(1, newest + 1):
        results = placed.get((instance, RESULTS_FIELD))
        message_signature = placed.get((instance, SIGNATURE_FIELD))
        seal = placed.get((instance, SEAL_FIELD))
        if results is None or message_signature is None or seal is None:
            return Reason.CHAIN_STRUCTURE
        if message_signature.signature is None or seal.signature is None:
            return Reason.CHAIN_STRUCTURE
        if seal.signature.problem is Reason.SEAL_HAS_H:
            return Reason.SEAL_HAS_H
        if seal.signature.cv != (b"none" if instance == 1 else b"pass"):
            return Reason.CHAIN_STRUCTURE
        chain.append(
            _Set(results.field, message_signature.field, message_signature.signature, seal.field, seal.signature)
        )
    return chain


def _questions(chain: list[_Set]) -> dict[Question, None]:
    found: dict[Question, None] = {}
    for one in reversed(chain):
        for signature in (one.message_signature, one.seal):
            if signature.problem is None and signature.question is not None:
                found[signature.question] = None
    return found


def _keys(chain: list[_Set], ask: Ask) -> dict[Question, Answer]:
    answers: dict[Question, Answer] = {}
    unknown: dict[Question, None] = {}
    for question in _questions(chain):
        try:
            answers[question] = ask(question)
        except NotKnownYet as missing:
            unknown.update(dict.fromkeys(missing.questions))
    if unknown:
        raise NotKnownYet(*unknown)
    return answers


def _before_arithmetic(signature: Signature, answers: dict[Question, Answer]) -> Answer | _Judged:
    """The answer that holds the key, or what is said without one."""
    if signature.problem is not None or signature.question is None:
        reason = signature.problem or Reason.BAD_SELECTOR
        return _Judged(None if reason is Reason.LIMIT else ArcWord.FAIL, reason)
    answer = answers[signature.question]
    if answer.outcome is Outcome.NOT_RECORDED:
        return _Judged(None, Reason.NOT_RECORDED)
    if answer.outcome is Outcome.TEMPORARY:
        return _Judged(ArcWord.FAIL, DNS_REASONS[answer.cause or Cause.SERVFAIL])
    return answer


def _check_message_signature(
    message: Message,
    one: _Set,
    answers: dict[Question, Answer],
    judged_at: int,
    settings: Settings,
    bodies: BodyHashes,
) -> _Judged:
    signature = one.message_signature
    answer = _before_arithmetic(signature, answers)
    if isinstance(answer, _Judged):
        return answer
    try:
        examined = examine(message, one.message_field, signature, answer, settings.limits, bodies)
    except LibraryError:
        return _Judged(ArcWord.FAIL, Reason.LIBRARY_ERROR)
    if examined is None:
        return _Judged(None, Reason.LIMIT)
    reason = examined.reason
    if reason is Reason.VERIFIED:
        reason = objection(signature, examined, judged_at, settings, bodies) or reason
    return _judged(reason)


def _check_seals(
    chain: list[_Set], answers: dict[Question, Answer], limits: Limits, bodies: BodyHashes
) -> list[_Judged]:
    """Each seal covers its own set and all older ones (RFC 8617 5.1.1); the hash runs on from set to set."""
    judged = []
    covered = sha256()
    for one in chain:
        covered.update(bodies.relaxed_field(one.results))
        covered.update(bodies.relaxed_field(one.message_field))
        own = covered.copy()
        own.update(signature_field(one.seal_field, RELAXED))
        covered.update(bodies.relaxed_field(one.seal_field))
        judged.append(_check_seal(one.seal, own.digest(), answers, limits))
    return judged


def _check_seal(seal: Signature, digest: bytes, answers: dict[Question, Answer], limits: Limits) -> _Judged:
    answer = _before_arithmetic(seal, answers)
    if isinstance(answer, _Judged):
        return answer
    records, missing = key_records(answer, limits)
    if missing is not None:
        return _Judged(ArcWord.FAIL, missing)
    try:
        arithmetic = try_keys(seal, records, digest, limits)
    except LibraryError:
        return _Judged(ArcWord.FAIL, Reason.LIBRARY_ERROR)
    return _judged(arithmetic.problem or (Reason.VERIFIED if arithmetic.holds else Reason.SIGNATURE_MISMATCH))


def _judged(reason: Reason) -> _Judged:
    if reason in (Reason.LIMIT, Reason.NOT_CHECKABLE):
        return _Judged(None, reason)
    return _Judged(ArcWord.PASS if reason is Reason.VERIFIED else ArcWord.FAIL, reason)


def _conclude(newest: _Judged, seals: list[_Judged]) -> tuple[ArcWord | None, Reason]:
    """The newest message signature and every seal must hold.  What is certain decides before what could not be run."""
    dns = set(DNS_REASONS.values())
    failed = [(newest, Reason.MESSAGE_SIGNATURE_FAILED)] + [(seal, Reason.SEAL_FAILED) for seal in reversed(seals)]
    for judged, reason in failed:
        if judged.word is ArcWord.FAIL and judged.reason not in dns:
            return ArcWord.FAIL, reason
    for judged, _ in failed:
        if judged.word is ArcWord.FAIL:
            return ArcWord.FAIL, judged.reason
    for judged, _ in failed:
        if judged.word is None:
            return None, judged.reason
    return ArcWord.PASS, Reason.VERIFIED


def _oldest_pass(signatures: list[_Judged]) -> int:
    """The lowest instance from which on every message signature holds; 0 when all do (RFC 8617 5.2)."""
    for instance in range(len(signatures), 0, -1):
        if signatures[instance - 1].word is not ArcWord.PASS:
            return instance + 1
    return 0


def _trusted_through(chain: list[_Set], settings: Settings) -> int | None:
    """The lowest instance reached from the newest through sealers that the user named; None when the first is not."""
    trusted = {name.lower().rstrip(".") for name in settings.trust_sealers}
    reached = None
    for instance in range(len(chain), 0, -1):
        if chain[instance - 1].seal.domain not in trusted:
            break
        reached = instance
    return reached

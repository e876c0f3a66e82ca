"""One signature over one message: the fields that it covers, the body, the keys, and what stands against it.

Shared by DKIM and ARC, which have different words for what comes out.  Of dkimpy, ``select_headers`` is used; not
``hash_headers``: its search for b= is quadratic, and it strips more than CRLF from the end of the signature field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from verify.checks.canonical import RELAXED, BodyHashes, signature_field, simple_field
from verify.checks.keys import KeyRecord, LibraryError, check_key, digest_of, holds, key_records
from verify.checks.signature import Signature
from verify.libraries import dkimpy
from verify.model import AnomalyCode, Answer, Fidelity, Field, Limits, Message, Reason, Settings

# Fields that a reader is shown, or that decide what is shown (RFC 6376 8.15 and 5.4.1).
SHOWN = (
    b"from",
    b"subject",
    b"date",
    b"to",
    b"cc",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)

_REMEMBERED_OCTETS = 2000  # of field names, in the header and in h=
_select_headers: Callable[[Sequence[tuple[bytes, int]], Sequence[bytes]], list[tuple[bytes, int]]] = (
    dkimpy.select_headers
)


class _Choice(NamedTuple):
    """Places in the header: of the fields that h= covers, in the order in which they are hashed; and of instances of
    shown fields that it leaves out although it covers another one of that name."""

    covered: tuple[int, ...]
    left_out: tuple[int, ...]


def signed_fields(fields: Sequence[Field], names: tuple[bytes, ...]) -> tuple[Field, ...]:
    """The fields that h= covers, in the order in which they are hashed (RFC 6376 3.7, 5.4.2).

    Raises ``LibraryError``.
    """
    return tuple([fields[place] for place in _choose(fields, names).covered])


def _choose(fields: Sequence[Field], names: tuple[bytes, ...]) -> _Choice:
    keys = tuple([field.key for field in fields])
    small = len(b"".join(keys)) + len(b"".join(names)) <= _REMEMBERED_OCTETS
    return (_remembered_choice if small else _choice)(keys, names)


def _choice(keys: tuple[bytes, ...], names: tuple[bytes, ...]) -> _Choice:
    """Only the lowest instances that h= can reach are handed to dkimpy, so that its search stays small: each name of
    h= takes at most one.
    """
    wanted = Counter(names)
    within: list[tuple[bytes, int]] = []
    for place in range(len(keys) - 1, -1, -1):
        key = keys[place]
        if wanted.get(key, 0) > 0:
            wanted[key] -= 1
            within.append((key, place))
    within.reverse()
    present = {key for key, _ in within}
    try:
        chosen = _select_headers(within, [name for name in names if name in present])
    except Exception as error:
        raise LibraryError("dkimpy") from error
    covered = tuple([place for _, place in chosen])
    shown = {keys[place] for place in covered}.intersection(SHOWN)
    left_out = set(range(len(keys))).difference(covered)
    return _Choice(covered, tuple([place for place in sorted(left_out) if keys[place] in shown]))


_remembered_choice = lru_cache(maxsize=2048)(_choice)  # a sender's messages are built alike


def header_input(signature: Signature, field: Field, covered: Sequence[Field], bodies: BodyHashes) -> bytes:
    """The octets that are hashed for b=: the covered fields, then the signature field itself (RFC 6376 3.7)."""
    parts = bodies.relaxed_fields(covered) if signature.header_form == RELAXED else [simple_field(f) for f in covered]
    parts.append(signature_field(field, signature.header_form))
    return b"".join(parts)


class Arithmetic(Struct, frozen=True):
    """What the keys say.  ``holds``: None when no key could be tried, then ``problem`` says why."""

    holds: bool | None
    problem: Reason | None = None
    record: KeyRecord | None = None


def try_keys(signature: Signature, records: Sequence[KeyRecord], digest: bytes, limits: Limits) -> Arithmetic:
    """Try each record in turn: the first that verifies, else one that was tried, else why the first could not be."""
    best: Arithmetic | None = None
    algorithm = (signature.algorithm or "").encode()
    for record in records:
        problem = check_key(record, algorithm, signature.below_domain, limits)
        if problem is not None or record.key is None:
            best = best or Arithmetic(None, problem, record)
            continue
        if holds(record.key, signature.signature, digest):
            return Arithmetic(True, None, record)
        if best is None or best.holds is None:
            best = Arithmetic(False, None, record)
    return best or Arithmetic(None, Reason.NO_KEY)


class Examined(Struct, frozen=True):
    """What was found.  ``covered``: the fields in the order of h=; ``body_holds``: False too when l= is over the body.

    ``left_out``: instances of shown fields that h= does not cover although it covers another one of that name.
    ``unsigned_octets``: of the canonical body behind l=; None without l=.
    """

    arithmetic: Arithmetic
    covered: tuple[Field, ...]
    left_out: tuple[Field, ...]
    body_holds: bool
    length_over_body: bool
    unsigned_octets: int | None
    body_whole: bool = True  # False: the source holds only part of the message, so that a body hash says nothing

    @property
    def reason(self) -> Reason:
        """VERIFIED, or what is wrong."""
        if self.arithmetic.problem is not None:
            return self.arithmetic.problem
        if not self.body_holds and not self.body_whole:
            return Reason.NOT_CHECKABLE if self.arithmetic.holds else Reason.SIGNATURE_MISMATCH
        if self.length_over_body:
            return Reason.LENGTH_OVER_BODY
        if not self.body_holds:
            return Reason.BODY_HASH_MISMATCH
        return Reason.VERIFIED if self.arithmetic.holds else Reason.SIGNATURE_MISMATCH


def examine(
    message: Message, field: Field, signature: Signature, answer: Answer, limits: Limits, bodies: BodyHashes
) -> Examined | None:
    """Hash and verify; None when the body is over ``Limits.body_octets``.  Raises ``LibraryError``.

    ``answer``: FOUND, NODATA or NXDOMAIN for the key.  The body is hashed even without a key: whether it is still
    what was signed does not hang on the DNS.
    """
    body = bodies.hash(signature.body_form, "sha256", signature.length)
    if body is None:
        return None
    length = signature.length
    over = length is not None and length > body.octets
    fields = message.fields
    choice = _choose(fields, signature.names)
    covered = tuple([fields[place] for place in choice.covered])
    records, missing = key_records(answer, limits)
    if missing is not None:
        arithmetic = Arithmetic(None, missing)
    else:
        arithmetic = try_keys(signature, records, digest_of(header_input(signature, field, covered, bodies)), limits)
    return Examined(
        arithmetic=arithmetic,
        covered=covered,
        left_out=tuple([fields[place] for place in choice.left_out]),
        body_holds=body.digest == signature.body_hash and not over,
        length_over_body=over,
        unsigned_octets=None if length is None else max(0, body.octets - length),
        body_whole=_body_whole(message),
    )


def _body_whole(message: Message) -> bool:
    """False where the body is cut, or is not there at all: a header without the empty line that ends it."""
    if message.source.fidelity is Fidelity.PARTIAL:
        return False
    return bool(message.body) or not any(a.code is AnomalyCode.NO_BODY_SEPARATOR for a in message.anomalies)


def objection(
    signature: Signature,
    examined: Examined,
    judged_at: int,
    settings: Settings,
    bodies: BodyHashes,
) -> Reason | None:
    """Why a signature that holds does not count.  Expiry last: then it is the only thing that stands against it."""
    drift = settings.limits.clock_drift
    if signature.signed_at is not None and signature.signed_at > judged_at + drift:
        return Reason.SIGNED_IN_FUTURE
    if examined.unsigned_octets and not settings.allow_unsigned_octets:
        return Reason.UNSIGNED_OCTETS
    if examined.left_out and not_shown(examined, bodies):
        return Reason.SIGNED_INSTANCE_NOT_SHOWN
    if signature.expires_at is not None and signature.expires_at + drift < judged_at:
        return Reason.EXPIRED
    return None


def not_shown(examined: Examined, bodies: BodyHashes) -> tuple[Field, ...]:
    """Instances of shown fields that are not covered although another instance of that name is.

    h= takes the lowest instances, so an uncovered one always stands above them, where most readers take the field
    from (RFC 6376 8.15).  One that says the same as a covered one hides nothing.  A name of which no instance is
    covered is unsigned, which is another matter.
    """
    same = set(bodies.relaxed_fields(examined.covered))
    return tuple([field for field in examined.left_out if bodies.relaxed_field(field) not in same])

"""DKIM key records (RFC 6376 3.6.1, 8301, 8463): from the octets of a TXT record to a key, or why there is none."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from verify.grammar.taglist import colon_list, parse_tag_list, without_blanks
from verify.model import Answer, Limits, Outcome, Reason

PublicKey: TypeAlias = RSAPublicKey | Ed25519PublicKey

_PADDING = PKCS1v15()
_SHA256 = SHA256()
_DIGEST = Prehashed(_SHA256)


def _reader_of_keys() -> Callable[[bytes], Any]:
    """``load_der_public_key``, without the module that gives it away where that can be: it brings SSH's formats."""
    try:
        from cryptography.hazmat.bindings._rust import openssl

        return openssl.keys.load_der_public_key
    except (ImportError, AttributeError):  # another version keeps it elsewhere
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        return load_der_public_key


_load_der_public_key = _reader_of_keys()


class LibraryError(Exception):
    """A library raised what it does not document; the check ends as ``permerror``, ``library-error``."""


class KeyRecord(Struct, frozen=True):
    """``key``: None when ``problem`` says that there is none to use.  ``bits``: of the modulus; 256 for Ed25519.

    ``algorithm``: k= as written, to be compared only.  ``strict``: t=s, i= must equal d=.
    """

    key: PublicKey | None = None
    algorithm: bytes = b"rsa"
    bits: int | None = None
    exponent_bits: int = 0
    testing: bool = False
    strict: bool = False
    problem: Reason | None = None

    @property
    def is_key_record(self) -> bool:
        return self.problem not in (Reason.KEY_SYNTAX, Reason.LIMIT)


def parse_key(record: bytes, octets_most: int) -> KeyRecord:
    """One TXT record, strings joined; any octets give a value.  Key sizes are judged by ``check_key``."""
    return KeyRecord(problem=Reason.LIMIT) if len(record) > octets_most else _parse_key(record)


@lru_cache(maxsize=2048)
def _parse_key(record: bytes) -> KeyRecord:
    tags = parse_tag_list(record, len(record))
    version, data = tags.get("v"), tags.get("p")
    if tags.defects or data is None or (version is not None and (tags.order[0] != "v" or version != b"DKIM1")):
        return KeyRecord(problem=Reason.KEY_SYNTAX)
    flags = colon_list(tags.tags.get("t", b""))
    algorithm = tags.tags.get("k", b"rsa")
    base = KeyRecord(algorithm=algorithm, testing=b"y" in flags, strict=b"s" in flags)
    hashes = tags.get("h")
    if not data:
        return _with(base, problem=Reason.KEY_REVOKED)
    if not {b"*", b"email"}.intersection(colon_list(tags.tags.get("s", b"*"))):
        return _with(base, problem=Reason.KEY_SERVICE_NOT_EMAIL)
    if hashes is not None and b"sha256" not in colon_list(hashes):
        return _with(base, problem=Reason.KEY_HASH_NOT_ALLOWED)
    octets = strict_base64(data)
    if octets is None:
        return _with(base, problem=Reason.KEY_SYNTAX)
    if algorithm == b"rsa":
        return _rsa(base, octets)
    if algorithm == b"ed25519":
        if len(octets) != 32:  # RFC 8463 4: the raw key
            return _with(base, problem=Reason.KEY_SYNTAX)
        return _with(base, key=Ed25519PublicKey.from_public_bytes(octets), bits=256)
    return base  # a type that we do not know matches no signature


def _rsa(base: KeyRecord, octets: bytes) -> KeyRecord:
    """SubjectPublicKeyInfo, as everyone publishes it, or RSAPublicKey, as RFC 6376 3.6.1 has it."""
    try:
        key = _load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return _with(base, problem=Reason.KEY_SYNTAX)
    if not isinstance(key, RSAPublicKey):
        return _with(base, problem=Reason.KEY_SYNTAX)
    return _with(base, key=key, bits=key.key_size, exponent_bits=key.public_numbers().e.bit_length())


def _with(
    base: KeyRecord,
    *,
    key: PublicKey | None = None,
    bits: int | None = None,
    exponent_bits: int = 0,
    problem: Reason | None = None,
) -> KeyRecord:
    return KeyRecord(key, base.algorithm, bits, exponent_bits, base.testing, base.strict, problem)


def strict_base64(value: bytes) -> bytes | None:
    """Octets of base64 with any folding white space; None for a foreign character, bad padding, or nothing at all."""
    try:
        return binascii.a2b_base64(without_blanks(value), strict_mode=True) or None
    except binascii.Error:
        return None


def key_records(answer: Answer, limits: Limits) -> tuple[tuple[KeyRecord, ...], Reason | None]:
    """The records worth trying at a name, and why there is none.

    The answer must be FOUND, NODATA or NXDOMAIN.  Of several records those that are no key records are left out; what
    then remains is tried up to ``Limits.key_records``, since RFC 6376 6.1.2 leaves the choice open.
    """
    if answer.outcome is not Outcome.FOUND or not answer.records:
        return (), Reason.NO_KEY
    if len(answer.records) == 1:
        return (parse_key(answer.records[0], limits.tag_list_octets),), None
    parsed = [parse_key(record, limits.tag_list_octets) for record in dict.fromkeys(answer.records)]
    usable = tuple(record for record in parsed if record.is_key_record)
    if not usable:
        return (parsed[0],), None
    if len(usable) > limits.key_records:
        return (), Reason.SEVERAL_KEYS
    return usable, None


def check_key(record: KeyRecord, algorithm: bytes, below_domain: bool, limits: Limits) -> Reason | None:
    """Why the record may not verify this signature; None when it may.  ``below_domain``: i= lies below d=."""
    if record.problem is not None:
        return record.problem
    if record.algorithm != algorithm.partition(b"-")[0] or record.key is None or record.bits is None:
        return Reason.KEY_TYPE_MISMATCH
    if record.strict and below_domain:
        return Reason.KEY_STRICT_AUID
    if record.algorithm == b"rsa":
        if record.bits < limits.key_bits_least:
            return Reason.KEY_TOO_SHORT
        if record.bits > limits.key_bits_most or record.exponent_bits > limits.key_exponent_bits:
            return Reason.KEY_TOO_LONG
    return None


def holds(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    """True when the signature over this SHA-256 digest is by this key (RFC 8301; RFC 8463 3: PureEdDSA of the digest).

    Raises ``LibraryError``.
    """
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature, digest, _PADDING, _DIGEST)
        else:
            key.verify(signature, digest)
    except InvalidSignature:
        return False
    except Exception as error:
        raise LibraryError("cryptography") from error
    return True


def signed_digest(key: PublicKey, signature: bytes) -> bytes | None:
    """The SHA-256 digest that an RSA signature was made over; None for Ed25519 and when it is not by this key."""
    if not isinstance(key, RSAPublicKey):
        return None
    try:
        return key.recover_data_from_signature(signature, _PADDING, _SHA256)
    except InvalidSignature:
        return None


def digest_of(text: bytes) -> bytes:
    return sha256(text).digest()

"""The tags of DKIM-Signature, ARC-Message-Signature and ARC-Seal (RFC 6376 3.5, RFC 8617 4.1).

``parse_signature`` reads a field and says what is wrong with it before any DNS question (RFC 6376 6.1.1).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from verify.checks.canonical import RELAXED, SIMPLE
from verify.checks.keys import strict_base64
from verify.grammar.names import domain_bytes, domain_name, is_below
from verify.grammar.taglist import Defect, TagList, colon_list, parse_tag_list, without_blanks
from verify.grammar.visible import escape
from verify.model import Question, Reason, replace

ALGORITHMS = (b"rsa-sha256", b"ed25519-sha256")
NEVER = 10**13  # a time of more than 12 digits: after everything (RFC 6376 3.5, t= and x=)
_FORMS = (SIMPLE, RELAXED)

_HEADER_NAME = re.compile(rb"[!-9<-~]+\Z")  # printable, neither colon nor semicolon
_SHORT_LIST = 1024  # octets of h= that are remembered


class Signature(Struct, frozen=True):
    """A signature field read.  ``problem``: the first thing that stands against it, before its key is looked up.

    ``domain`` and ``selector`` are A-labels, None when they are no names; ``names``: h= in lower case, as it stands;
    ``names_shown``: as visible text.
    ``algorithm``: visible text.  ``b_text``: b= without blanks when it holds base64 characters only.
    """

    problem: Reason | None = None
    domain: str | None = None
    selector: str | None = None
    auid: str | None = None
    below_domain: bool = False
    algorithm: str | None = None
    header_form: bytes = SIMPLE
    body_form: bytes = SIMPLE
    names: tuple[bytes, ...] = ()
    names_written: tuple[bytes, ...] = ()
    names_shown: tuple[str, ...] = ()
    signature: bytes = b""
    body_hash: bytes = b""
    b_text: str | None = None
    length: int | None = None
    signed_at: int | None = None
    expires_at: int | None = None
    instance: int | None = None
    cv: bytes | None = None

    @property
    def question(self) -> Question | None:
        """Where the key is; None when the field names no place."""
        if self.domain is None or self.selector is None:
            return None
        return Question(f"{self.selector}._domainkey.{self.domain}", "TXT")


class Kind(Struct, frozen=True, cache_hash=True):
    """Which tags a field must have and what its i= means."""

    required: tuple[str, ...]
    instance: bool  # i= is an ARC instance
    forms: bytes  # c= when it is absent; RFC 8617 names no default, sealers and the public suite mean relaxed


DKIM = Kind(("v", "a", "b", "bh", "d", "h", "s"), False, b"simple/simple")
MESSAGE_SIGNATURE = Kind(("i", "a", "b", "bh", "d", "h", "s"), True, b"relaxed/relaxed")
SEAL = Kind(("i", "a", "b", "cv", "d", "s"), True, b"relaxed/relaxed")


def parse_signature(value: bytes, kind: Kind, octets_most: int, names_most: int) -> Signature:
    """Read one signature field's value; any octets give a ``Signature``.  Pure, linear.

    What can be told is told even of a field that is refused; of one longer than ``octets_most`` nothing is read.
    """
    if len(value) > octets_most:
        return Signature(problem=Reason.LIMIT)
    return _parse_signature(value, kind, octets_most, names_most)


@lru_cache(maxsize=2048)  # not below Limits.header_fields, so that a flood of signatures is parsed once
def _parse_signature(value: bytes, kind: Kind, octets_most: int, names_most: int) -> Signature:
    tags = parse_tag_list(value, octets_most, utf8=True)
    get = tags.tags.get
    domain = _domain(get("d", b""))
    auid, auid_domain = (None, None) if kind.instance else _auid(get("i"))
    h = get("h", b"")
    names = _signed_names(h, names_most) if len(h) <= _SHORT_LIST else _read_signed_names(h, names_most)
    b = without_blanks(get("b", b""))
    signature = strict_base64(b)
    algorithm = get("a")
    forms = (get("c") or kind.forms).split(b"/")
    read = Signature(
        domain=domain,
        selector=_selector(get("s", b""), domain) if domain else None,
        auid=auid,
        below_domain=auid_domain is not None and auid_domain != domain,
        algorithm=None if algorithm is None else escape(algorithm, 40),
        header_form=forms[0],
        body_form=forms[1] if len(forms) > 1 else SIMPLE,
        names=names.keys,
        names_written=names.written,
        names_shown=names.shown,
        signature=signature or b"",
        body_hash=strict_base64(get("bh", b"")) or b"",
        b_text=b.decode("ascii") if signature else None,
        length=_number(get("l"), 76),
        signed_at=_number(get("t"), 12),
        expires_at=_number(get("x"), 12),
        instance=instance_number(get("i", b"")) if kind.instance else None,
        cv=get("cv"),
    )
    problem = _problem(tags, kind, read, forms, auid_domain, names.valid)
    if names.too_many and not tags.defects:
        problem = Reason.LIMIT
    return replace(read, problem=problem) if problem else read


class _SignedNames(NamedTuple):
    """h= read; ``valid``: each is a header field name, so that an empty h= is not."""

    keys: tuple[bytes, ...]
    written: tuple[bytes, ...]
    shown: tuple[str, ...]
    valid: bool
    too_many: bool


def _read_signed_names(value: bytes, most: int) -> _SignedNames:
    names = colon_list(value)
    kept = names[:most]
    return _SignedNames(
        keys=tuple([name.lower() for name in kept]),
        written=kept,
        shown=tuple(escape(b":".join(kept)).split(":")) if kept else (),
        valid=all(_HEADER_NAME.match(name) for name in kept),
        too_many=len(names) > most,
    )


_signed_names = lru_cache(maxsize=2048)(_read_signed_names)  # a sender signs the same fields in all messages


def _problem(
    tags: TagList, kind: Kind, read: Signature, forms: list[bytes], auid_domain: str | None, names_valid: bool
) -> Reason | None:
    """The first rule that is broken, in this order (RFC 6376 3.5, 6.1.1; RFC 8617 4.1.2, 4.1.3)."""
    present = tags.tags
    if Defect.SYNTAX in tags.defects:
        return Reason.TAG_SYNTAX
    if Defect.DUPLICATE in tags.defects:
        return Reason.DUPLICATE_TAG
    for name in kind.required:
        if name not in present:
            return Reason.MISSING_TAG
    if kind is DKIM and present["v"] != b"1":
        return Reason.BAD_VERSION
    if kind.instance and read.instance is None:
        return Reason.TAG_SYNTAX
    if kind is SEAL and "h" in present:
        return Reason.SEAL_HAS_H
    if kind is SEAL and read.cv not in (b"none", b"pass", b"fail"):
        return Reason.TAG_SYNTAX
    if kind is not SEAL and not names_valid:
        return Reason.TAG_SYNTAX
    if present["a"] not in ALGORITHMS:
        return Reason.RSA_SHA1 if present["a"] == b"rsa-sha1" else Reason.UNKNOWN_ALGORITHM
    if kind is not SEAL and ("c" in present and not _known_forms(present["c"], forms)):
        return Reason.UNKNOWN_CANONICALIZATION
    if "q" in present and not any(q.partition(b":")[0] == b"dns/txt" for q in colon_list(present["q"])):
        return Reason.UNKNOWN_QUERY_METHOD
    if not read.signature or (kind is not SEAL and not read.body_hash):
        return Reason.BAD_BASE64
    for tag, number in (("l", read.length), ("t", read.signed_at), ("x", read.expires_at)):
        if number is None and tag in present:
            return Reason.TAG_SYNTAX
    if read.domain is None:
        return Reason.BAD_DOMAIN
    if read.selector is None:
        return Reason.BAD_SELECTOR
    if not kind.instance and "i" in present:
        if auid_domain is None:
            return Reason.BAD_AUID
        if not is_below(auid_domain, read.domain):
            return Reason.AUID_OUTSIDE_DOMAIN
    if kind is not SEAL and b"from" not in read.names:
        return Reason.FROM_NOT_SIGNED
    if kind is MESSAGE_SIGNATURE and b"arc-seal" in read.names:
        return Reason.SEAL_SIGNED
    if read.signed_at is not None and read.expires_at is not None and read.expires_at <= read.signed_at:
        return Reason.EXPIRY_BEFORE_SIGNING
    return None


def _known_forms(value: bytes, forms: list[bytes]) -> bool:
    return bool(value) and len(forms) <= 2 and forms[0] in _FORMS and forms[-1] in _FORMS


def _domain(value: bytes) -> str | None:
    """d= in A-labels; a final dot is no part of RFC 6376's domain-name."""
    return None if value.endswith(b".") else domain_bytes(value)


def _selector(value: bytes, domain: str) -> str | None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not text or text.endswith("."):
        return None
    suffix = "._domainkey." + domain
    name = domain_name(text + suffix)
    return name[: -len(suffix)] if name else None


def _auid(value: bytes | None) -> tuple[str | None, str | None]:
    """i= as visible text, and its domain; both None when it is absent or no ``[local]@domain``."""
    if value is None:
        return None, None
    local, at, host = value.rpartition(b"@")
    name = _domain(host)
    quoted = len(local) > 1 and local[:1] == local[-1:] == b'"'
    if not at or name is None or (b"@" in local and not quoted):
        return None, None
    return f"{escape(local)}@{name}", name


def _number(value: bytes | None, digits_most: int) -> int | None:
    """A tag of digits.  A time with more than its 12 digits is later than everything; l= may have 76 and no more."""
    if value is None or not value.isdigit():
        return None
    digits = value.lstrip(b"0") or b"0"
    if len(digits) > digits_most:
        return NEVER if digits_most == 12 else None
    return int(digits)


def instance_number(value: bytes) -> int | None:
    """i= of an ARC field: one or two digits, at least 1 (RFC 8617 4.2.1); three digits are past every limit."""
    if not value.isdigit() or len(value) > 3 or int(value) == 0:
        return None
    return int(value)

"""DNS messages: a question to octets, octets to what the answer section says.

``query`` and ``read`` are all that the rest of the program knows of the wire.  Names go out label by label, so nothing
that stands in a name is ever taken for a master-file escape.  Names that come in are lower-case text without a final
dot in which every octet that ``names.query_name`` could hold stands for itself and any other is ``\\DDD``: a label that
holds a dot cannot pass for two.  The root is ``.``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv6Address

from msgspec import Struct

EDNS_PAYLOAD = 1232  # octets of a UDP reply, RFC 6891 6.2.5 and what fits any path
HEADER_OCTETS = 12  # RFC 1035 4.1.1
RDTYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5

QR, TC, RD, AD = 0x8000, 0x0200, 0x0100, 0x0020
OPCODE = 0x7800

_NS, _SOA = 2, 6
_NAME_OCTETS = 255  # RFC 1035 2.3.4
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_OPT_TAIL = struct.Struct("!IH")
_EMPTY_OPT_HEAD = b"\x00\x00\x29"

_PLAIN = bytes(octet for octet in range(0x20, 0x7F) if not chr(octet).isupper() and chr(octet) not in ".\\")
_PLAIN_OCTETS = _PLAIN + b"."
_TEXT = [chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in range(256)]
_OPT = b"\x00\x00\x29" + EDNS_PAYLOAD.to_bytes(2, "big") + bytes(6)


class Record(Struct, frozen=True, gc=False):
    """One record of an answer section, class IN.  ``data``: as in ``model.Answer``; for CNAME the target."""

    owner: str
    rdtype: int
    ttl: int
    data: bytes


class Reply(Struct, frozen=True):
    """What a reply says.  ``negative_ttl``: seconds by RFC 2308 5, and ``negative_zone`` the owner of that SOA.

    ``referral``: it only names other servers (RFC 2308 2.2: NS and no SOA), which is no statement about the name.
    """

    rcode: int
    ad: bool
    records: tuple[Record, ...] = ()
    negative_ttl: int | None = None
    negative_zone: str | None = None
    referral: bool = False


def question_part(name: str, rdtype: str) -> bytes:
    """The question section, which a reply must repeat.  ``name``: from ``names.query_name``."""
    labels = [len(label).to_bytes(1, "big") + label.encode("ascii") for label in name.split(".")]
    return b"".join(labels) + b"\x00" + RDTYPES[rdtype].to_bytes(2, "big") + b"\x00\x01"


def query(question: bytes, ident: int, edns: bool = True) -> bytes:
    """A recursive query with the AD bit (RFC 6840 5.7) for a ``question_part``."""
    head = b"\x01\x20\x00\x01\x00\x00\x00\x00\x00"
    return ident.to_bytes(2, "big") + head + (b"\x01" + question + _OPT if edns else b"\x00" + question)


def read(message: bytes) -> Reply | None:
    """What the reply says; None when it is no DNS message.  Header and question were matched before.

    Plain replies are read here, some 30 times faster than a library builds them whole; any other goes to dnspython.
    """
    reply = read_plain(message)
    if reply is None:
        from verify.lookup import dnspython

        reply = dnspython.read(message)
    return reply


# ---------------------------------------------------------------------------------------------------
# The reader for plain replies
# ---------------------------------------------------------------------------------------------------


class _Odd(Exception):
    """Not wrong, perhaps, but not for this reader."""


def read_plain(message: bytes) -> Reply | None:
    """A reply of the types that we ask for, with SOA, NS, addresses and an empty OPT besides; None for any other.

    It takes nothing that dnspython refuses, and reads it as dnspython does.
    """
    try:
        return _reply(message)
    except (_Odd, IndexError, struct.error):
        return None


def _reply(message: bytes) -> Reply:
    _, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if questions != 1 or flags & OPCODE:
        raise _Odd
    asked, at = _name(message, HEADER_OCTETS, len(message))
    at += 4
    records = []
    for _ in range(answers):
        owner, rdtype, ttl, start, at = _record_head(message, at, asked)
        reader = _READERS.get(rdtype)
        if reader is None:
            raise _Odd
        records.append(Record(owner, rdtype, ttl, reader(message, start, at)))
    negative_ttl = negative_zone = None
    name_servers = False
    for _ in range(authorities):
        owner, rdtype, ttl, start, at = _record_head(message, at, asked)
        if rdtype == _SOA:
            negative_ttl, negative_zone = min(ttl, _soa_minimum(message, start, at)), owner
        elif rdtype == _NS:
            _read_name(message, start, at)
            name_servers = True
        else:
            raise _Odd
    for _ in range(additionals):
        if message[at : at + len(_EMPTY_OPT_HEAD)] == _EMPTY_OPT_HEAD:
            extended, options = _OPT_TAIL.unpack_from(message, at + 5)
            if extended >> 24 or options or at + 11 != len(message):
                raise _Odd
            at += 11
            continue
        _, rdtype, _, start, at = _record_head(message, at, asked)
        if rdtype not in (1, 28):
            raise _Odd
        _READERS[rdtype](message, start, at)
    if at != len(message):
        raise _Odd
    return Reply(
        rcode=flags & 0xF,
        ad=bool(flags & AD),
        records=tuple(records),
        negative_ttl=negative_ttl,
        negative_zone=negative_zone,
        referral=name_servers and negative_zone is None and not answers,
    )


def _record_head(message: bytes, at: int, asked: str) -> tuple[str, int, int, int, int]:
    """Owner, type, TTL, and where the data begin and end; of class IN."""
    if message[at : at + 2] == b"\xc0\x0c":  # the name in the question
        owner, at = asked, at + 2
    else:
        owner, at = _name(message, at, len(message))
    rdtype, rdclass, ttl, size = _RECORD.unpack_from(message, at)
    start = at + _RECORD.size
    if rdclass != 1 or start + size > len(message):
        raise _Odd
    return owner, rdtype, 0 if ttl >> 31 else ttl, start, start + size  # RFC 2181 8


def _name(message: bytes, at: int, end: int) -> tuple[str, int]:
    """The name there, and where it ends.  A pointer leads backwards, to what ends before the part that holds it."""
    labels = []
    octets = 1
    start, after = at, 0
    while length := message[at]:
        if length < 64:
            labels.append(message[at + 1 : at + 1 + length])
            at += 1 + length
            octets += 1 + length
        elif length >= 192:
            target = (length & 63) << 8 | message[at + 1]
            if at + 2 > end or target >= start:
                raise _Odd
            after = after or at + 2
            end, start, at = start, target, target
        else:
            raise _Odd
        if at >= end or octets > _NAME_OCTETS:
            raise _Odd
    if at >= end:
        raise _Odd
    plain = b".".join(labels).lower()
    if plain.translate(None, _PLAIN_OCTETS) or plain.count(b".") != max(0, len(labels) - 1):
        return name_text(labels), after or at + 1
    return plain.decode("ascii") or ".", after or at + 1


def _read_name(message: bytes, start: int, end: int) -> bytes:
    name, after = _name(message, start, end)
    if after != end:
        raise _Odd
    return name.encode("ascii")  # for a CNAME, as it will stand as an owner


def _read_target(message: bytes, start: int, end: int) -> bytes:
    return target_data(_read_name(message, start, end).decode("ascii"))


def _read_a(message: bytes, start: int, end: int) -> bytes:
    if end - start != 4:
        raise _Odd
    return b"%d.%d.%d.%d" % tuple(message[start:end])


def _read_aaaa(message: bytes, start: int, end: int) -> bytes:
    if end - start != 16:
        raise _Odd
    return str(IPv6Address(message[start:end])).encode("ascii")


def _read_mx(message: bytes, start: int, end: int) -> bytes:
    preference = int.from_bytes(message[start : start + 2], "big")
    return mx_data(preference, _read_name(message, start + 2, end).decode("ascii"))


def _read_txt(message: bytes, start: int, end: int) -> bytes:
    first = message[start]
    if start + 1 + first == end:
        return message[start + 1 : end]
    parts = []
    while start < end:
        after = start + 1 + message[start]
        parts.append(message[start + 1 : after])
        start = after
    if start != end or not parts:
        raise _Odd
    return b"".join(parts)


def _soa_minimum(message: bytes, start: int, end: int) -> int:
    _, at = _name(message, start, end)
    _, at = _name(message, at, end)
    if at + 20 != end:
        raise _Odd
    return int.from_bytes(message[end - 4 : end], "big")


_READERS = {1: _read_a, 5: _read_name, 12: _read_target, 15: _read_mx, 16: _read_txt, 28: _read_aaaa}


# ---------------------------------------------------------------------------------------------------
# Data as text
# ---------------------------------------------------------------------------------------------------


def mx_data(preference: int, exchange: str) -> bytes:
    """An MX record as ``model.Answer`` holds it."""
    return b"%d %s" % (preference, target_data(exchange))


def target_data(name: str) -> bytes:
    """A name in the data of a record, where a blank would part it in two."""
    return name.replace(" ", "\\032").encode("ascii")


def name_text(labels: Sequence[bytes]) -> str:
    """The name of labels, with or without the empty last one."""
    return ".".join("".join(map(_TEXT.__getitem__, label.lower())) for label in labels if label) or "."

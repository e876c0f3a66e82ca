"""DNS messages: a question to octets, octets to what the answer section says.

``query`` and ``read`` are all that the rest of the program knows of the wire.  Names go out label by label, so nothing
that stands in a name is ever taken for a master-file escape.  Names that come in are lower-case text without a final
dot in which every octet that ``names.query_name`` could hold stands for itself and any other is ``\\DDD``: a label that
holds a dot cannot pass for two.  The root is ``.``.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rdata

EDNS_PAYLOAD = 1232  # octets of a UDP reply, RFC 6891 6.2.5 and what fits any path
HEADER_OCTETS = 12  # RFC 1035 4.1.1
RDTYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5

QR, TC, RD, AD = 0x8000, 0x0200, 0x0100, 0x0020
OPCODE = 0x7800

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~@-")
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

    Records of the answer section of types that nobody asks for are left out.
    """
    return read_by_library(message)


def read_by_library(message: bytes) -> Reply | None:
    """``read`` by dnspython, whose documented errors for hostile octets are not all of them."""
    import dns.message

    try:
        return _reply(dns.message.from_wire(message, ignore_trailing=True))
    except Exception:  # noqa: BLE001 - the one place around dnspython's reader: octets are never our error
        return None


def _reply(message: dns.message.Message) -> Reply:
    records: list[Record] = []
    for rrset in message.answer:
        if rrset.rdclass != 1 or rrset.rdtype not in _DATA:
            continue
        owner, data = name_text(rrset.name.labels), _DATA[rrset.rdtype]
        records.extend(Record(owner, int(rrset.rdtype), rrset.ttl, data(rdata)) for rdata in rrset)
    negative_ttl = negative_zone = None
    name_servers = False
    for rrset in message.authority:
        name_servers = name_servers or rrset.rdtype == 2
        if rrset.rdtype == 6 and rrset.rdclass == 1:
            negative_ttl = min(rrset.ttl, rrset[0].minimum)
            negative_zone = name_text(rrset.name.labels)
    return Reply(
        rcode=int(message.rcode()),
        ad=bool(message.flags & AD),
        records=tuple(records),
        negative_ttl=negative_ttl,
        negative_zone=negative_zone,
        referral=name_servers and negative_zone is None and not message.answer,
    )


def _address(rdata: dns.rdata.Rdata) -> bytes:
    return str(rdata.address).encode("ascii")  # type: ignore[attr-defined]


def _address6(rdata: dns.rdata.Rdata) -> bytes:
    return str(IPv6Address(rdata.address)).encode("ascii")  # type: ignore[attr-defined]


def _target(rdata: dns.rdata.Rdata) -> bytes:
    return name_text(rdata.target.labels).encode("ascii")  # type: ignore[attr-defined]


def _exchange(rdata: dns.rdata.Rdata) -> bytes:
    return mx_data(rdata.preference, name_text(rdata.exchange.labels))  # type: ignore[attr-defined]


def _strings(rdata: dns.rdata.Rdata) -> bytes:
    return b"".join(rdata.strings)  # type: ignore[attr-defined]


_DATA = {1: _address, 5: _target, 12: _target, 15: _exchange, 16: _strings, 28: _address6}


def mx_data(preference: int, exchange: str) -> bytes:
    """An MX record as ``model.Answer`` holds it."""
    return b"%d %s" % (preference, exchange.encode("ascii"))


def name_text(labels: Sequence[bytes]) -> str:
    """The name of labels, with or without the empty last one."""
    return ".".join("".join(map(_TEXT.__getitem__, label.lower())) for label in labels if label) or "."

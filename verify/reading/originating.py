"""X-Originating-IP and kin: the address that a webmail or submission service says it was reached from.

Written by anybody; never input to SPF, since a user's address is not the mail server's.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from verify.grammar import names
from verify.grammar.visible import escape
from verify.model import Field, Message, OriginatingIp, Proof, WrittenBy, replace

_KEYS = frozenset(
    (
        b"x-originating-ip",
        b"x-sender-ip",
        b"x-client-ip",
        b"x-source-ip",
        b"x-real-ip",
        b"x-remote-ip",
        b"x-original-client-ip",
        b"x-yahoo-post-ip",
        b"x-yahoo-sender-ip",
        b"x-yahoo-client-ip",
    )
)
_REPORT = b"x-forefront-antispam-report"
_FIELDS_MOST = 20  # fields read
_ADDRESSES_MOST = 10  # addresses read of one field
_OCTETS = 4096  # octets read of one field


def read_originating(message: Message, border_index: int | None, *, vouched_for: bool) -> tuple[OriginatingIp, ...]:
    """Every address that such a field holds, topmost field first; an unreadable value with ``ip`` None.

    ``border_index``: place of the border line in the header.  Above it the receiver wrote, which proves the value as
    far as the border itself is vouched for.  A field below may still be proven by a signature that covers it.
    """
    fields = [
        field
        for field in message.fields
        if field.key[:2] == b"x-" and (field.key in _KEYS or field.key.startswith(_REPORT))
    ]
    found: list[OriginatingIp] = []
    for field in fields[:_FIELDS_MOST]:
        if border_index is None:
            written_by = WrittenBy.UNKNOWN
        elif field.index < border_index:
            written_by = WrittenBy.RECEIVER
        else:
            written_by = WrittenBy.UNKNOWN if field.key in (_REPORT, b"x-sender-ip") else WrittenBy.SENDER
        proven = vouched_for and written_by is WrittenBy.RECEIVER
        name = escape(field.name)
        for value in _values(field):
            ip = names.address(value) or _with_port(value)
            found.append(
                OriginatingIp(
                    field=name,
                    value=value,
                    ip=None if ip is None else str(ip),
                    written_by=written_by,
                    standing=Proof.PROVEN if proven else Proof.CLAIMED,
                    index=field.index,
                )
            )
    return tuple(found)


def proven_by(found: Sequence[OriginatingIp], signed: Container[int]) -> tuple[OriginatingIp, ...]:
    """The same, with those proven that an aligned passing signature covers; ``signed``: header indexes."""
    return tuple(replace(one, standing=Proof.PROVEN) if one.index in signed else one for one in found)


def _values(field: Field) -> list[str]:
    text = escape(b" ".join(field.value[:_OCTETS].split()))
    if field.key.startswith(_REPORT):
        for clause in text.split(";"):
            key, _, value = clause.strip().partition(":")
            if key.upper() == "CIP" and value:
                return [value]
        return []
    return text.replace(",", " ").replace(";", " ").split()[:_ADDRESSES_MOST] or [""]


def _with_port(value: str) -> names.Address | None:
    host, colon, port = value.rpartition(":")
    return names.address(host) if colon and port.isdigit() and ("." in host or host.endswith("]")) else None

"""Messages attached to a message (``message/rfc822``): the way people report what they got (RFC 2046 5.2.1).

Part numbers are those of IMAP (RFC 9051 6.4.5): ``2`` is the second part, ``2.1`` the first one in it.  Octets are
those of the outer message; what was encoded on the way is decoded and says so.
"""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

from verify.model import Fidelity, FidelityNote, Field, Limits, Message, Source
from verify.reading.message import parse_message

_MESSAGE = (b"message/rfc822", b"message/global")  # RFC 6532 3.7
_TYPE = re.compile(rb"\s*([!-~]+?/[!-~]+?)\s*(?:;|\Z)")
_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE | re.DOTALL)
_BOUNDARY_OCTETS = 500  # RFC 2046 5.1.1: 70, which not all keep
_HEADER_END = re.compile(rb"(?:\A|(?<=\n))\r?\n")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_PADDING = re.compile(rb"[ \t]*\Z")
# What the outer container did to its octets, it did to these.
_INHERITED = frozenset(
    {
        FidelityNote.LF_TO_CRLF,
        FidelityNote.CR_TO_CRLF,
        FidelityNote.LINE_ENDS_REBUILT,
        FidelityNote.MBOX_QUOTING_UNDONE,
        FidelityNote.MBOX_QUOTING_KEPT,
        FidelityNote.MBOX_QUOTING_AMBIGUOUS,
        FidelityNote.CHOSEN_BY_SIGNATURE,
        FidelityNote.TRUNCATED,
    }
)


Fields: TypeAlias = tuple[Field, ...]


class Attached(Struct, frozen=True):
    """An attached message: ``label`` is its part number.

    ``source``: path and index of the outer message, ``member`` with the part number behind it, the fidelity that the
    outer one has; ``parse_message`` fills in hash and size.
    """

    label: str
    raw: bytes
    source: Source


def attached(message: Message, limits: Limits) -> tuple[Attached, ...]:
    """The messages attached to this one, those attached to them too, in their order.

    Bounded by ``attached_messages``, ``attached_depth``, ``mime_parts`` and ``mime_depth``: what is beyond is left
    out.  Linear in the octets for each level.
    """
    if not message.body:
        return ()
    return tuple(_Walk(message.source, limits).message(message.fields, message.body, "", 0, 0))


class _Walk:
    """``prefix``: the number of what is around, with its dot; ``depth``: multiparts, ``inside``: messages around."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source, self._limits = source, limits
        self._parts_left, self._messages_left = limits.mime_parts, limits.attached_messages

    def message(self, fields: Fields, body: bytes, prefix: str, depth: int, inside: int) -> Iterator[Attached]:
        content = _last(fields, b"content-type")
        kind = _kind(content, b"text/plain")
        if kind.startswith(b"multipart/"):
            yield from self._multipart(kind, content, body, prefix, depth, inside)
        elif kind in _MESSAGE:
            yield from self._attached(fields, body, prefix + "1", depth, inside)

    def _multipart(
        self, around: bytes, content: bytes, body: bytes, prefix: str, depth: int, inside: int
    ) -> Iterator[Attached]:
        boundary = _boundary(content)
        if boundary is None or depth >= self._limits.mime_depth:
            return
        default = _MESSAGE[0] if around == b"multipart/digest" else b"text/plain"  # RFC 2046 5.1.5
        for number, part in enumerate(_split(body, boundary), 1):
            if not self._parts_left or not self._messages_left:
                return
            self._parts_left -= 1
            fields, inner = _read(part, self._limits)
            content = _last(fields, b"content-type")
            kind = _kind(content, default)
            if kind.startswith(b"multipart/"):
                yield from self._multipart(kind, content, inner, f"{prefix}{number}.", depth + 1, inside)
            elif kind in _MESSAGE:
                yield from self._attached(fields, inner, f"{prefix}{number}", depth, inside)

    def _attached(self, fields: Fields, body: bytes, label: str, depth: int, inside: int) -> Iterator[Attached]:
        if inside >= self._limits.attached_depth or not self._messages_left:
            return
        raw, decoded = _decoded(body, _last(fields, b"content-transfer-encoding"))
        inner_fields, inner = _read(raw, self._limits)
        if not any(field.key for field in inner_fields):  # no message at all
            return
        self._messages_left -= 1
        yield Attached(label, raw, self._source_of(label, decoded))
        yield from self.message(inner_fields, inner, label + ".", depth + 1, inside + 1)

    def _source_of(self, label: str, decoded: bool) -> Source:
        outer = self._source
        notes = [note for note in outer.fidelity_notes if note in _INHERITED]
        notes.append(FidelityNote.ATTACHED)
        fidelity = outer.fidelity
        if decoded:
            notes.append(FidelityNote.TRANSFER_ENCODING_UNDONE)
            fidelity = Fidelity.ORIGINAL if fidelity is Fidelity.LINE_ENDINGS else fidelity
        member = f"part {label}" if outer.member is None else f"{outer.member}/part {label}"
        return Source(path=outer.path, member=member, index=outer.index, fidelity=fidelity, fidelity_notes=tuple(notes))


def _last(fields: tuple[Field, ...], key: bytes) -> bytes:
    for field in reversed(fields):
        if field.key == key:
            return field.value
    return b""


def _kind(content: bytes, default: bytes) -> bytes:
    if not content.strip():
        return default
    kind = _TYPE.match(content)
    return kind[1].lower() if kind else b"text/plain"  # RFC 2045 5.2


def _boundary(content: bytes) -> bytes | None:
    found = _BOUNDARY.search(content)
    if found is None:
        return None
    boundary = re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL) if found[1] is not None else found[2]
    boundary = boundary.rstrip(b" ")
    return boundary if 0 < len(boundary) <= _BOUNDARY_OCTETS and b"\n" not in boundary else None


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The parts between the lines of a boundary (RFC 2046 5.1.1); the last one may lack its end."""
    delimiter = b"--" + boundary
    start: int | None = None
    position = 0
    while (at := body.find(delimiter, position)) >= 0:
        position = at + len(delimiter)
        if at and body[at - 1 : at] != b"\n":
            continue
        end = body.find(b"\n", position)
        line = body[position : len(body) if end < 0 else end].rstrip(b"\r")
        last = line.startswith(b"--")
        if not _PADDING.match(line[2:] if last else line):
            continue
        if start is not None:
            yield body[start : max(at - (2 if body[at - 2 : at] == b"\r\n" else 1), start)]
        if last or end < 0:
            return
        start = position = end + 1
    if start is not None:
        yield body[start:]


def _read(octets: bytes, limits: Limits) -> tuple[Fields, bytes]:
    """Header and body, without a look at the body."""
    end = _HEADER_END.search(octets)
    header, body = (octets, b"") if end is None else (octets[: end.end()], octets[end.end() :])
    return parse_message(header, limits=limits).fields, body


def _decoded(body: bytes, encoding: bytes) -> tuple[bytes, bool]:
    """RFC 2046 5.2.1 forbids to encode a message; some mail programs do it all the same."""
    word = encoding.strip().lower()
    if word == b"base64":
        letters = _NOT_BASE64.sub(b"", body)
        return base64.b64decode(letters[: -1 if len(letters) % 4 == 1 else None] + b"=="), True
    if word == b"quoted-printable":
        return quopri.decodestring(body), True
    return body, False

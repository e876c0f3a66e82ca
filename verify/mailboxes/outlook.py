"""Outlook's formats (``.msg``, ``.pst``), through the libraries of the extra ``outlook``.

They keep no original message: at best the header as it came over the wire.  That is all that is taken from them; what
the libraries would make up (a From, a body, a boundary) is not.  So no signature can be checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from verify.grammar.visible import escape
from verify.mailboxes.items import Form, Octets, Refusal, refusal
from verify.model import Fidelity, FidelityNote, Limits, Source, replace

INSTALL = "needs an extra to be read: pip install 'mailverdict[outlook]'"

_FIRST_LINE = re.compile(rb"Microsoft Mail Internet Headers[^\r\n]*\r?\n")  # Outlook puts it in front
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MAIL = ("IPM.NOTE", "REPORT.", "IPM.SCHEDULE.", "IPM.OUTLOOK.RECALL", "IPM.RECALL.")
_LEAST = 1536  # octets of an Outlook file; the library takes fewer for the name of a file
_MESSAGE_CLASS, _UNICODE, _EIGHT_BIT = 0x001A, 0x001F, 0x001E


class Unreadable(Exception):
    """``str()``: why, without the name of the file."""


def synthetic(header: bytes, source: Source) -> tuple[bytes, Source]:
    """A message of nothing but the header that the format kept; without one, an empty header."""
    notes: tuple[FidelityNote, ...] = (FidelityNote.NO_ORIGINAL_BYTES,)
    header = _LINE_END.sub(b"\r\n", _FIRST_LINE.sub(b"", header, count=1)).strip(b"\r\n\0")
    if not header:
        notes = (*notes, FidelityNote.NO_TRANSPORT_HEADERS)
    source = replace(source, fidelity=Fidelity.SYNTHETIC, fidelity_notes=(*source.fidelity_notes, *notes))
    return (header + b"\r\n\r\n" if header else b"\r\n"), source


def read_message(octets: bytes, source: Source) -> tuple[bytes, Source]:
    """A ``.msg`` file.  Raises ``Unreadable``."""
    try:
        import extract_msg
    except ImportError:
        raise Unreadable(f"is an Outlook file, which {INSTALL}") from None
    if len(octets) < _LEAST:
        raise Unreadable("is a damaged Outlook file")
    try:
        with extract_msg.openMsg(octets, delayAttachments=True) as message:
            header = getattr(message, "headerText", None)
    except Exception:  # noqa: BLE001 (the library documents no closed list for damaged files)
        raise Unreadable("is a damaged Outlook file, or an Outlook item that is no mail") from None
    return synthetic(_octets(header), source)


def _octets(header: object) -> bytes:
    if isinstance(header, bytes):
        return header
    return header.encode("utf-8", "surrogateescape") if isinstance(header, str) else b""


def read_store(stream: IO[bytes], path: str, member: str | None, limits: Limits) -> Iterator[Octets | Refusal]:
    """The mail of a ``.pst`` file, folder by folder.

    ``path``, ``member``: visible text; ``stream``: can be sought in.  ``index`` counts in each folder.
    """
    try:
        import pypff
    except ImportError:
        yield refusal(path, member, f"is an Outlook data file, which {INSTALL}")
        return
    file = pypff.file()
    try:
        file.open_file_object(stream)
    except OSError:
        yield refusal(path, member, "is a damaged Outlook data file")
        return
    try:
        yield from _folder(file.get_root_folder(), path, member, 0, limits)
    except OSError:
        yield refusal(path, member, "is a damaged Outlook data file: its list of folders cannot be read")
    finally:
        file.close()


def _folder(folder: Any, path: str, member: str | None, depth: int, limits: Limits) -> Iterator[Octets | Refusal]:
    if folder is None:
        return
    if depth > limits.folder_depth:
        yield refusal(path, member, f"has folders more than {limits.folder_depth} deep (limits.folder-depth)")
        return
    for index in range(_count(folder, "number_of_sub_messages")):
        try:
            item = folder.get_sub_message(index)
            kind, header = _class_of(item), getattr(item, "transport_headers", None)
        except OSError:
            yield refusal(path, member, f"item {index} is damaged")
            continue
        if kind is not None and not kind.upper().startswith(_MAIL):
            yield refusal(path, member, f"item {index} is no mail ({escape(kind.encode(), 60)})", foreign=True)
            continue
        octets = _octets(header)
        source = Source(path=path, member=member, index=index)
        yield Octets(octets, source, Form.HEADER_ONLY if octets else Form.NO_HEADER)
    for index in range(_count(folder, "number_of_sub_folders")):
        try:
            inner = folder.get_sub_folder(index)
            name = escape((inner.name or f"folder {index}").encode("utf-8", "surrogateescape"), 255)
        except OSError:
            yield refusal(path, member, f"folder {index} is damaged")
            continue
        yield from _folder(inner, path, f"{member}/{name}" if member else name, depth + 1, limits)


def _count(folder: Any, attribute: str) -> int:
    try:
        return int(getattr(folder, attribute))
    except OSError:
        return 0


def _class_of(item: Any) -> str | None:
    """The message class (``IPM.Note``: mail), None when it is not to be had."""
    try:
        entries = (entry for records in item.record_sets for entry in records.entries)
        for entry in entries:
            if entry.entry_type == _MESSAGE_CLASS and entry.value_type in (_UNICODE, _EIGHT_BIT):
                return str(entry.get_data_as_string() or "") or None
    except (AttributeError, OSError):
        return None
    return None

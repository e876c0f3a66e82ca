"""A file that holds one message: ``.eml``, ``.emlx``, ``.msg``, a message saved with its mbox line, standard input.

What a file is, its content decides, never its name.  Octets around the message are taken off and noted; the message
itself is handed on as it is.  What holds no single message is refused with a word on what to do instead.
"""

from __future__ import annotations

import re
import stat
import sys
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from verify.grammar.visible import one_line
from verify.mailboxes.items import visible
from verify.mailboxes.kinds import ARCHIVES, HEAD, Kind, has_mailbox_line, kind_of
from verify.model import Fidelity, FidelityNote, Limits, Source, replace
from verify.reading.message import holds_message, parse_message


class NoMessage(Exception):
    """The input cannot be read, or is not one message.  ``str()``: one plain line that names the input."""

    def __init__(self, shown: str, problem: str) -> None:
        super().__init__(f"{shown}: {problem}")
        self.problem = problem


_BATCH = "judge it with `mailverdict batch`"

NO_FIELD = "is not a message: it has no header field; save the whole mail, or its source, as an .eml file"
_UTF_16 = "is text in UTF-16, which no mail is; save the mail itself as an .eml file, not a copy of its text"
NO_MAIL = "is no mail: it has none of the header fields of a message"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_EMLX_COUNT = re.compile(rb"(\d{1,18})[ \t]*\r?\n")
_PARTIAL = ".partial.emlx"  # how Apple Mail names a message whose attachments it keeps elsewhere
_PROPERTY_LIST = re.compile(rb"\s*<\?xml ")  # what follows the message of that many octets
_FIELD = re.compile(rb"([!-9;-~]{1,998})[ \t]*:")  # how nearly every message starts
_OUTLOOK_MAIL = "__properties_version1.0".encode("utf-16-le")  # a stream that every Outlook item has
_OF_MAIL = frozenset(
    (
        b"from sender to cc bcc subject date message-id reply-to in-reply-to references received return-path "
        b"delivered-to mime-version dkim-signature arc-seal authentication-results resent-from"
    ).split()
)


def read_single(path: str, limits: Limits, stdin: BinaryIO | None = None) -> tuple[bytes, Source]:
    """The octets of the one message in the file ``path`` (``-``: standard input), and where they came from.

    ``Source.sha256`` and ``size`` are of the file as found.  Raises ``NoMessage``; a file over
    ``limits.message_octets`` is refused before it is read.
    """
    shown = "standard input" if path == "-" else one_line(path)
    try:
        octets = _read(path, shown, limits.message_octets, stdin)
    except OSError as error:
        raise NoMessage(shown, f"cannot be read: {error.strerror or error}") from None
    except ValueError:  # a NUL in the path
        raise NoMessage(shown, "is not the name of a file") from None
    source = Source(path=visible(path), sha256=sha256(octets).hexdigest(), size=len(octets))
    return unwrap(octets, source, shown, limits)


def _read(path: str, shown: str, most: int, stdin: BinaryIO | None) -> bytes:
    if path == "-":
        return _bounded(stdin or sys.stdin.buffer, shown, most)
    file = Path(path)
    try:
        status = file.stat()
    except FileNotFoundError:
        raise NoMessage(shown, "no such file") from None
    if stat.S_ISDIR(status.st_mode):
        kind = "a Maildir" if (file / "cur").is_dir() and (file / "new").is_dir() else "a folder"
        raise NoMessage(shown, f"is {kind}; {_BATCH}")
    if status.st_size > most:
        raise _too_large(shown, most)
    with file.open("rb") as stream:
        return _bounded(stream, shown, most)


def _bounded(stream: BinaryIO, shown: str, most: int) -> bytes:
    octets = stream.read(most + 1)
    if len(octets) > most:
        raise _too_large(shown, most)
    return octets


def _too_large(shown: str, most: int) -> NoMessage:
    return NoMessage(shown, f"is larger than {most} octets (limits.message-octets in the configuration)")


def unwrap(octets: bytes, source: Source, shown: str, limits: Limits) -> tuple[bytes, Source]:
    """The message without what the file put around it.

    ``source``: path and member, sha256 and size of the octets as found.  ``shown``: the name for a refusal.  Raises
    ``NoMessage``.  A ``.msg`` without a header gives an empty one, and a source that says so.
    """
    if not octets:
        raise NoMessage(shown, "is empty")
    kind = kind_of(octets[:HEAD])
    if kind is Kind.OUTLOOK_MESSAGE:
        from verify.mailboxes import outlook

        try:
            return outlook.read_message(octets, source)
        except outlook.Unreadable as error:
            raise NoMessage(shown, str(error)) from None
    if kind is Kind.OUTLOOK_STORE or kind in ARCHIVES:
        raise NoMessage(shown, f"is {kind}; {_BATCH}")

    if octets.startswith(_UTF_16_MARKS):
        raise NoMessage(shown, _UTF_16)
    octets, source = as_saved(octets, source)
    notes: list[FidelityNote] = []
    fidelity = source.fidelity
    if (count := _EMLX_COUNT.match(octets)) is not None:
        end = count.end() + int(count[1])
        # Another file may start with a number: its text is never cut to that.
        if _PROPERTY_LIST.match(octets, end):
            octets = octets[count.end() : end]
            notes.append(FidelityNote.EMLX_TRAILER_REMOVED)
            if (source.member or source.path or "").lower().endswith(_PARTIAL):
                fidelity = Fidelity.PARTIAL
                notes.append(FidelityNote.ATTACHMENTS_LEFT_OUT)
    if has_mailbox_line(octets):
        from verify.mailboxes.mbox import has_line_like_separator, split

        if next(islice(split(octets), 1, None), None) is not None:
            raise NoMessage(shown, f"is a mailbox of several messages; {_BATCH}")
        if has_line_like_separator(octets):
            notes.append(FidelityNote.SEPARATOR_LIKE_LINE)
        octets = _after_first_line(octets)
        notes.append(FidelityNote.FROM_LINE_REMOVED)

    if not _FIELD.match(octets) and not holds_message(parse_message(octets[: limits.header_octets], limits=limits)):
        raise NoMessage(shown, NO_FIELD)
    return octets, replace(source, fidelity=fidelity, fidelity_notes=(*source.fidelity_notes, *notes))


def as_saved(octets: bytes, source: Source) -> tuple[bytes, Source]:
    """The octets without what a program that saved them as text did to them: a mark in front, line ends all damaged."""
    if octets.startswith(_BYTE_ORDER_MARK):
        octets = octets[len(_BYTE_ORDER_MARK) :]
        source = _noted(source, FidelityNote.BYTE_ORDER_MARK_REMOVED)
    if b"\r" in octets and b"\n" not in octets:
        return octets.replace(b"\r", b"\r\n"), _rebuilt(source)
    return undoubled(octets, source)


def undoubled(octets: bytes, source: Source) -> tuple[bytes, Source]:
    """CR CR LF at every line end is CR LF that was converted twice; where there is any other, nothing is changed.

    What stood there before cannot be proven, so that no signature is checked over it.
    """
    first = octets.find(b"\n")
    if first < 2 or octets[first - 2 : first] != b"\r\r":
        return octets, source
    doubled = octets.count(b"\r\r\n")
    if octets.count(b"\n") != doubled or octets.count(b"\r") != 2 * doubled:
        return octets, source
    return octets.replace(b"\r\r\n", b"\r\n"), _rebuilt(source)


def _rebuilt(source: Source) -> Source:
    return replace(_noted(source, FidelityNote.LINE_ENDS_REBUILT), fidelity=Fidelity.SYNTHETIC)


def _noted(source: Source, note: FidelityNote) -> Source:
    return replace(source, fidelity_notes=(*source.fidelity_notes, note))


def is_mail(octets: bytes, limits: Limits) -> bool:
    """True when one of the fields that mail has stands in the header; so a note with a colon or a picture is no mail.

    For files that nobody named.  ``octets``: of the message, or as many of them as a header may have.
    """
    first = _FIELD.match(octets)
    if first is not None and first[1].lower() in _OF_MAIL:
        return True
    fields = parse_message(octets[: limits.header_octets], limits=limits).fields
    return any(field.key in _OF_MAIL for field in fields)


def may_be_mail(start: bytes, limits: Limits) -> bool:
    """The same for the first octets of a file, before what it put around the message is off."""
    start = start.removeprefix(_BYTE_ORDER_MARK)
    return _EMLX_COUNT.match(start) is not None or is_mail(start, limits)


def is_only_note(kind: Kind, start: bytes, limits: Limits) -> bool:
    """True when a file with the name of a program's notes holds those, and no mail.

    ``start``: its first ``limits.header_octets`` octets, or all there are.  An archive or a mailbox is no note.
    """
    if kind is Kind.OUTLOOK_MESSAGE:  # pictures of a folder (Thumbs.db) are kept in the same kind of file
        return len(start) < limits.header_octets and _OUTLOOK_MAIL not in start
    # an index of a mail program holds lines of headers, between octets that no message starts with
    return kind is Kind.OTHER and (start[:1] < b"\t" or not may_be_mail(start, limits))


def _after_first_line(octets: bytes) -> bytes:
    end = re.search(rb"\r\n|\n|\r", octets)
    return b"" if end is None else octets[end.end() :]

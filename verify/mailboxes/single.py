"""A file that holds one message: ``.eml``, ``.emlx``, a message saved with its mbox line, standard input.

What a file is, its content decides, never its name.  Octets around the message are taken off and noted; the message
itself is handed on as it is.  What holds no single message is refused with a word on what to do instead.
"""

from __future__ import annotations

import re
import stat
import sys
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from verify.grammar.visible import escape, one_line
from verify.model import FidelityNote, Limits, Source
from verify.reading.message import holds_message, parse_message


class NoMessage(Exception):
    """The input cannot be read, or is not one message.  ``str()``: one plain line that names the input."""

    def __init__(self, shown: str, problem: str) -> None:
        super().__init__(f"{shown}: {problem}")


# What stands at the start of files that are not mail, and what they are.
_MAGIC = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"!BDN", "an Outlook data file"),
)
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_OUTLOOK_MESSAGE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BATCH = "judge it with `mailverdict batch`"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EMLX_COUNT = re.compile(rb"(\d{1,18})[ \t]*\r?\n")
_PROPERTY_LIST = re.compile(rb"\s*<\?xml ")  # what follows the message of that many octets
# A second mbox separator: "From ", a time of day in the line, then a line that starts a header (RFC 4155 appendix A).
_SEPARATOR = re.compile(rb"[\r\n]From ([^\r\n]*)(?:\r\n|\r|\n)[!-9;-~]+[ \t]*:")
_TIME_OF_DAY = re.compile(rb"\d\d:\d\d")


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
    source = Source(
        path=escape(path.encode("utf-8", "surrogateescape")), sha256=sha256(octets).hexdigest(), size=len(octets)
    )
    return _unwrap(octets, source, shown, limits)


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


def _unwrap(octets: bytes, source: Source, shown: str, limits: Limits) -> tuple[bytes, Source]:
    """The message without what the file put around it."""
    if not octets:
        raise NoMessage(shown, "is empty")
    for magic, kind in _MAGIC:
        if octets.startswith(magic):
            raise NoMessage(shown, f"is {kind}; {_BATCH}")
    if octets.startswith(_TAR_MAGIC, _TAR_AT):
        raise NoMessage(shown, f"is a tar archive; {_BATCH}")
    if octets.startswith(_OUTLOOK_MESSAGE):
        raise NoMessage(shown, "is an Outlook file, which holds no original message; save the mail as .eml")

    notes: list[FidelityNote] = []
    if octets.startswith(_BYTE_ORDER_MARK):
        octets = octets[len(_BYTE_ORDER_MARK) :]
        notes.append(FidelityNote.BYTE_ORDER_MARK_REMOVED)
    if (count := _EMLX_COUNT.match(octets)) is not None:
        end = count.end() + int(count[1])
        # Another file may start with a number: its text is never cut to that.
        if _PROPERTY_LIST.match(octets, end):
            octets = octets[count.end() : end]
            notes.append(FidelityNote.EMLX_TRAILER_REMOVED)
    if octets.startswith(b"From "):
        if _is_mailbox(octets):
            raise NoMessage(shown, f"is a mailbox of several messages; {_BATCH}")
        octets = _after_first_line(octets)
        notes.append(FidelityNote.FROM_LINE_REMOVED)

    if not holds_message(parse_message(octets[: limits.header_octets], limits=limits)):
        raise NoMessage(shown, "is not a message: it has no header field")
    return octets, Source(path=source.path, sha256=source.sha256, size=source.size, fidelity_notes=tuple(notes))


def _is_mailbox(octets: bytes) -> bool:
    """True when a second message follows: a line of the body that only begins with ``From`` is none."""
    return any(_TIME_OF_DAY.search(separator[1]) for separator in _SEPARATOR.finditer(octets))


def _after_first_line(octets: bytes) -> bytes:
    end = re.search(rb"\r\n|\n|\r", octets)
    return b"" if end is None else octets[end.end() :]

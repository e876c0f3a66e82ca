"""Mailboxes in one file: mboxo, mboxrd, mboxcl and mboxcl2, with LF, CRLF or CR line ends (RFC 4155).

A message starts at a *separator*: a line ``From `` with a date at its end or nothing behind it, after an empty line and
before a line that starts a header.  A line of a body that only begins with ``From`` is none.  Where the writer counted
the body (Content-Length) and the counts of the file hold, the count goes over what looks like a separator inside.
Nothing is joined silently: a message with a line inside that looks like a separator and was not taken for one says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from mmap import mmap
from typing import TypeAlias

from msgspec import Struct

from verify.model import Fidelity, FidelityNote, Source, replace

Buffer: TypeAlias = "bytes | mmap"

_LINE_OCTETS = 1000  # a longer line separates nothing
_DATE_OCTETS = 200  # at the end of a line, where a date is looked for
_HEADER_OCTETS = 1024 * 1024  # the header that is searched for Content-Length
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"\d{1,2}:\d\d(?::\d\d)?"
_ZONE = rb"(?:[A-Z]{1,5}(?:[+-]\d{1,2}(?::?\d\d)?)?|[+-]\d\d:?\d\d)"
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,998}[ \t]{0,998}:|>From ")
_BARE = (b"", b"-")  # all that some versions of Thunderbird and its kin write behind "From "
_FROM_INSIDE = re.compile(rb"[\r\n]From ")
_LINE_END = re.compile(rb"\r\n|\r|\n|\Z")
_EMPTY_BEFORE = (b"\n\n", b"\n\r\n", b"\r\r")
# The fields that programs put on top of a message: a line "From " right before one is hardly text.
_TOP_FIELD = re.compile(
    rb"(?:return-path|received|delivered-to|x-[a-z-]{1,80}|message-id|date|from|sender|mime-version|dkim-signature"
    rb"|arc-seal|authentication-results|envelope-to|status)[ \t]{0,998}:",
    re.IGNORECASE,
)
_FIRST_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_HEADER_END = re.compile(rb"\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r?\n", re.IGNORECASE)
_SEVERAL = 5  # messages at the start of a file that tell whether its writer counts
_QUOTED = re.compile(rb"\n>(>*From )")


@cache
def _date() -> re.Pattern[bytes]:
    """The date at the end of a separator, compiled for the first line that may be one."""
    return re.compile(
        rb"[ \t](?:"
        # Thu Jan  1 00:00:00 1970, a zone before or after the year
        + _DAY + rb",? +" + _MONTH + rb" +\d{1,2},? +" + _TIME + rb"(?: " + _ZONE + rb"){0,2} (?:\d{4}|\d\d)(?: "
        + _ZONE + rb")?"
        # Thu, 1 Jan 1970 00:00:00 +0000
        + rb"|" + _DAY + rb",? +\d{1,2} " + _MONTH + rb" (?:\d{4}|\d\d) " + _TIME + rb"(?: " + _ZONE + rb")?"
        + rb"(?: \([A-Z]{1,5}\))?"
        # 1970-01-01 00:00:00
        + rb"|\d{4}-\d\d-\d\d[T ]" + _TIME + rb"(?:Z| ?[+-]\d\d:?\d\d)?"
        + rb")(?: remote from [!-~]+)?[ \t]*\Z"
    )  # fmt: skip


class Slice(Struct, frozen=True, gc=False):
    """One message with its ``From `` line.  ``by_length``: Content-Length led over a separator inside."""

    start: int
    end: int
    by_length: bool


def split(data: Buffer) -> Iterator[Slice]:
    """The messages of a mailbox, one after the other; every octet after the first ``From `` is in one of them.

    Linear in the octets.  Nothing is kept but positions, so that a mailbox of any size may be mapped.
    """
    size = len(data)
    start = data.find(b"From ", 0, _LINE_OCTETS)
    if start < 0:
        return
    line_end = b"\r" if _ends_with_cr(data, start) else b"\n"
    good = bad = 0
    while start < size:
        end = _next_separator(data, start, line_end)
        by_length = False
        if line_end == b"\n" and (good + bad < _SEVERAL or good >= 4 * bad):
            counted = _end_by_length(data, start)
            if counted is None:
                bad += 1
            elif counted <= end:
                good += 1
            elif good >= 4 * bad and _counts(data, counted, first=end if good == 0 else None):
                good += 1
                end, by_length = counted, True
            else:
                bad += 1
        yield Slice(start, end, by_length)
        start = end


def _ends_with_cr(data: Buffer, start: int) -> bool:
    """True when the line that starts there ends with a bare CR."""
    line = data[start : start + _LINE_OCTETS]
    at = line.find(b"\r")
    return at >= 0 and line[at : at + 2] != b"\r\n" and b"\n" not in line[:at]


def _next_separator(data: Buffer, position: int, line_end: bytes) -> int:
    needle = line_end + b"From "
    while (at := data.find(needle, position)) >= 0:
        if _after_empty_line(data, at, line_end) and _is_separator(data, at + 1, line_end):
            return at + 1
        position = at + 1
    return len(data)


def _after_empty_line(data: Buffer, at: int, line_end: bytes) -> bool:
    """``at``: the place of the octet that ends the line before."""
    before = data[max(at - 2, 0) : at]
    return before.endswith(line_end) or (line_end == b"\n" and before == b"\n\r")


def _is_separator(data: Buffer, at: int, line_end: bytes) -> bool:
    end = data.find(line_end, at, at + _LINE_OCTETS)
    if end < 0:
        return False
    line = data[at + 5 : end].rstrip(b"\r")
    says_so = line.strip(b" \t") in _BARE or _ends_with_date(line)
    return says_so and _HEADER_LINE.match(data, end + 1) is not None


def _ends_with_date(line: bytes) -> bool:
    return _date().search(b" " + line[-_DATE_OCTETS:]) is not None


def has_line_like_separator(octets: bytes) -> bool:
    """True when a line after the first looks like a separator: by its date, or by an empty line and a header around it.

    ``octets``: a message of a mailbox with its own separator on top, in which no other line was taken for one.
    """
    if b"\nFrom " not in octets and b"\rFrom " not in octets:
        return False
    for found in _FROM_INSIDE.finditer(octets):
        end = _LINE_END.search(octets, found.end())
        line = octets[found.end() : end.start() if end else None]
        if _ends_with_date(line):
            return True
        if octets[max(found.start() - 2, 0) : found.start() + 1].endswith(_EMPTY_BEFORE) and (
            line.strip(b" \t") in _BARE or (end and _TOP_FIELD.match(octets, end.end()))
        ):
            return True
    return False


def _end_by_length(data: Buffer, start: int) -> int | None:
    """Where the message ends by its own count, when a separator or the end of the file stands there."""
    header = _HEADER_END.search(data, start, start + _HEADER_OCTETS)
    if header is None:
        return None
    counts = _CONTENT_LENGTH.findall(data[start : header.start() + 1])
    if len(counts) != 1:
        return None
    size, at = len(data), header.end() + int(counts[0])
    for _ in range(2):  # the empty line that separates, and the line end that the last line may lack
        if at >= size or data[at : at + 5] == b"From ":
            break
        at += 2 if data[at : at + 2] == b"\r\n" else data[at : at + 1] == b"\n"
    if at == size or (at < size and data[at - 1 : at] == b"\n" and _is_separator(data, at, b"\n")):
        return at
    return None


def _counts(data: Buffer, counted: int, first: int | None) -> bool:
    """True when a count that leads over separators can be believed: the message after it has a count that holds.

    Else a sender could hide the messages behind his own.  ``first``: nothing is known of the file yet, and what looks
    like a message inside starts here; if that one has a count too, both are messages.
    """
    if first is not None and _end_by_length(data, first) is not None:
        return False
    return counted == len(data) or _end_by_length(data, counted) is not None


def undo(octets: bytes, source: Source, *, by_length: bool) -> tuple[tuple[bytes, Source], ...]:
    """What the message may have been before it was put into the mailbox, the likeliest first.

    ``octets``: a slice.  Off come the ``From `` line and the one empty line that a mailbox adds at the end; bare CR
    line ends become CRLF.  A ``>From `` may have been quoted by the writer or not (mboxo does not tell, and mboxcl2
    never quotes): then there are several readings.  Header and body are treated alike, as the writers do.
    """
    first = _FIRST_LINE.match(octets)
    text = octets[first.end() :] if first else octets
    notes = [*source.fidelity_notes, FidelityNote.FROM_LINE_REMOVED]
    fidelity = source.fidelity
    if b"\r" in text and b"\n" not in text:
        text = text.replace(b"\r", b"\r\n")
        notes.append(FidelityNote.CR_TO_CRLF)
        fidelity = Fidelity.LINE_ENDINGS if fidelity is Fidelity.ORIGINAL else fidelity
    if text.endswith((b"\n\r\n", b"\n\n")):
        text = text[: -2 if text.endswith(b"\r\n") else -1]
        notes.append(FidelityNote.TRAILING_BLANK_LINE_REMOVED)
    if by_length:
        notes.append(FidelityNote.CONTENT_LENGTH_USED)
    if has_line_like_separator(octets):
        notes.append(FidelityNote.SEPARATOR_LIKE_LINE)
    if b">From " not in text or not _QUOTED.search(text):
        return ((text, replace(source, fidelity=fidelity, fidelity_notes=tuple(notes))),)

    lasting = fidelity in (Fidelity.PARTIAL, Fidelity.SYNTHETIC)
    undone = fidelity if lasting else Fidelity.QUOTING_UNDONE
    ambiguous = FidelityNote.MBOX_QUOTING_AMBIGUOUS
    notes_undone = (*notes, FidelityNote.MBOX_QUOTING_UNDONE, ambiguous)
    source_undone = replace(source, fidelity=undone, fidelity_notes=notes_undone)
    source_kept = replace(source, fidelity=fidelity, fidelity_notes=(*notes, FidelityNote.MBOX_QUOTING_KEPT, ambiguous))
    readings = [(_QUOTED.sub(rb"\n\1", text), source_undone)]
    if b">>From " in text:
        once = text.replace(b"\n>From ", b"\nFrom ")  # mboxo quotes no line that is quoted already
        if once not in (text, readings[0][0]):
            readings.append((once, source_undone))
    kept = (text, source_kept)
    if b"\nFrom " in text:  # this writer does not quote
        return (kept, *readings)
    return (*readings, kept)

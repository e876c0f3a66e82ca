"""Recorded answers: JSON Lines that can be edited by hand, diffed and replayed (format ``mailverdict-dns`` 1).

A recording is input like any other: every line is checked before it becomes an ``Answer``, and what is wrong is an
error that names the line.  Names are not normalised, so that a line says exactly which question it answers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from verify.grammar.names import query_name
from verify.grammar.visible import one_line
from verify.lookup.exchange import ANSWER_OCTETS
from verify.model import Answer, Cause, Outcome, Question, utc

LINE_OCTETS = 8 * ANSWER_OCTETS  # octets of one line: every octet as \\u00NN, and the rest of the line
RESOLVER_CHARS = 1000  # characters of the resolver text
REASON_CHARS = 200  # characters of an error's reason

_TTL_MOST = 2**31 - 1  # RFC 2181 8
_Time = Annotated[datetime, Meta(tz=True)]
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError)


class RecordingError(ValueError):
    """A recording that cannot be read.  ``line``: counted from 1; ``reason``: one printable line."""

    def __init__(self, line: int, reason: str) -> None:
        reason = one_line(reason)
        if len(reason) > REASON_CHARS:
            reason = reason[:REASON_CHARS] + "…"
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class Recording(Struct, frozen=True, kw_only=True):
    """A recording as read.  ``recorded_at``: epoch seconds; None when its header does not say.

    ``extra``: the keys of an answer's line that this version does not know, as JSON text; ``header_extra``: those
    of the first line.  A ``RecordingWriter`` that is given the recording writes them again.
    """

    answers: dict[Question, Answer]
    recorded_at: int | None = None
    resolver: str = ""
    extra: dict[Question, dict[str, Raw]] = {}
    header_extra: dict[str, Raw] = {}


class _Header(Struct, kw_only=True, forbid_unknown_fields=True):
    version: int = field(name="mailverdict-dns")
    recorded_at: _Time | None = None
    resolver: str = ""


class _LenientHeader(_Header, forbid_unknown_fields=False):
    pass


class _Octets(Struct, forbid_unknown_fields=True):
    b64: bytes


class _Line(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    type: Literal["A", "AAAA", "MX", "PTR", "TXT"]
    outcome: Literal["found", "nodata", "nxdomain", "temporary"]
    cause: Cause | UnsetType | None = UNSET
    records: tuple[str | _Octets, ...] = ()
    ttl: Annotated[int, Meta(ge=0, le=_TTL_MOST)] | None = None
    time: _Time | None = None
    ad: bool = False


class _LenientLine(_Line, forbid_unknown_fields=False):
    pass


_decoder = cache(msgspec.json.Decoder)
_encoder = msgspec.json.Encoder()


# ---------------------------------------------------------------------------------------------------
# Reading
# ---------------------------------------------------------------------------------------------------


def load_recording(path: Path) -> Recording:
    """The recording in a file.  Raises ``RecordingError``, or ``OSError`` when the file cannot be read."""
    with path.open("rb") as file:
        return read_recording(bounded_lines(file))


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, none longer in memory than the cap plus one octet (which ``read_recording`` refuses)."""
    while line := file.readline(LINE_OCTETS + 1):
        yield line


def read_recording(lines: Iterable[bytes]) -> Recording:
    """The answers of a recording; the first answer to a question stands, blank lines are skipped.

    Raises ``RecordingError`` for a first line that is no header of version 1, and for any line that is too long, no
    JSON object, of wrong types, or that contradicts itself (an outcome without its records or cause).
    """
    header: _Header | None = None
    header_extra: dict[str, Raw] = {}
    answers: dict[Question, Answer] = {}
    extra: dict[Question, dict[str, Raw]] = {}
    decode = _decoder(_Line).decode
    number = 0
    for number, raw in enumerate(lines, 1):
        if len(raw) > LINE_OCTETS:
            raise RecordingError(number, f"longer than {LINE_OCTETS} octets")
        text = raw.strip()
        if header is None:
            header, header_extra = _read_header(text.removeprefix(b"\xef\xbb\xbf"), number)
            continue
        if not text:
            continue
        try:
            line, unknown = decode(text), None
        except _UNREADABLE:
            line, unknown = _read_keys(_LenientLine, text, number)
        answer = _answer(line, number)
        if answer.question not in answers:
            answers[answer.question] = answer
            if unknown:
                extra[answer.question] = unknown
    if header is None:
        raise RecordingError(1, "empty: the first line must be the header")
    return Recording(
        answers=answers,
        recorded_at=_seconds(header.recorded_at, 1),
        resolver=header.resolver,
        extra=extra,
        header_extra=header_extra,
    )


def _read_header(text: bytes, number: int) -> tuple[_Header, dict[str, Raw]]:
    if b'"mailverdict-dns"' not in text:
        raise RecordingError(number, 'no header: the first line must hold "mailverdict-dns"')
    unknown: dict[str, Raw] = {}
    try:
        header = _decoder(_Header).decode(text)
    except _UNREADABLE:
        header, unknown = _read_keys(_LenientHeader, text, number)
    if header.version != 1:
        raise RecordingError(number, f"version {header.version} of the format is not known")
    if len(header.resolver) > RESOLVER_CHARS or not header.resolver.isprintable():
        raise RecordingError(number, "resolver: too long, or with control characters")
    return header, unknown


def _read_keys(kind: type[Struct], text: bytes, number: int) -> tuple[Any, dict[str, Raw]]:
    """A line that the strict decoder refused: either it has unknown keys, or it is wrong."""
    try:
        text.decode("utf-8")  # the decoder does not look into what it skips
        value = _decoder(kind).decode(text)
        keys = _decoder(dict[str, Raw]).decode(text)
        return value, {key: raw.copy() for key, raw in keys.items() if key not in kind.__struct_encode_fields__}
    except RecursionError:
        raise RecordingError(number, "nested too deeply") from None
    except _UNREADABLE as error:
        raise RecordingError(number, str(error)) from None


def _answer(line: _Line, number: int) -> Answer:
    """The line's answer, after the checks that types alone do not make."""
    name, rdtype, outcome = line.name, line.type, Outcome(line.outcome)
    if query_name(name) != name:
        raise RecordingError(number, f"name: {name[:100]!r} is not a lower-case name without final dot")
    cause = line.cause or None
    if (cause is None) == (outcome is Outcome.TEMPORARY):
        raise RecordingError(number, "cause: belongs to outcome temporary, and to no other")
    if bool(line.records) != (outcome is Outcome.FOUND):
        raise RecordingError(number, "records: belong to outcome found, and to no other")
    records = tuple(r.encode("utf-8") if isinstance(r, str) else r.b64 for r in line.records)
    if sum(map(len, records)) > ANSWER_OCTETS:
        raise RecordingError(number, f"records: more than {ANSWER_OCTETS} octets")
    if rdtype != "TXT" and records:
        try:
            records = tuple(sorted(_check_record[rdtype](record) for record in records))
        except ValueError:
            raise RecordingError(number, f"records: one that is no {rdtype} record") from None
    return Answer(
        question=Question(name, rdtype),
        outcome=outcome,
        cause=cause,
        records=records,
        ttl=line.ttl,
        observed_at=_seconds(line.time, number),
        ad=line.ad,
        recorded=True,
    )


def _check_a(record: bytes) -> bytes:
    return str(IPv4Address(record.decode("ascii"))).encode("ascii")


def _check_aaaa(record: bytes) -> bytes:
    address = IPv6Address(record.decode("ascii"))
    if address.scope_id is not None:
        raise AddressValueError
    return str(address).encode("ascii")


def _check_mx(record: bytes) -> bytes:
    preference, _, name = record.partition(b" ")
    if not (preference.isdigit() and len(preference) <= 5 and int(preference) <= 0xFFFF):
        raise ValueError
    return b"%d %s" % (int(preference), _check_ptr(name))


def _check_ptr(record: bytes) -> bytes:
    """Any name as DNS text has it (a host name is for the check to want): no blank, no control, 1 to 1004 octets."""
    if not 0 < len(record) <= 1004 or not all(0x21 <= octet <= 0x7E for octet in record):
        raise ValueError
    return record


_check_record = {"A": _check_a, "AAAA": _check_aaaa, "MX": _check_mx, "PTR": _check_ptr}


def _seconds(time: datetime | None, number: int) -> int | None:
    if time is None:
        return None
    try:
        seconds = int(time.timestamp() // 1)
    except OverflowError:
        seconds = -1
    if utc(seconds) is None:
        raise RecordingError(number, "time: not between the years 1970 and 9999")
    return seconds


# ---------------------------------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------------------------------


class RecordingWriter:
    """Writes answers as they are used, each question once: its first answer stands for the whole run.

    ``file``: binary, at its end; the caller closes it.  ``recorded_at``: epoch seconds.  ``known``: a recording whose
    unknown keys are to be kept, because it is replayed, or because ``file`` continues it (``continued``).
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        recorded_at: int | None,
        resolver: str,
        known: Recording | None = None,
        continued: bool = False,
    ) -> None:
        self._file = file
        self._extra: Mapping[Question, Mapping[str, Raw]] = known.extra if known is not None else {}
        self._standing: dict[Question, Answer] = dict(known.answers) if known is not None and continued else {}
        if not continued:
            resolver = one_line(resolver)[:RESOLVER_CHARS]
            header = {"mailverdict-dns": 1, "recorded_at": _time(recorded_at), "resolver": resolver}
            self._put(header, known.header_extra if known is not None else {})
            file.flush()

    def use(self, answer: Answer) -> Answer:
        """The answer that stands for the question of ``answer``; writes it when it is the first.

        ``NOT_RECORDED`` is no answer: it is neither written nor does it stand.
        """
        if answer.outcome is Outcome.NOT_RECORDED:
            return answer
        standing = self._standing.get(answer.question)
        if standing is None:
            self._standing[answer.question] = standing = answer
            self._put(_plain(answer), self._extra.get(answer.question, {}))
        return standing

    def write(self, answers: Iterable[Answer]) -> None:
        """Use answers in their order, then flush."""
        for answer in answers:
            self.use(answer)
        self._file.flush()

    def standing(self, question: Question) -> Answer | None:
        """The answer that was used before, or None."""
        return self._standing.get(question)

    def _put(self, value: dict[str, Any], extra: Mapping[str, Raw]) -> None:
        line = _encoder.encode({**value, **extra})
        text = line.decode("utf-8")
        if not text.isprintable():
            line = "".join(map(_printable, text)).encode("utf-8")
        self._file.write(line + b"\n")


def _printable(char: str) -> str:
    """A character of JSON text such that no terminal or editor acts on it: an escape, or a blank between tokens."""
    if char.isprintable():
        return char
    if char in "\t\r":  # never inside a string
        return " "
    octets = char.encode("utf-16-be")
    return "".join(f"\\u{octets[i] << 8 | octets[i + 1]:04x}" for i in range(0, len(octets), 2))


def continue_recording(path: Path) -> tuple[Recording, RecordingWriter, BinaryIO]:
    """Go on with a recording that a run left behind, cut back to its last whole line when that run was killed.

    Returns what stands, the writer, and the open file, which the caller closes.  Raises as ``load_recording``.
    """
    file = path.open("r+b")
    try:
        lines = list(bounded_lines(file))
        try:
            recording = read_recording(lines)
            if lines and not lines[-1].endswith(b"\n"):
                file.write(b"\n")
        except RecordingError as error:  # no part of an object is an object: only the line cut short is at fault
            if error.line != len(lines) or lines[-1].endswith(b"\n"):
                raise
            recording = read_recording(lines[:-1])
            file.seek(-len(lines[-1]), os.SEEK_END)
            file.truncate()
    except BaseException:
        file.close()
        raise
    writer = RecordingWriter(
        file,
        recorded_at=recording.recorded_at,
        resolver=recording.resolver,
        known=recording,
        continued=True,
    )
    return recording, writer, file


def _plain(answer: Answer) -> dict[str, Any]:
    line: dict[str, Any] = {
        "name": answer.question.name,
        "type": answer.question.rdtype,
        "outcome": answer.outcome,
    }
    if answer.cause is not None:
        line["cause"] = answer.cause
    line["records"] = [_record(record) for record in answer.records]
    line["ttl"] = answer.ttl
    line["time"] = _time(answer.observed_at)
    line["ad"] = answer.ad
    return line


def _record(record: bytes) -> str | _Octets:
    try:
        return record.decode("utf-8")
    except UnicodeDecodeError:
        return _Octets(record)


def _time(seconds: int | None) -> str | None:
    moment = utc(seconds)
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""DKIM canonicalisation and body hashing (RFC 6376 3.4, 3.7), shared by DKIM and ARC.

Linear in the input whatever it holds.  White space is SP and HTAB; a line end is CRLF; every other octet, a bare CR
or LF among them, is data.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from verify.model import Field, Limits

SIMPLE, RELAXED = b"simple", b"relaxed"

Hash: TypeAlias = "hashlib._Hash"

_WSP = b" \t"
_LONG_RUN = b" " * 16
_RUN = re.compile(rb"   *")  # two blanks that stand as such are looked for faster than "  +"
_SPARSE = 32  # octets of text to a run of blanks, on average, from which on the expression is fast
_B_TAG = re.compile(rb";[ \t\r\n]*+b[ \t\r\n]*+=([^;]*+)")
_CHUNK = 32 * 1024  # octets canonicalised at a time: small enough to stay in a processor's cache
_MARK_EVERY = 32  # chunks between two kept states of the hash: a shorter l= hashes at most 1 MiB again


def relax(text: bytes) -> bytes:
    """Runs of white space as one space, none before a line end; ``text`` must not end inside a run of a longer text."""
    if text.find(b"\t") >= 0:  # ``in`` tries octets as a number first, which costs more than to search a field
        text = text.replace(b"\t", b" ")
    if text.find(b" ") < 0:  # encoded, as most of a large body is
        return text
    if text.rfind(b"  ") >= 0:  # searching from the end is twice as fast for two octets
        most = 1 + len(text) // _SPARSE
        text, runs = _RUN.subn(b" ", text, most)
        if runs == most:
            text = _relax_dense(text)
    if text.rfind(b" \r\n") >= 0:
        text = b"\r\n".join(text.rsplit(b" \r\n"))  # replace would look for all of them twice
    return text


def _relax_dense(text: bytes) -> bytes:
    """Runs of blanks as one blank, by passes over the whole text."""
    if _LONG_RUN in text:
        for length in (4096, 64, 8):  # each step divides the long runs, so that few passes are left
            text = text.replace(b" " * length, b" ")
    while text.rfind(b"  ") >= 0:
        text = text.replace(b"  ", b" ")
    return text


def relaxed_field(field: Field) -> bytes:
    """One field in relaxed form with its CRLF (RFC 6376 3.4.2)."""
    return field.key + b":" + _relaxed_value(field.raw.partition(b":")[2]) + b"\r\n"


def simple_field(field: Field) -> bytes:
    """One field as it stands; CRLF added only where the message ends inside the header."""
    return field.raw if field.raw.endswith(b"\n") else field.raw + b"\r\n"


def signature_field(field: Field, canonicalization: bytes) -> bytes:
    """A signature field as it is hashed itself: the value of ``b=`` emptied, no CRLF at the end (RFC 6376 3.7)."""
    raw = field.raw[:-2] if field.raw.endswith(b"\r\n") else field.raw
    name, colon, value = raw.partition(b":")
    value = _without_b(value)
    if canonicalization == RELAXED:
        return field.key + b":" + _relaxed_value(value)
    return name + colon + value


def _relaxed_value(value: bytes) -> bytes:
    return relax(value.replace(b"\r\n", b"")).strip(_WSP)


def _without_b(value: bytes) -> bytes:
    """The tag list with the value of the first ``b=``, and the white space around that value, removed."""
    text = b";" + value
    found = _B_TAG.search(text)
    return value if found is None else text[1 : found.start(1)] + text[found.end() :]


def content_end(body: bytes, relaxed: bool) -> int:
    """Where the body ends once its trailing empty lines (relaxed: and the last line's trailing blanks) are left out."""
    ignored = b" \t\r\n" if relaxed else b"\r\n"
    size = 4096
    while True:
        window = body[-size:]
        kept = len(window.rstrip(ignored))
        if kept or size >= len(body):
            break
        size *= 4
    tail = window[kept:].replace(b"\r\n", b"  ").rstrip(_WSP if relaxed else b" ")
    return len(body) - len(window) + kept + len(tail)


def _chunks(body: bytes, start: int, end: int) -> Iterator[bytes]:
    """Pieces of ``body[start:end]`` that can be relaxed one by one: none ends inside a run of blanks or line ends."""
    while start < end:
        stop = start + _CHUNK
        if stop >= end:
            yield body[start:end]
            return
        line = body.rfind(b"\r\n", start, stop)
        stop = line + 2 if line >= 0 else _run_end(body, stop, end)
        yield body[start:stop]
        start = stop


def _run_end(body: bytes, place: int, end: int) -> int:
    """The end of the run of blanks and line ends around ``place``, or ``place`` when it stands before other text."""
    while place < end:
        window = body[place : min(place + _CHUNK, end)]
        rest = len(window.lstrip(b" \t\r\n"))
        place += len(window) - rest
        if rest:
            break
    return place


def canonical_body(body: bytes, canonicalization: bytes) -> Iterator[bytes]:
    """The body in canonical form, in pieces (RFC 6376 3.4.3, 3.4.4)."""
    relaxed = canonicalization == RELAXED
    end = content_end(body, relaxed)
    for chunk in _chunks(body, 0, end):
        yield relax(chunk) if relaxed else chunk
    if end or not relaxed:
        yield b"\r\n"


class BodyHash(Struct, frozen=True):
    """``digest``: of the octets that are signed; ``octets``: how long the whole canonical body is."""

    digest: bytes
    octets: int


class _Mark(NamedTuple):
    """A state of the hash: canonical octets in it, and the place in the body where it stands."""

    octets: int
    place: int
    state: Hash


class _Reading:
    """The body read once in one canonical form, with states kept on the way so that a prefix costs little."""

    def __init__(self, body: bytes, canonicalization: bytes, algorithm: str) -> None:
        self._body = body
        self._relaxed = canonicalization == RELAXED
        self._end = content_end(body, self._relaxed)
        self._start: Callable[[], Hash] = getattr(hashlib, algorithm)
        self._marks: list[_Mark] = []
        state = self._start()
        octets = place = 0
        for number, chunk in enumerate(_chunks(body, 0, self._end), 1):
            piece = relax(chunk) if self._relaxed else chunk
            state.update(piece)
            octets += len(piece)
            place += len(chunk)
            if number % _MARK_EVERY == 0:
                self._marks.append(_Mark(octets, place, state.copy()))
        if self._end or not self._relaxed:
            state.update(b"\r\n")
            octets += 2
        self.octets = octets
        self.digest = state.digest()

    def prefix(self, length: int) -> bytes:
        """The digest of the first ``length`` canonical octets."""
        before = bisect_right(self._marks, length, key=lambda m: m.octets)
        mark = self._marks[before - 1] if before else _Mark(0, 0, self._start())
        state, wanted = mark.state.copy(), length - mark.octets
        for chunk in _chunks(self._body, mark.place, self._end):
            piece = relax(chunk) if self._relaxed else chunk
            state.update(piece[:wanted])
            wanted -= len(piece)
            if wanted <= 0:
                return state.digest()
        state.update(b"\r\n"[:wanted])
        return state.digest()


class BodyHashes:
    """The body hashes of one message, each computed once: per canonicalisation, hash algorithm and length.

    Also keeps the canonical forms of its header fields, which the signatures share.
    """

    def __init__(self, body: bytes, limits: Limits) -> None:
        self._body = body
        self._too_long = len(body) > limits.body_octets
        self._readings: dict[tuple[bytes, str], _Reading] = {}
        self._prefixes: dict[tuple[bytes, str, int], bytes] = {}
        self._fields: dict[int, bytes] = {}

    def hash(self, canonicalization: bytes, algorithm: str = "sha256", length: int | None = None) -> BodyHash | None:
        """``length``: l= of the signature; one over the body gives the digest of the whole.

        None when the body is longer than ``Limits.body_octets``: nothing is hashed then.
        """
        if self._too_long:
            return None
        key = (canonicalization, algorithm)
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = _Reading(self._body, canonicalization, algorithm)
        if length is None or length >= reading.octets:
            return BodyHash(reading.digest, reading.octets)
        digest = self._prefixes.get((*key, length))
        if digest is None:
            digest = self._prefixes[*key, length] = reading.prefix(length)
        return BodyHash(digest, reading.octets)

    def relaxed_field(self, field: Field) -> bytes:
        """``relaxed_field``, kept; ``field`` must be one of the message's."""
        return self.relaxed_fields((field,))[0]

    def relaxed_fields(self, fields: Iterable[Field]) -> list[bytes]:
        """The same of many."""
        kept = self._fields
        texts = []
        for field in fields:
            text = kept.get(field.index)
            if text is None:
                text = kept[field.index] = relaxed_field(field)
            texts.append(text)
        return texts

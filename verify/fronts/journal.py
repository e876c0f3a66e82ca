"""How far a batch has come: a small file beside the outputs, so that a killed run can be continued.

JSON Lines.  The first names the outputs and what the run is about.  After that a line a write: the items of the input
that are done, the size of each output file, the checksum of what was appended to each, and the counts that came with
it.  A line is written after the outputs have been, so what it says is there even when the process is killed.  After a
power failure it may not be: so the files are brought to the disk now and then, a line says so, and whatever was
appended after the last such line is read again and compared.
"""

from __future__ import annotations

import os
import zlib
from functools import cache
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct, field

from verify.rollup import Tally

_CHUNK = 1 << 20  # octets read at once when a file is compared


class Begin(Struct, frozen=True, kw_only=True, tag_field="line", tag="begin"):
    """``fingerprint``: what the caller wants to be the same when the run is continued."""

    outputs: tuple[tuple[str, str], ...]  # path, format
    fingerprint: str
    about: dict[str, str] = {}


class Done(Struct, frozen=True, kw_only=True, tag_field="line", tag="done"):
    """``sizes`` and ``sums`` (CRC-32 of what was appended): one for each output that is a plain file."""

    position: int
    sizes: tuple[int, ...]
    sums: tuple[int, ...]
    tally: Tally = field(default_factory=Tally)


class Synced(Struct, frozen=True, tag_field="line", tag="synced"):
    """Everything above this line has reached the disk."""


_ENCODER = msgspec.json.Encoder()
_decoder = cache(msgspec.json.Decoder)  # for --resume alone


class Journal:
    """The file, open for appending.  Errors of the machine rise as ``OSError``."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self._stream = stream

    @classmethod
    def create(cls, path: Path, begin: Begin) -> Journal:
        """A new one, on the disk before any output is touched."""
        journal = cls(path, path.open("wb", buffering=0))
        journal.append(begin)
        os.fsync(journal._stream.fileno())
        return journal

    @classmethod
    def load(cls, path: Path) -> tuple[Begin, list[Done], int] | None:
        """What stands in it: its begin, the writes, and how many of these are known to be on the disk.

        A line that is not whole ends it.  None when not even the first one is.
        """
        begin: Begin | None = None
        writes: list[Done] = []
        synced = 0
        with path.open("rb") as stream:
            for octets in stream:
                try:
                    line = _decoder(Begin | Done | Synced).decode(octets) if octets.endswith(b"\n") else None
                except (msgspec.MsgspecError, ValueError):
                    line = None
                if isinstance(line, Done) and begin is not None:
                    writes.append(line)
                elif isinstance(line, Synced):
                    synced = len(writes)
                elif isinstance(line, Begin) and begin is None:
                    begin = line
                else:
                    break
        return None if begin is None else (begin, writes, synced)

    @classmethod
    def again(cls, path: Path, begin: Begin, writes: list[Done]) -> Journal:
        """The journal cut back to ``writes``, in place of the old one at once."""
        new = path.with_name(path.name + ".new")
        with new.open("wb") as stream:
            stream.writelines(_ENCODER.encode(line) + b"\n" for line in (begin, *writes, Synced()))
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
        return cls(path, path.open("ab", buffering=0))

    def append(self, line: Begin | Done | Synced) -> None:
        write_all(self._stream, _ENCODER.encode(line) + b"\n")

    def sync(self) -> None:
        """Say that the outputs have reached the disk; the caller has seen to it."""
        self.append(Synced())
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()


def write_all(stream: BinaryIO, octets: bytes) -> None:
    """Write to an unbuffered stream, which may take less than it is given."""
    view = memoryview(octets)
    while view:
        view = view[stream.write(view) :]


def holds(stream: BinaryIO, start: int, end: int, checksum: int) -> bool:
    """Whether the octets of a file from ``start`` to ``end`` are there and are those that were written."""
    stream.seek(start)
    left, found = end - start, 0
    while left > 0:
        octets = stream.read(min(left, _CHUNK))
        if not octets:
            return False
        found = zlib.crc32(octets, found)
        left -= len(octets)
    return found == checksum

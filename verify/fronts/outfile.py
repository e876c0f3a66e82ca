"""An output that is appended to: a plain file, or a stream that nothing can take back."""

from __future__ import annotations

import os
import stat
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from verify.grammar.visible import one_line
from verify.store import OutputError

from .journal import holds, write_all

STDOUT = "-"


class Output(NamedTuple):
    """Where to, and one of jsonl, csv, sqlite, html.  ``-`` is standard output."""

    path: str
    form: str


def is_stream(path: str) -> bool:
    """A pipe, a device, standard output: nothing that could be cut back."""
    try:
        return path == STDOUT or not stat.S_ISREG(Path(path).stat().st_mode)
    except FileNotFoundError:
        return False


def failed(path: str, error: OSError | ValueError) -> OutputError:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else "is not the name of a file"
    return OutputError(f"{one_line(path)}: cannot be written: {cause}")


class OutFile:
    """One output that is appended to: a plain file, or a stream (a pipe, a device), which nothing can take back."""

    def __init__(self, output: Output, *, again: bool) -> None:
        self.path, self.form = output
        self._stream = sys.stdout.buffer if self.path == STDOUT else self._open(again)
        self.plain = self.path != STDOUT and stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode)
        self.size = 0
        self._sum = 0

    def _open(self, again: bool) -> BinaryIO:
        try:
            return Path(self.path).open("r+b" if again else "wb", buffering=0)
        except (OSError, ValueError) as error:
            raise failed(self.path, error) from None

    def write(self, octets: bytes) -> None:
        try:
            write_all(self._stream, octets)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise failed(self.path, error) from None
        self.size += len(octets)
        self._sum = zlib.crc32(octets, self._sum)

    def checksum(self) -> int:
        """Of what was appended since the last call."""
        found, self._sum = self._sum, 0
        return found

    def sync(self) -> None:
        if self.plain:
            os.fsync(self._stream.fileno())

    def holds(self, start: int, end: int, checksum: int) -> bool:
        return holds(self._stream, start, end, checksum)

    def end(self) -> int:
        return self._stream.seek(0, os.SEEK_END)

    def cut(self, size: int) -> None:
        self._stream.truncate(size)
        self._stream.seek(size)
        self.size = size

    def close(self) -> None:
        if self.path != STDOUT:
            self._stream.close()

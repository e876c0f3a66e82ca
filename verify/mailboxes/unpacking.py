"""Streams of what is inside an archive: compressed octets taken apart a block at a time, each one counted.

A cap is checked when octets come out, so that no declaration of an archive is believed; where a size is declared it is
checked first, so that nothing is read in vain.
"""

from __future__ import annotations

import bz2
import lzma
import tempfile
import zlib
from contextlib import suppress
from typing import IO, Any, Protocol, TypeAlias

from verify.mailboxes.kinds import Kind
from verify.model import Limits

Spooled: TypeAlias = IO[bytes]

BLOCK = 64 * 1024
_MAGIC = {Kind.GZIP: b"\x1f\x8b", Kind.BZIP2: b"BZh", Kind.XZ: b"\xfd7zXZ\0"}
_PADDING = b"\0\r\n\t "  # what may stand between streams and behind the last one: xz asks for NULs, others write them
_CUT = "is cut off"


class Reader(Protocol):
    """``read``: that many octets, fewer only at the end.  May raise ``Trouble`` or ``Spent``.

    What came before trouble is given first; so only a read that gives nothing tells that the end is the real one.
    """

    def read(self, size: int, /) -> bytes: ...


class Trouble(Exception):
    """A member cannot be read.  ``str()``: why.  ``cut``: what came before the end is right."""

    def __init__(self, problem: str, *, cut: bool = False) -> None:
        super().__init__(problem)
        self.cut = cut


class Spent(Exception):
    """A limit on a whole archive is reached: nothing more of it is read.  ``str()``: which."""


class Budget:
    """What one archive, with everything inside it, may still cost."""

    def __init__(self, packed: int, limits: Limits) -> None:
        self.limits = limits
        self._packed = max(packed, 1)
        self._octets = self._members = 0

    def member(self) -> None:
        """Count one member."""
        self._members += 1
        if self._members > self.limits.archive_members:
            raise Spent(f"holds more than {self.limits.archive_members} members (limits.archive-members)")

    def unpacked(self, octets: int) -> None:
        """Count octets that came out of a compression."""
        self._octets += octets
        if (problem := self._over(self._octets)) is not None:
            raise Spent(problem)

    def declared(self, octets: int) -> None:
        """Raises ``Trouble`` when a member of that many octets is too much, before it is read."""
        if octets > self.limits.archive_member_octets:
            most = self.limits.archive_member_octets
            raise Trouble(f"is larger than {most} octets unpacked (limits.archive-member-octets)")
        if (problem := self._over(self._octets + octets)) is not None:
            raise Trouble(problem)

    def _over(self, octets: int) -> str | None:
        limits = self.limits
        if octets > limits.archive_total_octets:
            return f"unpacks to more than {limits.archive_total_octets} octets (limits.archive-total-octets)"
        if octets > limits.archive_ratio_from and octets > limits.archive_ratio * self._packed:
            return f"unpacks to more than {limits.archive_ratio} times its size (limits.archive-ratio)"
        return None


class Joined:
    """A stream of which the first octets have been read already."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        octets, self._head = self._head[:size], self._head[size:]
        if len(octets) < size:
            with suppress(Trouble):  # it comes again with the next read
                octets += self._rest.read(size - len(octets))
        return octets


class Part:
    """The next ``size`` octets of a stream.  Raises ``Trouble`` when they are not there."""

    def __init__(self, stream: Reader, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self._left)
        octets = self._stream.read(wanted)
        self._left -= len(octets)
        if wanted and not octets:
            raise Trouble(_CUT, cut=True)
        return octets

    def skip(self) -> None:
        """Read on to the end."""
        while self._left:
            self.read(BLOCK)


class Unpacked:
    """A gzip, bzip2 or xz stream, or several one after the other, with padding between and behind them.

    ``left_over``: at its end is something else, which is not read; known when all before it has been read.
    """

    def __init__(self, stream: Reader, kind: Kind, budget: Budget) -> None:
        self._stream, self._kind, self._budget = stream, kind, budget
        self.left_over = False
        self._packed = b""  # read and not yet taken
        self._ready = bytearray()
        self._ended = False
        self._broken: Trouble | None = None
        self._decompressor = self._fresh()

    def _fresh(self) -> Any:
        if self._kind is Kind.GZIP:
            return zlib.decompressobj(wbits=31)
        if self._kind is Kind.BZIP2:
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._budget.limits.xz_memory)

    def read(self, size: int, /) -> bytes:
        while len(self._ready) < size and not self._ended and self._broken is None:
            try:
                self._take()
            except Trouble as trouble:  # what could come after damage is not what was packed
                self._broken = trouble
        if size and not self._ready and self._broken is not None:
            raise self._broken
        octets = bytes(self._ready[:size])
        del self._ready[:size]
        return octets

    def _take(self) -> None:
        decompressor = self._decompressor
        if not self._packed and getattr(decompressor, "needs_input", True):
            self._packed = self._stream.read(BLOCK)
            if not self._packed:
                raise Trouble(_CUT, cut=True)
        try:
            octets = decompressor.decompress(self._packed, BLOCK)
        except lzma.LZMAError as error:
            if "emory" in str(error):
                raise Trouble("asks for more memory than limits.xz-memory") from None
            raise Trouble("is damaged") from None
        except (zlib.error, OSError, ValueError, EOFError):
            raise Trouble("is damaged") from None
        self._packed = decompressor.unconsumed_tail if self._kind is Kind.GZIP else b""
        if octets:
            self._budget.unpacked(len(octets))
            self._ready += octets
        if decompressor.eof:
            self._next_stream(decompressor.unused_data)

    def _next_stream(self, rest: bytes) -> None:
        magic = _MAGIC[self._kind]
        rest = rest.lstrip(_PADDING)
        while len(rest) < len(magic) and (more := self._stream.read(BLOCK)):
            rest = (rest + more).lstrip(_PADDING)
        if rest.startswith(magic):
            self._packed, self._decompressor = rest, self._fresh()
        else:
            self._ended, self.left_over = True, bool(rest)


def spool(stream: Reader, limits: Limits) -> tuple[Spooled, Trouble | None]:
    """The stream as a file without a name, gone when it is closed, and why it ended before its time.

    Only what is cut comes back; other trouble is raised.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the caller)
    try:
        octets = 0
        while block := stream.read(BLOCK):
            octets += len(block)
            if octets > limits.archive_member_octets:
                most = limits.archive_member_octets
                raise Trouble(f"is larger than {most} octets unpacked (limits.archive-member-octets)")
            file.write(block)
    except Trouble as trouble:
        if trouble.cut:
            with suppress(OSError):
                file.flush()
            file.seek(0)
            return file, trouble
        file.close()
        raise
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file, None

"""Messages in archives: zip, tar, gzip, bzip2, xz, and what is inside them, mailboxes and archives again.

Nothing is written under a name that the archive chooses: members are read as streams, and what must be sought in (a
mailbox, a zip inside) lies in a file without a name meanwhile.  Every member that is not read is listed.
"""

from __future__ import annotations

import mmap
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, TypeAlias, cast

from verify.grammar.visible import escape
from verify.mailboxes import outlook
from verify.mailboxes.folders import is_note_path
from verify.mailboxes.items import Form, Octets, Refusal, refusal, trouble
from verify.mailboxes.kinds import ARCHIVES, HEAD, Kind, kind_of
from verify.mailboxes.mbox import split
from verify.mailboxes.single import NO_MAIL, is_only_note, may_be_mail
from verify.mailboxes.unpacking import BLOCK, Budget, Joined, Part, Reader, Spent, Trouble, Unpacked, spool
from verify.model import Limits, Source

Items: TypeAlias = Iterator[Octets | Refusal]

_LEADS_OUT = re.compile(r"[/\\]|[A-Za-z]:|(?:.*[/\\])?\.\.(?:[/\\]|\Z)", re.DOTALL)
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_ZIP_TROUBLE: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError),
    *(OSError, LookupError, OverflowError),
)

_ZIP_END_OCTETS = 128 * 1024  # more than the end record with its comment, which is read without a size

_LEFT_OVER = "octets after its end are not read"

_TAR_BLOCK = 512
_TAR_NOTE_OCTETS = 1024 * 1024  # of one extended header
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
_DEVICES = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
_NOTES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_PAX_RECORD = re.compile(rb"\d{1,7} ([^=\n]+)=")


def read(
    file: IO[bytes],
    kind: Kind,
    path: str,
    limits: Limits,
    packed: int,
    member: str | None = None,
    *,
    note: bool = False,
) -> Items:
    """The messages of an archive, or of any stream, in its order.

    ``path``, ``member``: visible text; ``packed``: octets of the archive as it lies there.  ``file`` can be sought in.
    ``note``: by its name the stream holds a program's notes, and nothing is listed when there is no mail in it.
    """
    archive = _Archive(path, Budget(packed, limits), limits)
    try:
        yield from archive.of_kind(kind, file, member, 0, note=note)
    except Trouble as error:
        yield refusal(path, member, str(error))
    except Spent as error:
        yield refusal(path, None, f"{error}: the rest of it is not read")
    except OSError as error:
        yield refusal(path, member, trouble(error))


class _Archive:
    def __init__(self, path: str, budget: Budget, limits: Limits) -> None:
        self._path, self._budget, self._limits = path, budget, limits

    def of_kind(self, kind: Kind, file: IO[bytes], member: str | None, depth: int, *, note: bool = False) -> Items:
        """The messages in an archive of that kind; ``OTHER``: in what its first octets will tell."""
        if kind is Kind.ZIP:
            yield from self._zip(file, member, depth)
        elif kind is Kind.TAR:
            yield from self._tar(file, member, depth)
        elif kind is Kind.OTHER:
            yield from self._contents(file, member, depth, note=note)
        else:
            yield from self._unpacked(kind, file, member, depth)

    def _unpacked(self, kind: Kind, stream: Reader, member: str | None, depth: int) -> Items:
        unpacked = Unpacked(stream, kind, self._budget)
        yield from self._contents(unpacked, member, depth + 1)
        if unpacked.left_over:
            yield refusal(self._path, member, _LEFT_OVER)

    def _contents(self, stream: Reader, member: str | None, depth: int, *, note: bool = False) -> Items:
        """The messages in a member, whatever it is.  Raises ``Trouble``.

        ``note``: by its name it holds a program's notes, and so nothing when there is no mail in it.
        """
        head = stream.read(HEAD)
        kind = kind_of(head)
        stream = Joined(head, stream)
        if kind in ARCHIVES and depth > self._limits.archive_depth:
            raise Trouble(f"is {kind} more than {self._limits.archive_depth} deep (limits.archive-depth)")
        if kind is Kind.TAR:
            yield from self._tar(stream, member, depth)
        elif kind in ARCHIVES and kind is not Kind.ZIP:
            yield from self._unpacked(kind, stream, member, depth)
        elif kind in (Kind.ZIP, Kind.MBOX, Kind.OUTLOOK_STORE):
            yield from self._sought(kind, stream, member, depth)
        else:
            raw = stream.read(self._limits.header_octets)
            if note and is_only_note(kind, raw, self._limits):
                return
            if len(raw) == self._limits.header_octets and not self._may_be_mail(kind, raw):
                yield refusal(self._path, member, NO_MAIL, foreign=True)
                return
            raw += stream.read(max(self._limits.message_octets - len(raw), 0))
            if len(raw) > self._limits.message_octets or stream.read(1):
                raise Trouble(f"is larger than {self._limits.message_octets} octets (limits.message-octets)")
            form = Form.OUTLOOK if kind is Kind.OUTLOOK_MESSAGE else Form.FOUND
            yield Octets(raw, Source(path=self._path, member=member), form)

    def _may_be_mail(self, kind: Kind, start: bytes) -> bool:
        return kind is Kind.OUTLOOK_MESSAGE or may_be_mail(start, self._limits)

    def _sought(self, kind: Kind, stream: Reader, member: str | None, depth: int) -> Items:
        file, cut = spool(stream, self._limits)
        with file:
            if kind is Kind.MBOX:
                yield from self._mailbox(file, member, cut=cut is not None)
            elif kind is Kind.ZIP:
                yield from self._zip(file, member, depth)
            else:
                yield from outlook.read_store(file, self._path, member, self._limits)
        if cut is not None:
            raise cut

    def _mailbox(self, file: IO[bytes], member: str | None, *, cut: bool) -> Items:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size = len(data)
            for index, found in enumerate(split(data)):
                source = Source(path=self._path, member=member, index=index)
                if found.end - found.start > self._limits.message_octets:
                    most = self._limits.message_octets
                    problem = f"message {index}: is larger than {most} octets (limits.message-octets)"
                    yield refusal(self._path, member, problem)
                    continue
                form = Form.MBOX_BY_LENGTH if found.by_length else Form.MBOX
                if cut and found.end == size:
                    form = Form.CUT
                yield Octets(data[found.start : found.end], source, form)

    # Zip

    def _zip(self, file: IO[bytes], member: str | None, depth: int) -> Items:
        try:
            archive = zipfile.ZipFile(cast(IO[bytes], _Bounded(file, self._limits.archive_index_octets)))
        except _ZIP_TROUBLE:
            raise Trouble("is a damaged zip archive: its directory cannot be read") from None
        with archive:
            for info in archive.infolist():
                self._budget.member()
                if info.filename.endswith("/") and not info.file_size:  # a name may be empty
                    continue
                name = _joined(member, info.filename, self._limits)
                note = is_note_path(info.filename)
                try:
                    self._check_name(info.orig_filename)
                    self._check_zip(info)
                    with _zip_member(archive, info) as stream:
                        yield from self._contents(_ZipMember(stream, self._budget), name, depth + 1, note=note)
                except Trouble as error:
                    yield refusal(self._path, name, str(error))

    def _check_zip(self, info: zipfile.ZipInfo) -> None:
        mode = info.external_attr >> 16
        if stat.S_ISLNK(mode):
            raise Trouble("is a link, which is not followed")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise Trouble("is no file but a device or the like")
        if info.flag_bits & _ENCRYPTED:
            raise Trouble("is encrypted")
        if info.compress_type not in _METHODS:
            raise Trouble("is compressed in a way that is not read here")
        self._budget.declared(info.file_size)

    def _check_name(self, name: str) -> None:
        if len(name.encode("utf-8", "surrogateescape")) > self._limits.archive_name_octets:
            raise Trouble(f"has a name of more than {self._limits.archive_name_octets} octets")
        if _LEADS_OUT.match(name):
            raise Trouble("has a name that leads out of the archive")

    # Tar

    def _tar(self, stream: Reader, member: str | None, depth: int) -> Items:
        """Read by blocks, since the standard reader keeps every member and any extended header in memory."""
        notes: dict[str, bytes] = {}
        while (info := _tar_header(stream.read(_TAR_BLOCK))) is not None:
            if "size" in notes and notes["size"].isdigit():
                info.size = int(notes["size"][:20])
            has_data = info.type not in (*_LINKS, *_DEVICES, tarfile.DIRTYPE)
            size = max(info.size, 0) if has_data else 0
            part = Part(stream, size)
            if info.type in _NOTES:
                if size > _TAR_NOTE_OCTETS:
                    raise Trouble(f"has an extended header of more than {_TAR_NOTE_OCTETS} octets")
                if info.type != tarfile.XGLTYPE:
                    notes.update(_tar_notes(info.type, part.read(size)))
            else:
                self._budget.member()
                name = notes["path"].decode("utf-8", "surrogateescape") if "path" in notes else info.name
                yield from self._tar_member(info, name, part, member, depth)
                notes = {}
            part.skip()
            Part(stream, -size % _TAR_BLOCK).skip()
        while block := stream.read(BLOCK):
            if block.strip(b"\0"):
                yield refusal(self._path, member, _LEFT_OVER)
                break

    def _tar_member(self, info: tarfile.TarInfo, name: str, part: Part, member: str | None, depth: int) -> Items:
        if info.type == tarfile.DIRTYPE:
            return
        shown = _joined(member, name, self._limits)
        try:
            self._check_name(name)
            if info.type in _LINKS:
                raise Trouble("is a link, which is not followed")
            if info.type in _DEVICES:
                raise Trouble("is no file but a device or the like")
            if info.type not in _REGULAR:
                raise Trouble("is of a kind that is not read here")
            if info.size > self._limits.archive_member_octets:
                most = self._limits.archive_member_octets
                raise Trouble(f"is larger than {most} octets unpacked (limits.archive-member-octets)")
            yield from self._contents(part, shown, depth + 1, note=is_note_path(name))
        except Trouble as error:
            yield refusal(self._path, shown, str(error))


class _Bounded:
    """A file that gives no more than ``most`` octets at once: the library reads the directory of a zip whole."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most = file, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if size > self._most:
            raise Trouble(f"has a directory of more than {self._most} octets (limits.archive-index-octets)")
        return self._file.read(_ZIP_END_OCTETS if size < 0 else size)


class _ZipMember:
    """A member whose octets are counted, and whose damage is ``Trouble``."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget
        self._broken: Trouble | None = None

    def read(self, size: int, /) -> bytes:
        blocks = []
        while size and self._broken is None:
            try:
                block = self._stream.read(min(size, BLOCK))
            except EOFError:
                self._broken = Trouble("is cut off", cut=True)
                break
            except _ZIP_TROUBLE:
                self._broken = Trouble("is damaged")
                break
            if not block:
                break
            self._budget.unpacked(len(block))
            size -= len(block)
            blocks.append(block)
        if size and not blocks and self._broken is not None:
            raise self._broken
        return b"".join(blocks)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(info)
    except _ZIP_TROUBLE:
        raise Trouble("is damaged") from None


def _tar_header(block: bytes) -> tarfile.TarInfo | None:
    """None at the end of the archive.  Raises ``Trouble``."""
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return None
    except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError):  # type: ignore[attr-defined]
        raise Trouble("is a tar archive that is cut off", cut=True) from None
    except (tarfile.HeaderError, ValueError):
        raise Trouble("is a damaged tar archive") from None


def _tar_notes(kind: bytes, octets: bytes) -> dict[str, bytes]:
    """What an extended header says of the next member: its name and size."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": octets.split(b"\0", 1)[0]}
    notes: dict[str, bytes] = {}
    position = 0
    while kind != tarfile.GNUTYPE_LONGLINK and (record := _PAX_RECORD.match(octets, position)) is not None:
        end = position + int(octets[position : octets.index(b" ", position)])
        if end <= record.end():
            break
        if record[1] in (b"path", b"size"):
            notes[record[1].decode()] = octets[record.end() : end - 1]
        position = end
    return notes


def _joined(member: str | None, name: str, limits: Limits) -> str:
    shown = escape(name.encode("utf-8", "surrogateescape"), limits.archive_name_octets)
    return f"{member}/{shown}" if member else shown

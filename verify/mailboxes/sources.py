"""What the user names, opened: files, folders, archives, mailboxes, addresses of remote files, a list on ``-``.

Messages come in the order of the input, one at a time, and nothing of them is read here that need not be.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from verify.mailboxes import folders
from verify.mailboxes.items import Form, Item, Refusal, Span, refusal, trouble, visible
from verify.mailboxes.kinds import ARCHIVES, HEAD, Kind, kind_of
from verify.mailboxes.mbox import split
from verify.mailboxes.single import is_only_note
from verify.model import Limits

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::|://)")
_NAME_OCTETS = 64 * 1024  # of one line of a list of paths


def open_sources(
    paths: Iterable[str], limits: Limits, *, stdin: BinaryIO | None = None, ours: Sequence[str] = ()
) -> Iterator[Item]:
    """Every message of the sources, or why it cannot be read; the same items in the same order each time.

    ``-`` stands for a list of paths on standard input, one a line (or ended by NUL, as ``find -print0`` writes them);
    an address (``https://...``, ``s3://...``) is read through fsspec.  Nothing is raised for what is found there.
    ``ours``: files and folders that the run itself writes; where they lie in a folder they are no part of the source.
    """
    written = frozenset(os.path.realpath(path) for path in ours)
    for path in paths:
        if path == "-":
            for listed in _list_of_paths(stdin or sys.stdin.buffer):
                yield from _open(listed, limits, written)
        else:
            yield from _open(path, limits, written)


def total(paths: Iterable[str]) -> tuple[int, int | None]:
    """Octets of the sources, and how many messages where that is known without reading (a Maildir, MH).

    For a progress bar: what cannot be seen, standard input or an address, counts nothing.
    """
    octets, messages, known = 0, 0, True
    for path in paths:
        if path == "-" or _URL.match(path):
            known = False
            continue
        if not Path(path).is_dir():
            known = False
            try:
                octets += Path(path).stat().st_size
            except (OSError, ValueError):
                continue
            continue
        for found in folders.walk(path, Limits()):
            if isinstance(found, folders.Found) and not found.note:
                octets += found.size
                messages += 1
                known = known and found.certain
    return octets, messages if known else None


def _open(path: str, limits: Limits, ours: frozenset[str]) -> Iterator[Item]:
    if _URL.match(path):
        from verify.mailboxes import remote  # each is imported where it is needed

        yield from remote.read(path, limits)
        return
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        yield refusal(visible(path), None, "no such file")
        return
    except OSError as error:
        yield refusal(visible(path), None, trouble(error))
        return
    except ValueError:  # a NUL in the path
        yield refusal(visible(path), None, "is not the name of a file")
        return
    if stat.S_ISDIR(status.st_mode):
        root = os.path.realpath(path) if ours else ""
        for found in folders.walk(path, limits):
            if isinstance(found, Refusal):
                yield found
            elif not ours or not _is_ours(os.path.join(root, found.path[len(path) :].lstrip(os.sep)), ours):  # noqa: PTH118
                form = Form.MESSAGE if found.certain else Form.FOUND
                yield from _open_file(found.path, form, limits, note=found.note)
    elif stat.S_ISREG(status.st_mode):
        yield from _open_file(path, Form.MESSAGE, limits)
    else:
        yield refusal(visible(path), None, "is no file but a device or the like")


def _is_ours(real: str, ours: frozenset[str]) -> bool:
    return real in ours or os.path.dirname(real) in ours  # noqa: PTH120


def _open_file(path: str, form: Form, limits: Limits, *, note: bool = False) -> Iterator[Item]:
    """One plain file.  ``form``: what it is when it is neither a mailbox nor an archive; ``note``: or nothing."""
    shown = visible(path)
    try:
        with Path(path).open("rb", buffering=0) as file:
            kind = kind_of(head := file.read(HEAD))
            if note and is_only_note(kind, head + file.read(limits.header_octets), limits):
                return
            size = os.fstat(file.fileno()).st_size
            if kind is Kind.MBOX:
                yield from _mailbox(file, path)
            elif kind in ARCHIVES:
                file.seek(0)
                from verify.mailboxes import archives

                yield from archives.read(file, kind, shown, limits, size)
            elif kind is Kind.OUTLOOK_STORE:
                file.seek(0)
                from verify.mailboxes import outlook

                yield from outlook.read_store(file, shown, None, limits)
            else:
                yield Span(path, 0, size, Form.OUTLOOK if kind is Kind.OUTLOOK_MESSAGE else form)
    except OSError as error:
        yield refusal(shown, None, trouble(error))


def _mailbox(file: BinaryIO, path: str) -> Iterator[Span]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for index, found in enumerate(split(data)):
            yield Span(path, found.start, found.end, Form.MBOX_BY_LENGTH if found.by_length else Form.MBOX, index)


def _list_of_paths(stream: BinaryIO) -> Iterator[str]:
    """Lines, or names ended by NUL; bounded, whatever is on the other end."""
    rest, end = b"", b""
    while block := stream.read(_NAME_OCTETS):
        rest += block
        end = end or (b"\0" if b"\0" in rest else b"\n")
        *names, rest = rest.split(end)
        yield from filter(None, (_path(name, end) for name in names))
        rest = rest[:_NAME_OCTETS]
    if rest:
        yield from filter(None, (_path(rest, end),))


def _path(name: bytes, end: bytes) -> str:
    return os.fsdecode(name if end == b"\0" else name.removesuffix(b"\r"))

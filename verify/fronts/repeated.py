"""Messages that a batch has judged before: the same octets are judged once and listed each time.

The index lies on disk, in a folder beside the first output that goes when the run is finished.  Workers look into it;
the process that writes the outputs adds to it.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from verify.mailboxes.items import Item, Octets, Span
from verify.model import Source, replace

_OURS = {"seen", "seen-wal", "seen-shm", "lines"}
_SOURCE_END = b',"authserv_id":'  # never inside of a JSON string, where quotation marks are escaped
_SOURCE_START = b'{"schema":"mailverdict/1","source":'


def discard(folder: Path) -> None:
    """Remove the folder of a run, unless somebody keeps files of his own there."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name in _OURS or path.name.startswith("dns-"):
                path.unlink()
        folder.rmdir()


def fingerprint(*parts: object) -> str:
    """What tells runs with other sources or options apart."""
    return sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def mark_of(item: Item) -> str:
    """What tells an item from those that may stand in its place when the sources have changed."""
    match item:
        case Span():
            facts: tuple[object, ...] = (item.path, item.start, item.end)
        case Octets():
            facts = (item.source.path, item.source.member, item.source.index, len(item.raw))
        case _:
            facts = (item.path, item.member)
    return fingerprint(*facts)[:16]


class Seen:
    """Messages judged so far by key, and where their lines stand: an index on disk that workers read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "seen"
        self._lines = folder / "lines"
        self._own: BinaryIO | None = None
        folder.mkdir(exist_ok=True)
        try:
            self._open()
        except sqlite3.Error:  # left behind by a power failure: messages may be judged again, no more
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            try:
                self._open()
            except sqlite3.Error as error:
                raise OSError(errno.EIO, str(error), str(self.path)) from None

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE IF NOT EXISTS items (position INTEGER PRIMARY KEY, mark TEXT)")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, position INTEGER, file INTEGER, at INTEGER, "
            "length INTEGER) WITHOUT ROWID"
        )
        self._database.execute("SELECT count(*) FROM seen").fetchone()

    def keep(self, position: int) -> None:
        """Forget what was judged beyond a position.  Raises ``OSError``."""
        try:
            self._database.execute("DELETE FROM seen WHERE position > ?", (position,))
            self._database.execute("DELETE FROM items WHERE position > ?", (position,))
        except sqlite3.Error as error:
            raise OSError(errno.EIO, str(error), str(self.path)) from None

    def is_at(self, position: int, item: Item) -> bool:
        """Whether that item was the last one when the run was at that position; True when it is not known."""
        row = self._row("SELECT mark FROM items WHERE position = ?", position)
        return row is None or row[0] == mark_of(item)

    def _row(self, statement: str, value: object) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._database.execute(statement, (value,)).fetchone()
        except sqlite3.Error:  # then it is not known
            return None
        return row

    def spool(self, lines: list[bytes]) -> tuple[Path, int]:
        """Write lines to a file of our own, where no output holds them."""
        if self._own is None:
            self._own = self._lines.open("ab")
        at = self._own.tell()
        self._own.write(b"".join(line + b"\n" for line in lines))
        self._own.flush()
        return self._lines, at

    def add(self, position: int, last: Item, entries: Sequence[tuple[bytes, int, int]], file: Path | None) -> None:
        """``entries``: key, and where its lines start in ``file`` and how long they are.  ``last``: the item there."""
        own = file == self._lines
        with suppress(sqlite3.Error):  # a full disk: messages may be judged again, no more
            self._database.execute("BEGIN")
            self._database.execute("INSERT OR REPLACE INTO items VALUES (?, ?)", (position, mark_of(last)))
            self._database.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?, ?)",
                [(key, position, own, at, length) for key, at, length in entries],
            )
            self._database.execute("COMMIT")

    def find(self, key: bytes, output: Path | None) -> list[bytes] | None:
        """The lines of the message with that key; None when they are not to be had."""
        row = self._row("SELECT file, at, length FROM seen WHERE key = ?", key)
        path = self._lines if row is not None and row[0] else output
        if row is None or path is None:
            return None
        with path.open("rb") as file:
            file.seek(row[1])
            octets = file.read(row[2])
        return octets.split(b"\n")[:-1] if len(octets) == row[2] and octets.endswith(b"\n") else None

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self._database.close()
        if self._own is not None:
            self._own.close()


def moved(lines: list[bytes], source: Source) -> list[bytes]:
    """The lines of a message and those attached to it, for the same octets in another place."""
    first = _source_of(lines[0])
    return [_moved(line, first, source) for line in lines]


def _moved(line: bytes, first: Source, to: Source) -> bytes:
    source = _source_of(line)
    inside = (source.member or "")[len(first.member or "") :]
    member = (to.member or "") + inside if to.member else inside.removeprefix("/") or None
    source = replace(source, path=to.path, member=member, index=to.index)
    return _SOURCE_START + msgspec.json.encode(source) + line[line.index(_SOURCE_END) :]


def _source_of(line: bytes) -> Source:
    return msgspec.json.decode(line[len(_SOURCE_START) : line.index(_SOURCE_END)], type=Source)

"""The file itself: opened, added to, rewound, closed.

The file is a public form, described in the README: tables and columns change only by adding.  While a run lasts, the
file is in write-ahead mode, so that every ``add`` survives the end of the process at once and a power failure loses
the last ones but never the file; ``close`` leaves a single ordinary file behind.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from verify.grammar.visible import one_line
from verify.rollup import Judged, Rollup, severity

from .figures import rollup
from .rows import INDEXES, INSERTS, TABLES, Row, message_row, recorded_rows, rehearsal_rows, result_rows

SCHEMA_VERSION = 1
WORST = 100  # messages whose whole verdict is kept
WORST_ALIKE = 5  # of these, with the same Author Domain and reason, before there is room
VERDICT_OCTETS = 64 * 1024  # octets of a verdict that are kept as they are; of a longer one:
VERDICT_STRING = 1000  # characters of a text
VERDICT_LIST = 20  # entries of a list
VERDICT_KEYS = 100  # keys of an object: more than any type of ours has
SEVERE = 11  # severity from which a message is worth keeping
PAGES_OF_WAL = 4000  # pages of 4 KiB between checkpoints

_OF_A_MESSAGE = ("results", "recorded", "anomalies", "rehearsal")

Refused: TypeAlias = tuple[str, str | None, str]  # path, member, problem: visible text


class OutputError(Exception):
    """An output that cannot be written or continued; the text is one line, names the file and is safe to print."""


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutputError(f"{one_line(path)}: {one_line(str(error))}") from None


class Store:
    """One SQLite file of verdicts.  Raises ``OutputError`` when the file cannot be used."""

    def __init__(self, path: str, *, fresh: bool) -> None:
        """``fresh``: begin anew over whatever stands there; else continue what an earlier run left."""
        self.path = path
        if fresh:
            discard(path)
        with _told(path):
            self._database = sqlite3.connect(path, isolation_level=None)
            # one process writes, so that no shared memory is needed and a network drive will do
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(f"PRAGMA wal_autocheckpoint={PAGES_OF_WAL}")
            if self._database.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._database.executescript(f"BEGIN; {TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
                self.note({"schema": f"mailverdict-sqlite/{SCHEMA_VERSION}", "position": "0"})
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA_VERSION:
                raise OutputError(f"{one_line(path)}: made by another version of the program")
            self._recall()

    def _recall(self) -> None:
        self.position = int(self._value("SELECT value FROM run WHERE key = 'position'"))
        self._last = int(self._value("SELECT coalesce(max(id), 0) FROM messages"))
        rows = self._database.execute("SELECT message_id, severity, alike FROM worst")
        self._worst: dict[int, tuple[int, str]] = {row[0]: (row[1], row[2]) for row in rows}

    def _value(self, statement: str, *values: object) -> Any:
        return self._database.execute(statement, values).fetchone()[0]

    def note(self, about: Mapping[str, str]) -> None:
        """Run metadata: kept under its key, the last value stands."""
        with _told(self.path):
            self._database.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", list(about.items()))

    def add(self, position: int, judged: Sequence[tuple[Judged, bytes]], refused: Iterable[Refused] = ()) -> None:
        """Messages (with their JSON) and what could not be read; ``position``: items of the input done with these.

        All of it or nothing is in the file, and stays there whatever happens to the process.
        """
        rows: dict[str, list[Row]] = {name: [] for name in INSERTS}
        worst: list[Row] = []
        gone: list[tuple[int]] = []
        number = self._last
        kept = dict(self._worst)
        for one, line in judged:
            number += 1
            rows["messages"].append(message_row(number, position, one))
            rows["results"].extend((number, *row) for row in result_rows(one))
            rows["recorded"].extend((number, *row) for row in recorded_rows(one))
            rows["anomalies"].extend((number, item.code.value, item.detail) for item in one.anomalies)
            rows["rehearsal"].extend((number, *row) for row in rehearsal_rows(one))
            rows["errors"].extend(
                (position, number, "dns", None, None, error.cause or error.outcome, error.name, error.type)
                for error in one.dns.errors
            )
            entry = (severity(one), f"{one.author.domain} {one.conclusion_reason}")
            if entry[0] >= SEVERE and (leaving := _admit(kept, number, entry)) != number:
                worst.append((number, *entry, _slim(line).decode("utf-8")))
                gone.append((leaving,))
        rows["errors"].extend((position, None, "source", *one, None, None) for one in refused)
        with _told(self.path), self._transaction():
            for name, values in rows.items():
                if values:
                    self._database.executemany(INSERTS[name], values)
            self._database.executemany("INSERT INTO worst VALUES (?, ?, ?, ?)", worst)
            self._database.executemany("DELETE FROM worst WHERE message_id = ?", gone)
            self.note({"position": str(position)})
        self.position, self._last, self._worst = position, number, kept

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def rewind(self, position: int) -> None:
        """Forget what was added after ``position``."""
        with _told(self.path), self._transaction():
            last = self._value("SELECT coalesce(max(id), 0) FROM messages WHERE item <= ?", position)
            for table in (*_OF_A_MESSAGE, "worst"):
                self._database.execute(f"DELETE FROM {table} WHERE message_id > ?", (last,))  # noqa: S608 - ours
            self._database.execute("DELETE FROM errors WHERE item > ?", (position,))
            self._database.execute("DELETE FROM messages WHERE id > ?", (last,))
            self.note({"position": str(position)})
        self._recall()

    def close(self) -> None:
        """Leave one ordinary file with its indexes."""
        with _told(self.path):
            try:
                self._database.executescript(INDEXES)
                self._database.execute("PRAGMA journal_mode=DELETE")
            finally:
                self._database.close()

    def abandon(self) -> None:
        """Let go of the file as it is, after an error; it can be continued."""
        with suppress(sqlite3.Error):
            self._database.close()

    def rollup(self) -> Rollup:
        """The whole batch in figures."""
        with _told(self.path):
            self._database.executescript(INDEXES)
            return rollup(self._database)


def read(path: str) -> Rollup:
    """What a finished store comes to; the file is not touched."""
    with _told(path), closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as database:
        return rollup(database)


def discard(path: str) -> None:
    """Remove a store with what SQLite keeps beside it."""
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(path + suffix).unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(f"{one_line(path)}: {one_line(getattr(error, 'strerror', None) or str(error))}") from None


def _slim(line: bytes) -> bytes:
    """The JSON of a verdict, with what is long in it cut when all of it is very long: a page shows no more of it."""
    return line if len(line) <= VERDICT_OCTETS else msgspec.json.encode(_cut(msgspec.json.decode(line)))


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= VERDICT_STRING else value[:VERDICT_STRING] + "…"
    if isinstance(value, list):
        return [_cut(one) for one in value[:VERDICT_LIST]]
    if isinstance(value, dict):
        return {_cut(key): _cut(one) for key, one in list(value.items())[:VERDICT_KEYS]}
    return value


def _admit(kept: dict[int, tuple[int, str]], number: int, entry: tuple[int, str]) -> int:
    """Admit a message to the worst; the number of the one that leaves for it: its own when it stays out, 0 for none.

    Kept are the worst, those that are alike too often after all others; the order in which they come does not matter.
    """
    kept[number] = entry
    if len(kept) <= WORST:
        return 0
    alike: dict[str, int] = {}
    ranks = []
    for one in sorted(kept, key=lambda one: (-kept[one][0], one)):
        place = alike[kept[one][1]] = alike.get(kept[one][1], 0) + 1
        ranks.append((place > WORST_ALIKE, -kept[one][0], one))
    least = max(ranks)[2]
    del kept[least]
    return least

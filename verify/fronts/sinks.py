"""The outputs of a batch: several at once, each able to go on where a killed run left off."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import msgspec

from verify.grammar.visible import one_line
from verify.rollup import Judged, Rollup, Tally
from verify.store import OutputError, Store, discard

from .finished import FINGERPRINT, HEAD, look_again
from .journal import Begin, Done, Journal
from .outfile import STDOUT, OutFile, Output, failed, is_stream

FORMATS = ("jsonl", "csv", "sqlite", "html")
SYNC_SECONDS = 3.0  # seconds of work that a power failure may cost; the end of the process costs none

_JOURNAL = ".resume"  # after the name of the first output
_STORE = ".store"  # after the name of a page that has no SQLite output to be drawn from


class Refused(Protocol):
    """A source or member that could not be read, in visible text."""

    @property
    def path(self) -> str: ...
    @property
    def member(self) -> str | None: ...
    @property
    def problem(self) -> str: ...


_decoder = cache(msgspec.json.Decoder)  # most runs read no verdict whole


class Sinks:
    """All outputs of one run.  Made by ``open_sinks``.

    ``tally``: what is in the outputs, earlier runs included.  ``complete``: an earlier run has finished them, and there
    is nothing left to do.  ``rollup``: after ``close``, when an SQLite or HTML
    output was asked for.  Every method raises ``OutputError`` when an output cannot be written (a full disk); what is
    in the outputs then can be continued with ``resume``.
    """

    def __init__(self, outputs: Sequence[Output], *, complete: bool = False) -> None:
        self.outputs = tuple(outputs)
        self.tally = Tally()
        self.complete = complete
        self._files: list[OutFile] = []
        self._store: Store | None = None
        self._journal: Journal | None = None
        self.rollup: Rollup | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._position = 0
        self._synced = time.monotonic()

    def committed(self) -> int:
        """How many items of the input, in its order, are in every output and survive the end of the process."""
        return self._position

    def write(self, position: int, lines: Sequence[bytes], refused: Sequence[Refused] = ()) -> None:
        """Add verdicts (JSON, no line end) and what could not be read.

        ``position``: how many items of the input, in its order, are done once these are written; it never goes back.
        """
        tally = Tally(refused=len(refused))
        judged: list[Judged] = []
        if self._store is not None or any(one.form == "csv" for one in self._files):
            judged = list(map(_decoder(Judged).decode, lines))
            for whole in judged:
                tally.count(whole.conclusion, whole.conclusion_reason, whole.source.size, whole.rehearsal)
        else:
            for line in lines:
                head = HEAD.decode(line)
                tally.count(head.conclusion, head.conclusion_reason, head.source.size, head.rehearsal)
        for file in self._files:
            if file.form == "csv":
                from verify.render import table

                file.write(table.rows(judged))
            else:
                file.write(b"".join(line + b"\n" for line in lines))
        if self._journal is not None:
            self._note(position, tally)
        if self._store is not None:
            known = [(one.path, one.member, one.problem) for one in refused]
            self._store.add(position, list(zip(judged, lines, strict=True)), known)
        self.tally.add(tally)
        self._position = position

    def lines(self) -> tuple[Path, int] | None:
        """The file in which the next JSON line will stand, and where; None when none can be read again."""
        return next(((Path(one.path), one.size) for one in self._files if one.form == "jsonl" and one.plain), None)

    def _note(self, position: int, tally: Tally) -> None:
        assert self._journal is not None
        plain = [one for one in self._files if one.plain]
        line = Done(
            position=position,
            sizes=tuple(one.size for one in plain),
            sums=tuple(one.checksum() for one in plain),
            tally=tally,
        )
        try:
            self._journal.append(line)
            if time.monotonic() - self._synced >= SYNC_SECONDS:
                for one in plain:
                    one.sync()
                self._journal.sync()
                self._synced = time.monotonic()
        except OSError as error:
            raise failed(str(self._journal.path), error) from None

    def close(self, finished: bool) -> None:
        """``finished``: all of the input is done.  Else the outputs hold what is done so far and can be continued."""
        try:
            for file in self._files:
                file.sync()
                file.close()
            if self._store is not None:
                if finished:
                    self._store.note({"finished_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})
                self.rollup = self._store.rollup()
                self._draw(self.rollup)
                self._store.close()
            if self._journal is not None:
                self._journal.close()
                if finished:
                    self._journal.path.unlink(missing_ok=True)
            self._discard_own_store(finished)
        except OSError as error:
            raise failed(error.filename or self.outputs[0].path, error) from None
        except ValueError as error:  # a verdict that somebody has changed in the store
            raise OutputError(f"{one_line(self.outputs[0].path)}: {one_line(str(error))}") from None

    def summary(self) -> str:
        """What it all came to, as plain text with a line end; after ``close``."""
        from verify.render.summary import to_summary

        if self.complete and not self.tally.messages:  # a page does not say how many of what it holds
            return "Finished by an earlier run.\n"
        return to_summary(self.tally, self.rollup)

    def _draw(self, rollup: Rollup) -> None:
        """The pages, each in place at once."""
        for path in (one.path for one in self.outputs if one.form == "html"):
            from verify.render.report import to_report

            octets = to_report(rollup).encode("utf-8")
            if is_stream(path):
                stream = OutFile(Output(path, "html"), again=False)
                stream.write(octets)
                stream.close()
                continue
            try:
                new = Path(path + ".new")
                new.write_bytes(octets)
                new.replace(path)
            except OSError as error:
                raise failed(path, error) from None

    def _discard_own_store(self, finished: bool) -> None:
        """A store that only the page was drawn from goes with the end of the run, or when nobody could continue it."""
        own = None if any(one.form == "sqlite" for one in self.outputs) else _store_path(self.outputs)
        if own is not None and (finished or self._journal is None):
            discard(own)
        if self._folder is not None:
            self._folder.cleanup()

    def abandon(self) -> None:
        """Let go of everything after an error, without another one."""
        for file in self._files:
            with suppress(OSError):
                file.close()
        if self._store is not None:
            self._store.abandon()
        if self._journal is not None:
            with suppress(OSError):
                self._journal.close()
        if self._folder is not None:
            with suppress(OSError):
                self._folder.cleanup()


def open_sinks(
    outputs: Sequence[Output], resume: bool = False, *, about: Mapping[str, str] | None = None, fingerprint: str = ""
) -> Sinks:
    """Open the outputs of a batch, over whatever stands there, or where an earlier run left off.

    ``about``: run metadata for the ``run`` table and the page; plain text.  ``fingerprint``: at most 80 letters and
    digits that stand for the input and the options; ``resume`` is refused when they are others.  With ``resume``,
    outputs that a killed run left are cut back to what all of them hold, ``committed()`` items of the input; a run
    that left nothing is begun; one that is finished is counted and left alone (``complete``).  Raises
    ``OutputError``.
    """
    for output in outputs:
        if output.form == "sqlite" and output.path == STDOUT:
            raise OutputError("sqlite cannot be written to standard output")
    begin = Begin(outputs=tuple(outputs), fingerprint=fingerprint, about=dict(about or {}))
    sinks = Sinks(outputs)
    try:
        path = _journal_path(outputs)
        if resume:
            if path is None or any(is_stream(one.path) for one in outputs):
                raise OutputError("only outputs that are files can be resumed; name them with --output")
            if path.exists():
                return _continue(sinks, begin, path)
            there = [one.path for one in outputs if Path(one.path).exists()]
            if len(there) == len(outputs):
                finished = Sinks(outputs, complete=True)
                finished.tally, finished.rollup = look_again(outputs, fingerprint)
                finished._discard_own_store(True)  # killed after the very last step but this one
                return finished
            if there:
                raise OutputError(f"{one_line(there[0])}: stands there, and no run that could be resumed has left it")
        return _begin(sinks, begin, path)
    except (OSError, ValueError) as error:
        sinks.abandon()
        raise failed(getattr(error, "filename", None) or outputs[0].path, error) from None
    except OutputError:
        sinks.abandon()
        raise


def written(outputs: Sequence[Output], folder: Path) -> tuple[str, ...]:
    """Every file that a run may write, with those that lie beside its outputs meanwhile; ``folder``: of the run."""
    stored = ("", "-wal", "-shm", "-journal")
    files = [one.path for one in outputs if not is_stream(one.path)]
    ends = (_JOURNAL, *stored, *(_STORE + end for end in stored))
    return (*(path + end for path in files for end in ends), str(folder))


def _journal_path(outputs: Sequence[Output]) -> Path | None:
    """Beside the first output that is a file."""
    return next((Path(one.path + _JOURNAL) for one in outputs if not is_stream(one.path)), None)


def _appended(outputs: Sequence[Output]) -> list[Output]:
    return [one for one in outputs if one.form in ("jsonl", "csv")]


def _store_path(outputs: Sequence[Output]) -> str | None:
    """The SQLite output; else, for a page, a store beside it."""
    found = next((one.path for one in outputs if one.form == "sqlite"), None)
    return found or next((one.path + _STORE for one in outputs if one.form == "html" and not is_stream(one.path)), None)


def _begin(sinks: Sinks, begin: Begin, path: Path | None) -> Sinks:
    if path is not None:
        sinks._journal = Journal.create(path, begin)
    for output in _appended(sinks.outputs):
        sinks._files.append(OutFile(output, again=False))
    store = _store_path(sinks.outputs)
    if store is None and any(one.form == "html" for one in sinks.outputs):  # a page for a stream
        sinks._folder = TemporaryDirectory(prefix="mailverdict-")
        store = str(Path(sinks._folder.name, "batch.sqlite"))
    if store is not None:
        sinks._store = Store(store, fresh=True)
        sinks._store.note({**begin.about, FINGERPRINT: begin.fingerprint})
    _write_headers(sinks)
    return sinks


def _write_headers(sinks: Sinks) -> None:
    """The header row of a table, with a line in the journal of its own: nothing is done yet."""
    for file in sinks._files:
        if file.form == "csv" and file.size == 0:
            from verify.render import table

            file.write(table.header_row())
    if sinks._journal is not None:
        sinks._note(0, Tally())


def _continue(sinks: Sinks, begin: Begin, path: Path) -> Sinks:
    """Cut every output back to the last position that all of them hold, and go on from there."""
    left = Journal.load(path)
    if left is None:  # killed before anything was written
        return _begin(sinks, begin, path)
    was, writes, synced = left
    if was.outputs != begin.outputs or was.fingerprint != begin.fingerprint:
        raise OutputError(f"{one_line(str(path))}: left by a run with other sources, outputs or options")
    store = _store_path(sinks.outputs)
    needed = [one.path for one in _appended(sinks.outputs)] + ([store] if store is not None else [])
    if not writes or not all(Path(one).exists() for one in needed):
        return _begin(sinks, begin, path)
    sinks._files = [OutFile(one, again=True) for one in _appended(sinks.outputs)]
    count = _intact(sinks._files, writes, synced)
    if store is not None:
        sinks._store = Store(store, fresh=False)
        while count and writes[count - 1].position > sinks._store.position:
            count -= 1
    if not count:  # not even a beginning is left whole
        sinks.abandon()
        return _begin(Sinks(sinks.outputs), begin, path)
    kept = writes[:count]
    sinks._position = kept[-1].position
    if sinks._store is not None and sinks._store.position > sinks._position:
        sinks._store.rewind(sinks._position)
    for file, size in zip(sinks._files, kept[-1].sizes, strict=True):
        file.cut(size)
        file.sync()
    for done in kept:
        sinks.tally.add(done.tally)
    sinks._journal = Journal.again(path, was, kept)
    return sinks


def _intact(files: Sequence[OutFile], writes: Sequence[Done], synced: int) -> int:
    """How many of the writes are wholly in the files: what reached the disk, and after that as many as compare."""
    ends = [file.end() for file in files]
    while synced and any(end < size for end, size in zip(ends, writes[synced - 1].sizes, strict=True)):
        synced -= 1  # somebody has shortened a file
    for number in range(synced, len(writes)):
        before = writes[number - 1].sizes if number else (0,) * len(files)
        ranges = zip(files, before, writes[number].sizes, writes[number].sums, strict=True)
        if not all(file.holds(start, end, checksum) for file, start, end, checksum in ranges):
            return number
    return len(writes)

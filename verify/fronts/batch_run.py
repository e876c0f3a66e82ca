"""One run of ``mailverdict batch``: sources to chunks, chunks to workers, what comes back to the outputs."""

from __future__ import annotations

import gc
import os
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

import click

from verify.config import Config, ConfigError, read_file
from verify.disposition import Policy
from verify.grammar.visible import one_line
from verify.lookup.recording import RecordingError, RecordingWriter, continue_recording
from verify.mailboxes.items import Item, Refusal
from verify.mailboxes.sources import open_sources, total
from verify.model import Answer, replace
from verify.store import OutputError

from .batch import STDOUT, Plan, Stop, of_file
from .console import Failure, Notes
from .processes import Processes
from .progress import Counts, progress, rate_of
from .repeated import Seen, discard, fingerprint, moved
from .run import Dask, Engine, Window
from .sinks import open_sinks, written
from .worker import Bug, Chunk, Done, Job, Judged, Result, Same, judge_chunk, lost, pack, prepare, unpack

CHUNK_ITEMS = 256  # messages of a chunk; those that lack answers are in flight together
CHUNK_OCTETS = 8 << 20  # octets of a chunk, unless one message has more
CHUNK_OCTETS_LEAST = 256 << 10
IN_FLIGHT = 2  # chunks a worker
CONCURRENCY = 64  # DNS questions in flight, of all workers together

# What may differ when a run is continued.
_FREE = (
    *("workers", "engine", "scheduler", "dns_concurrency", "dns_rate", "dns_timeout", "resolver", "resume"),
    *("fail_on", "color", "verbose", "quiet", "output", "format"),
)


class _Interrupted(Exception):
    """The user wants an end."""


class Run:
    """A run that is ready to begin.  Raises as ``Judge``, and ``Failure``, when it is made."""

    def __init__(self, config: Config, plan: Plan, notes: Notes, stop: Stop) -> None:
        self._config = config
        self._plan = plan
        self._notes = notes
        self._stop = stop
        self._started = time.monotonic()
        self._workers = config.workers or os.cpu_count() or 1
        self._submitted = 0
        self._news: deque[tuple[int, bytes]] = deque()  # what was learned, and before which submission
        self._writer: RecordingWriter | None = None
        self._recording: BinaryIO | None = None

        self._job = Job(
            key=uuid.uuid4().hex,
            config=config,
            now=int(time.time()),
            attached=config.attached,
            keep=config.record is not None,
            policy=_policy(config),
            concurrency=max(1, (config.dns_concurrency or CONCURRENCY) // self._workers),
            rate=None if config.dns_rate is None else config.dns_rate / self._workers,
            folder=str(plan.folder.absolute()),
            metered=sys.stderr is not None and sys.stderr.isatty() and not config.quiet,
        )
        if self._job.policy is not None and not self._job.policy.enforces:
            notes.note(f"--policy: {one_line(str(config.rehearse))} enforces nothing")
        self._limits = prepare(self._job).limits  # what is wrong is told before anything is written
        self._engine = self._start()
        try:
            self._open(notes)
        except BaseException:
            self._engine.close()
            raise

    def _start(self) -> Engine:
        if self._config.engine == "process":
            return Processes(self._workers)
        try:
            return Dask(self._config.scheduler, self._config.workers)
        except ImportError:
            raise Failure("--engine dask needs an extra: pip install 'mailverdict[dask]'") from None
        except (OSError, ValueError) as problem:  # a TimeoutError is an OSError
            raise Failure(f"--scheduler: {one_line(str(problem))}") from None

    def _open(self, notes: Notes) -> None:
        config, plan = self._config, self._plan
        recorded = self._recorded()
        same = replace(config, **{name: getattr(Config(), name) for name in _FREE})
        identity = fingerprint(plan.sources, same, self._job.policy)
        try:
            self._sinks = open_sinks(plan.outputs, config.resume, about=_about(config, plan), fingerprint=identity)
        except OutputError as problem:
            raise Failure(str(problem)) from None
        self._position = self._sinks.committed()
        if not self._position:
            discard(plan.folder)
        self._seen = Seen(plan.folder)
        self._seen.keep(self._position)
        self.counts = Counts(tally=self._sinks.tally)
        self._before = self.counts.messages
        if self._sinks.complete:
            notes.note("finished before: there is nothing to continue")
        elif config.resume:
            notes.note(f"continued after {self._before:,} messages")
        if config.record is not None:
            self._record(Path(config.record), recorded)

    def _recorded(self) -> tuple[Answer, ...]:
        """What the run that is continued has recorded; from then on that is what stands."""
        path = self._config.record
        if path is None or not self._config.resume or not Path(path).exists():
            return ()
        try:
            recording, self._writer, self._recording = continue_recording(Path(path))
        except RecordingError as problem:
            raise Failure(f"--record: {one_line(path)}: {problem}") from None
        self._recording.seek(0, os.SEEK_END)
        if recording.recorded_at is not None:
            self._job = replace(self._job, now=recording.recorded_at, key=uuid.uuid4().hex)
            prepare(self._job)
        return tuple(recording.answers.values())

    def _record(self, path: Path, recorded: tuple[Answer, ...]) -> None:
        if self._writer is None:
            self._recording = path.open("wb")
            self._writer = prepare(self._job).judge.writer(self._recording)
        prepare(self._job).learn((pack(recorded),))  # forked workers have it; the others are told
        self._tell_workers(pack(recorded))

    # ---- the work ----

    def judge(self) -> None:
        """Judge everything.  Raises ``Failure`` when it cannot go on, ``KeyboardInterrupt`` when it was told to end."""
        try:
            if not self._sinks.complete:
                with ExitStack() as stack:
                    self._judge(stack)
                self._sinks.close(True)
            else:
                self._engine.close()
        except BaseException as problem:
            self._end_early(problem)
            raise AssertionError("it raises") from problem
        finally:
            self._seen.close()
            if self._recording is not None:
                self._recording.close()
        discard(self._plan.folder)
        if not self._sinks.complete:
            self._summarise()

    def _end_early(self, problem: BaseException) -> NoReturn:
        """Leave the outputs such that they can be continued."""
        if isinstance(problem, _Interrupted):
            try:
                self._sinks.close(False)
            except OutputError as other:
                raise Failure(str(other)) from None
            self._summarise()
            self._say_how_to_continue()
            raise KeyboardInterrupt from None
        self._sinks.abandon()
        if isinstance(problem, OutputError | (OSError)) and not isinstance(problem, BrokenPipeError):
            self._say_how_to_continue()
            raise Failure(str(problem) if isinstance(problem, OutputError) else of_file(problem)) from None
        raise problem

    def _judge(self, stack: ExitStack) -> None:
        octets, messages = total(self._plan.sources)
        gc.set_threshold(50_000, 20, 50)  # verdicts are trees: what could be collected is seldom there
        gc.freeze()  # what is loaded stays; forked workers share its pages
        engine = self._engine
        stack.callback(engine.close)
        self._progress = progress(octets, self._before, self._waiting, quiet=self._config.quiet)
        stack.callback(self._progress.close)
        self._window = Window(engine, self._submit, lost, in_flight=IN_FLIGHT * engine.workers, tick=self._tick)
        ours = written(self._plan.outputs, self._plan.folder)
        items = self._after_position(open_sources(self._plan.sources, self._limits, ours=ours))
        most = CHUNK_ITEMS if messages is None else min(CHUNK_ITEMS, max(1, -(-messages // engine.workers)))
        size = min(CHUNK_OCTETS, max(CHUNK_OCTETS_LEAST, octets // engine.workers))
        for chunk, result in self._window.results(_chunks(items, self._position, most, size)):
            self._take(chunk, result)
            self._tick()

    def _after_position(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items that are not done yet."""
        last = None
        for _ in range(self._position):
            last = next(items, None)
        if self._position and (last is None or not self._seen.is_at(self._position, last)):
            raise Failure("--resume: the sources have changed since; begin anew, without it")
        yield from items

    def _submit(self, chunk: Chunk) -> Future[Result]:
        """With what was learned since every worker had its turn, most likely."""
        self._submitted += 1
        while self._news and self._news[0][0] + 2 * IN_FLIGHT * self._engine.workers < self._submitted:
            self._news.popleft()
        news = tuple(octets for _, octets in self._news)
        return self._engine.submit(judge_chunk, self._job, chunk, news)

    def _tell_workers(self, octets: bytes) -> None:
        if octets:
            self._news.append((self._submitted, octets))

    def _tick(self) -> None:
        if self._stop.wanted:
            raise _Interrupted
        self._progress.show(self.counts)

    # ---- what comes back ----

    def _take(self, chunk: Chunk, result: Result) -> None:
        """Write what came of a chunk: the recording first, then the outputs."""
        result = self._settled(chunk, result)
        lines: list[bytes] = []
        refusals: list[Refusal] = []
        fresh: dict[bytes, tuple[int, int]] = {}  # key -> its lines' place in ``lines``
        for number, done in enumerate(result.done):
            self._put(chunk, number, done, lines, refusals, fresh)
        self.counts.questions += result.asked
        where = self._sinks.lines()
        if where is None and fresh:
            where = self._seen.spool(lines)
        self._sinks.write(chunk.end, lines, refusals)
        file, at = where or (None, 0)
        self._seen.add(chunk.end, chunk.items[-1], _places(lines, fresh, at), file)

    def _put(
        self,
        chunk: Chunk,
        number: int,
        done: Done,
        lines: list[bytes],
        refusals: list[Refusal],
        fresh: dict[bytes, tuple[int, int]],
    ) -> None:
        match done:
            case Judged():
                fresh[done.key] = (len(lines), len(done.lines))
                lines.extend(done.lines)
            case Same():
                self.counts.repeated += 1
                if done.key in fresh:
                    at, count = fresh[done.key]
                    lines.extend(moved(lines[at : at + count], done.source))
                    return
                where = self._sinks.lines()
                found = self._seen.find(done.key, None if where is None else where[0])
                if found is not None:
                    lines.extend(moved(found, done.source))
                    return
                self.counts.repeated -= 1  # its lines are not to be had: it is judged again
                alone = Chunk(chunk.first + number, chunk.items[number : number + 1])
                again = self._settled(alone, self._window.again(replace(alone, anew=True)))
                self._put(chunk, number, again.done[0], lines, refusals, fresh)
            case Bug():
                self.counts.bugs += 1
                self._refuse(done.refusal, refusals)
            case Refusal():
                if done.foreign:
                    self.counts.foreign += 1
                else:
                    self._refuse(done, refusals)

    def _refuse(self, refusal: Refusal, refusals: list[Refusal]) -> None:
        refusals.append(refusal)
        where = refusal.path if refusal.member is None else f"{refusal.path}: {refusal.member}"
        self._progress.error(f"{where}: {refusal.problem}")

    def _settled(self, chunk: Chunk, result: Result) -> Result:
        """The result, resting on answers that stand for the whole run when it is recorded.

        The first answer to a question stands.  A worker that got another one judges its chunk again with that.
        """
        while True:
            if result.failure is not None:
                raise Failure(result.failure)
            if self._writer is None:
                if self._engine.workers > 1:
                    self._tell_workers(result.answers)
                return result
            told: list[Answer] = []
            differs = False
            for answer in unpack(result.answers):
                standing = self._writer.use(answer)
                told.append(standing)
                differs = differs or not _alike(standing, answer)
            self._writer.write(())
            self._tell_workers(pack(told))
            if not differs:
                return result
            result = self._window.again(chunk)

    # ---- the end ----

    def _say_how_to_continue(self) -> None:
        if all(path != STDOUT for path, _ in self._plan.outputs):
            self._notes.note("not finished; the same command with --resume goes on from here")

    def _summarise(self) -> None:
        if self._config.quiet:
            return
        click.echo(self._sinks.summary(), err=True, nl=False)
        click.echo(rate_of(self.counts, time.monotonic() - self._started, before=self._before), err=True)

    def _waiting(self) -> int:
        """DNS questions in flight in all workers of this machine."""
        waiting = 0
        for meter in self._plan.folder.glob("dns-*"):
            waiting += int.from_bytes(meter.read_bytes()[:4], "little")
        return waiting


def _policy(config: Config) -> Policy | None:
    """What is rehearsed.  Raises ``ConfigError`` naming the file."""
    if config.rehearse is None:
        return None
    from verify.serving import policy

    try:
        return policy(read_file(Path(config.rehearse)).policy)
    except ConfigError as problem:
        file, told = one_line(config.rehearse), str(problem)
        raise Failure(f"--policy: {told if file in told else f'{file}: {told}'}") from None


def _about(config: Config, plan: Plan) -> dict[str, str]:
    """What the outputs say of the run."""
    from verify import __version__

    about = {
        "version": __version__,
        "sources": "\n".join(one_line(source) for source in plan.sources),
        "started_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "dns": one_line(config.dns),
        "dmarc": config.dmarc,
    }
    return about if config.rehearse is None else {**about, "policy": one_line(config.rehearse)}


def _chunks(items: Iterator[Item], first: int, most: int, octets: int) -> Iterator[Chunk]:
    """Items in chunks of at most ``most``, and of no more ``octets`` than that unless it is a single one."""
    held: list[Item] = []
    size = 0
    for item in items:
        own = 0 if isinstance(item, Refusal) else item.size
        if held and (len(held) >= most or size + own > octets):
            yield Chunk(first, tuple(held))
            first += len(held)
            held, size = [], 0
        held.append(item)
        size += own
    if held:
        yield Chunk(first, tuple(held))


def _places(lines: list[bytes], fresh: dict[bytes, tuple[int, int]], start: int) -> list[tuple[bytes, int, int]]:
    """Key, offset and length of each new message in a file whose next line stands at ``start``."""
    ends = [start]
    for line in lines:
        ends.append(ends[-1] + len(line) + 1)
    return [(key, ends[at], ends[at + count] - ends[at]) for key, (at, count) in fresh.items()]


def _alike(one: Answer, other: Answer) -> bool:
    return one.outcome is other.outcome and one.cause is other.cause and one.records == other.records

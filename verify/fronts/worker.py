"""What a worker of a batch does: a chunk of items in, JSON lines out.  Nothing that only the command needs is here."""

from __future__ import annotations

import mmap
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from verify.config import Config, ConfigError, DnsMode, lookup
from verify.disposition import Policy, rehearse
from verify.grammar.visible import one_line
from verify.lookup.cache import Cache, CachingResolver
from verify.lookup.live import LiveResolver, NoResolver
from verify.lookup.recording import RecordingError
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Item, Octets, Refusal, Span, refusal, visible
from verify.model import (
    Answer,
    DkimWord,
    FidelityNote,
    Message,
    Outcome,
    Question,
    Settings,
    Source,
    Verdict,
    replace,
)
from verify.reading.message import parse_message
from verify.render.data import to_json

from .many import judge_many
from .session import Judge, attached_messages

if TYPE_CHECKING:
    from verify.mailboxes.attached import Attached


class Job(Struct, frozen=True, kw_only=True):
    """What all chunks of a run have in common.  ``key``: tells runs apart, for workers that outlive one.

    ``now``: epoch seconds at which the run began.  ``keep``: report every answer that a verdict rests on and is not
    known to stand (--record).  ``policy``: what is rehearsed.  ``concurrency``, ``rate``: of one worker.  ``folder``:
    where the index of what was judged lies; with ``metered`` each worker shows there how many questions it has in
    flight.
    """

    key: str
    config: Config
    now: int
    attached: bool = False
    keep: bool = False
    policy: Policy | None = None
    concurrency: int
    rate: float | None = None
    folder: str
    metered: bool = False


class Chunk(Struct, frozen=True):
    """Items of the input, ``first`` is the position of the first.  ``anew``: judge what was judged before, too."""

    first: int
    items: tuple[Item, ...]
    anew: bool = False

    def __len__(self) -> int:
        return len(self.items)

    @property
    def end(self) -> int:
        return self.first + len(self.items)

    def halves(self) -> tuple[Chunk, Chunk]:
        middle = len(self.items) // 2
        return (
            Chunk(self.first, self.items[:middle], self.anew),
            Chunk(self.first + middle, self.items[middle:], self.anew),
        )


class Judged(Struct, frozen=True):
    """Lines of a message and of those attached to it.  ``key``: what tells its octets, and how they were read."""

    lines: tuple[bytes, ...]
    key: bytes


class Same(Struct, frozen=True):
    """The same octets as a message that came before: ``key`` is that one's, ``source`` says where this one stands."""

    key: bytes
    source: Source


class Bug(Struct, frozen=True):
    """A message that a bug of ours leaves without a verdict."""

    refusal: Refusal


Done: TypeAlias = Judged | Same | Refusal | Bug


class Result(Struct, frozen=True):
    """What came of a chunk, an entry an item.  ``answers``: what was learned, packed; ``failure``: no run at all."""

    done: tuple[Done, ...] = ()
    answers: bytes = b""
    asked: int = 0
    failure: str | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Answer, ...]).decode


def pack(answers: Sequence[Answer]) -> bytes:
    """Answers on their way between processes."""
    return _encode(answers) if answers else b""


def unpack(octets: bytes) -> tuple[Answer, ...]:
    return _decode(octets) if octets else ()


class _Noting:
    """The network, with what came from it since the last chunk; ``meter``: shows how many questions are in flight."""

    def __init__(self, resolver: LiveResolver, meter: Callable[[int], None] | None) -> None:
        self._resolver = resolver
        self._meter = meter
        self.fresh: list[Answer] = []
        self.describe = resolver.describe
        self.resolve = resolver.resolve
        self.resolve_async = resolver.resolve_async

    def stream(self, questions: Iterator[Question]) -> Iterator[Answer]:
        counting = _Counting(questions)
        for answer in self._resolver.stream(counting):
            self.fresh.append(answer)
            if self._meter is not None:
                counting.answered += 1
                self._meter(counting.given - counting.answered)
            yield answer


class _Counting:
    """Questions as they are taken, counted."""

    def __init__(self, questions: Iterator[Question]) -> None:
        self._questions = questions
        self.given = 0
        self.answered = 0

    def __iter__(self) -> Iterator[Question]:
        return self

    def __next__(self) -> Question:
        question = next(self._questions)
        self.given += 1
        return question


def _meter(folder: Path) -> Callable[[int], None]:
    """Four octets in a file of this process, made at the first use."""
    shown: list[mmap.mmap] = []

    def show(count: int) -> None:
        if not shown:
            path = folder / f"dns-{os.getpid()}"
            path.write_bytes(bytes(4))
            with path.open("r+b") as file:
                shown.append(mmap.mmap(file.fileno(), 4))
        shown[0][:] = count.to_bytes(4, "little")

    return show


class Worker:
    """The judge of one process, with what it has learned.  Raises as ``Judge``."""

    def __init__(self, job: Job) -> None:
        self.job = job
        config = replace(job.config, record=None)
        source = lookup(config)
        self._live: _Noting | None = None
        self._cache: Cache | None = None
        resolver = None
        if source.mode is DnsMode.LIVE:
            names = [f"[{host}]:{port}" for host, port in source.resolvers]
            self._live = _Noting(
                LiveResolver(names, timeout=source.timeout, concurrency=job.concurrency, rate=job.rate),
                _meter(Path(job.folder)) if job.metered else None,
            )
            resolver = CachingResolver(self._live)
            self._cache = resolver.cache
        self.judge = Judge(config, clock=lambda: job.now, resolver=resolver)
        self.settings = self.judge.settings
        self.limits = self.settings.limits
        self.named = bool(self.settings.receivers or self.settings.trust_hosts or self.settings.trust_networks)
        self._standing: dict[Question, Answer] = {}
        self._used: dict[Question, Answer] = {}
        self._seen: sqlite3.Connection | None = None
        self._index = True  # it can be read

    def learn(self, news: Iterable[bytes]) -> None:
        """Answers that other workers got; under --record they stand."""
        for octets in news:
            for answer in unpack(octets):
                if self.job.keep:
                    self._standing[answer.question] = answer
                elif self._cache is not None:
                    self._cache.put(answer)

    def run(self, chunk: Chunk) -> Result:
        """Judge a chunk."""
        reading = _Reading(self, chunk)
        for key, outcome in self.judge_all(reading.messages()):
            reading.take(key, outcome)
        if self.job.attached:
            for key, outcome in self.judge_all(reading.attached()):
                reading.take(key, outcome)
        asked = 0
        learned = list(self._used.values())
        self._used = {}
        if self._live is not None:
            asked = len(self._live.fresh)
            if not self.job.keep:
                learned = self._live.fresh
            self._live.fresh = []
        return Result(done=reading.done(), answers=pack(learned), asked=asked)

    def judge_all(
        self, messages: Iterable[tuple[_Key, Message, Settings | None]]
    ) -> Iterator[tuple[_Key, Verdict | Exception]]:
        """``judge_many``; under --record what the verdicts rest on is noted."""
        known = (self._standing,) if self.job.keep else ()
        for key, outcome, answers in judge_many(self.judge, messages, known):
            if self.job.keep:
                for question, answer in answers.used.items():
                    if question not in self._standing and answer.outcome is not Outcome.NOT_RECORDED:
                        self._used.setdefault(question, answer)
            yield key, outcome

    def has_seen(self, key: bytes) -> bool:
        """Whether a message of that key has a verdict by now."""
        if not self._index:
            return False
        try:
            if self._seen is None:
                index = Path(self.job.folder) / "seen"
                self._seen = sqlite3.connect(index.as_uri() + "?mode=ro", uri=True, check_same_thread=False)
            return self._seen.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None
        except sqlite3.Error:  # of another machine, or gone: messages are judged again
            self._index = False
            return False


class _Key(NamedTuple):
    """Which message of a chunk: the item's place in it, the candidate, the attached part (0: the message itself)."""

    place: int
    candidate: int = 0
    part: int = 0


class _Reading:
    """One chunk on its way: what was read, what is judged."""

    def __init__(self, worker: Worker, chunk: Chunk) -> None:
        self._worker = worker
        self._chunk = chunk
        self._done: dict[int, Done] = {}
        self._first: dict[bytes, int] = {}  # key -> the place at which it came first
        self._repeated: dict[int, tuple[int, Source]] = {}
        self._keys: dict[int, bytes] = {}
        self._sources: dict[int, Source] = {}
        self._verdicts: dict[_Key, Verdict | Exception] = {}
        self._parts: dict[_Key, tuple[Attached, ...]] = {}
        self._foreign: set[_Key] = set()  # attached to mail from outside

    def messages(self) -> Iterator[tuple[_Key, Message, Settings | None]]:
        """Every candidate that is to be judged, read when its turn has come."""
        limits = self._worker.limits
        for place, item in enumerate(self._chunk.items):
            if isinstance(item, Refusal):
                self._done[place] = item
                continue
            found = candidates(item, limits)
            if isinstance(found, Refusal):
                self._done[place] = found
                continue
            source = found[0].source
            # what is made of the same octets depends on the form, and for Apple Mail's partial messages on the name
            key = bytes.fromhex(source.sha256) + item.form.encode() + source.fidelity.encode()
            if key in self._first:
                self._repeated[place] = (self._first[key], source)
                continue
            if not self._chunk.anew and self._worker.has_seen(key):
                self._done[place] = Same(key, source)
                continue
            self._first[key] = place
            self._keys[place] = key
            self._sources[place] = source
            for number, candidate in enumerate(found):
                message = parse_message(candidate.raw, candidate.source, limits)
                if self._worker.job.attached:
                    from verify.mailboxes.attached import attached

                    self._parts[_Key(place, number)] = attached(message, limits)
                yield _Key(place, number), message, None

    def take(self, key: _Key, outcome: Verdict | Exception) -> None:
        self._verdicts[key] = outcome

    def attached(self) -> Iterator[tuple[_Key, Message, Settings | None]]:
        """The parts of the messages that were chosen, each as a message of its own."""
        for place in self._keys:
            outer = self._chosen(place)
            verdict = self._verdicts[outer]
            if not isinstance(verdict, Verdict):
                continue
            inside = attached_messages(verdict.origin, self._parts[outer], self._worker.settings)
            for number, (message, settings) in enumerate(inside, 1):
                key = _Key(place, outer.candidate, number)
                if settings.foreign:
                    self._foreign.add(key)
                yield key, message, settings

    def _chosen(self, place: int) -> _Key:
        """The candidate on which a signature verifies, else the first."""
        first = key = _Key(place)
        while key in self._verdicts:
            verdict = self._verdicts[key]
            if isinstance(verdict, Verdict) and any(one.result is DkimWord.PASS for one in verdict.dkim):
                return key
            key = _Key(place, key.candidate + 1)
        return first

    def done(self) -> tuple[Done, ...]:
        """An entry for every item of the chunk."""
        for place, key in self._keys.items():
            self._done[place] = self._judged(place, key)
        for place, (first, source) in self._repeated.items():
            self._done[place] = _like(self._done[first], source)
        return tuple(self._done[place] for place in range(len(self._chunk)))

    def _judged(self, place: int, octets: bytes) -> Done:
        chosen = self._chosen(place)
        outcome = self._verdicts[chosen]
        if isinstance(outcome, Exception):
            return Bug(_told(outcome, self._sources[place]))
        several = _Key(place, 1) in self._verdicts
        if several and any(one.result is DkimWord.PASS for one in outcome.dkim):
            notes = (*outcome.source.fidelity_notes, FidelityNote.CHOSEN_BY_SIGNATURE)
            outcome = replace(outcome, source=replace(outcome.source, fidelity_notes=notes))
        lines = []
        labels = []
        for number, part in enumerate(self._parts.get(chosen, ()), 1):
            key = _Key(place, chosen.candidate, number)
            inner = self._verdicts[key]
            if isinstance(inner, Exception):
                return Bug(_told(inner, self._sources[place]))
            labels.append(part.label)
            lines.append(self._written(inner, named=self._worker.named and key not in self._foreign))
        if labels:
            outcome = replace(outcome, attached=tuple(labels))
        return Judged((self._written(outcome, named=self._worker.named), *lines), octets)

    def _written(self, verdict: Verdict, *, named: bool) -> bytes:
        """The line of a verdict, with what the policy that is rehearsed would do."""
        policy = self._worker.job.policy
        return to_json(
            verdict if policy is None else replace(verdict, rehearsal=rehearse(verdict, policy, named=named))
        )


def _like(first: Done, source: Source) -> Done:
    """What holds for a message whose octets are those of another one of the chunk."""
    match first:
        case Judged():
            return Same(first.key, source)
        case Bug():
            return Bug(replace(first.refusal, path=source.path or "", member=source.member))
        case _:
            raise AssertionError("a message with a key has a verdict")


def _told(bug: Exception, source: Source) -> Refusal:
    where = f"message {source.index}: " if source.index is not None else ""
    problem = f"{where}internal error: {type(bug).__name__}: {str(bug)[:200]}"
    return refusal(source.path or "", source.member, problem)


def lost(chunk: Chunk) -> Result:
    """What stands for a single item whose worker died over it."""
    (item,) = chunk.items
    match item:
        case Span():
            path, member, index = visible(item.path), None, item.index
        case Octets():
            path, member, index = item.source.path or "", item.source.member, item.source.index
        case _:
            path, member, index = item.path, item.member, None
    where = f"message {index}: " if index is not None else ""
    return Result(done=(refusal(path, member, f"{where}the worker that judged it died"),))


_worker: Worker | None = None  # of this process; a forked one finds its parent's
_one_at_a_time = threading.Lock()  # workers of a cluster may have threads


def prepare(job: Job) -> Worker:
    """The worker of this process for the job, made when there is none."""
    global _worker
    if _worker is None or _worker.job.key != job.key:
        _worker = Worker(job)
    return _worker


def judge_chunk(job: Job, chunk: Chunk, news: tuple[bytes, ...]) -> Result:
    """What is submitted: a chunk, and what was learned elsewhere.  Raises nothing that the user can mend."""
    try:
        with _one_at_a_time:
            worker = prepare(job)
            worker.learn(news)
            return worker.run(chunk)
    except (ConfigError, RecordingError, NoResolver) as problem:
        return Result(failure=one_line(str(problem)))

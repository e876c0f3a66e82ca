"""The one loop: evaluate, fetch what is needed, again.  Every front end judges through a ``Judge``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from verify.config import Config, DnsMode, check_envelope, lookup, resolve
from verify.config import envelope as configured_envelope
from verify.evaluate import Progress, evaluate
from verify.lookup.answers import Answers, Known
from verify.lookup.recording import Recording, RecordingWriter, load_recording
from verify.model import (
    Answer,
    AtMode,
    Cause,
    Envelope,
    Limits,
    Message,
    Origin,
    Outcome,
    Question,
    Settings,
    Source,
    Verdict,
    replace,
)
from verify.reading.message import parse_message
from verify.reading.origin import read_origin

if TYPE_CHECKING:
    from verify.lookup.cache import Resolver
    from verify.mailboxes.attached import Attached

DNS_SECONDS = 30.0  # seconds of DNS that one message may take; RFC 7208 4.6.4: at least 20


class _Budget:
    """What the DNS may still cost one message.

    What can change the conclusion is asked first, and by itself: what cannot may neither spend its share of questions
    and octets nor make it wait.
    """

    def __init__(self, limits: Limits, seconds: float) -> None:
        self._questions = limits.dns_questions
        self._other_questions = limits.dns_questions_other
        self._octets = limits.dns_octets
        self._other_octets = other_octets(limits)
        self._rounds = limits.dns_rounds
        self.deadline = time.monotonic() + seconds

    def allow(self, questions: Sequence[Question], *, decisive: bool) -> list[Question]:
        """Those of a round that may be asked."""
        self._rounds -= 1
        if self._rounds < 0 or self._octets < 0 or (self._other_octets < 0 and not decisive):
            return []
        most = self._questions if decisive else min(self._questions, self._other_questions)
        allowed = list(questions[: max(most, 0)])
        self._questions -= len(allowed)
        if not decisive:
            self._other_questions -= len(allowed)
        return allowed

    def charge(self, answers: Iterable[Answer], *, decisive: bool) -> None:
        octets = sum([len(record) for answer in answers for record in answer.records])
        self._octets -= octets
        if not decisive:
            self._other_octets -= octets


def other_octets(limits: Limits) -> int:
    """Octets of answers for what cannot change the conclusion: half, so that the rest is always left."""
    return limits.dns_octets // 2


class Judge:
    """Judges messages with one configuration; holds the recording, the resolver and what is known between messages.

    ``authserv_id``, ``at``: what holds when the configuration does not say.  ``clock``: epoch seconds.
    ``diagnose``: False where nobody reads why a signature does not hold, which may take longer than all the rest.
    Raises ``ConfigError``, ``RecordingError``, ``NoResolver`` and ``OSError`` when it is made; never over a message.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        authserv_id: str = "localhost",
        at: AtMode = AtMode.RECEIPT,
        clock: Callable[[], float] = time.time,
        resolver: Resolver | None = None,
        dns_seconds: float = DNS_SECONDS,
        diagnose: bool = True,
    ) -> None:
        config = config or Config()
        self.settings = replace(resolve(config, authserv_id=authserv_id, at=at), diagnose=diagnose)
        self.envelope = configured_envelope(config)
        self._clock = clock
        self._dns_seconds = dns_seconds
        source = lookup(config)
        self._recording = Recording(answers={})
        self._terminal = source.mode is not DnsMode.LIVE
        if source.recording is not None:
            self._recording = load_recording(source.recording)
        self._recorded_at = self._recording.recorded_at
        if self._recorded_at is None and source.record is not None:
            self._recorded_at = int(clock())
        self._resolver = resolver
        if resolver is None and source.mode is DnsMode.LIVE:
            self._resolver = live_resolver(source.resolvers, source.timeout)
        self._file: BinaryIO | None = None
        self._writer: RecordingWriter | None = None
        if source.record is not None:
            self._record(source.record)

    def _record(self, path: Path) -> None:
        described = self._describe()
        self._file = path.open("wb")
        try:
            with _naming(self._file):
                self._writer = self.writer(self._file, described)
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise

    def _describe(self) -> str:
        return self._recording.resolver if self._resolver is None else self._resolver.describe()

    def writer(self, file: BinaryIO, described: str | None = None) -> RecordingWriter:
        """A recording of what this judge uses, begun in an empty file.  Raises ``NoResolver``."""
        return RecordingWriter(
            file,
            recorded_at=self.now(),
            resolver=self._describe() if described is None else described,
            known=self._recording if self._terminal else None,
        )

    def now(self) -> int:
        """Epoch seconds; under a recording, replayed or being made, the time at which it was made.

        One time for the whole run, then: a replay knows no other.
        """
        if self._recorded_at is None:
            return int(self._clock())
        return self._recorded_at

    def judge(self, raw: bytes, source: Source | None = None, envelope: Envelope | None = None) -> Verdict:
        """The verdict on one message.  ``envelope``: as the SMTP side gave it; wins over that of the configuration."""
        return self.judge_message(parse_message(raw, source, self.settings.limits), envelope)

    def judge_attached(self, raw: bytes, source: Source | None = None) -> tuple[Verdict, ...]:
        """The verdict on a message, and on each that is attached to it; the envelope is that of the message alone."""
        from verify.mailboxes.attached import attached  # not needed by those who judge no such thing

        limits = self.settings.limits
        message = parse_message(raw, source, limits)
        outer = self.judge_message(message)
        parts = attached(message, limits)
        inside = attached_messages(outer.origin, parts, self.settings)
        inner = (self.judge_message(part, Envelope(), settings) for part, settings in inside)
        return (replace(outer, attached=tuple(part.label for part in parts)), *inner)

    def judge_message(
        self, message: Message, envelope: Envelope | None = None, settings: Settings | None = None
    ) -> Verdict:
        """As ``judge``.  ``settings``: in place of the judge's own, for an attached message."""
        started = time.perf_counter()
        task = Task(self, message, envelope, settings=settings)
        while (needed := task.step()) is not None:
            task.take(self._resolver.resolve(needed, task.deadline) if needed and self._resolver else [])
        return self.finish(task, started)

    @property
    def resolver(self) -> Resolver | None:
        """What is asked; None when every answer is known, or none is."""
        return self._resolver

    async def judge_async(self, raw: bytes, source: Source | None = None, envelope: Envelope | None = None) -> Verdict:
        """As ``judge``; waits for the DNS without blocking.  The evaluation itself runs in the caller's thread."""
        started = time.perf_counter()
        task = Task(self, parse_message(raw, source, self.settings.limits), envelope)
        while (needed := task.step()) is not None:
            task.take(await self._resolver.resolve_async(needed, task.deadline) if needed and self._resolver else [])
        return self.finish(task, started)

    def finish(self, task: Task, started: float) -> Verdict:
        """The verdict of a task that is done, with the time since ``started``; records what it used."""
        assert task.verdict is not None
        if self._writer is not None:
            with _naming(self._file):
                self._writer.write(task.answers.used.values())
        return replace(task.verdict, elapsed_ms=round((time.perf_counter() - started) * 1000, 3))

    def task(
        self, message: Message, envelope: Envelope, after: Task | None = None, shared: Known | None = None
    ) -> Task:
        """One message on its way to a verdict, for a caller with a loop of its own.

        ``after``: a task over an earlier part of the same message, whose answers and budget go on.  ``shared``:
        answers that are there without asking, such as a cache, when the task runs in the thread that fills it.
        """
        return Task(self, message, envelope, after, shared=shared)

    def under(self, authserv_id: str) -> Judge:
        """The same judge, but for the id that it writes."""
        other = copy(self)
        other.settings = replace(self.settings, authserv_id=authserv_id)
        return other

    def answers(self, shared: Known | None = None) -> Answers:
        """What one message may ask: the recording, or what this run has recorded, then the resolver."""
        known = self._recording.answers if self._terminal or shared is None else shared
        return Answers(known, terminal=self._terminal)

    def standing(self, questions: Iterable[Question]) -> list[Answer]:
        """Under ``--record`` the first answer to a question stands for the whole run."""
        if self._writer is None:
            return []
        return [answer for question in questions if (answer := self._writer.standing(question)) is not None]

    def budget(self) -> _Budget:
        return _Budget(self.settings.limits, self._dns_seconds)

    def close(self) -> None:
        if self._file is not None:
            with _naming(self._file):
                self._file.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _naming(file: BinaryIO | None) -> Iterator[None]:
    """What the system refuses to do with a file names that file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file.name) if file is not None else None) from None


class Task:
    """One message on its way to a verdict: the steps that the sync and the async loop share."""

    def __init__(
        self,
        judge: Judge,
        message: Message,
        envelope: Envelope | None,
        after: Task | None = None,
        *,
        settings: Settings | None = None,
        shared: Known | None = None,
    ) -> None:
        self._judge = judge
        self._settings = settings or judge.settings
        self._message = message
        self._envelope = judge.envelope if envelope is None else check_envelope(envelope)
        self._now = judge.now()
        self._budget: _Budget = judge.budget() if after is None else after._budget
        self._progress: Progress | None = None
        self._wanted: tuple[Question, ...] = ()
        self._decisive = True
        self.deadline = self._budget.deadline
        self.answers: Answers = judge.answers(shared) if after is None else after.answers
        self.verdict: Verdict | None = None

    def step(self) -> list[Question] | None:
        """Evaluate; the questions to ask now, or None when there is a verdict."""
        result = evaluate(self._message, self._envelope, self.answers, self._now, self._settings, self._progress)
        if isinstance(result, Verdict):
            self.verdict = result
            return None
        self._progress = result.progress
        self._wanted = ()
        for questions, decisive in ((result.decisive, True), (result.others, False)):
            self.answers.add(self._judge.standing(questions))
            self._wanted, self._decisive = tuple([q for q in questions if q not in self.answers]), decisive
            if self._wanted:
                return self._budget.allow(self._wanted, decisive=decisive)
        return []

    def take(self, answers: list[Answer]) -> None:
        """Answers to what ``step`` gave; what was not asked or not answered has run out of budget."""
        self._budget.charge(answers, decisive=self._decisive)
        self.answers.add(answers)
        for question in self._wanted:
            if question not in self.answers:
                over = Answer(question=question, outcome=Outcome.TEMPORARY, cause=Cause.BUDGET, observed_at=self._now)
                self.answers.add((over,))


def host_name() -> str:
    """The name of this machine, as the authserv-id when none is configured."""
    return socket.gethostname() or "localhost"


def attached_messages(
    outer: Origin, parts: Iterable[Attached], settings: Settings
) -> Iterator[tuple[Message, Settings]]:
    """The messages attached to one, in their order, each with the settings to judge it by.

    What the user vouches for holds inside only when the message directly around never came in from outside, by a
    boundary that the user named: a colleague's report.  Else anybody may have written the whole part, and what is
    attached to that one: a phish that is reported may hold another message which its sender made up.
    """
    within = {"": _inside(outer, settings)}
    for part in parts:
        around = part.label
        while around not in within:
            around = around.rpartition(".")[0]
        mine = within[around]
        message = parse_message(part.raw, part.source, settings.limits)
        within[part.label] = mine if mine.foreign else _inside(read_origin(message, Envelope(), mine).origin, mine)
        yield message, mine


def _inside(around: Origin, settings: Settings) -> Settings:
    named = settings.receivers or settings.trust_hosts or settings.trust_networks
    if named and around.never_crossed_border and not around.conflict:
        return settings
    return replace(settings, receivers=(), trust_hosts=(), trust_networks=(), trust_authserv_ids=(), foreign=True)


def live_resolver(servers: Sequence[tuple[str, int]], timeout: float) -> Resolver:
    """The network with a cache in front of it.  At its first use it raises ``NoResolver`` when there is no server."""
    from verify.lookup.cache import CachingResolver  # not needed for a replay
    from verify.lookup.live import LiveResolver

    return CachingResolver(LiveResolver([f"[{host}]:{port}" for host, port in servers], timeout=timeout))


def verify_message(raw: bytes, *, envelope: Envelope | None = None, config: Config | None = None) -> Verdict:
    """Judge one message: the call that does input and output for the caller.

    ``raw``: any bytes give a verdict; a byte order mark in front, and line ends that were all damaged in the same way,
    are put right as in a file that ``check`` reads.  ``envelope``: as the SMTP side gave it.  Raises ``ConfigError``
    over the configuration, ``RecordingError`` or ``OSError`` over a recording, ``NoResolver`` when there is no name
    server to ask.
    """
    with Judge(config) as judge:
        return judge.judge(*_as_saved(raw), envelope)


async def verify_message_async(
    raw: bytes, *, envelope: Envelope | None = None, config: Config | None = None
) -> Verdict:
    """``verify_message`` that waits for the DNS without blocking the event loop."""
    import asyncio  # costs start-up, and is there already when this runs

    with await asyncio.to_thread(Judge, config) as judge:
        return await judge.judge_async(*_as_saved(raw), envelope)


def _as_saved(raw: bytes) -> tuple[bytes, Source]:
    """As ``check`` reads a file; the octets that were found are those of the caller."""
    from verify.mailboxes.single import as_saved

    return as_saved(raw, Source(sha256=sha256(raw).hexdigest(), size=len(raw)))

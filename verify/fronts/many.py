"""Many messages at once: those that lack an answer wait for it together, and no question is asked twice."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from verify.lookup.answers import Answers, Known
from verify.lookup.cache import stream
from verify.model import Answer, Message, Question, Settings, Verdict

from .session import Judge, Task, other_octets

K = TypeVar("K")

FREELY = 40  # answers that a message may take from what is known before its budget is kept step by step


def judge_many(
    judge: Judge, messages: Iterable[tuple[K, Message, Settings | None]], known: Sequence[Known] = ()
) -> Iterator[tuple[K, Verdict | Exception, Answers]]:
    """Verdicts on many messages, in whatever order they come to their end, each with the answers it rests on.

    A message is read from ``messages`` when the one before it was evaluated as far as is known.  The envelope is the
    header's.  Settings in place of the judge's own may be given.  ``known``: answers that stand, looked into first.
    Each verdict is the one that the message has alone; a bug over one message is its outcome.
    """
    yield from _Many[K](judge, known).run(messages)


class Shared(NamedTuple):
    """Answers that many messages share: the first that has one gives it."""

    sources: tuple[Known, ...]

    def get(self, question: Question, /) -> Answer | None:
        for source in self.sources:
            answer = source.get(question)
            if answer is not None:
                return answer
        return None

    def __contains__(self, question: object, /) -> bool:
        return isinstance(question, Question) and self.get(question) is not None


class _Flight(Generic[K]):
    """A message that waits for answers."""

    __slots__ = ("free", "got", "key", "lacks", "message", "settings", "started", "task")

    def __init__(self, key: K, message: Message, settings: Settings | None, task: Task, *, free: bool) -> None:
        self.key = key
        self.message = message
        self.settings = settings
        self.task = task
        self.free = free  # takes from what is known without its budget being charged
        self.started = time.perf_counter()
        self.lacks: set[Question] = set()
        self.got: list[Answer] = []


class _Many(Generic[K]):
    """Messages in flight, and who waits for which question."""

    def __init__(self, judge: Judge, known: Sequence[Known]) -> None:
        self._judge = judge
        self._resolver = judge.resolver
        cache = getattr(judge.resolver, "cache", None)
        sources = (*known, cache) if cache is not None else tuple(known)
        self._shared: Known = sources[0] if len(sources) == 1 else Shared(sources)
        self._messages: Iterator[tuple[K, Message, Settings | None]] = iter(())
        self._outcomes: deque[tuple[K, Verdict | Exception, Answers]] = deque()
        self._waiting: dict[Question, list[_Flight[K]]] = {}
        self._to_ask: deque[Question] = deque()
        self._asked: dict[Question, Answer] = {}  # an answer that cannot be kept is not asked for again, either
        limits = judge.settings.limits
        # No more answers than these can have met any part of the budget.
        self._freely = min(FREELY, limits.dns_questions, limits.dns_questions_other, limits.dns_rounds)
        self._octets = other_octets(limits)

    def run(
        self, messages: Iterable[tuple[K, Message, Settings | None]]
    ) -> Iterator[tuple[K, Verdict | Exception, Answers]]:
        """As ``judge_many``.

        Messages are evaluated when there is room for another question: so answers are on their way meanwhile, and
        those that have come spare the messages after them the wait.
        """
        self._messages = iter(messages)
        if self._find_question():
            assert self._resolver is not None, "without a resolver every answer is final"
            for answer in stream(self._resolver, self):
                self._asked[answer.question] = answer
                for flight in self._waiting.pop(answer.question, ()):
                    flight.lacks.discard(answer.question)
                    flight.got.append(answer)
                    if not flight.lacks:
                        flight.task.take(flight.got)
                        self._advance(flight)
                yield from self._ended()
        yield from self._ended()

    def __iter__(self) -> Iterator[Question]:
        return self

    def __next__(self) -> Question:
        """The next question to ask.  There may be others after the last, when its answer has come."""
        if not self._find_question():
            raise StopIteration
        return self._to_ask.popleft()

    def _find_question(self) -> bool:
        """Evaluate messages until there is something to ask."""
        while not self._to_ask:
            following = next(self._messages, None)
            if following is None:
                return False
            self._advance(self._start(*following, free=True))
        return True

    def _ended(self) -> Iterator[tuple[K, Verdict | Exception, Answers]]:
        while self._outcomes:
            yield self._outcomes.popleft()

    def _start(self, key: K, message: Message, settings: Settings | None, *, free: bool) -> _Flight[K]:
        task = Task(self._judge, message, None, settings=settings, shared=self._shared if free else None)
        return _Flight(key, message, settings, task, free=free)

    def _advance(self, flight: _Flight[K]) -> None:
        """Bring the message to its end, or to where it waits for answers."""
        outcome: Verdict | Exception
        try:
            while (needed := flight.task.step()) is not None:
                if self._lacks(flight, needed):
                    return
                flight.task.take(flight.got)
            if flight.free and self._may_meet_a_limit(flight.task.answers):
                again = self._start(flight.key, flight.message, flight.settings, free=False)
                flight.task, flight.free = again.task, False
                self._advance(flight)
                return
            outcome = self._judge.finish(flight.task, flight.started)
        except Exception as bug:  # noqa: BLE001 - one of ours over one message; the others get their verdicts
            outcome = bug
        self._outcomes.append((flight.key, outcome, flight.task.answers))

    def _lacks(self, flight: _Flight[K], needed: Sequence[Question]) -> bool:
        """Whether the message has to wait; ``flight.got`` is what is known of what it needs."""
        flight.got = []
        if self._resolver is None or time.monotonic() > flight.task.deadline:
            return False
        for question in needed:
            answer = self._shared.get(question) or self._asked.get(question)
            if answer is not None:
                flight.got.append(answer)
                continue
            flight.lacks.add(question)
            if question in self._waiting:
                self._waiting[question].append(flight)
            else:
                self._waiting[question] = [flight]
                self._to_ask.append(question)
        return bool(flight.lacks)

    def _may_meet_a_limit(self, answers: Answers) -> bool:
        used = answers.used
        if answers.terminal:
            return False
        return len(used) > self._freely or sum([len(r) for a in used.values() for r in a.records]) > self._octets

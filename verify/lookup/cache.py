"""Answers kept between messages: for their TTL, failures for a moment, and no question asked twice at once.

The clock is that of the machine that asks (monotonic seconds), never the time that a message is judged at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from verify.lookup.exchange import failure
from verify.model import Answer, Cause, Outcome, Question, replace

if TYPE_CHECKING:
    import asyncio  # imported only by what runs on its loop

TTL_MOST = 86_400  # seconds that a found answer is kept, ours (RFC 8767 4: a day to a week)
NEGATIVE_MOST = 10_800  # seconds that a denial is kept, RFC 2308 5
FAILURE = 30  # seconds that a failure, or an answer without a TTL, is kept, RFC 2308 7 (at most 300)
SIZE = 200_000  # answers, ours: some 100 MB


class Cache:
    """Answers by question, the least recently used dropped past ``size``.  Not for several threads at once.

    ``BUDGET`` and ``NOT_RECORDED`` say nothing of the DNS and are not kept.  A name that does not exist has no record
    of any type (RFC 2308 5), so that one ``NXDOMAIN`` answers them all.
    """

    def __init__(self, size: int = SIZE, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._kept: dict[Question, tuple[float, Answer]] = {}  # in the order of last use
        self._absent: dict[str, Question] = {}  # name -> the question that was answered with NXDOMAIN

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: Question) -> Answer | None:
        """The answer while it is fresh."""
        answer = self._fresh(question)
        if answer is not None or question.name not in self._absent:
            return answer
        answer = self._fresh(self._absent[question.name])
        return None if answer is None else replace(answer, question=question)

    def __contains__(self, question: object) -> bool:
        return isinstance(question, Question) and self.get(question) is not None

    def put(self, answer: Answer) -> None:
        """Keep an answer for as long as it may be kept, in place of an older one."""
        seconds = _lifetime(answer)
        question = answer.question
        self._drop(question)
        if seconds <= 0:
            return
        self._kept[question] = (self._clock() + seconds, answer)
        if answer.outcome is Outcome.NXDOMAIN:
            self._absent[question.name] = question
        if len(self._kept) > self._size:
            self._drop(next(iter(self._kept)))

    def _fresh(self, question: Question) -> Answer | None:
        kept = self._kept.pop(question, None)
        if kept is None:
            return None
        if kept[0] <= self._clock():
            self._forget_absent(question)
            return None
        self._kept[question] = kept
        return kept[1]

    def _drop(self, question: Question) -> None:
        if self._kept.pop(question, None) is not None:
            self._forget_absent(question)

    def _forget_absent(self, question: Question) -> None:
        if self._absent.get(question.name) == question:
            del self._absent[question.name]


def _lifetime(answer: Answer) -> float:
    """Seconds that the answer may be kept."""
    if answer.outcome is Outcome.NOT_RECORDED or answer.cause is Cause.BUDGET:
        return 0
    if answer.outcome is Outcome.TEMPORARY or answer.ttl is None:
        return FAILURE
    return min(answer.ttl, TTL_MOST if answer.outcome is Outcome.FOUND else NEGATIVE_MOST)


class Resolver(Protocol):
    """What asks: ``live.LiveResolver``, or a fake."""

    def resolve(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]: ...

    async def resolve_async(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]: ...

    def describe(self) -> str: ...


def stream(resolver: Resolver, questions: Iterator[Question]) -> Iterator[Answer]:
    """Answers as they come in; from a resolver that has no ``stream`` of its own, in rounds.

    ``questions`` may go on after it ended: it is looked at again after each answer, or each round.
    """
    own = getattr(resolver, "stream", None)
    if own is not None:
        yield from own(questions)
        return
    while asked := list(questions):
        yield from resolver.resolve(asked)


class CachingResolver:
    """A resolver before which a cache stands.  ``resolve_async`` merges equal questions of calls at the same time."""

    def __init__(self, resolver: Resolver, cache: Cache | None = None) -> None:
        self._resolver = resolver
        self.cache = Cache() if cache is None else cache
        self._flying: dict[Question, asyncio.Future[Answer]] = {}

    def describe(self) -> str:
        return self._resolver.describe()

    def resolve(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        """Answers in the order of the questions, kept ones without asking.  ``deadline`` as for the resolver."""
        answers = {question: self.cache.get(question) for question in questions}
        missing = [question for question, answer in answers.items() if answer is None]
        fresh = dict(zip(missing, self._resolver.resolve(missing, deadline) if missing else (), strict=True))
        for answer in fresh.values():
            self.cache.put(answer)
        return [answers[question] or fresh[question] for question in questions]

    def stream(self, questions: Iterator[Question]) -> Iterator[Answer]:
        """As ``stream``; every answer is kept.  Look into ``cache`` first: what is asked here is asked."""
        for answer in stream(self._resolver, questions):
            self.cache.put(answer)
            yield answer

    async def resolve_async(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        """``resolve`` on the event loop.

        What another call is asking for already is awaited, not asked again; but each call keeps to its own deadline,
        and asks anew when the other one gave up before its time.
        """
        answers: dict[Question, Answer] = {}
        while left := [question for question in dict.fromkeys(questions) if question not in answers]:
            awaited: dict[Question, asyncio.Future[Answer]] = {}
            missing = []
            for question in left:
                if question in self._flying:
                    awaited[question] = self._flying[question]
                elif (kept := self.cache.get(question)) is not None:
                    answers[question] = kept
                else:
                    missing.append(question)
            if missing:
                answers |= await self._ask(missing, deadline)
            if awaited:
                answers |= await _await(awaited, deadline)
        return [answers[question] for question in questions]

    async def _ask(self, questions: Sequence[Question], deadline: float | None) -> dict[Question, Answer]:
        """One by one, so that whoever waits for one of them does not wait for all."""
        import asyncio

        loop = asyncio.get_running_loop()
        mine: dict[Question, asyncio.Future[Answer]] = {question: loop.create_future() for question in questions}
        self._flying |= mine
        tasks = [loop.create_task(self._ask_one(question, deadline, future)) for question, future in mine.items()]
        try:
            return dict(zip(questions, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for question, future in mine.items():
                if future.cancel():  # without an answer: whoever waits asks for itself
                    del self._flying[question]

    async def _ask_one(self, question: Question, deadline: float | None, future: asyncio.Future[Answer]) -> Answer:
        (answer,) = await self._resolver.resolve_async((question,), deadline)
        self.cache.put(answer)
        future.set_result(answer)
        del self._flying[question]
        return answer


async def _await(awaited: dict[Question, asyncio.Future[Answer]], deadline: float | None) -> dict[Question, Answer]:
    """The answers that other calls brought; questions they failed to answer are left out, unless time is over."""
    import asyncio

    with suppress(TimeoutError):
        async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
            await asyncio.wait(awaited.values())
    over = deadline is not None and time.monotonic() >= deadline
    answers = {}
    for question, future in awaited.items():
        answer = None if not future.done() or future.cancelled() else future.result()
        if answer is not None and (answer.cause is not Cause.BUDGET or over):
            answers[question] = answer
        elif over:
            answers[question] = failure(question, Cause.BUDGET)
    return answers

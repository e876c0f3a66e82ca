"""A hold on dead zones, so that one of them cannot take all the room there is for questions.

Where two questions in a row about names of one place time out, those below it are answered with that for a while; and
at no time may one neighbourhood of names have more than a part of the questions in flight.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from verify.lookup.cache import Resolver
from verify.lookup.exchange import failure
from verify.model import Answer, Cause, Question

HOLD = 30.0  # seconds, as long as a failure is kept (RFC 2308 7.2: at most 300)
ALIVE = 300.0  # seconds after an answer in which a dead name speaks for itself alone
STRIKES = 2  # time-outs without an answer between them
SHARE = 16  # questions in flight below one name of two labels; a quarter of the resolver's
NAMES = 10_000  # names remembered


class HoldingResolver:
    """A resolver that leaves dead zones alone.  ``heard``: told of every answer, for counting."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        heard: Callable[[Answer], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._heard = heard
        self._clock = clock
        self._strikes: dict[str, float] = {}
        self._held: dict[str, float] = {}  # domain -> until when
        self._alive: dict[str, float] = {}  # domain -> when there was an answer
        self._gates: dict[str, tuple[asyncio.Semaphore, int]] = {}  # neighbourhood -> gate and how many use it

    def describe(self) -> str:
        return self._resolver.describe()

    def resolve(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        """Answers in the order of the questions."""
        held = {question: failure(question, Cause.TIMEOUT) for question in questions if self.is_held(question.name)}
        asked = [question for question in questions if question not in held]
        answers = held | dict(zip(asked, self._resolver.resolve(asked, deadline), strict=True))
        for question in questions:
            self._note(answers[question])
        return [answers[question] for question in questions]

    async def resolve_async(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        """``resolve`` on the event loop."""
        return list(await asyncio.gather(*(self._ask(question, deadline) for question in questions)))

    async def _ask(self, question: Question, deadline: float | None) -> Answer:
        neighbourhood = ".".join(question.name.split(".")[-2:])
        gate, users = self._gates.get(neighbourhood) or (asyncio.Semaphore(SHARE), 0)
        self._gates[neighbourhood] = (gate, users + 1)
        try:
            answer = await self._through(gate, question, deadline)
        finally:
            users = self._gates[neighbourhood][1] - 1
            if users:
                self._gates[neighbourhood] = (gate, users)
            else:
                del self._gates[neighbourhood]
        self._note(answer)
        return answer

    async def _through(self, gate: asyncio.Semaphore, question: Question, deadline: float | None) -> Answer:
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                await gate.acquire()
        except TimeoutError:
            return failure(question, Cause.BUDGET)
        try:
            if self.is_held(question.name):
                return failure(question, Cause.TIMEOUT)
            (answer,) = await self._resolver.resolve_async((question,), deadline)
            return answer
        finally:
            gate.release()

    def is_held(self, name: str) -> bool:
        """A hold on the name or on a domain above it is in force."""
        if not self._held:
            return False
        labels = name.split(".")
        for at in range(len(labels) - 1):
            domain = ".".join(labels[at:])
            until = self._held.get(domain)
            if until is not None:
                if until > self._clock():
                    return True
                del self._held[domain]
        return False

    def _note(self, answer: Answer) -> None:
        if self._heard is not None:
            self._heard(answer)
        domain = _domain(answer.question.name)
        if answer.cause is not Cause.TIMEOUT:
            if answer.cause is not Cause.BUDGET:
                self._strikes.pop(domain, None)
                self._held.pop(domain, None)
                self._alive.pop(domain, None)  # the newest are kept
                _keep(self._alive, domain, self._clock())
            return
        if self._alive.get(domain, -ALIVE) > self._clock() - ALIVE:
            domain = answer.question.name
        if "." not in domain or self.is_held(domain):
            return
        strikes = self._strikes.pop(domain, 0) + 1
        if strikes >= STRIKES:
            _keep(self._held, domain, self._clock() + HOLD)
        else:
            _keep(self._strikes, domain, strikes)


def _keep(table: dict[str, float], domain: str, value: float) -> None:
    table[domain] = value
    if len(table) > NAMES:
        del table[next(iter(table))]


def _domain(name: str) -> str:
    """What a time-out of ``name`` speaks for: the name; with a label that has an underscore, what is above its first.

    No more than that: a dead delegation somewhere below a domain, which anybody may name, says nothing of the domain.
    """
    labels = name.split(".")
    return ".".join(labels[1:]) if any(label.startswith("_") for label in labels) else name

"""What is known so far of the DNS, for one message: the ``Ask`` that the checks are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from verify.model import Answer, NotKnownYet, Outcome, Question


class Known(Protocol):
    """Answers that many messages share: a recording, or a cache."""

    def get(self, question: Question, /) -> Answer | None: ...

    def __contains__(self, question: object, /) -> bool: ...


class Answers:
    """Callable as ``Ask``.  What it does not know it raises as ``NotKnownYet``, or calls not recorded when terminal.

    ``known`` is shared and never written to: a whole recording, or what a batch knows, serves many messages.
    ``used`` holds every answer that was given out, in the order of first use.
    """

    __slots__ = ("_known", "_own", "terminal", "used")

    def __init__(self, known: Known | None = None, terminal: bool = False) -> None:
        self._known: Known = {} if known is None else known
        self._own: dict[Question, Answer] = {}
        self.terminal = terminal
        self.used: dict[Question, Answer] = {}

    def __call__(self, question: Question) -> Answer:
        answer = self.used.get(question)
        if answer is not None:
            return answer
        answer = self._own.get(question) or self._known.get(question)
        if answer is None:
            if not self.terminal:
                raise NotKnownYet(question)
            answer = Answer(question=question, outcome=Outcome.NOT_RECORDED)
        self.used[question] = answer
        return answer

    def __contains__(self, question: Question) -> bool:
        return question in self._own or question in self._known

    def add(self, answers: Iterable[Answer]) -> None:
        """Make answers known.  The first answer to a question stands, so that one verdict rests on one."""
        for answer in answers:
            question = answer.question
            if question not in self._own:
                self._own[question] = self._known.get(question) or answer

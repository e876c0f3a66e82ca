"""Results of checks, held from message to message for as long as the answers that they rest on stand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeAlias, TypeVar

from verify.model import Answer, Ask, NotKnownYet, Question

T = TypeVar("T")

Used: TypeAlias = Mapping[Question, Answer]

_RESULTS_MOST = 4096  # ours
_OCTETS_MOST = 4096  # octets of the answers that one result rests on, ours


class Held(Generic[T]):
    """What came of one kind of check, by all that it depends on besides the DNS.

    A result is taken again only where each question that it asked, in that order, has the very same ``Answer``: then
    the check would take the same course.  So a new answer, even one of the same content, undoes it.
    """

    def __init__(self, worth: Callable[[T], bool] = lambda result: True) -> None:
        """``worth``: whether a result may be held at all."""
        self._worth = worth
        self._kept: dict[Hashable, tuple[T, Used]] = {}

    def recall(self, key: Hashable, ask: Ask) -> tuple[T, Used] | None:
        """The result and the answers it rests on; None when there is none that holds."""
        found = self._kept.get(key)
        if found is None:
            return None
        try:
            for question, answer in found[1].items():
                if ask(question) is not answer:
                    return None
        except NotKnownYet:  # rises again out of the check, with all that it needs
            return None
        return found

    def keep(self, key: Hashable, result: T, used: Used) -> None:
        if not self._worth(result) or sum([len(r) for a in used.values() for r in a.records]) > _OCTETS_MOST:
            return
        if len(self._kept) >= _RESULTS_MOST:
            self.cache_clear()
        self._kept[key] = result, used

    def cache_clear(self) -> None:
        self._kept.clear()

"""A name service in memory for tests: a readable dict in, an ``ask`` out.

    zone = Zone({
        "example.com": {"TXT": ["v=spf1 mx -all"], "MX": ["10 mx.example.com"]},
        "mx.example.com": {"A": ["192.0.2.1"]},
        "alias.example": {"CNAME": ["example.com"]},
        "slow.example": {"TXT": Cause.TIMEOUT},     # this type only
        "dead.example": Cause.SERVFAIL,             # every type
        "unknown.example": Outcome.NOT_RECORDED,    # every type; also per type
    })
    zone.ask(Question("example.com", "TXT"))

An absent name is NXDOMAIN, a present one without that type NODATA, and so is a name above a present one.  Text is
written as UTF-8; give octets to have them as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from verify.model import Answer, Cause, NotKnownYet, Outcome, Question

Entry: TypeAlias = Iterable[str | bytes] | Cause | Outcome
T = TypeVar("T")

ALIASES = 8  # CNAMEs followed before the chain counts as an error


class Zone:
    """Answers for tests; ``asked`` lists every question in order, repeated ones too."""

    def __init__(
        self,
        records: Mapping[str, Mapping[str, Entry] | Cause | Outcome] | None = None,
        *,
        ttl: int | None = 300,
        observed_at: int | None = None,
    ) -> None:
        self.records: dict[str, dict[str, Entry] | Cause | Outcome] = {}
        self.ttl = ttl
        self.observed_at = observed_at
        self.asked: list[Question] = []
        for name, value in (records or {}).items():
            self.add(name, value)

    def add(self, name: str, value: Mapping[str, Entry] | Cause | Outcome) -> None:
        """Put or replace what is at a name."""
        self.records[name.lower().removesuffix(".")] = (
            value
            if isinstance(value, Cause | Outcome)
            else {k: v if isinstance(v, Cause | Outcome) else list(v) for k, v in value.items()}
        )

    def ask(self, question: Question) -> Answer:
        """An ``Ask`` that never raises."""
        self.asked.append(question)
        name = question.name
        for _ in range(ALIASES + 1):
            here = self.records.get(name)
            if here is None:
                below = any(other.endswith("." + name) for other in self.records)
                return self._answer(question, Outcome.NODATA if below else Outcome.NXDOMAIN)
            found = here if isinstance(here, Cause | Outcome) else here.get(question.rdtype)
            if isinstance(found, Cause):
                return self._answer(question, Outcome.TEMPORARY, cause=found)
            if isinstance(found, Outcome):
                return self._answer(question, found)
            if found:
                return self._answer(question, Outcome.FOUND, records=_octets(found, question.rdtype))
            alias = here.get("CNAME") if isinstance(here, dict) else None
            if not alias or isinstance(alias, Cause | Outcome):
                return self._answer(question, Outcome.NODATA)
            target = next(iter(alias))
            name = (target if isinstance(target, str) else target.decode()).lower().removesuffix(".")
        return self._answer(question, Outcome.TEMPORARY, cause=Cause.SERVFAIL)  # as resolvers answer a loop

    def _answer(
        self, question: Question, outcome: Outcome, *, cause: Cause | None = None, records: tuple[bytes, ...] = ()
    ) -> Answer:
        return Answer(
            question=question,
            outcome=outcome,
            cause=cause,
            records=records,
            ttl=None if cause or outcome is Outcome.NOT_RECORDED else self.ttl,
            observed_at=None if outcome is Outcome.NOT_RECORDED else self.observed_at,
        )


def _octets(values: Iterable[str | bytes], rdtype: str) -> tuple[bytes, ...]:
    octets = [value.encode() if isinstance(value, str) else value for value in values]
    return tuple(octets if rdtype == "TXT" else sorted(octets))


def in_rounds(zone: Zone, run: Callable[[Callable[[Question], Answer]], T], most: int = 100) -> tuple[T, int]:
    """Run with an ``ask`` that knows nothing at first: each round learns only what the last one asked for.

    Gives the result and the number of rounds that were interrupted.
    """
    known: dict[Question, Answer] = {}

    def ask(question: Question) -> Answer:
        answer = known.get(question)
        if answer is None:
            raise NotKnownYet(question)
        return answer

    for done in range(most):
        try:
            return run(ask), done
        except NotKnownYet as wanted:
            fresh = [question for question in dict.fromkeys(wanted.questions) if question not in known]
            if not fresh:
                raise AssertionError(f"asked again for what is known: {wanted.questions}") from None
            known.update((question, zone.ask(question)) for question in fresh)
    raise AssertionError(f"not done after {most} rounds")

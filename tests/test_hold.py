"""One dead zone cannot stall the rest: holds, and a share of the questions in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from verify.lookup import hold
from verify.lookup.hold import HoldingResolver
from verify.model import Answer, Cause, Outcome, Question


def question(name: str, rdtype: str = "TXT") -> Question:
    return Question(name, rdtype)


class Network:
    """Names below ``dead`` time out; ``asked`` lists what came through; ``flying``: the most at once, by zone."""

    def __init__(self, *dead: str, delay: float = 0, cause: Cause = Cause.TIMEOUT) -> None:
        self.dead = set(dead)
        self.delay = delay
        self.cause = cause
        self.asked: list[Question] = []
        self.now = 0.0
        self.flying = 0
        self.most = 0

    def resolve(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        return [self.answer(one) for one in questions]

    async def resolve_async(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(self.delay)
        self.flying -= 1
        return self.resolve(questions)

    def answer(self, one: Question) -> Answer:
        self.asked.append(one)
        if any(one.name == name or one.name.endswith("." + name) for name in self.dead):
            return Answer(question=one, outcome=Outcome.TEMPORARY, cause=self.cause)
        return Answer(question=one, outcome=Outcome.NXDOMAIN)

    def describe(self) -> str:
        return "a network"


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    def run(resolver: HoldingResolver, *names: str) -> list[Answer]:
        questions = [question(name) for name in names]
        if request.param == "sync":
            return resolver.resolve(questions)
        return asyncio.run(resolver.resolve_async(questions))

    return run


def held(network: Network) -> HoldingResolver:
    return HoldingResolver(network, clock=lambda: network.now)


def test_after_two_time_outs_a_domain_and_all_below_it_are_left_alone(ask: Any) -> None:
    network = Network("dead.example")
    resolver = held(network)
    ask(resolver, "_dmarc.dead.example")
    ask(resolver, "dead.example")
    assert len(network.asked) == 2
    for name in ("dead.example", "x.dead.example", "_dmarc.a.b.dead.example"):
        (answer,) = ask(resolver, name)
        assert (answer.question.name, answer.outcome, answer.cause) == (name, Outcome.TEMPORARY, Cause.TIMEOUT)
    assert len(network.asked) == 2
    ask(resolver, "example", "alive.example", "undead.example")
    assert len(network.asked) == 5


def test_a_hold_ends(ask: Any) -> None:
    network = Network("dead.example")
    resolver = held(network)
    for _ in range(2):
        ask(resolver, "dead.example")
    network.dead.clear()
    network.now = hold.HOLD - 1
    assert ask(resolver, "dead.example")[0].cause is Cause.TIMEOUT
    network.now = hold.HOLD + 1
    assert ask(resolver, "dead.example")[0].outcome is Outcome.NXDOMAIN


def test_an_answer_between_two_time_outs_speaks_for_the_domain(ask: Any) -> None:
    network = Network("a.example")
    resolver = held(network)
    for at in range(5):
        ask(resolver, f"_{at}.a.example")
        network.dead.clear()
        ask(resolver, "a.example")
        network.dead.add("a.example")
    assert len(network.asked) == 10


def test_a_dead_name_below_a_domain_says_nothing_of_the_domain(ask: Any) -> None:
    network = Network("dead._domainkey.a.example", "gone.a.example")
    resolver = held(network)
    for name in (
        "a.dead._domainkey.a.example",
        "b.dead._domainkey.a.example",
        "gone.a.example",
        "_dmarc.gone.a.example",
    ):
        ask(resolver, name)
    assert resolver.is_held("c.dead._domainkey.a.example")
    assert resolver.is_held("gone.a.example")
    for name in ("a.example", "_dmarc.a.example", "s._domainkey.a.example", "mail.a.example"):
        assert not resolver.is_held(name)


def test_an_answer_lifts_the_hold(ask: Any) -> None:
    network = Network("x._domainkey.a.example", "y._domainkey.a.example")
    resolver = held(network)
    ask(resolver, "x._domainkey.a.example", "y._domainkey.a.example", "z._domainkey.a.example")
    assert not resolver.is_held("z._domainkey.a.example")


def test_dead_names_beside_names_that_answered_are_held_by_themselves(ask: Any) -> None:
    network = Network("x._domainkey.a.example", "y._domainkey.a.example")
    resolver = held(network)
    ask(resolver, "z._domainkey.a.example")
    ask(resolver, "x._domainkey.a.example", "y._domainkey.a.example")
    assert not resolver.is_held("other._domainkey.a.example")
    ask(resolver, "x._domainkey.a.example")
    assert resolver.is_held("x._domainkey.a.example")
    assert not resolver.is_held("y._domainkey.a.example")
    network.now = hold.ALIVE + 1
    network.dead.add("a.example")
    ask(resolver, "p._domainkey.a.example", "q._domainkey.a.example")
    assert resolver.is_held("other._domainkey.a.example")


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.TIMEOUT])
def test_only_time_outs_count(ask: Any, cause: Cause) -> None:
    network = Network("a.example", cause=cause)
    resolver = held(network)
    for _ in range(5):
        ask(resolver, "a.example")
    assert len(network.asked) == 5


def test_no_hold_is_put_on_a_name_of_one_label(ask: Any) -> None:
    network = Network("example")
    resolver = held(network)
    for _ in range(5):
        ask(resolver, "_dmarc.example")
    assert not resolver.is_held("a.example")


def test_names_below_one_domain_have_a_share_of_what_is_in_flight() -> None:
    network = Network(delay=0.02)
    resolver = held(network)
    names = [f"h{at}.slow.example" for at in range(100)]
    asyncio.run(resolver.resolve_async([question(name) for name in names]))
    assert network.most == hold.SHARE
    assert len(network.asked) == 100
    assert resolver._gates == {}


def test_waiting_for_room_ends_at_the_deadline() -> None:
    network = Network(delay=0.3)
    resolver = held(network)

    async def run() -> list[Answer]:
        questions = [question(f"h{at}.slow.example") for at in range(hold.SHARE + 5)]
        return await resolver.resolve_async(questions, time.monotonic() + 0.1)

    answers = asyncio.run(run())
    assert [answer.cause for answer in answers].count(Cause.BUDGET) == 5
    assert resolver._gates == {}


def test_what_is_remembered_has_a_bound(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "NAMES", 50)
    network = Network("example")
    resolver = held(network)
    for at in range(200):
        ask(resolver, f"h{at}.example", f"x.h{at}.example")
        ask(resolver, f"h{at}.example")
    assert len(resolver._held) <= 50
    assert len(resolver._strikes) <= 50
    network.dead.clear()
    network.now = hold.HOLD + 1
    for at in range(200):
        ask(resolver, f"h{at}.example")
    assert len(resolver._alive) == 50


def test_every_answer_is_heard(ask: Any) -> None:
    heard: list[Answer] = []
    network = Network("dead.example")
    resolver = HoldingResolver(network, heard=heard.append)
    ask(resolver, "a.example", "dead.example")
    assert [answer.question.name for answer in heard] == ["a.example", "dead.example"]

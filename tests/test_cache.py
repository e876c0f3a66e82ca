"""The cache: how long what is kept, what is dropped, and equal questions merged."""

import asyncio
import time

import pytest

from tests.nameserver import NameServer
from verify.lookup.cache import FAILURE, NEGATIVE_MOST, TTL_MOST, Cache, CachingResolver
from verify.lookup.live import LiveResolver, NoResolver
from verify.model import Answer, Cause, Outcome, Question, replace

Q = Question("a.example", "A")
OTHER = Question("a.example", "TXT")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def answer(question=Q, outcome=Outcome.FOUND, **fields):
    return Answer(question=question, outcome=outcome, **fields)


def found(question=Q, ttl=60):
    return answer(question, records=(b"192.0.2.1",), ttl=ttl)


@pytest.mark.parametrize(
    ("kept", "seconds"),
    [
        (found(ttl=60), 60),
        (found(ttl=10**8), TTL_MOST),
        (answer(outcome=Outcome.NODATA, ttl=60), 60),
        (answer(outcome=Outcome.NODATA, ttl=10**8), NEGATIVE_MOST),
        (answer(outcome=Outcome.NXDOMAIN, ttl=10**8), NEGATIVE_MOST),
        (answer(outcome=Outcome.NXDOMAIN), FAILURE),
        (answer(outcome=Outcome.TEMPORARY, cause=Cause.TIMEOUT), FAILURE),
        (answer(outcome=Outcome.TEMPORARY, cause=Cause.SERVFAIL), FAILURE),
    ],
)
def test_an_answer_is_kept_for_its_time_and_no_longer(kept, seconds):
    clock = Clock()
    cache = Cache(clock=clock)
    cache.put(kept)
    clock.now += seconds - 0.5
    assert cache.get(Q) == kept
    clock.now += 1
    assert cache.get(Q) is None
    assert len(cache) == 0


@pytest.mark.parametrize(
    "said_nothing",
    [
        answer(outcome=Outcome.TEMPORARY, cause=Cause.BUDGET),
        answer(outcome=Outcome.NOT_RECORDED),
        found(ttl=0),
    ],
)
def test_what_says_nothing_of_the_dns_or_has_no_time_is_not_kept(said_nothing):
    cache = Cache()
    cache.put(said_nothing)
    assert cache.get(Q) is None


def test_a_name_that_does_not_exist_has_no_other_type_while_that_is_fresh():
    clock = Clock()
    cache = Cache(clock=clock)
    absent = answer(outcome=Outcome.NXDOMAIN, ttl=60, observed_at=5)
    cache.put(absent)
    assert cache.get(OTHER) == replace(absent, question=OTHER)
    assert cache.get(Question("b.a.example", "A")) is None
    clock.now += 61
    assert cache.get(OTHER) is None


def test_no_data_says_nothing_of_another_type():
    cache = Cache()
    cache.put(answer(outcome=Outcome.NODATA, ttl=60))
    assert cache.get(OTHER) is None


def test_a_name_that_exists_again_is_no_longer_absent():
    cache = Cache()
    cache.put(answer(outcome=Outcome.NXDOMAIN, ttl=60))
    cache.put(found())
    assert cache.get(OTHER) is None


def test_past_its_size_the_least_recently_used_answer_goes():
    cache = Cache(size=3)
    questions = [Question(f"n{i}.example", "A") for i in range(5)]
    for question in questions[:3]:
        cache.put(answer(question, Outcome.NXDOMAIN, ttl=60))
    cache.get(questions[0])
    for question in questions[3:]:
        cache.put(found(question))
    assert [cache.get(question) is not None for question in questions] == [True, False, False, True, True]
    assert cache.get(Question("n1.example", "TXT")) is None
    assert len(cache) == 3


# --- before a resolver ----------------------------------------------------------------------------------


class Fake:
    """Answers after ``seconds``; ``asked`` lists every question."""

    def __init__(self, seconds=0.02):
        self.asked = []
        self.seconds = seconds

    def describe(self):
        return "fake"

    def resolve(self, questions, deadline=None):
        self.asked += questions
        return [found(question) for question in questions]

    async def resolve_async(self, questions, deadline=None):
        self.asked += questions
        left = self.seconds if deadline is None else min(self.seconds, deadline - time.monotonic())
        await asyncio.sleep(left)
        if left < self.seconds:
            return [answer(question, Outcome.TEMPORARY, cause=Cause.BUDGET) for question in questions]
        return [found(question) for question in questions]


def test_kept_answers_are_not_asked_for_again():
    fake = Fake()
    resolver = CachingResolver(fake)
    assert resolver.resolve([Q, OTHER, Q]) == [found(Q), found(OTHER), found(Q)]
    assert resolver.resolve([OTHER, Q]) == [found(OTHER), found(Q)]
    assert asyncio.run(resolver.resolve_async([Q])) == [found(Q)]
    assert fake.asked == [Q, OTHER]
    assert resolver.describe() == "fake"


def test_equal_questions_at_the_same_time_are_asked_once():
    fake = Fake()
    resolver = CachingResolver(fake)

    async def many():
        return await asyncio.gather(*(resolver.resolve_async([Q, OTHER]) for _ in range(20)))

    assert asyncio.run(many()) == [[found(Q), found(OTHER)]] * 20
    assert len(fake.asked) == 2
    assert set(fake.asked) == {Q, OTHER}


def test_a_question_of_a_long_list_reaches_whoever_waits_as_soon_as_it_is_answered():
    class SlowForOther(Fake):
        async def resolve_async(self, questions, deadline=None):
            await asyncio.sleep(5 if OTHER in questions else 0.01)
            return [found(question) for question in questions]

    async def wait_for_the_quick_one():
        resolver = CachingResolver(SlowForOther())
        long = asyncio.ensure_future(resolver.resolve_async([OTHER, Q]))
        await asyncio.sleep(0)
        (quick,) = await asyncio.wait_for(resolver.resolve_async([Q]), 2)
        long.cancel()
        return quick

    assert asyncio.run(wait_for_the_quick_one()) == found(Q)


@pytest.mark.parametrize(("on_its_way", "asked"), [(True, [Q, Q]), (False, [Q])])
def test_whoever_waits_asks_for_itself_when_the_first_is_cancelled(on_its_way, asked):
    class Held(Fake):
        """The first question is under way until the test ends it."""

        async def resolve_async(self, questions, deadline=None):
            self.asked += questions
            reached.set()
            if len(self.asked) == 1 and on_its_way:
                await asyncio.Event().wait()
            return [found(question) for question in questions]

    fake = Held()
    reached = asyncio.Event()

    async def cancel_the_first():
        resolver = CachingResolver(fake)
        first = asyncio.ensure_future(resolver.resolve_async([Q]))
        if on_its_way:
            await asyncio.wait_for(reached.wait(), 2)
        else:
            await asyncio.sleep(0)  # it has said what it asks for, and asked nothing yet
        second = asyncio.ensure_future(resolver.resolve_async([Q]))
        await asyncio.sleep(0)  # the second waits for the first
        first.cancel()
        return await asyncio.wait_for(second, 2)

    assert asyncio.run(cancel_the_first()) == [found(Q)]
    assert fake.asked == asked


def test_each_call_keeps_to_its_own_deadline():
    async def two(first, second):
        resolver = CachingResolver(Fake(0.2))
        now = time.monotonic()
        return await asyncio.gather(
            resolver.resolve_async([Q], first and now + first), resolver.resolve_async([Q], second and now + second)
        )

    start = time.monotonic()
    ((patient,), (hasty,)) = asyncio.run(two(None, 0.05))
    assert (patient.outcome, hasty.cause, hasty.observed_at) == (Outcome.FOUND, Cause.BUDGET, None)
    ((hasty,), (patient,)) = asyncio.run(two(0.05, None))
    assert (patient.outcome, hasty.cause) == (Outcome.FOUND, Cause.BUDGET)
    assert time.monotonic() - start < 2


def test_an_error_of_the_resolver_reaches_every_call_and_leaves_nothing_behind():
    class Broken(Fake):
        async def resolve_async(self, questions, deadline=None):
            await asyncio.sleep(0.01)
            raise NoResolver("no name server")

    resolver = CachingResolver(Broken())

    async def two():
        return await asyncio.gather(*(resolver.resolve_async([Q, OTHER]) for _ in range(2)), return_exceptions=True)

    assert [type(error) for error in asyncio.run(two())] == [NoResolver, NoResolver]
    resolver._resolver = Fake()
    assert asyncio.run(resolver.resolve_async([Q])) == [found(Q)]


def test_the_cache_stands_before_a_live_resolver():
    with NameServer({("a.example", "A"): ["192.0.2.1"]}) as server:
        resolver = CachingResolver(LiveResolver([server.address]))
        for _ in range(3):
            (answer,) = resolver.resolve([Q])
            assert answer.records == (b"192.0.2.1",)
        assert len(server.queries) == 1

"""The loop that every front end judges through: fetch, budget, record, replay, and the two calls of the library."""

import asyncio
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import signing
from tests.zone import Zone
from verify import Config, Envelope, Judge, Limits, to_header, to_json, verify_message, verify_message_async
from verify.grammar.results import parse_results
from verify.model import AnomalyCode, Cause, Conclusion, ConclusionReason, DkimWord, Question
from verify.render.data import schema

NOW = 1_767_348_245
ENVELOPE = Envelope(client_ip="192.0.2.10", helo="mail.legit.example", mail_from="a@legit.example")
MAIL = b"From: A <a@legit.example>\r\nSubject: hello\r\nDate: Fri, 02 Jan 2026 10:04:05 +0000\r\n\r\nbody\r\n"
WORLD = {
    "legit.example": {"TXT": ["v=spf1 include:a.legit.example -all"]},
    "a.legit.example": {"TXT": ["v=spf1 include:b.legit.example -all"]},
    "b.legit.example": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"]},
    "_dmarc.legit.example": {"TXT": ["v=DMARC1; p=reject"]},
}
VALIDATOR = jsonschema.Draft202012Validator(schema())


class Network:
    """A resolver over a zone: what ``LiveResolver`` would be, without a socket."""

    def __init__(self, world):
        self.zone = Zone(world, observed_at=NOW)

    def resolve(self, questions, deadline=None):
        return [self.zone.ask(q) for q in questions]

    async def resolve_async(self, questions, deadline=None):
        await asyncio.sleep(0)
        return self.resolve(questions)

    def describe(self):
        return "a zone in memory"


def judge(raw=MAIL, world=WORLD, envelope=ENVELOPE, **config):
    network = Network(world)
    with Judge(Config(**config), clock=lambda: NOW, resolver=network) as one:
        return one.judge(raw, None, envelope), network.zone


def same(verdict):
    """A verdict as JSON without what a replay may change."""
    document = json.loads(to_json(verdict))
    document.pop("elapsed_ms")
    for key in ("live", "recorded"):
        document["dns"].pop(key)
    document["source"].pop("path")
    return document


def test_the_sync_and_the_async_loop_give_the_same_verdict():
    verdict, _ = judge()

    async def later():
        with Judge(Config(), clock=lambda: NOW, resolver=Network(WORLD)) as one:
            return await one.judge_async(MAIL, None, ENVELOPE)

    assert same(asyncio.run(later())) == same(verdict)
    assert verdict.conclusion_reason is ConclusionReason.SPF_ALIGNED
    assert verdict.elapsed_ms is not None
    assert verdict.dns.live == verdict.dns.questions > 0


def test_an_author_domain_that_does_not_exist_is_said_not_to_and_asked_for_only_where_it_may_not():
    def seen(world):
        verdict, zone = judge(MAIL.replace(b"legit", b"absent"), world)
        said = any(a.code is AnomalyCode.NO_SUCH_AUTHOR_DOMAIN for a in verdict.anomalies)
        return verdict.conclusion_reason, said, Question("absent.example", "TXT") in zone.asked

    no_policy = ConclusionReason.NO_POLICY
    assert seen(WORLD) == (no_policy, True, True)
    assert seen({**WORLD, "absent.example": {"A": ["192.0.2.7"]}}) == (no_policy, False, True)
    assert seen({**WORLD, "x.absent.example": {"A": ["192.0.2.7"]}}) == (no_policy, False, True)  # an empty name
    assert seen({**WORLD, "_dmarc.absent.example": {"TXT": ["no policy"]}}) == (no_policy, False, False)
    assert seen({**WORLD, "absent.example": Cause.TIMEOUT})[:2] == (no_policy, False)


def test_no_question_is_asked_twice():
    _, zone = judge()
    assert len(zone.asked) == len(set(zone.asked))


def test_a_spent_budget_is_an_answer_that_counts_only_where_it_could_decide():
    verdict, zone = judge(limits=Limits(dns_questions=3))
    assert len(zone.asked) <= 3
    assert (verdict.conclusion, verdict.conclusion_reason) == (Conclusion.UNDETERMINED, ConclusionReason.DNS)
    assert Cause.BUDGET in {e.cause for e in verdict.dns.errors}


def test_what_cannot_align_may_not_spend_the_budget():
    raw = signing.sign(MAIL, "legit.example", "s", signing.rsa_key())
    for number in range(9):
        raw = signing.sign(raw, f"stranger{number}.example", "s", signing.rsa_key())
    world = {**WORLD, "s._domainkey.legit.example": {"TXT": [signing.key_record(signing.rsa_key())]}}
    envelope = Envelope(client_ip="203.0.113.6", helo="x.example", mail_from="x@attack.example")
    verdict, _ = judge(raw, world, envelope, limits=Limits(dns_questions=8, dns_questions_other=2))
    assert verdict.conclusion_reason is ConclusionReason.DKIM_ALIGNED
    assert [s.result for s in verdict.dkim].count(DkimWord.TEMPERROR) >= 7


def test_large_keys_of_strangers_cannot_spend_the_octets_of_what_could_align():
    raw = MAIL
    for number in range(10):
        raw = signing.sign(raw, "attack.example", f"s{number}", signing.rsa_key())
    keys = {f"s{number}._domainkey.attack.example": {"TXT": ["v=DKIM1; p=" + "A" * 60_000]} for number in range(10)}
    envelope = Envelope(client_ip="203.0.113.6", helo="x.attack.example", mail_from="a@legit.example")
    verdict, zone = judge(raw, {**WORLD, **keys}, envelope)
    assert (verdict.conclusion, verdict.conclusion_reason) == (Conclusion.FAILED, ConclusionReason.NOT_ALIGNED)
    asked = [q.name for q in zone.asked]
    assert asked.index("b.legit.example") < min(i for i, name in enumerate(asked) if name.startswith("s"))


def test_a_run_that_is_recorded_has_one_time(tmp_path: Path):
    ticks = iter(range(NOW, NOW + 1000, 10))
    path = tmp_path / "r.dns.jsonl"
    with Judge(Config(record=str(path)), clock=lambda: next(ticks), resolver=Network(WORLD)) as one:
        verdicts = [one.judge(MAIL, None, ENVELOPE) for _ in range(2)]
    replayed = verify_message(MAIL, envelope=ENVELOPE, config=Config(dns=str(path)))
    assert [same(v) for v in verdicts] == [same(replayed)] * 2


def test_octets_of_answers_are_counted():
    world = {**WORLD, "legit.example": {"TXT": ["v=spf1 include:a.legit.example -all", "x" * 5000]}}
    verdict, _ = judge(world=world, limits=Limits(dns_octets=4000))
    assert Cause.BUDGET in {e.cause for e in verdict.dns.errors}


def test_a_recording_replays_to_the_same_verdict_and_keeps_the_budget(tmp_path: Path):
    path = tmp_path / "case.dns.jsonl"
    recorded, _ = judge(record=str(path), limits=Limits(dns_questions=4))
    assert '"budget"' in path.read_text()
    replayed = verify_message(MAIL, envelope=ENVELOPE, config=Config(dns=str(path)))
    assert same(replayed) == same(recorded)
    assert replayed.dns.live == 0


def test_under_a_recording_the_first_answer_stands_for_the_whole_run(tmp_path: Path):
    network = Network(WORLD)
    with Judge(Config(record=str(tmp_path / "r.jsonl")), clock=lambda: NOW, resolver=network) as one:
        first = one.judge(MAIL, None, ENVELOPE)
        network.zone.add("b.legit.example", {"TXT": ["v=spf1 -all"]})
        again = one.judge(MAIL, None, ENVELOPE)
    assert same(first) == same(again)


def test_without_dns_nothing_is_asked_and_nothing_is_failed():
    verdict = verify_message(MAIL, envelope=ENVELOPE, config=Config(dns="none"))
    assert (verdict.conclusion, verdict.conclusion_reason) == (Conclusion.UNDETERMINED, ConclusionReason.NOT_RECORDED)
    assert verdict.dns.live == verdict.dns.recorded == 0


def test_the_async_call_of_the_library():
    verdict = asyncio.run(verify_message_async(MAIL, envelope=ENVELOPE, config=Config(dns="none")))
    assert verdict.conclusion_reason is ConclusionReason.NOT_RECORDED


def test_an_unknown_public_name_is_an_attribute_error():
    import verify

    with pytest.raises(AttributeError, match="nothing"):
        verify.nothing  # noqa: B018


HEADER_WORDS = st.sampled_from(
    [
        b"From: ", b"To: ", b"Subject: ", b"Received: from x (x [192.0.2.1]) by y with ESMTP; ", b"DKIM-Signature: ",
        b"v=1; a=rsa-sha256; d=legit.example; s=s; h=from; bh=; b=", b"ARC-Seal: i=1; ", b"ARC-Message-Signature: i=1;",
        b"Authentication-Results: localhost; dkim=pass", b"Return-Path: <a@legit.example>", b"a@legit.example",
        b"<", b">", b",", b"\"", b"(", b")", b";", b"=?utf-8?B?", b"?=", b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\xff", b"\x1b[31m",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.lists(st.one_of(HEADER_WORDS, st.binary(max_size=6)), max_size=40).map(b"".join)
    )
)
def test_any_bytes_give_a_verdict_that_fits_the_schema_and_a_header_that_reads_back(raw):
    verdict, _ = judge(raw, envelope=Envelope())
    VALIDATOR.validate(json.loads(to_json(verdict)))
    field = to_header(verdict)
    name, _, value = field.partition(":")
    assert name == "Authentication-Results"
    parsed = parse_results(value.encode(), Limits())
    assert parsed is not None
    expected = len(verdict.dkim) or 1
    assert sum(r.method == "dkim" for r in parsed.results) <= expected
    assert all(31 < ord(char) < 127 or char in "\r\n\t" for char in field)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(HEADER_WORDS, st.binary(max_size=6)), max_size=30).map(b"".join), st.data())
def test_record_then_replay_gives_the_same_verdict(tmp_path_factory, raw, data):
    path = tmp_path_factory.mktemp("replay") / "r.dns.jsonl"
    outcomes = [None, Cause.TIMEOUT, Cause.SERVFAIL]
    world = {name: data.draw(st.sampled_from(outcomes)) or records for name, records in WORLD.items()}
    recorded, _ = judge(raw, world, record=str(path))
    with Judge(Config(dns=str(path))) as again:
        replayed = again.judge(raw, None, ENVELOPE)
    assert same(replayed) == same(recorded)

"""iprev by RFC 8601 3: each result word with its reason, and which failures count."""

import pytest

from tests.zone import Zone, in_rounds
from verify.checks.iprev import check_iprev, first_questions
from verify.model import Cause, IprevResult, IprevWord, Limits, NotKnownYet, Outcome, Question, Reason

PTR = "1.2.0.192.in-addr.arpa"
PTR6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
HERE = {"A": ["192.0.2.1"]}
ELSEWHERE = {"A": ["192.0.2.9"]}


def check(records, client_ip="192.0.2.1", limits=Limits()):  # noqa: B008 - frozen
    return check_iprev(client_ip, Zone(records).ask, limits)


@pytest.mark.parametrize(
    ("records", "result", "reason"),
    [
        ({PTR: {"PTR": ["mx.example"]}, "mx.example": HERE}, IprevWord.PASS, Reason.CONFIRMED),
        ({PTR: {"PTR": ["mx.example"]}, "mx.example": ELSEWHERE}, IprevWord.FAIL, Reason.NOT_CONFIRMED),
        ({PTR: {"PTR": ["mx.example"]}}, IprevWord.FAIL, Reason.NOT_CONFIRMED),
        ({PTR: {"PTR": ["mx.example"]}, "mx.example": {"A": ["no address"]}}, IprevWord.FAIL, Reason.NOT_CONFIRMED),
        ({PTR: {"PTR": ["no host name!"]}}, IprevWord.FAIL, Reason.NOT_CONFIRMED),
        ({}, IprevWord.PERMERROR, Reason.NO_PTR),
        ({PTR: {"TXT": ["x"]}}, IprevWord.PERMERROR, Reason.NO_PTR),
        ({PTR: Cause.TIMEOUT}, IprevWord.TEMPERROR, Reason.DNS_TIMEOUT),
        ({PTR: Cause.SERVFAIL}, IprevWord.TEMPERROR, Reason.DNS_SERVFAIL),
        ({PTR: Outcome.NOT_RECORDED}, None, Reason.NOT_RECORDED),
        ({PTR: {"PTR": ["mx.example"]}, "mx.example": Cause.REFUSED}, IprevWord.TEMPERROR, Reason.DNS_REFUSED),
        ({PTR: {"PTR": ["mx.example"]}, "mx.example": Outcome.NOT_RECORDED}, None, Reason.NOT_RECORDED),
    ],
)
def test_each_word_and_its_reason(records, result, reason):
    answer = check(records)
    assert (answer.result, answer.reason) == (result, reason)


@pytest.mark.parametrize("trouble", [Cause.SERVFAIL, Outcome.NOT_RECORDED])
def test_trouble_with_one_name_does_not_count_when_another_leads_back(trouble):
    records = {PTR: {"PTR": ["a.example", "b.example"]}, "a.example": trouble, "b.example": HERE}
    assert check(records) == IprevResult(
        result=IprevWord.PASS, names=("a.example", "b.example"), confirmed=("b.example",), reason=Reason.CONFIRMED
    )


def test_an_ipv6_client_is_looked_up_by_nibbles_and_confirmed_by_aaaa():
    records = {PTR6: {"PTR": ["mx.example."]}, "mx.example": {"AAAA": ["2001:DB8:0:0::1"], "A": ["192.0.2.1"]}}
    assert check(records, "2001:db8::1").confirmed == ("mx.example",)


@pytest.mark.parametrize("client_ip", ["::ffff:192.0.2.1", "[192.0.2.1]"])
def test_a_mapped_or_bracketed_address_is_the_ipv4_address(client_ip):
    assert check({PTR: {"PTR": ["mx.example"]}, "mx.example": HERE}, client_ip).result is IprevWord.PASS


@pytest.mark.parametrize("client_ip", ["", "not an address", "192.0.2.256"])
def test_without_an_address_nothing_is_asked(client_ip):
    zone = Zone()
    assert check_iprev(client_ip, zone.ask, Limits()) == IprevResult(result=None, reason=Reason.NO_CLIENT_IP)
    assert zone.asked == []
    assert first_questions(client_ip) == ()


@pytest.mark.parametrize(
    ("count", "result", "reason"), [(3, IprevWord.FAIL, Reason.NOT_CONFIRMED), (4, None, Reason.LIMIT)]
)
def test_names_beyond_the_limit_are_not_followed_and_not_held_against_the_client(count, result, reason):
    zone = Zone({PTR: {"PTR": [f"n{i}.example" for i in range(count)]}})
    answer = check_iprev("192.0.2.1", zone.ask, Limits(ptr_names=3))
    assert (answer.result, answer.reason, len(answer.names)) == (result, reason, 3)
    assert len(zone.asked) == 4


def test_two_rounds_whatever_the_number_of_names():
    zone = Zone({PTR: {"PTR": [f"n{i}.example" for i in range(5)]}, "n3.example": HERE})
    answer, rounds = in_rounds(zone, lambda ask: check_iprev("192.0.2.1", ask, Limits()))
    assert (answer.confirmed, rounds) == (("n3.example",), 2)


def test_the_first_question_is_the_one_that_is_asked():
    with pytest.raises(NotKnownYet) as wanted:
        check_iprev("192.0.2.1", _unknown, Limits())
    assert wanted.value.questions == first_questions("192.0.2.1") == (Question(PTR, "PTR"),)


def _unknown(question):
    raise NotKnownYet(question)

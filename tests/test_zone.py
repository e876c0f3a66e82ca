"""The name service of the tests answers as DNS does."""

import pytest

from tests.zone import Zone, in_rounds
from verify.model import Cause, Outcome, Question

ZONE = {
    "example.com": {"TXT": ["v=spf1 -all", b"\xff"], "MX": ["20 b.example.com", "10 a.example.com"]},
    "deep.under.example.net": {"A": ["192.0.2.1"]},
    "Alias.Example.": {"CNAME": ["example.com."]},
    "loop.example": {"CNAME": ["loop.example"]},
    "slow.example": {"TXT": Cause.TIMEOUT, "A": ["192.0.2.2"]},
    "dead.example": Cause.SERVFAIL,
    "gap.example": {"A": Outcome.NOT_RECORDED},
}


@pytest.mark.parametrize(
    ("name", "rdtype", "outcome", "cause", "records"),
    [
        ("example.com", "TXT", Outcome.FOUND, None, (b"v=spf1 -all", b"\xff")),
        ("example.com", "MX", Outcome.FOUND, None, (b"10 a.example.com", b"20 b.example.com")),
        ("example.com", "A", Outcome.NODATA, None, ()),
        ("under.example.net", "A", Outcome.NODATA, None, ()),
        ("absent.example.com", "A", Outcome.NXDOMAIN, None, ()),
        ("alias.example", "TXT", Outcome.FOUND, None, (b"v=spf1 -all", b"\xff")),
        ("alias.example", "A", Outcome.NODATA, None, ()),
        ("loop.example", "A", Outcome.TEMPORARY, Cause.SERVFAIL, ()),
        ("slow.example", "TXT", Outcome.TEMPORARY, Cause.TIMEOUT, ()),
        ("slow.example", "A", Outcome.FOUND, None, (b"192.0.2.2",)),
        ("dead.example", "PTR", Outcome.TEMPORARY, Cause.SERVFAIL, ()),
        ("gap.example", "A", Outcome.NOT_RECORDED, None, ()),
    ],
)
def test_zone_answers(name, rdtype, outcome, cause, records):
    answer = Zone(ZONE).ask(Question(name, rdtype))
    assert (answer.outcome, answer.cause, answer.records) == (outcome, cause, records)


def test_in_rounds_learns_one_answer_a_round():
    zone = Zone(ZONE)
    questions = [Question("example.com", "TXT"), Question("example.com", "A")]
    answers, rounds = in_rounds(zone, lambda ask: [ask(question).outcome for question in questions])
    assert (answers, rounds, zone.asked) == ([Outcome.FOUND, Outcome.NODATA], 2, questions)

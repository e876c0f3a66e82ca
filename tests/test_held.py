"""What is held of earlier messages is what the check would say again, and asks what it would ask."""

import pytest

from tests.zone import Zone
from verify.checks import held
from verify.checks.held import Held
from verify.evaluate import NeedAnswers, evaluate
from verify.model import Answer, Envelope, Limits, NotKnownYet, Outcome, Question, Settings, SpfWord, Verdict, replace
from verify.reading.message import parse_message

NOW = 1_767_348_245
FIRST, SECOND = Question("one.example", "TXT"), Question("two.example", "TXT")
ENVELOPE = Envelope(client_ip="192.0.2.10", helo="mail.example.com", mail_from="a@example.com")
MAIL = b"From: A <a@example.com>\r\nSubject: hello\r\n\r\nbody\r\n"
WORLD = {
    "example.com": {"TXT": ["v=spf1 include:pool.example a:mail.example.com -all"]},
    "pool.example": {"TXT": ["v=spf1 ip4:198.51.100.1"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject"]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["mail.example.com"]},
    "mail.example.com": {"A": ["192.0.2.10"]},
}


class Standing:
    """Answers that stay the same values, as a cache or a recording gives them; ``asked``: in the order of asking."""

    def __init__(self, world):
        self.zone = Zone(world, observed_at=NOW)
        self.answers = {}
        self.asked = []

    def __call__(self, question):
        self.asked.append(question)
        if question not in self.answers:
            self.answers[question] = self.zone.ask(question)
        return self.answers[question]

    def known(self, question):
        if question not in self.answers:
            raise NotKnownYet(question)
        return self.answers[question]


def judge(ask, envelope=ENVELOPE, **limits):
    result = evaluate(parse_message(MAIL), envelope, ask, NOW, Settings(limits=Limits(**limits)))
    assert isinstance(result, Verdict)
    return result


def mail_from(ask, envelope=ENVELOPE, **limits):
    return judge(ask, envelope, **limits).spf[0].result


def answer(question, *records):
    return Answer(question=question, outcome=Outcome.FOUND, records=records)


# -- the store ---------------------------------------------------------------------------------------------------


def test_a_result_is_recalled_only_while_each_answer_is_the_very_same():
    results = Held()
    used = {question: answer(question, b"x") for question in (FIRST, SECOND)}
    results.keep("key", "result", used)
    asked = []
    assert results.recall("key", lambda question: asked.append(question) or used[question]) == ("result", used)
    assert asked == [FIRST, SECOND]
    assert results.recall("other", used.__getitem__) is None
    fresh = {**used, SECOND: answer(SECOND, b"x")}
    assert results.recall("key", fresh.__getitem__) is None


def test_an_answer_that_is_not_there_yet_recalls_nothing():
    results = Held()
    results.keep("key", "result", {FIRST: answer(FIRST)})

    def nothing(question):
        raise NotKnownYet(question)

    assert results.recall("key", nothing) is None


def test_what_is_not_worth_it_or_rests_on_much_is_not_held():
    results = Held(lambda result: result != "worthless")
    results.keep("key", "worthless", {})
    assert results.recall("key", {}.__getitem__) is None
    large = {FIRST: answer(FIRST, b"x" * 4000), SECOND: answer(SECOND, b"x" * 4000)}
    results.keep("key", "result", large)
    assert results.recall("key", large.__getitem__) is None


def test_what_is_held_has_a_bound(monkeypatch):
    monkeypatch.setattr(held, "_RESULTS_MOST", 3)
    results = Held()
    for key in range(4):
        results.keep(key, "result", {})
    assert [key for key in range(4) if results.recall(key, {}.__getitem__)] == [3]


# -- verdicts ----------------------------------------------------------------------------------------------------


def test_the_second_message_has_the_same_verdict_and_asks_the_same():
    ask = Standing(WORLD)
    first = judge(ask)
    once, ask.asked = dict.fromkeys(ask.asked), []
    assert judge(ask) == first
    assert list(dict.fromkeys(ask.asked)) == list(once)


@pytest.mark.parametrize(
    ("name", "entry", "changed"),
    [
        ("pool.example", {"TXT": ["v=spf1 +all"]}, lambda v: v.spf[0].mechanism == "include:pool.example"),
        ("_dmarc.example.com", {"TXT": ["v=DMARC1; p=none"]}, lambda v: v.dmarc.policy == "none"),
        ("10.2.0.192.in-addr.arpa", {"PTR": ["other.example"]}, lambda v: v.iprev.result == "fail"),
        ("mail.example.com", {"A": ["192.0.2.10"], "TXT": ["v=spf1 -all"]}, lambda v: v.spf[1].result == "fail"),
    ],
)
def test_no_result_outlives_one_of_its_answers(name, entry, changed):
    ask = Standing(WORLD)
    assert not changed(judge(ask))
    ask.zone.add(name, entry)
    ask.answers = {question: found for question, found in ask.answers.items() if question.name != name}
    needs = evaluate(parse_message(MAIL), ENVELOPE, ask.known, NOW, Settings())
    assert isinstance(needs, NeedAnswers)
    assert name in {question.name for question in needs.decisive + needs.others}
    assert changed(judge(ask))


def test_what_hangs_on_the_local_part_the_client_the_helo_or_a_limit_is_told_apart():
    here = {"A": ["192.0.2.10"]}

    def standing(record, **names):
        others = {f"{name}.example.com".replace("_", "."): here for name in names}
        return Standing({**WORLD, "example.com": {"TXT": [record]}, **others})

    by_sender = standing("v=spf1 exists:%{l}.x.example.com -all", a_x=1)
    senders = [replace(ENVELOPE, mail_from=f"{local}@example.com") for local in "ab"]
    assert [mail_from(by_sender, envelope) for envelope in senders] == [SpfWord.PASS, SpfWord.FAIL]
    by_client = standing("v=spf1 ip4:192.0.2.10 -all")
    clients = [replace(ENVELOPE, client_ip=ip) for ip in ("192.0.2.10", "192.0.2.11")]
    assert [mail_from(by_client, envelope) for envelope in clients] == [SpfWord.PASS, SpfWord.FAIL]
    by_helo = Standing(
        {**WORLD, "example.com": {"TXT": ["v=spf1 exists:%{h}.x.example.com -all"]}, "mx.test.x.example.com": here}
    )
    helos = [replace(ENVELOPE, helo=helo) for helo in ("mx.test", "ns.test")]
    assert [mail_from(by_helo, envelope) for envelope in helos] == [SpfWord.PASS, SpfWord.FAIL]
    by_limit = Standing(WORLD)
    assert [mail_from(by_limit, spf_lookups=most) for most in (10, 1)] == [SpfWord.PASS, SpfWord.PERMERROR]
    names = [f"h{number}.example" for number in range(3)]
    many = Standing({**WORLD, "10.2.0.192.in-addr.arpa": {"PTR": names}, names[2]: here})
    assert [judge(many, ptr_names=most).iprev.result for most in (3, 2)] == ["pass", None]


def test_an_identifier_that_came_to_something_else_is_told_apart():
    ask = Standing(WORLD)
    vouched = judge(ask)
    assert vouched.dmarc.result == "pass"
    other = judge(ask, replace(ENVELOPE, client_ip="192.0.2.99"))
    assert (other.spf[0].result, other.dmarc.result) == (SpfWord.FAIL, "fail")

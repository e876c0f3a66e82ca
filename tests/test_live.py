"""Answers from name servers, honest, broken and lying; every test by both loops."""

import asyncio
import socket
import subprocess
import sys
import time

import dns.name
import pytest

from tests.nameserver import NEGATIVE_TTL, TTL, Behaviour, NameServer
from verify.lookup import carriers
from verify.lookup.exchange import NAMES_ASKED, Exchange, Send, failure
from verify.lookup.live import LiveResolver, NoResolver, parse_server, system_servers
from verify.model import Cause, Outcome, Question, replace

BIG = b"v=DKIM1; p=" + b"A" * 3000


@pytest.fixture(params=["sync", "async"])
def resolve(request):
    """(resolver, questions, deadline) -> answers, by one of the two loops."""

    def run(resolver, questions, deadline=None):
        if request.param == "sync":
            return resolver.resolve(questions, deadline)
        return asyncio.run(resolver.resolve_async(questions, deadline))

    return run


@pytest.fixture
def ask(resolve):
    """Ask one server, patient for a second and a half at most."""

    def run(server, name, rdtype="A", **options):
        (answer,) = resolve(LiveResolver([server.address], **{"timeout": 1.0} | options), [Question(name, rdtype)])
        return answer

    return run


# --- what is found -------------------------------------------------------------------------------------


def test_records_of_every_type_are_found_in_the_form_of_the_model(ask):
    records = {
        ("a.example", "A"): ["192.0.2.2", "192.0.2.1"],
        ("a.example", "AAAA"): ["2001:DB8::2", "::ffff:192.0.2.1"],
        ("a.example", "MX"): ["20 B.example", "10 mx.example", "0 ."],
        ("1.2.0.192.in-addr.arpa", "PTR"): ["Host.A.example"],
        ("t.example", "TXT"): ['"v=spf1 " "-all"', b"\xff\x00" * 200],
    }
    with NameServer(records) as server:
        assert ask(server, "a.example").records == (b"192.0.2.1", b"192.0.2.2")
        assert sorted(ask(server, "a.example", "AAAA").records) == [b"2001:db8::2", b"::ffff:c000:201"]
        assert ask(server, "a.example", "MX").records == (b"0 .", b"10 mx.example", b"20 b.example")
        assert ask(server, "1.2.0.192.in-addr.arpa", "PTR").records == (b"host.a.example",)
        answer = ask(server, "t.example", "TXT")
    assert set(answer.records) == {b"v=spf1 -all", b"\xff\x00" * 200}
    assert (answer.outcome, answer.ttl, answer.ad, answer.recorded) == (Outcome.FOUND, TTL, False, False)


def test_the_time_of_an_answer_is_that_of_the_clock_given(ask):
    with NameServer({("a.example", "A"): ["192.0.2.1"]}) as server:
        assert ask(server, "a.example", clock=lambda: 1_700_000_000.9).observed_at == 1_700_000_000


def test_no_such_name_and_no_data_stay_apart_and_carry_the_ttl_of_the_soa(ask):
    with NameServer({("a.example", "A"): ["192.0.2.1"]}) as server:
        absent, empty, above = ask(server, "b.example"), ask(server, "a.example", "MX"), ask(server, "example", "TXT")
    assert (absent.outcome, absent.ttl, absent.cause, absent.records) == (Outcome.NXDOMAIN, NEGATIVE_TTL, None, ())
    assert (empty.outcome, empty.ttl) == (Outcome.NODATA, NEGATIVE_TTL)
    assert above.outcome is Outcome.NODATA


def test_a_wildcard_answers_for_names_below_it(ask):
    with NameServer({("*.w.example", "TXT"): ['"wild"'], ("a.w.example", "A"): ["192.0.2.1"]}) as server:
        assert ask(server, "x.y.w.example", "TXT").records == (b"wild",)
        assert ask(server, "a.w.example", "TXT").outcome is Outcome.NODATA


def test_an_answer_in_other_case_is_the_answer(ask):
    with NameServer({("abc.example", "A"): ["192.0.2.1"]}, {"abc.example": Behaviour.UPPER_CASE}) as server:
        assert ask(server, "abc.example").records == (b"192.0.2.1",)


def test_the_names_that_spf_macros_make_go_out_label_by_label(ask):
    for name in ("jack&jill=up.foo+bar._spf.example", "macro%percent  space%20url.example", '"a b"@c;(d).example'):
        with NameServer({(_as_dns_text(name), "A"): ["127.0.0.2"]}) as server:
            assert ask(server, name).records == (b"127.0.0.2",)


def test_a_cname_between_such_names_is_followed(ask):
    alias, target = _as_dns_text("a b.example"), _as_dns_text("c  d.example")
    with NameServer({(alias, "CNAME"): [target], (target, "A"): ["127.0.0.2"]}) as server:
        assert ask(server, "a b.example").records == (b"127.0.0.2",)
    with NameServer({(alias, "CNAME"): [target], (target, "A"): ["127.0.0.2"]}, chase=False) as server:
        assert ask(server, "a b.example").records == (b"127.0.0.2",)


def _as_dns_text(name):
    return dns.name.Name([*(label.encode() for label in name.split(".")), b""]).to_text(omit_final_dot=True)


@pytest.mark.parametrize(
    "name",
    [
        "ex\\ample.com",
        "a..example",
        "A.example",
        "a.example.",
        "",
        "é.example",
        "x" * 64 + ".example",
        "a.\0.example",
    ],
)
def test_a_name_that_no_question_can_have_is_never_sent(ask, name):
    with NameServer() as server:
        answer = ask(server, name)
        assert (answer.outcome, answer.cause, answer.observed_at) == (Outcome.TEMPORARY, Cause.MALFORMED, None)
        assert server.queries == []


def test_names_in_an_answer_that_hold_a_dot_or_a_control_within_a_label_are_escaped(ask):
    records = {
        ("1.2.0.192.in-addr.arpa", "PTR"): [
            "a\\.b.example",
            "x\\013\\010y.example",
            "a\\ b.example",
            'q\\"\\\\.example',
            "ok.example",
        ]
    }
    with NameServer(records) as server:
        found = ask(server, "1.2.0.192.in-addr.arpa", "PTR").records
    assert found == (b"a\\032b.example", b"a\\046b.example", b"ok.example", b'q"\\092.example', b"x\\013\\010y.example")


def test_equal_questions_are_asked_once_and_answers_come_in_the_order_of_the_questions(resolve):
    questions = [Question(name, "A") for name in ("b.example", "a.example", "b.example", "c.example")]
    with NameServer({(f"{c}.example", "A"): [f"192.0.2.{i}"] for i, c in enumerate("abc", 1)}) as server:
        answers = resolve(LiveResolver([server.address]), questions)
        assert [answer.question for answer in answers] == questions
        assert [answer.records[0][-1:] for answer in answers] == [b"2", b"1", b"2", b"3"]
        assert len(server.queries) == 3


def test_no_question_is_no_work(resolve):
    assert resolve(LiveResolver(["192.0.2.1"]), []) == []


def test_many_questions_are_answered_with_a_few_in_flight(resolve):
    records = {(f"n{i}.example", "TXT"): [f'"{i}"'] for i in range(300)}
    with NameServer(records, {f"n{i}.example": Behaviour.TIMEOUT for i in range(0, 300, 50)}) as server:
        answers = resolve(
            LiveResolver([server.address], concurrency=16, timeout=0.5),
            [Question(f"n{i}.example", "TXT") for i in range(300)],
        )
    for i, answer in enumerate(answers):
        if i % 50:
            assert answer.records == (b"%d" % i,)
        else:
            assert answer.cause is Cause.TIMEOUT


# --- CNAME ----------------------------------------------------------------------------------------------

CHAIN = {
    ("a.example", "CNAME"): ["b.example"],
    ("b.example", "CNAME"): ["c.example"],
    ("c.example", "A"): ["192.0.2.1"],
    ("dangling.example", "CNAME"): ["nowhere.example"],
}


@pytest.mark.parametrize("chase", [True, False])
def test_a_cname_chain_is_followed_within_an_answer_and_by_asking_again(ask, chase):
    with NameServer(CHAIN, chase=chase) as server:
        found, empty, absent = ask(server, "a.example"), ask(server, "a.example", "MX"), ask(server, "dangling.example")
        assert len(server.queries) == (3 if chase else 8)
    assert (found.question.name, found.outcome, found.records) == ("a.example", Outcome.FOUND, (b"192.0.2.1",))
    assert (empty.outcome, empty.ttl) == (Outcome.NODATA, NEGATIVE_TTL)
    assert absent.outcome is Outcome.NXDOMAIN


@pytest.mark.parametrize("chase", [True, False])
def test_a_cname_loop_is_a_failure_and_ends(ask, chase):
    loop = {
        ("a.example", "CNAME"): ["b.example"],
        ("b.example", "CNAME"): ["a.example"],
        ("c.example", "CNAME"): ["c.example"],
    }
    with NameServer(loop, chase=chase) as server:
        for name in ("a.example", "c.example"):
            answer = ask(server, name)
            assert (answer.outcome, answer.cause) == (Outcome.TEMPORARY, Cause.MALFORMED)
        assert len(server.queries) <= 4


@pytest.mark.parametrize("chase", [True, False])
def test_an_endless_cname_chain_ends(ask, chase):
    chain = {(f"n{i}.example", "CNAME"): [f"n{i + 1}.example"] for i in range(60)}
    with NameServer(chain, chase=chase) as server:
        assert ask(server, "n0.example").cause is Cause.MALFORMED
        assert len(server.queries) <= NAMES_ASKED


# --- failures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (Behaviour.TIMEOUT, Cause.TIMEOUT),
        (Behaviour.SERVFAIL, Cause.SERVFAIL),
        (Behaviour.REFUSED, Cause.REFUSED),
        (Behaviour.NOTIMP, Cause.MALFORMED),
        (Behaviour.GARBAGE, Cause.MALFORMED),
        (Behaviour.SHORT, Cause.TIMEOUT),
        (Behaviour.WRONG_ID, Cause.TIMEOUT),
        (Behaviour.WRONG_QUESTION, Cause.TIMEOUT),
        (Behaviour.NOT_A_REPLY, Cause.TIMEOUT),
        (Behaviour.LYING, Cause.MALFORMED),
        (Behaviour.REFERRAL, Cause.REFUSED),
        (Behaviour.TRUNCATED_ALWAYS, Cause.MALFORMED),
        (Behaviour.NO_TCP, Cause.TIMEOUT),
    ],
)
@pytest.mark.parametrize("name", ["a.example", "absent.example"])
def test_a_failure_is_temporary_with_its_cause_and_never_an_answer(ask, behaviour, cause, name):
    with NameServer(
        {("a.example", "A"): ["192.0.2.1"]}, {"a.example": behaviour, "absent.example": behaviour}
    ) as server:
        answer = ask(server, name, timeout=0.2)
    assert (answer.outcome, answer.cause, answer.records, answer.ttl) == (Outcome.TEMPORARY, cause, (), None)
    assert answer.observed_at is not None


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour.WRONG_ID_FIRST,
        Behaviour.WRONG_QUESTION_FIRST,
        Behaviour.FLOOD,
        Behaviour.SLOW,
        Behaviour.SECOND_TRY,
        Behaviour.FORMERR_FOR_EDNS,
        Behaviour.TRUNCATED,
        Behaviour.SPLIT_TCP,
    ],
)
def test_the_honest_answer_is_taken_after_all(ask, behaviour):
    with NameServer({("a.example", "A"): ["192.0.2.1"]}, {"a.example": behaviour}) as server:
        answer = ask(server, "a.example", timeout=2.0)
    assert (answer.outcome, answer.records) == (Outcome.FOUND, (b"192.0.2.1",))


def test_an_answer_too_large_for_a_datagram_comes_over_tcp_whole(ask):
    with NameServer({("k.example", "TXT"): [BIG]}) as server:
        assert ask(server, "k.example", "TXT").records == (BIG,)
        assert [query[2] for query in server.queries] == ["udp", "tcp"]


def test_a_slow_connection_is_waited_for_and_not_opened_again(ask):
    with NameServer({("a.example", "A"): ["192.0.2.1"]}, {"a.example": Behaviour.SLOW_TCP}, slow=0.6) as server:
        assert ask(server, "a.example", timeout=1.0).records == (b"192.0.2.1",)
        assert [query[2] for query in server.queries] == ["udp", "tcp"]


def test_a_timeout_keeps_to_the_time_for_one_question(ask):
    with NameServer(behaviour={"a.example": Behaviour.TIMEOUT}) as server:
        start = time.monotonic()
        ask(server, "a.example", timeout=0.5)
        assert 0.45 < time.monotonic() - start < 1.5
        assert len(server.queries) == 3


def test_nothing_that_listens_there_is_a_failure_at_once(resolve):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.monotonic()
    (answer,) = resolve(LiveResolver([f"127.0.0.1:{port}"], timeout=5), [Question("a.example", "A")])
    assert (answer.outcome, answer.cause) == (Outcome.TEMPORARY, Cause.TIMEOUT)
    assert time.monotonic() - start < 2


# --- several servers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour", [Behaviour.TIMEOUT, Behaviour.SERVFAIL, Behaviour.REFUSED, Behaviour.GARBAGE, Behaviour.NO_TCP]
)
def test_the_next_server_is_asked_when_one_fails(resolve, behaviour):
    records = {("a.example", "A"): ["192.0.2.1"]}
    with NameServer(records, {"a.example": behaviour}) as bad, NameServer(records) as good:
        (answer,) = resolve(LiveResolver([bad.address, good.address], timeout=1), [Question("a.example", "A")])
    assert answer.records == (b"192.0.2.1",)


def test_a_server_that_is_silent_loses_its_first_place(resolve):
    records = {(f"{c}.example", "A"): ["192.0.2.1"] for c in "abc"}
    with NameServer(records, {f"{c}.example": Behaviour.TIMEOUT for c in "abc"}) as bad, NameServer(records) as good:
        resolver = LiveResolver([bad.address, good.address], timeout=1)
        for c in "abc":
            (answer,) = resolve(resolver, [Question(f"{c}.example", "A")])
            assert answer.outcome is Outcome.FOUND
        assert len(bad.queries) == 1


def test_a_slow_first_server_may_still_answer_while_the_second_is_asked(resolve):
    records = {("a.example", "A"): ["192.0.2.1"]}
    behaviour = {"a.example": Behaviour.SLOW}
    with (
        NameServer(records, behaviour, slow=0.5) as slow,
        NameServer(behaviour={"a.example": Behaviour.TIMEOUT}) as mute,
    ):
        (answer,) = resolve(LiveResolver([slow.address, mute.address], timeout=1.2), [Question("a.example", "A")])
    assert answer.outcome is Outcome.FOUND


def test_a_definite_failure_is_the_cause_when_the_others_are_silent(resolve):
    with (
        NameServer(behaviour={"a.example": Behaviour.SERVFAIL}) as broken,
        NameServer(behaviour={"a.example": Behaviour.TIMEOUT}) as mute,
    ):
        (answer,) = resolve(LiveResolver([broken.address, mute.address], timeout=0.4), [Question("a.example", "A")])
    assert answer.cause is Cause.SERVFAIL


# --- budget, rate, AD ---------------------------------------------------------------------------------------


def test_what_has_no_answer_by_the_deadline_is_budget_and_the_rest_is_kept(resolve):
    behaviour = {f"t{i}.example": Behaviour.TIMEOUT for i in range(4)}
    questions = [Question(n, "A") for n in ("a.example", "t0.example", "t1.example", "t2.example", "t3.example")]
    with NameServer({("a.example", "A"): ["192.0.2.1"]}, behaviour) as server:
        resolver = LiveResolver([server.address], concurrency=2, timeout=5)
        start = time.monotonic()
        answers = resolve(resolver, questions, start + 0.3)
        assert time.monotonic() - start < 1
    assert answers[0].outcome is Outcome.FOUND
    assert [(a.outcome, a.cause) for a in answers[1:]] == [(Outcome.TEMPORARY, Cause.BUDGET)] * 4
    assert sum(answer.observed_at is None for answer in answers) == 2  # two were never asked


def test_a_deadline_that_is_over_asks_nothing(resolve):
    with NameServer() as server:
        (answer,) = resolve(LiveResolver([server.address]), [Question("a.example", "A")], time.monotonic() - 1)
        assert (answer.cause, answer.observed_at) == (Cause.BUDGET, None)
        assert server.queries == []


def test_the_rate_is_kept(resolve):
    records = {(f"n{i}.example", "A"): ["192.0.2.1"] for i in range(11)}
    with NameServer(records) as server:
        start = time.monotonic()
        answers = resolve(LiveResolver([server.address], rate=25), [Question(f"n{i}.example", "A") for i in range(11)])
        assert 0.35 < time.monotonic() - start < 3
    assert {answer.outcome for answer in answers} == {Outcome.FOUND}


def test_the_ad_bit_counts_from_loopback_only_and_only_when_set(ask, monkeypatch):
    assert [parse_server(text).vouched for text in ("127.0.0.9", "::1", "192.0.2.1", "10.0.0.1")] == [
        True,
        True,
        False,
        False,
    ]
    with NameServer({("a.example", "A"): ["192.0.2.1"]}, {"a.example": Behaviour.AUTHENTIC}) as server:
        assert ask(server, "a.example").ad is True
        far = replace(parse_server(server.address), vouched=False)
        monkeypatch.setattr("verify.lookup.live.parse_server", lambda text: far)
        assert ask(server, "a.example").ad is False


def loopbacks():
    """The addresses of this machine that a server can listen at."""
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", loopbacks())
def test_a_name_server_is_asked_over_the_family_of_its_address(ask, host):
    with NameServer({("a.example", "A"): ["192.0.2.1"], ("k.example", "TXT"): [BIG]}, host=host) as server:
        assert ask(server, "a.example").records == (b"192.0.2.1",)
        assert ask(server, "k.example", "TXT").records == (BIG,)


def test_calls_at_the_same_time_share_one_loop():
    records = {(f"n{i}.example", "A"): ["192.0.2.1"] for i in range(20)}

    async def many(resolver):
        return await asyncio.gather(*(resolver.resolve_async([Question(f"n{i}.example", "A")]) for i in range(20)))

    with NameServer(records) as server:
        resolver = LiveResolver([server.address], concurrency=3)
        for _ in range(2):  # two event loops in turn
            assert all(answer.outcome is Outcome.FOUND for (answer,) in asyncio.run(many(resolver)))


# --- which servers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ("[192.0.2.1]:54", "192.0.2.1:54"),
        ("fe80::1%1", "[fe80::1%1]:53"),
    ],
)
def test_a_server_is_an_address_with_or_without_port(text, shown):
    assert parse_server(text).text == shown
    assert LiveResolver([text]).describe() == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:٣",
        "[::1]53",
        "300.0.0.1",
        "::1:x",
        "fe80::1%no-such-interface",
    ],
)
def test_a_server_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="no name server"):
        parse_server(text)


def test_the_servers_of_the_system_are_read_when_first_needed(monkeypatch, tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text("search corp.example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    real = LiveResolver()
    monkeypatch.setattr("verify.lookup.live.RESOLV_CONF", conf)
    assert real.describe() == "192.0.2.53:53, [2001:db8::53]:53"
    for text in ("", "nameserver\n", "nameserver https://dns.example/\n"):
        conf.write_text(text)
        with pytest.raises(NoResolver, match="the system configuration names none"):
            system_servers()
    conf.unlink()
    with pytest.raises(NoResolver, match=r"no name server: .* cannot be read: No such file"):
        system_servers()


@pytest.mark.skipif(sys.platform == "win32", reason="has no resolv.conf")
def test_the_servers_of_the_system_are_found_without_dnspython(tmp_path):
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    program = (
        f"import pathlib, sys; from verify.lookup import live; live.RESOLV_CONF = pathlib.Path({str(tmp_path)!r}, 'resolv.conf')\n"
        "print(live.LiveResolver().describe(), 'dns' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "192.0.2.53:53 False\n"


@pytest.mark.parametrize(
    "text",
    [
        "nameserver 192.0.2.53\r\n; nameserver 192.0.2.54\n#nameserver 192.0.2.55\nnameserver\t2001:db8::53 # ours\n",
        " nameserver 192.0.2.1\nnameserver 192.0.2.2 192.0.2.3\noptions rotate edns0\nNameserver 192.0.2.4\n",
        "domain corp.example\nnameserver 192.0.2.1\x0cnameserver 192.0.2.2\nsortlist x\nnameserver 127.0.0.1",
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="has no resolv.conf")
def test_the_servers_of_the_system_are_those_that_dnspython_finds(monkeypatch, tmp_path, text):
    from dns.resolver import Resolver

    conf = tmp_path / "resolv.conf"
    conf.write_bytes(text.encode())
    monkeypatch.setattr("verify.lookup.live.RESOLV_CONF", conf)
    assert [server.address[0] for server in system_servers()] == Resolver(str(conf)).nameservers


def test_without_a_name_server_both_loops_say_so(resolve, monkeypatch):
    monkeypatch.setattr(
        "verify.lookup.live.system_servers", lambda: (_ for _ in ()).throw(NoResolver("no name server"))
    )
    with pytest.raises(NoResolver):
        resolve(LiveResolver(), [Question("a.example", "A")])


def test_an_exchange_that_ends_while_others_learn_of_a_lost_socket_ends_once(monkeypatch):
    loop = carriers._Loop([])
    exchange = Exchange(Question("a.example", "A"), [0], vouched=frozenset(), timeout=1.0)

    def lose(_):
        exchange.answer = failure(exchange.question, Cause.TIMEOUT)
        loop._perform(exchange, [])

    def refuse(*_):
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "_lose", lose)
    monkeypatch.setattr(loop, "_send", refuse)
    loop._udp[0] = object()
    loop.open[exchange] = []
    try:
        loop._perform(exchange, [Send(0, b"", False)])
        assert list(loop.ended) == [exchange]
    finally:
        loop._udp.clear()
        loop.close()

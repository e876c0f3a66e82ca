"""The milter beside a real Postfix: what is delivered, held, deferred and rejected, octet by octet, and in trouble.

Debian package: postfix.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import signal
import smtplib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import signing
from tests.integration.mailserver import Milter, Postfix, Sink, needed, ours
from tests.nameserver import Behaviour, NameServer
from tests.readme import README, blocks
from tests.test_filter import SPELLINGS

RECORDS = {
    ("legit.example", "TXT"): [b"v=spf1 ip4:192.0.2.10 ip6:2001:db8::7 -all"],
    ("_dmarc.legit.example", "TXT"): [b"v=DMARC1; p=reject"],
    ("_dmarc.quiet.example", "TXT"): [b"v=DMARC1; p=quarantine"],
    ("_dmarc.open.example", "TXT"): [b"v=DMARC1; p=none"],
    ("s._domainkey.legit.example", "TXT"): [signing.key_record(signing.rsa_key()).encode()],
    ("_dmarc.slow.example", "TXT"): [b"v=DMARC1; p=reject"],
    ("_dmarc.later.example", "TXT"): [b"v=DMARC1; p=reject"],
}
BEHAVIOUR = {"dead.example": Behaviour.TIMEOUT, "_dmarc.dead.example": Behaviour.TIMEOUT}
LYING = {("lie.example", "TXT"): Behaviour.LYING, ("_dmarc.lie.example", "TXT"): Behaviour.WRONG_ID}
SLOW = {(name, "TXT"): Behaviour.SLOW for one in ("slow.example", "later.example") for name in (one, "_dmarc." + one)}
GOOD = b"From: a@legit.example\r\nTo: u@r.example\r\nSubject: x\r\nDate: Fri, 02 Jan 2026 10:00:00 +0000\r\nMessage-Id: <1@legit.example>\r\n\r\nbody\r\n"
ENFORCE = '[policy]\non-reject = "reject"\non-quarantine = "quarantine"\non-dns = "defer"\n'
MESSAGES = int(os.environ.get("MAILVERDICT_MESSAGES", "400"))  # of the long runs; 10,000 for a thorough one


class World:
    """Postfix with three milters: one that adds, one that enforces, one that gets into trouble."""

    def __init__(self, folder: Path, sink: Sink, server: NameServer) -> None:
        dns = f'resolver = "{server.address}"\ndns-timeout = 1\n'
        self.adding = Milter(folder, "adding", dns + "[milter]\nworkers = 2\n")
        self.enforcing = Milter(folder, "enforcing", dns + ENFORCE)
        self.troubled = Milter(folder, "troubled", dns + "[milter]\ntime-budget = 2.0\n")
        self.sink = sink
        self.postfix = Postfix(
            folder,
            sink,
            {one: getattr(self, one).where for one in ("adding", "enforcing", "troubled")} | {"manual": ""},
            {"troubled": {"milter_content_timeout": "5s", "milter_command_timeout": "5s"}},
        )

    def send(
        self, raw: bytes, name: str = "adding", mail_from: str = "a@legit.example", **client: Any
    ) -> tuple[int, str]:
        """Reply to the end of the message."""
        with self.postfix.client(name, **client) as smtp:
            return say(smtp, raw, mail_from)

    def deliver(self, raw: bytes, *args: Any, **kwargs: Any) -> tuple[bytes, bytes]:
        """Our field on top, and the message below what Postfix adds."""
        before = len(self.sink.messages)
        code, text = self.send(raw, *args, **kwargs)
        assert code == 250, text
        return ours(self.sink.wait(before + 1)[-1])


def say(
    smtp: smtplib.SMTP, raw: bytes, mail_from: str = "a@legit.example", rcpt: str = "u@r.example"
) -> tuple[int, str]:
    """The reply to the message, or the first one that refuses it."""
    for command in (f"MAIL FROM:<{mail_from}> BODY=8BITMIME", f"RCPT TO:<{rcpt}>"):
        code, text = smtp.docmd(command)
        if code != 250:
            return code, text.decode()
    code, text = smtp.data(raw)
    return code, text.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    needed()
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    try:
        with Sink() as sink, NameServer(RECORDS, BEHAVIOUR | SLOW | LYING, slow=4.0) as server:  # type: ignore[no-untyped-call]
            world = World(folder, sink, server)
            with world.adding, world.enforcing, world.troubled, world.postfix:
                yield world
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _empty(world: World) -> None:
    world.sink.clear()
    world.postfix.held()


# ---- what is delivered ----


def test_our_field_is_on_top_and_the_rest_as_it_was_sent(world: World) -> None:
    field, rest = world.deliver(GOOD)
    assert rest == GOOD
    assert field.startswith(b"Authentication-Results: mx.r.example;\r\n\t")
    assert b"spf=pass smtp.mailfrom=legit.example" in field
    assert b"dmarc=pass header.from=legit.example" in field


@pytest.mark.parametrize("forged", SPELLINGS, ids=repr)
def test_forged_results_are_removed(world: World, forged: bytes) -> None:
    field, rest = world.deliver(forged + b"X-Between: y\r\n" + forged + GOOD)
    assert b"dmarc=pass" in field
    assert rest == b"X-Between: y\r\n" + GOOD


def test_of_many_fields_the_right_ones_are_removed(world: World) -> None:
    other = b"Authentication-Results: other.example; dkim=pass header.d=%d.example\r\n"
    kept = b"".join(other % at for at in range(5))
    header = b"".join(other % at + SPELLINGS[at] for at in range(5))
    assert world.deliver(header + GOOD)[1] == kept + GOOD


def test_three_messages_on_one_connection_a_reset_and_two_greetings(world: World) -> None:
    with world.postfix.client("adding") as smtp:
        for domain in ("legit", "open", "quiet"):
            assert say(smtp, GOOD.replace(b"legit", domain.encode()), f"a@{domain}.example")[0] == 250
            smtp.docmd("MAIL FROM:<x@evil.example>")
            smtp.rset()
            smtp.ehlo("other.legit.example")
            smtp.ehlo("mail.legit.example")
    fields = [ours(one)[0] for one in world.sink.wait(3)]
    for domain in (b"legit", b"open", b"quiet"):
        assert sum(b"header.from=" + domain in field for field in fields) == 1


def test_a_client_that_goes_away_in_the_middle(world: World) -> None:
    smtp = world.postfix.client("adding")
    smtp.docmd("MAIL FROM:<a@legit.example>")
    smtp.docmd("RCPT TO:<u@r.example>")
    smtp.docmd("DATA")
    smtp.send(GOOD)
    smtp.close()
    assert world.deliver(GOOD)[1] == GOOD
    time.sleep(0.2)
    assert len(world.sink.messages) == 1


def test_the_null_sender(world: World) -> None:
    field, rest = world.deliver(GOOD, mail_from="", helo="legit.example")
    assert rest == GOOD
    assert b"spf=pass smtp.helo=legit.example" in field


def test_a_client_over_ipv6(world: World) -> None:
    assert b"spf=pass" in world.deliver(GOOD, ip="2001:db8::7", host="::1")[0]
    assert b"spf=fail" in world.deliver(GOOD, ip="2001:db8::8", host="::1")[0]


def test_eight_bit_text_and_addresses_beyond_ascii(world: World) -> None:
    raw = GOOD.replace(b"Subject: x", "Subject: café".encode() + b" \xff\xfe")[:-6] + "bödy \x80\r\n".encode("latin-1")
    assert world.deliver(raw)[1] == raw
    with world.postfix.client("adding") as smtp:
        smtp.command_encoding = "utf-8"
        assert smtp.docmd("MAIL FROM:<jörg@legit.example> BODY=8BITMIME SMTPUTF8")[0] == 250
        assert smtp.docmd("RCPT TO:<ü@r.example>")[0] == 250
        named = GOOD.replace(b"a@legit", "jörg@legit".encode())
        assert smtp.data(named)[0] == 250
    field, rest = ours(world.sink.wait(2)[-1])
    assert rest == named
    assert b"spf=pass" in field


@pytest.mark.parametrize("body", [b"", b".\r\n..\r\n", b"\r\n\r\n", b"no line end", b"x\tx  \r\n \r\n" * 50])
def test_odd_bodies(world: World, body: bytes) -> None:
    raw = signing.sign(GOOD.partition(b"body")[0] + body, "legit.example", "s", signing.rsa_key(), c="simple/simple")
    field, rest = world.deliver(raw)
    assert rest.rstrip(b"\r\n") == raw.rstrip(b"\r\n")
    assert b"dkim=pass" in field or not body.endswith(b"\n")


def test_a_body_of_thirty_megabytes_and_its_signature(world: World) -> None:
    line = random.Random(2).randbytes(36).hex().encode() + b"\r\n"
    raw = signing.sign(GOOD + line * (30_000_000 // len(line)), "legit.example", "s", signing.rsa_key())
    field, rest = world.deliver(raw)
    assert rest == raw
    assert b"dkim=pass" in field


def test_a_thousand_fields(world: World) -> None:
    raw = b"".join(b"X-%d: %s\r\n" % (at, b"y" * (at % 60)) for at in range(1000)) + GOOD
    field, rest = world.deliver(raw)
    assert rest == raw
    assert b"dmarc=pass" in field


def test_blanks_after_the_colon_and_folds_stay_under_a_simple_signature(world: World) -> None:
    raw = b"From:a@legit.example\r\nSubject:   a\r\n \t b\r\nTo:\tu@r.example\r\nDate: x\r\nMessage-Id: <1@x>\r\n\r\nbody\r\n"
    signed = signing.sign(raw, "legit.example", "s", signing.rsa_key(), c="simple/simple")
    field, rest = world.deliver(signed)
    assert rest == signed
    assert b"dkim=pass" in field


def at_once(count: int, work: Callable[[int], Any], connections: int) -> list[Any]:
    with ThreadPoolExecutor(connections) as pool:
        return list(pool.map(work, range(count)))


def test_a_hundred_sessions_at_once(world: World) -> None:
    ready = threading.Barrier(100)

    def one(number: int) -> int:
        with world.postfix.client("adding") as smtp:
            ready.wait(60)
            return say(smtp, GOOD + b"%d\r\n" % number)[0]

    assert at_once(100, one, 100) == [250] * 100
    bodies = sorted(ours(raw)[1] for raw in world.sink.wait(100))
    assert bodies == sorted(GOOD + b"%d\r\n" % number for number in range(100))


# ---- what is not delivered ----


def test_a_failed_message_is_rejected_with_a_text(world: World) -> None:
    code, text = world.send(GOOD, "enforcing", mail_from="x@evil.example", ip="192.0.2.66")
    assert code == 550
    assert text == "5.7.1 Email rejected per DMARC policy for legit.example"


def test_a_failed_message_is_held(world: World) -> None:
    raw = SPELLINGS[0] + GOOD.replace(b"legit", b"quiet")
    assert world.send(raw, "enforcing", mail_from="x@evil.example")[0] == 250
    (held,) = world.postfix.held()
    assert "dmarc=fail" in held
    assert held.count("Authentication-Results") == 1
    assert world.sink.messages == []


def test_a_message_over_which_the_dns_is_silent_is_deferred(world: World) -> None:
    code, text = world.send(GOOD.replace(b"legit", b"dead"), "enforcing", mail_from="x@dead.example")
    assert code == 451
    assert text.startswith("4.7.1 DMARC for dead.example could not be evaluated")


def test_a_good_message_is_delivered_under_enforcement(world: World) -> None:
    assert world.deliver(GOOD, "enforcing")[1] == GOOD


# ---- trouble ----


@pytest.mark.parametrize("domain", ["dead", "lie", "slow"])
def test_dns_that_is_dead_lies_or_answers_after_the_budget_costs_the_result_and_not_the_mail(
    world: World, domain: str
) -> None:
    raw = GOOD.replace(b"legit", domain.encode())
    began = time.monotonic()
    field, rest = world.deliver(raw, "troubled", mail_from=f"a@{domain}.example")
    assert rest == raw
    assert b"spf=temperror" in field
    assert b"dmarc=pass" not in field
    assert b"dmarc=fail" not in field
    assert time.monotonic() - began < 5


def test_killed_in_the_middle_of_a_message_and_started_again(world: World) -> None:
    result: list[tuple[int, str]] = []
    raw = GOOD.replace(b"legit", b"later")
    sender = threading.Thread(target=lambda: result.append(world.send(raw, "troubled", mail_from="a@later.example")))
    sender.start()
    time.sleep(0.5)
    world.troubled.kill()
    sender.join(30)
    assert result[0][0] == 451, "the client keeps the message"
    assert world.send(GOOD, "troubled")[0] == 451, "as long as nobody is there"
    world.troubled.start()
    assert world.deliver(GOOD, "troubled")[1] == GOOD
    assert len(world.sink.messages) == 1


def test_hung_for_a_while(world: World) -> None:
    world.troubled.signal(signal.SIGSTOP)
    try:
        assert world.send(GOOD, "troubled")[0] == 451
    finally:
        world.troubled.signal(signal.SIGCONT)
    assert world.deliver(GOOD, "troubled")[1] == GOOD
    assert len(world.sink.messages) == 1


def test_a_disk_full_for_the_log(world: World) -> None:
    world.troubled.stop()
    world.troubled.start(Path("/dev/full"))
    assert world.deliver(GOOD, "troubled")[1] == GOOD
    assert world.troubled.stop() == 0
    world.troubled.start()


def test_reloaded_under_load_without_losing_a_message(world: World) -> None:
    good = world.troubled.path.read_text()
    stop = threading.Event()

    def reload() -> None:
        for text in (good + "[policy]\nno-such-key = 1\n", good + '[policy]\nwarning-field = "X-Warning"\n') * 100:
            world.troubled.path.write_text(text)
            world.troubled.signal(signal.SIGHUP)
            if stop.wait(0.05):
                break

    reloading = threading.Thread(target=reload)
    reloading.start()
    try:
        codes = at_once(100, lambda at: world.send(GOOD + b"%d\r\n" % at, "troubled"), 8)
    finally:
        stop.set()
        reloading.join()
        world.troubled.path.write_text(good)
        world.troubled.signal(signal.SIGHUP)
    assert {code for code, _ in codes} == {250}
    delivered = sorted(ours(raw)[1] for raw in world.sink.wait(100))
    assert delivered == sorted(GOOD + b"%d\r\n" % at for at in range(100))
    told = world.troubled.told()
    assert "result=refused" in told
    assert "result=taken" in told


def test_messages_in_are_messages_out_and_memory_stays_flat(world: World) -> None:
    count, connections = MESSAGES, 32

    def session(number: int) -> int:
        fine = 0
        with world.postfix.client("adding") as smtp:
            for at in range(number, count, connections):
                raw = GOOD.replace(b"Subject: x", b"Subject: %d" % at) + b"line\r\n" * (at % 500)
                fine += say(smtp, raw)[0] == 250
        return fine

    world.send(GOOD)
    at_once(32, lambda at: world.send(GOOD), 32)
    before = world.adding.memory
    assert sum(at_once(connections, session, connections)) == count
    delivered = world.sink.wait(count + 33, 120)
    assert len(delivered) == count + 33
    subjects = [raw.split(b"\r\nSubject: ")[1].split(b"\r\n")[0] for raw in delivered]
    assert sorted(s for s in subjects if s != b"x") == sorted(b"%d" % at for at in range(count))
    assert all(ours(raw)[0] for raw in delivered)
    assert world.adding.memory < before * 1.1 + 5000


# ---- the manual; last, since it changes how Postfix is set up ----


def test_what_the_manual_says_makes_a_working_filter(world: World, tmp_path: Path) -> None:
    chapter = README.read_text("utf-8").partition("\n## In the mail server: milter\n")[2]
    chapter = chapter.partition("\nA UNIX socket ")[0]  # another way, which test_machine goes
    (config,) = (block for block in blocks("toml", chapter) if block.startswith("# server.toml"))
    (address,) = re.findall(r'listen = \["inet:(\d+)@127.0.0.1"\]', config)
    resolver = re.search(r"^resolver = .*$", world.adding.path.read_text(), re.M)
    assert resolver is not None
    milter = Milter(tmp_path, "manual", f"{resolver[0]}\n{config}")
    commands = [
        shlex.split(line.replace(address, str(milter.port)))
        for block in blocks("sh", chapter)
        for line in block.splitlines()
        if line.startswith(("postconf ", "postfix "))
    ]
    assert len(commands) >= 3
    with milter:
        for program, *words in commands:
            world.postfix.command(program, "-c", str(world.postfix.config), *words)
        end = time.monotonic() + 20
        field = b""
        while not field:  # a reload takes a moment
            assert time.monotonic() < end
            field, rest = world.deliver(GOOD, "manual")
            assert rest == GOOD
    assert b"dmarc=pass" in field

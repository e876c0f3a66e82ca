"""The milter in this process, spoken to frame by frame: judging, removing, acting, and what must never happen."""

from __future__ import annotations

import json
import random
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import signing
from tests.milterclient import Closed, Running, frame, negotiation, serving
from tests.test_filter import KEPT, SAMPLES, SPELLINGS
from tests.zone import Zone
from verify import Config, Envelope, Judge, to_header
from verify.fronts import milter_server
from verify.fronts.milter_message import REMOVALS
from verify.fronts.milter_server import Server
from verify.model import AtMode, Cause, Limits

WORLD: dict[str, Any] = {
    "legit.example": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"]},
    "_dmarc.legit.example": {"TXT": ["v=DMARC1; p=reject"]},
    "_dmarc.quiet.example": {"TXT": ["v=DMARC1; p=quarantine"]},
    "_dmarc.open.example": {"TXT": ["v=DMARC1; p=none"]},
    "slow.example": Cause.TIMEOUT,
    "_dmarc.slow.example": Cause.TIMEOUT,
    "s._domainkey.legit.example": {"TXT": [signing.key_record(signing.rsa_key())]},
}
GOOD = b"From: a@legit.example\r\nSubject: x\r\n\r\nbody\r\n"
FORGED = b"Authentication-Results: mx.r.example; dmarc=pass header.from=legit.example\r\n"
ENFORCE = {"on_reject": "reject", "on_quarantine": "quarantine", "on_dns": "defer"}


@pytest.fixture(scope="module")
def milter(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("m"), Zone(WORLD)) as running:
        yield running


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("e"), Zone(WORLD), policy=ENFORCE, trust_network="198.51.100.0/24") as running:
        yield running


# ---- judging ----


def test_our_field_is_put_on_top_as_one_folded_field(milter: Running) -> None:
    with milter.session() as smtp:
        reply = smtp.message(GOOD)
    assert reply.final == b""
    assert reply.kind == b"c"
    assert len(reply.inserted) == 1
    assert reply.field.startswith(b" mx.r.example;\n\t")
    assert b"dmarc=pass header.from=legit.example" in reply.field
    assert b"\r" not in reply.field


def test_the_id_is_the_name_that_the_mail_server_gives_itself_unless_one_is_configured(tmp_path: Path) -> None:
    with serving(tmp_path, Zone(WORLD)) as running:
        for name, expected in ((b"other.r.example", b" other.r.example;"), (b"b\xff\x00d"[:2], b" host.r.example;")):
            with running.session() as smtp:
                smtp.connect(j=name)
                assert smtp.message(GOOD).field.startswith(expected)
    with serving(tmp_path, Zone(WORLD), authserv_id="we.example") as running, running.session() as smtp:
        assert smtp.message(GOOD).field.startswith(b" we.example;")


@pytest.mark.parametrize("version", [2, 3, 4, 6, 7])
def test_old_and_new_versions_of_the_protocol(milter: Running, version: int) -> None:
    with milter.session(version=version, options=0x7F if version < 6 else 0x1FFFFF) as smtp:
        reply = smtp.message(GOOD)
        assert smtp.version == min(version, 6)
    # Without HDR_LEADSPC the mail server writes the blank.
    assert reply.field.startswith(b"mx.r.example" if version < 6 else b" mx.r.example")


def test_a_signature_holds_whatever_the_blanks_after_the_colon_and_however_the_body_is_cut(milter: Running) -> None:
    raw = b"From:a@legit.example\r\nTo:  u@r.example\r\nSubject: a\r\n\tb\r\n\r\n" + b"line\r\n" * 40_000
    signed = signing.sign(raw, "legit.example", "s", signing.rsa_key(), c="simple/simple")
    for chunk in (1, 4096, 65535):
        if chunk == 1:
            cut = signing.sign(raw[:200], "legit.example", "s", signing.rsa_key(), c="simple/simple")
        else:
            cut = signed
        with milter.session() as smtp:
            smtp.connect("203.0.113.9")
            smtp.helo()
            smtp.begin()
            header, _, body = cut.partition(b"\r\n\r\n")
            smtp.headers(header + b"\r\n")
            smtp.end_of_headers()
            smtp.body(body, chunk)
            assert b"dkim=pass" in smtp.end().field


def test_three_messages_on_one_connection_have_a_result_each(milter: Running) -> None:
    with milter.session() as smtp:
        fields = [
            smtp.message(GOOD.replace(b"legit", domain), mail_from=b"a@" + domain + b".example").field
            for domain in (b"legit", b"open", b"quiet")
        ]
    for field, domain in zip(fields, (b"legit", b"open", b"quiet"), strict=True):
        assert b"header.from=" + domain + b".example" in field


def test_reset_forgets_the_message(milter: Running) -> None:
    with milter.session() as smtp:
        smtp.connect()
        smtp.helo()
        smtp.begin(b"x@evil.example")
        smtp.headers(FORGED)
        smtp.end_of_headers()
        smtp.body(b"half a body")
        smtp.send(frame(b"A"))
        reply = smtp.message(GOOD)
    assert reply.removed == []
    assert b"spf=pass" in reply.field


def test_a_transaction_given_up_without_a_word_is_forgotten(milter: Running) -> None:
    with milter.session() as smtp:
        smtp.connect()
        smtp.begin(b"x@evil.example")
        smtp.headers(FORGED)
        reply = smtp.message(GOOD)
    assert reply.removed == []
    assert b"spf=pass" in reply.field


def test_two_greetings_and_the_second_holds(milter: Running) -> None:
    with milter.session() as smtp:
        smtp.connect()
        smtp.helo(b"first.example")
        smtp.helo(b"legit.example")
        reply = smtp.message(GOOD.replace(b"a@legit", b"a@open"), mail_from=b"")
    assert b"smtp.helo=legit.example" in reply.field


def test_a_client_that_goes_away_in_the_middle_leaves_nothing_behind(milter: Running) -> None:
    with milter.session() as smtp:
        smtp.connect()
        smtp.begin()
        smtp.headers(b"From: a@legit.example\r\n")
        smtp.end_of_headers()
        smtp.body(b"x" * 300_000)
    with milter.session() as smtp:
        assert smtp.message(GOOD).kind == b"c"


def test_the_connection_may_go_on_with_another_client(milter: Running) -> None:
    with milter.session() as smtp:
        smtp.message(GOOD)
        smtp.send(frame(b"K"))
        smtp.connect("192.0.2.99")
        assert b"spf=fail" in smtp.message(GOOD).field


@pytest.mark.parametrize("ip", ["2001:db8::7", "IPv6:2001:db8::7"])
def test_clients_over_ipv6_in_both_spellings(tmp_path: Path, ip: str) -> None:
    zone = Zone({"legit.example": {"TXT": ["v=spf1 ip6:2001:db8::7 -all"]}})
    with serving(tmp_path, zone) as running, running.session() as smtp:
        smtp.connect(ip)
        assert b"spf=pass" in smtp.message(GOOD).field


def test_an_empty_body_and_no_body_at_all(milter: Running) -> None:
    with milter.session() as smtp:
        assert smtp.message(b"From: a@legit.example\r\n\r\n").kind == b"c"


def test_a_thousand_fields_and_odd_ones(milter: Running) -> None:
    header = b"".join(b"X-%d: y\r\n" % i for i in range(1000))
    odd = b"X-Empty:\r\nX-Raw: caf\xe9 \xff\x80\r\nX-Bare: a\rb\r\nX-Fold:\r\n \r\n\t\r\n x\r\n"
    with milter.session() as smtp:
        reply = smtp.message(header + odd + GOOD)
    assert b"dmarc=pass" in reply.field


def test_the_recipients_and_the_sender_may_be_octets(milter: Running) -> None:
    with milter.session() as smtp:
        reply = smtp.message(GOOD, mail_from=b"caf\xe9\x01@\xff<", rcpt=(b"\xff@r.example", b"<", b""))
    assert reply.kind == b"c"


# ---- removing ----


@pytest.mark.parametrize("forged", SPELLINGS, ids=repr)
def test_forged_results_are_removed(milter: Running, forged: bytes) -> None:
    name = forged.partition(b":")[0].rstrip()
    with milter.session() as smtp:
        reply = smtp.message(forged.replace(b" :", b":") + GOOD)
    assert reply.removed == [(name, 1)]


@pytest.mark.parametrize("kept", KEPT, ids=repr)
def test_what_others_say_is_kept(milter: Running, kept: bytes) -> None:
    with milter.session() as smtp:
        assert smtp.message(kept + GOOD).removed == []


def test_fields_are_removed_from_the_last_to_the_first_and_counted_by_name(milter: Running) -> None:
    other = b"Authentication-Results: other.example; none\r\n"
    spf = b"Received-SPF: pass (mx.r.example: x) receiver=mx.r.example\r\n"
    with milter.session() as smtp:
        reply = smtp.message(other + FORGED + spf + other + FORGED.replace(b"A", b"a") + GOOD)
    assert reply.removed == [(b"authentication-Results", 4), (b"Received-SPF", 1), (b"Authentication-Results", 2)]
    commands = [kind for kind, _ in reply.frames]
    assert commands == [b"m", b"m", b"m", b"i", b"c"], "removals come before what is put on top"


def test_forged_results_behind_every_reading_limit_are_removed(milter: Running) -> None:
    with milter.session() as smtp:
        reply = smtp.message(b"X: y\r\n" * 4000 + b"".join([b"Y: " + b"z" * 60_000 + b"\r\n"] * 30) + FORGED + GOOD)
    assert reply.removed == [(b"Authentication-Results", 1)]


def test_a_header_with_more_forged_fields_than_can_be_is_not_let_through(milter: Running) -> None:
    with milter.session() as smtp:
        assert smtp.message(FORGED * (REMOVALS + 1) + GOOD).kind == b"t"


@pytest.mark.parametrize("macros", [{b"{auth_type}": b"PLAIN"}, {b"auth_authen": b"user@r.example"}])
def test_a_client_that_logged_in_is_stripped_and_not_judged(enforcing: Running, macros: dict[bytes, bytes]) -> None:
    with enforcing.session() as smtp:
        reply = smtp.message(FORGED + GOOD, mail_from=b"x@evil.example", macros=macros)
        assert (reply.kind, reply.inserted, reply.removed) == (b"c", [], [(b"Authentication-Results", 1)])
        # and it holds for that message alone
        assert smtp.message(GOOD, mail_from=b"x@evil.example").kind == b"y"


def test_auth_pass_is_written_for_those_who_logged_in_where_that_is_wanted(tmp_path: Path) -> None:
    with serving(tmp_path, Zone(WORLD), milter={"authenticated_pass": True}) as running:
        for user, expected in (
            (b"u@r.example", b" mx.r.example; auth=pass smtp.auth=u@r.example"),
            (b'a"b\n', b" mx.r.example; auth=pass"),
        ):
            with running.session() as smtp:
                field = smtp.message(GOOD, macros={b"auth_authen": user}).field
                assert field.replace(b"\n\t", b" ").replace(b'"', b"") == expected


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "198.51.100.7", "local"])
def test_our_own_machines_are_stripped_of_our_id_alone_and_not_judged(enforcing: Running, client: str) -> None:
    unreadable = b"Authentication-Results: ;;; unreadable\r\n"
    with enforcing.session() as smtp:
        smtp.connect(client)
        reply = smtp.message(unreadable + FORGED + GOOD, mail_from=b"x@evil.example")
    assert (reply.kind, reply.inserted, reply.removed) == (b"c", [], [(b"Authentication-Results", 2)])


# ---- acting ----


def test_nothing_is_enforced_by_default(milter: Running) -> None:
    with milter.session() as smtp:
        reply = smtp.message(GOOD, mail_from=b"x@evil.example")
    assert reply.kind == b"c"
    assert b"dmarc=fail" in reply.field
    assert reply.quarantined is None


def test_reject_has_a_code_and_a_text_and_changes_nothing_else(enforcing: Running) -> None:
    with enforcing.session() as smtp:
        reply = smtp.message(FORGED + GOOD, mail_from=b"x@evil.example")
    assert reply.kind == b"y"
    assert reply.final == b"550 5.7.1 Email rejected per DMARC policy for legit.example\0"
    assert reply.inserted == []


def test_an_exception_for_recipients_needs_all_of_them_known(tmp_path: Path) -> None:
    policy = {**ENFORCE, "except_recipients": ["@abuse.example"]}
    with serving(tmp_path, Zone(WORLD), policy=policy, limits=Limits(header_fields=5)) as running:
        few = tuple(b"u%d@abuse.example" % number for number in range(5))
        with running.session() as smtp:
            assert smtp.message(GOOD, mail_from=b"x@evil.example", rcpt=few).kind == b"c"
            assert smtp.message(GOOD, mail_from=b"x@evil.example", rcpt=(*few, b"ceo@r.example")).kind == b"y"


def test_a_subject_that_no_field_can_hold_is_marked_all_the_same(tmp_path: Path) -> None:
    policy = {**ENFORCE, "subject_tag": "[unproven]"}
    with serving(tmp_path, Zone(WORLD), policy=policy) as running, running.session() as smtp:
        raw = b"Subject: x\ry\r\n" + GOOD.replace(b"legit", b"quiet")
        reply = smtp.message(raw, mail_from=b"x@evil.example")
    assert reply.quarantined
    assert b"dmarc=fail" in reply.field


def test_what_takes_us_too_long_is_deferred_where_something_is_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(Server, "judge", never)
    for number, (policy, on_error, kind) in enumerate(
        ((ENFORCE, None, b"t"), (ENFORCE, "accept", b"c"), ({}, None, b"c"), ({}, "tempfail", b"t"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with serving(folder, Zone(WORLD), policy=policy, on_error=on_error) as running, running.session() as smtp:
            assert smtp.message(GOOD).kind == kind


BIG = GOOD + b"x\r\n" * 100_000  # not judged on the event loop


@pytest.mark.parametrize(("seconds", "judged"), [(0.3, True), (3.0, False)])
def test_the_guard_counts_the_work_on_a_message_and_not_the_wait_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, judged: bool
) -> None:
    real = milter_server._Judging.begin

    def slow(judging: Any) -> Any:
        time.sleep(seconds)
        return real(judging)

    monkeypatch.setattr(milter_server, "GUARD_SECONDS", 1.0)
    monkeypatch.setattr(milter_server._Judging, "begin", slow)
    with serving(tmp_path, Zone(WORLD), milter={"time_budget": 0.01}) as running, ExitStack() as stack:
        sessions = [stack.enter_context(running.session()) for _ in range(8 if judged else 1)]
        for smtp in sessions:
            smtp.connect()
            smtp.begin()
            smtp.headers(BIG.partition(b"\r\n\r\n")[0] + b"\r\n")
            smtp.end_of_headers()
            smtp.body(BIG.partition(b"\r\n\r\n")[2])
        with ThreadPoolExecutor(len(sessions)) as threads:
            for reply in threads.map(lambda smtp: smtp.end(), sessions):
                assert (reply.kind, bool(reply.inserted)) == (b"c", judged)


def test_a_header_that_signatures_go_over_again_and_again_is_not_judged_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    real = milter_server._Judging.begin

    def noted(judging: Any) -> Any:
        threads.append(threading.current_thread().name)
        return real(judging)

    monkeypatch.setattr(milter_server._Judging, "begin", noted)
    one = b"DKIM-Signature: v=1; a=rsa-sha256; d=legit.example; s=s; h=from; bh=eA==; b=eA==\r\n"
    fill = b"X: " + b"y" * 20_000 + b"\r\n"
    many = b"From: " + b"a@legit.example, " * 2000 + b"b@legit.example\r\n\r\n"
    with serving(tmp_path, Zone(WORLD)) as running, running.session() as smtp:
        for raw in (fill + GOOD, one + fill + GOOD, one * 10 + fill + GOOD, many):
            smtp.message(raw)
    assert [name.startswith("judge") for name in threads] == [False, False, True, True]


def test_a_blank_behind_the_name_of_a_field_hides_nothing(milter: Running) -> None:
    with milter.session() as smtp:
        smtp.connect()
        smtp.helo()
        smtp.begin()
        smtp.command(b"L", b"Authentication-Results \0 mx.r.example; dmarc=pass\0")
        smtp.headers(GOOD.partition(b"\r\n\r\n")[0] + b"\r\n")
        smtp.end_of_headers()
        smtp.body(b"body")
        assert len(smtp.end().removed) == 1


def test_quarantine_comes_with_our_field(enforcing: Running) -> None:
    with enforcing.session() as smtp:
        reply = smtp.message(FORGED + GOOD.replace(b"legit", b"quiet"))
    assert (reply.kind, reply.quarantined) == (b"c", b"mailverdict: policy-quarantine")
    assert b"dmarc=fail" in reply.field
    assert len(reply.removed) == 1


def test_dns_trouble_is_deferred_where_that_is_wanted(enforcing: Running) -> None:
    with enforcing.session() as smtp:
        reply = smtp.message(GOOD.replace(b"legit", b"slow"), mail_from=b"a@slow.example")
    assert reply.kind == b"y"
    assert reply.final.startswith(b"451 4.7.1 ")


def test_an_author_that_cannot_be_told_is_never_delivered_under_enforcement(enforcing: Running) -> None:
    with enforcing.session() as smtp:
        assert smtp.message(b"From: b@open.example\r\n" + GOOD.replace(b"legit", b"open")).quarantined
        assert smtp.message(b"From: b@open.example, a@legit.example\r\n\r\nbody").kind == b"y"
        assert smtp.message(b"Subject: x\r\n\r\nbody").quarantined


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(tmp_path: Path) -> None:
    with (
        serving(tmp_path, Zone(WORLD), policy=ENFORCE, milter={"dry_run": True, "log_format": "json"}) as running,
        running.session() as smtp,
    ):
        reply = smtp.message(FORGED + GOOD, mail_from=b"x@evil.example")
        assert [kind for kind, _ in reply.frames] == [b"c"]
    line = json.loads(running.lines[0])
    assert (line["action"], line["why"], line["dry_run"], line["removed"]) == ("reject", "policy-reject", "yes", 1)


def test_failed_mail_is_marked_where_that_is_wanted(tmp_path: Path) -> None:
    policy = {"subject_tag": "[unproven]", "warning_field": "X-Warning"}
    failed = {"mail_from": b"x@evil.example"}
    with serving(tmp_path, Zone(WORLD), policy=policy) as running, running.session() as smtp:
        reply = smtp.message(b"X-Warning: none\r\n" + GOOD, **failed)
        assert reply.inserted[0] == (b"X-Warning", b" failed (not-aligned)")
        assert reply.changed == [(b"X-Warning", 1, b""), (b"Subject", 1, b" [unproven] x")]
        assert smtp.message(b"From: a@legit.example\r\n\r\n", **failed).inserted[1] == (b"Subject", b" [unproven]")
        assert smtp.message(GOOD.replace(b"x\r", b"[unproven] x\r"), **failed).changed == []
        assert smtp.message(GOOD).changed == []


# ---- faults of ours ----


class Bug(Exception):
    pass


@pytest.mark.parametrize(
    ("on_error", "policy", "kind"),
    [
        ("accept", ENFORCE, b"c"),
        ("tempfail", ENFORCE, b"t"),
        ("tempfail", {}, b"t"),
        (None, {}, b"c"),
        (None, ENFORCE, b"t"),  # what might have been rejected is not let in
    ],
)
def test_a_bug_while_judging_costs_the_result_and_not_the_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str | None, policy: dict[str, Any], kind: bytes
) -> None:
    def broken(*_: object) -> None:
        raise Bug("line one\nline two")

    with serving(tmp_path, Zone(WORLD), on_error=on_error, policy=policy) as running:
        with monkeypatch.context() as patch, running.session() as smtp:
            patch.setattr(milter_server, "to_header", broken)
            reply = smtp.message(FORGED + GOOD)
            assert (reply.kind, reply.inserted) == (kind, [])
            assert reply.removed == ([(b"Authentication-Results", 1)] if kind == b"c" else [])
        with running.session() as smtp:
            assert b"dmarc=pass" in smtp.message(GOOD).field
    assert sum("error=Bug" in line for line in running.lines) == 1


def test_a_disk_that_is_full_costs_the_result_and_not_the_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("verify.fronts.milter_message.tempfile.TemporaryFile", full)
    with serving(tmp_path, Zone(WORLD), milter={"spool_octets": 1000}) as running, running.session() as smtp:
        reply = smtp.message(FORGED + GOOD + b"x" * 5000)
        assert (reply.kind, reply.inserted, reply.removed) == (b"c", [], [(b"Authentication-Results", 1)])
        assert b"dmarc=pass" in smtp.message(GOOD).field


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, Zone(WORLD)) as running, running.session() as smtp:
        running.output.close()
        for _ in range(3):
            assert smtp.message(GOOD).kind == b"c"


def test_what_is_not_known_in_time_is_a_temporary_error_and_the_mail_server_hears_from_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milter_server, "PROGRESS_SECONDS", 0.1)
    with serving(tmp_path, Zone(WORLD), delay=1.0, milter={"time_budget": 0.5}) as running, running.session() as smtp:
        progress = 0
        get = smtp.get

        def counting() -> tuple[bytes, bytes]:
            nonlocal progress
            got = get()
            progress += got[0] == b"p"
            return got

        smtp.get = counting  # type: ignore[method-assign]
        began = time.monotonic()
        reply = smtp.message(GOOD)
        assert reply.kind == b"c"
        assert time.monotonic() - began < 10
        assert progress >= 3


def test_the_dns_is_asked_while_the_body_still_arrives(tmp_path: Path) -> None:
    zone = Zone(WORLD)
    with serving(tmp_path, zone, delay=0.05) as running, running.session() as smtp:
        smtp.connect()
        smtp.begin()
        smtp.headers(
            b"From: a@legit.example\r\nDKIM-Signature: v=1; a=rsa-sha256; d=legit.example; s=s; h=from; bh=eA==; b=eA==\r\n"
        )
        smtp.end_of_headers()
        smtp.body(b"x")
        time.sleep(0.6)
        asked = len(zone.asked)
        smtp.body(b"y")
        assert b"dmarc=pass" in smtp.end().field
        assert len(zone.asked) == asked, "every answer was there"


def test_a_body_over_the_cap_is_not_hashed_and_the_rest_is_judged(tmp_path: Path) -> None:
    signed = signing.sign(GOOD + b"x\r\n" * 5000, "legit.example", "s", signing.rsa_key())

    with (
        serving(tmp_path, Zone(WORLD), policy=ENFORCE, limits=Limits(body_octets=10_000)) as running,
        running.session() as smtp,
    ):
        reply = smtp.message(signed)
        assert b"spf=pass" in reply.field
        assert b"dkim=" not in reply.field.replace(b"dkim=none", b"dkim=")
        assert smtp.message(signed, mail_from=b"x@evil.example").kind == b"y", "limit is handled as failed"
    assert "reason=limit" in running.lines[1]


@pytest.mark.parametrize("spool", [0, 100, 10_000_000])
def test_spooled_bodies_are_judged_as_they_came(tmp_path: Path, spool: int) -> None:
    body = random.Random(1).randbytes(200_000).replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    signed = signing.sign(b"From: a@legit.example\r\n\r\n" + body, "legit.example", "s", signing.rsa_key())
    with serving(tmp_path, Zone(WORLD), milter={"spool_octets": spool}) as running, running.session() as smtp:
        assert b"dkim=pass" in smtp.message(signed).field


# ---- the wire ----

RAW_CASES: dict[str, tuple[bytes, ...]] = {
    "garbage": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",),
    "a frame of 4 GiB": (negotiation(), b"\xff\xff\xff\xffC"),
    "a frame without a command": (negotiation(), b"\0\0\0\0"),
    "an unknown command": (negotiation(), frame(b"z", b"x")),
    "no negotiation": (frame(b"C", b"h\x004\x10\x00192.0.2.1\0"),),
    "macros before the negotiation": (frame(b"D", b"Cj\0x\0"),),
    "a short negotiation": (frame(b"O", b"\0\0\0\6"),),
    "version 1": (negotiation(1),),
    "a server that lets no header be changed": (negotiation(6, 0x01),),
    "a second negotiation": (negotiation(), negotiation()),
    "a body before MAIL": (negotiation(), frame(b"C", b"h\x004\x10\x00192.0.2.1\0"), frame(b"B", b"x")),
    "a header before MAIL": (negotiation(), frame(b"C", b"h\x004\x10\x00192.0.2.1\0"), frame(b"L", b"a\0b\0")),
    "a string without its end": (negotiation(), frame(b"C", b"h\x004\x10\x00192.0.2.1")),
    "a malformed address": (negotiation(), frame(b"C", b"h\x004\x10\x00999.0.2.1\0")),
    "an unknown family": (negotiation(), frame(b"C", b"h\0Z\x10\x00192.0.2.1\0")),
    "a macro without a value": (negotiation(), frame(b"D", b"Cj\0")),
    "a header after the body": (
        negotiation(),
        frame(b"C", b"h\x004\x10\x00192.0.2.1\0") + frame(b"M", b"<a@b>\0") + frame(b"N") + frame(b"B", b"x"),
        frame(b"L", b"a\0b\0"),
    ),
}


@pytest.mark.parametrize("case", RAW_CASES)
def test_a_connection_that_breaks_the_protocol_is_closed_and_the_next_one_served(milter: Running, case: str) -> None:
    with milter.session() as smtp:
        for one in RAW_CASES[case]:
            smtp.send(one)
        while True:
            try:
                kind, _ = smtp.get()
            except Closed:
                break
            assert kind == b"O"
    with milter.session() as smtp:
        assert smtp.message(GOOD).kind == b"c"


def test_octets_may_come_one_by_one(milter: Running) -> None:
    with milter.session() as smtp:
        for octet in negotiation() + frame(b"C", b"h\x004\x10\x00192.0.2.1\0") + frame(b"Q"):
            smtp.send(bytes([octet]))
        assert smtp.get()[0] == b"O"
        assert smtp.is_closed()


_VALID = [
    negotiation(),
    frame(b"D", b"Cj\0mx.r.example\0"),
    frame(b"C", b"h\x004\x10\x00192.0.2.1\0"),
    frame(b"H", b"h\0"),
    frame(b"M", b"<a@b.example>\0"),
    frame(b"R", b"<a@b.example>\0"),
    frame(b"L", b"From\0 a@legit.example\0"),
    frame(b"N"),
    frame(b"B", b"body\r\n"),
    frame(b"E"),
    frame(b"A"),
    frame(b"K"),
]
_FRAMES = st.one_of(
    st.sampled_from(_VALID),
    st.builds(frame, st.sampled_from([bytes([c]) for c in b"OCHMRTLNBEADQKUz"]), st.binary(max_size=40)),
    st.binary(max_size=12),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(_FRAMES, max_size=14), proper=st.booleans())
def test_random_frames_have_a_right_reply_or_a_clean_close(milter: Running, frames: list[bytes], proper: bool) -> None:
    octets = b"".join((*(_VALID[:7] if proper else ()), *frames))
    with milter.session() as smtp:
        try:
            smtp.send(octets + frame(b"Q"))
            smtp.socket.shutdown(1)
            while True:
                kind, _ = smtp.get()
                assert kind in b"Ocatsmpiqy"
        except (Closed, OSError):
            pass
    with milter.session() as smtp:
        assert smtp.message(GOOD).kind == b"c"


def test_many_messages_leave_no_memory_behind(milter: Running) -> None:
    def messages(count: int) -> int:
        with milter.session() as smtp:
            for _ in range(count):
                smtp.message(GOOD + b"x" * 20_000)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    messages(200)
    before = messages(10)
    assert messages(600) < before * 1.1


# ---- agreement ----


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.stem)
def test_check_and_milter_write_the_same_field(tmp_path: Path, sample: Path) -> None:
    raw = sample.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    recording = str(sample.with_suffix(".dns.jsonl"))
    envelope = Envelope(client_ip="192.0.2.10", helo="h.example", mail_from="a@legit.example", in_session=True)
    with Judge(Config(dns=recording), authserv_id="mx.r.example", at=AtMode.NOW) as judge:
        expected = to_header(judge.judge(raw, None, envelope))
    with serving(tmp_path, None, dns=recording) as running, running.session() as smtp:
        smtp.connect()
        smtp.helo(b"h.example")
        field = smtp.message(raw).field
    assert b"Authentication-Results:" + field.replace(b"\n", b"\r\n") + b"\r\n" == expected.encode()

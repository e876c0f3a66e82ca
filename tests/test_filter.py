"""``mailverdict filter``: the mail comes out whatever happens, without forged results, and every other octet as it came."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify.fronts import cli
from verify.fronts import session as session_module

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted((ROOT / "samples").glob("*.eml"))
MESSAGE = b"From: a@shop.example\r\nSubject: x\r\n\r\nbody\r\n.\r\nmore"
ID = "mx.r.example"

# Our id in spellings that some reader takes for ours.
SPELLINGS = (
    b"Authentication-Results: mx.r.example; dmarc=pass header.from=bank.example\r\n",
    b"authentication-results: MX.R.Example; dmarc=pass\r\n",
    b"AUTHENTICATION-RESULTS:mx.r.example; none\r\n",
    b"Authentication-Results:\r\n\tmx.r.example;\r\n\tdmarc=pass\r\n",
    b"Authentication-Results: (we say) mx.r.example (so) 1; dmarc=pass\r\n",
    b'Authentication-Results: "mx.r.example"; dmarc=pass\r\n',
    b"Authentication-Results: mx.r.example.; dmarc=pass\r\n",
    b"Authentication-Results : mx.r.example; dmarc=pass\r\n",
    b"Authentication-Results: mx.r.example 2; dmarc=pass\r\n",
    b"Authentication-Results: ;;; unreadable mx.r.example\r\n",
    b"X-Authentication-Results: mx.r.example; dmarc=pass\r\n",
    b"Received-SPF: pass (mx.r.example: domain of a@b.example permits) receiver=mx.r.example\r\n",
    b"DMARC-Filter: OpenDMARC Filter v1.4.2 mx.r.example 0\r\n",
    b"X-Mailverdict-Warning: none\r\n",
)
KEPT = (
    b"Authentication-Results: other.example; dmarc=pass header.from=bank.example\r\n",
    b"ARC-Authentication-Results: i=1; mx.r.example; dmarc=pass\r\n",
    b"X-Note: Authentication-Results: mx.r.example; dmarc=pass\r\n",
    b"Subject: mx.r.example; dmarc=pass\r\n",
)


class Ran:
    def __init__(self, status: int, out: bytes, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def field(self) -> bytes:
        """Ours, which must stand on top."""
        assert self.out.startswith(b"Authentication-Results: mx.r.example")
        lines = self.out.splitlines(keepends=True)
        count = next(i for i, line in enumerate(lines[1:], 1) if line[:1] not in (b"\t", b" "))
        return b"".join(lines[:count])

    @property
    def after(self) -> bytes:
        return self.out[len(self.field) :]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("CLIENT_ADDRESS", "CLIENT_HELO", "SENDER", "RECIPIENT", "SASL_USERNAME", "MAILVERDICT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def call(raw: bytes, *args: str, **environ: str) -> Ran:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        status = cli.run(["filter", "--dns", "none", "--authserv-id", ID, *args])
        out, err = capfdbinary.readouterr()
        return Ran(int(status), out, err.decode())

    return call


def test_our_field_stands_on_top_and_nothing_else_changes(run: Any) -> None:
    ran = run(MESSAGE)
    assert (ran.status, ran.err) == (0, "")
    assert ran.after == MESSAGE
    assert b"\r\n" in ran.field
    assert ran.field.count(b"\n") == ran.field.count(b"\r\n")


def test_a_recording_that_is_not_there_is_wrong_usage_and_named(run: Any, tmp_path: Path) -> None:
    for absent in ("absent.jsonl", str(tmp_path)):
        ran = run(MESSAGE, "--dns", absent)
        assert (ran.status, ran.out) == (75, b"")
        assert ran.err.startswith(f"mailverdict: {absent}: ")


def test_help_tells_the_defaults_that_hold_in_a_pipe(run: Any) -> None:
    text = " ".join(run(b"", "--help").out.decode().split())
    assert "Id that we write in Authentication-Results. [the name of this machine]" in text
    assert "or an RFC 3339 time. [now]" in text
    assert "[localhost]" not in text


def test_line_ends_stay_as_they_came(run: Any) -> None:
    message = MESSAGE.replace(b"\r\n", b"\n")
    ran = run(message)
    assert ran.after == message
    assert b"\r" not in ran.out


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\x00\xff\r \n\n\r", b"\nx\r\n\n"])
def test_odd_bodies_stay_as_they_came(run: Any, body: bytes) -> None:
    assert run(b"From: a@shop.example\r\n" + body).after == b"From: a@shop.example\r\n" + body


@pytest.mark.parametrize("forged", SPELLINGS, ids=repr)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_forged_results_are_removed(run: Any, forged: bytes, line_end: bytes) -> None:
    message = (b"Received: x\r\n" + forged + b"From: a@shop.example\r\n" + forged + b"\r\n" + forged).replace(
        b"\r\n", line_end
    )
    clean = (b"Received: x\r\nFrom: a@shop.example\r\n\r\n" + forged).replace(b"\r\n", line_end)
    assert run(message).after == clean


@pytest.mark.parametrize("kept", KEPT, ids=repr)
def test_what_others_say_is_kept(run: Any, kept: bytes) -> None:
    message = kept + b"From: a@shop.example\r\n\r\nbody\r\n"
    assert run(message).after == message


def test_forged_results_behind_every_reading_limit_are_removed(run: Any) -> None:
    many = b"X: y\r\n" * 5000 + b"X-Long: " + b"z" * 2_000_000 + b"\r\n"
    ran = run(many + SPELLINGS[0] + b"From: a@shop.example\r\n\r\nbody\r\n")
    assert ran.after == many + b"From: a@shop.example\r\n\r\nbody\r\n"


def test_a_continuation_on_top_does_not_become_part_of_our_field(run: Any) -> None:
    lead = b" ; dmarc=pass header.from=bank.example\r\n"
    ran = run(lead + b"From: a@shop.example\r\n\r\nbody")
    assert ran.out.startswith(lead + b"Authentication-Results: mx.r.example")


def test_a_line_of_mbox_stays_on_top(run: Any) -> None:
    line = b"From a@shop.example Fri Jan  2 10:00:00 2026\n"
    ran = run(line + SPELLINGS[0].replace(b"\r\n", b"\n") + b"From: a@shop.example\n\nbody\n")
    assert ran.out.startswith(line + b"Authentication-Results: mx.r.example")
    assert ran.out.endswith(b"\nFrom: a@shop.example\n\nbody\n")
    assert ran.out.count(b"Authentication-Results") == 1


@pytest.mark.parametrize("raw", [b"no header at all", b"\x00\x01\x02\n\n"])
def test_what_is_no_message_is_handed_on_as_it_is(run: Any, raw: bytes) -> None:
    ran = run(raw)
    assert (ran.status, ran.out) == (0, raw)


@pytest.mark.parametrize("line", [b"", b"From a@shop.example Fri Jan  2 10:00:00 2026\n"])
@pytest.mark.parametrize("empty", [b"\n", b"\r\n"])
def test_what_stands_below_an_empty_line_on_top_is_body_whoever_reads_it(run: Any, line: bytes, empty: bytes) -> None:
    forged = empty + SPELLINGS[0].replace(b"\r\n", empty) + b"From: a@bank.example" + empty * 2 + b"body"
    ran = run(line + forged)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(line + b"Authentication-Results: mx.r.example")
    assert ran.out.endswith(empty + forged), "our field is the whole header"
    assert b"dmarc=pass" not in ran.out[: -len(forged)]


def test_an_empty_input_is_no_message_to_deliver(run: Any) -> None:
    ran = run(b"")
    assert (ran.status, ran.out) == (75, b"")
    assert ran.err == "mailverdict: standard input is empty\n"


def test_a_message_too_large_to_hold_is_passed_on_whole(run: Any, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[limits]\nmessage-octets = 5000\nbody-octets = 1000\n")
    body = b"0123456789\r\n" * 5000
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=shop.example; s=s; h=from; bh=eA==; b=eA==\r\n"
    ran = run(SPELLINGS[0] + signature + b"From: a@shop.example\r\n\r\n" + body, "--config", str(tmp_path / "c.toml"))
    assert ran.after == signature + b"From: a@shop.example\r\n\r\n" + body


def test_a_header_too_large_to_hold_is_tried_again(run: Any, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[limits]\nmessage-octets = 5000\n")
    ran = run(b"X: y\r\n" * 5000, "--config", str(tmp_path / "c.toml"))
    assert (ran.status, ran.out) == (75, b"")


class Broken:
    def __init__(self, *_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")


class NoNetwork:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("no name server")


@pytest.mark.parametrize("broken", [Broken, NoNetwork])
def test_the_message_is_written_when_judging_fails(run: Any, monkeypatch: Any, broken: type) -> None:
    monkeypatch.setattr(session_module, "Judge", broken)
    ran = run(SPELLINGS[0] + MESSAGE)
    assert (ran.status, ran.out) == (0, MESSAGE)
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("broken", [Broken, NoNetwork])
def test_the_operator_may_have_it_tried_again_instead(run: Any, monkeypatch: Any, broken: type) -> None:
    monkeypatch.setattr(session_module, "Judge", broken)
    ran = run(MESSAGE, "--on-error", "tempfail")
    assert (ran.status, ran.out) == (75, b"")


@pytest.mark.parametrize(
    "args",
    [
        ("--no-such-option",),
        ("file.eml",),
        ("--on-error", "bounce"),
        ("--client-ip", "x"),
        ("--config", "missing.toml"),
        ("--trust-network", "x"),
    ],
)
def test_wrong_usage_is_tried_again_and_told_in_one_line(run: Any, args: tuple[str, ...]) -> None:
    ran = run(MESSAGE, *args)
    assert (ran.status, ran.out) == (75, b"")
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("mailverdict: ")


def test_the_envelope_comes_from_the_options(run: Any) -> None:
    ran = run(MESSAGE, "--client-ip", "192.0.2.1", "--mail-from", "a@shop.example", CLIENT_ADDRESS="192.0.2.7")
    assert _client(run, ran) == "192.0.2.1"


def test_the_envelope_comes_from_the_variables_that_mail_servers_set(run: Any) -> None:
    environ = {"CLIENT_ADDRESS": "192.0.2.7", "CLIENT_HELO": "h.example", "SENDER": "a@shop.example"}
    assert _client(run, run(MESSAGE, **environ)) == "192.0.2.7"


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "unknown", "10.1.2.3"])
def test_a_client_of_our_own_in_the_variables_is_no_origin(run: Any, client: str) -> None:
    received = b"Received: from h.example (h.example [192.0.2.9]) by mx.r.example; Fri, 2 Jan 2026 10:00:00 +0000\r\n"
    ran = run(
        received + MESSAGE, "--trust-network", "10.0.0.0/8", "--trust-host", "mx.r.example", CLIENT_ADDRESS=client
    )
    assert _client(run, ran) == "192.0.2.9"


def test_a_client_that_logged_in_is_not_judged(run: Any) -> None:
    ran = run(SPELLINGS[0] + MESSAGE, SASL_USERNAME="u", CLIENT_ADDRESS="192.0.2.7", SENDER="a@shop.example")
    assert (ran.status, ran.out) == (0, MESSAGE)


def _client(run: Any, ran: Ran) -> str | None:
    """The client address that our field tells: with no DNS only ``iprev`` would, so that the judge is asked."""
    assert ran.status == 0
    return SEEN[-1].client_ip


SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def _watch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = session_module.Judge.finish

    def finish(self: Any, task: Any, started: float) -> Any:
        verdict = real(self, task, started)
        SEEN.append(verdict.origin)
        return verdict

    monkeypatch.setattr(session_module.Judge, "finish", finish)


_LINES = st.sampled_from(
    [*SPELLINGS, *KEPT, b"From: a@shop.example\r\n", b"junk\r\n", b" fold\r\n", b"A: b\n", b"X:\r\n"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(_LINES, max_size=8), body=st.binary(max_size=60), convert=st.booleans())
def test_what_comes_out_is_what_came_in_less_whole_fields(
    run: Any, lines: list[bytes], body: bytes, convert: bool
) -> None:
    raw = b"".join(lines) + b"\r\n" + body
    if convert:
        raw = raw.replace(b"\r\n", b"\n")
    ran = run(raw)
    assert ran.status == 0
    assert ran.out.endswith(
        raw[len(b"".join(lines)) if not convert else len(b"".join(lines).replace(b"\r\n", b"\n")) :]
    )
    again = run(ran.out)
    assert len(again.out) == len(ran.out), "a second filter replaces our field and changes nothing else"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.stem)
def test_check_and_filter_write_the_same_field(run: Any, sample: Path, capfdbinary: Any) -> None:
    args = (*shlex.split(sample.with_suffix(".args").read_text()), "--dns", str(sample.with_suffix(".dns.jsonl")))
    ran = run(sample.read_bytes(), *args, "--at", "now")
    cli.run(["check", str(sample), *args, "--at", "now", "--authserv-id", ID, "--format", "header"])
    field, _ = capfdbinary.readouterr()
    assert ran.field.replace(b"\r\n", b"\n") == field.replace(b"\r\n", b"\n")


def test_a_broken_pipe_is_tried_again_and_is_no_bug() -> None:
    command = [sys.executable, "-m", "verify", "filter", "--dns", "none", "--authserv-id", ID]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(MESSAGE + b"x" * 1_000_000)
        process.stdin.close()
        assert b"internal error" not in process.stderr.read()
        assert process.wait(20) == 75


@pytest.mark.parametrize(("closed", "status"), [(">&-", 75), ("2>&-", 0)])
def test_a_stream_that_the_caller_closed_gives_no_other_status(tmp_path: Path, closed: str, status: int) -> None:
    mail = tmp_path / "m.eml"
    mail.write_bytes(b"From: a@legit.example\r\n\r\nbody\r\n")
    command = f"{sys.executable} -m verify filter --dns none < {mail} {closed}"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == status
    assert b"Traceback" not in done.stderr

"""The front ends agree: the same message, envelope and time give the same verdict through check, filter and milter.

python -m tests.test_agreement      # lists the messages that cannot be sent as header frames
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samples.make_samples import samples, zone
from tests.hostile import CASES
from tests.hostile.scene import FROM_ATTACKER, NOW, WORLD
from tests.milterclient import ID, Network, Running, serving
from tests.zone import Zone
from verify import Config, Envelope, Judge, to_header, to_json
from verify.fronts import cli, milter_server, session
from verify.lookup.cache import CachingResolver
from verify.model import AtMode, Verdict, replace
from verify.reading.message import parse_message

# What may differ, since the milter sees the session and not what the server writes of it.
MAY_DIFFER = ("source", "origin", "hops", "judged_at_source", "elapsed_ms")


def messages() -> Iterator[tuple[str, bytes, Envelope, dict[str, Any]]]:
    """Name, octets, envelope and DNS of every message."""
    for case in CASES:
        scene = case.scene
        told = scene.envelope
        whole = None not in (told.client_ip, told.mail_from)
        envelope = told if whole else FROM_ATTACKER
        yield case.name, scene.raw, envelope, {**WORLD, **scene.world}
    for name, (raw, *_) in samples().items():
        yield name, raw, FROM_ATTACKER, zone()


def can_be_sent(raw: bytes) -> bool:
    """The header block can go over as header frames, and come out as the same octets."""
    if b"\r\n" not in raw:
        raw = raw.replace(b"\n", b"\r\n")
    message = parse_message(raw)
    if b"\0" in raw or b"\r\n\r\n" not in raw or message.limits_hit:
        return False
    rebuilt = b"".join(
        field.name + b":" + field.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        for field in message.fields
    )
    return rebuilt + b"\r\n" + message.body == raw and all(field.key for field in message.fields)


ALL = {name: (raw, envelope, world) for name, raw, envelope, world in messages()}
SENT = [name for name, (raw, _, _) in ALL.items() if can_be_sent(raw)]


def checked(name: str, *, in_session: bool = False) -> Verdict:
    """``in_session``: as the milter has it: no line of the header is our own server's, and nothing is diagnosed."""
    raw, envelope, world = ALL[name]
    envelope = replace(envelope, in_session=in_session)
    resolver = CachingResolver(Network(Zone(world)))
    with Judge(Config(at=NOW), authserv_id=ID, at=AtMode.NOW, resolver=resolver, diagnose=not in_session) as judge:
        return judge.judge(raw, None, envelope)


def comparable(verdict: Verdict) -> dict[str, Any]:
    document = json.loads(to_json(replace(verdict, dns=replace(verdict.dns, live=0, recorded=0))))
    return {key: value for key, value in document.items() if key not in MAY_DIFFER}


@pytest.mark.parametrize("name", ALL)
def test_filter_writes_the_field_of_check(
    name: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    raw, envelope, world = ALL[name]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(session, "live_resolver", lambda *_: CachingResolver(Network(Zone(world))))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    arguments = ["--client-ip", str(envelope.client_ip), "--at", "2026-01-02T10:04:05Z", "--authserv-id", ID]
    arguments += ["--helo", envelope.helo or "", "--mail-from", envelope.mail_from or "<>"]
    arguments += [word for one in envelope.rcpt_to for word in ("--rcpt-to", one)]
    assert cli.run(["filter", *arguments]) == 0
    out, err = capfdbinary.readouterr()
    assert err == b""
    field = to_header(checked(name)).encode()
    assert field.replace(b"\r\n", b"\n") in out.replace(b"\r\n", b"\n")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """The verdicts of the milter."""
    seen: list[Verdict] = []
    real = milter_server.decide

    def decide(verdict: Verdict, *rest: Any) -> Any:
        seen.append(verdict)
        return real(verdict, *rest)

    monkeypatch.setattr(milter_server, "decide", decide)
    return seen


def send(running: Running, raw: bytes, envelope: Envelope) -> bytes:
    if b"\r\n" not in raw:
        raw = raw.replace(b"\n", b"\r\n")
    with running.session() as smtp:
        smtp.connect(str(envelope.client_ip))
        if envelope.helo:
            smtp.helo(envelope.helo.encode())
        rcpt = tuple(one.encode() for one in envelope.rcpt_to)
        reply = smtp.message(raw, (envelope.mail_from or "").encode(), rcpt=rcpt)
    return b"Authentication-Results:" + reply.field.replace(b"\n", b"\r\n") + b"\r\n"


@pytest.mark.parametrize("name", SENT)
def test_the_milter_gives_the_verdict_of_check(name: str, tmp_path: Path, judged: list[Verdict]) -> None:
    raw, envelope, world = ALL[name]
    with serving(tmp_path, Zone(world), at=NOW) as running:
        field = send(running, raw, envelope)
    assert field == to_header(checked(name)).encode()
    (verdict,) = judged
    assert comparable(verdict) == comparable(checked(name, in_session=True))


@pytest.mark.parametrize("name", ALL)
def test_a_verdict_without_diagnoses_is_the_same_otherwise(name: str) -> None:
    raw, envelope, world = ALL[name]
    resolver = CachingResolver(Network(Zone(world)))
    whole = checked(name)
    with Judge(Config(at=NOW), authserv_id=ID, at=AtMode.NOW, resolver=resolver, diagnose=False) as judge:
        verdict = judge.judge(raw, None, envelope)
    assert not any(one.diagnoses for one in verdict.dkim)
    stripped = replace(whole, dkim=tuple(replace(one, diagnoses=()) for one in whole.dkim))
    assert replace(verdict, elapsed_ms=0, dns=stripped.dns) == replace(stripped, elapsed_ms=0)


def test_most_messages_can_be_sent_as_frames() -> None:
    assert len(SENT) > len(ALL) * 0.8


if __name__ == "__main__":
    print(*(name for name in ALL if name not in SENT), sep="\n")

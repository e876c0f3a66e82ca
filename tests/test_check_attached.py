"""``check --attached``: the messages inside a message, each with a verdict of its own after that of the outer one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.zone import Zone
from verify import Config, Envelope, Judge, to_json
from verify.fronts.cli import run
from verify.model import OriginSource
from verify.render.data import schema

INNER = (
    b"Return-Path: <a@legit.example>\r\n"
    b"Received: from mail.legit.example (mail.legit.example [192.0.2.1]) by mx.home.example with ESMTPS id 1;\r\n"
    b"\tThu, 01 Jan 2026 00:00:00 +0000\r\n"
    b"From: a@legit.example\r\nSubject: offer\r\n\r\nbody\r\n"
)
OURS = (
    b"Received: from pc.home.example ([192.0.2.77]) by mx.home.example with ESMTPSA (Authenticated sender: x)\r\n"
    b"\tid 1; Thu, 01 Jan 2026 00:10:00 +0000\r\n"
)
THEIRS = (
    b"Received: from mail.other.example (mail.other.example [192.0.2.9]) by mx.home.example with ESMTPS id 1;\r\n"
    b"\tThu, 01 Jan 2026 00:10:00 +0000\r\n"
)
WORLD = {
    "legit.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.legit.example": {"TXT": ["v=DMARC1; p=reject"]},
    "home.example": {"TXT": ["v=spf1 ip4:192.0.2.50 -all"]},
}
VALIDATOR = jsonschema.Draft202012Validator(schema())


class Network:
    def __init__(self) -> None:
        self.zone = Zone(WORLD, observed_at=1_767_225_600)

    def resolve(self, questions: Any, deadline: float | None = None) -> Any:
        return [self.zone.ask(question) for question in questions]

    def describe(self) -> str:
        return "a zone in memory"


def report(*parts: bytes, received: bytes = OURS) -> bytes:
    """A colleague's report with these messages attached."""
    head = b'From: colleague@home.example\r\nSubject: phish?\r\nContent-Type: multipart/mixed; boundary="B"\r\n\r\n'
    inner = b"".join(b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + part + b"\r\n" for part in parts)
    return received + head + b"--B\r\nContent-Type: text/plain\r\n\r\nlook\r\n" + inner + b"--B--\r\n"


@pytest.fixture(autouse=True)
def _no_configuration_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILVERDICT_CONFIG", "/dev/null")


@pytest.fixture
def suspect(tmp_path: Path) -> Path:
    path = tmp_path / "report.eml"
    path.write_bytes(report(INNER, INNER.replace(b"offer", b"other")))
    return path


def judged(raw: bytes, **config: Any) -> Any:
    with Judge(Config(trust_host="mx.home.example", **config), clock=lambda: 1_767_312_000, resolver=Network()) as one:
        return one.judge_attached(raw)


def test_json_is_an_array_with_the_outer_message_first(suspect: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run([str(suspect), "--attached", "--dns", "none", "--format", "json"])
    found = json.loads(capfd.readouterr().out)
    for one in found:
        VALIDATOR.validate(one)
    assert [one["source"]["member"] for one in found] == [None, "part 2", "part 3"]
    assert [one["author"]["domain"] for one in found] == ["home.example", "legit.example", "legit.example"]
    assert found[0]["attached"] == ["2", "3"]
    assert {one["source"]["path"] for one in found} == {str(suspect)}
    run([str(suspect), "--dns", "none", "--format", "json"])
    alone = json.loads(capfd.readouterr().out)
    assert alone["attached"] == []


def test_a_message_without_attached_ones_is_an_array_of_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.eml").write_bytes(INNER)
    run([str(tmp_path / "x.eml"), "--attached", "--dns", "none", "--format", "json"])
    assert len(json.loads(capfd.readouterr().out)) == 1


def test_text_names_the_part(suspect: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run([str(suspect), "--attached", "--dns", "none"])
    out = capfd.readouterr().out
    assert out.count("\nReason ") == 3
    assert ", part 3 (" in " ".join(out.split())


def test_html_shows_one_message_and_no_attached_ones(suspect: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([str(suspect), "--attached", "--dns", "none", "--format", "html"]) == 2
    assert "html shows one message" in capfd.readouterr().err


def test_the_status_is_the_most_serious_of_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    two_authors = b"From: a@legit.example\r\n" + INNER
    (tmp_path / "x.eml").write_bytes(report(two_authors))
    assert run([str(tmp_path / "x.eml"), "--dns", "none"]) == 4
    assert run([str(tmp_path / "x.eml"), "--dns", "none", "--attached"]) == 1


def test_what_is_named_counts_inside_a_colleagues_report_alone() -> None:
    colleague = judged(report(INNER))
    assert colleague[0].origin.never_crossed_border
    assert colleague[1].origin.source is OriginSource.CONFIGURED
    assert colleague[1].conclusion_reason.value == "spf-aligned"
    stranger = judged(report(INNER, received=THEIRS))
    assert stranger[1].origin.source is OriginSource.INFERRED
    assert stranger[1].conclusion_reason.value == "origin-inferred"


def test_the_envelope_is_that_of_the_outer_message() -> None:
    given = {"client_ip": "192.0.2.1", "helo": "mail.legit.example", "mail_from": "a@legit.example"}
    outer, inner = judged(report(INNER, received=b""), **given)
    assert outer.origin.source is OriginSource.ENVELOPE
    assert inner.origin.source is not OriginSource.ENVELOPE
    assert inner.conclusion.value == "undetermined"


def test_each_verdict_is_the_one_that_the_message_has_alone() -> None:
    inner = judged(report(INNER))[1]
    with Judge(Config(trust_host="mx.home.example"), clock=lambda: 1_767_312_000, resolver=Network()) as judge:
        alone = judge.judge(INNER, None, Envelope())
    pair = [json.loads(to_json(one)) for one in (inner, alone)]
    for one in pair:
        one.pop("source")
        one.pop("elapsed_ms")
    assert pair[0] == pair[1]

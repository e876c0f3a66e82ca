"""The same messages give the same verdicts, but for the source, wherever they lie."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.mailboxes_maker import SOURCES, mails, report, zone
from tests.test_batch import TRUST, Network, batch, verdicts
from tests.zone import Zone
from verify import Config, Judge
from verify.evaluate import evaluate
from verify.mailboxes.attached import attached
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Refusal
from verify.mailboxes.sources import open_sources
from verify.model import Conclusion, DkimWord, Envelope, Limits, Message, Settings, Source, Verdict, replace
from verify.reading.message import parse_message
from verify.render.data import to_json

NOW = 1_767_225_600
COUNT = 200


def judge(message: Message) -> Verdict:
    verdict = evaluate(message, Envelope(), Zone(zone(), observed_at=NOW).ask, NOW, Settings())
    assert isinstance(verdict, Verdict)
    return replace(verdict, source=Source())


def without_length(verdict: Verdict) -> Verdict:
    """Places count from the top, and the field that mboxcl adds is the last one, so that only coverage names it."""
    fields = tuple(field for field in verdict.coverage.fields if field.name.lower() != "content-length")
    return replace(verdict, coverage=replace(verdict.coverage, fields=fields))


@cache
def expected() -> list[Verdict]:
    return [judge(parse_message(message)) for message in mails(COUNT)]


def test_the_messages_are_worth_comparing() -> None:
    conclusions = [verdict.conclusion for verdict in expected()]
    assert conclusions.count(Conclusion.AUTHENTICATED) > COUNT // 2
    assert len(set(conclusions)) > 1


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_verdicts_of_the_plain_messages(tmp_path: Path, name: str) -> None:
    found = []
    for item in open_sources([str(SOURCES[name](tmp_path / "source", mails(COUNT)))], Limits()):
        assert not isinstance(item, Refusal), item
        readings = candidates(item, Limits())
        assert not isinstance(readings, Refusal), readings
        verdicts = [judge(parse_message(reading.raw, reading.source)) for reading in readings]
        signed = [v for v in verdicts if any(d.result is DkimWord.PASS for d in v.dkim)]
        found.append(without_length((signed or verdicts)[0]))
    assert found == [without_length(verdict) for verdict in expected()]


def test_attached_to_a_report_they_are_the_same_octets() -> None:
    limits = Limits(attached_messages=COUNT)
    parts = attached(parse_message(report(mails(COUNT))), limits)
    assert [judge(parse_message(part.raw, part.source)) for part in parts] == expected()


# ---- through the command ----


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dns") / "dns.jsonl"
    config = Config(record=str(path), trust_host="mx.home.example")
    with Judge(config, clock=lambda: NOW, resolver=Network(zone())) as judge:
        for message in mails(COUNT):
            judge.judge(message)
    return path


@pytest.fixture(scope="module")
def judged_alone(recording: Path) -> list[dict[str, Any]]:
    """What each message gets by itself, outside of any container."""
    config = Config(dns=str(recording), trust_host="mx.home.example")
    with Judge(config) as judge:
        lines = [to_json(judge.judge(message)).decode() for message in mails(COUNT)]
    return [comparable(one) for one in verdicts("\n".join(lines))]


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Without the source, and without the field that mboxcl adds below all others."""
    fields = [one for one in document["coverage"]["fields"] if one["name"].lower() != "content-length"]
    return {**document, "source": None, "coverage": {**document["coverage"], "fields": fields}}


@pytest.mark.parametrize("name", SOURCES)
def test_batch_gives_the_verdicts_of_the_plain_messages_from_every_kind_of_source(
    tmp_path: Path, recording: Path, judged_alone: list[dict[str, Any]], name: str
) -> None:
    source = SOURCES[name](tmp_path / "source", mails(COUNT))
    ran = batch(source, *TRUST, "--dns", recording, "-q")
    assert (ran.status, ran.err) == (0, "")
    found = verdicts(ran.out)
    places = [(one["source"]["path"], one["source"]["member"], one["source"]["index"]) for one in found]
    assert len(set(places)) == COUNT
    assert [comparable(one) for one in found] == judged_alone


def test_batch_gives_them_to_messages_attached_to_the_report_of_a_colleague(
    tmp_path: Path, recording: Path, judged_alone: list[dict[str, Any]]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[limits]\nattached-messages = {COUNT}\nmime-parts = {2 * COUNT}\n")
    ran = batch(colleagues_report(tmp_path, INSIDE), *TRUST, "--dns", recording, "-q", "--attached", "--config", config)
    assert ran.err == ""
    outer, *found = verdicts(ran.out)
    assert outer["attached"] == [str(number + 2) for number in range(COUNT)]
    assert [comparable(one) for one in found] == judged_alone


def test_inside_mail_from_outside_nothing_rests_on_the_trace_of_what_is_attached(
    tmp_path: Path, recording: Path, judged_alone: list[dict[str, Any]]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[limits]\nattached-messages = {COUNT}\nmime-parts = {2 * COUNT}\n")
    ran = batch(
        colleagues_report(tmp_path, OUTSIDE), *TRUST, "--dns", recording, "-q", "--attached", "--config", config
    )
    _, *found = verdicts(ran.out)
    assert len(found) == COUNT
    assert {one["origin"]["source"] for one in found} <= {"inferred", "none"}
    for one, alone in zip(found, judged_alone, strict=True):
        assert (one["conclusion"] == "authenticated") == (alone["conclusion_reason"] == "dkim-aligned")
    assert any(one["conclusion_reason"] == "spf-aligned" for one in judged_alone), "some rest on the trace alone"


INSIDE = (
    b"Received: from pc.home.example ([192.0.2.77]) by mx.home.example with ESMTPSA (Authenticated sender: x)\r\n"
    b"\tid 1; Thu, 01 Jan 2026 00:10:00 +0000\r\n"
)
OUTSIDE = (
    b"Received: from mail.d0.example (mail.d0.example [192.0.2.1]) by mx.home.example with ESMTPS id 1;\r\n"
    b"\tThu, 01 Jan 2026 00:10:00 +0000\r\n"
)


def colleagues_report(folder: Path, trace: bytes) -> Path:
    path = folder / "report.eml"
    path.write_bytes(report(mails(COUNT), header=trace + b"From: colleague@home.example\r\nSubject: phish?\r\n"))
    return path

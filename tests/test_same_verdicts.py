"""The same messages give the same verdicts, but for the source, wherever they lie."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.mailboxes_maker import SOURCES, mails, report, zone
from tests.zone import Zone
from verify.evaluate import evaluate
from verify.mailboxes.attached import attached
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Refusal
from verify.mailboxes.sources import open_sources
from verify.model import Conclusion, DkimWord, Envelope, Limits, Message, Settings, Source, Verdict, replace
from verify.reading.message import parse_message

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

"""Attacks on what is this program's own: its mailboxes, recordings, stored verdicts, budget, paths and look-ups."""

from __future__ import annotations

import io
import json
import socket
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from tests import verdicts
from tests.hostile.delivery import GOOD_TRAIL, TRAIL
from tests.hostile.scene import ATTACK, FROM_ATTACKER, FROM_LEGIT, LEGIT, NOW, WORLD, codes, mail, signed
from tests.zone import Zone
from verify import Config, Judge, Limits, verify_message
from verify.fronts.cli import main
from verify.fronts.session import attached_messages
from verify.lookup.recording import RecordingError, read_recording
from verify.mailboxes.attached import attached
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Octets, Refusal, Span
from verify.mailboxes.sources import open_sources
from verify.model import Answer, Cause, Envelope, Question, Source, Verdict, replace
from verify.reading.message import parse_message
from verify.render.data import from_json, to_json
from verify.render.page import to_html
from verify.render.text import to_text


class Network:
    """A resolver over a zone, without a socket."""

    def __init__(self, world: dict[str, object]) -> None:
        self.zone = Zone(world, observed_at=NOW)  # type: ignore[arg-type]

    def resolve(self, questions: Iterable[Question], deadline: float | None = None) -> list[Answer]:
        return [self.zone.ask(question) for question in questions]

    async def resolve_async(self, questions: Iterable[Question], deadline: float | None = None) -> list[Answer]:
        return self.resolve(questions)

    def describe(self) -> str:
        return "a zone in memory"


def budgeted(raw: bytes, world: dict[str, object], **limits: int) -> tuple[Verdict, Zone]:
    network = Network({**WORLD, **world})
    with Judge(Config(limits=Limits(**limits)), clock=lambda: NOW, resolver=network) as judge:
        return judge.judge(raw, None, FROM_ATTACKER), network.zone


# ---- 50, 57: mailboxes and archives ----


def read(path: Path) -> list[Span | Octets | Refusal]:
    return list(open_sources([str(path)], Limits()))


def test_a_line_that_begins_with_from_splits_no_message_in_two(tmp_path: Path) -> None:
    separator = b"From x@attack.example Fri Jan  2 10:04:05 2026\n"
    text = mail(body=b"Hello.\r\nFrom here on it is easy.\r\nFrom: ceo@legit.example\r\n\r\nPay.\r\n").replace(
        b"\r\n", b"\n"
    )
    path = tmp_path / "box.mbox"
    path.write_bytes(separator + text + b"\n" + separator + mail().replace(b"\r\n", b"\n") + b"\n")
    items = read(path)
    assert len(items) == 2
    first = candidates(items[0], Limits())  # type: ignore[arg-type]
    assert not isinstance(first, Refusal)
    assert b"Pay." in first[0].raw


def test_an_archive_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.eml", mail() + b"\0" * 200_000_000)
        archive.writestr("b.eml", mail())
    kinds = [type(item).__name__ for item in read(path)]
    assert "Refusal" in kinds
    assert sum(item.size for item in read(path) if not isinstance(item, Refusal)) < 1_000_000


@pytest.mark.parametrize(
    "name", ["../../evil.eml", "/tmp/evil.eml", "a/../../../evil.eml", "C:\\evil.eml", "..\\evil.eml"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_whose_name_is_a_path_is_never_written_anywhere(tmp_path: Path, name: str, kind: str) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    path = folder / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), mail())
    else:
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo(name)
            info.size = len(mail())
            tar.addfile(info, io.BytesIO(mail()))
    read(path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [path.name]


HOSTILE_NAMES = [
    "\x1b]0;owned\x07.eml",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "a\nb",
    "\u202egpj.eml",
    "../../etc/passwd",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_path_or_member_name_reaches_no_sink(name: str) -> None:
    verdict = replace(verdicts.full(), source=Source(path=name, member=name, size=1))
    text = to_text(verdict, color=False, verbose=True, width=80)
    assert all(char == "\n" or char.isprintable() for char in text)
    page = to_html(verdict)
    assert "<img" not in page
    assert not set("\x1b\x07\u202e") & set(page)


# ---- 48: reports of phish, and what their senders put into them ----

COLLEAGUE = (
    b"Received: from pc (pc [192.0.2.77]) (Authenticated sender: x) by mx.r.example (Postfix) with ESMTPSA id 1;"
    b" Fri, 02 Jan 2026 10:04:05 +0000\r\n"
)
PHISH = TRAIL + b"Subject: phish\r\n"
FORGED = GOOD_TRAIL + mail()


def inside(*around: bytes, innermost: bytes = FORGED) -> bytes:
    """Messages inside one another; ``around``: the headers from the outermost inwards."""
    raw = innermost
    for number, header in enumerate(reversed(around)):
        boundary = b"b%d" % number
        raw = (
            header + b'From: a@r.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="' + boundary
            + b'"\r\n\r\n--' + boundary + b"\r\nContent-Type: message/rfc822\r\n\r\n" + raw + b"\r\n--" + boundary + b"--\r\n"
        )  # fmt: skip
    return raw


def innermost(raw: bytes) -> Verdict:
    network = Network(dict(WORLD))
    with Judge(Config(trust_host=("mx.r.example",)), clock=lambda: NOW, resolver=network) as judge:
        message = parse_message(raw)
        outer = judge.judge_message(message, Envelope())
        parts = attached(message, judge.settings.limits)
        *_, (last, settings) = attached_messages(outer.origin, parts, judge.settings)
        return judge.judge_message(last, Envelope(), settings)


def test_what_a_phish_holds_is_not_vouched_for_by_the_colleague_who_reports_it() -> None:
    assert innermost(inside(COLLEAGUE)).conclusion_reason.value == "spf-aligned"  # what came in to the colleague
    assert innermost(inside(COLLEAGUE, COLLEAGUE)).conclusion_reason.value == "spf-aligned"
    for around in ((PHISH,), (COLLEAGUE, PHISH), (COLLEAGUE, PHISH, COLLEAGUE)):
        verdict = innermost(inside(*around))
        assert verdict.conclusion_reason.value == "origin-inferred", around


def test_results_recorded_in_what_a_phish_holds_are_not_trusted() -> None:
    recorded = b"Authentication-Results: mx.r.example; dkim=pass header.d=legit.example\r\n" + FORGED
    for around in ((PHISH,), (COLLEAGUE, PHISH)):
        verdict = innermost(inside(*around, innermost=recorded))
        assert {each.standing.value for each in verdict.recorded} == {"untrusted"}


# ---- 53: the budget ----


def test_look_ups_of_the_attacker_spend_no_budget_that_could_decide() -> None:
    raw = signed(mail(), f"a.{ATTACK}")
    for number in range(8):
        raw = signed(raw, f"n{number}.{ATTACK}")
    chain: dict[str, object] = {f"c{n}.{ATTACK}": {"TXT": [f"v=spf1 include:c{n + 1}.{ATTACK} -all"]} for n in range(9)}
    chain[ATTACK] = {"TXT": [f"v=spf1 include:c0.{ATTACK} exists:%{{l}}.{ATTACK} -all"]}
    verdict, _ = budgeted(raw, chain, dns_questions=12, dns_questions_other=6)
    assert (verdict.conclusion_reason.value, verdict.dmarc.result) == ("not-aligned", "fail")
    genuine, _ = budgeted(signed(raw), chain, dns_questions=12, dns_questions_other=6)
    assert genuine.conclusion_reason.value == "dkim-aligned"


def test_answers_of_the_attacker_spend_no_octets_that_could_decide() -> None:
    huge: dict[str, object] = {
        ATTACK: {"TXT": ["x" * 60_000, "v=spf1 -all"]},
        f"s._domainkey.{ATTACK}": {"TXT": ["y" * 60_000]},
    }
    verdict, _ = budgeted(signed(mail(), ATTACK), huge, dns_octets=50_000)
    assert verdict.conclusion_reason.value in ("not-aligned", "dns")
    assert verdict.conclusion.value != "authenticated"


# ---- 56: files that a foe has edited ----

LINE = {
    "name": f"_dmarc.{LEGIT}",
    "type": "TXT",
    "outcome": "found",
    "records": ["v=DMARC1; p=none"],
    "ttl": 1,
    "time": "2026-01-02T10:04:05Z",
    "ad": False,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x\x1b[2J.example"},
        {"name": "../../etc/passwd"},
        {"name": "a" * 300},
        {"records": [{"b64": "AAAA" * 500_000}]},
        {"records": "v=DMARC1; p=none"},
        {"records": [["nested"]]},
        {"type": "ANY"},
        {"time": "\u202e2026"},
        {"ttl": "NaN"},
        {"outcome": "found\n"},
    ],
)
def test_a_recording_edited_by_a_foe_is_an_error_with_its_line(changes: dict[str, object]) -> None:
    header = {"mailverdict-dns": 1, "recorded_at": "2026-01-02T10:04:05Z", "resolver": "x"}
    lines = [json.dumps(header).encode() + b"\n", json.dumps({**LINE, **changes}).encode() + b"\n"]
    with pytest.raises(RecordingError) as caught:
        read_recording(lines)
    assert caught.value.line == 2
    assert str(caught.value).isprintable()


def test_a_recording_never_answers_for_another_name(tmp_path: Path) -> None:
    path = tmp_path / "r.dns.jsonl"
    header = {"mailverdict-dns": 1, "recorded_at": "2026-01-02T10:04:05Z", "resolver": "x"}
    path.write_text(
        json.dumps(header) + "\n" + json.dumps({**LINE, "name": "_dmarc.legit.example.attack.example"}) + "\n"
    )
    verdict = verify_message(mail(), envelope=FROM_LEGIT, config=Config(dns=str(path)))
    assert verdict.conclusion_reason.value == "not-recorded"


def leaves(value: object, path: tuple[object, ...] = ()) -> Iterable[tuple[object, ...]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*path, place))
    else:
        yield path


@pytest.mark.parametrize(
    "hostile", ["\x1b]0;x\x07", "<script>alert(1)</script>", "\u202e\u200b", "a\r\nX: y", 10**30, {"a": []}, "9" * 5000]
)
def test_a_verdict_edited_by_a_foe_is_shown_clean_or_refused(hostile: object) -> None:
    document = json.loads(to_json(verdicts.full()))
    shown = 0
    refusals: list[str] = []
    for path in leaves(document):
        edited = json.loads(json.dumps(document))
        place = edited
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = hostile
        try:
            verdict = from_json(json.dumps(edited).encode())
        except (ValueError, msgspec.ValidationError) as error:
            refusals.append(str(error))
            continue
        shown += 1
        text = to_text(verdict, color=False, verbose=True, width=80)
        assert all(char == "\n" or char.isprintable() for char in text)
        page = to_html(verdict)
        assert "<script" not in page
        assert not set("\x1b\x07\u202e\u200b") & set(page)
    assert shown or not isinstance(hostile, str)
    assert all(map(str.isprintable, refusals))


# ---- 58: look-ups that tell who reads ----


def without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)


def test_nothing_is_asked_of_the_network_without_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    without_sockets(monkeypatch)
    verdict = verify_message(signed(), envelope=FROM_ATTACKER, config=Config(dns="none"))
    assert verdict.dns.live == 0
    assert verdict.conclusion_reason.value == "not-recorded"


def test_nothing_is_asked_of_the_network_under_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.dns.jsonl"
    path.write_text(
        json.dumps({"mailverdict-dns": 1, "recorded_at": "2026-01-02T10:04:05Z", "resolver": "x"})
        + "\n"
        + json.dumps(LINE)
        + "\n"
    )
    without_sockets(monkeypatch)
    verdict = verify_message(signed(), envelope=FROM_ATTACKER, config=Config(dns=str(path)))
    assert verdict.dns.live == 0
    assert verdict.dns.recorded == 1


def test_help_says_that_look_ups_can_be_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["mailverdict", "check", "--help"])
    with pytest.raises(SystemExit):
        sys.exit(main())
    shown = capsys.readouterr().out
    assert "attacker" in " ".join(shown.split())


def test_a_macro_of_the_local_part_asks_for_nothing_that_is_no_name() -> None:
    world: dict[str, object] = {LEGIT: {"TXT": ["v=spf1 exists:%{i}.%{l}.%{h}.attack.example -all"]}}
    zone = Zone({**WORLD, **world})
    network = Network({**WORLD, **world})
    with Judge(Config(), clock=lambda: NOW, resolver=network) as judge:
        envelope = FROM_ATTACKER.__class__(client_ip="203.0.113.66", helo="x.example", mail_from=f"a.b$c@{LEGIT}")
        verdict = judge.judge(mail(), None, envelope)
    assert zone.asked == []
    assert all(len(q.name) <= 253 and "\\" not in q.name for q in network.zone.asked)
    assert verdict.conclusion.value != "authenticated"


def test_a_budget_that_runs_out_is_said() -> None:
    verdict, zone = budgeted(signed(), {}, dns_questions=1, dns_questions_other=0)
    assert len(zone.asked) == 1
    assert any(error.cause is Cause.BUDGET for error in verdict.dns.errors)
    assert "limit-hit" in codes(verdict)

"""Attacks that no single verdict shows, each as a question with the answer yes while its guard stands."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests import verdicts
from tests.hostile.limits import budgeted
from tests.hostile.scene import ATTACK, FROM_ATTACKER, Scene, mail, signed
from verify import Config, verify_message
from verify.checks import canonical
from verify.lookup.recording import RecordingError, read_recording
from verify.mailboxes.sources import open_sources
from verify.model import Limits, Source, replace
from verify.render.data import from_json, to_json
from verify.render.page import to_html
from verify.render.text import to_text

SEPARATOR = b"From x@attack.example Fri Jan  2 10:04:05 2026\n"
TEXT = mail(body=b"Hello.\r\n\r\nFrom here on it is easy.\r\nPay.\r\n").replace(b"\r\n", b"\n")
HEADER = {"mailverdict-dns": 1, "recorded_at": "2026-01-02T10:04:05Z", "resolver": "x"}
ANSWER = {
    "name": "x\x1b[2J.example",
    "type": "TXT",
    "outcome": "nodata",
    "records": [],
    "ttl": 1,
    "time": "2026-01-02T10:04:05Z",
}


def mailbox_of_two_stays_two() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "box.mbox")
        path.write_bytes((SEPARATOR + TEXT + b"\n") * 2)
        return len(list(open_sources([str(path)], Limits()))) == 2


def recording_with_a_control_is_refused() -> bool:
    lines = [json.dumps(each).encode() + b"\n" for each in (HEADER, ANSWER)]
    try:
        read_recording(lines)
    except RecordingError:
        return True
    return False


def stored_verdict_of_an_impossible_kind_is_refused() -> bool:
    document = json.loads(to_json(verdicts.full()))
    document["dmarc"]["aligned"] = []
    document["conclusion"] = "failed"
    document["conclusion_reason"] = "dkim-aligned"
    try:
        from_json(json.dumps(document).encode())
    except (ValueError, msgspec.ValidationError):
        return True
    return False


def hostile_path_is_escaped_on_the_page() -> bool:
    page = to_html(replace(verdicts.full(), source=Source(path="\x1b]0;x\x07\u202e<img>", size=1)))
    return not set("\x1b\x07\u202e") & set(page) and "<img>" not in page


def hostile_path_is_escaped_in_the_text() -> bool:
    shown = to_text(
        replace(verdicts.full(), source=Source(path="\x1b]0;x\x07\u202e", size=1)), color=False, verbose=True, width=80
    )
    return not set("\x1b\x07\u202e") & set(shown)


def foreign_signatures_spend_no_budget() -> bool:
    raw = mail()
    for number in range(8):
        raw = signed(raw, f"n{number}.{ATTACK}")
    verdict = budgeted(Scene(signed(raw)), Limits(dns_questions=12, dns_questions_other=0))
    return verdict.conclusion_reason == "dkim-aligned"


def what_a_phish_holds_is_not_vouched_for() -> bool:
    from tests.hostile.test_own import COLLEAGUE, PHISH, innermost, inside

    return innermost(inside(COLLEAGUE, PHISH)).conclusion_reason == "origin-inferred"


def without_dns_nothing_is_known() -> bool:
    verdict = verify_message(signed(), envelope=FROM_ATTACKER, config=Config(dns="none"))
    return verdict.conclusion_reason == "not-recorded" and not verdict.dns.live


class Watched(bytes):
    """Octets that count how many octets the operations on them, and on what comes out of these, go over."""

    passed: list[int]

    @classmethod
    def over(cls, octets: bytes, passed: list[int]) -> Watched:
        watched = cls(octets)
        watched.passed = passed
        return watched

    def __contains__(self, part: object) -> bool:
        self.passed.append(len(self))
        return super().__contains__(part)  # type: ignore[operator]

    def rfind(self, *args: Any) -> int:
        self.passed.append(len(self))
        return super().rfind(*args)

    def replace(self, *args: Any) -> Watched:
        self.passed.append(len(self))
        return self.over(super().replace(*args), self.passed)


def blanks_are_gone_over_a_few_times() -> bool:
    blanks = 16_000
    passed: list[int] = []
    text = canonical.relax(Watched.over(b"x" + b" " * blanks + b"x \r\n", passed))
    return text == b"x x\r\n" and blanks < sum(passed) < 10 * blanks


PROBES: dict[str, Callable[[], bool]] = {
    probe.__name__: probe
    for probe in (
        mailbox_of_two_stays_two,
        recording_with_a_control_is_refused,
        stored_verdict_of_an_impossible_kind_is_refused,
        hostile_path_is_escaped_on_the_page,
        hostile_path_is_escaped_in_the_text,
        foreign_signatures_spend_no_budget,
        what_a_phish_holds_is_not_vouched_for,
        without_dns_nothing_is_known,
        blanks_are_gone_over_a_few_times,
    )
}

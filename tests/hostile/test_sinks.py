"""Sinks whose tests stand nowhere else: the field, log lines, SMTP replies and DNS names, for hostile and for any text.

Terminal, page, report and CSV: test_text.py, test_page.py, test_report.py, test_table.py; each function that makes text
safe: test_visible.py; paths: test_own.py and test_archives.py.
"""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.scene import FROM_ATTACKER, NOW, WORLD
from tests.verdicts import fill, full
from tests.zone import Zone
from verify.disposition import Policy, decide
from verify.evaluate import evaluate
from verify.fronts.milter_report import Log, verdict_values
from verify.fronts.milter_wire import quarantine, reply_code
from verify.grammar.names import query_name
from verify.grammar.results import parse_results
from verify.model import (
    ActionKind,
    Author,
    Conclusion,
    ConclusionReason,
    DmarcResult,
    DmarcWord,
    Envelope,
    Limits,
    PolicyWord,
    Settings,
    Verdict,
    replace,
)
from verify.reading.message import parse_message
from verify.render.header import to_header
from verify.serving import LogFormat

HOSTILE = [
    "legit.example\r\nX-Spam: no", "a\nb", "\x1b]0;x\x07", "x; dkim=pass header.d=legit.example", '"', "\\", "(", "=?utf-8?Q?x?=",
    "\u202e\u200b", "550 5.7.1 no\r\n250 ok", "%s%n", "author=legit.example conclusion=authenticated", "\0", "\ud800".encode("utf-8", "replace").decode(), "x" * 5000,
]  # fmt: skip
ANY = st.text(max_size=80) | st.sampled_from(HOSTILE)


def poisoned(text: str) -> Verdict:
    made = full()
    return replace(fill(made, text), authserv_id=made.authserv_id)


def check_header(text: str) -> None:
    verdict = poisoned(text)
    field = to_header(verdict)
    assert re.fullmatch(r"Authentication-Results:(?:[ -~\t]|\r\n[ \t])*(?:\r\n)?", field)
    parsed = parse_results(field.partition(":")[2].encode(), Limits())
    assert parsed is not None
    assert parsed.authserv_id == verdict.authserv_id
    said = [result.result for result in parsed.results if result.method == "dkim"]
    assert said == [signature.result for signature in verdict.dkim if signature.result is not None]


def check_log(text: str) -> None:
    verdict = poisoned(text)
    for form in LogFormat:
        stream = io.BytesIO()
        log = Log(stream, form)
        values = verdict_values(verdict)
        log.put("judged", queue=text, sender=text, recipients=[text, text], **values)
        log.close()
        line = stream.getvalue().decode("utf-8")
        assert line.endswith("\n")
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line
        if form is LogFormat.JSON:
            assert json.loads(line)["conclusion"] == verdict.conclusion
        else:
            outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
            assert re.findall(r"(?:^| )conclusion=(\S+)", outside) == [verdict.conclusion.value]


def check_reply(text: str) -> None:
    verdict = replace(
        full(),
        author=Author(domain=text),
        conclusion=Conclusion.FAILED,
        conclusion_reason=ConclusionReason.NOT_ALIGNED,
        dmarc=DmarcResult(result=DmarcWord.FAIL, author_domain=text, applied_policy=PolicyWord.REJECT),
    )
    for kind in (ActionKind.REJECT, ActionKind.DEFER):
        action = decide(verdict, Policy(on_reject=kind))
        assert action.kind is kind
        assert action.code is not None
        assert action.status is not None
        frame = reply_code(action.code, action.status, action.text or "")
        assert all(32 <= octet < 127 for octet in frame[5:-1])
        assert frame[-1:] == b"\0"
        assert frame[5:].startswith(f"{action.code} {action.status} ".encode())
        assert len(frame) < 2000
    frame = quarantine(text)
    assert all(32 <= octet < 127 for octet in frame[5:-1])


def check_names(text: str) -> None:
    """A message and an envelope made of the text: every name that is asked for may be asked for."""
    octets = text.encode("utf-8", "surrogatepass")
    raw = (
        b"From: <a@"
        + octets
        + b">\r\nDKIM-Signature: v=1; a=rsa-sha256; h=from; bh=YQ==; b=YQ==; d="
        + octets
        + b"; s="
        + octets
        + b"\r\n\r\n"
    )
    zone = Zone({**WORLD, "attack.example": {"TXT": ["v=spf1 exists:%{l}.%{h}.x.example -all"]}})
    envelope = Envelope(client_ip="203.0.113.66", helo=text, mail_from=f"{text}@attack.example")
    for given_ in (envelope, FROM_ATTACKER, replace(envelope, mail_from=f"a@{text}")):
        verdict = evaluate(parse_message(raw), given_, zone.ask, NOW, Settings())
        assert isinstance(verdict, Verdict)
        assert verdict.conclusion is not Conclusion.AUTHENTICATED
    for question in zone.asked:
        assert query_name(question.name) == question.name
        assert "\\" not in question.name


CHECKS = [check_header, check_log, check_reply, check_names]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_hostile_gets_through(check, text: str) -> None:  # type: ignore[no-untyped-def]
    check(text)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_text_at_all_gets_through(check) -> None:  # type: ignore[no-untyped-def]
    @settings(max_examples=40, deadline=None)
    @given(ANY)
    def run(text: str) -> None:
        check(text)

    run()

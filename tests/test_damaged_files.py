"""Honest mail whose file was damaged as a whole: never failed for what the saving did, and never cleared either."""

import io
import json
from pathlib import Path

import pytest

from tests import signing
from tests.zone import Zone
from verify import Config, Envelope, Judge, verify_message
from verify.explain import summary
from verify.lookup.recording import RecordingWriter
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Form, Octets
from verify.mailboxes.single import NoMessage, read_single
from verify.model import (
    Conclusion,
    ConclusionReason,
    DkimWord,
    DmarcWord,
    Fidelity,
    FidelityNote,
    Limits,
    Reason,
    Source,
)

NOW = 1_767_348_245
KEY = signing.rsa_key()
ENVELOPE = Envelope(client_ip="192.0.2.10", helo="mail.legit.example", mail_from="a@legit.example")
MAIL = (
    b"From: A <a@legit.example>\r\nSubject: hello\r\nDate: Fri, 02 Jan 2026 10:04:05 +0000\r\n\r\nbody\r\n\r\nmore\r\n"
)
SIGNED = signing.sign(MAIL, "legit.example", "s", KEY)
WORLD = {
    "legit.example": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"]},
    "_dmarc.legit.example": {"TXT": ["v=DMARC1; p=reject"]},
    "s._domainkey.legit.example": {"TXT": [signing.key_record(KEY)]},
}


class Network:
    def __init__(self):
        self.zone = Zone(WORLD, observed_at=NOW)

    def resolve(self, questions, deadline=None):
        return [self.zone.ask(q) for q in questions]

    def describe(self):
        return "a zone in memory"


def judged(raw, envelope=None):
    octets, source = read_single("-", Limits(), io.BytesIO(raw))
    with Judge(Config(), clock=lambda: NOW, resolver=Network()) as judge:
        return judge.judge(octets, source, envelope)


def doubled(raw):
    return raw.replace(b"\r\n", b"\r\r\n")


def old_mac(raw):
    return raw.replace(b"\r\n", b"\r")


@pytest.mark.parametrize("damage", [doubled, old_mac])
def test_honest_mail_with_every_line_end_damaged_alike_is_neither_failed_nor_cleared(damage):
    assert judged(SIGNED).conclusion_reason is ConclusionReason.DKIM_ALIGNED
    for envelope in (None, ENVELOPE):  # the second lets SPF pass
        verdict = judged(damage(SIGNED), envelope)
        assert (verdict.conclusion, verdict.conclusion_reason) == (
            Conclusion.UNDETERMINED,
            ConclusionReason.NOT_CHECKABLE,
        )
        assert verdict.author.domain == "legit.example"
        assert (verdict.dkim[0].result, verdict.dkim[0].reason) == (None, Reason.NOT_CHECKABLE)
        assert (verdict.dmarc.result, verdict.dmarc.reason) == (None, Reason.NOT_CHECKABLE)
        assert verdict.source.fidelity is Fidelity.SYNTHETIC
        assert verdict.source.fidelity_notes == (FidelityNote.LINE_ENDS_REBUILT,)
        assert verdict.source.size == len(damage(SIGNED))


@pytest.mark.parametrize(
    "raw",
    [
        doubled(SIGNED) + b"one proper line end\r\n",
        doubled(SIGNED) + b"a bare LF\n",
        doubled(SIGNED) + b"a bare CR \r in a line\r\r\n",
        b"X: y\r\n" + doubled(SIGNED),
    ],
)
def test_a_file_with_any_other_line_end_stays_as_it_is(raw):
    octets, source = read_single("-", Limits(), io.BytesIO(raw))
    assert octets == raw
    assert source.fidelity is Fidelity.ORIGINAL
    assert judged(raw).conclusion is Conclusion.FAILED


def test_two_authors_stay_two_authors_when_line_ends_are_damaged():
    raw = doubled(b"From: b@other.example\r\n" + SIGNED)
    assert judged(raw).conclusion_reason is ConclusionReason.AUTHOR_REPEATED


def test_messages_of_archives_and_mailboxes_are_read_alike():
    for form, before in ((Form.MESSAGE, b""), (Form.MBOX, b"From a@legit.example Fri Jan  2 10:04:05 2026\r\n")):
        raw = doubled(before + SIGNED)
        found = candidates(Octets(raw=raw, source=Source(path="x"), form=form), Limits())
        assert isinstance(found, tuple)
        assert found[0].source.fidelity is Fidelity.SYNTHETIC
        assert FidelityNote.LINE_ENDS_REBUILT in found[0].source.fidelity_notes
        assert found[0].raw.removesuffix(b"\r\n") == SIGNED.removesuffix(b"\r\n")


def test_a_mailbox_with_such_line_ends_is_sent_to_batch():
    line = b"From a@legit.example Fri Jan  2 10:04:05 2026\r\n"
    with pytest.raises(NoMessage, match="mailbox of several messages"):
        judged(doubled(line + SIGNED + b"\r\n" + line + SIGNED))


@pytest.fixture
def recording(tmp_path: Path):
    """The answers of the world, for the library."""
    file = tmp_path / "dns.jsonl"
    with file.open("wb") as out:
        network = Network()
        with Judge(Config(), clock=lambda: NOW, resolver=network) as judge:
            judge.judge(SIGNED, None, ENVELOPE)
        RecordingWriter(out, recorded_at=NOW, resolver="x", known=None).write(
            network.zone.ask(question) for question in list(network.zone.asked)
        )
    return str(file)


def test_the_library_reads_octets_as_check_reads_a_file(recording):
    config = Config(dns=recording)
    marked = verify_message(b"\xef\xbb\xbf" + SIGNED, envelope=ENVELOPE, config=config)
    assert marked.conclusion_reason is ConclusionReason.DKIM_ALIGNED
    assert marked.source.fidelity_notes == (FidelityNote.BYTE_ORDER_MARK_REMOVED,)
    assert marked.source.size == len(SIGNED) + 3
    assert marked.source.sha256 != marked.source.judged_sha256
    damaged = verify_message(doubled(SIGNED), envelope=ENVELOPE, config=config)
    assert damaged.conclusion_reason is ConclusionReason.NOT_CHECKABLE
    assert json.loads(json.dumps(damaged.source.fidelity_notes)) == ["line-ends-rebuilt"]


def test_a_header_without_its_body_is_not_checkable_and_a_wrong_body_fails():
    header, _, _ = SIGNED.partition(b"\r\n\r\n")
    verdict = judged(header + b"\r\n")
    assert (verdict.dkim[0].result, verdict.dkim[0].reason) == (None, Reason.NOT_CHECKABLE)
    assert (verdict.conclusion, verdict.conclusion_reason) == (
        Conclusion.UNDETERMINED,
        ConclusionReason.NOT_CHECKABLE,
    )
    assert "this file holds only a part of the message" in summary(verdict)
    assert verdict.dmarc.result is not DmarcWord.FAIL
    for body in (b"\r\n\r\n", b"\r\n\r\nother\r\n"):
        wrong = judged(header + body)
        assert (wrong.dkim[0].result, wrong.dkim[0].reason) == (DkimWord.FAIL, Reason.BODY_HASH_MISMATCH)


def test_a_header_without_a_body_fails_where_the_header_itself_was_changed():
    header, _, _ = SIGNED.partition(b"\r\n\r\n")
    changed = judged(header.replace(b"hello", b"other") + b"\r\n")
    assert (changed.dkim[0].result, changed.dkim[0].reason) == (DkimWord.FAIL, Reason.SIGNATURE_MISMATCH)


def test_a_signed_message_without_a_body_passes_without_the_empty_line():
    empty = signing.sign(MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", "legit.example", "s", KEY)
    assert judged(empty.removesuffix(b"\r\n")).dkim[0].result is DkimWord.PASS

"""Each harmless change that the diagnosis knows, made to a signed message; and that it excuses nothing."""

import base64
import re

import pytest

from tests.signing import Key, ed25519_key, key_record, rsa_key, short_rsa_key, sign
from tests.zone import Zone
from verify.checks.canonical import BodyHashes
from verify.checks.diagnose import FOOTER_LINES, LIST_FOOTER_LINES, Diagnosis, diagnose
from verify.checks.dkim import check_signature
from verify.model import DiagnosisCode, DkimCheck, DkimWord, Limits, Settings
from verify.reading.message import parse_message

KEY = rsa_key()
LIST = b"List-Id: The list <list.lists.example>\r\n"
NAMES = "from:to:subject:date:message-id"
BODY = b"Dear B,\r\n\r\nFrom here on it is settled.\r\n-- \r\nA\r\n"
MAIL = (
    b"From: A <a@d.example>\r\nTo: B <b@r.example>,\r\n C <c@r.example>\r\nSubject: the subject\r\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@d.example>\r\n\r\n" + BODY
)


def signed(c: str = "relaxed/relaxed", key: Key = KEY, mail: bytes = MAIL, h: str = NAMES, **tags: str) -> bytes:
    return sign(mail, "d.example", "s", key, c=c, h=h, **tags)


def judged(raw: bytes, records: list[str] | None = None) -> tuple[DkimCheck, tuple[Diagnosis, ...]]:
    message = parse_message(raw)
    field = message.named(b"dkim-signature")[0]
    texts = [key_record(KEY)] if records is None else records
    zone = Zone({"s._domainkey.d.example": {"TXT": texts}})
    limits = Limits()
    check = check_signature(message, field, zone.ask, 1_767_225_600, Settings(), BodyHashes(message.body, limits))
    return check, diagnose(message, field, check, zone.ask, limits)


def diagnosis(raw: bytes, records: list[str] | None = None) -> tuple[DiagnosisCode, str | None] | None:
    """The only one, or None."""
    found = diagnoses(raw, records)
    assert len(found) < 2
    return (found[0].code, found[0].detail) if found else None


def diagnoses(raw: bytes, records: list[str] | None = None) -> tuple[Diagnosis, ...]:
    check, found = judged(raw, records)
    assert check.result.result is not DkimWord.PASS
    return found


def test_a_signature_that_holds_needs_no_diagnosis() -> None:
    for c in ("simple/simple", "relaxed/relaxed"):
        check, found = judged(signed(c))
        assert check.result.result is DkimWord.PASS
        assert found == ()


@pytest.mark.parametrize("c", ["simple/simple", "relaxed/relaxed"])
def test_mbox_quoting(c: str) -> None:
    raw = signed(c).replace(b"\r\nFrom here", b"\r\n>From here")
    assert diagnosis(raw) == (DiagnosisCode.MBOX_QUOTING, "1")
    quoted = signed(c, mail=MAIL.replace(b"\r\nFrom here", b"\r\n>From here"))
    assert diagnosis(quoted.replace(b">From here", b"From here")) == (DiagnosisCode.MBOX_QUOTING, "1")


def test_trailing_lines_of_blanks() -> None:
    assert diagnosis(signed("simple/simple") + b"  \r\n\t\r\n") == (DiagnosisCode.TRAILING_BLANK_LINES, None)


@pytest.mark.parametrize("c", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("lines", [1, 4, LIST_FOOTER_LINES])
@pytest.mark.parametrize(
    "sign_of_list",
    [b"List-Id: <l.example>", b"List-Post: NO", b"List-Unsubscribe: <https://l.example>", b"Precedence: List"],
)
def test_a_list_footer(c: str, lines: int, sign_of_list: bytes) -> None:
    raw = sign_of_list + b"\r\n" + signed(c) + ended(lines)
    assert diagnosis(raw) == (DiagnosisCode.FOOTER_REMOVED, str(lines))


@pytest.mark.parametrize("c", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize("lines", [1, 4, LIST_FOOTER_LINES + 1, FOOTER_LINES - 1])
def test_lines_added_without_the_signs_of_a_list_or_too_many_are_no_footer(c: str, lines: int) -> None:
    assert diagnosis(signed(c) + ended(lines)) == (DiagnosisCode.LINES_ADDED, str(lines))
    bulk = b"Precedence: bulk\r\n" + signed(c) + ended(lines)
    assert diagnosis(bulk) == (DiagnosisCode.LINES_ADDED, str(lines))
    if lines > LIST_FOOTER_LINES:
        assert diagnosis(LIST + signed(c) + ended(lines)) == (DiagnosisCode.LINES_ADDED, str(lines))


def ended(lines: int) -> bytes:
    return b"____\r\n" + b"".join(b"line %d\r\n" % n for n in range(lines - 1))


def test_a_list_footer_behind_blank_lines_and_mbox_quoting() -> None:
    raw = LIST + signed("relaxed/relaxed").replace(b"\r\nFrom here", b"\r\n>From here") + b"\r\n\r\n____\r\nlist\r\n"
    assert diagnosis(raw) == (DiagnosisCode.FOOTER_REMOVED, "2")


def test_a_footer_as_a_part() -> None:
    mail = (
        MAIL.replace(b"\r\n\r\n", b'\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n', 1).removesuffix(BODY)
        + b"--x\r\n\r\ntext\r\n--x--\r\n"
    )
    for lines, code in ((10, DiagnosisCode.FOOTER_REMOVED), (80, DiagnosisCode.LINES_ADDED)):
        longer = signed(mail=mail).replace(b"--x--", b"--x\r\n\r\n" + b"list\r\n" * lines + b"--x--")
        assert diagnosis(LIST + longer) == (code, "part")
        assert diagnosis(longer) == (DiagnosisCode.LINES_ADDED, "part")


@pytest.mark.parametrize("c", ["simple/simple", "relaxed/relaxed"])
@pytest.mark.parametrize(
    ("signed_text", "shown"),
    [
        (b" the subject", b" [list] the subject"),
        (b" Re: the subject", b" Re: [list] the subject"),
        (b" Re: the subject", b" [list] Re: the subject"),
        (b" the subject", b" [EXTERNAL] the subject"),
        (b" the subject", b" *** SPAM *** the subject"),
    ],
)
def test_a_subject_tag(c: str, signed_text: bytes, shown: bytes) -> None:
    mail = MAIL.replace(b"Subject: the subject", b"Subject:" + signed_text)
    raw = signed(c, mail=mail).replace(b"Subject:" + signed_text, b"Subject:" + shown)
    assert diagnosis(raw) == (DiagnosisCode.SUBJECT_TAG_REMOVED, "Subject")


def test_a_subject_tag_and_a_footer_are_both_told() -> None:
    raw = LIST + signed().replace(b"the subject", b"[list] the subject") + b"____\r\nlist\r\n"
    assert diagnoses(raw) == (
        Diagnosis(DiagnosisCode.FOOTER_REMOVED, "2"),
        Diagnosis(DiagnosisCode.SUBJECT_TAG_REMOVED, "Subject"),
    )


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_a_body_in_another_transfer_encoding(encoding: str) -> None:
    text = "Grüße, und mehr.\r\nZeile zwei = zwei.\r\n".encode()
    eight = MAIL.removesuffix(b"\r\n" + BODY) + b"Content-Transfer-Encoding: %s\r\n\r\n"
    coded = (
        base64.encodebytes(text).replace(b"\n", b"\r\n")
        if encoding == "base64"
        else text.replace(b"=", b"=3D").replace("ü".encode(), b"=C3=BC").replace("ß".encode(), b"=C3=9F")
    )
    before, after = eight % b"8bit" + text, eight % encoding.encode() + coded
    raw = signed(mail=before)
    head = raw[: raw.index(b"From: A")]
    assert diagnosis(head + after) == (DiagnosisCode.BODY_REENCODED, None)
    raw = signed(mail=after)
    head = raw[: raw.index(b"From: A")]
    assert diagnosis(head + before) == (DiagnosisCode.BODY_REENCODED, None)


@pytest.mark.parametrize("fold", [b" ", b"\r\n\t", b"\r\n   "])
def test_refolded_fields(fold: bytes) -> None:
    raw = signed("simple/simple")
    changed = raw.replace(b",\r\n C", b"," + fold + b"C")
    mail = MAIL.replace(b",\r\n C", b", C")
    assert diagnosis(changed) == (DiagnosisCode.FIELDS_REFOLDED, None)
    assert diagnosis(signed("simple/simple", mail=mail).replace(b", C", b",\r\n C")) == (
        DiagnosisCode.FIELDS_REFOLDED,
        None,
    )


def test_recased_field_names() -> None:
    raw = signed("simple/simple", h="From:To:Subject:Date:Message-ID")
    recased = raw.replace(b"DKIM-Signature:", b"Dkim-Signature:").replace(b"Message-ID:", b"Message-Id:", 2)
    recased = recased.replace(b"Date:Message-Id:", b"Date:Message-ID:")
    assert diagnosis(recased) == (DiagnosisCode.FIELD_NAMES_RECASED, None)
    lower = re.sub(rb"(?m)^(From|To|Subject|Date|Message-ID):", lambda m: m[0].lower(), raw)
    assert diagnosis(lower) == (DiagnosisCode.FIELD_NAMES_RECASED, None)


def test_an_inserted_field() -> None:
    raw = signed(h=NAMES + ":reply-to:x-spam-score")
    assert diagnosis(b"X-Spam-Score: 1\r\n" + raw) == (DiagnosisCode.FIELD_INSERTED, "X-Spam-Score")
    assert diagnosis(raw.replace(b"\r\nTo:", b"\r\nReply-To: l@list.example\r\nTo:")) == (
        DiagnosisCode.FIELD_INSERTED,
        "Reply-To",
    )


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"Message-ID: <1@d.example>", b"X-Google-Original-Message-ID: <1@d.example>"),
        (b"Date: Thu, 1 Jan 2026 00:00:00 +0000", b"X-Original-Date: Thu, 1 Jan 2026 00:00:00 +0000"),
        (b"From: A <a@d.example>", b"X-Original-From: A <a@d.example>"),
        (b"Subject: the subject", b"Old-Subject: the subject"),
    ],
)
def test_a_replaced_field_whose_old_text_is_kept(line: bytes, kept: bytes) -> None:
    name = line.partition(b":")[0]
    raw = signed().replace(b"\r\n" + line, b"\r\n" + name + b": something else\r\n" + kept)
    assert diagnosis(raw) == (DiagnosisCode.FIELD_REPLACED, name.decode())


def test_whitespace_in_signed_fields_and_body() -> None:
    white = DiagnosisCode.WHITESPACE_CHANGED
    assert diagnosis(
        signed(mail=MAIL.replace(b"the subject", b"thesubject")).replace(b"thesubject", b"the\r\n subject")
    ) == (
        white,
        "Subject",
    )
    assert diagnosis(signed("simple/simple").replace(b"Subject: the", b"Subject:the")) == (white, None)
    assert diagnosis(signed("simple/simple").replace(b"\r\n-- \r\n", b"\r\n--\r\n")) == (white, None)
    plain = signed("simple/simple", mail=MAIL.replace(b"-- \r\n", b""))
    assert diagnosis(plain.replace(b"settled.", b"settled. \t")) == (white, None)


def test_line_ends_in_the_body() -> None:
    raw = signed().replace(b"\r\n\r\nFrom here", b"\r\n\nFrom here")
    assert diagnosis(raw) == (DiagnosisCode.LINE_ENDS, None)


def test_keys_gone_weak_or_changed() -> None:
    assert diagnosis(signed(), []) == (DiagnosisCode.KEY_GONE, None)
    assert diagnosis(signed(), [key_record(KEY, p="")]) == (DiagnosisCode.KEY_GONE, "revoked")
    short = short_rsa_key()
    assert diagnosis(signed(key=short), [key_record(short)]) == (DiagnosisCode.KEY_WEAK, "1022")
    assert diagnosis(signed(), [key_record(rsa_key(1024, 1))]) == (DiagnosisCode.KEY_CHANGED, None)


def test_a_forged_body_or_header_is_never_excused() -> None:
    for c in ("simple/simple", "relaxed/relaxed"):
        for raw, code in (
            (signed(c).replace(b"settled", b"cancelled"), DiagnosisCode.BODY_CHANGED),
            (signed(c).replace(b"Dear B,", b"Dear B, pay me,"), DiagnosisCode.BODY_CHANGED),
            (signed(c).replace(BODY, b"Pay me.\r\n"), DiagnosisCode.BODY_CHANGED),
            (signed(c).replace(b"a@d.example", b"ceo@d.example"), DiagnosisCode.HEADER_CHANGED),
            (signed(c).replace(b"the subject", b"pay me"), DiagnosisCode.HEADER_CHANGED),
            (signed(c).replace(b"the subject", b"[list] pay me") + b"____\r\nlist\r\n", DiagnosisCode.HEADER_CHANGED),
            (
                signed(c).replace(b"the subject", b"[list] the subject").replace(b"settled", b"off"),
                DiagnosisCode.BODY_CHANGED,
            ),
            (b"From: evil@x.example\r\n" + signed(c, h="from:from"), DiagnosisCode.FIELD_INSERTED),
            (signed(c) + b"appended\r\n", DiagnosisCode.LINES_ADDED),
        ):
            check, found = judged(raw)
            assert check.result.result is DkimWord.FAIL
            assert found is not None
            assert [one.code for one in found] == [code]


def test_ed25519_headers_are_tried_too() -> None:
    key = ed25519_key()
    raw = signed(key=key)
    records = [key_record(key)]
    assert diagnosis(raw.replace(b"the subject", b"[list] the subject"), records) == (
        DiagnosisCode.SUBJECT_TAG_REMOVED,
        "Subject",
    )
    assert diagnosis(raw.replace(b"the subject", b"pay me"), records) == (DiagnosisCode.HEADER_CHANGED, None)


def test_a_testing_key_gets_its_diagnosis() -> None:
    check, found = judged(signed() + b"____\r\n", [key_record(KEY, t="y")])
    assert check.result.result is DkimWord.NEUTRAL
    assert found == (Diagnosis(DiagnosisCode.LINES_ADDED, "1"),)


PIECES = (b" ", b"\r", b"\n", b"\t,", b">From ", b">", b"--\r\n", b"\r\n--", b"*", b"[", b"=", b"re:")


def changed(piece: bytes, size: int) -> bytes:
    """A signed message whose body, and whose subject in its way, was filled up with a piece."""
    run = piece * (size // len(piece))
    line = (b"X" + run.replace(b"\r", b"").replace(b"\n", b""))[: size // 8]
    return signed().replace(b"settled", b"x" + run + b"x").replace(b"the subject", line + b"y")


@pytest.mark.parametrize("piece", PIECES)
def test_what_was_filled_up_with_hostile_octets_is_a_changed_body(piece: bytes) -> None:
    assert diagnosis(changed(piece, 100_000)) == (DiagnosisCode.BODY_CHANGED, None)

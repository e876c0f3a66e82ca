"""One message in a file: what is taken off around it, what is refused, and that the message itself stays as it is."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.mailboxes.single import NoMessage, read_single
from verify.model import Fidelity, FidelityNote, Limits, Source

MESSAGE = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
OTHER = b"From: b@example.com\n\nother\n"
PLIST = b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"/>\n'


def read(tmp_path: Path, octets: bytes, limits: Limits | None = None) -> tuple[bytes, Source]:
    file = tmp_path / "x.eml"
    file.write_bytes(octets)
    return read_single(str(file), limits or Limits())


def refusal(tmp_path: Path, octets: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(NoMessage) as refused:
        read(tmp_path, octets, limits)
    text = str(refused.value)
    assert text.startswith(str(tmp_path / "x.eml") + ": ")
    assert text.isprintable()
    return text


def test_a_message_is_handed_on_as_it_is(tmp_path: Path) -> None:
    octets, source = read(tmp_path, MESSAGE)
    assert octets == MESSAGE
    assert source == Source(path=str(tmp_path / "x.eml"), sha256=sha256(MESSAGE).hexdigest(), size=len(MESSAGE))
    assert source.fidelity is Fidelity.ORIGINAL


def test_standard_input_is_read_under_the_name_of_a_hyphen() -> None:
    octets, source = read_single("-", Limits(), io.BytesIO(MESSAGE))
    assert (octets, source.path) == (MESSAGE, "-")


def test_an_apple_message_loses_its_count_and_its_property_list(tmp_path: Path) -> None:
    file = b"%-10d\n%s%s" % (len(MESSAGE), MESSAGE, PLIST)
    octets, source = read(tmp_path, file)
    assert octets == MESSAGE
    assert source.fidelity_notes == (FidelityNote.EMLX_TRAILER_REMOVED,)
    assert source.sha256 == sha256(file).hexdigest()
    assert source.size == len(file)


@pytest.mark.parametrize("count", [20, len(MESSAGE) + 5, 10**17])
def test_a_number_in_front_of_another_file_never_cuts_it(tmp_path: Path, count: int) -> None:
    file = b"%d\n%s" % (count, MESSAGE)
    octets, source = read(tmp_path, file)
    assert octets == file
    assert source.fidelity_notes == ()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_line_of_a_mailbox_in_front_of_a_lone_message_is_removed(tmp_path: Path, line_end: bytes) -> None:
    octets, source = read(tmp_path, b"From a@example.com Thu Jan  1 00:00:00 1970" + line_end + MESSAGE)
    assert octets == MESSAGE
    assert source.fidelity_notes == (FidelityNote.FROM_LINE_REMOVED,)


def test_a_byte_order_mark_is_removed(tmp_path: Path) -> None:
    octets, source = read(tmp_path, b"\xef\xbb\xbf" + MESSAGE)
    assert octets == MESSAGE
    assert source.fidelity_notes == (FidelityNote.BYTE_ORDER_MARK_REMOVED,)


def test_a_body_line_that_begins_with_from_makes_no_mailbox(tmp_path: Path) -> None:
    message = MESSAGE + b"\r\nFrom here on, Note: it is 12 o'clock\r\nNote: x\r\n"
    octets, _ = read(tmp_path, b"From a@example.com Thu Jan  1 00:00:00 1970\r\n" + message)
    assert octets == message


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_mailbox_of_several_messages_is_sent_to_batch(tmp_path: Path, line_end: bytes) -> None:
    separator = b"From a@example.com Thu Jan  1 00:00:00 1970\n"
    mailbox = separator + OTHER + b"\n" + separator + OTHER
    text = refusal(tmp_path, mailbox.replace(b"\n", line_end))
    assert "is a mailbox of several messages" in text
    assert "mailverdict batch" in text


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04rest", "is a zip archive; judge it with `mailverdict batch`"),
        (b"\x1f\x8b\x08rest", "is a gzip file"),
        (b"BZh9rest", "is a bzip2 file"),
        (b"\xfd7zXZ\0rest", "is an xz file"),
        (b"x.eml".ljust(257, b"\0") + b"ustar\00000", "is a tar archive"),
        (b"!BDNrest", "is an Outlook data file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "Outlook file"),
        (b"no field here\r\n\r\nFrom: in@the.body\r\n", "is not a message: it has no header field"),
        (b"\r\nFrom: a@example.com\r\n", "is not a message"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "save the whole mail, or its source, as an .eml file"),
        (
            MESSAGE.decode().encode("utf-16"),
            "is text in UTF-16, which no mail is; save the mail itself as an .eml file",
        ),
        (b"\xfe\xff" + MESSAGE.decode().encode("utf-16-be"), "is text in UTF-16"),
        (b"From a@example.com Thu Jan  1 00:00:00 1970", "is not a message"),
    ],
)
def test_what_is_no_single_message_is_refused_with_a_word_on_why(tmp_path: Path, octets: bytes, words: str) -> None:
    assert words in refusal(tmp_path, octets)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoMessage, match="absent: no such file"):
        read_single(str(tmp_path / "absent"), Limits())
    with pytest.raises(NoMessage, match="is not the name of a file"):
        read_single("a\0b", Limits())


def test_a_folder_is_sent_to_batch(tmp_path: Path) -> None:
    with pytest.raises(NoMessage, match="is a folder; judge it with `mailverdict batch`"):
        read_single(str(tmp_path), Limits())
    (tmp_path / "cur").mkdir()
    (tmp_path / "new").mkdir()
    with pytest.raises(NoMessage, match="is a Maildir; judge it with `mailverdict batch`"):
        read_single(str(tmp_path), Limits())


def test_a_file_of_three_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.eml"
    with file.open("wb") as stream:
        stream.truncate(3 * 1024**3)
    with pytest.raises(NoMessage, match="is larger than 157286400 octets"):
        read_single(str(file), Limits())


def test_the_limit_on_the_size_of_a_message_has_two_sides(tmp_path: Path) -> None:
    limits = Limits(message_octets=len(MESSAGE))
    assert read(tmp_path, MESSAGE, limits)[0] == MESSAGE
    assert "is larger than" in refusal(tmp_path, MESSAGE + b"x", limits)
    with pytest.raises(NoMessage, match="standard input: is larger than"):
        read_single("-", limits, io.BytesIO(MESSAGE + b"x"))


def test_a_name_with_controls_is_shown_as_escapes(tmp_path: Path) -> None:
    with pytest.raises(NoMessage) as refused:
        read_single(str(tmp_path / "a\x1b[2Jb\nc"), Limits())
    assert "a\\x1b[2Jb\\x0ac: no such file" in str(refused.value)


@given(st.binary(max_size=300))
def test_any_octets_at_all_are_one_message_or_a_refusal(octets: bytes) -> None:
    try:
        message, source = read_single("-", Limits(), io.BytesIO(octets))
    except NoMessage:
        return
    assert octets.endswith(message) or FidelityNote.EMLX_TRAILER_REMOVED in source.fidelity_notes
    assert source.size == len(octets)


LINE = b"From a@example.com Thu Jan  1 00:00:00 1970\n"
TAILS = {  # what looks like the beginning of a second message and is none
    "lines without end": LINE[:-1],
    "lines before text": LINE + b"x" * 50 + b"\n",
    "open lines": b"\nFrom ",
}


def lone(tail: str, count: int) -> bytes:
    return LINE + b"From: a@example.com\n\n" + TAILS[tail] * count


@pytest.mark.parametrize("tail", TAILS)
def test_what_only_looks_like_a_second_message_stays_in_the_first(tmp_path: Path, tail: str) -> None:
    octets = lone(tail, 20_000)
    assert read(tmp_path, octets)[0] == octets.removeprefix(LINE)


def test_a_field_with_a_blank_before_its_colon_is_no_line_of_a_mailbox(tmp_path: Path) -> None:
    for blank in (b" ", b" \t", b"  "):
        raw = b"From" + blank + b": a@legit.example\r\nFrom: x@attack.example\r\n\r\nbody\r\n"
        (tmp_path / "m.eml").write_bytes(raw)
        assert read_single(str(tmp_path / "m.eml"), Limits())[0] == raw

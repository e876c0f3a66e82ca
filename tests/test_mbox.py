"""Mailboxes in one file: what separates messages, what does not, and that the octets come back as they went in."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mailboxes_maker import FROM_LINE, VARIANTS, mbox, without_length
from verify.mailboxes.candidates import candidates
from verify.mailboxes.items import Candidate, Form, Refusal, Span
from verify.mailboxes.mbox import Slice, split
from verify.mailboxes.single import unwrap
from verify.mailboxes.sources import open_sources
from verify.model import Fidelity, FidelityNote, Limits, Source
from verify.reading.message import parse_message

LINE = FROM_LINE % 0 + b"\n"
ONE = b"From: a@example.com\nSubject: 1\n\nfirst\n"
TWO = b"From: b@example.com\nSubject: 2\n\nsecond\n"


def pieces(octets: bytes) -> list[bytes]:
    return [octets[s.start : s.end] for s in split(octets)]


def readings(tmp_path: Path, octets: bytes) -> list[tuple[Candidate, ...]]:
    """The candidates of every message of a mailbox file."""
    file = tmp_path / "a.mbox"
    file.write_bytes(octets)
    found = []
    for index, item in enumerate(open_sources([str(file)], Limits())):
        assert isinstance(item, Span), item
        assert item.index == index
        outcome = candidates(item, Limits())
        assert not isinstance(outcome, Refusal), outcome
        found.append(outcome)
    return found


def network(candidate: Candidate) -> bytes:
    """The octets as they are judged: with network line ends."""
    message = parse_message(candidate.raw, candidate.source)
    return b"".join(field.raw for field in message.fields) + b"\r\n" + message.body


# What separates


def test_two_messages_are_split_at_the_line_after_the_empty_one() -> None:
    mailbox = LINE + ONE + b"\n" + LINE + TWO + b"\n"
    assert pieces(mailbox) == [LINE + ONE + b"\n", LINE + TWO + b"\n"]
    assert list(split(mailbox))[1] == Slice(len(LINE + ONE) + 1, len(mailbox), by_length=False)


@pytest.mark.parametrize(
    "line",
    [
        b"From a@b Thu Jan  1 00:00:00 1970",
        b"From - Thu Jan 01 00:00:00 1970",  # Thunderbird
        b"From 1234567890123456789@xxx Thu Jan 01 00:00:00 +0000 1970",  # Takeout
        b"From MAILER-DAEMON Thu Jan  1 00:00 1970",
        b"From a@b Thu Jan  1 00:00:00 CET 1970",
        b"From a@b Thu Jan  1 00:00:00 1970 +0100",
        b"From a at b  Thu Jan  1 00:00:00 1970",  # Pipermail
        b"From a!b Thu Jan  1 00:00:00 1970 remote from c",
        b'From "a b"@c Thu, 1 Jan 1970 00:00:00 +0000',
        b"From a@b 1970-01-01 00:00:00",
        b"From  Thu Jan  1 00:00:00 1970",
        b"From a@b Thu Jan  1 00:00:00 UTC+1 1970",
        b"From a@b Thu Jan  1 00:00:00 GMT+01:00 1970",
        b"From a@b Thu Jan  1 00:00:00 +01:00 1970",
        b"From a@b Thu 1 Jan 70 00:00",
        b"From " + b"a" * 900 + b"@b Thu Jan  1 00:00:00 1970",
        b"From ",  # older Thunderbird
        b"From -",
        b"From - ",
    ],
)
def test_the_ways_in_which_programs_write_the_separator(line: bytes) -> None:
    assert len(pieces(LINE + ONE + b"\n" + line + b"\n" + TWO)) == 2
    assert len(pieces((LINE + ONE + b"\n" + line + b"\n" + TWO).replace(b"\n", b"\r\n"))) == 2
    assert len(pieces((LINE + ONE + b"\n" + line + b"\n" + TWO).replace(b"\n", b"\r"))) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"\nFrom here on\nNote: it goes on\n",
        b"\nFrom here on, Note: it is 12:30 o'clock\nNote: x\n",
        b"\nFrom a@b Thu Jan 1 1970\nNote: no time\n",
        b"\nFrom a@b Thu Jan  1 00:00:00 1970 and on\nNote: no end\n",
        b"no empty line before\n" + LINE + b"Note: x\n",
        b"\n" + LINE + b"no header after it\n",
        b"\n>" + LINE + b"Note: x\n",
        b"\n " + LINE + b"Note: x\n",
        b"\nFrom \nno header after it\n",
        b"no empty line before\nFrom \nNote: x\n",
        b"\nFrom - one thing to another\nNote: x\n",
        b"\nFrom:\nNote: x\n",
        b"\nFrom " + b"x" * 2000 + b" Thu Jan  1 00:00:00 1970\nNote: x\n",
    ],
)
def test_a_line_of_a_body_that_only_begins_with_from_separates_nothing(body: bytes) -> None:
    mailbox = LINE + b"From: a@example.com\n\n" + body + b"\n" + LINE + TWO
    expected = [LINE + b"From: a@example.com\n\n" + body + b"\n", LINE + TWO]
    assert pieces(mailbox) == expected
    assert pieces(mailbox.replace(b"\n", b"\r\n")) == [part.replace(b"\n", b"\r\n") for part in expected]


@pytest.mark.parametrize(
    "inside",
    [
        LINE + b": no name\nFrom: x@y.example\n\n",
        LINE + b"\tfolded: y\nFrom: x@y.example\n\n",
        LINE + b"\nonly a body\n",
        LINE + b"X" * 1200 + b": y\nFrom: x@y.example\n\n",
        b"From " + b"a" * 2000 + b"@b Thu Jan  1 00:00:00 1970\nFrom: x@y.example\n\n",
        b"From a@b on Thursday\nReceived: by y\nFrom: x@y.example\n\n",
        b"From \n\nonly a body\n",
    ],
)
def test_a_line_that_looks_like_a_separator_and_is_not_taken_is_told(tmp_path: Path, inside: bytes) -> None:
    for mailbox in (LINE + ONE + b"\n" + inside, (LINE + ONE + b"\n" + inside).replace(b"\n", b"\r\n")):
        ((candidate,),) = readings(tmp_path, mailbox)
        assert FidelityNote.SEPARATOR_LIKE_LINE in candidate.source.fidelity_notes
        _, source = unwrap(mailbox, Source(), "x", Limits())
        assert FidelityNote.SEPARATOR_LIKE_LINE in source.fidelity_notes


def test_a_joint_without_an_empty_line_or_with_other_line_ends_is_told(tmp_path: Path) -> None:
    for mailbox in (LINE + ONE + LINE + TWO, (LINE + ONE).replace(b"\n", b"\r") + b"\n" + LINE + TWO):
        ((candidate, *_),) = readings(tmp_path, mailbox)
        assert FidelityNote.SEPARATOR_LIKE_LINE in candidate.source.fidelity_notes


def test_a_body_that_only_speaks_of_from_is_not_marked(tmp_path: Path) -> None:
    body = b"\nFrom here on\nNote: it goes on\n\n>" + LINE + b"\nFrom a to b on Jan 1 1970\n\nFrom:\nDate: x\n"
    ((candidate, *_),) = readings(tmp_path, LINE + ONE + body)
    assert FidelityNote.SEPARATOR_LIKE_LINE not in candidate.source.fidelity_notes


def test_a_mailbox_is_mapped_and_not_read(tmp_path: Path) -> None:
    file = tmp_path / "sparse.mbox"
    with file.open("wb") as stream:
        stream.write(LINE + ONE + b"\n")
        stream.seek(200 * 1024 * 1024)
        stream.write(b"\n\n" + LINE + TWO)
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        first, second = split(data)
    assert first.end == second.start == 200 * 1024 * 1024 + 2
    refusal = candidates(Span(str(file), first.start, first.end, Form.MBOX, 0), Limits())
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "message 0: is larger than 157286400 octets (limits.message-octets)"


# Content-Length


def counted(body: bytes, length: int | None = None) -> bytes:
    return LINE + b"From: a@example.com\nContent-Length: %d\n\n%s\n" % (len(body) if length is None else length, body)


FORGED = b"hello\n\n" + LINE + b"From: victim@bank.example\n\nforged\n"


def test_a_count_that_leads_to_the_next_message_goes_over_what_looks_like_one(tmp_path: Path) -> None:
    mailbox = counted(FORGED) + counted(b"next\n") + counted(FORGED)
    assert pieces(mailbox) == [counted(FORGED), counted(b"next\n"), counted(FORGED)]
    first, second, third = readings(tmp_path, mailbox)
    assert first[0].raw.endswith(b"forged\n")
    assert FidelityNote.CONTENT_LENGTH_USED in first[0].source.fidelity_notes
    assert FidelityNote.CONTENT_LENGTH_USED not in second[0].source.fidelity_notes
    assert FidelityNote.CONTENT_LENGTH_USED in third[0].source.fidelity_notes


@pytest.mark.parametrize("length", [0, 3, len(FORGED) - 2, len(FORGED) + 3, 10**11])
def test_a_count_that_leads_elsewhere_is_not_used(length: int) -> None:
    assert len(pieces(counted(FORGED, length) + counted(b"next\n"))) == 3


def test_a_sender_cannot_hide_the_messages_behind_his_own_by_counting_over_them() -> None:
    victim = LINE + TWO + b"\n"
    evil = b"From: evil@example.com\nContent-Length: %d\n\nx\n"
    hidden = b"x\n\n" + victim
    mailbox = LINE + evil % len(hidden[:-1]) + b"\n" + victim + LINE + TWO + b"\n"
    assert len(pieces(mailbox)) == 3  # the message that he leads to has no count: this writer does not count
    before = (LINE + ONE + b"\n") * 6
    assert len(pieces(before + LINE + evil % len(hidden[:-1]) + b"\n" + victim)) == 8
    both = LINE + evil % (len(b"x\n\n" + counted(b"y\n")) - 1) + b"\n" + counted(b"y\n") + counted(b"z\n")
    assert len(pieces(both)) == 3


def test_after_messages_without_a_count_one_that_has_one_is_not_believed(tmp_path: Path) -> None:
    victim = LINE + TWO + b"\n"
    evil = LINE + b"From: evil@example.com\nContent-Length: %d\n\nx\n\n" % len(b"x\n\n" + victim[:-1])
    assert len(pieces(evil + victim + counted(b"z\n"))) == 2  # nothing else is known of this file
    assert len(pieces((LINE + ONE + b"\n") * 4 + evil + victim + counted(b"z\n"))) == 7
    first, _ = readings(tmp_path, evil + victim + counted(b"z\n"))
    told = {FidelityNote.CONTENT_LENGTH_USED, FidelityNote.SEPARATOR_LIKE_LINE}
    assert told <= set(first[0].source.fidelity_notes)


def test_two_counts_are_no_count() -> None:
    message = counted(FORGED).replace(b"Content-Length", b"Content-Length: 5\nContent-Length", 1)
    assert len(pieces(message + counted(b"next\n"))) == 3


# What is undone


def test_the_separator_and_the_empty_line_at_the_end_come_off_and_nothing_else(tmp_path: Path) -> None:
    ((one,), (two,)) = readings(tmp_path, LINE + ONE + b"\n" + LINE + TWO)
    assert (one.raw, two.raw) == (ONE, TWO)
    assert one.source.fidelity_notes == (FidelityNote.FROM_LINE_REMOVED, FidelityNote.TRAILING_BLANK_LINE_REMOVED)
    assert two.source.fidelity_notes == (FidelityNote.FROM_LINE_REMOVED,)
    assert one.source.size == len(LINE + ONE) + 1
    assert parse_message(one.raw, one.source).source.fidelity is Fidelity.LINE_ENDINGS


def test_a_mailbox_with_network_line_ends_is_the_original(tmp_path: Path) -> None:
    ((one,),) = readings(tmp_path, (LINE + ONE + b"\n").replace(b"\n", b"\r\n"))
    assert one.raw == ONE.replace(b"\n", b"\r\n")
    assert parse_message(one.raw, one.source).source.fidelity is Fidelity.ORIGINAL


def test_bare_carriage_returns_become_network_line_ends(tmp_path: Path) -> None:
    ((one,), (two,)) = readings(tmp_path, (LINE + ONE + b"\n" + LINE + TWO + b"\n").replace(b"\n", b"\r"))
    assert (one.raw, two.raw) == (ONE.replace(b"\n", b"\r\n"), TWO.replace(b"\n", b"\r\n"))
    assert one.source.fidelity is Fidelity.LINE_ENDINGS
    assert FidelityNote.CR_TO_CRLF in one.source.fidelity_notes


def body_readings(tmp_path: Path, body: bytes) -> list[tuple[bytes, Fidelity]]:
    (found,) = readings(tmp_path, LINE + b"From: a@example.com\n\n" + body + b"\n")
    ambiguous = {FidelityNote.MBOX_QUOTING_AMBIGUOUS in c.source.fidelity_notes for c in found}
    assert ambiguous == {len(found) > 1}
    return [(c.raw.partition(b"\n\n")[2], c.source.fidelity) for c in found]


def test_a_quoted_line_is_read_both_ways_the_undone_one_first(tmp_path: Path) -> None:
    undone, kept = Fidelity.QUOTING_UNDONE, Fidelity.ORIGINAL
    assert body_readings(tmp_path, b"x\n>From me\n") == [(b"x\nFrom me\n", undone), (b"x\n>From me\n", kept)]
    assert body_readings(tmp_path, b"x\n>From me\n>>From you\n") == [
        (b"x\nFrom me\n>From you\n", undone),  # mboxrd
        (b"x\nFrom me\n>>From you\n", undone),  # mboxo
        (b"x\n>From me\n>>From you\n", kept),  # mboxcl2
    ]
    assert body_readings(tmp_path, b"x\n >From me\n>Fromage\n") == [(b"x\n >From me\n>Fromage\n", kept)]


def test_where_a_line_is_not_quoted_the_writer_does_not_quote(tmp_path: Path) -> None:
    found = body_readings(tmp_path, b"x\nFrom here on\n>From me\n")
    assert found[0] == (b"x\nFrom here on\n>From me\n", Fidelity.ORIGINAL)
    assert len(found) == 2


def test_a_field_that_the_writer_quoted_is_a_field_again(tmp_path: Path) -> None:
    """Else a second From, which mail programs show, would be hidden by the export."""
    (found,) = readings(tmp_path, LINE + b"From: a@example.com\n>From : b@example.com\n\nx\n\n")
    assert found[0].raw.startswith(b"From: a@example.com\nFrom : b@example.com\n")


# Any messages at all

LINES = st.one_of(
    st.binary(max_size=12).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")),
    st.sampled_from(
        [
            b"",
            b"From here on",
            b"From",
            b"From a@b Thu Jan  1 00:00:00 1970",
            b"Note: x",
            b">",
            b".",
            b">From me",
            b">>From you",
        ]
    ),
)
MESSAGES = st.lists(
    st.lists(LINES, min_size=1, max_size=8).map(
        lambda lines: b"From: a@example.com\r\nSubject: x\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=60)
@given(messages=MESSAGES)
def test_messages_joined_to_a_mailbox_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, variant: str, line_end: bytes, messages: list[bytes]
) -> None:
    if variant == "mboxcl2" and (line_end == b"\r" or any(b"1970\r\nNote" in message for message in messages)):
        # not quoted: a whole separator within is told from a real one by the count alone
        messages = [message.replace(b"1970\r\n", b"1970.\r\n") for message in messages]
    found = readings(tmp_path_factory.mktemp("mbox"), mbox(messages, variant, line_end))
    assert len(found) == len(messages)
    for candidates_of_one, message in zip(found, messages, strict=True):
        back = [network(candidate) for candidate in candidates_of_one]
        if variant in ("mboxcl", "mboxcl2"):
            back = [without_length(octets) for octets in back]
        lossy = variant in ("mboxo", "mboxcl") and b"\r\nFrom " in message and b"\r\n>From " in message
        assert message in back or lossy  # mboxo makes one of two different lines
        if variant == "mboxrd":
            assert back[0] == message


@given(st.lists(st.sampled_from([b"From ", LINE[5:], b"\n", b"\r", b"\n\n", b"x", b"Note: x\n"]), max_size=30))
def test_every_octet_after_the_first_separator_is_in_one_message(parts: list[bytes]) -> None:
    mailbox = b"".join(parts)
    found = list(split(mailbox))
    start = mailbox.find(b"From ")
    for piece in found:
        assert piece.start == start
        assert piece.end > piece.start
        start = piece.end
    assert start in (len(mailbox), -1)


SHAPES: dict[str, tuple[Callable[[int], bytes], Callable[[int], int]]] = {
    # tail of a mailbox by size -> how many messages the mailbox has
    "open separators": (lambda n: b"\n\nFrom " * n, lambda n: 1),
    "dates without end": (lambda n: b"\n\nFrom x" + b" Thu Jan " * n, lambda n: 1),
    "separators alone": (lambda n: (b"\n" + LINE) * n, lambda n: 1),
    "separators before text": (lambda n: (b"\n" + LINE + b"x" * 50 + b"\n") * n, lambda n: 1),
    "quotes": (lambda n: b"\n>" * n, lambda n: 1),
    "wrong counts": (lambda n: (b"\n" + LINE + b"A: b\nContent-Length: 1\n\nx\n") * n, lambda n: n + 1),
    "one long quote": (lambda n: b">" * n + b"From ", lambda n: 1),
    "no separator": (lambda n: b"Fromage\n" * n, lambda n: 1),
}


def hostile(shape: str, size: int) -> bytes:
    return LINE + b"From: a@example.com\n\n" + SHAPES[shape][0](size)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hostile_tail_makes_no_messages_but_those_that_are_there(tmp_path: Path, shape: str) -> None:
    assert len(readings(tmp_path, hostile(shape, 2_000))) == SHAPES[shape][1](2_000)

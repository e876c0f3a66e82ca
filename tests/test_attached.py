"""Attached messages: each is found with its part number and its own octets, whatever is around it."""

from __future__ import annotations

import base64
import quopri
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mailboxes_maker import mails, report
from verify.mailboxes.attached import attached
from verify.model import Fidelity, FidelityNote, Limits, Source
from verify.reading.message import parse_message

MESSAGE = b"From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"


def found(octets: bytes, limits: Limits | None = None, source: Source | None = None) -> list[tuple[str, bytes]]:
    limits = limits or Limits()
    return [(part.label, part.raw) for part in attached(parse_message(octets, source, limits), limits)]


def test_every_message_of_a_report_comes_back_octet_for_octet() -> None:
    made = mails(30)
    assert found(report(made)) == [(str(number), message) for number, message in enumerate(made, 2)]


def test_a_message_without_attached_ones_has_none() -> None:
    assert found(MESSAGE) == []
    assert found(report([])) == []
    assert found(b"") == []


def test_attached_messages_inside_attached_ones_follow_theirs_with_numbers_below() -> None:
    inner = report([MESSAGE], boundary=b"=c")
    assert found(report([inner, MESSAGE])) == [("2", inner), ("2.2", MESSAGE), ("3", MESSAGE)]


def test_a_message_that_is_nothing_but_an_attached_one() -> None:
    wrapped = b"From: c@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + MESSAGE
    assert found(wrapped) == [("1", MESSAGE)]
    assert found(b"From: d@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + wrapped) == [
        ("1", wrapped),
        ("1.1", MESSAGE),
    ]


def test_parts_of_a_digest_are_messages() -> None:
    octets = report([MESSAGE]).replace(b"multipart/mixed", b"multipart/digest")
    octets = octets.replace(b"Content-Type: message/rfc822\r\n", b"")
    assert found(octets) == [("2", MESSAGE)]


def test_a_part_in_a_part_has_a_number_below() -> None:
    part = report([MESSAGE], header=b"").removeprefix(b"MIME-Version: 1.0\r\n").replace(b"=b", b"=c")
    octets = report([]).replace(b"--=b--", b"--=b\r\n" + part + b"--=b--")
    assert found(octets) == [("2.2", MESSAGE)]


@pytest.mark.parametrize("encoding", [b"base64", b"Quoted-Printable", b" BASE64 "])
def test_an_encoded_message_is_decoded_and_says_so(encoding: bytes) -> None:
    text = base64.encodebytes(MESSAGE) if b"64" in encoding.strip().lower() else quopri.encodestring(MESSAGE)
    octets = report([b"@"]).replace(b"rfc822\r\n", b"rfc822\r\nContent-Transfer-Encoding: " + encoding + b"\r\n")
    (part,) = attached(parse_message(octets.replace(b"@\r\n", text)), Limits())
    assert part.raw.rstrip() == MESSAGE.rstrip()
    assert part.source.fidelity_notes == (FidelityNote.ATTACHED, FidelityNote.TRANSFER_ENCODING_UNDONE)


def test_what_the_container_did_to_the_outer_message_it_did_to_this_one() -> None:
    outer = Source(path="a.zip", member="in/b.eml", index=3)
    message = parse_message(report([MESSAGE]).replace(b"\r\n", b"\n"), outer)
    (part,) = attached(message, Limits())
    assert part.raw == MESSAGE
    assert part.source == Source(
        path="a.zip",
        member="in/b.eml/part 2",
        index=3,
        fidelity=Fidelity.LINE_ENDINGS,
        fidelity_notes=(FidelityNote.LF_TO_CRLF, FidelityNote.ATTACHED),
    )
    (part,) = attached(parse_message(report([MESSAGE])), Limits())
    assert (part.source.member, part.source.fidelity) == ("part 2", Fidelity.ORIGINAL)


@pytest.mark.parametrize(
    ("content", "fine"),
    [
        (b"multipart/mixed; boundary==b", True),
        (b'MULTIPART/Mixed;\r\n\tBoundary="=b"; x=y', True),
        (b'multipart/mixed; x="boundary=no"; boundary="\\=b"', True),
        (b"multipart/mixed", False),
        (b'multipart/mixed; boundary=""', False),
        (b"multipart/mixed; boundary=other", False),
        (b"text/plain; boundary==b", False),
        (b"nonsense", False),
    ],
)
def test_the_ways_to_name_a_boundary(content: bytes, fine: bool) -> None:
    octets = report([MESSAGE]).replace(b'multipart/mixed; boundary="=b"', content)
    assert [raw for _, raw in found(octets)] == ([MESSAGE] if fine else [])


def test_a_line_that_only_begins_with_the_boundary_is_none() -> None:
    message = MESSAGE + b"--=bx\r\n x--=b\r\n --=b\r\n"
    assert found(report([message])) == [("2", message)]


def test_a_report_that_is_cut_off_gives_what_is_there() -> None:
    octets = report([MESSAGE]).removesuffix(b"\r\n--=b--\r\n")
    assert found(octets) == [("2", MESSAGE.removesuffix(b"\r\n") + b"\r\n")]


def test_a_part_that_is_no_message_is_none() -> None:
    assert found(report([b"", b"\r\nno header\r\n", b"no field"])) == []


def test_each_limit_leaves_out_what_is_beyond() -> None:
    made = mails(5)
    assert len(found(report(made), Limits(attached_messages=3))) == 3
    assert len(found(report(made), Limits(mime_parts=3))) == 2
    nested = MESSAGE
    for number in range(4):
        nested = report([nested], boundary=b"=%d" % number)
    assert len(found(nested)) == 4
    assert len(found(nested, Limits(attached_depth=2))) == 2
    assert len(found(nested, Limits(mime_depth=3))) == 3


@given(st.lists(st.binary(max_size=200).map(lambda body: MESSAGE + body + b"\r\n"), max_size=4))
def test_whatever_is_attached_comes_back(made: list[bytes]) -> None:
    if any(b"\n--=b" in message or b"\r" in message.replace(b"\r\n", b"") for message in made):
        return
    assert [raw for _, raw in found(report(made))] == made


@given(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"--=b", b"\r\n", b"--", b"Content-Type: message/rfc822\r\n\r\n"])),
)
def test_any_octets_at_all_give_attached_messages_or_none(octets: bytes, parts: list[bytes]) -> None:
    for part in found(report([octets, b"".join(parts)]) + octets):
        assert part[1]


def from_library(octets: bytes) -> list[bytes]:
    """What the standard library finds: a second opinion on where parts start and end."""

    def walk(message: Message) -> list[bytes]:
        inner: list[bytes] = []
        for part in message.get_payload() if message.is_multipart() else []:
            assert isinstance(part, Message)
            if message.get_content_type() == "message/rfc822":
                inner.append(part.as_bytes(policy=SMTP.clone(max_line_length=None, mangle_from_=False)))
            inner += walk(part)
        return inner

    return walk(BytesParser(policy=SMTP).parsebytes(octets))


def test_the_standard_library_finds_the_same() -> None:
    inner = EmailMessage(SMTP)
    inner["From"] = "b@example.com"
    inner.set_content("hello\n")
    inner.add_attachment(b"octets", maintype="application", subtype="x")
    outer = EmailMessage(SMTP)
    outer["From"] = "a@example.com"
    outer.set_content("see below\n")
    outer.add_attachment(inner)
    middle = EmailMessage(SMTP)
    middle["From"] = "c@example.com"
    middle.add_attachment(outer)
    octets = bytes(middle)
    ours = [raw for _, raw in found(octets)]
    assert len(ours) == 2
    assert [raw.rstrip() for raw in ours] == [raw.rstrip() for raw in from_library(octets)]


SHAPES = (  # repeated as often as you like
    b"--=b\r\n",
    b"--=b",
    b"\n--=b \t",
    b"--=b\r\nContent-Type: message/rfc822\r\n\r\n",
    b"--=b\r\nContent-Type: multipart/mixed; boundary==b\r\n\r\n",
)


def many(shape: bytes, count: int) -> bytes:
    """A report with nothing but one piece, over and over."""
    return report([]).partition(b"--=b")[0] + shape * count


@pytest.mark.parametrize("shape", SHAPES)
def test_many_empty_parts_hold_no_message(shape: bytes) -> None:
    assert found(many(shape, 20_000)) == []

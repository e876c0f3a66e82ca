"""The milter protocol without a socket: frames however they are cut, order, negotiation, replies."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.milterclient import frame, negotiation
from verify.fronts import milter_wire as wire
from verify.fronts.milter_wire import Conversation, Decoder, Option, WireError

HEADER = frame(b"L", b"Subject\0 a\n\tb\0")
CONNECT = frame(b"C", b"mail.a.example\x004\x10\x00192.0.2.1\0")


def events(octets: bytes) -> list[Any]:
    return list(Decoder().feed(octets))


@pytest.mark.parametrize(
    ("octets", "event"),
    [
        (negotiation(6, 0x1F, 0x3F), wire.Negotiate(6, 0x1F, 0x3F)),
        (frame(b"D", b"Cj\0mx\0{daemon_name}\0smtpd\0"), wire.Macros(b"C", {b"j": b"mx", b"daemon_name": b"smtpd"})),
        (frame(b"D", b"E"), wire.Macros(b"E", {})),
        (CONNECT, wire.Connect(b"mail.a.example", "192.0.2.1")),
        (frame(b"C", b"h\x006\x00\x19IPv6:2001:DB8:0::1\0"), wire.Connect(b"h", "2001:db8::1")),
        (frame(b"C", b"h\x006\x00\x192001:db8::1\0"), wire.Connect(b"h", "2001:db8::1")),
        (frame(b"C", b"h\x006\x00\x19::ffff:192.0.2.1\0"), wire.Connect(b"h", "192.0.2.1")),
        (frame(b"C", b"localhost\0L\0\0/run/x\0"), wire.Connect(b"localhost", None, True)),
        (frame(b"C", b"h\0U"), wire.Connect(b"h", None)),
        (frame(b"H", b"caf\xe9\0"), wire.Helo(b"caf\xe9")),
        (frame(b"M", b"<a@b>\0SIZE=1\0BODY=8BITMIME\0"), wire.Mail(b"a@b", (b"SIZE=1", b"BODY=8BITMIME"))),
        (frame(b"M", b"<>\0"), wire.Mail(b"", ())),
        (frame(b"R", b"<u@r>\0NOTIFY=NEVER\0"), wire.Rcpt(b"u@r", (b"NOTIFY=NEVER",))),
        (frame(b"T"), wire.Data()),
        (HEADER, wire.Header(b"Subject", b" a\n\tb")),
        (frame(b"N"), wire.EndOfHeaders()),
        (frame(b"B", b"x\0y"), wire.Body(b"x\0y")),
        (frame(b"E"), wire.EndOfMessage(b"")),
        (frame(b"A"), wire.Abort()),
        (frame(b"Q"), wire.Quit()),
        (frame(b"K"), wire.QuitNewConnection()),
        (frame(b"U", b"XYZ a\0"), wire.Unknown(b"XYZ a")),
    ],
)
def test_what_each_frame_says(octets: bytes, event: Any) -> None:
    assert events(octets) == [event]


@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_frames_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    octets = negotiation() + CONNECT + HEADER + frame(b"B", bytes(range(256))) + frame(b"E", b"z")
    decoder, got, at = Decoder(), [], 0
    for cut in [*cuts, len(octets)]:
        got += decoder.feed(octets[at : at + cut])
        at += cut
    assert got == events(octets)


@given(octets=st.binary(max_size=200))
def test_any_octets_are_events_or_an_error(octets: bytes) -> None:
    decoder = Decoder()
    try:
        list(decoder.feed(octets))
    except WireError:
        return


def test_a_frame_longer_than_the_cap_is_refused_before_it_is_there() -> None:
    assert events(frame(b"B", b"x" * (wire.FRAME_OCTETS - 1)))
    with pytest.raises(WireError, match="a frame of"):
        events(struct.pack(">I", wire.FRAME_OCTETS + 1))


def talk(*octets: bytes) -> Conversation:
    conversation = Conversation()
    for event in events(b"".join(octets)):
        conversation.receive(event)
    return conversation


def test_only_what_the_server_offers_is_asked_for() -> None:
    everything = talk(negotiation())
    assert everything.version == 6
    assert everything.actions == wire.WANTED_ACTIONS
    assert Option.LEADING_SPACE in everything.options
    assert Option.NO_BODY not in everything.options
    little = talk(negotiation(2, 0x3F, 0x7F))
    assert (little.version, little.options) == (2, 0)
    assert talk(negotiation(9)).version == 6


def test_which_events_are_answered() -> None:
    silent, asked = talk(negotiation()), talk(negotiation(2, 0x3F, 0x7F))
    header, body = wire.Header(b"a", b"b"), wire.Body(b"x")
    for event in (header, body, wire.EndOfHeaders(), wire.Helo(b"h"), wire.Rcpt(b"r", ())):
        assert not silent.expects_reply(event)
        assert asked.expects_reply(event)
    for event in (wire.Macros(b"C", {}), wire.Abort(), wire.Quit(), wire.QuitNewConnection()):
        assert not silent.expects_reply(event)
        assert not asked.expects_reply(event)
    for event in (wire.EndOfMessage(b""), wire.Negotiate(6, 0, 0)):
        assert silent.expects_reply(event)


MAIL, END = frame(b"M", b"<a@b>\0"), frame(b"N") + frame(b"E")


@pytest.mark.parametrize(
    "octets",
    [
        (MAIL, HEADER, END, MAIL, HEADER, END),
        (frame(b"H", b"a\0"), frame(b"H", b"b\0"), MAIL, HEADER, END),
        (MAIL, frame(b"A"), MAIL, END),
        (frame(b"A"), frame(b"A"), MAIL, END),
        (MAIL, HEADER, MAIL, HEADER, END),
        (MAIL, END, frame(b"K"), CONNECT, MAIL, END),
        (frame(b"K"), CONNECT, MAIL, END),
    ],
)
def test_what_a_mail_server_may_do(octets: tuple[bytes, ...]) -> None:
    talk(negotiation(), CONNECT, *octets)


def test_a_value_of_ours_has_its_blank_exactly_once() -> None:
    spaced, plain = talk(negotiation()), talk(negotiation(2, 0x3F, 0x7F))
    for value in (b"a", b" a"):
        assert spaced.insert_header(b"X", value) == frame(b"i", b"\0\0\0\0X\0 a\0")
        assert plain.insert_header(b"X", value) == frame(b"i", b"\0\0\0\0X\0a\0")
    assert spaced.insert_header(b"X", b" a;\r\n\tb") == frame(b"i", b"\0\0\0\0X\0 a;\n\tb\0")
    assert spaced.remove_header(b"X", 3) == frame(b"m", b"\0\0\0\3X\0\0")


@pytest.mark.parametrize("value", [b"a\nb", b"a\rb", b"a\0b", b"a\n", b"\nX: y"])
def test_no_value_of_ours_can_hold_a_line_of_its_own(value: bytes) -> None:
    with pytest.raises(ValueError, match="no fold"):
        talk(negotiation()).insert_header(b"X", value)


@given(text=st.text(max_size=700))
def test_a_reply_is_one_printable_line(text: str) -> None:
    reply = wire.reply_code(550, "5.7.1", text)
    body = reply[5:]
    assert reply[4:5] == b"y"
    assert body.endswith(b"\0")
    assert body.count(b"\0") == 1
    assert all(0x20 <= octet < 0x7F for octet in body[:-1])
    assert body.replace(b"%%", b"").count(b"%") == 0
    assert struct.unpack(">I", reply[:4])[0] == len(body) + 1


@pytest.mark.parametrize(
    ("code", "status"), [(250, "2.0.0"), (550, "4.7.1"), (451, "5.7.1"), (550, "5.7"), (600, "6.0.0")]
)
def test_only_rejections_can_be_replied(code: int, status: str) -> None:
    with pytest.raises(ValueError, match="no rejection"):
        wire.reply_code(code, status, "x")


def test_a_quarantine_reason_is_one_printable_line() -> None:
    assert wire.quarantine("a\nb\0é") == frame(b"q", b"a?b??\0")

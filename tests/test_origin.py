"""Where a message came in: the order of evidence, with what it rests on."""

from ipaddress import ip_network

from verify.model import Confidence, Envelope, OriginReason, OriginSource, Settings, Standing
from verify.reading.message import parse_message
from verify.reading.origin import read_origin

RELAYED = b"""\
Return-Path: <b@s.example>
Received: from mx.r.example (mx.r.example [10.0.0.1]) by store.r.example (Postfix) with ESMTPS id 1 for <u@r.example>; Fri, 02 Jan 2026 03:04:06 +0000
Received: from mail.s.example (mail.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTPS id 2 for <u@r.example>; Fri, 02 Jan 2026 03:04:05 +0000
Received: from inside (inside [198.51.100.7]) by mx.r.example (Postfix) with ESMTPS id 3; Fri, 02 Jan 2026 03:04:04 +0000
From: a@s.example

text
"""
OURS = Settings(trust_hosts=("mx.r.example", "store.r.example"), trust_networks=(ip_network("10.0.0.0/8"),))


def read(raw, settings=OURS, envelope=None):
    return read_origin(parse_message(raw), envelope or Envelope(), settings)


def test_the_border_is_the_first_line_of_ours_from_a_client_that_is_not():
    facts = read(RELAYED)
    origin = facts.origin
    assert (origin.client_ip, origin.helo, origin.mail_from) == ("203.0.113.5", "mail.s.example", "b@s.example")
    assert (origin.source, origin.reason, origin.border) == (OriginSource.CONFIGURED, OriginReason.TRUSTED_HOST, 1)
    assert [hop.standing for hop in facts.hops] == [Standing.OURS, Standing.BORDER, Standing.CLAIMED]
    assert origin.vouched_for
    assert origin.received_at.isoformat() == "2026-01-02T03:04:05+00:00"


def test_without_configuration_the_first_public_address_is_a_guess():
    origin = read(RELAYED, Settings()).origin
    assert (origin.client_ip, origin.source, origin.confidence) == (
        "203.0.113.5",
        OriginSource.INFERRED,
        Confidence.GUESS,
    )
    assert origin.reason is OriginReason.FIRST_PUBLIC
    assert not origin.vouched_for


def test_what_the_caller_says_wins_and_the_header_fills_no_gap_of_another_client():
    origin = read(RELAYED, OURS, Envelope(client_ip="192.0.2.9")).origin
    assert (origin.client_ip, origin.helo, origin.mail_from) == ("192.0.2.9", None, None)
    assert (origin.source, origin.border) == (OriginSource.ENVELOPE, None)

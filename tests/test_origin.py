"""Where a message came in: the order of evidence, with what it rests on."""

from ipaddress import ip_network

import pytest

from verify.model import (
    AnomalyCode,
    Confidence,
    Envelope,
    OriginReason,
    OriginSource,
    Proof,
    RecordedStanding,
    Settings,
    Standing,
    WrittenBy,
)
from verify.profiles import builtin_profiles
from verify.reading import origin
from verify.reading.message import parse_message
from verify.reading.origin import read_origin
from verify.reading.recorded import read_recorded

PROFILES = {profile.name: profile for profile in builtin_profiles()}
ALL = builtin_profiles()
RELAYED = """\
Return-Path: <b@s.example>
Received: from mx.r.example (mx.r.example [10.0.0.1]) by store.r.example (Postfix) with ESMTPS id 1 for <u@r.example>; Fri, 02 Jan 2026 03:04:06 +0000
Received: from mail.s.example (mail.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTPS id 2 for <u@r.example>; Fri, 02 Jan 2026 03:04:05 +0000
Received: from inside (inside [198.51.100.7]) by mx.r.example (Postfix) with ESMTPS id 3; Fri, 02 Jan 2026 03:04:04 +0000
Date: Fri, 02 Jan 2026 03:04:00 +0000
From: a@s.example

text
"""
OURS = Settings(
    trust_hosts=("mx.r.example", "store.r.example"), trust_networks=(ip_network("10.0.0.0/8"),), profiles=ALL
)


def read(raw, settings=OURS, envelope=None):
    return read_origin(parse_message(raw.encode()), envelope or Envelope(), settings)


def named(*names):
    return Settings(receivers=tuple(PROFILES[name] for name in names), auto=False, profiles=ALL)


def received(client, by, rest="with ESMTPS id 1", date="Fri, 02 Jan 2026 03:04:05 +0000"):
    return f"Received: from {client} by {by} {rest}; {date}\n"


def codes(facts):
    return [anomaly.code for anomaly in facts.anomalies]


SENDER = "From: a@s.example\n\ntext\n"
MAIL = "mail.s.example (mail.s.example [203.0.113.5])"


# -- what the user configured ---------------------------------------------------------------------------


def test_the_border_is_the_first_line_of_ours_from_a_client_that_is_not():
    facts = read(RELAYED)
    origin = facts.origin
    assert (origin.client_ip, origin.helo, origin.mail_from) == ("203.0.113.5", "mail.s.example", "b@s.example")
    assert (origin.source, origin.reason, origin.border) == (OriginSource.CONFIGURED, OriginReason.TRUSTED_HOST, 1)
    assert [hop.standing for hop in facts.hops] == [Standing.OURS, Standing.BORDER, Standing.CLAIMED]
    assert origin.vouched_for
    assert origin.received_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert facts.border_field_index == 2


def test_a_client_is_never_ours_by_the_name_it_gives():
    raw = received("store.r.example (unknown [203.0.113.5])", "mx.r.example (Postfix)") + received(
        "victim.example ([192.0.2.1])", "store.r.example (Postfix)"
    )
    assert read(raw + SENDER).origin.client_ip == "203.0.113.5"


@pytest.mark.parametrize(
    ("by", "name", "ours"),
    [
        ("mx.r.example (Postfix)", "store.r.example [198.51.100.1]", True),
        ("mx.r.example (8.17.1/8.17.1)", "store.r.example [198.51.100.1]", True),
        ("mx.r.example (8.17.1/8.17.1)", "store.r.example [198.51.100.1] (may be forged)", False),
        ("mx.r.example (Unknown Server)", "store.r.example [198.51.100.1]", False),
    ],
)
def test_a_reverse_name_makes_a_client_ours_where_the_program_verifies_it(by, name, ours):
    raw = received(f"x ({name})", by) + received(MAIL, "store.r.example (Postfix)") + SENDER
    assert read(raw).origin.client_ip == ("203.0.113.5" if ours else "198.51.100.1")


def test_networks_alone_pass_over_our_clients_but_do_not_tell_who_wrote_the_line():
    networks = Settings(trust_networks=(ip_network("198.51.100.0/24"),), profiles=ALL, auto=False)
    raw = received("a ([198.51.100.1])", "store.r.example") + received(MAIL, "mx.r.example") + SENDER
    facts = read("Return-Path: <b@s.example>\n" + raw, networks)
    origin = facts.origin
    assert (origin.client_ip, origin.source, origin.confidence) == (
        "203.0.113.5",
        OriginSource.INFERRED,
        Confidence.GUESS,
    )
    assert origin.reason is OriginReason.TRUSTED_NETWORK
    assert not origin.vouched_for
    inside = read(received("app ([198.51.100.9])", "mx.r.example") + SENDER, networks).origin
    assert (inside.source, inside.reason) == (OriginSource.NONE, OriginReason.NO_ADDRESS)


def test_networks_beside_a_profile_that_auto_picks_stay_inferred():
    raw = received("a ([198.51.100.1])", "mx.google.com") + received("b ([203.0.113.5])", "mx.google.com") + SENDER
    origin = read(raw, Settings(trust_networks=(ip_network("198.51.100.0/24"),), profiles=ALL)).origin
    assert (origin.source, origin.profile) == (OriginSource.INFERRED, "gmail")


def test_a_content_filter_on_the_machine_itself_is_no_border():
    raw = (
        received("localhost (localhost [127.0.0.1])", "mx.r.example (Postfix)")
        + received("mx.r.example ([127.0.0.1])", "mx.r.example (amavisd-new, port 10024)", "with ESMTP id 1")
        + received(MAIL, "mx.r.example (Postfix)")
        + SENDER
    )
    facts = read(raw)
    assert (facts.origin.client_ip, facts.origin.border) == ("203.0.113.5", 2)
    assert facts.origin.encrypted is True


def test_what_a_program_on_the_machine_itself_brought_in_does_not_make_foreign_lines_ours():
    raw = received("localhost ([127.0.0.1])", "mx.r.example (Postfix)") + received(
        "victim.example ([192.0.2.1])", "mx.other.example"
    )
    origin = read(raw + SENDER).origin
    assert (origin.client_ip, origin.reason) == (None, OriginReason.NEVER_CROSSED)


def test_lines_that_name_no_host_are_passed_over():
    raw = "Received: (qmail 123 invoked by uid 5); 2 Jan 2026 03:04:06 -0000\n" + received(MAIL, "mx.r.example")
    facts = read(raw + SENDER)
    assert facts.origin.border == 1
    assert facts.hops[0].standing is Standing.OURS


def test_when_our_hosts_wrote_nothing_on_top_what_is_found_is_a_guess_that_says_so():
    origin = read(received(MAIL, "mx.other.example (Postfix)") + RELAYED).origin
    assert (origin.source, origin.confidence) == (OriginSource.INFERRED, Confidence.GUESS)
    assert origin.reason is OriginReason.NOT_WRITTEN_BY_RECEIVER


def test_a_private_client_at_the_border_leaves_the_boundary_incomplete():
    raw = received("gw (gw [192.168.1.1])", "mx.r.example (Postfix)") + received(MAIL, "gw.r.example") + SENDER
    facts = read(raw)
    assert (facts.origin.source, facts.origin.confidence) == (OriginSource.INFERRED, Confidence.GUESS)
    assert (facts.origin.reason, facts.origin.incomplete) == (OriginReason.BORDER_INCOMPLETE, True)
    assert AnomalyCode.BOUNDARY_INCOMPLETE in codes(facts)
    assert not facts.origin.vouched_for


def test_a_border_line_without_an_address_gives_no_client():
    raw = received("mail.s.example", "mx.r.example (Postfix)") + received("x ([192.0.2.1])", "mx.r.example") + SENDER
    origin = read(raw).origin
    assert (origin.client_ip, origin.source, origin.reason) == (None, OriginSource.NONE, OriginReason.NO_ADDRESS)


FORGED = received("mail.bank.example (mail.bank.example [192.0.2.1])", "mx.r.example (Postfix)")
FETCHED = received("a", "b", "with IMAP")
HELO = [
    "x[192.0.2.1]",
    "x,with,IMAP",
    "x with IMAP",
    "x with LMTP",
    "x via HTTP",
    "x with ESMTPSA",
    "x,user,y",
    "x user y",
    "x;",
    ";",
    "(",
    "x(",
    '"',
    "(192.0.2.1)",
    "x (y [192.0.2.1])",
    "(y [192.0.2.1]) with LMTP",
    "x.google.com",
    "x.google.com (",
    "x.google.com by mx.google.com (",
    "x.google.com by mx.google.com with LMTP (",
    "mx.r.example by mx.r.example with LMTP (",
    "by",
]
REVERSE = ["evil.example", "tls.evil.example", "authenticated.evil.example", "helo.evil.example", "unknown"]


@pytest.mark.parametrize("by", ["mx.r.example (Postfix)", "mx.r.example", "mx.r.example (Haraka/3.0)", "mx.google.com"])
@pytest.mark.parametrize("helo", HELO)
def test_no_helo_and_no_reverse_name_moves_the_border_below_the_line_of_the_receiver(by, helo):
    google = "google" in by
    settings = named("gmail") if google else OURS
    below = FORGED.replace("mx.r.example (Postfix)", by)
    spf = "Received-SPF: pass (google.com: domain of b@bank.example) client-ip=192.0.2.1;\n"
    for reverse in REVERSE:
        top = received(f"{helo} ({reverse} [203.0.113.5])", by)
        for between in ("", FETCHED, spf):
            facts = read(top + between + below + spf + SENDER, settings)
            assert facts.origin.client_ip in (None, "203.0.113.5") or not facts.origin.vouched_for
            assert facts.origin.border in (0, None) or not facts.origin.vouched_for
            assert facts.hops[-1].standing is Standing.CLAIMED or not facts.origin.vouched_for
            recorded = read_recorded(parse_message((top + between + below + spf + SENDER).encode()), facts, settings)
            assert RecordedStanding.TRUSTED not in {each.standing for each in recorded}


def test_a_fetched_line_below_one_without_an_address_does_not_make_that_one_ours():
    for top in (
        received("x", "unnamed.example"),
        received("( (evil.example [203.0.113.5])", "mx.r.example (Postfix)"),
        received('[203.0.113.5] (HELO ") (x) y[127.0.0.1]((z)', "mx.r.example (CommuniGate Pro SMTP 6)"),
        "Received: by unnamed.example with SMTP id 1; 2 Jan 2026 03:04:05 +0000\n",
    ):
        origin = read(top + FETCHED + FORGED + SENDER).origin
        assert not origin.vouched_for
        assert origin.source is not OriginSource.CONFIGURED


# -- never crossed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        received("laptop (dsl [198.51.100.9]) (Authenticated sender: u)", "mx.r.example (Postfix)"),
        received("laptop (dsl [198.51.100.9])", "mx.r.example (Postfix)", "with ESMTPSA id 1"),
        received("[198.51.100.9] (helo=laptop)", "mx.r.example", "with esmtpsa (Exim 4.96) id 1"),
        received("laptop (dsl [198.51.100.9]) (authenticated bits=0)", "mx.r.example (8.17.1/8.17.1)"),
        received("[198.51.100.9]", "mx.r.example", "with HTTP"),
    ],
)
def test_an_authenticated_client_never_crossed_the_border(line):
    facts = read(line + SENDER)
    assert facts.origin.reason is OriginReason.AUTHENTICATED_CLIENT
    assert facts.origin.never_crossed_border
    assert (facts.origin.source, facts.origin.client_ip, facts.origin.border) == (OriginSource.NONE, None, None)
    assert facts.hops[0].standing is Standing.OURS


def test_mail_of_our_own_machines_never_crossed_the_border():
    raw = received("app ([10.0.0.9])", "mx.r.example (Postfix)") + SENDER
    assert read(raw).origin.reason is OriginReason.NEVER_CROSSED


def test_a_message_without_lines_shows_no_way_at_all_whoever_is_named():
    for settings in (named("gmail"), Settings(trust_hosts=("mx.r.example",), profiles=ALL)):
        origin = read(SENDER, settings).origin
        assert (origin.source, origin.reason) == (OriginSource.NONE, OriginReason.NO_RECEIVED)
        assert not origin.never_crossed_border
    assert read(SENDER, Settings(profiles=ALL)).origin.reason is OriginReason.NO_RECEIVED


# -- the envelope ---------------------------------------------------------------------------------------


def test_what_the_caller_says_wins_and_the_header_fills_no_gap_of_another_client():
    origin = read(RELAYED, OURS, Envelope(client_ip="192.0.2.9")).origin
    assert (origin.client_ip, origin.helo, origin.mail_from) == ("192.0.2.9", None, None)
    assert (origin.source, origin.border) == (OriginSource.ENVELOPE, None)


def test_the_header_fills_gaps_where_it_tells_of_the_same_client():
    origin = read(RELAYED, OURS, Envelope(client_ip="::ffff:203.0.113.5")).origin
    assert (origin.client_ip, origin.helo, origin.mail_from) == ("203.0.113.5", "mail.s.example", "b@s.example")
    assert origin.source is OriginSource.ENVELOPE


def test_a_mail_from_that_nothing_vouches_for_does_not_ride_on_a_given_address():
    origin = read(RELAYED, Settings(profiles=ALL), Envelope(client_ip="203.0.113.5")).origin
    assert (origin.mail_from, origin.source) == ("b@s.example", OriginSource.INFERRED)
    given = read(RELAYED, Settings(profiles=ALL), Envelope(client_ip="203.0.113.5", mail_from="")).origin
    assert (given.mail_from, given.source, given.confidence) == ("", OriginSource.ENVELOPE, Confidence.CERTAIN)


def test_a_given_mail_from_alone_does_not_vouch_for_the_address():
    origin = read(RELAYED, Settings(profiles=ALL), Envelope(mail_from="c@s.example")).origin
    assert (origin.mail_from, origin.source) == ("c@s.example", OriginSource.INFERRED)


def test_in_a_session_no_line_of_the_header_is_ours():
    forged = received("x ([203.0.113.5])", "mx.r.example (Postfix)") + SENDER
    session = Envelope(client_ip="203.0.113.5", helo="h", mail_from="b@s.example", in_session=True)
    facts = read(forged, OURS, session)
    assert (facts.origin.source, facts.origin.border) == (OriginSource.ENVELOPE, None)
    assert facts.hops[0].standing is Standing.CLAIMED
    assert facts.receipt_dates == ()


def test_in_a_session_without_an_address_no_line_is_ours_either():
    forged = "Authentication-Results: mx.r.example; dmarc=pass header.from=s.example\nX-Originating-IP: 192.0.2.7\n"
    raw = "Return-Path: <b@s.example>\n" + forged + received(MAIL, "mx.r.example (Postfix)") + SENDER
    for envelope in (
        Envelope(in_session=True),
        Envelope(in_session=True, client_ip="203.0.113.5", helo="mail.s.example", mail_from="b@s.example"),
    ):
        settings = Settings(trust_hosts=("mx.r.example",), trust_authserv_ids=("mx.r.example",), profiles=ALL)
        message = parse_message(raw.encode())
        facts = read_origin(message, envelope, settings)
        assert {hop.standing for hop in facts.hops} == {Standing.CLAIMED}
        assert (facts.border_field_index, facts.receipt_dates, facts.origin.received_at) == (None, (), None)
        assert {found.standing for found in facts.originating_ip} == {Proof.CLAIMED}
        standings = {recorded.standing for recorded in read_recorded(message, facts, settings)}
        assert RecordedStanding.TRUSTED not in standings


def test_a_line_of_the_senders_round_a_given_address_dates_and_proves_nothing():
    raw = (
        "X-Originating-IP: 192.0.2.7\nReturn-Path: <b@s.example>\n"
        + received(MAIL, "whatever.example (Postfix)", date="Wed, 15 Nov 2023 00:00:00 +0000")
        + SENDER
    )
    given = Envelope(client_ip="203.0.113.5", helo="mail.s.example", mail_from="b@s.example")
    for settings in (Settings(profiles=ALL), OURS):
        facts = read(raw, settings, given)
        assert (facts.origin.source, facts.origin.border) == (OriginSource.ENVELOPE, None)
        assert (facts.origin.received_at, facts.receipt_dates) == (None, ())
        assert facts.hops[0].standing is Standing.CLAIMED
        assert (facts.originating_ip[0].standing, facts.originating_ip[0].written_by) == (
            Proof.CLAIMED,
            WrittenBy.UNKNOWN,
        )
    by_profile = raw.replace("whatever.example (Postfix)", "mx.google.com")
    assert read(by_profile, Settings(profiles=ALL), given).receipt_dates == ()
    named_host = read(raw.replace("whatever.example", "mx.r.example"), OURS, given)
    assert named_host.origin.received_at.isoformat() == "2023-11-15T00:00:00+00:00"
    assert named_host.hops[0].standing is Standing.BORDER


# -- several receivers, gateways ------------------------------------------------------------------------

BEHIND = (
    "Received: from mx0b-000.pphosted.com (148.163.150.1) by VI1EUR06FT019.mail.protection.outlook.com (10.13.7.161) "
    "with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.6631.42 via Frontend Transport; "
    "Fri, 02 Jan 2026 03:04:07 +0000\n"
    + received("pps.filterd (m0098419.ppops.net [127.0.0.1])", "mx0b-000.pphosted.com (8.17.1.5/8.17.1.5)")
    + received(MAIL, "mx0b-000.pphosted.com (PPS)")
)


def test_named_receivers_are_walked_from_the_mailbox_outwards():
    facts = read(BEHIND + SENDER, named("microsoft365", "proofpoint"))
    assert (facts.origin.client_ip, facts.origin.profile) == ("203.0.113.5", "proofpoint")
    assert [hop.standing.value for hop in facts.hops] == ["ours", "ours", "border"]
    assert facts.origin.source is OriginSource.PROFILE


def test_a_gateway_that_was_not_named_leaves_the_boundary_incomplete():
    facts = read(BEHIND + SENDER, named("microsoft365"))
    assert (facts.origin.client_ip, facts.origin.incomplete) == ("148.163.150.1", True)
    assert facts.origin.source is OriginSource.INFERRED


def test_mail_that_goes_round_a_named_gateway_does_not_get_its_forged_lines_believed():
    forged = BEHIND.replace("148.163.150.1", "192.0.2.66")
    facts = read(forged + SENDER, named("microsoft365", "proofpoint"))
    assert (facts.origin.client_ip, facts.origin.border) == ("192.0.2.66", 0)


def test_a_gateway_whose_line_is_missing_leaves_nothing_to_go_by():
    facts = read(BEHIND.splitlines(True)[0] + SENDER, named("microsoft365", "proofpoint"))
    assert (facts.origin.client_ip, facts.origin.reason) == (None, OriginReason.BORDER_INCOMPLETE)
    assert facts.origin.incomplete


def test_a_program_that_fetched_the_mail_is_passed_over_on_top():
    raw = (
        received("pop.r.example [192.0.2.7]", "home.example", "with POP3 (fetchmail-6.4.0) for <u@home.example>")
        + "Delivered-To: u@r.example\n"
        + received("mail.s.example (mail.s.example. [203.0.113.5])", "mx.google.com")
    )
    facts = read(raw + SENDER, named("gmail"))
    assert (facts.origin.client_ip, facts.origin.border) == ("203.0.113.5", 1)
    assert facts.origin.source is OriginSource.PROFILE


def test_a_fetching_program_below_the_border_does_not_shift_it():
    raw = received("mail.s.example (mail.s.example. [203.0.113.5])", "mx.google.com") + (
        received("pop.r.example [192.0.2.7]", "home.example", "with POP3 (fetchmail-6.4.0)")
        + received("victim.example (victim.example. [192.0.2.1])", "mx.google.com")
    )
    for settings in (named("gmail"), Settings(profiles=ALL)):
        assert read(raw + SENDER, settings).origin.client_ip == "203.0.113.5"


@pytest.mark.parametrize(
    "top", [received("x", "mx.r.example"), "Received: by mx.r.example with SMTP id 1; 2 Jan 2026 03:04:05 +0000\n"]
)
def test_a_fetching_program_below_a_line_of_ours_without_an_address_does_not_either(top):
    raw = (
        top
        + received("pop.r.example [192.0.2.7]", "home.example", "with POP3 (fetchmail-6.4.0)")
        + received("victim.example (victim.example [192.0.2.1])", "mx.r.example (Postfix)")
    )
    assert read(raw + SENDER).origin.client_ip is None
    assert read(raw.replace("mx.r.example", "mx.google.com") + SENDER, named("gmail")).origin.client_ip is None


# -- auto -----------------------------------------------------------------------------------------------


def test_without_configuration_the_first_public_address_is_a_guess():
    facts = read(RELAYED, Settings(profiles=ALL))
    origin = facts.origin
    assert (origin.client_ip, origin.source) == ("203.0.113.5", OriginSource.INFERRED)
    assert (origin.confidence, origin.reason) == (Confidence.GUESS, OriginReason.FIRST_PUBLIC)
    assert not origin.vouched_for
    assert (facts.profiles, facts.profile_inferred) == ((), False)
    assert facts.origin.encrypted is None


def test_the_guess_passes_over_local_delivery_and_the_inside_of_providers():
    raw = (
        received("a (a [198.51.100.1])", "store.r.example", "with LMTP id 1")
        + received("b (2603:10a6:209:84::29)", "c.example", "with Microsoft SMTP Server id 15.20.6631.39")
        + received("cgn ([100.64.0.1])", "c.example")
        + received(MAIL, "mx.r.example")
    )
    assert read(raw + SENDER, Settings(profiles=ALL)).origin.client_ip == "203.0.113.5"


def test_a_file_that_names_its_own_receiver_vouches_for_nothing():
    raw = "X-Received: by 2002:a05:6402:1a2b:b0:5f0:1234:5678\n" + received(
        "mail.bank.example (mail.bank.example. [192.0.2.1])", "mx.google.com"
    )
    facts = read(raw + SENDER, Settings(profiles=ALL))
    assert (facts.origin.source, facts.origin.profile) == (OriginSource.INFERRED, "gmail")
    assert facts.profile_inferred
    assert not facts.origin.vouched_for


@pytest.mark.parametrize(
    "by", ["10.1.2.3", "ip-10-0-0-1.ec2.internal", "web.server.lan", "localhost", "google.com.example"]
)
def test_auto_takes_no_name_that_anybody_has_for_a_providers(by):
    assert read(received(MAIL, by) + SENDER, Settings(profiles=ALL)).origin.profile is None


def test_auto_can_be_switched_off():
    raw = received("mail.s.example (mail.s.example. [203.0.113.5])", "mx.google.com")
    assert read(raw + SENDER, Settings(profiles=ALL, auto=False)).origin.profile is None


def test_the_guess_stops_at_a_gateway_since_it_may_be_the_senders():
    raw = received("mx0b-000.pphosted.com (mx0b-000.pphosted.com [148.163.150.1])", "mx.r.example") + received(
        MAIL, "mx0b-000.pphosted.com (PPS)"
    )
    assert read(raw + SENDER, Settings(profiles=ALL)).origin.client_ip == "148.163.150.1"


# -- MAIL FROM and HELO ---------------------------------------------------------------------------------


def test_the_envelope_sender_inside_the_border_line_comes_first():
    line = received("mail.s.example ([203.0.113.5])", "mx.r.example", "with esmtps (Exim 4.96) (envelope-from <>) id 1")
    facts = read("Return-Path: <b@s.example>\n" + line + SENDER)
    assert facts.origin.mail_from == ""


def test_a_return_path_below_the_border_is_the_senders_word():
    facts = read(received(MAIL, "mx.r.example (Postfix)") + "Return-Path: <b@s.example>\n" + SENDER)
    assert facts.origin.mail_from is None


def test_the_topmost_return_path_counts_and_the_null_path_is_a_value():
    raw = "Return-Path: <>\nReturn-Path: <old@s.example>\n" + received(MAIL, "mx.r.example (Postfix)") + SENDER
    assert read(raw).origin.mail_from == ""


def test_the_receivers_received_spf_fills_what_the_line_and_the_return_path_lack():
    spf = "Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example; receiver=<UNKNOWN>\n"
    facts = read(spf + received("([203.0.113.5])", "mx.r.example") + SENDER)
    assert (facts.origin.helo, facts.origin.mail_from) == ("mail.s.example", "b@s.example")


def test_a_helo_result_is_not_taken_for_the_mail_from():
    spf = "Received-SPF: Pass identity=helo; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example\n"
    assert read(spf + received(MAIL, "mx.r.example") + SENDER).origin.mail_from is None


@pytest.mark.parametrize(
    "spf",
    [
        "Received-SPF: pass client-ip=198.51.100.1; envelope-from=b@s.example; helo=mail.s.example;\n",
        "Received-SPF: pass client-ip=203.0.113.5; envelope-from=b@other.example; helo=mail.s.example;\n",
    ],
)
def test_where_the_receivers_fields_contradict_its_line_the_line_wins_and_vouches_no_more(spf):
    facts = read("Return-Path: <b@s.example>\n" + spf + received(MAIL, "mx.r.example") + SENDER)
    assert (facts.origin.client_ip, facts.origin.mail_from) == ("203.0.113.5", "b@s.example")
    assert facts.origin.conflict
    assert not facts.origin.vouched_for
    assert AnomalyCode.ORIGIN_CONFLICT in codes(facts)


def test_an_envelope_sender_and_a_return_path_that_part_ways_vouch_no_more():
    line = received("x ([203.0.113.5])", "mx.r.example", "with esmtp (Exim 4.96) (envelope-from <{}>) id 1")
    for inside, delivered, conflict in (
        ("b@s.example", "c@S.Example.", False),
        ("b@s.example", "b@bank.example", True),
        ("", "b@bank.example", True),
        ("b@s.example", "", True),
        ("", "", False),
    ):
        facts = read(f"Return-Path: <{delivered}>\n" + line.format(inside) + SENDER)
        assert (facts.origin.conflict, facts.origin.mail_from) == (conflict, inside)
        assert facts.origin.vouched_for is not conflict


# -- times ----------------------------------------------------------------------------------------------


def test_without_a_date_on_the_border_line_the_next_line_of_ours_tells_the_receipt():
    raw = received("mx ([10.0.0.1])", "store.r.example") + received(MAIL, "mx.r.example", date="yesterday") + SENDER
    facts = read(raw)
    assert facts.origin.received_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert AnomalyCode.RECEIPT_DATE_UNUSABLE in codes(facts)


def test_delays_are_told_and_a_clock_that_runs_backwards():
    facts = read(RELAYED)
    assert [hop.delay_seconds for hop in facts.hops] == [1, 1, None]
    raw = received("mx ([10.0.0.1])", "store.r.example") + received(
        MAIL, "mx.r.example", date="2 Jan 2026 04:04:05 +0000"
    )
    late = read(raw + SENDER)
    assert late.hops[0].delay_seconds == -3600
    assert AnomalyCode.CLOCK_BACKWARDS in codes(late)


def test_a_date_far_from_the_receipt_is_said():
    assert AnomalyCode.DATE_SKEW not in codes(read(RELAYED))
    assert AnomalyCode.DATE_SKEW in codes(read(RELAYED.replace("Date: Fri, 02 Jan 2026", "Date: Fri, 09 Jan 2026")))


def test_whether_every_trusted_hop_was_encrypted():
    assert read(RELAYED).origin.encrypted is True
    clear = read(RELAYED.replace("with ESMTPS id 2", "with ESMTP id 2"))
    assert clear.origin.encrypted is False
    assert [a.detail for a in clear.anomalies if a.code is AnomalyCode.HOP_NOT_ENCRYPTED] == ["1"]
    assert read(RELAYED.replace("with ESMTPS id 3", "with ESMTP id 3")).origin.encrypted is True  # a claim


# -- X-Originating-IP and kin ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "ips"),
    [
        ("X-Originating-IP: [192.0.2.7]", ["192.0.2.7"]),
        ("X-Originating-IP: 192.0.2.7", ["192.0.2.7"]),
        ("X-Originating-IP: [2001:db8::7]", ["2001:db8::7"]),
        ("X-Originating-IP: IPv6:2001:DB8::7", ["2001:db8::7"]),
        ("X-Originating-IP: 192.0.2.7, 10.0.0.3", ["192.0.2.7", "10.0.0.3"]),
        ("X-Originating-IP: 192.0.2.7:4711", ["192.0.2.7"]),
        ("X-Originating-IP: nowhere", [None]),
        ("X-Client-IP: 192.0.2.7", ["192.0.2.7"]),
        ("X-Source-IP: 192.0.2.7", ["192.0.2.7"]),
        ("X-Real-IP: 192.0.2.7", ["192.0.2.7"]),
        ("X-Yahoo-Post-IP: 192.0.2.7", ["192.0.2.7"]),
        ("X-Forefront-Antispam-Report: CIP:192.0.2.7;CTRY:US;H:a;PTR:b", ["192.0.2.7"]),
    ],
)
def test_an_originating_address_is_read_in_every_spelling_and_stays_a_claim(field, ips):
    facts = read(RELAYED.replace("From:", f"{field}\nFrom:"))
    assert [found.ip for found in facts.originating_ip] == ips
    assert {found.standing for found in facts.originating_ip} == {Proof.CLAIMED}
    assert facts.origin.client_ip == "203.0.113.5"


def test_what_the_receiver_wrote_above_a_border_that_is_vouched_for_is_proven():
    raw = "X-Originating-IP: [203.0.113.5]\n" + RELAYED
    found = read(raw).originating_ip[0]
    assert (found.written_by, found.standing, found.index) == (WrittenBy.RECEIVER, Proof.PROVEN, 0)
    assert read(raw, Settings(profiles=ALL)).originating_ip[0].standing is Proof.CLAIMED


def test_a_field_of_the_senders_names_the_sender_and_its_place_for_a_signature_to_prove():
    found = read(RELAYED.replace("From:", "X-Originating-IP: 192.0.2.7\nFrom:")).originating_ip[0]
    assert (found.field, found.written_by, found.index) == ("X-Originating-IP", WrittenBy.SENDER, 5)


# -- hostile --------------------------------------------------------------------------------------------


def test_lines_over_the_limit_are_left_and_said():
    facts = read(received(MAIL, "mx.r.example") * 201 + SENDER)
    assert len(facts.hops) == 200
    assert [a.detail for a in facts.anomalies if a.code is AnomalyCode.LIMIT_HIT] == ["received_fields"]


@pytest.mark.parametrize("settings", [OURS, Settings(profiles=ALL)], ids=["configured", "auto"])
def test_of_fifty_thousand_received_fields_no_more_than_the_limit_is_read(settings, monkeypatch):
    parse, read_fields = origin.parse_received, []
    monkeypatch.setattr(origin, "parse_received", lambda *args: read_fields.append(args[1]) or parse(*args))
    facts = read(received("a ([10.0.0.1])", "mx.r.example") * 50_000 + SENDER, settings)
    assert len(facts.hops) == 200
    assert read_fields == list(range(200))

"""Every provider's block of fields: what it shows is read, and nobody below it can move the border."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.receivers import FIELDS, RECEIVERS
from tests.zone import Zone
from verify.evaluate import evaluate
from verify.model import ConclusionReason, Confidence, Envelope, OriginSource, RecordedStanding, Settings
from verify.profiles import builtin_profiles
from verify.reading.message import parse_message
from verify.reading.origin import read_origin
from verify.reading.recorded import read_recorded

PROFILES = builtin_profiles()
NAMED = {profile.name: Settings(receivers=(profile,), auto=False, profiles=PROFILES) for profile in PROFILES}
AUTO = Settings(profiles=PROFILES)
WITH_SENT = sorted(name for name, receiver in RECEIVERS.items() if receiver.sent)


def read(raw, choice):
    message = parse_message(raw)
    facts = read_origin(message, Envelope(), choice)
    return facts, read_recorded(message, facts, choice)


def told(facts):
    origin = facts.origin
    return origin.client_ip, origin.helo, origin.mail_from


def elsewhere(text):
    """A block as an attacker writes it: another client, another domain."""
    return text.replace("203.0.113.5", "192.0.2.77").replace("s.example", "bank.example")


def from_outside(fields):
    """What Exchange lets in: it removes the fields of its own organisation from mail that comes from outside."""
    return "".join(line for line in fields.splitlines(True) if not line.startswith("X-MS-Exchange-Organization-"))


def test_every_profile_has_a_block_here():
    assert set(RECEIVERS) == set(NAMED)


@pytest.mark.parametrize("name", RECEIVERS)
def test_the_named_receiver_shows_client_helo_mail_from_time_and_standing(name):
    receiver = RECEIVERS[name]
    facts, recorded = read(receiver.message(), NAMED[name])
    assert told(facts) == ("203.0.113.5", receiver.helo, receiver.mail_from)
    origin = facts.origin
    assert (origin.source, origin.profile, origin.confidence) == (OriginSource.PROFILE, name, Confidence.CERTAIN)
    assert origin.vouched_for
    assert not origin.conflict
    assert origin.received_at.isoformat() == receiver.received_at
    assert tuple(hop.standing.value for hop in facts.hops) == receiver.standing
    assert origin.border == receiver.standing.index("border")
    assert tuple(r.standing.value for r in recorded) == receiver.recorded


@pytest.mark.parametrize("name", RECEIVERS)
def test_auto_picks_the_receiver_and_vouches_for_nothing(name):
    receiver = RECEIVERS[name]
    facts, recorded = read(receiver.message(), AUTO)
    origin = facts.origin
    assert (origin.profile, origin.client_ip) == (name, "203.0.113.5")
    assert origin.source is OriginSource.INFERRED
    assert origin.confidence is (Confidence.LIKELY if receiver.likely else Confidence.GUESS)
    assert not origin.vouched_for
    assert RecordedStanding.TRUSTED not in {r.standing for r in recorded}


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_block_forged_below_the_honest_border_moves_nothing(name):
    receiver = RECEIVERS[name]
    honest, _ = read(receiver.message(), NAMED[name])
    forged = elsewhere(receiver.top) + FIELDS + from_outside(elsewhere(receiver.tail))
    facts, recorded = read(receiver.message(forged), NAMED[name])
    assert told(facts) == told(honest)
    assert facts.origin.source is OriginSource.PROFILE
    assert facts.origin.border == honest.origin.border
    assert {hop.standing.value for hop in facts.hops[len(receiver.standing) :]} == {"claimed"}
    count = sum(s == "trusted" for s in receiver.recorded)
    assert [r.standing.value for r in recorded].count("trusted") == count


@pytest.mark.parametrize(
    ("name", "other"), [(n, o) for n in RECEIVERS for o in ("gmail", "microsoft365", "fastmail") if n != o]
)
def test_a_block_forged_on_top_of_another_receivers_honest_one_is_not_believed(name, other):
    raw = RECEIVERS[other].message().decode()
    top = elsewhere(RECEIVERS[name].top)
    facts, recorded = read((top + raw).encode(), NAMED[other])
    assert not facts.origin.vouched_for
    assert RecordedStanding.TRUSTED not in {r.standing for r in recorded}


@pytest.mark.parametrize("name", WITH_SENT)
def test_sent_mail_never_crossed_the_border(name):
    raw = (RECEIVERS[name].sent + FIELDS + "\ntext\n").encode()
    for choice in (NAMED[name], AUTO):
        facts, _ = read(raw, choice)
        assert facts.origin.never_crossed_border, facts.origin
        assert (facts.origin.source, facts.origin.client_ip) == (OriginSource.NONE, None)


@pytest.mark.parametrize("name", RECEIVERS)
def test_another_customers_mail_keeps_the_border_over_a_forged_line_below(name):
    receiver = RECEIVERS[name]
    address, host = receiver.customer
    honest = dataclasses.replace(
        receiver, top=receiver.top.replace("203.0.113.5", address).replace("mail.s.example", host)
    )
    forged = "".join(line for line in elsewhere(receiver.top).splitlines(True) if line.startswith("Received: from"))
    choice = NAMED[name]
    # Other gateways are left out: the customer of one is its own address.
    facts, _ = read(honest.message(forged + FIELDS), choice)
    assert (facts.origin.client_ip, facts.origin.helo) == (address, host)
    assert {hop.standing.value for hop in facts.hops[len(receiver.standing) :]} == {"claimed"}
    assert facts.origin.source is OriginSource.PROFILE


LINES = st.sampled_from(
    sorted(
        {
            line
            for receiver in RECEIVERS.values()
            for text in (receiver.top, receiver.tail, receiver.sent)
            for line in elsewhere(text).splitlines(True)
        }
    )
)


@given(name=st.sampled_from(sorted(RECEIVERS)), lines=st.lists(LINES, max_size=6))
@settings(max_examples=150, deadline=None)
def test_no_lines_below_the_receivers_last_one_change_what_it_shows(name, lines):
    receiver = RECEIVERS[name]
    honest, honest_recorded = read(receiver.message(), NAMED[name])
    raw = f"{receiver.top}{FIELDS if receiver.tail else ''}{receiver.tail}{''.join(lines)}{FIELDS}\ntext\n".encode()
    facts, recorded = read(raw, NAMED[name])
    assert told(facts) == told(honest)
    assert facts.origin.border == honest.origin.border
    assert [r.standing for r in recorded[: len(honest_recorded)]] == [r.standing for r in honest_recorded]
    assert RecordedStanding.TRUSTED not in {r.standing for r in recorded[len(honest_recorded) :]}


def test_fields_of_proton_below_its_border_are_not_believed_since_a_sender_may_write_the_same_there():
    top = RECEIVERS["proton"].top.splitlines(True)
    border = next(line for line in top if line.startswith("Received:"))
    results = "".join(line for line in top if line.startswith("Authentication-Results:"))
    above = "".join(line for line in top if line not in (border, *results.splitlines(True)))
    facts, recorded = read(f"{above}{border}{results}{FIELDS}\ntext\n".encode(), NAMED["proton"])
    assert told(facts) == ("203.0.113.5", "mail.s.example", "b@s.example")
    assert {r.standing for r in recorded} == {RecordedStanding.UNTRUSTED}


WORLD = {
    "s.example": {"TXT": ["v=spf1 ip4:203.0.113.0/24 -all"]},
    "_dmarc.s.example": {"TXT": ["v=DMARC1; p=reject"]},
    "bank.example": {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]},
    "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
}
NOW = 1_767_352_000  # seconds, some hours after the mails here


def conclusion(raw, choice):
    verdict = evaluate(parse_message(raw), Envelope(), Zone(WORLD, observed_at=NOW).ask, NOW, choice)
    return verdict.conclusion_reason


@pytest.mark.parametrize("name", RECEIVERS)
def test_spf_authenticates_where_the_user_named_the_receiver_and_never_by_the_file_alone(name):
    raw = RECEIVERS[name].message(FIELDS.split("\n", 1)[1])  # without a signature
    assert conclusion(raw, NAMED[name]) is ConclusionReason.SPF_ALIGNED
    assert conclusion(raw, AUTO) is ConclusionReason.ORIGIN_INFERRED


@given(lines=st.lists(LINES, max_size=12), top=st.sampled_from(sorted(RECEIVERS)))
@settings(max_examples=60, deadline=None)
def test_no_file_on_its_own_reaches_spf_aligned(lines, top):
    raw = (elsewhere(RECEIVERS[top].top) + "".join(lines) + elsewhere(FIELDS) + "\ntext\n").encode()
    assert conclusion(raw, AUTO) is not ConclusionReason.SPF_ALIGNED


# -- sites of one's own: the program's form, hosts and ids configured ------------------------------------

OWN = Settings(
    trust_hosts=("mx.r.example",),
    trust_authserv_ids=("posteo.de", "mx.r.example"),
    authserv_id="mx.r.example",
    profiles=PROFILES,
)
POSTFIX = "Received: from mail.s.example (mail.s.example [203.0.113.5]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) (No client certificate requested) by mx.r.example (Postfix) with ESMTPS id 4XyZ for <u@r.example>; Fri, 02 Jan 2026 03:04:05 +0000\n"
EXIM = "Received: from mail.s.example ([203.0.113.5] helo=mail.s.example) by mx.r.example with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <b@s.example>) id 1qCoPH-0001; Fri, 02 Jan 2026 03:04:05 +0000\n"
DOMINO = "Received: from mail.s.example ([203.0.113.5]) by mx.r.example (Lotus Domino Release 8.5.3FP6) with ESMTP id 2019050615032991-10027949 ; Fri, 02 Jan 2026 03:04:05 +0000\n"
SITES = {
    "posteo": (
        "Authentication-Results: posteo.de; dmarc=pass (p=reject dis=none) header.from=s.example\n"
        "Authentication-Results: posteo.de; spf=tempfail smtp.mailfrom=s.example\n"
        'Authentication-Results: posteo.de; dkim=pass (2048-bit key; unprotected) header.d=s.example header.i=@s.example header.b="x/y"; dkim-atps=neutral\n'
        + POSTFIX,
        "@s.example",
        3,
    ),
    "rspamd": (
        'Authentication-Results: mx.r.example; dkim=fail ("body hash did not verify") header.d=s.example header.s=k1 header.b=AbCd; dmarc=none; spf=pass (mx.r.example: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example\n'
        + POSTFIX,
        "b@s.example",
        1,
    ),
    "policyd-spf": (
        "Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example; receiver=<UNKNOWN>\n"
        + POSTFIX,
        "b@s.example",
        1,  # it names nobody; the place above the border has to do
    ),
    "exim": ("Authentication-Results: mx.r.example; spf=pass smtp.mailfrom=s.example\n" + EXIM, "b@s.example", 1),
    "domino": ("Return-Path: <b@s.example>\n" + DOMINO, "b@s.example", 0),
}


@pytest.mark.parametrize("name", SITES)
def test_a_site_of_ones_own_shows_client_helo_and_mail_from(name):
    top, mail_from, trusted = SITES[name]
    facts, recorded = read(f"{top}{FIELDS}\ntext\n".encode(), OWN)
    assert told(facts) == ("203.0.113.5", "mail.s.example", mail_from)
    assert (facts.origin.source, facts.origin.border) == (OriginSource.CONFIGURED, 0)
    assert facts.origin.received_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert [r.standing for r in recorded].count(RecordedStanding.TRUSTED) == trusted


@pytest.mark.parametrize("name", SITES)
def test_the_same_fields_below_the_border_of_that_site_are_forged_or_untrusted(name):
    top, _, _ = SITES[name]
    facts, recorded = read(f"{POSTFIX}{elsewhere(top)}{FIELDS}\ntext\n".encode(), OWN)
    assert told(facts) == ("203.0.113.5", "mail.s.example", None)
    assert {r.standing for r in recorded} <= {RecordedStanding.FORGED, RecordedStanding.UNTRUSTED}


# -- other lines of Microsoft and Yahoo -------------------------------------------------------------------


def test_microsofts_other_forms_stand_in_its_slot():
    top = RECEIVERS["microsoft365"].top
    block = top.replace(
        "Received-SPF: Pass (protection.outlook.com: domain of s.example designates 203.0.113.5 as permitted sender) "
        "receiver=protection.outlook.com; client-ip=203.0.113.5; helo=mail.s.example; pr=C\n",
        "Received-SPF: None (protection.outlook.com: s.example does not designate permitted sender hosts)\n"
        "ARC-Authentication-Results: i=1; mx.microsoft.com 1; spf=pass (sender ip is 203.0.113.5) "
        "smtp.rcpttodomain=r.example smtp.mailfrom=s.example; dmarc=pass (p=none sp=none pct=100) action=none "
        "header.from=s.example; dkim=pass (signature was verified) header.d=s.example; arc=pass (0 oda=1 ltdi=1)\n"
        "Authentication-Results-Original: spf=pass smtp.mailfrom=s.example\n",
    )
    assert block != top
    facts, recorded = read(f"{block}{FIELDS}{RECEIVERS['microsoft365'].tail}\ntext\n".encode(), NAMED["microsoft365"])
    assert told(facts) == ("203.0.113.5", "mail.s.example", "b@s.example")
    assert [r.standing.value for r in recorded] == ["trusted", "trusted", "trusted", "untrusted"]


def test_without_a_return_path_microsofts_recorded_domain_stands_for_the_mail_from():
    facts, _ = read(f"{RECEIVERS['microsoft365'].top}{FIELDS}\ntext\n".encode(), NAMED["microsoft365"])
    assert facts.origin.mail_from == "@s.example"


def test_yahoos_present_border_line_is_read():
    line = "Received: from 203.0.113.5 (EHLO mail.s.example) by 10.217.135.199 with SMTPs (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256); Fri, 02 Jan 2026 03:04:05 +0000\n"  # assumed
    top = "".join(RECEIVERS["yahoo"].top.splitlines(True)[:-1]) + line
    facts, _ = read(f"{top}{FIELDS}\ntext\n".encode(), NAMED["yahoo"])
    assert told(facts) == ("203.0.113.5", "mail.s.example", "b@s.example")
    assert facts.origin.encrypted is True


def test_a_hop_between_microsofts_own_servers_is_no_border():
    inner = (
        "Received: from VI1EUR06FT019.eop-eur06.prod.protection.outlook.com (2603:10a6:208::1) by "
        "AM6EUR05FT003.mail.protection.outlook.com (10.233.240.1) with Microsoft SMTP Server "
        "(version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.6631.42; Fri, 02 Jan 2026 03:04:06 +0000\n"
    )
    receiver = RECEIVERS["microsoft365"]
    facts, _ = read(f"{inner}{receiver.top}{FIELDS}{receiver.tail}\ntext\n".encode(), NAMED["microsoft365"])
    assert (facts.origin.client_ip, facts.origin.border) == ("203.0.113.5", 3)


def test_a_return_path_that_the_sender_wrote_as_microsoft_does_loses_against_the_recorded_domain():
    receiver = RECEIVERS["microsoft365"]
    forged = "Return-Path: a@bank.example\nX-MS-Exchange-Organization-AuthAs: Anonymous\n" + FIELDS
    facts, _ = read(receiver.message(forged), NAMED["microsoft365"])
    assert facts.origin.mail_from == "b@s.example"


def test_an_inner_line_of_yahoo_without_an_address_is_no_border():
    inner = "Received: from sonic.gate.mail.ne1.yahoo.com by atlas209.free.mail.ne1.yahoo.com with NNFMP; Fri, 02 Jan 2026 03:04:06 +0000\n"
    facts, _ = read(f"{inner}{RECEIVERS['yahoo'].top}{FIELDS}\ntext\n".encode(), NAMED["yahoo"])
    assert (facts.origin.client_ip, facts.origin.border) == ("203.0.113.5", 2)


def test_a_second_field_below_gmails_own_fills_no_gap():
    top = [line for line in RECEIVERS["gmail"].top.splitlines(True) if line.startswith(("Received", "Auth"))]
    top[-1] = "Authentication-Results: mx.google.com; dkim=pass header.i=@s.example\n"
    forged = "Authentication-Results: mx.google.com; spf=pass smtp.mailfrom=a@bank.example\n" + FIELDS
    facts, _ = read(f"{''.join(top)}{forged}\ntext\n".encode(), NAMED["gmail"])
    assert facts.origin.mail_from is None


@pytest.mark.parametrize("name", ["microsoft365", "yahoo"])
def test_delivery_over_http_between_a_providers_own_servers_is_no_users(name):
    facts, _ = read(RECEIVERS[name].message(), NAMED[name])
    assert not any(hop.authenticated for hop in facts.hops)


def test_webmail_is_a_users():
    facts, _ = read((RECEIVERS["gmx"].sent + FIELDS + "\ntext\n").encode(), NAMED["gmx"])
    assert facts.hops[0].authenticated

"""What others recorded in the header: who is believed, who is not, and what a filter removes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.grammar.names import network
from verify.model import (
    Confidence,
    Envelope,
    Hop,
    Limits,
    Message,
    Origin,
    OriginReason,
    OriginSource,
    Profile,
    Recorded,
    RecordedStanding,
    Settings,
    Standing,
    replace,
)
from verify.profiles import builtin_profiles
from verify.reading.message import parse_message
from verify.reading.origin import OriginFacts, read_origin
from verify.reading.recorded import read_recorded, removable_fields, same_id

TRUSTED, INFERRED, UNTRUSTED, FORGED = (
    RecordedStanding.TRUSTED,
    RecordedStanding.INFERRED,
    RecordedStanding.UNTRUSTED,
    RecordedStanding.FORGED,
)
GMAIL = Profile(
    name="gmail", hosts=("mx.google.com", "*.google.com"), border_hosts=("mx.google.com",), authserv_ids=("mx.google.com",), results_slot="below-border"
)  # fmt: skip
MICROSOFT = Profile(
    name="microsoft365", hosts=("*.prod.outlook.com", "*.mail.protection.outlook.com"), no_authserv_id=True
)
SES = Profile(
    name="ses", hosts=("*.amazonaws.com",), authserv_ids=("amazonses.com",), results_slot="below-border", signs=("X-SES-Spam-Verdict", "X-SES-Virus-Verdict"),
)  # fmt: skip
PROTON = Profile(name="proton", hosts=("*.protonmail.ch",), authserv_ids=("*.protonmail.ch",), results_slot="either")
MAILRU = Profile(name="mailru", hosts=("*.mail.ru",), authserv_ids=("mxs.mail.ru",), results_slot="after-author")

OURS, BORDER, CLAIMED = Standing.OURS, Standing.BORDER, Standing.CLAIMED


def message(*lines: str) -> Message:
    return parse_message(("\r\n".join([*lines, "From: a@s.example", "", "body", ""])).encode())


def facts(
    parsed: Message,
    *standings: Standing,
    by: tuple[str | None, ...] = (),
    profiles: tuple[Profile, ...] = (),
    source: OriginSource = OriginSource.PROFILE,
    **origin: Any,
) -> OriginFacts:
    received = parsed.named(b"received")
    hops = tuple(
        Hop(index=i, field_index=field.index, standing=standing, by=by[i] if i < len(by) else None)
        for i, (field, standing) in enumerate(zip(received, standings, strict=True))
    )
    border = next((hop.index for hop in hops if hop.standing is BORDER), None)
    if profiles:
        origin.setdefault("profile", profiles[-1].name)
    found = Origin(client_ip="203.0.113.5", source=source, border=border, **origin)
    inferred = bool(profiles) and source is OriginSource.INFERRED
    return OriginFacts(origin=found, hops=hops, profiles=profiles, profile_inferred=inferred)


def standings(recorded: tuple[Recorded, ...]) -> list[RecordedStanding]:
    return [r.standing for r in recorded]


INNER = "Received: by 2002:a05:1::1; Fri, 02 Jan 2026 03:04:06 +0000"
LINE = "Received: from mail.s.example (mail.s.example. [203.0.113.5]) by mx.google.com; Fri, 02 Jan 2026 03:04:05 +0000"
SPF = "Received-SPF: pass (google.com: domain of b@s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5;"
AR = "Authentication-Results: mx.google.com; spf=pass smtp.mailfrom=b@s.example; dmarc=pass header.from=s.example"
AAR = "ARC-Authentication-Results: i=1; mx.google.com; dkim=none"
OTHER_METHODS = "Authentication-Results: mx.google.com; iprev=pass; arc=pass"
NAMED = Settings(receivers=(GMAIL,))


def test_gmails_own_fields_above_and_below_its_border_are_trusted() -> None:
    parsed = message(INNER, AAR, LINE, SPF, AR)
    recorded = read_recorded(parsed, facts(parsed, OURS, BORDER, profiles=(GMAIL,)), NAMED)
    assert standings(recorded) == [TRUSTED, TRUSTED, TRUSTED]
    assert [r.index for r in recorded] == [1, 3, 4]
    assert [r.authserv_id for r in recorded] == ["mx.google.com", "google.com", "mx.google.com"]
    assert recorded[1].results[0].properties == {"smtp.remote-ip": "203.0.113.5"}


def test_a_second_block_below_the_border_is_the_senders() -> None:
    parsed = message(INNER, LINE, SPF, AR, OTHER_METHODS, AR, SPF, AAR)
    recorded = read_recorded(parsed, facts(parsed, OURS, BORDER, profiles=(GMAIL,)), NAMED)
    assert standings(recorded) == [TRUSTED, TRUSTED, *[UNTRUSTED] * 4]


@pytest.mark.parametrize(
    "between",
    [
        "Subject: x",
        "Received: from a by mx.google.com; Fri, 02 Jan 2026 03:04:05 +0000",
        "Authentication-Results: other.example; none",
        "Received-SPF: pass (google.com: domain of b@s.example) client-ip=192.0.2.9;",
        "Received-SPF: pass (other.example: domain of b@s.example) client-ip=203.0.113.5;",
        "Authentication-Results: mx.google.com; dkim=pass (unclosed",
    ],
)
def test_the_slot_ends_at_anything_that_the_receiver_does_not_write_there(between: str) -> None:
    parsed = message(LINE, between, AR)
    count = len(parsed.named(b"received"))
    recorded = read_recorded(parsed, facts(parsed, *([BORDER, CLAIMED][:count]), profiles=(GMAIL,)), NAMED)
    assert TRUSTED not in standings(recorded)


def test_an_auto_picked_profile_gives_inferred() -> None:
    parsed = message(INNER, LINE, SPF, AR)
    auto = Settings(profiles=(GMAIL,))
    found = facts(parsed, OURS, BORDER, source=OriginSource.INFERRED, profiles=(GMAIL,), confidence=Confidence.LIKELY)
    assert standings(read_recorded(parsed, found, auto)) == [INFERRED, INFERRED]


def test_an_incomplete_boundary_gives_inferred_though_the_profile_was_named() -> None:
    parsed = message(LINE, SPF, AR)
    assert standings(read_recorded(parsed, facts(parsed, BORDER, incomplete=True, profiles=(GMAIL,)), NAMED)) == [
        INFERRED,
        INFERRED,
    ]


def test_microsofts_field_without_id_is_believed_above_the_border_alone() -> None:
    field = "Authentication-Results: spf=pass (sender IP is 203.0.113.5) smtp.mailfrom=s.example; dkim=none"
    spf = "Received-SPF: Pass (protection.outlook.com: domain of s.example designates 203.0.113.5) receiver=protection.outlook.com; client-ip=203.0.113.5; helo=mail.s.example; pr=C"
    original = "Authentication-Results-Original: mx.s.example; dkim=pass"
    hybrid = "X-MS-Exchange-Authentication-Results: spf=pass smtp.mailfrom=s.example"
    parsed = message("Received: a", field, spf, original, hybrid, "Received: b", field, spf)
    recorded = read_recorded(
        parsed, facts(parsed, OURS, BORDER, profiles=(MICROSOFT,)), Settings(receivers=(MICROSOFT,))
    )
    assert standings(recorded) == [TRUSTED, TRUSTED, UNTRUSTED, TRUSTED, UNTRUSTED, UNTRUSTED]
    assert recorded[0].authserv_id is None


def test_no_other_profile_believes_a_field_without_id() -> None:
    parsed = message("Authentication-Results: spf=pass smtp.mailfrom=s.example", LINE)
    assert standings(read_recorded(parsed, facts(parsed, BORDER, profiles=(GMAIL,)), NAMED)) == [UNTRUSTED]


def test_ses_writes_its_verdicts_between_border_and_results() -> None:
    spf = "Received-SPF: pass (spfCheck: domain of _spf.s.example designates 203.0.113.5) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example;"
    field = "Authentication-Results: amazonses.com; spf=pass client-ip=203.0.113.5; dmarc=pass header.from=s.example;"
    parsed = message("Received: b", "X-SES-Spam-Verdict: PASS", "X-SES-Virus-Verdict: PASS", spf, field, field)
    recorded = read_recorded(parsed, facts(parsed, BORDER, profiles=(SES,)), Settings(receivers=(SES,)))
    assert standings(recorded) == [TRUSTED, TRUSTED, UNTRUSTED]
    assert recorded[0].results[0].properties["smtp.helo"] == "mail.s.example"


def test_proton_writes_one_field_for_each_method_above_or_below() -> None:
    lines = [f"Authentication-Results: mailin034.protonmail.ch; {m}=pass" for m in ("dmarc", "spf", "dkim")]
    parsed = message(*lines, "Received: b", *lines, "Authentication-Results: mail.protonmail.ch; dmarc=pass")
    recorded = read_recorded(parsed, facts(parsed, BORDER, profiles=(PROTON,)), Settings(receivers=(PROTON,)))
    assert standings(recorded) == [TRUSTED] * 6 + [UNTRUSTED]


def test_a_slot_among_the_senders_fields_is_never_believed() -> None:
    field = "Authentication-Results: mxs.mail.ru; dmarc=pass header.from=s.example"
    parsed = message("Received: b", "To: u@r.example", field)
    assert standings(
        read_recorded(parsed, facts(parsed, BORDER, profiles=(MAILRU,)), Settings(receivers=(MAILRU,)))
    ) == [UNTRUSTED]


CONFIGURED = Settings(authserv_id="mx.r.example", trust_authserv_ids=("Old.R.example",), trust_hosts=("*.r.example",))


def test_a_configured_id_is_believed_above_the_border_in_any_spelling() -> None:
    ids = ["old.r.example", "OLD.r.Example", '"old.r.example"', "old.r.example.", "(c) old.r.example 1"]
    parsed = message(*(f"Authentication-Results: {name}; none" for name in ids), "Received: b")
    found = facts(parsed, BORDER, source=OriginSource.CONFIGURED)
    assert standings(read_recorded(parsed, found, CONFIGURED)) == [TRUSTED] * 5


def test_an_id_that_was_not_configured_is_never_believed() -> None:
    """The id that we write is believed only when it is listed (RFC 8601 7.1); a foreign one never."""
    ids = ["other.example", "mx.r.example", "old.r.example.attack.example", "r.example"]
    parsed = message(*(f"Authentication-Results: {name}; none" for name in ids), "Received: b")
    found = facts(parsed, BORDER, source=OriginSource.CONFIGURED)
    assert standings(read_recorded(parsed, found, CONFIGURED)) == [UNTRUSTED] * 4


@pytest.mark.parametrize(
    "name", ["mx.r.example", "old.r.example", '"MX.r.example."', "mx.r.example; dkim=pass (unclosed"]
)
def test_our_id_below_the_border_is_forged(name: str) -> None:
    parsed = message("Received: b", "Received: c", f"Authentication-Results: {name}; none")
    found = facts(parsed, BORDER, CLAIMED, source=OriginSource.CONFIGURED, by=("mx.r.example", "mail.s.example"))
    assert standings(read_recorded(parsed, found, CONFIGURED)) == [FORGED]


def test_our_id_below_a_line_of_our_hosts_is_untrusted_not_forged() -> None:
    parsed = message("Received: b", "Received: c", "Authentication-Results: mx.r.example; none")
    found = facts(parsed, BORDER, CLAIMED, source=OriginSource.CONFIGURED, by=("mx.r.example", "in.r.example"))
    assert standings(read_recorded(parsed, found, CONFIGURED)) == [UNTRUSTED]


def test_a_profiles_id_below_the_border_is_untrusted_and_localhost_is_nobodys() -> None:
    parsed = message("Received: b", "Subject: x", AR, "Authentication-Results: localhost; none")
    assert standings(read_recorded(parsed, facts(parsed, BORDER, profiles=(GMAIL,)), NAMED)) == [UNTRUSTED, UNTRUSTED]


def test_nothing_is_forged_below_a_guessed_or_unknown_border() -> None:
    parsed = message("Received: b", "Authentication-Results: mx.r.example; none")
    for found in (
        facts(parsed, BORDER, source=OriginSource.INFERRED, confidence=Confidence.GUESS),
        facts(parsed, CLAIMED, source=OriginSource.NONE),
        facts(parsed, OURS, source=OriginSource.NONE, reason=OriginReason.NEVER_CROSSED),
    ):
        assert standings(read_recorded(parsed, found, CONFIGURED)) == [UNTRUSTED]


def test_in_front_of_delivery_the_whole_header_is_the_senders() -> None:
    parsed = message("Authentication-Results: mx.r.example; none", AR, "Received: a")
    found = facts(parsed, OURS, source=OriginSource.ENVELOPE, profiles=(GMAIL,))
    named = Settings(authserv_id="mx.r.example", trust_authserv_ids=("mx.r.example",), receivers=(GMAIL,))
    assert standings(read_recorded(parsed, found, named)) == [FORGED, UNTRUSTED]


def test_an_address_given_for_a_line_that_nobody_named_gives_inferred() -> None:
    """The envelope vouches for the address; that the line naming it is ours, only a named host does."""
    parsed = message("Authentication-Results: old.r.example; none", "Received: b")
    for by, standing in (("mx.r.example", TRUSTED), ("mx.s.example", INFERRED)):
        found = facts(parsed, BORDER, source=OriginSource.ENVELOPE, by=(by,))
        assert standings(read_recorded(parsed, found, CONFIGURED)) == [standing]


def test_a_profile_that_auto_picked_for_mail_that_never_crossed_gives_inferred() -> None:
    parsed = message(AR, INNER)
    found = facts(parsed, OURS, source=OriginSource.NONE, reason=OriginReason.NEVER_CROSSED, profiles=(GMAIL,))
    found = replace(found, profile_inferred=True)
    assert standings(read_recorded(parsed, found, Settings(profiles=(GMAIL,)))) == [INFERRED]


def test_mail_that_never_crossed_the_border_is_ours_down_to_our_last_line() -> None:
    parsed = message(
        "Authentication-Results: old.r.example; none", "Received: a", "Authentication-Results: old.r.example; none"
    )
    found = facts(parsed, OURS, source=OriginSource.NONE, reason=OriginReason.NEVER_CROSSED)
    assert standings(read_recorded(parsed, found, CONFIGURED)) == [TRUSTED, UNTRUSTED]


def test_a_helo_result_carries_no_mail_from() -> None:
    helo = "Received-SPF: Pass (helo) identity=helo; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example; receiver=mx.r.example"
    pra = helo.replace("identity=helo", "identity=pra")
    parsed = message(helo, pra, "Received: b")
    first, second = read_recorded(parsed, facts(parsed, BORDER), CONFIGURED)
    assert first.results[0].properties == {"smtp.helo": "mail.s.example", "smtp.remote-ip": "203.0.113.5"}
    assert second.results[0].method == "sender-id"


def test_what_cannot_be_read_is_listed_and_not_believed() -> None:
    bad = ["old.r.example; dkim=pass (", "old.r.example 2; dkim=pass", "i=1; old.r.example; dkim=pass"]
    parsed = message(*(f"Authentication-Results: {b}" for b in bad), "ARC-Authentication-Results: old.r.example; none", "Received-SPF: (", "Received: b")  # fmt: skip
    recorded = read_recorded(parsed, facts(parsed, BORDER), CONFIGURED)
    assert standings(recorded) == [UNTRUSTED] * 5
    assert not any(r.parsed or r.results for r in recorded)
    assert recorded[0].authserv_id == "old.r.example"


def test_limits_are_named_where_they_cut() -> None:
    few = Settings(trust_authserv_ids=("x.example",), limits=Limits(recorded_fields=2, recorded_octets=60))
    line = "Authentication-Results: x.example; none"
    parsed = message(line, "Authentication-Results: x.example; spf=none (" + "a" * 60 + ")", line, "Received: b")
    recorded = read_recorded(parsed, facts(parsed, BORDER), few)
    assert [(r.standing, r.limit) for r in recorded] == [(TRUSTED, None), (UNTRUSTED, "recorded_octets"), (UNTRUSTED, "recorded_fields")]  # fmt: skip


SENT = st.lists(
    st.sampled_from(
        [AR, SPF, AAR, OTHER_METHODS, "Subject: x", "X-SES-Spam-Verdict: PASS", "Authentication-Results: spf=pass", "Authentication-Results: mail.protonmail.ch; arc=pass", "Received: from x by mx.google.com"]
    ),
    max_size=6,
)  # fmt: skip


@given(SENT)
@settings(max_examples=150, deadline=None)
def test_nothing_below_the_receivers_last_line_changes_a_standing_or_is_believed(sent: list[str]) -> None:
    parsed = message(INNER, AAR, LINE, SPF, AR, *sent)
    count = len(parsed.named(b"received"))
    recorded = read_recorded(parsed, facts(parsed, OURS, BORDER, *[CLAIMED] * (count - 2), profiles=(GMAIL,)), NAMED)
    assert standings(recorded)[:3] == [TRUSTED] * 3
    assert set(standings(recorded)[3:]) <= {UNTRUSTED}


# --- with the origin as it is really read ----------------------------------------------------------

HONEST = [
    "Delivered-To: u@r.example",
    "Received: by 2002:a05:6a10:1::1 with SMTP id a1csp1; Fri, 02 Jan 2026 03:04:06 -0800 (PST)",
    "ARC-Authentication-Results: i=1; mx.google.com; spf=pass smtp.mailfrom=b@s.example",
    "Return-Path: <b@s.example>",
    "Received: from mail.s.example (mail.s.example. [203.0.113.5]) by mx.google.com with ESMTPS id a1-2si345edc.67.2026.01.02.03.04.05 for <u@r.example> (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128); Fri, 02 Jan 2026 03:04:05 -0800 (PST)",
    SPF,
    AR,
]
GOOGLE = replace(GMAIL, private_is_ours=True, networks=tuple(n for n in (network("2002:a05::/32"),) if n))


def read_whole(lines: list[str], envelope: Envelope, chosen: Settings) -> tuple[Recorded, ...]:
    parsed = message(*lines)
    return read_recorded(parsed, read_origin(parsed, envelope, chosen), chosen)


def test_a_named_receiver_is_believed_and_a_guessed_one_inferred() -> None:
    assert standings(read_whole(HONEST, Envelope(), Settings(receivers=(GOOGLE,)))) == [TRUSTED] * 3
    assert standings(read_whole(HONEST, Envelope(), Settings(profiles=(GOOGLE,)))) == [INFERRED] * 3
    assert standings(read_whole(HONEST, Envelope(), Settings())) == [UNTRUSTED] * 3


def test_a_provider_block_under_another_receivers_border_is_untrusted() -> None:
    ours = "Received: from mail.s.example (mail.s.example [203.0.113.9]) by mx.r.example (Postfix) with ESMTPS id 4XyZ for <u@r.example>; Fri, 02 Jan 2026 12:05:05 +0100 (CET)"
    chosen = Settings(trust_hosts=("mx.r.example",), trust_authserv_ids=("mx.r.example",), profiles=(GOOGLE,))
    mine = "Authentication-Results: mx.r.example; none"
    recorded = read_whole([mine, ours, *HONEST, mine], Envelope(), chosen)
    assert standings(recorded) == [TRUSTED, UNTRUSTED, UNTRUSTED, UNTRUSTED, FORGED]


def test_in_the_smtp_session_no_line_of_the_message_is_ours() -> None:
    session = Envelope(client_ip="203.0.113.5", helo="mail.s.example", mail_from="b@s.example", in_session=True)
    mine = "Authentication-Results: mx.r.example; none"
    chosen = Settings(receivers=(GOOGLE,), trust_authserv_ids=("mx.r.example",))
    assert set(standings(read_whole([mine, *HONEST], session, chosen))) <= {UNTRUSTED, FORGED}


@given(SENT)
@settings(max_examples=100, deadline=None)
def test_no_line_of_the_senders_is_believed_nor_changes_what_is(sent: list[str]) -> None:
    recorded = read_whole([*HONEST, *sent], Envelope(), Settings(receivers=(GOOGLE,)))
    assert standings(recorded)[:3] == [TRUSTED] * 3
    assert set(standings(recorded)[3:]) <= {UNTRUSTED}


DATE = "Fri, 02 Jan 2026 03:04:05 +0000"
# The fields that each provider writes, in its order, round a border line of its own.  Gaps are filled by assumption.
PROVIDERS: dict[str, list[str]] = {
    "gmail": HONEST,
    "microsoft365": [
        f"Received: from AM6P194CA0052.EURP194.PROD.OUTLOOK.COM (2603:10a6:209:84::29) by DS7PR19MB0002.namprd19.prod.outlook.com (2603:10b6:8:97::12) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.6631.39; {DATE}",
        "Authentication-Results: spf=pass (sender IP is 203.0.113.5) smtp.mailfrom=s.example; dkim=pass (signature was verified) header.d=s.example;dmarc=pass action=none header.from=s.example;compauth=pass reason=100",
        "Received-SPF: Pass (protection.outlook.com: domain of s.example designates 203.0.113.5 as permitted sender) receiver=protection.outlook.com; client-ip=203.0.113.5; helo=mail.s.example; pr=C",
        f"Received: from mail.s.example (203.0.113.5) by VI1EUR06FT019.mail.protection.outlook.com (10.13.7.161) with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.6631.42 via Frontend Transport; {DATE}",
    ],
    "exchange": [
        "Received-SPF: Pass (ex01.r.example: domain of b@s.example designates 203.0.113.5 as permitted sender) receiver=ex01.r.example; client-ip=203.0.113.5; helo=mail.s.example;",
        f"Received: from mail.s.example (203.0.113.5) by ex01.r.example (10.1.2.3) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6 via Frontend Transport; {DATE}",
    ],
    "yahoo": [
        "X-Apparently-To: u@yahoo.example via 98.0.0.1",
        "Authentication-Results: atlas108.free.mail.bf1.yahoo.com; dkim=pass header.i=@s.example header.s=k1; spf=pass smtp.mailfrom=s.example; dmarc=pass(p=REJECT,sp=QUARANTINE) header.from=s.example;",
        "Received-SPF: pass (domain of s.example designates 203.0.113.5 as permitted sender)",
        f"Received: from 203.0.113.5 (EHLO mail.s.example) (203.0.113.5) by mta232.mail.bf1.yahoo.com with SMTP; {DATE}",
    ],
    "icloud": [
        'Authentication-Results: bimi.icloud.com; bimi=skipped reason="insufficient dmarc"',
        "Authentication-Results: dmarc.icloud.com; dmarc=pass header.from=s.example",
        "Authentication-Results: spf.icloud.com; spf=pass (spf.icloud.com: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example",
        "Received-SPF: pass (spf.icloud.com: domain of b@s.example designates 203.0.113.5 as permitted sender) receiver=spf.icloud.com; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example",
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) by p00-icloudmta-smtpin-us-east-1a-60-percent-0 (Postfix) with ESMTPS id 4XyZ for <u@r.example>; {DATE}",
    ],
    "fastmail": [
        "Authentication-Results: mx1.messagingengine.com; x-csa=none; x-ptr=pass smtp.helo=mail.s.example policy.ptr=mail.s.example",
        "Authentication-Results: mx1.messagingengine.com; iprev=pass smtp.remote-ip=203.0.113.5 (mail.s.example); spf=pass smtp.mailfrom=b@s.example smtp.helo=mail.s.example",
        "Received-SPF: pass (s.example: 203.0.113.5 is authorized) receiver=mx1.messagingengine.com; identity=mailfrom; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example",
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) by mx1.messagingengine.com (Postfix) with ESMTPS id 4XyZ for <u@r.example>; {DATE}",
    ],
    "proton": [
        "Authentication-Results: mailin034.protonmail.ch; dmarc=pass (p=none dis=none) header.from=s.example",
        "Authentication-Results: mail.protonmail.ch; spf=pass smtp.mailfrom=s.example",
        'Authentication-Results: mail.protonmail.ch; dkim=pass (2048-bit key) header.d=s.example header.b="x/y"',
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) by mailin034.protonmail.ch (Postfix) with ESMTPS id 4XyZ for <u@r.example>; {DATE}",
    ],
    "zoho": [
        "Authentication-Results: mx.zohomail.eu; dkim=pass; spf=pass (zohomail.eu: domain of _spf.s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example; dmarc=pass(p=none dis=none) header.from=s.example",
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) by mx.zohomail.eu with SMTPS id 1; {DATE}",
    ],
    "yandex": [
        "Authentication-Results: x.qloud-c.yandex.net; spf=pass (x.qloud-c.yandex.net: domain of s.example designates 203.0.113.5 as permitted sender, rule=[ip4:203.0.113.0/24]) smtp.mail=b@s.example; dkim=pass header.i=@s.example",
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) by x.qloud-c.yandex.net (mxfront/Yandex) with ESMTPS id abc; {DATE}",
    ],
    "ses": [
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) by inbound-smtp.us-east-1.amazonaws.com with SMTP id abc for u@r.example; {DATE}",
        "X-SES-Spam-Verdict: PASS",
        "X-SES-Virus-Verdict: PASS",
        "Received-SPF: pass (spfCheck: domain of _spf.s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example;",
        "Authentication-Results: amazonses.com; spf=pass (spfCheck: domain of _spf.s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example; dkim=pass header.i=@s.example; dmarc=pass header.from=s.example;",
    ],
    "cisco": [
        'Received-SPF: Pass (esa2.x.iphmx.com: domain of b@s.example designates 203.0.113.5 as permitted sender) identity=mailfrom; client-ip=203.0.113.5; receiver=esa2.x.iphmx.com; envelope-from="b@s.example"; x-sender="b@s.example"; x-conformance=sidf_compatible; x-record-type="v=spf1"',
        f"Received: from mail.s.example ([203.0.113.5]) by esa2.x.iphmx.com with ESMTP/TLS/TLS_AES_256_GCM_SHA384; {DATE}",
    ],
}  # fmt: skip
BUILTIN = {profile.name: profile for profile in builtin_profiles()}


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_is_believed_where_it_writes_and_nowhere_else(name: str) -> None:
    lines = PROVIDERS[name]
    count = sum(
        line.partition(":")[0] in ("Authentication-Results", "Received-SPF", "ARC-Authentication-Results")
        for line in lines
    )
    chosen = Settings(receivers=(BUILTIN[name],))
    assert standings(read_whole(lines, Envelope(), chosen)) == [TRUSTED] * count
    behind = read_whole([*lines, "Subject: x", *lines], Envelope(), chosen)
    assert standings(behind) == [TRUSTED] * count + [UNTRUSTED] * count
    assert TRUSTED not in standings(read_whole(lines, Envelope(), Settings(profiles=tuple(BUILTIN.values()))))


def test_mail_ru_writes_among_the_senders_fields_and_is_not_believed() -> None:
    lines = [f"Received: from mail.s.example ([203.0.113.5]:4321) by mx273.i.mail.ru with esmtp (envelope-from <b@s.example>) id 1abc; {DATE}", "To: u@r.example", "Authentication-Results: mxs.mail.ru; spf=pass smtp.mailfrom=b@s.example; dmarc=pass header.from=b@s.example"]  # fmt: skip
    assert standings(read_whole(lines, Envelope(), Settings(receivers=(BUILTIN["mailru"],)))) == [UNTRUSTED]


def test_received_spf_of_configured_hosts_is_believed_with_or_without_a_name() -> None:
    lines = [
        "Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example; receiver=<UNKNOWN>",
        "Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.5; receiver=mx.r.example",
        "Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.5; receiver=mx.other.example",
        f"Received: from mail.s.example (mail.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTPS id 4XyZ for <u@r.example>; {DATE}",
    ]
    assert standings(read_whole(lines, Envelope(), CONFIGURED)) == [TRUSTED, TRUSTED, UNTRUSTED]
    assert standings(read_whole(lines[::-1], Envelope(), CONFIGURED)) == [UNTRUSTED, FORGED, UNTRUSTED]


# --- what a filter removes -------------------------------------------------------------------------

IDS = ("mx.r.example", "bücher.example")


def removed(*lines: str, peer_is_ours: bool = False) -> tuple[int, ...]:
    return removable_fields(message(*lines), IDS, peer_is_ours=peer_is_ours)


@pytest.mark.parametrize("peer_is_ours", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        "Authentication-Results: mx.r.example; none",
        "authentication-RESULTS: MX.R.Example; dkim=pass",
        'Authentication-Results: "mx.r.example"; dkim=pass',
        'Authentication-Results: "mx\\.r.example"; dkim=pass',
        "Authentication-Results: mx.r.example (comment); dkim=pass",
        "Authentication-Results: (mx.r.example) mx.r.example; dkim=pass",
        "Authentication-Results: ((a)(b;)) mx.r.example; dkim=pass",
        "Authentication-Results:\r\n\tmx.r.example\r\n ; dkim=pass",
        "Authentication-Results: mx.r.example.; dkim=pass",
        "Authentication-Results: mx.r.example 1; dkim=pass",
        "Authentication-Results: mx.r.example 7; dkim=pass",
        "Authentication-Results: mx.r.example; dkim=pass (unclosed",
        'Authentication-Results: mx.r.example; dkim=pass reason="unclosed',
        "Authentication-Results: =?utf-8?q?mx=2Er=2Eexample?=; dkim=pass",
        "Authentication-Results: mx.r.example" + " ; dkim=pass" * 2000,
        "Authentication-Results: xn--bcher-kva.example; none",
        "Authentication-Results: BÜCHER.example; none",
        "Authentication-Results: mx.r。example; none",
        "Authentication-Results : mx.r.example; none",
        "X-Original-Authentication-Results: mx.r.example; none",
        "Authentication-Results-Original: mx.r.example; none",
        "Received-SPF: pass (mx.r.example: domain of b@s.example) client-ip=192.0.2.1",
        "Received-SPF: pass receiver=MX.R.Example; client-ip=192.0.2.1",
        "Received-SPF: pass receiver=mx.r.example; client-ip=192.0.2.1 (",
        "DMARC-Filter: OpenDMARC Filter v1 mx.s.example",
        "X-Mailverdict: authenticated",
    ],
)
def test_what_bears_our_name_is_removed(line: str, peer_is_ours: bool) -> None:
    assert removed("Subject: x", line, "To: u@r.example", peer_is_ours=peer_is_ours) == (1,)


UNREADABLE = [
    "Authentication-Results: other.example; dkim=pass (unclosed",
    "Authentication-Results: other.example 2; dkim=pass",
    "Authentication-Results: spf=pass smtp.mailfrom=s.example",
    "Authentication-Results:",
    "Authentication-Results: a b c; dkim=pass",
    "Authentication-Results: <mx@other.example>; dkim=pass",
    "Received-SPF: (",
]


@pytest.mark.parametrize("line", UNREADABLE)
def test_what_cannot_be_read_is_removed_unless_the_peer_is_ours(line: str) -> None:
    assert removed(line) == (0,)
    assert removed(line, peer_is_ours=True) == ()


@pytest.mark.parametrize(
    "line",
    [
        "Authentication-Results: other.example; dkim=pass header.d=mx.r.example",
        "Authentication-Results: mx.r.example.attack.example; dkim=pass",
        "Authentication-Results: other.example; dmarc=pass(p=none);",
        "ARC-Authentication-Results: i=1; mx.r.example; dkim=pass",
        "ARC-Authentication-Results: (",
        "ARC-Seal: i=1; a=mx.r.example",
        "Received-SPF: pass (other.example: domain of mx.r.example) client-ip=192.0.2.1",
        "X-Original-Authentication-Results: other.example (",
        "Received: from mx.r.example",
    ],
)
def test_what_is_not_ours_stays(line: str) -> None:
    assert removed(line) == ()


def test_indexes_are_given_lowest_first() -> None:
    line = "Authentication-Results: mx.r.example; none"
    assert removed(line, "Subject: x", line, "X-Y: z", line) == (0, 2, 4)


@given(
    st.binary(max_size=120),
    st.sampled_from([b"Authentication-Results", b"Received-SPF", b"ARC-Authentication-Results"]),
)
@settings(max_examples=200, deadline=None)
def test_any_octets_are_judged_without_an_exception(octets: bytes, name: bytes) -> None:
    parsed = parse_message(name + b": " + octets + b"\r\n\r\n")
    removable_fields(parsed, IDS, peer_is_ours=False)
    read_recorded(parsed, OriginFacts(origin=Origin()), CONFIGURED)


@pytest.mark.parametrize(
    ("text", "name"),
    [("MX.r.example.", "mx.r.example"), ("bücher.example", "xn--bcher-kva.example"), ("My Id", "myid"), ("m\u200bx.r.example", "mx.r.example"), ("", None), (None, None)],
)  # fmt: skip
def test_ids_are_compared_in_one_form(text: str | None, name: str | None) -> None:
    assert same_id(text) == name


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\rAuthentication-Results: mx.r.example; dmarc=pass\r\n",
        b"X-Any: x\r \tAuthentication-Results : mx.r.example; dmarc=pass\r\n",
        b"Subject: x\rReceived-SPF: pass receiver=mx.r.example\r\n",
        b"Authentication-Results: (" + b"a" * 70_000 + b") mx.r.example; dmarc=pass\r\n",
        b"X-Authentication-Results: (" + b"a" * 70_000 + b") mx.r.example; dmarc=pass\r\n",
    ],
)
def test_what_hides_our_name_is_removed(raw):
    message = parse_message(raw + b"From: a@x.example\r\n\r\nbody")
    assert removable_fields(message, ("mx.r.example",), peer_is_ours=True) == (0,)


@pytest.mark.parametrize(
    "raw", [b"Subject: x\ry\r\n", b"Subject: x\rAuthentication-Results: other.example; dmarc=pass\r\n"]
)
def test_a_bare_cr_alone_removes_nothing(raw):
    message = parse_message(raw + b"From: a@x.example\r\n\r\nbody")
    assert removable_fields(message, ("mx.r.example",), peer_is_ours=False) == ()

"""Received fields of the servers in the wild: who is HELO, who the reverse name, which address the client."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.model import Tls, replace
from verify.reading import received
from verify.reading.received import is_encrypted, parse_received, protocol

DATE = "; Fri, 02 Jan 2026 03:04:05 +0000"


def hop(text):
    return parse_received(text.encode(), 0, 0)


# Line -> what it says.  The client is 203.0.113.5 everywhere, HELO mail.s.example, the reverse name r5.s.example
# where there is one.
FROM = {
    "postfix": (
        "from mail.s.example (r5.s.example [203.0.113.5]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
        "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256) (No client certificate requested) "
        "(Authenticated sender: u) by mx.r.example (Postfix) with ESMTPS id 4XyZ for <u@r.example>",
        {
            "from_helo": "mail.s.example",
            "from_name": "r5.s.example",
            "auth_user": "u",
            "authenticated": True,
            "tls": Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
            "id": "4XyZ",
            "for_": "u@r.example",
            "dialect": "postfix",
        },
    ),
    "postfix, no reverse name": (
        "from mail.s.example (unknown [203.0.113.5]) by mx.r.example (Postfix) with ESMTP id 4XyZ",
        {"from_helo": "mail.s.example", "from_name": None, "authenticated": False},
    ),
    "exim, no reverse name": (
        "from [203.0.113.5] (port=62258 helo=DESKTOP) by mx.r.example with esmtpa (Exim 4.96) "
        "(envelope-from <b@s.example>) id 1qCoPH-0001",
        {
            "from_helo": "DESKTOP",
            "from_name": None,
            "envelope_from": "b@s.example",
            "authenticated": True,
            "dialect": "exim",
        },
    ),
    "exim, reverse name": (
        "from r5.s.example ([203.0.113.5] helo=mail.s.example ident=x) by mx.r.example with esmtps "
        "(TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <>) id 1qCoPH-0001 for u@r.example",
        {
            "from_helo": "mail.s.example",
            "from_name": "r5.s.example",
            "envelope_from": "",
            "tls": Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
            "for_": "u@r.example",
        },
    ),
    "exim, reverse name equal to HELO, with port": (
        "from mail.s.example ([203.0.113.5]:52313) by mx.r.example with esmtps (TLS-1.0:DHE_RSA_3DES_EDE_CBC_SHA:24) (Exim 4.50) id 1",
        {"from_helo": "mail.s.example", "from_name": "mail.s.example"},
    ),
    "exim, no parentheses": (
        "from mail.s.example [203.0.113.5] by mx.r.example with esmtp (Exim 3.35 #1 (Debian)) id 1",
        {"from_helo": "mail.s.example", "from_name": "mail.s.example"},
    ),
    "exim, HELO is the literal": (
        "from [203.0.113.5] by mx.r.example with smtp (Exim 4.96) id 1",
        {"from_helo": "[203.0.113.5]", "from_name": None},
    ),
    "sendmail": (
        "from mail.s.example (r5.s.example [203.0.113.5] (may be forged)) (authenticated bits=0) by mx.r.example "
        "(8.17.1/8.17.1) with ESMTPS id 3XyZ for <u@r.example>",
        {"from_helo": "mail.s.example", "from_name": "r5.s.example", "authenticated": True, "dialect": "sendmail"},
    ),
    "sendmail, ident": (
        "from mail.s.example (IDENT:user@r5.s.example [203.0.113.5]) by mx.r.example (8.11.6/8.11.6) with SMTP id h381",
        {"from_helo": "mail.s.example", "from_name": "r5.s.example", "authenticated": False},
    ),
    "sendmail, user and no reverse name": (
        "from mail.s.example (user@[203.0.113.5]) by mx.r.example (V8/cf) with SMTP id h381",
        {"from_helo": "mail.s.example", "from_name": None, "dialect": "sendmail"},
    ),
    "qmail": (
        "from r5.s.example (HELO mail.s.example) (ident@203.0.113.5) by mx.r.example with SMTP",
        {"from_helo": "mail.s.example", "from_name": "r5.s.example", "dialect": "qmail"},
    ),
    "qmail, no reverse name": (
        "from unknown (HELO mail.s.example) (203.0.113.5) by mx.r.example with SMTP",
        {"from_helo": "mail.s.example", "from_name": None},
    ),
    "qmail, empty HELO": (
        "from r5.s.example (HELO ) (203.0.113.5) by mx.r.example with SMTP",
        {"from_helo": None, "from_name": "r5.s.example"},
    ),
    "qmail, HELO equal to the reverse name": (
        "from mail.s.example (203.0.113.5) by mx.r.example with SMTP",
        {"from_helo": "mail.s.example"},
    ),
    "qmail-ldap": (
        "from unknown (HELO mail.s.example) (ident@[203.0.113.5]) (envelope-sender <b@s.example>) by mx.r.example "
        "(qmail-ldap-1.03) with SMTP for <u@r.example>",
        {"from_helo": "mail.s.example", "from_name": None, "envelope_from": "b@s.example"},
    ),
    "courier": (
        "from mail.s.example (r5.s.example [::ffff:203.0.113.5]) (AUTH: CRAM-MD5 u, TLS: TLSv1.3,128bits,"
        "ECDHE_RSA_AES_128_GCM_SHA256) by mx.r.example with esmtps id 0001",
        {
            "from_helo": "mail.s.example",
            "from_name": "r5.s.example",
            "auth_user": "u",
            "authenticated": True,
            "tls": Tls("TLSv1.3", "ECDHE_RSA_AES_128_GCM_SHA256"),
        },
    ),
    "exchange": (
        "from mail.s.example (203.0.113.5) by ex01.r.example (10.1.2.3) with Microsoft SMTP Server "
        "(version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6 via Frontend Transport",
        {
            "from_helo": "mail.s.example",
            "from_name": None,
            "via": "Frontend Transport",
            "with_": "Microsoft SMTP Server",
            "id": "15.1.2507.6",
            "tls": Tls("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
            "dialect": "exchange",
        },
    ),
    "iis": (
        "from mail.s.example ([203.0.113.5] RDNS failed) by h.r.example with Microsoft SMTPSVC(6.0.3790.0)",
        {"from_helo": "mail.s.example", "from_name": None, "dialect": "iis"},
    ),
    "google": (
        "from mail.s.example (r5.s.example. [203.0.113.5]) by mx.google.com with ESMTPS id a1-2si345edc.67 for "
        "<u@r.example> (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128)",
        {
            "from_helo": "mail.s.example",
            "from_name": "r5.s.example.",
            "tls": Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
            "dialect": "google",
        },
    ),
    "yahoo": (
        "from 203.0.113.5 (EHLO mail.s.example) (203.0.113.5) by mta232.mail.x.yahoo.com with SMTP",
        {"from_helo": "mail.s.example", "from_name": None},
    ),
    "yahoo, now": (
        "from 203.0.113.5 (EHLO mail.s.example) by 10.217.135.199 with SMTPs (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256)",
        {"from_helo": "mail.s.example", "tls": Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256")},
    ),
    "yahoo, a user": (
        "from x (user@203.0.113.5 with login) by smtp111.mail.ne1.yahoo.com with SMTP",
        {"auth_user": "user", "authenticated": True},
    ),
    "domino": (
        "from mail.s.example ([203.0.113.5]) by h.r.example (Lotus Domino Release 8.5.3FP6) with ESMTP id "
        "2019050615032991-10027949 ",
        {"from_helo": "mail.s.example", "from_name": None, "dialect": "domino"},
    ),
    "communigate": (
        "from mail.s.example ([203.0.113.5] verified) by h.r.example (CommuniGate Pro SMTP 4.1.1) with SMTP id 1",
        {"from_helo": "mail.s.example", "authenticated": False, "dialect": "communigate"},
    ),
    "communigate, an account": (
        "from [203.0.113.5] (account u HELO [192.0.2.1]) by h.r.example (CommuniGate Pro SMTP 4.1.1) with ESMTP-TLS id 1",
        {"from_helo": "[192.0.2.1]", "auth_user": "u", "authenticated": True},
    ),
    "mdaemon": (
        "from mail.s.example [203.0.113.5] by h.r.example [192.0.2.27] with SMTP (MDaemon.PRO.v5.0.6.R) for <u@r.example>",
        {"from_helo": "mail.s.example", "from_name": None, "dialect": "mdaemon"},
    ),
    "proofpoint": (
        "from mail.s.example (r5.s.example [203.0.113.5]) by mx0b-000.pphosted.com (PPS) with ESMTPS id 1",
        {"from_helo": "mail.s.example", "from_name": "r5.s.example", "dialect": "proofpoint"},
    ),
    "mimecast": (
        "from mail.s.example (r5.s.example [203.0.113.5]) by relay.mimecast.com with ESMTP with STARTTLS "
        "(version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384) id us-mta-51-1",
        {"from_helo": "mail.s.example", "id": "us-mta-51-1", "tls": Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384")},
    ),
    "cisco": (
        "from mail.s.example ([203.0.113.5]) by esa2.x.iphmx.com with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384",
        {"from_helo": "mail.s.example", "tls": Tls(None, "ECDHE-RSA-AES256-GCM-SHA384")},
    ),
    "webmail": (
        "from [203.0.113.5] by web28416.mail.ukl.yahoo.com via HTTP",
        {"via": "HTTP", "authenticated": True, "from_helo": None},
    ),
}


@pytest.mark.parametrize("name", FROM)
def test_each_dialect_says_who_the_client_is(name):
    text, expected = FROM[name]
    read = hop(text + DATE)
    assert read.from_ip == "203.0.113.5"
    assert {key: getattr(read, key) for key in expected} == expected
    assert read.date.isoformat() == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(
    ("written", "ip"),
    [
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[::ffff:192.0.2.1]", "192.0.2.1"),
        ("192.0.2.1:25123", "192.0.2.1"),
        ("[192.0.2.1]:25123", "192.0.2.1"),
        ("[192.0.2.1:25123]", "192.0.2.1"),
        ("[fe80::1%6]", "fe80::1"),
        ("fe80::1%6", "fe80::1"),
        ("2603:10a6:209:84::29", "2603:10a6:209:84::29"),
        ("[192.0.2.1.63559]", None),  # five numbers are no address
        ("[192.0.2.256]", None),
        ("[?.?.?.?]", None),
        ("[UNIX: localhost]", None),
    ],
)
def test_an_address_is_read_in_every_spelling(written, ip):
    assert hop(f"from mail.s.example ({written}) by mx.r.example with ESMTP{DATE}").from_ip == ip


@pytest.mark.parametrize(
    "text",
    [
        "(qmail 27981 invoked by uid 225)",
        "(qmail 84907 invoked from network)",
        "by h.r.example (Postfix, from userid 0) id 4XyZ",
        "by 2002:a05:6402:1a2b:b0:5f0:1234:5678 with SMTP id ab12csp345678edb",
        "with ECARTIS (v1.0.0; list x)",
        "",
    ],
)
def test_lines_that_describe_no_hop_have_no_client(text):
    read = hop(text + DATE)
    assert (read.from_ip, read.from_helo, read.from_name) == (None, None, None)
    assert read.date is not None


def test_inside_lines_of_servers():
    zimbra = hop(f"from store.r.example (LHLO store.r.example) (10.2.2.20) by store.r.example with LMTP{DATE}")
    assert (zimbra.from_helo, zimbra.from_ip, zimbra.dialect) == ("store.r.example", "10.2.2.20", "zimbra")
    mapi = hop(f"from a.r.example ([fe80::1:2]) by a.r.example ([fe80::1:2%13]) with mapi id 15.01.2507.017{DATE}")
    assert (mapi.from_ip, mapi.with_, protocol(mapi.with_)) == ("fe80::1:2", "mapi", "MAPI")
    loop = hop(f"from localhost ([127.0.0.1]) by localhost (amavisd-new, port 10024) with ESMTP id 1{DATE}")
    assert (loop.from_ip, loop.dialect) == ("127.0.0.1", "amavis")
    fetched = hop(f"from pop.r.example [192.0.2.7] by localhost with POP3 (fetchmail-6.4.0) for <u@localhost>{DATE}")
    assert (fetched.from_ip, fetched.dialect, protocol(fetched.with_)) == ("192.0.2.7", "fetchmail", "POP3")
    local = hop(
        f"from www-data by h.r.example with local (Exim 4.96) (envelope-from <www-data@h.r.example>) id 1{DATE}"
    )
    assert (local.from_ip, local.from_helo, local.auth_user) == (None, None, "www-data")


@pytest.mark.parametrize(
    "line",
    [
        "from x (mail.s.example [192.0.2.10]) by mx.r.example (unknown [203.0.113.5]) by mx.r.example with ESMTP; {date}",
        "from x (mail.s.example [192.0.2.10]) by mx.r.example; (unknown [203.0.113.5]) by mx.r.example with ESMTP; {date}",
        "from x [192.0.2.10] by y (unknown [203.0.113.5]) by mx.r.example with ESMTP; {date}",
        "from x by y (h [2001:db8::1]) by z ([203.0.113.5]) by mx.r.example with ESMTP; {date}",
    ],
)
def test_a_name_that_brings_its_own_address_and_by_leaves_no_client_address(line):
    assert parse_received(line.format(date="Fri, 02 Jan 2026 10:04:05 +0000").encode(), 0, 0).from_ip is None
    honest = "from x (unknown [203.0.113.5]) by mx.r.example with ESMTP; Fri, 02 Jan 2026 10:04:05 +0000"
    assert parse_received(honest.encode(), 0, 0).from_ip == "203.0.113.5"


def test_the_first_word_after_from_is_a_name_whatever_it_is_and_only_the_last_by_is_the_servers():
    read = hop(f"from by (by.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTP id 1{DATE}")
    assert (read.from_helo, read.by, read.from_ip) == ("by", "mx.r.example", "203.0.113.5")
    read = hop(
        f"from x by fake.example with SMTP (r5.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTP id 1{DATE}"
    )
    assert read.by == "mx.r.example"


def test_a_client_cannot_choose_the_program_by_its_name():
    read = hop(f"from exim.s.example (exim.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTP id 1{DATE}")
    assert read.dialect == "postfix"
    read = hop(f"from x (pps [203.0.113.5]) by mx0b-000.pphosted.com (8.17.1/8.17.1) with ESMTP id 1{DATE}")
    assert read.dialect == "sendmail"


def test_a_literal_claimed_as_helo_is_not_the_client():
    read = hop(f"from [10.9.9.9] (r5.s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTP id 1{DATE}")
    assert (read.from_helo, read.from_ip) == ("[10.9.9.9]", "203.0.113.5")
    read = hop(f"from [192.168.0.71] by mx.r.example (Other) with SMTP id 1{DATE}")
    assert (read.from_helo, read.from_ip) == ("[192.168.0.71]", None)


def test_the_date_stands_behind_the_last_semicolon_outside_comments():
    assert hop(f"from a ([203.0.113.5]) by b (x; y) with SMTP{DATE} (PST; no)").date.hour == 3
    assert hop(f"from a ([203.0.113.5]) by b (never closed{DATE}").date.hour == 3
    assert hop("from a ([203.0.113.5]) by b with SMTP id 1").date is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ESMTPSA", "ESMTPSA"),
        ("local-esmtps", "ESMTPS"),
        ("ESMTP-TLS", "ESMTPS"),
        ("Microsoft SMTP Server", "SMTP"),
        ("UTF8SMTPSA", "SMTPSA"),
        ("Novell_GroupWise", None),
        (None, None),
    ],
)
def test_the_transmission_type_is_found_in_free_text(text, word):
    assert protocol(text) == word


def test_tls_is_told_by_the_protocol_or_by_a_comment():
    assert is_encrypted(hop(f"from a ([203.0.113.5]) by b with ESMTPS id 1{DATE}"))
    assert is_encrypted(hop(f"from a ([203.0.113.5]) by b with Microsoft SMTP Server (version=TLS1_2, cipher=X){DATE}"))
    assert not is_encrypted(hop(f"from a ([203.0.113.5]) by b with ESMTP id 1{DATE}"))


def test_hostile_octets_are_shown_and_never_raise():
    read = parse_received(
        b"from \xff\x1b[31m ([203.0.113.5]) by b\x00 with SMTP\r\n\t; 2 Jan 2026 03:04:05 +0000", 3, 7
    )
    assert (read.index, read.field_index) == (3, 7)
    assert read.from_helo == "\\xff\\x1b31m"
    assert all(char >= " " for text in (read.raw, read.by or "") for char in text)


PIECES = st.sampled_from(
    [
        b"from",
        b"by",
        b"with",
        b"id",
        b"for",
        b"via",
        b"(",
        b")",
        b"[",
        b"]",
        b"<",
        b">",
        b'"',
        b"\\",
        b";",
        b",",
        b" ",
        b"helo=",
        b"HELO ",
        b"[203.0.113.5]",
        b"mx.r.example",
        b"\r\n ",
        b"\xc3",
        b"=",
        b":",
        b"(Postfix)",
        b"Exim",
        b"\x00",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=5)), max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_octets_give_a_hop_of_safe_text(pieces):
    read = parse_received(b"".join(pieces), 0, 0)
    for text in (read.from_helo, read.from_name, read.by, read.with_, read.id, read.for_, read.via, read.auth_user):
        assert text is None or (text.isprintable() or not text.isascii())
        assert text is None or not any(char < " " or char == "\x7f" for char in text)


IDS = st.sampled_from(
    [
        "4XyZ0051",
        "by.r.example",
        "192.0.2.1",
        "ESMTPSA",
        "helo=192.0.2.1",
        "unknown",
        "by",
        "uid",
        "12345",
        "(4XyZ005)",
        "a@bcdef",
        "4XyZ,51",
        "[192.0.2.1]",
    ]
)
RECIPIENTS = st.sampled_from(
    [
        "",
        " for <u@r.example>",
        " for u@r.example",
        " for <192.0.2.1@by>",
        " for u",
        ' for <"u v"@r.example>',
        " for <u@a",
        " for <u@r.example> (EXIM)",
        " for <u@r.example> by x ([192.0.2.1])",
        " (envelope-from <u@s.example>)",
    ]
)
DATES = st.sampled_from(
    [
        DATE,
        f"{DATE} (PST)",
        f"{DATE} (EXIM)",
        "; 1 Feb 2026 00:00:60 -0800",
        "; Fri, 02 Via 2026 03:04:05 +0000",
        "; Fri, 02 Jan 2026 03::::05 +0000",
        "",
    ]
)


def read_anew(fields):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(received, "_REMEMBERED", 0)
        return [parse_received(field, 0, 0) for field in fields]


@given(st.lists(PIECES, max_size=12), st.lists(st.tuples(IDS, RECIPIENTS, DATES), min_size=2, max_size=6))
@settings(max_examples=400, deadline=None)
def test_what_is_remembered_of_a_field_is_what_reading_it_anew_gives(pieces, tails):
    for before in (b" ".join(pieces), b"from s.example (s.example [203.0.113.5]) by mx.r.example " + b" ".join(pieces)):
        fields = [before + f" id {id_}{path}{date}".encode() for id_, path, date in tails]
        assert [parse_received(field, 0, 0) for field in fields] == read_anew(fields)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "from",
        "from ;",
        "from 192.0.2.1",
        "(from a (b [203.0.113.5]) by mx.r.example with ESMTP",
        "from a (b [203.0.113.5]) by mx.r.example; (with ESMTP",
        "from a (b [203.0.113.5]) by mx.r.example with",
        "from a (b [203.0.113.5]) by mx.r.example tls",
        "from a (b [203.0.113.5]) by mx.r.example id 1 with ESMTP",
        "from a (b [203.0.113.5]) by mx.r.example for v@r.example",
        "from a (b [203.0.113.5]) by",
        "from a (b [203.0.113.5]) by mx.r.example (u@r.example with plain",
        "from a (b [203.0.113.5]",
        "from a ([203.0.113.5",
        'from a (b [203.0.113.5]) by mx.r.example with "ESMTP',
        'from a (envelope-from <"',
        "from a <by mx.r.example",
        "from a [by mx.r.example",
    ],
)
@pytest.mark.parametrize(
    "date", ["", DATE, f"{DATE} (PST)", "; 2 Jan 2026 1::23:45 +0000", f"; x{DATE}", f") by x ([192.0.2.1]){DATE}"]
)
@pytest.mark.parametrize("tail", ["", " id 4XyZ0051", " id 4XyZ0051 for <u@r.example>", " id 4XyZ0051 by y.example"])
def test_what_is_remembered_of_an_odd_field_is_what_reading_it_anew_gives(before, tail, date):
    fields = [(before + tail + date).encode(), (before + tail + date).replace("4XyZ0051", "192.0.2.1").encode()]
    assert [parse_received(field, 0, 0) for field in fields] == read_anew(fields)


def test_fields_of_one_server_about_one_client_differ_in_id_recipient_and_date_alone():
    before = "from s.example (s.example [203.0.113.5]) by mx.r.example (Postfix) with ESMTPS"
    first = hop(f"{before} id 4XyZ0051 for <u@r.example>{DATE}")
    known = received._known.cache_info().hits
    second = hop(f"{before} id 4XyZ0052 for <v@r.example>; Sat, 03 Jan 2026 04:04:05 +0100")
    assert received._known.cache_info().hits == known + 1
    assert (second.id, second.for_) == ("4XyZ0052", "v@r.example")
    assert second.date.isoformat() == "2026-01-03T03:04:05+00:00"
    assert replace(second, id=first.id, for_=first.for_, date=first.date, raw=first.raw) == first


PIECES = (
    "(",
    ")",
    "(a",
    "[",
    "<",
    '"',
    '<"',
    '<"<\\"',
    '"\\',
    "\\",
    "from ",
    "by ",
    "by x ",
    "with ",
    "id ",
    "for a",
    "; ",
    ",",
    "a",
    "a.",
    "(a)",
    "[1]",
    "<a>",
    "(x [1.2.3.4] ",
    "(helo=",
    "(HELO ",
    "=",
    "TLS-",
    "A_",
    "(cipher A_AES_",
    "(TLSv1.",
    "(envelope-from <",
    '(envelope-from <"',
    '(envelope-from <")',
    "127.0.0.1 ",
)


@pytest.mark.parametrize("piece", PIECES)
def test_a_line_of_100_000_characters_names_no_other_client(piece):
    text = piece * (100_000 // len(piece))
    assert hop("from a (b [203.0.113.5]) " + text).from_ip in ("203.0.113.5", None)
    left_open = hop("from a (b [203.0.113.5] " + text)
    assert (left_open.from_helo, left_open.from_ip) == ("a", "203.0.113.5" if piece == ")" else None)


def test_names_in_utf_8_are_kept_whole():
    read = hop(f"from voil\u00e0.example ([203.0.113.5]) by mx.r.example with UTF8SMTPS id 1{DATE}")
    assert read.from_helo == "voil\u00e0.example"
    read = hop(f"from [203.0.113.5] (helo=voil\u00e0.example) by mx.r.example with utf8esmtps (Exim 4.96) id 1{DATE}")
    assert read.from_helo == "voil\u00e0.example"


def test_a_client_certificate_does_not_make_a_client_authenticated():
    read = hop(
        f'from a (b [203.0.113.5]) (Client CN "authenticated user x", Issuer "account y with z") by mx.r.example '
        f"(Postfix) with ESMTPS id 1{DATE}"
    )
    assert not read.authenticated
    assert read.auth_user is None


# -- what a client, the owner of its address or an ident service writes into the line of a server -------------

# {h}: the HELO argument, {r}: the reverse name, {i}: a user name by ident.  The client is 203.0.113.5.
TEMPLATES = {
    "postfix": "from {h} ({r} [203.0.113.5]) by mx.r.example (Postfix) with ESMTPS id 4X for <u@r.example>",
    "postfix, tls": "from {h} ({r} [203.0.113.5]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) "
    "(No client certificate requested) by mx.r.example (Postfix) with ESMTPS id 4X",
    "sendmail": "from {h} ({r} [203.0.113.5] (may be forged)) by mx.r.example (8.17.1/8.17.1) with ESMTPS id 3X",
    "sendmail, ident": "from {h} (IDENT:{i}@{r} [203.0.113.5]) by mx.r.example (8.11.6/8.11.6) with SMTP id 3X",
    "sendmail, no reverse name": "from {h} (IDENT:{i}@[203.0.113.5]) by mx.r.example (8.11.6/8.11.6) with SMTP id 3X",
    "exim": "from {r} ([203.0.113.5] helo={h}) by mx.r.example with esmtps (TLS1.3) (Exim 4.96) id 1",
    "exim, ident": "from {r} ([203.0.113.5] helo={h} ident={i}) by mx.r.example with esmtp (Exim 4.96) id 1",
    "exim, no reverse name": "from [203.0.113.5] (port=5 helo={h} ident={i}) by mx.r.example with esmtp (Exim 4.96) id 1",
    "qmail": "from {r} (HELO {h}) ({i}@203.0.113.5) by mx.r.example with SMTP",
    "courier": "from {h} ({r} [::ffff:203.0.113.5]) (TLS: TLSv1.3,256bits,X) by mx.r.example with esmtps id 1",
    "courier, ident": "from {h} (IDENT: {i}, {r} [::ffff:203.0.113.5]) by mx.r.example with esmtp id 1",
    "opensmtpd": "from {h} ({r} [203.0.113.5]) by mx.r.example (OpenSMTPD) with ESMTPS id 1 (TLSv1.3:X:256:NO)",
    "haraka": "from {h} ({r} [203.0.113.5]) by mx.r.example (Haraka/3.0.2) with ESMTPS id 1 envelope-from <b@s.example>",
    "google": "from {h} ({r}. [203.0.113.5]) by mx.google.com with ESMTPS id a1 for <u@r.example>",
    "exchange": "from {h} (203.0.113.5) by mx.r.example (10.1.2.3) with Microsoft SMTP Server id 15.1 via Frontend Transport",
    "domino": "from {h} ([203.0.113.5]) by mx.r.example (Lotus Domino Release 8.5.3FP6) with ESMTP id 1",
    "communigate": "from [203.0.113.5] (HELO {h}) by mx.r.example (CommuniGate Pro SMTP 6) with ESMTP id 1",
    "mdaemon": "from {h} [203.0.113.5] by mx.r.example [192.0.2.27] with SMTP (MDaemon.PRO.v5.0.6.R)",
    "yahoo": "from 203.0.113.5 (EHLO {h}) (203.0.113.5) by mta232.mail.x.yahoo.com with SMTP",
    "unknown": "from {h} ({r} [203.0.113.5]) by mx.r.example with ESMTP id 1",
}
KEYWORDS = [
    "tls",
    "tls01",
    "auth",
    "auth-relay",
    "authsmtp",
    "authenticated",
    "envelope-from",
    "envelope-out",
    "version=x",
    "using",
    "cipher",
    "uid",
    "user",
    "helo",
    "ehlo",
    "lhlo",
    "helo=",
    "squirrelmail",
    "via",
    "by",
    "with",
    "id",
    "for",
    "from",
    "account",
    "client",
    "local",
    "localhost",
    "ident",
]


def line(template, helo="x.evil.example", reverse="r.evil.example", ident="x"):
    return hop(TEMPLATES[template].format(h=helo, r=reverse, i=ident) + DATE)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_name_that_begins_like_a_keyword_is_a_name(template, keyword):
    plain = line(template)
    assert plain.from_ip == "203.0.113.5"
    for read in (
        line(template, reverse=f"{keyword.rstrip('=')}.evil.example"),
        line(template, helo=f"{keyword}.evil.example"),
        line(template, helo=keyword.rstrip("=")),
        line(template, ident=keyword),
    ):
        assert read.from_ip == "203.0.113.5"
        assert (read.by, read.with_, read.via, read.id) == (plain.by, plain.with_, plain.via, plain.id)
        assert (read.authenticated, read.auth_user, read.dialect) == (False, None, plain.dialect)


# Without blanks, as a server takes them that looks for none but the end of the word.
GLUED = [
    "x[192.0.2.1]",
    "x,[192.0.2.1]",
    "[192.0.2.1]",
    "[192.0.2.1]x",
    "[192.0.2.1],[192.0.2.1]",
    "[192.0.2.1][192.0.2.1]",
    "[IPv6:2001:db8::1]",
    "192.0.2.1",
    "192.0.2.1:25",
    "x,with,IMAP",
    "x,with,ESMTPSA",
    "x,with,LMTP",
    "x,user,y",
    "x,as,user,y",
    "x,via,HTTP",
    "x,by,y",
    "x,for,y",
    "x[with]IMAP",
    ",with,IMAP",
    "=",
    "helo=[192.0.2.1]",
]
# What reaches a line only where a server keeps quotes, parentheses or blanks of the argument.
LOOSE = [
    "x(192.0.2.1)",
    "x([192.0.2.1])",
    "x(y[192.0.2.1])",
    "(192.0.2.1)",
    "([192.0.2.1])",
    "(y[192.0.2.1]",
    "x(",
    "(",
    ")",
    "x)",
    'x"',
    '"',
    "<",
    'x<"',
    "x;",
    ";",
    "x[",
    "]",
    "x;by,y",
    "x [192.0.2.1]",
    "[192.0.2.1] x",
    "[192.0.2.1] (helo=x)",
    "[192.0.2.1] (HELO x)",
    "192.0.2.1 (HELO x)",
    "x (y [192.0.2.1])",
    "x (y [192.0.2.1]) by mx.r.example with LMTP",
    "x (HELO y) (192.0.2.1)",
    "x (account u [192.0.2.1] verified)",
    "x (account u HELO [192.0.2.1])",
    "x (user@192.0.2.1 with login)",
    "x (authenticated bits=0)",
    "x (Authenticated sender: u)",
    "x (AUTH: LOGIN u)",
    "x (via HTTP)",
    "x with IMAP",
    "x with LMTP",
    "x with ESMTPSA",
    "x via HTTP",
    "x user y",
    "x as user y",
    "x id y",
    "x for <y@y>",
    "x from <y@y>",
    "x encrypted",
    "with IMAP",
    "by y",
    'x claiming to be "192.0.2.1"',
]
# The address stands before the argument, or nothing tells where it ends: a client may pass for a user, and gains nothing.
AFTER = ("exim", "exim, ident", "exim, no reverse name", "qmail", "communigate", "yahoo", "mdaemon")


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("helo", GLUED)
def test_a_helo_argument_of_one_word_hides_neither_the_address_nor_a_clause(template, helo):
    plain, read = line(template), line(template, helo=helo)
    assert read.from_ip == "203.0.113.5"
    assert (read.by, read.with_, read.via, read.id) == (plain.by, plain.with_, plain.via, plain.id)
    assert not read.authenticated


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("helo", GLUED + LOOSE)
def test_no_helo_argument_chooses_the_address_the_host_or_the_protocol(template, helo):
    plain, read = line(template), line(template, helo=helo)
    assert read.from_ip in (None, "203.0.113.5")
    if read.by == plain.by:
        assert read.with_ == plain.with_
        assert template in AFTER or not read.authenticated
    else:
        assert read.by is None


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", LOOSE)
def test_no_reverse_name_and_no_ident_chooses_the_address_or_the_protocol(template, name):
    plain = line(template)
    for read in (line(template, reverse=name), line(template, ident=name)):
        assert read.from_ip in (None, "203.0.113.5")
        assert read.by in (None, plain.by)
        if read.by is not None:
            assert read.with_ == plain.with_


@pytest.mark.parametrize(
    "text",
    [
        'from x" (r.evil.example [203.0.113.5]) by mx.r.example (Haraka) with ESMTP id A envelope-from '
        '<"([192.0.2.1])by mx.r.example with ESMTP"@evil.example>',
        "from x( (r.evil.example [203.0.113.5]) by mx.r.example (Haraka) with ESMTP id A envelope-from "
        '<")([192.0.2.1])by mx.r.example with ESMTP"@evil.example>',
        "from (b.example[192.0.2.1]( (r.evil.example [203.0.113.5]) by mx.r.example (Haraka) with ESMTP id A "
        'envelope-from <")))by mx.r.example (Postfix)"@evil.example>',
        'from x<" (r.evil.example [203.0.113.5]) by mx.r.example (Haraka) with ESMTP id A envelope-from '
        '<">([192.0.2.1])by mx.r.example with ESMTP"@evil.example>',
        "from (b.example [192.0.2.1] " + "x" * 5000 + "( (r [203.0.113.5]) by mx.r.example (Haraka) with ESMTP "
        'envelope-from <")))by mx.r.example"@evil.example>',
    ],
)
def test_a_helo_argument_and_a_path_that_swallow_the_servers_words_between_them_leave_no_address(text):
    assert hop(text + DATE).from_ip != "192.0.2.1"


@pytest.mark.parametrize(
    "path",
    [
        '"x)(envelope-from <ceo@bank.example>) y"@evil.example',
        '"x) by mx.other.example with LMTP ("@evil.example',
        '"x) ([192.0.2.1]) by mx.r.example ("@evil.example',
        '"x\\") (authenticated bits=0) \\""@evil.example',
        '"x>)(envelope-from <ceo@bank.example"@evil.example',
        '"("@evil.example',
        '")"@evil.example',
        '"x;y"@evil.example',
        '"from <ceo@bank.example>"@evil.example',
        "b@evil.example",
        "",
    ],
)
@pytest.mark.parametrize("key", ["envelope-from", "envelope-sender"])
def test_a_quoted_local_part_stays_inside_the_comment_of_the_path(key, path):
    for template in (
        "from r.evil.example ([203.0.113.5]) by mx.r.example with esmtp (Exim 4.96) ({}) id 1abc for u@r.example",
        "from unknown (HELO x) (203.0.113.5) ({}) by mx.r.example with esmtp id 1abc",
    ):
        read = hop(template.format(f"{key} <{path}>") + DATE)
        assert (read.by, read.with_, read.id) == ("mx.r.example", "esmtp", "1abc")
        assert read.from_ip == "203.0.113.5" or (read.from_ip is None and "[" in path)
        assert read.envelope_from == path.replace("\\", "\\\\")
        assert not read.authenticated
        assert read.date is not None


@pytest.mark.parametrize(
    "text",
    [
        "from [192.0.2.1] (helo= [203.0.113.5]) by mx.r.example with ESMTP",
        "from (b.example [192.0.2.1]) (ident= [203.0.113.5]) by mx.r.example (Haraka/3.0) with ESMTP",
        "from x (HELO y) ([192.0.2.1])@203.0.113.5) by mx.r.example with SMTP",
        'from "x ([203.0.113.5] helo=") ([192.0.2.1]) by mx.r.example with esmtp (Exim 4.96) id 1',
        "from x (b.example [192.0.2.1]) (a HELO [203.0.113.5]) by mx.r.example with SMTP",
        "from [203.0.113.5] ([192.0.2.1]) by mx.r.example with SMTP",
        'from x [192.0.2.1] by mx.r.example " ([203.0.113.5]) by mx.r.example with ESMTP envelope-from <"@evil.example>',
        "from [192.0.2.1] (HELO [203.0.113.5]) by mx.r.example with SMTP",
        "from x (b.example [192.0.2.1]) (HELO [203.0.113.5]) by mx.r.example with SMTP",
        "from r (HELO x) (y)@[203.0.113.5]) (z [192.0.2.1]) by mx.r.example with SMTP",
        "from x (y [192.0.2.1]) [203.0.113.5] by mx.r.example with SMTP",
        "from x [192.0.2.1] [203.0.113.5] by mx.r.example with SMTP",
        "from x (y [192.0.2.1]) (z [203.0.113.5]) by mx.r.example with SMTP",
        "from x (y [192.0.2.1] z [203.0.113.5]) by mx.r.example with SMTP",
        "from 192.0.2.1 (HELO x) (203.0.113.5) by mx.r.example with SMTP",
    ],
)
def test_where_two_addresses_compete_there_is_none(text):
    assert hop(text + DATE).from_ip is None


def test_a_helo_argument_behind_the_address_writes_no_clause_before_by():
    for helo in ("x) with IMAP (", 'x")(Exim 4.9)with IMAP ident=with")@', "x) via HTTP id 5 for <y@z> ("):
        for template in AFTER:
            plain, read = line(template), line(template, helo=helo)
            assert read.by in (None, plain.by)
            if read.by is not None:
                assert (read.with_, read.via, read.id, read.for_) == (plain.with_, plain.via, plain.id, plain.for_)


def test_of_a_path_that_does_not_end_no_part_is_the_sender():
    path = '"' + "x" * 2000 + ')(envelope-from <ceo@bank.example>) y"@evil.example'
    read = hop(f"from r ([203.0.113.5]) by mx.r.example with esmtp (Exim 4.96) (envelope-from <{path}>) id 1{DATE}")
    assert (read.from_ip, read.envelope_from) == ("203.0.113.5", None)


def test_a_user_name_by_ident_is_no_reverse_name():
    read = line("sendmail, no reverse name", ident="mx.r.example y")
    assert (read.from_ip, read.from_name) == ("203.0.113.5", None)
    read = line("sendmail, ident", ident="mx.r.example")
    assert read.from_name == "r.evil.example"

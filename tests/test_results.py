"""Reading and writing Authentication-Results, ARC-Authentication-Results and Received-SPF text."""

from __future__ import annotations

import base64
import re

import authres
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.grammar.results import (
    Clause,
    ParsedReceivedSpf,
    ParsedResults,
    claimed_authserv_id,
    fold,
    may_write,
    parse_received_spf,
    parse_results,
    write_results,
)
from verify.model import Limits, Reason

LIMITS = Limits()


def read(text: str) -> ParsedResults:
    parsed = parse_results(text.encode(), LIMITS)
    assert parsed is not None
    return parsed


def results(text: str) -> list[tuple[str, str, dict[str, str]]]:
    return [(r.method, r.result, r.properties) for r in read(text).results]


# --- the forms that real receivers write -----------------------------------------------------------

MAILFROM = {"smtp.mailfrom": "b@s.example"}
FROM = {"header.from": "s.example"}
SHAPES = {
    "gmail": (
        'mx.google.com; dkim=pass header.i=@s.example header.s=k1 header.b="a/b1c2d3"; arc=pass (i=1); spf=pass (google.com: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example; dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=s.example',
        "mx.google.com",
        [
            ("dkim", "pass", {"header.i": "@s.example", "header.s": "k1", "header.b": "a/b1c2d3"}),
            ("arc", "pass", {}),
            ("spf", "pass", MAILFROM),
            ("dmarc", "pass", FROM),
        ],
    ),
    "microsoft": (
        "spf=pass (sender IP is 203.0.113.5) smtp.mailfrom=s.example; dkim=pass (signature was verified) header.d=s.example;dmarc=pass action=none header.from=s.example;compauth=pass reason=100",
        None,
        [
            ("spf", "pass", {"smtp.mailfrom": "s.example"}),
            ("dkim", "pass", {"header.d": "s.example"}),
            ("dmarc", "pass", {"action": "none", **FROM}),
            ("compauth", "pass", {"reason": "100"}),
        ],
    ),
    "microsoft without key": (
        "spf=none (sender IP is 203.0.113.5) smtp.mailfrom=s.example; dkim=fail (no key for signature) header.d=s.example;dmarc=bestguesspass action=oreject header.from=s.example",
        None,
        [
            ("spf", "none", {"smtp.mailfrom": "s.example"}),
            ("dkim", "fail", {"header.d": "s.example"}),
            ("dmarc", "bestguesspass", {"action": "oreject", **FROM}),
        ],
    ),
    "yahoo": (
        "atlas108.free.mail.bf1.yahoo.com; dkim=pass header.i=@s.example header.s=k1; spf=pass smtp.mailfrom=s.example; dmarc=pass(p=REJECT,sp=QUARANTINE) header.from=s.example;",
        "atlas108.free.mail.bf1.yahoo.com",
        [
            ("dkim", "pass", {"header.i": "@s.example", "header.s": "k1"}),
            ("spf", "pass", {"smtp.mailfrom": "s.example"}),
            ("dmarc", "pass", FROM),
        ],
    ),
    "yahoo older": (
        "mta1.yahoo.example; from=s.example; dkim=neutral (no sig)",
        "mta1.yahoo.example",
        [("dkim", "neutral", {})],
    ),
    "icloud bimi": (
        'bimi.icloud.com; bimi=skipped reason="insufficient dmarc"',
        "bimi.icloud.com",
        [("bimi", "skipped", {"reason": "insufficient dmarc"})],
    ),
    "icloud arc": ("arc.icloud.com; arc=none", "arc.icloud.com", [("arc", "none", {})]),
    "icloud dmarc": (
        "dmarc.icloud.com; dmarc=pass header.from=s.example",
        "dmarc.icloud.com",
        [("dmarc", "pass", FROM)],
    ),
    "icloud dkim": (
        "dkim-verifier.icloud.com; dkim=pass (2048-bit key) header.d=s.example header.i=@s.example header.b=AbCdEfGh",
        "dkim-verifier.icloud.com",
        [("dkim", "pass", {"header.d": "s.example", "header.i": "@s.example", "header.b": "AbCdEfGh"})],
    ),
    "icloud spf": (
        "spf.icloud.com; spf=pass (spf.icloud.com: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example",
        "spf.icloud.com",
        [("spf", "pass", MAILFROM)],
    ),
    "fastmail": (
        "mx1.messagingengine.com; dmarc=pass policy.published-domain-policy=reject policy.applied-disposition=none policy.evaluated-disposition=none (p=reject,d=none) policy.policy-from=p header.from=s.example; iprev=pass smtp.remote-ip=203.0.113.5 (mail.s.example); spf=pass smtp.mailfrom=b@s.example smtp.helo=mail.s.example; x-ptr=pass smtp.helo=mail.s.example policy.ptr=mail.s.example",
        "mx1.messagingengine.com",
        [
            (
                "dmarc",
                "pass",
                {
                    "policy.published-domain-policy": "reject",
                    "policy.applied-disposition": "none",
                    "policy.evaluated-disposition": "none",
                    "policy.policy-from": "p",
                    **FROM,
                },
            ),
            ("iprev", "pass", {"smtp.remote-ip": "203.0.113.5"}),
            ("spf", "pass", {**MAILFROM, "smtp.helo": "mail.s.example"}),
            ("x-ptr", "pass", {"smtp.helo": "mail.s.example", "policy.ptr": "mail.s.example"}),
        ],
    ),
    "ses": (
        "amazonses.com; spf=pass (spfCheck: domain of _spf.s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example; dkim=pass header.i=@s.example; dmarc=pass header.from=s.example;",
        "amazonses.com",
        [
            ("spf", "pass", {"client-ip": "203.0.113.5"}),
            ("dkim", "pass", {"header.i": "@s.example"}),
            ("dmarc", "pass", FROM),
        ],
    ),
    "ses with a one-label helo": (
        "amazonses.com; spf=pass client-ip=203.0.113.5; envelope-from=b; helo=pass; dkim=none",
        "amazonses.com",
        [("spf", "pass", {"client-ip": "203.0.113.5"}), ("dkim", "none", {})],
    ),
    "zoho": (
        "mx.zohomail.eu; dkim=pass; spf=pass (zohomail.eu: domain of _spf.s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example; dmarc=pass(p=none dis=none) header.from=s.example",
        "mx.zohomail.eu",
        [("dkim", "pass", {}), ("spf", "pass", MAILFROM), ("dmarc", "pass", FROM)],
    ),
    "mail.ru": (
        "mxs.mail.ru; spf=pass (mx273.i.mail.ru: domain of s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example smtp.helo=mail.s.example; dkim=pass header.d=s.example; dmarc=pass header.from=b@s.example",
        "mxs.mail.ru",
        [
            ("spf", "pass", {**MAILFROM, "smtp.helo": "mail.s.example"}),
            ("dkim", "pass", {"header.d": "s.example"}),
            ("dmarc", "pass", {"header.from": "b@s.example"}),
        ],
    ),
    "yandex": (
        "x.qloud-c.yandex.net; spf=pass (x.qloud-c.yandex.net: domain of s.example designates 203.0.113.5 as permitted sender, rule=[ip4:203.0.113.0/24]) smtp.mail=b@s.example; dkim=pass header.i=@s.example",
        "x.qloud-c.yandex.net",
        [("spf", "pass", {"smtp.mail": "b@s.example"}), ("dkim", "pass", {"header.i": "@s.example"})],
    ),
    "opendmarc": (
        "posteo.de; dmarc=pass (p=reject dis=none) header.from=s.example",
        "posteo.de",
        [("dmarc", "pass", FROM)],
    ),
    "empty mailfrom at the end": (
        "posteo.de; spf=tempfail smtp.mailfrom=",
        "posteo.de",
        [("spf", "tempfail", {"smtp.mailfrom": ""})],
    ),
    "empty value before another property": (
        "p.example; spf=fail smtp.mailfrom= smtp.helo=h.example; dkim=none",
        "p.example",
        [("spf", "fail", {"smtp.mailfrom": "", "smtp.helo": "h.example"}), ("dkim", "none", {})],
    ),
    "opendkim": (
        'p.example; dkim=pass (2048-bit key; unprotected) header.d=s.example header.i=@s.example header.b="x/y"; dkim-atps=neutral',
        "p.example",
        [
            ("dkim", "pass", {"header.d": "s.example", "header.i": "@s.example", "header.b": "x/y"}),
            ("dkim-atps", "neutral", {}),
        ],
    ),
    "reason": (
        'p.example; dkim=fail reason="signature verification failed" header.d=s.example',
        "p.example",
        [("dkim", "fail", {"reason": "signature verification failed", "header.d": "s.example"})],
    ),
    "rspamd": (
        'h.example; dkim=fail ("body hash did not verify") header.d=s.example header.s=k1 header.b=AbCdEfGh; dmarc=none; spf=pass (h.example: domain of b@s.example designates 203.0.113.5 as permitted sender) smtp.mailfrom=b@s.example',
        "h.example",
        [
            ("dkim", "fail", {"header.d": "s.example", "header.s": "k1", "header.b": "AbCdEfGh"}),
            ("dmarc", "none", {}),
            ("spf", "pass", MAILFROM),
        ],
    ),
    "mimecast": (
        "relay.mimecast.com; auth=pass smtp.auth=CUSA124A263 smtp.mailfrom=b@s.example",
        "relay.mimecast.com",
        [("auth", "pass", {"smtp.auth": "CUSA124A263", **MAILFROM})],
    ),
    "unquoted IPv6 and null path": (
        "p.example; iprev=pass policy.iprev=2001:db8::1; spf=none smtp.mailfrom=<>; arc=pass smtp.remote-ip=2001:db8::1",
        "p.example",
        [
            ("iprev", "pass", {"policy.iprev": "2001:db8::1"}),
            ("spf", "none", {"smtp.mailfrom": ""}),
            ("arc", "pass", {"smtp.remote-ip": "2001:db8::1"}),
        ],
    ),
    "dnswl (RFC 8904)": (
        'p.example; dnswl=pass dns.zone=list.dnswl.example dns.sec=na policy.ip=127.0.10.1 policy.txt="fwd.example http://x/?d=fwd"',
        "p.example",
        [
            (
                "dnswl",
                "pass",
                {
                    "dns.zone": "list.dnswl.example",
                    "dns.sec": "na",
                    "policy.ip": "127.0.10.1",
                    "policy.txt": "fwd.example http://x/?d=fwd",
                },
            )
        ],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_reads_what_receivers_write(shape: str) -> None:
    text, authserv_id, expected = SHAPES[shape]
    assert read(text).authserv_id == authserv_id
    assert results(text) == expected


def test_reads_the_comment_heavy_example_of_rfc_8601_b7() -> None:
    text = """foo.example.net (foobar) 1 (baz);
        dkim (Because I like it) / 1 (One yay) = (wait for it) fail
          policy (A dot can go here) . (like that) expired
          (this surprised me) = (as I wasn't expecting it) 1362471462"""
    assert read(text).authserv_id == "foo.example.net"
    assert results(text) == [("dkim", "fail", {"policy.expired": "1362471462"})]


def test_reads_microsofts_encoded_word_form() -> None:
    plain = "spf=pass (sender IP is 203.0.113.5) smtp.mailfrom=bücher.example; dkim=none (message not signed) header.d=none;dmarc=pass action=none header.from=bücher.example"
    octets = plain.encode()
    words = [b"=?utf-8?B?" + base64.b64encode(octets[i : i + 45]) + b"?=" for i in range(0, len(octets), 45)]
    parsed = parse_results(b" " + b"\r\n ".join(words), LIMITS)
    assert parsed is not None
    assert parsed.authserv_id is None
    assert [(r.method, r.result) for r in parsed.results] == [("spf", "pass"), ("dkim", "none"), ("dmarc", "pass")]
    assert parsed.results[0].properties == {"smtp.mailfrom": "bücher.example"}


def test_reads_arc_authentication_results_with_instance_and_version() -> None:
    parsed = read(
        "i=1; mx.microsoft.com 1; spf=pass (sender ip is 203.0.113.5) smtp.rcpttodomain=r.example smtp.mailfrom=s.example; dmarc=pass (p=none sp=none pct=100) action=none header.from=s.example; dkim=pass (signature was verified) header.d=s.example; arc=pass (0 oda=1 ltdi=1)"
    )
    assert (parsed.instance, parsed.authserv_id, parsed.version) == (1, "mx.microsoft.com", 1)
    assert [(r.method, r.result) for r in parsed.results] == [
        ("spf", "pass"),
        ("dmarc", "pass"),
        ("dkim", "pass"),
        ("arc", "pass"),
    ]


def test_words_are_lowered_and_values_keep_their_case() -> None:
    assert results("X.Example; SPF=PASS SMTP.MailFrom=B@S.Example") == [
        ("spf", "pass", {"smtp.mailfrom": "B@S.Example"})
    ]


def test_none_stands_for_no_results() -> None:
    assert results("x.example; none") == []


def test_an_unknown_version_ends_the_reading() -> None:
    parsed = read("x.example 2; dkim=pass header.d=s.example")
    assert (parsed.version, parsed.results) == (2, ())


def test_an_unknown_method_version_drops_that_result_alone() -> None:
    assert results("x.example; dkim/2=pass header.d=a.example; spf/1=pass") == [("spf", "pass", {})]


def test_a_property_written_twice_with_two_values_drops_its_result() -> None:
    assert results("x.example; dkim=pass header.d=a.example header.d=b.example; spf=pass") == [("spf", "pass", {})]
    assert results("x.example; dkim=pass header.d=a.example header.d=a.example") == [
        ("dkim", "pass", {"header.d": "a.example"})
    ]


def test_separators_inside_comments_and_quoted_strings_are_text() -> None:
    text = r'x.example; spf=fail (a; dkim=pass (b) "c) smtp.mailfrom="q; dkim=pass (\"r"; dmarc=fail'
    assert results(text) == [("spf", "fail", {"smtp.mailfrom": 'q; dkim=pass ("r'}), ("dmarc", "fail", {})]


def test_a_quoted_local_part_keeps_its_quotes() -> None:
    assert results('x.example; spf=pass smtp.mailfrom="a b"@s.example') == [
        ("spf", "pass", {"smtp.mailfrom": '"a b"@s.example'})
    ]


def test_values_are_visible_text() -> None:
    parsed = parse_results(b'x.example; spf=pass smtp.mailfrom=a\xff@s.example smtp.helo="a\\\\b"', LIMITS)
    assert parsed is not None
    assert parsed.results[0].properties == {"smtp.mailfrom": "a\\xff@s.example", "smtp.helo": "a\\\\b"}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b" \r\n ",
        b"x.example",
        b"x.example; dkim=pass (unclosed",
        b'x.example; dkim=pass reason="unclosed',
        b"x.example; spf=pass (a) b) smtp.mailfrom=c.example",
        b"x.example; spf=pass smtp.mailfrom=a\\b.example",
        b"x.example; dkim=pass\x00 header.d=s.example",
        b"x.example y.example; dkim=pass",
        b"x.example 1 2; dkim=pass",
        b"x.example; dkim=pass " + b"(" * 21 + b")" * 21,
        b"x.example; dkim=pass " + b" " * 16384,
    ],
)
def test_a_field_that_readers_part_ways_over_is_not_read(octets: bytes) -> None:
    assert parse_results(octets, LIMITS) is None


def test_comments_are_read_up_to_the_limit_of_nesting() -> None:
    assert results("x.example; dkim=pass " + "(" * 20 + ")" * 20) == [("dkim", "pass", {})]


def test_results_past_the_cap_are_left_out_and_said_to_be() -> None:
    parsed = read("x.example" + "; dkim=none" * 101)
    assert (len(parsed.results), parsed.limit) == (100, "recorded_results")
    assert read("x.example" + "; dkim=none" * 100).limit is None


@pytest.mark.parametrize(
    "head",
    [
        "mx.r.example",
        '"mx.r.example"',
        '"mx\\.r.example"',
        "(c) mx.r.example (d)",
        "\r\n\tmx.r.example",
        "mx.r.example 9",
        "i=1; mx.r.example",
    ],
)
@pytest.mark.parametrize("rest", ["; none", "; dkim=pass (unclosed", '; "', ";\\", ""])
def test_the_claimed_id_is_read_whatever_follows(head: str, rest: str) -> None:
    assert claimed_authserv_id((head + rest).encode(), LIMITS) == "mx.r.example"


def test_no_id_is_claimed_by_microsofts_form() -> None:
    assert claimed_authserv_id(b"spf=pass smtp.mailfrom=s.example; dkim=none", LIMITS) is None


# --- Received-SPF ----------------------------------------------------------------------------------

SPF_SHAPES = {
    "gmail": (
        "pass (google.com: domain of b@s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5;",
        ParsedReceivedSpf(result="pass", client_ip="203.0.113.5", host="google.com"),
    ),
    "microsoft": (
        "Pass (protection.outlook.com: domain of s.example designates 203.0.113.5 as permitted sender) receiver=protection.outlook.com; client-ip=203.0.113.5; helo=mail.s.example; pr=C",
        ParsedReceivedSpf(
            result="pass",
            client_ip="203.0.113.5",
            helo="mail.s.example",
            receiver="protection.outlook.com",
            host="protection.outlook.com",
        ),
    ),
    "microsoft without keys": (
        "None (protection.outlook.com: s.example does not designate permitted sender hosts)",
        ParsedReceivedSpf(result="none", host="protection.outlook.com"),
    ),
    "yahoo": (
        "pass (domain of s.example\r\n designates 203.0.113.5 as permitted sender)",
        ParsedReceivedSpf(result="pass"),
    ),
    "icloud": (
        "pass (spf.icloud.com: domain of b@s.example designates 203.0.113.5 as permitted sender) receiver=spf.icloud.com; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example",
        ParsedReceivedSpf(
            result="pass",
            client_ip="203.0.113.5",
            helo="mail.s.example",
            envelope_from="b@s.example",
            receiver="spf.icloud.com",
            host="spf.icloud.com",
        ),
    ),
    "ses": (
        "pass (spfCheck: domain of _spf.s.example designates 203.0.113.5 as permitted sender) client-ip=203.0.113.5; envelope-from=b@s.example; helo=mail.s.example;",
        ParsedReceivedSpf(
            result="pass", client_ip="203.0.113.5", helo="mail.s.example", envelope_from="b@s.example", host="spfcheck"
        ),
    ),
    "policyd-spf": (
        "Pass (mailfrom) identity=mailfrom; client-ip=203.0.113.5; helo=mail.s.example; envelope-from=b@s.example; receiver=<UNKNOWN>",
        ParsedReceivedSpf(
            result="pass",
            identity="mailfrom",
            client_ip="203.0.113.5",
            helo="mail.s.example",
            envelope_from="b@s.example",
            receiver="UNKNOWN",
        ),
    ),
    "cisco": (
        'Pass (esa2.x.iphmx.com: domain of b@s.example designates 203.0.113.5 as permitted sender) identity=mailfrom; client-ip=203.0.113.5; receiver=esa2.x.iphmx.com; envelope-from="b@s.example"; x-sender="b@s.example"; x-conformance=sidf_compatible; x-record-type="v=spf1"',
        ParsedReceivedSpf(
            result="pass",
            identity="mailfrom",
            client_ip="203.0.113.5",
            envelope_from="b@s.example",
            receiver="esa2.x.iphmx.com",
            host="esa2.x.iphmx.com",
        ),
    ),
    "null reverse-path and IPv6": (
        'none identity=helo; client-ip=2001:DB8::1; helo=h.example; envelope-from="<>"',
        ParsedReceivedSpf(result="none", identity="helo", client_ip="2001:db8::1", helo="h.example", envelope_from=""),
    ),
}


@pytest.mark.parametrize("shape", SPF_SHAPES)
def test_reads_received_spf(shape: str) -> None:
    text, expected = SPF_SHAPES[shape]
    assert parse_received_spf(text.encode(), LIMITS) == expected


@pytest.mark.parametrize(
    "text", ["", "(comment)", "pass (unclosed", "pass client-ip=192.0.2.1; client-ip=192.0.2.2", "203.0.113.5 pass"]
)
def test_received_spf_that_contradicts_itself_is_not_read(text: str) -> None:
    assert parse_received_spf(text.encode(), LIMITS) is None


# --- any octets ------------------------------------------------------------------------------------

HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                b"x.example",
                b";",
                b" ",
                b"=",
                b"dkim",
                b"pass",
                b"(",
                b")",
                b'"',
                b"\\",
                b".",
                b"/",
                b"<",
                b">",
                b"i=1",
                b"=?utf-8?B?",
                b"?=",
                b"\r\n ",
                b"\xc3\xa4",
                b"\x1c",
                b"\xa0",
                b"none",
                b"header.d",
                b"1",
            ]
        ),
        max_size=40,
    ).map(b"".join),
)


@given(HOSTILE)
@settings(max_examples=400, deadline=None)
def test_any_octets_are_read_or_refused_without_an_exception(octets: bytes) -> None:
    parsed = parse_results(octets, LIMITS)
    parse_received_spf(octets, LIMITS)
    claimed_authserv_id(octets, LIMITS)
    if parsed is not None:
        for result in parsed.results:
            assert result.method == result.method.lower()
            for text in (result.method, result.result, *result.properties, *result.properties.values()):
                assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in text)


PIECES = (
    b"(",
    b"()",
    b"(a",
    b'"',
    b'""',
    b"\\",
    b'"\\',
    b" ",
    b"= ",
    b";",
    b"a ",
    b"=?a?b?",
    b"a.",
    b"a=b ",
    b".",
    b"(\\",
)
UNREADABLE = (b"(", b"(a", b"\\", b'"\\', b"(\\")  # a comment or a quoted string that never ends
WIDE = Limits(recorded_octets=1 << 30, comment_depth=1 << 30, recorded_results=1 << 30)


def long_results(piece: bytes, count: int) -> bytes:
    return b"x.example; dkim=pass " + piece * count


@pytest.mark.parametrize("piece", PIECES)
def test_a_result_before_hostile_octets_is_read_or_all_of_it_is_refused(piece: bytes) -> None:
    value = long_results(piece, 8_000)
    parsed = parse_results(value, WIDE)
    assert (parsed is None) == (piece in UNREADABLE)
    if parsed is not None:
        assert (parsed.authserv_id, parsed.results[0].method, parsed.results[0].result) == ("x.example", "dkim", "pass")
    assert parse_received_spf(value, WIDE) is None
    assert claimed_authserv_id(value, WIDE) == "x.example"


# --- what bare authres answers, beside ours --------------------------------------------------------

PARSE = authres.all_features().parse


def theirs(text: str) -> object:
    """The results as authres reads them, or the name of its exception."""
    try:
        header = PARSE("Authentication-Results: " + text)
    except (authres.AuthResError, RecursionError) as error:
        return type(error).__name__
    return [(r.method, r.result, {f"{p.type}.{p.name}": p.value for p in r.properties}) for r in header.results]


READINGS = [
    ('x; dkim=pass header.b="a/b=" header.d=x.example', [("dkim", "pass", {"header.d": "x.example"})], [("dkim", "pass", {"header.b": "a/b=", "header.d": "x.example"})]),
    ('x; dkim=pass header.d="x.example" header.s=s', [("dkim", "pass", {"header.s": "s"})], [("dkim", "pass", {"header.d": "x.example", "header.s": "s"})]),
    ("x; arc=pass smtp.remote-ip=2001:db8::1", "SyntaxError", [("arc", "pass", {"smtp.remote-ip": "2001:db8::1"})]),
    ("x; iprev=pass policy.iprev=2001:db8::1", "SyntaxError", [("iprev", "pass", {"policy.iprev": "2001:db8::1"})]),
    ("x; spf=none smtp.mailfrom=<>", "SyntaxError", [("spf", "none", {"smtp.mailfrom": ""})]),
    ("spf=pass smtp.mailfrom=s.example; dkim=none", "SyntaxError", [("spf", "pass", {"smtp.mailfrom": "s.example"}), ("dkim", "none", {})]),
    ("x; dkim=pass;", "SyntaxError", [("dkim", "pass", {})]),
    ("x; spf=none smtp.mailfrom=; dkim=none", [("spf", "none", {"smtp.mailfrom": ""}), ("dkim", "none", {})], [("spf", "none", {"smtp.mailfrom": ""}), ("dkim", "none", {})]),
    ('"x"; dkim=pass', "SyntaxError", [("dkim", "pass", {})]),
    ("bücher.example; dkim=pass", "SyntaxError", [("dkim", "pass", {})]),
    ("x; dkim=pass header.d=a.example header.d=b.example", [("dkim", "pass", {"header.d": "b.example"})], []),
    ("x; spf=none smtp.mailfrom= smtp.helo=h.example", [("spf", "none", {"smtp.mailfrom": "smtp.helo=h.example"})], [("spf", "none", {"smtp.mailfrom": "", "smtp.helo": "h.example"})]),
    ("x; dnswl=pass dns.zone=z.example policy.ip=127.0.0.1", [("dnswl", "pass", {"policy.ip": "127.0.0.1"})], [("dnswl", "pass", {"dns.zone": "z.example", "policy.ip": "127.0.0.1"})]),
    ("x; SPF=PASS smtp.mailfrom=a.example", [("spf", "pass", {"smtp.mailfrom": "a.example"})], [("spf", "pass", {"smtp.mailfrom": "a.example"})]),
    ("x; dkim=pass " + "(" * 500 + ")" * 500, "RecursionError", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "authres_reads", "we_read"), READINGS, ids=[row[0][:40] for row in READINGS])
def test_reading_beside_authres(text: str, authres_reads: object, we_read: object) -> None:
    assert theirs(text) == authres_reads
    parsed = parse_results(text.encode(), LIMITS)
    assert (None if parsed is None else [(r.method, r.result, r.properties) for r in parsed.results]) == we_read


FORGED = "a@s.example; dkim=pass header.d=bank.test"


def test_authres_writes_a_forged_clause_where_we_raise() -> None:
    spf = authres.SPFAuthenticationResult(result="fail", smtp_mailfrom=FORGED)
    assert ("dkim", "pass", {"header.d": "bank.test"}) in theirs(
        str(authres.AuthenticationResultsHeader("x", results=[spf])).partition(": ")[2]
    )
    with pytest.raises(ValueError, match=r"not fit for smtp\.mailfrom"):
        write_results("x", [Clause("spf", "fail", properties=(("smtp.mailfrom", FORGED),))])


def written(
    authserv_id: str = "x", result: str = "fail", mail_from: str = "a.example", comment: str | None = None
) -> str:
    """What authres writes for one SPF result."""
    spf = authres.SPFAuthenticationResult(result=result, smtp_mailfrom=mail_from, result_comment=comment)
    return str(authres.AuthenticationResultsHeader(authserv_id, results=[spf]))


def test_authres_lets_a_comment_forge_a_clause_where_we_write_no_comments() -> None:
    text = written(comment="x) ; dkim=pass (").partition(": ")[2]
    assert ("dkim", "pass") in [(method, result) for method, result, _ in theirs(text)]  # type: ignore[union-attr]
    assert "(" not in write_results("x", [Clause("spf", "fail", properties=(("smtp.mailfrom", "a.example"),))])


def test_authres_writes_line_ends_as_they_are_where_we_raise() -> None:
    assert "\r\nX: y" in written(mail_from="a@b\r\nX: y")
    assert "\r\nX: y" in written(comment="c\r\nX: y")
    with pytest.raises(ValueError, match=r"not fit for smtp\.mailfrom"):
        write_results("x", [Clause("spf", "fail", properties=(("smtp.mailfrom", "a@b\r\nX: y"),))])


def test_authres_writes_results_and_ids_as_they_are_where_we_raise() -> None:
    assert "spf=fail; dkim=pass" in written(result="fail; dkim=pass")
    assert ": x; dkim=pass; spf=fail" in written(authserv_id="x; dkim=pass")
    with pytest.raises(ValueError, match="no keyword"):
        write_results("x", [Clause("spf", "fail; dkim=pass")])
    assert write_results("x; dkim=pass", []) == '"x; dkim=pass"; none'


def test_authres_writes_what_it_cannot_read_beyond_ascii_where_we_raise() -> None:
    text = written(mail_from="b\u00e4@c").partition(": ")[2]
    assert "\u00e4" in text
    assert isinstance(theirs(text), str)  # the name of an exception
    with pytest.raises(ValueError, match=r"not fit for smtp\.mailfrom"):
        write_results("x", [Clause("spf", "fail", properties=(("smtp.mailfrom", "b\u00e4@c"),))])


def test_authres_writes_an_empty_property_value_badly_where_we_raise() -> None:
    with pytest.raises(AttributeError):
        str(
            authres.AuthenticationResultsHeader(
                "x",
                results=[
                    authres.DKIMAuthenticationResult(
                        result="pass", properties=[authres.AuthenticationResultProperty("header", "d")]
                    )
                ],
            )
        )
    with pytest.raises(ValueError, match=r"not fit for header\.d"):
        write_results("x", [Clause("dkim", "pass", properties=(("header.d", ""),))])


@pytest.mark.parametrize(
    "clause",
    [
        Clause("spf;x", "pass"),
        Clause("spf", "pass; dkim=pass"),
        Clause("spf", "pass\r\nX: y"),
        Clause("dkim", "pass", properties=(("header.d", "a.example\r\nX: y"),)),
        Clause("dkim", "pass", properties=(("header.d", "bücher.example"),)),
        Clause("dkim", "pass", properties=(("header.d", "A.example"),)),
        Clause("dkim", "pass", properties=(("header.i", "a b@a.example"),)),
        Clause("dkim", "pass", properties=(("header.i", 'a"@a.example'),)),
        Clause("dkim", "pass", properties=(("header.s", "s;x"),)),
        Clause("dkim", "pass", properties=(("header.b", "abc d"),)),
        Clause("spf", "pass", properties=(("smtp.helo", "[192.0.2.1]"),)),
        Clause("iprev", "pass", properties=(("policy.iprev", "::ffff:192.0.2.1"),)),
        Clause("dmarc", "pass", properties=(("policy.dmarc", "burn"),)),
        Clause("auth", "pass", properties=(("smtp.auth", "a\nb"),)),
        Clause("dkim", "pass", properties=(("header.unknown", "x"),)),
        Clause("dkim", "fail", reason="no word of ours"),  # type: ignore[arg-type]
    ],
)
def test_what_has_not_its_form_is_never_written(clause: Clause) -> None:
    with pytest.raises(ValueError):
        write_results("x.example", [clause])


@pytest.mark.parametrize("authserv_id", ["", "a\r\nb", 'q"', "q\\", "bücher.example", "a" * 201])
def test_an_id_that_is_no_printable_text_is_never_written(authserv_id: str) -> None:
    with pytest.raises(ValueError):
        write_results(authserv_id, [])


def header_words(line: str) -> list[str]:
    return re.sub(r'"[^"]*"', "q", line).split()


NAMES = ["header.d", "header.i", "header.s", "header.a", "header.b", "header.from", "header.oldest-pass", "smtp.mailfrom", "smtp.helo", "smtp.remote-ip", "smtp.auth", "policy.dmarc", "policy.iprev"]  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "s.example",
            "a.b@s.example",
            "@s.example",
            "k1",
            "rsa-sha256",
            "AbCd/+12",
            "2001:db8::1",
            "192.0.2.1",
            "0",
            "reject",
        ]
    ),
    st.text(alphabet="abz.@;()\"'\\=/ <>1", max_size=40),
)
CLAUSES = st.lists(
    st.tuples(
        st.sampled_from(["spf", "dkim", "dmarc", "arc", "auth"]),
        st.sampled_from(["pass", "fail", "none", "temperror"]),
        st.none() | st.sampled_from(list(Reason)),
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
    ),
    max_size=4,
)


@given(CLAUSES, st.sampled_from(["localhost", "mx.r.example", "a b;c"]))
@settings(max_examples=400, deadline=None)
def test_what_is_written_reads_back_equal_folded_or_not(drawn: list, authserv_id: str) -> None:  # type: ignore[type-arg]
    clauses = [
        Clause(method, result, reason, tuple((n, v) for n, v in properties.items() if may_write(n, v)))
        for method, result, reason, properties in drawn
    ]
    body = write_results(authserv_id, clauses)
    assert body.isascii()
    assert body.isprintable()
    expected = [
        (c.method, c.result, dict(c.properties) | ({"reason": c.reason.value} if c.reason else {})) for c in clauses
    ]
    field = fold(body)
    for text in (body, field.partition(":")[2]):
        parsed = read(text)
        assert parsed.authserv_id == authserv_id
        assert [(r.method, r.result, r.properties) for r in parsed.results] == expected
    lines = field.split("\r\n")
    assert lines.pop() == ""
    assert all(line.startswith("\t") for line in lines[1:])
    breakable = [line for line in lines if len(header_words(line)) > 1]
    assert all(len(line.expandtabs(8)) <= 78 for line in breakable)
    assert "".join(field.split()) == "".join(f"Authentication-Results:{body}".split())


def test_folding_stays_within_78_columns_and_breaks_before_clauses() -> None:
    body = 'x.example; spf=none reason="no-record" smtp.mailfrom=a.example; dkim=fail reason="body-hash-mismatch" header.d=s.example header.s=k header.a=rsa-sha256 header.i=@s.example header.b="a/b1c2d3"'
    lines = fold(body).split("\r\n")
    assert all(len(line.expandtabs(8)) <= 78 for line in lines)
    assert [line.split()[0] for line in lines if line] == [
        "Authentication-Results:",
        "spf=none",
        "dkim=fail",
        "header.a=rsa-sha256",
    ]


def test_folding_never_breaks_a_quoted_string() -> None:
    body = 'x.example; auth=pass smtp.auth="' + "word " * 30 + '"'
    assert '"' + "word " * 30 + '"' in fold(body)

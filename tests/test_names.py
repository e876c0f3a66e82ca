"""Host names, domains and addresses: what becomes a name, and what never does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.grammar import names
from verify.grammar.names import (
    address,
    domain_bytes,
    domain_name,
    is_below,
    matches_host,
    network,
    query_name,
    reverse_name,
    split_mailbox,
    u_labels,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("localhost", "localhost"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bücher。example", "xn--bcher-kva.example"),
        ("ｅｘａｍｐｌｅ.org", "example.org"),
        ("exam\u200bple.org", "example.org"),
        ("faß.example", "xn--fa-hia.example"),
        ("_sip.bücher.example", "_sip.xn--bcher-kva.example"),
        ("3com.example", "3com.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_text_that_is_a_host_name(text: str, name: str) -> None:
    assert domain_name(text) == name
    assert domain_bytes(text.encode()) == name


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", ".example", "example..", "-a.example", "a-.example", "a b.example", "a\x00.example", "a\r\n.example", "legit'a.attack", "legit(a.attack", 'a".example', "a;b.example", "a/b.example", "a@b.example", "[192.0.2.1]", "192.0.2.1", "example.1", "a" * 64 + ".example", ".".join(["abcdefgh"] * 29), "ü" * 64 + ".example", "\u202eexample.org", "a\ud800.example", "x" * 1025],
)  # fmt: skip
def test_text_that_is_no_host_name(text: str) -> None:
    assert domain_name(text) is None


def test_octets_that_are_no_utf_8_are_no_name() -> None:
    assert domain_bytes(b"b\xfccher.example") is None


SAFE = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z")


@given(st.text(max_size=80) | st.text(alphabet="ab-._xnü。ß1 @", max_size=40) | st.from_regex(r"xn--[a-z0-9-]{1,20}\Z"))
@settings(max_examples=400, deadline=None)
def test_whatever_becomes_a_name_is_safe_and_stays_itself(text: str) -> None:
    name = domain_name(text)
    if name is not None:
        assert SAFE.match(name)
        assert len(name) <= 253
        assert all(len(label) <= 63 for label in name.split("."))
        assert domain_name(name) == name
        assert u_labels(name) == name or domain_name(u_labels(name)) == name


def test_a_name_is_shown_in_u_labels_where_they_convert() -> None:
    assert u_labels("xn--bcher-kva.example") == "bücher.example"
    assert u_labels("xn--999999999.example") == "xn--999999999.example"
    assert u_labels("plain.example") == "plain.example"


@pytest.mark.parametrize(
    ("name", "ancestor", "below"),
    [
        ("a.example", "example", True),
        ("example", "example", True),
        ("aexample", "example", False),
        ("example", "a.example", False),
    ],
)
def test_below_is_on_a_label_boundary(name: str, ancestor: str, below: bool) -> None:
    assert is_below(name, ancestor) is below


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("mx.example", "MX.Example.", True),
        ("*.example", "a.b.example", True),
        ("*.example", "example", False),
        ("*.example", "badexample", False),
        ("mx.example", "a.mx.example", False),
    ],
)
def test_host_patterns(pattern: str, name: str, matches: bool) -> None:
    assert matches_host(pattern, name) is matches


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
        ("ipv6:2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%6", "fe80::1"),
        (" 192.0.2.1 ", "192.0.2.1"),
    ],
)
def test_addresses_in_their_spellings(text: str, ip: str) -> None:
    assert str(address(text)) == ip


@pytest.mark.parametrize(
    "text", ["", "192.0.2", "192.0.2.01", "192.0.2.1:25", "3221225985", "a.example", "1.2.3.4.5", "١٩٢.0.2.1", "::1::"]
)
def test_text_that_is_no_address(text: str) -> None:
    assert address(text) is None


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_raises(text: str) -> None:
    address(text)
    network(text)
    split_mailbox(text)
    query_name(text)
    matches_host(text, text)


def test_networks_lose_their_host_bits() -> None:
    assert str(network("192.0.2.77/24")) == "192.0.2.0/24"
    assert str(network("2001:db8::1")) == "2001:db8::1/128"
    assert network("nowhere") is None


def test_reverse_names() -> None:
    four, six = address("192.0.2.1"), address("2001:db8::1")
    assert four is not None
    assert six is not None
    assert reverse_name(four) == "1.2.0.192.in-addr.arpa"
    assert reverse_name(six) == "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("a@b.example", "a", "b.example"),
        ("a@b@c.example", "a@b", "c.example"),
        ('"a@x"@c.example', '"a@x"', "c.example"),
        ('"a\\"@x"@c.example', '"a\\"@x"', "c.example"),
        ("@r.example,@s.example:a@c.example", "a", "c.example"),
        ("postmaster", "postmaster", ""),
        ('"a@b', '"a@b', ""),
        ("@d.example", "", "d.example"),
        ("", "", ""),
    ],
)
def test_mailboxes_are_split_at_the_last_unquoted_at(text: str, local: str, domain: str) -> None:
    assert split_mailbox(text) == (local, domain)


def test_question_names_may_hold_what_macros_put_there_and_nothing_that_breaks_a_line() -> None:
    assert query_name("A+b=c@x._spf.Example.") == "a+b=c@x._spf.example"
    assert query_name("foo:bar/baz  'x'.example") == "foo:bar/baz  'x'.example"
    for text in ("", ".", "a..b", "a\\.example", "a\n.example", "a\x7f.example", "ü.example", "a" * 64):
        assert query_name(text) is None


@pytest.mark.parametrize("function", [names.domain_name, names.query_name])
def test_what_is_too_long_for_a_name_is_none_and_not_remembered(function):
    remembered = getattr(names, f"_{function.__name__}")
    before = remembered.cache_info().currsize
    assert function("a." * 100_000 + "example") is None
    assert remembered.cache_info().currsize == before

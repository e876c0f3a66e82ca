"""Canonicalisation: RFC 6376 3.4 examples, a naive reference, and independence of where pieces are cut."""

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.checks import canonical
from verify.checks.canonical import (
    RELAXED,
    SIMPLE,
    BodyHashes,
    canonical_body,
    relaxed_field,
    signature_field,
    simple_field,
)
from verify.model import Limits
from verify.reading.message import parse_message

BODIES = st.lists(
    st.sampled_from(
        [b"a", b"b", b" ", b"\t", b"\r\n", b"\r", b"\n", b"  ", b"\x0b", b"\xa0", b"\0", b" \r\n", b"\r\n\r\n"]
    ),
    max_size=40,
).map(b"".join)


def naive_body(body: bytes, relaxed: bool) -> bytes:
    """RFC 6376 3.4.3 and 3.4.4 word by word."""
    lines = body.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    if relaxed:
        lines = [re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+\Z", b"", line)) for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    text = b"".join(line + b"\r\n" for line in lines)
    return text if text or relaxed else b"\r\n"


@settings(max_examples=400)
@given(BODIES, st.booleans(), st.integers(1, 9))
def test_body_is_as_the_rfc_says_wherever_it_is_cut(body: bytes, relaxed: bool, chunk: int) -> None:
    form = RELAXED if relaxed else SIMPLE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_CHUNK", chunk)
        assert b"".join(canonical_body(body, form)) == naive_body(body, relaxed)


@settings(max_examples=400)
@given(BODIES, st.booleans(), st.integers(1, 9), st.integers(1, 3), st.integers(0, 90))
def test_hash_of_a_prefix_is_that_of_the_first_octets(
    body: bytes, relaxed: bool, chunk: int, every: int, length: int
) -> None:
    form = RELAXED if relaxed else SIMPLE
    whole = naive_body(body, relaxed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_CHUNK", chunk)
        patch.setattr(canonical, "_MARK_EVERY", every)
        found = BodyHashes(body, Limits()).hash(form, "sha256", length)
    assert found is not None
    assert found.octets == len(whole)
    assert found.digest == hashlib.sha256(whole[:length]).digest()


@pytest.mark.parametrize(
    ("form", "digest"),
    [
        (SIMPLE, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (RELAXED, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
def test_empty_body_has_the_digest_that_the_rfc_prints(form: bytes, digest: str) -> None:
    import base64

    found = BodyHashes(b"", Limits()).hash(form)
    assert found is not None
    assert base64.b64encode(found.digest).decode() == digest


def test_rfc6376_3_4_5_examples() -> None:
    message = parse_message(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n")
    assert b"".join(map(relaxed_field, message.fields)) == b"a:X\r\nb:Y Z\r\n"
    assert b"".join(canonical_body(message.body, RELAXED)) == b" C\r\nD E\r\n"
    assert b"".join(map(simple_field, message.fields)) == b"A: X\r\nB : Y\t\r\n\tZ  \r\n"
    assert b"".join(canonical_body(message.body, SIMPLE)) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize("octet", [b"\x0b", b"\x0c", b"\r", b"\xa0"])
def test_only_space_and_tab_are_white_space(octet: bytes) -> None:
    message = parse_message(b"A: x" + octet + b"\r\n\r\nx" + octet + b"\r\n")
    assert relaxed_field(message.fields[0]) == b"a:x" + octet + b"\r\n"
    assert b"".join(canonical_body(message.body, RELAXED)) == b"x" + octet + b"\r\n"


@pytest.mark.parametrize(
    ("value", "emptied"),
    [
        (b" a=1; b=xyz; bh=q", b" a=1; b=; bh=q"),
        (b" b=xyz", b" b="),
        (b"b = x\r\n y ;c=d", b"b =;c=d"),
        (b" bh=b=x; z=b=1; b=x=; b=second", b" bh=b=x; z=b=1; b=; b=second"),
        (b" d=x; B=y", b" d=x; B=y"),
    ],
)
def test_only_the_value_of_b_is_emptied(value: bytes, emptied: bytes) -> None:
    field = parse_message(b"DKIM-Signature:" + value + b"\r\n\r\n").fields[0]
    assert signature_field(field, SIMPLE) == b"DKIM-Signature:" + emptied


def test_a_body_over_the_limit_is_not_hashed() -> None:
    limits = Limits(body_octets=10)
    assert BodyHashes(b"x" * 10, limits).hash(SIMPLE) is not None
    assert BodyHashes(b"x" * 11, limits).hash(SIMPLE) is None


def test_equal_requests_read_the_body_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    relax = canonical.relax
    monkeypatch.setattr(canonical, "relax", lambda text: read.append(len(text)) or relax(text))
    bodies = BodyHashes(b"line\r\n" * 1000, Limits())
    for _ in range(5):
        bodies.hash(RELAXED)
        bodies.hash(RELAXED, "sha256", 100)
    assert sum(read) <= 2 * 6000

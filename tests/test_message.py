"""The header splitter: what is a field, where the header ends, what is said of broken shapes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.model import AnomalyCode, Fidelity, FidelityNote, Limits
from verify.reading.message import holds_message, parse_message


def codes(message):
    return [a.code for a in message.anomalies]


def pairs(message):
    return [(f.key, f.value) for f in message.fields]


def test_fields_keep_folds_and_order_and_the_body_starts_after_the_first_empty_line():
    m = parse_message(b"From: a@x.example\r\nSubject: one\r\n two\r\n\r\n\r\nbody\r\n")
    assert pairs(m) == [(b"from", b" a@x.example"), (b"subject", b" one\r\n two")]
    assert m.fields[1].raw == b"Subject: one\r\n two\r\n"
    assert m.body == b"\r\nbody\r\n"
    assert m.anomalies == ()


def test_lf_only_text_becomes_network_form_and_says_so():
    raw = b"From: a@x.example\n\nbody\n"
    m = parse_message(raw)
    assert m.body == b"body\r\n"
    assert m.source.fidelity is Fidelity.LINE_ENDINGS
    assert m.source.fidelity_notes == (FidelityNote.LF_TO_CRLF,)
    assert m.source.sha256 == hashlib.sha256(raw).hexdigest()
    assert m.source.judged_sha256 == hashlib.sha256(raw.replace(b"\n", b"\r\n")).hexdigest()
    assert m.source.size == len(raw)


def test_mixed_line_ends_are_left_as_they_are_and_reported():
    m = parse_message(b"From: a@x.example\r\n\r\nbody\nmore\r\n")
    assert m.body == b"body\nmore\r\n"
    assert AnomalyCode.MIXED_LINE_ENDS in codes(m)
    assert m.source.fidelity is Fidelity.ORIGINAL


def test_a_field_behind_a_bare_lf_is_a_field():
    m = parse_message(b"Subject: x\nFrom: evil@x.example\r\nFrom: a@y.example\r\n\r\n")
    assert [f.value for f in m.named(b"from")] == [b" evil@x.example", b" a@y.example"]
    assert AnomalyCode.BARE_LF in codes(m)


def test_a_bare_cr_is_an_octet_of_the_value():
    m = parse_message(b"Subject: x\rFrom: evil@x.example\r\nFrom: a@y.example\r\n\r\n")
    assert len(m.named(b"from")) == 1
    assert m.named(b"subject")[0].value == b" x\rFrom: evil@x.example"
    assert AnomalyCode.BARE_CR in codes(m)


@pytest.mark.parametrize("line", [b"From : a@x.example\r\n", b"From\t: a@x.example\r\n", b"From\r\n : a@x.example\r\n"])
def test_blanks_before_the_colon_do_not_hide_a_field(line):
    m = parse_message(line + b"\r\n")
    assert m.fields[0].key == b"from"
    assert m.fields[0].value.strip() == b"a@x.example"
    assert AnomalyCode.BLANK_BEFORE_COLON in codes(m)


def test_a_first_line_that_begins_with_a_blank_is_no_field():
    m = parse_message(b" From: a@x.example\r\nFrom: b@y.example\r\n\r\n")
    assert [f.key for f in m.fields] == [b"", b"from"]
    assert AnomalyCode.LEADING_CONTINUATION in codes(m)


@pytest.mark.parametrize(
    "line", [b"no colon here", b"From a@x.example Thu Jan  1 00:00:00 2026", b"Fr\xf6m: a@x", b": a@x", b"Fr om: a@x"]
)
def test_what_is_no_field_is_kept_as_junk_and_reported(line):
    m = parse_message(b"A: 1\r\n" + line + b"\r\nB: 2\r\n\r\nx")
    assert [f.key for f in m.fields] == [b"a", b"", b"b"]
    assert m.fields[1].raw == line + b"\r\n"
    assert AnomalyCode.JUNK_LINE in codes(m)
    assert m.body == b"x"


def test_a_header_without_an_empty_line_has_no_body():
    m = parse_message(b"From: a@x.example\r\nSubject: x")
    assert m.body == b""
    assert m.fields[1].value == b" x"
    assert AnomalyCode.NO_BODY_SEPARATOR in codes(m)


def test_a_message_that_begins_with_the_empty_line_is_all_body():
    m = parse_message(b"\r\nhello\r\n")
    assert m.fields == ()
    assert m.body == b"hello\r\n"
    assert not holds_message(m)


def test_repeated_once_only_fields_are_reported_once():
    m = parse_message(b"Subject: a\r\nSubject: b\r\nSubject: c\r\nReceived: x\r\nReceived: y\r\n\r\n")
    assert [a.detail for a in m.anomalies if a.code is AnomalyCode.REPEATED_FIELD] == ["Subject"]


def test_smuggled_end_of_data_and_a_second_header_are_flagged():
    m = parse_message(b"From: a@x.example\r\n\r\nhi\r\n\n.\r\nMAIL FROM:<b@y.example>\r\n")
    assert AnomalyCode.SMUGGLING_SHAPE in codes(m)
    m = parse_message(b"X: 1\r\n\r\nFrom: a@x.example\r\nSubject: y\r\n\r\n")
    assert AnomalyCode.SECOND_HEADER_BLOCK in codes(m)


@pytest.mark.parametrize("end", [b"\r\n.\rX", b"\r\n.\r\r\n", b"\r.\r", b"\n.\r\n", b"\n.\n"])
def test_each_spelling_of_a_smuggled_end_of_data_is_flagged(end):
    m = parse_message(b"From: a@x.example\r\n\r\nhi" + end + b"MAIL FROM:<b@y.example>\r\n")
    assert AnomalyCode.SMUGGLING_SHAPE in codes(m)


def test_an_honest_line_with_a_dot_is_no_smuggling():
    m = parse_message(b"From: a@x.example\n\nhi\n.\nbye\n")
    assert AnomalyCode.SMUGGLING_SHAPE not in codes(m)


@pytest.mark.parametrize("count", [5, 6])
def test_the_limit_of_fields_is_reported_when_it_is_passed(count):
    m = parse_message(b"A: 1\r\n" * count + b"\r\nbody", limits=Limits(header_fields=5))
    assert len(m.fields) == 5
    assert m.limits_hit == (("header_fields",) if count == 6 else ())
    assert m.body == b"body"


@pytest.mark.parametrize("size", [99, 101])
def test_the_limit_of_the_header_block_cuts_at_a_line(size):
    m = parse_message(
        b"A: 1\r\n" * 15 + b"B: " + b"x" * (size - 95) + b"\r\n\r\nbody", limits=Limits(header_octets=100)
    )
    assert m.limits_hit == (("header_octets",) if size == 101 else ())
    assert len(m.fields) == (15 if size == 101 else 16)
    assert m.body == b"body"


def test_the_limit_of_a_line_is_reported():
    m = parse_message(b"A: " + b"x" * 200 + b"\r\n\r\n", limits=Limits(line_octets=100))
    assert m.limits_hit == ("line_octets",)


@given(st.binary(max_size=400))
def test_any_octets_give_a_message_whose_parts_are_the_input(raw):
    m = parse_message(raw)
    text = raw.replace(b"\n", b"\r\n") if b"\n" in raw and b"\r\n" not in raw else raw
    header = b"".join(f.raw for f in m.fields)
    assert text.startswith(header)
    rest = text[len(header) :]
    assert rest in (m.body, b"\r\n" + m.body, b"\n" + m.body)

"""Dates of mail: the form of RFC 5322 and the others that servers write."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.grammar.dates import parse_date

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 02 Jan 2026 03:04:05 +0000",
        " Fri, 2 Jan 2026 03:04:05 -0000",
        "2 Jan 2026 03:04:05 GMT",
        "02 Jan 2026 03:04:05 UT",
        "Fri, 02 Jan 2026 03:04:05 utc",
        "Fri, 02 Jan 2026 04:04:05 CET",
        "Fri, 02 Jan 2026 05:04:05 CEST",
        "Fri, 02 Jan 2026 12:04:05 JST",
        "Fri,02 Jan 2026 03:04:05.516 +0000 (UTC)",
        "Thu, 01 Jan 2026 19:04:05 -0800 (PST)",
        "Thu, 01 Jan 2026 19:04:05 PST",
        "Thu, 01 Jan 2026 22:04:05 EST",
        "Fri, 02 Jan 2026 08:34:05 +0530",
        "Fri, 02 Jan 2026 08:34:05 +05:30",
        "Fri (comment (nested) \\) ), 02 Jan 2026 (now) 03:04:05 +0000",
        "Fri, 02 Jan 26 03:04:05 +0000",
        "Fri, 2-Jan-2026 03:04:05 +0000",
        "Fri Jan  2 03:04:05 UTC 2026",
        "Fri Jan 02 03:04:05 2026 +0000",
        "Thu Jan 01 19:04:05 PST 2026",
        "_ Fri, 02 JANUARY 2026 03:04:05 Z",
        "Fri, 02 Jan 2026 03:04:05 +0000 for <u@r.example>",
    ],
)
def test_reads_one_moment_however_it_is_written(text):
    assert parse_date(text) == MOMENT


@pytest.mark.parametrize(("year", "read"), [("49", 2049), ("50", 1950), ("99", 1999), ("103", 2003), ("1999", 1999)])
def test_years_of_two_and_three_digits_follow_rfc_5322(year, read):
    found = parse_date(f"1 Jan {year} 00:00 +0000")
    assert found is not None
    assert found.year == read


def test_a_leap_second_is_the_last_second_that_a_clock_has():
    assert parse_date("31 Dec 2016 23:59:60 +0000") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no date at all",
        "Fri, 32 Jan 2026 03:04:05 +0000",
        "30 Feb 2026 03:04:05 +0000",
        "02 Jan 2026 24:04:05 +0000",
        "02 Jan 2026 03:60:05 +0000",
        "02 Jan 2026 03:04:61 +0000",
        "02 Jan 2026 03:04:05 +9960",
        "02 Jan 2026 03:04:05 +000",
        "02 Jan 2026",
        "02 Jan 2026 noon +0000",
        "1 Jan 0000 00:00:00 +0000",
        "1 Jan 0001 00:00:00 +0100",
        "31 Dec 9999 23:59:59 -0100",
        "02 Jan \u0662\u0660\u0662\u0666 03:04:05 +0000",
        "(02 Jan 2026 03:04:05 +0000",
        # RFC 5322 4.3: of an unknown zone nothing is known; UTC would be hours off.
        "Fri, 02 Jan 2026 03:04:05 XYZ",
        "Fri, 02 Jan 2026 03:04:05 HST",
        "Fri, 02 Jan 2026 03:04:05 BRT",
        "Fri, 02 Jan 2026 03:04:05 IST",
        "Fri, 02 Jan 2026 03:04:05 BST",
        "Fri, 02 Jan 2026 03:04:05 A",
        "Fri, 02 Jan 2026 03:04:05",
        "Fri Jan  2 03:04:05 2026",
        "Fri Jan  2 03:04:05 HST 2026",
    ],
)
def test_what_names_no_moment_gives_none(text):
    assert parse_date(text) is None


@given(st.text(max_size=200))
def test_any_text_gives_a_utc_moment_or_none(text):
    found = parse_date(text)
    assert found is None or found.utcoffset().total_seconds() == 0


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_reads_back_what_rfc_5322_writes(moment, offset):
    moment = moment.replace(microsecond=0)
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}{abs(offset) % 60:02}"
    text = f"{moment.day} {months[moment.month - 1]} {moment.year} {moment:%H:%M:%S} {zone}"
    found = parse_date(text)
    assert found is not None
    assert (found.timestamp() - moment.replace(tzinfo=UTC).timestamp()) == -60 * offset


SHAPES = {
    "open comments": lambda n: "(" * n,
    "comments": lambda n: "()" * n,
    "words": lambda n: "a " * n,
    "months": lambda n: "Jan " * n,
    "days": lambda n: "1-Jan-" * n,
    "nested comments": lambda n: "(" * n + ")" * n,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_text_is_no_date(shape):
    assert parse_date(SHAPES[shape](50_000)) is None

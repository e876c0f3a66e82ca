"""Dates of mail (RFC 5322 3.3 and 4.3, and what servers write besides)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "september", "sept"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}
# Hours; RFC 5322 4.3, and names that mean one zone only.  Of every other name, the military letters included, the RFC
# says that nothing is known of the zone ("-0000"); UTC instead would put the moment some hours off.
_ZONES = {
    name: hours
    for hours, names in (
        (0, ("ut", "utc", "gmt", "z", "wet")),
        (1, ("cet", "west")),
        (2, ("cest", "eet")),
        (3, ("eest",)),
        (9, ("jst",)),
        (-4, ("edt",)),
        (-5, ("cdt", "est")),
        (-6, ("cst", "mdt")),
        (-7, ("mst", "pdt")),
        (-8, ("pst",)),
    )
    for name in names
}
_USUAL = re.compile(
    r"\s*(?:[A-Za-z]{3},)?\s*([0-9]{1,2}) ([A-Za-z]{3}) ([0-9]{4}) "
    r"(?:([0-9]{2}):([0-9]{2}):([0-9]{2})|([0-9:]{8})) ([+-][0-9]{4})(?:\s|$)"
)
_OCTETS = 512  # of a date, comments left out; the longest that a server writes has about 60
_WORDS = 12
_USUAL_ZONE = 5  # characters of a zone that is remembered


def parse_date(text: str) -> datetime | None:
    """The moment that a date names, in UTC to the second; None when the text names none.

    Read are ``[day,] 2 Jan 2026 03:04[:05[.6]] zone`` and the order of C's ``asctime``.  Comments may stand
    anywhere.  Years of two and three digits follow RFC 5322 4.3.  Without a zone, or with a name that stands for no
    known one, the moment is not known.  Trailing words are not looked at.
    """
    usual = _USUAL.match(text)
    if usual is not None:
        day, name, year, hour, minute, second, odd, zone = usual.groups()
        number = _MONTHS.get(name.lower())
        if number is None:
            return None
        if odd:
            return _build(year, number, day, odd, zone)
        return _in_utc(int(year), number, int(day), int(hour), int(minute), int(second), zone)
    words = _words(text)
    for at, word in enumerate(words):
        month = _MONTHS.get(word)
        if month is None:
            continue
        before = words[at - 1] if at else ""
        if _is_day(before):
            return _moment(before, month, words[at + 1 :])
        return _moment_asctime(month, words[at + 1 :])
    return None


def _words(text: str) -> list[str]:
    """Lower-case words without comments and commas; ``2-Jan-2026`` becomes three."""
    if "(" in text:
        text = _without_comments(text)
    words = text[:_OCTETS].lower().replace(",", " ").split(None, _WORDS)[:_WORDS]
    for at, word in enumerate(words):
        parts = word.split("-")
        if len(parts) == 3 and parts[1] in _MONTHS:
            words[at : at + 1] = parts
            break
    return words


def _without_comments(text: str) -> str:
    kept: list[str] = []
    depth = 0
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and depth:
            escaped = True
        elif char == "(":
            if not depth:
                kept.append(" ")
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif not depth:
            kept.append(char)
            if len(kept) > _OCTETS:
                break
    return "".join(kept)


def _moment(day: str, month: int, rest: list[str]) -> datetime | None:
    """``rest``: year, time, zone."""
    if len(rest) < 2:
        return None
    return _build(rest[0], month, day, rest[1], rest[2] if len(rest) > 2 else "")


def _moment_asctime(month: int, rest: list[str]) -> datetime | None:
    """``rest``: day, time, then year and zone in either order."""
    if len(rest) < 3:
        return None
    day, time, *tail = rest
    if _is_number(tail[0]):
        return _build(tail[0], month, day, time, tail[1] if len(tail) > 1 else "")
    if len(tail) > 1 and _is_number(tail[1]):
        return _build(tail[1], month, day, time, tail[0])
    return None


def _build(year: str, month: int, day: str, time: str, zone: str) -> datetime | None:
    clock = time.split(".", 1)[0].split(":")
    if len(clock) not in (2, 3) or not all(map(_is_number, (year, day, *clock))):
        return None
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 50 else 1900
    elif len(year) == 3:
        number += 1900
    hour, minute, second = (*map(int, clock), 0)[:3]
    return _in_utc(number, month, int(day), hour, minute, second, zone)


def _in_utc(year: int, month: int, day: int, hour: int, minute: int, second: int, zone: str) -> datetime | None:
    offset = _offset(zone) if len(zone) > _USUAL_ZONE else _usual_offset(zone)
    if offset is None:
        return None
    if second == 60:  # a leap second has no number of its own here
        second = 59
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return moment - offset if offset else moment
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta | None:
    """Of a zone from UTC; None for digits that are none and for a name that is not known."""
    if zone[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "")
        if len(digits) != 4 or not _is_number(digits) or int(digits[2:]) > 59:
            return None
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return -offset if zone[0] == "-" else offset
    hours = _ZONES.get(zone)
    return None if hours is None else timedelta(hours=hours)


_usual_offset = lru_cache(maxsize=1024)(_offset)


def _is_day(word: str) -> bool:
    return len(word) <= 2 and _is_number(word)


def _is_number(word: str) -> bool:
    return len(word) <= 4 and word.isdigit() and word.isascii()

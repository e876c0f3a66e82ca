"""``tag=value`` lists: DKIM-Signature, ARC fields and key records (RFC 6376 3.2), DMARC records (RFC 9989 4.7).

One splitter; the two standards differ in what they do with a defect, so the defects are values here.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

_WSP = b" \t\r\n"
_TAG_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
_VALUE = re.compile(rb"[!-:<-~ \t\r\n]*\Z")  # tval and FWS: printable ASCII without ";"
_FOLD = re.compile(rb"\r?\n(?![ \t])|\r(?!\n)")  # a line end that does not begin a fold, a bare CR
_PLAIN = re.compile(rb"[ -~\t]*+(?:\r?\n[ \t][ -~\t]*+)*+\Z")  # printable ASCII and folds: nothing a value may not hold
_SHORT_NAME = 64  # octets of a tag name that is remembered


class Defect(StrEnum):
    TOO_LONG = "too-long"
    SYNTAX = "syntax"  # no "=", a bad tag name, an empty item that is not the last, a character that may not stand
    DUPLICATE = "duplicate"


class TagList(Struct, frozen=True):
    """``tags``: values with outer white space removed, the first of duplicates; ``order``: names as they stand.

    ``defects``: what is wrong, in the order found, each kind once.  ``duplicates``: names written twice.
    """

    tags: dict[str, bytes]
    order: tuple[str, ...]
    defects: tuple[Defect, ...] = ()
    duplicates: tuple[str, ...] = ()

    def get(self, name: str) -> bytes | None:
        return self.tags.get(name)


def parse_tag_list(text: bytes, octets_most: int, *, utf8: bool = False) -> TagList:
    """Split ``text``; never raises, linear.  Past ``octets_most`` nothing is read and the defect says so.

    ``utf8``: values may hold valid UTF-8 (RFC 8616 5: d=, i=, s= of internationalised mail).
    """
    if len(text) > octets_most:
        return TagList({}, (), (Defect.TOO_LONG,))
    tags: dict[str, bytes] = {}
    defects: list[Defect] = []
    duplicates: list[str] = []
    plain = _PLAIN.match(text) is not None
    items = text.split(b";")
    if not items[-1].strip(_WSP):
        items.pop()
    for item in items:
        name, equals, value = item.partition(b"=")
        tag = _tag_name(name) if len(name) <= _SHORT_NAME else _read_tag_name(name)
        if not equals or tag is None:
            _note(defects, Defect.SYNTAX)
            continue
        value = value.strip(_WSP)
        if not plain and not _is_value(value, utf8):
            _note(defects, Defect.SYNTAX)
        if tag in tags:
            _note(defects, Defect.DUPLICATE)
            duplicates.append(tag)
            continue
        tags[tag] = value
    return TagList(tags, tuple(tags), tuple(defects), tuple(duplicates))


def _read_tag_name(name: bytes) -> str | None:
    name = name.strip(_WSP)
    return name.decode("ascii") if _TAG_NAME.match(name) else None


_tag_name = lru_cache(maxsize=1024)(_read_tag_name)


def _is_value(value: bytes, utf8: bool) -> bool:
    if _FOLD.search(value):
        return False
    if _VALUE.match(value):
        return True
    if not utf8:
        return False
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any((char < " " and char not in "\t\r\n") or "\x7f" <= char <= "\x9f" for char in text)


def _note(defects: list[Defect], defect: Defect) -> None:
    if defect not in defects:
        defects.append(defect)


def without_blanks(value: bytes) -> bytes:
    """The value with all folding white space removed: ``b``, ``bh``, ``p``, ``h`` (RFC 6376 3.2)."""
    return value.translate(None, _WSP)


def colon_list(value: bytes) -> tuple[bytes, ...]:
    """The members of a colon-separated list, white space around them removed; empty members kept."""
    return tuple([member.strip(_WSP) for member in value.split(b":")])

"""The verdict reader: any document is a verdict that every renderer takes, or an error in one printable line.

What is shown holds no control character and no markup, and a verdict that is read, written again, reads back the same.
"""

import json
import unicodedata
from functools import cache
from typing import Any

from verify.render.data import StoredVerdictError, from_json, to_json
from verify.render.page import to_html
from verify.render.text import to_text

PIECES = (
    b"null", b"true", b"-1", b"1e400", b'"<script>alert(1)</script>"', b'"\\u001b]0;x\\u0007"', b'"\\u202e"', b'"a\\r\\nX: y"', b"[]", b"{}", b'""',
    b'"pass"', b'"fail"', b'"2026-01-02T10:04:05Z"', b'"9999-12-31T23:59:59Z"', b"99999999999999999999", b'"legit.example"', b"\xff", b"[[", b"|", b"/", b"\\ud800",
)  # fmt: skip


@cache
def _document() -> str:
    from tests.verdicts import full

    return to_json(full()).decode()


@cache
def _places() -> tuple[tuple[Any, ...], ...]:
    def walk(value: Any, path: tuple[Any, ...]) -> Any:
        yield path
        if isinstance(value, dict):
            for key, each in value.items():
                yield from walk(each, (*path, key))
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from walk(each, (*path, number))

    return tuple(place for place in walk(json.loads(_document()), ()) if place)


def check_message(text: str) -> None:
    assert text.isprintable(), text


def check(octets: bytes) -> None:
    for text in (octets, _edited(octets)):
        try:
            verdict = from_json(text)
        except StoredVerdictError as error:
            check_message(str(error))
            continue
        shown = to_text(verdict, color=False, verbose=True, width=80)
        assert all(char == "\n" or char.isprintable() or unicodedata.category(char) == "Zs" for char in shown)
        page = to_html(verdict)
        assert "<script" not in page.lower()
        assert not set("\x00\x07\x1b\u202e\u200b") & set(page)
        assert from_json(to_json(verdict)) == verdict


def _edited(octets: bytes) -> bytes:
    """A whole document with values put in at places that the octets choose: ``place value | place value``."""
    document = json.loads(_document())
    for part in octets.split(b"|")[:4]:
        place = _places()[int.from_bytes(part[:2], "big") % len(_places())]
        try:
            value = json.loads(part[2:])
        except (ValueError, RecursionError):
            value = part[2:].decode("utf-8", "replace")
        holder = document
        try:
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue
    return json.dumps(document).encode("utf-8", "surrogatepass")

"""Hostile text made safe, once for each kind of sink."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.grammar.visible import csv_cell, escape, one_line, smtp_text, terminal


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"plain text", "plain text"),
        (b"a\\b", "a\\\\b"),
        ("bücher".encode(), "bücher"),
        (b"b\xfccher", "b\\xfccher"),
        (b"a\x00\t\r\n\x1b[31m\x7f", "a\\x00\\x09\\x0d\\x0a\\x1b[31m\\x7f"),
        ("\u0085\u009b".encode(), "\\xc2\\x85\\xc2\\x9b"),
        (b"\\x41\xff", "\\\\x41\\xff"),
        (b"", ""),
    ],
)
def test_octets_become_visible_text(octets: bytes, text: str) -> None:
    assert escape(octets) == text


def test_what_is_cut_is_marked() -> None:
    assert escape(b"abcdef", 3) == "abc…"
    assert escape(b"abc", 3) == "abc"
    assert escape("aü".encode(), 2) == "a\\xc3…"


def restored(text: str) -> bytes:
    out = bytearray()
    i = 0
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode()
            i += 1
        elif text[i + 1] == "\\":
            out += b"\\"
            i += 2
        else:
            out.append(int(text[i + 2 : i + 4], 16))
            i += 4
    return bytes(out)


@given(st.binary(max_size=80) | st.text(alphabet="\\x4\x1bü\u0085", max_size=30).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_visible_text_holds_no_control_and_loses_nothing(octets: bytes) -> None:
    text = escape(octets)
    assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in text)
    assert restored(text) == octets


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_every_sink_is_safe_for_any_text(text: str) -> None:
    for shown in (terminal(text), one_line(text), csv_cell(text)):
        assert not any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cn", "Co", "Cs"} for char in shown)
        assert len(shown.splitlines()) <= 1
    assert all(" " <= char <= "~" for char in smtp_text(text))


def test_a_terminal_shows_what_it_might_obey() -> None:
    assert terminal("\x1b]0;x\x07 \u202eabc\u200b") == "\\x1b]0;x\\x07 \\u202eabc\\u200b"
    assert terminal("\U000e0041") == "\\U000e0041"
    assert terminal("bücher") == "bücher"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "|x", "%x", " =1", '"=1', "'=1", "\t=1", "\u00a0=1", "\u3000=1", "＝1", "＠x"],
)
def test_no_cell_is_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert cell.startswith(("'", "\\"))


def test_other_cells_stay() -> None:
    assert csv_cell("a=b") == "a=b"

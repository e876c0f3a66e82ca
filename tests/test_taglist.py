"""``tag=value`` lists (RFC 6376 3.2, RFC 9989 4.7): one splitter, defects as values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.grammar.taglist import Defect, TagList, colon_list, parse_tag_list, without_blanks

LONG = 16 * 1024


def read(text: str, *, utf8: bool = False) -> TagList:
    return parse_tag_list(text.encode(), LONG, utf8=utf8)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("v=1; a=rsa-sha256", {"v": b"1", "a": b"rsa-sha256"}),
        ("v=1;", {"v": b"1"}),
        (" v = 1 ;\r\n\ta\r\n = b c ", {"v": b"1", "a": b"b c"}),
        ("b=a\r\n bc=", {"b": b"a\r\n bc="}),
        ("p=", {"p": b""}),
        ("x=a=b==", {"x": b"a=b=="}),
        ("", {}),
        ("A=1;a=2", {"A": b"1", "a": b"2"}),
    ],
)
def test_lists_without_a_defect(text: str, tags: dict[str, bytes]) -> None:
    parsed = read(text)
    assert parsed.tags == tags
    assert parsed.order == tuple(tags)
    assert parsed.defects == ()


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("v=1;;a=2", {"v": b"1", "a": b"2"}),
        ("v=1; junk; a=2", {"v": b"1", "a": b"2"}),
        ("1v=1", {}),
        ("v-x=1", {}),
        ("=1", {}),
        ("v=1\x00", {"v": b"1\x00"}),
        ("v=a\nb", {"v": b"a\nb"}),
        ("v=a\rb", {"v": b"a\rb"}),
        ("v=é", {"v": "é".encode()}),
        ("v=1; ;", {"v": b"1"}),
    ],
)
def test_a_defect_is_said_and_the_rest_is_read(text: str, tags: dict[str, bytes]) -> None:
    parsed = read(text)
    assert parsed.defects == (Defect.SYNTAX,)
    assert parsed.tags == tags


def test_of_duplicates_the_first_stands_and_the_name_is_told() -> None:
    parsed = read("d=a; s=x; d=b; d=c")
    assert parsed.tags == {"d": b"a", "s": b"x"}
    assert parsed.defects == (Defect.DUPLICATE,)
    assert parsed.duplicates == ("d", "d")
    assert parsed.get("d") == b"a"
    assert parsed.get("x") is None


def test_internationalised_values_are_allowed_where_the_standard_allows_them() -> None:
    assert read("d=bücher.example", utf8=True).defects == ()
    assert read("d=b\u0085", utf8=True).defects == (Defect.SYNTAX,)
    assert parse_tag_list(b"d=b\xfc", LONG, utf8=True).defects == (Defect.SYNTAX,)


def test_a_list_over_the_limit_is_not_read() -> None:
    parsed = parse_tag_list(b"v=1;" + b" " * LONG, LONG)
    assert parsed == TagList({}, (), (Defect.TOO_LONG,))


def test_blanks_and_colons() -> None:
    assert without_blanks(b" a\r\n\tb c") == b"abc"
    assert colon_list(b"From : To:: x") == (b"From", b"To", b"", b"x")


@given(st.binary(max_size=120) | st.text(alphabet="ab1=; \t\r\n\x00:", max_size=60).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_octets_give_a_list(octets: bytes) -> None:
    parsed = parse_tag_list(octets, LONG)
    assert set(parsed.order) == set(parsed.tags)
    assert len(parsed.order) == len(parsed.tags)
    assert bool(parsed.duplicates) == (Defect.DUPLICATE in parsed.defects)


N = 20_000
PIECES: dict[bytes, tuple[dict[str, bytes], tuple[Defect, ...]]] = {  # repeated behind "v=" -> tags, defects
    b";": ({"v": b""}, (Defect.SYNTAX,)),
    b"a": ({"v": b"a" * N}, ()),
    b" ": ({"v": b""}, ()),
    b"a=": ({"v": b"a=" * N}, ()),
    b"a=b;": ({"v": b"a=b", "a": b"b"}, (Defect.DUPLICATE,)),
    b"\r\n ": ({"v": b""}, ()),
    b"\n": ({"v": b""}, ()),
    b"=": ({"v": b"=" * N}, ()),
    b"a1=b c;": ({"v": b"a1=b c", "a1": b"b c"}, (Defect.DUPLICATE,)),
}


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_list_is_read_to_its_end(piece: bytes) -> None:
    parsed = parse_tag_list(b"v=" + piece * N, 1 << 30)
    assert (parsed.tags, parsed.defects) == PIECES[piece]

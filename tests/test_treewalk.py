"""The DNS Tree Walk (RFC 9989 4.10) as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.checks.treewalk import Found, Psd, organizational_domain, walk_names


def labels(count: int) -> str:
    return ".".join([f"l{n}" for n in range(count - 1)] + ["example"])


def test_a_short_name_is_followed_by_each_parent_down_to_one_label() -> None:
    assert walk_names("a.mail.example.com") == ("a.mail.example.com", "mail.example.com", "example.com", "com")
    assert walk_names("com") == ("com",)


def test_a_long_name_jumps_to_seven_labels() -> None:
    names = walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert names[:2] == ("a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com")
    assert len(names) == 8


@pytest.mark.parametrize(("count", "names"), [(1, 1), (2, 2), (7, 7), (8, 8), (9, 8), (60, 8)])
def test_never_more_than_eight_names(count: int, names: int) -> None:
    assert len(walk_names(labels(count))) == names


@given(st.integers(1, 100))
def test_names_get_shorter_and_never_repeat(count: int) -> None:
    names = walk_names(labels(count))
    sizes = [name.count(".") for name in names]
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(labels(count).endswith(name) for name in names)
    assert sizes[-1] == 0


def found(*records: tuple[str, str]) -> list[Found]:
    return [Found(name, Psd(psd)) for name, psd in records]


@pytest.mark.parametrize(
    ("domain", "records", "organizational"),
    [
        ("a.example.com", (), "a.example.com"),
        ("a.example.com", (("example.com", "u"),), "example.com"),
        ("a.example.com", (("a.example.com", "u"), ("example.com", "u"), ("com", "u")), "com"),
        ("a.b.example.com", (("b.example.com", "n"),), "b.example.com"),
        ("a.b.bank.example", (("bank.example", "y"),), "b.bank.example"),
        ("a.b.bank.example", (("a.b.bank.example", "u"), ("bank.example", "y")), "b.bank.example"),
        ("bank.example", (("bank.example", "y"),), "bank.example"),
        ("shop.example", (("example", "y"),), "shop.example"),
    ],
)
def test_the_organizational_domain_follows_from_the_records(
    domain: str, records: tuple[tuple[str, str], ...], organizational: str
) -> None:
    assert organizational_domain(domain, found(*records)) == organizational

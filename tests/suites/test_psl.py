"""The 78 tests of the Public Suffix List project, by the list that ``publicsuffixlist`` carries."""

import os

import pytest

from tests.suites_path import SUITES
from verify.grammar.names import domain_name
from verify.suffixes import organizational_domain

FILE = SUITES / "psl" / "tests.txt"


def rows() -> list[tuple[str, ...]]:
    if not FILE.exists():
        return []
    lines = FILE.read_text("utf-8").splitlines()
    return [tuple(line.split(" ")) for line in lines if line and not line.startswith("//")]


@pytest.fixture(autouse=True)
def _needs_the_extra() -> None:
    pytest.importorskip("publicsuffixlist", reason="the extra psl is not installed")


def test_the_suite_is_there_and_whole() -> None:
    if not FILE.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"no suite at {FILE}")
    assert len(rows()) == 78


@pytest.mark.parametrize(("name", "expected"), rows())
def test_registrable_domain(name: str, expected: str) -> None:
    answer = None if name == "null" else organizational_domain(name)
    assert answer == (None if expected == "null" else domain_name(expected))


@pytest.mark.parametrize("name", ["[192.0.2.1]", "192.0.2.1", "", "a..example", "a b.example", ".example.com"])
def test_what_is_no_host_name_has_none(name: str) -> None:
    assert organizational_domain(name) is None

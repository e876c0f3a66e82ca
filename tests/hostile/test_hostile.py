"""Every hostile case, its honest twins, and what must hold for any of them; the table of rows is whole."""

from __future__ import annotations

import re
import unicodedata
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path

import authres
import pytest

from tests.hostile import CASES, ELSEWHERE, table
from tests.hostile.scene import PASSES, Case, fault, judged, reasons
from verify.grammar.results import parse_results
from verify.model import Limits
from verify.render.data import from_json, to_json
from verify.render.header import to_header
from verify.render.page import to_html
from verify.render.text import to_text

ROWS = range(1, 59)
SPELLINGS = 3  # least number of cases of a row
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_attack_comes_out_as_it_must_and_its_honest_twins_pass(case: Case) -> None:
    assert fault(case) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_leaves_the_program_is_clean_for_each_attack(case: Case) -> None:
    verdict, _ = judged(case.scene)
    assert from_json(to_json(verdict)) is not None
    field = to_header(verdict)
    assert all(" " <= char <= "~" or char in "\r\n\t" for char in field)
    assert not re.search(r"\r(?!\n)|(?<!\r)\n|\r\n(?![ \t]|\Z)", field)
    parsed = parse_results(field.partition(":")[2].encode(), Limits())
    assert parsed is not None
    words = [(r.method, r.result) for r in parsed.results]
    expected = [str(s.result) for s in verdict.dkim if s.result is not None]
    assert [word for method, word in words if method == "dkim"] == (expected or ([] if verdict.dkim else ["none"]))
    assert dict(words).get("dmarc") == (None if verdict.dmarc.result is None else str(verdict.dmarc.result))
    value = BytesHeaderParser(policy=compat32).parsebytes(field.encode() + b"\r\n\r\n")["Authentication-Results"]
    other = authres.AuthenticationResultsHeader.parse_value(re.sub(r"\r\n(?=[ \t])", "", value))
    assert [(r.method, r.result) for r in other.results] == words
    text = to_text(verdict, color=False, verbose=True, width=80)
    assert all(char == "\n" or char.isprintable() or unicodedata.category(char) == "Zs" for char in text)
    page = to_html(verdict)
    assert "<script" not in page.lower()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e]", page)


def test_every_case_has_an_honest_twin_that_passes_or_is_one() -> None:
    for case in CASES:
        assert case.reason in reasons()
        passing = [reason for _, reason in case.twins if reason in PASSES]
        assert passing or case.no_twin or case.reason in PASSES, case.name


def test_case_names_are_different() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_catalogue_is_covered_in_three_spellings(row: int) -> None:
    spellings = sum(row in case.rows for case in CASES) + len(ELSEWHERE.get(row, ()))
    assert spellings >= SPELLINGS


def test_tests_that_stand_elsewhere_are_there() -> None:
    for references in ELSEWHERE.values():
        for reference in references:
            path, _, name = reference.partition("::")
            assert f"def {name}(" in (TESTS / path).read_text("utf-8"), reference


def test_the_table_of_the_readme_is_that_of_the_cases() -> None:
    assert table() in Path(__file__).with_name("README.md").read_text("utf-8")

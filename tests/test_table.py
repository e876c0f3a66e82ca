"""The CSV: one documented row a message, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verdicts import fill, full, verdict
from verify.model import ConclusionReason, Verdict, replace
from verify.render.data import to_json
from verify.render.table import COLUMNS, header_row, rows
from verify.rollup import Judged

DANGEROUS = "=+-@\t\r\n|%＝＋－＠"


def judged(made: Verdict) -> Judged:
    return msgspec.json.decode(to_json(made), type=Judged)


def table(*made: Verdict) -> list[dict[str, str]]:
    text = (header_row() + rows(judged(one) for one in made)).decode("utf-8")
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_says_what_the_verdict_says() -> None:
    (row,) = table(full())
    assert list(row) == list(COLUMNS)
    expected = {
        "path": "exports/all.mbox",
        "member": "inbox.mbox",
        "number": "17",
        "fidelity": "quoting-undone",
        "received_at": "2026-03-04T05:06:07Z",
        "conclusion": "failed",
        "reason": "not-aligned",
        "author_domain": "shop.example",
        "authors": "orders@shop.example",
        "client_ip": "192.0.2.25",
        "mail_from": "bounce@bulk.example",
        "encrypted": "yes",
        "spf": "pass",
        "dkim": "pass",
        "dkim_domain": "list.example",
        "dkim_aligned": "no",
        "arc": "pass",
        "dmarc": "fail",
        "policy": "reject",
        "recorded": "explained not-comparable",
        "breakage": "list",
        "anomalies": "display-name-address reply-to-differs",
        "dns_errors": "1",
        "action": "reject",
        "action_reason": "policy-reject",
        "action_override": "",
        "action_stream": "list.example",
        "action_untold": "recipient",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("reason", ConclusionReason)
def test_every_conclusion_has_a_row(reason: ConclusionReason) -> None:
    (row,) = table(verdict(reason))
    assert row["reason"] == reason
    assert "None" not in row.values()


def test_what_is_not_known_is_an_empty_cell_and_the_null_path_is_not() -> None:
    made = verdict(ConclusionReason.ORIGIN_UNKNOWN)
    assert table(made)[0]["client_ip"] == ""
    assert table(made)[0]["spf"] == ""
    null = replace(made, origin=replace(made.origin, mail_from=""))
    assert (table(made)[0]["mail_from"], table(null)[0]["mail_from"]) == ("", "<>")


def assert_harmless(cell: str) -> None:
    assert not cell.lstrip(" '\"\u00a0\u3000").startswith(tuple(DANGEROUS)) or cell.startswith("'")
    assert not any(unicodedata.category(char) in ("Cc", "Cf") for char in cell)


@pytest.mark.parametrize(
    "hostile",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠x",
        " =1",
        '"=1',
        "'=1",
        "\u3000=1",
        "%0A=1",
        "|x",
        '=HYPERLINK("http://x")',
        "a,b;c\u2028\u202e",
    ],
)
def test_hostile_text_in_any_place_is_a_plain_cell(hostile: str) -> None:
    (row,) = table(_filled(hostile))
    assert list(row) == list(COLUMNS)
    for cell in row.values():
        assert_harmless(cell)


def _filled(hostile: str) -> Verdict:
    made = full()
    return replace(fill(made, hostile), authserv_id=made.authserv_id)


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_text_at_all_becomes_a_formula_a_row_or_a_column(hostile: str) -> None:
    found = table(_filled(hostile), full())
    assert len(found) == 2
    for row in found:
        assert list(row) == list(COLUMNS)
        for cell in row.values():
            assert_harmless(cell)

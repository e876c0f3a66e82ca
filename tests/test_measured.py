"""The table of speed: the file that keeps it, and the README that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.bench_peers import ROWS
from tests.bench.peers import ROOT, Three, pairs
from tests.bench.table import Line, held, put_table

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FAST = Line("`batch`, wall", "mailauth, 32 in flight", Three(0.1, 0.2, 0.3), 0.2, "100/s", "20/s")
SLOW = Line("`batch`, wall", "rspamd", Three(0.5, 0.6, 0.7), 0.5, "100/s", "60/s")


def test_a_table_is_put_between_its_markers(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    file.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    put_table(file, [FAST, SLOW], "a machine; a day")
    text = file.read_text()
    assert text.startswith(f"before\n\n{BEGIN}\n| measure ")
    assert text.endswith(f"\n\na machine; a day\n{END}\n\nafter\n")
    assert "| `batch`, wall | mailauth, 32 in flight | **0.20** (0.10 to 0.30) | 0.20 | 100/s | 20/s |\n" in text
    assert "| **0.60** (0.50 to 0.70) | 0.50, missed |" in text
    assert "old" not in text


def test_rows_that_were_not_measured_again_stay_only_if_all_else_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    file.write_text(f"{BEGIN}\n{END}\n")
    put_table(file, [FAST, SLOW], "a machine; a day")
    put_table(file, [FAST._replace(against="mailauth, 8 in flight", ours="101/s")], "a machine; a day")
    text = file.read_text()
    assert text.count("mailauth") == 1
    assert "| mailauth, 8 in flight | **0.20** (0.10 to 0.30) | 0.20 | 101/s |" in text
    assert "| rspamd |" in text
    with pytest.raises(ValueError, match="measure all of it again"):
        put_table(file, [FAST], "a machine; another day")
    put_table(file, [FAST, SLOW], "a machine; another day")
    assert "another day" in file.read_text()


def test_a_file_without_the_markers_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    file.write_text("before")
    with pytest.raises(ValueError, match="there is no <!-- measured"):
        put_table(file, [FAST], "a machine")
    assert file.read_text() == "before"


def test_runs_take_turns() -> None:
    order: list[str] = []

    def run(name: str) -> int:
        order.append(name)
        return len(order)

    assert pairs(3, lambda: run("a"), lambda: run("b")) == [(1, 2), (4, 3), (5, 6)]
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_the_readme_shows_every_row_of_the_script() -> None:
    _, table, _ = held((ROOT / "README.md").read_text("utf-8"), "measured")
    shown = [tuple(row.split(" | ")[:2]) for row in table.splitlines() if row.startswith("| `")]
    wanted = [(f"| {row.measure}", row.against.split()[0].strip(",")) for row in ROWS.values()]
    assert [(measure, against.split()[0].strip(",")) for measure, against in shown] == wanted
    numbers = [float(row.split("**")[1]) for row in table.splitlines() if "**" in row]
    assert len(numbers) == len(ROWS)


@pytest.mark.parametrize("name", ["memory", "cluster"])
def test_the_readme_keeps_what_the_other_scripts_printed(name: str) -> None:
    _, text, _ = held((ROOT / "README.md").read_text("utf-8"), name)
    assert text.startswith("```text\n")
    assert text.endswith("\n```\n")

"""The table of what was measured, for a terminal and for a Markdown file that keeps it between two markers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.bench.peers import Three

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"
HEAD = "| measure | against | ratio, median (least to most) | goal | ours | theirs |\n| --- | --- | --- | --- | --- | --- |\n"


class Line(NamedTuple):
    """One row.  ``goal``: the largest median that meets it; None: there is none.  ``ours``, ``theirs``: for people."""

    measure: str
    against: str
    ratio: Three
    goal: float | None
    ours: str
    theirs: str

    @property
    def met(self) -> bool:
        return self.goal is None or self.ratio.median <= self.goal

    def markdown(self) -> str:
        least, median, most = (figure(value) for value in self.ratio)
        goal = "" if self.goal is None else figure(self.goal) if self.met else f"{figure(self.goal)}, missed"
        cells = (self.measure, self.against, f"**{median}** ({least} to {most})", goal, self.ours, self.theirs)
        return f"| {' | '.join(cells)} |\n"


def figure(value: float) -> str:
    """Two digits that count."""
    return f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def put(path: Path, lines: list[Line], about: str) -> None:
    """Write the table between the markers of a file, or as a whole file where there is none.

    Rows of that table that were not measured now stay, if ``about`` (machine, versions, day) is the same.  Raises
    ``ValueError`` if it is not, or when a file is there without markers.
    """
    rows = {_key(text): text for text in (line.markdown() for line in lines)}
    before, after = "", ""
    if path.exists():
        text = path.read_text("utf-8")
        before, begun, rest = text.partition(BEGIN)
        old, ended, after = rest.partition(END)
        if not begun or not ended:
            raise ValueError(f"{path} has no {BEGIN} ... {END}")
        stays = [row for row in old.splitlines(keepends=True) if row.startswith("| `")]
        if any(_key(row) not in rows for row in stays):
            if about not in old:
                raise ValueError(f"the table in {path} is of another day or machine: measure all of it again")
            rows = {**{_key(row): row for row in stays}, **rows}
    path.write_text(f"{before}{BEGIN}\n{HEAD}{''.join(rows.values())}\n{about}\n{END}{after}", "utf-8")


def _key(row: str) -> str:
    """What is measured, and the first word of whom against: at how many in flight that one is fastest may change."""
    measure, other = row.split(" | ")[:2]
    return f"{measure} {other.split()[0].strip(',')}"

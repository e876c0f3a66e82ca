"""What was measured, in a Markdown file that keeps it between markers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.bench.peers import Three

TABLE = "measured"
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


def held(text: str, name: str) -> tuple[str, str, str]:
    """What stands before, between and behind the markers of that name.  Raises ``ValueError``."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, begun, rest = text.partition(begin)
    between, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"there is no {begin.strip()} ... {end}")
    return before + begin, between, end + after


def put(path: Path, name: str, text: str) -> None:
    """Write a text between the markers of that name.  Raises ``OSError``, ``ValueError``."""
    before, _, after = held(path.read_text("utf-8"), name)
    path.write_text(before + text + after, "utf-8")


def put_table(path: Path, lines: list[Line], about: str) -> None:
    """Write the rows; those that were not measured now stay, if ``about`` (machine, versions, day) is the same.

    Raises ``OSError``, and ``ValueError`` if it is not, or when the file has no markers.
    """
    rows = {_key(text): text for text in (line.markdown() for line in lines)}
    _, old, _ = held(path.read_text("utf-8"), TABLE)
    stays = {_key(row): row for row in old.splitlines(keepends=True) if row.startswith("| `")}
    if not rows.keys() >= stays.keys():
        if about not in old:
            raise ValueError(f"the table in {path} is of another day or machine: measure all of it again")
        rows = {**stays, **rows}
    put(path, TABLE, f"{HEAD}{''.join(rows.values())}\n{about}\n")


def _key(row: str) -> str:
    """What is measured, and the first word of whom against: at how many in flight that one is fastest may change."""
    measure, other = row.split(" | ")[:2]
    return f"{measure} {other.split()[0].strip(',')}"

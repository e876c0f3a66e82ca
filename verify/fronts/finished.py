"""Outputs that an earlier run has finished: told from what only looks like them, and counted again."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from verify.grammar.visible import one_line
from verify.model import ActionKind, ActionReason, Conclusion, ConclusionReason, Rehearsal, Untold
from verify.rollup import Rollup, Tally
from verify.store import OutputError, read

from .outfile import Output

FINGERPRINT = "fingerprint"  # key of the run table
_PAGE_OCTETS = 4096  # in which the head of a page stands


class _Size(Struct, frozen=True):
    size: int


class Head(Struct, frozen=True):
    """The little of a verdict that is counted when nothing else is wanted of it."""

    source: _Size
    conclusion: Conclusion
    conclusion_reason: ConclusionReason
    rehearsal: Rehearsal | None = None


HEAD = msgspec.json.Decoder(Head)


def look_again(outputs: Sequence[Output], fingerprint: str) -> tuple[Tally, Rollup | None]:
    """What stands in the finished outputs of a run.  Raises ``OutputError`` when another one has made them.

    JSON Lines and CSV do not say which run they are of; all that can be told is that they hold verdicts.
    """
    tally, rollup = Tally(), None
    for path, form in outputs:
        try:
            match form:
                case "sqlite":
                    rollup = _store(path, fingerprint)
                case "html":
                    _page(path, fingerprint)
                case "jsonl":
                    tally = _lines(path)
                case _:
                    tally = _table(path)
        except (OSError, ValueError, KeyError, csv.Error):
            raise OutputError(f"{one_line(path)}: stands there, and no run that could be resumed has left it") from None
    return (rollup.tally if rollup is not None else tally), rollup


def _store(path: str, fingerprint: str) -> Rollup:
    rollup = read(path)
    if rollup.about.get(FINGERPRINT) != fingerprint or "finished_at" not in rollup.about:
        raise ValueError
    return rollup


def _page(path: str, fingerprint: str) -> None:
    with Path(path).open("rb") as stream:
        if f'<meta name="fingerprint" content="{fingerprint}">'.encode() not in stream.read(_PAGE_OCTETS):
            raise ValueError


def _lines(path: str) -> Tally:
    tally = Tally()
    with Path(path).open("rb") as stream:
        for line in stream:
            head = HEAD.decode(line)
            tally.count(head.conclusion, head.conclusion_reason, head.source.size, head.rehearsal)
    return tally


def _table(path: str) -> Tally:
    tally = Tally()
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        for row in rows:
            conclusion, reason = Conclusion(row["conclusion"]), ConclusionReason(row["reason"])
            tally.count(conclusion, reason, int(row["size"]), _rehearsal(row))
        if "conclusion" not in (rows.fieldnames or ()):
            raise ValueError
    return tally


def _rehearsal(row: Mapping[str, str]) -> Rehearsal | None:
    """As much of it as is counted."""
    if not row["action"]:
        return None
    untold = tuple(Untold(word) for word in row["action_untold"].split())
    return Rehearsal(action=ActionKind(row["action"]), reason=ActionReason(row["action_reason"]), untold=untold)

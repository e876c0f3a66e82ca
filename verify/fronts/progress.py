"""How far a batch is, on standard error: a bar on a terminal, now and then a line elsewhere; and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct

from verify.model import Conclusion
from verify.rollup import Tally

from .console import error


class Counts(Struct, kw_only=True):
    """What a run has come to.  ``tally``: what is in the outputs, earlier runs included; the rest is of this run."""

    tally: Tally
    repeated: int = 0
    foreign: int = 0
    bugs: int = 0
    questions: int = 0

    @property
    def messages(self) -> int:
        return self.tally.messages

    @property
    def octets(self) -> int:
        return self.tally.octets

    @property
    def refused(self) -> int:
        return self.tally.refused

    def of(self, conclusion: Conclusion) -> int:
        return self.tally.conclusions.get(conclusion, 0)


REFRESH = 0.25  # seconds between two pictures of the bar
LINE = 10.0  # seconds between two lines where there is no terminal


class Progress(Protocol):
    """``show``: called often; shows the state when it is time to.  ``error``: one line."""

    def show(self, counts: Counts) -> None: ...

    def error(self, message: str) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Nothing but errors."""

    def show(self, counts: Counts) -> None:
        pass

    def error(self, message: str) -> None:
        error(message)

    def close(self) -> None:
        pass


class Lines(Silent):
    """A line now and then."""

    def __init__(self, total: int, started_with: int) -> None:
        self._total = total
        self._before = started_with
        self._start = self._last = time.monotonic()

    def show(self, counts: Counts) -> None:
        now = time.monotonic()
        if now - self._last < LINE:
            return
        self._last = now
        rate = (counts.messages - self._before) / (now - self._start)
        share = f", {counts.octets * 100 // self._total}%" if self._total else ""
        error(f"{counts.messages:,} messages{share}, {rate:,.0f}/s, {by_conclusion(counts)}")


class OnTerminal:
    """A bar, drawn anew when ``show`` is called: no thread of its own, since workers are forked from this process.

    ``in_flight``: how many questions wait for an answer now.
    """

    def __init__(self, total: int, started_with: int, in_flight: Callable[[], int]) -> None:
        from rich.console import Console, RenderableType
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        shown = self._shown = Text("", no_wrap=True, overflow="ellipsis")

        class Bar(Progress):
            """The counts stand below the bar, so that both fit a narrow terminal."""

            def get_renderables(self) -> Iterable[RenderableType]:
                yield from super().get_renderables()
                yield shown

        self._in_flight = in_flight
        self._before = started_with
        self._start = time.monotonic()
        self._last = 0.0
        self._bar: Progress = Bar(
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=total or None, rate="")
        self._bar.start()

    def show(self, counts: Counts) -> None:
        now = time.monotonic()
        if now - self._last < REFRESH:
            return
        self._last = now
        rate = (counts.messages - self._before) / max(now - self._start, 0.001)
        waiting = self._in_flight()
        dns = f" · {waiting} DNS" if waiting else ""
        self._shown.plain = by_conclusion(counts) + dns
        self._bar.update(self._task, completed=counts.octets, rate=f"{counts.messages:,} · {rate:,.0f}/s")
        self._bar.refresh()

    def error(self, message: str) -> None:
        """Above the bar."""
        self._bar.console.print(f"mailverdict: {message}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._bar.stop()


def progress(total: int, started_with: int, in_flight: Callable[[], int], *, quiet: bool) -> Progress:
    """What suits where standard error goes.  ``total``: octets, 0 when not known; ``started_with``: messages."""
    if quiet:
        return Silent()
    if sys.stderr is not None and sys.stderr.isatty():
        return OnTerminal(total, started_with, in_flight)
    return Lines(total, started_with)


def by_conclusion(counts: Counts) -> str:
    """The four conclusions with their numbers."""
    return ", ".join(f"{counts.of(one):,} {one.value}" for one in Conclusion)


def rate_of(counts: Counts, seconds: float, *, before: int) -> str:
    """How fast the run was, and what the outputs do not say of it.  ``before``: messages of earlier runs."""
    done = counts.messages - before
    facts = [f"{done:,} messages in {_time(seconds)}"]
    if seconds > 0:
        facts.append(f"{done / seconds:,.0f} a second")
    more = (
        (counts.questions, "questions to the DNS"),
        (counts.repeated, "listed again, with the octets of an earlier one"),
        (counts.foreign, "files that are no mail passed over"),
    )
    facts += [f"{count:,} {text}" for count, text in more if count]
    return "; ".join(facts)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"

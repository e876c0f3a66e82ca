"""Growth of CPU with the size of the input; for the scripts beside it."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from tests.hostile.guards import forget
from verify.model import Limits

SLACK = 1.5  # times what linear would be
MEASURABLE = 0.02  # seconds of CPU that the smaller one takes at least
LARGEST = 5_000_000  # pieces of the smaller one; what is still too quick to measure then is quick enough
LONG = 1.0  # seconds of CPU that need no second run
TRIES = 3  # another load disturbs, and memory comes in steps; what is not linear stays so, at the next size too
FREE = Limits(
    **{name: 10**9 for name in Limits.__struct_fields__ if name not in ("key_bits_least", "signatures")}
)  # the limits would hide what is not linear

Build: TypeAlias = Callable[[int], Callable[[], object]]  # from a size to what is timed; the input is made beforehand


class Shape(NamedTuple):
    """``size``: pieces to begin with, doubled until it can be measured."""

    name: str
    size: int
    build: Build


class Growth(NamedTuple):
    """CPU seconds for an input of ``size`` and for one of twice its size."""

    size: int
    once: float
    twice: float

    @property
    def ratio(self) -> float:
        return self.twice / self.once

    @property
    def linear(self) -> bool:
        return self.ratio <= 2 * SLACK or self.twice < MEASURABLE


def cpu(run: Callable[[], object], times: int = 4) -> float:
    """The best of several runs, each with nothing remembered from before, and no search for garbage meanwhile."""
    best = float("inf")
    for _ in range(times):
        forget()
        gc.disable()
        try:
            start = time.process_time()
            run()
            best = min(best, time.process_time() - start)
        finally:
            gc.enable()
        if best > LONG:
            break
    return best


def growth(build: Build, size: int) -> Growth:
    while (once := cpu(build(size))) < MEASURABLE and size < LARGEST:
        size *= 2
    return Growth(size, once, cpu(build(2 * size)))


def report(shapes: Iterable[Shape]) -> int:
    """Prints a line for each shape; the number of those that are not linear."""
    missed = seen = 0
    for shape in shapes:
        found = growth(shape.build, shape.size)
        for _ in range(TRIES - 1):
            if found.linear:
                break
            found = growth(shape.build, 2 * found.size)
        seen += 1
        missed += not found.linear
        shown = f"{found.ratio:.2f} times for twice the input ({found.once * 1000:.0f} ms)"
        if found.twice < MEASURABLE:
            shown = f"under {MEASURABLE * 1000:.0f} ms for any length"
        print(f"{'ok ' if found.linear else 'BAD'} {shape.name}: {shown}", flush=True)
    if not seen:
        sys.exit("no such shape")
    return missed

"""CPU a message of ``mailverdict batch`` as the number of messages grows.

    python -m tests.bench.bench_growth [--messages 2000 10000 100000] [--runs 3] [--workers N]

Distinct messages of some 2 KB, DNS from a recording, whole processes, the sizes in turns.  The exit status is 1 when
the largest number costs more than 1.1 times the CPU a message of the one before it (median).
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.mailbox import Made, make, start
from tests.bench.peers import Wrong, as_a_user

ALLOWED = 1.10  # times the CPU a message


def cpu(made: Made, output: Path, workers: int) -> float:
    """Seconds of CPU of the process and its children.  Raises ``Wrong`` when not every message has a verdict."""
    process = start(made, output, "--workers", str(workers))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Wrong(f"batch ended with {process.returncode}")
    with output.open("rb") as file:
        if sum(1 for _ in file) != made.messages:
            raise Wrong("not every message has a verdict")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, nargs="+", default=[2000, 10_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    as_a_user()
    try:
        spent = measure(options.messages, options.runs, options.workers)
    except Wrong as problem:
        sys.exit(str(problem))
    each = {number: statistics.median(values) / number * 1e6 for number, values in spent.items()}
    for number, microseconds in each.items():
        low, high = min(spent[number]) / number * 1e6, max(spent[number]) / number * 1e6
        print(f"{number:>9,} messages: {microseconds:6.0f} us of CPU a message ({low:.0f} to {high:.0f})")
    *_, before, last = each.values()
    print(f"ratio of the last two: {last / before:.2f} (allowed: {ALLOWED:.2f})")
    if last > ALLOWED * before:
        sys.exit(1)


def measure(messages: Sequence[int], runs: int, workers: int) -> dict[int, list[float]]:
    """Seconds of CPU of each run, by the number of messages."""
    with tempfile.TemporaryDirectory() as name:
        mailboxes = []
        for number in messages:
            folder = Path(name, str(number))
            folder.mkdir()
            mailboxes.append(make(folder, itertools.repeat(2000), messages=number))
        spent: dict[int, list[float]] = {number: [] for number in messages}
        for _ in range(runs):
            for made in mailboxes:
                spent[made.messages].append(cpu(made, made.mailbox.with_name("verdicts.jsonl"), workers))
    return spent


if __name__ == "__main__":
    main()

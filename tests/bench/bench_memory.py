"""Private memory of ``mailverdict batch`` over a large mailbox.

    python -m tests.bench.bench_memory [--gigabytes 2] [--largest MEGABYTES] [--folder DIR] [--markdown FILE]

Makes a mailbox of that size and half of it, runs the command over each, and ten times a second adds up the anonymous
pages of each of its processes (``Anonymous`` in /proc/PID/smaps_rollup: what is theirs; the mapped mailbox is not, and
can be dropped by the system at any time).  Prints the peak of a process, and what it may be: 150 MB and four times the
largest message.  The exit status is 1 when it is more, or when twice the messages take more than a tenth more.
``--markdown FILE``: write what is printed between the markers in that file, e.g. README.md.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.mailbox import Made, make, start
from tests.bench.peers import as_a_user, machine
from tests.bench.table import put

MB = 1_000_000
ALLOWED = 150 * MB


def sizes(largest: int) -> Iterator[int]:
    """Mostly small ones, a few up to ``largest``."""
    chance = random.Random(1)
    yield largest
    while True:
        yield int(min(largest, 2000 * chance.paretovariate(0.7)))


def anonymous(pid: int) -> int:
    """Octets of anonymous pages of a process; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [pid, *(int(child) for text in tasks for child in text.split())]


def peak(made: Made, output: Path) -> tuple[int, int, float]:
    """Largest private memory of a process and of all at once, and seconds."""
    began = time.monotonic()
    process = start(made, output)
    one, together = 0, 0
    while process.poll() is None:
        held = [anonymous(pid) for pid in family(process.pid)]
        one, together = max([one, *held]), max(together, sum(held))
        time.sleep(0.1)
    if process.returncode:
        sys.exit(f"batch ended with {process.returncode}")
    return one, together, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--largest", type=float, default=8.0, metavar="MEGABYTES")
    parser.add_argument("--folder", help="where the mailboxes are made")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args()
    as_a_user()
    told = [f"{machine()}; {datetime.now(UTC):%Y-%m-%d}"]
    most = 0
    peaks = []
    for share in (0.5, 1.0):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            octets = int(options.gigabytes * share * 1e9)
            made = make(folder, itertools.islice(sizes(int(options.largest * MB)), 200), octets=octets)
            one, together, seconds = peak(made, folder / "verdicts.jsonl")
        most = ALLOWED + 4 * made.largest
        peaks.append(one)
        told.append(
            f"{octets / 1e9:.1f} GB, {made.messages:,} messages, the largest {made.largest / MB:.1f} MB: "
            f"{one / MB:.0f} MB a process, {together / MB:.0f} MB together, {seconds:.0f} s (allowed: {most / MB:.0f} MB)"
        )
        print(told[-1], flush=True)
    if options.markdown is not None:
        put(options.markdown, "memory", "```text\n" + "".join(f"{line}\n" for line in told) + "```\n")
    if peaks[-1] > most or peaks[-1] > 1.1 * peaks[0]:
        sys.exit("too much memory")


if __name__ == "__main__":
    main()

"""What a Dask cluster costs beside processes, and how far one run can grow: measured here, the rest is arithmetic.

    python -m tests.bench.bench_cluster [--messages 2000 10000] [--workers 1 2] [--runs 3] [--total 100000000]
                                        [--markdown FILE]

Needs the extra ``dask``.  The same mailbox (distinct signed messages of 2 KB, DNS from a recording) is judged by
``--engine process`` and by ``--engine dask`` on a cluster of this machine, in turns, at two sizes.  What a message costs
is the difference between the sizes, so that start-up is left out: CPU of the client (the process that reads the sources
and writes the outputs), of the scheduler (it runs in this process, which does nothing else then), and of the workers;
octets that go through the scheduler; octets written. What the scheduler spends while idle is taken off.  Then what follows for ``--total`` messages.  With the folder of
peers at hand (see ``peers.py``), DNS questions a domain are counted over its corpus.
``--markdown FILE``: what is printed is also written between the markers in that file, e.g. README.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.mailbox import Made, make, start
from tests.bench.peers import Bench, Missing, add_option, as_a_user, machine
from tests.bench.table import put
from verify.fronts.repeated import Seen
from verify.mailboxes.items import Refusal

TICKS = os.sysconf("SC_CLK_TCK")
MACHINES = (1, 2, 4, 8)
CORES = 8  # of a machine of the cluster, in the arithmetic
NETWORK = 1.25e9  # octets a second of the scheduler: 10 Gbit/s
RATE = 1000  # DNS questions a second
KEYS = (100_000, 1_000_000)  # in the index of what was judged, as it is measured
DOMAINS = 300  # of the corpus that the folder of peers makes


class Cost(NamedTuple):
    """Of a run, or of a message: seconds, and octets."""

    wall: float
    client: float  # CPU
    scheduler: float  # CPU
    workers: float  # CPU
    through: float  # octets in and out of the scheduler
    written: float  # octets of the output

    def of_one(self, smaller: Cost, messages: int) -> Cost:
        """A message's share of what a run needs more than a smaller one, with that many messages less."""
        return Cost(*((more - less) / messages for more, less in zip(self, smaller, strict=True)))


class Traffic:
    """Octets that this process sends and receives as a part of a cluster."""

    def __init__(self) -> None:
        from distributed.comm import tcp

        self.octets = 0
        write, read = tcp.TCP.write, tcp.from_frames

        async def counted_write(comm: Any, *given: Any, **named: Any) -> Any:
            sent = await write(comm, *given, **named)
            self.octets += sent
            return sent

        async def counted_read(frames: Any, *given: Any, **named: Any) -> Any:
            self.octets += sum(memoryview(frame).nbytes for frame in frames)
            return await read(frames, *given, **named)

        tcp.TCP.write, tcp.from_frames = counted_write, counted_read


class Cluster(NamedTuple):
    address: str
    pids: tuple[int, ...]  # of the workers


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """A scheduler in this process, and workers that are processes."""
    from distributed import LocalCluster

    with (
        warnings.catch_warnings(action="ignore"),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as started,
    ):
        yield Cluster(started.scheduler_address, tuple(nanny.pid for nanny in started.workers.values()))


def cpu(pid: int) -> tuple[float, float]:
    """Seconds of CPU of a process, a dead one included that nobody waited for: its own, and of its dead children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, system, children, of_children = (int(field) / TICKS for field in fields[11:15])
    return own + system, children + of_children


def here() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(made: Made, output: Path, workers: int, on: Cluster | None, traffic: Traffic, idle: float) -> Cost:
    options = ["--workers", str(workers)]
    if on is not None:
        options += ["--engine", "dask", "--scheduler", on.address]
    before, spent, octets = here(), sum(cpu(pid)[0] for pid in on.pids) if on else 0.0, traffic.octets
    began = time.perf_counter()
    process = start(made, output, *options)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - began
    client, children = cpu(process.pid)
    scheduler = here() - before - idle * wall
    if process.wait():
        sys.exit(f"batch ended with {process.returncode}")
    size = output.stat().st_size
    with output.open("rb") as file:
        if sum(1 for _ in file) != made.messages:
            sys.exit("not every message has a verdict")
    if on is None:
        return Cost(wall, client, 0.0, children, 0.0, size)
    judged = sum(cpu(pid)[0] for pid in on.pids) - spent
    return Cost(wall, client, scheduler, judged, traffic.octets - octets, size)


def measure(mailboxes: list[Made], workers: int, runs: int, traffic: Traffic) -> dict[str, Cost]:
    """A message's cost by engine: the median of the runs' differences between the two sizes."""
    found: dict[str, list[Cost]] = {"processes": [], "dask": []}
    output = mailboxes[0].mailbox.with_name("verdicts.jsonl")
    small, large = mailboxes
    more = large.messages - small.messages
    with cluster(workers) as started:
        engines = {"processes": None, "dask": started}
        before = here()
        time.sleep(3)
        idle = (here() - before) / 3
        for on in engines.values():
            run(small, output, workers, on, traffic, idle)
        for _ in range(runs):
            for name, on in engines.items():
                less = run(small, output, workers, on, traffic, idle)
                found[name].append(run(large, output, workers, on, traffic, idle).of_one(less, more))
    return {name: Cost(*map(statistics.median, zip(*costs, strict=True))) for name, costs in found.items()}


def index(folder: Path) -> list[tuple[float, float]]:
    """The index of what was judged: microseconds of adding a key, and octets of one, at each of ``KEYS``."""
    chance = random.Random(1)
    seen = Seen(folder)
    found = []
    last = Refusal("a", None, "")
    held = 0
    for count in KEYS:
        spent, added = 0.0, 0
        while held < count:
            entries = [(chance.randbytes(40), held * 3000, 3000) for _ in range(256)]
            began = time.perf_counter()
            seen.add(held, last, entries, None)
            if count - held <= 50_000:  # the last ones
                spent, added = spent + time.perf_counter() - began, added + 256
            held += 256
        found.append((spent / added * 1e6, sum(path.stat().st_size for path in folder.iterdir()) / held))
    seen.close()
    return found


def questions(folder: Path) -> float:
    """DNS questions a domain: over all messages of the corpus, each question asked once."""
    with closing(Bench(folder)) as bench, tempfile.TemporaryDirectory() as place:
        corpus = bench.corpus("small", 6000)
        recording = Path(place) / "asked.jsonl"
        template = f"{bench.compare.DEFAULT_A} --record {recording} -q"
        words = bench.compare.fill(template, corpus, "fast", str(Path(place) / "verdicts.jsonl"))
        subprocess.run(bench.before(corpus) + words, check=True, stdin=subprocess.DEVNULL)
        with recording.open() as lines:
            asked = sum("name" in json.loads(line) for line in lines)
    return asked / DOMAINS


class Told:
    """Prints, and remembers what."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str = "") -> None:
        self.lines.append(line)
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, nargs=2, default=[2000, 10_000], metavar=("FEW", "MANY"))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--total", type=int, default=100_000_000)
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    add_option(parser)
    given = parser.parse_args()
    as_a_user()
    try:
        traffic = Traffic()
    except ImportError:
        print("not measured: the cluster needs an extra: pip install 'mailverdict[dask]'")
        return
    tell = Told()
    with tempfile.TemporaryDirectory() as name:
        mailboxes = []
        for number in given.messages:
            folder = Path(name, str(number))
            folder.mkdir()
            mailboxes.append(make(folder, itertools.repeat(2000), messages=number))
        tell(f"{machine()}; {datetime.now(UTC):%Y-%m-%d}")
        tell(f"us of CPU and octets a message, medians of {given.runs}")
        tell(f"{'':22}{'wall':>8}{'client':>8}{'scheduler':>11}{'workers':>9}{'through':>9}{'written':>9}")
        last = None
        for workers in given.workers:
            for engine, cost in measure(mailboxes, workers, given.runs, traffic).items():
                who = f"{engine}, {workers} worker{'s' if workers > 1 else ''}"
                wall, client, scheduler, judging = (round(seconds * 1e6) for seconds in cost[:4])
                tell(f"{who:22}{wall:8}{client:8}{scheduler:11}{judging:9}{cost.through:9,.0f}{cost.written:9,.0f}")
                last = cost
        keys = index(Path(name))
    for count, (microseconds, octets) in zip(KEYS, keys, strict=True):
        tell(f"index of what was judged, {count:>9,} messages: {microseconds:.0f} us and {octets:.0f} octets a message")
    if last is not None:
        extrapolate(given.total, last, keys[-1][1], tell)
    try:
        each = questions(given.bench)
    except Missing as problem:
        tell(f"DNS        not counted: {problem}")
    except (OSError, subprocess.CalledProcessError, RuntimeError) as problem:
        tell(f"DNS        not counted: {problem!r}")
    else:
        hours = each * 1e6 / RATE / 3600
        tell(f"DNS        {each:.1f} questions a domain; of a million domains {hours:.1f} h at {RATE:,} a second")
    if given.markdown is not None:
        put(given.markdown, "cluster", "```text\n" + "".join(f"{line}\n" for line in tell.lines) + "```\n")


def extrapolate(total: int, cost: Cost, key: float, tell: Told) -> None:
    """What the figures of a message come to, for one run with one client."""
    tell()
    tell(f"{total:,} messages in one run:")
    tell(f"workers    {cost.workers * 1e6:.0f} us x {total:,} = {total * cost.workers / 3600:.1f} h of one core")
    tell(
        f"client     {cost.client * 1e6:.0f} us x {total:,} = {total * cost.client / 3600:.1f} h, whatever the cluster"
    )
    tell(f"scheduler  {cost.scheduler * 1e6:.0f} us x {total:,} = {total * cost.scheduler / 3600:.1f} h, beside it")
    wire = cost.through / 2
    hours = wire * total / NETWORK / 3600
    tell(f"network    {wire:,.0f} octets x {total:,} = {wire * total / 1e9:,.0f} GB, {hours:.1f} h at 10 Gbit/s")
    tell(f"disk       {cost.written:,.0f} octets x {total:,} = {cost.written * total / 1e9:,.0f} GB of JSON Lines")
    tell(f"           {key:.0f} octets x {total:,} = {key * total / 1e9:.1f} GB of index until it ends")
    bound = max(cost.client, cost.scheduler, wire / NETWORK)
    tell(f"one client keeps {cost.workers / bound:,.0f} cores busy")
    for machines in MACHINES:
        each = cost.workers / machines / CORES
        hours, which = total * max(each, bound) / 3600, "the cores" if each > bound else "the client"
        tell(f"{machines} x {CORES} cores: {hours:.1f} h, {total / hours / 3600:,.0f} messages/s, bound by {which}")


if __name__ == "__main__":
    main()

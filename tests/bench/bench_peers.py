"""The program against other verifiers, and against itself: ratios of whole processes that take turns.

    python -m tests.bench.bench_peers [ROW...] [--runs 5] [--messages N] [--markdown FILE] [--list]

Needs, for all rows but ``growth``, the folder with the peers (see ``peers.py``) and what its ``setup.sh dns python node
rspamd milters`` installs; root, for the view of the DNS that each peer is given.  A row whose peer is missing is said
and left out.

In every pair of runs both see the same messages and the same DNS on loopback, warm; which of them begins changes.  What
comes out is compared with the index of the corpus, message by message; a wrong answer makes the row void and the
exit status 1.  Our first run is not timed: it warms the resolver, and it writes the bytecode that an installed program
has (``PYTHONDONTWRITEBYTECODE`` of this shell is not passed on).  A peer runs at the number of messages in flight that
is the fastest here, found by trying, unless the row names one.

``--messages``: another number than the row's, to rehearse.  ``--markdown FILE``: write the table between the markers in
that file, e.g. README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import bench_growth
from tests.bench.peers import (
    Bench,
    Missing,
    Three,
    Wrong,
    add_option,
    as_a_user,
    machine,
    our_milter,
    pairs,
    peer_milters,
    versions,
)
from tests.bench.table import Line, figure, put_table

IN_FLIGHT = (1, 8, 32, 128)  # messages, of mailauth, that are tried
LATE = 32  # in flight where the DNS is slow: messages of mailauth, questions of ours
STARTS = 15  # pairs of cold starts: they are short


class Found(NamedTuple):
    """What a row gave.  ``against``: the peer, as far as only the run could tell."""

    ratio: Three
    ours: str
    theirs: str
    against: str | None = None


class Asked(NamedTuple):
    """``place``: where the peers are, if they are.  ``messages``: 0 for the row's own number."""

    place: Bench | None
    runs: int
    messages: int

    @property
    def bench(self) -> Bench:
        if self.place is None:
            raise Missing("no peers")
        return self.place

    def number(self, of_row: int) -> int:
        return self.messages or of_row


def rate(messages: int, seconds: float) -> str:
    return f"{round(messages / seconds, -1 if messages / seconds > 1000 else 0):,.0f}/s"


# ---- batch ----


def against(
    asked: Asked,
    peer: str,
    *,
    messages: int = 2000,
    profile: str = "small",
    speed: str = "fast",
    options: str = "",
    in_flight: int | None = 1,
    cpu: bool = False,
) -> Found:
    """``batch`` against a peer; ``in_flight``: None for the fastest."""
    bench = asked.bench
    corpus = bench.corpus(profile, asked.number(messages))
    named = None
    if in_flight is None:
        in_flight = fastest(bench, peer, corpus)
        named = f"{peer}, {in_flight} in flight"
    template = f"{bench.compare.DEFAULT_A} {options}"
    found = bench.compare.compare(peer, corpus, speed, in_flight, asked.runs, template)
    if found["wrongs"]:
        raise Wrong(f"{found['wrongs']} answers: {'; '.join(found['wrong'])}")
    for note in found["peer_notes"]:
        print(f"    note: {peer} has {note}", flush=True)
    count = found["n"]
    if cpu:
        ours, theirs = (f"{found[key] * 1000:,.0f} us" for key in ("a_cpu_ms", "b_cpu_ms"))
        return Found(Three(*found["cpu"]), ours, theirs)
    ours, theirs = (rate(count, found[key][1]) for key in ("a_wall", "b_wall"))
    return Found(Three(*found["wall"]), ours, theirs, named)


def fastest(bench: Bench, peer: str, corpus: Path) -> int:
    """The number in flight at which the peer needs the least time, of two runs each."""
    before = bench.before(corpus)
    took: dict[int, float] = {}
    for _ in range(2):
        for number in IN_FLIGHT:
            run = bench.compare.run(before + bench.compare.peer_command(peer, corpus, number))
            if run.code:
                raise RuntimeError(f"{peer}: {run.err[-300:]}")
            took[number] = min(run.wall, took.get(number, run.wall))
    print(f"    {peer}: " + ", ".join(f"{number} in flight {took[number]:.2f} s" for number in IN_FLIGHT), flush=True)
    return min(took, key=lambda number: took[number])


def processes(asked: Asked) -> Found:
    """Two processes against one."""
    bench = asked.bench
    corpus = bench.corpus("small", asked.number(10_000))
    before, expected = bench.before(corpus), bench.rows(corpus)
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "verdicts.jsonl"

        def wall(workers: int) -> float:
            out.unlink(missing_ok=True)
            template = f"{bench.compare.DEFAULT_A} --workers {workers}"
            run = bench.compare.run(before + bench.compare.fill(template, corpus, "fast", str(out)))
            wrong = bench.compare.judge(str(out), expected)
            if run.code or wrong:
                raise Wrong(f"exit status {run.code} with {workers} workers; {'; '.join(wrong[:3])}")
            return float(run.wall)

        wall(2)
        found = pairs(asked.runs, partial(wall, 2), partial(wall, 1))
    ours, theirs = (rate(len(expected), statistics.median(times)) for times in zip(*found, strict=True))
    return Found(Three.of(two / one for two, one in found), ours, theirs)


# ---- one message ----


def start_up(asked: Asked) -> Found:
    """One message from a cold start, DNS live and warm, the whole result as JSON; both must say what the index says."""
    bench = asked.bench
    corpus = bench.corpus("small", 1000)
    row = next(row for row in bench.rows(corpus) if row[5:9] == ["pass", "pass", "pass", "none"])
    path, (address, helo, sender) = str(corpus / row[0]), row[1:4]
    node = bench.place / "node" / "node_modules"
    if not (node / "mailauth").exists():
        raise Missing(f"mailauth is not installed: {bench.folder}/setup.sh node")
    before = bench.before(corpus)
    report = [node / ".bin" / "node", node / "mailauth" / "bin" / "mailauth.js", "report"]
    theirs = [*before, *report, "-m", "mx.bench.test", "-i", address, "-e", helo, "-f", sender, path]
    check = [*shlex.split(as_a_user()), "check", "--format", "json", "--trust-host", "mx.bench.test"]
    ours = [*before, *check, "--resolver", bench.compare.RESOLVER["fast"], path]

    def timed(command: list[Any], read: Callable[[Any], tuple[str, ...]], who: str) -> float:
        run = bench.compare.run(command)
        try:
            said = read(json.loads(run.out))
        except (ValueError, KeyError, TypeError) as problem:
            raise RuntimeError(f"{who}: exit status {run.code}, {problem!r}: {run.err[-300:]}") from None
        if said != tuple(row[5:9]):
            raise Wrong(f"{who} says {' '.join(said)} for {' '.join(row[5:9])}")
        return float(run.wall)

    one = partial(timed, ours, bench.compare.reading, "mailverdict")
    other = partial(timed, theirs, _reported, "mailauth report")
    one(), other()
    found = pairs(max(asked.runs, STARTS), one, other)
    took = [f"{statistics.median(times) * 1000:.0f} ms" for times in zip(*found, strict=True)]
    return Found(Three.of(mine / peer for mine, peer in found), took[0], took[1])


def _reported(report: Any) -> tuple[str, ...]:
    """What mailauth's report says, in the words of the index."""
    signed = any(one["status"]["result"] == "pass" for one in report["dkim"]["results"])
    return (
        "pass" if signed else "fail",
        report["spf"]["status"]["result"],
        report["dmarc"]["status"]["result"],
        report["arc"]["status"]["result"],
    )


# ---- many messages, and the mail server ----


def growth(asked: Asked) -> Found:
    """CPU a message of many messages against that of a tenth of them."""
    many = asked.number(100_000)
    spent = bench_growth.measure([many // 10, many], asked.runs, os.cpu_count() or 1)
    few_us, many_us = ([one / number * 1e6 for one in times] for number, times in spent.items())
    ratio = Three.of(after / before for after, before in zip(many_us, few_us, strict=True))
    return Found(ratio, f"{statistics.median(many_us):.0f} us", f"{statistics.median(few_us):.0f} us")


def milter(asked: Asked, *, workers: int) -> Found:
    """Time a message, 32 connections, against opendkim with opendmarc over the one that they survive."""
    bench = asked.bench
    corpus = bench.corpus("small", asked.number(2000))
    notes: list[str] = []

    def peers() -> float:
        found = peer_milters(bench, corpus)
        notes[:] = found["notes"]
        return float(found["wall"])

    found = pairs(asked.runs, lambda: float(our_milter(bench, corpus, 32, workers)["wall"]), peers)
    for note in notes:
        print(f"    note: opendkim with opendmarc have {note}", flush=True)
    count = len(bench.rows(corpus))
    ours, theirs = (rate(count, statistics.median(times)) for times in zip(*found, strict=True))
    return Found(Three.of(mine / peer for mine, peer in found), ours, theirs)


# ---- the table ----


class Row(NamedTuple):
    """``measure``, ``against``: Markdown.  ``goal``: the largest median that meets it."""

    measure: str
    against: str
    goal: float | None
    run: Callable[[Asked], Found]


ROWS = {
    "small": Row(
        "`batch`, 2,000 small, all cores, wall",
        "mailauth at its fastest",
        0.20,
        partial(against, peer="mailauth", in_flight=None),
    ),
    "one-process": Row(
        "`batch`, 2,000 small, one process, wall",
        "mailauth, 1 in flight",
        0.30,
        partial(against, peer="mailauth", options="--workers 1"),
    ),
    "naive": Row(
        "`batch`, 2,000 small, all cores, wall",
        "dkimpy, pyspf and dnspython in a plain loop",
        0.10,
        partial(against, peer="naive"),
    ),
    "mixed": Row(
        "`batch`, 300 mixed messages, up to 8 MB, all cores, wall",
        "mailauth at its fastest",
        0.30,
        partial(against, peer="mailauth", messages=300, profile="mixed", in_flight=None),
    ),
    "rspamd": Row(
        "`batch`, 2,000 small, one process, wall",
        "rspamd, 1 worker, 4 in flight",
        0.50,
        partial(against, peer="rspamd", options="--workers 1", in_flight=4),
    ),
    "floor": Row(
        "`batch`, 10,000 small, CPU",
        "the floor (read, hash, one RSA check a signature)",
        7,
        partial(against, peer="bound", messages=10_000, cpu=True),
    ),
    "floor-mixed": Row(
        "`batch`, 300 mixed, CPU",
        "the floor",
        7,
        partial(against, peer="bound", messages=300, profile="mixed", cpu=True),
    ),
    "slow-dns": Row(
        f"`batch`, 2,000 small, DNS 30 ms late, {LATE} questions in flight, wall",
        f"mailauth, {LATE} messages in flight",
        0.20,
        partial(against, peer="mailauth", speed="slow", options=f"--dns-concurrency {LATE}", in_flight=LATE),
    ),
    "processes": Row("`batch`, 10,000 small, two processes, wall", "one process", 0.60, processes),
    "start-up": Row("`check`, one message from a cold start, wall", "`mailauth report`", 0.60, start_up),
    "growth": Row("`batch`, 100,000 distinct messages, CPU a message", "10,000 messages", 1.10, growth),
    "milter": Row(
        "`milter`, 32 connections, a worker a core, time a message",
        "opendkim with opendmarc, one connection",
        0.50,
        partial(milter, workers=os.cpu_count() or 1),
    ),
    "milter-one": Row(
        "`milter`, 32 connections, one worker, time a message",
        "opendkim with opendmarc, one connection",
        None,
        partial(milter, workers=1),
    ),
}


ALONE = {"growth"}  # needs nothing but this checkout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="the rows to measure (all)")
    parser.add_argument("--list", action="store_true", help="the rows, their goals, and what they are measured against")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs")
    parser.add_argument("--messages", type=int, default=0, help="another number of messages than the row's")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into that file")
    add_option(parser)
    given = parser.parse_args()
    unknown = set(given.rows) - set(ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if given.messages and given.markdown is not None:
        parser.error("--markdown is for the numbers of messages that the rows name")
    if given.list:
        for name, row in ROWS.items():
            print(f"{name:12}{'' if row.goal is None else figure(row.goal):>6}  {row.measure}; {row.against}")
        return 0
    print(f"mailverdict is: {as_a_user()}", flush=True)
    names = given.rows or list(ROWS)
    bench = None
    try:
        bench = Bench(given.bench)
    except Missing as problem:
        left_out = [name for name in names if name not in ALONE]
        names = [name for name in names if name in ALONE]
        print(f"not measured: {', '.join(left_out) or 'nothing'}: {problem}", flush=True)
    try:
        lines, failed = measure(names, Asked(bench, given.runs, given.messages))
    finally:
        if bench is not None:
            bench.close()
    if given.markdown is not None and lines:
        about = f"{machine()}; {versions(bench) if bench else 'no peers'}; {datetime.now(UTC):%Y-%m-%d}; {given.runs} pairs of runs."
        try:
            put_table(given.markdown, lines, about)
        except (OSError, ValueError) as problem:
            sys.exit(str(problem))
    return int(failed)


def measure(names: list[str], asked: Asked) -> tuple[list[Line], bool]:
    """The rows that could be measured; and whether an answer was wrong."""
    lines: list[Line] = []
    failed = False
    print(f"{'':12}{'least':>8}{'median':>8}{'most':>8}{'goal':>8}")
    for name in names:
        row = ROWS[name]
        try:
            found = row.run(asked)
        except Wrong as problem:
            failed = True
            print(f"{name:12}WRONG, so that no time counts: {problem}", flush=True)
            continue
        except Exception as problem:  # noqa: BLE001 - a peer's, or of a script that is not ours; the others go on
            print(f"{name:12}not measured: {_told(problem)}", flush=True)
            continue
        line = Line(row.measure, found.against or row.against, found.ratio, row.goal, found.ours, found.theirs)
        lines.append(line)
        goal = "" if row.goal is None else figure(row.goal)
        met = "" if row.goal is None else "met" if line.met else "MISSED"
        ratios = "".join(f"{value:8.3f}" for value in found.ratio)
        print(f"{name:12}{ratios}{goal:>8} {met:7} ours {found.ours}, {line.against} {found.theirs}", flush=True)
    return lines, failed


def _told(problem: Exception) -> str:
    if isinstance(problem, subprocess.CalledProcessError):
        said = (problem.stderr or problem.output or "").strip() if isinstance(problem.stderr, str) else ""
        return f"{' '.join(map(str, problem.cmd))[:200]} ended with {problem.returncode} {said[-200:]}"
    return f"{type(problem).__name__}: {problem}" if not isinstance(problem, Missing) else str(problem)


if __name__ == "__main__":
    sys.exit(main())

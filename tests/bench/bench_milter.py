"""The milter against opendkim with opendmarc: the same mail, resolver and client, in turns.

    python -m tests.bench.bench_milter [--bench DIR] [-n 500] [--conc 32] [--runs 3] [--workers 1]

``--bench``: the folder with the corpus maker, the local DNS and the client that speaks to any milter (see
``peers.py``); its ``setup.sh dns python milters`` must have run.  The two peers are driven over one connection at a
time, since opendkim does not survive more; ours over one and over ``--conc``.  A time counts only when no message
failed and the passes are those that the corpus is known to have.  Ends with status 1 when ours is slower than the
peers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bench.peers import Bench, Missing, Wrong, add_option, as_a_user, our_milter, peer_milters


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_option(options)
    options.add_argument("-n", type=int, default=500)
    options.add_argument("--conc", type=int, default=32)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--workers", type=int, default=1)
    given = options.parse_args()
    as_a_user()
    try:
        runs = measure(given)
    except (Missing, Wrong) as problem:
        sys.exit(str(problem))
    print(f"{given.n} messages, {given.runs} rounds, median (ratios: of neighbouring runs)")
    print(f"{'':16}{'messages/s':>12}{'ratio':>8}{'CPU ms':>8}{'ratio':>8}{'MB':>7}")
    slower = False
    for name, made in runs.items():
        rates = [one["msgs_s"] / peer["msgs_s"] for one, peer in zip(made, runs["peers"], strict=True)]
        cpus = [one["cpu_ms_msg"] / peer["cpu_ms_msg"] for one, peer in zip(made, runs["peers"], strict=True)]
        print(
            f"{name:16}{middle(one['msgs_s'] for one in made):12.0f}{middle(rates):8.2f}"
            f"{middle(one['cpu_ms_msg'] for one in made):8.2f}{middle(cpus):8.2f}"
            f"{middle(one['daemons_peak_mb'] for one in made):7.0f}"
        )
        slower = slower or middle(rates) < 1
    return int(slower)


def measure(given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    with closing(Bench(given.bench)) as bench:
        return turns(bench, bench.corpus("small", given.n), given)


def turns(bench: Bench, corpus: Path, given: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {"peers": [], "ours, 1": [], f"ours, {given.conc}": []}
    for _ in range(given.runs):
        found = peer_milters(bench, corpus)
        for note in found["notes"]:
            print(f"note: the peers have {note}", file=sys.stderr)
        runs["peers"].append(found)
        for conc in (1, given.conc):
            runs[f"ours, {conc}"].append(our_milter(bench, corpus, conc, given.workers))
    return runs


def middle(values: Any) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    sys.exit(main())

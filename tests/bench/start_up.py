"""What a cold start costs: ``--help`` and one message, against a bare Python and any other command.

    python tests/bench/start_up.py [--against 'COMMAND'] [--runs N]

Prints CPU and wall milliseconds of whole processes, medians of runs that take turns, each as a ratio to the bare
Python or to ``--against`` (another verifier's command for one message).  Bytecode is written first, to a folder of
its own, as an installed program has it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
SAMPLE = ("samples/dkim-only.eml", "--dns", "samples/dkim-only.dns.jsonl", "--trust-host", "mx.receiver.example")


def once(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """CPU and wall milliseconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=HERE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000, wall * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description="What a cold start costs.")
    parser.add_argument("--against", metavar="COMMAND", help="another command, in quotes")
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    commands = {
        "bare Python": [sys.executable, "-c", "pass"],
        "--help": [sys.executable, "-m", "verify", "--help"],
        "one message": [sys.executable, "-m", "verify", *SAMPLE],
    }
    if given.against:
        commands["against"] = shlex.split(given.against)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "MAILVERDICT_CONFIG": os.devnull}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for command in commands.values():
            once(command, environment)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(given.runs):
            for name, command in commands.items():
                found[name].append(once(command, environment))
    base = "against" if given.against else "bare Python"
    print(f"{'':14}{'CPU ms':>9}{'wall ms':>9}   wall against {given.against or base}, run by run")
    for name, times in found.items():
        cpu, wall = (statistics.median(each[kind] for each in times) for kind in (0, 1))
        ratio = statistics.median(mine[1] / other[1] for mine, other in zip(times, found[base], strict=True))
        print(f"{name:14}{cpu:9.0f}{wall:9.0f}   {ratio:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

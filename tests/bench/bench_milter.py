"""The milter against opendkim with opendmarc: the same mail, resolver and client, in turns.

    python tests/bench/bench_milter.py [--bench DIR] [-n 500] [--conc 32] [--runs 3]

``--bench``: the folder with the corpus maker, the local DNS and the client that speaks to any milter (else the variable
``MAILVERDICT_BENCH``, else ``../shared/bench``); its ``setup.sh dns python milters`` must have run.  The two peers are
driven over one connection at a time, since opendkim does not survive more; ours over one and over ``--conc``.  A time
counts only when no message failed and the passes are those that the corpus is known to have.  Ends with status 1 when
ours is slower than the peers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("MAILVERDICT_BENCH", str(ROOT.parent / "shared" / "bench"))
    options.add_argument("--bench", type=Path, default=Path(default))
    options.add_argument("-n", type=int, default=500)
    options.add_argument("--conc", type=int, default=32)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--workers", type=int, default=1)
    given = options.parse_args()
    sys.path.insert(0, str(given.bench))
    import compare

    folder = compare.first(compare.corpus("small", given.n), given.n)
    see = [str(word) for word in compare.dns(folder / "zone" / "root.zone")]
    expected = compare.rows(folder)
    runs: dict[str, list[dict[str, Any]]] = {"peers": [], "ours, 1": [], f"ours, {given.conc}": []}
    for _ in range(given.runs):
        runs["peers"].append(peers(given.bench, see, folder, expected, compare))
        for conc in (1, given.conc):
            runs[f"ours, {conc}"].append(ours(given.bench, folder, conc, given.workers, expected, compare))
    print(f"{len(expected)} messages, {given.runs} rounds, median (ratios: of neighbouring runs)")
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


def middle(values: Any) -> float:
    return statistics.median(values)


def client(bench: Path, folder: Path, milters: Sequence[str], pids: str, conc: int) -> dict[str, Any]:
    """What the client measured over the corpus, after one pass that fills the caches."""
    command = [sys.executable, bench / "peers" / "milter_client.py", folder / "index.tsv"]
    command += ["--milters", ",".join(milters), "--pids", pids, "--conc", str(conc), "--warm", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["errors"]:
        raise SystemExit(f"{found['errors']} messages failed: {done.stderr}")
    return found


def right(found: dict[str, Any], expected: Any, compare: Any) -> dict[str, Any]:
    wrong = compare.judge_counts(json.dumps(found), expected)
    if wrong:
        raise SystemExit(f"wrong answers, whose time means nothing: {wrong}")
    return found


def peers(bench: Path, see: list[str], folder: Path, expected: Any, compare: Any) -> dict[str, Any]:
    sockets = Path(os.environ.get("MAILBENCH", "/tmp/mailbench")) / "milters"
    up = str(bench / "peers" / "milters_up.sh")
    pids = subprocess.run([*see, up, "start"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        where = [f"unix:{sockets}/opendkim.sock", f"unix:{sockets}/opendmarc.sock"]
        found = client(bench, folder, where, pids, 1)
    finally:
        subprocess.run([up, "stop"], check=False)
    wrong = compare.judge_counts(json.dumps(found), expected)
    if wrong:
        print(f"note: the peers have {'; '.join(wrong)}", file=sys.stderr)
    return found


def ours(bench: Path, folder: Path, conc: int, workers: int, expected: Any, compare: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        where = f"unix:{place}/m.sock"
        command = [sys.executable, "-m", "verify", "milter", "--listen", where, "--workers", str(workers)]
        command += ["--resolver", compare.RESOLVER["fast"], "--authserv-id", "mx.bench.test"]
        with (Path(place) / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        try:
            while b"event=started" not in (Path(place) / "log").read_bytes():
                if process.poll() is not None:
                    raise SystemExit((Path(place) / "log").read_text())
                time.sleep(0.05)
            return right(client(bench, folder, [where], str(process.pid), conc), expected, compare)
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    sys.exit(main())

"""CPU per message, by part of the program: where the microseconds go.

    python tests/bench/profile_parts.py [CORPUS] [--code DIR ...] [--rounds N]

CORPUS: a folder with ``eml/*.eml`` and ``dns.jsonl``; without it the small one of the folder of peers (``peers.py``).
No network, one process, answers from the recording, all
messages read before the clock starts.  Each part is timed without the parts inside it; clocks around the parts cost
something too, so that the whole is measured without them first.  With several ``--code`` (checkouts) each is a process
of its own in every round, so that they take turns and another load on the machine disturbs all alike.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
# part -> where the function is called by this name
PARTS = {
    "parse": ("verify.fronts.session", "parse_message"),
    "author": ("verify.evaluate", "read_author"),
    "received": ("verify.reading.origin", "parse_received"),
    "origin": ("verify.evaluate", "read_origin"),
    "recorded": ("verify.evaluate", "read_recorded"),
    "spf": ("verify.evaluate", "evaluate_mail_from"),
    "helo": ("verify.evaluate", "evaluate_helo"),
    "dkim": ("verify.evaluate", "check_signature"),
    "arc": ("verify.evaluate", "check_arc"),
    "iprev": ("verify.evaluate", "check_iprev"),
    "dmarc": ("verify.evaluate", "check_dmarc"),
    "verdict": ("verify.evaluate", "make_verdict"),
    "diagnosis": ("verify.verdict", "_diagnoses"),
    "compare": ("verify.verdict", "compare"),
    "removal": ("verify.verdict", "removable_fields"),
    "coverage": ("verify.verdict", "read_coverage"),
    "results field": ("verify.render.data", "authentication_results"),
    "json": ("verify.render.data", "to_json"),
    "evaluate": ("verify.fronts.session", "evaluate"),
}


class Clocks:
    """Nested stop clocks: the time inside a part counts for the innermost."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys([*PARTS, "rest"], 0)
        self._open = ["rest"]
        self._since = time.process_time_ns()

    def _turn(self) -> None:
        now = time.process_time_ns()
        self.spent[self._open[-1]] += now - self._since
        self._since = now

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            self._turn()
            self._open.append(part)
            try:
                return function(*given, **named)
            finally:
                self._turn()
                self._open.pop()

        return timed


def measure(corpus: Path) -> dict[str, float]:
    """Microseconds a message: the whole, warm, and each part."""
    from verify.config import Config
    from verify.fronts.session import Judge
    from verify.render import data

    raws = [path.read_bytes() for path in sorted((corpus / "eml").glob("*.eml"))[:2000]]
    judge = Judge(Config(dns=str(corpus / "dns.jsonl"), trust_host="mx.bench.test"))

    def run() -> float:
        start = time.process_time()
        for raw in raws:
            data.to_json(judge.judge(raw))
        return (time.process_time() - start) / len(raws) * 1e6

    cold = run()
    whole = min(run() for _ in range(3))
    clocks = Clocks()
    for part, (module, name) in PARTS.items():
        where = importlib.import_module(module)
        if hasattr(where, name):  # another checkout may have it elsewhere: then it counts for what it is part of
            setattr(where, name, clocks.around(part, getattr(where, name)))
    run()
    shares = {part: spent / len(raws) / 1000 for part, spent in clocks.spent.items()}
    return {"cold": cold, "warm": whole, **shares}


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per message, by part of the program.")
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--code", type=Path, action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        sys.path.insert(0, str(given.code[0]))
        print(json.dumps(measure(given.corpus)))
        return 0
    if given.corpus is None:
        sys.path.append(str(HERE))
        from tests.bench.peers import Bench, Missing, folder

        try:
            with closing(Bench(folder())) as bench:
                given.corpus = bench.corpus("small", 1000)
        except Missing as problem:
            print(f"not measured: {problem}")
            return 0
    checkouts = given.code or [HERE]
    found: dict[Path, list[dict[str, float]]] = {code: [] for code in checkouts}
    for _ in range(given.rounds):
        for code in checkouts:
            command = [sys.executable, __file__, str(given.corpus), "--once", "--code", str(code)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[code].append(json.loads(done.stdout))
    print(f"us a message, median of {given.rounds}" + " ".join(f" {code}" for code in checkouts))
    for part in ("cold", "warm", *PARTS, "rest"):
        columns = [statistics.median(one[part] for one in found[code]) for code in checkouts]
        print(f"{part:14}" + "".join(f"{column:9.1f}" for column in columns))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

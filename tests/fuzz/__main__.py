"""Runs fuzz targets one after the other, each for a time.

    python -m tests.fuzz [--seconds N] [TARGET...]

With atheris (development group ``fuzz``) inputs are guided by coverage, each target
in a process of its own; without it they are put together by hypothesis.  Prints how many inputs each target took.  An
input that breaks an invariant, or takes longer than its size allows, is printed as a Python literal; status 1 then.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import TARGETS

SECONDS_AN_OCTET = 0.000_2  # CPU; everything here is linear and far quicker
SECONDS = 0.5  # CPU that any input may take besides
GROWN = 64 * 1024  # octets that every thousandth input is repeated to
EXAMPLES = 1000  # of one run of hypothesis


class TooSlow(AssertionError):
    """An input took more than linear time."""


class Target:
    """One target with its counts."""

    def __init__(self, name: str) -> None:
        module = importlib.import_module(f"tests.fuzz.{name}")
        self.name = name
        self.pieces: tuple[bytes, ...] = module.PIECES
        self._check: Callable[[bytes], None] = module.check
        self.inputs = 0
        self.slowest = 0.0

    def __call__(self, octets: bytes) -> None:
        self.inputs += 1
        self._timed(octets)
        if octets and self.inputs % 1000 == 0:
            self._timed((octets * (GROWN // len(octets) + 1))[:GROWN])

    def _timed(self, octets: bytes) -> None:
        start = time.process_time()
        self._check(octets)
        taken = time.process_time() - start
        self.slowest = max(self.slowest, taken)
        if taken > SECONDS + SECONDS_AN_OCTET * len(octets):
            raise TooSlow(f"{taken:.2f} s for {len(octets)} octets")


def strategy(pieces: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    part = st.one_of(st.sampled_from(pieces), st.sampled_from(pieces), st.binary(max_size=6))
    return st.one_of(st.lists(part, max_size=40).map(b"".join), st.binary(max_size=120))


def by_hypothesis(target: Target, seconds: float, first: int) -> None:
    """Raises what the target raises, for the smallest input that hypothesis found, which is printed."""
    end = time.monotonic() + seconds
    number = first
    while time.monotonic() < end:

        @seed(number)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy(target.pieces))
        def run(octets: bytes) -> None:
            if time.monotonic() < end:
                target(octets)

        run()
        number += 1


def by_atheris(name: str, seconds: int) -> None:
    """Ends the process: with an error and the input in a file when the target raised."""
    import atheris  # type: ignore[import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["verify"]):
        target = Target(name)

    def one(octets: bytes) -> None:
        """After a first octet that is odd the others choose pieces; else the octets stand for themselves."""
        if octets[:1] and octets[0] % 2:
            octets = b"".join(target.pieces[o] if o < len(target.pieces) else bytes((o,)) for o in octets[1:])
        target(octets)

    atheris.Setup(
        [
            "fuzz",
            f"-max_total_time={seconds}",
            "-max_len=2000",
            "-verbosity=0",
            "-print_final_stats=1",
            "-artifact_prefix=" + tempfile.mkdtemp() + "/",
        ],
        one,
    )
    atheris.Fuzz()


def guided(name: str, seconds: int) -> int:
    """One target guided by coverage, in a process of its own; its status."""
    command = [sys.executable, "-m", "tests.fuzz", "--here", "--seconds", str(seconds), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    inputs = re.search(r"number_of_executed_units: (\d+)", text)
    if done.returncode:
        print(f"{name}: {text[-4000:]}", flush=True)
    print(f"{name}: {inputs[1] if inputs else 0} inputs in {seconds} s, guided by coverage", flush=True)
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--here", action="store_true", help="one target with atheris in this process, which it ends")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    asked = parser.parse_args()
    names = asked.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if asked.here:
        by_atheris(names[0], asked.seconds)
    coverage = importlib.util.find_spec("atheris") is not None
    failed = 0
    for name in names:
        if coverage:
            failed += guided(name, asked.seconds) != 0
            continue
        target = Target(name)
        start = time.monotonic()
        try:
            by_hypothesis(target, asked.seconds, random.SystemRandom().randrange(2**32))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="\n", flush=True)
        print(
            f"{name}: {target.inputs} inputs in {time.monotonic() - start:.0f} s, slowest {target.slowest * 1000:.0f} ms CPU",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

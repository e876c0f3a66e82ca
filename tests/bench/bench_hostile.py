"""Whole messages of hostile shapes: twice the input takes at most twice the CPU, with some slack.

    python tests/bench/bench_hostile.py [--whole]

Each shape is judged whole, from octets to header field, at a size and at twice that size.  Prints ratios and ends with
status 1 when one is over its limit.  ``--whole``: besides, messages of 10 MB, each in a process of its own, must give
their verdict within two seconds and within four times their size and 150 MB of memory.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import signing
from tests.bench.growth import FREE, Shape, report
from tests.hostile.scene import (
    ATTACK,
    FROM_LEGIT,
    LEGIT,
    LEGIT_KEY,
    NOW,
    REST,
    WORLD,
    mail,
    signed,
)
from tests.zone import Zone
from verify.evaluate import evaluate
from verify.model import Limits, Settings, Verdict
from verify.reading.message import parse_message
from verify.render.data import to_json
from verify.render.header import to_header

SECONDS, WHOLE = 2.0, 10_000_000  # a message under 10 MB gives its verdict within so much time
MEMORY = 150 * 1024 * 1024  # octets besides four times the message


def author(value: bytes) -> bytes:
    return mail(b"From: " + value + b"\r\n")


def seal_chain(sets: int) -> bytes:
    raw = mail()
    for _ in range(sets):
        raw = signing.seal(raw, LEGIT, "s", LEGIT_KEY, aar="x.example; none", h="from")
    return raw


def signature(text: str) -> bytes:
    return signing.dkim_field(mail(), LEGIT, "s", LEGIT_KEY, text=text) + mail()


TAGS = f" v=1; a=ed25519-sha256; d={LEGIT}; s=s; bh={{bh}}; b={{b}}"
SHAPES: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "blanks on one line of the body": (400_000, lambda n: signed(mail(body=b"x" + b" " * n + b"x\r\n"))),
    "blanks before every line end": (20_000, lambda n: signed(mail(body=(b"x" + b" \t" * 20 + b"\r\n") * n))),
    "empty lines at the end": (400_000, lambda n: signed(mail(body=b"x\r\n" + b"\r\n" * n))),
    "folds in a signed field": (100_000, lambda n: signed(mail(rest=b"Subject: a" + b"\r\n \t" * n + b"b\r\n"))),
    "nested comments in From": (50_000, lambda n: author(b"(" * n + b")" * n + b" a@legit.example")),
    "open comments in From": (20_000, lambda n: author(b"a@legit.example " + b"(\\" * n)),
    "quotes in From": (20_000, lambda n: author(b'"' * n + b" <a@legit.example>")),
    "at signs in From": (20_000, lambda n: author(b"a@legit.example<" * n)),
    "encoded words in From": (3_000, lambda n: author(b"=?utf-8?B?YQ==?= " * n + b"<a@legit.example>")),
    "Received fields": (1_000, lambda n: b"Received: from a (b [192.0.2.1]) by c with ESMTP id 1; x\r\n" * n + mail()),
    "quotes in Received": (10_000, lambda n: b"Received: from a (b [192.0.2.1]) " + b'"\\' * n + b"\r\n" + mail()),
    "one long Received": (10_000, lambda n: b"Received: from a " + b"(b by [192.0.2.1] " * n + b"\r\n" + mail()),
    "recorded results": (1_000, lambda n: b"Authentication-Results: x.example; " + b"dkim=pass header.d=a.example (c); " * n + b"none\r\n" + mail()),
    "nested comments in results": (50_000, lambda n: b"Authentication-Results: x.example " + b"(" * n + b")" * n + b"; none\r\n" + mail()),
    "tags of a signature": (5_000, lambda n: signature(TAGS + "; h=from" + "".join(f"; z{i}=x" for i in range(n)))),
    "names in h=": (3_000, lambda n: signature(TAGS + "; h=from" + ":subject" * n)),
    "signatures": (600, lambda n: b"".join(signed(mail(), f"n{i}.{ATTACK}")[: -len(mail())] for i in range(n)) + mail()),
    "sets of ARC": (12, seal_chain),
    "header fields": (3_000, lambda n: b"X-A: b\r\n" * n + signed()),
    "junk lines": (20_000, lambda n: b"junk\r\n" * n + mail()),
    "dots and line ends in the body": (50_000, lambda n: signed(mail(body=b"\r.\n\r\n.\r" * n))),
}  # fmt: skip

# Shapes of whole messages of up to 10 MB, by the real limits.
BIG: dict[str, Callable[[], bytes]] = {
    "text": lambda: signed(mail(body=b"The quick brown fox jumps over the lazy dog.\r\n" * 210_000)),
    "one line of blanks": lambda: signed(mail(body=b"x" + b" " * 9_900_000 + b"x\r\n")),
    "blank and tab at each end of line": lambda: signed(mail(body=b"a  b\t \t\r\n" * 1_090_000)),
    "empty lines": lambda: signed(mail(body=b"\r\n" * 4_900_000 + b"x\r\n")),
    "header alone": lambda: mail()[: -len(b"\r\nPlease pay the invoice.\r\n")] + b"X-A: b\r\n" * 1_240_000,
    "one header field": lambda: b"X-A: " + b"(" * 9_900_000 + b"\r\n" + mail(),
    "one From": lambda: author(b"a@legit.example, <" * 500_000),
    "ten signatures, all changed": lambda: b"".join(signed(mail(body=b"y\r\n"), c=c)[: -len(mail(body=b"y\r\n"))] for c in ("relaxed/relaxed", "simple/simple") * 5) + mail(body=b"a  b\t \t\r\n>From x\r\n--\r\n" * 420_000),
    "bare line ends": lambda: mail(body=b"\r\n.\r\n\n\r.\r" * 1_000_000),
    "LF alone": lambda: mail(body=b"x\r\n" * 3_000_000).replace(b"\r\n", b"\n"),
    "NUL alone": lambda: b"\0" * 9_900_000,
    "parts": lambda: mail(body=b"--x\r\nContent-Type: message/rfc822\r\n\r\n" * 250_000, rest=REST.replace(b"text/plain", b"multipart/mixed; boundary=x")),
}  # fmt: skip


def judge(raw: bytes, limits: Limits) -> Verdict:
    zone = Zone(WORLD, observed_at=NOW)
    verdict = evaluate(parse_message(raw, None, limits), FROM_LEGIT, zone.ask, NOW, Settings(limits=limits))
    assert isinstance(verdict, Verdict)
    to_header(verdict)
    to_json(verdict)
    return verdict


def judging(raw: bytes) -> Callable[[], object]:
    return lambda: judge(raw, FREE)


def linear() -> int:
    return report(Shape(name, size, lambda n, make=make: judging(make(n))) for name, (size, make) in SHAPES.items())


def whole() -> int:
    missed = 0
    for name in BIG:
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=False)
        print(done.stdout.strip() or done.stderr.strip(), flush=True)
        missed += done.returncode != 0
    return missed


def highest() -> int:
    """Octets of memory at the highest since it was reset."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def one(name: str) -> int:
    raw = BIG[name]()
    assert len(raw) <= WHOLE, len(raw)
    judge(mail(), Limits())  # what is imported and remembered once
    Path("/proc/self/clear_refs").write_text("5")  # making the message does not count (Linux: proc_pid_clear_refs(5))
    start = time.process_time()
    judge(raw, Limits())
    taken = time.process_time() - start
    peak = highest()
    good = taken <= SECONDS and peak <= 4 * len(raw) + MEMORY
    size, memory = len(raw) / 1e6, peak / 1e6
    print(f"{'ok ' if good else 'BAD'} {name}, {size:.1f} MB: {taken:.2f} s CPU, {memory:.0f} MB at most")
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--one", choices=BIG)
    asked = parser.parse_args()
    if asked.one:
        return one(asked.one)
    missed = linear()
    if asked.whole:
        missed += whole()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

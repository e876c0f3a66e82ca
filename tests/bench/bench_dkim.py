"""How much CPU five signatures over a large body cost, against hashing that body once.

    python tests/bench/bench_dkim.py

Prints ratios and ends with status 1 when one is over its limit.  CPU time, best of several runs, so that another
load on the machine disturbs little.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.signing import key_record, rsa_key, sign
from tests.zone import Zone
from verify.checks.canonical import BodyHashes
from verify.checks.dkim import check_signature
from verify.model import DkimWord, Settings
from verify.reading.message import parse_message

FIVE_SIGNATURES = 6.0  # times hashing the body once
BLANK_RUN = 1.5  # times the plain twin
HEADER = b"From: a@d.example\r\nTo: b@r.example\r\nSubject: s\r\n\r\n"


def cpu(run: Callable[[], object], times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def verifying(mail: bytes, forms: list[str]) -> float:
    key = rsa_key()
    settings = Settings()
    zone = Zone({"s._domainkey.d.example": {"TXT": [key_record(key)]}})
    raw = mail
    for form in forms:
        raw = sign(raw, "d.example", "s", key, c=form, h="from:to:subject")
    message = parse_message(raw)

    def run() -> None:
        bodies = BodyHashes(message.body, settings.limits)
        for field in message.named(b"dkim-signature"):
            check = check_signature(message, field, zone.ask, 1_767_225_600, settings, bodies)
            if check.result.result is not DkimWord.PASS:
                raise SystemExit(f"does not verify: {check.result.reason}")

    return cpu(run)


def main() -> int:
    line = b"The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n"
    body = (line * (10_000_000 // len(line) + 1))[:9_999_998] + b"\r\n"
    once = cpu(lambda: hashlib.sha256(body).digest())
    missed = 0
    for name, forms in (
        ("relaxed", ["relaxed/relaxed"] * 5),
        ("simple", ["simple/simple"] * 5),
        ("both", ["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed", "relaxed/relaxed"]),
    ):
        ratio = verifying(HEADER + body, forms) / once
        print(f"10 MB body, five signatures, {name}: {ratio:.2f} times hashing it once (at most {FIVE_SIGNATURES})")
        missed += ratio > FIVE_SIGNATURES
    plain = line * (1_000_000 // len(line))
    middle = len(line) * (len(plain) // len(line) // 2)
    twin = plain[:middle] + b"x" * 400_000 + plain[middle:]
    blank = plain[:middle] + b"x" + b" " * 399_998 + b"x" + plain[middle:]
    ratio = verifying(HEADER + blank, ["relaxed/relaxed"]) / verifying(HEADER + twin, ["relaxed/relaxed"])
    print(f"run of 400 KB of blanks: {ratio:.2f} times its plain twin (at most {BLANK_RUN})")
    missed += ratio > BLANK_RUN
    ragged = (b"word  word\tword \t \r\n" * 500_000)[:10_000_000]
    ratio = verifying(HEADER + ragged, ["relaxed/relaxed"] * 5) / once
    print(f"10 MB with blanks to be reduced on every line, five signatures: {ratio:.2f} times (no limit)")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

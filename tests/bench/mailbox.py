"""A mailbox of any size for measurements: signed messages, no two with the same octets, and their DNS as a recording."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.signing import key_record, rsa_key, sign

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = 40
TIME = "2026-01-01T00:00:00Z"
FROM_LINE = b"From sender@example.com Thu Jan  1 00:00:00 2026\n"
TRACE = (
    b"Return-Path: <a@%(domain)s>\r\nReceived: from mail.%(domain)s (mail.%(domain)s [192.0.2.%(host)d])\r\n"
    b"\tby mx.home.example with ESMTPS id %(number)d\r\n\tfor <me@home.example>; Thu, 01 Jan 2026 00:00:00 +0000\r\n"
)


class Made(NamedTuple):
    mailbox: Path
    recording: Path
    messages: int
    largest: int  # octets


def make(folder: Path, sizes: Iterator[int], *, octets: int | None = None, messages: int | None = None) -> Made:
    """Until it has that many octets or messages.  ``sizes``: of bodies; the first 200 are signed and used again."""
    signed = [_signed(number, size) for number, size in zip(range(200), sizes, strict=False)]
    path, written, count = folder / "mail.mbox", 0, 0
    with path.open("wb") as file:
        while (octets is None or written < octets) and (messages is None or count < messages):
            domain = b"d%d.example" % (count % len(signed) % DOMAINS)
            trace = TRACE % {b"domain": domain, b"host": count % 200 + 1, b"number": count}
            message = (trace + signed[count % len(signed)]).replace(b"\r\n", b"\n")
            written += file.write(FROM_LINE + message + b"\n")
            count += 1
    recording = folder / "dns.jsonl"
    recording.write_text("".join(json.dumps(line) + "\n" for line in _answers()))
    return Made(path, recording, count, max(map(len, signed)))


def _signed(number: int, size: int) -> bytes:
    domain = b"d%d.example" % (number % DOMAINS)
    chance = random.Random(number)
    line = bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz     ", k=74)) + b"\r\n"
    header = b"From: a@%s\r\nTo: me@home.example\r\nSubject: message %d\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    body = line * (size // len(line) + 1)
    return sign(header % (domain, number) + b"\r\n" + body, domain.decode(), "s", rsa_key(2048))


def _answers() -> Iterator[dict[str, object]]:
    yield {"mailverdict-dns": 1, "recorded_at": TIME, "resolver": "made"}
    for number in range(DOMAINS):
        domain = f"d{number}.example"
        for name, record in (
            (domain, "v=spf1 ip4:192.0.2.0/25 -all"),
            (f"_dmarc.{domain}", "v=DMARC1; p=reject"),
            (f"s._domainkey.{domain}", key_record(rsa_key(2048))),
        ):
            yield {"name": name, "type": "TXT", "outcome": "found", "records": [record], "ttl": 300, "time": TIME}


def start(made: Made, output: Path, *options: str) -> subprocess.Popen[bytes]:
    """``mailverdict batch`` over it."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "verify", "batch", str(made.mailbox), "--dns", str(made.recording)),
            *("--trust-host", "mx.home.example", "--output", str(output), "-q", *options),
        ],
        cwd=ROOT,
        env={**os.environ, "MAILVERDICT_CONFIG": os.devnull},
    )

"""Verdicts of many messages written to a file, or set beside those of a file that was written before.

    python tests/bench/compare_verdicts.py write FILE [--code DIR] [--corpus DIR ...] [--spoilt N]
    python tests/bench/compare_verdicts.py check FILE [the same options]

``write`` before a change, ``check`` after it: every verdict (as JSON, without the time that it took) must be the same
octet for octet.  Judged are the samples, the public suites and each corpus that is named, under several settings; and
of each message ``--spoilt`` copies with small damages, always the same ones.  ``--code``: another checkout to judge
with.  Ends with status 1 when a verdict differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
SHOWN = 5  # differences that are printed
SPOILT_OCTETS = 40_000  # only smaller messages are damaged
PIECES = (
    *(b";", b"\r\n", b"\n", b"\r", b"\r\n ", b"\t", b"(", b")", b"<", b">", b"[", b"]", b'"', b"\\", b"=", b":", b"@"),
    *(b"\0", b"\xff", b"\xc3\xa9", b" by ", b" from ", b" with ESMTPS ", b" id ", b" for ", b".", b",", b" "),
    *(b"Received: ", b"From: a@b.test\r\n", b"DKIM-Signature: ", b"Authentication-Results: localhost; dkim=pass\r\n"),
)


def spoilt(raw: bytes, copies: int) -> Iterator[bytes]:
    """Copies of a message with one to four damages, most of them in the header."""
    chance = random.Random(hashlib.sha256(raw).digest())
    header = max(raw.find(b"\r\n\r\n"), raw.find(b"\n\n"), 1)
    for _ in range(copies):
        text = bytearray(raw)
        for _ in range(chance.randint(1, 4)):
            end = header if chance.random() < 0.9 else len(text)
            at = chance.randrange(min(end, len(text)) or 1)
            what = chance.randrange(5)
            if what == 0:
                text[at:at] = chance.choice(PIECES)
            elif what == 1:
                del text[at : at + chance.choice((1, 1, 2, 8, 80))]
            elif what == 2:
                text[at : at + 1] = chance.choice(PIECES)
            elif what == 3:
                text[at:at] = text[at : at + chance.choice((5, 40, 300))]
            else:
                other = chance.randrange(min(end, len(text)) or 1)
                text[at:at] = text[other : other + chance.choice((5, 40, 300))]
        yield bytes(text)


def work(corpora: list[Path], copies: int) -> Iterator[tuple[str, dict[str, object], Path]]:
    """Name, configuration and file of all that is judged."""
    for path in sorted((HERE / "samples").glob("*.eml")):
        options: dict[str, object] = {"dns": str(path.with_suffix(".dns.jsonl"))}
        words = shlex.split(path.with_suffix(".args").read_text()) if path.with_suffix(".args").exists() else []
        for name, value in zip(words[::2], words[1::2], strict=True):
            options[name.removeprefix("--").replace("-", "_")] = value
        yield "sample", options, path
        yield "sample auto", {"dns": options["dns"]}, path
        yield "sample none", {"dns": options["dns"], "receiver": "none"}, path
    from tests.suites_path import SUITES

    for path in sorted((*SUITES.glob("*/*.msg"), *SUITES.glob("*/*.mail"), *SUITES.glob("*/*/*.eml"))):
        yield "suite", {"dns": "none"}, path
        yield (
            "suite envelope",
            {"dns": "none", "client_ip": "192.0.2.1", "helo": "a.test", "mail_from": "x@b.test"},
            path,
        )
    for corpus in corpora:
        dns = str(corpus / "dns.jsonl")
        for path in sorted((corpus / "eml").glob("*.eml")):
            yield "corpus", {"dns": dns, "trust_host": "mx.bench.test"}, path
            if copies and path.name.endswith("0.eml"):
                yield "corpus auto", {"dns": dns}, path
                yield "corpus id", {"dns": dns, "trust_host": "mx.bench.test", "authserv_id": "mx.bench.test"}, path


def verdicts(corpora: list[Path], copies: int) -> Iterator[tuple[str, bytes]]:
    from verify.config import Config
    from verify.fronts.session import Judge
    from verify.render.data import to_json
    from verify.render.header import to_header
    from verify.render.text import to_text

    judges: dict[str, Judge] = {}
    for name, options, path in work(corpora, copies):
        key = json.dumps(options, sort_keys=True)
        if key not in judges:
            judges[key] = Judge(Config(**options), clock=lambda: 1_780_000_000.0)  # type: ignore[arg-type]
        raw = path.read_bytes()
        damaged = [] if len(raw) > SPOILT_OCTETS else spoilt(raw, copies)
        for number, text in enumerate((raw, *damaged)):
            verdict = judges[key].judge(text)
            document = json.loads(to_json(verdict))
            document.pop("elapsed_ms")
            parts = [json.dumps(document).encode()]
            if name != "corpus":
                parts += [to_header(verdict).encode(), to_text(verdict, color=False, verbose=True, width=80).encode()]
            yield f"{name} {path.relative_to(path.parents[2])} {number}", b"\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the verdicts of many messages, or check them against a file.")
    parser.add_argument("what", choices=["write", "check"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--code", type=Path, default=HERE)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--spoilt", type=int, default=20)
    given = parser.parse_args()
    sys.path[:0] = [str(given.code), str(HERE)]
    if given.what == "write":
        count = 0
        with given.file.open("w", encoding="utf-8") as out:
            for count, (name, text) in enumerate(verdicts(given.corpus, given.spoilt), 1):  # noqa: B007
                out.write(f"{hashlib.sha256(text).hexdigest()} {name}\n")
        print(f"{count} verdicts written")
        return 0
    before = {}
    for line in given.file.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition(" ")
        before[name] = digest
    count = wrong = 0
    for count, (name, text) in enumerate(verdicts(given.corpus, given.spoilt), 1):  # noqa: B007
        if before.pop(name, None) != hashlib.sha256(text).hexdigest():
            wrong += 1
            if wrong <= SHOWN:
                print(f"DIFFERS {name}\n{text.decode('utf-8', 'replace')[:3000]}")
    print(f"{count} verdicts, {wrong} differ, {len(before)} missing")
    return 1 if wrong or before else 0


if __name__ == "__main__":
    raise SystemExit(main())

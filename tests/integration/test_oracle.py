"""The same traffic through a milter on libmilter: the same actions, frame by frame.

Debian package: python3-milter.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.milterclient import Reply, Session, frame, serving
from tests.test_milter import ENFORCE, WORLD
from tests.zone import Zone
from verify.model import Cause

PYTHON = "/usr/bin/python3"
FORGED = b"Authentication-Results: mx.r.example; dmarc=pass\r\n"
OTHER = b"Authentication-Results: other.example; dmarc=pass\r\n"
DOMAINS = (b"open", b"quiet", b"legit", b"dead")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    here = Path(__file__).with_name("oracle_milter.py")
    if subprocess.run([PYTHON, "-c", "import Milter"], capture_output=True).returncode:
        problem = "python3-milter is not installed: apt-get install --no-install-recommends python3-milter"
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    where = str(tmp_path_factory.mktemp("oracle") / "o.sock")
    process = subprocess.Popen([PYTHON, str(here), where])
    try:
        end = time.monotonic() + 20
        while not Path(where).exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield where
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    zone = Zone({**WORLD, "dead.example": Cause.TIMEOUT, "_dmarc.dead.example": Cause.TIMEOUT})
    with serving(tmp_path_factory.mktemp("ours"), zone, policy=ENFORCE) as running:
        yield running.where


def mail(domain: bytes, header: bytes = b"", body: bytes = b"body\r\n") -> bytes:
    return header + b"From: a@" + domain + b".example\r\nSubject: x\r\n\r\n" + body


def actions(reply: Reply) -> Any:
    """What is done: the last reply with its text, removals, insertions and the quarantine."""
    names = [name for name, _ in reply.inserted]
    kind = b"c" if reply.kind in b"ca" else reply.kind
    removed = [(name.lower(), at) for name, at in reply.removed]
    return kind, reply.final, removed, names, reply.quarantined


def every_domain(smtp: Session) -> list[Reply]:
    return [smtp.message(mail(domain, FORGED), b"x@evil.example") for domain in DOMAINS]


def several_forged(smtp: Session) -> list[Reply]:
    return [smtp.message(mail(b"open", OTHER + FORGED + OTHER + FORGED + FORGED), b"x@evil.example")]


def large_and_empty(smtp: Session) -> list[Reply]:
    return [smtp.message(mail(b"open", FORGED, body), b"x@evil.example") for body in (b"", b"x\r\n" * 200_000, b"y")]


def resets(smtp: Session) -> list[Reply]:
    smtp.connect()
    smtp.helo()
    smtp.helo(b"second.example")
    smtp.begin(b"x@evil.example")
    smtp.headers(FORGED)
    smtp.send(frame(b"A"))
    first = smtp.message(mail(b"open"), b"x@evil.example")
    smtp.begin(b"x@evil.example")
    smtp.send(frame(b"A"))
    return [first, smtp.message(mail(b"quiet", FORGED), b"")]


def other_clients(smtp: Session) -> list[Reply]:
    replies = []
    for ip in ("203.0.113.5", "2001:db8::5", "IPv6:2001:db8::6"):
        smtp.connect(ip)
        smtp.helo()
        replies.append(smtp.message(mail(b"open", FORGED), b"x@evil.example"))
        smtp.send(frame(b"K"))
    return replies


def odd_fields(smtp: Session) -> list[Reply]:
    odd = b"X-Empty:\r\nX-Raw: \xff\xfe\r\nSubject:y\r\nX-Fold:\r\n\tz\r\n" + b"X: y\r\n" * 500
    return [smtp.message(mail(b"open", odd + FORGED), b"x@evil.example")]


@pytest.mark.parametrize(
    "talk", [every_domain, several_forged, large_and_empty, resets, other_clients, odd_fields], ids=lambda f: f.__name__
)
@pytest.mark.parametrize(("version", "options"), [(6, 0x1FFFFF), (6, 0x0FFFFF), (2, 0x7F)])
def test_ours_does_what_libmilter_does(
    oracle: str, ours: str, talk: Callable[[Session], list[Reply]], version: int, options: int
) -> None:
    done = []
    for where in (oracle, ours):
        with Session(where, version=version, options=options) as smtp:
            done.append([actions(reply) for reply in talk(smtp)])
    assert done[1] == done[0]


def test_what_ours_inserts_has_the_blank_that_libmilter_leaves(oracle: str, ours: str) -> None:
    """Where the mail server keeps blanks ours is written; where it adds one itself, none."""
    for options, lead in ((0x1FFFFF, b" mx"), (0x0FFFFF, b"mx")):
        with Session(ours, options=options) as smtp:
            assert smtp.message(mail(b"open"), b"x@evil.example").field.startswith(lead)

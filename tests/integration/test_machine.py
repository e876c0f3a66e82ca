"""The chapter of the README for mail servers, followed to the letter on an empty Debian.

Debian packages: systemd-container, and mmdebstrap for what ``make machine`` makes beforehand.
"""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Iterator

import pytest

from tests.integration.machine import CLIENT, Machine, needed
from tests.integration.mailserver import ours
from tests.integration.test_postfix import GOOD, RECORDS
from tests.nameserver import NameServer
from tests.readme import README
from tests.test_filter import SPELLINGS

CHAPTER = (
    README.read_text("utf-8").partition("\n### From an empty Debian to a working filter\n")[2].partition("\n### ")[0]
)
COMMON, POSTFIX, SOCKET, _ = re.split(r"^(?=Postfix:$|A UNIX socket |Sendmail, above )", CHAPTER, flags=re.M)
UNIT = "/etc/systemd/system/mailverdict.service"
CONFIG = "/etc/mailverdict.toml"
MAILBOX = "/var/mail/u"
ANSWERS = RECORDS


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """With all that the chapter says before it comes to a mail server."""
    needed()
    with Machine() as machine:
        with machine.network():
            server = NameServer(ANSWERS, port=53)  # type: ignore[no-untyped-call]
            server.__enter__()
        try:
            machine.run("useradd u")
            follow(machine, COMMON)
            yield machine
        finally:
            server.__exit__()


def follow(machine: Machine, text: str) -> None:
    """Do what a reader does: write the files, type the commands."""
    for path, kind, body in re.findall(r"(?:`(/etc/[^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        if kind == "sh":
            machine.run(body)
        elif path:
            machine.write(path, body)


def configuration() -> str:
    """The part of the chapter that says what stands in the configuration."""
    found = re.search(rf"^[^\n]*`{CONFIG}`:\n\n```.*?^```$", COMMON, re.M | re.S)
    assert found is not None
    return found[0]


def send(machine: Machine, raw: bytes, mail_from: str = "a@legit.example") -> None:
    """From a client outside."""
    with machine.network(), connected() as smtp:
        smtp.sendmail(mail_from, ["u@mx.r.example"], raw)


def connected() -> smtplib.SMTP:
    """To the server, which may have been started just now."""
    end = time.monotonic() + 20
    while True:
        try:
            return smtplib.SMTP("127.0.0.1", 25, "mail.legit.example", source_address=(CLIENT, 0), timeout=60)
        except ConnectionRefusedError:
            assert time.monotonic() < end, "no mail server listens"
            time.sleep(0.1)


def deliver(machine: Machine, raw: bytes) -> bytes:
    """A message as it arrives in the mailbox."""
    before = machine.size(MAILBOX)
    send(machine, raw)
    last = raw.splitlines()[-1] + b"\n\n"
    end = time.monotonic() + 30
    mbox = b""
    while not mbox.endswith(last):
        assert time.monotonic() < end, machine.run("journalctl --lines=40")
        time.sleep(0.1)
        mbox = machine.read(MAILBOX)[before:] if machine.size(MAILBOX) else b""
    start = re.search(rb"^(?:Authentication-Results|Received):", mbox, re.M)
    assert start is not None, mbox
    return mbox[start.start() : -1].replace(b"\n", b"\r\n")


def check_delivery(machine: Machine) -> None:
    end = time.monotonic() + 20
    field = b""
    while not field:  # a reload takes a moment
        assert time.monotonic() < end
        field, rest = ours(deliver(machine, b"".join(SPELLINGS) + GOOD))
    assert b"spf=pass smtp.mailfrom=legit.example" in field
    assert b"dmarc=pass header.from=legit.example" in field
    assert rest == GOOD


def test_the_unit_is_sound(machine: Machine) -> None:
    assert machine.run(f"systemd-analyze verify {UNIT}") == ""
    machine.run(f"systemd-analyze security --offline=yes --threshold=20 {UNIT}")  # 2.0 of 10


def test_postfix(machine: Machine) -> None:
    machine.run("apt-get install -y postfix")
    follow(machine, POSTFIX)
    check_delivery(machine)
    machine.run("systemctl reload mailverdict")
    check_delivery(machine)
    follow(machine, SOCKET)
    check_delivery(machine)
    machine.run("systemctl stop mailverdict")
    assert "Result=success" in machine.run("systemctl show mailverdict").splitlines()
    follow(machine, configuration())
    machine.run("systemctl start mailverdict")

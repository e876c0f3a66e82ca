"""Sources of every kind, made from the same messages: mailboxes, folders, archives, exports, reports.

It shares no code with the program.  Messages are octets with CRLF line ends and end with one.  ``SOURCES`` maps a name
to a builder ``(folder, messages) -> path``; every path gives the messages in their order.

``mails(200)`` makes messages for comparing verdicts: signed and not, with all that mailboxes trip over in their
bodies; ``zone()`` has the DNS that they need, as ``tests.zone`` takes it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from tests.signing import key_record, rsa_key, sign

Builder: TypeAlias = Callable[[Path, Sequence[bytes]], Path]

FROM_LINE = b"From sender@example.com Thu Jan  1 00:00:%02d 1970"
PLIST = b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict/></plist>\n'
VARIANTS = ("mboxo", "mboxrd", "mboxcl", "mboxcl2")

# What bodies hold that mailboxes trip over.
_BODIES = (
    b"Hello,\r\n\r\nall is well.\r\n",
    b"\r\nFrom here on it gets difficult.\r\n\r\nFrom there too.\r\n",
    b"one\r\n\r\nFrom somebody who says Thu Jan 1 1970 and no time\r\nX: y\r\n",
    b"> quoted\r\n>> twice\r\nFromage\r\n From the margin\r\n",
    b"no line end is lost\r\n\r\n\r\n",
    b"",
    b"8bit: \xc3\xa4\xff\r\n.\r\n..\r\n",
    b"somebody wrote:\r\n>From the margin\r\n",
    b"and before:\r\n>>From the margin of the margin\r\n\r\n>From it\r\n",
    b"x" * 900 + b"\r\n" + b"tail \t \r\n" * 40,
)


def mails(count: int) -> list[bytes]:
    """Messages, no two alike, of several domains; two of three are signed by their Author Domain."""
    made = []
    for number in range(count):
        domain = b"d%d.example" % (number % 3)
        header = (
            b"From: a%d@%s\r\nTo: me@home.example\r\nSubject: message %d\r\nDate: Thu, 01 Jan 2026 00:00:%02d +0000\r\n"
            b"Message-ID: <%d@%s>\r\n"
        ) % (number, domain, number, number % 60, number, domain)
        message = header + b"\r\n" + _BODIES[number % len(_BODIES)]
        if number % 3:
            message = sign(message, domain.decode(), "s", rsa_key())
        trace = (
            b"Return-Path: <a%d@%s>\r\nReceived: from mail.%s (mail.%s [192.0.2.%d])\r\n\tby mx.home.example with ESMTPS"
            b" id %d\r\n\tfor <me@home.example>; Thu, 01 Jan 2026 00:00:%02d +0000\r\n"
        ) % (number, domain, domain, domain, number % 5 + 1, number, number % 60)
        made.append(trace + message)
    return made


def zone() -> dict[str, dict[str, list[str]]]:
    """The DNS of ``mails``."""
    names: dict[str, dict[str, list[str]]] = {}
    for number in range(3):
        domain = f"d{number}.example"
        names[domain] = {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}
        names[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=reject"]}
        names[f"s._domainkey.{domain}"] = {"TXT": [key_record(rsa_key())]}
    return names


def quote(message: bytes, variant: str) -> bytes:
    """The lines of a message as that kind of mailbox writes them."""
    if variant == "mboxcl2":
        return message
    pattern = rb"(?m)^(>*From )" if variant == "mboxrd" else rb"(?m)^(From )"
    return re.sub(pattern, rb">\1", message)


def mbox(messages: Sequence[bytes], variant: str = "mboxrd", line_end: bytes = b"\n") -> bytes:
    """One mailbox.  Content-Length counts what the body has become."""
    parts = []
    for number, message in enumerate(messages):
        text = quote(message.replace(b"\r\n", b"\n"), variant).replace(b"\n", line_end)
        if variant in ("mboxcl", "mboxcl2"):
            header, empty, body = text.partition(line_end * 2)
            text = header + line_end + b"Content-Length: %d" % len(body) + empty + body
        parts.append(FROM_LINE % (number % 60) + line_end + text + line_end)
    return b"".join(parts)


def without_length(message: bytes) -> bytes:
    """A message without the field that mboxcl adds as the last one."""
    header, empty, body = message.partition(b"\r\n\r\n")
    return re.sub(rb"\r\nContent-Length: \d+\Z", b"", header) + empty + body


def write(path: Path, octets: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return path


def emlx(message: bytes) -> bytes:
    return b"%-10d\n%s%s" % (len(message), message, PLIST)


def report(
    messages: Sequence[bytes],
    *,
    header: bytes = b"From: colleague@home.example\r\nSubject: phish?\r\n",
    boundary: bytes = b"=b",
) -> bytes:
    """A report with the messages attached.  Reports inside reports need boundaries of their own."""
    line = b"--" + boundary
    parts = [line + b"\r\nContent-Type: text/plain\r\n\r\nlook at this\r\n"]
    parts += [line + b"\r\nContent-Type: message/rfc822\r\n\r\n" + message + b"\r\n" for message in messages]
    content = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n'
    return header + content + b"".join(parts) + line + b"--\r\n"


def zipped(members: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return stream.getvalue()


def tarred(members: Sequence[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT, **attributes: Any) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, octets in members:
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(octets))
    return stream.getvalue()


def _members(messages: Sequence[bytes]) -> list[tuple[str, bytes]]:
    return [(f"mail/{number:05d}.eml", message) for number, message in enumerate(messages)]


def _eml(folder: Path, messages: Sequence[bytes]) -> Path:
    for name, message in _members(messages):
        write(folder / name, message)
    return folder


def _maildir(folder: Path, messages: Sequence[bytes]) -> Path:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(messages):
        write(folder / "cur" / f"{1_700_000_000 + number}.M1P1.host:2,S", message.replace(b"\r\n", b"\n"))
    write(folder / "dovecot-uidlist", b"3 V1 N2\n")
    return folder


def _mh(folder: Path, messages: Sequence[bytes]) -> Path:
    for number, message in enumerate(messages, 1):
        write(folder / "inbox" / str(number), message.replace(b"\r\n", b"\n"))
    write(folder / "inbox" / ".mh_sequences", b"cur: 1\n")
    return folder


def _apple(folder: Path, messages: Sequence[bytes]) -> Path:
    package = folder / "Saved.mbox"
    write(package / "Info.plist", PLIST)
    for number, message in enumerate(messages):
        write(package / "Messages" / f"{number}.emlx", emlx(message.replace(b"\r\n", b"\n")))
    return folder


def _apple_archive(folder: Path, messages: Sequence[bytes]) -> Path:
    write(folder / "Saved.mbox" / "mbox", mbox(messages, "mboxrd", b"\r\n"))
    write(folder / "Saved.mbox" / "table_of_contents", b"\0\1\2")
    return folder


def _file(name: str, make: Callable[[Sequence[bytes]], bytes], folder: Path, messages: Sequence[bytes]) -> Path:
    return write(folder / name, make(messages))


def _takeout(messages: Sequence[bytes]) -> list[tuple[str, bytes]]:
    name = "Takeout/Mail/All mail Including Spam and Trash.mbox"
    return [(name, mbox(messages, "mboxrd", b"\r\n"))]


def _halves(messages: Sequence[bytes]) -> bytes:
    half = len(messages) // 2
    first, second = zipped(_members(messages[:half])), gzip.compress(mbox(messages[half:]))
    return zipped([("1.zip", first), ("2.mbox.gz", second)])


SOURCES: dict[str, Builder] = {
    "eml": _eml,
    "maildir": _maildir,
    "mh": _mh,
    "apple": _apple,
    "apple-archive": _apple_archive,
    **{
        f"{variant}-{name}": partial(_file, "a.mbox", partial(mbox, variant=variant, line_end=end))
        for variant in VARIANTS
        for name, end in (("lf", b"\n"), ("crlf", b"\r\n"), ("cr", b"\r"))
    },
    "zip": partial(_file, "a.zip", lambda messages: zipped(_members(messages))),
    "zip-stored": partial(_file, "a.zip", lambda messages: zipped(_members(messages), zipfile.ZIP_STORED)),
    "tar": partial(_file, "a.tar", lambda messages: tarred(_members(messages))),
    "tar.gz": partial(
        _file, "a.tar.gz", lambda messages: gzip.compress(tarred(_members(messages), tarfile.GNU_FORMAT))
    ),
    "tar.bz2": partial(_file, "a.tar.bz2", lambda messages: bz2.compress(tarred(_members(messages)))),
    "tar.xz": partial(_file, "a.tar.xz", lambda messages: lzma.compress(tarred(_members(messages)))),
    "mbox.gz": partial(_file, "a.mbox.gz", lambda messages: gzip.compress(mbox(messages))),
    "takeout-zip": partial(_file, "t.zip", lambda messages: zipped(_takeout(messages))),
    "takeout-tgz": partial(_file, "t.tgz", lambda messages: gzip.compress(tarred(_takeout(messages)))),
    "nested": partial(_file, "n.zip", _halves),
}

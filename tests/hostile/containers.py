"""Limits of mailboxes, archives and attached messages: what is found with a tight limit, and with none."""

from __future__ import annotations

import lzma
import tempfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from tests.hostile.limits import HUGE, set_to
from tests.hostile.scene import mail
from verify.mailboxes.attached import attached
from verify.mailboxes.items import Refusal
from verify.mailboxes.sources import open_sources
from verify.model import Limits
from verify.reading.message import parse_message

MAIL = mail()


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return made.getvalue()


def report(parts: list[bytes], boundary: bytes = b"b") -> bytes:
    """A message with others attached."""
    head = (
        b'From: a@legit.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="'
        + boundary
        + b'"\r\n\r\n'
    )
    for part in parts:
        head += b"--" + boundary + b"\r\nContent-Type: message/rfc822\r\n\r\n" + part + b"\r\n"
    return head + b"--" + boundary + b"--\r\n"


def nested(depth: int) -> bytes:
    made = MAIL
    for number in range(depth):
        made = report([made], b"n%d" % number)
    return made


THREE = zipped([("a.eml", MAIL), ("b.eml", MAIL), ("c.eml", MAIL)])
BOMB = zipped([("a.eml", MAIL + b"\0" * 3_000_000)])
XZ = lzma.compress(MAIL, lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 32 * 1024 * 1024}])

# name -> tight value, file content; beside them limits that must be tight too
ARCHIVES: dict[str, tuple[int, bytes, dict[str, int]]] = {
    "message_octets": (100, THREE, {}),
    "archive_members": (2, THREE, {}),
    "archive_member_octets": (50, THREE, {}),
    "archive_total_octets": (50, THREE, {}),
    "archive_index_octets": (60, THREE, {}),
    "archive_ratio": (200, BOMB, {"archive_ratio_from": 1000}),
    "archive_ratio_from": (1000, BOMB, {"archive_ratio": 200}),
    "archive_depth": (1, zipped([("x.zip", zipped([("y.zip", THREE)]))]), {}),
    "archive_name_octets": (3, THREE, {}),
    "xz_memory": (16 * 1024 * 1024, XZ, {}),
    "folder_depth": (1, MAIL, {}),
}
ATTACHED: dict[str, tuple[int, bytes]] = {
    "attached_messages": (2, report([MAIL] * 4)),
    "attached_depth": (1, nested(3)),
    "mime_parts": (2, report([MAIL] * 4)),
    "mime_depth": (1, nested(3)),
}


def found(name: str, value: int) -> tuple[int, int]:
    """How many messages are found with this limit at this value, and how many refusals."""
    if name in ATTACHED:
        return len(attached(parse_message(ATTACHED[name][1]), set_to(name, value))), 0
    _, octets, more = ARCHIVES[name]
    limits = Limits()
    for other, least in more.items():
        limits = set_to(other, least, limits)
    limits = set_to(name, value, limits)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, *["d"] * (4 if name == "folder_depth" else 1))
        place.mkdir(parents=True)
        (place / "x").write_bytes(octets)
        items = list(open_sources([folder], limits))
    refused = sum(isinstance(item, Refusal) for item in items)
    return len(items) - refused, refused


TIGHT: dict[str, int] = {name: entry[0] for name, entry in (*ARCHIVES.items(), *ATTACHED.items())}
Probe = Callable[[str, int], tuple[int, int]]


def guards(name: str) -> bool:
    """The tight limit leaves something out, which is there without it."""
    return found(name, TIGHT[name])[0] < found(name, HUGE)[0]

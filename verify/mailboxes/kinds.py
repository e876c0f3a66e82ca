"""What a file is, told by its first octets and never by its name."""

from __future__ import annotations

import re
from enum import StrEnum

HEAD = 1024  # octets that are enough to tell

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Kind(StrEnum):
    """The words stand in refusals."""

    ZIP = "a zip archive"
    GZIP = "a gzip file"
    BZIP2 = "a bzip2 file"
    XZ = "an xz file"
    TAR = "a tar archive"
    OUTLOOK_MESSAGE = "an Outlook file"
    OUTLOOK_STORE = "an Outlook data file"
    MBOX = "a mailbox"
    OTHER = "another file"  # one message, or no mail at all


_MAGIC = (
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),  # an empty one
    (b"PK\x07\x08", Kind.ZIP),  # one of several volumes
    (b"\x1f\x8b", Kind.GZIP),
    (b"BZh", Kind.BZIP2),
    (b"\xfd7zXZ\0", Kind.XZ),
    (b"!BDN", Kind.OUTLOOK_STORE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OUTLOOK_MESSAGE),
)
_TAR_MAGIC, _TAR_AT = b"ustar", 257

_FIELD = re.compile(rb"From[ \t]+:")

ARCHIVES = frozenset((Kind.ZIP, Kind.GZIP, Kind.BZIP2, Kind.XZ, Kind.TAR))


def kind_of(head: bytes) -> Kind:
    """``head``: the first ``HEAD`` octets, or all there are."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(_TAR_MAGIC, _TAR_AT):
        return Kind.TAR
    if has_mailbox_line(head.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n")):
        return Kind.MBOX
    return Kind.OTHER


def has_mailbox_line(octets: bytes) -> bool:
    """The line that mailboxes put above a message stands on top; ``From :`` is a field, which must not be lost."""
    return octets.startswith(b"From ") and _FIELD.match(octets) is None

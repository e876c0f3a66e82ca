"""Folders: Maildir, MH, Apple Mail's packages, and any tree of files.

Every file is accounted for, but for the known files in which mail programs keep their own notes; and those too, when
what they hold is mail.  Nothing that is met is followed out of the tree: a link or a device is listed, not opened.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from verify.mailboxes.items import Refusal, refusal, trouble, visible
from verify.model import Limits

# Kept by mail programs and desktops beside the mail.  Anybody can give a message such a name, so that the name alone
# decides nothing: what is in the file does.
_NOTES = re.compile(
    r"dovecot\.(?:(?:map\.|list\.)?index(?:\.log(?:\.2)?|\.cache)?|mailbox\.log(?:\.2)?)|dovecot\.sieve|dovecot\.svbin"
    r"|dovecot-(?:uidlist|uidvalidity(?:\.[0-9a-f]{8})?|keywords|acl|acl-list|attributes)"
    r"|subscriptions|maildirfolder|maildirsize|\.uidvalidity|\.mbsyncstate(?:\.(?:lock|journal|new))?"
    r"|courierimap(?:uiddb|acl|subscribed|hieracl|keywords)|courierpop3dsizelist"
    r"|\.mh_(?:sequences|profile)|\.xmhcache|\.mew-(?:summary|cache|mtime)|\.overview|\.mailfilter|\.sieve"
    r"|table_of_contents|Info\.plist|mbox_data|\.DS_Store|\._.*|(?i:Thumbs\.db|desktop\.ini)|.*\.msf|.*\.mab"
    r"|\.keep|\.gitkeep",
    re.DOTALL,
)
_NOTE_FOLDERS = ("__MACOSX",)
_MAILDIR = ("new", "cur")
_DIGITS = re.compile(r"([0-9]+)")


class Found(Struct, frozen=True):
    """A file of a tree.

    ``certain``: the place says that it is a message (Maildir, MH).  ``note``: the name says that a program keeps its
    own notes there, so that it is passed over unless it holds mail.
    """

    path: str
    size: int
    certain: bool
    note: bool


def is_note(name: str) -> bool:
    """True for the name, without folders, of a file that mail programs keep beside the mail."""
    return _NOTES.fullmatch(name) is not None


def is_note_path(name: str) -> bool:
    """The same for the name of a member of an archive, with the folders in it."""
    parts = name.split("/")
    return is_note(parts[-1]) or any(part in _NOTE_FOLDERS for part in parts) or _is_apple_attachment(parts)


def _is_apple_attachment(parts: list[str]) -> bool:
    """Apple Mail keeps attachments beside the folder ``Messages``, which holds the mail that they belong to."""
    return "Attachments" in parts[:-1] and any(part.endswith(".mbox") for part in parts[:-2])


def walk(folder: str, limits: Limits, depth: int = 0) -> Iterator[Found | Refusal]:
    """The files below ``folder``, in the order of their names (numbers by value), the same one every time."""
    try:
        with os.scandir(folder) as entries:
            names = sorted((entry.name for entry in entries), key=_order)
    except OSError as error:
        yield refusal(visible(folder), None, trouble(error))
        return
    maildir = all(Path(folder, name).is_dir() for name in _MAILDIR)
    in_maildir = os.path.basename(folder) in _MAILDIR and _beside(folder)  # noqa: PTH119
    note = is_note_path("/".join([*Path(folder).parts, ""]))
    folders: list[str] = []
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118 (as the user wrote it)
        try:
            status = os.lstat(path)
        except OSError as error:
            yield refusal(visible(path), None, trouble(error))
            continue
        if stat.S_ISDIR(status.st_mode):
            if maildir and name == "tmp":  # what is still being written
                continue
            folders.append(path)
        elif stat.S_ISREG(status.st_mode):
            certain = in_maildir or (name.isascii() and name.isdigit())
            yield Found(path, status.st_size, certain, note or is_note(name))
        else:
            kind = (
                "a link, which is not followed" if stat.S_ISLNK(status.st_mode) else "no file but a device or the like"
            )
            yield refusal(visible(path), None, f"is {kind}")
    for path in folders:
        if depth + 1 > limits.folder_depth:
            yield refusal(visible(path), None, f"is more than {limits.folder_depth} folders deep (limits.folder-depth)")
        else:
            yield from walk(path, limits, depth + 1)


def _beside(folder: str) -> bool:
    """True when both folders of a Maildir stand there."""
    above = Path(folder).parent
    return all((above / name).is_dir() for name in _MAILDIR)


def _order(name: str) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(part), "") if index % 2 and len(part) < 20 else (-1, part)
        for index, part in enumerate(_DIGITS.split(name))
    )

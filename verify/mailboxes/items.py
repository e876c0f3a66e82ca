"""What the readers of mailboxes hand on: where a message lies, or its octets, or why there is none."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from verify.grammar.visible import escape, one_line
from verify.model import Source


class Form(StrEnum):
    """What a container did to a message, and so how it is undone (``candidates``)."""

    MESSAGE = "message"  # a file that is meant as one message: named, or in a Maildir
    FOUND = "found"  # a file met in a folder or an archive, which may be no mail at all
    MBOX = "mbox"  # from its "From " line to the next one
    MBOX_BY_LENGTH = "mbox-by-length"  # the same, with a line like a separator inside: its end is by Content-Length
    CUT = "cut"  # as MBOX, and the archive around it ended in the middle
    OUTLOOK = "outlook"  # an Outlook message file (.msg)
    HEADER_ONLY = "header-only"  # the transport header that an Outlook data file keeps
    NO_HEADER = "no-header"  # an Outlook item without one: there are no octets


class Span(Struct, frozen=True):
    """A message in a plain file: octets ``start`` to ``end``.  ``path`` is the file's real name, not visible text."""

    path: str
    start: int
    end: int
    form: Form
    index: int | None = None

    @property
    def size(self) -> int:
        """In octets."""
        return self.end - self.start


class Octets(Struct, frozen=True):
    """A message that lies in no plain file.  ``source``: path, member, index; ``candidates`` hashes."""

    raw: bytes
    source: Source
    form: Form

    @property
    def size(self) -> int:
        """In octets."""
        return len(self.raw)


class Refusal(Struct, frozen=True):
    """What could not be read: listed, never silent.  All three are visible text of one line.

    ``foreign``: the file was met in a folder or an archive and is no mail by its content, so that no message is
    missing; it is no error.
    """

    path: str
    member: str | None
    problem: str
    foreign: bool = False


Item: TypeAlias = Span | Octets | Refusal


class Candidate(Struct, frozen=True):
    """One way to undo what the container did.  ``source.sha256`` and ``size``: of the octets as found."""

    raw: bytes
    source: Source


def visible(path: str) -> str:
    """The name of a file as it stands in ``Source.path``."""
    return escape(path.encode("utf-8", "surrogateescape"))


def refusal(path: str, member: str | None, problem: str, *, foreign: bool = False) -> Refusal:
    """``path``, ``member``: visible text already; ``problem``: any text."""
    return Refusal(path, member, one_line(problem), foreign)


def trouble(error: OSError) -> str:
    """What the system says of a file, in one plain line."""
    return f"cannot be read: {error.strerror or one_line(str(error))}"

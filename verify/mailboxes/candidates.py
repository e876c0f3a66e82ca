"""From an item to what can be judged: the octets of the message with what its container did undone.

Runs in the workers, so that only the place of a message travels to them.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from verify.mailboxes.items import Candidate, Form, Octets, Refusal, Span, refusal, trouble, visible
from verify.mailboxes.mbox import undo
from verify.mailboxes.outlook import synthetic
from verify.mailboxes.single import NO_FIELD, NO_MAIL, NoMessage, is_mail, may_be_mail, undoubled, unwrap
from verify.model import Fidelity, FidelityNote, Limits, Source, replace

_EMPTY_LINE = re.compile(rb"\n\r?\n|\r\r")


def candidates(item: Span | Octets, limits: Limits) -> tuple[Candidate, ...] | Refusal:
    """What to judge.  More than one only where the container does not tell (mboxo): the first is the likeliest.

    Take the first one on which a signature verifies (``FidelityNote.CHOSEN_BY_SIGNATURE``), else the first.  A
    ``Refusal`` when the octets cannot be read, or are no message; nothing is raised.
    """
    source = Source(path=visible(item.path), index=item.index) if isinstance(item, Span) else item.source
    if item.size > limits.message_octets:
        if item.form is Form.FOUND and isinstance(item, Span) and not _begins_as_mail(item, limits):
            return _refused(source, NO_MAIL, foreign=True)
        return _refused(source, f"is larger than {limits.message_octets} octets (limits.message-octets)")
    if isinstance(item, Octets):
        octets = item.raw
    else:
        try:
            octets = _read(item)
        except OSError as error:
            return _refused(source, trouble(error))
        if len(octets) != item.size:
            return _refused(source, "has become shorter since it was found")
    source = replace(source, sha256=sha256(octets).hexdigest(), size=len(octets))

    match item.form:
        case Form.MBOX | Form.MBOX_BY_LENGTH:
            readings = undo(*undoubled(octets, source), by_length=item.form is Form.MBOX_BY_LENGTH)
        case Form.CUT:
            if not _EMPTY_LINE.search(octets):
                return _refused(source, "is cut off in its header")
            cut = replace(source, fidelity=Fidelity.PARTIAL, fidelity_notes=(FidelityNote.TRUNCATED,))
            readings = undo(octets, cut, by_length=False)
        case Form.HEADER_ONLY | Form.NO_HEADER:
            readings = (synthetic(octets, source),)
        case Form.MESSAGE | Form.FOUND | Form.OUTLOOK:
            try:
                readings = (unwrap(octets, source, "", limits),)
            except NoMessage as error:
                foreign = item.form is Form.FOUND and error.problem == NO_FIELD
                return _refused(source, NO_MAIL if foreign else error.problem, foreign=foreign)
            if item.form is Form.FOUND and not is_mail(readings[0][0], limits):
                return _refused(source, NO_MAIL, foreign=True)
    return tuple(Candidate(*reading) for reading in readings)


def _begins_as_mail(span: Span, limits: Limits) -> bool:
    """A large file of a folder is looked at before it counts as a message that is too large."""
    try:
        with Path(span.path).open("rb", buffering=0) as file:
            return may_be_mail(file.read(limits.header_octets), limits)
    except OSError:
        return True


def _read(span: Span) -> bytes:
    with Path(span.path).open("rb", buffering=0) as file:
        if span.start:
            file.seek(span.start)
        octets = file.read(span.size)
        while len(octets) < span.size and (more := file.read(span.size - len(octets))):
            octets += more
    return octets


def _refused(source: Source, problem: str, *, foreign: bool = False) -> Refusal:
    member = source.member
    if source.index is not None:
        problem = f"message {source.index}: {problem}"
    return refusal(source.path or "", member, problem, foreign=foreign)

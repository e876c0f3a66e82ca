"""A message in a pipe: read, searched for forged results, and written again with nothing else changed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import BinaryIO

from msgspec import Struct

from verify.config import ConfigError, check_envelope
from verify.grammar.names import address
from verify.mailboxes.kinds import has_mailbox_line
from verify.model import Envelope, Limits, Message, Settings, replace
from verify.reading.message import parse_message
from verify.reading.recorded import removable_fields

from .console import Failure, Status, error


class Mail(Struct, frozen=True, kw_only=True):
    """A message as it came, split where it is written anew.

    ``before``: a line ``From `` of mbox; ``header``: up to the empty line; ``rest``: from there; ``more``: the stream
    that goes on after ``rest``, for a message that is too large to hold; ``message``: the header with every field.
    """

    before: bytes
    header: bytes
    rest: bytes
    more: BinaryIO | None
    message: Message
    removed: frozenset[int]

    @property
    def octets(self) -> bytes:
        return self.header + self.rest

    def write(self, out: BinaryIO, field: bytes) -> None:
        """``field``: ours, with CRLF line ends, or nothing."""
        line_end = b"\r\n" if _has_crlf(self.header or self.rest) else b"\n"
        pieces = _pieces(self.message, self.header)
        # A continuation without a field above it must not become one of ours.
        at = 1 if pieces and pieces[0][:1] in (b" ", b"\t") else 0
        kept = [piece for index, piece in enumerate(pieces) if index not in self.removed]
        kept.insert(at, field.replace(b"\r\n", line_end))
        out.write(self.before + b"".join(kept))
        out.write(self.rest)
        if self.more is not None:
            shutil.copyfileobj(self.more, out, 1024 * 1024)
        out.flush()


def _has_crlf(octets: bytes) -> bool:
    end = octets.find(b"\n")
    return end > 0 and octets[end - 1 : end] == b"\r"


def _pieces(message: Message, header: bytes) -> list[bytes]:
    """The fields as they came; where line ends were turned into CRLF for judging, they are turned back."""
    raws = [field.raw for field in message.fields]
    return raws if b"\r\n" in header else [raw.replace(b"\r\n", b"\n") for raw in raws]


def read_mail(stream: BinaryIO, settings: Settings) -> Mail:
    """The message in ``stream``, in memory up to the limit; ``Failure`` for none, or a header longer than that."""
    most = settings.limits.message_octets
    octets = stream.read(most + 1)
    if not octets:
        raise Failure("standard input is empty", Status.TRY_AGAIN)
    before = b""
    if has_mailbox_line(octets):
        end = octets.find(b"\n") + 1
        before, octets = octets[:end], octets[end:]
    more = stream if len(before) + len(octets) > most else None
    message = parse_message(octets, limits=_unlimited(settings.limits))
    header = octets[: _header_octets(message, octets)]
    if more is not None and len(header) == len(octets):
        raise Failure(f"the header is longer than {most} octets", Status.TRY_AGAIN)
    return Mail(
        before=before,
        header=header,
        rest=octets[len(header) :],
        more=more,
        message=message,
        removed=frozenset(forged(message, settings, peer_is_ours=False)),
    )


def _header_octets(message: Message, octets: bytes) -> int:
    """Length of the header block as it came."""
    length = sum(len(field.raw) for field in message.fields)
    return length if b"\r\n" in octets else length - sum(field.raw.count(b"\r\n") for field in message.fields)


def _unlimited(limits: Limits) -> Limits:
    """Forged fields are looked for in the whole header, however long."""
    most = 1 << 62
    return replace(limits, header_octets=most, header_fields=most, line_octets=most)


def forged(message: Message, settings: Settings, *, peer_is_ours: bool) -> tuple[int, ...]:
    """Indexes of the fields that must not go on under our name."""
    ids = (settings.authserv_id, *settings.trust_authserv_ids)
    return removable_fields(message, ids, peer_is_ours=peer_is_ours, limits=settings.limits)


def authenticated(environ: Mapping[str, str]) -> bool:
    """The client logged in: the message was submitted, and there is nothing to judge."""
    return bool(environ.get("SASL_USERNAME"))


def from_environment(environ: Mapping[str, str], settings: Settings) -> Envelope | None:
    """The envelope that the mail server put into variables; None when they do not tell of a client from outside."""
    client = address(environ.get("CLIENT_ADDRESS", ""))
    if client is None or client.is_loopback or any(client in network for network in settings.trust_networks):
        return None
    sender = environ.get("SENDER")
    recipient = environ.get("RECIPIENT")
    try:
        return check_envelope(
            Envelope(
                client_ip=str(client),
                helo=environ.get("CLIENT_HELO") or None,
                mail_from="" if sender == "MAILER-DAEMON" else sender,  # how pipe(8) writes the null reverse-path
                rcpt_to=(recipient,) if recipient else (),
            )
        )
    except ConfigError as problem:
        error(f"the envelope in the environment is of no use: {problem}")
        return None

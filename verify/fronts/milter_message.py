"""One message in a milter session: what is kept of it, and the octets that it is judged by."""

from __future__ import annotations

import tempfile
from typing import IO

from msgspec import Struct

from verify.grammar.names import address
from verify.model import Envelope, Field, Message, Network, Settings, Source
from verify.reading.message import parse_message
from verify.reading.recorded import hides_results, removable_fields

from .milter_wire import Connect, Header, Helo, Mail, Option, Rcpt

REMOVALS = 10_000  # fields removed from one message; one with more is not let through
_SIGNATURES = frozenset((b"dkim-signature", b"arc-message-signature", b"arc-seal"))
_AUTHOR_WEIGHT = 8  # an octet of an address list takes as long to read as so many others
_ENVELOPE_OCTETS = 1000  # more than any SMTP path has


class Client(Struct):
    """What is known of the SMTP client.  ``ours``: local, or from a network of our own."""

    ip: str | None = None
    helo: str | None = None
    ours: bool = False

    def connect(self, event: Connect, networks: tuple[Network, ...]) -> None:
        self.ip = event.address
        self.helo = None
        ip = None if event.address is None else address(event.address)
        self.ours = event.local or (ip is not None and (ip.is_loopback or any(ip in one for one in networks)))

    def greet(self, event: Helo) -> None:
        self.helo = printable(event.name) or None


class TooManyRemovals(Exception):
    """A header with more forged fields than any mail server has room for."""


class Transaction:
    """From MAIL to the end of the message.

    ``removed``: name and occurrence (from 1, among the fields of that name) of each field that must go, topmost
    first.  They are found field by field, so that a header of any length is searched in bounded memory.
    """

    def __init__(self, client: Client, mail: Mail, macros: dict[bytes, bytes], settings: Settings) -> None:
        self.client = client
        self.mail_from = _path(mail.address)
        self.recipients: list[str] = []
        self.recipients_left_out = False
        self.queue_id = printable(macros.get(b"i", b""))
        self.auth_user = printable(macros.get(b"auth_authen", b""))
        self.authenticated = bool(macros.get(b"auth_type") or self.auth_user)
        self.settings = settings
        self.removed: list[tuple[bytes, int]] = []
        self.subjects: list[bytes] = []
        self.spool_failed = False
        self._warning = b""
        self._header: list[bytes] = []
        self._header_octets = 0
        self._author_octets = 0
        self._counts: dict[bytes, int] = {}
        self._body: list[bytes] = []
        self._body_octets = 0
        self._in_memory = 0
        self._spool: IO[bytes] | None = None

    @property
    def judged(self) -> bool:
        """Mail of our own users and machines is not judged."""
        return not (self.client.ours or self.authenticated)

    @property
    def size(self) -> int:
        return self._header_octets + self._body_octets

    @property
    def work(self) -> int:
        """How long judging may take at the worst, as a count of octets: each signature goes over the header again."""
        signatures = sum(self._counts.get(key, 0) for key in _SIGNATURES)
        return self.size + self._header_octets * signatures + self._author_octets * _AUTHOR_WEIGHT

    def warn_in(self, name: str | None) -> None:
        """A field of that name is ours too: one that came with the message is forged."""
        self._warning = (name or "").lower().encode("ascii")

    def rcpt(self, event: Rcpt) -> None:
        if len(self.recipients) < self.settings.limits.header_fields:
            self.recipients.append(_path(event.address))
        else:
            self.recipients_left_out = True  # one that is not known may be no exception

    def header(self, event: Header, options: Option) -> None:
        """Take in a field.  Raises ``TooManyRemovals``."""
        key = event.name.rstrip(b" \t").lower()  # as the one reader of header blocks has it
        space = b"" if options & Option.LEADING_SPACE else b" "
        value = space + event.value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        occurrence = self._counts[key] = self._counts.get(key, 0) + 1
        if self._may_go(key) or hides_results(value):
            self._look_at(Field(event.name, value, b"", 0, key), occurrence)
        if key == b"subject" and len(self.subjects) < REMOVALS:
            self.subjects.append(event.value)
        if key == b"from":
            self._author_octets += len(value)
        raw = event.name + b":" + value + b"\r\n"
        # A little more than is read is kept, so that the reader notes the limit.
        if self._header_octets <= self.settings.limits.header_octets:
            self._header.append(raw)
        self._header_octets += len(raw)

    def _may_go(self, key: bytes) -> bool:
        return b"authentication-results" in key or key.endswith(b"received-spf") or self._is_ours(key)

    def _is_ours(self, key: bytes) -> bool:
        return key == b"dmarc-filter" or key.startswith(b"x-mailverdict") or (key == self._warning != b"")

    def _look_at(self, field: Field, occurrence: int) -> None:
        if field.key != self._warning:
            alone = Message(fields=(field,), body=b"", source=Source())
            ids = (self.settings.authserv_id, *self.settings.trust_authserv_ids)
            if not removable_fields(alone, ids, peer_is_ours=self.client.ours, limits=self.settings.limits):
                return
        self.removed.append((field.name, occurrence))
        if len(self.removed) > REMOVALS:
            raise TooManyRemovals

    def body(self, chunk: bytes, spool_octets: int) -> bool:
        """Take in a part of the body; False when no more of it is of use."""
        if not self.judged or self.spool_failed or not chunk:
            return self.judged and not self.spool_failed
        room = self.settings.limits.body_octets + 1 - self._body_octets  # one more than is hashed: that is noted
        self._body_octets += len(chunk)
        if room <= 0:
            return False
        self._body.append(chunk[:room])
        self._in_memory += len(self._body[-1])
        if self._in_memory > spool_octets:
            try:
                self._write_spool()
            except OSError:
                self.spool_failed = True
                self.close()
        return room > len(chunk)

    def _write_spool(self) -> None:
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(prefix="mailverdict-")  # noqa: SIM115
        self._spool.writelines(self._body)
        self._body.clear()
        self._in_memory = 0

    def envelope(self) -> Envelope:
        return Envelope(
            client_ip=self.client.ip,
            helo=self.client.helo,
            mail_from=self.mail_from,
            rcpt_to=tuple(self.recipients),
            in_session=True,
        )

    def header_alone(self) -> Message:
        """The message before its body is there."""
        return parse_message(b"".join(self._header) + b"\r\n", limits=self.settings.limits)

    def message(self) -> Message:
        """The whole message.  ``OSError`` when what was spooled cannot be read."""
        body = self._body
        if self._spool is not None:
            self._spool.seek(0)
            body = [self._spool.read(), *self._body]
        return parse_message(b"".join((*self._header, b"\r\n", *body)), limits=self.settings.limits)

    def close(self) -> None:
        """Let the body go."""
        self._body = []
        self._in_memory = 0
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def printable(octets: bytes) -> str:
    """Octets of the session as text that an envelope may hold: no control characters, not without end."""
    text = octets[:_ENVELOPE_OCTETS].strip().decode("utf-8", "surrogateescape")
    return "".join("?" if char < " " or char == "\x7f" else char for char in text)


def _path(octets: bytes) -> str:
    text = printable(octets)
    return text if text[:1] != "<" and text[-1:] != ">" else text.replace("<", "?").replace(">", "?")

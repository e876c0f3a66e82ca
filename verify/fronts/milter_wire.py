"""The milter protocol, versions 2 to 6, without a socket: octets to events, replies to octets.

``Decoder`` cuts frames out of what arrives and says what each of them is; ``Conversation`` holds the order in which
they may come and what was negotiated.  Everything that the other side sends is untrusted: a frame that is too long,
malformed or out of place is a ``WireError``, and the connection is to be closed.

The words are those of Sendmail's libmilter, which published the protocol by its source: SMFIC are commands,
SMFIR replies, SMFIF what a filter may do, SMFIP what it wants to be told.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from enum import Enum, IntFlag
from typing import TypeAlias

from msgspec import Struct

from verify.grammar.names import address
from verify.grammar.visible import smtp_text

FRAME_OCTETS = 1024 * 1024  # octets of one frame; a body chunk has 65,535 by default, 1 MiB at most by negotiation
VERSION_LEAST, VERSION_MOST = 2, 6
REPLY_TEXT_OCTETS = 512  # octets of an SMTP reply line, RFC 5321 4.5.3.1.5
MACRO_OCTETS = 64 * 1024  # octets of macros kept for one stage


class WireError(Exception):
    """The other side broke the protocol.  The connection must be closed."""


class Action(IntFlag):
    """SMFIF: what the filter may ask the mail server to do."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENT = 0x04
    DELETE_RECIPIENT = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40
    SET_SYMBOLS = 0x100


class Option(IntFlag):
    """SMFIP: events not wanted (NO_*), replies not given (NR_*), and what both sides can do."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RCPT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_EOH = 0x40
    NR_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    RCPT_REJECTED = 0x800
    NR_CONNECT = 0x1000
    NR_HELO = 0x2000
    NR_MAIL = 0x4000
    NR_RCPT = 0x8000
    NR_DATA = 0x10000
    NR_UNKNOWN = 0x20000
    NR_EOH = 0x40000
    NR_BODY = 0x80000
    LEADING_SPACE = 0x100000


# ---- what the mail server says ----


class Negotiate(Struct, frozen=True):
    version: int
    actions: int
    options: int


class Macros(Struct, frozen=True):
    """Macros for the command that follows; ``stage`` is its letter.  Names without braces."""

    stage: bytes
    values: dict[bytes, bytes]


class Connect(Struct, frozen=True):
    """``host``: as the mail server looked it up, untrusted; ``address``: None for a local or an unknown client."""

    host: bytes
    address: str | None
    local: bool = False  # over a UNIX socket of the mail server


class Helo(Struct, frozen=True):
    name: bytes


class Mail(Struct, frozen=True):
    """``address``: with its angle brackets removed; ``parameters``: of ESMTP."""

    address: bytes
    parameters: tuple[bytes, ...]


class Rcpt(Struct, frozen=True):
    address: bytes
    parameters: tuple[bytes, ...]


class Data(Struct, frozen=True):
    pass


class Header(Struct, frozen=True):
    """One field; folds in ``value`` are LF; a leading blank stands only when LEADING_SPACE was negotiated."""

    name: bytes
    value: bytes


class EndOfHeaders(Struct, frozen=True):
    pass


class Body(Struct, frozen=True):
    chunk: bytes


class EndOfMessage(Struct, frozen=True):
    chunk: bytes


class Abort(Struct, frozen=True):
    """The message is given up, the connection stays."""


class Quit(Struct, frozen=True):
    pass


class QuitNewConnection(Struct, frozen=True):
    """This client is done, the next one comes over the same connection."""


class Unknown(Struct, frozen=True):
    """An SMTP command that the mail server does not know."""

    command: bytes


Event: TypeAlias = (
    Negotiate
    | Macros
    | Connect
    | Helo
    | Mail
    | Rcpt
    | Data
    | Header
    | EndOfHeaders
    | Body
    | EndOfMessage
    | Abort
    | Quit
    | QuitNewConnection
    | Unknown
)


_PLAIN: dict[bytes, Event] = {
    b"T": Data(),
    b"N": EndOfHeaders(),
    b"A": Abort(),
    b"Q": Quit(),
    b"K": QuitNewConnection(),
}


class Decoder:
    """Frames out of a stream of octets, however it is cut."""

    def __init__(self, frame_octets: int = FRAME_OCTETS) -> None:
        self._most = frame_octets
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> Iterator[Event]:
        """The events that ``octets`` complete.  Raises ``WireError``."""
        self._buffer += octets
        start = 0
        try:
            while len(self._buffer) - start >= 4:
                (length,) = struct.unpack_from(">I", self._buffer, start)
                if not 1 <= length <= self._most:
                    raise WireError(f"a frame of {length} octets")
                if len(self._buffer) - start < 4 + length:
                    return
                frame = bytes(self._buffer[start + 4 : start + 4 + length])
                start += 4 + length
                yield _event(frame[:1], frame[1:])
        finally:
            del self._buffer[:start]


def _event(command: bytes, data: bytes) -> Event:
    match command:
        case b"L":
            return Header(*_two(data))
        case b"B":
            return Body(data)
        case b"D":
            return _macros(data)
        case b"O":
            if len(data) < 12:
                raise WireError("a short negotiation")
            return Negotiate(*struct.unpack_from(">III", data))
        case b"C":
            return _connect(data)
        case b"H":
            return Helo(_strings(data)[0])
        case b"M":
            first, *rest = _strings(data)
            return Mail(_path(first), tuple(rest))
        case b"R":
            first, *rest = _strings(data)
            return Rcpt(_path(first), tuple(rest))
        case b"E":
            return EndOfMessage(data)
        case b"U":
            return Unknown(_strings(data)[0])
    plain = _PLAIN.get(command)
    if plain is None:
        raise WireError(f"an unknown command {command!r}")
    return plain


def _strings(data: bytes) -> list[bytes]:
    """NUL-terminated strings; at least one."""
    if not data.endswith(b"\0"):
        raise WireError("a string without its end")
    return data[:-1].split(b"\0")


def _two(data: bytes) -> tuple[bytes, bytes]:
    name, end, value = data.partition(b"\0")
    if not end or not value.endswith(b"\0"):
        raise WireError("a header without its end")
    return name, value[:-1]


def _macros(data: bytes) -> Macros:
    stage, rest = data[:1], data[1:]
    if not stage or len(rest) > MACRO_OCTETS:
        raise WireError("macros without a stage" if not stage else "too many macros")
    parts = _strings(rest) if rest else []
    if len(parts) % 2:
        raise WireError("a macro without a value")
    names = (name[1:-1] if name.startswith(b"{") and name.endswith(b"}") else name for name in parts[::2])
    return Macros(stage, dict(zip(names, parts[1::2], strict=True)))


def _connect(data: bytes) -> Connect:
    host, end, rest = data.partition(b"\0")
    if not end or not rest:
        raise WireError("a connection without a family")
    family = rest[:1]
    if family not in b"46UL":
        raise WireError(f"an unknown address family {family!r}")
    if family in b"UL":
        return Connect(host, None, family == b"L")
    if len(rest) < 4 or not rest.endswith(b"\0"):
        raise WireError("a connection without an address")
    ip = address(rest[3:-1].decode("ascii", "replace"))  # after the port, which nothing needs
    if ip is None:
        raise WireError("a connection with a malformed address")
    return Connect(host, str(ip))


def _path(octets: bytes) -> bytes:
    return octets[1:-1] if octets.startswith(b"<") and octets.endswith(b">") else octets


# ---- the order of things ----


class State(Enum):
    NEW = "new"  # nothing negotiated
    READY = "ready"  # negotiated: a connection may come
    CONNECTED = "connected"
    ENVELOPE = "envelope"  # after MAIL
    HEADERS = "headers"
    BODY = "body"


_MAY = {
    # event: the states in which it may come, and the state after it (None: stays)
    Negotiate: ((State.NEW,), State.READY),
    Connect: ((State.READY,), State.CONNECTED),
    Helo: ((State.CONNECTED,), None),
    Mail: ((State.CONNECTED,), State.ENVELOPE),
    Rcpt: ((State.ENVELOPE,), None),
    Data: ((State.ENVELOPE,), None),
    Header: ((State.ENVELOPE, State.HEADERS), State.HEADERS),
    EndOfHeaders: ((State.ENVELOPE, State.HEADERS), State.BODY),
    Body: ((State.BODY,), None),
    EndOfMessage: ((State.BODY,), State.CONNECTED),
    Unknown: ((State.CONNECTED, State.ENVELOPE), None),
}

WANTED_ACTIONS = Action.ADD_HEADERS | Action.CHANGE_HEADERS | Action.QUARANTINE
_NEEDED_ACTIONS = Action.ADD_HEADERS | Action.CHANGE_HEADERS
# Events that are answered with nothing save work on both sides; each only when the server offers it.
_WANTED_OPTIONS = (
    Option.NO_UNKNOWN
    | Option.NO_DATA
    | Option.LEADING_SPACE
    | Option.SKIP  # of use only where NR_BODY is not offered
    | Option.NR_CONNECT
    | Option.NR_HELO
    | Option.NR_MAIL
    | Option.NR_RCPT
    | Option.NR_HEADER
    | Option.NR_EOH
    | Option.NR_BODY
)
_SILENT = {
    Connect: Option.NR_CONNECT,
    Helo: Option.NR_HELO,
    Mail: Option.NR_MAIL,
    Rcpt: Option.NR_RCPT,
    Data: Option.NR_DATA,
    Header: Option.NR_HEADER,
    EndOfHeaders: Option.NR_EOH,
    Body: Option.NR_BODY,
    Unknown: Option.NR_UNKNOWN,
}


class Conversation:
    """One connection of a mail server: what was negotiated and what may come next."""

    def __init__(self) -> None:
        self.state = State.NEW
        self.version = 0
        self.actions = Action(0)
        self.options = Option(0)

    def receive(self, event: Event) -> None:
        """Take note of an event.  Raises ``WireError`` when it may not come now."""
        match event:
            case Macros() | Quit():
                if self.state is State.NEW and isinstance(event, Macros):
                    raise WireError("macros before the negotiation")
                return
            case Abort():
                if self.state in (State.NEW, State.READY):
                    return
                self.state = State.CONNECTED
                return
            case QuitNewConnection():
                if self.state is State.NEW:
                    raise WireError("a new connection before the negotiation")
                self.state = State.READY
                return
        if isinstance(event, Mail) and self.state in (State.ENVELOPE, State.HEADERS, State.BODY):
            self.state = State.CONNECTED  # a transaction that was given up without a word
        allowed, after = _MAY[type(event)]
        if self.state not in allowed:
            raise WireError(f"{type(event).__name__} while {self.state.value}")
        if isinstance(event, Negotiate):
            self._negotiate(event)
        if after is not None:
            self.state = after

    def _negotiate(self, offer: Negotiate) -> None:
        if offer.version < VERSION_LEAST:
            raise WireError(f"protocol version {offer.version}")
        if offer.actions & _NEEDED_ACTIONS != _NEEDED_ACTIONS:
            raise WireError("the mail server lets no header be added or removed")
        self.version = min(offer.version, VERSION_MOST)
        self.actions = Action(offer.actions & WANTED_ACTIONS)
        self.options = Option(offer.options & _WANTED_OPTIONS)

    def negotiated(self) -> bytes:
        """The answer to the negotiation."""
        return _frame(b"O", struct.pack(">III", self.version, self.actions, self.options))

    def expects_reply(self, event: Event) -> bool:
        """False for events that must not be answered."""
        if isinstance(event, Macros | Abort | Quit | QuitNewConnection):
            return False
        silent = _SILENT.get(type(event))
        return silent is None or not self.options & silent

    def insert_header(self, name: bytes, value: bytes) -> bytes:
        """Put a field on top of the message, above the mail server's own Received.  Folds as LF."""
        return _frame(b"i", struct.pack(">I", 0) + self._field(name, value))

    def remove_header(self, name: bytes, occurrence: int) -> bytes:
        """Remove the ``occurrence``-th field of that name, counted from 1.  Remove from the last to the first."""
        return _frame(b"m", struct.pack(">I", occurrence) + name + b"\0\0")

    def change_header(self, name: bytes, occurrence: int, value: bytes) -> bytes:
        """Give a field another value.  Folds as LF."""
        return _frame(b"m", struct.pack(">I", occurrence) + self._field(name, value))

    def _field(self, name: bytes, value: bytes) -> bytes:
        text = value.replace(b"\r\n", b"\n")
        if b"\0" in text or re.search(rb"\n(?![ \t])|\r", text):
            raise ValueError("a header value with a line end that is no fold")
        if not self.options & Option.LEADING_SPACE:
            text = text.removeprefix(b" ")  # the mail server writes one itself
        elif not text.startswith((b" ", b"\t", b"\n")):
            text = b" " + text
        return name + b"\0" + text + b"\0"


# ---- what the filter answers ----


def _frame(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", 1 + len(data)) + command + data


CONTINUE = _frame(b"c")
ACCEPT = _frame(b"a")
TEMPFAIL = _frame(b"t")
PROGRESS = _frame(b"p")
SKIP = _frame(b"s")


def quarantine(reason: str) -> bytes:
    return _frame(b"q", smtp_text(reason)[:REPLY_TEXT_OCTETS].encode("ascii") + b"\0")


def reply_code(code: int, status: str, text: str) -> bytes:
    """``code``: 4xx or 5xx; ``status``: an enhanced status code of the same class (RFC 3463); ``text``: made safe.

    A percent sign is doubled, as libmilter's format wants it.
    """
    if not (400 <= code <= 599 and re.fullmatch(rf"{code // 100}\.\d{{1,3}}\.\d{{1,3}}", status)):
        raise ValueError(f"no rejection: {code} {status}")
    line = f"{code} {status} {smtp_text(text)}"[:REPLY_TEXT_OCTETS].replace("%", "%%")
    return _frame(b"y", line.encode("ascii") + b"\0")

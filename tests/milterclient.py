"""A mail server as a milter sees it, frame by frame, and the milter in this process to speak to.

with serving(tmp_path, zone, policy={"on_reject": "reject"}) as milter:
    with milter.session() as smtp:
        reply = smtp.message(b"From: a@b.example\r\n\r\nbody\r\n", mail_from=b"a@b.example")
        reply.kind, reply.inserted, reply.removed
"""

from __future__ import annotations

import asyncio
import io
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.zone import Zone
from verify.config import Config, MilterOptions, PolicyOptions
from verify.fronts.milter_report import Log, NoMetrics
from verify.fronts.milter_server import Server, Site
from verify.fronts.session import Judge
from verify.lookup.cache import CachingResolver
from verify.model import AtMode
from verify.serving import serving as checked

ID = "mx.r.example"
ALL_ACTIONS, ALL_OPTIONS = 0x1FF, 0x1FFFFF
NO_REPLY = {b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"N": 0x40000, b"L": 0x80, b"B": 0x80000}


def frame(command: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", 1 + len(data)) + command + data


def negotiation(version: int = 6, actions: int = ALL_ACTIONS, options: int = ALL_OPTIONS) -> bytes:
    return frame(b"O", struct.pack(">III", version, actions, options))


class Closed(Exception):
    """The milter has closed the connection."""


class Reply:
    """What came back at the end of a message."""

    def __init__(self, frames: list[tuple[bytes, bytes]]) -> None:
        self.frames = frames
        self.kind, self.final = frames[-1]

    def _all(self, command: bytes) -> list[bytes]:
        return [data for kind, data in self.frames if kind == command]

    @property
    def inserted(self) -> list[tuple[bytes, bytes]]:
        """Name and value, in the order of insertion; all at index 0."""
        found = []
        for data in self._all(b"i"):
            assert data[:4] == b"\0\0\0\0"
            name, value, end = data[4:].split(b"\0")
            assert end == b""
            found.append((name, value))
        return found

    @property
    def changed(self) -> list[tuple[bytes, int, bytes]]:
        found = []
        for data in self._all(b"m"):
            name, value, end = data[4:].split(b"\0")
            assert end == b""
            found.append((name, struct.unpack(">I", data[:4])[0], value))
        return found

    @property
    def removed(self) -> list[tuple[bytes, int]]:
        return [(name, at) for name, at, value in self.changed if value == b""]

    @property
    def field(self) -> bytes:
        """The value of our Authentication-Results, which must be the last to be put on top."""
        name, value = self.inserted[-1]
        assert name == b"Authentication-Results"
        return value

    @property
    def quarantined(self) -> bytes | None:
        found = self._all(b"q")
        return found[0].rstrip(b"\0") if found else None


class Session:
    """One connection.  ``options``: those of the milter, once negotiated."""

    def __init__(self, where: str | tuple[str, int], *, version: int = 6, options: int = ALL_OPTIONS) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self.socket.settimeout(30)
        self.socket.connect(where)
        self._stream = self.socket.makefile("rb")
        self._offer = negotiation(version, options=options)
        self.version = self.actions = self.options = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, octets: bytes) -> None:
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def get(self) -> tuple[bytes, bytes]:
        try:
            head = self._stream.read(4)
            if len(head) < 4:
                raise Closed
            data = self._stream.read(struct.unpack(">I", head)[0])
        except ConnectionResetError:
            raise Closed from None
        return data[:1], data[1:]

    def is_closed(self) -> bool:
        try:
            self.get()
        except Closed:
            return True
        return False

    def negotiate(self) -> None:
        self.send(self._offer)
        kind, data = self.get()
        assert kind == b"O"
        self.version, self.actions, self.options = struct.unpack(">III", data[:12])

    def command(self, command: bytes, data: bytes = b"", macros: dict[bytes, bytes] | None = None) -> bytes | None:
        """Send a command; its reply, or None where none may come."""
        octets = b""
        if macros:
            octets = frame(b"D", command + b"".join(k + b"\0" + v + b"\0" for k, v in macros.items()))
        self.send(octets + frame(command, data))
        if self.options & NO_REPLY.get(command, 0):
            return None
        return self.get()[0]

    def connect(self, ip: str = "192.0.2.10", host: bytes = b"mail.legit.example", **macros: bytes) -> None:
        if not self.version:
            self.negotiate()
        family = b"6" if ":" in ip else b"4"
        where = family + b"\x10\x00" + ip.encode() + b"\0" if ip != "local" else b"L\0\0/run/x\0"
        names = {b"j": ID.encode(), **{k.encode(): v for k, v in macros.items()}}
        assert self.command(b"C", host + b"\0" + where, names) in (None, b"c")

    def helo(self, name: bytes = b"mail.legit.example") -> None:
        assert self.command(b"H", name + b"\0") in (None, b"c")

    def begin(
        self,
        mail_from: bytes = b"a@legit.example",
        rcpt: tuple[bytes, ...] = (b"u@r.example",),
        macros: dict[bytes, bytes] | None = None,
    ) -> None:
        given = {b"i": b"QUEUE1", **(macros or {})}
        assert self.command(b"M", b"<" + mail_from + b">\0", given) in (None, b"c")
        for one in rcpt:
            assert self.command(b"R", b"<" + one + b">\0") in (None, b"c")

    def headers(self, header: bytes) -> None:
        """Send a header block with CRLF line ends as a mail server does: folds as LF."""
        fields: list[bytes] = []
        for line in header.split(b"\r\n")[:-1]:
            if line[:1] in (b" ", b"\t") and fields:
                fields[-1] += b"\n" + line
            else:
                fields.append(line)
        for one in fields:
            name, _, value = one.partition(b":")
            if not self.options & 0x100000:
                value = value.removeprefix(b" ")
            assert self.command(b"L", name + b"\0" + value + b"\0") in (None, b"c")

    def end_of_headers(self) -> None:
        assert self.command(b"N") in (None, b"c")

    def body(self, body: bytes, chunk: int = 65535) -> None:
        for at in range(0, len(body), chunk):
            if self.command(b"B", body[at : at + chunk]) == b"s":
                return

    def end(self, chunk: bytes = b"") -> Reply:
        self.send(frame(b"D", b"Ei\0QUEUE1\0") + frame(b"E", chunk))
        frames = []
        while True:
            got = self.get()
            if got[0] != b"p":
                frames.append(got)
            if got[0] in b"acrtyd4":
                return Reply(frames)

    def message(
        self, raw: bytes, mail_from: bytes = b"a@legit.example", macros: dict[bytes, bytes] | None = None, **rcpt: Any
    ) -> Reply:
        """A whole message over this connection, which is made when there is none."""
        if not self.version:
            self.connect()
            self.helo()
        self.begin(mail_from, macros=macros, **rcpt)
        header, empty, body = raw.partition(b"\r\n\r\n")
        self.headers(header + b"\r\n" if empty else header)
        self.end_of_headers()
        self.body(body)
        return self.end()


class Network:
    """A resolver over a zone, without a socket.  ``delay``: seconds before every answer."""

    def __init__(self, zone: Zone, delay: float = 0) -> None:
        self.zone = zone
        self.delay = delay

    def resolve(self, questions: Any, deadline: float | None = None) -> Any:
        return [self.zone.ask(question) for question in questions]

    async def resolve_async(self, questions: Any, deadline: float | None = None) -> Any:
        await asyncio.sleep(self.delay)
        return self.resolve(questions)

    def describe(self) -> str:
        return "a zone in memory"


class Running:
    """A milter that serves; ``where``: its UNIX socket."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder / "m.sock")
        self.output = io.BytesIO()
        self.server: Any = None
        self.loop: Any = None
        self.log: Any = None

    def session(self, **options: Any) -> Session:
        return Session(self.where, **options)

    @property
    def lines(self) -> list[str]:
        """Of the log, once the milter has ended."""
        return self.output.getvalue().decode().splitlines()

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)


def site(zone: Zone | None, *, delay: float = 0, milter: Any = None, policy: Any = None, **config: Any) -> Site:
    """A configuration ready for use.  Without a zone there is no DNS."""
    config = {"dns": "none" if zone is None else "live", **config}
    whole = Config(milter=MilterOptions(**(milter or {})), policy=PolicyOptions(**(policy or {})), **config)
    resolver = None if zone is None else CachingResolver(Network(zone, delay))
    checks = checked(whole)
    first = Judge(
        whole,
        authserv_id="host.r.example",
        at=AtMode.NOW,
        resolver=resolver,
        dns_seconds=checks.time_budget,
        diagnose=False,
    )
    return Site(config=whole, serving=checks, resolver=resolver, first=first, judges={})


@contextmanager
def serving(folder: Path, zone: Zone | None = None, **config: Any) -> Iterator[Running]:
    running = Running(folder)
    ready = threading.Event()
    stop: Any = None
    made = site(zone, **config)

    async def main() -> None:
        nonlocal stop
        stop = asyncio.Event()
        running.loop = asyncio.get_running_loop()
        running.log = Log(running.output, made.serving.log_format)  # type: ignore[arg-type]
        running.server = Server(made, running.log, NoMetrics())
        listener = await asyncio.start_unix_server(running.server.serve, path=running.where)
        ready.set()
        await stop.wait()
        listener.close()
        await running.server.drain(made.serving.drain_seconds)
        running.server.close()
        running.log.close()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield running
    finally:
        running.loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        Path(running.where).unlink(missing_ok=True)
        assert not thread.is_alive()

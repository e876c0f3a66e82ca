"""The loop that carries the packets of many exchanges at once, over ``selectors``.

Each exchange has sockets of its own, connected to the server, so that the kernel picks a random source port and passes
on nothing from another address.  What is sent and what a packet is worth is decided in ``exchange`` alone.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from msgspec import Struct

from verify.lookup.exchange import Exchange, Send

DATAGRAM_OCTETS = 65535  # a server may send more than was asked for
PACKETS_A_TURN = 16  # read from one socket before timers and others have their turn


class Server(Struct, frozen=True):
    """A name server.  ``vouched``: on loopback, so that nobody between could have set its AD bit."""

    family: int
    address: tuple[Any, ...]
    text: str
    vouched: bool


def open_socket(server: Server, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(server.family, kind)
    sock.setblocking(False)
    return sock


def open_udp(server: Server) -> socket.socket:
    sock = open_socket(server, socket.SOCK_DGRAM)
    try:
        sock.connect(server.address)
    except BaseException:
        sock.close()
        raise
    return sock


def framed(message: bytes) -> bytes:
    """RFC 1035 4.2.2: two octets of length."""
    return len(message).to_bytes(2, "big") + message


def unframed(buffer: bytearray) -> bytes | None:
    """The message that the buffer begins with, None while it is not whole; taken out of the buffer."""
    if len(buffer) < 2:
        return None
    end = 2 + int.from_bytes(buffer[:2], "big")
    if len(buffer) < end:
        return None
    message = bytes(buffer[2:end])
    del buffer[:end]
    return message


def carry(
    servers: Sequence[Server],
    exchanges: Iterator[Exchange],
    *,
    concurrency: int,
    reserve: Callable[[float], float],
    deadline: float | None,
) -> Generator[Exchange, None, None]:
    """Bring exchanges to their end, at most ``concurrency`` at once, and yield each as it ends.

    The next is taken from ``exchanges`` when its turn has come, which ``reserve(now)`` sets; an iterator that ended is
    looked at again after each exchange that ends.  At the deadline (by ``time.monotonic``) the rest is left as it is.
    Close the generator to close its sockets.
    """
    loop = _Loop(servers)
    try:
        waiting: Exchange | None = None
        turn: float | None = None
        while True:
            waiting = waiting or next(exchanges, None)
            if waiting is None and not loop.open:
                return
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return
            while waiting is not None and len(loop.open) < concurrency:
                turn = reserve(now) if turn is None else turn
                if turn > now:
                    break
                loop.begin(waiting, now)
                waiting, turn = next(exchanges, None), None
            if not loop.ended:
                due = (deadline, loop.wake(), turn if len(loop.open) < concurrency else None)
                loop.step(min((moment for moment in due if moment is not None), default=now))
            while loop.ended:
                yield loop.ended.popleft()
    finally:
        loop.close()


class _Udp:
    """A connected datagram socket of one exchange."""

    __slots__ = ("exchange", "server", "sock")

    def __init__(self, exchange: Exchange, server: int, sock: socket.socket) -> None:
        self.exchange = exchange
        self.server = server
        self.sock = sock

    def on_ready(self) -> list[Send]:
        sends: list[Send] = []
        for _ in range(PACKETS_A_TURN):
            try:
                message = self.sock.recv(DATAGRAM_OCTETS)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # nothing listens there, or no way to it
                sends += self.exchange.on_failure(self.server)
                break
            sends += self.exchange.on_reply(self.server, message)
            if self.exchange.answer is not None:
                break
        return sends


class _Tcp(_Udp):
    """A connection of one exchange: connects, writes the query, reads messages."""

    __slots__ = ("incoming", "outgoing", "selector")

    def __init__(
        self, exchange: Exchange, server: int, sock: socket.socket, message: bytes, selector: selectors.BaseSelector
    ) -> None:
        super().__init__(exchange, server, sock)
        self.outgoing = framed(message)
        self.incoming = bytearray()
        self.selector = selector

    def on_ready(self) -> list[Send]:
        try:
            if self.outgoing:
                self.outgoing = self.outgoing[self.sock.send(self.outgoing) :]
                if not self.outgoing:
                    self.selector.modify(self.sock, selectors.EVENT_READ, self)
                return []
            octets = self.sock.recv(DATAGRAM_OCTETS)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return self._over()
        if not octets:
            return self._over()
        self.incoming += octets
        sends: list[Send] = []
        while (message := unframed(self.incoming)) is not None:
            sends += self.exchange.on_reply(self.server, message, tcp=True)
        return sends

    def _over(self) -> list[Send]:
        self.selector.unregister(self.sock)  # else it stays readable
        return self.exchange.on_failure(self.server)


class _Loop:
    """Sockets and timers of the exchanges that are under way (``open``)."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.open: dict[Exchange, dict[tuple[int, bool], _Udp]] = {}
        self.ended: deque[Exchange] = deque()
        self._servers = servers
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Exchange]] = []
        self._count = 0  # keeps timers of the same time in order

    def begin(self, exchange: Exchange, now: float) -> None:
        self.open[exchange] = {}
        self._perform(exchange, exchange.start(now))

    def wake(self) -> float | None:
        """When the next timer is due."""
        while self._timers:
            due, _, exchange = self._timers[0]
            if exchange in self.open and exchange.wake == due:
                return due
            heapq.heappop(self._timers)
        return None

    def step(self, until: float) -> None:
        """Wait for packets, at most until then; hand them over, and the timers that are due."""
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            channel: _Udp = key.data
            if channel.exchange in self.open:
                self._perform(channel.exchange, channel.on_ready())
        now = time.monotonic()
        while (due := self.wake()) is not None and due <= now:
            exchange = heapq.heappop(self._timers)[2]
            self._perform(exchange, exchange.on_time(now))

    def close(self) -> None:
        for exchange in list(self.open):
            self._forget(exchange)
        self._selector.close()

    def _perform(self, exchange: Exchange, sends: list[Send]) -> None:
        todo = deque(sends)
        while todo and exchange.answer is None:
            send = todo.popleft()
            try:
                self._send(exchange, send)
            except BlockingIOError:  # no room for it now: lost, as on the way
                continue
            except OSError:
                todo.extend(exchange.on_failure(send.server))
        if exchange.answer is not None:
            self._forget(exchange)
            self.ended.append(exchange)
            return
        self._count += 1
        heapq.heappush(self._timers, (exchange.wake, self._count, exchange))

    def _send(self, exchange: Exchange, send: Send) -> None:
        channels = self.open[exchange]
        channel = channels.get((send.server, send.tcp))
        server = self._servers[send.server]
        if not send.tcp:
            if channel is None:
                channel = _Udp(exchange, send.server, open_udp(server))
                channels[send.server, False] = channel
                self._selector.register(channel.sock, selectors.EVENT_READ, channel)
            channel.sock.send(send.message)
            return
        if channel is not None:
            self._drop(channel)
        sock = open_socket(server, socket.SOCK_STREAM)
        channels[send.server, True] = channel = _Tcp(exchange, send.server, sock, send.message, self._selector)
        self._selector.register(sock, selectors.EVENT_WRITE, channel)
        sock.connect_ex(server.address)  # what goes wrong shows when it becomes writable

    def _forget(self, exchange: Exchange) -> None:
        for channel in self.open.pop(exchange).values():
            self._drop(channel)

    def _drop(self, channel: _Udp) -> None:
        if channel.sock in self._selector.get_map():
            self._selector.unregister(channel.sock)
        channel.sock.close()

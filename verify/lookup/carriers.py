"""The loop that carries the packets of many exchanges at once, over ``selectors``.

Sockets are connected to the server, so that the kernel picks a random source port and passes on nothing from another
address; none lives for more than ``SOCKET_QUESTIONS``.  What is sent and what a packet is worth is decided in
``exchange`` alone.
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
SOCKET_QUESTIONS = 64  # packets sent from one port; whoever forges a reply has to guess it and the id of its question
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

    The next is taken from ``exchanges`` when its turn has come, which ``reserve(now)`` sets; what has arrived by then
    is read first.  An iterator that ended is looked at again after each exchange that ends.  At the deadline (by
    ``time.monotonic``) the rest is left as it is.
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
            due = [] if deadline is None else [deadline]
            if waiting is not None and len(loop.open) < concurrency:
                turn = reserve(now) if turn is None else turn
                due.append(turn)
                if turn <= now:
                    loop.begin(waiting, now)
                    waiting = turn = None
            if not loop.ended:
                loop.step(due)
            while loop.ended:
                yield loop.ended.popleft()
    finally:
        loop.close()


class _Udp:
    """A connected datagram socket, for some exchanges at once."""

    __slots__ = ("asked", "left", "server", "sock")

    def __init__(self, server: int, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.left = SOCKET_QUESTIONS
        self.asked: dict[bytes, set[Exchange]] = {}  # id of a query -> whose it may be


class _Tcp:
    """A connection of one exchange: connects, writes the query, reads messages."""

    __slots__ = ("exchange", "incoming", "outgoing", "selector", "server", "sock")

    def __init__(
        self, exchange: Exchange, server: int, sock: socket.socket, message: bytes, selector: selectors.BaseSelector
    ) -> None:
        self.exchange = exchange
        self.server = server
        self.sock = sock
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
    """Sockets and timers of the exchanges that are under way (``open``, each with what it was sent over)."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.open: dict[Exchange, list[tuple[_Udp, bytes] | _Tcp]] = {}
        self.ended: deque[Exchange] = deque()
        self._servers = servers
        self._selector = selectors.DefaultSelector()
        self._udp: dict[int, _Udp] = {}  # server -> the socket that is used for the next query
        self._timers: list[tuple[float, int, Exchange]] = []
        self._count = 0  # keeps timers of the same time in order

    def begin(self, exchange: Exchange, now: float) -> None:
        self.open[exchange] = []
        self._perform(exchange, exchange.start(now))

    def step(self, due: Sequence[float]) -> None:
        """Wait for packets, at most until one of these times; hand them over, and the timers that are due."""
        wake = self._wake()
        until = min((*due, wake) if wake is not None else due, default=0.0)
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            channel: _Udp | _Tcp = key.data
            if isinstance(channel, _Udp):
                self._read(channel)
            elif channel.exchange in self.open:
                self._perform(channel.exchange, channel.on_ready())
        now = time.monotonic()
        while (wake := self._wake()) is not None and wake <= now:
            exchange = heapq.heappop(self._timers)[2]
            self._perform(exchange, exchange.on_time(now))

    def close(self) -> None:
        for exchange in list(self.open):
            self._forget(exchange)
        for channel in self._udp.values():
            channel.sock.close()
        self._selector.close()

    def _wake(self) -> float | None:
        """When the next timer is due."""
        while self._timers:
            due, _, exchange = self._timers[0]
            if exchange in self.open and exchange.wake == due:
                return due
            heapq.heappop(self._timers)
        return None

    def _read(self, channel: _Udp) -> None:
        for _ in range(PACKETS_A_TURN):
            if not channel.asked:  # nobody waits here; it may be closed by now
                return
            try:
                message = channel.sock.recv(DATAGRAM_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._lose(channel)
                return
            for exchange in tuple(channel.asked.get(message[:2], ())):
                self._perform(exchange, exchange.on_reply(channel.server, message))

    def _perform(self, exchange: Exchange, sends: list[Send]) -> None:
        todo = deque(sends)
        while todo and exchange.answer is None:
            send = todo.popleft()
            try:
                self._send(exchange, send)
            except BlockingIOError:  # no room for it now: lost, as on the way
                continue
            except OSError:
                channel = None if send.tcp else self._udp.get(send.server)
                todo.extend(exchange.on_failure(send.server))
                if channel is not None:
                    self._lose(channel)
        if exchange.answer is not None:
            if exchange in self.open:  # else it ended while those who share a lost socket were told
                self._forget(exchange)
                self.ended.append(exchange)
            return
        self._count += 1
        heapq.heappush(self._timers, (exchange.wake, self._count, exchange))

    def _lose(self, channel: _Udp) -> None:
        """Nothing listens at the server, or no way leads to it: all who have asked there are told."""
        asked, channel.asked = channel.asked, {}
        if self._udp.get(channel.server) is channel:
            del self._udp[channel.server]
        self._close(channel)
        for exchange in {exchange: None for whose in asked.values() for exchange in whose}:
            if exchange in self.open and exchange.answer is None:
                self._perform(exchange, exchange.on_failure(channel.server))

    def _send(self, exchange: Exchange, send: Send) -> None:
        if not send.tcp:
            channel = self._udp.get(send.server)
            if channel is None:
                channel = self._udp[send.server] = _Udp(send.server, open_udp(self._servers[send.server]))
                self._selector.register(channel.sock, selectors.EVENT_READ, channel)
            ident = send.message[:2]
            channel.asked.setdefault(ident, set()).add(exchange)
            self.open[exchange].append((channel, ident))
            channel.left -= 1
            if not channel.left:
                del self._udp[send.server]
            channel.sock.send(send.message)
            return
        server = self._servers[send.server]
        for tcp in self.open[exchange]:
            if isinstance(tcp, _Tcp) and tcp.server == send.server:
                self.open[exchange].remove(tcp)
                self._close(tcp)
                break
        sock = open_socket(server, socket.SOCK_STREAM)
        tcp = _Tcp(exchange, send.server, sock, send.message, self._selector)
        self.open[exchange].append(tcp)
        self._selector.register(sock, selectors.EVENT_WRITE, tcp)
        sock.connect_ex(server.address)  # what goes wrong shows when it becomes writable

    def _forget(self, exchange: Exchange) -> None:
        for used in self.open.pop(exchange):
            if isinstance(used, _Tcp):
                self._close(used)
                continue
            channel, ident = used
            whose = channel.asked.get(ident)
            if whose is None:
                continue
            whose.discard(exchange)
            if not whose:
                del channel.asked[ident]
            if not channel.asked and self._udp.get(channel.server) is not channel:
                self._close(channel)

    def _close(self, channel: _Udp | _Tcp) -> None:
        if channel.sock in self._selector.get_map():
            self._selector.unregister(channel.sock)
        channel.sock.close()

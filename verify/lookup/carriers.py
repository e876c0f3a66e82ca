"""Two loops that carry the packets of exchanges: over ``selectors`` for many at once, over ``asyncio`` for one.

Each exchange has sockets of its own, connected to the server, so that the kernel picks a random source port and passes
on nothing from another address.  What is sent and what a packet is worth is decided in ``exchange`` alone.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
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


def _open(server: Server, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(server.family, kind)
    sock.setblocking(False)
    return sock


def _open_udp(server: Server) -> socket.socket:
    sock = _open(server, socket.SOCK_DGRAM)
    try:
        sock.connect(server.address)
    except BaseException:
        sock.close()
        raise
    return sock


def _framed(message: bytes) -> bytes:
    """RFC 1035 4.2.2: two octets of length."""
    return len(message).to_bytes(2, "big") + message


def _unframed(buffer: bytearray) -> bytes | None:
    """The message that the buffer begins with, None while it is not whole; taken out of the buffer."""
    if len(buffer) < 2:
        return None
    end = 2 + int.from_bytes(buffer[:2], "big")
    if len(buffer) < end:
        return None
    message = bytes(buffer[2:end])
    del buffer[:end]
    return message


# ---------------------------------------------------------------------------------------------------
# selectors
# ---------------------------------------------------------------------------------------------------


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
        self.outgoing = _framed(message)
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
        while (message := _unframed(self.incoming)) is not None:
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
                channel = _Udp(exchange, send.server, _open_udp(server))
                channels[send.server, False] = channel
                self._selector.register(channel.sock, selectors.EVENT_READ, channel)
            channel.sock.send(send.message)
            return
        if channel is not None:
            self._drop(channel)
        sock = _open(server, socket.SOCK_STREAM)
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


# ---------------------------------------------------------------------------------------------------
# asyncio
# ---------------------------------------------------------------------------------------------------


async def carry_async(servers: Sequence[Server], exchange: Exchange) -> None:
    """Bring one exchange to its end.  Cancelled, it leaves the exchange as it is and no socket behind."""
    await _Task(servers, exchange).run()


class _Task:
    """One exchange: a task for every socket that puts what it reads, or None for a failure, into one queue."""

    def __init__(self, servers: Sequence[Server], exchange: Exchange) -> None:
        self._servers = servers
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[tuple[int, bytes | None, bool]] = asyncio.Queue(PACKETS_A_TURN)
        self._sockets: dict[int, socket.socket] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        exchange = self._exchange
        try:
            self._perform(exchange.start(time.monotonic()))
            while exchange.answer is None:
                self._perform(await self._event())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _event(self) -> Iterable[Send]:
        exchange = self._exchange
        left = exchange.wake - time.monotonic()
        if left <= 0:
            return exchange.on_time(time.monotonic())
        try:
            async with asyncio.timeout(left):
                server, message, tcp = await self._arrived.get()
        except TimeoutError:
            return exchange.on_time(max(time.monotonic(), exchange.wake))
        return exchange.on_failure(server) if message is None else exchange.on_reply(server, message, tcp)

    def _perform(self, sends: Iterable[Send]) -> None:
        todo = deque(sends)
        while todo and self._exchange.answer is None:
            send = todo.popleft()
            try:
                if send.tcp:
                    self._start(self._tcp(send))
                else:
                    self._udp(send)
            except BlockingIOError:
                continue
            except OSError:
                todo.extend(self._exchange.on_failure(send.server))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._loop.create_task(work))

    def _udp(self, send: Send) -> None:
        sock = self._sockets.get(send.server)
        if sock is None:
            self._sockets[send.server] = sock = _open_udp(self._servers[send.server])
            self._start(self._read(send.server, sock))
        sock.send(send.message)

    async def _read(self, server: int, sock: socket.socket) -> None:
        with sock:
            while True:
                try:
                    message = await self._loop.sock_recv(sock, DATAGRAM_OCTETS)
                except OSError:
                    del self._sockets[server]
                    await self._arrived.put((server, None, False))
                    return
                await self._arrived.put((server, message, False))

    async def _tcp(self, send: Send) -> None:
        server = self._servers[send.server]
        incoming = bytearray()
        try:
            with _open(server, socket.SOCK_STREAM) as sock:
                await self._loop.sock_connect(sock, server.address)
                await self._loop.sock_sendall(sock, _framed(send.message))
                while octets := await self._loop.sock_recv(sock, DATAGRAM_OCTETS):
                    incoming += octets
                    while (message := _unframed(incoming)) is not None:
                        await self._arrived.put((send.server, message, True))
        except OSError:
            pass
        await self._arrived.put((send.server, None, True))

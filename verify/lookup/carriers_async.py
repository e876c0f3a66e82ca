"""What carries the packets of one exchange over ``asyncio``; apart, since most runs need no event loop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from verify.lookup.carriers import DATAGRAM_OCTETS, PACKETS_A_TURN, Server, framed, open_socket, open_udp, unframed
from verify.lookup.exchange import Exchange, Send


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
            self._sockets[send.server] = sock = open_udp(self._servers[send.server])
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
            with open_socket(server, socket.SOCK_STREAM) as sock:
                await self._loop.sock_connect(sock, server.address)
                await self._loop.sock_sendall(sock, framed(send.message))
                while octets := await self._loop.sock_recv(sock, DATAGRAM_OCTETS):
                    incoming += octets
                    while (message := unframed(incoming)) is not None:
                        await self._arrived.put((send.server, message, True))
        except OSError:
            pass
        await self._arrived.put((send.server, None, True))

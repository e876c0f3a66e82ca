"""Answers from the network, through the name servers of the system or those that were named.

dnspython is imported when it is needed: for the servers of a Windows system and for replies out of the ordinary.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from verify.lookup.carriers import Server, carry
from verify.lookup.exchange import Exchange, failure
from verify.model import Answer, Cause, Question, replace

if TYPE_CHECKING:
    import asyncio  # imported only by what runs on its loop

TIMEOUT = 5.0  # seconds for one question, retries included, as resolv.conf(5) and dig have it
CONCURRENCY = 64  # questions in flight
RESOLV_CONF = Path("/etc/resolv.conf")


class NoResolver(OSError):
    """The system names no name server, and none was given."""


def parse_server(text: str) -> Server:
    """``ADDR``, ``ADDR:PORT`` or ``[ADDR]:PORT``; ``ValueError`` says what is wrong."""
    host, port = text.strip(), "53"
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port if not rest else "?"
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is no name server: the port must be a number from 1 to 65535")
    try:
        address = ip_address(host)
        if isinstance(address, IPv4Address):
            return Server(socket.AF_INET, (host, int(port)), f"{host}:{port}", address.is_loopback)
        zone = address.scope_id or "0"
        scope = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
        sockaddr = (host.partition("%")[0], int(port), 0, scope)
        return Server(socket.AF_INET6, sockaddr, f"[{host}]:{port}", address.is_loopback)
    except (ValueError, OSError):
        raise ValueError(f"{text!r} is no name server: give an IP address, with :PORT if it is not 53") from None


def system_servers() -> tuple[Server, ...]:
    """The name servers of the system (resolv.conf(5), the registry).  Raises ``NoResolver``."""
    servers = []
    for name_server in _from_registry() if sys.platform == "win32" else _from_file(RESOLV_CONF):
        with suppress(ValueError):  # DNS over HTTPS and the like
            servers.append(parse_server(f"[{name_server}]:53"))
    if not servers:
        raise NoResolver("no name server: the system configuration names none")
    return tuple(servers)


def _from_file(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8", "replace").split("\n")
    except OSError as error:
        raise NoResolver(f"no name server: {path} cannot be read: {error.strerror}") from None
    return [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]


def _from_registry() -> list[str]:
    import dns.exception
    import dns.resolver

    try:
        return [str(name_server) for name_server in dns.resolver.Resolver(configure=True).nameservers]
    except (dns.exception.DNSException, OSError) as error:
        raise NoResolver(f"no name server: {error}") from None


class LiveResolver:
    """Asks name servers.  Every question gets an answer: failure is one too, and says why.

    ``servers``: ``ADDR[:PORT]``, none for the system's, which are looked up at the first use.  ``timeout``: seconds
    for one question.  ``concurrency``: questions in flight.  ``rate``: questions a second, None for no limit.
    ``clock``: epoch seconds, for ``observed_at``.  Raises ``ValueError`` for a server that is none.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        timeout: float = TIMEOUT,
        concurrency: int = CONCURRENCY,
        rate: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._servers = tuple(parse_server(text) for text in servers)
        self._timeout = timeout
        self._concurrency = max(1, concurrency)
        self._interval = 1 / rate if rate else 0.0
        self._clock = clock
        self._next_start = 0.0  # monotonic; when the rate allows the next question
        self._first = 0  # the server that new questions begin with
        self._gate: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None

    @property
    def servers(self) -> tuple[Server, ...]:
        """Raises ``NoResolver`` when the system names none."""
        if not self._servers:
            self._servers = system_servers()
        return self._servers

    def describe(self) -> str:
        """The servers, for the head of a recording."""
        return ", ".join(server.text for server in self.servers)

    def resolve(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        """Answers in the order of the questions; equal questions are asked once.

        ``deadline``: by ``time.monotonic``; what has no answer by then is ``TEMPORARY`` with cause ``BUDGET``.
        """
        begun: dict[Question, Exchange] = {}
        answers: dict[Question, Answer] = {}

        def exchanges() -> Iterator[Exchange]:
            for question in dict.fromkeys(questions):
                begun[question] = self._begin(question)
                yield begun[question]

        carried = carry(
            self.servers, exchanges(), concurrency=self._concurrency, reserve=self._reserve, deadline=deadline
        )
        with closing(carried):
            for exchange in carried:
                answers[exchange.question] = self._end(exchange)
        return [
            answers.get(question)
            or (self._end(begun[question]) if question in begun else failure(question, Cause.BUDGET))
            for question in questions
        ]

    def stream(self, questions: Iterator[Question]) -> Iterator[Answer]:
        """Answers as they come in.  ``questions`` may go on after it ended: it is looked at again after each answer.

        The caller sees to it that no question is given twice.
        """
        carried = carry(
            self.servers,
            map(self._begin, questions),
            concurrency=self._concurrency,
            reserve=self._reserve,
            deadline=None,
        )
        with closing(carried):
            for exchange in carried:
                yield self._end(exchange)

    async def resolve_async(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        """``resolve``, on the running event loop; calls at the same time share ``concurrency`` and ``rate``."""
        import asyncio

        unique = list(dict.fromkeys(questions))
        _ = self.servers  # NoResolver is raised here, not within a group
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(question, deadline)) for question in unique]
        answers = {question: task.result() for question, task in zip(unique, tasks, strict=True)}
        return [answers[question] for question in questions]

    async def _ask(self, question: Question, deadline: float | None) -> Answer:
        if deadline is not None and time.monotonic() >= deadline:
            return failure(question, Cause.BUDGET)
        import asyncio

        from verify.lookup.carriers_async import carry_async

        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()), self._semaphore():
                now = time.monotonic()
                turn = self._reserve(now)
                if turn > now:
                    await asyncio.sleep(turn - now)
                exchange = self._begin(question)
                await carry_async(self.servers, exchange)
        except TimeoutError:
            pass
        return failure(question, Cause.BUDGET) if exchange is None else self._end(exchange)

    def _begin(self, question: Question) -> Exchange:
        """The exchange for a question, with the server first that answered last."""
        servers = self.servers
        order = [(self._first + i) % len(servers) for i in range(len(servers))]
        vouched = frozenset(i for i in order if servers[i].vouched)
        return Exchange(question, order, vouched, self._timeout)

    def _end(self, exchange: Exchange) -> Answer:
        """The answer with its time; ``BUDGET`` when there is none yet.  A silent server loses its first place."""
        if self._first in exchange.silent:
            self._first = (self._first + 1) % len(self.servers)
        answer = exchange.answer or failure(exchange.question, Cause.BUDGET)
        return replace(answer, observed_at=int(self._clock())) if exchange.started else answer

    def _reserve(self, now: float) -> float:
        """The time at which the next question may start."""
        start = max(now, self._next_start)
        self._next_start = start + self._interval
        return start

    def _semaphore(self) -> asyncio.Semaphore:
        """One for each event loop, since a program may run several in turn."""
        import asyncio

        loop = asyncio.get_running_loop()
        if self._gate is None or self._gate[0] is not loop:
            self._gate = (loop, asyncio.Semaphore(self._concurrency))
        return self._gate[1]

"""The milter itself: connections of mail servers on an event loop, each message judged off the loop.

Mail comes first.  Whatever goes wrong, a message is never altered but for forged fields, and never kept waiting for
longer than its time; a connection that breaks the protocol is closed, which leaves the message to the mail server.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from msgspec import Struct

from verify.config import Config, ConfigError, checked_authserv_id
from verify.disposition import Action, decide
from verify.grammar.results import Clause, fold, may_write, write_results
from verify.lookup.cache import Cache, CachingResolver, Resolver
from verify.model import ActionKind, Answer, Question, Verdict
from verify.render.header import to_header
from verify.serving import OnError, Serving

from .milter_message import Client, TooManyRemovals, Transaction, printable
from .milter_report import Log, Metrics, NoMetrics, verdict_values
from .milter_wire import (
    CONTINUE,
    PROGRESS,
    SKIP,
    TEMPFAIL,
    Abort,
    Body,
    Connect,
    Conversation,
    Decoder,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    Option,
    Quit,
    QuitNewConnection,
    Rcpt,
    WireError,
    quarantine,
    reply_code,
)
from .milter_wire import Action as WireAction
from .session import Judge, Task

T = TypeVar("T")

PROGRESS_SECONDS = 5.0  # a mail server waits for 300 s (Postfix) or more between two replies
IDLE_SECONDS = 7210.0  # as libmilter has it, longer than a mail server lets a client sit
GUARD_SECONDS = 60.0  # beside what the DNS may take; work that takes longer is a fault of ours
SETTLE_SECONDS = 5.0  # SMTP sessions under way may end by themselves before the drain
_EARLY = 0.005  # seconds after the header before the DNS is asked: most bodies are there by then
_AT_ONCE = 131_072  # octets of work that are done on the event loop: some milliseconds at the worst
_JUDGES = 16  # names of mail servers that judge under their own ids
_CHUNK = 256 * 1024
_NAME = b"Authentication-Results"


class Site(Struct, frozen=True, kw_only=True):
    """Everything that a configuration comes to.  A message keeps the one that it began with."""

    config: Config
    serving: Serving
    resolver: Resolver | None
    first: Judge
    judges: dict[str, Judge] = {}

    def judge(self, authserv_id: str) -> Judge:
        """The judge that writes under this id; one for another id reads no file again."""
        judge = self.judges.get(authserv_id)
        if judge is None:
            judge = self.judges[authserv_id] = self.first.under(authserv_id)
        return judge

    @property
    def cache(self) -> Cache | None:
        """What is known of the DNS; for the thread of the event loop alone."""
        return self.resolver.cache if isinstance(self.resolver, CachingResolver) else None

    def authserv_id(self, name: bytes | None) -> str:
        """The configured id, else the name that the mail server gives itself, else this machine's."""
        if self.config.authserv_id is not None or name is None:
            return self.first.settings.authserv_id
        text = name.decode("ascii", "replace")
        if text not in self.judges and len(self.judges) >= _JUDGES:
            return self.first.settings.authserv_id
        try:
            return checked_authserv_id("authserv-id", text)
        except ConfigError:
            return self.first.settings.authserv_id


class Judged(Struct, frozen=True):
    """What judging a message came to.  ``field``: ours, without its name, folded with CRLF."""

    verdict: Verdict
    field: bytes
    action: Action


class _Judging:
    """The part of the work that may take long; its methods run in a thread, or at once for a small message."""

    def __init__(self, site: Site, transaction: Transaction) -> None:
        self._site = site
        self.transaction = transaction
        self._judge = site.judge(transaction.settings.authserv_id)
        self.resolver = site.resolver
        self.early: Task | None = None
        self.task: Task | None = None
        self.result: Judged | None = None
        self._seconds = 2 * site.serving.time_budget + GUARD_SECONDS

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Time that is spent on this message, as long as some is left; waiting for others does not count."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                yield
        finally:
            self._seconds -= time.monotonic() - began

    @property
    def at_once(self) -> bool:
        """So little work that handing it over would take as long."""
        return self.transaction.work <= _AT_ONCE

    def look_ahead(self) -> list[Question] | None:
        """The first questions of the header alone."""
        message = self.transaction.header_alone()
        self.early = self.task = self._judge.task(message, self.transaction.envelope())
        return self.task.step()

    def begin(self) -> list[Question] | None:
        transaction = self.transaction
        shared = self._site.cache if self.at_once else None
        self.task = self._judge.task(transaction.message(), transaction.envelope(), self.early, shared)
        return self._finished(self.task.step())

    def go_on(self, answers: list[Answer]) -> list[Question] | None:
        assert self.task is not None
        self.task.take(answers)
        return self._finished(self.task.step())

    def _finished(self, needed: list[Question] | None) -> list[Question] | None:
        assert self.task is not None
        if needed is None and self.task is not self.early:
            verdict = self.task.verdict
            assert verdict is not None
            field = to_header(verdict).partition(":")[2].encode("ascii").removesuffix(b"\r\n")
            transaction = self.transaction
            recipients = () if transaction.recipients_left_out else tuple(transaction.recipients)
            action = decide(verdict, self._site.serving.policy, recipients)
            self.result = Judged(verdict, field, action)
        return needed


class Server:
    """Connections and what they share.  ``site`` may be replaced at any time."""

    def __init__(self, site: Site, log: Log, metrics: Metrics | NoMetrics, threads: int = 2) -> None:
        self.site = site
        self.log = log
        self.metrics = metrics
        self._threads = ThreadPoolExecutor(threads, "judge")
        self._room = asyncio.Semaphore(threads)
        self._connections: set[_Connection] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self.draining = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end; never raises but when it is cancelled."""
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        self._all_gone.clear()
        self.metrics.connected(1)
        try:
            await connection.run()
        except WireError as problem:
            self.log.put("protocol", problem=str(problem))
            self.metrics.failed("protocol")
        except (ConnectionError, TimeoutError):
            self.metrics.failed("connection")
        except Exception as failure:  # noqa: BLE001 - a bug over one connection leaves the others theirs
            self.told(failure, "connection")
        finally:
            connection.end()
            self._connections.discard(connection)
            self.metrics.connected(-1)
            if not self._connections:
                self._all_gone.set()
            writer.close()

    def told(self, failure: BaseException, kind: str, queue_id: str | None = None) -> None:
        """Log a fault of ours in one line."""
        trace = failure.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = None if trace is None else f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        self.log.put(
            "error", queue=queue_id, kind=kind, error=type(failure).__name__, problem=str(failure), where=where
        )
        self.metrics.failed(kind)

    async def _aside(self, judging: _Judging, work: Callable[[], T]) -> T:
        """Do work in a thread once one is free, unless there is little of it."""
        if judging.at_once:
            return work()
        loop = asyncio.get_running_loop()

        def free(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._room.release)

        await self._room.acquire()
        running = self._threads.submit(work)
        running.add_done_callback(free)  # a thread whose work nobody waits for any longer is not free before
        async with judging.guard():
            return await asyncio.wrap_future(running)

    async def judge(self, judging: _Judging, ahead: asyncio.Task[None] | None) -> Judged:
        """The verdict of a whole message, and what to do with it."""
        if ahead is not None:
            if judging.early is None:
                ahead.cancel()  # the body came at once
            else:
                await ahead
        await self._answer(judging, judging.begin)
        assert judging.result is not None
        return judging.result

    async def look_ahead(self, judging: _Judging) -> None:
        """Ask the DNS what the header alone tells that will be needed."""
        await asyncio.sleep(_EARLY)
        await self._answer(judging, judging.look_ahead)

    async def _answer(self, judging: _Judging, first: Callable[[], list[Question] | None]) -> None:
        """Run the evaluation to its end, with every answer that it needs."""
        needed = await self._aside(judging, first)
        while needed is not None:
            task = judging.task
            assert task is not None
            resolver = judging.resolver
            answers: list[Answer] = []
            if needed and resolver:
                async with judging.guard():
                    answers = await resolver.resolve_async(needed, task.deadline)
            needed = await self._aside(judging, partial(judging.go_on, answers))

    async def drain(self, seconds: float) -> None:
        """Let messages under way come to their end, for at most ``seconds``; then close what is left."""
        self.draining = True
        for limit, idle_alone in ((min(SETTLE_SECONDS, seconds), True), (seconds, False)):
            try:
                async with asyncio.timeout(limit):
                    await self._all_gone.wait()
                    return
            except TimeoutError:
                for connection in tuple(self._connections):
                    if not (idle_alone and connection.busy):
                        connection.close()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Connection:
    """One connection of a mail server: one SMTP session, or several after one another."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._conversation = Conversation()
        self._client = Client()
        self._macros: dict[bytes, dict[bytes, bytes]] = {}  # stage -> macros
        self._site = server.site
        self._transaction: Transaction | None = None
        self._judging: _Judging | None = None
        self._ahead: asyncio.Task[None] | None = None
        self._hopeless = False  # what must be removed could not be noted

    @property
    def busy(self) -> bool:
        return self._transaction is not None

    def close(self) -> None:
        self._writer.close()

    def end(self) -> None:
        self._forget()

    async def run(self) -> None:
        decoder = Decoder()
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                octets = await self._reader.read(_CHUNK)
            if not octets:
                return
            for event in decoder.feed(octets):
                self._conversation.receive(event)
                if isinstance(event, Quit):
                    return
                await self._take(event)
            if self._judging is not None and self._ahead is None:
                self._ahead = asyncio.create_task(self._server.look_ahead(self._judging))
                self._ahead.add_done_callback(_seen)
            async with asyncio.timeout(IDLE_SECONDS):
                await self._writer.drain()
            if self._server.draining and not self.busy:
                return

    async def _take(self, event: Event) -> None:
        """What one event leads to; its reply, if it wants one, is written."""
        conversation = self._conversation
        reply = CONTINUE
        transaction = self._transaction
        match event:
            case Negotiate():
                reply = conversation.negotiated()
            case Macros():
                self._macros[event.stage] = event.values
            case Connect():
                self._client.connect(event, self._server.site.serving.own_networks)
            case Helo():
                self._client.greet(event)
            case Mail():
                self._begin(event)
            case Abort():
                self._forget()
            case QuitNewConnection():
                self._forget()
                self._client = Client()
                self._macros = {}
            case EndOfMessage() if transaction is not None:
                transaction.queue_id = transaction.queue_id or printable(self._macro(b"i") or b"")
                transaction.body(event.chunk, self._site.serving.spool_octets)
                try:
                    await self._finish(transaction)
                finally:
                    self._forget()
                return
            case Rcpt() if transaction is not None:
                transaction.rcpt(event)
            case Header() if transaction is not None:
                self._header(transaction, event)
            case EndOfHeaders() if transaction is not None and transaction.judged:
                self._judging = _Judging(self._site, transaction)
            case Body() if transaction is not None:
                more = transaction.body(event.chunk, self._site.serving.spool_octets)
                if not more and conversation.options & Option.SKIP:
                    reply = SKIP
        if conversation.expects_reply(event):
            self._writer.write(reply)

    def _begin(self, event: Mail) -> None:
        self._forget()
        for stage in (b"R", b"T", b"N", b"E"):
            self._macros.pop(stage, None)
        site = self._site = self._server.site
        judge = site.judge(site.authserv_id(self._macro(b"j")))
        # Whether the client logged in is told before each MAIL, and holds for that one.
        self._transaction = Transaction(self._client, event, self._macros.pop(b"M", {}), judge.settings)
        self._transaction.warn_in(site.serving.policy.warning_field)

    def _header(self, transaction: Transaction, event: Header) -> None:
        try:
            transaction.header(event, self._conversation.options)
        except TooManyRemovals:
            self._hopeless = True

    def _forget(self) -> None:
        """The message is over, one way or another."""
        if self._ahead is not None:
            self._ahead.cancel()
        if self._transaction is not None:
            self._transaction.close()
        self._transaction = self._judging = self._ahead = None
        self._hopeless = False

    def _macro(self, name: bytes) -> bytes | None:
        """A macro of whatever stage told it last."""
        return next((values[name] for values in reversed(self._macros.values()) if name in values), None)

    async def _finish(self, transaction: Transaction) -> None:
        """Judge, reply, tell."""
        server, serving = self._server, self._site.serving
        started = time.perf_counter()
        judged: Judged | None = None
        server.metrics.waiting(1)
        try:
            frames, kind, reason, judged = await self._outcome(transaction)
        finally:
            server.metrics.waiting(-1)
        if serving.dry_run:
            frames = [CONTINUE]
        self._writer.write(b"".join(frames))
        await self._writer.drain()
        seconds = time.perf_counter() - started
        server.metrics.acted(kind, reason, seconds)
        told = {} if judged is None else verdict_values(judged.verdict)
        client = transaction.client
        server.log.put(
            "message",
            queue=transaction.queue_id,
            client=client.ip or "local",
            helo=client.helo,
            sender=transaction.mail_from.rpartition("@")[2] or "<>",
            **told,
            action=kind,
            why=reason,
            dry_run="yes" if serving.dry_run else None,
            removed=len(transaction.removed),
            octets=transaction.size,
            seconds=round(seconds, 4),
        )

    async def _outcome(self, transaction: Transaction) -> tuple[list[bytes], str, str, Judged | None]:
        """The reply, in frames, what it does and why, and the verdict when there is one."""
        if self._hopeless:
            return [TEMPFAIL], "defer", "too-many-forged-fields", None
        removals = [self._conversation.remove_header(name, at) for name, at in reversed(transaction.removed)]
        if not transaction.judged:
            why = "authenticated" if transaction.authenticated else "own-network"
            return [*removals, *self._submitted(transaction), CONTINUE], "add", why, None
        try:
            judged = await self._judged(transaction)
            return self._reply(transaction, judged, removals), *_words(judged.action), judged
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as failure:  # noqa: BLE001 - mail goes on, whatever is wrong with us
            self._server.told(failure, "judging", transaction.queue_id)
        if self._site.serving.on_error is OnError.TEMPFAIL:
            return [TEMPFAIL], "defer", "error", None
        return [*removals, CONTINUE], "add", "error", None

    async def _judged(self, transaction: Transaction) -> Judged:
        if transaction.spool_failed:
            raise OSError("the body could not be spooled")
        assert self._judging is not None, "the header has ended"
        return await self._with_progress(self._server.judge(self._judging, self._ahead))

    async def _with_progress(self, work: Awaitable[T]) -> T:
        """Wait for ``work``, and tell the mail server that we are alive meanwhile."""
        future = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({future}, timeout=PROGRESS_SECONDS))[0]:
                self._writer.write(PROGRESS)
                await self._writer.drain()
            return future.result()
        finally:
            future.cancel()

    def _submitted(self, transaction: Transaction) -> list[bytes]:
        """``auth=pass`` for a client that logged in, where that is wanted (RFC 8601 2.7.4)."""
        if not (self._site.serving.authenticated_pass and transaction.authenticated):
            return []
        user = transaction.auth_user
        properties = (("smtp.auth", user),) if may_write("smtp.auth", user) else ()
        body = write_results(transaction.settings.authserv_id, (Clause("auth", "pass", None, properties),))
        value = fold(body).partition(":")[2].removesuffix("\r\n")
        return [self._conversation.insert_header(_NAME, value.encode("ascii"))]

    def _reply(self, transaction: Transaction, judged: Judged, removals: list[bytes]) -> list[bytes]:
        """The frames that do what was decided; a message that is not taken needs no change."""
        action, conversation = judged.action, self._conversation
        self._server.metrics.judged(judged.verdict)
        if action.kind in (ActionKind.DEFER, ActionKind.REJECT):
            assert action.code is not None
            assert action.status is not None
            return [reply_code(action.code, action.status, action.text or "")]
        frames = self._warnings(transaction, judged) if action.failed else []
        frames.append(conversation.insert_header(_NAME, judged.field))
        if action.kind is ActionKind.QUARANTINE:
            if conversation.actions & WireAction.QUARANTINE:
                frames.append(quarantine(f"mailverdict: {action.reason.value}"))
            else:
                self._server.log.put("error", queue=transaction.queue_id, problem="the mail server has no quarantine")
                self._server.metrics.failed("no-quarantine")
        return [*removals, *frames, CONTINUE]

    def _warnings(self, transaction: Transaction, judged: Judged) -> list[bytes]:
        """The mark on failed mail that is delivered all the same, where the operator wants one."""
        policy, conversation = self._site.serving.policy, self._conversation
        frames = []
        if policy.warning_field is not None:
            warning = f"{judged.verdict.conclusion.value} ({judged.verdict.conclusion_reason.value})"
            frames.append(conversation.insert_header(policy.warning_field.encode("ascii"), warning.encode("ascii")))
        if policy.subject_tag is not None:
            tag = policy.subject_tag.encode("ascii")
            for at, value in enumerate(transaction.subjects, 1):
                if tag not in value:
                    shown = _STRAY.sub(b" ", value.replace(b"\r\n", b"\n")).lstrip(b" ")
                    frames.append(conversation.change_header(b"Subject", at, tag + b" " + shown))
            if not transaction.subjects:
                frames.append(conversation.insert_header(b"Subject", tag))
        return frames


_STRAY = re.compile(rb"\r|\0|\n(?![ \t])")  # what no field can be written with


def _words(action: Action) -> tuple[str, str]:
    return action.kind.value, action.reason.value


def _seen(task: asyncio.Task[None]) -> None:
    """A failure of the look ahead matters only to a message that comes to its end, which meets it there."""
    if not task.cancelled():
        task.exception()

"""The milter as a service: start-up, processes, signals, reload, and the way out."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from verify.config import Config, ConfigError, DnsMode, lookup
from verify.grammar.visible import one_line
from verify.lookup.cache import CachingResolver, Resolver
from verify.lookup.hold import HoldingResolver
from verify.lookup.live import LiveResolver
from verify.lookup.recording import RecordingError
from verify.model import AtMode
from verify.serving import OnError, Serving, serving

from .console import Failure, Status
from .milter_report import Log, Metrics, NoMetrics, forget_process, serve_metrics
from .milter_server import Server, Site
from .milter_sockets import drop_privileges, open_sockets, remove_sockets, tell_systemd
from .session import Judge, host_name

_DEFERS = (
    "the configuration is good; on-error is not set and the policy enforces something, so that a message "
    "which cannot be judged is deferred"
)
_NO_LIBRARY = 'metrics need the library of Prometheus: pip install "mailverdict[metrics]"'
_AGAIN = 1.0  # seconds before a process that died is started anew
_RELEASE = 10.0  # seconds that a worker has beyond the drain before it is killed

Load = Callable[[], Config]


def make_site(config: Config, before: Site | None, metrics: Metrics | NoMetrics) -> Site:
    """A configuration ready for use.  The cache of ``before`` goes on where answers come from the same place.

    ``ConfigError``, or ``Failure`` when a recording or profile cannot be read.
    """
    checked = serving(config)
    source = lookup(config)
    resolver: Resolver | None = None
    if source.mode is DnsMode.LIVE:
        if before is not None and before.resolver is not None and lookup(before.config) == source:
            resolver = before.resolver
        else:
            servers = [f"[{address}]:{port}" for address, port in source.resolvers]
            live = LiveResolver(servers, timeout=source.timeout)
            resolver = CachingResolver(HoldingResolver(live, heard=metrics.answered))
    try:
        first = Judge(
            config,
            authserv_id=host_name(),
            at=AtMode.NOW,
            resolver=resolver,
            dns_seconds=checked.time_budget,
            diagnose=False,
        )
        if resolver is not None:
            resolver.describe()  # no name server is a reason not to start
    except RecordingError as problem:
        raise Failure(f"{one_line(config.dns)}: {problem}") from None
    except OSError as problem:
        where = f"{one_line(str(problem.filename))}: " if problem.filename is not None else ""
        raise Failure(where + one_line(problem.strerror or str(problem))) from None
    return Site(config=config, serving=checked, resolver=resolver, first=first, judges={})


def run(load: Load, environ: Mapping[str, str] | None = None) -> Status:
    """Serve until SIGTERM.  ``load`` gives the configuration, at start and at each reload."""
    environ = os.environ if environ is None else environ
    config = load()
    checked = serving(config)
    make_site(config, None, NoMetrics())  # what cannot be read is refused before anything is opened
    sockets = open_sockets(checked, environ)
    try:
        if checked.user is not None:
            drop_privileges(checked.user)
        if checked.workers == 1:
            _Worker(load, config, sockets, environ=environ).run()
        else:
            _Supervisor(load, config, sockets, checked, environ).run()
    finally:
        for one in sockets:
            one.close()
        remove_sockets(checked)
    return Status.AUTHENTICATED


def _metrics(place: tuple[str, int] | None, *, alone: bool) -> Metrics | NoMetrics:
    """The counters of this process, served when it is ``alone``; else the parent serves those of all."""
    if place is None:
        return NoMetrics()
    try:
        metrics = Metrics()
    except ImportError:
        raise Failure(_NO_LIBRARY) from None
    if alone:
        _serve(place)
    return metrics


def _serve(place: tuple[str, int]) -> None:
    try:
        serve_metrics(*place)
    except ImportError:
        raise Failure(_NO_LIBRARY) from None
    except OSError as problem:
        raise Failure(f"metrics: {place[0]} port {place[1]}: {problem.strerror}") from None


class _Worker:
    """One process that serves.  ``parent``: end of a pipe that closes when the parent is gone."""

    def __init__(
        self,
        load: Load,
        config: Config,
        sockets: list[socket.socket],
        *,
        environ: Mapping[str, str],
        parent: int | None = None,
    ) -> None:
        self._load = load
        self._sockets = sockets
        self._environ = environ
        self._parent = parent
        checked = serving(config)  # read while we had all rights
        self._metrics = _metrics(checked.metrics, alone=parent is None)
        self._site = make_site(config, None, self._metrics)
        self._log = Log(sys.stderr.buffer, checked.log_format)

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._log.close()

    async def _serve(self) -> None:
        server = Server(self._site, self._log, self._metrics)
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, server)
        if self._parent is not None:
            loop.add_reader(self._parent, stop.set)
        listeners = [
            await (
                asyncio.start_unix_server(server.serve, sock=one)
                if one.family == socket.AF_UNIX
                else asyncio.start_server(server.serve, sock=one)
            )
            for one in self._sockets
        ]
        self._log.put("started", process=os.getpid())
        if self._parent is None:
            tell_systemd("READY=1", self._environ)
        await stop.wait()
        if self._parent is None:
            tell_systemd("STOPPING=1", self._environ)
        else:
            loop.remove_reader(self._parent)
        for listener in listeners:
            listener.close()
        await server.drain(server.site.serving.drain_seconds)
        server.close()
        self._log.put("stopped", process=os.getpid(), dropped=self._log.dropped or None)

    def _reload(self, server: Server) -> None:
        """SIGHUP: the new configuration for the messages to come, or the old one when it is no good."""
        try:
            site = make_site(self._load(), server.site, self._metrics)
        except (ConfigError, Failure) as problem:
            text = problem.message if isinstance(problem, Failure) else str(problem)
            self._log.put("reload", result="refused", problem=text)
            self._metrics.failed("reload")
            return
        server.site = site
        self._log.form = site.serving.log_format
        self._log.put("reload", result="taken")


class _Supervisor:
    """The parent of several workers, which have the sockets from it."""

    def __init__(
        self,
        load: Load,
        config: Config,
        sockets: list[socket.socket],
        checked: Serving,
        environ: Mapping[str, str],
    ) -> None:
        self._load = load
        self._config = config
        self._sockets = sockets
        self._serving = checked
        self._environ = environ
        self._workers: set[int] = set()
        self._alive, self._held = os.pipe()

    def run(self) -> None:
        numbers = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # before anything forks, so that none is lost
        folder = tempfile.TemporaryDirectory(prefix="mailverdict-") if self._serving.metrics else None
        if folder is not None:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder.name
        try:
            if self._serving.metrics is not None:
                _serve(self._serving.metrics)
            for _ in range(self._serving.workers):
                self._start(numbers)
            tell_systemd("READY=1", self._environ)
            self._watch(numbers)
            tell_systemd("STOPPING=1", self._environ)
            self._stop()
        finally:
            for pid in self._workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            if folder is not None:
                folder.cleanup()

    def _start(self, numbers: set[signal.Signals]) -> None:
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._workers.add(pid)
            return
        status = 70
        try:
            os.close(self._held)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _Worker(self._load, self._config, self._sockets, environ=self._environ, parent=self._alive).run()
            status = 0
        finally:
            os._exit(status)

    def _watch(self, numbers: set[signal.Signals]) -> None:
        """Until we are to stop: start anew what dies, hand on what is to be read again."""
        while True:
            got = signal.sigwait(numbers)
            if got is signal.SIGCHLD:
                for _ in range(self._reap()):
                    time.sleep(_AGAIN)
                    self._start(numbers)
            elif got is signal.SIGHUP:
                with suppress(ConfigError, Failure):  # each worker tells
                    self._config = self._load()
                for pid in self._workers:
                    os.kill(pid, signal.SIGHUP)
            else:
                return

    def _reap(self) -> int:
        """How many workers have ended."""
        ended = 0
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._workers.discard(pid)
                if self._serving.metrics is not None:
                    forget_process(pid)
                ended += 1
        return ended

    def _stop(self) -> None:
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + self._serving.drain_seconds + _RELEASE
        while self._workers and time.monotonic() < end:
            self._reap()
            time.sleep(0.05)
        for pid in self._workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def check(load: Load) -> str:
    """All that start-up checks but for the sockets; what to say of it."""
    site = make_site(load(), None, NoMetrics())
    if site.config.on_error is None and site.serving.on_error is OnError.TEMPFAIL:
        return _DEFERS
    return "the configuration is good"

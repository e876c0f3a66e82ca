"""Workers that are processes of this machine, each with a connection of its own.

Why not ``ProcessPoolExecutor``: its workers share one pipe for results, whose writing end this process holds as well.
A worker that is killed in the middle of a result - by the kernel for want of memory, or by us at the end of a run that
a full disk or Ctrl-C cuts short - leaves half of it there, and whoever reads waits for the other half for ever.  Here
the end of a worker is the end of its connection, so that every wait ends.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias, TypeVar

R = TypeVar("R")

_Work: TypeAlias = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class WorkerDied(BrokenExecutor):
    """A worker is gone, and with it what was under way; ``Processes.renew`` before anything else is submitted."""


class Processes:
    """Started by the first ``submit``: forked, where that is safe, so that they have all that is loaded by then."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        # From a process without threads of ours (all are started before the first thread), on Linux alone: elsewhere
        # system libraries do not allow it.
        self._context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._processes: list[BaseProcess] = []
        self._threads: list[threading.Thread] = []
        self._broken = threading.Event()

    def submit(self, function: Callable[..., R], /, *arguments: Any) -> Future[R]:
        """Raises ``WorkerDied`` when a worker is gone."""
        if self._broken.is_set():
            raise WorkerDied("a worker died")
        if not self._processes:
            self._start()
        future: Future[R] = Future()
        self._work.put((future, function, arguments))
        if self._broken.is_set():  # by now: nobody may be left to take it
            self._drop()
        return future

    def _start(self) -> None:
        ours: list[Connection] = []
        for _ in range(self.workers):
            here, there = self._context.Pipe()
            process = self._context.Process(target=_worker, args=(there,), daemon=True)  # type: ignore[attr-defined]
            process.start()
            there.close()  # now only the worker has it: its end can be seen
            self._processes.append(process)
            ours.append(here)
        for connection in ours:
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: Connection) -> None:
        """Give one worker its work, until it or the work ends."""
        with connection:
            while (work := self._work.get()) is not None:
                future, function, arguments = work
                del work
                if self._broken.is_set():
                    future.set_exception(WorkerDied("a worker died"))
                    continue
                try:
                    connection.send((function, arguments))
                    del arguments
                    error, result = connection.recv()
                except (EOFError, OSError):
                    self._broken.set()
                    self._drop()
                    future.set_exception(WorkerDied("a worker died"))
                    return
                except Exception as problem:  # noqa: BLE001 - it cannot be pickled; whoever waits is to know
                    error, result = problem, None
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(result)

    def _drop(self) -> None:
        """Give up what is not under way."""
        while True:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                return
            if work is None:  # the end of a thread, and the last there is
                self._work.put(None)
                return
            work[0].set_exception(WorkerDied("a worker died"))

    def renew(self) -> None:
        """Work can be submitted again."""
        self.close()
        self._broken.clear()

    def close(self) -> None:
        """End the workers at once; what is under way is given up."""
        self._broken.set()
        for process in self._processes:
            process.kill()
        self._drop()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            process.join()
            process.close()
        self._processes, self._threads = [], []
        self._work = queue.SimpleQueue()

    def died(self, error: BaseException) -> bool:
        """Whether the error says that a worker died, and nothing of its work."""
        return isinstance(error, WorkerDied)


def _worker(connection: Connection) -> None:
    """What a worker does: take, do, answer.  Ctrl-C is the parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        answer: tuple[Exception | None, Any]
        try:
            answer = (None, function(*arguments))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            error.add_note(traceback.format_exc())
            answer = (error, None)
        del arguments
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Work in chunks over whatever takes work and gives futures: a window in flight, results in the order of the input.

Only ``submit`` and results are used, so that processes of this machine (``processes``) and the workers of a cluster are
the same thing here.  A worker that dies takes nothing with it: its chunks are tried again, one at a time and in halves,
until the one item that kills a worker stands alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from distributed import Client

R = TypeVar("R")
C = TypeVar("C", bound="Splittable")

CONNECT = 10.0  # seconds to reach a scheduler
TICK = 0.1  # seconds after which whoever waits for a result looks up


class Splittable(Protocol):
    """A piece of work that can be cut in two."""

    def __len__(self) -> int: ...

    def halves(self: C) -> tuple[C, C]: ...


class Engine(Protocol):
    """Where the work is done.  ``workers``: how many do it at once."""

    workers: int

    def submit(self, function: Callable[..., R], /, *arguments: Any) -> Future[R]: ...

    def renew(self) -> None:
        """Work can be submitted again after a worker died."""

    def close(self) -> None:
        """End the workers; what is under way is given up."""

    def died(self, error: BaseException) -> bool:
        """Whether the error says that a worker died, and nothing of its work."""


class Dask:
    """Workers of a Dask cluster.  ``scheduler``: its address; None for one that the environment or Dask provides.

    Raises ``ImportError`` without the extra, ``OSError`` when no scheduler answers, ``ValueError``
    for what is no address.
    """

    def __init__(self, scheduler: str | None, workers: int | None) -> None:
        from distributed import Client

        self._client: Client = Client(scheduler, timeout=CONNECT)
        self.workers = workers or max(1, sum(self._client.nthreads().values()))
        self._executor: Executor = self._client.get_executor(pure=False, retries=0)

    def submit(self, function: Callable[..., R], /, *arguments: Any) -> Future[R]:
        return self._executor.submit(function, *arguments)

    def renew(self) -> None:
        """The cluster starts workers itself."""

    def close(self) -> None:
        self._client.close()

    def died(self, error: BaseException) -> bool:
        from distributed.scheduler import KilledWorker

        return isinstance(error, KilledWorker | CancelledError)


class Window(Generic[C, R]):
    """Chunks under way, at most ``in_flight`` of them.

    ``submit``: hands a chunk to the engine.  ``lost``: what stands for the result of a single item whose worker died.
    ``tick``: called while waiting; what it raises ends the run.
    """

    def __init__(
        self,
        engine: Engine,
        submit: Callable[[C], Future[R]],
        lost: Callable[[C], R],
        *,
        in_flight: int,
        tick: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._submit = submit
        self._lost = lost
        self._in_flight = in_flight
        self._tick = tick
        self._pending: deque[tuple[C, Future[R] | None]] = deque()  # no future: to be submitted when its turn has come

    def results(self, chunks: Iterator[C]) -> Iterator[tuple[C, R]]:
        """Each chunk (or the parts that it was cut into) with its result, in order."""
        while True:
            while len(self._pending) < self._in_flight:
                chunk = next(chunks, None)
                if chunk is None:
                    break
                self._pending.append((chunk, self._try_submit(chunk)))
            if not self._pending:
                return
            chunk, future = self._pending.popleft()
            try:
                result = self.wait(future or self._submit(chunk))
            except Exception as error:
                if not self._engine.died(error):
                    raise
                yield from self._after_death(chunk, alone=future is None)
                continue
            yield chunk, result

    def wait(self, future: Future[R]) -> R:
        """The result, looking up now and then."""
        while True:
            try:
                return future.result(TICK)
            except TimeoutError:
                if future.done():
                    return future.result()
                self._tick()

    def again(self, chunk: C) -> R:
        """The result of one more run of a chunk that has been through."""
        return self.wait(self._submit(chunk))

    def _try_submit(self, chunk: C) -> Future[R] | None:
        """None when a worker died before: the chunk is then run when its turn has come."""
        try:
            return self._submit(chunk)
        except BrokenExecutor:
            return None

    def _after_death(self, chunk: C, *, alone: bool) -> Iterator[tuple[C, R]]:
        """Go on after a worker died while ``chunk`` was under way, ``alone`` or with others.

        Alone it is to blame: it is cut in two, or given up when it is one item.  Otherwise every chunk without a result
        is run again, one at a time.
        """
        self._engine.renew()
        self._pending = deque(
            (other, future if future is not None and _has_result(future) else None) for other, future in self._pending
        )
        if not alone:
            self._pending.appendleft((chunk, None))
        elif len(chunk) > 1:
            first, second = chunk.halves()
            self._pending.extendleft([(second, None), (first, None)])
        else:
            yield chunk, self._lost(chunk)


def _has_result(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None

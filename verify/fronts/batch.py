"""``mailverdict batch``: whole mailbox exports."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from verify.grammar.visible import one_line

from .console import Failure, Notes, Status, worst
from .options import BATCH_FORMATS, BATCH_STATUSES, Command, batch_options, configuration, refused

if TYPE_CHECKING:
    from verify.config import Config

    from .outfile import Output
    from .progress import Counts

STDOUT = "-"
_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
    ".html": "html",
    ".htm": "html",
}
FAIL_ON = ("failed", "undetermined", "unprotected")


@click.command(cls=Command, short_help="Judge whole mailboxes.", epilog=BATCH_STATUSES)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@batch_options
@click.pass_context
def batch(ctx: click.Context, /, sources: tuple[str, ...], **_: Any) -> Status:
    """Judge every message of mailbox exports: mbox, Maildir, MH, folders, zip, tar, Takeout.

    What a source is, its content decides. A SOURCE of - is a list of paths on standard input.
    """
    config = configuration(ctx)
    _check(config, sources)
    notes = Notes(verbose=config.verbose, quiet=config.quiet)
    outputs = _outputs(config, sources)
    with ExitStack() as stack:
        stop = stack.enter_context(_interruptible())
        folder = _folder(outputs, stack)
        return _run(ctx, config, Plan(sources, outputs, folder), notes, stop)


def _run(ctx: click.Context, config: Config, plan: Plan, notes: Notes, stop: Stop) -> Status:
    from verify.config import ConfigError
    from verify.lookup.live import NoResolver
    from verify.lookup.recording import RecordingError

    from .batch_run import Run

    try:
        run = Run(config, plan, notes, stop)
    except ConfigError as problem:
        raise refused(ctx, problem) from None
    except RecordingError as problem:
        raise Failure(f"{one_line(config.dns)}: {problem}") from None
    except NoResolver as problem:
        raise Failure(str(problem)) from None
    except OSError as problem:
        raise Failure(of_file(problem)) from None
    run.judge()
    for path, _ in plan.outputs:
        if path != STDOUT:
            notes.note(f"{one_line(path)}: written")
    return _status(run.counts, config)


def _status(counts: Counts, config: Config) -> Status:
    from verify.model import Conclusion

    statuses = [Status.AUTHENTICATED]
    if counts.bugs:
        statuses.append(Status.BUG)
    if counts.refused:
        statuses.append(Status.INPUT)
    if any(counts.of(Conclusion(word)) for word in _texts(config.fail_on)):
        statuses.append(Status.FAILED)
    return worst(statuses)


def _check(config: Config, sources: Sequence[str]) -> None:
    """What can be refused before anything is opened."""
    if any(value is not None for value in (config.client_ip, config.helo, config.mail_from)) or config.rcpt_to:
        raise Failure("--client-ip, --helo, --mail-from and --rcpt-to are for a single message")
    if sources.count("-") > 1:
        raise Failure("standard input can be read only once")
    if config.engine not in ("process", "dask"):
        raise Failure(f'engine: "{one_line(config.engine)}" is none of process, dask')
    if config.scheduler is not None and config.engine != "dask":
        raise Failure("--scheduler is for --engine dask")
    for name, value in (
        ("workers", config.workers),
        ("dns-concurrency", config.dns_concurrency),
        ("dns-rate", config.dns_rate),
    ):
        if value is not None and not value > 0:
            raise Failure(f"--{name}: {value} is not greater than 0")
    for conclusion in _texts(config.fail_on):
        if conclusion not in FAIL_ON:
            raise Failure(f'fail-on: "{one_line(conclusion)}" is none of {", ".join(FAIL_ON)}')


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _outputs(config: Config, sources: Sequence[str]) -> tuple[Output, ...]:
    """Path and format of every output; ``Failure`` when one cannot be had."""
    from .outfile import Output
    from .output import refuse_input, refuse_twice

    if config.format is not None and config.format not in BATCH_FORMATS:
        raise Failure(f'format: "{one_line(config.format)}" is none of {", ".join(BATCH_FORMATS)}')
    outputs = []
    paths = _texts(config.output) or (STDOUT,)
    for path in paths:
        by_suffix = _SUFFIXES.get(Path(path).suffix.lower()) if path != STDOUT else None
        form = (config.format or by_suffix) if len(paths) < 2 else (by_suffix or config.format)
        if form is None and path != STDOUT:
            known = ", ".join(_SUFFIXES)
            raise Failure(f"--output: {one_line(path)} has no suffix that tells its format ({known}); add --format")
        if path != STDOUT:
            refuse_input("output", path, (*sources, config.dns, config.rehearse or STDOUT))
        outputs.append(Output(path, form or "jsonl"))
    refuse_twice(paths, config.record)
    if config.record is not None:
        refuse_input("record", config.record, (*sources, config.dns, config.rehearse or STDOUT))
    return tuple(outputs)


def _folder(outputs: Sequence[Output], stack: ExitStack) -> Path:
    """What lies beside the outputs while the run lasts; somewhere else when there is no file to continue."""
    from .outfile import is_stream

    path = next((path for path, _ in outputs if not is_stream(path)), None)
    if path is not None:
        return Path(f"{path}.run")
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailverdict-"))) / "run"


def of_file(problem: OSError) -> str:
    """What the system refuses, in one line."""
    where = f"{one_line(str(problem.filename))}: " if problem.filename is not None else ""
    return where + one_line(problem.strerror or str(problem))


class Plan(NamedTuple):
    """What a run reads and writes.  ``outputs``: path and format; ``folder``: for what it keeps while it lasts."""

    sources: tuple[str, ...]
    outputs: tuple[Output, ...]
    folder: Path


class Stop:
    """Whether the user wants the run to end.  Ctrl-C is looked at between two steps, so that each output is whole."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:  # the second time: at once
            raise KeyboardInterrupt
        self.wanted = True


@contextmanager
def _interruptible() -> Iterator[Stop]:
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

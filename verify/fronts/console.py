"""What every command shares with whoever called it: exit statuses, errors in one line, notes on standard error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TypeVar

import click

from verify.grammar.visible import one_line

T = TypeVar("T")


class Status(IntEnum):
    """Exit statuses.  128 + 13 is what a shell shows for a program that a closed pipe ended."""

    AUTHENTICATED = 0
    FAILED = 1
    USAGE = 2
    UNPROTECTED = 3
    UNDETERMINED = 4
    INPUT = 5
    BUG = 70
    TRY_AGAIN = 75
    INTERRUPTED = 130
    CLOSED_PIPE = 141


_MOST_SERIOUS_FIRST = (
    Status.BUG,
    Status.INPUT,
    Status.FAILED,
    Status.UNDETERMINED,
    Status.UNPROTECTED,
    Status.AUTHENTICATED,
)

# What the machine refuses, as against what we did wrong.
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE}


def worst(statuses: Iterable[Status]) -> Status:
    """The status of several messages; there is at least one."""
    return min(statuses, key=_MOST_SERIOUS_FIRST.index)


class Failure(click.ClickException):
    """An end with one clear line: ``message``, already safe to print."""

    def __init__(self, message: str, status: Status = Status.USAGE) -> None:
        super().__init__(message)
        self.status = status


class ClosedPipe(Exception):
    """Whoever read our output is gone."""


def error(message: str) -> None:
    """One line on standard error."""
    click.echo(f"mailverdict: {message}", err=True)


class Notes:
    """Notes on standard error: ``note`` unless ``-q``, ``detail`` with ``-v`` only."""

    def __init__(self, *, verbose: bool, quiet: bool) -> None:
        self._verbose = verbose
        self._quiet = quiet

    def note(self, message: str) -> None:
        if not self._quiet:
            error(message)

    def detail(self, message: str) -> None:
        if self._verbose and not self._quiet:
            error(message)


def attempt(action: Callable[[], T], *, verbose: bool) -> T | Status:
    """What ``action`` gives; the status of a bug when one of ours ended it, told in one line.

    The one place that catches everything.  What the user or the machine did wrong passes through.
    """
    try:
        return action()
    except (click.ClickException, click.exceptions.Exit, ClosedPipe, OSError):
        raise
    except Exception as failure:  # noqa: BLE001
        return _bug(failure, verbose)


def told(failure: click.ClickException | OSError, *, verbose: bool) -> Status:
    """Tell of an error in one line; its status."""
    if isinstance(failure, click.UsageError):
        command = failure.ctx.command_path if failure.ctx else "mailverdict"
        error(f"{failure.format_message()} (see {command} --help)")
        return Status.USAGE
    if isinstance(failure, click.ClickException):
        error(failure.format_message())
        return failure.status if isinstance(failure, Failure) else Status.USAGE
    if failure.errno not in _OF_THE_MACHINE:
        return _bug(failure, verbose)
    where = f"{one_line(failure.filename)}: " if isinstance(failure.filename, str) else ""
    error(f"{where}{failure.strerror}")
    return Status.USAGE


def _bug(failure: Exception, verbose: bool) -> Status:
    if verbose:
        import traceback

        traceback.print_exception(failure)
    kind, text = type(failure).__name__, one_line(str(failure))[:200]
    more = "" if verbose else " what -v prints and"
    error(f"internal error: {kind}: {text}; please report it, with{more} the message if you may, as the README says")
    return Status.BUG


def stand_in() -> None:
    """Give a standard stream that the caller closed a stand-in, since Python has None for it.

    A closed standard output is a pipe that nobody reads; standard error is only talk.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is None:
        reader, writer = os.pipe()
        os.close(reader)
        sys.stdout = os.fdopen(writer, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def discard_output() -> None:
    """Let what is still buffered for a closed standard output or error go, so that the interpreter ends quietly."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""``mailverdict`` and ``python -m verify``: the commands, each imported when it is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from .console import ClosedPipe, Status, attempt, discard_output, error, stand_in, told
from .options import Command, version_option

# name: module below verify.fronts that holds the command under that name
_COMMANDS = {"check": "check", "batch": "batch", "filter": "filter", "milter": "milter", "show": "show"}
_DEFAULT = "check"


class Interrupted(BaseException):
    """Ctrl-C: like KeyboardInterrupt, no error that anything on the way may handle."""


@contextmanager
def _signals() -> Iterator[None]:
    """Ctrl-C and a closed pipe under names of ours: click would turn them into statuses that mean something else."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None
    except BrokenPipeError:
        raise ClosedPipe from None


class Program(click.Group):
    """A group that imports a command when it is used, and takes ``FILE...`` for ``check FILE...``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(import_module(f"verify.fronts.{module}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _signals():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            click.echo(ctx.get_help(), err=True)  # wrong usage: never the status of a message
            ctx.exit(Status.USAGE)
        if args[0] not in ("--help", "-h", "--version"):
            default = self.get_command(ctx, _DEFAULT)
            assert isinstance(default, Command)
            at = _first_argument(default, args)
            if at is not None and args[at] in _COMMANDS:
                args = [args[at], *args[:at], *args[at + 1 :]]
            else:
                args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _signals():
            return super().invoke(ctx)


def _first_argument(command: click.Command, args: Sequence[str]) -> int | None:
    """Index of the first of ``args`` that is neither an option of ``command`` nor an option's value."""
    takes_value = {
        name
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag
        for name in (*param.opts, *param.secondary_opts)
    }
    skip = False
    for index, arg in enumerate(args):
        if skip:
            skip = False
        elif arg == "--":
            return None  # only files follow
        elif arg == "-" or not arg.startswith("-"):
            return index
        else:
            skip = arg in takes_value
    return None


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`mailverdict FILE...` is the same as `mailverdict check FILE...`, options included.",
)
@version_option
def program() -> None:
    """Say of a mail whether its author is authenticated, and why.

    SPF, DKIM, ARC, iprev and DMARC are worked out anew from the message and the DNS; what the header claims is believed
    only as far as you vouch for it. Live look-ups can tell an attacker that a message is being looked at (SPF macros):
    see --dns in `mailverdict check --help`.
    """


def run(args: Sequence[str] | None = None) -> Status:
    """The whole program but for the end of the process; ``args``: without the program's name."""
    args = sys.argv[1:] if args is None else args
    verbose = "-v" in args or "--verbose" in args
    try:
        status = attempt(lambda: _invoke(args), verbose=verbose)
        if status is not Status.TRY_AGAIN:  # the filter has said already that it could not write
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        status = Status(end.exit_code)
    except (Interrupted, KeyboardInterrupt):
        error("interrupted")
        status = Status.INTERRUPTED
    except (ClosedPipe, BrokenPipeError):
        status = Status.CLOSED_PIPE
    except (click.ClickException, OSError) as failure:
        status = told(failure, verbose=verbose)
    discard_output()
    return status


def _invoke(args: Sequence[str]) -> Status:
    result = program.main(list(args), prog_name="mailverdict", standalone_mode=False)
    return Status(result or 0)


def main() -> None:
    """The console command."""
    stand_in()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    status = run()
    if os.name == "nt":
        from .windows import wait_in_own_console

        wait_in_own_console()
    sys.exit(status)

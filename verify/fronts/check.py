"""``mailverdict check``: single messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from verify.grammar.visible import one_line

from .console import Failure, Notes, Status, attempt, error, worst
from .options import ABOUT_STATUSES, Command, attached_option, configuration, judging_options, names_envelope, refused

if TYPE_CHECKING:
    from verify.config import Config

    from .output import Sinks
    from .session import Judge


class Checked(NamedTuple):
    """A message that was judged, and its verdict in each format that was asked for."""

    status: Status
    rendered: tuple[bytes, ...]


@click.command(cls=Command, short_help="Judge single messages.", epilog=ABOUT_STATUSES)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@judging_options
@attached_option
@click.pass_context
def check(ctx: click.Context, /, files: tuple[str, ...], **_: Any) -> Status:
    """Judge single messages: .eml, .emlx, or any file that holds one message.

    A FILE of - is standard input. Mailboxes, folders and archives are refused. With --attached the verdicts on
    attached messages follow the one on the message that holds them.
    """
    from .output import open_sinks, refuse_input, refuse_twice

    config = configuration(ctx)
    if len(files) > 1 and names_envelope(config):
        raise Failure("--client-ip, --helo, --mail-from and --rcpt-to are for a single message")
    if files.count("-") > 1:
        raise Failure("standard input can be read only once")
    refuse_twice((config.output,) if isinstance(config.output, str) else config.output, config.record)
    if config.record is not None:
        refuse_input("record", config.record, (*files, config.dns))
    notes = Notes(verbose=config.verbose, quiet=config.quiet)
    with (
        _judge(ctx, config) as judge,
        open_sinks(config, several=len(files) > 1 or config.attached, inputs=files, notes=notes) as sinks,
    ):
        statuses = []
        for file in files:
            # a bug over one message leaves the others their verdicts
            done = attempt(partial(_check, judge, file, sinks, attached=config.attached), verbose=config.verbose)
            if isinstance(done, Status):
                statuses.append(done)
                continue
            for one in done:
                statuses.append(one.status)
                sinks.put(one.rendered)
    if config.record is not None:
        notes.note(f"{one_line(config.record)}: answers recorded")
    return worst(statuses)


def _judge(ctx: click.Context, config: Config) -> Judge:
    from verify.config import ConfigError
    from verify.lookup.recording import RecordingError

    from .session import Judge

    try:
        return Judge(config)
    except ConfigError as problem:
        raise refused(ctx, problem) from None
    except RecordingError as problem:
        raise Failure(f"{one_line(config.dns)}: {problem}") from None
    except OSError as problem:
        # a recording that is not there, or no name server
        where = f"{one_line(str(problem.filename))}: " if problem.filename is not None else ""
        raise Failure(where + one_line(problem.strerror or str(problem))) from None


def _check(judge: Judge, file: str, sinks: Sinks, *, attached: bool) -> list[Checked] | Status:
    from verify.mailboxes.single import NoMessage, read_single

    from .output import status_of

    try:
        octets, source = read_single(file, judge.settings.limits)
    except NoMessage as problem:
        error(str(problem))
        return Status.INPUT
    verdicts = judge.judge_attached(octets, source) if attached else (judge.judge(octets, source),)
    return [Checked(status_of(verdict), sinks.render(verdict)) for verdict in verdicts]

"""``mailverdict filter``: one message from standard input to standard output, with our field on top.

A mail server runs it in a pipe, so that the mail itself comes first: whatever goes wrong with judging, the message is
written with forged fields removed and every other octet as it came; where even that cannot be done the status is 75,
which asks the server to try again.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from .console import ClosedPipe, Failure, Notes, Status, attempt, error, told
from .options import OTHER, Command, GroupedOption, configuration, filtering_options, names_envelope, refused

if TYPE_CHECKING:
    from verify.config import Config
    from verify.model import Settings

    from .pipe import Mail
    from .session import Judge

ON_ERROR = ("accept", "tempfail")

EPILOG = """\b
Without envelope options the variables CLIENT_ADDRESS, CLIENT_HELO, SENDER and
RECIPIENT tell the envelope, as Postfix's local(8) sets them; without those
the trust boundary does (--receiver, --trust-host, --trust-network).
\b
Exit status: 0 the message was written, whatever the verdict; 75 anything
else, so that a mail server keeps the message and tries again.
"""


class _Delivering(Command):
    """A command whose caller is a mail server: it ends with 0 or 75, and nothing else."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as problem:
            raise Failure(problem.format_message(), Status.TRY_AGAIN) from None

    def invoke(self, ctx: click.Context) -> Status:
        verbose = bool(ctx.params.get("verbose"))
        try:
            status = attempt(lambda: super(_Delivering, self).invoke(ctx), verbose=verbose)
        except (ClosedPipe, BrokenPipeError, KeyboardInterrupt):
            status = Status.INTERRUPTED
        except (click.ClickException, OSError) as failure:
            status = told(failure, verbose=verbose)
        return Status.AUTHENTICATED if status == 0 else Status.TRY_AGAIN


@click.command(cls=_Delivering, short_help="Add our field to a message in a pipe.", epilog=EPILOG)
@filtering_options
@click.option(
    "--on-error",
    cls=GroupedOption,
    group=OTHER,
    type=click.Choice(ON_ERROR),
    help="When judging fails: accept (default) writes the message without a field of ours; tempfail exits 75.",
)
@click.pass_context
def filter(ctx: click.Context, /, **_: Any) -> Status:  # noqa: A001
    """Read a message from standard input, and write it with our Authentication-Results on top.

    Results that bear our id, and others that nobody may believe, are removed. Every other byte stays as it came.
    """
    from verify.config import ConfigError, resolve
    from verify.model import AtMode
    from verify.reading.message import holds_message
    from verify.serving import OnError, on_error

    from .pipe import authenticated, read_mail
    from .session import host_name

    config = configuration(ctx)
    try:
        tempfail = on_error(config) is OnError.TEMPFAIL
        settings = resolve(config, authserv_id=host_name(), at=AtMode.NOW)
    except ConfigError as problem:
        raise refused(ctx, problem) from None
    mail = read_mail(sys.stdin.buffer, settings)
    top = b""
    # Below an empty line on top is body, whatever it looks like; with our field above it no reader can differ.
    headless = not mail.header and mail.rest
    if (holds_message(mail.message) or headless) and not authenticated(os.environ):
        field = _field(ctx, config, settings, mail)
        if field is None and tempfail:
            return Status.TRY_AGAIN
        top = field or b""
    mail.write(sys.stdout.buffer, top)
    Notes(verbose=config.verbose, quiet=config.quiet).detail(f"{len(mail.removed)} fields removed")
    return Status.AUTHENTICATED


def _field(ctx: click.Context, config: Config, settings: Settings, mail: Mail) -> bytes | None:
    """Our field, or None when judging failed, which is then told."""
    from verify.grammar.visible import one_line

    try:
        field = attempt(lambda: _judged(ctx, config, settings, mail), verbose=config.verbose)
    except OSError as problem:  # no name server, most of all
        where = f"{one_line(problem.filename)}: " if isinstance(problem.filename, str) else ""
        error(where + one_line(problem.strerror or str(problem)))
        return None
    return field if isinstance(field, bytes) else None


def _judged(ctx: click.Context, config: Config, settings: Settings, mail: Mail) -> bytes:
    """Our field for the message."""
    from verify.render.header import to_header

    from .pipe import from_environment

    octets = mail.octets
    if mail.more is not None:  # more than is ever hashed: the body counts as too long without the rest
        octets = mail.header + mail.rest[: settings.limits.body_octets + 4]
    with _judge(ctx, config, settings) as judge:
        verdict = judge.judge(octets, None, None if names_envelope(config) else from_environment(os.environ, settings))
    return to_header(verdict).encode("ascii")


def _judge(ctx: click.Context, config: Config, settings: Settings) -> Judge:
    from verify.config import ConfigError
    from verify.grammar.visible import one_line
    from verify.lookup.recording import RecordingError
    from verify.model import AtMode

    from .session import Judge

    try:
        return Judge(config, authserv_id=settings.authserv_id, at=AtMode.NOW, diagnose=False)
    except ConfigError as problem:
        raise refused(ctx, problem) from None
    except RecordingError as problem:
        raise Failure(f"{one_line(config.dns)}: {problem}") from None
    except OSError as problem:
        if problem.filename is None:  # no name server
            raise
        raise Failure(f"{one_line(str(problem.filename))}: {problem.strerror}") from None

"""The options that commands share, in groups for ``--help``, and how they and the configuration file come together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from .console import Failure

if TYPE_CHECKING:
    from verify.config import Config, ConfigError

F = TypeVar("F", bound=Callable[..., Any])

ENVELOPE = "The envelope, where you know it"
BOUNDARY = "Whom to trust"
ANSWERS = "Where answers come from"
RULES = "How to judge"
OUTPUT = "Output"
WORK = "How to work"
OTHER = "Other"

BATCH_FORMATS = ("jsonl", "csv", "sqlite", "html")
FORMATS = ("text", "json", "jsonl", "header", "html")

ABOUT_STATUSES = """\b
Exit status: 0 authenticated, 1 failed, 3 unprotected, 4 undetermined,
2 wrong usage, 5 no message, 70 a bug, 130 interrupted. With several files
the most serious one, in the order 70, 5, 1, 4, 3, 0."""


BATCH_STATUSES = """\b
Exit status: 0 every message has a verdict, 5 some could not be read,
1 a conclusion of --fail-on was met, 2 wrong usage or configuration,
70 a bug, 130 interrupted."""


class GroupedOption(click.Option):
    """An option that ``--help`` shows under the heading ``group``."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class Command(click.Command):
    """A command whose help shows its options in groups, and that knows ``--version``."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
                groups.setdefault(getattr(param, "group", OTHER), []).append(record)
        groups[OTHER] = groups.pop(OTHER)  # last
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from verify import __version__

        click.echo(f"mailverdict {__version__}")
        ctx.exit()


version_option = click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show the version."
)


def _option(group: str, *names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, cls=GroupedOption, group=group, **settings)


_ENVELOPE = (
    _option(ENVELOPE, "--client-ip", metavar="ADDR", help="Address that the message came from."),
    _option(ENVELOPE, "--helo", metavar="NAME", help="Name that the client gave in HELO or EHLO."),
    _option(ENVELOPE, "--mail-from", metavar="ADDRESS", help='Address in MAIL FROM; "<>" when it was empty.'),
    _option(
        ENVELOPE,
        "--rcpt-to",
        metavar="ADDRESS",
        multiple=True,
        help="Address in RCPT TO. Repeatable. All four are for a single message, and win over what its header says.",
    ),
)

_JUDGING = (
    _option(
        BOUNDARY,
        "--receiver",
        metavar="NAME",
        multiple=True,
        help="Provider that received the message (gmail, microsoft365, yahoo, ...), vouched for by you. Repeatable, "
        "from the mailbox outwards. none: nobody; auto (default): infer one, which can accuse but never clear.",
    ),
    _option(BOUNDARY, "--profiles", metavar="FILE", help="Provider profiles of your own (TOML)."),
    _option(
        BOUNDARY,
        "--trust-host",
        metavar="PATTERN",
        multiple=True,
        help='Name that your own servers write after "by", or *.NAME. Repeatable.',
    ),
    _option(
        BOUNDARY,
        "--trust-network",
        metavar="CIDR",
        multiple=True,
        help="Addresses that your own servers connect from. Repeatable.",
    ),
    _option(
        BOUNDARY,
        "--trust-authserv-id",
        metavar="ID",
        multiple=True,
        help="Id whose recorded results you believe. Repeatable.",
    ),
    _option(
        BOUNDARY,
        "--trust-sealer",
        metavar="DOMAIN",
        multiple=True,
        help="ARC sealer whose reports may change what would be done with the message, never the result. Repeatable.",
    ),
    _option(
        ANSWERS,
        "--dns",
        metavar="live|none|FILE",
        help="live (default): the network. Look-ups can be seen, and can tell an attacker that this very message is "
        "being looked at (SPF macros). none: ask nothing. FILE: a recording, and nothing else.",
    ),
    _option(ANSWERS, "--record", metavar="FILE", help="Write every answer used to FILE, for --dns FILE to replay."),
    _option(
        ANSWERS,
        "--resolver",
        metavar="ADDR[:PORT]",
        multiple=True,
        help="Name server to ask instead of the system's. Repeatable.",
    ),
    _option(ANSWERS, "--dns-timeout", metavar="SECONDS", type=float, help="Time that one question may take. [5]"),
    _option(
        RULES,
        "--dmarc",
        type=click.Choice(("rfc9989", "rfc7489")),
        help="DMARC by tree walk (default), or by the Public Suffix List (needs the extra psl).",
    ),
)


def _defaulting(at: str, authserv_id: str) -> tuple[Callable[[F], F], ...]:
    """Options whose default is not the same for stored mail and for mail that arrives."""
    return (
        _option(
            RULES,
            "--at",
            metavar="receipt|now|TIME",
            help=f"Time that signatures and expiries are judged at: that of receipt, now, or an RFC 3339 time. [{at}]",
        ),
        _option(
            OUTPUT,
            "--authserv-id",
            metavar="ID",
            help=f"Id that we write in Authentication-Results. [{authserv_id}]",
        ),
    )


_STORED = _defaulting("receipt", "localhost")
_PIPED = _defaulting("now", "the name of this machine")
_SERVED = _defaulting("now", "the name of the mail server")

attached_option = _option(
    RULES, "--attached", is_flag=True, help="Judge messages attached to messages, too, each on its own."
)

_BATCH = (
    attached_option,
    _option(
        OUTPUT,
        "--format",
        type=click.Choice(BATCH_FORMATS),
        help="Format of the output. [jsonl]",
    ),
    _option(
        OUTPUT,
        "--output",
        metavar="FILE",
        multiple=True,
        help="Write to FILE instead of standard output (-). Repeatable; the format then comes from the suffix: "
        ".jsonl, .csv, .sqlite, .db or .html.",
    ),
    _option(
        OUTPUT,
        "--fail-on",
        type=click.Choice(("failed", "undetermined", "unprotected")),
        multiple=True,
        help="Exit with 1 when a message has this conclusion. Repeatable.",
    ),
    _option(
        RULES,
        "--policy",
        "rehearse",
        metavar="FILE",
        help="Rehearse the [policy] of a milter's configuration FILE: what it would do with each message.",
    ),
    _option(WORK, "--workers", metavar="N", type=click.IntRange(min=1), help="Processes. [one for each processor]"),
    _option(
        WORK,
        "--engine",
        type=click.Choice(("process", "dask")),
        help="Processes of this machine (default), or a Dask cluster (needs the extra dask).",
    ),
    _option(WORK, "--scheduler", metavar="ADDRESS", help="The Dask scheduler."),
    _option(
        WORK,
        "--dns-concurrency",
        metavar="N",
        type=click.IntRange(min=1),
        help="DNS questions in flight, of all workers together. [64]",
    ),
    _option(
        WORK,
        "--dns-rate",
        metavar="N",
        type=click.FloatRange(min=0, min_open=True),
        help="DNS questions a second at most, of all workers together.",
    ),
    _option(WORK, "--resume", is_flag=True, help="Go on with a run that was killed, where it was."),
)

_SHOWN = (
    _option(OUTPUT, "--format", type=click.Choice(FORMATS), help="Format of the output. [text]"),
    _option(
        OUTPUT,
        "--output",
        metavar="FILE",
        multiple=True,
        help="Write to FILE instead of standard output (-). Repeatable; the format then comes from the suffix: .txt, "
        ".json, .jsonl, .hdr or .html.",
    ),
    _option(OUTPUT, "--color", type=click.Choice(("auto", "always", "never")), help="Colour in text. [auto]"),
)

_GENERAL = (
    _option(OUTPUT, "--verbose", "-v", is_flag=True, help="Show more: hops, evidence; the traceback of a bug."),
    _option(OUTPUT, "--quiet", "-q", is_flag=True, help="No notes on standard error, only errors."),
    _option(
        OTHER,
        "--config",
        metavar="FILE",
        help="Configuration (TOML): a key for every option; the command line wins. Else $MAILVERDICT_CONFIG, "
        "mailverdict.toml in your configuration folder, or /etc/mailverdict.toml.",
    ),
    version_option,
)


def _apply(options: Sequence[Callable[[F], F]], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def judging_options(function: F) -> F:
    """Options of every judging command (contract section 1)."""
    return _apply((*_ENVELOPE, *_JUDGING, *_STORED), showing_options(function))


def showing_options(function: F) -> F:
    """Options of every command that shows verdicts."""
    return _apply((*_SHOWN, *_GENERAL), function)


def batch_options(function: F) -> F:
    """Options of ``batch``: the envelope is each message's own."""
    return _apply((*_JUDGING, *_STORED, *_BATCH, *_GENERAL), function)


def filtering_options(function: F) -> F:
    """Options of a judging command that hands on mail instead of showing a verdict."""
    return _apply((*_ENVELOPE, *_JUDGING, *_PIPED, *_GENERAL), function)


def serving_options(function: F) -> F:
    """Options of a judging command whose envelope comes from an SMTP session."""
    return _apply((*_JUDGING, *_SERVED, *_GENERAL), function)


def configuration(ctx: click.Context) -> Config:
    """The configuration file with what the command line says laid over it; ``Failure`` when the file is wrong."""
    import msgspec

    from verify.config import Config, ConfigError, load

    try:
        config = load(ctx.params.get("config"))
    except ConfigError as problem:
        raise Failure(str(problem)) from None
    given = {
        name: value
        for name, value in ctx.params.items()
        if name in Config.__struct_fields__ and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return msgspec.structs.replace(config, **given)


def names_envelope(config: Config) -> bool:
    """The options or the configuration tell the envelope of a message."""
    return any(value is not None for value in (config.client_ip, config.helo, config.mail_from)) or bool(config.rcpt_to)


def refused(ctx: click.Context, problem: ConfigError) -> Failure:
    """The failure for a value that was refused: as an option where it was given as one."""
    option = problem.key.removeprefix("milter.")
    name = option.replace("-", "_")
    if name in ctx.params and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        return Failure(f"--{option}: {problem.problem}")
    return Failure(str(problem))

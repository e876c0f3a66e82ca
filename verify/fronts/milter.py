"""``mailverdict milter``: the command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from .console import Failure, Status, error
from .options import Command, GroupedOption, configuration, refused, serving_options

if TYPE_CHECKING:
    from verify.config import Config

F = TypeVar("F", bound=Callable[..., Any])

SERVING = "How to serve"

EPILOG = """\b
SIGHUP reads the configuration again (a bad one is refused, the old one kept);
SIGTERM lets messages under way come to their end. What is done with failed
mail stands in section [policy] of the configuration; by default nothing.
"""


def _option(*names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, cls=GroupedOption, group=SERVING, **settings)


@click.command(cls=Command, short_help="Judge mail as a mail server receives it.", epilog=EPILOG)
@_option(
    "--listen",
    metavar="WHERE",
    multiple=True,
    help="unix:PATH, inet:PORT@HOST or inet:HOST:PORT. Repeatable. Without it: the sockets that systemd hands over.",
)
@_option("--workers", metavar="N", type=int, help="Processes that share the sockets. [1]")
@_option("--user", metavar="NAME", help="User to become once the sockets are open.")
@_option("--dry-run", is_flag=True, help="Judge and log what would be done, and change nothing.")
@_option(
    "--on-error",
    type=click.Choice(("accept", "tempfail")),
    help="When judging fails through a fault of ours: accept (default where the policy enforces nothing) lets the "
    "message go on without a field of ours; tempfail (default where it does) asks the client to try again. Forged "
    "fields are removed in any case.",
)
@_option("--check-config", is_flag=True, help="Check options and configuration, say so, and end.")
@serving_options
@click.pass_context
def milter(ctx: click.Context, /, check_config: bool, **_: Any) -> Status:
    """Judge mail as Postfix or Sendmail receives it.

    Results that bear our id are removed, our Authentication-Results is put on top, and where the configuration says so
    failed mail is quarantined, deferred or rejected.
    """
    if sys.platform == "win32":
        raise Failure("the milter runs on Linux and other Unix systems only")
    from verify.config import ConfigError

    from . import milter_service

    try:
        if check_config:
            error(milter_service.check(lambda: _config(ctx)))
            return Status.AUTHENTICATED
        return milter_service.run(lambda: _config(ctx))
    except ConfigError as problem:
        raise refused(ctx, problem) from None


def _config(ctx: click.Context) -> Config:
    """The configuration with the options laid over it; read anew at each reload."""
    import msgspec

    config = configuration(ctx)
    given = {
        name: value
        for name, value in ctx.params.items()
        if name in config.milter.__struct_fields__ and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return msgspec.structs.replace(config, milter=msgspec.structs.replace(config.milter, **given))

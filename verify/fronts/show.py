"""``mailverdict show``: stored verdicts again, without judging anew."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .console import Failure, Notes, Status, worst
from .options import ABOUT_STATUSES, Command, configuration, showing_options


@click.command(cls=Command, short_help="Show a stored verdict again.", epilog=ABOUT_STATUSES)
@click.argument("verdict", metavar="VERDICT")
@showing_options
@click.pass_context
def show(ctx: click.Context, /, verdict: str, **_: Any) -> Status:
    """Show a stored verdict again, without judging anew.

    VERDICT is a file that check wrote as json or jsonl, or - for standard input. What it says is shown as it stands:
    nothing in it is proven by being shown.
    """
    from verify.render.data import StoredVerdictError, from_json

    from .output import open_sinks, status_of

    config = configuration(ctx)
    octets, name = _read(verdict)
    try:
        documents = _split(octets)
        verdicts = [from_json(document) for document in documents]
    except StoredVerdictError as problem:
        raise Failure(f"{name}: {problem}", Status.INPUT) from None
    if not verdicts:
        raise Failure(f"{name}: holds no verdict", Status.INPUT)
    notes = Notes(verbose=config.verbose, quiet=config.quiet)
    with open_sinks(config, several=len(verdicts) > 1, inputs=[verdict], notes=notes) as sinks:
        for one in verdicts:
            sinks.put(sinks.render(one))
    return worst(map(status_of, verdicts))


def _read(path: str) -> tuple[bytes, str]:
    from verify.grammar.visible import one_line

    if path == "-":
        return sys.stdin.buffer.read(), "standard input"
    try:
        return Path(path).read_bytes(), one_line(path)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "not the name of a file"
        raise Failure(f"{one_line(path)}: cannot be read: {reason}", Status.INPUT) from None


def _split(octets: bytes) -> list[bytes]:
    """The documents in a file: one object, an array of them, or one a line."""
    import msgspec

    text = octets.strip()
    try:
        if text.startswith(b"["):
            return [bytes(raw) for raw in msgspec.json.decode(text, type=list[msgspec.Raw])]
        return [bytes(msgspec.json.decode(text, type=msgspec.Raw))] if text else []
    except (msgspec.DecodeError, RecursionError):
        return [line for line in text.splitlines() if line.strip()]

"""Verdicts on their way out: which formats, to which files, and in what shape."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from verify.config import Config
from verify.grammar.visible import one_line
from verify.model import Verdict

from .console import Failure, Notes, Status
from .options import FORMATS

_SUFFIXES = {
    ".txt": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".hdr": "header",
    ".html": "html",
    ".htm": "html",
}
_STDOUT = "-"


class Sink:
    """One place that verdicts are written to.  ``several``: whether it may be given more than one."""

    def __init__(self, path: str, form: str, stream: BinaryIO, *, several: bool, color: bool, verbose: bool) -> None:
        self._path = path
        self._form = form
        self._stream = stream
        self._several = several
        self._color = color
        self._verbose = verbose
        self._count = 0

    def put(self, rendered: bytes) -> None:
        self._write(self._before() + rendered)
        self._count += 1

    def finish(self) -> None:
        """What stands after the last verdict."""
        if self._form == "json" and self._several:
            self._write(b"\n]\n" if self._count else b"[]\n")

    def _write(self, octets: bytes) -> None:
        try:
            self._stream.write(octets)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            where = "standard output" if self._path == _STDOUT else f"--output: {one_line(self._path)}"
            raise Failure(f"{where}: cannot be written: {error.strerror}") from None

    def _before(self) -> bytes:
        if self._form == "json" and self._several:
            return b",\n" if self._count else b"[\n"
        return b"\n" if self._form == "text" and self._count else b""

    def render(self, verdict: Verdict) -> bytes:
        # Each renderer is imported when it is used: a JSON verdict needs neither rich nor jinja2.
        if self._form in ("json", "jsonl"):
            import msgspec

            from verify.render.data import to_json

            line = to_json(verdict)
            if self._form == "jsonl":
                return line + b"\n"
            return msgspec.json.format(line, indent=2) + (b"" if self._several else b"\n")
        if self._form == "header":
            from verify.render.header import check_with_authres, to_header

            field = to_header(verdict)
            check_with_authres(verdict, field)
            return field.replace("\r\n", "\n").encode("ascii")
        if self._form == "html":
            from verify.render.page import to_html

            return to_html(verdict).encode("utf-8")
        from verify.render.text import to_text

        text = to_text(verdict, color=self._color, verbose=self._verbose, width=_width())
        return text.rstrip("\n").encode(_encoding(self._stream), "backslashreplace") + b"\n"


class Sinks:
    """All the places of one run."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def render(self, verdict: Verdict) -> tuple[bytes, ...]:
        """The verdict as each of them shows it."""
        return tuple(sink.render(verdict) for sink in self._sinks)

    def put(self, rendered: Sequence[bytes]) -> None:
        """Write what ``render`` gave."""
        for sink, octets in zip(self._sinks, rendered, strict=True):
            sink.put(octets)


@contextmanager
def open_sinks(config: Config, *, several: bool, inputs: Sequence[str], notes: Notes) -> Iterator[Sinks]:
    """The sinks that ``config`` asks for; ``Failure`` when one cannot be had.  ``inputs``: never written over."""
    outputs = (config.output,) if isinstance(config.output, str) else tuple(config.output)
    targets = [(path, _form(path, config, alone=len(outputs) < 2)) for path in outputs or (_STDOUT,)]
    refuse_twice(outputs)
    if several and any(form == "html" for _, form in targets):
        raise Failure("html shows one message; judge several with `mailverdict batch`")
    with ExitStack() as stack:
        sinks = []
        for path, form in targets:
            color = use_color(config.color, sys.stdout.isatty() and path == _STDOUT)
            stream = sys.stdout.buffer if path == _STDOUT else stack.enter_context(_create(path, inputs))
            sinks.append(Sink(path, form, stream, several=several, color=color, verbose=config.verbose))
        try:
            yield Sinks(sinks)
        finally:
            for sink in sinks:
                sink.finish()
    for path in outputs:
        if path != _STDOUT:
            notes.note(f"{one_line(path)}: written")


def _form(path: str, config: Config, *, alone: bool) -> str:
    """The format of one output: by its suffix, but for a single output for which ``--format`` says otherwise."""
    if config.format is not None and config.format not in FORMATS:
        raise Failure(f'format: "{one_line(config.format)}" is none of {", ".join(FORMATS)}')
    by_suffix = _SUFFIXES.get(Path(path).suffix.lower()) if path != _STDOUT else None
    form = (config.format or by_suffix) if alone else (by_suffix or config.format)
    if form is None and path != _STDOUT:
        known = ", ".join(_SUFFIXES)
        raise Failure(f"--output: {one_line(path)} has no suffix that tells its format ({known}); add --format")
    return form or "text"


def _create(path: str, inputs: Sequence[str]) -> BinaryIO:
    refuse_input("output", path, inputs)
    try:
        return Path(path).open("wb")
    except OSError as error:
        raise Failure(f"--output: {one_line(path)}: cannot be written: {error.strerror}") from None
    except ValueError:
        raise Failure(f"--output: {one_line(path)} is not the name of a file") from None


def refuse_input(option: str, path: str, inputs: Sequence[str]) -> None:
    """``Failure`` when writing to ``path`` would destroy one of ``inputs``."""
    for one in inputs:
        with suppress(OSError, ValueError):  # one of them is not there
            if one != _STDOUT and Path(path).samefile(one):
                raise Failure(f"--{option}: {one_line(path)} is an input")


def refuse_twice(outputs: Sequence[str], record: str | None = None) -> None:
    """``Failure`` when two of the files that are written are the same; to be called before one is opened."""
    seen = {None if record is None else _real(record)}
    for path in outputs:
        real = path if path == _STDOUT else _real(path)
        if real in seen:
            option = "--record" if record is not None and real == _real(record) else "another --output"
            raise Failure(f"--output: {one_line(path)} is written by {option}, too")
        seen.add(real)


def _real(path: str) -> str:
    """One name for each file; a NUL, which no name has, is told when the file is opened."""
    return os.path.realpath(path.replace("\0", ""))


def use_color(choice: str, terminal: bool) -> bool:
    """Whether to write colour: ``always``, ``never``, or ``auto``: on a terminal that wants it (NO_COLOR, TERM)."""
    if choice not in ("auto", "always", "never"):
        raise Failure(f'color: "{one_line(choice)}" is none of auto, always, never')
    if choice != "auto":
        return choice == "always"
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width() -> int:
    """Columns: what COLUMNS says, those of the terminal, or 100: as ``shutil`` has it, which brings all compressors."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size().columns or 100
    except OSError:  # no terminal
        return 100


def _encoding(stream: BinaryIO) -> str:
    """Standard output's own where it has one; files are UTF-8."""
    return sys.stdout.encoding or "utf-8" if stream is sys.stdout.buffer else "utf-8"


def status_of(verdict: Verdict) -> Status:
    """The exit status of a conclusion."""
    return Status[verdict.conclusion.name]

"""The README as something that can be run: its blocks, the commands in them, and what they print.

    python -m tests.readme          # writes the output of every command and the table of limits into README.md anew

A block ``console`` holds commands (``$ ...``, continued after a backslash) and what they print.  In the output a line
``...`` stands for any lines.  A block ``toml`` that begins with ``# NAME.toml`` is a file that later commands use.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from verify.model import Limits

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(r"# ([\w.-]+\.toml)\n")
_ELAPSED = re.compile(r'("elapsed_ms": ?)[\d.]+')
REST = "..."


@dataclass(frozen=True)
class Step:
    """One command and the lines that follow it, as written."""

    command: str
    output: tuple[str, ...]


def blocks(kind: str, text: str | None = None) -> list[str]:
    """The contents of the blocks of one kind, in order."""
    text = README.read_text("utf-8") if text is None else text
    return [body for name, body in _BLOCK.findall(text) if name == kind]


def steps(block: str) -> list[Step]:
    found: list[Step] = []
    command: str | None = None
    output: list[str] = []
    lines = iter(block.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            output.append(line)
            continue
        if command is not None:
            found.append(Step(command, tuple(output)))
        command, output = line[2:], []
        while command.endswith("\\"):
            command = command[:-1].rstrip() + " " + next(lines).strip()
    assert command is not None, f"a block without a command: {block[:80]!r}"
    return [*found, Step(command, tuple(output))]


class Shell:
    """A folder like the top of a checkout, with the files that the README tells its reader to write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "samples", folder / "samples")
        for block in blocks("toml"):
            if (named := _FILE.match(block)) is not None:
                (folder / named[1]).write_text(block, "utf-8")
        bin_folder = folder / ".bin"
        bin_folder.mkdir()
        program = bin_folder / "mailverdict"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m verify "$@"\n')
        program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "LINES")}
        self._environment = {
            **kept,
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MAILVERDICT_CONFIG": os.devnull,
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
        }
        self._status = 0

    def run(self, command: str) -> list[str]:
        """What the command shows on a terminal, as lines."""
        if command == "echo $?":
            return [str(self._status)]
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        self._status = done.returncode
        return normal(done.stdout.decode("utf-8").splitlines())

    def python(self, code: str) -> list[str]:
        return self.run(f"'{sys.executable}' -c {_quoted(code)}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def normal(lines: Sequence[str]) -> list[str]:
    """Without what differs from run to run, and without blanks at line ends."""
    return [_ELAPSED.sub(r"\g<1>1.5", line).rstrip() for line in lines]


def matches(written: Sequence[str], shown: Sequence[str]) -> bool:
    """The lines are the same, where ``...`` stands for any of them."""
    pieces: list[list[str]] = [[]]
    for line in normal(written):
        if line.strip() == REST:
            pieces.append([])
        else:
            pieces[-1].append(line)
    first, *later = pieces
    left = list(shown)
    if left[: len(first)] != first:
        return False
    left = left[len(first) :]
    if not later:
        return not left
    *middle, last = later
    for piece in middle:
        at = next((i for i in range(len(left) + 1) if left[i : i + len(piece)] == piece), None)
        if at is None:
            return False
        left = left[at + len(piece) :]
    return len(last) <= len(left) and left[len(left) - len(last) :] == last


def refreshed(text: str, shell: Shell) -> str:
    """The text with what its commands show now; an output with ``...`` that still holds stays as it is."""

    def block(found: re.Match[str]) -> str:
        if found[1] != "console":
            return found[0]
        lines: list[str] = []
        written = iter(found[2].splitlines())
        commands = [line for line in written if line.startswith("$ ")]
        for step, head in zip(steps(found[2]), commands, strict=True):
            shown = shell.run(step.command)
            lines.append(_head(found[2], head))
            lines += step.output if REST in step.output and matches(step.output, shown) else shown
        return "```console\n" + "\n".join(lines) + "\n```"

    return _BLOCK.sub(block, text)


def with_limits(text: str) -> str:
    """The text with every limit and its default in the table; a new one is described as in the source."""
    found = re.search(r"^\| `limits\.` key .*\n\| --- .*\n((?:\|.*\n)+)", text, re.M)
    assert found is not None
    known = dict(re.findall(r"^\| `([\w-]+)` \| \d+ \| (.*) \|$", found[1], re.M))
    source = (ROOT / "verify" / "model.py").read_text("utf-8")
    comments = dict(re.findall(r"^    (\w+): int = [^#\n]+  # (.*?)(?:, ours.*|, RFC .*)?$", source, re.M))
    rows = [
        f"| `{key}` | {value} | {known.get(key) or comments[name]} |\n"
        for name, value in msgspec.structs.asdict(Limits()).items()
        for key in [name.replace("_", "-")]
    ]
    return text[: found.start(1)] + "".join(rows) + text[found.end(1) :]


def _head(block: str, first: str) -> str:
    """The command as it is written, its continuation lines included."""
    lines = block.splitlines()
    at = lines.index(first)
    end = at
    while lines[end].endswith("\\"):
        end += 1
    return "\n".join(lines[at : end + 1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = refreshed(README.read_text("utf-8"), Shell(Path(folder) / "checkout"))
    README.write_text(with_limits(text), "utf-8")


if __name__ == "__main__":
    main()

"""What the comparisons with other verifiers have in common: where these are, and how our own program is run.

Corpora with known answers, their DNS on loopback and the other verifiers come from a folder beside the checkout,
``../shared/bench`` (``--bench DIR`` or the variable ``MAILVERDICT_BENCH`` name another one), after its ``setup.sh``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "../shared/bench"

T = TypeVar("T")


class Missing(Exception):
    """Something is not here without which there is nothing to measure."""


class Wrong(Exception):
    """Answers that are not those of the corpus: how fast they came means nothing."""


class Three(NamedTuple):
    """Of several ratios, each of two runs that were neighbours."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Three:
        held = list(values)
        return cls(min(held), statistics.median(held), max(held))


def pairs(runs: int, one: Callable[[], T], other: Callable[[], T]) -> list[tuple[T, T]]:
    """What both gave, in turns: which of them begins changes from pair to pair."""
    found = []
    for number in range(runs):
        if number % 2:
            second = other()
            found.append((one(), second))
        else:
            first = one()
            found.append((first, other()))
    return found


def installed(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is not None


def folder() -> Path:
    """Where the peers are, unless an option says otherwise."""
    return Path(os.environ.get("MAILVERDICT_BENCH") or (ROOT / FOLDER).resolve())


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bench", type=Path, default=folder(), help=f"the folder with the peers ({FOLDER})")


def as_a_user() -> str:
    """The command of this checkout; what this process starts runs as an installed program does.

    That is: bytecode is written by the first run, which is never timed, whatever this shell says; nobody's
    configuration is read.  The variable ``MAILVERDICT`` names another command.
    """
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    os.environ["MAILVERDICT_CONFIG"] = os.devnull
    if "MAILVERDICT" not in os.environ:
        program = Path(sys.executable).with_name("mailverdict")
        seen = subprocess.run(
            [sys.executable, "-c", "import verify; print(verify.__path__[0])"], cwd="/", capture_output=True, text=True
        )
        if program.exists() and seen.stdout.strip() == str(ROOT / "verify"):
            os.environ["MAILVERDICT"] = shlex.quote(str(program))
        else:
            os.environ["PYTHONPATH"] = str(ROOT)
            os.environ["MAILVERDICT"] = f"{shlex.quote(sys.executable)} -m verify"
    return os.environ["MAILVERDICT"]


class Bench:
    """The folder.  Raises ``Missing`` where it is not, or cannot be used at all.  ``close`` it."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "compare.py").exists():
            raise Missing(f"there is no folder with the peers at {folder} (--bench DIR, or MAILVERDICT_BENCH)")
        if os.geteuid() != 0:
            raise Missing("it takes root to give each peer its view of the DNS")
        if not all(map(installed, ("nsd", "unbound"))):
            raise Missing(f"nothing is installed yet: {folder}/setup.sh dns python node rspamd milters")
        self.folder = folder
        sys.path.insert(0, str(folder))
        try:
            self.compare: Any = importlib.import_module("compare")
        finally:
            sys.path.remove(str(folder))
        self.place: Path = self.compare.BENCH  # what its setup.sh has installed
        status = subprocess.run([folder / "dns_up.sh", "status"], capture_output=True, check=False)
        self._ours_to_stop = status.returncode != 0

    def close(self) -> None:
        """End the name servers, unless they ran before."""
        if self._ours_to_stop:
            subprocess.run([self.folder / "dns_up.sh", "stop"], check=False)

    def corpus(self, profile: str, messages: int) -> Path:
        made: Path = self.compare.first(self.compare.corpus(profile, messages), messages)
        return made

    def rows(self, corpus: Path) -> list[list[str]]:
        """Path, client address, HELO, MAIL FROM, Author Domain; then the results of DKIM, SPF, DMARC and ARC."""
        read: list[list[str]] = self.compare.rows(corpus)
        return read

    def before(self, corpus: Path, speed: str = "fast") -> list[str]:
        """What stands before a command that is to see the DNS of a corpus."""
        return [str(word) for word in self.compare.dns(corpus / "zone" / "root.zone", speed)]


# ---- milters ----


def _client(bench: Bench, corpus: Path, milters: Sequence[str], pids: str, connections: int) -> dict[str, Any]:
    """What the client measured over the corpus, after one pass that fills the caches."""
    command = [sys.executable, str(bench.folder / "peers" / "milter_client.py"), str(corpus / "index.tsv")]
    command += ["--milters", ",".join(milters), "--pids", pids, "--conc", str(connections), "--warm", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peer_milters(bench: Bench, corpus: Path) -> dict[str, Any]:
    """opendkim and opendmarc, one connection: opendkim does not survive more.  ``notes``: where they differ."""
    for program in ("opendkim", "opendmarc"):
        if not installed(program):
            raise Missing(f"{program} is not installed: {bench.folder}/setup.sh milters")
    up = str(bench.folder / "peers" / "milters_up.sh")
    sockets = bench.place / "milters"
    started = subprocess.run([*bench.before(corpus), up, "start"], capture_output=True, text=True, check=True)
    try:
        where = [f"unix:{sockets}/opendkim.sock", f"unix:{sockets}/opendmarc.sock"]
        found = _client(bench, corpus, where, started.stdout.strip(), 1)
    finally:
        subprocess.run([up, "stop"], check=False)
        for pid in started.stdout.strip().split(","):
            _end(int(pid))
    found["notes"] = bench.compare.judge_counts(json.dumps(found), bench.rows(corpus))
    if found["errors"]:
        found["notes"].append(f"{found['errors']} messages that failed")
    return found


def _end(pid: int) -> None:
    """See to it that a daemon that was told to end does: opendkim sometimes waits for ever."""
    for _ in range(30):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def our_milter(bench: Bench, corpus: Path, connections: int, workers: int) -> dict[str, Any]:
    """Ours.  Raises ``Wrong`` when a message failed, or passed where it should not."""
    with tempfile.TemporaryDirectory() as place:
        where = f"unix:{place}/m.sock"
        log = Path(place) / "log"
        command = [*shlex.split(as_a_user()), "milter", "--listen", where, "--workers", str(workers)]
        command += ["--resolver", bench.compare.RESOLVER["fast"], "--authserv-id", "mx.bench.test"]
        bench.before(corpus)
        with log.open("wb") as file:
            process = subprocess.Popen(command, stderr=file)
        try:
            while b"event=started" not in log.read_bytes():
                if process.poll() is not None:
                    raise Wrong(log.read_text())
                time.sleep(0.05)
            found = _client(bench, corpus, [where], str(process.pid), connections)
        finally:
            process.terminate()
            process.wait(60)
    wrong = bench.compare.judge_counts(json.dumps(found), bench.rows(corpus))
    if found["errors"]:
        wrong.insert(0, f"{found['errors']} messages failed")
    if wrong:
        raise Wrong("; ".join(wrong))
    return found


# ---- what it was measured on ----


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = [line for line in _text(Path("/proc/cpuinfo")).splitlines() if line.startswith("model name")]
    processor = named[0].partition(":")[2].strip() if named else platform.machine()
    return f"{cores} cores ({processor}), {platform.system()}, Python {platform.python_version()}"


def versions(bench: Bench) -> str:
    """Of the peers that are here."""
    found = []
    package = bench.place / "node" / "node_modules"
    with_node = _text(package / "mailauth" / "package.json")
    if with_node:
        found.append(f"mailauth {json.loads(with_node)['version']}")
        found.append(f"Node {_first([package / '.bin' / 'node', '--version']).removeprefix('v')}")
    ask = "from importlib.metadata import version as v\nprint(', '.join(f'{n} {v(n)}' for n in ('dkimpy', 'pyspf', 'dnspython')))"
    found.append(_first([bench.place / "venv" / "bin" / "python", "-c", ask]))
    for program, option in (("rspamd", "--version"), ("opendkim", "-V"), ("opendmarc", "-V")):
        words = [word.strip("v,") for word in _first([program, option]).split()]
        number = next((word for word in words if word[:1].isdigit()), None)
        if number is not None:
            found.append(f"{program} {number}")
    return ", ".join(filter(None, found))


def _first(command: Sequence[str | Path]) -> str:
    """The first line that a command prints, or nothing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**os.environ, "PATH": path})
    except OSError:
        return ""
    return (done.stdout.strip() or done.stderr.strip()).partition("\n")[0].strip()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""

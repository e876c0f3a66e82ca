"""The project round the program: locks, make targets, and what holds for every test."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def locked(name: str) -> dict[str, str]:
    """Package -> version in a lock file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [re.match(r"([a-z0-9-]+)==([^ ]+)", line) for line in lines]
    return {pin[1]: pin[2] for pin in pins if pin}


def test_the_locks_hold_what_the_project_asks_for() -> None:
    run, develop = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {canonical(one) for one in PROJECT["project"]["dependencies"]} <= set(run)
    groups = [PROJECT["dependency-groups"]["dev"], *PROJECT["project"]["optional-dependencies"].values()]
    wanted = [one for group in groups for one in group]
    assert {canonical(one) for one in wanted} <= set(develop)
    assert run.items() <= develop.items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_no_index_and_has_a_hash_for_every_package(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "/home" not in text
    assert "/tmp" not in text
    entries = re.split(r"(?m)^(?=[a-z])", text)[1:]
    assert {entry.partition("==")[0] for entry in entries} == set(locked(name))  # some twice, by Python version
    assert all("--hash=sha256:" in entry for entry in entries)


def test_make_help_lists_every_target() -> None:
    text = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout
    for target in ("venv", "demo", "test", "lint", "types", "format", "lock", "clean"):
        assert f"make {target} " in text


def test_continuous_integration_runs_the_tests() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_in_ci_and_nowhere_else(tmp_path: Path, ci: str, status: int) -> None:
    (tmp_path / "test_skips.py").write_text("import pytest\ndef test_it():\n    pytest.skip('for no reason')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout
    assert ("skipped, which CI counts as a failure: Skipped: for no reason" in done.stdout) == (ci == "true")


def test_no_test_reaches_the_network() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        with pytest.raises(RuntimeError, match="reaches for the network"):
            udp.sendto(b"x", ("192.0.2.1", 53))
        with pytest.raises(RuntimeError, match="reaches for the network"):
            udp.connect(("192.0.2.1", 53))
        udp.connect(("127.0.0.1", 53))
    with pytest.raises(RuntimeError, match="in the real DNS"):
        socket.getaddrinfo("mx.example", 25)

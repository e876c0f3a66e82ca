"""A Debian of its own, empty and without a network, with systemd as its first process.

    with Machine() as machine:
        machine.run("apt-get install -y postfix")
        with machine.network():
            smtplib.SMTP("127.0.0.1", source_address=("192.0.2.10", 0))

What it is made of lies in ``build/machine`` (``tests/machine.sh``).  The sources are at ``SOURCES`` in it.
Debian package: systemd-container.  Needs root.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.mailserver import HOST, PATH, ROOT

MADE_OF = ROOT / "build" / "machine"
SOURCES = "/usr/src/mailverdict"
CLIENT = "192.0.2.10"  # an address of the machine that is not loopback
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_NO_INDEX": "1",  # the wheels that lie there are what a network would give
    "PIP_FIND_LINKS": "/wheels",
    "SYSTEMD_PAGER": "",
}
_CLONE_NEWNET = 0x40000000


def needed() -> None:
    """Skip, which CI counts as a failure, where there can be no such machine."""
    if shutil.which("systemd-nspawn") is None:
        pytest.skip("systemd-nspawn is not installed: apt-get install --no-install-recommends systemd-container")
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    if not (MADE_OF / "debian.tar").exists():
        pytest.skip("build/machine/debian.tar is not there: sh tests/machine.sh build/machine python3")


class Machine:
    """One at a time: a second one waits."""

    def __enter__(self) -> Machine:
        self._stack = contextlib.ExitStack()
        with self._stack:
            self._lock()
            self.root = self._disk()
            subprocess.run(["tar", "-xf", MADE_OF / "debian.tar", "-C", self.root], check=True)
            (self.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
            (self.root / "etc/hostname").write_text(f"{HOST}\n")
            (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {HOST} mx\n")
            (self.root / "etc/mailname").write_text(f"{HOST}\n")
            self._boot()
            self.run(f"ip addr add {CLIENT}/32 dev lo")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _lock(self) -> None:
        """Two of them would take the same control group."""
        lock = self._stack.enter_context((Path(tempfile.gettempdir()) / "mailverdict-machine.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)

    def _disk(self) -> Path:
        """A folder in memory: to write it and to take it away again takes no time."""
        root = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="machine-")))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g,mode=755", "machine", root], check=True)
        self._stack.callback(subprocess.run, ["umount", "--lazy", root], check=True)
        return root

    def _boot(self) -> None:
        words = ["systemd-nspawn", "--quiet", "--boot", "--directory", str(self.root), "--hostname", HOST]
        words += ["--private-network", "--register=no", "--keep-unit", "--resolv-conf=off", "--console=pipe"]
        words += ["--timezone=off", "--suppress-sync=yes"]
        words += [f"--bind-ro={ROOT}:{SOURCES}", f"--bind-ro={MADE_OF / 'wheels'}:/wheels"]
        with (self.root / "boot.log").open("wb") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._stack.callback(self._halt, process)
        end = time.monotonic() + 60
        while True:
            self._first = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[:1]
            if self._first and self._inside("systemctl is-system-running").stdout.strip() == "running":
                return
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the machine does not start: {self.read('boot.log').decode('utf-8', 'replace')[-2000:]}")
            time.sleep(0.1)

    @staticmethod
    def _halt(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _inside(self, script: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "--target", self._first[0], "--all", "--root", "--wd", "--"]
        words = ["env", "-i", *(f"{key}={value}" for key, value in ENVIRONMENT.items()), "sh", "-euc", script]
        return subprocess.run(enter + words, env={"PATH": PATH}, capture_output=True, text=True, timeout=300)

    def run(self, script: str) -> str:
        """What root types, one line after the other; what it printed."""
        done = self._inside(f"cd {SOURCES}\n{script}")
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def write(self, path: str, text: str) -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self, path: str) -> bytes:
        return (self.root / path.lstrip("/")).read_bytes()

    def size(self, path: str) -> int:
        """Octets of a file, 0 where there is none."""
        place = self.root / path.lstrip("/")
        return place.stat().st_size if place.exists() else 0

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Sockets that this thread opens within, and threads that it starts, are in the machine's network."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(descriptor: int) -> None:
            if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

        here, there = Path("/proc/thread-self/ns/net"), Path(f"/proc/{self._first[0]}/ns/net")
        with here.open() as ours, there.open() as theirs:
            enter(theirs.fileno())
            try:
                yield
            finally:
                enter(ours.fileno())

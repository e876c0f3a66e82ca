"""The milter as a process: sockets, start-up refusals, rights, workers, signals, metrics."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.milterclient import Closed, Session, frame
from verify.fronts import milter_sockets
from verify.fronts.console import Failure
from verify.fronts.milter_report import Log
from verify.serving import LogFormat

ROOT = Path(__file__).resolve().parent.parent
GOOD = b"From: a@legit.example\r\nSubject: x\r\n\r\nbody\r\n"
START = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); from verify.fronts.cli import main; main()"


class Process:
    """``mailverdict milter`` with options; ``errors``: what it says."""

    def __init__(self, folder: Path, *args: str, code: str | None = None, **more: Any) -> None:
        self.log = folder / "log"
        start = ["-m", "verify"] if code is None else ["-c", code]
        environ = {**os.environ, "XDG_CONFIG_HOME": str(folder), "PYTHONPATH": str(ROOT), **more.pop("environ", {})}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *start, "milter", "--dns", "none", *args],
                cwd=folder,
                env=environ,
                stderr=log,
                stdout=log,
                **more,
            )

    @property
    def errors(self) -> str:
        return self.log.read_text()

    def ready(self) -> None:
        until(lambda: "event=started" in self.errors or self.process.poll() is not None)
        assert self.process.poll() is None, self.errors

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def one(*args: str, **more: Any) -> Process:
        running.append(Process(tmp_path, *args, **more))
        return running[-1]

    yield one
    for process in running:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait(10)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
        return port


def works(where: Any) -> bool:
    with Session(where) as smtp:
        return smtp.message(GOOD).kind == b"c"


def test_a_unix_socket_has_its_mode_and_goes_with_the_process(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    (tmp_path / "c.toml").write_text('[milter]\nsocket-mode = "0600"\n')
    process = start("--listen", f"unix:{path}", "--config", "c.toml")
    process.ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert works(str(path))
    assert process.stop() == 0
    assert not path.exists()
    assert "event=stopped" in process.errors


@pytest.mark.parametrize(
    ("form", "host"),
    [("inet:{}@127.0.0.1", "127.0.0.1"), ("inet:127.0.0.1:{}", "127.0.0.1"), ("inet:{}@localhost", "127.0.0.1")],
)
def test_internet_sockets_in_every_spelling(start: Any, form: str, host: str) -> None:
    port = free_port(host)
    process = start("--listen", form.format(port))
    process.ready()
    assert works((host, port))


def test_several_sockets_over_ipv6_too(start: Any, tmp_path: Path) -> None:
    port = free_port("::1")
    process = start("--listen", f"inet:{port}@::1", "--listen", f"unix:{tmp_path}/m.sock")
    process.ready()
    assert works(str(tmp_path / "m.sock"))
    with socket.create_connection(("::1", port), 5) as one:
        one.sendall(frame(b"O", b"\0\0\0\6" + b"\0\0\1\xff" + b"\0\x1f\xff\xff"))
        assert one.recv(100)[4:5] == b"O"


def test_a_socket_that_nobody_listens_on_is_replaced(start: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    process = start("--listen", f"unix:{path}")
    process.ready()
    assert works(str(path))


def refused(process: Process) -> str:
    assert process.process.wait(20) == 2
    (line,) = process.errors.splitlines()
    assert line.startswith("mailverdict: ")
    return line


def test_what_cannot_work_is_refused_at_start_in_one_line(start: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as used, socket.socket() as taken:
        used.bind(str(tmp_path / "used"))
        used.listen()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "file").write_text("precious")
        for args, told in (
            ((), "nothing to listen on"),
            (("--listen", f"unix:{tmp_path}/used"), "is in use"),
            (("--listen", f"unix:{tmp_path}/file"), "is no socket"),
            (("--listen", f"unix:{tmp_path}/no/such/m.sock"), "No such file"),
            (("--listen", f"inet:{taken.getsockname()[1]}@127.0.0.1"), "is in use"),
            (("--listen", "inet:8891@192.0.2.1"), "Cannot assign"),
            (("--listen", "inet:8891"), "--listen: "),
            (("--listen", f"unix:{tmp_path}/m", "--user", "no-such-user"), "no such user"),
            (("--listen", f"unix:{tmp_path}/m", "--workers", "0"), "--workers: 0"),
            (("--listen", f"unix:{tmp_path}/m", "--dns", "missing.jsonl"), "missing.jsonl: No such file"),
            (("--listen", f"unix:{tmp_path}/m", "--config", "missing.toml"), "missing.toml"),
            (("--listen", f"unix:{tmp_path}/m", "--record", "x"), "record"),
        ):
            (tmp_path / "log").unlink(missing_ok=True)
            assert told in refused(start(*args)), args
        assert (tmp_path / "file").read_text() == "precious"


def test_the_configuration_can_be_checked_alone(start: Any, tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text('[milter]\nlisten = "inet:8891@127.0.0.1"\n[policy]\non-reject = "reject"\n')
    (tmp_path / "bad.toml").write_text('[policy]\non-reject = "bounce"\n')
    good = start("--check-config", "--config", "good.toml")
    assert good.process.wait(20) == 0
    assert good.errors == (
        "mailverdict: the configuration is good; on-error is not set and the policy enforces something, "
        "so that a message which cannot be judged is deferred\n"
    )
    for more in ('on-error = "accept"\n', 'on-error = "tempfail"\n', "policy = {}\n"):
        rest = "" if more.startswith("policy") else '[policy]\non-reject = "reject"\n'
        (tmp_path / "said.toml").write_text(more + '[milter]\nlisten = "inet:8891@127.0.0.1"\n' + rest)
        (tmp_path / "log").unlink()
        said = start("--check-config", "--config", "said.toml")
        assert said.process.wait(20) == 0
        assert said.errors == "mailverdict: the configuration is good\n"
    (tmp_path / "log").unlink()
    assert 'policy.on-reject: "bounce" is none of add, quarantine, defer, reject' in refused(
        start("--check-config", "--config", "bad.toml")
    )


def test_sockets_that_systemd_hands_over_are_used_and_it_hears_when_we_are_ready(start: Any, tmp_path: Path) -> None:
    with socket.socket() as handed, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        handed.bind(("127.0.0.1", 0))
        handed.listen()
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(20)
        environ = {"LISTEN_FDS": "1", "NOTIFY_SOCKET": str(tmp_path / "notify")}
        if handed.fileno() != 3:
            os.dup2(handed.fileno(), 1003)
        code = f"import os; os.dup2({handed.fileno()}, 3)\n{START}"
        process = start(code=code, environ=environ, pass_fds=(handed.fileno(),))
        assert notify.recv(100) == b"READY=1"
        assert works(handed.getsockname())
        process.process.terminate()
        assert notify.recv(100) == b"STOPPING=1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_rights_are_dropped_once_the_sockets_are_open(start: Any, tmp_path: Path, workers: str) -> None:
    path = tmp_path / "m.sock"
    environ = {"MAILVERDICT_CONFIG": os.devnull}
    process = start("--listen", f"unix:{path}", "--user", "nobody", "--workers", workers, environ=environ)
    process.ready()
    assert works(str(path))
    for pid in (process.process.pid, *process.children()):
        words = re.search(r"^Uid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
        assert words is not None
        assert set(words[1].split()) != {"0"}


def test_whoever_is_not_root_cannot_become_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(Failure, match="only root"):
        milter_sockets.drop_privileges("root")


def test_messages_under_way_come_to_their_end_at_sigterm(start: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "m.sock")
    process = start("--listen", f"unix:{path}")
    process.ready()
    with Session(path) as busy, Session(path) as idle:
        busy.connect()
        busy.begin()
        busy.headers(b"From: a@legit.example\r\n")
        idle.connect()
        process.process.terminate()
        until(lambda: not Path(path).exists() or not _accepts(path))
        time.sleep(0.3)
        busy.end_of_headers()
        busy.body(b"body")
        assert busy.end().kind == b"c"
        assert busy.is_closed()
        assert idle.is_closed(), "it had no message under way"
    assert process.process.wait(20) == 0


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(path)
        except OSError:
            return False
        return True


def test_a_worker_that_dies_is_replaced_and_none_outlives_its_parent(start: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "m.sock")
    process = start("--listen", f"unix:{path}", "--workers", "2")
    until(lambda: process.errors.count("event=started") == 2)
    first = process.children()
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    until(lambda: process.errors.count("event=started") == 3)
    assert works(str(path))
    workers = process.children()
    process.process.kill()
    process.process.wait(10)
    until(lambda: not any(_alive(pid) for pid in workers))


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_workers_reload_and_stop_together(start: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "m.sock")
    process = start("--listen", f"unix:{path}", "--workers", "3")
    until(lambda: process.errors.count("event=started") == 3)
    process.process.send_signal(signal.SIGHUP)
    until(lambda: process.errors.count("event=reload result=taken") == 3)
    assert process.stop() == 0
    assert process.errors.count("event=stopped") == 3


@pytest.mark.parametrize("workers", ["1", "2"])
def test_metrics_count_over_all_workers(start: Any, tmp_path: Path, workers: str) -> None:
    port, path = free_port(), str(tmp_path / "m.sock")
    (tmp_path / "c.toml").write_text(f'[milter]\nmetrics = "127.0.0.1:{port}"\n')
    process = start("--listen", f"unix:{path}", "--config", "c.toml", "--workers", workers)
    until(lambda: process.errors.count("event=started") == int(workers))
    for _ in range(6):
        assert works(path)
    with Session(path) as smtp:
        smtp.send(b"\xff" * 8)
        with contextlib.suppress(Closed):
            smtp.get()

    def shown() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    until(lambda: 'mailverdict_errors_total{kind="protocol"} 1.0' in shown())
    text = shown()
    assert 'mailverdict_messages_total{conclusion="undetermined",reason="not-recorded"} 6.0' in text
    assert 'mailverdict_actions_total{action="add",reason="nothing-enforced"} 6.0' in text
    assert "mailverdict_message_seconds_count 6.0" in text
    assert re.search(r"^mailverdict_messages_waiting 0\.0$", text, re.M)
    if workers == "2":
        os.kill(process.children()[0], signal.SIGKILL)
        until(lambda: process.errors.count("event=started") == 3)
        assert works(path)
        until(lambda: "mailverdict_message_seconds_count 7.0" in shown())


# ---- the log ----


class Stream:
    def __init__(self) -> None:
        self.written = b""

    def write(self, octets: bytes) -> int:
        self.written += octets
        return len(octets)

    def flush(self) -> None: ...


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_line_of_the_log_is_one_line_whatever_it_tells(form: LogFormat) -> None:
    stream = Stream()
    log = Log(stream, form)  # type: ignore[arg-type]
    log.put("message", helo='a b="\n\x1b[2J\u202e\\', sender="\udcff", dkim=["x\ny", "z"], nothing=None, empty="")
    log.close()
    assert stream.written.count(b"\n") == 1
    assert stream.written.endswith(b"\n")
    assert b"\x1b" not in stream.written
    assert "\u202e".encode() not in stream.written
    assert b"x\\ny" not in stream.written


def test_a_reader_of_the_log_that_is_stuck_delays_nobody() -> None:
    class Stuck(Stream):
        def write(self, octets: bytes) -> int:
            time.sleep(60)
            return 0

    log = Log(Stuck())  # type: ignore[arg-type]
    began = time.monotonic()
    for _ in range(11_000):
        log.put("x")
    log.close(0.1)
    assert time.monotonic() - began < 5
    assert log.dropped > 0

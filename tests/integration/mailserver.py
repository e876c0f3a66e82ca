"""A Postfix of its own on loopback, with everything below one folder, and a sink that mail is delivered to.

    with Sink() as sink, Postfix(folder, sink, {"plain": "inet:127.0.0.1:9000"}) as postfix:
        with postfix.client("plain", ip="192.0.2.10") as smtp:
            smtp.sendmail("a@b.example", ["u@r.example"], raw)
        sink.wait(1)

Debian package: postfix.  Needs root, as Postfix does.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import smtplib
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
ROOT = Path(__file__).resolve().parents[2]
HOST = "mx.r.example"


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
        return port


def needed() -> None:
    """Skip, or fail in CI, where Postfix cannot run."""
    problem = None
    if shutil.which("postfix", path=PATH) is None:
        problem = "postfix is not installed: apt-get install --no-install-recommends postfix"
    elif os.geteuid() != 0:
        problem = "a Postfix of its own needs root"
    if problem is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(problem)
        pytest.skip(problem)


class Sink:
    """An LMTP server that keeps what it is given: ``messages``, as octets with CRLF line ends."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._lock = threading.Condition()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    self.talk()

            def talk(self) -> None:
                self.wfile.write(b"220 sink\r\n")
                recipients = 0
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"LHLO":
                        self.wfile.write(b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n")
                    elif verb == b"RCPT":
                        recipients += 1
                        self.wfile.write(b"250 ok\r\n")
                    elif verb == b"DATA":
                        self.wfile.write(b"354 go\r\n")
                        lines = []
                        while (line := self.rfile.readline()) != b".\r\n":
                            lines.append(line[1:] if line.startswith(b".") else line)
                        with sink._lock:
                            sink.messages.append(b"".join(lines))
                            sink._lock.notify_all()
                        self.wfile.write(b"250 ok\r\n" * recipients)
                        recipients = 0
                    elif verb == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    else:
                        self.wfile.write(b"250 ok\r\n")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 100

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        with self._lock:
            self.messages.clear()

    def wait(self, count: int, seconds: float = 30) -> list[bytes]:
        """Until ``count`` messages are there."""
        with self._lock:
            self._lock.wait_for(lambda: len(self.messages) >= count, seconds)
            assert len(self.messages) >= count, f"{len(self.messages)} of {count} messages were delivered"
            return list(self.messages)


class Postfix:
    """``milters``: name -> address of a milter, or nothing; each has an SMTP port of its own.  ``options``: name -> more."""

    SERVICES: ClassVar[str] = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(
        self, folder: Path, sink: Sink, milters: dict[str, str], options: dict[str, dict[str, str]] | None = None
    ) -> None:
        folder.chmod(0o755)
        self.config = folder / "etc"
        self.queue = folder / "spool"
        self.log = folder / "mail.log"
        self.ports = {name: free_port() for name in milters}
        for one in (self.config, self.queue, folder / "data"):
            one.mkdir()
        shutil.chown(folder / "data", "postfix")
        (self.config / "main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {self.queue}
data_directory = {folder / "data"}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {self.log}
maillog_file_prefixes = {folder}
myhostname = {HOST}
mydestination =
mynetworks = 192.0.2.254/32
relay_domains = r.example
relay_transport = lmtp:inet:127.0.0.1:{sink.port}
local_transport = error:none
alias_maps =
inet_interfaces = 127.0.0.1, ::1
inet_protocols = all
smtpd_peername_lookup = no
smtpd_authorized_xclient_hosts = 127.0.0.0/8, [::1]/128
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = reject_unauth_destination
message_size_limit = 60000000
default_process_limit = 150
lmtp_destination_concurrency_limit = 5
minimal_backoff_time = 1h
milter_default_action = tempfail
milter_connect_timeout = 5s
""")
        services = [self.SERVICES]
        for name, where in milters.items():
            # Without an address the service has the milter that stands in main.cf.
            more = ({"smtpd_milters": where} if where else {}) | (options or {}).get(name, {})
            words = " ".join(f"-o {key}={value}" for key, value in more.items())
            services += [f"{host}:{self.ports[name]} inet n - n - - smtpd {words}\n" for host in ("127.0.0.1", "[::1]")]
        (self.config / "master.cf").write_text("".join(services))

    def command(self, *words: str) -> str:
        done = subprocess.run(words, env={"PATH": PATH}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.told()}"
        return done.stdout

    def told(self) -> str:
        return self.log.read_text("utf-8", "replace")[-5000:] if self.log.exists() else ""

    def __enter__(self) -> Postfix:
        self.command("postfix", "-c", str(self.config), "start")
        end = time.monotonic() + 20
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < end, self.told()
                    time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        pid = (self.queue / "pid" / "master.pid").read_text().strip()
        subprocess.run(["postfix", "-c", str(self.config), "stop"], env={"PATH": PATH}, capture_output=True, timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)

    def client(
        self, name: str, ip: str = "192.0.2.10", helo: str = "mail.legit.example", host: str = "127.0.0.1"
    ) -> smtplib.SMTP:
        """A client from ``ip``, who has greeted."""
        smtp = smtplib.SMTP(host, self.ports[name], local_hostname=helo, timeout=60)
        smtp.ehlo()
        address = f"IPV6:{ip}" if ":" in ip else ip
        code, text = smtp.docmd("XCLIENT", f"NAME=[UNAVAILABLE] ADDR={address} HELO={helo}")
        assert code == 220, text
        smtp.ehlo()
        return smtp

    def files(self, queue: str) -> list[Path]:
        """The messages that lie in a queue."""
        return [path for path in (self.queue / queue).rglob("*") if path.is_file()]

    def held(self) -> list[str]:
        """What lies in the hold queue, as text; it is taken away."""
        shown = []
        for path in self.files("hold"):
            shown.append(self.command("postcat", "-c", str(self.config), "-bh", str(path)))
            path.unlink()
        return shown


def ours(delivered: bytes) -> tuple[bytes, bytes]:
    """Our field on top of a delivered message, and the message without it and without Postfix's Received."""
    parts = re.match(
        rb"(Authentication-Results: mx\.r\.example(?:.*\r\n)(?:[ \t].*\r\n)*)?Received: .*\r\n(?:[ \t].*\r\n)*",
        delivered,
    )
    assert parts is not None, delivered[:500]
    return parts[1] or b"", delivered[parts.end() :]


class Milter:
    """``mailverdict milter`` as a process; ``text``: its configuration, which stands in ``path``."""

    def __init__(self, folder: Path, name: str, text: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.path = folder / f"{name}.toml"
        self.output = folder / f"{name}.log"
        self.path.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def where(self) -> str:
        return f"inet:127.0.0.1:{self.port}"

    def __enter__(self) -> Milter:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            assert self.stop() == 0, self.told()

    def start(self, output: Path | None = None) -> None:
        with (output or self.output).open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "verify", "milter", "--config", str(self.path), "--listen", self.where],
                cwd=ROOT,
                stderr=log,
                stdout=log,
            )
        end = time.monotonic() + 20
        while True:
            assert self.process.poll() is None, self.told()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, self.told()
                time.sleep(0.05)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(60)
        self.process = None
        return status

    def told(self) -> str:
        return self.output.read_text("utf-8", "replace")[-5000:] if self.output.exists() else ""

    @property
    def memory(self) -> int:
        """KiB in use, of the process and its workers."""
        assert self.process is not None
        pids = [self.process.pid]
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids += [int(pid) for pid in children.read_text().split()]
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return sum(int(found[1]) for text in texts if (found := re.search(r"VmRSS:\s+(\d+)", text)))

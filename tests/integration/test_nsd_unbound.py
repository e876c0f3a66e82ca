"""Live answers through real name servers: nsd with a zone, unbound before it, both on loopback and on free ports.

Debian packages: nsd, unbound.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import time

import pytest

from verify.lookup.live import LiveResolver
from verify.model import Cause, Outcome, Question

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
KEY = "v=DKIM1; k=rsa; p=" + "A" * 4000
ZONE = f"""\
$ORIGIN .
$TTL 300
@ SOA ns. hostmaster. 1 7200 900 1209600 60
@ NS ns.
ns A 127.0.0.1
a.example A 192.0.2.2
a.example A 192.0.2.1
a.example AAAA 2001:db8::1
a.example MX 20 mx2.example
a.example MX 10 mx.example
a.example TXT "v=spf1 " "ip4:192.0.2.0/24 -all"
null.example MX 0 .
*.wild.example TXT "wild"
alias.example CNAME other.example
other.example CNAME a.example
loop1.example CNAME loop2.example
loop2.example CNAME loop1.example
dangling.example CNAME absent.example
jack&jill=up.example A 127.0.0.2
8.2.0.192.in-addr.arpa PTR host.a.example
k._domainkey.example TXT {" ".join(f'"{KEY[i : i + 200]}"' for i in range(0, len(KEY), 200))}
dead.example NS ns.dead.example
ns.dead.example A 127.0.0.127
"""


def free_port():
    """A port that is free for UDP and for TCP: one free for the first may be taken for the second."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("no port is free for both UDP and TCP")


def program(name):
    found = shutil.which(name, path=PATH)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed (Debian package {name})")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install --no-install-recommends {name}")
    return found


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Ports of (nsd, unbound)."""
    programs = program("nsd"), program("unbound")
    folder = tmp_path_factory.mktemp("dns")
    nsd, unbound = free_port(), free_port()
    (folder / "root.zone").write_text(ZONE)
    (folder / "nsd.conf").write_text(
        f"""
server:
  ip-address: 127.0.0.1@{nsd}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  logfile: "{folder}/nsd.log"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: root.zone
"""
    )
    (folder / "unbound.conf").write_text(
        f"""
server:
  interface: 127.0.0.1@{unbound}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  logfile: "{folder}/unbound.log"
  use-syslog: no
  num-threads: 1
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "2.0.192.in-addr.arpa." nodefault
  access-control: 127.0.0.0/8 allow
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@{nsd}
"""
    )
    commands = ([programs[0], "-d", "-c"], folder / "nsd.conf"), ([programs[1], "-d", "-c"], folder / "unbound.conf")
    running = []
    try:
        for command, conf in commands:
            log = (folder / (conf.stem + ".out")).open("wb")
            with log:
                running.append(subprocess.Popen([*command, str(conf)], stdout=log, stderr=log))
        for port in (nsd, unbound):
            wait_for(port, folder)
        yield nsd, unbound
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def wait_for(port, folder):
    resolver = LiveResolver([f"127.0.0.1:{port}"], timeout=0.5)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        (answer,) = resolver.resolve([Question("a.example", "A")])
        if answer.outcome is Outcome.FOUND:
            return
        time.sleep(0.1)
    pytest.fail("no answer from port {}: {}".format(port, [p.read_text() for p in folder.glob("*.[lo][ou][gt]")]))


@pytest.fixture(params=["nsd", "unbound"])
def server(request, servers):
    return f"127.0.0.1:{servers[request.param == 'unbound']}"


@pytest.fixture(params=["sync", "async"])
def ask(request):
    def run(server, name, rdtype="A"):
        resolver, question = LiveResolver([server], timeout=3), Question(name, rdtype)
        if request.param == "sync":
            return resolver.resolve([question])[0]
        return asyncio.run(resolver.resolve_async([question]))[0]

    return run


@pytest.mark.parametrize(
    ("name", "rdtype", "records"),
    [
        ("a.example", "A", (b"192.0.2.1", b"192.0.2.2")),
        ("a.example", "AAAA", (b"2001:db8::1",)),
        ("a.example", "MX", (b"10 mx.example", b"20 mx2.example")),
        ("a.example", "TXT", (b"v=spf1 ip4:192.0.2.0/24 -all",)),
        ("null.example", "MX", (b"0 .",)),
        ("x.y.wild.example", "TXT", (b"wild",)),
        ("alias.example", "A", (b"192.0.2.1", b"192.0.2.2")),
        ("jack&jill=up.example", "A", (b"127.0.0.2",)),
        ("8.2.0.192.in-addr.arpa", "PTR", (b"host.a.example",)),
        ("k._domainkey.example", "TXT", (KEY.encode(),)),  # over TCP
    ],
)
def test_records_are_found(ask, server, name, rdtype, records):
    answer = ask(server, name, rdtype)
    assert (answer.outcome, answer.records, answer.cause, answer.ad) == (Outcome.FOUND, records, None, False)
    assert 0 < answer.ttl <= 300


@pytest.mark.parametrize(
    ("name", "rdtype", "outcome"),
    [
        ("absent.example", "A", Outcome.NXDOMAIN),
        ("dangling.example", "A", Outcome.NXDOMAIN),
        ("a.example", "PTR", Outcome.NODATA),
        ("_domainkey.example", "TXT", Outcome.NODATA),
        ("alias.example", "PTR", Outcome.NODATA),
        ("x.wild.example", "A", Outcome.NODATA),
    ],
)
def test_denials_stay_apart_and_carry_a_ttl(ask, server, name, rdtype, outcome):
    answer = ask(server, name, rdtype)
    assert (answer.outcome, answer.records, answer.cause) == (outcome, (), None)
    assert 0 < answer.ttl <= 60


def test_a_cname_loop_is_a_failure(ask, server):
    answer = ask(server, "loop1.example")
    assert answer.outcome is Outcome.TEMPORARY
    assert answer.cause in (Cause.MALFORMED, Cause.SERVFAIL)


def test_a_zone_whose_servers_do_not_serve_it_is_a_failure(ask, server):
    answer = ask(server, "www.dead.example")
    assert (answer.outcome, answer.records) == (Outcome.TEMPORARY, ())
    assert answer.cause in (Cause.SERVFAIL, Cause.REFUSED, Cause.TIMEOUT)

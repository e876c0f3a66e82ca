"""Sockets to listen on, and the rights to do without once they are open."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from verify.grammar.visible import one_line
from verify.serving import Listen, Serving

from .console import Failure

BACKLOG = 512
_FIRST_FD = 3  # sd_listen_fds(3)


def open_sockets(serving: Serving, environ: Mapping[str, str]) -> list[socket.socket]:
    """The sockets that the configuration names, or those that systemd hands over.  ``Failure`` in one line."""
    handed = _handed_over(environ)
    if not serving.listen and not handed:
        raise Failure("nothing to listen on: give --listen, or a socket unit")
    found = list(handed)
    try:
        for listen in serving.listen:
            with _told(listen):
                found += _unix(listen.path, serving) if listen.path is not None else _inet(listen)
    except Failure:
        for one in found:
            one.close()
        raise
    return found


@contextmanager
def _told(listen: Listen) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        why = "is in use" if problem.errno == errno.EADDRINUSE else problem.strerror or str(problem)
        raise Failure(f"{one_line(listen.text)}: {one_line(why)}") from None


def _handed_over(environ: Mapping[str, str]) -> list[socket.socket]:
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "")
    if not count.isdecimal():
        return []
    try:
        return [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + int(count))]
    except OSError as problem:
        raise Failure(f"the sockets handed over by systemd cannot be used: {problem.strerror}") from None


def _inet(listen: Listen) -> list[socket.socket]:
    try:
        places = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        raise Failure(f"{one_line(listen.text)}: no such host") from None
    family, kind, proto, _, where = places[0]
    one = socket.socket(family, kind, proto)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(where)
        one.listen(BACKLOG)
    except OSError:
        one.close()
        raise
    return [one]


def _unix(path: str, serving: Serving) -> list[socket.socket]:
    _make_room(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # nobody else gets in before the mode is right
    try:
        one.bind(path)
    except OSError:
        one.close()
        raise
    finally:
        os.umask(mask)
    try:
        user, group = serving.owner
        if user or group:
            os.chown(path, _uid(user) if user else -1, _gid(group) if group else -1)
        elif serving.user is not None:
            os.chown(path, _uid(serving.user), -1)
        Path(path).chmod(serving.socket_mode)
        one.listen(BACKLOG)
    except (OSError, Failure):
        one.close()
        Path(path).unlink()
        raise
    return [one]


def _make_room(path: str) -> None:
    """Take away a socket that nobody listens on any more; anything else at that place is left alone."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "is there already, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except TimeoutError:
            pass
    raise OSError(errno.EADDRINUSE, "in use")


def remove_sockets(serving: Serving) -> None:
    """Take our UNIX sockets away at the end, where the rights that are left allow it."""
    for listen in serving.listen:
        if listen.path is not None:
            with suppress(OSError):
                Path(listen.path).unlink()


def _uid(name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise Failure(f'no such user: "{one_line(name)}"') from None


def _gid(name: str) -> int:
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Failure(f'no such group: "{one_line(name)}"') from None


def drop_privileges(name: str) -> None:
    """Become ``name``, with its groups, for good."""
    import pwd

    uid = _uid(name)
    if os.geteuid() == uid:
        return
    if os.geteuid() != 0:
        raise Failure(f'only root can become another user ("{one_line(name)}")')
    gid = pwd.getpwuid(uid).pw_gid
    os.initgroups(name, gid)
    os.setgid(gid)
    os.setuid(uid)


def tell_systemd(state: str, environ: Mapping[str, str]) -> None:
    """sd_notify(3): ``READY=1`` and the like, where somebody listens."""
    where = environ.get("NOTIFY_SOCKET")
    if not where:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.connect("\0" + where[1:] if where.startswith("@") else where)
        one.send(state.encode())

"""Sections ``[milter]`` and ``[policy]`` of the configuration, checked and parsed."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from .config import Config, ConfigError, MilterOptions, PolicyOptions, Texts, network, quote, texts
from .disposition import Policy
from .grammar import names
from .model import ActionKind, Network

E = TypeVar("E", bound=StrEnum)


class OnError(StrEnum):
    """What becomes of a message when judging it fails through a fault of ours."""

    ACCEPT = "accept"  # it goes on, without a field of ours and without forged ones
    TEMPFAIL = "tempfail"  # the client is asked to try again


class LogFormat(StrEnum):
    PLAIN = "plain"
    JSON = "json"


class Listen(Struct, frozen=True):
    """A place to listen on: ``path`` of a UNIX socket, or ``host`` and ``port``.  ``text``: as written."""

    text: str
    path: str | None = None
    host: str = ""
    port: int = 0


class Serving(Struct, frozen=True, kw_only=True):
    """How the milter runs.  ``owner``: names of user and group, empty for none."""

    listen: tuple[Listen, ...]
    socket_mode: int
    owner: tuple[str, str]
    user: str | None
    workers: int
    time_budget: float
    drain_seconds: float
    spool_octets: int
    authenticated_pass: bool
    dry_run: bool
    log_format: LogFormat
    metrics: tuple[str, int] | None
    on_error: OnError
    own_networks: tuple[Network, ...]
    policy: Policy


def serving(config: Config) -> Serving:
    """What the milter needs of ``config`` beside what judging needs; ``ConfigError`` names the key."""
    options = config.milter
    enforced = policy(config.policy)
    if config.record is not None:
        raise ConfigError("record", "is not for a milter, which runs for long; record with check or batch")
    return Serving(
        listen=tuple(_listen(text) for text in texts("milter.listen", options.listen)),
        socket_mode=_mode(options.socket_mode),
        owner=_owner(options.socket_owner),
        user=options.user,
        workers=_whole(options, "workers", 1, 64),
        time_budget=_seconds(options, "time_budget"),
        drain_seconds=_seconds(options, "drain_seconds"),
        spool_octets=_whole(options, "spool_octets", 0, 1 << 40),
        authenticated_pass=options.authenticated_pass,
        dry_run=options.dry_run,
        log_format=_word("milter.log-format", LogFormat, options.log_format),
        metrics=None if options.metrics is None else _endpoint(options.metrics),
        on_error=on_error(config, enforces=enforced.enforces),
        own_networks=tuple(network("trust-network", text) for text in texts("trust-network", config.trust_network)),
        policy=enforced,
    )


def on_error(config: Config, *, enforces: bool = False) -> OnError:
    """Where nothing is said, ``accept``; but what might have been rejected is not let in because we failed."""
    if config.on_error is None:
        return OnError.TEMPFAIL if enforces else OnError.ACCEPT
    return _word("on-error", OnError, config.on_error)


def policy(options: PolicyOptions) -> Policy:
    """The policy that a milter applies, and that ``batch --policy`` rehearses."""
    tag = options.subject_tag
    if tag is not None and not re.fullmatch(r"[ -~]{1,60}", tag):
        raise ConfigError("policy.subject-tag", f"{quote(tag)} is not 1 to 60 printable ASCII characters")
    field = options.warning_field
    if field is not None and not re.fullmatch(r"[Xx]-[A-Za-z0-9-]{1,60}", field):
        raise ConfigError("policy.warning-field", f"{quote(field)} is not the name of a field that begins with X-")
    return Policy(
        on_quarantine=_word("policy.on-quarantine", ActionKind, options.on_quarantine),
        on_reject=_word("policy.on-reject", ActionKind, options.on_reject),
        on_dns=None if options.on_dns is None else _word("policy.on-dns", ActionKind, options.on_dns),
        mailing_lists=_domains("policy.mailing-lists", options.mailing_lists),
        except_domains=_domains("policy.except-domains", options.except_domains),
        except_networks=tuple(
            network("policy.except-networks", text) for text in texts("policy.except-networks", options.except_networks)
        ),
        except_recipients=tuple(
            _recipient(text) for text in texts("policy.except-recipients", options.except_recipients)
        ),
        subject_tag=tag,
        warning_field=field,
    )


def _word(key: str, kind: type[E], text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(key, f"{quote(text)} is none of {', '.join(kind)}") from None


def _whole(options: MilterOptions, name: str, least: int, most: int) -> int:
    value: int = getattr(options, name)
    if not least <= value <= most:
        raise ConfigError("milter." + name.replace("_", "-"), f"{value} is not between {least} and {most}")
    return value


def _seconds(options: MilterOptions, name: str) -> float:
    value: float = getattr(options, name)
    if not 0 < value <= 3600:
        raise ConfigError("milter." + name.replace("_", "-"), f"{value:g} is not between 0 and 3600 seconds")
    return float(value)


def _listen(text: str) -> Listen:
    """``unix:PATH`` (also ``local:``), ``inet:PORT@HOST``, ``inet:HOST:PORT`` (also ``inet6:``)."""
    kind, _, rest = text.partition(":")
    if kind in ("unix", "local") and rest:
        if not rest.startswith("/"):
            raise ConfigError("milter.listen", f"{quote(text)}: the path of the socket does not begin with /")
        if len(rest.encode()) > 100 or "\0" in rest:
            raise ConfigError("milter.listen", f"{quote(text)}: the path of the socket is longer than 100 octets")
        return Listen(text, path=rest)
    if kind in ("inet", "inet6"):
        port, at, host = rest.partition("@")
        if not at:
            host, _, port = rest.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if host and _is_port(port):
            return Listen(text, host=host, port=int(port))
    raise ConfigError("milter.listen", f"{quote(text)} is neither unix:PATH, inet:PORT@HOST nor inet:HOST:PORT")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    ip = names.address(host.removeprefix("[").removesuffix("]"))
    if ip is None or not _is_port(port):
        raise ConfigError("milter.metrics", f"{quote(text)} is not ADDR:PORT")
    return str(ip), int(port)


def _mode(text: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ConfigError("milter.socket-mode", f"{quote(text)} is not three octal digits")
    return int(text, 8)


def _owner(text: str | None) -> tuple[str, str]:
    user, colon, group = (text or "").partition(":")
    if text is not None and not (user or group):
        raise ConfigError("milter.socket-owner", f"{quote(text)} is neither USER, USER:GROUP nor :GROUP")
    return user, group if colon else ""


def _domains(key: str, value: Texts) -> tuple[str, ...]:
    found = []
    for text in texts(key, value):
        name = names.domain_name(text)
        if name is None:
            raise ConfigError(key, f"{quote(text)} is not a domain")
        found.append(name)
    return tuple(found)


def _recipient(text: str) -> str:
    local, domain = names.split_mailbox(text)
    name = names.domain_name(domain)
    if "@" not in text or name is None:
        raise ConfigError("policy.except-recipients", f"{quote(text)} is neither ADDRESS nor @DOMAIN")
    return f"{local}@{name}"

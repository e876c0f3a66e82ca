"""What a user may set: options and ``mailverdict.toml``, read, checked, and turned into what the program works with.

``Config`` holds everything as it was written, a field for every option; nothing in it is checked.  ``resolve``,
``lookup`` and ``envelope`` check and parse, each its part, and raise ``ConfigError`` naming the key.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .grammar import names
from .grammar.visible import escape, one_line
from .model import AtMode, DmarcStandard, Envelope, Limits, Network, Profile, Settings, utc
from .profiles import builtin_profiles, load_profiles
from .suffixes import organizational_domain

FILE_NAME = "mailverdict.toml"
VARIABLE = "MAILVERDICT_CONFIG"

Texts = str | Sequence[str]


class ConfigError(ValueError):
    """An option or key that cannot be used.  ``key``: its name with hyphens, empty when it is about no one key."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key
        self.problem = problem


class MilterOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section ``[milter]``, as written.  ``serving`` checks it."""

    listen: Texts = ()  # "unix:PATH", "inet:PORT@HOST" or "inet:HOST:PORT"; none: what systemd hands over
    socket_mode: str = "0660"  # octal, of a UNIX socket
    socket_owner: str | None = None  # "USER", "USER:GROUP" or ":GROUP", of a UNIX socket
    user: str | None = None  # whom to become once the sockets are open
    workers: int = 1  # processes that share the sockets
    time_budget: float = 30.0  # seconds that a message may wait for the DNS
    drain_seconds: float = 60.0  # seconds that messages under way have after SIGTERM
    spool_octets: int = 262_144  # octets of body kept in memory; a longer one goes to a temporary file
    authenticated_pass: bool = False  # write auth=pass for clients that logged in
    dry_run: bool = False  # judge and log, change nothing
    log_format: str = "plain"  # "plain" or "json"
    metrics: str | None = None  # ADDR:PORT of the Prometheus endpoint


class PolicyOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section ``[policy]``, as written: what is done with mail by its verdict.  ``serving.policy`` checks it.

    The first three: "add" (deliver with our field), "quarantine", "defer" or "reject".
    """

    on_quarantine: str = "add"  # mail that fails DMARC under the policy quarantine
    on_reject: str = "add"  # mail that fails DMARC under the policy reject
    on_dns: str | None = None  # mail over which the DNS gave no answer; not set: defer where anything is enforced
    mailing_lists: Texts = ()  # domains that send for mailing lists
    except_domains: Texts = ()  # Author Domains, with what is below them
    except_networks: Texts = ()  # client addresses
    except_recipients: Texts = ()  # ADDRESS or @DOMAIN
    subject_tag: str | None = None  # put before the subject of failed mail that is delivered
    warning_field: str | None = None  # "X-..." field added to failed mail that is delivered


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every option by its name (``-`` as ``_``), as written.  Repeatable ones take a text or a sequence of texts.

    None means "not said": the command that runs chooses.  Keys of the configuration file are the same names, with
    ``-`` or ``_``; paths in a file are relative to its folder.
    """

    # the envelope; overrides what the header says
    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None  # "" or "<>": the null reverse-path
    rcpt_to: Texts = ()
    # the trust boundary
    receiver: Texts = "auto"  # profile names from the mailbox outwards, "auto" or "none"
    profiles: str | None = None  # a TOML file with profiles of the user's own
    trust_host: Texts = ()  # a name, or *.name for everything below it
    trust_network: Texts = ()  # CIDR or a single address
    authserv_id: str | None = None
    trust_authserv_id: Texts = ()
    trust_sealer: Texts = ()
    # time
    at: Any = None  # "receipt", "now", an RFC 3339 time, epoch seconds, or an aware datetime
    # answers
    dns: str = "live"  # "live", "none", or the path of a recording
    record: str | None = None
    resolver: Texts = ()  # ADDR or ADDR:PORT, [ADDR]:PORT for IPv6; none: the system's
    dns_timeout: float = 5.0  # seconds that one question may take, retries included
    # rules
    dmarc: str = "rfc9989"
    allow_unsigned_octets: bool = False  # count a signature with l= although octets follow
    limits: Limits = Limits()
    # mail that is handed on
    # What filter and milter do when judging fails, "accept" or "tempfail"; not set: a milter that enforces defers
    on_error: str | None = None
    milter: MilterOptions = MilterOptions()
    policy: PolicyOptions = PolicyOptions()
    # batch
    attached: bool = False  # judge the messages inside of messages, too
    workers: int | None = None  # None: one for each processor, or those of the cluster
    engine: str = "process"  # or "dask"
    scheduler: str | None = None  # address of the Dask scheduler
    dns_concurrency: int | None = None  # questions in flight, of all workers together
    dns_rate: float | None = None  # questions a second, of all workers together; None for no limit
    resume: bool = False
    fail_on: Texts = ()  # conclusions
    rehearse: str | None = None  # a configuration file whose [policy] is applied to stored mail (--policy)
    # output
    format: str | None = None
    output: Texts = ()
    color: str = "auto"
    verbose: bool = False
    quiet: bool = False


_SECTIONS: dict[str, type[Struct]] = {"limits": Limits, "milter": MilterOptions, "policy": PolicyOptions}
_PATHS = ("profiles", "record", "output", "rehearse")  # and dns, when it is neither "live" nor "none"


class DnsMode(StrEnum):
    LIVE = "live"
    NONE = "none"
    RECORDING = "recording"


class Lookup(Struct, frozen=True, kw_only=True):
    """Where answers come from.  ``recording``: set when the mode is so; ``resolvers``: address and port."""

    mode: DnsMode = DnsMode.LIVE
    recording: Path | None = None
    record: Path | None = None
    resolvers: tuple[tuple[str, int], ...] = ()
    timeout: float = 5.0


# ---------------------------------------------------------------------------------------------------
# The file
# ---------------------------------------------------------------------------------------------------


def search_path(environ: Mapping[str, str], platform: str = sys.platform) -> tuple[Path, ...]:
    """The places where a configuration file is looked for when none is named, in order."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~").expanduser()
    if platform == "win32":
        folder = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    users = folder / "mailverdict" / FILE_NAME
    return (users,) if platform == "win32" else (users, Path("/etc") / FILE_NAME)


def find_file(named: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """The file to read: ``named``, else ``$MAILVERDICT_CONFIG``, else the first that exists on the search path."""
    environ = os.environ if environ is None else environ
    if named is not None:
        return Path(named)
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    return next((path for path in search_path(environ) if path.is_file()), None)


def read_file(path: Path) -> Config:
    """The configuration in a TOML file; ``ConfigError`` names the file, and the line or the key."""
    import tomllib  # seldom is there a file

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError("", f"{_show(path)}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError("", f"{_show(path)}: is not UTF-8 text") from None
    try:
        return parse(text, path.parent)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("", f"{_show(path)}: is not valid TOML: {one_line(str(error))}") from None
    except ConfigError as error:
        raise ConfigError(error.key, f"{error.problem} ({_show(path)})") from None


def parse(text: str, folder: Path | None = None) -> Config:
    """TOML text as a Config.  ``folder``: what its paths are relative to."""
    import tomllib

    table = _underscored(tomllib.loads(text), Config, "")
    for section, struct in _SECTIONS.items():
        if isinstance(table.get(section), dict):
            table[section] = _underscored(table[section], struct, section + ".")
    for key, value in table.items():
        if folder is not None and (key in _PATHS or (key == "dns" and value not in ("live", "none"))):
            table[key] = _relative(value, folder)
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        key = re.split(r"[\[`]", place)[0].replace("_", "-")
        raise ConfigError(key, problem[:1].lower() + problem[1:]) from None


def _underscored(table: Mapping[str, Any], struct: type[Struct], prefix: str) -> dict[str, Any]:
    """The table with its keys as field names of ``struct``; an unknown or repeated key is an error."""
    fields = struct.__struct_fields__
    result: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in fields:
            near = _near(name, fields, 1)
            hint = f'; did you mean "{near[0].replace("_", "-")}"?' if near else ""
            raise ConfigError(prefix + one_line(key), "unknown key" + hint)
        if name in result:
            raise ConfigError(prefix + name.replace("_", "-"), "given twice, with a hyphen and with an underscore")
        result[name] = value
    return result


def _relative(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return str(folder / Path(value).expanduser())
    if isinstance(value, list):
        return [_relative(one, folder) for one in value]
    return value


def load(named: str | Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of the user: from the first file found, or the defaults when there is none."""
    path = find_file(named, environ)
    return Config() if path is None else read_file(path)


# ---------------------------------------------------------------------------------------------------
# Checked values
# ---------------------------------------------------------------------------------------------------


def resolve(config: Config, *, authserv_id: str = "localhost", at: AtMode = AtMode.RECEIPT) -> Settings:
    """What judging needs of ``config``.  ``authserv_id``, ``at``: what holds when the config does not say."""
    receivers, auto, profiles = _receivers(config)
    standard = _dmarc(config.dmarc)
    return Settings(
        authserv_id=checked_authserv_id("authserv-id", config.authserv_id or authserv_id),
        receivers=receivers,
        auto=auto,
        profiles=profiles,
        trust_hosts=tuple(_host_pattern(text) for text in texts("trust-host", config.trust_host)),
        trust_networks=tuple(network("trust-network", text) for text in texts("trust-network", config.trust_network)),
        trust_authserv_ids=tuple(
            checked_authserv_id("trust-authserv-id", text)
            for text in texts("trust-authserv-id", config.trust_authserv_id)
        ),
        trust_sealers=tuple(_sealer(text) for text in texts("trust-sealer", config.trust_sealer)),
        at=at if config.at is None else _time(config.at),
        dmarc=standard,
        public_suffix=_public_suffix() if standard is DmarcStandard.RFC7489 else None,
        allow_unsigned_octets=config.allow_unsigned_octets,
        limits=_limits(config.limits),
    )


def lookup(config: Config) -> Lookup:
    """Where the answers come from and go to."""
    mode = {"live": DnsMode.LIVE, "none": DnsMode.NONE}.get(config.dns, DnsMode.RECORDING)
    if not config.dns:
        raise ConfigError("dns", "is empty; say live, none or the path of a recording")
    if not 0 < config.dns_timeout <= 3600:
        raise ConfigError("dns-timeout", f"{config.dns_timeout:g} is not more than 0 and at most 3600 seconds")
    return Lookup(
        mode=mode,
        recording=Path(config.dns) if mode is DnsMode.RECORDING else None,
        record=None if config.record is None else Path(config.record),
        resolvers=tuple(_resolver(text) for text in texts("resolver", config.resolver)),
        timeout=float(config.dns_timeout),
    )


def envelope(config: Config) -> Envelope:
    """The envelope that the options give; its default when they give none."""
    return check_envelope(
        Envelope(
            client_ip=config.client_ip,
            helo=config.helo,
            mail_from=config.mail_from,
            rcpt_to=texts("rcpt-to", config.rcpt_to),
        )
    )


def check_envelope(given: Envelope) -> Envelope:
    """An envelope that a caller wrote: the address parsed, angle brackets removed, the rest as visible text."""
    client_ip = None
    if given.client_ip is not None:
        ip = names.address(given.client_ip)
        if ip is None:
            raise ConfigError("client-ip", f"{quote(given.client_ip)} is not an IP address")
        client_ip = str(ip)
    return Envelope(
        client_ip=client_ip,
        helo=None if given.helo is None else _smtp_text("helo", given.helo) or None,
        mail_from=None if given.mail_from is None else _path("mail-from", given.mail_from),
        rcpt_to=tuple(_path("rcpt-to", text) for text in given.rcpt_to),
        in_session=given.in_session,
    )


def _show(path: Path) -> str:
    return one_line(str(path))


def quote(value: object) -> str:
    text = str(value)
    return '"' + one_line(text if len(text) <= 80 else text[:80] + "…") + '"'


def texts(key: str, value: Texts) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else tuple(value)
    for text in given:
        if not isinstance(text, str):
            raise ConfigError(key, f"{quote(text)} is not text")
    return given


def _near(word: str, known: Sequence[str], most: int) -> list[str]:
    from difflib import get_close_matches  # for a mistake alone

    return get_close_matches(word, known, most)


def _suggestion(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = _near(word.lower(), known, 3)
    return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"


def _dmarc(text: str) -> DmarcStandard:
    try:
        return DmarcStandard(text)
    except ValueError:
        raise ConfigError("dmarc", f"{quote(text)} is neither rfc9989 nor rfc7489") from None


def _receivers(config: Config) -> tuple[tuple[Profile, ...], bool, tuple[Profile, ...]]:
    """The profiles that the user named, whether one may be inferred, and those that may be."""
    known = {profile.name: profile for profile in _profiles(config.profiles)}
    words = [text.lower() for text in texts("receiver", config.receiver)] or ["auto"]
    if words in (["auto"], ["none"]):
        return (), words == ["auto"], tuple(known.values())
    for word in words:
        if word in ("auto", "none"):
            raise ConfigError("receiver", f"{word} cannot stand beside another receiver")
        if word not in known:
            hint = _suggestion(word, [*known, "auto", "none"])
            raise ConfigError("receiver", f"{quote(word)} is not a known profile; {hint}")
    return tuple(known[word] for word in words), False, tuple(known.values())


def _profiles(path: str | None) -> tuple[Profile, ...]:
    """The built-in profiles and the user's own, which win over built-in ones of the same name."""
    if path is None:
        return builtin_profiles()
    try:
        own = load_profiles(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError("profiles", f"{one_line(path)}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # ProfileError, or no UTF-8
        problem = "is not UTF-8 text" if isinstance(error, UnicodeError) else one_line(str(error))
        raise ConfigError("profiles", f"{one_line(path)}: {problem}") from None
    return (*builtin_profiles(), *own)


def _public_suffix() -> Callable[[str], str | None]:
    try:
        organizational_domain("example.com")
    except ImportError:
        install = 'pip install "mailverdict[psl]"'
        raise ConfigError("dmarc", f"rfc7489 needs the Public Suffix List: {install}") from None
    return organizational_domain


def _host_pattern(text: str) -> str:
    """A host name in A-labels, or ``*.`` and one."""
    wild, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    name = names.domain_name(rest)
    if name is None:
        raise ConfigError("trust-host", f"{quote(text)} is neither a host name nor *.NAME")
    return wild + name


def network(key: str, text: str) -> Network:
    found = names.network(text)
    if found is None:
        raise ConfigError(key, f"{quote(text)} is neither a network (192.0.2.0/24) nor an address")
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        # clients are compared as IPv4, see names.address
        return IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


_MAPPED = IPv6Network("::ffff:0:0/96")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&'*+.^_`{|}~-]{1,253}\Z")  # RFC 2045 5.1, and no % that a log might expand


def checked_authserv_id(key: str, text: str) -> str:
    """An authserv-id (RFC 8601 2.5): a host name, in A-labels where it has others, or any token."""
    name = text if _TOKEN.match(text) else names.domain_name(text)
    if name is None:
        raise ConfigError(key, f"{quote(text)} is not an authserv-id: a host name or another word without blanks")
    return name


def _sealer(text: str) -> str:
    name = names.domain_name(text)
    if name is None:
        raise ConfigError("trust-sealer", f"{quote(text)} is not a domain")
    return name


# RFC 3339 5.6; the T may be a blank there
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)


def _time(value: object) -> AtMode | int:
    """``receipt``, ``now``, or epoch seconds."""
    if isinstance(value, str) and value in ("receipt", "now"):
        return AtMode(value)
    moment: datetime | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    else:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, str) and _TIME.match(value):
            with contextlib.suppress(ValueError):  # 30 February
                moment = datetime.fromisoformat(value.upper())
        if moment is None or moment.tzinfo is None:
            example = "2026-01-31T12:00:00Z"
            raise ConfigError("at", f"{quote(value)} is neither receipt, now, nor a time with its zone ({example})")
        seconds = int(moment.timestamp())
    if utc(seconds) is None:
        raise ConfigError("at", f"{quote(value)} lies before 1970 or after 9999")
    return seconds


_LIMIT_MOST = 1 << 62  # as good as none, and a size that every platform of 64 bits can count


def _limits(limits: Limits) -> Limits:
    for name in Limits.__struct_fields__:
        value = getattr(limits, name)
        if not 0 <= value <= _LIMIT_MOST:
            problem = "is below 0" if value < 0 else f"is over {_LIMIT_MOST}"
            raise ConfigError("limits." + name.replace("_", "-"), f"{value} {problem}")
    return limits


def _resolver(text: str) -> tuple[str, int]:
    """ADDR, ADDR:PORT or [ADDR]:PORT."""
    host, port = text, "53"
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            host = ""
        port = rest[1:] if rest else port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ip = ip_address(host)
    except ValueError:
        raise ConfigError("resolver", f"{quote(text)} is not ADDR, ADDR:PORT or [ADDR]:PORT") from None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ConfigError("resolver", f"{quote(text)} has no port from 1 to 65535 after the address")
    return str(ip), int(port)


_ENVELOPE_OCTETS = 1000  # more than any SMTP path (RFC 5321 4.5.3.1.3: 256 octets)


def _smtp_text(key: str, text: str) -> str:
    try:
        octets = text.encode("utf-8", "surrogateescape")  # octets of a command line that are not UTF-8
    except UnicodeEncodeError:
        raise ConfigError(key, f"{quote(text)} is not text") from None
    if len(octets) > _ENVELOPE_OCTETS:
        raise ConfigError(key, f"is longer than {_ENVELOPE_OCTETS} octets")
    if any(octet < 0x20 or octet == 0x7F for octet in octets):
        raise ConfigError(key, f"{quote(text)} holds a control character")
    return escape(octets.strip())


def _path(key: str, text: str) -> str:
    """An SMTP path without its angle brackets; "" is the null reverse-path."""
    path = _smtp_text(key, text)
    if path.startswith("<") != path.endswith(">"):
        raise ConfigError(key, f"{quote(text)} has only one of its angle brackets")
    return path[1:-1] if path.startswith("<") else path

"""Where a message came in: the walk over its Received fields, from the top down (RFC 5598 2.2.4, RFC 5321 4.4).

A field is worth something only when one of ours wrote it, and that hangs on the fields above it: each server puts
its line on top, so that the first line which is not ours ends everything that can be believed.  A client is ours
by its address, or by a reverse name that the program which wrote the line verifies, never by the name it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_network

from msgspec import Struct

from verify.grammar import names
from verify.model import Confidence, Hop, Network, OriginReason, OriginSource, Profile
from verify.reading.client import holds_address
from verify.reading.received import HTTP, protocol

_PRIVATE = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::/127",
            "fc00::/7",
            "fe80::/9",
        ),
    )
)
_RANGES_MOST = 1024  # tuples of networks whose ranges are kept; there are as many as profiles
_ADDRESSES_MOST = 1024  # of which it is remembered whether one tuple of networks holds them
_VERIFY_REVERSE_NAMES = frozenset(("postfix", "sendmail", "exim"))
_FETCHED = frozenset(("IMAP", "IMAPS", "POP3", "POP3S"))
_LOCAL = HTTP | _FETCHED | {"LOCAL", "LMTP", "LMTPA", "LMTPS", "LMTPSA", "MAPI"}


_UNNAMED = (Profile(name=""),)  # the user's own hosts and networks


class Border(Struct, frozen=True, kw_only=True):
    """``at``: index of the border hop; ``ours``: indexes of the hops above it that are ours.

    ``receiver``: whose line the border is; its name is empty for hosts that the user configured.
    """

    source: OriginSource
    reason: OriginReason
    confidence: Confidence = Confidence.GUESS
    at: int | None = None
    ours: tuple[int, ...] = ()
    receiver: Profile | None = None
    incomplete: bool = False


class _Walk:
    """The receivers and networks of one walk."""

    def __init__(
        self,
        receivers: Sequence[Profile],
        hosts: tuple[str, ...],
        networks: Sequence[Network],
        gateways: Sequence[Profile],
    ) -> None:
        self.receivers = receivers
        self.hosts = hosts
        self.networks = networks
        self.gateways = gateways

    def run(self, hops: Sequence[Hop]) -> Border | None:
        at = 0  # place in receivers
        ours: list[int] = []
        pending: list[int] = []  # lines that name no host: ours when the next one is
        host_is_ours = handed_on = False
        fetched = _fetched(hops, self._is_ours)
        for position, hop in enumerate(hops):
            if position < fetched:
                ours.append(hop.index)
                continue
            receiver = self.receivers[at]
            if _names_nobody(hop):
                pending.append(hop.index)
                continue
            if not (host_is_ours or self.wrote(receiver, hop)):
                break
            ours += pending
            pending.clear()
            host_is_ours = handed_on = False
            if at + 1 < len(self.receivers) and _is_client(self.receivers[at + 1], hop):
                at += 1
                handed_on = True
                ours.append(hop.index)
                continue
            if self.submitted(receiver, hop):
                return _never(OriginReason.AUTHENTICATED_CLIENT, (*ours, hop.index))
            by_name = self._inside_by_name(receiver, hop)
            if is_border_line(receiver, hop) and not by_name:
                return self.border(hop, ours, receiver, OriginReason.PROFILE_BORDER_HOST)
            if by_name or self.is_inside(receiver, hop):
                host_is_ours = _inside_any(self.networks, hop.from_ip)
                ours.append(hop.index)
                continue
            return self.border(hop, ours, receiver, self._reason(receiver))
        if len(ours) <= fetched:
            return None
        if handed_on:
            return Border(
                source=OriginSource.NONE,
                reason=OriginReason.BORDER_INCOMPLETE,
                ours=tuple(ours),
                incomplete=True,
                receiver=self.receivers[at - 1],
            )
        return _never(OriginReason.NEVER_CROSSED, tuple(ours))

    def _is_ours(self, hop: Hop) -> bool:
        return any(self.wrote(receiver, hop) for receiver in self.receivers)

    def wrote(self, receiver: Profile, hop: Hop) -> bool:
        """The line bears the name of one of ours.  Only the place on top gives that a meaning."""
        if hop.by is None:
            return False
        if names.matches_any(self.hosts, hop.by) or bears_name(receiver, hop):
            return True
        return receiver.private_is_ours and (address := names.address(hop.by)) is not None and _is_private(str(address))

    def is_inside(self, receiver: Profile, hop: Hop) -> bool:
        """The client is ours, or the message was handed over on the machine itself."""
        kind = protocol(hop.with_)
        if kind in _FETCHED and not _at_border_host(receiver, hop):
            return True
        ip = hop.from_ip
        if ip is None:
            return not _tells_of_a_client(hop) or (kind in _LOCAL and _tells_no_address(hop))
        if names.address(ip) is None:
            return False
        if _is_loopback(ip) or _inside_any(receiver.networks, ip) or _inside_any(self.networks, ip):
            return True
        if receiver.private_is_ours and _is_private(ip):
            return True
        return self._verified_name(hop, self.hosts)

    def _verified_name(self, hop: Hop, patterns: tuple[str, ...]) -> bool:
        name = hop.from_name
        if name is None or hop.dialect not in _VERIFY_REVERSE_NAMES:
            return False
        return names.matches_any(patterns, name) and "may be forged" not in hop.raw

    def _inside_by_name(self, receiver: Profile, hop: Hop) -> bool:
        """A provider that writes no address inside, only a name: of a client from outside each writes one."""
        if not receiver.name or hop.from_ip is not None or hop.from_helo is None or not _tells_no_address(hop):
            return False
        return names.matches_any(receiver.hosts, hop.from_helo)

    def submitted(self, receiver: Profile, hop: Hop) -> bool:
        """The client is a user of ours who sends: it authenticated, or used a host where only users come in."""
        if hop.by is not None and names.matches_any(receiver.submission_hosts, hop.by):
            return not self.is_inside(receiver, hop)
        if not hop.authenticated:
            return False
        if protocol(hop.with_) in HTTP and hop.auth_user is None:
            ip = hop.from_ip
            return ip is not None and _is_public(ip) and not self.is_inside(receiver, hop)
        return True

    def _reason(self, receiver: Profile) -> OriginReason:
        return OriginReason.PROFILE_HOST if receiver.name else OriginReason.TRUSTED_HOST

    def border(self, hop: Hop, ours: Sequence[int], receiver: Profile, reason: OriginReason) -> Border:
        if hop.from_ip is None:
            return Border(
                source=OriginSource.NONE,
                reason=OriginReason.NO_ADDRESS,
                at=hop.index,
                ours=tuple(ours),
                receiver=receiver,
            )
        if self._before_a_gateway(hop):
            return Border(
                source=OriginSource.INFERRED,
                reason=OriginReason.BORDER_INCOMPLETE,
                at=hop.index,
                ours=tuple(ours),
                receiver=receiver,
                incomplete=True,
            )
        return Border(
            source=OriginSource.PROFILE if receiver.name else OriginSource.CONFIGURED,
            reason=reason,
            confidence=Confidence.CERTAIN,
            at=hop.index,
            ours=tuple(ours),
            receiver=receiver,
        )

    def _before_a_gateway(self, hop: Hop) -> bool:
        """The client is private, or a gateway that was not named: not the server of the sender."""
        if hop.from_ip is None or not _is_public(hop.from_ip):
            return True
        for gateway in self.gateways:
            stands_there = _inside_any(gateway.networks, hop.from_ip) or self._verified_name(hop, gateway.hosts)
            if stands_there and all(receiver.name != gateway.name for receiver in self.receivers):
                return True
        return False


def walk(
    hops: Sequence[Hop],
    receivers: Sequence[Profile],
    *,
    hosts: tuple[str, ...] = (),
    networks: Sequence[Network] = (),
    gateways: Sequence[Profile] = (),
) -> Border | None:
    """The border by what is known of ``receivers``, from the mailbox outwards; None when they wrote no line on top.

    ``hosts``, ``networks``: the user's own hosts, which stand beside those of every receiver.  ``gateways``:
    services that stand before other receivers; one of them as client, when it is no receiver here, makes the
    boundary incomplete.  Networks say which clients are ours, not who wrote a line: without a receiver or a host there
    is no border.
    """
    if not receivers:
        if not hosts:
            return None
        receivers = _UNNAMED
    if not hops:
        return Border(source=OriginSource.NONE, reason=OriginReason.NO_RECEIVED)
    return _Walk(receivers, hosts, networks, gateways).run(hops)


def guess(hops: Sequence[Hop], profiles: Sequence[Profile], networks: Sequence[Network] = ()) -> Border:
    """The last resort: the first public address that is no provider's inside and none of ``networks``, the user's own.

    Nothing vouches for it.
    """
    for hop in hops:
        public = hop.from_ip is not None and _is_public(hop.from_ip)
        if hop.authenticated and public:
            return _never(OriginReason.AUTHENTICATED_CLIENT, ())
        if not public or protocol(hop.with_) in _LOCAL or _inside_any(networks, hop.from_ip):
            continue
        if any(_inside_any(profile.networks, hop.from_ip) for profile in profiles if not profile.gateway):
            continue
        return Border(
            source=OriginSource.INFERRED,
            reason=OriginReason.TRUSTED_NETWORK if networks else OriginReason.FIRST_PUBLIC,
            at=hop.index,
            ours=tuple(range(hop.index)),
        )
    return Border(source=OriginSource.NONE, reason=OriginReason.NO_ADDRESS if hops else OriginReason.NO_RECEIVED)


def writer_on_top(hops: Sequence[Hop], profiles: Sequence[Profile]) -> Profile | None:
    """The profile whose hosts wrote the topmost line; lines of a program that fetched the mail are passed over."""

    def writer(hop: Hop) -> Profile | None:
        return next((profile for profile in profiles if bears_name(profile, hop)), None)

    start = _fetched(hops, lambda hop: writer(hop) is not None)
    first = next((hop for hop in hops[start:] if not _names_nobody(hop)), None)
    return writer(first) if first is not None else None


def bears_name(receiver: Profile, hop: Hop) -> bool:
    """The line says that a host, an address or a program of this receiver wrote it."""
    if hop.by is None:
        return False
    if names.matches_any(receiver.hosts, hop.by) or names.matches_any(receiver.border_hosts, hop.by):
        return True
    if receiver.program is not None:
        return receiver.program == hop.dialect
    address = names.address(hop.by) if receiver.networks else None
    return address is not None and _inside_any(receiver.networks, str(address))


def _tells_no_address(hop: Hop) -> bool:
    """The server wrote none, rather than one that a client made unreadable."""
    client, by, _ = hop.raw.rpartition(f" by {hop.by}")
    return hop.from_ip is None and not holds_address(client if by else hop.raw)


def _at_border_host(receiver: Profile, hop: Hop) -> bool:
    return hop.by is not None and names.matches_any(receiver.border_hosts, hop.by)


def is_border_line(receiver: Profile, hop: Hop) -> bool:
    """The line is one that the receiver writes only for what comes in from outside, whoever the client is."""
    if not _at_border_host(receiver, hop):
        return False
    if receiver.border_program is not None and hop.dialect != receiver.border_program:
        return False
    if hop.from_ip is None and (hop.from_helo is None or protocol(hop.with_) in _LOCAL):
        return False
    if receiver.border_via is None:
        return True
    wanted = receiver.border_via.lower()
    return wanted in (hop.via or "").lower() or wanted in (hop.with_ or "").lower()


def _fetched(hops: Sequence[Hop], is_ours: Callable[[Hop], bool]) -> int:
    """How many lines on top a program of the reader wrote that fetched the mail, and what it handed the mail to.

    The first line of a receiver ends them, and one whose client is not the machine itself: what stands below may be a
    sender's, a fetching program's line included.
    """
    for position, hop in enumerate(hops):
        fetched = hop.dialect == "fetchmail" or protocol(hop.with_) in _FETCHED
        handed_on = hop.by is not None and hop.from_ip is not None and _is_loopback(hop.from_ip)
        if not (fetched or handed_on) or is_ours(hop):
            return 0
        if fetched:
            return position + 1
    return 0


def _never(reason: OriginReason, ours: tuple[int, ...]) -> Border:
    return Border(source=OriginSource.NONE, reason=reason, ours=ours)


def _names_nobody(hop: Hop) -> bool:
    """``(qmail 123 invoked by uid 5)`` and the like: a field that tells of no client, not one that cannot be read."""
    return hop.by is None and not _tells_of_a_client(hop)


def _tells_of_a_client(hop: Hop) -> bool:
    """The field begins with ``from``, whatever a client made of what follows."""
    return hop.raw[:4].lower() == "from" or hop.from_helo is not None or hop.from_ip is not None


@lru_cache(maxsize=16384)
def _is_private(ip: str) -> bool:
    """No server of a stranger has it: private, loopback, link-local, unique local, shared (RFC 1918, 4193, 6598).

    ``ip``: the text of an address, as a hop has it; so for the others.
    """
    address = names.address(ip)
    return any(address in network for network in _PRIVATE if address is not None and network.version == address.version)


@lru_cache(maxsize=16384)
def _is_loopback(ip: str) -> bool:
    address = names.address(ip)
    return address is not None and address.is_loopback


@lru_cache(maxsize=16384)
def _is_public(ip: str) -> bool:
    return names.address(ip) is not None and not _is_private(ip)


def _is_client(receiver: Profile, hop: Hop) -> bool:
    return _inside_any(receiver.networks, hop.from_ip)


def _inside_any(networks: Sequence[Network], ip: str | None) -> bool:
    if not networks or ip is None:
        return False
    ranges = _known_ranges.get(id(networks)) or _ranges(networks)
    inside = ranges.known.get(ip)
    return ranges.holds(ip) if inside is None else inside


class _Ranges:
    """Networks as numbers, and which addresses were found inside: to hash the networks would cost more."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = networks  # held, so that their id is nobody else's
        self.known: dict[str, bool] = {}
        self._bounds = {
            version: [(int(n.network_address), int(n.broadcast_address)) for n in networks if n.version == version]
            for version in (4, 6)
        }

    def holds(self, ip: str) -> bool:
        address = names.address(ip)
        inside = False
        if address is not None:
            number = int(address)
            inside = any(first <= number <= last for first, last in self._bounds[address.version])
        if len(self.known) >= _ADDRESSES_MOST:
            self.known.clear()
        self.known[ip] = inside
        return inside


_known_ranges: dict[int, _Ranges] = {}


def _ranges(networks: Sequence[Network]) -> _Ranges:
    made = _Ranges(networks)
    if isinstance(networks, tuple):  # else it may change
        if len(_known_ranges) >= _RANGES_MOST:
            _known_ranges.clear()
        _known_ranges[id(networks)] = made
    return made

"""Results that somebody recorded in the header, and what each is worth (RFC 8601 5 and 7.1).

A field is believed for two things together: an id (or host) that the user configured or a profile names, and the
place where its writer puts it.  Everything above the border's Received was written inside; a few receivers write
directly below it, where only as much is believed as the receiver itself writes there.
"""

from __future__ import annotations

import re

from msgspec import Struct

from verify.grammar.names import domain_name, is_below, matches_host
from verify.grammar.results import (
    ParsedReceivedSpf,
    ParsedResults,
    claimed_authserv_id,
    parse_received_spf,
    parse_results,
)
from verify.model import (
    Confidence,
    Field,
    Hop,
    Limits,
    Message,
    OriginSource,
    Profile,
    Recorded,
    RecordedResult,
    RecordedStanding,
    Settings,
    Standing,
)
from verify.reading.origin import OriginFacts

_RESULTS = b"authentication-results"
_HIDDEN = re.compile(rb"\r(?!\n)[ \t]{0,99}[!-9;-~]{0,99}(?:-results|received-spf)[ \t]{0,99}:", re.IGNORECASE)
_ARC_RESULTS = b"arc-authentication-results"
_SPF = b"received-spf"
_HYBRID = b"x-ms-exchange-authentication-results"  # the same content, carried inside Microsoft's own network
_OURS = b"x-mailverdict"
_UNSEEN = re.compile(r"[\s\x00-\x20\x7f\"'\\\u00ad\u200b-\u200f\u2060\ufeff]+")


_ENDS = (_RESULTS, _SPF)
_KIN = b"authentication-results-"


def is_recorded(key: bytes) -> bool:
    """Authentication-Results, Received-SPF, ARC-Authentication-Results and their renamed kin, by lower-case name."""
    return key.endswith(_ENDS) or key.startswith(_KIN)


def read_recorded(message: Message, facts: OriginFacts, settings: Settings) -> tuple[Recorded, ...]:
    """Every recorded field, topmost first, with its standing.

    Fields past ``limits.recorded_fields`` or too long are listed unread, with the limit's name.  ``trusted`` rests
    on options, configuration or a named profile alone; ``inferred`` on a border or a profile that was guessed.
    """
    fields = [f for f in message.fields if f.key.endswith(_ENDS) or f.key.startswith(_KIN)]
    if not fields:
        return ()
    limits = settings.limits
    read = []
    for place, field in enumerate(fields):
        limit = "recorded_fields" if place >= limits.recorded_fields else None
        if limit is None and len(field.value) > limits.recorded_octets:
            limit = "recorded_octets"
        read.append(_Unread(field=field, limit=limit) if limit else _read(field, limits))
    zone = _Zone(message, facts, settings)
    slot = zone.slot_below(read)
    return tuple(
        Recorded(
            field=r.field.name.decode("ascii", "backslashreplace"),
            index=r.field.index,
            authserv_id=r.writer,
            standing=_believed(zone.standing(r, r.field.index in slot), settings),
            results=r.results,
            parsed=r.parsed,
            limit=r.limit,
        )
        for r in read
    )


def _believed(standing: RecordedStanding, settings: Settings) -> RecordedStanding:
    if settings.foreign and standing is not RecordedStanding.FORGED:
        return RecordedStanding.UNTRUSTED
    return standing


class _Unread(Struct, frozen=True, kw_only=True):
    """A recorded field as read, before anything is said of its standing."""

    field: Field
    writer: str | None = None  # authserv-id, or the host that a Received-SPF names
    results: tuple[RecordedResult, ...] = ()
    parsed: bool = False
    limit: str | None = None
    client_ip: str | None = None


def _read(field: Field, limits: Limits) -> _Unread:
    if field.key.endswith(_SPF):
        spf = parse_received_spf(field.value, limits)
        if spf is None:
            return _Unread(field=field)
        return _Unread(
            field=field,
            writer=_spf_writer(spf),
            results=(_spf_result(spf),),
            parsed=True,
            client_ip=spf.client_ip,
        )
    parsed = parse_results(field.value, limits)
    if parsed is None or parsed.version != 1 or (parsed.instance is not None) != (field.key == _ARC_RESULTS):
        return _Unread(field=field, writer=parsed.authserv_id if parsed else claimed_authserv_id(field.value, limits))
    return _Unread(field=field, writer=parsed.authserv_id, results=parsed.results, parsed=True, limit=parsed.limit)


def _spf_writer(spf: ParsedReceivedSpf) -> str | None:
    """``receiver=`` when it is a host, else the host that begins the comment; one label says nothing."""
    for text in (spf.receiver, spf.host):
        name = domain_name(text) if text else None
        if name is not None and "." in name:
            return name
    return None


def _spf_result(spf: ParsedReceivedSpf) -> RecordedResult:
    """In the words of RFC 8601.  A HELO result carries no ``smtp.mailfrom``, that nobody takes it for MAIL FROM's."""
    pairs = {
        "smtp.mailfrom": spf.envelope_from if spf.identity in (None, "mailfrom") else None,
        # HELO alone does not say that it was what was checked: Microsoft gives it beside a MAIL FROM that it leaves out
        "smtp.helo": spf.helo if spf.identity is not None or spf.envelope_from is not None else None,
        "smtp.remote-ip": spf.client_ip,
    }
    method = "sender-id" if spf.identity == "pra" else "spf"
    return RecordedResult(
        method=method, result=spf.result, properties={name: text for name, text in pairs.items() if text is not None}
    )


class _Zone:
    """Which part of the header was written inside the boundary, and by whom."""

    def __init__(self, message: Message, facts: OriginFacts, settings: Settings) -> None:
        origin = facts.origin
        self.settings = settings
        self.hops = facts.hops
        self.client_ip = origin.client_ip
        border = next((hop for hop in facts.hops if hop.index == origin.border), None)
        self.border_line = border is not None
        inside = [hop for hop in facts.hops if hop.standing is not Standing.CLAIMED]
        self.our_hosts = frozenset(filter(None, (same_id(hop.by) for hop in inside)))
        ours = [hop.field_index for hop in facts.hops if hop.standing is Standing.OURS]
        if border is not None:
            self.border = border.field_index
        elif origin.source is OriginSource.ENVELOPE:  # nothing in the header says how far it is ours
            self.border = -1
        else:
            self.border = max(ours, default=-1)
        self.below = message.fields[self.border + 1 :]  # a field's index is its place
        self.profiles = facts.profiles
        self.receiver = next((p for p in facts.profiles if p.name == origin.profile), None)
        self.inferred = origin.source is OriginSource.INFERRED or origin.incomplete or facts.profile_inferred
        if origin.source is OriginSource.ENVELOPE and border is not None and not self._named(border):
            self.inferred = True  # the address is vouched for, the line that tells it is not
        self.guess = self.inferred and origin.confidence is Confidence.GUESS
        in_front = origin.source is OriginSource.ENVELOPE
        self.crossed = (self.border_line or in_front) and not origin.never_crossed_border
        ids = settings.trust_authserv_ids
        self.trusted_ids = frozenset(filter(None, map(same_id, ids)))
        own = () if settings.authserv_id == "localhost" else (settings.authserv_id,)
        self.our_ids = self.trusted_ids | frozenset(filter(None, map(same_id, own)))

    def _named(self, hop: Hop) -> bool:
        """The user named the host that wrote the line."""
        patterns = [*self.settings.trust_hosts]
        for profile in self.settings.receivers:
            patterns += (*profile.hosts, *profile.border_hosts)
        return hop.by is not None and any(matches_host(pattern, hop.by) for pattern in patterns)

    def slot_below(self, read: list[_Unread]) -> frozenset[int]:
        """Indexes of the fields directly below the border's Received that the receiver wrote there.

        One Received-SPF, then one Authentication-Results, which ends it; a receiver that writes one field for each
        method ends at the first method that comes again.  Between them only fields that it alone writes.
        """
        profile = self.profiles[-1] if self.profiles else None
        if profile is None or not self.border_line or profile.results_slot not in ("below-border", "either"):
            return frozenset()
        by_index = {r.field.index: r for r in read}
        several = profile.results_slot == "either"
        signs = {sign.lower().encode() for sign in profile.signs}
        slot: list[int] = []
        seen: set[str] = set()
        for field in self.below:
            found = by_index.get(field.index)
            if found is None or field.key not in (_RESULTS, _SPF):
                if field.key in signs and field.key != b"received":
                    continue
                break
            methods = {r.method for r in found.results} if field.key == _RESULTS else {"received-spf"}
            if not found.parsed or methods & seen or not self._wrote(profile, found):
                break
            if field.key == _SPF and found.client_ip not in (None, self.client_ip):
                break
            seen |= methods
            slot.append(field.index)
            if field.key == _RESULTS and not several:
                break
        return frozenset(slot)

    def standing(self, read: _Unread, in_slot: bool) -> RecordedStanding:
        inside = read.field.index < self.border or in_slot
        if not inside:
            return RecordedStanding.FORGED if self._forged(read) else RecordedStanding.UNTRUSTED
        if not read.parsed or read.field.key not in (_RESULTS, _ARC_RESULTS, _SPF, _HYBRID):
            return RecordedStanding.UNTRUSTED
        if same_id(read.writer) not in self.trusted_ids and not (self._by_profile(read) or self._by_host(read)):
            return RecordedStanding.UNTRUSTED
        return RecordedStanding.INFERRED if self.inferred else RecordedStanding.TRUSTED

    def _by_profile(self, read: _Unread) -> bool:
        return any(self._wrote(profile, read) for profile in self.profiles)

    def _by_host(self, read: _Unread) -> bool:
        """A Received-SPF has no id: it names the host that wrote it, one of ours, or nobody."""
        if read.field.key != _SPF:
            return False
        name = same_id(read.writer)
        if name is None:
            return bool(self.settings.trust_hosts)
        return name in self.our_hosts or any(matches_host(p, name) for p in self.settings.trust_hosts)

    def _wrote(self, profile: Profile, read: _Unread) -> bool:
        name = same_id(read.writer)
        if read.field.key == _SPF:
            if name is None:  # many name nobody; the place has to do
                return True
            known = (*profile.authserv_ids, *profile.hosts, *profile.border_hosts)
            return any(matches_host(p, name) or is_below(p.removeprefix("*.").lower(), name) for p in known)
        if name is None:
            return profile.no_authserv_id and read.field.key in (_RESULTS, _HYBRID)
        return name in self.trusted_ids or any(matches_host(p, name) for p in profile.authserv_ids)

    def _forged(self, read: _Unread) -> bool:
        """Our own id below the border, and no line of our hosts between: nobody of ours can have written it."""
        if read.field.key not in (_RESULTS, _SPF) or same_id(read.writer) not in self.our_ids:
            return False
        if self.guess or not self.crossed:
            return False
        if not self.border_line:  # perhaps a delivered copy, whose border is not known
            return not any(self._ours(hop) or hop.from_ip == self.client_ip for hop in self.hops)
        return not any(self.border < hop.field_index < read.field.index and self._ours(hop) for hop in self.hops)

    def _ours(self, hop: Hop) -> bool:
        """A line that bears the name of one of our hosts, forged or not."""
        if hop.by is None:
            return False
        return same_id(hop.by) in self.our_ids or any(matches_host(p, hop.by) for p in self.settings.trust_hosts)


def same_id(text: str | None) -> str | None:
    """An authserv-id in the form in which ids are compared: A-labels, lower case, no quotes, blanks or final dot.

    RFC 8601 5 asks for A-labels against U-labels and any case; the rest catches what some reader might drop.
    """
    if text is None:
        return None
    text = _UNSEEN.sub("", text).rstrip(".")
    return domain_name(text) or text.lower() or None


_REMOVED_ENDS = (*_ENDS, b"dmarc-filter")
_REMOVED_STARTS = (_KIN, _OURS)
_REMOVED_MARKS = (_RESULTS, _SPF, b"dmarc-filter", _OURS)  # every such name holds one


def removable_fields(
    message: Message, authserv_ids: tuple[str, ...], *, peer_is_ours: bool, limits: Limits | None = None
) -> tuple[int, ...]:
    """Header indexes of what must not go on with our name under it (RFC 8601 5), lowest first.

    Whoever the peer is: Authentication-Results, Received-SPF and their renamed kin that bear one of our ids in any
    spelling, DMARC-Filter, our own fields.  From a peer that is not ours besides: Authentication-Results that cannot
    be read as RFC 8601 says or are of another version, and Received-SPF that cannot be read.  Any field that hides such
    results behind a bare CR, where some readers begin a line, with one of our ids.  Never ARC fields.
    """
    # First the header as a whole, since most hold nothing of the kind: no name, and no hidden field, goes over LF.
    keys = b"\n".join([field.key for field in message.fields])
    hidden = hides_results(b"\n".join([field.value for field in message.fields]))
    if not hidden and not [mark for mark in _REMOVED_MARKS if mark in keys]:
        return ()
    fields = [
        f
        for f in message.fields
        if f.key.endswith(_REMOVED_ENDS) or f.key.startswith(_REMOVED_STARTS) or (hidden and hides_results(f.value))
    ]
    limits = limits or Limits()
    ours = frozenset(filter(None, map(same_id, authserv_ids)))
    return tuple(field.index for field in fields if _must_go(field, ours, peer_is_ours=peer_is_ours, limits=limits))


def _must_go(field: Field, ours: frozenset[str], *, peer_is_ours: bool, limits: Limits) -> bool:
    key = field.key
    if key == b"dmarc-filter" or key.startswith(_OURS):
        return True
    if hides_results(field.value) and _mentions(field.value, ours):
        return True
    if key.startswith(b"arc-") or not is_recorded(key):
        return False
    if key.endswith(_SPF):
        spf = parse_received_spf(field.value, limits)
        if spf is None:
            return not peer_is_ours or _mentions(field.value, ours)
        return any(same_id(text) in ours for text in (spf.receiver, spf.host) if text)
    claimed = same_id(claimed_authserv_id(field.value, limits))
    unread = claimed is None or len(field.value) > limits.recorded_octets
    if claimed in ours or (unread and _mentions(field.value, ours)):
        return True
    if key != _RESULTS or peer_is_ours:
        return False
    parsed = parse_results(field.value, limits)
    return not _is_rfc_8601(parsed)


def hides_results(value: bytes) -> bool:
    """A results field stands behind a bare CR in the value of another field."""
    return b"\r" in value and _HIDDEN.search(value) is not None


def _is_rfc_8601(parsed: ParsedResults | None) -> bool:
    return parsed is not None and parsed.authserv_id is not None and parsed.version == 1 and parsed.instance is None


def _mentions(value: bytes, ours: frozenset[str]) -> bool:
    """A field that cannot be read but holds one of our ids."""
    text = value.decode("ascii", "ignore").lower()
    return any(name in text for name in ours)

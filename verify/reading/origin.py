"""Where a message came in: client IP, HELO, MAIL FROM and time of receipt, with what each rests on.

The order of evidence: what the caller says of the SMTP session; the border line, which is the last line that one of
our own servers wrote; fields that the receiver writes beside that line, for what the line lacks.  Without anything
that the user named, what is found is ``inferred``: shown, able to make cautious, never able to clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from verify.grammar import names
from verify.grammar.dates import parse_date
from verify.grammar.results import claimed_authserv_id
from verify.model import (
    Anomaly,
    AnomalyCode,
    Confidence,
    Envelope,
    Field,
    Hop,
    Limits,
    Message,
    Origin,
    OriginatingIp,
    OriginReason,
    OriginSource,
    Profile,
    Settings,
    Standing,
    replace,
)
from verify.reading.border import Border, guess, walk, writer_on_top
from verify.reading.evidence import Evidence, keys_of, read_evidence, run_below
from verify.reading.originating import read_originating
from verify.reading.received import HTTP, is_encrypted, is_local, parse_received, protocol

_DATE_SKEW = timedelta(days=1)  # between Date and the receipt, before it is worth saying
_CLOCK_TOLERANCE = 60  # seconds that a clock may run backwards unreported


class OriginFacts(Struct, frozen=True, kw_only=True):
    """What ``read_origin`` found.

    ``profiles``: the receivers in force, from the mailbox outwards; ``profile_inferred``: ``auto`` picked them.
    ``border_field_index``: place of the border line in the header.  ``receipt_dates``: the dates of the border line
    and of our lines above it, in that order; the first that is not in the future is the time of receipt.
    """

    origin: Origin
    hops: tuple[Hop, ...] = ()
    originating_ip: tuple[OriginatingIp, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    profiles: tuple[Profile, ...] = ()
    profile_inferred: bool = False
    border_field_index: int | None = None
    receipt_dates: tuple[datetime, ...] = ()


def read_origin(message: Message, envelope: Envelope, settings: Settings) -> OriginFacts:
    """The origin of a message by the order of evidence; no octets and no envelope raise."""
    anomalies: list[Anomaly] = []
    fields = message.named(b"received")
    if len(fields) > settings.limits.received_fields:
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "received_fields"))
        fields = fields[: settings.limits.received_fields]
    hops: Sequence[Hop] = [parse_received(field.value, index, field.index) for index, field in enumerate(fields)]
    border, profiles = _boundary(message, hops, envelope, settings)
    inferred = bool(profiles) and not settings.receivers
    origin = _from_header(message, hops, border, settings)
    origin, border = _with_envelope(origin, border, envelope)
    border_field = hops[border.at].field_index if border.at is not None else None
    hops = _judged(hops, border)
    dates = _receipt_dates(hops, border)
    if border.at is not None and hops[border.at].date is None:
        anomalies.append(Anomaly(AnomalyCode.RECEIPT_DATE_UNUSABLE))
    if origin.conflict:
        anomalies.append(Anomaly(AnomalyCode.ORIGIN_CONFLICT))
    if origin.incomplete:
        anomalies.append(Anomaly(AnomalyCode.BOUNDARY_INCOMPLETE, origin.client_ip or ""))
    _times(message, hops, dates, anomalies)
    encrypted = None
    if border.confidence is not Confidence.GUESS:
        encrypted, clear = _encryption(hops, border)
        for index in clear:
            anomalies.append(Anomaly(AnomalyCode.HOP_NOT_ENCRYPTED, str(index)))
    return OriginFacts(
        origin=replace(origin, encrypted=encrypted, received_at=dates[0] if dates else None),
        hops=hops,
        originating_ip=read_originating(message, border_field, vouched_for=origin.vouched_for),
        anomalies=tuple(anomalies),
        profiles=profiles,
        profile_inferred=inferred,
        border_field_index=border_field,
        receipt_dates=dates,
    )


# ---------------------------------------------------------------------------------------------------
# The boundary
# ---------------------------------------------------------------------------------------------------

_NOTHING = Border(source=OriginSource.NONE, reason=OriginReason.NO_RECEIVED)


def _boundary(
    message: Message, hops: Sequence[Hop], envelope: Envelope, settings: Settings
) -> tuple[Border, tuple[Profile, ...]]:
    """The border and the receivers in force: by what the user named, else by a profile that fits, else a guess.

    A trusted network tells which clients are ours.  It does not tell who wrote the line on top, where anybody can have
    put such an address, so that alone it makes no border that is vouched for.
    """
    if envelope.in_session:
        return _NOTHING, settings.receivers
    gateways = [profile for profile in settings.profiles if profile.gateway]
    networks = settings.trust_networks
    if settings.receivers or settings.trust_hosts:
        border = walk(
            hops,
            settings.receivers,
            hosts=settings.trust_hosts,
            networks=networks,
            gateways=gateways,
        )
        if border is not None:
            return border, settings.receivers
        found = guess(hops, settings.profiles, networks)
        return replace(found, reason=OriginReason.NOT_WRITTEN_BY_RECEIVER), settings.receivers
    profile = writer_on_top(hops, settings.profiles) if settings.auto else None
    if profile is not None:
        border = walk(hops, (profile,), networks=networks, gateways=gateways)
        if border is not None:
            return _inferred(message, hops, border, profile, settings.limits), (profile,)
    return guess(hops, settings.profiles, networks), ()


def _inferred(message: Message, hops: Sequence[Hop], border: Border, profile: Profile, limits: Limits) -> Border:
    """A border by a profile that nobody named: likely when what this receiver alone writes stands beside its line."""
    if border.source is not OriginSource.PROFILE or border.at is None:
        return border
    line = hops[border.at].field_index
    beside = message.fields[:line]
    below = run_below(message, line, profile)
    signs = keys_of(profile.signs)
    likely = any(field.key in signs or _is_own(field, profile, limits) for field in (*beside, *below))
    return replace(border, source=OriginSource.INFERRED, confidence=Confidence.LIKELY if likely else Confidence.GUESS)


def _is_own(field: Field, profile: Profile, limits: Limits) -> bool:
    if field.key not in (b"authentication-results", b"arc-authentication-results"):
        return False
    claimed = claimed_authserv_id(field.value, limits)
    return claimed is not None and names.matches_any(profile.authserv_ids, claimed)


# ---------------------------------------------------------------------------------------------------
# What the boundary says
# ---------------------------------------------------------------------------------------------------


def _from_header(message: Message, hops: Sequence[Hop], border: Border, settings: Settings) -> Origin:
    receiver = border.receiver
    profile = (receiver.name or None) if receiver is not None else None
    if border.at is None:
        return Origin(
            source=border.source,
            reason=border.reason,
            confidence=border.confidence,
            incomplete=border.incomplete,
            profile=profile,
        )
    hop = hops[border.at]
    evidence = read_evidence(message, hop.field_index, receiver, settings.limits)
    return Origin(
        client_ip=hop.from_ip,
        helo=hop.from_helo or evidence.helo,
        mail_from=hop.envelope_from if hop.envelope_from is not None else evidence.mail_from,
        source=border.source,
        border=border.at,
        profile=profile,
        confidence=border.confidence,
        reason=border.reason,
        conflict=_conflict(hop, evidence),
        incomplete=border.incomplete,
    )


def _conflict(hop: Hop, evidence: Evidence) -> bool:
    """The receiver's fields beside the border line tell another client or sender than the line itself."""
    if hop.from_ip is not None and len({hop.from_ip, *evidence.client_ips}) > 1:
        return True
    told = evidence.mail_froms if hop.envelope_from is None else (hop.envelope_from, *evidence.mail_froms)
    return len(told) > 1 and len(set(map(_domain, told))) > 1


def _domain(mailbox: str) -> str:
    domain = names.split_mailbox(mailbox)[1]
    return names.domain_name(domain) or domain.lower()


def _with_envelope(origin: Origin, border: Border, envelope: Envelope) -> tuple[Origin, Border]:
    """What the caller says of the session wins; the header fills gaps only where it tells of the same client.

    With a client address given but MAIL FROM taken from a boundary that nothing vouches for, the source stays what
    the boundary's is: SPF rests on both.  Otherwise such a boundary is dropped: a line that a sender may have written
    round his own address has no date of receipt, and proves nothing that stands above it.
    """
    given = envelope.client_ip
    if given is None:
        if envelope.helo is not None:
            origin = replace(origin, helo=envelope.helo)
        if envelope.mail_from is not None:
            origin = replace(origin, mail_from=envelope.mail_from)
        return origin, border
    address = names.address(given)
    client_ip = str(address) if address is not None else given
    whole = envelope.mail_from is not None or origin.mail_from is None or origin.vouched_for
    named = border.source in (OriginSource.CONFIGURED, OriginSource.PROFILE)
    if origin.client_ip != client_ip or (whole and not named):
        origin, border, whole = Origin(), _NOTHING, True
    return (
        replace(
            origin,
            client_ip=client_ip,
            helo=envelope.helo if envelope.helo is not None else origin.helo,
            mail_from=envelope.mail_from if envelope.mail_from is not None else origin.mail_from,
            source=OriginSource.ENVELOPE if whole else origin.source,
            reason=OriginReason.GIVEN if whole else origin.reason,
            confidence=Confidence.CERTAIN if whole else origin.confidence,
            conflict=origin.conflict and not whole,
            incomplete=origin.incomplete and not whole,
        ),
        border,
    )


# ---------------------------------------------------------------------------------------------------
# Hops: standing, times, encryption
# ---------------------------------------------------------------------------------------------------


def _judged(hops: Sequence[Hop], border: Border) -> tuple[Hop, ...]:
    """The hops with their standing and the delay since the hop below, as far as both dates are known."""
    ours = frozenset(border.ours)
    last = hops[border.ours[-1]] if border.ours else None
    judged: list[Hop] = []
    below = None
    for hop in reversed(hops):
        standing = (
            Standing.BORDER if hop.index == border.at else Standing.OURS if hop.index in ours else Standing.CLAIMED
        )
        date = hop.date
        delay = int((date - below).total_seconds()) if date is not None and below is not None else None
        below = date
        user = hop.authenticated
        if user and standing is Standing.OURS and hop.auth_user is None and protocol(hop.with_) in HTTP:
            # Inside, HTTP carries mail from server to server; only a line that the walk stopped at shows a user.
            user = last is hop and border.reason is OriginReason.AUTHENTICATED_CLIENT
        judged.append(replace(hop, standing=standing, delay_seconds=delay, authenticated=user))
    judged.reverse()
    return tuple(judged)


def _receipt_dates(hops: Sequence[Hop], border: Border) -> tuple[datetime, ...]:
    if border.at is None:
        return ()
    places = (border.at, *border.ours[::-1])
    return tuple([date for place in places if (date := hops[place].date) is not None])


def _times(message: Message, hops: Sequence[Hop], dates: Sequence[datetime], anomalies: list[Anomaly]) -> None:
    for hop in hops:
        if hop.delay_seconds is not None and hop.delay_seconds < -_CLOCK_TOLERANCE:
            anomalies.append(Anomaly(AnomalyCode.CLOCK_BACKWARDS, str(hop.index)))
    written = message.named(b"date")
    if dates and written:
        date = parse_date(written[0].value.decode("latin-1"))
        if date is not None and abs(date - dates[0]) > _DATE_SKEW:
            anomalies.append(Anomaly(AnomalyCode.DATE_SKEW, str(int((dates[0] - date).total_seconds()))))


def _encryption(hops: Sequence[Hop], border: Border) -> tuple[bool | None, list[int]]:
    """Whether every hop inside the boundary that went over a network says TLS, and those that do not."""
    places = [*border.ours, border.at] if border.at is not None else list(border.ours)
    travelled = [hops[place] for place in places if not is_local(hops[place])]
    clear = [hop.index for hop in travelled if not is_encrypted(hop)]
    return (not clear if travelled else None), clear

"""What the receiver wrote beside its border line: MAIL FROM, HELO and client address as the header tells them.

Above the border everything was written inside.  A few receivers write fields below their own line; of these only as
much is read as stands directly there and bears the receiver's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from verify.grammar import names
from verify.grammar.results import ParsedReceivedSpf, parse_received_spf, parse_results
from verify.grammar.visible import escape
from verify.model import Field, Limits, Message, Profile

_PATH_OCTETS = 1000  # of an address field; RFC 5321 4.5.3.1.3 allows a path 256
_KEPT_BY_DELIVERY = (b"return-path", b"x-envelope-from", b"envelope-sender", b"x-mail-from")
_EXCHANGE_FIELDS = b"x-ms-exchange-organization-"


class Evidence(Struct, frozen=True, kw_only=True):
    """``mail_from``: "" is the null path; ``@domain`` where the local part is not told.  None: not told."""

    client_ips: tuple[str, ...] = ()  # all that is told, nearest first
    helo: str | None = None
    mail_from: str | None = None
    mail_froms: tuple[str, ...] = ()  # all that is told: by the delivery, and as the receiver's own SPF checks had it


def read_evidence(message: Message, border_index: int, receiver: Profile | None, limits: Limits) -> Evidence:
    """What stands beside the border line at ``border_index``; ``receiver``: who wrote that line, None for unknown."""
    below = run_below(message, border_index, receiver)
    told: list[ParsedReceivedSpf] = []
    senders: list[str | None] = []
    if message.named(b"received-spf") or message.named(b"authentication-results"):
        above = message.fields[:border_index]  # a field's index is its place
        slots = (below, above[::-1])  # of each the field nearest to the line
        told = [spf for slot in slots if (spf := _received_spf(slot, limits)) is not None]
        senders = [spf.envelope_from for spf in told if spf.identity in (None, "mailfrom")]
        senders += (_results_sender(slot, receiver if slot is below else None, limits) for slot in slots)
    recorded = tuple([sender for sender in senders if sender is not None])
    if receiver is not None and receiver.return_path_slot == "below-border":
        delivered = _return_path_below(message, border_index, recorded[0] if recorded else None)
    else:
        delivered = _return_path_above(message, border_index)
    return Evidence(
        client_ips=tuple([spf.client_ip for spf in told if spf.client_ip is not None]),
        helo=told[0].helo if told else None,
        mail_from=delivered if delivered is not None else recorded[0] if recorded else None,
        mail_froms=recorded if delivered is None else (delivered, *recorded),
    )


def _received_spf(slot: Sequence[Field], limits: Limits) -> ParsedReceivedSpf | None:
    for field in slot:
        if field.key == b"received-spf" and len(field.value) <= limits.recorded_octets:
            spf = parse_received_spf(field.value, limits)
            if spf is not None:
                return spf
    return None


def _results_sender(slot: Sequence[Field], receiver: Profile | None, limits: Limits) -> str | None:
    for field in slot:
        if field.key == b"authentication-results" and len(field.value) <= limits.recorded_octets:
            sender = _recorded_mail_from(field, receiver, limits)
            if sender is not None:
                return sender
    return None


def run_below(message: Message, border_index: int, receiver: Profile | None) -> list[Field]:
    """What a receiver that writes below its border line wrote there: nothing between but fields that it alone writes.

    One Received-SPF, then one Authentication-Results; what follows may be the sender's.
    """
    run: list[Field] = []
    if receiver is None or receiver.results_slot != "below-border":
        return run
    signs = keys_of(receiver.signs)
    wanted = [b"received-spf", b"authentication-results"]
    for field in message.fields[border_index + 1 :]:
        if field.key in wanted:
            del wanted[: wanted.index(field.key) + 1]
        elif field.key not in signs:
            break
        run.append(field)
    return run


@lru_cache(maxsize=1024)
def keys_of(signs: tuple[str, ...]) -> frozenset[bytes]:
    """The fields that only a receiver writes (``Profile.signs``), as ``Field.key`` has their names."""
    return frozenset(sign.lower().encode() for sign in signs)


def _return_path_above(message: Message, border_index: int) -> str | None:
    """The topmost Return-Path (RFC 7103 7.5.3), or a kin field, of those above the border."""
    for key in _KEPT_BY_DELIVERY:
        for field in message.named(key):
            if field.index >= border_index:
                break
            if (path := _path(field.value)) is not None:
                return path
    return None


def _return_path_below(message: Message, border_index: int, recorded: str | None) -> str | None:
    """Exchange writes Return-Path below the author's fields, directly above fields that it takes from nobody else.

    Where there are several all the same, the domain that the receiver recorded above the border decides.
    """
    paths: list[str] = []
    fields = message.fields
    for place, field in enumerate(fields[:-1]):
        if field.index <= border_index or field.key != b"return-path":
            continue
        if fields[place + 1].key.startswith(_EXCHANGE_FIELDS) and (path := _path(field.value)) is not None:
            paths.append(path)
    if recorded is not None:
        paths = [path for path in paths if _domain(path) == _domain(recorded)]
    return paths[0] if paths else None


def _recorded_mail_from(field: Field, receiver: Profile | None, limits: Limits) -> str | None:
    parsed = parse_results(field.value, limits)
    if parsed is None:
        return None
    if receiver is not None and not names.matches_any(receiver.authserv_ids, parsed.authserv_id or ""):
        return None
    for result in parsed.results:
        if result.method == "spf":
            value = result.properties.get("smtp.mailfrom", result.properties.get("smtp.mail"))
            if value is not None:
                return value if "@" in value or not value else f"@{value}"
    return None


def _path(value: bytes) -> str | None:
    """The address of a Return-Path, in angle brackets or bare; None when the field holds none."""
    text = value.strip()
    if len(text) > _PATH_OCTETS:
        return None
    if text.startswith(b"<") and b">" in text:
        text = text[1 : text.rindex(b">")].strip()
    elif not text or text.startswith(b"("):
        return None
    elif b" " in text:
        text = text.split(None, 1)[0]
    return escape(text)


def _domain(path: str) -> str | None:
    domain = names.split_mailbox(path)[1]
    return names.domain_name(domain) or domain.lower()

"""The author, read as the worst reader would: every mailbox that some mail program could show, and one Author Domain.

RFC 9989 4.2, 5.3.1 and 11.5.  There is an Author Domain only where all plausible readings agree on it.  What stands in
a display name is no reading; it is pointed out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice, pairwise

from verify.grammar.encoded_words import decode_words
from verify.grammar.names import domain_name, is_below, u_labels
from verify.grammar.visible import escape
from verify.model import SAME_AUTHOR, Anomaly, AnomalyCode, Author, Limits, Mailbox, Message, Reading, Reason
from verify.reading.addresses import AddressField, How, read_addresses

_CACHED_OCTETS = 1000  # values up to this size are remembered
_DAMAGED_FROM = re.compile(rb"[^!-9;-~]*f[^!-9;-~]*r[^!-9;-~]*o[^!-9;-~]*m[^!-9;-~]*:", re.IGNORECASE)
_BARE_CR_FROM = re.compile(rb"\r(?!\n)from[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_HOST_IN_NAME = re.compile(r"(?<![\w.@-])[\w-]++(?:\.[\w-]++)++(?!@)")
_AROUND_ADDRESS = re.compile(r"[\s<>()\[\],;:\"'/\\]")
_HIDDEN = {"Cc", "Cf", "Zl", "Zp"}  # controls, bidirectional and zero-width characters
_SCRIPTS_TOGETHER = ({"CJK", "HIRAGANA", "KATAKANA", "LATIN"}, {"CJK", "HANGUL", "LATIN"}, {"CJK", "BOPOMOFO", "LATIN"})


def read_author(message: Message, limits: Limits) -> tuple[Author, tuple[Anomaly, ...]]:
    """Who wrote the message, by its From field alone (RFC 9989 A.3), and what is odd about it.

    Untrusted input throughout; never raises, linear.  A reading limit that is hit is among the anomalies and leaves no
    Author Domain: then ``problem`` is ``Reason.LIMIT`` unless something worse is seen already.
    """
    values = tuple([(field.value, None) for field in message.named(b"from")]) + _hidden_froms(message)
    short = sum([len(value) for value, _ in values]) <= _CACHED_OCTETS
    read = _remembered_author if short else _author
    author, anomalies = read(values, limits.author_readings, limits.comment_depth)
    others = _other_fields(message, author, limits)
    return author, tuple(dict.fromkeys((*anomalies, *others))) if others else anomalies


def _author(
    values: tuple[tuple[bytes, How | None], ...], readings_most: int, comment_depth: int
) -> tuple[Author, tuple[Anomaly, ...]]:
    """The author by the values of all fields that may be taken for From; ``How``: by which only some programs do."""
    fields = sum([how is None for _, how in values])
    anomalies: dict[Anomaly, None] = {}
    read: list[AddressField] = []
    readings: dict[Reading, None] = {}
    limit_hit = False
    for value, how in values:
        if len(readings) > readings_most or (read and len(readings) == readings_most):
            limit_hit = True
            anomalies[Anomaly(AnomalyCode.LIMIT_HIT, "author_readings")] = None
            break
        each = read_addresses(value, readings_most, comment_depth)
        read.append(each)
        if each.limit is not None:
            limit_hit = True
            anomalies[Anomaly(AnomalyCode.LIMIT_HIT, each.limit)] = None
        if how is None and fields > 1:
            how = How.REPEATED_FIELD
        for reading in each.readings:
            if how is not None:
                reading = Reading(reading.address, reading.domain, how.value)
            readings[reading] = None
        anomalies.update(dict.fromkeys(islice(_oddities(each), readings_most)))

    problem = _problem(fields, fields < len(values), read)
    if problem is None and limit_hit:
        problem = Reason.LIMIT
    shown = tuple(readings)[:readings_most]
    domain = shown[0].domain if problem is None else None
    odd = Anomaly(AnomalyCode.ODD_FROM_SYNTAX)
    if domain is not None and odd in anomalies:
        anomalies = {Anomaly(odd.code, SAME_AUTHOR) if each == odd else each: None for each in anomalies}
    author = Author(
        domain=domain,
        addresses=tuple(dict.fromkeys([Mailbox(reading.address, reading.domain) for reading in shown])),
        readings=shown,
        ambiguous=problem in (Reason.AUTHOR_AMBIGUOUS, Reason.AUTHOR_REPEATED),
        problem=problem,
    )
    return author, tuple(anomalies)


_remembered_author = lru_cache(maxsize=8192)(_author)


def _problem(fields: int, hidden: bool, read: list[AddressField]) -> Reason | None:
    """Why there is no one Author Domain, as far as what was read shows."""
    if fields > 1:
        return Reason.AUTHOR_REPEATED
    if hidden:
        return Reason.AUTHOR_AMBIGUOUS  # only some programs see that field, or only others do not
    if not read:
        return Reason.AUTHOR_MISSING
    only = read[0]
    domains = {reading.domain for reading in only.readings}
    if only.nul or (only.controls and not only.clean):
        return Reason.AUTHOR_AMBIGUOUS if domains else Reason.AUTHOR_MISSING
    if not domains - {None}:
        return Reason.AUTHOR_MISSING
    if len(domains) > 1:
        return Reason.AUTHOR_SEVERAL_DOMAINS if only.clean else Reason.AUTHOR_AMBIGUOUS
    return None


def _hidden_froms(message: Message) -> tuple[tuple[bytes, How], ...]:
    """What only some programs take for a From field."""
    bare_cr = any(anomaly.code is AnomalyCode.BARE_CR for anomaly in message.anomalies)
    found = []
    for field in message.fields if bare_cr else message.named(b""):
        if not field.key:
            damaged = _DAMAGED_FROM.match(field.raw)
            if damaged is not None:
                blank = field.raw[:1] in b" \t"
                found.append((field.value[damaged.end() :], How.LEADING_BLANK if blank else How.DAMAGED_NAME))
        if bare_cr:
            found += [(match[1], How.BARE_CR) for match in _BARE_CR_FROM.finditer(field.raw)]
    return tuple(found)


def _read(value: bytes, limits: Limits) -> AddressField:
    if len(value) > _CACHED_OCTETS:
        return read_addresses(value, limits.author_readings, limits.comment_depth)
    return _remembered(value, limits.author_readings, limits.comment_depth)


_remembered = lru_cache(maxsize=8192)(read_addresses)


def receiver_lookalikes(message: Message, author: Author, own: frozenset[str], limits: Limits) -> tuple[Anomaly, ...]:
    """Host names in the display name that are the receiver's own, though the author is not of it.

    ``own``: names of the receiver's hosts and mail domains, in A-labels.  What lies below one of these is meant too,
    and the domain that one of its hosts lies in.
    """
    fields = message.named(b"from")[: limits.author_readings] if own else ()
    values = [value for field in fields if _may_name(value := field.value[: limits.line_octets], own)]
    domain = author.domain
    if not values or (domain is not None and any(is_below(domain, name) for name in own)):
        return ()
    above = {name.partition(".")[2] for name in own if name.count(".") > 1}
    found: dict[str, None] = {}
    for value in values:
        text = decode_words(value.decode("utf-8", "surrogateescape"))
        for word in _HOST_IN_NAME.findall(unicodedata.normalize("NFKC", text)):
            host = domain_name(word)
            if host is None or (domain is not None and is_below(host, domain)):
                continue
            if host in above or any(is_below(host, each) for each in own):
                found[host] = None
    return tuple([Anomaly(AnomalyCode.DISPLAY_NAME_RECEIVER, host) for host in found])


def _may_name(value: bytes, own: frozenset[str]) -> bool:
    """False when none of the names can stand in the value, however it is decoded."""
    if not value.isascii() or b"=?" in value:
        return True
    text = value.lower()
    # what stands in a name, in every name below it, and in the domain that a host lies in
    return any((name.partition(".")[2] if name.count(".") > 1 else name).encode() in text for name in own)


# ---------------------------------------------------------------------------------------------------
# What is odd, and changes nothing
# ---------------------------------------------------------------------------------------------------


def _oddities(field: AddressField) -> Iterable[Anomaly]:
    if field.eight_bit:
        yield Anomaly(AnomalyCode.EIGHT_BIT_FROM)
    if not field.clean and field.readings:
        yield Anomaly(AnomalyCode.ODD_FROM_SYNTAX)
    for name in field.names:
        yield from _name_oddities(name, field.readings if field.clean else None)
    for reading in field.readings:
        if reading.domain is not None and "xn--" in reading.domain:
            domain = u_labels(reading.domain)
            if any(_mixes_scripts(label) for label in domain.split(".")):
                yield Anomaly(AnomalyCode.MIXED_SCRIPTS, domain)


def _name_oddities(name: str, readings: tuple[Reading, ...] | None) -> Iterable[Anomaly]:
    """``readings``: the addresses that may stand in the name too; None: any may."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)  # U+FF20 is shown as an at sign
        if any(_mixes_scripts(word) for word in _WORD.findall(name)):
            yield Anomaly(AnomalyCode.MIXED_SCRIPTS, _visible(name))
    if not name.isprintable() and any(unicodedata.category(char) in _HIDDEN for char in name if char != "\t"):
        yield Anomaly(AnomalyCode.DISPLAY_NAME_CONTROL, _visible(name))
    if readings is not None and "@" in name:
        own = {reading.address.lower() for reading in readings}
        for address in _addresses_in(name):
            if address.lower() not in own:
                yield Anomaly(AnomalyCode.DISPLAY_NAME_ADDRESS, _visible(address))


def _addresses_in(name: str) -> Iterable[str]:
    """What a person would take for an address, with invisible characters gone."""
    seen = "".join(char for char in name if unicodedata.category(char) not in _HIDDEN)
    parts = seen.split("@")
    for before, after in pairwise(parts):
        local = _AROUND_ADDRESS.split(before)[-1]
        domain = _AROUND_ADDRESS.split(after, maxsplit=1)[0].rstrip(".!?")
        if local and "." in domain:
            yield f"{local}@{domain}"


def _visible(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"), 200)


def _mixes_scripts(word: str) -> bool:
    """Letters of several scripts in one word, other than those that are written together."""
    if word.isascii():
        return False
    scripts = {unicodedata.name(char, "?").split(" ")[0].split("-")[0] for char in word if char.isalpha()}
    scripts -= {"FULLWIDTH", "MODIFIER", "IDEOGRAPHIC", "?"}
    return len(scripts) > 1 and not any(scripts <= together for together in _SCRIPTS_TOGETHER)


def _other_fields(message: Message, author: Author, limits: Limits) -> list[Anomaly]:
    """Sender and Reply-To that lead elsewhere; neither ever counts as the author.

    Elsewhere is where one of the authors that may be shown is not.
    """
    found = []
    for key, code in ((b"sender", AnomalyCode.SENDER_DIFFERS), (b"reply-to", AnomalyCode.REPLY_TO_DIFFERS)):
        for field in message.named(key)[:1]:
            domains = {reading.domain for reading in author.readings if reading.domain is not None}
            for reading in _read(field.value, limits).readings:
                other = reading.domain
                if other is not None and any(not is_below(other, d) and not is_below(d, other) for d in domains):
                    found.append(Anomaly(code, reading.address))
    return found

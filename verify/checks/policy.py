"""One DMARC record, and what the answer at one ``_dmarc`` name means (RFC 9989 4.7, 4.8, 4.10)."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from verify.checks.treewalk import Psd
from verify.grammar.taglist import Defect, TagList, parse_tag_list
from verify.grammar.visible import escape
from verify.model import AlignmentMode, Answer, Limits, Outcome, PolicyWord, replace

_VERSION = re.compile(rb"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")  # RFC 9989 4.8: first, and in this case
_URI = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+\Z")  # RFC 3986 characters
_OLD_SIZE = re.compile(rb"![0-9]+[kmgt]?\Z", re.IGNORECASE)  # RFC 9989 4.8 obs-dmarc-uri: ignored
_WORDS = {word.value.encode(): word for word in PolicyWord}
_ONE_LOWER = {
    PolicyWord.REJECT: PolicyWord.QUARANTINE,
    PolicyWord.QUARANTINE: PolicyWord.NONE,
    PolicyWord.NONE: PolicyWord.NONE,
}
_CACHED_OCTETS = 1024  # a longer record is read anew: what is remembered stays small, whoever writes the records


class PolicyRecord(Struct, frozen=True, kw_only=True):
    """A DMARC record as written.  ``p``, ``sp``, ``np``: None when absent or not valid; ``invalid`` tells which.

    ``text``: the record as visible text.  ``pct``: RFC 7489 only.  ``duplicates``: tags written twice, the first of
    which counts.  ``too_long``: over the limit, so that nothing but the version was read.
    """

    text: str
    p: PolicyWord | None = None
    sp: PolicyWord | None = None
    np: PolicyWord | None = None
    invalid: tuple[str, ...] = ()
    has_report_uri: bool = False
    adkim: AlignmentMode = AlignmentMode.RELAXED
    aspf: AlignmentMode = AlignmentMode.RELAXED
    psd: Psd = Psd.UNKNOWN
    test_mode: bool = False
    pct: int = 100
    duplicates: tuple[str, ...] = ()
    too_long: bool = False


def parse_record(record: bytes, octets_most: int) -> PolicyRecord | None:
    """The record, or None when this TXT record is not a DMARC record (RFC 9989 4.7).  Never raises."""
    if not _VERSION.match(record):
        return None
    return _remembered(record, octets_most) if len(record) <= _CACHED_OCTETS else _parse_record(record, octets_most)


def _parse_record(record: bytes, octets_most: int) -> PolicyRecord:
    text = escape(record, octets_most)
    tags = parse_tag_list(record, octets_most)
    if Defect.TOO_LONG in tags.defects:
        return PolicyRecord(text=text, too_long=True)
    policies = {name: _policy(tags, name) for name in ("p", "sp", "np")}
    return PolicyRecord(
        text=text,
        p=policies["p"],
        sp=policies["sp"],
        np=policies["np"],
        invalid=tuple(name for name, word in policies.items() if word is None and tags.get(name) is not None),
        has_report_uri=_has_uri(tags.get("rua")),
        adkim=_mode(tags, "adkim"),
        aspf=_mode(tags, "aspf"),
        psd={b"y": Psd.YES, b"n": Psd.NO}.get(_literal(tags, "psd"), Psd.UNKNOWN),
        test_mode=_literal(tags, "t") == b"y",
        pct=_percent(_literal(tags, "pct")),
        duplicates=tags.duplicates,
    )


_remembered = lru_cache(maxsize=16384)(_parse_record)


def _literal(tags: TagList, name: str) -> bytes:
    return (tags.get(name) or b"").lower()  # ABNF literals have no case (RFC 5234 2.3)


def _policy(tags: TagList, name: str) -> PolicyWord | None:
    return _WORDS.get(_literal(tags, name))


def _mode(tags: TagList, name: str) -> AlignmentMode:
    return AlignmentMode.STRICT if _literal(tags, name) == b"s" else AlignmentMode.RELAXED


def _percent(value: bytes) -> int:
    return min(int(value), 100) if value.isdigit() and len(value) <= 3 else 100


def _has_uri(value: bytes | None) -> bool:
    """True when at least one URI of the list is well formed: the condition of RFC 9989 4.10.1."""
    return value is not None and any(_URI.match(_OLD_SIZE.sub(b"", uri.strip(b" \t"))) for uri in value.split(b","))


def usable(record: PolicyRecord, tags: tuple[str, ...] = ("p", "sp", "np")) -> PolicyRecord | None:
    """The record with which processing goes on; None when DMARC does not apply (RFC 9989 4.10.1, RFC 7489 6.6.3).

    A record without a valid ``p``, or in which another of ``tags`` is not valid, counts as ``p=none`` when it asks
    for reports, and else not at all.
    """
    if is_sound(record, tags):
        return record
    if record.has_report_uri:
        return replace(record, p=PolicyWord.NONE, sp=None, np=None, invalid=())
    return None


def is_sound(record: PolicyRecord, tags: tuple[str, ...] = ("p", "sp", "np")) -> bool:
    return record.p is not None and not any(tag in record.invalid for tag in tags)


def one_lower(word: PolicyWord) -> PolicyWord:
    """The policy one step milder: test mode (RFC 9989 4.7 ``t``)."""
    return _ONE_LOWER[word]


def read_answer(answer: Answer, limits: Limits) -> tuple[PolicyRecord, ...]:
    """The DMARC records of an answer; other TXT records are discarded (RFC 9989 4.10)."""
    if answer.outcome is not Outcome.FOUND:
        return ()
    records = (parse_record(record, limits.tag_list_octets) for record in answer.records)
    return tuple(record for record in records if record is not None)

"""The DNS Tree Walk of RFC 9989 4.10: which names are asked, and which domain is the Organizational Domain.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

_LABELS_MOST = 7  # a longer name is followed by its rightmost seven labels: eight names at most (RFC 9989 4.10)


class Psd(StrEnum):
    """The ``psd`` tag (RFC 9989 4.7): is this name a public suffix?"""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


class Found(Struct, frozen=True):
    """One name of a walk that has a DMARC record, and what the record says about the name."""

    name: str
    psd: Psd


@lru_cache(maxsize=16384)
def walk_names(domain: str) -> tuple[str, ...]:
    """The names whose ``_dmarc`` record a walk for ``domain`` asks for, in order; without the ``_dmarc`` label."""
    labels = domain.split(".")
    most = _LABELS_MOST if len(labels) > _LABELS_MOST else len(labels) - 1
    return (domain, *(".".join(labels[-k:]) for k in range(most, 0, -1)))


def organizational_domain(domain: str, found: Iterable[Found]) -> str:
    """The Organizational Domain by the records of the whole walk, longest name first (RFC 9989 4.10.2)."""
    shortest = domain
    for record in found:
        if record.psd is Psd.NO:
            return record.name
        if record.psd is Psd.YES:
            return one_below(domain, record.name)
        shortest = record.name
    return shortest


def one_below(domain: str, suffix: str) -> str:
    """The name one label below ``suffix`` on the way to ``domain``; ``domain`` itself when it is the suffix."""
    return ".".join(domain.split(".")[-(suffix.count(".") + 2) :])

"""The Public Suffix List, for RFC 7489 alone; needs the extra ``psl``.  Kept by the package ``publicsuffixlist``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from verify.grammar.names import domain_name


@lru_cache(maxsize=1)
def _list() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()  # both sections; a top-level domain that is not listed counts as a suffix


@lru_cache(maxsize=16384)
def organizational_domain(name: str) -> str | None:
    """The public suffix of ``name`` and one label more, in A-labels; None for a suffix and for what is no host name.

    Raises ImportError when the extra is not installed.  RFC 7489 3.2.
    """
    checked = domain_name(name)  # the package takes an address literal for a name
    if checked is None:
        return None
    found: str | None = _list().privatesuffix(checked)
    return found

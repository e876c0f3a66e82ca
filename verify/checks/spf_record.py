"""SPF records: text into terms, over pyspf's grammar of mechanisms (RFC 7208 4.6, 5, 6, 7.1, 12).

The whole record is checked before any term is evaluated (RFC 7208 4.6).  What pyspf gets wrong is decided before it is
asked: control characters, macro syntax (it takes ``%{d0}`` and ``%{d2x}``), names of modifiers in upper case, unknown
modifiers given twice, and labels so long that its expression for the last label takes quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from msgspec import Struct

from verify.grammar.visible import escape
from verify.libraries import pyspf
from verify.model import SpfWord

_VISIBLE = re.compile(r"[!-~]+\Z")
_LONG_LABEL = re.compile(r"[0-9A-Za-z-]{64}")
_MACRO = re.compile(r"%(?:([%_-])|\{([A-Za-z])([0-9]*)(r?)([-.+,/_=]*)\})", re.IGNORECASE)
_LITERALS = {"%": "%", "_": " ", "-": "%20"}
_LETTERS = frozenset("slodiphv")  # c, r and t stand in explanations only, RFC 7208 7.2
_PARTS_MOST = 512  # more right-hand parts than a name can have
_QUALIFIERS = {"+": SpfWord.PASS, "-": SpfWord.FAIL, "~": SpfWord.SOFTFAIL, "?": SpfWord.NEUTRAL}


class Macro(Struct, frozen=True):
    """One macro of RFC 7208 7.1.  ``letter``: lower case; ``keep``: right-hand parts kept, 0 = all; ``split``: no
    transformer, no delimiter = False; ``escaped``: the letter was upper case, so the value is URL-escaped."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    split: bool
    escaped: bool


Spec: TypeAlias = tuple[str | Macro, ...]


class Term(Struct, frozen=True):
    """One directive.  ``spec``: the domain-spec, None for the current domain; ``prefix``: by address version;
    ``network``: the address of ``ip4`` and ``ip6`` as a number."""

    text: str
    name: str
    word: SpfWord
    spec: Spec | None
    prefix4: int
    prefix6: int
    network: int


class Record(Struct, frozen=True):
    """A record that was checked whole.  ``fault``: the term that is no SPF, as visible text; None for a good record."""

    terms: tuple[Term, ...] = ()
    redirect: Spec | None = None
    redirect_text: str = ""
    fault: str | None = None


def select_records(texts: Iterable[bytes]) -> list[bytes]:
    """Those of a name's TXT records that are SPF: ``v=spf1`` in any case, then a space or the end (RFC 7208 4.5)."""
    return [text for text in texts if text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")]


@lru_cache(maxsize=2048)
def parse_record(text: bytes) -> Record:
    """The record as terms; ``text`` came from ``select_records``, its length capped by the caller."""
    terms: list[Term] = []
    redirect: Spec | None = None
    redirect_text = ""
    seen: set[str] = set()
    for word in text.decode("latin-1").split(" ")[1:]:
        if not word:
            continue
        try:
            modifier = pyspf.RE_MODIFIER.match(word)
            if not _VISIBLE.match(word):
                raise pyspf.PermError("character outside the grammar")
            if modifier is None:
                terms.append(_mechanism(word))
                continue
            name, value = modifier[1].lower(), word[modifier.end() :]
            if name not in ("redirect", "exp"):  # to be ignored, however often, but well-formed (RFC 7208 6)
                compile_spec(value)
                continue
            spec = _domain_spec(value)
            if name in seen:
                raise pyspf.PermError("modifier given twice")
            seen.add(name)
            if name == "redirect":
                redirect, redirect_text = spec, word
        except (pyspf.PermError, ValueError):  # ValueError: a number of thousands of digits, an odd address
            return Record(fault=escape(word.encode("latin-1"), 200))
    if any(term.name == "all" for term in terms):  # RFC 7208 6.1
        redirect, redirect_text = None, ""
    return Record(tuple(terms), redirect, redirect_text)


def compile_spec(text: str) -> Spec:
    """A macro-string as literals and macros; PermError when it is none."""
    parts: list[str | Macro] = []
    literal = ""
    at = 0
    for match in _MACRO.finditer(text):
        literal += _literal(text[at : match.start()])
        at = match.end()
        if match[1]:
            literal += _LITERALS[match[1]]
            continue
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(_macro(match))
    literal += _literal(text[at:])
    if literal:
        parts.append(literal)
    return tuple(parts)


def _literal(text: str) -> str:
    if "%" in text:
        raise pyspf.PermError("invalid macro", text[:100])
    return text


def _macro(match: re.Match[str]) -> Macro:
    letter, digits, reverse, delimiters = match.group(2, 3, 4, 5)
    if letter.lower() not in _LETTERS:
        raise pyspf.PermError("unknown macro", letter)
    number = digits.lstrip("0")
    if digits and not number:
        raise pyspf.PermError("a macro keeps no part", match[0][:100])
    return Macro(
        letter=letter.lower(),
        keep=min(int(number[:4]), _PARTS_MOST) if number else 0,
        reverse=bool(reverse),
        delimiters=delimiters or ".",
        split=bool(digits or reverse or delimiters),
        escaped=letter.isupper(),
    )


class _Grammar(pyspf.query):  # type: ignore[misc]
    """pyspf's check of single terms: nothing is looked up, nothing expanded."""

    def __init__(self) -> None:
        self.d = "current-domain.invalid"
        self.v = "in-addr"
        self.cidrmax = 32
        self.strict = True
        self.perm_error = None

    def expand(self, s: str, stripdot: bool = True) -> str:
        return s


_GRAMMAR = _Grammar()


def _checked(text: str) -> Spec:
    """The macro-string behind a term's colon, fit to be shown to pyspf."""
    if _LONG_LABEL.search(text):
        raise pyspf.PermError("label over 63 octets", text[:100])
    return compile_spec(text)


def _domain_spec(text: str) -> Spec:
    spec = _checked(text)
    if not spec:
        raise pyspf.PermError("empty domain-spec")
    _GRAMMAR.expand_domain(text)
    return spec


def _mechanism(word: str) -> Term:
    _checked(word)
    _GRAMMAR.validate_mechanism(word)
    name, argument, prefix4, prefix6 = pyspf.parse_mechanism(word, None)
    qualifier = name[0] if name[0] in _QUALIFIERS else "+"
    name = name.removeprefix(qualifier)
    network = 0
    if name == "ip4":
        network = int(IPv4Address(argument))
    elif name == "ip6":
        network, prefix6 = int(IPv6Address(argument)), prefix4
    return Term(
        text=word,
        name=name,
        word=_QUALIFIERS[qualifier],
        spec=None if argument is None or name in ("ip4", "ip6") else compile_spec(argument),
        prefix4=32 if prefix4 is None else prefix4,
        prefix6=128 if prefix6 is None else prefix6,
        network=network,
    )

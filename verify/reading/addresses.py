"""One address field, read strictly and read as the worst mail program would (RFC 5322 3.4, 4.4; RFC 9989 11.5).

The strict reader takes the grammar, its obsolete forms, and two habits of honest mail: commas and dots in display
names without quotes.  What it does not take whole is searched for everything that looks like an address, in the text
as it stands, decoded, and with blanks, comments and controls removed: some program shows each of these.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

from verify.grammar.encoded_words import decode_words
from verify.grammar.names import domain_name
from verify.grammar.visible import escape
from verify.model import Reading

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
# Most mail: a name of harmless characters, one address.  Comes to what the strict reader says, in less time.
_ORDINARY = re.compile(
    rb"[ \t]*+(?:(?:[A-Za-z0-9 .,&'_-]*+|\"[A-Za-z0-9 .,&'()_-]*+\"[ \t]*+)"
    rb"<(?P<angle>[A-Za-z0-9._+-]++@[A-Za-z0-9.-]++)>|(?P<bare>[A-Za-z0-9._+-]++@[A-Za-z0-9.-]++))[ \t]*+\Z"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t]+")
_ATOM = re.compile(r'[^ \t<>,;:@\\\[\]"()]+')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DELIMITER = re.compile(r'[\s<>,;:@\\\[\]"()\x00-\x1f\x7f]')
_LITERAL = re.compile(r"\[[^\[\]@<>]{0,255}\]")
_BLANKS_IN_ADDRESS = re.compile(r"(?<=[.@])[ \t]+|(?<![ \t])[ \t]++(?=[.@])")
# A decoded display name in which a program that decodes before it parses would find a mailbox of its own.
_MAILBOX_IN_NAME = re.compile(r"<[^<>]*@|(?<=[^\s,;@])@[^\s,;@.]+\.[^\s,;@]*\s*[,;]")
_ADDRESS_OCTETS = 1000  # of one address that is shown; RFC 5321 4.5.3.1 allows 320


class How(StrEnum):
    """By which way of reading a mailbox comes out."""

    PLAIN = "plain"
    GROUP_MEMBER = "group-member"
    SOURCE_ROUTE = "source-route"
    QUOTED_LOCAL_PART = "quoted-local-part"
    # when the field is not what the grammar wants
    ADDRESS_IN_TEXT = "address-in-text"
    ENCODED_WORD = "encoded-word"
    BLANKS_REMOVED = "blanks-removed"
    CONTROLS_REMOVED = "controls-removed"
    # by a field that not every program takes for From
    REPEATED_FIELD = "repeated-field"
    LEADING_BLANK = "leading-blank"
    DAMAGED_NAME = "damaged-name"
    BARE_CR = "bare-cr"


class AddressField(Struct, frozen=True):
    """``clean``: the strict reader took it whole.  ``names``: its display names and comments, decoded, but for
    names of plain letters; when it is not clean, the whole text decoded.

    ``limit``: the reading limit that was hit.  ``controls``: a control character other than tab stands in it; ``nul``:
    and it is NUL.  ``eight_bit``: octets beyond ASCII.
    """

    readings: tuple[Reading, ...]
    clean: bool
    names: tuple[str, ...] = ()
    limit: str | None = None
    controls: bool = False
    nul: bool = False
    eight_bit: bool = False


class _Kind(StrEnum):
    BLANK = "blank"
    COMMENT = "comment"
    QUOTED = "quoted"
    ATOM = "atom"
    SPECIAL = "special"


class _Token(Struct, frozen=True, array_like=True, gc=False):
    kind: _Kind
    text: str


_Tokens = list[_Token]


class _NotStrict(Exception):
    """The strict reader does not take the field."""


def read_addresses(value: bytes, readings_most: int, comment_depth: int) -> AddressField:
    """Read the value of an address field (folds kept); never raises, linear."""
    ordinary = _ORDINARY.match(value) if readings_most else None
    if ordinary is not None:
        address = (ordinary["angle"] or ordinary["bare"]).decode("ascii")
        name = domain_name(address.partition("@")[2]) if len(address) <= _ADDRESS_OCTETS else None
        if name is not None:
            return AddressField((Reading(address, name, How.PLAIN.value),), clean=True)
    octets = _FOLD.sub(b"", value)
    text = octets.decode("utf-8", "surrogateescape")
    tokens, whole, too_deep = _tokens(text, comment_depth)
    found = _Found(readings_most)
    names: tuple[str, ...] = ()
    clean = whole
    if whole:
        try:
            strict = _Strict(tokens)
            names = strict.names()
            for local, domain, how in strict.mailboxes:
                found.add(local, domain, how)
        except _NotStrict:
            clean = False
    if not clean:
        found = _Found(readings_most)
        names = (decode_words(text),)
        _search(text, names[0], tokens, found)
    limit = "comment_depth" if too_deep else "author_readings" if found.full else None
    return AddressField(
        readings=tuple(found.readings.values()),
        clean=clean,
        names=names,
        limit=limit,
        controls=_CONTROL.search(text) is not None,
        nul="\0" in text,
        eight_bit=not text.isascii(),
    )


class _Found:
    """Readings, each address once, up to the limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.readings: dict[str, Reading] = {}
        self.full = False

    def add(self, local: str, domain: str, how: How) -> None:
        address = _visible(f"{local}@{domain}")
        if address in self.readings:
            return
        if len(self.readings) >= self._most:
            self.full = True
            return
        name = domain_name(domain) if len(domain) <= _ADDRESS_OCTETS else None
        self.readings[address] = Reading(address, name, how.value)


def _visible(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"), _ADDRESS_OCTETS)


# ---------------------------------------------------------------------------------------------------
# The strict reader
# ---------------------------------------------------------------------------------------------------


def _tokens(text: str, comment_depth: int) -> tuple[_Tokens, bool, bool]:
    """The tokens; whether all quotes and comments close; whether comments nest too deep."""
    tokens: _Tokens = []
    quotes_close = comments_close = True
    too_deep = False
    position = 0
    while position < len(text):
        char = text[position]
        end = position + 1
        kind = _Kind.SPECIAL
        if char in " \t":
            end, kind = _end(_BLANKS, text, position), _Kind.BLANK
        elif char == '"' and quotes_close:  # after one that does not close none does: not searched again
            match = _QUOTED.match(text, position)
            quotes_close = match is not None
            if match is not None:
                end, kind = match.end(), _Kind.QUOTED
        elif char == "(" and comments_close:
            close, depth = _comment(text, position)
            too_deep = too_deep or depth > comment_depth
            comments_close = close is not None
            if close is not None:
                end, kind = close, _Kind.COMMENT
        elif char not in '<>,;:@\\[]"()':
            end, kind = _end(_ATOM, text, position), _Kind.ATOM
        tokens.append(_Token(kind, text[position:end]))
        position = end
    return tokens, quotes_close and comments_close, too_deep


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position + 1


def _comment(text: str, position: int) -> tuple[int | None, int]:
    """Where the comment ends (None: nowhere) and how deep it nests."""
    depth = deepest = 0
    for mark in _COMMENT_MARK.finditer(text, position):
        if mark[0] == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif mark[0] == ")":
            depth -= 1
            if depth == 0:
                return mark.end(), deepest
    return None, deepest


class _Strict:
    """Mailbox list by RFC 5322 3.4; raises ``_NotStrict`` for everything beyond what is said above."""

    def __init__(self, tokens: _Tokens) -> None:
        self.mailboxes: list[tuple[str, str, How]] = []
        self._names: list[_Tokens] = []
        self._fragments: list[_Tokens] = []  # "Doe" of: Doe, John <j@x.example>
        self._phrase: _Tokens = []
        self._angle: _Tokens | None = None
        self._in_angle = self._in_group = False
        for token in tokens:
            self._take(token)
        self._require(not self._in_angle and not self._in_group)
        self._end_entry()
        self._require(not self._fragments)

    @staticmethod
    def _require(holds: bool) -> None:
        if not holds:
            raise _NotStrict

    def _take(self, token: _Token) -> None:
        special = token.text if token.kind is _Kind.SPECIAL else ""
        if self._in_angle and self._angle is not None:
            if special == ">":
                self._in_angle = False
            else:
                self._require(special != "<")
                self._angle.append(token)
        elif special == "<":
            self._require(self._angle is None)
            self._angle, self._in_angle = [], True
        elif special == ",":
            self._end_entry()
        elif special == ":":
            self._require(not self._in_group and self._angle is None and not self._fragments)
            self._require(not any(each.kind is _Kind.SPECIAL for each in self._phrase))
            self._names.append(self._phrase)
            self._phrase, self._in_group = [], True
        elif special == ";":
            self._require(self._in_group)
            self._end_entry()
            self._require(not self._fragments)
            self._in_group = False
        else:
            after = self._angle is not None
            self._require(not after or token.kind in (_Kind.BLANK, _Kind.COMMENT))
            self._phrase.append(token)

    def _end_entry(self) -> None:
        phrase, angle = self._phrase, self._angle
        self._phrase, self._angle = [], None
        words = [each for each in phrase if each.kind not in (_Kind.BLANK, _Kind.COMMENT)]
        at = any(each.kind is _Kind.SPECIAL for each in words)
        if angle is not None:
            self._require(not at)
            self._mailbox(angle)
            self._names += [*self._fragments, phrase]
            self._fragments = []
        elif at:
            self._require(not self._fragments)
            self._mailbox(phrase)
            self._names.append([each for each in phrase if each.kind is _Kind.COMMENT])
        elif words:
            self._require("@" not in decode_words(_plain(phrase)))
            self._fragments.append(phrase)

    def _mailbox(self, tokens: _Tokens) -> None:
        edges = (_Kind.BLANK, _Kind.COMMENT)
        start, end = 0, len(tokens)
        while start < end and tokens[start].kind in edges:
            start += 1
        while end > start and tokens[end - 1].kind in edges:
            end -= 1
        how = How.GROUP_MEMBER if self._in_group else How.PLAIN
        if start < end and tokens[start].text == "@":
            start, how = self._after_route(tokens, start, end), How.SOURCE_ROUTE
        self._require(end - start >= 3 and tokens[end - 2].text == "@" and tokens[end - 1].kind is _Kind.ATOM)
        for each in tokens[start : end - 2]:
            self._require(each.kind in (_Kind.ATOM, _Kind.QUOTED) and each.text.isprintable() and "=?" not in each.text)
            if each.kind is _Kind.QUOTED:
                how = How.QUOTED_LOCAL_PART
        domain = tokens[end - 1].text
        self._require(domain.isprintable() and domain_name(domain) is not None)
        self.mailboxes.append(("".join(each.text for each in tokens[start : end - 2]), domain, how))

    def _after_route(self, tokens: _Tokens, start: int, end: int) -> int:
        """Past ``@a.example,@b.example:`` (RFC 5322 4.4)."""
        for position in range(start, end):
            token = tokens[position]
            if token.text == ":":
                blank = position + 1 < end and tokens[position + 1].kind is _Kind.BLANK
                return position + 1 + blank
            self._require(token.kind in (_Kind.ATOM, _Kind.BLANK) or token.text in ("@", ","))
        raise _NotStrict

    def names(self) -> tuple[str, ...]:
        """Display names and comments as shown: encoded words decoded, quotes and escapes gone."""
        shown = []
        for tokens in self._names:
            if any("=?" in each.text for each in tokens if each.kind is _Kind.ATOM):
                loose = decode_words("".join(each.text for each in tokens if each.kind in (_Kind.ATOM, _Kind.BLANK)))
                self._require(not _MAILBOX_IN_NAME.search(loose))
            name = decode_words(_plain(tokens)).strip()
            if name:
                shown.append(name)
        return tuple(shown)


def _plain(tokens: _Tokens) -> str:
    return "".join(
        _ESCAPED.sub(r"\1", each.text[1:-1]) if each.kind in (_Kind.QUOTED, _Kind.COMMENT) else each.text
        for each in tokens
    )


# ---------------------------------------------------------------------------------------------------
# The worst reader
# ---------------------------------------------------------------------------------------------------


def _search(text: str, decoded: str, tokens: _Tokens, found: _Found) -> None:
    """Everything in the text that looks like an address, by each way of reading."""
    _addresses(text, found, How.ADDRESS_IN_TEXT)
    if decoded != text:
        _addresses(decoded, found, How.ENCODED_WORD)
    bare = "".join(each.text for each in tokens if each.kind is not _Kind.COMMENT)
    joined = _BLANKS_IN_ADDRESS.sub("", bare)
    if joined != text:
        _addresses(joined, found, How.BLANKS_REMOVED, one_label=False)
    if _CONTROL.search(decoded):
        _addresses(_CONTROL.sub("", decoded), found, How.CONTROLS_REMOVED)


def _addresses(text: str, found: _Found, how: How, *, one_label: bool = True) -> None:
    """Each ``@`` with what stands on both sides; ``one_label``: take domains without a dot ("Sales @ Acme" is none)."""
    parts = text.split("@")
    for before, after in pairwise(parts):
        if found.full:
            return
        literal = _LITERAL.match(after)
        domain = literal[0] if literal else _DELIMITER.split(after, maxsplit=1)[0].rstrip("'")
        if domain and (one_label or "." in domain):
            found.add(_last_run(before), domain, how)


def _last_run(text: str) -> str:
    """What stands before the ``@``: a quoted string, or the text back to the last delimiter."""
    if text.endswith('"'):
        opening = text.rfind('"', 0, -1)
        if opening >= 0:
            return text[opening:]
    return _DELIMITER.split(text)[-1]

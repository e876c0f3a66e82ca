"""The client that a Received field tells of: what stands between ``from`` and ``by`` (RFC 5321 4.4).

Both sides wrote here.  The client chose its HELO argument, which some servers copy as it came, blanks, brackets and
parentheses included; the owner of its address chose the reverse name, some ident service a user name.  The server
wrote the address.  It stands in a comment of a known shape, or in brackets where there is no such comment; what is
glued to the HELO argument belongs to it; and where two addresses compete, so that a client may have written one of
them, there is none.  Keywords count where the grammar has them, never as the start of a host name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from verify.grammar import names
from verify.reading.tokens import PATH_KEYS, Token

COMMENT_OCTETS = 4096  # of a comment that are looked into; a server writes some hundred
_SHORT = 100  # characters of a word that is remembered
_HELO_COMMANDS = frozenset(("helo", "ehlo", "lhlo"))
_EXIM_KEYS = ("helo=", "ident=", "port=")
_NAMES_WHAT_FOLLOWS = (*_HELO_COMMANDS, "ident=", "port=")
_NO_NAME = frozenset(("unknown", "nodnsquery"))
# They write HELO first and never into a comment; of a reverse name they demand that it is one.
_HELO_FIRST = frozenset(("postfix", "sendmail", "google", "exchange", "opensmtpd", "haraka", "proofpoint"))
_CLIENT_FIRST = frozenset(("communigate", "yahoo", "zimbra"))  # the address, then HELO in a comment
_BRACKETED = re.compile(r"\[([^\[\]]*)\](:[0-9]{1,5})?")
_APART = re.compile(r"[^0-9A-Za-z.:%_-]+")


class Client(Struct, kw_only=True):
    """``first``: the first word as written, None when there is none; ``ambiguous``: two addresses compete.

    ``helo_given``: a word names the HELO argument, so that the server wrote the first word itself; ``exim``: in Exim's
    way.  ``remarks``: the comments that tell of something else than the client.  ``user``: one who logged in.
    """

    ip: str | None = None
    name: str | None = None
    helo: str | None = None
    first: str | None = None
    helo_given: bool = False
    exim: bool = False
    ambiguous: bool = False
    remarks: tuple[str, ...] = ()
    user: str | None = None


def read_client(tokens: Sequence[Token], program: str | None) -> Client:
    """``tokens``: what stands between ``from`` and ``by``; ``program``: who wrote the field, as far as it says."""
    client = Client()
    size = 0
    if tokens and tokens[0].kind != "comment":
        size = 1
        while size < len(tokens) and tokens[size].glued and tokens[size].kind != "comment":
            size += 1
        client.first = "".join(map(_written, tokens[:size]))
    reader = _Reader(client, tokens[size:], program)
    for token in tokens[:size]:
        if token.kind not in ("word", "literal") or " " in token.text:  # it may reach over what the server wrote
            reader.others += _addresses(token.text)
    reader.read()
    if client.first is not None:
        _first_word(client, client.first, program, named=reader.named)
    if client.ambiguous or any(ip != client.ip for ip in reader.others):
        client.ambiguous = True
        client.ip = None
    return client


class _Reader:
    """What follows the first word."""

    def __init__(self, client: Client, tokens: Sequence[Token], program: str | None) -> None:
        self.client = client
        self.tokens = tokens
        self.program = program
        self.told: set[str] = set()  # addresses in comments about the client
        self.bare: set[str] = set()  # in brackets alone
        self.others: list[str] = []  # all that is not known for a HELO argument: no other may stand beside the client's
        self.in_helo: list[str] = []  # in a comment that looks like HELO, as a reverse name may make one look
        self.named = False  # a name stands before the address

    def read(self) -> None:
        client, tokens = self.client, self.tokens
        remarks: list[str] = []
        comments = 0
        for at, token in enumerate(tokens):
            if token.kind == "comment":
                comments += 1
                before = len(self.told)
                certificate = before and self.program == "postfix" and _is_certificate(token.text)
                about_client = not certificate and self._comment(token.text)
                if len(self.told) > before:
                    remarks.clear()  # they stand in the client's own words
                if not about_client:
                    remarks.append(token.text)
            elif token.kind == "literal":
                self._literal(token.text, after_first_word=not comments)
            elif token.kind in ("quoted", "angle"):
                if at and tokens[at - 1].word == "be":  # claiming to be "name"
                    client.helo, client.helo_given = token.text, True
                self.others += _addresses(token.text)
            elif self.told and token.word == "user" and at + 1 < len(tokens) and tokens[at - 1].word == "as":
                client.user = tokens[at + 1].text
            elif comments and token.word == "encrypted":
                remarks.append(" ".join([each.text for each in tokens if each.kind == "word"]))
            else:
                self.others += _addresses(token.text)
        client.remarks = tuple(remarks)
        self.others += self.in_helo
        found = self.told or self.bare
        if len(found) > 1:
            client.ambiguous = True
        elif found:
            client.ip = next(iter(found))

    def _literal(self, text: str, *, after_first_word: bool) -> None:
        ip = address_of(text)
        if ip is not None:
            self.bare.add(ip)
        if ip is None or not after_first_word:  # else it belongs to the HELO argument when a comment follows
            self.others += _addresses(text)

    def _comment(self, text: str) -> bool:
        """Whether a comment is about the client, and says nothing else."""
        client = self.client
        if len(text) > COMMENT_OCTETS:  # no server writes so much: a parenthesis of the client swallowed the rest
            client.ambiguous = True
            return False
        words = [word for word in text.split(" ") if word]
        if not words:
            return False
        lower = text.lower()
        if lower.startswith(PATH_KEYS):
            self.others += _addresses(text)
            return False
        if words[0].lower() in _HELO_COMMANDS and self.program not in _HELO_FIRST:
            client.helo, client.helo_given = " ".join(words[1:]) or None, True
            if len(words) > 2:
                self.others += _addresses(text)
            elif self.program not in _CLIENT_FIRST:
                self.in_helo += _addresses(text)
            return True
        named = any(mark in lower for mark in _NAMES_WHAT_FOLLOWS)
        head, helo_at = self._named_words(words) if named else (words, -1)
        found: list[tuple[int, str]] = []
        for at, word in enumerate(words):
            if "." in word or ":" in word:
                if at != helo_at:
                    self.others += _addresses(word)
                if at < len(head):
                    found += [(at, ip) for ip in _addresses_in(word)]
        if not found:
            if not client.exim and head and (len(head) == 1 or head[1].startswith("[")):
                self._reverse(head[0])
            return head != words and not head
        place, ip = found[-1] if found[-1][0] == 1 else found[0]
        if place > 1 and not words[0].upper().startswith("IDENT:"):
            # A remark that tells an address all the same: CommuniGate's (account u [address] verified), else whose?
            self.bare.add(ip)
            client.ambiguous |= words[0].lower() != "account"
            return False
        self.told.add(ip)
        self.in_helo.clear()  # it stands where the qmail family puts it, before the client
        word = head[place]
        before = word[: word.index("[")] if "[" in word else ""
        self.named = bool(before or place)
        self._reverse(before or (head[0].rstrip(",") if place == 1 and "@" not in word else ""))
        return len(head) != 3 or head[1].lower() != "with"  # Yahoo: (user@address with plain)

    def _named_words(self, words: list[str]) -> tuple[list[str], int]:
        """The words before those that name what follows: ``helo=``, ``ident=``, ``port=`` of Exim, HELO of smap.

        And the place of the HELO argument, -1 when there is none.
        """
        client = self.client
        for at, word in enumerate(words):
            lower = word.lower()
            if lower.startswith(_EXIM_KEYS) and "@" not in word and words[0].upper() != "IDENT:":
                client.exim = True
                helo_at = next((at for at in range(at, len(words)) if words[at].lower().startswith("helo=")), -1)
                if helo_at >= 0:
                    client.helo, client.helo_given = words[helo_at][5:] or None, True
                return words[:at], helo_at
            if at and lower.rstrip(":") in _HELO_COMMANDS and at + 1 < len(words) and self.program not in _HELO_FIRST:
                client.helo, client.helo_given = words[at + 1], True
                known = self.program == "communigate" or words[0].endswith(",")
                return words[:at], at + 1 if known else -1
        return words, -1

    def _reverse(self, text: str) -> None:
        text = text.rpartition("@")[2].strip("<>")
        if text.upper().startswith("IDENT:"):
            return
        if self.client.name is None and "." in text and address_of(text) is None and names.domain_name(text):
            self.client.name = text


def _first_word(client: Client, first: str, program: str | None, *, named: bool) -> None:
    """Whether the first word is HELO or the reverse name, and what follows when it is an address."""
    own = address_of(first)
    exim = client.exim or program == "exim"
    known = first.lower() not in _NO_NAME
    if client.helo_given or (exim and own is not None and client.ip is not None):
        # The server wrote it itself: its reverse name, or the address when there is none.
        if own is not None:
            client.ambiguous |= client.ip not in (None, own)
            client.ip = own
        elif known and (client.ip is not None or not exim):
            client.name = client.name or first
        if client.helo_given:
            return
    # Who writes (address) without a name, and is not known, may write the client first and its HELO argument there.
    client.ambiguous |= own is not None and program is None and not named and client.ip not in (None, own)
    client.helo = first
    if own is None and (client.ip is not None if exim else program == "qmail" and known):
        client.name = client.name or first  # HELO equal to the reverse name is left out


def _written(token: Token) -> str:
    if token.kind == "literal":
        return f"[{token.text}]"
    if token.kind == "angle":
        return f"<{token.text}>"
    return token.text


def _addresses_in(word: str) -> list[str]:
    """Addresses in a word of a comment: in brackets, or the word itself but for a user before ``@``."""
    texts = [inner + port for inner, port in _BRACKETED.findall(word)] if "[" in word else []
    texts.append(word.rpartition("@")[2])
    return [ip for text in texts if (ip := address_of(text)) is not None]


def _is_certificate(text: str) -> bool:
    """Postfix: (Client CN "x", Issuer "y" (not verified)), whose names are the client's."""
    return text.startswith('Client CN "') and text.endswith(")") and " by " not in text and len(text) <= COMMENT_OCTETS


def _addresses(text: str) -> tuple[str, ...]:
    """All that stands in a text, whatever stands round it."""
    return _short_addresses(text) if len(text) <= _SHORT else _long_addresses(text)


def _long_addresses(text: str) -> tuple[str, ...]:
    words = _APART.split(text) if "." in text or ":" in text else ()
    return tuple(ip for word in words if word and (ip := address_of(word)) is not None)


_short_addresses = lru_cache(maxsize=16384)(_long_addresses)


def holds_address(text: str) -> bool:
    """Some word of the text is an address; of a text that is too long it is taken for granted."""
    return len(text) > COMMENT_OCTETS or bool(_addresses(text))


def address_of(text: str) -> str | None:
    """An address as servers write it: tagged, bracketed, with a zone or a port; None when it is none.

    Five numbers (an address and a port behind one more dot) are not taken for an address.
    """
    return _short_address(text) if len(text) <= _SHORT else _long_address(text)


def _long_address(text: str) -> str | None:
    text = text.strip(" ,()")
    if not text or len(text) > 80:
        return None
    first = text.lstrip("[")[:1]
    if not (first.isdigit() or ":" in text):
        return None
    ip = names.address(text)
    if ip is None and ":" in text:
        host, _, port = text.rpartition(":")
        if port.isdigit() and ("." in host or host.endswith("]")):
            ip = names.address(host)
    return None if ip is None else str(ip)


_short_address = lru_cache(maxsize=16384)(_long_address)

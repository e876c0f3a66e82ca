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
from verify.reading.tokens import Token

COMMENT_OCTETS = 4096  # of a comment that are looked into; a server writes some hundred
_SHORT = 100  # characters of a word that is remembered
_HELO_COMMANDS = frozenset(("helo", "ehlo", "lhlo"))
_EXIM_KEYS = ("helo=", "ident=", "port=")
_NO_NAME = frozenset(("unknown", "nodnsquery"))
# They write HELO first and never into a comment; of a reverse name they demand that it is one.
_HELO_FIRST = frozenset(("postfix", "sendmail", "google", "exchange", "opensmtpd", "haraka", "proofpoint"))
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


def client_end(tokens: Sequence[Token], by: int) -> int:
    """The place behind the last token before ``by`` that holds an address; ``by`` when none does."""
    for position in range(by - 1, 1, -1):
        token = tokens[position]
        if token.kind in ("comment", "literal") and holds_address(token.text):
            return position + 1
    return by


def read_client(tokens: Sequence[Token], program: str | None) -> Client:
    """``tokens``: what stands between ``from`` and ``by``; ``program``: who wrote the field, as far as it says."""
    client = Client()
    size = 0
    if tokens and tokens[0].kind != "comment":
        size = 1
        while size < len(tokens) and tokens[size].glued and tokens[size].kind != "comment":
            size += 1
        client.first = "".join(map(_written, tokens[:size]))
        # A quotation mark or bracket of the client's can reach over what the server wrote.
        client.ambiguous = any(" " in each.text and holds_address(each.text) for each in tokens[:size])
    _Reader(client, tokens[size:], program).read()
    if client.first is not None:
        _first_word(client, client.first, program)
    if client.ambiguous:
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
        self.behind: set[str] = set()  # of these, those behind such a comment

    def read(self) -> None:
        client, tokens = self.client, self.tokens
        remarks: list[str] = []
        comments = 0
        for at, token in enumerate(tokens):
            if token.kind == "comment":
                comments += 1
                before = len(self.told)
                about_client = not (before and _is_certificate(token.text)) and self._comment(token.text)
                if len(self.told) > before:
                    remarks.clear()  # they stand in the client's own words
                if not about_client:
                    remarks.append(token.text)
            elif token.kind == "literal":
                self._literal(token.text)
            elif token.kind in ("quoted", "angle"):
                if at and tokens[at - 1].word == "be":  # claiming to be "name"
                    client.helo, client.helo_given = token.text, True
                client.ambiguous |= holds_address(token.text)
            elif self.told and token.word == "user" and at + 1 < len(tokens) and tokens[at - 1].word == "as":
                client.user = tokens[at + 1].text
            elif comments and token.word == "encrypted":
                remarks.append(" ".join([each.text for each in tokens if each.kind == "word"]))
        client.remarks = tuple(remarks)
        found = self.told or self.bare
        if len(found) > 1 or self.behind - self.told:
            client.ambiguous = True
        elif found:
            client.ip = next(iter(found))

    def _literal(self, text: str) -> None:
        ip = address_of(text)
        if ip is None:
            self.client.ambiguous |= holds_address(text)
            return
        self.bare.add(ip)
        if self.told:
            self.behind.add(ip)

    def _comment(self, text: str) -> bool:
        """Whether a comment is about the client, and says nothing else."""
        client = self.client
        if len(text) > COMMENT_OCTETS:  # no server writes so much: a parenthesis of the client swallowed the rest
            client.ambiguous = True
            return False
        words = [word for word in text.split(" ") if word]
        if not words:
            return False
        if words[0].lower() in _HELO_COMMANDS and self.program not in _HELO_FIRST:
            client.helo, client.helo_given = " ".join(words[1:]) or None, True
            client.ambiguous |= len(words) > 2 and holds_address(text)
            return True
        head = self._named_words(words)
        found = [(at, ip) for at, word in enumerate(head) for ip in _addresses_in(word)]
        if not found:
            if not client.exim and head and (len(head) == 1 or head[1].startswith("[")):
                self._reverse(head[0])
            return head != words and not head
        if len({ip for _, ip in found}) > 1:
            client.ambiguous = True
            return True
        place, ip = found[-1] if found[-1][0] == 1 else found[0]
        if place > 1 and not words[0].upper().startswith("IDENT:"):
            # A remark that tells an address all the same: CommuniGate's (account u [address] verified), else whose?
            self.bare.add(ip)
            client.ambiguous |= words[0].lower() != "account"
            return False
        self.told.add(ip)
        word = head[place]
        before = word[: word.index("[")] if "[" in word else ""
        self._reverse(before or (head[place - 1].rstrip(",") if place and "@" not in word else ""))
        return len(head) != 3 or head[1].lower() != "with"  # Yahoo: (user@address with plain)

    def _named_words(self, words: list[str]) -> list[str]:
        """The words before those that name what follows: ``helo=``, ``ident=``, ``port=`` of Exim, HELO of smap.

        Exim writes the address first, so that what a client put into the others is not looked at.
        """
        client = self.client
        for at, word in enumerate(words):
            lower = word.lower()
            if lower.startswith(_EXIM_KEYS) and "@" not in word and words[0].upper() != "IDENT:":
                client.exim = True
                for each in words[at:]:
                    if each.lower().startswith("helo="):
                        client.helo, client.helo_given = each[5:] or None, True
                        break
                return words[:at]
            if at and lower.rstrip(":") in _HELO_COMMANDS and at + 1 < len(words) and self.program not in _HELO_FIRST:
                client.helo, client.helo_given = words[at + 1], True
                return words[:at]
        return words

    def _reverse(self, text: str) -> None:
        text = text.rpartition("@")[2].strip("<>")
        if text.upper().startswith("IDENT:"):
            return
        if self.client.name is None and "." in text and address_of(text) is None and names.domain_name(text):
            self.client.name = text


def _first_word(client: Client, first: str, program: str | None) -> None:
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


def holds_address(text: str) -> bool:
    """Some word of the text is an address; of a text that is too long it is taken for granted."""
    if len(text) > COMMENT_OCTETS:
        return True
    return any(word and address_of(word) is not None for word in _APART.split(text))


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

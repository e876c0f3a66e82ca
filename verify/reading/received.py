"""One Received field -> ``Hop`` (RFC 5321 4.4, and the dialects that servers write).

The field is cut once into words, comments, bracketed literals, angle brackets and quoted strings; the clauses
``from by via with id for`` are found among the words; what a comment says is read by its shape.  Each step is
linear in the octets.  Nothing here is believed: a field says what its writer wrote, or what a sender made up.

Which of two names is the HELO argument and which the reverse name differs by program: the name before the
parenthesis is HELO for Postfix, Sendmail, Exchange, Google, Domino and most; it is the reverse name for the qmail
family and for Exim when it writes the address in parentheses.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import structs

from verify.grammar.dates import parse_date
from verify.grammar.visible import escape
from verify.model import Hop, Tls
from verify.reading.client import COMMENT_OCTETS, address_of, holds_address, read_client
from verify.reading.tls import read_tls
from verify.reading.tokens import PATH, PATH_KEYS, PATH_OCTETS, Token, cut

_CLAUSES = frozenset(("from", "by", "via", "with", "id", "for"))
_STARTS = _CLAUSES | {"tls"}
_ADDRESS = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.])|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,40}")
_SENDMAIL = re.compile(r"(?:[A-Z]+-)?8\.\d+\.\d+|V8/")
HTTP = frozenset(("HTTP", "HTTPS", "HTTPREST"))


def parse_received(value: bytes, index: int, field_index: int) -> Hop:
    """The facts of one field value.

    ``index``: place among the Received fields; ``field_index``: place in the header.  Standing and delay are
    left at their defaults.  Any octets give a Hop; what is not found is None.
    """
    octets = b" ".join(value.split())
    text = octets.decode("latin-1")
    raw = escape(octets)
    if raw == text and len(text) <= _REMEMBERED:
        start = text.rfind(" id ")
        varying = _VARYING.match(text, start if start >= 0 else text.rfind(";"))
        if varying is not None:
            id_, before, path, after, date_text, rest = varying.groups("")
            known = _known(f"{text[: varying.start()]}{id_ and _ID}{before}{path and _SOME_PATH}{after}", rest)
            if known is not None:
                return structs.replace(
                    known,
                    index=index,
                    field_index=field_index,
                    raw=raw,
                    id=id_ or known.id,
                    for_=path or known.for_,
                    date=parse_date(date_text),
                )
    tokens, date_text = cut(text)
    clauses = _Clauses(tokens).read()
    if raw != text:  # else no part of it needs an escape
        clauses.escape()
    date = parse_date(date_text) if date_text else None
    return structs.replace(clauses.hop(), index=index, field_index=field_index, raw=raw, date=date)


# What differs between fields that one server writes about one client: the id, the recipient, the date.  None of their
# words is one that the grammar knows: an id is longer, a recipient holds an "@", a date has its usual form.
_WORD = r"""[^\s()<>\[\];",@]"""
_VARYING = re.compile(
    rf"""(?:[ ]id[ ]({_WORD}{{6,100}}+))?+
    (?:([ ]for[ ]<?)({_WORD}++@{_WORD}++))?+
    ([^;]*+;)
    ((?:[ ][A-Z][a-z]{{2}},)?[ ][0-9]{{1,2}}[ ](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ ][0-9]{{4}}
      [ ][0-9:]{{8}}[ ][+-][0-9]{{4}})
    ([ ]\([A-Z]{{1,5}}\))?\Z""",
    re.VERBOSE,
)
_REMEMBERED = 1000  # characters of a field; no limit within a field is below, so that none hangs on what differs
_SOME_ID, _SOME_PATH = "\0", "\0@"  # stand in place of an id and of a recipient: no plain text holds them
_ID = f" id {_SOME_ID}"


@lru_cache(maxsize=4096)
def _known(text: str, rest: str) -> Hop | None:
    """What a field says, whatever its id, its recipient and its date are.

    ``text``: up to the semicolon before the date; ``rest``: what follows the date.  None when one of the three is not
    read as what it looks like, but as part of something else, so that nothing holds for a field with another.
    """
    tokens, date_text = cut(text + rest)
    hop = _Clauses(tokens).read().hop()
    if (_ID in text and hop.id != _SOME_ID) or (_SOME_PATH in text and hop.for_ != _SOME_PATH):
        return None
    end = len(tokens) - (2 if rest else 1)  # behind the first two tokens, which the client's name may be read from
    return hop if date_text == rest and end > 1 and tokens[end].kind == "end" else None


def protocol(with_: str | None) -> str | None:
    """The transmission type (RFC 3848 and its registry) that the text after ``with`` stands for, in capitals.

    ``Microsoft SMTP Server`` and ``Microsoft SMTPSVC`` are SMTP, ``local-esmtps`` is ESMTPS, ``ESMTP-TLS`` is
    ESMTPS.  None when the text holds no such word.
    """
    return _protocol(with_) if with_ and len(with_) <= 100 else None


@lru_cache(maxsize=1024)
def _protocol(with_: str) -> str | None:
    for word in with_.upper().replace("/", " ").split():
        if word in ("ESMTP-TLS", "LOCAL-ESMTPS"):
            return "ESMTPS"
        if word == "SMTPSVC":
            return "SMTP"
        if word in ("BSMTP", "LOCAL-BSMTP", "LOCAL-SMTP"):
            return "SMTP"
        word = word.removeprefix("LOCAL-").removeprefix("UTF8")
        if word in _PROTOCOLS:
            return word
    return None


_PROTOCOLS = frozenset(f"{kind}{suffix}" for kind in ("SMTP", "ESMTP", "LMTP") for suffix in ("", "S", "A", "SA")) | {
    "HTTP",
    "HTTPS",
    "HTTPREST",
    "IMAP",
    "IMAPS",
    "POP3",
    "POP3S",
    "LOCAL",
    "MAPI",
}


def is_encrypted(hop: Hop) -> bool:
    """The field says that the transfer was under TLS."""
    kind = protocol(hop.with_)
    return hop.tls is not None or (kind is not None and kind.removesuffix("A") in ("ESMTPS", "SMTPS", "LMTPS", "HTTPS"))


def is_local(hop: Hop) -> bool:
    """The field tells of no way over a network: no client, or one on the machine itself."""
    if hop.from_ip is None:
        return hop.from_helo is None or protocol(hop.with_) in ("LOCAL", "LMTP", "LMTPA", "MAPI", None)
    return hop.from_ip == "::1" or hop.from_ip.startswith(("127.", "fe80:"))


def _shown(text: str | None) -> str | None:
    if text is None or (text.isascii() and text.isprintable() and "\\" not in text):
        return text
    return escape(text.encode("latin-1"))


# ---------------------------------------------------------------------------------------------------
# Clauses
# ---------------------------------------------------------------------------------------------------


class _Clauses:
    """The clauses of one field, read from its tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.helo: str | None = None
        self.name: str | None = None
        self.ip: str | None = None
        self.by: str | None = None
        self.via: str | None = None
        self.with_: str | None = None
        self.id: str | None = None
        self.for_: str | None = None
        self.auth_user: str | None = None
        self.authenticated = False
        self.envelope_from: str | None = None
        self.tls: Tls | None = None
        self.dialect: str | None = None
        self._by_at = -1
        self._envelope_seen = False

    def hop(self) -> Hop:
        return Hop(
            index=0,
            from_helo=self.helo,
            from_name=self.name,
            from_ip=self.ip,
            by=self.by,
            via=self.via,
            with_=self.with_,
            id=self.id,
            for_=self.for_,
            tls=self.tls,
            auth_user=self.auth_user,
            envelope_from=self.envelope_from,
            authenticated=self.authenticated,
            dialect=self.dialect,
        )

    def escape(self) -> None:
        """Make every text visible text."""
        for name in ("helo", "name", "by", "via", "with_", "id", "for_", "auth_user", "envelope_from"):
            setattr(self, name, _shown(getattr(self, name)))

    def read(self) -> _Clauses:
        tokens = self.tokens
        if not tokens:
            return self
        start = tokens[0]
        if start.kind == "comment" and start.text[:5].lower() == "from ":
            # A submission agent puts the whole clause in parentheses.
            inner, _ = cut(start.text)
            tokens = self.tokens = inner + tokens[1:]
        by = self._by_at = self._find_by()
        opened = tokens[0].word == "from"
        end = 0
        if opened:  # a client may put any word into its HELO: no clause counts before by
            end = by if by >= 0 else self._end_without_by()
        self._rest(end, by)
        self.dialect = self._program()
        if opened:
            self._sender(tokens[1:end])
        if self._written_twice():
            self.ip = None
        return self

    def _end_without_by(self) -> int:
        """Where the clause of the client ends in a field that names no server: nothing hangs on it."""
        for position in range(2, len(self.tokens)):
            token = self.tokens[position]
            if token.kind == "end" or (token.word in _CLAUSES and not self._glued(position)):
                return position
        return len(self.tokens)

    def _written_twice(self) -> bool:
        """Several addresses around several ``by``, or a ``by`` behind a semicolon or in a bracket that a client opened:
        which of them the server wrote cannot be told from what a client put into its name, so that there is no client
        address.
        """
        places: list[int] = []
        for at, each in enumerate(self.tokens):
            if each.word == "by":
                places.append(at)
            elif each.kind != "word" and " by " in each.text.lower() and holds_address(each.text):
                return True
        places = [at for at in places if at != 1 and not self._glued(at)] if len(places) > 1 else []
        if len(places) < 2:
            return False
        before = self.tokens[: places[-1]]
        if any(each.kind == "end" for each in before):
            return True
        return sum(each.kind in ("comment", "literal") and bool(_ADDRESS.search(each.text)) for each in before) > 1

    def _find_by(self) -> int:
        """Of several ``by`` the last: a client may put the word into its HELO, and only the server writes after it."""
        at = -1
        for position, token in enumerate(self.tokens):
            if token.kind == "end" and at >= 0:
                break
            if token.word == "by" and not self._glued(position):
                following = self.tokens[position + 1] if position + 1 < len(self.tokens) else None
                if following is None or following.kind == "end" or following.text.lower() == "uid":
                    continue
                if position == 1 and self.tokens[0].text.lower() == "from":
                    continue  # the first word after from is the name, whatever it is
                at = position
        return at

    def _glued(self, position: int) -> bool:
        """The token goes on from another word; a comment ends a word."""
        return self.tokens[position].glued and self.tokens[position - 1].kind != "comment"

    # -- by, via, with, id, for ---------------------------------------------------------------------

    def _rest(self, position: int, by: int) -> None:
        tokens = self.tokens
        while position < len(tokens):
            token = tokens[position]
            position += 1
            if token.kind == "comment":
                self._remark(token.text)
                continue
            word = token.word
            if word not in _STARTS:
                continue
            if word == "by" and position - 1 == by:
                position = self._value(position, "by")
            elif word == "with" and self.with_ is None and position - 1 != by:
                position = self._phrase(position, "with_")
            elif word == "via" and self.via is None:
                position = self._phrase(position, "via")
            elif word == "id" and self.id is None:
                position = self._value(position, "id")
            elif word == "for" and self.for_ is None:
                position = self._address(position)
            elif word == "from" and position < len(tokens) and tokens[position].kind == "angle":
                if self.envelope_from is None:  # XMail
                    self.envelope_from = tokens[position].text
                position += 1
            elif word == "tls" and position < len(tokens) and tokens[position].kind == "word":
                self._tls(f"TLS {tokens[position].text}")  # Exim, after its with clause
                position += 1

    def _value(self, position: int, clause: str) -> int:
        if position < len(self.tokens) and self.tokens[position].kind in ("word", "literal", "angle"):
            setattr(self, clause, self.tokens[position].text.rstrip(","))
            position += 1
        return position

    def _phrase(self, position: int, clause: str) -> int:
        """The words up to the next clause, comment or date."""
        words: list[str] = []
        while position < len(self.tokens):
            token = self.tokens[position]
            if token.kind not in ("word", "literal") or (words and token.text.lower() in _CLAUSES):
                break
            if token.kind == "word" and words and token.text.lower() == "tls":
                break
            words.append(token.text.rstrip(","))
            position += 1
            if len(words) == 12:
                break
        text = " ".join(words)
        if text:
            setattr(self, clause, text)
            self._tls(text)
            if clause == "via" and protocol(text) in HTTP:
                self.authenticated = True
        return position

    def _address(self, position: int) -> int:
        """A path in angle brackets, or the words that stand without a blank between them."""
        parts: list[str] = []
        while position < len(self.tokens):
            token = self.tokens[position]
            if token.kind not in ("word", "quoted", "angle", "literal") or (parts and not token.glued):
                break
            parts.append(
                f'"{token.text}"'
                if token.kind == "quoted"
                else f"[{token.text}]"
                if token.kind == "literal"
                else token.text
            )
            position += 1
            if token.kind == "angle":
                break
        text = "".join(parts)
        if "@" in text:
            self.for_ = text
        return position

    # -- what comments say --------------------------------------------------------------------------

    def _remark(self, text: str) -> None:
        """A comment that does not describe the client."""
        text = text[:COMMENT_OCTETS]
        lower = text.lower()
        if "envelope-" in lower:
            self._envelope(text, lower)
        if "authenticated" in lower or "auth:" in lower or "account " in lower or " with " in lower:
            self._authentication(text, lower)
        if lower.startswith("via http"):
            self.via, self.authenticated = self.via or text[4:], True
        self._tls(text)

    def _envelope(self, text: str, lower: str) -> None:
        key = next((key for key in PATH_KEYS if lower.startswith(key)), None)
        if key is None or self._envelope_seen:
            return
        self._envelope_seen = True  # what looks like a second one stands in the path of the first
        text = text[len(key) :]
        found = PATH.match(text, 0, PATH_OCTETS)
        if found is not None:
            self.envelope_from = found[1]
        elif text and not any(char in text for char in '<>"()'):
            self.envelope_from = text.split(" ", 1)[0]

    def _authentication(self, text: str, lower: str) -> None:
        if lower.startswith("authenticated sender:"):
            self.auth_user = text[21:].strip() or None
            self.authenticated = True
        elif lower.split(" ", 1)[0] == "authenticated":
            self.authenticated = True
        elif lower.startswith("auth:"):
            words = text[5:].split(",", 1)[0].split()
            self.auth_user = words[-1] if words else None
            self.authenticated = True
        elif lower.startswith("account "):
            words = text[8:].split(None, 1)
            self.auth_user = words[0] if words else None
            self.authenticated = True
        elif lower.startswith("squirrelmail authenticated user "):
            words = text[32:].split(None, 1)
            self.auth_user = words[0] if words else None
            self.authenticated = True
        else:
            words = text.split()
            if len(words) == 3 and words[1].lower() == "with" and "@" in words[0]:  # Yahoo: (user@address with plain)
                self.auth_user = words[0].rpartition("@")[0]
                self.authenticated = True

    def _tls(self, text: str) -> None:
        if self.tls is None or self.tls.version is None or self.tls.cipher is None:
            self.tls = read_tls(text, self.tls)

    # -- the client ---------------------------------------------------------------------------------

    def _sender(self, tokens: list[Token]) -> None:
        client = read_client(tokens, self.dialect)
        self.ip, self.name, self.helo = client.ip, client.name, client.helo
        for remark in client.remarks:
            self._remark(remark)
        kind = protocol(self.with_)
        if client.user is not None:
            self.auth_user, self.authenticated = client.user, True
        if kind in ("SMTPA", "SMTPSA", "ESMTPA", "ESMTPSA") or kind in HTTP:
            self.authenticated = True
        if client.first is None or client.ambiguous:
            return
        exim = client.exim or self.dialect == "exim"
        own = address_of(client.first)
        if self.ip is None and own is not None and not client.helo_given:
            if exim or self.authenticated:
                self.ip = own  # no other address: the one that the server saw
                self.helo = client.first if exim else None
        elif client.helo_given and self.dialect is None and not client.exim:
            self.dialect = "qmail"
        if self.ip is None and "." not in client.first and (self.with_ or "").lower().startswith("local"):
            self.auth_user = self.auth_user or client.first  # a user of the machine itself
            if self.helo == client.first:
                self.helo = None

    # -- which program ------------------------------------------------------------------------------

    def _program(self) -> str | None:
        """Only what the server wrote after ``by`` counts: before it stand the client's name and reverse name."""
        remarks = [token.text[:200] for token in self.tokens[self._by_at + 1 :] if token.kind == "comment"]
        with_ = (self.with_ or "").lower()
        by = (self.by or "").lower()
        if "microsoft smtp server" in with_ or with_.startswith("mapi"):
            return "exchange"
        if "smtpsvc" in with_:
            return "iis"
        for remark in remarks:
            if (program := _program_named(remark)) is not None:
                return program
        if by.endswith(".google.com") or by.startswith(
            ("2002:a05:", "2002:a17:", "2002:ab3:", "2002:aa7:", "2002:a2e:")
        ):
            return "google"
        if by.endswith(".amazonaws.com"):
            return "ses"
        if any(token.kind == "comment" and token.text[:5].lower() == "lhlo " for token in self.tokens):
            return "zimbra"
        if by.endswith((".yahoo.com", ".aol.com")):
            return "yahoo"
        return None


_PROGRAMS = (
    ("postfix", "postfix"),
    ("exim", "exim"),
    ("lotus domino", "domino"),
    ("ibm domino", "domino"),
    ("hcl domino", "domino"),
    ("communigate", "communigate"),
    ("mdaemon", "mdaemon"),
    ("fetchmail", "fetchmail"),
    ("getmail", "fetchmail"),
    ("amavisd", "amavis"),
    ("opensmtpd", "opensmtpd"),
    ("haraka", "haraka"),
    ("qmail", "qmail"),
    ("qpsmtpd", "qmail"),
    ("courier", "courier"),
    ("pps", "proofpoint"),
    ("mxfront/", "yandex"),
    ("nwsmtp/", "yandex"),
    ("cyrus", "cyrus"),
    ("dovecot", "dovecot"),
)


@lru_cache(maxsize=1024)
def _program_named(remark: str) -> str | None:
    """The program that the start of a remark names; ``remark``: 200 characters at most."""
    lower = remark.lower()
    for mark, program in _PROGRAMS:
        if lower.startswith(mark):
            return program
    return "sendmail" if _SENDMAIL.match(remark) else None

"""Authentication-Results and kin (RFC 8601 2.2, RFC 8617 4.1.1, RFC 7208 9.1): the one reader and the one writer.

The reader takes any octets, is linear in them and takes in what real receivers write beyond the grammar.  The writer
is the opposite: it knows a closed set of properties, each with the one form its value may have, and raises
``ValueError`` on anything else, since a value that reached it unchecked is a mistake of ours.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache, wraps
from typing import TypeVar

from msgspec import Struct

from verify.grammar.names import address, domain_name
from verify.grammar.visible import escape
from verify.model import Limits, Reason, RecordedResult

T = TypeVar("T")

# ---------------------------------------------------------------------------------------------------
# What is read
# ---------------------------------------------------------------------------------------------------


class ParsedResults(Struct, frozen=True, kw_only=True):
    """One Authentication-Results or ARC-Authentication-Results field.

    ``authserv_id``: visible text without quotes, None where the writer leaves it out (Microsoft).
    ``version``: 1 unless the field says otherwise; of any other version no result is read (RFC 8601 2.6).
    ``results``: methods, results and property names in lower case, values as visible text without quotes and angle
    brackets; what is no ``method=result``, has an unknown method version or contradicts itself is left out.
    ``instance``: the i= that an ARC-Authentication-Results begins with.
    ``limit``: the name of the limit that cut the results short, else None.
    """

    authserv_id: str | None
    version: int = 1
    results: tuple[RecordedResult, ...] = ()
    instance: int | None = None
    limit: str | None = None


class ParsedReceivedSpf(Struct, frozen=True, kw_only=True):
    """One Received-SPF field; what it does not say is None.

    ``identity``: lower case, as written (mailfrom, helo, pra); ``client_ip``: normalised; ``envelope_from``: "" for
    the null reverse-path; ``host``: the host that begins the comment (``google.com: domain of ...``), a checked name.
    """

    result: str
    identity: str | None = None
    client_ip: str | None = None
    helo: str | None = None
    envelope_from: str | None = None
    receiver: str | None = None
    host: str | None = None


_REMEMBERED_OCTETS = 4096  # of a field whose reading is kept

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPECIAL = re.compile(r'["()\\]')
_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_FLAT_COMMENT = re.compile(r"\([^()\\]*+\)")
_COMMENT_SPECIAL = re.compile(r"[()]|\\.?", re.DOTALL)
_STRUCTURE = b'"()\\' + bytes(range(9)) + bytes(range(14, 32)) + b"\x0b\x0c\x7f"
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_STAND_IN = re.compile("[\U000f0000-\U000fffff]")
_FIRST_STAND_IN = 0xF0000  # private characters; octets are decoded to none of them
_ID = re.compile(r"[^()<>@,;:\\\"/\[\]?=\U000f0000-\U000fffff]+\Z")  # RFC 2045 token; UTF-8 by RFC 8601 2.5
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})\Z")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9][A-Za-z0-9_.-]{0,62})?\Z")
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9-]{1,40})(?:\*[A-Za-z-]{1,20})?\?([BbQq])\?([^?\s]*)\?=")

# Properties that Amazon and Yahoo write where a method stands.
_NO_METHODS = {"client-ip", "envelope-from", "helo", "from", "receiver", "identity"}


def _remembering(read: Callable[[bytes, Limits], T]) -> Callable[[bytes, Limits], T]:
    """Keep what was read of the last fields: the boundary, the records and the removal ask for the same ones."""
    remembered = lru_cache(maxsize=64)(read)

    @wraps(read)
    def reading(value: bytes, limits: Limits) -> T:
        return remembered(value, limits) if len(value) <= _REMEMBERED_OCTETS else read(value, limits)

    return reading


@_remembering
def parse_results(value: bytes, limits: Limits) -> ParsedResults | None:
    """Read one field value; None when it is not readable as results, is over a limit or holds control characters.

    Accepted beyond RFC 8601: no authserv-id (Microsoft), a whole field in encoded-words (Microsoft), empty clauses
    and a final ``;``, missing blanks, values that should be quoted, an empty value.  Comments are dropped, nested up
    to ``limits.comment_depth``.  An unclosed comment or quoted-string, a stray ``)`` or backslash gives None, since
    readers part ways over such a field.
    """
    lexed = _lex(value, limits)
    if lexed is None:
        return None
    text, quoted, _ = lexed
    clauses = text.split(";")
    instance = _instance(clauses[0])
    if instance is not None:
        clauses.pop(0)
    words = clauses[0].split() if clauses else []
    if not words:
        return None
    if "=" in words[0] or (len(words) > 1 and words[1][0] == "="):  # Microsoft's form
        results, limit = _read_clauses(clauses, quoted, limits)
        return ParsedResults(authserv_id=None, results=results, instance=instance, limit=limit) if results else None
    version = 1
    if len(words) > 1:
        if len(words) > 2 or not words[1].isdecimal() or len(words[1]) > 9:
            return None
        version = int(words[1])
    if not (_ID.match(words[0]) or (quoted and len(words[0]) == 1)):
        return None
    authserv_id = _text(words[0], quoted)
    if version != 1:
        return ParsedResults(authserv_id=authserv_id, version=version, instance=instance)
    if len(clauses) < 2:
        return None
    results, limit = _read_clauses(clauses[1:], quoted, limits)
    return ParsedResults(authserv_id=authserv_id, results=results, instance=instance, limit=limit)


@_remembering
def claimed_authserv_id(value: bytes, limits: Limits) -> str | None:
    """The authserv-id of a field that need not be readable beyond it; None when there is none.

    For removal (RFC 8601 5): even of a broken field it says whose it claims to be.
    """
    value = value[: limits.recorded_octets]
    lexed = _lex(value, limits)
    if lexed is None:  # as readers do that split first, or that know neither comments nor quotes
        parts = value.split(b";", 2)
        head = b";".join(parts[: 2 if _instance(parts[0].decode("latin-1")) is not None else 1])
        lexed = _lex(head, limits) or _lex(head.translate(None, _STRUCTURE), limits)
    if lexed is None:
        return None
    text, quoted, _ = lexed
    clauses = text.split(";")
    first = clauses[1] if len(clauses) > 1 and _instance(clauses[0]) is not None else clauses[0]
    words = first.split()
    if not words or "=" in words[0]:
        return None
    return _text(words[0], quoted)


@_remembering
def parse_received_spf(value: bytes, limits: Limits) -> ParsedReceivedSpf | None:
    """Read one Received-SPF value, keyed or not (RFC 7208 9.1); None when it is not readable or contradicts itself."""
    lexed = _lex(value, limits)
    if lexed is None:
        return None
    text, quoted, comment = lexed
    words = text.replace(";", " ").split()
    if not words or not (result := _keyword(words[0])):
        return None
    pairs: dict[str, str] = {}
    for key, raw in _pairs(words[1:]):
        name = _key(key)
        if name is None:
            continue
        shown = _text(raw, quoted)
        if pairs.setdefault(name, shown) != shown:
            return None
    ip = address(pairs.get("client-ip", ""))
    identity = pairs.get("identity")
    return ParsedReceivedSpf(
        result=result,
        identity=identity.lower() if identity else None,
        client_ip=str(ip) if ip else None,
        helo=pairs.get("helo"),
        envelope_from=pairs.get("envelope-from"),
        receiver=pairs.get("receiver"),
        host=domain_name(comment.partition(":")[0].strip()) if ":" in comment else None,
    )


def _lex(value: bytes, limits: Limits) -> tuple[str, list[str], str] | None:
    """Text without comments and with one private character for each quoted-string; those; the first comment."""
    if len(value) > limits.recorded_octets:
        return None
    text = value.decode("ascii", "surrogateescape")
    if "=?" in text and text.lstrip(" \t\r\n").startswith("=?"):
        text = _decode_words(text)
    if _CONTROL.search(text):
        return None
    match = _SPECIAL.search(text)
    if match is None:
        return text, [], ""
    out: list[str] = []
    quoted: list[str] = []
    comment = ""
    pos = 0
    while match is not None:
        start = match.start()
        out.append(text[pos:start])
        char = text[start]
        if char == "(":
            flat = _FLAT_COMMENT.match(text, start)
            pos = flat.end() if flat else _comment_end(text, start, limits.comment_depth)
            if pos < 0:
                return None
            comment = comment or text[start + 1 : pos - 1]
            out.append(" ")
        elif char == '"':
            string = _QUOTED.match(text, start)
            if string is None:
                return None
            pos = string.end()
            out.append(chr(_FIRST_STAND_IN + len(quoted)))
            quoted.append(string[0])
        else:
            return None
        match = _SPECIAL.search(text, pos)
    out.append(text[pos:])
    return "".join(out), quoted, comment


def _comment_end(text: str, start: int, depth_most: int) -> int:
    """The place after the comment that begins at ``start``; -1 when it has no end or is nested too deep."""
    depth = 0
    for match in _COMMENT_SPECIAL.finditer(text, start):
        if match[0] == "(":
            depth += 1
            if depth > depth_most:
                return -1
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                return match.end()
    return -1


def _decode_words(text: str) -> str:
    """Encoded-words (RFC 2047) joined; only for a field that begins with one.  Text that is none is kept."""
    out: list[str] = []
    pos = 0
    for match in _ENCODED_WORD.finditer(text):
        between = text[pos : match.start()]
        if between.strip(" \t\r\n"):
            out.append(between)
        out.append(_decode_word(match[1].lower(), match[2], match[3]) or match[0])
        pos = match.end()
    out.append(text[pos:])
    return "".join(out)


def _decode_word(charset: str, encoding: str, payload: str) -> str | None:
    octets = payload.encode("ascii", "surrogateescape")
    try:
        if encoding in "Bb":
            octets = base64.b64decode(octets + b"=" * (-len(octets) % 4), validate=True)
        else:
            octets = binascii.a2b_qp(octets, header=True)
        if charset not in ("utf-8", "us-ascii"):
            if charset not in ("iso-8859-1", "windows-1252", "iso-8859-15"):
                return None
            octets = octets.decode(charset, "replace").encode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return octets.decode("ascii", "surrogateescape")


def _instance(clause: str) -> int | None:
    name, equals, number = clause.partition("=")
    number = number.strip()
    if equals and name.strip() == "i" and number.isascii() and number.isdecimal() and len(number) <= 4:
        return int(number)
    return None


def _read_clauses(
    clauses: Sequence[str], quoted: list[str], limits: Limits
) -> tuple[tuple[RecordedResult, ...], str | None]:
    results: list[RecordedResult] = []
    for clause in clauses:
        words = clause.split()
        if not words:
            continue
        if len(results) >= limits.recorded_results:
            return tuple(results), "recorded_results"
        result = _read_clause(words, quoted)
        if result is not None:
            results.append(result)
    return tuple(results), None


def _read_clause(words: list[str], quoted: list[str]) -> RecordedResult | None:
    pairs = _pairs(words)
    head = next(pairs, None)
    if head is None:
        return None
    name, _, version = head[0].partition("/")
    method = _keyword(name)
    result = _keyword(head[1])
    if method is None or result is None or method in _NO_METHODS or (version and version != "1"):
        return None
    properties: dict[str, str] = {}
    for key, raw in pairs:
        checked = _key(key)
        if checked is None:
            continue
        shown = _text(raw, quoted)
        if properties.setdefault(checked, shown) != shown:  # written twice: which one counts is anybody's guess
            return None
    return RecordedResult(method=method, result=result, properties=properties)


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """``key=value`` from blank-separated words: blanks may stand around ``=``, ``.`` and ``/``; other words are
    skipped.  An empty value is followed by the next pair."""
    i, end = 0, len(words)
    while i < end:
        key, equals, value = words[i].partition("=")
        i += 1
        while not equals and i < end and (key[-1] in "./" or words[i][0] in "./="):
            more, equals, value = words[i].partition("=")
            key += more
            i += 1
        if not equals:
            continue
        if not value and i < end and "=" not in words[i] and not (i + 1 < end and words[i + 1][0] == "="):
            value = words[i]
            i += 1
        yield key, value


@lru_cache(maxsize=1024)
def _keyword(text: str) -> str | None:
    return text.lower() if _KEYWORD.match(text) else None


@lru_cache(maxsize=1024)
def _key(text: str) -> str | None:
    return text.lower() if _KEY.match(text) else None


def _text(raw: str, quoted: list[str]) -> str:
    """A value as visible text: quoted-strings put back (without quotes when they are all of it), ``<>`` removed."""
    if quoted and _STAND_IN.search(raw):
        if len(raw) == 1:
            raw = _QUOTED_PAIR.sub(r"\1", quoted[ord(raw) - _FIRST_STAND_IN][1:-1])
        else:
            raw = _STAND_IN.sub(lambda match: quoted[ord(match[0]) - _FIRST_STAND_IN], raw)
        raw = raw.replace("\r", "").replace("\n", "")
    if raw[:1] == "<" and raw[-1:] == ">":
        raw = raw[1:-1]
    if raw.isascii() and "\\" not in raw:
        return raw.expandtabs(1)
    return escape(raw.encode("ascii", "surrogateescape"))


# ---------------------------------------------------------------------------------------------------
# What is written
# ---------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+\Z")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,40}\Z")
_SELECTOR = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\Z")
_LOCAL_PART = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{1,400}={0,2}\Z")
_PRINTABLE = re.compile(r"[ !#-\[\]-~]{1,200}\Z")  # nothing that a quoted-string would need an escape for
_REMEMBERED_CHARS = 100  # of a value whose form is remembered
_LINE = 78  # columns, RFC 5322 2.1.1


class Clause(Struct, frozen=True, dict=True):
    """One result to write.  ``properties``: in the order in which they are written, names from the closed list."""

    method: str
    result: str
    reason: Reason | None = None
    properties: tuple[tuple[str, str], ...] = ()

    @cached_property
    def text(self) -> str:
        """As it stands in the field; ValueError when anything has not the form that it must have."""
        words = [_outcome(self.method, self.result, self.reason)]
        for name, text in self.properties:
            written = _property(name, text)
            if written is None:
                raise ValueError(f"value not fit for {name}")
            words.append(written)
        return " ".join(words)

    def followed_by(self, name: str, text: str) -> Clause:
        """With one more property, where the text has its form; what is written before it is not made again."""
        written = _property(name, text)
        if written is None:
            return self
        longer = Clause(self.method, self.result, self.reason, (*self.properties, (name, text)))
        vars(longer)["text"] = f"{self.text} {written}"
        return longer


def _is_domain(text: str) -> bool:
    return domain_name(text) == text


def _is_address(text: str) -> bool:
    ip = address(text)
    return ip is not None and str(ip) == text


def _is_auid(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(at) and _is_domain(domain) and (not local or (len(local) <= 64 and bool(_LOCAL_PART.match(local))))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 2


_FORMS: dict[str, Callable[[str], object]] = {
    "header.d": _is_domain,
    "header.i": _is_auid,
    "header.s": _SELECTOR.match,
    "header.a": _WORD.match,
    "header.b": _BASE64.match,
    "header.from": _is_domain,
    "header.oldest-pass": _is_count,
    "smtp.mailfrom": _is_domain,
    "smtp.helo": _is_domain,
    "smtp.remote-ip": _is_address,
    "smtp.auth": _PRINTABLE.match,
    "policy.dmarc": frozenset(("none", "quarantine", "reject")).__contains__,
    "policy.iprev": _is_address,
}


def may_write(name: str, text: str | None) -> bool:
    """True when ``text`` has the form that the property ``name`` is written in."""
    return text is not None and _property(name, text) is not None


def _property(name: str, text: str) -> str | None:
    """``name=text`` as it is written; None when the text has not the form of this property."""
    if name == "header.b" or len(text) > _REMEMBERED_CHARS:  # b= does not come again
        return _new_property(name, text)
    return _known_property(name, text)


def _new_property(name: str, text: str) -> str | None:
    form = _FORMS.get(name)
    if form is None or not form(text):
        return None
    return f"{name}={text if name == 'header.i' else _value(text)}"


_known_property = lru_cache(maxsize=16384)(_new_property)


def write_results(authserv_id: str, clauses: Sequence[Clause]) -> str:
    """The field body on one line; ``id; none`` without clauses (RFC 8601 2.2).

    ValueError when anything has not the form that it must have: callers give checked values.
    """
    if not _PRINTABLE.match(authserv_id):
        raise ValueError("authserv-id is not printable ASCII without quotes and backslashes")
    written = [clause.text for clause in clauses] or ["none"]
    return "; ".join([_value(authserv_id), *written])


@lru_cache(maxsize=1024)
def _outcome(method: str, result: str, reason: Reason | None) -> str:
    if not _WORD.match(method) or not _WORD.match(result):
        raise ValueError("method or result is no keyword")
    return f"{method}={result}" if reason is None else f'{method}={result} reason="{Reason(reason)}"'


def _value(text: str) -> str:
    return text if _TOKEN.match(text) else f'"{text}"'


def fold(body: str, name: str = "Authentication-Results") -> str:
    """The whole field, CRLF line ends, folded before clauses and, where a line would be longer than 78 columns,
    before properties; never inside a quoted-string."""
    lines: list[str] = []
    line = f"{name}:"
    width = len(line)
    begins_clause = False
    for word in _words(body):
        if begins_clause or width + 1 + len(word) > _LINE:
            lines.append(line)
            line = "\t" + word
            width = 8 + len(word)
        else:
            line += " " + word
            width += 1 + len(word)
        begins_clause = word.endswith(";")
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _words(body: str) -> Iterator[str]:
    """Split at blanks outside quoted-strings."""
    start = pos = 0
    while pos < len(body):
        char = body[pos]
        if char == '"':
            string = _QUOTED.match(body, pos)
            if string is None:
                raise ValueError("quoted-string without an end")
            pos = string.end()
            continue
        if char == " ":
            if pos > start:
                yield body[start:pos]
            start = pos + 1
        pos += 1
    if start < len(body):
        yield body[start:]

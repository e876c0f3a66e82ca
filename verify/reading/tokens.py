"""A Received field cut into its words: words, comments, bracketed literals, angle brackets, quoted strings.

Each step is linear in the octets.
"""

from __future__ import annotations

import re

from msgspec import Struct

# Every alternative ends at a character that it does not hold, so that no attempt reads the same octets twice.
_TOKEN = r"""\s*+
      (?:
        (?P<word>[^\s()<>\[\];"]++)
      | (?P<literal>\[[^\[\]]*+\])
      | (?P<angle><(?:[^<>"]|"(?:[^"<\\]|\\[^<])*+")*+>)
      | (?P<comment>\([^()\\]*+\))
      | (?P<end>;)
      | (?P<open>\()
      | (?P<quoted>"(?:[^"\\]|\\.)*+")
      | (?P<junk>.)
      )"""
_FLAGS = re.VERBOSE | re.DOTALL | re.ASCII  # octets as Latin-1: only blanks of ASCII part words
TOKEN = re.compile(_TOKEN, _FLAGS)
# Behind a quotation mark without a partner: to look for the partner of each that follows would be quadratic.
_UNQUOTED = re.compile(_TOKEN.replace("(?P<quoted>", "(?P<quoted>(?!)"), _FLAGS)
_PAREN = re.compile(r"[()\\]")
# A path as Exim and the qmail family write it into a comment: quotes hold parentheses and brackets (RFC 5321 4.1.2).
PATH = re.compile(r'<((?:[^<>"()]|"(?:[^"\\]|\\.)*+")*+)>', re.DOTALL)
PATH_OCTETS = 1024  # RFC 5321 4.5.3.1.3 allows 256
PATH_KEYS = ("envelope-from ", "envelope-sender ")


class Token(Struct, frozen=True, gc=False):
    """One word of a field."""

    kind: str  # word, comment, literal, angle, quoted, end
    text: str  # without brackets, parentheses or quotes
    glued: bool  # nothing stands between it and the token before
    word: str = ""  # of a word: its text in lower case


def cut(text: str) -> tuple[list[Token], str]:
    """The tokens of a field and the text of its date.

    A comment that never ends reaches to the end of the field; the date then stands behind the last semicolon.
    """
    tokens: list[Token] = []
    position = 0
    date_from = -1
    match = TOKEN.match
    while (found := match(text, position)) is not None:
        kind = found.lastgroup
        start, end = found.span(found.lastindex or 0)
        if kind == "word":
            word = text[start:end]
            tokens.append(Token("word", word, start == position and bool(tokens), word.lower()))
        elif kind == "comment" and '<"' in text[start:end] and (behind := _behind_path(text, start + 1)):
            close = _comment_end(text, behind)
            end = close if close > 0 else len(text) + 1
            tokens.append(Token("comment", text[start + 1 : end - 1], start == position and bool(tokens)))
        elif kind == "comment" or kind == "literal" or kind == "angle" or kind == "quoted":
            tokens.append(Token(kind, text[start + 1 : end - 1], start == position and bool(tokens)))
        elif kind == "end":
            date_from = end
            tokens.append(Token("end", ";", start == position and bool(tokens)))
        elif kind == "open":
            close = _comment_end(text, _behind_path(text, end) or end)
            if close < 0:
                tokens.append(Token("comment", text[end:], start == position and bool(tokens)))
                break
            tokens.append(Token("comment", text[end : close - 1], start == position and bool(tokens)))
            end = close
        elif text[start] == '"':
            match = _UNQUOTED.match  # one quotation mark without a partner: so are all that follow
        position = end
    if date_from < 0:
        last = text.rfind(";")
        return tokens, text[last + 1 :] if last >= 0 else ""
    return tokens, text[date_from:]


def _behind_path(text: str, position: int) -> int:
    """The place behind the path that a comment begins with, 0 when it begins with none."""
    key = next((key for key in PATH_KEYS if text.startswith(key, position)), None)
    found = PATH.match(text, position + len(key), position + len(key) + PATH_OCTETS) if key else None
    return found.end() if found is not None else 0


def _comment_end(text: str, position: int) -> int:
    """The place behind the parenthesis that closes a comment; -1 when it never closes."""
    depth = 1
    search = _PAREN.search
    while True:
        found = search(text, position)
        if found is None:
            return -1
        position = found.end()
        char = found[0]
        if char == "\\":
            position += 1
        elif char == "(":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return position

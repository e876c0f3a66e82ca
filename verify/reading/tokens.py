"""A Received field cut into its words: words, comments, bracketed literals, angle brackets, quoted strings.

Each step is linear in the octets.
"""

from __future__ import annotations

import re

from msgspec import Struct

# Every alternative ends at a character that it does not hold, so that no attempt reads the same octets twice.
TOKEN = re.compile(
    r"""[\s,]*+
      (?:
        (?P<word>[^\s()<>\[\];,"]++)
      | (?P<literal>\[[^\[\]]*+\])
      | (?P<angle><(?:[^<>"]|"(?:[^"<\\]|\\[^<])*+")*+>)
      | (?P<end>;)
      | (?P<open>\()
      | (?P<quoted>"(?:[^"\\]|\\.)*+")
      | (?P<junk>.)
      )""",
    re.VERBOSE | re.DOTALL | re.ASCII,  # octets as Latin-1: only blanks of ASCII part words
)
_PAREN = re.compile(r"[()\\]")


class Token(Struct, frozen=True, gc=False):
    """One word of a field."""

    kind: str  # word, comment, literal, angle, quoted, end
    text: str  # without brackets, parentheses or quotes
    glued: bool  # nothing stands between it and the token before


def cut(text: str) -> tuple[list[Token], str]:
    """The tokens of a field and the text of its date.

    A comment that never ends reaches to the end of the field; the date then stands behind the last semicolon.
    """
    tokens: list[Token] = []
    position = 0
    quotes = True
    date_from = -1
    match = TOKEN.match
    length = len(text)
    while position < length:
        found = match(text, position)
        if found is None:
            break
        kind = found.lastgroup or "junk"
        start, end = found.span(kind)
        glued = start == position and bool(tokens)
        position = start
        if kind == "open":
            close = _comment_end(text, end)
            if close < 0:
                tokens.append(Token("comment", text[end:], glued))
                break
            tokens.append(Token("comment", text[end : close - 1], glued))
            end = close
        elif kind == "word":
            tokens.append(Token("word", text[position:end], glued))
        elif kind == "end":
            date_from = end
            tokens.append(Token("end", ";", glued))
        elif kind == "junk":
            if text[position] == '"' and quotes:
                quotes = False  # one quotation mark without a partner: so are all that follow
        elif kind == "quoted" and not quotes:
            end = position + 1
        else:
            tokens.append(Token(kind, text[position + 1 : end - 1], glued))
        position = end
    if date_from < 0:
        last = text.rfind(";")
        return tokens, text[last + 1 :] if last >= 0 else ""
    return tokens, text[date_from:]


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

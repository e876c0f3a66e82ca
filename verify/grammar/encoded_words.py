"""Encoded words (RFC 2047) as a forgiving mail program decodes them: anywhere in a text, however badly formed."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp

_WORD = re.compile(r"=\?([^?\s]{1,75})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN = re.compile(r"(?<=\?=)[ \t\r\n]++(?==\?)")  # blanks between two words are not text (RFC 2047 6.2)
# Families of charsets that mail programs know.  Others of Python's codecs are not for text, or not linear.
_CHARSETS = ("utf", "iso", "windows-", "cp", "koi8", "gb", "big5", "euc", "shift", "us-ascii", "ascii", "latin", "mac")


def decode_words(text: str) -> str:
    """The text with every encoded word replaced by what it stands for; never raises, linear.

    Base64 of one charset that goes on in the next word is joined first, as several programs do.
    """
    if "=?" not in text:
        return text
    text = _BETWEEN.sub("", text)
    parts: list[str] = []
    charset = encoding = payload = ""
    end = 0
    for match in _WORD.finditer(text):
        next_charset, next_encoding, next_payload = match[1].lower(), match[2].lower(), match[3]
        adjacent = match.start() == end and (charset, encoding) == (next_charset, next_encoding)
        if adjacent and encoding == "b" and not payload.endswith("="):
            payload += next_payload
        else:
            parts += (_decoded(charset, encoding, payload), text[end : match.start()])
            charset, encoding, payload = next_charset, next_encoding, next_payload
        end = match.end()
    return "".join((*parts, _decoded(charset, encoding, payload), text[end:]))


def _decoded(charset: str, encoding: str, payload: str) -> str:
    octets = payload.encode("utf-8", "replace")
    octets = a2b_qp(octets, header=True) if encoding == "q" else _base64(octets)
    charset = charset.partition("*")[0]  # a language may follow (RFC 2231 5)
    if not charset.startswith(_CHARSETS):
        charset = "latin-1"
    try:
        text = octets.decode(charset, "replace")
    except (LookupError, UnicodeError):
        text = octets.decode("latin-1")
    return text.encode("utf-8", "replace").decode("utf-8")  # UTF-7 may hold lone surrogates


def _base64(octets: bytes) -> bytes:
    for cut in (octets, octets[: len(octets) // 4 * 4]):
        try:
            return a2b_base64(cut + b"==")
        except Error:
            continue
    return b""

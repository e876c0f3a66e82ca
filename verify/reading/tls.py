"""TLS version and cipher suite, as servers write them into comments and with clauses of Received fields."""

from __future__ import annotations

import re
from functools import lru_cache

from verify.model import Tls

_TLS_VERSION = re.compile(r"(?:^|[^A-Za-z0-9])(TLS|SSL)[_ -]?v?([1-3])(?:[._]([0-3]))?(?![0-9A-Za-z])", re.IGNORECASE)
_CIPHER = re.compile(r"[A-Za-z0-9]{2,12}(?:[_-][A-Za-z0-9]{1,12}){1,9}\Z")
_OCTETS = 4096  # of one text that are looked at
_SHORT = 250  # characters of a text that is remembered


def read_tls(text: str, known: Tls | None) -> Tls | None:
    """What a text adds to what is known of the connection; ``known`` itself when it says nothing."""
    told = _short_told(text) if len(text) <= _SHORT else _told(text[:_OCTETS])
    if told is None or known is None:
        return told or known
    return Tls(known.version or told.version, known.cipher or told.cipher)


def _told(text: str) -> Tls | None:
    lower = text.lower()
    if not ("tls" in lower or "ssl" in lower or "cipher" in lower or "encrypted" in lower):
        return None
    found = _TLS_VERSION.search(text)
    version = None
    if found is not None:
        family = found[1].upper()
        version = f"SSLv{found[2]}" if family == "SSL" else f"TLSv{found[2]}.{found[3] or '0'}"
    cipher = _cipher(text)
    return None if version is None and cipher is None else Tls(version, cipher)


_short_told = lru_cache(maxsize=1024)(_told)


def _cipher(text: str) -> str | None:
    """The name of a cipher suite in a comment or a with clause."""
    words = re.split(r"[\s,:=/()]+", text)
    after = False
    for word in words:
        lower = word.lower()
        if lower in ("cipher", "tls_cipher"):
            after = True
        elif after and not lower.startswith(("tls-1", "tlsv1", "tls1", "sslv")):
            return None if lower == "other" else word
        if "_" in word or "-" in word:
            if lower.startswith(("tls-", "tlsv", "tls_cipher")) and not lower.startswith("tls_cipher_"):
                continue
            upper = word.upper()
            if _CIPHER.match(word) and any(
                mark in upper for mark in ("AES", "DES", "RC4", "CHACHA", "CAMELLIA", "GCM")
            ):
                return word
    return None

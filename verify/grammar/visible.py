"""Hostile text made safe, once for each kind of sink.

``escape`` is how bytes of a message enter any value of the program (contract section 2); the other functions take
such text, or any text at all, and make it fit for one sink.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format (bidirectional and zero-width), line and paragraph separators, unassigned, private, surrogates.
_UNSAFE = {"Cc", "Cf", "Zl", "Zp", "Cn", "Co", "Cs"}
_PLAIN = re.compile(rb"[ -\[\]-~]*\Z")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Full-width signs too, which some locales' spreadsheets take for the plain ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def escape(octets: bytes, limit: int | None = None) -> str:
    """Octets as text: UTF-8 kept, everything else and every control as ``\\xNN``, a backslash doubled.

    ``limit``: octets kept; what is cut is marked with an ellipsis.
    """
    cut = limit is not None and len(octets) > limit
    if cut:
        octets = octets[:limit]
    if _PLAIN.match(octets):
        text = octets.decode("ascii")
    else:
        text = octets.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
        text = _CONTROLS.sub(_as_octets, text)
    return text + "…" if cut else text


def _as_octets(match: re.Match[str]) -> str:
    return "".join(f"\\x{octet:02x}" for octet in match[0].encode("utf-8"))


def terminal(text: str) -> str:
    """Text in which every control, bidirectional, zero-width and unassigned character is shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _UNSAFE:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """For logs: like ``terminal``; never a second line."""
    return terminal(text)


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = terminal(text)
    return "'" + text if text.lstrip(" '\"\u00a0\u3000").startswith(_FORMULA) else text


def smtp_text(text: str) -> str:
    """Printable ASCII for an SMTP reply."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)

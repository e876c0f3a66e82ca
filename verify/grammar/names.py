"""Host names, domains, addresses: the only place where text from mail or DNS becomes a name.

A name that left this module is lower-case A-labels of letters, digits, hyphens and underscores, without a final
dot, at most 253 octets, labels of 1 to 63 octets: safe for DNS, for a header value and for every sink.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_QUERY_LABEL = re.compile(r"[ -\x2d/-@\[\]-~]{1,63}\Z")  # printable ASCII but capitals, dot and backslash
_NAME_OCTETS = 253  # RFC 1035 2.3.4, without the final dot
_TEXT_CHARS = 1024  # more is no name in any spelling, ours; nor is it remembered


def domain_name(text: str) -> str | None:
    """The name in A-labels, lower case, no final dot; None when it is no DNS host name.

    U-labels are converted by IDNA 2008 with UTS 46 mapping (RFC 8616 4, RFC 9989 5.3.1).  One final dot is
    accepted.  Address literals, empty labels and anything with another character give None.
    """
    return _domain_name(text) if len(text) <= _TEXT_CHARS else None


@lru_cache(maxsize=65536)
def _domain_name(text: str) -> str | None:
    if not text.isascii():
        text = _a_labels(text) or ""
    text = text.lower()
    if text.endswith("."):
        text = text[:-1]
    if not text or len(text) > _NAME_OCTETS:
        return None
    for label in text.split("."):
        if not _LABEL.match(label):
            return None
    if text.rsplit(".", 1)[-1].isdigit():  # an address, or no top-level domain
        return None
    return text


def query_name(text: str) -> str | None:
    """The name that a question may ask for: wider than ``domain_name``, since SPF macros put local parts into names.

    Lower case, no final dot; labels of 1 to 63 printable octets of ASCII, blank included and backslash not: an octet
    stands for itself, so that a label is never read as DNS text with escapes.  None for anything else; U-labels are not
    converted.
    """
    return _query_name(text) if len(text) <= _NAME_OCTETS + 1 else None


@lru_cache(maxsize=65536)
def _query_name(text: str) -> str | None:
    text = text.lower().removesuffix(".") if text.isascii() else ""
    if not text or len(text) > _NAME_OCTETS or not all(map(_QUERY_LABEL.match, text.split("."))):
        return None
    return text


def _a_labels(text: str) -> str | None:
    """Non-ASCII labels as A-labels; ASCII labels (which may hold ``_``) pass through."""
    import idna  # for names that are not ASCII

    labels = []
    for label in re.split("[.\u3002\uff0e\uff61]", text):
        if label.isascii():
            labels.append(label)
            continue
        try:
            labels.append(idna.encode(label, uts46=True, transitional=False).decode("ascii"))
        except (idna.IDNAError, UnicodeError):
            return None
    return ".".join(labels)


def domain_bytes(value: bytes) -> str | None:
    """``domain_name`` of octets that must be UTF-8."""
    try:
        return domain_name(value.decode("utf-8"))
    except UnicodeDecodeError:
        return None


def u_labels(name: str) -> str:
    """The name as a reader may be shown it; the name itself where a label does not convert."""
    if "xn--" not in name:
        return name
    import idna

    labels = []
    for label in name.split("."):
        try:
            labels.append(idna.decode(label) if label.startswith("xn--") else label)
        except (idna.IDNAError, UnicodeError):
            return name
    return ".".join(labels)


def is_below(name: str, ancestor: str) -> bool:
    """True when ``name`` equals ``ancestor`` or lies below it, on a label boundary."""
    return name == ancestor or name.endswith("." + ancestor)


def matches_host(pattern: str, name: str) -> bool:
    """A host pattern of configuration or profile: a name, in which a ``*`` stands for any text, dots included.

    ``*.name`` is everything below a name.  Linear: each part between stars is looked for once.
    """
    if len(name) > _NAME_OCTETS + 1 or len(pattern) > _NAME_OCTETS + 1:  # no name; too long to be remembered
        return False
    return _matches_host(pattern, name)


@lru_cache(maxsize=16384)
def _matches_host(pattern: str, name: str) -> bool:
    name = name.lower().rstrip(".")
    pattern = pattern.lower().rstrip(".")
    if "*" not in pattern:
        return name == pattern
    first, *middle, last = pattern.split("*")
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def matches_any(patterns: tuple[str, ...], name: str) -> bool:
    """True when one of the patterns matches (``matches_host``)."""
    if not patterns or len(name) > _NAME_OCTETS + 1:
        return False
    return _matches_any(patterns, name)


@lru_cache(maxsize=16384)
def _matches_any(patterns: tuple[str, ...], name: str) -> bool:
    return any(matches_host(pattern, name) for pattern in patterns)


def address(text: str) -> Address | None:
    """An IPv4 or IPv6 address; IPv4-mapped becomes IPv4; tag ``IPv6:``, brackets and a zone are removed."""
    return _address(text) if len(text) <= 100 else None


@lru_cache(maxsize=16384)
def _address(text: str) -> Address | None:
    text = text.strip().strip("[]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    text = text.split("%", 1)[0]
    if len(text) > 45 or not text.isascii():
        return None
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def network(text: str) -> IPv4Network | IPv6Network | None:
    """A network or a single address; host bits are dropped."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def reverse_name(ip: Address) -> str:
    """The name that PTR is asked for (RFC 1035 3.5, RFC 3596 2.5)."""
    return ip.reverse_pointer


def split_mailbox(text: str) -> tuple[str, str]:
    """Local part and domain text of an envelope address: at the last ``@`` outside quotes; source route dropped.

    Without an ``@`` outside quotes the domain text is empty.  Nothing is checked.
    """
    if text.startswith("@") and ":" in text:  # source route, RFC 5321 appendix C
        text = text[text.index(":") + 1 :]
    if '"' not in text:
        local, sign, domain = text.rpartition("@")
        return (local, domain) if sign else (text, "")
    quoted = escaped = False
    at = -1
    for i, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == "@" and not quoted:
            at = i
    if at < 0:
        return text, ""
    return text[:at], text[at + 1 :]

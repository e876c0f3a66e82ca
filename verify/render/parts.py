"""Small pieces that the text and the page show alike: no sentence, no layout."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from verify.grammar.names import address
from verify.model import Hop, Identity, JudgedAtSource, RecordedResult, Source, Verdict

_ENCRYPTED = {"ESMTPS", "ESMTPSA", "LMTPS", "LMTPSA", "UTF8SMTPS", "UTF8SMTPSA", "UTF8LMTPS", "UTF8LMTPSA", "HTTPS"}
_CLEAR = {"SMTP", "ESMTP", "ESMTPA", "LMTP", "LMTPA", "UTF8SMTP", "UTF8SMTPA", "UTF8LMTP", "UTF8LMTPA", "HTTP"}

_JUDGED_AT = {
    JudgedAtSource.RECEIPT: "the time of receipt",
    JudgedAtSource.OPTION: "as asked",
    JudgedAtSource.NOW: "the time of this check",
}

NOT_RUN = "not run"


def word(result: StrEnum | None) -> str:
    """A result as a word; what could not be run has none of the registered words."""
    return result.value if result is not None else NOT_RUN


def is_encrypted(hop: Hop) -> bool | None:
    """Whether the hop used TLS by its own account (RFC 3848, RFC 8314 7.4); None when it does not say."""
    if hop.tls is not None:
        return True
    protocol = (hop.with_ or "").upper()
    return True if protocol in _ENCRYPTED else False if protocol in _CLEAR else None


def tls(hop: Hop) -> str:
    """TLS version, ``yes``, ``local`` on the machine itself, where there is nothing to encrypt, ``clear`` or ``?``."""
    if hop.tls is not None and hop.tls.version:
        return hop.tls.version
    encrypted = is_encrypted(hop)
    if encrypted is False and _is_loopback(hop.from_ip):
        return "local"
    return "?" if encrypted is None else "yes" if encrypted else "clear"


def _is_loopback(ip: str | None) -> bool:
    found = address(ip) if ip is not None else None
    return found is not None and found.is_loopback


def peer(hop: Hop) -> str:
    """Who handed the message over: the names in use and the address."""
    names = list(dict.fromkeys(part.rstrip(".") for part in (hop.from_name, hop.from_helo) if part))
    shown = " / ".join(names)
    if hop.from_ip and hop.from_helo != f"[{hop.from_ip}]":
        shown = f"{shown} [{hop.from_ip}]" if shown else f"[{hop.from_ip}]"
    return shown or "?"


def login(hop: Hop) -> str:
    return hop.auth_user or ("yes" if hop.authenticated else "-")


def when(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time is not None else "-"


def judged_at(verdict: Verdict) -> str:
    """Where the time of judging comes from; under a recording, now is the time at which it was made."""
    if verdict.judged_at_source is JudgedAtSource.NOW and verdict.dns.recorded and not verdict.dns.live:
        return "the time of the recording"
    return _JUDGED_AT[verdict.judged_at_source]


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def octets(count: int) -> str:
    return counted(count, "octet")


def place(source: Source) -> str:
    """Where the message came from: file, member, number."""
    parts = ["standard input" if source.path in (None, "", "-") else source.path]
    if source.member:
        parts.append(source.member)
    if source.index is not None:
        parts.append(f"message {source.index}")
    return ", ".join(parts)


def ours(verdict: Verdict, recorded: RecordedResult) -> str:
    """Our result for what a recorded result is about; ``-`` when we have none."""
    match recorded.method:
        case "spf":
            wanted = Identity.HELO if verdict.origin.mail_from == "" else Identity.MAILFROM
            return next((word(one.result) for one in verdict.spf if one.identity is wanted), "-")
        case "dkim":
            domain = recorded.properties.get("header.d") or recorded.properties.get("header.i", "").rpartition("@")[2]
            selector = recorded.properties.get("header.s")
            return next(
                (
                    word(one.result)
                    for one in verdict.dkim
                    if one.domain == domain.lower() and (selector is None or one.selector == selector)
                ),
                "-",
            )
        case "dmarc":
            return word(verdict.dmarc.result)
        case "arc":
            return word(verdict.arc.result)
        case "iprev":
            return word(verdict.iprev.result)
    return "-"


def about(recorded: RecordedResult) -> str:
    """What a recorded result is about: the identity among its properties."""
    for key in ("header.d", "header.i", "smtp.mailfrom", "smtp.helo", "header.from", "policy.iprev", "smtp.remote-ip"):
        if value := recorded.properties.get(key):
            return value
    return ""

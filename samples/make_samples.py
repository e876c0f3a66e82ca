"""Makes the samples: each ``NAME.eml`` beside ``NAME.dns.jsonl``, the recorded answers that judge it offline.

    python samples/make_samples.py          # writes them anew; the same octets every time

The keys in ``keys/`` were made for these samples and are good for nothing else.  The mail is signed with dkimpy, so
that what verifies it here was not also what signed it.  Run from the top of the checkout, with the development
packages installed.
"""

from __future__ import annotations

import base64
import re
import shlex
import sys
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import dkim as dkimpy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.zone import Zone  # noqa: E402
from verify.config import Config, envelope, resolve  # noqa: E402
from verify.evaluate import evaluate  # noqa: E402
from verify.lookup.recording import RecordingWriter  # noqa: E402
from verify.model import Answer, Cause, Question, Verdict  # noqa: E402
from verify.reading.message import parse_message  # noqa: E402

SENT = 1_767_348_245  # 2026-01-02T10:04:05Z, when all this mail was sent
WEEKS = 7 * 86_400
RECEIVER = "mx.receiver.example"
SHOWN = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"]


# ---- keys and records ----


def pem(name: str) -> bytes:
    return (HERE / "keys" / f"{name}.pem").read_bytes()


def key_record(name: str) -> str:
    key = load_pem_private_key(pem(name), None)
    if isinstance(key, Ed25519PrivateKey):
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return "v=DKIM1; k=ed25519; p=" + base64.b64encode(raw).decode()
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def reverse(ip: str, name: str) -> dict[str, Any]:
    return {".".join(reversed(ip.split("."))) + ".in-addr.arpa": {"PTR": [name]}, name: {"A": [ip]}}


def zone() -> dict[str, Any]:
    """The world in which the samples were sent."""
    names: dict[str, Any] = {
        # a shop that does everything
        "shop.example": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"], "MX": ["10 mail.shop.example"]},
        "_dmarc.shop.example": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@shop.example"]},
        "s1._domainkey.shop.example": {"TXT": [key_record("shop")]},
        "ed._domainkey.shop.example": {"TXT": [key_record("ed25519")]},
        # its newsletter provider, which sends under a name of its own
        "bounces.courier.example": {"TXT": ["v=spf1 ip4:198.51.100.0/26 -all"]},
        "courier.example": {"TXT": ["v=spf1 ip4:198.51.100.0/26 -all"]},
        # a club with SPF and DMARC, but no signatures
        "club.example": {"TXT": ["v=spf1 a:out.club.example -all"]},
        "_dmarc.club.example": {"TXT": ["v=DMARC1; p=quarantine"]},
        "out.club.example": {"TXT": ["v=spf1 a -all"]},
        # the receiver itself, whose signatures are put on when mail leaves
        "receiver.example": {"TXT": ["v=spf1 ip4:192.0.2.99 -all"]},
        "_dmarc.receiver.example": {"TXT": ["v=DMARC1; p=reject"]},
        # a bank that is forged
        "bank.example": {"TXT": ["v=spf1 ip4:192.0.2.80 -all"]},
        "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject; adkim=s; aspf=s"]},
        # a domain without a policy
        "garden.example": {"TXT": ["v=spf1 ip4:192.0.2.40 ~all"]},
        # a domain whose name servers do not answer for its key
        "museum.example": {"TXT": ["v=spf1 ip4:192.0.2.60 -all"]},
        "_dmarc.museum.example": {"TXT": ["v=DMARC1; p=reject"]},
        "s1._domainkey.museum.example": {"TXT": Cause.TIMEOUT},
        # a discussion list that seals, an alumni forwarder that does not
        "lists.example": {"TXT": ["v=spf1 ip4:203.0.113.20 -all"]},
        "_dmarc.lists.example": {"TXT": ["v=DMARC1; p=none"]},
        "arc._domainkey.lists.example": {"TXT": [key_record("lists")]},
        "alumni.example": {"TXT": ["v=spf1 ip4:203.0.113.30 -all"]},
        # the attacker, who has everything in order for a domain of his own
        "attacker.example": {"TXT": ["v=spf1 ip4:203.0.113.66 -all"]},
        "_dmarc.attacker.example": {"TXT": ["v=DMARC1; p=reject"]},
        "s1._domainkey.attacker.example": {"TXT": [key_record("attacker")]},
    }
    for ip, name in (
        ("192.0.2.10", "mail.shop.example"),
        ("198.51.100.9", "out9.courier.example"),
        ("192.0.2.20", "out.club.example"),
        ("192.0.2.40", "mail.garden.example"),
        ("192.0.2.60", "mail.museum.example"),
        ("203.0.113.20", "mail.lists.example"),
        ("203.0.113.30", "mail.alumni.example"),
        ("203.0.113.66", "mail.attacker.example"),
    ):
        for owner, records in reverse(ip, name).items():
            names[owner] = {**names.get(owner, {}), **records}
    return names


# ---- messages ----


def message(author: str, subject: str, text: str, *, to: str = "User <user@receiver.example>", **more: str) -> bytes:
    fields = {
        "From": author,
        "To": to,
        "Subject": subject,
        "Date": formatdate(SENT),
        "Message-ID": "<1@" + author.rsplit("@", 1)[-1].rstrip(">") + ">",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    fields.update({name.replace("_", "-"): value for name, value in more.items()})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return (head + "\r\n" + text.replace("\n", "\r\n")).encode()


def signed(raw: bytes, domain: str, key: str, selector: str = "s1", algorithm: str = "rsa-sha256") -> bytes:
    secret = pem(key)
    if algorithm == "ed25519-sha256":  # dkimpy wants the 32 octets in base64
        private = load_pem_private_key(secret, None)
        secret = base64.b64encode(private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
    with patch("time.time", lambda: float(SENT)):
        field = dkimpy.sign(
            raw,
            selector.encode(),
            domain.encode(),
            secret,
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=algorithm.encode(),
            include_headers=[*SHOWN, b"from"],
        )
    return field + raw


def sealed(raw: bytes, domain: str, key: str) -> bytes:
    """One ARC set by dkimpy, for the results that ``domain`` wrote on top of ``raw``."""
    fields = dkimpy.arc_sign(
        raw,
        b"arc",
        domain.encode(),
        pem(key),
        domain.encode(),
        include_headers=SHOWN,
        timestamp=SENT + 60,
    )
    return b"".join(fields) + raw


def hop(helo: str, ip: str, by: str, *, seconds: int, with_: str = "ESMTPS", name: str | None = None) -> bytes:
    return (
        f"Received: from {helo} ({name or helo} [{ip}])\r\n\tby {by} (Postfix) with {with_} id 4XyZ{seconds:03d}\r\n"
        f"\tfor <user@receiver.example>; {formatdate(SENT + seconds)}\r\n"
    ).encode()


def arrived(raw: bytes, helo: str, ip: str, mail_from: str, seconds: int = 5) -> bytes:
    """As ``mx.receiver.example`` stored it: its Return-Path and Received on top."""
    return f"Return-Path: <{mail_from}>\r\n".encode() + hop(helo, ip, RECEIVER, seconds=seconds) + raw


class Sample(NamedTuple):
    """One sample: its octets, the options with which it shows its point, and when its answers were recorded."""

    raw: bytes
    options: Mapping[str, str | tuple[str, ...]]
    recorded_at: int = SENT + 600


ORDER = "Your order 4711 has left our house.\n\nThe shop\n"
NEWS = "This month: three new tools for the garden.\n"


def samples() -> dict[str, Sample]:
    """Every sample by its name."""
    trusted = {"trust_host": RECEIVER}
    shop = signed(message("Shop <orders@shop.example>", "Your order", ORDER), "shop.example", "shop")
    made: dict[str, Sample] = {}

    made["pass"] = Sample(arrived(shop, "mail.shop.example", "192.0.2.10", "bounce@shop.example"), trusted)
    news = signed(message("Shop <news@shop.example>", "News", NEWS), "shop.example", "shop")
    made["dkim-only"] = Sample(
        arrived(news, "out9.courier.example", "198.51.100.9", "b42@bounces.courier.example"), trusted
    )
    club = message("Club <office@club.example>", "Annual meeting", "We meet on Friday.\n")
    made["spf-only"] = Sample(arrived(club, "out.club.example", "192.0.2.20", "office@club.example"), trusted)
    made["origin-inferred"] = Sample(made["spf-only"].raw, {})
    made["forwarded"] = Sample(
        arrived(
            hop("mail.shop.example", "192.0.2.10", "mail.alumni.example", seconds=2) + shop,
            "mail.alumni.example",
            "203.0.113.30",
            "bounce@shop.example",
        ),
        trusted,
    )
    made["list-arc"] = Sample(_list_mail(), trusted)
    trick = message('"ceo@bank.example" <ceo.bank@attacker.example>', "Urgent transfer", "Please pay at once.\n")
    made["display-name"] = Sample(
        arrived(
            signed(trick, "attacker.example", "attacker"), "mail.attacker.example", "203.0.113.66", "x@attacker.example"
        ),
        trusted,
    )
    forged = message("Bank <service@bank.example>", "Your account is locked", "Log in at once.\n")
    made["forged"] = Sample(
        arrived(
            signed(forged, "attacker.example", "attacker"),
            "mail.attacker.example",
            "203.0.113.66",
            "x@attacker.example",
        ),
        trusted,
    )
    garden = message("Gardener <g@garden.example>", "Tomatoes", "They are ripe.\n")
    made["no-policy"] = Sample(arrived(garden, "mail.garden.example", "192.0.2.40", "g@garden.example"), trusted)
    museum = signed(message("Museum <info@museum.example>", "Opening", "At six.\n"), "museum.example", "museum")
    made["dns-trouble"] = Sample(arrived(museum, "out9.courier.example", "198.51.100.9", "m@courier.example"), trusted)
    two = b"From: Bank <service@bank.example>\r\n" + signed(
        message("Attacker <x@attacker.example>", "Hello", "Hello.\n"), "attacker.example", "attacker"
    )
    made["two-from"] = Sample(arrived(two, "mail.attacker.example", "203.0.113.66", "x@attacker.example"), trusted)
    both = signed(
        signed(message("Shop <orders@shop.example>", "Your invoice", ORDER), "shop.example", "shop"),
        "shop.example",
        "ed25519",
        "ed",
        "ed25519-sha256",
    )
    made["ed25519"] = Sample(arrived(both, "mail.shop.example", "192.0.2.10", "bounce@shop.example"), trusted)
    made["bounce"] = Sample(
        arrived(
            message("Mail Delivery System <mailer-daemon@out.club.example>", "Undelivered mail", "No such user.\n"),
            "out.club.example",
            "192.0.2.20",
            "",
        ),
        trusted,
    )
    own = message("User <user@receiver.example>", "Re: Annual meeting", "I will come.\n", to="office@club.example")
    made["sent"] = Sample(
        (
            "Received: from laptop.home.example (unknown [192.0.2.200])\r\n"
            "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
            "\t(Authenticated sender: user)\r\n"
            f"\tby {RECEIVER} (Postfix) with ESMTPSA id 4XyZ999\r\n"
            f"\tfor <office@club.example>; {formatdate(SENT)}\r\n"
        ).encode()
        + own,
        trusted,
    )
    made["gmail"] = Sample(
        _gmail(news, "b42@bounces.courier.example", "out9.courier.example", "198.51.100.9", PASSED),
        {"receiver": "gmail"},
    )
    made["gmail-auto"] = Sample(_gmail(club, "office@club.example", "out.club.example", "192.0.2.20", SPF_PASSED), {})
    made["microsoft365"] = Sample(_microsoft365(), {"receiver": "microsoft365"}, SENT + 3 * WEEKS)
    made["postfix-chain"] = Sample(
        _postfix_chain(shop),
        {"trust_host": "*.receiver.example", "trust_network": "192.0.2.96/29", "trust_authserv_id": RECEIVER},
    )
    return made


def _b(raw: bytes) -> str:
    """The first eight characters of b= of the topmost signature, by which results name it (RFC 6008)."""
    found = re.search(rb"[; \t\n]b=([^;]*)", raw)
    assert found is not None
    return b"".join(found[1].split())[:8].decode()


PASSED = """\
 dkim=pass header.i=@shop.example header.s=s1 header.b={b};
 spf=pass (google.com: domain of {mail_from} designates {ip} as permitted sender) smtp.mailfrom={mail_from};
 dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=shop.example
"""
SPF_PASSED = """\
 spf=pass (google.com: domain of {mail_from} designates {ip} as permitted sender) smtp.mailfrom={mail_from};
 dmarc=pass (p=QUARANTINE sp=QUARANTINE dis=NONE) header.from=club.example
"""


def _crlf(block: str) -> bytes:
    return block.replace("\n", "\r\n").encode()


def _gmail(raw: bytes, mail_from: str, helo: str, ip: str, results: str) -> bytes:
    """As Gmail stores it: its results stand below the line that it wrote at the border."""
    day = "Fri, 02 Jan 2026"
    results = results.format(b=_b(raw) if b"DKIM-Signature" in raw else "", mail_from=mail_from, ip=ip)
    block = f"""\
Delivered-To: user@receiver.example
Received: by 2002:a05:6402:1a2b:b0:5f0:1234:5678 with SMTP id ab12csp345678edb;
        {day} 02:04:07 -0800 (PST)
X-Received: by 2002:a17:907:9720:b0:b6d:5914:1234 with SMTP id jg32mr1234567ejc.40.1767348246;
        {day} 02:04:06 -0800 (PST)
Return-Path: <{mail_from}>
Received: from {helo} ({helo}. [{ip}])
        by mx.google.com with ESMTPS id a640c23a62f3a-b7.2026.01.02.02.04.06
        for <user@receiver.example>
        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        {day} 02:04:06 -0800 (PST)
Received-SPF: pass (google.com: domain of {mail_from} designates {ip} as permitted sender)
 client-ip={ip};
Authentication-Results: mx.google.com;
{results}"""
    return _crlf(block) + raw


def _microsoft365() -> bytes:
    """As Microsoft 365 stores it; the key of the signature has been withdrawn when the answers are recorded."""
    raw = signed(message("Shop <news@shop.example>", "Winter sale", NEWS), "shop.example", "shop", "s0")
    day = "Fri, 2 Jan 2026"
    block = f"""\
Received: from DB9PR01MB0001.eurprd01.prod.exchangelabs.com (::1) by
 AM9PR01MB0002.eurprd01.prod.exchangelabs.com with HTTPS; {day} 10:04:09 +0000
Received: from AM6P194CA0052.EURP194.PROD.OUTLOOK.COM (2603:10a6:209:84::29) by
 DB9PR01MB0001.eurprd01.prod.exchangelabs.com (2603:10a6:10:97::12) with Microsoft SMTP Server
 (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.6631.39; {day} 10:04:08 +0000
Authentication-Results: spf=pass (sender IP is 198.51.100.9)
 smtp.mailfrom=bounces.courier.example; dkim=pass (signature was verified)
 header.d=shop.example;dmarc=pass action=none
 header.from=shop.example;compauth=pass reason=100
Received-SPF: Pass (protection.outlook.com: domain of bounces.courier.example
 designates 198.51.100.9 as permitted sender) receiver=protection.outlook.com;
 client-ip=198.51.100.9; helo=out9.courier.example; pr=C
Received: from out9.courier.example (198.51.100.9) by
 VI1EUR06FT019.mail.protection.outlook.com (10.13.7.161) with Microsoft SMTP Server
 (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.6631.42 via Frontend Transport;
 {day} 10:04:07 +0000
"""
    tail = """\
Return-Path: b42@bounces.courier.example
X-MS-Exchange-Organization-AuthSource: VI1EUR06FT019.eop-eur06.prod.protection.outlook.com
X-MS-Exchange-Organization-AuthAs: Anonymous
X-Sender-IP: 198.51.100.9
"""
    head, _, text = raw.partition(b"\r\n\r\n")
    return _crlf(block) + head + b"\r\n" + _crlf(tail) + b"\r\n" + text


def _postfix_chain(raw: bytes) -> bytes:
    """Through three hosts of the receiver's own; below the border the sender added results in the receiver's name."""
    day = "Fri, 02 Jan 2026"
    block = f"""\
Return-Path: <bounce@shop.example>
Received: from relay.receiver.example (relay.receiver.example [192.0.2.98])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby store.receiver.example (Postfix) with LMTPS id 4XyZ103
\tfor <user@receiver.example>; {day} 10:04:13 +0000 (UTC)
Received: from localhost (localhost [127.0.0.1])
\tby relay.receiver.example (Postfix) with ESMTP id 4XyZ102
\tfor <user@receiver.example>; {day} 10:04:12 +0000 (UTC)
Received: from {RECEIVER} ({RECEIVER} [192.0.2.97])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby relay.receiver.example (Postfix) with ESMTPS id 4XyZ101
\tfor <user@receiver.example>; {day} 10:04:11 +0000 (UTC)
Authentication-Results: {RECEIVER};
\tdmarc=pass (p=reject dis=none) header.from=shop.example
Authentication-Results: {RECEIVER};
\tspf=pass smtp.mailfrom=bounce@shop.example smtp.helo=mail.shop.example;
\tdkim=pass (2048-bit key; unprotected) header.d=shop.example header.i=@shop.example
\theader.a=rsa-sha256 header.s=s1 header.b={_b(raw)}
Received: from mail.shop.example (mail.shop.example [192.0.2.10])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby {RECEIVER} (Postfix) with ESMTPS id 4XyZ100
\tfor <user@receiver.example>; {day} 10:04:10 +0000 (UTC)
Authentication-Results: {RECEIVER}; dkim=pass header.d=bank.example
Received: from till.shop.example (unknown [198.51.100.77])
\tby mail.shop.example (Postfix) with ESMTPSA id 4XyZ001
\tfor <user@receiver.example>; {day} 10:04:05 +0000 (UTC)
"""
    return _crlf(block) + raw


def _list_mail() -> bytes:
    """A signed mail that a list changed (subject tag, footer) and sealed."""
    raw = signed(
        message("Ann <ann@shop.example>", "Question", "Who knows more?\n", to="talk@lists.example"),
        "shop.example",
        "shop",
    )
    results = (
        b"Authentication-Results: lists.example; dkim=pass header.d=shop.example header.s=s1;\r\n"
        b" spf=pass smtp.mailfrom=ann@shop.example; dmarc=pass header.from=shop.example\r\n"
    )
    came_in = results + hop("mail.shop.example", "192.0.2.10", "mail.lists.example", seconds=2) + raw
    changed = came_in.replace(b"Subject: Question", b"Subject: [talk] Question")
    changed = b"List-Id: The talk list <talk.lists.example>\r\n" + changed
    changed += b"-- \r\nThe talk list, https://lists.example/talk\r\n"
    # the seal speaks for the message as the list sends it on
    return arrived(
        sealed(changed, "lists.example", "lists"), "mail.lists.example", "203.0.113.20", "talk-bounce@lists.example", 70
    )


# ---- recordings ----


def recorded(sample: Sample, target: Path) -> Verdict:
    """Judge with the zone above and write down every answer that was used."""
    config = Config(**sample.options)
    now = sample.recorded_at
    world = Zone(zone(), ttl=3600, observed_at=now)
    used: dict[Question, Answer] = {}

    def ask(question: Question) -> Answer:
        return used.setdefault(question, world.ask(question))

    verdict = evaluate(parse_message(sample.raw), envelope(config), ask, now, resolve(config))
    assert isinstance(verdict, Verdict)
    with target.open("wb") as file:
        RecordingWriter(file, recorded_at=now, resolver="make_samples.py").write(used.values())
    return verdict


def arguments(options: Mapping[str, str | tuple[str, ...]]) -> str:
    """The options as they are written on the command line of any shell, one line; empty when there are none."""
    words = [
        f"--{name.replace('_', '-')} {shlex.quote(value)}"
        for name, values in options.items()
        for value in ((values,) if isinstance(values, str) else values)
    ]
    return " ".join(words) + "\n" if words else ""


def main() -> None:
    for name, sample in samples().items():
        (HERE / f"{name}.eml").write_bytes(sample.raw)
        (HERE / f"{name}.args").write_text(arguments(sample.options))
        verdict = recorded(sample, HERE / f"{name}.dns.jsonl")
        print(f"{name:18}{verdict.conclusion}  {verdict.conclusion_reason}")


if __name__ == "__main__":
    main()

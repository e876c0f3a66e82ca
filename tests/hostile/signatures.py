"""Rows 3 to 6 and 25 to 34: signatures that must not count, keys that must not, and floods of them."""

from __future__ import annotations

from tests import signing
from tests.hostile.scene import (
    ATTACK,
    ATTACK_KEY,
    DAY,
    FROM_ATTACKER,
    LEGIT,
    LEGIT_KEY,
    NOW,
    Also,
    Case,
    Scene,
    codes,
    edited,
    mail,
    signed,
)
from tests.zone import Zone
from verify.model import Cause, Verdict

KEY = f"s._domainkey.{LEGIT}"
GENUINE = signed()
HONEST = ((Scene(GENUINE), "dkim-aligned"),)
MIME_BODY = b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n"


def dkim(word: str, reason: str | None = None) -> Also:
    """The topmost signature has this result."""
    return lambda v, _: (v.dkim[0].result, v.dkim[0].reason if reason else None) == (word, reason)


def keys_at(*names: str) -> dict[str, object]:
    """The victim's key at every name that a careless verifier might ask."""
    return {name: {"TXT": [signing.key_record(LEGIT_KEY)]} for name in names}


def harmless_names(verdict: Verdict, zone: Zone) -> bool:
    """No question holds anything but letters, digits, hyphens, underscores and dots."""
    return all(q.name.replace(".", "").replace("-", "").replace("_", "").isalnum() for q in zone.asked)


def field(text: str, raw: bytes | None = None, name: bytes = b"DKIM-Signature") -> bytes:
    """The message with a signature whose whole tag list is ``text``."""
    raw = mail() if raw is None else raw
    return signing.dkim_field(raw, LEGIT, "s", LEGIT_KEY, text=text, name=name) + raw


def tags(**changes: str) -> str:
    values = {"v": "1", "a": "ed25519-sha256", "c": "relaxed/relaxed", "d": LEGIT, "s": "s", "h": "from", "bh": "{bh}"}
    values.update(changes)
    return " " + "; ".join(f"{tag}={value}" for tag, value in values.items()) + "; b={b}"


def simple(
    name: str, row: int, raw: bytes, *, reason: str = "not-aligned", world: dict[str, object] | None = None,
    also: Also | None = None, twins: tuple[tuple[Scene, str], ...] = HONEST, now: int = NOW, **settings: object,
) -> Case:  # fmt: skip
    return Case(name, (row,), Scene(raw, world or {}, settings=settings, now=now), reason, twins, also)


CASES = [
    # 3: NUL and controls in selector and domain
    simple("nul-in-selector", 3, field(tags(s="s._domainkey.attack.example.\0.any")), also=harmless_names, world=keys_at("s._domainkey.attack.example")),
    simple("nul-in-signing-domain", 3, field(tags(d="legit.example\0.attack.example")), also=harmless_names, world=keys_at(KEY)),
    simple("blank-in-selector", 3, field(tags(s="s _domainkey")), also=harmless_names),
    simple("control-in-selector", 3, field(tags(s="s\x01")), also=harmless_names, world=keys_at("s\x01._domainkey.legit.example")),
    simple("escape-in-selector", 3, field(tags(s="s\\046x")), also=harmless_names),
    simple("empty-selector", 3, field(tags(s="")), also=harmless_names),
    # 4 to 6: text that would break out of Authentication-Results
    simple("quote-in-domain", 4, field(tags(d="legit.example'a.attack.example")), also=harmless_names, world=keys_at("s._domainkey.legit.example'a.attack.example")),
    simple("double-quote-in-domain", 4, field(tags(d='legit.example"a.attack.example')), also=harmless_names, world=keys_at('s._domainkey.legit.example"a.attack.example')),
    simple("quote-in-auid", 4, field(tags(i='"; dkim=pass header.d=legit.example"@attack.example', d=LEGIT)), also=dkim("permerror")),
    simple("parenthesis-in-domain", 5, field(tags(d="legit.example(a.attack.example")), also=harmless_names, world=keys_at("s._domainkey.legit.example(a.attack.example")),
    simple("semicolon-in-auid", 5, field(tags(i="a@legit.example;d=attack.example")), also=dkim("neutral", "duplicate-tag")),
    simple("newline-in-domain", 6, field(tags(d="attack\r\n .legit.example")), also=harmless_names),
    # 25: l=
    *(
        simple(name, 25, edited(raw, b"invoice.\r\n", b"invoice.\r\n" + more), also=also, twins=((Scene(raw), "dkim-aligned"), (Scene(edited(raw, b"invoice.\r\n", b"invoice.\r\n" + more), settings={"allow_unsigned_octets": True}), "dkim-aligned")))
        for name, raw, more, also in (
            ("length-and-text-appended", signed(mail(), l="25"), b"Pay to the attacker.\r\n", lambda v, _: v.dkim[0].unsigned_octets == 22),
            ("length-and-part-appended", signed(mail(), l="25", h="from:subject"), b"--x\r\nContent-Type: text/html\r\n\r\n<b>\r\n", dkim("policy", "unsigned-octets")),
            ("length-and-one-octet-appended", signed(mail(), l="25", c="simple/simple"), b".\r\n", dkim("policy", "unsigned-octets")),
        )
    ),
    simple("length-zero", 25, signed(mail(), l="0"), also=dkim("policy", "unsigned-octets"), twins=((Scene(signed(mail(body=b""), l="0")), "dkim-aligned"),)),
    simple("length-over-body", 25, signed(mail(), l="9999"), also=dkim("neutral", "length-over-body")),
    simple("length-of-many-digits", 25, signed(mail(), l="9" * 77), also=dkim("neutral", "tag-syntax")),
    # 26: From not signed
    simple("from-not-signed", 26, signed(mail(), h="subject"), also=dkim("permerror", "from-not-signed")),
    simple("from-lookalike-signed", 26, signed(mail(), h="resent-from:x-from:subject"), also=dkim("permerror", "from-not-signed")),
    simple("from-in-a-word", 26, signed(mail(), h="fromm:subject:date"), also=dkim("permerror", "from-not-signed")),
    simple("nothing-signed", 26, signed(mail(), h=""), also=dkim("neutral")),
    # 27: a second instance above the signed one
    simple("second-subject", 27, b"Subject: You have won\r\n" + GENUINE, also=dkim("policy", "signed-instance-not-shown"), twins=((Scene(b"X-Subject: You have won\r\n" + GENUINE), "dkim-aligned"), (Scene(b"Subject: hello\r\n" + GENUINE), "dkim-aligned"))),
    simple("second-to", 27, b"To: you@r.example\r\n" + GENUINE, also=dkim("policy", "signed-instance-not-shown")),
    simple("second-date", 27, b"Date: Mon, 05 Jan 2026 10:04:05 +0000\r\n" + GENUINE, also=dkim("policy", "signed-instance-not-shown")),
    simple("second-content-type", 27, b"Content-Type: text/html\r\n" + signed(mail(), h="from:content-type"), also=dkim("policy", "signed-instance-not-shown"), twins=((Scene(signed(mail(), h="from:content-type")), "dkim-aligned"),)),
    simple("second-subject-blank-before-colon", 27, b"Subject : You have won\r\n" + GENUINE, also=dkim("policy", "signed-instance-not-shown")),
    simple("second-subject-behind-bare-lf", 27, b"X-A: b\nSubject: You have won\r\n" + GENUINE, also=dkim("policy", "signed-instance-not-shown")),
    simple("second-subject-oversigned", 27, b"Subject: You have won\r\n" + signed(mail(), h="from:subject:subject"), also=dkim("fail"), twins=((Scene(signed(mail(), h="from:subject:subject")), "dkim-aligned"),)),
    # 28: a tag twice
    simple("domain-twice", 28, field(tags() + f"; d={ATTACK}"), also=dkim("neutral", "duplicate-tag")),
    simple("domain-twice-attackers-first", 28, field(f" d={ATTACK};" + tags()), also=dkim("neutral", "duplicate-tag")),
    simple("header-list-twice", 28, field(tags() + "; h=subject"), also=dkim("neutral", "duplicate-tag")),
    simple("key-tag-twice", 28, GENUINE, world={KEY: {"TXT": [signing.key_record(ATTACK_KEY) + "; p=" + signing.key_record(LEGIT_KEY).split("p=")[1]]}}, also=dkim("permerror", "key-syntax")),
    # 29: weak keys and hashes
    simple("rsa-sha1", 29, signing.sign(mail(), LEGIT, "r", signing.rsa_key(), a="rsa-sha1"), world={f"r._domainkey.{LEGIT}": {"TXT": [signing.key_record(signing.rsa_key())]}}, also=dkim("permerror", "rsa-sha1"), twins=((Scene(signing.sign(mail(), LEGIT, "r", signing.rsa_key()), {f"r._domainkey.{LEGIT}": {"TXT": [signing.key_record(signing.rsa_key())]}}), "dkim-aligned"),)),
    simple("short-key", 29, signing.sign(mail(), LEGIT, "r", signing.short_rsa_key()), world={f"r._domainkey.{LEGIT}": {"TXT": [signing.key_record(signing.short_rsa_key())]}}, also=dkim("permerror", "key-too-short")),
    simple("key-without-sha256", 29, GENUINE, world={KEY: {"TXT": [signing.key_record(LEGIT_KEY, h="sha1")]}}, also=dkim("permerror", "key-hash-not-allowed")),
    simple("key-of-another-type", 29, GENUINE, world={KEY: {"TXT": [signing.key_record(LEGIT_KEY, k="rsa")]}}, also=dkim("permerror")),
    simple("key-for-another-service", 29, GENUINE, world={KEY: {"TXT": [signing.key_record(LEGIT_KEY, s="web")]}}, also=dkim("permerror", "key-service-not-email")),
    simple("key-revoked", 29, GENUINE, world={KEY: {"TXT": [signing.key_record(LEGIT_KEY, p="")]}}, also=dkim("permerror", "key-revoked")),
    simple("unknown-algorithm", 29, field(tags(a="none")), also=dkim("neutral", "unknown-algorithm")),
    # 30: times
    simple("expired", 30, signed(mail(), t=str(NOW - 9 * DAY), x=str(NOW - 8 * DAY)), also=dkim("policy", "expired"), twins=((Scene(signed(mail(), t=str(NOW - DAY), x=str(NOW + DAY))), "dkim-aligned"), (Scene(signed(mail(), x=str(NOW - 60))), "dkim-aligned")), at=NOW),
    simple("signed-in-the-future", 30, signed(mail(), t=str(NOW + DAY)), also=dkim("policy", "signed-in-future"), twins=((Scene(signed(mail(), t=str(NOW + 60))), "dkim-aligned"),)),
    simple("expiry-before-signing", 30, signed(mail(), t=str(NOW), x=str(NOW - DAY)), also=dkim("neutral", "expiry-before-signing")),
    simple("expired-and-no-date-vouched-for", 30, signed(mail(), x=str(NOW - DAY)), reason="origin-inferred", also=dkim("policy", "expired"), twins=((Scene(signed(mail(), x=str(NOW + DAY))), "dkim-aligned"),)),
    Case("replayed", (30,), Scene(signed(mail(), t=str(NOW - 30 * DAY)), settings={"at": NOW}), "dkim-aligned", also=lambda v, _: "old-signature" in codes(v)),
    Case("replayed-to-another", (30,), Scene(GENUINE, envelope=FROM_ATTACKER.__class__(client_ip="203.0.113.66", helo="x", mail_from="x@attack.example", rcpt_to=("victim@other.example",))), "dkim-aligned", also=lambda v, _: "recipient-not-signed" in codes(v)),
    # 31: i= outside d=, t=s
    simple("auid-elsewhere", 31, field(tags(i="@attack.example")), also=dkim("permerror", "auid-outside-domain")),
    simple("auid-above", 31, field(tags(i="@example")), also=dkim("permerror", "auid-outside-domain")),
    simple("auid-suffix-without-dot", 31, field(tags(i="@notlegit.example")), also=dkim("permerror", "auid-outside-domain")),
    simple("auid-below-strict-key", 31, field(tags(i="@sub.legit.example")), world={KEY: {"TXT": [signing.key_record(LEGIT_KEY, t="s")]}}, also=dkim("permerror", "key-strict-auid"), twins=((Scene(field(tags(i="@legit.example")), {KEY: {"TXT": [signing.key_record(LEGIT_KEY, t="s")]}}), "dkim-aligned"),)),
    # 32: floods
    simple("flood-above-a-good-one", 32, b"".join(signed(mail(), f"n{n}.{ATTACK}")[: -len(mail())] for n in range(200)) + GENUINE, reason="dkim-aligned", also=lambda v, z: len(v.dkim) == 10 and "signatures-not-tried" in codes(v)),
    simple("flood-that-could-align", 32, b"".join(field(tags(s=f"n{n}"))[: -len(mail())] for n in range(40)) + mail(), reason="limit", also=lambda v, z: len(z.asked) < 40, twins=((Scene(b"".join(field(tags(s=f"n{n}"))[: -len(mail())] for n in range(9)) + GENUINE), "dkim-aligned"),)),
    simple("flood-below-the-forgery", 32, signed(mail(), LEGIT, b="AAAA") + b"", also=dkim("fail")),
    simple("flood-of-slow-zones", 32, b"".join(signed(mail(), f"n{n}.{ATTACK}")[: -len(mail())] for n in range(9)) + mail(), world={f"s._domainkey.n{n}.{ATTACK}": Cause.TIMEOUT for n in range(9)}, also=lambda v, _: v.dmarc.result == "fail"),
    # 33: huge and many TXT
    simple("huge-key", 33, GENUINE, reason="limit", world={KEY: {"TXT": [signing.key_record(LEGIT_KEY) + "; n=" + "x" * 20_000]}}, twins=((Scene(GENUINE, {KEY: {"TXT": [signing.key_record(LEGIT_KEY) + "; n=" + "x" * 2000]}}), "dkim-aligned"),)),
    simple("many-keys", 33, GENUINE, world={KEY: {"TXT": [signing.key_record(signing.ed25519_key(n)) for n in range(10, 14)] + [signing.key_record(LEGIT_KEY)]}}, also=dkim("permerror", "several-keys"), twins=((Scene(GENUINE, {KEY: {"TXT": [signing.key_record(ATTACK_KEY), signing.key_record(LEGIT_KEY)]}}), "dkim-aligned"), (Scene(GENUINE, {KEY: {"TXT": ["v=spf1 -all", "x" * 100, "y", "z=1", signing.key_record(LEGIT_KEY)]}}), "dkim-aligned"))),
    simple("wildcard-text-is-no-key", 33, GENUINE, world={KEY: {"TXT": ["v=spf1 -all"]}}, also=dkim("permerror", "key-syntax")),
    simple("key-of-octets", 33, GENUINE, world={KEY: {"TXT": [b"\xff\0v=DKIM1; p=\x80"]}}, also=dkim("permerror", "key-syntax")),
    # 34: much work
    simple("run-of-blanks", 34, edited(signed(mail(body=b"x" + b" " * 400_000 + b"x\r\n")), b"x  ", b"y  "), also=dkim("fail", "body-hash-mismatch"), twins=((Scene(signed(mail(body=b"x" + b" " * 400_000 + b"x\r\n"))), "dkim-aligned"),)),
    simple("run-of-empty-lines", 34, edited(signed(mail(body=b"x\r\n" + b"\r\n" * 200_000 + b"x\r\n")), b"x\r\n\r\n", b"y\r\n\r\n"), also=dkim("fail", "body-hash-mismatch"), twins=((Scene(signed(mail(body=b"x\r\n" + b"\r\n" * 200_000 + b"x\r\n"))), "dkim-aligned"),)),
    simple("run-of-folds", 34, edited(signed(mail(rest=b"Subject: a" + b"\r\n \t" * 20_000 + b"b\r\n")), b"Subject: a", b"Subject: c"), also=dkim("fail", "signature-mismatch"), twins=((Scene(signed(mail(rest=b"Subject: a" + b"\r\n \t" * 20_000 + b"b\r\n"))), "dkim-aligned"),)),
    # the reader's own: what else is signed but not shown, and signatures that sign another message
    simple("body-changed", 27, edited(GENUINE, b"invoice", b"ransom"), also=dkim("fail", "body-hash-mismatch")),
    simple("from-changed", 27, edited(GENUINE, b"ceo@legit.example", b"cfo@legit.example"), also=dkim("fail", "signature-mismatch")),
    simple("signature-of-another-mail", 27, signed(mail(body=b"other\r\n"))[: -len(mail(body=b"other\r\n"))] + mail(), also=dkim("fail")),
    simple("testing-key-failing", 27, edited(GENUINE, b"invoice", b"ransom"), world={KEY: {"TXT": [signing.key_record(LEGIT_KEY, t="y")]}}, also=dkim("neutral", "testing")),
    simple("second-block-after-signature", 27, edited(GENUINE, b"\r\n\r\n", b"\r\n\r\nSubject: won\r\n\r\n"), also=lambda v, _: "second-header-block" in codes(v)),
]  # fmt: skip

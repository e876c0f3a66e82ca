"""Rows 35, 39, 40, 42, 48 and 52: ARC chains, line ends, nesting, and what stands behind a reading limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests import signing
from tests.hostile.delivery import GOOD_TRAIL, HONEST, OURS, TRAIL, case, judged_from, sent
from tests.hostile.scene import (
    ATTACK,
    ATTACK_KEY,
    FROM_LEGIT,
    LEGIT,
    REST,
    SEALER_KEY,
    UNKNOWN,
    Also,
    Scene,
    codes,
    edited,
    mail,
    signed,
)
from verify.model import Cause, Fidelity, Source

CLAIM = "list.example; dkim=pass header.d=legit.example; spf=pass smtp.mailfrom=ceo@legit.example; dmarc=pass header.from=legit.example"


def sealed(raw: bytes | None = None, domain: str = "list.example", aar: str = CLAIM, **tags: Any) -> bytes:
    key = ATTACK_KEY if domain.endswith(ATTACK) else SEALER_KEY
    return signing.seal(mail() if raw is None else raw, domain, "s", key, aar=aar, h="from:subject", **tags)


def chained(domains: Sequence[str]) -> bytes:
    """A chain whose oldest set is the first domain's."""
    raw = mail()
    for domain in domains:
        raw = sealed(raw, domain)
    return raw


def arc(word: str | None, reason: str | None = None) -> Also:
    return lambda v, _: v.arc.result == word and reason in (None, v.arc.reason)


def override(word: str | None) -> Also:
    return lambda v, _: (v.dmarc.result, v.dmarc.override) == ("fail", word)


def has(code: str, detail: str | None = None) -> Also:
    return lambda v, _: any(a.code == code and detail in (None, a.detail) for a in v.anomalies)


def hit(name: str) -> Also:
    return has("limit-hit", name)


LIST = {"trust_sealers": ("list.example",)}
LEGIT_SIGNED = signed(mail(), LEGIT, h="from:subject")
SMUGGLED = b"\r\nFrom: ceo@legit.example\r\nSubject: pay\r\n\r\nPay.\r\n"
FILLER = b"X-Filler: x\r\n"


def comments(depth: int, inside: bytes = b"") -> bytes:
    return b"From: " + b"(" * depth + inside + b")" * depth + b" ceo@legit.example\r\n"


def forwarded(outer: bytes, inner: bytes) -> bytes:
    """A message with another one attached."""
    body = b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--x--\r\n"
    rest = REST.replace(b"text/plain", b'multipart/mixed; boundary="x"')
    return mail(outer, rest=rest, body=body)


CASES = [
    # 35: depth and number
    case("deep-comments", 35, sent(mail(comments(21)), FROM_LEGIT), "limit", twin=sent(mail(comments(20)), FROM_LEGIT), also=hit("comment_depth")),
    case("very-deep-comments", 35, sent(mail(comments(50_000)), FROM_LEGIT), "limit", twin=HONEST, also=hit("comment_depth")),
    case("many-received", 35, sent(b"Received: from a by b; x\r\n" * 1900 + mail(), FROM_LEGIT), "limit", twin=sent(b"Received: from a by b; x\r\n" * 200 + mail(), FROM_LEGIT), also=hit("received_fields")),
    case("fifty-thousand-received", 35, sent(b"Received: x\r\n" * 50_000 + mail(), FROM_LEGIT), "limit", twin=HONEST, also=hit("header_fields")),
    case("deep-comments-in-results", 35, sent(b"Authentication-Results: " + b"(" * 5000 + b")" * 5000 + b" x.example; none\r\n" + mail(), FROM_LEGIT), "spf-aligned", also=lambda v, _: not v.recorded[0].parsed),
    case("deep-comments-in-received", 35, sent(b"Received: from x (" + b"(" * 20_000 + b")" * 20_000 + b") by y; x\r\n" + mail()), twin=HONEST),
    case("many-parts", 35, sent(mail(body=b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 5000)), twin=sent(mail(body=b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 5000), FROM_LEGIT)),
    case("many-recorded", 35, sent(b"Authentication-Results: x.example; none\r\n" * 150 + mail(), FROM_LEGIT), "limit", twin=sent(b"Authentication-Results: x.example; none\r\n" * 100 + mail(), FROM_LEGIT), also=hit("recorded_fields")),
    # 39: chains that the attacker makes
    case("own-chain", 39, sent(sealed(domain=ATTACK)), also=lambda v, z: v.arc.result == "pass" and override(None)(v, z), twin=sent(sealed(), FROM_LEGIT)),
    case("own-chain-others-trusted", 39, sent(sealed(domain=ATTACK), **LIST), also=override(None), twin=sent(sealed(), FROM_LEGIT, **LIST)),
    case("own-chain-claims-trusted-sealer", 39, sent(sealed(domain=ATTACK).replace(b"d=attack.example", b"d=list.example"), **LIST), also=lambda v, z: v.arc.result == "fail" and override(None)(v, z), twin=sent(sealed(), FROM_LEGIT, **LIST)),
    case("trusted-set-below-the-attackers", 39, sent(chained(["list.example", ATTACK]), **LIST), also=lambda v, z: v.arc.trusted_through is None and override(None)(v, z), twin=sent(signed(chained([ATTACK, "list.example"])), **LIST), passes="dkim-aligned"),
    case("attackers-report-below-the-trusted", 39, sent(sealed(sealed(domain=ATTACK), aar="list.example; none"), **LIST), also=lambda v, z: v.arc.trusted_through == 2 and override(None)(v, z), twin=sent(sealed(aar="list.example; none"), FROM_LEGIT, **LIST)),
    case("trusted-report", 39, sent(sealed(), **LIST), also=override("trusted-sealer"), twin=sent(sealed(), FROM_LEGIT, **LIST)),
    case("trusted-sealer-by-a-name-below", 39, sent(chained([f"list.example.{ATTACK}"]), **LIST), also=override(None), twin=sent(sealed(), FROM_LEGIT, **LIST)),
    case("recorded-arc-pass-below-the-border", 39, sent(TRAIL + b"Authentication-Results: mx.r.example; arc=pass\r\n" + mail(), UNKNOWN, **OURS), also=arc("none"), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    # 40: chains at their edges
    case("chain-too-long", 40, sent(chained(["list.example"] * 51), **LIST), also=arc("fail", "chain-too-long"), twin=sent(signed(chained(["list.example"] * 50))), passes="dkim-aligned"),
    case("chain-with-a-gap", 40, sent(sealed(instance=2, cv="pass"), **LIST), also=arc("fail", "chain-structure"), twin=sent(sealed(), FROM_LEGIT)),
    case("seal-with-h", 40, sent(sealed(seal_tags={"h": "from"}), **LIST), also=arc("fail", "seal-has-h"), twin=sent(sealed(), FROM_LEGIT)),
    case("chain-that-says-fail", 40, sent(sealed(cv="fail"), **LIST), also=arc("fail", "chain-failed-before"), twin=sent(sealed(), FROM_LEGIT)),
    case("sealed-then-changed", 40, sent(edited(sealed(), b"invoice", b"ransom"), **LIST), also=lambda v, z: v.arc.reason == "message-signature-failed" and override(None)(v, z), twin=sent(sealed(), FROM_LEGIT)),
    case("report-changed-after-sealing", 40, sent(edited(sealed(aar="list.example; dkim=fail header.d=legit.example"), b"dkim=fail", b"dkim=pass"), **LIST), also=lambda v, z: v.arc.reason == "seal-failed" and override(None)(v, z), twin=sent(sealed(), FROM_LEGIT)),
    case("a-member-twice", 40, sent(b"ARC-Authentication-Results: i=1; list.example; dkim=pass header.d=legit.example\r\n" + sealed(), **LIST), also=arc("fail", "chain-structure"), twin=sent(sealed(), FROM_LEGIT)),
    case("instance-zero", 40, sent(sealed().replace(b"i=1;", b"i=0;"), **LIST), also=arc("fail"), twin=sent(sealed(), FROM_LEGIT)),
    # 42: line ends and dots
    case("smuggled-by-bare-lf", 42, sent(mail(body=b"Hello.\r\n\n.\r\n" + SMUGGLED)), also=has("smuggling-shape"), twin=sent(mail(body=b"Hello.\r\n..\r\n" + SMUGGLED), FROM_LEGIT)),
    case("smuggled-by-lf-dot-lf", 42, sent(mail(body=b"Hello.\r\nx\n.\n" + SMUGGLED)), also=has("smuggling-shape"), twin=HONEST),
    case("smuggled-by-bare-cr", 42, sent(mail(body=b"Hello.\r\n\r.\r" + SMUGGLED)), also=has("smuggling-shape"), twin=HONEST),
    case("second-header-block", 42, sent(mail(body=SMUGGLED)), also=has("second-header-block"), twin=HONEST),
    case("signed-body-with-bare-lf-added", 42, sent(edited(signed(), b"invoice.\r\n", b"invoice.\n")), also=lambda v, _: v.dkim[0].reason == "body-hash-mismatch", twin=sent(signed()), passes="dkim-aligned"),
    case("header-ends-at-bare-lf", 42, sent(b"From: Boss <x@attack.example>\n\nFrom: ceo@legit.example\r\n\r\nPay.\r\n"), "spf-aligned", also=has("mixed-line-ends")),
    case("bare-cr-hides-a-field", 42, sent(edited(mail(), b"Subject: hello", b"Subject: hello\rReply-To: x@attack.example")), also=has("bare-cr"), twin=HONEST),
    # 48: a real signed mail inside a fake one
    case("signed-mail-attached", 48, sent(forwarded(b"From: ceo@legit.example\r\n", LEGIT_SIGNED)), also=lambda v, _: v.dkim == (), twin=sent(forwarded(b"From: x@attack.example\r\n", LEGIT_SIGNED))),
    case("signed-mail-below-an-empty-line", 48, sent(b"X-A: b\r\n\r\n" + LEGIT_SIGNED), "author-missing", twin=sent(b"X-A: b\r\n" + LEGIT_SIGNED), passes="dkim-aligned"),
    case("signature-of-the-attached-outside", 48, sent(LEGIT_SIGNED[: -len(mail())] + forwarded(b"From: ceo@legit.example\r\n", LEGIT_SIGNED)), also=lambda v, _: v.dkim[0].result == "fail", twin=sent(LEGIT_SIGNED), passes="dkim-aligned"),
    # 52: behind a reading limit
    case("second-from-behind-the-fields", 52, sent(signed(mail(b"From: ceo@legit.example\r\n", rest=FILLER * 1997))[: -len(b"\r\nPlease pay the invoice.\r\n")] + FILLER * 3 + b"From: x@attack.example\r\n\r\nPlease pay the invoice.\r\n"), "limit", also=hit("header_fields"), twin=sent(signed(mail(b"From: ceo@legit.example\r\n", rest=FILLER * 1997))), passes="dkim-aligned"),
    case("one-field-too-many", 52, sent(FILLER * (2001 - mail().count(b"\r\n") + 2) + mail(), FROM_LEGIT), "limit", also=hit("header_fields"), twin=sent(FILLER * (2000 - mail().count(b"\r\n") + 2) + mail(), FROM_LEGIT)),
    case("second-from-behind-the-octets", 52, sent(mail()[:-27] + b"X-A: " + b"y" * 200_000 + b"\r\n" + (b"X-B: " + b"y" * 200_000 + b"\r\n") * 5 + b"From: x@attack.example\r\n\r\nx\r\n", FROM_LEGIT), "limit", also=hit("header_octets"), twin=HONEST),
    case("from-behind-the-limit", 52, sent(FILLER * 2001 + mail(), FROM_LEGIT), "limit", also=hit("header_fields"), twin=HONEST),
    case("long-line-hides-the-end", 52, sent(mail(b"From: ceo@legit.example" + b"\r\n " * 100_000 + b"\r\n"), FROM_LEGIT), "limit", also=hit("line_octets"), twin=sent(mail(b"From: ceo@legit.example" + b"\r\n " * 100 + b"\r\n"), FROM_LEGIT)),
    case("many-addresses-of-one-domain-then-another", 52, sent(mail(b"From: " + b", ".join(b"a%d@legit.example" % n for n in range(50)) + b", x@attack.example\r\n"), FROM_LEGIT), "limit", also=hit("author_readings"), twin=sent(mail(b"From: " + b", ".join(b"a%d@legit.example" % n for n in range(50)) + b"\r\n"), FROM_LEGIT)),
    case("budget-of-a-small-allowance", 53, sent(signed(), world={f"s._domainkey.{LEGIT}": Cause.BUDGET}), "dns", also=hit("dns"), twin=sent(signed()), passes="dkim-aligned"),
    # what the page does not know
    case("no-original-bytes", 51, Scene(signed(), source=Source(fidelity=Fidelity.SYNTHETIC)), "not-checkable", twin=sent(signed()), passes="dkim-aligned"),
    case("two-results-of-the-receiver-disagree", 37, sent(b"Received-SPF: pass client-ip=192.0.2.10; envelope-from=ceo@legit.example; helo=x; receiver=mx.r.example\r\n" + TRAIL + mail(), UNKNOWN, **OURS), "not-aligned", also=judged_from("203.0.113.66"), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("two-return-paths", 37, sent(b"Return-Path: <x@attack.example>\r\nReturn-Path: <ceo@legit.example>\r\n" + TRAIL.split(b"\r\n", 1)[1] + mail(), UNKNOWN, **OURS), also=lambda v, _: v.origin.mail_from == "x@attack.example", twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("submission-claimed-below-the-border", 37, sent(TRAIL + b"Received: from [10.0.0.1] (unknown [10.0.0.1]) (Authenticated sender: ceo) by mail.legit.example (Postfix) with ESMTPSA id 1; Fri, 02 Jan 2026 10:04:04 +0000\r\n" + mail(), UNKNOWN, **OURS), also=lambda v, _: v.hops[1].standing == "claimed", twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("name-is-the-receivers", 23, sent(mail(b'From: "r.example Support" <x@attack.example>\r\n')), "spf-aligned", also=lambda v, _: "display-name-receiver" in codes(v)),
    case("name-is-the-receivers-encoded", 23, sent(mail(b"From: =?utf-8?B?SGVscCBvZiBSLkV4YW1wbGU=?= <x@attack.example>\r\n")), "spf-aligned", also=lambda v, _: "display-name-receiver" in codes(v)),
    case("name-is-a-host-of-the-receiver", 23, sent(mail(b"From: mail.r.example <x@attack.example>\r\n"), authserv_id="mx.r.example"), "spf-aligned", also=lambda v, _: "display-name-receiver" in codes(v)),
]  # fmt: skip

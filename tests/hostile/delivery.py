"""Rows 1, 2, 7, 24, 36 to 38, 41, 44 to 47, 49, 51, 53, 54, 55: envelope, Received trail, recorded results, DNS."""

from __future__ import annotations

from typing import Any

from tests import signing
from tests.hostile.scene import (
    ATTACK,
    ATTACK_IP,
    DAY,
    FROM_ATTACKER,
    FROM_LEGIT,
    LEGIT,
    LEGIT_IP,
    LEGIT_KEY,
    NOW,
    REST,
    UNKNOWN,
    Also,
    Case,
    Scene,
    codes,
    mail,
    signed,
)
from verify.model import Cause, Envelope, Outcome, Verdict
from verify.profiles import builtin_profiles

PROFILES = builtin_profiles()
GMAIL = tuple(p for p in PROFILES if p.name == "gmail")
OURS = {"trust_hosts": ("mx.r.example",)}
SPF = f"v=spf1 ip4:{LEGIT_IP} -all"


def envelope(client_ip: str = ATTACK_IP, helo: str = f"mail.{ATTACK}", mail_from: str = f"x@{ATTACK}") -> Envelope:
    return Envelope(client_ip=client_ip, helo=helo, mail_from=mail_from)


def received(ip: str, helo: str, by: str = "mx.r.example", date: str = "Fri, 02 Jan 2026 10:04:05 +0000") -> bytes:
    return f"Received: from {helo} ({helo} [{ip}])\r\n\tby {by} (Postfix) with ESMTP id 4X; {date}\r\n".encode()


def path(mail_from: str) -> bytes:
    return f"Return-Path: <{mail_from}>\r\n".encode()


def case(
    name: str, row: int, scene: Scene, reason: str = "not-aligned", twin: Scene | None = None, also: Also | None = None,
    passes: str = "spf-aligned", no_twin: str = "",
) -> Case:  # fmt: skip
    return Case(name, (row,), scene, reason, () if twin is None else ((twin, passes),), also, no_twin)


def sent(
    raw: bytes | None = None, given: Envelope = FROM_ATTACKER, world: dict[str, Any] | None = None, **options: Any
) -> Scene:
    now = options.pop("now", NOW)
    return Scene(mail() if raw is None else raw, world or {}, given, options, now)


def spf(word: str, number: int = 0) -> Also:
    return lambda v, _: v.spf[number].result == word


def removes(*indexes: int) -> Also:
    return lambda v, _: v.headers_removed == indexes


def standing(word: str) -> Also:
    return lambda v, _: {r.standing.value for r in v.recorded} == {word}


def judged_from(ip: str | None) -> Also:
    return lambda v, _: v.origin.client_ip == ip


SUBDOMAIN = {f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=reject; sp=none; np=reject"]}}
HONEST = sent(given=FROM_LEGIT)
AR = b"Authentication-Results: "
CLAIMS = b"; spf=pass smtp.mailfrom=ceo@legit.example; dkim=pass header.d=legit.example; dmarc=pass header.from=legit.example\r\n"
MINE = {"authserv_id": "mx.r.example"}
TRAIL = path(f"x@{ATTACK}") + received(ATTACK_IP, f"mail.{ATTACK}")
GOOD_TRAIL = path(f"ceo@{LEGIT}") + received(LEGIT_IP, f"mail.{LEGIT}")


OLD = REST.replace(b"Fri, 02 Jan 2026 10:04:05", b"Wed, 24 Dec 2025 12:04:05")


def np(verdict: Verdict, _: object) -> bool:
    return (verdict.dmarc.policy_tag, verdict.dmarc.applied_policy) == ("np", "reject")


def chain(names: int) -> dict[str, Any]:
    """SPF records that include each other, the last one letting everybody in."""
    world: dict[str, Any] = {f"c{n}.{LEGIT}": {"TXT": [f"v=spf1 include:c{n + 1}.{LEGIT} -all"]} for n in range(names)}
    return {**world, LEGIT: {"TXT": [f"v=spf1 include:c0.{LEGIT} -all"]}, f"c{names}.{LEGIT}": {"TXT": ["v=spf1 +all"]}}


CASES = [
    # 1: a subdomain that does not exist
    case("mail-from-below", 1, sent(given=envelope(mail_from=f"x@nosuch.{LEGIT}")), twin=sent(given=FROM_LEGIT), also=spf("none")),
    case("author-below", 1, sent(mail(b"From: ceo@nosuch.legit.example\r\n"), world=SUBDOMAIN), also=np, twin=sent(mail(b"From: ceo@mail.legit.example\r\n"), FROM_LEGIT, SUBDOMAIN)),
    case("helo-below", 1, sent(given=envelope(helo=f"nosuch.{LEGIT}", mail_from="")), twin=sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", "")), also=spf("none")),
    case("author-and-path-below", 1, sent(mail(b"From: ceo@nosuch.legit.example\r\n"), envelope(mail_from=f"x@nosuch.{LEGIT}"), SUBDOMAIN), also=np, no_twin="the honest twin is author-below's"),
    # 2: MAIL FROM that looks empty, or is
    case("null-path-with-own-helo", 2, sent(given=envelope(mail_from="")), twin=sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", "")), also=spf("pass")),
    case("null-path-with-victims-helo", 2, sent(given=envelope(helo=f"mail.{LEGIT}", mail_from="")), twin=sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", "")), also=spf("fail")),
    case("comment-in-path", 2, sent(given=envelope(mail_from=f"(any@{LEGIT}")), twin=HONEST, also=spf("none")),
    case("blank-in-path", 2, sent(given=envelope(mail_from=f"any @{LEGIT}")), twin=HONEST, also=spf("fail")),
    case("two-at-in-path", 2, sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", f"any@{LEGIT}@x@{ATTACK}")), twin=HONEST, also=spf("none")),
    case("no-at-in-path", 2, sent(given=envelope(mail_from=LEGIT)), twin=HONEST, also=spf("none")),
    # 4 to 6 in the envelope
    case("parenthesis-in-path", 5, sent(given=envelope(mail_from=f"any@{LEGIT}(a.{ATTACK}")), twin=HONEST, also=spf("none")),
    case("comment-closed-in-path", 5, sent(given=envelope(mail_from=f"any@{LEGIT}(.{ATTACK})")), twin=HONEST, also=spf("none")),
    case("quote-at-in-path", 6, sent(given=envelope(mail_from=f"any@{LEGIT}'@any.{ATTACK}")), twin=HONEST, also=spf("none")),
    case("double-quote-at-in-path", 6, sent(given=envelope(mail_from=f'"any@{LEGIT}"@{ATTACK}')), twin=HONEST, also=lambda v, _: v.spf[0].domain == ATTACK),
    case("quote-in-helo", 4, sent(given=envelope(helo=f"{LEGIT}'a.{ATTACK}", mail_from="")), twin=HONEST, also=spf("none")),
    case("semicolon-in-path", 4, sent(given=envelope(mail_from=f"any@{ATTACK};dmarc=pass")), twin=HONEST, also=spf("none")),
    # 7: source route in MAIL FROM
    case("route-in-path", 7, sent(given=envelope(mail_from=f"@{LEGIT},@any:any@{ATTACK}")), twin=sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", f"@{ATTACK}:ceo@{LEGIT}")), also=lambda v, _: v.spf[0].domain in (ATTACK, None)),
    case("route-in-path-quoted", 7, sent(given=envelope(mail_from=f"@{LEGIT},@any:'any@{ATTACK}")), twin=HONEST, also=lambda v, _: v.spf[0].domain in (ATTACK, None)),
    case("route-of-one-in-path", 7, sent(given=envelope(mail_from=f"@{LEGIT}:x@{ATTACK}")), twin=HONEST, also=lambda v, _: v.spf[0].domain == ATTACK),
    # 24: HELO passes, MAIL FROM does not align
    case("helo-passes-for-victim", 24, sent(given=envelope(helo=f"shared.{LEGIT}"), world={f"shared.{LEGIT}": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}}), also=spf("pass", 1), twin=sent(given=envelope(helo=f"shared.{LEGIT}", mail_from=""), world={f"shared.{LEGIT}": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}})),
    case("helo-passes-path-has-no-record", 24, sent(given=envelope(helo=f"shared.{LEGIT}", mail_from="x@norecord.example"), world={f"shared.{LEGIT}": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}}), also=spf("pass", 1), twin=HONEST),
    case("recorded-helo-pass", 24, sent(TRAIL[:0] + AR + b"mx.r.example; spf=pass smtp.helo=mail.legit.example\r\n" + TRAIL + mail(), UNKNOWN, **OURS, trust_authserv_ids=("mx.r.example",)), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    # 36: results forged under our id
    *(
        case(name, 36, sent(field + mail(), **MINE), twin=sent(AR + b"other.example; none\r\n" + mail(), FROM_LEGIT, **MINE), also=also)
        for name, field, also in (
            ("forged-results", AR + b"mx.r.example" + CLAIMS, removes(0)),
            ("forged-results-other-case", AR + b"MX.R.Example" + CLAIMS, removes(0)),
            ("forged-results-trailing-dot", AR + b"mx.r.example." + CLAIMS, removes(0)),
            ("forged-results-quoted", AR + b'"mx.r.example"' + CLAIMS, removes(0)),
            ("forged-results-with-comment", AR + b"(x) mx.r.example (y) 1" + CLAIMS, removes(0)),
            ("forged-results-folded", AR + b"\r\n mx.r.example\r\n" + b" " + CLAIMS, removes(0)),
            ("forged-results-unparsable", AR + b"mx.r.example; dkim==pass;;" + CLAIMS, removes(0)),
            ("forged-results-oversize", AR + b"mx.r.example" + CLAIMS[:-2] + b"; x=" + b"y" * 15_000 + b"\r\n", removes(0)),
            ("forged-results-blank-before-colon", b"Authentication-Results : mx.r.example" + CLAIMS, removes(0)),
            ("forged-received-spf", b"Received-SPF: pass (mx.r.example: domain of ceo@legit.example designates 203.0.113.66) receiver=mx.r.example; client-ip=203.0.113.66;\r\n", removes(0)),
        )
    ),
    case("forged-results-below-border", 36, sent(TRAIL + AR + b"mx.r.example" + CLAIMS + mail(), UNKNOWN, **OURS, **MINE, trust_authserv_ids=("mx.r.example",)), also=standing("forged"), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("forged-results-idn", 36, sent(AR + "mx.b\u00fccher.example".encode() + CLAIMS + mail(), authserv_id="mx.xn--bcher-kva.example"), also=removes(0), twin=HONEST),
    # 37: forged Received below the border, forged HELO
    case("forged-hop-below-border", 37, sent(TRAIL + received(LEGIT_IP, f"mail.{LEGIT}") + path(f"ceo@{LEGIT}") + mail(), UNKNOWN, **OURS), also=judged_from(ATTACK_IP), twin=sent(GOOD_TRAIL + received(ATTACK_IP, f"mail.{ATTACK}") + mail(), UNKNOWN, **OURS)),
    case("helo-literal", 37, sent(path(f"ceo@{LEGIT}") + f"Received: from [{LEGIT_IP}] (unknown [{ATTACK_IP}])\r\n\tby mx.r.example (Postfix) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n".encode() + mail(), UNKNOWN, **OURS), also=judged_from(ATTACK_IP), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("helo-is-our-host", 37, sent(path(f"ceo@{LEGIT}") + received(ATTACK_IP, "mx.r.example").replace(b"(mx.r.example", b"(unknown") + received(LEGIT_IP, f"mail.{LEGIT}") + mail(), UNKNOWN, **OURS), also=judged_from(ATTACK_IP), twin=sent(path(f"ceo@{LEGIT}") + received("127.0.0.1", "localhost") + received(LEGIT_IP, f"mail.{LEGIT}") + mail(), UNKNOWN, **OURS)),
    case("helo-that-closes-the-comment", 37, sent(path(f"ceo@{LEGIT}") + f"Received: from x (mail.legit.example [{LEGIT_IP}]) by mx.r.example; (unknown [{ATTACK_IP}])\r\n\tby mx.r.example (Postfix) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n".encode() + mail(), UNKNOWN, **OURS), reason="origin-unknown", also=judged_from(None), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("reverse-name-is-our-host", 37, sent(path(f"ceo@{LEGIT}") + f"Received: from x (mx.r.example [{ATTACK_IP}] (may be forged))\r\n\tby mx.r.example (8.17/8.17) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n".encode() + received(LEGIT_IP, f"mail.{LEGIT}") + mail(), UNKNOWN, **OURS), also=judged_from(ATTACK_IP), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    # 38: fields that claim an address
    *(
        case(name, 38, sent(TRAIL + line + mail(), UNKNOWN, **OURS), also=judged_from(ATTACK_IP), twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS))
        for name, line in (
            ("x-originating-ip", b"X-Originating-IP: [192.0.2.10]\r\n"),
            ("x-forwarded-for", b"X-Forwarded-For: 192.0.2.10\r\nX-Forwarded-To: u@r.example\r\n"),
            ("x-sender-ip", b"X-Sender-IP: 192.0.2.10\r\nX-Real-IP: 192.0.2.10\r\n"),
            ("x-envelope-from", b"X-Envelope-From: ceo@legit.example\r\nReturn-Path: <ceo@legit.example>\r\n"),
        )
    ),
    # 41: SPF that lets everybody in, shared pools
    case("passes-everyone", 41, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 +all"]}}), "spf-aligned", also=lambda v, _: "spf-pass-all" in codes(v)),
    case("passes-everyone-all", 41, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 all"]}}), "spf-aligned", also=lambda v, _: "spf-pass-all" in codes(v)),
    case("passes-the-attackers-domain-only", 41, sent(world={ATTACK: {"TXT": ["v=spf1 +all"]}}), twin=HONEST),
    case("passes-half-the-world", 41, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all"]}}), "spf-aligned", also=lambda v, _: v.spf[0].mechanism == "ip4:128.0.0.0/1"),
    # 44: public suffixes
    case("author-is-a-suffix", 44, sent(mail(b"From: a@co.example\r\n"), envelope(mail_from="x@co.example"), {"_dmarc.co.example": {"TXT": ["v=DMARC1; p=reject; psd=y"]}, "co.example": {"TXT": ["v=spf1 -all"]}}), twin=sent(mail(b"From: a@shop.co.example\r\n"), envelope(mail_from="x@shop.co.example"), {"_dmarc.co.example": {"TXT": ["v=DMARC1; p=reject; psd=y"]}, "shop.co.example": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}})),
    case("neighbour-below-a-suffix", 44, sent(mail(b"From: a@shop.co.example\r\n"), envelope(mail_from="x@bad.co.example"), {"_dmarc.co.example": {"TXT": ["v=DMARC1; p=reject; psd=y"]}, "bad.co.example": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}}), twin=sent(mail(b"From: a@shop.co.example\r\n"), envelope(mail_from="x@mail.shop.co.example"), {"_dmarc.co.example": {"TXT": ["v=DMARC1; p=reject; psd=y"]}, "mail.shop.co.example": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}})),
    case("signed-by-a-suffix", 44, sent(signing.sign(mail(), "example", "s", LEGIT_KEY), world={"s._domainkey.example": {"TXT": [signing.key_record(LEGIT_KEY)]}}), also=lambda v, _: v.dkim[0].reason == "public-suffix", twin=sent(signed()), passes="dkim-aligned"),
    case("one-label-organization", 44, sent(mail(b"From: a@shop.test\r\n"), envelope(mail_from="x@bad.test"), {"_dmarc.test": {"TXT": ["v=DMARC1; p=reject"]}, "bad.test": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}}), "one-label-domain", twin=sent(mail(b"From: a@bad.test\r\n"), envelope(mail_from="x@bad.test"), {"_dmarc.test": {"TXT": ["v=DMARC1; p=reject"]}, "bad.test": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}})),
    # 45: DMARC record games
    case("two-policies", 45, sent(world={f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}}), "no-policy", twin=sent(given=FROM_LEGIT, world={f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=reject", "other text"]}}), also=lambda v, _: "several-policy-records" in codes(v)),
    case("psd-at-the-attackers-parent", 45, sent(mail(b"From: a@sub.legit.example\r\n"), envelope(mail_from=f"x@evil.{LEGIT}"), {f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=reject; psd=y"]}, f"evil.{LEGIT}": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}}), twin=sent(mail(b"From: a@sub.legit.example\r\n"), envelope(mail_from=f"x@evil.{LEGIT}"), {f"evil.{LEGIT}": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]}})),
    case("policy-by-a-loop", 45, sent(world={f"_dmarc.{LEGIT}": {"CNAME": [f"_dmarc.x.{LEGIT}"]}, f"_dmarc.x.{LEGIT}": {"CNAME": [f"_dmarc.{LEGIT}"]}}), "dns", twin=sent(given=FROM_LEGIT, world={f"_dmarc.{LEGIT}": {"CNAME": ["p.example"]}, "p.example": {"TXT": ["v=DMARC1; p=reject"]}})),
    case("strict-alignment", 45, sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", f"x@mail.{LEGIT}"), world={f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=reject; aspf=s"]}}), twin=sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", f"x@mail.{LEGIT}"))),
    case("deep-author", 45, sent(mail(b"From: a@" + b"x." * 60 + b"legit.example\r\n")), also=lambda v, z: sum(q.name.startswith("_dmarc.") for q in z.asked) <= 8, twin=sent(mail(b"From: a@" + b"x." * 60 + b"legit.example\r\n"), FROM_LEGIT)),
    case("policy-of-a-longer-word", 45, sent(world={f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=rejected; rua=mailto:a@legit.example"]}}), reason="not-aligned", also=lambda v, _: v.dmarc.applied_policy == "none", twin=HONEST),
    # 46: SPF that asks for much
    case("include-chain", 46, sent(given=envelope(mail_from=f"x@{LEGIT}"), world=chain(11)), also=lambda v, _: v.spf[0].reason == "lookup-limit", twin=sent(given=envelope(mail_from=f"x@{LEGIT}"), world=chain(8))),
    case("include-loop", 46, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": [f"v=spf1 include:{LEGIT} +all"]}}), also=spf("permerror"), twin=HONEST),
    case("void-look-ups", 46, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 exists:a.example exists:b.example exists:c.example +all"]}}), also=lambda v, _: v.spf[0].reason == "void-lookup-limit", twin=sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 exists:a.example exists:b.example +all"]}})),
    case("macro-of-the-local-part", 46, sent(given=envelope(mail_from=f"{'x' * 60}.{'y' * 60}@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 exists:%{l}.%{l}.%{l}.%{s}.example -all"]}}), also=lambda v, z: all(len(q.name) <= 253 for q in z.asked), twin=HONEST),
    case("huge-record", 46, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 " + "ip4:198.51.100.1 " * 1000 + "+all"]}}), "limit", twin=sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 " + "ip4:198.51.100.1 " * 100 + "+all"]}})),
    case("many-exchangers", 46, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 mx -all"], "MX": [f"{n} m{n}.{LEGIT}" for n in range(11)]}, **{f"m{n}.{LEGIT}": {"A": [ATTACK_IP]} for n in range(11)}}), also=spf("permerror"), twin=sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 mx -all"], "MX": [f"1 m1.{LEGIT}"]}, f"m1.{LEGIT}": {"A": [ATTACK_IP]}})),
    case("two-spf-records", 46, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: {"TXT": ["v=spf1 +all", "v=spf1 -all"]}}), also=lambda v, _: v.spf[0].reason == "several-records", twin=HONEST),
    # 47: temporary failure on purpose
    case("policy-does-not-answer", 47, sent(world={f"_dmarc.{LEGIT}": Cause.TIMEOUT}), "dns", twin=HONEST),
    case("policy-servfail", 47, sent(world={f"_dmarc.{LEGIT}": Cause.SERVFAIL}), "dns", also=lambda v, _: v.dmarc.result == "temperror", twin=HONEST),
    case("key-does-not-answer", 47, sent(signed(), world={f"s._domainkey.{LEGIT}": Cause.TIMEOUT}), "dns", twin=sent(signed()), passes="dkim-aligned"),
    case("spf-does-not-answer", 47, sent(given=envelope(mail_from=f"x@{LEGIT}"), world={LEGIT: Cause.REFUSED}), "dns", twin=HONEST),
    case("nothing-recorded", 47, sent(world={f"_dmarc.{LEGIT}": Outcome.NOT_RECORDED}), "not-recorded", twin=HONEST),
    # 49: another user of the same provider
    *(
        case(name, 49, scene, reason, also=lambda v, _: "local-part-unproven" in codes(v), twin=twin, passes=reason)
        for name, scene, reason, twin in (
            ("another-user-by-path", sent(given=envelope(LEGIT_IP, f"mail.{LEGIT}", f"mallory@{LEGIT}")), "spf-aligned", HONEST),
            ("another-user-by-auid", sent(signed(mail(), i="mallory@legit.example")), "dkim-aligned", sent(signed(mail(), i="ceo@legit.example"))),
            ("another-user-below", sent(signed(mail(), i="mallory@sub.legit.example")), "dkim-aligned", sent(signed(mail(), i="@legit.example"))),
        )
    ),
    # 51: a file that names its own client
    case("own-trail", 51, sent(GOOD_TRAIL + mail(), UNKNOWN), "origin-inferred", twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS), also=judged_from(LEGIT_IP)),
    *(
        case(name, 51, sent(block + mail(), UNKNOWN, profiles=PROFILES, **more), "origin-inferred", twin=sent(block + mail(), UNKNOWN, receivers=GMAIL), also=lambda v, _: v.origin.source == "inferred")
        for name, block, more in (
            ("own-provider-block", (
                f"Return-Path: <ceo@{LEGIT}>\r\nReceived: from mail.{LEGIT} (mail.{LEGIT}. [{LEGIT_IP}]) by mx.google.com with ESMTPS id a1-2si345edc.67.2026.01.02.03.04.05 for <u@r.example> (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128); Fri, 02 Jan 2026 03:04:05 -0800 (PST)\r\n"
            ).encode(), {}),
            ("own-provider-block-with-its-fields", (
                f"Delivered-To: u@r.example\r\nX-Received: by 2002:a17:907:9720:b0:b6d:5914:1234 with SMTP id x; Fri, 02 Jan 2026 03:04:05 -0800 (PST)\r\nReturn-Path: <ceo@{LEGIT}>\r\nReceived: from mail.{LEGIT} (mail.{LEGIT}. [{LEGIT_IP}]) by mx.google.com with ESMTPS id a1-2si345edc.67.2026.01.02.03.04.05 for <u@r.example>; Fri, 02 Jan 2026 03:04:05 -0800 (PST)\r\n"
                "Authentication-Results: mx.google.com; dkim=pass header.i=@legit.example; spf=pass smtp.mailfrom=ceo@legit.example; dmarc=pass header.from=legit.example\r\n"
            ).encode(), {}),
        )
    ),
    case("foreign-block-before-named-hosts", 51, sent(GOOD_TRAIL.replace(b"mx.r.example", b"mx.other.example") + mail(), UNKNOWN, **OURS), "origin-inferred", twin=sent(GOOD_TRAIL + mail(), UNKNOWN, **OURS)),
    case("client-given-path-from-the-file", 51, sent(GOOD_TRAIL.replace(b"mx.r.example", b"mx.other.example") + mail(), Envelope(client_ip=LEGIT_IP)), "origin-inferred", twin=sent(GOOD_TRAIL + mail(), FROM_LEGIT)),
    # 53: the attacker's own look-ups spend the budget (the budget itself: see own.py)
    case("strangers-in-trouble", 53, sent(signed(mail(), ATTACK), world={ATTACK: Cause.BUDGET, f"s._domainkey.{ATTACK}": Cause.BUDGET}), also=lambda v, _: v.dmarc.result == "fail", twin=HONEST),
    case("stranger-below-in-trouble", 53, sent(signed(mail(), f"a.{ATTACK}"), world={f"s._domainkey.a.{ATTACK}": Cause.BUDGET}), also=lambda v, _: v.dmarc.result == "fail", twin=sent(signed()), passes="dkim-aligned"),
    case("neighbours-in-trouble", 53, sent(signed(mail(), f"not{LEGIT}"), world={f"s._domainkey.not{LEGIT}": Cause.TIMEOUT, f"_dmarc.not{LEGIT}": Cause.TIMEOUT}), also=lambda v, _: v.dmarc.result == "fail", twin=sent(signed()), passes="dkim-aligned"),
    # 54: an old date revives nothing
    *(
        case(name, 54, sent(block + signed(mail(rest=OLD), t=str(NOW - 9 * DAY), x=str(NOW - 8 * DAY)), UNKNOWN, **more), reason, twin=sent(path(f"x@{ATTACK}") + received(ATTACK_IP, f"mail.{ATTACK}", date="Wed, 24 Dec 2025 12:04:05 +0000") + signed(mail(), t=str(NOW - 9 * DAY), x=str(NOW - 8 * DAY)), UNKNOWN, **OURS), passes="dkim-aligned", also=lambda v, _: v.dkim[0].reason == "expired")
        for name, block, more, reason in (
            ("old-line-of-nobody", path(f"x@{ATTACK}") + received(ATTACK_IP, f"mail.{ATTACK}", "mx.other.example", "Wed, 24 Dec 2025 12:04:05 +0000"), {}, "origin-inferred"),
            ("old-line-below-the-border", TRAIL + received(ATTACK_IP, f"mail.{ATTACK}", date="Wed, 24 Dec 2025 12:04:05 +0000"), OURS, "not-aligned"),
            ("old-line-before-named-hosts", path(f"x@{ATTACK}") + received(ATTACK_IP, f"mail.{ATTACK}", "mx.other.example", "Wed, 24 Dec 2025 12:04:05 +0000"), OURS, "origin-inferred"),
            ("old-date-field", b"", {}, "origin-unknown"),
        )
    ),
    # 55: a fake signature with a missing key on old mail
    *(
        case(name, 55, Scene(top + signing.sign(mail(), LEGIT, "gone", LEGIT_KEY) if key else top + mail(), {}, UNKNOWN, settings, NOW + 30 * DAY), reason, twin=Scene(top + signed(), {}, UNKNOWN, settings, NOW + 30 * DAY), passes="dkim-aligned")
        for name, top, key, settings, reason in (
            ("key-gone-on-old-mail", TRAIL, True, OURS, "records-later"),
            ("key-gone-and-recorded-as-none", AR + b"mx.r.example; dkim=fail header.d=legit.example\r\n" + TRAIL, True, {**OURS, "trust_authserv_ids": ("mx.r.example",)}, "not-aligned"),
            ("no-signature-on-old-mail", TRAIL, False, OURS, "not-aligned"),
        )
    ),
    case("body-changed-on-old-mail", 55, Scene(TRAIL + signing.sign(mail(), LEGIT, "gone", LEGIT_KEY).replace(b"invoice", b"ransom"), {}, UNKNOWN, OURS, NOW + 30 * DAY), twin=Scene(TRAIL + signed(), {}, UNKNOWN, OURS, NOW + 30 * DAY), passes="dkim-aligned"),
]  # fmt: skip

"""Each limit with a message over it, the same kind of message within it, and what comes of the first without the limit.

``Limits`` counts work; a tight value stands in for the real one, so that the messages stay small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests import signing
from tests.hostile.scene import (
    ATTACK_IP,
    FROM,
    FROM_ATTACKER,
    FROM_LEGIT,
    LEGIT,
    LEGIT_IP,
    NOW,
    WORLD,
    Scene,
    judged,
    mail,
    signed,
)
from tests.hostile.structure import LIST, chained
from tests.zone import Zone
from verify import Config, Judge
from verify.model import Answer, Envelope, Limits, Question, Verdict

HUGE = 10**9


def set_to(name: str, value: int, limits: Limits | None = None) -> Limits:
    values = {each: getattr(limits or Limits(), each) for each in Limits.__struct_fields__}
    return Limits(**{**values, name: value})


@dataclass(frozen=True)
class LimitCase:
    """``over``: beyond ``value``; ``within``: not.  ``hit``, ``free``: the reason of ``over`` with and without it.

    ``within_reason``: that of ``within``.  ``foe``: ``over`` as an attacker sends it.  ``reported``: the detail of the
    anomaly, None where the constant is an allowance.  ``live``: judged with a resolver, since the budget is there.
    ``switched_off``: the value that switches the guard off.
    """

    name: str
    value: int
    over: Scene
    within: Scene
    hit: str
    free: str
    foe: Scene
    within_reason: str = ""
    reported: str | None = ""
    live: bool = False
    switched_off: int = HUGE

    def verdict(self, scene: Scene, value: int) -> Verdict:
        limits = set_to(self.name, value)
        if self.live:
            return budgeted(scene, limits)
        settings = {**scene.settings, "limits": limits}
        return judged(Scene(scene.raw, scene.world, scene.envelope, settings, scene.now, scene.source))[0]

    def says(self) -> str | None:
        return self.name if self.reported == "" else self.reported


class _Network:
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def resolve(self, questions: Iterable[Question], deadline: float | None = None) -> list[Answer]:
        return [self.zone.ask(question) for question in questions]

    async def resolve_async(self, questions: Iterable[Question], deadline: float | None = None) -> list[Answer]:
        return self.resolve(questions)

    def describe(self) -> str:
        return "a zone in memory"


def budgeted(scene: Scene, limits: Limits) -> Verdict:
    network = _Network(Zone({**WORLD, **scene.world}, observed_at=scene.now))
    config = Config(limits=limits, trust_sealer=scene.settings.get("trust_sealers", ()))
    with Judge(config, clock=lambda: scene.now, resolver=network) as judge:
        return judge.judge(scene.raw, scene.source, scene.envelope)


def honest(raw: bytes, **world: Any) -> Scene:
    return Scene(raw, world.get("world", {}), FROM_LEGIT)


def foe(raw: bytes, **world: Any) -> Scene:
    return Scene(raw, world.get("world", {}), FROM_ATTACKER)


def keyed(raw: bytes, *records: str, envelope: Envelope = FROM_ATTACKER) -> Scene:
    return Scene(raw, {f"r._domainkey.{LEGIT}": {"TXT": list(records)}}, envelope)


def rsa(bits: int, **tags: str) -> bytes:
    return signing.sign(mail(), LEGIT, "r", signing.rsa_key(bits), **tags)


def record(bits: int) -> str:
    return signing.key_record(signing.rsa_key(bits))


def line(text: str) -> bytes:
    return f"{text}\r\n".encode()


def both(name: str, value: int, over: bytes, within: bytes, **more: Any) -> LimitCase:
    """A reading limit: the message from the victim's own server over it, within it, and over it from the attacker."""
    return LimitCase(
        name, value, honest(over), honest(within), "limit", "spf-aligned", foe(over), "spf-aligned", **more
    )


def only_signed(name: str, value: int, over: Scene, within: Scene, hit: str = "limit", **more: Any) -> LimitCase:
    """A limit of the signature: only that could have authenticated the message."""
    broken = Scene(over.raw.replace(b"invoice", b"ransom"), over.world, FROM_ATTACKER)
    return LimitCase(name, value, over, within, hit, "dkim-aligned", broken, "dkim-aligned", **more)


AR = "Authentication-Results: x.example; "
INCLUDES = {
    LEGIT: {"TXT": [f"v=spf1 include:a.{LEGIT} -all"]},
    f"a.{LEGIT}": {"TXT": [f"v=spf1 include:b.{LEGIT} -all"]},
    f"b.{LEGIT}": {"TXT": [f"v=spf1 ip4:{LEGIT_IP} -all"]},
}
VOID = {LEGIT: {"TXT": [f"v=spf1 exists:no.{LEGIT} ip4:{LEGIT_IP} -all"]}}
LONG = {LEGIT: {"TXT": ["v=spf1 " + "ip4:198.51.100.1 " * 10 + f"ip4:{LEGIT_IP} -all"]}}
POINTERS = {
    "66.113.0.203.in-addr.arpa": {"PTR": ["a.attack.example", "b.attack.example"]},
    "b.attack.example": {"A": [ATTACK_IP]},
    "a.attack.example": {"A": ["192.0.2.99"]},
}
BAD_THEN_GOOD = signed(mail(), h="from")[: -len(mail())].replace(b"b=", b"b=AAAA", 1)
THREE = FROM.replace(b"<ceo@legit.example>", b"a@one.example, b@two.example, ceo@legit.example")
FORGED_FIRST = BAD_THEN_GOOD + signed(mail(), h="from:subject")
SPF_FROM_FOE = Envelope(client_ip=ATTACK_IP, helo="x.attack.example", mail_from=f"x@{LEGIT}")
SEALED = chained(["list.example"] * 3)
SEALED_TWICE = chained(["list.example"] * 2)

LIMIT_CASES = [
    both("header_octets", 2000, mail(rest=line("X-A: " + "y" * 1990) + mail()[len(FROM) :].partition(b"\r\n\r\n")[0] + b"\r\n"), mail()),
    both("header_fields", 8, line("X-A: b") * 2 + mail(), line("X-A: b") + mail()),
    both("line_octets", 500, line("X-A: " + "y" * 500) + mail(), line("X-A: " + "y" * 400) + mail()),
    both("received_fields", 2, line("Received: from a by b; x") * 3 + mail(), line("Received: from a by b; x") * 2 + mail()),
    both("recorded_fields", 2, line(AR + "none") * 3 + mail(), line(AR + "none") * 2 + mail()),
    both("recorded_octets", 200, line(AR + "dkim=pass (" + "y" * 200 + ")") + mail(), line(AR + "dkim=pass (y)") + mail()),
    both("recorded_results", 2, line(AR + "dkim=pass; spf=pass; dmarc=pass") + mail(), line(AR + "dkim=pass; spf=pass") + mail()),
    both("author_readings", 2, mail(b"From: a@legit.example, b@legit.example, c@legit.example\r\n"), mail(b"From: a@legit.example, b@legit.example\r\n")),
    LimitCase("author_domains", 2, honest(mail(THREE)), honest(mail()), "author-ambiguous", "author-ambiguous", foe(mail(THREE)), "spf-aligned"),
    both("comment_depth", 2, mail(b"From: (((x))) ceo@legit.example\r\n"), mail(b"From: ((x)) ceo@legit.example\r\n")),
    LimitCase("signatures", 1, foe(FORGED_FIRST), foe(signed()), "limit", "dkim-aligned", foe(BAD_THEN_GOOD * 2 + mail()), "dkim-aligned", reported=None),
    only_signed("signed_names", 3, foe(signed(mail(), h="from:to:subject:date")), foe(signed(mail(), h="from:to:subject"))),
    only_signed("tag_list_octets", 400, foe(signed(mail(), zz="y" * 400)), foe(signed(mail(), zz="y"))),
    only_signed("body_octets", 100, foe(signed(mail(body=b"invoice" + b"y" * 100 + b"\r\n"))), foe(signed(mail()))),
    only_signed("key_bits_least", 2048, keyed(rsa(1024), record(1024)), keyed(rsa(2048), record(2048)), "not-aligned", switched_off=0),
    only_signed("key_bits_most", 1024, keyed(rsa(2048), record(2048)), keyed(rsa(1024), record(1024)), "not-aligned"),
    only_signed("key_exponent_bits", 16, keyed(rsa(1024), record(1024)), foe(signed()), "not-aligned"),
    only_signed("key_records", 1, keyed(rsa(1024), record(2048), record(1024)), keyed(rsa(1024), record(1024)), "not-aligned"),
    only_signed("clock_drift", 300, foe(signed(mail(), t=str(NOW + 301))), foe(signed(mail(), t=str(NOW + 300))), "not-aligned", reported=None),
    LimitCase("arc_sets", 2, Scene(SEALED, settings=LIST), Scene(SEALED_TWICE, settings=LIST), "not-aligned", "not-aligned", Scene(SEALED, settings=LIST), "not-aligned"),
    LimitCase("arc_seals_checked", 2, Scene(SEALED, settings=LIST), Scene(SEALED_TWICE, settings=LIST), "not-aligned", "not-aligned", Scene(SEALED, settings=LIST), "not-aligned"),
    LimitCase("spf_lookups", 1, honest(mail(), world=INCLUDES), honest(mail()), "not-aligned", "spf-aligned", Scene(mail(), INCLUDES, SPF_FROM_FOE), "spf-aligned"),
    LimitCase("spf_void_lookups", 0, honest(mail(), world=VOID), honest(mail()), "not-aligned", "spf-aligned", Scene(mail(), VOID, SPF_FROM_FOE), "spf-aligned"),
    LimitCase("spf_record_octets", 100, honest(mail(), world=LONG), honest(mail()), "limit", "spf-aligned", Scene(mail(), LONG, SPF_FROM_FOE), "spf-aligned"),
    LimitCase("ptr_names", 1, foe(mail(), world=POINTERS), foe(mail()), "not-aligned", "not-aligned", foe(mail(), world=POINTERS), "not-aligned"),
    LimitCase("dns_questions", 2, honest(mail(), world=INCLUDES), honest(mail()), "dns", "spf-aligned", Scene(mail(), INCLUDES, SPF_FROM_FOE), "spf-aligned", reported="dns", live=True),
    LimitCase("dns_questions_other", 0, Scene(SEALED, settings=LIST), Scene(signed()), "not-aligned", "not-aligned", Scene(SEALED, settings=LIST), "dkim-aligned", reported="dns", live=True),
    LimitCase("dns_octets", 20, honest(mail(), world=INCLUDES), honest(mail()), "dns", "spf-aligned", Scene(mail(), INCLUDES, SPF_FROM_FOE), "spf-aligned", reported="dns", live=True),
    LimitCase("dns_rounds", 1, honest(mail(), world=INCLUDES), honest(mail()), "dns", "spf-aligned", Scene(mail(), INCLUDES, SPF_FROM_FOE), "spf-aligned", reported="dns", live=True),
]  # fmt: skip

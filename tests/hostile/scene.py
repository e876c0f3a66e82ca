"""The stage of the hostile cases: one victim, one attacker, and what a case is.

LEGIT publishes ``p=reject``, an SPF record for its one server, and keys; ATTACK has all of that for itself.  A scene is
a message with the answers, the envelope and the settings it is judged by.  A case is an attack scene with the reason
that must come out, and honest twins: the same scene with one thing changed, which must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from tests import signing
from tests.zone import Zone
from verify.evaluate import evaluate
from verify.model import Conclusion, ConclusionReason, Envelope, Settings, Source, Verdict
from verify.reading.message import parse_message

NOW = 1_767_348_245  # 2026-01-02T10:04:05Z
DAY = 86_400
LEGIT, ATTACK = "legit.example", "attack.example"
LEGIT_IP, ATTACK_IP = "192.0.2.10", "203.0.113.66"
LEGIT_KEY, ATTACK_KEY = signing.ed25519_key(1), signing.ed25519_key(2)
SEALER_KEY = signing.ed25519_key(3)

World = Mapping[str, Any]

WORLD: dict[str, Any] = {
    LEGIT: {"TXT": [f"v=spf1 ip4:{LEGIT_IP} -all"]},
    f"_dmarc.{LEGIT}": {"TXT": ["v=DMARC1; p=reject"]},
    f"s._domainkey.{LEGIT}": {"TXT": [signing.key_record(LEGIT_KEY)]},
    f"mail.{LEGIT}": {"A": [LEGIT_IP], "TXT": [f"v=spf1 ip4:{LEGIT_IP} -all"]},
    ATTACK: {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]},
    f"_dmarc.{ATTACK}": {"TXT": ["v=DMARC1; p=reject"]},
    f"s._domainkey.{ATTACK}": {"TXT": [signing.key_record(ATTACK_KEY)]},
    f"mail.{ATTACK}": {"A": [ATTACK_IP], "TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]},
    "s._domainkey.list.example": {"TXT": [signing.key_record(SEALER_KEY)]},
    "list.example": {"TXT": [f"v=spf1 ip4:{ATTACK_IP} -all"]},
}

FROM_ATTACKER = Envelope(client_ip=ATTACK_IP, helo=f"mail.{ATTACK}", mail_from=f"x@{ATTACK}", rcpt_to=("u@r.example",))
FROM_LEGIT = Envelope(client_ip=LEGIT_IP, helo=f"mail.{LEGIT}", mail_from=f"ceo@{LEGIT}", rcpt_to=("u@r.example",))
UNKNOWN = Envelope()

FROM = b"From: Boss <ceo@legit.example>\r\n"
ATTACKERS_FROM = b"From: Boss <x@attack.example>\r\n"
REST = (
    b"To: u@r.example\r\nSubject: hello\r\nDate: Fri, 02 Jan 2026 10:04:05 +0000\r\n"
    b"Message-ID: <1@legit.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
)
BODY = b"Please pay the invoice.\r\n"


def mail(author: bytes = FROM, *, body: bytes = BODY, rest: bytes = REST) -> bytes:
    return author + rest + b"\r\n" + body


@cache
def signed(raw: bytes = FROM + REST + b"\r\n" + BODY, domain: str = LEGIT, **tags: str | None) -> bytes:
    """The message signed by the domain, with the key that its zone publishes at ``s``."""
    key = ATTACK_KEY if domain.endswith(ATTACK) else LEGIT_KEY
    return signing.sign(raw, domain, "s", key, **tags)


def edited(raw: bytes, old: bytes, new: bytes) -> bytes:
    """The message after a change on the way; the change must be one."""
    assert old in raw
    return raw.replace(old, new, 1)


@dataclass(frozen=True)
class Scene:
    """``world`` is laid over WORLD; ``settings`` are arguments of ``Settings``."""

    raw: bytes
    world: World = field(default_factory=dict)
    envelope: Envelope = FROM_ATTACKER
    settings: Mapping[str, Any] = field(default_factory=dict)
    now: int = NOW
    source: Source | None = None


Also = Callable[[Verdict, Zone], object]


@dataclass(frozen=True)
class Case:
    """``reason``: the conclusion's.  ``also``: what must hold besides; a false value is a failure.

    ``twins``: scenes with the reason that each must have; at least one of a case is ``authenticated``, unless
    ``no_twin`` says why nothing honest looks like this.
    """

    name: str
    rows: tuple[int, ...]
    scene: Scene
    reason: str
    twins: tuple[tuple[Scene, str], ...] = ()
    also: Also | None = None
    no_twin: str = ""


def judged(scene: Scene) -> tuple[Verdict, Zone]:
    zone = Zone({**WORLD, **scene.world}, observed_at=scene.now)
    settings = Settings(**scene.settings)
    message = parse_message(scene.raw, scene.source, settings.limits)
    verdict = evaluate(message, scene.envelope, zone.ask, scene.now, settings)
    assert isinstance(verdict, Verdict)
    return verdict, zone


def changed(scene: Scene, **changes: Any) -> Scene:
    return replace(scene, **changes)


PASSES = ("dkim-aligned", "spf-aligned")


def fault(case: Case) -> str | None:
    """What is wrong with how the program judges this case; None when it is right."""
    verdict, zone = judged(case.scene)
    if verdict.conclusion_reason.value != case.reason:
        return f"{verdict.conclusion_reason.value} instead of {case.reason}"
    if case.also is not None and not case.also(verdict, zone):
        return "what must hold besides does not"
    for number, (scene, reason) in enumerate(case.twins):
        got = judged(scene)[0].conclusion_reason.value
        if got != reason:
            return f"twin {number}: {got} instead of {reason}"
    return None


def is_pass(verdict: Verdict) -> bool:
    return verdict.conclusion is Conclusion.AUTHENTICATED


def codes(verdict: Verdict) -> set[str]:
    return {anomaly.code.value for anomaly in verdict.anomalies}


def reasons() -> set[str]:
    return {reason.value for reason in ConclusionReason}

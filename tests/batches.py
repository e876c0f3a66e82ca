"""A made-up mailbox export in verdicts: a year of mail with everything in it that the page of a batch speaks about."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.verdicts import aligned, dmarc, full, recorded, signature, spf, verdict
from verify.model import (
    Anomaly,
    AnomalyCode,
    Author,
    Comparison,
    ComparisonReason,
    ConclusionReason,
    Diagnosis,
    DiagnosisCode,
    DkimWord,
    DmarcWord,
    Fidelity,
    Mailbox,
    Method,
    PolicyWord,
    Reason,
    Recorded,
    RecordedResult,
    SpfWord,
    Verdict,
    replace,
)

BEGIN = datetime(2025, 3, 3, tzinfo=UTC)
DOMAINS = ["shop.example", "bank.example", "news.example", "city.example", "school.example", "club.example"]
SENDERS = ["mailer.example", "crm.example", "tickets.example"]
R = ConclusionReason


def made(count: int, seed: int = 1) -> Iterator[Verdict]:
    """Verdicts in the order of the export; the same ones for the same arguments."""
    chance = random.Random(seed)
    for number in range(count):
        kind = chance.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        day = BEGIN + timedelta(days=chance.triangular(0, 360, 300), seconds=chance.randrange(86400))
        one = KINDS[kind][1](chance)
        source = replace(
            one.source,
            path="Takeout/Mail/All mail Including Spam and Trash.mbox",
            index=number,
            sha256=f"{number:064x}",
            size=chance.randrange(3000, 60000),
            fidelity=chance.choice([Fidelity.LINE_ENDINGS] * 8 + [Fidelity.QUOTING_UNDONE, one.source.fidelity]),
        )
        yield replace(one, source=source, judged_at=day, origin=replace(one.origin, received_at=day))


def _from(domain: str, box: str = "office") -> Author:
    return Author(domain=domain, addresses=(Mailbox(f"{box}@{domain}", domain),))


def _base(reason: ConclusionReason, domain: str, address: str, helo: str, **changes: Any) -> Verdict:
    one = verdict(reason, author=_from(domain), **changes)
    origin = replace(one.origin, client_ip=address, helo=helo)
    return replace(one, origin=origin, dmarc=replace(one.dmarc, author_domain=domain, organizational_domain=domain))


def _signed(chance: random.Random) -> Verdict:
    domain = chance.choice(DOMAINS)
    agreeing = recorded(
        results=(
            RecordedResult(method="dkim", result="pass", properties={"header.d": domain}, comparison=Comparison.AGREES),
        ),
        comparison=Comparison.AGREES,
        reason=None,
    )
    return _base(
        R.DKIM_ALIGNED,
        domain,
        f"192.0.2.{chance.randrange(9)}",
        f"out.{domain}",
        dkim=(signature(domain=domain),),
        recorded=(agreeing,),
    )


def _sent_by_server(chance: random.Random) -> Verdict:
    domain = chance.choice(DOMAINS)
    return _base(R.SPF_ALIGNED, domain, "192.0.2.77", f"mail.{domain}", spf=(spf(domain=domain),))


def _unprotected(chance: random.Random) -> Verdict:
    domain = f"d{chance.randrange(40)}.example"
    return _base(R.NO_POLICY, domain, "198.51.100.7", f"mx.{domain}", dkim=(signature(domain=domain),))


def _faked(chance: random.Random) -> Verdict:
    domain = chance.choice(["bank.example", "bank.example", "shop.example", "xn--bcher-kva.example"])
    address = chance.choice(
        [f"203.0.113.{chance.randrange(250)}", "198.51.100.66", f"2001:db8:{chance.randrange(9)}::25"]
    )
    return _base(
        R.NOT_ALIGNED,
        domain,
        address,
        chance.choice(["localhost", "WIN-3F9", "mail.attack.example", f"[{address}]"]),
        dkim=(),
        spf=(spf(domain=domain, result=SpfWord.FAIL),),
        dmarc=dmarc(
            DmarcWord.FAIL,
            aligned=(),
            policy=PolicyWord.REJECT,
            applied_policy=chance.choice([PolicyWord.REJECT, PolicyWord.QUARANTINE]),
        ),
        anomalies=(Anomaly(AnomalyCode.DISPLAY_NAME_ADDRESS, f"service@{domain}"),) if chance.random() < 0.3 else (),
    )


def _stream(chance: random.Random) -> Verdict:
    """Sent by a service that signs as itself."""
    domain, service = chance.choice(DOMAINS[2:]), chance.choice(SENDERS)
    return _base(
        R.NOT_ALIGNED,
        domain,
        "198.51.100.20",
        f"out.{service}",
        dkim=(signature(domain=service, aligned=False),),
        spf=(spf(domain=service),),
        dmarc=dmarc(
            DmarcWord.FAIL,
            aligned=(aligned(service, Method.DKIM, False),),
            policy=PolicyWord.NONE,
            applied_policy=PolicyWord.NONE,
        ),
    )


def _broken(chance: random.Random) -> Verdict:
    """Signed by the author, and broken on the way."""
    domain = chance.choice(DOMAINS)
    reason, diagnoses, via = chance.choice(
        [
            (Reason.EXPIRED, (), "slow.example"),
            (Reason.BODY_HASH_MISMATCH, (Diagnosis(DiagnosisCode.FOOTER_REMOVED, "4"),), "lists.example"),
            (Reason.BODY_HASH_MISMATCH, (Diagnosis(DiagnosisCode.BODY_CHANGED),), "alumni.example"),
            (Reason.NO_KEY, (), domain),
        ]
    )
    return _base(
        R.NOT_ALIGNED,
        domain,
        "198.51.100.30",
        f"mx.{via}",
        dkim=(signature(domain=domain, result=DkimWord.FAIL, reason=reason, diagnoses=diagnoses),),
        spf=(spf(domain=via, result=SpfWord.PASS if via != domain else SpfWord.SOFTFAIL),),
        dmarc=dmarc(DmarcWord.FAIL, aligned=()),
        recorded=(_other_result(chance, domain),),
    )


def _other_result(chance: random.Random, domain: str) -> Recorded:
    comparison, reason = chance.choice(
        [(Comparison.DIFFERS, None), (Comparison.EXPLAINED, ComparisonReason.KEY_GONE), (Comparison.AGREES, None)]
    )
    result = RecordedResult(
        method="dkim", result="pass", properties={"header.d": domain}, comparison=comparison, reason=reason
    )
    return recorded(results=(result,), comparison=comparison, reason=reason)


def _plain(reason: ConclusionReason) -> Any:
    return lambda _: verdict(reason)


KINDS: dict[str, tuple[float, Any]] = {
    "signed": (60, _signed),
    "server": (8, _sent_by_server),
    "unprotected": (12, _unprotected),
    "faked": (5, _faked),
    "stream": (4, _stream),
    "broken": (3, _broken),
    "forwarded": (1, lambda _: full()),
    "author": (0.4, _plain(R.AUTHOR_AMBIGUOUS)),
    "authors": (0.3, _plain(R.AUTHOR_SEVERAL_DOMAINS)),
    "sent": (3, _plain(R.NEVER_CROSSED_BORDER)),
    "later": (2, _plain(R.RECORDS_LATER)),
    "altered": (0.5, _plain(R.COPY_ALTERED)),
    "dns": (1, _plain(R.DNS)),
    "inferred": (1, _plain(R.ORIGIN_INFERRED)),
    "limit": (0.1, _plain(R.LIMIT)),
    "outlook": (0.2, _plain(R.NOT_CHECKABLE)),
}

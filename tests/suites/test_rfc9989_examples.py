"""Worked examples of RFC 9989: E1 to E42.

Each gives the DMARC records (name to text), the Authenticated Identifiers ("S" SPF by MAIL FROM, "D" DKIM d=) and what
must come out: Policy Domain, Organizational Domain, policy applied to failing mail and the tag that it stands in,
result, and the exact questions asked.  E9, E15 and E16 are the RFC's own (B.4); the others follow its rules of section
4.7 and 4.10.  A name without a record is NXDOMAIN under ``_dmarc``; the Author Domain itself exists unless the case
says otherwise.
"""

from __future__ import annotations

import pytest
from msgspec import Struct

from tests.zone import Entry, Zone, in_rounds
from verify.checks.dmarc import check_dmarc
from verify.checks.treewalk import walk_names
from verify.model import (
    AnomalyCode,
    Author,
    Cause,
    DmarcWord,
    Identifier,
    IdentifierState,
    Mailbox,
    Method,
    PolicyWord,
    Question,
    Reason,
    Settings,
)

R = "v=DMARC1; p=reject"


class Case(Struct, frozen=True, kw_only=True):
    domain: str
    records: dict[str, str | list[str] | Cause]
    identifiers: tuple[str, ...] = ()
    policy_domain: str | None = None
    organizational: str | None = None
    applied: str | None = None
    tag: str | None = None
    result: str
    reason: Reason
    asked: tuple[str, ...]  # names under _dmarc, in order
    probes: bool = False  # the Author Domain itself is asked for
    exists: bool = True
    test_mode: bool = False


DEEP = "a.b.c.d.e.f.g.h.i.j.k.example.com"
TEN = "mail.a.b.c.d.e.f.g.example.com"
EIGHT = "h.g.f.e.d.c.example.com"
PASS, FAIL, NONE, TEMP = "pass", "fail", "none", "temperror"
EXAMPLE = {"policy_domain": "example.com", "organizational": "example.com"}
ALIGNED = {"result": PASS, "reason": Reason.ALIGNED}
UNALIGNED = {"result": FAIL, "reason": Reason.NOT_ALIGNED}
NO_POLICY = {"result": NONE, "reason": Reason.NO_POLICY}
OWN = ("example.com", "com")
SUB = ("mail.example.com", "example.com", "com")
BANK = {"bank.example": f"{R};psd=y;sp=quarantine;np=reject"}

CASES: dict[str, Case] = {
    "E1": Case(
        domain="example.com",
        records={"example.com": R},
        identifiers=("S example.com",),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=("example.com",),
    ),
    "E2": Case(
        domain="mail.example.com",
        records={"example.com": f"{R};sp=quarantine;np=reject"},
        identifiers=("D example.com",),
        **EXAMPLE,
        applied="quarantine",
        tag="sp",
        **ALIGNED,
        asked=SUB,
        probes=True,
    ),
    "E3": Case(
        domain="nx.example.com",
        exists=False,
        records={"example.com": f"{R};sp=none;np=quarantine"},
        **EXAMPLE,
        applied="quarantine",
        tag="np",
        **UNALIGNED,
        asked=walk_names("nx.example.com"),
        probes=True,
    ),
    "E4": Case(
        domain="b.example.com",
        records={"example.com": f"{R};sp=none;np=quarantine"},
        **EXAMPLE,
        applied="none",
        tag="sp",
        **UNALIGNED,
        asked=walk_names("b.example.com"),
        probes=True,
    ),
    "E5": Case(
        domain="a.b.example.com",
        records={"b.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=quarantine; sp=reject"},
        identifiers=("D b.example.com",),
        **EXAMPLE,
        applied="reject",
        tag="sp",
        **ALIGNED,
        asked=walk_names("a.b.example.com"),
    ),
    "E6": Case(
        domain="a.b.example.com",
        records={"b.example.com": f"{R};psd=n", "example.com": "v=DMARC1; p=none"},
        identifiers=("D example.com",),
        policy_domain="b.example.com",
        organizational="b.example.com",
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=("a.b.example.com", "b.example.com"),
    ),
    "E7": Case(
        domain="mail.example.com",
        records={"mail.example.com": R},
        identifiers=("D example.com",),
        policy_domain="mail.example.com",
        organizational="mail.example.com",
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=SUB,
    ),
    "E8": Case(
        domain="mail.example.com",
        records={"mail.example.com": R, "example.com": "v=DMARC1; p=none"},
        identifiers=("D example.com",),
        policy_domain="mail.example.com",
        organizational="example.com",
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=SUB,
    ),
    "E9": Case(
        domain="giant.bank.example",
        records={"bank.example": f"{R};psd=y", "giant.bank.example": "v=DMARC1; p=quarantine"},
        identifiers=("S mail.giant.bank.example", "D mail.mega.bank.example"),
        policy_domain="giant.bank.example",
        organizational="giant.bank.example",
        applied="quarantine",
        tag="p",
        **ALIGNED,
        asked=("giant.bank.example", "bank.example", "mail.giant.bank.example"),
    ),
    "E10": Case(
        domain="shop.bank.example",
        records=BANK,
        policy_domain="bank.example",
        organizational="shop.bank.example",
        applied="quarantine",
        tag="sp",
        **UNALIGNED,
        asked=("shop.bank.example", "bank.example"),
        probes=True,
    ),
    "E11": Case(
        domain="nx.bank.example",
        exists=False,
        records={"bank.example": "v=DMARC1; p=none; psd=y; np=reject"},
        policy_domain="bank.example",
        organizational="nx.bank.example",
        applied="reject",
        tag="np",
        **UNALIGNED,
        asked=("nx.bank.example", "bank.example"),
        probes=True,
    ),
    "E12": Case(
        domain="a.mail.giant.bank.example",
        records={"bank.example": f"{R};psd=y;sp=none", "mail.giant.bank.example": "v=DMARC1; p=quarantine"},
        identifiers=("D giant.bank.example",),
        policy_domain="bank.example",
        organizational="giant.bank.example",
        applied="none",
        tag="sp",
        **ALIGNED,
        asked=("a.mail.giant.bank.example", "mail.giant.bank.example", "giant.bank.example", "bank.example"),
    ),
    "E13": Case(
        domain="bank.example",
        records={"bank.example": f"{R};psd=y"},
        identifiers=("D giant.bank.example",),
        policy_domain="bank.example",
        organizational="bank.example",
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=("bank.example", "giant.bank.example"),
    ),
    "E14": Case(
        domain="shop.example",
        records={"example": "v=DMARC1; p=none"},
        identifiers=("D evil.example",),
        policy_domain="example",
        organizational="example",
        applied="none",
        tag="p",
        **ALIGNED,
        asked=("shop.example", "example", "evil.example"),
    ),
    "E15": Case(
        domain=DEEP,
        records={"example.com": R, "signing.example.com": R},
        identifiers=("S example.com", "D signing.example.com"),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=(
            DEEP,
            "g.h.i.j.k.example.com",
            "h.i.j.k.example.com",
            "i.j.k.example.com",
            "j.k.example.com",
            "k.example.com",
            "example.com",
            "com",
        ),
    ),
    "E16": Case(
        domain=TEN,
        records={"b.c.d.e.f.g.example.com": f"{R};psd=n", "example.com": "v=DMARC1; p=none"},
        **EXAMPLE,
        applied="none",
        tag="p",
        **UNALIGNED,
        asked=(
            TEN,
            "c.d.e.f.g.example.com",
            "d.e.f.g.example.com",
            "e.f.g.example.com",
            "f.g.example.com",
            "g.example.com",
            "example.com",
            "com",
        ),
    ),
    "E17": Case(
        domain=EIGHT,
        records={"g.f.e.d.c.example.com": "v=DMARC1; p=quarantine; psd=n"},
        identifiers=("D g.f.e.d.c.example.com",),
        policy_domain="g.f.e.d.c.example.com",
        organizational="g.f.e.d.c.example.com",
        applied="quarantine",
        tag="p",
        **ALIGNED,
        asked=(EIGHT, "g.f.e.d.c.example.com"),
    ),
    "E18": Case(
        domain="mail.example.com",
        records={"mail.example.com": [R, "v=DMARC1; p=none"], "example.com": "v=DMARC1; p=quarantine"},
        **EXAMPLE,
        applied="quarantine",
        tag="p",
        **UNALIGNED,
        asked=SUB,
    ),
    "E19": Case(
        domain="example.com",
        records={"example.com": ["v=spf1 -all", R]},
        **EXAMPLE,
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=OWN,
    ),
    "E20": Case(
        domain="example.com",
        records={"example.com": "v=dmarc1; p=reject"},
        identifiers=("S example.com",),
        organizational="example.com",
        **NO_POLICY,
        asked=OWN,
    ),
    "E21": Case(
        domain="example.com",
        records={"example.com": "p=reject; v=DMARC1"},
        identifiers=("S example.com",),
        organizational="example.com",
        **NO_POLICY,
        asked=OWN,
    ),
    "E22": Case(
        domain="example.com",
        records={"example.com": "v = DMARC1 ; p = Reject ; pct=0; rf=afrf; ri=3600; zz=1"},
        **EXAMPLE,
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=OWN,
    ),
    "E23": Case(
        domain="example.com",
        records={"example.com": "v=DMARC1; rua=mailto:d@example.com"},
        **EXAMPLE,
        applied="none",
        tag="p",
        **UNALIGNED,
        asked=OWN,
    ),
    "E24": Case(
        domain="sub.example.com",
        records={"sub.example.com": "v=DMARC1; adkim=s", "example.com": R},
        policy_domain="sub.example.com",
        result=NONE,
        reason=Reason.BROKEN_POLICY,
        asked=("sub.example.com",),
    ),
    "E25": Case(
        domain="example.com",
        records={"example.com": "v=DMARC1; p=reject; sp=bogus; rua=mailto:d@example.com"},
        **EXAMPLE,
        applied="none",
        tag="p",
        **UNALIGNED,
        asked=OWN,
    ),
    "E26": Case(
        domain="example.com",
        records={"example.com": f"{R};t=y"},
        **EXAMPLE,
        applied="quarantine",
        tag="p",
        **UNALIGNED,
        asked=OWN,
        test_mode=True,
    ),
    "E27": Case(
        domain="example.com",
        records={"example.com": f"{R};adkim=s;aspf=s"},
        identifiers=("S bounce.example.com", "D mail.example.com"),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=OWN,
    ),
    "E28": Case(
        domain="example.com",
        records={"example.com": f"{R};adkim=s"},
        identifiers=("S bounce.example.com", "D mail.example.com"),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=(*OWN, "bounce.example.com"),
    ),
    "E29": Case(
        domain="example.com",
        records={"example.com": Cause.SERVFAIL},
        identifiers=("D example.com",),
        result=TEMP,
        reason=Reason.DNS_SERVFAIL,
        asked=("example.com",),
    ),
    "E30": Case(
        domain="mail.example.com",
        records={"mail.example.com": R, "com": Cause.SERVFAIL},
        identifiers=("D mail.example.com",),
        policy_domain="mail.example.com",
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=("mail.example.com",),
    ),
    "E31": Case(
        domain="mail.example.com",
        records={"mail.example.com": R, "example.com": R, "com": Cause.SERVFAIL},
        identifiers=("D example.com",),
        policy_domain="mail.example.com",
        tag="p",
        result=TEMP,
        reason=Reason.DNS_SERVFAIL,
        asked=SUB,
    ),
    "E32": Case(
        domain="alice.pages.example",
        records={"pages.example": R},
        identifiers=("D bob.pages.example",),
        policy_domain="pages.example",
        organizational="pages.example",
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=(*walk_names("alice.pages.example"), "bob.pages.example"),
    ),
    "E33": Case(
        domain="alice.pages.example",
        records={"pages.example": f"{R};psd=y"},
        identifiers=("D bob.pages.example",),
        policy_domain="pages.example",
        organizational="alice.pages.example",
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=("alice.pages.example", "pages.example"),
    ),
    "E34": Case(
        domain="xn--bcher-kva.example",
        records={"xn--bcher-kva.example": R},
        identifiers=("D xn--bcher-kva.example",),
        policy_domain="xn--bcher-kva.example",
        organizational="xn--bcher-kva.example",
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=("xn--bcher-kva.example",),
    ),
    "E35": Case(
        domain="example.com",
        records={},
        identifiers=("S example.com", "D example.com"),
        organizational="example.com",
        **NO_POLICY,
        asked=OWN,
    ),
    "E36": Case(
        domain="sub.example.com",
        records={"sub.example.com": "v=DMARC1; p=none; sp=reject", "example.com": R},
        policy_domain="sub.example.com",
        organizational="example.com",
        applied="none",
        tag="p",
        **UNALIGNED,
        asked=walk_names("sub.example.com"),
    ),
    "E37": Case(
        domain="x.sub.example.com",
        records={"sub.example.com": "v=DMARC1; p=none; sp=reject", "example.com": "v=DMARC1; p=quarantine"},
        **EXAMPLE,
        applied="quarantine",
        tag="p",
        **UNALIGNED,
        asked=walk_names("x.sub.example.com"),
    ),
    "E38": Case(
        domain="mail.example.com",
        records={"example.com": f"{R};sp=quarantine;t=y"},
        **EXAMPLE,
        applied="none",
        tag="sp",
        **UNALIGNED,
        asked=SUB,
        test_mode=True,
    ),
    "E39": Case(
        domain="mail.example.com",
        records={"example.com": R},
        identifiers=("D evil.net",),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=SUB,
    ),
    "E40": Case(
        domain="example.com",
        records={"example.com": R},
        identifiers=("S out.example.com",),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **ALIGNED,
        asked=(*OWN, "out.example.com"),
    ),
    "E41": Case(
        domain="example.com",
        records={"example.com": R},
        identifiers=("!S other.net",),
        **EXAMPLE,
        applied="reject",
        tag="p",
        **UNALIGNED,
        asked=OWN,
    ),
}


def zone_of(case: Case) -> Zone:
    zone = Zone()
    for name, value in case.records.items():
        entry: Entry = [value] if type(value) is str else value
        zone.add(f"_dmarc.{name}", {"TXT": entry})
    if case.exists:
        zone.add(case.domain, {"MX": ["10 mx.example"]})
    return zone


def identifier(text: str) -> Identifier:
    who, domain = text.split()
    state = IdentifierState.NOT_PASS if who.startswith("!") else IdentifierState.PASS
    return Identifier(Method.SPF if who.endswith("S") else Method.DKIM, domain, state)


def author(domain: str) -> Author:
    return Author(domain=domain, addresses=(Mailbox(f"a@{domain}", domain),))


@pytest.mark.parametrize("name", CASES)
def test_worked_example(name: str) -> None:
    case = CASES[name]
    zone = zone_of(case)
    result = check_dmarc(author(case.domain), [identifier(each) for each in case.identifiers], zone.ask, Settings())

    assert (result.result, result.reason) == (DmarcWord(case.result), case.reason)
    assert result.author_domain == case.domain
    assert result.policy_domain == case.policy_domain
    assert result.organizational_domain == case.organizational
    assert (result.applied_policy, result.policy_tag) == (
        None if case.applied is None else PolicyWord(case.applied),
        case.tag,
    )
    assert bool(result.test_mode) is case.test_mode
    records = [question.name.removeprefix("_dmarc.") for question in zone.asked if question.rdtype == "TXT"]
    assert records == list(case.asked)
    assert [step.name for step in result.walk] == [f"_dmarc.{each}" for each in case.asked]
    probes = [question for question in zone.asked if question.rdtype != "TXT"]
    assert probes == ([Question(case.domain, "A")] if case.probes else [])


@pytest.mark.parametrize("name", CASES)
def test_answers_that_come_in_rounds_give_the_same_result(name: str) -> None:
    case = CASES[name]
    identifiers = [identifier(each) for each in case.identifiers]
    at_once = check_dmarc(author(case.domain), identifiers, zone_of(case).ask, Settings())
    in_steps, rounds = in_rounds(
        zone_of(case), lambda ask: check_dmarc(author(case.domain), identifiers, ask, Settings())
    )
    assert in_steps == at_once
    assert rounds <= 2


def test_e9_the_sibling_below_the_public_suffix_is_not_aligned() -> None:
    case = CASES["E9"]
    result = check_dmarc(
        author(case.domain), [identifier(each) for each in case.identifiers], zone_of(case).ask, Settings()
    )
    assert [(each.identifier, each.aligned) for each in result.aligned] == [
        ("mail.giant.bank.example", True),
        ("mail.mega.bank.example", False),
    ]


def test_e14_an_organizational_domain_of_one_label_is_pointed_out() -> None:
    case = CASES["E14"]
    result = check_dmarc(author(case.domain), [identifier("D evil.example")], zone_of(case).ask, Settings())
    assert (AnomalyCode.ONE_LABEL_DOMAIN, "example") in [(each.code, each.detail) for each in result.anomalies]


def test_e42_two_from_fields_are_permerror() -> None:
    nobody = Author(domain=None, problem=Reason.AUTHOR_REPEATED)
    result = check_dmarc(nobody, [identifier("D example.com")], Zone().ask, Settings())
    assert (result.result, result.reason) == (DmarcWord.PERMERROR, Reason.AUTHOR_REPEATED)

"""DMARC beyond the worked examples: records, failures of the DNS, identifiers that could not be judged."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zone import Entry, Zone, in_rounds
from verify.checks.dmarc import check_dmarc, could_align, foreseen
from verify.checks.policy import parse_record, usable
from verify.model import (
    AlignmentMode,
    Anomaly,
    AnomalyCode,
    Author,
    Cause,
    DmarcResult,
    DmarcStandard,
    DmarcWord,
    Identifier,
    IdentifierState,
    Limits,
    Method,
    NotKnownYet,
    Outcome,
    PolicyWord,
    Question,
    Reading,
    Reason,
    Settings,
)

REJECT = "v=DMARC1; p=reject"
RELAXED, STRICT = AlignmentMode.RELAXED, AlignmentMode.STRICT


def zone_of(**records: str | bytes | Cause | Outcome | list[str]) -> Zone:
    """``_`` in a keyword stands for a dot."""
    zone = Zone()
    for name, value in records.items():
        entry: Entry = [value] if type(value) in (str, bytes) else value  # type: ignore[list-item,assignment]
        zone.add("_dmarc." + name.replace("_", "."), {"TXT": entry})
    return zone


def dkim(domain: str, state: IdentifierState = IdentifierState.PASS, reason: Reason | None = None) -> Identifier:
    return Identifier(Method.DKIM, domain, state, reason)


def spf(domain: str, state: IdentifierState = IdentifierState.PASS, reason: Reason | None = None) -> Identifier:
    return Identifier(Method.SPF, domain, state, reason)


def check(
    domain: str, zone: Zone, identifiers: Iterable[Identifier] = (), settings: Settings | None = None, **more: bool
) -> DmarcResult:
    return check_dmarc(Author(domain=domain), list(identifiers), zone.ask, settings or Settings(), **more)


# Records (RFC 9989 4.7, 4.8)


@pytest.mark.parametrize("text", ["v=DMARC1", "v=DMARC1;", "v = DMARC1 ; p=none", "v\t=\tDMARC1", "v=DMARC1;;;"])
def test_a_record_needs_the_version_alone(text: str) -> None:
    assert parse_record(text.encode(), 1000) is not None


@pytest.mark.parametrize(
    "text",
    [
        " v=DMARC1; p=none",
        "v=dmarc1",
        "V=DMARC1",
        "v=DMARC1x",
        "v=DMARC10; p=none",
        "v=DMARC1 p=none",
        "",
        "v=",
        "p=none; v=DMARC1",
    ],
)
def test_other_texts_are_no_records(text: str) -> None:
    assert parse_record(text.encode(), 1000) is None


def test_a_defect_leaves_the_other_tags_alone() -> None:
    record = parse_record(
        "v=DMARC1; nonsense; ; aspf=\x01; adkim=S; ü=1; p=QUARANTINE; t=Y; psd=N; pct=x".encode(), 1000
    )
    assert record is not None
    assert (record.p, record.adkim, record.aspf, record.test_mode, record.psd) == (
        "quarantine",
        STRICT,
        RELAXED,
        True,
        "n",
    )
    assert usable(record) is record


def test_tag_names_are_read_in_lower_case_only() -> None:
    record = parse_record(b"v=DMARC1; P=reject", 1000)
    assert record is not None
    assert record.p is None


@pytest.mark.parametrize(
    "uris", ["mailto:a@example.com", "bogus, mailto:a@example.com!10m", "https://example.com/r", " x , tel:1"]
)
def test_a_broken_record_with_a_report_address_counts_as_none(uris: str) -> None:
    for broken in ("", "p=bogus", "p=reject; sp=", "p=reject; np=bogus"):
        result = check("example.com", zone_of(example_com=f"v=DMARC1; {broken}; rua={uris}"))
        assert (result.result, result.applied_policy) == (DmarcWord.FAIL, PolicyWord.NONE)
        assert Anomaly(AnomalyCode.BROKEN_POLICY, "_dmarc.example.com") in result.anomalies


@pytest.mark.parametrize("uris", ["", "bogus", ",,", "a b:c", "1x:y", "mailto:"])
def test_a_broken_record_without_one_does_not_apply(uris: str) -> None:
    for broken in ("", "p=bogus", "p=reject; sp=bogus", "p=reject; np=bogus"):
        result = check("example.com", zone_of(example_com=f"v=DMARC1; {broken}; rua={uris}"), [dkim("example.com")])
        assert (result.result, result.reason) == (DmarcWord.NONE, Reason.BROKEN_POLICY)
        assert Anomaly(AnomalyCode.BROKEN_POLICY, "_dmarc.example.com") in result.anomalies


def test_the_first_of_duplicate_tags_counts_and_is_pointed_out() -> None:
    result = check("example.com", zone_of(example_com="v=DMARC1; p=quarantine; p=none"))
    assert result.policy is PolicyWord.QUARANTINE
    assert Anomaly(AnomalyCode.DUPLICATE_TAG, "_dmarc.example.com p") in result.anomalies


def test_several_records_are_pointed_out() -> None:
    result = check("example.com", zone_of(example_com=[REJECT, "v=DMARC1; p=none"]))
    assert (result.result, result.reason) == (DmarcWord.NONE, Reason.NO_POLICY)
    assert Anomaly(AnomalyCode.SEVERAL_POLICY_RECORDS, "_dmarc.example.com") in result.anomalies


def test_a_record_over_the_limit_is_not_read_and_that_is_said() -> None:
    at_limit = REJECT + "; x=" + "y" * (100 - len(REJECT) - 4)
    settings = Settings(limits=Limits(tag_list_octets=100))
    assert check("example.com", zone_of(example_com=at_limit), settings=settings).policy is PolicyWord.REJECT
    over = check("example.com", zone_of(example_com=at_limit + "y"), [dkim("example.com")], settings)
    assert (over.result, over.reason) == (DmarcWord.NONE, Reason.BROKEN_POLICY)
    assert Anomaly(AnomalyCode.LIMIT_HIT, "tag_list_octets") in over.anomalies


@given(st.binary(max_size=200))
def test_any_octets_in_a_record_give_a_result(rest: bytes) -> None:
    zone = zone_of(example_com=b"v=DMARC1;" + rest)
    assert check("example.com", zone, [dkim("mail.example.com")]).result in set(DmarcWord)


# What could align


@pytest.mark.parametrize(
    ("identifier", "author", "organizational", "mode", "could"),
    [
        ("example.com", "example.com", None, STRICT, True),
        ("mail.example.com", "example.com", "example.com", STRICT, False),
        ("mail.example.com", "example.com", "example.com", RELAXED, True),
        ("example.com", "mail.example.com", "example.com", RELAXED, True),
        ("other.example.com", "mail.example.com", "mail.example.com", RELAXED, False),
        ("evilexample.com", "example.com", "example.com", RELAXED, False),
        ("other.example.com", "mail.example.com", None, RELAXED, True),
        ("com", "example.com", None, RELAXED, False),
        ("other.com", "example.com", None, RELAXED, False),
        ("other.com", "example.com", "com", RELAXED, True),
        ("a.localhost", "localhost", None, RELAXED, False),
    ],
)
def test_could_align(
    identifier: str, author: str, organizational: str | None, mode: AlignmentMode, could: bool
) -> None:
    assert could_align(identifier, author, organizational, mode) is could


def test_the_result_lists_what_could_align_whether_it_passes_or_not() -> None:
    far, near = spf("other.net"), dkim("a.example.com", IdentifierState.NOT_PASS)
    result = check("example.com", zone_of(example_com=REJECT), [far, near])
    assert result.could_align == (near,)


# What went wrong, and whether it counts (RFC 9989 5.3.6)

TROUBLE = [
    (IdentifierState.TEMPORARY, Reason.DNS_TIMEOUT, DmarcWord.TEMPERROR),
    (IdentifierState.UNKNOWN, Reason.NOT_RECORDED, None),
    (IdentifierState.UNKNOWN, Reason.ORIGIN_UNKNOWN, None),
]


@pytest.mark.parametrize(("state", "reason", "word"), TROUBLE)
def test_an_identifier_that_could_have_aligned_leaves_it_open(
    state: IdentifierState, reason: Reason, word: DmarcWord | None
) -> None:
    for record, identifier in itertools.product(
        (REJECT, f"{REJECT};psd=n"), (dkim("example.com", state, reason), spf("a.b.example.com", state, reason))
    ):
        result = check("example.com", zone_of(example_com=record), [spf("other.net"), identifier])
        assert (result.result, result.reason) == (word, reason)
        assert result.applied_policy is None
        assert result.disposition is PolicyWord.NONE


@pytest.mark.parametrize(("state", "reason", "word"), TROUBLE)
def test_one_that_could_not_changes_nothing(state: IdentifierState, reason: Reason, word: DmarcWord | None) -> None:
    zone = zone_of(example_com=f"{REJECT};adkim=s")
    result = check("example.com", zone, [spf("example.net", state, reason), dkim("a.example.com", state, reason)])
    assert (result.result, result.reason) == (DmarcWord.FAIL, Reason.NOT_ALIGNED)
    assert result.disposition is PolicyWord.QUARANTINE


@pytest.mark.parametrize(("state", "reason", "word"), TROUBLE)
def test_nor_does_it_when_another_aligns(state: IdentifierState, reason: Reason, word: DmarcWord | None) -> None:
    zone = zone_of(example_com=REJECT)
    result = check("example.com", zone, [dkim("example.com", state, reason), spf("bounce.example.com")])
    assert (result.result, result.reason) == (DmarcWord.PASS, Reason.ALIGNED)


def test_dns_trouble_comes_before_a_missing_answer_and_that_before_an_unknown_origin() -> None:
    dns = dkim("a.example.com", IdentifierState.TEMPORARY, Reason.DNS_TIMEOUT)
    unrecorded = dkim("b.example.com", IdentifierState.UNKNOWN, Reason.NOT_RECORDED)
    origin = spf("example.com", IdentifierState.UNKNOWN, Reason.ORIGIN_UNKNOWN)
    zone = zone_of(example_com=REJECT)
    for order in itertools.permutations((dns, unrecorded, origin)):
        assert check("example.com", zone, order).reason is Reason.DNS_TIMEOUT
    for order in itertools.permutations((unrecorded, origin)):
        assert check("example.com", zone, order).reason is Reason.NOT_RECORDED


@pytest.mark.parametrize(
    ("trouble", "word", "reason"),
    [
        (Cause.TIMEOUT, DmarcWord.TEMPERROR, Reason.DNS_TIMEOUT),
        (Cause.REFUSED, DmarcWord.TEMPERROR, Reason.DNS_REFUSED),
        (Cause.MALFORMED, DmarcWord.TEMPERROR, Reason.DNS_MALFORMED),
        (Cause.BUDGET, DmarcWord.TEMPERROR, Reason.DNS_BUDGET),
        (Outcome.NOT_RECORDED, None, Reason.NOT_RECORDED),
    ],
)
def test_an_answer_that_is_needed_and_missing(trouble: Cause | Outcome, word: DmarcWord | None, reason: Reason) -> None:
    own = check("example.com", zone_of(example_com=trouble), [dkim("example.com")])
    policy = check("mail.example.com", zone_of(example_com=trouble), [dkim("mail.example.com")])
    above = check("mail.example.com", zone_of(example_com=REJECT, com=trouble), [dkim("mail.example.com")])
    identifier = check("example.com", zone_of(example_com=REJECT, a_example_com=trouble), [dkim("a.example.com")])
    for result in (own, policy, above, identifier):
        assert (result.result, result.reason) == (word, reason)
        assert (result.applied_policy, result.disposition) == (None, PolicyWord.NONE)


@pytest.mark.parametrize("trouble", [Cause.TIMEOUT, Outcome.NOT_RECORDED])
def test_an_answer_that_could_not_have_changed_the_result_does_not_count(trouble: Cause | Outcome) -> None:
    zone = zone_of(mail_example_com=REJECT, com=trouble, a_example_com=trouble)
    assert check("mail.example.com", zone).result is DmarcWord.FAIL
    assert check("mail.example.com", zone, [dkim("evil.net")]).result is DmarcWord.FAIL
    aligned = [dkim("a.example.com"), spf("mail.example.com")]
    assert check("mail.example.com", zone, aligned).result is DmarcWord.PASS
    assert check("mail.example.com", zone, aligned, every_signature=True).result is DmarcWord.PASS


@pytest.mark.parametrize("trouble", [Cause.TIMEOUT, Outcome.NOT_RECORDED])
def test_a_failed_existence_probe_counts_as_existing_and_is_said(trouble: Cause | Outcome) -> None:
    zone = zone_of(example_com="v=DMARC1; p=reject; sp=none; np=quarantine")
    zone.add("a.example.com", trouble)
    result = check("a.example.com", zone)
    assert (result.policy, result.policy_tag) == (PolicyWord.NONE, "sp")
    assert Anomaly(AnomalyCode.EXISTENCE_UNKNOWN, "a.example.com") in result.anomalies


def test_existence_is_not_asked_for_where_it_says_nothing() -> None:
    for record in ("v=DMARC1; p=reject; np=reject", "v=DMARC1; p=none; sp=reject; np=reject", REJECT):
        zone = zone_of(example_com=record)
        check("a.example.com", zone)
        assert {question.rdtype for question in zone.asked} == {"TXT"}


def test_a_name_too_long_for_a_policy_record_is_permerror() -> None:
    domain = ".".join(["a" * 60] * 4) + ".example"
    result = check(domain, Zone(), [dkim(domain)])
    assert (result.result, result.reason) == (DmarcWord.PERMERROR, Reason.NAME_TOO_LONG)


# Questions


def test_every_question_of_the_walk_is_asked_for_at_once() -> None:
    def nothing(question: Question) -> None:
        raise NotKnownYet(question)

    with pytest.raises(NotKnownYet) as raised:
        check_dmarc(Author(domain="a.example.com"), [dkim("b.example.com"), dkim("x.net")], nothing, Settings())  # type: ignore[arg-type]
    names = ["_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com", "_dmarc.b.example.com"]
    assert [question.name for question in raised.value.questions] == names
    assert foreseen("a.example.com", ["b.example.com", "x.net"]) == raised.value.questions


def test_walks_and_the_existence_probe_come_in_one_round_after_the_policy() -> None:
    zone = zone_of(example_com="v=DMARC1; p=reject; np=none")
    zone.add("a.example.com", {"A": ["192.0.2.1"]})
    identifiers = [spf("b.example.com"), dkim("c.d.example.com")]
    result, rounds = in_rounds(
        zone, lambda ask: check_dmarc(Author(domain="a.example.com"), identifiers, ask, Settings())
    )
    assert result.result is DmarcWord.PASS
    assert rounds == 2


def test_every_signature_is_settled_where_that_is_wanted() -> None:
    identifiers = [spf("example.com"), dkim("a.example.com"), dkim("b.example.com")]
    records = {"example_com": REJECT, "b_example_com": f"{REJECT};psd=n"}
    few = check("example.com", zone_of(**records), identifiers)
    assert [each.aligned for each in few.aligned] == [True, None, None]
    assert len(few.walk) == 1
    every = check("example.com", zone_of(**records), identifiers, every_signature=True)
    assert [each.aligned for each in every.aligned] == [True, True, False]


# An author who cannot be told (RFC 9989 11.5)


def nobody(problem: Reason, *domains: str | None) -> Author:
    readings = tuple(Reading(f"a@{domain}", domain, "plain") for domain in domains)
    return Author(domain=None, readings=readings, ambiguous=True, problem=problem)


def test_the_policy_of_every_domain_is_listed() -> None:
    zone = zone_of(a_example=REJECT, b_example="v=DMARC1; p=quarantine; t=y", c_example=Cause.SERVFAIL)
    author = nobody(
        Reason.AUTHOR_SEVERAL_DOMAINS, "a.example", "b.example", "a.example", "c.example", None, "d.example"
    )
    result = check_dmarc(author, [dkim("a.example")], zone.ask, Settings())
    assert (result.result, result.reason) == (DmarcWord.PERMERROR, Reason.AUTHOR_SEVERAL_DOMAINS)
    assert result.disposition is PolicyWord.QUARANTINE
    assert [
        (each.domain, each.policy_domain, each.applied_policy, each.outcome) for each in result.author_policies
    ] == [
        ("a.example", "a.example", PolicyWord.REJECT, None),
        ("b.example", "b.example", PolicyWord.NONE, None),
        ("c.example", None, None, DmarcWord.TEMPERROR),
        ("d.example", None, None, DmarcWord.NONE),
    ]


@pytest.mark.parametrize("count", [8, 9])
def test_so_many_domains_and_no_more(count: int) -> None:
    author = nobody(Reason.AUTHOR_SEVERAL_DOMAINS, *(f"d{n}.example" for n in range(count)))
    result, rounds = in_rounds(Zone(), lambda ask: check_dmarc(author, [], ask, Settings()))
    assert rounds == 1
    assert len(result.author_policies) == 8
    assert (Anomaly(AnomalyCode.LIMIT_HIT, "author_domains") in result.anomalies) is (count > 8)
    assert result.result is DmarcWord.PERMERROR


def test_an_author_behind_a_limit_is_no_accusation() -> None:
    result = check_dmarc(nobody(Reason.LIMIT, "a.example"), [dkim("a.example")], Zone().ask, Settings())
    assert (result.result, result.reason, result.disposition) == (None, Reason.LIMIT, PolicyWord.NONE)


# RFC 7489


def last_two(name: str) -> str | None:
    labels = name.split(".")
    return ".".join(labels[-2:]) if len(labels) > 1 else None


OLD = Settings(dmarc=DmarcStandard.RFC7489, public_suffix=last_two)


def test_the_old_rules_ask_the_domain_and_its_organizational_domain_alone() -> None:
    zone = zone_of(example_com="v=DMARC1; p=reject; sp=quarantine; np=none")
    result = check("a.b.example.com", zone, [dkim("c.example.com")], OLD)
    assert (result.result, result.organizational_domain) == (DmarcWord.PASS, "example.com")
    assert (result.policy, result.policy_tag) == (PolicyWord.QUARANTINE, "sp")
    assert [step.name for step in result.walk] == ["_dmarc.a.b.example.com", "_dmarc.example.com"]


@pytest.mark.parametrize(
    ("domain", "records", "identifier", "old", "new"),
    [
        ("mail.example.com", {"mail_example_com": REJECT}, "example.com", "pass", "fail"),
        ("mail.example.com", {"mail_example_com": [REJECT, REJECT], "example_com": REJECT}, "x.net", "none", "fail"),
        ("shop.example", {"example": "v=DMARC1; p=none"}, "evil.example", "none", "pass"),
        ("a.b.example.com", {"b_example_com": f"{REJECT};psd=n", "example_com": REJECT}, "example.com", "pass", "fail"),
        ("example.com", {"example_com": "v=DMARC1; p=reject; np=bogus"}, "example.com", "pass", "none"),
    ],
)
def test_where_the_two_standards_differ(
    domain: str, records: dict[str, str | list[str]], identifier: str, old: str, new: str
) -> None:
    assert check(domain, zone_of(**records), [dkim(identifier)], OLD).result == old
    assert check(domain, zone_of(**records), [dkim(identifier)]).result == new


@pytest.mark.parametrize(("pct", "applied"), [("0", "quarantine"), ("1", "reject"), ("100", "reject"), ("x", "reject")])
def test_the_percentage_is_read_by_the_old_rules_alone(pct: str, applied: str) -> None:
    zone = zone_of(example_com=f"{REJECT}; pct={pct}")
    assert check("example.com", zone, settings=OLD).applied_policy == applied
    assert check("example.com", zone).applied_policy == "reject"


def test_the_old_rules_know_no_test_mode() -> None:
    assert check("example.com", zone_of(example_com=f"{REJECT}; t=y"), settings=OLD).applied_policy == "reject"


def test_a_dns_error_is_one_by_the_old_rules_too() -> None:
    result = check("a.example.com", zone_of(example_com=Cause.TIMEOUT), [dkim("a.example.com")], OLD)
    assert (result.result, result.reason) == (DmarcWord.TEMPERROR, Reason.DNS_TIMEOUT)


def test_the_old_rules_need_a_list() -> None:
    with pytest.raises(ValueError, match="Public Suffix List"):
        check("example.com", Zone(), settings=Settings(dmarc=DmarcStandard.RFC7489))

"""What others recorded against what we found: every word and every reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.checks.compare import Findings, compare
from verify.grammar.results import parse_results
from verify.model import (
    ArcResult,
    ArcSet,
    ArcWord,
    Comparison,
    ComparisonReason,
    Confidence,
    DkimCheck,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    Fidelity,
    Identifier,
    IdentifierState,
    Identity,
    IprevResult,
    IprevWord,
    Limits,
    Method,
    Origin,
    OriginSource,
    Reason,
    Recorded,
    RecordedStanding,
    SpfResult,
    SpfWord,
)

AGREES, DIFFERS = (Comparison.AGREES, None), (Comparison.DIFFERS, None)
C = ComparisonReason


def explained(reason: ComparisonReason) -> tuple[Comparison, ComparisonReason]:
    return Comparison.EXPLAINED, reason


def incomparable(reason: ComparisonReason) -> tuple[Comparison, ComparisonReason]:
    return Comparison.NOT_COMPARABLE, reason


def spf(result: SpfWord | None = SpfWord.PASS, reason: Reason = Reason.MATCHED, **more: Any) -> SpfResult:
    return SpfResult(
        **({"identity": Identity.MAILFROM, "domain": "s.example", "result": result, "reason": reason} | more)
    )


def sig(result: DkimWord | None = DkimWord.PASS, reason: Reason = Reason.VERIFIED, **more: Any) -> DkimCheck:
    body_hash_holds = more.pop("body_hash_holds", None)
    parts = {"domain": "s.example", "selector": "k1", "b": "AbCdEfGh", "result": result, "reason": reason}
    return DkimCheck(result=DkimResult(**(parts | more)), body_hash_holds=body_hash_holds)


def dmarc(result: DmarcWord | None = DmarcWord.PASS, reason: Reason = Reason.ALIGNED, **more: Any) -> DmarcResult:
    return DmarcResult(**({"result": result, "reason": reason, "author_domain": "s.example"} | more))


ORIGIN = Origin(client_ip="203.0.113.5", source=OriginSource.PROFILE)


def findings(**changes: Any) -> Findings:
    parts: dict[str, Any] = {
        "origin": ORIGIN,
        "spf": (spf(),),
        "dkim": (sig(),),
        "arc": ArcResult(result=ArcWord.NONE),
        "iprev": IprevResult(result=IprevWord.PASS),
        "dmarc": dmarc(),
    }
    return Findings(**(parts | changes))


def recorded(
    clauses: str, standing: RecordedStanding = RecordedStanding.TRUSTED, name: str = "Authentication-Results"
) -> Recorded:
    prefix = "i=1; " if name.startswith("ARC") else ""
    parsed = parse_results(f"{prefix}x.example; {clauses}".encode(), Limits())
    assert parsed is not None
    return Recorded(field=name, index=0, authserv_id="x.example", standing=standing, results=parsed.results)


def outcome(
    clauses: str,
    standing: RecordedStanding = RecordedStanding.TRUSTED,
    name: str = "Authentication-Results",
    **changes: Any,
) -> object:
    (field,) = compare([recorded(clauses, standing, name)], findings(**changes))
    assert len(field.results) == 1
    assert (field.results[0].comparison, field.results[0].reason) == (field.comparison, field.reason)
    return field.comparison, field.reason


PASS = "dkim=pass header.d=s.example header.s=k1"
FAIL = (sig(DkimWord.FAIL, Reason.BODY_HASH_MISMATCH),)
GONE = (sig(DkimWord.PERMERROR, Reason.NO_KEY),)


@pytest.mark.parametrize(
    ("clauses", "changes", "expected"),
    [
        ("spf=pass smtp.mailfrom=b@S.example", {}, AGREES),
        ("spf=pass smtp.mailfrom=s.example", {}, AGREES),
        ("spf=hardfail smtp.mailfrom=s.example", {"spf": (spf(SpfWord.FAIL),)}, AGREES),
        ("spf=fail smtp.mailfrom=s.example", {}, DIFFERS),
        ("spf=softfail smtp.mailfrom=s.example", {"spf": (spf(SpfWord.FAIL),)}, DIFFERS),
        ("spf=fail smtp.mailfrom=s.example", {"records_later": True}, explained(C.RECORD_CHANGED)),
        ("spf=temperror smtp.mailfrom=s.example", {}, explained(C.DNS_TROUBLE)),
        ("spf=pass smtp.mailfrom=s.example", {"spf": (spf(SpfWord.TEMPERROR),)}, explained(C.DNS_TROUBLE)),
        ("spf=pass smtp.mailfrom=s.example", {"spf": (spf(None),)}, explained(C.METHOD_NOT_RUN)),
        ("spf=pass smtp.mailfrom=s.example", {"spf": ()}, explained(C.METHOD_NOT_RUN)),
        ("spf=pass smtp.mailfrom=list.example", {}, incomparable(C.OTHER_ORIGIN)),
        ("spf=pass smtp.mailfrom=s.example smtp.remote-ip=192.0.2.9", {}, incomparable(C.OTHER_ORIGIN)),
        ("spf=pass smtp.mailfrom=s.example client-ip=203.0.113.5", {}, AGREES),
        (
            "spf=fail smtp.mailfrom=s.example",
            {"origin": Origin(client_ip="203.0.113.5", source=OriginSource.INFERRED, confidence=Confidence.GUESS)},
            incomparable(C.OTHER_ORIGIN),
        ),
        ("spf=tempfail smtp.mailfrom=s.example", {}, incomparable(C.NOT_OUR_RESULT)),
        ("dmarc=bestguesspass header.from=s.example", {}, incomparable(C.NOT_OUR_RESULT)),
        ("compauth=pass reason=100", {}, incomparable(C.NOT_OUR_RESULT)),
        ("iprev=pass policy.iprev=203.0.113.5", {}, AGREES),
        ("iprev=fail policy.iprev=203.0.113.5", {}, DIFFERS),
        ("iprev=fail policy.iprev=203.0.113.5", {"records_later": True}, explained(C.RECORD_CHANGED)),
        ("iprev=pass policy.iprev=192.0.2.9", {}, incomparable(C.OTHER_ORIGIN)),
        ("iprev=pass policy.iprev=192.0.2.9", {"iprev": IprevResult(result=None)}, incomparable(C.OTHER_ORIGIN)),
        ("iprev=pass", {"iprev": IprevResult(result=None)}, explained(C.METHOD_NOT_RUN)),
        (PASS, {}, AGREES),
        ("dkim=pass header.i=@s.example", {}, AGREES),
        ("dkim=pass header.i=a@news.s.example", {}, AGREES),
        ("dkim=pass", {}, AGREES),
        ("dkim=fail header.d=s.example", {"dkim": GONE}, AGREES),
        (PASS, {"dkim": GONE}, explained(C.KEY_GONE)),
        (PASS, {"dkim": (sig(DkimWord.PERMERROR, Reason.KEY_REVOKED),)}, explained(C.KEY_GONE)),
        (PASS, {"dkim": (sig(DkimWord.PERMERROR, Reason.KEY_SYNTAX),), "records_later": True}, explained(C.KEY_CHANGED)),
        (PASS, {"dkim": (sig(DkimWord.FAIL, Reason.SIGNATURE_MISMATCH, body_hash_holds=True),), "records_later": True}, explained(C.KEY_CHANGED)),
        (PASS, {"dkim": (sig(DkimWord.FAIL, Reason.SIGNATURE_MISMATCH, body_hash_holds=True),)}, explained(C.COPY_ALTERED)),
        (PASS, {"dkim": (sig(DkimWord.FAIL, Reason.SIGNATURE_MISMATCH),), "records_later": True}, explained(C.COPY_ALTERED)),
        (PASS, {"dkim": (sig(DkimWord.PERMERROR, Reason.KEY_SYNTAX),)}, explained(C.STRICTER_HERE)),
        (PASS, {"dkim": FAIL}, explained(C.COPY_ALTERED)),
        (PASS, {"dkim": FAIL, "records_later": True}, explained(C.COPY_ALTERED)),
        (PASS, {"dkim": ()}, explained(C.COPY_ALTERED)),
        (PASS, {"dkim": (sig(DkimWord.POLICY, Reason.EXPIRED),)}, explained(C.EXPIRED_SINCE)),
        (PASS, {"dkim": (sig(DkimWord.TEMPERROR, Reason.DNS_TIMEOUT),)}, explained(C.DNS_TROUBLE)),
        ("dkim=temperror header.d=s.example", {}, explained(C.DNS_TROUBLE)),
        (PASS, {"dkim": (sig(None, Reason.NOT_RECORDED),)}, explained(C.METHOD_NOT_RUN)),
        (PASS, {"dkim": (sig(DkimWord.PERMERROR, Reason.RSA_SHA1),)}, explained(C.STRICTER_HERE)),
        (PASS, {"dkim": (sig(DkimWord.POLICY, Reason.UNSIGNED_OCTETS),)}, explained(C.STRICTER_HERE)),
        (PASS, {"dkim": (sig(DkimWord.PERMERROR, Reason.KEY_TOO_SHORT),)}, explained(C.STRICTER_HERE)),
        (PASS, {"dkim": (sig(DkimWord.PERMERROR, Reason.LIBRARY_ERROR),)}, DIFFERS),
        ("dkim=fail header.d=s.example", {}, DIFFERS),
        ("dkim=fail header.d=s.example", {"records_later": True}, explained(C.KEY_CHANGED)),
        ("dkim=none", {"dkim": ()}, AGREES),
        ("dkim=none", {}, DIFFERS),
        ("dkim=none", {"fidelity": Fidelity.PARTIAL}, explained(C.COPY_ALTERED)),
        ("arc=none", {}, AGREES),
        ("arc=pass", {"arc": ArcResult(result=ArcWord.PASS)}, AGREES),
        ("arc=none", {"arc": ArcResult(result=ArcWord.PASS)}, incomparable(C.OTHER_ORIGIN)),
        ("arc=pass", {}, explained(C.COPY_ALTERED)),
        ("arc=pass", {"arc": ArcResult(result=None)}, explained(C.METHOD_NOT_RUN)),
        ("arc=pass", {"arc": ArcResult(result=ArcWord.FAIL, reason=Reason.SEAL_FAILED, sets=(ArcSet(instance=1, seal_reason=Reason.NO_KEY),))}, explained(C.KEY_GONE)),
        ("arc=pass", {"arc": ArcResult(result=ArcWord.FAIL, reason=Reason.MESSAGE_SIGNATURE_FAILED)}, explained(C.COPY_ALTERED)),
        ("arc=pass", {"arc": ArcResult(result=ArcWord.FAIL, reason=Reason.CHAIN_STRUCTURE)}, DIFFERS),
        ("arc=fail", {"arc": ArcResult(result=ArcWord.PASS)}, DIFFERS),
        ("dmarc=pass header.from=s.example", {}, AGREES),
        ("dmarc=pass", {}, AGREES),
        ("dmarc=pass header.from=b@s.example", {}, AGREES),
        ("dmarc=pass header.from=other.example", {}, incomparable(C.OTHER_ORIGIN)),
        ("dmarc=fail header.from=s.example", {}, DIFFERS),
        ("dmarc=none header.from=s.example", {"records_later": True}, explained(C.RECORD_CHANGED)),
        ("dmarc=none header.from=s.example", {"dmarc": dmarc(old_result=DmarcWord.NONE)}, explained(C.OLD_STANDARD)),
        ("dmarc=pass header.from=s.example", {"dmarc": dmarc(None, Reason.NOT_RECORDED)}, explained(C.METHOD_NOT_RUN)),
        ("dmarc=pass header.from=s.example", {"dmarc": dmarc(None, Reason.COPY_ALTERED)}, explained(C.COPY_ALTERED)),
        ("dmarc=pass header.from=s.example", {"dmarc": dmarc(None, Reason.RECORDS_LATER)}, explained(C.RECORD_CHANGED)),
        ("dmarc=pass header.from=s.example", {"dmarc": dmarc(DmarcWord.TEMPERROR)}, explained(C.DNS_TROUBLE)),
    ],
)  # fmt: skip
def test_one_result(clauses: str, changes: dict[str, Any], expected: object) -> None:
    assert outcome(clauses, **changes) == expected


ABLE = (Identifier(Method.DKIM, "s.example", IdentifierState.NOT_PASS),)
FAILED = dmarc(DmarcWord.FAIL, Reason.NOT_ALIGNED, could_align=ABLE)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dkim": GONE}, explained(C.KEY_GONE)),
        ({"dkim": FAIL}, explained(C.COPY_ALTERED)),
        ({"dkim": (), "spf": (spf(SpfWord.FAIL),)}, DIFFERS),
        ({"dkim": (), "spf": (spf(SpfWord.FAIL),), "records_later": True}, explained(C.RECORD_CHANGED)),
        ({"dkim": (), "spf": (spf(None),)}, explained(C.METHOD_NOT_RUN)),
        ({"dkim": (), "spf": (spf(SpfWord.PASS, Reason.ORIGIN_INFERRED),)}, explained(C.METHOD_NOT_RUN)),
        ({"dkim": (sig(DkimWord.PERMERROR, Reason.NO_KEY, domain="other.example"),)}, DIFFERS),
    ],
)
def test_a_recorded_dmarc_pass_that_we_cannot_repeat(changes: dict[str, Any], expected: object) -> None:
    assert outcome("dmarc=pass header.from=s.example", dmarc=FAILED, **changes) == expected


def test_expired_before_the_receipt_is_our_strictness() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    expired = (sig(DkimWord.POLICY, Reason.EXPIRED, expires_at=early),)
    origin = Origin(source=OriginSource.PROFILE, received_at=late)
    assert outcome(PASS, dkim=expired, origin=origin) == explained(C.STRICTER_HERE)
    origin = Origin(source=OriginSource.PROFILE, received_at=early)
    assert outcome(PASS, dkim=expired, origin=origin) == explained(C.EXPIRED_SINCE)


def test_signatures_of_one_domain_are_told_apart_by_the_start_of_b() -> None:
    both = (sig(DkimWord.FAIL, Reason.BODY_HASH_MISMATCH, b="11111111"), sig(b="22222222"))
    assert outcome("dkim=pass header.d=s.example header.b=11111111", dkim=both) == explained(C.COPY_ALTERED)
    assert outcome("dkim=pass header.d=s.example header.b=2222222233", dkim=both) == AGREES
    assert outcome("dkim=pass header.d=s.example", dkim=both) == AGREES


def test_the_helo_result_is_set_against_our_helo_result() -> None:
    ours = (spf(SpfWord.FAIL), spf(identity=Identity.HELO, domain="h.example"))
    assert outcome("spf=pass smtp.helo=h.example", spf=ours) == AGREES
    assert outcome("spf=pass smtp.mailfrom= smtp.helo=h.example", spf=ours) == AGREES
    assert outcome("spf=pass smtp.mailfrom=s.example smtp.helo=h.example", spf=ours) == DIFFERS


@pytest.mark.parametrize("standing", [RecordedStanding.UNTRUSTED, RecordedStanding.FORGED])
def test_for_what_nobody_vouches_for_nothing_is_explained(standing: RecordedStanding) -> None:
    assert outcome(PASS, standing, dkim=FAIL) == DIFFERS
    assert outcome(PASS, standing, dkim=()) == DIFFERS
    assert outcome(PASS, standing) == AGREES
    for clauses in ("spf=pass smtp.mailfrom=s.example", "dmarc=pass", "iprev=pass", "arc=none"):
        assert outcome(clauses, standing) == incomparable(C.OTHER_ORIGIN)


def test_an_inferred_field_is_explained_like_a_trusted_one() -> None:
    assert outcome(PASS, RecordedStanding.INFERRED, dkim=GONE) == explained(C.KEY_GONE)


def test_the_chain_that_a_seal_speaks_of_is_the_one_before_it() -> None:
    name = "ARC-Authentication-Results"
    assert outcome("arc=pass", name=name, arc=ArcResult(result=ArcWord.PASS)) == incomparable(C.OTHER_ORIGIN)
    assert outcome("spf=pass smtp.mailfrom=s.example", name=name) == AGREES


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ("none", (Comparison.NOT_COMPARABLE, None)),
        ("compauth=pass; spf=pass smtp.mailfrom=s.example", AGREES),
        ("spf=pass smtp.mailfrom=s.example; dkim=pass header.d=s.example", explained(C.KEY_GONE)),
        ("spf=fail smtp.mailfrom=s.example; dkim=pass header.d=s.example", DIFFERS),
        ("compauth=pass; spf=pass smtp.mailfrom=list.example", incomparable(C.NOT_OUR_RESULT)),
    ],
)
def test_the_gravest_word_is_the_fields(clauses: str, expected: object) -> None:
    (field,) = compare([recorded(clauses)], findings(dkim=GONE))
    assert (field.comparison, field.reason) == expected


WORDS = st.sampled_from(["pass", "fail", "none", "temperror", "permerror", "neutral", "odd"])


@given(
    st.lists(st.tuples(st.sampled_from(["spf", "dkim", "arc", "iprev", "dmarc", "x"]), WORDS, st.sampled_from(["", " header.d=s.example", " smtp.mailfrom=<>", " header.from=é"])), max_size=4),
    st.sampled_from(list(RecordedStanding)),
    st.none() | st.sampled_from(list(DkimWord)),
    st.sampled_from(list(Reason)),
    st.none() | st.sampled_from(list(DmarcWord)),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_every_result_gets_a_word_and_only_the_record_changes(
    said: list[tuple[str, str, str]],
    standing: RecordedStanding,
    word: DkimWord | None,
    reason: Reason,
    conclusion: DmarcWord | None,
    later: bool,
) -> None:
    ours = findings(dkim=(sig(word, reason),), dmarc=dmarc(conclusion, reason), records_later=later)
    before = recorded("; ".join(f"{m}={r}{p}" for m, r, p in said) or "none", standing)
    (after,) = compare([before], ours)
    assert after.comparison is not None
    assert [(r.method, r.result, r.properties) for r in after.results] == [
        (r.method, r.result, r.properties) for r in before.results
    ]
    assert all(r.comparison is not None for r in after.results)
    assert all(
        (r.reason is not None) == (r.comparison in (Comparison.EXPLAINED, Comparison.NOT_COMPARABLE))
        for r in after.results
    )

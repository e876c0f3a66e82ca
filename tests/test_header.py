"""The Authentication-Results field that we write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.grammar.results import parse_results
from verify.model import (
    ArcResult,
    ArcWord,
    Author,
    Conclusion,
    ConclusionReason,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    FidelityNote,
    Identity,
    IprevResult,
    IprevWord,
    JudgedAtSource,
    Limits,
    Origin,
    OriginSource,
    PolicyWord,
    Reason,
    Source,
    SpfResult,
    SpfWord,
    Verdict,
    replace,
)
from verify.render import header
from verify.render.header import authentication_results, check_with_authres, to_header

ORIGIN = Origin(client_ip="192.0.2.1", helo="h.example", mail_from="b@s.example", source=OriginSource.ENVELOPE)
SPF = SpfResult(identity=Identity.MAILFROM, domain="s.example", result=SpfWord.PASS, reason=Reason.MATCHED)
HELO = SpfResult(identity=Identity.HELO, domain="h.example", result=SpfWord.FAIL, reason=Reason.MATCHED)
DKIM = DkimResult(
    domain="s.example",
    selector="k1",
    auid="@s.example",
    algorithm="rsa-sha256",
    result=DkimWord.PASS,
    reason=Reason.VERIFIED,
    b="AbCdEfGh",
)
ARC = ArcResult(result=ArcWord.NONE)
IPREV = IprevResult(result=IprevWord.PASS, reason=Reason.CONFIRMED)
DMARC = DmarcResult(
    result=DmarcWord.PASS, reason=Reason.ALIGNED, author_domain="s.example", applied_policy=PolicyWord.REJECT
)


def verdict(**changes: Any) -> Verdict:
    parts: dict[str, Any] = {
        "source": Source(),
        "authserv_id": "mx.r.example",
        "judged_at": datetime(2026, 1, 1, tzinfo=UTC),
        "judged_at_source": JudgedAtSource.OPTION,
        "conclusion": Conclusion.AUTHENTICATED,
        "conclusion_reason": ConclusionReason.DKIM_ALIGNED,
        "author": Author(domain="s.example"),
        "origin": ORIGIN,
        "spf": (SPF, HELO),
        "dkim": (DKIM,),
        "arc": ARC,
        "iprev": IPREV,
        "dmarc": DMARC,
    }
    return Verdict(**(parts | changes))


def clause(judged: Verdict, method: str) -> list[str]:
    return [c for c in authentication_results(judged).split("; ") if c.startswith(method + "=")]


def test_says_every_result_in_order() -> None:
    assert authentication_results(verdict()) == (
        "mx.r.example; spf=pass smtp.mailfrom=s.example; "
        "dkim=pass header.d=s.example header.i=@s.example header.s=k1 header.a=rsa-sha256 header.b=AbCdEfGh; "
        "arc=none; iprev=pass policy.iprev=192.0.2.1; dmarc=pass header.from=s.example policy.dmarc=reject"
    )


def test_reason_is_said_of_what_is_no_pass() -> None:
    failed = replace(DKIM, result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH)
    assert clause(verdict(dkim=(failed,)), "dkim")[0].startswith('dkim=fail reason="body-hash-mismatch" header.d=')


def test_one_spf_result_and_it_is_that_of_mail_from() -> None:
    assert clause(verdict(), "spf") == ["spf=pass smtp.mailfrom=s.example"]
    assert clause(verdict(spf=(HELO,)), "spf") == []


def test_null_reverse_path_reports_helo() -> None:
    origin = replace(ORIGIN, mail_from="")
    assert clause(verdict(origin=origin, spf=(HELO,)), "spf") == ['spf=fail reason="matched" smtp.helo=h.example']
    through_mail_from = replace(SPF, domain="h.example")
    assert clause(verdict(origin=origin, spf=(through_mail_from,)), "spf") == ["spf=pass smtp.helo=h.example"]


def test_mail_from_that_is_no_address_has_no_property() -> None:
    result = SpfResult(identity=Identity.MAILFROM, domain=None, result=SpfWord.NONE, reason=Reason.NOT_AN_ADDRESS)
    assert clause(verdict(spf=(result,)), "spf") == ['spf=none reason="not-an-address"']


@pytest.mark.parametrize("origin", [replace(ORIGIN, source=OriginSource.INFERRED), replace(ORIGIN, conflict=True)])
def test_spf_pass_for_a_client_that_nobody_vouches_for_is_left_out(origin: Origin) -> None:
    assert clause(verdict(origin=origin), "spf") == []
    assert clause(verdict(origin=origin), "iprev") == []
    failed = replace(SPF, result=SpfWord.FAIL)
    assert clause(verdict(origin=origin, spf=(failed,)), "spf") == ['spf=fail reason="matched" smtp.mailfrom=s.example']


def test_what_could_not_be_run_is_left_out() -> None:
    judged = verdict(
        spf=(replace(SPF, result=None, reason=Reason.NO_CLIENT_IP),),
        dkim=(replace(DKIM, result=None, reason=Reason.NOT_RECORDED),),
        iprev=IprevResult(result=None, reason=Reason.NO_CLIENT_IP),
        dmarc=DmarcResult(result=None, reason=Reason.NOT_RECORDED),
    )
    assert authentication_results(judged) == "mx.r.example; arc=none"


def test_nothing_checked_at_all_is_none_alone() -> None:
    judged = verdict(
        source=Source(fidelity_notes=(FidelityNote.NO_TRANSPORT_HEADERS,)),
        spf=(),
        dkim=(),
        arc=ArcResult(result=None),
        iprev=IprevResult(result=None),
        dmarc=DmarcResult(result=None),
    )
    assert authentication_results(judged) == "mx.r.example; none"
    check_with_authres(judged, to_header(judged))


def test_no_signature_is_dkim_none() -> None:
    assert clause(verdict(dkim=()), "dkim") == ["dkim=none"]


def test_every_signature_is_said() -> None:
    other = replace(DKIM, domain="t.example", b="xyz/+abc")
    said = clause(verdict(dkim=(DKIM, other)), "dkim")
    assert len(said) == 2
    assert said[1].endswith('header.b="xyz/+abc"')


def test_arc_says_client_address_and_oldest_pass_and_quotes_ipv6() -> None:
    judged = verdict(arc=ArcResult(result=ArcWord.PASS, oldest_pass=0), origin=replace(ORIGIN, client_ip="2001:db8::1"))
    assert clause(judged, "arc") == ['arc=pass header.oldest-pass=0 smtp.remote-ip="2001:db8::1"']
    assert clause(judged, "iprev") == ['iprev=pass policy.iprev="2001:db8::1"']


def test_hostile_values_are_left_out_with_their_property() -> None:
    forged = "x.example; dkim=pass header.d=bank.test"
    bad = DkimResult(
        domain=forged,
        selector='s"; dkim=pass',
        auid=f"a@{forged}",
        algorithm="rsa; dkim=pass",
        result=DkimWord.PERMERROR,
        reason=Reason.BAD_DOMAIN,
        b="(;=",
    )
    assert clause(verdict(dkim=(bad,)), "dkim") == ['dkim=permerror reason="bad-domain"']


def test_auid_with_an_unusual_local_part_is_said_by_its_domain() -> None:
    assert "header.i=@s.example" in authentication_results(verdict(dkim=(replace(DKIM, auid='"a;b"@S.example'),)))


def test_field_is_folded_with_crlf() -> None:
    lines = to_header(verdict()).split("\r\n")
    assert lines[0] == "Authentication-Results: mx.r.example;"
    assert lines[-1] == ""
    assert all(line.startswith("\t") and len(line) <= 71 and "\n" not in line for line in lines[1:-1])


def test_field_that_does_not_read_back_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "write_results", lambda *_: "mx.r.example; dkim=pass header.d=bank.test")
    with pytest.raises(RuntimeError, match="does not read back"):
        to_header(verdict())
    with pytest.raises(RuntimeError, match="something else"):
        check_with_authres(verdict(), "Authentication-Results: mx.r.example; dkim=pass header.d=bank.test\r\n")
    with pytest.raises(RuntimeError, match="cannot read"):
        check_with_authres(verdict(), "Authentication-Results: ;;\r\n")


TEXT = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.sampled_from(["s.example", "a@s.example", "x; dkim=pass header.d=bank.test", 'q"', "(c", "k1", "AbCd+/==", "\r\nX: y", "'", "a.b"]),
)  # fmt: skip
DKIMS = st.lists(
    st.builds(
        DkimResult,
        domain=TEXT,
        selector=TEXT,
        auid=TEXT,
        algorithm=TEXT,
        b=TEXT,
        result=st.sampled_from(list(DkimWord)),
        reason=st.none() | st.sampled_from(list(Reason)),
    ),
    max_size=3,
)
ORIGINS = st.builds(
    Origin,
    client_ip=st.sampled_from([None, "192.0.2.1", "2001:db8::1"]),
    mail_from=TEXT,
    source=st.sampled_from(list(OriginSource)),
    conflict=st.booleans(),
)
SPFS = st.builds(
    SpfResult,
    identity=st.sampled_from(list(Identity)),
    domain=TEXT,
    result=st.none() | st.sampled_from(list(SpfWord)),
    reason=st.none() | st.sampled_from(list(Reason)),
)
DMARCS = st.builds(
    DmarcResult,
    result=st.none() | st.sampled_from(list(DmarcWord)),
    reason=st.none() | st.sampled_from(list(Reason)),
    author_domain=TEXT,
    applied_policy=st.none() | st.sampled_from(list(PolicyWord)),
)
ARCS = st.builds(
    ArcResult, result=st.none() | st.sampled_from(list(ArcWord)), oldest_pass=st.none() | st.integers(0, 50)
)


@given(DKIMS, ORIGINS, st.lists(SPFS, max_size=2), DMARCS, ARCS, st.sampled_from(["mx.r.example", "an id"]))
@settings(max_examples=150, deadline=None)
def test_two_readers_find_exactly_the_results_of_the_verdict(
    dkim: list[DkimResult],
    origin: Origin,
    spf: list[SpfResult],
    dmarc: DmarcResult,
    arc: ArcResult,
    authserv_id: str,
) -> None:
    judged = verdict(dkim=tuple(dkim), origin=origin, spf=tuple(spf), dmarc=dmarc, arc=arc, authserv_id=authserv_id)
    field = to_header(judged)
    check_with_authres(judged, field)
    assert field.isascii()
    parsed = parse_results(field.partition(":")[2].encode(), Limits())
    assert parsed is not None
    words = [(r.method, r.result) for r in parsed.results]
    assert [w for m, w in words if m == "dkim"] == ([d.result.value for d in dkim if d.result] or ["none"])
    assert [w for m, w in words if m == "dmarc"] == ([dmarc.result.value] if dmarc.result else [])
    assert [w for m, w in words if m == "arc"] == ([arc.result.value] if arc.result else [])
    assert len([w for m, w in words if m == "spf"]) <= 1

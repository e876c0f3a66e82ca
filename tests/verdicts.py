"""Verdicts made by hand: one for each conclusion reason, and a full one that has something to say everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from verify.model import (
    ActionKind,
    ActionReason,
    Alignment,
    AlignmentMode,
    Anomaly,
    AnomalyCode,
    ArcResult,
    ArcSet,
    ArcWord,
    Author,
    AuthorPolicy,
    Cause,
    Comparison,
    ComparisonReason,
    Conclusion,
    ConclusionReason,
    Confidence,
    Coverage,
    Diagnosis,
    DiagnosisCode,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    DnsError,
    DnsUse,
    Fidelity,
    FidelityNote,
    FieldCoverage,
    Hop,
    Identifier,
    IdentifierState,
    Identity,
    IprevResult,
    IprevWord,
    JudgedAtSource,
    Mailbox,
    Method,
    Origin,
    OriginatingIp,
    OriginReason,
    OriginSource,
    Outcome,
    PolicyWord,
    Proof,
    Reading,
    Reason,
    Recorded,
    RecordedResult,
    RecordedStanding,
    Rehearsal,
    Source,
    SpfResult,
    SpfWord,
    Standing,
    Tls,
    Untold,
    Verdict,
    WalkStep,
    WrittenBy,
    replace,
)

AUTHOR = "shop.example"
OTHER = "bulk.example"
RECEIVED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

R = ConclusionReason
_CONCLUSION = {
    R.DKIM_ALIGNED: Conclusion.AUTHENTICATED,
    R.SPF_ALIGNED: Conclusion.AUTHENTICATED,
    R.NOT_ALIGNED: Conclusion.FAILED,
    R.AUTHOR_MISSING: Conclusion.FAILED,
    R.AUTHOR_REPEATED: Conclusion.FAILED,
    R.AUTHOR_SEVERAL_DOMAINS: Conclusion.FAILED,
    R.AUTHOR_AMBIGUOUS: Conclusion.FAILED,
    R.NO_POLICY: Conclusion.UNPROTECTED,
}


def hops() -> tuple[Hop, ...]:
    """Three hops, topmost first: inside the receiver, its border, and one that the sender claims."""
    return (
        Hop(
            index=0,
            from_helo="mx.receiver.example",
            from_name="mx.receiver.example",
            from_ip="198.51.100.1",
            by="store.receiver.example",
            with_="LMTP",
            tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
            id="0aBc",
            date=datetime(2026, 3, 4, 5, 6, 9, tzinfo=UTC),
            delay_seconds=2,
            standing=Standing.OURS,
            raw="from mx.receiver.example (mx.receiver.example [198.51.100.1]) by store.receiver.example",
            field_index=1,
            dialect="postfix",
        ),
        Hop(
            index=1,
            from_helo="out.shop.example",
            from_name="out.shop.example",
            from_ip="192.0.2.25",
            by="mx.receiver.example",
            with_="ESMTPS",
            tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
            id="4XyZ",
            for_="user@receiver.example",
            date=RECEIVED,
            delay_seconds=65,
            standing=Standing.BORDER,
            raw="from out.shop.example (out.shop.example [192.0.2.25]) by mx.receiver.example (Postfix) with ESMTPS",
            field_index=2,
            dialect="postfix",
        ),
        Hop(
            index=2,
            from_helo="[10.0.0.7]",
            from_ip="10.0.0.7",
            by="out.shop.example",
            with_="ESMTPA",
            auth_user="desk",
            date=datetime(2026, 3, 4, 5, 5, 2, tzinfo=UTC),
            raw="from [10.0.0.7] (unknown [10.0.0.7]) by out.shop.example with ESMTPA",
            field_index=9,
            dialect="exim",
            authenticated=True,
        ),
    )


def origin(**changes: Any) -> Origin:
    made = Origin(
        client_ip="192.0.2.25",
        helo="out.shop.example",
        mail_from="bounce@shop.example",
        source=OriginSource.PROFILE,
        border=1,
        profile="gmail",
        confidence=Confidence.CERTAIN,
        reason=OriginReason.PROFILE_BORDER_HOST,
        received_at=RECEIVED,
        encrypted=True,
    )
    return replace(made, **changes)


def signature(**changes: Any) -> DkimResult:
    made = DkimResult(
        domain=AUTHOR,
        selector="s2026",
        auid=f"@{AUTHOR}",
        algorithm="rsa-sha256",
        key_bits=2048,
        testing=False,
        result=DkimWord.PASS,
        reason=Reason.VERIFIED,
        signed_fields=("from", "to", "subject", "date"),
        unsigned_octets=0,
        signed_at=RECEIVED,
        aligned=True,
        b="a/b1c2d3",
        index=8,
    )
    return replace(made, **changes)


def spf(**changes: Any) -> SpfResult:
    made = SpfResult(
        identity=Identity.MAILFROM,
        domain=AUTHOR,
        result=SpfWord.PASS,
        reason=Reason.MATCHED,
        mechanism="ip4:192.0.2.0/24",
        record="v=spf1 ip4:192.0.2.0/24 -all",
        lookups=1,
    )
    return replace(made, **changes)


def dmarc(result: DmarcWord | None = DmarcWord.PASS, **changes: Any) -> DmarcResult:
    made = DmarcResult(
        result=result,
        reason=Reason.ALIGNED if result is DmarcWord.PASS else Reason.NOT_ALIGNED,
        author_domain=AUTHOR,
        organizational_domain=AUTHOR,
        policy_domain=AUTHOR,
        record="v=DMARC1; p=reject",
        policy=PolicyWord.REJECT,
        applied_policy=PolicyWord.REJECT,
        disposition=PolicyWord.NONE if result is DmarcWord.PASS else PolicyWord.QUARANTINE,
        test_mode=False,
        walk=(
            WalkStep(name=f"_dmarc.{AUTHOR}", outcome=Outcome.FOUND, record="v=DMARC1; p=reject"),
            WalkStep(name="_dmarc.example", outcome=Outcome.NXDOMAIN),
        ),
        policy_tag="p",
        could_align=(Identifier(Method.DKIM, AUTHOR, IdentifierState.PASS),),
    )
    return replace(made, **changes)


def aligned(domain: str, method: Method, value: bool | None = True) -> Alignment:
    return Alignment(identifier=domain, method=method, mode=AlignmentMode.RELAXED, aligned=value)


def verdict(reason: ConclusionReason = R.DKIM_ALIGNED, **changes: Any) -> Verdict:
    """A representative verdict for one conclusion reason."""
    made = Verdict(
        source=Source(path="suspect.eml", sha256="0" * 64, judged_sha256="1" * 64, size=4711),
        authserv_id="mx.receiver.example",
        judged_at=RECEIVED,
        judged_at_source=JudgedAtSource.RECEIPT,
        conclusion=_CONCLUSION.get(reason, Conclusion.UNDETERMINED),
        conclusion_reason=reason,
        author=Author(
            domain=AUTHOR,
            addresses=(Mailbox(f"orders@{AUTHOR}", AUTHOR),),
            readings=(Reading(f"orders@{AUTHOR}", AUTHOR, "strict"),),
        ),
        origin=origin(),
        hops=hops(),
        spf=(
            spf(),
            spf(
                identity=Identity.HELO,
                domain="out.shop.example",
                result=SpfWord.NONE,
                reason=Reason.NO_RECORD,
                mechanism=None,
                record=None,
                lookups=0,
            ),
        ),
        dkim=(signature(),),
        arc=ArcResult(result=ArcWord.NONE),
        iprev=IprevResult(
            result=IprevWord.PASS,
            names=("out.shop.example",),
            confirmed=("out.shop.example",),
            reason=Reason.CONFIRMED,
        ),
        dmarc=dmarc(aligned=(aligned(AUTHOR, Method.DKIM), aligned(AUTHOR, Method.SPF))),
        dns=DnsUse(questions=7, recorded=7),
        elapsed_ms=1.5,
    )
    return replace(made, **{**_CHANGES[reason](), **changes})


def _bad_signature(**changes: Any) -> DkimResult:
    return signature(result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH, **changes)


def _unproven(**changes: Any) -> dict[str, Any]:
    """Nothing proves anything, and DMARC is left open."""
    return {
        "dkim": (),
        "dmarc": dmarc(None, reason=Reason.NO_CLIENT_IP, disposition=PolicyWord.NONE),
        **changes,
    }


def _no_author(problem: Reason, *addresses: str) -> dict[str, Any]:
    boxes = tuple(Mailbox(address, address.rsplit("@", 1)[-1]) for address in addresses)
    return {
        "author": Author(
            domain=None,
            addresses=boxes,
            readings=tuple(Reading(box.address, box.domain, "strict") for box in boxes),
            ambiguous=problem is Reason.AUTHOR_AMBIGUOUS,
            problem=problem,
        ),
        "dkim": (signature(aligned=None),),
        "dmarc": DmarcResult(
            result=DmarcWord.PERMERROR,
            reason=problem,
            disposition=PolicyWord.QUARANTINE,
            author_policies=tuple(
                AuthorPolicy(domain=box.domain or "", policy_domain=box.domain, applied_policy=policy, outcome=outcome)
                for box, policy, outcome in zip(
                    boxes, (PolicyWord.REJECT, None, None), (None, DmarcWord.NONE, DmarcWord.TEMPERROR), strict=False
                )
            ),
        ),
    }


def _inferred(**changes: Any) -> Origin:
    return origin(
        source=OriginSource.INFERRED,
        profile=None,
        confidence=Confidence.GUESS,
        reason=OriginReason.FIRST_PUBLIC,
        received_at=None,
        **changes,
    )


def _no_origin(reason: OriginReason) -> dict[str, Any]:
    why = Reason.NEVER_CROSSED_BORDER if reason is OriginReason.NEVER_CROSSED else Reason.ORIGIN_UNKNOWN
    return _unproven(
        origin=Origin(reason=reason),
        spf=tuple(
            SpfResult(identity=one, domain=None, result=None, reason=why) for one in (Identity.MAILFROM, Identity.HELO)
        ),
        iprev=IprevResult(result=None, reason=why),
        dmarc=dmarc(None, reason=why, disposition=PolicyWord.NONE),
    )


_CHANGES: dict[ConclusionReason, Any] = {
    R.DKIM_ALIGNED: dict,
    R.SPF_ALIGNED: lambda: {"dkim": (), "dmarc": dmarc(aligned=(aligned(AUTHOR, Method.SPF),))},
    R.NOT_ALIGNED: lambda: {
        "dkim": (signature(domain=OTHER, auid=f"@{OTHER}", aligned=False),),
        "spf": (spf(domain=OTHER),),
        "origin": origin(mail_from=f"bounce@{OTHER}"),
        "dmarc": dmarc(DmarcWord.FAIL, aligned=(aligned(OTHER, Method.DKIM, False),), could_align=()),
    },
    R.AUTHOR_MISSING: lambda: _no_author(Reason.AUTHOR_MISSING),
    R.AUTHOR_REPEATED: lambda: _no_author(Reason.AUTHOR_REPEATED, f"orders@{AUTHOR}", "ceo@bank.example"),
    R.AUTHOR_SEVERAL_DOMAINS: lambda: _no_author(
        Reason.AUTHOR_SEVERAL_DOMAINS, f"orders@{AUTHOR}", "ceo@bank.example", "x@late.example"
    ),
    R.AUTHOR_AMBIGUOUS: lambda: _no_author(Reason.AUTHOR_AMBIGUOUS, "ceo@bank.example", "a@attack.example"),
    R.NO_POLICY: lambda: {
        "dmarc": DmarcResult(
            result=DmarcWord.NONE, reason=Reason.NO_POLICY, author_domain=AUTHOR, disposition=PolicyWord.NONE
        )
    },
    R.DNS: lambda: _unproven(
        dkim=(signature(result=DkimWord.TEMPERROR, reason=Reason.DNS_TIMEOUT, key_bits=None),),
        spf=(spf(result=SpfWord.TEMPERROR, reason=Reason.DNS_SERVFAIL, mechanism=None),),
        dmarc=dmarc(DmarcWord.TEMPERROR, reason=Reason.DNS_TIMEOUT),
        dns=DnsUse(
            questions=5,
            live=5,
            errors=(
                DnsError(name=f"s2026._domainkey.{AUTHOR}", type="TXT", outcome=Outcome.TEMPORARY, cause=Cause.TIMEOUT),
            ),
        ),
        anomalies=(Anomaly(AnomalyCode.EXISTENCE_UNKNOWN, AUTHOR),),
    ),
    R.NOT_RECORDED: lambda: _unproven(
        dkim=(signature(result=None, reason=Reason.NOT_RECORDED, key_bits=None),),
        spf=(spf(result=None, reason=Reason.NOT_RECORDED, mechanism=None, record=None),),
        dmarc=dmarc(None, reason=Reason.NOT_RECORDED),
    ),
    R.ORIGIN_UNKNOWN: lambda: _no_origin(OriginReason.NO_ADDRESS),
    R.ORIGIN_INFERRED: lambda: _unproven(
        origin=_inferred(), spf=(spf(reason=Reason.ORIGIN_INFERRED),), dmarc=dmarc(None, reason=Reason.ORIGIN_INFERRED)
    ),
    R.NEVER_CROSSED_BORDER: lambda: _no_origin(OriginReason.NEVER_CROSSED),
    R.RECORDS_LATER: lambda: _unproven(
        dkim=(signature(result=DkimWord.PERMERROR, reason=Reason.NO_KEY, key_bits=None),),
        dmarc=dmarc(None, reason=Reason.RECORDS_LATER),
        anomalies=(Anomaly(AnomalyCode.RECORDS_LATER_THAN_MAIL, "120 days"),),
    ),
    R.COPY_ALTERED: lambda: _unproven(
        dkim=(_bad_signature(diagnoses=(Diagnosis(DiagnosisCode.FOOTER_REMOVED, "4"),)),),
        dmarc=dmarc(None, reason=Reason.COPY_ALTERED),
        recorded=(recorded(),),
    ),
    R.NOT_CHECKABLE: lambda: _unproven(
        source=Source(
            path="suspect.msg",
            size=9000,
            sha256="2" * 64,
            fidelity=Fidelity.SYNTHETIC,
            fidelity_notes=(FidelityNote.NO_ORIGINAL_BYTES,),
        ),
        dkim=(signature(result=None, reason=Reason.NOT_CHECKABLE),),
    ),
    R.LIMIT: lambda: _unproven(
        dmarc=dmarc(None, reason=Reason.LIMIT), anomalies=(Anomaly(AnomalyCode.LIMIT_HIT, "header_fields"),)
    ),
    R.ONE_LABEL_DOMAIN: lambda: {
        "dmarc": dmarc(
            policy_domain="example",
            organizational_domain="example",
            aligned=(aligned("mail.example", Method.DKIM),),
        ),
        "dkim": (signature(domain="mail.example"),),
        "anomalies": (Anomaly(AnomalyCode.ONE_LABEL_DOMAIN, "example"),),
    },
}


def recorded(**changes: Any) -> Recorded:
    made = Recorded(
        field="Authentication-Results",
        index=3,
        authserv_id="mx.receiver.example",
        standing=RecordedStanding.TRUSTED,
        results=(
            RecordedResult(
                method="dkim",
                result="pass",
                properties={"header.d": AUTHOR, "header.s": "s2026"},
                comparison=Comparison.EXPLAINED,
                reason=ComparisonReason.COPY_ALTERED,
            ),
            RecordedResult(
                method="dmarc",
                result="pass",
                properties={"header.from": AUTHOR},
                comparison=Comparison.EXPLAINED,
                reason=ComparisonReason.COPY_ALTERED,
            ),
        ),
        comparison=Comparison.EXPLAINED,
        reason=ComparisonReason.COPY_ALTERED,
    )
    return replace(made, **changes)


def full() -> Verdict:
    """A forwarded message about which every part of the verdict has something to say."""
    return verdict(
        R.NOT_ALIGNED,
        source=Source(
            path="exports/all.mbox",
            member="inbox.mbox",
            index=17,
            sha256="3" * 64,
            judged_sha256="4" * 64,
            size=48213,
            fidelity=Fidelity.QUOTING_UNDONE,
            fidelity_notes=(FidelityNote.LF_TO_CRLF, FidelityNote.MBOX_QUOTING_UNDONE),
        ),
        dkim=(
            _bad_signature(diagnoses=(Diagnosis(DiagnosisCode.FOOTER_REMOVED, "4"),)),
            signature(
                domain="list.example",
                selector="ed",
                algorithm="ed25519-sha256",
                key_bits=256,
                aligned=False,
                b="Zz9",
                index=5,
            ),
        ),
        arc=ArcResult(
            result=ArcWord.PASS,
            oldest_pass=2,
            sets=(
                ArcSet(
                    instance=2,
                    sealer="list.example",
                    seal=ArcWord.PASS,
                    message_signature=ArcWord.PASS,
                    cv="pass",
                    results=(RecordedResult(method="dmarc", result="pass", properties={"header.from": AUTHOR}),),
                ),
                ArcSet(instance=1, sealer="in.example", seal=ArcWord.PASS, message_signature=ArcWord.FAIL, cv="none"),
            ),
        ),
        dmarc=dmarc(
            DmarcWord.FAIL,
            aligned=(aligned("list.example", Method.DKIM, False), aligned(OTHER, Method.SPF, False)),
            old_result=DmarcWord.PASS,
        ),
        recorded=(
            recorded(),
            recorded(
                index=14,
                authserv_id="mx.elsewhere.example",
                standing=RecordedStanding.UNTRUSTED,
                comparison=Comparison.NOT_COMPARABLE,
                reason=ComparisonReason.OTHER_ORIGIN,
                results=(RecordedResult(method="spf", result="pass", comparison=Comparison.NOT_COMPARABLE),),
            ),
        ),
        originating_ip=(
            OriginatingIp("X-Originating-IP", "[203.0.113.9]", "203.0.113.9", WrittenBy.SENDER, Proof.CLAIMED),
        ),
        coverage=Coverage(
            fields=(
                FieldCoverage("From", 10, (AUTHOR,)),
                FieldCoverage("Subject", 11, (AUTHOR,)),
                FieldCoverage("Reply-To", 12, ()),
            ),
            unsigned_fields=("Reply-To",),
            unsigned_octets=120,
        ),
        anomalies=(
            Anomaly(AnomalyCode.DISPLAY_NAME_ADDRESS, "ceo@bank.example"),
            Anomaly(AnomalyCode.REPLY_TO_DIFFERS, "reply@free.example"),
        ),
        dns=DnsUse(
            questions=12,
            live=9,
            recorded=3,
            errors=(DnsError(name="slow.example", type="A", outcome=Outcome.TEMPORARY, cause=Cause.SERVFAIL),),
        ),
        headers_removed=(3, 14),
        attached=("original.eml",),
        rehearsal=Rehearsal(
            action=ActionKind.REJECT,
            reason=ActionReason.POLICY_REJECT,
            stream="list.example",
            reply="550 5.7.1 Email rejected per DMARC policy for shop.example",
            untold=(Untold.RECIPIENT,),
        ),
    )


def fill(value: Any, hostile: str) -> Any:
    """The value with every free text in it replaced; words of closed lists, times and numbers stay."""
    if type(value) is str:
        return hostile
    if isinstance(value, tuple):
        return tuple(fill(one, hostile) for one in value)
    if type(value) is dict:
        return {hostile + str(number): hostile for number, _ in enumerate(value)}
    if isinstance(value, msgspec.Struct):
        return replace(value, **{name: fill(getattr(value, name), hostile) for name in value.__struct_fields__})
    return value

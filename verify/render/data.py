"""The verdict as JSON: the document type, its schema, and the way back from a stored document.

``Document`` is ``Verdict`` with the written texts; its keys and their order are the public form, which changes only
by adding.  Every key stands in every document.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from verify import explain
from verify.grammar.visible import terminal
from verify.model import (
    Anomaly,
    ArcResult,
    Author,
    Conclusion,
    ConclusionReason,
    Coverage,
    DkimResult,
    DmarcResult,
    DnsUse,
    Hop,
    IprevResult,
    JudgedAtSource,
    Origin,
    OriginatingIp,
    Recorded,
    Rehearsal,
    Source,
    SpfResult,
    Time,
    Verdict,
    replace,
)
from verify.render.header import authentication_results, to_header

SCHEMA: Literal["mailverdict/1"] = "mailverdict/1"


class StoredVerdictError(ValueError):
    """A stored verdict that cannot be read; the text says where, and is safe to print."""


class Document(Struct, frozen=True, kw_only=True):
    """One verdict as other programs see it."""

    schema: Literal["mailverdict/1"]
    source: Source
    authserv_id: str
    judged_at: Time
    judged_at_source: JudgedAtSource
    conclusion: Conclusion
    conclusion_reason: ConclusionReason
    summary: str
    next_step: str | None
    author: Author
    origin: Origin
    hops: tuple[Hop, ...]
    originating_ip: tuple[OriginatingIp, ...]
    spf: tuple[SpfResult, ...]
    dkim: tuple[DkimResult, ...]
    arc: ArcResult
    iprev: IprevResult
    dmarc: DmarcResult
    recorded: tuple[Recorded, ...]
    coverage: Coverage
    anomalies: tuple[Anomaly, ...]
    dns: DnsUse
    authentication_results: str
    headers_removed: tuple[int, ...]
    elapsed_ms: float | None
    attached: tuple[str, ...]
    rehearsal: Rehearsal | None = None


_ENCODER = msgspec.json.Encoder()
_decoder = cache(msgspec.json.Decoder)  # takes 9 ms to make, and only stored verdicts are read


def to_document(verdict: Verdict) -> Document:
    """The verdict with its texts written."""
    dkim = verdict.dkim
    if [one for one in dkim if one.diagnoses]:
        dkim = tuple([replace(one, diagnosis=explain.diagnosis(one)) for one in dkim])
    recorded = verdict.recorded
    if recorded:
        recorded = tuple([replace(one, explanation=explain.comparison(one)) for one in recorded])
    return Document(
        schema=SCHEMA,
        source=verdict.source,
        authserv_id=verdict.authserv_id,
        judged_at=verdict.judged_at,
        judged_at_source=verdict.judged_at_source,
        conclusion=verdict.conclusion,
        conclusion_reason=verdict.conclusion_reason,
        summary=explain.summary(verdict),
        next_step=explain.next_step(verdict),
        author=verdict.author,
        origin=replace(verdict.origin, why=explain.origin_why(verdict.origin, verdict.hops)),
        hops=verdict.hops,
        originating_ip=verdict.originating_ip,
        spf=verdict.spf,
        dkim=dkim,
        arc=verdict.arc,
        iprev=verdict.iprev,
        dmarc=verdict.dmarc,
        recorded=recorded,
        coverage=verdict.coverage,
        anomalies=verdict.anomalies,
        dns=verdict.dns,
        authentication_results=authentication_results(verdict),
        headers_removed=verdict.headers_removed,
        elapsed_ms=verdict.elapsed_ms,
        attached=verdict.attached,
        rehearsal=verdict.rehearsal,
    )


def to_json(verdict: Verdict) -> bytes:
    """One compact JSON object, UTF-8, without a line end: a line of JSON Lines."""
    return _ENCODER.encode(to_document(verdict))


def from_json(octets: bytes) -> Verdict:
    """The verdict of a stored document.  Its texts are dropped: they are written anew when it is shown.

    The document is untrusted: types, closed lists, the agreement of conclusion and reason, and that a results field
    can be written from it are checked; the rest is what somebody wrote.  Every renderer takes what comes out.  Keys
    of a later version are passed over.  Raises ``StoredVerdictError``.
    """
    try:
        document = _decoder(Document).decode(octets)
    except RecursionError:
        raise StoredVerdictError("the stored verdict is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoredVerdictError(f"not a stored verdict: {terminal(str(error))[:300]}") from None
    if document.conclusion_reason not in _REASONS_OF[document.conclusion]:
        raise StoredVerdictError(
            f"not a stored verdict: {document.conclusion} cannot have the reason {document.conclusion_reason}"
        )
    if any(time.utcoffset() for time in _times(document)):
        raise StoredVerdictError("not a stored verdict: a time is not in UTC")
    verdict = Verdict(
        source=document.source,
        authserv_id=document.authserv_id,
        judged_at=document.judged_at,
        judged_at_source=document.judged_at_source,
        conclusion=document.conclusion,
        conclusion_reason=document.conclusion_reason,
        author=document.author,
        origin=replace(document.origin, why=""),
        hops=document.hops,
        originating_ip=document.originating_ip,
        spf=document.spf,
        dkim=tuple(replace(one, diagnosis=None) for one in document.dkim),
        arc=document.arc,
        iprev=document.iprev,
        dmarc=document.dmarc,
        recorded=tuple(replace(one, explanation=None) for one in document.recorded),
        coverage=document.coverage,
        anomalies=document.anomalies,
        dns=document.dns,
        headers_removed=document.headers_removed,
        elapsed_ms=document.elapsed_ms,
        attached=document.attached,
        rehearsal=document.rehearsal,
    )
    try:
        to_header(verdict)
    except (RuntimeError, ValueError) as error:
        raise StoredVerdictError(f"not a stored verdict: {terminal(str(error))[:300]}") from None
    return verdict


def _times(document: Document) -> Iterator[datetime]:
    yield document.judged_at
    for time in (
        document.origin.received_at,
        *(hop.date for hop in document.hops),
        *(one.signed_at for one in document.dkim),
        *(one.expires_at for one in document.dkim),
    ):
        if time is not None:
            yield time


_AUTHENTICATED = {ConclusionReason.DKIM_ALIGNED, ConclusionReason.SPF_ALIGNED}
_FAILED = {
    ConclusionReason.NOT_ALIGNED,
    ConclusionReason.AUTHOR_MISSING,
    ConclusionReason.AUTHOR_REPEATED,
    ConclusionReason.AUTHOR_SEVERAL_DOMAINS,
    ConclusionReason.AUTHOR_AMBIGUOUS,
}
_UNPROTECTED = {ConclusionReason.NO_POLICY}
_REASONS_OF = {
    Conclusion.AUTHENTICATED: _AUTHENTICATED,
    Conclusion.FAILED: _FAILED,
    Conclusion.UNPROTECTED: _UNPROTECTED,
    Conclusion.UNDETERMINED: set(ConclusionReason) - _AUTHENTICATED - _FAILED - _UNPROTECTED,
}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document, made from the types.

    Every key that the types name is required; others may be added by later versions.
    """
    made = msgspec.json.schema(Document)
    for definition in made["$defs"].values():
        if definition.get("type") == "object" and "properties" in definition:
            definition["required"] = list(definition["properties"])
            for one in definition["properties"].values():
                one.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **made}

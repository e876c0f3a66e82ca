"""The writer of Authentication-Results: whatever stands in a verdict, the field reads back to its results alone.

Printable ASCII with folds; no result more, no result less, no other id.
"""

import re

from verify.grammar.results import parse_results
from verify.model import (
    ArcResult,
    ArcWord,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    Identity,
    Limits,
    Origin,
    OriginSource,
    PolicyWord,
    Reason,
    SpfResult,
    SpfWord,
    replace,
)
from verify.render.header import to_header

PIECES = (
    b"legit.example", b"; dkim=pass", b" header.d=", b"\r\nX: y", b'"', b"\\", b"(", b")", b"a@b.example", b"=", b"'",
    b"\0", b"\x1b[2J", b"\xc3\xa9", b"\xff", b"=?utf-8?Q?x?=", b"\t", b",", b"|", b"%0d%0a", b"x" * 80,
)  # fmt: skip


def check(octets: bytes) -> None:
    from tests.verdicts import full

    texts = [part.decode("utf-8", "replace") for part in octets.split(b"|", 6)]
    texts += [None] * (7 - len(texts))  # type: ignore[list-item]
    number = sum(octets[:4])
    verdict = replace(
        full(),
        origin=Origin(client_ip="192.0.2.1", mail_from=texts[0], helo=texts[1], source=OriginSource.ENVELOPE),
        spf=(SpfResult(identity=Identity.MAILFROM, domain=texts[2], result=list(SpfWord)[number % len(SpfWord)], reason=list(Reason)[number % len(Reason)], mechanism=texts[3], record=texts[4]),),
        dkim=(
            DkimResult(domain=texts[2], selector=texts[3], auid=texts[4], algorithm=texts[5], b=texts[6], result=list(DkimWord)[number % len(DkimWord)]),
            DkimResult(domain=texts[5], selector=texts[6], auid=texts[0], algorithm=texts[1], b=texts[2], result=DkimWord.FAIL),
        ),
        arc=ArcResult(result=list(ArcWord)[number % len(ArcWord)], oldest_pass=number % 50),
        dmarc=DmarcResult(result=list(DmarcWord)[number % len(DmarcWord)], author_domain=texts[3], record=texts[4], applied_policy=PolicyWord.REJECT),
    )  # fmt: skip
    field = to_header(verdict)
    assert re.fullmatch(r"Authentication-Results:(?:[ -~\t]|\r\n[ \t])*(?:\r\n)?", field)
    parsed = parse_results(field.partition(":")[2].encode(), Limits())
    assert parsed is not None
    assert parsed.authserv_id == verdict.authserv_id
    words = [(result.method, result.result) for result in parsed.results]
    assert [word for method, word in words if method == "dkim"] == [signature.result for signature in verdict.dkim]
    assert [word for method, word in words if method == "dmarc"] == [verdict.dmarc.result]
    assert [word for method, word in words if method == "arc"] == [verdict.arc.result]
    assert sum(method == "spf" for method, _ in words) <= 1

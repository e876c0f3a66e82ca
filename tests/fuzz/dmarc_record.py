"""DMARC records: any octets give a record or None; what is used of one has a policy, and its text is visible text.

A name with several records has none, and no record makes an unsigned message pass.
"""

from verify.checks.dmarc import check_dmarc
from verify.checks.policy import parse_record, usable
from verify.model import (
    Answer,
    Author,
    DmarcWord,
    Identifier,
    IdentifierState,
    Method,
    Outcome,
    Question,
    Settings,
)

PIECES = (
    b"v=DMARC1", b"; ", b"p=reject", b"p=none", b"sp=quarantine", b"np=reject", b"psd=y", b"psd=n", b"t=y", b"pct=0", b"adkim=s", b"aspf=r",
    b"rua=mailto:a@b.example", b"=", b";", b" ", b"\t", b"\0", b"\xff", b"V=DMARC1", b"v=DMARC1;", b"p=", b"\r\n", b"x" * 50, b"|",
)  # fmt: skip
AUTHOR = Author(domain="a.legit.example")
FOREIGN = (Identifier(Method.SPF, "attack.example", IdentifierState.PASS),)


def check(octets: bytes) -> None:
    record = parse_record(octets, 500)
    if record is not None:
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in record.text)
        used = usable(record)
        assert used is None or used.p is not None or record.has_report_uri or "p" not in record.invalid
    records = tuple(octets.split(b"|"))

    def ask(question: Question) -> Answer:
        if question.name.startswith("_dmarc.") and question.name.endswith("legit.example"):
            return Answer(question=question, outcome=Outcome.FOUND, records=records)
        return Answer(question=question, outcome=Outcome.NXDOMAIN)

    result = check_dmarc(AUTHOR, FOREIGN, ask, Settings())
    assert result.result in (DmarcWord.FAIL, DmarcWord.NONE)
    assert len(result.walk) <= 16

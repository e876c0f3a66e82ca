"""Key records: any octets give a record; one with a key has no problem, its size is known, and it verifies nothing
that was not signed with it.
"""

from tests import signing
from verify.checks.keys import check_key, holds, key_records, parse_key
from verify.model import Answer, Limits, Outcome, Question

RSA = signing.key_record(signing.rsa_key()).encode()
ED25519 = signing.key_record(signing.ed25519_key()).encode()
PIECES = (
    RSA, ED25519, RSA[:40], ED25519[:30], b"v=DKIM1; ", b"k=rsa; ", b"k=ed25519; ", b"p=", b"p=; ", b"t=y:s; ", b"h=sha256; ",
    b"s=email; ", b";", b"=", b" ", b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ", b"AAAA", b"\xff", b"\0", b"+/", b"==", b"n=x; ",
)  # fmt: skip
LIMITS = Limits()


def check(octets: bytes) -> None:
    record = parse_key(octets, 2000)
    assert (record.key is None) or (record.problem is None and bool(record.bits))
    if record.key is not None and check_key(record, record.algorithm + b"-sha256", False, LIMITS) is None:
        assert not holds(record.key, b"\1" * 64, b"\2" * 32)
    halves = (octets[: len(octets) // 2], octets[len(octets) // 2 :])
    answer = Answer(
        question=Question("s._domainkey.d.example", "TXT"), outcome=Outcome.FOUND, records=(octets, *halves)
    )
    records, missing = key_records(answer, LIMITS)
    assert bool(records) != (missing is not None)
    assert len(records) <= LIMITS.key_records

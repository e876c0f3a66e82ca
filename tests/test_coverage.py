"""Which shown fields and octets an aligned signature covers, and what is said about the rest."""

from tests.signing import key_record, rsa_key, sign
from tests.zone import Zone
from verify.checks.canonical import BodyHashes
from verify.checks.coverage import OLD_AFTER, read_coverage
from verify.checks.dkim import check_signature
from verify.model import (
    Anomaly,
    AnomalyCode,
    Coverage,
    DkimCheck,
    DkimWord,
    Message,
    Reason,
    Settings,
    replace,
)
from verify.reading.message import parse_message

MAIL = (
    b"From: A <a@d.example>\r\nTo: B <b@r.example>\r\nSubject: s\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    b"Message-ID: <1@d.example>\r\nContent-Type: text/plain\r\n\r\nbody\r\n"
)
KEY = rsa_key()
ZONE = Zone({f"s._domainkey.{d}": {"TXT": [key_record(KEY)]} for d in ("d.example", "other.example")})
NOW = 1_767_225_600


def judged(raw: bytes, *, aligned: bool = True, settings: Settings | None = None) -> tuple[Message, list[DkimCheck]]:
    settings = settings or Settings()
    message = parse_message(raw)
    bodies = BodyHashes(message.body, settings.limits)
    checks = [
        check_signature(message, field, ZONE.ask, NOW, settings, bodies) for field in message.named(b"dkim-signature")
    ]
    return message, [
        replace(check, result=replace(check.result, aligned=aligned and check.result.domain == "d.example"))
        for check in checks
    ]


def coverage(raw: bytes, **options: bool) -> tuple[Coverage, tuple[Anomaly, ...]]:
    message, checks = judged(raw, **options)
    return read_coverage(message, checks)


def signed_by(found: Coverage) -> dict[str, tuple[str, ...]]:
    return {f.name: f.signed_by for f in found.fields}


def test_covered_fields_name_their_signer_and_the_others_are_listed() -> None:
    found, anomalies = coverage(sign(MAIL, "d.example", "s", KEY))
    assert signed_by(found) == {
        "From": ("d.example",),
        "To": ("d.example",),
        "Subject": ("d.example",),
        "Date": ("d.example",),
        "Content-Type": (),
    }
    assert [f.index for f in found.fields] == [1, 2, 3, 4, 6]
    assert found.unsigned_fields == ("Content-Type",)
    assert found.unsigned_octets == 0
    assert anomalies == (Anomaly(AnomalyCode.UNSIGNED_SHOWN_FIELD, "Content-Type"),)


def test_a_signature_that_is_not_aligned_covers_nothing() -> None:
    for raw in (
        sign(MAIL, "other.example", "s", KEY),
        MAIL,
        sign(MAIL, "d.example", "s", KEY).replace(b"body", b"b0dy"),
    ):
        found, anomalies = coverage(raw)
        assert set(signed_by(found).values()) == {()}
        assert found.unsigned_octets is None
        assert anomalies == ()


def test_fields_signed_by_either_of_two_signatures_are_covered() -> None:
    raw = sign(sign(MAIL, "d.example", "s", KEY), "d.example", "s", KEY, h="from:content-type")
    found, anomalies = coverage(raw)
    assert found.unsigned_fields == ()
    assert anomalies == ()


def test_an_added_second_field_is_not_the_signed_one() -> None:
    for name, value in (("Subject", "other"), ("To", "x@y.example"), ("Date", "Fri, 2 Jan 2026 00:00:00 +0000")):
        raw = f"{name}: {value}\r\n".encode() + sign(MAIL, "d.example", "s", KEY)
        message, checks = judged(raw)
        assert checks[0].result.result is DkimWord.POLICY
        assert checks[0].result.reason is Reason.SIGNED_INSTANCE_NOT_SHOWN
        found, anomalies = read_coverage(message, checks)
        assert set(signed_by(found).values()) == {()}
        assert anomalies == (Anomaly(AnomalyCode.SIGNED_INSTANCE_NOT_SHOWN, "d.example"),)


def test_an_unsigned_field_may_stand_twice_without_touching_the_signature() -> None:
    raw = b"Content-Type: text/html\r\n" + sign(MAIL, "d.example", "s", KEY)
    found, anomalies = coverage(raw)
    assert found.unsigned_fields == ("Content-Type",)
    assert [f.signed_by for f in found.fields if f.name == "Content-Type"] == [(), ()]
    assert anomalies == (Anomaly(AnomalyCode.UNSIGNED_SHOWN_FIELD, "Content-Type"),)


def test_octets_behind_the_signed_length_are_counted() -> None:
    raw = sign(MAIL, "d.example", "s", KEY, l="6") + b"added\r\n"
    message, checks = judged(raw)
    assert checks[0].result.reason is Reason.UNSIGNED_OCTETS
    assert Anomaly(AnomalyCode.UNSIGNED_OCTETS, "7") in read_coverage(message, checks)[1]
    message, checks = judged(raw, settings=Settings(allow_unsigned_octets=True))
    assert read_coverage(message, checks)[0].unsigned_octets == 7


def test_replay_hints_need_receipt_time_and_recipients() -> None:
    message, checks = judged(sign(MAIL, "d.example", "s", KEY, t=str(NOW - OLD_AFTER - 1)))
    codes = {
        a.code for a in read_coverage(message, checks, judged_at=NOW, recipients=["B@r.example", "v@x.example"])[1]
    }
    assert {AnomalyCode.OLD_SIGNATURE, AnomalyCode.RECIPIENT_NOT_SIGNED} <= codes
    details = [a.detail for a in read_coverage(message, checks, recipients=["B@r.example", "v@x.example"])[1]]
    assert "v@x.example" in details
    assert "B@r.example" not in details
    message, checks = judged(sign(MAIL, "d.example", "s", KEY, t=str(NOW - OLD_AFTER)))
    assert AnomalyCode.OLD_SIGNATURE not in {a.code for a in read_coverage(message, checks, judged_at=NOW)[1]}
    message, checks = judged(sign(MAIL, "d.example", "s", KEY, h="from"))
    found = read_coverage(message, checks, recipients=["b@r.example"])[1]
    assert Anomaly(AnomalyCode.RECIPIENT_NOT_SIGNED, "b@r.example") in found

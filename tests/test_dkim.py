"""DKIM through our adapter, and beside it what the bare dkimpy says to the same message.

The ids D1 to D27 number known wrong verdicts of dkimpy 1.1.8, C those inputs that make it raise, Q those that make it
slow.  A failing right-hand side means that the library changed: good news, to be looked at.
"""

import base64
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dkim as dkimpy
import dns.resolver
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signing import ed25519_key, key_record, rsa_key, short_rsa_key, sign
from tests.zone import Zone, in_rounds
from verify.checks import examine, keys
from verify.checks.canonical import BodyHashes
from verify.checks.dkim import check_signature, key_questions, order_signatures
from verify.model import (
    Cause,
    DkimCheck,
    DkimWord,
    Fidelity,
    Limits,
    NotKnownYet,
    Outcome,
    Question,
    Reason,
    Settings,
    Source,
)
from verify.reading.message import parse_message

MAIL = (
    b"From: A <a@d.example>\r\nTo: b@r.example\r\nSubject: subject\r\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@d.example>\r\n\r\nbody\r\n"
)
KEY = rsa_key()
ED = ed25519_key()
SHORT = short_rsa_key()
NOW = 1_767_225_600
ROOT = Path(__file__).resolve().parents[1]
NAME = "s._domainkey.d.example"
PASS = (DkimWord.PASS, Reason.VERIFIED)
FAIL = (DkimWord.FAIL, Reason.SIGNATURE_MISMATCH)


def check(
    raw: bytes, records: Any = None, *, at: int = NOW, given: Settings | None = None, name: str = NAME
) -> DkimCheck:
    """The topmost signature.  ``records``: texts, or an outcome; the good key when left out."""
    given = given or Settings()
    if records is None:
        records = [key_record(KEY)]
    zone = Zone({name: {"TXT": records} if isinstance(records, list) else records})
    message = parse_message(raw)
    field = message.named(b"dkim-signature")[0]
    return check_signature(message, field, zone.ask, at, given, BodyHashes(message.body, given.limits))


def ours(raw: bytes, records: Any = None, **options: Any) -> tuple[DkimWord | None, Reason | None]:
    result = check(raw, records, **options).result
    return result.result, result.reason


def bare(raw: bytes, records: list[str] | None = None, idx: int = 0) -> object:
    """What dkimpy returns, or the name of what it raises."""
    texts = [key_record(KEY)] if records is None else records

    def txt(name: bytes, timeout: int = 5) -> str | None:
        return texts[0] if texts else None

    try:
        return dkimpy.DKIM(raw).verify(idx=idx, dnsfunc=txt)
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


def signed(key: Any = KEY, mail: bytes = MAIL, domain: str = "d.example", **tags: Any) -> bytes:
    return sign(mail, domain, "s", key, **tags)


def forged(raw: bytes) -> bytes:
    return raw.replace(b"From: A <a@d.example>", b"From: E <e@evil.example>")


SHA1_ALLOWED = signed(a="rsa-sha1")

ROWS = [
    ("D1-from-not-signed", forged(signed(h="to:subject")), None, (DkimWord.PERMERROR, Reason.FROM_NOT_SIGNED), True),
    ("D1-empty-h", forged(signed(h="")), None, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX), True),
    ("D2-rsa-sha1", SHA1_ALLOWED, None, (DkimWord.PERMERROR, Reason.RSA_SHA1), True),
    ("D3-a-ed25519-key-rsa", signed(a="ed25519-sha256"), None, (DkimWord.PERMERROR, Reason.KEY_TYPE_MISMATCH), True),
    (
        "D3-a-rsa-key-ed25519",
        signed(ED, a="rsa-sha256"),
        [key_record(ED)],
        (DkimWord.PERMERROR, Reason.KEY_TYPE_MISMATCH),
        True,
    ),
    (
        "D4-strict-auid",
        signed(i="@sub.d.example"),
        [key_record(KEY, t="s")],
        (DkimWord.PERMERROR, Reason.KEY_STRICT_AUID),
        True,
    ),
    ("D4-strict-auid-equal", signed(i="x@d.example"), [key_record(KEY, t="y:s")], PASS, True),
    ("D5-testing-pass", signed(), [key_record(KEY, t="y")], PASS, True),
    (
        "D5-testing-fail",
        forged(signed()),
        [key_record(KEY, t="y")],
        (DkimWord.NEUTRAL, Reason.TESTING),
        False,
    ),
    (
        "D6-key-for-sha1-only",
        signed(),
        [key_record(KEY, h="sha1")],
        (DkimWord.PERMERROR, Reason.KEY_HASH_NOT_ALLOWED),
        True,
    ),
    ("D6-key-for-both-hashes", signed(), [key_record(KEY, h="sha1:sha256")], PASS, True),
    ("D7-service-list", signed(), [key_record(KEY, s="email:tlsrpt")], PASS, "UnknownKeyTypeError"),
    ("D7-service-star", signed(), [key_record(KEY, s="email:*")], PASS, "UnknownKeyTypeError"),
    (
        "D8-other-service",
        signed(),
        [key_record(KEY, s="foo")],
        (DkimWord.PERMERROR, Reason.KEY_SERVICE_NOT_EMAIL),
        "UnknownKeyTypeError",
    ),
    (
        "D9-version-not-first",
        signed(),
        [key_record(KEY, v=None) + "; v=DKIM1"],
        (DkimWord.PERMERROR, Reason.KEY_SYNTAX),
        True,
    ),
    ("D9-no-version", signed(), [key_record(KEY, v=None)], PASS, True),
    (
        "D10-stray-character-in-p",
        signed(),
        [key_record(KEY).replace("p=MI", "p=M*I")],
        (DkimWord.PERMERROR, Reason.KEY_SYNTAX),
        True,
    ),
    ("D10-blanks-in-p", signed(), [key_record(KEY).replace("p=MI", "p= M\tI ")], PASS, True),
    ("D13-octets-appended", signed(l="6") + b"more", None, (DkimWord.POLICY, Reason.UNSIGNED_OCTETS), True),
    ("D13-nothing-signed", signed(l="0"), None, (DkimWord.POLICY, Reason.UNSIGNED_OCTETS), True),
    ("D13-all-signed", signed(l="6"), None, PASS, True),
    ("D14-length-over-body", signed(l="7"), None, (DkimWord.NEUTRAL, Reason.LENGTH_OVER_BODY), True),
    (
        "D15-two-from-both-signed",
        signed(mail=b"From: e@evil.example\r\n" + MAIL, h="from:from"),
        None,
        PASS,  # the signature holds; DMARC refuses two authors
        True,
    ),
    (
        "D15-second-from-added",
        b"From: e@evil.example\r\n" + signed(h="from"),
        None,
        (DkimWord.POLICY, Reason.SIGNED_INSTANCE_NOT_SHOWN),
        False,
    ),
    ("D15-oversigned-from-added", b"From: e@evil.example\r\n" + signed(h="from:from"), None, FAIL, False),
    ("D19-missing", signed(), Outcome.NXDOMAIN, (DkimWord.PERMERROR, Reason.NO_KEY), False),
    ("D19-revoked", signed(), [key_record(KEY, p="")], (DkimWord.PERMERROR, Reason.KEY_REVOKED), False),
    (
        "D20-short-key-good",
        signed(SHORT),
        [key_record(SHORT)],
        (DkimWord.PERMERROR, Reason.KEY_TOO_SHORT),
        "KeyFormatError",
    ),
    (
        "D20-short-key-bad",
        forged(signed(SHORT)),
        [key_record(SHORT)],
        (DkimWord.PERMERROR, Reason.KEY_TOO_SHORT),
        False,
    ),
    (
        "D22-cr-in-field",
        signed(mail=MAIL.replace(b"subject", b"x\rFrom: evil")),
        None,
        PASS,  # bare CR is data for the hash; reading reports it
        True,
    ),
    (
        "D23-from-line-inside",
        signed(mail=MAIL.replace(b"subject", b"sub\r\n ject")).replace(b"sub\r\n", b"sub\r\nFrom x\r\n"),
        None,
        FAIL,
        True,
    ),
    ("D24-vt-at-end", signed().replace(b"subject\r\n", b"subject\x0b\r\n"), None, FAIL, True),
    ("D24-ff-at-start", signed().replace(b" subject\r\n", b" \x0csubject\r\n"), None, FAIL, True),
    ("D26-auid-without-at", signed(i="sub.d.example"), None, (DkimWord.PERMERROR, Reason.BAD_AUID), True),
    ("D26-auid-two-at", signed(i="a@x@sub.d.example"), None, (DkimWord.PERMERROR, Reason.BAD_AUID), True),
    ("D26-final-dot", signed(domain="d.example."), None, (DkimWord.PERMERROR, Reason.BAD_DOMAIN), True),
    ("D27-query-options", signed(q="dns/txt:foo"), None, PASS, "ValidationError"),
    ("D27-unknown-query", signed(q="http"), None, (DkimWord.NEUTRAL, Reason.UNKNOWN_QUERY_METHOD), "ValidationError"),
    ("C-empty-l", signed(l=""), None, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX), "ValueError"),
    ("C-t-of-5000-digits", signed(t="9" * 5000), None, (DkimWord.POLICY, Reason.SIGNED_IN_FUTURE), "ValueError"),
    ("C-x-of-5000-digits", signed(x="9" * 5000), None, PASS, "ValueError"),
    ("C-auid-is-domain", signed(i="d.example"), None, (DkimWord.PERMERROR, Reason.BAD_AUID), "IndexError"),
    ("C-b-bad-padding", signed(b="A==="), None, (DkimWord.NEUTRAL, Reason.BAD_BASE64), "Error"),
    ("C-bh-bad-padding", signed(bh="A==="), None, (DkimWord.NEUTRAL, Reason.BAD_BASE64), "Error"),
    ("C-short-ed25519", signed(ED, b="AAAA"), [key_record(ED)], FAIL, "ValueError"),
    ("C-junk-line", signed(mail=b"no colon here\r\n" + MAIL), None, PASS, "MessageFormatError"),
    ("C-name-with-blank", signed(mail=b"X-Foo : a\r\n" + MAIL), None, PASS, "MessageFormatError"),
    ("C-quoted-from", signed(mail=b">From me\r\n" + MAIL), None, PASS, "MessageFormatError"),
    ("C-byte-order-mark", b"\xef\xbb\xbfX: y\r\n" + signed(), None, PASS, "MessageFormatError"),
    ("C-leading-continuation", b" x\r\n" + signed(), None, PASS, "IndexError"),
    ("C-eight-bit-name", signed(mail=b"X-\xe9: a\r\n" + MAIL), None, PASS, "MessageFormatError"),
]


@pytest.mark.parametrize(("raw", "records", "expected", "library"), [pytest.param(*r[1:], id=r[0]) for r in ROWS])
def test_row(raw: bytes, records: Any, expected: tuple[DkimWord, Reason], library: object) -> None:
    assert ours(raw, records, name=NAME) == expected
    assert bare(raw, [] if isinstance(records, Outcome) else records) == library


def test_d5_testing_flag_is_told() -> None:
    assert check(signed(), [key_record(KEY, t="y")]).result.testing is True
    assert check(signed()).result.testing is False


@pytest.mark.parametrize(
    ("tags", "offset", "expected"),
    [
        ({"x": NOW}, 300, PASS),
        ({"x": NOW}, 301, (DkimWord.POLICY, Reason.EXPIRED)),  # D11
        ({"x": NOW}, -(10**8), PASS),
        ({"t": NOW}, -300, PASS),
        ({"t": NOW}, -301, (DkimWord.POLICY, Reason.SIGNED_IN_FUTURE)),  # D12
        ({"t": NOW, "x": NOW + 1}, 0, PASS),
        ({"t": NOW, "x": NOW}, 0, (DkimWord.NEUTRAL, Reason.EXPIRY_BEFORE_SIGNING)),
    ],
)
def test_times_are_judged_at_the_given_moment(tags: dict[str, int], offset: int, expected: object) -> None:
    raw = signed(**{tag: str(value) for tag, value in tags.items()})
    found = check(raw, at=NOW + offset)
    assert (found.result.result, found.result.reason) == expected
    assert found.expired_only == (expected == (DkimWord.POLICY, Reason.EXPIRED))


def test_d11_d12_library_allows_ten_hours_of_its_own_clock() -> None:
    now = int(time.time())
    assert bare(signed(x=str(now - 18_000))) is True
    assert bare(signed(t=str(now + 18_000))) is True


def test_expiry_is_not_the_only_objection_when_another_stands() -> None:
    found = check(signed(l="0", x=str(NOW)), at=NOW + 1000)
    assert found.result.reason is Reason.UNSIGNED_OCTETS
    assert not found.expired_only
    found = check(forged(signed(x=str(NOW))), at=NOW + 1000)
    assert (found.result.reason, found.expired_only) == (Reason.SIGNATURE_MISMATCH, False)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.TIMEOUT, Reason.DNS_TIMEOUT),
        (Cause.SERVFAIL, Reason.DNS_SERVFAIL),
        (Cause.REFUSED, Reason.DNS_REFUSED),
        (Cause.MALFORMED, Reason.DNS_MALFORMED),
        (Cause.BUDGET, Reason.DNS_BUDGET),
    ],
)
def test_d16_d17_dns_trouble_is_temperror(cause: Cause, reason: Reason) -> None:
    assert ours(signed(), cause) == (DkimWord.TEMPERROR, reason)


def test_d16_d17_library_calls_dns_trouble_a_bad_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise dns.resolver.NoNameservers

    def slow(name: bytes, timeout: int = 5) -> None:
        raise dkimpy.DnsTimeoutError("slow")

    monkeypatch.setattr(dns.resolver, "resolve", unreachable)
    assert dkimpy.DKIM(signed()).verify() is False
    assert dkimpy.DKIM(signed()).verify(dnsfunc=slow) is False


def test_not_recorded_is_no_result() -> None:
    assert ours(signed(), Outcome.NOT_RECORDED) == (None, Reason.NOT_RECORDED)


def test_nodata_and_an_empty_answer_are_no_key() -> None:
    assert ours(signed(), Outcome.NODATA) == (DkimWord.PERMERROR, Reason.NO_KEY)
    assert check(signed(), Outcome.NODATA).body_hash_holds is True
    assert check(signed().replace(b"body", b"b0dy"), Outcome.NODATA).body_hash_holds is False


def test_d18_several_keys_are_tried_and_order_does_not_matter() -> None:
    good, other = key_record(KEY), key_record(rsa_key(1024, 1))
    for records in ([good, other], [other, good], ["v=spf1 -all", good], [good, good, good, good]):
        assert ours(signed(), records) == PASS
    assert (bare(signed(), [good, other]), bare(signed(), [other, good])) == (True, False)
    third = key_record(rsa_key(1024, 2))
    assert ours(signed(), [other, third, good]) == PASS
    assert ours(signed(), [other, third, key_record(ED), good]) == (DkimWord.PERMERROR, Reason.SEVERAL_KEYS)
    assert ours(signed(), [other, third]) == FAIL
    assert ours(signed(), ["v=spf1 -all", "hello"]) == (DkimWord.PERMERROR, Reason.KEY_SYNTAX)


def test_d21_keys_over_the_limit_are_refused_without_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    record = key_record(rsa_key(2048))
    raw = signed(rsa_key(2048))
    assert ours(raw, [record], given=Settings(limits=Limits(key_bits_most=2048))) == PASS
    assert bare(raw, [record]) is True

    def never(*_: object) -> bool:
        raise AssertionError("computed")

    monkeypatch.setattr(examine, "holds", never)
    limited = Settings(limits=Limits(key_bits_most=2047))
    found = check(raw, [record], given=limited)
    assert (found.result.result, found.result.reason) == (DkimWord.POLICY, Reason.KEY_TOO_LONG)
    assert found.result.key_bits == 2048
    wide = public_record(RSAPublicNumbers((1 << 34) + 1, KEY.public_key().public_numbers().n))
    assert ours(signed(), [wide]) == (DkimWord.POLICY, Reason.KEY_TOO_LONG)
    assert ours(signed(), [public_record(RSAPublicNumbers(65537, (1 << 16383) + 1))]) == (
        DkimWord.POLICY,
        Reason.KEY_TOO_LONG,
    )


def public_record(numbers: RSAPublicNumbers) -> str:
    octets = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; p=" + base64.b64encode(octets).decode()


def test_d25_results_never_carry_over_from_another_signature() -> None:
    raw = sign(signed(), "other.example", "t", KEY, v="2")
    library = dkimpy.DKIM(raw)
    assert library.verify(1, dnsfunc=lambda name, timeout=5: key_record(KEY)) is True
    with pytest.raises(dkimpy.ValidationError):
        library.verify(0, dnsfunc=lambda name, timeout=5: key_record(KEY))
    assert library.domain == b"d.example"
    found = check(raw).result
    assert (found.domain, found.selector, found.reason) == ("other.example", "t", Reason.BAD_VERSION)


def test_d26_a_public_suffix_signs_for_nobody() -> None:
    raw = signed(domain="com")
    assert ours(raw, name="s._domainkey.com") == (DkimWord.POLICY, Reason.PUBLIC_SUFFIX)
    assert bare(raw) is True
    # a suffix of the Public Suffix List may be somebody's own domain, which signs for itself; alignment is DMARC's
    listed = Settings(public_suffix=lambda name: None if name == "pages.example" else name)
    assert ours(signed(domain="pages.example"), name="s._domainkey.pages.example", given=listed)[0] is DkimWord.PASS
    assert ours(signed(), given=listed) == PASS


@pytest.mark.parametrize("pkcs1", [False, True])
@pytest.mark.parametrize("form", ["simple", "relaxed", "simple/relaxed", "relaxed/simple", "relaxed/relaxed", None])
def test_both_key_forms_and_every_canonicalization(pkcs1: bool, form: str | None) -> None:
    assert ours(signed(c=form), [key_record(KEY, pkcs1=pkcs1)]) == PASS
    assert ours(signed(ED, c=form), [key_record(ED)]) == PASS
    assert ours(forged(signed(ED, c=form)), [key_record(ED)]) == FAIL


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"v": "2"}, (DkimWord.NEUTRAL, Reason.BAD_VERSION)),
        ({"v": None}, (DkimWord.NEUTRAL, Reason.MISSING_TAG)),
        ({"s": None}, (DkimWord.NEUTRAL, Reason.MISSING_TAG)),
        ({"a": "rsa-sha512"}, (DkimWord.NEUTRAL, Reason.UNKNOWN_ALGORITHM)),
        ({"a": "RSA-SHA256"}, (DkimWord.NEUTRAL, Reason.UNKNOWN_ALGORITHM)),
        ({"c": "nofws"}, (DkimWord.NEUTRAL, Reason.UNKNOWN_CANONICALIZATION)),
        ({"c": ""}, (DkimWord.NEUTRAL, Reason.UNKNOWN_CANONICALIZATION)),
        ({"c": "simple/simple/simple"}, (DkimWord.NEUTRAL, Reason.UNKNOWN_CANONICALIZATION)),
        ({"h": "from::to"}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"h": "from:a b"}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"l": "-1"}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"l": "9" * 77}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"l": "9" * 76}, (DkimWord.NEUTRAL, Reason.LENGTH_OVER_BODY)),
        ({"t": "x"}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"t": ""}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"bh": ""}, (DkimWord.NEUTRAL, Reason.BAD_BASE64)),
        ({"b": "!"}, (DkimWord.NEUTRAL, Reason.BAD_BASE64)),
        ({"d": "legit'a.attack"}, (DkimWord.PERMERROR, Reason.BAD_DOMAIN)),
        ({"d": "legit(a.attack"}, (DkimWord.PERMERROR, Reason.BAD_DOMAIN)),
        ({"d": "a..b"}, (DkimWord.PERMERROR, Reason.BAD_DOMAIN)),
        ({"d": ""}, (DkimWord.PERMERROR, Reason.BAD_DOMAIN)),
        ({"s": "a..b"}, (DkimWord.PERMERROR, Reason.BAD_SELECTOR)),
        ({"s": "x" * 64}, (DkimWord.PERMERROR, Reason.BAD_SELECTOR)),
        ({"s": "\\300"}, (DkimWord.PERMERROR, Reason.BAD_SELECTOR)),
        ({"s": ""}, (DkimWord.PERMERROR, Reason.BAD_SELECTOR)),
        ({"s": "sel._domainkey.attack.\0.any"}, (DkimWord.NEUTRAL, Reason.TAG_SYNTAX)),
        ({"i": "@attack.example"}, (DkimWord.PERMERROR, Reason.AUID_OUTSIDE_DOMAIN)),
        ({"i": "@notd.example"}, (DkimWord.PERMERROR, Reason.AUID_OUTSIDE_DOMAIN)),
    ],
)
def test_what_is_wrong_with_a_field_is_said_before_dns_is_asked(tags: dict[str, str], expected: object) -> None:
    message = parse_message(signed(**tags))
    zone = Zone({NAME: {"TXT": [key_record(KEY)]}})
    bodies = BodyHashes(message.body, Limits())
    found = check_signature(message, message.fields[0], zone.ask, NOW, Settings(), bodies)
    assert (found.result.result, found.result.reason) == expected
    if expected[1] is not Reason.LENGTH_OVER_BODY:  # type: ignore[index]
        assert zone.asked == []


def test_duplicate_and_broken_tag_lists_are_neutral() -> None:
    assert ours(signed(text=" v=1; d=a.example; d=b.example; b={b}"))[1] is Reason.DUPLICATE_TAG
    assert ours(signed(text=" v=1; nonsense; b={b}"))[1] is Reason.TAG_SYNTAX
    assert ours(signed(text=""))[1] is Reason.MISSING_TAG


def test_a_key_record_with_a_duplicate_tag_or_junk_is_broken() -> None:
    for record in (key_record(KEY) + "; k=rsa", "v=DKIM2; " + key_record(KEY, v=None), key_record(KEY) + "; junk", ""):
        assert ours(signed(), [record]) == (DkimWord.PERMERROR, Reason.KEY_SYNTAX)
    assert ours(signed(), [key_record(KEY, k="dsa")]) == (DkimWord.PERMERROR, Reason.KEY_TYPE_MISMATCH)
    assert ours(signed(ED), [key_record(ED, k=None)]) == (DkimWord.PERMERROR, Reason.KEY_SYNTAX)
    der_null_with_length = base64.b64encode(bytes.fromhex("300f300d06092a864886f70d0101010501000300")).decode()
    assert ours(signed(), ["p=" + der_null_with_length]) == (DkimWord.PERMERROR, Reason.KEY_SYNTAX)


def test_u_labels_are_looked_up_as_a_labels_and_hashed_as_they_stand() -> None:
    raw = signed(domain="bücher.example", i="@mail.bücher.example")
    found = check(raw, name="s._domainkey.xn--bcher-kva.example").result
    assert (found.result, found.domain) == (DkimWord.PASS, "xn--bcher-kva.example")
    assert found.auid == "@mail.xn--bcher-kva.example"


def test_no_original_octets_are_not_checkable() -> None:
    message = parse_message(signed(), Source(fidelity=Fidelity.SYNTHETIC))
    zone = Zone()
    found = check_signature(
        message, message.fields[0], zone.ask, NOW, Settings(), BodyHashes(message.body, Limits())
    ).result
    assert (found.result, found.reason, found.domain) == (None, Reason.NOT_CHECKABLE, "d.example")
    assert zone.asked == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (signed(), PASS),
        (signed() + b"more\r\n", (None, Reason.NOT_CHECKABLE)),
        (signed().removesuffix(b"dy\r\n"), (None, Reason.NOT_CHECKABLE)),
        (signed(l="6").removesuffix(b"dy\r\n"), (None, Reason.NOT_CHECKABLE)),
        (forged(signed()), FAIL),
        (forged(signed()).removesuffix(b"dy\r\n"), FAIL),
    ],
)
def test_of_a_part_of_a_message_only_the_header_can_fail(raw: bytes, expected: tuple[DkimWord | None, Reason]) -> None:
    message = parse_message(raw, Source(fidelity=Fidelity.PARTIAL))
    zone = Zone({NAME: {"TXT": [key_record(KEY)]}})
    bodies = BodyHashes(message.body, Limits())
    found = check_signature(message, message.fields[0], zone.ask, NOW, Settings(), bodies).result
    assert (found.result, found.reason) == expected


def test_an_unknown_key_interrupts_before_the_body_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    message = parse_message(signed())
    bodies = BodyHashes(message.body, Limits())
    monkeypatch.setattr(bodies, "hash", lambda *_: pytest.fail("hashed"))

    def unknown(question: Question) -> Any:
        raise NotKnownYet(question)

    with pytest.raises(NotKnownYet) as raised:
        check_signature(message, message.fields[0], unknown, NOW, Settings(), bodies)
    assert raised.value.questions == (Question(NAME, "TXT"),)


def test_a_library_that_raises_is_permerror(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(examine, "_select_headers", broken)
    examine._remembered_choice.cache_clear()
    assert ours(signed()) == (DkimWord.PERMERROR, Reason.LIBRARY_ERROR)


def test_those_that_could_align_are_tried_first() -> None:
    raw = MAIL
    domains = ["a.other", "b.other", "example", "d.example", "mail.d.example", "evild.example", "c.other"]
    for domain in domains:
        raw = signed(mail=raw, domain=domain)
    message = parse_message(raw)
    tried, left = order_signatures(message, "mail.d.example", Limits(signatures=3))
    assert [f.value.split(b"d=")[1].split(b";")[0] for f in tried] == [b"mail.d.example", b"d.example", b"c.other"]
    assert len(left) == 4
    assert not set(left).intersection(f.index for f in tried)
    assert [q.name for q in key_questions(message, "mail.d.example", Limits(signatures=2))] == [
        "s._domainkey.mail.d.example",
        "s._domainkey.d.example",
    ]
    everything, left = order_signatures(message, None, Limits())
    assert [f.index for f in everything] == list(range(7))
    assert left == ()


def test_start_of_b_is_unique_in_the_message() -> None:
    one = b"DKIM-Signature: v=1; b=AAAABBBBCCCC\r\n"
    two = b"DKIM-Signature: v=1; b=AAAA BBBB\r\n CCDD\r\n"
    three = b"DKIM-Signature: v=1; b=ZZZZBBBBCCCC\r\n"
    message = parse_message(one + two + three + one + MAIL)
    bodies = BodyHashes(message.body, Limits())
    starts = [
        check_signature(message, field, Zone().ask, NOW, Settings(), bodies).result.b for field in message.fields[:4]
    ]
    assert starts == ["AAAABBBBCCC", "AAAABBBBCCD", "ZZZZBBBB", "AAAABBBBCCC"]


def test_result_tells_what_the_field_says() -> None:
    found = check(signed(i="x@sub.d.example", t=str(NOW - 5), x=str(NOW + 5), l="6"))
    result = found.result
    assert (result.domain, result.selector, result.auid) == ("d.example", "s", "x@sub.d.example")
    assert (result.algorithm, result.key_bits, result.unsigned_octets) == ("rsa-sha256", 1024, 0)
    assert result.signed_at is not None
    assert result.expires_at is not None
    assert (result.signed_at.timestamp(), result.expires_at.timestamp()) == (NOW - 5, NOW + 5)
    assert result.signed_fields == ("from", "to", "subject", "date", "message-id")
    assert (found.covered, found.body_octets_signed) == ((1, 2, 3, 4, 5), 6)
    assert found.body_hash_holds
    assert found.signature_holds


def test_body_and_header_are_judged_apart() -> None:
    both = forged(signed()).replace(b"body", b"b0dy")
    for raw, body, header in (
        (signed().replace(b"body", b"b0dy"), False, True),
        (forged(signed()), True, False),
        (both, False, False),
    ):
        found = check(raw)
        assert (found.body_hash_holds, found.signature_holds) == (body, header)
        expected = Reason.SIGNATURE_MISMATCH if body else Reason.BODY_HASH_MISMATCH
        assert (found.result.result, found.result.reason) == (DkimWord.FAIL, expected)


def test_limits_on_both_sides() -> None:
    names = ":".join(["from", *(f"x-{n}" for n in range(9))])
    assert ours(signed(h=names), given=Settings(limits=Limits(signed_names=10))) == PASS
    assert ours(signed(h=names), given=Settings(limits=Limits(signed_names=9))) == (None, Reason.LIMIT)
    long = len(parse_message(signed()).fields[0].value)
    assert ours(signed(), given=Settings(limits=Limits(tag_list_octets=long))) == PASS
    assert ours(signed(), given=Settings(limits=Limits(tag_list_octets=long - 1))) == (None, Reason.LIMIT)
    assert ours(signed(), [key_record(KEY, n="x" * 17000)]) == (None, Reason.LIMIT)
    assert ours(signed(), given=Settings(limits=Limits(body_octets=6))) == PASS
    assert ours(signed(), given=Settings(limits=Limits(body_octets=5))) == (None, Reason.LIMIT)


def test_library_chooses_among_few_fields_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    select = examine._select_headers

    def counting(fields: Any, names: Any) -> Any:
        seen.append((len(fields), len(names)))
        return select(fields, names)

    monkeypatch.setattr(examine, "_select_headers", counting)
    examine._remembered_choice.cache_clear()
    mail = b"".join(b"X-%d: y\r\n" % (n % 10) for n in range(1900)) + MAIL
    names = "from:" + ":".join(f"x-{n}" for n in range(199))
    assert ours(signed(mail=mail, h=names)) == PASS
    assert seen == [(11, 11)]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([b"a", b"b", b"c", b"A"]), max_size=12),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=12),
)
def test_selection_is_the_librarys_own_on_all_fields(present: list[bytes], names: list[bytes]) -> None:
    message = parse_message(b"".join(b"%s: %d\r\n" % (name, n) for n, name in enumerate(present)) + b"\r\n")
    pairs = [(field.name, field.index) for field in message.fields]
    expected = [index for _, index in dkimpy.select_headers(pairs, names)]
    assert [field.index for field in examine.signed_fields(message.fields, tuple(names))] == expected


@settings(max_examples=60)
@given(st.binary(max_size=80), st.binary(max_size=60), st.sampled_from([b"d=", b"s=", b"i=", b"h=", b"b=", b"l=", b""]))
def test_any_octets_give_a_result(value: bytes, record: bytes, tag: bytes) -> None:
    text = b" v=1; a=rsa-sha256; d=d.example; s=s; h=from; bh=AAAA; b=AAAA; " + tag + value
    raw = b"DKIM-Signature:" + text.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" + MAIL
    message = parse_message(raw)
    field = message.named(b"dkim-signature")[0]
    zone = Zone({NAME: {"TXT": [record]}})
    found, _ = in_rounds(
        zone,
        lambda ask: check_signature(message, field, ask, NOW, Settings(), BodyHashes(message.body, Limits())),
    )
    assert found.result.result is not DkimWord.PASS
    assert found.result.reason is not Reason.LIBRARY_ERROR


# What the library takes quadratic time for: by size, what it answers and what we do.  tests/bench/bench_dkim.py shows
# the time of both.
SLOW: dict[str, tuple[Callable[[int], bytes], object, tuple[DkimWord, Reason]]] = {
    "Q-blank-run": (lambda n: signed(mail=MAIL + b"x" + b" " * n + b"x\r\n"), True, PASS),
    "Q-b-of-blanks": (
        lambda n: signed(b="A" + " " * n + "!"),
        "ValidationError",
        (DkimWord.NEUTRAL, Reason.BAD_BASE64),
    ),
    "Q-b-of-folds": (lambda n: signed(b="{b}" + "\r\n " * n), True, PASS),
    "Q-continuation-lines": (lambda n: b"X: y\r\n" + (b" " + b"z" * 62 + b"\r\n") * n + signed(), True, PASS),
}


@pytest.mark.parametrize("name", SLOW)
def test_what_is_slow_in_the_library_has_its_answer_here_at_any_length(name: str) -> None:
    build, theirs, here = SLOW[name]
    assert bare(build(500)) == theirs
    assert ours(build(500)) == ours(build(4_000)) == here


MODULUS = (1 << 2047) + 12345
USUAL_EXPONENT = public_record(RSAPublicNumbers(65537, MODULUS))
WIDE_EXPONENT = public_record(RSAPublicNumbers(MODULUS - 2, MODULUS))
NO_SIGNATURE = base64.b64encode(b"\1" * 256).decode()


def test_q_large_exponent_is_taken_by_the_library_and_refused_here() -> None:
    raw = signed(b=NO_SIGNATURE)
    assert bare(raw, [WIDE_EXPONENT]) is bare(raw, [USUAL_EXPONENT]) is False
    assert ours(raw, [WIDE_EXPONENT]) == (DkimWord.POLICY, Reason.KEY_TOO_LONG)
    assert ours(raw, [USUAL_EXPONENT]) == FAIL


def test_q_long_signature_and_many_names_are_refused_unread() -> None:
    assert ours(signed(b="A" * 200_000)) == (None, Reason.LIMIT)
    names = ":".join(f"x{n}" for n in range(4000))
    assert ours(signed(h="from:" + names)) == (None, Reason.LIMIT)
    assert keys.parse_key(b"p=" + b"A" * 20_000, 16 * 1024).problem is Reason.LIMIT


def test_importing_the_check_brings_no_resolver() -> None:
    code = "import sys, verify.checks.dkim, verify.checks.arc; sys.exit('dns' in sys.modules or 'dkim' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0

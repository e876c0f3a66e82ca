"""ARC through our adapter, and beside it what the bare dkimpy says (ids A1 to A9)."""

from typing import Any

import dkim as dkimpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signing import ed25519_key, key_record, rsa_key, seal, short_rsa_key, sign, split
from tests.zone import Zone, in_rounds
from verify.checks.arc import check_arc, key_questions
from verify.checks.canonical import BodyHashes
from verify.model import (
    ArcResult,
    ArcWord,
    Cause,
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
    b"From: A <a@d.example>\r\nTo: l@list.example\r\nSubject: s\r\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@d.example>\r\n\r\nbody\r\n"
)
KEY = rsa_key()
NOW = 1_767_225_600
SEALERS = ("one.example", "two.example", "three.example")
ZONE: dict[str, Any] = {f"s._domainkey.{name}": {"TXT": [key_record(KEY)]} for name in SEALERS}
AAR = "mx.{}; spf=pass smtp.mailfrom=a@d.example smtp.remote-ip=192.0.2.7; dkim=pass header.d=d.example"


def chain(count: int, mail: bytes = MAIL, **options: Any) -> bytes:
    for name in SEALERS[:count]:
        mail = seal(mail, name, "s", KEY, aar=AAR.format(name), **options)
    return mail


def check(raw: bytes, zone: dict[str, Any] | None = None, config: Settings | None = None) -> ArcResult:
    config = config or Settings()
    message = parse_message(raw)
    bodies = BodyHashes(message.body, config.limits)
    return check_arc(message, Zone(ZONE if zone is None else zone).ask, NOW, config, bodies)


def word(raw: bytes, **options: Any) -> tuple[ArcWord | None, Reason | None]:
    result = check(raw, **options)
    return result.result, result.reason


def bare(raw: bytes, **answers: Any) -> object:
    """The chain status of dkimpy, or the name of what it raises."""

    def txt(name: bytes, timeout: int = 5) -> str | None:
        found = answers.get("records", ZONE).get(name.decode().rstrip("."))
        if isinstance(found, Exception):
            raise found
        return found["TXT"][0] if found else None

    try:
        return dkimpy.arc_verify(raw, dnsfunc=txt)[0]
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


PASS = (ArcWord.PASS, Reason.VERIFIED)
STRUCTURE = (ArcWord.FAIL, Reason.CHAIN_STRUCTURE)


def test_no_chain_is_none() -> None:
    assert word(MAIL) == (ArcWord.NONE, None)


def test_a_whole_chain_passes_and_says_what_its_sets_claim() -> None:
    result = check(chain(3))
    assert (result.result, result.oldest_pass, result.trusted_through) == (ArcWord.PASS, 0, None)
    assert [s.instance for s in result.sets] == [3, 2, 1]
    assert [s.sealer for s in result.sets] == ["three.example", "two.example", "one.example"]
    assert [s.cv for s in result.sets] == ["pass", "pass", "none"]
    assert {(s.seal, s.message_signature) for s in result.sets} == {(ArcWord.PASS, ArcWord.PASS)}
    assert [s.authserv_id for s in result.sets] == ["mx.three.example", "mx.two.example", "mx.one.example"]
    assert {s.remote_ip for s in result.sets} == {"192.0.2.7"}
    assert [(r.method, r.result) for r in result.sets[0].results] == [("spf", "pass"), ("dkim", "pass")]
    assert bare(chain(3)) == b"pass"


def test_ed25519_seals() -> None:
    key = ed25519_key()
    raw = seal(MAIL, "one.example", "s", key)
    assert word(raw, zone={"s._domainkey.one.example": {"TXT": [key_record(key)]}}) == PASS


def test_a_change_after_an_older_set_moves_oldest_pass_only() -> None:
    changed = seal(chain(1), "two.example", "s", KEY)
    changed = seal(changed.replace(b"body", b"body and footer"), "two.example", "s", KEY, aar=AAR.format("x"))
    result = check(changed)
    assert (result.result, result.oldest_pass) == (ArcWord.PASS, 3)
    assert [s.message_signature for s in result.sets] == [ArcWord.PASS, ArcWord.FAIL, ArcWord.FAIL]
    assert result.sets[2].message_signature_reason is Reason.BODY_HASH_MISMATCH


def test_a_change_after_the_newest_set_fails() -> None:
    assert word(chain(2).replace(b"body", b"b0dy")) == (ArcWord.FAIL, Reason.MESSAGE_SIGNATURE_FAILED)
    forged = chain(2).replace(b"mx.one.example; spf=pass", b"mx.one.example; spf=fail")
    result = check(forged)
    assert (result.result, result.reason) == (ArcWord.FAIL, Reason.SEAL_FAILED)
    assert [s.seal for s in result.sets] == [ArcWord.FAIL, ArcWord.FAIL]
    assert result.oldest_pass is None


def test_a1_newest_seal_says_fail() -> None:
    raw = seal(chain(1), "two.example", "s", KEY, cv="fail")
    assert word(raw) == (ArcWord.FAIL, Reason.CHAIN_FAILED_BEFORE)
    assert bare(raw) is None


@pytest.mark.parametrize(
    "text",
    [
        " a=rsa-sha256; c=relaxed/relaxed; d=one.example; s=s;\ti=1; h=from; bh={bh}; b={b}",
        "i=1; a=rsa-sha256; c=relaxed/relaxed; d=one.example; s=s; h=from; bh={bh}; b={b}",
        " i = 1; a=rsa-sha256; c=relaxed/relaxed; d=one.example; s=s; h=from; bh={bh}; b={b}",
        " i=1 ; a=rsa-sha256; c=relaxed/relaxed; d=one.example; s=s; h=from; bh={bh}; b={b}",
        " a=rsa-sha256; c=relaxed/relaxed; d=one.example; s=s; h=from; bh={bh}; b={b}; i=1",
    ],
)
def test_a2_every_legal_way_to_write_the_instance(text: str) -> None:
    raw = seal(MAIL, "one.example", "s", KEY, ams_text=text)
    assert word(raw) == PASS
    assert bare(raw) == "IndexError"


def test_a3_message_signature_without_from() -> None:
    raw = seal(MAIL, "one.example", "s", KEY, h="to:subject").replace(b"a@d.example", b"e@evil.example")
    result = check(raw)
    assert (result.result, result.reason) == (ArcWord.FAIL, Reason.MESSAGE_SIGNATURE_FAILED)
    assert result.sets[0].message_signature_reason is Reason.FROM_NOT_SIGNED
    assert bare(raw) == b"pass"


def test_a4_dns_trouble_is_fail_with_its_reason_and_a_missing_record_no_result() -> None:
    raw = chain(2)
    for cause, reason in ((Cause.TIMEOUT, Reason.DNS_TIMEOUT), (Cause.SERVFAIL, Reason.DNS_SERVFAIL)):
        assert word(raw, zone={**ZONE, "s._domainkey.one.example": cause}) == (ArcWord.FAIL, reason)
    gone = {name: value for name, value in ZONE.items() if "one." not in name}
    result = check(raw, zone=gone)
    assert (result.result, result.reason) == (ArcWord.FAIL, Reason.SEAL_FAILED)
    assert result.sets[1].seal_reason is Reason.NO_KEY
    assert bare(raw, records={**ZONE, "s._domainkey.one.example": dkimpy.DnsTimeoutError("slow")}) == b"fail"
    assert bare(raw, records=gone) == b"fail"
    unknown = check(raw, zone={**ZONE, "s._domainkey.one.example": Outcome.NOT_RECORDED})
    assert (unknown.result, unknown.reason) == (None, Reason.NOT_RECORDED)
    assert (unknown.sets[1].seal, unknown.sets[0].seal) == (None, ArcWord.PASS)
    broken = raw.replace(b"body", b"b0dy")  # certain whatever the missing key says
    assert word(broken, zone={**ZONE, "s._domainkey.one.example": Outcome.NOT_RECORDED})[0] is ArcWord.FAIL


def test_a6_sets_in_another_order() -> None:
    fields, body = split(chain(2))
    arc, rest = fields[:6], fields[6:]
    assert word(b"".join([*arc[3:], *arc[:3], *rest]) + b"\r\n" + body) == PASS
    mixed = [arc[5], arc[0], arc[4], arc[1], arc[3], arc[2]]
    assert word(b"".join([*mixed, *rest]) + b"\r\n" + body) == PASS


@pytest.mark.parametrize("stray", [b"ARC-Seal: a=b\r\n", b"ARC-Seal: i=0; a=b\r\n", b"ARC-Message-Signature: x\r\n"])
def test_a7_stray_fields(stray: bytes) -> None:
    for raw in (stray + chain(1), chain(1).replace(b"\r\nFrom:", b"\r\n" + stray + b"From:")):
        assert word(raw) == STRUCTURE
    assert bare(b"ARC-Seal: a=b\r\n" + chain(1)) == b"pass"


def test_a8_more_than_fifty_sets() -> None:
    raw = MAIL
    for _ in range(51):
        raw = seal(raw, "one.example", "s", KEY, aar="x; none")
    assert word(raw) == (ArcWord.FAIL, Reason.CHAIN_TOO_LONG)
    fields, body = split(raw)
    assert word(b"".join(fields[3:]) + b"\r\n" + body) == PASS
    few = Settings(limits=Limits(arc_seals_checked=49))
    assert word(b"".join(fields[3:]) + b"\r\n" + body, config=few) == (None, Reason.LIMIT)
    assert bare(raw) == b"pass"


def test_a9_junk_lines_do_not_break_a_chain() -> None:
    raw = b"junk line\r\n" + chain(1)
    assert word(raw) == PASS
    assert bare(raw) == "MessageFormatError"


def test_structure() -> None:
    fields, body = split(chain(2))
    for missing in range(6):
        left = b"".join(f for n, f in enumerate(fields) if n != missing) + b"\r\n" + body
        assert word(left) == STRUCTURE
        twice = b"".join([fields[missing], *fields]) + b"\r\n" + body
        assert word(twice) == STRUCTURE
    gap = seal(chain(1), "two.example", "s", KEY, instance=3)
    assert word(gap) == STRUCTURE
    assert word(seal(MAIL, "one.example", "s", KEY, cv="pass")) == STRUCTURE
    assert word(seal(chain(1), "two.example", "s", KEY, cv="none")) == STRUCTURE
    with_h = seal(MAIL, "one.example", "s", KEY, seal_tags={"h": "from"})
    assert word(with_h) == (ArcWord.FAIL, Reason.SEAL_HAS_H)


def test_arc_seal_must_not_be_signed() -> None:
    result = check(seal(chain(1), "two.example", "s", KEY, h="from:arc-seal"))
    assert result.result is ArcWord.FAIL
    assert result.sets[0].message_signature_reason is Reason.SEAL_SIGNED


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"l": "0"}, Reason.UNSIGNED_OCTETS),
        ({"x": str(NOW - 301)}, Reason.EXPIRED),
        ({"t": str(NOW + 301)}, Reason.SIGNED_IN_FUTURE),
        ({"a": "rsa-sha1"}, Reason.RSA_SHA1),
    ],
)
def test_message_signatures_are_judged_as_dkim_is(options: dict[str, str], reason: Reason) -> None:
    result = check(seal(MAIL, "one.example", "s", KEY, **options))  # type: ignore[arg-type]
    assert result.result is ArcWord.FAIL
    assert result.sets[0].message_signature_reason is reason


def test_a_field_added_above_the_signed_one_fails_the_chain() -> None:
    result = check(b"Subject: other\r\n" + chain(1))
    assert result.result is ArcWord.FAIL
    assert result.sets[0].message_signature_reason is Reason.SIGNED_INSTANCE_NOT_SHOWN


def test_short_keys_fail() -> None:
    key = short_rsa_key()
    result = check(seal(MAIL, "one.example", "s", key), zone={"s._domainkey.one.example": {"TXT": [key_record(key)]}})
    assert result.result is ArcWord.FAIL
    assert result.sets[0].seal_reason is Reason.KEY_TOO_SHORT


@pytest.mark.parametrize(
    ("sealers", "through"),
    [
        ((), None),
        (("three.example",), 3),
        (("Three.Example.", "two.example"), 2),
        (SEALERS, 1),
        (("two.example", "one.example"), None),  # not from the newest downwards
        (("three.example", "one.example"), 3),
        (("example",), None),
    ],
)
def test_trust_reaches_from_the_newest_down_to_the_first_unknown(sealers: tuple[str, ...], through: int | None) -> None:
    assert check(chain(3), config=Settings(trust_sealers=sealers)).trusted_through == through


def test_a_failed_chain_is_trusted_nowhere() -> None:
    result = check(chain(3).replace(b"body", b"b0dy"), config=Settings(trust_sealers=SEALERS))
    assert (result.result, result.trusted_through) == (ArcWord.FAIL, None)


def test_all_keys_are_asked_for_at_once() -> None:
    message = parse_message(sign(chain(3), "d.example", "s", KEY))
    bodies = BodyHashes(message.body, Limits())

    def unknown(question: Question) -> Any:
        raise NotKnownYet(question)

    with pytest.raises(NotKnownYet) as raised:
        check_arc(message, unknown, NOW, Settings(), bodies)
    assert {q.name for q in raised.value.questions} == {f"s._domainkey.{name}" for name in SEALERS}
    assert set(key_questions(message, Limits())) == set(raised.value.questions)
    result, rounds = in_rounds(Zone(ZONE), lambda ask: check_arc(message, ask, NOW, Settings(), bodies))
    assert (result.result, rounds) == (ArcWord.PASS, 1)


def test_no_original_octets_are_not_checkable() -> None:
    message = parse_message(chain(1), Source(fidelity=Fidelity.SYNTHETIC))
    result = check_arc(message, Zone(ZONE).ask, NOW, Settings(), BodyHashes(message.body, Limits()))
    assert (result.result, result.reason) == (None, Reason.NOT_CHECKABLE)
    assert result.sets[0].sealer == "one.example"
    assert result.sets[0].seal is None


def test_of_a_part_of_a_message_the_chain_is_not_checkable() -> None:
    message = parse_message(chain(2).removesuffix(b"\r\n") + b"x\r\n", Source(fidelity=Fidelity.PARTIAL))
    result = check_arc(message, Zone(ZONE).ask, NOW, Settings(), BodyHashes(message.body, Limits()))
    assert (result.result, result.reason) == (None, Reason.NOT_CHECKABLE)
    assert [s.seal for s in result.sets] == [ArcWord.PASS, ArcWord.PASS]


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"]),
            st.one_of(
                st.binary(max_size=40), st.sampled_from([b" i=1; cv=none", b" i=1; cv=fail; d=x.example", b" i=1;"])
            ),
        ),
        max_size=6,
    )
)
def test_any_octets_give_a_result(members: list[tuple[bytes, bytes]]) -> None:
    raw = b"".join(name + b":" + value.replace(b"\n", b"") + b"\r\n" for name, value in members) + MAIL
    result = check(raw)
    assert result.result is (ArcWord.FAIL if members else ArcWord.NONE)
    assert result.reason is not Reason.LIBRARY_ERROR


def test_an_unreadable_results_field_leaves_the_chain_valid() -> None:
    result = check(seal(MAIL, "one.example", "s", KEY, aar='"(((; \\'))
    assert (result.result, result.sets[0].results) == (ArcWord.PASS, ())

"""The straight line from a message to its verdict, with a name service in memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import signing
from tests.zone import Zone, in_rounds
from verify.checks.iprev import check_iprev
from verify.evaluate import NeedAnswers, evaluate
from verify.model import (
    AnomalyCode,
    AtMode,
    Cause,
    Conclusion,
    ConclusionReason,
    DkimWord,
    DmarcStandard,
    DmarcWord,
    Envelope,
    JudgedAtSource,
    NotKnownYet,
    Outcome,
    Override,
    PolicyWord,
    Reason,
    RecordedStanding,
    Settings,
    SpfWord,
    Verdict,
)
from verify.reading.message import parse_message

NOW = 1_767_348_245
ENVELOPE = Envelope(client_ip="192.0.2.10", helo="mail.legit.example", mail_from="a@legit.example")
MAIL = (
    b"From: A <a@legit.example>\r\nTo: u@r.example\r\nSubject: hello\r\n"
    b"Date: Fri, 02 Jan 2026 10:04:05 +0000\r\nMessage-ID: <1@legit.example>\r\n\r\nbody\r\n"
)
WORLD = {
    "legit.example": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"]},
    "_dmarc.legit.example": {"TXT": ["v=DMARC1; p=reject"]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["mail.legit.example"]},
    "mail.legit.example": {"A": ["192.0.2.10"]},
}


def sign(raw, domain, selector, records, **tags):
    """The message signed; the key goes into ``records`` under its name."""
    key = signing.rsa_key()
    records[f"{selector}._domainkey.{domain}"] = {"TXT": [signing.key_record(key)]}
    return signing.sign(raw, domain, selector, key, **{name: str(value) for name, value in tags.items()})


def judge(raw, world=WORLD, envelope=ENVELOPE, **options):
    zone = Zone(world, observed_at=options.pop("observed_at", NOW))
    verdict = evaluate(parse_message(raw), envelope, zone.ask, options.pop("now", NOW), Settings(**options))
    assert isinstance(verdict, Verdict)
    return verdict


def reasons(verdict):
    return verdict.conclusion, verdict.conclusion_reason


def test_an_aligned_spf_pass_from_a_given_envelope_authenticates():
    verdict = judge(MAIL)
    assert reasons(verdict) == (Conclusion.AUTHENTICATED, ConclusionReason.SPF_ALIGNED)
    assert [(s.identity.value, s.result) for s in verdict.spf] == [
        ("mailfrom", SpfWord.PASS),
        ("helo", SpfWord.NONE),
    ]
    assert verdict.dmarc.result is DmarcWord.PASS
    assert verdict.iprev.confirmed == ("mail.legit.example",)
    assert verdict.judged_at_source is JudgedAtSource.NOW


def test_the_same_verdict_comes_out_however_often_it_is_interrupted():
    raw = sign(MAIL, "legit.example", "s", record := {})
    zone = Zone({**WORLD, **record}, observed_at=NOW)
    whole = evaluate(parse_message(raw), ENVELOPE, zone.ask, NOW, Settings())
    known = {}
    progress = None
    rounds = 0

    def ask(question):
        if question not in known:
            raise NotKnownYet(question)
        return known[question]

    while True:
        result = evaluate(parse_message(raw), ENVELOPE, ask, NOW, Settings(), progress)
        if isinstance(result, Verdict):
            break
        assert isinstance(result, NeedAnswers)
        fresh = [q for q in result.decisive + result.others if q not in known]
        assert fresh
        known.update((q, zone.ask(q)) for q in fresh)
        progress = result.progress
        rounds += 1
    assert result == whole
    assert 1 <= rounds <= 6


def test_a_check_is_not_run_again_before_what_it_lacks_is_there(monkeypatch):
    runs = []

    def counted(ip, ask, limits):
        runs.append(ip)
        return check_iprev(ip, ask, limits)

    monkeypatch.setattr("verify.evaluate.check_iprev", counted)
    zone = Zone(WORLD, observed_at=NOW)
    known = {}

    def ask(question):
        if question not in known:
            raise NotKnownYet(question)
        return known[question]

    message = parse_message(MAIL)
    needs = evaluate(message, ENVELOPE, ask, NOW, Settings())
    others = needs.others
    known.update((q, zone.ask(q)) for q in needs.decisive)
    needs = evaluate(message, ENVELOPE, ask, NOW, Settings(), needs.progress)
    assert (needs.decisive, needs.others) == ((), others)
    assert len(runs) == 1
    known.update((q, zone.ask(q)) for q in needs.others)
    needs = evaluate(message, ENVELOPE, ask, NOW, Settings(), needs.progress)
    assert [q.name for q in needs.others] == ["mail.legit.example"]
    assert len(runs) == 2


def test_what_could_align_is_asked_first():
    raw = sign(sign(MAIL, "legit.example", "s", {}), "stranger.example", "t", {})

    def nothing(question):
        raise NotKnownYet(question)

    needs = evaluate(parse_message(raw), ENVELOPE, nothing, NOW, Settings())
    assert isinstance(needs, NeedAnswers)
    decisive = {q.name for q in needs.decisive}
    assert {"_dmarc.legit.example", "s._domainkey.legit.example", "legit.example"} <= decisive
    assert {q.name for q in needs.others} >= {"t._domainkey.stranger.example", "10.2.0.192.in-addr.arpa"}


def test_dns_trouble_of_a_stranger_excuses_nothing():
    raw = sign(MAIL, "attack.example", "s", {})
    envelope = Envelope(client_ip="203.0.113.66", helo="x.attack.example", mail_from="x@attack.example")
    world = {**WORLD, "s._domainkey.attack.example": Cause.TIMEOUT, "attack.example": Cause.TIMEOUT}
    verdict = judge(raw, world, envelope)
    assert reasons(verdict) == (Conclusion.FAILED, ConclusionReason.NOT_ALIGNED)
    assert verdict.dkim[0].result is DkimWord.TEMPERROR
    assert {(e.name, e.cause) for e in verdict.dns.errors} >= {("attack.example", Cause.TIMEOUT)}


def test_what_the_recording_lacks_is_never_no_record():
    world = {**WORLD, "_dmarc.legit.example": Outcome.NOT_RECORDED}
    verdict = judge(MAIL, world)
    assert reasons(verdict) == (Conclusion.UNDETERMINED, ConclusionReason.NOT_RECORDED)
    assert (verdict.dmarc.result, verdict.dmarc.reason) == (None, Reason.NOT_RECORDED)


def test_an_spf_pass_from_an_inferred_client_never_clears():
    raw = (
        b"Return-Path: <a@legit.example>\r\nReceived: from mail.legit.example (mail.legit.example [192.0.2.10])\r\n"
        b"\tby mx.r.example (Postfix) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n" + MAIL
    )
    verdict = judge(raw, envelope=Envelope())
    assert reasons(verdict) == (Conclusion.UNDETERMINED, ConclusionReason.ORIGIN_INFERRED)
    assert (verdict.spf[0].result, verdict.spf[0].reason) == (SpfWord.PASS, Reason.ORIGIN_INFERRED)
    assert (verdict.dmarc.result, verdict.dmarc.reason) == (None, Reason.ORIGIN_INFERRED)
    vouched = judge(raw, envelope=Envelope(), trust_hosts=("mx.r.example",))
    assert reasons(vouched) == (Conclusion.AUTHENTICATED, ConclusionReason.SPF_ALIGNED)
    assert vouched.judged_at_source is JudgedAtSource.RECEIPT


def test_expiry_hangs_on_the_time_of_receipt_only_where_somebody_vouches_for_it():
    raw = sign(MAIL, "legit.example", "s", record := {}, t=NOW, x=NOW + 3600)
    world = {**WORLD, **record}
    received = (
        b"Return-Path: <a@elsewhere.example>\r\nReceived: from mail.legit.example (mail.legit.example [192.0.2.10])\r\n"
        b"\tby mx.r.example (Postfix) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n" + raw
    )
    later = NOW + 86_400
    vouched = judge(received, world, Envelope(), now=later, trust_hosts=("mx.r.example",))
    assert reasons(vouched) == (Conclusion.AUTHENTICATED, ConclusionReason.DKIM_ALIGNED)
    inferred = judge(received, world, Envelope(), now=later)
    assert reasons(inferred) == (Conclusion.UNDETERMINED, ConclusionReason.ORIGIN_INFERRED)
    asked = judge(received, world, Envelope(), now=later, at=AtMode.NOW)
    assert reasons(asked) == (Conclusion.FAILED, ConclusionReason.NOT_ALIGNED)


def test_answers_later_than_the_mail_are_said_to_be_so():
    raw = sign(MAIL, "legit.example", "s", {})
    received = (
        b"Return-Path: <a@legit.example>\r\nReceived: from mail.legit.example (mail.legit.example [192.0.2.99])\r\n"
        b"\tby mx.r.example (Postfix) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n" + raw
    )
    trust = {"trust_hosts": ("mx.r.example",), "envelope": Envelope()}
    now = judge(received, observed_at=NOW + 60, **trust)
    assert reasons(now) == (Conclusion.FAILED, ConclusionReason.NOT_ALIGNED)
    late = judge(received, observed_at=NOW + 8 * 86_400, now=NOW + 8 * 86_400, **trust)
    assert reasons(late) == (Conclusion.UNDETERMINED, ConclusionReason.RECORDS_LATER)
    assert AnomalyCode.RECORDS_LATER_THAN_MAIL in {a.code for a in late.anomalies}


def test_a_signature_left_out_by_the_limit_is_not_a_failure_when_it_could_align():
    raw = MAIL
    for _ in range(11):
        raw = sign(raw, "legit.example", "s", {})
    verdict = judge(raw, envelope=Envelope(client_ip="192.0.2.99", helo="x.example", mail_from="a@x.example"))
    assert reasons(verdict) == (Conclusion.UNDETERMINED, ConclusionReason.LIMIT)
    assert AnomalyCode.SIGNATURES_NOT_TRIED in {a.code for a in verdict.anomalies}


def test_a_trusted_sealer_changes_the_disposition_and_not_the_result():
    from samples.make_samples import SENT, samples, zone

    raw = samples()["list-arc"].raw
    world = zone()
    trusted = judge(
        raw, world, Envelope(), now=SENT, trust_hosts=("mx.receiver.example",), trust_sealers=("lists.example",)
    )
    assert reasons(trusted) == (Conclusion.FAILED, ConclusionReason.NOT_ALIGNED)
    assert trusted.dmarc.result is DmarcWord.FAIL
    assert (trusted.dmarc.override, trusted.dmarc.disposition) == (Override.TRUSTED_SEALER, PolicyWord.NONE)
    unnamed = judge(raw, world, Envelope(), now=SENT, trust_hosts=("mx.receiver.example",))
    assert (unnamed.dmarc.override, unnamed.dmarc.disposition) == (None, PolicyWord.QUARANTINE)


def codes(verdict):
    return {a.code: a.detail for a in verdict.anomalies}


def test_a_pass_through_a_pool_that_others_share_is_said_to_be_one():
    world = {**WORLD, "legit.example": {"TXT": ["v=spf1 include:pool.example -all"]}}
    world["pool.example"] = {"TXT": ["v=spf1 ip4:192.0.2.0/24 -all"]}
    verdict = judge(MAIL, world)
    assert reasons(verdict) == (Conclusion.AUTHENTICATED, ConclusionReason.SPF_ALIGNED)
    assert codes(verdict)[AnomalyCode.SPF_SHARED_POOL] == "pool.example"
    assert AnomalyCode.SPF_SHARED_POOL not in codes(judge(MAIL))


def test_a_pass_that_anybody_gets_is_said_to_be_one():
    verdict = judge(MAIL, {**WORLD, "legit.example": {"TXT": ["v=spf1 +all"]}})
    assert codes(verdict)[AnomalyCode.SPF_PASS_ALL] == "legit.example"


def test_the_old_rules_say_what_the_standard_says_besides():
    world = {
        "mail.legit.example": {"TXT": ["v=spf1 -all"]},
        "_dmarc.mail.legit.example": {"TXT": ["v=DMARC1; p=reject"]},
        "legit.example": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"]},
    }
    raw = MAIL.replace(b"a@legit.example>\r\nTo", b"a@mail.legit.example>\r\nTo")
    verdict = judge(
        raw,
        world,
        dmarc=DmarcStandard.RFC7489,
        public_suffix=lambda name: ".".join(name.split(".")[-2:]),
    )
    assert (verdict.dmarc.result, verdict.dmarc.old_result) == (DmarcWord.PASS, DmarcWord.FAIL)


def test_a_field_that_bears_our_id_below_the_border_is_called_forged():
    raw = (
        b"Return-Path: <a@legit.example>\r\nReceived: from mail.legit.example (mail.legit.example [192.0.2.10])\r\n"
        b"\tby mx.r.example (Postfix) with ESMTP id 4X; Fri, 02 Jan 2026 10:04:05 +0000\r\n"
        b"X-Filler: x\r\nReceived: from a (a [192.0.2.9]) by b.example with ESMTP; Fri, 02 Jan 2026 10:04:00 +0000\r\n"
        b"Authentication-Results: mx.r.example; dkim=pass header.d=legit.example\r\n" + MAIL
    )
    verdict = judge(raw, envelope=Envelope(), trust_hosts=("mx.r.example",), trust_authserv_ids=("mx.r.example",))
    assert codes(verdict)[AnomalyCode.FORGED_RESULTS] == "mx.r.example"
    assert verdict.recorded[0].standing is RecordedStanding.FORGED
    assert verdict.headers_removed == (verdict.recorded[0].index,)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_give_a_verdict_that_authenticates_nothing(octets):
    verdict, _ = in_rounds(
        Zone(WORLD), lambda ask: _done(evaluate(parse_message(octets), Envelope(), ask, NOW, Settings()))
    )
    assert verdict.conclusion is not Conclusion.AUTHENTICATED


def _done(result):
    if isinstance(result, NeedAnswers):
        raise NotKnownYet(*result.decisive, *result.others)
    return result


def test_an_originating_address_is_proven_by_an_aligned_passing_signature_that_covers_it():
    raw = b"X-Originating-IP: [198.51.100.7]\r\nX-Client-IP: 198.51.100.8\r\n" + MAIL
    signed = sign(raw, "legit.example", "s", record := {}, h="from:x-originating-ip")
    verdict = judge(signed, {**WORLD, **record})
    assert [(o.ip, o.standing.value) for o in verdict.originating_ip] == [
        ("198.51.100.7", "proven"),
        ("198.51.100.8", "claimed"),
    ]
    other = judge(sign(raw, "other.example", "s", record := {}, h="from:x-originating-ip"), {**WORLD, **record})
    assert {o.standing.value for o in other.originating_ip} == {"claimed"}

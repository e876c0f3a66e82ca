"""Sentences: complete over every closed list, plain, true to the verdict, and nothing hostile in them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verdicts import AUTHOR, OTHER, aligned, dmarc, full, origin, recorded, signature, spf, verdict
from verify import explain
from verify.explain import words
from verify.grammar.visible import terminal
from verify.model import (
    Anomaly,
    AnomalyCode,
    ArcResult,
    ArcSet,
    ArcWord,
    Author,
    Cause,
    Comparison,
    ComparisonReason,
    Conclusion,
    ConclusionReason,
    Confidence,
    Coverage,
    Diagnosis,
    DiagnosisCode,
    DkimWord,
    DmarcWord,
    DnsError,
    DnsUse,
    Fidelity,
    FidelityNote,
    Identity,
    IprevResult,
    IprevWord,
    Mailbox,
    Method,
    Origin,
    OriginReason,
    OriginSource,
    Outcome,
    Override,
    PolicyWord,
    Proof,
    Reason,
    Recorded,
    RecordedResult,
    RecordedStanding,
    SpfWord,
    Standing,
    WrittenBy,
    replace,
)

R = ConclusionReason
TABLES: list[tuple[type[StrEnum], dict[Any, str]]] = [
    (Conclusion, words.CONCLUSIONS),
    (Reason, words.REASONS),
    (AnomalyCode, words.ANOMALIES),
    (DiagnosisCode, words.DIAGNOSES),
    (Comparison, words.COMPARISONS),
    (ComparisonReason, words.COMPARISON_REASONS),
    (OriginReason, words.ORIGIN_REASONS),
    (Fidelity, words.FIDELITIES),
    (FidelityNote, words.FIDELITY_NOTES),
    (Outcome, words.OUTCOMES),
    (Cause, words.CAUSES),
    (Override, words.OVERRIDES),
    (Standing, words.STANDINGS),
    (RecordedStanding, words.RECORDED_STANDINGS),
    (Proof, words.PROOFS),
    (WrittenBy, words.WRITERS),
]


@pytest.mark.parametrize(("closed", "table"), TABLES, ids=[closed.__name__ for closed, _ in TABLES])
def test_every_word_of_a_closed_list_has_its_own_plain_words(closed: type[StrEnum], table: dict[Any, str]) -> None:
    assert set(table) == set(closed)
    assert all(text.strip() == text and text and not text.endswith(".") for text in table.values())
    assert len(set(table.values())) == len(table)


@pytest.mark.parametrize("reason", ConclusionReason)
def test_every_conclusion_has_a_summary_that_names_it_and_the_author(reason: ConclusionReason) -> None:
    made = verdict(reason)
    text = explain.summary(made)
    assert text.startswith(words.CONCLUSIONS[made.conclusion] + ": ")
    assert text.endswith(".")
    assert "None" not in text
    assert "  " not in text
    if made.author.domain:
        assert AUTHOR in text


@pytest.mark.parametrize("reason", ConclusionReason)
def test_only_an_authenticated_message_leaves_nothing_to_do(reason: ConclusionReason) -> None:
    made = verdict(reason)
    step = explain.next_step(made)
    assert (step is None) == (made.conclusion is Conclusion.AUTHENTICATED)
    assert step is None or (step.endswith(".") and "None" not in step)


def test_summaries_of_different_reasons_differ() -> None:
    assert len({explain.summary(verdict(reason)) for reason in ConclusionReason}) == len(ConclusionReason)


# --- what a pass says, and what it does not --------------------------------------------------------


def test_a_pass_says_who_signed_and_not_that_the_mail_is_honest() -> None:
    text = explain.summary(verdict(R.DKIM_ALIGNED))
    assert f"{AUTHOR} signed this message" in text
    assert "not the person, and not that the content is honest" in text


def test_a_pass_through_another_name_of_the_organization_names_the_signer() -> None:
    made = verdict(dmarc=dmarc(aligned=(aligned(f"mail.{AUTHOR}", Method.DKIM),)))
    assert f"through mail.{AUTHOR}" in explain.summary(made)


def test_a_pass_by_address_says_that_it_rests_on_what_the_user_vouched_for() -> None:
    text = explain.summary(verdict(R.SPF_ALIGNED))
    assert "192.0.2.25" in text
    assert "rests on the address that you vouched for" in text


def test_what_is_shown_but_not_signed_is_said_in_the_summary() -> None:
    coverage = Coverage(unsigned_fields=("Reply-To", "Subject"), unsigned_octets=120)
    text = explain.summary(verdict(coverage=coverage))
    assert "Not all that is shown was signed: Reply-To and Subject and 120 octets of the body" in text
    assert "Not all" not in explain.summary(verdict())
    assert "Not all" not in explain.summary(verdict(R.SPF_ALIGNED, coverage=coverage))


def test_a_pass_by_address_says_when_the_authors_own_signature_does_not_hold() -> None:
    broken = signature(result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH)
    text = explain.summary(verdict(R.SPF_ALIGNED, dkim=(broken,)))
    assert "Its signature does not hold (the body is not the one that was signed)" in text
    unchecked = signature(result=DkimWord.TEMPERROR, reason=Reason.DNS_TIMEOUT)
    assert "could not be checked" in explain.summary(verdict(R.SPF_ALIGNED, dkim=(unchecked,)))
    for dkim in ((), (replace(broken, domain=OTHER, aligned=False),)):
        assert "signature" not in explain.summary(verdict(R.SPF_ALIGNED, dkim=dkim))


def test_an_address_in_the_displayed_name_is_said_in_the_summary() -> None:
    shows = (Anomaly(AnomalyCode.DISPLAY_NAME_ADDRESS, "ceo@bank.example"),)
    for reason in (R.DKIM_ALIGNED, R.SPF_ALIGNED, R.NO_POLICY, R.ORIGIN_INFERRED):
        text = explain.summary(verdict(reason, anomalies=shows))
        assert text.split(". ")[1].startswith("The displayed name shows another address: ceo@bank.example")
    assert "displayed name" not in explain.summary(verdict())


def test_a_check_that_one_side_did_not_run_differs_in_nothing() -> None:
    skipped = recorded(comparison=Comparison.EXPLAINED, reason=ComparisonReason.METHOD_NOT_RUN)
    assert explain.comparison(skipped) == "Not compared with our results: one side did not run this check."


def test_a_trusted_receiver_that_recorded_another_result_is_named_in_the_summary() -> None:
    made = verdict(R.COPY_ALTERED)
    assert "mx.receiver.example recorded dmarc=pass" in explain.summary(made)
    for standing in set(RecordedStanding) - {RecordedStanding.TRUSTED}:
        other = replace(made, recorded=(recorded(standing=standing),))
        assert "recorded dmarc=pass" not in explain.summary(other)
    agreeing = RecordedResult(method="dmarc", result="pass", comparison=Comparison.AGREES)
    assert "recorded dmarc" not in explain.summary(replace(made, recorded=(recorded(results=(agreeing,)),)))


# --- a failure says what was tried -----------------------------------------------------------------


def test_a_failure_names_what_signed_and_what_sent_instead() -> None:
    text = explain.summary(verdict(R.NOT_ALIGNED))
    assert f"it is signed only by {OTHER}" in text
    assert f"192.0.2.25 is allowed to send for {OTHER}, but that is another domain" in text
    assert "asks to reject such mail" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dkim": ()}, "it carries no DKIM signature"),
        (
            {"dkim": (signature(result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH),)},
            f"the signature by {AUTHOR} does not count (the body is not the one that was signed)",
        ),
        ({"dkim": (signature(domain=OTHER, aligned=False, result=DkimWord.FAIL),)}, f"no signature by {AUTHOR}"),
        ({"spf": ()}, "SPF could not be checked (the envelope sender is not known)"),
        ({"spf": (spf(result=SpfWord.FAIL),)}, f"192.0.2.25 is not a server that {AUTHOR} allows to send"),
        ({"spf": (spf(result=SpfWord.NEUTRAL),)}, "does not say whether 192.0.2.25 may send"),
        ({"spf": (spf(result=SpfWord.NONE, reason=Reason.NO_RECORD),)}, "no SPF record speaks for 192.0.2.25"),
        ({"spf": (spf(result=SpfWord.PERMERROR, reason=Reason.LOOKUP_LIMIT),)}, "more than ten look-ups"),
    ],
)
def test_a_failure_says_why_neither_signature_nor_address_counts(changes: dict[str, Any], expected: str) -> None:
    assert expected in explain.summary(verdict(R.NOT_ALIGNED, **changes))


def test_an_author_of_several_domains_has_all_of_them_named_with_their_policies() -> None:
    text = explain.summary(verdict(R.AUTHOR_SEVERAL_DOMAINS))
    assert f"{AUTHOR} asks to reject such mail" in text
    assert "bank.example publishes no usable policy" in text
    assert "the policy of late.example could not be looked up" in text


@pytest.mark.parametrize("reason", [R.AUTHOR_REPEATED, R.AUTHOR_AMBIGUOUS])
def test_an_author_that_cannot_be_told_has_its_readings_named(reason: ConclusionReason) -> None:
    assert "ceo@bank.example" in explain.summary(verdict(reason))


def test_an_unprotected_message_says_what_was_proved_all_the_same() -> None:
    text = explain.summary(verdict(R.NO_POLICY))
    assert f"what is proved is that {AUTHOR} signed it and that it came from a server that {AUTHOR} allows" in text
    assert "neither a signature nor the sending server proves anything" in explain.summary(
        verdict(R.NO_POLICY, dkim=(), spf=(spf(reason=Reason.ORIGIN_INFERRED),))
    )


# --- what to do ------------------------------------------------------------------------------------


def test_the_next_step_names_the_option_that_would_decide() -> None:
    inferred = origin(source=OriginSource.INFERRED, profile="fastmail", confidence=Confidence.LIKELY)
    assert "--receiver fastmail" in str(explain.next_step(verdict(R.ORIGIN_INFERRED, origin=inferred)))
    assert "--receiver gmail" in str(explain.next_step(verdict(R.ORIGIN_INFERRED)))
    assert "--trust-network" in str(explain.next_step(verdict(R.ORIGIN_INFERRED, origin=origin(incomplete=True))))
    assert "--client-ip" in str(explain.next_step(verdict(R.ORIGIN_UNKNOWN, hops=())))
    assert "--dns live" in str(explain.next_step(verdict(R.NOT_RECORDED)))
    assert f"_dmarc.{AUTHOR}" in str(explain.next_step(verdict(R.NO_POLICY)))


def test_the_next_step_repeats_no_option_that_was_given_in_vain() -> None:
    vain = origin(source=OriginSource.INFERRED, profile=None, reason=OriginReason.NOT_WRITTEN_BY_RECEIVER)
    for reason in (R.ORIGIN_INFERRED, R.ORIGIN_UNKNOWN):
        step = str(explain.next_step(verdict(reason, origin=replace(vain, client_ip=None))))
        assert step.startswith("None of the lines on top was written by the receiver or the hosts that you named")
        assert "--receiver gmail" not in step


def test_a_client_address_without_mail_from_asks_for_mail_from_and_not_for_a_receiver() -> None:
    given = origin(source=OriginSource.ENVELOPE, mail_from=None, helo=None, reason=OriginReason.GIVEN)
    unknown = spf(domain=None, result=None, reason=Reason.NO_MAIL_FROM)
    made = verdict(R.ORIGIN_UNKNOWN, origin=given, spf=(unknown,))
    assert "the envelope sender (MAIL FROM) is not known" in explain.summary(made)
    assert "address that it came from is not known" not in explain.summary(made)
    assert "--mail-from (and --helo)" in str(explain.next_step(made))
    assert "--receiver" not in str(explain.next_step(made))
    bounce = replace(
        made,
        origin=replace(given, mail_from=""),
        spf=(spf(identity=Identity.HELO, domain=None, result=None, reason=Reason.NO_HELO),),
    )
    assert "(HELO) is not known" in explain.summary(bounce)
    assert "give --helo too" in str(explain.next_step(bounce))


def test_a_message_without_received_fields_is_said_to_have_none() -> None:
    made = verdict(R.ORIGIN_UNKNOWN, origin=Origin(), hops=())
    assert "the message has no Received field" in explain.summary(made)
    assert "a copy that has all header fields" in str(explain.next_step(made))


@pytest.mark.parametrize("code", DiagnosisCode)
def test_whoever_forwarded_a_message_is_blamed_only_for_what_was_changed_on_the_way(code: DiagnosisCode) -> None:
    bad = signature(result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH, diagnoses=(Diagnosis(code, None),))
    step = str(explain.next_step(verdict(R.NOT_ALIGNED, dkim=(bad,))))
    assert ("forwarded" in step) == (not code.value.startswith("key-"))
    assert words.DIAGNOSES[code].split(":")[0] in step


def test_a_key_that_is_not_there_may_never_have_been_there() -> None:
    gone = signature(result=DkimWord.PERMERROR, reason=Reason.NO_KEY, diagnoses=(Diagnosis(DiagnosisCode.KEY_GONE),))
    assert explain.diagnosis(gone) == (
        "No key is published at that name: it was withdrawn, or the signature is invented."
    )
    revoked = replace(gone, diagnoses=(Diagnosis(DiagnosisCode.KEY_GONE, "revoked"),))
    assert "has revoked the key" in str(explain.diagnosis(revoked))


def test_a_notice_of_a_mail_server_without_a_domain_is_not_accused() -> None:
    made = verdict(R.AUTHOR_MISSING, origin=origin(mail_from=""))
    assert "as notices of mail servers do" in explain.summary(made)
    assert "may be an honest notice" in str(explain.next_step(made))
    assert "notice" not in explain.summary(verdict(R.AUTHOR_MISSING))


def test_a_domain_that_does_not_exist_is_not_asked_to_publish_a_policy() -> None:
    made = verdict(R.NO_POLICY, anomalies=(Anomaly(AnomalyCode.NO_SUCH_AUTHOR_DOMAIN),))
    assert f"{AUTHOR}, does not exist" in explain.summary(made)
    assert "from a domain that exists" in str(explain.next_step(made))
    assert "publish" not in str(explain.next_step(made))


def test_authors_of_whom_any_may_be_shown_are_all_distrusted() -> None:
    assert "any of the authors" in str(explain.next_step(verdict(R.AUTHOR_AMBIGUOUS)))
    assert "one From field" not in str(explain.next_step(verdict(R.AUTHOR_AMBIGUOUS)))


# --- look-ups that failed --------------------------------------------------------------------------


def failed_lookup(name: str, kind: str = "TXT", cause: Cause = Cause.TIMEOUT) -> DnsError:
    return DnsError(name=name, type=kind, outcome=Outcome.TEMPORARY, cause=cause)


def test_when_nothing_at_all_answers_the_network_is_to_be_looked_at_and_not_the_domain() -> None:
    errors = tuple(map(failed_lookup, (f"_dmarc.{AUTHOR}", "_dmarc.example")))
    made = verdict(R.DNS, dns=DnsUse(questions=3, live=2, errors=errors))
    assert "no name server answered any question" in explain.summary(made)
    assert "--resolver" in str(explain.next_step(made))
    assert "must mend" not in str(explain.next_step(made))
    for recorded_, live in ((1, 2), (0, 3)):  # one of three had an answer
        other = replace(made, dns=DnsUse(questions=3, live=live, recorded=recorded_, errors=errors))
        assert "must mend" in str(explain.next_step(other))
        assert "any question" not in explain.summary(other)
    replay = replace(made, dns=DnsUse(questions=3, recorded=2, errors=errors))
    assert explain.summary(replay) == explain.summary(made)


def test_the_look_ups_that_could_have_decided_are_named_first() -> None:
    names = ("25.2.0.192.in-addr.arpa", "out.shop.example", AUTHOR, "x.spf.example", f"s2026._domainkey.{AUTHOR}")
    errors = tuple(failed_lookup(name, "PTR" if "arpa" in name else "TXT") for name in names)
    text = explain.summary(verdict(R.DNS, dns=DnsUse(questions=9, live=9, errors=errors)))
    assert f"(s2026._domainkey.{AUTHOR} TXT: no answer in time, {AUTHOR} TXT: no answer in time and x.spf" in text
    assert "arpa" not in text
    assert "out.shop.example" not in text
    only = explain.summary(verdict(R.DNS, dns=DnsUse(questions=9, live=9, errors=errors[:1])))
    assert "in-addr.arpa" in only
    unasked = DnsError(name=f"_dmarc.{AUTHOR}", type="TXT", outcome=Outcome.NOT_RECORDED)
    assert "_dmarc" not in explain.summary(verdict(R.DNS, dns=DnsUse(questions=9, live=8, errors=(unasked, *errors))))


def test_an_expired_signature_without_a_vouched_date_is_said_to_be_one() -> None:
    expired = signature(result=DkimWord.POLICY, reason=Reason.EXPIRED)
    assert "has expired by now" in explain.summary(verdict(R.ORIGIN_INFERRED, dkim=(expired,)))


# --- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", OriginReason)
@pytest.mark.parametrize("source", OriginSource)
def test_every_origin_is_explained(reason: OriginReason, source: OriginSource) -> None:
    made = verdict()
    text = explain.origin_why(replace(made.origin, reason=reason, source=source), made.hops)
    assert words.ORIGIN_REASONS[reason] in text
    assert ("likely" in text or "guess" in text or "certain" in text) == (source is OriginSource.INFERRED)


def test_a_border_beyond_the_hops_is_no_trouble() -> None:
    assert explain.origin_why(origin(border=99), ())
    assert explain.origin_why(origin(border=-7), verdict().hops)


@pytest.mark.parametrize("reason", [None, *Reason])
def test_every_check_has_a_line_for_every_word_and_reason(reason: Reason | None) -> None:
    lines = [
        *(explain.spf_line(spf(result=word, reason=reason)) for word in (None, *SpfWord)),
        *(explain.dkim_line(signature(result=word, reason=reason)) for word in (None, *DkimWord)),
        *(explain.arc_line(ArcResult(result=word, reason=reason)) for word in (None, *ArcWord)),
        *(explain.iprev_line(IprevResult(result=word, reason=reason)) for word in (None, *IprevWord)),
        *(
            explain.dmarc_line(dmarc(word, reason=reason, applied_policy=policy))
            for word in (None, *DmarcWord)
            for policy in (None, *PolicyWord)
        ),
    ]
    assert all(lines)
    assert not any("None" in line for line in lines)


def test_what_could_not_be_run_is_said_to_be_unchecked_and_not_to_have_failed() -> None:
    for line in (
        explain.spf_line(spf(result=None, reason=Reason.NOT_RECORDED)),
        explain.dkim_line(signature(result=None, reason=Reason.NOT_RECORDED)),
        explain.arc_line(ArcResult(result=None, reason=Reason.NOT_RECORDED)),
        explain.iprev_line(IprevResult(result=None, reason=Reason.NOT_RECORDED)),
    ):
        assert line.startswith("not checked, because ")


def test_a_chain_is_said_to_be_trusted_only_as_far_as_it_is() -> None:
    sets = (ArcSet(instance=2, sealer="a.example"), ArcSet(instance=1, sealer="b.example"))
    chain = ArcResult(result=ArcWord.PASS, sets=sets)
    assert explain.arc_line(chain) == "2 intact seals by a.example and b.example, none of them trusted"
    assert explain.arc_line(replace(chain, trusted_through=2)).endswith("trusted down to seal 2")


def test_an_international_domain_is_shown_in_both_forms() -> None:
    author = Author(domain="xn--bcher-kva.example", addresses=(Mailbox("a@bücher.example", "xn--bcher-kva.example"),))
    assert "xn--bcher-kva.example (bücher.example)" in explain.summary(verdict(author=author))


def test_a_difference_between_the_standards_is_said_only_where_there_is_one() -> None:
    assert "by the other one pass" in str(explain.old_standard(dmarc(DmarcWord.FAIL, old_result=DmarcWord.PASS)))
    assert explain.old_standard(dmarc(DmarcWord.PASS, old_result=DmarcWord.PASS)) is None
    assert explain.old_standard(dmarc()) is None


@given(st.text(max_size=300))
@settings(max_examples=150)
def test_no_text_of_a_message_brings_anything_invisible_into_a_sentence(text: str) -> None:
    made = full()
    hostile = replace(
        made,
        author=Author(domain=None, addresses=(Mailbox(text, None),)),
        origin=replace(made.origin, profile=text, client_ip=text, mail_from=text),
        spf=tuple(replace(one, domain=text, mechanism=text) for one in made.spf),
        dkim=tuple(
            replace(one, domain=text, diagnoses=(Diagnosis(DiagnosisCode.FIELD_INSERTED, text),), aligned=None)
            for one in made.dkim
        ),
        recorded=tuple(replace(one, authserv_id=text) for one in made.recorded),
        dmarc=replace(made.dmarc, policy_domain=text, author_domain=text),
    )
    sentences = [explain.anomaly(Anomaly(code, text)) for code in AnomalyCode]
    for reason in ConclusionReason:
        one = replace(hostile, conclusion_reason=reason, conclusion=verdict(reason).conclusion)
        sentences += [explain.summary(one), explain.next_step(one) or ""]
    sentences += [
        explain.origin_why(hostile.origin, hostile.hops),
        explain.spf_line(hostile.spf[0], text),
        explain.dkim_line(hostile.dkim[0]),
        explain.diagnosis(hostile.dkim[0]) or "",
        explain.dmarc_line(hostile.dmarc),
        explain.iprev_line(IprevResult(result=IprevWord.FAIL, names=(text,)), text),
    ]
    for sentence in sentences:
        assert terminal(sentence) == sentence
        assert len(sentence) < 3000


@pytest.mark.parametrize(
    ("code", "detail", "end"),
    [
        (AnomalyCode.CLOCK_BACKWARDS, "3", ": hop 3."),
        (AnomalyCode.UNSIGNED_OCTETS, "120", ": 120 octets."),
        (AnomalyCode.DATE_SKEW, "90000", ": 1 d 1 h before it."),
        (AnomalyCode.DATE_SKEW, "-61", ": 1 m 1 s after it."),
        (AnomalyCode.DATE_SKEW, "9" * 5000, "9…."),
        (AnomalyCode.DATE_SKEW, "٣", ": ٣."),
        (AnomalyCode.LIMIT_HIT, "header_fields", ": header_fields."),
        (AnomalyCode.BARE_CR, "", "line ends."),
    ],
)
def test_a_number_that_an_anomaly_is_about_has_its_unit(code: AnomalyCode, detail: str, end: str) -> None:
    assert explain.anomaly(Anomaly(code, detail)).endswith(end)


@pytest.mark.parametrize(
    ("diagnoses", "sentence"),
    [
        (
            (Diagnosis(DiagnosisCode.FOOTER_REMOVED, "4"),),
            "The body was changed after signing: it verifies when the last 4 lines, a mailing-list footer, are removed.",
        ),
        (
            (Diagnosis(DiagnosisCode.FOOTER_REMOVED, "1"),),
            "The body was changed after signing: it verifies when the last line, a mailing-list footer, is removed.",
        ),
        (
            (Diagnosis(DiagnosisCode.LINES_ADDED, "59"),),
            "The last 59 lines were added after signing, and it is not known by whom: the signer does not vouch for "
            "that.",
        ),
        (
            (Diagnosis(DiagnosisCode.LINES_ADDED, "1"), Diagnosis(DiagnosisCode.LINES_ADDED, "part")),
            "The last line was added after signing, and it is not known by whom: the signer does not vouch for that. "
            "The last part was added after signing, and it is not known by whom: the signer does not vouch for that.",
        ),
        (
            (Diagnosis(DiagnosisCode.MBOX_QUOTING, "1"), Diagnosis(DiagnosisCode.FIELD_INSERTED, "X-Tag")),
            'It verifies when the ">" that mailboxes put before "From " is removed. '
            "A header field, X-Tag, was inserted after signing: it verifies without it.",
        ),
        ((), None),
    ],
)
def test_a_diagnosis_reads_as_a_sentence(diagnoses, sentence):
    dkim = replace(verdict(ConclusionReason.NOT_ALIGNED).dkim[0], diagnoses=diagnoses)
    assert explain.diagnosis(dkim) == sentence


def test_a_recorded_dmarc_result_parts_from_ours_only_where_ours_was_had():
    def said(reason):
        result = RecordedResult(
            method="dmarc", result="pass", comparison=Comparison.EXPLAINED, reason=reason, properties={}
        )
        field = Recorded(
            field="Authentication-Results",
            index=0,
            authserv_id="mx.receiver.example",
            standing=RecordedStanding.TRUSTED,
            results=(result,),
        )
        return explain.summary(replace(verdict(ConclusionReason.NOT_RECORDED), recorded=(field,)))

    assert "which is not what was found here" in said(ComparisonReason.RECORD_CHANGED)
    assert "which is not what was found here" not in said(ComparisonReason.METHOD_NOT_RUN)

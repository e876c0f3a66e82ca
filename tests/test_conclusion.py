"""The nine rules of the conclusion: each with what makes it hold and what must not."""

import pytest

from verify.conclusion import Facts, conclude, settled_dmarc
from verify.model import (
    Alignment,
    AlignmentMode,
    Author,
    Conclusion,
    ConclusionReason,
    Confidence,
    DkimCheck,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    Fidelity,
    Identifier,
    IdentifierState,
    Identity,
    Method,
    Origin,
    OriginReason,
    OriginSource,
    Outcome,
    Reason,
    Recorded,
    RecordedResult,
    RecordedStanding,
    SpfResult,
    SpfWord,
    WalkStep,
    replace,
)

DOMAIN = "legit.example"
ENVELOPE = Origin(
    client_ip="192.0.2.1",
    helo="mx.legit.example",
    mail_from="a@legit.example",
    source=OriginSource.ENVELOPE,
    confidence=Confidence.CERTAIN,
    reason=OriginReason.GIVEN,
)
GUESS = replace(ENVELOPE, source=OriginSource.INFERRED, confidence=Confidence.GUESS, reason=OriginReason.FIRST_PUBLIC)
LIKELY = replace(GUESS, confidence=Confidence.LIKELY, reason=OriginReason.PROFILE_BORDER_HOST)
NOWHERE = Origin()
INTERNAL = Origin(reason=OriginReason.NEVER_CROSSED)


def spf(result, domain=DOMAIN, reason=None):
    return SpfResult(identity=Identity.MAILFROM, domain=domain, result=result, reason=reason)


def sig(result, reason=None, domain=DOMAIN, **more):
    dkim = DkimResult(domain=domain, selector="s", result=result, reason=reason, index=more.pop("index", 0))
    return DkimCheck(result=dkim, **more)


def dmarc(result, *could, aligned=(), reason=None, org=DOMAIN):
    return DmarcResult(
        result=result,
        reason=reason,
        author_domain=DOMAIN,
        organizational_domain=org,
        could_align=tuple(Identifier(m, d, IdentifierState.NOT_PASS) for m, d in could),
        aligned=tuple(Alignment(identifier=d, method=m, mode=AlignmentMode.RELAXED, aligned=True) for m, d in aligned),
    )


BOTH = ((Method.SPF, DOMAIN), (Method.DKIM, DOMAIN))


def facts(**changes):
    base = Facts(
        fidelity=Fidelity.ORIGINAL,
        limits_hit=(),
        author=Author(domain=DOMAIN),
        origin=ENVELOPE,
        mail_from=spf(SpfWord.FAIL),
        signatures=(),
        untried=(),
        dmarc=dmarc(DmarcWord.FAIL, *BOTH),
        recorded=(),
        date_vouched=True,
        late_signatures=frozenset(),
        late_spf=False,
    )
    return replace(base, **changes)


def recorded(method, result, standing=RecordedStanding.TRUSTED, **properties):
    result = RecordedResult(
        method=method, result=result, properties={k.replace("_", "."): v for k, v in properties.items()}
    )
    return Recorded(field="Authentication-Results", index=0, authserv_id="mx", standing=standing, results=(result,))


def no_author(problem):
    return Author(domain=None, problem=problem)


ABOVE = WalkStep(name="_dmarc.example", outcome=Outcome.NOT_RECORDED)
NOT_RECORDED_STEP = WalkStep(name="_dmarc.legit.example", outcome=Outcome.NOT_RECORDED)
ALTERED = sig(DkimWord.FAIL, Reason.BODY_HASH_MISMATCH, body_hash_holds=False)
GONE = sig(DkimWord.PERMERROR, Reason.NO_KEY, body_hash_holds=True, index=3)
LATE = {"origin": LIKELY, "late_signatures": frozenset({3})}

SPF_UNKNOWN = Identifier(Method.SPF, DOMAIN, IdentifierState.UNKNOWN, Reason.ORIGIN_INFERRED)


def found_below(*could):
    """The Author Domain's own policy was found; the step above it, for the Organizational Domain, is missing."""
    return replace(dmarc(None, org=None), record="v=DMARC1; p=none", could_align=could, walk=(ABOVE,))


CASES = {
    # 1, 2
    "synthetic without From": (
        {"fidelity": Fidelity.SYNTHETIC, "author": no_author(Reason.AUTHOR_MISSING)},
        "not-checkable",
    ),
    "no From": ({"author": no_author(Reason.AUTHOR_MISSING)}, "author-missing"),
    "no From behind a limit": (
        {"author": no_author(Reason.AUTHOR_MISSING), "limits_hit": ("header_fields",)},
        "limit",
    ),
    "two From, even behind a limit": (
        {"author": no_author(Reason.AUTHOR_REPEATED), "limits_hit": ("header_fields",)},
        "author-repeated",
    ),
    "several domains": ({"author": no_author(Reason.AUTHOR_SEVERAL_DOMAINS)}, "author-several-domains"),
    "ambiguous": ({"author": no_author(Reason.AUTHOR_AMBIGUOUS)}, "author-ambiguous"),
    "From behind a limit of its own": (
        {"author": no_author(Reason.LIMIT), "dmarc": dmarc(None, reason=Reason.LIMIT)},
        "limit",
    ),
    # 3
    "a limit beats a pass": (
        {"limits_hit": ("line_octets",), "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.DKIM, DOMAIN)])},
        "limit",
    ),
    # 4
    "no policy": ({"dmarc": dmarc(DmarcWord.NONE)}, "no-policy"),
    # 5
    "dkim": ({"dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.DKIM, DOMAIN)])}, "dkim-aligned"),
    "dkim needs no origin": (
        {"origin": NOWHERE, "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.DKIM, DOMAIN)])},
        "dkim-aligned",
    ),
    "dkim before spf": (
        {"dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN), (Method.DKIM, DOMAIN)])},
        "dkim-aligned",
    ),
    # 6
    "spf": (
        {"mail_from": spf(SpfWord.PASS), "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)])},
        "spf-aligned",
    ),
    "spf of today against a recorded fail": (
        {
            "mail_from": spf(SpfWord.PASS),
            "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)]),
            "late_spf": True,
            "recorded": (recorded("spf", "fail", smtp_mailfrom="a@" + DOMAIN),),
        },
        "records-later",
    ),
    # 7
    "one label": (
        {"dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.DKIM, "other.example")], org="example")},
        "one-label-domain",
    ),
    "one label, but the very domain signed": (
        {"dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.DKIM, DOMAIN)], org="example")},
        "dkim-aligned",
    ),
    # 8
    "never crossed": (
        {"origin": INTERNAL, "mail_from": spf(None, reason=Reason.NEVER_CROSSED_BORDER)},
        "never-crossed-border",
    ),
    "synthetic": ({"fidelity": Fidelity.SYNTHETIC}, "not-checkable"),
    "part of a signed message": (
        {"fidelity": Fidelity.PARTIAL, "signatures": (sig(None, Reason.NOT_CHECKABLE),)},
        "not-checkable",
    ),
    "part of a message that another signed": (
        {"fidelity": Fidelity.PARTIAL, "signatures": (sig(None, Reason.NOT_CHECKABLE, "other.example"),)},
        "not-aligned",
    ),
    "part of a message that nobody signed": ({"fidelity": Fidelity.PARTIAL}, "not-aligned"),
    "altered copy": (
        {"signatures": (ALTERED,), "recorded": (recorded("dmarc", "pass", header_from=DOMAIN),)},
        "copy-altered",
    ),
    "altered copy, recorded by an inferred receiver": (
        {
            "signatures": (ALTERED,),
            "recorded": (recorded("dkim", "pass", RecordedStanding.INFERRED, header_d=DOMAIN),),
        },
        "copy-altered",
    ),
    "altered copy, recorded by anybody": (
        {
            "signatures": (ALTERED,),
            "recorded": (recorded("dmarc", "pass", RecordedStanding.UNTRUSTED, header_from=DOMAIN),),
        },
        "not-aligned",
    ),
    "altered copy, recorded for another": (
        {"signatures": (ALTERED,), "recorded": (recorded("dmarc", "pass", header_from="other.example"),)},
        "not-aligned",
    ),
    "key gone since": ({"signatures": (GONE,), **LATE}, "records-later"),
    "key gone, recorded pass": (
        {"signatures": (GONE,), "recorded": (recorded("dkim", "pass", header_d=DOMAIN),), **LATE},
        "records-later",
    ),
    "key gone, recorded fail": (
        {"signatures": (GONE,), "recorded": (recorded("dkim", "fail", header_d=DOMAIN),), **LATE},
        "not-aligned",
    ),
    "key gone, body wrong": (
        {"signatures": (replace(GONE, body_hash_holds=False),), **LATE},
        "not-aligned",
    ),
    "key gone on fresh mail": ({"signatures": (GONE,)}, "not-aligned"),
    "key gone of a stranger": (
        {"signatures": (replace(GONE, result=replace(GONE.result, domain="attack.example")),), **LATE},
        "not-aligned",
    ),
    "spf record changed since": ({"origin": LIKELY, "late_spf": True}, "records-later"),
    "spf fails now, recorded fail": (
        {"origin": LIKELY, "late_spf": True, "recorded": (recorded("spf", "fail", smtp_mailfrom="a@" + DOMAIN),)},
        "not-aligned",
    ),
    "spf fails now, a fail recorded for HELO": (
        {"origin": LIKELY, "late_spf": True, "recorded": (recorded("spf", "fail", smtp_helo=DOMAIN),)},
        "records-later",
    ),
    "spf fails now, trouble recorded": (
        {
            "origin": LIKELY,
            "late_spf": True,
            "recorded": (recorded("spf", "temperror", smtp_mailfrom=DOMAIN),),
        },
        "records-later",
    ),
    "today's pass against a fail recorded for the null path": (
        {
            "origin": replace(ENVELOPE, mail_from=""),
            "mail_from": spf(SpfWord.PASS),
            "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)]),
            "late_spf": True,
            "recorded": (recorded("spf", "fail", smtp_helo="mail." + DOMAIN),),
        },
        "records-later",
    ),
    "today's pass against a fail recorded as smtp.mail": (
        {
            "mail_from": spf(SpfWord.PASS),
            "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)]),
            "late_spf": True,
            "recorded": (recorded("spf", "fail", smtp_mail="a@" + DOMAIN),),
        },
        "records-later",
    ),
    "today's pass against a fail that names no identity": (
        {
            "mail_from": spf(SpfWord.PASS),
            "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)]),
            "late_spf": True,
            "recorded": (recorded("spf", "fail"),),
        },
        "records-later",
    ),
    "today's pass against a fail recorded for another": (
        {
            "mail_from": spf(SpfWord.PASS),
            "dmarc": dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)]),
            "late_spf": True,
            "recorded": (recorded("spf", "fail", smtp_mailfrom="a@other.example"),),
        },
        "spf-aligned",
    ),
    "altered copy under a testing key": (
        {
            "signatures": (sig(DkimWord.NEUTRAL, Reason.TESTING, body_hash_holds=False),),
            "recorded": (recorded("dkim", "pass", header_d=DOMAIN),),
        },
        "copy-altered",
    ),
    "copy shorter than what was signed": (
        {
            "signatures": (sig(DkimWord.NEUTRAL, Reason.LENGTH_OVER_BODY),),
            "recorded": (recorded("dkim", "pass", header_d=DOMAIN),),
        },
        "copy-altered",
    ),
    "key replaced by one for tests": (
        {"signatures": (sig(DkimWord.NEUTRAL, Reason.TESTING, body_hash_holds=True, index=3),), **LATE},
        "records-later",
    ),
    "key replaced by a stricter one": (
        {"signatures": (sig(DkimWord.PERMERROR, Reason.KEY_STRICT_AUID, body_hash_holds=True, index=3),), **LATE},
        "records-later",
    ),
    "key replaced by a shorter one": (
        {"signatures": (sig(DkimWord.PERMERROR, Reason.KEY_TOO_SHORT, body_hash_holds=True, index=3),), **LATE},
        "records-later",
    ),
    "untried signature that could align": ({"untried": (DOMAIN,)}, "limit"),
    "untried signature of a stranger": ({"untried": ("attack.example",)}, "not-aligned"),
    "key look-up fails": ({"signatures": (sig(DkimWord.TEMPERROR, Reason.DNS_TIMEOUT),)}, "dns"),
    "key look-up of a stranger fails": (
        {"signatures": (sig(DkimWord.TEMPERROR, Reason.DNS_TIMEOUT, domain="attack.example"),)},
        "not-aligned",
    ),
    "spf look-up fails": ({"mail_from": spf(SpfWord.TEMPERROR)}, "dns"),
    "policy look-up fails": ({"dmarc": dmarc(DmarcWord.TEMPERROR)}, "dns"),
    "key not recorded": ({"signatures": (sig(None, Reason.NOT_RECORDED),)}, "not-recorded"),
    "policy not recorded": (
        {"dmarc": replace(dmarc(None, reason=Reason.NOT_RECORDED), walk=(NOT_RECORDED_STEP,))},
        "not-recorded",
    ),
    "a step that is not recorded, and was not needed": (
        {"dmarc": replace(dmarc(DmarcWord.FAIL, *BOTH), walk=(NOT_RECORDED_STEP,))},
        "not-aligned",
    ),
    "a step above the policy, and MAIL FROM is the author's": (
        {"origin": GUESS, "mail_from": spf(SpfWord.PASS), "dmarc": found_below(SPF_UNKNOWN)},
        "origin-inferred",
    ),
    "a step above the policy, and MAIL FROM is below it": (
        {
            "origin": GUESS,
            "mail_from": spf(SpfWord.PASS, "b.legit.example"),
            "dmarc": found_below(replace(SPF_UNKNOWN, domain="b.legit.example")),
        },
        "not-recorded",
    ),
    "a step above the policy, and it hangs on it whether a signature aligns": (
        {
            "dmarc": replace(
                found_below(Identifier(Method.DKIM, "b.legit.example", IdentifierState.PASS)),
                aligned=(
                    Alignment(
                        identifier="b.legit.example", method=Method.DKIM, mode=AlignmentMode.RELAXED, aligned=None
                    ),
                ),
            )
        },
        "not-recorded",
    ),
    "dns before not recorded": (
        {"signatures": (sig(None, Reason.NOT_RECORDED), sig(DkimWord.TEMPERROR, Reason.DNS_TIMEOUT))},
        "dns",
    ),
    "no client": ({"origin": NOWHERE, "mail_from": spf(None, reason=Reason.NO_CLIENT_IP)}, "origin-unknown"),
    "no client, MAIL FROM of a stranger": (
        {"origin": NOWHERE, "mail_from": spf(None, "attack.example", Reason.NO_CLIENT_IP)},
        "not-aligned",
    ),
    "no MAIL FROM": ({"mail_from": spf(None, None, Reason.NO_MAIL_FROM)}, "origin-unknown"),
    "MAIL FROM that is no address": ({"origin": GUESS, "mail_from": spf(SpfWord.NONE, None)}, "not-aligned"),
    "guess": ({"origin": GUESS}, "origin-inferred"),
    "guess, MAIL FROM of a stranger": (
        {"origin": GUESS, "mail_from": spf(SpfWord.PASS, "attack.example")},
        "not-aligned",
    ),
    "likely, spf fails": ({"origin": LIKELY}, "not-aligned"),
    "likely, spf passes": (
        {"origin": LIKELY, "mail_from": spf(SpfWord.PASS), "dmarc": dmarc(None, *BOTH)},
        "origin-inferred",
    ),
    "conflict, spf passes": (
        {"origin": replace(ENVELOPE, conflict=True), "mail_from": spf(SpfWord.PASS), "dmarc": dmarc(None, *BOTH)},
        "origin-inferred",
    ),
    "expired by a date nobody vouches for": (
        {
            "origin": LIKELY,
            "date_vouched": False,
            "signatures": (sig(DkimWord.POLICY, Reason.EXPIRED, expired_only=True),),
        },
        "origin-inferred",
    ),
    "expired by a date that nothing is known of": (
        {
            "origin": NOWHERE,
            "date_vouched": False,
            "mail_from": spf(None, "attack.example", Reason.NO_CLIENT_IP),
            "signatures": (sig(DkimWord.POLICY, Reason.EXPIRED, expired_only=True),),
        },
        "origin-unknown",
    ),
    "expired by a vouched date": (
        {"signatures": (sig(DkimWord.POLICY, Reason.EXPIRED, expired_only=True),)},
        "not-aligned",
    ),
    # 9
    "everything checked": ({}, "not-aligned"),
}

CONCLUSIONS = {
    "dkim-aligned": Conclusion.AUTHENTICATED,
    "spf-aligned": Conclusion.AUTHENTICATED,
    "no-policy": Conclusion.UNPROTECTED,
    "not-aligned": Conclusion.FAILED,
    "author-missing": Conclusion.FAILED,
    "author-repeated": Conclusion.FAILED,
    "author-several-domains": Conclusion.FAILED,
    "author-ambiguous": Conclusion.FAILED,
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_rule_that_holds_decides(name):
    changes, reason = CASES[name]
    assert conclude(facts(**changes)) == (CONCLUSIONS.get(reason, Conclusion.UNDETERMINED), ConclusionReason(reason))


def test_a_result_that_could_not_be_had_takes_the_reason_of_the_conclusion():
    could_not_be_had = facts(dmarc=dmarc(None, *BOTH, reason=Reason.NOT_RECORDED))
    settled = settled_dmarc(could_not_be_had, ConclusionReason.ORIGIN_INFERRED)
    assert (settled.result, settled.reason) == (None, Reason.ORIGIN_INFERRED)


def test_every_reason_has_a_case():
    assert {reason for _, reason in CASES.values()} == {reason.value for reason in ConclusionReason}


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        (ConclusionReason.DNS, DmarcWord.TEMPERROR),
        (ConclusionReason.NOT_RECORDED, None),
        (ConclusionReason.ORIGIN_UNKNOWN, None),
        (ConclusionReason.ORIGIN_INFERRED, None),
        (ConclusionReason.NEVER_CROSSED_BORDER, None),
        (ConclusionReason.NOT_CHECKABLE, None),
        (ConclusionReason.LIMIT, None),
        (ConclusionReason.COPY_ALTERED, DmarcWord.FAIL),
        (ConclusionReason.RECORDS_LATER, DmarcWord.FAIL),
        (ConclusionReason.NOT_ALIGNED, DmarcWord.FAIL),
    ],
)
def test_dmarc_is_never_fail_where_something_could_not_be_checked(reason, result):
    assert settled_dmarc(facts(), reason).result is result


def test_a_pass_over_rebuilt_line_ends_clears_nobody():
    passed = facts(dmarc=dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)]), rebuilt=True)
    assert conclude(passed) == (Conclusion.UNDETERMINED, ConclusionReason.NOT_CHECKABLE)
    settled = settled_dmarc(passed, ConclusionReason.NOT_CHECKABLE)
    assert (settled.result, settled.reason) == (None, Reason.NOT_CHECKABLE)


def test_a_pass_of_today_is_not_written_as_one_of_then():
    settled = settled_dmarc(
        facts(dmarc=dmarc(DmarcWord.PASS, aligned=[(Method.SPF, DOMAIN)])), ConclusionReason.RECORDS_LATER
    )
    assert (settled.result, settled.reason) == (None, Reason.RECORDS_LATER)


def test_what_never_crossed_the_border_has_no_dmarc_result_even_where_the_dns_failed():
    settled = settled_dmarc(facts(dmarc=dmarc(DmarcWord.TEMPERROR)), ConclusionReason.NEVER_CROSSED_BORDER)
    assert settled.result is None


def test_dns_trouble_is_named_by_what_did_not_answer():
    trouble = facts(signatures=(sig(DkimWord.TEMPERROR, Reason.DNS_TIMEOUT),))
    assert settled_dmarc(trouble, ConclusionReason.DNS).reason is Reason.DNS_TIMEOUT
    trouble = facts(mail_from=spf(SpfWord.TEMPERROR, reason=Reason.DNS_REFUSED))
    assert settled_dmarc(trouble, ConclusionReason.DNS).reason is Reason.DNS_REFUSED

"""SPF results with their reasons: identities, addresses, limits, failures, rounds (RFC 7208, RFC 8616)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zone import Zone, in_rounds
from verify.checks.spf import (
    check_helo,
    check_mail_from,
    evaluate_mail_from,
    first_questions,
    mail_from_domain,
    passes_everyone,
)
from verify.checks.spf_record import parse_record, select_records
from verify.model import Cause, Identity, Limits, NotKnownYet, Outcome, Question, Reason, SpfResult, SpfWord

CLIENT = "192.0.2.1"
HERE = {"A": [CLIENT]}
THERE = {"A": ["192.0.2.99"]}
PASS, FAIL, NONE, NEUTRAL = SpfWord.PASS, SpfWord.FAIL, SpfWord.NONE, SpfWord.NEUTRAL
SOFTFAIL, PERMERROR, TEMPERROR = SpfWord.SOFTFAIL, SpfWord.PERMERROR, SpfWord.TEMPERROR


def zone_of(record, **names):
    """The record at example.com; ``h1=...`` is h1.example.com."""
    texts = [record] if isinstance(record, str) else record
    return {"example.com": {"TXT": texts}} | {f"{key}.example.com": value for key, value in names.items()}


def check(zone, sender="a@example.com", client=CLIENT, helo="mx.example.com", **limits):
    return check_mail_from(client, helo, sender, Zone(zone).ask, Limits(**limits))


def said(result):
    return result.result, result.reason, result.mechanism


# -- what decided --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (zone_of("v=spf1 ip4:192.0.2.0/24 -all"), (PASS, Reason.MATCHED, "ip4:192.0.2.0/24")),
        (zone_of("V=SPF1 -ALL"), (FAIL, Reason.MATCHED, "-ALL")),
        (zone_of("v=spf1 ~all"), (SOFTFAIL, Reason.MATCHED, "~all")),
        (zone_of("v=spf1 ?all"), (NEUTRAL, Reason.MATCHED, "?all")),
        (zone_of("v=spf1"), (NEUTRAL, Reason.NO_MATCH, None)),
        (zone_of("v=spf1 a:h.example.com", h=THERE), (NEUTRAL, Reason.NO_MATCH, None)),
        (zone_of("v=spf1 include:h.example.com -all", h={"TXT": ["v=spf1 +all"]}), (PASS, Reason.MATCHED, "include:h.example.com")),
        (zone_of("v=spf1 include:h.example.com -all", h={"TXT": ["v=spf1 -all"]}), (FAIL, Reason.MATCHED, "-all")),
        (zone_of("v=spf1 redirect=h.example.com", h={"TXT": ["v=spf1 ip4:192.0.2.1"]}), (PASS, Reason.MATCHED, "ip4:192.0.2.1")),
        (zone_of("v=spf1 -all redirect=h.example.com", h={"TXT": ["v=spf1 +all"]}), (FAIL, Reason.MATCHED, "-all")),
        (zone_of("other"), (NONE, Reason.NO_RECORD, None)),
        ({"example.com": {"A": ["192.0.2.1"]}}, (NONE, Reason.NO_RECORD, None)),
        ({}, (NONE, Reason.NO_SUCH_DOMAIN, None)),
        (zone_of(["v=spf1 +all", "v=spf1 -all"]), (PERMERROR, Reason.SEVERAL_RECORDS, None)),
        (zone_of(["v=spf1 +all", "v=spf10 -all", " v=spf1", "v=spf1-all"]), (PASS, Reason.MATCHED, "+all")),
        (zone_of("v=spf1 +all moo"), (PERMERROR, Reason.SYNTAX_ERROR, "moo")),
        (zone_of("v=spf1 +all é"), (PERMERROR, Reason.SYNTAX_ERROR, "é")),
        (zone_of("v=spf1 +all exp="), (PERMERROR, Reason.SYNTAX_ERROR, "exp=")),
        (zone_of("v=spf1 +all x=%{q}"), (PERMERROR, Reason.SYNTAX_ERROR, "x=%{q}")),
        (zone_of("v=spf1 +all exp=a.example exp=a.example"), (PERMERROR, Reason.SYNTAX_ERROR, "exp=a.example")),
        (zone_of("v=spf1 include:h.example.com +all"), (PERMERROR, Reason.INCLUDE_WITHOUT_RECORD, "include:h.example.com")),
        (zone_of("v=spf1 redirect=h.example.com"), (PERMERROR, Reason.REDIRECT_WITHOUT_RECORD, "redirect=h.example.com")),
        (zone_of("v=spf1 include:h.example.com +all", h={"TXT": ["v=spf1 moo"]}), (PERMERROR, Reason.SYNTAX_ERROR, "include:h.example.com")),
        (zone_of("v=spf1 a:h.example.com +all", h=Cause.SERVFAIL), (TEMPERROR, Reason.DNS_SERVFAIL, "a:h.example.com")),
    ],
)  # fmt: skip
def test_word_reason_and_the_term_that_decided(zone, expected):
    assert said(check(zone)) == expected


def test_the_record_shown_is_the_first_one_as_visible_text():
    zone = zone_of(b"v=spf1 include:h.example.com ?all x=\\\x1b".decode("latin-1"), h={"TXT": ["v=spf1 -all"]})
    assert check(zone).record == "v=spf1 include:h.example.com ?all x=\\\\\\x1b"


def test_a_pass_that_anybody_would_get_can_be_told():
    assert passes_everyone(check(zone_of("v=spf1 a:h.example.com +ALL", h=THERE)))
    assert passes_everyone(check(zone_of("v=spf1 all")))
    assert not passes_everyone(check(zone_of("v=spf1 ip4:192.0.2.1 +all")))
    assert not passes_everyone(check(zone_of("v=spf1 -all")))


# -- identities and addresses --------------------------------------------------------------------------


@pytest.mark.parametrize("sender", ["", "<>"])
def test_the_null_sender_is_postmaster_at_the_helo_name(sender):
    zone = {
        "mx.example.com": {"TXT": ["v=spf1 exists:%{l}.%{o}.x.example.com -all"]},
        "postmaster.mx.example.com.x.example.com": HERE,
    }
    result = check(zone, sender, helo="MX.example.com")
    assert (result.identity, result.domain, result.result) == (Identity.MAILFROM, "mx.example.com", PASS)


@pytest.mark.parametrize("helo", ["localhost", "[192.0.2.1]", "a..example", "", "192.0.2.1", "bad(.example"])
def test_a_helo_that_is_no_host_name_has_no_result_and_asks_nothing(helo):
    zone = Zone()
    for result in (
        check_helo(CLIENT, helo, zone.ask, Limits()),
        check_mail_from(CLIENT, helo, "", zone.ask, Limits()),
    ):
        assert (result.result, result.reason, zone.asked) == (NONE, Reason.NOT_A_DOMAIN, [])


def test_without_a_helo_its_check_is_not_run():
    expected = SpfResult(identity=Identity.HELO, domain=None, result=None, reason=Reason.NO_HELO)
    assert check_helo(CLIENT, None, Zone().ask, Limits()) == expected


def test_without_a_helo_a_record_that_needs_it_is_not_run_and_another_is():
    zone = zone_of("v=spf1 ip4:192.0.2.1 exists:%{h}.x.example.com -all")
    assert check(zone, helo=None).result is PASS
    result = check(zone, helo=None, client="192.0.2.2")
    assert (result.result, result.reason) == (None, Reason.NO_HELO)


@pytest.mark.parametrize(
    "sender",
    [
        "(any@example.com",  # espoofer A2: a comment that hides the rest
        "any@legit.example'@example.com",  # A6
        "any@legit.example,@x.example:'a(b@example.com",  # A7
        "no at sign",
        "example.com",
        "a@",
        'a"b@example.com',
        '"a\x01b"@example.com',
        "<a@example.com",
        "a\r\nb@example.com",
        "\\x41@example.com",
        "a" * 2000 + "@example.com",
    ],
)
def test_what_is_no_address_has_no_result_and_asks_nothing(sender):
    zone = Zone(zone_of("v=spf1 +all"))
    result = check_mail_from(CLIENT, "mx.example.com", sender, zone.ask, Limits())
    assert (result.result, result.reason, result.domain, zone.asked) == (NONE, Reason.NOT_AN_ADDRESS, None, [])
    assert mail_from_domain("mx.example.com", sender) is None


@pytest.mark.parametrize("local", ["taro..x", "taro.", ".taro"])
def test_dots_of_a_local_part_are_its_own_affair(local):
    zone = Zone(zone_of("v=spf1 +all"))
    assert check_mail_from(CLIENT, "mx.example.com", f"{local}@example.com", zone.ask, Limits()).result is SpfWord.PASS


@pytest.mark.parametrize(
    "sender",
    [
        "any@legit.example(x.example.com",  # A5
        "a@[192.0.2.1]",
        "a@localhost",
        "a@exa mple.com",
        "a@legit.example\0.example.com",
        "a@" + "x" * 64 + ".example.com",
        "a@example.com>",
    ],
)
def test_a_domain_that_is_no_host_name_has_no_result_and_asks_nothing(sender):
    zone = Zone(zone_of("v=spf1 +all"))
    result = check_mail_from(CLIENT, "mx.example.com", sender, zone.ask, Limits())
    assert (result.result, result.reason, zone.asked) == (NONE, Reason.NOT_A_DOMAIN, [])
    assert first_questions(mail_from_domain(None, sender)) == ()


@pytest.mark.parametrize(
    "sender",
    [
        "a@EXAMPLE.com.",
        "<a@example.com>",
        " <a@example.com>",
        "@legit.example,@x.example:'any@example.com",
        '"a@legit.example"@example.com',
        '"\\"@legit.example\\""@example.com',
        "@example.com",
        "a!b%c@example.com",
        "a b@example.com",
        "ü@example.com",
    ],
)
def test_the_domain_of_an_odd_address_is_the_real_one(sender):
    result = check(zone_of("v=spf1 +all"), sender)
    assert (result.domain, result.result) == ("example.com", PASS)
    assert first_questions(mail_from_domain(None, sender)) == (Question("example.com", "TXT"),)


@pytest.mark.parametrize("client", ["::ffff:192.0.2.1", "[192.0.2.1]", "IPv6:::ffff:c000:201"])
def test_a_mapped_client_is_an_ipv4_client(client):
    zone = zone_of("v=spf1 ip6:::/0 a:h.example.com//0 -ip4:192.0.2.1 +all", h={"AAAA": ["::1"], "A": ["192.0.2.99"]})
    assert said(check(zone, client=client)) == (FAIL, Reason.MATCHED, "-ip4:192.0.2.1")


def test_an_ipv6_client():
    zone = zone_of(
        "v=spf1 ip4:0.0.0.0/0 exists:%{i}.%{v}.example.com a:h.example.com/8//64 -all",
        h={"AAAA": ["2001:db8::99"], "A": [CLIENT]},
    )
    served = Zone(zone)
    result = check_mail_from("2001:db8::1", None, "a@example.com", served.ask, Limits())
    assert said(result) == (PASS, Reason.MATCHED, "a:h.example.com/8//64")
    assert served.asked[1].name == ".".join("20010db8" + "0" * 23 + "1") + ".ip6.example.com"


def test_eai_a_term_with_the_local_part_does_not_match_wherever_it_stands():
    sender = "ü@example.com"
    zone = zone_of("v=spf1 include:%{l}.example.com mx:%{s}.x.example.com redirect=%{l1}.example.com")
    result = check(zone, sender)
    assert (result.result, result.reason, result.lookups) == (NEUTRAL, Reason.NO_MATCH, 0)
    assert (
        check(zone_of("v=spf1 exists:%{o}.x.example.com -all") | {"example.com.x.example.com": HERE}, sender).result
        is PASS
    )


@pytest.mark.parametrize(
    ("macro", "name"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{h}", "mx.example.org"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%%%_%-", "% %20"),
        ("%{p}", "unknown"),
    ],
)
def test_macros_by_the_examples_of_rfc_7208(macro, name):
    zone = Zone({"email.example.com": {"TXT": [f"v=spf1 exists:{macro}.z.example -all"]}})
    check_mail_from("192.0.2.3", "mx.example.org", "strong-bad@email.example.com", zone.ask, Limits())
    assert zone.asked[-1] == Question(name + ".z.example", "A")


def test_a_name_over_253_octets_loses_labels_from_the_left():
    zone = Zone({"email.example.com": {"TXT": ["v=spf1 exists:%{l}." + "%{d}." * 20 + "z.example -all"]}})
    check_mail_from(CLIENT, "h.example", "a@email.example.com", zone.ask, Limits())
    asked = zone.asked[-1].name
    assert asked.endswith(".email.example.com.z.example")
    assert 253 - len("example.") < len(asked) <= 253
    assert asked.split(".")[0] in ("email", "example", "com")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b.example", "example.com"], "example.com"),
        (["b.example", "x.example.com"], "x.example.com"),
        (["b.example", "notexample.com"], "b.example"),
        (["b.example", "gone.example.com"], "b.example"),
        (["gone.example.com"], "unknown"),
    ],
)
def test_p_prefers_the_domain_then_a_name_below_it_then_any_that_leads_back(names, expected):
    zone = Zone(
        {"1.2.0.192.in-addr.arpa": {"PTR": names}, "example.com": {"TXT": ["v=spf1 exists:%{p}.z.example -all"]} | HERE}
        | dict.fromkeys(("b.example", "x.example.com", "notexample.com"), HERE)
    )
    check_mail_from(CLIENT, None, "a@example.com", zone.ask, Limits())
    assert zone.asked[-1].name == expected + ".z.example"


# -- limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "result", "reason"), [(10, PASS, Reason.MATCHED), (11, PERMERROR, Reason.LOOKUP_LIMIT)]
)
def test_terms_that_ask(terms, result, reason):
    zone = zone_of("v=spf1 " + " ".join(["a:h.example.com"] * terms) + " +all", h=THERE)
    answer = check(zone)
    assert (answer.result, answer.reason, answer.lookups) == (result, reason, terms)


def test_the_limits_are_those_given():
    zone = zone_of("v=spf1 a:h.example.com exists:n.example.com +all", h=THERE)
    assert check(zone, spf_lookups=2, spf_void_lookups=1).result is PASS
    assert check(zone, spf_lookups=1).reason is Reason.LOOKUP_LIMIT
    assert check(zone, spf_void_lookups=0).reason is Reason.VOID_LOOKUP_LIMIT


@pytest.mark.parametrize(
    ("terms", "result", "reason"), [(2, PASS, Reason.MATCHED), (3, PERMERROR, Reason.VOID_LOOKUP_LIMIT)]
)
@pytest.mark.parametrize("term", ["a", "mx", "exists"])
def test_void_look_ups(term, terms, result, reason):
    zone = zone_of("v=spf1 " + " ".join(f"{term}:n{i}.example.com" for i in range(terms)) + " +all")
    answer = check(zone)
    assert (answer.result, answer.reason, answer.void_lookups) == (result, reason, terms)


def test_terms_behind_a_match_do_not_count():
    zone = zone_of("v=spf1 ip4:192.0.2.1 " + "a:n.example.com " * 15 + "-all")
    assert (check(zone).result, check(zone).lookups) == (PASS, 0)


def test_redirect_counts_when_it_is_followed():
    zone = zone_of("v=spf1 " + "a:h.example.com " * 10 + "redirect=r.example.com", h=THERE, r={"TXT": ["v=spf1 +all"]})
    assert said(check(zone)) == (PERMERROR, Reason.LOOKUP_LIMIT, "redirect=r.example.com")


@pytest.mark.parametrize("record", ["v=spf1 include:example.com +all", "v=spf1 redirect=example.com"])
def test_a_loop_ends_at_the_limit(record):
    assert check(zone_of(record)).reason in (Reason.LOOKUP_LIMIT,)


@pytest.mark.parametrize(("hosts", "result"), [(10, PASS), (11, PERMERROR)])
def test_hosts_of_an_mx(hosts, result):
    zone = zone_of("v=spf1 mx +all", h=THERE)
    zone["example.com"]["MX"] = [f"{i} h.example.com" for i in range(hosts)]
    assert check(zone).result is result


# -- answers that failed or are missing ----------------------------------------------------------------


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
@pytest.mark.parametrize(
    "term", ["a:h.example.com", "mx:h.example.com", "exists:h.example.com", "include:h.example.com"]
)
def test_a_failed_answer_is_temperror_with_its_cause(term, cause, reason):
    assert said(check({"example.com": cause}))[:2] == (TEMPERROR, reason)
    assert said(check(zone_of(f"v=spf1 {term} +all", h=cause))) == (TEMPERROR, reason, term)
    assert check(zone_of("v=spf1 redirect=h.example.com", h=cause)).reason is reason


@pytest.mark.parametrize(
    "term",
    ["a:h.example.com", "mx:h.example.com", "exists:h.example.com", "include:h.example.com", "ptr:h.example.com"],
)
def test_a_missing_answer_means_that_the_check_was_not_run(term):
    missing = Outcome.NOT_RECORDED
    reverse = {"1.2.0.192.in-addr.arpa": missing}
    for zone in ({"example.com": missing}, zone_of(f"v=spf1 {term} -all", h=missing) | reverse):
        result = check(zone)
        assert (result.result, result.reason) == (None, Reason.NOT_RECORDED)


@pytest.mark.parametrize("trouble", [Cause.SERVFAIL, Outcome.NOT_RECORDED])
def test_trouble_that_could_not_change_the_result_does_not_count(trouble):
    assert check(zone_of("v=spf1 ip4:192.0.2.1 a:h.example.com -all", h=trouble)).result is PASS
    assert check(zone_of("v=spf1 -all exp=h.example.com", h=trouble)).result is FAIL
    assert check(zone_of("v=spf1 -all redirect=h.example.com", h=trouble)).result is FAIL
    hosts = zone_of("v=spf1 mx -all", h1=trouble, h2=HERE)
    hosts["example.com"]["MX"] = ["10 h1.example.com", "20 h2.example.com"]
    assert check(hosts).result is PASS
    pointer = {"1.2.0.192.in-addr.arpa": {"PTR": ["h.example.net", "h1.example.com"]}, "h.example.net": trouble}
    assert check(zone_of("v=spf1 ptr -all", h1=HERE) | pointer).result is PASS


def test_a_failed_host_of_an_mx_counts_when_no_other_matches():
    hosts = zone_of("v=spf1 mx -all", h1=Cause.SERVFAIL, h2=THERE)
    hosts["example.com"]["MX"] = ["10 h1.example.com", "20 h2.example.com"]
    assert said(check(hosts)) == (TEMPERROR, Reason.DNS_SERVFAIL, "mx")


def test_an_exception_that_nobody_documents_is_a_library_error():
    def broken(question):
        raise ZeroDivisionError

    result = check_mail_from(CLIENT, None, "a@example.com", broken, Limits())
    assert (result.result, result.reason) == (PERMERROR, Reason.LIBRARY_ERROR)


# -- rounds --------------------------------------------------------------------------------------------


def test_the_first_question_is_known_before():
    with pytest.raises(NotKnownYet) as wanted:
        check_mail_from(CLIENT, None, "a@Example.com", _unknown, Limits())
    assert wanted.value.questions == first_questions("Example.com") == (Question("example.com", "TXT"),)


def _unknown(question):
    raise NotKnownYet(question)


def test_questions_that_can_be_foreseen_are_asked_at_once():
    includes = {f"i{i}": {"TXT": [f"v=spf1 a:a{i}.example.com mx:m{i}.example.com ?all"]} for i in range(3)}
    hosts = {f"a{i}": THERE for i in range(3)} | {f"m{i}": {"MX": [f"10 x{i}.example.com"]} for i in range(3)}
    hosts |= {f"x{i}": THERE for i in range(3)} | {"x2": HERE}
    zone = Zone(
        zone_of("v=spf1 " + " ".join(f"include:i{i}.example.com" for i in range(3)) + " -all", **includes, **hosts)
    )
    result, rounds = in_rounds(zone, lambda ask: check_mail_from(CLIENT, None, "a@example.com", ask, Limits()))
    assert said(result) == (PASS, Reason.MATCHED, "include:i2.example.com")
    assert (rounds, len(zone.asked)) == (4, 13)  # records, records, hosts and exchanges, their addresses


def test_nothing_is_asked_ahead_that_cannot_be_needed():
    zone = Zone(zone_of("v=spf1 a:h.example.com ip4:192.0.2.1 a:other.example.com redirect=r.example.com", h=THERE))
    in_rounds(zone, lambda ask: check_mail_from(CLIENT, None, "a@example.com", ask, Limits()))
    assert [question.name for question in zone.asked] == ["example.com", "h.example.com"]


def test_no_name_is_asked_ahead_that_rests_on_an_unknown_name_of_the_client():
    zone = Zone(
        zone_of("v=spf1 exists:%{p}.x.example.com -all", h=HERE)
        | {"1.2.0.192.in-addr.arpa": {"PTR": ["h.example.com"]}}
    )
    in_rounds(zone, lambda ask: check_mail_from(CLIENT, None, "a@example.com", ask, Limits()))
    assert zone.asked[-1].name == "h.example.com.x.example.com"
    assert len(zone.asked) == 4


def test_no_more_is_asked_ahead_than_the_limit_allows():
    zone = Zone(zone_of("v=spf1 " + " ".join(f"a:h{i}.example.com" for i in range(40)) + " -all"))
    in_rounds(zone, lambda ask: check_mail_from(CLIENT, None, "a@example.com", ask, Limits()))
    assert len(zone.asked) == 11


# -- remembering ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "rememberable"),
    [
        (zone_of("v=spf1 exists:%{i}.%{d}.%{o}.%{h}.x.example.com -all"), True),
        (zone_of("v=spf1 exists:%{l}.x.example.com -all"), False),
        (zone_of("v=spf1 exists:%{S1r-}.x.example.com -all"), False),
        (zone_of("v=spf1 ip4:192.0.2.1 exists:%{l}.x.example.com -all"), True),
        (zone_of("v=spf1 include:h.example.com -all", h={"TXT": ["v=spf1 exists:%{l}.example.com"]}), False),
        ({"example.com": Cause.TIMEOUT}, False),
        ({"example.com": Outcome.NOT_RECORDED}, False),
        ({}, True),
    ],
)
def test_a_result_holds_for_every_sender_of_the_domain_unless_the_local_part_was_used(zone, rememberable):
    assert (
        evaluate_mail_from(CLIENT, "mx.example.com", "a@example.com", Zone(zone).ask, Limits()).rememberable
        is rememberable
    )


def test_an_exception_of_the_library_is_not_remembered():
    def broken(question):
        raise ZeroDivisionError

    evaluation = evaluate_mail_from(CLIENT, None, "a@example.com", broken, Limits())
    assert evaluation.result.reason is Reason.LIBRARY_ERROR
    assert not evaluation.rememberable


# -- any input -----------------------------------------------------------------------------------------

TERMS = st.sampled_from(
    ["a", "mx", "ptr", "exists:", "include:", "ip4:", "ip6:", "all", "redirect=", "exp=", "x=", "%{", "}", "%{d2r}", "%{l}", "%{p}", "%%", "/", "//", "24", "-", "~", "?", " ", ".", ":", "example.com", "192.0.2.1", "::1", "é", "\n", "9" * 70]
)  # fmt: skip


@given(st.lists(TERMS, max_size=12).map("".join), st.sampled_from([CLIENT, "2001:db8::1"]))
@settings(max_examples=400, deadline=None)
def test_any_record_gives_a_word_with_a_reason(record, client):
    zone = zone_of("v=spf1 " + record)
    zone["example.com"] |= HERE | {"MX": ["10 example.com"]}
    result = check(zone, client=client)
    assert result.result is not None
    assert result.reason not in (None, Reason.LIBRARY_ERROR)


@given(st.binary(max_size=60))
def test_any_octets_are_a_record_or_a_fault(octets):
    record = parse_record(b"v=spf1 " + octets)
    assert record.fault is None or (record.fault and not record.terms)
    assert len(select_records([octets, b"v=spf1 " + octets])) in (1, 2)


@given(st.text(max_size=40) | st.text(alphabet='a@."\\<>,: ()\x00é', max_size=30), st.none() | st.text(max_size=20))
@settings(max_examples=300)
def test_any_sender_and_helo_give_a_result_and_the_domain_foretold(sender, helo):
    zone = Zone()
    result = check_mail_from(CLIENT, helo, sender, zone.ask, Limits())
    assert result.result is NONE or result.reason is Reason.NO_HELO
    assert tuple(zone.asked) == first_questions(mail_from_domain(helo, sender))

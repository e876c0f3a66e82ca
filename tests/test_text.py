"""The verdict for a terminal: what it says, how it is laid out, and that nothing hostile gets through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verdicts import fill, full, origin, recorded, signature, verdict
from verify import explain
from verify.explain.words import duration
from verify.grammar.visible import terminal
from verify.model import (
    Anomaly,
    AnomalyCode,
    ConclusionReason,
    DkimWord,
    DnsUse,
    Hop,
    JudgedAtSource,
    Mailbox,
    Reason,
    RecordedResult,
    RecordedStanding,
    Tls,
    Verdict,
    replace,
)
from verify.render import parts
from verify.render.page import to_html
from verify.render.text import to_text

COLOR = re.compile(r"\x1b\[[0-9;]+m")
VERDICTS = [*(verdict(reason) for reason in ConclusionReason), full()]
IDS = [*(reason.value for reason in ConclusionReason), "full"]


def text(made: Verdict, *, color: bool = False, verbose: bool = False, width: int = 80) -> str:
    return to_text(made, color=color, verbose=verbose, width=width)


def flat(made: Verdict, *, verbose: bool = False) -> str:
    return " ".join(text(made, verbose=verbose).split())


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_the_conclusion_comes_first_in_the_words_of_explain(made: Verdict) -> None:
    word, _, rest = explain.summary(made).partition(":")
    assert flat(made).startswith(f"{word.upper()}:{rest}")
    assert made.conclusion_reason.value in flat(made)


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", [1, 60, 80, 100, 5000])
def test_no_line_is_wider_than_the_terminal(made: Verdict, verbose: bool, width: int) -> None:
    for line in text(made, verbose=verbose, width=width).splitlines():
        assert len(line) <= max(60, width)
        assert line == line.rstrip()


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_blank_lines_stand_alone_and_the_text_ends_once(made: Verdict) -> None:
    shown = text(made, verbose=True)
    assert "\n\n\n" not in shown
    assert shown.endswith("\n")
    assert not shown.endswith("\n\n")
    assert "None" not in shown


def test_every_check_has_a_line_with_the_dns_name_behind_it() -> None:
    shown = flat(verdict())
    assert "SPF pass MAIL FROM shop.example: allows 192.0.2.25 (ip4:192.0.2.0/24)" in shown
    assert "SPF none HELO out.shop.example:" in shown
    assert "DKIM pass s2026._domainkey.shop.example: intact; speaks for the author" in shown
    assert "ARC none" in shown
    assert "iprev pass 192.0.2.25 is out.shop.example" in shown
    assert "DMARC pass _dmarc.shop.example: rests on DKIM of shop.example" in shown


def test_every_signature_has_its_line_and_a_message_without_any_says_so() -> None:
    shown = text(full())
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("DKIM")] == [
        ["DKIM", "fail"],
        ["DKIM", "pass"],
    ]
    assert "DKIM none no signature" in flat(verdict(ConclusionReason.SPF_ALIGNED))


def test_a_check_that_could_not_be_run_is_not_shown_as_a_failure() -> None:
    shown = flat(verdict(dkim=(signature(result=None, reason=Reason.NOT_RECORDED),)))
    assert "DKIM not run s2026._domainkey.shop.example: not checked, because the DNS answer was neither" in shown


def test_a_failing_signature_of_the_author_is_not_said_to_speak_for_the_author() -> None:
    failing = signature(result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH)
    assert "; would speak for the author" in flat(verdict(dkim=(failing,)))


def test_anomalies_and_the_next_step_follow() -> None:
    shown = flat(full())
    assert explain.anomaly(full().anomalies[0]) in shown
    assert shown.index("Worth knowing") < shown.index("Next step")
    assert str(explain.next_step(full())) in shown
    assert "Next step" not in flat(verdict())
    assert "Worth knowing" not in flat(verdict())


def test_only_verbose_text_has_the_hop_sheet_and_the_tables() -> None:
    for title in (
        "Hops, newest first",
        "DMARC tree walk",
        "ARC sets",
        "Authentication-Results of mx.elsewhere.example",
        "What the author's domain signed",
    ):
        assert title in text(full(), verbose=True)
        assert title not in text(full())


def test_the_hop_sheet_shows_standing_tls_login_delay_and_the_border() -> None:
    shown = flat(full(), verbose=True)
    assert "0 ours TLSv1.3 - 2 s mx.receiver.example [198.51.100.1] by store.receiver.example with LMTP" in shown
    assert "1 border TLSv1.3 - 1 m 5 s out.shop.example [192.0.2.25]" in shown
    assert shown.index("1 border") < shown.index("-----") < shown.index("2 claimed clear desk -")
    assert "Every trusted hop over a network was encrypted." in shown


def test_recorded_results_stand_beside_ours() -> None:
    shown = flat(full(), verbose=True)
    assert "dkim=pass fail shop.example explained: this copy is not byte for byte" in shown
    assert "Authentication-Results of mx.elsewhere.example: anybody could have written it" in shown


def test_what_anybody_could_have_written_is_kept_out_of_the_short_text() -> None:
    assert "mx.elsewhere.example" not in text(full())
    forged = verdict(recorded=(recorded(standing=RecordedStanding.FORGED),))
    assert "Recorded forged Authentication-Results of mx.receiver.example" in flat(forged)


def test_an_author_that_cannot_be_told_has_every_reading_and_policy_listed() -> None:
    shown = flat(verdict(ConclusionReason.AUTHOR_AMBIGUOUS))
    assert "may be shown as ceo@bank.example (strict) may be shown as a@attack.example (strict)" in shown
    assert "bank.example asks to reject such mail attack.example publishes no usable policy" in shown
    assert "may be shown as" not in flat(verdict())


def test_fidelity_is_said() -> None:
    assert "mailbox quoting undone" in flat(full())
    assert "lone line feeds were turned" in flat(full(), verbose=True)


def test_a_null_reverse_path_is_shown_as_one_and_an_unknown_one_not_at_all() -> None:
    assert "MAIL FROM <>" in flat(verdict(origin=origin(mail_from="")))
    assert "out.shop.example hop 1" in flat(verdict(origin=origin(mail_from=None)))


# --- colour and hostile text -----------------------------------------------------------------------


@pytest.mark.parametrize("made", VERDICTS, ids=IDS)
def test_colour_changes_nothing_but_colour(made: Verdict) -> None:
    plain, colored = text(made, verbose=True), text(made, verbose=True, color=True)
    assert "\x1b" not in plain
    assert COLOR.sub("", colored) == plain
    assert colored != plain


def _safe(shown: str) -> bool:
    return all(terminal(line) == line for line in shown.split("\n"))


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "line\r\nAuthentication-Results: x; dkim=pass",
    "\u202egnp.exe",
    "ze\u200bro\ufeff",
    "\x9b31m",
    "\u2028next",
    "\x00",
    "a" * 5000,
    "漢字" * 200,
    "e\u0301" * 100,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_reaches_the_terminal_from_any_text(hostile: str) -> None:
    made = fill(full(), hostile)
    assert _safe(text(made, verbose=True))
    assert _safe(COLOR.sub("", text(made, verbose=True, color=True)))


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_anywhere_is_shown_without_a_control_character(hostile: str) -> None:
    assert _safe(text(fill(full(), hostile), verbose=True))


def test_wide_characters_are_counted_as_wide() -> None:
    made = verdict(author=replace(verdict().author, addresses=(Mailbox("漢字" * 60, None),)))
    lines = [line for line in text(made).splitlines() if "漢" in line]
    assert len(lines) > 2
    assert all(9 + 2 * (line.count("漢") + line.count("字")) <= 80 for line in lines)


def test_anomalies_of_one_kind_share_a_line() -> None:
    made = verdict(anomalies=tuple(Anomaly(AnomalyCode.HOP_NOT_ENCRYPTED, str(number)) for number in range(20)))
    assert "A trusted hop was not encrypted: hop 0, hop 1, hop 2, hop 3, hop 4, hop 5 and 14 more." in flat(made)
    assert flat(made).count("not encrypted") == 1


# --- small pieces ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0, "0 s"), (59, "59 s"), (60, "1 m"), (3661, "1 h 1 m"), (-12, "-12 s"), (90000, "1 d 1 h")],
)
def test_a_delay_is_shown_in_its_two_largest_units(seconds: int | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("hop", "shown"),
    [
        (Hop(index=0, tls=Tls("TLSv1.2", None)), "TLSv1.2"),
        (Hop(index=0, tls=Tls(None, None)), "yes"),
        (Hop(index=0, with_="esmtpsa"), "yes"),
        (Hop(index=0, with_="ESMTP"), "clear"),
        (Hop(index=0, with_="ESMTP", from_ip="127.0.0.1"), "local"),
        (Hop(index=0, with_="ESMTP", from_ip="::1"), "local"),
        (Hop(index=0, with_="ESMTPS", from_ip="::1"), "yes"),
        (Hop(index=0, with_="ESMTP", from_ip="10.0.0.1"), "clear"),
        (Hop(index=0, with_="mapi"), "?"),
        (Hop(index=0), "?"),
    ],
)
def test_tls_is_said_only_where_the_hop_says_it(hop: Hop, shown: str) -> None:
    assert parts.tls(hop) == shown


def test_where_nothing_was_asked_the_text_shows_what_others_recorded_whoever_wrote_it() -> None:
    results = tuple(RecordedResult(method=method, result="pass") for method in ("spf", "dkim", "dmarc"))
    fields = tuple(recorded(standing=standing, results=results) for standing in RecordedStanding)
    unasked = replace(full(), recorded=fields, dns=DnsUse(questions=5))
    assert flat(unasked).count("recorded spf=pass, dkim=pass and dmarc=pass; not compared, as nothing was asked") == 4
    assert "differs" not in flat(unasked).lower()
    assert "and 4 more fields, see -v" in flat(replace(unasked, recorded=fields * 3))
    assert "nothing was asked" not in flat(replace(unasked, dns=DnsUse(questions=5, recorded=1)))


def test_the_time_of_judging_under_a_recording_is_that_of_the_recording_in_text_and_page() -> None:
    now = replace(full(), judged_at_source=JudgedAtSource.NOW, dns=DnsUse(questions=1, recorded=1))
    live = replace(now, dns=DnsUse(questions=1, live=1))
    for shown in (flat(now), to_html(now)):
        assert "the time of the recording" in shown
        assert "the time of this check" not in shown
    for shown in (flat(live), to_html(live)):
        assert "the time of this check" in shown


def test_one_is_no_plural_and_standard_input_has_its_name() -> None:
    one = replace(full(), dns=DnsUse(questions=1, live=1), source=replace(full().source, path="-", size=1))
    assert "1 question, 1 asked live" in flat(one, verbose=True)
    assert "standard input" in flat(one)
    assert "1 octet," in flat(one)


def test_our_result_is_that_for_the_same_signature() -> None:
    def result(domain: str, selector: str | None = None) -> RecordedResult:
        properties = {"header.d": domain} | ({"header.s": selector} if selector else {})
        return RecordedResult(method="dkim", result="pass", properties=properties)

    assert parts.ours(full(), result("list.example")) == "pass"
    assert parts.ours(full(), result("shop.example", "s2026")) == "fail"
    assert parts.ours(full(), result("shop.example", "other")) == "-"
    assert (
        parts.ours(full(), RecordedResult(method="dkim", result="pass", properties={"header.i": "@LIST.example"}))
        == "pass"
    )
    assert parts.ours(full(), RecordedResult(method="x-spam", result="no")) == "-"

"""The page of a batch and its summary: what they say, that they are whole in themselves, bounded, and ours alone."""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.batches import made
from tests.test_page import HOSTILE, Page
from tests.verdicts import fill, full, verdict
from verify.disposition import Policy, rehearse
from verify.explain import batch
from verify.grammar.visible import terminal
from verify.model import ActionKind, ActionReason, Author, Conclusion, ConclusionReason, Mailbox, Verdict, replace
from verify.render.data import to_json
from verify.render.report import to_report
from verify.render.summary import to_summary
from verify.rollup import (
    Breakage,
    Count,
    Disagreement,
    Faked,
    Judged,
    Period,
    Rehearsed,
    Rollup,
    Stream,
    Tally,
    Trouble,
    Worst,
    conclusion_of,
)
from verify.store import Store

VOID = {"meta", "br", "rect"}
TAGS = VOID | {
    *("html", "head", "title", "style", "body", "main", "footer", "section", "h1", "h2", "h3", "p", "dl", "dt", "dd"),
    *("ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "span", "strong", "small", "details", "summary"),
    *("div", "svg", "g"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "id", "class", "aria-labelledby", "aria-label"),
    *("aria-hidden", "role", "tabindex", "scope", "viewbox", "preserveaspectratio", "x", "y", "width", "height"),
    "data-head",
}
CLASSES = {
    *("lead", "quiet", "stack", "figures", "findings", "chart", "axis", "key", "bar", "number", "places", "more"),
    *("worst", "notes", "cards", "scroll", "wide", "pill", "name", "together"),
    *("is-good", "is-bad", "is-warn", "is-muted"),
    *(f"{kind}-{one}" for kind in ("is", "fill") for one in ("authenticated", "failed", "unprotected", "undetermined")),
}


def assert_ours(page: Page) -> None:
    """Only our own elements, attributes and classes; nothing invisible."""
    for tag, attributes in page.tags:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES
        assert set((attributes.get("class") or "").split()) <= CLASSES
    assert [tag for tag, _ in page.tags].count("style") == 1
    for word in page.words:
        assert terminal(word.replace("\n", " ")) == word.replace("\n", " ")


def rolled(folder: Path, verdicts: Sequence[Verdict], about: dict[str, str] | None = None) -> Rollup:
    store = Store(str(folder / "batch.sqlite"), fresh=True)
    store.note(about or {})
    lines = [to_json(one) for one in verdicts]
    refused = [("a.zip", "m.eml", "the archive is damaged")]
    store.add(len(lines), [(msgspec.json.decode(line, type=Judged), line) for line in lines], refused)
    held = store.rollup()
    store.close()
    return held


@pytest.fixture(scope="module")
def rollup(tmp_path_factory: pytest.TempPathFactory) -> Rollup:
    about = {"sources": "takeout.zip", "version": "9.9", "finished_at": "2026-03-02T10:00:00Z"}
    return rolled(tmp_path_factory.mktemp("report"), list(made(1500)), about)


@pytest.fixture(scope="module")
def source(rollup: Rollup) -> str:
    return to_report(rollup)


def test_the_page_is_whole_in_itself_and_ours(source: str) -> None:
    assert_ours(Page(source))
    assert not re.search(r"(?i)https?:|//\w|url\(|@import|<script|javascript:", source)


def test_the_policy_forbids_everything_but_the_one_style(source: str) -> None:
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = next(a["content"] for tag, a in Page(source).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_page_begins_with_how_much_is_authenticated(source: str, rollup: Rollup) -> None:
    text = Page(source).text
    assert text.startswith(batch.headline(rollup.tally))
    for conclusion, count in rollup.tally.conclusions.items():
        assert f"{count:,} {conclusion.capitalize()}, {batch.share(count, rollup.tally.messages)}" in text
    for finding in batch.findings(rollup):
        assert finding in text


def test_every_question_that_people_ask_has_its_answer(source: str, rollup: Rollup) -> None:
    text = Page(source).text
    for one in rollup.reasons:
        assert batch.REASONS_OF_MANY[one.reason] in text
    for faked in rollup.faked:
        assert faked.author_domain in text
        assert all(place.name in text for place in (*faked.networks, *faked.helos))
    for stream in rollup.streams:
        assert f"{batch.BREAKAGES[stream.breakage]}. {batch.mending(stream)}" in text
    assert {one.breakage for one in rollup.streams} >= {Breakage.NO_ALIGNMENT, Breakage.LIST, Breakage.EXPIRED}
    for expected in (
        "Received 2025-03",
        "takeout.zip",
        "nothing known explains it",
        "the key has been withdrawn since",
        "The displayed name holds a mail address that is not the author's",
        "a.zip, m.eml",
        "the archive is damaged",
        "server failure",
        "mailbox quoting undone",
        "mailverdict 9.9. Finished 2026-03-02T10:00:00Z.",
    ):
        assert expected in text


def test_the_chart_holds_every_message_and_stands_as_a_table_too(source: str, rollup: Rollup) -> None:
    page = Page(source)
    steps = [one for one in rollup.periods if one.messages]
    assert [tag for tag, _ in page.tags].count("g") == len(steps)
    for step in steps:
        assert batch.period(step) in page.text
    bars = [a for tag, a in page.tags if tag == "rect" and "y" in a]
    assert max(160 - float(str(one["y"])) for one in bars) == 160
    assert all(0 <= float(str(one["y"])) <= 160 and float(str(one["x"])) <= 720 for one in bars)
    assert "The chart as a table" in page.text


def test_the_worst_messages_have_their_verdicts_on_the_page(source: str, rollup: Rollup) -> None:
    page = Page(source)
    assert [a.get("class") for tag, a in page.tags if tag == "details"].count("worst") == len(rollup.worst) == 100
    assert "The 100 messages to look at first" in page.text
    for one in rollup.worst:
        assert " ".join(msgspec.json.decode(one.verdict, type=Judged).summary.split()) in page.text


def test_the_page_can_be_read_without_seeing_it(source: str) -> None:
    page = Page(source)
    assert page.tags[0] == ("html", {"lang": "en"})
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert all(
        a.get("aria-hidden") or (a.get("role") == "img" and a.get("aria-label")) for tag, a in page.tags if tag == "svg"
    )
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(identifiers)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_batch_of_nothing_has_a_page(tmp_path: Path) -> None:
    page = Page(to_report(rolled(tmp_path, [])))
    assert_ours(page)
    assert page.text.startswith("No message was judged.")
    assert "1 source or member could not be read." in page.text


@pytest.mark.parametrize("reason", ConclusionReason)
def test_a_single_message_of_any_kind_has_a_page(tmp_path: Path, reason: ConclusionReason) -> None:
    page = Page(to_report(rolled(tmp_path, [verdict(reason)])))
    assert_ours(page)
    assert "None" not in page.text.replace("None of 1 message", "")


def hostile_verdict(hostile: str, reason: ConclusionReason | None = None) -> Verdict:
    base = full() if reason is None else verdict(reason)
    return replace(fill(base, hostile), authserv_id=base.authserv_id)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_becomes_markup_or_stays_invisible(tmp_path: Path, hostile: str) -> None:
    verdicts = [hostile_verdict(hostile), hostile_verdict(hostile, ConclusionReason.AUTHOR_AMBIGUOUS)]
    stream = verdict(ConclusionReason.NOT_ALIGNED)
    verdicts.append(replace(stream, author=Author(domain=hostile, addresses=(Mailbox(hostile, hostile),))))
    held = rolled(tmp_path, verdicts, {"sources": hostile, "version": hostile, "finished_at": hostile})
    assert_ours(Page(to_report(held)))
    for line in to_summary(held.tally, held).splitlines():
        assert terminal(line) == line


def rollup_of(text: str) -> Rollup:
    """A roll-up in which ``text`` stands wherever text of others can."""
    places = (Count(text, 3),) * 3
    line = to_json(hostile_verdict(text))
    return Rollup(
        tally=Tally(messages=3, octets=3, actions={"reject policy-reject": 3}, untold=1),
        about={"sources": text, "policy": text, "version": text, "finished_at": text},
        first="2026-01-01",
        last="2026-01-02",
        undated=1,
        reasons=(),
        step="day",
        periods=(Period(start="2026-01-01", failed=1), Period(start="2026-01-02")),
        outside=1,
        authors=1,
        faked=(Faked(author_domain=text, messages=3, others=0, policy=None, networks=places, helos=places),) * 20,
        faked_more=1,
        faked_messages=3,
        streams=(
            Stream(author_domain=text, breakage=Breakage.NO_ALIGNMENT, via=text, messages=1, passed=0, policy=None),
        )
        * 20,
        streams_more=1,
        streams_messages=1,
        compared=(),
        disagreements=(
            Disagreement(
                authserv_id=text,
                standing="untrusted",
                method="dkim",
                recorded=text,
                found=None,
                comparison="differs",
                reason=None,
                messages=1,
            ),
        )
        * 20,
        disagreements_more=1,
        anomalies=(),
        fidelity=(),
        troubles=(Trouble(kind="source", problem=text, example=text, count=1),) * 20,
        troubles_more=1,
        dns_messages=1,
        worst=(Worst(id=1, severity=100, verdict=line),) * 100,
        rehearsed=(
            Rehearsed(
                author_domain=text,
                stream=text,
                action=ActionKind.REJECT,
                reason=ActionReason.POLICY_REJECT,
                messages=1,
                passed=0,
            ),
        )
        * 20,
        rehearsed_more=1,
    )


@given(st.text(max_size=60))
@settings(max_examples=15, deadline=None)
def test_any_text_anywhere_leaves_the_page_ours(hostile: str) -> None:
    assert_ours(Page(to_report(rollup_of(hostile))))


def test_the_page_stays_small_whatever_stands_in_the_mail() -> None:
    assert len(to_report(rollup_of("<&" * 50_000)).encode()) < 2_000_000
    assert len(to_report(rollup_of("a" * 100_000)).encode()) < 700_000


def test_a_batch_ten_times_as_large_has_a_page_no_larger(tmp_path: Path, source: str) -> None:
    small = to_report(rolled(tmp_path, list(made(600))))
    assert len(source.encode()) < 300_000
    assert len(source.encode()) < 1.3 * len(small.encode())


# --- words -----------------------------------------------------------------------------------------


def test_what_a_policy_would_do_is_on_the_page_and_in_the_summary(tmp_path: Path) -> None:
    policy = Policy(on_reject=ActionKind.REJECT, except_recipients=("a@home.example",))
    rehearsed = rolled(
        tmp_path,
        [replace(one, rehearsal=rehearse(one, policy, named=True)) for one in made(300)],
        {"policy": "server.toml"},
    )
    lost = sum(count for kind, _, count in rehearsed.tally.rehearsed() if kind is not ActionKind.ADD)
    assert 0 < lost == rehearsed.tally.untold
    unsettled = rehearsed.tally.unsettled
    assert 0 < unsettled <= rehearsed.tally.conclusions[Conclusion.UNDETERMINED]
    assert f"{unsettled} of those delivered could not be settled" in to_summary(rehearsed.tally)
    assert sum(rehearsed.tally.actions.values()) == 300
    page, text = to_report(rehearsed), to_summary(rehearsed.tally, rehearsed)
    sentence = f"With this policy, {lost} of 300 messages would not be delivered as now: "
    assert sentence in page
    assert sentence in text
    assert "server.toml" in page
    assert f"For {lost} of these, stored mail does not tell whether an exception" in text
    assert re.search(rf"^  reject: policy-reject +{rehearsed.tally.actions['reject policy-reject']}  ", text, re.M)
    most = rehearsed.rehearsed[0]
    assert f"{most.author_domain} sent by {most.stream}: rejected" in text
    assert max(len(line) for line in text.splitlines()) <= 120
    assert_ours(Page(page))


def test_every_action_and_its_reason_have_their_words() -> None:
    assert set(batch.ACTIONS) == set(ActionKind)
    assert set(batch.ACTION_REASONS) == set(ActionReason)


def test_every_reason_and_breakage_has_its_words() -> None:
    assert set(batch.REASONS_OF_MANY) == set(ConclusionReason)
    assert set(batch.STEPS_OF_MANY) <= set(ConclusionReason)
    assert set(batch.BREAKAGES) == set(Breakage)
    for one in Breakage:
        stream = Stream(author_domain="a.example", breakage=one, via="b.example", messages=1, passed=0, policy=None)
        assert batch.mending(stream).endswith(".")


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 0, "0%"), (0, 9, "0%"), (1, 1000, "under 1%"), (1, 3, "33%"), (999, 1000, "over 99%"), (7, 7, "100%")],
)
def test_a_share_is_nothing_or_all_only_when_it_is(part: int, whole: int, expected: str) -> None:
    assert batch.share(part, whole) == expected


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (0, "0 octets"),
        (999, "999 octets"),
        (1500, "1.5 kB"),
        (2_000_000, "2.0 MB"),
        (3_400_000_000_000_000, "3400.0 TB"),
    ],
)
def test_sizes_in_words(octets: int, expected: str) -> None:
    assert batch.size(octets) == expected


def test_the_headline_says_all_none_and_some() -> None:
    def tally(*reasons: ConclusionReason) -> Tally:
        held = Tally()
        for reason in reasons:
            held.count(conclusion_of(reason), reason, 1)
        return held

    good, bad = ConclusionReason.DKIM_ALIGNED, ConclusionReason.NOT_ALIGNED
    assert batch.headline(tally()) == "No message was judged."
    assert batch.headline(tally(good)) == "The one message is authenticated."
    assert batch.headline(tally(bad)) == "The one message is not authenticated."
    assert batch.headline(tally(good, good)) == "All 2 messages are authenticated."
    assert batch.headline(tally(bad, bad)) == "None of 2 messages is authenticated."
    assert batch.headline(tally(good, bad)) == "50% of 2 messages are authenticated."
    assert batch.headline(tally(good, *[bad] * 300)).startswith("Under 1% of 301 messages")


def test_the_summary_of_a_run(rollup: Rollup) -> None:
    text = to_summary(rollup.tally, rollup)
    assert text.startswith(batch.headline(rollup.tally))
    for reason, count in rollup.tally.reasons.items():
        assert re.search(rf"^  {reason} +{count:,}  ", text, re.MULTILINE)
    assert "bank.example, from 203.0.113.0/24" in text
    assert "passes for another domain only" in text
    assert "Could not be read: 1" in text
    short = to_summary(rollup.tally)
    assert text.startswith(short.rstrip("\n"))
    assert "bank.example" not in short
    assert max(len(line) for line in text.splitlines()) <= 120

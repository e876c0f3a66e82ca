"""The SQLite file: what its tables hold, the five questions of the README, the roll-up, and what a store bears."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.batches import made
from tests.verdicts import fill, full, signature, spf, verdict
from verify.model import (
    ArcResult,
    ArcSet,
    ArcWord,
    Conclusion,
    ConclusionReason,
    Diagnosis,
    DiagnosisCode,
    DkimWord,
    PolicyWord,
    Reason,
    RecordedResult,
    SpfWord,
    Verdict,
    replace,
)
from verify.render.data import from_json, to_json
from verify.rollup import Breakage, Judged, Period, breakage, conclusion_of, network, ours, severity
from verify.store import OutputError, Store
from verify.store.database import WORST, WORST_ALIKE

QUESTIONS = Path(__file__).resolve().parent.parent / "samples" / "questions.sql"


def judged(one: Verdict) -> Judged:
    return msgspec.json.decode(to_json(one), type=Judged)


def filled(path: Path, verdicts: Sequence[Verdict], *, step: int = 50) -> Store:
    store = Store(str(path), fresh=True)
    lines = [to_json(one) for one in verdicts]
    for start in range(0, len(lines), step):
        part = lines[start : start + step]
        store.add(start + len(part), [(msgspec.json.decode(line, type=Judged), line) for line in part])
    return store


@pytest.fixture(scope="module")
def export() -> list[Verdict]:
    return list(made(400))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, export: list[Verdict]) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("store") / "batch.sqlite"
    filled(path, export).close()
    assert [one.name for one in path.parent.iterdir()] == ["batch.sqlite"]
    opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    yield opened
    opened.close()


def statement(question: str) -> str:
    """The one statement below a comment of ``samples/questions.sql``."""
    _, _, after = QUESTIONS.read_text().partition(f"-- {question}")
    found, _, _ = after.partition("\n")[2].partition(";")
    assert found
    return found


def test_how_much_is_authenticated_and_why(database: sqlite3.Connection, export: list[Verdict]) -> None:
    expected = Counter((one.conclusion, one.conclusion_reason) for one in export)
    rows = database.execute(statement("How much is authenticated")).fetchall()
    assert {(conclusion, reason): count for conclusion, reason, count, _ in rows} == expected
    assert sum(percent for *_, percent in rows) == pytest.approx(100, abs=1)


def test_in_whose_name_mail_is_faked_and_from_where(database: sqlite3.Connection, export: list[Verdict]) -> None:
    fakes = [one for one in export if not one.dkim and one.conclusion is Conclusion.FAILED and one.author.domain]
    expected = Counter(
        (one.author.domain, network(one.origin.client_ip), one.origin.helo)
        for one in fakes
        if one.spf[0].result is SpfWord.FAIL
    )
    rows = database.execute(statement("In whose name")).fetchall()
    assert len(rows) == 10
    assert {row[:3]: row[3] for row in rows}.items() <= expected.items()
    assert rows[0][3] == max(expected.values())


def test_what_would_be_lost_at_p_reject_and_why(database: sqlite3.Connection, export: list[Verdict]) -> None:
    expected = Counter((one.author.domain, *found) for one in export if (found := breakage(judged(one))) is not None)
    rows = database.execute(statement("What looks legitimate")).fetchall()
    assert len(rows) == 10
    assert {row[:3]: row[3] for row in rows}.items() <= expected.items()
    assert {"no-alignment", "list"} <= {row[1] for row in rows}


def test_where_a_receiver_recorded_something_else(database: sqlite3.Connection, export: list[Verdict]) -> None:
    rows = database.execute(statement("Where did a receiver")).fetchall()
    assert sum(row[6] for row in rows if row[5] is None) == sum(
        any(item.comparison == "differs" for held in one.recorded for item in held.results) for one in export
    )
    assert ("mx.receiver.example", "trusted", "dkim", "pass", "fail", "key-gone") in {row[:6] for row in rows}


def test_how_it_develops(database: sqlite3.Connection, export: list[Verdict]) -> None:
    expected = Counter((f"{one.origin.received_at:%Y-%m}", one.conclusion) for one in export)
    rows = database.execute(statement("How does it develop")).fetchall()
    assert [row[0] for row in rows] == sorted({month for month, _ in expected})
    for month, messages, *parts in rows:
        order = ("authenticated", "failed", "unprotected", "undetermined")
        assert parts == [expected[month, Conclusion(one)] for one in order]
        assert messages == sum(parts)


def test_the_tables_have_indexes_keys_and_their_version(database: sqlite3.Connection) -> None:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"run", "messages", "results", "recorded", "anomalies", "errors", "rehearsal", "worst"}
    indexed = {table for (table,) in database.execute("SELECT tbl_name FROM sqlite_master WHERE name GLOB '*_*'")}
    assert {"messages", "results", "recorded", "anomalies", "errors"} <= indexed
    for table in ("results", "recorded", "anomalies", "errors", "rehearsal", "worst"):
        assert database.execute(f"PRAGMA foreign_key_list({table})").fetchone()[2] == "messages"
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert dict(database.execute("SELECT key, value FROM run"))["schema"] == "mailverdict-sqlite/1"


def test_an_index_serves_each_look_up_that_people_make(database: sqlite3.Connection) -> None:
    for where in (
        "messages WHERE author_domain = 'bank.example'",
        "messages WHERE conclusion = 'failed'",
        "messages WHERE sha256 = 'x'",
        "messages WHERE received_at > '2026'",
        "messages WHERE network = '192.0.2.0/24'",
        "results WHERE message_id = 1",
        "results WHERE method = 'dkim' AND domain = 'shop.example'",
        "recorded WHERE message_id = 1",
        "anomalies WHERE code = 'forged-results'",
        "rehearsal WHERE action = 'reject'",
    ):
        plan = str(database.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {where}").fetchall())
        assert "USING INDEX" in plan, where


def test_a_message_has_its_row_and_each_check_its_own(tmp_path: Path) -> None:
    filled(tmp_path / "one.sqlite", [full()]).close()
    database = sqlite3.connect(tmp_path / "one.sqlite")
    database.row_factory = sqlite3.Row
    row = dict(database.execute("SELECT * FROM messages").fetchone())
    assert row["path"] == "exports/all.mbox"
    assert (row["number"], row["size"], row["fidelity"]) == (17, 48213, "quoting-undone")
    assert (row["conclusion"], row["reason"], row["dmarc"]) == ("failed", "not-aligned", "fail")
    assert (row["client_ip"], row["network"], row["helo"]) == ("192.0.2.25", "192.0.2.0/24", "out.shop.example")
    assert (row["dkim"], row["dkim_domain"], row["dkim_aligned"]) == ("pass", "list.example", 0)
    assert (row["breakage"], row["via"], row["encrypted"]) == ("list", "list.example", 1)
    assert row["received_at"] == "2026-03-04T05:06:07Z"
    results = [tuple(one) for one in database.execute("SELECT method, domain, result, reason FROM results")]
    assert results == [
        ("spf", "bulk.example", "pass", "matched"),
        ("dkim", "shop.example", "fail", "body-hash-mismatch"),
        ("dkim", "list.example", "pass", "verified"),
        ("arc", "list.example", "pass", None),
        ("arc", "in.example", "pass", None),
        ("iprev", "out.shop.example", "pass", "confirmed"),
        ("dmarc", "shop.example", "fail", "not-aligned"),
    ]
    held = [tuple(one) for one in database.execute("SELECT method, domain, result, found, comparison FROM recorded")]
    assert held == [
        ("dkim", "shop.example", "pass", "fail", "explained"),
        ("dmarc", "shop.example", "pass", "fail", "explained"),
        ("spf", None, "pass", "pass", "not-comparable"),
    ]
    assert [tuple(one) for one in database.execute("SELECT kind, problem, name, type FROM errors")] == [
        ("dns", "servfail", "slow.example", "A")
    ]
    assert database.execute("SELECT count(*) FROM anomalies").fetchone()[0] == 2
    database.close()


@pytest.mark.parametrize("hostile", ["'); DROP TABLE messages; --", "\x00\ud83d", "<script>", "\U0001f4a9" * 50])
def test_hostile_text_is_text(tmp_path: Path, hostile: str) -> None:
    hostile = hostile.encode("utf-8", "replace").decode()
    one = replace(fill(full(), hostile), authserv_id="localhost")
    filled(tmp_path / "one.sqlite", [one]).close()
    database = sqlite3.connect(tmp_path / "one.sqlite")
    assert database.execute("SELECT helo, via IS NULL OR via <> '' FROM messages").fetchall() == [(hostile, 1)]
    database.close()


# --- what one message contributes ------------------------------------------------------------------


def failing(**changes: object) -> Judged:
    own = signature(result=DkimWord.FAIL, reason=Reason.BODY_HASH_MISMATCH)
    base = {"dkim": (own,), "spf": (spf(result=SpfWord.FAIL),), **changes}
    return judged(verdict(ConclusionReason.NOT_ALIGNED, **base))


def sealed() -> ArcResult:
    return ArcResult(result=ArcWord.PASS, sets=(ArcSet(instance=1, sealer="fwd.example"),))


def own(reason: Reason, *codes: DiagnosisCode) -> dict[str, object]:
    found = tuple(Diagnosis(code) for code in codes)
    return {"dkim": (signature(result=DkimWord.FAIL, reason=reason, diagnoses=found),)}


@pytest.mark.parametrize(
    ("changes", "expected", "via"),
    [
        (own(Reason.EXPIRED), Breakage.EXPIRED, "shop.example"),
        (own(Reason.BODY_HASH_MISMATCH, DiagnosisCode.FOOTER_REMOVED), Breakage.LIST, "shop.example"),
        ({"arc": sealed()}, Breakage.FORWARDER, "fwd.example"),
        ({}, Breakage.ALTERED, "shop.example"),
        (own(Reason.NO_KEY), Breakage.KEY, "shop.example"),
    ],
)
def test_why_mail_would_be_lost(changes: dict[str, object], expected: Breakage, via: str) -> None:
    assert breakage(failing(**changes)) == (expected, via)


def test_mail_that_passes_for_another_domain_only_is_a_stream_unless_the_policy_is_enforced() -> None:
    for policy, expected in ((PolicyWord.NONE, (Breakage.NO_ALIGNMENT, "esp.example")), (PolicyWord.REJECT, None)):
        made = verdict(ConclusionReason.NOT_ALIGNED, dkim=(signature(domain="esp.example", aligned=False),))
        made = replace(made, spf=(), dmarc=replace(made.dmarc, applied_policy=policy))
        assert breakage(judged(made)) == expected


def test_nothing_breaks_where_the_author_passes_where_nothing_speaks_and_where_nothing_is_settled() -> None:
    assert breakage(failing(dkim=())) is None
    assert breakage(judged(verdict())) is None
    assert breakage(judged(verdict(ConclusionReason.NO_POLICY))) is None  # it passes for its own domain
    assert breakage(judged(verdict(ConclusionReason.AUTHOR_AMBIGUOUS))) is None
    for reason in ConclusionReason:
        if conclusion_of(reason) is Conclusion.UNDETERMINED:
            assert breakage(judged(verdict(reason))) is None


def test_a_domain_without_policy_is_told_what_would_be_lost_too() -> None:
    made = verdict(ConclusionReason.NO_POLICY, dkim=(signature(domain="esp.example", aligned=None),), spf=())
    assert breakage(judged(made)) == (Breakage.NO_ALIGNMENT, "esp.example")
    upper = replace(made, author=replace(made.author, domain="news.shop.example"), dkim=(signature(),))
    upper = replace(upper, dmarc=replace(made.dmarc, organizational_domain="news.shop.example"))
    assert breakage(judged(upper)) is None  # a policy at shop.example would bring it in


def test_every_reason_stands_under_its_conclusion() -> None:
    for reason in ConclusionReason:
        assert conclusion_of(reason) is verdict(reason).conclusion


def test_a_fake_is_worse_than_a_mistake_and_a_mistake_than_a_pass() -> None:
    ambiguous = judged(verdict(ConclusionReason.AUTHOR_AMBIGUOUS))
    order = [ambiguous, failing(dkim=()), failing(), judged(verdict(ConclusionReason.DNS)), judged(verdict())]
    scores = [severity(one) for one in order]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0


def test_networks_and_our_result_for_a_recorded_one() -> None:
    assert network("192.0.2.25") == "192.0.2.0/24"
    assert network("2001:db8:1:2::25") == "2001:db8:1::/48"
    assert network(None) is None
    assert network("no address") is None
    one = judged(full())
    asked = {
        "spf": {},
        "dkim": {"header.i": "@List.example", "header.s": "ed"},
        "dmarc": {},
        "arc": {},
        "iprev": {},
        "x-magic": {},
    }
    found = [ours(one, RecordedResult(method=method, result="pass", properties=p)) for method, p in asked.items()]
    assert found == ["pass", "pass", "fail", "pass", "pass", None]
    by_signature = {
        "pass": {"header.b": "Zz9"},
        "fail": {"header.b": "a/b1c2d3", "header.d": "list.example"},
        "none": {"header.d": "absent.example"},
    }
    below = RecordedResult(method="dkim", result="pass", properties={"header.i": "@sub.list.example"})
    assert ours(one, below) == "pass"
    for expected, properties in by_signature.items():
        assert ours(one, RecordedResult(method="dkim", result="pass", properties=properties)) == expected


# --- the roll-up -----------------------------------------------------------------------------------


def test_the_roll_up_counts_what_is_there(tmp_path: Path, export: list[Verdict]) -> None:
    store = filled(tmp_path / "batch.sqlite", export)
    held = store.rollup()
    store.close()
    assert held.tally.messages == len(export)
    assert held.tally.conclusions == Counter(one.conclusion for one in export)
    assert held.tally.reasons == Counter(one.conclusion_reason for one in export)
    assert held.tally.octets == sum(one.source.size for one in export)
    assert sum(one.messages for one in held.periods) + held.outside + held.undated == len(export)
    assert held.step == "week"
    assert [one.start for one in held.periods] == sorted(one.start for one in held.periods)
    assert sum(one.messages for one in held.faked) == held.faked_messages
    assert held.faked[0].author_domain == "bank.example"
    assert held.faked[0].networks[0].messages >= held.faked[0].networks[-1].messages
    assert len(held.faked[0].networks) == 3
    assert held.streams_messages == sum(breakage(judged(one)) is not None for one in export)
    assert held.dns_messages == sum(bool(one.dns.errors) for one in export)
    assert [one.conclusion for one in held.reasons] == sorted(
        (one.conclusion for one in held.reasons), key=list(Conclusion).index
    )


def dated(*days: str) -> list[Verdict]:
    base = verdict()
    times = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days]
    return [replace(base, judged_at=time, origin=replace(base.origin, received_at=time)) for time in times]


@pytest.mark.parametrize(
    ("days", "step", "starts"),
    [
        (["2026-03-04"], "day", ["2026-03-04"]),
        (["2026-03-04", "2026-03-02"], "day", ["2026-03-02", "2026-03-03", "2026-03-04"]),
        (["2026-01-01", "2026-03-04"], "week", ["2025-12-29", "2026-01-05"]),
        (["2024-12-07", "2026-02-04"], "week", ["2024-12-02", "2024-12-09"]),
        (["2023-11-30", "2026-02-04"], "month", ["2023-11-01", "2023-12-01", "2024-01-01"]),
        (["2011-11-30", "2026-02-04"], "year", ["2011-01-01", "2012-01-01"]),
    ],
)
def test_the_time_axis_is_as_fine_as_it_can_be_and_has_no_gaps(
    tmp_path: Path, days: list[str], step: str, starts: list[str]
) -> None:
    store = filled(tmp_path / "batch.sqlite", dated(*days))
    held = store.rollup()
    store.close()
    assert held.step == step
    assert [one.start for one in held.periods][: len(starts)] == starts
    assert len(held.periods) <= 62
    assert sum(one.authenticated for one in held.periods) == len(days)


def test_a_single_wrong_clock_does_not_stretch_the_time_axis(tmp_path: Path) -> None:
    store = filled(tmp_path / "batch.sqlite", dated("1971-01-01", *["2026-03-04"] * 200, "9999-12-31"))
    held = store.rollup()
    store.close()
    assert (held.step, held.outside) == ("day", 2)
    assert held.periods == (Period(start="2026-03-04", authenticated=200),)
    assert (held.first, held.last) == ("1971-01-01", "9999-12-31")


def test_nothing_at_all_is_a_roll_up_too(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "batch.sqlite"), fresh=True)
    store.add(3, [], [("a.zip", None, "damaged")])
    held = store.rollup()
    store.close()
    assert (held.tally.messages, held.tally.refused, held.periods, held.worst) == (0, 1, (), ())
    assert held.troubles[0].problem == "damaged"


def test_the_worst_are_kept_whatever_their_order(tmp_path: Path) -> None:
    many = [
        replace(
            verdict(ConclusionReason.NOT_ALIGNED, dkim=(), spf=()),
            author=replace(verdict().author, domain=f"d{number % 30}.example"),
        )
        for number in range(300)
    ]
    many += [verdict(ConclusionReason.AUTHOR_AMBIGUOUS)] * 9 + [verdict()] * 50
    kept = []
    for name, order in (("a", many), ("b", many[::-1])):
        store = filled(tmp_path / name, order, step=7)
        held = store.rollup()
        store.close()
        kept.append(Counter(msgspec.json.decode(one.verdict, type=Judged).author.domain for one in held.worst))
        assert [one.severity for one in held.worst] == sorted((one.severity for one in held.worst), reverse=True)
    for held_domains in kept:
        assert sum(held_domains.values()) == WORST
        assert held_domains[None] == WORST_ALIKE
        assert len(held_domains) == 31


def test_there_is_room_for_many_alike_when_there_is_nothing_else(tmp_path: Path) -> None:
    store = filled(tmp_path / "batch.sqlite", [verdict(ConclusionReason.AUTHOR_AMBIGUOUS)] * 120)
    assert len(store.rollup().worst) == WORST
    store.close()


def test_a_very_long_verdict_is_kept_shortened(tmp_path: Path) -> None:
    long = replace(fill(full(), "x" * 50_000), authserv_id="localhost")
    store = filled(tmp_path / "batch.sqlite", [long, full()])
    short, whole = sorted(store.rollup().worst, key=lambda one: -one.id)
    store.close()
    assert len(whole.verdict) < 200_000
    assert short.verdict == to_json(full())
    assert from_json(whole.verdict).conclusion is Conclusion.FAILED


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "batch.sqlite"
    filled(path, [full()]).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(OutputError, match="another version"):
        Store(str(path), fresh=False)


def test_a_store_that_somebody_else_writes_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "batch.sqlite"
    store = filled(path, [full()])
    with pytest.raises(OutputError, match="database is locked"):
        Store(str(path), fresh=False)
    store.close()

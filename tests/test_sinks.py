"""The outputs of a batch: what is in them, and that a killed run goes on with every message exactly once."""

from __future__ import annotations

import csv
import io
import json
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.verdicts import full, verdict
from verify.fronts import sinks as module
from verify.fronts.sinks import Output, Sinks, open_sinks
from verify.model import Conclusion, ConclusionReason, Source, replace
from verify.render.data import to_json
from verify.store import OutputError

ROOT = Path(__file__).resolve().parent.parent
REASONS = [*ConclusionReason]


class Refused(NamedTuple):
    path: str
    member: str | None
    problem: str


def line(number: int) -> bytes:
    made = verdict(REASONS[number % len(REASONS)]) if number % 5 else full()
    return to_json(replace(made, source=Source(path="all.mbox", index=number, sha256=f"{number:064x}", size=100)))


def outputs(folder: Path, *forms: str) -> list[Output]:
    return [Output(str(folder / f"out.{form}"), form) for form in forms or ("jsonl", "csv", "sqlite")]


def fill(sinks: Sinks, end: int, *, step: int = 4) -> None:
    """Write items from where the outputs stand; every seventh item is no message but a refusal."""
    while (start := sinks.committed()) < end:
        until = min(start + step, end)
        items = range(start, until)
        refused = [Refused("a.zip", f"m{item}", "damaged") for item in items if item % 7 == 6]
        sinks.write(until, [line(item) for item in items if item % 7 != 6], refused)


@contextmanager
def abandoning(sinks: Sinks) -> Iterator[Sinks]:
    try:
        yield sinks
    finally:
        sinks.abandon()


def found(folder: Path) -> dict[str, Any]:
    """What stands in the outputs, comparable."""
    held: dict[str, Any] = {}
    if (path := folder / "out.jsonl").exists():
        held["jsonl"] = [json.loads(one)["source"]["index"] for one in path.read_bytes().splitlines()]
    if (path := folder / "out.csv").exists():
        held["csv"] = [row["number"] for row in csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))]
    if (path := folder / "out.sqlite").exists():
        database = sqlite3.connect(path)
        for table in ("messages", "results", "recorded", "anomalies", "errors", "worst"):
            rows = database.execute(f"SELECT * FROM {table}").fetchall()
            held[table] = sorted(rows, key=repr) if table == "worst" else rows
        # ``item``, and with it the order of errors, depends on the steps
        held["messages"] = [row[:1] + row[2:] for row in held["messages"]]
        held["errors"] = sorted((row[1:] for row in held["errors"]), key=repr)
        database.close()
    return held


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    sinks = open_sinks(outputs(folder))
    fill(sinks, 60)
    sinks.close(finished=True)
    return found(folder)


def test_every_output_holds_every_message_in_order(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    expected = [item for item in range(60) if item % 7 != 6]
    assert undisturbed["jsonl"] == expected
    assert undisturbed["csv"] == [str(item) for item in expected]
    assert [row[3] for row in undisturbed["messages"]] == expected
    assert {row[1:5] for row in undisturbed["errors"] if row[1] == "source"} == {
        ("source", "a.zip", f"m{item}", "damaged") for item in range(60) if item % 7 == 6
    }
    assert len([row for row in undisturbed["errors"] if row[1] == "source"]) == 8


def test_a_finished_run_leaves_the_outputs_and_nothing_else(tmp_path: Path) -> None:
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 10)
    assert {path.name for path in tmp_path.iterdir()} >= {"out.jsonl.resume", "out.sqlite-wal"}
    sinks.close(finished=True)
    assert {path.name for path in tmp_path.iterdir()} == {"out.jsonl", "out.csv", "out.sqlite"}
    assert open_sinks(outputs(tmp_path), resume=True).complete


@pytest.mark.parametrize("forms", [("html",), ("jsonl", "html"), ("html", "sqlite")])
def test_a_page_is_drawn_of_all_runs_together(tmp_path: Path, forms: tuple[str, ...]) -> None:
    for until in (9, 30, 60):
        sinks = open_sinks(outputs(tmp_path, *forms), resume=True, about={"sources": "all.mbox"})
        fill(sinks, until)
        sinks.close(finished=until == 60)
        assert f"{sinks.tally.messages} messages are authenticated." in (tmp_path / "out.html").read_text("utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {f"out.{form}" for form in forms}
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "12% of 52 messages are authenticated." in page
    assert "all.mbox" in page
    assert "12% of 52 messages are authenticated." in sinks.summary()


def test_a_page_for_standard_output_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sinks = open_sinks([Output("-", "html")])
    fill(sinks, 20)
    assert list(tmp_path.iterdir())
    sinks.close(finished=True)
    assert not list(tmp_path.iterdir())
    assert b"of 18 messages are authenticated." in capfdbinary.readouterr().out


@pytest.mark.parametrize("forms", [("jsonl",), ("csv",), ("sqlite",), ("jsonl", "csv", "sqlite", "html")])
def test_finished_outputs_are_counted_again(tmp_path: Path, forms: tuple[str, ...]) -> None:
    sinks = open_sinks(outputs(tmp_path, *forms), fingerprint="a")
    fill(sinks, 40)
    sinks.close(finished=True)
    again = open_sinks(outputs(tmp_path, *forms), resume=True, fingerprint="a")
    assert again.complete
    assert (again.tally.conclusions, again.tally.reasons) == (sinks.tally.conclusions, sinks.tally.reasons)
    assert again.tally.octets == 3500
    assert again.summary().startswith(sinks.summary().splitlines()[0])


@pytest.mark.parametrize("form", ["sqlite", "html"])
def test_what_another_run_has_finished_is_neither_taken_for_ours_nor_touched(tmp_path: Path, form: str) -> None:
    sinks = open_sinks(outputs(tmp_path, form), fingerprint="a")
    fill(sinks, 5)
    sinks.close(finished=True)
    before = (tmp_path / f"out.{form}").read_bytes()
    with pytest.raises(OutputError, match=rf"out\.{form}: stands there, and no run"):
        open_sinks(outputs(tmp_path, form), resume=True, fingerprint="b")
    assert (tmp_path / f"out.{form}").read_bytes() == before


@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "html"])
def test_a_file_that_holds_no_verdicts_is_not_taken_for_a_finished_output(tmp_path: Path, form: str) -> None:
    (tmp_path / f"out.{form}").write_bytes(b"mine\nand mine\n" * 40)
    with pytest.raises(OutputError, match=rf"out\.{form}: (stands there|file is not a database)"):
        open_sinks(outputs(tmp_path, form), resume=True)
    assert (tmp_path / f"out.{form}").read_bytes() == b"mine\nand mine\n" * 40


def test_what_was_left_by_a_run_killed_at_its_last_step_is_tidied(tmp_path: Path) -> None:
    sinks = open_sinks(outputs(tmp_path, "html"))
    fill(sinks, 9)
    sinks.close(finished=False)
    (tmp_path / "out.html.resume").unlink()
    assert open_sinks(outputs(tmp_path, "html"), resume=True).complete
    assert {path.name for path in tmp_path.iterdir()} == {"out.html"}


def test_the_counts_are_those_of_all_runs(tmp_path: Path) -> None:
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 20)
    sinks.close(finished=False)
    sinks = open_sinks(outputs(tmp_path), resume=True)
    assert sinks.committed() == 20
    assert (sinks.tally.messages, sinks.tally.refused, sinks.tally.octets) == (18, 2, 1800)
    fill(sinks, 40)
    sinks.close(finished=True)
    assert sinks.tally.messages == 35
    assert sum(sinks.tally.conclusions.values()) == sum(sinks.tally.reasons.values()) == 35
    assert sinks.tally.conclusions[Conclusion.FAILED] > 0


@pytest.mark.parametrize("forms", [("jsonl",), ("csv",), ("sqlite",), ("sqlite", "jsonl", "csv")])
def test_an_interrupted_run_goes_on(tmp_path: Path, undisturbed: dict[str, Any], forms: tuple[str, ...]) -> None:
    for until in (13, 14, 37, 60):
        sinks = open_sinks(outputs(tmp_path, *forms), resume=True)
        fill(sinks, until)
        sinks.close(finished=until == 60)
    for name, held in found(tmp_path).items():
        assert held == undisturbed[name], name


def test_what_was_written_but_never_noted_is_cut_off(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 22)
    sinks.abandon()
    with (tmp_path / "out.jsonl").open("ab") as stream:
        stream.write(line(22)[:100])
    with (tmp_path / "out.jsonl.resume").open("ab") as stream:
        stream.write(b'{"line":"done","position":26,"si')
    sinks = open_sinks(outputs(tmp_path), resume=True)
    assert sinks.committed() == 22
    fill(sinks, 60)
    sinks.close(finished=True)
    assert found(tmp_path) == undisturbed


def test_a_store_that_is_ahead_is_taken_back_and_one_behind_takes_the_others_back(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    journal = tmp_path / "out.jsonl.resume"
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 20)
    early, early_store = journal.read_bytes(), None
    sinks.close(finished=False)
    early_store = (tmp_path / "out.sqlite").read_bytes()
    sinks = open_sinks(outputs(tmp_path), resume=True)
    fill(sinks, 41)
    sinks.close(finished=False)
    late = journal.read_bytes()

    journal.write_bytes(early)  # the power failed before the rest of it reached the disk
    sinks = open_sinks(outputs(tmp_path), resume=True)
    assert sinks.committed() == 20
    fill(sinks, 41)
    sinks.close(finished=False)

    journal.write_bytes(late)
    (tmp_path / "out.sqlite").write_bytes(early_store)
    sinks = open_sinks(outputs(tmp_path), resume=True)
    assert sinks.committed() == 20
    fill(sinks, 60)
    sinks.close(finished=True)
    assert found(tmp_path) == undisturbed


def test_octets_that_never_reached_the_disk_are_noticed(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 30)
    sinks.abandon()
    path = tmp_path / "out.csv"
    octets = path.read_bytes()
    path.write_bytes(octets[:-300] + b"\0" * 300)
    sinks = open_sinks(outputs(tmp_path), resume=True)
    assert 0 < sinks.committed() < 30
    fill(sinks, 60)
    sinks.close(finished=True)
    assert found(tmp_path) == undisturbed


def test_a_file_that_was_shortened_after_it_reached_the_disk_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    monkeypatch.setattr(module, "SYNC_SECONDS", 0.0)
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 30)
    sinks.abandon()
    path = tmp_path / "out.jsonl"
    octets = path.read_bytes()
    path.write_bytes(octets[: len(octets) // 2])
    sinks = open_sinks(outputs(tmp_path), resume=True)
    assert 0 < sinks.committed() < 30
    fill(sinks, 60)
    sinks.close(finished=True)
    assert found(tmp_path) == undisturbed


def test_a_journal_cut_anywhere_costs_work_and_never_a_message(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    sinks = open_sinks(outputs(tmp_path))
    fill(sinks, 44)
    sinks.close(finished=False)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    journal = tmp_path / "out.jsonl.resume"
    for size in random.Random(6).sample(range(len(kept[journal])), 12):
        for path, octets in kept.items():
            path.write_bytes(octets[:size] if path == journal else octets)
        sinks = open_sinks(outputs(tmp_path), resume=True)
        fill(sinks, 60)
        sinks.close(finished=True)
        assert found(tmp_path) == undisturbed, size


PROGRAM = """
import sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from tests.test_sinks import fill, outputs
from verify.fronts.sinks import open_sinks
sinks = open_sinks(outputs(Path({folder!r})), resume=True)
if not sinks.complete:
    fill(sinks, 400, step=3)
    sinks.close(finished=True)
"""


def test_killed_at_any_moment_every_message_is_there_once(tmp_path: Path) -> None:
    folder, calm = tmp_path / "killed", tmp_path / "calm"
    folder.mkdir()
    calm.mkdir()
    sinks = open_sinks(outputs(calm))
    fill(sinks, 400, step=3)
    sinks.close(finished=True)
    program = textwrap.dedent(PROGRAM).format(root=str(ROOT), folder=str(folder))
    chance = random.Random(66)
    killed = 0
    for _ in range(40):
        running = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
        end = time.monotonic() + 60
        while not (folder / "out.jsonl").exists() and running.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        if killed < 8:
            time.sleep(chance.uniform(0.0, 0.12))
            running.send_signal(signal.SIGKILL)
            killed += running.wait() == -signal.SIGKILL
        elif running.wait() == 0:
            break
    assert killed == 8 or open_sinks(outputs(folder), resume=True).complete
    assert found(folder) == found(calm)


def test_other_outputs_or_sources_than_those_of_the_killed_run_are_refused(tmp_path: Path) -> None:
    sinks = open_sinks(outputs(tmp_path, "jsonl"), fingerprint="a")
    sinks.close(finished=False)
    for changed, fingerprint in ((outputs(tmp_path, "jsonl", "csv"), "a"), (outputs(tmp_path, "jsonl"), "b")):
        with pytest.raises(OutputError, match=r"out\.jsonl\.resume: left by a run with other"):
            open_sinks(changed, resume=True, fingerprint=fingerprint)


def test_a_file_that_no_run_has_left_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine\n")
    with pytest.raises(OutputError, match=r"out\.csv: stands there"):
        open_sinks(outputs(tmp_path), resume=True)
    assert (tmp_path / "out.csv").read_text() == "mine\n"


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_full_disk_is_one_clear_line(tmp_path: Path, form: str) -> None:
    target = tmp_path / f"out.{form}"
    target.symlink_to("/dev/full")
    with (
        pytest.raises(OutputError, match=rf"out\.{form}: cannot be written: No space left on device") as caught,
        abandoning(open_sinks([Output(str(target), form)])) as sinks,
    ):
        fill(sinks, 9)
    assert "\n" not in str(caught.value)


LIMITED = """
import resource, sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from tests.test_sinks import fill, outputs
from verify.fronts.sinks import open_sinks
from verify.store import OutputError
sinks = open_sinks(outputs(Path({folder!r}), *{forms!r}))
fill(sinks, 20)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    fill(sinks, 400)
except OutputError as error:
    print(error)
    sinks.abandon()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit for the size of files")
@pytest.mark.parametrize("forms", [("jsonl",), ("sqlite",), ("csv", "sqlite")])
def test_what_was_done_before_the_disk_was_full_can_be_continued(
    tmp_path: Path, forms: tuple[str, ...], undisturbed: dict[str, Any]
) -> None:
    """A limit on the size of a file stands in for the disk."""
    program = LIMITED.format(
        root=str(ROOT), folder=str(tmp_path), forms=forms, size=300_000 if "csv" not in forms else 20_000
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.count("\n") == 1
    assert str(tmp_path / "out.") in done.stdout
    sinks = open_sinks(outputs(tmp_path, *forms), resume=True)
    assert 20 <= sinks.committed() < 400
    if sinks.committed() <= 60:
        fill(sinks, 60)
        sinks.close(finished=True)
        for name, held in found(tmp_path).items():
            assert held == undisturbed[name], name
    else:
        sinks.close(finished=False)


def test_streams_take_everything_and_have_no_journal(tmp_path: Path) -> None:
    sinks = open_sinks([Output("/dev/null", "jsonl")])
    fill(sinks, 30)
    sinks.close(finished=True)
    assert sinks.committed() == 30
    assert not Path("/dev/null.resume").exists()
    with pytest.raises(OutputError, match="only outputs that are files"):
        open_sinks([Output("/dev/null", "jsonl")], resume=True)


@pytest.mark.parametrize("path", ["no/such/folder/out.jsonl", "a\0b"])
def test_an_output_that_cannot_be_opened_is_one_clear_line(path: str) -> None:
    with pytest.raises(OutputError) as caught:
        open_sinks([Output(path, "jsonl")])
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


def test_a_store_that_is_no_database_is_refused_when_it_is_continued(tmp_path: Path) -> None:
    sinks = open_sinks(outputs(tmp_path, "sqlite"))
    fill(sinks, 10)
    sinks.close(finished=False)
    (tmp_path / "out.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(OutputError, match=r"out\.sqlite: file is not a database"):
        open_sinks(outputs(tmp_path, "sqlite"), resume=True)

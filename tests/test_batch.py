"""Whole mailboxes: every message once and in order, whatever is killed, full, broken or interrupted on the way."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.mailboxes_maker import mails, mbox, report, zone
from tests.nameserver import NameServer
from tests.zone import Zone
from verify import Config, Judge, Limits, Source, to_json
from verify.fronts.many import judge_many
from verify.model import Answer, Question
from verify.reading.message import parse_message

ROOT = Path(__file__).resolve().parent.parent
NOW = 1_767_348_245
TRUST = ("--trust-host", "mx.home.example")
COUNT = 60


class Network:
    """A resolver over a zone."""

    def __init__(self, world: Any) -> None:
        self.zone = Zone(world, observed_at=NOW)

    def resolve(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        return [self.zone.ask(question) for question in questions]

    async def resolve_async(self, questions: Sequence[Question], deadline: float | None = None) -> list[Answer]:
        await asyncio.sleep(0)
        return self.resolve(questions)

    def describe(self) -> str:
        return "a zone in memory"


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``COUNT`` messages (``eml``), the same as a mailbox (``mail.mbox``), and their DNS (``dns``)."""
    folder = tmp_path_factory.mktemp("corpus")
    made = mails(COUNT)
    (folder / "eml").mkdir()
    for number, message in enumerate(made):
        (folder / "eml" / f"{number:03}.eml").write_bytes(message)
    (folder / "mail.mbox").write_bytes(mbox(made))
    config = Config(record=str(folder / "dns"), trust_host="mx.home.example")
    with Judge(config, clock=lambda: NOW, resolver=Network(zone())) as judge:
        for message in made:
            judge.judge(message)
    return folder


def command(*arguments: object, before: str = "") -> list[str]:
    """The program, after some lines that change it."""
    code = textwrap.dedent(before) + "\nfrom verify.fronts.cli import main\nmain()\n"
    return [sys.executable, "-c", code, *map(str, arguments)]


def batch(*arguments: object, before: str = "", workers: int = 2, stdin: bytes = b"") -> Ran:
    done = subprocess.run(
        command("batch", *arguments, "--workers", workers, before=before),
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "MAILVERDICT_CONFIG": os.devnull},
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: object, before: str = "", workers: int = 2) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("batch", *arguments, "--workers", workers, before=before),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "MAILVERDICT_CONFIG": os.devnull},
        start_new_session=True,
    )


def verdicts(text: str) -> list[dict[str, Any]]:
    """The verdicts of JSON Lines, without what differs between two runs."""
    found = []
    for line in text.splitlines():
        document = json.loads(line)
        document.pop("elapsed_ms")
        found.append(document)
    return found


def in_file(path: Path) -> list[dict[str, Any]]:
    return verdicts(path.read_text("utf-8"))


def names(found: Iterable[dict[str, Any]]) -> list[str]:
    return [Path(one["source"]["path"]).name for one in found]


def replay(corpus: Path) -> tuple[str, ...]:
    return (*TRUST, "--dns", str(corpus / "dns"))


SMALL_CHUNKS = """
    import verify.fronts.batch_run as run
    run.CHUNK_ITEMS = 5
"""


# ---- what comes out ----


def test_every_message_has_the_verdict_that_check_gives_in_the_order_of_the_input(corpus: Path) -> None:
    ran = batch(corpus / "eml", *replay(corpus), before=SMALL_CHUNKS)
    assert ran.status == 0
    found = verdicts(ran.out)
    assert names(found) == [f"{number:03}.eml" for number in range(COUNT)]
    single = subprocess.run(
        command("check", *sorted((corpus / "eml").iterdir()), *replay(corpus), "--format", "jsonl"),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert found == verdicts(single.stdout.decode())
    assert len({one["conclusion"] for one in found}) > 1
    count = Counter(one["conclusion"] for one in found)
    assert f"{COUNT} messages in " in ran.err
    for conclusion, number in count.items():
        assert re.search(rf"(?mi)^{conclusion} +{number} ", ran.err)


def test_the_number_of_workers_and_the_size_of_chunks_change_nothing(corpus: Path) -> None:
    one = batch(corpus / "mail.mbox", *replay(corpus), workers=1)
    several = batch(corpus / "mail.mbox", *replay(corpus), workers=3, before=SMALL_CHUNKS)
    assert verdicts(one.out) == verdicts(several.out)
    assert [v["source"]["index"] for v in verdicts(one.out)] == list(range(COUNT))


def test_several_sources_and_a_list_on_standard_input_follow_each_other(corpus: Path) -> None:
    listed = b"\n".join(os.fsencode(corpus / "eml" / f"{number:03}.eml") for number in (7, 3))
    ran = batch(corpus / "eml" / "001.eml", "-", corpus / "eml" / "002.eml", *replay(corpus), stdin=listed)
    assert names(verdicts(ran.out)) == ["001.eml", "007.eml", "003.eml", "002.eml"]


def test_several_outputs_hold_the_same(corpus: Path, tmp_path: Path) -> None:
    ran = batch(corpus / "eml", *replay(corpus), "--output", tmp_path / "a.jsonl", "--output", tmp_path / "b.csv")
    assert ran.status == 0
    assert len(in_file(tmp_path / "a.jsonl")) == COUNT
    assert len((tmp_path / "b.csv").read_text("utf-8").splitlines()) == COUNT + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.csv"]  # and nothing is left behind


def test_quiet_says_nothing_but_errors(corpus: Path) -> None:
    assert batch(corpus / "eml", *replay(corpus), "-q").err == ""


# ---- the same octets ----

COUNT_JUDGED = """
    import os
    import verify.fronts.batch_run as run
    import verify.fronts.worker as worker
    run.CHUNK_ITEMS = {size}
    parse = worker.parse_message
    def counted(raw, *more):
        with open({path!r}, "ab") as file:
            file.write(b"x")
        return parse(raw, *more)
    worker.parse_message = counted
"""


@pytest.mark.parametrize("output", ["file", "stdout", "table"])
@pytest.mark.parametrize("size", [100, 7])
def test_the_same_octets_are_judged_once_and_listed_each_time(
    corpus: Path, tmp_path: Path, size: int, output: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    made = [(corpus / "eml" / f"{number:03}.eml").read_bytes() for number in range(10)]
    for number in range(40):
        (folder / f"{number:03}.eml").write_bytes(made[number % 10])
    calls = tmp_path / "calls"
    before = COUNT_JUDGED.format(size=size, path=str(calls))
    to = {"file": ("--output", tmp_path / "o.jsonl"), "stdout": (), "table": ("--output", tmp_path / "o.csv")}[output]
    ran = batch(folder, *replay(corpus), *to, workers=1, before=before)
    assert ran.status == 0
    # those of a chunk that was under way when the first one came back may be judged again
    assert 10 <= calls.stat().st_size <= 10 + (2 * size if size < 40 else 0)
    if output == "table":
        assert len((tmp_path / "o.csv").read_text("utf-8").splitlines()) == 41
        return
    found = in_file(tmp_path / "o.jsonl") if output == "file" else verdicts(ran.out)
    assert names(found) == [f"{number:03}.eml" for number in range(40)]
    for number, one in enumerate(found):
        first = dict(found[number % 10])
        assert {**one, "source": None} == {**first, "source": None}
        assert one["source"]["sha256"] == first["source"]["sha256"]
    assert re.search(r"(1\d|2\d|30) listed again", ran.err)


# ---- what goes wrong ----


@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("partial_first", [True, False])
def test_the_same_octets_are_whole_or_partial_as_the_name_of_each_file_says(
    corpus: Path, tmp_path: Path, size: int, partial_first: bool
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    message = (corpus / "eml" / "001.eml").read_bytes()
    octets = b"%d\n%s<?xml version='1.0'?><plist/>" % (len(message), message)
    partial, whole = ("1.partial.emlx", "2.emlx") if partial_first else ("2.partial.emlx", "1.emlx")
    for name in (partial, whole):
        (folder / name).write_bytes(octets)
    before = COUNT_JUDGED.format(size=size, path=str(tmp_path / "calls"))
    ran = batch(folder, *replay(corpus), workers=1, before=before)
    notes = {Path(one["source"]["path"]).name: one["source"]["fidelity_notes"] for one in verdicts(ran.out)}
    assert "attachments-left-out" in notes[partial]
    assert "attachments-left-out" not in notes[whole]


@pytest.mark.parametrize("name", ["o.jsonl", "o.csv", "o.sqlite", "o.html"])
def test_an_output_in_a_folder_of_the_sources_is_no_part_of_them(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.eml").write_bytes((corpus / "eml" / f"{number:03}.eml").read_bytes())
    (tmp_path / "link").symlink_to(folder)
    for source, output in ((folder, folder / name), (folder, tmp_path / "link" / f"b{name}")):
        ran = batch(source, *replay(corpus), "--output", output, "--output", folder / f"c{output.name}", workers=1)
        assert ran.status == 0
        assert "cannot be read" not in ran.err + ran.out
        assert "is empty" not in ran.err + ran.out
        assert not re.search(r"no mail|unreadable", ran.err + ran.out)
        for one in folder.iterdir():
            if one.suffix != ".eml":
                one.unlink()


def test_what_cannot_be_read_is_one_line_each_and_the_rest_goes_on(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    (tmp_path / "none.eml").write_bytes(b"")
    ran = batch(
        tmp_path / "gone", tmp_path / "damaged.zip", corpus / "eml", tmp_path / "none.eml", *replay(corpus), "-q"
    )
    assert ran.status == 5
    assert len(verdicts(ran.out)) == COUNT
    lines = ran.err.splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, ("gone", "damaged.zip", "none.eml"), strict=True):
        assert line.startswith("mailverdict: ")
        assert name in line


def test_a_source_that_vanishes_on_the_way_is_listed(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.eml").write_bytes((corpus / "eml" / f"{number:03}.eml").read_bytes())
    before = f"""
        import os
        import verify.fronts.batch_run as run
        taken = run.judge_chunk
        def judge_chunk(job, chunk, news):
            if os.path.exists({str(folder / "2.eml")!r}):
                os.unlink({str(folder / "2.eml")!r})
            return taken(job, chunk, news)
        run.judge_chunk = judge_chunk
    """
    ran = batch(folder, *replay(corpus), "-q", before=before, workers=1)
    assert ran.status == 5
    assert names(verdicts(ran.out)) == ["0.eml", "1.eml", "3.eml"]
    assert "2.eml" in ran.err


KILLER = """
    import os, signal
    import verify.fronts.batch_run as run
    import verify.fronts.worker as worker
    run.CHUNK_ITEMS = 8
    parse = worker.parse_message
    def deadly(raw, *more):
        if b"Subject: message 23" in raw or b"Subject: message 41" in raw:
            {act}
        return parse(raw, *more)
    worker.parse_message = deadly
"""


def test_a_worker_that_dies_names_the_message_and_nothing_is_lost(corpus: Path) -> None:
    ran = batch(
        corpus / "eml",
        *replay(corpus),
        "-q",
        before=KILLER.format(act="os.kill(os.getpid(), signal.SIGKILL)"),
    )
    assert ran.status == 5
    assert names(verdicts(ran.out)) == [f"{number:03}.eml" for number in range(COUNT) if number not in (23, 41)]
    lines = ran.err.splitlines()
    assert [name for line in lines for name in ("023.eml", "041.eml") if name in line] == ["023.eml", "041.eml"]
    assert all("the worker that judged it died" in line for line in lines)


def test_a_bug_over_one_message_leaves_the_others_their_verdicts(corpus: Path) -> None:
    before = """
        import verify.fronts.session as session
        evaluate = session.evaluate
        def wrong(message, *more):
            if any(b"message 23" == f.value.strip() for f in message.fields):
                raise RuntimeError("of a test")
            return evaluate(message, *more)
        session.evaluate = wrong
    """
    ran = batch(corpus / "eml", *replay(corpus), "-q", before=before)
    assert ran.status == 70
    assert len(verdicts(ran.out)) == COUNT - 1
    (line,) = ran.err.splitlines()
    assert "023.eml" in line
    assert "internal error: RuntimeError: of a test" in line


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(corpus: Path, tmp_path: Path) -> None:
    full = f"""
        import resource, signal
        import verify.fronts.batch_run as run
        run.CHUNK_ITEMS = 5
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({100_000}, resource.RLIM_INFINITY))
    """
    output = tmp_path / "o.jsonl"
    arguments = (corpus / "eml", *replay(corpus), "--output", output)
    ran = batch(*arguments, "-q", before=full)
    assert ran.status == 2
    (line,) = ran.err.splitlines()
    assert str(output) in line
    assert "Traceback" not in ran.err
    again = batch(*arguments, "--resume")
    assert again.status == 0
    assert names(in_file(output)) == [f"{number:03}.eml" for number in range(COUNT)]


# ---- killed, interrupted, continued ----


def slowed(seconds: float) -> str:
    return f"""
        import time
        import verify.fronts.batch_run as run
        import verify.fronts.worker as worker
        run.CHUNK_ITEMS = 3
        parse = worker.parse_message
        def slow(raw, *more):
            time.sleep({seconds})
            return parse(raw, *more)
        worker.parse_message = slow
    """


KILLED_AT = """
    import os, signal
    import verify.fronts.batch_run as run
    import verify.fronts.journal as journal
    import verify.fronts.outfile as outfile
    run.CHUNK_ITEMS = 3
    calls = 0
    write = journal.write_all
    def last(stream, octets):
        global calls
        calls += 1
        if calls == {call}:
            write(stream, octets[: int(len(octets) * {share})])
            os.kill(os.getpid(), signal.SIGKILL)
        write(stream, octets)
    journal.write_all = outfile.write_all = last
"""


@pytest.mark.parametrize("number", range(20))
def test_a_run_that_is_killed_at_any_point_ends_with_the_same_verdicts(
    corpus: Path, tmp_path: Path, number: int, undisturbed: list[dict[str, Any]]
) -> None:
    """In the middle of one of its writes, or some time after its start; twice, so that going on is killed as well."""
    chance = random.Random(number)
    output = tmp_path / "o.jsonl"
    arguments = (corpus / "eml", *replay(corpus), "--output", output)
    done = b""
    for resume in ((), ("--resume",)):
        if number % 5:
            killed = KILLED_AT.format(call=chance.randrange(1, 24), share=chance.random())
            assert batch(*arguments, *resume, before=killed).status == -signal.SIGKILL
        else:
            process = start(*arguments, *resume, before=slowed(0.005))
            time.sleep(chance.uniform(0.2, 1.2))
            process.kill()
            process.communicate()
        assert in_file_so_far(output).startswith(done)  # what was there is not judged again
        done = in_file_so_far(output)
    ran = batch(*arguments, "--resume")
    assert ran.status == 0, ran.err
    assert in_file(output) == undisturbed
    assert output.read_bytes().startswith(done)
    assert [path.name for path in tmp_path.iterdir()] == ["o.jsonl"]


@pytest.fixture(scope="module")
def undisturbed(corpus: Path) -> list[dict[str, Any]]:
    return verdicts(batch(corpus / "eml", *replay(corpus)).out)


def in_file_so_far(output: Path) -> bytes:
    """The whole lines that a killed run left, as far as its journal bears them out."""
    journal = output.with_name(output.name + ".resume")
    if not journal.exists():  # finished, or not begun
        return output.read_bytes() if output.exists() else b""
    sizes = [json.loads(line).get("sizes") for line in journal.read_bytes().splitlines() if line.endswith(b"}")]
    return output.read_bytes()[: ([size[0] for size in sizes if size] or [0])[-1]]


def test_a_killed_run_leaves_no_worker_behind(corpus: Path, tmp_path: Path) -> None:
    process = start(corpus / "eml", *replay(corpus), "--output", tmp_path / "o.jsonl", before=slowed(0.2))
    children: list[int] = []
    until = time.monotonic() + 20
    while len(children) < 2 and time.monotonic() < until:
        time.sleep(0.05)
        children = children_of(process.pid)
    assert len(children) == 2
    process.kill()
    process.communicate()
    while any(Path(f"/proc/{child}").exists() and not is_zombie(child) for child in children):
        assert time.monotonic() < until
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_ctrl_c_ends_with_what_is_done_so_far(corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.jsonl"
    arguments = (corpus / "eml", *replay(corpus), "--output", output)
    process = start(*arguments, before=slowed(0.03))
    until = time.monotonic() + 20
    while not (output.exists() and output.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers, too
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert b"--resume" in errors
    assert errors.endswith(b"mailverdict: interrupted\n")
    done = in_file(output)
    assert 0 < len(done) < COUNT
    assert names(done) == [f"{number:03}.eml" for number in range(len(done))]
    assert batch(*arguments, "--resume").status == 0
    assert names(in_file(output)) == [f"{number:03}.eml" for number in range(COUNT)]


def test_a_finished_run_is_not_begun_again(corpus: Path, tmp_path: Path) -> None:
    arguments = (corpus / "eml", *replay(corpus), "--output", tmp_path / "o.jsonl")
    assert batch(*arguments).status == 0
    before = (tmp_path / "o.jsonl").read_bytes()
    again = batch(*arguments, "--resume")
    assert (again.status, (tmp_path / "o.jsonl").read_bytes()) == (0, before)
    assert "finished before" in again.err


def test_files_of_the_user_beside_an_output_stay(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "o.jsonl.run").mkdir()
    (tmp_path / "o.jsonl.run" / "mine").write_text("mine")
    assert batch(corpus / "eml", *replay(corpus), "--output", tmp_path / "o.jsonl").status == 0
    assert [path.name for path in (tmp_path / "o.jsonl.run").iterdir()] == ["mine"]


def test_a_device_as_output_leaves_nothing_beside_it(corpus: Path) -> None:
    ran = batch(corpus / "eml", *replay(corpus), "--output", "/dev/null", "--format", "jsonl")
    assert ran.status == 0
    assert not list(Path("/dev").glob("null?*"))


def test_resume_refuses_other_sources_and_sources_that_have_changed(corpus: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "o.jsonl"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:03}.eml").write_bytes((corpus / "eml" / f"{number:03}.eml").read_bytes())
    process = start(folder, *replay(corpus), "--output", output, before=slowed(0.05))
    until = time.monotonic() + 20
    while not (output.exists() and output.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    size = output.stat().st_size
    other = batch(corpus / "eml", *replay(corpus), "--output", output, "--resume", "-q")
    assert other.status == 2
    assert other.err.count("\n") == 1
    (folder / "000.eml").unlink()
    changed = batch(folder, *replay(corpus), "--output", output, "--resume", "-q")
    assert changed.status == 2
    assert "have changed" in changed.err
    assert output.stat().st_size <= size


# ---- statuses and usage ----


@pytest.mark.parametrize(("conclusion", "status"), [("failed", 0), ("undetermined", 0), ("unprotected", 0)])
def test_fail_on_a_conclusion_that_no_message_has(corpus: Path, conclusion: str, status: int) -> None:
    ran = batch(corpus / "eml" / "001.eml", *replay(corpus), "--fail-on", conclusion)
    assert verdicts(ran.out)[0]["conclusion"] == "authenticated"
    assert ran.status == status


def test_fail_on_a_conclusion_that_a_message_has(corpus: Path) -> None:
    found = {one["conclusion"] for one in verdicts(batch(corpus / "eml", *replay(corpus)).out)}
    assert "failed" in found
    assert batch(corpus / "eml", *replay(corpus), "--fail-on", "failed").status == 1
    assert batch(corpus / "eml", corpus / "gone", *replay(corpus), "--fail-on", "failed").status == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--client-ip", "192.0.2.1"),
        ("--scheduler", "tcp://127.0.0.1:1"),
        ("--workers", "0"),
        ("--fail-on", "authenticated"),
        ("--resume",),
        ("--output", "o.unknown"),
        ("--dns", "gone.dns"),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(corpus: Path, tmp_path: Path, arguments: Sequence[str]) -> None:
    given = [a.replace("o.unknown", str(tmp_path / "o.unknown")) for a in arguments]
    done = subprocess.run(command("batch", corpus / "eml", *replay(corpus), *given), capture_output=True, check=False)
    ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("mailverdict: ")
    assert ran.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_output_never_replaces_a_source(corpus: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes((corpus / "eml" / "001.eml").read_bytes())
    before = source.read_bytes()
    assert batch(source, *replay(corpus), "--output", source).status == 2
    assert source.read_bytes() == before


# ---- the DNS ----


def test_a_recorded_run_is_replayed_to_the_same_verdicts(corpus: Path, tmp_path: Path) -> None:
    recording = tmp_path / "run.dns"
    with NameServer(nameserver_records()) as server:
        live = batch(
            corpus / "mail.mbox",
            *TRUST,
            *("--resolver", server.address, "--record", recording),
            before=SMALL_CHUNKS,
        )
        asked = len(server.queries)
    assert live.status == 0, live.err
    again = batch(corpus / "mail.mbox", *TRUST, "--dns", recording)
    assert [without_counts(one) for one in verdicts(live.out)] == [without_counts(one) for one in verdicts(again.out)]
    assert any(one["dns"]["live"] for one in verdicts(live.out))
    lines = recording.read_text().splitlines()[1:]
    questions = [(one["name"], one["type"]) for one in map(json.loads, lines)]
    assert len(questions) == len(set(questions))
    assert asked <= 2 * (len(questions) + 3)  # some are asked ahead and not used


def without_counts(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "dns": {**document["dns"], "live": None, "recorded": None}}


def nameserver_records() -> dict[tuple[str, str], list[str]]:
    return {(name, kind): records for name, types in zone().items() for kind, records in types.items()}


def test_under_record_the_first_answer_stands_whichever_worker_got_another_one(corpus: Path, tmp_path: Path) -> None:
    """Each worker sees a policy of its own; the verdicts must agree with the recording all the same."""
    recording = tmp_path / "run.dns"
    before = """
        import os
        import verify.fronts.batch_run as run
        import verify.fronts.worker as worker
        from verify.model import replace
        run.CHUNK_ITEMS = 4
        end = worker.LiveResolver._end
        def own(self, exchange):
            answer = end(self, exchange)
            if answer.question.name.startswith("_dmarc.d"):
                policy = b"v=DMARC1; p=" + (b"reject" if os.getpid() % 2 else b"quarantine")
                answer = replace(answer, records=(policy + b"; rua=mailto:%d@d.example" % os.getpid(),))
            return answer
        worker.LiveResolver._end = own
    """
    with NameServer(nameserver_records()) as server:
        live = batch(
            corpus / "mail.mbox",
            *TRUST,
            *("--resolver", server.address, "--record", recording),
            before=before,
            workers=3,
        )
    assert live.status == 0, live.err
    again = batch(corpus / "mail.mbox", *TRUST, "--dns", recording)
    assert [without_counts(one) for one in verdicts(live.out)] == [without_counts(one) for one in verdicts(again.out)]
    policies = {one["dmarc"]["record"] for one in verdicts(live.out) if one["author"]["domain"] == "d1.example"}
    assert len(policies) == 1


def test_no_name_server_is_one_line(corpus: Path) -> None:
    before = """
        import verify.lookup.live as live
        def none():
            raise live.NoResolver("no name server: of a test")
        live.system_servers = none
    """
    ran = batch(corpus / "eml", *TRUST, "-q", before=before)
    assert (ran.status, ran.out, ran.err) == (2, "", "mailverdict: no name server: of a test\n")


# ---- many at once ----


def many(messages: Sequence[bytes], world: Any, **config: Any) -> tuple[list[bytes], Network]:
    network = Network(world)
    with Judge(Config(**config), clock=lambda: NOW, resolver=network) as judge:
        parsed = ((n, parse_message(raw, Source(), judge.settings.limits), None) for n, raw in enumerate(messages))
        found = {}
        for number, verdict, _ in judge_many(judge, parsed):
            assert not isinstance(verdict, Exception)
            found[number] = to_json(verdict)
    return [found[number] for number in range(len(messages))], network


@pytest.mark.parametrize(
    "config",
    [{}, {"limits": Limits(dns_questions=3)}, {"limits": Limits(dns_rounds=2)}, {"limits": Limits(dns_octets=80)}],
)
def test_many_messages_have_the_verdicts_that_each_has_alone(config: dict[str, Any]) -> None:
    messages = mails(12)
    found, network = many(messages, zone(), trust_host="mx.home.example", **config)
    alone = []
    for raw in messages:
        with Judge(
            Config(trust_host="mx.home.example", **config), clock=lambda: NOW, resolver=Network(zone())
        ) as judge:
            alone.append(to_json(judge.judge(raw)))
    assert verdicts(b"\n".join(found).decode()) == verdicts(b"\n".join(alone).decode())
    assert len(network.zone.asked) == len(set(network.zone.asked))


# ---- attached ----


def test_attached_messages_follow_the_one_that_holds_them(corpus: Path, tmp_path: Path) -> None:
    inner = mails(3)[1:3]
    ours = b"Received: from pc.home.example ([192.0.2.77]) by mx.home.example with ESMTPSA (Authenticated sender: x)\r\n\tid 1; Thu, 01 Jan 2026 00:10:00 +0000\r\n"
    theirs = (
        b"Received: from mail.d0.example (mail.d0.example [192.0.2.1]) by mx.home.example with ESMTPS id 1;\r\n"
        b"\tThu, 01 Jan 2026 00:10:00 +0000\r\n"
    )
    header = b"From: colleague@home.example\r\nSubject: phish?\r\n"
    (tmp_path / "1.eml").write_bytes(report(inner, header=ours + header))
    (tmp_path / "2.eml").write_bytes(report(inner, header=theirs + header))
    (tmp_path / "3.eml").write_bytes(report(inner, header=ours + header))
    found = verdicts(batch(tmp_path, *replay(corpus), "--attached").out)
    assert names(found) == ["1.eml"] * 3 + ["2.eml"] * 3 + ["3.eml"] * 3
    assert [one["source"]["member"] for one in found] == [None, "part 2", "part 3"] * 3
    colleague, stranger, same = found[:3], found[3:6], found[6:]
    assert colleague[0]["origin"]["border"] is None
    assert [one["origin"]["source"] for one in colleague[1:]] == ["configured"] * 2
    assert {one["origin"]["source"] for one in stranger[1:]} <= {"inferred", "none"}
    assert [{**one, "source": None} for one in same] == [{**one, "source": None} for one in colleague]
    assert all("attached" in one["source"]["fidelity_notes"] for one in found if one["source"]["member"])
    for number in (1, 2):
        single = subprocess.run(
            command("check", tmp_path / f"{number}.eml", *replay(corpus), "--attached", "--format", "jsonl"),
            capture_output=True,
            cwd=ROOT,
            check=False,
        )
        assert verdicts(single.stdout.decode()) == found[3 * number - 3 : 3 * number]


# ---- on a terminal ----


def test_a_terminal_shows_a_bar_with_counts_and_an_end_without_it(corpus: Path, tmp_path: Path) -> None:
    master, terminal = os.openpty()
    process = subprocess.Popen(
        command("batch", corpus / "eml", *replay(corpus), "--output", tmp_path / "o.jsonl", before=slowed(0.03)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "MAILVERDICT_CONFIG": os.devnull},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            octets = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not octets:
            break
        shown += octets
    os.close(master)
    assert process.wait() == 0
    text = shown.decode()
    assert re.search(r"\d+ authenticated, \d+ failed, \d+ unprotected, \d+ undetermined", text)
    assert re.search(r"\d+ · \d+/s", text)
    assert f"{COUNT} messages in " in text[text.rindex("\x1b[2K") :]

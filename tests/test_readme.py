"""The README is true: its commands print what it says, and it leaves out no option, status, reason, format or key."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import msgspec
import pytest

from tests.batches import made
from tests.readme import README, ROOT, Shell, blocks, matches, steps
from verify.config import VARIABLE, Config, MilterOptions, PolicyOptions, load, read_file, search_path
from verify.fronts.batch import _SUFFIXES as SUFFIXES_OF_BATCH
from verify.fronts.cli import _COMMANDS, Program, program
from verify.fronts.console import Status
from verify.fronts.options import BATCH_FORMATS, FORMATS
from verify.fronts.output import _SUFFIXES
from verify.model import (
    ActionKind,
    ActionReason,
    Cause,
    Comparison,
    Conclusion,
    ConclusionReason,
    Limits,
    Outcome,
    Override,
    Profile,
    RecordedStanding,
    Rehearsal,
    Standing,
    Untold,
)
from verify.profiles import builtin_profiles, load_profiles
from verify.render.data import Document, to_json
from verify.render.table import COLUMNS
from verify.rollup import Judged
from verify.store import Store
from verify.store.rows import TABLES

TEXT = README.read_text("utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.M | re.S)  # a comment in a block looks like a heading
CONSOLE = blocks("console")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("readme") / "checkout")


@cache
def chapter(title: str) -> str:
    """The text from a heading to the next one of the same or a higher rank, without its code blocks."""
    found = re.search(rf"^(#+) {re.escape(title)}\n", PROSE, re.M)
    assert found is not None, f"no chapter {title!r}"
    rank = len(found[1])
    whole = re.search(rf"^{found[1]} {re.escape(title)}\n(.*?)(?=^#{{1,{rank}}} |\Z)", PROSE, re.M | re.S)
    assert whole is not None
    return whole[1]


def cells(text: str) -> set[str]:
    """What stands in code style in the first cell of the rows of the tables, and bare numbers there."""
    first = re.findall(r"^\| (.*?) \|(?: |$)", re.sub(r"\\\|", "\v", text), re.M)
    return {
        word.replace("\v", "|")
        for cell in first
        for word in (re.findall(r"`([^`]+)`", cell) or [cell])
        if "---" not in word
    }


def commands() -> dict[str, click.Command]:
    assert isinstance(program, Program)
    context = click.Context(program)
    found = {name: program.get_command(context, name) for name in _COMMANDS}
    return {name: command for name, command in found.items() if command is not None}


# ---- what it shows ----


@pytest.mark.parametrize("number", range(len(CONSOLE)))
def test_a_command_prints_what_the_readme_says(shell: Shell, number: int) -> None:
    for step in steps(CONSOLE[number]):
        shown = shell.run(step.command)
        assert matches(step.output, shown), f"$ {step.command}\nprints\n" + "\n".join(shown)


def test_the_python_block_runs_and_prints_what_the_readme_says(shell: Shell) -> None:
    (code,) = blocks("python")
    (output,) = blocks("output")
    assert shell.python(code) == output.splitlines()


def test_every_shell_line_uses_commands_and_options_that_there_are() -> None:
    lines = [
        line
        for block in (*blocks("sh"), *re.findall(r"^    (mailverdict .*)$", TEXT, re.M))
        for line in block.splitlines()
    ]
    used = [shlex.split(line, comments=True) for line in lines if line.startswith("mailverdict ")]
    assert used
    known = commands()
    for words in used:
        command = known.get(words[1], known["check"])
        options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= options, words


def test_the_toml_blocks_are_a_configuration_and_profiles_that_can_be_read(shell: Shell) -> None:
    (profile,) = load_profiles((shell.folder / "my-profiles.toml").read_text("utf-8"))
    assert profile.name == "house"
    config = read_file(shell.folder / "mailverdict.toml")
    assert config.limits.signatures == 15
    assert Path(str(config.profiles)) == shell.folder / "my-profiles.toml"


def test_links_lead_to_files_and_chapters_that_there_are() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (ROOT / target).exists(), target


def test_dots_stand_for_any_lines_and_nothing_else() -> None:
    shown = ["a", "b", "c", "d"]
    for written in (["a", "b", "c", "d"], ["a", "...", "d"], ["...", "c", "..."], ["a", "...", "b", "c", "d"], ["..."]):
        assert matches(written, shown), written
    for written in (["a", "b", "c"], ["b", "..."], ["a", "...", "x", "...", "d"], ["...", "c"], ["a", "...", "d", "d"]):
        assert not matches(written, shown), written


# ---- what it leaves out: nothing ----


def documented_options() -> Iterator[tuple[str, str]]:
    for name, command in commands().items():
        for param in command.params:
            if isinstance(param, click.Option):
                for option in (*param.opts, *param.secondary_opts):
                    yield name, option


@pytest.mark.parametrize(("command", "option"), sorted(set(documented_options())))
def test_every_option_is_in_the_tables(command: str, option: str) -> None:
    named = {word.split(" ")[0] for word in cells(PROSE)}
    assert option in named, f"{option} of {command}"


def test_the_tables_name_no_option_that_there_is_not() -> None:
    known = {option for _, option in documented_options()} | {"--help", "-h"}
    named = {word.split(" ")[0] for word in cells(chapter("Options")) if word.startswith("-")}
    assert named <= known


def test_every_command_is_in_the_table() -> None:
    assert {word.split(" ")[0] for word in cells(chapter("Options")) if not word.startswith("-")} >= set(_COMMANDS)


def test_every_exit_status_is_explained_and_no_other() -> None:
    assert cells(chapter("Exit status")) - {"status"} == {str(status.value) for status in Status}


def test_every_conclusion_and_reason_is_explained_and_no_other() -> None:
    reasons = chapter("Reasons, and what to do")
    assert cells(reasons) - {"reason"} == set(ConclusionReason)
    named = dict(re.findall(r"^\| `([a-z-]+)` \| `([a-z]+)` \|", reasons, re.M))
    assert set(named.values()) == set(Conclusion)
    assert cells(chapter("Conclusions").partition("###")[0]) - {"conclusion"} == set(Conclusion)
    statuses = dict(re.findall(r"^\| (\d+) \| `([a-z]+)` \|", chapter("Exit status"), re.M))
    assert statuses == {str(Status[word.name].value): word.value for word in Conclusion}


def test_every_format_and_suffix_is_explained() -> None:
    formats = chapter("Output formats")
    assert set(FORMATS) <= cells(formats.partition("###")[0])
    assert set(re.findall(r"`(\.\w+)`", formats.partition("###")[0])) == set(_SUFFIXES)
    for suffix, form in _SUFFIXES.items():
        assert re.search(rf"^\| `{form}` \| .*`{re.escape(suffix)}`", formats, re.M), suffix


def test_every_key_of_the_verdict_is_explained() -> None:
    assert cells(chapter("JSON")) - {"key"} == set(Document.__struct_fields__)


def test_every_format_and_suffix_of_a_batch_is_explained() -> None:
    text = chapter("What comes out")
    assert cells(text) - {"`--format`", "--format"} == set(BATCH_FORMATS)
    for suffix, form in SUFFIXES_OF_BATCH.items():
        assert re.search(rf"^\| `{form}` \| .*`{re.escape(suffix)}`", text, re.M), suffix


def test_every_column_of_the_table_is_explained_in_order() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", chapter("CSV columns"), re.M)
    assert [name for row in rows for name in re.findall(r"`([^`]+)`", row)] == list(COLUMNS)


def test_every_table_and_column_of_the_database_is_explained() -> None:
    text = chapter("SQLite tables")
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert cells(text) - {"table"} == set(tables)
    for table in tables:
        row = re.search(rf"^\| `{table}` \| .*? \| (.*) \|$", text, re.M)
        assert row is not None
        columns = {column[1] for column in database.execute(f"PRAGMA table_info({table})")}
        assert columns <= set(re.findall(r"`(\w+)`", row[1])), table
    database.close()


def test_the_questions_are_those_of_the_samples_and_every_statement_runs() -> None:
    statements = blocks("sql")
    questions = (ROOT / "samples" / "questions.sql").read_text("utf-8")
    assert re.findall(r"^(?:SELECT .*?;\n)", questions, re.M | re.S) == statements[-5:]
    asked = re.findall(r"^\*\*(.*)\*\*$", chapter("SQLite tables"), re.M)
    assert asked == re.findall(r"^-- (.*\?.*)$", questions, re.M)
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    for statement in statements:
        database.execute(statement)
    database.close()


def test_the_answers_to_the_questions_are_those_of_the_made_up_export() -> None:
    """Its first rows; the export is that of ``tests.batches``."""
    lines = [to_json(one) for one in made(5000)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(str(Path(folder, "o.sqlite")), fresh=True)
        store.add(len(lines), [(msgspec.json.decode(line, type=Judged), line) for line in lines])
        store.close()
        database = sqlite3.connect(Path(folder, "o.sqlite"))
        chapter_text = TEXT.partition("### SQLite tables\n")[2].partition("\n## ")[0]
        for statement, answer in zip(blocks("sql", chapter_text), blocks("text", chapter_text), strict=True):
            head, _, *rows = (re.split(r" {2,}", line.strip()) for line in answer.splitlines())
            found = database.execute(statement)
            assert [column[0] for column in found.description] == head
            held = [[str(value) for value in row if value is not None] for row in found.fetchmany(len(rows))]
            assert held == rows, statement
        database.close()


def test_every_action_of_a_rehearsal_and_its_reasons_are_explained() -> None:
    text = chapter("Rehearsing a policy")
    assert cells(text) - {"key"} == set(Rehearsal.__struct_fields__)
    assert set(re.findall(r"`([a-z-]+)`", text)) >= {*ActionKind, *ActionReason, *Override, *Untold}


def test_every_key_of_the_configuration_is_explained_with_its_default() -> None:
    keys = cells(PROSE)
    for field in Config.__struct_fields__:
        assert field.replace("_", "-") in keys, field
    limits = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \| \w", chapter("Configuration file"), re.M))
    assert limits == {name.replace("_", "-"): str(value) for name, value in msgspec.structs.asdict(Limits()).items()}


def test_every_key_of_the_mail_server_is_explained_with_its_default() -> None:
    text = chapter("In the mail server: milter")
    for struct in (MilterOptions, PolicyOptions):
        for name, default in msgspec.structs.asdict(struct()).items():
            row = re.search(rf"^\| `{name.replace('_', '-')}` \| .* \| (.*) \|$", text, re.M)
            assert row is not None, name
            if isinstance(default, bool | int | float):
                assert row[1].strip("`") == json.dumps(default).removesuffix(".0"), name
            elif isinstance(default, str):
                assert row[1] == f'`"{default}"`', name


def test_the_places_of_the_configuration_file_are_named() -> None:
    text = chapter("Configuration file")
    assert VARIABLE in text
    for path, named in (
        (search_path({"HOME": "/home/u"}, "linux")[0], "~/.config"),
        (search_path({"HOME": "/home/u"}, "darwin")[0], "~/Library/Application Support"),
        (search_path({"HOME": "/home/u"}, "linux")[1], "/etc/mailverdict.toml"),
    ):
        assert str(path).startswith(named.replace("~", "/home/u"))
        assert f"`{named}`" in text
    assert load(environ={VARIABLE: "/dev/null"}) == Config()


def test_every_profile_and_every_key_of_a_profile_is_explained() -> None:
    boundary = chapter("The trust boundary")
    table = dict(re.findall(r"^\| `([a-z0-9]+)` \| (.+) \|$", boundary.partition("###")[0], re.M))
    assert list(table) == [profile.name for profile in builtin_profiles()]
    for profile in builtin_profiles():
        assert table[profile.name].removesuffix(", a gateway") == profile.title
        assert table[profile.name].endswith(", a gateway") == profile.gateway
    assert cells(chapter("A profile of your own")) - {"key"} == set(Profile.__struct_fields__) - {"name"}


def test_every_standing_comparison_and_outcome_is_explained() -> None:
    text = chapter("Recorded against recomputed")
    assert cells(text) - {"standing", "comparison"} == {*RecordedStanding, *Comparison}
    for word in (*Standing, *(set(Outcome) - {Outcome.NOT_RECORDED}), *Cause):
        assert f"`{word}`" in TEXT, word

"""The command line: which command runs, what goes where, every error in one line, and the exit statuses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import click
import pytest

from tests.verdicts import R, verdict
from verify.config import Config
from verify.fronts import check as check_module
from verify.fronts import cli, output, windows
from verify.fronts.console import Status, worst
from verify.model import ConclusionReason, Envelope, Limits, Settings, Source, Verdict, replace

ROOT = Path(__file__).resolve().parent.parent
MESSAGE = b"From: a@shop.example\r\nSubject: x\r\n\r\nbody\r\n"

STATUS_OF = {
    R.DKIM_ALIGNED: 0,
    R.NOT_ALIGNED: 1,
    R.NO_POLICY: 3,
    R.ORIGIN_UNKNOWN: 4,
}


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error."""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("mailverdict: ")
        assert "Traceback" not in self.err
        return self.err[len("mailverdict: ") : -1]


Run = Callable[..., Ran]


class FakeJudge:
    """Gives each message the conclusion reason that stands in its Subject; what it was asked is kept."""

    made: ClassVar[list[Config]] = []

    def __init__(self, config: Config) -> None:
        self.settings = Settings(limits=Limits())
        FakeJudge.made.append(config)

    def __enter__(self) -> FakeJudge:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def judge(self, raw: bytes, source: Source, envelope: Envelope | None = None) -> Verdict:
        subject = re.search(rb"Subject: ([^\r\n]*)", raw)
        word = subject[1].decode() if subject else ""
        if word == "bug":
            raise ZeroDivisionError("by\x1b[2J us\nall")
        if word == "interrupt":
            raise KeyboardInterrupt
        reason = ConclusionReason(word) if word in set(ConclusionReason) else R.DKIM_ALIGNED
        return replace(verdict(reason), source=source)


@pytest.fixture(autouse=True)
def _no_configuration_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILVERDICT_CONFIG", os.devnull)


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """The program in this process, with the judge that it has."""

    def run(*args: object) -> Ran:
        status = cli.run([str(arg) for arg in args])
        captured = capfdbinary.readouterr()
        return Ran(int(status), captured.out.decode("utf-8"), captured.err.decode("utf-8"))

    return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The fake judge in place of the real one; gives the configurations that it was made with."""
    monkeypatch.setattr(check_module, "_judge", lambda ctx, config: FakeJudge(config))
    FakeJudge.made = []
    return FakeJudge.made


@pytest.fixture
def mail(tmp_path: Path) -> Callable[..., Path]:
    """Writes a message whose Subject tells the fake judge what to find."""

    def mail(word: str = "", name: str = "") -> Path:
        path = tmp_path / (name or f"{word or 'plain'}.eml")
        path.write_bytes(f"From: a@shop.example\r\nSubject: {word}\r\n\r\nbody\r\n".encode())
        return path

    return mail


Mail = Callable[..., Path]


# ---- which command --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["{}"], ["check", "{}"], ["-v", "{}"], ["--color", "never", "check", "{}"]])
def test_a_file_alone_is_checked(run: Run, fake: list[Config], mail: Mail, words: list[str]) -> None:
    ran = run(*(word.format(mail()) for word in words))
    assert ran.status == 0
    assert "shop.example" in ran.out
    assert ran.err == ""
    assert len(fake) == 1


def test_an_options_value_is_not_taken_for_a_command(run: Run, fake: list[Config], mail: Mail) -> None:
    assert run("--helo", "show", mail()).status == 0
    assert fake[0].helo == "show"


def test_after_two_hyphens_only_files_follow(run: Run, fake: list[Config]) -> None:
    assert run("--", "check").error == "check: no such file"


def test_a_file_with_the_name_of_a_command_is_meant_by_its_path(
    run: Run, fake: list[Config], mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mail(name="show")
    monkeypatch.chdir(path.parent)
    assert run("./show").status == 0


def test_without_arguments_the_usage_is_shown_and_the_status_is_not_that_of_a_message(run: Run) -> None:
    ran = run()
    assert ran.status == 2
    assert ran.out == ""
    assert "Usage: mailverdict" in ran.err


@pytest.mark.parametrize("words", [["--version"], ["check", "--version"], ["show", "--version"]])
def test_the_version_is_told(run: Run, words: list[str]) -> None:
    ran = run(*words)
    assert (ran.status, ran.out, ran.err) == (0, "mailverdict 0.1.0\n", "")


def test_help_names_every_option_of_the_contract_and_warns_of_live_look_ups(run: Run) -> None:
    top = run("--help").out
    assert "check" in top
    assert "show" in top
    assert "can tell an attacker" in " ".join(top.split())
    text = run("check", "--help").out
    for option in (
        *("client-ip", "helo", "mail-from", "rcpt-to", "receiver", "trust-host", "trust-network", "authserv-id"),
        *("trust-authserv-id", "trust-sealer", "at", "dns", "record", "resolver", "dns-timeout", "dmarc", "config"),
        *("format", "output", "verbose", "quiet", "color", "version", "help"),
    ):
        assert f"--{option} " in text or f"--{option}\n" in text, option
    assert "can tell an attacker" in " ".join(text.split())
    assert "Exit status:" in text


def test_every_option_but_the_files_own_is_a_key_of_the_configuration() -> None:
    from verify.fronts.check import check

    options = {param.name for param in check.params if isinstance(param, click.Option)}
    assert options - set(Config.__struct_fields__) == {"config", "version"}


def test_help_imports_click_alone() -> None:
    code = "import sys; from verify.fronts import cli; cli.run(['{}', '--help']); print(*sys.modules, file=sys.stderr)"
    for command in ("check", "show", "--help"):
        done = subprocess.run([sys.executable, "-c", code.format(command)], capture_output=True, cwd=ROOT, check=True)
        modules = {name.partition(".")[0] for name in done.stderr.decode().split()}
        assert "click" in modules
        assert modules.isdisjoint(
            {"msgspec", "rich", "jinja2", "dns", "dkim", "spf", "authres", "cryptography", "idna"}
        )


# What costs a start more than a millisecond, and is for other commands, other mail or the library's users.
HEAVY = {
    *("asyncio", "ssl", "dns", "email", "rich", "jinja2", "distributed", "prometheus_client", "publicsuffixlist"),
    *("authres", "nacl", "extract_msg", "cryptography.hazmat.primitives.serialization", "importlib.resources"),
}
HEAVY_FOR_ONE = HEAVY | {
    *("concurrent", "multiprocessing", "logging", "sqlite3", "tempfile", "shutil", "zipfile", "tarfile", "mmap", "csv"),
    *("difflib", "idna", "traceback", "secrets", "verify.mailboxes.mbox", "verify.mailboxes.outlook", "verify.store"),
}


@pytest.mark.parametrize(
    ("words", "never"),
    [
        (["check", "samples/pass.eml", "--dns", "samples/pass.dns.jsonl"], HEAVY_FOR_ONE),
        (["check", "samples/pass.eml", "--resolver", "127.0.0.1:1", "--dns-timeout", "0.1"], HEAVY_FOR_ONE),
        (["check", "samples/list-arc.eml", "--dns", "samples/list-arc.dns.jsonl", "--format", "json"], HEAVY_FOR_ONE),
        (["batch", "samples/pass.eml", "--dns", "samples/pass.dns.jsonl", "--workers", "1"], HEAVY),
    ],
)
def test_a_start_imports_only_what_it_uses(words: list[str], never: set[str]) -> None:
    code = f"import sys; from verify.fronts import cli; cli.run({words}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout
    loaded = done.stderr.decode().split()
    assert [name for name in never if name in loaded] == []


# ---- statuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "status"), STATUS_OF.items())
def test_the_status_is_that_of_the_conclusion(
    run: Run, fake: list[Config], mail: Mail, reason: ConclusionReason, status: int
) -> None:
    ran = run(mail(reason.value))
    assert ran.status == status
    assert ran.err == ""


@pytest.mark.parametrize("reason", list(ConclusionReason))
def test_only_what_is_authenticated_gives_the_status_0(reason: ConclusionReason) -> None:
    made = verdict(reason)
    assert (output.status_of(made) == 0) == (made.conclusion.value == "authenticated")


def test_of_several_statuses_the_most_serious_counts() -> None:
    order = [70, 5, 1, 4, 3, 0]
    for index, status in enumerate(order):
        assert worst(Status(one) for one in reversed(order[index:])) == status


def test_several_files_give_the_most_serious_status_and_each_a_verdict(
    run: Run, fake: list[Config], mail: Mail
) -> None:
    ran = run("--format", "jsonl", mail("no-policy"), mail("not-aligned"), mail("dkim-aligned"), mail("dns"))
    assert ran.status == 1
    words = [json.loads(line)["conclusion_reason"] for line in ran.out.splitlines()]
    assert words == ["no-policy", "not-aligned", "dkim-aligned", "dns"]


def test_one_file_that_cannot_be_read_leaves_the_others_their_verdicts(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path
) -> None:
    ran = run("--format", "json", mail("dkim-aligned"), tmp_path / "absent", mail("not-aligned"))
    assert ran.status == 5
    assert ran.error == f"{tmp_path / 'absent'}: no such file"
    assert [one["conclusion"] for one in json.loads(ran.out)] == ["authenticated", "failed"]


# ---- formats and outputs --------------------------------------------------------------------------


def test_the_source_of_the_file_is_in_the_verdict(run: Run, fake: list[Config], mail: Mail) -> None:
    path = mail()
    source = json.loads(run("--format", "json", path).out)["source"]
    assert source["path"] == str(path)
    assert source["size"] == path.stat().st_size


def test_standard_input_is_a_hyphen(
    run: Run, fake: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(MESSAGE)
    with (tmp_path / "in").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert json.loads(run("--format", "json", "-").out)["source"]["path"] == "-"
    assert run("-", "-").error == "standard input can be read only once"


def test_json_is_one_object_for_one_file_and_an_array_for_several(run: Run, fake: list[Config], mail: Mail) -> None:
    assert isinstance(json.loads(run("--format", "json", mail()).out), dict)
    assert len(json.loads(run("--format", "json", mail(), mail()).out)) == 2
    assert json.loads(run("--format", "json", "absent", "absent").out) == []


def test_jsonl_is_a_line_for_each_file(run: Run, fake: list[Config], mail: Mail) -> None:
    lines = run("--format", "jsonl", mail(), mail()).out.splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["mailverdict/1"] * 2


def test_header_is_a_folded_field_with_plain_line_ends(run: Run, fake: list[Config], mail: Mail) -> None:
    out = run("--format", "header", mail()).out
    assert out.startswith("Authentication-Results: ")
    assert "\r" not in out
    assert all(len(line) < 78 for line in out.splitlines())


def test_text_has_colour_only_when_asked_for_or_on_a_terminal(run: Run, fake: list[Config], mail: Mail) -> None:
    assert "\x1b[" not in run(mail()).out
    assert "\x1b[" in run("--color", "always", mail()).out


@pytest.mark.parametrize(
    ("choice", "terminal", "environ", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {}, False),
    ],
)
def test_colour_follows_option_terminal_and_environment(
    monkeypatch: pytest.MonkeyPatch, choice: str, terminal: bool, environ: dict[str, str], expected: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert output.use_color(choice, terminal) is expected


def test_outputs_take_their_formats_from_their_suffixes(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path
) -> None:
    names = ["v.txt", "v.json", "v.jsonl", "v.ndjson", "v.hdr"]
    ran = run(mail(), *(word for name in names for word in ("--output", tmp_path / name)), "-q")
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert "shop.example" in (tmp_path / "v.txt").read_text()
    assert (tmp_path / "v.json").read_text().count("\n") > 10
    assert json.loads((tmp_path / "v.json").read_text()) == json.loads((tmp_path / "v.jsonl").read_text())
    assert (tmp_path / "v.jsonl").read_text().count("\n") == 1
    assert (tmp_path / "v.ndjson").read_text() == (tmp_path / "v.jsonl").read_text()
    assert (tmp_path / "v.hdr").read_text().startswith("Authentication-Results:")


def test_written_files_are_told_unless_quiet(run: Run, fake: list[Config], mail: Mail, tmp_path: Path) -> None:
    assert run(mail(), "--output", tmp_path / "v.json").error == f"{tmp_path / 'v.json'}: written"


def test_an_output_of_no_known_suffix_needs_a_format(run: Run, fake: list[Config], mail: Mail, tmp_path: Path) -> None:
    ran = run(mail(), "--output", tmp_path / "v.xyz")
    assert ran.status == 2
    assert "has no suffix that tells its format" in ran.error
    assert run(mail(), "--output", tmp_path / "v.xyz", "--format", "json", "-q").status == 0
    assert json.loads((tmp_path / "v.xyz").read_text())["schema"] == "mailverdict/1"


def test_a_lone_output_has_the_format_that_was_asked_for(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path
) -> None:
    run(mail(), "--output", tmp_path / "v.txt", "--format", "json", "-q")
    assert json.loads((tmp_path / "v.txt").read_text())["schema"] == "mailverdict/1"


def test_a_hyphen_among_the_outputs_is_standard_output(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path
) -> None:
    ran = run(mail(), "--output", "-", "--output", tmp_path / "v.json", "-q")
    assert "shop.example" in ran.out
    assert (tmp_path / "v.json").exists()


def test_an_output_never_replaces_an_input(run: Run, fake: list[Config], mail: Mail) -> None:
    path = mail(name="x.txt")
    before = path.read_bytes()
    ran = run(path, "--output", path)
    assert ran.status == 2
    assert ran.error.endswith("x.txt is an input")
    assert path.read_bytes() == before


def test_a_recording_never_replaces_an_input(run: Run, fake: list[Config], mail: Mail, tmp_path: Path) -> None:
    replayed = tmp_path / "x.dns.jsonl"
    replayed.write_text('{"mailverdict-dns": 1}')
    for path in (mail(), replayed):
        before = path.read_bytes()
        ran = run(mail(), "--dns", replayed, "--record", path)
        assert (ran.status, ran.error) == (2, f"--record: {path} is an input")
        assert path.read_bytes() == before
    assert fake == []


def test_an_output_that_cannot_be_written_is_named(run: Run, fake: list[Config], mail: Mail, tmp_path: Path) -> None:
    ran = run(mail(), "--output", tmp_path / "no" / "v.json")
    assert ran.status == 2
    assert ran.error == f"--output: {tmp_path / 'no' / 'v.json'}: cannot be written: No such file or directory"


def test_what_is_written_is_written_once_and_nothing_is_touched_before_that_is_seen(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path
) -> None:
    out = tmp_path / "x.json"
    out.write_text("kept")
    (tmp_path / "link.json").symlink_to(out)
    for more, words in (
        (("--record", out), "--record"),
        (("--record", tmp_path / "link.json"), "--record"),
        (("--output", out), "another --output"),
        (("--output", f"{tmp_path}/./x.json"), "another --output"),
        (("--output", tmp_path / "link.json"), "another --output"),
    ):
        ran = run(mail(), "--output", out, *more)
        assert (ran.status, ran.out) == (2, "")
        assert ran.error.endswith(f"is written by {words}, too")
        assert out.read_text() == "kept"
    assert run(mail(), "--output", "-", "--output", "-").status == 2
    assert fake == []


def test_an_output_that_fills_the_disk_is_named(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run(mail(), "--output", "/dev/full", "--format", "json")
    assert (ran.status, ran.error) == (2, "--output: /dev/full: cannot be written: No space left on device")
    with Path("/dev/full").open("wb") as full:
        process = _process("check", "--dns", "none", str(mail()), stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err == b"mailverdict: standard output: cannot be written: No space left on device\n"


def test_a_recording_that_fills_the_disk_is_named(run: Run, mail: Mail, tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text('{"mailverdict-dns":1,"recorded_at":"2026-01-01T00:00:00Z","resolver":"x"}\n')
    ran = run(mail(), "--dns", tmp_path / "none.jsonl", "--record", "/dev/full")
    assert (ran.status, ran.error) == (2, "/dev/full: No space left on device")


def test_html_shows_one_message(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run("--format", "html", mail(), mail())
    assert ran.status == 2
    assert "html shows one message" in ran.error


# ---- show -----------------------------------------------------------------------------------------


def test_a_stored_verdict_is_shown_again_in_every_format(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path
) -> None:
    path = mail("not-aligned")
    direct = {form: run("--format", form, path).out for form in ("text", "json", "header")}
    stored = tmp_path / "v.json"
    stored.write_text(direct["json"])
    for form, text in direct.items():
        ran = run("show", stored, "--format", form)
        assert ran.out == text
        assert ran.status == 1


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_several_stored_verdicts_are_shown_from_an_array_and_from_lines(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path, form: str
) -> None:
    stored = tmp_path / "v"
    stored.write_text(run("--format", form, mail("not-aligned"), mail("dkim-aligned")).out)
    ran = run("show", stored, "--format", form)
    assert ran.out == stored.read_text()
    assert ran.status == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", "x", "[{}]", "{}\n{}", "[" * 100_000, "null"])
def test_what_is_no_stored_verdict_is_refused_in_one_line(run: Run, tmp_path: Path, text: str) -> None:
    stored = tmp_path / "v.json"
    stored.write_text(text)
    ran = run("show", stored)
    assert ran.status == 5
    assert ran.error.startswith(f"{stored}: ")


def test_a_stored_verdict_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    ran = run("show", tmp_path / "absent")
    assert (ran.status, ran.error) == (5, f"{tmp_path / 'absent'}: cannot be read: No such file or directory")


# ---- wrong usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--client-ip", "--helo", "--mail-from", "--rcpt-to"])
def test_the_envelope_is_for_a_single_message(run: Run, fake: list[Config], mail: Mail, option: str) -> None:
    ran = run(option, "192.0.2.1", mail(), mail())
    assert ran.status == 2
    assert "are for a single message" in ran.error
    assert run(option, "192.0.2.1", mail()).status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check"], "Missing argument 'FILE...'. (see mailverdict check --help)"),
        (["--frobnicate", "x"], "No such option"),
        (["--format", "yaml", "x"], "'yaml' is not one of"),
        (["--dns-timeout", "soon", "x"], "'soon' is not a valid float"),
        (["show"], "Missing argument 'VERDICT'. (see mailverdict show --help)"),
        (["show", "a", "b"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_told_in_one_line(run: Run, words: list[str], message: str) -> None:
    ran = run(*words)
    assert ran.status == 2
    assert message in ran.error


def test_the_command_line_wins_over_the_file(run: Run, fake: list[Config], mail: Mail, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('authserv-id = "file.example"\nhelo = "file.example"\ntrust-host = ["a.example", "b.example"]\n')
    run("--config", file, "--helo", "line.example", mail())
    run("--config", file, "--trust-host", "c.example", mail())
    assert (fake[0].authserv_id, fake[0].helo) == ("file.example", "line.example")
    assert fake[0].trust_host == ["a.example", "b.example"]
    assert fake[1].trust_host == ("c.example",)


def test_a_broken_key_is_named_with_its_file(run: Run, mail: Mail, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("trusted-hosts = []")
    ran = run("--config", file, mail())
    assert ran.status == 2
    assert ran.error == f'trusted-hosts: unknown key; did you mean "trust-host"? ({file})'


# ---- bugs, Ctrl-C, closed pipes -------------------------------------------------------------------


def test_a_bug_has_a_status_of_its_own_and_says_where_to_report_it(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run(mail("bug"))
    assert ran.status == 70
    assert ran.error.startswith("internal error: ZeroDivisionError: by\\x1b[2J us\\x0aall; please report it")
    assert ran.out == ""


def test_a_bug_shows_its_traceback_when_asked_to(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run("-v", mail("bug"))
    assert ran.status == 70
    assert "Traceback" in ran.err
    assert "in judge" in ran.err


def test_a_bug_over_one_message_leaves_the_others_their_verdicts(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run("--format", "json", mail("not-aligned"), mail("bug"), mail("dkim-aligned"))
    assert ran.status == 70
    assert len(json.loads(ran.out)) == 2


def test_a_bug_before_any_message_has_that_status_too(run: Run, mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ctx: Any, config: Config) -> FakeJudge:
        raise LookupError("us")

    monkeypatch.setattr(check_module, "_judge", broken)
    assert run(mail()).status == 70


def test_ctrl_c_ends_with_the_status_of_a_shell(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run(mail("interrupt"), mail())
    assert (ran.status, ran.error) == (130, "interrupted")


def test_a_full_disk_is_no_bug_of_ours(run: Run, fake: list[Config], mail: Mail) -> None:
    ran = run("--output", "/dev/full", "--format", "json", mail())
    assert ran.status == 2
    assert "No space left on device" in ran.error


def _process(*args: str, **settings: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "verify", *args], cwd=ROOT, stderr=subprocess.PIPE, **settings)


@pytest.mark.parametrize("args", [["check", "--help"], ["show", "{}"]])
def test_a_closed_pipe_ends_the_program_quietly(
    run: Run, fake: list[Config], mail: Mail, tmp_path: Path, args: list[str]
) -> None:
    stored = tmp_path / "v.json"
    stored.write_text(run("--format", "json", mail()).out)
    read, write = os.pipe()
    os.close(read)
    process = _process(*(arg.format(stored) for arg in args), stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert err == b""
    assert process.returncode == 141


def test_a_real_ctrl_c_ends_the_program_in_one_line() -> None:
    # a shell starts what runs in its background with the signal ignored
    restored = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = _process("show", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, **restored)
    assert process.stdin is not None
    process.stdin.write(b"x" * 200_000)  # more than a pipe holds: it is reading when this returns
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err == b"mailverdict: interrupted\n"
    assert process.returncode == 130


# ---- other systems --------------------------------------------------------------------------------

_TAKEN_AWAY = """
import builtins, signal, sys
if hasattr(signal, "SIGHUP"):
    del signal.SIGHUP
real = builtins.__import__
def absent(name, globals=None, *rest, **more):
    importer = ((globals or {}).get("__name__") or "").partition(".")[0]
    if name in ("fcntl", "pwd", "grp", "resource", "termios") and importer not in sys.stdlib_module_names:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return real(name, globals, *rest, **more)
builtins.__import__ = absent
"""


@pytest.mark.parametrize("code", ["import fcntl", "from verify.fronts import cli; sys.exit(cli.run(sys.argv[1:]))"])
def test_check_and_show_run_without_what_only_unix_has(tmp_path: Path, code: str) -> None:
    mail = tmp_path / "x.eml"
    mail.write_bytes(MESSAGE)
    command = [sys.executable, "-c", _TAKEN_AWAY + code, "check", "--dns", "none", "--format", "json", str(mail)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60)
    if code == "import fcntl":  # the taking away works
        assert b"No module named 'fcntl'" in done.stderr
        return
    assert done.stderr == b""
    assert done.returncode == 4
    stored = tmp_path / "v.json"
    stored.write_bytes(done.stdout)
    command[3:] = ["show", "--format", "json", str(stored)]
    assert subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60).stdout == done.stdout


@pytest.mark.parametrize(
    ("programs", "alone"),
    [
        (["C:\\Python\\Scripts\\mailverdict.exe", "C:\\Python\\python.exe"], True),
        (["C:\\v\\Scripts\\python.exe", "C:\\Python\\python3.12.exe"], True),
        (["C:\\Windows\\System32\\cmd.exe", "C:\\Python\\python.exe"], False),
        (["", "C:\\Python\\python.exe"], False),
        ([], False),
    ],
)
def test_a_console_is_our_own_when_no_shell_sits_at_it(programs: list[str], alone: bool) -> None:
    assert windows.only_ours(programs) is alone


def test_a_console_of_our_own_waits_for_enter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Keyboard:
        lines = 0

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            self.lines += 1
            return "\n"

    keyboard = Keyboard()
    monkeypatch.setattr(sys, "stdin", keyboard)
    monkeypatch.setattr(windows, "_console_programs", lambda: ["cmd.exe", "python.exe"])
    windows.wait_in_own_console()
    assert keyboard.lines == 0
    monkeypatch.setattr(windows, "_console_programs", lambda: ["python.exe"])
    windows.wait_in_own_console()
    assert keyboard.lines == 1
    assert "Press Enter" in capsys.readouterr().err


# ---- with the real judge --------------------------------------------------------------------------


def test_a_message_is_judged_against_a_recording(run: Run, mail: Mail, tmp_path: Path) -> None:
    recording = tmp_path / "x.dns.jsonl"
    recording.write_text(
        '{"mailverdict-dns": 1, "recorded_at": "2026-01-01T00:00:00Z", "resolver": "test"}\n'
        + "".join(
            f'{{"name": "{name}", "type": "TXT", "outcome": "nxdomain", "records": [], "ttl": 60, '
            '"time": "2026-01-01T00:00:00Z", "ad": false}\n'
            for name in ("_dmarc.shop.example", "_dmarc.example")
        )
    )
    ran = run("--dns", recording, "--format", "json", mail())
    assert (ran.status, json.loads(ran.out)["conclusion_reason"]) == (3, "no-policy")
    assert ran.err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--client-ip", "300.1.1.1"], '--client-ip: "300.1.1.1" is not an IP address'),
        (["--trust-network", "x"], '--trust-network: "x" is neither a network'),
        (["--receiver", "gmial"], '--receiver: "gmial" is not a known profile; did you mean gmail'),
        (["--at", "soon"], '--at: "soon" is neither receipt, now, nor a time'),
        (["--resolver", "ns.example"], '--resolver: "ns.example" is not ADDR'),
        (["--dns", "absent.jsonl"], "absent.jsonl: No such file or directory"),
        (["--dns", "{0}/broken.jsonl"], "broken.jsonl: line 2: "),
        (["--dns", "none", "--record", "{0}/no/r.jsonl"], "r.jsonl: No such file or directory"),
        (["--config", "{0}/bad.toml"], 'client-ip: "x" is not an IP address'),
    ],
)
def test_a_bad_option_is_told_in_one_line(run: Run, mail: Mail, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "broken.jsonl").write_text('{"mailverdict-dns": 1}\n{"name": 5}\n')
    (tmp_path / "bad.toml").write_text('client-ip = "x"')
    ran = run(*(word.format(tmp_path) for word in words), mail())
    assert ran.status == 2
    assert message in ran.error


def test_without_a_name_server_one_line_says_so(run: Run, mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    from verify.fronts import session
    from verify.lookup.live import NoResolver

    def none(*_: object) -> session.Resolver:
        raise NoResolver("no name server: the system configuration names none")

    monkeypatch.setattr(session, "live_resolver", none)
    ran = run(mail())
    assert (ran.status, ran.error) == (2, "no name server: the system configuration names none")


def test_without_a_network_the_verdict_is_undetermined_and_no_accusation(run: Run, mail: Mail) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    # nobody listens there any more
    ran = run("--resolver", f"127.0.0.1:{port}", "--dns-timeout", "1", "--format", "json", mail())
    assert (ran.status, ran.err) == (4, "")
    assert json.loads(ran.out)["conclusion_reason"] == "dns"


def test_ctrl_c_ends_a_wait_for_the_dns_at_once(mail: Mail) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(60)
        port = silent.getsockname()[1]
        words = ["--resolver", f"127.0.0.1:{port}", "--dns-timeout", "60", str(mail())]
        process = _process(*words, stdout=subprocess.PIPE)
        silent.recv(512)  # it has asked, and waits
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"mailverdict: interrupted\n")
    assert time.monotonic() - started < 5


def test_what_was_recorded_is_replayed_to_the_same_verdict(run: Run, mail: Mail, tmp_path: Path) -> None:
    first = run("--dns", ROOT / "samples" / "pass.dns.jsonl", *_PASS, "--record", tmp_path / "r.jsonl")
    again = run("--dns", tmp_path / "r.jsonl", *_PASS)
    assert first.err == f"mailverdict: {tmp_path / 'r.jsonl'}: answers recorded\n"
    verdicts = [json.loads(ran.out) for ran in (first, again)]
    for one in verdicts:
        del one["elapsed_ms"]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0]["dns"]["questions"] > 0


_PASS = ("--format", "json", str(ROOT / "samples" / "pass.eml"))

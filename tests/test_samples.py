"""The samples: made by their script, listed with what they show, and judged as it is written there."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from samples.make_samples import HERE, arguments, samples
from verify.fronts.cli import run
from verify.fronts.console import Status

_ROW = re.compile(r"^\| \[([\w-]+)\]\(([\w.-]+)\) \| (none|`[^`]+`) \| `([a-z]+)` \| `([a-z-]+)` \| (.+) \|$", re.M)
FILES = sorted(HERE.glob("*.eml"), key=lambda file: file.stem)


@cache
def rows() -> dict[str, tuple[str, str, str]]:
    """Options, conclusion and reason of each sample in samples/README.md."""
    found = _ROW.findall((HERE / "README.md").read_text("utf-8"))
    return {
        name: ("" if options == "none" else options.strip("`"), conclusion, reason)
        for name, _, options, conclusion, reason, _ in found
    }


def judged(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *more: str
) -> tuple[Status, str]:
    monkeypatch.setenv("MAILVERDICT_CONFIG", "/dev/null")
    monkeypatch.setenv("COLUMNS", "100")
    options = shlex.split((HERE / f"{name}.args").read_text())
    status = run([str(HERE / f"{name}.eml"), "--dns", str(HERE / f"{name}.dns.jsonl"), *options, *more])
    return status, capfd.readouterr().out


def test_every_sample_is_listed_and_nothing_else() -> None:
    assert [*rows()] == list(dict.fromkeys(rows()))
    assert sorted(rows()) == [file.stem for file in FILES]
    assert all((HERE / f"{name}{suffix}").is_file() for name in rows() for suffix in (".dns.jsonl", ".args"))


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_a_sample_has_the_options_and_the_conclusion_that_are_written_down(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options, conclusion, reason = rows()[name]
    assert (HERE / f"{name}.args").read_text().strip() == options
    status, shown = judged(name, monkeypatch, capfd)
    assert status is Status[conclusion.upper()]
    assert shown.startswith(f"{conclusion.upper()}:")
    assert f"\nReason   {reason}\n" in shown


def test_there_is_a_sample_of_each_conclusion() -> None:
    assert {conclusion for _, conclusion, _ in rows().values()} == {
        "authenticated",
        "failed",
        "unprotected",
        "undetermined",
    }


def test_the_script_makes_the_samples_that_lie_here() -> None:
    made = samples()
    assert sorted(made) == [file.stem for file in FILES]
    for name, sample in made.items():
        assert (HERE / f"{name}.eml").read_bytes() == sample.raw, name
        assert (HERE / f"{name}.args").read_text() == arguments(sample.options), name


def test_samples_name_only_documentation_domains_and_addresses_as_clients() -> None:
    for file in FILES:
        text = Path(file).read_bytes().decode()
        for author in re.findall(r"^From: .*@([\w.-]+)>", text, re.M):
            assert author.endswith(".example"), file.name
        for ip in re.findall(r"[(\[](\d+\.\d+\.\d+\.\d+)[\])]", text):
            assert ip.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "127.", "10.")), (file.name, ip)


@pytest.mark.parametrize(
    ("name", "border", "comparisons"),
    [
        ("gmail", "hop 1, written by mx.google.com", ("agrees",)),
        ("microsoft365", "hop 2, written by VI1EUR06FT019.mail.protection.outlook.com", ("agrees", "explained: ")),
        ("postfix-chain", "hop 3, written by mx.receiver.example", ("agrees", "differs")),
    ],
)
def test_verbose_text_shows_hops_the_border_with_its_reason_and_recorded_against_recomputed(
    name: str,
    border: str,
    comparisons: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, shown = judged(name, monkeypatch, capfd, "-v")
    assert f"Origin   {'192.0.2.10' if name == 'postfix-chain' else '198.51.100.9'}, HELO " in shown
    assert border in " ".join(shown.split())
    sheet = shown[shown.index("Hops, newest first") :]
    assert re.search(rf"^  {border[4]}  border  .*$\n.*$(\n.*$)?\n  -----", sheet, re.M)
    tables = shown[shown.index("written by a receiver that you trust") :]
    assert "recorded" in tables
    for comparison in comparisons:
        assert f"  {comparison}" in tables
    assert ("differs" in tables) == (name == "postfix-chain")


def test_the_forged_results_of_the_chain_are_called_forged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _, shown = judged("postfix-chain", monkeypatch, capfd)
    assert shown.count("Recorded trusted") == 2
    assert shown.count("Recorded forged") == 1


def test_what_auto_infers_clears_nobody_and_naming_the_receiver_does(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, shown = judged("gmail-auto", monkeypatch, capfd)
    assert status is Status.UNDETERMINED
    assert "likely, but a sender could have written it all" in " ".join(shown.split())
    assert "--receiver gmail" in shown
    assert judged("gmail-auto", monkeypatch, capfd, "--receiver", "gmail")[0] is Status.AUTHENTICATED
    assert judged("gmail-auto", monkeypatch, capfd, "--receiver", "yahoo")[0] is Status.UNDETERMINED

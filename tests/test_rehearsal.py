"""``batch --policy``: what a milter's policy would have done with stored mail, in every output."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.mailboxes_maker import report
from tests.signing import key_record, rsa_key, sign
from tests.test_batch import TRUST, batch, in_file, start, verdicts

POLICY = """
[milter]
listen = "inet:8892@127.0.0.1"

[policy]
on-quarantine = "quarantine"
on-reject = "reject"
on-dns = "defer"
mailing-lists = ["list.example"]
"""
MAIL = (
    b"Return-Path: <x@%(sender)s>\r\nReceived: from mail.%(sender)s (mail.%(sender)s [%(ip)s])\r\n\tby mx.home.example with ESMTPS id 1;"
    b" Thu, 01 Jan 2026 00:00:00 +0000\r\n%(signed)s"
)
DNS = {
    ("_dmarc.reject.example", "TXT"): "v=DMARC1; p=reject",
    ("_dmarc.quarantine.example", "TXT"): "v=DMARC1; p=quarantine",
    ("_dmarc.none.example", "TXT"): "v=DMARC1; p=none",
    ("_dmarc.trouble.example", "TXT"): None,
    ("s._domainkey.reject.example", "TXT"): key_record(rsa_key()),
    ("s._domainkey.list.example", "TXT"): key_record(rsa_key()),
}


def mail(domain: str, *, signer: str | None = None, ip: str = "192.0.2.66", more: str = "") -> bytes:
    text = f"From: a@{domain}\r\n{more}To: me@home.example\r\nSubject: s\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\nx\r\n"
    signed = text.encode() if signer is None else sign(text.encode(), signer, "s", rsa_key())
    return MAIL % {b"sender": b"attack.example", b"ip": ip.encode(), b"signed": signed}


# name -> the message, and what the policy does with it: action, reason, override
CASES: dict[str, tuple[bytes, tuple[str, str, str | None]]] = {
    "0-pass": (mail("reject.example", signer="reject.example"), ("add", "not-failed", None)),
    "1-reject": (mail("reject.example"), ("reject", "policy-reject", None)),
    "2-quarantine": (mail("quarantine.example"), ("quarantine", "policy-quarantine", None)),
    "3-none": (mail("none.example"), ("add", "policy-none", None)),
    "4-trouble": (mail("trouble.example"), ("defer", "dns-trouble", None)),
    "5-list": (mail("reject.example", signer="list.example"), ("add", "mailing-list", "mailing-list")),
    "6-two-from": (
        mail("none.example", more="From: b@none.example\r\n"),
        ("quarantine", "author-unclear", None),
    ),
    "7-no-policy": (mail("other.example"), ("add", "not-failed", None)),
}
EXPECTED = [expected for _, expected in CASES.values()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    (folder / "eml").mkdir()
    for name, (octets, _) in CASES.items():
        (folder / "eml" / f"{name}.eml").write_bytes(octets)
    (folder / "server.toml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def replay(corpus: Path) -> tuple[str, ...]:
    """A first run names its questions; the recording then answers them."""
    lines: list[dict[str, Any]] = [
        {"mailverdict-dns": 1, "recorded_at": "2026-01-01T00:00:00Z", "resolver": "of a test"}
    ]
    names = {
        *("reject.example", "quarantine.example", "none.example", "trouble.example", "other.example", "list.example"),
        *("attack.example", "mail.attack.example", "example"),
    }
    questions = {(name, kind) for base in names for name in (base, f"_dmarc.{base}") for kind in ("TXT", "MX", "A")}
    questions |= {("66.2.0.192.in-addr.arpa", "PTR"), *DNS}
    for name, kind in sorted(questions):
        record = DNS.get((name, kind), "")
        outcome = "temporary" if record is None else "found" if record else "nxdomain"
        lines.append(
            {
                "name": name,
                "type": kind,
                "outcome": outcome,
                "records": [record] if record else [],
                "ttl": None,
                "time": "2026-01-01T00:00:00Z",
                "ad": False,
                **({"cause": "servfail"} if record is None else {}),
            }
        )
    (corpus / "dns").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return (*TRUST, "--dns", str(corpus / "dns"))


def told(found: Sequence[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(one["rehearsal"]["action"], one["rehearsal"]["reason"], one["rehearsal"]["override"]) for one in found]


def policy_file(folder: Path, *more: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(POLICY + "\n".join(more))
    return path


def test_every_output_says_what_would_be_done_with_each_message(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path
) -> None:
    outputs = [tmp_path / f"o{suffix}" for suffix in (".jsonl", ".csv", ".sqlite", ".html")]
    given = [word for path in outputs for word in ("--output", str(path))]
    ran = batch(corpus / "eml", *replay, "--policy", corpus / "server.toml", *given)
    assert ran.status == 0, ran.err
    found = in_file(outputs[0])
    assert told(found) == EXPECTED
    assert found[1]["rehearsal"]["reply"] == "550 5.7.1 Email rejected per DMARC policy for reject.example"
    assert found[4]["rehearsal"]["reply"].startswith("451 4.7.1 ")
    assert found[5]["rehearsal"]["stream"] == "list.example"
    rows = list(csv.DictReader(io.StringIO(outputs[1].read_text("utf-8"), newline="")))
    assert [(row["action"], row["action_reason"], row["action_override"] or None) for row in rows] == EXPECTED
    database = sqlite3.connect(outputs[2])
    held = database.execute("SELECT action, reason, override FROM rehearsal ORDER BY message_id").fetchall()
    database.close()
    assert held == EXPECTED
    sentence = (
        "With this policy, 4 of 8 messages would not be delivered as now: 1 rejected, 1 deferred and 2 quarantined."
    )
    assert sentence in ran.err
    assert sentence in outputs[3].read_text("utf-8")
    assert re.search(r"(?m)^  reject: policy-reject +1  ", ran.err)
    assert "reject.example sent by attack.example: rejected, policy-reject" in ran.err


def test_the_counts_come_without_a_database_too_and_the_same_octets_have_the_same_fate(
    corpus: Path, replay: tuple[str, ...]
) -> None:
    ran = batch(corpus / "eml", corpus / "eml", *replay, "--policy", corpus / "server.toml")
    assert told(verdicts(ran.out)) == EXPECTED * 2
    assert "4 of 8" not in ran.err
    assert "With this policy, 8 of 16 messages would not be delivered" in ran.err


def test_without_a_policy_nothing_is_rehearsed(corpus: Path, replay: tuple[str, ...]) -> None:
    ran = batch(corpus / "eml", *replay)
    assert {one["rehearsal"] for one in verdicts(ran.out)} == {None}
    assert "policy" not in ran.err.replace("no-policy", "").replace("usable DMARC policy", "")


def test_the_own_policy_of_the_configuration_is_not_rehearsed_unless_it_is_named(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "own.toml"
    config.write_text(POLICY)
    assert verdicts(batch(corpus / "eml", *replay, "--config", config).out)[1]["rehearsal"] is None
    config.write_text('rehearse = "own.toml"\n' + POLICY)
    assert told(verdicts(batch(corpus / "eml", *replay, "--config", config).out)) == EXPECTED


@pytest.mark.parametrize(
    ("exception", "action"),
    [
        ('except-domains = ["reject.example"]', ("add", "local-policy", "local-policy")),
        ('except-networks = ["192.0.2.0/24"]', ("add", "local-policy", "local-policy")),
        ('except-networks = ["198.51.100.0/24"]', ("reject", "policy-reject", None)),
        ('except-recipients = ["@home.example"]', ("reject", "policy-reject", None)),
    ],
)
def test_exceptions_are_made_where_stored_mail_tells_that_they_hold(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path, exception: str, action: tuple[str, str, str | None]
) -> None:
    ran = batch(corpus / "eml" / "1-reject.eml", *replay, "--policy", policy_file(tmp_path, exception))
    (one,) = verdicts(ran.out)
    assert told([one]) == [action]
    unknown = "recipients" in exception
    assert one["rehearsal"]["untold"] == (["recipient"] if unknown else [])
    assert ("stored mail does not tell whether an exception by recipient" in ran.err) is unknown


def test_a_network_that_nobody_vouches_for_makes_no_exception_and_that_is_said(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path
) -> None:
    policy = policy_file(tmp_path, 'except-networks = ["192.0.2.0/24"]')
    one = CASES["1-reject"][0].replace(b"From: a@reject", b"From: b@reject.example\r\nFrom: a@reject")
    (tmp_path / "1.eml").write_bytes(one)
    (found,) = verdicts(batch(tmp_path / "1.eml", *replay[2:], "--policy", policy).out)
    assert found["rehearsal"]["action"] == "reject"
    assert set(found["rehearsal"]["untold"]) == {"network"}


def test_a_policy_that_enforces_nothing_says_so(corpus: Path, replay: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    ran = batch(corpus / "eml", *replay, "--policy", path)
    assert f"--policy: {path} enforces nothing" in ran.err
    assert "every one of 8 messages would be delivered" in ran.err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read"),
        ("[policy]\non-reject = 'bounce'\n", "policy.on-reject"),
        ("[policy]\non-rejects = 'reject'\n", "policy.on-rejects"),
        ("[policy", "is not valid TOML"),
    ],
)
def test_a_policy_that_cannot_be_used_is_one_line_that_names_it(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path, text: str | None, problem: str
) -> None:
    path = tmp_path / "p.toml"
    if text is not None:
        path.write_text(text)
    ran = batch(corpus / "eml", *replay, "--policy", path, "--output", tmp_path / "o.jsonl")
    assert (ran.status, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("mailverdict: --policy: ")
    assert str(path) in line
    assert problem in line
    assert not (tmp_path / "o.jsonl").exists()


def test_an_output_never_replaces_the_policy(corpus: Path, replay: tuple[str, ...], tmp_path: Path) -> None:
    path = policy_file(tmp_path)
    ran = batch(corpus / "eml", *replay, "--policy", path, "--output", path, "--format", "jsonl")
    assert ran.status == 2
    assert path.read_text() == POLICY


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".sqlite"])
def test_a_finished_rehearsal_is_left_alone_and_another_policy_is_another_run(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path, suffix: str
) -> None:
    policy, output = policy_file(tmp_path), tmp_path / f"o{suffix}"
    arguments = (corpus / "eml", *replay, "--policy", policy, "--output", output)
    assert "With this policy, 4 of 8 messages would not be delivered as now" in batch(*arguments).err
    before = output.read_bytes()
    assert batch(*arguments, "--resume").status == 0
    policy_file(tmp_path, 'except-domains = ["reject.example"]')
    if suffix == ".sqlite":  # the others do not say what they were made with
        assert batch(*arguments, "--resume", "-q").status == 2
    assert output.read_bytes() == before


def test_a_killed_rehearsal_goes_on_with_the_same_policy_only(
    corpus: Path, replay: tuple[str, ...], tmp_path: Path
) -> None:
    policy = policy_file(tmp_path)
    output = tmp_path / "o.jsonl"
    arguments = (corpus / "eml", *replay, "--policy", policy, "--output", output)
    killed = """
        import os, signal
        import verify.fronts.batch_run as run
        import verify.fronts.sinks as sinks
        run.CHUNK_ITEMS = 2
        write = sinks.Sinks.write
        def last(self, position, *more):
            write(self, position, *more)
            if position == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        sinks.Sinks.write = last
    """
    process = start(*arguments, before=killed)
    process.communicate(timeout=60)
    assert len(in_file(output)) == 4
    policy_file(tmp_path, 'except-domains = ["reject.example"]')
    assert batch(*arguments, "--resume", "-q").status == 2
    policy_file(tmp_path)
    ran = batch(*arguments, "--resume")
    assert ran.status == 0
    assert told(in_file(output)) == EXPECTED
    assert "4 of 8 messages would not be delivered" in ran.err


def test_what_never_came_in_from_outside_is_not_judged_but_inside_mail_from_outside_nothing_vouches_for_that(
    replay: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    login = (
        b"Received: from pc.home.example ([192.0.2.77]) by mx.home.example with ESMTPSA (Authenticated sender: x)\r\n"
        b"\tid 1; Thu, 01 Jan 2026 00:10:00 +0000\r\n"
    )
    outside = CASES["1-reject"][0].partition(b"From:")[0]
    two = b"From: a@none.example\r\nFrom: b@none.example\r\nSubject: s\r\n\r\nx\r\n"
    for name, trace in (("1.eml", login), ("2.eml", outside)):
        header = trace + b"From: colleague@home.example\r\nSubject: phish?\r\n"
        (tmp_path / name).write_bytes(report([login + two], header=header))
    policy = corpus / "server.toml"
    found = verdicts(batch(tmp_path, *replay, "--attached", "--policy", policy).out)
    assert [one["rehearsal"]["reason"] for one in found[:2]] == ["not-from-outside"] * 2
    assert found[3]["rehearsal"]["reason"] == "author-unclear"

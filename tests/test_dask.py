"""A Dask cluster does the same work as processes do, and gives the same verdicts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.nameserver import NameServer
from tests.test_batch import (
    COUNT,
    SMALL_CHUNKS,
    TRUST,
    batch,
    corpus,
    names,
    nameserver_records,
    replay,
    verdicts,
    without_counts,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")

from dask import config as dask_config

__all__ = ["corpus"]


@contextmanager
def cluster() -> Iterator[str]:
    """The address of a cluster with two workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as started:
            yield started.scheduler_address


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with cluster() as address:
        yield address


def dask(scheduler: str) -> tuple[str, ...]:
    return ("--engine", "dask", "--scheduler", scheduler)


def test_the_verdicts_are_those_of_processes(corpus: Path, scheduler: str) -> None:
    for source in (corpus / "eml", corpus / "mail.mbox"):
        processes = batch(source, *replay(corpus), before=SMALL_CHUNKS)
        dasks = batch(source, *replay(corpus), *dask(scheduler), before=SMALL_CHUNKS)
        assert dasks.status == 0, dasks.err
        assert len(verdicts(dasks.out)) == COUNT
        assert verdicts(dasks.out) == verdicts(processes.out)


def test_a_recorded_run_is_replayed_to_the_same_verdicts(corpus: Path, scheduler: str, tmp_path: Path) -> None:
    recording = tmp_path / "run.dns"
    with NameServer(nameserver_records()) as server:
        live = batch(
            corpus / "mail.mbox",
            *TRUST,
            *("--resolver", server.address, "--record", recording),
            *dask(scheduler),
            before=SMALL_CHUNKS,
        )
    assert live.status == 0, live.err
    again = batch(corpus / "mail.mbox", *TRUST, "--dns", recording)
    assert [without_counts(one) for one in verdicts(live.out)] == [without_counts(one) for one in verdicts(again.out)]


def test_the_same_octets_are_listed_each_time(corpus: Path, scheduler: str, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.eml").write_bytes((corpus / "eml" / f"{number % 4:03}.eml").read_bytes())
    ran = batch(tmp_path, *replay(corpus), *dask(scheduler), before=SMALL_CHUNKS)
    assert ran.status == 0, ran.err
    assert names(verdicts(ran.out)) == [f"{number:02}.eml" for number in range(20)]


def test_no_scheduler_is_one_line() -> None:
    before = "import verify.fronts.run as run; run.CONNECT = 1"
    ran = batch("samples", "--dns", "none", "-q", *dask("tcp://127.0.0.1:9"), before=before)
    assert ran.status == 2
    assert ran.err.startswith("mailverdict: --scheduler: ")
    assert ran.err.count("\n") == 1


PRELOAD = """
import os, signal
import verify.fronts.worker as worker
from verify.reading.message import parse_message as parse
def deadly(raw, *more):
    if b"Subject: message 23" in raw:
        os.kill(os.getpid(), signal.SIGKILL)
    return parse(raw, *more)
worker.parse_message = deadly
"""


def test_a_worker_that_dies_names_the_message_and_nothing_is_lost(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "preload.py").write_text(PRELOAD)
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.preload": [str(tmp_path / "preload.py")],
    }
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (22, 23, 24):
        (folder / f"{number:03}.eml").write_bytes((corpus / "eml" / f"{number:03}.eml").read_bytes())
    with dask_config.set(settings), cluster() as address:
        ran = batch(folder, *replay(corpus), "-q", *dask(address))
    assert ran.status == 5, ran.err
    assert names(verdicts(ran.out)) == ["022.eml", "024.eml"]
    (line,) = (line for line in ran.err.splitlines() if line.startswith("mailverdict: "))
    assert "023.eml: the worker that judged it died" in line

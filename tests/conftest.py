"""What holds for every test: no network but this machine, and in CI nothing is skipped."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from ipaddress import ip_address
from typing import Any

import pytest

IN_CI = os.environ.get("CI") == "true"


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """No socket leads out of this machine; a name would have to be looked up first."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and address and not _is_local(address[0]):
            raise RuntimeError(f"a test reaches for the network: {event} {address!r}")
    elif event == "socket.getaddrinfo" and not _is_local(arguments[0]):
        raise RuntimeError(f"a test looks up {arguments[0]!r} in the real DNS")


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ip_address(text.split("%")[0]).is_loopback
    except ValueError:
        return False


sys.addaudithook(_refuse_network)


def _not_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI counts as a failure: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _not_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _not_in_ci(report)
    return report

"""The 181 Received fields of stalwartlabs/mail-parser, as read there.

That reading is the output of another parser.  Where it is wrong, the case stands below with the class of fault; the
test then demands that we differ in exactly that key.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest

from tests.suites_path import SUITES
from verify.grammar import names
from verify.model import Hop
from verify.reading.received import parse_received, protocol

FILE = SUITES / "received" / "received.json"
COUNT = 181

# Case -> key -> why the suite is wrong there.
DEVIATIONS: dict[int, dict[str, str]] = {
    **{case: {"date": "nonsense date"} for case in (13, 89, 90, 128, 151)},
    **{case: {"date": "zone name read as UTC"} for case in (67, 163)},
    116: {
        "date": "no zone read as UTC",
        "from_ip": "no from_ip although the address is there",
    },
    144: {"date": "fraction cuts the second to 0"},
    **{case: {"from_ip": "no from_ip although the address is there"} for case in (64, 86, 87, 97, 107, 119)},
    **{case: {"id": "value cut at a slash"} for case in (28, 29, 30)},
    77: {"via": "a clause before by, where a client may have put it"},
    117: {"date": "nonsense date", "via": "a clause before by, where a client may have put it"},
    118: {"date": "nonsense date", "via": "a clause before by, where a client may have put it"},
    142: {"with": "a clause before by, where a client may have put it"},
    123: {"by": "word taken for a name"},
    165: {"from": "word taken for a name"},
    171: {"from": "word taken for a name"},
}
# ``from`` of these is a user of the machine itself, which for us is no host.
LOCAL_USERS = {10: "www-data", 31: "root", 32: "root", 33: "smarter", 34: "andrew", 121: "paul", 137: "mmail"}


@cache
def cases() -> list[dict[str, Any]]:
    return json.loads(FILE.read_text()) if FILE.exists() else []


def host(value: dict[str, str] | None) -> str | None:
    return None if value is None else next(iter(value.values()))


def plain(text: str | None) -> str | None:
    """An address in its normal form, everything else as it is."""
    ip = names.address(text) if text else None
    return str(ip) if ip else text


def when(date: dict[str, Any] | None) -> datetime | None:
    if date is None:
        return None
    offset = timedelta(hours=date["tz_hour"], minutes=date["tz_minute"])
    zone = timezone(-offset if date["tz_before_gmt"] else offset)
    try:
        return datetime(
            *(date[k] for k in ("year", "month", "day", "hour", "minute", "second")), tzinfo=zone
        ).astimezone(UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def word(text: str | None) -> str | None:
    """The suite has no word for mapi, and one for HTTP."""
    kind = protocol(text)
    return {"MAPI": None, "HTTPREST": "HTTP", "LOCAL": "Local"}.get(kind, kind) if kind else None


def same_from(hop: Hop, expected: str | None, case: int) -> bool:
    """The word after ``from``: which of HELO, reverse name and client address it is, we say by the program."""
    if expected is None:
        return True
    if case in LOCAL_USERS:
        return hop.auth_user == expected == LOCAL_USERS[case]
    if expected.lower() == "unknown":  # no name
        return hop.from_name is None
    return plain(expected) in (hop.from_ip, hop.from_name, (hop.from_helo or "").strip("[]"))


def differences(case: int) -> dict[str, tuple[Any, Any]]:
    expected = cases()[case]["expected"]
    hop = parse_received(cases()[case]["header"].encode(), case, case)
    found: dict[str, tuple[Any, Any]] = {}
    if not same_from(hop, host(expected.get("from")), case):
        found["from"] = (host(expected.get("from")), (hop.from_helo, hop.from_name, hop.from_ip))
    ip = expected.get("from_ip")
    bare = names.address(host(expected.get("from")) or "")
    if ip is None and bare is not None and hop.from_ip == str(bare) and "from_ip" not in DEVIATIONS.get(case, {}):
        ip = str(bare)  # the only address, which this program (or HTTP) writes for the client
    tls = hop.tls
    pairs = {
        "from_ip": (plain(ip), hop.from_ip),
        "by": (host(expected.get("by")), hop.by),
        "via": (expected.get("via"), hop.via),
        "with": (expected.get("with"), word(hop.with_)),
        "id": (expected.get("id"), hop.id),
        "for_": (expected.get("for_"), hop.for_),
        "tls_version": (expected.get("tls_version"), tls.version.replace(".", "_") if tls and tls.version else None),
        "tls_cipher": (expected.get("tls_cipher"), tls.cipher if tls else None),
        "date": (when(expected.get("date")), hop.date),
    }
    if "helo" in expected:
        pairs["helo"] = (host(expected["helo"]), (hop.from_helo or "").strip("[]"))
    if "from_iprev" in expected:
        pairs["from_iprev"] = (expected["from_iprev"], hop.from_name)
    found.update((key, pair) for key, pair in pairs.items() if pair[0] != pair[1])
    return found


def test_the_suite_is_there_and_whole() -> None:
    if not FILE.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"no suite at {FILE}")
    assert len(cases()) == COUNT


@pytest.mark.parametrize("case", range(COUNT))
def test_reads_as_the_suite_says_but_for_its_own_faults(case: int) -> None:
    if not FILE.exists():
        pytest.skip(f"no suite at {FILE}")
    assert set(differences(case)) == set(DEVIATIONS.get(case, {})), differences(case)

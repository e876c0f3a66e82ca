"""The ARC validation suite of ValiMail: 171 cases, and the four that its YAML writes twice under one name."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.suites_path import SUITES
from tests.zone import Zone
from verify.checks.arc import check_arc
from verify.checks.canonical import BodyHashes
from verify.model import ArcResult, ArcWord, Reason, Settings
from verify.reading.message import parse_message

FILE = SUITES / "arc" / "arc-draft-validation-tests.yml"
# RFC 6376 3.5: h= is not empty and has no empty names; 6.1.1: it holds From.
STRICTER = {
    "ams_fields_h_empty": "h= without any name",
    "ams_fields_h_mis_hdr": "h= with an empty name",
}


def cases() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Every test that is written, walking the nodes, since a loader keeps only the last of equal keys."""
    if not FILE.exists():
        return
    loader = yaml.SafeLoader(FILE.read_text())
    while loader.check_node():
        node = loader.get_node()
        parts = {key.value: value for key, value in node.value}
        zone = loader.construct_document(parts["txt-records"])
        seen: dict[str, int] = {}
        for key, _ in parts["tests"].value:
            seen[key.value] = seen.get(key.value, 0) + 1
        left = dict(seen)
        for key, value in parts["tests"].value:
            left[key.value] -= 1
            name = key.value if not left[key.value] else key.value + "#first"
            yield name, loader.construct_document(value), zone


CASES = list(cases())


def check(test: dict[str, Any], records: dict[str, str]) -> ArcResult:
    message = parse_message(test["message"].replace("\n", "\r\n").encode())
    zone = Zone({name: {"TXT": [text.replace("\n", "")]} for name, text in records.items()})
    settings = Settings()
    return check_arc(message, zone.ask, 1_750_000_000, settings, BodyHashes(message.body, settings.limits))


def test_the_suite_is_there_and_whole() -> None:
    if not FILE.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"no suite at {FILE}")
    assert len(CASES) == 175
    assert sum(not name.endswith("#first") for name, _, _ in CASES) == 171


@pytest.mark.parametrize(
    ("test", "records"),
    [
        pytest.param(
            test,
            records,
            id=name,
            marks=[pytest.mark.xfail(strict=True, reason=STRICTER[name])] if name in STRICTER else [],
        )
        for name, test, records in CASES
    ],
)
def test_case(test: dict[str, Any], records: dict[str, str]) -> None:
    result = check(test, records)
    expected = (test["cv"] or "fail").lower()  # blank: a seal says cv=fail, RFC 8617 5.2
    assert str(result.result) == expected
    if result.result is ArcWord.PASS:
        assert result.reason is Reason.VERIFIED
        assert result.sets[0].seal is ArcWord.PASS
        assert result.sets[0].message_signature is ArcWord.PASS


@pytest.mark.parametrize("name", sorted(STRICTER))
def test_what_the_stricter_cases_get(name: str) -> None:
    found = [(test, records) for case, test, records in CASES if case == name]
    if not found:
        pytest.skip(f"no suite at {FILE}")
    result = check(*found[0])
    assert (result.result, result.reason) == (ArcWord.FAIL, Reason.MESSAGE_SIGNATURE_FAILED)
    assert result.sets[0].message_signature_reason is Reason.TAG_SYNTAX

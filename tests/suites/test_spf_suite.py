"""The openspf.org test suite for RFC 7208, 203 cases, through our adapter, whole and interrupted at every answer."""

import os

import pytest
import yaml

from tests.suites_path import SUITES
from tests.zone import Zone, in_rounds
from verify.checks.spf import check_mail_from
from verify.model import Cause, Limits

FILE = SUITES / "spf" / "rfc7208-tests.yml"
TYPES = ("TXT", "A", "AAAA", "MX", "PTR", "CNAME")


def octets(value):
    """A record of the file as octets: characters stand for octets, a list is one record of several strings."""
    if isinstance(value, list):
        return b"".join(octets(part) for part in value)
    return value.encode("latin-1")


def zone_of(document):
    """One document's zone by the rules of the suite: SPF is published as TXT, TIMEOUT is for types not listed before."""
    zone = Zone()
    for name, entries in document["zonedata"].items():
        types = {}
        pairs = [(kind, value) for entry in entries if entry != "TIMEOUT" for kind, value in entry.items()]
        own_txt = any(kind == "TXT" for kind, _ in pairs)
        timed_out = False
        for entry in entries:
            if entry == "TIMEOUT":
                for kind in TYPES:
                    types.setdefault(kind, Cause.TIMEOUT)
                timed_out = True
                continue
            ((kind, value),) = entry.items()
            if timed_out or (kind == "TXT" and value == "NONE"):
                continue
            if kind == "SPF":
                if own_txt:
                    continue
                kind = "TXT"
            record = f"{value[0]} {value[1]}".encode() if kind == "MX" else octets(value)
            types.setdefault(kind, []).append(record)
        if not isinstance(types.get("CNAME"), list):
            types.pop("CNAME", None)
        zone.add(name, types)
    return zone


def cases():
    if not FILE.exists():
        return []
    documents = yaml.safe_load_all(FILE.read_bytes().decode("utf-8"))
    return [pytest.param(document, test, id=name) for document in documents for name, test in document["tests"].items()]


CASES = cases()


def right(test):
    return test["result"] if isinstance(test["result"], list) else [test["result"]]


def test_the_suite_is_there():
    if not CASES and not os.environ.get("CI"):
        pytest.skip(f"public suites not found at {SUITES}; set MAILVERDICT_SUITES")
    assert len(CASES) == 203


@pytest.mark.parametrize(("document", "test"), CASES)
def test_case(document, test):
    zone = zone_of(document)
    result = check_mail_from(test["host"], test["helo"], test["mailfrom"], zone.ask, Limits())
    assert result.result in right(test), result
    assert result.reason is not None
    for question in zone.asked:
        assert all(0 < len(label) < 64 for label in question.name.split(".")), "asked for what is no name"


@pytest.mark.parametrize(("document", "test"), CASES)
def test_case_interrupted_at_every_answer_that_is_not_known(document, test):
    zone = zone_of(document)
    whole = check_mail_from(test["host"], test["helo"], test["mailfrom"], zone.ask, Limits())
    needed = len(dict.fromkeys(zone.asked))
    result, rounds = in_rounds(
        zone, lambda ask: check_mail_from(test["host"], test["helo"], test["mailfrom"], ask, Limits())
    )
    assert result == whole
    assert rounds <= needed

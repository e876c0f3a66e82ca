"""The list of guards is whole, and each guard that is quick to try turns something red; ``guards.py`` tries all."""

from __future__ import annotations

import pytest

from tests.hostile import CASES
from tests.hostile.containers import TIGHT, guards
from tests.hostile.guards import GUARDS, ROWS, holder_of, limit_turns_red, red, switched_off
from tests.hostile.limits import LIMIT_CASES
from tests.hostile.probes import PROBES
from verify.model import Limits

QUICK = ("From stands once", "i= lies below d=", "sealers are named", "what is inferred does not clear")


def test_every_limit_has_a_case_and_every_row_a_guard() -> None:
    assert {case.name for case in LIMIT_CASES} | set(TIGHT) == set(Limits.__struct_fields__)
    assert {row for guard in GUARDS for row in guard.rows} == set(ROWS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_what_a_guard_switches_off_is_there(guard) -> None:  # type: ignore[no-untyped-def]
    holder, name = holder_of(guard)
    assert name in vars(holder)


@pytest.mark.parametrize("name", PROBES)
def test_each_probe_holds_while_its_guard_stands(name: str) -> None:
    assert PROBES[name]()


@pytest.mark.parametrize("name", ["line_octets", "signatures", "key_exponent_bits", "spf_record_octets", "dns_rounds"])
def test_a_limit_out_of_reach_turns_its_case_red(name: str) -> None:
    assert limit_turns_red(name)


@pytest.mark.parametrize("name", TIGHT)
def test_a_limit_of_a_mailbox_leaves_out_what_is_beyond(name: str) -> None:
    assert guards(name)


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard.name in QUICK], ids=lambda guard: guard.name)
def test_a_guard_that_is_switched_off_turns_a_case_red(guard) -> None:  # type: ignore[no-untyped-def]
    cases = [case for case in CASES if set(guard.rows) & set(case.rows)]
    standing = red(cases)
    with switched_off(guard):
        assert set(red(cases)) - set(standing)
    assert red(cases) == standing == []

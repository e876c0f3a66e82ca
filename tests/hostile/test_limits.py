"""Each limit on judging: both sides, said when hit, and an attacker gains nothing by running into it."""

from __future__ import annotations

import pytest

from tests.hostile.limits import LIMIT_CASES, LimitCase
from tests.hostile.scene import mail
from verify.disposition import Policy, decide
from verify.model import ActionKind, AnomalyCode, Conclusion, Limits, Verdict

ENFORCING = Policy(on_quarantine=ActionKind.QUARANTINE, on_reject=ActionKind.REJECT, on_dns=ActionKind.DEFER)
# What is put off is not delivered either, and what never gets an answer never arrives.
STRENGTH = {ActionKind.ADD: 0, ActionKind.QUARANTINE: 1, ActionKind.DEFER: 2, ActionKind.REJECT: 2}


def said(verdict: Verdict) -> set[str]:
    return {a.detail for a in verdict.anomalies if a.code is AnomalyCode.LIMIT_HIT}


each = pytest.mark.parametrize("case", LIMIT_CASES, ids=lambda case: case.name)


@each
def test_a_message_within_the_limit_is_judged_as_ever(case: LimitCase) -> None:
    verdict = case.verdict(case.within, case.value)
    assert verdict.conclusion_reason.value == case.within_reason
    if not case.live:
        assert case.says() not in said(verdict)


@each
def test_a_message_over_the_limit_is_judged_so_and_the_limit_is_said(case: LimitCase) -> None:
    verdict = case.verdict(case.over, case.value)
    assert verdict.conclusion_reason.value == case.hit
    if case.says() is not None:
        assert case.says() in said(verdict)


@each
def test_without_the_limit_the_same_message_is_judged_otherwise(case: LimitCase) -> None:
    tight, free = case.verdict(case.over, case.value), case.verdict(case.over, case.switched_off)
    assert free.conclusion_reason.value == case.free
    assert said(tight) != said(free) or tight.conclusion_reason != free.conclusion_reason


@each
def test_a_limit_that_is_hit_never_authenticates(case: LimitCase) -> None:
    for scene in (case.over, case.foe):
        assert case.verdict(scene, case.value).conclusion is not Conclusion.AUTHENTICATED


@each
def test_a_limit_that_is_hit_never_makes_a_milder_action(case: LimitCase) -> None:
    tight, free = case.verdict(case.foe, case.value), case.verdict(case.foe, case.switched_off)
    assert free.conclusion is not Conclusion.AUTHENTICATED
    assert STRENGTH[decide(tight, ENFORCING).kind] >= STRENGTH[decide(free, ENFORCING).kind]


def test_the_real_limits_leave_an_ordinary_message_alone() -> None:
    case = LIMIT_CASES[0]
    assert len(mail()) < Limits().header_octets
    assert not said(case.verdict(case.over, Limits().header_octets))

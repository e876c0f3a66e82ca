"""Each fuzz target for a moment; ``make fuzz`` runs them for longer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.fuzz import TARGETS
from tests.fuzz.__main__ import Target, TooSlow, by_hypothesis, strategy


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_holds_its_invariant_for_a_moment(name: str) -> None:
    target = Target(name)
    assert importlib_doc(name)

    @settings(max_examples=60, deadline=None)
    @given(strategy(target.pieces))
    def run(octets: bytes) -> None:
        target(octets)

    run()
    assert target.inputs


def importlib_doc(name: str) -> str:
    """The invariant that a target opens with."""
    from importlib import import_module

    return import_module(f"tests.fuzz.{name}").__doc__ or ""


def test_a_broken_invariant_is_found() -> None:
    target = Target("tag_list")

    def broken(octets: bytes) -> None:
        assert b"v=1" not in octets

    target._check = broken
    with pytest.raises(AssertionError):
        by_hypothesis(target, 20, 1)


def test_an_input_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("tag_list")
    target(b"v=1")
    monkeypatch.setattr("tests.fuzz.__main__.SECONDS", -1.0)
    with pytest.raises(TooSlow):
        target(b"v=1")

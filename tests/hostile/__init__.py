"""Attacks beside their honest twins.  ``python -m tests.hostile`` prints the table of the README."""

from __future__ import annotations

from tests.hostile import author, delivery, signatures, structure
from tests.hostile.scene import Case

CASES: tuple[Case, ...] = (*author.CASES, *signatures.CASES, *delivery.CASES, *structure.CASES)

# Rows that no single message shows: tests of the program as a whole.
ELSEWHERE: dict[int, tuple[str, ...]] = {
    48: (
        "hostile/test_own.py::test_what_a_phish_holds_is_not_vouched_for_by_the_colleague_who_reports_it",
        "hostile/test_own.py::test_results_recorded_in_what_a_phish_holds_are_not_trusted",
    ),
    50: (
        "hostile/test_own.py::test_a_line_that_begins_with_from_splits_no_message_in_two",
        "hostile/test_own.py::test_an_archive_that_unpacks_to_more_than_it_may_is_refused",
        "hostile/test_own.py::test_a_member_whose_name_is_a_path_is_never_written_anywhere",
    ),
    53: ("hostile/test_own.py::test_look_ups_of_the_attacker_spend_no_budget_that_could_decide",),
    56: (
        "hostile/test_own.py::test_a_recording_edited_by_a_foe_is_an_error_with_its_line",
        "hostile/test_own.py::test_a_verdict_edited_by_a_foe_is_shown_clean_or_refused",
        "hostile/test_own.py::test_a_recording_never_answers_for_another_name",
        "test_recording.py::test_a_wrong_line_is_an_error_that_names_the_line_and_says_why_in_one_printable_line",
    ),
    57: (
        "hostile/test_own.py::test_a_hostile_path_or_member_name_reaches_no_sink",
        "hostile/test_own.py::test_a_member_whose_name_is_a_path_is_never_written_anywhere",
        "test_folders.py::test_a_name_that_is_no_utf_8_and_one_with_controls_are_read_and_shown_escaped",
    ),
    58: (
        "hostile/test_own.py::test_nothing_is_asked_of_the_network_without_dns",
        "hostile/test_own.py::test_nothing_is_asked_of_the_network_under_a_recording",
        "hostile/test_own.py::test_help_says_that_look_ups_can_be_seen",
    ),
}


def table() -> str:
    """Rows of the catalogue against the cases that stand for them."""
    lines = ["| row | cases |", "| --- | --- |"]
    for row in range(1, 59):
        names = [case.name for case in CASES if row in case.rows] + [f"`{name}`" for name in ELSEWHERE.get(row, ())]
        lines.append(f"| {row} | {', '.join(names)} |")
    return "\n".join(lines) + "\n"

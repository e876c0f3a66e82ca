"""Answers: the Ask of one message."""

import pytest

from verify.lookup.answers import Answers
from verify.model import Answer, NotKnownYet, Outcome, Question

Q = Question("a.example", "TXT")
FOUND = Answer(question=Q, outcome=Outcome.FOUND, records=(b"one",))
LATER = Answer(question=Q, outcome=Outcome.NXDOMAIN)


def test_an_unknown_question_is_raised_with_the_question():
    with pytest.raises(NotKnownYet) as caught:
        Answers()(Q)
    assert caught.value.questions == (Q,)


def test_terminal_answers_say_not_recorded_and_never_no_such_name():
    answer = Answers(terminal=True)(Q)
    assert (answer.outcome, answer.question, answer.observed_at) == (Outcome.NOT_RECORDED, Q, None)


def test_an_added_answer_is_given_and_the_first_one_stands():
    answers = Answers()
    answers.add([FOUND])
    answers.add([LATER])
    assert answers(Q) is FOUND
    assert Q in answers


def test_a_known_answer_stands_before_an_added_one_and_the_shared_mapping_is_not_written():
    known = {Q: FOUND}
    answers = Answers(known)
    other = Answer(question=Question("b.example", "A"), outcome=Outcome.NODATA)
    answers.add([LATER, other])
    assert answers(Q) is FOUND
    assert answers(other.question) is other
    assert known == {Q: FOUND}


def test_an_answer_that_the_shared_mapping_changes_later_does_not_change_for_this_message():
    known = {Q: FOUND}
    answers = Answers(known)
    answers(Q)
    known[Q] = LATER
    assert answers(Q) is FOUND


def test_used_lists_what_was_given_out_in_the_order_of_first_use():
    b = Question("b.example", "A")
    answers = Answers({Q: FOUND}, terminal=True)
    answers(b)
    answers(Q)
    answers(b)
    assert list(answers.used) == [b, Q]
    assert answers.used[b].outcome is Outcome.NOT_RECORDED

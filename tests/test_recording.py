"""Recordings: written, read, edited by hand, hostile."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.lookup.exchange import ANSWER_OCTETS
from verify.lookup.recording import (
    LINE_OCTETS,
    Recording,
    RecordingError,
    RecordingWriter,
    bounded_lines,
    continue_recording,
    load_recording,
    read_recording,
)
from verify.lookup.wire import mx_data, name_text, target_data
from verify.model import Answer, Cause, Outcome, Question, replace

HEADER = b'{"mailverdict-dns": 1, "recorded_at": "2026-01-02T03:04:05Z", "resolver": "127.0.0.1:53"}\n'
AT = 1767323045
MX = (
    b'{"name":"d.example","type":"MX","outcome":"found","records":["10 mx1.d.example"],"ttl":3600,'
    b'"time":"2026-01-01T00:00:00Z","ad":false}\n'
)
TIMEOUT = (
    b'{"name":"x.example","type":"TXT","outcome":"temporary","cause":"timeout","records":[],"ttl":null,'
    b'"time":"2026-01-01T00:00:00Z","ad":false}\n'
)


def read(*lines):
    return read_recording([HEADER, *lines])


def written(answers, **options):
    file = io.BytesIO()
    writer = RecordingWriter(file, recorded_at=AT, resolver="127.0.0.1:53", **options)
    writer.write(answers)
    return file.getvalue()


def line(**changes):
    return json.dumps(json.loads(MX) | changes).encode()


# --- the format --------------------------------------------------------------------------------------


def test_the_lines_of_the_contract_are_read():
    recording = read(MX, TIMEOUT)
    mx, timeout = recording.answers.values()
    assert (recording.recorded_at, recording.resolver) == (AT, "127.0.0.1:53")
    assert mx == Answer(
        question=Question("d.example", "MX"),
        outcome=Outcome.FOUND,
        records=(b"10 mx1.d.example",),
        ttl=3600,
        observed_at=1767225600,
        recorded=True,
    )
    assert (timeout.outcome, timeout.cause, timeout.ttl) == (Outcome.TEMPORARY, Cause.TIMEOUT, None)


def test_what_is_written_is_the_contract_word_for_word():
    answers = read(MX, TIMEOUT).answers.values()
    assert written(answers).splitlines(keepends=True)[1:] == [MX, TIMEOUT]


def test_a_record_that_is_not_utf_8_is_written_as_base64_and_read_back():
    answer = Answer(question=Question("k.example", "TXT"), outcome=Outcome.FOUND, records=(b"\xff\x00", "ü".encode()))
    text = written([answer])
    assert b'"records":[{"b64":"/wA="},"\xc3\xbc"]' in text
    assert read_recording(text.splitlines()).answers[answer.question].records == answer.records


def test_control_and_invisible_characters_of_a_record_stand_as_escapes_in_the_file():
    octets = "\x1b[2J\x7f\x9b\u202e\U000e0001\u2028".encode()
    answer = Answer(question=Question("k.example", "TXT"), outcome=Outcome.FOUND, records=(octets,))
    text = written([answer])
    assert text.decode().replace("\n", "").isprintable()
    assert read_recording(text.splitlines()).answers[answer.question].records == (octets,)


def test_the_first_answer_stands_when_written_and_when_read():
    question = Question("a.example", "A")
    first = Answer(question=question, outcome=Outcome.FOUND, records=(b"192.0.2.1",))
    second = Answer(question=question, outcome=Outcome.NXDOMAIN)
    file = io.BytesIO()
    writer = RecordingWriter(file, recorded_at=AT, resolver="r")
    assert writer.use(first) is first
    assert writer.use(second) is first
    assert writer.standing(question) is first
    assert file.getvalue().count(b"\n") == 2
    lines = [
        line(name="a.example", type="A", records=["192.0.2.1"]),
        line(name="a.example", type="A", records=["192.0.2.2"]),
    ]
    assert read(*lines).answers[question].records == (b"192.0.2.1",)


def test_not_recorded_is_never_written_and_does_not_stand():
    question = Question("a.example", "A")
    missing = Answer(question=question, outcome=Outcome.NOT_RECORDED)
    file = io.BytesIO()
    writer = RecordingWriter(file, recorded_at=AT, resolver="r")
    assert writer.use(missing) is missing
    assert writer.standing(question) is None
    assert file.getvalue().count(b"\n") == 1


def test_unknown_keys_are_kept_through_reading_and_writing():
    header = HEADER.replace(b"}", b', "note": {"by": [1,\t2]}}')
    odd = MX.replace(b'"ad":false', b'"ad":false,"server":{"id":1e3},"note":"\\u001b"')
    recording = read_recording([header, odd])
    out = written(recording.answers.values(), known=recording)
    again = read_recording(out.splitlines(keepends=True))
    assert again.answers == recording.answers
    assert {k: json.loads(bytes(v)) for k, v in again.extra[Question("d.example", "MX")].items()} == {
        "server": {"id": 1e3},
        "note": "\x1b",
    }
    assert json.loads(bytes(again.header_extra["note"])) == {"by": [1, 2]}


def test_a_recording_edited_on_windows_is_read():
    lines = [b"\xef\xbb\xbf" + HEADER.replace(b"\n", b"\r\n"), b"\r\n", MX.replace(b"\n", b"\r\n")]
    assert list(read_recording(lines).answers) == [Question("d.example", "MX")]


def test_the_short_form_written_by_hand_is_read():
    recording = read_recording([b'{"mailverdict-dns":1}', b'{"name":"a.example","type":"A","outcome":"nxdomain"}'])
    (answer,) = recording.answers.values()
    assert (answer.outcome, answer.observed_at, answer.ttl) == (Outcome.NXDOMAIN, None, None)
    assert recording.recorded_at is None


def test_addresses_and_names_come_back_sorted_and_addresses_in_one_spelling():
    recording = read(line(type="AAAA", records=["2001:DB8:0::2", "2001:db8::1"]))
    (answer,) = recording.answers.values()
    assert answer.records == (b"2001:db8::1", b"2001:db8::2")
    recording = read(line(type="TXT", records=["b", "a"]))
    (answer,) = recording.answers.values()
    assert answer.records == (b"b", b"a")


def test_a_run_that_was_killed_within_a_line_is_continued_after_the_last_whole_line(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(HEADER + MX + TIMEOUT[:40])
    recording, writer, file = continue_recording(path)
    with file:
        assert list(recording.answers) == [Question("d.example", "MX")]
        writer.write(read(MX, TIMEOUT).answers.values())
    assert path.read_bytes() == HEADER + MX + TIMEOUT


def test_a_last_line_without_line_end_is_kept_when_it_is_whole(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(HEADER + MX.rstrip())
    _, writer, file = continue_recording(path)
    with file:
        writer.write(read(TIMEOUT).answers.values())
    assert path.read_bytes() == HEADER + MX + TIMEOUT


def test_a_wrong_line_in_the_middle_is_no_line_cut_short(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(HEADER + b"{\n" + MX)
    with pytest.raises(RecordingError, match=r"line 2: "):
        continue_recording(path)
    assert path.read_bytes() == HEADER + b"{\n" + MX


# --- attack 56: edited recordings ---------------------------------------------------------------------

B64_BIG = {"b64": "A" * 4 * (ANSWER_OCTETS // 3 + 1)}

WRONG = {
    "not JSON": (b"{", "truncated"),
    "not an object": (b"[1]", "object"),
    "an empty object": (b"{}", "name"),
    "not UTF-8": (MX.replace(b"mx1", b"\xff\xfe"), "line 3"),
    "an unknown key that is not UTF-8": (MX.replace(b"false", b'false,"k":"\xff"'), "utf-8"),
    "a lone surrogate": (MX.replace(b"mx1", b"\\ud800"), "line 3"),
    "deep nesting in an unknown key": (MX.replace(b"false", b'false,"k":' + b"[" * 100000 + b"]" * 100000), "line 3"),
    "deep nesting": (b"[" * 200000, "line 3"),
    "a name of upper case": (line(name="D.example"), "name"),
    "a name with final dot": (line(name="d.example."), "name"),
    "an empty name": (line(name=""), "name"),
    "a name with a control": (line(name="d\x1b[2J.example"), "name"),
    "a name with a line end": (line(name="d.example\n"), "name"),
    "a name with NUL": (line(name="d\0.example"), "name"),
    "a name with a backslash": (line(name="d\\046e.example"), "name"),
    "a name not in A-labels": (line(name="bücher.example"), "name"),
    "a name with an empty label": (line(name="d..example"), "name"),
    "a label of 64 octets": (line(name="a" * 64 + ".example"), "name"),
    "a name of 254 octets": (line(name=".".join(["a" * 49] * 5) + ".abcd"), "name"),
    "a name that is a number": (line(name=1), "name"),
    "an unknown type": (line(type="ANY"), "type"),
    "a lower-case type": (line(type="mx"), "type"),
    "an unknown outcome": (line(outcome="ok"), "outcome"),
    "not-recorded as an outcome": (line(outcome="not-recorded", records=[]), "outcome"),
    "found without records": (line(records=[]), "records"),
    "nodata with records": (line(outcome="nodata"), "records"),
    "temporary without cause": (line(outcome="temporary", records=[]), "cause"),
    "found with a cause": (line(cause="timeout"), "cause"),
    "an unknown cause": (line(outcome="temporary", records=[], cause="\x1b]0;x\x07"), "cause"),
    "records that are no list": (line(records="10 mx.example"), "records"),
    "a record that is null": (line(records=[None]), "records"),
    "a record of unknown form": (line(records=[{"hex": "00"}]), "records"),
    "bad base64": (line(records=[{"b64": "!"}]), "b64"),
    "records too large": (line(type="TXT", records=["a" * (ANSWER_OCTETS + 1)]), "records"),
    "base64 records too large": (line(type="TXT", records=[B64_BIG]), "records"),
    "a line too long": (b" " * LINE_OCTETS + MX, "longer"),
    "no address": (line(type="A", records=["192.0.2.256"]), "A record"),
    "an IPv6 address for A": (line(type="A", records=["2001:db8::1"]), "A record"),
    "an IPv4 address for AAAA": (line(type="AAAA", records=["192.0.2.1"]), "AAAA record"),
    "an address with zone": (line(type="AAAA", records=["fe80::1%eth0"]), "AAAA record"),
    "an MX without preference": (line(records=["mx.example"]), "MX record"),
    "an MX with a huge preference": (line(records=["9" * 5000 + " mx.example"]), "MX record"),
    "an MX with two names": (line(records=["10 mx.example mx2.example"]), "MX record"),
    "a PTR with a line end": (line(type="PTR", records=["a.example\r\nX: y"]), "PTR record"),
    "a TTL below zero": (line(ttl=-1), "ttl"),
    "a TTL that is no number": (line(ttl="1"), "ttl"),
    "a huge TTL": (line(ttl=10**40), "ttl"),
    "a time without zone": (line(time="2026-01-01T00:00:00"), "time"),
    "a time that is none": (line(time="yesterday"), "time"),
    "a time before 1970": (line(time="1969-12-31T23:59:59Z"), "time"),
    "a time before the year 1 in UTC": (line(time="0001-01-01T00:00:00+10:00"), "time"),
    "an ad that is no truth value": (line(ad=1), "ad"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_is_an_error_that_names_the_line_and_says_why_in_one_printable_line(case):
    text, why = WRONG[case]
    with pytest.raises(RecordingError) as caught:
        read(TIMEOUT, text, MX)
    assert caught.value.line == 3
    assert str(caught.value).startswith("line 3: ")
    assert why in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (b"", "header"),
        (MX, "header"),
        (b"From a@example Thu Jan  1 00:00:00 2026\n", "header"),
        (b'{"mailverdict-dns": 2}', "version 2"),
        (b'{"mailverdict-dns": "1"}', "mailverdict-dns"),
        (b'["mailverdict-dns"]', "object"),
        (b'{"mailverdict-dns": 1, "resolver": "\\u001b[2J"}', "resolver"),
        (b'{"mailverdict-dns": 1, "resolver": 5}', "resolver"),
        (b'{"mailverdict-dns": 1, "recorded_at": "2026-01-01"}', "recorded_at"),
    ],
)
def test_a_first_line_that_is_no_header_is_an_error(header, why):
    with pytest.raises(RecordingError, match=why) as caught:
        read_recording([header, MX])
    assert caught.value.line == 1


def test_an_empty_file_is_an_error():
    with pytest.raises(RecordingError, match="line 1: empty"):
        read_recording([])


def test_a_file_of_one_endless_line_is_not_read_into_memory(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(HEADER + b" " * (4 * LINE_OCTETS))
    with path.open("rb") as file:
        assert max(map(len, bounded_lines(file))) == LINE_OCTETS + 1
    with pytest.raises(RecordingError, match="line 2: longer"):
        load_recording(path)


# --- properties -----------------------------------------------------------------------------------------

labels = st.text("abcz09_-+=@&' \"<", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=6).map(".".join)
RECORDS = {
    "TXT": st.binary(max_size=80) | st.text(max_size=40).map(str.encode),
    "A": st.ip_addresses(v=4).map(lambda a: str(a).encode()),
    "AAAA": st.ip_addresses(v=6).map(lambda a: str(a).encode()),
    "PTR": names.map(target_data),
    "MX": st.tuples(st.integers(0, 65535), names).map(lambda p: mx_data(*p)),
}


@st.composite
def answers(draw):
    rdtype = draw(st.sampled_from(sorted(RECORDS)))
    outcome = draw(st.sampled_from([Outcome.FOUND, Outcome.NODATA, Outcome.NXDOMAIN, Outcome.TEMPORARY]))
    records = draw(st.lists(RECORDS[rdtype], min_size=1, max_size=4)) if outcome is Outcome.FOUND else []
    return Answer(
        question=Question(draw(names), rdtype),
        outcome=outcome,
        cause=draw(st.sampled_from(Cause)) if outcome is Outcome.TEMPORARY else None,
        records=tuple(records if rdtype == "TXT" else sorted(records)),
        ttl=draw(st.none() | st.integers(0, 2**31 - 1)),
        observed_at=draw(st.none() | st.integers(0, 253402300799)),
        ad=draw(st.booleans()),
        recorded=True,
    )


@given(st.lists(answers(), max_size=5))
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back_the_same(given_answers):
    first = {}
    for answer in given_answers:
        first.setdefault(answer.question, answer)
    text = written([replace(answer, recorded=False) for answer in given_answers])
    recording = read_recording(text.splitlines(keepends=True))
    assert recording == Recording(answers=first, recorded_at=AT, resolver="127.0.0.1:53")
    assert list(recording.answers) == list(first)


@given(st.lists(st.binary(min_size=1, max_size=62), min_size=1, max_size=4))
def test_any_name_that_the_dns_can_give_is_recorded(labels):
    name = target_data(name_text(labels))
    for rdtype, record in (("PTR", name), ("MX", b"10 " + name), ("MX", b"0 .")):
        answer = Answer(question=Question("a.example", rdtype), outcome=Outcome.FOUND, records=(record,))
        recording = read_recording(written([answer]).splitlines())
        assert recording.answers[answer.question].records == (record,)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_edit_gives_a_recording_or_an_error_with_its_line(data):
    text = bytearray(HEADER + MX + TIMEOUT)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    recording = problem = None
    try:
        recording = read_recording(bytes(text).splitlines(keepends=True))
    except RecordingError as error:
        problem = error
    if recording is None:
        assert problem.line >= 1
        assert str(problem).isprintable()
    else:
        again = read_recording(written(recording.answers.values(), known=recording).splitlines())
        assert again.answers == recording.answers


def lines_of_many(count):
    """A recording with as many names."""
    return [HEADER, *(MX.replace(b"d.example", b"d%d.example" % i, 1) for i in range(count))]


def test_twenty_thousand_lines_are_as_many_answers():
    assert len(read_recording(lines_of_many(20_000)).answers) == 20_000

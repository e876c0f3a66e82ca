"""The recording reader: any file is a recording or an error in one printable line; what is read, written, reads back.

Every question in it has a name that may be asked, and no answer is ``not-recorded``.
"""

from io import BytesIO

from verify.grammar.names import query_name
from verify.lookup.recording import RecordingError, RecordingWriter, bounded_lines, read_recording
from verify.model import Outcome

HEADER = b'{"mailverdict-dns": 1, "recorded_at": "2026-01-02T10:04:05Z", "resolver": "x"}\n'
LINE = b'{"name":"d.example","type":"TXT","outcome":"found","records":["v=spf1 -all"],"ttl":60,"time":"2026-01-02T10:04:05Z","ad":false}\n'
PIECES = (
    HEADER, LINE, LINE.replace(b'"TXT"', b'"MX"').replace(b"v=spf1 -all", b"10 mx.d.example"), b'{"name":', b'"d.example"', b',"type":', b'"A"',
    b'"records":[', b'"192.0.2.1"', b"]", b"}", b"\n", b"\r\n", b'"outcome":"temporary","cause":"timeout"', b"null", b"1e999", b'{"b64":"AAAA"}',
    b"\0", b"\xff", b"\\ud800", b"\\u001b", b"[" * 50, b'"ttl":-1', b",", b":", b'"', b" ", b"true",
)  # fmt: skip


def check_message(text: str) -> None:
    assert text.isprintable(), text


def check(octets: bytes) -> None:
    for text in (octets, HEADER + octets):
        try:
            recording = read_recording(bounded_lines(BytesIO(text)))
        except RecordingError as error:
            check_message(str(error))
            continue
        for question, answer in recording.answers.items():
            assert query_name(question.name) == question.name
            assert answer.outcome is not Outcome.NOT_RECORDED
        written = BytesIO()
        writer = RecordingWriter(written, recorded_at=recording.recorded_at or 0, resolver=recording.resolver)
        writer.write(recording.answers.values())
        written.seek(0)
        again = read_recording(bounded_lines(written))
        assert set(again.answers) == set(recording.answers)

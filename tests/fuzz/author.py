"""The author: any From field gives one domain or one problem, never both, and a domain only where every reading has it.

With a second From field there is never a domain.  No reading holds a control character.
"""

from verify.model import Limits, Reason
from verify.reading.author import read_author, receiver_lookalikes
from verify.reading.message import parse_message

PIECES = (
    b"a@legit.example", b"<b@attack.example>", b"<", b">", b",", b";", b":", b"@", b'"', b"\\", b"(", b")", b"[", b"]",
    b"=?utf-8?B?PGNAbGVnaXQuZXhhbXBsZT4=?=", b"=?utf-8?Q?d=40legit.example?=", b"=?", b"?=", b" ", b"\t", b"\r\n ",
    b"\r", b"\0", b"\x01", b"\x7f", b"\xc3\xa9", b"\xff", "\u202e".encode(), "\u200b".encode(), b"Boss", b"r.example",
    b"\r\nFrom: x@attack.example", b"\r\n From: y@legit.example", b"xn--bcher-kva.example", b".", b"..",
)  # fmt: skip
LIMITS = Limits(author_readings=3, comment_depth=2)
OWN = frozenset(("r.example", "mx.r.example"))


def check(octets: bytes) -> None:
    message = parse_message(b"From: " + octets + b"\r\nTo: u@r.example\r\n\r\n")
    twice = parse_message(b"From: z@third.example\r\nfrom: " + octets + b"\r\n\r\n")
    for limits in (Limits(), LIMITS):
        author, anomalies = read_author(message, limits)
        assert (author.domain is None) == (author.problem is not None)
        assert len(author.readings) <= limits.author_readings
        if author.domain is not None:
            assert {reading.domain for reading in author.readings} == {author.domain}
        if author.problem is Reason.LIMIT:
            assert any(a.code == "limit-hit" for a in anomalies)
        for reading in author.readings:
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in reading.address)
        list(receiver_lookalikes(message, author, OWN, limits))
        assert read_author(twice, limits)[0].domain is None

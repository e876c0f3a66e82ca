"""The header splitter: any octets give a message whose fields, put together, are the header block as it stood.

Fields are numbered without gaps, their keys are lower case, nothing of the header is in two fields or lost unless a
limit is named, and the body is a suffix of the text.
"""

from verify.model import Limits
from verify.reading.message import holds_message, parse_message

PIECES = (
    b"From: a@legit.example\r\n", b"From : b\r\n", b"From\r\n : c\r\n", b" From: d\r\n", b"\r\n", b"\n", b"\r", b"\t",
    b": ", b"Subject: x", b"Received: y\r\n", b"\r\n\r\n", b"\n\n", b"\0", b"\xff", b"\r\n.\r\n", b"\n.\n", b"X" * 70,
)  # fmt: skip
LIMITS = Limits(header_octets=2000, header_fields=30, line_octets=300)


def check(octets: bytes) -> None:
    for limits in (Limits(), LIMITS):
        message = parse_message(octets, None, limits)
        text = octets.replace(b"\n", b"\r\n") if b"\n" in octets and b"\r\n" not in octets else octets
        block = b"".join(field.raw for field in message.fields)
        assert text.startswith(block)
        assert text.endswith(message.body)
        assert len(block) + len(message.body) <= len(text)
        if not message.limits_hit:
            assert len(text) - len(block) - len(message.body) <= 2
        indexes = [field.index for field in message.fields]
        assert indexes == sorted(set(indexes))
        for field in message.fields:
            assert field.key == field.name.lower()
            assert not field.key or b":" in field.raw
        assert {a.detail for a in message.anomalies if a.code == "limit-hit"} == set(message.limits_hit)
        holds_message(message)

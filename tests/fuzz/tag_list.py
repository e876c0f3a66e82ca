"""Tag lists: any octets give tags and defects; without a defect the list, written again, reads back the same.

A signature read from them that has no problem names a key at a host name, has From among its names, and a number in
every tag of numbers.
"""

from verify.checks.signature import DKIM, MESSAGE_SIGNATURE, SEAL, parse_signature
from verify.grammar.names import domain_name
from verify.grammar.taglist import parse_tag_list

PIECES = (
    b"v=1; ", b"a=rsa-sha256; ", b"a=ed25519-sha256;", b"d=legit.example; ", b"s=s1; ", b"h=from:to; ", b"bh=YQ==; ", b"b=YQ==; ",
    b"c=relaxed/simple; ", b"i=@legit.example; ", b"l=5; ", b"t=1; ", b"x=2; ", b"cv=none; ", b"i=1; ", b"q=dns/txt; ", b";", b"=", b" ",
    b"\r\n ", b"\r\n", b"\r", b"\0", b"\xff", b"\xc3\xa9", b"9" * 13, b":", b"/", b".", b"@", b"z", b"\t", b"from", b"A",
)  # fmt: skip
MOST = 2000


def check(octets: bytes) -> None:
    for utf8 in (False, True):
        read = parse_tag_list(octets, MOST, utf8=utf8)
        assert set(read.order) == set(read.tags)
        if not read.defects:
            again = b"; ".join(name.encode() + b"=" + read.tags[name] for name in read.order)
            assert parse_tag_list(again, MOST, utf8=utf8) == read
    for kind in (DKIM, MESSAGE_SIGNATURE, SEAL):
        signature = parse_signature(octets, kind, MOST, 5)
        if signature.problem is not None:
            continue
        assert signature.domain == domain_name(signature.domain or "")
        assert signature.question is not None
        assert domain_name(signature.question.name) == signature.question.name
        assert signature.signature
        assert kind is SEAL or b"from" in signature.names
        assert signature.length is None or signature.length >= 0

"""The reader of recorded results: any value is read or None; methods, words and property names are keywords.

What is read stays within its limits, and the id that a filter compares is found whenever the field can be read.
"""

import re

from verify.grammar.results import claimed_authserv_id, parse_received_spf, parse_results
from verify.model import Limits
from verify.reading.recorded import same_id

PIECES = (
    b"mx.r.example", b"; ", b"dkim=pass ", b"spf=fail ", b"dmarc=none ", b"header.d=legit.example ", b"smtp.mailfrom=<a@b.example> ",
    b'"', b"(", b")", b"\\", b"=", b"/1", b" 1", b"none", b"i=1; ", b"reason=", b"policy.", b".", b" ", b"\r\n ", b"\r", b"\n",
    b"\0", b"\xff", b"=?utf-8?B?", b"?=", b"pass (", b"client-ip=192.0.2.1; ", b"receiver=mx.r.example; ", b"identity=mailfrom; ", b",", b"@", b"\t",
)  # fmt: skip
WORD = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
LIMITS = Limits(recorded_results=2, comment_depth=2)


def check(octets: bytes) -> None:
    for limits in (Limits(), LIMITS):
        parsed = parse_results(octets, limits)
        claimed = claimed_authserv_id(octets, limits)
        if parsed is not None:
            assert len(parsed.results) <= limits.recorded_results
            if parsed.authserv_id is not None:
                assert same_id(claimed) == same_id(parsed.authserv_id)
            for result in parsed.results:
                assert WORD.match(result.method)
                assert WORD.match(result.result)
                for value in result.properties.values():
                    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in value)
        spf = parse_received_spf(octets, limits)
        assert spf is None or WORD.match(spf.result)
        same_id(claimed)

"""The Received parser: any octets give a hop; its address is an address, and its texts hold no control character."""

from ipaddress import ip_address

from verify.reading.received import is_encrypted, is_local, parse_received, protocol

PIECES = (
    b"from ", b"by ", b"with ESMTPS ", b"id 1 ", b"for <u@r.example> ", b"via ", b"(", b")", b"[192.0.2.1]", b"[IPv6:2001:db8::1]",
    b"mx.r.example ", b"(mail.s.example [192.0.2.1]) ", b"(HELO x) ", b"(helo=[10.0.0.1] port=25) ", b"; ", b"Fri, 02 Jan 2026 10:04:05 +0000",
    b"(envelope-from <a@b.example>) ", b"(Authenticated sender: u) ", b"(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) ",
    b"\\", b'"', b"<", b">", b"::1", b"unknown ", b"\r\n\t", b"\0", b"\xff", b"%", b",", b"=", b"by uid 5 ", b"claiming to be ",
)  # fmt: skip


def check(octets: bytes) -> None:
    hop = parse_received(octets, 3, 7)
    assert (hop.index, hop.field_index) == (3, 7)
    if hop.from_ip is not None:
        assert str(ip_address(hop.from_ip)) == hop.from_ip
    for text in (
        hop.from_helo,
        hop.from_name,
        hop.by,
        hop.with_,
        hop.id,
        hop.for_,
        hop.via,
        hop.auth_user,
        hop.raw,
        hop.envelope_from,
    ):
        assert text is None or not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text)
    assert parse_received(octets, 3, 7) == hop
    protocol(hop.with_)
    is_encrypted(hop)
    is_local(hop)

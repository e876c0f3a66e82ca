"""Replies that are out of the ordinary, read by dnspython; and the oracle of the tests for our own reader.

Imported when the first such reply comes, since dnspython takes its time to load.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

import dns.message
import dns.rdatatype

from verify.lookup.wire import AD, Record, Reply, mx_data, name_text, target_data


def read(message: bytes) -> Reply | None:
    """What the reply says, None when it is no DNS message; octets after its end are passed over.

    Records of the answer section of types that nobody asks for are left out.
    """
    try:
        return _reply(dns.message.from_wire(message, one_rr_per_rrset=True, ignore_trailing=True))
    except Exception:  # noqa: BLE001 - the one place around dnspython's reader: hostile octets are never our error
        return None


def _reply(message: dns.message.Message) -> Reply:
    records = []
    for rrset in message.answer:
        if rrset.rdclass == 1 and rrset.rdtype in _DATA:
            data = _DATA[rrset.rdtype](rrset[0])
            records.append(Record(name_text(rrset.name.labels), int(rrset.rdtype), rrset.ttl, data))
    negative_ttl = negative_zone = None
    name_servers = False
    for rrset in message.authority:
        name_servers = name_servers or rrset.rdtype == dns.rdatatype.NS
        if rrset.rdtype == dns.rdatatype.SOA and rrset.rdclass == 1:
            negative_ttl = min(rrset.ttl, rrset[0].minimum)
            negative_zone = name_text(rrset.name.labels)
    return Reply(
        rcode=int(message.rcode()),
        ad=bool(message.flags & AD),
        records=tuple(records),
        negative_ttl=negative_ttl,
        negative_zone=negative_zone,
        referral=name_servers and negative_zone is None and not message.answer,
    )


_DATA: dict[int, Callable[[Any], bytes]] = {
    1: lambda rdata: str(rdata.address).encode("ascii"),
    5: lambda rdata: name_text(rdata.target.labels).encode("ascii"),
    12: lambda rdata: target_data(name_text(rdata.target.labels)),
    15: lambda rdata: mx_data(rdata.preference, name_text(rdata.exchange.labels)),
    16: lambda rdata: b"".join(rdata.strings),
    28: lambda rdata: str(IPv6Address(rdata.address)).encode("ascii"),
}

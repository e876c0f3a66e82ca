"""Messages on the wire: ours against dnspython's, and what cannot be read."""

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.lookup import dnspython, wire
from verify.lookup.wire import RDTYPES, Record, name_text, query, question_part, read, read_plain

SOA = "ns.example. hostmaster.example. 1 7200 900 1209600 60"


# --- queries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rdtype", RDTYPES)
@pytest.mark.parametrize("edns", [True, False])
def test_a_query_is_what_dnspython_would_send(rdtype, edns):
    options = {"use_edns": 0, "payload": 1232} if edns else {"use_edns": False}
    theirs = dns.message.make_query("a._x.example.", rdtype, id=513, **options)
    theirs.flags |= dns.flags.AD
    assert query(question_part("a._x.example", rdtype), 513, edns) == theirs.to_wire()


@given(st.lists(st.text("az0_-+=&@' \";<", min_size=1, max_size=30), min_size=1, max_size=5))
def test_a_name_is_asked_for_label_by_label(labels):
    sent = dns.message.from_wire(query(question_part(".".join(labels), "TXT"), 1))
    assert sent.question[0].name.labels == (*(label.encode() for label in labels), b"")


# --- replies ------------------------------------------------------------------------------------------

plain_labels = st.binary(min_size=1, max_size=12).map(lambda b: bytes(b"abcXYZ019_-"[octet % 11] for octet in b))
names = st.lists(plain_labels | st.binary(min_size=1, max_size=20), max_size=4).map(
    lambda ls: dns.name.Name([*ls, b""])
)


def octets_of(name):
    return name.to_wire()


DATA = {
    "A": st.binary(min_size=4, max_size=4),
    "AAAA": st.binary(min_size=16, max_size=16),
    "MX": st.tuples(st.binary(min_size=2, max_size=2), names.map(octets_of)).map(b"".join),
    "PTR": names.map(octets_of),
    "CNAME": names.map(octets_of),
    "TXT": st.lists(st.binary(max_size=40), min_size=1, max_size=3).map(
        lambda ps: b"".join(bytes([len(p)]) + p for p in ps)
    ),
}
COMMON = [dns.name.from_text(text) for text in ("a.example.", "b.a.example.", "example.", ".", "EXAMPLE.")]


@st.composite
def replies(draw):
    """A reply as dnspython writes it, names compressed."""
    rdtype = draw(st.sampled_from(sorted(DATA)))
    message = dns.message.make_query(draw(names | st.sampled_from(COMMON)), rdtype)
    if not draw(st.booleans()):
        message.use_edns(-1)
    reply = dns.message.make_response(message)
    reply.set_rcode(draw(st.sampled_from([0, 0, 2, 3, 5])))
    if draw(st.booleans()):
        reply.flags |= dns.flags.AD
    owners = st.sampled_from([message.question[0].name, *COMMON])
    ttls = st.integers(0, 2**31 - 1)
    for kind in draw(st.lists(st.sampled_from([rdtype, rdtype, "CNAME"]), max_size=4)):
        octets = draw(DATA[kind])
        rrset = dns.rrset.RRset(draw(owners), 1, dns.rdatatype.from_text(kind))
        rrset.add(dns.rdata.from_wire("IN", kind, octets, 0, len(octets)), draw(ttls))
        reply.answer.append(rrset)
    for kind, text in draw(st.lists(st.sampled_from([("SOA", SOA), ("NS", "ns.a.example.")]), max_size=2)):
        reply.authority.append(dns.rrset.from_text(draw(owners), draw(ttls), "IN", kind, text))
    if draw(st.booleans()):
        reply.additional.append(dns.rrset.from_text("ns.a.example.", 5, "IN", "A", "192.0.2.1"))
    return reply.to_wire(max_size=65535)


@given(replies())
@settings(max_examples=300, deadline=None)
def test_a_plain_reply_is_read_as_dnspython_reads_it(message):
    reply = read_plain(message)
    assert reply is not None
    assert reply == dnspython.read(message)


@given(replies(), st.data())
@settings(max_examples=1500, deadline=None)
def test_no_damaged_reply_is_read_otherwise_than_by_dnspython(message, data):
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        match data.draw(st.sampled_from(["set", "cut", "add", "pointer"])):
            case "set":
                damaged[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del damaged[at : at + data.draw(st.integers(1, 4))]
            case "add":
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=3))
            case "pointer":
                damaged[at : at + 2] = (0xC000 | data.draw(st.integers(0, len(message)))).to_bytes(2, "big")
    reply = read_plain(bytes(damaged))
    assert reply is None or reply == dnspython.read(bytes(damaged))


@given(
    st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: b"\0\1\x81\x80\0\1\0\1\0\0\0\0\1a\0\0\1\0\1" + b)
)
@settings(max_examples=300, deadline=None)
def test_any_octets_are_a_reply_or_none(message):
    plain, whole = read_plain(message), read(message)
    assert plain is None or plain == whole == dnspython.read(message)


HEAD = b"\0\1\x81\x80\0\1\0\1\0\0\0\0" + question_part("a.example", "MX")


def with_answer(rdtype, data, owner=b"\xc0\x0c"):
    return HEAD + owner + RDTYPES[rdtype].to_bytes(2, "big") + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data


@pytest.mark.parametrize(
    "data",
    [
        b"\0\x0a" + (len(HEAD) + 14).to_bytes(2, "big"),  # no pointer at all, a label of noise
        b"\0\x0a\xc0" + bytes([len(HEAD) + 14]),  # a pointer to itself
        b"\0\x0a\x01x\xc0" + bytes([len(HEAD) + 14]),  # a name that comes back to its own begin
        b"\0\x0a\xc0\xff",  # forwards
        b"\0\x0a\x41x\0",  # a label type that does not exist
        b"\0\x0a\x01x",  # no end
        b"\0\x0a\x01x\0\0",  # octets after the name
        b"\0",
        b"",
    ],
)
def test_a_broken_name_is_no_record(data):
    assert read_plain(with_answer("MX", data)) is None
    assert read(with_answer("MX", data)) is None


def test_a_name_of_255_octets_is_read_and_a_longer_one_refused():
    labels = b"\x3f" + b"a" * 63
    text = with_answer("PTR", labels * 4 + b"\0")
    assert read(text) is None
    text = with_answer("PTR", labels * 3 + b"\x3c" + b"a" * 60 + b"\0")
    assert len(read(text).records[0].data) == 252


def test_a_record_may_be_empty_text_and_carry_any_octet():
    assert read_plain(with_answer("TXT", b"\0")).records == (Record("a.example", 16, 60, b""),)
    assert read_plain(with_answer("TXT", b"\x02\0\xff\x01;")).records[0].data == b"\0\xff;"


def test_a_ttl_with_its_first_bit_set_is_none():
    message = with_answer("TXT", b"\0").replace(b"\0\0\0\x3c", b"\x80\0\0\x3c")
    assert read_plain(message).records[0].ttl == dnspython.read(message).records[0].ttl == 0


def test_two_cnames_at_one_name_are_both_seen():
    data = b"\x01b\0"
    record = with_answer("CNAME", data)[len(HEAD) :]
    other = record.replace(b"\x01b\0", b"\x01c\0")
    message = bytearray(HEAD + record + other)
    message[7] = 2
    for reader in (read_plain, dnspython.read):
        assert [r.data for r in reader(bytes(message)).records] == [b"b", b"c"]


def test_an_extended_code_is_not_taken_for_success():
    badvers = dns.message.make_response(dns.message.make_query("a.example", "A", use_edns=0))
    badvers.set_rcode(16)
    assert read_plain(badvers.to_wire()) is None
    assert read(badvers.to_wire()).rcode == 16


@given(st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=3))
def test_no_two_names_read_alike_but_for_case(labels):
    text = name_text(labels)
    assert text.isprintable()
    assert text == text.lower()
    back = dns.name.from_text(text.replace("@", "\\@") if text == "@" else text, None).labels
    assert [label.lower() for label in back] == [label.lower() for label in labels]


def test_the_plain_reader_serves_what_an_unspectacular_server_sends(monkeypatch):
    reply = dns.message.make_response(dns.message.make_query("a.example", "TXT", use_edns=0))
    reply.answer.append(dns.rrset.from_text("a.example.", 5, "IN", "TXT", '"one"'))
    monkeypatch.setattr(dnspython, "read", None)
    assert wire.read(reply.to_wire()).records == (Record("a.example", 16, 5, b"one"),)

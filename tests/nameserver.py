"""A name server on loopback, in this process, that does as it is told: a fake of the network for tests.

    with NameServer({("a.example", "A"): ["192.0.2.1"]}, {"slow.example": Behaviour.TIMEOUT}) as server:
        LiveResolver([server.address])

Records are presentation text as dnspython reads it; TXT may be ``bytes``, which are split into strings of 255 octets.
A name that does not exist gets NXDOMAIN, one that has other types or names below it gets no data, both with the SOA of
``zone``.  ``*.name`` is a wildcard.  CNAMEs are followed as a recursive resolver does it, unless ``chase`` is False.
"""

import socket
import threading
import time
from enum import Enum, auto

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL = 300
NEGATIVE_TTL = 60


class Behaviour(Enum):
    """What is done with a question instead of an honest answer."""

    TIMEOUT = auto()  # no reply at all
    SERVFAIL = auto()
    REFUSED = auto()
    NOTIMP = auto()
    FORMERR_FOR_EDNS = auto()  # as servers older than EDNS: a bare header with FORMERR
    TRUNCATED = auto()  # TC over UDP, the answer over TCP
    TRUNCATED_ALWAYS = auto()  # TC over TCP too
    NO_TCP = auto()  # TC over UDP, and the connection is closed
    SPLIT_TCP = auto()  # TC over UDP, the answer over TCP octet by octet
    SLOW_TCP = auto()  # TC over UDP, the answer over TCP after ``slow`` seconds
    WRONG_ID = auto()  # only a reply with another id
    WRONG_ID_FIRST = auto()  # a forged reply with another id, then the honest one
    WRONG_QUESTION = auto()  # only a reply to another question
    WRONG_QUESTION_FIRST = auto()
    NOT_A_REPLY = auto()  # the query itself comes back
    LYING = auto()  # an answer whose records belong to another name
    GARBAGE = auto()  # our header and question, then noise
    SHORT = auto()  # three octets
    FLOOD = auto()  # a hundred forged replies, then the honest one
    SLOW = auto()  # the honest answer after ``slow`` seconds
    SECOND_TRY = auto()  # only the second packet is answered
    BARE_CNAME = auto()  # CNAME without its target, whatever is known of it
    REFERRAL = auto()  # names other servers, as a server does that does not recurse
    UPPER_CASE = auto()  # names in upper case
    AUTHENTIC = auto()  # sets the AD bit


_FORGED = "203.0.113.66"


class NameServer:
    """``queries``: (name, type, "udp" or "tcp") as they came in."""

    def __init__(self, records=None, behaviour=None, *, zone="example", chase=True, slow=0.3, host="127.0.0.1", port=0):
        self.records = dict(records or {})
        self.behaviour = dict(behaviour or {})
        self.zone = dns.name.from_text(zone)
        self.chase = chase
        self.slow = slow
        self.queries = []
        self._host = host
        self._wanted = port  # 0: any
        self._seen = {}
        self._timers = []
        self._threads = []
        self._stop = threading.Event()

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        for _ in range(20):  # until a port is free for both
            self._udp = socket.socket(family, socket.SOCK_DGRAM)
            self._udp.bind((self._host, self._wanted))
            self.port = self._udp.getsockname()[1]
            self._tcp = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._tcp.bind((self._host, self.port))
            except OSError:
                self._udp.close()
                self._tcp.close()
                continue
            break
        self._udp.settimeout(0.05)
        self._tcp.settimeout(0.05)
        self._tcp.listen(50)
        for work in (self._serve_udp, self._serve_tcp):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads + self._timers:
            thread.join()
        self._udp.close()
        self._tcp.close()

    @property
    def address(self):
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    # -- carrying --------------------------------------------------------------------------------------

    def _serve_udp(self):
        while not self._stop.is_set():
            try:
                octets, peer = self._udp.recvfrom(65535)
            except TimeoutError:
                continue
            query = dns.message.from_wire(octets)
            for reply in self._replies(query, octets, "udp"):
                self._udp.sendto(reply, peer)
            if self._does(query) is Behaviour.SLOW:
                timer = threading.Timer(self.slow, self._udp.sendto, [self.honest(query).to_wire(max_size=65535), peer])
                timer.start()
                self._timers.append(timer)

    def _serve_tcp(self):
        while not self._stop.is_set():
            try:
                connection, _ = self._tcp.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(1)
                octets = connection.recv(65535)
                query = dns.message.from_wire(octets[2:])
                does = self._does(query)
                if does is Behaviour.NO_TCP:
                    continue
                if does is Behaviour.SLOW_TCP:
                    self._stop.wait(self.slow)
                for reply in self._replies(query, octets[2:], "tcp"):
                    framed = len(reply).to_bytes(2, "big") + reply
                    step = 1 if does is Behaviour.SPLIT_TCP else len(framed)
                    for start in range(0, len(framed), step):
                        connection.sendall(framed[start : start + step])
                        time.sleep(0.001)

    # -- answering -------------------------------------------------------------------------------------

    def _does(self, query):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        return self.behaviour.get((name, dns.rdatatype.to_text(question.rdtype)), self.behaviour.get(name))

    def _replies(self, query, octets, protocol):
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        rdtype = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((name, rdtype, protocol))
        does = self._does(query)
        honest = self.honest(query)
        wire = honest.to_wire(max_size=65535)
        if protocol == "udp" and len(wire) > 1232:
            does = Behaviour.TRUNCATED
        match does:
            case Behaviour.TIMEOUT | Behaviour.SLOW:
                return []
            case Behaviour.SERVFAIL | Behaviour.REFUSED | Behaviour.NOTIMP:
                reply = dns.message.make_response(query)
                reply.set_rcode(dns.rcode.from_text(does.name))
                return [reply.to_wire(max_size=65535)]
            case Behaviour.FORMERR_FOR_EDNS if query.edns >= 0:
                return [octets[:2] + b"\x81\x81" + bytes(8)]
            case Behaviour.TRUNCATED | Behaviour.NO_TCP | Behaviour.SPLIT_TCP | Behaviour.SLOW_TCP if protocol == "udp":
                return [_truncated(wire)]
            case Behaviour.TRUNCATED_ALWAYS:
                return [_truncated(wire)]
            case Behaviour.WRONG_ID:
                return [_other_id(self._forged(query, name))]
            case Behaviour.WRONG_ID_FIRST:
                return [_other_id(self._forged(query, name)), wire]
            case Behaviour.FLOOD:
                return [_other_id(self._forged(query, name))] * 100 + [wire]
            case Behaviour.WRONG_QUESTION:
                return [self._forged(query, "other." + name)]
            case Behaviour.WRONG_QUESTION_FIRST:
                return [self._forged(query, "other." + name), wire]
            case Behaviour.NOT_A_REPLY:
                return [octets]
            case Behaviour.LYING:
                return [_with_owner(query, "other." + name)]
            case Behaviour.GARBAGE:
                return [wire[:2] + b"\x81\x80\x00\x01\x00\x07\x00\x00\x00\x00" + octets[12:-11] + b"\xc0\xff\x3f" * 9]
            case Behaviour.SHORT:
                return [wire[:3]]
            case Behaviour.SECOND_TRY:
                self._seen[name] = self._seen.get(name, 0) + 1
                return [wire] if self._seen[name] > 1 else []
            case Behaviour.REFERRAL:
                reply = dns.message.make_response(query)
                reply.flags &= ~dns.flags.RA
                reply.authority = [dns.rrset.from_text(self.zone, TTL, "IN", "NS", "ns.example.")]
                return [reply.to_wire(max_size=65535)]
            case Behaviour.UPPER_CASE:
                wire = wire.replace(name.split(".")[0].encode(), name.split(".")[0].upper().encode())
                return [wire]
            case Behaviour.AUTHENTIC:
                honest.flags |= dns.flags.AD
                return [honest.to_wire(max_size=65535)]
        return [wire]

    def _forged(self, query, name):
        """A reply to a question for that name, with the id of the query."""
        forged = dns.message.make_query(name, query.question[0].rdtype, id=query.id)
        return _with_owner(forged, name)

    def honest(self, query):
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        question = query.question[0]
        name, links = question.name, 0
        while True:
            text = name.to_text(omit_final_dot=True).lower()
            target = self._find(text, "CNAME")
            if not target or question.rdtype == dns.rdatatype.CNAME:
                break
            reply.answer.append(_rrset(name, "CNAME", target))
            name, links = dns.name.from_text(str(target[0])), links + 1
            if links > 20 or not self.chase or self._does(query) is Behaviour.BARE_CNAME:
                return reply
        records = self._find(text, dns.rdatatype.to_text(question.rdtype))
        if records:
            reply.answer.append(_rrset(name, dns.rdatatype.to_text(question.rdtype), records))
            return reply
        soa = f"ns.example. hostmaster.example. 1 7200 900 1209600 {NEGATIVE_TTL}"
        zone = self.zone if name.is_subdomain(self.zone) else dns.name.root
        reply.authority.append(dns.rrset.from_text(zone, TTL, "IN", "SOA", soa))
        if not self._exists(text):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

    def _find(self, name, rdtype):
        if any(owner == name for owner, _ in self.records):
            return self.records.get((name, rdtype))
        labels = name.split(".")
        for i in range(1, len(labels)):
            parent = ".".join(labels[i:])
            if any(owner == "*." + parent for owner, _ in self.records):
                return self.records.get(("*." + parent, rdtype))
            if self._stands(parent):
                return None
        return None

    def _stands(self, name):
        return any(owner == name or owner.endswith("." + name) for owner, _ in self.records)

    def _exists(self, name):
        if self._stands(name):
            return True
        parents = ["*." + ".".join(name.split(".")[i:]) for i in range(1, name.count(".") + 1)]
        return any(owner in parents for owner, _ in self.records)


def _rrset(name, rdtype, records):
    rrset = dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.from_text(rdtype))
    for record in records:
        if isinstance(record, bytes):
            parts = [record[i : i + 255] for i in range(0, len(record), 255)] or [b""]
            octets = b"".join(bytes([len(part)]) + part for part in parts)
            rdata = dns.rdata.from_wire("IN", "TXT", octets, 0, len(octets))
        else:
            rdata = dns.rdata.from_text("IN", rdtype, record, origin=dns.name.root, relativize=False)
        rrset.add(rdata, TTL)
    return rrset


def _truncated(wire):
    """The header and question with TC, cut in the middle of the answer."""
    return wire[:2] + bytes([wire[2] | 0x02]) + wire[3:40]


def _other_id(wire):
    return bytes([wire[0] ^ 0xFF, wire[1]]) + wire[2:]


def _with_owner(query, name):
    reply = dns.message.make_response(query)
    text = {"A": _FORGED, "TXT": '"forged"', "MX": "0 forged.example."}
    rdtype = dns.rdatatype.to_text(query.question[0].rdtype)
    reply.answer.append(dns.rrset.from_text(name + ".", TTL, "IN", rdtype, text[rdtype]))
    return reply.to_wire(max_size=65535)

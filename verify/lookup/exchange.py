"""One question from first packet to answer, without a socket: what to send next, and what a reply is worth.

A reply counts only when it comes from the server that was asked (the sockets are connected) with our id and our
question; anything else is passed over until time runs out.  Retries go to the next server; earlier servers may still
answer.  No server's failure is an answer while another has not spoken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct

from verify.grammar.names import is_below, query_name
from verify.lookup import wire
from verify.model import Answer, Cause, Outcome, Question

CNAME_LINKS = 16  # CNAME records followed for one question, ours
NAMES_ASKED = 8  # names asked in turn for one question, ours
ANSWER_OCTETS = 64 * 1024  # octets of the records of one answer: the largest message, RFC 1035 4.2.2
TRIES = (0.2, 0.5, 1.0)  # when each try ends, as a share of the time for one question

_CAUSES = {wire.SERVFAIL: Cause.SERVFAIL, wire.REFUSED: Cause.REFUSED}


class Send(Struct, frozen=True):
    """Send ``message`` to the server of that index; ``tcp``: over a new connection."""

    server: int
    message: bytes
    tcp: bool = False


def failure(question: Question, cause: Cause, observed_at: int | None = None) -> Answer:
    """A temporary failure.  ``observed_at`` None: never asked, as for ``BUDGET`` before the first packet."""
    return Answer(question=question, outcome=Outcome.TEMPORARY, cause=cause, observed_at=observed_at)


class Exchange:
    """The state of one question.  ``answer`` is set when it is over; ``wake`` is when ``on_time`` is due.

    ``started``: at least one packet was to be sent.

    ``order``: indexes of servers in the order in which they are tried; ``vouched``: those whose AD bit counts.  Times
    are monotonic seconds, ``timeout`` seconds for the question as a whole.
    """

    __slots__ = (
        "_ad", "_cause", "_edns", "_links", "_name", "_names", "_open", "_order", "_part", "_start", "_tcp",
        "_timeout", "_tries", "_ttl", "_vouched", "answer", "question", "silent", "started",
        "wake",
    )  # fmt: skip

    def __init__(self, question: Question, order: Sequence[int], vouched: frozenset[int], timeout: float) -> None:
        self.question = question
        self.answer: Answer | None = None
        self.silent: list[int] = []  # servers that let a try pass without a reply, or could not be reached
        self.started = False
        self.wake = 0.0
        self._order = order
        self._vouched = vouched
        self._timeout = timeout
        self._name = question.name
        self._part = b""  # question section of the name being asked
        self._names = 1  # asked so far
        self._links = {question.name}
        self._open: dict[int, bytes] = {}  # server -> the query that it may still answer
        self._tcp: set[int] = set()  # servers that are asked over a connection
        self._tries = 0
        self._start = 0.0
        self._cause: Cause | None = None
        self._edns = True
        self._ttl: int | None = None
        self._ad = True

    def start(self, now: float) -> list[Send]:
        """The first packet; none for a name or a type that no question can have."""
        if self.question.rdtype not in wire.RDTYPES or query_name(self.question.name) != self.question.name:
            return self._fail(Cause.MALFORMED)
        self._part = wire.question_part(self.question.name, self.question.rdtype)
        self.started = True
        self._start = now
        return self._ask()

    def on_time(self, now: float) -> list[Send]:
        """``wake`` has come: the next try, or the end."""
        if now < self.wake:
            return []
        self.silent.append(self._server())
        self._tries += 1
        if self._tries >= len(TRIES):
            return self._fail(self._cause or Cause.TIMEOUT)
        return self._ask()

    def on_failure(self, server: int, cause: Cause = Cause.TIMEOUT) -> list[Send]:
        """The server could not be reached or is of no use; a connection that broke."""
        if self._open.pop(server, None) is None:
            return []
        self._tcp.discard(server)
        if cause is Cause.TIMEOUT:
            self.silent.append(server)
        else:
            self._cause = cause
        if self._open:  # another server may still answer
            return []
        return self._next_server()

    def on_reply(self, server: int, message: bytes, tcp: bool = False) -> list[Send]:
        """A packet from that server, or what came over the connection to it."""
        asked = self._open.get(server)
        if asked is None or len(message) < wire.HEADER_OCTETS or message[:2] != asked[:2]:
            return []
        flags = int.from_bytes(message[2:4], "big")
        if not flags & wire.QR or flags & wire.OPCODE:
            return []
        rcode = flags & 0xF
        if rcode in (wire.FORMERR, wire.NOTIMP) and self._edns:  # RFC 6891 7: a server older than EDNS
            self._edns = False
            return [self._query(server, tcp)]
        end = wire.HEADER_OCTETS + len(self._part)
        if message[4:6] != b"\x00\x01" or message[wire.HEADER_OCTETS : end].lower() != self._part.lower():
            return []
        if flags & wire.TC:
            if tcp:
                return self.on_failure(server, Cause.MALFORMED)
            if server in self._tcp:  # the answer to a packet sent again
                return []
            self._tcp.add(server)
            return [Send(server, asked, tcp=True)]
        reply = wire.read(message)
        if reply is None:
            return self.on_failure(server, Cause.MALFORMED)
        if reply.rcode not in (wire.NOERROR, wire.NXDOMAIN):
            return self.on_failure(server, _CAUSES.get(reply.rcode, Cause.MALFORMED))
        if reply.referral:
            return self.on_failure(server, Cause.REFUSED)
        return self._judge(server, reply)

    # -- the answer ------------------------------------------------------------------------------------

    def _judge(self, server: int, reply: wire.Reply) -> list[Send]:
        """RFC 1034 5.3.3 and RFC 2308: the chain of CNAMEs from our name, and what stands at its end."""
        aliases: dict[str, wire.Record] = {}
        found: dict[str, list[wire.Record]] = {}
        wanted = wire.RDTYPES[self.question.rdtype]
        for record in reply.records:
            if record.rdtype == wanted:
                found.setdefault(record.owner, []).append(record)
            elif (
                record.rdtype == wire.RDTYPES["CNAME"] and aliases.setdefault(record.owner, record).data != record.data
            ):
                return self.on_failure(server, Cause.MALFORMED)
        name, links, ttl = self._name, set(self._links), self._ttl
        if reply.records and name not in found and name not in aliases:
            return self.on_failure(server, Cause.MALFORMED)
        while name in aliases and name not in found:
            ttl = _shorter(ttl, aliases[name].ttl)
            name = aliases[name].data.decode("ascii")
            if name in links or len(links) > CNAME_LINKS:
                return self._fail(Cause.MALFORMED)
            links.add(name)
        records = found.get(name, ())
        if records and reply.rcode == wire.NXDOMAIN:
            return self.on_failure(server, Cause.MALFORMED)
        ad = self._ad and reply.ad and server in self._vouched
        if records:
            return self._found(records, _shorter(ttl, min(record.ttl for record in records)), ad)
        denied = reply.negative_zone is not None and _is_below(name, reply.negative_zone)
        if name != self._name and reply.rcode == wire.NOERROR and not denied:
            self._links, self._ttl, self._ad = links, ttl, ad
            return self._ask_for(name)
        self.answer = Answer(
            question=self.question,
            outcome=Outcome.NXDOMAIN if reply.rcode == wire.NXDOMAIN else Outcome.NODATA,
            ttl=None if reply.negative_ttl is None else _shorter(ttl, reply.negative_ttl),
            ad=ad,
        )
        return []

    def _found(self, records: Sequence[wire.Record], ttl: int, ad: bool) -> list[Send]:
        data = list(dict.fromkeys(record.data for record in records))
        if sum(map(len, data)) > ANSWER_OCTETS:
            return self._fail(Cause.MALFORMED)
        if self.question.rdtype != "TXT":
            data.sort()
        self.answer = Answer(question=self.question, outcome=Outcome.FOUND, records=tuple(data), ttl=ttl, ad=ad)
        return []

    def _fail(self, cause: Cause) -> list[Send]:
        self.answer = failure(self.question, cause)
        return []

    # -- asking ------------------------------------------------------------------------------------------

    def _server(self) -> int:
        return self._order[self._tries % len(self._order)]

    def _ask(self) -> list[Send]:
        self.wake = self._start + self._timeout * TRIES[self._tries]
        server = self._server()
        if server in self._tcp:
            return []
        if server in self._open:  # again, so that the answer to either packet serves
            return [Send(server, self._open[server])]
        return [self._query(server)]

    def _query(self, server: int, tcp: bool = False) -> Send:
        message = wire.query(self._part, int.from_bytes(os.urandom(2), "big"), self._edns)
        self._open[server] = message
        return Send(server, message, tcp)

    def _next_server(self) -> list[Send]:
        """Every server asked so far has failed."""
        self._tries += 1
        if self._tries >= min(len(TRIES), len(self._order)):
            return self._fail(self._cause or Cause.TIMEOUT)
        return self._ask()

    def _ask_for(self, name: str) -> list[Send]:
        """The target of a CNAME that the reply says nothing of."""
        self._names += 1
        if self._names > NAMES_ASKED or query_name(name) is None:
            return self._fail(Cause.MALFORMED)
        self._name = name
        self._part = wire.question_part(name, self.question.rdtype)
        self._open.clear()
        self._tcp.clear()
        return [self._query(self._server())]


def _shorter(ttl: int | None, other: int) -> int:
    return other if ttl is None else min(ttl, other)


def _is_below(name: str, zone: str) -> bool:
    return zone == "." or is_below(name, zone)

"""The tables of a store and the rows that one verdict becomes: the public form of the SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from verify.rollup import Judged, breakage, network, ours, recorded_domain, severity

Row: TypeAlias = tuple[Any, ...]

TABLES = """
CREATE TABLE run (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  item INTEGER NOT NULL,
  path TEXT, member TEXT, number INTEGER,
  sha256 TEXT NOT NULL, size INTEGER NOT NULL, fidelity TEXT NOT NULL,
  judged_at TEXT NOT NULL, received_at TEXT,
  conclusion TEXT NOT NULL, reason TEXT NOT NULL, summary TEXT NOT NULL, next_step TEXT,
  author TEXT, author_domain TEXT, organizational_domain TEXT,
  client_ip TEXT, network TEXT, helo TEXT, mail_from TEXT, origin TEXT NOT NULL, confidence TEXT NOT NULL,
  encrypted INTEGER,
  spf TEXT, spf_domain TEXT, dkim TEXT, dkim_domain TEXT, dkim_aligned INTEGER, arc TEXT, iprev TEXT,
  dmarc TEXT, policy TEXT, applied_policy TEXT, disposition TEXT, override TEXT,
  breakage TEXT, via TEXT,
  severity INTEGER NOT NULL, dns_questions INTEGER NOT NULL, elapsed_ms REAL
);
CREATE TABLE results (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  method TEXT NOT NULL, identity TEXT, domain TEXT, selector TEXT,
  result TEXT, reason TEXT, aligned INTEGER, detail TEXT
);
CREATE TABLE recorded (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  field TEXT NOT NULL, field_index INTEGER NOT NULL, authserv_id TEXT, standing TEXT NOT NULL,
  method TEXT NOT NULL, domain TEXT, result TEXT NOT NULL, found TEXT, comparison TEXT, reason TEXT
);
CREATE TABLE anomalies (
  message_id INTEGER NOT NULL REFERENCES messages (id),
  code TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE errors (
  item INTEGER NOT NULL,
  message_id INTEGER REFERENCES messages (id),
  kind TEXT NOT NULL, path TEXT, member TEXT, problem TEXT NOT NULL, name TEXT, type TEXT
);
CREATE TABLE rehearsal (
  message_id INTEGER PRIMARY KEY REFERENCES messages (id),
  action TEXT NOT NULL, reason TEXT NOT NULL, override TEXT, stream TEXT, reply TEXT, untold TEXT
);
CREATE TABLE worst (
  message_id INTEGER PRIMARY KEY REFERENCES messages (id),
  severity INTEGER NOT NULL, alike TEXT NOT NULL, verdict TEXT NOT NULL
);
"""
INDEXES = """
CREATE INDEX IF NOT EXISTS rehearsal_action ON rehearsal (action, reason);
CREATE INDEX IF NOT EXISTS messages_conclusion ON messages (conclusion, reason);
CREATE INDEX IF NOT EXISTS messages_author_domain ON messages (author_domain, conclusion);
CREATE INDEX IF NOT EXISTS messages_network ON messages (network);
CREATE INDEX IF NOT EXISTS messages_received_at ON messages (received_at);
CREATE INDEX IF NOT EXISTS messages_sha256 ON messages (sha256);
CREATE INDEX IF NOT EXISTS messages_breakage ON messages (breakage) WHERE breakage IS NOT NULL;
CREATE INDEX IF NOT EXISTS results_message ON results (message_id);
CREATE INDEX IF NOT EXISTS results_domain ON results (method, domain, result);
CREATE INDEX IF NOT EXISTS recorded_message ON recorded (message_id);
CREATE INDEX IF NOT EXISTS recorded_comparison ON recorded (comparison, method);
CREATE INDEX IF NOT EXISTS anomalies_message ON anomalies (message_id);
CREATE INDEX IF NOT EXISTS anomalies_code ON anomalies (code);
CREATE INDEX IF NOT EXISTS errors_kind ON errors (kind);
"""


def message_row(number: int, position: int, one: Judged) -> Row:
    origin, dmarc, spf, signature = one.origin, one.dmarc, one.sender_policy, one.best_signature
    broken = breakage(one)
    received = one.received_at
    return (
        number,
        position,
        one.source.path,
        one.source.member,
        one.source.index,
        one.source.sha256,
        one.source.size,
        one.source.fidelity,
        f"{one.judged_at:%Y-%m-%dT%H:%M:%SZ}",
        f"{received:%Y-%m-%dT%H:%M:%SZ}" if received is not None else None,
        one.conclusion,
        one.conclusion_reason,
        one.summary,
        one.next_step,
        one.author.addresses[0].address if one.author.addresses else None,
        one.author.domain,
        dmarc.organizational_domain,
        origin.client_ip,
        network(origin.client_ip),
        origin.helo,
        origin.mail_from,
        origin.source,
        origin.confidence,
        origin.encrypted,
        spf.result if spf is not None else None,
        spf.domain if spf is not None else None,
        signature.result if signature is not None else "none",
        signature.domain if signature is not None else None,
        signature.aligned if signature is not None else None,
        one.arc.result,
        one.iprev.result,
        dmarc.result,
        dmarc.policy,
        dmarc.applied_policy,
        dmarc.disposition,
        dmarc.override,
        broken[0] if broken is not None else None,
        broken[1] if broken is not None else None,
        severity(one),
        one.dns.questions,
        one.elapsed_ms,
    )


def result_rows(one: Judged) -> Iterator[Row]:
    """method, identity, domain, selector, result, reason, aligned, detail."""
    for spf in one.spf:
        yield "spf", spf.identity, spf.domain, None, spf.result, spf.reason, None, spf.mechanism
    for dkim in one.dkim:
        yield (
            *("dkim", dkim.auid, dkim.domain, dkim.selector),
            *(dkim.result, dkim.reason, dkim.aligned, dkim.diagnosis),
        )
    for arc in one.arc.sets:
        yield "arc", f"i={arc.instance}", arc.sealer, arc.selector, arc.seal, arc.seal_reason, None, arc.cv
    if one.iprev.result is not None:
        name = one.iprev.confirmed[0] if one.iprev.confirmed else None
        yield "iprev", one.origin.client_ip, name, None, one.iprev.result, one.iprev.reason, None, None
    dmarc = one.dmarc
    yield "dmarc", dmarc.policy_domain, dmarc.author_domain, None, dmarc.result, dmarc.reason, None, dmarc.record


def recorded_rows(one: Judged) -> Iterator[Row]:
    for held in one.recorded:
        for item in held.results:
            yield (
                *(held.field, held.index, held.authserv_id, held.standing),
                *(item.method, recorded_domain(item), item.result, ours(one, item), item.comparison, item.reason),
            )


def rehearsal_rows(one: Judged) -> Iterator[Row]:
    """None without a policy."""
    what = one.rehearsal
    if what is not None:
        yield what.action, what.reason, what.override, what.stream, what.reply, " ".join(what.untold) or None


INSERTS = {
    name: f"INSERT INTO {name} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - ours
    for name, columns in (
        ("messages", 41),
        ("results", 9),
        ("recorded", 11),
        ("anomalies", 3),
        ("errors", 8),
        ("rehearsal", 7),
    )
}

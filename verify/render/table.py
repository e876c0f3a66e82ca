"""Verdicts as CSV: a flat row a message, no cell of which a spreadsheet takes for a formula.

RFC 4180: UTF-8, CRLF, a header row.  ``COLUMNS`` is a public form, described in the README; it changes only by adding
at its end.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from verify.grammar.visible import csv_cell
from verify.rollup import Judged, breakage

_SEVERAL = " "  # between the values of one cell

COLUMNS: dict[str, Callable[[Judged], Any]] = {
    "path": lambda one: one.source.path,
    "member": lambda one: one.source.member,
    "number": lambda one: one.source.index,
    "sha256": lambda one: one.source.sha256,
    "size": lambda one: one.source.size,
    "fidelity": lambda one: one.source.fidelity,
    "received_at": lambda one: _time(one.received_at),
    "judged_at": lambda one: _time(one.judged_at),
    "conclusion": lambda one: one.conclusion,
    "reason": lambda one: one.conclusion_reason,
    "summary": lambda one: one.summary,
    "next_step": lambda one: one.next_step,
    "author_domain": lambda one: one.author.domain,
    "authors": lambda one: _SEVERAL.join(box.address for box in one.author.addresses),
    "client_ip": lambda one: one.origin.client_ip,
    "helo": lambda one: one.origin.helo,
    "mail_from": lambda one: "<>" if one.origin.mail_from == "" else one.origin.mail_from,
    "origin": lambda one: one.origin.source,
    "confidence": lambda one: one.origin.confidence,
    "encrypted": lambda one: _yes_no(one.origin.encrypted),
    "spf": lambda one: one.sender_policy and one.sender_policy.result,
    "spf_domain": lambda one: one.sender_policy and one.sender_policy.domain,
    "dkim": lambda one: one.best_signature.result if one.best_signature is not None else "none",
    "dkim_domain": lambda one: one.best_signature and one.best_signature.domain,
    "dkim_reason": lambda one: one.best_signature and one.best_signature.reason,
    "dkim_aligned": lambda one: _yes_no(one.best_signature.aligned if one.best_signature else None),
    "arc": lambda one: one.arc.result,
    "iprev": lambda one: one.iprev.result,
    "dmarc": lambda one: one.dmarc.result,
    "policy": lambda one: one.dmarc.applied_policy,
    "disposition": lambda one: one.dmarc.disposition,
    "recorded": lambda one: _SEVERAL.join(dict.fromkeys(r.comparison for r in one.recorded if r.comparison)),
    "breakage": lambda one: (breakage(one) or [None])[0],
    "anomalies": lambda one: _SEVERAL.join(dict.fromkeys(item.code for item in one.anomalies)),
    "dns_errors": lambda one: len(one.dns.errors),
    "action": lambda one: one.rehearsal and one.rehearsal.action,
    "action_reason": lambda one: one.rehearsal and one.rehearsal.reason,
    "action_override": lambda one: one.rehearsal and one.rehearsal.override,
    "action_stream": lambda one: one.rehearsal and one.rehearsal.stream,
    "action_untold": lambda one: one.rehearsal and _SEVERAL.join(one.rehearsal.untold),
}


def header_row() -> bytes:
    return _written([list(COLUMNS)])


def rows(judged: Iterable[Judged]) -> bytes:
    """Whole rows with their line ends."""
    return _written([_cell(value(one)) for value in COLUMNS.values()] for one in judged)


def _written(table: Iterable[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(table)
    return text.getvalue().encode("utf-8")


def _cell(value: Any) -> str:
    return "" if value is None else csv_cell(str(value))


def _time(value: datetime | None) -> str | None:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if value is not None else None


def _yes_no(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"

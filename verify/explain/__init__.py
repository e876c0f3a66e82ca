"""Verdict -> sentences: the only place that writes them.

Everything here takes values and gives text.  Names and text of the message inside a sentence are shortened and hold
no control, bidirectional or zero-width character.
"""

from __future__ import annotations

from verify.explain.conclusion import next_step, summary
from verify.explain.lines import (
    anomalies,
    anomaly,
    arc_line,
    asks,
    author_policy,
    compared,
    comparison,
    coverage_line,
    diagnosis,
    dkim_line,
    dmarc_line,
    dns_error,
    encryption,
    fidelity,
    fidelity_notes,
    identity,
    iprev_line,
    key_kind,
    key_name,
    nothing_asked,
    old_standard,
    origin_why,
    policy_name,
    recorded_line,
    spf_line,
    walk_step,
)

__all__ = [
    "anomalies",
    "anomaly",
    "arc_line",
    "asks",
    "author_policy",
    "compared",
    "comparison",
    "coverage_line",
    "diagnosis",
    "dkim_line",
    "dmarc_line",
    "dns_error",
    "encryption",
    "fidelity",
    "fidelity_notes",
    "identity",
    "iprev_line",
    "key_kind",
    "key_name",
    "next_step",
    "nothing_asked",
    "old_standard",
    "origin_why",
    "policy_name",
    "recorded_line",
    "spf_line",
    "summary",
    "walk_step",
]

"""Which limits the checks ran into, by what came of them: each is said, wherever it was hit."""

from __future__ import annotations

from collections.abc import Sequence

from verify.model import (
    ArcResult,
    Cause,
    DkimCheck,
    DnsError,
    IprevResult,
    Limits,
    Reason,
    SpfResult,
)

_BY_REASON = {
    Reason.KEY_TOO_SHORT: "key_bits_least",
    Reason.SEVERAL_KEYS: "key_records",
    Reason.LOOKUP_LIMIT: "spf_lookups",
    Reason.VOID_LOOKUP_LIMIT: "spf_void_lookups",
    Reason.CHAIN_TOO_LONG: "arc_sets",
}
_TELLING = frozenset({Reason.LIMIT, Reason.KEY_TOO_LONG, *_BY_REASON})


def limits_reached(
    spf: Sequence[SpfResult],
    signatures: Sequence[DkimCheck],
    arc: ArcResult,
    iprev: IprevResult,
    dns_errors: Sequence[DnsError],
    limits: Limits,
) -> list[str]:
    """Names of attributes of ``Limits``, each once or more; ``dns`` for the budget of questions, octets and rounds.

    The limits of reading (header, author, Received, recorded results) are reported where they are hit.
    """
    names: list[str] = []
    reasons = [arc.reason, iprev.reason, *[r.reason for r in spf], *[check.result.reason for check in signatures]]
    if not _TELLING.isdisjoint(reasons):
        for result in spf:
            names += _named(result.reason, "spf_record_octets")
        for check in signatures:
            if check.result.reason is Reason.KEY_TOO_LONG:
                longer = (check.result.key_bits or 0) > limits.key_bits_most
                names.append("key_bits_most" if longer else "key_exponent_bits")
            names += _named(check.result.reason, _of_signature(check, limits))
        seals = "arc_seals_checked" if len(arc.sets) > limits.arc_seals_checked else "tag_list_octets"
        names += _named(arc.reason, seals)
        names += _named(iprev.reason, "ptr_names")
    if Cause.BUDGET in [error.cause for error in dns_errors]:
        names.append("dns")
    return names


def _named(reason: Reason | None, of_limit: str) -> tuple[str, ...]:
    """``of_limit``: the one that is meant where the reason only says that it was a limit."""
    if reason is Reason.LIMIT:
        return (of_limit,)
    return (_BY_REASON[reason],) if reason in _BY_REASON else ()


def _of_signature(check: DkimCheck, limits: Limits) -> str:
    if check.result.domain is None:
        return "tag_list_octets"  # nothing of it was read
    if check.body_hash_holds is not None:
        return "tag_list_octets"  # of the key record
    return "signed_names" if len(check.result.signed_fields) >= limits.signed_names else "body_octets"

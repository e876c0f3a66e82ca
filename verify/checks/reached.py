"""Which limits the checks ran into, by what came of them: each is said, wherever it was hit."""

from __future__ import annotations

from collections.abc import Iterable

from verify.model import (
    Answer,
    ArcResult,
    Cause,
    DkimCheck,
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


def limits_reached(
    spf: Iterable[SpfResult],
    signatures: Iterable[DkimCheck],
    arc: ArcResult,
    iprev: IprevResult,
    answers: Iterable[Answer],
    limits: Limits,
) -> Iterable[str]:
    """Names of attributes of ``Limits``, each once or more; ``dns`` for the budget of questions, octets and rounds.

    The limits of reading (header, author, Received, recorded results) are reported where they are hit.
    """
    for result in spf:
        if result.reason is Reason.LIMIT:
            yield "spf_record_octets"
        yield from _named(result.reason)
    for check in signatures:
        if check.result.reason is Reason.LIMIT:
            yield _of_signature(check, limits)
        elif check.result.reason is Reason.KEY_TOO_LONG:
            longer = (check.result.key_bits or 0) > limits.key_bits_most
            yield "key_bits_most" if longer else "key_exponent_bits"
        yield from _named(check.result.reason)
    yield from _named(arc.reason)
    if arc.reason is Reason.LIMIT:
        yield "arc_seals_checked" if len(arc.sets) > limits.arc_seals_checked else "tag_list_octets"
    if iprev.reason is Reason.LIMIT:
        yield "ptr_names"
    if any(answer.cause is Cause.BUDGET for answer in answers):
        yield "dns"


def _named(reason: Reason | None) -> Iterable[str]:
    if reason in _BY_REASON:
        yield _BY_REASON[reason]


def _of_signature(check: DkimCheck, limits: Limits) -> str:
    if check.result.domain is None:
        return "tag_list_octets"  # nothing of it was read
    if check.body_hash_holds is not None:
        return "tag_list_octets"  # of the key record
    return "signed_names" if len(check.result.signed_fields) >= limits.signed_names else "body_octets"

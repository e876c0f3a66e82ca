"""Signature coverage: which shown fields and which octets of the body an aligned passing signature covers.

DMARC proves a domain, not that what is shown was signed: h= may leave fields out, l= octets of the body, and an old
message may be sent again (RFC 6376 8.2, 8.6, 8.15).
"""

from __future__ import annotations

from collections.abc import Sequence

from verify.grammar.visible import escape
from verify.model import (
    Anomaly,
    AnomalyCode,
    Coverage,
    DkimCheck,
    DkimWord,
    FieldCoverage,
    Message,
    Reason,
)

OLD_AFTER = 7 * 86400  # seconds from signing to receipt after which a signature is called old, ours

_NAMES = {
    b"from": "From",
    b"subject": "Subject",
    b"date": "Date",
    b"to": "To",
    b"cc": "Cc",
    b"reply-to": "Reply-To",
    b"mime-version": "MIME-Version",
    b"content-type": "Content-Type",
    b"content-transfer-encoding": "Content-Transfer-Encoding",
}


def read_coverage(
    message: Message,
    checks: Sequence[DkimCheck],
    *,
    judged_at: int | None = None,
    recipients: Sequence[str] = (),
) -> tuple[Coverage, tuple[Anomaly, ...]]:
    """What is shown and who signed it, with what is worth saying about it.

    ``checks``: all signatures; those count that pass and have ``aligned`` True.  ``unsigned_fields`` names a field of
    which some instance is covered by none.  ``judged_at``: time of receipt, epoch seconds, for ``old-signature``;
    ``recipients``: envelope recipients, for ``recipient-not-signed``.  Without any signature that counts everything is
    unsigned, and no anomaly says so.
    """
    counting = [c for c in checks if c.result.result is DkimWord.PASS and c.result.aligned]
    signers: dict[int, tuple[str, ...]] = {}
    for check in counting:
        domain = check.result.domain or ""
        for index in check.covered:
            others = signers.get(index, ())
            if domain not in others:
                signers[index] = (*others, domain)
    fields = []
    unsigned: dict[str, None] = {}
    for field in message.fields:
        name = _NAMES.get(field.key)
        if name is None:
            continue
        signed_by = signers.get(field.index, ())
        fields.append(FieldCoverage(name, field.index, signed_by))
        if not signed_by:
            unsigned[name] = None
    octets = min([c.result.unsigned_octets or 0 for c in counting], default=None)
    coverage = Coverage(fields=tuple(fields), unsigned_fields=tuple(unsigned), unsigned_octets=octets)
    return coverage, tuple(_anomalies(message, checks, counting, coverage, judged_at, recipients))


def _anomalies(
    message: Message,
    checks: Sequence[DkimCheck],
    counting: Sequence[DkimCheck],
    coverage: Coverage,
    judged_at: int | None,
    recipients: Sequence[str],
) -> list[Anomaly]:
    found: list[Anomaly] = []
    for check in checks:
        domain = check.result.domain or ""
        if check.result.reason is Reason.SIGNED_INSTANCE_NOT_SHOWN:
            found.append(Anomaly(AnomalyCode.SIGNED_INSTANCE_NOT_SHOWN, domain))
        elif check.result.unsigned_octets:
            found.append(Anomaly(AnomalyCode.UNSIGNED_OCTETS, str(check.result.unsigned_octets)))
        elif check.result.reason is Reason.KEY_TOO_SHORT:
            found.append(Anomaly(AnomalyCode.WEAK_KEY, domain))
    if not counting:
        return found
    found.extend(Anomaly(AnomalyCode.UNSIGNED_SHOWN_FIELD, name) for name in coverage.unsigned_fields)
    times = [c.result.signed_at for c in counting]
    if judged_at is not None and all(time and judged_at - time.timestamp() > OLD_AFTER for time in times):
        found.append(Anomaly(AnomalyCode.OLD_SIGNATURE, counting[0].result.domain or ""))
    if not recipients:
        return found
    signed = {index for check in counting for index in check.covered}
    addressed = b"\n".join(
        field.value for field in message.fields if field.key in (b"to", b"cc") and field.index in signed
    ).lower()
    for recipient in recipients:
        octets = recipient.encode("utf-8", "surrogateescape")
        if octets.lower() not in addressed:
            found.append(Anomaly(AnomalyCode.RECIPIENT_NOT_SIGNED, escape(octets, 254)))
    return found

"""Bytes to ``Message``: the one header splitter in the program (RFC 5322 2.1, RFC 7103).

A line ends at LF, with or without a CR before it; a bare CR is an ordinary octet.  So a field hidden behind a bare
LF is a field here, as it is in most mail programs, and everything that reads fields sees the same ones.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from itertools import islice

from verify.grammar.visible import escape
from verify.model import (
    Anomaly,
    AnomalyCode,
    Fidelity,
    FidelityNote,
    Field,
    Limits,
    Message,
    Source,
    replace,
)

_FIELD = re.compile(rb"[^\n]++(?:\n[ \t][^\n]*+)*+\n?")  # a line that is not empty, and those that continue it
_FIELD_NAME = re.compile(rb"[!-9;-~]+\Z")  # RFC 5322 3.6.8: printable ASCII without the colon
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_FIELD_IN_BODY = re.compile(
    rb"(?:from|received|return-path|subject|to|date|message-id|dkim-signature|mime-version)[ \t]*:", re.IGNORECASE
)
_SMUGGLED_END = re.compile(rb"(?<!\r)\n\.\r?\n|\r\n\.(?:\n|\r(?!\n))|\r\.\r")  # CVE-2023-51764 and kin

_SHORT_NAME = 100  # octets of a field name that is remembered

# Fields that may stand once (RFC 5322 3.6, RFC 2045); From is the author's affair.
_ONCE = frozenset(
    (
        b"date sender reply-to to cc bcc message-id in-reply-to references subject "
        b"mime-version content-type content-transfer-encoding"
    ).split()
)


def parse_message(raw: bytes, source: Source | None = None, limits: Limits | None = None) -> Message:
    """Read a whole message; any octets at all give a ``Message``.

    A text that has LF line ends only is turned into network form (CRLF) first, which is noted as fidelity; a text
    with both is left as it is.  ``source``: what the container knows; hashes and sizes are filled in here where it
    left them empty.  Linear in the input.
    """
    source = source or Source()
    limits = limits or Limits()
    anomalies: list[Anomaly] = []
    limits_hit: list[str] = []

    found = sha256(raw).hexdigest()
    if not source.sha256:
        source = replace(source, sha256=found, size=len(raw))
    text = raw
    lines, pairs = raw.count(b"\n"), raw.count(b"\r\n")
    if lines and not pairs:
        text = raw.replace(b"\n", b"\r\n")
        pairs = lines
        source = _converted(source)
    bare_lf = lines != pairs
    bare_cr = text.count(b"\r") != pairs
    source = replace(source, judged_sha256=found if text is raw else sha256(text).hexdigest())

    end, start = _header_end(text)
    block, body = text[:end], text[start:]
    if end == start:
        anomalies.append(Anomaly(AnomalyCode.NO_BODY_SEPARATOR))
    fields = _split_fields(block, limits, limits_hit, anomalies)

    if bare_lf:
        anomalies.append(Anomaly(AnomalyCode.MIXED_LINE_ENDS))
        if _BARE_LF.search(block):
            anomalies.append(Anomaly(AnomalyCode.BARE_LF, "header"))
    if bare_cr and _BARE_CR.search(block):
        anomalies.append(Anomaly(AnomalyCode.BARE_CR, "header"))
    if b"\0" in block:
        anomalies.append(Anomaly(AnomalyCode.NUL_OCTET, "header"))
    if (bare_lf or bare_cr) and _SMUGGLED_END.search(body):
        anomalies.append(Anomaly(AnomalyCode.SMUGGLING_SHAPE))
    if _FIELD_IN_BODY.match(body, 2 if body.startswith(b"\r\n") else 0):
        anomalies.append(Anomaly(AnomalyCode.SECOND_HEADER_BLOCK))
    return Message(fields=fields, body=body, source=source, anomalies=tuple(anomalies), limits_hit=tuple(limits_hit))


def _converted(source: Source) -> Source:
    fidelity = Fidelity.LINE_ENDINGS if source.fidelity is Fidelity.ORIGINAL else source.fidelity
    notes = source.fidelity_notes
    if FidelityNote.LF_TO_CRLF not in notes:
        notes = (*notes, FidelityNote.LF_TO_CRLF)
    return replace(source, fidelity=fidelity, fidelity_notes=notes)


def _header_end(text: bytes) -> tuple[int, int]:
    """Where the first empty line begins and ends; the end of the text twice when there is none."""
    if text.startswith((b"\r\n", b"\n")):
        return 0, 1 + text.startswith(b"\r")
    crlf = text.find(b"\n\r\n")
    lf = text.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(text))
    if lf >= 0:
        return lf + 1, lf + 2
    return (crlf + 1, crlf + 3) if crlf >= 0 else (len(text), len(text))


def _split_fields(block: bytes, limits: Limits, limits_hit: list[str], anomalies: list[Anomaly]) -> tuple[Field, ...]:
    if len(block) > limits.header_octets:
        limits_hit.append("header_octets")
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "header_octets"))
        block = block[: block.rfind(b"\n", 0, limits.header_octets) + 1]
    if not block:
        return ()
    texts = [match[0] for match in islice(_FIELD.finditer(block), limits.header_fields + 1)]
    if len(texts) > limits.header_fields:
        limits_hit.append("header_fields")
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "header_fields"))
        texts.pop()
    fields: list[Field] = []
    counts: dict[bytes, int] = {}
    long_line = False
    for index, raw in enumerate(texts):
        if len(raw) > limits.line_octets:
            long_line = True
        field = _field(raw, index, anomalies)
        fields.append(field)
        if field.key in _ONCE:
            counts[field.key] = counts.get(field.key, 0) + 1
            if counts[field.key] == 2:
                anomalies.append(Anomaly(AnomalyCode.REPEATED_FIELD, escape(field.name)))
    if long_line:
        limits_hit.append("line_octets")
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "line_octets"))
    return tuple(fields)


def _field(raw: bytes, index: int, anomalies: list[Anomaly]) -> Field:
    """One field.  The colon may stand after blanks or on a continuation line (obsolete forms of RFC 5322 4.5)."""
    name, colon, value = raw.partition(b":")
    key = _key(name) if colon else None
    if key is None and colon and name[-1:] in b" \t\r\n":
        name = name.rstrip(b" \t\r\n")
        key = _key(name)
        if key is not None:
            anomalies.append(Anomaly(AnomalyCode.BLANK_BEFORE_COLON, escape(name, 60)))
    if key is None:
        leading = raw[:1] in (b" ", b"\t")
        code = AnomalyCode.LEADING_CONTINUATION if leading else AnomalyCode.JUNK_LINE
        if not any(a.code is code for a in anomalies):
            anomalies.append(Anomaly(code, escape(raw.rstrip(b"\r\n"), 60)))
        return Field(b"", raw.rstrip(b"\r\n"), raw, index, b"")
    if value.endswith(b"\r\n"):
        value = value[:-2]
    elif value.endswith(b"\n"):
        value = value[:-1]
    return Field(name, value, raw, index, key)


def _key(name: bytes) -> bytes | None:
    """The name in lower case; None when it is no field name."""
    return _short_key(name) if len(name) <= _SHORT_NAME else _long_key(name)


def _long_key(name: bytes) -> bytes | None:
    return name.lower() if _FIELD_NAME.match(name) else None


_short_key = lru_cache(maxsize=4096)(_long_key)


def holds_message(message: Message) -> bool:
    """False when there is no header field at all: then the input is no message."""
    return any(field.key for field in message.fields)

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
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELD_NAME = re.compile(rb"[!-9;-~]+\Z")  # RFC 5322 3.6.8: printable ASCII without the colon
# Both begin with a single octet, for which a search is fast
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"\n(?<!\r\n)")
_FIELD_IN_BODY = re.compile(
    rb"(?:from|received|return-path|subject|to|date|message-id|dkim-signature|mime-version)[ \t]*:", re.IGNORECASE
)
_SMUGGLED_END = re.compile(rb"(?<!\r)\n\.\r?\n|\r\n\.(?:\n|\r(?!\n))|\r\.\r")  # CVE-2023-51764 and kin

_SHORT_HEADER = 64 * 1024  # octets of a header that may be split before its fields are counted
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

    found = judged = sha256(raw).hexdigest()
    text = raw
    if b"\n" in raw and b"\r\n" not in raw:
        text = raw.replace(b"\n", b"\r\n")
        judged = sha256(text).hexdigest()
        source = _converted(source)
    if source.sha256:
        source = replace(source, judged_sha256=judged)
    else:
        source = replace(source, sha256=found, size=len(raw), judged_sha256=judged)
    bare_lf, bare_cr = _BARE_LF.search(text), _BARE_CR.search(text)

    end, start = _header_end(text)
    block, body = text[:end], text[start:]
    if end == start:
        anomalies.append(Anomaly(AnomalyCode.NO_BODY_SEPARATOR))
    fields = _split_fields(block, limits, limits_hit, anomalies)

    if bare_lf:
        anomalies.append(Anomaly(AnomalyCode.MIXED_LINE_ENDS))
        if bare_lf.start() < end:
            anomalies.append(Anomaly(AnomalyCode.BARE_LF, "header"))
    if bare_cr and bare_cr.start() < end:
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
    empty = _EMPTY_LINE.search(text)
    return (empty.start() + 1, empty.end()) if empty else (len(text), len(text))


def _split_fields(block: bytes, limits: Limits, limits_hit: list[str], anomalies: list[Anomaly]) -> tuple[Field, ...]:
    if len(block) > limits.header_octets:
        limits_hit.append("header_octets")
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "header_octets"))
        block = block[: block.rfind(b"\n", 0, limits.header_octets) + 1]
    if not block:
        return ()
    if len(block) < _SHORT_HEADER:
        texts = _FIELD.findall(block)
    else:  # may be a flood of fields
        texts = [match[0] for match in islice(_FIELD.finditer(block), limits.header_fields + 1)]
    if len(texts) > limits.header_fields:
        limits_hit.append("header_fields")
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "header_fields"))
        del texts[limits.header_fields :]
    fields: list[Field] = []
    once: set[bytes] = set()
    repeated: set[bytes] = set()
    for index, raw in enumerate(texts):
        name, colon, value = raw.partition(b":")
        key = _short_key(name) if len(name) <= _SHORT_NAME else _key(name)
        if key is None or not colon:
            field = _odd_field(raw, index, anomalies)
            name, key = field.name, field.key
        else:
            value = value[:-2] if value[-2:] == b"\r\n" else value.removesuffix(b"\n")
            field = Field(name, value, raw, index, key)
        fields.append(field)
        if key in _ONCE:
            if key not in once:
                once.add(key)
            elif key not in repeated:
                repeated.add(key)
                anomalies.append(Anomaly(AnomalyCode.REPEATED_FIELD, escape(name)))
    if len(block) > limits.line_octets and max(map(len, texts), default=0) > limits.line_octets:
        limits_hit.append("line_octets")
        anomalies.append(Anomaly(AnomalyCode.LIMIT_HIT, "line_octets"))
    return tuple(fields)


def _odd_field(raw: bytes, index: int, anomalies: list[Anomaly]) -> Field:
    """A field whose colon stands after blanks or on a continuation line (RFC 5322 4.5), or no field at all."""
    name, colon, value = raw.partition(b":")
    name = name.rstrip(b" \t\r\n")
    key = _key(name)
    if key is not None and colon:
        anomalies.append(Anomaly(AnomalyCode.BLANK_BEFORE_COLON, escape(name, 60)))
        value = value[:-2] if value.endswith(b"\r\n") else value.removesuffix(b"\n")
        return Field(name, value, raw, index, key)
    code = AnomalyCode.LEADING_CONTINUATION if raw[:1] in (b" ", b"\t") else AnomalyCode.JUNK_LINE
    if not any(a.code is code for a in anomalies):
        anomalies.append(Anomaly(code, escape(raw.rstrip(b"\r\n"), 60)))
    return Field(b"", raw.rstrip(b"\r\n"), raw, index, b"")


def _key(name: bytes) -> bytes | None:
    """The name in lower case; None when it is no field name."""
    return name.lower() if _FIELD_NAME.match(name) else None


_short_key = lru_cache(maxsize=4096)(_key)


def holds_message(message: Message) -> bool:
    """False when there is no header field at all: then the input is no message."""
    return any(field.key for field in message.fields)

"""Why a signature failed: which harmless change, undone, would make it hold.

A diagnosis explains and never upgrades: every trial is made on a copy, and the result stays what it is.  An RSA
signature still holds the digest that was signed, so header trials cost one hash each; Ed25519 is verified anew.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import TypeAlias

from verify.checks.canonical import (
    RELAXED,
    SIMPLE,
    BodyHashes,
    canonical_body,
    content_end,
    relax,
    relaxed_field,
    signature_field,
    simple_field,
)
from verify.checks.dkim import read_signature
from verify.checks.examine import signed_fields
from verify.checks.keys import KeyRecord, LibraryError, check_key, digest_of, holds, key_records, signed_digest
from verify.checks.signature import Signature
from verify.grammar.visible import escape
from verify.model import (
    Ask,
    Diagnosis,
    DiagnosisCode,
    DkimCheck,
    Field,
    Limits,
    Message,
    Outcome,
    Reason,
    replace,
)

_CRLF = re.compile(rb"(?<!\r)\r*+\n")

_LIST_FIELDS = (b"list-id", b"list-post", b"list-unsubscribe")  # RFC 2919, RFC 2369

TRIAL_OCTETS = 1024 * 1024  # octets of a body that trials are made on, ours
SIGNATURES = 3  # signatures of one message that are diagnosed, those of the author first, ours
TRIALS = 200  # header trials for one signature, ours
HEADER_OCTETS = 32 * 1024  # octets of covered fields that header trials are made on, ours
FOOTER_LINES = 60  # lines at the end of which each number is tried whether they were added, ours
LIST_FOOTER_LINES = 20  # as many of them may be the footer of a mailing list, ours
FOOTER_OCTETS = 32 * 1024  # octets of them, ours


def diagnose(message: Message, field: Field, check: DkimCheck, ask: Ask, limits: Limits) -> tuple[Diagnosis, ...]:
    """What explains that this signature does not hold: one change, or one of the body and one of the header.

    Empty when nothing can be said, or it holds.  ``check``: what ``check_signature`` said of ``field``.  ``ask`` is
    asked for the key alone, which is known by then.
    """
    reason = check.result.reason
    if reason in (Reason.NO_KEY, Reason.KEY_REVOKED):
        return (Diagnosis(DiagnosisCode.KEY_GONE, "revoked" if reason is Reason.KEY_REVOKED else None),)
    if reason is Reason.KEY_TOO_SHORT:
        return (Diagnosis(DiagnosisCode.KEY_WEAK, str(check.result.key_bits)),)
    if reason not in (Reason.BODY_HASH_MISMATCH, Reason.SIGNATURE_MISMATCH, Reason.TESTING):
        return ()
    signature = read_signature(field, limits)
    header = None
    if check.signature_holds is False:
        header = _diagnose_header(message, field, signature, ask, limits)
        if header is None:
            return ()
        if header.code is DiagnosisCode.KEY_CHANGED:
            return (header,)
    if check.body_hash_holds is not False:
        return () if header is None else (header,)
    body = _diagnose_body(message, signature, limits)
    if header is None or body.code is DiagnosisCode.BODY_CHANGED:
        return (body,)
    return (header,) if header.code is DiagnosisCode.HEADER_CHANGED else (body, header)


# ---------------------------------------------------------------------------------------------------
# The body
# ---------------------------------------------------------------------------------------------------


def _diagnose_body(message: Message, signature: Signature, limits: Limits) -> Diagnosis:
    changed = Diagnosis(DiagnosisCode.BODY_CHANGED)
    body = message.body
    if len(body) > min(TRIAL_OCTETS, limits.body_octets):
        return changed
    for code, detail, candidate in _body_trials(message, signature):
        if candidate != body and _is_signed_body(candidate, signature, limits):
            if code is DiagnosisCode.FOOTER_REMOVED:
                code = _added(message, body.count(b"\n") - candidate.count(b"\n"))
            return Diagnosis(code, detail)
    if signature.length is None:
        for text, quoted in ((body, False), (_unquoted(body)[0], True)):
            if quoted and text == body:
                break
            lines = _footer_lines(text, signature)
            if lines is not None:
                return Diagnosis(_added(message, lines), str(lines))
    return changed


def _added(message: Message, lines: int) -> DiagnosisCode:
    """What to call lines at the end that nobody signed: a footer only where a mailing list says that it sent this.

    Anybody can add text to a signed message and send it on; without the signs of a list, or when there is much of it,
    the fact alone is told.
    """
    if lines <= LIST_FOOTER_LINES and (
        any(message.named(key) for key in _LIST_FIELDS)
        or any(field.value.strip().lower() == b"list" for field in message.named(b"precedence"))
    ):
        return DiagnosisCode.FOOTER_REMOVED
    return DiagnosisCode.LINES_ADDED


def _is_signed_body(body: bytes, signature: Signature, limits: Limits) -> bool:
    found = BodyHashes(body, limits).hash(signature.body_form, "sha256", signature.length)
    return found is not None and found.digest == signature.body_hash


def _unquoted(body: bytes) -> tuple[bytes, int]:
    if b">From " not in body:
        return body, 0
    text, count = re.subn(rb"\n>(?=>*From )", b"\n", b"\n" + body)  # "\n" is found faster than "^"
    return text[1:], count


def _quoted(body: bytes) -> tuple[bytes, int]:
    if not (b"\nFrom " in body or b">From " in body or body.startswith(b"From ")):
        return body, 0
    text, count = re.subn(rb"\n(?=>*From )", b"\n>", b"\n" + body)
    return text[1:], count


def _whole_line_ends(text: bytes) -> bool:
    """Every CR and every LF is part of a CRLF."""
    return text.count(b"\r") == text.count(b"\n") == text.count(b"\r\n")


def _body_trials(message: Message, signature: Signature) -> Iterator[tuple[DiagnosisCode, str | None, bytes]]:
    """Bodies as they may have been before.  Large ones are common: what a body does not hold is not looked for twice.

    CRLF at the end, and under c=relaxed blanks at line ends and in runs, are no trial: both bodies are hashed alike.
    """
    body = message.body
    text, count = _unquoted(body)
    yield DiagnosisCode.MBOX_QUOTING, str(count), text
    text, count = _quoted(body)
    yield DiagnosisCode.MBOX_QUOTING, str(count), text
    yield DiagnosisCode.TRAILING_BLANK_LINES, None, body.rstrip(b" \t\r\n") + b"\r\n"
    if not _whole_line_ends(body):
        yield DiagnosisCode.LINE_ENDS, None, re.sub(rb"\r*\n|\r+(?!\n)", b"\r\n", body)
    yield DiagnosisCode.LINE_ENDS, None, body.replace(b"\r\n", b"\n")
    if signature.body_form == SIMPLE:
        trimmed = body
        if b" \r\n" in body or b"\t\r\n" in body:
            trimmed = re.sub(rb"(?<![ \t])[ \t]++\r\n", b"\r\n", body)
        yield DiagnosisCode.WHITESPACE_CHANGED, None, trimmed
        # the usual mark before a personal signature ends in a blank, which some programs take away
        if b"\n--" in body or body.startswith(b"--"):
            yield DiagnosisCode.WHITESPACE_CHANGED, None, re.sub(rb"(?m)^--(?=\r?$)", b"-- ", body)
        yield DiagnosisCode.WHITESPACE_CHANGED, None, relax(trimmed)
    yield DiagnosisCode.WHITESPACE_CHANGED, None, body.removeprefix(b"\r\n")
    yield DiagnosisCode.WHITESPACE_CHANGED, None, b"\r\n" + body
    last = body.rfind(b"\r\n--")
    before = body.rfind(b"\r\n--", 0, max(last, 0))
    if before >= 0:
        yield DiagnosisCode.FOOTER_REMOVED, "part", body[:before] + body[last:]
    for text in _other_encodings(message):
        yield DiagnosisCode.BODY_REENCODED, None, text


def _other_encodings(message: Message) -> Iterator[bytes]:
    """The body of one part in the other transfer encodings, each as it is usually written."""
    named = message.named(b"content-transfer-encoding")
    encoding = named[0].value.strip().lower() if named else b"7bit"
    body = message.body
    if encoding == b"quoted-printable":
        plain = binascii.a2b_qp(body)
    elif encoding == b"base64":
        try:
            plain = base64.b64decode(body)
        except binascii.Error:
            return
    else:
        plain = body
    plain = _with_crlf(plain)
    yield plain
    yield _with_crlf(binascii.b2a_qp(plain, istext=True))
    yield _base64_lines(plain)
    yield _base64_lines(plain.removesuffix(b"\r\n"))


def _with_crlf(text: bytes) -> bytes:
    return text if _whole_line_ends(text) else _CRLF.sub(b"\r\n", text)


def _base64_lines(octets: bytes) -> bytes:
    """Base64 in lines of 76 characters (RFC 2045 6.8), each with its CRLF."""
    text = binascii.b2a_base64(octets, newline=False)
    return b"".join([text[at : at + 76] + b"\r\n" for at in range(0, len(text), 76)])


def _footer_lines(body: bytes, signature: Signature) -> int | None:
    """How many lines at the end must go so that the rest is what was signed; None when no number does it."""
    starts: list[int] = []
    place = len(body.removesuffix(b"\r\n"))
    while len(starts) < FOOTER_LINES and place > 0:
        place = body.rfind(b"\r\n", 0, place)
        if place < 0 or len(body) - place > FOOTER_OCTETS:
            break
        starts.append(place + 2)
    if not starts:
        return None
    # What stands before all of these is hashed once, up to a line that is not empty.
    relaxed = signature.body_form != SIMPLE
    stem_end = content_end(body[: starts[-1]], relaxed)
    stem = sha256()
    if stem_end:
        for piece in canonical_body(body[:stem_end], signature.body_form):
            stem.update(piece)
        stem_end = body.index(b"\r\n", stem_end) + 2
    for lines, start in enumerate(starts, 1):
        tail = body[stem_end:start]
        state = stem.copy()
        if not stem_end or content_end(tail, relaxed):
            for piece in canonical_body(tail, signature.body_form):
                state.update(piece)
        if state.digest() == signature.body_hash:
            return lines
    return None


# ---------------------------------------------------------------------------------------------------
# The header
# ---------------------------------------------------------------------------------------------------

_Fields: TypeAlias = Sequence[Field]
_Trial: TypeAlias = tuple[DiagnosisCode, str | None, _Fields, Field]

_TAG = re.compile(
    rb"(\s*+(?:(?:re|aw|fwd?|sv)\s*+:\s*+)*+)"
    rb"(?:\[[^\[\]]{1,80}\]|\*{2,4}\s?[A-Za-z ]{1,40}\*{2,4}|\(?EXTERN(?:AL)?\)?:)\s*+",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(rb"(?:x-)?(?:[a-z0-9]+-)?original-([a-z-]+)\Z|x-([a-z-]+)-original\Z|(?:x-)?old-([a-z-]+)\Z")
_KNOWN_CASE = {b"message-id": b"Message-ID", b"mime-version": b"MIME-Version", b"dkim-signature": b"DKIM-Signature"}


def _diagnose_header(
    message: Message, field: Field, signature: Signature, ask: Ask, limits: Limits
) -> Diagnosis | None:
    changed = Diagnosis(DiagnosisCode.HEADER_CHANGED)
    question = signature.question
    answer = ask(question) if question is not None else None
    if answer is None or answer.outcome is not Outcome.FOUND:
        return None
    records, _ = key_records(answer, limits)
    algorithm = (signature.algorithm or "").encode()
    records = tuple(r for r in records if check_key(r, algorithm, signature.below_domain, limits) is None)
    try:
        fits = _header_test(records, signature)
        if fits is None:
            return Diagnosis(DiagnosisCode.KEY_CHANGED)
        canonical = _Canonical(message, field, signature)
        for code, detail, fields, own in islice(_header_trials(message, field, signature), TRIALS):
            if fits(canonical.digest(signed_fields(fields, signature.names), own)):
                return Diagnosis(code, detail)
    except LibraryError:
        return None
    return changed


class _Canonical:
    """Header fields in the form in which they are signed; of most, every trial takes what the message holds."""

    def __init__(self, message: Message, own: Field, signature: Signature) -> None:
        self._fields = message.fields
        self._own = own
        self._header_form = signature.header_form
        self._form = relaxed_field if signature.header_form == RELAXED else simple_field
        self._own_text = signature_field(own, signature.header_form)
        self._texts: dict[int, bytes] = {}

    def digest(self, covered: Sequence[Field], own: Field) -> bytes:
        parts = [self._text(field) for field in covered]
        parts.append(self._own_text if own is self._own else signature_field(own, self._header_form))
        return digest_of(b"".join(parts))

    def _text(self, field: Field) -> bytes:
        if field is not self._fields[field.index]:  # made for a trial
            return self._form(field)
        text = self._texts.get(field.index)
        if text is None:
            text = self._texts[field.index] = self._form(field)
        return text


def _header_test(records: Sequence[KeyRecord], signature: Signature) -> Callable[[bytes], bool] | None:
    """A test for a digest; None when the signature is by none of the keys that are published now."""
    for record in records:
        key = record.key
        if key is None:
            continue
        if record.algorithm == b"ed25519":
            return lambda digest, key=key: holds(key, signature.signature, digest)  # type: ignore[misc]
        expected = signed_digest(key, signature.signature)
        if expected is not None:
            return lambda digest, expected=expected: digest == expected  # type: ignore[misc]
    return None


def _header_trials(message: Message, field: Field, signature: Signature) -> Iterator[_Trial]:
    names = set(signature.names)
    fields = tuple(f for f in message.fields if f.key in names)  # no other field can change the hash
    covered = signed_fields(fields, signature.names)
    if sum(len(f.raw) for f in covered) > HEADER_OCTETS:
        return
    for gone in covered:
        yield (
            DiagnosisCode.FIELD_INSERTED,
            escape(gone.name),
            tuple(f for f in fields if f is not gone),
            field,
        )
    restored = tuple(_originals(message.fields, covered))
    for at, was in restored:
        yield DiagnosisCode.FIELD_REPLACED, escape(at.name), _with(fields, {at.index: was}), field
    all_restored = {at.index: was for at, was in restored}
    for at, was in _without_tag(covered):
        yield DiagnosisCode.SUBJECT_TAG_REMOVED, escape(at.name), _with(fields, {at.index: was}), field
        if all_restored:
            both = {**all_restored, at.index: was}
            yield DiagnosisCode.SUBJECT_TAG_REMOVED, escape(at.name), _with(fields, both), field
        for gone in covered:
            if gone is not at:
                fewer = tuple(f for f in _with(fields, {at.index: was}) if f.index != gone.index)
                yield DiagnosisCode.SUBJECT_TAG_REMOVED, escape(at.name), fewer, field
    if signature.header_form == SIMPLE:
        yield from _form_trials(fields, covered, field, signature)
    yield from _space_trials(fields, covered, field, signature)


def _with(fields: _Fields, changes: dict[int, Field]) -> _Fields:
    return tuple(changes.get(f.index, f) for f in fields)


def _made(field: Field, name: bytes, text: bytes) -> Field:
    """The field with another name as written or another text after the colon, line end included."""
    return replace(field, name=name, raw=name + b":" + text, value=text.removesuffix(b"\r\n"))


def _text(field: Field) -> bytes:
    return field.raw.partition(b":")[2]


def _originals(fields: _Fields, covered: Sequence[Field]) -> Iterator[tuple[Field, Field]]:
    """Signed fields of which the message still holds an older text under another name."""
    by_key = {f.key: f for f in covered}
    for kept in fields:
        match = _ORIGINAL.match(kept.key)
        at = by_key.get(match[match.lastindex or 1]) if match else None
        if at is not None:
            yield at, _made(at, at.name, _text(kept))


def _without_tag(covered: Sequence[Field]) -> Iterator[tuple[Field, Field]]:
    for at in covered:
        if at.key != b"subject":
            continue
        match = _TAG.match(_text(at))
        if match:
            rest = _text(at)[match.end() :]
            yield at, _made(at, at.name, match[1] + rest)
            if not match[1].strip():
                yield at, _made(at, at.name, b" " + rest)


def _form_trials(fields: _Fields, covered: Sequence[Field], own: Field, signature: Signature) -> Iterator[_Trial]:
    """For c=simple: other spellings of the names and other folds, of all covered fields at once."""
    written = {name.lower(): name for name in signature.names_written}
    names: list[Callable[[bytes], bytes]] = [
        lambda name: name,
        lambda name: written.get(name.lower(), name),
        lambda name: _KNOWN_CASE.get(name.lower()) or name.title(),
        lambda name: name.lower(),
    ]
    for fold_number, fold in enumerate(_FOLDS):
        for name_number, rename in enumerate(names):
            changes = {f.index: _made(f, rename(f.name), fold(_text(f))) for f in covered}
            code = DiagnosisCode.FIELDS_REFOLDED if fold_number else DiagnosisCode.FIELD_NAMES_RECASED
            for own_name in dict.fromkeys((own.name, b"DKIM-Signature", b"Dkim-Signature", b"dkim-signature")):
                for own_fold in dict.fromkeys((_FOLDS[0], fold)):
                    if fold_number or name_number or own_name != own.name:
                        yield code, None, _with(fields, changes), _made(own, own_name, own_fold(_text(own)))


_FOLDS: tuple[Callable[[bytes], bytes], ...] = (
    lambda text: text,
    lambda text: _refold(text, b""),
    lambda text: re.sub(rb"\r\n[ \t]+(?=.)", b" ", text),
    lambda text: re.sub(rb"\r\n[ \t]+(?=.)", b"\r\n\t", text),
    lambda text: re.sub(rb"\r\n[ \t]+(?=.)", b"\r\n ", text),
    lambda text: text.replace(b">, ", b">,\r\n "),
    lambda text: text.replace(b">, ", b">,\r\n\t"),
)


def _refold(text: bytes, fold: bytes) -> bytes:
    return re.sub(rb"\r\n(?=[ \t])", fold, text)


def _space_trials(fields: _Fields, covered: Sequence[Field], own: Field, signature: Signature) -> Iterator[_Trial]:
    """White space in one signed field, then in all of them; under c=relaxed only what it does not forgive."""
    changes: list[Callable[[bytes], bytes]] = [
        lambda text: re.sub(rb"\r\n[ \t]+(?=.)", b"", text),
        lambda text: re.sub(rb"(?<![ \t])[ \t]++(?=[,;:])", b"", text),
        lambda text: re.sub(rb"([,;])(?=[^ \t\r\n])", rb"\1 ", text),
    ]
    if signature.header_form == SIMPLE:
        changes += [
            lambda text: b" " + text.lstrip(b" \t"),
            lambda text: text.lstrip(b" \t"),
            lambda text: re.sub(rb"[ \t]+", b" ", text),
            lambda text: re.sub(rb"(?<![ \t])[ \t]++\r\n\Z", b"\r\n", text),
        ]
    for change in changes:
        everywhere = {f.index: _made(f, f.name, change(_text(f))) for f in covered}
        yield DiagnosisCode.WHITESPACE_CHANGED, None, _with(fields, everywhere), own
        for at in covered:
            if everywhere[at.index].raw != at.raw:
                one = {at.index: everywhere[at.index]}
                yield DiagnosisCode.WHITESPACE_CHANGED, escape(at.name), _with(fields, one), own
    yield DiagnosisCode.WHITESPACE_CHANGED, escape(own.name), fields, _made(own, own.name, changes[0](_text(own)))

"""Plain words for every closed list of the model.  Each table is complete; a test iterates over every member.

The entries are ours alone.  Text of a message is added by ``shown`` and names by ``name``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from verify.grammar.names import u_labels
from verify.grammar.visible import terminal
from verify.model import (
    AnomalyCode,
    Cause,
    Comparison,
    ComparisonReason,
    Conclusion,
    DiagnosisCode,
    Fidelity,
    FidelityNote,
    OriginReason,
    Outcome,
    Override,
    Proof,
    Reason,
    RecordedStanding,
    Standing,
    WrittenBy,
)

_NAME_CHARS = 253  # of a name that is remembered


def shown(text: str, limit: int = 120) -> str:
    """Text of a message or of the DNS inside a sentence: shortened, nothing in it invisible."""
    if len(text) > limit:
        text = text[:limit] + "…"
    return terminal(text)


def name(domain: str | None) -> str:
    """A domain as it is written in the DNS, with its letters behind it when they differ."""
    if not domain:
        return "an unnamed domain"
    return _known_name(domain) if len(domain) <= _NAME_CHARS else _name(domain)


def _name(domain: str) -> str:
    if "xn--" in domain:
        letters = u_labels(domain)
        if letters != domain:
            return f"{shown(domain)} ({shown(letters)})"
    return shown(domain)


_known_name = lru_cache(maxsize=8192)(_name)


def listed(items: Iterable[str], most: int = 3) -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b, c and 4 more``; repeats are left out."""
    unique = list(dict.fromkeys(items))
    if len(unique) > most:
        unique = [*unique[:most], f"{len(unique) - most} more"]
    if len(unique) < 2:
        return "".join(unique)
    return ", ".join(unique[:-1]) + " and " + unique[-1]


def duration(seconds: int | None) -> str:
    """Seconds in the two largest units; ``-`` when not known."""
    if seconds is None:
        return "-"
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    units: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, left = divmod(left, size)
        if count or (unit == "s" and not units):
            units.append(f"{count} {unit}")
    return sign + " ".join(units[:2])


CONCLUSIONS: dict[Conclusion, str] = {
    Conclusion.AUTHENTICATED: "Authenticated",
    Conclusion.FAILED: "Failed",
    Conclusion.UNPROTECTED: "Unprotected",
    Conclusion.UNDETERMINED: "Undetermined",
}

# Each fits after "because" and after a dash.
REASONS: dict[Reason, str] = {
    Reason.NOT_RECORDED: "the DNS answer was neither asked for nor recorded",
    Reason.NOT_CHECKABLE: "the original bytes are not there",
    Reason.NO_CLIENT_IP: "the address that the message came from is not known",
    Reason.NO_MAIL_FROM: "the envelope sender is not known",
    Reason.NO_HELO: "the name that the sending server gave is not known",
    Reason.NEVER_CROSSED_BORDER: "the message never came in from outside",
    Reason.ORIGIN_INFERRED: "the sending address is inferred, so it clears nobody",
    Reason.ORIGIN_UNKNOWN: "where the message came in is not known",
    Reason.DNS_TIMEOUT: "the name server did not answer in time",
    Reason.DNS_SERVFAIL: "the name server reported a failure",
    Reason.DNS_REFUSED: "the name server refused to answer",
    Reason.DNS_MALFORMED: "the name server sent a broken answer",
    Reason.DNS_BUDGET: "the message asks for more look-ups than are allowed",
    Reason.LIMIT: "a limit of this program was reached",
    Reason.LIBRARY_ERROR: "a library broke on it",
    Reason.NO_RECORD: "no record is published",
    Reason.SEVERAL_RECORDS: "several records are published where only one may be",
    Reason.NO_SUCH_DOMAIN: "the domain does not exist",
    Reason.NOT_A_DOMAIN: "this is not a domain that can be looked up",
    Reason.NOT_AN_ADDRESS: "the envelope sender is not a mail address",
    Reason.MATCHED: "the record names this case",
    Reason.NO_MATCH: "the record says nothing about this address",
    Reason.SYNTAX_ERROR: "the record is not written correctly",
    Reason.LOOKUP_LIMIT: "the record needs more than ten look-ups",
    Reason.VOID_LOOKUP_LIMIT: "the record refers to too many names without data",
    Reason.INCLUDE_WITHOUT_RECORD: "the record includes a domain without one",
    Reason.REDIRECT_WITHOUT_RECORD: "the record redirects to a domain without one",
    Reason.VERIFIED: "the signature is intact",
    Reason.BODY_HASH_MISMATCH: "the body is not the one that was signed",
    Reason.SIGNATURE_MISMATCH: "the signed header fields are not the ones that were signed, or the key is another",
    Reason.TAG_SYNTAX: "the signature is not written correctly",
    Reason.DUPLICATE_TAG: "the signature holds a tag twice",
    Reason.MISSING_TAG: "the signature lacks a required tag",
    Reason.BAD_VERSION: "the signature has an unknown version",
    Reason.BAD_BASE64: "the signature holds broken base64",
    Reason.BAD_DOMAIN: "the signing domain is not a host name",
    Reason.BAD_SELECTOR: "the selector is not a host name",
    Reason.BAD_AUID: "the identity that was signed for is not an address",
    Reason.UNKNOWN_ALGORITHM: "the signature algorithm is unknown",
    Reason.UNKNOWN_CANONICALIZATION: "the canonicalization is unknown",
    Reason.UNKNOWN_QUERY_METHOD: "the way to fetch the key is unknown",
    Reason.RSA_SHA1: "it uses rsa-sha1, which is no longer safe",
    Reason.FROM_NOT_SIGNED: "the From field is not signed",
    Reason.SEAL_SIGNED: "it signs ARC seals, which it must not",
    Reason.AUID_OUTSIDE_DOMAIN: "the identity that was signed for is outside the signing domain",
    Reason.NO_KEY: "the key is not published",
    Reason.KEY_REVOKED: "the key has been revoked",
    Reason.KEY_SYNTAX: "the key record is not written correctly",
    Reason.KEY_HASH_NOT_ALLOWED: "the key does not allow this hash",
    Reason.KEY_TYPE_MISMATCH: "the key is of another type",
    Reason.KEY_SERVICE_NOT_EMAIL: "the key is not for mail",
    Reason.KEY_STRICT_AUID: "the key does not allow signing for subdomains",
    Reason.KEY_TOO_SHORT: "the key is too short to be safe",
    Reason.KEY_TOO_LONG: "the key is too long to be checked",
    Reason.SEVERAL_KEYS: "too many keys are published under one name",
    Reason.TESTING: "it does not verify, and its key is marked as a test",
    Reason.EXPIRED: "the signature had expired",
    Reason.EXPIRY_BEFORE_SIGNING: "the signature expires before it was made",
    Reason.SIGNED_IN_FUTURE: "the signature is dated in the future",
    Reason.LENGTH_OVER_BODY: "the signature covers more than there is: text was cut off",
    Reason.UNSIGNED_OCTETS: "text was added after the signed part",
    Reason.SIGNED_INSTANCE_NOT_SHOWN: "a reader is shown another header field than the signed one",
    Reason.PUBLIC_SUFFIX: "the domain is a public suffix, not an organization",
    Reason.CHAIN_FAILED_BEFORE: "an earlier handler already found the chain broken",
    Reason.CHAIN_STRUCTURE: "parts of the chain are missing or out of order",
    Reason.CHAIN_TOO_LONG: "the chain is longer than the standard allows",
    Reason.MESSAGE_SIGNATURE_FAILED: "the message was changed after the newest handler signed it",
    Reason.SEAL_FAILED: "a seal does not verify",
    Reason.SEAL_HAS_H: "a seal holds a tag that it must not",
    Reason.NO_PTR: "the address has no name",
    Reason.CONFIRMED: "the name leads back to the address",
    Reason.NOT_CONFIRMED: "no name of the address leads back to it",
    Reason.ALIGNED: "a passing result belongs to the Author Domain",
    Reason.NOT_ALIGNED: "no passing result belongs to the Author Domain",
    Reason.NO_POLICY: "the domain publishes no policy",
    Reason.BROKEN_POLICY: "the policy record is not usable",
    Reason.AUTHOR_MISSING: "there is no usable From field",
    Reason.AUTHOR_REPEATED: "there is more than one From field",
    Reason.AUTHOR_SEVERAL_DOMAINS: "From names several domains",
    Reason.AUTHOR_AMBIGUOUS: "mail programs would show different authors",
    Reason.NAME_TOO_LONG: "the name is too long to be looked up",
    Reason.COPY_ALTERED: "this copy is not what the receiver checked",
    Reason.RECORDS_LATER: "the DNS may have changed since the message was received",
}

# Without a final stop: the detail follows after a colon.
ANOMALIES: dict[AnomalyCode, str] = {
    AnomalyCode.JUNK_LINE: "The header holds a line that is no header field",
    AnomalyCode.LEADING_CONTINUATION: "The header begins with a continuation line, which some programs read as a field",
    AnomalyCode.BLANK_BEFORE_COLON: "A field name is followed by a blank, so that programs disagree whether it counts",
    AnomalyCode.BARE_CR: "There are carriage returns without line feeds, which some programs take for line ends",
    AnomalyCode.BARE_LF: "There are line feeds without carriage returns among proper line ends",
    AnomalyCode.MIXED_LINE_ENDS: "Line ends are mixed; the message was judged as it is",
    AnomalyCode.NUL_OCTET: "The message holds NUL octets, at which some programs stop reading",
    AnomalyCode.SECOND_HEADER_BLOCK: "The body begins like a second header",
    AnomalyCode.SMUGGLING_SHAPE: "The body holds a disguised end of message, as in SMTP smuggling",
    AnomalyCode.NO_BODY_SEPARATOR: "No empty line separates header and body",
    AnomalyCode.REPEATED_FIELD: "A field that may stand once stands several times",
    AnomalyCode.LIMIT_HIT: "A limit was reached, and the rest was left out",
    AnomalyCode.DISPLAY_NAME_ADDRESS: "The displayed name holds a mail address that is not the author's",
    AnomalyCode.DISPLAY_NAME_CONTROL: "The displayed name holds invisible or direction-changing characters",
    AnomalyCode.DISPLAY_NAME_RECEIVER: "The displayed name looks like the receiver's own domain",
    AnomalyCode.MIXED_SCRIPTS: "The author's domain or name mixes scripts that look alike",
    AnomalyCode.EIGHT_BIT_FROM: "From holds unencoded characters outside ASCII",
    AnomalyCode.ODD_FROM_SYNTAX: "From is written in an unusual way",
    AnomalyCode.SENDER_DIFFERS: "The Sender field names another domain than From",
    AnomalyCode.REPLY_TO_DIFFERS: "Replies would go to another domain than the author's",
    AnomalyCode.LOCAL_PART_UNPROVEN: "What passed names another user; only the domain of the author is proven",
    AnomalyCode.ORIGIN_CONFLICT: "What the receiver recorded contradicts the line at the border",
    AnomalyCode.BOUNDARY_INCOMPLETE: "The border line shows an inner address or a gateway, not the sender's server",
    AnomalyCode.CLOCK_BACKWARDS: "A clock ran backwards between two hops",
    AnomalyCode.DATE_SKEW: "The Date field is far from the time of receipt",
    AnomalyCode.SIGNING_TIME_SKEW: "The time in a signature is far from the time of receipt",
    AnomalyCode.RECEIPT_DATE_UNUSABLE: "The time of receipt cannot be used, so another was taken",
    AnomalyCode.RECORDS_LATER_THAN_MAIL: "The DNS answers are later than the message; records may have changed since",
    AnomalyCode.HOP_NOT_ENCRYPTED: "A trusted hop was not encrypted",
    AnomalyCode.FORGED_RESULTS: "A results field that bears the receiver's name did not come from it",
    AnomalyCode.RECORDED_DIFFERS: "A receiver recorded another result than ours",
    AnomalyCode.SPF_PASS_ALL: "SPF passes for every address in the world, so it proves nothing",
    AnomalyCode.SPF_SHARED_POOL: "SPF passes for a pool of addresses that many customers share",
    AnomalyCode.ONE_LABEL_DOMAIN: "Alignment rests on a domain of one label, which is no organization",
    AnomalyCode.DUPLICATE_TAG: "A DNS record holds a tag twice; the first one counts",
    AnomalyCode.SEVERAL_POLICY_RECORDS: "Several DMARC records stand at one name, so none of them counts",
    AnomalyCode.BROKEN_POLICY: "The DMARC record is not usable as written",
    AnomalyCode.NO_SUCH_AUTHOR_DOMAIN: "The author's domain does not exist",
    AnomalyCode.EXISTENCE_UNKNOWN: "Whether the domain exists could not be found out; it was taken to exist",
    AnomalyCode.SIGNATURES_NOT_TRIED: "There are more signatures than are tried; the rest was left out",
    AnomalyCode.WEAK_KEY: "A signing key is weak",
    AnomalyCode.UNSIGNED_OCTETS: "Part of the body is not signed",
    AnomalyCode.UNSIGNED_SHOWN_FIELD: "A field that readers are shown is not signed by the author's domain",
    AnomalyCode.SIGNED_INSTANCE_NOT_SHOWN: "Readers are shown another instance of a field than the signed one",
    AnomalyCode.OLD_SIGNATURE: "A signature is much older than the receipt: the message may have been replayed",
    AnomalyCode.RECIPIENT_NOT_SIGNED: "The recipient is not in the signed To or Cc: the message may have been replayed",
    AnomalyCode.LIBRARY_ERROR: "A library broke on this message; its result is an error, never a pass",
}

# Each is a whole sentence without its final stop; a detail follows after a colon.
DIAGNOSES: dict[DiagnosisCode, str] = {
    DiagnosisCode.MBOX_QUOTING: 'It verifies when the ">" that mailboxes put before "From " is removed',
    DiagnosisCode.TRAILING_BLANK_LINES: "It verifies when blank lines at the end are put right",
    DiagnosisCode.FOOTER_REMOVED: "The body was changed after signing: it verifies",
    DiagnosisCode.LINES_ADDED: "added after signing, and it is not known by whom: the signer does not vouch for that",
    DiagnosisCode.SUBJECT_TAG_REMOVED: "The subject was changed after signing: it verifies without the tag in front",
    DiagnosisCode.BODY_REENCODED: "The body was encoded anew after signing: it verifies in its former encoding",
    DiagnosisCode.FIELDS_REFOLDED: "Header fields were folded anew after signing: it verifies with their lines joined",
    DiagnosisCode.FIELD_NAMES_RECASED: "Field names were written anew: it verifies with other capital letters",
    DiagnosisCode.FIELD_INSERTED: "A header field was inserted after signing: it verifies without it",
    DiagnosisCode.FIELD_REPLACED: "A header field was replaced after signing",
    DiagnosisCode.WHITESPACE_CHANGED: "Blanks in signed header fields were changed after signing",
    DiagnosisCode.LINE_ENDS: "Line ends were changed after signing: it verifies with them put right",
    DiagnosisCode.BODY_CHANGED: "The body was changed after signing, and no harmless change explains it",
    DiagnosisCode.HEADER_CHANGED: (
        "Signed header fields were changed, or the key is another; no harmless change explains it"
    ),
    DiagnosisCode.KEY_CHANGED: "The key that is published now is not the one that made this signature",
    DiagnosisCode.KEY_GONE: "No key is published at that name: it was withdrawn, or the signature is invented",
    DiagnosisCode.KEY_WEAK: "The key is too weak: anybody might have made this signature",
}

COMPARISONS: dict[Comparison, str] = {
    Comparison.AGREES: "Agrees with our results",
    Comparison.DIFFERS: "Differs from our results, and nothing known explains it",
    Comparison.EXPLAINED: "Differs from our results for a known reason",
    Comparison.NOT_COMPARABLE: "Cannot be compared with our results",
}

# Each fits after a colon.
COMPARISON_REASONS: dict[ComparisonReason, str] = {
    ComparisonReason.KEY_GONE: "the key has been withdrawn since",
    ComparisonReason.KEY_CHANGED: "the key has been replaced since",
    ComparisonReason.EXPIRED_SINCE: "the signature has expired since",
    ComparisonReason.COPY_ALTERED: "this copy is not byte for byte what was checked then",
    ComparisonReason.RECORD_CHANGED: "the DNS record has changed since",
    ComparisonReason.OLD_STANDARD: "it was judged by the other DMARC standard",
    ComparisonReason.METHOD_NOT_RUN: "one side did not run this check",
    ComparisonReason.NOT_OUR_RESULT: "it is a check or a word that we do not use",
    ComparisonReason.OTHER_ORIGIN: "it is about another hop than our border",
    ComparisonReason.STRICTER_HERE: "our rules refuse what the writer accepted",
    ComparisonReason.DNS_TROUBLE: "the DNS gave no usable answer to one side",
}

ORIGIN_REASONS: dict[OriginReason, str] = {
    OriginReason.GIVEN: "given with the message by whoever started this check",
    OriginReason.TRUSTED_HOST: "the first line of a trusted host about a client that is not trusted",
    OriginReason.TRUSTED_NETWORK: "the first client that lies outside the trusted networks",
    OriginReason.PROFILE_BORDER_HOST: "this is where the receiver takes in mail from outside",
    OriginReason.PROFILE_HOST: "the first line of the receiver about a client that is not its own",
    OriginReason.FIRST_PUBLIC: "the topmost public address, for want of anything better",
    OriginReason.BORDER_INCOMPLETE: "the border line shows an inner address or a gateway that was not named",
    OriginReason.NEVER_CROSSED: "every hop is the receiver's own: the message never came in from outside",
    OriginReason.AUTHENTICATED_CLIENT: "the client logged in to send: the message never came in from outside",
    OriginReason.NO_RECEIVED: "the message has no Received field",
    OriginReason.NO_ADDRESS: "no Received field shows a usable address",
    OriginReason.NOT_WRITTEN_BY_RECEIVER: "the receiver or the hosts that you named wrote no Received field on top",
}

FIDELITIES: dict[Fidelity, str] = {
    Fidelity.ORIGINAL: "as received",
    Fidelity.LINE_ENDINGS: "line ends restored",
    Fidelity.QUOTING_UNDONE: "mailbox quoting undone",
    Fidelity.PARTIAL: "part of the message only",
    Fidelity.SYNTHETIC: "rebuilt, not the original bytes",
}

FIDELITY_NOTES: dict[FidelityNote, str] = {
    FidelityNote.LF_TO_CRLF: "lone line feeds were turned into network line ends",
    FidelityNote.CR_TO_CRLF: "lone carriage returns were turned into network line ends",
    FidelityNote.MIXED_LINE_ENDS: "line ends are mixed and were left as they are",
    FidelityNote.FROM_LINE_REMOVED: 'the mailbox line "From " in front was removed',
    FidelityNote.MBOX_QUOTING_UNDONE: 'the ">" that the mailbox put before "From " was removed',
    FidelityNote.MBOX_QUOTING_KEPT: 'lines with ">From " were left as they are',
    FidelityNote.MBOX_QUOTING_AMBIGUOUS: 'it cannot be told whether ">From " lines were quoted by the mailbox',
    FidelityNote.TRAILING_BLANK_LINE_REMOVED: "the blank line that the mailbox adds at the end was removed",
    FidelityNote.CONTENT_LENGTH_USED: "the end was found by Content-Length",
    FidelityNote.SEPARATOR_LIKE_LINE: "a line inside looks like the start of another message and was not taken for one",
    FidelityNote.TRUNCATED: "the message is cut off",
    FidelityNote.NO_ORIGINAL_BYTES: "the format does not keep the original bytes",
    FidelityNote.NO_TRANSPORT_HEADERS: "the format holds no header as it was sent",
    FidelityNote.BYTE_ORDER_MARK_REMOVED: "a byte order mark in front was removed",
    FidelityNote.EMLX_TRAILER_REMOVED: "the data that the mail program added at the end was removed",
    FidelityNote.CHOSEN_BY_SIGNATURE: "of several ways to undo quoting, the one that a signature confirms was taken",
    FidelityNote.ATTACHED: "it was attached to another message",
    FidelityNote.TRANSFER_ENCODING_UNDONE: "the attachment was encoded and has been decoded",
    FidelityNote.LINE_ENDS_REBUILT: "every line end was damaged in the same way, so all were written anew",
    FidelityNote.ATTACHMENTS_LEFT_OUT: "the mail program keeps the attachments elsewhere, so the body is not whole",
}

OUTCOMES: dict[Outcome, str] = {
    Outcome.FOUND: "found",
    Outcome.NODATA: "no such record",
    Outcome.NXDOMAIN: "no such name",
    Outcome.TEMPORARY: "no usable answer",
    Outcome.NOT_RECORDED: "not asked, not recorded",
}

CAUSES: dict[Cause, str] = {
    Cause.TIMEOUT: "no answer in time",
    Cause.SERVFAIL: "server failure",
    Cause.REFUSED: "refused",
    Cause.MALFORMED: "broken answer",
    Cause.BUDGET: "look-ups used up",
}

OVERRIDES: dict[Override, str] = {
    Override.TRUSTED_SEALER: "a trusted sealer vouches for it",
    Override.MAILING_LIST: "it came through a mailing list",
    Override.LOCAL_POLICY: "by local policy",
}

STANDINGS: dict[Standing, str] = {
    Standing.OURS: "written inside the receiver",
    Standing.BORDER: "written where the message came in",
    Standing.CLAIMED: "the other side's word, unproven",
}

RECORDED_STANDINGS: dict[RecordedStanding, str] = {
    RecordedStanding.TRUSTED: "written by a receiver that you trust",
    RecordedStanding.INFERRED: "probably written by the receiver",
    RecordedStanding.UNTRUSTED: "anybody could have written it",
    RecordedStanding.FORGED: "bears the receiver's name, but did not come from it",
}

PROOFS: dict[Proof, str] = {
    Proof.PROVEN: "proven",
    Proof.CLAIMED: "claimed, unproven",
}

WRITERS: dict[WrittenBy, str] = {
    WrittenBy.SENDER: "the sender's side",
    WrittenBy.RECEIVER: "the receiver",
    WrittenBy.UNKNOWN: "an unknown writer",
}

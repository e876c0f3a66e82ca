"""The values that pass through the program: every type, every closed list of words, every limit.

Nothing here decides, reads or writes.  Names come from RFC 5598, 6376, 7208, 8601, 8617 and 9989.

Text in these values is *visible text*: bytes of a message or of the DNS have gone through
``grammar.visible.escape`` (valid UTF-8 kept, control characters and other bytes as ``\\xNN``, a backslash
doubled), or were checked to be a host name or an address.  Times are aware datetimes in UTC where the
verdict shows them and whole epoch seconds (``int``) inside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

Time: TypeAlias = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": "Z$"})]  # UTC

# ---------------------------------------------------------------------------------------------------
# Limits: each counts work, so that a verdict does not depend on the machine.
# ---------------------------------------------------------------------------------------------------


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """Every cap of the program.  A cap that is hit is reported, never silent."""

    message_octets: int = 150 * 1024 * 1024  # octets of one message; larger files are refused, ours
    body_octets: int = 100 * 1024 * 1024  # octets of body that are hashed, per message, ours
    header_octets: int = 1024 * 1024  # octets of the header block, ours (Postfix: 100 KiB)
    header_fields: int = 2000  # fields, ours (Sendmail: 32 KiB of names)
    line_octets: int = 256 * 1024  # octets of one unfolded field, ours (RFC 5322 2.1.1: 998 a line)
    received_fields: int = 200  # fields read as hops, ours (RFC 5321 6.3: at least 100)
    recorded_fields: int = 100  # Authentication-Results and kin read, ours
    recorded_octets: int = 16 * 1024  # octets of one recorded field, RFC 8601 7.8
    recorded_results: int = 100  # results read from one recorded field, RFC 8601 7.8
    author_readings: int = 50  # mailboxes listed for From, RFC 9989 11.5
    author_domains: int = 8  # domains of one From whose policies are looked up, RFC 9989 11.5
    comment_depth: int = 20  # nesting of comments, RFC 5322 3.2.2 sets none
    signatures: int = 10  # DKIM signatures tried, RFC 6376 6.1
    signed_names: int = 200  # names in h=, ours
    tag_list_octets: int = 16 * 1024  # octets of one tag list (signature, seal, key, DMARC record), ours
    key_bits_least: int = 1024  # bits of an RSA modulus, RFC 8301 3.2
    key_bits_most: int = 4096  # bits of an RSA modulus, RFC 8301 3.2
    key_exponent_bits: int = 33  # bits of an RSA exponent (65537 has 17), RFC 6376 8.13
    key_records: int = 3  # key records tried at one name, RFC 6376 6.1.2
    clock_drift: int = 300  # seconds allowed for t= ahead and x= behind, RFC 6376 3.5
    arc_sets: int = 50  # RFC 8617 4.2.1
    arc_seals_checked: int = 50  # seals and message signatures verified; past it the chain is not pass
    spf_lookups: int = 10  # terms, RFC 7208 4.6.4
    spf_void_lookups: int = 2  # RFC 7208 4.6.4
    spf_record_octets: int = 8 * 1024  # octets of one record, ours
    ptr_names: int = 10  # names confirmed for iprev, RFC 8601 3
    dns_questions: int = 300  # questions that one message may cause, ours
    dns_questions_other: int = 100  # of these, for what cannot change the conclusion
    dns_octets: int = 512 * 1024  # octets of answers that one message may cause, ours
    dns_rounds: int = 40  # rounds of questions for one message, ours
    archive_members: int = 2_000_000  # members of one archive with all inside it, ours
    archive_member_octets: int = 64 * 1024**3  # octets of one member unpacked (a mailbox in a Takeout), ours
    archive_total_octets: int = 512 * 1024**3  # octets unpacked of one archive with all inside it, ours
    archive_index_octets: int = 256 * 1024 * 1024  # octets of the directory of a zip archive, ours
    archive_ratio: int = 200  # octets unpacked for each one packed, ours (deflate reaches 1032)
    archive_ratio_from: int = 256 * 1024 * 1024  # octets unpacked before the ratio counts, ours
    archive_depth: int = 6  # archives and compressions inside one another (a .tar.gz has two), ours
    archive_name_octets: int = 1024  # octets of the name of a member, ours (file systems: 255 a part)
    xz_memory: int = 256 * 1024 * 1024  # octets of memory that an xz stream may ask for, ours (xz -9: 65 MiB)
    folder_depth: int = 100  # folders inside one another, ours
    attached_messages: int = 50  # message/rfc822 parts of one message, ours
    attached_depth: int = 5  # attached messages inside one another, ours
    mime_parts: int = 2000  # parts looked at for attached messages, ours
    mime_depth: int = 20  # multiparts inside one another, ours


# ---------------------------------------------------------------------------------------------------
# DNS
# ---------------------------------------------------------------------------------------------------


class Outcome(StrEnum):
    """What came of a question.  The first four stand in recordings."""

    FOUND = "found"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    TEMPORARY = "temporary"
    NOT_RECORDED = "not-recorded"  # the recording in use has no answer; never "no such record"


class Cause(StrEnum):
    """Why an answer is ``TEMPORARY``."""

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    MALFORMED = "malformed"
    BUDGET = "budget"


class Question(Struct, frozen=True, cache_hash=True, array_like=True):
    """``name``: lower-case A-labels without a final dot (``names.query_name``); ``rdtype``: TXT, A, AAAA, MX, PTR."""

    name: str
    rdtype: str


class Answer(Struct, frozen=True, kw_only=True):
    """One answer, CNAMEs followed.

    ``records``: octets, untrusted.  TXT: the strings joined; A, AAAA: address text; PTR: a name without
    final dot; MX: ``b"10 mx.example"``.  Sorted for A, AAAA, MX, PTR; as received for TXT.
    ``ttl``: seconds.  ``observed_at``: epoch seconds, None when never asked.  ``recorded``: from a recording.
    """

    question: Question
    outcome: Outcome
    cause: Cause | None = None
    records: tuple[bytes, ...] = ()
    ttl: int | None = None
    observed_at: int | None = None
    ad: bool = False
    recorded: bool = False


Ask: TypeAlias = Callable[[Question], Answer]


class NotKnownYet(Exception):
    """Raised by an ``Ask`` when the answers are not there yet; rises through the libraries to ``evaluate``."""

    def __init__(self, *questions: Question) -> None:
        super().__init__(*questions)
        self.questions = questions


# ---------------------------------------------------------------------------------------------------
# Reasons: one closed list for every check.
# ---------------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Why a result is what it is.  Words of ours, never text from a message."""

    # could not be run, or must be asked again
    NOT_RECORDED = "not-recorded"
    NOT_CHECKABLE = "not-checkable"
    NO_CLIENT_IP = "no-client-ip"
    NO_MAIL_FROM = "no-mail-from"
    NO_HELO = "no-helo"
    NEVER_CROSSED_BORDER = "never-crossed-border"
    ORIGIN_INFERRED = "origin-inferred"
    ORIGIN_UNKNOWN = "origin-unknown"
    DNS_TIMEOUT = "dns-timeout"
    DNS_SERVFAIL = "dns-servfail"
    DNS_REFUSED = "dns-refused"
    DNS_MALFORMED = "dns-malformed"
    DNS_BUDGET = "dns-budget"
    LIMIT = "limit"
    LIBRARY_ERROR = "library-error"  # an exception that a library does not document
    # SPF
    NO_RECORD = "no-record"
    SEVERAL_RECORDS = "several-records"
    NO_SUCH_DOMAIN = "no-such-domain"
    NOT_A_DOMAIN = "not-a-domain"  # single label, literal, bad label
    NOT_AN_ADDRESS = "not-an-address"
    MATCHED = "matched"  # a mechanism matched
    NO_MATCH = "no-match"  # no mechanism matched: neutral by default
    SYNTAX_ERROR = "syntax-error"
    LOOKUP_LIMIT = "lookup-limit"
    VOID_LOOKUP_LIMIT = "void-lookup-limit"
    INCLUDE_WITHOUT_RECORD = "include-without-record"
    REDIRECT_WITHOUT_RECORD = "redirect-without-record"
    # DKIM and ARC signatures
    VERIFIED = "verified"
    BODY_HASH_MISMATCH = "body-hash-mismatch"
    SIGNATURE_MISMATCH = "signature-mismatch"
    TAG_SYNTAX = "tag-syntax"
    DUPLICATE_TAG = "duplicate-tag"
    MISSING_TAG = "missing-tag"
    BAD_VERSION = "bad-version"
    BAD_BASE64 = "bad-base64"
    BAD_DOMAIN = "bad-domain"
    BAD_SELECTOR = "bad-selector"
    BAD_AUID = "bad-auid"
    UNKNOWN_ALGORITHM = "unknown-algorithm"
    UNKNOWN_CANONICALIZATION = "unknown-canonicalization"
    UNKNOWN_QUERY_METHOD = "unknown-query-method"
    RSA_SHA1 = "rsa-sha1"
    FROM_NOT_SIGNED = "from-not-signed"
    SEAL_SIGNED = "seal-signed"  # ARC-Seal in h= of an ARC-Message-Signature
    AUID_OUTSIDE_DOMAIN = "auid-outside-domain"
    NO_KEY = "no-key"
    KEY_REVOKED = "key-revoked"
    KEY_SYNTAX = "key-syntax"
    KEY_HASH_NOT_ALLOWED = "key-hash-not-allowed"
    KEY_TYPE_MISMATCH = "key-type-mismatch"
    KEY_SERVICE_NOT_EMAIL = "key-service-not-email"
    KEY_STRICT_AUID = "key-strict-auid"  # t=s and i= below d=
    KEY_TOO_SHORT = "key-too-short"
    KEY_TOO_LONG = "key-too-long"
    SEVERAL_KEYS = "several-keys"
    TESTING = "testing"  # a failing signature under a t=y key
    EXPIRED = "expired"
    EXPIRY_BEFORE_SIGNING = "expiry-before-signing"
    SIGNED_IN_FUTURE = "signed-in-future"
    LENGTH_OVER_BODY = "length-over-body"
    UNSIGNED_OCTETS = "unsigned-octets"
    SIGNED_INSTANCE_NOT_SHOWN = "signed-instance-not-shown"
    PUBLIC_SUFFIX = "public-suffix"
    # ARC chain
    CHAIN_FAILED_BEFORE = "chain-failed-before"  # the newest seal says cv=fail
    CHAIN_STRUCTURE = "chain-structure"
    CHAIN_TOO_LONG = "chain-too-long"
    MESSAGE_SIGNATURE_FAILED = "message-signature-failed"
    SEAL_FAILED = "seal-failed"
    SEAL_HAS_H = "seal-has-h"
    # iprev
    NO_PTR = "no-ptr"
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not-confirmed"
    # DMARC
    ALIGNED = "aligned"
    NOT_ALIGNED = "not-aligned"
    NO_POLICY = "no-policy"
    BROKEN_POLICY = "broken-policy"  # p, sp or np not valid and no usable rua (RFC 9989 4.10.1)
    AUTHOR_MISSING = "author-missing"
    AUTHOR_REPEATED = "author-repeated"
    AUTHOR_SEVERAL_DOMAINS = "author-several-domains"
    AUTHOR_AMBIGUOUS = "author-ambiguous"
    NAME_TOO_LONG = "name-too-long"
    COPY_ALTERED = "copy-altered"
    RECORDS_LATER = "records-later"


DNS_REASONS = {
    Cause.TIMEOUT: Reason.DNS_TIMEOUT,
    Cause.SERVFAIL: Reason.DNS_SERVFAIL,
    Cause.REFUSED: Reason.DNS_REFUSED,
    Cause.MALFORMED: Reason.DNS_MALFORMED,
    Cause.BUDGET: Reason.DNS_BUDGET,
}


# ---------------------------------------------------------------------------------------------------
# The message
# ---------------------------------------------------------------------------------------------------


class Field(Struct, frozen=True, gc=False):
    """One header field as found.

    ``name``: octets before the colon, trailing blanks kept out; ``value``: octets after the colon without
    the final line end, folds kept; ``raw``: the whole field with its line ends; ``index``: place in the
    header, 0 = topmost, junk lines counted.  ``key``: the name in lower-case ASCII, b"" for a junk line
    (neither field nor continuation).
    """

    name: bytes
    value: bytes
    raw: bytes
    index: int
    key: bytes


class Fidelity(StrEnum):
    ORIGINAL = "original"
    LINE_ENDINGS = "line-endings"
    QUOTING_UNDONE = "quoting-undone"
    PARTIAL = "partial"
    SYNTHETIC = "synthetic"


class FidelityNote(StrEnum):
    """What was done to, or is known about, the octets of a container."""

    LF_TO_CRLF = "lf-to-crlf"
    CR_TO_CRLF = "cr-to-crlf"
    MIXED_LINE_ENDS = "mixed-line-ends"
    FROM_LINE_REMOVED = "from-line-removed"
    MBOX_QUOTING_UNDONE = "mbox-quoting-undone"
    MBOX_QUOTING_KEPT = "mbox-quoting-kept"
    MBOX_QUOTING_AMBIGUOUS = "mbox-quoting-ambiguous"
    TRAILING_BLANK_LINE_REMOVED = "trailing-blank-line-removed"
    CONTENT_LENGTH_USED = "content-length-used"
    SEPARATOR_LIKE_LINE = "separator-like-line"
    TRUNCATED = "truncated"
    NO_ORIGINAL_BYTES = "no-original-bytes"
    NO_TRANSPORT_HEADERS = "no-transport-headers"
    BYTE_ORDER_MARK_REMOVED = "byte-order-mark-removed"
    EMLX_TRAILER_REMOVED = "emlx-trailer-removed"
    CHOSEN_BY_SIGNATURE = "chosen-by-signature"
    ATTACHED = "attached"
    TRANSFER_ENCODING_UNDONE = "transfer-encoding-undone"
    ATTACHMENTS_LEFT_OUT = "attachments-left-out"
    LINE_ENDS_REBUILT = "line-ends-rebuilt"


class Source(Struct, frozen=True, kw_only=True):
    """Where a message came from; ``path`` and ``member`` are visible text."""

    path: str | None = None
    member: str | None = None
    index: int | None = None
    sha256: str = ""
    judged_sha256: str = ""
    size: int = 0
    fidelity: Fidelity = Fidelity.ORIGINAL
    fidelity_notes: tuple[FidelityNote, ...] = ()


# Detail of ``AnomalyCode.ODD_FROM_SYNTAX`` where there is one Author Domain all the same.
SAME_AUTHOR = "same-author"


class AnomalyCode(StrEnum):
    """Things worth saying that are no result of a check."""

    # the header block
    JUNK_LINE = "junk-line"
    LEADING_CONTINUATION = "leading-continuation"
    BLANK_BEFORE_COLON = "blank-before-colon"
    BARE_CR = "bare-cr"
    BARE_LF = "bare-lf"
    MIXED_LINE_ENDS = "mixed-line-ends"
    NUL_OCTET = "nul-octet"
    SECOND_HEADER_BLOCK = "second-header-block"
    SMUGGLING_SHAPE = "smuggling-shape"
    NO_BODY_SEPARATOR = "no-body-separator"
    REPEATED_FIELD = "repeated-field"
    LIMIT_HIT = "limit-hit"
    # the author
    DISPLAY_NAME_ADDRESS = "display-name-address"
    DISPLAY_NAME_CONTROL = "display-name-control"
    DISPLAY_NAME_RECEIVER = "display-name-receiver"
    MIXED_SCRIPTS = "mixed-scripts"
    EIGHT_BIT_FROM = "eight-bit-from"
    ODD_FROM_SYNTAX = "odd-from-syntax"
    SENDER_DIFFERS = "sender-differs"
    REPLY_TO_DIFFERS = "reply-to-differs"
    LOCAL_PART_UNPROVEN = "local-part-unproven"
    # origin and time
    ORIGIN_CONFLICT = "origin-conflict"
    BOUNDARY_INCOMPLETE = "boundary-incomplete"
    CLOCK_BACKWARDS = "clock-backwards"
    DATE_SKEW = "date-skew"
    SIGNING_TIME_SKEW = "signing-time-skew"
    RECEIPT_DATE_UNUSABLE = "receipt-date-unusable"
    RECORDS_LATER_THAN_MAIL = "records-later-than-mail"
    HOP_NOT_ENCRYPTED = "hop-not-encrypted"
    # recorded results
    FORGED_RESULTS = "forged-results"
    RECORDED_DIFFERS = "recorded-differs"
    # DNS and policy
    SPF_PASS_ALL = "spf-pass-all"
    SPF_SHARED_POOL = "spf-shared-pool"
    ONE_LABEL_DOMAIN = "one-label-domain"
    DUPLICATE_TAG = "duplicate-tag"
    SEVERAL_POLICY_RECORDS = "several-policy-records"
    BROKEN_POLICY = "broken-policy"
    NO_SUCH_AUTHOR_DOMAIN = "no-such-author-domain"
    EXISTENCE_UNKNOWN = "existence-unknown"
    # signatures
    SIGNATURES_NOT_TRIED = "signatures-not-tried"
    WEAK_KEY = "weak-key"
    UNSIGNED_OCTETS = "unsigned-octets"
    UNSIGNED_SHOWN_FIELD = "unsigned-shown-field"
    SIGNED_INSTANCE_NOT_SHOWN = "signed-instance-not-shown"
    OLD_SIGNATURE = "old-signature"
    RECIPIENT_NOT_SIGNED = "recipient-not-signed"
    LIBRARY_ERROR = "library-error"


class Anomaly(Struct, frozen=True, gc=False):
    """``detail``: what it concerns, as visible text (a field name, a value, a limit's name); may be empty."""

    code: AnomalyCode
    detail: str = ""


class Message(Struct, frozen=True, kw_only=True, dict=True):
    """A message as read: the only form in which the program handles one.

    ``body``: octets in network form.  ``limits_hit``: names of reading limits (attributes of ``Limits``)
    that were hit; when not empty the message is never ``authenticated``.
    """

    fields: tuple[Field, ...]
    body: bytes
    source: Source
    anomalies: tuple[Anomaly, ...] = ()
    limits_hit: tuple[str, ...] = ()

    def named(self, key: bytes) -> tuple[Field, ...]:
        """The fields of that lower-case name, topmost first."""
        return tuple(self._by_name.get(key, ()))

    @cached_property
    def _by_name(self) -> dict[bytes, list[Field]]:
        found: defaultdict[bytes, list[Field]] = defaultdict(list)
        for each in self.fields:
            found[each.key].append(each)
        return found


class Envelope(Struct, frozen=True, kw_only=True):
    """The SMTP side as given by the caller.  ``mail_from == ""`` is the null reverse-path, None is unknown."""

    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None
    rcpt_to: tuple[str, ...] = ()
    in_session: bool = False  # of an SMTP session under way: the header holds no line of our own server yet


# ---------------------------------------------------------------------------------------------------
# The author
# ---------------------------------------------------------------------------------------------------


class Mailbox(Struct, frozen=True):
    """``domain``: A-labels, None when the text after the last @ is no host name."""

    address: str
    domain: str | None


class Reading(Struct, frozen=True):
    """One mailbox that some reader could show; ``how``: the word for the way of reading."""

    address: str
    domain: str | None
    how: str


class Author(Struct, frozen=True, kw_only=True):
    """``domain``: the one Author Domain (RFC 9989 3.2.2), else None and ``problem`` says why."""

    domain: str | None
    addresses: tuple[Mailbox, ...] = ()
    readings: tuple[Reading, ...] = ()
    ambiguous: bool = False
    problem: Reason | None = None  # AUTHOR_MISSING, _REPEATED, _SEVERAL_DOMAINS, _AMBIGUOUS; LIMIT: not all was read


# ---------------------------------------------------------------------------------------------------
# Origin
# ---------------------------------------------------------------------------------------------------


class Standing(StrEnum):
    """What a Received field is worth."""

    OURS = "ours"
    BORDER = "border"
    CLAIMED = "claimed"


class Tls(Struct, frozen=True):
    version: str | None
    cipher: str | None


class Hop(Struct, frozen=True, kw_only=True):
    """One Received field.  ``index``: place among the Received fields, 0 = topmost."""

    index: int
    from_helo: str | None = None
    from_name: str | None = None  # reverse name as the server wrote it
    from_ip: str | None = None  # normalised: no tag, port or zone; IPv4-mapped as IPv4
    by: str | None = None
    with_: str | None = field(default=None, name="with")
    tls: Tls | None = None
    auth_user: str | None = None
    id: str | None = None
    for_: str | None = field(default=None, name="for")
    date: Time | None = None
    delay_seconds: int | None = None  # from the hop below to this one
    standing: Standing = Standing.CLAIMED
    raw: str = ""
    # beyond the contract
    field_index: int = 0  # place in the header
    envelope_from: str | None = None  # envelope sender written inside the field; "" is the null path
    dialect: str | None = None  # the program that wrote it, as far as its form tells
    authenticated: bool = False  # the client authenticated, or submitted over HTTP
    via: str | None = None


class OriginSource(StrEnum):
    ENVELOPE = "envelope"
    CONFIGURED = "configured"
    PROFILE = "profile"
    INFERRED = "inferred"
    NONE = "none"


class Confidence(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "guess"


class OriginReason(StrEnum):
    """Why the border is where it is; ``explain`` has the words."""

    GIVEN = "given"  # the envelope options
    TRUSTED_HOST = "trusted-host"  # first line by a trusted host from a client that is not ours
    TRUSTED_NETWORK = "trusted-network"
    PROFILE_BORDER_HOST = "profile-border-host"  # a line written by a border host of the profile
    PROFILE_HOST = "profile-host"
    FIRST_PUBLIC = "first-public"  # last resort (standards 8.2 E)
    BORDER_INCOMPLETE = "border-incomplete"  # the border client is private or a gateway that was not named
    NEVER_CROSSED = "never-crossed"
    AUTHENTICATED_CLIENT = "authenticated-client"
    NO_RECEIVED = "no-received"
    NO_ADDRESS = "no-address"
    NOT_WRITTEN_BY_RECEIVER = "not-written-by-receiver"  # no line by the configured hosts


_NAMED = (OriginSource.ENVELOPE, OriginSource.CONFIGURED, OriginSource.PROFILE)
_WITHOUT_BORDER = (OriginReason.NEVER_CROSSED, OriginReason.AUTHENTICATED_CLIENT)


class Origin(Struct, frozen=True, kw_only=True):
    """Where the message came in.  ``border``: index of the hop, 0 = topmost."""

    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None  # full address, "" = null reverse-path, None = unknown
    source: OriginSource = OriginSource.NONE
    border: int | None = None
    profile: str | None = None
    why: str = ""  # written by explain; empty in a Verdict
    confidence: Confidence = Confidence.GUESS
    # beyond the contract
    reason: OriginReason = OriginReason.NO_RECEIVED
    conflict: bool = False  # the receiver's own slot contradicts the border line
    incomplete: bool = False  # the boundary is not complete: name a network or a further receiver
    received_at: Time | None = None  # date of the border line, vouched for as far as the source is
    encrypted: bool | None = None  # every trusted hop used TLS; None when nothing is known

    @property
    def vouched_for(self) -> bool:
        """The user named what it rests on, and nothing contradicts it."""
        return self.source in _NAMED and not self.conflict and not self.incomplete

    @property
    def never_crossed_border(self) -> bool:
        return self.reason in _WITHOUT_BORDER


class WrittenBy(StrEnum):
    SENDER = "sender"
    RECEIVER = "receiver"
    UNKNOWN = "unknown"


class Proof(StrEnum):
    PROVEN = "proven"
    CLAIMED = "claimed"


class OriginatingIp(Struct, frozen=True):
    """X-Originating-IP and kin; never input to SPF."""

    field: str
    value: str
    ip: str | None
    written_by: WrittenBy
    standing: Proof
    index: int = 0  # place in the header; a signature that covers it makes it proven


# ---------------------------------------------------------------------------------------------------
# Results of the checks
# ---------------------------------------------------------------------------------------------------


class SpfWord(StrEnum):
    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    POLICY = "policy"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class DkimWord(StrEnum):
    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class ArcWord(StrEnum):
    NONE = "none"
    PASS = "pass"
    FAIL = "fail"


class IprevWord(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class DmarcWord(StrEnum):
    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Identity(StrEnum):
    MAILFROM = "mailfrom"
    HELO = "helo"


class SpfResult(Struct, frozen=True, kw_only=True):
    """``domain``: the one looked up (A-labels), None when there is none.  ``mechanism``: the term that decided."""

    identity: Identity
    domain: str | None
    result: SpfWord | None
    reason: Reason | None = None
    mechanism: str | None = None
    record: str | None = None
    lookups: int = 0
    void_lookups: int = 0


class DiagnosisCode(StrEnum):
    """Why a signature failed, as far as a harmless change explains it.  Never upgrades a result."""

    MBOX_QUOTING = "mbox-quoting"
    TRAILING_BLANK_LINES = "trailing-blank-lines"
    FOOTER_REMOVED = "footer-removed"
    LINES_ADDED = "lines-added"
    SUBJECT_TAG_REMOVED = "subject-tag-removed"
    BODY_REENCODED = "body-reencoded"
    FIELDS_REFOLDED = "fields-refolded"
    FIELD_NAMES_RECASED = "field-names-recased"
    FIELD_INSERTED = "field-inserted"
    FIELD_REPLACED = "field-replaced"
    WHITESPACE_CHANGED = "whitespace-changed"
    LINE_ENDS = "line-ends"
    BODY_CHANGED = "body-changed"
    HEADER_CHANGED = "header-changed"
    KEY_CHANGED = "key-changed"
    KEY_GONE = "key-gone"
    KEY_WEAK = "key-weak"


class Diagnosis(Struct, frozen=True):
    """One change that explains why a signature does not hold; ``detail``: what it concerns, as visible text.

    Lines for ``footer-removed`` and ``lines-added`` ("4", or "part" for a MIME part) and ``mbox-quoting``; a field
    name for ``subject-tag-removed``, ``field-inserted`` and ``field-replaced``; the name of a single field or None for
    the other header changes; "revoked" or None for ``key-gone``; bits for ``key-weak``.
    """

    code: DiagnosisCode
    detail: str | None = None


class DkimResult(Struct, frozen=True, kw_only=True):
    """One signature, in the order of the header.  ``key_bits``: bits of the RSA modulus, 256 for Ed25519."""

    domain: str | None
    selector: str | None
    auid: str | None = None
    algorithm: str | None = None
    key_bits: int | None = None
    testing: bool | None = None
    result: DkimWord | None
    reason: Reason | None = None
    signed_fields: tuple[str, ...] = ()
    unsigned_octets: int | None = None
    signed_at: Time | None = None
    expires_at: Time | None = None
    aligned: bool | None = None
    diagnosis: str | None = None  # written by explain; None in a Verdict
    # beyond the contract
    b: str | None = None  # start of b=, at least 8 characters, unique in the message (RFC 6008 4)
    index: int = 0  # place of the field in the header
    diagnoses: tuple[Diagnosis, ...] = ()


class DkimCheck(Struct, frozen=True, kw_only=True):
    """A signature's result with what the conclusion and the coverage need beyond it."""

    result: DkimResult
    covered: tuple[int, ...] = ()  # header indexes of the field instances that it signs
    body_hash_holds: bool | None = None
    signature_holds: bool | None = None
    expired_only: bool = False  # cryptography holds and only x= stands against it
    body_octets_signed: int | None = None  # l=, when present


class RecordedResult(Struct, frozen=True, kw_only=True):
    """One ``method=result`` as somebody wrote it; ``properties``: "ptype.property" -> value."""

    method: str
    result: str
    properties: dict[str, str] = {}
    comparison: Comparison | None = None
    reason: ComparisonReason | None = None


class ArcSet(Struct, frozen=True, kw_only=True):
    """One ARC set; ``results``: what its ARC-Authentication-Results claims."""

    instance: int
    sealer: str | None = None
    seal: ArcWord | None = None
    message_signature: ArcWord | None = None
    cv: str | None = None
    results: tuple[RecordedResult, ...] = ()
    # beyond the contract
    seal_reason: Reason | None = None
    message_signature_reason: Reason | None = None
    selector: str | None = None
    authserv_id: str | None = None
    remote_ip: str | None = None


class ArcResult(Struct, frozen=True, kw_only=True):
    """RFC 8617 5.2.  ``oldest_pass``: 0 when every message signature verifies; ``sets``: newest first."""

    result: ArcWord | None
    reason: Reason | None = None
    oldest_pass: int | None = None
    trusted_through: int | None = None
    sets: tuple[ArcSet, ...] = ()


class IprevResult(Struct, frozen=True, kw_only=True):
    """RFC 8601 3.  ``names``: what PTR says (checked host names); ``confirmed``: those that lead back."""

    result: IprevWord | None
    names: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    reason: Reason | None = None


class PolicyWord(StrEnum):
    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class AlignmentMode(StrEnum):
    RELAXED = "relaxed"
    STRICT = "strict"


class Method(StrEnum):
    SPF = "spf"
    DKIM = "dkim"


class IdentifierState(StrEnum):
    """What an identifier brings to DMARC."""

    PASS = "pass"
    NOT_PASS = "not-pass"
    TEMPORARY = "temporary"  # DNS trouble: ask again
    UNKNOWN = "unknown"  # could not be run


class Identifier(Struct, frozen=True):
    """An Authenticated Identifier, or one that would be if its check had passed (RFC 9989 4.4).

    ``reason``: why it is ``TEMPORARY`` or ``UNKNOWN``; DMARC repeats it when this identifier could have aligned.
    """

    method: Method
    domain: str
    state: IdentifierState
    reason: Reason | None = None


class Alignment(Struct, frozen=True, kw_only=True):
    """``aligned``: None when the Organizational Domain needed for it is not known.  Passing identifiers only."""

    identifier: str
    method: Method
    mode: AlignmentMode
    aligned: bool | None


class WalkStep(Struct, frozen=True, kw_only=True):
    """One ``_dmarc`` question.  ``name``: with the ``_dmarc.`` label; ``record``: the single DMARC record, if any."""

    name: str
    outcome: Outcome
    record: str | None = None


class Override(StrEnum):
    TRUSTED_SEALER = "trusted-sealer"
    MAILING_LIST = "mailing-list"
    LOCAL_POLICY = "local-policy"


class ActionKind(StrEnum):
    """From the mildest to the strictest."""

    ADD = "add"  # deliver, with our field
    QUARANTINE = "quarantine"
    DEFER = "defer"
    REJECT = "reject"


class ActionReason(StrEnum):
    """Why an action was chosen."""

    NOTHING_ENFORCED = "nothing-enforced"
    NOT_FROM_OUTSIDE = "not-from-outside"  # rehearsal only: a milter does not judge it
    NOT_FAILED = "not-failed"
    POLICY_NONE = "policy-none"
    POLICY_QUARANTINE = "policy-quarantine"
    POLICY_REJECT = "policy-reject"
    AUTHOR_UNCLEAR = "author-unclear"
    LIMIT_HIT = "limit-hit"
    DNS_BUDGET = "dns-budget"
    DNS_TROUBLE = "dns-trouble"
    TRUSTED_SEALER = "trusted-sealer"
    MAILING_LIST = "mailing-list"
    LOCAL_POLICY = "local-policy"


class Untold(StrEnum):
    """What an exception of a policy asks for and a stored message does not tell."""

    RECIPIENT = "recipient"
    NETWORK = "network"  # no client address that is vouched for
    SENDER = "sender"  # the same, so that MAIL FROM cannot be proved that of a mailing list


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What a policy for arriving mail would do with a stored message.

    ``stream``: who sent it, as far as a check or the envelope tells: a signing domain, the MAIL FROM or HELO domain,
    or the client address.  ``reply``: to the client, where the message is not taken.  ``untold``: the action holds
    unless an exception over one of these applies.
    """

    action: ActionKind
    reason: ActionReason
    override: Override | None = None
    stream: str | None = None
    reply: str | None = None
    untold: tuple[Untold, ...] = ()


class DmarcResult(Struct, frozen=True, kw_only=True):
    """RFC 9989.  ``policy``: the tag chosen, before t; ``applied_policy``: after t."""

    result: DmarcWord | None
    reason: Reason | None = None
    author_domain: str | None = None
    organizational_domain: str | None = None
    policy_domain: str | None = None
    record: str | None = None
    policy: PolicyWord | None = None
    applied_policy: PolicyWord | None = None
    disposition: PolicyWord | None = None
    override: Override | None = None
    test_mode: bool | None = None
    aligned: tuple[Alignment, ...] = ()
    walk: tuple[WalkStep, ...] = ()
    # beyond the contract
    policy_tag: str | None = None  # p, sp or np
    could_align: tuple[Identifier, ...] = ()  # identifiers that could align, passing or not
    anomalies: tuple[Anomaly, ...] = ()  # moved to the verdict's list by evaluate
    old_result: DmarcWord | None = None  # what the other standard says, when it was asked for
    author_policies: tuple[AuthorPolicy, ...] = ()  # for a From of several domains


class AuthorPolicy(Struct, frozen=True, kw_only=True):
    """The policy of one of several domains that From names."""

    domain: str
    policy_domain: str | None
    applied_policy: PolicyWord | None
    outcome: DmarcWord | None  # none = no policy, temperror = could not be looked up, else null


# ---------------------------------------------------------------------------------------------------
# Recorded results and coverage
# ---------------------------------------------------------------------------------------------------


class RecordedStanding(StrEnum):
    TRUSTED = "trusted"
    INFERRED = "inferred"
    UNTRUSTED = "untrusted"
    FORGED = "forged"


class Comparison(StrEnum):
    AGREES = "agrees"
    DIFFERS = "differs"
    EXPLAINED = "explained"
    NOT_COMPARABLE = "not-comparable"


class ComparisonReason(StrEnum):
    """What explains a difference."""

    KEY_GONE = "key-gone"
    KEY_CHANGED = "key-changed"
    EXPIRED_SINCE = "expired-since"
    COPY_ALTERED = "copy-altered"
    RECORD_CHANGED = "record-changed"
    OLD_STANDARD = "old-standard"
    METHOD_NOT_RUN = "method-not-run"
    NOT_OUR_RESULT = "not-our-result"  # a method or word that we do not compute
    OTHER_ORIGIN = "other-origin"  # written about another hop than our border
    STRICTER_HERE = "stricter-here"  # our rules refuse what the writer let pass (rsa-sha1, l=, short key)
    DNS_TROUBLE = "dns-trouble"


class Recorded(Struct, frozen=True, kw_only=True):
    """One field in which somebody recorded results.  ``index``: place in the header."""

    field: str
    index: int
    authserv_id: str | None
    standing: RecordedStanding
    results: tuple[RecordedResult, ...] = ()
    comparison: Comparison | None = None
    explanation: str | None = None  # written by explain; None in a Verdict
    # beyond the contract
    reason: ComparisonReason | None = None
    parsed: bool = True  # False: not readable as what it claims to be
    limit: str | None = None  # the limit (attribute of Limits) that kept it from being read whole


class FieldCoverage(Struct, frozen=True):
    """``signed_by``: the aligned passing signing domains that cover this instance."""

    name: str
    index: int
    signed_by: tuple[str, ...]


class Coverage(Struct, frozen=True, kw_only=True):
    """What a reader is shown and no aligned passing signature covers.  ``unsigned_octets``: of the body."""

    fields: tuple[FieldCoverage, ...] = ()
    unsigned_fields: tuple[str, ...] = ()
    unsigned_octets: int | None = None


# ---------------------------------------------------------------------------------------------------
# The verdict
# ---------------------------------------------------------------------------------------------------


class Conclusion(StrEnum):
    AUTHENTICATED = "authenticated"
    FAILED = "failed"
    UNPROTECTED = "unprotected"
    UNDETERMINED = "undetermined"


class ConclusionReason(StrEnum):
    DKIM_ALIGNED = "dkim-aligned"
    SPF_ALIGNED = "spf-aligned"
    NOT_ALIGNED = "not-aligned"
    AUTHOR_MISSING = "author-missing"
    AUTHOR_REPEATED = "author-repeated"
    AUTHOR_SEVERAL_DOMAINS = "author-several-domains"
    AUTHOR_AMBIGUOUS = "author-ambiguous"
    NO_POLICY = "no-policy"
    DNS = "dns"
    NOT_RECORDED = "not-recorded"
    ORIGIN_UNKNOWN = "origin-unknown"
    ORIGIN_INFERRED = "origin-inferred"
    NEVER_CROSSED_BORDER = "never-crossed-border"
    RECORDS_LATER = "records-later"
    COPY_ALTERED = "copy-altered"
    NOT_CHECKABLE = "not-checkable"
    LIMIT = "limit"
    ONE_LABEL_DOMAIN = "one-label-domain"


class JudgedAtSource(StrEnum):
    RECEIPT = "receipt"
    OPTION = "option"
    NOW = "now"


class DnsError(Struct, frozen=True, kw_only=True):
    name: str
    type: str
    outcome: Outcome
    cause: Cause | None = None


class DnsUse(Struct, frozen=True, kw_only=True):
    """``questions``: different ones whose answers were used; ``live`` and ``recorded`` add up to it."""

    questions: int = 0
    live: int = 0
    recorded: int = 0
    errors: tuple[DnsError, ...] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """Everything that was found out, as values.  ``render.data.Document`` adds the written texts."""

    source: Source
    authserv_id: str
    judged_at: Time
    judged_at_source: JudgedAtSource
    conclusion: Conclusion
    conclusion_reason: ConclusionReason
    author: Author
    origin: Origin
    hops: tuple[Hop, ...] = ()
    originating_ip: tuple[OriginatingIp, ...] = ()
    spf: tuple[SpfResult, ...] = ()
    dkim: tuple[DkimResult, ...] = ()
    arc: ArcResult
    iprev: IprevResult
    dmarc: DmarcResult
    recorded: tuple[Recorded, ...] = ()
    coverage: Coverage = Coverage()
    anomalies: tuple[Anomaly, ...] = ()
    dns: DnsUse = DnsUse()
    headers_removed: tuple[int, ...] = ()
    elapsed_ms: float | None = None
    attached: tuple[str, ...] = ()  # names of attached messages that were judged besides
    rehearsal: Rehearsal | None = None  # None: no policy was rehearsed


# ---------------------------------------------------------------------------------------------------
# Settings: what the options and the configuration file come to
# ---------------------------------------------------------------------------------------------------

Network: TypeAlias = IPv4Network | IPv6Network


class Profile(Struct, frozen=True, kw_only=True):
    """What is known of one receiving provider; data, from profiles.toml or the user's own file.

    Host patterns are names, or ``*.name`` for everything below a name; compared without case.
    """

    name: str
    title: str = ""
    hosts: tuple[str, ...] = ()  # names that it writes after "by", inside and at the border
    border_hosts: tuple[str, ...] = ()  # hosts whose line is the border, whoever the client is
    border_via: str | None = None  # a border line must hold this text after "via" or "with"
    border_program: str | None = None  # a border line must be written by this program (``Hop.dialect``)
    submission_hosts: tuple[str, ...] = ()  # hosts where only its own users come in
    program: str | None = None  # lines of this program (``Hop.dialect``) are its own, whatever the host is called
    networks: tuple[Network, ...] = ()  # client addresses that are its own
    authserv_ids: tuple[str, ...] = ()
    private_is_ours: bool = False  # private client addresses are its inside
    gateway: bool = False  # stands in front of another receiver (Proofpoint, Mimecast, Cisco)
    results_slot: str = "above-border"  # above-border | below-border | either | after-author
    no_authserv_id: bool = False  # writes Authentication-Results without an id (Microsoft)
    return_path_slot: str = "top"  # top | below-border
    signs: tuple[str, ...] = ()  # fields that only the receiver writes; evidence for auto


class AtMode(StrEnum):
    RECEIPT = "receipt"
    NOW = "now"


class DmarcStandard(StrEnum):
    RFC9989 = "rfc9989"
    RFC7489 = "rfc7489"


class Settings(Struct, frozen=True, kw_only=True):
    """What ``evaluate`` needs of the configuration, checked and parsed.  Made by ``config.resolve``."""

    authserv_id: str = "localhost"
    receivers: tuple[Profile, ...] = ()  # named by the user, from the mailbox outwards
    auto: bool = True  # infer a profile when none is named and nothing is configured
    profiles: tuple[Profile, ...] = ()  # what auto may pick from
    trust_hosts: tuple[str, ...] = ()
    trust_networks: tuple[Network, ...] = ()
    trust_authserv_ids: tuple[str, ...] = ()
    trust_sealers: tuple[str, ...] = ()
    at: AtMode | int = AtMode.RECEIPT  # int: epoch seconds
    dmarc: DmarcStandard = DmarcStandard.RFC9989
    public_suffix: Callable[[str], str | None] | None = None  # name -> its Organizational Domain by the list
    allow_unsigned_octets: bool = False  # count signatures with l= although octets follow
    diagnose: bool = True  # look for what explains a signature that does not hold; changes nothing else
    foreign: bool = False  # attached to mail from outside: what is recorded in it is never believed
    limits: Limits = Limits()


def utc(seconds: int | None) -> datetime | None:
    """Epoch seconds as a datetime; None when absent or beyond what a date can hold."""
    if seconds is None or not 0 <= seconds < 253_402_300_800:  # year 10000
        return None
    return datetime.fromtimestamp(seconds, UTC)


replace = msgspec.structs.replace  # a copy of a frozen value with some fields changed

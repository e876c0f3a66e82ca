"""What many verdicts come to: the part of a verdict that is counted, and the values that a batch is summed up in.

Pure.  ``store`` fills these values from its tables, ``render`` shows them; neither knows the other.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network

from msgspec import Struct, field

from verify.grammar.names import is_below
from verify.model import (
    ActionKind,
    ActionReason,
    Anomaly,
    AnomalyCode,
    ArcResult,
    ArcWord,
    Author,
    Conclusion,
    ConclusionReason,
    DiagnosisCode,
    DkimResult,
    DkimWord,
    DmarcResult,
    DmarcWord,
    DnsUse,
    Identity,
    IprevResult,
    JudgedAtSource,
    Origin,
    Override,
    PolicyWord,
    Reason,
    Recorded,
    RecordedResult,
    Rehearsal,
    Source,
    SpfResult,
    SpfWord,
    Time,
)


class Judged(Struct, frozen=True, kw_only=True):
    """A verdict as it is counted: the keys of the document that a row or a roll-up needs.  The rest is not decoded."""

    source: Source
    judged_at: Time
    judged_at_source: JudgedAtSource
    conclusion: Conclusion
    conclusion_reason: ConclusionReason
    summary: str
    next_step: str | None
    author: Author
    origin: Origin
    spf: tuple[SpfResult, ...]
    dkim: tuple[DkimResult, ...]
    arc: ArcResult
    iprev: IprevResult
    dmarc: DmarcResult
    recorded: tuple[Recorded, ...]
    anomalies: tuple[Anomaly, ...]
    dns: DnsUse
    elapsed_ms: float | None
    rehearsal: Rehearsal | None = None

    @property
    def received_at(self) -> Time | None:
        """When the receiver took it, as far as anything says so."""
        if self.origin.received_at is not None:
            return self.origin.received_at
        return self.judged_at if self.judged_at_source is JudgedAtSource.RECEIPT else None

    @property
    def sender_policy(self) -> SpfResult | None:
        """The SPF result that DMARC looks at: MAIL FROM, and HELO for the null reverse-path."""
        wanted = Identity.HELO if self.origin.mail_from == "" else Identity.MAILFROM
        return next((one for one in self.spf if one.identity is wanted), None)

    @property
    def best_signature(self) -> DkimResult | None:
        """The signature that says most: passing and aligned, passing, aligned, any."""
        return max(self.dkim, key=lambda one: (one.result is DkimWord.PASS, one.aligned is True), default=None)


class Tally(Struct, kw_only=True):
    """Running counts of a batch; ``conclusions`` and ``reasons`` by their words.

    ``actions``: of a policy that is rehearsed, by action and reason with a blank between them; of these ``untold``:
    messages for which an exception may hold that stored mail does not tell; ``unsettled``: delivered because nothing
    could be settled.
    """

    messages: int = 0
    octets: int = 0
    refused: int = 0  # sources or members that could not be read
    conclusions: dict[Conclusion, int] = field(default_factory=dict)
    reasons: dict[ConclusionReason, int] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)
    untold: int = 0
    unsettled: int = 0

    def count(
        self, conclusion: Conclusion, reason: ConclusionReason, octets: int, rehearsal: Rehearsal | None = None
    ) -> None:
        self.messages += 1
        self.octets += octets
        self.conclusions[conclusion] = self.conclusions.get(conclusion, 0) + 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if rehearsal is not None:
            action = f"{rehearsal.action} {rehearsal.reason}"
            self.actions[action] = self.actions.get(action, 0) + 1
            self.untold += bool(rehearsal.untold)
            self.unsettled += (
                conclusion is Conclusion.UNDETERMINED
                and rehearsal.action is ActionKind.ADD
                and rehearsal.reason in (ActionReason.NOT_FAILED, ActionReason.DNS_TROUBLE)
            )

    def add(self, other: Tally) -> None:
        self.messages += other.messages
        self.octets += other.octets
        self.refused += other.refused
        for conclusion, count in other.conclusions.items():
            self.conclusions[conclusion] = self.conclusions.get(conclusion, 0) + count
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        for action, count in other.actions.items():
            self.actions[action] = self.actions.get(action, 0) + count
        self.untold += other.untold
        self.unsettled += other.unsettled

    def rehearsed(self) -> list[tuple[ActionKind, ActionReason, int]]:
        """The actions of a policy with their reasons and numbers, the strictest first."""
        strictness = list(ActionKind)
        found = []
        for action, count in self.actions.items():
            kind, reason = action.split(" ")
            found.append((ActionKind(kind), ActionReason(reason), count))
        return sorted(found, key=lambda one: (-strictness.index(one[0]), -one[2], one[1]))


_CONCLUSIONS = {
    ConclusionReason.DKIM_ALIGNED: Conclusion.AUTHENTICATED,
    ConclusionReason.SPF_ALIGNED: Conclusion.AUTHENTICATED,
    ConclusionReason.NOT_ALIGNED: Conclusion.FAILED,
    ConclusionReason.AUTHOR_MISSING: Conclusion.FAILED,
    ConclusionReason.AUTHOR_REPEATED: Conclusion.FAILED,
    ConclusionReason.AUTHOR_SEVERAL_DOMAINS: Conclusion.FAILED,
    ConclusionReason.AUTHOR_AMBIGUOUS: Conclusion.FAILED,
    ConclusionReason.NO_POLICY: Conclusion.UNPROTECTED,
}


def conclusion_of(reason: ConclusionReason) -> Conclusion:
    """The conclusion that a reason stands under."""
    return _CONCLUSIONS.get(reason, Conclusion.UNDETERMINED)


# ---------------------------------------------------------------------------------------------------
# What one message contributes
# ---------------------------------------------------------------------------------------------------


class Breakage(StrEnum):
    """Why mail that looks legitimate does not pass DMARC, and would be lost at p=reject."""

    EXPIRED = "expired"  # the author's own signature, too late
    LIST = "list"  # the author's own signature, and the marks of a mailing list
    FORWARDER = "forwarder"  # an intact ARC chain
    ALTERED = "altered"  # the author's own signature, and other content
    KEY = "key"  # the author's own signature, and no usable key
    NO_ALIGNMENT = "no-alignment"  # passes, but for another domain


_LIST_MARKS = {DiagnosisCode.FOOTER_REMOVED, DiagnosisCode.SUBJECT_TAG_REMOVED}
_ALTERED = {Reason.BODY_HASH_MISMATCH, Reason.SIGNATURE_MISMATCH}
_KEY_TROUBLE = {
    Reason.NO_KEY,
    Reason.KEY_REVOKED,
    Reason.KEY_SYNTAX,
    Reason.KEY_HASH_NOT_ALLOWED,
    Reason.KEY_TYPE_MISMATCH,
    Reason.KEY_SERVICE_NOT_EMAIL,
    Reason.KEY_STRICT_AUID,
    Reason.KEY_TOO_SHORT,
    Reason.SEVERAL_KEYS,
}

_ENFORCED = (PolicyWord.QUARANTINE, PolicyWord.REJECT)


def breakage(judged: Judged) -> tuple[Breakage, str | None] | None:
    """Why this message would be lost at p=reject although something speaks for it, and who handed it on.

    None when it passes, when it could not be judged, and when nothing speaks for it.  A hint for the owner of the
    domain and never a result: whoever sends a message can make it look so.
    """
    author = judged.author.domain
    if author is None or judged.conclusion not in (Conclusion.FAILED, Conclusion.UNPROTECTED):
        return None
    own = [one for one in judged.dkim if one.aligned or _speaks_for(one.domain, judged)]
    spf = judged.sender_policy
    if any(one.result is DkimWord.PASS for one in own):
        return None
    if spf is not None and spf.result is SpfWord.PASS and _speaks_for(spf.domain, judged):
        return None
    sealer = judged.arc.sets[0].sealer if judged.arc.result is ArcWord.PASS and judged.arc.sets else None
    passed = next((one.domain for one in judged.dkim if one.result is DkimWord.PASS), None)
    if passed is None and spf is not None and spf.result is SpfWord.PASS:
        passed = spf.domain
    via = sealer or passed or (spf.domain if spf is not None else None)
    if any(one.reason is Reason.EXPIRED for one in own):
        return Breakage.EXPIRED, via
    if judged.dmarc.override is Override.MAILING_LIST or any(
        item.code in _LIST_MARKS for one in own for item in one.diagnoses
    ):
        return Breakage.LIST, via
    if sealer is not None:
        return Breakage.FORWARDER, via
    if any(one.reason in _ALTERED for one in own):
        return Breakage.ALTERED, via
    if any(one.reason in _KEY_TROUBLE for one in own):
        return Breakage.KEY, via
    if passed is None or judged.dmarc.applied_policy in _ENFORCED:
        return None  # whoever enforces a policy has aligned the mail that is meant to pass
    return Breakage.NO_ALIGNMENT, passed


def _speaks_for(domain: str | None, judged: Judged) -> bool:
    """Whether a pass for ``domain`` would be the author's own.

    Without a policy nobody has said which ones are: taken are those that a policy at the upper of both would bring in.
    """
    author, above = judged.author.domain, judged.dmarc.organizational_domain
    if domain is None or author is None:
        return False
    if above is not None and judged.dmarc.result is not DmarcWord.NONE:
        return domain == above or domain.endswith("." + above)
    return domain == author or domain.endswith("." + author) or author.endswith("." + domain)


_SEVERE = {
    AnomalyCode.FORGED_RESULTS: 20,
    AnomalyCode.SMUGGLING_SHAPE: 20,
    AnomalyCode.SECOND_HEADER_BLOCK: 10,
    AnomalyCode.DISPLAY_NAME_ADDRESS: 10,
    AnomalyCode.DISPLAY_NAME_RECEIVER: 10,
    AnomalyCode.DISPLAY_NAME_CONTROL: 10,
    AnomalyCode.MIXED_SCRIPTS: 10,
    AnomalyCode.SIGNED_INSTANCE_NOT_SHOWN: 30,
    AnomalyCode.UNSIGNED_OCTETS: 10,
    AnomalyCode.ORIGIN_CONFLICT: 10,
    AnomalyCode.REPLY_TO_DIFFERS: 2,
}
_BASE = {
    Conclusion.FAILED: 100,
    Conclusion.UNDETERMINED: 10,
    Conclusion.UNPROTECTED: 10,
    Conclusion.AUTHENTICATED: 0,
}
_POLICY = {PolicyWord.REJECT: 20, PolicyWord.QUARANTINE: 10, PolicyWord.NONE: 0}


def severity(judged: Judged) -> int:
    """How much a message deserves to be looked at first; 0 for nothing to see.  An order, not a measure."""
    score = _BASE[judged.conclusion]
    if judged.conclusion_reason is ConclusionReason.COPY_ALTERED:
        score += 40
    if judged.conclusion is Conclusion.FAILED:
        if judged.conclusion_reason is not ConclusionReason.NOT_ALIGNED:
            score += 30
        elif breakage(judged) is not None:
            score -= 30  # a sender's or forwarder's mistake is likelier than a forgery
        if judged.dmarc.applied_policy is not None:
            score += _POLICY[judged.dmarc.applied_policy]
    return score + sum({item.code: _SEVERE.get(item.code, 0) for item in judged.anomalies}.values())


@lru_cache(maxsize=4096)
def network(address: str | None) -> str | None:
    """The /24 or /48 around an address; None when there is none."""
    if address is None:
        return None
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return str(ip_network((parsed, 24 if isinstance(parsed, IPv4Address) else 48), strict=False))


def ours(judged: Judged, recorded: RecordedResult) -> str | None:
    """Our result for what a recorded result is about; None when the check could not be run, or is not ours."""
    match recorded.method:
        case "spf":
            spf = judged.sender_policy
            return spf.result if spf is not None else None
        case "dkim":
            return _signature_found(judged, recorded)
        case "dmarc":
            return judged.dmarc.result
        case "arc":
            return judged.arc.result
        case "iprev":
            return judged.iprev.result
    return None


def _signature_found(judged: Judged, recorded: RecordedResult) -> str | None:
    """The result of the signature that is meant, by header.b, else by domain and selector; "none" without one."""
    start, domain = recorded.properties.get("header.b"), recorded_domain(recorded)
    selector = recorded.properties.get("header.s")
    found = [one.result for one in judged.dkim if start and one.b and one.b.startswith(start)] or [
        one.result
        for one in judged.dkim
        if selector in (None, one.selector) and (domain is None or _is_signer(domain, one, recorded))
    ]
    if recorded.result in found:
        return recorded.result
    return found[0] if found else "none"


def _is_signer(domain: str, one: DkimResult, recorded: RecordedResult) -> bool:
    """``header.i`` alone may name a domain below d=."""
    if one.domain is None or domain == one.domain:
        return domain == one.domain
    return "header.d" not in recorded.properties and is_below(domain, one.domain)


_DOMAIN_PROPERTIES = ("header.d", "header.i", "header.from", "smtp.mailfrom", "smtp.helo")


def recorded_domain(recorded: RecordedResult) -> str | None:
    """The domain that a recorded result is about, in lower case."""
    for key in _DOMAIN_PROPERTIES:
        if value := recorded.properties.get(key):
            return value.rpartition("@")[2].lower() or None
    return None


# ---------------------------------------------------------------------------------------------------
# What they come to
# ---------------------------------------------------------------------------------------------------


class Count(Struct, frozen=True):
    """A word, a name or a place, and how many messages it holds."""

    name: str
    messages: int


class ReasonCount(Struct, frozen=True, kw_only=True):
    conclusion: Conclusion
    reason: ConclusionReason
    messages: int


class Period(Struct, frozen=True, kw_only=True):
    """One step of the time axis; ``start``: its first day, ``2026-03-04``."""

    start: str
    authenticated: int = 0
    failed: int = 0
    unprotected: int = 0
    undetermined: int = 0

    @property
    def messages(self) -> int:
        return self.authenticated + self.failed + self.unprotected + self.undetermined


class Faked(Struct, frozen=True, kw_only=True):
    """An Author Domain in whose name mail failed, and where that mail came from."""

    author_domain: str
    messages: int  # that failed and that nothing speaks for
    others: int  # other messages of that domain
    policy: str | None  # published
    networks: tuple[Count, ...] = ()
    helos: tuple[Count, ...] = ()
    more_networks: int = 0
    more_helos: int = 0


class Stream(Struct, frozen=True, kw_only=True):
    """Mail of one Author Domain that would be lost at p=reject for one cause, by one way."""

    author_domain: str
    breakage: Breakage
    via: str | None
    messages: int
    passed: int  # messages of that domain that are authenticated
    policy: str | None


class Rehearsed(Struct, frozen=True, kw_only=True):
    """Messages of one Author Domain and one stream with which a policy would do the same, for the same reason."""

    author_domain: str | None
    stream: str | None
    action: ActionKind
    reason: ActionReason
    messages: int
    passed: int  # messages of that domain that are authenticated


class Disagreement(Struct, frozen=True, kw_only=True):
    """Recorded results that are not what we found.  ``comparison``: differs or explained."""

    authserv_id: str | None
    standing: str
    method: str
    recorded: str
    found: str | None
    comparison: str
    reason: str | None
    messages: int


class Trouble(Struct, frozen=True, kw_only=True):
    """What went wrong beside the messages, with one example.  ``kind``: source or dns."""

    kind: str
    problem: str
    example: str
    count: int


class Worst(Struct, frozen=True, kw_only=True):
    """One of the messages to look at first: its number in the store and its whole verdict as JSON."""

    id: int
    severity: int
    verdict: bytes


class Rollup(Struct, frozen=True, kw_only=True):
    """A whole batch in figures, bounded in size whatever the number of messages."""

    tally: Tally
    about: dict[str, str]  # run metadata
    first: str | None  # day of the oldest and newest message
    last: str | None
    undated: int
    reasons: tuple[ReasonCount, ...]
    step: str  # of the time axis: day, week, month or year
    periods: tuple[Period, ...]  # without gaps
    outside: int  # messages before or after the time axis
    authors: int  # Author Domains
    faked: tuple[Faked, ...]
    faked_more: int  # further domains
    faked_messages: int
    streams: tuple[Stream, ...]
    streams_more: int
    streams_messages: int
    compared: tuple[Count, ...]  # recorded results by comparison
    disagreements: tuple[Disagreement, ...]
    disagreements_more: int
    anomalies: tuple[Count, ...]  # by code, messages
    fidelity: tuple[Count, ...]
    troubles: tuple[Trouble, ...]
    troubles_more: int
    dns_messages: int  # messages with a DNS error
    worst: tuple[Worst, ...]
    rehearsed: tuple[Rehearsed, ...] = ()  # what a policy would not deliver
    rehearsed_more: int = 0

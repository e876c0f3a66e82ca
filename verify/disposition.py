"""From a verdict to what is done with the message: the milter and its rehearsal over stored mail share it.

RFC 9989 7.4: a receiver must not reject on ``p=reject`` alone, and without other knowledge treats such mail as
``quarantine``.  So nothing is enforced by default, and to reject is an override that the operator writes down.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from verify.grammar.names import address, matches_host, split_mailbox
from verify.model import (
    ActionKind,
    ActionReason,
    Cause,
    Conclusion,
    ConclusionReason,
    DmarcResult,
    Network,
    Override,
    PolicyWord,
    Rehearsal,
    Untold,
    Verdict,
)


class Policy(Struct, frozen=True, kw_only=True):
    """What the operator wants done.  All defaults: add the field, touch nothing else.

    ``on_quarantine``, ``on_reject``: what becomes of mail that fails under that DMARC policy.  ``on_dns``: of mail
    over whose author the DNS gave no answer.  Exceptions are by Author Domain (with what is below it), by network of
    the client and by recipient.
    """

    on_quarantine: ActionKind = ActionKind.ADD
    on_reject: ActionKind = ActionKind.ADD
    on_dns: ActionKind | None = None  # None: defer where anything else is enforced
    mailing_lists: tuple[str, ...] = ()  # domains that send for lists: MAIL FROM with an SPF pass, or a signature
    except_domains: tuple[str, ...] = ()
    except_networks: tuple[Network, ...] = ()
    except_recipients: tuple[str, ...] = ()  # addresses, or @domain
    subject_tag: str | None = None  # put before the subject of failed mail that is delivered
    warning_field: str | None = None  # name of a field added to failed mail that is delivered

    @property
    def enforces(self) -> bool:
        """Anything but adding our field is done to some mail."""
        return any(kind is not ActionKind.ADD for kind in (self.on_quarantine, self.on_reject, self.dns_trouble))

    @property
    def dns_trouble(self) -> ActionKind:
        """What is done where the DNS gave no answer; a dead name that a forger picked must not open the door."""
        if self.on_dns is not None:
            return self.on_dns
        enforced = {self.on_quarantine, self.on_reject} != {ActionKind.ADD}
        return ActionKind.DEFER if enforced else ActionKind.ADD


class Action(Struct, frozen=True, kw_only=True):
    """``code``, ``status``, ``text``: the SMTP reply of DEFER and REJECT, printable ASCII.  ``failed``: tag it."""

    kind: ActionKind
    reason: ActionReason
    override: Override | None = None
    code: int | None = None
    status: str | None = None
    text: str | None = None
    failed: bool = False


_STRENGTH = tuple(ActionKind)
_BY_POLICY = {
    PolicyWord.NONE: ActionReason.POLICY_NONE,
    PolicyWord.QUARANTINE: ActionReason.POLICY_QUARANTINE,
    PolicyWord.REJECT: ActionReason.POLICY_REJECT,
}


def decide(verdict: Verdict, policy: Policy, recipients: tuple[str, ...] = ()) -> Action:
    """The one action for a message.  ``recipients``: of the envelope, as given."""
    failed = verdict.conclusion is Conclusion.FAILED
    if not policy.enforces:
        return Action(kind=ActionKind.ADD, reason=ActionReason.NOTHING_ENFORCED, failed=failed)
    kind, reason = _wanted(verdict, policy)
    if kind is ActionKind.ADD:
        return Action(kind=kind, reason=reason, failed=failed)
    override = _override(verdict, policy, recipients)
    if override is not None:
        return Action(kind=ActionKind.ADD, reason=ActionReason(override.value), override=override, failed=failed)
    code, status, text = _reply(verdict, kind, reason)
    return Action(kind=kind, reason=reason, code=code, status=status, text=text, failed=failed)


def _wanted(verdict: Verdict, policy: Policy) -> tuple[ActionKind, ActionReason]:
    """What the policy says before exceptions."""
    reason = verdict.conclusion_reason
    if verdict.conclusion is Conclusion.FAILED and reason is not ConclusionReason.NOT_ALIGNED:
        strictest = _for_policy(policy, _strictest_author_policy(verdict))
        return _at_least(strictest, ActionKind.QUARANTINE), ActionReason.AUTHOR_UNCLEAR
    if reason is ConclusionReason.LIMIT:
        if verdict.author.domain is None:  # whoever hides behind a limit may ask for the strictest
            kind = _at_least(policy.on_reject, ActionKind.QUARANTINE)
        else:
            word = _policy_in_force(verdict.dmarc)
            kind = ActionKind.QUARANTINE if word is None else _for_policy(policy, word)
        return kind, ActionReason.LIMIT_HIT
    if reason is ConclusionReason.DNS:
        if any(error.cause is Cause.BUDGET for error in verdict.dns.errors):
            return ActionKind.DEFER, ActionReason.DNS_BUDGET
        return policy.dns_trouble, ActionReason.DNS_TROUBLE
    if verdict.conclusion is not Conclusion.FAILED:
        return ActionKind.ADD, ActionReason.NOT_FAILED
    applied = verdict.dmarc.applied_policy or PolicyWord.NONE
    return _for_policy(policy, applied), _BY_POLICY[applied]


def _policy_in_force(dmarc: DmarcResult) -> PolicyWord | None:
    """The policy as it would be applied, where no result says so: one step milder in test mode (RFC 9989 4.7)."""
    if dmarc.applied_policy is not None or dmarc.policy is None or not dmarc.test_mode:
        return dmarc.applied_policy or dmarc.policy
    return PolicyWord.QUARANTINE if dmarc.policy is PolicyWord.REJECT else PolicyWord.NONE


def _for_policy(policy: Policy, word: PolicyWord) -> ActionKind:
    if word is PolicyWord.REJECT:
        return policy.on_reject
    return policy.on_quarantine if word is PolicyWord.QUARANTINE else ActionKind.ADD


def _at_least(kind: ActionKind, least: ActionKind) -> ActionKind:
    return max(kind, least, key=_STRENGTH.index)


def _strictest_author_policy(verdict: Verdict) -> PolicyWord:
    """Of the domains that From names; one whose policy was not looked up, for their number, may ask for anything."""
    words = tuple(PolicyWord)
    named = {reading.domain for reading in verdict.author.readings} - {None}
    if 0 < len(verdict.dmarc.author_policies) < len(named):
        return PolicyWord.REJECT
    found = [p.applied_policy for p in verdict.dmarc.author_policies if p.applied_policy is not None]
    return max(found, key=words.index, default=PolicyWord.NONE)


def _override(verdict: Verdict, policy: Policy, recipients: tuple[str, ...]) -> Override | None:
    """A reason to deliver all the same; never for an author that cannot be told, save by recipient and network."""
    if _excepted(verdict, policy, recipients):
        return Override.LOCAL_POLICY
    if verdict.author.domain is None:
        return None
    if verdict.dmarc.override is not None:
        return verdict.dmarc.override
    senders = {r.domain for r in verdict.spf[:1] if r.result == "pass"} if verdict.origin.vouched_for else set()
    senders |= {s.domain for s in verdict.dkim if s.result == "pass"}
    if any(_below(sender, name) for sender in senders if sender for name in policy.mailing_lists):
        return Override.MAILING_LIST
    return None


def _excepted(verdict: Verdict, policy: Policy, recipients: tuple[str, ...]) -> bool:
    domain = verdict.author.domain
    if domain is not None and any(_below(domain, name) for name in policy.except_domains):
        return True
    ip = address(verdict.origin.client_ip or "")
    if ip is not None and verdict.origin.vouched_for and any(ip in network for network in policy.except_networks):
        return True
    return bool(recipients) and all(_is_excepted(recipient, policy) for recipient in recipients)


def _is_excepted(recipient: str, policy: Policy) -> bool:
    domain = "@" + split_mailbox(recipient)[1]
    return any(name.lower() in (recipient.lower(), domain.lower()) for name in policy.except_recipients)


def _below(domain: str, name: str) -> bool:
    return matches_host(name, domain) or matches_host("*." + name, domain)


def _reply(verdict: Verdict, kind: ActionKind, reason: ActionReason) -> tuple[int | None, str | None, str | None]:
    """RFC 7372 and RFC 9989 7.2: the word DMARC in a rejection, 451 for what may work later."""
    domain = verdict.author.domain or "its author"
    if kind is ActionKind.REJECT:
        if reason is ActionReason.AUTHOR_UNCLEAR:
            return 550, "5.7.1", "Email rejected per DMARC policy: the From field does not name one author domain"
        return 550, "5.7.1", f"Email rejected per DMARC policy for {domain}"
    if kind is ActionKind.DEFER:
        return 451, "4.7.1", f"DMARC for {domain} could not be evaluated, please try again later"
    return None, None, None


# ---- rehearsal ----


def rehearse(verdict: Verdict, policy: Policy, *, named: bool) -> Rehearsal:
    """What a policy would do with a stored message, were it to arrive now as it did then.

    Stored mail has no recipient of an envelope, and often no address that anybody vouches for; exceptions that hang on
    them are not made, and ``untold`` says so.  ``named``: the user named the hosts, networks or receivers that the
    origin was read by, so that what never came in from outside did not meet the milter's judgement either.
    """
    if named and verdict.origin.never_crossed_border and not verdict.origin.conflict:
        return Rehearsal(action=ActionKind.ADD, reason=ActionReason.NOT_FROM_OUTSIDE, stream=_stream(verdict))
    action = decide(verdict, policy)
    return Rehearsal(
        action=action.kind,
        reason=action.reason,
        override=action.override,
        stream=_stream(verdict),
        reply=None if action.code is None else f"{action.code} {action.status} {action.text}",
        untold=() if action.kind is ActionKind.ADD else tuple(_untold(verdict, policy)),
    )


def _untold(verdict: Verdict, policy: Policy) -> Iterator[Untold]:
    """What an exception asks for that a stored message does not tell."""
    if policy.except_recipients:
        yield Untold.RECIPIENT
    if policy.except_networks and not (verdict.origin.vouched_for and verdict.origin.client_ip):
        yield Untold.NETWORK
    if policy.mailing_lists and verdict.author.domain is not None and not verdict.origin.vouched_for:
        yield Untold.SENDER


def _stream(verdict: Verdict) -> str | None:
    """Who sent it, as far as a check tells, else the envelope."""
    signed = (s.domain for s in verdict.dkim if s.result == "pass")
    envelope = (r.domain for r in verdict.spf)
    return next(filter(None, (*signed, *envelope, verdict.origin.client_ip)), None)

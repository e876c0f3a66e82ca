"""From a verdict to an action: nothing is enforced unless the operator writes it down, and then without gaps."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verdicts import R, verdict
from verify.config import ConfigError, PolicyOptions, parse
from verify.disposition import Policy, decide, rehearse
from verify.fronts.milter_wire import reply_code
from verify.model import (
    ActionKind,
    ActionReason,
    Author,
    AuthorPolicy,
    Cause,
    Conclusion,
    DkimWord,
    DmarcResult,
    DmarcWord,
    DnsError,
    DnsUse,
    OriginReason,
    OriginSource,
    Outcome,
    Override,
    PolicyWord,
    Reason,
    SpfWord,
    Untold,
    Verdict,
    replace,
)
from verify.serving import policy

ENFORCE = Policy(on_quarantine=ActionKind.QUARANTINE, on_reject=ActionKind.REJECT, on_dns=ActionKind.DEFER)
CAUTIOUS = Policy(on_quarantine=ActionKind.QUARANTINE, on_reject=ActionKind.QUARANTINE)


def failing(word: PolicyWord, **changes: Any) -> Verdict:
    """Mail that fails DMARC under a policy, and that nothing else speaks for."""
    base = verdict(R.NOT_ALIGNED)
    dmarc = DmarcResult(
        result=DmarcWord.FAIL,
        reason=Reason.NOT_ALIGNED,
        author_domain="shop.example",
        policy=word,
        applied_policy=word,
    )
    return replace(base, author=Author(domain="shop.example"), dmarc=dmarc, spf=(), dkim=(), **changes)


@pytest.mark.parametrize("reason", list(R))
def test_by_default_every_message_is_delivered_with_our_field(reason: R) -> None:
    action = decide(verdict(reason), Policy())
    assert (action.kind, action.reason) == (ActionKind.ADD, ActionReason.NOTHING_ENFORCED)


@pytest.mark.parametrize(
    "reason", [r for r in R if verdict(r).conclusion in (Conclusion.AUTHENTICATED, Conclusion.UNPROTECTED)]
)
def test_what_did_not_fail_is_delivered_under_every_policy(reason: R) -> None:
    assert decide(verdict(reason), ENFORCE).kind is ActionKind.ADD


@pytest.mark.parametrize("reason", [r for r in R if verdict(r).conclusion is Conclusion.UNDETERMINED])
def test_what_could_not_be_checked_is_never_rejected_but_for_a_limit(reason: R) -> None:
    if reason is not R.LIMIT:
        assert decide(verdict(reason), ENFORCE).kind in (ActionKind.ADD, ActionKind.DEFER)


@pytest.mark.parametrize(
    ("word", "policy", "kind"),
    [
        (PolicyWord.NONE, ENFORCE, ActionKind.ADD),
        (PolicyWord.QUARANTINE, ENFORCE, ActionKind.QUARANTINE),
        (PolicyWord.REJECT, ENFORCE, ActionKind.REJECT),
        (PolicyWord.REJECT, CAUTIOUS, ActionKind.QUARANTINE),
        (PolicyWord.QUARANTINE, Policy(on_reject=ActionKind.REJECT), ActionKind.ADD),
    ],
)
def test_failed_mail_is_treated_by_the_policy_of_its_domain(word: PolicyWord, policy: Policy, kind: ActionKind) -> None:
    assert decide(failing(word), policy).kind is kind


def test_a_rejection_names_dmarc_and_has_a_reply_that_the_wire_takes() -> None:
    action = decide(failing(PolicyWord.REJECT), ENFORCE)
    assert (action.code, action.status) == (550, "5.7.1")
    assert action.text is not None
    assert "DMARC" in action.text
    assert reply_code(action.code or 0, action.status or "", action.text).endswith(b"\0")


@pytest.mark.parametrize("enforce", [ENFORCE, CAUTIOUS, Policy(on_dns=ActionKind.DEFER)])
@pytest.mark.parametrize("reason", [R.AUTHOR_MISSING, R.AUTHOR_REPEATED, R.AUTHOR_SEVERAL_DOMAINS, R.AUTHOR_AMBIGUOUS])
def test_an_author_that_cannot_be_told_is_at_least_quarantined_once_anything_is_enforced(
    reason: R, enforce: Policy
) -> None:
    action = decide(replace(verdict(reason), dmarc=DmarcResult(result=DmarcWord.PERMERROR)), enforce)
    assert (action.kind, action.reason) == (ActionKind.QUARANTINE, ActionReason.AUTHOR_UNCLEAR)


def test_the_strictest_policy_among_several_author_domains_decides() -> None:
    policies = tuple(
        AuthorPolicy(domain=f"{word}.example", policy_domain=None, applied_policy=word, outcome=None)
        for word in (PolicyWord.NONE, PolicyWord.REJECT, PolicyWord.QUARANTINE)
    )
    unclear = replace(
        verdict(R.AUTHOR_SEVERAL_DOMAINS), dmarc=DmarcResult(result=DmarcWord.PERMERROR, author_policies=policies)
    )
    assert decide(unclear, ENFORCE).kind is ActionKind.REJECT
    assert decide(unclear, CAUTIOUS).kind is ActionKind.QUARANTINE


@pytest.mark.parametrize(
    ("word", "test_mode", "kind"),
    [
        (PolicyWord.REJECT, False, ActionKind.REJECT),
        (PolicyWord.REJECT, True, ActionKind.QUARANTINE),
        (PolicyWord.QUARANTINE, False, ActionKind.QUARANTINE),
        (PolicyWord.QUARANTINE, True, ActionKind.ADD),
        (PolicyWord.NONE, False, ActionKind.ADD),
        (None, None, ActionKind.QUARANTINE),
    ],
)
def test_a_limit_is_handled_as_failed(word: PolicyWord | None, test_mode: bool | None, kind: ActionKind) -> None:
    dmarc = DmarcResult(result=None, reason=Reason.LIMIT, policy=word, test_mode=test_mode)
    action = decide(replace(verdict(R.LIMIT), dmarc=dmarc, spf=(), dkim=()), ENFORCE)
    assert (action.kind, action.reason) == (kind, ActionReason.LIMIT_HIT)


@pytest.mark.parametrize(
    ("cause", "enforce", "kind"),
    [
        (Cause.BUDGET, CAUTIOUS, ActionKind.DEFER),
        (Cause.TIMEOUT, replace(CAUTIOUS, on_dns=ActionKind.ADD), ActionKind.ADD),
        (Cause.TIMEOUT, ENFORCE, ActionKind.DEFER),
        (Cause.SERVFAIL, ENFORCE, ActionKind.DEFER),
    ],
)
def test_a_spent_budget_is_deferred_and_other_trouble_as_the_operator_says(
    cause: Cause, enforce: Policy, kind: ActionKind
) -> None:
    error = DnsError(name="x.example", type="TXT", outcome=Outcome.TEMPORARY, cause=cause)
    action = decide(replace(verdict(R.DNS), dns=DnsUse(questions=1, errors=(error,))), enforce)
    assert action.kind is kind
    if kind is ActionKind.DEFER:
        assert (action.code, action.status) == (451, "4.7.1")


def test_a_trusted_sealer_overrides_the_policy() -> None:
    base = failing(PolicyWord.REJECT)
    action = decide(replace(base, dmarc=replace(base.dmarc, override=Override.TRUSTED_SEALER)), ENFORCE)
    assert (action.kind, action.reason) == (ActionKind.ADD, ActionReason.TRUSTED_SEALER)
    assert action.failed, "it may still be marked"


def test_a_mailing_list_overrides_the_policy_only_when_it_proved_itself() -> None:
    lists = replace_policy(mailing_lists=("lists.example",))
    whole = verdict(R.DKIM_ALIGNED)
    signature = replace(whole.dkim[0], domain="lists.example", result=DkimWord.PASS)
    envelope = replace(whole.spf[0], domain="bounce.lists.example", result=SpfWord.PASS)
    vouched = replace(whole.origin, source=OriginSource.ENVELOPE, conflict=False, incomplete=False)
    base = failing(PolicyWord.REJECT, origin=vouched)
    assert decide(replace(base, dkim=(signature,)), lists).override is Override.MAILING_LIST
    assert decide(replace(base, spf=(envelope,)), lists).override is Override.MAILING_LIST
    for nothing in (
        replace(base, dkim=(replace(signature, result=DkimWord.FAIL),)),
        replace(base, spf=(replace(envelope, result=SpfWord.SOFTFAIL),)),
        replace(base, spf=(envelope,), origin=replace(vouched, source=OriginSource.INFERRED)),
        replace(base, dkim=(replace(signature, domain="evil-lists.example"),)),
    ):
        assert decide(nothing, lists).kind is ActionKind.REJECT


def replace_policy(**changes: Any) -> Policy:
    return replace(ENFORCE, **changes)


def test_exceptions_by_domain_network_and_recipient() -> None:
    vouched = replace(verdict(R.NOT_ALIGNED).origin, client_ip="192.0.2.7", source=OriginSource.ENVELOPE)
    base = failing(PolicyWord.REJECT, origin=vouched)
    options = PolicyOptions(
        on_reject="reject",
        except_domains="shop.example",
        except_networks="198.51.100.0/24",
        except_recipients=["postmaster@R.example", "@lab.example"],
    )
    rules = policy(options)
    assert decide(base, rules).reason is ActionReason.LOCAL_POLICY
    other = replace(base, author=Author(domain="other.example"))
    assert decide(other, rules).kind is ActionKind.REJECT
    below = replace(base, author=Author(domain="mail.shop.example"))
    assert decide(below, rules).kind is ActionKind.ADD
    near = replace(other, origin=replace(vouched, client_ip="198.51.100.3"))
    assert decide(near, rules).kind is ActionKind.ADD
    assert decide(other, rules, ("postmaster@r.example", "x@LAB.example")).kind is ActionKind.ADD
    assert decide(other, rules, ("postmaster@r.example", "x@r.example")).kind is ActionKind.REJECT, "all of them"


@pytest.mark.parametrize("reason", list(R))
@pytest.mark.parametrize("policy", [Policy(), ENFORCE, CAUTIOUS])
def test_a_rehearsal_says_what_the_milter_would_do(reason: R, policy: Policy) -> None:
    one = verdict(reason)
    row, action = rehearse(one, policy, named=False), decide(one, policy)
    assert (row.action, row.reason, row.override) == (action.kind, action.reason, action.override)
    assert (row.reply is None) == (action.code is None)
    assert row.untold == ()


def test_a_rehearsal_gives_the_reply_that_the_client_would_see() -> None:
    row = rehearse(failing(PolicyWord.REJECT), ENFORCE, named=False)
    assert row.reply == f"550 5.7.1 Email rejected per DMARC policy for {verdict(R.NOT_ALIGNED).author.domain}"
    assert rehearse(failing(PolicyWord.QUARANTINE), ENFORCE, named=False).reply is None


@pytest.mark.parametrize("how", [OriginReason.NEVER_CROSSED, OriginReason.AUTHENTICATED_CLIENT])
def test_mail_from_inside_is_not_judged_in_a_rehearsal_where_the_user_named_the_boundary(how: OriginReason) -> None:
    base = verdict(R.AUTHOR_REPEATED)
    one = replace(base, origin=replace(base.origin, source=OriginSource.NONE, reason=how, conflict=False))
    row = rehearse(one, ENFORCE, named=True)
    assert (row.action, row.reason) == (ActionKind.ADD, ActionReason.NOT_FROM_OUTSIDE)
    assert rehearse(one, ENFORCE, named=False).reason is ActionReason.AUTHOR_UNCLEAR
    doubtful = replace(one, origin=replace(one.origin, conflict=True))
    assert rehearse(doubtful, ENFORCE, named=True).reason is ActionReason.AUTHOR_UNCLEAR


def test_the_stream_of_a_rehearsal_is_who_sent_it() -> None:
    whole = verdict(R.DKIM_ALIGNED)
    base = failing(PolicyWord.REJECT)
    signature = replace(whole.dkim[0], domain="esp.example", result=DkimWord.PASS)
    envelope = replace(whole.spf[0], domain="bounce.example", result=SpfWord.NONE)
    client = replace(base.origin, client_ip="192.0.2.7")
    for changes, stream in (
        ({"dkim": (signature,)}, "esp.example"),
        ({"spf": (envelope,)}, "bounce.example"),
        ({"dkim": (), "spf": (), "origin": client}, "192.0.2.7"),
    ):
        assert rehearse(replace(base, **changes), ENFORCE, named=False).stream == stream


def test_a_rehearsal_says_which_exceptions_stored_mail_cannot_tell() -> None:
    base = failing(PolicyWord.REJECT)
    vouched = replace(base.origin, client_ip="192.0.2.7", source=OriginSource.CONFIGURED, conflict=False)
    guessed = replace(base.origin, client_ip="192.0.2.7", source=OriginSource.INFERRED)
    rules = policy(
        PolicyOptions(
            on_reject="reject",
            except_recipients="postmaster@r.example",
            except_networks="192.0.2.0/24",
            mailing_lists="lists.example",
        )
    )
    row = rehearse(replace(base, origin=guessed), rules, named=False)
    assert (row.action, row.untold) == (ActionKind.REJECT, (Untold.RECIPIENT, Untold.NETWORK, Untold.SENDER))
    known = rehearse(replace(base, origin=vouched), rules, named=False)
    assert (known.action, known.override, known.untold) == (ActionKind.ADD, Override.LOCAL_POLICY, ())
    elsewhere = replace(vouched, client_ip="198.51.100.7")
    assert rehearse(replace(base, origin=elsewhere), rules, named=False).untold == (Untold.RECIPIENT,)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('on-reject = "bounce"', "policy.on-reject"),
        ('except-networks = ["x"]', "policy.except-networks"),
        ('except-domains = ["a b"]', "policy.except-domains"),
        ('mailing-lists = ["-"]', "policy.mailing-lists"),
        ('except-recipients = ["nobody"]', "policy.except-recipients"),
        ('subject-tag = "a\\nb"', "policy.subject-tag"),
        ('warning-field = "Subject"', "policy.warning-field"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_the_name_of_its_key(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        policy(parse(f"[policy]\n{text}\n").policy)
    assert refused.value.key == key


def test_unknown_keys_of_a_policy_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"policy\.on-fail"):
        parse('[policy]\non-fail = "reject"\n')


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        (Policy(), ActionKind.ADD),
        (Policy(on_reject=ActionKind.REJECT), ActionKind.DEFER),
        (Policy(on_quarantine=ActionKind.QUARANTINE), ActionKind.DEFER),
        (Policy(on_reject=ActionKind.REJECT, on_dns=ActionKind.ADD), ActionKind.ADD),
    ],
)
def test_dns_trouble_is_deferred_once_anything_is_enforced_unless_the_operator_says_otherwise(policy, kind):
    assert policy.dns_trouble is kind

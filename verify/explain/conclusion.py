"""The two sentences that most people read: what was concluded and why, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

from verify.explain.lines import asks, author_policy, coverage_line, diagnosis, dns_error
from verify.explain.words import REASONS, listed, name, shown
from verify.model import (
    AnomalyCode,
    Comparison,
    ComparisonReason,
    Conclusion,
    ConclusionReason,
    DiagnosisCode,
    DkimResult,
    DkimWord,
    DnsError,
    Fidelity,
    Identity,
    Method,
    Origin,
    OriginReason,
    OriginSource,
    Outcome,
    PolicyWord,
    Reason,
    RecordedStanding,
    SpfResult,
    SpfWord,
    Verdict,
)

R = ConclusionReason

# What lies with the key, and with nobody who passed the message on.
_OF_THE_KEY = frozenset({DiagnosisCode.KEY_GONE, DiagnosisCode.KEY_CHANGED, DiagnosisCode.KEY_WEAK})


def summary(verdict: Verdict) -> str:
    """What was concluded and why, in one sentence for a person who is no expert.

    Further sentences follow when the displayed name shows another address, when readers are shown something that was
    not signed, and when a trusted receiver recorded another result.
    """
    words = _SUMMARIES[verdict.conclusion_reason](verdict)
    words += _name_shows_another(verdict)
    if verdict.conclusion is Conclusion.AUTHENTICATED:
        words += _not_signed(verdict)
    if verdict.recorded:
        words += _parted_ways(verdict)
    return words


def next_step(verdict: Verdict) -> str | None:
    """What sender, forwarder or receiver can do; None when there is nothing to do."""
    step = _NEXT_STEPS.get(verdict.conclusion_reason)
    return step(verdict) if step is not None else None


# --- what the sentences are made of ----------------------------------------------------------------


def _author(verdict: Verdict) -> str:
    return name(verdict.author.domain)


def _speaks_for_author(verdict: Verdict, domain: str | None) -> bool:
    return domain is not None and (
        domain == verdict.author.domain
        or domain in [one.domain for one in verdict.dmarc.could_align if one.method is Method.DKIM]
    )


def _own_signatures(verdict: Verdict) -> list[DkimResult]:
    """Signatures that speak for the author, or would if they passed."""
    return [one for one in verdict.dkim if one.aligned or _speaks_for_author(verdict, one.domain)]


def _aligned_signers(verdict: Verdict) -> list[str]:
    return [name(one.identifier) for one in verdict.dmarc.aligned if one.method is Method.DKIM and one.aligned]


def _mail_from(verdict: Verdict) -> SpfResult | None:
    """The SPF result that DMARC looks at: MAIL FROM, and HELO for the null reverse-path."""
    wanted = Identity.HELO if verdict.origin.mail_from == "" else Identity.MAILFROM
    for one in verdict.spf:
        if one.identity is wanted:
            return one
    return None


def _signature_clause(verdict: Verdict) -> str:
    """Why no signature speaks for the author."""
    if not verdict.dkim:
        return "it carries no DKIM signature"
    if own := _own_signatures(verdict):
        one = own[0]
        return f"the signature by {name(one.domain)} does not count ({_reason(one.reason)})"
    passing = [name(one.domain) for one in verdict.dkim if one.result is DkimWord.PASS]
    if passing:
        return f"it is signed only by {listed(passing)}"
    return f"no signature by {_author(verdict)} is on it"


def _address_clause(verdict: Verdict) -> str:
    """Why the sending address does not speak for the author."""
    spf = _mail_from(verdict)
    if spf is None or spf.result is None:
        return f"SPF could not be checked ({_reason(spf.reason if spf else Reason.NO_MAIL_FROM)})"
    domain = name(spf.domain)
    who = shown(verdict.origin.client_ip) if verdict.origin.client_ip else "the sending server"
    match spf.result:
        case SpfWord.PASS:
            return f"{who} is allowed to send for {domain}, but that is another domain"
        case SpfWord.FAIL | SpfWord.SOFTFAIL:
            return f"{who} is not a server that {domain} allows to send"
        case SpfWord.NEUTRAL:
            return f"{domain} does not say whether {who} may send"
        case SpfWord.NONE:
            return f"no SPF record speaks for {who}"
    return f"the SPF check of {domain} ended in an error ({_reason(spf.reason)})"


def _reason(reason: Reason | None) -> str:
    return REASONS[reason] if reason is not None else "no reason was given"


def _proved(verdict: Verdict) -> str:
    """What SPF and DKIM proved, for a message whose author has no policy."""
    facts = [f"that {name(one.domain)} signed it" for one in verdict.dkim if one.result is DkimWord.PASS]
    spf = _mail_from(verdict)
    if spf is not None and spf.result is SpfWord.PASS and spf.reason is not Reason.ORIGIN_INFERRED:
        facts.append(f"that it came from a server that {name(spf.domain)} allows to send")
    return (
        f"what is proved is {listed(facts)}" if facts else "neither a signature nor the sending server proves anything"
    )


def _readings(verdict: Verdict) -> str:
    author = verdict.author
    addresses = [reading.address for reading in author.readings] or [mailbox.address for mailbox in author.addresses]
    return listed((shown(address, 80) for address in addresses), 4)


def _domains(verdict: Verdict) -> str:
    """The domains that From names; with their policies when those were looked up."""
    if verdict.dmarc.author_policies:
        return listed((author_policy(policy) for policy in verdict.dmarc.author_policies), 8)
    author = verdict.author
    domains = [*(box.domain for box in author.addresses), *(reading.domain for reading in author.readings)]
    return listed((name(domain) for domain in domains if domain), 8)


def _errors(verdict: Verdict) -> str:
    """The failed questions, those first that can decide; what decides nothing (PTR, HELO) only if there is no other."""
    failed = [error for error in verdict.dns.errors if error.outcome is Outcome.TEMPORARY]
    mail_from = _mail_from(verdict)
    sender = mail_from.domain if mail_from is not None else None
    helo = (verdict.origin.helo or "").lower()

    def rank(error: DnsError) -> int:
        if error.name.startswith("_dmarc.") or "._domainkey." in error.name:
            return 0
        if error.name == sender:
            return 1
        return 3 if error.type == "PTR" or error.name == helo else 2

    deciding = [error for error in failed if rank(error) < 3]
    return listed(dns_error(error) for error in sorted(deciding or failed, key=rank))


def _nothing_answered(verdict: Verdict) -> bool:
    """Every question that was asked failed: most likely no name server can be reached from here."""
    failed = sum(error.outcome is Outcome.TEMPORARY for error in verdict.dns.errors)
    return failed > 1 and failed == verdict.dns.live + verdict.dns.recorded


def _name_shows_another(verdict: Verdict) -> str:
    shows = [shown(one.detail, 80) for one in verdict.anomalies if one.code is AnomalyCode.DISPLAY_NAME_ADDRESS]
    if not shows:
        return ""
    what = "another address" if len(set(shows)) == 1 else "other addresses"
    return f" The displayed name shows {what}: {listed(shows)}."


def _not_signed(verdict: Verdict) -> str:
    if not _aligned_signers(verdict) or (uncovered := coverage_line(verdict.coverage)) is None:
        return ""
    return f" Not all that is shown was signed: {uncovered} could have been changed or added by others."


def _parted_ways(verdict: Verdict) -> str:
    """One sentence when a trusted receiver recorded another result than ours."""
    for recorded in verdict.recorded:
        if recorded.standing is not RecordedStanding.TRUSTED:
            continue
        parted = [
            result
            for result in recorded.results
            if result.comparison is Comparison.DIFFERS
            or (
                result.comparison is Comparison.EXPLAINED
                and result.method == "dmarc"
                and result.reason is not ComparisonReason.METHOD_NOT_RUN
            )
        ]
        if parted:
            who = shown(recorded.authserv_id, 80) if recorded.authserv_id else "A receiver that you trust"
            what = listed(f"{shown(result.method, 30)}={shown(result.result, 30)}" for result in parted)
            return f" {who} recorded {what}, which is not what was found here."
    return ""


# --- summaries -------------------------------------------------------------------------------------


def _dkim_aligned(verdict: Verdict) -> str:
    signers = listed(_aligned_signers(verdict))
    author = _author(verdict)
    signer = "it" if signers in {author, ""} else signers
    via = "" if signer == "it" else f" through {signer}"
    return (
        f"Authenticated: {author} signed this message{via}, and the signature is intact; "
        "this proves the domain, not the person, and not that the content is honest."
    )


def _spf_aligned(verdict: Verdict) -> str:
    who = shown(verdict.origin.client_ip) if verdict.origin.client_ip else "the sending server"
    return (
        f"Authenticated: the message came from {who}, which {_author(verdict)} allows to send for it; "
        "this proves the domain, not the person, and rests on the address that you vouched for."
        f"{_unsigned_content(verdict)}"
    )


def _unsigned_content(verdict: Verdict) -> str:
    """An address says nothing about the content; where the author's own signature was to, that is worth a sentence."""
    for one in _own_signatures(verdict):
        if one.result in (None, DkimWord.TEMPERROR):
            return f" Its signature could not be checked ({_reason(one.reason)}), so nothing covers the content."
        if one.result is not DkimWord.PASS:
            return f" Its signature does not hold ({_reason(one.reason)}), so the content may have been changed."
    return ""


def _not_aligned(verdict: Verdict) -> str:
    words = (
        f"Failed: nothing confirms that this message is from {_author(verdict)}: "
        f"{_signature_clause(verdict)}, and {_address_clause(verdict)}"
    )
    policy = verdict.dmarc.applied_policy
    if policy in (PolicyWord.QUARANTINE, PolicyWord.REJECT):
        words += f"; {_author(verdict)} {asks(policy)}"
    return words + "."


def _author_missing(verdict: Verdict) -> str:
    if verdict.origin.mail_from == "":
        return (
            "Failed: From holds no address with a domain, so the message does not say who wrote it; it came without a "
            "sender to reply to, as notices of mail servers do."
        )
    return "Failed: the message has no usable From field, so it does not say who wrote it."


def _author_repeated(verdict: Verdict) -> str:
    readings = _readings(verdict)
    return "Failed: the message has more than one From field" + (
        f", so that readers may be shown {readings}." if readings else ", so that its author cannot be told."
    )


def _author_several_domains(verdict: Verdict) -> str:
    return (
        f"Failed: From names authors of several domains, so that no single one can be confirmed: {_domains(verdict)}."
    )


def _author_ambiguous(verdict: Verdict) -> str:
    return f"Failed: mail programs do not agree on who wrote this message: {_readings(verdict)}."


def _does_not_exist(verdict: Verdict) -> bool:
    return AnomalyCode.NO_SUCH_AUTHOR_DOMAIN in [one.code for one in verdict.anomalies]


def _no_policy(verdict: Verdict) -> str:
    if _does_not_exist(verdict):
        return (
            f"Unprotected: the domain of the author, {_author(verdict)}, does not exist, so that nobody can be reached "
            f"there, and no policy speaks for it; {_proved(verdict)}."
        )
    return (
        f"Unprotected: {_author(verdict)} publishes no usable DMARC policy, so nobody can say whether the message is "
        f"really its own; {_proved(verdict)}."
    )


def _undetermined(verdict: Verdict, because: str) -> str:
    domain = verdict.author.domain
    claim = f"whether this message is from {name(domain)}" if domain else "who wrote this message"
    return f"Undetermined: {claim} cannot be said, because {because}."


def _dns(verdict: Verdict) -> str:
    if _nothing_answered(verdict):
        return _undetermined(verdict, f"no name server answered any question ({_errors(verdict)})")
    errors = _errors(verdict)
    return _undetermined(
        verdict, "a DNS answer that could have decided it did not arrive" + (f" ({errors})" if errors else "")
    )


def _not_recorded(verdict: Verdict) -> str:
    return _undetermined(verdict, "an answer of the DNS that could have decided it was neither asked for nor recorded")


def _origin_unknown(verdict: Verdict) -> str:
    spf = _mail_from(verdict)
    lacks = spf.reason if spf is not None else Reason.NO_MAIL_FROM
    if not verdict.hops and verdict.origin.reason is OriginReason.NO_RECEIVED:
        missing = "the message has no Received field that shows where it came from"
    elif verdict.origin.client_ip and lacks is Reason.NO_MAIL_FROM:
        missing = "the envelope sender (MAIL FROM) is not known"
    elif verdict.origin.client_ip and lacks is Reason.NO_HELO:
        missing = "the name that the sending server gave (HELO) is not known"
    else:
        missing = "the address that it came from is not known"
    return _undetermined(verdict, f"{missing}, and {_signature_clause(verdict)}")


def _origin_inferred(verdict: Verdict) -> str:
    who = shown(verdict.origin.client_ip) if verdict.origin.client_ip else "the sending server"
    if verdict.origin.conflict:
        return _undetermined(verdict, f"what the receiver wrote about {who} contradicts itself, so SPF clears nobody")
    if any(one.reason is Reason.EXPIRED for one in _own_signatures(verdict)):
        return _undetermined(verdict, "its signature has expired by now, and nothing vouches for the date of receipt")
    return _undetermined(
        verdict, f"{_signature_clause(verdict)}, and its origin, {who}, is only inferred from the message itself"
    )


def _never_crossed_border(verdict: Verdict) -> str:
    return _undetermined(
        verdict, f"this copy never came in from outside, so SPF says nothing about it, and {_signature_clause(verdict)}"
    )


def _records_later(verdict: Verdict) -> str:
    return _undetermined(
        verdict, "the DNS answers are much later than the message, and keys or records may have changed since"
    )


def _copy_altered(verdict: Verdict) -> str:
    return _undetermined(
        verdict,
        "the receiver recorded that it passed on arrival, but this cannot be reproduced from this copy, "
        "which was altered since",
    )


def _not_checkable(verdict: Verdict) -> str:
    if verdict.source.fidelity is Fidelity.SYNTHETIC:
        return _undetermined(verdict, "this file does not keep the original bytes of the message")
    return _undetermined(verdict, "this file holds only a part of the message")


def _limit(verdict: Verdict) -> str:
    return _undetermined(verdict, "a limit was reached before everything that matters had been read or checked")


def _one_label_domain(verdict: Verdict) -> str:
    return _undetermined(
        verdict, "the only thing that connects it to its signer is a top-level domain, which is no organization"
    )


_SUMMARIES: dict[ConclusionReason, Callable[[Verdict], str]] = {
    R.DKIM_ALIGNED: _dkim_aligned,
    R.SPF_ALIGNED: _spf_aligned,
    R.NOT_ALIGNED: _not_aligned,
    R.AUTHOR_MISSING: _author_missing,
    R.AUTHOR_REPEATED: _author_repeated,
    R.AUTHOR_SEVERAL_DOMAINS: _author_several_domains,
    R.AUTHOR_AMBIGUOUS: _author_ambiguous,
    R.NO_POLICY: _no_policy,
    R.DNS: _dns,
    R.NOT_RECORDED: _not_recorded,
    R.ORIGIN_UNKNOWN: _origin_unknown,
    R.ORIGIN_INFERRED: _origin_inferred,
    R.NEVER_CROSSED_BORDER: _never_crossed_border,
    R.RECORDS_LATER: _records_later,
    R.COPY_ALTERED: _copy_altered,
    R.NOT_CHECKABLE: _not_checkable,
    R.LIMIT: _limit,
    R.ONE_LABEL_DOMAIN: _one_label_domain,
}


# --- next steps ------------------------------------------------------------------------------------


def _distrust(verdict: Verdict) -> str:
    return "Do not rely on the author shown; an honest sender must write one From field with one address."


def _next_author_missing(verdict: Verdict) -> str:
    if verdict.origin.mail_from == "":
        return (
            "Rely on nothing in it, though it may be an honest notice; a mail server that writes notices must put an "
            "address with its own domain into From."
        )
    return _distrust(verdict)


def _distrust_all(verdict: Verdict) -> str:
    return (
        "Do not rely on any of the authors that may be shown; an honest sender must write From so that nothing in it "
        "can be taken for another address."
    )


def _next_not_aligned(verdict: Verdict) -> str:
    author = _author(verdict)
    broken = next((one for one in _own_signatures(verdict) if one.diagnoses), None)
    if broken is not None and (why := diagnosis(broken)):
        if any(one.code in _OF_THE_KEY for one in broken.diagnoses):
            return (
                f"Do not rely on the author; if the mail is genuine, its sender must sign with DKIM as {author}, with "
                f"a sound key that is published. {why}"
            )
        return f"Do not rely on the author as shown; whoever forwarded it must pass it on unchanged. {why}"
    if verdict.dkim and not _own_signatures(verdict) and any(one.result is DkimWord.PASS for one in verdict.dkim):
        return f"Do not rely on the author; if the mail is genuine, its sender must sign with DKIM as {author}."
    return (
        f"Do not rely on the author; if the mail is genuine, its sender must send through servers of {author} "
        f"and sign with DKIM as {author}."
    )


def _next_no_policy(verdict: Verdict) -> str:
    author = _author(verdict)
    if _does_not_exist(verdict):
        return "Do not rely on the author; honest mail comes from a domain that exists."
    return f"Judge it by other means; the owner of {author} can publish a DMARC policy at _dmarc.{author}."


def _next_dns(verdict: Verdict) -> str:
    if _nothing_answered(verdict):
        return "Check your network, or name another name server with --resolver, and judge it again."
    return "Judge it again later; if the errors stay, the owner of the domain must mend its name servers."


def _next_not_recorded(verdict: Verdict) -> str:
    return "Judge it again with --dns live, or with a recording that holds the missing answers (--record makes one)."


def _name_the_receiver(origin: Origin) -> str:
    if origin.incomplete:
        return (
            "Name what stands between the sender and you: a further --receiver, or --trust-network with the "
            "addresses of your own servers."
        )
    if origin.conflict:
        return "Look at the Received fields yourself; if you know the sending server, give --client-ip and --mail-from."
    if origin.reason is OriginReason.NOT_WRITTEN_BY_RECEIVER:
        return (
            "None of the lines on top was written by the receiver or the hosts that you named; name the one that "
            "received this copy, or give --client-ip, --helo and --mail-from if you know the sending server."
        )
    if origin.profile:
        profile = shown(origin.profile, 40)
        return f"If you know that {profile} received this message, say so: --receiver {profile}."
    return (
        "If you know who received this message, say so: --receiver gmail (or another provider), or --trust-host and "
        "--trust-network for your own servers."
    )


def _next_origin(verdict: Verdict) -> str:
    return _name_the_receiver(verdict.origin)


def _next_origin_unknown(verdict: Verdict) -> str:
    if verdict.origin.client_ip:
        options = "--mail-from (and --helo)" if verdict.origin.mail_from is None else "--helo"
        return f"If you know it, give {options} too: SPF asks about the domain that stands there."
    if verdict.hops:
        return _name_the_receiver(verdict.origin)
    return (
        "If you know the sending server, give --client-ip, --helo and --mail-from; "
        "else get a copy that has all header fields."
    )


def _next_never_crossed(verdict: Verdict) -> str:
    return "Judge the copy that a recipient outside received; this one lies on the sender's side of the border."


def _next_records_later(verdict: Verdict) -> str:
    step = "Judge it with the DNS of the time of receipt, if somebody recorded it (--dns FILE)"
    if verdict.origin.source is OriginSource.INFERRED and verdict.origin.profile:
        step += f", or name the receiver whose results you believe: --receiver {shown(verdict.origin.profile, 40)}"
    return step + "."


def _next_copy_altered(verdict: Verdict) -> str:
    return "Get the original from the receiver (its download or raw source of the message) and judge that."


def _next_not_checkable(verdict: Verdict) -> str:
    return "Get the message in its original form, as an .eml file, from the server that received it."


def _next_limit(verdict: Verdict) -> str:
    return (
        "Treat it with care, as honest mail rarely reaches a limit; if you trust the file, raise the limit in the "
        "configuration and judge it again."
    )


def _next_one_label(verdict: Verdict) -> str:
    author = _author(verdict)
    return f"Do not rely on the author; the owner of {author} must sign with DKIM as {author}."


_NEXT_STEPS: dict[ConclusionReason, Callable[[Verdict], str]] = {
    R.NOT_ALIGNED: _next_not_aligned,
    R.AUTHOR_MISSING: _next_author_missing,
    R.AUTHOR_REPEATED: _distrust,
    R.AUTHOR_SEVERAL_DOMAINS: _distrust,
    R.AUTHOR_AMBIGUOUS: _distrust_all,
    R.NO_POLICY: _next_no_policy,
    R.DNS: _next_dns,
    R.NOT_RECORDED: _next_not_recorded,
    R.ORIGIN_UNKNOWN: _next_origin_unknown,
    R.ORIGIN_INFERRED: _next_origin,
    R.NEVER_CROSSED_BORDER: _next_never_crossed,
    R.RECORDS_LATER: _next_records_later,
    R.COPY_ALTERED: _next_copy_altered,
    R.NOT_CHECKABLE: _next_not_checkable,
    R.LIMIT: _next_limit,
    R.ONE_LABEL_DOMAIN: _next_one_label,
}

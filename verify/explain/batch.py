"""Sentences about many messages: why each conclusion was reached, what would be lost, what stands out."""

from __future__ import annotations

from verify.explain.words import listed, name, shown
from verify.model import ActionKind, ActionReason, Comparison, Conclusion, ConclusionReason, Source
from verify.rollup import Breakage, Period, Rollup, Stream, Tally

R = ConclusionReason

# What a reason means for many messages.
REASONS_OF_MANY: dict[ConclusionReason, str] = {
    R.DKIM_ALIGNED: "An intact signature by the author's domain.",
    R.SPF_ALIGNED: "Sent by a server that the author's domain allows to send.",
    R.NOT_ALIGNED: "Neither signature nor server speaks for the author's domain.",
    R.AUTHOR_MISSING: "No From field, or none that names an author.",
    R.AUTHOR_REPEATED: "More than one From field.",
    R.AUTHOR_SEVERAL_DOMAINS: "From names authors of several domains.",
    R.AUTHOR_AMBIGUOUS: "Mail programs would show different authors.",
    R.NO_POLICY: "The author's domain publishes no usable DMARC policy.",
    R.DNS: "A name server did not answer.",
    R.NOT_RECORDED: "The DNS recording does not hold an answer that decides.",
    R.ORIGIN_UNKNOWN: "Nothing says which server handed the message over.",
    R.ORIGIN_INFERRED: "The server that handed the message over is only inferred.",
    R.NEVER_CROSSED_BORDER: "Sent or internal mail, which never came in from outside.",
    R.RECORDS_LATER: "The mail is older than the DNS answers, and keys or records may have changed since.",
    R.COPY_ALTERED: "The receiver found it genuine, and this copy has been altered since.",
    R.NOT_CHECKABLE: "The format does not keep the original bytes.",
    R.LIMIT: "A limit of this program was reached.",
    R.ONE_LABEL_DOMAIN: "Only a domain of a single label speaks for the author.",
}

# What can be done about all of them at once.
STEPS_OF_MANY: dict[ConclusionReason, str] = {
    R.NOT_ALIGNED: "See below which of these look like fakes and which like mail of the author's own.",
    R.NO_POLICY: "The owners of these domains can publish a DMARC record.",
    R.DNS: "Judge them again when the name servers answer.",
    R.NOT_RECORDED: "Judge them again with live look-ups, or with a fuller recording.",
    R.ORIGIN_UNKNOWN: "Name the receiver (--receiver) or your own hosts (--trust-host).",
    R.ORIGIN_INFERRED: "Name the receiver (--receiver) or your own hosts (--trust-host).",
    R.RECORDS_LATER: "Judge mail soon after it arrives, or with answers recorded then.",
    R.COPY_ALTERED: "Ask for the copy as the receiver stored it.",
    R.NOT_CHECKABLE: "Ask for the message as .eml.",
    R.LIMIT: "Look at these one by one.",
}

MEANINGS: dict[Conclusion, str] = {
    Conclusion.AUTHENTICATED: "The author's domain is proved.",
    Conclusion.FAILED: "Checked, and not the author's.",
    Conclusion.UNPROTECTED: "The author's domain asks for no check.",
    Conclusion.UNDETERMINED: "Could not be settled; no accusation.",
}

COMPARED: dict[str, str] = {
    Comparison.AGREES.value: "the same is found here",
    Comparison.DIFFERS.value: "something else is found here, and nothing known explains it",
    Comparison.EXPLAINED.value: "something else is found here, for a known reason",
    Comparison.NOT_COMPARABLE.value: "not to be compared with what is found here",
}

BREAKAGES: dict[Breakage, str] = {
    Breakage.EXPIRED: "the signature had expired",
    Breakage.LIST: "changed by a mailing list",
    Breakage.FORWARDER: "changed by a forwarder that sealed it",
    Breakage.ALTERED: "changed on the way",
    Breakage.KEY: "the signing key is missing or unusable",
    Breakage.NO_ALIGNMENT: "passes for another domain only",
}

_MENDING: dict[Breakage, str] = {
    Breakage.EXPIRED: "Sign with a longer lifetime, or find out what delays this mail.",
    Breakage.LIST: "The list can write its own address into From, or leave subject and body as they are.",
    Breakage.FORWARDER: "Trust its seals (--trust-sealer), or ask it to forward unchanged.",
    Breakage.ALTERED: "Find the gateway that adds a banner or converts the text, and sign behind it.",
    Breakage.KEY: "Publish the key of this selector again.",
}


# What a policy does with a message, and why.
ACTIONS: dict[ActionKind, str] = {
    ActionKind.ADD: "delivered",
    ActionKind.QUARANTINE: "quarantined",
    ActionKind.DEFER: "deferred",
    ActionKind.REJECT: "rejected",
}

ACTION_REASONS: dict[ActionReason, str] = {
    ActionReason.NOTHING_ENFORCED: "the policy enforces nothing",
    ActionReason.NOT_FROM_OUTSIDE: "sent or internal mail, which a filter does not judge",
    ActionReason.NOT_FAILED: "did not fail, or could not be settled",
    ActionReason.POLICY_NONE: "failed, and the author's domain asks for nothing",
    ActionReason.POLICY_QUARANTINE: "failed, and the author's domain asks for quarantine",
    ActionReason.POLICY_REJECT: "failed, and the author's domain asks for rejection",
    ActionReason.AUTHOR_UNCLEAR: "does not say clearly who its author is",
    ActionReason.LIMIT_HIT: "a limit was reached before all that matters was read",
    ActionReason.DNS_BUDGET: "too many DNS questions before anything was settled",
    ActionReason.DNS_TROUBLE: "a name server did not answer",
    ActionReason.TRUSTED_SEALER: "failed, and a trusted sealer reports a pass",
    ActionReason.MAILING_LIST: "failed, and a mailing list of yours sent it",
    ActionReason.LOCAL_POLICY: "an exception of yours",
}


def rehearsal(tally: Tally) -> str:
    """What a policy that was rehearsed comes to, in one sentence."""
    by_kind = dict.fromkeys(reversed(ActionKind), 0)
    for kind, _, number in tally.rehearsed():
        by_kind[kind] += number
    delivered = by_kind.pop(ActionKind.ADD)
    lost = sum(by_kind.values())
    whole = messages(delivered + lost)
    if not lost:
        return f"With this policy, every one of {whole} would be delivered."
    parts = listed(f"{count(number)} {ACTIONS[kind]}" for kind, number in by_kind.items() if number)
    return f"With this policy, {count(lost)} of {whole} would not be delivered as now: {parts}."


def reservations(tally: Tally) -> tuple[str, ...]:
    """What stored mail leaves open about a policy that was rehearsed."""
    found = []
    if tally.untold:
        found.append(
            f"For {count(tally.untold)} of these, stored mail does not tell whether an exception by recipient, network "
            f"or mailing list holds; none was made."
        )
    if tally.unsettled:
        found.append(
            f"{count(tally.unsettled)} of those delivered could not be settled from what is stored; on arrival they "
            f"may fail."
        )
    return tuple(found)


def count(number: int) -> str:
    return f"{number:,}"


def messages(number: int) -> str:
    return f"{number:,} message" if number == 1 else f"{number:,} messages"


def share(part: int, whole: int) -> str:
    """A percentage that is 0 or 100 only when it is."""
    if not whole or not part:
        return "0%"
    percent = round(100 * part / whole)
    if part < whole and percent == 100:
        return "over 99%"
    return f"{percent}%" if percent else "under 1%"


def size(octets: int) -> str:
    """Octets in a unit that leaves one to three digits before the point."""
    amount, unit = float(octets), "octets"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{octets} octets" if unit == "octets" else f"{amount:.1f} {unit}"


def headline(tally: Tally) -> str:
    """The one sentence about all of it."""
    if not tally.messages:
        return "No message was judged."
    authenticated = tally.conclusions.get(Conclusion.AUTHENTICATED, 0)
    if tally.messages == 1:
        return f"The one message is {'' if authenticated else 'not '}authenticated."
    if authenticated == tally.messages:
        return f"All {messages(tally.messages)} are authenticated."
    if not authenticated:
        return f"None of {messages(tally.messages)} is authenticated."
    portion = share(authenticated, tally.messages)
    return f"{portion[:1].upper()}{portion[1:]} of {messages(tally.messages)} are authenticated."


def findings(rollup: Rollup) -> tuple[str, ...]:
    """What stands out, the most pressing first."""
    found = []
    if rollup.faked_messages:
        most = listed(f"{name(one.author_domain)} ({count(one.messages)})" for one in rollup.faked[:3])
        domains = len(rollup.faked) + rollup.faked_more
        where = most if domains <= 3 else f"{count(domains)} domains, most of it {most}"
        found.append(f"{messages(rollup.faked_messages)} that nothing speaks for came in the name of {where}.")
    no_author = sum(number for reason, number in rollup.tally.reasons.items() if reason in _NO_AUTHOR)
    if no_author:
        found.append(f"{messages(no_author)} cannot be said to have one author; mail programs may show any of several.")
    if rollup.streams_messages:
        found.append(
            f"{messages(rollup.streams_messages)} {_look(rollup.streams_messages)} legitimate and would be lost "
            f"if the author's domain asked for rejection."
        )
    differing = sum(
        one.messages for one in rollup.disagreements if one.comparison == "differs" and one.standing in _BELIEVED
    )
    if differing:
        found.append(
            f"{count(differing)} recorded {_results(differing)} not what is found here, and nothing known explains it."
        )
    if rollup.dns_messages:
        found.append(f"DNS answers were missing for {messages(rollup.dns_messages)}.")
    if rollup.tally.refused:
        what = "source or member" if rollup.tally.refused == 1 else "sources or members"
        found.append(f"{count(rollup.tally.refused)} {what} could not be read.")
    return tuple(found)


_BELIEVED = {"trusted", "inferred"}  # standings of what was recorded, when it says something about the receiver
_NO_AUTHOR = {R.AUTHOR_MISSING, R.AUTHOR_REPEATED, R.AUTHOR_SEVERAL_DOMAINS, R.AUTHOR_AMBIGUOUS}


def _look(number: int) -> str:
    return "looks" if number == 1 else "look"


def _results(number: int) -> str:
    return "result is" if number == 1 else "results are"


def chart(rollup: Rollup) -> str:
    """What the chart shows, in words."""
    words = f"Messages by {rollup.step}, from {rollup.first} to {rollup.last}"
    if rollup.periods:
        busiest = max(rollup.periods, key=lambda one: one.messages)
        when = f"on {busiest.start}" if rollup.step == "day" else f"in the {rollup.step} of {busiest.start}"
        words += f"; most {when} ({count(busiest.messages)})"
    return words + "."


def mending(stream: Stream) -> str:
    """What the owner of the domain can do about a stream."""
    if stream.breakage is Breakage.NO_ALIGNMENT:
        return f"If {name(stream.via)} sends for you, let it sign as {name(stream.author_domain)}."
    return _MENDING[stream.breakage]


def policy(word: str | None) -> str:
    """What the domain asks receivers to do with mail that fails."""
    return {"none": "nothing", "quarantine": "quarantine", "reject": "rejection"}.get(word or "", "no policy")


def period(one: Period) -> str:
    """What one step of the chart holds."""
    parts = (f"{count(held)} {conclusion}" for conclusion in Conclusion if (held := getattr(one, conclusion.value)))
    return f"{one.start}: {', '.join(parts)}"


def place(source: Source) -> str:
    """Where a message stands, short enough for a cell."""
    parts = [shown(source.path or "standard input", 200)]
    if source.member:
        parts.append(shown(source.member, 200))
    if source.index is not None:
        parts.append(f"message {source.index}")
    return ", ".join(parts)

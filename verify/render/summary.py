"""What a batch came to, as plain text for the end of a run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from verify.explain import batch
from verify.explain.words import CONCLUSIONS, shown
from verify.model import Conclusion
from verify.rollup import Rollup, Tally, conclusion_of

_LISTED = 5  # domains and streams


def to_summary(tally: Tally, rollup: Rollup | None = None) -> str:
    """Counts by conclusion and reason; with ``rollup`` (an SQLite or HTML output was asked for) what stands out too."""
    return "\n".join(_lines(tally, rollup)) + "\n"


def _lines(tally: Tally, rollup: Rollup | None) -> Iterator[str]:
    yield f"{batch.headline(tally)} {batch.size(tally.octets)} read."
    if tally.messages:
        yield ""
    for conclusion in Conclusion:
        held = tally.conclusions.get(conclusion, 0)
        if not held:
            continue
        yield f"{CONCLUSIONS[conclusion]:<14}{batch.count(held):>11}  {batch.share(held, tally.messages)}"
        for reason, count in sorted(tally.reasons.items(), key=lambda item: (-item[1], item[0])):
            if conclusion_of(reason) is conclusion:
                yield f"  {reason:<22}{batch.count(count):>11}  {batch.REASONS_OF_MANY[reason]}"
    if tally.refused:
        yield ""
        yield f"Could not be read: {batch.count(tally.refused)}"
    if tally.actions:
        yield ""
        yield from _rehearsal(tally, rollup)
    if rollup is None:
        return
    if rollup.faked:
        yield ""
        yield "In whose name mail came that nothing speaks for:"
        for one in rollup.faked[:_LISTED]:
            places = ", ".join(f"{shown(place.name, 60)} ({batch.count(place.messages)})" for place in one.networks)
            yield f"  {batch.count(one.messages):>9}  {shown(one.author_domain)}" + (
                f", from {places}" if places else ""
            )
        yield from _more(len(rollup.faked) - _LISTED + rollup.faked_more)
    if rollup.streams:
        yield ""
        yield "What looks legitimate and would be lost at p=reject:"
        for stream in rollup.streams[:_LISTED]:
            via = f" by way of {shown(stream.via, 80)}" if stream.via else ""
            yield (
                f"  {batch.count(stream.messages):>9}  {shown(stream.author_domain)}{via}: "
                f"{batch.BREAKAGES[stream.breakage]}"
            )
        yield from _more(len(rollup.streams) - _LISTED + rollup.streams_more)


def _rehearsal(tally: Tally, rollup: Rollup | None) -> Iterator[str]:
    yield batch.rehearsal(tally)
    for kind, reason, number in tally.rehearsed():
        why = batch.ACTION_REASONS[reason]
        yield f"  {f'{kind}: {reason}':<30}{batch.count(number):>9}  {why[:1].upper()}{why[1:]}."
    for sentence in batch.reservations(tally):
        yield from textwrap.wrap(sentence, 100)
    if rollup is None or not rollup.rehearsed:
        return
    yield ""
    yield "Most of what would not be delivered as now:"
    for one in rollup.rehearsed[:_LISTED]:
        domain = shown(one.author_domain, 80) if one.author_domain else "no clear author"
        by = f" sent by {shown(one.stream, 80)}" if one.stream else ""
        yield f"  {batch.count(one.messages):>9}  {domain}{by}: {batch.ACTIONS[one.action]}, {one.reason}"
    yield from _more(len(rollup.rehearsed) - _LISTED + rollup.rehearsed_more)


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  and {batch.count(count)} more"

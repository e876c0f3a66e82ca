"""Switches off each guard of the program in turn and shows which hostile cases turn red.

    python -m tests.hostile.guards [NAME...]

A guard is a constant of ``Limits``, raised out of reach, or a function or pattern of the program, replaced by what a
careless program would do.  Status 1 when a guard turns nothing red, when a constant of the limits has no case, or when
a row of the catalogue has no guard.
"""

from __future__ import annotations

import functools
import gc
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.hostile import CASES, containers
from tests.hostile.limits import LIMIT_CASES
from tests.hostile.probes import PROBES
from tests.hostile.scene import Case, fault
from verify.checks.held import Held
from verify.lookup.answers import Answers
from verify.model import (
    ArcWord,
    AtMode,
    Conclusion,
    ConclusionReason,
    Identity,
    JudgedAtSource,
    Limits,
    Outcome,
    Reason,
    replace,
)

NEVER = re.compile(r"(?!)")
NEVER_OCTETS = re.compile(rb"(?!)")
Make = Callable[[Any], Any]


@dataclass(frozen=True)
class Guard:
    """``place``: ``module:name`` or ``module:Class.name`` below ``verify``; ``make``: from what is there to its stand-in."""

    name: str
    rows: tuple[int, ...]
    place: str
    make: Make
    probes_only: bool = False  # with the stand-in a case would take hours


def always(value: object) -> Make:
    return lambda original: lambda *args, **options: value


def instead(value: object) -> Make:
    return lambda original: value


def without_problems(*problems: Reason) -> Make:
    """A reader of signatures that lets these problems pass."""

    def make(original: Callable[..., Reason | None]) -> Callable[..., Reason | None]:
        def read(*args: Any) -> Reason | None:
            problem = original(*args)
            return None if problem in problems else problem

        return read

    return make


def first_field_only(original: Any) -> Any:
    return lambda fields, hidden, read: original(min(fields, 1), hidden, read[:1])


def one_domain_of_several(original: Any) -> Any:
    def problem(fields: int, hidden: bool, read: Any) -> Reason | None:
        found = original(fields, hidden, read)
        return None if found is Reason.AUTHOR_SEVERAL_DOMAINS else found

    return problem


def controls_dropped(original: Any) -> Any:
    def problem(fields: int, hidden: bool, read: Any) -> Reason | None:
        return original(fields, hidden, [replace(each, nul=False, controls=False) for each in read])

    return problem


def sender_stands_in(original: Any) -> Any:
    def read(message: Any, limits: Limits) -> Any:
        author, anomalies = original(message, limits)
        if author.problem is not Reason.AUTHOR_MISSING:
            return author, anomalies
        fields = tuple(replace(f, key=b"from") if f.key in (b"sender", b"resent-from") else f for f in message.fields)
        return original(replace(message, fields=fields), limits)

    return read


def helo_counts(original: Any) -> Any:
    from verify.checks.spf import Evaluation, check_helo

    def check(ip: str, helo: str, mail_from: str, ask: Any, limits: Limits) -> Any:
        result = check_helo(ip, helo, ask, limits)
        if result.result == "pass":
            return Evaluation(replace(result, identity=Identity.MAILFROM))
        return original(ip, helo, mail_from, ask, limits)

    return check


def lengths_allowed(original: Any) -> Any:
    return lambda signature, examined, at, settings, bodies: original(
        signature, examined, at, replace(settings, allow_unsigned_octets=True), bodies
    )


def originating_client(original: Any) -> Any:
    def read(message: Any, envelope: Any, settings: Any) -> Any:
        facts = original(message, envelope, settings)
        told = [each.ip for each in facts.originating_ip if each.ip is not None]
        return replace(facts, origin=replace(facts.origin, client_ip=told[0])) if told else facts

    return read


def any_address(original: Any) -> Any:
    return lambda path: (path.rpartition("@")[0] or "x", path.rpartition("@")[2])


def nothing_limited(original: Any) -> Any:
    return lambda facts: original(replace(facts, limits_hit=()))


def every_date(original: Any) -> Any:
    def at(facts: Any, now: int, settings: Any) -> Any:
        if settings.at is AtMode.RECEIPT and facts.hops and facts.hops[-1].date is not None:
            return int(facts.hops[-1].date.timestamp()), JudgedAtSource.RECEIPT, ()
        return original(facts, now, settings)

    return at


def trouble_is_nothing(original: Any) -> Any:
    def ask(self: Any, question: Any) -> Any:
        answer = original(self, question)
        return replace(answer, outcome=Outcome.NODATA) if answer.outcome is Outcome.TEMPORARY else answer

    return ask


def first_record(original: Any) -> Any:
    def answer(self: Any, question: Any) -> Any:
        outcome, reason, records = original(self, question)
        return outcome, reason, records[:1]

    return answer


def blank_before_colon_is_junk(original: Any) -> Any:
    def field(raw: bytes, index: int, anomalies: Any) -> Any:
        found = original(raw, index, anomalies)
        written = raw.partition(b":")[0]
        return replace(found, name=b"", key=b"") if written != written.rstrip() else found

    return field


def whole_text_is_header(original: Any) -> Any:
    def end(text: bytes) -> tuple[int, int]:
        at = text.rfind(b"\n\r\n")
        return (at + 1, at + 3) if at >= 0 else original(text)

    return end


def one_label_clears(original: Any) -> Any:
    def passed(facts: Any) -> Any:
        found = original(facts)
        if found[1] is ConclusionReason.ONE_LABEL_DOMAIN:
            return Conclusion.AUTHENTICATED, ConclusionReason.SPF_ALIGNED
        return found

    return passed


def one_blank_at_a_time(text: bytes) -> bytes:
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ", 1)
    return text.replace(b" \r\n", b"\r\n")


def strict_reader_without_groups(original: Any) -> Any:
    def take(self: Any, token: Any) -> None:
        self._require(token.text not in (":", ";"))
        original(self, token)

    return take


GUARDS = (
    Guard("a subdomain may not exist", (1,), "checks.discovery:Walks.exists", always(True)),
    Guard("MAIL FROM must be an address", (2, 5, 6), "checks.spf:_split", any_address),
    Guard("names are host names", (3, 4, 5, 6), "grammar.names:_LABEL", instead(re.compile(r"[\s\S]{1,63}\Z"))),
    Guard("a source route is dropped", (7,), "checks.spf:split_mailbox", instead(lambda text: (text.rpartition("@")[0], text.rpartition("@")[2]))),
    Guard("From stands once", (8, 10, 11), "reading.author:_problem", first_field_only),
    Guard("a From that some programs see", (9, 11), "reading.author:_hidden_froms", always(())),
    Guard("blanks before the colon", (10,), "reading.message:_odd_field", blank_before_colon_is_junk),
    Guard("Sender is no author", (12,), "evaluate:read_author", sender_stands_in),
    Guard("one domain of several", (13, 17), "reading.author:_problem", one_domain_of_several),
    Guard("encoded words are read", (14,), "reading.addresses:decode_words", instead(lambda text: text)),
    Guard("routes in From", (15,), "reading.addresses:_Strict._after_route", lambda original: lambda self, tokens, start, end: end),
    Guard("the strict reader is strict", (16, 17, 18), "reading.addresses:_Strict._require", instead(staticmethod(lambda holds: None))),
    Guard("quoted local parts", (19,), "reading.addresses:_QUOTED", instead(NEVER)),
    Guard("the worst reader", (14, 16, 18, 20), "reading.addresses:_search", always(None)),
    Guard("groups", (21,), "reading.addresses:_Strict._take", strict_reader_without_groups),
    Guard("controls in From", (22,), "reading.author:_problem", controls_dropped),
    Guard("what display names hold", (23,), "reading.author:_name_oddities", always(())),
    Guard("display names of the receiver", (23,), "evaluate:receiver_lookalikes", always(())),
    Guard("HELO is not MAIL FROM", (24,), "evaluate:evaluate_mail_from", helo_counts),
    Guard("unsigned octets", (25,), "checks.dkim:objection", lengths_allowed),
    Guard("From must be signed", (26,), "checks.signature:_problem", without_problems(Reason.FROM_NOT_SIGNED)),
    Guard("the signed instance is shown", (27,), "checks.examine:not_shown", always(())),
    Guard("tags stand once", (28,), "checks.signature:_problem", without_problems(Reason.DUPLICATE_TAG)),
    Guard("what a key allows", (29, 31), "checks.examine:check_key", always(None)),
    Guard("objections to a good signature", (25, 27, 30), "checks.dkim:objection", always(None)),
    Guard("i= lies below d=", (31,), "checks.signature:_problem", without_problems(Reason.AUID_OUTSIDE_DOMAIN)),
    Guard("what could align is tried first", (32,), "checks.dkim:_may_align", always(True)),
    Guard("signatures left out are remembered", (32,), "evaluate:order_signatures", lambda original: lambda *args: (original(*args)[0], ())),
    Guard("records that are no keys", (33,), "checks.keys:KeyRecord.is_key_record", instead(property(lambda self: True))),
    Guard("blanks are reduced in linear time", (34,), "checks.canonical:relax", instead(one_blank_at_a_time), probes_only=True),
    Guard("depth and number leave no verdict of pass", (35, 52), "verdict:conclude", nothing_limited),
    Guard("fields under our id go", (36,), "verdict:removable_fields", always(())),
    Guard("ids in every spelling", (36,), "reading.recorded:same_id", instead(lambda text: text)),
    Guard("the walk ends at the first foreign client", (37,), "reading.border:_Walk.is_inside", always(True)),
    Guard("a line with two by", (37,), "reading.received:_Clauses._written_twice", always(False)),
    Guard("originating addresses are claims", (38,), "evaluate:read_origin", originating_client),
    Guard("sealers are named", (39,), "checks.arc:_trusted_through", always(1)),
    Guard("chains are verified", (40,), "checks.arc:_conclude", always((ArcWord.PASS, Reason.VERIFIED))),
    Guard("a pass for everyone is said", (41,), "verdict:passes_everyone", always(False)),
    Guard("smuggling shapes", (42,), "reading.message:_SMUGGLED_END", instead(NEVER_OCTETS)),
    Guard("a second header block", (42,), "reading.message:_FIELD_IN_BODY", instead(NEVER_OCTETS)),
    Guard("mixed scripts", (43,), "reading.author:_mixes_scripts", always(False)),
    Guard("A-labels", (43,), "grammar.names:_a_labels", always(None)),
    Guard("one label is no organization", (44,), "conclusion:_passed", one_label_clears),
    Guard("the walk is short", (45,), "checks.treewalk:_LABELS_MOST", instead(10**6)),
    Guard("one policy record", (45,), "checks.discovery:Walks._answer", first_record),
    Guard("several SPF records", (46,), "checks.spf:select_records", lambda original: lambda records: original(records)[:1]),
    Guard("DNS trouble is no answer", (47,), "evaluate:_Asking.__call__", trouble_is_nothing),
    Guard("the header ends at the first empty line", (48,), "reading.message:_header_end", whole_text_is_header),
    Guard("the domain alone is proven", (49,), "verdict:_local_part_anomalies", always(())),
    Guard("what is attached to a phish is foreign", (48,), "fronts.session:_inside", lambda original: lambda around, settings: settings),
    Guard("separators of mailboxes", (50,), "mailboxes.mbox:_is_separator", always(True)),
    Guard("what is inferred does not clear", (51,), "model:Origin.vouched_for", instead(property(lambda self: True))),
    Guard("what could align is asked first", (53,), "evaluate:_may_align", lambda original: lambda domain, author: not original(domain, author)),
    Guard("dates are vouched for", (54,), "evaluate:_judging_time", every_date),
    Guard("what was recorded decides", (55,), "conclusion:_trusted_word", always(None)),
    Guard("a stored verdict is checked", (56,), "render.data:_REASONS_OF", instead(dict.fromkeys(Conclusion, frozenset(ConclusionReason)))),
    Guard("names of a recording are checked", (56,), "lookup.recording:query_name", instead(lambda name: name)),
    Guard("paths are shown escaped", (57,), "render.page:terminal", instead(lambda text: text)),
    Guard("text for a terminal is shown escaped", (57,), "render.text:terminal", instead(lambda text: text)),
    Guard("no DNS is no answer", (58,), "fronts.session:Judge.answers", instead(lambda judge, shared=None: Answers(judge._recording.answers))),
)  # fmt: skip
ROWS = range(1, 59)


def holder_of(guard: Guard) -> tuple[Any, str]:
    """The module or class that holds what the guard replaces, and its name there."""
    module, _, names = guard.place.partition(":")
    holder: Any = import_module(f"verify.{module}")
    *outer, name = names.split(".")
    for each in outer:
        holder = getattr(holder, each)
    return holder, name


@contextmanager
def switched_off(guard: Guard) -> Iterator[None]:
    """The program without this guard; what it remembers is forgotten before and after."""
    holder, name = holder_of(guard)
    original = holder.__dict__[name]
    plain = original.__func__ if isinstance(original, staticmethod) else original
    setattr(holder, name, guard.make(plain))
    forget()
    try:
        yield
    finally:
        setattr(holder, name, original)
        forget()


def forget() -> None:
    """Empty every cache of the program."""
    for cache in _caches():
        cache.cache_clear()


@functools.cache
def _caches() -> tuple[Any, ...]:
    kind = type(functools.lru_cache(lambda: None))
    objects = gc.get_objects()
    functions = [o for o in objects if isinstance(o, kind) and (o.__module__ or "").startswith("verify")]
    return (*functions, *(o for o in objects if isinstance(o, Held)))


def red(cases: Iterable[Case] = CASES) -> list[str]:
    """The cases and probes that fail, by name."""
    found = []
    for case in cases:
        try:
            wrong = fault(case) is not None
        except Exception:  # noqa: BLE001 - a program without its guard may break in any way
            wrong = True
        if wrong:
            found.append(case.name)
    for name, probe in PROBES.items():
        try:
            wrong = not probe()
        except Exception:  # noqa: BLE001
            wrong = True
        if wrong:
            found.append(name)
    return found


def limit_turns_red(name: str) -> bool:
    for case in LIMIT_CASES:
        if case.name == name:
            tight, free = case.verdict(case.over, case.value), case.verdict(case.over, case.switched_off)
            said = [{a for a in verdict.anomalies if a.code == "limit-hit"} for verdict in (tight, free)]
            return tight.conclusion_reason != free.conclusion_reason or said[0] != said[1]
    return name in containers.TIGHT and containers.guards(name)


def main(names: list[str]) -> int:
    wrong = 0
    if standing := red():
        print("red with every guard in place: " + ", ".join(standing))
        return 1
    for name in Limits.__struct_fields__:
        if names and name not in names:
            continue
        good = limit_turns_red(name)
        wrong += not good
        print(f"{'red ' if good else 'NONE'}  limits.{name}")
    for guard in GUARDS:
        if names and guard.name not in names:
            continue
        with switched_off(guard):
            found = red(() if guard.probes_only else CASES)
        wrong += not found
        shown = ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
        rows = ", ".join(map(str, guard.rows))
        print(f"{'red ' if found else 'NONE'}  {guard.name} (rows {rows}): {shown}")
    missing = set(ROWS) - {row for guard in GUARDS for row in guard.rows}
    if missing:
        print("rows without a guard: " + ", ".join(map(str, sorted(missing))))
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

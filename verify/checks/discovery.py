"""Finding the DMARC policy and Organizational Domains: by tree walk (RFC 9989 4.10) or suffix list (RFC 7489 6.6.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

from verify.checks.policy import PolicyRecord, is_sound, read_answer, usable
from verify.checks.treewalk import Found, Psd, organizational_domain, walk_names
from verify.grammar.names import domain_name
from verify.model import (
    DNS_REASONS,
    Anomaly,
    AnomalyCode,
    Ask,
    Cause,
    Limits,
    NotKnownYet,
    Outcome,
    PolicyWord,
    Question,
    Reason,
    WalkStep,
)

_OLD_TAGS = ("p", "sp")  # RFC 7489 knows no np


class Discovery(Struct, frozen=True, kw_only=True):
    """What was found for one Author Domain.

    ``unanswered``: an answer that was needed failed or is not recorded; then nothing else is set.  ``record``: the
    one with which to go on, None when DMARC does not apply; ``written``: the same as it stands in the DNS.
    ``ended``: why DMARC does not apply although there is something.
    """

    unanswered: Reason | None = None
    organizational_domain: str | None = None
    policy_domain: str | None = None
    record: PolicyRecord | None = None
    written: PolicyRecord | None = None
    ended: Reason = Reason.NO_POLICY


class OrganizationalDomains(Protocol):
    """How the Organizational Domain of a name is known."""

    def organizational_domain(self, domain: str) -> str | Reason:
        """The domain, or the reason why it cannot be told."""

    def costs_nothing(self, domain: str) -> bool:
        """True when ``organizational_domain`` asks nothing new."""


@lru_cache(maxsize=16384)
def policy_question(domain: str) -> Question | None:
    """The question for the DMARC record at ``domain``; None when the name gets too long for the DNS."""
    name = domain_name(f"_dmarc.{domain}")
    return None if name is None else Question(name, "TXT")


def existence_question(domain: str) -> Question:
    """The probe for a non-existent Author Domain: any type will do, NXDOMAIN alone counts (RFC 9989 3.2.13, A.4)."""
    return Question(domain, "A")


def walk_questions(domains: Iterable[str]) -> tuple[Question, ...]:
    """Every question of the walks for ``domains``, each once."""
    names = dict.fromkeys(name for domain in domains for name in walk_names(domain))
    return tuple(question for name in names if (question := policy_question(name)) is not None)


class Walks:
    """The ``_dmarc`` answers used for one message: asked in the order needed, each once.

    When an answer is missing, ``NotKnownYet`` rises with it and with everything that ``foresee`` gives, so that one
    round fetches all; with the answers at hand only those that decide are used.
    """

    def __init__(self, ask: Ask, limits: Limits) -> None:
        self._ask = ask
        self._limits = limits
        self._looked: dict[str, PolicyRecord | Reason | None] = {}
        self.foresee: Callable[[], Iterable[Question]] = tuple
        self.steps: list[WalkStep] = []
        self.anomalies: list[Anomaly] = []

    def _answer(self, question: Question) -> tuple[Outcome, Reason | None, tuple[PolicyRecord, ...]]:
        try:
            answer = self._ask(question)
        except NotKnownYet as wanted:
            raise NotKnownYet(*dict.fromkeys((*wanted.questions, *self.foresee()))) from None
        problem = None
        if answer.outcome is Outcome.TEMPORARY:
            problem = DNS_REASONS[answer.cause or Cause.SERVFAIL]
        elif answer.outcome is Outcome.NOT_RECORDED:
            problem = Reason.NOT_RECORDED
        return answer.outcome, problem, read_answer(answer, self._limits)

    def look(self, name: str) -> PolicyRecord | Reason | None:
        """The one record at ``_dmarc.name``, None when there is none, or the reason why it is not known."""
        if name not in self._looked:
            self._looked[name] = self._look(name)
        return self._looked[name]

    def _look(self, name: str) -> PolicyRecord | Reason | None:
        question = policy_question(name)
        if question is None:  # no DNS name: nothing can stand there
            return None
        outcome, problem, records = self._answer(question)
        record = records[0] if len(records) == 1 else None
        self.steps.append(WalkStep(name=question.name, outcome=outcome, record=record.text if record else None))
        if len(records) > 1:  # all are discarded, and the walk goes on (RFC 9989 4.10)
            self._note(AnomalyCode.SEVERAL_POLICY_RECORDS, question.name)
        if record is not None:
            if record.too_long:
                self._note(AnomalyCode.LIMIT_HIT, "tag_list_octets")
            for tag in record.duplicates:
                self._note(AnomalyCode.DUPLICATE_TAG, f"{question.name} {tag}")
        return problem or record

    def has_several(self, name: str) -> bool:
        """True when the records at a name that was looked at were discarded for being several."""
        return Anomaly(AnomalyCode.SEVERAL_POLICY_RECORDS, f"_dmarc.{name}") in self.anomalies

    def _note(self, code: AnomalyCode, detail: str) -> None:
        anomaly = Anomaly(code, detail)
        if anomaly not in self.anomalies:
            self.anomalies.append(anomaly)

    def note_broken(self, name: str) -> None:
        self._note(AnomalyCode.BROKEN_POLICY, f"_dmarc.{name}")

    def walk(self, domain: str) -> list[tuple[str, PolicyRecord]] | Reason:
        """The records of the walk for ``domain``, longest name first (RFC 9989 4.10)."""
        found = []
        for name in walk_names(domain):
            record = self.look(name)
            if isinstance(record, Reason):
                return record
            if record is not None:
                found.append((name, record))
                if record.psd is not Psd.UNKNOWN:
                    break
        return found

    def organizational_domain(self, domain: str) -> str | Reason:
        found = self.walk(domain)
        return found if isinstance(found, Reason) else _organizational(domain, found)

    def costs_nothing(self, domain: str) -> bool:
        for name in walk_names(domain):
            if name not in self._looked:
                return False
            record = self._looked[name]
            if isinstance(record, PolicyRecord) and record.psd is not Psd.UNKNOWN:
                break
        return True

    def exists(self, domain: str) -> bool:
        """False only when a query for the name itself gives NXDOMAIN; a failed probe is noted, as existing."""
        outcome, problem, _ = self._answer(existence_question(domain))
        if problem is not None:
            self._note(AnomalyCode.EXISTENCE_UNKNOWN, domain)
        return outcome is not Outcome.NXDOMAIN


def _organizational(domain: str, found: list[tuple[str, PolicyRecord]]) -> str:
    return organizational_domain(domain, (Found(name, record.psd) for name, record in found))


def discover(domain: str, walks: Walks) -> Discovery:
    """The policy record of an Author Domain (RFC 9989 4.10.1)."""
    own = walks.look(domain)
    if isinstance(own, Reason):
        return Discovery(unanswered=own)
    if own is not None:
        # With psd=y or psd=n a walk ends here, so the Organizational Domain is known; else it is not needed yet.
        known = None if own.psd is Psd.UNKNOWN else domain
        return _judged(known, domain, own, walks)
    found = walks.walk(domain)
    if isinstance(found, Reason):
        return Discovery(unanswered=found)
    organizational = _organizational(domain, found)
    record = dict(found).get(organizational)
    if record is not None:
        return _judged(organizational, organizational, record, walks)
    if found and found[-1][1].psd is Psd.YES:
        return _judged(organizational, *found[-1], walks)
    return Discovery(organizational_domain=organizational)


def _judged(
    organizational: str | None,
    policy_domain: str,
    written: PolicyRecord,
    walks: Walks,
    tags: tuple[str, ...] = ("p", "sp", "np"),
) -> Discovery:
    if not is_sound(written, tags):
        walks.note_broken(policy_domain)
    return Discovery(
        organizational_domain=organizational,
        policy_domain=policy_domain,
        record=usable(written, tags),
        written=written,
        ended=Reason.BROKEN_POLICY,
    )


def choose(domain: str, found: Discovery, walks: Walks) -> tuple[PolicyWord, str]:
    """Which policy speaks for the Author Domain, and the tag it stands in (RFC 9989 4.7, 4.10.1)."""
    record = found.record
    if record is not None and record.np is not None and existence_matters(domain, found) and not walks.exists(domain):
        return record.np, "np"
    return choose_old(domain, found)


def existence_matters(domain: str, found: Discovery) -> bool:
    """True when ``np`` says something else about the Author Domain than ``sp`` or ``p`` would."""
    record = found.record
    if record is None or record.np is None or found.policy_domain == domain:
        return False
    return record.np is not choose_old(domain, found)[0]


class Suffixes:
    """Organizational Domains by the Public Suffix List (RFC 7489 3.2); a suffix itself is its own."""

    def __init__(self, public_suffix: Callable[[str], str | None]) -> None:
        self._public_suffix = public_suffix

    def organizational_domain(self, domain: str) -> str:
        return self._public_suffix(domain) or domain

    def costs_nothing(self, domain: str) -> bool:
        return True


def discover_old(domain: str, walks: Walks, organizational: str) -> Discovery:
    """RFC 7489 6.6.3: the Author Domain, then its Organizational Domain; several records at one name end it."""
    for name in dict.fromkeys((domain, organizational)):
        record = walks.look(name)
        if isinstance(record, Reason):
            return Discovery(unanswered=record)
        if walks.has_several(name):
            return Discovery(organizational_domain=organizational, ended=Reason.SEVERAL_RECORDS)
        if record is not None:
            return _judged(organizational, name, record, walks, _OLD_TAGS)
    return Discovery(organizational_domain=organizational)


def choose_old(domain: str, found: Discovery) -> tuple[PolicyWord, str]:
    """``p`` at the Author Domain itself; else ``sp``, and ``p`` in its absence (RFC 7489 6.3)."""
    record = found.record
    if record is None or record.p is None:
        return PolicyWord.NONE, "p"
    if found.policy_domain != domain and record.sp is not None:
        return record.sp, "sp"
    return record.p, "p"

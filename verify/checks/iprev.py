"""iprev (RFC 8601 3): do the names of the client's address lead back to it?"""

from __future__ import annotations

from ipaddress import ip_address

from verify.grammar.names import Address, address, domain_bytes, reverse_name
from verify.model import (
    DNS_REASONS,
    Answer,
    Ask,
    Cause,
    IprevResult,
    IprevWord,
    Limits,
    NotKnownYet,
    Outcome,
    Question,
    Reason,
)


def first_questions(client_ip: str) -> tuple[Question, ...]:
    """The question known before any answer; none when ``client_ip`` is no address."""
    ip = address(client_ip)
    return () if ip is None else (Question(reverse_name(ip), "PTR"),)


def check_iprev(client_ip: str, ask: Ask, limits: Limits) -> IprevResult:
    """``pass`` when a name of the address has that address; ``permerror`` when it has no name.

    Names come from whoever holds the address and are untrusted; those that are no host names are left out.  At most
    ``limits.ptr_names`` are followed: when none of these leads back and there are more, the result is None.  A failed
    or missing answer counts only when no other name leads back.  ``NotKnownYet`` rises with every question at once.
    """
    ip = address(client_ip)
    if ip is None:
        return IprevResult(result=None, reason=Reason.NO_CLIENT_IP)
    pointers = ask(Question(reverse_name(ip), "PTR"))
    if not pointers.records:
        return _without_names(pointers)
    found = dict.fromkeys(name for name in map(domain_bytes, pointers.records) if name is not None)
    names = tuple(found)[: limits.ptr_names]
    answers = _ask_all(tuple(Question(name, "A" if ip.version == 4 else "AAAA") for name in names), ask)
    confirmed = tuple(answer.question.name for answer in answers if _leads_back(answer, ip))
    result: IprevWord | None
    if confirmed:
        result, reason = IprevWord.PASS, Reason.CONFIRMED
    else:
        result, reason = _unconfirmed(answers, more=len(found) > len(names))
    return IprevResult(result=result, names=names, confirmed=confirmed, reason=reason)


def _without_names(answer: Answer) -> IprevResult:
    if answer.outcome is Outcome.NOT_RECORDED:
        return IprevResult(result=None, reason=Reason.NOT_RECORDED)
    if answer.outcome is Outcome.TEMPORARY:
        return IprevResult(result=IprevWord.TEMPERROR, reason=DNS_REASONS[answer.cause or Cause.TIMEOUT])
    return IprevResult(result=IprevWord.PERMERROR, reason=Reason.NO_PTR)


def _unconfirmed(answers: list[Answer], *, more: bool) -> tuple[IprevWord | None, Reason]:
    if any(answer.outcome is Outcome.NOT_RECORDED for answer in answers):
        return None, Reason.NOT_RECORDED
    for answer in answers:
        if answer.outcome is Outcome.TEMPORARY:
            return IprevWord.TEMPERROR, DNS_REASONS[answer.cause or Cause.TIMEOUT]
    if more:
        return None, Reason.LIMIT
    return IprevWord.FAIL, Reason.NOT_CONFIRMED


def _ask_all(questions: tuple[Question, ...], ask: Ask) -> list[Answer]:
    answers: list[Answer] = []
    unknown: dict[Question, None] = {}
    for question in questions:
        try:
            answers.append(ask(question))
        except NotKnownYet as wanted:
            unknown.update(dict.fromkeys(wanted.questions))
    if unknown:
        raise NotKnownYet(*unknown)
    return answers


def _leads_back(answer: Answer, ip: Address) -> bool:
    for record in answer.records:
        try:
            if ip_address(record.decode("ascii")) == ip:
                return True
        except ValueError:
            continue
    return False

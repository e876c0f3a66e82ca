"""SPF (RFC 7208, with RFC 8616 for internationalised mail) over pyspf, answers from outside.

pyspf keeps the grammar of mechanisms and the frame of an evaluation.  Replaced is what it gets wrong: expansion
happens when a term is reached, not before; ``redirect=`` counts only when followed; void look-ups count per term; an
error in ``ptr`` or ``%{p}`` is no match; ``exp=`` is never fetched; parts of a macro are joined by dots.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from verify.checks.spf_record import Macro, Spec, Term, parse_record, select_records
from verify.grammar.names import Address, address, domain_name, query_name, reverse_name, split_mailbox
from verify.grammar.visible import escape
from verify.libraries import pyspf
from verify.model import (
    DNS_REASONS,
    Answer,
    Ask,
    Cause,
    Identity,
    Limits,
    NotKnownYet,
    Outcome,
    Question,
    Reason,
    SpfResult,
    SpfWord,
)

_MX_NAMES = 10  # RFC 7208 4.6.4
_PTR_NAMES = 10  # RFC 7208 4.6.4
_NAME_OCTETS = 253  # RFC 7208 7.3
_PATH_OCTETS = 1024  # ours (RFC 5321 4.5.3.1.3: 256)
# RFC 5321 4.1.2 with the letters of RFC 6531 3.3; a blank, since some hand the local part over without its quotes; dots
# anywhere, as in addresses of old mobile networks, since SPF rests on the domain (RFC 7208 4.3)
# Written as what may not stand in them: a set that names all letters beyond ASCII takes a millisecond to compile
_DOT_STRING = re.compile(r'[^\x00-\x1f"(),:;<>@\[\\\]\x7f]+\Z')
_QUOTED_STRING = re.compile(r'"(?:[^\x00-\x1f"\\\x7f]|\\[ -~])*"\Z')
_COUNTED = frozenset(("include", "a", "mx", "ptr", "exists"))


class Evaluation(Struct, frozen=True):
    """``by_local_part``: a term that was reached uses ``%{l}`` or ``%{s}``.

    Unless that is so, or the result is temperror or None, the same client, domain and HELO give the same result
    for as long as the same answers hold.
    """

    result: SpfResult
    by_local_part: bool = False

    @property
    def rememberable(self) -> bool:
        """True when the result holds for every MAIL FROM of the domain from this client and HELO."""
        return (
            not self.by_local_part
            and self.result.result not in (None, SpfWord.TEMPERROR)
            and self.result.reason is not Reason.LIBRARY_ERROR
        )


def check_mail_from(client_ip: str, helo: str | None, mail_from: str, ask: Ask, limits: Limits) -> SpfResult:
    """The MAIL FROM identity (RFC 7208 2.4).

    ``mail_from``: the reverse-path, with or without angle brackets; ``""`` and ``"<>"`` are the null reverse-path,
    which stands for ``postmaster`` at the HELO name.  All of it is untrusted.  A ``NotKnownYet`` of ``ask`` rises,
    with every other question that can be foreseen added.
    """
    return evaluate_mail_from(client_ip, helo, mail_from, ask, limits).result


def check_helo(client_ip: str, helo: str | None, ask: Ask, limits: Limits) -> SpfResult:
    """The HELO identity (RFC 7208 2.3); a literal or a name of one label is ``none``."""
    return evaluate_helo(client_ip, helo, ask, limits).result


def evaluate_helo(client_ip: str, helo: str | None, ask: Ask, limits: Limits) -> Evaluation:
    """As ``check_helo``, with word on whether the result may be remembered."""
    if helo is None:
        return Evaluation(_not_run(None, Reason.NO_HELO, Identity.HELO))
    return _evaluate(Identity.HELO, client_ip, helo, "postmaster", domain_name(helo), ask, limits)


def evaluate_mail_from(client_ip: str, helo: str | None, mail_from: str, ask: Ask, limits: Limits) -> Evaluation:
    """As ``check_mail_from``, with word on whether the result may be remembered."""
    path = _path(mail_from)
    if path == "":
        if helo is None:
            return Evaluation(_not_run(None, Reason.NO_HELO))
        return _evaluate(Identity.MAILFROM, client_ip, helo, "postmaster", domain_name(helo), ask, limits)
    parts = _split(path)
    if parts is None:
        return Evaluation(
            SpfResult(identity=Identity.MAILFROM, domain=None, result=SpfWord.NONE, reason=Reason.NOT_AN_ADDRESS)
        )
    local, domain = parts
    return _evaluate(Identity.MAILFROM, client_ip, helo, local, domain_name(domain), ask, limits)


def mail_from_domain(helo: str | None, mail_from: str) -> str | None:
    """The domain that ``check_mail_from`` starts from, in A-labels; None when there is none to look up."""
    path = _path(mail_from)
    if path == "":
        name = None if helo is None else domain_name(helo)
    else:
        parts = _split(path)
        name = None if parts is None else domain_name(parts[1])
    return name if name is not None and "." in name else None


def first_questions(domain: str | None) -> tuple[Question, ...]:
    """The questions known before any answer, for a HELO name or what ``mail_from_domain`` gave."""
    name = None if domain is None else domain_name(domain)
    return () if name is None or "." not in name else (Question(name, "TXT"),)


def passes_everyone(result: SpfResult) -> bool:
    """True for a pass that any client would have got: ``+all`` decided in the record itself (not in an include)."""
    return result.result is SpfWord.PASS and (result.mechanism or "").lower() in ("all", "+all")


# ---------------------------------------------------------------------------------------------------


def _path(mail_from: str) -> str:
    path = mail_from.strip(" ")
    return path[1:-1] if path[:1] == "<" and path[-1:] == ">" else path


def _split(path: str) -> tuple[str, str] | None:
    """Local part and domain text; None when the path is no address.  An empty local part is ``postmaster``."""
    if len(path) > _PATH_OCTETS:
        return None
    local, domain = split_mailbox(path)
    if not domain:
        return None
    if not local:
        return "postmaster", domain
    if _DOT_STRING.match(local) or _QUOTED_STRING.match(local):
        return local, domain
    return None


def _not_run(domain: str | None, reason: Reason, identity: Identity = Identity.MAILFROM) -> SpfResult:
    return SpfResult(identity=identity, domain=domain, result=None, reason=reason)


def _evaluate(
    identity: Identity, client_ip: str, helo: str | None, local: str, domain: str | None, ask: Ask, limits: Limits
) -> Evaluation:
    """One ``check_host()`` (RFC 7208 4)."""
    if domain is None or "." not in domain:
        return Evaluation(SpfResult(identity=identity, domain=domain, result=SpfWord.NONE, reason=Reason.NOT_A_DOMAIN))
    ip = address(client_ip)
    if ip is None:
        return Evaluation(_not_run(domain, Reason.NO_CLIENT_IP, identity))
    query = _Query(ip, helo, local, domain, ask, limits)
    word: SpfWord | None
    try:
        word = SpfWord(query.check()[0])
    except _NotRun as stop:
        word, query.reason = None, stop.reason
    except NotKnownYet:
        raise
    except Exception:  # noqa: BLE001 - whatever else leaves the library
        word, query.reason = SpfWord.PERMERROR, Reason.LIBRARY_ERROR
    result = SpfResult(
        identity=identity,
        domain=domain,
        result=word,
        reason=query.reason,
        mechanism=query.mechanism,
        record=query.record,
        lookups=query.lookups,
        void_lookups=query.void_lookups,
    )
    return Evaluation(result, query.by_local_part)


class _NotRun(Exception):
    """The evaluation cannot go on, and no result word says so."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class _NoMatch(Exception):
    """The term at hand cannot match, whatever the DNS says (RFC 8616 4)."""


class _Query(pyspf.query):  # type: ignore[misc]
    """One evaluation.  Names of one letter are macros, as pyspf has them: ``d`` is the current domain."""

    def __init__(self, ip: Address, helo: str | None, local: str, domain: str, ask: Ask, limits: Limits) -> None:
        self.ip, self.h, self.l, self.o, self.d = ip, helo, local, domain, domain
        self.s = f"{local}@{domain}"
        if ip.version == 4:
            self.A, self.v, self.i, self.bits = "A", "in-addr", str(ip), 32
        else:
            self.A, self.v, self.bits = "AAAA", "ip6", 128
            self.i = ".".join(ip.exploded.replace(":", ""))
        self.number = int(ip)
        self.ask, self.limits = ask, limits
        # what pyspf.query.check and check1 read
        self.libspf_local = None
        self.verbose = False
        self.strict = True
        # what comes of it
        self.reason: Reason | None = None
        self.record: str | None = None
        self.by_local_part = False
        self.mechanism: str | None = None
        self.at_term: str | None = None  # at the level of the record itself, for errors
        # questions gathered while looking ahead; None in an evaluation that counts
        self.wanted: dict[Question, None] | None = None

    # -- the frame ----------------------------------------------------------------------------------

    def check(self, spf: str | None = None) -> tuple[str, int, str]:
        """``pyspf.query.check``, with the term at which an error arose kept as the one that decided."""
        result: tuple[str, int, str] = super().check(spf)
        if result[0] in (SpfWord.PERMERROR, SpfWord.TEMPERROR):
            self.mechanism = self.at_term
        return result

    def check0(self, spf: bytes | None, recursion: int) -> tuple[str, int, str]:
        """One record against the client; the terms in order, then ``redirect=`` (RFC 7208 4.6.2, 4.7, 6.1)."""
        if spf is None:
            return SpfWord.NONE, 250, ""
        record = parse_record(spf)
        if record.fault is not None:
            if not recursion:
                self.at_term = record.fault
            self._permerror(Reason.SYNTAX_ERROR)
        for term in record.terms:
            if not recursion:
                self.at_term = term.text
            if self._matches(term, recursion):
                self.reason = Reason.MATCHED
                if not recursion:
                    self.mechanism = term.text
                return term.word, 250, ""
        if record.redirect is not None:
            if not recursion:
                self.at_term = record.redirect_text
            return self._redirected(record.redirect, recursion)
        self.reason = Reason.NO_MATCH
        return SpfWord.NEUTRAL, 250, ""

    def _redirected(self, spec: Spec, recursion: int) -> tuple[str, int, str]:
        try:
            target = self._target(spec)
        except _NoMatch:
            self.reason = Reason.NO_MATCH
            return SpfWord.NEUTRAL, 250, ""
        self.check_lookups()
        record = self.dns_spf(target)
        if record is None:
            if self.wanted is not None:
                return SpfWord.NEUTRAL, 250, ""
            self._permerror(Reason.REDIRECT_WITHOUT_RECORD)
        result: tuple[str, int, str] = self.check1(record, target, recursion)
        return result

    def check_lookups(self) -> None:
        """Count a term that asks the DNS (RFC 7208 4.6.4), against our limit, not the library's global one."""
        self.lookups += 1
        if self.lookups > self.limits.spf_lookups:
            self._permerror(Reason.LOOKUP_LIMIT)

    def _void(self) -> None:
        """Count a term whose look-ups came back empty (RFC 7208 4.6.4, 11.1)."""
        self.void_lookups += 1
        if self.void_lookups > self.limits.spf_void_lookups and self.wanted is None:
            self._permerror(Reason.VOID_LOOKUP_LIMIT)

    def _permerror(self, reason: Reason) -> None:
        self.reason = reason
        raise pyspf.PermError(reason)

    # -- terms --------------------------------------------------------------------------------------

    def _matches(self, term: Term, recursion: int) -> bool:
        name = term.name
        if name not in _COUNTED:
            if name == "all":
                return True
            if (name == "ip4") != (self.bits == 32):
                return False
            return self._inside(term.network, term)
        try:
            target = self._target(term.spec)
        except _NoMatch:
            return False
        self.check_lookups()
        if name == "include":
            return self._included(target, recursion)
        if name == "exists":
            found = bool(self.dns(target, "A"))
            if not found:
                self._void()
            return found
        if name == "a":
            hosts = [target]
        elif name == "mx":
            hosts = self._mx_hosts(target)
        else:
            return self._ptr(target)
        return self._any_host(hosts, term)

    def _included(self, target: str, recursion: int) -> bool:
        record = self.dns_spf(target)
        if record is None:
            if self.wanted is None:
                self._permerror(Reason.INCLUDE_WITHOUT_RECORD)
            return False
        return bool(self.check1(record, target, recursion + 1)[0] == SpfWord.PASS)

    def _mx_hosts(self, target: str) -> list[str]:
        exchanges = self.dns(target, "MX")
        if len(exchanges) > _MX_NAMES:
            self._permerror(Reason.LOOKUP_LIMIT)
        return [host for _, host in exchanges]

    def _any_host(self, hosts: list[str], term: Term) -> bool:
        """True when a host has an address in the term's network; a failure matters only when no other host has."""
        failure: Exception | None = None
        found = False
        for host in hosts:
            try:
                numbers = self.dns(host, self.A)
            except (pyspf.TempError, _NotRun) as failed:
                failure = failure or failed
                continue
            found = found or bool(numbers)
            if any(self._inside(number, term) for number in numbers):
                return True
        if failure is not None:
            raise failure
        if not found:
            self._void()
        return False

    def _inside(self, number: int, term: Term) -> bool:
        prefix = term.prefix4 if self.bits == 32 else term.prefix6
        return (number ^ self.number) >> (self.bits - prefix) == 0

    # -- the name of the client (RFC 7208 5.5, 7.3) ---------------------------------------------------

    def _client_names(self) -> list[str] | None:
        """At most ten names by PTR; None when the question failed, which is no match and no void look-up."""
        try:
            return [name.lower() for name in self.dns(reverse_name(self.ip), "PTR")][:_PTR_NAMES]
        except pyspf.TempError:
            return None

    def _leads_back(self, name: str) -> bool:
        try:
            return self.number in self.dns(name, self.A)
        except pyspf.TempError:
            return False

    def _ptr(self, target: str) -> bool:
        names = self._client_names()
        if names == []:
            self._void()
        # names that could not match are not looked up
        return any(self._leads_back(name) for name in names or () if pyspf.domainmatch([name], target))

    def getp(self) -> str:
        """The value of ``%{p}``: the current domain, else a name below it, else any; ``unknown`` without one."""
        domain = self.d.lower()
        names = sorted(
            self._client_names() or (),
            key=lambda name: 0 if name == domain else 1 if pyspf.domainmatch([name], domain) else 2,
        )
        found = next(filter(self._leads_back, names), "unknown")
        if self.wanted is not None and found == "unknown":
            raise _NoMatch  # looking ahead stops here: the name that this would make is not the one to come
        return found

    # -- macros (RFC 7208 7) --------------------------------------------------------------------------

    def _target(self, spec: Spec | None) -> str:
        """The name that a term speaks of; not always one that can be asked for."""
        if spec is None:
            return str(self.d)
        name = spec[0] if len(spec) == 1 and isinstance(spec[0], str) else self._expanded(spec)
        name = name.removesuffix(".")
        while len(name) > _NAME_OCTETS and "." in name:
            name = name.partition(".")[2]
        return name

    def _expanded(self, spec: Spec) -> str:
        """The macro-string's value, from its end, as far as a name can reach."""
        values: dict[Macro, str] = {}
        parts: list[str] = []
        octets = 0
        for part in reversed(spec):
            if isinstance(part, Macro):
                if part not in values:
                    values[part] = self._value(part)
                part = values[part]
            parts.append(part)
            octets += len(part)
            if octets > 2 * _NAME_OCTETS:
                break
        return "".join(reversed(parts))

    def _value(self, macro: Macro) -> str:
        letter = macro.letter
        if letter in "ls":
            self.by_local_part = True
            if not self.l.isascii():
                raise _NoMatch  # RFC 8616 4
        value = self.getp() if letter == "p" else getattr(self, letter)
        if value is None:
            raise _NotRun(Reason.NO_HELO)
        if macro.split:
            pieces = re.split("[" + re.escape(macro.delimiters) + "]", value)
            if macro.reverse:
                pieces.reverse()
            value = ".".join(pieces[-macro.keep :])
        return quote(value, safe="") if macro.escaped else value

    # -- the DNS ------------------------------------------------------------------------------------

    def dns_spf(self, domain: str) -> bytes | None:
        """The SPF record of a name; None without one.  The first is the one that the result shows."""
        first = self.record is None
        answer = self._answer(domain, "TXT")
        records = [] if answer is None else select_records(answer.records)
        if not records:
            if first:
                absent = answer is not None and answer.outcome is Outcome.NXDOMAIN
                self.reason = Reason.NO_SUCH_DOMAIN if absent else Reason.NO_RECORD
            return None
        if len(records) > 1:
            self._permerror(Reason.SEVERAL_RECORDS)
        if first:
            self.record = escape(records[0], self.limits.spf_record_octets)
        if len(records[0]) > self.limits.spf_record_octets:
            raise _NotRun(Reason.LIMIT)
        return records[0]

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:
        """Values of a name: addresses as numbers, PTR as text, MX as (preference, host); TempError on failure."""
        answer = self._answer(name, qtype)
        if answer is None or not answer.records:
            return []
        return [value for value in map(_READERS[qtype], answer.records) if value is not None]

    def _answer(self, name: str, rdtype: str) -> Answer | None:
        """None for what cannot be a name in the DNS: nothing is asked, nothing found (RFC 7208 4.8)."""
        asked = query_name(name)
        if asked is None:
            return None
        question = Question(asked, rdtype)
        try:
            answer = self.ask(question)
        except NotKnownYet as unknown:
            if self.wanted is None:
                if self.record is None:  # before the record itself is known nothing else can be foreseen
                    raise
                raise NotKnownYet(*self._foreseen(unknown.questions)) from None
            self.wanted.update(dict.fromkeys(unknown.questions))
            return None
        if answer.outcome is Outcome.NOT_RECORDED:
            raise _NotRun(Reason.NOT_RECORDED)
        if answer.outcome is Outcome.TEMPORARY:
            self.reason = DNS_REASONS[answer.cause or Cause.TIMEOUT]
            raise pyspf.TempError(self.reason)
        return answer

    def _foreseen(self, questions: tuple[Question, ...]) -> dict[Question, None]:
        """What this evaluation will ask if nothing still unknown matches, so that rounds are few."""
        scout = _Query(self.ip, self.h, self.l, self.o, self.ask, self.limits)
        scout.wanted = dict.fromkeys(questions)
        with suppress(_NotRun):
            scout.check()
        return scout.wanted


@lru_cache(maxsize=16384)
def _address_number(record: bytes) -> int | None:
    try:
        return int(ip_address(record.decode("ascii")))
    except ValueError:
        return None


def _host(record: bytes) -> str:
    return record.decode("latin-1")


def _exchange(record: bytes) -> tuple[int, str] | None:
    preference, _, host = record.partition(b" ")
    return (int(preference), _host(host)) if preference.isdigit() and len(preference) <= 5 else None


_READERS: dict[str, Callable[[bytes], object]] = {
    "A": _address_number,
    "AAAA": _address_number,
    "MX": _exchange,
    "PTR": _host,
}

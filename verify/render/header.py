"""The Authentication-Results field that we write (RFC 8601), read back before it leaves.

Left out: checks that could not be run, and an SPF pass for a client address that nobody vouches for.  A value that
has not the form of its property (a ``d=`` that is no host name) is left out with its property, never quoted or bent.
"""

from __future__ import annotations

from functools import lru_cache

from verify.grammar.names import domain_name
from verify.grammar.results import Clause, fold, may_write, parse_results, write_results
from verify.model import (
    ArcResult,
    ArcWord,
    DkimResult,
    DmarcResult,
    FidelityNote,
    Identity,
    IprevResult,
    IprevWord,
    Limits,
    Origin,
    OriginSource,
    Reason,
    SpfResult,
    SpfWord,
    Verdict,
)

_NAME = "Authentication-Results"
_REMEMBERED_CHARS = 100  # of a value whose clause is remembered
_NO_SIGNATURE = Clause("dkim", "none")
_NO_CHAIN = Clause("arc", "none")
# What we write is ours whatever the limits on reading others' fields are; signatures are capped before.
_UNLIMITED = Limits(recorded_octets=1 << 30, recorded_results=1 << 30)


def authentication_results(verdict: Verdict) -> str:
    """The field body on one line (contract: ``authentication_results``)."""
    return write_results(verdict.authserv_id, clauses(verdict))


def to_header(verdict: Verdict) -> str:
    """The whole field with CRLF line ends, folded, and read back by our own reader: RuntimeError on a difference."""
    field = fold(authentication_results(verdict), _NAME)
    _read_back(verdict, field)
    return field


def _read_back(verdict: Verdict, field: str) -> None:
    parsed = parse_results(field[len(_NAME) + 1 : -2].encode("ascii"), _UNLIMITED)
    read = None if parsed is None else [(r.method, r.result, dict(r.properties)) for r in parsed.results]
    if parsed is None or parsed.authserv_id != verdict.authserv_id or read != _expected(clauses(verdict)):
        raise RuntimeError("the Authentication-Results field does not read back as it was meant")


def check_with_authres(verdict: Verdict, field: str) -> None:
    """Read a field made by ``to_header`` by a second reader that is not ours; RuntimeError on a difference.

    Slow (1 to 2 ms): for single messages.  authres reads no quoted authserv-id, so that it is shown a plain one.
    """
    import authres

    expected = _expected(clauses(verdict))
    body = authentication_results(verdict)
    if body.startswith('"'):
        body = write_results("id.invalid", clauses(verdict))
        field = fold(body, _NAME)
    try:
        header = authres.all_features().parse(field.replace("\r\n", "").replace("\t", " "))
    except authres.AuthResError as error:
        raise RuntimeError("a second reader cannot read the Authentication-Results field") from error
    read = []
    for result in header.results:
        properties = {f"{p.type}.{p.name}": p.value for p in result.properties}
        if result.reason:
            properties["reason"] = result.reason
        read.append((result.method, result.result, properties))
    if read != expected:
        raise RuntimeError("a second reader takes the Authentication-Results field for something else")


def _expected(written: tuple[Clause, ...]) -> list[tuple[str, str, dict[str, str]]]:
    expected = []
    for clause in written:
        properties = dict(clause.properties)
        if clause.reason is not None:
            properties["reason"] = clause.reason.value
        expected.append((clause.method, clause.result, properties))
    return expected


def clauses(verdict: Verdict) -> tuple[Clause, ...]:
    """What the field says, in its order: SPF, every DKIM result, ARC, iprev, DMARC."""
    origin = verdict.origin
    written: list[Clause | None] = [_spf(verdict.spf, origin)]
    written += [_dkim(result) for result in verdict.dkim]
    if not verdict.dkim and FidelityNote.NO_TRANSPORT_HEADERS not in verdict.source.fidelity_notes:
        written.append(_NO_SIGNATURE)
    written += [_arc(verdict.arc, origin), _iprev(verdict.iprev, origin), _dmarc(verdict.dmarc)]
    return tuple([clause for clause in written if clause is not None])


def _spf(results: tuple[SpfResult, ...], origin: Origin) -> Clause | None:
    """MAIL FROM's result; for the null reverse-path HELO's (a HELO result beside another is taken for MAIL FROM's)."""
    null_path = origin.mail_from == ""
    wanted = Identity.HELO if null_path else Identity.MAILFROM
    found = [r for r in results if r.identity is wanted] or (list(results) if null_path else [])
    if not found:
        return None
    result = found[0]
    if result.result is None:
        return None
    if result.result is SpfWord.PASS and (origin.source is OriginSource.INFERRED or origin.conflict):
        return None
    name = "smtp.helo" if null_path else "smtp.mailfrom"
    return _clause("spf", result.result, result.reason, (name, result.domain))


def _dkim(result: DkimResult) -> Clause | None:
    if result.result is None:
        return None
    clause = _clause(
        "dkim",
        result.result,
        result.reason,
        ("header.d", result.domain),
        ("header.i", _auid(result.auid)),
        ("header.s", result.selector),
        ("header.a", result.algorithm),
    )
    # b= comes once, unlike the rest; and last: it may need quotes, and authres loses what follows a quoted value
    return clause if result.b is None else clause.followed_by("header.b", result.b)


def _auid(auid: str | None) -> str | None:
    """The AUID; without its local part where that has other characters than plain ones."""
    if auid is None or may_write("header.i", auid):
        return auid
    local, _, domain = auid.rpartition("@")
    name = domain_name(domain)
    if name is None:
        return None
    full = f"{local}@{name}"
    return full if may_write("header.i", full) else f"@{name}"


def _arc(result: ArcResult, origin: Origin) -> Clause | None:
    if result.result is None:
        return None
    if result.result is ArcWord.NONE:
        return _NO_CHAIN
    oldest = None if result.oldest_pass is None else str(result.oldest_pass)
    return _clause(
        "arc", result.result, result.reason, ("header.oldest-pass", oldest), ("smtp.remote-ip", _client(origin))
    )


def _iprev(result: IprevResult, origin: Origin) -> Clause | None:
    if result.result is None:
        return None
    if result.result is IprevWord.PASS and _client(origin) is None:
        return None
    return _clause("iprev", result.result, result.reason, ("policy.iprev", origin.client_ip))


def _client(origin: Origin) -> str | None:
    """The client address, where it is more than a guess."""
    return None if origin.source is OriginSource.INFERRED or origin.conflict else origin.client_ip


def _dmarc(result: DmarcResult) -> Clause | None:
    if result.result is None:
        return None
    return _clause(
        "dmarc",
        result.result,
        result.reason,
        ("header.from", result.author_domain),
        ("policy.dmarc", result.applied_policy),
    )


def _clause(method: str, result: str, reason: Reason | None, *properties: tuple[str, str | None]) -> Clause:
    """A clause with the properties that have a value of the right form; the reason is said of what is no pass."""
    for _, text in properties:
        if text is not None and len(text) > _REMEMBERED_CHARS:
            return _new_clause(method, result, reason, *properties)
    return _known_clause(method, result, reason, *properties)


def _new_clause(method: str, result: str, reason: Reason | None, *properties: tuple[str, str | None]) -> Clause:
    kept = tuple([(name, text) for name, text in properties if text is not None and may_write(name, text)])
    return Clause(method, result, None if result == "pass" else reason, kept)


_known_clause = lru_cache(maxsize=4096)(_new_clause)

"""What a store comes to: the figures of the page, each asked of SQLite so that memory does not grow with the batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from verify.model import ActionKind, ActionReason, Conclusion, ConclusionReason
from verify.rollup import (
    Breakage,
    Count,
    Disagreement,
    Faked,
    Period,
    ReasonCount,
    Rehearsed,
    Rollup,
    Stream,
    Tally,
    Trouble,
    Worst,
)

FAKED = 20  # Author Domains listed
STREAMS = 20
DISAGREEMENTS = 20
TROUBLES = 20
REHEARSED = 20
PLACES = 3  # networks and HELO names listed for a domain
STEPS = 62  # steps of the time axis
OUTLIERS = 200  # one message in so many, at either end, may be left off the time axis

# Mail that failed and that nothing speaks for: a fake, as far as can be told.
_FAKE = "conclusion = 'failed' AND breakage IS NULL"


def rollup(database: sqlite3.Connection) -> Rollup:
    """The whole batch in figures."""

    def ask(statement: str, *values: object) -> list[Any]:
        return database.execute(statement, values).fetchall()

    reasons = ask("SELECT conclusion, reason, count(*) AS n FROM messages GROUP BY 1, 2 ORDER BY n DESC, 2")
    reasons.sort(key=lambda row: list(Conclusion).index(Conclusion(row[0])))
    tally = Tally(refused=ask("SELECT count(*) FROM errors WHERE kind = 'source'")[0][0])
    tally.messages, tally.octets = ask("SELECT count(*), coalesce(sum(size), 0) FROM messages")[0]
    for conclusion, reason, count in reasons:
        tally.reasons[ConclusionReason(reason)] = count
        held = tally.conclusions.get(Conclusion(conclusion), 0)
        tally.conclusions[Conclusion(conclusion)] = held + count
    for action, reason, count in ask("SELECT action, reason, count(*) FROM rehearsal GROUP BY 1, 2"):
        tally.actions[f"{action} {reason}"] = count
    tally.untold = ask("SELECT count(untold) FROM rehearsal")[0][0]
    tally.unsettled = ask(
        """SELECT count(*) FROM rehearsal AS r JOIN messages AS m ON m.id = r.message_id
           WHERE m.conclusion = 'undetermined' AND r.action = 'add' AND r.reason IN ('not-failed', 'dns-trouble')"""
    )[0][0]
    first, last, dated = ask("SELECT date(min(received_at)), date(max(received_at)), count(received_at) FROM messages")[
        0
    ]
    step, periods = _periods(database, dated)
    domains, fakes = ask(
        f"SELECT count(DISTINCT author_domain), count(*) FROM messages WHERE {_FAKE} AND author_domain IS NOT NULL"  # noqa: S608
    )[0]
    streams, lost = ask(
        """SELECT count(*), coalesce(sum(n), 0) FROM (
             SELECT count(*) AS n FROM messages WHERE breakage IS NOT NULL GROUP BY author_domain, breakage, via)"""
    )[0]
    disagreements = ask(
        """SELECT authserv_id, standing, method, result, found, comparison, reason, count(DISTINCT message_id) AS n
           FROM recorded WHERE comparison IN ('differs', 'explained')
           GROUP BY 1, 2, 3, 4, 5, 6, 7
           ORDER BY standing NOT IN ('trusted', 'inferred'), comparison, n DESC, 1, 3, 4"""
    )
    troubles = ask(
        """SELECT kind, problem, min(coalesce(name || ' ' || type, path || coalesce(', ' || member, ''))), count(*) AS n
           FROM errors GROUP BY 1, 2 ORDER BY kind DESC, n DESC, 2"""
    )
    rehearsed, rehearsed_more = _rehearsed(database)
    return Rollup(
        rehearsed=rehearsed,
        rehearsed_more=rehearsed_more,
        tally=tally,
        about=dict(ask("SELECT key, value FROM run")),
        first=first,
        last=last,
        undated=tally.messages - dated,
        reasons=tuple(
            ReasonCount(conclusion=Conclusion(c), reason=ConclusionReason(r), messages=n) for c, r, n in reasons
        ),
        step=step,
        periods=periods,
        outside=dated - sum(one.messages for one in periods),
        authors=ask("SELECT count(DISTINCT author_domain) FROM messages")[0][0],
        faked=tuple(_faked(database)),
        faked_more=max(domains - FAKED, 0),
        faked_messages=fakes,
        streams=tuple(_streams(database)),
        streams_more=max(streams - STREAMS, 0),
        streams_messages=lost,
        compared=_counts(ask("SELECT comparison, count(*) AS n FROM recorded WHERE comparison IS NOT NULL GROUP BY 1")),
        disagreements=tuple(
            Disagreement(
                authserv_id=row[0],
                standing=row[1],
                method=row[2],
                recorded=row[3],
                found=row[4],
                comparison=row[5],
                reason=row[6],
                messages=row[7],
            )
            for row in disagreements[:DISAGREEMENTS]
        ),
        disagreements_more=max(len(disagreements) - DISAGREEMENTS, 0),
        anomalies=_counts(
            ask("SELECT code, count(DISTINCT message_id) AS n FROM anomalies GROUP BY 1 ORDER BY n DESC, 1")
        ),
        fidelity=_counts(ask("SELECT fidelity, count(*) AS n FROM messages GROUP BY 1 ORDER BY n DESC, 1")),
        troubles=tuple(Trouble(kind=k, problem=p, example=e or "", count=n) for k, p, e, n in troubles[:TROUBLES]),
        troubles_more=max(len(troubles) - TROUBLES, 0),
        dns_messages=ask("SELECT count(DISTINCT message_id) FROM errors WHERE kind = 'dns'")[0][0],
        worst=tuple(
            Worst(id=number, severity=severity, verdict=verdict.encode("utf-8"))
            for number, severity, verdict in ask(
                "SELECT message_id, severity, verdict FROM worst ORDER BY severity DESC, message_id"
            )
        ),
    )


def _counts(rows: list[Any]) -> tuple[Count, ...]:
    return tuple(Count(name, messages) for name, messages in rows)


def _faked(database: sqlite3.Connection) -> Iterator[Faked]:
    """The Author Domains in whose name most mail was faked."""
    domains = database.execute(
        f"""SELECT author_domain, sum({_FAKE}) AS fakes, count(*), max(CASE WHEN {_FAKE} THEN applied_policy END)
            FROM messages WHERE author_domain IS NOT NULL
            GROUP BY author_domain HAVING fakes > 0 ORDER BY fakes DESC, author_domain LIMIT ?""",  # noqa: S608
        (FAKED,),
    ).fetchall()
    for domain, fakes, messages, policy in domains:
        networks, more_networks = _places(database, "network", domain)
        helos, more_helos = _places(database, "helo", domain)
        yield Faked(
            author_domain=domain,
            messages=fakes,
            others=messages - fakes,
            policy=policy,
            networks=networks,
            helos=helos,
            more_networks=more_networks,
            more_helos=more_helos,
        )


def _places(database: sqlite3.Connection, column: str, domain: str) -> tuple[tuple[Count, ...], int]:
    """Where most of the fakes of a domain came from, and how many more places there are."""
    where = f"author_domain = ? AND {_FAKE} AND {column} IS NOT NULL"
    most = database.execute(
        f"SELECT {column}, count(*) AS n FROM messages WHERE {where} GROUP BY 1 ORDER BY n DESC, 1 LIMIT ?",  # noqa: S608
        (domain, PLACES),
    ).fetchall()
    (number,) = database.execute(
        f"SELECT count(DISTINCT {column}) FROM messages WHERE {where}",  # noqa: S608
        (domain,),
    ).fetchone()
    return _counts(most), max(number - PLACES, 0)


def _rehearsed(database: sqlite3.Connection) -> tuple[tuple[Rehearsed, ...], int]:
    """What most of the mail is that a policy would not deliver, and how much of other kinds there is."""
    rows = database.execute(
        """SELECT m.author_domain, r.stream, r.action, r.reason, count(*) AS n,
             (SELECT count(*) FROM messages AS p
              WHERE p.author_domain = m.author_domain AND p.conclusion = 'authenticated'),
             count(*) OVER ()
           FROM rehearsal AS r JOIN messages AS m ON m.id = r.message_id WHERE r.action <> 'add'
           GROUP BY 1, 2, 3, 4 ORDER BY n DESC, 1, 2, 3, 4 LIMIT ?""",
        (REHEARSED,),
    ).fetchall()
    found = tuple(
        Rehearsed(
            author_domain=domain,
            stream=stream,
            action=ActionKind(action),
            reason=ActionReason(reason),
            messages=messages,
            passed=passed,
        )
        for domain, stream, action, reason, messages, passed, _ in rows
    )
    return found, max(rows[0][-1] - REHEARSED, 0) if rows else 0


def _streams(database: sqlite3.Connection) -> Iterator[Stream]:
    rows = database.execute(
        """SELECT m.author_domain, m.breakage, m.via, count(*) AS n, max(m.applied_policy),
             (SELECT count(*) FROM messages AS p
              WHERE p.author_domain = m.author_domain AND p.conclusion = 'authenticated')
           FROM messages AS m WHERE m.breakage IS NOT NULL
           GROUP BY m.author_domain, m.breakage, m.via ORDER BY n DESC, 1, 2, 3 LIMIT ?""",
        (STREAMS,),
    ).fetchall()
    for domain, broken, via, messages, policy, passed in rows:
        yield Stream(
            author_domain=domain, breakage=Breakage(broken), via=via, messages=messages, passed=passed, policy=policy
        )


# ---------------------------------------------------------------------------------------------------
# The time axis
# ---------------------------------------------------------------------------------------------------

_STARTS = {
    "day": "date(received_at)",
    "week": "date(received_at, 'weekday 0', '-6 days')",  # its Monday
    "month": "date(received_at, 'start of month')",
    "year": "date(received_at, 'start of year')",
}


def _periods(database: sqlite3.Connection, dated: int) -> tuple[str, tuple[Period, ...]]:
    """The time axis: the finest step of which there are not too many, and every period of it without gaps.

    Single messages far before or after all others (a clock that was wrong) do not stretch it.
    """
    if not dated:
        return "day", ()
    steps = list(_STARTS)
    step, starts = _steps(database, 0)
    trimmed, closer = _steps(database, dated // OUTLIERS)
    if steps.index(trimmed) < steps.index(step):
        step, starts = trimmed, closer
    starts = starts[-STEPS:]
    found: dict[str, dict[str, int]] = {}
    for start, conclusion, count in database.execute(
        f"SELECT {_STARTS[step]} AS start, conclusion, count(*) FROM messages WHERE received_at >= ? GROUP BY 1, 2",  # noqa: S608
        (starts[0],),
    ):
        found.setdefault(start, {})[conclusion] = count
    return step, tuple(Period(start=start, **found.get(start, {})) for start in starts)


def _steps(database: sqlite3.Connection, offset: int) -> tuple[str, list[str]]:
    """The step of the axis and its periods, with so many messages left off at either end."""
    first, last = (
        date.fromisoformat(
            database.execute(
                f"""SELECT date(received_at) FROM messages WHERE received_at IS NOT NULL
                    ORDER BY received_at {order} LIMIT 1 OFFSET ?""",  # noqa: S608
                (offset,),
            ).fetchone()[0]
        )
        for order in ("", "DESC")
    )
    starts: list[str] = []
    for step in _STARTS:
        starts = _axis(step, first, last)
        if len(starts) <= STEPS:
            break
    return step, starts


def _axis(step: str, first: date, last: date) -> list[str]:
    """The first day of every period from the one that holds ``first`` to the one that holds ``last``."""
    match step:
        case "day":
            start, days = first, 1
        case "week":
            start, days = first - timedelta(days=min(first.weekday(), first.toordinal() - 1)), 7
        case "month":
            months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
            return [f"{month // 12:04}-{month % 12 + 1:02}-01" for month in months]
        case _:
            return [f"{year:04}-01-01" for year in range(first.year, last.year + 1)]
    return [str(start + timedelta(days=day)) for day in range(0, (last - start).days + 1, days)]

"""The verdict for a person at a terminal: the conclusion first, then what it rests on.

No control, bidirectional or zero-width character leaves this module but our own line ends and, when colour is asked
for, our own colour codes: every cell goes through ``terminal``, also those of a stored verdict that somebody edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TypeAlias
from unicodedata import combining, east_asian_width

from verify import explain
from verify.explain.words import RECORDED_STANDINGS, duration
from verify.grammar.visible import terminal
from verify.model import Conclusion, Identity, Recorded, RecordedStanding, Standing, Verdict
from verify.render import parts

_NARROWEST, _WIDEST = 60, 120  # columns; six columns of a table need sixty
_LABEL = 9  # columns of the names of the checks
_RESULT = 11  # columns of the result words
_RECORDED = 8  # fields with recorded results that are shown without -v where there is nothing to compare them with
_COLORS = {
    "pass": "32",
    "authenticated": "1;32",
    "fail": "31",
    "failed": "1;31",
    "permerror": "31",
    "forged": "31",
    "clear": "31",
    "softfail": "33",
    "temperror": "33",
    "policy": "33",
    "undetermined": "1;33",
    "unprotected": "1;33",
    "differs": "31",
    "border": "1",
}
Row: TypeAlias = tuple[str, str, str]  # label, result word, text


def to_text(verdict: Verdict, *, color: bool = False, verbose: bool = False, width: int = 80) -> str:
    """The verdict as lines of text with a final line end.

    ``color``: with colour codes of ours.  ``verbose``: with hops, recorded results, tree walk, coverage and DNS.
    ``width``: columns of the terminal; prose is kept within them, long names of a table may be wrapped.
    """
    paper = _Paper(color, max(_NARROWEST, min(width, _WIDEST)))
    paper.conclusion(verdict.conclusion, explain.summary(verdict))
    paper.rows(_frame(verdict))
    paper.rows(_checks(verdict))
    paper.bullets("Worth knowing", explain.anomalies(verdict.anomalies))
    if (step := explain.next_step(verdict)) is not None:
        paper.section("Next step", step)
    if verbose:
        _details(paper, verdict)
    return paper.text()


def _frame(verdict: Verdict) -> list[Row]:
    """What was judged, when, who the author is and where it came in."""
    source, origin, author = verdict.source, verdict.origin, verdict.author
    addresses = ", ".join(box.address for box in author.addresses) or "none"
    rows = [
        ("Message", "", f"{parts.place(source)} ({parts.octets(source.size)}, {explain.fidelity(source)})"),
        ("Reason", "", verdict.conclusion_reason.value),
        ("Judged", "", f"at {parts.when(verdict.judged_at)}, {parts.judged_at(verdict)}"),
        ("Author", "", addresses),
    ]
    if author.problem is not None:
        rows += [("", "", f"may be shown as {reading.address} ({reading.how})") for reading in author.readings]
    where = origin.client_ip or "not known"
    if origin.helo:
        where += f", HELO {origin.helo}"
    if origin.mail_from is not None:
        where += f", MAIL FROM {origin.mail_from or '<>'}"
    rows += [("Origin", "", where), ("", "", explain.origin_why(origin, verdict.hops))]
    return rows


def _checks(verdict: Verdict) -> list[Row]:
    """One row for each result, with the DNS name that it comes from."""
    client_ip = verdict.origin.client_ip
    rows: list[Row] = []
    for spf in verdict.spf:
        who = "MAIL FROM" if spf.identity is Identity.MAILFROM else "HELO"
        domain = f" {spf.domain}" if spf.domain else ""
        rows.append(("SPF", parts.word(spf.result), f"{who}{domain}: {explain.spf_line(spf, client_ip)}"))
    for dkim in verdict.dkim:
        key = explain.key_name(dkim) or dkim.domain or "unnamed"
        rows.append(("DKIM", parts.word(dkim.result), f"{key}: {explain.dkim_line(dkim)} ({explain.key_kind(dkim)})"))
        if (why := explain.diagnosis(dkim)) is not None:
            rows.append(("", "", why))
    if not verdict.dkim:
        rows.append(("DKIM", "none", "no signature"))
    rows.append(("ARC", parts.word(verdict.arc.result), explain.arc_line(verdict.arc)))
    rows.append(("iprev", parts.word(verdict.iprev.result), explain.iprev_line(verdict.iprev, client_ip)))
    policy = explain.policy_name(verdict.dmarc)
    rows.append(
        (
            "DMARC",
            parts.word(verdict.dmarc.result),
            (f"{policy}: " if policy else "") + explain.dmarc_line(verdict.dmarc),
        )
    )
    rows += [("", "", explain.author_policy(policy)) for policy in verdict.dmarc.author_policies]
    if explain.nothing_asked(verdict):
        rows += [
            ("Recorded", one.standing.value, f"{_writer(one)}: {explain.recorded_line(one)}")
            for one in verdict.recorded[:_RECORDED]
        ]
        if (more := len(verdict.recorded) - _RECORDED) > 0:
            rows.append(("", "", f"and {more} more fields, see -v"))
        return rows
    for recorded in verdict.recorded:
        if recorded.standing is not RecordedStanding.UNTRUSTED and (how := explain.comparison(recorded)) is not None:
            rows.append(("Recorded", recorded.standing.value, f"{_writer(recorded)}: {how[0].lower()}{how[1:]}"))
    return rows


def _details(paper: _Paper, verdict: Verdict) -> None:
    _hops(paper, verdict)
    if verdict.originating_ip:
        table = [(one.field, one.value, one.standing.value) for one in verdict.originating_ip]
        paper.table("Addresses that other fields name", ("field", "value", "standing"), table)
    for recorded in verdict.recorded:
        title = f"{_writer(recorded)}: {RECORDED_STANDINGS[recorded.standing]}"
        results = [
            (f"{one.method}={one.result}", parts.ours(verdict, one), parts.about(one), explain.compared(one))
            for one in recorded.results
        ]
        if results:
            paper.table(title, ("recorded", "here", "about", "comparison"), results)
        else:
            paper.section(title, explain.comparison(recorded) or "It holds no result.")
    if verdict.arc.sets:
        sets = [
            (str(one.instance), one.sealer or "?", parts.word(one.seal), parts.word(one.message_signature))
            for one in verdict.arc.sets
        ]
        paper.table("ARC sets, newest first", ("i", "sealer", "seal", "message"), sets)
    if verdict.dmarc.walk:
        paper.table(
            "DMARC tree walk", ("name", "answer"), [(one.name, explain.walk_step(one)) for one in verdict.dmarc.walk]
        )
    if (parted := explain.old_standard(verdict.dmarc)) is not None:
        paper.section("Old and new standard", parted)
    if any(one.signed_by for one in verdict.coverage.fields):
        fields = [(one.name, ", ".join(one.signed_by) or "not signed") for one in verdict.coverage.fields]
        paper.table("What the author's domain signed", ("field", "signed by"), fields)
    elif verdict.coverage.fields:
        paper.section("What the author's domain signed", "Nothing that still holds.")
    if verdict.coverage.unsigned_octets:
        paper.section("Unsigned body", parts.octets(verdict.coverage.unsigned_octets))
    paper.bullets("What was done to the file", explain.fidelity_notes(verdict.source))
    dns = verdict.dns
    paper.section(
        "DNS", f"{parts.counted(dns.questions, 'question')}, {dns.live} asked live, {dns.recorded} from a recording"
    )
    paper.bullets("", [explain.dns_error(error) for error in dns.errors])


def _writer(recorded: Recorded) -> str:
    """The field and whose name it bears."""
    return f"{recorded.field} of {recorded.authserv_id}" if recorded.authserv_id else f"{recorded.field} without a name"


def _hops(paper: _Paper, verdict: Verdict) -> None:
    """The per-hop sheet; the line of the border is where trust ends."""
    if not verdict.hops:
        return
    rows: list[tuple[str, ...]] = []
    for hop in verdict.hops:
        by = f"by {hop.by or '?'}" + (f" with {hop.with_}" if hop.with_ else "")
        if hop.date is not None:
            by += f", {parts.when(hop.date)}"
        delay = duration(hop.delay_seconds)
        rows.append((str(hop.index), hop.standing.value, parts.tls(hop), parts.login(hop), delay, parts.peer(hop)))
        rows.append(("", "", "", "", "", by))
        if hop.standing is Standing.BORDER:
            rows.append(())
    paper.table("Hops, newest first", ("#", "standing", "TLS", "login", "delay", "from, by"), rows)
    paper.bullets("", [explain.encryption(verdict.origin)])


class _Paper:
    """Lines in the making; the only place that wraps, colours and makes text safe."""

    def __init__(self, color: bool, width: int) -> None:
        self._color = color
        self._width = width
        self._lines: list[str] = []

    def text(self) -> str:
        return "\n".join(self._lines).strip("\n") + "\n"

    def conclusion(self, conclusion: Conclusion, summary: str) -> None:
        first, *rest = _wrap(terminal(summary), self._width)
        word, colon, tail = first.partition(":")
        self._lines += [self._paint(word.upper(), _COLORS[conclusion.value]) + colon + tail, *rest]

    def rows(self, rows: Sequence[Row]) -> None:
        """Label, result word and text; the text hangs under itself."""
        self._lines.append("")
        results = any(result for _, result, _ in rows)
        indent = _LABEL + (_RESULT if results else 0)
        for label, result, text in rows:
            head = self._paint(label, "1") + " " * (_LABEL - len(label))
            if results:
                head += self._paint(result, _COLORS.get(result, "")) + " " * (_RESULT - len(result))
            first, *rest = _wrap(terminal(text), self._width - indent)
            self._lines += [head + first, *(" " * indent + line for line in rest)]

    def section(self, title: str, text: str) -> None:
        self._title(title)
        self._lines += [f"  {line}" for line in _wrap(terminal(text), self._width - 2)]

    def bullets(self, title: str, texts: Iterable[str]) -> None:
        """Nothing at all when there are no texts."""
        for count, text in enumerate(texts):
            if count == 0 and title:
                self._title(title)
            first, *rest = _wrap(terminal(text), self._width - 4)
            self._lines += [f"  - {first}", *(f"    {line}" for line in rest)]

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as they need, wide ones wrapped inside themselves; an empty row is a rule."""
        self._title(title)
        cells = [[terminal(cell) for cell in row] for row in rows]
        widths = _column_widths(heads, cells, self._width - 2)
        for number, row in enumerate([list(heads), *cells]):
            if not row:
                self._lines.append("  " + "-" * (sum(widths) + 2 * len(widths) - 2))
                continue
            wrapped = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
            for line in zip_longest(*wrapped, fillvalue=""):
                code = "2" if number == 0 else None
                shown = [
                    self._paint(cell, _COLORS.get(cell, "") if code is None else code) + " " * (width - _columns(cell))
                    for cell, width in zip(line, widths, strict=True)
                ]
                self._lines.append(("  " + "  ".join(shown)).rstrip())

    def _title(self, title: str) -> None:
        first, *rest = _wrap(terminal(title), self._width)
        self._lines += ["", *(self._paint(line, "1") for line in (first, *rest))]

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and code and text.strip() else text


def _column_widths(heads: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Columns as wide as their widest cell; while there is too little room the widest column gives way."""
    widths = [_columns(head) for head in heads]
    for row in rows:
        for place, cell in enumerate(row):
            widths[place] = max(widths[place], _columns(cell))
    room -= 2 * (len(widths) - 1)
    while (over := sum(widths) - room) > 0:
        widest = max(widths)
        if widest <= 8:
            break
        place = widths.index(widest)
        others = [width for number, width in enumerate(widths) if number != place]
        widths[place] = max(8, max(others, default=0) - 1, widest - over)
    return widths


def _columns(text: str) -> int:
    """Columns that a terminal gives to the text."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most that many columns, broken at blanks, or inside a word that is longer than a line."""
    lines: list[str] = []
    line, used = "", 0
    for word in text.split(" "):
        size = _columns(word)
        if line and used + 1 + size > width:
            lines.append(line)
            line, used = "", 0
        elif line:
            line, used = f"{line} ", used + 1
        if size <= width:
            line, used = line + word, used + size
            continue
        for char in word:  # a word longer than a line
            size = _columns(char)
            if used + size > width:
                lines.append(line)
                line, used = "", 0
            line, used = line + char, used + size
    lines.append(line)
    return lines

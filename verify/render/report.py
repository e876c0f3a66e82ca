"""A whole batch as one self-contained page: as ``page``, without script and anything remote, and bounded in size.

Text of messages is cut to what fits a cell, and the lists are bounded where they are made, so that the page of a
million messages is no larger than that of ten thousand.
"""

from __future__ import annotations

from verify.explain import batch
from verify.explain.words import (
    ANOMALIES,
    CAUSES,
    COMPARISON_REASONS,
    CONCLUSIONS,
    FIDELITIES,
    OUTCOMES,
    RECORDED_STANDINGS,
    shown,
)
from verify.model import Conclusion
from verify.render.data import from_json
from verify.render.page import style, template
from verify.rollup import Period, Rollup

WIDTH, HEIGHT, GAP = 720, 160, 0.2  # units of the chart, and the share of a step that stays empty
BAR = 48  # units that a bar is wide at most
_CELL = 80  # characters of a name or of text from a message in a cell


def to_report(rollup: Rollup) -> str:
    """The page as text; to be written as UTF-8.  Raises ``StoredVerdictError`` over a verdict that is not ours."""
    sheet, sheet_hash = style("style.css", "report.css")
    return template("report.html").render(
        style=sheet,
        style_hash=sheet_hash,
        rollup=rollup,
        tally=rollup.tally,
        batch=batch,
        cell=_cell,
        conclusions=CONCLUSIONS,
        anomaly_words={code.value: words for code, words in ANOMALIES.items()},
        fidelity_words={code.value: words for code, words in FIDELITIES.items()},
        problem_words={**{one.value: w for one, w in OUTCOMES.items()}, **{one.value: w for one, w in CAUSES.items()}},
        comparison_reasons={one.value: words for one, words in COMPARISON_REASONS.items()},
        recorded_standings={one.value: words for one, words in RECORDED_STANDINGS.items()},
        chart=_chart(rollup.periods),
        stack=_stack({one: rollup.tally.conclusions.get(one, 0) for one in Conclusion}, rollup.tally.messages),
        worst=[from_json(one.verdict) for one in rollup.worst],
        width=WIDTH,
        height=HEIGHT,
    )


def _cell(text: str | None) -> str:
    return shown(text, _CELL) if text else "-"


def _stack(parts: dict[Conclusion, int], whole: int) -> list[tuple[Conclusion, float, float]]:
    """Start and length of each part on a line of 100 units."""
    laid, start = [], 0.0
    for conclusion, count in parts.items():
        length = 100 * count / whole if whole else 0.0
        if count:
            laid.append((conclusion, round(start, 2), round(length, 2)))
        start += length
    return laid


def _chart(periods: tuple[Period, ...]) -> list[tuple[Period, float, float, list[tuple[Conclusion, float, float]]]]:
    """Each period with its left edge, its width, and its bars from the bottom up: conclusion, top, height."""
    if not periods:
        return []
    most = max(one.messages for one in periods) or 1
    step = WIDTH / len(periods)
    wide = min(step * (1 - GAP), BAR)
    drawn = []
    for number, period in enumerate(periods):
        bars, top = [], float(HEIGHT)
        for conclusion in Conclusion:
            if count := getattr(period, conclusion.value):
                tall = HEIGHT * count / most
                top -= tall
                bars.append((conclusion, round(top, 1), round(tall, 1)))
        drawn.append((period, round((number + 0.5) * step - wide / 2, 1), round(wide, 1), bars))
    return drawn

"""What a milter tells of its work: a line for each message, and counters.

Telling never delays or breaks mail: lines are written by a thread of their own, and are dropped, and counted, when
whoever reads them does not keep up or the disk is full.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from verify.grammar.visible import one_line
from verify.serving import LogFormat

if TYPE_CHECKING:
    from verify.model import Answer, Verdict

WAITING = 10_000  # lines kept for a reader that is slow
_TEXT = 300  # characters of one value

Value = str | int | float | None | list[str]


class Log:
    """Lines of ``key=value``, or JSON objects, one each.  ``level``: of syslog, which systemd takes off again."""

    def __init__(self, stream: BinaryIO, form: LogFormat = LogFormat.PLAIN) -> None:
        self.form = form
        self.dropped = 0
        self._stream = stream
        self._lines: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def put(self, event: str, **values: Value) -> None:
        """``event``: a word of ours; values are made safe here.  What has none is left out of plain lines."""
        told = {"event": event, **values}
        line = _as_json(told) if self.form is LogFormat.JSON else _as_plain(told)
        try:
            self._lines.put_nowait(line.encode("utf-8", "backslashreplace") + b"\n")
        except queue.Full:
            self.dropped += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (OSError, ValueError):
                self.dropped += 1

    def close(self, seconds: float = 2.0) -> None:
        """Write what is waiting, but not for longer than ``seconds``."""
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)


def _as_json(told: Mapping[str, Value]) -> str:
    return json.dumps({key: _shown(value) for key, value in told.items()}, ensure_ascii=False)


def _as_plain(told: Mapping[str, Value]) -> str:
    words = []
    for key, value in told.items():
        shown = _shown(value)
        if shown is None or shown == []:
            continue
        text = ",".join(shown) if isinstance(shown, list) else str(shown)
        if not text or any(char in text for char in ' "=\\'):
            text = json.dumps(text, ensure_ascii=False)
        words.append(f"{key}={text}")
    return " ".join(words)


def _shown(value: Value) -> Value:
    if isinstance(value, str):
        return one_line(value)[:_TEXT]
    if isinstance(value, list):
        return [one_line(text)[:_TEXT] for text in value[:20]]
    return value


def verdict_values(verdict: Verdict) -> dict[str, Value]:
    """What a line says of a verdict: domains and results, nothing of the message's text."""
    spf = verdict.spf[0] if verdict.spf else None
    return {
        "author": verdict.author.domain,
        "conclusion": verdict.conclusion.value,
        "reason": verdict.conclusion_reason.value,
        "spf": None if spf is None or spf.result is None else spf.result.value,
        "spf_domain": None if spf is None else spf.domain,
        "dkim": [f"{s.result.value}:{s.domain}" for s in verdict.dkim if s.result is not None],
        "dmarc": None if verdict.dmarc.result is None else verdict.dmarc.result.value,
        "policy": None if verdict.dmarc.applied_policy is None else verdict.dmarc.applied_policy.value,
        "arc": None if verdict.arc.result in (None, "none") else str(verdict.arc.result),
        "dns": verdict.dns.questions,
        "dns_errors": len(verdict.dns.errors) or None,
    }


class Metrics:
    """Prometheus counters (extra ``metrics``).  Of several processes each counts; the first one adds up and serves."""

    def __init__(self) -> None:
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        self._registry = REGISTRY
        self._messages = Counter("mailverdict_messages", "Messages judged", ["conclusion", "reason"])
        self._actions = Counter("mailverdict_actions", "What was done with messages", ["action", "reason"])
        self._answers = Counter("mailverdict_dns_answers", "Answers of the DNS", ["outcome", "cause"])
        self._errors = Counter("mailverdict_errors", "Faults", ["kind"])
        self._seconds = Histogram(
            "mailverdict_message_seconds",
            "Time from the end of a message to the reply",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
        )
        self._depth = Gauge("mailverdict_messages_waiting", "Messages being judged", multiprocess_mode="livesum")
        self._connections = Gauge("mailverdict_connections", "Connections", multiprocess_mode="livesum")

    def judged(self, verdict: Verdict) -> None:
        self._messages.labels(verdict.conclusion.value, verdict.conclusion_reason.value).inc()

    def acted(self, kind: str, reason: str, seconds: float) -> None:
        self._actions.labels(kind, reason).inc()
        self._seconds.observe(seconds)

    def answered(self, answer: Answer) -> None:
        self._answers.labels(answer.outcome.value, "" if answer.cause is None else answer.cause.value).inc()

    def failed(self, kind: str) -> None:
        self._errors.labels(kind).inc()

    def waiting(self, change: int) -> None:
        self._depth.inc(change)

    def connected(self, change: int) -> None:
        self._connections.inc(change)


class NoMetrics:
    """Where no metrics are wanted."""

    def judged(self, verdict: Verdict) -> None: ...
    def acted(self, kind: str, reason: str, seconds: float) -> None: ...
    def answered(self, answer: Answer) -> None: ...
    def failed(self, kind: str) -> None: ...
    def waiting(self, change: int) -> None: ...
    def connected(self, change: int) -> None: ...


def serve_metrics(host: str, port: int) -> Any:
    """Serve the counters over HTTP, in a thread.  ``OSError`` when the address cannot be had."""
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return start_http_server(port, host, registry)


def forget_process(pid: int) -> None:
    """A worker is gone, and what it had open with it; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)

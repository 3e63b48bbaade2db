"""Alerts of other systems as findings: one an alert, however often it is told, closed when it is resolved."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import xxhash

from stormpetrel.model.finding import (
    ALERT_NAME,
    UNHEARD_SINCE,
    Evidence,
    Finding,
    FindingState,
    Severity,
    closed_unheard,
    unheard_since,
)
from stormpetrel.model.records import ALERT_SCHEMA, Alert, AlertBatch, AlertState
from stormpetrel.model.resource import UNKNOWN_ENTITY
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_iso, to_seconds

NAME, VERSION, HEAD = "alert", 1, "firing"
SOURCE, FINGERPRINT, NOTIFICATIONS = "source", "fingerprint", "notifications"
_LETTERS, _TITLE_LETTERS = 1_000, 200
_SOURCES = 1_000
# A pause longer than this between two notifications is no interval of repetition.
_LONGEST_REPEAT = from_seconds(86_400)
_LOOK = from_seconds(30)
_NAN = math.nan
# Severity numbers of OpenTelemetry from which on an alert is as bad; see `ingest.alertmanager_rows`.
_SEVERITIES = ((18, Severity.CRITICAL), (17, Severity.ERROR), (13, Severity.WARNING), (1, Severity.INFO))

_COLUMNS = [name for name in ALERT_SCHEMA.names if name != "request_token"]

Key = tuple[str, str]  # source, fingerprint


@dataclass(slots=True)
class _Held:
    """One alert: its finding, when its firing began and was told last, and when it closed (0: it fires)."""

    finding: Finding
    started: int
    heard: int
    told: int = 1
    closed: int = 0
    unknown: bool = False  # closed without a word of its sender


class AlertWatch:
    """Keeps one finding for each alert that fires, by source and fingerprint. O(1) an alert.

    A firing alert opens its finding; being told again of the same adds nothing but a count. A resolved one
    closes it. An alert that fires again within `reopen_seconds` opens the same finding again, a later one a
    new finding. A sender that falls silent resolves nothing: its alerts stay open, and are closed as unknown
    when one and a half times the longest interval at which it repeated itself has passed.

    Fails where a sender gives different alerts one fingerprint: they are one.

    Args:
        reopen_seconds: see above.
        repeat_seconds: the least interval of repetition to reckon with; four hours are the default of
            Alertmanager and of Grafana.
        most: alerts held; of more the longest unheard are closed as unknown.
    """

    name = NAME

    def __init__(
        self, reopen_seconds: float = 300.0, repeat_seconds: float = 4 * 3600.0, most: int = 50_000
    ) -> None:
        self._reopen = from_seconds(reopen_seconds)
        self._least_repeat = from_seconds(repeat_seconds)
        self._most = most
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._repeats: OrderedDict[str, int] = OrderedDict()
        self._now = self._next_look = 0
        self.repeated_total = 0

    @property
    def open_findings(self) -> list[Finding]:
        """Findings that are open now, by start."""
        found = [held.finding for held in self._held.values() if not held.closed]
        return sorted(found, key=lambda one: (one.start_unix_nano, one.finding_id))

    def holds(self, source: str, fingerprint: str) -> bool:
        """Whether an alert fires, as far as is known."""
        held = self._held.get((source, fingerprint))
        return held is not None and not held.closed

    def restore(self, findings: Iterable[Finding], now_unix_nano: int) -> None:
        """Go on with findings of before a restart that are open, as if their alerts had been told of just
        now, or were closed as unknown, as if they had been just now."""
        self._now = now_unix_nano
        for finding in findings:
            said = finding.attributes or {}
            key = (said.get(SOURCE, ""), said.get(FINGERPRINT, ""))
            told = int(said.get(NOTIFICATIONS, "1"))
            given_up = now_unix_nano if unheard_since(finding) else 0
            self._held[key] = _Held(
                finding, finding.end_unix_nano, now_unix_nano, told, given_up, given_up > 0
            )

    def update(self, alerts: Iterable[Alert]) -> list[Finding]:
        """Take alerts in order of arrival; finding changes."""
        changes = []
        for alert in alerts:
            change = self._resolve(alert) if alert.state is AlertState.RESOLVED else self._fire(alert)
            if change is not None:
                changes.append(change)
        return changes + self._evicted()

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Time has reached `now`: close what nobody tells of any more. O(alerts held) every half a minute."""
        if abs(now_unix_nano - self._next_look) < _LOOK:
            self._now = now_unix_nano
            return []
        self._now = self._next_look = now_unix_nano
        changes = []
        for key, held in list(self._held.items()):
            if held.closed:
                # One that was given up may be told of again with the start that it had.
                if now_unix_nano - held.closed > (_LONGEST_REPEAT if held.unknown else self._reopen):
                    del self._held[key]
                continue
            patience = self._patience(key[0])
            if now_unix_nano - held.heard > patience:
                why = (
                    f"Not told again since {to_iso(held.heard)}, for longer than {key[0]} takes to repeat"
                    f" itself ({to_seconds(patience) / 3600:.1f} h): closed as unknown, not as resolved."
                )
                changes.append(self._given_up(held, why))
        return changes

    # ------------------------------------------------------------------------------------ alerts

    def _fire(self, alert: Alert) -> Finding | None:
        key = (alert.source, alert.fingerprint)
        moment = self._now or alert.time_unix_nano
        held = self._held.get(key)
        if held is None:
            return self._opened(key, alert, moment)
        if not held.closed:
            return self._again(key, held, alert, moment)
        if alert.start_unix_nano <= held.started and not held.unknown:
            self.repeated_total += 1  # an old notification that comes late
            return None
        if held.unknown:
            self._learn(alert.source, moment - held.heard)
        if moment - held.closed > self._reopen:
            return self._opened(key, alert, moment)
        self._held.move_to_end(key)
        held.told += 1
        held.closed, held.unknown, held.heard = 0, False, moment
        held.started = alert.start_unix_nano
        held.finding = replace(
            _finding(alert, held.told),
            finding_id=held.finding.finding_id,
            start_unix_nano=held.finding.start_unix_nano,
            end_unix_nano=max(alert.start_unix_nano, held.finding.end_unix_nano),
        )
        return held.finding

    def _opened(self, key: Key, alert: Alert, moment: int) -> Finding:
        finding = _finding(alert, 1)
        self._held[key] = _Held(finding, alert.start_unix_nano, moment)
        self._held.move_to_end(key)
        return finding

    def _again(self, key: Key, held: _Held, alert: Alert, moment: int) -> Finding | None:
        """A firing alert was told again: news only if it says something else."""
        self._held.move_to_end(key)
        self._learn(alert.source, moment - held.heard)
        held.heard, held.started = moment, max(held.started, alert.start_unix_nano)
        held.told += 1
        self.repeated_total += 1
        if (_severity(alert.severity_number), _why(alert)) == (held.finding.severity, held.finding.why):
            return None
        newer = _finding(alert, held.told)
        held.finding = replace(
            newer, finding_id=held.finding.finding_id, start_unix_nano=held.finding.start_unix_nano
        )
        return held.finding

    def _learn(self, source: str, pause: int) -> None:
        """A sender took so long to repeat itself."""
        if not 0 <= pause <= _LONGEST_REPEAT:
            return
        self._repeats[source] = max(pause, self._repeats.get(source, 0))
        self._repeats.move_to_end(source)
        while len(self._repeats) > _SOURCES:
            self._repeats.popitem(last=False)

    def _resolve(self, alert: Alert) -> Finding | None:
        held = self._held.get((alert.source, alert.fingerprint))
        # One that was given up is unknown until its sender says that it is over.
        ended = held is None or (held.closed and not held.unknown)
        if held is None or ended or alert.start_unix_nano < held.started:
            self.repeated_total += 1
            return None
        why = held.finding.why + (" Its sender says that it is over after all." if held.unknown else "")
        held.closed, held.unknown = self._now or alert.time_unix_nano, False
        return self._close(held, max(alert.end_unix_nano, held.finding.start_unix_nano), why)

    # ----------------------------------------------------------------------------------- closing

    def _close(self, held: _Held, end: int, why: str) -> Finding:
        finding = held.finding
        said = {name: value for name, value in (finding.attributes or {}).items() if name != UNHEARD_SINCE}
        held.finding = replace(
            finding,
            why=why,
            state=FindingState.CLOSED,
            end_unix_nano=end,
            evidence=replace(finding.evidence, end_unix_nano=end),
            attributes={**said, NOTIFICATIONS: str(held.told)},
        )
        return held.finding

    def _given_up(self, held: _Held, why: str) -> Finding:
        held.closed, held.unknown = self._now or held.heard, True
        ended = self._close(held, held.finding.end_unix_nano, held.finding.why)
        held.finding = closed_unheard(ended, held.heard, why)
        return held.finding

    def _patience(self, source: str) -> int:
        return max(self._repeats.get(source, 0), self._least_repeat) * 3 // 2

    def _evicted(self) -> list[Finding]:
        changes = []
        while len(self._held) > self._most:
            _, held = self._held.popitem(last=False)
            if not held.closed:
                why = f"More than {self._most} alerts fire: closed as unknown, not as resolved."
                changes.append(self._given_up(held, why))
        return changes


def alerts_of(batch: AlertBatch) -> Iterator[Alert]:
    """The rows of a batch, in order. Some ten microseconds each."""
    for row in batch.records.select(_COLUMNS).to_pylist():
        row["state"] = AlertState(row["state"])
        row["labels"], row["annotations"] = _texts(row["labels"]), _texts(row["annotations"])
        yield Alert(**row)


def _texts(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _finding(alert: Alert, told: int) -> Finding:
    labels = tuple(sorted((name, value) for name, value in alert.labels.items() if name != "alertname"))
    query = SeriesInfo(-1, alert.name or NAME, labels, "", "").text()[:_LETTERS]
    start = alert.start_unix_nano
    title = " ".join((alert.name or alert.summary).split())[:_TITLE_LETTERS] or "an alert without a name"
    entity = alert.entity if alert.entity not in ("", UNKNOWN_ENTITY) else f"{NAME}:{title}"
    return Finding(
        finding_id=xxhash.xxh128_hexdigest(f"{NAME}\0{alert.source}\0{alert.fingerprint}\0{start}".encode()),
        detector=NAME,
        model_version=VERSION,
        head=HEAD,
        entity=entity,
        title=title,
        why=_why(alert),
        severity=_severity(alert.severity_number),
        state=FindingState.OPEN,
        start_unix_nano=start,
        end_unix_nano=start,
        # Somebody's rule: no number of ours, and no chance that it is healthy.
        evidence=Evidence(NAME, query, -1, start, start, _NAN, _NAN, _NAN, _NAN, 1.0),
        attributes={
            ALERT_NAME: alert.name,
            SOURCE: alert.source,
            FINGERPRINT: alert.fingerprint,
            NOTIFICATIONS: str(told),
        },
    )


def _why(alert: Alert) -> str:
    summary = " ".join(alert.summary.split())[:_LETTERS]
    return summary or f"{alert.source} says that it fires, and no more."


def _severity(number: int) -> Severity:
    """As bad as the sender says; a warning where it does not say."""
    return next((found for least, found in _SEVERITIES if number >= least), Severity.WARNING)

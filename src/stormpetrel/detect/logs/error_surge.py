"""Surges of errors and warnings in an entity's log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from stormpetrel.detect import wording
from stormpetrel.detect.logs.surge_state import WatchedEntity, pack, unpack
from stormpetrel.detect.logs.surprise import CountModel
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity, closed_unheard
from stormpetrel.model.signal import SEVERITY_ERROR, SEVERITY_WARN, LogBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import Snapshot


@dataclass(frozen=True, slots=True)
class Track:
    """Records counted together: severities from `least` up to, not including, `below`."""

    name: str
    least: int
    below: int
    query: str
    severity: Severity


TRACKS = (
    Track("error", SEVERITY_ERROR, 25, "severity>=error", Severity.WARNING),
    Track("warning", SEVERITY_WARN, SEVERITY_ERROR, "severity=warn", Severity.INFO),
)


class ErrorSurge:
    """Counts errors and warnings per entity and window of event time, against the entity's usual rate.

    A window is judged when time has passed its end by `late_seconds`; records for a judged window are
    too late and only counted in `late_total`; so are records more than `max_pending` windows ahead of the
    time of the last `advance`: their sender's clock is wrong. A finding opens when a window's count is at
    least `least_count` and its p-value (negative binomial, rate and over-dispersion learnt) is at most
    `p_open`, and closes after `calm_windows` ordinary windows. Errors open as WARNING, and become ERROR
    at ten times the count that opens; warnings are INFO.

    Works on logs with severities; an entity is judged after `warmup_windows` windows since it was first
    seen. Fails on slow rises (the rate follows) and on errors logged without a severity. Windows without
    any record count as zero. Bounds: `max_entities` least recently seen are kept, with at most
    `max_pending` windows each.
    Cost: Arrow group-by for a batch, a few microseconds of Python for each entity and window.
    """

    name = "error_surge"
    version = 1

    def __init__(
        self,
        window_seconds: float = 30.0,
        late_seconds: float = 10.0,
        p_open: float = 1e-6,
        least_count: int = 5,
        max_entities: int = 5000,
    ) -> None:
        self._window = from_seconds(window_seconds)
        self._late = from_seconds(late_seconds)
        self._p_open = p_open
        self._least_count = least_count
        self._max_entities = max_entities
        self._entities: OrderedDict[str, WatchedEntity] = OrderedDict()
        self.warmup_windows = 10
        self.calm_windows = 4
        self.memory_windows = 240.0
        self.max_pending = 1024
        self._complete: int | None = None  # newest window that `advance` judged
        self.late_total = 0
        self.forgotten_total = 0

    def update(self, batch: LogBatch) -> list[Finding]:
        """Count the records; findings that had to be closed for want of room come back at once."""
        if not len(batch):
            return []
        records = batch.records
        window = pc.divide(records.column("time_unix_nano"), self._window)
        level = records.column("severity_number")
        columns = {"entity": records.column("entity"), "window": window}
        for track in TRACKS:
            inside = pc.and_(pc.greater_equal(level, track.least), pc.less(level, track.below))
            columns[track.name] = pc.cast(inside, pa.int64())
        wanted = [(track.name, "sum") for track in TRACKS]
        sums = pa.table(columns).group_by(["entity", "window"], use_threads=False).aggregate(wanted)
        counts = [sums.column(f"{track.name}_sum").to_pylist() for track in TRACKS]
        changes: list[Finding] = []
        rows = zip(sums.column("entity").to_pylist(), sums.column("window").to_pylist(), *counts, strict=True)
        for name, index, *found in rows:
            changes += self._count(name, index, found)
        return changes

    def _count(self, name: str, index: int, found: list[int]) -> list[Finding]:
        changes: list[Finding] = []
        if self._complete is not None and index > self._complete + self.max_pending:
            self.late_total += sum(found)
            return changes
        entity = self._entities.get(name)
        if entity is None:
            # Whoever is first seen by a record that is ahead of time is watched from now on.
            judged = index - 1 if self._complete is None else min(index - 1, self._complete)
            entity = self._entities[name] = WatchedEntity(len(TRACKS), judged)
            if len(self._entities) > self._max_entities:
                _, oldest = self._entities.popitem(last=False)
                self.forgotten_total += 1
                why = "Closed as unknown: no longer watched, too many entities are."
                changes = [closed_unheard(f, f.end_unix_nano, why) for f in oldest.found if f]
        self._entities.move_to_end(name)
        if index <= entity.judged or (
            index not in entity.pending and len(entity.pending) >= self.max_pending
        ):
            self.late_total += sum(found)
            return changes
        counts = entity.pending.setdefault(index, [0] * len(TRACKS))
        for k, more in enumerate(found):
            counts[k] += more
        return changes

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Judge all windows that ended `late_seconds` before `now`."""
        complete = (now_unix_nano - self._late) // self._window - 1
        self._complete = complete
        changes: list[Finding] = []
        for name in sorted(self._entities):
            entity = self._entities[name]
            # After a long silence only its newest windows are judged: more zeros would teach nothing new.
            first = max(entity.judged + 1, complete + 1 - self.max_pending)
            before = sorted(index for index in entity.pending if index < first)
            for index in (*before, *range(first, complete + 1)):
                counts = entity.pending.pop(index, [0] * len(TRACKS))
                for k in range(len(TRACKS)):
                    changes += self._judge(name, entity, k, (index, counts[k]))
            entity.judged = max(entity.judged, complete)
        return changes

    @property
    def p_open(self) -> float:
        """The p-value at or below which a window opens a finding."""
        return self._p_open

    def snapshot(self) -> tuple[Snapshot, dict[str, Any]]:
        """Everything but the windows still being counted: their records are to be given again."""
        return pack(self._entities, -1 if self._complete is None else self._complete)

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        """Take over a snapshot; ValueError names the version when it does not fit."""
        self._entities, complete = unpack(snapshot, notes)
        places = {track.name: k for k, track in enumerate(TRACKS)}
        for finding in open_findings:
            if finding.entity in self._entities and finding.head in places:
                self._entities[finding.entity].found[places[finding.head]] = finding
        self._complete = None if complete < 0 else complete

    def resume_unix_nano(self) -> int:
        """The start of the first window that was not judged; 0 before any was."""
        return 0 if self._complete is None else (self._complete + 1) * self._window

    def open_findings(self) -> list[Finding]:
        """Findings that are open now."""
        return [f for entity in self._entities.values() for f in entity.found if f is not None]

    def _judge(self, name: str, entity: WatchedEntity, k: int, seen: tuple[int, int]) -> list[Finding]:
        count = seen[1]
        model, open_now = entity.models[k], entity.found[k]
        p = model.p_value(count)
        strange = p <= self._p_open and count >= self._least_count and model.windows >= self.warmup_windows
        changes: list[Finding] = []
        if strange and open_now is None:
            entity.found[k] = self._finding(name, TRACKS[k], model, seen, p)
            entity.calm[k] = 0
            changes = [f for f in (entity.found[k],) if f]
        elif open_now is not None:
            changes = self._follow(entity, k, seen, strange)
        model.learn(count, self.memory_windows, strange)
        return changes

    def _follow(self, entity: WatchedEntity, k: int, seen: tuple[int, int], strange: bool) -> list[Finding]:
        """An open finding: it lasts, worsens once, or closes."""
        index, count = seen
        finding = entity.found[k]
        if finding is None:
            return []
        if not strange:
            entity.calm[k] += 1
            if entity.calm[k] < self.calm_windows:
                return []
            entity.found[k] = None
            return [replace(finding, state=FindingState.CLOSED)]
        entity.calm[k] = 0
        worse = finding.severity is Severity.WARNING and count >= 10 * max(
            finding.evidence.high, self._least_count
        )
        # The evidence keeps the window in which its number was counted.
        lasting = replace(finding, end_unix_nano=(index + 1) * self._window)
        entity.found[k] = replace(lasting, severity=Severity.ERROR) if worse else lasting
        return [f for f in (entity.found[k],) if f and worse]

    def _finding(
        self, name: str, track: Track, model: CountModel, seen: tuple[int, int], p: float
    ) -> Finding:
        index, count = seen
        start, end = index * self._window, (index + 1) * self._window
        query = f'entity="{name}" {track.query}'
        seconds = self._window / 1e9
        high = model.high()
        evidence = Evidence(
            signal="log",
            query=query,
            series=-1,
            start_unix_nano=start,
            end_unix_nano=end,
            observed=float(count),
            expected=model.expected(),
            low=0.0,
            high=high,
            p_value=p,
            unit="records",
        )
        severity = track.severity
        if severity is Severity.WARNING and count >= 10 * max(high, self._least_count):
            severity = Severity.ERROR
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{self.name}\0{query}\0{start}".encode()),
            detector=self.name,
            model_version=self.version,
            head=track.name,
            entity=name,
            title=f"{track.name} records surge in the log",
            why=f"{name} logged {count} {track.name} records in {wording.duration(seconds)}, usually about"
            f" {wording.amount(model.expected())} (at most {wording.amount(high)}):"
            f" {wording.rarity(p, seconds)}.",
            severity=severity,
            state=FindingState.OPEN,
            start_unix_nano=start,
            end_unix_nano=end,
            evidence=evidence,
        )

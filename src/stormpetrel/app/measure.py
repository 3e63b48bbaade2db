"""What is looked at after an act: series of targets and of untouched members, health, and the symptom."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.act.verify import Found, Measured, Seen, Side, TargetHealth
from stormpetrel.act.waves import entities_acted, happened, step_of
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.series_index import SeriesIndex
from stormpetrel.detect.slo_select import Selector
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Condition, Target
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.incident import Incident
from stormpetrel.model.run import Run, StepRecord
from stormpetrel.model.signal import MetricKind, SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import StoredPast

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_MOST_SERIES = 20  # of one condition on one target
_MOST_OTHERS = 10  # untouched members that are compared with
_MOST_POINTS = 4000
_PAST_WINDOWS = 12  # before the trouble, of what must only hold; see `stormpetrel.act.windows.drift`
_NONE: F64 = np.zeros(0)
_NO_TIMES: I64 = np.zeros(0, np.int64)
_SERVING = ("service:", "deployment:")  # what serves is judged by how it serves itself
UP = "service_up"  # of every target, see `adapters.sources.targets`


@dataclass(frozen=True, slots=True)
class _Spans:
    """The windows that are looked at: long and just before the trouble, before the act, after it settled."""

    past: Window
    calm: Window
    before: Window
    after: Window


class Measurer:
    """Reads from the store what verification compares. Cost: three queries a series, at most 20 a target, and
    three a finding at most.

    Args:
        inventory: how targets and their groups stand now.
        incident: an incident by id; None when it is gone.
        window_seconds: of samples before and after the act.
    """

    def __init__(
        self,
        store: StoredPast,
        registry: SeriesRegistry,
        inventory: Inventory,
        incident: Callable[[str], Incident | None],
        window_seconds: float,
    ) -> None:
        self._store, self._registry, self._inventory = store, registry, inventory
        self._index = SeriesIndex(registry)
        self._incident, self._window = incident, from_seconds(window_seconds)

    def measure(self, run: Run, record: StepRecord, now_unix_nano: int) -> Measured:
        """Everything for one act, at this time."""
        incident = self._incident(run.plan.incident_id)
        spans = self._spans(run, record, incident, now_unix_nano)
        others = self._untouched(run, record)
        seen = tuple(
            one
            for condition in run.plan.verification
            if not condition.finding
            for target in record.action.targets
            for one in self._seen(condition, self._measured_on(condition, target, incident), others, spans)
        )
        found = tuple(
            Found(one.finding, self._found(one.finding, incident, spans))
            for one in run.plan.verification
            if one.finding
        )
        symptom = self._symptom(incident, spans)
        told = bool(found) or self._looked_at(run, record, incident, spans)
        return Measured(seen, self._health(record, spans), symptom, found, told)

    def _spans(self, run: Run, record: StepRecord, incident: Incident | None, now: int) -> _Spans:
        settled = record.ended_unix_nano + from_seconds(step_of(run, record).settle_seconds)
        began = incident.start_unix_nano if incident is not None else record.begun_unix_nano
        # An earlier wave has changed things already: what is compared with is the time before all of them.
        first = next((one for one in run.records if happened(one)), record).begun_unix_nano
        before = Window(max(first - self._window, min(began, first)), first)
        calm, past = (Window(began - many * self._window, began) for many in (1, _PAST_WINDOWS))
        # Who comes late looks at the same window: what was in a longer one is not what was in this.
        after = Window(min(settled, now), min(settled + self._window, now))
        return _Spans(past, calm, before, after)

    def _measured_on(self, condition: Condition, target: Target, incident: Incident | None) -> str:
        """Whose series are looked at: the target's. A node, a database or a list of addresses may have none:
        then it is whom the incident is about. A service has its own, or nothing is known of it."""
        if target.entity.startswith(_SERVING) or incident is None:
            return target.entity
        places = (target.entity, *incident.entities)
        return next((one for one in places if self._series(condition.series, one)), target.entity)

    def _seen(self, condition: Condition, entity: str, others: list[str], spans: _Spans) -> list[Seen]:
        found = self._series(condition.series, entity)
        if not found:  # nothing to measure, which must not pass for success
            return [Seen(condition, f"{condition.series} of {entity}", _NONE, Side(_NONE, _NONE), ())]
        sides = tuple(
            self._side(one, spans) for other in others for one in self._series(condition.series, other)[:1]
        )
        calm = spans.past if condition.hold else spans.calm
        return [
            Seen(condition, info.text(), self._values(info, calm), self._side(info, spans), sides)
            for info in found
        ]

    def _series(self, selector: str, entity: str) -> list[SeriesInfo]:
        try:
            wanted = Selector.parse(selector)
        except ValueError:
            return []
        found = (self._registry.info(number) for number in self._index.of(wanted.metric, entity))
        return list(itertools.islice((info for info in found if wanted.selects(info)), _MOST_SERIES))

    def _side(self, info: SeriesInfo, spans: _Spans) -> Side:
        after = _with_gaps(*self._read(info, spans.after), spans.after)
        return Side(self._values(info, spans.before), after)

    def _values(self, info: SeriesInfo, window: Window) -> F64:
        return self._read(info, window)[1]

    def _read(self, info: SeriesInfo, window: Window) -> tuple[I64, F64]:
        """Times and values of what the store has; a counter as its rate, NaN where it began anew."""
        if window.end_unix_nano <= window.start_unix_nano:
            return _NO_TIMES, _NONE
        points = self._store.read_points(info.series, window, _MOST_POINTS)
        times = points.time_unix_nano
        if info.kind is not MetricKind.COUNTER:
            return times, points.mean
        if len(times) < 2:
            return _NO_TIMES, _NONE
        seconds = np.maximum(np.diff(times) / 1e9, 1e-9)
        grown = np.diff(points.high)
        return times[1:], np.where(grown >= 0, grown / seconds, np.nan)

    def _untouched(self, run: Run, record: StepRecord) -> list[str]:
        """Members of the targets' groups that this run has not acted on."""
        acted = set(entities_acted(run)) | {one.entity for one in record.action.targets}
        members: dict[str, None] = {}
        for target in record.action.targets:
            reading = self._inventory.read(target.actuator, target.entity)
            if reading is not None and reading.group is not None:
                members.update(dict.fromkeys(reading.group.members))
        return [one for one in members if one not in acted][:_MOST_OTHERS]

    def _health(self, record: StepRecord, spans: _Spans) -> tuple[TargetHealth, ...]:
        found = []
        for target in record.action.targets:
            reading = self._inventory.read(target.actuator, target.entity)
            now = reading.live.healthy if reading is not None else None
            found.append(TargetHealth(target.entity, self._served(target.entity, spans.before), now))
        return tuple(found)

    def _served(self, entity: str, before: Window) -> bool | None:
        """Whether a target served just before the act, as the samples of its actuator say."""
        for info in self._series(UP, entity):
            values = self._values(info, before)
            values = values[np.isfinite(values)]
            if len(values):
                return bool(values[-1] > 0)
        return None

    def _symptom(self, incident: Incident | None, spans: _Spans) -> bool | None:
        """Whether what triggered the plan still shows: by the samples after the act where there are some,
        as findings stay open for a while after their cause has gone."""
        if incident is None:
            return None
        told = [
            self._shows(one, spans.after)
            for one in _triggering(incident, spans)
            if one.state is FindingState.OPEN
        ]
        if any(told):
            return True
        return None if None in told else False

    def _looked_at(self, run: Run, record: StepRecord, incident: Incident | None, spans: _Spans) -> bool:
        """Whether the numbers alone say that the symptom is gone: a finding from before the act is about what
        the plan's conditions measure, and none of these is still as far out of its band."""
        if incident is None:
            return False
        measured = {
            info.series: condition.ratio
            for condition in run.plan.verification
            if not (condition.hold or condition.finding)
            for target in record.action.targets
            for info in self._series(condition.series, self._measured_on(condition, target, incident))
        }
        about = [one for one in _triggering(incident, spans) if one.evidence.series in measured]
        still = (self._still_out(one, measured[one.evidence.series], spans) for one in about)
        return bool(about) and not any(still)

    def _still_out(self, finding: Finding, ratio: float, spans: _Spans) -> bool:
        """Whether a series is out of its finding's band by more than what a condition leaves of it.

        What rose slowly was high already just before its incident: told from there the trouble is small, and
        the band says how large it is. It need not be back in a band that is as narrow as its past was quiet.
        """
        if finding.state is not FindingState.OPEN or not _has_band(finding):
            return False
        info = self._registry.info(finding.evidence.series)
        was, now = (_outside(finding, self._values(info, one)) for one in (spans.before, spans.after))
        return now > (1.0 - ratio) * was

    def _found(self, detector: str, incident: Incident | None, spans: _Spans) -> bool | None:
        """Whether what a detector found in an incident still shows; None: it found nothing there."""
        own = [one for one in incident.findings if one.detector == detector] if incident is not None else []
        if not own:
            return None
        told = [self._shows(one, spans.after) for one in own if one.state is FindingState.OPEN]
        return True if any(told) else None if None in told else False

    def _shows(self, finding: Finding, after: Window) -> bool | None:
        evidence = finding.evidence
        if not _has_band(finding) or not 0 <= evidence.series < len(self._registry):
            return True
        values = self._values(self._registry.info(evidence.series), after)
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        return not evidence.low <= float(np.median(values)) <= evidence.high


def _triggering(incident: Incident, spans: _Spans) -> list[Finding]:
    """The findings from before the act; what began after it is not what it was done for."""
    return [
        one
        for one in incident.findings
        if one.severity >= Severity.WARNING and one.start_unix_nano <= spans.before.end_unix_nano
    ]


def _has_band(finding: Finding) -> bool:
    """Whether later samples tell if a finding still shows; without a band only its detector can."""
    evidence = finding.evidence
    return evidence.signal == "metric" and bool(np.isfinite(evidence.low) and np.isfinite(evidence.high))


def _outside(finding: Finding, values: F64) -> float:
    """How far out of a finding's band the level of a window is; 0.0 within it, and without samples."""
    there = values[np.isfinite(values)]
    if not len(there):
        return 0.0
    middle = float(np.median(there))
    return max(finding.evidence.low - middle, middle - finding.evidence.high, 0.0)


def _with_gaps(times: I64, values: F64, window: Window) -> F64:
    """The samples of a window, with NaN for each that should be there and is not; the store leaves these out.

    They should come as often as most of them do. A window begins and ends anywhere between two samples, so at
    either end one is missed from two steps on. A single one is left alone: it has no rhythm.
    """
    if len(values) < 2:
        return values
    # Samples that lie close together are no rhythm either: no more are missed than would be read.
    least = max((window.end_unix_nano - window.start_unix_nano) // _MOST_POINTS, 1)
    step = max(int(np.median(np.diff(times))), least)
    within = np.maximum(np.rint(np.diff(times) / step).astype(np.int64) - 1, 0)
    first = max((int(times[0]) - window.start_unix_nano) // step - 1, 0)
    last = max((window.end_unix_nano - int(times[-1])) // step - 1, 0)
    holes = np.concatenate([[first], within, [last]])
    return np.insert(values, np.repeat(np.arange(len(values) + 1), holes), np.nan)

"""Explanations: a finding's, or that of any sample of any series, from stored samples and the same bank."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace

import numpy as np

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline, build_banks
from stormpetrel.app.points import MAX_BAND_SAMPLES, admit_alone
from stormpetrel.detect import wording
from stormpetrel.detect.explain import Subject, day_label, explain, within
from stormpetrel.errors import OverloadedError
from stormpetrel.model.explanation import Explanation, Judged, ModelAge, PastSlot
from stormpetrel.model.finding import Finding, Scores
from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo
from stormpetrel.model.time import Window, from_seconds, to_seconds
from stormpetrel.ports.algorithms import DetectorBank
from stormpetrel.ports.store import TelemetryStore

_DAY = from_seconds(86_400)
DAYS_BEFORE = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
# A question reads and judges up to MAX_BAND_SAMPLES samples: so many at a time, the others wait or are told.
_AT_ONCE, _WAIT_SECONDS = 2, 20.0
_LONGEST_SLOT = from_seconds(3600)
_SEVERITIES = {"error": (17, 25), "warning": (13, 17)}


@dataclass(frozen=True, slots=True)
class _Past:
    """The stored past of one series, judged again."""

    info: SeriesInfo
    admitted: AdmittedMetrics
    scores: Scores
    bank: DetectorBank
    interval_seconds: float

    def row(self, time_unix_nano: int) -> int:
        """The last sample up to half an interval after a moment; -1 where it is far from it."""
        times = self.admitted.batch.time_unix_nano
        half = from_seconds(0.5 * self.interval_seconds)
        row = int(np.searchsorted(times, time_unix_nano + half, side="right")) - 1
        near = row >= 0 and time_unix_nano - int(times[row]) <= 3 * max(half, 1)
        return row if near else -1


class ExplainDesk:
    """Answers «why is this (not) strange?». Safe from any thread; two questions at a time.

    What it judges again is the stored past of the one series, up to `detect.history_days` before the moment
    and at most 120,000 samples: the live model may have learnt from more. A finding keeps the numbers it
    was told with. Cost: some 0.1 s, and a dozen short queries.
    """

    def __init__(self, config: Config, store: TelemetryStore, pipeline: Pipeline) -> None:
        self._config = config
        self._store = store
        self._pipeline = pipeline
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def point(self, series: int, time_unix_nano: int) -> Explanation:
        """Why the sample of a series at (or just before) a moment is strange, or is not.

        Raises:
            OverloadedError: too many such questions at once.
        """
        info = self._pipeline.registry.info(series)
        with _Turn(self._room):
            past = self._past(info, time_unix_nano)
            judged = _judged(past, time_unix_nano)
            at = judged.time_unix_nano
            half = from_seconds(1.5 * past.interval_seconds)
            slots = self._slots(past, judged, Window(at - half, at + half))
        return explain(self._subject(info), judged, self._age(past, at), slots)

    def finding(self, finding: Finding) -> Explanation:
        """Why a finding was told, with the numbers it was told with.

        Raises:
            OverloadedError: too many such questions at once.
        """
        evidence = finding.evidence
        judged = Judged(
            finding.start_unix_nano,
            evidence.observed,
            evidence.expected,
            evidence.low,
            evidence.high,
            evidence.p_value,
            finding.head,
            to_seconds(evidence.end_unix_nano - evidence.start_unix_nano),
        )
        known = 0 <= evidence.series < len(self._pipeline.registry)
        bank = next((one for one in self._pipeline.banks if one.name == finding.detector), None)
        if not known or bank is None:
            return self._of_records(finding, judged)
        info = self._pipeline.registry.info(evidence.series)
        with _Turn(self._room):
            past = self._past(info, finding.start_unix_nano)
            judged = _with_interval(judged, past.interval_seconds)
            start = finding.start_unix_nano
            least = from_seconds(3 * past.interval_seconds)
            end = min(max(finding.end_unix_nano, start + least), start + _LONGEST_SLOT)
            slots = self._slots(past, judged, Window(start, max(end, start + least)))
        return explain(self._subject(info), judged, self._age(past, start, 1.0), slots)

    # ------------------------------------------------------------------------------------- series

    def _past(self, info: SeriesInfo, time_unix_nano: int) -> _Past:
        """The series up to the moment (and one interval more), judged by the first bank."""
        bank = build_banks(self._config)[0]
        lead = from_seconds(max(self._config.detect.history_days * 86_400.0, 86_400.0))
        window = Window(time_unix_nano - lead, time_unix_nano + from_seconds(3600))
        held = self._store.read_points(info.series, window, 1).samples
        if held > MAX_BAND_SAMPLES:
            lead = int(lead * MAX_BAND_SAMPLES / held)
            window = Window(time_unix_nano - lead, window.end_unix_nano)
        admitted = admit_alone(self._config, info, self._store.scan_series([info.series], window))
        times = admitted.batch.time_unix_nano
        interval = float(np.median(np.diff(times))) / 1e9 if len(times) > 1 else 60.0
        return _Past(info, admitted, bank.update(admitted), bank, max(interval, 1e-3))

    def _subject(self, info: SeriesInfo) -> Subject:
        trouble = self._pipeline.gate.trouble
        return Subject(
            text=info.text(),
            series=info.series,
            unit=wording.unit_of(info),
            most=info.greatest(),
            quality_ratio=trouble.quality(info.series),
            quality=tuple(verdict.name.lower() for verdict in trouble.seen(info.series)),
        )

    def _age(self, past: _Past, time_unix_nano: int, p_open: float = 0.0) -> ModelAge:
        times = past.admitted.batch.time_unix_nano
        before = int(np.searchsorted(times, time_unix_nano))
        detect = self._config.detect
        return ModelAge(
            detector=past.bank.name,
            version=past.bank.version,
            samples=before,
            since_unix_nano=int(times[0]) if before else time_unix_nano,
            relearn_samples=int(getattr(past.bank, "relearn_samples", 0)),
            p_open=p_open or detect.p_open,
            hold_samples=detect.hold_samples,
        )

    def _slots(self, past: _Past, judged: Judged, window: Window) -> list[PastSlot]:
        """The same time on earlier days."""
        lead = from_seconds(min(4 * past.interval_seconds, 3600.0))
        slots = []
        for days in DAYS_BEFORE:
            start, end = window.start_unix_nano - days * _DAY, window.end_unix_nano - days * _DAY
            raw = self._store.scan_series([past.info.series], Window(start - lead, end))
            admitted = admit_alone(self._config, past.info, raw)
            inside = (admitted.batch.time_unix_nano >= start) & np.isfinite(admitted.signal)
            slots.append(_slot(days, Window(start, end), admitted.signal[inside].tolist(), judged))
        return slots

    # ------------------------------------------------------------------------------------- records

    def _of_records(self, finding: Finding, judged: Judged) -> Explanation:
        """A finding over log records, or one of a detector that is no longer installed."""
        evidence = finding.evidence
        slots: list[PastSlot] = []
        levels = _SEVERITIES.get(finding.head)
        if evidence.signal == "log" and levels is not None:
            for days in DAYS_BEFORE:
                window = Window(evidence.start_unix_nano - days * _DAY, evidence.end_unix_nano - days * _DAY)
                asked = LogQuery(window, entity=finding.entity, min_severity=levels[0])
                counted = self._store.count_logs(asked, 1).count
                slots.append(_slot(days, window, [float(counted[:, slice(*levels)].sum())], judged))
        subject = Subject(evidence.query, evidence.series, evidence.unit)
        age = ModelAge(finding.detector, finding.model_version, 0, 0, 0, 1.0, 1)
        return explain(subject, judged, age, slots)


class _Turn:
    """A place among those that may ask now."""

    def __init__(self, room: threading.BoundedSemaphore) -> None:
        self._room = room

    def __enter__(self) -> None:
        if not self._room.acquire(timeout=_WAIT_SECONDS):
            raise OverloadedError("too many explanations are being worked out; ask again in a moment")

    def __exit__(self, *_: object) -> None:
        self._room.release()


def _judged(past: _Past, time_unix_nano: int) -> Judged:
    row = past.row(time_unix_nano)
    nothing = math.nan
    if row < 0:
        return Judged(time_unix_nano, nothing, nothing, nothing, nothing, nothing, "", past.interval_seconds)
    scores = past.scores
    observed = float(past.admitted.signal[row])
    return Judged(
        int(past.admitted.batch.time_unix_nano[row]),
        observed,
        float(scores.expected[row]),
        float(scores.low[row]),
        float(min(scores.high[row], max(past.info.greatest(), observed))),
        float(scores.alarm[row]),
        past.bank.heads[int(scores.head[row])],
        past.interval_seconds,
    )


def _with_interval(judged: Judged, interval_seconds: float) -> Judged:
    return replace(judged, interval_seconds=interval_seconds)


def _slot(days: int, window: Window, values: list[float], judged: Judged) -> PastSlot:
    mean = sum(values) / len(values) if values else math.nan
    return PastSlot(
        label=day_label(days),
        start_unix_nano=window.start_unix_nano,
        end_unix_nano=window.end_unix_nano,
        mean=mean,
        least=min(values, default=math.nan),
        greatest=max(values, default=math.nan),
        samples=len(values),
        inside=within(mean, judged),
    )

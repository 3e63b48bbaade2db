"""A host with a nightly job: ten series at a sample a minute, each with its own way to show the job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds

MINUTE, DAY = from_seconds(60), from_seconds(86_400)
# A Monday, 00:00 UTC.
START = 1_789_948_800 * 10**9
SERIES = 10
# Minutes that come at once.
BATCH = 5
# Night to minutes that the job runs, where it is not the usual thirty.
Lengths = dict[int, int]


@dataclass
class Seen:
    """What the pipeline said, newest state of each."""

    findings: dict[str, Finding] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)

    def take(self, outcome: Outcome) -> None:
        self.findings.update((f.finding_id, f) for f in outcome.findings)
        self.incidents.update((i.incident_id, i) for i in outcome.incidents)

    def opened(self, since: int, until: int = 2**62) -> list[Incident]:
        return [i for i in self.incidents.values() if since <= i.start_unix_nano < until]


class Host:
    """The host; `lengths` are the odd nights, `start_of` is when the job begins in a night."""

    def __init__(
        self,
        config: Config | None = None,
        lengths: Lengths | None = None,
        start_of: Callable[[int], int] | None = None,
        origin: int = START,
    ) -> None:
        self.registry = SeriesRegistry()
        self.pipeline = Pipeline(config or Config(), self.registry)
        self._random = np.random.default_rng(5)
        self._lengths = lengths or {}
        self._origin = origin
        self._start_of = start_of or (lambda night: origin + night * DAY + 120 * MINUTE)
        self.ids = [
            self.registry.intern(f"work_{n}_ratio", {"host": "batch-1"}, "agent", MetricKind.GAUGE)
            for n in range(SERIES)
        ]
        self.seen = Seen()

    def live(self, first_day: int, last_day: int, silent: Iterable[tuple[int, int]] = ()) -> Seen:
        """The days from the first up to, not including, the last one; `silent` are spans without samples."""
        spans = tuple(silent)
        ids = np.array(self.ids, np.uint32)
        for times, values in self._hours(first_day, last_day):
            keep = np.ones(len(times), bool)
            for start, end in spans:
                keep &= (times < start) | (times >= end)
            for rows in np.split(np.arange(len(times)), np.arange(BATCH, len(times), BATCH)):
                spoken = rows[keep[rows]]
                now = int(times[rows[-1]])
                if len(spoken):
                    batch = MetricBatch(
                        np.tile(ids, len(spoken)), np.repeat(times[spoken], SERIES), values[spoken].ravel()
                    )
                    admitted = self.pipeline.admit(batch, now).admitted
                    self.seen.take(self.pipeline.judge_metrics(admitted))
                self.seen.take(self.pipeline.advance(now))
        return self.seen

    def _hours(self, first: int, last: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for day in range(first, last):
            times = self._origin + day * DAY + MINUTE * np.arange(1440, dtype=np.int64)
            values = 0.2 + 0.02 * self._random.standard_normal((1440, SERIES))
            for night in (day - 1, day, day + 1):
                begin = self._start_of(night) + MINUTE * int(self._random.integers(0, 3))
                length = self._lengths.get(night, 30 + int(self._random.integers(-2, 3)))
                running = (times >= begin) & (times < begin + length * MINUTE)
                values[running] += 0.3 + 0.03 * np.arange(SERIES)
            yield times, np.clip(values, 0.0, 1.0)

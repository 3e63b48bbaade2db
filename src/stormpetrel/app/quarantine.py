"""What is kept apart: to look at, to let in, or to drop, with what letting it in would change."""

from __future__ import annotations

import numpy as np

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline, build_banks
from stormpetrel.app.points import admit_alone, lead_in
from stormpetrel.errors import NotFoundError
from stormpetrel.ingest.late import new_at_their_moment
from stormpetrel.model.quality import Quality, Quarantined
from stormpetrel.model.signal import MetricBatch, SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import QuarantineEntry, QuarantinePreview
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.store import TelemetryStore

# What a person may let in: the rest has no value (NaN), or contradicts a value that is stored.
RELEASABLE = frozenset(
    {
        Quality.OUT_OF_ORDER,
        Quality.FUTURE,
        Quality.TOO_OLD,
        Quality.KIND_CHANGED,
        Quality.UNIT_CHANGED,
        Quality.RESCALED,
        Quality.IMPLAUSIBLE,
    }
)
_LIMIT = 200_000  # samples looked at, at once
_P_STRANGE = 1e-4  # below it a sample counts as strange in the preview
_AHEAD = from_seconds(86_400.0)


class QuarantineDesk:
    """Reads and empties the quarantine of the store, series by series."""

    def __init__(self, config: Config, store: TelemetryStore, pipeline: Pipeline, clock: Clock) -> None:
        self._config = config
        self._store = store
        self._pipeline = pipeline
        self._clock = clock

    def _window(self) -> Window:
        now = self._clock.now_unix_nano()
        days = from_seconds(86_400.0 * self._config.store.quarantine_days)
        return Window(now - days, now + 365 * _AHEAD)

    def entries(self) -> list[QuarantineEntry]:
        """One a series and verdict, the largest first."""
        kept = self._store.read_quarantine(self._window(), _LIMIT)
        rows = np.flatnonzero(kept.batch.series < len(self._pipeline.registry))
        if not len(rows):
            return []
        batch, verdict = kept.batch.take(rows), kept.verdict[rows]
        order = np.lexsort((verdict, batch.series))
        batch, verdict = batch.take(order), verdict[order]
        # Anybody's new series may all stand here with a sample each: one pass over all, none a series.
        starts = np.flatnonzero(
            np.concatenate([[True], (np.diff(batch.series) != 0) | (np.diff(verdict) != 0)])
        )
        counts = np.diff(np.append(starts, len(verdict)))
        finite = np.where(np.isfinite(batch.value), batch.value, np.nan)
        columns = (
            batch.series[starts], verdict[starts], counts,
            np.minimum.reduceat(batch.time_unix_nano, starts),
            np.maximum.reduceat(batch.time_unix_nano, starts),
            np.fmin.reduceat(finite, starts), np.fmax.reduceat(finite, starts),
        )  # fmt: skip
        found = [
            QuarantineEntry(
                info=self._pipeline.registry.info(series),
                verdict=Quality(quality),
                samples=samples,
                first_unix_nano=first,
                last_unix_nano=last,
                least=least,
                greatest=greatest,
                releasable=Quality(quality) in RELEASABLE,
            )
            for series, quality, samples, first, last, least, greatest in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
        return sorted(found, key=lambda entry: (-entry.samples, entry.info.series, entry.verdict))

    def preview(self, series: int) -> QuarantinePreview:
        """A series as it is stored, what is kept apart of it, and what its model would make of both.

        Raises:
            NotFoundError: nothing of the series is kept apart.
        """
        info, apart = self._of(series)
        releasable = self._releasable(series, apart)
        times = apart.batch.time_unix_nano
        span = Window(int(times.min()), int(times.max()) + 1)
        wide = lead_in(self._config, Window(span.start_unix_nano, span.end_unix_nano + _AHEAD))
        stored = self._store.scan_series([series], wide)
        before, after = self._judged(info, stored), self._judged(info, _merged(stored, releasable))
        return QuarantinePreview(
            info=info,
            stored=stored,
            apart=apart.batch,
            verdicts=tuple(sorted({Quality(int(v)).name.lower() for v in apart.verdict})),
            released=len(releasable),
            level_before=before[0],
            level_after=after[0],
            strange_before=before[1],
            strange_after=after[1],
        )

    def release(self, series: int) -> int:
        """Let in what can be let in and forget the rest of the series; how many samples were let in.

        Where a moment already has a value, that value stays. They are stored, not judged: time goes forward.
        What the sender now says of the series (kind, unit, size) is right from here on.
        """
        token = f"release-{series}-{self._clock.now_unix_nano()}"
        self._pipeline.registry.release(series)
        self._pipeline.gate.release(series)
        let_in = 0
        while True:
            apart = self._store.read_quarantine(self._window(), _LIMIT, series)
            times = apart.batch.time_unix_nano
            if not len(times):
                return let_in
            batch = self._releasable(series, apart)
            if len(batch):
                self._store.insert_samples(batch, f"{token}-{let_in}")
            let_in += len(batch)
            # What was read and nothing else: there may be more than one look holds, or some that just came.
            self._store.drop_quarantine(Window(int(times.min()), int(times.max()) + 1), [series])
            if len(times) < _LIMIT:
                return let_in

    def drop(self, series: int) -> int:
        """Delete what is kept apart of a series; how many samples that were."""
        _, apart = self._of(series)
        self._store.drop_quarantine(self._window(), [series])
        return len(apart.batch)

    def _of(self, series: int) -> tuple[SeriesInfo, Quarantined]:
        apart = self._store.read_quarantine(self._window(), _LIMIT, series)
        if not len(apart.batch) or series >= len(self._pipeline.registry):
            raise NotFoundError(
                f"nothing of series {series} is kept apart; it may have been released already"
            )
        return self._pipeline.registry.info(series), apart

    def _releasable(self, series: int, apart: Quarantined) -> MetricBatch:
        """What of it can be let in: of a verdict that allows it, and at a moment that has no value yet."""
        allowed = np.isin(apart.verdict, [int(verdict) for verdict in RELEASABLE])
        batch = apart.batch.take(np.flatnonzero(allowed & np.isfinite(apart.batch.value)))
        if not len(batch):
            return batch
        batch = batch.take(np.argsort(batch.time_unix_nano, kind="stable"))
        span = Window(int(batch.time_unix_nano[0]), int(batch.time_unix_nano[-1]) + 1)
        return new_at_their_moment(batch, self._store.scan_series([series], span))

    def _judged(self, info: SeriesInfo, batch: MetricBatch) -> tuple[float, int]:
        """What the model expects at the end of these samples, and how many of them it finds strange."""
        admitted = admit_alone(self._config, info, batch)
        if not len(admitted.batch):
            return float("nan"), 0
        scores = build_banks(self._config)[0].update(admitted)
        return float(scores.expected[-1]), int(np.count_nonzero(scores.alarm <= _P_STRANGE))


def _merged(stored: MetricBatch, released: MetricBatch) -> MetricBatch:
    both = MetricBatch.concat([stored, released])
    return both.take(np.argsort(both.time_unix_nano, kind="stable"))

"""The robust bank: unlike views of every series, with calibrated p-values, a rank and an alarm head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.metrics import kernels, layout, mixture, mixture_layout, tail
from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import AdmittedMetrics
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import Snapshot

LENT = [
    mixture_layout.NORMAL_SCALE,
    mixture_layout.LEVEL_SCALE,
    mixture_layout.MOVE_SCALE,
    mixture_layout.FORECAST_SCALE,
    mixture_layout.CALM_SCALE,
]
_ARRAYS = ("state", "counts", "fits", "profile", "passes", "newest", "mixtures")


class RobustBank:
    """A detector bank for any numeric series: unlike views, each judged by its own past, and their mixture.

    Single heads, whose calibrated p-value is `Scores.p_value`:
        residual: distance to a robust level, or to level plus a daily profile where the profile has been
            seen twice and lowers the error; measured in the mean size of residuals of that sign.
        jump: change since the previous sample against the usual size of changes.
        level_shift: running mean of the residuals, against its usual size.
        far_level: distance to the mean of some two thousand samples, against its usual size.
        flatline: one value repeated for longer than ever before, in a series that varies.
        lasting: samples that each are only a little unusual, for longer in a row than ever before.

    Heads of the mixture (`mixture.py`), which gives `Scores.rank` and, with all others, `Scores.alarm`:
        season: distance to the daily profile.
        forecast: change that the last eight changes do not explain.
        spread: the errors of that forecast, larger than usual for some twenty samples.
        still: changes that do not vary, for longer than ever before: a line drawn by a dead source.
        drift: two long means apart, where no single sample is strange (`drift.py`).

    Works on gauges, rates and counts at intervals of a second to an hour; a series is judged after
    `warmup_samples`. Fails on anomalies of shape at a usual level and pace, and on seasons other than
    `season_seconds` (a week is seen as seven days). A lasting change stops being strange after some
    hundreds of samples: it is then the new normal.

    A scale is never below half a percent of the level or half the smallest step ever seen, so that a
    series that was constant does not cry at its first tiny move, while a ratio that sat at 0.01 and goes
    to 0.9 is far outside. A series that mostly rests at zero has no unit: how large a move is means little
    there, and only one that lasts is strange.

    Args:
        warmup_samples: samples of a series before its p-values are other than NaN; at least 20.
        season_seconds: length of the season learnt, cut into 96 slots; boundaries count from the epoch.
        without: views of the mixture to leave out, to measure what each is worth.

    Cost: under a microsecond a sample and core; `bytes_per_series` bytes a series, grown by doubling.
    """

    name = "robust"
    version = 5
    relearn_samples = int(layout.RELEARN)  # a change that lasts so long is the new normal
    heads: tuple[str, ...] = (
        "residual",
        "jump",
        "level_shift",
        "far_level",
        "flatline",
        "lasting",
        "season",
        "forecast",
        "spread",
        "still",
        "drift",
    )
    bytes_per_series = (
        8 * (layout.FIELDS + mixture_layout.FIELDS)
        + layout.SCORED_HEADS * (4 * tail.BINS + 8 * tail.FIT_FIELDS)
        + layout.SLOTS * 5
        + 8
    )

    def __init__(
        self, warmup_samples: int = 120, season_seconds: float = 86400.0, without: Sequence[str] = ()
    ) -> None:
        if warmup_samples < 20:
            raise ValueError(f"warmup_samples is {warmup_samples}; a series needs at least 20 to be judged")
        if not season_seconds > 0:
            raise ValueError(f"season_seconds is {season_seconds}; give a positive length")
        self._warmup = float(warmup_samples)
        self._season_nanos = from_seconds(season_seconds)
        unknown = set(without) - set(mixture_layout.VIEW_NAMES)
        if unknown:
            raise ValueError(
                f"no view is named {sorted(unknown)}; views: {', '.join(mixture_layout.VIEW_NAMES)}"
            )
        kept = np.array([name not in without for name in mixture_layout.VIEW_NAMES], np.float64)
        self.weights: NDArray[np.float64] = np.stack(
            (kept * mixture_layout.WEIGHT_OF_VIEW, kept * mixture_layout.WEIGHT_FOR_ALARM)
        )
        self._allocate(0)

    def _allocate(self, size: int) -> None:
        self.state: NDArray[np.float64] = np.zeros((size, layout.FIELDS))
        self.counts: NDArray[np.float32] = np.zeros((size, layout.SCORED_HEADS, tail.BINS), np.float32)
        self.fits: NDArray[np.float64] = np.zeros((size, layout.SCORED_HEADS, tail.FIT_FIELDS))
        self.profile: NDArray[np.float32] = np.zeros((size, layout.SLOTS), np.float32)
        self.passes: NDArray[np.uint8] = np.zeros((size, layout.SLOTS), np.uint8)
        self.mixtures: NDArray[np.float64] = np.zeros((size, mixture_layout.FIELDS))
        self.newest: NDArray[np.int64] = np.full(size, np.iinfo(np.int64).min)

    def _reserve(self, size: int) -> None:
        """Make room for series ids below `size`, by doubling."""
        held = len(self.newest)
        if size <= held:
            return
        grown = max(64, 1 << (size - 1).bit_length())
        for name in _ARRAYS:
            old = getattr(self, name)
            new = np.zeros((grown, *old.shape[1:]), old.dtype)
            new[:held] = old
            setattr(self, name, new)
        self.newest[held:] = np.iinfo(np.int64).min

    def update(self, admitted: AdmittedMetrics) -> Scores:
        """Judge, then learn, every row in order of arrival; O(rows)."""
        batch = admitted.batch
        n = len(batch)
        numbers = np.full((7, n), np.nan)
        head = np.zeros(n, np.uint8)
        if n:
            self._reserve(int(batch.series.max()) + 1)
            kernels.update(
                (batch.series, batch.time_unix_nano, admitted.signal, admitted.resumed),
                (
                    self.state,
                    self.counts,
                    self.fits,
                    self.profile,
                    self.passes,
                    self.newest,
                    self.mixtures,
                    self.weights,
                ),
                self._warmup,
                self._season_nanos,
                (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], head, numbers[5], numbers[6]),
            )
        return Scores(
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], head, numbers[5], numbers[6]
        )

    def warming_up(self) -> int:
        """How many series have been seen and are not judged yet."""
        seen = self.state[:, layout.N]
        return int(np.count_nonzero((seen > 0) & (seen < self._warmup)))

    def lend(self, lender: int, borrower: int) -> bool:
        """Give a new series the scales of one of its family, until its own are known; False where it cannot.

        The borrower keeps warming up: nothing is said earlier. But its rulers start where the family's are,
        as if it had been measured for `BORROWED` samples, so that a busy start does not blind it. Levels,
        seasons and records are its own. The lender must be warm and the borrower not yet seen.
        """
        self._reserve(max(lender, borrower) + 1)
        if self.state[lender, layout.N] < self._warmup or self.state[borrower, layout.N] > 0:
            return False
        self.mixtures[borrower, LENT] = self.mixtures[lender, LENT]
        self.mixtures[borrower, mixture_layout.BORROWED] = mixture_layout.BORROWED_FOR
        return True

    def samples_learnt(self, series: int) -> int:
        """How many samples of a series the model has learnt from: its age; 0 for one never seen."""
        return int(self.state[series, layout.N]) if series < len(self.state) else 0

    def snapshot(self) -> Snapshot:
        """Copies of all state arrays, with `version`."""
        arrays: dict[str, NDArray[np.generic]] = {name: getattr(self, name).copy() for name in _ARRAYS}
        arrays["version"] = np.array([self.version], np.int64)
        return arrays

    def restore(self, snapshot: Snapshot) -> None:
        """Take over a snapshot, also of versions 2 to 4; ValueError names the version or what misfits."""
        found = int(snapshot["version"][0]) if "version" in snapshot else None
        if found == 2 and "state" in snapshot:  # the version before the mixture: its rulers start anew
            fresh = np.zeros((len(snapshot["state"]), mixture_layout.FIELDS))
            snapshot = {**snapshot, "mixtures": mixture.inherit(snapshot["state"].astype(np.float64), fresh)}
        elif found == 3 and "mixtures" in snapshot:  # the version before the view of what lingers
            snapshot = {**snapshot, "mixtures": mixture.widened(snapshot["mixtures"].astype(np.float64))}
        elif found not in (4, self.version):
            raise ValueError(f"snapshot has version {found}, this bank is version {self.version}; learn anew")
        taken = {}
        for name in _ARRAYS:
            own = getattr(self, name)
            array = snapshot.get(name)
            if array is None or array.dtype != own.dtype or array.shape[1:] != own.shape[1:]:
                raise ValueError(f"array {name} of the version {found} snapshot is missing or misshapen")
            taken[name] = array.copy()
        if len({len(array) for array in taken.values()}) != 1:
            raise ValueError(f"the arrays of the version {found} snapshot differ in length")
        for name, array in taken.items():
            setattr(self, name, array)
        if found != self.version:  # they kept a least value of 0 at most: the last is the least known
            unknown = self.state[:, layout.LEAST] == 0.0
            self.state[unknown, layout.LEAST] = self.state[unknown, layout.PREV]

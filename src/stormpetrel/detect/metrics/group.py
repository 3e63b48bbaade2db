"""The group head: an entity's metrics judged together, with the members that make it strange.

The surprise of a group at one moment is the mean of its members' surprises (`-log` of their alarm
p-values) over the strangest quarter of them: one wild metric of forty is not a strange entity, ten
mildly strange ones are. Its tail and its record are learnt as those of a single series are; its rank is
the mean rank of the same share.

Works on groups of a few to some hundred metrics that are sampled together; members that are warming up or
missing are left out. Fails where a fault shows in one metric only: that series' own alarm tells it.
Cost: O(rows log members); `bytes_per_group` bytes a group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.detect.metrics.mixture import alarm_log_p
from stormpetrel.detect.metrics.mixture_layout import FIELDS
from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import MetricBatch

SHARE_OF_MEMBERS = 4  # the strangest one in so many members counts
MEMBERS_NAMED = 5
GAIN = 0.1  # of a unit of surprise, in the mixture's unit of excess
WARMUP = 120.0

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GroupScores:
    """One answer a group and moment, in the order of rows.

    Attributes:
        group: uint32[k], as given.
        time_unix_nano: int64[k].
        alarm: float64[k] in (0, 1], NaN while the group warms up: how often it looks at least this strange.
        rank: float64[k], mean rank of the strangest quarter of its members; NaN where none has one.
        members: int64[k, MEMBERS_NAMED], rows of the strangest members, strangest first, -1 where fewer.
    """

    group: NDArray[np.uint32]
    time_unix_nano: I64
    alarm: F64
    rank: F64
    members: I64


class GroupHead:
    """Judges groups of series from the scores of their members.

    State is one row a group, indexed by group id and grown by doubling; plain arrays, like a bank's.
    """

    name = "group"
    version = 2
    bytes_per_group = 8 * (FIELDS + 1)

    def __init__(self) -> None:
        self.state: F64 = np.zeros((0, FIELDS))
        self.seen: F64 = np.zeros(0)

    def update(self, group: NDArray[np.uint32], batch: MetricBatch, scores: Scores) -> GroupScores:
        """Judge every group at every moment of the batch.

        Args:
            group: uint32[n], the group of each row.
            batch, scores: the rows and the bank's answer; rows of one group and moment in one batch.
        """
        order = np.lexsort((np.arange(len(batch)), group, batch.time_unix_nano))
        times, groups = batch.time_unix_nano[order], group[order]
        starts = np.flatnonzero(
            np.concatenate(([True], (np.diff(times) != 0) | (np.diff(groups.astype(np.int64)) != 0)))[
                : len(order)
            ]
        )
        self._reserve(int(group.max()) + 1 if len(group) else 0)
        edges = np.append(starts, len(order)).astype(np.int64)
        out = (np.full(len(starts), np.nan), np.full(len(starts), np.nan))
        members = np.full((len(starts), MEMBERS_NAMED), -1, np.int64)
        judge_groups(
            (order.astype(np.int64), edges, groups),
            (scores.alarm, scores.rank),
            (self.state, self.seen),
            out,
            members,
        )
        return GroupScores(groups[starts], times[starts], out[0], out[1], members)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Copies of the state arrays, with `version`."""
        version = np.array([self.version], np.int64)
        return {"version": version, "state": self.state.copy(), "seen": self.seen.copy()}

    def restore(self, snapshot: dict[str, NDArray[np.generic]]) -> None:
        """Take over a snapshot; ValueError names the version or the array that does not fit."""
        found = int(snapshot["version"][0]) if "version" in snapshot else None
        if found != self.version:
            raise ValueError(f"snapshot has version {found}, the group head is version {self.version}")
        state, seen = np.array(snapshot["state"], np.float64), np.array(snapshot["seen"], np.float64)
        if state.ndim != 2 or state.shape[1] != FIELDS or len(state) != len(seen):
            raise ValueError(f"array state of the version {found} snapshot is misshapen")
        self.state, self.seen = state, seen

    def _reserve(self, size: int) -> None:
        held = len(self.seen)
        if size > held:
            grown = max(16, 1 << (size - 1).bit_length())
            state, seen = np.zeros((grown, FIELDS)), np.zeros(grown)
            state[:held], seen[:held] = self.state, self.seen
            self.state, self.seen = state, seen


@njit(cache=True, nogil=True, error_model="numpy")
def judge_groups(
    rows: tuple[I64, I64, NDArray[np.uint32]],
    columns: tuple[F64, F64],
    bank: tuple[F64, F64],
    out: tuple[F64, F64],
    named: I64,
) -> None:
    """Judge each stretch of rows. `rows`: row order, edges of stretches in it, group by place in the order;
    `columns`: alarm and rank of the members, by row; `bank`: state and moments seen; `out`: alarm, rank."""
    order, edges, groups = rows
    alarm, rank = columns
    state, seen = bank
    for k in range(len(edges) - 1):
        mine = order[edges[k] : edges[k + 1]]
        g = groups[edges[k]]
        surprise = np.zeros(len(mine))
        known = 0
        for j in range(len(mine)):
            if math.isfinite(alarm[mine[j]]):
                surprise[j] = -math.log(alarm[mine[j]])
                known += 1
        if known == 0:
            continue
        strangest = np.argsort(-surprise, kind="mergesort")
        for j in range(min(named.shape[1], len(mine))):
            if surprise[strangest[j]] > 0.0:
                named[k, j] = mine[strangest[j]]
        out[1][k] = mean_of_top(rank[mine])
        log_p = alarm_log_p(state[g], seen[g], GAIN * mean_of_top(surprise))
        seen[g] += 1.0
        if seen[g] > WARMUP:
            out[0][k] = math.exp(max(log_p, -600.0))


@njit(cache=True, nogil=True, error_model="numpy")
def mean_of_top(values: F64) -> float:
    """Mean of the largest quarter (at least one) of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return math.nan
    count = max(1, len(finite) // SHARE_OF_MEMBERS)
    return float(np.sort(finite)[len(finite) - count :].mean())

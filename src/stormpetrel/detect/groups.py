"""Entities as a whole: told when many metrics of one are a little strange together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from scipy.special import gammaincc

from stormpetrel.detect import wording
from stormpetrel.model.finding import (
    MODEL_SAMPLES,
    Evidence,
    Finding,
    FindingState,
    Scores,
    Severity,
    closed_unheard,
)
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import MetricBatch, SeriesInfo
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.algorithms import Snapshot

STATE_VERSION = 2
# A member is strange from here on; so many must be, or one that stands out would be told twice.
STRANGE, LEAST_STRANGE, LEAST_MEMBERS = 0.01, 3, 4
MOST_ALONE = 7.0  # of surprise, a p-value of about one in a thousand
_WARMUP, _MEMORY = 120.0, 5760.0  # steps: half an hour, a day
_NO_LESSON = 1e-3  # what is rarer does not teach what is usual
# Mean surprise of a member whose p-values are exact. Most are not: a calm series says 1 nearly always, and
# a sum of such is judged as if they were. From the small mean it really has, a gamma distribution would
# take ten members at one in a thousand for next to nothing: its tail ends with the variance by the mean.
_EXACT = 1.0
# What was told n times lately has to be n + 1 times as strange: metrics that leave their level together
# every night are no news, and nor is the night on which they do not.
_RECORD = from_seconds(7 * 86_400)
_MEAN, _VARIANCE, _SEEN, _TOLD, _FIELDS = 0, 1, 2, 3, 4
_NAMED = 5
_SILENT = from_seconds(86_400)


@dataclass(slots=True)
class _Group:
    entity: str
    far_since: int = 0  # Unix nanoseconds, 0: it is not far out
    calm_since: int = 0
    found: Finding | None = None


class GroupWatch:
    """Judges each root entity from the newest scores of its metrics, on a grid of event time.

    Ten metrics that are each as strange as once in a hundred samples open nothing alone; together they are
    news. Every `step_seconds` the members' newest alarm p-values (none older than `fresh_seconds`) give a
    sum of surprises (`-log p`, each at most `MOST_ALONE`: one wild metric is no strange entity). Mean and
    variance of that sum a member are learnt for each entity, so that metrics that always move together
    count for less, and a gamma distribution of these moments (of the mean of exact p-values where it is
    below) says how rare a sum is. A finding opens when
    that is rarer than all groups together may be false `false_per_day` times, for `hold` nanoseconds, with
    three strange members at least; it closes when it was ordinary for `calm`. It names the members. What
    was told of an entity lately counts against telling it again.

    The series of one metric (the buckets of a histogram, a processor's modes) count as one member, with
    their mean: they say one thing.

    Works on entities with four metrics and more that are sampled about equally often; a group is silent for
    its first half hour. Fails where a fault shows in one metric only: that series tells it. Cost: O(series)
    every step. Bounds: groups of more than `max_members` metrics are judged by their first ones.

    Reference: Brown, *A Method for Combining Non-Independent, One-Sided Tests of Significance* (Biometrics
    1975); here the moments are measured and not derived.
    """

    name = "group"

    def __init__(
        self,
        describe: Callable[[int], SeriesInfo],
        step_seconds: float = 15.0,
        fresh_seconds: float = 120.0,
        false_per_day: float = 0.5,
        max_members: int = 500,
    ) -> None:
        self._describe = describe
        self._step, self._fresh = from_seconds(step_seconds), from_seconds(fresh_seconds)
        self._false_per_day, self._max_members = false_per_day, max_members
        self.hold, self.calm = 3 * self._step, 7 * self._step
        self._moments: NDArray[np.float64] = np.zeros((0, _FIELDS))
        self._groups: list[_Group] = []
        self._by_entity: dict[str, int] = {}
        self._sizes: list[int] = []
        self._units: dict[tuple[int, str], int] = {}
        self._group_of_unit: list[int] = []
        self._unit_of: NDArray[np.int64] = np.zeros(0, np.int64)
        self._alarm: NDArray[np.float64] = np.zeros(0)
        self._time: NDArray[np.int64] = np.zeros(0, np.int64)
        self._next = self._judged_to = 0

    @property
    def p_open(self) -> float:
        """The p-value at which a finding of a lone group opens."""
        return self._false_per_day * to_seconds(self._step) / 86_400.0

    def meet(self, new: Sequence[SeriesInfo]) -> None:
        """Put new series into their groups."""
        for info in new:
            self._reserve(info.series + 1)
            group = self._number(root_of(info.entity))
            self._sizes[group] += 1
            if self._sizes[group] <= self._max_members:
                key = (group, family_of(info.metric))
                unit = self._units.setdefault(key, len(self._group_of_unit))
                if unit == len(self._group_of_unit):
                    self._group_of_unit.append(group)
                self._unit_of[info.series] = unit

    def _number(self, entity: str) -> int:
        """The number of a group, new or known."""
        group = self._by_entity.get(entity)
        if group is None:
            group = self._by_entity[entity] = len(self._groups)
            self._groups.append(_Group(entity))
            self._sizes.append(0)
        return group

    def take(self, batch: MetricBatch, scores: Scores) -> None:
        """Remember the newest score of each series; O(rows)."""
        if not len(batch):
            return
        self._reserve(int(batch.series.max()) + 1)
        self._alarm[batch.series] = scores.alarm  # of several rows of a series the last one stays
        self._time[batch.series] = batch.time_unix_nano

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Judge all groups when a step has passed."""
        if now_unix_nano < self._next:
            return []
        tick = now_unix_nano // self._step * self._step
        passed = tick + self._step - self._next if self._next else 0
        self._moments[:, _TOLD] *= np.exp(-max(passed, 0) / _RECORD)
        self._next = tick + self._step
        rows = np.flatnonzero(
            (self._unit_of >= 0) & (self._time > tick - self._fresh) & np.isfinite(self._alarm)
        )
        group_of_unit = np.array(self._group_of_unit, np.int64)
        # A step in which no member of a group spoke is the step before once more.
        spoke = np.zeros(len(self._groups), np.bool_)
        spoke[group_of_unit[self._unit_of[rows[self._time[rows] > self._judged_to]]]] = True
        rows = rows[spoke[group_of_unit[self._unit_of[rows]]]]
        if not len(rows):
            return self._silent(tick)
        self._judged_to = int(self._time[rows].max())
        held, surprise = self._of_units(rows)
        group = group_of_unit[held]
        members = np.bincount(group, minlength=len(self._groups))
        p = self._judge(group, surprise, members)
        strange = np.bincount(group[surprise >= -np.log(STRANGE)], minlength=len(self._groups))
        return self._findings(p, (group_of_unit[self._unit_of[rows]], rows), (strange, members), tick)

    def _of_units(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Units that speak, and the mean surprise of the series of each."""
        alone = np.minimum(-np.log(np.maximum(self._alarm[rows], 1e-300)), MOST_ALONE)
        unit, size = self._unit_of[rows], len(self._group_of_unit)
        many = np.bincount(unit, minlength=size)
        held = np.flatnonzero(many)
        return held, np.bincount(unit, alone, minlength=size)[held] / many[held]

    def _judge(
        self, group: NDArray[np.int64], surprise: NDArray[np.float64], members: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """How rare each group's sum of surprises is, NaN where nothing can be said; then learn from it."""
        size = len(self._groups)
        if len(self._moments) < size:
            more = np.zeros((max(16, 2 * size) - len(self._moments), _FIELDS))
            self._moments = np.concatenate([self._moments, more])
        count = np.maximum(members, 1)
        mean_now = np.bincount(group, surprise, minlength=size) / count
        moments = self._moments[:size]
        mean = np.maximum(moments[:, _MEAN], _EXACT)
        # Of independent members the variance of the mean is one over their number: never taken for less.
        variance = np.maximum(moments[:, _VARIANCE], 1.0 / count)
        p: NDArray[np.float64] = gammaincc(mean**2 / variance, mean_now * mean / variance)
        known = members >= LEAST_MEMBERS
        self._learn(known, mean_now, p)
        p = np.maximum(p, 1e-300) ** (1.0 / (1.0 + moments[:, _TOLD]))
        p[~known | (moments[:, _SEEN] <= _WARMUP)] = np.nan
        return p

    def _learn(self, known: NDArray[np.bool_], mean_now: NDArray[np.float64], p: NDArray[np.float64]) -> None:
        moments = self._moments[: len(known)]
        young = moments[:, _SEEN] <= _WARMUP
        taught = known & (young | (p > _NO_LESSON))
        moments[taught, _SEEN] += 1.0
        rate = 1.0 / np.minimum(moments[taught, _SEEN], _MEMORY)
        off = mean_now[taught] - moments[taught, _MEAN]
        moments[taught, _MEAN] += rate * off
        moments[taught, _VARIANCE] += rate * (off * off * (1.0 - rate) - moments[taught, _VARIANCE])

    def _findings(
        self,
        p_values: NDArray[np.float64],
        judged: tuple[NDArray[np.int64], NDArray[np.int64]],
        counts: tuple[NDArray[np.intp], NDArray[np.intp]],
        tick: int,
    ) -> list[Finding]:
        told = np.flatnonzero(np.isfinite(p_values))
        threshold = self.p_open / max(len(told), 1)
        changes: list[Finding] = []
        for number in told.tolist():
            group, p = self._groups[number], float(p_values[number])
            far = p <= threshold and counts[0][number] >= LEAST_STRANGE
            group.far_since = (group.far_since or tick) if far else 0
            if group.found is None:
                if far and tick - group.far_since >= self.hold:
                    size = (int(counts[0][number]), int(counts[1][number]))
                    group.found = self._finding(group, self._strangest(number, judged), size, p, tick)
                    group.calm_since = 0
                    changes.append(group.found)
                continue
            if p <= 100 * threshold:
                group.calm_since = 0
                group.found = replace(group.found, end_unix_nano=tick)
                continue
            group.calm_since = group.calm_since or tick
            if tick - group.calm_since >= self.calm:
                self._moments[number, _TOLD] += 1.0  # now, for it is not its own precedent
                changes.append(replace(group.found, state=FindingState.CLOSED))
                group.found = None
        return changes + self._silent(tick)

    def _silent(self, tick: int) -> list[Finding]:
        """Findings of entities of which nothing was heard for a day: closed as unknown."""
        changes = []
        for group in self._groups:
            if group.found is not None and tick - group.found.end_unix_nano > _SILENT:
                why = "Nothing heard since: closed as unknown, not as recovered."
                changes.append(closed_unheard(group.found, group.found.end_unix_nano, why))
                group.found = None
        return changes

    def _strangest(self, number: int, judged: tuple[NDArray[np.int64], NDArray[np.int64]]) -> list[int]:
        """The series of a group that make it strange, strangest first."""
        group, rows = judged
        mine = rows[group == number]
        order = mine[np.argsort(self._alarm[mine], kind="stable")]
        named: list[int] = order[self._alarm[order] <= STRANGE][:_NAMED].tolist()
        return named

    def _finding(
        self, group: _Group, named: Sequence[int], counts: tuple[int, int], p: float, tick: int
    ) -> Finding:
        strange, members = counts
        start = group.far_since
        infos = [self._describe(series) for series in named]
        names = ", ".join(wording.plain_name(info.metric) for info in infos[:3])
        rare = wording.rarity(p, to_seconds(self._step))
        listed = "; ".join(
            f"{info.text()} ({self._alarm[series]:.1g})" for info, series in zip(infos, named, strict=True)
        )
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{self.name}\0{group.entity}\0{start}".encode()),
            detector=self.name,
            model_version=STATE_VERSION,
            head="group",
            entity=group.entity,
            title=f"{strange} metrics are strange together: {names}",
            why=f"{strange} of {members} metrics of {group.entity} are strange at once, though none of them"
            f" need be so alone: {rare}. Strangest first, with how rare each is: {listed}.",
            severity=Severity.WARNING,
            state=FindingState.OPEN,
            start_unix_nano=start,
            end_unix_nano=tick,
            evidence=Evidence(
                "metric", f'entity="{group.entity}"', -1, start, tick, float(strange),
                members * STRANGE, 0.0, float(LEAST_STRANGE), p, "metrics",
            ),
            attributes={
                "series": " ".join(map(str, named)),
                MODEL_SAMPLES: str(int(self._moments[self._by_entity[group.entity], _SEEN]) * members),
            },
        )  # fmt: skip

    def _reserve(self, size: int) -> None:
        held = len(self._alarm)
        if size <= held:
            return
        more = max(64, 1 << (size - 1).bit_length()) - held
        self._unit_of = np.concatenate([self._unit_of, np.full(more, -1, np.int64)])
        self._alarm = np.concatenate([self._alarm, np.full(more, np.nan)])
        self._time = np.concatenate([self._time, np.zeros(more, np.int64)])

    # State ------------------------------------------------------------------------------------------

    def snapshot(self) -> tuple[Snapshot, dict[str, Any]]:
        """What each group has learnt, by the names of the entities."""
        kept = [k for k, group in enumerate(self._groups) if self._sizes[k] or group.found is not None]
        moments = np.zeros((len(kept), _FIELDS))
        held = np.array([k for k in kept if k < len(self._moments)], np.int64)
        moments[: len(held)] = self._moments[held]
        arrays: dict[str, NDArray[np.generic]] = {
            "version": np.array([STATE_VERSION], np.int64),
            "next": np.array([self._next], np.int64),
            "moments": moments,
        }
        return arrays, {"entities": [self._groups[k].entity for k in kept]}

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        """Take over a snapshot; ValueError names what does not fit. Groups are found again by name."""
        version = int(snapshot["version"][0])
        if version != STATE_VERSION:
            raise ValueError(f"{self.name} state has version {version}, this program reads {STATE_VERSION}")
        saved = np.array(snapshot["moments"], np.float64)
        names = [str(one) for one in notes["entities"]]
        if saved.shape != (len(names), _FIELDS):
            raise ValueError(f"{self.name} state is misshapen: {saved.shape} for {len(names)} entities")
        for entity in names:
            self._number(entity)
        moments = np.zeros((len(self._groups), _FIELDS))
        for entity, row in zip(names, saved, strict=True):
            moments[self._by_entity[entity]] = row
        self._moments, self._next = moments, int(snapshot["next"][0])
        for finding in open_findings:
            self._groups[self._number(finding.entity)].found = finding

    @property
    def open_findings(self) -> list[Finding]:
        """Findings that are open now."""
        return [group.found for group in self._groups if group.found is not None]


def family_of(metric: str) -> str:
    """The metric that a series is a part of.

    >>> family_of("http_seconds_bucket"), family_of("http_seconds:p99"), family_of("up")
    ('http_seconds', 'http_seconds', 'up')
    """
    name = metric.partition(":")[0]
    for suffix in ("_bucket", "_sum", "_count", "_total"):
        name = name.removesuffix(suffix)
    return name

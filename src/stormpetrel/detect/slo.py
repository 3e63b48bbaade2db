"""Objectives: how fast their error budget burns, by several windows at several rates.

The alerts are those of the *Site Reliability Workbook* (Google 2018, chapter 5): a burn rate over a long
window says how much of the budget is gone, the same rate over a twelfth of it (at two slow rates: a
twenty-fourth) says that it still burns. What is added: nothing is concluded from a handful of requests, and
time of which nothing is known neither burns nor recovers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from stormpetrel.detect.slo_count import ERRORS, GOOD, MINUTE_NANOS, TOTAL, Increments, Sum, TrialCounts
from stormpetrel.detect.slo_finding import NAME, Burn, opened
from stormpetrel.detect.slo_objective import BURN_ALERTS, BurnAlert, Objective
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.signal import AdmittedMetrics, MetricKind, SeriesInfo

# How often the pattern of failures would be seen if the budget burnt at half the alert's rate; an alert
# needs less than this.
P_EVIDENCE = 1e-3
# A minute is judged this long after it ended: its scrapes and requests may come a little late.
_SETTLE_NANOS = 15_000_000_000
_TOLD_MINUTES = 3


@dataclass(slots=True)
class _State:
    objective: Objective
    counts: TrialCounts
    increments: Increments
    roles: NDArray[np.uint8]  # by series id, a bit for each role: one series may be in total and in errors
    firing: dict[float, Finding]
    entities: set[str]
    first_series: int = -1
    learnt_until: int = 0  # samples up to here were in the counts before a restart
    newest: int = 0
    judged: int = -1


class SloWatch:
    """Counts what good and bad there was, and tells when an objective's budget burns too fast.

    Args:
        objectives: at most a hundred or so; each costs O(its rows), and 20 microseconds a minute.
    """

    def __init__(self, objectives: Iterable[Objective]) -> None:
        self._all = [
            _State(
                one,
                TrialCounts(one.window_days, _roles(one)),
                Increments(),
                np.zeros(0, np.uint8),
                {},
                set(),
            )
            for one in objectives
        ]
        self._counters: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def see(self, infos: Iterable[SeriesInfo]) -> None:
        """Series not seen before: whose are they?"""
        if not self._all:
            return
        for info in infos:
            if info.series >= len(self._counters):
                self._grow(info.series + 1)
            self._counters[info.series] = info.kind is not MetricKind.DELTA
            for state in self._all:
                for role, selector in state.objective.selectors.items():
                    if selector.selects(info):
                        state.roles[info.series] |= 1 << role
                        state.entities.add(info.entity)
                        state.first_series = info.series if state.first_series < 0 else state.first_series

    def learn(self, admitted: AdmittedMetrics) -> None:
        """Count what these samples say; O(rows)."""
        series = admitted.batch.series
        if not self._all or not len(series):
            return
        if int(series.max()) >= len(self._counters):
            self._grow(int(series.max()) + 1)
        for state in self._all:
            rows = np.flatnonzero(state.roles[series])
            if len(rows):
                self._count(state, admitted, rows)

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Judge what is complete at `now`: finding changes, by objective, fastest burn first."""
        end = (now_unix_nano - _SETTLE_NANOS) // MINUTE_NANOS
        changes: list[Finding] = []
        for state in self._all:
            if end != state.judged and state.counts.newest_minute >= 0:
                state.judged = end
                for alert in BURN_ALERTS:
                    changes += self._judge(state, alert, end)
        return changes

    def statuses(self) -> list[tuple[Objective, Sum, NDArray[np.float64], list[Finding]]]:
        """Each objective with the trials of its window, its hours, and the alerts that fire."""
        told = []
        for state in self._all:
            hours = state.counts.hours(round(state.objective.window_days * 24))
            whole = Sum(
                float(hours[:, 0].sum()),
                float(hours[:, 1].sum()),
                int((hours[:, 0] > 0).sum()) * 60,
                len(hours) * 60,
            )
            told.append((state.objective, whole, hours, list(state.firing.values())))
        return told

    def newest_minute(self, name: str) -> int:
        """The newest minute an objective heard of, since the epoch; -1 when there is none."""
        return next((s.counts.newest_minute for s in self._all if s.objective.name == name), -1)

    def snapshot(self) -> dict[str, dict[str, NDArray[np.generic]]]:
        """Counts by objective, with `until`: samples up to there are in them."""
        return {
            state.objective.name: {
                **state.counts.snapshot(),
                "until": np.array([max(state.newest, state.learnt_until)], np.int64),
            }
            for state in self._all
        }

    def restore(self, name: str, snapshot: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over the counts of one objective; ValueError when its window was changed."""
        for state in self._all:
            if state.objective.name == name:
                state.counts.restore(snapshot)
                state.learnt_until = int(snapshot["until"][0])

    def take_over(self, finding: Finding) -> bool:
        """Let an alert from before a restart go on until it is seen to end; whether it is one of these."""
        about = finding.attributes or {}
        if finding.detector != NAME or finding.state is not FindingState.OPEN:
            return False
        for state in self._all:
            if state.objective.name == about.get("slo"):
                state.firing[float(about["burn"])] = finding
                return True
        return False

    # ------------------------------------------------------------------------------------ inside

    def _count(self, state: _State, admitted: AdmittedMetrics, rows: NDArray[np.int64]) -> None:
        batch = admitted.batch
        if state.objective.threshold_seconds:
            rows = rows[np.isfinite(batch.value[rows])]
            counts = np.ones(len(rows))
        else:
            rows, counts = state.increments.of(admitted, rows, self._counters)
        if not len(rows):
            return
        times = batch.time_unix_nano[rows]
        state.newest = max(state.newest, int(times.max()))
        new = times > state.learnt_until
        rows, minutes, counts = rows[new], times[new] // MINUTE_NANOS, counts[new]
        roles = state.roles[batch.series[rows]]
        for role in (TOTAL, GOOD, ERRORS):
            of_role = (roles & (1 << role)) > 0
            state.counts.add(minutes[of_role], np.full(int(of_role.sum()), role, np.uint8), counts[of_role])
        if state.objective.threshold_seconds:
            late = batch.value[rows] > state.objective.threshold_seconds
            state.counts.add(minutes[late], np.full(int(late.sum()), ERRORS, np.uint8), counts[late])

    def _judge(self, state: _State, alert: BurnAlert, end: int) -> list[Finding]:
        long = state.counts.sum(end, alert.long_minutes)
        short = state.counts.sum(end, alert.short_minutes)
        bound = alert.rate * state.objective.allowed
        known = state.firing.get(alert.rate)
        if known is None:
            # What is unknown has not burnt: the share of the long window that is known counts.
            burnt = long.ratio * long.known / long.minutes
            if not (burnt >= bound and short.ratio >= bound and evident(long, bound, state.objective)):
                return []
            burn = Burn(state.objective, alert, long, short, p_of(long, bound))
            finding = opened(burn, end, state.entities, state.first_series)
            state.firing[alert.rate] = finding
            return [finding]
        moment = end * MINUTE_NANOS
        if short.ratio < bound or long.ratio < bound:  # NaN, unknown, is neither
            del state.firing[alert.rate]
            return [replace(known, state=FindingState.CLOSED, end_unix_nano=moment)]
        if short.total <= 0:
            return []
        state.firing[alert.rate] = updated = replace(known, end_unix_nano=moment)
        # Told now and then, so that alerts of other windows that follow find the same incident.
        return [updated] if end % _TOLD_MINUTES == 0 else []

    def _grow(self, size: int) -> None:
        room = max(64, 1 << (size - 1).bit_length())
        counters = np.zeros(room, np.bool_)
        counters[: len(self._counters)] = self._counters
        self._counters = counters
        for state in self._all:
            roles = np.zeros(room, np.uint8)
            roles[: len(state.roles)] = state.roles
            state.roles = roles


def p_of(trials: Sum, bound: float) -> float:
    """How often at least so many would fail if the budget burnt at half the alert's rate (binomial tail)."""
    if trials.errors <= 0:
        return 1.0
    return float(betainc(trials.errors, trials.total - trials.errors + 1.0, min(1.0, bound / 2.0)))


def evident(trials: Sum, bound: float, objective: Objective) -> bool:
    """Whether the failures are enough, in number and against chance, to conclude anything."""
    return trials.errors >= objective.least_failures and p_of(trials, bound) <= P_EVIDENCE


def _roles(objective: Objective) -> frozenset[int]:
    """A latency is told as all and those above."""
    if objective.threshold_seconds:
        return frozenset({TOTAL, ERRORS})
    return frozenset(role for role in (TOTAL, GOOD, ERRORS) if role in objective.selectors)

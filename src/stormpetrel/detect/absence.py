"""Staleness: series that fell silent, told once per entity and source, at the lowest rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xxhash
from numpy.typing import NDArray

from stormpetrel.detect import wording
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity, closed_unheard
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_iso

NAME, VERSION, HEAD = "absence", 1, "silent"
Group = tuple[str, str]  # entity, source


@dataclass(slots=True)
class _Silence:
    """The silent series of one group now, with the finding that says so."""

    finding: Finding
    series: int


class AbsenceWatch:
    """Reports series that are silent for longer than `factor` times their usual interval.

    All silent series of one entity and source are one INFO finding, which grows and shrinks, and closes
    when all of them speak again. Silence is unknown, not trouble: what a down host *means* is for others
    to say. A series silent for longer than `forget_seconds` is no longer expected (containers come and
    go); a group of which only such series are left closes with that reason.

    Fails on series that speak irregularly: their usual interval is a mean. Cost: O(series) NumPy for each
    `advance`, Python only for groups whose number of silent series changed.

    Args:
        describe: what is known of a series id.
        factor: intervals of silence that are strange.
        least_seconds: silence shorter than this is never told.
        forget_seconds: silence after which a series is not expected any more.
        max_groups: groups reported at a time; the rest waits.
    """

    def __init__(
        self,
        describe: Callable[[int], SeriesInfo],
        factor: float = 5.0,
        least_seconds: float = 30.0,
        forget_seconds: float = 86_400.0,
        max_groups: int = 1000,
    ) -> None:
        self._describe = describe
        self._factor = factor
        self._least = from_seconds(least_seconds)
        self._forget = from_seconds(forget_seconds)
        self._max_groups = max_groups
        self._groups: dict[Group, _Silence] = {}
        self._silent: frozenset[int] = frozenset()

    def advance(
        self, now_unix_nano: int, last_times: NDArray[np.int64], interval_seconds: NDArray[np.float64]
    ) -> list[Finding]:
        """Finding changes at `now`.

        Args:
            now_unix_nano: the present.
            last_times: int64[n] by series id, time of the newest sample, 0 where there is none.
            interval_seconds: float64[n] by series id, usual interval, NaN where unknown.
        """
        quiet = now_unix_nano - last_times
        known = (last_times > 0) & np.isfinite(interval_seconds)
        bound = np.where(known, self._factor * 1e9 * np.nan_to_num(interval_seconds), np.inf)
        silent = known & (quiet > np.maximum(bound, self._least)) & (quiet <= self._forget)
        ids = frozenset(np.flatnonzero(silent).tolist())
        if ids == self._silent:
            return []
        self._silent = ids
        grouped: dict[Group, list[int]] = {}
        for series in sorted(ids):
            info = self._describe(series)
            grouped.setdefault((info.entity, info.source), []).append(series)
        return self._changes(grouped, now_unix_nano, last_times, interval_seconds)

    def _changes(
        self,
        grouped: dict[Group, list[int]],
        now: int,
        last_times: NDArray[np.int64],
        interval_seconds: NDArray[np.float64],
    ) -> list[Finding]:
        changes = []
        for group in sorted(self._groups.keys() - grouped.keys()):
            gone = self._groups.pop(group)
            last = int(last_times[gone.series])
            changes.append(_closed(gone.finding, now, last if now - last > self._forget else 0))
        for group in sorted(grouped):
            members = grouped[group]
            before = self._groups.get(group)
            if before is None and len(self._groups) >= self._max_groups:
                continue
            start = int(last_times[members].min()) if before is None else before.finding.start_unix_nano
            finding = self._finding(group, members, (start, now), interval_seconds)
            if before is None or before.finding.why != finding.why:
                self._groups[group] = _Silence(finding, members[0])
                changes.append(finding)
        return changes

    def _finding(
        self, group: Group, members: list[int], span: tuple[int, int], interval_seconds: NDArray[np.float64]
    ) -> Finding:
        entity, source = group
        start, now = span
        first = self._describe(members[0])
        usual = float(np.median(interval_seconds[members]))
        which = first.text() if len(members) == 1 else f"{len(members)} series such as {first.text()}"
        evidence = Evidence(
            signal="metric",
            query=first.text(),
            series=members[0],
            start_unix_nano=start,
            end_unix_nano=now,
            observed=float(len(members)),
            expected=0.0,
            low=0.0,
            high=0.0,
            p_value=1.0,
            unit="series",
        )
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{NAME}\0{entity}\0{source}\0{start}".encode()),
            detector=NAME,
            model_version=VERSION,
            head=HEAD,
            entity=entity,
            title=f"no data from {source}",
            why=f"{which} from {source} gave no usable value since {to_iso(start)};"
            f" usually one comes every {wording.duration(usual).removeprefix('a ')}. The state is unknown.",
            severity=Severity.INFO,
            state=FindingState.OPEN,
            start_unix_nano=start,
            end_unix_nano=now,
            evidence=evidence,
        )


def _closed(finding: Finding, now: int, forgotten_since: int) -> Finding:
    """`forgotten_since`: the last sample of what is no longer expected; 0: data came again."""
    ended = replace(finding, end_unix_nano=now, evidence=replace(finding.evidence, end_unix_nano=now))
    if forgotten_since:
        return closed_unheard(ended, forgotten_since, "They are no longer expected.")
    why = f"{finding.why} Data came again by {to_iso(now)}."
    return replace(ended, state=FindingState.CLOSED, why=why)

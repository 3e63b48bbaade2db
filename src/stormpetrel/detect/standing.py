"""Findings of rules: opened once, followed while they hold, closed when they are over.

A rule knows when something holds and says so in its own words (`Claim`); what a finding's life is like is the
same for all of them, and stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity, closed_unheard
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo


class SeriesRule(Protocol):
    """A rule over samples. Deterministic, in event time; bounded; says nothing of what it does not know."""

    def meet(self, new: Iterable[SeriesInfo]) -> None:
        """Series that were not there before."""
        ...

    def update(self, admitted: AdmittedMetrics) -> list[Finding]:
        """Finding changes of these samples, in their order."""
        ...

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Time has reached `now`: what has fallen silent is not known to hold."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """What a rule says of one thing.

    Attributes:
        entity, title, why, severity, evidence, attributes: see `Finding`.
        since_unix_nano: since when it holds.
        name: what tells it from others of its key, part of the finding's id; "": since when it holds.
    """

    entity: str
    title: str
    why: str
    severity: Severity
    since_unix_nano: int
    evidence: Evidence
    attributes: tuple[tuple[str, str], ...] = ()
    name: str = ""


class Standing:
    """The findings of one rule that stand, by the rule's own keys.

    Args:
        detector: the rule's name, also its head.
        version: of the rule.
    """

    def __init__(self, detector: str, version: int = 1) -> None:
        self._detector, self._version = detector, version
        self._open: dict[str, Finding] = {}

    def __len__(self) -> int:
        """How many stand."""
        return len(self._open)

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def standing(self) -> Sequence[str]:
        """The keys of what stands, oldest first."""
        return tuple(self._open)

    def hold(self, key: str, claim: Claim, now_unix_nano: int) -> list[Finding]:
        """It holds, now too: the finding when it is new or has become worse, else nothing is told."""
        known = self._open.get(key)
        if known is None:
            text = f"{self._detector}\0{key}\0{claim.name or claim.since_unix_nano}"
            found = Finding(
                finding_id=xxhash.xxh128_hexdigest(text.encode()),
                detector=self._detector,
                model_version=self._version,
                head=self._detector,
                entity=claim.entity,
                title=claim.title,
                why=claim.why,
                severity=claim.severity,
                state=FindingState.OPEN,
                start_unix_nano=claim.since_unix_nano,
                end_unix_nano=now_unix_nano,
                evidence=claim.evidence,
                attributes=dict(claim.attributes) or None,
            )
        elif claim.severity > known.severity:
            found = replace(
                known,
                title=claim.title,
                why=claim.why,
                severity=claim.severity,
                end_unix_nano=now_unix_nano,
                evidence=claim.evidence,
            )
        else:
            self._open[key] = replace(known, end_unix_nano=now_unix_nano)
            return []
        self._open[key] = found
        return [found]

    def over(self, key: str, end_unix_nano: int, said: str) -> list[Finding]:
        """It does not hold any more, since then: its finding closed, with a sentence more."""
        known = self._open.pop(key, None)
        if known is None:
            return []
        end = max(end_unix_nano, known.start_unix_nano)
        why = f"{known.why} {said}"
        return [replace(known, state=FindingState.CLOSED, end_unix_nano=end, why=why)]

    def unknown(self, key: str, said: str) -> list[Finding]:
        """Nobody knows whether it still holds: its finding closed as that, at the time it last held."""
        known = self._open.pop(key, None)
        return [] if known is None else [closed_unheard(known, known.end_unix_nano, f"{said}: unknown.")]


class Watchlist:
    """Which series a rule looks at: a look-up a batch, and nothing where there are none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def __len__(self) -> int:
        """How many are watched."""
        return len(self._ids)

    def add(self, series: Sequence[int]) -> Sequence[int]:
        """Watch these too, as far as there is room; those that are watched now."""
        taken = list(series)[: self._most - len(self._ids)]
        if taken:
            self._ids = np.union1d(self._ids, np.array(taken, np.uint32))
        return taken

    def rows(self, admitted: AdmittedMetrics) -> list[tuple[int, int, float]]:
        """(series, time, what is judged) of the watched rows that say something, in order of arrival."""
        batch = admitted.batch
        if not len(self._ids) or not len(batch):
            return []
        rows = np.flatnonzero(np.isin(batch.series, self._ids))
        rows = rows[np.isfinite(admitted.signal[rows])]  # a window of maintenance has no value
        return list(
            zip(
                batch.series[rows].tolist(),
                batch.time_unix_nano[rows].tolist(),
                admitted.signal[rows].tolist(),
                strict=True,
            )
        )

"""Series through the whole pipeline, with one alarm budget or several side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app.config import Config
from stormpetrel.app.config_pages import PagesConfig
from stormpetrel.app.pipeline import Pipeline, build_budget
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Scores
from stormpetrel.model.incident import Incident
from stormpetrel.model.page import Page
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo
from stormpetrel.ports.algorithms import DetectorBank, KnowsAge, Snapshot


@dataclass(slots=True)
class NoiseRun:
    """What came out.

    Attributes:
        incidents: newest state of each, by id.
        pages: by pages a week: the decision on each incident, by id.
        findings: ids of all findings.
        onsets: how often any series went over a plain threshold of `detect.p_open`, without any policy.
        samples: how many were judged.
    """

    incidents: dict[str, Incident] = field(default_factory=dict)
    pages: dict[int, dict[str, Page]] = field(default_factory=dict)
    findings: set[str] = field(default_factory=set)
    onsets: int = 0
    samples: int = 0


class _Tap:
    """A bank that counts how often a plain threshold would have been crossed."""

    def __init__(self, bank: DetectorBank, threshold: float, series: int, run: NoiseRun) -> None:
        self._bank, self._threshold, self._run = bank, threshold, run
        self._over: NDArray[np.bool_] = np.zeros(series, np.bool_)
        self.name, self.version, self.heads = bank.name, bank.version, bank.heads
        self.bytes_per_series = bank.bytes_per_series

    def update(self, admitted: AdmittedMetrics) -> Scores:
        """Judge, and count; a series that is in the batch more than once counts by its last row."""
        scores = self._bank.update(admitted)
        over = scores.p_value <= self._threshold
        series = admitted.batch.series
        self._run.onsets += int(np.count_nonzero(over & ~self._over[series]))
        self._over[series] = over
        return scores

    def samples_learnt(self, series: int) -> int:
        """As the bank."""
        return self._bank.samples_learnt(series) if isinstance(self._bank, KnowsAge) else 0

    def warming_up(self) -> int:
        """As the bank."""
        return self._bank.warming_up()

    def snapshot(self) -> Snapshot:
        """As the bank."""
        return self._bank.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """As the bank."""
        self._bank.restore(snapshot)


class _Beside:
    """Another budget over the same incidents."""

    def __init__(self, config: Config) -> None:
        self._budget = build_budget(config)
        self.pages: dict[str, Page] = {}

    def decide(self, incidents: Sequence[Incident], now: int) -> None:
        """Take changed incidents at event time `now`."""
        self._keep(self._budget.update(self._own(incidents), now))

    def revisit(self, incidents: Sequence[Incident], now: int) -> None:
        """Look at all that are open again."""
        self._keep(self._budget.revisit(self._own(incidents), now))

    def _own(self, incidents: Sequence[Incident]) -> list[Incident]:
        return [dataclasses.replace(one, page=self.pages.get(one.incident_id)) for one in incidents]

    def _keep(self, decided: Sequence[Incident]) -> None:
        self.pages.update((one.incident_id, one.page) for one in decided if one.page is not None)


def play(
    infos: Sequence[SeriesInfo],
    batches: Iterable[AdmittedMetrics],
    per_week: Sequence[int],
    config: Config | None = None,
) -> NoiseRun:
    """Judge batches in order of event time, as the running system would.

    Args:
        infos: the series, in order of id.
        batches: admitted samples, each batch of about a minute.
        per_week: alarm budgets to compare; detection is the same for all of them.
        config: everything else; the defaults when left out.
    """
    settings = (config or Config()).model_copy(update={"pages": PagesConfig(per_week=per_week[0])})
    registry = SeriesRegistry(max(len(infos), 100))
    registry.load(infos)
    pipeline = Pipeline(settings, registry, stored=True)
    run = NoiseRun()
    pipeline.banks = [_Tap(bank, settings.detect.p_open, len(infos), run) for bank in pipeline.banks]
    beside = {
        count: _Beside(settings.model_copy(update={"pages": PagesConfig(per_week=count)}))
        for count in per_week
    }
    for admitted, now in _timed(batches):
        run.samples += len(admitted.batch)
        judged = pipeline.judge_metrics(admitted)
        ticked = pipeline.advance(now)
        for outcome in (judged, ticked):
            run.findings.update(finding.finding_id for finding in outcome.findings)
            run.incidents.update((one.incident_id, one) for one in outcome.incidents)
            for one in beside.values():
                one.decide(outcome.incidents, now)
        for one in beside.values():
            one.revisit(pipeline.grouping.unresolved(), now)
    run.pages = {count: one.pages for count, one in beside.items()}
    return run


def _timed(batches: Iterable[AdmittedMetrics]) -> Iterator[tuple[AdmittedMetrics, int]]:
    for admitted in batches:
        if len(admitted.batch):
            yield admitted, int(admitted.batch.time_unix_nano.max())

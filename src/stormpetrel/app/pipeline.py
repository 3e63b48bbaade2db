"""THE order of the stages. Everything that happens to a signal is named here, once.

    admit -> (store) -> detect -> policy -> correlate

`admit` runs where batches arrive, before the insert; the rest after it, in one thread, on the batches
in the order in which they were stored. Live, replay, backtest and tests call the same methods with
another source and another clock, and the result depends on nothing but configuration and input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stormpetrel.app.config import Config
from stormpetrel.app.position import JudgedPosition
from stormpetrel.app.registry import DETECTORS, LOG_DETECTORS, load_all
from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.relations import Relations
from stormpetrel.detect.absence import AbsenceWatch
from stormpetrel.detect.feedback import FeedbackBook
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.ingest.admit import Admission, QualityGate
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SpanBatch
from stormpetrel.ports.algorithms import DetectorBank, LogDetector


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step of the pipeline changed: findings and incidents, whole, newest state."""

    findings: Sequence[Finding] = field(default_factory=list)
    incidents: Sequence[Incident] = field(default_factory=list)


class Pipeline:
    """The stages of one installation and their order. Not thread-safe: one caller for `admit`, one for
    the rest."""

    def __init__(self, config: Config, registry: SeriesRegistry, stored: bool = False) -> None:
        """`stored`: what comes was admitted before, see `build_gate`."""
        self.registry = registry
        self.gate = build_gate(config, stored)
        self._config = config
        self.feedback = FeedbackBook()  # replaced whole by whoever takes opinions
        self.forget()

    def forget(self) -> None:
        """Stages 2 to 4 are as new: a warm start that failed half-way begins again. Admission is not."""
        config, registry = self._config, self.registry
        self.banks: list[DetectorBank] = build_banks(config)
        self.log_detectors: list[LogDetector] = [make() for make in load_all(LOG_DETECTORS).values()]
        self.policies = [build_policy(config, bank, registry) for bank in self.banks]
        self.absence = AbsenceWatch(describe=registry.info)
        self.position = JudgedPosition()
        self.relations = Relations()
        self._series_seen = 0
        self.grouping = Grouping(
            config.incidents.window_seconds,
            config.incidents.resolve_seconds,
            config.incidents.max_findings,
            self.relations.related,
        )

    def admit(self, batch: MetricBatch, now_unix_nano: int) -> Admission:
        """Stage 1: the quality gate. What it keeps may be stored, what it quarantines is kept apart."""
        return self.gate.admit(batch, now_unix_nano, self.registry.kind_codes(), self.registry.blocked())

    def judge_metrics(self, admitted: AdmittedMetrics) -> Outcome:
        """Stages 2 to 4 for metric samples: detect, policy, correlate."""
        if not len(admitted.batch):
            return Outcome()
        self.learn_new_series()
        now = int(admitted.batch.time_unix_nano.max())
        changes: list[Finding] = []
        for bank, policy in zip(self.banks, self.policies, strict=True):
            changes += self.judge_bank(bank, policy, admitted, now)
        self.position.take(admitted.batch)
        return self._correlate(changes, now)

    def judge_bank(
        self, bank: DetectorBank, policy: AlarmPolicy, admitted: AdmittedMetrics, now_unix_nano: int
    ) -> list[Finding]:
        """Stages 2 and 3 for one bank: its policy hears p-values weighed by what people said before."""
        scores = bank.update(admitted)
        weighed = self.feedback.weigh(bank.name, bank.heads, admitted.batch, scores)
        found = policy.update(admitted, weighed.scores, now_unix_nano)
        told = self.feedback.told(weighed, admitted.batch, scores, found)
        return [policy.amend(new) if new is not old else new for new, old in zip(told, found, strict=True)]

    def heard(self, detector: LogDetector, found: list[Finding]) -> list[Finding]:
        """Findings of a log detector without those that people made too common to tell."""
        p_open = float(getattr(detector, "p_open", 1.0))
        return [finding for finding in found if self.feedback.hears(finding, p_open)]

    def judge_logs(self, batch: LogBatch) -> Outcome:
        """Stages 2 to 4 for log records."""
        if not len(batch):
            return Outcome()
        now = int(batch.records.column("time_unix_nano").to_numpy().max())
        changes = [change for one in self.log_detectors for change in self.heard(one, one.update(batch))]
        return self._correlate(changes, now)

    def judge_spans(self, batch: SpanBatch) -> Outcome:
        """Spans say who calls whom; they are not judged by themselves."""
        self.relations.learn_spans(batch)
        return Outcome()

    def judge_records(self, batch: FlowBatch | AlertBatch | ChangeBatch) -> Outcome:
        """Flows, alerts of other systems and changes are kept for the reader; no stage judges them."""
        del batch
        return Outcome()

    def learn_new_series(self) -> None:
        """What the labels of series not seen before say of who belongs together."""
        known = len(self.registry)
        if known > self._series_seen:
            self.relations.learn_series(map(self.registry.info, range(self._series_seen, known)))
            self._series_seen = known

    def advance(self, now_unix_nano: int) -> Outcome:
        """Time has reached `now` and nothing else happened: close, resolve, notice silence."""
        changes: list[Finding] = []
        for policy in self.policies:
            changes += policy.advance(now_unix_nano)
        for detector in self.log_detectors:
            changes += self.heard(detector, detector.advance(now_unix_nano))
        # Live, the gate may admit new series between these two looks: only what both know is watched.
        times, intervals = self.gate.last_times(), self.gate.intervals()
        known = min(len(times), len(intervals))
        changes += self.absence.advance(now_unix_nano, times[:known], intervals[:known])
        outcome = self._correlate(changes, now_unix_nano)
        return Outcome(outcome.findings, [*outcome.incidents, *self.grouping.advance(now_unix_nano)])

    def _correlate(self, changes: list[Finding], now_unix_nano: int) -> Outcome:
        if not changes:
            return Outcome()
        return Outcome(changes, self.grouping.update(changes, now_unix_nano))


def build_gate(config: Config, stored: bool = False) -> QualityGate:
    """The quality gate as configured; `stored` samples were admitted once and keep their size."""
    intake = config.intake
    return QualityGate(
        future_seconds=intake.future_seconds,
        late_seconds=intake.late_seconds,
        gap_factor=intake.gap_factor,
        stuck_samples=intake.stuck_samples,
        judge_size=not stored,
    )


def build_banks(config: Config) -> list[DetectorBank]:
    """Every installed detector bank, as configured."""
    detect = config.detect
    return [
        make(warmup_samples=detect.warmup_samples, season_seconds=detect.season_seconds)
        for make in load_all(DETECTORS).values()
    ]


def build_policy(config: Config, bank: DetectorBank, registry: SeriesRegistry) -> AlarmPolicy:
    """The alarm policy over one bank's scores."""
    detect = config.detect
    return AlarmPolicy(
        bank=bank,
        describe=registry.info,
        p_open=detect.p_open,
        p_close=detect.p_close,
        false_per_day=detect.false_per_day,
        hold_samples=detect.hold_samples,
        close_seconds=detect.close_seconds,
        refractory_seconds=detect.refractory_seconds,
    )

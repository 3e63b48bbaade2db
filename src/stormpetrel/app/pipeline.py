"""THE order of the stages. Everything that happens to a signal is named here, once.

    admit -> (store) -> context (mask) -> detect -> policy -> context (judge) -> correlate -> budget

`admit` (for log records: `mine`) runs where batches arrive, before the insert; the rest after it, in one
thread, on the batches in the order in which they were stored. Live, replay, backtest and tests call the
same methods with another source and another clock, and the result depends on nothing but configuration
and input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stormpetrel.app.config import Config
from stormpetrel.app.context import Recall, build_book, build_context
from stormpetrel.app.families import Families
from stormpetrel.app.patterns import PatternBook
from stormpetrel.app.position import JudgedPosition
from stormpetrel.app.registry import DETECTORS, LOG_DETECTORS, load_all
from stormpetrel.app.slos import build_slos
from stormpetrel.correlate.budget import PageBudget
from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.page_ledger import Allowance
from stormpetrel.correlate.relations import Relations
from stormpetrel.detect.absence import AbsenceWatch
from stormpetrel.detect.feedback import FeedbackBook
from stormpetrel.detect.groups import GroupWatch
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.ingest.admit import Admission, QualityGate
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SpanBatch
from stormpetrel.ports.algorithms import AsksPatterns, DetectorBank, LogDetector


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
        self.book = build_book(config)
        self.recall: Recall = lambda: None  # what the calendar learned before this process
        self.patterns = PatternBook()
        self._config = config
        self.feedback = FeedbackBook()  # replaced whole by whoever takes opinions
        self.forget()

    def forget(self) -> None:
        """Stages 2 to 5 are as new: a warm start that failed half-way begins again. Admission is not."""
        config, registry = self._config, self.registry
        self.banks: list[DetectorBank] = build_banks(config)
        self.log_detectors: list[LogDetector] = [make() for make in load_all(LOG_DETECTORS).values()]
        for detector in self.log_detectors:
            if isinstance(detector, AsksPatterns):
                detector.ask(self.patterns.find, self.patterns.births)
        self.policies = [build_policy(config, bank, registry) for bank in self.banks]
        self.context = build_context(config, registry, self.book, self.recall())
        self.absence = AbsenceWatch(describe=registry.info)
        self.groups = GroupWatch(describe=registry.info)
        self.slos = build_slos(config)
        self.position = JudgedPosition()
        self.relations = Relations()
        self.families = Families()
        self._series_seen = 0
        self.grouping = Grouping(
            config.incidents.window_seconds,
            config.incidents.resolve_seconds,
            config.incidents.max_findings,
            self.relations.related,
        )
        self.budget = build_budget(config)

    def admit(self, batch: MetricBatch, now_unix_nano: int) -> Admission:
        """Stage 1: the quality gate. What it keeps may be stored, what it quarantines is kept apart."""
        return self.gate.admit(batch, now_unix_nano, self.registry.kind_codes(), self.registry.blocked())

    def mine(self, batch: LogBatch) -> LogBatch:
        """Stage 1 for log records: each gets the id of its pattern."""
        return self.patterns.mine(batch)

    def judge_metrics(self, admitted: AdmittedMetrics) -> Outcome:
        """Stages 2 to 6 for metric samples: context, detect, policy, context again, correlate, budget."""
        if not len(admitted.batch):
            return Outcome()
        self.learn_new_series()
        self.slos.learn(admitted)
        now = int(admitted.batch.time_unix_nano.max())
        return self._correlate(self.find(admitted, now), now)

    def find(self, admitted: AdmittedMetrics, now_unix_nano: int) -> list[Finding]:
        """Stages 2 to 4 for metric samples: everything but the correlation."""
        masked = self.context.mask(admitted)
        changes: list[Finding] = []
        for bank, policy in zip(self.banks, self.policies, strict=True):
            changes += self.judge_bank(bank, policy, masked, now_unix_nano)
        self.position.take(admitted.batch)
        return self.context.judge(masked, changes, now_unix_nano)

    def judge_bank(
        self, bank: DetectorBank, policy: AlarmPolicy, admitted: AdmittedMetrics, now_unix_nano: int
    ) -> list[Finding]:
        """Stages 2 and 3 for one bank: its policy hears p-values weighed by what people said before."""
        scores = bank.update(admitted)
        if bank is self.banks[0]:
            self.groups.take(admitted.batch, scores)
        weighed = self.feedback.weigh(bank.name, bank.heads, admitted.batch, scores)
        found = policy.update(admitted, weighed.scores, now_unix_nano)
        told = self.feedback.told(weighed, admitted.batch, scores, found)
        return [policy.amend(new) if new is not old else new for new, old in zip(told, found, strict=True)]

    def heard(self, detector: LogDetector, found: list[Finding]) -> list[Finding]:
        """Findings of a log detector without those that people made too common to tell."""
        p_open = float(getattr(detector, "p_open", 1.0))
        return [finding for finding in found if self.feedback.hears(finding, p_open)]

    def judge_logs(self, batch: LogBatch) -> Outcome:
        """Stages 3 to 6 for log records."""
        if not len(batch):
            return Outcome()
        now = int(batch.records.column("time_unix_nano").to_numpy().max())
        changes = [change for one in self.log_detectors for change in self.heard(one, one.update(batch))]
        return self._correlate(self.context.over(changes, now), now)

    def judge_spans(self, batch: SpanBatch) -> Outcome:
        """Spans say who calls whom; they are not judged by themselves."""
        self.relations.learn_spans(batch)
        return Outcome()

    def judge_records(self, batch: FlowBatch | AlertBatch | ChangeBatch) -> Outcome:
        """Changes tell the calendar of deploys and jobs; flows and alerts are kept for the reader."""
        if isinstance(batch, ChangeBatch):
            self.context.see_changes(batch)
        return Outcome()

    def learn_new_series(self) -> None:
        """What the labels of series not seen before say of who belongs together, and who is like whom."""
        known = len(self.registry)
        if known > self._series_seen:
            new = list(map(self.registry.info, range(self._series_seen, known)))
            self.relations.learn_series(new)
            self.slos.see(new)
            self.families.meet(new, self.banks)
            self.groups.meet(new)
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
        changes += self.slos.advance(now_unix_nano)
        together = self.groups.advance(now_unix_nano)
        changes += [one for one in together if self.feedback.hears(one, self.groups.p_open)]
        outcome = self._correlate(self.context.advance(changes, now_unix_nano), now_unix_nano)
        resolved = self.decide(self.grouping.advance(now_unix_nano), now_unix_nano)
        grown = self.budget.revisit(self.grouping.unresolved(), now_unix_nano)
        self.grouping.adopt(grown)
        return Outcome(outcome.findings, [*outcome.incidents, *resolved, *grown])

    def _correlate(self, changes: list[Finding], now_unix_nano: int) -> Outcome:
        if not changes:
            return Outcome()
        return Outcome(changes, self.decide(self.grouping.update(changes, now_unix_nano), now_unix_nano))

    def decide(self, incidents: Sequence[Incident], now_unix_nano: int) -> list[Incident]:
        """Stage 5: paged, held, or not a candidate; the incidents go on with that."""
        decided = self.budget.update(incidents, now_unix_nano)
        self.grouping.adopt(decided)
        return decided


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


def build_budget(config: Config) -> PageBudget:
    """The alarm budget as configured."""
    pages = config.pages
    allowance = Allowance(pages.per_week, pages.error_share, pages.critical_share)
    return PageBudget(allowance, pages.repeat_seconds)


def build_policy(config: Config, bank: DetectorBank, registry: SeriesRegistry) -> AlarmPolicy:
    """The alarm policy over one bank's scores."""
    detect = config.detect
    return AlarmPolicy(
        bank=bank,
        describe=registry.info,
        p_open=detect.p_open,
        p_close=detect.p_close,
        false_per_day=detect.false_per_day,
        discovery_share=detect.discovery_share,
        hold_samples=detect.hold_samples,
        close_seconds=detect.close_seconds,
        refractory_seconds=detect.refractory_seconds,
    )

"""THE order of the stages. Everything that happens to a signal is named here, once.

    admit -> (store) -> context (mask) -> detect -> policy -> context (judge) -> correlate -> priority, budget

`admit` (for log records: `mine`) runs where batches arrive, before the insert; the rest after it, in one
thread, on the batches in the order in which they were stored. Live, replay, backtest and tests call the
same methods with another source and another clock, and the result depends on nothing but configuration
and input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.app.config import Config
from stormpetrel.app.context import Recall, build_book, build_context
from stormpetrel.app.families import Families
from stormpetrel.app.own import Doings
from stormpetrel.app.patterns import PatternBook
from stormpetrel.app.position import JudgedPosition
from stormpetrel.app.registry import DETECTORS, LOG_DETECTORS, load_all
from stormpetrel.app.rules import build_rules
from stormpetrel.app.slos import build_slos
from stormpetrel.correlate.bonds import Bonds
from stormpetrel.correlate.budget import PageBudget
from stormpetrel.correlate.group import Grouping
from stormpetrel.correlate.page_ledger import Allowance
from stormpetrel.correlate.priority import Priorities
from stormpetrel.correlate.topology import LiveTopology, TopologyLimits
from stormpetrel.detect.absence import AbsenceWatch
from stormpetrel.detect.alerts import AlertWatch, alerts_of
from stormpetrel.detect.backups import BackupBook, BackupWatch
from stormpetrel.detect.feedback import FeedbackBook
from stormpetrel.detect.groups import GroupWatch
from stormpetrel.detect.hostile import HostileWatch
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.ingest.admit import Admission, QualityGate
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import AsksPatterns, DetectorBank, LogDetector, ReadsValues

# Between looks at what changes with time alone.
_LOOK_NANOS = from_seconds(60)
# How far ahead of ours a clock that wrote log records may be.
_AHEAD_NANOS = from_seconds(60)


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
        self.backup_book = BackupBook()  # whoever takes reports of backups writes it
        self.feedback = FeedbackBook()  # replaced whole by whoever takes opinions
        self._bonds = Bonds()
        self.forget()

    def forget(self) -> None:
        """Stages 2 to 5 are as new: a warm start that failed half-way begins again. Admission is not."""
        config, registry = self._config, self.registry
        self.banks: list[DetectorBank] = build_banks(config)
        self.log_detectors: list[LogDetector] = [make() for make in load_all(LOG_DETECTORS).values()]
        for detector in self.log_detectors:
            if isinstance(detector, AsksPatterns):
                detector.ask(self.patterns.find, self.patterns.births)
            if isinstance(detector, ReadsValues):
                detector.read(self.patterns.values)
        self.policies = [build_policy(config, bank, registry) for bank in self.banks]
        self.context = build_context(config, registry, self.book, self.recall())
        self.absence = AbsenceWatch(describe=registry.info)
        self.rules = build_rules(config.detect, registry)
        self.hostile = HostileWatch()
        self.groups = GroupWatch(describe=registry.info)
        self.slos = build_slos(config)
        self.position = JudgedPosition()
        self.backups = BackupWatch(self.backup_book, config.backups.objective)
        self.alerts = AlertWatch(config.incidents.resolve_seconds)
        self.topology = build_topology(config)
        self.families, self.doings = Families(), Doings()
        self._series_seen = 0
        self.grouping = Grouping(
            config.incidents.window_seconds,
            config.incidents.resolve_seconds,
            config.incidents.max_findings,
            self.topology.neighbours,
            config.incidents.shared_entities,
            self.topology.twin,
        )
        self.grouping.bonds = self._bonds
        self.priorities = Priorities(self.topology.reach)
        self.budget = build_budget(config)
        self._looked = self._time = 0

    def obey(self, bonds: Bonds) -> None:
        """From now on the grouping obeys these rules of people, also when it begins anew."""
        self._bonds = self.grouping.bonds = bonds

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
        now = int(admitted.batch.time_unix_nano.max())
        self.learn_new_series(now)
        self.slos.learn(admitted)
        return self._correlate(self.find(admitted, now), now)

    def find(self, admitted: AdmittedMetrics, now_unix_nano: int) -> list[Finding]:
        """Stages 2 to 4 for metric samples: everything but the correlation."""
        masked = self.context.mask(admitted)
        judged = self.doings.unjudged(masked)
        changes: list[Finding] = []
        for bank, policy in zip(self.banks, self.policies, strict=True):
            changes += self.judge_bank(bank, policy, judged, now_unix_nano)
        changes += [change for rule in self.rules for change in rule.update(masked)]
        self.position.take(admitted.batch)
        return self.context.judge(judged, changes, now_unix_nano)

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
        """Stages 3 to 6 for log records; they also say where their writers run."""
        if not len(batch):
            return Outcome()
        self.topology.learn_hosts(batch)
        now = _present(batch)
        changes = [change for one in self.log_detectors for change in self.heard(one, one.update(batch))]
        return self._correlate(self.context.over(changes, now), now)

    def judge_spans(self, batch: SpanBatch) -> Outcome:
        """Spans say who calls whom; they are not judged by themselves."""
        self.topology.learn_spans(batch)
        return Outcome()

    def judge_records(self, batch: FlowBatch | AlertBatch | ChangeBatch) -> Outcome:
        """Alerts of others become findings; changes tell the calendar; flows say who talks to whom."""
        if isinstance(batch, ChangeBatch):
            self.context.see_changes(batch)
        if isinstance(batch, FlowBatch) and len(batch):
            self.topology.learn_flows(batch)
        if not isinstance(batch, AlertBatch) or not len(batch):
            return Outcome()
        # A notification that is repeated tells of a state of hours ago: the present is that of the last tick.
        now = self._time or int(batch.records.column("time_unix_nano").to_numpy().max())
        alerts = list(alerts_of(batch))
        changes = [*self.alerts.update(alerts), *self.hostile.update(alerts)]
        return self._correlate(self.context.over(changes, now), now)

    def learn_new_series(self, now_unix_nano: int = 0) -> None:
        """What the labels of series not seen before say of who belongs together, and who is like whom.

        Args:
            now_unix_nano: when they came; 0 when they were there before.
        """
        known = len(self.registry)
        if known > self._series_seen:
            new = list(map(self.registry.info, range(self._series_seen, known)))
            self.topology.learn_series(new, now_unix_nano)
            self.slos.see(new)
            for rule in self.rules:
                rule.meet(new)
            self.families.meet(new, self.banks)
            self.doings.meet(new)
            self.groups.meet(new)
            self._series_seen = known

    def advance(self, now_unix_nano: int) -> Outcome:
        """Time has reached `now` and nothing else happened: close, resolve, notice silence."""
        self._time = now_unix_nano
        changes: list[Finding] = []
        for policy in self.policies:
            changes += policy.advance(now_unix_nano)
        for detector in self.log_detectors:
            changes += self.heard(detector, detector.advance(now_unix_nano))
        # Live, the gate may admit new series between these two looks: only what both know is watched.
        times, intervals = self.gate.last_times(), self.gate.intervals()
        known = min(len(times), len(intervals))
        changes += self.absence.advance(now_unix_nano, times[:known], intervals[:known])
        changes += [change for rule in self.rules for change in rule.advance(now_unix_nano)]
        changes += self.hostile.advance(now_unix_nano)
        changes += self.slos.advance(now_unix_nano)
        changes += self.alerts.advance(now_unix_nano)
        changes += self.backups.advance(now_unix_nano)
        together = self.groups.advance(now_unix_nano)
        changes += [one for one in together if self.feedback.hears(one, self.groups.p_open)]
        outcome = self._correlate(self.context.advance(changes, now_unix_nano), now_unix_nano)
        resolved = self.decide(self.grouping.advance(now_unix_nano), now_unix_nano)
        looked = self._look_again(now_unix_nano)
        return Outcome(outcome.findings, [*outcome.incidents, *resolved, *looked])

    def _look_again(self, now_unix_nano: int) -> list[Incident]:
        """Once a minute: what no longer grows is less urgent, what lasts may be paged, what runs where."""
        grown = self.budget.revisit(self.grouping.unresolved(), now_unix_nano)
        self.grouping.adopt(grown)
        if abs(now_unix_nano - self._looked) < _LOOK_NANOS:
            return grown
        self._looked = now_unix_nano
        self.topology.refresh(self.gate.last_times(), now_unix_nano)
        ranked = self.priorities.changed(self.grouping.unresolved(), now_unix_nano)
        self.grouping.adopt(ranked)
        newest = {one.incident_id: one for one in [*grown, *ranked]}
        return list(newest.values())

    def _correlate(self, changes: list[Finding], now_unix_nano: int) -> Outcome:
        if not changes:
            return Outcome()
        return Outcome(changes, self.decide(self.grouping.update(changes, now_unix_nano), now_unix_nano))

    def decide(self, incidents: Sequence[Incident], now_unix_nano: int) -> list[Incident]:
        """Stage 5: how soon somebody should look; paged, held, or not a candidate. They go on with that."""
        ranked = self.priorities.update(incidents, now_unix_nano)
        decided = self.budget.update(ranked, now_unix_nano)
        self.grouping.adopt(decided)
        return decided


def _present(batch: LogBatch) -> int:
    """The newest time of log records, as far as it is believed, and at most a minute after one was observed.

    What a sender dates in the future is not the present: a page would be dated where the budget is unspent.
    """
    observed = batch.records.column("observed_unix_nano").to_numpy()
    return int(np.minimum(batch.believed_unix_nano() - _AHEAD_NANOS, observed).max()) + _AHEAD_NANOS


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


def build_topology(config: Config) -> LiveTopology:
    """The topology as configured, with what its file declares."""
    topology = config.topology
    limits = TopologyLimits(
        entities=topology.max_entities, edges=topology.max_edges, fade_seconds=topology.fade_seconds
    )
    return LiveTopology(limits, topology.declared)


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

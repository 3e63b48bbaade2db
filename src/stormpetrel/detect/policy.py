"""The first alarm policy: calibrated scores in, finding changes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
import xxhash
from numpy.typing import NDArray

from stormpetrel.detect import discovery, gate, wording
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
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, SeriesInfo
from stormpetrel.model.time import from_seconds, to_iso, to_seconds
from stormpetrel.ports.algorithms import DetectorBank, KnowsAge, Snapshot

STATE_VERSION = 1  # of the columns in `gate`


class AlarmOptions(TypedDict, total=False):
    """The fields of `AlarmSettings` as keyword arguments."""

    p_open: float
    p_close: float
    hold_samples: int
    at_once_share: float
    p_severe: float
    close_seconds: float
    refractory_seconds: float
    silent_close_seconds: float
    false_per_day: float
    discovery_share: float
    discovery_memory_seconds: float


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """One setting for all series.

    Attributes:
        p_open: a sample at or below it is strange; `false_per_day` usually asks for less.
        p_close: above it a sample counts as recovered.
        hold_samples: strange samples in a row that open a finding.
        at_once_share: one sample at or below this share of the threshold opens alone.
        p_severe: a finding becomes an ERROR after three times `hold_samples` in a row at or below it.
        close_seconds: how long a series must be *seen* recovered; silence does not count.
        refractory_seconds: no new finding of a series within this of the end of its last one.
        silent_close_seconds: a finding whose series fell silent is closed, as unknown, after this.
        false_per_day: false alarms that all series together may cause per day if p-values were exact and
            samples independent. It tightens `p_open` by the number of series and their intervals.
        discovery_share, discovery_memory_seconds: how many more false ones each finding allows, and for how
            long it does: see `detect.discovery`.
    """

    p_open: float = 7e-3
    p_close: float = 1.1e-2
    hold_samples: int = 3
    at_once_share: float = 0.1
    p_severe: float = 1e-12
    close_seconds: float = 120.0
    refractory_seconds: float = 900.0
    silent_close_seconds: float = 86_400.0
    false_per_day: float = 3.0
    discovery_share: float = 0.05
    discovery_memory_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What each judged row does to the finding of its series.

    Attributes:
        verdict: uint8[n], one of `gate.NOTHING`, `OPENS`, `WORSENS`, `CLOSES`.
        since, held: int64[n], start and last time of the finding; undefined where NOTHING.
    """

    verdict: NDArray[np.uint8]
    since: NDArray[np.int64]
    held: NDArray[np.int64]


class AlarmPolicy:
    """Decides which scores a person should hear of: hold, hysteresis, refractory time, multiplicity.

    Works on any bank's scores, in event time; a NaN p-value (warming up, missing) neither opens nor
    closes: unknown is not healthy. Fails to see anomalies shorter than `hold_samples` unless a single
    sample is far below the threshold. State is 80 bytes a series; Python runs only for rows that change a
    finding. Same input, same findings, same ids, however the input is cut into batches once all series
    have been seen (their number tightens the threshold).

    Args:
        bank: whose scores these are: name, version and heads go into findings.
        describe: what is known of a series id.
        settings: fields of `AlarmSettings` that differ from the default.
    """

    def __init__(
        self,
        bank: DetectorBank,
        describe: Callable[[int], SeriesInfo],
        **settings: Unpack[AlarmOptions],
    ) -> None:
        self._name, self._version, self._heads = bank.name, bank.version, bank.heads
        self.judge_for(bank)
        self._describe = describe
        self._settings = s = AlarmSettings(**settings)
        self._purse = discovery.Purse(
            discovery.DiscoverySettings(s.false_per_day, s.discovery_share, s.discovery_memory_seconds),
            lambda series: root_of(describe(series).entity),
        )
        self._state: NDArray[np.int64] = np.zeros((0, gate.FIELDS), np.int64)
        self._active = 0
        self._open: dict[int, Finding] = {}

    def judge_for(self, bank: DetectorBank) -> None:
        """Another bank of the same name and version takes over, whose models' ages are told from now on."""
        self._age = bank.samples_learnt if isinstance(bank, KnowsAge) else None

    @property
    def open_findings(self) -> list[Finding]:
        """Findings that are open now, by start."""
        return sorted(self._open.values(), key=lambda f: (f.start_unix_nano, f.finding_id))

    @property
    def bytes_per_series(self) -> int:
        """Bytes of policy state a series."""
        return 8 * gate.FIELDS

    @property
    def threshold(self) -> float:
        """p_open as tightened for the present number of series, at their median interval."""
        intervals = self._state[self._state[:, gate.INTERVAL] > 0, gate.INTERVAL]
        if not len(intervals):
            return self._settings.p_open
        alone = self._purse.alone(self._active)
        return float(min(self._settings.p_open, alone * float(np.median(intervals))))

    def update(self, admitted: AdmittedMetrics, scores: Scores, now_unix_nano: int) -> list[Finding]:
        """Finding changes that these judged rows cause, in order of rows, then `advance(now)`.

        O(rows) compiled, plus Python for each change.
        """
        batch = admitted.batch
        told = self.verdicts(batch, scores)
        changes = []
        for row in np.flatnonzero(told.verdict):
            times = (int(told.since[row]), int(told.held[row]))
            change = self._change(batch, scores, int(row), int(told.verdict[row]), times)
            if change is not None:
                changes.append(change)
        return changes + self.advance(now_unix_nano)

    def verdicts(self, batch: MetricBatch, scores: Scores) -> Verdicts:
        """The compiled part of `update` alone, without findings; it moves the policy's state."""
        n, s = len(batch), self._settings
        told = Verdicts(np.zeros(n, np.uint8), np.empty(n, np.int64), np.empty(n, np.int64))
        if n == 0:
            return told
        self._reserve(int(batch.series.max()) + 1)
        self._active = max(self._active, int(np.count_nonzero(self._state[:, gate.SEEN])))
        close, refractory = from_seconds(s.close_seconds), from_seconds(s.refractory_seconds)
        gate.sift(
            (batch.series, batch.time_unix_nano, scores.alarm),
            self._state,
            (s.p_open, s.p_close, s.at_once_share, s.p_severe, s.hold_samples, close, refractory),
            self._purse.arrays(batch.series, self._active),
            (told.verdict, told.since, told.held),
        )
        return told

    def _change(
        self, batch: MetricBatch, scores: Scores, row: int, verdict: int, times: tuple[int, int]
    ) -> Finding | None:
        series = int(batch.series[row])
        if verdict == gate.OPENS:
            finding = self._opened(batch, scores, row, times)
            self._open[series] = finding
            return finding
        known = self._open.get(series)
        if known is None:
            return None
        if verdict == gate.WORSENS:
            # Title and evidence stay those of the opening: later samples are judged against a level that
            # has begun to follow, and would tell the story from the wrong end.
            finding = replace(known, severity=Severity.ERROR, end_unix_nano=times[1])
            self._open[series] = finding
            return finding
        del self._open[series]
        return _closed(known, times[1])

    def _opened(self, batch: MetricBatch, scores: Scores, row: int, times: tuple[int, int]) -> Finding:
        series = int(batch.series[row])
        info = self._describe(series)
        head = self._heads[int(scores.head[row])]
        text = info.text()
        observed = float(scores.observed[row])
        evidence = Evidence(
            signal="metric",
            query=text,
            series=series,
            start_unix_nano=times[0],
            end_unix_nano=times[1],
            observed=observed,
            expected=float(scores.expected[row]),
            low=float(scores.low[row]),
            high=min(float(scores.high[row]), max(info.greatest(), observed)),
            p_value=float(scores.alarm[row]),
            unit=wording.unit_of(info),
        )
        interval = to_seconds(int(self._state[series, gate.INTERVAL]))
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{self._name}\0{text}\0{times[0]}".encode()),
            detector=self._name,
            model_version=self._version,
            head=head,
            entity=info.entity,
            title=wording.title(info, head, evidence),
            why=wording.sentence(info, head, evidence, interval),
            severity=Severity.WARNING,
            state=FindingState.OPEN,
            start_unix_nano=times[0],
            end_unix_nano=times[1],
            evidence=evidence,
            attributes=self._aged(batch, scores, row),
        )

    def _aged(self, batch: MetricBatch, scores: Scores, row: int) -> dict[str, str] | None:
        """How much the model had learnt when it judged this row: the bank has gone on to the batch's end."""
        if self._age is None:
            return None
        series = int(batch.series[row])
        later = (batch.series[row + 1 :] == series) & np.isfinite(scores.observed[row + 1 :])
        return {MODEL_SAMPLES: str(max(0, self._age(series) - int(np.count_nonzero(later))))}

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Close findings whose series fell silent long ago, saying so; O(open findings).

        Until then they stay open: a series that stopped reporting has not recovered.
        """
        limit = from_seconds(self._settings.silent_close_seconds)
        changes = []
        for series, finding in sorted(self._open.items()):
            seen = int(self._state[series, gate.SEEN])
            if now_unix_nano - seen <= limit:
                continue
            why = f"No data since {to_iso(seen)}: closed as unknown, not as recovered."
            ended = _closed(finding, int(self._state[series, gate.HELD]))
            changes.append(closed_unheard(ended, seen, why))
            self._state[series, [gate.SINCE, gate.RUN, gate.SEVERE_RUN, gate.RAISED]] = 0
            del self._open[series]
        return changes

    def amend(self, finding: Finding) -> Finding:
        """An open finding whose evidence was corrected: worded anew, and kept so until it closes."""
        series = finding.evidence.series
        known = self._open.get(series)
        if known is None or known.finding_id != finding.finding_id:
            return finding
        interval = to_seconds(int(self._state[series, gate.INTERVAL]))
        why = wording.sentence(self._describe(series), finding.head, finding.evidence, interval)
        self._open[series] = replace(finding, why=why)
        return self._open[series]

    def snapshot(self) -> Snapshot:
        """Copies of the state arrays by series; open findings are not in them, see `open_findings`."""
        return {
            "version": np.array([STATE_VERSION], np.int64),
            "state": self._state.copy(),
            "wealth": self._purse.by_series(len(self._state)),
        }

    def restore(self, snapshot: Snapshot, open_findings: Sequence[Finding]) -> None:
        """Take over a snapshot with the findings open then; ValueError names a version that misfits."""
        found = int(snapshot["version"][0]) if "version" in snapshot else None
        state, wealth = snapshot.get("state"), snapshot.get("wealth")
        if found != STATE_VERSION or state is None or wealth is None:
            raise ValueError(f"policy state has version {found}, this program reads {STATE_VERSION}")
        if state.dtype != np.int64 or state.shape[1:] != (gate.FIELDS,):
            raise ValueError(f"policy state of version {found} is misshapen: {state.dtype} {state.shape}")
        self._state = np.array(state, np.int64)
        self._purse.restore(np.array(wealth, np.float64))
        self._open = {f.evidence.series: f for f in open_findings}
        self._active = int(np.count_nonzero(self._state[:, gate.SEEN]))

    def _reserve(self, size: int) -> None:
        held = len(self._state)
        if size > held:
            grown = np.zeros((max(64, 1 << (size - 1).bit_length()), gate.FIELDS), np.int64)
            grown[:held] = self._state
            self._state = grown


def _closed(finding: Finding, end_unix_nano: int) -> Finding:
    return replace(
        finding,
        state=FindingState.CLOSED,
        end_unix_nano=end_unix_nano,
        evidence=replace(finding.evidence, end_unix_nano=end_unix_nano),
    )

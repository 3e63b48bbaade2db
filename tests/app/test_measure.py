"""What is looked at after an act: the right series, the right windows, and whose trouble it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stormpetrel.app.inventory import Inventory
from stormpetrel.app.measure import _MOST_POINTS, Measurer, _with_gaps
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Condition, EffectClass
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.run import ActOutcome, ActResult, Run, StepRecord
from stormpetrel.model.signal import MetricKind, SeriesPoints
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.testing.automation_samples import begun, sample_plan, sample_run, sample_target

SECOND = 1_000_000_000
BEGAN = 1_700_000_000 * SECOND  # the trouble; the act is a minute later
ACTED = BEGAN + 60 * SECOND
NOW = ACTED + 100 * SECOND
SHOP, NODE = "service:shop", "node:n1"
LATENCY = Condition("service_latency_seconds", "down")


class Stored:
    """One sample a second of each series: calm, in trouble from `BEGAN` on, and as it is after `ACTED`."""

    def __init__(self) -> None:
        self.levels: dict[int, tuple[float, float, float]] = {}
        self.counters: set[int] = set()
        self.lost: set[int] = set()  # seconds after `ACTED` whose samples are not there
        self.reads = 0

    def read_points(self, series: int, window: Window, most: int) -> SeriesPoints:
        self.reads += 1
        times = np.arange(window.start_unix_nano, window.end_unix_nano, SECOND, dtype=np.int64)
        times = times[~np.isin((times - ACTED) // SECOND, list(self.lost))]
        calm, trouble, after = self.levels[series]
        values = np.where(times < BEGAN, calm, np.where(times < ACTED, trouble, after))
        if series in self.counters:
            values = np.cumsum(values)
        return SeriesPoints(times, values, values, values, 1.0, len(times))


class Rig:
    """A measurer over what a few series say, and one incident."""

    def __init__(self, *findings: Finding) -> None:
        self.registry, self.store = SeriesRegistry(100), Stored()
        self.incident = Incident(
            "i1", "s", IncidentState.OPEN, Severity.ERROR, (SHOP,), BEGAN, BEGAN, 0, findings, ()
        )
        inventory, incident = Inventory({}), lambda _: self.incident
        self.made = Measurer(self.store, self.registry, inventory, incident, 30.0)  # type: ignore[arg-type]  # of the store only this

    def series(self, metric: str, entity: str, *levels: float, kind: MetricKind = MetricKind.GAUGE) -> int:
        name = entity.partition(":")[2]
        number = self.registry.intern(metric, {"n": name}, "s", kind, "", entity)
        calm, trouble, after = levels
        self.store.levels[number] = (calm, trouble, after)
        if kind is MetricKind.COUNTER:
            self.store.counters.add(number)
        return number

    def found(
        self, series: int, start: int = BEGAN, low: float = 0.0, high: float = 10.0, **more: object
    ) -> Finding:
        text = self.registry.info(series).text() if series >= 0 else "q"
        evidence = Evidence("metric", text, series, start, start, 99.0, 5.0, low, high, 1e-9)
        one = Finding(
            f"{text}{start}", "robust", 1, "jump", SHOP, "t", "w", Severity.WARNING, FindingState.OPEN, start,
            start, evidence,
        )  # fmt: skip
        return replace(one, **more)  # type: ignore[arg-type]  # by name

    def holds(self, *findings: Finding) -> None:
        self.incident = replace(self.incident, findings=findings)


def acted(entity: str, *conditions: Condition) -> tuple[Run, StepRecord]:
    plan = replace(
        sample_plan("r", replace(sample_target("x"), entity=entity)),
        incident_id="i1",
        verification=conditions,
    )
    run = begun(sample_run(plan), at_unix_nano=ACTED)
    record = replace(
        run.records[-1], begun_unix_nano=ACTED, ended_unix_nano=ACTED + SECOND,
        result=ActResult(ActOutcome.DONE, "done"),
    )  # fmt: skip
    assert record.action.effect is EffectClass.REVERSIBLE
    return replace(run, records=(record,)), record


def test_the_windows_are_before_the_trouble_before_the_act_and_after_it_settled() -> None:
    rig = Rig()
    rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0)
    (seen,) = rig.made.measure(*acted(SHOP, LATENCY), NOW).seen
    assert set(seen.calm.tolist()) == {1.0}
    assert (set(seen.target.before.tolist()), len(seen.target.before)) == ({9.0}, 30)
    assert set(seen.target.after.tolist()) == {2.0}
    assert len(seen.calm) == 30
    holding = replace(LATENCY, hold=True)
    (seen,) = rig.made.measure(*acted(SHOP, holding), NOW).seen
    assert (set(seen.calm.tolist()), len(seen.calm)) == ({1.0}, 360), "how far it moves by itself"


def test_who_looks_late_looks_at_the_same_window() -> None:
    rig = Rig()
    rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0)
    for late in (0, 1, 600, 86_400):
        (seen,) = rig.made.measure(*acted(SHOP, LATENCY), NOW + late * SECOND).seen
        assert len(seen.target.after) == 30
    (seen,) = rig.made.measure(*acted(SHOP, LATENCY), ACTED + 70 * SECOND).seen
    assert len(seen.target.after) == 9, "what is to come is not there yet"
    (seen,) = rig.made.measure(*acted(SHOP, LATENCY), ACTED + 20 * SECOND).seen
    assert len(seen.target.after) == 0, "the clock went back"


def test_the_window_before_the_act_is_not_before_what_only_read() -> None:
    rig = Rig()
    rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0)
    run, act = acted(SHOP, LATENCY)
    looked, declined = (
        replace(
            act, key=name, begun_unix_nano=BEGAN + 3 * SECOND, ended_unix_nano=BEGAN + 4 * SECOND,
            action=replace(act.action, effect=effect), result=ActResult(outcome, ""),
        )
        for name, effect, outcome in (
            ("read", EffectClass.READ, ActOutcome.DONE),
            ("declined", EffectClass.REVERSIBLE, ActOutcome.NOT_DONE),
        )
    )  # fmt: skip
    (seen,) = rig.made.measure(replace(run, records=(looked, declined, act)), act, NOW).seen
    assert (set(seen.target.before.tolist()), len(seen.target.before)) == ({9.0}, 30)
    earlier = replace(declined, result=act.result)
    (seen,) = rig.made.measure(replace(run, records=(looked, earlier, act)), act, NOW).seen
    assert seen.target.before.tolist() == [9.0, 9.0, 9.0], "an earlier wave changed something"


@pytest.mark.parametrize(("kind", "first"), [(MetricKind.GAUGE, 0), (MetricKind.COUNTER, 1)])
def test_samples_that_should_be_there_after_the_act_and_are_not_are_missing(
    kind: MetricKind, first: int
) -> None:
    """The first sample of a counter has no rate, so that its second is the first that counts."""

    def missing(*lost: int) -> list[int]:
        rig = Rig()
        rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0, kind=kind)
        rig.store.lost = set(lost)
        (seen,) = rig.made.measure(*acted(SHOP, LATENCY), NOW).seen
        assert rig.store.reads == 3, "each window is read once"
        return [place + first for place in np.flatnonzero(np.isnan(seen.target.after)).tolist()]

    assert missing() == []
    assert missing(70, 71, 72) == [9, 10, 11]
    assert missing(*range(81, 91)) == list(range(20, 30)), "at its end"
    assert missing(*range(61, 71)) == list(range(first, 9 + 2 * first)), "and at its beginning"


def test_the_ends_of_a_window_lie_anywhere_between_two_samples() -> None:
    times = np.arange(9, 100, 10, dtype=np.int64)
    for start, end, holes in ((0, 100, 0), (-5, 105, 0), (-10, 109, 0), (-12, 119, 2)):
        values = _with_gaps(times, np.ones(10), Window(start, end))
        assert len(values) == 10 + int(np.isnan(values).sum())
        assert int(np.isnan(values).sum()) == holes


def test_two_samples_close_together_are_no_rhythm() -> None:
    window = Window(0, 30 * SECOND)
    times = np.array([0, 1, 2, 29 * SECOND], dtype=np.int64)
    assert len(_with_gaps(times, np.ones(4), window)) <= 2 * _MOST_POINTS
    assert _with_gaps(times[:1], np.ones(1), window).tolist() == [1.0]
    assert _with_gaps(times[:0], np.ones(0), window).tolist() == []


def test_counters_are_rates() -> None:
    rig = Rig()
    rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0, kind=MetricKind.COUNTER)
    (seen,) = rig.made.measure(*acted(SHOP, LATENCY), NOW).seen
    assert np.median(seen.target.before) == 9.0


def test_a_series_that_is_not_there_is_one_without_samples() -> None:
    rig = Rig()
    rig.series("service_latency_seconds", "service:cart", 1.0, 9.0, 2.0)
    (seen,) = rig.made.measure(*acted(SHOP, LATENCY), NOW).seen
    assert (seen.name, len(seen.target.after)) == ("service_latency_seconds of service:shop", 0)


@pytest.mark.parametrize(
    ("entity", "measured"), [(NODE, True), ("address-list:edge", True), ("service:x", False)]
)
def test_what_serves_nothing_itself_is_judged_by_whom_the_incident_is_about(
    entity: str, measured: bool
) -> None:
    rig = Rig()
    rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0)
    (seen,) = rig.made.measure(*acted(entity, LATENCY), NOW).seen
    assert (len(seen.target.after) > 0) is measured


def test_a_finding_on_what_is_measured_leaves_it_to_the_numbers() -> None:
    rig = Rig()
    latency = rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0)
    load = rig.series("service_requests_rate", SHOP, 1.0, 90.0, 90.0)
    rig.holds(rig.found(load), rig.found(latency))
    measured = rig.made.measure(*acted(SHOP, LATENCY), NOW)
    assert (measured.told, measured.symptom_fires) == (True, True)
    rig.holds(rig.found(load))
    assert not rig.made.measure(*acted(SHOP, LATENCY), NOW).told
    holding = Condition("service_latency_seconds", "down", hold=True)
    rig.holds(rig.found(load), rig.found(latency))
    assert not rig.made.measure(*acted(SHOP, holding), NOW).told


def test_a_finding_on_what_is_measured_that_still_shows_is_not_left_to_the_numbers() -> None:
    """What is left of the trouble by the band of its finding is less than the condition asks for."""
    rig = Rig()
    latency = rig.series("service_latency_seconds", SHOP, 1.0, 90.0, 60.0)
    errors = rig.series("service_error_ratio", SHOP, 0.0, 1.0, 0.0)
    both = acted(SHOP, LATENCY, Condition("service_error_ratio", "down"))
    rig.holds(rig.found(errors), rig.found(latency))
    measured = rig.made.measure(*both, NOW)
    assert (measured.told, measured.symptom_fires) == (False, True)
    for high, told in ((29.0, False), (31.0, True), (70.0, True)):
        rig.holds(rig.found(errors), rig.found(latency, high=high))
        assert rig.made.measure(*both, NOW).told is told, high
    rig.holds(rig.found(errors), rig.found(latency, state=FindingState.CLOSED))
    assert rig.made.measure(*both, NOW).told
    rig.holds(rig.found(errors), rig.found(latency, low=float("nan")))
    assert rig.made.measure(*both, NOW).told, "without a band only the numbers can tell"


def test_what_began_after_the_act_is_not_its_symptom() -> None:
    rig = Rig()
    load = rig.series("service_requests_rate", SHOP, 1.0, 90.0, 90.0)
    for start, shows in ((BEGAN, True), (ACTED + 5 * SECOND, False)):
        rig.holds(rig.found(load, start))
        assert rig.made.measure(*acted(SHOP, LATENCY), NOW).symptom_fires is shows


def test_findings_that_must_be_over() -> None:
    rig = Rig()
    series = rig.series("certificate", SHOP, 5.0, 99.0, 5.0)
    still = rig.series("other", SHOP, 5.0, 99.0, 99.0)
    wanted = Condition("", "down", finding="certificate_expiry")

    def found(*findings: Finding) -> bool | None:
        rig.holds(*findings)
        measured = rig.made.measure(*acted(SHOP, wanted), NOW)
        assert measured.told
        (one,) = measured.found
        return one.shows

    assert found(rig.found(series, detector="robust")) is None, "nothing of it was found"
    assert found(rig.found(series, detector="certificate_expiry")) is False, "its samples are within the band"
    assert found(rig.found(still, detector="certificate_expiry")) is True
    closed = rig.found(still, detector="certificate_expiry", state=FindingState.CLOSED)
    assert found(closed) is False


def test_an_incident_that_is_gone_leaves_the_symptom_unknown() -> None:
    rig = Rig()
    rig.series("service_latency_seconds", SHOP, 1.0, 9.0, 2.0)
    rig.made._incident = lambda _: None
    assert rig.made.measure(*acted(SHOP, LATENCY), NOW + from_seconds(1.0)).symptom_fires is None

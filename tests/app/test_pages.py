"""The alarm budget in the running system: over restarts, by hand, and what it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.config_pages import PagesConfig
from stormpetrel.app.judge import Judge
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.app.slos import SloKeeper, build_slos
from stormpetrel.errors import ConfigError, NotFoundError, StateError, StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.page import PageAccount, PageDecision
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.clock import FakeClock

T0 = 1_700_000_000_000_000_000
MINUTE, DAY = from_seconds(60), from_seconds(86_400)
CONFIG = Config(pages=PagesConfig(per_week=5))
SHOP = '[[slo]]\nname = "shop"\nobjective = 99.9\ntotal = "requests_total"\nerrors = "errors_total"\n'


def finding(number: int, p: float, at: int, state: FindingState = FindingState.OPEN) -> Finding:
    evidence = Evidence("metric", "cpu{}", 1, at, at, 9.0, 1.0, 0.0, 2.0, p)
    return Finding(
        f"f{number}", "robust", 1, "residual", f"host:h{number}", "cpu high", "9 against 0 to 2",
        Severity.WARNING, state, at, at, evidence,
    )  # fmt: skip


def story(pipeline: Pipeline, first: int, last: int) -> list[Incident]:
    """An incident every six hours, of unlike strength."""
    newest: dict[str, Incident] = {}
    for number in range(first, last):
        at = T0 + number * DAY // 4
        p = 10.0 ** -(5.0 + (number * 7) % 6)
        found = pipeline.decide(pipeline.grouping.update([finding(number, p, at)], at), at)
        closed = [finding(number, p, at, FindingState.CLOSED)]
        found += pipeline.decide(pipeline.grouping.update(closed, at + MINUTE), at + MINUTE)
        found += pipeline.decide(pipeline.grouping.advance(at + 10 * MINUTE), at + 10 * MINUTE)
        newest.update((one.incident_id, one) for one in found)
    return list(newest.values())


def paged(incidents: list[Incident]) -> list[str]:
    return [
        one.incident_id
        for one in incidents
        if one.page is not None and one.page.decision is PageDecision.PAGED
    ]


def test_a_restart_changes_no_decision(control: ControlStore) -> None:
    whole = story(Pipeline(CONFIG, SeriesRegistry()), 0, 80)
    control.save_incidents(story(Pipeline(CONFIG, SeriesRegistry()), 0, 40))
    again = Pipeline(CONFIG, SeriesRegistry())
    again.budget.restore(control.list_pages(limit=5000))
    rest = story(again, 40, 80)
    assert paged(whole)[-1] in paged(rest)
    assert [one for one in paged(whole) if int(one[2:]) >= 40] == paged(rest)
    times = sorted(one.page.time_unix_nano for one in whole if one.page and one.incident_id in paged(whole))
    assert len(times) >= 10
    assert all(later - sooner >= 7 * DAY for sooner, later in zip(times, times[5:], strict=False))


def test_a_decision_stays_with_its_incident_through_a_persons_steps() -> None:
    pipeline = Pipeline(CONFIG, SeriesRegistry())
    emitted: list[Outcome] = []
    judge = Judge(pipeline, FakeClock(T0 + DAY), emitted.append, lambda: None)
    (one,) = pipeline.decide(pipeline.grouping.update([finding(1, 1e-9, T0)], T0), T0)
    moved = judge.move(one.incident_id, IncidentState.ACKNOWLEDGED, "ann", "")
    assert moved.page == one.page
    assert one.page is not None
    assert one.page.decision is PageDecision.PAGED


def test_a_person_pages_what_is_held_once_and_a_store_that_refuses_undoes_it() -> None:
    pipeline = Pipeline(CONFIG, SeriesRegistry())
    refusing = True

    def keep(_: Incident) -> None:
        if refusing:
            raise StoreError("full")

    judge = Judge(pipeline, FakeClock(T0 + DAY), lambda _: None, lambda: None, keep)
    (held,) = pipeline.decide(pipeline.grouping.update([finding(1, 1e-4, T0)], T0), T0)
    assert held.page is not None
    assert held.page.decision is PageDecision.HELD
    with pytest.raises(StoreError):
        judge.page(held.incident_id, "ann")
    assert pipeline.grouping.unresolved()[0].page == held.page
    refusing = False
    by_hand = judge.page(held.incident_id, "ann", "I see smoke")
    assert by_hand.page is not None
    assert by_hand.page.account is PageAccount.BY_HAND
    assert pipeline.grouping.unresolved() == [by_hand]
    with pytest.raises(StateError):
        judge.page(held.incident_id, "bob")
    with pytest.raises(NotFoundError):
        judge.page("i-none", "bob")


# ------------------------------------------------------------------------------------ objectives


def shop(tmp_path: Path) -> Config:
    (tmp_path / "petrel.toml").write_text(SHOP, encoding="utf-8")
    return load_config(tmp_path / "petrel.toml")


def burn(pipeline: Pipeline, minutes: range, failing: int) -> list[Incident]:
    found: list[Incident] = []
    for minute in minutes:
        time = T0 + minute * MINUTE
        values = np.array([600.0 * minute, float(failing * (minute - minutes.start))])
        batch = MetricBatch(np.arange(2, dtype=np.uint32), np.full(2, time), values)
        signal = np.full(2, np.nan if minute == minutes.start else 1.0)
        pipeline.learn_new_series()
        pipeline.slos.learn(AdmittedMetrics(batch, signal, np.zeros(2, np.bool_)))
        found += pipeline.advance(time + 2 * MINUTE).incidents
    return found


def registered() -> SeriesRegistry:
    registry = SeriesRegistry()
    for metric in ("requests_total", "errors_total"):
        registry.intern(metric, {"service": "shop"}, "t", MetricKind.COUNTER)
    return registry


def test_a_burning_objective_pages_outside_an_empty_budget(tmp_path: Path) -> None:
    config = shop(tmp_path).model_copy(update={"pages": PagesConfig(per_week=0)})
    pipeline = Pipeline(config, registered())
    newest = {one.incident_id: one for one in burn(pipeline, range(90), 60)}
    (incident,) = newest.values()
    assert incident.page is not None
    assert (incident.page.decision, incident.page.account) == (PageDecision.PAGED, PageAccount.SLO)
    assert incident.entities == ("service:shop",)
    assert pipeline.budget.ledger.used(T0 + DAY) == 0


def test_counts_of_objectives_survive_a_restart(tmp_path: Path, control: ControlStore) -> None:
    config = shop(tmp_path)
    pipeline = Pipeline(config, registered())
    burn(pipeline, range(90), 1)
    keeper = SloKeeper(control)
    keeper.keep(pipeline.slos, T0)
    again = build_slos(config)
    SloKeeper(control).restore(again)
    assert again.statuses()[0][1] == pipeline.slos.statuses()[0][1]
    assert again.statuses()[0][1].total == 600 * 89
    control.put("slo:shop", "{}")
    fresh = build_slos(config)
    SloKeeper(control).restore(fresh)  # logged, and begun anew
    assert fresh.statuses()[0][1].total == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pages]\nper_week = -1\n", "pages.per_week"),
        ("[pages]\nerror_share = 0.7\ncritical_share = 0.7\n", "more than 1"),
        (SHOP + SHOP, "two objectives have the name shop"),
        (SHOP.replace("99.9", "100"), "slo.0.objective"),
        (SHOP + 'good = "good_total"\n', "give two of total, good and errors"),
        (SHOP.replace('"requests_total"', '"requests_total{"'), "is no selector"),
        ('[[slo]]\nname = "a"\nlatency = "d"\n', "latency needs threshold_seconds"),
        (SHOP + "objectve = 1\n", "did you mean slo.0.objective"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "petrel.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "petrel.toml")

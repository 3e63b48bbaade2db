"""Each explainer by itself: effects, onset, counts, roles, changes, words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.explain.scenes import ONSET, STEP, change, quiet, sightings, slow_database

from stormpetrel.explain.changes import inert, suspect_changes
from stormpetrel.explain.counts import departures
from stormpetrel.explain.effects import MOST, effects_of, last_known
from stormpetrel.explain.graph import passes_on
from stormpetrel.explain.kinds import MetricClass, kind_of
from stormpetrel.explain.onset import split_of

BEFORE = np.arange(70) < ONSET


@given(hnp.arrays(np.float64, (70, 3), elements=st.floats(allow_nan=True, allow_infinity=True)))
@settings(max_examples=80, deadline=None)
def test_effects_are_finite_and_capped_whatever_comes(values: np.ndarray) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        found = effects_of(np.clip(values, -1e150, 1e150), BEFORE, ~BEFORE)
    assert np.isfinite(found.size).all()
    assert (found.size >= 0.0).all()
    assert (found.size <= np.log1p(MOST)).all()


def test_a_series_that_hardly_moves_is_not_infinitely_strange() -> None:
    values = np.full((70, 2), 100.0)
    values[ONSET:, 0] += 1e-6  # less than its floor
    values[ONSET:, 1] += 50.0
    found = effects_of(values, BEFORE, ~BEFORE)
    assert found.size[0] < 0.01
    assert found.size[1] > 1.5


def test_what_happens_every_hour_says_little_when_it_happens_now() -> None:
    rng = np.random.default_rng(1)
    values = 100.0 + rng.standard_normal((70, 2))
    values[5:60:11, 0] += 60.0  # a habit
    values[ONSET:] += 60.0
    found = effects_of(values, BEFORE, ~BEFORE)
    assert found.size[0] < 0.5 * found.size[1]


def test_one_error_more_says_little_where_there_was_one_before() -> None:
    values = np.zeros((len(BEFORE), 2))
    values[5, 0] = 1.0  # a single one in the past
    values[np.flatnonzero(~BEFORE)[0], :] = 1.0
    found = effects_of(values, BEFORE, ~BEFORE)
    assert found.size[0] == 0.0
    assert effects_of(values * 50.0 + np.arange(len(BEFORE))[:, None] % 2, BEFORE, ~BEFORE).size[1] > 0.5


def test_a_past_that_is_mostly_from_before_the_first_start_is_a_past_all_the_same() -> None:
    rng = np.random.default_rng(1)
    values = np.full((1000, 2), np.nan)
    values[950:] = 100.0 + rng.standard_normal((50, 2))
    values[990:, 0] += 60.0
    before = np.arange(1000) < 990
    found = effects_of(values, before, ~before)
    assert found.size[0] > 1.5
    values[950:985, 0] = np.nan  # but one series is new
    values[985:990, 0] = np.nan
    assert effects_of(values, before, ~before).size[0] < 1.0


def test_unknown_becomes_the_last_known_value() -> None:
    values = np.array([[np.nan, np.nan], [1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    assert last_known(values).tolist() == [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [3.0, 0.0]]


@pytest.mark.parametrize("late", range(-4, 6))
def test_the_onset_is_found_near_a_wrong_report(late: int) -> None:
    situation = slow_database(3)
    moved = replace(situation, anchor_unix_nano=situation.anchor_unix_nano + late * STEP)
    split = split_of(moved)
    assert abs(split.since_unix_nano - ONSET * STEP) <= STEP
    assert not (split.before & split.during).any()


def test_the_onset_is_found_after_a_short_past_too() -> None:
    situation = slow_database()
    kept = situation.time_unix_nano >= (ONSET - 20) * STEP
    short = replace(
        situation,
        time_unix_nano=situation.time_unix_nano[kept],
        values=situation.values[kept],
        usable=situation.usable[kept],
        anchor_unix_nano=(ONSET + 3) * STEP,
        slack_seconds=1800.0,
    )
    assert split_of(short).since_unix_nano == ONSET * STEP


def test_without_any_movement_the_report_stands() -> None:
    situation = replace(quiet(), values=np.full((70, 16), 7.0))
    assert split_of(situation).since_unix_nano == ONSET * STEP


def test_counts_are_compared_within_their_place() -> None:
    rows = []
    for at in range(70):
        busy = 3.0 if at >= ONSET else 1.0  # three times the traffic: no news in itself
        rows += [(at, "a", "one", 20.0 * busy), (at, "a", "two", 10.0 * busy), (at, "a", "three", 8.0 * busy)]
        rows.append((at, "a", "four", 12.0 if at < ONSET else 0.0))  # vanished
        if at >= ONSET:
            rows.append((at, "a", "five", 6.0))  # new
    seen = sightings(rows)
    found = departures(seen, ONSET * STEP)
    score = {seen.things[t]: float(s) for t, s in zip(found.thing, found.score, strict=True)}
    assert abs(score["one"]) < 3.0
    assert abs(score["two"]) < 3.0
    assert score["four"] < -5.0
    assert score["five"] > 5.0
    assert [seen.things[t] for t in found.thing[found.fresh]] == ["five"]


def test_a_thing_that_comes_and_goes_says_little_by_coming() -> None:
    rows = [(at, "a", "steady", 20.0) for at in range(70)]
    rows += [(at, "a", "now and then", 40.0) for at in range(0, 60, 7)]
    rows += [(at, "a", "now and then", 30.0) for at in range(ONSET, 70)]
    rows += [(at, "a", "rare but even", 2.0 if at < ONSET else 30.0) for at in range(70)]
    seen = sightings(rows)
    found = departures(seen, ONSET * STEP)
    score = {seen.things[t]: float(s) for t, s in zip(found.thing, found.score, strict=True)}
    assert score["now and then"] < 0.5 * score["rare but even"]


def test_roles_are_told_from_the_graph_and_from_traffic() -> None:
    situation = quiet()
    columns = [k for k, metric in enumerate(situation.metrics) if metric == "requests"]
    rng = np.random.default_rng(5)
    names = ("service:web", "service:web-lb", "service:shop", "service:orders")
    loads = 50.0 + 10.0 * rng.standard_normal((70, 4))
    loads[:, 1] = loads[:, 2] * 1.01  # the balancer in front of the shop carries what the shop does
    bare = replace(situation, values=loads, entities=names, metrics=("requests",) * 4, entry=-1)
    assert len(columns) == 4
    callees = {
        "service:client": {"service:web"},
        "service:web": {"service:web-lb", "service:shop"},
        "service:shop": {"service:orders"},
    }
    found = passes_on(bare, split_of(bare), callees)
    assert found == {"service:client": "service:web", "service:web-lb": "service:shop"}


def test_changes_that_cannot_alter_a_service_are_inert() -> None:
    assert inert(
        change("a", 1, "x", files=("docs/a.md", "README", "pkg/a_test.go", ".github/workflows/x.yml"))
    )
    assert not inert(change("b", 1, "x", files=("docs/a.md", "pkg/a.go")))
    assert not inert(change("c", 1, "x")), "what it touches is not known"


def test_a_change_after_the_onset_is_not_suspected() -> None:
    situation = replace(
        quiet(),
        changes=(
            change("before", 2, "retry the payments", "service:shop", "deploy"),
            change("after", -20, "retry the payments", "service:shop", "deploy"),
        ),
    )
    ranked = suspect_changes(situation, ONSET * STEP, {"service:shop": 3.0}, ["payments refused"])
    assert [one.change_id for one in ranked] == ["before", "after"]
    assert ranked[1].score < 1.5
    assert any("after the trouble began" in item.text for item in ranked[1].evidence)


def test_kinds_of_metrics() -> None:
    assert kind_of("node_cpu_seconds") is MetricClass.HOST
    assert kind_of("node_cpu_seconds", of_host=True) is MetricClass.CPU
    assert kind_of("fs_used_bytes") is MetricClass.IO
    assert kind_of("temperature") is MetricClass.OTHER
    assert kind_of("host_memory_available_bytes") is MetricClass.MEMORY
    assert kind_of('host_cpu_mode_ratio{mode="iowait"}') is MetricClass.CPU
    assert kind_of('http_requests_total{code="503"}') is MetricClass.ERROR

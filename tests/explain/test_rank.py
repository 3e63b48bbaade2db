"""The ranking of causes as a whole: who is first, that scores are sums, and that nothing is an answer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.explain.scenes import (
    ONSET,
    SECOND,
    SERVICES,
    STEP,
    change,
    quiet,
    sightings,
    slow_database,
    with_step,
)

from stormpetrel.explain.graph import graph_evidence
from stormpetrel.explain.logs import log_evidence
from stormpetrel.explain.onset import split_of
from stormpetrel.explain.rank import _why_not, diagnose
from stormpetrel.explain.verdicts import told_of
from stormpetrel.explain.weights import DEFAULT
from stormpetrel.model.cause import Cause, CauseClass, EvidenceItem


@pytest.mark.parametrize("seed", range(5))
def test_the_callee_that_changed_is_first_and_its_callers_say_why_they_are_not(seed: int) -> None:
    told = diagnose(slow_database(seed))
    assert told.found
    assert told.causes[0].entity == "service:db"
    assert told.causes[0].cause_class is CauseClass.SATURATION
    assert told.causes[0].why_not_first == ""
    assert all(cause.why_not_first for cause in told.causes[1:])
    shop = next(cause for cause in told.causes if cause.entity == "service:shop")
    assert any("service:db, which it calls" in item.text for item in shop.evidence)
    assert told.since_unix_nano == STEP * ONSET


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(0, 15), st.floats(0.0, 50.0)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_every_score_is_the_sum_of_the_evidence_that_is_shown(
    seed: int, steps: list[tuple[int, float]]
) -> None:
    situation = quiet(seed)
    values = situation.values.copy()
    for column, times in steps:
        values[ONSET:, column] *= times
    told = diagnose(replace(situation, values=values))
    for cause in told.causes:
        assert cause.score == math.fsum(item.weight for item in cause.evidence)
        assert all(item.entity == cause.entity for item in cause.evidence)
    assert [cause.score for cause in told.causes] == sorted(
        (cause.score for cause in told.causes), reverse=True
    )
    assert diagnose(replace(situation, values=values)) == told


def test_of_two_that_show_the_same_it_is_said_what_tells_them_apart() -> None:
    def shown(entity: str, *weights: float) -> tuple[EvidenceItem, ...]:
        kinds = ("metric:latency", "metric:error")
        return tuple(EvidenceItem(k, entity, "x", w) for k, w in zip(kinds, weights, strict=True))

    first = Cause("service:a", "", CauseClass.UNKNOWN, 5.0, shown("service:a", 3.0, 2.0))
    assert _why_not(first, shown("service:b", 1.5, 2.0), 3.5) == (
        "5.0 to 3.5 in evidence; service:a shows more of the same: latency adds 3.00 there, 1.50 here"
    )
    assert _why_not(first, shown("service:b", 3.0, 2.0), 5.0).endswith("stands before it by its name alone")


def test_what_fell_silent_is_unknown_and_not_well() -> None:
    situation = quiet(1)
    values = situation.values.copy()
    values[ONSET - 10 :, :3] = np.nan
    told = diagnose(replace(situation, values=values))
    assert "3 series say nothing since then: how they are is unknown" in told.checked
    assert not any("say nothing since" in text for text in diagnose(situation).checked)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from([np.inf, -np.inf, np.nan]))),
)
@settings(max_examples=30, deadline=None)
def test_whatever_stands_in_the_rows_the_sums_are_numbers(seed: int, holes: list[tuple[int, float]]) -> None:
    situation = quiet(seed)
    values = situation.values.copy()
    for column, value in holes:
        values[seed % ONSET :, column] = value
    told = diagnose(replace(situation, values=values))
    assert all(math.isfinite(cause.score) for cause in told.causes)
    assert math.isfinite(told.certainty)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_wrong_is_told_as_no_cause_found(seed: int) -> None:
    told = diagnose(quiet(seed))
    assert not told.found
    assert told.certainty < 0.5
    assert "no change is known near it" in told.checked


@pytest.mark.parametrize("minutes", [-2, -1, 0, 2, 4, 5])
def test_a_wrong_report_of_the_time_changes_nothing(minutes: int) -> None:
    situation = slow_database()
    told = diagnose(replace(situation, anchor_unix_nano=situation.anchor_unix_nano + minutes * STEP))
    assert told.causes[0].entity == "service:db"
    assert abs(told.since_unix_nano - STEP * ONSET) <= STEP


def test_a_line_that_accuses_somebody_counts_against_them() -> None:
    rows = [(at, "service:web", "GET / 200", 50.0) for at in range(70)]
    rows += [(at, "service:shop", "order placed", 50.0) for at in range(70)]
    rows += [(at, "service:web", "timeout calling shop", 9.0) for at in range(ONSET, 70)]
    seen = sightings(rows, failing=("timeout calling shop",))
    told = diagnose(replace(quiet(), patterns=seen))
    assert told.causes[0].entity == "service:shop"
    assert "timeout calling shop" in told.causes[0].evidence[0].text


def test_a_suspicious_change_is_named_and_a_harmless_one_is_not() -> None:
    guilty = change("g", 3, "cache the query plans of the db", "service:db", "deploy")
    others = [change(f"h{k}", 5 * k + 1, f"tidy imports of module {k}") for k in range(8)]
    docs = change("docs", 1, "describe latency of the db", "service:db", "deploy", ("docs/db.md",))
    told = diagnose(replace(slow_database(), changes=(*others, docs, guilty)))
    assert told.change_id == "g"
    assert told.causes[0].cause_class is CauseClass.DEPLOY
    without = diagnose(replace(slow_database(), changes=(*others, docs)))
    assert without.change_id == ""
    assert any("none is suspicious" in said for said in without.checked)


def test_a_change_of_somebody_else_is_not_held_against_the_first() -> None:
    """It shares words with the trouble, and nothing leads from it to whom the evidence is against."""
    elsewhere = change("blog", 1, "blog: teaser about latency and usage", "service:blog", "deploy")
    others = [change(f"h{k}", 5 * k + 1, f"tidy imports of module {k}") for k in range(8)]
    told = diagnose(replace(slow_database(), changes=(*others, elsewhere)))
    assert told.change_id == "blog", "suspicious, and shown as that"
    assert (told.causes[0].entity, told.causes[0].change_id) == ("service:db", "")
    assert told.causes[0].cause_class is CauseClass.SATURATION
    assert told_of(told, 0).change_id == ""
    caller = replace(elsewhere, entity="service:shop")
    assert diagnose(replace(slow_database(), changes=(*others, caller))).causes[0].change_id == "blog"
    below = replace(slow_database(), changes=(*others, replace(elsewhere, entity="host:h")))
    assert diagnose(below).causes[0].change_id == ""
    placed = replace(below, places=(("service:db", "host:h"),))
    assert diagnose(placed).causes[0].change_id == "blog"
    assert diagnose(replace(below, changes=(*others, replace(elsewhere, entity="")))).causes[0].change_id


def test_what_many_log_accuses_each_of_them_less() -> None:
    def weight(shared_by: int) -> float:
        rows = [(at, name, "GET / 200", 50.0) for at in range(70) for name in SERVICES]
        rows += [(at, one, f"{one} gave up", 9.0) for at in range(ONSET, 70) for one in SERVICES[:shared_by]]
        seen = replace(quiet(), patterns=sightings(rows))
        found = log_evidence(seen, split_of(seen), DEFAULT)
        return next(item.weight for item in found if item.entity == SERVICES[0])

    assert weight(1) > 1.2 * weight(2) > 1.2 * weight(4)


@pytest.mark.parametrize("moments", [1, 2, 4, 8, 16])
def test_on_a_short_past_chance_is_no_cause_and_trouble_still_is(moments: int) -> None:
    """Forty series of noise after so few moments of past: the most different of them is no cause."""
    names = tuple(f"service:{k}" for k in range(40))

    def first(seed: int, added: float) -> Cause | None:
        values = np.random.default_rng(seed).normal(10.0, 1.0, (moments + 20, 40))
        values[moments:, 3] += added
        short = replace(
            quiet(),
            time_unix_nano=STEP * np.arange(len(values), dtype=np.int64),
            values=values,
            entities=names,
            metrics=("http_request_duration_seconds",) * 40,
            anchor_unix_nano=STEP * moments,
            usable=np.ones(len(values), np.bool_),
            entry=-1,
            calls=(),
        )
        told = diagnose(short)
        return told.causes[0] if told.found else None

    assert [first(seed, 0.0) for seed in range(40)] == [None] * 40
    found = [one.entity for seed in range(40) if (one := first(seed, 40.0)) is not None]
    assert found == ["service:3"] * (40 if moments >= 4 else len(found))


def test_a_front_door_is_never_a_cause_and_empty_input_is_no_crash() -> None:
    situation = replace(slow_database(), front_door=frozenset({"service:db"}))
    assert all(cause.entity != "service:db" for cause in diagnose(situation).causes)
    bare = replace(quiet(), values=np.zeros((70, 0)), entities=(), metrics=(), entry=-1, calls=())
    assert diagnose(bare).causes == ()
    with pytest.raises(ValueError, match="at least two moments"):
        diagnose(
            replace(bare, time_unix_nano=np.array([SECOND]), values=np.zeros((1, 0)), usable=np.array([True]))
        )


def test_unknown_values_and_new_series_do_not_lead() -> None:
    situation = slow_database()
    values = situation.values.copy()
    values[:, 15] = np.nan  # never seen
    values[:ONSET, 14] = np.nan  # new: only seen during the trouble
    values[ONSET:, 14] = 1e9
    told = diagnose(replace(situation, values=values))
    assert told.causes[0].entity == "service:db"


def test_what_the_entry_does_not_call_is_held_back() -> None:
    situation = with_step(slow_database(), "service:cache", "cpu_usage", 40.0)
    reached = diagnose(situation)
    apart = diagnose(
        replace(situation, calls=tuple(pair for pair in situation.calls if "service:cache" not in pair))
    )
    score = {"reached": 0.0, "apart": 0.0}
    for name, told in (("reached", reached), ("apart", apart)):
        score[name] = next(cause.score for cause in told.causes if cause.entity == "service:cache")
    assert score["apart"] < 0.5 * score["reached"]


def test_who_is_asked_for_other_things_is_not_first() -> None:
    """The shop asks its database for something else than before; so that one does something else, too."""
    situation, split = quiet(), split_of(quiet())
    shown = [
        EvidenceItem(kind, entity, "", weight)
        for entity, kind, weight in (
            ("service:db", "missing call", 1.4), ("service:db", "extra call", 0.9),
            ("service:shop", "missing call", 1.3), ("service:shop", "extra call", 1.0),
        )
    ]  # fmt: skip
    taken = graph_evidence(situation, split, shown, DEFAULT)
    assert {item.entity for item in taken} == {"service:db"}
    assert all("service:shop, which calls it, shows" in item.text for item in taken)
    lost = -math.fsum(item.weight for item in taken)
    assert math.isclose(lost, DEFAULT.explained_counts * (1.3 + 1.0))
    alone = graph_evidence(situation, split, shown[:2], DEFAULT)
    assert alone == []


def test_who_is_slow_because_its_host_is_busy_is_not_first() -> None:
    """The cache runs on a host whose processors are busy, and is as slow as the host is busy."""
    situation = with_step(quiet(), "service:cache", "latency_p95", 8.0)
    values = np.column_stack([situation.values, 0.2 + 0.01 * np.sin(np.arange(len(situation.values)))])
    values[ONSET:, -1] = 0.9
    situation = replace(
        situation,
        values=values,
        entities=(*situation.entities, "host:h"),
        metrics=(*situation.metrics, "cpu_usage"),
        entry=-1,
        calls=(),
    )
    alone = {cause.entity: cause.score for cause in diagnose(situation).causes}
    told = diagnose(replace(situation, places=(("service:cache", "host:h"), ("service:web", "host:g"))))
    assert told.causes[0].entity == "host:h"
    cache = next(cause for cause in told.causes if cause.entity == "service:cache")
    assert cache.score < alone["service:cache"]
    assert any("host:h, which it runs on" in item.text for item in cache.evidence)
    assert cache.score == math.fsum(item.weight for item in cache.evidence)


def test_a_deploy_of_long_ago_is_not_suspected_for_its_place_alone() -> None:
    """It changed what is in trouble now, and it ran well for an hour and a half."""
    fresh = change("d", 2.0, "deploy of db", entity="service:db", kind="deploy")
    old = change("d", 90.0, "deploy of db", entity="service:db", kind="deploy")
    assert diagnose(replace(slow_database(), changes=(fresh,))).change_id == "d"
    assert diagnose(replace(slow_database(), changes=(old,))).change_id == ""

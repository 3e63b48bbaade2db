"""What the store tells of a plan's surroundings: boundaries of hours and days, others' acts, and tries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.store.automation_past import touches

from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy, EffectClass
from stormpetrel.model.facts import Lease, Owner, Switch, Touched
from stormpetrel.model.run import Run, Verification
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.testing.automation_samples import (
    BUDGET,
    VERSION,
    answered,
    begun,
    ended,
    fixed_judge,
    sample_facts,
    sample_plan,
    sample_run,
    sample_runbook,
    sample_target,
    yes,
)
from stormpetrel.testing.check_automation_runs import acted, facts_of, token_of, verified, whole_run
from stormpetrel.testing.check_automation_store import let_go
from stormpetrel.testing.store_samples import NOW, SECOND

HOUR = 3600 * SECOND
DAY = NOW - NOW % (24 * HOUR)
COOLDOWN = 600 * SECOND
NAMES = (f"q{number}" for number in range(10_000))


def charged(store: SqlControlStore, name: str, at: int) -> None:
    run = acted(store, let_go(store, sample_run(sample_plan(name, churn=1)), at=at), at=at)
    store.advance_run(run, ended(run, at_unix_nano=at), ())


def spent(store: SqlControlStore, at: int) -> tuple[float, float]:
    hour, day = store.purses(at, BUDGET)
    assert (hour.churned, day.churned) == (hour.spent, day.spent)
    return hour.spent, day.spent


def test_what_ends_on_the_stroke_counts_in_the_hour_and_day_that_begin(automation: SqlControlStore) -> None:
    charged(automation, "a", DAY)
    assert spent(automation, DAY + HOUR - 1) == (1.0, 1.0)
    assert spent(automation, DAY + HOUR) == (0.0, 1.0)
    assert spent(automation, DAY + 24 * HOUR - 1) == (0.0, 1.0)
    assert spent(automation, DAY + 24 * HOUR) == (0.0, 0.0)
    charged(automation, "b", DAY + HOUR - 1)
    charged(automation, "c", DAY + HOUR)
    assert spent(automation, DAY + 2 * HOUR - 1) == (1.0, 3.0)


def test_what_is_held_counts_however_long_it_runs_and_not_as_spent(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("X", spend=5.0, churn=3)), at=DAY)
    for purse in automation.purses(DAY + 90 * HOUR, BUDGET):
        assert (purse.reserved, purse.churn_reserved, purse.spent, purse.churned) == (5.0, 3, 0.0, 0)
    for mine in (facts_of(automation, sample_run(sample_plan("b"))).hour, automation.purses(DAY, BUDGET)[1]):
        assert mine is not None
        assert mine.reserved == 5.0
    facts, _ = automation.admit(sample_facts(run), fixed_judge(run.plan, Outcome.ALLOW), run, BUDGET)
    assert [one and one.reserved for one in (facts.hour, facts.day)] == [0.0, 0.0]


def test_a_driver_that_names_an_end_too_early_does_not_have_it_counted_twice(
    automation: SqlControlStore,
) -> None:
    run = acted(automation, let_go(automation, sample_run(sample_plan("a"))))
    automation.advance_run(run, replace(run, ended_unix_nano=NOW), ())
    for purse in automation.purses(NOW, BUDGET):
        assert (purse.reserved, purse.spent, purse.churned) == (1.0, 0.0, 0)


def test_a_run_of_exactly_an_hour_ago_counts_no_more(automation: SqlControlStore) -> None:
    held = let_go(automation, sample_run(sample_plan("a")))
    done = acted(automation, let_go(automation, sample_run(replace(sample_plan("b"), runbook="other"))))
    automation.advance_run(done, ended(done), ())
    for at, counted in ((NOW + HOUR - 1, (1, 2)), (NOW + HOUR, (0, 0))):
        rate = facts_of(automation, sample_run(sample_plan(next(NAMES))), at).rate
        assert rate is not None
        assert (rate.runbook_hour, rate.overall_hour) == counted
    facts, _ = automation.admit(sample_facts(held), fixed_judge(held.plan, Outcome.ALLOW), held, BUDGET)
    assert facts.rate is not None
    assert (facts.rate.runbook_hour, facts.rate.overall_hour, facts.rate.busy) == (0, 1, ())


class Past:
    """Acts of others on one entity, and how they look at `NOW`."""

    def __init__(self, store: SqlControlStore, directory: Path) -> None:
        self._store, self._directory = store, directory
        self._names = iter(range(100))

    def of(self, *acts: tuple[str, int, int]) -> Touched:
        name = f"t{next(self._names)}"
        touches(self._directory, *acts, entity=f"service:{name}")
        run = sample_run(sample_plan(f"run-{name}", sample_target(name)))
        (seen,) = facts_of(self._store, run).touched or ()
        return seen

    def in_a_row(self, *times: int) -> int:
        return self.of(*((f"r{place}", NOW + at, 0) for place, at in enumerate(times))).in_a_row

    def turned(self, *ways: int, at: int = NOW) -> int:
        return self.of(*(("r", at, way) for way in ways)).reversals_hour


@pytest.fixture
def past(automation: SqlControlStore, tmp_path: Path) -> Past:
    return Past(automation, tmp_path)


def test_acts_are_in_a_row_within_a_cooldown_that_doubles(past: Past) -> None:
    assert past.in_a_row() == 0
    assert past.in_a_row(0) == 1
    assert past.in_a_row(0, COOLDOWN - 1) == 2
    assert past.in_a_row(0, COOLDOWN) == 1
    assert past.in_a_row(0, 1, 2 * COOLDOWN) == 3
    assert past.in_a_row(0, 1, 2 * COOLDOWN + 1) == 1
    assert past.in_a_row(0, 1, 2, 4 * COOLDOWN + 1) == 4
    assert past.in_a_row(0, 1, 2, 4 * COOLDOWN + 2, 4 * COOLDOWN + 3) == 2


def test_acts_of_one_run_are_one_act(past: Past) -> None:
    late = NOW + COOLDOWN
    assert past.of(("r", NOW, 0), ("r", late, 0), ("s", late + 1, 0)).in_a_row == 2
    assert past.of(("r", NOW, 0), ("s", NOW, 0), ("r", NOW, 0)).in_a_row == 3
    seen = past.of(("r", NOW + 9, 0), ("s", NOW + 7, 0))
    assert seen.last_unix_nano == NOW + 9  # a clock that went back brings nothing nearer


def test_what_turns_back_within_the_hour_is_counted(past: Past) -> None:
    assert [past.turned(*ways) for ways in ((-1,), (1, 1), (1, -1), (-1, 1, -1))] == [0, 0, 1, 2]
    assert past.turned(1, 0, -1) == 1
    assert past.turned(0, 1, 0, 1, 0) == 0
    assert past.turned(1, -1, at=NOW - HOUR) == 0
    assert past.turned(1, -1, at=NOW - HOUR + 1) == 1


def test_what_has_not_ended_is_no_try_yet(automation: SqlControlStore) -> None:
    run = verified(automation, acted(automation, let_go(automation, sample_run(sample_plan("a")))), None)
    assert automation.tries("i1") == []
    assert facts_of(automation, sample_run(sample_plan("b"))).tries == ()
    whole_run(automation, "c", Verification.NO_EFFECT)
    automation.advance_run(run, ended(run), ())
    assert [one.run_id for one in automation.tries("i1")] == ["a", "c"]
    assert [one.run_id for one in automation.tries("i1", limit=1)] == ["a"]


def test_a_try_is_named_by_what_it_changed_not_by_what_it_read_or_undid(automation: SqlControlStore) -> None:
    plan = sample_plan("a", steps=2)
    first, second = plan.steps
    collect = replace(first.action, kind="evidence.collect", effect=EffectClass.READ)
    back = replace(second.action, kind="service.unscale")
    plan = replace(plan, steps=(replace(first, action=collect, inverse=None), replace(second, inverse=back)))
    run = let_go(automation, sample_run(plan), fixed_judge(plan, Outcome.ALLOW))
    run = acted(automation, acted(automation, run))
    run = automation.begin_step(run, begun(run, undo=True), token_of(automation), ())
    run = automation.advance_run(run, answered(run), ())
    automation.advance_run(run, ended(run), ())
    assert [one.action for one in automation.tries("i1")] == ["service.scale"]


def test_the_last_automatic_runs_are_told_of_as_many_as_the_breaker_looks_at(
    automation: SqlControlStore,
) -> None:
    for number in range(3):
        whole_run(automation, f"r{number}", Verification.FIXED, NOW + number * HOUR)
    run = sample_run(replace(sample_plan("x"), incident_id="i2"))
    facts = sample_facts(run)
    for most in (2, 0):
        name = sample_run(replace(run.plan, plan_id=f"x{most}"))
        asked = replace(facts, run_id=name.run_id, limits=replace(facts.limits, breaker_runs=most))
        told, _ = automation.admit(asked, fixed_judge(name.plan, Outcome.DENY), name, BUDGET)
        assert [one.run_id for one in told.tries or ()] == ["r2", "r1"][:most]


def test_a_plan_is_held_against_what_was_signed_or_else_what_is_newest(automation: SqlControlStore) -> None:
    names = iter("abcd")

    def runbook(version: str = VERSION) -> tuple[str, float, float, Autonomy] | None:
        plan = replace(sample_plan(next(names)), runbook_version=version)
        found = facts_of(automation, sample_run(plan)).runbook
        if found is None:
            return None
        return found.version, found.confidence_floor, found.track.replay_days, found.autonomy

    assert runbook() is None
    automation.save_runbook(sample_runbook(), "ann", NOW)
    assert runbook() == ("", 0.6, 0.0, Autonomy.SUGGEST)
    automation.sign_runbook("restart-it", VERSION, "ann", NOW)
    automation.set_replay_days("restart-it", VERSION, 8.0)
    newer = sample_runbook(version="newer")
    trigger = replace(newer.trigger, confidence_floor=0.9)
    automation.save_runbook(replace(newer, trigger=trigger), "ann", NOW)
    assert runbook() == (VERSION, 0.6, 8.0, Autonomy.SUGGEST)
    assert runbook("never loaded") == (VERSION, 0.6, 0.0, Autonomy.SUGGEST)


def test_switches_of_the_asker_are_added_to_those_that_are_kept(automation: SqlControlStore) -> None:
    kept = Switch("global", "ann", NOW, "stop")
    own = Switch("global", "file", NOW, "the file is there")
    automation.engage(kept)
    for given, told in ((None, (kept,)), ((), (kept,)), ((own, kept), (kept, own))):
        run = sample_run(sample_plan(next(NAMES)))
        facts = replace(sample_facts(run), switches=given)
        found, _ = automation.admit(facts, fixed_judge(run.plan, Outcome.DENY), run, BUDGET)
        assert found.switches == told


def test_the_lease_and_the_breaker_are_told_as_they_are_kept(automation: SqlControlStore) -> None:
    facts = facts_of(automation, sample_run(sample_plan("a")))
    assert (facts.lease, facts.breaker_open) == (None, False)
    for number in range(3):
        whole_run(automation, f"r{number}", Verification.WORSE, NOW + number * HOUR)
    automation.take_lease("a", NOW, 10.0)
    facts = facts_of(automation, sample_run(sample_plan("b")))
    assert (facts.lease, facts.breaker_open) == (Lease("a", 1, NOW + 10 * SECOND), True)
    automation.close_breaker("ann", NOW, "mended")
    assert facts_of(automation, sample_run(sample_plan("c"))).breaker_open is False


def test_answers_are_those_to_this_run_and_to_exactly_this_plan(automation: SqlControlStore) -> None:
    def waiting(name: str) -> Run:
        plan = sample_plan(name)
        return let_go(automation, sample_run(plan), fixed_judge(plan, Outcome.ASK, 2))

    run, other = waiting("a"), waiting("b")
    automation.add_approval("a", yes(run, "ann"))
    automation.add_approval("b", yes(other, "bo"))
    facts, _ = automation.admit(sample_facts(run), fixed_judge(run.plan, Outcome.ASK, 2), run, BUDGET)
    assert facts.approvals == (yes(run, "ann"),)
    smaller = sample_plan("a", churn=1)
    clamp = Judgement(smaller, canonical.plan_hash(smaller), (Verdict(1, "x", Outcome.ASK, "less", 2),))
    changed = let_go(automation, run, lambda _: clamp)
    automation.add_approval("a", yes(changed, "cy"))
    facts, _ = automation.admit(sample_facts(changed), lambda _: clamp, changed, BUDGET)
    assert facts.approvals == (yes(changed, "cy"),)
    assert automation.approvals("a") == [yes(run, "ann"), yes(changed, "cy")]


def test_owners_are_those_the_asker_knows_and_then_runs(automation: SqlControlStore) -> None:
    let_go(automation, sample_run(sample_plan("r", sample_target("y"), sample_target("x"))))
    run = sample_run(sample_plan("a", sample_target("x"), sample_target("y")))
    known = Owner("service:x", "replicas", "argo")
    facts = replace(sample_facts(run), owners=(known,))
    found, _ = automation.admit(facts, fixed_judge(run.plan, Outcome.DENY), run, BUDGET)
    runs = tuple(Owner(f"service:{one}", "replicas", "run:r") for one in "xy")
    assert found.owners == (known, *runs)

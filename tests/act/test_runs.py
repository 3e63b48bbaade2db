"""Runs on their way, one case each: waves, answers, verification, undoing, people, switches, the lease."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.act.run_world import LEASE_SECONDS, World, plan_of

from stormpetrel.act.progress import Decision
from stormpetrel.errors import StateError
from stormpetrel.model.action import EffectClass
from stormpetrel.model.facts import Facts, Switch
from stormpetrel.model.run import Run, RunState, Verification
from stormpetrel.model.verdict import Outcome
from stormpetrel.testing.automation_samples import yes


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def done(world: World) -> list[str]:
    return [key.partition(":")[2] for key, _ in world.system.journal]


def until(world: World, run_id: str, state: RunState) -> None:
    for _ in range(100):
        if world.run(run_id).state is state:
            return
        world.clock.advance(world.advance(run_id) or 0.01)
    raise AssertionError(world.run(run_id))


def test_one_canary_then_waves_each_verified_before_the_next(world: World) -> None:
    world.propose(plan_of("p", [5], wave=2))
    run = world.to_end("p")
    assert run.state is RunState.FINISHED
    assert [len(one.action.targets) for one in run.records] == [1, 2, 2]
    assert all(one.verified is Verification.FIXED for one in run.records)
    for before, after in zip(run.records, run.records[1:], strict=False):
        assert after.begun_unix_nano - before.ended_unix_nano >= 10 * 10**9
    world.check("p")


def test_what_only_reads_takes_all_at_once_and_is_not_verified(world: World) -> None:
    world.propose(plan_of("p", [5], wave=0, effect=EffectClass.READ, undo=False))
    run = world.to_end("p")
    assert (run.state, len(run.records), run.records[0].verified) == (RunState.FINISHED, 1, None)


def test_what_acts_and_names_no_width_takes_one_at_a_time(world: World) -> None:
    world.propose(plan_of("p", [3], wave=0))
    assert [len(one.action.targets) for one in world.to_end("p").records] == [1, 1, 1]


def test_no_effect_of_the_canary_spares_the_others(world: World) -> None:
    world.says = Verification.NO_EFFECT
    world.propose(plan_of("p", [5]))
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.FINISHED, ["s0:0"])
    assert "no effect" in run.why


def test_the_third_try_without_effect_is_a_persons(tmp_path: Path) -> None:
    world = World(tmp_path, tries=3)
    world.says = Verification.NO_EFFECT
    ends = []
    for name in ("p1", "p2", "p3"):
        world.propose(plan_of(name, [1]))
        ends.append(world.to_end(name).state)
    assert ends == [RunState.FINISHED, RunState.FINISHED, RunState.ESCALATED]


def test_worse_undoes_all_of_it_once_in_reverse_order(world: World) -> None:
    world.propose(plan_of("p", [3]))
    while len(world.run("p").records) < 3:
        world.clock.advance(world.advance("p") or 0.01)
    world.says = Verification.WORSE
    run = world.to_end("p")
    assert run.state is RunState.COMPENSATED
    assert done(world) == ["s0:0", "s0:1", "s0:2", "s0:2:undo", "s0:1:undo", "s0:0:undo"]
    world.check("p")


def test_what_cannot_be_undone_is_told_and_a_persons(world: World) -> None:
    world.says = Verification.WORSE
    world.propose(plan_of("p", [1], undo=False))
    run = world.to_end("p")
    assert run.state is RunState.ESCALATED
    assert "cannot be undone" in run.why


def test_what_was_to_be_undoable_and_is_not_any_more_is_not_done(world: World) -> None:
    world.system.undoable = False
    world.propose(plan_of("p", [1]))
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.REFUSED, [])
    assert "undoable" in run.why


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        (Decision.GO_ON, RunState.FINISHED),
        (Decision.UNDO, RunState.COMPENSATED),
        (Decision.STOP, RunState.ESCALATED),
    ],
)
def test_inconclusive_holds_and_a_person_decides(world: World, decision: Decision, state: RunState) -> None:
    world.says = Verification.INCONCLUSIVE
    world.propose(plan_of("p", [1]))
    until(world, "p", RunState.HOLDING)
    world.runs.decide("p", decision, "jo", "looked at it")
    assert world.to_end("p").state is state
    with pytest.raises(StateError):
        world.runs.decide("p", decision, "jo")
    assert any(one.actor == "jo" for one in world.store.ledger(run_id="p"))
    world.check("p")


def test_a_hold_that_nobody_ends_is_escalated(world: World) -> None:
    world.says = Verification.INCONCLUSIVE
    world.propose(plan_of("p", [1]))
    assert world.to_end("p").state is RunState.ESCALATED
    assert done(world) == ["s0:0"]


def test_nobody_agreed_in_time(world: World) -> None:
    world.outcome = Outcome.ASK
    world.propose(plan_of("p", [1]))
    assert world.to_end("p").state is RunState.EXPIRED
    assert world.now - world.run("p").begun_unix_nano < 16 * 60 * 10**9


def test_people_who_are_asked_half_way_have_all_their_time(world: World) -> None:
    world.propose(plan_of("p", [2], settle=3600.0))
    until(world, "p", RunState.SETTLING)
    world.outcome = Outcome.ASK
    until(world, "p", RunState.WAITING)
    asked = world.now
    run = world.to_end("p")
    assert run.state is RunState.ESCALATED
    assert 14 * 60 < (run.ended_unix_nano - asked) / 1e9 < 16 * 60


def test_people_agree_and_it_runs(world: World) -> None:
    world.outcome = Outcome.ASK
    run = world.propose(plan_of("p", [1]))
    world.advance("p")
    world.store.add_approval("p", yes(run, "jo", world.now))
    assert world.to_end("p").state is RunState.FINISHED


def test_a_no_refuses(world: World) -> None:
    world.outcome = Outcome.ASK
    run = world.propose(plan_of("p", [1]))
    world.store.add_approval("p", yes(run, "jo", world.now, agreed=False))
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.REFUSED, [])


def test_judged_again_before_each_order(world: World) -> None:
    world.propose(plan_of("p", [3]))
    until(world, "p", RunState.SETTLING)
    world.outcome = Outcome.DENY
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.ESCALATED, ["s0:0"])


def test_a_declined_order_is_a_persons(world: World) -> None:
    world.system.behaves = ["declined"]
    world.propose(plan_of("p", [2]))
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.ESCALATED, [])


@pytest.mark.parametrize("behaviour", ["done, raises", "done, lost"])
def test_in_doubt_and_done_goes_on_without_a_second_order(world: World, behaviour: str) -> None:
    world.system.behaves = [behaviour]
    world.propose(plan_of("p", [1]))
    assert world.to_end("p").state is RunState.FINISHED
    assert done(world) == ["s0:0"]
    world.check("p")


@pytest.mark.parametrize("behaviour", ["raises", "lost"])
def test_in_doubt_and_not_done_is_ordered_again_when_its_time_is_over(world: World, behaviour: str) -> None:
    world.system.behaves = [behaviour]
    world.propose(plan_of("p", [1], timeout=5.0))
    run = world.to_end("p")
    assert (run.state, done(world), run.records[0].ordered) == (RunState.FINISHED, ["s0:0"], 2)
    assert run.records[0].begun_unix_nano - run.begun_unix_nano >= 5 * 10**9
    world.check("p")


def test_an_order_that_is_never_done_is_not_given_for_ever(world: World) -> None:
    world.system.behaves = ["lost"] * 10
    world.propose(plan_of("p", [1]))
    run = world.to_end("p")
    assert (run.state, run.records[0].ordered) == (RunState.ESCALATED, 3)


def test_in_doubt_for_good_is_a_persons_and_never_repeated(world: World) -> None:
    world.system.behaves, world.system.asked = ["done, lost"], ["no idea"] * 20
    world.propose(plan_of("p", [1]))
    assert world.to_end("p").state is RunState.ESCALATED
    assert done(world) == ["s0:0"]


def test_a_system_that_does_not_answer_is_asked_three_times(world: World) -> None:
    world.system.behaves, world.system.asked = ["done, lost"], ["raises", "raises"]
    world.propose(plan_of("p", [1]))
    assert world.to_end("p").state is RunState.FINISHED
    world.system.behaves, world.system.asked = ["done, lost"], ["raises"] * 3
    world.propose(plan_of("q", [1]))
    assert world.to_end("q").state is RunState.ESCALATED


def engage(world: World, scope: str) -> None:
    world.store.engage(Switch(scope, "jo", world.now, "stop it"))


@pytest.mark.parametrize("scope", ["global", "service:service:p-0-1", "service:p-0-1", "runbook:restart-it"])
def test_a_kill_switch_ends_a_run_half_way(world: World, scope: str) -> None:
    world.propose(plan_of("p", [2]))
    until(world, "p", RunState.SETTLING)
    engage(world, scope)
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.ESCALATED, ["s0:0"])


@pytest.mark.parametrize("scope", ["global", "service:service:pool", "service:pool"])
def test_undoing_obeys_the_kill_switch_also_that_of_the_group(world: World, scope: str) -> None:
    world.says = Verification.WORSE
    plan = plan_of("p", [1])
    (step,) = plan.steps
    pooled = replace(
        step.action, targets=tuple(replace(one, group="service:pool") for one in step.action.targets)
    )
    world.propose(replace(plan, steps=(replace(step, action=pooled),)))
    until(world, "p", RunState.UNDOING)
    engage(world, scope)
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.ESCALATED, ["s0:0"])
    assert "kill switch" in run.why


def test_undoing_obeys_who_else_holds_the_target(world: World) -> None:
    world.says = Verification.WORSE
    world.propose(plan_of("p", [1]))
    until(world, "p", RunState.UNDOING)
    world.system.owner = "autoscaler"
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.ESCALATED, ["s0:0"])
    assert "autoscaler holds" in run.why


def test_undoing_is_not_judged_by_budget_and_rate(world: World) -> None:
    world.says = Verification.WORSE
    world.propose(plan_of("p", [1]))
    until(world, "p", RunState.UNDOING)
    world.outcome = Outcome.DENY
    assert world.to_end("p").state is RunState.COMPENSATED


def test_without_the_lease_nothing_is_done(world: World) -> None:
    world.propose(plan_of("p", [1]))
    world.store.take_lease("somebody", world.now, 1000.0)
    before = world.run("p")
    for _ in range(5):
        assert world.advance("p") == pytest.approx(2.0)
    assert (world.run("p"), done(world)) == (before, [])


def test_a_driver_whose_lease_went_to_another_gives_no_order(world: World) -> None:
    world.propose(plan_of("p", [1]))
    world.leader.renew()
    world.clock.advance(-1.0)  # this driver's clock is behind: it believes in its lease for longer
    late = world.now + int((LEASE_SECONDS + 2) * 10**9)
    assert world.store.take_lease("somebody", late, 1000.0) is not None
    assert world.runs.advance("p") == 0.0
    assert world.leader.token() is None
    assert done(world) == []


def test_a_lease_lost_after_the_order_is_on_record_leaves_the_act_to_the_next_driver(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = world.store.begin_step

    def begin_and_lose(*args: Any) -> Run:
        after = real(*args)
        world.leader.lose()
        return after

    world.propose(plan_of("p", [1]))
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "begin_step", begin_and_lose)
        world.advance("p")
    assert (world.run("p").state, done(world)) == (RunState.ACTING, [])
    world.restart()
    world.clock.advance(LEASE_SECONDS)
    assert world.to_end("p").state is RunState.FINISHED
    assert done(world) == ["s0:0"]


def test_facts_that_cannot_be_found_out_stop_a_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.propose(plan_of("p", [2]))
    until(world, "p", RunState.SETTLING)
    monkeypatch.setattr(world, "facts", missing)
    world.restart()
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.ESCALATED, ["s0:0"])
    assert "incident is gone" in run.why


def test_facts_that_are_gone_end_a_run_that_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.outcome = Outcome.ASK
    run = world.propose(plan_of("p", [1]))
    monkeypatch.setattr(world, "facts", missing)
    world.restart()
    world.store.add_approval("p", yes(run, "jo", world.now))
    assert world.to_end("p").state is RunState.REFUSED


def missing(*_: object) -> Facts:
    raise StateError("the incident is gone")


@pytest.mark.parametrize("state", [RunState.READY, RunState.UNDOING])
def test_a_switch_outside_the_store_stops_too(world: World, state: RunState) -> None:
    world.says = Verification.WORSE
    world.propose(plan_of("p", [1]))
    until(world, "p", state)
    world.file_switches = (Switch("global", "file", world.now, "somebody touched it"),)
    run = world.to_end("p")
    assert run.state is (RunState.REFUSED if state is RunState.READY else RunState.ESCALATED)
    assert "somebody touched it" in run.why


def test_a_clock_that_went_back_leaves_no_run_waiting(world: World) -> None:
    world.propose(plan_of("p", [1]))
    until(world, "p", RunState.SETTLING)
    world.clock.advance(-86_400.0)
    assert world.to_end("p").state is RunState.ESCALATED  # held for a person, whom nobody answered

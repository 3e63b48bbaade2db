"""Runs that meet what nobody planned for: questions half way, and defects of whatever they stand on."""

from pathlib import Path

import pytest
from tests.act.run_world import World, plan_of
from tests.act.test_runs import done, until

from stormpetrel.model.facts import Facts
from stormpetrel.model.run import Run, RunState, Verification
from stormpetrel.model.verdict import Outcome
from stormpetrel.testing.automation_samples import yes


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def defect(*_: object) -> None:
    raise KeyError("password=hunter2")


def test_people_who_are_asked_half_way_can_agree_and_it_goes_on(world: World) -> None:
    world.propose(plan_of("p", [2], settle=1200.0))
    until(world, "p", RunState.SETTLING)
    world.outcome = Outcome.ASK
    until(world, "p", RunState.WAITING)
    world.store.add_approval("p", yes(world.run("p"), "jo", world.now))
    run = world.to_end("p")
    assert (run.state, done(world)) == (RunState.FINISHED, ["s0:0", "s0:1"])
    assert not run.automatic


@pytest.mark.parametrize(("half_way", "state"), [(False, RunState.REFUSED), (True, RunState.ESCALATED)])
def test_a_no_while_it_is_judged_again_ends_a_run_that_needs_nobody_by_then(
    world: World, half_way: bool, state: RunState
) -> None:
    world.outcome = Outcome.ALLOW if half_way else Outcome.ASK
    run = world.propose(plan_of("p", [2]))
    if half_way:
        until(world, "p", RunState.SETTLING)
        world.outcome = Outcome.ASK
        until(world, "p", RunState.WAITING)
    known = world.facts

    def facts(run: Run, now: int) -> Facts:
        world.store.add_approval("p", yes(run, "bo", world.now, agreed=False))
        world.outcome = Outcome.ALLOW
        return known(run, now)

    world.facts = facts  # type: ignore[method-assign]  # somebody answers at just this moment
    world.restart()
    world.store.add_approval("p", yes(run, "jo", world.now))
    end = world.to_end("p")
    assert (end.state, done(world)) == (state, ["s0:0"] if half_way else [])
    assert "bo said no" in end.why


def test_who_agreed_before_it_began_agreed_to_all_of_it_and_one_no_half_way_ends_it(world: World) -> None:
    world.outcome = Outcome.ASK
    run = world.propose(plan_of("p", [2], settle=1200.0))
    world.store.add_approval("p", yes(run, "jo", world.now))
    assert world.to_end("p").state is RunState.FINISHED
    world.outcome = Outcome.ALLOW
    world.propose(plan_of("q", [2]))
    until(world, "q", RunState.SETTLING)
    world.outcome = Outcome.ASK
    until(world, "q", RunState.WAITING)
    world.store.add_approval("q", yes(world.run("q"), "bo", world.now, agreed=False))
    assert world.to_end("q").state is RunState.ESCALATED
    assert done(world)[-1] == "s0:0"


@pytest.mark.parametrize(
    ("where", "state"),
    [
        ("facts", RunState.REFUSED),
        ("inverse", RunState.REFUSED),
        ("measure", RunState.ESCALATED),
        ("read", RunState.ESCALATED),
    ],
)
def test_a_defect_anywhere_is_a_reason_and_leaves_no_run_hanging(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str, state: RunState
) -> None:
    world.says = Verification.WORSE
    if where == "measure":
        monkeypatch.setattr("tests.act.run_world.numbers", defect)
    else:
        monkeypatch.setattr(world if where == "facts" else world.system, where, defect)
        world.restart()
    world.propose(plan_of("p", [1]))
    run = world.to_end("p")
    assert run.state is state
    assert "hunter2" not in run.why
    assert "KeyError" in run.why


def test_a_defect_of_the_store_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.propose(plan_of("p", [1]))
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "begin_step", defect)
        assert world.advance("p") == pytest.approx(2.0)
    assert world.to_end("p").state is RunState.FINISHED

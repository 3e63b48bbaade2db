"""The part of the contract of `ports.automation.AutomationStore` that is about runs on their way.

`check_automation_store` has the rest, and says how to use both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.action import Autonomy, EffectClass
from stormpetrel.model.facts import Facts, Owner, Switch
from stormpetrel.model.run import ActOutcome, Run, RunState, Verification
from stormpetrel.model.verdict import Outcome
from stormpetrel.ports.automation import AutomationStore
from stormpetrel.testing.automation_samples import (
    BUDGET,
    VERSION,
    answered,
    begun,
    ended,
    fixed_judge,
    limit_judge,
    sample_facts,
    sample_plan,
    sample_run,
    sample_runbook,
    sample_target,
    yes,
)
from stormpetrel.testing.check_automation_store import MakeAutomationStore, kinds, let_go
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.require import equal, refused, require
from stormpetrel.testing.store_samples import NOW, SECOND

HOUR = 3600 * SECOND
_HOLDER_SECONDS = 1e6


def token_of(store: AutomationStore) -> int:
    """The lease, taken for long."""
    lease = store.take_lease("a", NOW, _HOLDER_SECONDS)
    return lease.token if lease is not None else -1


def acted(store: AutomationStore, run: Run, outcome: ActOutcome = ActOutcome.DONE, at: int = NOW) -> Run:
    """A run that was let go does its next step."""
    run = store.begin_step(run, begun(run, at_unix_nano=at), token_of(store), ())
    return store.advance_run(run, answered(run, outcome, at), ())


def verified(store: AutomationStore, run: Run, found: Verification | None) -> Run:
    """What was done last is verified."""
    last = replace(run.records[-1], verified=found)
    return store.advance_run(run, replace(run, records=(*run.records[:-1], last)), ())


def whole_run(store: AutomationStore, name: str, found: Verification, at: int = NOW) -> Run:
    """A run from its plan to its end, on a target of its own."""
    run = let_go(store, sample_run(sample_plan(name, churn=1)), at=at)
    run = verified(store, acted(store, run, at=at), found)
    return store.advance_run(run, ended(run, at_unix_nano=at), ())


def facts_of(store: AutomationStore, run: Run, at: int = NOW) -> Facts:
    """What admission knows; the plan is denied, so that nothing comes of it."""
    return store.admit(sample_facts(run, at), fixed_judge(run.plan, Outcome.DENY), run, BUDGET)[0]


def orders_are_on_record_first(make_store: MakeAutomationStore) -> None:
    """One at a time, as planned, only of what was let go; each with its entry, never changed afterwards."""
    store = make_store(FakeClock(NOW))
    token = token_of(store)
    plan = sample_plan("a", steps=2)
    waiting = let_go(store, sample_run(plan), fixed_judge(plan, Outcome.ASK, 1))
    refused(lambda: store.begin_step(waiting, begun(waiting), token, ()), StateError)
    refused(lambda: store.advance_run(waiting, replace(waiting, state=RunState.READY), ()), StateError)
    run = let_go(store, waiting)
    other = replace(begun(run).records[0], action=replace(plan.steps[0].action, kind="service.delete"))
    refused(lambda: store.begin_step(run, replace(begun(run), records=(other,)), token, ()), StateError)
    refused(lambda: store.advance_run(run, begun(run), ()), StateError)
    acting = store.begin_step(run, begun(run), token, ())
    equal((acting.state, acting.version), (RunState.ACTING, run.version + 1))
    refused(lambda: store.begin_step(run, begun(run), token, ()), StateError)
    refused(lambda: store.begin_step(acting, begun(acting), token, ()), StateError)
    refused(lambda: let_go(store, acting), StateError)
    settling = store.advance_run(acting, answered(acting), ())
    changed = replace(settling.records[0], begun_unix_nano=1)
    refused(lambda: store.advance_run(settling, replace(settling, records=(changed,)), ()), StateError)
    refused(lambda: store.advance_run(settling, replace(settling, records=()), ()), StateError)
    refused(lambda: store.advance_run(settling, replace(settling, plan=sample_plan("a")), ()), StateError)
    equal(kinds(store, "a")[-5:], ["state", "reserved", "begun", "result", "state"])
    last = store.advance_run(settling, ended(settling), ())
    equal(store.run("a"), last)
    refused(lambda: store.advance_run(last, replace(last, state=RunState.READY), ()), StateError)
    store.close()


def what_has_ended_stays_ended(make_store: MakeAutomationStore) -> None:
    """No other end and no waiting follows; and a run that is not on record goes nowhere."""
    store = make_store(FakeClock(NOW))
    token, unknown = token_of(store), sample_run(sample_plan("zz"))
    refused(lambda: store.begin_step(unknown, begun(unknown), token, ()), NotFoundError)
    refused(lambda: store.advance_run(unknown, ended(unknown), ()), NotFoundError)
    run = let_go(store, sample_run(sample_plan("a")))
    last = store.advance_run(run, ended(run, RunState.EXPIRED), ())
    refused(lambda: store.advance_run(last, replace(last, state=RunState.WAITING), ()), StateError)
    refused(lambda: store.advance_run(last, ended(last, RunState.ESCALATED), ()), StateError)
    equal(store.run("a"), last)
    store.close()


def undoing_is_once(make_store: MakeAutomationStore) -> None:
    """In its own state, of what was done, once; it costs nothing more and counts as turning back."""
    store = make_store(FakeClock(NOW))
    token = token_of(store)
    run = acted(store, let_go(store, sample_run(sample_plan("a"))))
    undoing = store.begin_step(run, begun(run, undo=True), token, ())
    done = store.advance_run(undoing, answered(undoing), ())
    twice = replace(done.records[1], key="again", result=None, ended_unix_nano=0)
    again = replace(done, records=(*done.records, twice))
    refused(lambda: store.begin_step(done, again, token, ()), StateError)
    store.advance_run(done, ended(done, RunState.COMPENSATED), ())
    equal([one for one in kinds(store, "a") if one.startswith("undo")], ["undo_begun", "undo_result"])
    equal(store.purses(NOW, BUDGET)[0].churned, 2)
    facts = facts_of(store, sample_run(sample_plan("b", sample_target("a"))))
    equal(facts.touched and (facts.touched[0].in_a_row, facts.touched[0].reversals_hour), (1, 1))
    store.close()


def switches_and_tokens_stop_orders(make_store: MakeAutomationStore) -> None:
    """The global one, those of the target, its group and the runbook, also by the plain name of a service; a
    lease of somebody else, an old one, none."""
    store = make_store(FakeClock(NOW))
    run = let_go(store, sample_run(sample_plan("a", sample_target("a", "service:pool"))))
    refused(lambda: store.begin_step(run, begun(run), 1, ()), StateError)
    token = token_of(store)
    of_services = ("service:service:a", "service:a", "service:service:pool", "service:pool")
    for scope in ("global", *of_services, "runbook:restart-it"):
        store.engage(Switch(scope, "ann", NOW, "stop"))
        refused(lambda: store.begin_step(run, begun(run), token, ()), StateError)
        if scope == "global":
            store.release(scope, "bo", NOW, "")
        require(store.release(scope, "ann", NOW, ""), "it is released")
    store.engage(Switch("service:service:b", "ann", NOW, "another one's"))
    refused(lambda: store.begin_step(run, begun(run), token - 1, ()), StateError)
    late = NOW + int(_HOLDER_SECONDS) * SECOND
    refused(lambda: store.begin_step(run, begun(run, at_unix_nano=late), token, ()), StateError)
    equal(store.run("a"), run)
    require("begun" not in kinds(store), "nothing was begun")
    equal(store.begin_step(run, begun(run), token, ()).state, RunState.ACTING)
    store.close()


def what_only_reads_is_no_try(make_store: MakeAutomationStore) -> None:
    """Collecting evidence uses up none of an incident's tries; what changed something does."""
    store = make_store(FakeClock(NOW))
    plan = sample_plan("a", churn=1)
    reading = replace(plan.steps[0].action, kind="evidence.collect", effect=EffectClass.READ)
    only = replace(plan, steps=(replace(plan.steps[0], action=reading, inverse=None),))
    run = acted(store, let_go(store, sample_run(only)))
    store.advance_run(run, ended(run), ())
    equal(store.tries("i1"), [])
    equal(facts_of(store, sample_run(sample_plan("b"))).tries, ())
    whole_run(store, "c", Verification.NO_EFFECT)
    equal([one.run_id for one in store.tries("i1")], ["c"])
    store.close()


def budgets_are_held_and_charged(make_store: MakeAutomationStore) -> None:
    """Held while it runs, charged for what was done, given back for what was not; the clock alone resets."""
    store = make_store(FakeClock(NOW))
    at = NOW - NOW % (24 * HOUR) + HOUR // 2
    done = let_go(store, sample_run(sample_plan("a", spend=10.0, churn=4)), at=at)
    undone = let_go(store, sample_run(sample_plan("b", spend=20.0, churn=5)), at=at)
    hour, day = store.purses(at, BUDGET)
    equal((hour.reserved, hour.churn_reserved, hour.spent), (30.0, 9, 0.0))
    facts, _ = store.admit(sample_facts(done, at), limit_judge(done.plan), done, BUDGET)
    equal(facts.hour and facts.hour.reserved, 20.0)
    done = acted(store, done, at=at)
    undone = acted(store, undone, ActOutcome.NOT_DONE, at=at)
    store.advance_run(done, ended(done, at_unix_nano=at), ())
    store.advance_run(undone, ended(undone, RunState.ESCALATED, at), ())
    hour, day = store.purses(at, BUDGET)
    equal((hour.spent, hour.churned, hour.reserved, hour.churn_reserved), (10.0, 4, 0.0, 0))
    equal((day.spent, day.churned, day.spend_limit, day.churn_limit), (10.0, 4, 400.0, 60))
    hour, day = store.purses(at + HOUR, BUDGET)
    equal((hour.spent, day.spent), (0.0, 10.0))
    equal(store.purses(at + 24 * HOUR, BUDGET)[1].spent, 0.0)
    equal(store.purses(at - 2 * HOUR, BUDGET)[0].spent, 10.0)
    big = let_go(store, sample_run(sample_plan("c", spend=91.0)), at=at)
    equal(big.state, RunState.REFUSED)
    store.close()


def rates_count_what_began(make_store: MakeAutomationStore) -> None:
    """Within the last hour, by runbook and in all; whoever never acted does not count once it ended."""
    store = make_store(FakeClock(NOW))
    for name in "ab":
        let_go(store, sample_run(sample_plan(name)))
    idle = let_go(store, sample_run(replace(sample_plan("c"), runbook="other")))
    rate = facts_of(store, sample_run(sample_plan("d"))).rate
    equal(rate and (rate.runbook_hour, rate.overall_hour), (2, 3))
    equal(rate and rate.busy, ("service:a", "service:b", "service:c"))
    store.advance_run(idle, ended(idle, RunState.EXPIRED), ())
    rate = facts_of(store, sample_run(sample_plan("e"))).rate
    equal(rate and (rate.overall_hour, rate.busy), (2, ("service:a", "service:b")))
    rate = facts_of(store, sample_run(sample_plan("f")), NOW + HOUR).rate
    equal(rate and rate.overall_hour, 0)
    store.close()


def targets_are_held_by_one(make_store: MakeAutomationStore) -> None:
    """Other runs see who holds a target and which field; a run is not in its own way; ends give it back."""
    store = make_store(FakeClock(NOW))
    run = let_go(store, sample_run(sample_plan("a", sample_target("x"), sample_target("y"))))
    own = store.admit(sample_facts(run), limit_judge(run.plan), run, BUDGET)[0]
    equal((own.owners, own.rate and own.rate.busy), ((), ()))
    equal(store.run("a"), run)
    second = sample_run(sample_plan("b", sample_target("y"), sample_target("z")))
    equal(facts_of(store, second).owners, (Owner("service:y", "replicas", "run:a"),))
    third = sample_run(sample_plan("c", sample_target("y")))
    unknown = replace(sample_facts(third), owners=None)
    facts, _ = store.admit(unknown, fixed_judge(third.plan, Outcome.DENY), third, BUDGET)
    equal(facts.owners, None)
    store.advance_run(run, ended(run, RunState.EXPIRED), ())
    equal(let_go(store, sample_run(sample_plan("d", sample_target("y")))).state, RunState.READY)
    store.close()


def acts_in_a_row_are_remembered(make_store: MakeAutomationStore) -> None:
    """Each within the cooldown of the one before, which doubles; acts long ago start a new row."""
    store = make_store(FakeClock(NOW))
    x, minute = sample_target("x"), 60 * SECOND
    rows = []
    for number, at in enumerate((0, 9, 28, 67, 400)):
        run = let_go(store, sample_run(sample_plan(f"r{number}", x, churn=0)), at=NOW + at * minute)
        require(run.state is RunState.READY, run.why)
        run = acted(store, run, at=NOW + at * minute)
        store.advance_run(run, ended(run, at_unix_nano=NOW + at * minute), ())
        seen = facts_of(store, sample_run(sample_plan(f"q{number}", x)), NOW + at * minute).touched
        rows.append(seen[0].in_a_row if seen else 0)
        equal(seen and seen[0].last_unix_nano, NOW + at * minute)
    equal(rows, [1, 2, 3, 4, 1])
    mine = let_go(store, sample_run(sample_plan("mine", steps=2)), at=NOW + 500 * minute)
    mine = acted(store, mine, at=NOW + 500 * minute)
    again, _ = store.admit(sample_facts(mine, NOW + 501 * minute), limit_judge(mine.plan), mine, BUDGET)
    equal(again.touched and again.touched[0].last_unix_nano, 0)
    never = facts_of(store, sample_run(sample_plan("z"))).touched
    equal(never and (never[0].last_unix_nano, never[0].in_a_row), (0, 0))
    store.close()


def failures_take_the_level_back(make_store: MakeAutomationStore) -> None:
    """Two in a row that failed, or one that made it worse; inconclusive is neither here nor there."""
    store = make_store(FakeClock(NOW))
    store.save_runbook(sample_runbook(), "ann", NOW)
    store.sign_runbook("restart-it", VERSION, "ann", NOW)

    def level_after(*found: Verification) -> Autonomy:
        store.set_autonomy("restart-it", Autonomy.AUTO, "ann", NOW, "we know it")
        for one in found:
            at = NOW + 2 * HOUR * (1 + len(store.list_runs()))
            whole_run(store, f"r{len(store.list_runs())}", one, at)
        return store.runbooks()[0].autonomy

    fixed, failed, unclear = Verification.FIXED, Verification.NO_EFFECT, Verification.INCONCLUSIVE
    equal(level_after(failed, fixed, failed), Autonomy.AUTO)
    equal(level_after(fixed, failed, unclear, failed), Autonomy.APPROVE)
    equal(level_after(fixed), Autonomy.AUTO)
    equal(store.runbooks()[0].track.harmful_unix_nano, 0)
    equal(level_after(Verification.WORSE), Autonomy.APPROVE)
    require(store.runbooks()[0].track.harmful_unix_nano > 0, "harm is remembered")
    equal(kinds(store).count("autonomy"), 4)
    store.close()


def the_breaker_falls_and_stays(make_store: MakeAutomationStore) -> None:
    """After three failures of the last five automatic runs; until a person closes it, who starts anew."""
    store = make_store(FakeClock(NOW))
    refused(lambda: store.close_breaker("ann", NOW, ""), StateError)
    fixed, failed, worse = Verification.FIXED, Verification.NO_EFFECT, Verification.WORSE
    results = (failed, failed, fixed, fixed, fixed, failed, worse)
    for number, one in enumerate((*results, Verification.INCONCLUSIVE, failed)):
        equal(store.breaker_open(), False)
        whole_run(store, f"r{number}", one, NOW + number * HOUR)
    equal(store.breaker_open(), True)
    store.close()
    store = make_store(FakeClock(NOW))
    equal(facts_of(store, sample_run(sample_plan("x"))).breaker_open, True)
    store.close_breaker("ann", NOW, "mended")
    for number in range(2):
        whole_run(store, f"s{number}", failed, NOW + (20 + number) * HOUR)
    equal(store.breaker_open(), False)
    equal(kinds(store).count("breaker"), 2)
    store.close()


def tries_are_remembered(make_store: MakeAutomationStore) -> None:
    """Of the incident and the last automatic ones, newest first, with how they turned out."""
    store = make_store(FakeClock(NOW))
    whole_run(store, "a", Verification.NO_EFFECT)
    idle = let_go(store, sample_run(sample_plan("b")))
    store.advance_run(idle, ended(idle, RunState.EXPIRED), ())
    other = replace(sample_plan("c"), incident_id="i2")
    asked = let_go(store, sample_run(other), fixed_judge(other, Outcome.ASK, 1))
    store.add_approval("c", yes(asked, "ann"))
    run = let_go(store, asked, fixed_judge(other, Outcome.ASK, 1))
    run = verified(store, acted(store, run), Verification.FIXED)
    store.advance_run(run, ended(run), ())
    equal([(one.run_id, one.result, one.automatic) for one in store.tries("i1")], [("a", "no effect", True)])
    equal([(one.action, one.cause) for one in store.tries("i2")], [("service.scale", "overload service:a")])
    found = facts_of(store, sample_run(replace(sample_plan("d"), incident_id="i2"))).tries or ()
    equal([(one.run_id, one.automatic) for one in found], [("c", False), ("a", True)])
    store.close()


def a_refusal_on_the_way_ends_it(make_store: MakeAutomationStore) -> None:
    """Refused where it has not acted, escalated where it has; who must ask again waits and gives back."""
    store = make_store(FakeClock(NOW))
    idle, busy, asks = (let_go(store, sample_run(sample_plan(one, steps=2))) for one in "abc")
    busy = acted(store, busy)
    equal(let_go(store, idle, fixed_judge(idle.plan, Outcome.DENY)).state, RunState.REFUSED)
    equal(let_go(store, busy).state, RunState.SETTLING)
    equal(let_go(store, busy, fixed_judge(busy.plan, Outcome.DENY)).state, RunState.ESCALATED)
    waits = let_go(store, asks, fixed_judge(asks.plan, Outcome.ASK, 1))
    equal((waits.state, waits.automatic), (RunState.WAITING, False))
    rate = facts_of(store, sample_run(sample_plan("d"))).rate
    equal(rate and (rate.overall_hour, rate.busy), (1, ()))
    equal(store.purses(NOW, BUDGET)[0].churned, 2)
    store.add_approval("c", yes(waits, "ann"))
    going = let_go(store, waits, fixed_judge(asks.plan, Outcome.ASK, 1))
    going = acted(store, going)
    late = let_go(store, going, fixed_judge(asks.plan, Outcome.ASK, 1), NOW + 2 * HOUR)
    equal(late, going)
    store.close()


RUN_CHECKS: tuple[Callable[[MakeAutomationStore], None], ...] = (
    orders_are_on_record_first,
    what_has_ended_stays_ended,
    undoing_is_once,
    switches_and_tokens_stop_orders,
    what_only_reads_is_no_try,
    budgets_are_held_and_charged,
    rates_count_what_began,
    targets_are_held_by_one,
    acts_in_a_row_are_remembered,
    failures_take_the_level_back,
    the_breaker_falls_and_stays,
    tries_are_remembered,
    a_refusal_on_the_way_ends_it,
)

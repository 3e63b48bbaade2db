"""The contract of `ports.automation.AutomationStore` as a suite, for the built-in store and for yours.

    @pytest.mark.parametrize("check", AUTOMATION_CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(lambda clock: MyStore(tmp_path, clock))

Each check is given a function that opens *the same* store anew, empty at the first call. Runs on their way
are checked by `check_automation_runs`, with the same function.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy, Plan
from stormpetrel.model.facts import Facts, Switch
from stormpetrel.model.ledger import EntryKind
from stormpetrel.model.run import Run, RunState
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Judgement, Outcome
from stormpetrel.ports.automation import AutomationStore, Judge
from stormpetrel.testing.automation_samples import (
    BUDGET,
    VERSION,
    begun,
    fixed_judge,
    limit_judge,
    sample_facts,
    sample_plan,
    sample_run,
    sample_runbook,
    sample_target,
    yes,
)
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.require import equal, refused, require
from stormpetrel.testing.store_samples import NOW, SECOND


class OpenedStore(AutomationStore, Protocol):
    """A store that can be closed, to be opened anew."""

    def close(self) -> None:
        """Release what it holds."""
        ...


MakeAutomationStore = Callable[[FakeClock], OpenedStore]


def let_go(store: AutomationStore, run: Run, judge: Judge | None = None, at: int = NOW) -> Run:
    """Admit a run and read it again."""
    store.admit(sample_facts(run, at), judge or limit_judge(run.plan), run, BUDGET)
    found = store.run(run.run_id)
    require(found is not None, "an admitted run is kept")
    return found or run


def kinds(store: AutomationStore, run_id: str = "") -> list[str]:
    """The kinds of entries, in order."""
    return [one.kind.value for one in store.ledger(run_id=run_id)]


def plans_are_judged_once_and_for_all_to_read(make_store: MakeAutomationStore) -> None:
    """Allowed, asked, denied: the state follows, everything is entered, and it is there after a restart."""
    store = make_store(FakeClock(NOW))
    allowed = let_go(store, sample_run(sample_plan("a")))
    asked_plan = sample_plan("b")
    asked = let_go(store, sample_run(asked_plan), fixed_judge(asked_plan, Outcome.ASK, 1))
    denied_plan = sample_plan("c")
    denied = let_go(store, sample_run(denied_plan), fixed_judge(denied_plan, Outcome.DENY))
    equal((allowed.state, allowed.automatic), (RunState.READY, True))
    equal((asked.state, asked.automatic, asked.why), (RunState.WAITING, False, "it is ask"))
    equal((denied.state, denied.ended_unix_nano, denied.why), (RunState.REFUSED, NOW, "it is deny"))
    equal(kinds(store, "a"), ["proposed", "judged", "state", "reserved"])
    equal(kinds(store, "c"), ["proposed", "judged", "state"])
    store.close()
    store = make_store(FakeClock(NOW))
    equal([store.run(one) for one in "abcd"], [allowed, asked, denied, None])
    equal([one.run_id for one in store.list_runs()], ["a", "b", "c"])
    equal([one.run_id for one in store.list_runs((RunState.READY, RunState.REFUSED), "i1", 1, 1)], ["c"])
    equal(store.list_runs(incident_id="i2"), [])
    refused(lambda: let_go(store, denied), StateError)
    refused(lambda: let_go(store, replace(allowed, version=7)), StateError)
    equal(kinds(store, "c"), ["proposed", "judged", "state"])
    store.close()


def a_judge_that_fails_denies(make_store: MakeAutomationStore) -> None:
    """Whatever it raises; and what it stood on is entered all the same."""
    store = make_store(FakeClock(NOW))

    def broken(facts: Facts) -> Judgement:
        raise ZeroDivisionError(facts.run_id)

    run = let_go(store, sample_run(sample_plan("a")), broken)
    equal(run.state, RunState.REFUSED)
    require("ZeroDivisionError" in run.why, "it says why")
    equal(kinds(store), ["proposed", "judged", "state"])
    store.close()


def a_run_begins_by_being_judged(make_store: MakeAutomationStore) -> None:
    """What is not on record was not let go and has done nothing, whatever it says of itself."""
    store = make_store(FakeClock(NOW))
    run = sample_run(sample_plan("a"))
    done = replace(begun(run), state=RunState.WAITING)
    refused(lambda: let_go(store, done), StateError)
    refused(lambda: let_go(store, replace(run, state=RunState.READY)), StateError)
    refused(lambda: let_go(store, replace(run, state=RunState.HOLDING)), StateError)
    equal((store.ledger(), store.run("a")), ([], None))
    store.close()


def a_judgement_can_be_replayed_from_its_record(make_store: MakeAutomationStore) -> None:
    """The entry holds the plan, all facts, and what was said of them."""
    store = make_store(FakeClock(NOW))
    run = sample_run(sample_plan("a"))
    told = store.admit(sample_facts(run), limit_judge(run.plan), run, BUDGET)
    body = next(json.loads(one.body) for one in store.ledger() if one.kind is EntryKind.JUDGED)
    equal((sorted(body), body["outcome"]), (["facts", "judgement", "outcome", "plan"], "allow"))
    plan = canonical.read(Plan, canonical.text(body["plan"]))
    facts = canonical.read(Facts, canonical.text(body["facts"]))
    judgement = canonical.read(Judgement, canonical.text(body["judgement"]))
    equal((plan, facts, judgement), (run.plan, *told))
    equal(limit_judge(plan)(facts), judgement)
    store.close()


def people_agree_to_what_they_saw(make_store: MakeAutomationStore) -> None:
    """To one hash, before it expires, each once, never the requester; a no outweighs any yes."""
    store = make_store(FakeClock(NOW))
    plan = replace(sample_plan("a"), requester="Jo")
    judge = fixed_judge(plan, Outcome.ASK, 2)
    run = let_go(store, sample_run(plan), judge)
    refused(lambda: store.add_approval("a", yes(run, "jo ")), StateError)
    refused(lambda: store.add_approval("a", replace(yes(run, "ann"), plan_hash="other")), StateError)
    refused(lambda: store.add_approval("zz", yes(run, "ann")), NotFoundError)
    equal(store.add_approval("a", yes(run, "ann")), run)
    store.add_approval("a", yes(run, "ann", NOW + 1))
    equal(let_go(store, run, judge).state, RunState.WAITING)
    store.add_approval("a", yes(run, "bo", agreed=False))
    store.add_approval("a", yes(run, "cy"))
    equal(let_go(store, run, judge).state, RunState.WAITING)
    store.add_approval("a", yes(run, "bo", NOW + 2))
    equal([(one.approver, one.agreed) for one in store.approvals("a")],
          [("cy", True), ("ann", True), ("bo", True)])  # fmt: skip
    late = NOW + from_seconds(901.0)
    equal(let_go(store, run, judge, late).state, RunState.WAITING)
    going = let_go(store, run, judge, NOW + 3)
    equal((going.state, going.automatic, going.version), (RunState.READY, False, 2))
    refused(lambda: store.add_approval("a", yes(run, "di")), StateError)
    equal(kinds(store, "a").count("approved"), 4)
    equal(kinds(store, "a").count("declined"), 1)
    store.close()


def a_changed_plan_is_another_plan(make_store: MakeAutomationStore) -> None:
    """What a guardrail made smaller has another hash; what people said of the first says nothing of it."""
    store = make_store(FakeClock(NOW))
    plan, smaller = sample_plan("a", spend=9.0), sample_plan("a", spend=3.0)
    run = let_go(store, sample_run(plan), fixed_judge(plan, Outcome.ASK, 1))
    store.add_approval("a", yes(run, "ann"))
    clamped = let_go(store, run, fixed_judge(smaller, Outcome.ASK, 1))
    equal((clamped.state, clamped.plan), (RunState.WAITING, smaller))
    require(clamped.plan_hash != run.plan_hash, "it has another hash")
    told, _ = store.admit(sample_facts(clamped), fixed_judge(smaller, Outcome.ASK, 1), clamped, BUDGET)
    equal(told.approvals, ())
    refused(lambda: store.add_approval("a", yes(run, "bo")), StateError)
    store.add_approval("a", yes(clamped, "bo"))
    going = let_go(store, clamped, fixed_judge(smaller, Outcome.ASK, 1))
    equal(going.state, RunState.READY)
    equal(store.purses(NOW, BUDGET)[0].reserved, 3.0)
    store.close()


def switches_take_two_to_release(make_store: MakeAutomationStore) -> None:
    """The global one, within a quarter of an hour; others one. They survive, and are entered."""
    store = make_store(FakeClock(NOW))
    switch = Switch("global", "ann", NOW, "smoke")
    store.engage(switch)
    store.engage(replace(switch, by="bo"))
    store.engage(Switch("service:service:a", "ann", NOW, "mine"))
    refused(lambda: store.engage(Switch("servic", "ann", NOW, "")), StateError)
    store.close()
    store = make_store(FakeClock(NOW))
    equal([one.scope for one in store.switches()], ["global", "service:service:a"])
    require(switch in store.switches(), "who engaged it first is kept")
    require(store.release("service:service:a", "ann", NOW, ""), "one person is enough")
    require(not store.release("global", "ann", NOW, "well"), "one person is not enough")
    require(not store.release("global", "ANN", NOW + SECOND, "well"), "the same person is one person")
    require(not store.release("global", "bo", NOW + 902 * SECOND, "well"), "too late for a second one")
    store.engage(replace(switch, by="cy"))
    require(not store.release("global", "ann", NOW + 903 * SECOND, ""), "engaged again, it starts anew")
    require(store.release("global", "bo", NOW + 904 * SECOND, "ok"), "two people release it")
    refused(lambda: store.release("global", "bo", NOW, ""), NotFoundError)
    equal(store.switches(), [])
    equal(set(kinds(store)), {"switch"})
    store.close()


def one_holds_the_lease(make_store: MakeAutomationStore) -> None:
    """Until it ends; each new holder, and each new time, gets another token."""
    store = make_store(FakeClock(NOW))
    first = store.take_lease("a", NOW, 10.0)
    equal(first and (first.holder, first.token, first.expires_unix_nano), ("a", 1, NOW + 10 * SECOND))
    equal(store.take_lease("b", NOW + 9 * SECOND, 10.0), None)
    longer = store.take_lease("a", NOW + 9 * SECOND, 10.0)
    equal(longer and (longer.token, longer.expires_unix_nano), (1, NOW + 19 * SECOND))
    second = store.take_lease("b", NOW + 19 * SECOND, 10.0)
    equal(second and (second.holder, second.token), ("b", 2))
    again = store.take_lease("b", NOW + 40 * SECOND, 10.0)
    equal(again and again.token, 3)
    equal(kinds(store), ["lease", "lease", "lease"])
    store.close()


def runbooks_are_signed_and_start_low(make_store: MakeAutomationStore) -> None:
    """Versions come back newest first; a level is raised by a person with a reason, and falls by itself."""
    store = make_store(FakeClock(NOW))
    row = store.save_runbook(sample_runbook(), "ann", NOW)
    equal((row.signed_version, row.autonomy, row.track.judged), ("", Autonomy.SUGGEST, 0))
    store.save_runbook(sample_runbook(), "ann", NOW)
    newer = sample_runbook(version="fedcba9876543210", title="Restart it gently")
    equal(store.save_runbook(newer, "bo", NOW).runbook, newer)
    equal(store.runbook_versions("restart-it"), [newer, sample_runbook()])
    refused(lambda: store.sign_runbook("restart-it", "no", "ann", NOW), NotFoundError)
    refused(lambda: store.set_autonomy("no", Autonomy.AUTO, "ann", NOW, "x"), NotFoundError)
    store.sign_runbook("restart-it", VERSION, "ann", NOW)
    refused(lambda: store.set_autonomy("restart-it", Autonomy.AUTO, "petrel", NOW, "it is good"), StateError)
    refused(lambda: store.set_autonomy("restart-it", Autonomy.AUTO, "ann", NOW, " "), StateError)
    store.set_autonomy("restart-it", Autonomy.AUTO, "ann", NOW, "we know it")
    store.set_replay_days("restart-it", VERSION, 7.5)
    store.close()
    store = make_store(FakeClock(NOW))
    (row,) = store.runbooks()
    equal((row.signed_by, row.autonomy, row.raised_by), ("ann", Autonomy.AUTO, "ann"))
    equal((row.signed_version, row.track.replay_days), (VERSION, 7.5))
    store.sign_runbook("restart-it", newer.version, "bo", NOW)
    (row,) = store.runbooks()
    equal((row.autonomy, row.raised_by, row.track.replay_days), (Autonomy.APPROVE, "", 0.0))
    equal(kinds(store), ["runbook", "runbook", "runbook", "autonomy", "runbook", "runbook", "autonomy"])
    store.close()


def opinions_make_the_track(make_store: MakeAutomationStore) -> None:
    """Of runs of the version that is asked for; of several people's the worst; harm takes the level back."""
    store = make_store(FakeClock(NOW))
    store.save_runbook(sample_runbook(), "ann", NOW)
    store.sign_runbook("restart-it", VERSION, "ann", NOW)
    store.set_autonomy("restart-it", Autonomy.AUTO, "ann", NOW, "we know it")
    for name in "abd":
        let_go(store, sample_run(sample_plan(name)))
    refused(lambda: store.add_opinion("a", "ann", "fine", NOW), StateError)
    refused(lambda: store.add_opinion("zz", "ann", "useful", NOW), NotFoundError)
    store.add_opinion("a", "ann", "useless", NOW)
    store.add_opinion("a", "ann", "useful", NOW)
    store.add_opinion("b", "ann", "useful", NOW)
    store.add_opinion("b", "bo", "useless", NOW)
    store.add_opinion("d", "ann", "useless", NOW)
    track = store.runbooks()[0].track
    equal((track.judged, track.useful, track.harmful_unix_nano), (3, 1, 0))
    store.add_opinion("b", "cy", "harmful", NOW + 5)
    (row,) = store.runbooks()
    equal((row.track.harmful_unix_nano, row.autonomy, row.raised_by), (NOW + 5, Autonomy.APPROVE, ""))
    run = sample_run(sample_plan("c", sample_target("c")))
    facts, _ = store.admit(sample_facts(run), limit_judge(run.plan), run, BUDGET)
    require(facts.runbook is not None, "the facts know the runbook")
    equal(facts.runbook and (facts.runbook.version, facts.runbook.track), (VERSION, row.track))
    store.close()


def the_ledger_is_a_chain(make_store: MakeAutomationStore) -> None:
    """Numbered without gaps, in pages, by run, whole; also after a restart."""
    store = make_store(FakeClock(NOW))
    equal((store.ledger(), store.check_ledger(), store.ledger_head().count), ([], [], 0))
    for number in range(5):
        let_go(store, sample_run(sample_plan(f"r{number}", churn=1)))
    store.close()
    store = make_store(FakeClock(NOW))
    let_go(store, sample_run(sample_plan("last", churn=1)))
    everything = store.ledger()
    equal([one.seq for one in everything], list(range(1, len(everything) + 1)))
    equal(store.check_ledger(), [])
    equal(store.ledger(after_seq=3, limit=2), everything[3:5])
    equal(store.ledger(run_id="r1"), [one for one in everything if one.run_id == "r1"])
    equal(store.ledger_head().entry_hash, everything[-1].entry_hash)
    require(all(one.kind in EntryKind for one in everything), "kinds come back as kinds")
    store.close()


AUTOMATION_CHECKS: tuple[Callable[[MakeAutomationStore], None], ...] = (
    plans_are_judged_once_and_for_all_to_read,
    a_judge_that_fails_denies,
    a_run_begins_by_being_judged,
    a_judgement_can_be_replayed_from_its_record,
    people_agree_to_what_they_saw,
    a_changed_plan_is_another_plan,
    switches_take_two_to_release,
    one_holds_the_lease,
    runbooks_are_signed_and_start_low,
    opinions_make_the_track,
    the_ledger_is_a_chain,
)

"""What the admission of a plan enters, when it asks again, and what a run is told of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.store.automation_past import columns

from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.model import canonical
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.run import Run, RunState
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.ports.automation import Judge
from stormpetrel.testing.automation_samples import (
    BUDGET,
    fixed_judge,
    sample_facts,
    sample_plan,
    sample_run,
    sample_target,
    yes,
)
from stormpetrel.testing.check_automation_runs import acted, verified
from stormpetrel.testing.check_automation_store import kinds, let_go
from stormpetrel.testing.store_samples import NOW, SECOND

QUARTER = 900 * SECOND


def entries(store: SqlControlStore, kind: EntryKind, run_id: str = "a") -> list[LedgerEntry]:
    return [one for one in store.ledger(run_id=run_id) if one.kind is kind]


def bodies(store: SqlControlStore, kind: EntryKind, run_id: str = "a") -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in entries(store, kind, run_id)]


def refusing(plan: Plan, *reasons: str) -> Judgement:
    verdicts = tuple(Verdict(number, "x", Outcome.DENY, said) for number, said in enumerate(reasons))
    return Judgement(plan, canonical.plan_hash(plan), (*verdicts, Verdict(9, "y", Outcome.ASK, "mild", 1)))


def says(judgement: Judgement) -> Judge:
    return lambda _: judgement


def agreed_by_ann(store: SqlControlStore, plan: Plan) -> Run:
    """A run that waited, and to which ann agrees at `NOW`; it is not judged again yet."""
    run = let_go(store, sample_run(plan), fixed_judge(plan, Outcome.ASK, 1))
    store.add_approval(run.run_id, yes(run, "ann"))
    return run


def test_the_ledger_says_what_was_proposed_and_what_is_held(automation: SqlControlStore) -> None:
    plan = replace(sample_plan("a"), requester="jo")
    run = let_go(automation, sample_run(plan))
    assert bodies(automation, EntryKind.PROPOSED) == [
        {
            "plan": canonical.plain(plan), "plan_hash": run.plan_hash, "effect": "reversible",
            "cost": {"spend": 1.0, "churn": 2}, "targets": ["service:a"],
        }
    ]  # fmt: skip
    assert bodies(automation, EntryKind.STATE) == [
        {
            "from": "waiting", "to": "ready", "why": "all guardrails allow it", "automatic": True,
            "plan_hash": run.plan_hash, "ended_unix_nano": 0,
        }
    ]  # fmt: skip
    assert bodies(automation, EntryKind.RESERVED) == [
        {
            "spend": 1.0, "churn": 2, "locks": [["service:a", "replicas"]], "ready_unix_nano": NOW,
            "automatic": True, "budget": canonical.plain(BUDGET),
        }
    ]  # fmt: skip
    assert [one.actor for one in automation.ledger()] == ["jo", "petrel", "petrel", "petrel"]


def test_judged_again_where_nothing_changed_only_the_judgement_is_entered(
    automation: SqlControlStore,
) -> None:
    ready = let_go(automation, sample_run(sample_plan("a")))
    plan = sample_plan("b")
    asks = fixed_judge(plan, Outcome.ASK, 1)
    waiting = let_go(automation, sample_run(plan), asks)
    assert let_go(automation, ready, at=NOW + 1) == ready
    assert let_go(automation, waiting, asks, NOW + 1) == waiting
    assert kinds(automation, "a") == ["proposed", "judged", "state", "reserved", "judged"]
    assert kinds(automation, "b") == ["proposed", "judged", "state", "judged"]


def test_another_reason_to_wait_is_told_once(automation: SqlControlStore) -> None:
    plan = sample_plan("a")
    run = let_go(automation, sample_run(plan), fixed_judge(plan, Outcome.ASK, 1))
    other = Judgement(plan, run.plan_hash, (Verdict(1, "x", Outcome.ASK, "a freeze began", 1),))
    for _ in range(2):
        run = let_go(automation, run, says(other))
    assert (run.why, run.version) == ("a freeze began", 2)
    assert [one["why"] for one in bodies(automation, EntryKind.STATE)] == ["it is ask", "a freeze began"]


def test_a_plan_made_smaller_on_its_way_holds_less_and_says_so(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a", sample_target("x"), sample_target("y"), spend=9.0)))
    smaller = sample_plan("a", sample_target("x"), spend=3.0)
    run = let_go(automation, run, fixed_judge(smaller, Outcome.ALLOW), NOW + 5)
    held = [(one["spend"], len(one["locks"])) for one in bodies(automation, EntryKind.RESERVED)]
    assert held == [(9.0, 2), (3.0, 1)]
    assert automation.purses(NOW, BUDGET)[0].reserved == 3.0
    assert bodies(automation, EntryKind.RESERVED)[-1]["ready_unix_nano"] == NOW
    assert bodies(automation, EntryKind.STATE)[-1]["plan_hash"] == run.plan_hash
    fewer = sample_plan("a", sample_target("z"), spend=3.0)
    let_go(automation, run, fixed_judge(fewer, Outcome.ALLOW))
    assert bodies(automation, EntryKind.RESERVED)[-1]["locks"] == [["service:z", "replicas"]]


def test_what_was_refused_at_once_was_never_automatic_and_costs_nothing(automation: SqlControlStore) -> None:
    run = replace(sample_run(sample_plan("a")), automatic=True)
    assert let_go(automation, run, fixed_judge(run.plan, Outcome.DENY)).automatic is False
    hour, day = automation.purses(NOW, BUDGET)
    assert (hour.spent, hour.churned, day.spent, day.churned) == (0.0, 0, 0.0, 0)


def test_every_objection_is_told_as_far_as_one_can_read(automation: SqlControlStore) -> None:
    for name, reasons, why in (
        ("a", ("too much", "too often"), "too much; too often"),
        ("b", ("x" * 500,), "x" * 500),
        ("c", ("x" * 501,), "x" * 499 + "…"),
    ):
        plan = sample_plan(name)
        found = refusing(plan, *reasons)
        assert let_go(automation, sample_run(plan), says(found)).why == why
    plan = sample_plan("d")
    silent = Judgement(plan, canonical.plan_hash(plan), ())
    run = let_go(automation, sample_run(plan), says(silent))
    assert (run.state, run.why) == (RunState.REFUSED, "nothing was judged")


def test_a_judge_that_fails_is_named_and_its_words_are_cut(automation: SqlControlStore) -> None:
    def broken(facts: Facts) -> Judgement:
        raise ValueError("x" * 900)

    run = sample_run(sample_plan("a"))
    _, judgement = automation.admit(sample_facts(run), broken, run, BUDGET)
    (verdict,) = judgement.verdicts
    assert (verdict.number, verdict.guardrail, verdict.outcome) == (0, "judge", Outcome.DENY)
    assert len(verdict.reason) == 500


def test_once_a_person_had_to_agree_an_acting_run_stays_theirs(automation: SqlControlStore) -> None:
    plan = sample_plan("a", steps=2)
    run = let_go(automation, agreed_by_ann(automation, plan), fixed_judge(plan, Outcome.ASK, 1))
    assert (run.automatic, run.why) == (False, "enough people agreed")
    run = acted(automation, run)
    assert let_go(automation, run, fixed_judge(plan, Outcome.ALLOW)) == run

    plan = sample_plan("b", steps=2)
    run = let_go(automation, agreed_by_ann(automation, plan), fixed_judge(plan, Outcome.ALLOW))
    # Nobody had to agree in the end, but ann did: her success must not push failures of automation alone out
    # of what the breaker looks at.
    assert (run.automatic, run.why) == (False, "all guardrails allow it")
    run = let_go(automation, acted(automation, run), fixed_judge(plan, Outcome.ASK, 1))
    assert (run.state, run.automatic) == (RunState.SETTLING, False)


def test_an_automatic_run_stays_automatic_when_it_is_refused_later(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a", steps=2)))
    run = let_go(automation, acted(automation, run), fixed_judge(run.plan, Outcome.DENY), NOW + 7)
    assert (run.state, run.automatic, run.ended_unix_nano) == (RunState.ESCALATED, True, NOW + 7)


def test_an_answer_outlasts_its_time_only_once_the_run_has_acted(automation: SqlControlStore) -> None:
    runs = {}
    for name in "ab":
        plan = sample_plan(name, steps=2)
        run = agreed_by_ann(automation, plan)
        runs[name] = let_go(automation, run, fixed_judge(plan, Outcome.ASK, 1), NOW + QUARTER - 1)
        assert runs[name].state is RunState.READY
    idle, busy = runs["a"], acted(automation, runs["b"])
    late = NOW + QUARTER
    assert let_go(automation, busy, fixed_judge(busy.plan, Outcome.ASK, 1), late) == busy
    waits = let_go(automation, idle, fixed_judge(idle.plan, Outcome.ASK, 1), late)
    assert (waits.state, waits.why) == (RunState.WAITING, "it is ask")
    assert kinds(automation, "a")[-3:] == ["judged", "state", "settled"]


def asking(plan: Plan, *guardrails: str) -> Judge:
    """These guardrails ask, all others allow."""
    names = {4: "autonomy", 8: "context", 17: "cooldown and flapping"}
    verdicts = tuple(
        Verdict(number, name, Outcome.ASK if name in guardrails else Outcome.ALLOW, f"{name} asks", 1)
        for number, name in names.items()
    )
    return says(Judgement(plan, canonical.plan_hash(plan), verdicts))


def test_who_agreed_before_it_began_did_not_agree_to_what_is_asked_only_half_way(
    automation: SqlControlStore,
) -> None:
    plan = sample_plan("a", steps=2)
    run = let_go(automation, agreed_by_ann(automation, plan), asking(plan, "autonomy", "context"))
    run = acted(automation, run)
    late = NOW + QUARTER
    assert let_go(automation, run, asking(plan, "autonomy"), late) == run
    assert let_go(automation, run, asking(plan, "context", "autonomy"), late) == run
    waits = let_go(automation, run, asking(plan, "autonomy", "cooldown and flapping"), late)
    assert (waits.state, waits.why) == (RunState.WAITING, "autonomy asks; cooldown and flapping asks")
    automation.add_approval("a", yes(waits, "ann", late))
    again = let_go(automation, waits, asking(plan, "autonomy", "cooldown and flapping"), late + 1)
    assert again.state is RunState.READY


def test_a_question_that_was_over_when_it_began_is_asked_anew(automation: SqlControlStore) -> None:
    plan = sample_plan("a", steps=2)
    run = let_go(automation, agreed_by_ann(automation, plan), asking(plan, "autonomy", "context"))
    run = let_go(automation, run, asking(plan, "autonomy"))
    run = acted(automation, run)
    waits = let_go(automation, run, asking(plan, "autonomy", "context"), NOW + QUARTER)
    assert waits.state is RunState.WAITING


def test_what_was_agreed_to_half_way_holds_for_a_quarter_of_an_hour_only(automation: SqlControlStore) -> None:
    """It was not agreed to before the run began, whatever was ordered since."""
    plan = sample_plan("a", steps=3)
    run = let_go(automation, agreed_by_ann(automation, plan), asking(plan, "autonomy"))
    both, soon = asking(plan, "autonomy", "context"), NOW + QUARTER
    waits = let_go(automation, verified(automation, acted(automation, run), None), both, soon)
    automation.add_approval("a", yes(waits, "ann", soon))
    run = let_go(automation, waits, both, soon + 1)
    assert run.state is RunState.READY
    run = verified(automation, acted(automation, run, at=soon + 2), None)
    assert let_go(automation, run, both, soon + QUARTER).state is RunState.WAITING


def test_who_says_no_after_a_yes_leaves_the_run_a_persons(automation: SqlControlStore) -> None:
    plan = sample_plan("a", steps=2)
    run = let_go(automation, agreed_by_ann(automation, plan), asking(plan, "autonomy"))
    run = verified(automation, acted(automation, run), None)
    waits = let_go(automation, run, asking(plan, "context"), NOW + 2 * QUARTER)
    automation.add_approval("a", yes(waits, "ann", NOW + 2 * QUARTER, agreed=False))
    again = let_go(automation, waits, fixed_judge(plan, Outcome.ALLOW), NOW + 4 * QUARTER)
    assert (again.state, again.automatic) == (RunState.READY, False), "the no is old, and no yes is on record"


def test_a_no_stops_what_the_guardrails_allow_by_then(automation: SqlControlStore) -> None:
    plan = sample_plan("a", steps=2)
    run = agreed_by_ann(automation, plan)
    automation.add_approval("a", yes(run, "bob", agreed=False))
    stopped = let_go(automation, run, fixed_judge(plan, Outcome.ALLOW))
    assert (stopped.state, stopped.why) == (RunState.WAITING, "somebody said no")


def test_a_run_that_asked_and_needed_nobody_in_the_end_is_automatic(automation: SqlControlStore) -> None:
    plan = sample_plan("a")
    run = let_go(automation, sample_run(plan), fixed_judge(plan, Outcome.ASK, 1))
    assert let_go(automation, run, fixed_judge(plan, Outcome.ALLOW)).automatic


def test_a_run_that_must_ask_half_way_keeps_what_it_holds(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a", spend=4.0, steps=2)))
    run = verified(automation, acted(automation, run), None)
    waits = let_go(automation, run, fixed_judge(run.plan, Outcome.ASK, 1), NOW + 5)
    assert (waits.state, waits.automatic) == (RunState.WAITING, False)
    assert automation.purses(NOW, BUDGET)[0].reserved == 8.0
    automation.add_approval("a", yes(waits, "ann", NOW + 5))
    going = let_go(automation, waits, fixed_judge(run.plan, Outcome.ASK, 1), NOW + 6)
    assert (going.state, going.automatic) == (RunState.READY, False)
    assert kinds(automation, "a").count("reserved") == 1
    assert "settled" not in kinds(automation, "a")


def test_who_was_never_let_go_holds_nothing_and_has_no_result(
    automation: SqlControlStore, tmp_path: Path
) -> None:
    plan = sample_plan("a")
    let_go(automation, sample_run(plan), fixed_judge(plan, Outcome.ASK, 1))
    nothing = {"ready_unix_nano": 0, "reserved": 0, "spend": 0.0, "churn": 0, "result": "", "ended_seq": 0}
    assert nothing.items() <= columns(tmp_path, "a").items()

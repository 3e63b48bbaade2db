"""What runs enter on their way, what they hold and give back, and what stays of them."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.store.automation_past import copies, touches

from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.errors import StateError
from stormpetrel.model import canonical
from stormpetrel.model.action import EffectClass
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import Run, RunState, Verification
from stormpetrel.model.verdict import Outcome
from stormpetrel.ports.automation import AutomationStore
from stormpetrel.testing.automation_samples import (
    BUDGET,
    answered,
    begun,
    ended,
    fixed_judge,
    sample_plan,
    sample_run,
    sample_target,
)
from stormpetrel.testing.check_automation_runs import acted, facts_of, token_of, verified
from stormpetrel.testing.check_automation_store import kinds, let_go
from stormpetrel.testing.store_samples import NOW, SECOND


def body(store: SqlControlStore, kind: EntryKind) -> dict[str, Any]:
    (found,) = (one for one in store.ledger() if one.kind is kind)
    assert found.actor == "petrel"
    said: dict[str, Any] = json.loads(found.body)
    return said


def note(kind: EntryKind) -> LedgerNote:
    return LedgerNote(kind, "a", "restart-it", "i1", "driver", "{}")


def reading(run: Run) -> Run:
    """The run of the same plan, whose first step only reads."""
    first, *others = run.plan.steps
    action = replace(first.action, kind="evidence.collect", field="all", effect=EffectClass.READ)
    return sample_run(replace(run.plan, steps=(replace(first, action=action, inverse=None), *others)))


def test_an_order_is_entered_with_the_token_it_was_given_under(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a")))
    run = automation.begin_step(run, begun(run), token_of(automation), ())
    assert body(automation, EntryKind.BEGUN) == {"order": canonical.plain(run.records[0]), "token": 1}


@pytest.mark.parametrize(
    ("given", "entered"),
    [((), ["begun"]), (("begun",), ["begun"]), (("judged",), ["judged", "begun"]),
     (("judged", "begun"), ["judged", "begun"])],
)  # fmt: skip
def test_an_order_is_entered_once_whatever_its_driver_says_of_it(
    automation: SqlControlStore, given: tuple[str, ...], entered: list[str]
) -> None:
    run = let_go(automation, sample_run(sample_plan("a")))
    before, token = len(kinds(automation)), token_of(automation)
    automation.begin_step(run, begun(run), token, [note(EntryKind(one)) for one in given])
    assert kinds(automation)[before + 1 :] == entered


def test_what_costs_nothing_and_what_only_reads_is_let_go_all_the_same(automation: SqlControlStore) -> None:
    free = let_go(automation, sample_run(sample_plan("a", spend=0.0, churn=0)))
    assert acted(automation, free).state is RunState.SETTLING
    only = let_go(automation, reading(sample_run(sample_plan("b", spend=0.0, churn=0))))
    assert acted(automation, only).state is RunState.SETTLING
    other = facts_of(automation, sample_run(sample_plan("c", sample_target("b"))))
    assert other.owners == ()
    assert [one.last_unix_nano for one in other.touched or ()] == [0]


def test_a_plan_holds_what_it_changes_and_not_what_it_reads(automation: SqlControlStore) -> None:
    run = reading(sample_run(sample_plan("a", steps=2)))
    let_go(automation, run)
    assert body(automation, EntryKind.RESERVED)["locks"] == [["service:a", "replicas"]]


def test_a_run_ends_when_its_driver_says_or_else_by_the_clock(automation: SqlControlStore) -> None:
    first, second = (let_go(automation, sample_run(sample_plan(one))) for one in "ab")
    moved = automation.advance_run(first, replace(first, wake_unix_nano=NOW + 1), ())
    assert (moved.ended_unix_nano, moved.version) == (0, first.version + 1)
    assert automation.advance_run(moved, ended(moved, at_unix_nano=NOW + 5), ()).ended_unix_nano == NOW + 5
    assert automation.advance_run(second, ended(second, at_unix_nano=0), ()).ended_unix_nano == NOW


def test_only_what_changed_is_entered(automation: SqlControlStore) -> None:
    run = acted(automation, let_go(automation, sample_run(sample_plan("a"))))
    before = len(kinds(automation))
    run = verified(automation, run, Verification.FIXED)
    automation.advance_run(run, ended(run), ())
    assert kinds(automation)[before:] == ["verified", "state", "settled"]


def test_a_settlement_says_what_was_charged_and_what_was_given_back(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a", spend=10.0, churn=3, steps=2)))
    run = acted(automation, run)
    automation.advance_run(run, ended(run, RunState.ESCALATED, NOW + 1), ())
    assert body(automation, EntryKind.SETTLED) == {
        "spend": 10.0, "churn": 3, "released_spend": 10.0, "released_churn": 3, "acted": True,
        "ended_unix_nano": NOW + 1,
    }  # fmt: skip


def test_an_end_gives_back_the_run_s_own_targets_alone(automation: SqlControlStore) -> None:
    run, _ = (let_go(automation, sample_run(sample_plan(one))) for one in "ab")
    automation.advance_run(run, ended(run, RunState.EXPIRED), ())
    rate = facts_of(automation, sample_run(sample_plan("c"))).rate
    assert rate is not None
    assert rate.busy == ("service:b",)


def test_of_each_entity_the_last_64_touches_are_kept(automation: SqlControlStore, tmp_path: Path) -> None:
    touches(tmp_path, *((f"r{one}", NOW - SECOND, 1) for one in range(63)))
    touches(tmp_path, ("r0", NOW - SECOND, 1), entity="service:other")
    for number, name in enumerate(("x", "y")):
        run = let_go(automation, sample_run(sample_plan(name, sample_target("a"))), at=NOW + number)
        run = acted(automation, run, at=NOW + number)
        automation.advance_run(run, ended(run), ())
        (seen,) = facts_of(automation, sample_run(sample_plan(f"q{name}", sample_target("a")))).touched or ()
        assert (seen.in_a_row, seen.last_unix_nano) == (64, NOW + number)
    (seen,) = facts_of(automation, sample_run(sample_plan("other"))).touched or ()
    assert seen.in_a_row == 1


def test_lists_are_as_long_as_the_port_says(automation: SqlControlStore, tmp_path: Path) -> None:
    for name in ("list_runs", "tries"):
        promised = inspect.signature(getattr(AutomationStore, name)).parameters
        assert inspect.signature(getattr(SqlControlStore, name)).parameters == promised
    run = acted(automation, let_go(automation, sample_run(sample_plan("a"))))
    automation.advance_run(run, ended(run), ())
    copies(tmp_path, "a", 100)
    assert len(automation.list_runs()) == 100
    assert len(automation.tries("i1")) == 50
    asked = sample_run(sample_plan("b"))
    assert len(facts_of(automation, asked).tries or ()) == 50


def test_settling_frees_the_budget_for_others_at_once(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a", spend=7.0)))
    asks = let_go(automation, run, fixed_judge(run.plan, Outcome.ASK, 1))
    hour, _ = automation.purses(NOW, BUDGET)
    assert (asks.state, hour.reserved, hour.spent, hour.churned) == (RunState.WAITING, 0.0, 0.0, 0)
    with pytest.raises(StateError, match="was not let go"):
        automation.begin_step(asks, begun(asks), token_of(automation), ())


def test_an_answer_is_entered_by_itself(automation: SqlControlStore) -> None:
    run = let_go(automation, sample_run(sample_plan("a")))
    acting = automation.begin_step(run, begun(run), token_of(automation), ())
    before = len(kinds(automation))
    same = replace(answered(acting), state=RunState.ACTING)
    assert automation.advance_run(acting, same, ()).state is RunState.ACTING
    assert kinds(automation)[before:] == ["result"]

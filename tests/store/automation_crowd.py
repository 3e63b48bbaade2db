"""One of several processes that want to run plans at once; `python automation_crowd.py URL DIR WORKER JUDGE`.

JUDGE is "limits", which knows the limits that the store counts and nothing else, or "guardrails".

Waits for a line on its standard input, then admits its share of the plans and drives to their ends those that
were let go. Ends with the exit code 0 when all of its plans were decided.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from stormpetrel.act.judge import judge
from stormpetrel.act.scene import calm_facts
from stormpetrel.adapters.store import open_control_store
from stormpetrel.model.action import Plan, Target
from stormpetrel.model.facts import Facts, Group, Limits, LiveTarget
from stormpetrel.model.run import ActOutcome, Run, RunState
from stormpetrel.ports.automation import AutomationStore, BudgetLimits, Judge
from stormpetrel.testing.automation_samples import (
    answered,
    begun,
    ended,
    limit_judge,
    sample_plan,
    sample_run,
    sample_target,
)
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW

WORKERS, PLANS = 8, 50
BUDGET = BudgetLimits(spend_hour=20.0, spend_day=24.0, churn_hour=9, churn_day=10)
# Of eight runs of five runbooks some are the second of theirs, and more of the same come after them.
LIMITS = Limits(runs_per_runbook_hour=2, runs_per_hour=8)
MEMBERS = tuple(f"service:m{number}" for number in range(20))
GROUPS = (
    Group("left", MEMBERS[:10], MEMBERS[:10], 5),
    Group("right", MEMBERS[10:], MEMBERS[10:], 5),
)
HOT = sample_target("hot")
BOOKS = tuple(f"book{number}" for number in range(8))
# Admitted before the others begin: one holds the hot target, one has spent and one has churned half of what
# an hour may. So every limit is in somebody's way, in whatever order the others come: of all of them, these
# want more than is left then.
FIRST = (4, 3, 31)
TOO_DEAR, TOO_LIVELY = 6, 22
# What these were asked to do was not done, so they give back what they had reserved.
NOT_DONE = (5, 13, 17)


def target_of(member: int) -> Target:
    """A member of one of the groups."""
    return sample_target(f"m{member}", GROUPS[member // 10].name)


def judge_of(plan: Plan, guarded: bool) -> Judge:
    """The simple judge of limits, or all guardrails."""
    return (lambda facts: judge(plan, facts)) if guarded else limit_judge(plan)


def kind_of(number: int) -> int:
    """0: it spends, 1: it churns, 2: it is free."""
    return 2 if number % 5 == 4 else number % 3


def share_of(worker: int) -> list[int]:
    """The plans of a worker; the free ones last: they would use up the rate before any budget is met."""
    mine = set(range(worker, PLANS, WORKERS)) - set(FIRST)
    return sorted(mine, key=lambda number: (kind_of(number) == 2, number))


def plan_of(number: int) -> Plan:
    """A plan that spends, one that churns, or one that is free; so that each limit is in somebody's way."""
    targets: tuple[Target, ...] = (target_of((number * 7) % 20),)
    if number % 5 == 4:
        targets = (HOT,)
    elif number % 16 == 7:
        targets = tuple(target_of(member) for member in (1, 2, 3))
    kind = kind_of(number)
    spend, churn = 12.0 if number == TOO_DEAR else 9.0, 6 if number == TOO_LIVELY else 4
    plan = sample_plan(f"p{number}", *targets, spend=spend * (kind == 0), churn=churn * (kind == 1))
    book = f"book{number % 8 if number % 2 else 0}"
    return replace(plan, runbook=book, incident_id=f"i{number}", cause=f"cause {number}")


def facts_of(run: Run, token: int) -> Facts:
    """Under which every guardrail would allow the plan, if it were alone."""
    targets, now = run.plan.targets, NOW
    alone = tuple(Group(HOT.entity, (HOT.entity,), (), 0) for one in targets if one == HOT)
    ill = {one.entity for one in targets}
    groups = tuple(
        replace(one, healthy=tuple(name for name in one.members if name not in ill)) for one in GROUPS
    )
    live = tuple(LiveTarget(one.entity, True, "g1", False, True, 2, 1, 9, True) for one in targets)
    return replace(
        calm_facts(run.plan, LIMITS), now_unix_nano=now, run_id=run.run_id, me="all of us", my_token=token,
        live=live, groups=groups + alone,
    )  # fmt: skip


def take_lease(store: AutomationStore) -> int:
    """The token of the lease that all workers share."""
    lease = store.take_lease("all of us", NOW, 1e6)
    assert lease is not None
    return lease.token


def settle(store: AutomationStore, number: int, token: int, guarded: bool) -> None:
    """Admit one plan, and drive it to its end when it was let go."""
    plan = plan_of(number)
    run = sample_run(plan)
    store.admit(facts_of(run, token), judge_of(plan, guarded), run, BUDGET)
    found = store.run(run.run_id)
    assert found is not None
    if found.state is not RunState.READY or HOT in plan.targets or number == 10:
        return  # these go on holding what they have
    found = store.begin_step(found, begun(found), token, ())
    outcome = ActOutcome.NOT_DONE if number in NOT_DONE else ActOutcome.DONE
    found = store.advance_run(found, answered(found, outcome), ())
    store.advance_run(found, ended(found), ())


def take_part(url: str, directory: Path, worker: int, guarded: bool) -> None:
    """Admit every plan of this worker, and drive what was let go."""
    store = open_control_store(url, directory, FakeClock(NOW))
    print("ready", flush=True)
    sys.stdin.readline()
    token = take_lease(store)
    for number in share_of(worker):
        settle(store, number, token, guarded)
    store.close()


if __name__ == "__main__":
    take_part(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "guardrails")

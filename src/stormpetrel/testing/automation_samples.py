"""Plans, facts, runs and a simple judge to try a store of automation with."""

from __future__ import annotations

from dataclasses import replace

from stormpetrel.model import canonical
from stormpetrel.model.action import (
    Action,
    Autonomy,
    Condition,
    Cost,
    EffectClass,
    Origin,
    Parameter,
    Plan,
    Step,
    Target,
)
from stormpetrel.model.facts import Facts, Group, Limits
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState, StepRecord
from stormpetrel.model.runbook import Runbook, Trigger
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Approval, Judgement, Outcome, Verdict
from stormpetrel.ports.automation import BudgetLimits, Judge
from stormpetrel.testing.store_samples import NOW

BUDGET = BudgetLimits(spend_hour=100.0, spend_day=400.0, churn_hour=20, churn_day=60)
VERSION = "0123456789abcdef"


def sample_runbook(name: str = "restart-it", version: str = VERSION, title: str = "Restart it") -> Runbook:
    """A runbook that may become automatic."""
    trigger = Trigger((), (), (), (), "", 0.6)
    seen = (Condition("latency_seconds", "down"),)
    return Runbook(name, version, title, "it hangs", trigger, (), seen, Autonomy.AUTO, f"name: {name}")


def sample_target(name: str, group: str = "") -> Target:
    """A stateless service of a group, or alone."""
    return Target(f"service:{name}", "local", group or f"service:{name}", "g1", False, Origin.INVENTORY)


def sample_plan(plan_id: str, *targets: Target, spend: float = 1.0, churn: int = 2, steps: int = 1) -> Plan:
    """Scales its targets from 2 to 3, and back when undone; `spend` and `churn` are of each step."""
    acted = targets or (sample_target(plan_id),)

    def scaled(count: int) -> Action:
        count_of = Parameter("replicas", count, Origin.RUNBOOK, True)
        return Action("service.scale", "replicas", acted, (count_of,), EffectClass.REVERSIBLE)

    made = tuple(
        Step(f"s{number}", scaled(3), Cost(spend, churn), 1, 30.0, 60.0, scaled(2), "one more")
        for number in range(steps)
    )
    seen = (Condition("latency_seconds", "down"),)
    return Plan(plan_id, "restart-it", VERSION, "i1", "overload service:a", "petrel", made, seen, NOW)


def sample_run(plan: Plan) -> Run:
    """The run of a plan, before it is admitted."""
    return Run(
        plan.plan_id, plan, canonical.plan_hash(plan), RunState.WAITING, 1, (), 0, False, "", NOW
    )  # fmt: skip


def sample_facts(run: Run, now_unix_nano: int = NOW, groups: tuple[Group, ...] = ()) -> Facts:
    """What is known of a plan before the store adds its part."""
    return Facts(
        now_unix_nano=now_unix_nano, limits=Limits(), run_id=run.run_id, me="a", my_token=1, switches=None,
        lease=None, health=None, runbook=None, approvals=None, known_actions=None, signals=None,
        objective_burns=None, confidence=None, context=(), live=None, groups=groups, backups=None, hour=None,
        day=None, rate=None, touched=None, owners=(), tries=None, breaker_open=None,
    )  # fmt: skip


def fixed_judge(plan: Plan, outcome: Outcome, approvers: int = 0) -> Judge:
    """A judge that has made up its mind."""
    said = Verdict(1, "fixed", outcome, f"it is {outcome.word}", approvers)
    judgement = Judgement(plan, canonical.plan_hash(plan), (said,))
    return lambda _: judgement


def limit_judge(plan: Plan) -> Judge:
    """A judge that knows the limits that the store keeps count of, and nothing else."""

    def judge(facts: Facts) -> Judgement:
        wrong = [said for said, bad in _over(plan, facts).items() if bad]
        verdicts = tuple(Verdict(15, "limits", Outcome.DENY, said) for said in wrong)
        return Judgement(
            plan, canonical.plan_hash(plan), verdicts or (Verdict(15, "limits", Outcome.ALLOW, "within"),)
        )

    return judge


def _over(plan: Plan, facts: Facts) -> dict[str, bool]:
    hour, day, rate = facts.hour, facts.day, facts.rate
    if hour is None or day is None or rate is None or facts.switches is None:
        return {"a fact is unknown": True}
    spend, churn = plan.cost.spend, plan.cost.churn
    mine = {one.entity for one in plan.targets}
    blast = any(
        len(set(group.members) & (mine | set(rate.busy)))
        > max(1, int(len(group.members) * facts.limits.group_ratio))
        for group in facts.groups or ()
    )
    return {
        "a kill switch is engaged": bool(facts.switches),
        "the hour's budget": hour.spent + hour.reserved + spend > hour.spend_limit,
        "the day's budget": day.spent + day.reserved + spend > day.spend_limit,
        "the hour's churn": hour.churned + hour.churn_reserved + churn > hour.churn_limit,
        "the day's churn": day.churned + day.churn_reserved + churn > day.churn_limit,
        "the runbook's rate": rate.runbook_hour >= facts.limits.runs_per_runbook_hour,
        "the rate of all": rate.overall_hour >= facts.limits.runs_per_hour,
        "a target is busy": bool(mine & set(rate.busy)),
        "too much of a group": blast,
    }


def begun(run: Run, undo: bool = False, at_unix_nano: int = NOW) -> Run:
    """The run with its next order: of the next step, or the undoing of the last one that was done."""
    if undo:
        done = [one for one in run.records if not one.undo]
        back = {(one.step_id, one.wave) for one in run.records if one.undo}
        last = next(one for one in reversed(done) if (one.step_id, one.wave) not in back)
        action = last.inverse
        if action is None:
            raise ValueError("the last act has no inverse")
        order = StepRecord(f"{last.key}:undo", last.step_id, last.wave, action, None, True, at_unix_nano)
        return replace(run, state=RunState.UNDOING, records=(*run.records, order))
    step = run.plan.steps[len(run.records)]
    order = StepRecord(
        f"{run.run_id}:{step.step_id}:0", step.step_id, 0, step.action, step.inverse, False, at_unix_nano
    )
    return replace(run, state=RunState.ACTING, records=(*run.records, order))


def answered(run: Run, outcome: ActOutcome = ActOutcome.DONE, at_unix_nano: int = NOW) -> Run:
    """The run with the answer to its last order."""
    last = replace(run.records[-1], ended_unix_nano=at_unix_nano, result=ActResult(outcome, "said"))
    state = RunState.UNDOING if last.undo else RunState.SETTLING
    return replace(run, state=state, records=(*run.records[:-1], last))


def ended(run: Run, state: RunState = RunState.FINISHED, at_unix_nano: int = NOW) -> Run:
    """The run at its end."""
    return replace(run, state=state, ended_unix_nano=at_unix_nano, why=f"it is {state.value}")


def yes(run: Run, person: str, at_unix_nano: int = NOW, agreed: bool = True) -> Approval:
    """A person's answer, good for a quarter of an hour."""
    return Approval(run.plan_hash, person, agreed, at_unix_nano, at_unix_nano + from_seconds(900.0), "page")

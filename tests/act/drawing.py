"""Draws plans and facts around the edges of every guardrail, and ways to make facts worse."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from stormpetrel.act.scene import (
    DAY,
    NOW,
    SECOND,
    calm_action,
    calm_facts,
    calm_plan,
    calm_step,
    calm_target,
    member,
)
from stormpetrel.model.action import Autonomy, Cost, EffectClass, Origin, Plan, Step
from stormpetrel.model.facts import (
    Backup,
    ContextEntry,
    Facts,
    Group,
    Lease,
    Owner,
    Purse,
    Rate,
    Switch,
    Touched,
    Track,
    TriggerSignal,
    Try,
)
from stormpetrel.model.verdict import Approval

members = st.integers(0, 5)
names = members.map(member)
kinds = st.sampled_from(["service.restart", "service.scale", "deployment.rollback", "command.run"])
floats = st.sampled_from([0.0, 0.1, 0.5, 1.0, 29.0, 31.0, 119.0, 121.0, 1e9])
amounts = st.sampled_from([0.0, 0.5, 1.0, 9.0, 10.0, 11.0])
counts = st.integers(0, 6)
people = st.sampled_from(["ada", "bob", "ADA ", "petrel", "", "eve"])
ages = st.sampled_from([0, 1, 599, 600, 1199, 1200, 3599, 3600, 90 * 86_400, 90 * 86_400 + 1, -5])
moments = ages.map(lambda seconds: NOW - seconds * SECOND)


@st.composite
def steps(draw: st.DrawFn, number: int) -> Step:
    """One step of any effect on up to four members."""
    origin = draw(st.sampled_from([Origin.INVENTORY] * 5 + list(Origin)))
    stateful = draw(st.sampled_from([False, False, True, None]))
    targets = tuple(
        calm_target(one, stateful, origin) for one in sorted(draw(st.sets(members, min_size=1, max_size=4)))
    )
    kind = draw(kinds)
    given: dict[str, Any] = {}
    if kind == "service.scale":
        given["replicas"] = draw(st.integers(0, 30))
    if kind == "command.run":
        given["command"] = draw(st.sampled_from(["df -h", "rm -rf /"]))
    if kind == "deployment.rollback":
        given["change"] = draw(st.sampled_from(["c1", "c2"]))
    field = "replicas" if kind == "service.scale" else draw(st.sampled_from(["process", ""]))
    action = calm_action(targets, draw(st.sampled_from(EffectClass)), kind, field, given)
    cost = Cost(draw(amounts), draw(counts))
    return calm_step(action, f"step-{number}", cost, draw(st.integers(0, 4)))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan of up to two steps."""
    made = [draw(steps(number)) for number in range(draw(st.integers(0, 2)))]
    return replace(calm_plan(*made, requester=draw(st.sampled_from(["petrel", "ada"]))), steps=tuple(made))


groups = st.builds(
    lambda size, healthy, minimum, quorum, zones: Group(
        "service:shop",
        tuple(member(n) for n in range(size)),
        tuple(member(n) for n in range(min(size, 12)) if n in healthy),
        minimum,
        quorum,
        (("a", tuple(member(n) for n in range(zones))), ("b", (member(5),))) if zones else (),
    ),
    st.integers(1, 12),
    st.sets(st.integers(0, 11)),
    counts,
    counts,
    counts,
)
approvals = st.builds(
    lambda who, agreed, given, lasts, named: Approval(
        named, who, agreed, given, given + lasts * SECOND, "page"
    ),
    people,
    st.booleans(),
    moments,
    st.sampled_from([0, 1, 900]),
    st.sampled_from(["right", "wrong"]),
)
tries = st.builds(
    lambda run, kind, incident, cause, result: Try(run, kind, incident, cause, result, True, NOW - SECOND),
    st.sampled_from(["r1", "r2", "r3", "plan-1"]),
    kinds,
    st.sampled_from(["incident-1", "other"]),
    st.sampled_from(["saturation host:shop-00", ""]),
    st.sampled_from(["fixed", "no effect", "worse", "inconclusive"]),
)
tracks = st.builds(
    Track,
    st.sampled_from([0, 19, 20, 40]),
    st.sampled_from([0, 19, 20, 40]),
    st.sampled_from([0, NOW, NOW - 91 * DAY]),
    st.integers(0, 3),
    st.sampled_from([0.0, 6.9, 7.0]),
)
purses = st.builds(Purse, amounts, amounts, amounts, counts, counts, counts)
whole: dict[str, Any] = {
    "switches": st.lists(
        st.builds(
            Switch,
            st.sampled_from(["global", "x", "runbook:other", f"service:{member(0)}"]),
            people,
            moments,
            people,
        ),
        max_size=2,
    ).map(tuple),
    "lease": st.builds(
        Lease, st.sampled_from(["node-a", "node-b"]), st.integers(6, 8), st.sampled_from([NOW, NOW + 1])
    ),
    "approvals": st.lists(approvals, max_size=3).map(tuple),
    "known_actions": st.just((("supervisor", "service.restart"),)),
    "signals": st.lists(
        st.builds(TriggerSignal, people, people, st.sampled_from(["fresh", "fresh", "stale"])), max_size=3
    ).map(tuple),
    "objective_burns": st.booleans(),
    "confidence": st.sampled_from([0.0, 0.49, 0.5, 1.0]),
    "context": st.lists(
        st.builds(
            ContextEntry, st.sampled_from(["deploy", "freeze"]), people, names, st.sampled_from(["c1", ""])
        ),
        max_size=2,
    ).map(tuple),
    "groups": groups.map(lambda one: (one,)),
    "backups": st.lists(st.builds(Backup, names, moments, moments, st.just(3600.0)), max_size=4).map(tuple),
    "hour": purses,
    "day": purses,
    "rate": st.builds(Rate, counts, st.integers(0, 11), st.lists(names, max_size=1).map(tuple)),
    "touched": st.lists(st.builds(Touched, names, moments, counts, st.integers(0, 3)), max_size=3).map(tuple),
    "owners": st.lists(
        st.builds(
            Owner, names, st.sampled_from(["", "replicas", "process"]), st.sampled_from(["run:plan-1", "hpa"])
        ),
        max_size=2,
    ).map(tuple),
    "tries": st.lists(tries, max_size=4).map(tuple),
    "breaker_open": st.booleans(),
    "acted": st.lists(names, max_size=2).map(tuple),
}


@st.composite
def facts_for(draw: st.DrawFn, plan: Plan) -> Facts:
    """The calm facts with some of them drawn anew, and sometimes something unknown."""
    facts = calm_facts(plan, size=draw(st.sampled_from([1, 2, 6, 12, 40])))
    for name in draw(st.sets(st.sampled_from(sorted(whole)), max_size=4)):
        facts = replace(facts, **{name: draw(whole[name])})
    if facts.runbook is not None and draw(st.booleans()):
        level = draw(st.sampled_from(Autonomy))
        raised = draw(st.sampled_from(["", "root"]))
        facts = replace(
            facts, runbook=replace(facts.runbook, autonomy=level, track=draw(tracks), raised_by=raised)
        )
    if facts.live and draw(st.booleans()):
        live = tuple(
            replace(
                one,
                count=draw(st.integers(0, 24)),
                healthy=draw(st.booleans()),
                inputs_known=draw(st.booleans()),
            )
            for one in facts.live
        )
        facts = replace(facts, live=live)
    return facts


@st.composite
def cases(draw: st.DrawFn) -> tuple[Plan, Facts]:
    """A plan with facts about it."""
    plan = draw(plans())
    return plan, draw(facts_for(plan))


Draw = Callable[[st.SearchStrategy[Any]], Any]
Worsen = Callable[[Draw, Plan, Facts], Facts]


def more(name: str, row: Callable[[Draw, Plan], Any]) -> Worsen:
    """One more row of a fact that only ever stands against a plan."""

    def worsen(draw: Draw, plan: Plan, facts: Facts) -> Facts:
        rows = getattr(facts, name)
        added: dict[str, Any] = {} if rows is None else {name: (*rows, row(draw, plan))}
        return replace(facts, **added)

    return worsen


def fewer(name: str) -> Worsen:
    """One row less of a fact that only ever speaks for a plan."""

    def worsen(draw: Draw, plan: Plan, facts: Facts) -> Facts:
        rows = getattr(facts, name)
        less: dict[str, Any] = {name: rows[:-1]} if rows else {}
        return replace(facts, **less)

    return worsen


def within(name: str, **shifts: Any) -> Worsen:
    """Fields of a fact shifted the wrong way, or set to a worse value."""

    def worsen(draw: Draw, plan: Plan, facts: Facts) -> Facts:
        held = getattr(facts, name)
        if held is None:
            return facts
        field = draw(st.sampled_from(sorted(shifts)))
        shift = shifts[field]
        value = getattr(held, field)
        worse = value + shift if type(shift) in (int, float) else shift
        return replace(facts, **{name: replace(held, **{field: worse})})

    return worsen


def someone_ill(draw: Draw, plan: Plan, facts: Facts) -> Facts:
    """A healthy member that is no target falls ill."""
    targets = {one.entity for one in plan.targets}
    made = []
    for group in facts.groups or ():
        bystanders = [one for one in group.healthy if one not in targets]
        gone = draw(st.sampled_from(bystanders)) if bystanders else ""
        made.append(replace(group, healthy=tuple(one for one in group.healthy if one != gone)))
    return facts if facts.groups is None else replace(facts, groups=tuple(made))


def groups_stricter(draw: Draw, plan: Plan, facts: Facts) -> Facts:
    """A group needs one more."""
    field = draw(st.sampled_from(["minimum", "quorum"]))
    made = [replace(one, **{field: getattr(one, field) + 1}) for one in facts.groups or ()]
    return facts if facts.groups is None else replace(facts, groups=tuple(made))


def live_worse(draw: Draw, plan: Plan, facts: Facts) -> Facts:
    """One target is gone, another, well again, narrower bounded or in the dark."""
    if not facts.live:
        return facts
    change: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"exists": False},
                {"generation": "g2"},
                {"symptom_fires": False},
                {"most": 2},
                {"least": 3},
                {"inputs_known": False},
            ]
        )
    )
    last = facts.live[-1]
    if "most" in change:
        change = {"most": min(2, last.most if last.most is not None else 2)}
    if "least" in change:
        change = {"least": max(3, last.least if last.least is not None else 3)}
    return replace(facts, live=(*facts.live[:-1], replace(last, **change)))


def limits_stricter(draw: Draw, plan: Plan, facts: Facts) -> Facts:
    """A number of the guardrails set stricter."""
    change: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"group_ratio": 0.1},
                {"group_deny_ratio": 0.3},
                {"targets_at_once": 1},
                {"fleet_brake_ratio": 0.1},
                {"scale_factor": 1.5},
                {"scale_step": 2},
                {"runs_per_hour": 1},
                {"runs_per_runbook_hour": 1},
                {"cooldown_seconds": 1e6},
                {"reversals_per_hour": 1},
                {"tries_per_incident": 1},
                {"no_effect_tries": 1},
                {"destructive_approvers": 3},
                {"independent_signals": 3},
                {"telemetry_stale_seconds": 0.5},
            ]
        )
    )
    return replace(facts, limits=replace(facts.limits, **change))


def track_worse(draw: Draw, plan: Plan, facts: Facts) -> Facts:
    """The runbook's record gets worse."""
    if facts.runbook is None:
        return facts
    track = facts.runbook.track
    change: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"failed_in_a_row": track.failed_in_a_row + 1},
                {"harmful_unix_nano": NOW},
                {"replay_days": 0.0},
                {"useful": max(0, track.useful - 1)},
            ]
        )
    )
    return replace(facts, runbook=replace(facts.runbook, track=replace(track, **change)))


WORSE: dict[str, Worsen] = {
    "a switch": more(
        "switches", lambda draw, plan: Switch(draw(st.sampled_from(["global", "service:x"])), "a", 0, "")
    ),
    "a lease lost": within("lease", holder="node-b", token=1, expires_unix_nano=-60 * SECOND),
    "health": within(
        "health",
        telemetry_age_seconds=1e3,
        clock_skew_seconds=1e3,
        clock_went_back=True,
        ledger_ok=False,
        store_ok=False,
    ),
    "a level lower": within(
        "runbook", autonomy=Autonomy.OBSERVE, signed_by="", version="v", raised_by="", confidence_floor=0.3
    ),
    "the record": track_worse,
    "the requester agrees": more(
        "approvals", lambda draw, plan: Approval("h", plan.requester, True, 0, 1, "page")
    ),
    "an action gone": fewer("known_actions"),
    "a stale signal": more("signals", lambda draw, plan: TriggerSignal("s", draw(people), "stale")),
    "nothing burns": lambda draw, plan, facts: (
        facts if facts.objective_burns is None else replace(facts, objective_burns=False)
    ),
    "less certain": lambda draw, plan, facts: (
        facts if facts.confidence is None else replace(facts, confidence=0.0)
    ),
    "a freeze": more("context", lambda draw, plan: ContextEntry("freeze", "x", member(0))),
    "a deploy": more(
        "context",
        lambda draw, plan: ContextEntry("deploy", "x", draw(names), draw(st.sampled_from(["c1", "c3"]))),
    ),
    "targets": live_worse,
    "someone ill": someone_ill,
    "stricter groups": groups_stricter,
    "a backup gone": fewer("backups"),
    "the hour": within(
        "hour", spent=1.0, reserved=1.0, spend_limit=-1.0, churned=1, churn_reserved=1, churn_limit=-1
    ),
    "the day": within(
        "day", spent=1.0, reserved=1.0, spend_limit=-1.0, churned=1, churn_reserved=1, churn_limit=-1
    ),
    "the rate": within("rate", runbook_hour=1, overall_hour=1),
    "just touched": more(
        "touched", lambda draw, plan: Touched(draw(names), draw(moments), draw(counts), draw(counts))
    ),
    "an owner": more(
        "owners", lambda draw, plan: Owner(draw(names), draw(st.sampled_from(["", "replicas"])), "hpa")
    ),
    "a failed try": more("tries", lambda draw, plan: draw(tries)),
    "the breaker": lambda draw, plan, facts: (
        facts if facts.breaker_open is None else replace(facts, breaker_open=True)
    ),
    "the numbers": limits_stricter,
}

"""Exhaustively: no destruction without two people and a good backup; a refusal stands whoever agrees.

The domain: every runbook and three of the worst kind, every level of autonomy and record, every kind of
backup, every subset of a set of approvals that holds each way in which one does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product

from stormpetrel.act.judge import judge
from stormpetrel.act.policy import Policy, PolicyRow, PolicyStep
from stormpetrel.act.prove_story import Hole, Proof, names, objections, told
from stormpetrel.act.scene import (
    NOW,
    RUNBOOK,
    SECOND,
    calm_action,
    calm_facts,
    calm_plan,
    calm_step,
    calm_target,
)
from stormpetrel.model.action import Autonomy, EffectClass, Origin, Parameter, Plan
from stormpetrel.model.agreement import same_person
from stormpetrel.model.facts import Backup, Facts
from stormpetrel.model.verdict import Approval, Judgement, Outcome, Verdict

REQUESTER = "rob"
_OBJECTIVE = 3600.0
_WORST = (
    PolicyRow("(one that declares destruction)", (PolicyStep("volume.delete", EffectClass.DESTRUCTIVE),)),
    PolicyRow(
        "(one whose words contradict it)",
        (
            PolicyStep(
                "command.run",
                EffectClass.READ,
                (Parameter("command", "rm -rf /srv", Origin.RUNBOOK, validated=True),),
            ),
        ),
    ),
    PolicyRow(
        "(one that destroys in its second step)",
        (PolicyStep("service.restart", EffectClass.DISRUPTIVE), PolicyStep("x", EffectClass.DESTRUCTIVE)),
    ),
)
_BACKUPS: dict[str, tuple[int, int] | None] = {
    "there is none": None,
    "it is half an hour old and was restored since": (1800, 600),
    "it is half an hour old and was never restored": (1800, -1),
    "it was restored before it was made": (1800, 2400),
    "it is exactly as old as its objective": (3600, 600),
    "it is a day old": (86_400, 600),
    "it comes from the future": (-60, -60),
}
_LEVELS: dict[str, tuple[Autonomy, str, int]] = {
    "at suggest": (Autonomy.SUGGEST, "", 40),
    "at approve": (Autonomy.APPROVE, "", 40),
    "at auto, earned": (Autonomy.AUTO, "", 40),
    "at auto, not earned": (Autonomy.AUTO, "", 0),
    "raised to auto by an admin": (Autonomy.AUTO, "root", 0),
}


def approvals_for(plan_hash: str) -> tuple[tuple[str, Approval], ...]:
    """One of each kind; only the first two count."""

    def one(
        who: str, *, given: int = -60, lasts: int = 900, agreed: bool = True, other: bool = False
    ) -> Approval:
        start = NOW + given * SECOND
        named = "another" if other else plan_hash
        return Approval(named, who, agreed, start, start + lasts * SECOND, "page")

    return (
        ("ada", one("ada")),
        ("bob", one("bob")),
        ("ADA again", one(" ADA ")),
        (f"{REQUESTER}, who asked for it,", one(REQUESTER)),
        ("kim, too late,", one("kim", given=-1000)),
        ("lee, for another plan,", one("lee", other=True)),
        ("nobody by name", one("")),
    )


def real_people(approvals: tuple[Approval, ...], plan_hash: str) -> set[str]:
    """Who really agreed, told independently of the code that is proved."""
    return {
        same_person(one.approver)
        for one in approvals
        if one.agreed
        and one.plan_hash == plan_hash
        and one.given_unix_nano <= NOW < one.expires_unix_nano
        and same_person(one.approver) not in ("", REQUESTER)
    }


def consent(policy: Policy) -> Proof:
    """No destructive action without two approvers and a verified, fresh backup."""
    cases = 0
    hole: Hole | None = None
    for row, level, backup, stateful in product(
        (*policy.rows, *_WORST), _LEVELS, _BACKUPS, (True, False, None)
    ):
        plan = _plan(row, stateful)
        if max(step.effect for step in row.steps) is not EffectClass.DESTRUCTIVE and row not in _WORST:
            continue
        judgement = judge(plan, _facts(policy, plan, level, backup), policy.guardrails)
        for chosen in subsets(approvals_for(judgement.plan_hash)):
            cases += 1
            given = tuple(one for _, one in chosen)
            if hole is None and runs(policy, judgement, given):
                people = real_people(given, judgement.plan_hash)
                if len(people) < 2 or not backup.endswith("was restored since"):
                    hole = _story(row, level, backup, judgement, [name for name, _ in chosen])
    return Proof(
        "no destructive action without two approvers and a verified backup",
        "exhaustively, over runbooks, levels, backups and every subset of approvals",
        cases,
        hole,
    )


def runs(policy: Policy, judgement: Judgement, approvals: tuple[Approval, ...]) -> bool:
    """Whether the plan would run: what admission decides from a judgement and approvals."""
    return policy.agreed(judgement, approvals, NOW)


def subsets(every: tuple[tuple[str, Approval], ...]) -> Iterator[tuple[tuple[str, Approval], ...]]:
    """All subsets, the small ones first."""
    for size in range(len(every) + 1):
        yield from combinations(every, size)


def _plan(row: PolicyRow, stateful: bool | None) -> Plan:
    steps = []
    for number, one in enumerate(row.steps):
        action = replace(
            calm_action((calm_target(0, stateful),), one.effect, one.kind), parameters=one.parameters
        )
        steps.append(calm_step(action, f"step {number + 1}"))
    return replace(calm_plan(*steps, requester=REQUESTER), runbook=RUNBOOK)


def _facts(policy: Policy, plan: Plan, level: str, backup: str) -> Facts:
    """The best case but for level, record and backup; scaling and money are looked at elsewhere."""
    facts = calm_facts(plan, policy.limits)
    autonomy, raised_by, judged = _LEVELS[level]
    ages = _BACKUPS[backup]
    entity = plan.targets[0].entity
    made = () if ages is None else (_backup(entity, *ages),)
    if facts.runbook is not None:
        track = replace(facts.runbook.track, judged=judged, useful=judged)
        runbook = replace(facts.runbook, autonomy=autonomy, raised_by=raised_by, track=track)
        facts = replace(facts, runbook=runbook)
    return replace(facts, backups=made)


def _backup(entity: str, made: int, restored: int) -> Backup:
    verified = 0 if restored == -1 else NOW - restored * SECOND
    return Backup(entity, NOW - made * SECOND, verified, _OBJECTIVE)


def _story(row: PolicyRow, level: str, backup: str, judgement: Judgement, people: list[str]) -> Hole:
    return told(
        f"The runbook {row.name} is {level}.",
        f"Its plan is destructive: {', '.join(step.kind for step in row.steps)} "
        f"on {judgement.plan.targets[0].entity}.",
        f"Of its backup: {backup}.",
        objections(judgement),
        names(people),
        "It runs.",
    )


def refusal(policy: Policy) -> Proof:
    """Deny cannot be overridden by any set of approvals."""
    cases = 0
    plan = calm_plan(requester=REQUESTER)
    for outcomes in product(Outcome, repeat=3):
        for approvers in range(4):
            judgement = _said(plan, outcomes, approvers)
            for chosen in subsets((*approvals_for("h"), *_more(judgement.plan_hash))):
                cases += 1
                given = tuple(one for _, one in chosen)
                if Outcome.DENY in outcomes and runs(policy, judgement, given):
                    story = told(
                        f"Three guardrails say {', '.join(one.word for one in outcomes)}.",
                        names(name for name, _ in chosen),
                        "It runs, against a refusal.",
                    )
                    return Proof(_REFUSAL, _REFUSAL_HOW, cases, story)
    return Proof(_REFUSAL, _REFUSAL_HOW, cases, None)


_REFUSAL = "deny cannot be overridden by any set of approvals"
_REFUSAL_HOW = "exhaustively, over outcomes of guardrails and every subset of approvals"


def _more(plan_hash: str) -> tuple[tuple[str, Approval], ...]:
    """More people who agree: enough to outvote, if votes were counted."""
    people = ("cleo", "dora")
    return tuple((who, Approval(plan_hash, who, True, NOW - SECOND, NOW + SECOND, "page")) for who in people)


def _said(plan: Plan, outcomes: tuple[Outcome, ...], approvers: int) -> Judgement:
    verdicts = tuple(
        Verdict(number, f"number {number}", outcome, "x", approvers if outcome is Outcome.ASK else 0)
        for number, outcome in enumerate(outcomes, 1)
    )
    return Judgement(plan, "h", verdicts)

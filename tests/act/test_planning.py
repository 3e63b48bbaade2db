"""Planning: which incident a runbook is for, and what exactly would be done to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stormpetrel.act import canonical
from stormpetrel.act.library import shipped
from stormpetrel.act.planning import Matter, NotFitting, Owned, plan
from stormpetrel.act.runbook import read_runbook
from stormpetrel.model.action import EffectClass, Origin, Parameter, Plan
from stormpetrel.model.cause import Cause, CauseClass, Diagnosis
from stormpetrel.model.facts import Group, LiveTarget
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.ports.actuate import ActionSchema, ParameterSchema, Reading

SECOND = 10**9
NOW = 1_800_000_000 * SECOND
EVIDENCE = Evidence("metric", "x", 1, NOW, NOW, 1.0, 0.0, 0.0, 0.0, 0.001)
RESTART = ActionSchema(
    "service.restart",
    EffectClass.DISRUPTIVE,
    "",
    (ParameterSchema("grace_seconds", "int", required=False, least=0, most=60),),
    "",
    fences=False,
)
SCALE = ActionSchema(
    "service.scale",
    EffectClass.REVERSIBLE,
    "replicas",
    (ParameterSchema("replicas", "int", required=True, least=0, most=100),),
    "service.scale",
    fences=False,
)
BLOCK = ActionSchema(
    "address.block",
    EffectClass.REVERSIBLE,
    "",
    (
        ParameterSchema("address", "text", required=True, pattern=r"[0-9a-fA-F:.]{2,45}"),
        ParameterSchema("ttl_seconds", "int", required=True, least=1, most=86_400),
    ),
    "address.unblock",
    fences=False,
)


def worst(declared: EffectClass | None, _: Sequence[Parameter]) -> EffectClass:
    return EffectClass.DESTRUCTIVE if declared is None else declared


def finding(entity: str = "service:shop", **attributes: str) -> Finding:
    return Finding(
        "f1", "robust", 1, "level", entity, "t", "w", Severity.ERROR, FindingState.OPEN, NOW, NOW, EVIDENCE,
        attributes,
    )  # fmt: skip


def incident(*findings: Finding, entities: tuple[str, ...] = ("service:shop",)) -> Incident:
    return Incident(
        "inc-1", "s", IncidentState.OPEN, Severity.ERROR, entities, NOW - 60 * SECOND, NOW, 0,
        findings or (finding(),), (),
    )  # fmt: skip


def diagnosis(
    entity: str = "service:shop", kind: CauseClass = CauseClass.DEPLOY, found: bool = True
) -> Diagnosis:
    cause = Cause(entity, "", kind, 3.0, (), change_id="rollout-7")
    return Diagnosis(NOW, (cause,), (), "rollout-7", 0.8, found, ())


def owned(
    entity: str = "service:shop",
    schemas: tuple[ActionSchema, ...] = (RESTART, SCALE),
    name: str = "supervisor",
    healthy: bool | None = False,
) -> tuple[str, Owned]:
    live = LiveTarget(entity, True, "pid 12", healthy, True, count=2, least=1, most=8, inputs_known=True)
    group = Group("shop", ("service:shop", "service:shop-2"), ("service:shop-2",), 1)
    return entity, Owned(name, schemas, Reading(live, False, group, ()))


def matter(*things: tuple[str, Owned], **others: Any) -> Matter:
    inventory: dict[str, tuple[Owned, ...]] = {}
    for entity, one in things:
        inventory[entity] = (*inventory.get(entity, ()), one)
    return replace(Matter(incident(), diagnosis(), inventory, NOW), **others)


def runbook(steps: str, trigger: str = '{entities: ["service:*"]}') -> Any:
    head, tail = f"name: it\ntitle: t\nwhy: w\ntrigger: {trigger}\n", "verify: [{series: x, better: up}]\n"
    text = f"{head}steps:\n{steps}\n{tail}"
    return read_runbook(text, "it.yaml")


RESTART_IT = "  - {id: again, do: service.restart, on: cause, effect: disruptive}"


def planned(found: Plan | NotFitting) -> Plan:
    assert isinstance(found, Plan), found
    return found


def refused(found: Plan | NotFitting) -> str:
    assert isinstance(found, NotFitting), found
    return found.reason


def test_a_plan_names_exactly_what_would_be_done_to_whom() -> None:
    found = planned(plan(runbook(RESTART_IT), matter(owned()), worst))
    (step,) = found.steps
    (target,) = step.action.targets
    assert (target.entity, target.actuator, target.group) == ("service:shop", "supervisor", "shop")
    assert (target.generation, target.stateful, target.origin) == ("pid 12", False, Origin.INVENTORY)
    assert (step.action.kind, step.action.effect) == ("service.restart", EffectClass.DISRUPTIVE)
    assert (found.incident_id, found.cause, found.requester) == (
        "inc-1",
        "deploy of service:shop",
        "petrel",
    )


def test_the_same_matter_gives_the_same_plan_and_another_moment_another() -> None:
    made = [planned(plan(runbook(RESTART_IT), matter(owned()), worst)) for _ in range(2)]
    assert canonical.plan_hash(made[0]) == canonical.plan_hash(made[1])
    later = planned(plan(runbook(RESTART_IT), matter(owned(), now_unix_nano=NOW + 1), worst))
    assert later.plan_id != made[0].plan_id


def test_a_plan_is_read_back_equal_from_its_canonical_text() -> None:
    found = planned(plan(runbook(RESTART_IT), matter(owned()), worst))
    assert canonical.read(Plan, canonical.text(found)) == found


def test_what_no_actuator_lists_is_never_a_target() -> None:
    hostile = diagnosis("service:$(reboot)")
    assert "is no target" in refused(plan(runbook(RESTART_IT), matter(owned(), diagnosis=hostile), worst))
    assert "is no target" in refused(plan(runbook(RESTART_IT), matter(), worst))
    literal = RESTART_IT.replace("on: cause", "on: service:other")
    assert "service:other is no target" in refused(plan(runbook(literal), matter(owned()), worst))


def test_a_target_of_two_actuators_must_be_named_with_one() -> None:
    both = matter(owned(), owned(name="systemd"))
    assert "belongs to supervisor, systemd; name one" in refused(plan(runbook(RESTART_IT), both, worst))
    named = RESTART_IT.replace("on: cause", "on: cause, by: systemd")
    assert planned(plan(runbook(named), both, worst)).targets[0].actuator == "systemd"


def test_an_action_that_the_actuator_does_not_offer_is_refused() -> None:
    only = matter(owned(schemas=(SCALE,)))
    assert "no target that offers service.restart" in refused(plan(runbook(RESTART_IT), only, worst))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{replicas: 200}", "replicas must be between 0 and 100"),
        ("{replicas: true}", "replicas must be of type int"),
        ('{replicas: "3"}', "replicas must be of type int"),
        ("{replicas: 3.5}", "replicas must be of type int"),
        ("{}", "needs replicas"),
        ("{replicas: 3, force: true}", "takes no force"),
        ("{replicas: {fact: target.count * 90}}", "between"),
        ("{replicas: {fact: int(attribute.count)}}", "cannot be worked out"),
    ],
)
def test_parameters_are_checked_against_the_schema(given: str, told: str) -> None:
    step = f"  - {{id: s, do: service.scale, on: cause, effect: reversible, with: {given}}}"
    assert told in refused(plan(runbook(step), matter(owned()), worst))


def test_numbers_worked_out_are_facts_and_texts_are_hostile() -> None:
    scale = (
        "  - {id: s, do: service.scale, on: cause, effect: reversible, "
        "with: {replicas: {fact: target.count + 1}}}"
    )
    (found,) = planned(plan(runbook(scale), matter(owned()), worst)).steps[0].action.parameters
    assert (found.value, found.origin, found.validated) == (3, Origin.FACT, True)
    block = (
        "  - {id: s, do: address.block, on: address-list:blocked, effect: reversible, "
        "with: {address: {fact: attribute.address}, ttl_seconds: 60}}"
    )
    seen = matter(
        owned("address-list:blocked", (BLOCK,), "nftables"),
        incident=incident(finding(address="203.0.113.7")),
    )
    address = planned(plan(runbook(block), seen, worst)).steps[0].action.parameters[0]
    assert (address.value, address.origin, address.validated) == ("203.0.113.7", Origin.TELEMETRY, True)
    hostile = replace(seen, incident=incident(finding(address="203.0.113.7; flush ruleset")))
    assert "does not have the form" in refused(plan(runbook(block), hostile, worst))


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        ("{causes: [attack]}", "the cause is deploy, and it is for attack"),
        ("{severities: [critical]}", "the incident's severity is error"),
        ("{detectors: [slo]}", "no finding is of slo"),
        ('{entities: ["host:*"]}', "service:shop is none of host:*"),
        ("{when: target.healthy}", "its condition does not hold"),
        ("{when: cause.certainty > 0.9}", "its condition does not hold"),
    ],
)
def test_a_runbook_for_something_else_says_why_it_does_not_fit(trigger: str, told: str) -> None:
    found = plan(runbook(RESTART_IT, trigger), matter(owned()), worst)
    assert isinstance(found, NotFitting)
    assert told in found.reason
    assert not found.matched


def test_only_findings_that_still_hold_trigger_anything() -> None:
    over = replace(finding(), detector="idle_capacity", state=FindingState.CLOSED)
    seen = matter(owned(), incident=incident(finding(), over))
    idle = "{detectors: [idle_capacity]}"
    asks = '{entities: ["service:*"], when: "\'idle_capacity\' in incident.detectors"}'
    for trigger in (idle, asks):
        assert isinstance(plan(runbook(RESTART_IT, trigger), seen, worst), NotFitting)
        still = replace(seen, incident=incident(finding(), replace(over, state=FindingState.OPEN)))
        planned(plan(runbook(RESTART_IT, trigger), still, worst))


def test_a_person_who_asks_says_what_it_is_for_and_not_on_whom() -> None:
    for trigger in ("{causes: [attack]}", "{severities: [critical]}", "{detectors: [slo]}"):
        asked = planned(plan(runbook(RESTART_IT, trigger), matter(owned(), requester="ann"), worst))
        assert asked.requester == "ann"
    for trigger in ('{entities: ["host:*"]}', "{when: target.healthy}"):
        found = plan(runbook(RESTART_IT, trigger), matter(owned(), requester="ann"), worst)
        assert isinstance(found, NotFitting)


def test_the_shipped_scale_out_is_not_for_idle_capacity() -> None:
    out = next(one for one in shipped() if one.name == "scale-out")
    surge = matter(owned(), diagnosis=diagnosis(kind=CauseClass.SURGE))
    assert planned(plan(out, surge, worst)).steps[0].action.parameter("replicas") == 3
    idle = replace(surge, incident=incident(finding(), replace(finding(), detector="idle_capacity")))
    assert isinstance(plan(out, idle, worst), NotFitting)


def test_without_a_found_cause_only_the_single_entity_of_the_incident_is_the_subject() -> None:
    unknown = matter(owned(), diagnosis=diagnosis(found=False))
    assert planned(plan(runbook(RESTART_IT), unknown, worst)).cause == ""
    two = replace(unknown, incident=incident(entities=("service:shop", "service:cart")))
    assert isinstance(plan(runbook(RESTART_IT), two, worst), NotFitting)


def test_a_group_is_all_of_its_members_in_order() -> None:
    step = RESTART_IT.replace("on: cause", "on: group")
    found = planned(plan(runbook(step), matter(owned(), owned("service:shop-2")), worst))
    assert [one.entity for one in found.steps[0].action.targets] == ["service:shop", "service:shop-2"]
    each = planned(plan(runbook(step.replace("effect:", "cost: {spend: 3, churn: 2}, effect:")),
                        matter(owned(), owned("service:shop-2")), worst))  # fmt: skip
    assert (each.cost.spend, each.cost.churn) == (6.0, 4), "each of them is started and stopped"
    assert "service:shop-2 is no target" in refused(plan(runbook(step), matter(owned()), worst))


def test_what_is_not_declared_is_destructive() -> None:
    step = RESTART_IT.replace(", effect: disruptive", "")
    assert planned(plan(runbook(step), matter(owned()), worst)).effect == EffectClass.DESTRUCTIVE


@pytest.mark.parametrize(("wanted", "spend", "churn"), [(7, 10.0, 5), (3, 2.0, 2), (1, 0.0, 2), (2, 0.0, 2)])
def test_scaling_costs_for_each_that_is_added_or_taken(wanted: int, spend: float, churn: int) -> None:
    given = f"cost: {{spend: 2, churn: 2}}, with: {{replicas: {wanted}}}"
    step = f"  - {{id: s, do: service.scale, on: cause, {given}}}"
    cost = planned(plan(runbook(step), matter(owned()), worst)).cost
    assert (cost.spend, cost.churn) == (spend, churn)


def test_scaling_is_not_planned_from_an_unknown_count() -> None:
    entity, one = owned()
    blind = replace(one, reading=replace(one.reading, live=replace(one.reading.live, count=None)))
    step = "  - {id: s, do: service.scale, on: cause, with: {replicas: 3}}"
    assert "not known" in refused(plan(runbook(step), matter((entity, blind)), worst))


def test_a_runbook_cannot_declare_less_than_its_action_is() -> None:
    step = RESTART_IT.replace("effect: disruptive", "effect: read")
    assert planned(plan(runbook(step), matter(owned()), worst)).effect == EffectClass.DISRUPTIVE


def test_the_shipped_restart_is_only_for_what_does_not_serve() -> None:
    restart = next(one for one in shipped() if one.name == "restart-failed-service")
    assert planned(plan(restart, matter(owned()), worst)).steps[0].action.kind == "service.restart"
    for state in (True, None):
        assert isinstance(plan(restart, matter(owned(healthy=state)), worst), NotFitting)

"""Guardrails 1 to 6: switches, lease, health, autonomy, effects, who names and who agrees."""

from dataclasses import replace
from typing import Any

import pytest
from tests.act.guardrails.table import (
    ALLOW,
    ASK,
    DENY,
    acting_on,
    limited,
    said,
    with_action,
    with_step,
    with_target,
)

from stormpetrel.act.scene import (
    DAY,
    NOW,
    RUNBOOK,
    SECOND,
    calm_action,
    calm_facts,
    calm_plan,
    calm_step,
    calm_target,
    member,
)
from stormpetrel.model.action import Autonomy, EffectClass, Origin, Parameter, Plan
from stormpetrel.model.facts import Lease, Switch, Track
from stormpetrel.model.verdict import Approval, Outcome


@pytest.mark.parametrize(
    ("scope", "outcome"),
    [
        ("global", DENY),
        (f"runbook:{RUNBOOK}", DENY),
        ("runbook:another", ALLOW),
        (f"service:{member(0)}", DENY),
        (f"service:{member(1)}", ALLOW),
        ("service:service:shop", DENY),
        ("service:shop", DENY),  # as it is called, by somebody in a hurry
        ("service:", ALLOW),
        ("srvice:typing", DENY),
        ("", DENY),
    ],
)
def test_1_kill_switch(scope: str, outcome: Outcome) -> None:
    found = said(
        1, switches=(Switch("runbook:third", "eve", NOW, "x"), Switch(scope, "ada", NOW, "an outage"))
    )
    assert found.outcome is outcome
    assert ("an outage" in found.reason and "ada" in found.reason) == (outcome is DENY)


def test_1_kill_switch_covers_every_target_and_what_undoes() -> None:
    plan = acting_on(0, 3)
    assert said(1, plan, switches=(Switch(f"service:{member(3)}", "ada", NOW, ""),)).outcome is DENY
    undone = with_step(acting_on(0), inverse=calm_action((calm_target(5),)))
    assert said(1, undone, switches=(Switch(f"service:{member(5)}", "ada", NOW, ""),)).outcome is DENY
    assert said(1, switches=None).outcome is DENY
    assert said(1, switches=()).outcome is ALLOW


@pytest.mark.parametrize(
    ("lease", "outcome"),
    [
        (Lease("node-a", 7, NOW + 1), ALLOW),
        (Lease("node-a", 7, NOW), DENY),
        (Lease("node-a", 8, NOW + 1), DENY),
        (Lease("node-a", 6, NOW + 1), DENY),
        (Lease("node-b", 7, NOW + 1), DENY),
        (Lease("", 7, NOW + 1), DENY),
        (None, DENY),
    ],
)
def test_2_leader(lease: Lease | None, outcome: Outcome) -> None:
    assert said(2, lease=lease).outcome is outcome


def test_2_nobody_is_no_leader() -> None:
    assert said(2, lease=Lease("", 7, NOW + 1), me="").outcome is DENY


@pytest.mark.parametrize(
    ("field", "value", "outcome"),
    [
        ("telemetry_age_seconds", 120.0, ALLOW),
        ("telemetry_age_seconds", 120.1, DENY),
        ("telemetry_age_seconds", -30.0, ALLOW),
        ("telemetry_age_seconds", -30.1, DENY),
        ("telemetry_age_seconds", float("nan"), DENY),
        ("clock_skew_seconds", 30.0, ALLOW),
        ("clock_skew_seconds", 30.1, DENY),
        ("clock_skew_seconds", -30.0, ALLOW),
        ("clock_skew_seconds", -30.1, DENY),
        ("clock_skew_seconds", float("nan"), DENY),
        ("clock_went_back", True, DENY),
        ("ledger_ok", False, DENY),
        ("store_ok", False, DENY),
        ("telemetry_age_seconds", None, DENY),
        ("clock_skew_seconds", None, DENY),
        ("clock_went_back", None, DENY),
        ("ledger_ok", None, DENY),
        ("store_ok", None, DENY),
    ],
)
def test_3_dead_man(field: str, value: Any, outcome: Outcome) -> None:
    health = calm_facts(calm_plan()).health
    assert health is not None
    found = said(3, health=replace(health, **{field: value}))
    assert found.outcome is outcome
    assert value is not None or "not known" in found.reason


def test_3_dead_man_knows_nothing() -> None:
    assert said(3, health=None).outcome is DENY


GOOD = Track(judged=20, useful=20, harmful_unix_nano=0, failed_in_a_row=0, replay_days=7.0)


@pytest.mark.parametrize(
    ("level", "track", "raised_by", "outcome"),
    [
        (Autonomy.OBSERVE, {}, "", DENY),
        (Autonomy.OBSERVE, {"replay_days": 0.0}, "root", DENY),
        (Autonomy.SUGGEST, {}, "", ASK),
        (Autonomy.APPROVE, {}, "", ASK),
        (Autonomy.APPROVE, {}, "root", ASK),
        (Autonomy.AUTO, {}, "", ALLOW),
        (Autonomy.AUTO, {"replay_days": 6.9}, "", ASK),
        (Autonomy.AUTO, {"replay_days": 6.9}, "root", ASK),
        (Autonomy.AUTO, {"replay_days": float("nan")}, "root", ASK),
        (Autonomy.AUTO, {"judged": 19, "useful": 19}, "", ASK),
        (Autonomy.AUTO, {"useful": 19}, "", ASK),
        (Autonomy.AUTO, {"useful": 0}, "root", ALLOW),
        (Autonomy.AUTO, {"failed_in_a_row": 1}, "", ALLOW),
        (Autonomy.AUTO, {"failed_in_a_row": 2}, "", ASK),
        (Autonomy.AUTO, {"failed_in_a_row": 2}, "root", ASK),
        (Autonomy.AUTO, {"harmful_unix_nano": NOW - 90 * DAY}, "", ASK),
        (Autonomy.AUTO, {"harmful_unix_nano": NOW - 90 * DAY - 1}, "", ALLOW),
        (Autonomy.AUTO, {"harmful_unix_nano": NOW + DAY}, "root", ASK),
    ],
)
def test_4_autonomy(level: Autonomy, track: dict[str, Any], raised_by: str, outcome: Outcome) -> None:
    runbook = calm_facts(calm_plan()).runbook
    assert runbook is not None
    changed = replace(runbook, autonomy=level, track=replace(GOOD, **track), raised_by=raised_by)
    found = said(4, runbook=changed)
    assert found.outcome is outcome
    assert found.approvers == (1 if outcome is ASK else 0)


def test_4_autonomy_says_which_of_its_reasons() -> None:
    runbook = calm_facts(calm_plan()).runbook
    assert runbook is not None
    assert "may only observe" in said(4, runbook=replace(runbook, autonomy=Autonomy.OBSERVE)).reason
    assert "at suggest" in said(4, runbook=replace(runbook, autonomy=Autonomy.SUGGEST)).reason
    short = replace(runbook, track=replace(runbook.track, replay_days=3.0))
    assert "covers 3 days" in said(4, runbook=short).reason
    raised = replace(runbook, raised_by="root", track=replace(GOOD, judged=3, useful=3))
    assert "raised to auto by root" in said(4, runbook=raised).reason
    assert "40 of 40" in said(4, runbook=replace(runbook, raised_by="root")).reason
    assert "3 of 3" in said(4, runbook=replace(raised, raised_by="")).reason


def test_4_only_the_signed_version() -> None:
    plan = calm_plan()
    runbook = calm_facts(plan).runbook
    assert runbook is not None
    assert said(4, runbook=None).outcome is DENY
    assert said(4, runbook=replace(runbook, signed_by="")).outcome is DENY
    assert said(4, runbook=replace(runbook, version="other")).outcome is DENY
    assert said(4, replace(plan, runbook_version=""), runbook=replace(runbook, version="")).outcome is DENY


@pytest.mark.parametrize(
    ("effect", "parameters", "outcome"),
    [
        (EffectClass.READ, {}, ALLOW),
        (EffectClass.REVERSIBLE, {}, ALLOW),
        (EffectClass.DISRUPTIVE, {}, ALLOW),
        (EffectClass.DESTRUCTIVE, {}, ASK),
        (EffectClass.READ, {"command": "rm -rf /var/lib"}, ASK),
        (EffectClass.REVERSIBLE, {"command": "df -h"}, ALLOW),
    ],
)
def test_5_effect_class(effect: EffectClass, parameters: dict[str, Any], outcome: Outcome) -> None:
    found = said(5, acting_on(0, effect=effect, **parameters))
    assert found.outcome is outcome
    assert found.approvers == (2 if outcome is ASK else 0)
    assert ("rm with" in found.reason) == bool(parameters and outcome is ASK)


def test_5_effect_class_counts_the_undoing_and_the_worst_step() -> None:
    calm = calm_step(calm_action((calm_target(),)))
    wild = calm_step(calm_action((calm_target(1),), EffectClass.DESTRUCTIVE), "wipe")
    assert "step wipe as declared" in said(5, calm_plan(calm, wild)).reason
    undo = calm_action((calm_target(),), EffectClass.DESTRUCTIVE)
    assert said(5, calm_plan(replace(calm, inverse=undo))).approvers == 2
    soft = replace(undo, effect=EffectClass.REVERSIBLE)
    assert said(5, calm_plan(replace(calm, inverse=soft))).outcome is ALLOW
    empty = said(5, replace(calm_plan(), steps=()))
    assert (empty.outcome, "no steps" in empty.reason) == (ASK, True)
    assert limited(5, calm_plan(wild), {"destructive_approvers": 3}).approvers == 3


def approval(who: str, agreed: bool = True) -> Approval:
    return Approval("hash", who, agreed, NOW - SECOND, NOW + SECOND, "page")


@pytest.mark.parametrize(
    ("requester", "approvals", "outcome"),
    [
        ("petrel", (), ALLOW),
        ("petrel", (approval("ada"),), ALLOW),
        ("ada", (approval("ada"),), DENY),
        ("ada", (approval("bob"), approval(" ADA "),), DENY),
        ("ada", (approval("ada", agreed=False),), ALLOW),
        ("ada", (approval("bob"),), ALLOW),
        ("", (), DENY),
        ("  ", (), DENY),
        ("petrel", None, DENY),
    ],
)  # fmt: skip
def test_6_who_asks_does_not_agree(requester: str, approvals: Any, outcome: Outcome) -> None:
    assert said(6, calm_plan(requester=requester), approvals=approvals).outcome is outcome


@pytest.mark.parametrize("origin", list(Origin))
def test_6_hostile_text_names_no_target(origin: Origin) -> None:
    hostile = origin in (Origin.TELEMETRY, Origin.MODEL)
    plan = with_target(calm_plan(), origin=origin)
    assert said(6, plan).outcome is (DENY if hostile else ALLOW)
    undone = with_step(calm_plan(), inverse=calm_action((calm_target(origin=origin),)))
    assert said(6, undone).outcome is (DENY if hostile else ALLOW)


@pytest.mark.parametrize(
    ("name", "origin", "validated", "outcome"),
    [
        ("address", Origin.TELEMETRY, True, ALLOW),
        ("address", Origin.TELEMETRY, False, DENY),
        ("address", Origin.RUNBOOK, False, DENY),
        ("command", Origin.RUNBOOK, True, ALLOW),
        ("command", Origin.TELEMETRY, True, DENY),
        ("command", Origin.MODEL, True, DENY),
        ("command", Origin.PERSON, True, ALLOW),
        ("url", Origin.MODEL, True, DENY),
    ],
)
def test_6_parameters(name: str, origin: Origin, validated: bool, outcome: Outcome) -> None:
    given = (Parameter(name, "x", origin, validated),)
    assert said(6, with_action(calm_plan(), parameters=given)).outcome is outcome
    undo = replace(calm_action((calm_target(),)), parameters=given)
    assert said(6, with_step(calm_plan(), inverse=undo)).outcome is outcome


@pytest.mark.parametrize(
    "name",
    ["command", "argv", "script", "module", "playbook", "program", "url", "method", "flag", "area"],
)
def test_6_hostile_text_says_nothing_of_what_is_done(name: str) -> None:
    given = (Parameter(name, "x", Origin.TELEMETRY, validated=True),)
    assert "says what is done" in said(6, with_action(calm_plan(), parameters=given)).reason


def test_6_only_what_the_actuator_offers() -> None:
    plan: Plan = calm_plan()
    assert said(6, plan, known_actions=None).outcome is DENY
    assert said(6, plan, known_actions=()).outcome is DENY
    assert said(6, plan, known_actions=(("supervisor", "service.stop"),)).outcome is DENY
    assert said(6, plan, known_actions=(("systemd", "service.restart"),)).outcome is DENY
    assert said(6, plan, known_actions=(("systemd", "x"), ("supervisor", "service.restart"))).outcome is ALLOW

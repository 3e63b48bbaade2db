"""Runbooks as YAML: what is read, and that every refusal names its line."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.act.library import shipped
from stormpetrel.act.runbook import read_runbook
from stormpetrel.act.yaml_nodes import MOST_BYTES
from stormpetrel.errors import ConfigError
from stormpetrel.model.action import Autonomy, EffectClass

GOOD = """\
name: restart-it
title: Restart it
why: It does not answer.
trigger:
  entities: ["service:*"]
  when: target.healthy == false
steps:
  - id: again
    do: service.restart
    on: cause
    effect: disruptive
    with: {grace_seconds: 10, replicas: {fact: target.count + 1}}
    cost: {spend: 2, churn: 2}
    timeout: 2min
    settle: 500ms
verify:
  - {series: service_up, better: up}
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as told:
        read_runbook(text, "it.yaml")
    return str(told.value)


def test_a_runbook_is_read_whole() -> None:
    found = read_runbook(GOOD, "it.yaml")
    (step,) = found.steps
    assert (found.name, found.autonomy) == ("restart-it", Autonomy.APPROVE)
    assert (step.kind, step.effect, step.targets) == ("service.restart", EffectClass.DISRUPTIVE, "cause")
    assert (step.timeout_seconds, step.settle_seconds, step.wave, step.line) == (120.0, 0.5, 1, 8)
    assert (step.cost.spend, step.cost.churn) == (2.0, 2)
    assert [(one.name, one.literal, one.fact) for one in step.parameters] == [
        ("grace_seconds", 10, ""),
        ("replicas", None, "target.count + 1"),
    ]
    assert found.text == GOOD


@pytest.mark.parametrize(
    ("was", "instead", "told"),
    [
        ("effect: disruptive", "effect: gentle", "it.yaml:11: steps[0].effect: 'gentle' is not one of read,"),
        ("do: service.restart", "do: rm -rf /", "it.yaml:9: steps[0].do: 'rm -rf /' is not an action"),
        ("on: cause", "on: everything", "it.yaml:10: steps[0].on: this must be cause, change, group"),
        ("on: cause", "to: cause", "it.yaml:10: steps[0].to: unknown field"),
        ("timeout: 2min", "timeout: 2", "it.yaml:14: steps[0].timeout: this must be a time with its unit"),
        ("timeout: 2min", "timeout: 3h", "it.yaml:14: steps[0].timeout: 10800 s is not between"),
        ("churn: 2", "churn: -2", "it.yaml:13: steps[0].cost.churn: -2 is not between"),
        ("churn: 2", "churn: yes", "it.yaml:13: steps[0].cost.churn: this must be a whole number"),
        ("spend: 2", "spend: .nan", "it.yaml:13: steps[0].cost.spend: '.nan' is no number"),
        (
            "target.count + 1",
            "target.cuont + 1",
            "it.yaml:12: steps[0].with.replicas.fact: there is no cuont",
        ),
        ("target.count + 1", "1 +", "it.yaml:12: steps[0].with.replicas.fact: this is no CEL expression"),
        ("target.healthy", "targets.healthy", "it.yaml:6: trigger.when: there is no 'targets' here"),
        ("name: restart-it", "name: Restart It", "it.yaml:1: name: 'Restart It' is not a name"),
        ("title: Restart it\n", "", "it.yaml:1: 'title' is missing"),
        ("better: up", "better: left", "it.yaml:17: verify[0].better: 'left' is not one of up, down"),
        ("why: It does", "name: It does", "it.yaml:3: name: this field stands here twice"),
        ("why: It does not answer.", "why: 2026-01-01", "it.yaml:3: why: '2026-01-01' is read as timestamp"),
        ("title: Restart it", "title: [", "this is no YAML"),
        ("why: It does not answer.", "why: *it", "it.yaml:3: aliases"),
        ("why: It does not answer.", "why: !!python/object:os.system x", "it.yaml:3: why: 'x' is read as"),
    ],
)
def test_a_refusal_names_the_line_and_the_field(was: str, instead: str, told: str) -> None:
    assert was in GOOD
    assert told in refusal(GOOD.replace(was, instead, 1))


def test_a_trigger_that_matches_everything_is_refused() -> None:
    text = GOOD.replace('  entities: ["service:*"]\n  when: target.healthy == false\n', "  {}\n")
    assert "a trigger that matches everything" in refusal(text)


def test_what_changes_a_system_needs_a_verification_and_what_reads_does_not() -> None:
    text = GOOD[: GOOD.index("verify:")]
    assert "'verify' is missing" in refusal(text)
    assert "'verify' is missing" in refusal(text.replace("    effect: disruptive\n", ""))
    assert read_runbook(text.replace("disruptive", "read"), "it.yaml").verification == ()


def test_an_effect_that_is_not_declared_stays_undeclared() -> None:
    assert read_runbook(GOOD.replace("    effect: disruptive\n", ""), "it.yaml").steps[0].effect is None


def test_the_version_is_of_what_is_said_and_not_of_the_layout() -> None:
    version = read_runbook(GOOD, "it.yaml").version
    assert read_runbook("# a comment\n\n" + GOOD, "other.yaml").version == version
    assert read_runbook(GOOD.replace("churn: 2", "churn: 3"), "it.yaml").version != version
    assert read_runbook(GOOD.replace("settle: 500ms", "settle: 501ms"), "it.yaml").version != version


def test_two_steps_of_one_id_are_refused() -> None:
    start, end = GOOD.index("  - id"), GOOD.index("verify:")
    text = GOOD[:end] + GOOD[start:end] + GOOD[end:]
    assert "the id 'again' stands here twice" in refusal(text)


@pytest.mark.parametrize(
    "text", ["", "[", "- 1", "a: " + "x" * MOST_BYTES, "[" * 5000, "{" * 5000, "a: [" + "1," * 6000 + "]"]
)
def test_what_is_no_runbook_is_refused_with_a_reason(text: str) -> None:
    assert refusal(text).startswith("it.yaml")


@given(st.text(max_size=300))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_runbook(text, "it.yaml")


@given(st.integers(0, len(GOOD) - 1), st.text(max_size=3))
def test_a_runbook_with_a_slip_is_read_or_refused_and_never_fails_otherwise(place: int, slip: str) -> None:
    text = GOOD[:place] + slip + GOOD[place + 1 :]
    with contextlib.suppress(ConfigError):
        assert len(read_runbook(text, "it.yaml").version) == 16


def test_the_shipped_runbooks_are_read_and_named_after_their_files() -> None:
    found = shipped()
    assert len(found) >= 12
    assert len({one.name for one in found}) == len(found)
    assert all(yaml.safe_load(one.text)["name"] == one.name for one in found)


def test_no_shipped_runbook_is_destructive_or_undeclared() -> None:
    effects = {step.effect for one in shipped() for step in one.steps}
    assert None not in effects
    assert EffectClass.DESTRUCTIVE not in effects


def test_what_a_shipped_runbook_cannot_undo_says_why_in_its_file() -> None:
    for runbook in shipped():
        for line in runbook.text.splitlines():
            if "undo: false" in line and runbook.name != "rotate-logs":
                assert "#" in line, (runbook.name, line)


def test_what_is_looked_at_may_only_have_to_hold_or_be_a_finding() -> None:
    looked = "  - {series: latency, better: down, hold: true}\n  - {finding: certificate_expiry}\n"
    found = read_runbook(GOOD + looked, "it.yaml").verification
    assert [(one.series, one.hold, one.finding) for one in found] == [
        ("service_up", False, ""),
        ("latency", True, ""),
        ("", False, "certificate_expiry"),
    ]
    assert "hold" in refusal(GOOD + "  - {finding: x, hold: true}\n")
    assert "true or false" in refusal(GOOD + "  - {series: x, better: down, hold: maybe}\n")

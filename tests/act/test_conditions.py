"""Conditions: what they may look at, and what becomes of those that cannot be worked out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.act.conditions import MOST_LETTERS, SAMPLE, Expression
from stormpetrel.errors import ConfigError


def test_a_condition_is_worked_out_from_the_facts() -> None:
    condition = Expression('cause.class in ["deploy"] && target.count < target.most && incident.findings > 1')
    assert condition.holds(SAMPLE)
    assert not condition.holds({**SAMPLE, "incident": {"findings": 1}})


def test_what_cannot_be_worked_out_does_not_hold() -> None:
    condition = Expression("target.healthy == false")
    assert condition.holds({**SAMPLE, "target": {"healthy": False}})
    assert not condition.holds({**SAMPLE, "target": {}})  # not known is not false
    assert not condition.holds({})
    assert Expression("1 / (target.count - 2) > 0").holds(SAMPLE) is False


def test_truthy_is_not_true() -> None:
    assert not Expression("target.count").holds(SAMPLE)
    assert Expression("target.count").value(SAMPLE) == 2


def test_only_scalars_are_values() -> None:
    assert Expression("[1, 2]").value({}) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no CEL"),
        ("zork > 1", "there is no 'zork' here; there are attribute, cause, incident, target"),
        ("target.zork > 1", "there is no zork"),
        ('"a" + 1', "does not work out"),
        ("import os", "no CEL"),
        ("x" * (MOST_LETTERS + 1), "at most"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_read(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("'", ".")):
        Expression(text)


@given(st.text(max_size=60))
def test_no_text_escapes(text: str) -> None:
    with contextlib.suppress(ConfigError):
        Expression(text).value(SAMPLE)

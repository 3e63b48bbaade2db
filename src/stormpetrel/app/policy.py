"""The policy of an installation: its numbers, its budget, its runbooks, and all guardrails installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points

from stormpetrel.act.guardrails import GUARDRAILS
from stormpetrel.act.judge import judge
from stormpetrel.act.policy import Policy, row_of
from stormpetrel.app.config import Config
from stormpetrel.app.config_automation import limits_of
from stormpetrel.app.registry import load_all
from stormpetrel.app.runbooks import load_runbooks
from stormpetrel.errors import ConfigError
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.verdict import Judgement
from stormpetrel.ports.algorithms import Guardrail
from stormpetrel.ports.automation import BudgetLimits

POINTS = "stormpetrel.guardrails"


def installed_guardrails() -> tuple[Guardrail, ...]:
    """The twenty in their order, then those of other packages by name: they can only make it stricter.

    Raises:
        ConfigError: one cannot be imported or made, two have one name, or one of the twenty is missing.
    """
    names = [point.name for point in entry_points(group=POINTS)]
    for name in sorted(names):
        if names.count(name) > 1:
            raise ConfigError(
                f"two guardrails are called {name}; rename or uninstall that of the other package"
            )
    found = load_all(POINTS)
    built_in = {type(one) for one in GUARDRAILS}
    missing = built_in - set(found.values())
    if missing:
        gone = ", ".join(sorted(one.__name__ for one in missing))
        raise ConfigError(
            f"of the guardrails {gone} is not installed, or was replaced; reinstall stormpetrel"
        )
    others = []
    for name, kind in found.items():
        if kind in built_in:
            continue
        try:
            others.append(kind())
        except Exception as error:  # whatever it raises, it is not there
            raise ConfigError(
                f"the guardrail {name!r} cannot be made: {error}; repair or uninstall it"
            ) from error
    return (*GUARDRAILS, *others)


def installed_judge() -> Callable[[Plan, Facts], Judgement]:
    """What all guardrails that are installed say of a plan. ConfigError as `installed_guardrails`."""
    return partial(judge, guardrails=installed_guardrails())


def policy_of(config: Config) -> tuple[Policy, list[str]]:
    """The policy in force, and what is wrong with runbooks that cannot be read."""
    runbooks, faults = load_runbooks(config)
    budget = config.automation.budget
    limits = BudgetLimits(
        budget.spend_per_hour, budget.spend_per_day, budget.churn_per_hour, budget.churn_per_day
    )
    rows = tuple(row_of(one) for one in runbooks)
    return Policy(limits_of(config.automation), limits, rows, installed_guardrails()), faults

"""Automation in the configuration: whether it acts, on what, under which budget and which numbers."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field, field_validator

from stormpetrel.app.config_section import Section
from stormpetrel.model.facts import Limits
from stormpetrel.ports.automation import BudgetLimits

_STRICTER_BELOW = frozenset(
    {
        "telemetry_stale_seconds", "clock_skew_seconds", "group_ratio", "group_deny_ratio", "targets_at_once",
        "fleet_brake_ratio", "scale_factor", "scale_step", "runs_per_runbook_hour", "runs_per_hour",
        "reversals_per_hour", "no_effect_tries", "breaker_failures", "tries_per_incident", "approval_seconds",
    }
)  # fmt: skip


class BudgetConfig(Section):
    """What automation may spend and churn, by the clock's hour and day in UTC; never reset by success."""

    spend_per_hour: float = Field(10.0, ge=0, description="in your own unit of cost")
    spend_per_day: float = Field(50.0, ge=0, description="in your own unit of cost")
    churn_per_hour: int = Field(40, ge=0, description="starts plus stops of processes, machines, replicas")
    churn_per_day: int = Field(200, ge=0, description="starts plus stops of processes, machines, replicas")


class AutomationConfig(Section):
    """Guarded automation. Without any actuator nothing can be acted on, and nothing is proposed."""

    enabled: bool = Field(True, description="propose plans for incidents, where actuators are configured")
    library: list[str] = Field(
        default_factory=list, max_length=100, description="runbooks taken from those that come along, by name"
    )
    runbooks: str = Field(
        "", description="folder of your own runbooks (*.yaml); empty: runbooks/ in data_dir"
    )
    lease_seconds: float = Field(15.0, ge=3, le=300, description="how long the right to act is held at once")
    verify_seconds: float = Field(
        120.0, ge=10, le=3600, description="how much is looked at before and after an act, to say what it did"
    )
    read_seconds: float = Field(2.0, ge=0.5, le=60, description="how often targets of actuators are read")
    budget: BudgetConfig = BudgetConfig()
    limits: dict[str, float] = Field(
        default_factory=dict, description="numbers of guardrails, stricter than the defaults"
    )

    @field_validator("limits")
    @classmethod
    def _are_stricter(cls, limits: dict[str, float]) -> dict[str, float]:
        known = {name: float(value) for name, value in asdict(Limits()).items()}
        for name, value in limits.items():
            if name not in known:
                raise ValueError(f"no such number: {name}; known are {', '.join(sorted(known))}")
            below = name in _STRICTER_BELOW
            if value < 0 or (value > known[name] if below else value < known[name]):
                side = "at most" if below else "at least"
                raise ValueError(f"{name} = {value:g}: it can only be made stricter, {side} {known[name]:g}")
        return limits


def limits_of(config: AutomationConfig) -> Limits:
    """The numbers in force; a number of things stays whole."""
    usual = asdict(Limits())
    return Limits(**{name: type(value)(config.limits.get(name, value)) for name, value in usual.items()})


def budget_of(config: AutomationConfig) -> BudgetLimits:
    """What may be spent and churned."""
    budget = config.budget
    return BudgetLimits(
        budget.spend_per_hour, budget.spend_per_day, budget.churn_per_hour, budget.churn_per_day
    )

"""The alarm budget, and objectives that page outside it, in the configuration."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from stormpetrel.app.config_section import Section
from stormpetrel.detect.slo_select import Selector


class PagesConfig(Section):
    """The alarm budget: how often somebody may be woken."""

    per_week: int = Field(
        5,
        ge=0,
        le=10_000,
        description="pages that any seven days may hold, at most; 0: page for objectives only",
    )
    error_share: float = Field(
        0.2, ge=0, le=1, description="part of the pages that is kept for errors and worse"
    )
    critical_share: float = Field(
        0.2, ge=0, le=1, description="part of the pages that is kept for what is critical"
    )
    repeat_seconds: float = Field(
        14_400.0, ge=0, description="what repeats a paged incident within this is not paged again"
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.error_share + self.critical_share > 1:
            raise ValueError("error_share and critical_share add up to more than 1: lower one of them")
        return self


class SloConfig(Section):
    """An objective: which share of what is to be good, and what burns it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,60}$", description="its name, unique")
    objective: float = Field(99.9, gt=0, lt=100, description="percent that has to be good")
    window_days: float = Field(30.0, ge=1, le=90, description="length of the window the objective is for")
    total: str = Field("", description='series that count everything: metric{label="value"}')
    good: str = Field("", description="series that count what was good; or give `errors`")
    errors: str = Field("", description="series that count what failed; or give `good`")
    latency: str = Field("", description="series of a latency, instead of counts: each sample is a trial")
    threshold_seconds: float = Field(0.0, ge=0, description="a latency at or below it is good")
    page_burn: float = Field(
        6.0, gt=0, description="alerts on burn rates from here on page; slower ones only open an incident"
    )
    least_failures: int = Field(5, ge=1, description="failures in the long window before any alert")

    @model_validator(mode="after")
    def _says_what_is_good(self) -> Self:
        for text in (self.total, self.good, self.errors, self.latency):
            if text:
                Selector.parse(text)
        if self.latency:
            if self.total or self.good or self.errors:
                raise ValueError("give latency with threshold_seconds, or counts, not both")
            if not self.threshold_seconds:
                raise ValueError("latency needs threshold_seconds: a latency at or below it is good")
            return self
        given = [bool(self.total), bool(self.good), bool(self.errors)]
        if sum(given) != 2:
            raise ValueError("give two of total, good and errors (or latency with threshold_seconds)")
        return self


def named_once(objectives: list[SloConfig]) -> list[SloConfig]:
    """The objectives as they are; ValueError when two have one name."""
    names = [one.name for one in objectives]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two objectives have the name {twice[0]}; rename one")
    return objectives

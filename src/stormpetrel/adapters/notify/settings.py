"""What every section `[notify.NAME]` may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field, field_validator

from stormpetrel.adapters.secret import SecretSettings, Settings

Kind = Literal["page", "plan", "outcome", "switch"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_PEOPLE = 50


@dataclass(frozen=True, slots=True)
class NotifierPlace:
    """What a notifier is given besides its section.

    Attributes:
        name: of the section.
        environment: where secrets with `env` are looked for.
    """

    name: str
    environment: Mapping[str, str]


class NotifySettings(Settings):
    """A route: what goes there, to whom, and how fast."""

    type: str = Field(description="which notifier: a name of the entry points `stormpetrel.notifiers`")
    kinds: list[Kind] = Field(
        default_factory=lambda: list(KINDS), min_length=1, max_length=4, description="what goes there"
    )
    least_severity: Literal["info", "warning", "error", "critical"] = Field(
        "warning", description="of the incident; a global kill switch is critical, another a warning"
    )
    services: list[str] = Field(
        default_factory=list, max_length=500,
        description="entities whose incidents and plans go there, `*` stands for any text; empty: all",
    )  # fmt: skip
    people: list[str] = Field(
        default_factory=list, max_length=MAX_PEOPLE,
        description="accounts that a plan's message has a link for, each its own",
    )  # fmt: skip
    per_minute: int = Field(
        10, ge=1, le=600, description="messages a minute; what is more comes as one digest"
    )
    timeout_seconds: float = Field(10.0, ge=1, le=120, description="longest that one delivery may take")

    @field_validator("people")
    @classmethod
    def _are_names(cls, people: list[str]) -> list[str]:
        wrong = [one for one in people if not (1 <= len(one.strip()) <= 64) or not one.isprintable()]
        if wrong:
            raise ValueError("people are names of accounts, of 1 to 64 printable characters")
        return [one.strip() for one in people]


__all__ = ["KINDS", "Kind", "NotifierPlace", "NotifySettings", "SecretSettings"]

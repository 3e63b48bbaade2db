"""What every section `[actuators.NAME]` may say; secrets are named, never written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import re2
from pydantic import Field, field_validator, model_validator

from stormpetrel.adapters.secret import SecretSettings, Settings, read_secret
from stormpetrel.ports.actuate import ParameterSchema

ENTITY = r"^[a-z][a-z0-9_.-]{0,39}:[^\s\x00-\x1f\x7f]{1,200}$"  # kind:name, as the topology has it
MAX_TARGETS = 2000

__all__ = [
    "ENTITY", "MAX_TARGETS", "ActuatorSettings", "GroupSettings", "ParameterSettings", "Place",
    "SecretSettings", "Settings", "read_secret",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """What an actuator is given besides its section.

    Attributes:
        name: of the section; what targets name as their actuator.
        folder: where it keeps its journal of keys; nobody else writes there.
        environment: where `secret_env` looks.
        redact: takes secrets out of a text; for the outputs of commands.
    """

    name: str
    folder: Path
    environment: Mapping[str, str]
    redact: Callable[[str], str] = str


class GroupSettings(Settings):
    """Members that serve together."""

    members: list[str] = Field(min_length=1, max_length=MAX_TARGETS, description="their entities")
    minimum: int = Field(1, ge=0, description="how many must stay healthy")
    quorum: int = Field(0, ge=0, description="how many must be up for the group to decide; 0: no quorum")
    zones: dict[str, list[str]] = Field(default_factory=dict, description="members by zone")


class ActuatorSettings(Settings):
    """What every actuator's section may say."""

    type: str = Field(description="which actuator: a name of the entry points `stormpetrel.actuators`")
    timeout_seconds: float = Field(5.0, gt=0, le=600, description="longest wait when a target is only read")
    stateful: dict[str, bool] = Field(
        default_factory=dict, description="whether an entity holds data; unsaid counts as yes"
    )
    groups: dict[str, GroupSettings] = Field(default_factory=dict, max_length=500, description="by name")

    @field_validator("groups")
    @classmethod
    def _are_apart(cls, groups: dict[str, GroupSettings]) -> dict[str, GroupSettings]:
        members = [member for group in groups.values() for member in group.members]
        twice = sorted({one for one in members if members.count(one) > 1})
        if twice:
            raise ValueError(f"in more than one group: {', '.join(twice[:5])}")
        return groups


class ParameterSettings(Settings):
    """A parameter of an action of yours."""

    kind: Literal["text", "int", "float", "bool"] = Field(description="its type")
    required: bool = Field(True, description="whether it must be given")
    pattern: str = Field("", max_length=500, description="of the whole text, RE2 syntax; for texts")
    least: float = Field(0.0, description="of numbers")
    most: float = Field(0.0, description="of numbers")
    allowed: list[str | int | float] = Field(default_factory=list, max_length=200, description="empty: all")

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.kind == "text":
            if not self.pattern:
                raise ValueError("a text needs a pattern")
            try:
                re2.compile(self.pattern)
            except re2.error as error:
                raise ValueError(f"the pattern is no RE2 expression: {error}") from None
        elif self.kind != "bool" and self.least >= self.most:
            raise ValueError("a number needs least and most")
        return self

    def schema_of(self, name: str) -> ParameterSchema:
        """As the port has it."""
        allowed = tuple(self.allowed)
        return ParameterSchema(name, self.kind, self.required, self.pattern, self.least, self.most, allowed)

"""Named commands of an allow-list with typed parameters: what `ssh` and `ansible` run.

A command is a list of words. A word `{name}` is replaced as a whole by the value of that parameter, and
`{key}` by a digest of the idempotency key, for programs that keep keys themselves; nothing is ever
replaced inside a word. A value that looks like an option, or holds what is not printable, is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stormpetrel.adapters.actuate.settings import ParameterSettings, Settings
from stormpetrel.model.action import Action, EffectClass
from stormpetrel.ports.actuate import ParameterSchema

NAME = r"[a-z][a-z0-9_-]{0,39}"


class AllowedSettings(Settings):
    """Something that may be run by its name, with typed parameters."""

    effect: Literal["read", "reversible", "disruptive", "destructive"] = Field(
        "destructive", description="what it can do to the system at worst"
    )
    parameters: dict[str, ParameterSettings] = Field(
        default_factory=dict, max_length=30, description="by name"
    )


class CommandSettings(AllowedSettings):
    """A command that may be run."""

    words: list[str] = Field(
        min_length=1, max_length=100, description="program and arguments; {name}: a value"
    )
    status: list[str] = Field(
        default_factory=list, max_length=100,
        description="program that exits with 0 when {key} was done, with 1 when not; empty: in doubt",
    )  # fmt: skip

    @field_validator("words", "status")
    @classmethod
    def _are_words(cls, words: list[str]) -> list[str]:
        if any(not one.isprintable() or not one for one in words):
            raise ValueError("words are printable and not empty")
        if words and words[0].startswith(("{", "-")):
            raise ValueError("the program itself is no parameter")
        return words

    @model_validator(mode="after")
    def _names_its_parameters(self) -> Self:
        named = {
            one[1:-1] for one in (*self.words, *self.status) if one.startswith("{") and one.endswith("}")
        }
        unknown = named - set(self.parameters) - {"key"}
        if unknown:
            raise ValueError(f"{{{sorted(unknown)[0]}}} is none of the parameters; they are declared by name")
        if "key" in self.parameters:
            raise ValueError("a parameter cannot be called key")
        return self

    def filled(self, words: list[str], action: Action, key: str) -> list[str]:
        """The words with their values; words of parameters that were not given are left out."""
        found = []
        for word in words:
            name = word[1:-1] if word.startswith("{") and word.endswith("}") else ""
            if name == "key":
                found.append(hashlib.sha256(key.encode()).hexdigest())
            elif not name:
                found.append(word)
            elif (value := action.parameter(name)) is not None:
                found.append(str(value).lower() if isinstance(value, bool) else str(value))
        return found


def parameters_of(
    commands: Mapping[str, AllowedSettings], named: str = "command"
) -> tuple[ParameterSchema, ...]:
    """The name of a command, and all parameters of all of them; which go with which, `misfit` says.

    Raises:
        ValueError: one name has two types.
    """
    names = tuple(sorted(commands))
    found = {named: ParameterSchema(named, "text", True, pattern=NAME, allowed=names)}
    for name, command in sorted(commands.items()):
        for one, settings in sorted(command.parameters.items()):
            if one == named:
                raise ValueError(f"{name}: a parameter cannot be called {named}")
            schema = settings.model_copy(update={"required": False}).schema_of(one)
            if found.setdefault(one, schema) != schema:
                raise ValueError(f"{name}: the parameter {one} has another type in another command")
    return tuple(found[one] for one in sorted(found))


def least_effect(commands: Mapping[str, AllowedSettings]) -> EffectClass:
    """The mildest of all."""
    return min(EffectClass[one.effect.upper()] for one in commands.values())


def misfit(action: Action, commands: Mapping[str, AllowedSettings], named: str = "command") -> str:
    """What is wrong with an action for the command that it names; "": nothing."""
    command = commands.get(str(action.parameter(named)))
    if command is None:
        return f"the {named} is none of the section's"
    if action.effect < EffectClass[command.effect.upper()]:
        return f"this {named} is {command.effect}, and was declared {action.effect.word}"
    given = {one.name: one.value for one in action.parameters if one.name != named}
    if set(given) - set(command.parameters):
        return f"a parameter belongs to another {named}"
    missing = [name for name, one in command.parameters.items() if one.required and name not in given]
    if missing:
        return f"this {named} needs the parameter {missing[0]}"
    for name, value in given.items():
        if isinstance(value, str) and (value.startswith("-") or not value.isprintable() or not value):
            return f"the parameter {name} looks like an option, or holds what is not printable"
    return ""

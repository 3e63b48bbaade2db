"""Conditions of runbooks: expressions of the Common Expression Language over a fixed set of facts.

Source: the CEL specification (https://cel.dev). It has no loops without a bound, no side effects and no way
out of its environment, which is why it is used and `eval` never is. What differs from the specification:
only the variables in `SAMPLE` exist, and an expression has at most `MOST_LETTERS` letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cel

from stormpetrel.errors import ConfigError
from stormpetrel.model.action import Scalar

MOST_LETTERS = 500

# Every variable that a condition may use, with a value of its type: conditions are tried on it when a runbook
# is read, so that a name that does not exist is found then and not at night.
SAMPLE: dict[str, dict[str, Any]] = {
    "incident": {
        "severity": "error",
        "age_seconds": 60.0,
        "findings": 2,
        "entities": ["service:shop"],
        "detectors": ["robust"],
        "priority": 2,
    },
    "cause": {
        "class": "deploy",
        "entity": "service:shop",
        "certainty": 0.8,
        "change": "rollout-7",
    },
    "target": {
        "entity": "service:shop",
        "kind": "service",
        "name": "shop",
        "healthy": True,
        "count": 2,
        "least": 1,
        "most": 8,
        "group": "shop",
    },
    "attribute": {},  # of the incident's findings: texts; ask with `has(attribute.x)`
}


class Expression:
    """One compiled expression.

    Works for anything that CEL can say of `SAMPLE`'s variables. Cost: some microseconds an evaluation.

    Args:
        text: the expression.

    Raises:
        ConfigError: it is too long, is no CEL, or uses what does not exist.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MOST_LETTERS:
            raise ConfigError(f"the expression has {len(text)} letters, and at most {MOST_LETTERS} are read")
        try:
            self._program = cel.compile(text)
        except ValueError as error:
            raise ConfigError(f"this is no CEL expression: {_first_line(error)}") from None
        self.text = text
        unknown = sorted(set(self._program.variables()) - SAMPLE.keys())
        if unknown:
            raise ConfigError(f"there is no {unknown[0]!r} here; there are {', '.join(sorted(SAMPLE))}")
        self._try()

    def _try(self) -> None:
        """Evaluate it once on values of the right types."""
        try:
            self._program.execute(SAMPLE)
        except KeyError as error:
            if "attribute." not in self.text:  # what findings carry differs; `has` asks for it
                raise ConfigError(f"there is no {error.args[0]} in {self.text!r}") from None
        except (TypeError, RuntimeError) as error:
            raise ConfigError(f"{self.text!r} does not work out: {_first_line(error)}") from None
        except (ValueError, ArithmeticError):
            return  # depends on the numbers, which are only made up here

    def value(self, facts: Mapping[str, Mapping[str, Any]]) -> Scalar | None:
        """What it comes to; None when it cannot be worked out from these facts, or is no scalar."""
        try:
            found = self._program.execute(dict(facts))
        except (KeyError, TypeError, ValueError, RuntimeError, ArithmeticError):
            return None
        return found if isinstance(found, str | int | float | bool) else None

    def holds(self, facts: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is true; what cannot be worked out is not."""
        return self.value(facts) is True


def _first_line(error: Exception) -> str:
    text = str(error)
    _, _, told = text.partition("ERROR: <input>:1:")
    return (f"column {told}" if told else text).splitlines()[0][:200]

"""The runbooks that come with the package, as YAML: none is proposed before somebody takes it."""

from __future__ import annotations

from importlib.resources import files

from stormpetrel.act.runbook import read_runbook
from stormpetrel.model.runbook import Runbook


def shipped() -> tuple[Runbook, ...]:
    """All of them, by name."""
    places = sorted(
        (one for one in files(__name__).iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name
    )
    return tuple(read_runbook(one.read_text(encoding="utf-8"), one.name) for one in places)

"""The plan of a generated fleet, as a file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from stormpetrel.app.config_section import Section
from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.fleet import FleetPlan

FLEET_FILE = "fleet.toml"


class FleetFile(Section):
    """What `fleet.toml` may say."""

    series: int = Field(1000, ge=10, le=100_000)
    days: float = Field(3.0, gt=0, le=60)
    incidents: int = Field(10, ge=0, le=1000)
    seed: int = 7
    quiet_days: float = Field(1.0, ge=0)
    per_week: list[int] = Field([40, 5], min_length=1, max_length=5)


def read_plan(path: Path) -> tuple[FleetPlan, list[int]]:
    """The plan of a `fleet.toml`, and the budgets to compare; ConfigError when it cannot be read."""
    try:
        said = FleetFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: no plan of a fleet: {error}") from error
    return FleetPlan(said.series, said.days, said.incidents, said.seed, said.quiet_days), said.per_week


def default_plan(folder: Path) -> None:
    """Write a `fleet.toml` with a plan that takes a few seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    said = FleetFile()
    text = "".join(f"{name} = {value}\n" for name, value in said.model_dump().items())
    (folder / FLEET_FILE).write_text(text, encoding="utf-8")

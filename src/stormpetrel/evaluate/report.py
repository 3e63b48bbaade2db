"""What an evaluation hands back, and how evaluations are found."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from stormpetrel.errors import ConfigError

GROUP = "stormpetrel.evaluations"

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Scores of one area.

    Attributes:
        area: what was evaluated, for example "metrics".
        columns: names of the table's columns; the first names the row.
        rows: one a data set, and a mean.
        figures: the few numbers that sum it up, by name.
        notes: what a reader must know to read them, one sentence each.
    """

    area: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    figures: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def as_json(self) -> str:
        """The report as one JSON document, keys in a fixed order; NaN becomes null."""
        rows = [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]
        figures = {name: _plain(value) for name, value in self.figures.items()}
        tree = {"area": self.area, "figures": figures, "table": rows, "notes": list(self.notes)}
        return json.dumps(tree, indent=1) + "\n"

    def as_text(self) -> str:
        """The report as an aligned table with its notes below."""
        cells = [self.columns, *(tuple(_shown(cell) for cell in row) for row in self.rows)]
        width = [max(len(row[k]) for row in cells) for k in range(len(self.columns))]
        lines = [
            "  ".join(
                [row[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(row[1:], width[1:], strict=True))]
            ).rstrip()
            for row in cells
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)]) + "\n"


def _plain(cell: Cell) -> Cell | None:
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return "-" if math.isnan(cell) else f"{cell:.4g}"
    return str(cell)


class Evaluation(Protocol):
    """One area of `petrel evaluate`; found by entry point (group `stormpetrel.evaluations`).

    Contract: predictions under `out` are written from the measurements alone, before any label is read;
    twice the same bytes; one configuration for everything in `data`.
    """

    area: str

    def run(self, data: Path, out: Path) -> EvaluationReport:
        """Write predictions under `out`, then score them; ConfigError names what is missing in `data`."""
        ...


def areas() -> list[str]:
    """The areas that can be evaluated here."""
    return sorted(point.name for point in entry_points(group=GROUP))


def run(
    area: str, data: Path, out: Path, text: str | None = None, **options: float | bool
) -> EvaluationReport:
    """Evaluate one area, as `petrel evaluate AREA --data DIR --out OUT` does.

    Args:
        area: the name of an entry point.
        data, out: folders, see `Evaluation`.
        text: one of the `texts` of an area that has any; None is the area's own choice.
        options: what else the area's constructor takes.

    Raises:
        ConfigError: the area is unknown, knows no such text or option, or `data` is not a directory or holds
            nothing to evaluate.
    """
    points = entry_points(group=GROUP, name=area)
    if not points:
        raise ConfigError(f"no evaluation for {area!r}; known areas: {', '.join(areas())}")
    if not data.is_dir():
        raise ConfigError(f"{data}: no such directory; give --data a directory of labelled data")
    make = next(iter(points)).load()
    if text is not None and text not in getattr(make, "texts", ()):
        known = ", ".join(getattr(make, "texts", ())) or "none"
        raise ConfigError(f"evaluation {area!r} has no --text {text!r}; known: {known}")
    taken = inspect.signature(make).parameters
    for name in options:
        if name not in taken:
            raise ConfigError(f"evaluation {area!r} has no option {name.replace('_', '-')}")
    evaluation: Evaluation = make(**options) if text is None else make(text, **options)
    return evaluation.run(data, out)

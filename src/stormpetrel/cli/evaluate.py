"""`petrel evaluate`: measure the algorithms on labelled data."""

from __future__ import annotations

import dataclasses
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.text import Text

from stormpetrel.cli.console import out
from stormpetrel.cli.options import Json
from stormpetrel.errors import ConfigError

GROUP = "stormpetrel.evaluations"


def evaluate(
    area: Annotated[str, typer.Argument(help="what to evaluate; an unknown name lists the known ones")],
    data: Annotated[Path, typer.Option(help="directory with the labelled data", exists=False)],
    results: Annotated[Path, typer.Option("--out", help="directory for the report; made when missing")],
    as_json: Json = False,
) -> None:
    """Measure the algorithms of one area on labelled data and write a report.

    The same evaluation that backs the figures in the documentation, to be run on your own data too.

    Examples:

      petrel evaluate metrics --data ~/labelled --out report

      petrel evaluate metrics --data ~/labelled --out report --json | jq .

    Exit codes: 0 report written, 1 failed, 2 unknown area or unusable data.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    if area not in known:
        names = ", ".join(sorted(known)) or "none installed"
        raise ConfigError(f"there is no evaluation {area!r}; known: {names}")
    if not data.is_dir():
        raise ConfigError(f"{data}: no such directory; give --data a directory with labelled data")
    results.mkdir(parents=True, exist_ok=True)
    report = _load(known[area])().run(data, results)
    if as_json:
        typer.echo(orjson.dumps(_plain(report), option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode())
        return
    out().print(Text(str(report)))
    out().print(Text(f"Report written to {results}"))


def _load(point: EntryPoint) -> type:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the evaluation {point.name!r} ({point.value}) cannot be loaded: {error}"
        ) from error
    if not isinstance(found, type):
        raise ConfigError(f"the evaluation {point.name!r} ({point.value}) is not a class")
    return found


def _plain(report: object) -> object:
    if dataclasses.is_dataclass(report) and not isinstance(report, type):
        return dataclasses.asdict(report)
    return report

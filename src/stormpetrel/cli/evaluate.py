"""`petrel evaluate`: measure the algorithms on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stormpetrel.cli.options import Json
from stormpetrel.errors import ConfigError
from stormpetrel.evaluate.noise_plan import default_plan
from stormpetrel.evaluate.report import run


def evaluate(  # noqa: PLR0913, PLR0917 - one argument an option
    area: Annotated[str, typer.Argument(help="what to evaluate; an unknown name lists the known ones")],
    results: Annotated[Path, typer.Option("--out", help="directory for the predictions; made when missing")],
    data: Annotated[Path | None, typer.Option(help="directory with the labelled data")] = None,
    generated: Annotated[bool, typer.Option(help="noise only: a small generated fleet, no data")] = False,
    text: Annotated[
        str | None, typer.Option(help="logs: `raw` (whole lines) or `content` (messages without header)")
    ] = None,
    anchor_shift: Annotated[
        float | None, typer.Option(help="rca: every reported time is wrong by so many seconds")
    ] = None,
    controls: Annotated[
        bool, typer.Option(help="rca: healthy windows of the same recordings; no cause is right there")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure the algorithms of one area on labelled data, with the settings that everybody gets.

    Writes predictions first and only then reads the labels. The same evaluation backs the figures in
    the documentation; run it on your own data too.

    Examples:

      petrel evaluate metrics --data ~/labelled --out predictions

      petrel evaluate metrics --data ~/labelled --out predictions --json | jq .figures

      petrel evaluate noise --generated --out predictions

      petrel evaluate logs --data ~/logs --out predictions --text content

      petrel evaluate rca --data ~/incidents --out predictions --anchor-shift 120

    Exit codes: 0 done, 1 failed, 2 unknown area or unusable data.
    """
    if generated and area == "noise" and data is None:
        default_plan(results)
        data = results
    if data is None:
        raise ConfigError("give --data a directory of labelled data (or --generated, for noise)")
    options: dict[str, float | bool] = {}
    if anchor_shift is not None:
        options["anchor_shift_seconds"] = anchor_shift
    if controls:
        options["controls"] = True
    try:
        report = run(area, data, results, text, **options)
    except ImportError as error:
        raise ConfigError(
            f"the evaluation {area!r} cannot be loaded: {error}; repair the package that declares it"
        ) from error
    except OSError as error:
        raise ConfigError(f"{error.filename or results}: {error.strerror}; check --data and --out") from error
    typer.echo(report.as_json() if as_json else report.as_text(), nl=False)

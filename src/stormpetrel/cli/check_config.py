"""`petrel check-config`: validate a configuration, or print all defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stormpetrel.app.config import load_config
from stormpetrel.cli.toml_text import commented_defaults, effective


def check_config(
    file: Annotated[
        Path | None, typer.Argument(help="TOML file; without it the defaults and environment")
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="print every key with its default")] = False,
) -> None:
    """Check a configuration and print what is in force (file, then environment), secrets redacted.

    An unknown key is an error and the nearest known one is named. `--defaults` prints a commented
    file to start from.

    Examples:

      petrel check-config petrel.toml

      petrel check-config --defaults > petrel.toml

    Exit codes: 0 usable, 2 not usable.
    """
    if defaults:
        typer.echo(commented_defaults(), nl=False)
        return
    typer.echo(effective(load_config(file)), nl=False)

"""`petrel check-config`: validate a configuration, or print all defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stormpetrel.app.config import Config, load_config
from stormpetrel.cli.toml_text import commented_defaults, effective
from stormpetrel.errors import ConfigError


def check_config(
    file: Annotated[
        Path | None, typer.Argument(help="TOML file; without it the defaults and environment")
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="print every key with its default")] = False,
) -> None:
    """Check a configuration and print what is in force (file, then environment), secrets redacted.

    An unknown key is an error and the nearest known one is named. `--defaults` prints a commented
    file to start from. What is allowed and most likely not meant, such as two actuators that offer the
    same on one entity, is said on standard error.

    Examples:

      petrel check-config petrel.toml

      petrel check-config --defaults > petrel.toml

    Exit codes: 0 usable, 2 not usable.
    """
    if defaults:
        typer.echo(commented_defaults(), nl=False)
        return
    found = load_config(file)
    typer.echo(effective(found), nl=False)
    for said in _warnings(found):
        typer.echo(f"warning: {said}", err=True)


def _warnings(config: Config) -> list[str]:
    """What deserves a look. A host that only checks may lack what the serving one has."""
    if not config.actuators:
        return []
    from stormpetrel.app.actuators import warnings_of  # noqa: PLC0415 - slow to load

    try:
        return warnings_of(config)
    except ConfigError as error:
        return [f"{error}; actuators could not be compared on this host"]

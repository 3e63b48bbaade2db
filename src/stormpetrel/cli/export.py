"""`petrel export`: stored telemetry into a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stormpetrel.cli.console import out, progress_bar
from stormpetrel.cli.options import ConfigFile, DataDir, From, To, stored_settings, window
from stormpetrel.errors import ConfigError


class What(StrEnum):
    """What can be exported."""

    SAMPLES = "samples"
    LOGS = "logs"
    SPANS = "spans"
    FINDINGS = "findings"
    SERIES = "series"


SUFFIXES = (".parquet", ".csv", ".jsonl")


def export(  # noqa: PLR0913, PLR0917 - one argument an option
    what: Annotated[What, typer.Option(help="what to export")],
    file: Annotated[Path, typer.Option("--out", "-o", help="file to write: .parquet, .csv or .jsonl")],
    start: From = "-1d",
    end: To = "now",
    series: Annotated[str, typer.Option(help="only series whose selector holds all these words")] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="replace the file if it exists")] = False,
) -> None:
    """Write stored telemetry of a window of time into a Parquet, CSV or JSON Lines file.

    The file appears whole or not at all. Rows are streamed: memory does not grow with the window.
    Needs the data directory for itself: stop the running Storm Petrel first.

    Examples:

      petrel export --what samples --from -1d --series "cpu web-1" --out cpu.parquet

      petrel export --what logs --from 2026-05-01 --to 2026-05-02 --out logs.jsonl

      petrel export --what findings --from -30d --out findings.csv --force

    Exit codes: 0 written, 1 failed, 2 an argument, 3 the data directory is in use.
    """
    target = file.resolve()
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"{file}: the ending says the format; use {', '.join(SUFFIXES)}")
    if series and what not in (What.SAMPLES, What.SERIES):
        raise ConfigError(f"--series selects samples or series, not {what.value}; leave it out")
    if target.exists() and not force:
        raise ConfigError(f"{file} exists; give another name, or --force to replace it")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent}: no such directory; make it or give another --out")
    chosen, span = stored_settings(config, data_dir), window(start, end)
    # Arrow and the store's engine take a second to load: other commands should not wait for them.
    from stormpetrel.adapters.store.open import open_store  # noqa: PLC0415 - slow to load
    from stormpetrel.cli.tables import tables  # noqa: PLC0415 - slow to load
    from stormpetrel.cli.writers import write_atomically  # noqa: PLC0415 - slow to load

    store = open_store(chosen.store, chosen.data_dir)
    try:
        with progress_bar(quiet=False) as bar:
            task = bar.add_task(f"exporting {what.value}", total=1.0)
            found = tables(store, what.value, span, series, lambda share: bar.update(task, completed=share))
            rows = write_atomically(target, found)
    finally:
        store.close()
    out().print(Text(f"{rows} rows written to {file}"))

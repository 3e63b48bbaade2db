"""`petrel up`: start Storm Petrel."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.text import Text

from stormpetrel.cli.console import out
from stormpetrel.cli.options import ConfigFile, DataDir, settings

if TYPE_CHECKING:
    from stormpetrel.app.runtime import Announcement


def up(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="address to listen on; loopback by default")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="port; 0 picks a free one")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error")] = None,
    supervised: Annotated[
        bool,
        typer.Option(
            "--supervised", help="for programs: say the address as one JSON line, stop when they end"
        ),
    ] = False,
) -> None:
    """Start Storm Petrel and serve until SIGTERM or Ctrl-C.

    Watches this host at once; everything else may be pushed to it. At the first start it prints a link
    with which to set up the first account.

    Examples:

      petrel up

      petrel up --data-dir /var/lib/petrel --port 8080

      petrel up --config petrel.toml --log-level warning

    Exit codes: 0 stopped, 1 failed, 2 configuration or port, 3 another process uses the data directory.
    """
    found = settings(config, data_dir, log_level, host=host, port=port)
    if supervised:
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    # Numba and the store's engine take a second to load: only who serves should wait for them.
    from stormpetrel.cli.serve import serve  # noqa: PLC0415 - slow to load

    serve(found, _print_json if supervised else _print)


def _end_with_parent(parent: int) -> None:
    """Stop as by SIGTERM once the process that started us is gone, however it ended."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def _print(told: Announcement) -> None:
    console = out()
    console.print(Text.assemble("Storm Petrel is running at ", (told.url, "bold")))
    if told.setup_url:
        console.print(
            Text.assemble("First account (the link works once, for a day): ", (told.setup_url, "bold"))
        )
    watched = ", ".join(told.sources) or "nothing by itself"
    for line in (
        f"Watching: {watched}.",
        "Others may push: remote write to /api/v1/write, OTLP to /v1/metrics, /v1/logs and /v1/traces.",
        f"Token for senders on this host: {told.ingest_token_file}",
        f"Everything is kept in {told.data_dir}. Stop with Ctrl-C.",
    ):
        console.print(Text(line))


def _print_json(told: Announcement) -> None:
    typer.echo(orjson.dumps(dataclasses.asdict(told), default=str).decode())

"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.app.config import Config, load_config
from stormpetrel.errors import ConfigError
from stormpetrel.model.time import Window, from_iso, from_seconds

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file; without it the defaults", dir_okay=False)
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", "-d", help="where everything is kept", file_okay=False)
]
From = Annotated[str, typer.Option("--from", help="start: ISO 8601 (UTC unless it says) or -6h, -30m, -2d")]
To = Annotated[str, typer.Option("--to", help="end (not included): ISO 8601, -1h, or now")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object instead of text")]

_RELATIVE = re.compile(r"-([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw])")
_LAST_UNIX_NANO = (1 << 63) - 1  # in the year 2262
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def settings(
    config: Path | None, data_dir: Path | None = None, log_level: str | None = None, **server: object
) -> Config:
    """The configuration with what the command line overrides; what is None does not.

    Args:
        server: keys of the section `server`.
    """
    given = {"data_dir": data_dir and str(data_dir), "log_level": log_level}
    overrides: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    overrides["server"] = {key: value for key, value in server.items() if value is not None}
    return load_config(config, overrides)


def stored_settings(config: Path | None, data_dir: Path | None) -> Config:
    """As `settings`, for commands that read what is stored: the data directory must exist."""
    found = settings(config, data_dir)
    if not found.store.url and not found.data_dir.is_dir():
        raise ConfigError(f"{found.data_dir}: no data directory there; name the right one with --data-dir")
    return found


def moment(text: str, now_unix_nano: int) -> int:
    """Nanoseconds of an ISO 8601 time, `now`, or a time before now such as `-6h`.

    >>> moment("-1m", 60_000_000_000)
    0
    """
    if text == "now":
        return now_unix_nano
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return max(0, now_unix_nano - from_seconds(float(relative[1]) * _UNIT_SECONDS[relative[2]]))
    try:
        found = from_iso(text)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found <= _LAST_UNIX_NANO:
        raise ConfigError(
            f"{text!r} is no time; write 2026-05-01T08:00:00Z, 2026-05-01, -6h, -30m, -2d or now"
        )
    return found


def window(start: str, end: str) -> Window:
    """The window between two such times."""
    now = SystemClock().now_unix_nano()
    first, last = moment(start, now), moment(end, now)
    if last <= first:
        raise ConfigError(f"--to {end} is not after --from {start}; give a window that has a length")
    return Window(first, last)

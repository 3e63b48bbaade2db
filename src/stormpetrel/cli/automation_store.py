"""How commands reach what automation keeps, whether a Storm Petrel runs or not."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stormpetrel.app.config import Config
from stormpetrel.cli.options import stored_settings
from stormpetrel.errors import StoreError

if TYPE_CHECKING:
    from stormpetrel.adapters.store.control import SqlControlStore

_FILE = "control.sqlite"
By = Annotated[str, typer.Option("--by", help="your name, for the ledger; default: your account's")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="why, for the ledger and for your colleagues")]


@contextmanager
def automation_store(config: Config) -> Iterator[SqlControlStore]:
    """The control store of a configuration, for one command; a running Storm Petrel may have it open, too.

    Raises:
        StoreError: there is none, and none is made: what is changed in it, nobody would read.
    """
    from stormpetrel.adapters.store.control import open_control_store  # noqa: PLC0415 - slow to load

    here = config.data_dir.resolve()
    if not config.store.control_url and not (here / _FILE).exists():
        raise StoreError(
            f"there is no control store in {here}: nothing was started on it, or its control store is"
            " elsewhere (store.control_url); then give --config"
        )
    store = open_control_store(config.store.control_url or f"sqlite:///{here / _FILE}", here)
    try:
        yield store
    finally:
        store.close()


def settings_of(config: Path | None, data_dir: Path | None) -> Config:
    """The configuration; its data directory must exist: the ledger's key and the switch's file lie there."""
    return stored_settings(config, data_dir)


def name_of(by: str) -> str:
    """The name that was given, or that of the account that runs the command."""
    if by.strip():
        return by.strip()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"

"""`petrel kill-switch`: stop automation, and let it go on."""

from __future__ import annotations

from typing import Annotated

import typer

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.kill_file import KillFile
from stormpetrel.app.config import Config
from stormpetrel.cli.automation_store import By, Reason, automation_store, name_of, settings_of
from stormpetrel.cli.console import err, out, plain
from stormpetrel.cli.options import ConfigFile, DataDir
from stormpetrel.errors import ConfigError, StateError, StoreError
from stormpetrel.model.facts import Switch
from stormpetrel.model.time import to_iso

EXIT_FREE, EXIT_ENGAGED = 0, 1
Scope = Annotated[
    str,
    typer.Option(
        "--scope", "-s", help="global, service:ENTITY (service:checkout, service:host:web-1) or runbook:NAME"
    ),
]

kill_switch_app = typer.Typer(no_args_is_help=True)


@kill_switch_app.callback()
def kill_switch() -> None:
    """Stop all automation, or that of a service or a runbook; works with and without a running server.

    Examples:

      petrel kill-switch engage --reason "the database is being restored"

      petrel kill-switch status

    Exit codes: 0 done, or none engaged; 1 engaged or failed; 2 an argument.
    """


@kill_switch_app.command()
def engage(
    reason: Reason = "",
    scope: Scope = "global",
    by: By = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Stop automation at once: nothing is begun any more, and nothing is undone either.

    An act that was ordered already is not called back. When the control store does not answer, the global
    switch is engaged by the file `kill-switch` in the data directory, which a running Storm Petrel obeys.

    Examples:

      petrel kill-switch engage --reason "the database is being restored"

      petrel kill-switch engage --scope service:checkout --by ann

    Exit codes: 0 engaged, 1 failed, 2 an argument.
    """
    chosen = settings_of(config, data_dir)
    switch = Switch(scope, name_of(by), SystemClock().now_unix_nano(), reason)
    try:
        with automation_store(chosen) as store:
            store.engage(switch)
    except StateError as error:
        raise ConfigError(str(error)) from None
    except StoreError as error:
        if scope != "global":
            raise
        KillFile(chosen.data_dir).engage(f"{switch.by}: {reason}")
        err().print(plain(f"petrel: {error}", style="red"))
        err().print(plain(f"The file {KillFile(chosen.data_dir).path} engages it instead.", style="yellow"))
    out().print(plain(f"The kill switch {scope} is engaged."))


@kill_switch_app.command()
def release(
    reason: Reason = "",
    scope: Scope = "global",
    by: By = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Let automation go on. The global switch takes two people, the second within 15 minutes.

    Names are believed as they are given: who may run this command may write the data directory, too.

    Examples:

      petrel kill-switch release --by ann --reason "restored"

      petrel kill-switch release --scope runbook:restart-checkout

    Exit codes: 0 released, 1 still engaged or failed, 2 an argument.
    """
    chosen = settings_of(config, data_dir)
    file = KillFile(chosen.data_dir)
    if scope == "global" and file.switches():
        raise ConfigError(f"the file {file.path} engages it: remove the file first")
    with automation_store(chosen) as store:
        done = store.release(scope, name_of(by), SystemClock().now_unix_nano(), reason)
    if done:
        out().print(plain(f"The kill switch {scope} is released."))
        return
    out().print(plain("It stays engaged until a second person asks for it, within 15 minutes."))
    raise typer.Exit(EXIT_ENGAGED)


@kill_switch_app.command()
def status(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Show which kill switches are engaged, by whom and why.

    Examples:

      petrel kill-switch status

    Exit codes: 0 none is engaged, 1 at least one is, 2 an argument.
    """
    found = engaged(settings_of(config, data_dir))
    for one in found:
        said = f"{one.scope}: engaged by {one.by} since {to_iso(one.since_unix_nano)}"
        out().print(plain(f"{said}: {one.reason}" if one.reason else said))
    if found:
        raise typer.Exit(EXIT_ENGAGED)
    out().print("No kill switch is engaged.")


def engaged(config: Config) -> list[Switch]:
    """The engaged switches of the file and of the store."""
    found = list(KillFile(config.data_dir).switches())
    with automation_store(config) as store:
        return found + store.switches()

"""The command `petrel`: loads the commands and turns errors into one clear line and an exit code."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stormpetrel import __version__
from stormpetrel.cli.backup import backup_app
from stormpetrel.cli.check_config import check_config
from stormpetrel.cli.console import exit_code, say_error
from stormpetrel.cli.demo import demo
from stormpetrel.cli.evaluate import evaluate
from stormpetrel.cli.export import export
from stormpetrel.cli.flight import flight
from stormpetrel.cli.kill_switch import kill_switch_app
from stormpetrel.cli.ledger import ledger_app
from stormpetrel.cli.people import people_app
from stormpetrel.cli.plans import approve, plans, refuse, runbooks
from stormpetrel.cli.policy import policy_app
from stormpetrel.cli.replay import replay
from stormpetrel.cli.restore import restore
from stormpetrel.cli.status import status
from stormpetrel.cli.up import up
from stormpetrel.errors import StormPetrelError

COMMANDS: dict[str, Callable[..., None]] = {
    "up": up,
    "demo": demo,
    "status": status,
    "plans": plans,
    "approve": approve,
    "refuse": refuse,
    "runbooks": runbooks,
    "replay": replay,
    "flight": flight,
    "evaluate": evaluate,
    "export": export,
    "restore": restore,
    "check-config": check_config,
}
GROUPS: dict[str, typer.Typer] = {
    "backup": backup_app,
    "policy": policy_app,
    "kill-switch": kill_switch_app,
    "ledger": ledger_app,
    "people": people_app,
}


_LOADING_THRESHOLD = 50_000


class PetrelGroup(TyperGroup):
    """The group of all commands: errors raised on purpose become one line, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. (`ctx` is a click context, of whichever click this typer carries.)"""
        try:
            return super().invoke(ctx)
        except StormPetrelError as error:
            if ctx.params.get("debug"):
                raise
            say_error(error)
            raise typer.Exit(exit_code(error)) from None


app = typer.Typer(
    name="petrel",
    cls=PetrelGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: petrel demo",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"petrel {__version__}")
        raise typer.Exit


@app.callback()
def petrel(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
) -> None:
    """Storm Petrel: detection, incidents and guarded automation that explain themselves."""


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def main() -> None:
    """The entry point of the command `petrel`."""
    # Loading makes much that stays and next to no garbage: looking for it as often as Python does takes a
    # sixth of the time until the program is ready.
    gc.set_threshold(_LOADING_THRESHOLD)
    app()


if __name__ == "__main__":
    main()

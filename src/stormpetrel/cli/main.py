"""The command `petrel`: loads the commands and turns errors into one clear line and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stormpetrel import __version__
from stormpetrel.cli.check_config import check_config
from stormpetrel.cli.console import exit_code, say_error
from stormpetrel.cli.demo import demo
from stormpetrel.cli.evaluate import evaluate
from stormpetrel.cli.export import export
from stormpetrel.cli.replay import replay
from stormpetrel.cli.status import status
from stormpetrel.cli.up import up
from stormpetrel.errors import StormPetrelError

COMMANDS: dict[str, Callable[..., None]] = {
    "up": up,
    "demo": demo,
    "status": status,
    "replay": replay,
    "evaluate": evaluate,
    "export": export,
    "check-config": check_config,
}


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


def main() -> None:
    """The entry point of the command `petrel`."""
    app()


if __name__ == "__main__":
    main()

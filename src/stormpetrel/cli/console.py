"""How the command line speaks: results to stdout, progress and errors to stderr."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from stormpetrel.errors import ConfigError, StoreLockedError, StormPetrelError
from stormpetrel.model.text import written_out

EXIT_OK, EXIT_FAILED, EXIT_CONFIG, EXIT_LOCKED = 0, 1, 2, 3


def out() -> Console:
    """Where results go. Made at each use, so that a redirected stdout is honoured."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Where progress and errors go."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def counted(count: int, one: str) -> str:
    """A count with its noun.

    >>> counted(1, "finding"), counted(2, "finding")
    ('1 finding', '2 findings')
    """
    return f"{count} {one}{'' if count == 1 else 's'}"


def plain(text: object, style: str = "") -> Text:
    """Text of strangers for a terminal, which obeys what it is told: rich lets control characters through."""
    return Text(written_out(str(text)), style=style)


def say_error(error: StormPetrelError) -> None:
    """The error as plain red text; its message already says what to do next."""
    err().print(plain(f"petrel: {error}", style="red"))


def exit_code(error: StormPetrelError) -> int:
    """2: the configuration or an argument cannot be used; 3: another process has the data; 1: the rest."""
    if isinstance(error, ConfigError):
        return EXIT_CONFIG
    if isinstance(error, StoreLockedError):
        return EXIT_LOCKED
    return EXIT_FAILED


def progress_bar(quiet: bool) -> Progress:
    """A bar on stderr, drawn only on a terminal; `quiet` hides it there too."""
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )

"""`petrel people`: who has an account, and one-time links for new people and forgotten passwords."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import urlencode

import typer

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.app.config import Config
from stormpetrel.app.people import People
from stormpetrel.cli.automation_store import automation_store, name_of, settings_of
from stormpetrel.cli.console import out, plain
from stormpetrel.cli.options import ConfigFile, DataDir, Json
from stormpetrel.errors import ConfigError, NotFoundError, StateError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.people import Invitation, PeopleAct
from stormpetrel.model.time import to_iso

By = Annotated[str, typer.Option("--by", help="your name, for the record; default: your account's")]
Url = Annotated[str, typer.Option("--url", help="address people use; default: server.public_url")]
Name = Annotated[str, typer.Argument(help="the person's name")]

people_app = typer.Typer()


@people_app.callback(invoke_without_command=True)
def people(
    context: typer.Context, as_json: Json = False, config: ConfigFile = None, data_dir: DataDir = None
) -> None:
    """List who has an account, or invite somebody; works with and without a running server.

    It works on the data directory itself: whoever may write that is the authority, and no token can do this.

    Examples:

      petrel people

      petrel people --json

      petrel people invite ann --role responder

    Exit codes: 0 done, 1 failed, 2 an argument.
    """
    if context.invoked_subcommand is not None:
        return
    with _desk(settings_of(config, data_dir)) as desk:
        view = desk.people(_admin(""))
    if as_json:
        rows = [
            {"name": one.name, "role": one.role, "since": to_iso(one.since_unix_nano), "waiting": one.waiting}
            for one in view.people
        ]
        links = [
            {"name": one.person, "role": one.role, "ends": to_iso(one.ends_unix_nano), "by": one.created_by}
            for one in view.invitations
        ]
        typer.echo(json.dumps({"people": rows, "links": links}))
        return
    for person in view.people:
        waits = ", cannot sign in until their link is used" if person.waiting else ""
        out().print(plain(f"{person.name}: {person.role} since {to_iso(person.since_unix_nano)}{waits}"))
    for link in view.invitations:
        what = f"invited as {link.role}" if link.role else "a link for a new password"
        out().print(plain(f"{link.person}: {what} by {link.created_by}, until {to_iso(link.ends_unix_nano)}"))
    if not view.people:
        out().print("Nobody has an account yet: petrel up prints the link for the first admin.")


@people_app.command()
def invite(
    name: Name,
    role: Annotated[Role, typer.Option("--role", help="what the person may do")] = Role.VIEWER,
    by: By = "",
    url: Url = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Print a one-time link with which a new person chooses a password; it is good for a day.

    Examples:

      petrel people invite ann --role responder

    Exit codes: 0 printed, 1 failed, 2 an argument, or the name is taken.
    """
    chosen = settings_of(config, data_dir)
    try:
        with _desk(chosen) as desk:
            link, secret = desk.invite(name, role, _admin(by))
    except StateError as error:
        raise ConfigError(str(error)) from None
    _say(chosen, url, link, secret)


@people_app.command("link")
def new_link(
    name: Name, by: By = "", url: Url = "", config: ConfigFile = None, data_dir: DataDir = None
) -> None:
    """Print a one-time link for a forgotten password; the old one and all sessions of the person end now.

    Examples:

      petrel people link ann

    Exit codes: 0 printed, 1 failed, 2 an argument, or there is nobody of this name.
    """
    chosen = settings_of(config, data_dir)
    try:
        with _desk(chosen) as desk:
            link, secret = desk.new_password_link(name, _admin(by))
    except (StateError, NotFoundError) as error:
        raise ConfigError(str(error)) from None
    _say(chosen, url, link, secret)


@contextmanager
def _desk(config: Config) -> Iterator[People]:
    with automation_store(config) as store:
        yield _AtTerminal(store, SystemClock())


class _AtTerminal(People):
    """Writes no log: the terminal has the answer, and the record is in the store."""

    def _tell(self, act: PeopleAct, person: str, by: str, role: Role | None = None) -> None:
        pass


def _admin(by: str) -> Caller:
    """Whoever may write the data directory; the record says that it was not on the page."""
    return Caller(f"{name_of(by)[:64]} (command line)", Role.ADMIN)


def _say(config: Config, url: str, link: Invitation, secret: str) -> None:
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    base = (url or config.server.public_url or f"http://{host}:{config.server.port}").rstrip("/")
    out().print(plain(f"For {link.person} alone, once, until {to_iso(link.ends_unix_nano)}:"))
    typer.echo(f"{base}/invited?{urlencode({'secret': secret})}")

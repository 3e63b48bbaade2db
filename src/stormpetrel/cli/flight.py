"""`petrel flight`: what automation would have done in the stored past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from stormpetrel.cli.console import progress_bar
from stormpetrel.cli.flight_ask import ask_server, server_of
from stormpetrel.cli.flight_show import show
from stormpetrel.cli.options import ConfigFile, DataDir, From, Json, To, stored_settings, window
from stormpetrel.cli.remote import TokenFile, read_token
from stormpetrel.errors import NotFoundError, StoreLockedError
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy
from stormpetrel.model.verdict import Outcome

if TYPE_CHECKING:
    from stormpetrel.app.config import Config
    from stormpetrel.model.flight import FlightReport
    from stormpetrel.model.time import Window

Runbook = Annotated[str, typer.Option("--runbook", "-r", help="show this one alone, with its plans")]
Url = Annotated[
    str, typer.Option("--url", help="ask a running Storm Petrel; without it the one on this data directory")
]
Token = Annotated[
    str,
    typer.Option(
        envvar="STORMPETREL_TOKEN", help="API token with the scopes read and respond, for a running one"
    ),
]


def flight(  # noqa: PLR0913, PLR0917 - one argument an option
    start: From = "-8d",
    end: To = "now",
    runbook: Runbook = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    url: Url = "",
    token: Token = "",
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Fly over the stored past: what every runbook would have done, asked and been refused, and why.

    Stored telemetry goes through the very stages, causes, plans and guardrails that are live, with an
    actuator that touches nothing. A flight over seven days with telemetry is what `auto` needs; it is
    recorded for the versions it flew with. Nothing else that is stored is changed.

    While a Storm Petrel runs on the data directory it flies itself, in the background: give a token with the
    scopes read and respond. Else this command does, with the data directory for itself.

    Examples:

      petrel flight --from -8d

      petrel flight --from -8d --runbook restart-failed-service

      STORMPETREL_TOKEN=... petrel flight --json | jq '.runbooks[] | {name, acted, asked, refused}'

    Exit codes: 0 flown, 1 failed, 2 an argument or nothing to fly, 3 the data directory is in use.
    """
    chosen, span = stored_settings(config, data_dir), window(start, end)
    report = _flown(chosen, span, (url, token or read_token(token_file, None)), as_json)
    if runbook and report.runbook(runbook) is None:
        known = ", ".join(one.name for one in report.runbooks)
        raise NotFoundError(f"there is no runbook {runbook[:60]!r}; {known} were flown")
    if as_json:
        typer.echo(_json(report, runbook))
    else:
        show(report, runbook)


def _flown(config: Config, span: Window, server: tuple[str, str], quiet: bool) -> FlightReport:
    # Numba and the store's engine take a second to load: other commands should not wait for them.
    from stormpetrel.app.flight.alone import fly_alone  # noqa: PLC0415 - slow to load

    url, token = server
    with progress_bar(quiet) as bar:
        task = bar.add_task("flying", total=1.0)

        def tell(share: float) -> None:
            bar.update(task, completed=share)

        if url:
            return ask_server(url, token, span, tell)
        try:
            return fly_alone(config, span, tell)
        except StoreLockedError as locked:
            return ask_server(server_of(config, locked), token, span, tell)


def _json(report: FlightReport, runbook: str) -> str:
    """The report, or the part of one runbook, with words for levels and verdicts."""
    found: dict[str, Any] = canonical.plain(report.runbook(runbook) if runbook else report)
    for one in [found] if runbook else found["runbooks"]:
        one["level"] = Autonomy(one["level"]).word
        for verdict in (verdict for plan in one["plans"] for verdict in plan["verdicts"]):
            verdict["outcome"] = Outcome(verdict["outcome"]).word
    return orjson.dumps(found).decode()

"""`petrel status`: ask a running Storm Petrel how things are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer
from rich.table import Table

from stormpetrel.cli.console import err, out, plain
from stormpetrel.cli.options import Json
from stormpetrel.cli.remote import read_token

EXIT_HEALTHY, EXIT_INCIDENTS, EXIT_UNREACHABLE = 0, 1, 2
_SEVERITY = {1: "info", 2: "warning", 3: "error", 4: "critical"}


def status(
    url: Annotated[str, typer.Option(help="address of the running Storm Petrel")] = "http://127.0.0.1:7780",
    token: Annotated[
        str, typer.Option(envvar="STORMPETREL_TOKEN", help="API token with the scope read", show_envvar=True)
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="file that holds the token; default: data/read.token", dir_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show open incidents and sources of a running Storm Petrel.

    Fit for scripts and for other monitors: the exit code says what matters.

    Examples:

      petrel status

      petrel status --url https://petrel.example.org --token-file /etc/petrel.token

      petrel status --json | jq .open_incidents

    Exit codes: 0 no open incident, 1 incidents are open, 2 not reachable, not ready or token refused.
    """
    secret = token or read_token(token_file)
    try:
        view = ask(url, secret)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        err().print(plain(f"petrel: {url} gives no answer: {error}", style="red"))
        raise typer.Exit(EXIT_UNREACHABLE) from None
    if as_json:
        typer.echo(orjson.dumps(view).decode())
    else:
        _print(url, view)
    raise typer.Exit(EXIT_INCIDENTS if view["open_incidents"] else EXIT_HEALTHY)


def ask(url: str, token: str) -> dict[str, Any]:
    """The answer of /api/v1/now, once /readyz says that it can be trusted.

    Raises:
        httpx.HTTPError: not reachable, or an answer other than success.
        ValueError: not ready, the token is refused, or the answer is not that of a Storm Petrel.
    """
    base = url.rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(timeout=10.0, headers=headers) as client:
        ready = client.get(f"{base}/readyz")
        if ready.status_code == 503:
            raise ValueError(f"it is running but not ready: {ready.text.strip()[:200]}")
        answer = client.get(f"{base}/api/v1/now")
    if answer.status_code in (401, 403):
        raise ValueError("the token is refused; give one with the scope read by --token-file")
    answer.raise_for_status()
    view = orjson.loads(answer.content)
    if not isinstance(view, dict) or "open_incidents" not in view:
        raise ValueError("the answer is not that of a Storm Petrel")
    return view


def _print(url: str, view: dict[str, Any]) -> None:
    console = out()
    incidents, sources = view["open_incidents"], view["sources"]
    if incidents:
        table = Table(
            "severity", "state", "since", "what", title=f"{len(incidents)} open", title_justify="left"
        )
        for incident in incidents:
            severity = incident.get("severity", "")
            table.add_row(
                plain(str(_SEVERITY.get(severity, severity))),
                plain(str(incident.get("state", ""))),
                plain(_ago(view["now_unix_nano"] - incident["start_unix_nano"])),
                plain(str(incident.get("sentence", ""))),
            )
        console.print(table)
    else:
        console.print(f"No open incident at {url}.")
    table = Table("source", "state", "rows", "rows/s", "last error", title="Sources", title_justify="left")
    for source in sources:
        state = plain(source["state"], style="" if source["state"] == "healthy" else "yellow")
        rate = f"{source['rows_per_second']:.1f}"
        table.add_row(
            plain(source["name"]), state, f"{source['rows_total']}", rate, plain(source["last_error"])
        )
    console.print(table)
    console.print(
        f"{view['series_total']} series, {view['series_warming_up']} warming up, "
        f"{view['series_unknown']} unknown (silent); {view['quarantined_last_hour']} samples kept apart"
    )


def _ago(nanos: int) -> str:
    seconds = max(0, nanos // 1_000_000_000)
    if seconds < 120:
        return f"{seconds} s ago"
    return f"{seconds // 60} min ago" if seconds < 7200 else f"{seconds // 3600} h ago"

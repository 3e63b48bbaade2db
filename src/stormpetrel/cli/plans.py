"""`petrel plans`, `petrel approve`, `petrel refuse`, `petrel runbooks`: people answer from a terminal."""

from __future__ import annotations

import hmac
import sys
from typing import Annotated
from urllib.parse import quote

import orjson
import typer
from rich.table import Column, Table

from stormpetrel.cli.console import err, out, plain
from stormpetrel.cli.options import Json
from stormpetrel.cli.plan_text import plan_lines
from stormpetrel.cli.remote import DEFAULT_URL, Server, ServerError, Token, TokenFile, Url, read_token
from stormpetrel.errors import ConfigError
from stormpetrel.model import canonical
from stormpetrel.model.automation_view import AutomationView, RunbookView, RunLine, RunView
from stormpetrel.model.run import RunState
from stormpetrel.model.time import to_iso

_LEAST_HASH = 12
EXIT_LEFT = 1

RunId = Annotated[str, typer.Argument(metavar="ID", help="of the plan, as petrel plans shows it")]


def plans(
    run_id: Annotated[str, typer.Argument(metavar="[ID]", help="one plan, whole; else all that wait")] = "",
    url: Url = DEFAULT_URL,
    token: Token = "",
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Show the plans of automation that wait for people, and those that run; or one of them, whole.

    Takes a token with the scope read or approve; without one data/read.token is tried.

    Examples:

      petrel plans

      petrel plans 4f1c0a --json | jq .judgement.verdicts

    Exit codes: 0 shown, 1 not reachable, no such plan or token refused, 2 an argument.
    """
    server = Server(url, token or read_token(token_file), "read")
    if run_id:
        view = _run(server, run_id)
        if as_json:
            _print_json(view)
        else:
            _print_plan(view)
        return
    found = server.get("/api/v1/automation", AutomationView)
    if as_json:
        _print_json({"waiting": found.waiting, "running": found.running, "stopped": found.stopped})
        return
    if found.stopped:
        out().print(plain(f"Automation does nothing: {found.stopped}.", style="yellow"))
    _print_runs("wait for people", found.waiting)
    _print_runs("run", found.running)


def approve(
    run_id: RunId,
    url: Url = DEFAULT_URL,
    token: Token = "",
    token_file: TokenFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; needs --hash")] = False,
    plan_hash: Annotated[
        str, typer.Option("--hash", help="of the plan that you saw, 12 digits at least")
    ] = "",
) -> None:
    """Agree to a plan that waits, as the person who made the token.

    On a terminal the plan is shown, whole, and asked about. Elsewhere say --yes and name the hash of the plan
    that was looked at: a plan that changed since is not agreed to. Nobody agrees to what they proposed.

    Examples:

      petrel approve 4f1c0a --token-file ~/.petrel-approve

      petrel approve 4f1c0a --yes --hash 93fe03ac81d2

    Exit codes: 0 agreed, 1 not agreed or refused by the server, 2 an argument.
    """
    if yes and len(plan_hash) < _LEAST_HASH:
        raise ConfigError(
            f"--yes needs --hash: the first {_LEAST_HASH} digits, at least, of the plan you saw"
        )
    if not yes and not sys.stdin.isatty():
        raise ConfigError(
            "this is no terminal, so nobody can be asked: give --yes and the --hash of the plan"
        )
    server = Server(url, token or read_token(token_file, None), "approve")
    view = _run(server, run_id)
    if plan_hash and not hmac.compare_digest(view.run.plan_hash[: len(plan_hash)], plan_hash.lower()):
        raise ServerError(
            f"the plan {run_id} is not the one you saw any more: its hash is {view.run.plan_hash};"
            f" look at it again with petrel plans {run_id}"
        )
    if not yes:
        _print_plan(view)
        if view.run.state is RunState.WAITING and not _says_yes(view.run.plan_hash):
            err().print(plain("Nothing was answered; the plan still waits."))
            raise typer.Exit(EXIT_LEFT)
    _answer(server, view, True, "")


def refuse(
    run_id: RunId,
    why: Annotated[str, typer.Option("--why", help="for your colleagues and the ledger")],
    url: Url = DEFAULT_URL,
    token: Token = "",
    token_file: TokenFile = None,
) -> None:
    """Do not let a plan run, as the person who made the token. One no outweighs every yes.

    Examples:

      petrel refuse 4f1c0a --why "the database is being restored"

    Exit codes: 0 refused, 1 the server did not take it, 2 an argument.
    """
    if not why.strip():
        raise ConfigError("--why is empty; say why it should not run")
    server = Server(url, token or read_token(token_file, None), "approve")
    _answer(server, _run(server, run_id), False, why.strip()[:500])


def runbooks(
    url: Url = DEFAULT_URL, token: Token = "", token_file: TokenFile = None, as_json: Json = False
) -> None:
    """List the runbooks in use: their level, whether somebody signed them off, and their record.

    Examples:

      petrel runbooks

    Exit codes: 0 shown, 1 not reachable or token refused, 2 an argument.
    """
    server = Server(url, token or read_token(token_file), "read")
    found = server.get("/api/v1/automation", AutomationView)
    if as_json:
        _print_json({"runbooks": found.runbooks, "faults": found.faults})
        return
    for fault in found.faults:
        err().print(plain(f"not read: {fault}", style="yellow"))
    if not found.runbooks:
        out().print("No runbook is in use; see automation.library in the configuration.")
        return
    table = Table(
        Column("runbook", no_wrap=True), "level", "signed off", "judged useful", "earns auto", "title"
    )
    for one in found.runbooks:
        table.add_row(*map(plain, _runbook_row(one)))
    out().print(table)


def _runbook_row(one: RunbookView) -> tuple[str, ...]:
    if one.signed_version == one.runbook.version:
        signed = f"by {one.signed_by}"
    else:
        signed = "an older version" if one.signed_version else "no: nothing of it runs"
    record = f"{one.track.useful} of {one.track.judged}"
    earned = "yes" if one.earned else "no"
    return one.runbook.name, one.autonomy.word, signed, record, earned, one.runbook.title


def _run(server: Server, run_id: str) -> RunView:
    return server.get(f"/api/v1/automation/runs/{quote(run_id, safe='')}", RunView)


def _answer(server: Server, view: RunView, agreed: bool, reason: str) -> None:
    content = {"plan_hash": view.run.plan_hash, "agreed": agreed, "reason": reason, "channel": "cli"}
    path = f"/api/v1/automation/runs/{quote(view.run.run_id, safe='')}/answer"
    after = server.put(path, content, RunView)
    needed = max(1, after.judgement.approvers if after.judgement is not None else 1)
    yes = after.yes(max((one.given_unix_nano for one in after.approvals), default=0))
    if not agreed:
        out().print(plain(f"Refused: {view.run.run_id} does not run."))
    elif yes < needed:
        out().print(plain(f"Agreed. {needed - yes} more of {needed} people have to, before it runs."))
    else:
        out().print(plain("Agreed. The guardrails are asked once more, then it runs."))


def _says_yes(plan_hash: str) -> bool:
    answer: str = typer.prompt(f"Type yes to run exactly this plan ({plan_hash[:_LEAST_HASH]})", default="no")
    return answer.strip().lower() == "yes"


def _print_plan(view: RunView) -> None:
    console = out()
    for text, style in plan_lines(view):
        console.print(plain(text, style=style))


def _print_runs(what: str, runs: tuple[RunLine, ...]) -> None:
    if not runs:
        out().print(f"No plans {what}.")
        return
    title = f"{len(runs)} that {what}"
    table = Table(
        Column("id", no_wrap=True),
        "runbook",
        "on",
        "state",
        "since",
        "why",
        title=title,
        title_justify="left",
    )
    for one in runs:
        on = ", ".join(one.targets[:3]) + (
            f" and {len(one.targets) - 3} more" if len(one.targets) > 3 else ""
        )
        row = (one.run_id, one.runbook, on, one.state.value, to_iso(one.begun_unix_nano), one.why)
        table.add_row(*map(plain, row))
    out().print(table)


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(canonical.plain(value)).decode())

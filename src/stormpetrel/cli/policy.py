"""`petrel policy verify`: prove that what must never happen cannot, on this installation's configuration."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from stormpetrel.act.prove import Proof, prove
from stormpetrel.app.policy import policy_of
from stormpetrel.cli.console import EXIT_FAILED, counted, err, out, plain
from stormpetrel.cli.options import ConfigFile, DataDir, Json, settings

policy_app = typer.Typer(no_args_is_help=True)


@policy_app.callback()
def policy() -> None:
    """What automation may do, proved.

    Examples:

      petrel policy verify --config petrel.toml

    Exit codes: 0 all hold, 1 one does not, 2 the configuration is not usable.
    """


@policy_app.command("verify")
def verify(config: ConfigFile = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Prove the properties of guarded automation on your own numbers, budget, runbooks and guardrails.

    Each property holds for everything that was looked at, or a story tells how it can be broken. Needs the
    extra `prove`. It reads the configuration and the runbooks, and nothing else; it takes some seconds.

    Examples:

      petrel policy verify --config petrel.toml

    Exit codes: 0 all hold, 1 one does not, or a runbook cannot be read, 2 the configuration is not usable.
    """
    found, faults = policy_of(settings(config, data_dir))
    for fault in faults:
        err().print(plain(f"petrel: {fault}", style="red"))
    proofs = []
    for proof in prove(found):
        proofs.append(proof)
        if not as_json:
            _print(proof)
    if as_json:
        typer.echo(json.dumps({"proofs": [asdict(one) for one in proofs], "faults": faults}))
    elif all(one.holds for one in proofs):
        names = counted(len(found.rows), "runbook")
        out().print(f"All hold, for {names} and {counted(len(found.guardrails), 'guardrail')}.")
    if faults or not all(one.holds for one in proofs):
        raise typer.Exit(EXIT_FAILED)


def _print(proof: Proof) -> None:
    """One property, and the story of its hole."""
    word, style = ("holds", "green") if proof.holds else ("DOES NOT HOLD", "bold red")
    out().print(plain(f"{word}: {proof.name}", style=style))
    out().print(plain(f"  {proof.how}: {proof.cases} cases", style="dim"))
    for number, sentence in enumerate(proof.hole.story if proof.hole else (), 1):
        out().print(plain(f"  {number}. {sentence}"))

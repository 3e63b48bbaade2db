"""`petrel ledger`: what automation did, and whether its record is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stormpetrel.cli.automation_store import automation_store, settings_of
from stormpetrel.cli.console import err, out, plain
from stormpetrel.cli.options import ConfigFile, DataDir
from stormpetrel.errors import ConfigError
from stormpetrel.model import canonical
from stormpetrel.model.ledger import EntryKind, LedgerEntry, LedgerFault, LedgerHead
from stormpetrel.model.ledger_chain import chain_faults, head_holds
from stormpetrel.model.time import to_iso

if TYPE_CHECKING:
    from stormpetrel.ports.automation import AutomationStore

EXIT_WHOLE, EXIT_BROKEN = 0, 1
_PAGE = 1000
_LONGEST_TOLD = 160

ledger_app = typer.Typer(no_args_is_help=True)


@ledger_app.callback()
def ledger() -> None:
    """The record of everything that automation proposed, decided and did.

    Examples:

      petrel ledger verify

      petrel ledger tail -n 50

    Exit codes: 0 done, or whole; 1 broken or failed; 2 an argument.
    """


@ledger_app.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="an exported file; without one the control store", dir_okay=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="ledger.key, to check the seal of a file", dir_okay=False)
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Walk the whole chain and tell every place where it is broken.

    A file needs no store and no configuration. With `ledger.key` its end is checked too: without it a file
    that was cut and ends with another head looks whole.

    Examples:

      petrel ledger verify

      petrel ledger verify ledger.ndjson --key data/ledger.key

    Exit codes: 0 whole, 1 broken or failed, 2 an argument.
    """
    if file is not None:
        faults, head = _faults_of_file(file, _key_of(key))
    else:
        with automation_store(settings_of(config, data_dir)) as store:
            faults, head = store.check_ledger(), store.ledger_head()
    for fault in faults:
        err().print(plain(f"entry {fault.seq}: {fault.text}", style="red"))
    if faults:
        err().print(plain("The ledger is broken: see docs/ledger.md for what to do.", style="red"))
        raise typer.Exit(EXIT_BROKEN)
    out().print(plain(f"{_entries(head.count)}, whole. The last: {head.entry_hash}"))


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


@ledger_app.command()
def export(
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="file to write; without one stdout", dir_okay=False)
    ] = None,
    run: Annotated[
        str, typer.Option(help="only entries about this run; such a part cannot be verified")
    ] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write the ledger as NDJSON: one entry a line, the head last; `petrel ledger verify FILE` checks it.

    Keep exports where nobody who can write the control store can write: they show whether it was rewritten.

    Examples:

      petrel ledger export --out ledger.ndjson

      petrel ledger export --run 4f1c | jq .body

    Exit codes: 0 written, 1 failed, 2 an argument.
    """
    with automation_store(settings_of(config, data_dir)) as store:
        # The head first: what is entered meanwhile is left out.
        head = store.ledger_head()
        lines = (canonical.text(one) + "\n" for one in _all(store, run, head.count))
        last = canonical.text({"head": head}) + "\n"
        try:
            if file is None:
                sys.stdout.writelines(lines)
                sys.stdout.write("" if run else last)
                return
            with file.open("x", encoding="utf-8") as target:
                target.writelines(lines)
                target.write("" if run else last)
        except FileExistsError:
            raise ConfigError(f"{file} exists; give another name") from None
        except OSError as error:
            raise ConfigError(f"{file}: it cannot be written: {error.strerror}") from error
    out().print(plain(f"{_entries(head.count)} written to {file}"))


@ledger_app.command()
def tail(
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="how many entries")] = 20,
    run: Annotated[str, typer.Option(help="only entries about this run, from its first")] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show the last entries.

    Examples:

      petrel ledger tail -n 50

      petrel ledger tail --run 4f1c

    Exit codes: 0 shown, 1 failed, 2 an argument.
    """
    with automation_store(settings_of(config, data_dir)) as store:
        after = 0 if run else max(0, store.ledger_head().count - count)
        entries = store.ledger(after, run, count)
    for one in entries:
        about = " ".join(word for word in (one.runbook, one.run_id) if word)
        said = f"{one.seq} {to_iso(one.time_unix_nano)} {one.kind.value} {one.actor} {about}"
        out().print(plain(f"{said}: {_told(one)}"))


def _told(entry: LedgerEntry) -> str:
    """What an entry says, in a line; the whole of it is in an export."""
    body = json.loads(entry.body)
    found = entry.body
    if entry.kind is EntryKind.STATE:
        found = f"{body['from']} to {body['to']}: {body['why']}"
    elif entry.kind is EntryKind.JUDGED:
        found = str(body["outcome"])
    elif entry.kind is EntryKind.PROPOSED:
        found = f"{body['effect']}, on {', '.join(body['targets'])}"
    return found if len(found) <= _LONGEST_TOLD else found[: _LONGEST_TOLD - 1] + "…"


def _all(store: AutomationStore, run_id: str, last: int) -> Iterator[LedgerEntry]:
    after = 0
    while found := store.ledger(after, run_id, _PAGE):
        for one in found:
            if one.seq > last:
                return
            yield one
        after = found[-1].seq


def _faults_of_file(file: Path, key: bytes | None) -> tuple[list[LedgerFault], LedgerHead]:
    told: list[LedgerHead] = []
    faults, end = [], LedgerHead(0, "", "")
    try:
        with file.open(encoding="utf-8") as lines:
            for one in chain_faults(_read(file, lines, told)):
                if isinstance(one, LedgerHead):
                    end = one
                else:
                    faults.append(one)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: it cannot be read: {error}") from error
    if not told:
        faults.append(LedgerFault(end.count, "the file does not end with its head: it was cut"))
    elif (told[0].count, told[0].entry_hash) != (end.count, end.entry_hash):
        faults.append(
            LedgerFault(end.count, f"its head tells of {told[0].count} entries, and {end.count} are there")
        )
    elif key is not None and told[0].count and not head_holds(told[0], key):
        faults.append(LedgerFault(end.count, "its end is not sealed with this key"))
    return faults, end


def _read(file: Path, lines: Iterable[str], told: list[LedgerHead]) -> Iterator[LedgerEntry]:
    for number, line in enumerate(lines, 1):
        try:
            if told:
                raise ValueError("it comes after the head")
            if line.startswith('{"head":'):
                told.append(canonical.read(dict[str, LedgerHead], line)["head"])
            else:
                yield canonical.read(LedgerEntry, line)
        except ValueError as error:
            said = str(error).splitlines()[0]
            raise ConfigError(f"{file}: line {number} is no entry of a ledger: {said}") from error


def _key_of(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: it is no key of a ledger: {error}") from error

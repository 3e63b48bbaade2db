"""`petrel backup`: everything of an installation as one file, and whether such a file can be trusted."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.cli.console import counted, out, plain, progress_bar
from stormpetrel.cli.options import ConfigFile, DataDir, Json, stored_settings
from stormpetrel.errors import ConfigError
from stormpetrel.model.time import to_iso

if TYPE_CHECKING:
    from stormpetrel.app.backup.make import Made
    from stormpetrel.app.backup.manifest import Manifest
    from stormpetrel.app.backup.snapshot import Snapshot
    from stormpetrel.app.config import Config

backup_app = typer.Typer(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)

To = Annotated[Path | None, typer.Option("--to", help="folder, or a file that ends in .tar")]
Keep = Annotated[
    int, typer.Option("--keep", min=0, help="how many backups of this instance stay there; 0: all")
]


@backup_app.callback()
def backup(
    context: typer.Context,
    to: To = None,
    keep: Keep = 0,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write one file that holds everything of one moment, whether Storm Petrel runs or not.

    A running one goes on as usual: it holds a moment still, which takes milliseconds, and this process
    writes it down. The file appears whole and checked, or not at all, and nothing is replaced. It holds
    password hashes and tokens: keep it where nobody else reads. Telemetry on a ClickHouse server and a
    control store in PostgreSQL are theirs to back up, and are not in it.

    Examples:

      petrel backup --to /backup --keep 14

      petrel backup --to /backup/before-upgrade.tar --config petrel.toml

      petrel backup verify /backup/before-upgrade.tar

    Exit codes: 0 written, 1 failed, 2 an argument, 3 another program uses the data directory.
    """
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise ConfigError("say where the backup goes: --to /backup, or --to /backup/name.tar")
    chosen = stored_settings(config, data_dir)
    # The store's engine takes a second to load: other commands should not wait for it.
    from stormpetrel.app.backup.make import make, target_of  # noqa: PLC0415 - slow to load

    instance = chosen.instance or socket.gethostname()
    target = target_of(to, instance, SystemClock().now_unix_nano(), chosen.data_dir)
    with _snapshot(chosen, instance) as snapshot, progress_bar(quiet=as_json) as bar:
        task = bar.add_task("writing and checking", total=1.0)
        made = make(
            snapshot, target, keep, lambda done, all_: bar.update(task, completed=done, total=all_ or 1)
        )
    _say(made, as_json)


@backup_app.command()
def verify(
    archive: Annotated[Path, typer.Argument(help="file that petrel backup wrote")], as_json: Json = False
) -> None:
    """Read a backup from end to end and compare every checksum; nothing is written.

    It is the file that is checked. That its content can be used is shown by restoring it: petrel restore.

    Examples:

      petrel backup verify /backup/petrel-web-1-20260501T080000Z.tar

    Exit codes: 0 whole, 1 damaged, unfinished, not a backup, or of a newer program.
    """
    from stormpetrel.app.backup.restore import require_known  # noqa: PLC0415 - slow to load
    from stormpetrel.app.backup.unpack import opened  # noqa: PLC0415 - slow to load

    with opened(archive) as found, progress_bar(quiet=as_json) as bar:
        require_known(found.manifest.about)
        task = bar.add_task("checking", total=1.0)
        found.verify(lambda done, all_: bar.update(task, completed=done, total=all_ or 1))
        manifest = found.manifest
    if as_json:
        typer.echo(orjson.dumps(told_of(manifest, archive)).decode())
        return
    out().print(plain(f"{archive} is whole: {described(manifest)}"))


def told_of(manifest: Manifest, path: Path) -> dict[str, object]:
    """What a program wants to know of a backup."""
    about = manifest.about
    return {
        "archive": str(path),
        "instance": about.instance,
        "version": about.version,
        "moment": to_iso(about.moment_unix_nano),
        "files": len(manifest.files),
        "bytes": manifest.total_bytes,
        "telemetry_rows": dict(about.telemetry_rows),
        "holds_telemetry": about.telemetry_schema > 0,
        "holds_control": bool(about.control_revision),
    }


def described(manifest: Manifest) -> str:
    """The same for people, in one line."""
    about = manifest.about
    rows = counted(sum(about.telemetry_rows.values()), "row")
    size = f"{manifest.total_bytes / 1e6:.1f} MB"
    moment = to_iso(about.moment_unix_nano)
    text = f"{about.instance} as of {moment}, {len(manifest.files)} files, {size}, {rows}"
    missing = [
        name
        for name, there in (
            ("telemetry (a ClickHouse server keeps it)", about.telemetry_schema),
            ("the control store (another database keeps it)", about.control_revision),
        )
        if not there
    ]
    return f"{text}; without {' and '.join(missing)}" if missing else text


def _snapshot(config: Config, instance: str) -> AbstractContextManager[Snapshot]:
    """Of an installation that does not run, or else of the running one."""
    from stormpetrel.cli.backup_source import snapshot_of  # noqa: PLC0415 - slow to load

    return snapshot_of(config, instance)


def _say(made: Made, as_json: bool) -> None:
    if as_json:
        told = {**told_of(made.manifest, made.path), "removed": [str(path) for path in made.removed]}
        typer.echo(orjson.dumps(told).decode())
        return
    out().print(plain(f"{made.path}: {described(made.manifest)}"))
    for path in made.removed:
        out().print(plain(f"removed {path}"))

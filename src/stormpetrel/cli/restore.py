"""`petrel restore`: a backup into a new data directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from stormpetrel.cli.console import out, plain, progress_bar
from stormpetrel.cli.options import ConfigFile, Json, settings

if TYPE_CHECKING:
    from stormpetrel.app.backup.pack import Progress

_WORDS = {
    "verify": "checking the backup",
    "unpack": "unpacking",
    "telemetry": "attaching telemetry",
    "flush": "flushing to the device",
}


def restore(
    archive: Annotated[Path, typer.Argument(help="file that petrel backup wrote")],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", "-d", help="where it goes: empty, or not there yet", file_okay=False)
    ],
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Put a backup into a new data directory; an older one is brought up to this version.

    Every checksum is compared before anything is written. The directory appears whole at the very end, or
    not at all; nothing is ever replaced. Files from elsewhere, such as the topology, lie in
    restored-outside in it. Telemetry past its retention goes with the first start, as it would have gone.

    Examples:

      petrel restore /backup/petrel-web-1-20260501T080000Z.tar --data-dir /var/lib/petrel-restored

      petrel up --data-dir /var/lib/petrel-restored

    Exit codes: 0 restored, 1 the backup or the directory is not fit, 2 an argument.
    """
    chosen = settings(config)
    # The store's engine takes a second to load: other commands should not wait for it.
    from stormpetrel.app.backup import restore as restoring  # noqa: PLC0415 - slow to load
    from stormpetrel.cli.backup import described, told_of  # noqa: PLC0415 - slow to load

    with progress_bar(quiet=as_json) as bar:
        task = bar.add_task("", total=1.0)

        def step(name: str) -> Progress:
            bar.reset(task, description=_WORDS[name], total=1.0)
            return lambda done, total: bar.update(task, completed=done, total=total or 1)

        done = restoring.restore(archive, data_dir, chosen.store.memory_bytes, step)
    if as_json:
        told = {**told_of(done.manifest, archive), "data_dir": str(done.data_dir), "outside": done.outside}
        typer.echo(orjson.dumps(told).decode())
        return
    out().print(plain(f"{done.data_dir}: {described(done.manifest)}"))
    for name in done.outside:
        out().print(plain(f"lies apart, put it where your configuration names it: restored-outside/{name}"))
    out().print(plain(f"Start it with: petrel up --data-dir {done.data_dir}"))

"""Making backups: of an installation that does not run, where the archive goes, and which are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.store.freeze import freeze, reached
from stormpetrel.adapters.store.inprocess import DirectoryLock, open_inprocess
from stormpetrel.app.backup.manifest import Manifest
from stormpetrel.app.backup.pack import Progress, pack
from stormpetrel.app.backup.snapshot import CONTROL, Owned, Snapshot, snapshots, take
from stormpetrel.app.backup.unpack import opened
from stormpetrel.app.config import Config
from stormpetrel.errors import ArchiveError, ConfigError, NotFoundError
from stormpetrel.model.time import to_iso

_NAME = re.compile(r"petrel-[a-z0-9-]{1,64}-[0-9]{8}T[0-9]{6}Z\.tar")


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made, and which older ones went for it."""

    path: Path
    manifest: Manifest
    removed: tuple[Path, ...]


def control_file(config: Config) -> Path | None:
    """The SQLite file of the control store; None when another database keeps it.

    Raises:
        ConfigError: its address cannot be read.
    """
    if not config.store.control_url:
        return config.data_dir.resolve() / CONTROL
    try:
        url = make_url(config.store.control_url)
    except ArgumentError:
        raise ConfigError("store.control_url: not an SQLAlchemy URL") from None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def outside_files(config: Config) -> tuple[Path, ...]:
    """Files elsewhere that belong to an installation."""
    return (Path(config.topology.file),) if config.topology.file else ()


@contextmanager
def stopped_snapshot(config: Config, instance: str) -> Iterator[Snapshot]:
    """A snapshot of an installation that does not run; it may be started again while this is read.

    Raises:
        ConfigError: nothing was ever kept there.
        StoreLockedError: it runs.
        StoreError: a store cannot be read.
    """
    if not config.store.url and not (config.data_dir / "telemetry" / "engine").is_dir():
        raise ConfigError(
            f"{config.data_dir}: nothing was ever kept there; name the right one with --data-dir"
        )
    with ExitStack() as locked:
        lock = DirectoryLock(config.data_dir / "spill")
        locked.callback(lock.release)
        for left in snapshots(config.data_dir):
            if not left.in_use:
                left.remove()
        snapshot = _take_stopped(config, instance)
        try:
            with snapshot.held():
                locked.close()
                yield snapshot
        finally:
            snapshot.remove()


def _take_stopped(config: Config, instance: str) -> Snapshot:
    now = SystemClock().now_unix_nano()
    owned = Owned(config.data_dir, instance, control_file(config), None, 0, outside_files(config))
    if config.store.url:
        return take(owned, now, _at_once, running=False)
    connections, lock = open_inprocess(config.data_dir / "telemetry", config.store.memory_bytes)
    try:
        local = Owned(
            owned.data_dir, instance, owned.control,
            lambda into: freeze(connections, into), reached(connections), owned.outside,
        )  # fmt: skip
        return take(local, now, _at_once, running=False)
    finally:
        connections.close()
        lock.release()


def _at_once(ask: Callable[[], None]) -> None:
    """Nothing runs, so nothing has to be held up."""
    ask()


def target_of(to: Path, instance: str, now_unix_nano: int, data_dir: Path) -> Path:
    """Where the archive goes: a file as named (`.tar`), or a name of its own in a folder.

    Raises:
        ConfigError: no such folder, or one inside the data directory.
    """
    chosen = to.absolute()
    if not chosen.is_dir():
        if chosen.suffix != ".tar":
            raise ConfigError(f"{to}: no such folder; make it, or name a file that ends in .tar")
        if not chosen.parent.is_dir():
            raise ConfigError(f"{chosen.parent}: no such folder; make it or give another --to")
    else:
        stamp = to_iso(now_unix_nano)[:19].replace("-", "").replace(":", "")
        chosen = chosen / f"petrel-{slug(instance)}-{stamp}Z.tar"
    if chosen.resolve().is_relative_to(data_dir.resolve()):
        raise ConfigError(f"{to} is inside the data directory, which it is a backup of: give another --to")
    return chosen


def slug(instance: str) -> str:
    """A name as part of a file's name.

    >>> slug("Web 1.example"), slug("…")
    ('web-1-example', 'petrel')
    """
    return re.sub(r"[^a-z0-9]+", "-", instance.lower()).strip("-")[:64] or "petrel"


def make(snapshot: Snapshot, target: Path, keep: int, told: Progress) -> Made:
    """Pack a snapshot that is held, then let older backups go.

    Args:
        keep: how many backups of this instance may stay in the folder, this one among them; 0: all.

    Raises:
        StateError: `target` exists.
        ArchiveError: it cannot be written.
    """
    manifest = pack(snapshot.tree, snapshot.about(), target, told)
    removed = prune(target.parent, manifest.about.instance, keep) if keep else ()
    return Made(target, manifest, removed)


def prune(folder: Path, instance: str, keep: int) -> tuple[Path, ...]:
    """Remove the oldest backups of an instance beyond `keep`.

    Only files under names that `target_of` gives, whose manifest can be read and names the instance, are
    counted, and only those are removed: what is damaged counts for nothing and stays for a person to see.
    """
    found = []
    for path in folder.iterdir():
        if not _NAME.fullmatch(path.name):
            continue
        try:
            with opened(path) as archive:
                about = archive.manifest.about
        except (ArchiveError, NotFoundError):
            continue
        if about.instance == instance:
            found.append((about.moment_unix_nano, path))
    old = [path for _, path in sorted(found, reverse=True)[keep:]]
    for path in old:
        path.unlink(missing_ok=True)
    return tuple(old)

"""One moment of a data directory as a folder: links to what never changes, copies of the rest."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import orjson

from stormpetrel import __version__
from stormpetrel.adapters.store.control_copy import PinnedDatabase
from stormpetrel.app.backup.manifest import About, about_of
from stormpetrel.errors import ArchiveError, StateError, StoreError, StoreFullError

FOLDER = "snapshots"
CONTROL = "control.sqlite"
TOKEN_FILE = "backup.token"  # noqa: S105 - a file name
ADDRESS = "server.address"  # where the server that runs on a data directory answers
_ID = re.compile(r"[0-9a-f]{32}")
_TREE, _ABOUT, _HELD = "tree", "about.json", "held"
# Kept in another way, or of a running process only.
APART = frozenset({"telemetry", FOLDER, CONTROL, ADDRESS})
_DATABASES = (".sqlite", ".sqlite3", ".db")
_PASSING = (".lock", ".part", ".partial", ".unfinished", "-wal", "-shm", "-journal")
_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP})

T = TypeVar("T")
# Asks something while nothing is written to the stores; see `desk.py`.
Hold = Callable[[Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class Owned:
    """What an installation has to keep.

    Attributes:
        data_dir: its data directory.
        instance: its name.
        control: the file of the control store; None when another database keeps it.
        freeze: puts the telemetry into a folder, gives the rows by table; None when a server keeps it.
        telemetry_schema: migration of the telemetry's tables; 0 without `freeze`.
        outside: files elsewhere that it reads, such as the topology.
    """

    data_dir: Path
    instance: str
    control: Path | None
    freeze: Callable[[Path], dict[str, int]] | None
    telemetry_schema: int
    outside: tuple[Path, ...] = ()


class Snapshot:
    """The folder of one moment, in `data_dir/snapshots`."""

    def __init__(self, data_dir: Path, snapshot_id: str) -> None:
        if not _ID.fullmatch(snapshot_id):
            raise StateError(f"{snapshot_id[:60]!r} names no snapshot")
        self.snapshot_id = snapshot_id
        self.folder = data_dir / FOLDER / snapshot_id

    @property
    def tree(self) -> Path:
        """The files, under the names that they have in an archive."""
        return self.folder / _TREE

    def about(self) -> About:
        """What is said of the moment.

        Raises:
            ArchiveError: the folder is gone, or was not finished.
        """
        try:
            return about_of((self.folder / _ABOUT).read_bytes())
        except OSError as error:
            raise ArchiveError(
                f"{self.folder}: the snapshot is gone or unfinished: {error.strerror}"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """For as long as it is read: nobody removes it.

        Raises:
            ArchiveError: it is gone, or another process holds it.
        """
        try:
            with (self.folder / _HELD).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except OSError as error:
            raise ArchiveError(f"{self.folder}: the snapshot is gone or in use: {error.strerror}") from error

    @property
    def in_use(self) -> bool:
        """Whether a process holds it."""
        with suppress(FileNotFoundError), (self.folder / _HELD).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def remove(self) -> None:
        """Away with it, whole or not."""
        shutil.rmtree(self.folder, ignore_errors=True)


def snapshots(data_dir: Path) -> list[Snapshot]:
    """All of a data directory, unfinished ones too."""
    folder = data_dir / FOLDER
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [Snapshot(data_dir, name) for name in names if _ID.fullmatch(name)]


def take(owned: Owned, now_unix_nano: int, hold: Hold, *, running: bool) -> Snapshot:
    """Hold a moment still.

    While `hold` asks, the control store's moment is pinned, telemetry is frozen and what waits in the spill
    is linked: milliseconds. The control store is copied, and all other files are linked, after it.

    Args:
        hold: calls what it is given while nothing is inserted and nothing is judged.

    Raises:
        StoreError: a store refuses, or there is no room.
    """
    snapshot = Snapshot(owned.data_dir, secrets.token_hex(16))
    rows: dict[str, int] = {}
    try:
        snapshot.folder.parent.mkdir(mode=0o700, exist_ok=True)
        snapshot.folder.mkdir(mode=0o700)
        snapshot.tree.mkdir(mode=0o700)
        (snapshot.folder / _HELD).touch(mode=0o600)
        with ExitStack() as stack:
            pinned: dict[Path, PinnedDatabase] = {}

            def moment() -> None:
                for place, path in _databases(owned):
                    pinned[place] = PinnedDatabase(path)
                    stack.callback(pinned[place].close)
                if owned.freeze is not None:
                    rows.update(owned.freeze(snapshot.tree / "telemetry"))
                _link_all(owned.data_dir / "spill", snapshot.tree / "files" / "spill")

            hold(moment)
            for place, database in pinned.items():
                (snapshot.tree / place).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                database.copy(snapshot.tree / place)
            control = pinned.get(Path(CONTROL))
            revision = control.revision() if control is not None else ""
        _link_rest(owned, snapshot.tree)
        about = About(
            __version__, owned.instance, now_unix_nano, running, revision, owned.telemetry_schema, rows
        )
        (snapshot.folder / _ABOUT).write_bytes(orjson.dumps(asdict(about)))
    except OSError as error:
        snapshot.remove()
        kind = StoreFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
        raise kind(f"{snapshot.folder}: no snapshot can be taken: {error.strerror}") from error
    except BaseException:
        snapshot.remove()
        raise
    return snapshot


def _databases(owned: Owned) -> Iterator[tuple[Path, Path]]:
    """The place in the archive and the file of every SQLite database, those of actuators in folders too."""
    if owned.control is not None:
        yield Path(CONTROL), owned.control
    for folder, folders, names in os.walk(owned.data_dir):
        inside = Path(folder).relative_to(owned.data_dir)
        if not inside.parts:
            folders[:] = [name for name in folders if name not in APART]
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            apart = (not inside.parts and name in APART) or name.startswith(".")
            if path.suffix in _DATABASES and not apart and path.is_file():
                yield Path("files", inside, name), path


def _link_rest(owned: Owned, tree: Path) -> None:
    for path in sorted(owned.data_dir.iterdir()):
        if path.name in APART or path.name == "spill":
            continue
        if path.is_dir():
            _link_all(path, tree / "files" / path.name)
        elif path.suffix not in _DATABASES:
            _link(path, tree / "files" / path.name)
    for path in owned.outside:
        _link(path.resolve(), tree / "outside" / path.name)


def _link_all(folder: Path, into: Path) -> None:
    for inside, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(inside, name)
            if path.suffix not in _DATABASES:  # those are copied at one moment
                _link(path, into / path.relative_to(folder))


def _link(path: Path, to: Path) -> None:
    """A second name for a regular file; where that cannot be, a copy. What is gone by now was passing."""
    if path.name.startswith(".") or path.name.endswith(_PASSING) or not path.is_file():
        return
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileNotFoundError):
        try:
            os.link(path, to, follow_symlinks=True)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(path, to)

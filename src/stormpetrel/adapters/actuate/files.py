"""Disk space of this host: remove what was declared disposable, and turn logs over.

`files.free` removes regular files beneath a declared folder, that match a declared pattern and have not been
changed for a declared time; oldest first, a bounded number at once, listed before the first goes. Links are
never followed and never removed through; other file systems beneath the folder are not entered. What is
disposable is the operator's word, so the action counts as destructive until the section says otherwise.

`logs.rotate` renames a log and signals its writer to open a new one, as logrotate does; it removes nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError
from stormpetrel.adapters.actuate.process import signal_program
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place, Settings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

MAX_SEEN = 200_000  # entries that are looked at in one area
AREA = ParameterSchema("area", "text", True, pattern=r"[a-z][a-z0-9_-]{0,39}")
# Folders that hold a system together: an area lies deeper than these, or elsewhere.
_SYSTEM = """
    / /bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /usr /var
    /var/lib /var/log /var/spool /usr/bin /usr/lib /usr/local /usr/sbin /usr/share
"""
_NEVER = frozenset(_SYSTEM.split())


class AreaSettings(Settings):
    """Files that nobody misses."""

    folder: Path = Field(description="where they are, as a whole path without links")
    patterns: list[str] = Field(min_length=1, max_length=50, description="of paths beneath it, with * and ?")
    older_seconds: float = Field(86_400.0, ge=60, description="not changed for so long")
    most_files: int = Field(1000, ge=1, le=100_000, description="removed at once, the oldest first")

    @field_validator("folder")
    @classmethod
    def _is_deep(cls, folder: Path) -> Path:
        if not folder.is_absolute() or ".." in folder.parts or str(folder) in _NEVER:
            raise ValueError(f"{folder}: give a whole path beneath the folders of the system itself")
        return folder

    @field_validator("patterns")
    @classmethod
    def _say_something(cls, patterns: list[str]) -> list[str]:
        wrong = [one for one in patterns if not one.strip("*?/.") or one.startswith("/") or ".." in one]
        if wrong:
            raise ValueError(f"{wrong[0]!r}: a pattern names something, as in *.tmp or cache/*.bin")
        return patterns


class LogSettings(Settings):
    """A log that can be turned over."""

    path: Path = Field(description="the file")
    pid_file: Path = Field(description="where its writer's pid stands")
    program: str = Field(min_length=1, max_length=100, description="the writer's name, to know its process")
    signal: Literal["HUP", "USR1", "USR2"] = Field("HUP", description="makes it open its log anew")


class FilesTarget(Settings):
    """A file system, and what may be done on it."""

    path: Path = Field(description="a folder on it")
    areas: dict[str, AreaSettings] = Field(default_factory=dict, max_length=100, description="by name")
    logs: dict[str, LogSettings] = Field(default_factory=dict, max_length=100, description="by name")


class FilesSettings(ActuatorSettings):
    """File systems of this host."""

    effect: Literal["disruptive", "destructive"] = Field(
        "destructive", description="what removing counts as; disruptive: all areas hold nothing but waste"
    )
    targets: dict[str, FilesTarget] = Field(min_length=1, max_length=MAX_TARGETS, description="by entity")


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    changed: float
    path: str
    size: int


class FilesActuator(BaseActuator):
    """Removes disposable files, turns logs over.

    Removing what remains after a crash is not removing twice: an area that still has files counts as not
    done. Needs the right to write in these folders and to signal the writers. Costs a walk over an area.
    """

    Settings = FilesSettings

    def __init__(self, place: Place, settings: FilesSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._of = settings.targets
        self._schemas = (
            ActionSchema("files.free", EffectClass[settings.effect.upper()], "files", (AREA,), "", False),
            ActionSchema("logs.rotate", EffectClass.DISRUPTIVE, "logs", (AREA,), "", False),
        )

    def actions(self) -> tuple[ActionSchema, ...]:
        """What it offers; the section says what removing counts as."""
        return self._schemas

    @override  # file systems answer at once
    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        path = self._of[entity].path
        try:
            device, space = path.stat().st_dev, os.statvfs(path)
        except OSError as error:
            raise ActuatorError(f"{path} cannot be read: {error.strerror}") from None
        return LiveTarget(entity, True, f"device {device}", space.f_bavail > 0, None)

    def _unfit(self, action: Action) -> str:
        area = action.parameter("area")
        for target in action.targets:
            of = self._of[target.entity]
            if area not in (of.areas if action.kind == "files.free" else of.logs):
                return "the area is not one of the target's; see its section"
        return ""

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        name = str(order.action.parameter("area"))
        if order.action.kind == "logs.rotate":
            return self._rotate(self._of[target.entity].logs[name], order.key, deadline)
        area = self._of[target.entity].areas[name]
        chosen = _candidates(area, time.time(), deadline)[: area.most_files]
        removed, size = 0, 0
        for one in chosen:
            if removed:
                deadline.check()
            if _remove(area.folder, one):
                removed, size = removed + 1, size + one.size
        names = tuple(("removed", one.path) for one in chosen[:20])
        return Effect(f"{removed} files of {size} bytes removed", (("bytes", str(size)), *names))

    @override  # the files tell
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        name = str(order.action.parameter("area"))
        if order.action.kind == "logs.rotate":
            path = self._of[target.entity].logs[name].path
            return any(path.parent.glob(f"{path.name}.*-{_mark(order.key)}"))
        return not _candidates(self._of[target.entity].areas[name], time.time(), deadline)

    def _rotate(self, log: LogSettings, key: str, deadline: Deadline) -> Effect:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        turned = f"{log.path.name}.{moment}-{_mark(key)}"
        try:
            folder = os.open(log.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                found = os.stat(log.path.name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode):
                    raise NotDoneError(f"{log.path} is no regular file")
                os.rename(log.path.name, turned, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise NotDoneError(f"{log.path} cannot be renamed: {error.strerror}") from None
        try:
            signal_program(log.pid_file, log.program, log.signal)
        except NotDoneError as error:  # renamed by now
            raise ActuatorError(f"renamed to {turned}, and its writer was not told: {error}") from None
        while not log.path.exists():
            deadline.check()
            time.sleep(0.02)
        return Effect(f"turned over to {turned}", (("bytes", str(found.st_size)),))


def _candidates(area: AreaSettings, now: float, deadline: Deadline) -> list[_Found]:
    """What may be removed, the oldest first."""
    if str(area.folder.resolve()) != str(area.folder):
        raise NotDoneError(f"{area.folder} leads through a link; give the folder itself")
    try:
        found = [one for one in _walk(area.folder, deadline) if now - one.changed >= area.older_seconds]
    except OSError as error:
        raise NotDoneError(f"{area.folder} cannot be read: {error.strerror}") from None
    return sorted(one for one in found if any(fnmatchcase(one.path, pattern) for pattern in area.patterns))


def _walk(folder: Path, deadline: Deadline) -> Iterator[_Found]:
    """Regular files with one name beneath a folder, on its own file system, through descriptors."""
    device = folder.stat().st_dev
    seen = 0
    for place, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        deadline.check()
        folders[:] = [one for one in folders if _lies_on(one, descriptor, device)]
        for name in names:
            seen += 1
            if seen > MAX_SEEN:
                raise NotDoneError(f"{folder} has more than {MAX_SEEN} files; declare smaller areas")
            try:
                of = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(of.st_mode) and of.st_nlink == 1 and of.st_dev == device:
                changed = max(of.st_mtime, of.st_ctime)
                yield _Found(changed, os.path.relpath(os.path.join(place, name), folder), of.st_size)  # noqa: PTH118 texts of fwalk


def _lies_on(name: str, descriptor: int, device: int) -> bool:
    try:
        of = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(of.st_mode) and of.st_dev == device


def _remove(folder: Path, one: _Found) -> bool:
    """Remove a file that still is what was listed, following no link on the way; False when it is not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        *parents, name = Path(one.path).parts
        for parent in parents:
            deeper = os.open(
                parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor
            )
            os.close(descriptor)
            descriptor = deeper
        of = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if not stat.S_ISREG(of.st_mode) or max(of.st_mtime, of.st_ctime) != one.changed:
            return False
        os.unlink(name, dir_fd=descriptor)
    except OSError:
        return False  # gone, turned into a link, or not ours to remove
    finally:
        os.close(descriptor)
    return True


def _mark(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]

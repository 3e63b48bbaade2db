"""The running server's part of a backup: it holds a moment still; whoever asked packs it."""

from __future__ import annotations

import threading
import time

import structlog

from stormpetrel.app.backup.snapshot import Hold, Owned, Snapshot, snapshots, take
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.ports.clock import Clock

log = structlog.get_logger(__name__)

# Whoever asked begins to read within this; from then on its lock says so.
_GRACE_SECONDS = 120.0


class SnapshotDesk:
    """Takes and removes snapshots of a running installation, one at a time.

    A snapshot holds links: what the stores delete later still takes room. So one that nobody reads goes
    with the next `sweep`.

    Args:
        owned: what there is.
        hold: calls what it is given while nothing is inserted and nothing is judged.
    """

    def __init__(self, owned: Owned, clock: Clock, hold: Hold) -> None:
        self._owned = owned
        self._clock = clock
        self._hold = hold
        self._busy = threading.Lock()
        self._handed_out: dict[str, float] = {}

    def take(self, actor: str) -> Snapshot:
        """A new snapshot, for a process on this host to read.

        Raises:
            StateError: another one is being taken, or read.
            StoreError: a store refuses, or there is no room.
        """
        if not self._busy.acquire(blocking=False):
            raise StateError("a snapshot is being taken already; try again when it is done")
        try:
            self._sweep()
            if snapshots(self._owned.data_dir):
                raise StateError("another backup is being made; try again when it is done")
            began = time.monotonic()
            snapshot = take(self._owned, self._clock.now_unix_nano(), self._hold, running=True)
            self._handed_out = {snapshot.snapshot_id: time.monotonic()}
            seconds = round(time.monotonic() - began, 3)
            log.info("snapshot_taken", snapshot=snapshot.snapshot_id, by=actor, seconds=seconds)
            return snapshot
        finally:
            self._busy.release()

    def release(self, snapshot_id: str) -> None:
        """Remove a snapshot that was read.

        Raises:
            NotFoundError: there is none of this id.
            StateError: somebody reads it.
        """
        known = {one.snapshot_id: one for one in snapshots(self._owned.data_dir)}
        if snapshot_id not in known:
            raise NotFoundError(f"there is no snapshot {snapshot_id[:60]}")
        if known[snapshot_id].in_use:
            raise StateError(f"the snapshot {snapshot_id} is being read")
        known[snapshot_id].remove()
        log.info("snapshot_released", snapshot=snapshot_id)

    def sweep(self) -> None:
        """Remove what nobody reads: of an earlier process, or of a reader that died."""
        if self._busy.acquire(blocking=False):  # else one is being taken, which nobody reads yet
            try:
                self._sweep()
            finally:
                self._busy.release()

    def _sweep(self) -> None:
        for one in snapshots(self._owned.data_dir):
            handed_out = self._handed_out.get(one.snapshot_id)
            fresh = handed_out is not None and time.monotonic() - handed_out < _GRACE_SECONDS
            if not fresh and not one.in_use:
                one.remove()
                log.info("snapshot_swept", snapshot=one.snapshot_id)

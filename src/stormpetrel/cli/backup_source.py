"""Where a backup's moment comes from: the stopped installation itself, or the server that runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import orjson

from stormpetrel.app.backup.make import stopped_snapshot
from stormpetrel.app.backup.snapshot import ADDRESS, TOKEN_FILE, Snapshot
from stormpetrel.app.config import Config
from stormpetrel.errors import StateError, StoreError, StoreLockedError

# Freezing waits for an insert under way, and the control store is copied: seconds, for a large one a minute.
_TIMEOUT_SECONDS = 600.0


@contextmanager
def snapshot_of(config: Config, instance: str) -> Iterator[Snapshot]:
    """A snapshot that nobody removes meanwhile; gone at the end.

    Raises:
        StoreLockedError: another program uses the data directory, and no server on it answers.
        StateError: the server makes another backup, or is not ready.
        StoreError: a store cannot be read.
    """
    with ExitStack() as stack:
        try:
            snapshot = stack.enter_context(stopped_snapshot(config, instance))
        except StoreLockedError as locked:
            snapshot = stack.enter_context(_running_snapshot(config.data_dir, locked))
        yield snapshot


@contextmanager
def _running_snapshot(data_dir: Path, locked: StoreLockedError) -> Iterator[Snapshot]:
    try:
        address = (data_dir / ADDRESS).read_text(encoding="ascii").strip()
        token = (data_dir / TOKEN_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise locked from None
    with httpx.Client(
        base_url=address,
        timeout=_TIMEOUT_SECONDS,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    ) as server:
        snapshot = _asked(server, address, data_dir, locked)
        try:
            with snapshot.held():
                yield snapshot
        finally:
            try:
                server.delete(f"/api/v1/snapshots/{snapshot.snapshot_id}")
            except httpx.HTTPError:  # it stopped meanwhile; the links are ours to remove
                snapshot.remove()


def _asked(server: httpx.Client, address: str, data_dir: Path, locked: StoreLockedError) -> Snapshot:
    try:
        answer = server.post("/api/v1/snapshots")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StoreLockedError(
            f"{locked}; if that is a Storm Petrel, it does not answer at {address} ({error})"
        ) from None
    try:
        told = orjson.loads(answer.content)
        if answer.status_code == 201:
            return Snapshot(data_dir, str(told["snapshot"]))
        message = str(told["error"]["message"])
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"{address}: the answer {answer.status_code} is not that of a Storm Petrel"
        ) from None
    kind = StateError if answer.status_code in (409, 429) else StoreError
    raise kind(f"{address}: no backup now: {message}")

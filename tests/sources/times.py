"""The function with which the running system finds the times of lines."""

from __future__ import annotations

from datetime import UTC

from stormpetrel.ingest.timestamps import find_timestamp


def find_time(line: bytes, observed_unix_nano: int) -> tuple[int, int] | None:
    return find_timestamp(line, UTC, observed_unix_nano)

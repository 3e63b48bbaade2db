"""The past of stores of automation, in their SQLite files: it would take long to live through it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def touches(directory: Path, *acts: tuple[str, int, int], entity: str = "service:a") -> None:
    """Acts of other runs on an entity, the oldest first, as (run, time, direction).

    They count as older than whatever the store of this directory does itself.
    """
    wanted = (
        "INSERT INTO automation_touches (seq, entity, run_id, time_unix_nano, direction) VALUES (?,?,?,?,?)"
    )
    rows = [(place - len(acts), entity, *one) for place, one in enumerate(acts)]
    with closing(sqlite3.connect(directory / "control.db")) as database, database:
        database.executemany(wanted, rows)


def copies(directory: Path, run_id: str, count: int) -> None:
    """More runs that are in everything but their ids like one that has ended, and ended later."""
    kept = columns(directory, run_id)
    names, marks = ", ".join(kept), ", ".join(f":{one}" for one in kept)
    with closing(sqlite3.connect(directory / "control.db")) as database, database:
        database.executemany(
            f"INSERT INTO automation_runs ({names}) VALUES ({marks})",
            [kept | {"run_id": f"{run_id}{one}", "ended_seq": 1000 + one} for one in range(count)],
        )


def columns(directory: Path, run_id: str) -> dict[str, object]:
    """How a run stands in the database."""
    with closing(sqlite3.connect(directory / "control.db")) as database:
        database.row_factory = sqlite3.Row
        wanted = "SELECT * FROM automation_runs WHERE run_id = ?"
        return dict(database.execute(wanted, (run_id,)).fetchone())

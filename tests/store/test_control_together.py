"""Writers of one control store wait for each other, whatever they read before they write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stormpetrel.adapters.store import open_control_store
from stormpetrel.errors import StoreError
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Once
from stormpetrel.model.similar import Fingerprint
from stormpetrel.ports.control import ControlStore

_ENTRY = CalendarEntry("e", EntryKind.FREEZE, "t", ("*",), Once(1, 2), "page")
WRITES: dict[str, Callable[[ControlStore], object]] = {
    "save_entry": lambda store: store.save_entry(_ENTRY),
    "save_fingerprints": lambda store: store.save_fingerprints([Fingerprint("i", 1, (), False)]),
    "save_backtest": lambda store: store.save_backtest("b", 1, {}),
}


@pytest.mark.parametrize("name", WRITES)
def test_one_that_reads_before_it_writes_waits_for_others(name: str, tmp_path: Path) -> None:
    store = open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}")
    stop, faults = threading.Event(), []

    def write_forever() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            try:
                store.put("key", str(count))
            except StoreError as error:
                faults.append(error)
                return

    thread = threading.Thread(target=write_forever)
    thread.start()
    try:
        for _ in range(150):
            WRITES[name](store)
    finally:
        stop.set()
        thread.join()
        store.close()
    assert faults == []

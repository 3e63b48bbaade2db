"""One authenticated sender cannot take all memory: not by inventing sources, not by long texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.intake import FailingStore, Intake, logs

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.errors import OverloadedError
from stormpetrel.ingest.remote_write_labels import MetricFamilies
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry


def test_series_are_bounded_over_all_sources() -> None:
    registry = SeriesRegistry(max_series_per_source=10, max_series=25)
    ids = [registry.intern("m", {"n": str(n)}, f"source{n}") for n in range(40)]
    assert ids == [*range(25), *[REFUSED_SERIES] * 15]
    assert registry.intern("m", {"n": "3"}, "another") == 3, "what is known stays known"
    assert len(registry.by_source()) == 25


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    store = FailingStore.over(open_store(Config().store, tmp_path))
    one = Intake(store)
    yield one
    one.stop()
    store.close()


def test_the_queue_is_bounded_in_bytes_too(intake: Intake) -> None:
    store, writer = intake.store, intake.writer
    assert isinstance(store, FailingStore)
    writer.queue.capacity_bytes = 2_500_000
    store.gate.clear()
    text = "x" * 1_000_000
    waiting = [writer.logs(logs(n + 1, [text]), "t") for n in range(2)]
    with pytest.raises(OverloadedError, match="bytes"):
        writer.logs(logs(9, [text]), "t")
    store.gate.set()
    for one in waiting:
        one.result(20)
    writer.logs(logs(9, [text]), "t").result(20)


def test_what_metadata_may_concern_is_bounded() -> None:
    families = MetricFamilies(SeriesRegistry(), max_series=100)
    for n in range(1000):
        families.remember(f"source{n}", "m", 1)
    assert sum(map(len, families._series.values())) == 100


def test_long_labels_are_bounded_by_their_bytes_and_leave_room_for_other_sources() -> None:
    registry = SeriesRegistry(max_text_bytes=10_000)
    long = "x" * 990
    given = [registry.intern("m", {"id": f"{long}{n:03}"}, "greedy") for n in range(20)]
    assert given == [0, 1, 2, 3, 4] + 15 * [REFUSED_SERIES], "half of the bytes for one source"
    assert registry.intern("m", {"id": f"{long}003"}, "greedy") == 3, "what is known stays known"
    assert registry.intern("short", {}, "greedy") == 5
    other = [registry.intern("m", {"id": f"{long}{n:03}"}, "modest") for n in range(20, 25)]
    assert REFUSED_SERIES not in other[:4]
    assert registry.intern("m", {"id": "é" * 400}, "third") == REFUSED_SERIES, "all of them together"

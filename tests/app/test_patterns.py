"""Patterns of an installation: given to records, kept on disk, and the same after a kill."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from stormpetrel.adapters.store import open_store
from stormpetrel.app.config import Config, StoreConfig
from stormpetrel.app.pattern_file import PatternFile
from stormpetrel.app.patterns import PatternBook
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.detect.logs.rare_value import RareValue
from stormpetrel.errors import StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.pattern import LogLines, Mined
from stormpetrel.model.signal import LogBatch
from stormpetrel.patterns.miner import TemplateMiner
from stormpetrel.ports.store import TelemetryStore

T0 = 1_750_000_000_000_000_000
SECOND = 1_000_000_000


def batch(first: int, rows: int, at: int = T0) -> LogBatch:
    return build_logs(
        [at + k * SECOND for k in range(rows)],
        [
            f"request {first + k} of user{k} took {k} ms" if k % 3 else f"cache {k} flushed"
            for k in range(rows)
        ],
        source="files",
        entity="host:a",
    )


def ids(found: LogBatch) -> list[int]:
    pattern: list[int] = found.records.column("pattern").to_pylist()
    return pattern


def test_every_record_gets_its_pattern_and_nothing_else_changes() -> None:
    book, before = PatternBook(), batch(0, 400)
    after = book.mine(before)
    assert all(ids(after))
    assert after.records.drop_columns(["pattern"]).equals(before.records.drop_columns(["pattern"]))
    today = set(book.resolve(ids(after)).values())
    assert len(today) == 2
    assert {pattern.source for pattern in book.describe(today).values()} == {"files/host"}


def test_all_names_of_a_pattern_lead_to_it() -> None:
    book = PatternBook()
    given = [one for k in range(30) for one in ids(book.mine(batch(k * 100, 40)))]
    for pattern in set(book.resolve(given).values()):
        names = book.named(pattern)
        assert names[0] == pattern
        assert {one for one in given if book.resolve([one])[one] == pattern} <= set(names)
        found = book.find(names[-1])
        assert found is not None
        assert found.id == pattern


def test_the_values_of_a_line_reach_the_detector_that_reads_them() -> None:
    pipeline = Pipeline(Config(), SeriesRegistry())
    (rare,) = [one for one in pipeline.log_detectors if isinstance(one, RareValue)]
    pipeline.judge_logs(pipeline.mine(batch(0, 200)))
    assert any(each.variables for each in rare._patterns.values())


def test_a_miner_that_fails_does_not_cost_a_record() -> None:
    class Broken(TemplateMiner):
        def update(self, lines: LogLines) -> Mined:
            raise RuntimeError("defect")

    book, before = PatternBook(Broken()), batch(0, 5)
    assert book.mine(before) is before
    assert book.failures_total == 1


def restored(path: Path, book: PatternBook, store: TelemetryStore, now: int) -> PatternFile:
    """The file, and what was stored since."""
    file = PatternFile(path, 60.0)
    file.restore(book, now)
    file.catch_up(book, store)
    return file


def test_a_kill_between_two_snapshots_loses_no_pattern(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path / "data")
    path = tmp_path / "models" / "patterns.json.gz"
    live, file = PatternBook(), PatternFile(path, 60.0)
    now = T0 + 3600 * SECOND
    for number, at in enumerate((now - 600 * SECOND, now - 300 * SECOND, now + 100 * SECOND)):
        mined = live.mine(batch(number * 1000, 200, at))
        store.insert_logs(mined, f"batch-{number}")
        if number == 1:
            file.tick(live, now)
            file.tick(live, now + 60 * SECOND)
            file.close(live, now)  # written with the time it was taken at
    again = PatternBook()
    restored(path, again, store, now + 400 * SECOND)
    before = {one.id: (one.lines, one.first_unix_nano) for one in live._miner.patterns()}
    after = {one.id: (one.lines, one.first_unix_nano) for one in again._miner.patterns()}
    assert after == before != {}
    assert ids(again.mine(batch(9, 50))) == ids(live.mine(batch(9, 50)))
    store.close()


def test_records_that_come_while_the_past_is_mined_have_the_same_patterns(tmp_path: Path) -> None:
    """The start does not wait for it: new records are mined first, old ones after them."""
    store = open_store(StoreConfig(), tmp_path / "data")
    live, file = PatternBook(), PatternFile(tmp_path / "patterns.json.gz", 60.0)
    past = batch(0, 600)
    store.insert_logs(live.mine(past), "past")
    new = batch(9, 40, T0 + 700 * SECOND)
    expected = set(live.resolve(ids(live.mine(new))).values())
    again = PatternBook()
    file.restore(again, T0 + 650 * SECOND)
    assert again.sizes().patterns == 0
    early = ids(again.mine(new))
    file.catch_up(again, store)
    assert set(again.resolve(early).values()) == expected
    firsts = [
        {found.first_unix_nano for one in expected if (found := book.find(one))} for book in (live, again)
    ]
    assert firsts[0] == firsts[1]
    assert len(firsts[0]) == 2
    store.close()


def test_what_was_not_mined_after_a_failure_is_mined_at_the_next_try(tmp_path: Path) -> None:
    store = open_store(StoreConfig(), tmp_path / "data")
    for number in range(4):
        store.insert_logs(batch(1000 * number, 50, T0 + 400 * number * SECOND), f"batch-{number}")

    class Failing(PatternBook):
        """Fails at the third batch, once."""

        mined, failed = 0, False

        def mine(self, batch: LogBatch) -> LogBatch:
            if self.mined >= 100 and not self.failed:
                self.failed = True
                raise StoreError("gone for a moment")
            self.mined += len(batch)
            return super().mine(batch)

    book, path = Failing(), tmp_path / "patterns.json.gz"
    file = PatternFile(path, 60.0)
    file.restore(book, T0 + 2000 * SECOND)
    with pytest.raises(StoreError):
        file.catch_up(book, store)
    file.close(book, T0 + 2000 * SECOND)
    assert not path.exists()  # half a past would stand for the whole one
    file.catch_up(book, store)
    file.catch_up(book, store)
    assert book.mined == 200
    file.close(book, T0 + 2000 * SECOND)
    assert path.exists()
    store.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{"),
        gzip.compress(orjson.dumps({"format": 1}))[:-12] + b"damaged, damaged",
        gzip.compress(orjson.dumps({"format": 99})),
        gzip.compress(orjson.dumps({"format": 1, "taken_unix_nano": 1, "miner": "other", "state": {}})),
        gzip.compress(
            orjson.dumps({"format": 1, "taken_unix_nano": 1, "miner": "template", "state": {"version": 1}})
        ),
    ],
    ids=["empty", "no gzip", "cut", "damaged", "newer", "another miner", "half a state"],
)
def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path, content: bytes) -> None:
    store = open_store(StoreConfig(), tmp_path / "data")
    store.insert_logs(batch(0, 50), "stored")
    path = tmp_path / "patterns.json.gz"
    path.write_bytes(content)
    book = PatternBook()
    restored(path, book, store, T0 + 100 * SECOND)
    assert not path.exists()
    assert path.with_suffix(".unreadable").exists()
    assert book.sizes().patterns > 0  # learnt again from what is stored
    store.close()


def test_a_full_device_is_told_and_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "models"
    blocked.write_text("a file where the folder should be")
    file, book = PatternFile(blocked / "patterns.json.gz", 60.0), PatternBook()
    file.close(book, T0)
    assert "could not be written" in file.trouble
    blocked.unlink()
    file.close(book, T0)
    assert file.trouble == ""
    assert (blocked / "patterns.json.gz").exists()

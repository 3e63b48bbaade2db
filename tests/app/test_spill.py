"""The spill: what was appended is there again, in order, whatever happens to the process or the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.intake import T0, logs, samples, spans

from stormpetrel.app import spill as module
from stormpetrel.app.inserts import Insert, RecordInsert, SampleInsert
from stormpetrel.app.recover import recover
from stormpetrel.app.spill import Spill
from stormpetrel.app.spill_file import SpillDamagedError, decode, encode
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.ingest.admit import QualityGate
from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.quality import Quality, Quarantined
from stormpetrel.model.records import (
    ALERT_SCHEMA,
    CHANGE_SCHEMA,
    FLOW_SCHEMA,
    AlertBatch,
    ChangeBatch,
    FlowBatch,
)
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind, SeriesInfo

NAN_BITS = np.array([0x7FF0000000000002], np.int64).view(np.float64)[0]


def info(series: int, name: str = "m") -> SeriesInfo:
    return SeriesInfo(series, name, (("a", "x"), ("b", 'y"\n')), "host:a", "s", MetricKind.COUNTER, "By")


def sample_insert(token: str, batch: MetricBatch, *series: SeriesInfo) -> SampleInsert:
    signal = np.where(np.arange(len(batch)) % 2, batch.value, np.nan)
    apart = Quarantined(samples([REFUSED_SERIES], [9], [NAN_BITS]), np.array([Quality.CARDINALITY], np.uint8))
    resumed = np.arange(len(batch)) % 3 == 0
    return SampleInsert(token, series, AdmittedMetrics(batch, signal, resumed), samples([], [], []), apart)


def same(left: Insert, right: Insert) -> bool:
    return encode(left) == encode(right)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    return Spill(tmp_path / "spill", 1 << 20)


def again(spill: Spill) -> tuple[Spill, list[Insert]]:
    """A new process on the same directory."""
    new = Spill(spill._directory, spill.limit_bytes)
    return new, list(new.recover())


def test_samples_come_back_bit_for_bit() -> None:
    batch = samples([0, 1, 0], [0, 1, 2], [1.5, -0.0, NAN_BITS])
    one = sample_insert("samples-1-2", batch, info(0), info(1, "n"))
    back = decode(encode(one))
    assert isinstance(back, SampleInsert)
    assert (back.token, back.series) == (one.token, one.series)
    assert back.admitted.batch.value.tobytes() == batch.value.tobytes()
    assert back.admitted.batch.time_unix_nano.tolist() == batch.time_unix_nano.tolist()
    assert back.admitted.signal.tobytes() == one.admitted.signal.tobytes()
    assert back.admitted.resumed.tolist() == [True, False, False]
    assert back.quarantined.verdict.tolist() == [Quality.CARDINALITY]
    assert back.quarantined.batch.series.tolist() == [REFUSED_SERIES]
    assert back.quarantined.batch.value.tobytes() == np.array([NAN_BITS]).tobytes()
    assert back.admitted.batch.value.flags.writeable, "compiled code takes no read-only arrays"


def test_records_of_every_kind_come_back() -> None:
    kinds: list[RecordInsert] = [
        RecordInsert("l", logs(7, ["a", "\ud7ff\0"])),
        RecordInsert("s", spans(8, ["x"])),
    ]
    for make, schema in ((FlowBatch, FLOW_SCHEMA), (AlertBatch, ALERT_SCHEMA), (ChangeBatch, CHANGE_SCHEMA)):
        record = {field.name: "" if pa.types.is_string(field.type) else 7 for field in schema}
        kinds.append(RecordInsert("r", make(pa.RecordBatch.from_pylist([record], schema))))
    for one in kinds:
        back = decode(encode(one))
        assert isinstance(back, RecordInsert)
        assert type(back.batch) is type(one.batch)
        assert back.batch.records.equals(one.batch.records)


content = encode(sample_insert("t", samples([0], [0], [1.0]), info(0)))


@given(st.integers(0, len(content) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    damaged = bytearray(content)
    damaged[at] ^= change
    with pytest.raises(SpillDamagedError):
        decode(bytes(damaged))


@given(st.integers(0, len(content) - 1))
def test_a_cut_is_noticed(length: int) -> None:
    with pytest.raises(SpillDamagedError):
        decode(content[:length])


@given(st.binary(max_size=100))
def test_any_bytes_are_an_insert_or_damaged(some: bytes) -> None:
    with pytest.raises(SpillDamagedError):
        decode(some)


def test_first_in_first_out_and_again_after_a_restart(spill: Spill) -> None:
    inserts: list[Insert] = [RecordInsert(f"t{n}", logs(n, [f"body {n}"])) for n in range(12)]
    for one in inserts[:10]:
        spill.append(one)
    assert (len(spill), spill.rows) == (10, 10)
    for one in inserts[:3]:
        oldest = spill.oldest()
        assert oldest is not None
        assert same(oldest, one)
        spill.drop_oldest()
    after, found = again(spill)
    assert len(found) == 7
    assert all(map(same, found, inserts[3:10]))
    assert (len(after), after.rows, after.bytes) == (7, 7, spill.bytes)
    after.append(inserts[10])
    last, found = again(after)
    assert all(map(same, found, inserts[3:11]))
    while last.oldest() is not None:
        last.drop_oldest()
    assert (len(last), last.rows, last.bytes) == (0, 0, 0)
    assert names(spill._directory) == []


def test_it_is_bounded_in_bytes(tmp_path: Path) -> None:
    small = Spill(tmp_path, 5000)
    kept: list[int] = []

    def fill() -> None:
        for n in range(100):
            small.append(RecordInsert(f"t{n}", logs(n, ["x"])))
            kept.append(n)

    with pytest.raises(StoreError, match=r"of at most 5000 bytes: nothing was kept.*spill_bytes") as full:
        fill()
    assert full.value.retryable
    assert len(kept) >= 2
    assert small.bytes <= 5000
    assert len(again(small)[1]) == len(kept)
    small.drop_oldest()
    small.append(RecordInsert("again", logs(999, ["x"])))


def test_what_was_cut_off_while_being_written_was_never_there(spill: Spill) -> None:
    spill.append(RecordInsert("t0", logs(1, ["a"])))
    (spill._directory / "000000000001.unfinished").write_bytes(content[:50])
    after, found = again(spill)
    assert len(found) == 1
    assert names(spill._directory) == ["000000000000.spill"]
    after.append(RecordInsert("t1", logs(2, ["b"])))
    assert len(again(after)[1]) == 2


@pytest.mark.parametrize("damage", [b"", content[:-1], content + b"x", b"0" * 200])
def test_a_damaged_file_is_set_aside_and_the_others_are_read(spill: Spill, damage: bytes) -> None:
    for n in range(3):
        spill.append(RecordInsert(f"t{n}", logs(n, [f"{n}"])))
    (spill._directory / "000000000001.spill").write_bytes(damage)
    after, found = again(spill)
    assert [one.token for one in found] == ["t0", "t2"]
    assert after.aside_total == 1
    assert names(spill._directory) == ["000000000000.spill", "000000000001.aside", "000000000002.spill"]
    assert again(after)[0].bytes == after.bytes, "what is set aside takes room too"


def test_a_file_damaged_meanwhile_is_set_aside(spill: Spill) -> None:
    for n in range(2):
        spill.append(RecordInsert(f"t{n}", logs(n, [f"{n}"])))
    (spill._directory / "000000000000.spill").write_bytes(b"")
    oldest = spill.oldest()
    assert oldest is not None
    assert oldest.token == "t1"
    assert (len(spill), spill.aside_total) == (1, 1)


def test_a_disk_without_room_is_a_full_store(spill: Spill, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, written: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write_durably", full)
        with pytest.raises(StoreFullError, match="No space left"):
            spill.append(RecordInsert("t", logs(1, ["a"])))
    assert (len(spill), spill.bytes) == (0, 0)
    spill.append(RecordInsert("t", logs(1, ["a"])))
    assert len(again(spill)[1]) == 1


def test_files_are_for_their_owner_only(spill: Spill) -> None:
    spill.append(RecordInsert("t", logs(1, ["a"])))
    assert spill._directory.stat().st_mode & 0o077 == 0
    assert (spill._directory / "000000000000.spill").stat().st_mode & 0o077 == 0


def test_series_samples_and_tokens_are_known_after_a_restart(spill: Spill) -> None:
    spill.append(sample_insert("a", samples([1, 2, 1], [0, 0, 5], [1.0, 2.0, 3.0]), info(1), info(2)))
    spill.append(RecordInsert("b", logs(77, ["x"])))
    spill.append(sample_insert("c", samples([2], [9], [4.0]), info(2, "renamed")))
    gate = QualityGate()
    infos, tokens = recover(Spill(spill._directory, 1 << 20), [info(0)], gate)
    assert [one.metric for one in infos] == ["m", "m", "renamed"]
    assert tokens.tolist() == [77]
    seconds = ((gate.last_times()[1:] - T0) // 10**9).tolist()
    assert seconds == [5, 9]


def test_samples_whose_series_nobody_describes_keep_a_place(spill: Spill) -> None:
    spill.append(sample_insert("a", samples([1], [0], [1.0]), info(1)))
    spill.append(sample_insert("b", samples([1, 3], [1, 1], [1.0, 1.0]), info(2)))
    spill.append(RecordInsert("c", logs(77, ["x"])))
    (spill._directory / "000000000000.spill").unlink()
    after = Spill(spill._directory, 1 << 20)
    infos, tokens = recover(after, [info(0)], QualityGate())
    assert [one.series for one in infos] == [0, 1, 2, 3]
    assert [one.metric for one in infos] == ["m", "unknown_series", "m", "unknown_series"]
    assert tokens.tolist() == [77]
    assert (len(after), after.aside_total) == (2, 0)

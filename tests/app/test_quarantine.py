"""Quarantine, late samples, source quality and live tail over a running system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.app.test_runtime import GAUGE, push

from stormpetrel.app import quarantine
from stormpetrel.app.config import Config, load_config
from stormpetrel.app.runtime import Runtime
from stormpetrel.errors import AuthError, NotFoundError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.quality import Quality, Quarantined
from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import MetricBatch, MetricKind, SeriesInfo
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import TailMessage
from stormpetrel.simulate.encode import write_request
from stormpetrel.simulate.signals import MetricColumns

STEP = from_seconds(5)
SOURCE = "shop/remote_write"
RESPONDER = Caller("rob", Role.RESPONDER)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False,
             "smart": {"enabled": False}}  # fmt: skip
    return load_config(None, {"data_dir": str(tmp_path), "sources": quiet})


@pytest.fixture
def runtime(config: Config) -> Iterator[Runtime]:
    one = Runtime(config)
    one.start()
    yield one
    one.stop()


def send(runtime: Runtime, times: np.ndarray, values: np.ndarray) -> None:
    columns = MetricColumns((GAUGE,), times.astype(np.int64), values.reshape(-1, 1))
    push(runtime, "remote_write", write_request(columns), "application/x-protobuf")


def grid(runtime: Runtime, count: int) -> np.ndarray:
    now = runtime.clock.now_unix_nano() // 1_000_000 * 1_000_000
    return now - STEP * np.arange(count, 0, -1, dtype=np.int64)


def stored(runtime: Runtime, times: np.ndarray) -> dict[int, float]:
    batch = runtime.store.scan_series([0], Window(int(times.min()), int(times.max()) + 1))
    assert len(set(batch.time_unix_nano.tolist())) == len(batch)
    return dict(zip(batch.time_unix_nano.tolist(), batch.value.tolist(), strict=True))


def verdicts(runtime: Runtime) -> dict[Quality, int]:
    return {count.verdict: count.count for count in runtime.service.source(SOURCE).verdicts}


def test_late_samples_are_put_in_their_place_and_retries_are_recognised(runtime: Runtime) -> None:
    times, values = grid(runtime, 100), np.random.default_rng(1).normal(50, 2, 100)
    late = np.arange(100) % 10 == 3
    late[-8:] = False
    send(runtime, times[~late], values[~late])
    send(runtime, times[late], values[late])
    send(runtime, times, values)  # the whole again, as after a lost acknowledgement
    send(runtime, times[:3], values[:3] + 1)
    assert stored(runtime, times) == dict(zip(times.tolist(), values.tolist(), strict=True))
    counts = verdicts(runtime)
    assert counts[Quality.LATE] == late.sum()
    assert counts[Quality.DUPLICATE] == 100
    assert counts[Quality.CONFLICT] == 3


def rescale(runtime: Runtime) -> np.ndarray:
    """A thousand times as much for the last forty of three hundred samples."""
    times = grid(runtime, 300)
    values = 50 * np.exp(np.random.default_rng(1).normal(0, 0.05, 300))
    values[260:] *= 1000
    send(runtime, times, values)
    return times


def test_a_rescaled_series_is_kept_apart_previewed_and_let_in(runtime: Runtime) -> None:
    times = rescale(runtime)
    before = stored(runtime, times)
    (entry,) = runtime.service.quarantine()
    assert (entry.verdict, entry.releasable, entry.samples) == (Quality.RESCALED, True, 300 - len(before))
    preview = runtime.service.quarantine_preview(0)
    assert preview.released == entry.samples
    assert preview.level_after != preview.level_before
    assert preview.strange_after >= preview.strange_before + 20
    with pytest.raises(AuthError):
        runtime.service.release_quarantine(0, Caller("vera", Role.VIEWER))
    assert runtime.service.release_quarantine(0, RESPONDER) == entry.samples
    assert len(stored(runtime, times)) == 300
    assert runtime.service.quarantine() == []
    with pytest.raises(NotFoundError):
        runtime.service.quarantine_preview(0)
    more = times[-1] + STEP * np.arange(1, 30)
    send(runtime, more, np.full(29, 50_000.0) + np.arange(29))
    assert len(stored(runtime, more)) == 29


def test_more_than_is_looked_at_at_once_is_let_in_too(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A series that spoke every second for three days is; the rest of it used to be deleted."""
    monkeypatch.setattr(quarantine, "_LIMIT", 8)
    times = rescale(runtime)
    assert len(stored(runtime, times)) < 300 - 2 * 8
    assert runtime.service.release_quarantine(0, RESPONDER) > 2 * 8
    assert len(stored(runtime, times)) == 300
    assert runtime.service.quarantine() == []


def test_ever_so_many_series_are_listed_in_one_pass(runtime: Runtime) -> None:
    """With one look at everything for each series, two hundred thousand take minutes instead of a second."""
    rows = 200_000
    registry = runtime.pipeline.registry
    registry.load(
        [
            SeriesInfo(n, "depth", (("n", str(n)),), "unknown", "x", MetricKind.GAUGE, "")
            for n in range(rows // 2)
        ]
    )
    now = runtime.clock.now_unix_nano()
    series = np.arange(rows, dtype=np.uint32) % (rows // 2)
    value = np.where(np.arange(rows) < 2, np.nan, np.arange(rows, dtype=np.float64))
    verdict = np.full(rows, Quality.FUTURE, np.uint8)
    verdict[rows // 2] = Quality.NOT_FINITE
    batch = MetricBatch(series, now + np.arange(rows), value)
    runtime.store.insert_quarantine(Quarantined(batch, verdict), "many")
    entries = runtime.service.quarantine()
    assert len(entries) == rows // 2 + 1
    two = next(entry for entry in entries if entry.info.series == 5)
    assert (two.samples, two.least, two.greatest) == (2, 5.0, 100_005.0)
    assert (two.first_unix_nano, two.last_unix_nano) == (now + 5, now + 100_005)
    zero = {entry.verdict: entry for entry in entries if entry.info.series == 0}
    assert zero.keys() == {Quality.FUTURE, Quality.NOT_FINITE}
    assert np.isnan([zero[Quality.FUTURE].least, zero[Quality.FUTURE].greatest]).all()


def test_what_is_dropped_is_gone_and_the_series_stays_apart(runtime: Runtime) -> None:
    times = rescale(runtime)
    before = stored(runtime, times)
    assert runtime.service.drop_quarantine(0, RESPONDER) == 300 - len(before)
    assert runtime.service.quarantine() == []
    assert stored(runtime, times) == before
    with pytest.raises(NotFoundError):
        runtime.service.drop_quarantine(99, RESPONDER)


def test_a_released_series_is_charted_and_replayed_whole(runtime: Runtime) -> None:
    times = rescale(runtime)
    runtime.service.release_quarantine(0, RESPONDER)
    shown = runtime.service.series(0, Window(int(times[0]), int(times[-1]) + 1))
    assert shown.points.samples == 300


def test_a_source_tells_its_quality(runtime: Runtime) -> None:
    times, values = grid(runtime, 100), np.random.default_rng(1).normal(50, 2, 100)
    values[::4] = np.inf
    send(runtime, times, values)
    (view,) = [view for view in runtime.service.sources() if view.name == SOURCE]
    assert view.quality_ratio == pytest.approx(0.75, abs=0.01)
    assert view.reasons[0].startswith("25 % of samples are NaN or infinite")
    page = runtime.service.source(SOURCE)
    assert page.worst[0].verdicts == ("not_finite",)
    with pytest.raises(NotFoundError):
        runtime.service.source("nobody")


def test_the_tail_shows_what_is_stored_and_passes_the_filter(runtime: Runtime) -> None:
    now = runtime.clock.now_unix_nano()

    def send_logs(*bodies: str) -> None:
        records = ",".join(
            f'{{"timeUnixNano":"{now}","severityNumber":17,"body":{{"stringValue":"{body}"}}}}'
            for body in bodies
        )
        body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}'.encode()
        push(runtime, "otlp_logs", body, "application/json")

    async def watch() -> TailMessage:
        tail = runtime.service.tail(LogQuery(Window(0, 1), text="BROKE", min_severity=9))
        first = asyncio.ensure_future(anext(tail))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(send_logs, "all is well", "it broke", *(["it broke again"] * 300))
        message = await asyncio.wait_for(first, 20)
        assert isinstance(tail, AsyncGenerator)
        await tail.aclose()
        return message

    message = asyncio.run(watch())
    assert {record.body for record in message.records} <= {"it broke", "it broke again"}
    assert len(message.records) + message.skipped == 301
    assert len(message.records) == 200

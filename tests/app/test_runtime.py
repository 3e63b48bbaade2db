"""The runtime without its web server: what comes in is stored, judged, shown and observed."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.inserts import RecordInsert
from stormpetrel.app.runtime import Runtime
from stormpetrel.app.spill import Spill
from stormpetrel.errors import AuthError, DecodeError, NotFoundError, StoreLockedError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import PushRequest
from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import MetricKind
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.simulate.encode import REMOTE_WRITE_HEADERS, write_metadata, write_request
from stormpetrel.simulate.signals import MetricColumns, SeriesSpec

GAUGE = SeriesSpec("depth", (("job", "shop"),), MetricKind.GAUGE)
COUNTER = SeriesSpec("orders_total", (("job", "shop"),), MetricKind.COUNTER)
STEP = from_seconds(5)
SAMPLES = 300


@pytest.fixture
def config(tmp_path: Path) -> Config:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    return load_config(None, {"data_dir": str(tmp_path), "sources": quiet})


@pytest.fixture
def runtime(config: Config) -> Iterator[Runtime]:
    one = Runtime(config)
    one.start()
    yield one
    one.stop()


def push(runtime: Runtime, protocol: str, body: bytes, content_type: str) -> None:
    """As the web server does: decode, then wait until it is stored."""
    encoding = "snappy" if protocol == "remote_write" else ""
    path = next(p for p, name in runtime.service.push_paths().items() if name == protocol)
    now = runtime.clock.now_unix_nano()
    receipt = runtime.service.receive(protocol, PushRequest(body, content_type, encoding, path, "shop", now))
    for future in receipt.stored:
        future.result(timeout=30)


def push_samples(runtime: Runtime) -> Window:
    """Twenty-five minutes of a gauge about 50 and a counter of two a second."""
    now = runtime.clock.now_unix_nano() // 1_000_000 * 1_000_000
    times = now - STEP * np.arange(SAMPLES, 0, -1, dtype=np.int64)
    gauge = np.random.default_rng(2).normal(50.0, 1.0, SAMPLES)
    values = np.column_stack([gauge, 10.0 * np.arange(SAMPLES)])
    content_type = REMOTE_WRITE_HEADERS["Content-Type"]
    push(runtime, "remote_write", write_metadata((GAUGE, COUNTER)), content_type)
    body = write_request(MetricColumns((GAUGE, COUNTER), times, values))
    push(runtime, "remote_write", body, content_type)
    return Window(int(times[0]), now)


def test_pushed_samples_are_searched_and_shown_with_their_band(runtime: Runtime) -> None:
    window = push_samples(runtime)
    service = runtime.service
    found = service.search_series("depth shop")
    assert (found.total, found.series[0].source) == (1, "shop/remote_write")
    gauge = service.series(found.series[0].series, window)
    assert gauge.points.samples == SAMPLES
    assert gauge.band is not None
    assert np.isnan(gauge.band.p_value[:100]).all()
    assert not np.isnan(gauge.band.expected[-50:]).any()
    counter = service.search_series("orders").series[0]
    assert counter.kind is MetricKind.COUNTER
    for band in (True, False):
        rate = service.series(counter.series, window, band=band).points
        np.testing.assert_allclose(rate.mean, 2.0)
    few = service.series(found.series[0].series, window, max_points=10, band=False).points
    assert len(few.mean) <= 11
    with pytest.raises(NotFoundError):
        service.series(99, window)


def test_pushed_logs_are_found(runtime: Runtime) -> None:
    now = runtime.clock.now_unix_nano()
    record = f'{{"timeUnixNano":"{now}","severityNumber":17,"body":{{"stringValue":"it broke"}}}}'
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}'.encode()
    for _ in range(2):
        push(runtime, "otlp_logs", body, "application/json")
    query = LogQuery(Window(now - STEP, now + STEP), text="BROKE")
    assert [r.body for r in runtime.service.logs(query)] == ["it broke"]
    assert runtime.service.log_counts(query, 10).count.sum() == 1


def test_what_is_refused_is_counted_and_shown(runtime: Runtime) -> None:
    with pytest.raises(DecodeError):
        push(runtime, "remote_write", b"\xff" * 20, "application/x-protobuf")
    now = runtime.clock.now_unix_nano() // 1_000_000 * 1_000_000
    ahead = MetricColumns((GAUGE,), np.array([now, now + 1000 * STEP]), np.array([[1.0], [2.0]]))
    push(runtime, "remote_write", write_request(ahead), "application/x-protobuf")
    quality = runtime.service.quality()
    assert quality.rejected == [("shop/remote_write", "malformed", 1)]
    assert {(c.verdict.name, c.count) for c in quality.counts} == {("GOOD", 1), ("FUTURE", 1)}
    ((verdict, info, time, value),) = quality.quarantined
    assert (verdict, info.metric, time, value) == ("future", "depth", now + 1000 * STEP, 2.0)
    assert quality.series_by_source == [("shop/remote_write", 1, 250_000)]
    assert runtime.service.now().quarantined_last_hour == 1


def test_now_and_about_say_what_came_in(runtime: Runtime, config: Config) -> None:
    push_samples(runtime)
    now, about = runtime.service.now(), runtime.service.about()
    assert (now.series_total, now.open_incidents, now.resolved_today) == (2, [], 0)
    assert [(s.name, s.state, s.rows_total) for s in now.sources] == [
        ("shop/remote_write", "healthy", 2 * SAMPLES)
    ]
    assert (about.samples_total, about.log_records_total, about.dropped_total) == (2 * SAMPLES, 0, 0)
    assert about.data_directory == str(config.data_dir.resolve())
    assert {name: rows for name, rows, _ in about.tables}["samples"] == 2 * SAMPLES
    assert about.queue_rows == 0
    assert about.memory_bytes > 50 << 20


def test_own_metrics_are_prometheus_text_without_a_secret(runtime: Runtime) -> None:
    told = runtime.announcement("http://127.0.0.1:1")
    push_samples(runtime)
    text = runtime.service.own_metrics().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("petrel_") for name in families)
    assert [s.value for s in families["petrel_samples"].samples] == [2 * SAMPLES]
    assert [s.value for s in families["petrel_series"].samples] == [2]
    (rows,) = families["petrel_source_rows"].samples
    assert (rows.labels, rows.value) == ({"source": "shop/remote_write"}, 2 * SAMPLES)
    assert told.setup_url is not None
    secrets = [told.setup_url.partition("secret=")[2]]
    secrets += [path.read_text().strip() for path in told.data_dir.glob("*.token")]
    assert len(secrets) >= 2
    assert not any(secret in text for secret in secrets)


def test_tokens_on_disk_are_for_their_owner_only(runtime: Runtime) -> None:
    told = runtime.announcement("http://127.0.0.1:1")
    assert told.ingest_token_file.stat().st_mode & 0o077 == 0
    again = runtime.announcement("http://127.0.0.1:1")
    assert again.ingest_token_file.read_text() == told.ingest_token_file.read_text()
    assert runtime.service.caller_of_token(told.ingest_token_file.read_text().strip()) is not None


def test_ready_is_who_writes_and_judges(config: Config) -> None:
    runtime = Runtime(config)
    assert runtime.service.ready() == (
        False,
        "the store writer is not running: start again, and look into the log for the reason",
    )
    runtime.start()
    assert runtime._judge.warm.wait(30)
    assert runtime.service.ready() == (True, "ready")
    runtime.stop()
    assert not runtime.service.ready()[0]


def test_a_second_runtime_on_the_same_data_is_refused(runtime: Runtime, config: Config) -> None:
    with pytest.raises(StoreLockedError, match="already in use by process"):
        Runtime(config)


def test_only_a_responder_acts(runtime: Runtime) -> None:
    push_samples(runtime)
    with pytest.raises(AuthError):
        runtime.service.release_quarantine(0, Caller("eve", Role.VIEWER))
    runtime.service.release_quarantine(0, Caller("bob", Role.RESPONDER))
    with pytest.raises(NotFoundError):
        runtime.service.release_quarantine(99, Caller("bob", Role.RESPONDER))


def test_the_intake_is_bounded_as_configured(config: Config) -> None:
    bounds = {"queue_rows": 20_000, "source_share": 0.25, "batch_rows": 200, "spill_bytes": 12_345}
    chosen = config.model_copy(update={"intake": config.intake.model_copy(update=bounds)})
    runtime = Runtime(chosen)
    runtime.start()
    try:
        queue, spill = runtime.writer.queue, runtime.writer.spill
        assert (queue.capacity_rows, queue.source_share, queue.batch_rows) == (20_000, 0.25, 200)
        assert spill is not None
        assert spill.limit_bytes == 12_345
        families = {f.name: f for f in text_string_to_metric_families(runtime.service.own_metrics().decode())}
        assert families["petrel_spill_limit_bytes"].samples[0].value == 12_345
        assert families["petrel_queue_wait_seconds"].samples[0].value == 0
    finally:
        runtime.stop()


def test_what_an_earlier_process_spilled_is_stored_and_shown(config: Config) -> None:
    spill = Spill(config.data_dir / "spill", 1 << 20)
    now = time.time_ns()
    record = build_logs([now], ["it broke"], source="shop", request_token=7)
    spill.append(RecordInsert("left", record))
    runtime = Runtime(config)
    assert runtime.service.about().spill_rows == 1
    runtime.start()
    try:
        deadline = time.monotonic() + 20
        while runtime.service.about().spill_rows and time.monotonic() < deadline:
            time.sleep(0.02)
        query = LogQuery(Window(now - STEP, now + STEP), text="broke")
        assert [r.body for r in runtime.service.logs(query)] == ["it broke"]
        assert runtime.service.about().log_records_total == 1
    finally:
        runtime.stop()


def test_what_a_refused_request_says_is_redacted_where_it_is_shown(runtime: Runtime) -> None:
    with pytest.raises(DecodeError):
        push(runtime, "kubernetes_events", b'{"password": "hunter2"}', "application/json")
    said = next(view.last_error for view in runtime.service.now().sources if view.rejected_total)
    assert "hunter2" not in said
    assert "[secret]" in said


def test_a_target_that_does_not_answer_is_failing_although_its_up_is_stored(tmp_path: Path) -> None:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/metrics"
    target = {"name": "gone", "url": url, "interval_seconds": 1}
    one = Runtime(load_config(None, {"data_dir": str(tmp_path), "sources": {**quiet, "scrape": [target]}}))
    one.start()
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            view = next(v for v in one.service.now().sources if "gone" in v.name)
            if view.rows_total >= 3 and view.state == "failing":
                break
            time.sleep(0.05)
    finally:
        one.stop()
    assert view.rows_total >= 3, "up 0 and its like"
    # Every batch that is stored is followed by the failure: at rest it is failing.
    assert next(v for v in one.service.sources() if "gone" in v.name).state == "failing"
    assert "ConnectError" in view.last_error

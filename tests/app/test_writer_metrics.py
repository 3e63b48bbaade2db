"""The store writer and metric samples: acknowledged is stored, once, whatever the store does meanwhile."""

from __future__ import annotations

import math
import threading

import pytest
from tests.app.intake import (
    EVER,
    FailingStore,
    Intake,
    done,
    logs,
    samples,
    stored_bodies,
    stored_samples,
)

from stormpetrel.errors import OverloadedError, StoreError, StoreFullError
from stormpetrel.ingest.admit import QualityGate
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import AdmittedMetrics

BAD = math.nan


def test_an_acknowledged_batch_is_stored_and_handed_on(intake: Intake, failing: FailingStore) -> None:
    a, b = intake.series("a"), intake.series("b")
    done(intake.writer.metrics(samples([a, b], [0, 0], [1.0, 2.0]), "test"))
    assert stored_samples(failing) == [(a, 0, 1.0), (b, 0, 2.0)]
    assert [info.metric for info in failing.all_series()] == ["a", "b"]
    (handed,) = intake.handed
    assert isinstance(handed, AdmittedMetrics)
    assert handed.batch.value.tolist() == [1.0, 2.0]
    assert (intake.writer.stats.samples_total, intake.writer.queue.rows) == (2, 0)


@pytest.mark.parametrize("after", [False, True], ids=["nothing stored", "stored all the same"])
@pytest.mark.parametrize("call", ["series", "samples", "quarantine"])
@pytest.mark.parametrize(
    "error", [StoreError("x"), StoreFullError("x"), TypeError("a defect")], ids=lambda e: type(e).__name__
)
def test_a_failed_insert_is_retried_by_the_sender_and_stored_once(
    intake: Intake, failing: FailingStore, call: str, after: bool, error: Exception
) -> None:
    series = intake.series("a")
    # Several samples of one series: a retry of the first is older than the newest that is stored.
    batch = samples([series] * 5, [0, 1, 2, 3, 4], [1.0, 2.0, BAD, 4.0, 5.0])
    failing.fail(call, error, after=after)
    with pytest.raises(StoreError) as caught:
        done(intake.writer.metrics(batch, "test"))
    assert caught.value.retryable
    done(intake.writer.metrics(batch, "test"))
    done(intake.writer.metrics(samples([series], [5], [6.0]), "test"))
    good = [(series, 0, 1.0), (series, 1, 2.0), (series, 3, 4.0), (series, 4, 5.0), (series, 5, 6.0)]
    assert stored_samples(failing) == good
    judged = [v for one in intake.handed if isinstance(one, AdmittedMetrics) for v in one.batch.value]
    assert judged == [1.0, 2.0, 4.0, 5.0, 6.0], "every stored sample is judged once"
    apart = failing.read_quarantine(EVER)
    assert set(apart.verdict.tolist()) == {Quality.NOT_FINITE}, "a retry is no disorder"
    assert intake.writer.stats.failed_inserts_total == 1
    assert intake.writer.stats.samples_total == 5


def test_a_sender_that_gives_up_leaves_no_trace(intake: Intake, failing: FailingStore) -> None:
    series = intake.series("a")
    failing.fail("samples")
    with pytest.raises(StoreError):
        done(intake.writer.metrics(samples([series], [9], [9.0]), "test"))
    done(intake.writer.metrics(samples([series], [1], [1.0]), "test"))
    assert stored_samples(failing) == [(series, 1, 1.0)]


def test_a_store_that_stays_down_is_asked_until_it_answers(intake: Intake, failing: FailingStore) -> None:
    series = intake.series("a")
    batch = samples([series, series], [0, 1], [1.0, 2.0])
    failing.fail("samples", StoreFullError("no room"), times=4)
    for _ in range(4):
        with pytest.raises(StoreFullError):
            done(intake.writer.metrics(batch, "test"))
    done(intake.writer.metrics(batch, "test"))
    assert stored_samples(failing) == [(series, 0, 1.0), (series, 1, 2.0)]


def test_one_kind_that_fails_does_not_fail_the_others(intake: Intake, failing: FailingStore) -> None:
    series = intake.series("a")
    failing.gate.clear()
    blocked = intake.writer.metrics(samples([series], [0], [1.0]), "test")
    failing.fail("logs")
    metric = intake.writer.metrics(samples([series], [1], [2.0]), "test")
    log = intake.writer.logs(logs(1, ["x"]), "test")
    failing.gate.set()
    done(blocked)
    done(metric)
    with pytest.raises(StoreError):
        done(log)
    assert stored_samples(failing) == [(series, 0, 1.0), (series, 1, 2.0)]
    assert stored_bodies(failing) == []


def test_a_defect_in_admission_fails_its_batches_and_the_writer_lives_on(
    intake: Intake, failing: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = intake.series("a")

    def broken(*args: object) -> None:
        raise IndexError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(QualityGate, "admit", broken)
        with pytest.raises(StoreError, match="IndexError: a defect"):
            done(intake.writer.metrics(samples([series], [0], [1.0]), "test"))
    done(intake.writer.metrics(samples([series], [0], [1.0]), "test"))
    assert stored_samples(failing) == [(series, 0, 1.0)]


def test_a_full_queue_refuses_at_once_and_recovers(intake: Intake, failing: FailingStore) -> None:
    series = intake.series("a")
    intake.writer.queue.capacity_rows = 10
    failing.gate.clear()
    held = [intake.writer.metrics(samples([series] * 5, [5 * n + i for i in range(5)], [1.0] * 5), "test")
            for n in range(2)]  # fmt: skip
    with pytest.raises(OverloadedError, match="holds 10 rows of at most 10"):
        intake.writer.metrics(samples([series], [10], [1.0]), "test")
    assert intake.writer.stats.refused_rows_total == 1
    failing.gate.set()
    for future in held:
        done(future)
    done(intake.writer.metrics(samples([series], [10], [1.0]), "test"))
    assert [second for _, second, _ in stored_samples(failing)] == list(range(11))


def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(intake: Intake) -> None:
    series = intake.series("a")
    intake.writer.queue.capacity_rows = 2
    done(intake.writer.metrics(samples([series] * 5, range(5), [1.0] * 5), "test"))
    assert intake.writer.stats.samples_total == 5


def test_batches_are_stored_in_order_of_arrival(intake: Intake, failing: FailingStore) -> None:
    series = intake.series("a")
    failing.gate.clear()
    futures = [intake.writer.metrics(samples([series], [n], [float(n)]), "test") for n in range(50)]
    failing.gate.set()
    for future in futures:
        done(future)
    assert [value for _, _, value in stored_samples(failing)] == [float(n) for n in range(50)]
    assert failing.read_quarantine(EVER).batch.series.tolist() == []
    assert failing.calls.count("samples") < 10, "batches that wait are stored together"


def test_stop_stores_what_waits_and_refuses_what_comes(failing: FailingStore) -> None:
    intake = Intake(failing)
    series = intake.series("a")
    intake.writer.queue.batch_rows = 100
    failing.gate.clear()
    futures = [intake.writer.metrics(samples([series], [n], [1.0]), "test") for n in range(250)]
    stopping = threading.Thread(target=intake.writer.stop)
    stopping.start()
    while not intake.writer.queue._closed:
        pass
    with pytest.raises(OverloadedError, match="stopping"):
        intake.writer.metrics(samples([series], [251], [1.0]), "test")
    failing.gate.set()
    stopping.join(30)
    assert all(future.done() and future.exception() is None for future in futures)
    assert len(stored_samples(failing)) == 250


def test_series_over_the_limit_are_refused_and_counted_and_others_are_not(failing: FailingStore) -> None:
    intake = Intake(failing, SeriesRegistry(max_series_per_source=3))
    greedy = [intake.series(f"g{n}", source="greedy") for n in range(5)]
    modest = intake.series("m", source="modest")
    assert greedy[3:] == [REFUSED_SERIES] * 2
    done(intake.writer.metrics(samples(greedy, [0] * 5, [1.0] * 5), "greedy"))
    done(intake.writer.metrics(samples([modest], [0], [1.0]), "modest"))
    assert [row[0] for row in stored_samples(failing)] == [*greedy[:3], modest]
    counts = {(c.source, c.verdict): c.count for c in intake.tally.quality_counts()}
    assert counts == {
        ("greedy", Quality.GOOD): 3,
        ("greedy", Quality.CARDINALITY): 2,
        ("modest", Quality.GOOD): 1,
    }
    intake.stop()


def test_an_abandoned_future_does_not_stop_the_writer(intake: Intake, failing: FailingStore) -> None:
    series = intake.series("a")
    failing.gate.clear()
    abandoned = intake.writer.metrics(samples([series], [0], [1.0]), "test")
    assert abandoned.cancel()
    failing.gate.set()
    done(intake.writer.metrics(samples([series], [1], [1.0]), "test"))
    assert len(stored_samples(failing)) == 2


def test_an_empty_batch_is_acknowledged_without_an_insert(intake: Intake, failing: FailingStore) -> None:
    done(intake.writer.metrics(samples([], [], []), "test"))
    assert failing.calls == []

"""A batch that cannot be stored fails alone; a slow judge holds up nobody's acknowledgement."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.app.intake import FailingStore, Intake, done, logs, samples, stored_bodies, stored_samples

from stormpetrel.errors import OverloadedError, StoreError, UnstorableError
from stormpetrel.ingest.admit import Admission, QualityGate
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import LogBatch, MetricBatch


def together(intake: Intake, batches: Sequence[LogBatch | MetricBatch]) -> list[Future[None]]:
    """Batches of as many sources, stored as one group."""
    intake.writer.queue.batch_seconds = 0.3
    writer = intake.writer
    return [
        writer.logs(batch, f"s{n}") if isinstance(batch, LogBatch) else writer.metrics(batch, f"s{n}")
        for n, batch in enumerate(batches)
    ]


@pytest.mark.parametrize("bad", [[0], [7], [3, 4], [0, 5, 9]])
def test_only_the_bad_batches_of_a_group_fail(intake: Intake, failing: FailingStore, bad: list[int]) -> None:
    bodies = [f"poison {n}" if n in bad else f"good {n}" for n in range(10)]
    failing.refused = {f"poison {n}" for n in bad}
    answers = together(intake, [logs(n + 1, [body]) for n, body in enumerate(bodies)])
    for n, answer in enumerate(answers):
        if n in bad:
            with pytest.raises(UnstorableError, match="this the client does not digest") as refused:
                done(answer)
            assert not refused.value.retryable
        else:
            done(answer)
    assert stored_bodies(failing) == sorted(body for body in bodies if body.startswith("good"))
    assert intake.writer.stats.unstorable_rows_total == len(bad)
    assert intake.tally.rejections() == [(f"s{n}", "unstorable", 1) for n in bad]
    assert failing.calls.count("logs") <= 2 + 8 * len(bad), "halving, not one by one"


def test_samples_beside_a_bad_batch_are_admitted_as_if_it_had_not_been(
    intake: Intake, failing: FailingStore
) -> None:
    series = [intake.series(f"m{n}") for n in range(4)]
    failing.refused = {666.0}
    batches = [samples([s] * 6, range(6), [666.0 if s == 2 else float(n) for n in range(6)]) for s in series]
    answers = together(intake, batches)
    for n, answer in enumerate(answers):
        if n == 2:
            with pytest.raises(UnstorableError):
                done(answer)
        else:
            done(answer)
    assert len(stored_samples(failing)) == 18
    counts = {(c.source, c.verdict): c.count for c in intake.tally.quality_counts()}
    assert counts == {(f"s{n}", Quality.GOOD): 6 for n in (0, 1, 3)}
    done(intake.writer.metrics(samples([series[2]], [1], [1.0]), "s2"))
    assert len(stored_samples(failing)) == 19, "what could not be stored left no trace"


def test_where_all_fail_nobody_is_told_to_give_up(intake: Intake, failing: FailingStore) -> None:
    failing.refused = {"a", "b"}
    for answer in together(intake, [logs(1, ["a"]), logs(2, ["b"])]):
        with pytest.raises(StoreError) as refused:
            done(answer)
        assert refused.value.retryable
    failing.refused = set()
    for answer in together(intake, [logs(1, ["a"]), logs(2, ["b"])]):
        done(answer)
    assert stored_bodies(failing) == ["a", "b"]


def test_a_batch_that_admission_does_not_digest_fails_alone(
    intake: Intake, failing: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = QualityGate.admit

    def admit(
        gate: QualityGate,
        batch: MetricBatch,
        now: int,
        kinds: NDArray[np.uint8],
        blocked: NDArray[np.uint8],
    ) -> Admission:
        if 666.0 in batch.value:
            raise IndexError("a defect")
        return real(gate, batch, now, kinds, blocked)

    monkeypatch.setattr(QualityGate, "admit", admit)
    a, b = intake.series("a"), intake.series("b")
    good, bad = together(intake, [samples([a], [0], [1.0]), samples([b], [0], [666.0])])
    done(good)
    with pytest.raises(UnstorableError, match="IndexError: a defect"):
        done(bad)


def test_an_acknowledgement_does_not_wait_for_the_judge(failing: FailingStore) -> None:
    intake = Intake(failing)
    slow = threading.Event()
    order: list[str] = []

    def hand_on(stored: object) -> None:
        slow.wait(30)
        assert isinstance(stored, LogBatch)
        order.extend(stored.records.column("body").to_pylist())

    intake.writer._hand_on = hand_on
    intake.writer.queue.capacity_rows = 3
    done(intake.writer.logs(logs(1, ["0"]), "t"))
    given = [0]

    def fill() -> None:
        for n in range(1, 10):
            intake.writer.logs(logs(n + 1, [str(n)]), "t")
            given.append(n)

    with pytest.raises(OverloadedError):
        fill()
    taken = len(given)
    assert taken <= 4, "a judge that is behind holds up the writer, and the queue is bounded"
    slow.set()
    intake.stop()
    assert order == [str(n) for n in range(taken)], "and no order is lost"


def test_who_looks_at_what_was_stored_cannot_end_the_writer(intake: Intake, failing: FailingStore) -> None:
    def broken(stored: object) -> None:
        raise ValueError("a defect")

    intake.writer._hand_on = broken
    done(intake.writer.logs(logs(1, ["a"]), "t"))
    done(intake.writer.logs(logs(2, ["b"]), "t"))
    assert intake.writer.running
    assert stored_bodies(failing) == ["a", "b"]


def test_what_prepares_a_batch_is_called_before_it_waits_and_after_room_was_found(
    intake: Intake, failing: FailingStore
) -> None:
    prepared: list[str] = []

    def prepare(batch: object) -> LogBatch:
        assert isinstance(batch, LogBatch)
        prepared.append(threading.current_thread().name)
        return logs(5, ["prepared"])

    intake.writer._prepare = prepare
    done(intake.writer.logs(logs(1, ["secret"]), "t"))
    assert stored_bodies(failing) == ["prepared"]
    assert prepared == [threading.current_thread().name]
    failing.gate.clear()
    intake.writer.queue.capacity_rows = 1
    held = intake.writer.logs(logs(2, ["more"]), "t")
    with pytest.raises(OverloadedError):
        intake.writer.logs(logs(3, ["more"]), "t")
    assert len(prepared) == 2
    assert intake.writer.stats.refused_rows_total == 1
    assert intake.tally.overloads() == [("t", 1)]
    failing.gate.set()
    done(held)


def test_a_batch_that_cannot_be_prepared_is_not_kept(intake: Intake, failing: FailingStore) -> None:
    def broken(batch: object) -> LogBatch:
        raise ValueError("not redacted")

    intake.writer._prepare = broken
    with pytest.raises(ValueError, match="not redacted"):
        intake.writer.logs(logs(1, ["secret"]), "t")
    intake.writer._prepare = None
    done(intake.writer.logs(logs(2, ["a"]), "t"))
    assert stored_bodies(failing) == ["a"]


def test_a_series_that_cannot_be_stored_holds_up_no_samples(intake: Intake, failing: FailingStore) -> None:
    failing.refused = {"poison"}
    names = ["a", "b", "poison", "c", "d"]
    ids = [intake.series(name) for name in names]
    done(intake.writer.metrics(samples(ids, [0] * 5, [1.0] * 5), "t"))
    done(intake.writer.metrics(samples(ids, [1] * 5, [1.0] * 5), "t"))
    assert len(stored_samples(failing)) == 10
    assert [one.metric for one in failing.all_series()] == ["a", "b", "unknown_series", "c", "d"]

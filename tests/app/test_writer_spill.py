"""The store writer while the store is away: acknowledged on disk, in the store later, once and in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.app.intake import (
    EVER,
    FailingStore,
    Intake,
    done,
    logs,
    samples,
    spans,
    stored_bodies,
    stored_names,
    stored_samples,
    until,
)

from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.model.signal import AdmittedMetrics, LogBatch


@dataclass
class Life:
    """Processes one after the other on the same store and spill."""

    store: FailingStore
    directory: Path
    limit: int = 1 << 30
    intakes: list[Intake] = field(default_factory=list)

    def start(self) -> Intake:
        self.intakes.append(Intake(self.store, spill=self.directory, spill_bytes=self.limit))
        return self.intakes[-1]

    def restart(self) -> Intake:
        self.intakes[-1].stop()
        return self.start()


@pytest.fixture
def life(failing: FailingStore, tmp_path: Path) -> Iterator[Life]:
    one = Life(failing, tmp_path / "spill")
    yield one
    for intake in one.intakes:
        intake.stop()


def judged(intake: Intake) -> list[float | str]:
    """Values and bodies in the order in which they went on to the judge."""
    seen: list[float | str] = []
    for one in intake.handed:
        if isinstance(one, AdmittedMetrics):
            seen += one.batch.value.tolist()
        elif isinstance(one, LogBatch):
            seen += one.records.column("body").to_pylist()
    return seen


def test_while_the_store_is_away_all_is_taken_and_later_stored_in_order(life: Life) -> None:
    intake, store = life.start(), life.store
    a = intake.series("a")
    done(intake.writer.metrics(samples([a], [0], [0.0]), "t"))
    store.away = True
    b = intake.series("b")
    for n in range(1, 6):
        done(intake.writer.metrics(samples([a, b], [n, n], [n, 10.0 + n]), "t"))
        done(intake.writer.logs(logs(n, [f"log {n}"]), "t"))
        done(intake.writer.spans(spans(n, [f"span {n}"]), "t"))
    assert judged(intake) == [0.0], "only what is stored is judged"
    assert "20 rows wait on disk" in intake.writer.degraded()
    assert intake.writer.trouble() == ""
    assert (intake.writer.stats.samples_total, intake.writer.stats.failed_inserts_total) == (1, 0)
    store.away = False
    intake.drained()
    wanted = [(a, 0, 0.0)] + [row for n in range(1, 6) for row in ((a, n, float(n)), (b, n, 10.0 + n))]
    assert stored_samples(store) == wanted
    assert stored_bodies(store) == [f"log {n}" for n in range(1, 6)]
    assert stored_names(store) == [f"span {n}" for n in range(1, 6)]
    assert judged(intake) == [0.0] + [v for n in range(1, 6) for v in (float(n), 10.0 + n, f"log {n}")]
    assert [info.metric for info in store.all_series()] == ["a", "b"]
    assert intake.writer.stats.samples_total == 11
    assert (intake.writer.degraded(), list(life.directory.iterdir())) == ("", [])
    done(intake.writer.metrics(samples([a], [6], [6.0]), "t"))
    assert judged(intake)[-1] == 6.0


def test_a_restart_goes_on_where_the_process_before_ended(life: Life) -> None:
    intake, store = life.start(), life.store
    a = intake.series("a")
    done(intake.writer.metrics(samples([a], [0], [0.0]), "t"))
    store.fail("samples", times=1000)
    store.fail("logs", times=1000)
    b = intake.series("b")
    done(intake.writer.metrics(samples([a, b, a], [1, 1, 2], [1.0, 11.0, math.nan]), "t"))
    done(intake.writer.logs(logs(7, ["x"]), "t"))
    after = life.restart()
    assert (after.series("a"), after.series("b"), after.series("c")) == (a, b, b + 1)
    # What its sender could not hear of and sends again, and then something new.
    done(after.writer.metrics(samples([a, b], [1, 1], [1.0, 11.0]), "t"))
    done(after.writer.logs(logs(7, ["x"]), "t"))
    done(after.writer.metrics(samples([b + 1, a], [3, 3], [3.0, 3.5]), "t"))
    store.armed.clear()
    after.drained()
    assert stored_samples(store) == [(a, 0, 0.0), (a, 1, 1.0), (b, 1, 11.0), (a, 3, 3.5), (b + 1, 3, 3.0)]
    assert stored_bodies(store) == ["x"]
    assert store.read_quarantine(EVER).batch.series.tolist() == [a]
    assert judged(after) == [1.0, 11.0, "x", 3.0, 3.5]
    assert [info.metric for info in store.all_series()] == ["a", "b", "c"]


@pytest.mark.parametrize("after", [False, True], ids=["nothing stored", "stored all the same"])
@pytest.mark.parametrize("call", ["series", "samples", "quarantine", "logs"])
@pytest.mark.parametrize("restart", [False, True], ids=["same process", "restarted"])
def test_a_doubtful_insert_is_stored_once(life: Life, call: str, after: bool, restart: bool) -> None:
    intake, store = life.start(), life.store
    a = intake.series("a")
    store.fail(call, after=after)
    store.fail(call, times=3)
    answers = [
        intake.writer.metrics(samples([a, a, a], [0, 1, 2], [1.0, math.nan, 2.0]), "t"),
        intake.writer.logs(logs(7, ["x"]), "t"),
    ]
    for answer in answers:
        done(answer)
    if restart:
        intake = life.restart()
    store.armed.clear()
    intake.drained()
    assert stored_samples(store) == [(a, 0, 1.0), (a, 2, 2.0)]
    assert stored_bodies(store) == ["x"]
    assert store.read_quarantine(EVER).batch.series.tolist() == [a]


def test_what_a_process_stored_and_did_not_cross_off_is_not_stored_or_judged_again(life: Life) -> None:
    intake, store = life.start(), life.store
    a = intake.series("a")
    store.fail("samples", after=True)
    store.fail("samples", times=1000)
    done(intake.writer.metrics(samples([a, a], [0, 1], [1.0, math.nan]), "t"))
    intake.stop()
    store.armed.clear()
    after = life.start()
    after.drained()
    assert stored_samples(store) == [(a, 0, 1.0)]
    assert store.read_quarantine(EVER).batch.series.tolist() == [a], "what came last is made good"
    assert judged(after) == [], "the warm start reads it from the store"


def test_a_full_spill_refuses_and_forgets_and_goes_on_when_there_is_room(life: Life) -> None:
    life.limit = 10_000
    intake, store = life.start(), life.store
    a = intake.series("a")
    store.away = True
    given: list[int] = []

    def fill() -> None:
        for n in range(1000):
            done(intake.writer.metrics(samples([a], [n], [float(n)]), "t"))
            given.append(n)

    with pytest.raises(StoreError, match="the spill holds") as refused:
        fill()
    taken = len(given)
    assert refused.value.retryable
    assert taken >= 2
    for _ in range(3):
        with pytest.raises(StoreError):
            done(intake.writer.metrics(samples([a], [taken], [float(taken)]), "t"))
    assert "inserts failed" in intake.writer.trouble()
    store.away = False
    until(lambda: intake.writer.degraded() == "")
    done(intake.writer.metrics(samples([a], [taken], [float(taken)]), "t"))
    assert stored_samples(store) == [(a, n, float(n)) for n in range(taken + 1)]
    assert store.read_quarantine(EVER).batch.series.tolist() == [], "a retry is no disorder"
    assert intake.writer.trouble() == ""


def test_a_store_without_room_is_not_away(life: Life) -> None:
    intake, store = life.start(), life.store
    a = intake.series("a")
    store.fail("samples", StoreFullError("no room"))
    with pytest.raises(StoreFullError):
        done(intake.writer.metrics(samples([a], [0], [0.0]), "t"))
    assert intake.writer.degraded() == ""
    done(intake.writer.metrics(samples([a], [0], [0.0]), "t"))
    assert stored_samples(store) == [(a, 0, 0.0)]


def test_no_spill_is_as_if_there_were_none(life: Life) -> None:
    life.limit = 0
    intake, store = life.start(), life.store
    store.fail("logs")
    with pytest.raises(StoreError):
        done(intake.writer.logs(logs(7, ["x"]), "t"))
    done(intake.writer.logs(logs(7, ["x"]), "t"))
    assert stored_bodies(store) == ["x"]


def test_a_spilled_insert_that_never_goes_in_is_set_aside(life: Life) -> None:
    intake, store = life.start(), life.store
    store.away = True
    for n, body in enumerate(["one", "poison", "two"], 1):
        done(intake.writer.logs(logs(n, [body]), "t"))
    store.refused = {"poison"}
    store.away = False
    intake.drained()
    assert stored_bodies(store) == ["one", "two"]
    assert intake.writer.spill is not None
    assert intake.writer.spill.aside_total == 1
    assert [path.suffix for path in life.directory.iterdir()] == [".aside"]
    store.refused = set()
    (aside,) = life.directory.iterdir()
    aside.rename(aside.with_suffix(".spill"))  # as a person would, once the cause is mended
    life.restart().drained()
    assert stored_bodies(store) == ["one", "poison", "two"]


def test_a_request_that_waits_in_the_spill_is_known_when_it_comes_again(life: Life) -> None:
    intake, store = life.start(), life.store
    store.away = True
    for _ in range(2):
        done(intake.writer.logs(logs(7, ["x"]), "t"))
    store.away = False
    intake.drained()
    assert stored_bodies(store) == ["x"]


def test_waiting_rows_get_less_under_load(life: Life) -> None:
    intake, store = life.start(), life.store
    store.away = True
    for n in range(20):
        done(intake.writer.logs(logs(n + 1, [f"{n}"]), "t"))
    store.away = False
    number = 100
    while intake.drain.active:
        number += 1
        done(intake.writer.logs(logs(number, [f"{number}"]), "t"))
        assert number < 200, "what comes in holds up what waits"
    wanted = [str(n) for n in [*range(20), *range(101, number + 1)]]
    assert stored_bodies(store) == sorted(wanted)
    assert judged(intake) == wanted

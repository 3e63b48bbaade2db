"""The intake queue: bounded, in order within a source, fair between them."""

from __future__ import annotations

import threading
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.app.intake import logs

from stormpetrel.app.intake_queue import MAX_LANES, IntakeQueue, Waiting
from stormpetrel.errors import OverloadedError
from stormpetrel.model.signal import MetricBatch


def rows(count: int, value: float = 0.0) -> MetricBatch:
    return MetricBatch(np.zeros(count, np.uint32), np.arange(count), np.full(count, value))


def queue(capacity: int = 1000, batch: int = 100, share: float = 0.5) -> IntakeQueue:
    one = IntakeQueue()
    one.capacity_rows, one.batch_rows, one.source_share, one.batch_seconds = capacity, batch, share, 0.0
    return one


def numbers(group: list[Waiting]) -> list[tuple[str, float]]:
    return [(w.source, float(w.batch.value[0])) for w in group if isinstance(w.batch, MetricBatch)]


def fill(one: IntakeQueue, source: str, batch: int) -> int:
    """Rows taken until the source is refused."""
    taken = 0
    while True:
        try:
            one.put(rows(batch), source)
        except OverloadedError:
            return taken
        taken += batch


def test_a_source_that_sends_little_waits_one_turn_however_much_others_send() -> None:
    one = queue(capacity=1_000_000, batch=10_000)
    for n in range(400):
        one.put(rows(1000, n), "flood")
    for n in range(5):
        one.put(rows(10, n), f"small{n}")
    group = one.take()
    assert {w.source for w in group} == {"flood", *(f"small{n}" for n in range(5))}
    assert [value for source, value in numbers(group) if source == "flood"] == list(range(19))
    assert sum(len(w.batch) for w in group) <= 20_000


def test_two_floods_get_the_same() -> None:
    one = queue(capacity=1_000_000, batch=10_000)
    for n in range(100):
        one.put(rows(500, n), "a")
    for n in range(100):
        one.put(rows(2000, n), "b")
    taken: dict[str, int] = defaultdict(int)
    for _ in range(3):
        group = one.take()
        for w in group:
            taken[w.source] += len(w.batch)
        one.release(group)
    assert abs(taken["a"] - taken["b"]) <= 4000, taken


def test_long_records_pay_for_their_bytes() -> None:
    one = queue(capacity=1_000_000, batch=10_000)
    one.batch_bytes = 4 << 20
    for n in range(20):
        one.put(logs(n, ["x" * 1_000_000]), "long")
    one.put(logs(99, ["short"]), "short")
    first = one.take()
    assert len(first) <= 5
    one.release(first)
    seen = [w.source for w in first]
    for _ in range(3):
        group = one.take()
        one.release(group)
        seen += [w.source for w in group]
    assert "short" in seen


def test_one_source_fills_its_share_while_others_send_and_all_when_alone() -> None:
    alone = queue()
    assert fill(alone, "flood", 10) == 1000
    shared = queue()
    shared.put(rows(1), "modest")
    assert 480 <= fill(shared, "flood", 10) <= 500
    shared.put(rows(100), "modest")
    assert 120 <= fill(shared, "another", 10) <= 200, "and there is room for one more after two"
    shared.put(rows(10), "one more")
    whole = queue(share=1.0)
    whole.put(rows(1), "modest")
    assert fill(whole, "flood", 10) == 990


def test_the_refused_one_is_told_why_and_the_others_are_taken() -> None:
    one = queue()
    one.put(rows(1), "modest")
    fill(one, "flood", 10)
    with pytest.raises(OverloadedError, match="flood fills its share of the intake queue"):
        one.put(rows(10), "flood")
    with pytest.raises(OverloadedError, match="fills its share"):
        one.check_room(rows(10), "flood")
    one.check_room(rows(10), "modest")
    one.put(rows(10), "modest")


def test_what_is_being_stored_counts_until_it_is_released() -> None:
    one = queue(capacity=10)
    one.put(rows(10), "a")
    group = one.take()
    with pytest.raises(OverloadedError, match="holds 10 rows of at most 10"):
        one.put(rows(1), "b")
    assert one.waiting_seconds() > 0
    one.release(group)
    assert (one.rows, one.bytes, one.waiting_seconds()) == (0, 0, 0.0)
    one.put(rows(1), "b")


def test_the_queue_is_bounded_in_bytes() -> None:
    one = queue()
    one.capacity_bytes = 2_500_000
    for n in range(2):
        one.put(logs(n + 1, ["x" * 1_000_000]), "t")
    with pytest.raises(OverloadedError, match="bytes of at most 2500000"):
        one.put(logs(9, ["x" * 1_000_000]), "t")


def test_a_batch_larger_than_everything_is_taken_when_nothing_waits() -> None:
    one = queue(capacity=10, batch=5)
    one.put(rows(5000), "a")
    assert len(one.take()[0].batch) == 5000


def test_names_of_sources_are_bounded_and_their_order_is_kept() -> None:
    one = queue(capacity=1_000_000, batch=1_000_000)
    many = [f"s{n}" for n in range(2 * MAX_LANES)]
    for n in range(3):
        for name in many:
            one.put(rows(1, n), name)
    assert len(one._lanes) <= MAX_LANES + 1
    assert len(one._seen) <= MAX_LANES
    order: dict[str, list[float]] = defaultdict(list)
    group = one.take()
    for source, value in numbers(group):
        order[source].append(value)
    assert order == {name: [0.0, 1.0, 2.0] for name in many}
    one.release(group)
    assert not one._by_lane
    assert not one._sharing


def test_a_source_among_the_others_gets_no_lane_while_its_batches_wait() -> None:
    one = queue(capacity=1_000_000, batch=10)
    for n in range(MAX_LANES):
        one.put(rows(1), f"s{n}")
    one.put(rows(1, 1.0), "late")
    taken: list[float] = []
    for turn in range(2, 60):
        group = one.take()
        taken += [value for source, value in numbers(group) if source == "late"]
        one.release(group)
        one.put(rows(1, float(turn)), "late")
    assert taken == sorted(taken)
    assert len(taken) > 1


def test_closing_refuses_what_comes_and_gives_out_what_waits() -> None:
    one = queue()
    one.put(rows(1), "a")
    one.close()
    with pytest.raises(OverloadedError, match="stopping"):
        one.put(rows(1), "a")
    assert len(one.take()) == 1
    assert one.take() == []


def test_a_taker_that_waits_is_woken() -> None:
    one = queue()
    taken: list[list[Waiting]] = []
    taker = threading.Thread(target=lambda: taken.append(one.take()))
    taker.start()
    one.put(rows(1), "a")
    taker.join(20)
    assert [len(group) for group in taken] == [1]


sent = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3000)), max_size=60)


@given(sent, st.integers(1, 2000), st.integers(1, 20))
def test_every_batch_comes_out_once_and_in_order(
    batches: list[tuple[str, int]], batch_rows: int, turns: int
) -> None:
    one = queue(capacity=20_000, batch=batch_rows)
    kept: dict[str, list[float]] = defaultdict(list)
    got: dict[str, list[float]] = defaultdict(list)

    def drain() -> None:
        group = one.take()
        for source, value in numbers(group):
            got[source].append(value)
        one.release(group)

    for number, (source, count) in enumerate(batches):
        try:
            one.put(rows(count, number), source)
            kept[source].append(float(number))
        except OverloadedError:
            assert one.rows
        assert one.rows <= 20_000
        if number % turns == turns - 1 and one.rows:
            drain()
    while one.rows:
        drain()
    assert got == kept
    assert (one.rows, one.bytes) == (0, 0)
    assert not one._by_lane

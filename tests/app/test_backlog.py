"""What waits to be judged: in order, bounded in batches and in bytes."""

from __future__ import annotations

import threading

from stormpetrel.app.backlog import Backlog


def test_first_in_first_out() -> None:
    backlog: Backlog[int] = Backlog(3, 100)
    assert backlog.empty()
    assert backlog.oldest() is None
    assert all(backlog.put(n, 1, 0.0) for n in range(3))
    assert (len(backlog), backlog.oldest()) == (3, 0)
    assert [backlog.get(0.0) for _ in range(4)] == [0, 1, 2, None]


def test_it_is_bounded_in_entries_and_in_bytes() -> None:
    backlog: Backlog[int] = Backlog(3, 100)
    assert backlog.put(1, 60, 0.0)
    assert not backlog.put(2, 60, 0.01)
    assert backlog.put(3, 40, 0.0)
    assert backlog.put(4, 0, 0.0)
    assert not backlog.put(5, 0, 0.01)
    assert [backlog.get(0.0) for _ in range(3)] == [1, 3, 4]


def test_what_is_too_large_for_it_is_taken_when_nothing_waits() -> None:
    backlog: Backlog[int] = Backlog(3, 100)
    assert backlog.put(1, 1000, 0.0)
    assert not backlog.put(2, 1, 0.01)
    assert backlog.get(0.0) == 1
    assert backlog.put(2, 1, 0.0)


def test_who_waits_for_room_gets_it() -> None:
    backlog: Backlog[int] = Backlog(1, 100)
    backlog.put(1, 1, 0.0)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(backlog.put(2, 1, 20.0)))
    waiting.start()
    assert backlog.get(1.0) == 1
    waiting.join(20)
    assert answers == [True]
    assert backlog.get(1.0) == 2

"""Slots: what recurs is found with its period, noise has none, and memory outlives a restart."""

from __future__ import annotations

import numpy as np
import pytest
from tests.context.times import BERLIN, at
from tests.context.waves import MINUTE, NOISE, T0, batch, learned, noise, with_job

from stormpetrel.context.excursions import ENDED, SILENT, Edge
from stormpetrel.context.recur import check_zone
from stormpetrel.context.slots import RING, SlotLearner
from stormpetrel.context.slots_state import from_arrays, to_arrays

DAY = 1440
SECONDS = 10**9


@pytest.mark.parametrize("kind", NOISE)
def test_a_series_that_is_just_noisy_gets_no_slot(kind: str) -> None:
    for seed in range(25):
        edges, slots = learned(noise(kind, 14 * DAY, seed))
        assert slots == [], (kind, seed, len(edges))


@pytest.mark.parametrize(
    ("every", "step", "period"),
    [
        (12, 10 * SECONDS, 120),
        (60, 5 * SECONDS, 300),
        (60, MINUTE, 3600),
        (DAY, MINUTE, 86_400),
        (7 * DAY, MINUTE, 604_800),
    ],
)
def test_what_recurs_is_found_with_its_shortest_period(every: int, step: int, period: int) -> None:
    length = max(3, every // 50)
    values = with_job(noise("normal", every * 12 + 500, 3), every, 200, length)
    _, slots = learned(values, step)
    assert [slot.period // SECONDS for slot in slots] == [period]
    slot = slots[0]
    assert (
        abs(slot.away((T0 + (200 + every) * step) if period < 86_400 else _week(T0 + (200 + every) * step)))
        <= step
    )
    assert slot.usual_seconds() == pytest.approx((length - 1) * step / SECONDS, rel=0.01)
    now = slot.runs[-1].end_unix_nano + slot.period // 2
    clock = now if period < 86_400 else _week(now)
    assert slot.presumed(clock, 1e-6)
    assert not slot.presumed(clock + 5 * slot.period, 1e-6), "nothing comes any more"
    assert slot.gone(clock + 8 * slot.period)


def _week(time: int) -> int:
    return SlotLearner(check_zone("UTC")).clock(86_400 * SECONDS, time)


def test_a_daily_job_is_proposed_after_four_days_and_presumed_after_seven() -> None:
    values = with_job(noise("normal", 8 * DAY, 5), DAY, 120, 30)
    assert learned(values[: 3 * DAY + 140])[1] == []
    slot = learned(values[: 3 * DAY + 400])[1]
    assert len(slot) == 1
    evening = _week(T0 + (3 * DAY + 1000) * MINUTE)
    assert not slot[0].presumed(evening, 1e-6), "four days are not seven"
    slot = learned(values[: 7 * DAY])[1]
    assert slot[0].presumed(_week(T0 + (6 * DAY + 1000) * MINUTE), 1e-6)


def test_a_job_in_busy_noise_still_needs_to_stand_out() -> None:
    random = np.random.default_rng(1)
    values = with_job(noise("normal", 14 * DAY, 6), DAY, 120, 30)
    for start in random.integers(0, 14 * DAY - 60, 14 * 12):
        values[start : start + 20] += 30
    for slot in learned(values)[1]:
        assert slot.period == 86_400 * SECONDS
        assert slot.away(_week(T0 + 120 * MINUTE)) <= slot.width


def test_days_are_those_of_the_zone_when_the_clocks_change() -> None:
    first = at("2026-10-12", BERLIN)
    learner = SlotLearner(BERLIN)
    found = []
    for day in range(24):
        start = at(f"2026-{10 + (12 + day - 1) // 31}-{(12 + day - 1) % 31 + 1:02d}T02:00", BERLIN)
        edge = Edge(ENDED, 0, start, start + 1800 * SECONDS, 5.0)
        answer = learner.update(edge, first, MINUTE)
        if answer is not None:
            found.append(answer[0])
    assert len({id(slot) for slot in found}) == 1, "one slot, before the change and after"
    assert len(found) == 24 - 3
    assert found[0].seen(learner.clock(86_400 * SECONDS, at("2026-11-04T12:00", BERLIN))) == (7, 7)


def test_a_night_in_which_nobody_could_see_counts_neither_way() -> None:
    learner = SlotLearner(check_zone("UTC"))
    night = 30 * MINUTE
    for day in (0, 1, 2, 3, 5, 6, 7, 8):
        start = T0 + (day * DAY + 120) * MINUTE
        learner.update(Edge(ENDED, 0, start, start + night, 4.0), T0, MINUTE)
    (slot,) = learner.slots[0]
    now = _week(T0 + (8 * DAY + 1000) * MINUTE)
    assert slot.seen(now) == (6, 7)
    silence = T0 + (4 * DAY + 100) * MINUTE
    learner.silent(Edge(SILENT, 0, silence, silence + 90 * MINUTE, 0.0))
    assert slot.seen(now) == (7, 7)
    learner.silent(Edge(SILENT, 0, silence + 400 * MINUTE, silence + 500 * MINUTE, 0.0))
    assert list(slot.unknown) == [slot.number_of(_week(silence))], (
        "a silence at noon says nothing of the night"
    )


def test_memory_is_bounded_and_outlives_a_restart() -> None:
    learner = SlotLearner(check_zone("UTC"))
    for n in range(200):
        start = T0 + n * 977 * MINUTE
        learner.update(Edge(ENDED, n % 3, start, start + 5 * MINUTE, 1.0 + n % 7), T0, MINUTE)
    for day in range(9):
        start = T0 + (400 * DAY + day * DAY) * MINUTE
        learner.update(Edge(ENDED, 7, start, start + 30 * MINUTE, -4.0), T0, MINUTE)
    assert learner.held.max() <= RING
    again = SlotLearner(check_zone("UTC"))
    slots = from_arrays(again, to_arrays(learner))
    assert slots == [slot for key in sorted(learner.slots) for slot in learner.slots[key]]
    start = T0 + 409 * DAY * MINUTE
    edge = Edge(ENDED, 7, start, start + 30 * MINUTE, -4.0)
    one, two = learner.update(edge, T0, MINUTE), again.update(edge, T0, MINUTE)
    assert one is not None
    assert one == two
    assert again.update(edge, T0, MINUTE) is None, "the same run, read again after a start, counts once"
    first, second = to_arrays(learner), to_arrays(again)
    for name in first:
        assert np.array_equal(first[name], second[name]), name


@pytest.mark.parametrize("damage", ["version", "ring_starts", "numbers", "jobs"])
def test_damaged_memory_is_refused(damage: str) -> None:
    learner = SlotLearner(check_zone("UTC"))
    learner.update(Edge(ENDED, 0, T0, T0 + MINUTE, 1.0), T0, MINUTE)
    arrays = dict(to_arrays(learner))
    arrays[damage] = np.array([[99, 99]])
    again = SlotLearner(check_zone("UTC"))
    with pytest.raises(ValueError, match="slots"):
        from_arrays(again, arrays)
    assert (again.newest, again.places(), again.slots) == ({}, [], {}), "all of it, or nothing"


def test_batches_do_not_matter() -> None:
    values = with_job(noise("heavy", 10 * DAY, 8), DAY, 120, 30)
    assert learned(values, cut=97)[1] == learned(values, cut=20_000)[1]
    assert len(batch(values, MINUTE).batch) == 10 * DAY

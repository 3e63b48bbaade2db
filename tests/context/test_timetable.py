"""The compiled calendar answers as a plain search over all occurrences does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.context.times import at, entry, series

from stormpetrel.context.recur import occurrences
from stormpetrel.context.scope import read_scope
from stormpetrel.context.timetable import Timetable
from stormpetrel.model.calendar import CalendarEntry, Cron, EntryKind, Every, Listed, Once, Watch
from stormpetrel.model.time import Window, from_seconds

T0 = at("2026-05-04")
HOUR, DAY = from_seconds(3600), from_seconds(86_400)
SERIES = [series(n, f"m{n % 3}", host=f"h{n % 4}", job="batch" if n % 2 else "web") for n in range(12)]

spans = st.tuples(st.integers(-30, 60), st.integers(0, 20)).map(
    lambda s: (T0 + s[0] * HOUR, T0 + (s[0] + s[1]) * HOUR)
)
rules = st.one_of(
    spans.map(lambda s: Once(*s)),
    st.lists(spans, max_size=5).map(lambda found: Listed(tuple(sorted(found)))),
    st.just(Cron("0 */5 * * *", "Europe/Berlin", 3600.0)),
    st.just(Every(7200.0, 600.0, "UTC", 1200.0)),
)
scopes = st.sampled_from(
    ["*", "host:h1", "host:h*", '{job="batch"}', "m1", 'm2{host=~"h[01]"}', "host:nobody"]
)
entries = st.lists(
    st.builds(entry, rules, st.sampled_from([EntryKind.MAINTENANCE, EntryKind.FREEZE]), st.tuples(scopes),
              train=st.booleans()),
    max_size=6,
).map(lambda found: [replace(one, entry_id=f"e{n}") for n, one in enumerate(found)])  # fmt: skip


@settings(deadline=None)
@given(calendar=entries, seed=st.integers(0, 999), cut=st.integers(1, 40))
def test_masks_are_those_of_a_plain_search(calendar: list[CalendarEntry], seed: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    which = random.integers(0, len(SERIES), 40).astype(np.uint32)
    times = np.sort(T0 + random.integers(-20 * 3600, 50 * 3600, 40) * 10**9)
    table = Timetable(SERIES.__getitem__, calendar)
    parts = [(which[:cut], times[:cut]), (which[cut:], times[cut:])]
    found = [table.masked(*part) for part in parts]
    got = [m if m is not None else np.zeros(len(p[0]), bool) for m, p in zip(found, parts, strict=True)]
    wide = Window(T0 - 9 * DAY, T0 + 9 * DAY)
    masks = [e for e in calendar if e.kind is EntryKind.MAINTENANCE and not e.train]
    expected = [
        any(
            o.start_unix_nano <= time < o.end_unix_nano
            for e in masks
            if read_scope(e.scopes[0]).has_series(SERIES[one])
            for o in occurrences(e, wide)
        )
        for one, time in zip(which.tolist(), times.tolist(), strict=True)
    ]
    assert np.concatenate(got).tolist() == expected


def test_a_window_begins_with_its_start_and_is_over_at_its_end() -> None:
    table = Timetable(SERIES.__getitem__, [entry(Listed(((T0, T0 + HOUR), (T0 + HOUR, T0 + 2 * HOUR))))])
    times = np.array([T0 - 1, T0, T0 + HOUR - 1, T0 + HOUR, T0 + 2 * HOUR - 1, T0 + 2 * HOUR])
    masked = table.masked(np.zeros(6, np.uint32), times)
    assert masked is not None
    assert masked.tolist() == [False, True, True, True, True, False]


def test_time_that_leaves_the_horizon_is_looked_up_anew() -> None:
    table = Timetable(SERIES.__getitem__, [entry(Cron("0 2 * * *", "UTC", 3600.0))])
    which = np.zeros(1, np.uint32)
    for day in (0, 30, 5, 400, -90):
        inside = np.array([T0 + day * DAY + 2 * HOUR + 1])
        masked = table.masked(which, inside)
        assert masked is not None
        assert masked.tolist() == [True]
        after = table.masked(which, inside + HOUR)
        assert after is None or after.tolist() == [False]


def test_a_finding_is_covered_by_the_newest_of_its_kind_and_scope() -> None:
    job = entry(
        Cron("0 2 * * *", "UTC", 3600.0),
        EntryKind.EXPECTED_JOB,
        ("host:h1",),
        "job",
        Watch("x", (), 300.0, 600.0),
    )
    table = Timetable(SERIES.__getitem__, [job, entry(Once(T0, T0 + DAY), EntryKind.FREEZE, key="f")])
    two = T0 + 2 * HOUR
    found = table.covering(EntryKind.EXPECTED_JOB, "host:h1", 1, two + 60 * 10**9)
    assert found is not None
    assert found.start_unix_nano == two
    assert table.covering(EntryKind.EXPECTED_JOB, "host:h1", -1, two + HOUR + from_seconds(599)) is not None
    assert table.covering(EntryKind.EXPECTED_JOB, "host:h1", -1, two + HOUR + from_seconds(601)) is None
    assert table.covering(EntryKind.EXPECTED_JOB, "host:h2", 2, two + 1) is None
    assert [o.entry.entry_id for o in table.between(Window(two, two + 1))] == ["f", "job"]

"""The clauses of `ports.store.TelemetryStore` about windows that are added up by steps of time."""

from __future__ import annotations

from collections.abc import Callable

from stormpetrel.model.time import Window
from stormpetrel.ports.store import TelemetryStore
from stormpetrel.testing.require import equal
from stormpetrel.testing.store_samples import NOW, ODD_TEXT, SECOND, log_batch, metric_batch, span_batch

MakeStore = Callable[[], TelemetryStore]
WINDOW = Window(NOW, NOW + 30 * SECOND)


def samples_are_added_up(make_store: MakeStore) -> None:
    """Mean and highest of each series and step, by series; nothing of other times; the first series only."""
    store = make_store()
    rows = [
        (series, NOW + at * SECOND, float(10 * series + at)) for series in (4, 1) for at in range(-5, 40, 5)
    ]
    store.insert_samples(metric_batch(rows), "grid")
    found = store.grid_samples(WINDOW, 10.0, 100)
    equal(found.series.tolist(), [1, 1, 1, 4, 4, 4])
    equal(found.step.tolist(), [0, 1, 2, 0, 1, 2])
    equal(found.mean.tolist(), [12.5, 22.5, 32.5, 42.5, 52.5, 62.5])
    equal(found.high.tolist(), [15.0, 25.0, 35.0, 45.0, 55.0, 65.0])
    equal(store.grid_samples(WINDOW, 10.0, 1).series.tolist(), [1, 1, 1])
    equal(len(store.grid_samples(Window(NOW - 100, NOW - 50), 10.0, 9).series), 0)
    store.close()


def patterns_are_added_up(make_store: MakeStore) -> None:
    """Records by step, entity and pattern, most first; the highest severity of each."""
    store = make_store()
    batch = log_batch(
        [
            {
                "time_unix_nano": NOW + at * SECOND,
                "entity": ODD_TEXT if at % 3 else "host:b",
                "pattern": -7,
                "severity_number": 9 + at % 2 * 8,
            }
            for at in range(-1, 12)
        ]
    )
    store.insert_logs(batch, "tally")
    found = store.tally_patterns(WINDOW, 10.0, 100)
    held = zip(found.step.tolist(), found.entity, found.count.tolist(), found.severity.tolist(), strict=True)
    equal(
        list(held),
        [(0, ODD_TEXT, 6, 17), (0, "host:b", 4, 17), (1, ODD_TEXT, 2, 17)],
    )
    equal(found.pattern.tolist(), [-7, -7, -7])
    equal(store.tally_patterns(WINDOW, 10.0, 1).count.tolist(), [6])
    store.close()


def calls_are_added_up(make_store: MakeStore) -> None:
    """Who called whom, and the time of a span that is not in its children; the newest spans only."""
    store = make_store()
    rows: list[dict[str, object]] = []
    for place in range(3):
        trace, start = f"{place:032x}", NOW + place * 10 * SECOND
        rows += [
            {"trace_id": trace, "span_id": "a" * 16, "entity": "service:shop", "name": "GET /",
             "start_unix_nano": start, "end_unix_nano": start + 9 * SECOND},
            {"trace_id": trace, "span_id": "b" * 16, "parent_span_id": "a" * 16, "entity": "service:db",
             "name": "SELECT", "start_unix_nano": start + SECOND, "end_unix_nano": start + 6 * SECOND,
             "status_code": 2 if place else 0},
        ]  # fmt: skip
    store.insert_spans(span_batch(rows), "calls")
    found = store.tally_calls(WINDOW, 30.0, 100, 100)
    told = sorted(
        zip(found.caller, found.entity, found.name, found.failing.tolist(), found.count.tolist(), strict=True)
    )
    equal(
        told,
        [
            ("", "service:shop", "GET /", False, 3),
            ("service:shop", "service:db", "SELECT", False, 1),
            ("service:shop", "service:db", "SELECT", True, 2),
        ],
    )
    equal(set(found.toward), {""})
    own = dict(zip(found.entity, found.own_seconds.tolist(), strict=True))
    equal(own, {"service:shop": 4.0, "service:db": 5.0})
    newest = store.tally_calls(WINDOW, 30.0, 2, 100)
    equal(newest.count.tolist(), [1, 1])
    store.close()


def the_way_of_a_call_is_told(make_store: MakeStore) -> None:
    """Whom a client's span went to: the one entity of its children; of no other span, and not of several."""
    store = make_store()
    spans = (  # trace, span, parent, entity, kind, seconds from and to
        ("1", "a", "", "service:shop", 2, 0, 9),
        ("1", "b", "a", "service:shop", 3, 1, 8),
        ("1", "c", "b", "service:cart", 2, 2, 4),
        ("2", "a", "", "service:shop", 3, 0, 9),
        ("2", "b", "a", "service:cart", 2, 1, 2),
        ("2", "c", "a", "service:user", 2, 2, 3),
        ("3", "a", "", "service:shop", 3, 0, 9),
    )
    rows: list[dict[str, object]] = [
        {
            "trace_id": f"{trace:0>32}",
            "span_id": f"{span:0>16}",
            "parent_span_id": f"{parent:0>16}" if parent else "",
            "entity": entity,
            "name": "GET",
            "kind": kind,
            "start_unix_nano": NOW + first * SECOND,
            "end_unix_nano": NOW + last * SECOND,
        }
        for trace, span, parent, entity, kind, first, last in spans
    ]
    store.insert_spans(span_batch(rows), "ways")
    found = store.tally_calls(WINDOW, 30.0, 100, 100)
    ways = sorted(
        zip(found.caller, found.entity, found.toward, found.own_seconds.tolist(), strict=True), key=str
    )
    equal([way for way in ways if way[2]], [("service:shop", "service:shop", "service:cart", 5.0)])
    store.close()


SITUATION_CHECKS: tuple[Callable[[MakeStore], None], ...] = (
    samples_are_added_up,
    patterns_are_added_up,
    calls_are_added_up,
    the_way_of_a_call_is_told,
)

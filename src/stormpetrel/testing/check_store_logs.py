"""The clauses of `ports.store.TelemetryStore` about log records, spans and findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from stormpetrel.model.finding import FindingState, Severity
from stormpetrel.model.query import LogQuery
from stormpetrel.model.time import Window
from stormpetrel.ports.store import TelemetryStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_samples import (
    NOW,
    ODD_TEXT,
    SECOND,
    finding,
    log_batch,
    same_finding,
    span_batch,
)

EVER = Window(-(2**63), 2**63 - 1)
MakeStore = Callable[[], TelemetryStore]


def logs_come_back(make_store: MakeStore) -> None:
    """Every column, odd text and extreme times included; ordered by time whatever the chunks."""
    store = make_store()
    batch = log_batch(
        [
            {"time_unix_nano": -5, "observed_unix_nano": -(2**63)},
            {"body": ODD_TEXT, "attributes": '{"a":"b","n":1}', "severity_number": 24},
            {"body": "same moment", "trace_id": "ab" * 16, "span_id": "cd" * 8, "request_token": 2**64 - 1},
            {
                "time_unix_nano": NOW + 5 * SECOND,
                "entity": ODD_TEXT,
                "source": ODD_TEXT,
                "severity_number": 0,
            },
        ]
    )
    store.insert_logs(batch, "logs")
    store.insert_logs(log_batch([]), "empty")
    wanted = sorted(map(str, batch.records.to_pylist()))
    orders = []
    for chunk_seconds in (0.001, 1.0, 900.0):
        chunks = [chunk.records for chunk in store.scan_logs(EVER, chunk_seconds)]
        rows = pa.Table.from_batches(chunks).to_pylist()
        times = [row["time_unix_nano"] for row in rows]
        equal(times, sorted(times))
        equal(sorted(map(str, rows)), wanted)
        orders.append(rows)
    equal(orders[0], orders[1])
    equal(orders[1], orders[2])
    equal(list(store.scan_logs(Window(NOW + 1, NOW + 2))), [])
    record = store.read_logs(LogQuery(Window(NOW, NOW + 1), text="quoted"))[0]
    equal((record.body, dict(record.attributes)), (ODD_TEXT, {"a": "b", "n": "1"}))
    store.close()


_BODIES = (
    "Disk sda1 FULL", "disk 50% used", "50 percent", "a_b", "aXb", "back\\slash", "ÄRGER im Netz", "",
)  # fmt: skip


def _found(store: TelemetryStore, **parts: Any) -> list[str]:
    query = dataclasses.replace(LogQuery(Window(NOW, NOW + len(_BODIES))), **parts)
    answers = [record.body for record in store.read_logs(query)]
    counted = int(store.count_logs(query, 4).count.sum())
    require(counted >= len(answers), "the limit does not apply to counts")
    return answers


def _insert_bodies(store: TelemetryStore) -> None:
    rows: list[dict[str, object]] = [
        {"time_unix_nano": NOW + place, "body": body, "severity_number": place}
        for place, body in enumerate(_BODIES)
    ]
    rows[0] |= {"entity": "host:b", "trace_id": "ab" * 16}
    rows[1] |= {"source": "other"}
    store.insert_logs(log_batch(rows), "bodies")


def texts_are_found(make_store: MakeStore) -> None:
    """The text of a query is a case-insensitive plain substring."""
    store = make_store()
    _insert_bodies(store)
    equal(_found(store, text="DISK"), ["disk 50% used", "Disk sda1 FULL"])
    equal(_found(store, text="50%"), ["disk 50% used"])
    equal(_found(store, text="A_B"), ["a_b"])
    equal(_found(store, text="k\\s"), ["back\\slash"])
    equal(_found(store, text="ärger"), ["ÄRGER im Netz"])
    equal(_found(store, text="i"), ["ÄRGER im Netz", "disk 50% used", "Disk sda1 FULL"])
    equal(_found(store, text="nowhere to be found"), [])
    store.close()


def queries_restrict(make_store: MakeStore) -> None:
    """Each part of a query restricts; newest first unless asked otherwise; paging is strict."""
    store = make_store()
    _insert_bodies(store)
    newest_first = list(_BODIES[::-1])
    equal(_found(store), newest_first)
    equal(_found(store, newest_first=False), list(_BODIES))
    equal(_found(store, entity="host:b"), ["Disk sda1 FULL"])
    equal(_found(store, trace_id="ab" * 16), ["Disk sda1 FULL"])
    equal(_found(store, source="other"), ["disk 50% used"])
    equal(_found(store, min_severity=6), ["", "ÄRGER im Netz"])
    equal(_found(store, limit=2), newest_first[:2])
    equal(_found(store, limit=0), [])
    equal(_found(store, before_unix_nano=NOW + 2), newest_first[-2:])
    equal(_found(store, before_unix_nano=NOW + 4, skip=1, limit=2), newest_first[-3:-1])
    equal(_found(store, window=Window(NOW + 1, NOW + 3)), ["50 percent", "disk 50% used"])
    store.close()


def one_moment_is_paged_through(make_store: MakeStore) -> None:
    """Records of one moment come in a fixed order, so that `skip` neither leaves out nor repeats any."""
    store = make_store()
    bodies = [f"line {place:03}" for place in range(90)]
    for part in range(3):
        rows: list[dict[str, object]] = [{"time_unix_nano": NOW, "body": body} for body in bodies[part::3]]
        store.insert_logs(log_batch(rows), f"part {part}")
    pages = [_found(store, before_unix_nano=NOW + 1, skip=skip, limit=20) for skip in range(0, 100, 20)]
    equal([len(page) for page in pages], [20, 20, 20, 20, 10])
    equal(sorted(body for page in pages for body in page), bodies)
    counted = store.count_logs(LogQuery(Window(NOW, NOW + 1), before_unix_nano=NOW, skip=5), 1)
    equal(counted.count.sum(), 90)
    store.close()


def logs_are_counted(make_store: MakeStore) -> None:
    """Counts per bucket and severity; the buckets cover the window, its end excluded."""
    store = make_store()
    rows: list[dict[str, object]] = [
        {"time_unix_nano": NOW + second * SECOND, "severity_number": 9 + 8 * (second % 2)}
        for second in range(100)
    ]
    store.insert_logs(log_batch(rows), "counted")
    counts = store.count_logs(LogQuery(Window(NOW, NOW + 100 * SECOND), limit=1), 10)
    equal(counts.bucket_unix_nano.tolist(), [NOW + 10 * SECOND * bucket for bucket in range(10)])
    equal(counts.count.shape, (10, 25))
    require(np.all(counts.count[:, [9, 17]] == 5), "five records in each bucket of each severity")
    equal(counts.count.sum(), 100)
    equal(store.count_logs(LogQuery(Window(NOW, NOW + 99 * SECOND)), 7).count.sum(), 99)
    equal(store.count_logs(LogQuery(Window(NOW, NOW), text="x"), 3).count.sum(), 0)
    store.close()


def patterns_are_counted(make_store: MakeStore) -> None:
    """Records by pattern, most first, in parts of the window; a query by patterns finds theirs alone."""
    store = make_store()
    rows: list[dict[str, object]] = [
        {
            "time_unix_nano": NOW + second * SECOND,
            "pattern": 7 if second % 4 else -(2**40),
            "severity_number": 9 + (second == 50) * 8,
            "entity": f"host:{second % 3}",
            "body": f"line {second}",
        }
        for second in range(100)
    ]
    store.insert_logs(log_batch(rows), "patterns")
    store.insert_logs(log_batch([{"time_unix_nano": NOW + SECOND, "body": "never mined"}]), "plain")
    window = Window(NOW, NOW + 100 * SECOND)
    found = store.count_patterns(LogQuery(window), 10)
    equal(found.pattern.tolist(), [7, -(2**40), 0])
    equal(found.count.sum(axis=1).tolist(), [75, 25, 1])
    equal(found.count[0, :2].tolist(), [7, 8])
    equal(found.severity.tolist(), [17, 9, 9])
    equal(found.first_unix_nano.tolist(), [NOW + SECOND, NOW, NOW + SECOND])
    equal(found.last_unix_nano.tolist(), [NOW + 99 * SECOND, NOW + 96 * SECOND, NOW + SECOND])
    equal(found.entities.tolist(), [3, 3, 1])
    equal(len(store.count_patterns(LogQuery(window, limit=1), 3)), 1)
    equal(store.count_patterns(LogQuery(window, text="line 5"), 1).count.sum(), 11)
    equal(len(store.count_patterns(LogQuery(Window(NOW - 2, NOW - 1)), 5)), 0)
    equal(len(store.read_logs(LogQuery(window, patterns=(-(2**40), 5)))), 25)
    equal(store.count_logs(LogQuery(window, patterns=(7,)), 2).count.sum(), 75)
    equal({one.pattern for one in store.read_logs(LogQuery(window, patterns=(7,)))}, {7})
    store.close()


def spans_come_back(make_store: MakeStore) -> None:
    """Newest start first, within window and limit, of one trace if asked."""
    store = make_store()
    rows: list[dict[str, object]] = [
        {"start_unix_nano": NOW + place, "trace_id": f"{place % 2:032x}", "name": ODD_TEXT}
        for place in range(6)
    ]
    batch = span_batch(rows)
    store.insert_spans(batch, "spans")
    store.insert_spans(span_batch([]), "empty")
    window = Window(NOW, NOW + 5)
    everything = store.read_spans(window).records.to_pylist()
    equal(everything, batch.records.to_pylist()[4::-1])
    equal(store.read_spans(window, limit=2).records.to_pylist(), everything[:2])
    of_trace = store.read_spans(window, trace_id=f"{1:032x}").records.column("start_unix_nano").to_pylist()
    equal(of_trace, [NOW + 3, NOW + 1])
    equal(len(store.read_spans(window, trace_id="none")), 0)
    store.close()


def findings_change(make_store: MakeStore) -> None:
    """The newest change of each id, exactly; those that overlap the window, newest start first."""
    store = make_store()
    first, second = finding(1, NOW, NOW + 10), finding(2, NOW + 5, NOW + 8)
    store.insert_findings([first, second])
    store.insert_findings([])
    longer = dataclasses.replace(first, end_unix_nano=NOW + 20, severity=Severity.CRITICAL)
    closed = dataclasses.replace(longer, state=FindingState.CLOSED, attributes=None, why="over")
    store.insert_findings([longer, closed])
    found = store.read_findings(Window(NOW, NOW + 100))
    equal([one.finding_id for one in found], ["f2", "f1"])
    require(same_finding(found[0], second), "a finding without a change is as it was inserted")
    require(same_finding(found[1], closed), "the newest change is what is read, to the bit")
    equal([one.finding_id for one in store.read_findings(Window(NOW + 15, NOW + 16))], ["f1"])
    equal(store.read_findings(Window(NOW + 21, NOW + 100)), [])
    equal(store.read_findings(Window(NOW - 9, NOW)), [])
    equal(len(store.read_findings(Window(NOW, NOW + 100), limit=1)), 1)
    store.close()
    store = make_store()
    store.insert_findings([longer])
    require(
        same_finding(store.read_findings(Window(NOW, NOW + 1))[0], longer),
        "a change after a restart is the newest",
    )
    store.close()


def request_tokens_are_known(make_store: MakeStore) -> None:
    """Distinct request tokens of logs and spans, without zero, by the time of their insertion."""
    store = make_store()
    store.insert_logs(log_batch([{"request_token": token} for token in (0, 5, 5, 2**64 - 1)]), "a")
    store.insert_spans(span_batch([{"request_token": token} for token in (5, 6)]), "b")
    tokens = store.recent_tokens(0)
    equal(tokens.dtype, np.uint64)
    equal(sorted(tokens.tolist()), [5, 6, 2**64 - 1])
    equal(len(store.recent_tokens(2**62)), 0)
    store.close()


LOG_CHECKS = (
    logs_come_back,
    texts_are_found,
    queries_restrict,
    one_moment_is_paged_through,
    logs_are_counted,
    patterns_are_counted,
    spans_come_back,
    findings_change,
    request_tokens_are_known,
)

"""Spans of the estate: a fixed share of checkout's requests, followed through database and queue."""

from __future__ import annotations

import numpy as np

from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.simulate.conditions import DATABASE_HOST, QUEUE_HOST, WEB_HOSTS, Ticks
from stormpetrel.simulate.noise import Floats, Ints, Noise
from stormpetrel.simulate.operation import LATENCY_SIGMA, QUERIES_PER_REQUEST, Operation
from stormpetrel.simulate.signals import SpanColumns

TRACE_EVERY = 100  # every hundredth request and every hundredth failure is traced
_SERVER, _PRODUCER = 2, 4  # OpenTelemetry SpanKind
_OK, _ERROR = 1, 2


class Tracer:
    """Samples requests: of R requests so far, exactly R // 100 have a trace, of which E // 100 failed.

    Counting keeps traces and request counters consistent at any moment; the counts are its only state.
    """

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._seen = dict.fromkeys(WEB_HOSTS, (0, 0))

    def spans(self, operation: Operation) -> SpanColumns:
        """The spans of one step, by start. O(ticks + traces)."""
        parts = [self._host_spans(operation, place, host) for place, host in enumerate(WEB_HOSTS)]
        rows = sorted(row for part in parts for row in part)
        return SpanColumns(
            start_unix_nano=np.array([row[0] for row in rows], np.int64),
            end_unix_nano=np.array([row[1] for row in rows], np.int64),
            trace_id=[row[2] for row in rows],
            span_id=[row[3] for row in rows],
            parent_span_id=[row[4] for row in rows],
            service=[row[5] for row in rows],
            host=[row[6] for row in rows],
            name=[row[7] for row in rows],
            kind=np.array([row[8] for row in rows], np.int64),
            status_code=np.array([row[9] for row in rows], np.int64),
        )

    def _host_spans(self, operation: Operation, place: int, host: str) -> list[_Row]:
        ticks = operation.conditions.ticks
        seen_good, seen_bad = self._seen[host]
        errors = operation.errors[:, place]
        good = seen_good + np.cumsum(operation.requests[:, place] - errors)
        bad = seen_bad + np.cumsum(errors)
        rows: list[_Row] = []
        for failed, running, before in ((False, good, seen_good), (True, bad, seen_bad)):
            traced = np.diff(running // TRACE_EVERY, prepend=before // TRACE_EVERY)
            tick = np.repeat(np.arange(len(ticks)), traced)
            ordinal = np.arange(len(tick)) + before // TRACE_EVERY
            rows += self._rows(operation, host, tick, ordinal, failed)
        if len(ticks):
            self._seen[host] = (int(good[-1]), int(bad[-1]))
        return rows

    def _rows(self, operation: Operation, host: str, tick: Ints, ordinal: Ints, failed: bool) -> list[_Row]:
        """Three spans a trace: checkout, its query, and (unless it failed) its mail."""
        noise, stream = self._noise, f"trace/{host}/{failed}"
        start = _starts(operation.conditions.ticks, tick, noise.uniform(stream + "/at", ordinal))
        median = operation.latency_seconds[tick, WEB_HOSTS.index(host)]
        whole = median * np.exp(LATENCY_SIGMA * noise.normal(stream + "/length", ordinal))
        query = np.minimum(QUERIES_PER_REQUEST * operation.query_seconds[tick], 0.8 * whole)
        ids = [noise.bits(f"{stream}/id{part}", ordinal) for part in range(5)]
        rows: list[_Row] = []
        for at, length, waited, *words in zip(
            start.tolist(), _nanos(whole), _nanos(query), *(column.tolist() for column in ids), strict=True
        ):
            trace = words[0].to_bytes(8, "big") + words[1].to_bytes(8, "big")
            root, first, second = (word.to_bytes(8, "big") for word in words[2:])
            status = _ERROR if failed else _OK
            rows.append(
                (at, at + length, trace, root, b"", "checkout", host, "POST /checkout", _SERVER, status)
            )
            begun = at + (length - waited) // 4
            ended = begun + waited
            rows.append(
                (begun, ended, trace, first, root, "orders-db", DATABASE_HOST, "SELECT orders", _SERVER, _OK)
            )
            if not failed:
                done = ended + (at + length - ended) // 2
                rows.append(
                    (
                        ended,
                        done,
                        trace,
                        second,
                        root,
                        "mail-queue",
                        QUEUE_HOST,
                        "mail publish",
                        _PRODUCER,
                        _OK,
                    )
                )
        return rows


_Row = tuple[int, int, bytes, bytes, bytes, str, str, str, int, int]


def _starts(ticks: Ticks, tick: Ints, share: Floats) -> Ints:
    return ticks.time_unix_nano[tick] + (share * ticks.step_seconds * NANOS_PER_SECOND).astype(np.int64)


def _nanos(seconds: Floats) -> list[int]:
    nanos: list[int] = np.rint(seconds * NANOS_PER_SECOND).astype(np.int64).tolist()
    return nanos

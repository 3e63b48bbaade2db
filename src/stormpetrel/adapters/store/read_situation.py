"""Reading what a diagnosis looks at: everything of a window, added up by steps of time in the store."""

from __future__ import annotations

import numpy as np

from stormpetrel.adapters.store import rows
from stormpetrel.adapters.store.part import IN_WINDOW, StorePart, bounds, select
from stormpetrel.model.query import CallTally, GridSamples, PatternTally
from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_seconds

_STEP = "intDiv(time_unix_nano - {start:Int64}, {step:Int64})"
_CLIENT = 3  # OpenTelemetry's SpanKind
_STARTED = ("start_unix_nano >= {start:Int64}", "start_unix_nano < {end:Int64}")


class SituationReader(StorePart):
    """The reads of `TelemetryStore` that add up a window."""

    def grid_samples(self, window: Window, step_seconds: float, limit: int) -> GridSamples:
        """Mean and highest sample of each series and step, by series; of the `limit` first series."""
        first = select("DISTINCT series", "samples", IN_WINDOW, "ORDER BY series LIMIT {limit:UInt64}")
        sql = select(
            f"series, {_STEP} AS place, avg(value) AS mean, max(value) AS high",
            "samples",
            [
                *IN_WINDOW,
                f"series IN ({first})",
            ],
            "GROUP BY series, place ORDER BY series, place",
        )
        found = self._connections.query(sql, {**_asked(window, step_seconds), "limit": max(0, limit)})
        return GridSamples(
            rows.column(found, "series", np.uint32),
            rows.column(found, "place", np.int64),
            rows.column(found, "mean", np.float64),
            rows.column(found, "high", np.float64),
        )

    def tally_patterns(self, window: Window, step_seconds: float, limit: int) -> PatternTally:
        """Log records by step, entity and pattern; the `limit` rows with the most records."""
        sql = select(
            f"{_STEP} AS place, entity, pattern, toInt64(count()) AS held, max(severity_number) AS worst",
            "logs",
            IN_WINDOW,
            "GROUP BY place, entity, pattern ORDER BY held DESC, place, entity, pattern LIMIT {limit:UInt64}",
        )
        found = self._connections.query(sql, {**_asked(window, step_seconds), "limit": max(0, limit)})
        return PatternTally(
            rows.column(found, "place", np.int64),
            [str(one) for one in found["entity"].to_pylist()],
            rows.column(found, "pattern", np.int64),
            rows.column(found, "held", np.int64),
            rows.column(found, "worst", np.uint8),
        )

    def tally_calls(self, window: Window, step_seconds: float, spans: int, limit: int) -> CallTally:
        """Calls by step, caller, callee and name, from the `spans` newest spans; the `limit` rows with
        the most."""
        asked = {**_asked(window, step_seconds), "spans": max(0, spans), "limit": max(0, limit)}
        found = self._connections.query(_calls_counted(), asked)
        return CallTally(
            rows.column(found, "place", np.int64),
            [str(one) for one in found["caller"].to_pylist()],
            [str(one) for one in found["callee"].to_pylist()],
            [str(one) for one in found["what"].to_pylist()],
            rows.column(found, "failing", np.uint8).astype(np.bool_),
            rows.column(found, "held", np.int64),
            rows.column(found, "own", np.float64) / NANOS_PER_SECOND,
            [str(one) for one in found["toward"].to_pylist()],
        )


def _asked(window: Window, step_seconds: float) -> dict[str, int]:
    return {**bounds(window), "step": max(1, from_seconds(step_seconds))}


def _calls_counted() -> str:
    """The newest spans, each with its caller and with the time and the entity of its children, added up."""
    newest = select(
        "trace_id, span_id, parent_span_id, entity, name, kind, status_code, start_unix_nano,"
        " end_unix_nano - start_unix_nano AS lasted",
        "spans",
        _STARTED,
        "ORDER BY start_unix_nano DESC, trace_id DESC, span_id DESC LIMIT {spans:UInt64}",
    )
    below = select(
        "trace_id, parent_span_id, sum(lasted) AS below,"
        " if(uniqExact(entity) = 1, any(entity), '') AS served",
        "newest",
        ["parent_span_id != ''"],
        "GROUP BY trace_id, parent_span_id",
    )
    joined = (
        "newest AS c"
        " LEFT JOIN newest AS p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id"
        f" LEFT JOIN ({below}) AS b ON c.trace_id = b.trace_id AND c.span_id = b.parent_span_id"
    )
    counted = select(
        "intDiv(c.start_unix_nano - {start:Int64}, {step:Int64}) AS place,"
        " p.entity AS caller, c.entity AS callee, c.name AS what, c.status_code = 2 AS failing,"
        f" if(c.kind = {_CLIENT} AND b.served != c.entity, b.served, '') AS toward,"
        " toInt64(count()) AS held, quantileExact(0.95)(greatest(c.lasted - b.below, 0)) AS own",
        joined,
        (),
        "GROUP BY place, caller, callee, what, failing, toward"
        " ORDER BY held DESC, place, caller, callee, what, failing, toward LIMIT {limit:UInt64}",
    )
    return f"WITH newest AS ({newest}) {counted}"

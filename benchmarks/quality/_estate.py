"""The simulated estate in memory: what the store would add up of it, as the situation of a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.app.estate_store import calls_in, grid_in, patterns_in

from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.situation import calls_of, grid_of, patterns_of
from stormpetrel.explain.situation import KnownChange, Situation
from stormpetrel.model.signal import LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import Window

STEP = 15.0


def situation_of(
    pipeline: Pipeline,
    batches: Sequence[tuple[MetricBatch, LogBatch, SpanBatch]],
    window: Window,
    anchor_unix_nano: int,
    changes: tuple[KnownChange, ...] = (),
) -> Situation:
    """What is known of a window; log records have their patterns."""
    inside = MetricBatch.concat([one for one, _, _ in batches])
    kept = (inside.time_unix_nano >= window.start_unix_nano) & (inside.time_unix_nano < window.end_unix_nano)
    every = MetricBatch(inside.series[kept], inside.time_unix_nano[kept], inside.value[kept])
    times, values, entities, names = grid_of(
        grid_in(every, window, STEP), window, STEP, pipeline.registry.info
    )
    traced = [one for _, _, one in batches]
    called, edges = calls_of(calls_in(traced, window, STEP), window, STEP)
    book = pipeline.patterns
    return Situation(
        time_unix_nano=times,
        values=values,
        entities=entities,
        metrics=names,
        anchor_unix_nano=anchor_unix_nano,
        usable=np.ones(len(times), np.bool_),
        calls=edges,
        patterns=patterns_of(
            patterns_in([one for _, one, _ in batches], window, STEP),
            window,
            STEP,
            lambda ids: {one: found.text for one in ids if (found := book.find(one)) is not None},
        ),
        spans=called,
        changes=changes,
    )


def deployed(time_unix_nano: int) -> KnownChange:
    """The record with which a bad deploy begins, as it arrives from whoever deploys."""
    return KnownChange(
        "deploy-1", time_unix_nano, "service:checkout", "deploy", "deploy of checkout 1.675.420 succeeded"
    )

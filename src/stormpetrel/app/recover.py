"""What an earlier process left in the spill is known again before anything new comes in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from stormpetrel.app.inserts import SampleInsert, unknown_series
from stormpetrel.app.spill import Spill
from stormpetrel.app.tokens import distinct_tokens
from stormpetrel.ingest.admit import QualityGate
from stormpetrel.ingest.series import REFUSED_SERIES
from stormpetrel.model.query import LastSamples
from stormpetrel.model.signal import MetricBatch, SeriesInfo

log = structlog.get_logger(__name__)


def recover(
    spill: Spill, stored: Sequence[SeriesInfo], gate: QualityGate
) -> tuple[list[SeriesInfo], NDArray[np.uint64]]:
    """Take up the spill: all series, by id without a gap, and the request tokens of its records.

    The gate learns the newest sample of each series, so that a sender's resend of what is spilled is
    known. A series that nobody describes any more (the file that did was damaged) gets a name that says
    so: its samples are kept. Cost: reads every file once.

    Args:
        spill: not used yet.
        stored: the series that the store knows, by id.
        gate: knows the newest samples of the store already.
    """
    infos: list[SeriesInfo] = []
    _add(stored, infos)
    tokens: list[NDArray[np.uint64]] = [np.empty(0, np.uint64)]
    for insert in spill.recover():
        if isinstance(insert, SampleInsert):
            _add(insert.series, infos)
            _fill(_reach(insert), infos)
            gate.resume(_newest(insert.admitted.batch))
        else:
            tokens.append(distinct_tokens(insert.batch.records))
    return infos, np.concatenate(tokens)


def _add(series: Sequence[SeriesInfo], infos: list[SeriesInfo]) -> None:
    """Put series into their places; what was known of them is replaced."""
    for info in sorted(series, key=lambda one: one.series):
        _fill(info.series, infos)
        infos[info.series : info.series + 1] = [info]


def _fill(count: int, infos: list[SeriesInfo]) -> None:
    """Reach at least `count` series."""
    if len(infos) < count:
        log.error("series_unknown", first=len(infos), last=count - 1)
        infos += map(unknown_series, range(len(infos), count))


def _reach(insert: SampleInsert) -> int:
    """One more than the largest series id in use."""
    used = [insert.admitted.batch.series, insert.late.series, insert.quarantined.batch.series]
    ids = np.concatenate(used)
    known = ids[ids != REFUSED_SERIES]
    return int(known.max()) + 1 if len(known) else 0


def _newest(batch: MetricBatch) -> LastSamples:
    """The last sample of each series: within one, they are in order of time."""
    series, from_the_end = np.unique(batch.series[::-1], return_index=True)
    rows = len(batch) - 1 - from_the_end
    return LastSamples(series, batch.time_unix_nano[rows], batch.value[rows])

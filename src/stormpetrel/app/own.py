"""What this process itself puts among the series: its own metrics and log, and its doings on targets.

All of it is stored and shown like any other series. It is no witness of how others fare, and what automation
does is no trouble of a system.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stormpetrel.adapters.sources.targets import NAME as TARGETS
from stormpetrel.adapters.sources.targets import REPLICAS
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo

OWN_SOURCE = "petrel"
OWN_SERVICE = "storm-petrel"
OWN_ENTITY = f"service:{OWN_SERVICE}"


def from_elsewhere(info: SeriesInfo) -> bool:
    """Whether a series tells that somebody else is heard: not of ourselves, and not what we read of targets,
    which goes on while everybody is silent."""
    return info.source not in (OWN_SOURCE, TARGETS) and info.entity != OWN_ENTITY


class Doings:
    """The series of what automation itself does: how many replicas its targets have.

    They change when we act. Judged like others, our own scaling would be a finding, and could lead the
    incident that it answers. Rules that read them (`detect.idle`) and runs see them as they are.
    """

    def __init__(self) -> None:
        self._series: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def meet(self, new: Iterable[SeriesInfo]) -> None:
        """Series that were not there before."""
        ours = [info.series for info in new if info.source == TARGETS and info.metric == REPLICAS]
        if ours:
            self._series = np.union1d(self._series, np.array(ours, np.uint32))

    def unjudged(self, admitted: AdmittedMetrics) -> AdmittedMetrics:
        """The samples as detectors judge them: of our doings there is nothing to judge. O(rows)."""
        if not len(self._series) or not len(admitted.batch):
            return admitted
        ours = np.isin(admitted.batch.series, self._series)
        if not ours.any():
            return admitted
        return replace(admitted, signal=np.where(ours, np.nan, admitted.signal))

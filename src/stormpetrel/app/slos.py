"""Objectives as configured, and their counts across restarts."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping

import numpy as np
import structlog
from numpy.typing import NDArray

from stormpetrel.app.config import Config
from stormpetrel.app.config_pages import SloConfig
from stormpetrel.detect.slo import SloWatch
from stormpetrel.detect.slo_count import ERRORS, GOOD, TOTAL
from stormpetrel.detect.slo_objective import Objective
from stormpetrel.detect.slo_select import Selector
from stormpetrel.errors import StoreError
from stormpetrel.ingest.derive_levels import METRICS
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

_KEY = "slo:"
_SAVE_NANOS = 300 * 1_000_000_000
_KINDS = {"minute": "<f8", "spoke": "|u1", "hour": "<f8", "newest": "<i8", "until": "<i8"}


def build_slos(config: Config) -> SloWatch:
    """The objectives as configured."""
    return SloWatch(objective_of(one) for one in config.slo)


def objective_of(one: SloConfig) -> Objective:
    """One objective."""
    texts = {TOTAL: one.latency or one.total, GOOD: one.good, ERRORS: one.errors}
    return Objective(
        name=one.name,
        target=one.objective / 100.0,
        window_days=one.window_days,
        selectors={role: Selector.parse(text) for role, text in texts.items() if text},
        threshold_seconds=one.threshold_seconds,
        page_burn=one.page_burn,
        least_failures=one.least_failures,
    )


def counts_log_levels(config: Config) -> bool:
    """Whether an objective is about records of entities by severity, which are only counted where one is."""
    selectors = (selector for one in config.slo for selector in objective_of(one).selectors.values())
    return any(selector.metric in METRICS for selector in selectors)


class SloKeeper:
    """Keeps the counts of objectives in the control store, every five minutes of event time and at the end.

    What is lost by a crash is read again from the stored samples at the next start: a snapshot names the
    time up to which samples are in it.
    """

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._saved = 0

    def restore(self, slos: SloWatch) -> None:
        """Take over what was kept; counts of an objective whose window was changed begin anew."""
        for objective, *_ in slos.statuses():
            text = self._control.get(_KEY + objective.name)
            if text is None:
                continue
            try:
                slos.restore(objective.name, _unpacked(text))
            except (ValueError, KeyError, zlib.error) as error:
                log.warning("slo_counts_begin_anew", objective=objective.name, reason=str(error))

    def keep(self, slos: SloWatch, now_unix_nano: int) -> None:
        """Store the counts when it is time to.

        Raises:
            StoreError: the control store refused; the next call tries again.
        """
        if abs(now_unix_nano - self._saved) >= _SAVE_NANOS:
            self._put(slos)
            self._saved = now_unix_nano

    def keep_at_end(self, slos: SloWatch) -> None:
        """Store the counts once more; a store that refuses is logged: the stored samples tell it again."""
        try:
            self._put(slos)
        except StoreError as error:
            log.warning("slo_counts_not_stored", reason=error.reason, error=str(error))

    def _put(self, slos: SloWatch) -> None:
        for name, arrays in slos.snapshot().items():
            self._control.put(_KEY + name, _packed(arrays))


def _packed(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Arrays as JSON: shape, and their bytes compressed: most minutes are alike, or empty."""
    return json.dumps(
        {
            name: [
                list(array.shape),
                base64.b64encode(zlib.compress(array.astype(kind).tobytes(), 1)).decode(),
            ]
            for name, kind in _KINDS.items()
            for array in (arrays[name],)
        }
    )


def _unpacked(text: str) -> dict[str, NDArray[np.generic]]:
    found = json.loads(text)
    return {
        name: np.frombuffer(zlib.decompress(base64.b64decode(found[name][1])), kind).reshape(found[name][0])
        for name, kind in _KINDS.items()
    }

"""What happens before the first batch is judged: the snapshot, or the stored past, or both."""

from __future__ import annotations

import structlog

from stormpetrel.app import seed as seeding
from stormpetrel.app import warm
from stormpetrel.app.config import Config
from stormpetrel.app.model_keeper import ModelKeeper
from stormpetrel.app.model_state import Restored
from stormpetrel.app.pipeline import Outcome, Pipeline, build_gate
from stormpetrel.app.warm import Past, warm_start
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

# Samples read whole at a cold start: a day of 10,000 series by the minute.
# What happens each night has to be in it.
COLD_SAMPLES = 15_000_000


def warm_up(
    config: Config,
    pipeline: Pipeline,
    models: ModelKeeper,
    store: TelemetryStore,
    control: ControlStore,
    window: Window,
) -> Outcome:
    """Put back the newest snapshot and read what was stored since; without one learn from the stored past.

    Call it with a pipeline that is as new. A bank that the snapshot could not give its state to learns
    from the past, like all of them at a cold start: a few samples of each quarter of an hour of
    `detect.history_days` first (`app.seed`), then the newest hours of the window whole.
    """
    restored = models.restore(pipeline)
    gate = build_gate(config, stored=True)
    if restored is None or restored.gate is None:
        anew = restored.learnt_anew if restored is not None else {bank.name for bank in pipeline.banks}
        samples = warm.bounded(store, window, COLD_SAMPLES)
        before = Window(_history_start(config, window), samples.start_unix_nano)
        pipeline.learn_new_series()
        seeding.seed(pipeline, config, store, before, anew)
    else:
        gate.restore(restored.gate)
        since = min(max(restored.samples_from_unix_nano, 0), window.end_unix_nano)
        samples = warm.bounded(store, Window(since, window.end_unix_nano))
    past = Past(samples, _logs(restored, window), window)
    return warm_start(pipeline, gate, store, control, past, lambda: store.recent_tokens(window.end_unix_nano))


def _history_start(config: Config, window: Window) -> int:
    return window.end_unix_nano - from_seconds(max(config.detect.history_days * 86_400.0, window.seconds))


def _logs(restored: Restored | None, window: Window) -> Window:
    since = restored.logs_from_unix_nano if restored is not None else 0
    return Window(min(max(since, window.start_unix_nano), window.end_unix_nano), window.end_unix_nano)

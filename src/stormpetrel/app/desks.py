"""The desks of learning: explanations, feedback, backtests, and the models' state, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.app.backtest import BacktestDesk
from stormpetrel.app.config import Config
from stormpetrel.app.explain import ExplainDesk
from stormpetrel.app.feedback import FeedbackDesk
from stormpetrel.app.model_keeper import ModelKeeper
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore


@dataclass(frozen=True, slots=True)
class Desks:
    """One of each; see their classes."""

    models: ModelKeeper
    explain: ExplainDesk
    feedback: FeedbackDesk
    backtests: BacktestDesk


def build_desks(
    config: Config, store: TelemetryStore, control: ControlStore, pipeline: Pipeline, clock: Clock
) -> Desks:
    """The desks over one pipeline, whose registry is loaded."""
    return Desks(
        models=ModelKeeper(config, config.data_dir / "models"),
        explain=ExplainDesk(config, store, pipeline),
        feedback=FeedbackDesk(control, pipeline, clock),
        backtests=BacktestDesk(config, store, control, pipeline.registry, clock),
    )

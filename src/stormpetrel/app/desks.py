"""The desks of learning and telling (explanations, feedback, verdicts, models, links), put together once."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.app.backtest import BacktestDesk
from stormpetrel.app.config import Config
from stormpetrel.app.diagnose import DiagnoseDesk
from stormpetrel.app.explain import ExplainDesk
from stormpetrel.app.feedback import FeedbackDesk
from stormpetrel.app.judge import Judge
from stormpetrel.app.knowledge import KnowledgeDesk
from stormpetrel.app.model_keeper import ModelKeeper
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.shares import ShareDesk
from stormpetrel.app.similar import SimilarDesk
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore


@dataclass(frozen=True, slots=True)
class Desks:
    """One of each; see their classes."""

    models: ModelKeeper
    explain: ExplainDesk
    diagnose: DiagnoseDesk
    feedback: FeedbackDesk
    backtests: BacktestDesk
    shares: ShareDesk
    knowledge: KnowledgeDesk
    similar: SimilarDesk


def build_desks(
    config: Config,
    store: TelemetryStore,
    control: ControlStore,
    pipeline: Pipeline,
    clock: Clock,
    judge: Judge,
) -> Desks:
    """The desks over one pipeline, whose registry is loaded, and its judge."""
    knowledge = KnowledgeDesk(control, clock)
    similar = SimilarDesk(control, pipeline)
    return Desks(
        models=ModelKeeper(config, config.data_dir / "models"),
        explain=ExplainDesk(config, store, pipeline),
        diagnose=DiagnoseDesk(store, control, pipeline, clock, (knowledge.tell, similar.tell), judge.within),
        feedback=FeedbackDesk(control, pipeline, clock),
        backtests=BacktestDesk(config, store, control, pipeline.registry, clock),
        shares=ShareDesk(control, clock),
        knowledge=knowledge,
        similar=similar,
    )

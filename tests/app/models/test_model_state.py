"""Restart equality: a snapshot put back, and what was stored since given again, is as if never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.app.estate import START, batches
from tests.app.intake import FailingStore
from tests.correlate.test_owners import owner
from tests.correlate.test_places import placed
from tests.correlate.test_topology import call

from stormpetrel.app import model_state
from stormpetrel.app.config import Config
from stormpetrel.app.model_keeper import ModelKeeper
from stormpetrel.app.model_rows import SeriesKeys
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.app.warm_up import warm_up
from stormpetrel.detect.logs.error_surge import ErrorSurge
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import FindingState
from stormpetrel.model.signal import LogBatch, MetricBatch, MetricKind
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.algorithms import KeepsState
from stormpetrel.ports.control import ControlStore
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS

MINUTE = from_seconds(60)
FAULT = START + 90 * MINUTE
Chunk = tuple[MetricBatch, LogBatch]
Story = tuple[SeriesRegistry, list[Chunk]]


@pytest.fixture(scope="module")
def story() -> Story:
    """Two hours in minutes, with a deploy that breaks things (metrics and logs) at 1:30."""
    registry = SeriesRegistry()
    estate = Estate(3, START, 5.0, (FAULTS["deploy-bug"](FAULT, 900.0, 1.0),))
    return registry, list(batches(estate, registry, 2.0))


class Life:
    """One life of the process."""

    def __init__(self, registry: SeriesRegistry, store: FailingStore, control: ControlStore) -> None:
        self.registry, self.store, self.control = registry, store, control
        self.config = Config()
        self.pipeline = Pipeline(self.config, registry)

    def take(self, chunks: list[Chunk], first: int, store: bool = True) -> None:
        for number, (metrics, logs) in enumerate(chunks, first):
            now = int(metrics.time_unix_nano.max())
            admitted = self.pipeline.admit(metrics, now).admitted
            if store:
                self.store.insert_samples(admitted.batch, f"samples-{number}")
                self.store.insert_logs(logs, f"logs-{number}")
            for outcome in (
                self.pipeline.judge_metrics(admitted),
                self.pipeline.judge_logs(logs),
                self.pipeline.advance(now),
            ):
                self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        self.store.insert_findings(outcome.findings)
        self.control.save_incidents(outcome.incidents)

    def wake(self, models: ModelKeeper, now: int) -> None:
        window = Window(now - from_seconds(48 * 3600), now)
        self._keep(warm_up(self.config, self.pipeline, models, self.store, self.control, window))


def knowledge(pipeline: Pipeline) -> dict[str, Any]:
    """Everything that decides what is found from here on."""
    size = len(pipeline.registry)
    known: dict[str, Any] = {}
    for bank, policy in zip(pipeline.banks, pipeline.policies, strict=True):
        known |= {f"bank {name}": array[:size] for name, array in bank.snapshot().items()}
        known |= {f"policy {name}": array[:size] for name, array in policy.snapshot().items()}
        known["open"] = policy.open_findings
    for detector in pipeline.log_detectors:
        assert isinstance(detector, KeepsState)
        arrays, notes = detector.snapshot()
        order = np.argsort(notes.get("entities", []))
        for name, array in arrays.items():
            known[f"{detector.name} {name}"] = array[order] if len(array) == len(order) else array
        known[f"{detector.name} entities"] = sorted(notes.get("entities", []))
        found = sorted(detector.open_findings(), key=lambda f: f.finding_id)
        known[f"{detector.name} findings"] = found
    known["time"], known["value"] = pipeline.position.arrays(size)
    return known


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    assert one.keys() == other.keys()
    return [
        name
        for name, mine in one.items()
        if not (
            np.array_equal(mine, other[name], equal_nan=mine.dtype.kind == "f")
            if isinstance(mine, np.ndarray)
            else mine == other[name]
        )
    ]


@pytest.mark.parametrize(("taken", "stopped"), [(60, 60), (60, 80), (88, 95), (95, 110)])
def test_restored_and_the_rest_scanned_is_as_never_stopped(
    story: Story, failing: FailingStore, control: ControlStore, tmp_path: Path, taken: int, stopped: int
) -> None:
    """Snapshot at minute `taken`, killed at minute `stopped`, in quiet and in the middle of trouble."""
    registry, chunks = story
    life = Life(registry, failing, control)
    life.take(chunks[:taken], 0)
    models = ModelKeeper(life.config, tmp_path / "models")
    models.close(life.pipeline, START + taken * MINUTE)
    life.take(chunks[taken:stopped], taken)
    after = Life(registry, failing, control)
    after.wake(ModelKeeper(life.config, tmp_path / "models"), START + stopped * MINUTE)
    assert differing(knowledge(life.pipeline), knowledge(after.pipeline)) == []


def test_trouble_that_was_open_goes_on_and_ends_once(
    story: Story, failing: FailingStore, control: ControlStore, tmp_path: Path
) -> None:
    registry, chunks = story
    life = Life(registry, failing, control)
    life.take(chunks[:95], 0)
    before = control.list_incidents()
    assert before, "the deploy broke something"
    models = ModelKeeper(life.config, tmp_path / "models")
    models.close(life.pipeline, START + 95 * MINUTE)
    after = Life(registry, failing, control)
    after.wake(models, START + 95 * MINUTE)
    after.take(chunks[95:], 95)
    found = control.list_incidents()
    assert {i.incident_id for i in before} <= {i.incident_id for i in found}
    assert all(f.state is FindingState.CLOSED for i in found for f in i.findings)
    assert not any("stored past does not show it" in f.why for i in found for f in i.findings)


def test_who_belongs_together_is_known_again_although_a_snapshot_has_none_of_it(
    story: Story, failing: FailingStore, control: ControlStore, tmp_path: Path
) -> None:
    registry, chunks = story
    life = Life(registry, failing, control)
    life.take(chunks[:3], 0)
    failing.insert_spans(call("service:a", "service:b", START), "spans")
    failing.insert_logs(placed("service:a", "n1", START), "placed")
    failing.insert_logs(owner("Pod", "a-0", "StatefulSet", "a", START), "owner")
    models = ModelKeeper(life.config, tmp_path / "models")
    models.close(life.pipeline, START + 3 * MINUTE)
    after = Life(registry, failing, control)
    after.wake(models, START + 3 * MINUTE)
    known = {(edge.caller, edge.callee) for edge in after.pipeline.topology.at(START + 3 * MINUTE).edges}
    assert {
        ("service:a", "service:b"), ("service:a", "host:n1"), ("statefulset:shop/a", "pod:a-0"),
    } <= known  # fmt: skip


def filled(registry: SeriesRegistry, series: int = 6) -> Pipeline:
    pipeline = Pipeline(Config(), registry)
    rng = np.random.default_rng(3)
    for tick in range(200):
        batch = MetricBatch(
            np.arange(series, dtype=np.uint32),
            np.full(series, START + tick * MINUTE),
            rng.normal(9, 1, series),
        )
        pipeline.judge_metrics(pipeline.admit(batch, START + tick * MINUTE).admitted)
    return pipeline


def named(names: str) -> SeriesRegistry:
    registry = SeriesRegistry()
    for name in names:
        registry.intern(f"m_{name}", {"host": "a"}, "test", MetricKind.GAUGE)
    return registry


def state_of(pipeline: Pipeline, series: int) -> NDArray[np.float64]:
    row: NDArray[np.float64] = np.asarray(pipeline.banks[0].snapshot()["state"][series], np.float64)
    return row


def test_a_series_finds_its_state_by_what_it_is_not_by_its_number() -> None:
    before = filled(named("abcdef"))
    state = model_state.capture(before, Config(), START, SeriesKeys())
    registry = named("xfedcba")
    after = Pipeline(Config(), registry)
    restored = model_state.restore(after, Config(), state, SeriesKeys())
    assert [fate for fate in restored.fates if not fate.taken] == []
    for new, name in enumerate("xfedcba"):
        wanted = state_of(before, "abcdef".index(name)) if name != "x" else np.zeros(38)
        assert np.array_equal(state_of(after, new), wanted), name
    assert after.banks[0].snapshot()["newest"][0] == np.iinfo(np.int64).min, "as new, not as zero"


def test_a_series_that_became_a_counter_is_learnt_anew() -> None:
    state = model_state.capture(filled(named("ab"), 2), Config(), START, SeriesKeys())
    registry = SeriesRegistry()
    registry.intern("m_a", {"host": "a"}, "test", MetricKind.COUNTER)
    registry.intern("m_b", {"host": "a"}, "test", MetricKind.GAUGE)
    after = Pipeline(Config(), registry)
    model_state.restore(after, Config(), state, SeriesKeys())
    assert (state_of(after, 0) == 0).all()
    assert (state_of(after, 1) != 0).any()


@pytest.mark.parametrize(("change", "word"), [(1, "newer"), (-1, "older")])
def test_a_bank_of_another_version_is_named_and_learnt_anew(change: int, word: str) -> None:
    state = model_state.capture(filled(named("ab"), 2), Config(), START, SeriesKeys())
    parts = [
        replace(part, version=part.version + change) if part.name == "bank:robust" else part
        for part in state.parts
    ]
    after = Pipeline(Config(), named("ab"))
    restored = model_state.restore(after, Config(), replace(state, parts=tuple(parts)), SeriesKeys())
    assert restored.learnt_anew == {"robust"}
    assert [f.why for f in restored.fates if f.name == "bank:robust" and word in f.why] != []
    assert restored.gate is None
    assert restored.samples_from_unix_nano == 0
    assert len(after.banks[0].snapshot()["newest"]) == 0


def test_another_season_gives_the_arrays_another_meaning() -> None:
    state = model_state.capture(filled(named("ab"), 2), Config(), START, SeriesKeys())
    weekly = Config.model_validate({"detect": {"season_seconds": 604800}})
    restored = model_state.restore(Pipeline(weekly, named("ab")), weekly, state, SeriesKeys())
    assert restored.learnt_anew == {"robust"}
    assert "other settings" in " ".join(fate.why for fate in restored.fates)


def test_error_surge_refuses_another_version() -> None:
    arrays, notes = ErrorSurge().snapshot()
    with pytest.raises(ValueError, match="version 99"):
        ErrorSurge().restore({**arrays, "version": np.array([99])}, notes, [])


def test_the_keeper_writes_at_its_turns_and_tells(tmp_path: Path) -> None:
    pipeline = filled(named("ab"), 2)
    models = ModelKeeper(Config(), tmp_path / "models")
    turn = 10 * MINUTE
    models.tick(pipeline, START)
    assert models.view().written_unix_nano == 0, "what was restored is on disk already"
    models.tick(pipeline, START + turn - 1)
    models.tick(pipeline, START + turn)
    models.close(pipeline, START + turn + 1)
    assert len(list((tmp_path / "models").iterdir())) == 2
    view = models.view()
    assert view.written_unix_nano == START + turn + 1
    assert view.bytes > 0
    damaged = max((tmp_path / "models").iterdir())
    damaged.write_bytes(b"PK")
    again = ModelKeeper(Config(), tmp_path / "models")
    assert again.restore(Pipeline(Config(), named("ab"))) is not None
    assert again.view().restored_unix_nano == START + turn
    assert damaged.name in again.view().refused[0]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    models = ModelKeeper(Config(), tmp_path / "models")
    models.close(filled(named("ab"), 2), START)
    assert "could not be written" in models.view().trouble


def test_switched_off_it_writes_and_reads_nothing(tmp_path: Path) -> None:
    off = Config.model_validate({"detect": {"snapshot_minutes": 0}})
    models = ModelKeeper(off, tmp_path / "models")
    models.tick(filled(named("ab"), 2), START)
    models.close(filled(named("ab"), 2), START)
    assert models.restore(Pipeline(off, named("ab"))) is None
    assert not (tmp_path / "models").exists()


def uneven(minute: int) -> MetricBatch:
    """What comes in a minute: a quick gauge, a counter each ten minutes, a gauge five minutes behind."""
    now = START + minute * MINUTE
    quick = [(0, now - k * from_seconds(15), float((minute * 7 + k) % 11)) for k in (3, 2, 1, 0)]
    slow = [(1, now, 1000.0 * minute + minute % 7)] if minute % 10 == 0 else []
    late = [(2, now - 5 * MINUTE, 50.0 + minute % 5)]
    series, times, values = zip(*quick, *slow, *late, strict=True)
    return MetricBatch(np.array(series, np.uint32), np.array(times), np.array(values))


def test_slow_counters_and_senders_that_are_behind_lose_nothing(
    failing: FailingStore, control: ControlStore, tmp_path: Path
) -> None:
    registry = SeriesRegistry()
    for name, kind in (("quick", MetricKind.GAUGE), ("slow", MetricKind.COUNTER), ("late", MetricKind.GAUGE)):
        registry.intern(name, {}, "test", kind)
    nothing = build_logs([], [], source="")
    chunks = [(uneven(minute), nothing) for minute in range(1, 301)]
    life = Life(registry, failing, control)
    life.take(chunks[:255], 0)
    waiting = life.pipeline.admit(chunks[255][0], START + 256 * MINUTE).admitted  # the gate is ahead
    failing.insert_samples(waiting.batch, "waiting")
    models = ModelKeeper(life.config, tmp_path / "models")
    models.close(life.pipeline, START + 255 * MINUTE)
    life.pipeline.judge_metrics(waiting)
    life.take(chunks[256:], 256)
    after = Life(registry, failing, control)
    after.wake(models, START + 300 * MINUTE + 1)
    after.pipeline.advance(START + 300 * MINUTE)  # time goes on, also where no log record says so
    assert differing(knowledge(life.pipeline), knowledge(after.pipeline)) == []

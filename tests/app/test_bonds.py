"""The desk of rules: kept, obeyed, deleted; a step that cannot be stored is no step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from tests.correlate.test_group import at, finding

from stormpetrel.app import bonds as module
from stormpetrel.app.bonds import BondDesk
from stormpetrel.app.config import Config
from stormpetrel.app.judge import Judge
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.errors import NotFoundError, OverloadedError, StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.bond import BondKind
from stormpetrel.model.incident import Incident
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.clock import FakeClock


class Bench:
    """A desk over a pipeline with two incidents."""

    def __init__(
        self, control: ControlStore, keep: Callable[[Sequence[Incident]], None] | None = None
    ) -> None:
        self.pipeline = Pipeline(Config(), SeriesRegistry())
        clock = FakeClock(at(9))
        judge = Judge(self.pipeline, clock, lambda _outcome: None, lambda: None)
        self.desk = BondDesk(control, self.pipeline, judge, clock, keep or control.save_incidents)
        self.grouping = self.pipeline.grouping
        self.grouping.update([finding("a", "service:a"), finding("b", "service:b", at=1)], at(2))
        control.save_incidents(self.grouping.unresolved())


def test_a_merge_is_stored_and_its_rule_is_obeyed_also_after_a_restart(control: ControlStore) -> None:
    bench = Bench(control)
    merged = bench.desk.merge("ia", "ib", "ann")
    assert control.incident("ia") == merged
    other = control.incident("ib")
    assert other is not None
    assert other.state == "resolved"
    (rule,) = bench.desk.bonds()
    assert (rule.kind, rule.left, rule.right, rule.actor, rule.incident_id) == (
        BondKind.TOGETHER, "service:a", "service:b", "ann", "ia"
    )  # fmt: skip
    after = Bench(control)
    assert after.desk.bonds() == [rule]
    assert len(after.grouping.unresolved()) == 1
    after.pipeline.forget()
    after.pipeline.grouping.update([finding("a", "service:a"), finding("b", "service:b", at=1)], at(2))
    assert len(after.pipeline.grouping.unresolved()) == 1, "a warm start begins anew and obeys"


def test_a_split_takes_the_place_of_the_merge_before_it(control: ControlStore) -> None:
    bench = Bench(control)
    bench.desk.merge("ia", "ib", "ann")
    made = bench.desk.split("ia", ["b"], "bob")
    assert [one.finding_id for one in made.findings] == ["b"]
    (rule,) = bench.desk.bonds()
    assert (rule.kind, rule.actor) == (BondKind.APART, "bob")
    bench.desk.delete(rule.bond_id)
    assert bench.desk.bonds() == Bench(control).desk.bonds() == []
    with pytest.raises(NotFoundError):
        bench.desk.delete(rule.bond_id)


def test_what_cannot_be_stored_is_not_done(control: ControlStore) -> None:
    def refuse(_incidents: Sequence[Incident]) -> None:
        raise StoreError("told to fail")

    bench = Bench(control, refuse)
    before = bench.grouping.unresolved()
    with pytest.raises(StoreError):
        bench.desk.merge("ia", "ib", "ann")
    assert bench.grouping.unresolved() == before
    assert bench.desk.bonds() == Bench(control).desk.bonds() == []


def test_rules_are_bounded(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BONDS", 0)
    bench = Bench(control)
    before = bench.grouping.unresolved()
    with pytest.raises(OverloadedError, match="delete some"):
        bench.desk.merge("ia", "ib", "ann")
    assert bench.grouping.unresolved() == before

"""The desk of automation: why it does nothing, the kill file, and what people say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.app.test_proposals import INCIDENT, RUNBOOK, SHOP, Shop, finding

from stormpetrel.act.progress import Decision
from stormpetrel.adapters.kill_file import KillFile
from stormpetrel.adapters.store import open_control_store
from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.app.automation import AutomationDesk
from stormpetrel.app.config import Config, load_config
from stormpetrel.app.facts import FactFinder
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.leader import Leader
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.proposals import Proposer
from stormpetrel.app.watches import HealthWatch
from stormpetrel.errors import NotFoundError, StateError, StoreError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.facts import Limits, Switch, Try
from stormpetrel.model.run import Run, RunState
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.testing.clock import FakeClock

START = 1_700_000_000_000_000_000
TWO = replace(INCIDENT, findings=(finding(1, "up"), finding(2, "service_up")))


@dataclass
class Desk:
    """The desk with all that it stands on, which is real but for the shop."""

    store: SqlControlStore
    clock: FakeClock
    shop: Shop
    desk: AutomationDesk
    leader: Leader
    folder: Path
    told: list[None]

    def waiting(self) -> Run:
        """A plan that waits for people."""
        self.store.sign_runbook("again", RUNBOOK.version, "ada", START)
        (made,) = [one.run for one in self.desk._proposer.look([TWO], self.store.runbooks())]
        assert made.state is RunState.WAITING, made.why
        return made


def made_in(folder: Path, config: Config | None = None, acts: bool = True) -> Desk:
    clock = FakeClock(START)
    store = open_control_store(f"sqlite:///{folder / 'c.sqlite'}", folder, clock)
    config = config or Config(data_dir=folder)
    shop = Shop()
    inventory = Inventory({"shop": shop} if acts else {})
    pipeline = Pipeline(config, SeriesRegistry(100))
    health = HealthWatch(clock, clock.now_unix_nano, lambda: True, lambda: True, lambda: 0.0)
    facts = FactFinder(pipeline, lambda ask: ask(), inventory, health, lambda _: (), Limits())
    proposer = Proposer(store, inventory, facts, clock, BudgetLimits(10.0, 10.0, 10, 10), Limits())
    leader = Leader(store, clock, "me", 3600.0)
    desk = AutomationDesk(config, store, inventory, proposer, leader, clock)
    told: list[None] = []
    desk.changed = lambda: told.append(None)
    store.save_runbook(RUNBOOK, "petrel", START)
    store.save_incidents([TWO])
    return Desk(store, clock, shop, desk, leader, folder, told)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Desk]:
    made = made_in(tmp_path)
    made.leader.renew()
    yield made
    made.store.close()


def test_it_says_why_nothing_is_done(place: Desk) -> None:
    assert "no runbook is signed off" in place.desk.stopped()
    place.store.sign_runbook("again", RUNBOOK.version, "ada", START)
    assert place.desk.stopped() == ""
    place.leader.lose()
    assert "another process holds the right" in place.desk.stopped()
    place.store.engage(Switch("global", "ann", START, "x"))
    assert place.desk.stopped() == "the global kill switch is engaged"


def test_without_actuators_or_switched_off_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    nothing = made_in(tmp_path / "none", acts=False)
    assert "no actuator is configured" in nothing.desk.stopped()
    assert not nothing.desk.enabled
    nothing.store.close()
    (tmp_path / "off").mkdir()
    config = load_config(None, {"data_dir": str(tmp_path / "off"), "automation": {"enabled": False}})
    off = made_in(tmp_path / "off", config)
    assert "switched off in the configuration" in off.desk.stopped()
    off.store.close()


def test_the_kill_file_engages_the_global_switch_once_with_its_reason(place: Desk) -> None:
    place.desk.read_kill_file()
    assert place.store.switches() == []
    KillFile(place.folder).engage("the database is being restored")
    for _ in range(3):
        place.desk.read_kill_file()
    (engaged,) = place.store.switches()
    assert (engaged.scope, engaged.by, engaged.reason) == ("global", "file", "the database is being restored")
    assert len(place.told) == 1
    (place.folder / "kill-switch").unlink()
    place.desk.read_kill_file()
    assert len(place.store.switches()) == 1, "taking the file away releases nothing"


def test_an_answer_that_comes_too_late_is_refused(place: Desk) -> None:
    run = place.waiting()
    assert place.desk.expires(run) == run.begun_unix_nano + 900 * 10**9
    place.clock.advance(900.0)
    with pytest.raises(StateError, match="waited too long"):
        place.desk.answer(run.run_id, run.plan_hash, True, ("ann", "page"), "")
    assert place.store.approvals(run.run_id) == []


def test_a_run_that_asks_half_way_is_answered_long_after_it_began(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = place.waiting()
    place.clock.advance(3600.0)
    half_way = replace(run, wake_unix_nano=place.clock.now_unix_nano())
    monkeypatch.setattr(place.store, "run", lambda _: half_way)
    place.desk.answer(run.run_id, run.plan_hash, True, ("ann", "page"), "")
    assert [one.approver for one in place.store.approvals(run.run_id)] == ["ann"]


def test_an_answer_is_kept_with_its_way_and_told(place: Desk) -> None:
    run = place.waiting()
    place.desk.answer(run.run_id, run.plan_hash, True, ("ann", "cli"), "sure")
    (said,) = place.store.approvals(run.run_id)
    assert (said.approver, said.agreed, said.channel, said.reason) == ("ann", True, "cli", "sure")
    assert place.told
    assert [one.run_id for one in place.desk.awaited()] == [run.run_id]
    with pytest.raises(StateError):
        place.desk.answer(run.run_id, "0" * 64, True, ("bob", "page"), "")
    with pytest.raises(NotFoundError):
        place.desk.answer("nothing", run.plan_hash, True, ("bob", "page"), "")


def test_a_person_asks_for_a_plan_and_is_told_why_there_is_none(place: Desk) -> None:
    with pytest.raises(NotFoundError, match="no runbook"):
        place.desk.propose("format-everything", TWO, "rob")
    place.shop.healthy = True
    with pytest.raises(StateError, match="has no plan for this incident"):
        place.desk.propose("again", TWO, "rob")
    place.shop.healthy = False
    assert place.desk.propose("again", TWO, "rob").plan.requester == "rob"


def test_after_three_tries_an_incident_is_a_persons_also_by_hand(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tries(count: int) -> list[Try]:
        one = Try("r0", "service.restart", "i1", "c", "no effect", False, START)
        return [replace(one, run_id=f"r{number // 2}") for number in range(2 * count)]

    monkeypatch.setattr(place.store, "tries", lambda *_: tries(2))
    assert place.desk.propose("again", TWO, "rob").plan.requester == "rob", "two runs of two steps are two"
    monkeypatch.setattr(place.store, "tries", lambda *_: tries(3))
    with pytest.raises(StateError, match="3 tries did not end this incident"):
        place.desk.propose("again", TWO, "rob")
    place.clock.advance(60.0)
    assert place.desk._proposer.look([TWO], place.store.runbooks()) == []


def test_a_runbook_whose_file_went_or_broke_is_proposed_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "again.yaml").write_text(RUNBOOK.text)
    config = load_config(
        None, {"data_dir": str(tmp_path), "automation": {"enabled": False, "runbooks": str(folder)}}
    )
    place = made_in(tmp_path, config)
    place.leader.renew()
    place.desk.start()
    assert [row.runbook.name for row in place.desk.in_use()] == ["again"]
    (folder / "again.yaml").write_text(RUNBOOK.text.replace("steps:", "stepz:"))
    place.desk.start()
    assert (len(place.desk.faults), place.desk.in_use(), place.desk.look()) == (1, [], [])
    (folder / "again.yaml").unlink()
    place.desk.start()
    assert (place.desk.faults, place.desk.look()) == ([], [])
    with pytest.raises(NotFoundError, match="its file is not there any more"):
        place.desk.propose("again", TWO, "rob")
    place.store.close()


def test_nothing_is_decided_or_driven_without_runs(place: Desk) -> None:
    run = place.waiting()
    with pytest.raises(StateError, match="not driven here"):
        place.desk.decide(run.run_id, Decision.STOP, "ann", "x")


def test_the_thread_reads_the_file_and_survives_a_store_that_refuses_and_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made_in(tmp_path)
    seen, taken = threading.Semaphore(0), threading.Semaphore(0)
    failing = iter([StoreError("busy"), KeyError("a defect")])

    def read() -> None:
        seen.release()
        for error in failing:
            raise error

    monkeypatch.setattr(place.desk, "read_kill_file", read)
    place.desk.watch = taken.release
    place.desk.start()
    try:
        for _ in range(3):
            assert seen.acquire(timeout=60), "the thread ended"
            assert taken.acquire(timeout=60), "the time was not taken"
        place.leader.renew()
        place.store.sign_runbook("again", RUNBOOK.version, "ada", START)
        place.desk._loaded = None
        assert "failed (KeyError)" in place.desk.stopped()
    finally:
        place.desk.stop()
        place.store.close()
    assert place.shop.targets() == (SHOP,)

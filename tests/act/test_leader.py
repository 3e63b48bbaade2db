"""The lease: one holder at a time, renewed whatever else takes long, handed on with all runs."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.act.run_world import World, plan_of

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.driving import Driving, durable_url, process_name
from stormpetrel.app.leader import Leader, Watch
from stormpetrel.errors import StoreError
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW


@pytest.fixture
def store(tmp_path: Path) -> SqlControlStore:
    return open_control_store(f"sqlite:///{tmp_path}/control.db")


def watch(leader: Leader, told: list[str]) -> Watch:
    return Watch(leader, *(lambda word=word: told.append(word) for word in ("gained", "held", "lost")))


def test_gained_then_held_then_lost(store: SqlControlStore) -> None:
    clock, told = FakeClock(NOW), list[str]()
    leader = Leader(store, clock, "one", 30.0)
    one = watch(leader, told)
    for _ in range(2):
        one.renew()
        one.tell()
    assert told == ["gained", "held"]
    clock.advance(31.0)
    assert leader.token() is None
    assert store.take_lease("two", clock.now_unix_nano(), 30.0) is not None
    one.renew()
    one.tell()
    assert told == ["gained", "held", "lost"]


def test_each_holder_has_a_higher_token(store: SqlControlStore) -> None:
    clock, tokens = FakeClock(NOW), []
    for name in ("one", "two", "one"):
        tokens.append(Leader(store, clock, name, 10.0).renew())
        clock.advance(11.0)
    assert None not in tokens
    assert tokens == sorted(set(tokens), key=str)


def test_what_cannot_be_handed_on_is_tried_again(store: SqlControlStore) -> None:
    tries = []

    def refuses() -> None:
        tries.append(1)
        raise StoreError("not now")

    one = Watch(Leader(store, FakeClock(NOW), "one", 30.0), refuses, lambda: None, lambda: None)
    one.renew()
    one.tell()
    one.tell()
    assert len(tries) == 2


def test_a_slow_start_does_not_lose_the_lease(store: SqlControlStore) -> None:
    leader, slow, done = Leader(store, SystemClock(), "one", 0.6), threading.Event(), threading.Event()
    renewed = threading.Semaphore(0)
    real = leader.renew

    def counted() -> int | None:
        found = real()
        renewed.release()
        return found

    def starts_slowly() -> None:
        slow.wait(30)
        done.set()

    leader.renew = counted  # type: ignore[method-assign]  # so that renewals are counted
    one = Watch(leader, starts_slowly, lambda: None, lambda: None)
    one.start()
    for _ in range(8):  # while `gained` has not come back
        assert renewed.acquire(timeout=30)
    assert not done.is_set()
    slow.set()
    one.close()
    assert done.is_set()


class Listed:
    """A driver that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def stop(self) -> None:
        self.told.append("stop")

    def wake(self, run_id: str) -> None:
        self.told.append(f"wake {run_id}")

    def adopt(self, run_ids: Iterable[str]) -> None:
        self.told.append(f"adopt {' '.join(run_ids)}")


def test_whoever_gains_the_lease_adopts_every_run_that_has_not_ended(tmp_path: Path) -> None:
    world, driver = World(tmp_path), Listed()
    for name in ("a", "b", "c"):
        world.propose(plan_of(name, [1]))
    world.to_end("b")
    driving = Driving(world.runs, world.leader, lambda: driver)
    driving.wake("a")  # not the holder yet: nothing
    told: Callable[[], None] = driving._watch.tell
    told()
    driving.wake("c")
    assert driver.told == ["start", "adopt c a", "wake c"]  # of the same age: by id
    driving.stop()
    driving.wake("a")
    assert driver.told[3:] == ["stop"]


def test_a_process_has_a_name_of_its_own() -> None:
    assert process_name() != process_name()


def test_workflows_share_a_database_only_where_processes_do(tmp_path: Path) -> None:
    shared = "postgresql+psycopg://petrel@host/db"
    assert durable_url(shared, tmp_path) == shared
    assert durable_url("", tmp_path) == f"sqlite:///{tmp_path}/runs.sqlite"
    assert durable_url(f"sqlite:///{tmp_path}/control.db", tmp_path) == f"sqlite:///{tmp_path}/runs.sqlite"

"""The contract of a `ports.source.Source`, as a suite that any source can be put through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stormpetrel.errors import StoreError
from stormpetrel.ports.source import Source
from stormpetrel.testing.memory import MemoryIntake

MakeSource = Callable[[], Source]

STOP_SECONDS = 2.0


def check_source(make: MakeSource, produces: bool = True, wait_seconds: float = 10.0) -> None:
    """Put a source through its contract; AssertionError says what it broke.

    It must stop in time, whether it is idle or its intake does not answer, survive an overloaded intake
    and failed inserts, hand over batches under its own name (or, where it speaks for several senders, under
    names beneath it, `NAME/SENDER`), and never raise. Takes a few times as long as the source needs to
    produce something.

    Args:
        make: a new source over the same observed thing, which has something to tell within
            `wait_seconds`, also to a source made later (for files: fresh positions each time).
        produces: false for a source that observes nothing here, which must then be silent and stop.
        wait_seconds: how long to wait for what must happen.
    """
    check_stops_at_once(make)
    check_stops_while_working(make, produces, wait_seconds)
    if produces:
        check_stops_unanswered(make, wait_seconds)
        check_survives_overload(make, wait_seconds)
        check_survives_failure(make, wait_seconds)


def check_stops_at_once(make: MakeSource) -> None:
    """`run` returns when `stop` is set already, or at once after."""
    _Run(make(), MemoryIntake()).end()


def check_stops_while_working(make: MakeSource, produces: bool, wait_seconds: float) -> None:
    """It produces under its own name, and stops."""
    intake = MemoryIntake()
    run = _Run(make(), intake)
    if produces:
        run.wait(lambda: bool(intake.kept()), wait_seconds, "it produced nothing")
    run.end()
    names = {kept.source for kept in intake.kept()} | {refusal.source for refusal in intake.refusals()}
    beneath = f"{run.source.name}/"
    own = all(name == run.source.name or name.startswith(beneath) for name in names)
    _require(own, f"{run.source.name} speaks as {names}")
    _require(
        all(len(kept.batch) > 0 for kept in intake.kept()), f"{run.source.name} hands over empty batches"
    )


def check_stops_unanswered(make: MakeSource, wait_seconds: float) -> None:
    """It stops though the intake took a batch and does not answer."""
    intake = MemoryIntake()
    intake.hold()
    run = _Run(make(), intake)
    run.wait(lambda: intake.held > 0, wait_seconds, "it produced nothing")
    run.end()


def check_survives_overload(make: MakeSource, wait_seconds: float) -> None:
    """An intake that is full three times is reported and waited out."""
    intake = MemoryIntake()
    intake.overload(3)
    run = _Run(make(), intake)
    run.wait(lambda: bool(intake.kept()), wait_seconds, "it gave up after OverloadedError")
    run.end()
    reasons = [refusal.reason for refusal in intake.refusals()]
    _require("overloaded" in reasons, f"{run.source.name} did not report the overload: {reasons}")


def check_survives_failure(make: MakeSource, wait_seconds: float) -> None:
    """A failed insert is reported, and the source goes on."""
    intake = MemoryIntake()
    intake.fail(StoreError("the store is away; this is a check"), 2)
    run = _Run(make(), intake)
    run.wait(lambda: bool(intake.kept()), wait_seconds, "it gave up after StoreError")
    run.end()
    reasons = [refusal.reason for refusal in intake.refusals()]
    _require("store" in reasons, f"{run.source.name} did not report the failed insert: {reasons}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


class _Run:
    """A source in a thread."""

    def __init__(self, source: Source, intake: MemoryIntake) -> None:
        self.source = source
        self._intake = intake
        self._stop = threading.Event()
        self._raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.source.run(self._intake, self._stop)
        except BaseException as error:  # noqa: BLE001 - whatever it raises breaks the contract; `end` tells
            self._raised.append(error)

    def wait(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            _require(self._thread.is_alive(), f"{self.source.name}: run ended by itself: {self._raised}")
            _require(time.monotonic() < deadline, f"{self.source.name}: {otherwise} in {seconds:g} s")
            time.sleep(0.01)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(STOP_SECONDS)
        _require(
            not self._thread.is_alive(), f"{self.source.name}: still running {STOP_SECONDS:g} s after stop"
        )
        _require(not self._raised, f"{self.source.name}: run raised {self._raised}")

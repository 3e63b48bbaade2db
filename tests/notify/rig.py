"""Routes over a real control store, with a clock that waits for nobody and a notifier that obeys the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stormpetrel.adapters.notify.settings import NotifySettings
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.access import Access
from stormpetrel.app.notify.links import ConsentLinks
from stormpetrel.app.notify.route import Route, RouteParts
from stormpetrel.app.notify.writing import Writer
from stormpetrel.errors import NotifyError
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.notification import Message, Notification, NotificationKind
from stormpetrel.model.page import Page, PageAccount, PageDecision
from stormpetrel.testing.clock import FakeClock

START = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
BASE = "https://petrel.example"


@dataclass
class Outbox:
    """A notifier that keeps what it is given, or raises what it is told to."""

    sent: list[Message] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)  # the first is raised next; the last for ever
    tried: int = 0

    def notify(self, message: Message) -> None:
        self.tried += 1
        if self.fails:
            raise self.fails[0] if len(self.fails) == 1 else self.fails.pop(0)
        self.sent.append(message)

    def keys(self) -> list[str]:
        return [one.key for one in self.sent]


def page(number: int, severity: Severity = Severity.ERROR, title: str = "") -> Notification:
    """A page."""
    return Notification(
        f"page:i{number}", NotificationKind.PAGE, severity, title or f"trouble {number}", ("one line",),
        f"/incidents/i{number}", ("service:checkout",), START,
    )  # fmt: skip


def outcome(number: int) -> Notification:
    """What became of a run."""
    return Notification(
        f"outcome:r{number}", NotificationKind.OUTCOME, Severity.ERROR, f"Fixed: run {number}", (),
        f"/automation/runs/r{number}", ("service:checkout",), START,
    )  # fmt: skip


def paged_incident(number: int, sentence: str = "checkout fails") -> Incident:
    """An incident that wakes somebody."""
    decided = Page(PageDecision.PAGED, PageAccount.BUDGET, START, "the 1st of 5 this week")
    return Incident(
        f"i{number}", sentence, IncidentState.OPEN, Severity.CRITICAL, ("service:checkout",), START, START, 0,
        (), (), page=decided,
    )  # fmt: skip


@dataclass
class Rig:
    """One route."""

    store: SqlControlStore
    clock: FakeClock
    access: Access
    writer: Writer
    outbox: Outbox

    def route(self, since: int = 0, holder: str = "me", **settings: Any) -> Route:
        """A route that nobody started: the test steps it."""
        made = NotifySettings.model_validate({"type": "test", "timeout_seconds": 30, **settings})
        parts = RouteParts(self.outbox, self.writer, self.store, self.clock, holder)
        return Route("chat", made, parts, since)

    def run(self, route: Route, seconds: float) -> None:
        """Let time pass in the steps that the route asks for."""
        end = self.clock.now_unix_nano() + int(seconds * SECOND)
        while self.clock.now_unix_nano() < end:
            self.clock.advance(max(0.1, route.step()))
        route.step()


@contextmanager
def rig_in(folder: Path) -> Iterator[Rig]:
    """The rig in a folder; what it kept is there when it is opened again."""
    clock = FakeClock(START)
    store = open_control_store(f"sqlite:///{folder / 'control.sqlite'}", folder, clock)
    access = Access(store, clock)
    writer = Writer(access, ConsentLinks(b"k" * 32), BASE)
    try:
        yield Rig(store, clock, access, writer, Outbox())
    finally:
        store.close()


def busy(text: str = "the receiver answered 503") -> NotifyError:
    """What is tried again."""
    return NotifyError(text)

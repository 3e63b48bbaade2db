"""The desk of notifications: finds what is to be told, and gives it to the routes."""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from stormpetrel.adapters.notify.settings import NotifierPlace
from stormpetrel.app.access import Access
from stormpetrel.app.config import Config
from stormpetrel.app.notify.links import ConsentLinks
from stormpetrel.app.notify.route import Route, RouteParts
from stormpetrel.app.notify.watch import NoticeWatch
from stormpetrel.app.notify.words import page_notice, trial_notice
from stormpetrel.app.notify.writing import Writer
from stormpetrel.app.registry import NOTIFIERS, load_one
from stormpetrel.errors import ConfigError, NotFoundError, StoreError
from stormpetrel.model.incident import Incident
from stormpetrel.model.notification import Notification, NotificationsView
from stormpetrel.model.run import Run
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.notify import Notifier

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 2.0
_MOST_TOLD = 1000
_SINCE_KEY = "notify.since"
_SHOWN = 50


class NotifyDesk:
    """Routes and one thread that looks for what they should carry. Without routes nothing runs.

    A page is told twice over: at once by who decided it (`told`), and from the record by looking, which finds
    it also when the process died in between, or another process decided it. What is told twice is folded by
    its key.

    Args:
        expires: until when a run waits for people.
        acts: whether plans are made at all.
        notifiers: by route; None: as the configuration says.

    Raises:
        ConfigError: a notifier cannot be made.
    """

    def __init__(
        self,
        config: Config,
        control: ControlStore,
        access: Access,
        clock: Clock,
        expires: Callable[[Run], int],
        notifiers: Mapping[str, Notifier] | None = None,
    ) -> None:
        self._config, self._control, self._clock = config, control, clock
        key = hmac.digest(access.session_key(), b"petrel-consent", "sha256")
        self.links = ConsentLinks(key)
        self.writer = Writer(access, self.links, config.server.public_url.rstrip("/"))
        self._watch = NoticeWatch(control, expires)
        self._runs_too = config.automation.enabled and bool(config.actuators)
        self._fast: deque[Notification] = deque(maxlen=_MOST_TOLD)
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
        self._holder = f"{config.instance or socket.gethostname()}:{config.data_dir.resolve()}"
        self.routes = self._build(notifiers if notifiers is not None else build_notifiers(config))

    def _build(self, notifiers: Mapping[str, Notifier]) -> dict[str, Route]:
        since = self._since()
        return {
            name: Route(
                name,
                settings,
                RouteParts(notifiers[name], self.writer, self._control, self._clock, self._holder),
                since[name],
            )
            for name, settings in sorted(self._config.notify.items())
        }

    def _since(self) -> dict[str, int]:
        """Since when each route is there; one that is new begins now, and one that went is forgotten."""
        now = self._clock.now_unix_nano()
        try:
            known = json.loads(self._control.get(_SINCE_KEY) or "{}")
            since = {name: int(known.get(name, now)) for name in self._config.notify}
        except (ValueError, TypeError, AttributeError):
            known, since = None, dict.fromkeys(self._config.notify, now)
        if since != known:
            self._control.put(_SINCE_KEY, json.dumps(since))
        return since

    # --------------------------------------------------------------------------------------- running

    def start(self) -> None:
        """Begin to tell; what was taken up before a crash is told now."""
        if not self.routes:
            return
        with suppress(StoreError):  # then they are claimed again, by the same name
            self._control.free_notices(self._holder)
        for route in self.routes.values():
            route.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop; what waits is told after the next start."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10.0)
            for route in self.routes.values():
                route.ask_to_stop()
            for route in self.routes.values():
                route.join()

    def told(self, incidents: Sequence[Incident]) -> None:
        """Of these some may page; called by whoever judges, and takes microseconds."""
        if not self.routes:
            return
        pages = [notice for notice in map(page_notice, incidents) if notice is not None]
        if pages:
            self._fast.extend(pages)
            self._woken.set()

    def look(self) -> None:
        """Give the routes what is to be told now."""
        fast = [self._fast.popleft() for _ in range(len(self._fast))]
        if fast:
            self._offer(fast)
        try:
            for found in self._watch.look(self._clock.now_unix_nano(), self._runs_too):
                self._offer(found)
        except StoreError as error:
            log.warning("notify_waits", reason=error.reason, error=str(error)[:300])

    def _offer(self, notices: Sequence[Notification]) -> None:
        for route in self.routes.values():
            route.offer(notices)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self.look()
            # A defect of ours must not end all telling: it is logged, and looked again.
            except Exception:  # logged; the next look is taken
                log.exception("notify_look_failed")
            self._woken.wait(_LOOK_SECONDS)

    # --------------------------------------------------------------------------------------- people

    def send_trial(self, route: str, by: str) -> None:
        """A message to see that it arrives.

        Raises:
            NotFoundError: there is no such route.
        """
        found = self.routes.get(route)
        if found is None:
            raise NotFoundError(f"there is no route {route[:60]}")
        found.offer([trial_notice(route, by, self._clock.now_unix_nano())])

    def view(self) -> NotificationsView:
        """The page."""
        return NotificationsView(
            self.writer.base,
            tuple(route.view() for route in self.routes.values()),
            tuple(self._control.list_notices(_SHOWN)),
        )

    def trouble(self) -> str:
        """Which routes do not get through, and why; "" when all do."""
        failing = [(name, route.trouble()) for name, route in self.routes.items() if route.trouble()]
        return "; ".join(f"the route {name} does not deliver: {why}" for name, why in failing)

    def collect(self) -> Iterable[Metric]:
        """Counters of each route, for `petrel_*` metrics."""
        words = (("sent", "delivered"), ("given_up", "given up"))
        for word, meaning in words:
            counted = CounterMetricFamily(f"petrel_notify_{word}", f"Messages: {meaning}.", labels=["route"])
            for name, route in self.routes.items():
                counted.add_metric([name], route.counts[word])
            yield counted
        reasons = CounterMetricFamily(
            "petrel_notify_failures", "Attempts that failed, by reason.", labels=["route", "reason"]
        )
        waiting = GaugeMetricFamily("petrel_notify_waiting", "Not delivered yet.", labels=["route"])
        for name, route in self.routes.items():
            waiting.add_metric([name], route.waiting())
            for reason, count in sorted(route.reasons.items()):
                reasons.add_metric([name, reason], count)
        yield reasons
        yield waiting

    def describe(self) -> Iterable[Metric]:
        """Nothing up front: names are fixed in `collect`."""
        return []


def build_notifiers(config: Config) -> dict[str, Notifier]:
    """The notifier of every route.

    Raises:
        ConfigError: one cannot be made; names its section.
    """
    found: dict[str, Notifier] = {}
    for name, settings in sorted(config.notify.items()):
        try:
            found[name] = load_one(NOTIFIERS, settings.type)(NotifierPlace(name, os.environ), settings)
        except (OSError, ValueError) as error:
            raise ConfigError(f"[notify.{name}] cannot be opened: {type(error).__name__}") from None
    return found

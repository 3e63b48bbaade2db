"""One route: a thread that brings what waits to one receiver, and keeps on record what became of it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import structlog

from stormpetrel.adapters.notify.settings import NotifySettings
from stormpetrel.app.notify.attempt import Attempt
from stormpetrel.app.notify.waiting import Waiting, WaitingLine
from stormpetrel.app.notify.words import digest_of
from stormpetrel.app.notify.writing import Writer
from stormpetrel.errors import NotTakenError, StoreError, StormPetrelError
from stormpetrel.model.finding import Severity
from stormpetrel.model.notification import (
    Delivery,
    DeliveryState,
    Message,
    Notification,
    NotificationKind,
    RouteView,
)
from stormpetrel.model.text import harmless
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.notices import NoticeStore
from stormpetrel.ports.notify import Notifier

log = structlog.get_logger(__name__)

_CLAIM = from_seconds(900.0)
_AGAIN = from_seconds(60.0)  # before the store is asked once more for what is another's
_REMEMBERED, _MOST_UNKEPT = 5000, 1000
_LONGEST_WAIT_SECONDS = 5.0
_FOR_EVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What a route stands on. `holder`: this process, as claims in the store name it."""

    notifier: Notifier
    writer: Writer
    store: NoticeStore
    clock: Clock
    holder: str


class Route:
    """Delivers notifications at least once, each counted; whoever offers them never waits.

    A notification is claimed in the store before it is sent, and closed there afterwards: who dies in between
    sends it again at the next start. While the store refuses, it is sent all the same; memory alone knows.

    Args:
        since_unix_nano: what is older is not told: a new route does not begin with the past.
    """

    def __init__(
        self, name: str, settings: NotifySettings, parts: RouteParts, since_unix_nano: int = 0
    ) -> None:
        self.name, self.settings, self._parts, self._since = name, settings, parts, since_unix_nano
        self._line = WaitingLine(settings.per_minute)
        self._attempt = Attempt(parts.notifier, settings.timeout_seconds, name)
        self._resting: OrderedDict[str, int] = OrderedDict()  # keys that are not ours to send, until when
        self._unkept: deque[Delivery] = deque(maxlen=_MOST_UNKEPT)
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._sent_unix_nano = self._failed_unix_nano = 0
        self._trouble = ""
        self._lock = threading.Lock()
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notify-{name}", daemon=True)

    # ------------------------------------------------------------------------------------- offering

    def carries(self, notice: Notification) -> bool:
        """Whether a notification is for this route."""
        settings = self.settings
        if notice.kind is NotificationKind.TEST:
            return True
        if notice.kind.value not in settings.kinds or notice.time_unix_nano < self._since:
            return False
        if notice.severity < Severity[settings.least_severity.upper()]:
            return False
        if not settings.services or not notice.entities:
            return True
        return any(fnmatchcase(one, wanted) for wanted in settings.services for one in notice.entities)

    def offer(self, notices: Sequence[Notification]) -> None:
        """Take up what is new and for this route; the rest is left alone."""
        now = self._parts.clock.now_unix_nano()
        wanted = [one for one in notices if self.carries(one) and not 0 < one.ends_unix_nano <= now]
        with self._lock:
            fresh = [one for one in wanted if one.key not in self._line and not self._rests(one.key, now)]
            fitting = self._line.room_for(fresh)
            taken = {one.key for one in fitting}
            for left_out in (one.key for one in fresh if one.key not in taken):
                self.counts["postponed"] += 1
                self._rest(left_out, now + _AGAIN)
        if not fitting:
            return
        mine = self._claimed(fitting, now)
        with self._lock:
            for notice in fitting:
                if notice.key in mine:
                    self._line.add(notice, now)
                else:
                    self._rest(notice.key, now + _AGAIN)
        self._woken.set()

    def _claimed(self, notices: list[Notification], now: int) -> set[str]:
        try:
            return self._parts.store.claim_notices(self.name, notices, self._parts.holder, now, now + _CLAIM)
        except StoreError as error:  # people must hear of it all the more
            log.warning("notices_not_kept", route=self.name, reason=error.reason)
            return {one.key for one in notices}

    def _rests(self, key: str, now: int) -> bool:
        return self._resting.get(key, 0) > now

    def _rest(self, key: str, until: int) -> None:
        self._resting[key] = until
        self._resting.move_to_end(key)
        while len(self._resting) > _REMEMBERED:
            self._resting.popitem(last=False)

    # ------------------------------------------------------------------------------------ delivering

    def step(self) -> float:
        """Deliver what is due, one message at most.

        Returns:
            After how many seconds to call again, 0 for at once.
        """
        now = self._parts.clock.now_unix_nano()
        self._keep_again()
        with self._lock:
            ended = self._line.take_over(now)
            batch = self._line.next_batch(now)
        for one in ended:
            self._end(
                one, DeliveryState.FAILED, one.reason or "its time was over before it could be sent", now
            )
        if batch:
            self._deliver(batch, now)
        with self._lock:
            left = self._line.wait_nanos(self._parts.clock.now_unix_nano())
        return _LONGEST_WAIT_SECONDS if left < 0 else min(to_seconds(left), _LONGEST_WAIT_SECONDS)

    def _deliver(self, batch: list[Waiting], now: int) -> None:
        notices = [one.notice for one in batch]
        notice = notices[0] if len(notices) == 1 else digest_of(notices, now)
        with self._lock:
            self._line.spent(now)
        try:
            message: Message = self._parts.writer.write(notice, self.settings.people)
            self._attempt.send(message)
        except StormPetrelError as error:
            self._failed(batch, error)
            return
        now = self._parts.clock.now_unix_nano()
        self._sent_unix_nano, self._trouble = now, ""
        self.counts["sent"] += 1
        state = DeliveryState.SENT if len(batch) == 1 else DeliveryState.DIGESTED
        for one in batch:
            one.attempts += 1
            self._end(one, state, "", now)

    def _failed(self, batch: list[Waiting], error: StormPetrelError) -> None:
        now = self._parts.clock.now_unix_nano()
        told = str(error)[:300]
        self._failed_unix_nano, self._trouble = now, told
        self.counts["failed"] += 1
        self.reasons[error.reason] += 1
        log.warning("notification_failed", route=self.name, reason=error.reason, error=told)
        for_good = isinstance(error, NotTakenError) and len(batch) == 1
        with self._lock:
            for one in batch:
                one.failed(now, told)
        if for_good:
            self._end(batch[0], DeliveryState.FAILED, told, now)

    def _end(self, one: Waiting, state: DeliveryState, reason: str, now: int) -> None:
        """It is over: it waits no more, rests for ever, and the store knows."""
        with self._lock:
            self._line.remove(one.notice.key)
            self._rest(one.notice.key, _FOR_EVER)
        if state is DeliveryState.FAILED:
            self.counts["given_up"] += 1
        notice = one.notice
        self._keep(
            Delivery(
                self.name, notice.key, notice.kind, harmless(notice.title, 200), state, one.attempts,
                one.since_unix_nano, now, reason,
            )
        )  # fmt: skip

    def _keep(self, delivery: Delivery) -> None:
        try:
            self._parts.store.close_notice(delivery)
        except StoreError:
            self._unkept.append(delivery)

    def _keep_again(self) -> None:
        for _ in range(len(self._unkept)):
            delivery = self._unkept.popleft()
            self._keep(delivery)
            if self._unkept and self._unkept[-1] is delivery:
                return  # it still refuses

    # --------------------------------------------------------------------------------------- running

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin nothing more; what waits is taken up at the next start."""
        self._stopping.set()
        self._woken.set()

    def join(self) -> None:
        """Wait a little for a delivery that is under way."""
        if self._thread.ident is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                wait = self.step()
            # A defect of ours must not end all telling: it is logged, counted and shown.
            except Exception:  # logged, counted; the next step is taken
                log.exception("notify_step_failed", route=self.name)
                self.counts["failed"] += 1
                self.reasons["defect"] += 1
                wait = _LONGEST_WAIT_SECONDS
            self._woken.wait(wait)

    # --------------------------------------------------------------------------------------- showing

    def trouble(self) -> str:
        """Why nothing gets through; "" when all is well."""
        return self._trouble

    def waiting(self) -> int:
        """How many are not delivered yet."""
        with self._lock:
            return len(self._line)

    def view(self) -> RouteView:
        """How it stands.

        Raises:
            StoreError: it cannot be found out who has an account.
        """
        settings = self.settings
        with self._lock:
            waiting, oldest = len(self._line), self._line.oldest_unix_nano()
        return RouteView(
            self.name,
            settings.type,
            tuple(NotificationKind(one) for one in settings.kinds),
            Severity[settings.least_severity.upper()],
            tuple(settings.services),
            tuple((one, self._parts.writer.obstacle(one)) for one in settings.people),
            waiting,
            oldest,
            self.counts["sent"],
            self.counts["failed"],
            self.counts["given_up"],
            self._sent_unix_nano,
            self._failed_unix_nano,
            self._trouble,
        )

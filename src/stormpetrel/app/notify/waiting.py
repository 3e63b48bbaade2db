"""What waits to be told on one route: bounded, pages first, each tried again later and later."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stormpetrel.model.notification import Notification, NotificationKind
from stormpetrel.model.time import from_seconds

MOST_WAITING = 200
_MINUTE = from_seconds(60.0)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 300.0
# After which an undelivered one is given up; what ends by itself is given up then.
_WORTH = {
    NotificationKind.PAGE: from_seconds(24 * 3600.0),
    NotificationKind.PLAN: from_seconds(24 * 3600.0),
    NotificationKind.TEST: from_seconds(60.0),
}
_WORTH_ELSE = from_seconds(6 * 3600.0)


@dataclass(slots=True)
class Waiting:
    """One that waits.

    Attributes:
        since_unix_nano: since when it waits here.
        due_unix_nano: when it is tried next.
        attempts: how often it was tried.
        reason: why the last attempt failed.
    """

    notice: Notification
    since_unix_nano: int
    due_unix_nano: int
    attempts: int = 0
    reason: str = ""

    def over(self, now_unix_nano: int) -> bool:
        """Whether nobody needs to hear of it any more."""
        ends = self.notice.ends_unix_nano
        if ends and now_unix_nano >= ends:
            return True
        return now_unix_nano - self.since_unix_nano >= _WORTH.get(self.notice.kind, _WORTH_ELSE)

    def failed(self, now_unix_nano: int, reason: str) -> None:
        """It is tried again, after a pause that doubles up to five minutes."""
        self.attempts, self.reason = self.attempts + 1, reason
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(self.attempts - 1, 10))
        self.due_unix_nano = now_unix_nano + from_seconds(pause)


class WaitingLine:
    """What waits on one route, by key. Not thread-safe.

    Args:
        per_minute: messages that any minute may hold, attempts that failed among them.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._kept: OrderedDict[str, Waiting] = OrderedDict()
        self._sent: deque[int] = deque(maxlen=per_minute)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def oldest_unix_nano(self) -> int:
        """Since when the oldest waits; 0: nothing waits."""
        return min((one.since_unix_nano for one in self._kept.values()), default=0)

    def room_for(self, notices: Iterable[Notification]) -> list[Notification]:
        """Those that there is room for, pages first; for a page what is none makes room."""
        ranked = sorted(notices, key=lambda one: one.kind is not NotificationKind.PAGE)
        fitting = []
        room = MOST_WAITING - len(self._kept)
        for notice in ranked:
            if room <= 0 and not (notice.kind is NotificationKind.PAGE and self._make_room()):
                break
            fitting.append(notice)
            room -= 1
        return fitting

    def add(self, notice: Notification, now_unix_nano: int) -> None:
        """It waits, and is due at once."""
        self._kept.setdefault(notice.key, Waiting(notice, now_unix_nano, now_unix_nano))

    def remove(self, key: str) -> None:
        """It waits no more."""
        self._kept.pop(key, None)

    def take_over(self, now_unix_nano: int) -> list[Waiting]:
        """Those that nobody needs to hear of any more; they wait no more."""
        ended = [one for one in self._kept.values() if one.over(now_unix_nano)]
        for one in ended:
            del self._kept[one.notice.key]
        return ended

    def next_batch(self, now_unix_nano: int) -> list[Waiting]:
        """What is to be sent now as one message: nothing, one, or all, where a minute would not hold them."""
        due = [one for one in self._kept.values() if one.due_unix_nano <= now_unix_nano]
        left = self._per_minute - self._used(now_unix_nano)
        if not due or left <= 0:
            return []
        if left == 1 and len(due) > 1:
            return due
        return [min(due, key=lambda one: (one.notice.kind is not NotificationKind.PAGE, one.due_unix_nano))]

    def spent(self, now_unix_nano: int) -> None:
        """One message more in this minute."""
        self._sent.append(now_unix_nano)

    def wait_nanos(self, now_unix_nano: int) -> int:
        """How long until there may be something to send; -1: nothing waits."""
        if not self._kept:
            return -1
        due = min(one.due_unix_nano for one in self._kept.values())
        if self._used(now_unix_nano) >= self._per_minute:
            due = max(due, min(self._recent(now_unix_nano)) + _MINUTE)
        return max(0, due - now_unix_nano)

    def _recent(self, now_unix_nano: int) -> Sequence[int]:
        # What lies ahead was sent before the clock went back: it holds nothing up for longer than a minute.
        return [one for one in self._sent if abs(now_unix_nano - one) < _MINUTE]

    def _used(self, now_unix_nano: int) -> int:
        return len(self._recent(now_unix_nano))

    def _make_room(self) -> bool:
        for key, one in self._kept.items():
            if one.notice.kind is not NotificationKind.PAGE:
                del self._kept[key]
                return True
        return False

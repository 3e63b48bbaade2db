"""Reports that were made a moment ago, for many readers of one link."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from stormpetrel.errors import BusyError
from stormpetrel.model.time import from_seconds

_MOST, _GOOD_SECONDS, _WAIT_SECONDS, MOST_WAITING = 16, 30.0, 5.0, 4


class KeptReports:
    """Makes a report at most once in half a minute, one at a time, however many ask. Safe from any thread.

    Making one reads the store; who has a link needs no account, and must not be able to keep it busy, nor the
    threads that serve other pages: at most four wait, and none for long. At most 16 reports are kept, those
    made first are let go first.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._turn = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST_WAITING)

    def of(self, key: str, now_unix_nano: int, make: Callable[[], str]) -> str:
        """The report of this key as it was less than half a minute ago, else a new one.

        Raises:
            BusyError: others wait for theirs.
        """
        known = self._fresh(key, now_unix_nano)
        if known is not None:
            return known
        self._await_turn()
        try:
            known = self._fresh(key, now_unix_nano)
            if known is None:
                known = make()
                self._kept.pop(key, None)
                self._kept[key] = (now_unix_nano, known)
                while len(self._kept) > _MOST:
                    self._kept.popitem(last=False)
            return known
        finally:
            self._turn.release()

    def _await_turn(self) -> None:
        if not self._room.acquire(blocking=False):
            raise BusyError("many ask for reports just now; ask again in a few seconds")
        try:
            if not self._turn.acquire(timeout=_WAIT_SECONDS):
                raise BusyError("other reports are being made; ask again in a few seconds")
        finally:
            self._room.release()

    def _fresh(self, key: str, now_unix_nano: int) -> str | None:
        made, text = self._kept.get(key, (0, ""))
        return text if text and 0 <= now_unix_nano - made < from_seconds(_GOOD_SECONDS) else None

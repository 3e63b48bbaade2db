"""From the spill into the store: in order, in a thread of its own, as soon as the store takes it.

While anything waits in the spill, newer inserts go behind it, so that the store and the judge see
everything in the order in which it was admitted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from stormpetrel.app.inserts import (
    Insert,
    SampleInsert,
    is_stored,
    perform,
    perform_rest,
    perform_series,
)
from stormpetrel.app.spill import Spill
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

# Between tries of a store that refuses; doubles up to the longest.
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
# Tries after which an insert that fails for a reason that does not pass is set aside.
_TRIES = 3
# While the store takes again, the writer waits so long for two inserts to leave before one comes.
_TURN_SECONDS = 2.0
# How long an insert under way may take when this process is to end; it is tried again at the next start.
_STOP_SECONDS = 10.0


class SpillDrain:
    """The spill and its way back.

    Args:
        spill: recovered already; this object and the writer use it from now on.
        when_full: whether inserts are also spilled while the store has no room left: right for a server
            with a disk of its own, useless where spill and store share one.
        stored: called in the drain's thread with each insert that went into the store, in order, before
            anything newer is: counts it and hands it on to the judge; may block.
    """

    def __init__(
        self,
        spill: Spill,
        store: TelemetryStore,
        clock: Clock,
        *,
        when_full: bool,
        stored: Callable[[Insert], None],
    ) -> None:
        self.spill = spill
        self._store = store
        self._clock = clock
        self._when_full = when_full
        self.first_pause_seconds = _FIRST_PAUSE_SECONDS
        self._stored = stored
        self.turn = threading.Lock()  # the writer's, once it is one
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        # What an earlier process left may have got into the store before that process died: its first
        # insert only, since a file goes before the next insert is tried.
        self._in_doubt = len(spill) > 0
        self._under_way = len(spill) > 0
        self._refused = ""  # why the store does not take what waits; empty when it does
        self._drained = 0
        self._thread = threading.Thread(target=self._run, name="spill-drain", daemon=True)

    @property
    def active(self) -> bool:
        """Whether something waits, so that what is newer has to go behind it."""
        return self._under_way

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def state(self) -> str:
        """What waits and why; empty when nothing does."""
        spill = self.spill
        if not self._under_way:
            return ""
        away = f"the store refuses ({self._refused})" if self._refused else "the store takes again"
        return (
            f"{away}: {spill.rows} rows wait on disk ({spill.bytes} of at most {spill.limit_bytes} bytes) "
            "and are acknowledged"
        )

    def takes(self, error: StoreError) -> bool:
        """Whether an insert that the store refused so belongs into the spill."""
        if not error.retryable or not self.spill.limit_bytes:
            return False
        return self._when_full or not isinstance(error, StoreFullError)

    def append(self, insert: Insert, refusal: StoreError | None = None) -> None:
        """Spill an insert, behind what waits; `refusal` is what the store answered to this very one.

        Raises:
            StoreError: the spill is full or cannot be written; nothing of the insert is kept.
        """
        self.spill.append(insert)
        with self._changed:
            if refusal is not None:
                self._refused = refusal.reason
                log.warning("store_away", reason=refusal.reason, error=str(refusal))
            self._under_way = True
            self._changed.notify_all()

    def let_drain(self) -> None:
        """Let two inserts leave before the next one comes, for as long as the store takes them.

        Called by the writer before it takes more in: what waits gets less even under a full load.
        """
        with self._changed:
            goal = self._drained + 2
            self._changed.wait_for(
                lambda: (
                    not self._under_way
                    or self._refused != ""
                    or self._drained >= goal
                    or self._stopping.is_set()
                ),
                timeout=_TURN_SECONDS,
            )

    # ---------------------------------------------------------------------------------------- thread

    def start(self) -> None:
        """Begin to drain."""
        self._thread.start()

    def stop(self) -> None:
        """End after the insert under way; what waits stays on disk for the next start."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while self._wait_for_work():
            insert = self.spill.oldest()
            if insert is not None:
                new = self._bring(insert)
                if new is not None:
                    self._gone(insert, new)
            if not len(self.spill):
                self._nothing_waits()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._under_way or self._stopping.is_set())
            return not self._stopping.is_set()

    def _bring(self, insert: Insert) -> bool | None:
        """Try until the insert is in the store: whether it is new there. None: stopping, or set aside."""
        pause, faults = self.first_pause_seconds, 0
        while not self._stopping.is_set():
            try:
                with self.turn:
                    return self._try(insert)
            except StoreError as error:
                reason, text = error.reason, str(error)
                faults += not error.retryable
            # A defect met with this insert must not hold up all others: it is tried again, and set
            # aside when it fails three times.
            except Exception as error:  # logged; the insert stays on disk
                log.exception("spilled_insert_failed", token=insert.token)
                reason, text = "defect", f"{type(error).__name__}: {error}"
                faults += 1
            if faults >= _TRIES:
                self._set_aside(insert, f"{reason}: {text}")
                return None
            with self._changed:
                self._refused = reason
                self._changed.notify_all()
            self._stopping.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return None

    def _try(self, insert: Insert) -> bool:
        if self._in_doubt and is_stored(insert, self._store, self._clock.now_unix_nano()):
            # Its token may be of another week by now (see the store's contract): never insert it again.
            perform_rest(insert, self._store)
            log.info("spilled_insert_was_stored", token=insert.token)
            return False
        self._in_doubt = False
        perform(insert, self._store)
        return True

    def _set_aside(self, insert: Insert, why: str) -> None:
        """Out of the way of all others, but for its series: what comes later may use them."""
        self._in_doubt = False
        if isinstance(insert, SampleInsert):
            try:
                perform_series(insert.series, self._store)
            except StoreError as error:  # then `recover` gives them a name at the next start
                log.error("series_not_stored", series=len(insert.series), reason=error.reason)
        self.spill.set_aside_oldest(why)

    def _gone(self, insert: Insert, new: bool) -> None:
        self._in_doubt = False
        self.spill.drop_oldest()
        if self._refused:
            log.info("store_back", waiting=len(self.spill))
            self._refused = ""
        if new:  # else the warm start has seen it
            self._stored(insert)
        with self._changed:
            self._drained += 1
            self._changed.notify_all()

    def _nothing_waits(self) -> None:
        with self._changed:
            self._under_way = len(self.spill) > 0  # unless the writer was quicker
            if not self._under_way:
                self._refused = ""
            self._changed.notify_all()

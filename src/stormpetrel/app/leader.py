"""Who may act: one process at a time holds the lease, under a token that grows with each new holder."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.facts import Lease
from stormpetrel.ports.automation import AutomationStore
from stormpetrel.ports.clock import Clock

log = structlog.get_logger(__name__)

LEASE_SECONDS = 15.0


class Leader:
    """The lease as this process knows it. Safe from any thread.

    What this says is only ever the first of two answers: the store reads token and expiry again in the
    transaction that puts an order on record.

    Args:
        holder: this process, in a name that no other has.
        seconds: for which the lease is taken; it is prolonged every third of it.
    """

    def __init__(
        self, store: AutomationStore, clock: Clock, holder: str, seconds: float = LEASE_SECONDS
    ) -> None:
        self.holder = holder
        self.seconds = seconds
        self._store = store
        self._clock = clock
        self._lease: Lease | None = None
        self._lock = threading.Lock()

    def token(self) -> int | None:
        """The token under which to act; None while another holds the lease, or ours may have run out."""
        with self._lock:
            lease = self._lease
        if lease is None or self._clock.now_unix_nano() >= lease.expires_unix_nano:
            return None
        return lease.token

    def renew(self) -> int | None:
        """Take or prolong the lease; None when another holds it.

        Raises:
            StoreError: the store refused; what was held goes on to its expiry.
        """
        lease = self._store.take_lease(self.holder, self._clock.now_unix_nano(), self.seconds)
        with self._lock:
            self._lease = lease
        return lease.token if lease is not None else None

    def lose(self) -> None:
        """The store says that the lease is another's."""
        with self._lock:
            self._lease = None


class Watch:
    """Keeps the lease, and tells what changes: two threads, so that no start and no end delays a renewal.

    Args:
        gained: called when the lease becomes ours; the process may drive runs from now on.
        held: called every third of the lease's time after that.
        lost: called when it is another's, or could not be prolonged in time.
    """

    def __init__(
        self,
        leader: Leader,
        gained: Callable[[], None],
        held: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._leader = leader
        self._gained, self._held, self._lost = gained, held, lost
        self._stop = threading.Event()
        self._holds = False
        self._threads = [
            threading.Thread(target=self._each, args=(one,), name=f"automation-{name}", daemon=True)
            for name, one in (("lease", self.renew), ("runs", self.tell))
        ]

    def start(self) -> None:
        """Begin; once."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and hand runs on: `lost` is called when the lease was ours. It ends by its own expiry."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        if self._holds:
            self._holds = False
            self._lost()

    def _each(self, one: Callable[[], None]) -> None:
        while not self._stop.is_set():
            one()
            self._stop.wait(self._leader.seconds / 3 if self._holds else self._leader.seconds / 10)

    def renew(self) -> None:
        """One renewal. A store that refuses is tried again at the next."""
        try:
            self._leader.renew()
        except StormPetrelError as error:
            log.warning("lease_not_renewed", holder=self._leader.holder, error=str(error))
        # Without this thread the lease would run out and nobody here would ever act again.
        except Exception:  # logged; it is tried again at the next
            log.exception("lease_renewal_failed", holder=self._leader.holder)

    def tell(self) -> None:
        """What became of the lease, to whom it concerns. What fails there is tried again at the next."""
        holds = self._leader.token() is not None
        try:
            if holds and not self._holds:
                log.info("lease_gained", holder=self._leader.holder)
                self._gained()
            elif holds:
                self._held()
            elif self._holds:
                log.warning("lease_lost", holder=self._leader.holder)
                self._lost()
        except StormPetrelError as error:
            log.error("runs_not_handed_on", holder=self._leader.holder, error=str(error))
            return
        except Exception:  # logged; it is tried again at the next
            log.exception("runs_not_handed_on", holder=self._leader.holder)
            return
        self._holds = holds

"""The intake queue: what sources handed over and is not stored yet, bounded, and fair between sources.

Each source has a lane of its own. Groups are taken from the lanes in turn (deficit round robin: Shreedhar
and Varghese, "Efficient fair queuing using deficit round robin", 1995), so that a source that sends little
waits for one turn of the others, however much they send. Within a lane the order is that of arrival.

What one source may fill depends on what is free (dynamic thresholds: Choudhury and Hahne, 1998): at most
`source_share` of the capacity while others send too, and less when several fill it, so that there is
always room for one more. Beyond that the source, and only it, is told to come back later.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter

from stormpetrel.app.inserts import Signals, size_bytes
from stormpetrel.errors import OverloadedError

# Lanes at once. Names of sources come from outside: further ones share one lane.
MAX_LANES = 500
OTHERS = "other"
# What a lane may take in its turn, in rows; a row counts at least one for each so many bytes.
_TURN_ROWS = 1000
_BYTES_A_ROW = 256
# A source that sent (or was refused) within this is one of those with whom the queue is shared.
_PRESENT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """One batch of a source, and the promise to say when it is stored."""

    batch: Signals
    source: str
    done: Future[None]
    size_bytes: int
    since_seconds: float

    @property
    def cost(self) -> int:
        """What it takes of a lane's turn."""
        return max(len(self.batch), self.size_bytes // _BYTES_A_ROW)


@dataclass(slots=True)
class _Lane:
    waiting: deque[Waiting] = field(default_factory=deque)
    credit: int = 0


@dataclass(slots=True)
class _Held:
    rows: int = 0
    bytes: int = 0

    def add(self, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size


class IntakeQueue:
    """Thread-safe; many put, one takes.

    The attributes may be set before the first batch.

    Attributes:
        capacity_rows, capacity_bytes: what may be held, the group that is being stored included.
        source_share: the part of it that one source may fill while others send too, 0 to 1.
        batch_rows: rows of a group aimed at; a group has at most twice as many, or is one batch.
        batch_bytes: bytes of a group at most, or it is one batch.
        batch_seconds: how long a group waits to become as large as aimed at.
    """

    def __init__(self) -> None:
        self.capacity_rows = 4_000_000
        self.capacity_bytes = 1 << 30
        self.source_share = 0.5
        self.batch_rows = 50_000
        self.batch_bytes = 64 << 20
        self.batch_seconds = 0.2
        self._changed = threading.Condition()
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._total = _Held()
        self._by_lane: dict[str, _Held] = {}
        self._sharing: Counter[str] = Counter()  # batches by source that wait in the lane of the others
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._taken_since = 0.0
        self._closed = False

    @property
    def rows(self) -> int:
        """Rows held: waiting, or being stored."""
        return self._total.rows

    @property
    def bytes(self) -> int:
        """Bytes held."""
        return self._total.bytes

    def waiting_seconds(self) -> float:
        """How long the oldest batch that is held has been; 0 when nothing is."""
        with self._changed:
            heads = [lane.waiting[0].since_seconds for lane in self._lanes.values() if lane.waiting]
            if self._taken_since:
                heads.append(self._taken_since)
            return perf_counter() - min(heads) if heads else 0.0

    # ------------------------------------------------------------------------------------- coming in

    def check_room(self, batch: Signals, source: str) -> None:
        """Refuse now what `put` would refuse, before more work is done for it.

        Raises:
            OverloadedError: see `put`.
        """
        with self._changed:
            self._check(source, len(batch), size_bytes(batch))

    def put(self, batch: Signals, source: str) -> Future[None]:
        """Hold a batch that is not empty; the future is done when it is stored.

        Raises:
            OverloadedError: no room, for this source or at all; nothing was kept.
        """
        one = Waiting(batch, source, Future(), size_bytes(batch), perf_counter())
        with self._changed:
            name = self._check(source, len(batch), one.size_bytes)
            if name == OTHERS:
                self._sharing[source] += 1
            self._lanes.setdefault(name, _Lane()).waiting.append(one)
            self._by_lane.setdefault(name, _Held()).add(len(batch), one.size_bytes)
            self._total.add(len(batch), one.size_bytes)
            self._changed.notify()
        return one.done

    def _check(self, source: str, rows: int, size: int) -> str:
        """The lane that has room for so much of a source."""
        if self._closed:
            raise OverloadedError("Storm Petrel is stopping: nothing was kept, send again later")
        name = self._lane_of(source)
        alone = self._alone(name)
        total, own = self._total, self._by_lane.get(name, _Held())
        for held, more, mine, capacity, what in (
            (total.rows, rows, own.rows, self.capacity_rows, "rows"),
            (total.bytes, size, own.bytes, self.capacity_bytes, "bytes"),
        ):
            if held and held + more > capacity:
                raise OverloadedError(
                    f"the intake queue holds {held} {what} of at most {capacity}: "
                    "nothing was kept, wait and send again"
                )
            free = capacity - held - more
            if mine and not alone and (mine + more) * (1 - self.source_share) > self.source_share * free:
                raise OverloadedError(
                    f"{name} fills its share of the intake queue: {mine} {what} of {capacity}; "
                    "nothing was kept, wait and send again"
                )
        return name

    def _lane_of(self, source: str) -> str:
        if source in self._by_lane:
            return source
        # Its earlier batches wait among the others: a lane of its own would overtake them.
        return OTHERS if self._sharing[source] or len(self._by_lane) >= MAX_LANES else source

    def _alone(self, name: str) -> bool:
        """Whether nobody else sends at present; notes that this one does."""
        now = perf_counter()
        self._seen[name] = now
        self._seen.move_to_end(name)
        while len(self._seen) > MAX_LANES:
            self._seen.popitem(last=False)
        latest = next((self._seen[other] for other in reversed(self._seen) if other != name), None)
        return latest is None or now - latest > _PRESENT_SECONDS

    # ------------------------------------------------------------------------------------- going out

    def take(self) -> list[Waiting]:
        """The next group, in order within each source; waits for one. Empty when closed and empty.

        What is taken is still held: `release` it when it is stored or refused.
        """
        with self._changed:
            while not self._lanes and not self._closed:
                self._changed.wait()
            deadline = perf_counter() + self.batch_seconds
            while not self._closed and self._total.rows < self.batch_rows:
                left = deadline - perf_counter()
                if left <= 0 or not self._changed.wait(left):
                    break
            group = self._next_group()
            self._taken_since = min((one.since_seconds for one in group), default=0.0)
            return group

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        rows = size = 0
        while self._lanes:
            name, lane = next(iter(self._lanes.items()))
            lane.credit += _TURN_ROWS
            while lane.waiting and lane.waiting[0].cost <= lane.credit:
                head = lane.waiting[0]
                rows += len(head.batch)
                size += head.size_bytes
                if group and (rows > 2 * self.batch_rows or size > self.batch_bytes):
                    lane.credit -= _TURN_ROWS  # its turn goes on with the next group
                    return group
                lane.credit -= head.cost
                group.append(lane.waiting.popleft())
            if lane.waiting:
                self._lanes.move_to_end(name)
            else:
                del self._lanes[name]
        return group

    def release(self, group: list[Waiting]) -> None:
        """The batches of a group are no longer held."""
        with self._changed:
            self._taken_since = 0.0
            for one in group:
                name = OTHERS if self._sharing[one.source] else one.source
                if name == OTHERS:
                    self._sharing[one.source] -= 1
                held = self._by_lane[name]
                held.add(-len(one.batch), -one.size_bytes)
                self._total.add(-len(one.batch), -one.size_bytes)
                if not held.rows:
                    del self._by_lane[name]
            self._sharing = +self._sharing

    def close(self) -> None:
        """Refuse what comes, and let `take` end once nothing waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()

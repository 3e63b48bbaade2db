"""Inserts that raised: nothing of them is stored, or all, and the sender was told to send again.

Until it is known which, an insert is *in doubt*: before the next one of its kind the store is asked, and
then it either counts as kept after all, or is forgotten as if it had never been.
"""

from __future__ import annotations

from stormpetrel.app.drafts import Draft
from stormpetrel.app.inserts import Signals, is_stored
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.store import TelemetryStore


class Doubts:
    """At most one draft of each kind is in doubt. The writer's own: not thread-safe."""

    def __init__(self, store: TelemetryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._open: dict[type[Signals], Draft] = {}

    def begin(self, draft: Draft) -> None:
        """The insert is about to be tried."""
        self._open[draft.insert.kind] = draft

    def end(self, draft: Draft) -> None:
        """It is known to be kept."""
        del self._open[draft.insert.kind]

    def settle(self, kind: type[Signals]) -> Draft | None:
        """The draft of this kind that is stored after all, if one is; one that is not is forgotten.

        Raises:
            StoreError: the store does not answer, and the doubt remains.
        """
        draft = self._open.get(kind)
        if draft is None:
            return None
        stored = is_stored(draft.insert, self._store, self._clock.now_unix_nano())
        del self._open[kind]
        if stored:
            return draft
        draft.forget()
        return None

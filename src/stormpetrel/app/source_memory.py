"""Who used to speak, kept over a restart: a source that died meanwhile is missed, and not forgotten."""

from __future__ import annotations

import orjson
import structlog

from stormpetrel.app.tally import SourceTally
from stormpetrel.errors import StoreError
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

_KEY = "sources"
_EVERY = from_seconds(60)


class SourceMemory:
    """Keeps names, kinds, last times and usual intervals of all sources in the control store."""

    def __init__(self, tally: SourceTally, control: ControlStore) -> None:
        self._tally, self._control = tally, control
        self._next = 0

    def recall(self, now_unix_nano: int) -> None:
        """Take over what was kept; what cannot be read is left out."""
        try:
            self._tally.recall(orjson.loads(self._control.get(_KEY) or "[]"), now_unix_nano)
        except (StoreError, ValueError, KeyError, TypeError) as error:
            log.warning("sources_not_recalled", error=str(error)[:300])

    def tick(self, now_unix_nano: int) -> None:
        """Time has reached `now`: keep them once a minute."""
        if now_unix_nano >= self._next:
            self._next = now_unix_nano + _EVERY
            self.keep()

    def keep(self) -> None:
        """Keep them now; a failure is logged, the next minute tries again."""
        try:
            self._control.put(_KEY, orjson.dumps(self._tally.remembered()).decode())
        except StoreError as error:
            log.warning("sources_not_kept", error=str(error)[:300])

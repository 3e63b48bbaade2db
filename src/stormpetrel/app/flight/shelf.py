"""Where flights are kept: in the control store, the last few of them whole."""

from __future__ import annotations

import json
from collections.abc import Sequence

import structlog

from stormpetrel.errors import StormPetrelError
from stormpetrel.model import canonical
from stormpetrel.model.flight import Flight
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

KEPT = 8
_INDEX = "flights"


class Shelf:
    """Keeps flights by their ids; the newest `KEPT` that are over, and all that are not.

    A report may be some megabytes, so each is kept under a key of its own and a list of keys beside them.
    """

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._ids: list[str] = []

    def recall(self) -> list[Flight]:
        """Those that are kept."""
        found = []
        for flight_id in _ids_of(self._control.get(_INDEX)):
            content = self._control.get(_key(flight_id))
            if content is None:
                continue
            try:
                flight = canonical.read(Flight, content)
            except ValueError:  # of another version of this program
                self._control.delete(_key(flight_id))
                continue
            found.append(flight)
        self._ids = [one.flight_id for one in found]
        return found

    def keep(self, flight: Flight) -> None:
        """Keep a flight as it is now; it stays in memory, and is shown, where that fails."""
        try:
            self._control.put(_key(flight.flight_id), canonical.text(flight))
            if flight.flight_id not in self._ids:
                self._ids.append(flight.flight_id)
                self._control.put(_INDEX, json.dumps(self._ids))
        except StormPetrelError as error:
            log.warning("flight_not_kept", flight=flight.flight_id, error=str(error)[:300])

    def tidy(self, oldest_first: Sequence[Flight]) -> list[str]:
        """Let go of the oldest that are over; their ids."""
        dropped = [one.flight_id for one in oldest_first if not one.open][:-KEPT]
        try:
            for flight_id in dropped:
                self._control.delete(_key(flight_id))
            if dropped:
                self._ids = [one for one in self._ids if one not in dropped]
                self._control.put(_INDEX, json.dumps(self._ids))
        except StormPetrelError as error:
            log.warning("flights_not_tidied", error=str(error)[:300])
        return dropped


def _key(flight_id: str) -> str:
    return f"flight/{flight_id}"


def _ids_of(text: str | None) -> list[str]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

"""The use-cases of flights."""

from __future__ import annotations

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.model.access import Caller
from stormpetrel.model.flight import Flight
from stormpetrel.model.time import Window


class FlightUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def flights(self) -> list[Flight]:
        """All that are kept."""
        return self._is.flights.flights()

    def flight(self, flight_id: str) -> Flight:
        """One of them."""
        return self._is.flights.flight(flight_id)

    def start_flight(self, window: Window, by: Caller) -> Flight:
        """A responder asks for a flight."""
        rules.require_responder(by)
        return self._is.flights.submit(window, by.name)

    def cancel_flight(self, flight_id: str, by: Caller) -> Flight:
        """A responder stops a flight."""
        rules.require_responder(by)
        return self._is.flights.cancel(flight_id)

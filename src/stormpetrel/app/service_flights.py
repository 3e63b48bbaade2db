"""The use-cases of flights, one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.flight import Flight
from stormpetrel.model.time import Window


class FlightService(Protocol):
    """What the pages, the API and the command line ask and do about flights over the past."""

    def flights(self) -> list[Flight]:
        """Those that are kept, newest first."""
        ...

    def flight(self, flight_id: str) -> Flight:
        """One flight, with its report when it is done. NotFoundError."""
        ...

    def start_flight(self, window: Window, by: Caller) -> Flight:
        """A responder asks for a flight over all runbooks. ConfigError (nothing to fly, or too much),
        OverloadedError, AuthError."""
        ...

    def cancel_flight(self, flight_id: str, by: Caller) -> Flight:
        """A responder stops a flight. NotFoundError, StateError, AuthError."""
        ...

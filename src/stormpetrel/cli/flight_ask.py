"""A flight asked of a running Storm Petrel, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from stormpetrel.app.backup.snapshot import ADDRESS
from stormpetrel.app.config import Config
from stormpetrel.cli.remote import Server, ServerError
from stormpetrel.errors import AuthError, ConfigError, StateError, StoreLockedError
from stormpetrel.model.flight import Flight, FlightReport
from stormpetrel.model.job import JobState
from stormpetrel.model.time import Window, to_iso

FLIGHTS = "/api/v1/automation/flights"
_OF_ARGUMENTS = (400, 422)
_TIMEOUT_SECONDS = 60.0  # what a range holds is counted before a flight is taken
_LOOK_SECONDS = 1.0


def server_of(config: Config, locked: StoreLockedError) -> str:
    """The address of the server on a data directory; the error that it is locked when it told none."""
    try:
        found = (config.data_dir / ADDRESS).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not found:
        raise locked
    return found


def ask_server(url: str, token: str, window: Window, progress: Callable[[float], None]) -> FlightReport:
    """Start a flight and wait for its report; the flight goes on when the wait is interrupted.

    Raises:
        AuthError: there is no token.
        ConfigError: the server has nothing to fly, or the range is too long.
        ServerError: it does not answer, or refuses the token.
        StateError: the flight did not end well.
    """
    if not token:
        raise AuthError(
            f"a Storm Petrel runs at {url}: give a token with the scopes read and respond by --token-file"
        )
    server = Server(url, token, "read and respond", _TIMEOUT_SECONDS)
    span = {"from": to_iso(window.start_unix_nano), "to": to_iso(window.end_unix_nano)}
    try:
        flight = server.post(FLIGHTS, span, Flight)
    except ServerError as error:
        if error.status in _OF_ARGUMENTS:
            raise ConfigError(str(error)) from None
        raise
    while flight.open:
        progress(flight.progress_ratio)
        time.sleep(_LOOK_SECONDS)
        flight = server.get(f"{FLIGHTS}/{quote(flight.flight_id)}", Flight)
    if flight.report is None or flight.state is not JobState.DONE:
        raise StateError(f"the flight {flight.flight_id} is {flight.state}: {flight.error or 'no report'}")
    return flight.report

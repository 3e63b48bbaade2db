"""What `petrel demo` says: the address at once, then what happens when."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import httpx
from rich.console import Console
from rich.status import Status
from rich.text import Text

from stormpetrel.cli.demo_server import Address
from stormpetrel.cli.status import ask
from stormpetrel.model.time import to_iso, to_seconds
from stormpetrel.ports.clock import Clock

if TYPE_CHECKING:
    from stormpetrel.simulate.drive import Progress
    from stormpetrel.simulate.faults import Fault
    from stormpetrel.simulate.push import Sent

_ASK_EVERY_SECONDS = 2.0


class Show:
    """Prints lasting lines as things happen, and one line that changes where there is a terminal.

    Incidents are asked for in a thread of its own, so that a slow answer never delays a push.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._console = Console(highlight=False, soft_wrap=True)
        self._status: Status = self._console.status("starting …")
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None
        self._address = Address("", None, "", "")
        self._fault: Fault | None = None
        self._sent: Sent | None = None
        self._begun = False
        self._known: dict[str, str] = {}
        self._first_unix_nano = clock.now_unix_nano()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._status.stop()
        if self._watcher is not None:
            self._watcher.join(timeout=15)
            self._console.print("Stopped.")

    def starting(self) -> None:
        """The server is being started."""
        self._say("Starting a Storm Petrel of its own for this demonstration.")

    def started(self, address: Address, what: str, calm_seconds: float) -> None:
        """The server answers: say where, and what will happen."""
        self._address = address
        self._say(f"Storm Petrel is running at {address.url}", "bold")
        if address.setup_url:
            self._say(f"Set up your account and look in: {address.setup_url}", "bold")
        self._say(f"Now: six hours of a web shop's history. Then live; {calm_seconds:.0f} s later:")
        self._say(f"  {what}.")
        self._watcher = threading.Thread(target=self._watch, name="demo-watch", daemon=True)
        self._watcher.start()

    def live(self, fault: Fault, sent: Sent) -> None:
        """History is told; from now on it is live."""
        self._fault, self._sent = fault, sent
        self._say(
            f"History told: {sent.samples} samples, {sent.log_records} log records, {sent.spans} spans. "
            f"Live now; the fault begins at {to_iso(fault.start_unix_nano)[11:19]} UTC. Ctrl-C stops all."
        )

    def progress(self, made: Progress) -> None:
        """A push was acknowledged."""
        if made.phase == "history":
            share = made.done_seconds / max(made.whole_seconds, 1.0)
            self._status.update(f"telling the history: {share:.0%}")
            return
        fault, sent = self._fault, self._sent
        if fault is None or sent is None:
            return
        ahead = to_seconds(fault.start_unix_nano - made.now_unix_nano)
        if ahead > 0:
            text = f"all is well, the fault begins in {ahead:.0f} s"
        else:
            text = f"the fault has lasted for {-ahead:.0f} s"
            if not self._begun:
                self._begun = True
                self._say(f"The fault begins: {fault.sentence}.", "yellow")
        self._status.update(f"{text}; {sent.samples} samples sent, {len(self._known)} incidents so far")

    def _watch(self) -> None:
        while not self._closed.wait(_ASK_EVERY_SECONDS):
            try:
                view = ask(self._address.url, self._address.read_token)
            except (httpx.HTTPError, ValueError):
                continue  # it is busy or stopping: the next question will tell
            for incident in view["open_incidents"]:
                self._tell(incident)

    def _tell(self, incident: dict[str, Any]) -> None:
        key, sentence = str(incident["incident_id"]), str(incident["sentence"])
        if key in self._known:
            return
        self._known[key] = sentence
        since = ""
        if self._begun and self._fault is not None:
            passed = to_seconds(self._clock.now_unix_nano() - self._fault.start_unix_nano)
            since = f" ({passed:.0f} s after the fault began)"
        self._say(f"Incident{since}: {sentence}", "red")
        self._say(f"  {self._address.url}/incidents/{key}")

    def _say(self, text: str, style: str = "") -> None:
        passed = to_seconds(self._clock.now_unix_nano() - self._first_unix_nano)
        self._console.print(Text.assemble((f"{passed:5.0f} s  ", "dim"), (text, style)))

"""`petrel demo`: a whole installation watching a simulated estate in which something goes wrong."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from stormpetrel.cli.demo_server import DemoServer
from stormpetrel.cli.demo_show import Show
from stormpetrel.errors import ConfigError, OverloadedError, StateError
from stormpetrel.model.time import from_seconds

HISTORY_SECONDS = 6 * 3600.0
STEP_SECONDS = 5.0


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="port; 0 picks a free one")] = 7780,
    fault: Annotated[
        str, typer.Option(help="what goes wrong; an unknown name lists the known")
    ] = "deploy-bug",
    keep: Annotated[
        Path | None, typer.Option(help="keep data and log in this new directory", file_okay=False)
    ] = None,
    calm_seconds: Annotated[float, typer.Option(min=0, max=3600, help="live time before the fault")] = 30.0,
    seed: Annotated[int, typer.Option(help="seed of the simulation")] = 7,
) -> None:
    """See Storm Petrel at work within two minutes: a simulated shop, in which something breaks.

    Starts a server of its own on this host, tells it six hours of history of a web shop (service,
    database, queue, nightly job, ten hosts), goes on live, and half a minute later a fault begins.
    Everything goes over the real protocols. Ctrl-C stops and removes all of it.

    Examples:

      petrel demo

      petrel demo --fault slow-database --port 8080

      petrel demo --fault queue-stuck --keep ./demo-data

    Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 failed, 2 an argument or the port.
    """
    # NumPy and the protocols take half a second to load: other commands should not wait for them.
    from stormpetrel.simulate.faults import FAULTS  # noqa: PLC0415 - slow to load

    if fault not in FAULTS:
        raise ConfigError(f"there is no fault {fault!r}; known: {', '.join(FAULTS)}")
    directory = _directory(keep)
    stop = threading.Event()
    _stop_on_signals(stop)
    try:
        with DemoServer(directory, port) as server:
            _run(server, Plot(fault, calm_seconds, seed), stop)
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def _directory(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="petrel-demo-"))
    if keep.exists() and any(keep.iterdir()):
        raise ConfigError(f"{keep} is not empty; give --keep a new directory")
    keep.mkdir(parents=True, exist_ok=True, mode=0o700)
    return keep.resolve()


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)


@dataclass(frozen=True, slots=True)
class Plot:
    """What is going to happen."""

    fault: str
    calm_seconds: float
    seed: int


def _run(server: DemoServer, plot: Plot, stop: threading.Event) -> None:
    from stormpetrel.adapters.clock import SystemClock  # noqa: PLC0415 - slow to load
    from stormpetrel.simulate.drive import Drive  # noqa: PLC0415 - slow to load
    from stormpetrel.simulate.estate import Estate  # noqa: PLC0415 - slow to load
    from stormpetrel.simulate.faults import FAULTS  # noqa: PLC0415 - slow to load
    from stormpetrel.simulate.push import Pusher  # noqa: PLC0415 - slow to load

    clock = SystemClock()
    kind = FAULTS[plot.fault]
    with Show(clock) as show:
        show.starting()
        address = server.start(stop)
        if address is None:
            return
        show.started(address, kind.sentence, plot.calm_seconds)
        start = clock.now_unix_nano() - from_seconds(HISTORY_SECONDS)
        # Its past is too short for a job of every night to be usual, at whatever hour it is shown.
        estate = Estate(plot.seed, start, STEP_SECONDS, nightly=False)
        with Pusher(address.url, address.token, stop=stop) as pusher:
            drive = Drive(estate, pusher, clock, stop, show.progress)
            try:
                drive.history()
                if stop.is_set():
                    return
                planned = kind(clock.now_unix_nano() + from_seconds(plot.calm_seconds + STEP_SECONDS))
                estate.add_fault(planned)
                show.live(planned, pusher.sent)
                drive.live()
            except OverloadedError:
                if stop.is_set():
                    return
                if not server.alive():
                    raise StateError(f"the server ended: {server.failure()}") from None
                raise

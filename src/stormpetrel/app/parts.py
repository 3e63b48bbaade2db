"""What the use-cases stand on."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.app.automation import AutomationDesk
from stormpetrel.app.backup.desk import SnapshotDesk
from stormpetrel.app.backup_reports import BackupReportDesk
from stormpetrel.app.bonds import BondDesk
from stormpetrel.app.calendar import CalendarDesk
from stormpetrel.app.config import Config
from stormpetrel.app.desks import Desks
from stormpetrel.app.flight.desk import FlightDesk
from stormpetrel.app.judge import Judge
from stormpetrel.app.live import LiveHub
from stormpetrel.app.notify.desk import NotifyDesk
from stormpetrel.app.people import People
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.quarantine import QuarantineDesk
from stormpetrel.app.selfmon import OwnMetrics
from stormpetrel.app.source_health import SourceHealth
from stormpetrel.app.tail import LogTail
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.watched import WatchedVariables
from stormpetrel.app.writer import StoreWriter
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.decode import Decoder
from stormpetrel.ports.store import TelemetryStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What the use-cases stand on; put together by `app.runtime`."""

    config: Config
    clock: Clock
    store: TelemetryStore
    control: ControlStore
    pipeline: Pipeline
    writer: StoreWriter
    judge: Judge
    tally: SourceTally
    health: SourceHealth
    hub: LiveHub
    log_tail: LogTail
    desk: QuarantineDesk
    calendar: CalendarDesk
    access: People
    decoders: dict[str, Decoder]
    own_metrics: OwnMetrics
    started_unix_nano: int
    desks: Desks
    watched: WatchedVariables
    bonds: BondDesk
    automation: AutomationDesk
    snapshots: SnapshotDesk
    backups: BackupReportDesk
    flights: FlightDesk
    notices: NotifyDesk

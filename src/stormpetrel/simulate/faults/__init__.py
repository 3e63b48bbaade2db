"""Faults on demand: one file a fault; `FAULTS` names them all."""

from stormpetrel.simulate.faults.attack import Attack
from stormpetrel.simulate.faults.certificate_expiry import CertificateExpiry
from stormpetrel.simulate.faults.cpu_hog import CpuHog
from stormpetrel.simulate.faults.dependency_outage import DependencyOutage
from stormpetrel.simulate.faults.deploy_bug import DeployBug
from stormpetrel.simulate.faults.disk_filling import DiskFilling
from stormpetrel.simulate.faults.dns_failure import DnsFailure
from stormpetrel.simulate.faults.fault import Fault, Line
from stormpetrel.simulate.faults.memory_leak import MemoryLeak
from stormpetrel.simulate.faults.network_loss import NetworkLoss
from stormpetrel.simulate.faults.queue_stuck import QueueStuck
from stormpetrel.simulate.faults.rogue_cron import RogueCron
from stormpetrel.simulate.faults.slow_database import SlowDatabase
from stormpetrel.simulate.faults.traffic_surge import TrafficSurge

FAULTS: dict[str, type[Fault]] = {
    kind.name: kind
    for kind in (
        DeployBug,
        SlowDatabase,
        QueueStuck,
        TrafficSurge,
        CpuHog,
        MemoryLeak,
        DiskFilling,
        NetworkLoss,
        Attack,
        CertificateExpiry,
        DependencyOutage,
        DnsFailure,
        RogueCron,
    )
}

__all__ = ["FAULTS", "Fault", "Line"]

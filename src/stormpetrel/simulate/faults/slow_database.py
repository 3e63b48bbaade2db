"""A database that answers late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_ERROR, SEVERITY_WARN
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class SlowDatabase(Fault):
    """The database's disk is slow: queries wait, connections pile up, checkout times out."""

    name: ClassVar[str] = "slow-database"
    sentence: ClassVar[str] = "orders-db answers slowly; checkout waits for it and times out"
    cause: ClassVar[CauseClass] = CauseClass.HARDWARE
    default_host: ClassVar[str] = "db-1"

    @property
    def entity(self) -> str:
        """The database."""
        return "service:orders-db"

    def apply(self, conditions: Conditions) -> None:
        """Each query takes several times as long."""
        conditions.database_slowdown *= 1.0 + 9.0 * self.magnitude * self.level(conditions.ticks, 10.0)

    def lines(self) -> tuple[Line, ...]:
        """Slow queries here, timeouts there."""
        slow = "slow query: {millis} ms, select from orders where customer_id = ?"
        timeout = "query timed out after {millis} ms, order {order}"
        return (
            Line("orders-db", self.target, SEVERITY_WARN, slow, 0.8 * self.magnitude),
            Line("checkout", "web-1", SEVERITY_ERROR, timeout, 0.4 * self.magnitude),
            Line("checkout", "web-2", SEVERITY_ERROR, timeout, 0.4 * self.magnitude),
        )

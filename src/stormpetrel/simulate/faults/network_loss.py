"""A network that drops packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class NetworkLoss(Fault):
    """One host's link loses packets: retransmissions make its answers late, some requests fail."""

    name: ClassVar[str] = "network-loss"
    sentence: ClassVar[str] = "the link of web-2 loses packets"
    cause: ClassVar[CauseClass] = CauseClass.HARDWARE
    default_host: ClassVar[str] = "web-2"

    @property
    def entity(self) -> str:
        """The host."""
        return f"host:{self.target}"

    def apply(self, conditions: Conditions) -> None:
        """A share of packets is lost."""
        conditions.loss_ratio[self.target] += 0.08 * self.magnitude * self.level(conditions.ticks)

    def lines(self) -> tuple[Line, ...]:
        """The link's own complaint."""
        body = "eth0: transmit queue timed out, {count} packets dropped"
        return (Line("", self.target, SEVERITY_WARN, body, 0.15 * self.magnitude),)

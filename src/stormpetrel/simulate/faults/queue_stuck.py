"""A queue that nobody empties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.signal import SEVERITY_ERROR
from stormpetrel.simulate.conditions import Conditions
from stormpetrel.simulate.faults.fault import Fault, Line


@dataclass(frozen=True, slots=True)
class QueueStuck(Fault):
    """The consumers of the mail queue hang: nothing is taken out, the depth grows."""

    name: ClassVar[str] = "queue-stuck"
    sentence: ClassVar[str] = "the consumers of mail-queue hang: mails pile up"
    cause: ClassVar[CauseClass] = CauseClass.CODE
    default_host: ClassVar[str] = "queue-1"

    @property
    def entity(self) -> str:
        """The queue."""
        return "service:mail-queue"

    def apply(self, conditions: Conditions) -> None:
        """Fewer consumers at work; none from magnitude 1 on."""
        conditions.consumers *= 1.0 - np.minimum(self.magnitude, 1.0) * self.level(conditions.ticks)

    def lines(self) -> tuple[Line, ...]:
        """Consumers that no longer answer."""
        body = "consumer {count} missed its heartbeat, lease not renewed"
        return (Line("mail-queue", self.target, SEVERITY_ERROR, body, 0.5 * self.magnitude),)

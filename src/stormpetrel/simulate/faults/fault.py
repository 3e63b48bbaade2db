"""What a fault is: when, how long, how strong, on what, and how it bends the conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.simulate.conditions import Conditions, Ticks
from stormpetrel.simulate.noise import Floats


@dataclass(frozen=True, slots=True)
class Line:
    """A kind of log record that appears `per_second` times a second while something lasts.

    `body` may hold `{order}`, `{millis}`, `{count}`, `{percent}`: filled with varying numbers.
    """

    service: str
    host: str
    severity_number: int
    body: str
    per_second: float


@dataclass(frozen=True, slots=True)
class Fault(ABC):
    """One trouble.

    Attributes:
        start_unix_nano: when it begins.
        duration_seconds: how long it lasts; afterwards the estate is healthy at once.
        magnitude: 1 is clearly visible; 0.2 is subtle, 3 is drastic.
        host: the host it strikes; "" leaves the choice to the fault.
    """

    start_unix_nano: int
    duration_seconds: float = 600.0
    magnitude: float = 1.0
    host: str = ""

    name: ClassVar[str]
    sentence: ClassVar[str]
    cause: ClassVar[CauseClass]
    default_host: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.duration_seconds <= 0 or self.magnitude <= 0:
            raise ValueError(f"{self.name}: duration and magnitude of a fault must be above zero")

    @property
    def end_unix_nano(self) -> int:
        """When it is over."""
        return self.start_unix_nano + from_seconds(self.duration_seconds)

    @property
    def target(self) -> str:
        """The host it strikes."""
        return self.host or self.default_host

    @property
    @abstractmethod
    def entity(self) -> str:
        """The entity at the root of the trouble."""

    @abstractmethod
    def apply(self, conditions: Conditions) -> None:
        """Bend the conditions at the ticks where it is active."""

    def lines(self) -> tuple[Line, ...]:
        """The log records it causes while active."""
        return ()

    def active_seconds(self, ticks: Ticks) -> Floats:
        """Seconds since it began, per tick; 0 before it begins and after it is over."""
        since = ticks.seconds - to_seconds(self.start_unix_nano)
        return np.where((since >= 0) & (since < self.duration_seconds), since, 0.0)

    def level(self, ticks: Ticks, rise_seconds: float = 0.0) -> Floats:
        """How far it is unfolded, 0 to 1 per tick, rising over `rise_seconds`."""
        since = ticks.seconds - to_seconds(self.start_unix_nano)
        active = ((since >= 0) & (since < self.duration_seconds)).astype(np.float64)
        if rise_seconds <= 0:
            return active
        return active * np.clip(since / rise_seconds, 0.0, 1.0)

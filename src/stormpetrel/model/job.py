"""Jobs that a person starts and that run in the background: backtests, flights."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Protocol


class JobState(StrEnum):
    """Queued and running ones can be cancelled; the others are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether there is still something to do."""
        return self in (JobState.QUEUED, JobState.RUNNING)


class Job(Protocol):
    """What every such job says of itself; a frozen data class.

    Attributes:
        progress_ratio: 0 to 1.
        error: why it failed; empty else.
        seconds: how long it took.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def state(self) -> JobState:
        """Where it stands."""
        ...

    @property
    def created_unix_nano(self) -> int:
        """When it was asked for."""
        ...

    @property
    def progress_ratio(self) -> float:
        """How much of it is done."""
        ...

    @property
    def error(self) -> str:
        """Why it failed."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...

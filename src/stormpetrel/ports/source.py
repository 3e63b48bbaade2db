"""The source port: what pulls or reads signals and hands them to the intake."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Protocol

from stormpetrel.model.signal import MetricKind
from stormpetrel.ports.intake import Intake


class SeriesInterner(Protocol):
    """Gives series their ids: what a source of metrics needs of the series registry. Thread-safe."""

    def intern(
        self,
        metric: str,
        labels: Mapping[str, str] | Iterable[tuple[str, str]],
        source: str,
        kind: MetricKind = MetricKind.UNKNOWN,
        unit: str = "",
        entity: str = "",
    ) -> int:
        """The id of a series, new or known; 0xFFFFFFFF when the source may have no more of them."""
        ...


class Positions(Protocol):
    """Remembers small texts between runs, for example how far a file was read. Durable when `put` returns."""

    def get(self, key: str) -> str | None:
        """The text last put under the key, or None."""
        ...

    def put(self, key: str, value: str) -> None:
        """Keep the text under the key."""
        ...


class Source(Protocol):
    """One thing that produces signals in a thread of its own.

    Contract (run by `stormpetrel.testing.check_source`): `run` returns within two seconds after `stop`
    is set; a failure of what is observed is reported by `Intake.rejected` and retried with back-off,
    never raised; positions move only after the intake acknowledged; an `OverloadedError` is waited out
    without losing anything that can be read again.
    """

    name: str

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Produce until `stop` is set."""
        ...

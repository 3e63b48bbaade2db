"""What may be acted on: the configured actuators, and what they list and say just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import structlog

from stormpetrel.act.planning import Owned
from stormpetrel.errors import ActuatorError, NotFoundError, StormPetrelError
from stormpetrel.model.action import Action
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import Actuator, Reading

log = structlog.get_logger(__name__)

_LISTED_SECONDS = 15.0  # what an actuator lists is asked for again after so long


class Inventory:
    """The actuators by name, and the entities that they list. Safe from several threads.

    What an actuator lists is remembered for a quarter of a minute; how a target stands is asked anew each
    time. An actuator that does not answer, or raises whatever else, lists nothing, and what it owned is not
    acted on: one with a defect holds up no other.
    """

    def __init__(self, actuators: Mapping[str, Actuator]) -> None:
        self.actuators = dict(sorted(actuators.items()))
        self._listed: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.Lock()
        self.faults: dict[str, str] = {}

    def entities(self) -> dict[str, tuple[str, ...]]:
        """Every entity that may be acted on, with the names of its actuators."""
        found: dict[str, list[str]] = {}
        for name in self.actuators:
            for entity in self._targets(name):
                found.setdefault(entity, []).append(name)
        return {entity: tuple(names) for entity, names in sorted(found.items())}

    def owned(self, entity: str) -> tuple[Owned, ...]:
        """An entity as its actuators read it; those that cannot be read are left out."""
        found = []
        for name, actuator in self.actuators.items():
            if entity not in self._targets(name):
                continue
            reading = self.read(name, entity)
            if reading is not None:
                found.append(Owned(name, actuator.actions(), reading))
        return tuple(found)

    def actuator(self, name: str) -> Actuator:
        """A configured actuator by name; NotFoundError when there is none."""
        found = self.actuators.get(name)
        if found is None:
            raise NotFoundError(f"the actuator {name[:60]} is not configured (any more)")
        return found

    def listed(self) -> list[tuple[str, str]]:
        """(actuator, entity) of every target."""
        return [(name, entity) for entity, names in self.entities().items() for name in names]

    def live(self, actuator: str, entity: str) -> LiveTarget | None:
        """How a target stands, as one actuator says; None when it does not answer."""
        reading = self.read(actuator, entity)
        return reading.live if reading is not None else None

    def read(self, name: str, entity: str) -> Reading | None:
        """How a target stands, as one actuator says; None when it does not answer."""
        actuator = self.actuators.get(name)
        if actuator is None:
            return None
        try:
            return actuator.read(entity)
        except Exception as error:  # noqa: BLE001 - whatever it raises, how the target stands is not known
            self._fault(name, error)
            return None

    def inverse(self, name: str, action: Action) -> Action | None:
        """What would undo an action, from how things stand now; None when nothing does.

        Raises:
            NotFoundError: there is no such actuator.
            ActuatorError: nobody can say, which is not the same as "nothing".
        """
        try:
            return self.actuator(name).inverse(action)
        except NotFoundError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it raises, nobody can say
            self._fault(name, error)
            raise ActuatorError(
                f"what would undo {action.kind} could not be found out: {self.faults[name]}"
            ) from None

    def known_actions(self) -> tuple[tuple[str, str], ...]:
        """Every (actuator, kind of action) pair."""
        return tuple(
            sorted((name, schema.kind) for name, one in self.actuators.items() for schema in one.actions())
        )

    def close(self) -> None:
        """Close every actuator."""
        for actuator in self.actuators.values():
            actuator.close()

    def _targets(self, name: str) -> frozenset[str]:
        now = time.monotonic()
        with self._lock:
            known = self._listed.get(name)
        if known is not None and now - known[0] < _LISTED_SECONDS:
            return known[1]
        try:
            found = frozenset(self.actuators[name].targets())
            self.faults.pop(name, None)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it lists nothing
            self._fault(name, error)
            found = frozenset()
        with self._lock:
            self._listed[name] = (now, found)
        return found

    def _fault(self, name: str, error: Exception) -> None:
        # What is none of our errors may hold anything, also a secret: it is told by its name alone.
        ours = isinstance(error, StormPetrelError)
        text = str(error)[:300] if ours else f"the actuator failed: {type(error).__name__}"
        if self.faults.get(name) != text:
            log.warning("actuator_does_not_answer", actuator=name, error=text)
        self.faults[name] = text

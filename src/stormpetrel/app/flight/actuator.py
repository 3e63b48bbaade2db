"""The actuator of a flight: offers what the real one offers, acts in a model, and touches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import structlog

from stormpetrel.app.flight.readings import PastReadings
from stormpetrel.errors import NotFoundError, StormPetrelError
from stormpetrel.model.action import Action, Origin, Parameter, Scalar
from stormpetrel.model.facts import Group
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import ActionSchema, Actuator, Order, ParameterSchema, Reading

log = structlog.get_logger(__name__)

MOST_TARGETS = 2_000  # of one actuator that are flown with
_REPLICAS = "replicas"


class PastActuator:
    """Answers from a model. What is asked is done, at once and once for its key; nothing leaves this process.

    How a target is built (its group and zones, its bounds, whether it holds data, who else controls it) is as
    the real system says today; whether it served, and how many there were, is as was stored at the time.
    What an act would have changed of a count stays until the recorded count itself moves.

    Args:
        name: of the real one.
        offered: the real one's actions.
        stood: how each of its targets stands today.
        past: how they stood.
    """

    def __init__(
        self, name: str, offered: tuple[ActionSchema, ...], stood: Mapping[str, Reading], past: PastReadings
    ) -> None:
        self.name = name
        self._offered, self._stood, self._past = offered, dict(stood), past
        self._done: dict[str, ActResult] = {}
        self._acts: Counter[str] = Counter()
        self._asked: dict[str, tuple[int, int | None]] = {}  # the count that was asked for, and the recorded

    def actions(self) -> tuple[ActionSchema, ...]:
        """What the real one offers."""
        return self._offered

    def targets(self) -> tuple[str, ...]:
        """What the real one owns today."""
        return tuple(sorted(self._stood))

    def read(self, entity: str) -> Reading:
        """How a target stood at the flight's time."""
        today = self._stood.get(entity)
        if today is None:
            raise NotFoundError(f"{entity[:100]} is no target of {self.name}")
        count = self._count(entity) if today.live.count is not None else None
        live = replace(
            today.live,
            exists=True,
            generation=f"flown-{self._acts[entity]}",
            healthy=self._past.healthy(self.name, entity),
            symptom_fires=None,
            count=count,
            inputs_known=None if today.live.inputs_known is None else count is not None,
        )
        owners = tuple(one for one in today.owners if not one.owner.startswith("run:"))
        group = self._group(today.group) if today.group is not None else None
        return Reading(live, today.stateful, group, owners)

    def inverse(self, action: Action) -> Action | None:
        """The action that the schema names as the way back, from how things stand in the model."""
        schema = self._schema(action.kind)
        back = self._schema(schema.reversible_by) if schema is not None and schema.reversible_by else None
        if back is None:
            return None
        found = []
        for one in back.parameters:
            value = self._value_back(action, one, same=back.kind == action.kind)
            if value is None and one.required:
                return None
            if value is not None:
                found.append(Parameter(one.name, value, Origin.FACT, validated=True))
        return Action(
            back.kind, back.field, action.targets, tuple(sorted(found, key=lambda one: one.name)), back.effect
        )

    def act(self, order: Order) -> ActResult:
        """Do it in the model."""
        known = self._done.get(order.key)
        if known is not None:
            return known
        strangers = [one.entity for one in order.action.targets if one.entity not in self._stood]
        if strangers or self._schema(order.action.kind) is None:
            return ActResult(ActOutcome.NOT_DONE, f"{order.action.kind} is not offered for {strangers[:1]}")
        wanted = order.action.parameter(_REPLICAS)
        for target in order.action.targets:
            self._acts[target.entity] += 1
            if isinstance(wanted, int) and not isinstance(wanted, bool):
                self._asked[target.entity] = (wanted, self._past.count(self.name, target.entity))
        done = self._done[order.key] = ActResult(ActOutcome.DONE, "done in the flight; nothing was touched")
        return done

    def resolve(self, order: Order) -> ActResult:
        """Whether it was done in the model."""
        return self._done.get(order.key) or ActResult(ActOutcome.NOT_DONE, "it was not ordered in the flight")

    def close(self) -> None:
        """Nothing is held: the real one stays open for whoever owns it."""

    def _schema(self, kind: str) -> ActionSchema | None:
        return next((one for one in self._offered if one.kind == kind), None)

    def _count(self, entity: str) -> int | None:
        recorded = self._past.count(self.name, entity)
        asked = self._asked.get(entity)
        if asked is None:
            return recorded
        if asked[1] != recorded:  # somebody changed it at the time: from then on the record counts
            del self._asked[entity]
            return recorded
        return asked[0]

    def _value_back(self, action: Action, wanted: ParameterSchema, *, same: bool) -> Scalar | None:
        if wanted.name == _REPLICAS:
            return self._count(action.targets[0].entity)
        value = action.parameter(wanted.name)
        return not value if same and isinstance(value, bool) else value

    def _group(self, group: Group) -> Group:
        well = (one for one in group.members if self._past.healthy(self.name, one))
        return replace(group, healthy=tuple(sorted(well)))


def past_actuators(
    real: Mapping[str, Actuator], past: PastReadings
) -> tuple[dict[str, PastActuator], list[str]]:
    """The actuators of a flight, and a sentence for everything of the real ones that cannot be flown with.

    Each real target is read once, which changes nothing.
    """
    found: dict[str, PastActuator] = {}
    missing: list[str] = []
    for name, actuator in sorted(real.items()):
        stood: dict[str, Reading] = {}
        silent: list[str] = []
        try:
            targets = actuator.targets()
        except StormPetrelError as error:
            log.warning("flight_without_actuator", actuator=name, error=str(error)[:300])
            missing.append(f"The actuator {name} does not answer now, so nothing of it was flown.")
            continue
        for entity in targets[:MOST_TARGETS]:
            try:
                stood[entity] = actuator.read(entity)
            except StormPetrelError:
                silent.append(entity)
        found[name] = PastActuator(name, actuator.actions(), stood, past)
        if silent:
            told = ", ".join(sorted(silent)[:5])
            missing.append(f"{name} cannot read {told} now, so no plan of the flight has them as a target.")
        if len(targets) > MOST_TARGETS:
            missing.append(f"{name} owns {len(targets)} targets; the first {MOST_TARGETS} were flown with.")
    return found, missing

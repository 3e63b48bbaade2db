"""Orders: asking an actuator, such that whatever it does or raises is an answer."""

from __future__ import annotations

from collections.abc import Callable

from stormpetrel.act.waves import step_of
from stormpetrel.act.words import action_effect
from stormpetrel.errors import StormPetrelError
from stormpetrel.model.action import Action, EffectClass
from stormpetrel.model.facts import Owner
from stormpetrel.model.run import ActOutcome, ActResult, Run, StepRecord
from stormpetrel.ports.actuate import Actuator, Order

# Longer texts of systems are cut: they go to the ledger and to the page.
MAX_TEXT = 500


def order_of(run: Run, record: StepRecord, token: int) -> Order:
    """What an actuator is told; the same again whenever the record is the same."""
    return Order(record.key, record.action, step_of(run, record).timeout_seconds, token)


def give(act: Callable[[Order], ActResult], order: Order) -> ActResult:
    """Give an order. An actuator that raises may have acted before it did, so the order is in doubt."""
    try:
        return act(order)
    except Exception as error:  # noqa: BLE001 - whatever it raises, what it did before is not known
        return ActResult(ActOutcome.IN_DOUBT, f"{type(error).__name__}: {error}"[:MAX_TEXT])


def capture(actuator: Actuator, action: Action) -> tuple[Action | None, str]:
    """What would undo an action as things stand now, and why the order is not given, "" for no reason."""
    try:
        inverse = actuator.inverse(action)
    except Exception as error:  # noqa: BLE001 - whatever it raises, there is no way back
        return None, f"what would undo it could not be found out: {_said(error)}"
    if inverse is None:
        return None, "it was to be undoable, and as things stand it is not"
    entities = {target.entity for target in action.targets}
    if (
        action_effect(inverse) is EffectClass.DESTRUCTIVE
        or not {one.entity for one in inverse.targets} <= entities
    ):
        return None, "what would undo it is destructive, or would touch more than it does"
    return inverse, ""


def held_by_another(actuator: Actuator, action: Action) -> str:
    """Who else holds a target of an undoing, or that it cannot be found out; "" for nobody.

    Runs are not looked at: the run that undoes holds its targets itself.
    """
    for target in action.targets:
        try:
            owners = actuator.read(target.entity).owners
        except Exception as error:  # noqa: BLE001 - whatever it raises, nobody knows
            return f"who else holds {target.entity} could not be found out: {_said(error)}"
        for owner in owners:
            if not owner.owner.startswith("run:") and _same_field(owner, action):
                return f"{owner.owner} holds {target.entity}"
    return ""


def _said(error: Exception) -> str:
    """Our own errors in their words; others by their name alone, as they may hold anything."""
    return str(error)[:MAX_TEXT] if isinstance(error, StormPetrelError) else type(error).__name__


def _same_field(owner: Owner, action: Action) -> bool:
    """Whether an owner's field is the one that is changed; "" is the whole target."""
    return not owner.field or not action.field or owner.field == action.field

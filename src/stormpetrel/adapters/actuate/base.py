"""What all actuators share: checks, the journal of keys, deadlines, groups, answers that are safe to keep.

An actuator of a new system is a subclass that says how a target stands (`_live`), how one act is done to one
target (`_perform`), and how to tell from the present state whether it was (`_happened`). Everything that
must never be wrong is done here, once.
"""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from stormpetrel.adapters.actuate.checks import action_digest, complaint
from stormpetrel.adapters.actuate.journal import DONE, INTENDED, NOT_DONE, KeyJournal, KeyRecord
from stormpetrel.adapters.actuate.settings import ActuatorSettings, Place
from stormpetrel.errors import ActuatorError, NotFoundError
from stormpetrel.model.action import Action, Origin, Parameter, Scalar, Target
from stormpetrel.model.facts import Group, LiveTarget, Owner
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import ActionSchema, Order, Reading

MAX_TEXT = 400
MAX_EVIDENCE, MAX_EVIDENCE_TEXT = 40, 300
MAX_KEY = 200
T = TypeVar("T")
_ANSWERS: TypeAdapter[ActResult] = TypeAdapter(ActResult)
_BEFORE: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


class NotDoneError(ActuatorError):
    """It is certain that nothing was done; any other error of an act leaves it in doubt."""

    retryable = False


class Deadline:
    """A moment by which a call must have ended."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, never less than a hundredth: time-outs of zero mean "for ever" to some."""
        return max(0.01, self._end - time.monotonic())

    def check(self) -> None:
        """ActuatorError when it has passed."""
        if time.monotonic() >= self._end:
            raise ActuatorError("no answer within the time that was given")


@dataclass(frozen=True, slots=True)
class Effect:
    """What was done to one target. `inverse`: how to undo exactly this, where it is known only now."""

    text: str
    evidence: tuple[tuple[str, str], ...] = ()
    inverse: Action | None = None


class BaseActuator(ABC):
    """The shared part of an actuator; subclasses name `schemas` and give the methods with one underscore.

    Works for systems with a state that can be read: whether an interrupted act happened is told by comparing
    it with the generation from before. Two acts of one key never overlap; a key that may have acted never
    acts again; an order under an older lease than one seen before is refused; a target whose generation is
    another one than the plan saw is not touched. An act that a timeout left in doubt may still have an
    effect later where the system is slow: whoever asks `resolve` waits for the settle time first.

    Args:
        place: name, folder and surroundings.
        settings: the section.
        targets: entities that it may act on.
    """

    schemas: ClassVar[tuple[ActionSchema, ...]] = ()

    def __init__(self, place: Place, settings: ActuatorSettings, targets: Mapping[str, object]) -> None:
        self.name = place.name
        self._settings = settings
        self._entities = frozenset(targets)
        self._place = place
        self._journal = KeyJournal(place.folder)

    # the port -------------------------------------------------------------------------------------
    def actions(self) -> tuple[ActionSchema, ...]:
        """What it offers."""
        return self.schemas

    def targets(self) -> tuple[str, ...]:
        """The entities that its section names, sorted, whether the system knows them just now or not."""
        return tuple(sorted(self._entities))

    def read(self, entity: str) -> Reading:
        """How a target stands.

        Raises:
            NotFoundError: it is not on the list. ActuatorError: the system does not answer.
        """
        if entity not in self._entities:
            raise NotFoundError(
                f"{self.name} has no target of this name; it may act on what its section lists"
            )
        deadline = Deadline(self._settings.timeout_seconds)
        live = self._guarded(lambda: self._live(entity, deadline))
        group = self._guarded(lambda: self._group(entity, live, deadline))
        owners = self._guarded(lambda: self._owners(entity, deadline))
        return Reading(live, self._stateful(entity, live), group, owners)

    def inverse(self, action: Action) -> Action | None:
        """What would undo this action, from how things stand now; None: nothing would, or it is refused."""
        if complaint(action, self.actions(), self._entities, self.name) or self._unfit(action):
            return None
        deadline = Deadline(self._settings.timeout_seconds)
        return self._guarded(lambda: self._inverse(action, deadline))

    def act(self, order: Order) -> ActResult:
        """Do it, once for its key; see `ports.actuate.Actuator`."""
        wrong = self._complaint(order)
        if wrong:
            return self._answer(ActOutcome.NOT_DONE, f"refused: {wrong}")
        deadline = Deadline(order.timeout_seconds)
        try:
            with self._journal.alone(order.key, deadline.left()) as alone:
                if not alone:
                    return self._answer(ActOutcome.IN_DOUBT, "another order with this key is still under way")
                if not self._journal.raise_token(order.token):
                    return self._answer(ActOutcome.NOT_DONE, "refused: ordered under a lease that has ended")
                return self._act_alone(order, deadline)
        except (OSError, sqlite3.Error) as error:
            return self._answer(ActOutcome.IN_DOUBT, f"the journal of keys fails: {type(error).__name__}")

    def resolve(self, order: Order) -> ActResult:
        """Whether it was done; never acts."""
        wrong = self._complaint(order)
        if wrong:
            return self._answer(ActOutcome.NOT_DONE, f"never done, as it is refused: {wrong}")
        deadline = Deadline(order.timeout_seconds)
        try:
            with self._journal.alone(order.key, deadline.left()) as alone:
                if not alone:
                    return self._answer(ActOutcome.IN_DOUBT, "it is still under way")
                self._journal.raise_token(order.token)  # whoever held the lease before is not to act any more
                record = self._journal.look(order.key)
                if record is not None and record.digest != action_digest(order.action):
                    return self._answer(ActOutcome.NOT_DONE, "this key belongs to another action")
                if record is not None and record.state == DONE:
                    return _ANSWERS.validate_json(record.answer)
                return self._resolved(order, record, deadline)
        except (OSError, sqlite3.Error, ValidationError) as error:
            return self._answer(ActOutcome.IN_DOUBT, f"the journal of keys fails: {type(error).__name__}")

    def close(self) -> None:
        """Release connections; a later call opens them again."""
        self._journal.close()

    # what a subclass gives --------------------------------------------------------------------------
    @abstractmethod
    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        """How a target stands; ActuatorError when the system does not answer."""

    @abstractmethod
    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        """Do it to one target. NotDoneError: certainly nothing was done; any other error: in doubt."""

    def _happened(
        self,
        order: Order,  # noqa: ARG002 - what overrides are handed
        target: Target,
        before: str,
        deadline: Deadline,
    ) -> bool | None:
        """Whether it was done to this target, whose generation was `before` ("": not known)."""
        now = self._live(target.entity, deadline).generation
        if now is None or not before:
            return None
        return now != before

    def _unfit(self, action: Action) -> str:  # noqa: ARG002 - what overrides are handed
        """What else is wrong with an action that is as its schema asks; "": nothing. Asks no system."""
        return ""

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:  # noqa: ARG002 - what overrides are handed
        return None

    def _owners(self, entity: str, deadline: Deadline) -> tuple[Owner, ...]:  # noqa: ARG002 - what overrides are handed
        return ()

    def _stateful(self, entity: str, live: LiveTarget) -> bool | None:  # noqa: ARG002 - what overrides are handed
        return self._settings.stateful.get(entity)

    def _group(self, entity: str, live: LiveTarget, deadline: Deadline) -> Group | None:
        """The configured group of an entity, with the health of members that are targets here."""
        for name, group in self._settings.groups.items():
            if entity in group.members:
                healthy = [
                    member
                    for member in group.members
                    if (live if member == entity else self._member(member, deadline)).healthy
                ]
                zones = tuple((zone, tuple(sorted(of))) for zone, of in sorted(group.zones.items()))
                return Group(
                    name,
                    tuple(sorted(group.members)),
                    tuple(sorted(healthy)),
                    group.minimum,
                    group.quorum,
                    zones,
                )
        return None

    # inside -----------------------------------------------------------------------------------------
    def _member(self, entity: str, deadline: Deadline) -> LiveTarget:
        if entity in self._entities:
            return self._live(entity, deadline)
        return LiveTarget(entity, None, None, None, None)  # of another actuator: not known to be healthy

    def _guarded(self, call: Callable[[], T]) -> T:
        """The result of a call; every error becomes an ActuatorError without a secret."""
        try:
            return call()
        except ActuatorError as error:
            kind = NotDoneError if isinstance(error, NotDoneError) else ActuatorError
            raise kind(self._said(str(error), MAX_TEXT)) from None
        except Exception as error:  # noqa: BLE001 - clients raise what they like; the caller is to see one kind
            raise ActuatorError(self._said(f"{type(error).__name__}: {error}", MAX_TEXT)) from None

    def _complaint(self, order: Order) -> str:
        if not 1 <= len(order.key) <= MAX_KEY or not order.key.isprintable():
            return f"the key must have 1 to {MAX_KEY} printable characters"
        wrong = complaint(order.action, self.actions(), self._entities, self.name)
        return wrong or self._unfit(order.action)

    def _act_alone(self, order: Order, deadline: Deadline) -> ActResult:
        digest = action_digest(order.action)
        record = self._journal.look(order.key)
        if record is not None and record.digest != digest:
            return self._answer(ActOutcome.NOT_DONE, "refused: this key belongs to another action")
        if record is not None and record.state == DONE:
            return _ANSWERS.validate_json(record.answer)
        if record is not None and record.state == INTENDED:
            return self._resolved(order, record, deadline)
        try:
            before = self._guarded(lambda: self._before(order.action, deadline))
        except ActuatorError as error:
            return self._answer(ActOutcome.NOT_DONE, f"not begun: {error}")
        self._journal.intend(order.key, digest, _BEFORE.dump_json(before).decode())
        result = self._acted(order, deadline)
        if result.outcome is not ActOutcome.IN_DOUBT:
            self._settle(order.key, result)
        if result.outcome is ActOutcome.DONE:
            self._remember_changes(before, deadline)
        return result

    def _remember_changes(self, before: dict[str, str], deadline: Deadline) -> None:
        """So that a later step of the same plan knows the target again that this one changed."""
        for entity, generation in before.items():
            try:
                after = self._guarded(partial(self._live, entity, deadline)).generation or ""
            except ActuatorError:
                return  # the later step is then refused, and its plan made anew
            if after != generation:
                self._journal.add_change(entity, generation, after)

    def _before(self, action: Action, deadline: Deadline) -> dict[str, str]:
        """The generations of all targets, which must be those that the plan names."""
        found = {}
        for target in action.targets:
            generation = self._live(target.entity, deadline).generation or ""
            named = target.generation
            if named not in ("", generation) and not self._journal.leads(target.entity, named, generation):
                raise NotDoneError(f"{target.entity} is not as it was when the plan was made; plan anew")
            found[target.entity] = generation
        return found

    def _acted(self, order: Order, deadline: Deadline) -> ActResult:
        effects: list[Effect] = []
        for target in order.action.targets:
            try:
                deadline.check() if effects else None
                effects.append(self._perform(order, target, deadline))
            except Exception as error:  # noqa: BLE001 - whatever it is, what it left behind is not known
                certain = isinstance(error, NotDoneError) and not effects
                said = str(error) if isinstance(error, ActuatorError) else f"{type(error).__name__}: {error}"
                done = (
                    f"; {len(effects)} of {len(order.action.targets)} targets were acted on"
                    if effects
                    else ""
                )
                return self._answer(
                    ActOutcome.NOT_DONE if certain else ActOutcome.IN_DOUBT, f"{target.entity}: {said}{done}"
                )
        return self._done(effects)

    def _done(self, effects: list[Effect]) -> ActResult:
        inverses = [one.inverse for one in effects if one.inverse is not None]
        inverse = None
        if (
            inverses
            and len(inverses) == len(effects)
            and len({(i.kind, i.parameters) for i in inverses}) == 1
        ):
            inverse = replace(inverses[0], targets=tuple(t for i in inverses for t in i.targets))
        answer = self._answer(
            ActOutcome.DONE,
            "; ".join(one.text for one in effects),
            [pair for e in effects for pair in e.evidence],
        )
        return replace(answer, inverse=inverse)

    def _resolved(self, order: Order, record: KeyRecord | None, deadline: Deadline) -> ActResult:
        """What the present state says of an order without an answer."""
        before = {one.entity: one.generation for one in order.action.targets}
        if record is not None:
            before = _BEFORE.validate_json(record.before)
        found: list[bool | None] = []
        for target in order.action.targets:
            try:
                found.append(self._happened(order, target, before.get(target.entity, ""), deadline))
            except Exception as error:  # noqa: BLE001 - it does not answer: that is all that is known
                return self._answer(ActOutcome.IN_DOUBT, f"{target.entity}: {type(error).__name__}: {error}")
        if all(one is False for one in found):
            result = self._answer(ActOutcome.NOT_DONE, "all targets stand as they did before")
        elif all(found) and (record is not None or self._fences(order.action.kind)):
            result = self._answer(ActOutcome.DONE, "found done: the targets stand as it leaves them")
        else:
            # Without a record of ours a change is somebody else's as likely as that of another node of ours.
            return self._answer(
                ActOutcome.IN_DOUBT, "targets have changed, and whether by this order is not known"
            )
        if record is not None:
            self._settle(order.key, result)
        return result

    def _fences(self, kind: str) -> bool:
        return any(one.fences for one in self.actions() if one.kind == kind)

    def _settle(self, key: str, result: ActResult) -> None:
        state = DONE if result.outcome is ActOutcome.DONE else NOT_DONE
        self._journal.settle(key, state, _ANSWERS.dump_json(result).decode())

    def _answer(
        self, outcome: ActOutcome, text: str, evidence: list[tuple[str, str]] | None = None
    ) -> ActResult:
        pairs = tuple(
            (self._said(name, 60), self._said(value, MAX_EVIDENCE_TEXT))
            for name, value in (evidence or [])[:MAX_EVIDENCE]
        )
        return ActResult(outcome, self._said(text, MAX_TEXT), None, pairs)

    def _said(self, text: str, most: int) -> str:
        """A text as it may be kept: without secrets, on one line, cut."""
        for secret in self._secrets():
            text = text.replace(secret, "[secret]")
        text = self._place.redact(text[: 20 * most])
        text = "".join(one if one.isprintable() else " " for one in text)
        return text if len(text) <= most else text[: most - 1] + "…"

    def _secrets(self) -> tuple[str, ...]:
        """The secrets that it knows, to be taken out of every answer."""
        return ()


def undoing(action: Action, kind: str, **parameters: Scalar) -> Action:
    """An action on the same targets, as they will stand after it, with parameters worked out here."""
    given = tuple(Parameter(name, parameters[name], Origin.FACT, True) for name in sorted(parameters))
    targets = tuple(replace(one, generation="") for one in action.targets)
    return replace(action, kind=kind, targets=targets, parameters=given)

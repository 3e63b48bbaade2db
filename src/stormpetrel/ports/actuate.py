"""The actuator port: how actions reach a real system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stormpetrel.model.action import Action, EffectClass, Scalar
from stormpetrel.model.facts import Group, LiveTarget, Owner
from stormpetrel.model.run import ActResult


@dataclass(frozen=True, slots=True)
class ParameterSchema:
    """The type of one parameter.

    Attributes:
        kind: "text", "int", "float" or "bool".
        pattern: of the whole text (RE2), for texts; never empty for them.
        least, most: bounds of numbers.
    """

    name: str
    kind: str
    required: bool
    pattern: str = ""
    least: float = 0.0
    most: float = 0.0
    allowed: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionSchema:
    """One kind of action that an actuator offers.

    Attributes:
        kind: e.g. `service.restart`.
        effect: the least it can be; a runbook may declare worse, never milder.
        field: the part of the target that it changes, see `Owner.field`.
        reversible_by: the kind that undoes it, "" for none.
        fences: whether the idempotency key is kept by the system itself, so that it cannot act twice.
    """

    kind: str
    effect: EffectClass
    field: str
    parameters: tuple[ParameterSchema, ...]
    reversible_by: str
    fences: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What an actuator says of one target just now; see `LiveTarget` for the words.

    Attributes:
        stateful: whether it holds data; None: it cannot tell, and configuration does not say.
        group: the group it belongs to, as far as this actuator knows.
        owners: controllers that hold it or a field of it.
    """

    live: LiveTarget
    stateful: bool | None
    group: Group | None
    owners: tuple[Owner, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One act to be done: exactly once for its key.

    Attributes:
        key: idempotency key.
        action: what, on whom.
        timeout_seconds: after which the answer is "in doubt".
        token: the fencing token of the lease under which it is ordered.
    """

    key: str
    action: Action
    timeout_seconds: float
    token: int


class Actuator(Protocol):
    """Performs typed actions on targets that its configuration allows, with a credential of its own.

    Contract (`stormpetrel.testing.check_actuator`): what is not in `targets()` is refused; `read` and
    `inverse` have no effect; `act` with a key that was done before has no further effect and answers the
    same; after a crash or a time-out, `resolve` finds out what is true and never acts; every call ends within
    its time-out; no text of an answer holds a secret; parameters reach the system as arguments and never as
    a shell string. Methods block; they are called from a thread of the run.
    """

    name: str

    def actions(self) -> tuple[ActionSchema, ...]:
        """What it offers; constant."""
        ...

    def targets(self) -> tuple[str, ...]:
        """The entities it may act on, sorted: what its configuration allows and the system knows."""
        ...

    def read(self, entity: str) -> Reading:
        """How a target stands. StormPetrelError of kind ActuatorError when the system does not answer."""
        ...

    def inverse(self, action: Action) -> Action | None:
        """What would undo this action, from how things stand now; None when nothing does."""
        ...

    def act(self, order: Order) -> ActResult:
        """Do it, once."""
        ...

    def resolve(self, order: Order) -> ActResult:
        """Whether it was done; asked after a crash or a time-out."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...

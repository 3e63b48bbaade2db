"""The contract of a `ports.actuate.Actuator`, as a suite that any actuator can be put through.

It needs the real system, or one that speaks its protocol, and a way to count what happened there: an
actuator's own word is not taken for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from stormpetrel.errors import NotFoundError
from stormpetrel.model.action import Action, EffectClass, Origin, Parameter
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import ActionSchema, Actuator, Order, ParameterSchema
from stormpetrel.testing.require import equal, refused, require

HOSTILE_TEXTS = (
    "a b", "a;reboot", "$(reboot)", "`reboot`", "a\nreboot", "a\r\nX-Evil: 1", "--help", "-rf", "a\x00b",
    "x" * 10_000, "", "../../etc/passwd", "'; DROP TABLE users; --", "{{ 7 * 7 }}", "%s%n",
    "\u202etxt", "\ud800",
)  # fmt: skip
MAX_ANSWER_TEXT, MAX_ANSWER_PAIRS = 1000, 100
SLACK_SECONDS = 5.0  # how much longer than its time-out a call may take on a busy machine


@dataclass(frozen=True)
class ActuatorCase:
    """One kind of action of an actuator, on a system that is there.

    Attributes:
        make: a new actuator over the same system that keeps its journal in this folder.
        folder: an empty one.
        action: an action that can be done now, with targets as they stand now.
        effects: how often the system was acted on, as the system itself tells.
        hang: while entered, the system takes orders, whether it carries them out or not, and does not answer
            in time; None where it cannot be made to.
        hang_seconds: time-out of the act meanwhile: long enough for the order to reach the system.
        hang_outcome: of an act meanwhile: "not done" where already the reading before the act hangs.
        secrets: texts that must never be seen.
        reads: whether the action only looks: then nothing is ever counted.
        undoes: whether the inverse is expected to be given and to work.
        safe_texts: hostile texts that this system takes as they are, as one argument, by intention.
        timeout_seconds: enough for one act.
    """

    make: Callable[[Path], Actuator]
    folder: Path
    action: Callable[[], Action]
    effects: Callable[[], int]
    hang: Callable[[], AbstractContextManager[None]] | None = None
    hang_outcome: ActOutcome = ActOutcome.IN_DOUBT
    hang_seconds: float = 0.5
    secrets: tuple[str, ...] = ()
    undoes: bool = False
    reads: bool = False
    safe_texts: frozenset[str] = frozenset()
    timeout_seconds: float = 20.0


def check_actuator(case: ActuatorCase) -> None:
    """Put an actuator through its contract; AssertionError says what it broke.

    It acts a handful of times. Order matters: what looks comes first, what leaves the system strange last.
    """
    with _watched_logs(case.secrets):
        suite = _Suite(case)
        suite.check_schemas()
        suite.check_looking()
        suite.check_refusals()
        suite.check_hostile_texts()
        suite.check_once()
        suite.check_two_at_once()
        suite.check_other_leases()
        if case.undoes:
            suite.check_undo()
        if case.hang is not None:
            suite.check_timeout(case.hang)
        suite.check_close()


class _Suite:
    def __init__(self, case: ActuatorCase) -> None:
        self.case = case
        self.actuator = case.make(case.folder)
        self._numbers = count(1)
        self._token = 10
        self.step = 0 if case.reads else 1

    def order(self, action: Action, key: str = "", timeout_seconds: float = 0.0) -> Order:
        seconds = timeout_seconds or self.case.timeout_seconds
        return Order(key or f"check/{next(self._numbers)}", action, seconds, self._token)

    def schema(self, action: Action) -> ActionSchema:
        return next(one for one in self.actuator.actions() if one.kind == action.kind)

    def check_schemas(self) -> None:
        """Actions and targets are whole, unique and constant."""
        schemas = self.actuator.actions()
        equal(self.actuator.actions(), schemas)
        kinds = [one.kind for one in schemas]
        require(kinds and len(set(kinds)) == len(kinds), f"kinds are missing or doubled: {kinds}")
        for schema in schemas:
            known = {"", *kinds}
            require(
                schema.reversible_by in known, f"{schema.kind} is undone by {schema.reversible_by}: unknown"
            )
            if schema.effect is EffectClass.REVERSIBLE:
                require(schema.reversible_by, f"{schema.kind} is called reversible and names no way back")
            for parameter in schema.parameters:
                require(parameter.kind in ("text", "int", "float", "bool"), f"{parameter}: unknown kind")
                require(
                    parameter.kind != "text" or parameter.pattern, f"{parameter}: a text without a pattern"
                )
                bounded = parameter.kind not in ("int", "float") or parameter.least < parameter.most
                require(bounded, f"{parameter}: a number without bounds")
        targets = self.actuator.targets()
        require(targets, "it has no targets")
        equal(list(targets), sorted(set(targets)))

    def check_looking(self) -> None:
        """`read`, `inverse` and `resolve` have no effect; what is not listed is not read."""
        action = self.case.action()
        before = self.case.effects()
        for target in action.targets:
            reading = self.actuator.read(target.entity)
            equal(reading.live.entity, target.entity)
            require(reading.live.exists is True, f"{target.entity} is said not to exist")
            generation = reading.live.generation
            require(generation and len(generation) <= 300, f"{target.entity}: generation {generation!r}")
            equal(self.actuator.read(target.entity).live.generation, generation)
        self.actuator.inverse(action)
        equal(self.actuator.resolve(self.order(action)).outcome, ActOutcome.NOT_DONE)
        for entity in ("service:not-listed", "", *HOSTILE_TEXTS):
            refused(lambda entity=entity: self.actuator.read(entity), NotFoundError)  # type: ignore[misc]  # bound now
        equal(self.case.effects(), before)

    def check_refusals(self) -> None:
        """Whatever is not exactly as the schema asks is refused before anything happens."""
        action = self.case.action()
        target = action.targets[0]
        unlisted = [replace(target, entity=text) for text in ("service:not-listed", *HOSTILE_TEXTS)]
        wrong = [replace(action, targets=(one,)) for one in unlisted]
        wrong += [
            replace(action, kind="no.such_action"),
            replace(action, targets=()),
            replace(action, targets=(target, target)),
            replace(action, targets=(replace(target, actuator="another"),)),
            replace(action, targets=(replace(target, generation="another generation"),)),
            replace(action, field="no_such_field"),
            replace(action, parameters=(*action.parameters, _parameter("no_such_parameter", 1))),
        ]
        schema = self.schema(action)
        if schema.effect > EffectClass.READ:
            wrong.append(replace(action, effect=EffectClass(schema.effect - 1)))
        for parameter in action.parameters:
            others = tuple(one for one in action.parameters if one.name != parameter.name)
            wrong.append(replace(action, parameters=(*others, replace(parameter, validated=False))))
            wrong.append(replace(action, parameters=(parameter, *action.parameters)))
            of = next(one for one in schema.parameters if one.name == parameter.name)
            wrong += [
                replace(action, parameters=(*others, replace(parameter, value=v))) for v in _outside(of)
            ]
            if of.required:
                wrong.append(replace(action, parameters=others))
        self._all_refused(wrong)
        for key in ("", "k" * 10_000, "a\nb"):
            self._all_refused([action], key)

    def check_hostile_texts(self) -> None:
        """Texts that would mean something to a shell, a protocol or an option parser are refused."""
        action = self.case.action()
        schema = self.schema(action)
        for parameter in (one for one in schema.parameters if one.kind == "text"):
            others = tuple(one for one in action.parameters if one.name != parameter.name)
            hostile = [text for text in HOSTILE_TEXTS if text not in self.case.safe_texts]
            self._all_refused(
                [replace(action, parameters=(*others, _parameter(parameter.name, one))) for one in hostile]
            )

    def _all_refused(self, actions: list[Action], key: str | None = None) -> None:
        before = self.case.effects()
        for action in actions:
            order = self.order(action)
            result = self.actuator.act(order if key is None else replace(order, key=key))
            require(result.outcome is ActOutcome.NOT_DONE, f"{str(action)[:600]} was answered {result}")
            self._bounded(result)
        equal(self.case.effects(), before)

    def check_once(self) -> None:
        """One effect for a key: asked again, by a new object, and for another action."""
        action = self.case.action()
        before = self.case.effects()
        order = self.order(action, "once")
        first = self.actuator.act(order)
        equal((first.outcome, self.case.effects()), (ActOutcome.DONE, before + self.step))
        self._bounded(first)
        equal(self.actuator.act(order), first)
        equal(self.actuator.resolve(order), first)
        self.actuator.close()
        self.actuator = self.case.make(self.case.folder)
        equal(self.actuator.act(order), first)
        equal(self.actuator.resolve(order), first)
        other = replace(action, targets=tuple(replace(one, group="another") for one in action.targets))
        equal(self.actuator.act(replace(order, action=other)).outcome, ActOutcome.NOT_DONE)
        equal(self.case.effects(), before + self.step)
        for target in action.targets:
            require(
                self.actuator.read(target.entity).live.exists is not None, "it cannot be read after the act"
            )

    def check_two_at_once(self) -> None:
        """Two objects over one journal that are given the same order at once act once."""
        action = self.case.action()
        order = self.order(action)
        before = self.case.effects()
        other = self.case.make(self.case.folder)
        results: list[ActResult] = []
        threads = [
            threading.Thread(target=lambda one=one: results.append(one.act(order)))  # bound now
            for one in (self.actuator, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        other.close()
        require(any(one.outcome is ActOutcome.DONE for one in results), f"nobody did it: {results}")
        equal(self.case.effects(), before + self.step)

    def check_other_leases(self) -> None:
        """An order under an older lease than one seen before is refused."""
        self._token += 1
        self.actuator.resolve(self.order(self.case.action()))
        before = self.case.effects()
        old = replace(self.order(self.case.action()), token=self._token - 1)
        equal((self.actuator.act(old).outcome, self.case.effects()), (ActOutcome.NOT_DONE, before))

    def check_undo(self) -> None:
        """The inverse, taken before the act, is itself an action that is done, and puts things back."""
        action = self.case.action()
        planned = self.actuator.inverse(action)
        standing = [self.actuator.read(one.entity).live for one in action.targets]
        result = self.actuator.act(self.order(action))
        equal(result.outcome, ActOutcome.DONE)
        inverse = result.inverse or planned
        if inverse is None:
            raise AssertionError(f"{action.kind}: nothing undoes it")
        equal(self.actuator.act(self.order(inverse)).outcome, ActOutcome.DONE)
        after = [self.actuator.read(one.entity).live for one in action.targets]
        equal([(one.count, one.healthy) for one in after], [(one.count, one.healthy) for one in standing])

    def check_timeout(self, hang: Callable[[], AbstractContextManager[None]]) -> None:
        """No answer in time is "in doubt", in time; from then on asking has no effect."""
        action = self.case.action()
        order = self.order(action, timeout_seconds=self.case.hang_seconds)
        with hang():
            began = time.monotonic()
            result = self.actuator.act(order)
            equal(result.outcome, self.case.hang_outcome)
            self._bounded(self.actuator.resolve(order))
            require(
                time.monotonic() - began < 2 * order.timeout_seconds + SLACK_SECONDS,
                "a call took longer than its time-out",
            )
        self._bounded(result)
        before = self.case.effects()
        late = replace(order, timeout_seconds=self.case.timeout_seconds)
        found = self.actuator.resolve(late)
        # What is in doubt may become certain in the meantime, and never the other way.
        later = {found.outcome} if found.outcome is not ActOutcome.IN_DOUBT else set(ActOutcome)
        require(self.actuator.resolve(late).outcome in later, "asked twice, it says two things")
        equal(self.case.effects(), before)
        if found.outcome is not ActOutcome.NOT_DONE:
            require(self.actuator.act(late).outcome in later, "ordered again, it says another thing")
            equal(self.case.effects(), before)

    def check_close(self) -> None:
        """`close` can be called twice."""
        self.actuator.close()
        self.actuator.close()

    def _bounded(self, result: ActResult) -> None:
        texts = [result.text, *(part for pair in result.evidence for part in pair)]
        require(len(result.evidence) <= MAX_ANSWER_PAIRS, "an answer has too much evidence")
        for text in texts:
            require(
                len(text) <= MAX_ANSWER_TEXT and text.isprintable(),
                f"an answer is not bounded: {text[:200]!r}",
            )
            require(not any(secret in text for secret in self.case.secrets), "an answer holds a secret")
        require(result.text, "an answer says nothing")


def _parameter(name: str, value: str | float) -> Parameter:
    return Parameter(name, value, Origin.RUNBOOK, True)


def _outside(schema: ParameterSchema) -> list[str | float | bool]:
    """Values of the wrong kind or out of bounds."""
    if schema.kind == "text":
        return [1, True, "\x07"]
    if schema.kind == "bool":
        return [1, "true"]
    return [schema.least - 1, schema.most + 1, float("nan"), float("inf"), True, "1"]


@contextmanager
def _watched_logs(secrets: tuple[str, ...]) -> Iterator[None]:
    """No record of any logger holds a secret."""
    lines: list[str] = []
    keeper = logging.Handler(logging.DEBUG)
    keeper.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # one method only
    root = logging.getLogger()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(keeper)
    require(not any(secret in line for line in lines for secret in secrets), "a log record holds a secret")

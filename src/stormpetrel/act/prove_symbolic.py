"""Runs ordinary Python on numbers that are not known, along every path, with z3.

Nothing is modelled a second time: the guardrails themselves are called with `Amount`s. Where they ask whether
one is at most another, both answers that are possible under the answers so far are followed, each in a run of
its own. It works for code that compares, adds and subtracts; a path is a conjunction of linear inequalities
over the reals (no NaN, no infinities, no rounding). Fails (TypeError) where the code does anything else with
a number, and (ValueError) beyond `MOST_PATHS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

from stormpetrel.errors import ConfigError

T = TypeVar("T")
MOST_PATHS = 5000


def solver() -> Any:
    """The module of z3.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import z3  # noqa: PLC0415 an extra that only proofs need
    except ImportError as error:
        raise ConfigError(
            "proving a policy needs z3: install it with `pip install 'stormpetrel[prove]'`"
        ) from error
    return z3


class Truth:
    """A comparison of unknown numbers; asking for its truth splits the path."""

    def __init__(self, search: Search, formula: Any) -> None:
        self._search, self.formula = search, formula

    def __bool__(self) -> bool:
        return self._search.decide(self.formula)


class Amount:
    """A number that is not known."""

    __slots__ = ("_search", "term")
    __hash__ = None  # type: ignore[assignment]  # nothing unknown is looked up

    def __init__(self, search: Search, term: Any) -> None:
        self._search, self.term = search, term

    def _of(self, other: object) -> Any:
        if isinstance(other, Amount):
            return other.term
        if isinstance(other, int | float):
            return solver().RealVal(str(Fraction(other)))
        raise TypeError(f"an unknown number meets {type(other).__name__}")

    def __add__(self, other: object) -> Amount:
        return Amount(self._search, self.term + self._of(other))

    __radd__ = __add__

    def __sub__(self, other: object) -> Amount:
        return Amount(self._search, self.term - self._of(other))

    def __rsub__(self, other: object) -> Amount:
        return Amount(self._search, self._of(other) - self.term)

    def __le__(self, other: object) -> Truth:
        return Truth(self._search, self.term <= self._of(other))

    def __lt__(self, other: object) -> Truth:
        return Truth(self._search, self.term < self._of(other))

    def __ge__(self, other: object) -> Truth:
        return Truth(self._search, self.term >= self._of(other))

    def __gt__(self, other: object) -> Truth:
        return Truth(self._search, self.term > self._of(other))

    def __eq__(self, other: object) -> Truth:  # type: ignore[override]  # the answer is not known either
        return Truth(self._search, self.term == self._of(other))

    def __ne__(self, other: object) -> Truth:  # type: ignore[override]  # the answer is not known either
        return Truth(self._search, self.term != self._of(other))

    def __format__(self, spec: str) -> str:
        return "?"

    def __repr__(self) -> str:
        return "?"


@dataclass(frozen=True, slots=True)
class Path(Generic[T]):
    """One way through the code: under which conditions, and what it answers."""

    conditions: tuple[Any, ...]
    answer: T


class Search:
    """Follows every path of a function of unknown numbers.

    Args:
        most_paths: beyond these it gives up.
    """

    def __init__(self, most_paths: int = MOST_PATHS) -> None:
        self._z3 = solver()
        self._most_paths = most_paths
        self._assumed: list[Any] = []
        self._script: list[bool] = []
        self._forced: list[bool] = []
        self._conditions: list[Any] = []

    def number(self, name: str) -> Any:
        """An unknown number of this name: an `Amount`, which stands where a number is wanted."""
        return Amount(self, self._z3.Real(name))

    def assume(self, *formulas: Any) -> None:
        """From now on these hold."""
        self._assumed += formulas

    def paths(self, call: Callable[[], T]) -> list[Path[T]]:
        """Every path that is possible; together they cover everything that is assumed possible."""
        found: list[Path[T]] = []
        script: list[bool] | None = []
        while script is not None:
            if len(found) >= self._most_paths:
                raise ValueError(f"more than {self._most_paths} paths; what is proved branches too much")
            self._script, self._conditions, self._forced = list(script), [], []
            answer = call()
            found.append(Path(tuple(self._conditions), answer))
            script = self._next()
        return found

    def _next(self) -> list[bool] | None:
        """The decisions of the next path: the last free one that said yes says no."""
        taken = list(zip(self._script, self._forced, strict=True))
        while taken:
            answer, forced = taken.pop()
            if answer and not forced:
                return [one for one, _ in taken] + [False]
        return None

    def decide(self, formula: Any) -> bool:
        """The answer on this path."""
        place = len(self._conditions)
        possible = self._possible(formula)
        other = self._possible(self._z3.Not(formula))
        if place < len(self._script):
            answer = self._script[place]
        else:
            answer = possible
            self._script.append(answer)
        self._forced.append(not (possible and other))
        self._conditions.append(formula if answer else self._z3.Not(formula))
        return answer

    def _possible(self, formula: Any) -> bool:
        return self.example([*self._conditions, formula]) is not None

    def example(self, formulas: Sequence[Any]) -> Any | None:
        """A model of these formulas together with what is assumed; None when there is none.

        Raises:
            ValueError: z3 cannot tell, which for linear formulas does not happen.
        """
        check = self._z3.Solver()
        check.add(*self._assumed, *formulas)
        answer = check.check()
        if answer == self._z3.unknown:
            raise ValueError(f"z3 cannot tell: {check.reason_unknown()}")
        return check.model() if answer == self._z3.sat else None


def value(model: Any, amount: Any) -> float:
    """What a number, unknown or not, is in a model."""
    if not isinstance(amount, Amount):
        return float(amount)
    found = model.eval(amount.term, model_completion=True)
    return float(Fraction(found.numerator_as_long(), found.denominator_as_long()))

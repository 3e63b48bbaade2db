"""What the contract suites say when a clause does not hold; works under `python -O` too."""

from __future__ import annotations

from collections.abc import Callable


def require(holds: object, sentence: str) -> None:
    """Raise AssertionError with the sentence unless it holds."""
    if not holds:
        raise AssertionError(sentence)


def equal(found: object, wanted: object) -> None:
    """Raise AssertionError that shows both, cut to what one can read, unless they are equal."""
    if found != wanted:
        raise AssertionError(f"found {str(found)[:2000]}, wanted {str(wanted)[:2000]}")


def refused(call: Callable[[], object], error: type[Exception]) -> None:
    """Raise AssertionError unless the call raises this error."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")

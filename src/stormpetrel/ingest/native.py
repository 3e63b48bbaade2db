"""Compiling decoder kernels to machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from numba import njit

# A number inside a kernel, whose width the compiler infers.
Number: TypeAlias = Any

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code that runs without the interpreter lock, cached on disk."""
    return cast(F, njit(cache=True, nogil=True)(function))

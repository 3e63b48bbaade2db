"""The user's patterns as RE2 expressions, checked before anything runs with them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2


@lru_cache(maxsize=256)
def compiled(name: str, regex: str) -> Any:
    """The expression of the pattern `name` over the bytes of UTF-8.

    RE2 takes time in proportion to the text, whatever the expression and the text are; what it cannot do in
    linear time (looking around, going back to groups) it refuses.

    Raises:
        ValueError: it is no RE2 expression, is too large, or matches the empty text or its own replacement.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile(regex.encode("utf-8"), options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(
            f"is no RE2 expression: {text}; see https://github.com/google/re2/wiki/Syntax"
        ) from None
    if expression.search(b"") is not None:
        raise ValueError("matches the empty text, so that it would match everywhere; ask for one character")
    if expression.search(f"[{name}]".encode()) is not None:
        raise ValueError(f"matches [{name}], which takes its place, and would match for ever; ask for more")
    return expression

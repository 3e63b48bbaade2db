"""Values in the JSON of webhooks, of which nothing is promised, as bounded texts."""

from __future__ import annotations

from typing import Any

import orjson

from stormpetrel.errors import DecodeError

MAX_NAMES = 128
NAME_LETTERS = 256
TEXT_LETTERS = 4_096

_SHOWN = 60


class RowRefusedError(DecodeError):
    """One record of a request cannot be taken; `reason` comes from a small fixed set of each decoder."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def shown(value: Any) -> str:
    """A value for a message to people: short.

    >>> shown("a"), shown([1, {"b": None}])
    ("'a'", '[1,{"b":null}]')
    """
    if isinstance(value, str):
        return repr(value[:_SHOWN])[:_SHOWN]
    return text_of(value, _SHOWN) or type(value).__name__


def dig(tree: Any, *names: str) -> Any:
    """What stands under these names, one within the other; None where there is nothing.

    >>> dig({"a": {"b": 1}}, "a", "b"), dig({"a": []}, "a", "b")
    (1, None)
    """
    for name in names:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(name)
    return tree


def text_of(value: Any, letters: int = TEXT_LETTERS) -> str:
    """A value as text of at most so many letters; nothing is "", what is no text is JSON.

    >>> text_of("abc", 2), text_of(None), text_of(7), text_of({"a": [True]})
    ('ab', '', '7', '{"a":[true]}')
    """
    if isinstance(value, str):
        return value[:letters]
    if value is None:
        return ""
    try:
        return orjson.dumps(value).decode()[:letters]
    except TypeError:  # nested deeper than orjson writes
        return ""


def text_at(tree: Any, *names: str, letters: int = TEXT_LETTERS) -> str:
    """`text_of` what stands under these names."""
    return text_of(dig(tree, *names), letters)


def texts_of(value: Any, what: str) -> dict[str, str]:
    """A JSON object as short texts by short names; nothing is no texts.

    Raises:
        RowRefusedError: no object, or one of more than `MAX_NAMES` names.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RowRefusedError("not_an_object", f"{what} must be an object, not {shown(value)}")
    if len(value) > MAX_NAMES:
        raise RowRefusedError(
            "too_many_names", f"{what} has {len(value)} names, at most {MAX_NAMES} are taken"
        )
    return {name[:NAME_LETTERS]: text_of(one) for name, one in value.items()}


def filled(texts: dict[str, str]) -> str:
    """Texts as a JSON object, without the empty ones."""
    return orjson.dumps({name: text for name, text in texts.items() if text}).decode()

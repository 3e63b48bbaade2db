"""The configuration tree as TOML text: the defaults with their descriptions, or the effective values."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stormpetrel.app.config import Config

# Everything up to the last @: a password may hold @ and /. What this hides too much is no harm.
_CREDENTIALS = re.compile(r"(?<=://)\S*(?=@)|(?<=[?&]password=)[^&\s]*", re.IGNORECASE)
REDACTED = "***"


def commented_defaults() -> str:
    """Every key with its description and default, commented out, so that the file changes nothing."""
    lines = ["# Storm Petrel: every key with its default. Remove the # of what you want to change."]
    _describe(Config(), (), lines)
    return "\n".join(lines) + "\n"


def effective(config: Config) -> str:
    """The values in force as TOML; passwords in URLs are redacted.

    The result is a valid configuration file, except for what was redacted.
    """
    lines: list[str] = []
    _plain(config, (), lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def redact(text: str) -> str:
    """A text without the user and password of any URL in it.

    >>> redact("https://user:secret@db:8443/petrel")
    'https://***@db:8443/petrel'
    """
    return _CREDENTIALS.sub(REDACTED, text)


def _describe(section: BaseModel, place: tuple[str, ...], lines: list[str]) -> None:
    fields = type(section).model_fields
    for name, field in fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            continue
        if field.description:
            lines.append(f"# {field.description}{_bounds(field)}")
        lines.append(f"# {name} = {toml_value(value)}")
    for name in fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            inner = (*place, name)
            text = (type(value).__doc__ or "").strip().splitlines()
            lines.extend(["", f"# {text[0]}" if text else "#", f"[{'.'.join(inner)}]"])
            _describe(value, inner, lines)


def _bounds(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [
        f"{word} {getattr(rule, key)}"
        for rule in field.metadata
        for key, word in words.items()
        if getattr(rule, key, None) is not None
    ]
    return f" ({', '.join(found)})" if found else ""


def _plain(section: BaseModel, place: tuple[str, ...], lines: list[str]) -> None:
    fields = type(section).model_fields
    simple = [name for name in fields if not isinstance(getattr(section, name), BaseModel)]
    tables = [name for name in simple if _is_tables(getattr(section, name))]
    if place and simple:
        lines.extend(["", f"[{'.'.join(place)}]"])
    lines.extend(f"{name} = {toml_value(getattr(section, name))}" for name in simple if name not in tables)
    for name in tables:
        for row in getattr(section, name):
            lines.extend(["", f"[[{'.'.join((*place, name))}]]"])
            lines.extend(f"{key} = {toml_value(getattr(row, key))}" for key in type(row).model_fields)
    for name in fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            _plain(value, (*place, name), lines)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], BaseModel)


def toml_value(value: object) -> str:
    """One value as TOML.

    >>> toml_value(["a", 1, True, {"b": 0.5}])
    '["a", 1, true, { "b" = 0.5 }]'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(part) for part in value) + "]"
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        said = [(key, part) for key, part in value.items() if part is not None]  # TOML has no null
        inner = ", ".join(f"{_text(str(key))} = {toml_value(part)}" for key, part in said)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, str | Path):
        return _text(redact(str(value)))
    raise TypeError(f"no TOML form for {type(value).__name__}")


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

"""Named sections whose keys depend on their `type`, as the module of that type declares them."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stormpetrel.app.registry import load_one, names
from stormpetrel.errors import ConfigError

NAME = r"^[a-z][a-z0-9_-]{0,39}$"
_SECRETS = ("url", "secret")
_KEPT = '{file = "PATH"} or {env = "VARIABLE"}'

S = TypeVar("S", bound=BaseModel)


def typed_section(section: Any, group: str, kind: type[S]) -> S:
    """A section as its type's own settings.

    Args:
        section: as it stands in the file, or settings already.
        group: the entry points that `type` names one of.
        kind: what all settings of the group are.

    Raises:
        ValueError: it has no known type, or a key is wrong; quotes no value, for it may be a secret.
    """
    if isinstance(section, kind):
        return section
    if not isinstance(section, dict) or not isinstance(section.get("type"), str):
        raise ValueError(f"needs a type; one of {', '.join(names(group))}")
    try:
        made = load_one(group, section["type"])
    except ConfigError as error:
        raise ValueError(str(error)) from None
    for key in _SECRETS:
        declared = made.Settings.model_fields.get(key)
        if isinstance(section.get(key), str) and declared is not None and declared.annotation is not str:
            raise ValueError(f"{key}: it is a secret, and is not written here: {key} = {_KEPT}")
    try:
        found: S = made.Settings.model_validate(section)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc'])) or 'section'}: {one['msg']}" for one in error.errors()]
        raise ValueError("; ".join(lines[:10])) from None
    return found


def named_well(sections: dict[str, S]) -> dict[str, S]:
    """The sections, when each has a name fit for labels and entry in texts.

    Raises:
        ValueError: one has not.
    """
    wrong = [name for name in sections if not re.fullmatch(NAME, name)]
    if wrong:
        raise ValueError(f"{wrong[0][:80]!r}: a name has lower-case letters, digits, _ and -, 40 at most")
    return sections

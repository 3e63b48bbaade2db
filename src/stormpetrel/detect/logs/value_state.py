"""What `rare_value` remembers, on its way into plain arrays and back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.logs.value_model import FollowedPattern, KnownValue, ValueModel
from stormpetrel.ports.algorithms import Snapshot

STATE_VERSION = 1
_OF_PATTERN = ("since", "heard", "window", "records", "looks")
_OF_VARIABLE = ("begun", "looked", "newest", "windows")
_OF_VALUE = ("born", "last", "times")
Patterns = OrderedDict[int, FollowedPattern]


def pack(patterns: Patterns) -> tuple[dict[str, NDArray[np.generic]], dict[str, Any]]:
    """The patterns, least recently heard first: numbers as arrays, names and values as JSON.

    Arrays by pattern (`since`, `heard`, `window`, `records`, `looks`), by followed variable (`begun`,
    `looked`, `newest`, `windows`) and by value (`born`, `last`, `times`), each in the order of the notes.
    """
    followed = [one for each in patterns.values() for one in each.variables.values() if one is not None]
    known = [value for one in followed for value in one.values.values()]
    rows = {
        _OF_PATTERN: [
            (one.since_unix_nano, one.heard_unix_nano, one.window, one.records, one.looks)
            for one in patterns.values()
        ],
        _OF_VARIABLE: [(one.begun_unix_nano, one.looks, one.window, one.windows) for one in followed],
        _OF_VALUE: [(one.born, one.newest, one.windows) for one in known],
    }
    arrays: dict[str, NDArray[np.generic]] = {"version": np.array([STATE_VERSION], np.int64)}
    for names, numbers in rows.items():
        columns = np.array(numbers, np.int64).reshape(-1, len(names))
        arrays.update({name: columns[:, k].copy() for k, name in enumerate(names)})
    notes = [
        [f"{key:x}", each.source, [[name, _texts(one)] for name, one in each.variables.items()]]
        for key, each in patterns.items()
    ]
    return arrays, {"patterns": notes}


def _texts(one: ValueModel | None) -> list[str] | None:
    return None if one is None else list(one.values)


def unpack(arrays: Snapshot, notes: Mapping[str, Any]) -> Patterns:
    """The patterns as they were.

    Raises:
        ValueError: another version, or arrays that do not fit the names.
    """
    version = int(arrays["version"][0]) if "version" in arrays else None
    if version != STATE_VERSION:
        raise ValueError(f"rare_value state has version {version}, this program reads {STATE_VERSION}")
    of_pattern = zip(*(arrays[name].tolist() for name in _OF_PATTERN), strict=True)
    of_variable = zip(*(arrays[name].tolist() for name in _OF_VARIABLE), strict=True)
    of_value = zip(*(arrays[name].tolist() for name in _OF_VALUE), strict=True)
    patterns: Patterns = OrderedDict()
    try:
        for key, source, variables in notes["patterns"]:
            since, heard, *rest = next(of_pattern)
            each = FollowedPattern(str(source), since, heard, {}, *rest)
            for name, texts in variables:
                one = each.variables[str(name)] = None if texts is None else ValueModel(0)
                if one is not None:
                    one.begun_unix_nano, one.looks, one.window, one.windows = next(of_variable)
                    one.values = {str(text): KnownValue(*next(of_value)) for text in texts}
            patterns[int(key, 16)] = each
    except StopIteration:
        raise ValueError("the state of rare_value holds more names than numbers") from None
    return patterns

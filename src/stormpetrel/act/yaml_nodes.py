"""A reader of YAML that knows the line of every value, so that errors can name it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Set
from typing import NoReturn, TypeVar

import yaml

from stormpetrel.errors import ConfigError
from stormpetrel.model.action import Scalar

MOST_BYTES = 64 * 1024
_MOST_DEPTH, _MOST_NODES = 12, 5000
_SECONDS = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
T = TypeVar("T")


class Value:
    """One value of a YAML file, with its place.

    Args:
        node: as PyYAML composed it; never constructed, so no tag can make an object.
        source: name of the file, for messages.
        path: where it stands, e.g. `steps[0].do`.
    """

    def __init__(self, node: yaml.Node, source: str, path: str) -> None:
        self._node, self._source, self.path = node, source, path

    @property
    def line(self) -> int:
        """Its line, 1 for the first."""
        return int(self._node.start_mark.line) + 1

    def refuse(self, why: str) -> NoReturn:
        """Raise a ConfigError that names file, line and place."""
        place = f"{self.path}: " if self.path else ""
        raise ConfigError(f"{self._source}:{self.line}: {place}{why}")

    def fields(self, known: set[str], needed: Set[str] = frozenset()) -> dict[str, Value]:
        """The fields of a mapping; unknown, double and missing ones are refused."""
        if not isinstance(self._node, yaml.MappingNode):
            self.refuse(f"this must be a mapping with {', '.join(sorted(known))}")
        found: dict[str, Value] = {}
        for key, node in self._node.value:
            name = str(key.value)
            place = Value(key, self._source, f"{self.path}.{name}".lstrip("."))
            if name not in known:
                place.refuse(f"unknown field; there are {', '.join(sorted(known))}")
            if name in found:
                place.refuse("this field stands here twice")
            found[name] = Value(node, self._source, place.path)
        missing = sorted(needed - found.keys())
        if missing:
            self.refuse(f"{missing[0]!r} is missing")
        return found

    def named(self) -> list[tuple[str, Value]]:
        """The fields of a mapping of any names, in the file's order."""
        if not isinstance(self._node, yaml.MappingNode):
            self.refuse("this must be a mapping")
        names = [str(key.value) for key, _ in self._node.value]
        if len(set(names)) < len(names):
            self.refuse("a name stands here twice")
        return [
            (str(key.value), Value(node, self._source, f"{self.path}.{key.value}"))
            for key, node in self._node.value
        ]

    def each(self, most: int) -> list[Value]:
        """The members of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.refuse("this must be a list")
        if len(self._node.value) > most:
            self.refuse(f"this has {len(self._node.value)} members, and at most {most} are read")
        return [
            Value(node, self._source, f"{self.path}[{place}]") for place, node in enumerate(self._node.value)
        ]

    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self._node, yaml.MappingNode)

    def scalar(self) -> Scalar:
        """A text, number or truth value, as YAML 1.1's safe rules read it."""
        if not isinstance(self._node, yaml.ScalarNode):
            self.refuse("this must be one value")
        kind = self._node.tag.rpartition(":")[2]
        text = str(self._node.value)
        try:
            if kind == "bool":
                return text.lower() in ("true", "yes", "on")
            if kind == "int":
                return int(text.replace("_", ""), 0)
            if kind == "float":
                return self._finite(float(text))
        except ValueError:
            self.refuse(f"{text!r} is no number")
        if kind != "str":
            self.refuse(f"{text!r} is read as {kind}; put it in quotes if a text is meant")
        return text

    def _finite(self, number: float) -> float:
        if not math.isfinite(number):
            self.refuse("this must be a finite number")
        return number

    def text(self, most: int = 500) -> str:
        """A text that is not empty."""
        found = self.scalar()
        if not isinstance(found, str) or not found.strip():
            self.refuse("this must be a text")
        if len(found) > most:
            self.refuse(f"this text has {len(found)} letters, and at most {most} are read")
        return found.strip()

    def number(self, least: float, most: float) -> float:
        """A number within bounds."""
        found = self.scalar()
        if isinstance(found, bool) or not isinstance(found, int | float):
            self.refuse("this must be a number")
        if not least <= found <= most:
            self.refuse(f"{found:g} is not between {least:g} and {most:g}")
        return float(found)

    def whole(self, least: int, most: int) -> int:
        """A whole number within bounds."""
        found = self.scalar()
        if isinstance(found, bool) or not isinstance(found, int):
            self.refuse("this must be a whole number")
        return int(self.number(least, most))

    def truth(self) -> bool:
        """true or false."""
        found = self.scalar()
        if not isinstance(found, bool):
            self.refuse("this must be true or false")
        return found

    def seconds(self, least: float, most: float) -> float:
        """A span of time with its unit, e.g. `30s`, `5min`, `2h`."""
        match = _SECONDS.match(str(self.scalar()))
        if match is None:
            self.refuse("this must be a time with its unit, such as 30s, 5min or 2h")
        found = float(match[1]) * _UNITS[match[2]]
        if not least <= found <= most:
            self.refuse(f"{found:g} s is not between {least:g} s and {most:g} s")
        return found

    def one_of(self, words: dict[str, T]) -> T:
        """One of some words, as what it stands for."""
        found = str(self.scalar())
        if found not in words:
            self.refuse(f"{found[:60]!r} is not one of {', '.join(words)}")
        return words[found]

    def tried(self, make: Callable[[str], T]) -> T:
        """What `make` makes of the text; its ConfigError gets this place."""
        try:
            return make(self.text())
        except ConfigError as error:
            self.refuse(str(error))


def read_yaml(content: str, source: str) -> Value:
    """The root of a YAML file.

    Raises:
        ConfigError: it is too large, too deep, no YAML, or empty; names file and line.
    """
    if len(content.encode()) > MOST_BYTES:
        raise ConfigError(f"{source}: the file is larger than {MOST_BYTES} bytes")
    try:
        # An alias is refused before it is followed: a few of them make a file of a kilobyte a billion nodes.
        for token in yaml.scan(content):
            if isinstance(token, yaml.AliasToken):
                raise ConfigError(f"{source}:{token.start_mark.line + 1}: aliases (*name) are not read here")
        node = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1
        raise ConfigError(f"{source}:{line}: this is no YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{source}: this is no YAML: {str(error)[:200]}") from None
    if node is None:
        raise ConfigError(f"{source}: the file is empty")
    if sum(1 for _ in _walk(node, source, 0)) > _MOST_NODES:
        raise ConfigError(f"{source}: the file has more than {_MOST_NODES} values")
    return Value(node, source, "")


def _walk(node: yaml.Node, source: str, depth: int) -> Iterator[yaml.Node]:
    if depth > _MOST_DEPTH:
        raise ConfigError(f"{source}:{node.start_mark.line + 1}: this is nested too deeply")
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(key, source, depth + 1)
            yield from _walk(value, source, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _walk(value, source, depth + 1)

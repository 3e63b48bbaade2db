"""Scopes: the one way to say what a calendar entry is about.

- `*`: everything.
- `host:web-1`: an entity and its parts; `*` and `?` stand for characters, as in `host:web-*`.
- `cpu_usage{job="batch",env=~"prod.*"}` or `{job="batch"}`: series, as PromQL selects them, with `=`,
  `!=`, `=~` and `!~`; regular expressions are RE2 and match the whole value. The label `entity` is there
  too, so that `{entity="host:web-1"}` works. Such a scope says nothing of findings that have no series.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import re2

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import SeriesInfo

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:.]*)?\s*\{(.*)\}\s*", re.DOTALL)
_METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]*")  # a selector without labels
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)')
_ENTITY = re.compile(r"[a-z_*?]+:.+", re.DOTALL)
_LONGEST = 4000


class ScopeError(StormPetrelError, ValueError):
    """A scope that cannot be read; the message says where, and what would be right."""

    reason = "bad_scope"


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope that was read. Pure; the same text gives the same answers.

    Attributes:
        text: as it was written.
        entity: the pattern of an entity; empty for a selector.
        metric: the metric name of a selector; empty: any.
        matchers: label, operator, and what decides on a value.
    """

    text: str
    entity: str = ""
    metric: str = ""
    matchers: tuple[tuple[str, Callable[[str], bool]], ...] = ()

    @property
    def everything(self) -> bool:
        """Whether it is the scope `*`."""
        return self.text == "*"

    def has_entity(self, entity: str) -> bool:
        """Whether all of an entity is in it, or of the whole that it is a part of."""
        if self.everything:
            return True
        if not self.entity:
            return False
        return any(
            fnmatch.fnmatchcase(name, self.entity) or name.startswith(self.entity + "/")
            for name in {entity, root_of(entity)}
        )

    def has_series(self, series: SeriesInfo) -> bool:
        """Whether a series is in it, by its entity or by its labels."""
        if self.everything or self.entity:
            return self.has_entity(series.entity)
        if self.metric and series.metric != self.metric:
            return False
        labels = {**series.label_map(), "__name__": series.metric, "entity": series.entity}
        return all(fits(labels.get(name, "")) for name, fits in self.matchers)


@lru_cache(maxsize=4096)
def read_scope(text: str) -> Scope:
    """Read a scope.

    >>> read_scope("host:web-*").has_entity("host:web-1/filesystem:/var")
    True

    Raises:
        ScopeError: it is none of the three forms, or a regular expression is not RE2.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        raise ScopeError(f"a scope has 1 to {_LONGEST} characters; write * for everything")
    if text == "*":
        return Scope(text)
    selector = _SELECTOR.fullmatch(text)
    if selector:
        return Scope(text, metric=selector[1] or "", matchers=_matchers(selector[2], text))
    if _ENTITY.fullmatch(text):
        return Scope(text, entity=text)
    if _METRIC.fullmatch(text):
        return Scope(text, metric=text)
    raise ScopeError(
        f'{text!r}: write *, an entity such as host:web-1, or a selector such as {{job="batch"}}'
    )


def _matchers(inner: str, text: str) -> tuple[tuple[str, Callable[[str], bool]], ...]:
    found, at = [], 0
    while at < len(inner.rstrip()):
        match = _MATCHER.match(inner, at)
        if match is None:
            raise ScopeError(
                f'{text!r}: cannot read {inner[at : at + 40]!r}; write label="value", joined by ,'
            )
        found.append((match[1], _decider(match[2], _unescaped(match[3]), text)))
        at = match.end()
    return tuple(found)


def selector_of(series: SeriesInfo) -> str:
    """The scope that is exactly one series.

    >>> selector_of(SeriesInfo(1, "a:b", (), "job:x", "s"))
    '{__name__="a:b"}'
    """
    return series.text() if series.labels else f'{{__name__="{series.metric}"}}'


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def _decider(operator: str, wanted: str, text: str) -> Callable[[str], bool]:
    if operator == "=":
        return lambda value: value == wanted
    if operator == "!=":
        return lambda value: value != wanted
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(wanted, options=options)
    except re2.error as error:
        raise ScopeError(f"{text!r}: {wanted!r} is no RE2 expression: {error}") from None
    if operator == "=~":
        return lambda value: pattern.fullmatch(value) is not None
    return lambda value: pattern.fullmatch(value) is None

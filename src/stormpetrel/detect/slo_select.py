"""Selectors of series as a person writes them: `http_requests_total{job="shop", code=~"5.."}`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stormpetrel.model.signal import SeriesInfo

_METRIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:.]*)\s*(?:\{(.*)\})?\s*$", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; a label that is missing is the empty text, as in Prometheus."""

    label: str
    operator: str  # "=" | "!=" | "=~" | "!~"
    value: str

    def fits(self, text: str) -> bool:
        """Whether a label's text satisfies it; patterns match the whole text."""
        if self.operator in ("=", "!="):
            return (text == self.value) is (self.operator == "=")
        return (re.fullmatch(self.value, text) is not None) is (self.operator == "=~")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series are meant.

    >>> one = Selector.parse('requests_total{job="shop", code!~"2.."}')
    >>> one.metric, [m.label for m in one.matchers]
    ('requests_total', ['job', 'code'])
    """

    metric: str
    matchers: tuple[Matcher, ...]
    text: str

    @staticmethod
    def parse(text: str) -> Selector:
        """Read a selector.

        Raises:
            ValueError: it is not one; the text says where, and how one is written.
        """
        whole = _METRIC.match(text) if len(text) <= _LONGEST else None
        if whole is None:
            raise ValueError(f'{text[:80]!r} is no selector; write metric or metric{{label="value"}}')
        inner, at, matchers = whole[2] or "", 0, []
        while inner[at:].strip():
            found = _MATCHER.match(inner, at)
            if found is None:
                raise ValueError(f'{text[:80]!r}: cannot read {inner[at : at + 30]!r}; write label="value"')
            matchers.append(_matcher(found[1], found[2], re.sub(r"\\(.)", r"\1", found[3])))
            at = found.end()
        return Selector(whole[1], tuple(matchers), text.strip())

    def selects(self, info: SeriesInfo) -> bool:
        """Whether a series is meant."""
        if info.metric != self.metric:
            return False
        labels = dict(info.labels)
        return all(matcher.fits(labels.get(matcher.label, "")) for matcher in self.matchers)


def _matcher(label: str, operator: str, value: str) -> Matcher:
    if operator.endswith("~"):
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"the pattern {value[:80]!r} for {label} is not valid: {error}") from None
    return Matcher(label, operator, value)

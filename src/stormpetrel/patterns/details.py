"""What is known of a pattern beside its counts: samples, minutes, origins, values. All of it bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stormpetrel.patterns.variables import ValueSketch

MAX_MINUTES, MAX_ORIGINS, MAX_SAMPLES, MAX_VARIABLES = 1440, 16, 5, 24
MAX_MERGED, MAX_SAMPLE = 100, 2000  # ids; characters


class Details:
    """The details of one pattern; about 1 KB, at most some 60 KB for one with many variables and minutes."""

    __slots__ = ("merged", "minutes", "origins", "samples", "variables")

    def __init__(self) -> None:
        self.minutes: dict[int, int] = {}
        self.origins: dict[str, int] = {}
        self.samples: list[str] = []
        self.variables: dict[str, ValueSketch] = {}
        self.merged: list[int] = []

    def minute(self, minute: int, lines: int) -> None:
        """Lines of a minute; the oldest minutes go when there are more than a day's worth."""
        self.minutes[minute] = self.minutes.get(minute, 0) + lines
        if len(self.minutes) > MAX_MINUTES:
            del self.minutes[min(self.minutes)]

    def look(self, line: str, origin: str) -> None:
        """Take a sample, and who wrote it. The first two samples stay, the others are the newest."""
        if origin in self.origins or len(self.origins) < MAX_ORIGINS:
            self.origins[origin] = self.origins.get(origin, 0) + 1
        line = line[:MAX_SAMPLE]
        if line not in self.samples:
            if len(self.samples) >= MAX_SAMPLES:
                del self.samples[2]
            self.samples.append(line)

    def take(self, values: list[tuple[str, str]]) -> None:
        """Take names and values of variables; a name that comes again gets a number."""
        taken: dict[str, int] = {}
        for name, value in values:
            taken[name] = taken.get(name, 0) + 1
            own = name if taken[name] == 1 else f"{name} {taken[name]}"
            sketch = self.variables.get(own)
            if sketch is None:
                if len(self.variables) >= MAX_VARIABLES:
                    continue
                sketch = self.variables[own] = ValueSketch()
            sketch.add(value)

    def absorb(self, other: Details) -> None:
        """Take over the details of a pattern that became this one."""
        for minute, lines in other.minutes.items():
            self.minute(minute, lines)
        for origin, times in other.origins.items():
            if origin in self.origins or len(self.origins) < MAX_ORIGINS:
                self.origins[origin] = self.origins.get(origin, 0) + times
        self.samples = (self.samples + [s for s in other.samples if s not in self.samples])[:MAX_SAMPLES]
        for name, sketch in other.variables.items():
            if name in self.variables:
                self.variables[name].absorb(sketch)
            elif len(self.variables) < MAX_VARIABLES:
                self.variables[name] = sketch
        self.merged = (self.merged + other.merged)[-MAX_MERGED:]

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "minutes": list(self.minutes.items()),
            "origins": list(self.origins.items()),
            "samples": list(self.samples),
            "variables": [[name, sketch.snapshot()] for name, sketch in self.variables.items()],
            "merged": list(self.merged),
        }

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> Details:
        """From `snapshot`."""
        details = cls()
        details.minutes = {int(minute): int(lines) for minute, lines in plain["minutes"]}
        details.origins = {str(origin): int(times) for origin, times in plain["origins"]}
        details.samples = [str(sample) for sample in plain["samples"]]
        details.variables = {str(name): ValueSketch.restored(sketch) for name, sketch in plain["variables"]}
        details.merged = [int(old) for old in plain["merged"]]
        return details

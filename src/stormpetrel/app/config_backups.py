"""Backups of others in the configuration: how old the newest good one of an entity may be."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from pydantic import Field, field_validator

from stormpetrel.app.config_section import Section
from stormpetrel.model.time import from_seconds

_TEXT = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_DAY = from_seconds(86_400)
_NEVER = "never"


class BackupsConfig(Section):
    """Backups that tools report: entities of which none was ever reported are not watched."""

    rpo: dict[str, str] = Field(
        default_factory=dict,
        max_length=100,
        description="recovery point objectives: entity, * for anything, to 90m, 6h, 2d or never;"
        " the first that fits counts, else 24h",
    )

    @field_validator("rpo")
    @classmethod
    def _are_usable(cls, rpo: dict[str, str]) -> dict[str, str]:
        for pattern, text in rpo.items():
            if not 0 < len(pattern) <= 200 or pattern.count("*") > 5:
                raise ValueError(f"{pattern[:60]!r}: a pattern has 1 to 200 letters and at most five *")
            if text != _NEVER and not _TEXT.fullmatch(text):
                raise ValueError(f"{text[:60]!r} is no time: write 90m, 6h, 2d or never")
        return rpo

    def objective(self, entity: str) -> int:
        """Nanoseconds that the newest good backup of an entity may be old; 0: any age.

        >>> BackupsConfig(rpo={"host:*": "6h"}).objective("host:web-1") // 10**9
        21600
        """
        for pattern, text in self.rpo.items():
            if fnmatchcase(entity, pattern):
                return 0 if text == _NEVER else _nanos(text)
        return _DAY


def _nanos(text: str) -> int:
    return from_seconds(int(text[:-1]) * _SECONDS[text[-1]])

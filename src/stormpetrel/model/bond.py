"""What people said of pairs of entities: these two belong together, or do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BondKind(StrEnum):
    """What was said of a pair."""

    TOGETHER = "together"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Bond:
    """One rule about two root entities, `left` before `right` in the alphabet; one a pair at most."""

    bond_id: str
    kind: BondKind
    left: str
    right: str
    time_unix_nano: int
    actor: str
    incident_id: str  # where it was said

"""What was last judged of a run, as the ledger has it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stormpetrel.model import canonical
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.verdict import Judgement


def judgement_of(entries: Sequence[LedgerEntry]) -> Judgement | None:
    """The newest judgement among the entries of a run; None when none is on record."""
    for entry in reversed(entries):
        if entry.kind is EntryKind.JUDGED:
            return canonical.read(Judgement, json.dumps(json.loads(entry.body)["judgement"]))
    return None

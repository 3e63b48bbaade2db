"""The ledger: an append-only, hash-chained record of everything automation proposed, decided and did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    """What one entry records."""

    PROPOSED = "proposed"
    JUDGED = "judged"
    APPROVED = "approved"
    DECLINED = "declined"
    RESERVED = "reserved"
    BEGUN = "begun"
    RESULT = "result"
    VERIFIED = "verified"
    UNDO_BEGUN = "undo_begun"
    UNDO_RESULT = "undo_result"
    SETTLED = "settled"
    STATE = "state"
    SWITCH = "switch"
    AUTONOMY = "autonomy"
    RUNBOOK = "runbook"
    OPINION = "opinion"
    BREAKER = "breaker"
    LEASE = "lease"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry.

    Attributes:
        seq: 1 for the first; without a gap.
        time_unix_nano: when it was written.
        kind: see `EntryKind`.
        run_id, runbook, incident_id: what it is about; "" where it is about none.
        actor: "petrel" or a person's name.
        body: canonical JSON, see `stormpetrel.model.canonical`.
        previous: hash of the entry before; 64 zeros for the first.
        entry_hash: SHA-256 of all of the above, hexadecimal.
    """

    seq: int
    time_unix_nano: int
    kind: EntryKind
    run_id: str
    runbook: str
    incident_id: str
    actor: str
    body: str
    previous: str
    entry_hash: str


@dataclass(frozen=True, slots=True)
class LedgerNote:
    """What is to be entered; the store gives it its place in the chain."""

    kind: EntryKind
    run_id: str
    runbook: str
    incident_id: str
    actor: str
    body: str


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """One place where the chain is broken, and how."""

    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """Where the chain ends.

    Attributes:
        count: how many entries there are.
        entry_hash: of the last one; 64 zeros when there is none.
        seal: HMAC of both under the installation's key, hexadecimal; "" where it is not sealed.
    """

    count: int
    entry_hash: str
    seal: str

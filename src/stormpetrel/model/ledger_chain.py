"""The chain of the ledger: how entries hang together, and how a break is found."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import replace

from stormpetrel.model.canonical import digest, text
from stormpetrel.model.ledger import EntryKind, LedgerEntry, LedgerFault, LedgerHead, LedgerNote

GENESIS = "0" * 64
MOST_FAULTS = 100


def entry_hash(entry: LedgerEntry) -> str:
    """SHA-256 of everything in an entry but the hash itself: of a JSON list, so that no two entries meet."""
    return digest(
        text(
            [
                entry.seq, entry.time_unix_nano, entry.kind.value, entry.run_id, entry.runbook,
                entry.incident_id, entry.actor, entry.body, entry.previous,
            ]
        )
    )  # fmt: skip


def chained(head: LedgerHead, note: LedgerNote, time_unix_nano: int) -> LedgerEntry:
    """The entry that a note becomes after this head."""
    entry = LedgerEntry(
        head.count + 1, time_unix_nano, EntryKind(note.kind), note.run_id, note.runbook, note.incident_id,
        note.actor, note.body, head.entry_hash, "",
    )  # fmt: skip
    return replace(entry, entry_hash=entry_hash(entry))


def sealed(count: int, last_hash: str, key: bytes) -> LedgerHead:
    """A head under the key: who has not the key can make no other one."""
    told = f"{count}:{last_hash}".encode()
    return LedgerHead(count, last_hash, hmac.new(key, told, hashlib.sha256).hexdigest())


def head_holds(head: LedgerHead, key: bytes) -> bool:
    """Whether a head was made with this key."""
    return hmac.compare_digest(sealed(head.count, head.entry_hash, key).seal, head.seal)


def chain_faults(
    entries: Iterable[LedgerEntry], start: LedgerHead | None = None
) -> Iterator[LedgerFault | LedgerHead]:
    """Walk a chain and yield its faults, at most `MOST_FAULTS`; the last thing is the head it leads to.

    Linear in time, constant in memory.

    Args:
        entries: in the order in which they are kept.
        start: the head that they go on from; None: the beginning.
    """
    seq, last = (0, GENESIS) if start is None else (start.count, start.entry_hash)
    left = MOST_FAULTS
    for one in entries:
        for said in _wrong(one, seq + 1, last):
            if left:
                yield LedgerFault(one.seq, said)
            left = max(0, left - 1)
        seq, last = one.seq, one.entry_hash
    yield LedgerHead(seq, last, "")


def _wrong(entry: LedgerEntry, wanted_seq: int, previous: str) -> Iterator[str]:
    if entry.seq != wanted_seq:
        yield f"entry {wanted_seq} is wanted here, and {entry.seq} is found: entries are missing or moved"
    if entry.previous != previous:
        yield f"entry {entry.seq} does not hang on the one before it"
    if entry.entry_hash != entry_hash(entry):
        yield f"entry {entry.seq} was changed: its content has another hash"

"""The ledger in the control store: entered only at its end, checked from its beginning."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_rows import LedgerHeadRow, LedgerRow
from stormpetrel.adapters.store.ledger_key import SEEN_FILE, LedgerKey
from stormpetrel.errors import StateError, StoreError
from stormpetrel.model import canonical
from stormpetrel.model.ledger import EntryKind, LedgerEntry, LedgerFault, LedgerHead, LedgerNote
from stormpetrel.model.ledger_chain import GENESIS, chain_faults, chained, head_holds, sealed

ENTERED = "ledger_head"  # where a session keeps the end that it leads to
_ONLY = 1
_LONGEST_BODY = 8 * 1024 * 1024
_AT_ONCE = 500


class LedgerTables:
    """The part of `ports.automation.AutomationStore` that is about the ledger."""

    _key: LedgerKey

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    def ledger(self, after_seq: int = 0, run_id: str = "", limit: int = 1000) -> list[LedgerEntry]:
        """Entries in order; those of one run, where it is named."""
        wanted = select(LedgerRow).where(LedgerRow.seq > after_seq).order_by(LedgerRow.seq).limit(limit)
        if run_id:
            wanted = wanted.where(LedgerRow.run_id == run_id)
        with self._transaction() as session:
            return [_entry(row) for row in session.scalars(wanted)]

    def ledger_head(self) -> LedgerHead:
        """Where the ledger says that it ends."""
        with self._transaction() as session:
            return _head(session) or LedgerHead(0, GENESIS, "")

    def check_ledger(self) -> list[LedgerFault]:
        """Walk the whole chain; empty when nothing is wrong. About 50 µs an entry, constant memory."""
        try:
            # Read first: what others enter meanwhile is then in the one, and not yet seen by the other.
            seen = self._key.seen()
            with self._transaction() as session:
                if session.get_bind().dialect.name == "postgresql":
                    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                return list(self._faults(session, seen))
        except (StoreError, ValueError, TypeError) as error:
            return [LedgerFault(0, f"the ledger cannot be read to its end: {error}")]

    def _faults(self, session: Session, seen: LedgerHead | None) -> Iterator[LedgerFault]:
        wanted = select(LedgerRow).order_by(LedgerRow.seq).execution_options(yield_per=_AT_ONCE)
        end = LedgerHead(0, GENESIS, "")
        for one in chain_faults(_entry(row) for row in session.scalars(wanted)):
            if isinstance(one, LedgerHead):
                end = one
            else:
                yield one
        head = _head(session)
        if head is None:
            yield from self._against_seen(session, LedgerHead(0, GENESIS, ""), seen)
            if end.count:
                yield LedgerFault(end.count, "the record of where the ledger ends is missing")
        elif not head_holds(head, self._key.read(make=False)):
            yield LedgerFault(head.count, "the end of the ledger is not sealed with this installation's key")
        else:
            yield from self._against_seen(session, head, seen)
        if head is not None and (head.count, head.entry_hash) != (end.count, end.entry_hash):
            yield LedgerFault(
                end.count,
                f"the ledger has {head.count} entries by its seal, and ends at {end.count}: it was cut",
            )

    def _against_seen(
        self, session: Session, head: LedgerHead, seen: LedgerHead | None
    ) -> Iterator[LedgerFault]:
        """An older state of the whole database has a good seal, but not the entries that were seen here."""
        if seen is None:
            return
        if not head_holds(seen, self._key.read(make=False)):
            yield LedgerFault(seen.count, f"{SEEN_FILE} is not sealed with this installation's key")
        elif seen.count > head.count:
            yield LedgerFault(
                head.count, f"the ledger ends at {head.count}, and this data directory has seen {seen.count}"
            )
        elif seen.count:
            row = session.get(LedgerRow, seen.count)
            if row is None or row.entry_hash != seen.entry_hash:
                yield LedgerFault(seen.count, f"entry {seen.count} is another one than was seen here")

    def _enter(self, session: Session, notes: Sequence[LedgerNote], time_unix_nano: int) -> int:
        """Put notes at the end, in a transaction that excludes all others; the number of the last."""
        head = self._checked_head(session)
        entries = []
        for note in notes:
            if len(note.body) > _LONGEST_BODY:
                raise StateError(f"a ledger entry {note.kind} of {len(note.body)} characters is too long")
            entry = chained(head, note, time_unix_nano)
            entries.append(entry)
            head = LedgerHead(entry.seq, entry.entry_hash, "")
        if not entries:
            return head.count
        session.execute(insert(LedgerRow), [_values(one) for one in entries])
        last = sealed(head.count, head.entry_hash, self._key.read(make=True))
        session.merge(LedgerHeadRow(only=_ONLY, count=last.count, entry_hash=last.entry_hash, seal=last.seal))
        session.flush()
        session.info[ENTERED] = last
        return last.count

    def _checked_head(self, session: Session) -> LedgerHead:
        """Where it goes on; refuses to go on from an end that is not the one that was sealed."""
        head = _head(session)
        newest = session.execute(
            select(LedgerRow.seq, LedgerRow.entry_hash).order_by(LedgerRow.seq.desc()).limit(1)
        ).one_or_none()
        seen = self._key.seen()
        if head is None and newest is None and seen is None:
            return LedgerHead(0, GENESIS, "")
        if (
            head is None
            or newest is None
            or (newest.seq, newest.entry_hash) != (head.count, head.entry_hash)
            or not head_holds(head, self._key.read(make=False))
            or (seen is not None and seen.count > head.count)
        ):
            raise StoreError(
                "the ledger does not end where its seal says: nothing is entered and nothing is done;"
                " look with: petrel ledger verify"
            )
        return head


def _head(session: Session) -> LedgerHead | None:
    row = session.get(LedgerHeadRow, _ONLY)
    return None if row is None else LedgerHead(row.count, row.entry_hash, row.seal)


def _entry(row: LedgerRow) -> LedgerEntry:
    return LedgerEntry(
        row.seq, row.time_unix_nano, EntryKind(row.kind), row.run_id, row.runbook, row.incident_id, row.actor,
        row.body, row.previous, row.entry_hash,
    )  # fmt: skip


def _values(entry: LedgerEntry) -> dict[str, object]:
    found: dict[str, object] = canonical.plain(entry)
    return found

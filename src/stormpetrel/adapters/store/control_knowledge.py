"""What is remembered of incidents, in the control store: verdicts on causes, fingerprints, notes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, and_, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from stormpetrel.adapters.store.control_tables import Base, IncidentRow
from stormpetrel.errors import StateError
from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict, HelpedNote, ToldCause, ToldDiagnosis
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.similar import Feature, FeatureFamily, Fingerprint, IncidentBrief
from stormpetrel.ports.knowledge import KEPT_TOLD

_EARLIER = "earlier"  # what was told before stands inside of what is told
_AT_ONCE = 500  # ids in one question


class CauseVerdictRow(Base):
    """One statement on an incident's cause, whole; `outcome` stands apart for the list of what counts."""

    __tablename__ = "cause_verdicts"

    incident_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    time_unix_nano: Mapped[int]
    outcome: Mapped[str]
    content: Mapped[dict[str, Any]]


class ToldCauseRow(Base):
    """What was told of an incident's cause, and before that."""

    __tablename__ = "told_causes"

    incident_id: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]]


class FingerprintRow(Base):
    """What an incident is made of; `features` are pairs of family and value."""

    __tablename__ = "fingerprints"

    incident_id: Mapped[str] = mapped_column(primary_key=True)
    start_unix_nano: Mapped[int]
    diagnosed: Mapped[bool]
    features: Mapped[list[Any]]


class HelpedRow(Base):
    """What helped in an incident."""

    __tablename__ = "helped_notes"

    incident_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    actor: Mapped[str]
    time_unix_nano: Mapped[int]


# Columns, not rows of the mapper: thousands are read at once.
_PRINTS = select(
    FingerprintRow.incident_id,
    FingerprintRow.start_unix_nano,
    FingerprintRow.diagnosed,
    FingerprintRow.features,
)
_FAMILIES = {family.value: family for family in FeatureFamily}


class KnowledgeTables:
    """`ports.knowledge.KnowledgeStore` over the transactions of the control store."""

    @abstractmethod
    def _transaction(self, *, writes: bool = False) -> AbstractContextManager[Session]: ...

    def add_cause_verdict(self, verdict: CauseVerdict, most_kept: int = 20) -> None:
        """Keep a statement, and of its incident the newest; StateError when its number is taken."""
        row = CauseVerdictRow(
            incident_id=verdict.incident_id,
            number=verdict.number,
            time_unix_nano=verdict.time_unix_nano,
            outcome=verdict.outcome.value,
            content=asdict(verdict),
        )
        old = delete(CauseVerdictRow).where(
            CauseVerdictRow.incident_id == verdict.incident_id,
            CauseVerdictRow.number <= verdict.number - most_kept,
        )
        with self._transaction(writes=True) as session:
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise StateError(
                    f"somebody else said something of the cause of {verdict.incident_id} just now;"
                    " look at it, then say it again"
                ) from None
            session.execute(old)

    def cause_verdicts(self, incident_id: str) -> list[CauseVerdict]:
        """What is kept of one incident, newest first."""
        wanted = (
            select(CauseVerdictRow.content)
            .where(CauseVerdictRow.incident_id == incident_id)
            .order_by(CauseVerdictRow.number.desc())
        )
        with self._transaction() as session:
            return [verdict_of(content) for content in session.scalars(wanted)]

    def list_cause_verdicts(self, limit: int = 10_000) -> list[CauseVerdict]:
        """The newest statement of each incident, newest first; those taken back are left out."""
        row = CauseVerdictRow
        newest = (
            select(row.incident_id, func.max(row.number).label("number")).group_by(row.incident_id).subquery()
        )
        wanted = (
            select(row.content)
            .join(newest, and_(row.incident_id == newest.c.incident_id, row.number == newest.c.number))
            .where(row.outcome != CauseOutcome.TAKEN_BACK.value)
            .order_by(row.time_unix_nano.desc(), row.incident_id)
            .limit(limit)
        )
        with self._transaction() as session:
            return [verdict_of(content) for content in session.scalars(wanted)]

    def save_told(self, incident_id: str, told: ToldDiagnosis) -> None:
        """What is told of an incident's cause from now on; the last `KEPT_TOLD` before it stay."""
        with self._transaction(writes=True) as session:
            row = session.get(ToldCauseRow, incident_id)
            content: dict[str, Any] = dict(row.content) if row is not None else {}
            earlier = content.pop(_EARLIER, [])
            before = [content, *earlier][:KEPT_TOLD] if content else []
            session.merge(ToldCauseRow(incident_id=incident_id, content={**asdict(told), _EARLIER: before}))

    def told(self, incident_id: str) -> ToldDiagnosis | None:
        """What was last told of an incident's cause."""
        with self._transaction() as session:
            row = session.get(ToldCauseRow, incident_id)
            return None if row is None else told_of(row.content)

    def told_before(self, incident_id: str) -> list[ToldDiagnosis]:
        """What was told of an incident's cause before that, newest first."""
        with self._transaction() as session:
            row = session.get(ToldCauseRow, incident_id)
            return [] if row is None else [told_of(one) for one in row.content.get(_EARLIER, [])]

    def save_fingerprints(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Insert or replace fingerprints by incident."""
        with self._transaction(writes=True) as session:
            for one in fingerprints:
                session.merge(
                    FingerprintRow(
                        incident_id=one.incident_id,
                        start_unix_nano=one.start_unix_nano,
                        diagnosed=one.diagnosed,
                        features=[[feature.family.value, feature.value] for feature in one.features],
                    )
                )

    def fingerprints(self, incident_ids: Collection[str]) -> dict[str, Fingerprint]:
        """Those of some incidents, by incident."""
        found: dict[str, Fingerprint] = {}
        with self._transaction() as session:
            for ids in _parts(incident_ids):
                for row in session.execute(_PRINTS.where(FingerprintRow.incident_id.in_(ids))):
                    found[row.incident_id] = _fingerprint(row)
        return found

    def list_fingerprints(self, limit: int = 10_000) -> list[Fingerprint]:
        """Those of the incidents that began last, newest first."""
        row = FingerprintRow
        wanted = _PRINTS.order_by(row.start_unix_nano.desc(), row.incident_id).limit(limit)
        with self._transaction() as session:
            return [_fingerprint(one) for one in session.execute(wanted)]

    def save_helped(self, note: HelpedNote) -> None:
        """Insert or replace what helped in an incident."""
        with self._transaction(writes=True) as session:
            session.merge(HelpedRow(**asdict(note)))

    def delete_helped(self, incident_id: str) -> None:
        """Forget what helped; no error when nothing was written."""
        with self._transaction(writes=True) as session:
            session.execute(delete(HelpedRow).where(HelpedRow.incident_id == incident_id))

    def helped(self, incident_ids: Collection[str]) -> dict[str, HelpedNote]:
        """What helped in some incidents, by incident."""
        found: dict[str, HelpedNote] = {}
        with self._transaction() as session:
            for ids in _parts(incident_ids):
                for row in session.scalars(select(HelpedRow).where(HelpedRow.incident_id.in_(ids))):
                    note = HelpedNote(row.incident_id, row.text, row.actor, row.time_unix_nano)
                    found[row.incident_id] = note
        return found

    def incident_briefs(self, incident_ids: Collection[str]) -> dict[str, IncidentBrief]:
        """Some incidents in few words, by id; their findings are not read."""
        row = IncidentRow
        columns = (row.incident_id, row.sentence, row.state, row.severity)
        wanted = select(*columns, row.start_unix_nano, row.resolved_unix_nano)
        found: dict[str, IncidentBrief] = {}
        with self._transaction() as session:
            for ids in _parts(incident_ids):
                for one in session.execute(wanted.where(row.incident_id.in_(ids))):
                    state, severity = IncidentState(one.state), Severity(one.severity)
                    found[one.incident_id] = IncidentBrief(
                        one.incident_id,
                        one.sentence,
                        state,
                        severity,
                        one.start_unix_nano,
                        one.resolved_unix_nano,
                    )
        return found


def _parts(ids: Collection[str]) -> list[list[str]]:
    """Ids in parts that one question may hold, none twice."""
    every = list(dict.fromkeys(ids))
    return [every[at : at + _AT_ONCE] for at in range(0, len(every), _AT_ONCE)]


def told_of(found: dict[str, Any]) -> ToldDiagnosis:
    """What was told, from a JSON object."""
    causes = tuple(
        ToldCause(one["entity"], CauseClass(one["cause_class"]), float(one["score"]))
        for one in found["causes"]
    )
    values = {name: value for name, value in found.items() if name != _EARLIER}
    return ToldDiagnosis(**{**values, "causes": causes})


def verdict_of(found: dict[str, Any]) -> CauseVerdict:
    """A statement, from a JSON object."""
    values = {**found, "outcome": CauseOutcome(found["outcome"]), "told": told_of(found["told"])}
    return CauseVerdict(**{**values, "ruled_out": tuple(found["ruled_out"])})


def _fingerprint(row: Row[tuple[str, int, bool, list[Any]]]) -> Fingerprint:
    features = tuple(Feature(_FAMILIES[family], value) for family, value in row.features)
    return Fingerprint(row.incident_id, row.start_unix_nano, features, row.diagnosed)

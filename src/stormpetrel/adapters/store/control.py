"""The control store over SQLAlchemy: SQLite in one process, PostgreSQL for several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.store.control_admission import AdmissionTables
from stormpetrel.adapters.store.control_backups import BackupTables
from stormpetrel.adapters.store.control_calendar import CalendarTables
from stormpetrel.adapters.store.control_engine import BUSY_SECONDS, WRITES, engine_of
from stormpetrel.adapters.store.control_knowledge import KnowledgeTables
from stormpetrel.adapters.store.control_learning import LearningTables
from stormpetrel.adapters.store.control_ledger import ENTERED
from stormpetrel.adapters.store.control_notices import NoticeTables
from stormpetrel.adapters.store.control_pages import pages_wanted, record_of
from stormpetrel.adapters.store.control_people import PeopleTables, user_of
from stormpetrel.adapters.store.control_rows import (
    incident_of,
    incident_values,
    line_of,
    lines_wanted,
    search_text,
)
from stormpetrel.adapters.store.control_runbooks import RunbookTables
from stormpetrel.adapters.store.control_schema import up_to_date, upgrade
from stormpetrel.adapters.store.control_shares import ShareTables
from stormpetrel.adapters.store.control_switches import SwitchTables
from stormpetrel.adapters.store.control_tables import Base, IncidentRow, SettingRow, TokenRow, UserRow
from stormpetrel.adapters.store.ledger_key import LedgerKey
from stormpetrel.errors import ConfigError, NotFoundError, StateError, StoreError, StoreFullError
from stormpetrel.model.access import ApiToken, Scope, User
from stormpetrel.model.facts import Limits
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.page import PageDecision
from stormpetrel.model.page_view import PageRecord
from stormpetrel.ports.clock import Clock

_LOCK = 0x5E7E1  # of PostgreSQL's advisory locks: whoever changes what automation keeps
_LONGEST_SEARCH = 500
_FULL_TEXTS = ("database or disk is full", "No space left on device", "disk I/O error")


def open_control_store(
    url: str, key_dir: Path | None = None, clock: Clock | None = None, limits: Limits | None = None
) -> SqlControlStore:
    """Open the control store and bring its tables up to date.

    Args:
        url: an SQLAlchemy URL, `sqlite:////var/lib/petrel/control.db` or
            `postgresql+psycopg://user@host/database`; the directory of a SQLite file is created.
        key_dir: where the key of the ledger lies; None: beside a SQLite file, and nowhere for PostgreSQL,
            where then nothing of automation can be kept.
        clock: of entries that are given no time; None: the system's.
        limits: of the breaker; None: as they are by default.

    Raises:
        ConfigError: the URL names no file, or a database that is neither SQLite nor PostgreSQL.
        StoreError: it cannot be opened, or was written by a newer version of this program.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "store.control_url: not an SQLAlchemy URL; write sqlite:////path/control.db"
        ) from None
    engine = engine_of(parsed)
    try:
        with _errors(engine):
            _bring_up_to_date(engine)
    except StoreError:
        engine.dispose()
        raise
    if key_dir is None and parsed.get_backend_name() == "sqlite":
        key_dir = Path(str(parsed.database)).parent
    return SqlControlStore(engine, LedgerKey(key_dir), clock or SystemClock(), limits or Limits())


def _bring_up_to_date(engine: Engine) -> None:
    """Migrate, where that is needed: one process at a time."""
    with engine.begin() as connection:
        if up_to_date(connection):
            return
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        upgrade(connection)


@contextmanager
def _errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        where = engine.url.render_as_string(hide_password=True)
        text = " ".join(str(getattr(error, "orig", None) or error).split())[:500]
        if any(words in text for words in _FULL_TEXTS):
            raise StoreFullError(f"{where}: no space left; free some ({text})") from error
        raise StoreError(f"{where}: {text}") from error
    except UnicodeDecodeError as error:
        # SQLite's own complaint quotes what it cannot read, and the driver fails to read the complaint.
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"{where}: it is damaged: text in it is not UTF-8; restore a backup") from error


class SqlControlStore(
    KnowledgeTables,
    LearningTables,
    CalendarTables,
    ShareTables,
    AdmissionTables,
    SwitchTables,
    RunbookTables,
    BackupTables,
    NoticeTables,
    PeopleTables,
):
    """`ports.control.ControlStore` and `ports.automation.AutomationStore` over SQLAlchemy.

    Made by `open_control_store`.

    Every method is one transaction and may be called from any thread. On SQLite a commit is flushed to
    the device; a writer waits up to 15 s for another. Costs 0.5 to 4 ms a call, and about 35 µs a
    finding of the incidents read or written.
    """

    def __init__(self, engine: Engine, key: LedgerKey, clock: Clock, limits: Limits) -> None:
        self._engine = engine
        self._key = key
        self._clock = clock
        self._limits = limits
        self._writer = engine.execution_options(**{WRITES: True})
        self._closed = False

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[Session]:
        if self._closed:
            raise StoreError("the control store is closed; open it again")
        engine = self._writer if writes else self._engine
        with _errors(self._engine), Session(engine) as session, session.begin():
            yield session

    @contextmanager
    def _exclusive(self) -> Iterator[Session]:
        """A transaction that excludes every other of its kind, in all processes, from its first word on."""
        if self._closed:
            raise StoreError("the control store is closed; open it again")
        with _errors(self._engine), Session(self._writer) as session, session.begin():
            if self._engine.dialect.name == "postgresql":
                # One that hangs must not stop the others: the server ends it, and nothing of it holds.
                session.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10s'"))
                session.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield session
        if ENTERED in session.info:
            self._key.saw(session.info[ENTERED])

    def _upsert(self, session: Session, model: type[Base], values: list[dict[str, Any]]) -> None:
        table = model.__table__
        key = [column.name for column in table.primary_key]
        make = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        statement = make(model)
        others = {name: statement.excluded[name] for name in values[0] if name not in key}
        session.execute(statement.on_conflict_do_update(index_elements=key, set_=others), values)

    def save_incidents(self, incidents: Sequence[Incident]) -> None:
        """Insert or replace whole incidents by id; of two with one id, the later."""
        newest = {one.incident_id: incident_values(one) for one in incidents}
        if newest:
            with self._transaction(writes=True) as session:
                self._upsert(session, IncidentRow, list(newest.values()))

    def incident(self, incident_id: str) -> Incident | None:
        """One incident, whole."""
        with self._transaction() as session:
            row = session.get(IncidentRow, incident_id)
            return None if row is None else incident_of(row)

    def list_incidents(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[Incident]:
        """Newest start first, ties by id; of a longer `text` the first 500 characters count."""
        wanted = _sought(select(IncidentRow), states, text)
        with self._transaction() as session:
            return [incident_of(row) for row in session.scalars(wanted.limit(limit).offset(offset))]

    def list_incident_lines(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[IncidentLine]:
        """The same without findings and timelines: some milliseconds, however many findings there are."""
        wanted = _sought(lines_wanted(), states, text)
        with self._transaction() as session:
            return [line_of(row) for row in session.execute(wanted.limit(limit).offset(offset))]

    def count_incidents(self, states: Sequence[IncidentState] = (), since_unix_nano: int = 0) -> int:
        """How many incidents are in these states and started since."""
        wanted = select(func.count()).select_from(IncidentRow).where(*_among(states))
        with self._transaction() as session:
            return session.scalar(wanted.where(IncidentRow.start_unix_nano >= since_unix_nano)) or 0

    def list_pages(
        self, decisions: Sequence[PageDecision] = (), since_unix_nano: int = 0, limit: int = 1000
    ) -> list[PageRecord]:
        """Page decisions taken since, newest first, ties by id; all of paged and held when none is named."""
        with self._transaction() as session:
            return [
                record_of(row) for row in session.execute(pages_wanted(decisions, since_unix_nano, limit))
            ]

    def add_user(self, user: User) -> None:
        """Create a user; StateError when the name is taken."""
        row = UserRow(
            name=user.name,
            role=user.role.value,
            password_hash=user.password_hash,
            created_unix_nano=user.created_unix_nano,
        )
        with self._transaction(writes=True) as session:
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise StateError(f"the user name {user.name} is taken; choose another") from None

    def user(self, name: str) -> User | None:
        """One user by name."""
        with self._transaction() as session:
            row = session.get(UserRow, name)
            return None if row is None else user_of(row)

    def count_users(self) -> int:
        """How many users exist."""
        with self._transaction() as session:
            return session.scalar(select(func.count()).select_from(UserRow)) or 0

    def add_token(self, token: ApiToken) -> None:
        """Keep an API token; StateError when its id or hash is there already."""
        row = TokenRow(
            token_id=token.token_id,
            name=token.name,
            scopes=sorted(scope.value for scope in token.scopes),
            token_hash=token.token_hash,
            hint=token.hint,
            created_unix_nano=token.created_unix_nano,
            created_by=token.created_by,
            revoked=token.revoked,
        )
        with self._transaction(writes=True) as session:
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise StateError(f"the token {token.token_id} exists already; make another") from None

    def token_by_hash(self, token_hash: str) -> ApiToken | None:
        """The token with this hash, unless revoked."""
        wanted = select(TokenRow).where(TokenRow.token_hash == token_hash, TokenRow.revoked.is_(False))
        with self._transaction() as session:
            row = session.scalars(wanted).one_or_none()
            return None if row is None else _token(row)

    def list_tokens(self) -> list[ApiToken]:
        """All tokens, newest first, ties by id."""
        wanted = select(TokenRow).order_by(TokenRow.created_unix_nano.desc(), TokenRow.token_id)
        with self._transaction() as session:
            return [_token(row) for row in session.scalars(wanted)]

    def revoke_token(self, token_id: str) -> None:
        """Refuse the token from now on; NotFoundError when there is none."""
        change = update(TokenRow).where(TokenRow.token_id == token_id).values(revoked=True)
        with self._transaction(writes=True) as session:
            found = session.scalars(change.returning(TokenRow.token_id)).all()
        if not found:
            raise NotFoundError(f"there is no token {token_id}")

    def get(self, key: str) -> str | None:
        """A setting or a position; None when never put."""
        with self._transaction() as session:
            return session.scalar(select(SettingRow.value).where(SettingRow.key == key))

    def put(self, key: str, value: str) -> None:
        """Keep a setting or a position."""
        with self._transaction(writes=True) as session:
            self._upsert(session, SettingRow, [{"key": key, "value": value}])

    def delete(self, key: str) -> None:
        """Forget a setting or a position; no error when there is none."""
        with self._transaction(writes=True) as session:
            session.execute(delete(SettingRow).where(SettingRow.key == key))

    def close(self) -> None:
        """Release the connections; later calls raise StoreError."""
        self._closed = True
        self._engine.dispose()


def _sought(wanted: Select[Any], states: Sequence[IncidentState], text: str) -> Select[Any]:
    """A query of incidents in these states that hold a text, in the order of lists."""
    wanted = wanted.where(*_among(states))
    if text:
        sought = search_text(text)[:_LONGEST_SEARCH]
        wanted = wanted.where(IncidentRow.search_text.contains(sought, autoescape=True))
    return wanted.order_by(IncidentRow.start_unix_nano.desc(), IncidentRow.incident_id)


def _among(states: Sequence[IncidentState]) -> list[ColumnElement[bool]]:
    return [IncidentRow.state.in_([state.value for state in states])] if states else []


def _token(row: TokenRow) -> ApiToken:
    return ApiToken(
        token_id=row.token_id,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        token_hash=row.token_hash,
        hint=row.hint,
        created_unix_nano=row.created_unix_nano,
        created_by=row.created_by,
        revoked=row.revoked,
    )

"""The control store port: incidents, the calendar, people, tokens, positions and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stormpetrel.model.access import ApiToken, User
from stormpetrel.model.feedback import Feedback
from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.page import PageDecision
from stormpetrel.model.page_view import PageRecord
from stormpetrel.ports.automation import AutomationStore
from stormpetrel.ports.backup import BackupStore
from stormpetrel.ports.calendar import CalendarStore
from stormpetrel.ports.knowledge import KnowledgeStore
from stormpetrel.ports.notices import NoticeStore
from stormpetrel.ports.people import PeopleStore
from stormpetrel.ports.share import ShareStore


class ControlStore(
    BackupStore,
    CalendarStore,
    KnowledgeStore,
    ShareStore,
    AutomationStore,
    NoticeStore,
    PeopleStore,
    Protocol,
):
    """Small, relational, transactional. Every method is one transaction and safe from any thread."""

    # incidents -------------------------------------------------------------------------------------
    def save_incidents(self, incidents: Sequence[Incident]) -> None:
        """Insert or replace whole incidents by id."""
        ...

    def incident(self, incident_id: str) -> Incident | None:
        """One incident, whole."""
        ...

    def list_incidents(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[Incident]:
        """Newest start first; `text` is a case-insensitive substring of sentence or entities."""
        ...

    def list_incident_lines(
        self, states: Sequence[IncidentState] = (), text: str = "", limit: int = 100, offset: int = 0
    ) -> list[IncidentLine]:
        """The same incidents in the same order, without their findings and timelines: for lists."""
        ...

    def count_incidents(self, states: Sequence[IncidentState] = (), since_unix_nano: int = 0) -> int:
        """How many incidents are in these states and started since."""
        ...

    def list_pages(
        self, decisions: Sequence[PageDecision] = (), since_unix_nano: int = 0, limit: int = 1000
    ) -> list[PageRecord]:
        """Page decisions taken since, newest first, ties by id; all of paged and held when none is named."""
        ...

    # people and tokens -----------------------------------------------------------------------------
    def add_user(self, user: User) -> None:
        """Create a user; StateError when the name is taken."""
        ...

    def user(self, name: str) -> User | None:
        """One user by name."""
        ...

    def count_users(self) -> int:
        """How many users exist; zero means that set-up is still to be done."""
        ...

    def add_token(self, token: ApiToken) -> None:
        """Keep an API token (only its hash is known here)."""
        ...

    def token_by_hash(self, token_hash: str) -> ApiToken | None:
        """The token with this hash, unless revoked."""
        ...

    def list_tokens(self) -> list[ApiToken]:
        """All tokens, newest first."""
        ...

    def revoke_token(self, token_id: str) -> None:
        """Refuse the token from now on; NotFoundError when there is none."""
        ...

    # feedback and backtests ------------------------------------------------------------------------
    def add_feedback(self, feedback: Feedback) -> None:
        """Keep an opinion."""
        ...

    def list_feedback(self, since_unix_nano: int = 0, limit: int = 10_000) -> list[Feedback]:
        """Opinions given since, newest first, undone ones too."""
        ...

    def undo_feedback(self, feedback_id: str, time_unix_nano: int, actor: str) -> Feedback:
        """An opinion counts no more from this moment on; NotFoundError, StateError when it was undone."""
        ...

    def save_backtest(self, backtest_id: str, created_unix_nano: int, content: Mapping[str, Any]) -> None:
        """Insert or replace a backtest by id; `content` is JSON."""
        ...

    def list_backtests(self, limit: int = 100) -> list[dict[str, Any]]:
        """The content of backtests, newest first."""
        ...

    def delete_backtest(self, backtest_id: str) -> None:
        """Forget a backtest; no error when there is none."""
        ...

    # settings and positions ------------------------------------------------------------------------
    def get(self, key: str) -> str | None:
        """A setting or a position; None when never put."""
        ...

    def put(self, key: str, value: str) -> None:
        """Keep a setting or a position."""
        ...

    def delete(self, key: str) -> None:
        """Forget a setting or a position; no error when there is none."""
        ...

    def close(self) -> None:
        """Release the connections."""
        ...

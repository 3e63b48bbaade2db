"""People and tokens: who may do what."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a person may do; each includes the ones before."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API token may do."""

    INGEST = "ingest"
    READ = "read"
    CALENDAR = "calendar"  # change the calendar
    RESPOND = "respond"  # give feedback and run backtests over the API
    APPROVE = "approve"  # answer plans of automation, in the name of the person who made the token
    BACKUP = "backup"  # hold a moment still for a backup on the same host


@dataclass(frozen=True, slots=True)
class User:
    """A person. `password_hash` is an argon2id encoded hash and is never shown or logged; "" for nobody's."""

    name: str
    role: Role
    password_hash: str
    created_unix_nano: int


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token for machines. Only the SHA-256 of the secret is kept; `hint` is its last four characters."""

    token_id: str
    name: str
    scopes: frozenset[Scope]
    token_hash: str
    hint: str
    created_unix_nano: int
    created_by: str
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a request, once authenticated.

    Attributes:
        role: None for a token.
        person: who made the token; "" for a person.
        mark: of the password that a person signed in with: sessions end when it is another; "" for a token.
    """

    name: str
    role: Role | None
    scopes: frozenset[Scope] = frozenset()
    person: str = ""
    mark: str = field(default="", compare=False, repr=False)

"""The control store's tables as SQLAlchemy models; `migrations/` makes them."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Root of the models."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        list[Any]: JSON,
        dict[str, Any]: JSON,
    }


class IncidentRow(Base):
    """An incident, whole; `search_text` is its sentence and entities, casefolded.

    `page_decision` and `page_unix_nano` repeat what `page` says, for the list of pages; "" and 0 without one.
    """

    __tablename__ = "incidents"

    incident_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    severity: Mapped[int]
    sentence: Mapped[str]
    start_unix_nano: Mapped[int]
    updated_unix_nano: Mapped[int]
    resolved_unix_nano: Mapped[int]
    follows: Mapped[str]
    entities: Mapped[list[Any]]
    findings: Mapped[list[Any]]
    timeline: Mapped[list[Any]]
    search_text: Mapped[str]
    page: Mapped[dict[str, Any] | None]
    page_decision: Mapped[str]
    page_unix_nano: Mapped[int]
    priority: Mapped[dict[str, Any] | None]
    more: Mapped[list[Any] | None]


class UserRow(Base):
    """A person."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    created_unix_nano: Mapped[int]


class TokenRow(Base):
    """An API token."""

    __tablename__ = "api_tokens"

    token_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    scopes: Mapped[list[Any]]
    token_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    created_unix_nano: Mapped[int]
    created_by: Mapped[str]
    revoked: Mapped[bool]


class SettingRow(Base):
    """A setting or a position."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]

"""Canonical text of values, for the stages of automation; it is `stormpetrel.model.canonical`."""

from __future__ import annotations

from stormpetrel.model.canonical import digest, plain, plan_hash, read, text

__all__ = ["digest", "plain", "plan_hash", "read", "text"]

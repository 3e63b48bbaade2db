"""Addresses that lead nowhere: a page with the way back for people who are signed in, 404 for programs."""

from __future__ import annotations

from stormpetrel.errors import NotFoundError
from stormpetrel.web.access import guarded_router

router = guarded_router()


@router.get("/{path:path}")
def lost(path: str) -> None:
    """Nothing is here. Added last; strangers are asked to sign in and learn nothing of what exists.

    Raises:
        NotFoundError: always.
    """
    raise NotFoundError(f"there is nothing at /{path[:200]}")

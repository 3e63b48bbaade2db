"""What somebody wrote in a form that was refused: the answer gives it back, so that it is not lost."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request

# Words of people. Names, choices and whatever is secret are not given back.
_FIELDS = ("note", "helped", "reason", "text", "title", "scopes")
_MOST = 2000


def written_in(form: FormData) -> tuple[str, ...]:
    """The words of people in a form, bounded.

    >>> written_in(FormData({"note": "pool was full", "password": "x", "reason": " "}))
    ('pool was full',)
    """
    found = (form.get(name) for name in _FIELDS)
    return tuple(one[:_MOST] for one in found if isinstance(one, str) and one.strip())


def written_before(request: Request) -> tuple[str, ...]:
    """What was written in the form of this request, as the gate found it."""
    found: tuple[str, ...] = getattr(request.state, "written", ())
    return found


def came_from(request: Request) -> str:
    """The page of ours on which a form was; empty when nothing says so."""
    there = urlsplit(request.headers.get("referer", ""))
    ours = there.netloc.lower() == request.headers.get("host", "").lower()
    path = there.path + (f"?{there.query}" if there.query else "")
    return path if ours and path.startswith("/") and not path.startswith("//") else ""

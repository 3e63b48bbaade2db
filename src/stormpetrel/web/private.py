"""Addresses that are secrets themselves, and what every answer under them says."""

from __future__ import annotations

# Under these paths a link stands in the address: it is not to be passed on by a browser, kept by anything on
# the way, or found by a search; answers that open nothing say no less.
PRIVATE_PATHS = ("/shared/", "/consent/")
PRIVATE: dict[str, str] = {
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


def private_headers(path: str) -> dict[str, str]:
    """The headers that an answer under such a path must have.

    >>> private_headers("/shared/x")["Referrer-Policy"], private_headers("/logs")
    ('no-referrer', {})
    """
    if path == "/invited" or path.startswith("/consent/"):
        # Their forms are sent from there: with no-referrer browsers would call its origin null.
        return {**PRIVATE, "Referrer-Policy": "same-origin"}
    return PRIVATE if path.startswith(PRIVATE_PATHS) else {}

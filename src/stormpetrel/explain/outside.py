"""What fails outside of the estate: told from the hosts that failing lines name.

When a provider's interface answers 503 or names are no longer resolved, changes of one's own are near it as
on any other day, and innocent. A host is outside when a line names it in a URL or as a name to be resolved,
and no entity is called like it. Works as far as failing lines name hosts. Fails where a change has
made the host wrong: so a change that speaks of the host keeps its suspicion. Cost: O(text).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RESOLVER = "name resolution"
_HOST = r"([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})\b"
_URL = re.compile(rf"\bhttps?://{_HOST}", re.IGNORECASE)
_LOOKUP = re.compile(rf"\b(?:lookup|getaddrinfo|enotfound|resolver?)\b.{{0,40}}?\b{_HOST}", re.IGNORECASE)
_INSIDE = re.compile(r"\.(local|internal|lan|localdomain|svc|test|invalid)$", re.IGNORECASE)
_MOST_TEXT = 2000  # of a line
_LEAST_NAMES = 2  # that are not resolved, until it is the resolver and not the name


def outside(failing: Iterable[str], entities: Iterable[str]) -> tuple[str, ...]:
    """Hosts that are not ours, and `RESOLVER` where several names are not resolved, in order of name.

    >>> outside(["POST https://api.pay.example/v1 returned 503"], ["service:shop"])
    ('api.pay.example',)
    """
    texts = [text[:_MOST_TEXT] for text in failing]
    looked_up = {host for text in texts for host in _LOOKUP.findall(text)}
    named = looked_up | {host for text in texts for host in _URL.findall(text)}
    ours = {entity.partition(":")[2].lower() or entity.lower() for entity in entities}
    foreign = {
        host.lower()
        for host in named
        if not _INSIDE.search(host) and not ours & {host.lower(), host.lower().partition(".")[0]}
    }
    if len({host.lower() for host in looked_up}) >= _LEAST_NAMES:
        foreign.add(RESOLVER)
    return tuple(sorted(foreign))

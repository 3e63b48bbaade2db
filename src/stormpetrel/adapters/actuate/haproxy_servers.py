"""Servers of HAProxy as its runtime API shows them, and which release of a service they are.

Source: HAProxy management guide, 9.3 "Unix Socket commands", `show servers state`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field, field_validator

from stormpetrel.adapters.actuate.settings import Settings
from stormpetrel.errors import ActuatorError

# No `;`, no space, no line end: those part commands. HAProxy's own names allow nothing else.
NAME = r"^[A-Za-z0-9_.:-]{1,120}$"
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-")
READY, MAINTENANCE, DRAIN = 0, 1, 8  # bits of srv_admin_state
_RUNNING = 2  # srv_op_state
_NO_SUCH = ("No such", "Can't find", "Unknown map", "entry not found")
_MOST_SERVERS = 200


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a backend; `name` is BACKEND/SERVER."""

    name: str
    address: str
    running: bool
    admin: int
    weight: int

    @property
    def takes(self) -> bool:
        """Whether it gets traffic when it runs."""
        return self.admin == READY and self.weight > 0

    @property
    def serves(self) -> bool:
        """Whether it gets traffic."""
        return self.running and self.takes


class ReleaseSettings(Settings):
    """Two releases of a service behind one backend, of which one serves: blue and green."""

    backend: str = Field(pattern=NAME, description="the backend")
    versions: dict[str, list[str]] = Field(
        min_length=2, max_length=2, description="the servers of each of the two, by what you call it"
    )

    @field_validator("versions")
    @classmethod
    def _are_apart(cls, versions: dict[str, list[str]]) -> dict[str, list[str]]:
        servers = [one for of in versions.values() for one in of]
        if not all(versions.values()) or len(set(servers)) != len(servers):
            raise ValueError("each version has servers of its own, at least one")
        if any(not one or not set(one) <= LETTERS for one in (*servers, *versions)):
            raise ValueError("names of versions and servers have letters, digits, _ . : and - only")
        if len(servers) > _MOST_SERVERS:
            raise ValueError(f"{len(servers)} servers are too many; at most {_MOST_SERVERS}")
        return versions


def read_servers(backend: str, answer: str) -> list[Server]:
    """The servers of a backend from the answer to `show servers state`; none when there is no such backend.

    Raises:
        ActuatorError: HAProxy says something else.
    """
    lines = answer.splitlines()
    head = next((line.split()[1:] for line in lines if line.startswith("# ")), None)
    if head is None:
        if any(text in "\n".join(lines) for text in _NO_SUCH):
            return []
        raise ActuatorError(f"HAProxy says: {' '.join(lines)[:200] or 'nothing'}")
    rows = [dict(zip(head, line.split(), strict=False)) for line in lines if len(line.split()) >= len(head)]
    return [
        Server(
            f"{backend}/{row['srv_name']}", f"{row['srv_addr']}:{row['srv_port']}",
            row["srv_op_state"] == str(_RUNNING), int(row["srv_admin_state"]) & (MAINTENANCE | DRAIN),
            int(row["srv_uweight"]),
        )
        for row in rows
        if row.get("be_name") == backend
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Release:
    """How the two releases of a service stand.

    Attributes:
        serving: the one that gets all traffic; "" when both do, or none.
        other: the one that gets none; "" where `serving` is.
        healthy: whether a server of the one that serves runs.
        ready: whether all servers of the other one run: it could take over.
        mark: changes with what is set, and not with health.
    """

    serving: str
    other: str
    healthy: bool
    ready: bool
    mark: str


def release_of(settings: ReleaseSettings, servers: Sequence[Server]) -> Release | None:
    """How a service's releases stand; None where a server of them is not there."""
    known = {one.name.partition("/")[2]: one for one in servers}
    of = {
        version: [known[name] for name in names if name in known]
        for version, names in settings.versions.items()
    }
    if any(len(of[version]) != len(names) for version, names in settings.versions.items()):
        return None
    taking = [version for version, its in of.items() if any(one.takes for one in its)]
    serving = taking[0] if len(taking) == 1 else ""
    other = next((version for version in of if serving and version != serving), "")
    states = ",".join(f"{one.name}={one.admin}*{one.weight}" for its in of.values() for one in its)
    return Release(
        serving,
        other,
        any(one.serves for version in taking for one in of[version]),
        bool(other) and all(one.running for one in of[other]),
        f"{serving or 'both or none'} serves ({_short(states)})",
    )


def switch(settings: ReleaseSettings, release: Release, command: Callable[[str], None]) -> None:
    """Give all traffic to the other release: it is made ready first, then the one that serves is drained, so
    that somebody serves at every moment. Each command sets a state and may be given twice."""
    for version, state in ((release.other, "ready"), (release.serving, "drain")):
        for name in settings.versions[version]:
            command(f"set server {settings.backend}/{name} state {state}")


def _short(text: str) -> str:
    """A text that stays below what a generation may have, and still differs where it did."""
    if len(text) <= 120:
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:24]

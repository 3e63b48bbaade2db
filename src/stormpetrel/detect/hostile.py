"""Hostile addresses: one address of which an intrusion detection system tells several kinds of attack."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from stormpetrel.detect.standing import Claim, Standing
from stormpetrel.model.finding import Evidence, Finding, Severity
from stormpetrel.model.records import Alert, AlertState
from stormpetrel.model.signal import SEVERITY_WARN
from stormpetrel.model.time import from_seconds, to_iso, to_seconds

NAME = "hostile_address"
ADDRESS = "address"
# What Suricata's records say; see `ingest.suricata_rows`.
_FROM, _TO, _PROTOCOL = "src_ip", "dest_ip", "proto"
_SPAN = from_seconds(600.0)
_SIGNATURES, _TARGETS = 3, 10  # so many different ones within the span are no accident
_MOST_SEEN = 100  # alerts remembered of one address
_NAN = math.nan


@dataclass(slots=True)
class _Seen:
    """Alerts of one address: time, signature, whom it was at, and the entity that it was told of."""

    alerts: deque[tuple[int, str, str, str]] = field(default_factory=lambda: deque(maxlen=_MOST_SEEN))
    newest: int = 0


class HostileWatch:
    """One finding for each public address of which so many different attacks are told.

    A rule: within ten minutes, three different signatures of severity warning or worse, or one at ten
    different destinations, over TCP: the source of a datagram can be forged, and whoever forges it would
    choose whom is blocked. Only public addresses count; one's own scanner is not a stranger. It closes when
    ten minutes passed without an alert.

    Works on alerts with the labels `src_ip`, `dest_ip` and `proto`, as Suricata's. Fails behind a proxy that
    hides the address, and for what comes from many addresses, a few times each.

    Args:
        most: addresses that are remembered; the longest unheard go first.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._standing = Standing(NAME)

    def update(self, alerts: Iterable[Alert]) -> list[Finding]:
        """Finding changes of these alerts, in their order. O(1) an alert, O(100) for one that counts."""
        return [change for alert in alerts for change in self._take(alert)]

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """What has been quiet for long enough is over."""
        changes: list[Finding] = []
        for address in self._standing.standing():
            one = self._seen.get(address)
            newest = one.newest if one is not None else 0
            if now_unix_nano - newest > _SPAN:
                said = f"Nothing more was told of it since {to_iso(newest)}."
                changes += self._standing.over(address, newest, said)
        return changes

    def _take(self, alert: Alert) -> list[Finding]:
        address = alert.labels.get(_FROM, "")
        if alert.state is not AlertState.FIRING or alert.severity_number < SEVERITY_WARN:
            return []
        if alert.labels.get(_PROTOCOL, "").upper() != "TCP" or not stranger(address):
            return []
        one = self._seen.pop(address, None) or _Seen()
        self._seen[address] = one
        if len(self._seen) > self._most:
            self._forget()
        time = alert.time_unix_nano
        one.alerts.append((time, alert.name, alert.labels.get(_TO, ""), alert.entity))
        one.newest = max(one.newest, time)
        recent = [row for row in one.alerts if one.newest - row[0] <= _SPAN]
        signatures, targets = {row[1] for row in recent}, {row[2] for row in recent}
        if address not in self._standing and len(signatures) < _SIGNATURES and len(targets) < _TARGETS:
            return []
        return self._standing.hold(address, _claim(address, recent, signatures, targets), one.newest)

    def _forget(self) -> None:
        """Let the longest unheard address go that has no finding."""
        old = next((address for address in self._seen if address not in self._standing), None)
        if old is not None:
            del self._seen[old]


def _claim(
    address: str, recent: list[tuple[int, str, str, str]], signatures: set[str], targets: set[str]
) -> Claim:
    first, last = min(row[0] for row in recent), max(row[0] for row in recent)
    entities = [row[3] for row in recent]
    said = "; ".join(sorted(signatures)[:3])[:300]
    return Claim(
        entity=max(sorted(set(entities)), key=entities.count),
        title=f"is attacked from {address}",
        why=(
            f"{len(recent)} alerts with {len(signatures)} signatures at {len(targets)} addresses came from"
            f" {address} within {to_seconds(last - first):.0f} s: {said}."
        ),
        severity=Severity.ERROR,
        since_unix_nano=first,
        evidence=Evidence(
            "alert", f'{{{_FROM}="{address}"}}', -1, first, last, float(len(recent)), _NAN, _NAN, _NAN, 1.0
        ),
        attributes=((ADDRESS, address),),
    )


def stranger(text: str) -> bool:
    """Whether it is a public address: not one of ours, and not one that means something else.

    >>> stranger("8.8.8.8"), stranger("10.0.0.1"), stranger("fe80::1"), stranger("")
    (True, False, False, False)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast

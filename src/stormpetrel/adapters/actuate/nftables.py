"""nftables: drop or slow down what comes from one address, for a limited time.

Works on Linux with nft 0.9 and newer, in a table of its own, `inet NAME`: other tables are neither read nor
changed, and `nft delete table inet NAME` takes everything back. Each entry carries its time to live, kept by
the kernel, and a digest of its key as comment, so that the kernel itself tells which order made it.

Never blocked are own addresses, loopback, link-local, multicast, default gateways, resolvers, and the
networks listed under `never`; list there what you reach this host from. Whole networks cannot be blocked.
Needs CAP_NET_ADMIN.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.programs import run
from stormpetrel.adapters.actuate.settings import ActuatorSettings, Place
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LEAST_SECONDS, MOST_SECONDS = 60, 86_400
_ADDRESS = ParameterSchema("address", "text", True, pattern=r"[0-9a-fA-F.:]{2,45}")
_SECONDS = ParameterSchema("ttl_seconds", "int", True, least=LEAST_SECONDS, most=MOST_SECONDS)


class NftablesSettings(ActuatorSettings):
    """The packet filter of this host."""

    targets: dict[str, str] = Field(
        min_length=1, max_length=20, description="names of tables of our own, by entity, as address-list:edge"
    )
    program: Path = Field(Path("/usr/sbin/nft"), description="nft")
    ip_program: Path = Field(Path("/usr/sbin/ip"), description="ip, to know own addresses and gateways")
    namespace: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]{0,60}$", description="network namespace; empty: ours"
    )
    never: list[str] = Field(default_factory=list, max_length=1000, description="networks never blocked")
    most_addresses: int = Field(1000, ge=1, le=100_000, description="entries of each kind at once")
    rates: list[int] = Field([1, 10, 50, 100], min_length=1, max_length=20, description="packets a second")

    @field_validator("never")
    @classmethod
    def _are_networks(cls, never: list[str]) -> list[str]:
        for text in never:
            ipaddress.ip_network(text, strict=False)  # ValueError names the text
        return never

    @field_validator("targets")
    @classmethod
    def _are_names(cls, targets: dict[str, str]) -> dict[str, str]:
        for name in targets.values():
            if not (name.isascii() and name.isidentifier() and len(name) <= 30):
                raise ValueError(f"{name[:60]!r}: a table has letters, digits and _, 30 at most")
        return targets

    @field_validator("rates")
    @classmethod
    def _are_rates(cls, rates: list[int]) -> list[int]:
        if any(not 1 <= rate <= 1_000_000 for rate in rates):
            raise ValueError("rates are within 1 and 1000000 packets a second")
        return sorted(set(rates))


@dataclass(frozen=True, slots=True)
class _Entry:
    """An address in a set: for how long still, and by which order."""

    rate: int  # 0: blocked
    seconds: int
    comment: str


class NftablesActuator(BaseActuator):
    """Blocks and slows down single addresses.

    An entry that ran out before it was asked for is taken as never made: the order given again makes it for
    its time once more. Costs two to five runs of `nft` and `ip` an act.
    """

    Settings = NftablesSettings
    schemas = (
        ActionSchema(
            "address.block", EffectClass.REVERSIBLE, "block", (_ADDRESS, _SECONDS), "address.unblock", True
        ),
        ActionSchema("address.unblock", EffectClass.REVERSIBLE, "block", (_ADDRESS,), "address.block", True),
        ActionSchema(
            "client.throttle", EffectClass.REVERSIBLE, "rate",
            (_ADDRESS, ParameterSchema("rate", "int", True, least=1, most=1_000_000), _SECONDS),
            "client.unthrottle", True,
        ),
        ActionSchema(
            "client.unthrottle", EffectClass.REVERSIBLE, "rate", (_ADDRESS,), "client.throttle", True
        ),
    )  # fmt: skip

    def __init__(self, place: Place, settings: NftablesSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._own = settings
        self._never = [ipaddress.ip_network(one, strict=False) for one in settings.never]

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        table = self._own.targets[entity]
        code, _, errors = self._nft(["-j", "list", "tables"], deadline)
        if code:
            raise ActuatorError(f"nft: {errors.strip()[:200]}")
        return LiveTarget(entity, True, f"table {table}", True, None)

    @override  # a list of addresses is none
    def _stateful(self, entity: str, live: LiveTarget) -> bool | None:
        return self._settings.stateful.get(entity, False)

    def _unfit(self, action: Action) -> str:
        address = _read(action.parameter("address"))
        if address is None:
            return "the parameter address is no single address"
        rate = action.parameter("rate")
        if action.kind == "client.throttle" and rate not in self._own.rates:
            return f"the rate is not one of {', '.join(map(str, self._own.rates))}"
        if any(address in network for network in self._never):
            return "the address is within a network of `never`"
        if address.is_loopback or address.is_multicast or address.is_link_local or address.is_unspecified:
            return "the address is no client's: loopback, link-local, multicast or unspecified"
        return ""

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        table, action = self._own.targets[target.entity], order.action
        address = _read(action.parameter("address"))
        if address is None:
            raise NotDoneError("the parameter address is no single address")
        entries = self._entries(table, address, deadline)
        adds = action.kind in ("address.block", "client.throttle")
        if adds and str(address) in self._protected(deadline):
            raise NotDoneError("the address is our own, a gateway's or a resolver's, and is never blocked")
        if entries is None:
            if not adds:
                return Effect("it is not on the list")
            self._set_up(table, deadline)
            entries = {}
        steps = [
            self._step("delete", table, address, one) for one in entries.values() if self._same(action, one)
        ]
        if adds:
            rate = int(action.parameter("rate") or 0)
            seconds = int(action.parameter("ttl_seconds") or 0)
            steps.append(self._step("add", table, address, _Entry(rate, seconds, _comment(order.key))))
        if not steps:
            return Effect("it is not on the list")
        code, _, errors = self._nft(["-j", "-f", "-"], deadline, json.dumps({"nftables": steps}))
        if code:  # one transaction: all of it or nothing
            raise NotDoneError(f"nft refuses: {errors.strip()[:200]}")
        return Effect(f"{action.kind} done", (("address", str(address)),))

    @override  # the kernel tells
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        address = _read(order.action.parameter("address"))
        if address is None:
            return False
        entries = self._entries(self._own.targets[target.entity], address, deadline) or {}
        mine = [one for one in entries.values() if self._same(order.action, one)]
        if order.action.kind in ("address.block", "client.throttle"):
            return any(one.comment == _comment(order.key) for one in mine)
        return not mine

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        address, text = _read(action.parameter("address")), str(action.parameter("address"))
        if address is None or len(action.targets) != 1:
            return None
        entries = self._entries(self._own.targets[action.targets[0].entity], address, deadline) or {}
        mine = [one for one in entries.values() if self._same(action, one)]
        back = {"address.block": "address.unblock", "client.throttle": "client.unthrottle"}
        if action.kind in back:
            return None if mine else undoing(action, back[action.kind], address=text)
        if not mine:
            return None
        seconds = min(MOST_SECONDS, max(LEAST_SECONDS, mine[0].seconds))
        if action.kind == "address.unblock":
            return undoing(action, "address.block", address=text, ttl_seconds=seconds)
        return undoing(action, "client.throttle", address=text, ttl_seconds=seconds, rate=mine[0].rate)

    @staticmethod
    def _same(action: Action, entry: _Entry) -> bool:
        """Whether an entry is of the kind that an action is about."""
        return (entry.rate > 0) == action.kind.startswith("client.")

    def _entries(self, table: str, address: Address, deadline: Deadline) -> dict[int, _Entry] | None:
        """What the sets hold of an address, by rate; None while the table is not there."""
        code, answer, errors = self._nft(["-j", "list", "table", "inet", table], deadline)
        if code and "No such file" in errors:
            return None
        if code:
            raise NotDoneError(f"nft: {errors.strip()[:200]}")
        found: dict[int, _Entry] = {}
        for one in json.loads(answer)["nftables"]:
            rate = self._rate_of(one.get("set", {}).get("name", ""), address)
            for element in one.get("set", {}).get("elem", ()) if rate is not None else ():
                inner = element.get("elem", {}) if isinstance(element, dict) else {}
                if rate is not None and inner.get("val") == str(address):
                    found[rate] = _Entry(rate, int(inner.get("expires", 0)), str(inner.get("comment", "")))
        return found

    def _rate_of(self, name: str, address: Address) -> int | None:
        for rate in (0, *self._own.rates):
            if name == _set(rate, address.version):
                return rate
        return None

    def _step(self, verb: str, table: str, address: Address, entry: _Entry) -> dict[str, Any]:
        element: Any = str(address)
        if verb == "add":
            inner = {"val": element, "timeout": entry.seconds, "comment": entry.comment}
            element = {"elem": inner}
        named = {
            "family": "inet",
            "table": table,
            "name": _set(entry.rate, address.version),
            "elem": [element],
        }
        return {verb: {"element": named}}

    def _set_up(self, table: str, deadline: Deadline) -> None:
        """Table, sets and rules in one transaction; `create` fails when another made them just now."""
        lines = [f"create table inet {table}"]
        rules = []
        for version, kind, family in ((4, "ipv4_addr", "ip"), (6, "ipv6_addr", "ip6")):
            for rate in (0, *self._own.rates):
                name, most = _set(rate, version), self._own.most_addresses
                lines.append(f"add set inet {table} {name} {{ type {kind}; flags timeout; size {most}; }}")
                limit = ""
                if rate:
                    meter = f"meter{rate}_{version}"
                    lines.append(
                        f"add set inet {table} {meter}"
                        f" {{ type {kind}; flags dynamic,timeout; timeout 1m; size {most}; }}"
                    )
                    limit = f"update @{meter} {{ {family} saddr limit rate over {rate}/second }} "
                rules.append(f"add rule inet {table} incoming {family} saddr @{name} {limit}counter drop")
        lines.append(
            f"add chain inet {table} incoming {{ type filter hook input priority -10; policy accept; }}"
        )
        code, _, errors = self._nft(["-f", "-"], deadline, "\n".join([*lines, *rules, ""]))
        if code and "File exists" not in errors:
            raise NotDoneError(f"nft refuses: {errors.strip()[:200]}")

    def _protected(self, deadline: Deadline) -> frozenset[str]:
        """Own addresses, default gateways and resolvers, as they are now."""
        found = set()
        for link in self._ip(["addr"], deadline):
            found |= {one.get("local") for one in link.get("addr_info", ())}
        for version in ("-4", "-6"):
            found |= {one.get("gateway") for one in self._ip([version, "route", "show", "default"], deadline)}
        try:
            lines = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        found |= {
            line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1
        }
        return frozenset(str(one) for one in found if one)

    def _ip(self, words: list[str], deadline: Deadline) -> list[dict[str, Any]]:
        space = ["-n", self._own.namespace] if self._own.namespace else []
        code, answer, errors = run([str(self._own.ip_program), *space, "-j", *words], deadline)
        if code:  # whose addresses are ours must be known before anything is blocked
            raise NotDoneError(f"ip: {errors.strip()[:200]}")
        found: list[dict[str, Any]] = json.loads(answer or "[]")
        return found

    def _nft(self, words: list[str], deadline: Deadline, typed: str = "") -> tuple[int, str, str]:
        space = (
            [str(self._own.ip_program), "netns", "exec", self._own.namespace] if self._own.namespace else []
        )
        return run([*space, str(self._own.program), *words], deadline, typed)


def _read(value: object) -> Address | None:
    """One address; IPv4 that is written as IPv6 is IPv4."""
    try:
        found = ipaddress.ip_address(str(value))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _set(rate: int, version: int) -> str:
    return f"block_{version}" if rate == 0 else f"throttle{rate}_{version}"


def _comment(key: str) -> str:
    return f"petrel {hashlib.sha256(key.encode()).hexdigest()[:32]}"

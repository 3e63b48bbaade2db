"""Target groups as Prometheus' file_sd and http_sd write them, and the targets they make.

Formats: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config and
https://prometheus.io/docs/prometheus/latest/http_sd/. There is no relabelling: `__address__`, `__scheme__`,
`__metrics_path__` and `__param_NAME` have their usual meaning, all other labels that begin with `__` are
dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import quote, urlencode, urlsplit

import orjson
import yaml

from stormpetrel.errors import StormPetrelError

# Targets read of one list, before the bound of the configuration: a list of a hostile author ends here.
MAX_LISTED = 100_000
MAX_DEPTH = 10
MAX_LABELS = 64
MAX_LABEL_BYTES = 16 << 10

# Scalars stay text, as Prometheus reads them; the C parser where PyYAML has it.
_YAML_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_ADDRESS = re.compile(r"[^\s/@?#\\]{1,512}")


class DiscoveryError(StormPetrelError):
    """A list of targets that cannot be read; the one read before stays."""

    retryable = True
    reason = "discovery_failed"


@dataclass(frozen=True, slots=True, order=True)
class FoundTarget:
    """One endpoint to scrape, and the labels of all its series, sorted by name."""

    url: str
    labels: tuple[tuple[str, str], ...]


Group = tuple[list[str], dict[str, str]]  # addresses, and the labels they share


def read_json(text: bytes, origin: str) -> list[Group]:
    """Target groups of a JSON list.

    Raises:
        DiscoveryError: naming the origin and what is wrong.
    """
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DiscoveryError(f"{origin} is not JSON: {error}; the targets known before stay") from None
    return _groups(tree, origin)


def read_yaml(text: bytes, origin: str) -> list[Group]:
    """Target groups of a YAML list.

    Raises:
        DiscoveryError: naming the origin and what is wrong.
    """
    try:
        _check_depth(text)
        # A loader that knows texts, lists and mappings only: nothing of the text is ever made an object.
        tree = yaml.load(text, Loader=_YAML_LOADER)  # noqa: S506 - BaseLoader is safer than safe_load
    except (yaml.YAMLError, ValueError) as error:
        raise DiscoveryError(f"{origin} is not YAML: {error}; the targets known before stay") from None
    return _groups([] if tree in (None, "") else tree, origin)


def _check_depth(text: bytes) -> None:
    """The loader takes a step down the stack for each level; ValueError where there are too many."""
    depth = 0
    for event in yaml.parse(text, Loader=_YAML_LOADER):
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            depth += 1
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")


def _groups(tree: Any, origin: str) -> list[Group]:
    if not isinstance(tree, list):
        raise DiscoveryError(f"{origin} is no list of target groups; the targets known before stay")
    groups: list[Group] = []
    listed = 0
    for group in tree:
        if not isinstance(group, dict) or not set(group) <= {"targets", "labels"}:
            raise DiscoveryError(f"{origin}: a target group has `targets` and perhaps `labels`, nothing else")
        targets, labels = group.get("targets") or [], group.get("labels") or {}
        if not _texts(targets) or not isinstance(labels, dict) or not _texts([*labels.values()]):
            raise DiscoveryError(f"{origin}: `targets` is a list of texts, `labels` a mapping of texts")
        listed += len(targets)
        if listed > MAX_LISTED or len(labels) > 4 * MAX_LABELS:
            raise DiscoveryError(f"{origin} lists more than {MAX_LISTED} targets, or too many labels")
        groups.append(([_clean(t) for t in targets], {_clean(k): _clean(v) for k, v in labels.items()}))
    return groups


def _texts(values: Any) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _clean(text: str) -> str:
    """Lone surrogates, which YAML's escapes can make, are replaced."""
    return text.encode(errors="replace").decode()


def targets_of(
    groups: Iterable[Group], job: str, labels: Mapping[str, str]
) -> Iterator[FoundTarget | DiscoveryError]:
    """The targets of groups, each with its labels; an error for each that cannot be one.

    Args:
        groups: as listed.
        job: the label `job`, unless the list says another.
        labels: added to every target; the list's own win.
    """
    for addresses, said in groups:
        for address in addresses:
            try:
                yield _target({"job": job, **labels, **said, "__address__": address})
            except ValueError as error:
                yield DiscoveryError(f"{address[:100]!r} cannot be scraped: {error}")


def _target(labels: dict[str, str]) -> FoundTarget:
    """The target that a label set describes; ValueError says why there is none."""
    scheme = labels.get("__scheme__", "http")
    address = labels["__address__"]
    path = labels.get("__metrics_path__", "/metrics")
    if scheme not in ("http", "https"):
        raise ValueError(f"the scheme is http or https, not {scheme[:20]!r}")
    if not _ADDRESS.fullmatch(address):
        raise ValueError("an address is HOST or HOST:PORT")
    place = urlsplit(f"{scheme}://{address}")
    if not place.hostname:
        raise ValueError("the address names no host")
    if place.port is None:
        address += ":443" if scheme == "https" else ":80"
    parameters = {name[8:]: value for name, value in labels.items() if name.startswith("__param_")}
    query = f"?{urlencode(parameters)}" if parameters else ""
    path = quote(path if path.startswith("/") else f"/{path}", safe="/%:=&~+!$,;'@()*[]")
    own = {name: value for name, value in labels.items() if value and not name.startswith("__")}
    own.setdefault("instance", address)
    if "" in own:
        raise ValueError("a label has no name")
    if len(own) > MAX_LABELS or sum(len(n) + len(v) for n, v in own.items()) > MAX_LABEL_BYTES:
        raise ValueError("it has too many labels, or too long ones")
    return FoundTarget(f"{scheme}://{address}{path}{query}", tuple(sorted(own.items())))

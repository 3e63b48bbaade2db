"""The one typed configuration tree: TOML file, then environment (`STORMPETREL_…`), unknown key = error.

`petrel check-config` prints what is wrong, with the nearest known key for a typing error.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from stormpetrel.app.config_actuators import ActuatorSection
from stormpetrel.app.config_automation import AutomationConfig
from stormpetrel.app.config_backups import BackupsConfig
from stormpetrel.app.config_context import ContextConfig
from stormpetrel.app.config_notify import NotifySection
from stormpetrel.app.config_pages import PagesConfig, SloConfig, named_once
from stormpetrel.app.config_section import Section
from stormpetrel.app.config_sources import SourcesConfig
from stormpetrel.app.config_topology import TopologyConfig
from stormpetrel.app.config_typed import named_well
from stormpetrel.errors import ConfigError
from stormpetrel.ingest.redact_kinds import KIND_NAMES
from stormpetrel.ingest.redact_rules import compiled


class ServerConfig(Section):
    """Where the page and the API listen."""

    host: str = Field("127.0.0.1", description="address to listen on; loopback unless you decide otherwise")
    port: int = Field(7780, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    public_url: str = Field("", description="address people use, for links and cookies; empty: derived")
    max_body_bytes: int = Field(32 << 20, ge=1024, description="largest request body as sent")
    max_unpacked_bytes: int = Field(128 << 20, ge=1024, description="largest request body once decompressed")
    metrics_open: bool = Field(True, description="serve /metrics without a token (loopback callers only)")


class StoreConfig(Section):
    """Where telemetry is kept and for how long."""

    url: str = Field("", description="ClickHouse URL; empty: the engine inside this process")
    memory_bytes: int = Field(1 << 30, ge=128 << 20, description="memory cap of the engine in this process")
    samples_days: int = Field(30, ge=1, description="days to keep metric samples")
    logs_days: int = Field(14, ge=1, description="days to keep log records")
    spans_days: int = Field(7, ge=1, description="days to keep spans")
    flows_days: int = Field(7, ge=1, description="days to keep network flows")
    alerts_days: int = Field(400, ge=1, description="days to keep alerts of other systems, and changes")
    findings_days: int = Field(400, ge=1, description="days to keep findings")
    quarantine_days: int = Field(7, ge=1, description="days to keep quarantined samples")
    control_url: str = Field("", description="SQLAlchemy URL of the control store; empty: SQLite in data_dir")
    fsync: bool = Field(False, description="flush every insert to the device: survives power loss, slower")


class IntakeConfig(Section):
    """Bounds of the intake: queue, batching, lateness, cardinality."""

    queue_rows: int = Field(4_000_000, ge=10_000, description="rows that may wait; beyond it senders get 429")
    batch_rows: int = Field(50_000, ge=100, description="rows per insert aimed at")
    batch_seconds: float = Field(0.2, gt=0, le=10, description="longest wait to fill an insert")
    max_series_per_source: int = Field(250_000, ge=100, description="series one source may have")
    future_seconds: float = Field(300.0, gt=0, description="how far ahead of our clock a sample may be")
    late_seconds: float = Field(7200.0, gt=0, description="how far behind our clock a sample may be")
    gap_factor: float = Field(5.0, ge=2, description="silence longer than this many intervals is a gap")
    source_share: float = Field(
        0.5, gt=0, le=1, description="share of the queue that one source may fill while others send too"
    )
    spill_bytes: int = Field(
        1 << 30,
        ge=0,
        description="what is kept on disk, and acknowledged, while the store is away; 0: nothing",
    )
    stuck_samples: int = Field(240, ge=20, description="repeats after which a moving series counts as stuck")


class RedactPattern(Section):
    """One pattern of your own; what it matches is replaced."""

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$", description="what stands in its place: [name]")
    regex: str = Field(
        min_length=1, max_length=2000, description="RE2 syntax; with a group, only the group goes"
    )

    @field_validator("regex")
    @classmethod
    def _is_usable(cls, regex: str, found: ValidationInfo) -> str:
        compiled(str(found.data.get("name", "")), regex)
        return regex


class RedactConfig(Section):
    """Secrets and personal data are taken out of what is said before anything of it is stored."""

    enabled: bool = Field(True, description="take secrets and personal data out")
    keep: list[str] = Field(
        default_factory=list, description="built-in kinds that are not taken out, for example mail"
    )
    patterns: list[RedactPattern] = Field(default_factory=list, max_length=100, description="your own")

    @field_validator("keep")
    @classmethod
    def _are_known(cls, keep: list[str]) -> list[str]:
        unknown = sorted(set(keep) - set(KIND_NAMES))
        if unknown:
            raise ValueError(f"no such kinds: {', '.join(unknown)}; known are {', '.join(KIND_NAMES)}")
        return keep


class DeriveConfig(Section):
    """Series made from what comes in: of spans, of histograms, and of log patterns."""

    enabled: bool = Field(True, description="derive series from spans, histograms and log patterns")
    step_seconds: float = Field(10.0, ge=1, le=300, description="length of the windows of spans")
    late_seconds: float = Field(20.0, ge=0, le=600, description="how long a window waits for its spans")
    max_operations: int = Field(50, ge=1, le=1000, description="operations of a service; the rest is other")
    max_series: int = Field(2000, ge=1, le=20_000, description="operations and edges followed in all, each")
    max_histograms: int = Field(2000, ge=0, le=20_000, description="histograms that get quantiles")
    pattern_seconds: float = Field(30.0, ge=5, le=600, description="length of the windows of log patterns")
    max_patterns: int = Field(1000, ge=0, le=20_000, description="frequent log patterns followed as series")


class DetectConfig(Section):
    """The detector banks and the first alarm policy: one setting for all series."""

    p_open: float = Field(7e-3, gt=0, lt=1, description="a sample above this p-value is never strange")
    p_close: float = Field(1.1e-2, gt=0, lt=1, description="p-value above which it counts as recovered")
    false_per_day: float = Field(
        3.0,
        gt=0,
        description="false findings a day that all series together may make; tightens p_open",
    )
    discovery_share: float = Field(
        0.05, ge=0, lt=1, description="how many more false ones each finding allows, in the hour after it"
    )
    hold_samples: int = Field(3, ge=1, description="strange samples in a row needed to open")
    close_seconds: float = Field(120.0, gt=0, description="how long it must be recovered to close")
    refractory_seconds: float = Field(900.0, ge=0, description="no second finding on a series within this")
    warmup_samples: int = Field(120, ge=20, description="samples before a series is judged")
    idle_seconds: float = Field(
        900.0, ge=20, description="how long a service needs a replica less before that is told"
    )
    season_seconds: float = Field(86400.0, gt=0, description="length of the season learnt")
    warm_start_hours: float = Field(48.0, ge=0, description="stored past the detectors read at start")
    history_days: float = Field(
        14.0, ge=0, le=60, description="stored past that seasons are learnt from without a snapshot"
    )
    snapshot_minutes: float = Field(
        10.0, ge=0, le=1440, description="how often what the models know is kept on disk; 0: never"
    )


class IncidentConfig(Section):
    """How findings become incidents."""

    window_seconds: float = Field(300.0, gt=0, description="findings this close in time may belong together")
    resolve_seconds: float = Field(300.0, gt=0, description="quiet time after which an incident resolves")
    max_findings: int = Field(500, ge=10, description="findings kept whole in one incident; more are counted")
    shared_entities: int = Field(
        5, ge=2, description="alerts of one name on so many entities at once are one trouble"
    )


class Config(Section):
    """The whole tree."""

    data_dir: Path = Field(Path("data"), description="where everything is kept")
    instance: str = Field("", description="name of this installation; empty: the host's name")
    seed: int = Field(7, description="seed of every random choice")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="least level of this process's own log"
    )
    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    intake: IntakeConfig = IntakeConfig()
    redact: RedactConfig = RedactConfig()
    derive: DeriveConfig = DeriveConfig()
    sources: SourcesConfig = SourcesConfig()
    detect: DetectConfig = DetectConfig()
    incidents: IncidentConfig = IncidentConfig()
    topology: TopologyConfig = TopologyConfig()
    context: ContextConfig = ContextConfig()
    pages: PagesConfig = PagesConfig()
    automation: AutomationConfig = AutomationConfig()
    backups: BackupsConfig = BackupsConfig()
    slo: list[SloConfig] = Field(default_factory=list, max_length=100, description="objectives")
    actuators: dict[str, ActuatorSection] = Field(
        default_factory=dict, max_length=50, description="what automation may act on, and how, by name"
    )
    notify: dict[str, NotifySection] = Field(
        default_factory=dict, max_length=20, description="who is told of what, and by which way, by name"
    )

    @field_validator("slo")
    @classmethod
    def _are_named_once(cls, slo: list[SloConfig]) -> list[SloConfig]:
        return named_once(slo)

    @field_validator("actuators", "notify")
    @classmethod
    def _are_named_well(cls, sections: dict[str, Section]) -> dict[str, Section]:
        return named_well(sections)


def load_config(path: Path | None, overrides: dict[str, Any] | None = None) -> Config:
    """Read the configuration.

    Order, later wins: defaults, the TOML file, environment variables (`STORMPETREL_SERVER__PORT=8000`;
    two underscores step into a section), `overrides` (nested dictionary, from the command line).

    Raises:
        ConfigError: naming file, key, what is wrong, and the nearest known key for an unknown one.
    """
    tree: dict[str, Any] = {}
    origin = "configuration"
    if path is not None:
        origin = str(path)
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such file; give --config a path that exists") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read as TOML: {error}") from error
    _merge(tree, _environment())
    _merge(tree, overrides or {})
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{origin}: {line}" for line in _explain(error))) from error


def _environment() -> dict[str, Any]:
    """`STORMPETREL_A__B=x` as {"a": {"b": "x"}}; an unknown name without a step is another's.

    Raises:
        ConfigError: a section is given a value, and keys beneath it.
    """
    tree: dict[str, Any] = {}
    for name, value in sorted(os.environ.items()):
        if not name.startswith("STORMPETREL_"):
            continue
        parts = name.removeprefix("STORMPETREL_").lower().split("__")
        if parts[0] not in Config.model_fields and len(parts) == 1:
            continue
        node = tree
        for part in parts[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ConfigError(
                    f"environment: {name} is beneath a name that has a value; unset one of the two"
                )
        node[parts[-1]] = value
    return tree


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        key = ".".join(place)
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _known_keys(place[:-1]), n=1, cutoff=0.5)
            hint = f"; did you mean {'.'.join([*place[:-1], near[0]])}?" if near else ""
            lines.append(f"unknown key {key}{hint}")
        elif place[0] in ("actuators", "notify"):  # what was got may hold a secret
            lines.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
        else:
            lines.append(f"{key}: {problem['msg']} (got {problem['input']!r})")
    return lines


def _known_keys(place: list[str]) -> list[str]:
    node: type[BaseModel] = Config
    for part in place:
        if part.isdigit():
            continue
        annotation = node.model_fields[part].annotation
        inner = getattr(annotation, "__args__", (annotation,))[0]
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        node = inner
    return list(node.model_fields)

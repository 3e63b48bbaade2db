"""Write the reference pages that follow from the code: configuration, verdicts, HTTP interface.

`make docs` runs this; a test compares the committed pages with what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stormpetrel.app.config import Config
from stormpetrel.app.registry import ACTUATORS, NOTIFIERS, load_all
from stormpetrel.model.quality import DROPPED, EXPLANATION, KEPT, Quality
from stormpetrel.web import (
    api,
    api_automation,
    api_backups,
    api_bonds,
    api_calendar,
    api_knowledge,
    api_learning,
    api_shares,
    api_topology,
    ops,
)
from stormpetrel.web.access import ACCESS

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"

CONFIGURATION_HEAD = """\
# Configuration

Generated from `stormpetrel.app.config`; do not edit.

Nothing needs to be configured. What is set is read in this order, later wins: the defaults below, the
TOML file given with `--config`, environment variables, options of the command line. The environment
variable of a key is `STORMPETREL_` and its path, with two underscores for each dot: `server.port` is
`STORMPETREL_SERVER__PORT`. An unknown key is an error that names the nearest known one.
"""

ACTUATORS_HEAD = """\
# Sections of actuators

Generated from `stormpetrel.adapters.actuate`; do not edit. What each is for, and which rights it needs, is in
[Actuators](../actuators.md).
"""

NOTIFIERS_HEAD = """\
# Sections of notifications

Generated from `stormpetrel.adapters.notify`; do not edit. What each is for is in
[Notifications](../notifications.md).
"""

VERDICTS_HEAD = """\
# Quality verdicts

Generated from `stormpetrel.model.quality`; do not edit. Every sample earns exactly one of these at
admission. *Kept* samples are stored and judged; *quarantined* ones are stored apart, where nothing learns
from them; *dropped* ones are only counted. All are counted by source on the page *Data quality*.

| number | verdict | what becomes of the sample | meaning |
| --- | --- | --- | --- |
"""


HTTP_HEAD = """\
# HTTP interface

Generated from `stormpetrel.web`; do not edit.

Give a token as `Authorization: Bearer TOKEN`. Answers are JSON; times are Unix nanoseconds, names carry their
unit. `from` and `to` take ISO 8601 (UTC unless it says otherwise) or a time back from now such as `-6h`. An
error is `{"error": {"reason", "message", "retryable"}}` with the fitting status; `reason` is one of a small
fixed set, and 429 and 503 carry `Retry-After`.

Senders use `POST` on the paths of their protocols, with a token of scope *ingest*: see
[Prometheus](../connect/prometheus.md) and [OpenTelemetry](../connect/opentelemetry.md). The header
`X-Storm-Petrel-Source` names the source; without it the token's name does.

| path | who may | parameters | answer |
| --- | --- | --- | --- |
"""

WHO = {
    "public": "anybody",
    "local": "loopback, else *read*",
    "read": "*read*, or a signed-in person",
    "calendar": "*calendar*",
    "heartbeat": "*ingest* or *calendar*",
    "respond": "*respond*",
    "approve": "*approve*",
    "backup": "*backup*",
    "plan": "*read* or *approve*, or a signed-in person",
}


def configuration() -> str:
    """The page of all configuration keys, as Markdown."""
    parts = [CONFIGURATION_HEAD]
    for path, title, section in _sections(Config, "", "Top level"):
        parts.append(f"\n## {title}\n\n{(section.__doc__ or '').strip()}\n")
        parts.append("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
        for name, field in section.model_fields.items():
            if _section_of(field) is None:
                parts.append(_row(f"{path}{name}", field))
    return "".join(parts)


def actuators() -> str:
    """The page of the keys of all actuators, as Markdown."""
    return ACTUATORS_HEAD + _types(ACTUATORS, "actuators.NAME.")


def notifiers() -> str:
    """The page of the keys of all notifiers, as Markdown."""
    return NOTIFIERS_HEAD + _types(NOTIFIERS, "notify.NAME.")


def _types(group: str, place: str) -> str:
    parts = []
    for name, kind in load_all(group).items():
        heading = f"Type `{name}`"
        for path, title, section in _sections(kind.Settings, place, heading):
            level = "##" if title == heading else "###"
            parts.append(f"\n{level} {title}\n\n{(section.__doc__ or '').strip()}\n")
            parts.append("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n")
            for key, field in section.model_fields.items():
                if _section_of(field) is None:
                    parts.append(_row(f"{path}{key}", field))
    return "".join(parts)


def verdicts() -> str:
    """The page of all quality verdicts, as Markdown."""
    rows = []
    for verdict in Quality:
        fate = "kept" if verdict in KEPT else "dropped" if verdict in DROPPED else "quarantined"
        rows.append(f"| {int(verdict)} | `{verdict.name}` | {fate} | {EXPLANATION[verdict]} |\n")
    return VERDICTS_HEAD + "".join(rows)


def http() -> str:
    """The page of the HTTP interface for programs, as Markdown."""
    rows = []
    routers = (
        api.router, api_topology.router, api_bonds.router, api_calendar.router, api_learning.router,
        api_knowledge.router, api_shares.router, api_automation.router, api_backups.router,
        ops.router,
    )  # fmt: skip
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute):
            (method,) = route.methods or {"GET"}
            who = WHO[ACCESS[(method, route.path)].value]
            meaning = (route.endpoint.__doc__ or "").strip().splitlines()[0]
            named = ", ".join(f"`{name}`" for name in _parameters(route))
            rows.append(f"| `{method} {route.path}` | {who} | {named} | {meaning} |\n")
    return HTTP_HEAD + "".join(rows)


def _parameters(route: APIRoute) -> Iterator[str]:
    """Names of the query parameters; a model stands for its fields."""
    for field in route.dependant.query_params:
        model = _section_of(field.field_info)
        if model is None:
            yield field.alias
        else:
            yield from (inner.alias or name for name, inner in model.model_fields.items())


def _sections(section: type[BaseModel], path: str, title: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    yield path, title, section
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        if inner is not None:
            origin = get_origin(field.annotation)
            place = f"{path}{name}.NAME" if origin is dict else f"{path}{name}"
            heading = f"`[[{place}]]`" if origin is list else f"`[{place}]`"
            yield from _sections(inner, f"{place}.", heading)


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section a field holds, or holds a list of."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _row(key: str, field: FieldInfo) -> str:
    kind = field.annotation
    shown = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    if "ActuatorSettings" in shown:
        shown = "sections, each by its type: see Sections of actuators"
    if "NotifySettings" in shown:
        shown = "sections, each by its type: see Sections of notifications"
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{key}` | `{shown}` | {_default(field)} | {meaning} |\n"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, list):
        return ", ".join(f"`{part}`" for part in value) or "none"
    if value in ("", {}):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


PAGES = {
    "configuration.md": configuration,
    "actuators.md": actuators,
    "notifiers.md": notifiers,
    "quality-verdicts.md": verdicts,
    "http.md": http,
}


def main() -> None:
    """Write every generated page whose text changed."""
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

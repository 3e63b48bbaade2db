"""Write the reference pages that follow from the code: configuration keys and quality verdicts.

`make docs` runs this; a test compares the committed pages with what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stormpetrel.app.config import Config
from stormpetrel.model.quality import DROPPED, EXPLANATION, KEPT, Quality

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"

CONFIGURATION_HEAD = """\
# Configuration

Generated from `stormpetrel.app.config`; do not edit.

Nothing needs to be configured. What is set is read in this order, later wins: the defaults below, the
TOML file given with `--config`, environment variables, options of the command line. The environment
variable of a key is `STORMPETREL_` and its path, with two underscores for each dot: `server.port` is
`STORMPETREL_SERVER__PORT`. An unknown key is an error that names the nearest known one.
"""

VERDICTS_HEAD = """\
# Quality verdicts

Generated from `stormpetrel.model.quality`; do not edit. Every sample earns exactly one of these at
admission. *Kept* samples are stored and judged; *quarantined* ones are stored apart, where nothing learns
from them; *dropped* ones are only counted. All are counted by source on the page *Data quality*.

| number | verdict | what becomes of the sample | meaning |
| --- | --- | --- | --- |
"""


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


def verdicts() -> str:
    """The page of all quality verdicts, as Markdown."""
    rows = []
    for verdict in Quality:
        fate = "kept" if verdict in KEPT else "dropped" if verdict in DROPPED else "quarantined"
        rows.append(f"| {int(verdict)} | `{verdict.name}` | {fate} | {EXPLANATION[verdict]} |\n")
    return VERDICTS_HEAD + "".join(rows)


def _sections(section: type[BaseModel], path: str, title: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    yield path, title, section
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        if inner is not None:
            many = inner is not field.annotation
            heading = f"`[[{path}{name}]]`" if many else f"`[{path}{name}]`"
            yield from _sections(inner, f"{path}{name}.", heading)


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section a field holds, or holds a list of."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _row(key: str, field: FieldInfo) -> str:
    kind = field.annotation
    shown = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
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


PAGES = {"configuration.md": configuration, "quality-verdicts.md": verdicts}


def main() -> None:
    """Write every generated page whose text changed."""
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

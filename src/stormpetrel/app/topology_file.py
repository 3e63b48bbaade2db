"""The file in which a person writes down the topology: YAML or TOML, checked line by line.

nodes:
  - entity: service:shop
    role: entry
edges:
  - caller: service:shop
    callee: service:cart
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from stormpetrel.errors import ConfigError
from stormpetrel.model.resource import root_of
from stormpetrel.model.topology import DeclaredTopology, NodeRole

MAX_BYTES = 4 << 20
MAX_NODES, MAX_EDGES = 5_000, 10_000
_FIELDS = {"nodes": ("entity", "role"), "edges": ("caller", "callee")}
_ROLES = [role.value for role in NodeRole]
_ENTITY = re.compile(r"[a-z_]+:\S.{0,300}")
_HEADER = re.compile(r"\s*\[\[\s*(nodes|edges)\s*\]\]")
_SHOWN = 10  # wrong lines told of at once


@dataclass(frozen=True, slots=True)
class _Row:
    """One node or edge as it stands there: its line, and each field with its own."""

    line: int
    fields: dict[str, tuple[int, object]]


def read_topology(path: Path) -> DeclaredTopology:
    """What the file declares.

    Args:
        path: ends with .toml, or is read as YAML.

    Raises:
        ConfigError: it cannot be read, or is wrong; each wrong line is named, up to ten of them.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: more than {MAX_BYTES >> 20} MiB")
    rows = _toml_rows(text, path) if path.suffix == ".toml" else _yaml_rows(text, path)
    wrong = list(_checked(rows))
    if wrong:
        told = [f"{path}:{line}: {what}" for line, what in sorted(wrong)[:_SHOWN]]
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise ConfigError("\n".join([*told, *more]))
    roles = [(_text(row, "entity"), NodeRole(_text(row, "role"))) for row in rows["nodes"]]
    edges = [(_text(row, "caller"), _text(row, "callee")) for row in rows["edges"]]
    named = len({entity for entity, _ in roles} | {end for edge in edges for end in edge})
    if named > MAX_NODES:
        raise ConfigError(f"{path}: it names {named} entities, at most {MAX_NODES} can be declared")
    return DeclaredTopology(tuple(roles), tuple(edges))


# --------------------------------------------------------------------------------------- checking


def _checked(rows: dict[str, list[_Row]]) -> Iterator[tuple[int, str]]:
    """Everything that is wrong, with its line."""
    for section, most in (("nodes", MAX_NODES), ("edges", MAX_EDGES)):
        seen: dict[tuple[str, ...], int] = {}
        for row in rows[section][: most + 1]:
            wrong = list(_wrong_in(row, section))
            yield from wrong
            if wrong:
                continue
            key = (
                (_text(row, "entity"),)
                if section == "nodes"
                else (_text(row, "caller"), _text(row, "callee"))
            )
            if key in seen:
                yield row.line, f"{' to '.join(key)} stands in line {seen[key]} already"
            elif len(set(key)) < len(key):
                yield row.line, f"{key[0]} cannot call itself"
            seen.setdefault(key, row.line)
        if len(rows[section]) > most:
            yield rows[section][most].line, f"more than {most} {section}"


def _wrong_in(row: _Row, section: str) -> Iterator[tuple[int, str]]:
    known = _FIELDS[section]
    for name, (line, value) in row.fields.items():
        if name not in known:
            yield line, f"unknown key {name}; {section} have {' and '.join(known)}"
        elif not isinstance(value, str):
            yield line, f"{name} must be text"
        elif name == "role":
            if value not in _ROLES:
                yield line, f"no such role: {value[:60]}; roles are {', '.join(_ROLES)}"
        elif not _ENTITY.fullmatch(value):
            yield line, f"{name} is written kind:name, as in service:checkout, not {value[:60]!r}"
        elif root_of(value) != value:
            yield line, f"{value[:60]} is a part; name what it is a part of: {root_of(value)[:60]}"
    for name in known:
        if name not in row.fields:
            yield row.line, f"{name} is missing"


def _text(row: _Row, name: str) -> str:
    return str(row.fields[name][1])


# ---------------------------------------------------------------------------------------- reading


def _yaml_rows(text: str, path: Path) -> dict[str, list[_Row]]:
    try:
        tree = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        said = getattr(error, "problem", None) or error
        raise ConfigError(f"{path}:{line}: cannot be read as YAML: {said}") from None
    found: dict[str, list[_Row]] = {"nodes": [], "edges": []}
    if tree is None:
        return found
    if not isinstance(tree, yaml.MappingNode):
        raise ConfigError(f"{path}:{tree.start_mark.line + 1}: it holds nodes and edges, nothing else")
    for key, section in tree.value:
        line = key.start_mark.line + 1
        _known_section(str(key.value), f"{path}:{line}")
        if not isinstance(section, yaml.SequenceNode):
            raise ConfigError(f"{path}:{line}: {key.value} must be a list")
        found[key.value] += [_yaml_row(one, path) for one in section.value]
    return found


def _yaml_row(node: yaml.Node, path: Path) -> _Row:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}:{line}: each of the list is a mapping, as in entity: service:checkout")
    fields = {
        str(key.value): (
            value.start_mark.line + 1,
            value.value if isinstance(value, yaml.ScalarNode) else value,
        )
        for key, value in node.value
    }
    return _Row(line, fields)


def _toml_rows(text: str, path: Path) -> dict[str, list[_Row]]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
    lines = text.splitlines()
    found: dict[str, list[_Row]] = {"nodes": [], "edges": []}
    for name, section in tree.items():
        where = _line_of(lines, 0, name)
        _known_section(name, f"{path}:{where}")
        if not isinstance(section, list) or not all(isinstance(one, dict) for one in section):
            raise ConfigError(f"{path}:{where}: {name} must be a list of tables, [[{name}]]")
        headers = [n for n, line in enumerate(lines) if (m := _HEADER.match(line)) and m[1] == name]
        for place, one in enumerate(section):
            # An array written in one line has no headers: all of it stands where its name does.
            start = headers[place] if len(headers) == len(section) else where - 1
            fields = {key: (_line_of(lines, start, key), value) for key, value in one.items()}
            found[name].append(_Row(start + 1, fields))
    return found


def _line_of(lines: list[str], start: int, name: str) -> int:
    """The line, counted from 1, on which a key or a table of that name stands from a line on."""
    wanted = re.compile(rf"(\s*|.*[{{,\s])\[{{0,2}}\s*[\"']?{re.escape(name)}[\"']?\s*[=\].]")
    return next((n + 1 for n in range(start, len(lines)) if wanted.match(lines[n])), start + 1)


def _known_section(name: str, where: str) -> None:
    if name not in _FIELDS:
        raise ConfigError(f"{where}: unknown key {name[:60]}; known are nodes and edges")

"""A source as plain data and back, and a pattern as a value of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stormpetrel.model.pattern import Pattern
from stormpetrel.patterns.details import Details
from stormpetrel.patterns.groups import Group, Groups, root
from stormpetrel.patterns.header import Layout
from stormpetrel.patterns.kernel import FIRST, ID, IN_MINUTE, LAST, LINES, MINUTE, SEVERITIES, SEVERITY
from stormpetrel.patterns.rows import Rows
from stormpetrel.patterns.stream import Stream


def brief(stream: Stream, group: Group, rows: Rows) -> Pattern:
    """A group as people and later stages see it, without what was sampled of its lines."""
    row = rows.state[group.row].tolist()
    return Pattern(
        id=stream.id_of(group),
        source=stream.name,
        text=group.text(row[LINES]),
        template=" ".join(group.key),
        lines=row[LINES],
        first_unix_nano=row[FIRST],
        last_unix_nano=row[LAST],
        by_minute={},
        severities=tuple(row[SEVERITY : SEVERITY + SEVERITIES]),
        origins=(),
        samples=(),
    )


def shown(stream: Stream, group: Group, rows: Rows) -> Pattern:
    """A group with all that is known of it."""
    row, details = rows.state[group.row].tolist(), rows.details[group.row]
    minutes = dict(details.minutes)
    if row[IN_MINUTE]:
        minutes[row[MINUTE]] = minutes.get(row[MINUTE], 0) + row[IN_MINUTE]
    return replace(
        brief(stream, group, rows),
        by_minute=dict(sorted(minutes.items())),
        origins=tuple(sorted(details.origins.items(), key=lambda pair: (-pair[1], pair[0]))),
        samples=tuple(details.samples),
        variables=tuple(sketch.show(name) for name, sketch in details.variables.items()),
        merged=tuple(details.merged),
        kin=stream.groups.kin(group),
    )


def of_stream(stream: Stream, seen: int, rows: Rows) -> dict[str, Any]:
    """A source as plain data; groups stand in the order of their rows and are named by their place."""
    groups = stream.groups
    live = sorted(groups.live(), key=lambda group: group.row)
    place = {id(group): k for k, group in enumerate(live)}

    def places(some: list[Group]) -> list[int]:
        return list(dict.fromkeys(place[id(root(group))] for group in some))

    return {
        "name": stream.name,
        "seen": seen,
        "evicted": stream.evicted,
        "layout": list(stream.layout.kinds),
        "recent": [list(pair) for pair in stream.recent],
        "merging": groups.merging,
        "groups": [_of_group(group, rows) for group in live],
        "keys": [[list(key), place[id(root(group))]] for key, group in groups.keys.items()],
        "siblings": [[list(key), places(apart)] for key, apart in groups.siblings.items()],
        "general": [[*at, places([g for g in some if g.root is g])] for at, some in groups.general.items()],
        "inventive": [[*at, sorted(words)] for at, words in groups.inventive.items()],
        "open": [[*at, sorted(words)] for at, words in groups.open.items()],
    }


def into_stream(saved: Mapping[str, Any], stream: Stream, rows: Rows) -> int:
    """Fill an empty source from plain data; returns how many lines it had."""
    stream.evicted = int(saved["evicted"])
    stream.layout = Layout(tuple(saved["layout"]))
    stream.recent.extend((line, skeleton) for line, skeleton in saved["recent"])
    groups: Groups = stream.groups
    groups.merging = bool(saved["merging"])
    live = [_group(plain, stream, rows) for plain in saved["groups"]]
    groups.by_row = {group.row: group for group in live}
    groups.keys = {tuple(key): live[k] for key, k in saved["keys"]}
    groups.siblings = {tuple(key): [live[k] for k in some] for key, some in saved["siblings"]}
    groups.general = {(length, first): [live[k] for k in some] for length, first, some in saved["general"]}
    groups.inventive = {(n, k, before): set(words) for n, k, before, words in saved["inventive"]}
    groups.open = {(n, k, before): frozenset(words) for n, k, before, words in saved["open"]}
    return int(saved["seen"])


def _of_group(group: Group, rows: Rows) -> dict[str, Any]:
    constants = None if group.constants is None else [[at, *said] for at, said in group.constants.items()]
    return {
        "key": list(group.key),
        "constants": constants,
        "sample": group.sample,
        "counts": rows.state[group.row].tolist(),
        "details": rows.details[group.row].snapshot(),
    }


def _group(plain: Mapping[str, Any], stream: Stream, rows: Rows) -> Group:
    row = stream.new_row()
    group = Group(row, tuple(plain["key"]))
    if plain["constants"] is not None:
        group.constants = {int(at): (str(text), bool(habit)) for at, text, habit in plain["constants"]}
    group.sample = str(plain["sample"])
    counts = plain["counts"]
    for column in (LINES, FIRST, LAST, MINUTE, IN_MINUTE, *range(SEVERITY, SEVERITY + SEVERITIES)):
        rows.state[row, column] = counts[column]
    rows.set_id(row, int(counts[ID]))
    rows.details[row] = Details.restored(plain["details"])
    return group

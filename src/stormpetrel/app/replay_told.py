"""What other systems told of, as a replay hears it: their alerts and changes, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from stormpetrel.model.record_columns import build_alerts, build_changes
from stormpetrel.model.records import Alert, AlertBatch, Change, ChangeBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import TelemetryStore

# The store gives the newest message of a change or an alert in a window: short ones lose the fewest.
_LENGTHS = tuple(map(from_seconds, (86_400.0, 3600.0, 60.0)))
_MOST = 2_000  # of each kind in a minute

Message = tuple[int, AlertBatch | ChangeBatch]


def told_by_others(store: TelemetryStore, window: Window) -> Iterator[Message]:
    """Each message by itself, with its time. Of several about one thing within a minute, the newest.

    Cost: two small queries a day; of a day in which anything was told two an hour, of such an hour two a
    minute.
    """
    yield from _within(store, window, _LENGTHS)


def _within(store: TelemetryStore, window: Window, lengths: Sequence[int]) -> Iterator[Message]:
    for piece in _pieces(window, lengths[0]):
        if len(lengths) == 1:
            yield from _messages(store, piece)
        elif store.read_changes(piece, 1) or store.read_alerts(piece, 1):
            yield from _within(store, piece, lengths[1:])


def _messages(store: TelemetryStore, window: Window) -> list[Message]:
    told: list[Message] = [
        (one.time_unix_nano, _change(one)) for one in reversed(store.read_changes(window, _MOST))
    ]
    told += [(one.time_unix_nano, _alert(one)) for one in reversed(store.read_alerts(window, _MOST))]
    return sorted(told, key=_time)


def _time(entry: Message) -> int:
    return entry[0]


def _pieces(window: Window, length: int) -> Iterator[Window]:
    for start in range(window.start_unix_nano, window.end_unix_nano, length):
        yield Window(start, min(start + length, window.end_unix_nano))


def _change(one: Change) -> ChangeBatch:
    return build_changes(
        one.time_unix_nano,
        one.change_id,
        one.title,
        source=one.source,
        entity=one.entity,
        kind=one.kind.value,
        state=one.state.value,
        environment=one.environment,
        version=one.version,
        actor=one.actor,
        url=one.url,
        attributes=orjson.dumps(dict(one.attributes)).decode(),
    )


def _alert(one: Alert) -> AlertBatch:
    return build_alerts(
        one.time_unix_nano,
        one.fingerprint,
        source=one.source,
        start_unix_nano=one.start_unix_nano,
        end_unix_nano=one.end_unix_nano,
        entity=one.entity,
        name=one.name,
        state=one.state.value,
        severity_number=one.severity_number,
        summary=one.summary,
        url=one.url,
        labels=orjson.dumps(dict(one.labels)).decode(),
        annotations=orjson.dumps(dict(one.annotations)).decode(),
    )

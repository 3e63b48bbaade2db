"""Log records on their way to the miner: whose lines share a header and a set of patterns.

Lines belong together that one program writes: a service, a container, a file, a process. Where it runs makes
no difference: fifty hosts with one daemon have one set of patterns, and the host is who wrote the line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from stormpetrel.model.pattern import LogLines
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import LogBatch

# Attributes that name the program, most telling first. A file says more than the process in its lines: files
# have a layout of their own, whoever writes into them.
_PROGRAM = (
    "k8s.container.name", "container.name", "container", "container_name", "app", "log.file.path",
    "filename", "process", "systemd.unit", "unit", "job", "logger",
)  # fmt: skip
_LONGEST_NAME = 200
_REMEMBERED = 20_000  # sets of attributes; then the memory begins anew


class LineSources:
    """Names the source of each record, by its entity and its attributes.

    >>> LineSources().name("service:checkout", "host-1", "{}")
    'service:checkout'
    >>> LineSources().name("host:web-1", "syslog", '{"process":"sshd","process.pid":"12"}')
    'syslog/process:sshd'
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], str] = {}

    def name(self, entity: str, source: str, attributes: str) -> str:
        """The name of the source of lines of this entity and attributes (JSON) that came from `source`."""
        asked = (entity, source, attributes)
        known = self._known.get(asked)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[asked] = _name(entity, source, attributes)
        return known

    def lines(self, batch: LogBatch) -> LogLines:
        """The records of a batch as the miner takes them, in order; O(rows), and Python only for each set of
        attributes in it."""
        records = batch.records
        entity, entities = _coded(records.column("entity"))
        whence, sources = _coded(records.column("source"))
        said, attributes = _coded(records.column("attributes"))
        combined = (entity * len(sources) + whence) * len(attributes) + said
        inverse, distinct = _coded(pa.array(combined))
        names: dict[str, int] = {}
        places = np.empty(len(distinct), np.int32)
        for k, one in enumerate(distinct):
            rest, what = divmod(one, len(attributes))
            who, where = divmod(rest, len(sources))
            name = self.name(entities[who], sources[where], attributes[what])
            places[k] = names.setdefault(name, len(names))
        return LogLines(
            text=records.column("body"),
            source=places[inverse],
            sources=tuple(names),
            time_unix_nano=batch.believed_unix_nano(),
            severity_number=np.array(records.column("severity_number").to_numpy()),
            origin=entity.astype(np.int32),
            origins=tuple(root_of(one) for one in entities),
        )


def _name(entity: str, source: str, attributes: str) -> str:
    root = root_of(entity)
    if root.startswith("service:"):
        return root[:_LONGEST_NAME]
    # A path of HTTP or a peer's address in front says how lines came, not whose they are.
    way = source.rsplit("/", 1)[-1]
    try:
        said = orjson.loads(attributes)
    except orjson.JSONDecodeError:
        said = {}
    if isinstance(said, dict):
        for name in _PROGRAM:
            value = said.get(name)
            if isinstance(value, str) and value:
                return f"{way}/{name}:{value}"[:_LONGEST_NAME]
    return f"{way}/{root.partition(':')[0]}"[:_LONGEST_NAME]


def _coded(column: pa.Array) -> tuple[NDArray[np.int64], list[Any]]:
    """A number for each row, and what the numbers stand for."""
    coded = column.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()

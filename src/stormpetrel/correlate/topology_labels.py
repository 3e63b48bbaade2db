"""What labels and span attributes say of edges: what runs where, and which databases and queues are used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from stormpetrel.model.resource import identities_of, root_of
from stormpetrel.model.signal import LogBatch, SeriesInfo, SpanBatch
from stormpetrel.model.topology import NodeRole

# Of two kinds the one with the lower number runs on the other; a kind not named here is a service's equal.
_DEPTH = {"container": 1, "pod": 2, "instance": 3, "host": 4}
_NODE_NAMES = ("k8s.node.name", "k8s_node_name")
# OpenTelemetry span kinds that reach out: client, producer, consumer.
_REACHING_OUT = (3, 4, 5)
# An address says little and there are many: only names are taken.
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_NAME_LETTERS = 200
# A resource's name of its host, as the decoder of OTLP writes it at the beginning of the attributes.
_HOST = re.compile(r'"resource\.(?:host|k8s\.node)\.name": ?"([^"\\]{1,200})"')
_PLACED_ROWS, _RESOURCE_LETTERS = 100, 4000
# Its addresses: an array, or the text of one.
_IPS = re.compile(r'"resource\.host\.ip": ?("?\[[^\]]{1,600}\]|"[^"\\]{1,64}")')
_IP = re.compile(r"[0-9a-fA-F.:]{3,45}")

Leaf = tuple[str, str, NodeRole, int]  # caller, callee, role of the callee, start in Unix nanoseconds


def places_of(info: SeriesInfo) -> list[tuple[str, str]]:
    """Who runs on whom, as the labels of one series have it: its own entity, with every other one named.

    A node of Kubernetes is a host; the label `node` means one only where a pod is named.

    >>> places_of(SeriesInfo(1, "m", (("host", "h"), ("service", "web")), "service:web", "test"))
    [('service:web', 'host:h')]
    """
    labels = dict(info.labels)
    own, named = root_of(info.entity), identities_of(labels)
    node = next((labels[name] for name in _NODE_NAMES if labels.get(name)), "")
    if not node and any(one.startswith("pod:") for one in (own, *named)):
        node = labels.get("node", "")
    others = dict.fromkeys([*named, f"host:{node}"] if node else named)
    return [
        (own, other) if _depth(own) <= _depth(other) else (other, own) for other in others if other != own
    ]


def _depth(root: str) -> int:
    return _DEPTH.get(root.partition(":")[0], 0)


def addresses_of_series(info: SeriesInfo) -> list[tuple[str, str]]:
    """The address of a host with the host, where node_exporter tells the name of the host it is on.

    >>> labels = (("instance", "10.0.0.1:9100"), ("nodename", "db-1"))
    >>> addresses_of_series(SeriesInfo(1, "node_uname_info", labels, "host:db-1", "test"))
    [('10.0.0.1', 'host:db-1')]
    """
    labels = dict(info.labels)
    if info.metric != "node_uname_info" or not labels.get("nodename"):
        return []
    address = labels.get("instance", "").rpartition(":")[0].strip("[]")
    return [(address, f"host:{labels['nodename']}")] if address else []


def addresses_of(batch: SpanBatch | LogBatch) -> Iterator[tuple[str, str, int]]:
    """Addresses of hosts with the host and the time, as resources (`host.ip` beside `host.name`) say."""
    records = batch.records
    time = "start_unix_nano" if isinstance(batch, SpanBatch) else "time_unix_nano"
    telling = records.filter(pc.match_substring(records.column("attributes"), '"resource.host.ip"'))
    step = max(1, -(-telling.num_rows // _PLACED_ROWS))
    rows = telling.select(["attributes", time]).take(pa.array(range(0, telling.num_rows, step), pa.int64()))
    for text, at in zip(*rows.to_pydict().values(), strict=True):
        host, said = _HOST.search(text[:_RESOURCE_LETTERS]), _IPS.search(text[:_RESOURCE_LETTERS])
        if host is not None and said is not None:
            yield from ((address, f"host:{host[1]}", at) for address in _IP.findall(said[1]))


def hosts_of(batch: SpanBatch | LogBatch) -> dict[tuple[str, str], int]:
    """Who runs on which host, as the resources of spans and log records say, with the newest time of it.

    Of a batch at most `_PLACED_ROWS` rows are looked at, evenly spread: a resource says it again and again.
    Hosts and nodes only: the names of pods and containers are new with every deploy.
    """
    records = batch.records
    time = "start_unix_nano" if isinstance(batch, SpanBatch) else "time_unix_nano"
    step = max(1, -(-records.num_rows // _PLACED_ROWS))
    rows = records.select(["entity", "attributes", time]).take(
        pa.array(range(0, records.num_rows, step), pa.int64())
    )
    found: dict[tuple[str, str], int] = {}
    for entity, text, at in zip(*rows.to_pydict().values(), strict=True):
        root = root_of(entity)
        for name in _HOST.findall(text[:_RESOURCE_LETTERS]):
            if _depth(root) < _depth("host:"):
                key = (root, f"host:{name}")
                found[key] = max(at, found.get(key, 0))
    return found


def leaves_of(batch: SpanBatch) -> Iterator[Leaf]:
    """The databases and queues that calling spans of a batch name.

    Of spans of one entity and name only the first of the batch is read: they nearly always reach the same.
    """
    records = batch.records
    attributes = records.column("attributes")
    wanted = pc.and_(
        pc.or_(
            pc.match_substring(attributes, "db.system"), pc.match_substring(attributes, "messaging.system")
        ),
        pc.is_in(records.column("kind"), value_set=pa.array(_REACHING_OUT, pa.uint8())),
    )
    rows = records.filter(wanted).select(["entity", "name", "attributes", "start_unix_nano"]).to_pydict()
    seen: set[tuple[str, str]] = set()
    for entity, name, text, start in zip(*rows.values(), strict=True):
        if (entity, name) in seen:
            continue
        seen.add((entity, name))
        leaf = _leaf(text)
        if leaf is not None:
            yield root_of(entity), leaf[0], leaf[1], start


def _leaf(text: str) -> tuple[str, NodeRole] | None:
    """What a span's attributes, a JSON object, name: a database or a queue, and which."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    database = _first(said, "db.system.name", "db.system")
    messaging = _first(said, "messaging.system")
    if database:
        server = _first(said, "server.address", "net.peer.name")
        name = database if not server or _ADDRESS.fullmatch(server) else server
        return _named(said, "database", name), NodeRole.STORE
    if messaging:
        return _named(said, "queue", _first(said, "messaging.destination.name") or messaging), NodeRole.QUEUE
    return None


def _named(said: dict[str, object], kind: str, name: str) -> str:
    peer = _first(said, "peer.service")
    return root_of(f"service:{peer}" if peer else f"{kind}:{name}")


def _first(said: dict[str, object], *names: str) -> str:
    found = (said.get(name) for name in names)
    return next((text[:_NAME_LETTERS] for text in found if isinstance(text, str) and text), "")

"""What shippers ask an Elasticsearch before they send, and what they are told.

The answers are as small as Filebeat, Logstash, Fluent Bit, Vector and the official clients take them. They
say that what a shipper would set up (templates, life-cycle policies, pipelines) is there already: nothing
of it is needed here, and a shipper that is told so sends.
"""

from __future__ import annotations

from typing import Any

# The version whose bulk interface is spoken. Shippers refuse servers that they take for older than they are.
VERSION = "8.19.0"

_NAME = "storm-petrel"
# Shippers that watch the cluster's identity want twenty-two letters that stay the same.
_CLUSTER = "StormPetrelIngestOnly0"

_ROOT: dict[str, Any] = {
    "name": _NAME,
    "cluster_name": _NAME,
    "cluster_uuid": _CLUSTER,
    "version": {
        "number": VERSION,
        # Clients look at flavor and tagline to find out whether they speak to what they expect.
        "build_flavor": "default",
        "build_type": "tar",
        "build_hash": "0" * 40,
        "build_date": "2025-01-01T00:00:00.000000000Z",
        "build_snapshot": False,
        "lucene_version": "9.12.0",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    },
    "tagline": "You Know, for Search",
}
_LICENSE: dict[str, Any] = {
    "status": "active",
    "uid": "00000000-0000-0000-0000-000000000000",
    "type": "basic",
    "mode": "basic",
    "issue_date": "2025-01-01T00:00:00.000Z",
    "issue_date_in_millis": 1_735_689_600_000,
    "max_nodes": 1000,
    "issued_to": _NAME,
    "issuer": "elasticsearch",
    "start_date_in_millis": -1,
}
_HEALTH: dict[str, Any] = {
    "cluster_name": _NAME,
    "status": "green",
    "timed_out": False,
    "number_of_nodes": 1,
    "number_of_data_nodes": 1,
    "active_primary_shards": 1,
    "active_shards": 1,
    "relocating_shards": 0,
    "initializing_shards": 0,
    "unassigned_shards": 0,
}
_OFF = {"available": False, "enabled": False}
_XPACK: dict[str, Any] = {
    "build": {"hash": "0" * 40, "date": "2025-01-01T00:00:00.000000000Z"},
    "license": {"uid": _LICENSE["uid"], "type": "basic", "mode": "basic", "status": "active"},
    "features": dict.fromkeys(("ilm", "monitoring", "security", "ml", "watcher"), _OFF),
    "tagline": "You know, for X",
}


_ANSWERS: dict[tuple[str, ...], Any] = {
    (): _ROOT,
    ("_license",): {"license": _LICENSE},
    ("_xpack",): _XPACK,
    ("_xpack", "license"): {"license": _LICENSE},
    ("_ilm", "status"): {"operation_mode": "RUNNING"},
}


def answer_to(parts: list[str]) -> Any:
    """The answer to `GET /a/b/c`, asked by its parts; None to what is not known.

    >>> answer_to(["_license"])["license"]["status"]
    'active'
    >>> answer_to(["logs", "_search"]) is None
    True
    """
    known = _ANSWERS.get(tuple(parts))
    if known is not None:
        return known
    return _HEALTH if parts[:2] == ["_cluster", "health"] else _existing("/".join(parts[:-1]), parts[-1])


def _existing(kind: str, name: str) -> Any:
    """What a shipper would have to set up: it exists, and is empty."""
    if kind == "_ilm/policy":
        return {name: {"version": 1, "modified_date": "2025-01-01T00:00:00.000Z", "policy": {"phases": {}}}}
    if kind == "_ingest/pipeline":
        return {name: {"description": "nothing is done to documents here", "processors": []}}
    if kind == "_index_template":
        template = {"index_patterns": [name], "template": {}, "composed_of": [], "data_stream": {}}
        return {"index_templates": [{"name": name, "index_template": template}]}
    if kind == "_component_template":
        return {"component_templates": [{"name": name, "component_template": {"template": {}}}]}
    if kind == "_template":
        return {name: {"order": 0, "index_patterns": [name], "settings": {}, "mappings": {}, "aliases": {}}}
    return None

"""What signals are about: entities, and the one way to write an entity's name.

An entity is written `kind:name`, and a part of an entity `kind:name/kind:name`, for example
`host:web-1`, `service:checkout`, `host:web-1/filesystem:/var`. The text before the first `/`
that starts a `kind:` part is the *root*: findings on one root are about one thing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

UNKNOWN_ENTITY = "unknown:unknown"

_PART = re.compile(r"/(?=[a-z_]+:)")

# OpenTelemetry resource attributes and Prometheus labels, most specific identity first.
_IDENTITY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("service", ("service.name", "service_name", "service")),
    ("pod", ("k8s.pod.name", "k8s_pod_name", "pod")),
    ("container", ("container.name", "container_name")),
    ("host", ("host.name", "host_name", "hostname", "host", "nodename")),
    ("instance", ("service.instance.id", "instance")),
    ("job", ("job",)),
)


def entity_of(attributes: Mapping[str, str]) -> str:
    """The entity that a label or attribute set is about.

    The first of service, pod, container, host, instance, job that is present and not empty names it;
    OpenTelemetry and Prometheus spellings are both known. A `unknown_service` default of an SDK is
    no identity.

    >>> entity_of({"service.name": "checkout", "host.name": "a"})
    'service:checkout'
    >>> entity_of({"instance": "10.0.0.1:9100", "job": "node"})
    'instance:10.0.0.1:9100'
    >>> entity_of({})
    'unknown:unknown'
    """
    for kind, names in _IDENTITY:
        for name in names:
            value = attributes.get(name, "")
            if value and not value.startswith("unknown_service"):
                return f"{kind}:{value}"
    return UNKNOWN_ENTITY


def identities_of(attributes: Mapping[str, str]) -> list[str]:
    """All root entities that a label or attribute set names, a job excepted: it is a group, not a thing.

    >>> identities_of({"service": "checkout", "host": "web-1", "job": "shop"})
    ['service:checkout', 'host:web-1']
    """
    found = (
        (kind, next((attributes[name] for name in names if attributes.get(name)), ""))
        for kind, names in _IDENTITY
        if kind != "job"
    )
    return [f"{kind}:{value}" for kind, value in found if value and not value.startswith("unknown_service")]


def root_of(entity: str) -> str:
    """The root of an entity: what it is a part of, or itself.

    >>> root_of("host:web-1/filesystem:/var")
    'host:web-1'
    >>> root_of("service:checkout")
    'service:checkout'
    """
    return _PART.split(entity, maxsplit=1)[0]

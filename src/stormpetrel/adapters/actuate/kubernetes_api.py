"""The few calls to a Kubernetes API server that the actuator makes, as plain objects, bounded in time.

The library `kubernetes` brings the ways to sign in (kubeconfig, service account, exec plugins) and the paths;
its models are passed by, for they refuse what a newer server adds.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import orjson

from stormpetrel.adapters.actuate.base import Deadline, NotDoneError
from stormpetrel.errors import ActuatorError, ConfigError

MANAGER = "stormpetrel"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
MAX_LISTED = 5000
_PLURALS = {"deployment": "namespaced_deployment", "statefulset": "namespaced_stateful_set"}


class RefusedError(NotDoneError):
    """The API server refuses a request; `status` is its HTTP status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Cluster:
    """One API server.

    Args:
        kubeconfig: file; None: the service account of the pod that we run in.
        context: of the file; "" is its current one.

    Raises:
        ConfigError: the extra is missing, or there is no such file, context or account.
    """

    def __init__(self, kubeconfig: Path | None, context: str) -> None:
        try:
            library: Any = importlib.import_module("kubernetes")
            self._urllib3: Any = importlib.import_module("urllib3")
        except ImportError:
            raise ConfigError("needs the extra kubernetes: pip install 'stormpetrel[kubernetes]'") from None
        configuration = library.client.Configuration()
        try:
            if kubeconfig is None:
                library.config.load_incluster_config(client_configuration=configuration)
            else:
                library.config.load_kube_config(
                    str(kubeconfig), context=context or None, client_configuration=configuration,
                    persist_config=False,
                )  # fmt: skip
        except (library.config.ConfigException, OSError) as error:
            raise ConfigError(f"no way to sign in to the cluster: {error}") from None
        configuration.retries = False  # an order is sent once
        self._configuration = configuration
        self._client: Any = library.client.ApiClient(configuration)
        self._apps: Any = library.client.AppsV1Api(self._client)
        self._core: Any = library.client.CoreV1Api(self._client)
        self._scaling: Any = library.client.AutoscalingV2Api(self._client)

    def read(self, kind: str, namespace: str, name: str, deadline: Deadline) -> dict[str, Any] | None:
        """A deployment, statefulset or node; None when there is none."""
        try:
            if kind == "node":
                return self._call(self._core.read_node, deadline, name)
            return self._call(getattr(self._apps, f"read_{_PLURALS[kind]}"), deadline, name, namespace)
        except RefusedError as refusal:
            if refusal.status == 404:
                return None
            raise

    def patch(self, kind: str, namespace: str, name: str, body: Any, deadline: Deadline) -> dict[str, Any]:
        """Change one by a merge patch, or by a JSON patch where the body is a list.

        Raises:
            RefusedError: 409: it was changed in the meantime.
        """
        how = {"field_manager": MANAGER, "_content_type": JSON_PATCH if isinstance(body, list) else MERGE}
        if kind == "node":
            return self._call(self._core.patch_node, deadline, name, body, **how)
        return self._call(
            getattr(self._apps, f"patch_{_PLURALS[kind]}"), deadline, name, namespace, body, **how
        )

    def replica_sets(
        self, namespace: str, labels: dict[str, str], deadline: Deadline
    ) -> list[dict[str, Any]]:
        """Those with these labels."""
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        return self._list(
            self._apps.list_namespaced_replica_set, deadline, namespace, label_selector=selector
        )

    def autoscalers(self, namespace: str, deadline: Deadline) -> list[dict[str, Any]]:
        """Horizontal pod autoscalers of a namespace."""
        return self._list(self._scaling.list_namespaced_horizontal_pod_autoscaler, deadline, namespace)

    def nodes(self, deadline: Deadline) -> list[dict[str, Any]]:
        """All nodes."""
        return self._list(self._core.list_node, deadline)

    def pods_on(self, node: str, deadline: Deadline) -> list[dict[str, Any]]:
        """All pods of a node."""
        return self._list(
            self._core.list_pod_for_all_namespaces, deadline, field_selector=f"spec.nodeName={node}"
        )

    def evict(self, pod: dict[str, Any], deadline: Deadline) -> None:
        """Ask for a pod to be evicted; RefusedError with 429 while a disruption budget does not allow it."""
        named = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
        body = {
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": named,
            "deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}},
        }  # fmt: skip
        self._call(
            self._core.create_namespaced_pod_eviction, deadline, named["name"], named["namespace"], body
        )

    def secrets(self) -> tuple[str, ...]:
        """What it signs in with, to be taken out of every text."""
        found = [self._configuration.password, *(self._configuration.api_key or {}).values()]
        found += [one.removeprefix("Bearer ") for one in found if one]
        return tuple(one for one in found if one)

    def close(self) -> None:
        """Release connections."""
        self._client.rest_client.pool_manager.clear()

    def _list(self, call: Any, deadline: Deadline, *names: str, **how: Any) -> list[dict[str, Any]]:
        found = self._call(call, deadline, *names, limit=MAX_LISTED, **how)
        if (found.get("metadata") or {}).get("continue"):
            raise ActuatorError(f"the cluster lists more than {MAX_LISTED} objects; narrow its section")
        return list(found.get("items") or ())

    def _call(self, call: Any, deadline: Deadline, *given: Any, **how: Any) -> dict[str, Any]:
        try:
            answer = call(*given, _request_timeout=deadline.left(), _preload_content=False, **how)
            status, content = int(answer.status), bytes(answer.read() or answer.data or b"")
        except Exception as error:  # noqa: BLE001 - each version of the library has its own kinds
            status = int(getattr(error, "status", None) or 0)
            if not status:
                raise self._failure(error) from None
            content = str(getattr(error, "body", "") or "").encode()
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            found = {}
        if not 200 <= status < 300:
            said = f"the API server answered {status}: {str(found.get('message') or '')[:200]}"
            raise RefusedError(status, said) if 400 <= status < 500 and status != 408 else ActuatorError(said)
        if not isinstance(found, dict):
            raise ActuatorError("the API server's answer is no JSON object")
        return found

    def _failure(self, error: Exception) -> ActuatorError:
        never = (self._urllib3.exceptions.NewConnectionError, self._urllib3.exceptions.ConnectTimeoutError)
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, never) or isinstance(getattr(error, "reason", None), never):
            return NotDoneError(f"the API server cannot be reached: {said}")
        return ActuatorError(f"no whole answer of the API server: {said}")

"""A small API server of Kubernetes: what the actuator uses, with the rules that matter.

Resource versions that conflict, generations that rise with the spec alone, merge and JSON patches, field
managers, replica sets with revisions as the deployment controller makes them, evictions within disruption
budgets, label and field selectors, a bearer token, and `Status` objects for every refusal.
"""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.actuate.answering import Answering

TOKEN = "cluster-token-4711-0815"
Object = dict[str, Any]
_PLURALS = {
    "Deployment": "/apis/apps/v1/namespaces/{0}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{0}/replicasets",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{0}/horizontalpodautoscalers",
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/namespaces/{0}/pods",
}
REVISION = "deployment.kubernetes.io/revision"


class ApiServer:
    """`settle`: whether the deployment controller works. `budget`: evictions that are allowed just now."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.patches: list[tuple[str, str, Any]] = []
        self.evicted: list[str] = []
        self.budget = 1000
        self.forbidden = False
        self._version = 100
        self._lock = threading.RLock()
        self._mute = False
        self._end = threading.Event()
        self._server = Answering(self.serve, protocol="HTTP/1.1")
        self.url = self._server.url

    def close(self) -> None:
        self._end.set()
        self._server.close()

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Orders are carried out, and not answered."""
        self._mute = True
        yield
        self._mute = False

    def count(self) -> int:
        return len(self.patches)

    def put(self, kind: str, name: str, spec: Object, namespace: str = "shop", **metadata: Any) -> Object:
        with self._lock:
            path = f"{_PLURALS[kind].format(namespace)}/{name}"
            self._version += 1
            found: Object = {
                "kind": kind, "spec": spec, "status": {},
                "metadata": {
                    "name": name, "namespace": namespace, "uid": str(uuid.uuid4()),
                    "resourceVersion": str(self._version), **({"generation": 1} if kind != "Node" else {}),
                    **metadata,
                },
            }  # fmt: skip
            self.objects[path] = found
            if kind == "Deployment":
                self._controller(found)
            return found

    def find(self, kind: str, name: str, namespace: str = "shop") -> Object:
        return self.objects[f"{_PLURALS[kind].format(namespace)}/{name}"]

    # serving ----------------------------------------------------------------------------------------
    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        address = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, answer = _refusal(401, "Unauthorized")
        elif self.forbidden and request.command != "GET":
            status, answer = _refusal(403, 'deployments.apps "checkout" is forbidden: cannot patch')
        else:
            with self._lock:
                status, answer = self._answer(request, address.path, asked, body)
        if request.command != "GET":
            while self._mute and not self._end.is_set():
                time.sleep(0.02)
        content = json.dumps(answer).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)
        except OSError:
            return

    def _answer(
        self, request: BaseHTTPRequestHandler, path: str, asked: dict[str, str], body: bytes
    ) -> tuple[int, Object]:
        if request.command == "POST" and path.endswith("/eviction"):
            return self._evict(path.removesuffix("/eviction"), json.loads(body))
        if path in self.objects:
            if request.command == "PATCH":
                return self._patch(path, request.headers["Content-Type"], asked, json.loads(body))
            return 200, self.objects[path]
        if request.command == "GET" and (path.endswith("s") and path.rpartition("/")[2].isalpha()):
            return 200, {"kind": "List", "metadata": {}, "items": self._listed(path, asked)}
        return _refusal(404, f"{path} not found")

    def _listed(self, path: str, asked: dict[str, str]) -> list[Object]:
        if path == "/api/v1/pods":
            found = [one for one in self.objects.values() if one["kind"] == "Pod"]
        else:
            found = [one for place, one in self.objects.items() if place.rpartition("/")[0] == path]
        labels = dict(part.split("=") for part in asked.get("labelSelector", "").split(",") if part)
        found = [one for one in found if labels.items() <= (one["metadata"].get("labels") or {}).items()]
        node = asked.get("fieldSelector", "").removeprefix("spec.nodeName=")
        return [one for one in found if not node or one["spec"].get("nodeName") == node]

    def _patch(self, path: str, kind: str, asked: dict[str, str], body: Any) -> tuple[int, Object]:
        old = self.objects[path]
        if isinstance(body, list) != (kind == "application/json-patch+json"):
            return _refusal(415, f"unsupported: {kind}")
        try:
            new = _json_patched(old, body) if isinstance(body, list) else _merged(old, body)
        except ValueError as error:
            return _refusal(422, str(error))
        if new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
            return _refusal(
                409, "the object has been modified; please apply your changes to the latest version"
            )
        if new == old:
            return 200, old
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        if new["spec"] != old["spec"] and "generation" in new["metadata"]:
            new["metadata"]["generation"] += 1
        manager = {"manager": asked.get("fieldManager", "unknown"), "operation": "Update"}
        new["metadata"].setdefault("managedFields", []).append(manager)
        self.objects[path] = new
        self.patches.append((path, manager["manager"], body))
        if new["kind"] == "Deployment":
            self._controller(new)
        return 200, new

    def _controller(self, found: Object) -> None:
        """What the deployment controller does: a replica set for a new template, revisions, the status."""
        metadata, spec = found["metadata"], found["spec"]
        sets = [one for one in self.objects.values() if one["kind"] == "ReplicaSet"]
        sets = [one for one in sets if one["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]]
        last = max((int(one["metadata"]["annotations"][REVISION]) for one in sets), default=0)
        mine = next((one for one in sets if _bare(one["spec"]["template"]) == spec["template"]), None)
        if mine is None:
            template = copy.deepcopy(spec["template"])
            template["metadata"].setdefault("labels", {})["pod-template-hash"] = uuid.uuid4().hex[:9]
            owner = {
                "uid": metadata["uid"],
                "controller": True,
                "kind": "Deployment",
                "name": metadata["name"],
            }
            mine = self.put(
                "ReplicaSet", f"{metadata['name']}-{uuid.uuid4().hex[:6]}", {"template": template},
                metadata["namespace"], ownerReferences=[owner], labels=template["metadata"]["labels"],
                annotations={REVISION: "0"},
            )  # fmt: skip
        if int(mine["metadata"]["annotations"][REVISION]) < last or last == 0:
            mine["metadata"]["annotations"][REVISION] = str(last + 1)
        metadata.setdefault("annotations", {})[REVISION] = mine["metadata"]["annotations"][REVISION]
        count = spec.get("replicas", 1)
        found["status"] = {
            "observedGeneration": metadata["generation"], "updatedReplicas": count,
            "availableReplicas": count,
        }  # fmt: skip

    def _evict(self, path: str, body: Object) -> tuple[int, Object]:
        if path not in self.objects:
            return _refusal(404, "pod not found")
        pod = self.objects[path]
        if body["deleteOptions"]["preconditions"]["uid"] != pod["metadata"]["uid"]:
            return _refusal(409, "the UID in the precondition does not match")
        if self.budget <= 0:
            return _refusal(429, "Cannot evict pod as it would violate the pod's disruption budget.")
        self.budget -= 1
        self.evicted.append(pod["metadata"]["name"])
        del self.objects[path]
        return 201, {"kind": "Status", "status": "Success"}


def _refusal(status: int, message: str) -> tuple[int, Object]:
    return status, {"kind": "Status", "status": "Failure", "message": message, "code": status}


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    found = copy.deepcopy(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), value)
    return found


def _json_patched(old: Object, steps: list[Object]) -> Object:
    """RFC 6902: test, add, replace."""
    found = copy.deepcopy(old)
    for step in steps:
        *parents, last = step["path"].strip("/").split("/")
        node = found
        for one in parents:
            node = node[one]
        if step["op"] == "test":
            if node.get(last) != step["value"]:
                raise ValueError(f"testing path {step['path']} value failed")
        elif step["op"] == "replace" and last not in node:
            raise ValueError(f"replace: {step['path']} is missing")
        else:
            node[last] = copy.deepcopy(step["value"])
    return found


def _bare(template: Object) -> Object:
    found = copy.deepcopy(template)
    found["metadata"]["labels"].pop("pod-template-hash", None)
    return found

"""Objects of an API server in memory, behind the client's `request`: they have resource versions and honour them."""

import asyncio
import base64
import json
from typing import Any

from adapter.errors import ApiServerError

Object = dict[str, Any]


class Objects:
    """Objects by path. Every write counts the version up; a write with an old version is a conflict, as on a real server."""

    def __init__(self) -> None:
        self.by_path: dict[str, Object] = {}
        self.version = 0
        self.writes: list[tuple[str, str, Object]] = []
        self.away = False
        self.forbidden: set[str] = set()  # methods

    def put(self, path: str, thing: Object) -> None:
        """Store *thing* at *path*."""
        self.version += 1
        self.by_path[path] = {**thing, "metadata": {**thing.get("metadata", {}), "resourceVersion": str(self.version)}}

    def get(self, path: str) -> Object:
        """Return the object at *path*; `KeyError` if there is none."""
        return self.by_path[path]

    async def request(self, method: str, path: str, *, body: object = None, content_type: str = "application/json") -> bytes:
        """Do what the client's method of that name does, for single objects."""
        await asyncio.sleep(0)  # others come in between, as on a network
        if self.away:
            raise ApiServerError(0, "connection refused")
        if method in self.forbidden:
            raise ApiServerError(403, f"cannot {method.lower()} this")
        sent = json.loads(json.dumps(body))
        match method:
            case "GET":
                pass
            case "POST":
                path = f"{path}/{sent['metadata']['name']}"
                if path in self.by_path:
                    raise ApiServerError(409, "already exists")
                self._write(method, path, sent)
            case "PUT":
                self._check(path, sent)
                self._write(method, path, sent)
            case "PATCH":
                assert content_type == "application/merge-patch+json"
                self._check(path, sent)
                self._write(method, path, _merged(self.by_path[path], sent))
        if path not in self.by_path:
            raise ApiServerError(404, "not found")
        return json.dumps(self.by_path[path]).encode()

    def _check(self, path: str, sent: Object) -> None:
        if path not in self.by_path:
            raise ApiServerError(404, "not found")
        if sent["metadata"]["resourceVersion"] != self.by_path[path]["metadata"]["resourceVersion"]:
            raise ApiServerError(409, "the object has been modified")

    def _write(self, method: str, path: str, thing: Object) -> None:
        self.writes.append((method, path, thing))
        self.put(path, thing)


def apiservice(service: tuple[str, str] | None, *, ca_bundle: bytes | None = None, insecure: bool = False) -> Object:
    """Return an APIService that points at *service* (namespace, name), or is served by the API server itself."""
    spec: Object = {"group": "custom.metrics.k8s.io", "versionPriority": 100}
    if service is not None:
        spec["service"] = {"namespace": service[0], "name": service[1], "port": 443}
    if ca_bundle is not None:
        spec["caBundle"] = base64.b64encode(ca_bundle).decode()
    if insecure:
        spec["insecureSkipTLSVerify"] = True
    return {"kind": "APIService", "metadata": {"labels": {"team": "metrics"}}, "spec": spec}


def _merged(thing: Object, change: Object) -> Object:
    merged = dict(thing)
    for key, value in change.items():
        merged[key] = _merged(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged

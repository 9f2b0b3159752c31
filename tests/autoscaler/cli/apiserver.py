"""An API server that has some objects, answers reviews, and takes merge patches: as much as the commands' own tests need."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = "/apis/leadtime.dev/v1alpha1"
SPEC = {"scaleTargetRef": {"kind": "Deployment", "name": "vllm-qwen"}, "minReplicas": 1, "maxReplicas": 8, "mode": "Auto"}
STATUS = {
    "currentReplicas": 2,
    "desiredReplicas": 3,
    "readyReplicas": 2,
    "reason": "Demand",
    "signals": "gpu 71/70",
    "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}],
}


@dataclass
class Server:
    """Its objects by path; a list is a path too. *refused* paths are forbidden, and *unserved* ones begin none of its APIs."""

    objects: dict[str, Any] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    failing: dict[str, int] = field(default_factory=dict)
    """Paths that are answered with a status, whatever is there."""
    unserved: tuple[str, ...] = ()
    patched: list[tuple[str, Any]] = field(default_factory=list)
    reviewed: list[Any] = field(default_factory=list)
    allowed: Callable[[Any], bool] = lambda _: True
    now: str = "2027-01-15T08:00:00Z"
    kubeconfig: str = ""
    address: str = ""

    def scaler(self, namespace: str = "llm", name: str = "qwen", **parts: Any) -> dict[str, Any]:
        """Add an InferenceScaler, and return it."""
        metadata = {"name": name, "namespace": namespace, "resourceVersion": "7", **parts.pop("metadata", {})}
        document = {"apiVersion": "leadtime.dev/v1alpha1", "kind": "InferenceScaler", "metadata": metadata, **parts}
        self.objects[f"{ROOT}/namespaces/{namespace}/inferencescalers/{name}"] = document
        for path in (f"{ROOT}/inferencescalers", f"{ROOT}/namespaces/{namespace}/inferencescalers"):
            self.objects.setdefault(path, {"items": []})["items"].append(document)
        return document

    def changed(self) -> Any:
        """Return the one change that was written."""
        assert len(self.patched) == 1
        return self.patched[0][1]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return the status and the document."""
        if path in self.refused:
            return 403, {"kind": "Status", "message": f"{path} is forbidden"}
        if path in self.failing:
            return self.failing[path], {"kind": "Status", "message": "something is wrong"}
        if path.startswith(self.unserved):
            return 404, "404 page not found\n"
        if method == "POST":
            self.reviewed.append(body)
            if body["kind"] == "SelfSubjectReview":
                return 201, {"metadata": {"creationTimestamp": self.now}, "status": {}}
            return 201, {**body, "status": {"allowed": self.allowed(body["spec"]["resourceAttributes"])}}
        found = self.objects.get(path)
        if found is None:
            return 404, {"kind": "Status", "message": f"{path.rpartition('/')[2]} not found"}
        if method == "PATCH":
            self.patched.append((path, body))
        return 200, found


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Run one on loopback, with a kubeconfig in *folder* whose context has the namespace ``llm``."""
    world = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # one connection for all that a command asks
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            asked = json.loads(self.rfile.read(length)) if length else None
            status, document = world.answer(self.command, urlsplit(self.path).path, asked)
            body = (document if isinstance(document, str) else json.dumps(document)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, name="server")
    serving.start()
    kubeconfig = folder / "kubeconfig"
    context = {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "llm"}}
    world.address = f"http://127.0.0.1:{listening.server_port}"
    cluster = {"name": "here", "cluster": {"server": world.address}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [context],
        "clusters": [cluster],
        "users": [{"name": "me", "user": {}}],
    }
    kubeconfig.write_text(json.dumps(document))
    world.kubeconfig = str(kubeconfig)
    try:
        yield world
    finally:
        listening.shutdown()
        serving.join()
        listening.server_close()

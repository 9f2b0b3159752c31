"""Metric backends that fail, each in its own way: a loopback server that speaks as much of Prometheus' API as it takes to fail."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Vector = list[tuple[dict[str, str], str]]

#: One DCGM int64 blank, as exporters have printed it.
BLANK = "9223372036854775794"


@dataclass
class Backends:
    """The server, and the pods that its answers speak of by the ``app`` that asks: `/APP/api/v1/query`."""

    port: int = 0
    pods: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def url(self, fault: str, *, scheme: str = "http") -> str:
        """Return the base URL of the backend that fails as *fault* says."""
        return f"{scheme}://127.0.0.1:{self.port}/{fault}"

    def answer(self, fault: str) -> tuple[int, str, bytes]:
        """Return status, content type and body for a query."""
        match fault:
            case "unauthorized":
                return 401, "text/plain", b"no"
            case "rejected":
                problem = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unclosed left parenthesis"}
                return 400, "application/json", json.dumps(problem).encode()
            case "login":
                return 200, "text/html", b"<html><body>Please sign in</body></html>"
            case "slow":
                self.stop.wait(60.0)
                return 200, "application/json", _vector([])
            case "partial":
                return 200, "application/json", _vector([], warnings=["partial response: store 10.0.0.1 did not answer"])
            case _:
                return 200, "application/json", _vector(self._rows(fault), at=time.time() - (3600 if fault == "stale" else 0))

    def _rows(self, fault: str) -> Vector:
        pods = self.pods.get(fault, [])
        named = [{"namespace": namespace, "pod": pod} for namespace, pod in pods]
        match fault:
            case "nan":
                return [(labels, "NaN") for labels in named]
            case "infinite":
                return [(labels, "+Inf") for labels in named]
            case "blank":
                return [(labels, BLANK) for labels in named]
            case "strangers":
                return [({"namespace": labels["namespace"], "pod": "somebody-else"}, "5") for labels in named]
            case "unlabelled":
                return [({"instance": "10.0.0.1:8000"}, "5")]
            case "ambiguous":
                return [({**labels, "engine": engine}, "5") for labels in named for engine in ("0", "1")]
            case "crowd":
                return [({"namespace": "x", "pod": f"p-{number}"}, "5") for number in range(50)]
            case "half":
                return [(labels, "5") for labels in named[:1]]
            case _:
                return [(labels, "5") for labels in named]


def _vector(rows: Vector, *, at: float | None = None, warnings: list[str] | None = None) -> bytes:
    """Return an instant vector; each row is there twice, as the adapter asks for value and time in one query."""
    now = time.time()
    measured = f"{now if at is None else at:.3f}"
    result: list[dict[str, Any]] = []
    for labels, value in rows:
        result.append({"metric": {**labels, "leadtime_part": "value"}, "value": [now, value]})
        result.append({"metric": {**labels, "leadtime_part": "time"}, "value": [now, measured]})
    answer: dict[str, Any] = {"status": "success", "data": {"resultType": "vector", "result": result}}
    if warnings:
        answer["warnings"] = warnings
    return json.dumps(answer).encode()


@contextlib.contextmanager
def start() -> Iterator[Backends]:
    """Run the backends on a free loopback port while the block runs."""
    made = Backends()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made.answer))
    server.daemon_threads = True
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="backends")
    thread.start()
    try:
        yield made
    finally:
        made.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(answer: Callable[[str], tuple[int, str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content_type, body = answer(self.path.strip("/").split("/")[0])
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: what is asked is the adapter's own log's to tell."""

    return Handler

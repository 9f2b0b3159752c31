"""A real Alertmanager on loopback, and whoever it tells."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.cluster import processes
from tests.integration.rules.programs import program


@dataclass(slots=True)
class Receiver:
    """Takes Alertmanager's messages; they are kept in the order in which they came."""

    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)

    def firing(self) -> dict[str, dict[str, Any]]:
        """Return each alert that was told to be firing, by its name and its scaler."""
        return {
            "/".join(alert["labels"].get(label, "") for label in ("alertname", "scaler")).removesuffix("/"): alert
            for message in list(self.messages)
            for alert in message["alerts"]
            if alert["status"] == "firing"
        }


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listen for messages on a free port."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="receiver")
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}/alerts"
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def start(folder: Path, configuration: str) -> Iterator[str]:
    """Run Alertmanager on *configuration*, and yield its address once it is ready."""
    file = folder / "alertmanager.yaml"
    file.write_text(configuration)
    (port,) = processes.free_ports(1)
    process = processes.start(
        "alertmanager",
        [
            program("alertmanager"),
            f"--config.file={file}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",  # alone
        ],
        folder=folder,
    )
    try:
        processes.wait_ready(process, f"http://127.0.0.1:{port}/-/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


def alerts(url: str) -> list[dict[str, Any]]:
    """Return every alert that Alertmanager at *url* knows, with what it does with it."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found

"""The floor of what Python can do: a bare aiohttp application with one route that returns fixed bytes, over the adapter's TLS.

`start` runs it as a process: ``python -m benchmarks.bare PORT BODY_FILE CERT_FILE KEY_FILE CLIENT_CA_FILE``.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from adapter import serving
from adapter.certificates import Pair
from benchmarks.load import ROOT
from tests.cluster import pki, processes, stack

PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class Bare:
    """A running bare server."""

    port: int
    pid: int


@contextlib.contextmanager
def start(folder: Path, body: bytes, serving_files: pki.Files, client_ca: Path) -> Iterator[Bare]:
    """Serve *body* while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "body.json"
    file.write_bytes(body)
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [
        sys.executable, "-m", "benchmarks.bare", str(port), file, serving_files.cert, serving_files.key, client_ca,
    ]  # fmt: skip
    process = processes.start("bare", command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        processes.wait_ready(process, f"https://127.0.0.1:{port}{PATH}", tls=stack.unverified())
        yield Bare(port, process.pid)
    finally:
        process.stop()


def main(port: str, body: str, cert: str, key: str, client_ca: str) -> None:
    """Serve until a signal comes."""
    content = Path(body).read_bytes()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=content, headers={"Content-Type": "application/json"})

    tls = serving.ServingTls()
    tls.set_certificate(Pair(Path(cert).read_bytes(), Path(key).read_bytes()))
    tls.set_client_cas(Path(client_ca).read_text())
    application = web.Application()
    application.router.add_get(PATH, answer)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(port),
        ssl_context=tls.context,
        access_log=None,
        keepalive_timeout=serving.KEEPALIVE_S,
        print=lambda _: None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

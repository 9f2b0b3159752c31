"""One exporter's page whose values are told: GPU utilisation and queue of any number of pods, and requests that wait in a gateway.

A value counts from the moment in which `show` returns. It is served from a thread of this process.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_GATEWAY = "inference_extension_flow_control_queue_size"


class Values(NamedTuple):
    """What one pod shows: per cent, and requests."""

    gpu_util: int
    waiting: int


@dataclass
class Page:
    """A page that is being served. *pods* are named by their namespace and name, *pools* by those of their Service."""

    url: str = ""
    pods: dict[tuple[str, str], Values] = field(default_factory=dict)
    pools: dict[tuple[str, str], int] = field(default_factory=dict)
    _text: bytes = b""

    def show(
        self, pods: Mapping[tuple[str, str], Values] | None = None, pools: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """Show these values, too, from now on."""
        self.pods.update(pods or {})
        self.pools.update(pools or {})
        self._render()

    def forget(self) -> None:
        """Show no pod any more."""
        self.pods.clear()
        self._render()

    def text(self) -> bytes:
        """Return the page."""
        return self._text

    def _render(self) -> None:
        utils = (f"DCGM_FI_DEV_GPU_UTIL{{{_gpu(*pod)}}} {values.gpu_util}" for pod, values in self.pods.items())
        queues = (f"vllm:num_requests_waiting{{{_pod(*pod)}}} {values.waiting}" for pod, values in self.pods.items())
        gateway = (
            f'{_GATEWAY}{{namespace="{space}",inference_pool="{name}"}} {count}' for (space, name), count in self.pools.items()
        )
        lines = [
            *_family("DCGM_FI_DEV_GPU_UTIL", utils),
            *_family("vllm:num_requests_waiting", queues),
            *_family(_GATEWAY, gateway),
        ]
        self._text = "\n".join([*lines, ""]).encode()


@contextlib.contextmanager
def serve() -> Iterator[Page]:
    """Serve an empty page on loopback while the block runs."""
    page = Page()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = page.text()
            self.send_response(200)
            self.send_header("Content-Type", _TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a request comes every second."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        page.url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield page
        finally:
            server.shutdown()
            thread.join()


def adapter(page: Page, interval_s: float) -> dict[str, Any]:
    """Return the configuration of an adapter that reads *page* by itself every *interval_s*."""
    return {
        "sources": [{"name": "page", "scrape": {"static": [page.url], "interval": f"{interval_s:g}s"}}],
        "rules": [
            {"preset": "dcgm", "only": ["DCGM_FI_DEV_GPU_UTIL"]},
            {"preset": "vllm", "only": ["inference_queue_size"]},
            {
                "metric": "gateway_queue_size",
                "series": [_GATEWAY],
                "object": {
                    "resource": "services",
                    "kind": "Service",
                    "apiVersion": "v1",
                    "nameLabel": "inference_pool",
                    "namespaceLabel": "namespace",
                },
                "reduce": "sum",
            },
        ],
    }


def _family(name: str, samples: Iterable[str]) -> Iterator[str]:
    found = list(samples)
    if found:
        yield f"# TYPE {name} gauge"
        yield from found


def _gpu(namespace: str, pod: str) -> str:
    return f'gpu="0",UUID="GPU-{namespace}-{pod}",hostname="gpu-0",container="vllm",{_pod(namespace, pod)}'


def _pod(namespace: str, pod: str) -> str:
    return f'namespace="{namespace}",pod="{pod}"'

"""The pages of a fleet of any size, rendered once: dcgm-exporter's with eight GPUs each, and vLLM's, one per pod.

Which pods they name is told by ``PUT /pods`` (a list of ``[namespace, name]``); Prometheus finds the pages under ``/targets/dcgm``
and ``/targets/vllm``. Values change every second, and counters grow, for `MOMENTS` seconds; then they begin again. `start` runs it
as a process: ``python -m benchmarks.exporter PORT``.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from autoscaler.sandbox.fleet import pages
from autoscaler.sandbox.fleet.engine import Engine, Finished, Request
from benchmarks.load import ROOT
from tests.cluster import processes

GPUS_PER_PAGE = 8
MOMENTS = 60
_TEXT = "text/plain; version=0.0.4; charset=utf-8"

#: A pod by its namespace and name.
Pod = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Exporter:
    """A running exporter."""

    url: str

    def show(self, pods: Sequence[Pod]) -> None:
        """Show pages of exactly *pods* from now on."""
        request = urllib.request.Request(f"{self.url}/pods", json.dumps(pods).encode(), method="PUT")  # noqa: S310 - http, on loopback
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310

    def jobs(self, *kinds: str) -> list[dict[str, Any]]:
        """Return Prometheus' scrape jobs for pages of *kinds*, ``dcgm`` and ``vllm``."""
        return [
            {"job_name": kind, "http_sd_configs": [{"url": f"{self.url}/targets/{kind}", "refresh_interval": "1s"}]}
            for kind in kinds
        ]


@contextlib.contextmanager
def start(folder: Path) -> Iterator[Exporter]:
    """Run an exporter that shows no pods yet, while the block runs."""
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.exporter", str(port)]
    process = processes.start("exporter", command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        url = f"http://127.0.0.1:{port}"
        processes.wait_ready(process, f"{url}/targets/dcgm")
        yield Exporter(url)
    finally:
        process.stop()


def dcgm_page(number: int, pods: Sequence[Pod], moment: int) -> bytes:
    """Return the page of node *number* at *moment*, whose GPUs have one of *pods* (at most eight) each."""
    gpus = [
        pages.Gpu(
            index, f"GPU-{number:08x}-{index:04x}", 41.0 + (number + index + moment) % 20, 73_200, pages.Workload(*pod, "vllm")
        )
        for index, pod in enumerate(pods)
    ]
    return pages.dcgm(f"gpu-{number}", gpus).encode()


def vllm_pages() -> list[bytes]:
    """Return an engine's page of each moment: three requests wait, and a few more have finished each time."""
    engine = Engine()
    engine.waiting.extend(Request(0.0, 512, 256) for _ in range(3))
    page = pages.VllmPage("Qwen/Qwen3-8B")
    found: list[bytes] = []
    for number in range(MOMENTS * 4):
        page.finished(
            Finished(
                time_to_first_token_s=0.02 + 0.01 * (number % 17),
                inter_token_latency_s=0.01 + 0.002 * (number % 11),
                latency_s=3.0 + 0.2 * (number % 23),
                prompt_tokens=512,
                output_tokens=256,
            )
        )
        if number % 4 == 3:
            page.update(engine)
            found.append(page.render())
    return found


class _Pages:
    """The pages of the pods that were told last."""

    def __init__(self) -> None:
        self._pods: list[Pod] = []
        self._nodes = 0
        self._engine = vllm_pages()
        self._rendered: dict[int, bytes] = {}
        self._moment = 0

    def show(self, pods: list[Pod]) -> None:
        self._pods = pods
        self._nodes = -(-len(pods) // GPUS_PER_PAGE)
        self._rendered.clear()

    def node(self, number: int) -> bytes:
        moment = int(time.time()) % MOMENTS
        if moment != self._moment:
            self._moment = moment
            self._rendered.clear()
        page = self._rendered.get(number)
        if page is None:
            first = number * GPUS_PER_PAGE
            page = self._rendered[number] = dcgm_page(number, self._pods[first : first + GPUS_PER_PAGE], moment)
        return page

    def engine(self) -> bytes:
        return self._engine[int(time.time()) % MOMENTS]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.headers.get("Host", "127.0.0.1")
        match (request.method, request.path.strip("/").split("/")):
            case "GET", ["nodes", number]:
                return web.Response(body=self.node(int(number)), headers={"Content-Type": _TEXT})
            case "GET", ["pods", _, _]:
                return web.Response(body=self.engine(), headers={"Content-Type": _TEXT})
            case "GET", ["targets", "dcgm"]:
                return web.json_response([_target(host, f"/nodes/{number}", {}) for number in range(self._nodes)])
            case "GET", ["targets", "vllm"]:
                named = [(f"/pods/{namespace}/{pod}", {"namespace": namespace, "pod": pod}) for namespace, pod in self._pods]
                return web.json_response([_target(host, path, labels) for path, labels in named])
            case "PUT", ["pods"]:
                self.show([(namespace, name) for namespace, name in await request.json()])
                return web.json_response({"pods": len(self._pods)})
            case _:
                return web.Response(status=404)


def _target(host: str, path: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"targets": [host], "labels": {"__metrics_path__": path, **labels}}


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(web.Server(_Pages().handle, access_log=None), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))

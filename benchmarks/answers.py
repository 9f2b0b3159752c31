"""A Prometheus that has any number of one-GPU pods and answers every query of ours about them, in the time that encoding takes.

`start` runs it as a process: ``python -m benchmarks.answers PORT PODS``.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from adapter.sources import promql
from benchmarks.load import ROOT
from tests.cluster import processes

NAMESPACE = "llm-inference"


def pod_name(number: int) -> str:
    """Return the name of a pod as a ReplicaSet would give it."""
    return f"vllm-qwen-6bf5d7bb6d-{number:05x}"


@contextlib.contextmanager
def start(folder: Path, pods: int) -> Iterator[str]:
    """Yield the URL of a server that has *pods* pods."""
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.answers", str(port), str(pods)]
    process = processes.start("answers", command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        url = f"http://127.0.0.1:{port}"
        processes.wait_ready(process, f"{url}/-/ready")
        yield url
    finally:
        process.stop()


def _series(number: int, part: str) -> str:
    """Return the beginning of a series in an answer, up to its value's time: what dcgm-exporter's series keep in our queries."""
    labels = {
        "UUID": f"GPU-{number:08x}-0c2e-4b6a-9f2d-77a1d5f0e3b1",
        "container": "vllm",
        "gpu": str(number % 8),
        "hostname": f"gpu-{number // 8}",
        "instance": f"10.{number >> 19}.{number >> 11 & 255}.{number >> 3 & 255}:9400",
        "job": "dcgm-exporter",
        promql.PART_LABEL: part,
        "namespace": NAMESPACE,
        "pod": pod_name(number),
    }
    return f'{{"metric":{json.dumps(labels)},"value":['


async def _serve(port: int, pods: int) -> None:
    values = [(number, _series(number, promql.VALUE)) for number in range(pods)]
    times = [_series(number, promql.TIME) for number in range(pods)]

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(text="ready")
        now = round(time.time(), 3)
        found = [f'{head}{now},"{(number * 7 + int(now)) % 101}"]}}' for number, head in values]
        found += [f'{head}{now},"{now - 1.0:.3f}"]}}' for head in times]
        text = f'{{"status":"success","data":{{"resultType":"vector","result":[{",".join(found)}]}}}}'
        return web.Response(text=text, content_type="application/json")

    server = await asyncio.get_running_loop().create_server(web.Server(handle, access_log=None), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))

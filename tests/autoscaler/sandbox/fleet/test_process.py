"""The fleet as a process sees it: pods of an API server in, pages of exporters out, on one port and on the pods' own addresses."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from adapter import selector
from adapter.kube.client import Kube
from adapter.kube.endpoints import Endpoints
from autoscaler.history import PrometheusHistory
from autoscaler.sandbox.fleet.process import DCGM_PORT, GATEWAY_PORT, VLLM_PORT, Process
from autoscaler.sandbox.fleet.simulation import Fleet
from tests.integration.kube.fake_apiserver import FakeApiServer
from tests.integration.kube.waiting import eventually

PODS, NODES = "/api/v1/pods", "/api/v1/nodes"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
ENGINE_IP, EXPORTER_IP, GATEWAY_IP = "127.83.7.1", "127.83.7.2", "127.83.7.3"


def a_pod(name: str, ip: str, app: str = "vllm-qwen", *, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "llm", "uid": f"uid-{name}", "labels": {"app": app}},
        "spec": {"nodeName": "gpu-0", "containers": [{"name": "main"}]},
        "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def a_slice(*pods: str) -> dict[str, Any]:
    """Return the slice of the Service vllm-qwen with these pods behind it."""
    endpoints = [{"addresses": [ENGINE_IP], "targetRef": {"kind": "Pod", "namespace": "llm", "name": pod}} for pod in pods]
    labels = {"kubernetes.io/service-name": "vllm-qwen"}
    return {"metadata": {"name": "s1", "namespace": "llm", "labels": labels}, "addressType": "IPv4", "endpoints": endpoints}


class Running:
    """A running process and a client of its pages."""

    def __init__(self, process: Process, port: int, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.session = session

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(path if "://" in path else self.url + path) as answer:
            return answer.status, await answer.text()

    async def json(self, path: str) -> Any:
        async with self.session.get(self.url + path) as answer:
            return await answer.json()

    async def put(self, path: str, body: object) -> int:
        async with self.session.put(self.url + path, json=body) as answer:
            return answer.status


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        gpus = {"nvidia.com/gpu": "2"}
        server.put(NODES, {"metadata": {"name": "gpu-0"}, "status": {"capacity": gpus, "allocatable": gpus}})
        server.put(PODS, a_pod("qwen-0", ENGINE_IP))
        server.put(PODS, a_pod("dcgm-0", EXPORTER_IP, "nvidia-dcgm-exporter"))
        server.put(SLICES, a_slice("qwen-0"))
        yield server


@pytest.fixture
async def fleet(server: FakeApiServer, tmp_path: Path) -> AsyncIterator[Running]:
    kube = await Kube.connect(server.kubeconfig(tmp_path))
    routed = Endpoints(kube=kube, namespace="llm", service="vllm-qwen", port=VLLM_PORT)
    process = Process(kube, Fleet(), selector.parse("app=vllm-qwen"), routed=routed)
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(process.run(port=0, stop=stop, ready=listening.set_result))
    async with aiohttp.ClientSession() as session:
        found = Running(process, await listening, session)
        await eventually(lambda: process.fleet.pods() and process.nodes)
        yield found
    stop.set()
    await running
    await kube.close()


async def test_pages_stand_under_one_port_and_are_listed_for_prometheus(fleet: Running) -> None:
    await eventually(lambda: "qwen-0" in (fleet.process.fleet.dcgm("gpu-0") or ""))

    assert "vllm:num_requests_running" in (await fleet.get("/pods/llm/qwen-0/metrics"))[1]
    assert 'pod="qwen-0"' in (await fleet.get("/nodes/gpu-0/metrics"))[1]
    assert (await fleet.get("/pods/llm/nobody/metrics"))[0] == 503
    assert (await fleet.get("/nodes/nowhere/metrics"))[0] == 503
    assert (await fleet.get("/nothing"))[0] == 404
    assert await fleet.json("/targets/dcgm") == [
        {"targets": [fleet.url.removeprefix("http://")], "labels": {"__metrics_path__": "/nodes/gpu-0/metrics", "node": "gpu-0"}}
    ]
    (engine,) = await fleet.json("/targets/vllm")
    assert engine["labels"] == {"__metrics_path__": "/pods/llm/qwen-0/metrics", "namespace": "llm", "pod": "qwen-0"}


async def test_a_page_stands_at_its_pods_own_address_until_the_pod_is_gone(fleet: Running, server: FakeApiServer) -> None:
    engine, exporter = f"http://{ENGINE_IP}:{VLLM_PORT}/metrics", f"http://{EXPORTER_IP}:{DCGM_PORT}/metrics"
    await eventually(lambda: len(fleet.process._listeners) == 2)

    assert "vllm:num_requests_running" in (await fleet.get(engine))[1]
    assert "DCGM_FI_DEV_GPU_UTIL" in (await fleet.get(exporter))[1]

    server.delete(PODS, "qwen-0", "llm")
    await eventually(lambda: len(fleet.process._listeners) == 1)
    async with aiohttp.ClientSession() as anew:
        with pytest.raises(aiohttp.ClientConnectorError):
            await anew.get(engine)


async def test_requests_go_to_the_pods_that_are_behind_the_service(fleet: Running, server: FakeApiServer) -> None:
    async def taking() -> int:
        return int((await fleet.json("/state"))["taking"])

    await eventually(lambda: any(pod.routed for pod in fleet.process.fleet.pods()))
    routed = await taking()
    server.put(SLICES, a_slice())
    await eventually(lambda: not any(pod.routed for pod in fleet.process.fleet.pods()))

    assert (routed, await taking()) == (1, 0)
    assert 'llm_d_epp_ready_endpoints{name="vllm-qwen"} 0.0' in (await fleet.get("/gateway/metrics"))[1]


async def test_the_gateways_page_stands_on_the_address_of_its_pod(fleet: Running, server: FakeApiServer) -> None:
    server.put(PODS, a_pod("epp-0", GATEWAY_IP, "vllm-qwen-epp"))

    await eventually(lambda: f"{GATEWAY_IP}:{GATEWAY_PORT}" in fleet.process._listeners)

    page = (await fleet.get(f"http://{GATEWAY_IP}:{GATEWAY_PORT}/metrics"))[1]
    assert "llm_d_epp_flow_control_queue_size{" in page


async def test_load_and_pins_are_set_from_outside_and_nonsense_changes_nothing(fleet: Running) -> None:
    assert await fleet.put("/load", {"points": [[0.0, 7.5]]}) == 200
    assert (await fleet.json("/state"))["rate"] == 7.5
    assert await fleet.put("/pins", {"waiting": 33.0}) == 200
    assert "vllm:num_requests_waiting{" in (await fleet.get("/pods/llm/qwen-0/metrics"))[1]
    assert fleet.process.fleet.pins.waiting == 33.0

    for path, body in (
        ("/load", {"points": [["soon", 1]]}),
        ("/load", {}),
        ("/load", [1]),
        ("/pins", {"speed": 1}),
        ("/load", {"points": []}),
    ):
        assert await fleet.put(path, body) == 400

    assert (await fleet.json("/state"))["rate"] == 7.5
    assert fleet.process.fleet.pins.waiting == 33.0


async def test_after_it_was_told_of_the_past_it_answers_range_queries_as_a_prometheus(fleet: Running) -> None:
    now = time.time()
    history = PrometheusHistory(fleet.url)
    first = int(now) - 100
    told = {"query": "load", "usual": [[0, 10]], "begins_at": now + 5, "day_s": 600, "days": 1, "per_replica": 5.0}

    before = await history.series(query="load", start_s=first, end_s=first + 90, step_s=1)
    status = await fleet.put("/past", told)
    after = await history.series(query="load", start_s=first, end_s=first + 90, step_s=1)
    of_another = await history.series(query="other", start_s=first, end_s=first + 90, step_s=1)
    await history.close()

    assert status == 200
    assert np.isnan(before.values).all()
    assert np.isnan(of_another.values).all()
    # 10 requests per second are two replicas' worth.
    assert 1.5 < after.values.mean() < 2.5


async def test_the_past_ends_now(fleet: Running) -> None:
    now = time.time()
    told = {"query": "load", "usual": [[0, 10]], "begins_at": now + 50, "day_s": 600, "days": 1, "per_replica": 5.0}
    await fleet.put("/past", told)

    answer = await fleet.json(f"/api/v1/query_range?query=load&start={now - 10}&end={now + 40}&step=1")

    ((series),) = answer["data"]["result"]
    assert now - 2 <= max(at for at, _ in series["values"]) <= time.time()


@pytest.mark.parametrize("query", ["query=load", "query=load&start=1&end=2&step=0", "query=load&start=a&end=2&step=1"])
async def test_a_range_query_that_is_none_is_refused(fleet: Running, query: str) -> None:
    told = {"query": "load", "usual": [[0, 10]], "begins_at": 0.0, "day_s": 600, "days": 1, "per_replica": 5.0}
    await fleet.put("/past", told)

    status, text = await fleet.get(f"/api/v1/query_range?{query}")

    assert status == 400
    assert '"errorType": "bad_data"' in text


async def test_a_past_that_is_not_understood_is_refused(fleet: Running) -> None:
    assert await fleet.put("/past", {"query": "load"}) == 400

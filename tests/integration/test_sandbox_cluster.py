"""The sandbox as a whole, where it goes beyond what a real API server would show: addresses, speed, credentials, the process."""

import asyncio
import contextlib
import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from autoscaler.sandbox import cluster
from autoscaler.sandbox.objects import Obj, is_true, name_of
from tests.cluster import waiting
from tests.integration.contract.client import STRATEGIC, Api, Server
from tests.integration.contract.documents import STARTUP, apps, configmap, core, deployment

FAST = cluster.Options(speed=100)
ROUTED = "leadtime.dev/routed"
SLICES = "endpointslices.discovery.k8s.io"


@pytest.fixture
async def sandbox() -> AsyncIterator[cluster.Cluster]:
    async with cluster.serve(FAST) as running:
        yield running


@pytest.fixture
async def api(sandbox: cluster.Cluster, tmp_path: Path) -> AsyncIterator[Api]:
    async with Server.of(sandbox.kubeconfig()).connect(tmp_path) as client:
        yield client


Check = Callable[[list[Obj]], bool]


async def settled(sandbox: cluster.Cluster, resource: str, check: Check) -> list[Obj]:
    """Return the resource's objects once *check* holds for them; it is asked again after changes."""
    changed = asyncio.Event()
    leave = sandbox.store.subscribe(resource, lambda _resource, _event: changed.set())
    try:
        async with asyncio.timeout(20):
            while not check(sandbox.store.objects(resource)):
                changed.clear()
                await changed.wait()
    finally:
        leave()
    return sandbox.store.objects(resource)


def all_ready(count: int) -> Check:
    return lambda pods: len(pods) == count and all(is_true(pod, "Ready") for pod in pods)


async def test_every_pod_has_an_address_of_its_own_that_a_server_can_listen_on(sandbox: cluster.Cluster, api: Api) -> None:
    await api.created(apps("default", "deployments"), deployment("web", replicas=8, gpus=1))

    pods = await settled(sandbox, "pods", all_ready(8))

    addresses = {pod["status"]["podIP"] for pod in pods}
    assert len(addresses) == 8
    for address in addresses:
        with socket.create_server((address, 0)) as listener:
            assert listener.getsockname()[0] == address


async def test_an_address_is_free_again_after_its_pod(sandbox: cluster.Cluster, api: Api) -> None:
    await api.created(apps("default", "deployments"), deployment("web", replicas=3))
    first = await settled(sandbox, "pods", all_ready(3))

    await api.patch(apps("default", "deployments", "web", "scale"), {"spec": {"replicas": 0}})
    await settled(sandbox, "pods", lambda pods: not pods)
    await api.patch(apps("default", "deployments", "web", "scale"), {"spec": {"replicas": 3}})
    second = await settled(sandbox, "pods", all_ready(3))

    before, after = ({pod["status"]["podIP"] for pod in pods} for pods in (first, second))
    assert before.isdisjoint(after)  # not at once: whoever still remembers the old pod would take the new one for it


async def test_a_pod_runs_at_once_and_is_ready_when_its_model_is_loaded(sandbox: cluster.Cluster, api: Api) -> None:
    body = deployment("web", replicas=1)
    body["spec"]["template"]["metadata"]["annotations"][STARTUP] = "100"  # 1 s at this speed
    seen: list[tuple[str, bool]] = []
    sandbox.store.subscribe(
        "pods", lambda _resource, event: seen.append((event.obj["status"]["phase"], is_true(event.obj, "Ready")))
    )
    began = asyncio.get_running_loop().time()

    await api.created(apps("default", "deployments"), body)
    await settled(sandbox, "pods", all_ready(1))

    assert asyncio.get_running_loop().time() - began >= 1.0
    assert list(dict.fromkeys(seen)) == [("Pending", False), ("Running", False), ("Running", True)]


async def test_a_service_lists_its_pods_with_the_port_that_their_containers_name(sandbox: cluster.Cluster, api: Api) -> None:
    ports = [{"name": "metrics", "port": 80, "targetPort": "http"}]
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    await api.created(core("default", "services"), service)
    await api.created(apps("default", "deployments"), deployment("web", replicas=2))

    def listed(slices: list[Obj]) -> bool:
        return sum(each["conditions"]["ready"] for part in slices for each in part["endpoints"] or ()) == 2

    (part,) = await settled(sandbox, "endpointslices.discovery.k8s.io", listed)
    pods = sandbox.store.objects("pods")
    assert part["ports"] == [{"name": "metrics", "protocol": "TCP", "port": 8000}]
    assert {each["addresses"][0] for each in part["endpoints"]} == {pod["status"]["podIP"] for pod in pods}
    assert {each["targetRef"]["name"] for each in part["endpoints"]} == {name_of(pod) for pod in pods}


def behind(pods: dict[str, bool]) -> Check:
    """Return whether the slices hold these pods, and whether each takes requests."""
    return lambda slices: (
        {each["targetRef"]["name"]: each["conditions"]["ready"] for part in slices for each in part["endpoints"] or ()} == pods
    )


async def test_a_pod_leaves_its_service_with_its_label_and_comes_back_with_it(sandbox: cluster.Cluster, api: Api) -> None:
    document = deployment("web", replicas=2)
    document["spec"]["template"]["metadata"]["labels"] = {"app": "web", ROUTED: "true"}
    await api.created(apps("default", "deployments"), document)
    service = {"selector": {"app": "web", ROUTED: "true"}, "ports": [{"port": 80, "targetPort": "http"}]}
    await api.created(core("default", "services"), {"metadata": {"name": "web"}, "spec": service})
    warm, serving = map(name_of, await settled(sandbox, "pods", all_ready(2)))
    await settled(sandbox, SLICES, behind({warm: True, serving: True}))

    await api.patch(core("default", "pods", warm), {"metadata": {"labels": {ROUTED: "false"}}})
    await settled(sandbox, SLICES, behind({serving: True}))
    await api.patch(core("default", "pods", warm), {"metadata": {"labels": {ROUTED: "true"}}})

    await settled(sandbox, SLICES, behind({warm: True, serving: True}))


async def test_a_gate_that_closes_again_takes_its_pod_from_its_service(sandbox: cluster.Cluster, api: Api) -> None:
    await api.created(apps("default", "deployments"), deployment("web", gate=ROUTED))
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
    await api.created(core("default", "services"), {"metadata": {"name": "web"}, "spec": service})
    (pod,) = await settled(sandbox, "pods", lambda pods: len(pods) == 1 and is_true(pods[0], "ContainersReady"))
    name = name_of(pod)

    async def turn(status: str) -> None:
        condition = {"type": ROUTED, "status": status}
        answer = await api.patch(core("default", "pods", name, "status"), {"status": {"conditions": [condition]}}, STRATEGIC)
        assert answer.status == 200, answer.text

    await settled(sandbox, SLICES, behind({name: False}))
    await turn("True")
    await settled(sandbox, SLICES, behind({name: True}))
    await turn("False")
    await settled(sandbox, SLICES, behind({name: False}))

    (pod,) = sandbox.store.objects("pods")
    assert not is_true(pod, "Ready")
    assert is_true(pod, "ContainersReady")


async def test_a_thousand_pods_become_ready(tmp_path: Path) -> None:
    options = cluster.Options(nodes=10, pods_per_node=110, speed=1000)
    async with cluster.serve(options) as sandbox, Server.of(sandbox.kubeconfig()).connect(tmp_path) as api:
        await api.created(apps("default", "deployments"), deployment("web", replicas=1000))

        pods = await settled(sandbox, "pods", all_ready(1000))

        per_node = {pod["spec"]["nodeName"]: 0 for pod in pods}
        for pod in pods:
            per_node[pod["spec"]["nodeName"]] += 1
        assert set(per_node.values()) == {100}
        assert len((await api.get(core("default", "pods"))).names) == 1000


async def test_a_watch_that_falls_behind_a_short_history_is_told_to_list_anew(tmp_path: Path) -> None:
    options = cluster.Options(nodes=0, history=5)
    async with cluster.serve(options) as sandbox, Server.of(sandbox.kubeconfig()).connect(tmp_path) as api:
        path = core("default", "configmaps")
        first = await api.created(path, configmap("a"))
        for number in range(6):
            await api.patch(f"{path}/a", {"data": {"number": str(number)}})

        async with api.watch(path, resourceVersion=first["metadata"]["resourceVersion"]) as events:
            event = await events.next()

    assert (event["type"], event["object"]["reason"]) == ("ERROR", "Expired")


async def test_users_and_service_accounts_get_kubeconfigs_that_work(sandbox: cluster.Cluster, tmp_path: Path) -> None:
    user = Server.of(sandbox.user_kubeconfig("ann", ["team"]))
    async with user.connect(tmp_path) as client:
        who = await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    await settled(sandbox, "serviceaccounts", lambda found: any(name_of(each) == "default" for each in found))

    text = sandbox.service_account_kubeconfig("default", "default")

    info = who.document["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("ann", ["team", "system:authenticated"])
    assert "token: sandbox." in text
    with pytest.raises(LookupError, match="default/absent does not exist"):
        sandbox.service_account_kubeconfig("default", "absent")


async def test_a_client_that_leaves_its_watch_leaves_nothing_behind(sandbox: cluster.Cluster, api: Api) -> None:
    def listeners() -> int:
        return len(sandbox.store._listeners.get("configmaps", ()))

    async with contextlib.AsyncExitStack() as watches:
        for _ in range(5):
            await watches.enter_async_context(api.watch(core("default", "configmaps"), labelSelector="none=such"))
        during = listeners()

    async def forgotten() -> bool:
        return listeners() == 0

    await waiting.eventually(forgotten, what="the watches are forgotten", deadline_s=5)
    assert during == 5


async def test_an_error_of_whoever_uses_it_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with cluster.serve(FAST):
            raise LookupError("mine")


async def test_a_controller_that_fails_brings_the_cluster_down_loudly() -> None:
    async def use() -> None:
        async with cluster.serve(FAST) as running:
            running.store.put("pods", {"metadata": {"name": "no-spec", "namespace": "default", "uid": "1"}})
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as failed:
        await use()

    assert any(isinstance(error, KeyError) for error in failed.value.exceptions)


async def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with cluster.serve(cluster.Options(port=taken.getsockname()[1])):
            pytest.fail("it must not start")


@pytest.mark.parametrize(("options", "message"), [({"speed": 0}, "speed"), ({"nodes": -1}, "nodes"), ({"nodes": 1000}, "nodes")])
def test_options_that_make_no_cluster_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cluster.Options(**options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_when_it_is_ready_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "autoscaler.sandbox.cluster", f"--folder={tmp_path}", "--nodes=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())

        process.send_signal(number)

        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""
    kubeconfig = Path(ready["kubeconfig"])
    assert kubeconfig == tmp_path / "kubeconfig"
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    assert ready["ready"] in kubeconfig.read_text()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cluster.main(["--folder", str(tmp_path / "absent")])

    assert stopped.value.code == 2
    assert "absent is not a folder: create it first" in capsys.readouterr().err

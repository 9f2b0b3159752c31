"""A target that is steered no more: what was held back from requests gets them, and nothing of ours stays on its pods."""

import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from autoscaler.cluster import pods
from autoscaler.cluster.deletion import DELETION_COST
from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.resource.scaler import MANAGER, ROUTED, Key, Mechanism
from autoscaler.seen import PodSeen, Pool, TargetSeen
from tests.autoscaler import town
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)

PODS = f"/api/v1/namespaces/{town.NAMESPACE}/pods"


class Pooled(Town):
    """A target of three pods whose last one is warm, as its scaler asks for; what is done to pods is seen at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, gated: bool = False) -> None:
        super().__init__()
        self.mechanism = Mechanism.GATE if gated else Mechanism.LABEL
        monkeypatch.setattr(town._Pool, "pool", self.pool)
        self.pods.select = self.select  # type: ignore[method-assign]
        self.metrics.per_pod = 10.0  # what is meant for one: the two that serve are right
        self.deploy("qwen", 3)
        for number in range(3):
            self.world.create(f"{PODS}/qwen-{number}", pod(f"qwen-{number}", warm=number == 2, gated=gated))
        self.apply(self.scaler())

    def scaler(self, name: str = "qwen", **spec: object) -> dict[str, Any]:
        return town.scaler(name, warmPool={"min": 1, "max": 1}, **spec)

    def pool(self, _: TargetSeen) -> Pool:
        return Pool(mechanism=self.mechanism, why="")

    def select(self, namespace: str, selector: str) -> list[PodSeen]:
        kind = self.world.verbs.registry.by_resource("pods")
        return [pods.decode(msgspec.json.encode(found)) for found in self.world.verbs.store.objects(kind.resource)]

    async def edit(self, **spec: object) -> None:
        await self.client.request("PATCH", f"{town.SCALERS}/qwen", body={"spec": spec}, content_type=MERGE_PATCH)
        self.scalers.on_change(Key(town.NAMESPACE, "qwen"))

    def mark(self, name: str, cost: str, manager: str) -> None:
        kind = self.world.verbs.registry.by_resource("pods")
        body = {"metadata": {"annotations": {DELETION_COST: cost}}}
        self.world.verbs.patch(kind, town.NAMESPACE, name, body, MERGE_PATCH, manager=manager)

    def held(self) -> list[str]:
        return [each.name for each in self.select(town.NAMESPACE, "") if each.warm(ROUTED)]

    def costs(self) -> dict[str, str]:
        found = self.select(town.NAMESPACE, "")
        return {each.name: each.deletion_cost for each in found if each.deletion_cost is not None}


def pod(name: str, *, warm: bool, gated: bool) -> dict[str, Any]:
    up = ["ContainersReady", "PodScheduled"] + ["Ready"] * (not (warm and gated)) + [ROUTED] * (gated and not warm)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": town.NAMESPACE,
            "labels": {"app": "qwen"} | ({} if gated else {ROUTED: "false" if warm else "true"}),
        },
        "spec": {
            "nodeName": "gpu-1",
            "containers": [{"name": "engine", "image": "vllm"}],
            **({"readinessGates": [{"conditionType": ROUTED}]} if gated else {}),
        },
        "status": {"phase": "Running", "conditions": [{"type": each, "status": "True"} for each in up]},
    }


@pytest.mark.parametrize("gated", [False, True])
async def test_whoever_is_deleted_leaves_pods_that_all_get_requests(monkeypatch: pytest.MonkeyPatch, gated: bool) -> None:
    here = Pooled(monkeypatch, gated=gated)
    before: list[list[str]] = []

    def delete() -> None:
        before.append(here.held())
        here.mark("qwen-0", "-1", MANAGER)
        here.mark("qwen-1", "7", "descheduler")
        here.delete("qwen")

    asyncio.get_running_loop().call_later(20.0, delete)

    await here.steered(23.0)

    assert before == [["qwen-2"]]
    assert (here.held(), here.costs(), here.replicas()) == ([], {"qwen-1": "7"}, 3)


@pytest.mark.parametrize(("mode", "held"), [("Recommend", []), ("Paused", ["qwen-2"])])
async def test_who_goes_over_to_recommend_holds_nothing_back_and_who_pauses_leaves_all_as_it_is(
    monkeypatch: pytest.MonkeyPatch, mode: str, held: list[str]
) -> None:
    here = Pooled(monkeypatch)

    async def edit() -> None:
        await asyncio.sleep(20.0)
        await here.edit(mode=mode)

    editing = asyncio.create_task(edit())
    await here.steered(70.0)
    await editing

    assert here.held() == held


async def test_after_a_pause_it_is_remembered_that_pods_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)

    async def edit() -> None:
        for mode in ("Paused", "Recommend"):
            await asyncio.sleep(20.0)
            await here.edit(mode=mode)

    editing = asyncio.create_task(edit())
    await here.steered(45.0)
    await editing

    assert here.held() == []


async def test_who_takes_over_lets_go_for_whom_it_was_told_while_nobody_led(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)
    await here.steered(20.0)
    await here.edit(mode="Recommend")

    await here.steered(3.0)

    assert here.held() == []


async def test_a_target_that_another_scaler_steers_from_now_on_is_that_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)
    loop = asyncio.get_running_loop()
    loop.call_later(10.0, here.apply, here.scaler("younger"))
    loop.call_later(20.0, here.delete, "qwen")

    await here.steered(70.0)

    assert here.condition("Ready", "younger")["reason"] == "Ready"
    assert here.held() == ["qwen-2"]
    assert here.writes("/pods/qwen-2") == []


async def test_a_hold_that_was_under_way_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)
    loop = asyncio.get_running_loop()
    loop.call_later(20.0, here.delete, "qwen")
    loop.call_later(23.0, here.world.patch, f"{PODS}/qwen-1", {"metadata": {"labels": {ROUTED: "false"}}})

    await here.steered(30.0)

    assert here.held() == []


async def test_what_is_refused_is_said_once_and_tried_a_few_times_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)
    request, refused = here.client.request, 0

    async def refusing(method: str, path: str, **more: object) -> bytes:
        nonlocal refused
        if path.startswith(PODS) and method == "PATCH":
            refused += 1
            raise town.refused(403)
        return await request(method, path, **more)  # type: ignore[arg-type]

    here.client.request = refusing  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    loop.call_later(20.0, here.delete, "qwen")
    loop.call_later(22.0, here.apply, here.scaler("another", mode="Recommend"))

    with capture_logs() as logs:
        await here.steered(100.0)

    said = [entry for entry in logs if entry["event"] == "pods not as decided"]
    assert [entry["problems"] for entry in said] == [["pod qwen-2: Kubernetes API server: 403: refused"]]
    assert (refused, here.held()) == (3, ["qwen-2"])
    assert here.condition("Ready", "another")["reason"] == "Ready"


async def test_who_does_not_lead_any_more_lets_go_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)

    def lose() -> None:
        here.holds = False
        here.delete("qwen")

    asyncio.get_running_loop().call_later(20.0, lose)

    await here.steered(70.0)

    assert here.held() == ["qwen-2"]


async def test_a_target_that_goes_with_its_scaler_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Pooled(monkeypatch)

    def delete() -> None:
        here.world.delete(f"{town.DEPLOYMENTS}/qwen")
        here.delete("qwen")

    asyncio.get_running_loop().call_later(20.0, delete)

    with capture_logs() as logs:
        await here.steered(70.0)

    assert [entry for entry in logs if entry["log_level"] in ("warning", "error")] == []

"""InferenceScalers come, change and go, before and after their kind exists."""

from typing import Any

import msgspec
import pytest

from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from autoscaler.cluster.scalers import Scalers
from autoscaler.resource.scaler import API_VERSION, KIND, PLURAL, Key
from tests.integration.cluster.conftest import NAMESPACE
from tests.integration.cluster.definitions import DEFINITIONS, defined, of_scalers
from tests.integration.contract.client import Api
from tests.integration.kube.waiting import eventually, running

PATH = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/{PLURAL}"
WEB = Key(NAMESPACE, "web")


def scaler(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": {"maxReplicas": 3, **spec}}


@pytest.fixture
def changes() -> list[Key]:
    return []


@pytest.fixture
def scalers(kube: Kube, quick: Pacing, changes: list[Key]) -> Scalers:
    return Scalers(kube=kube, pacing=quick, on_change=changes.append)


async def test_without_their_kind_there_are_none_and_it_is_said_what_to_do(scalers: Scalers, api: Api) -> None:
    health = scalers.health[PLURAL]
    async with running(scalers.run()):
        await eventually(lambda: health.failures >= 2)
        told = health.last_error
        await defined(api, of_scalers())
        await api.created(PATH, scaler())
        await eventually(lambda: scalers.keys() == [WEB])

    assert "no inferencescalers.leadtime.dev: apply the CustomResourceDefinition" in told
    assert health.synced


async def test_what_a_user_writes_is_a_change_and_what_we_report_is_none(scalers: Scalers, api: Api, changes: list[Key]) -> None:
    await defined(api, of_scalers())
    async with running(scalers.run()):
        await api.created(PATH, scaler())
        await eventually(lambda: changes == [WEB])

        await api.patch(f"{PATH}/web/status", {"status": {"desiredReplicas": 2}})
        await api.patch(f"{PATH}/web", {"spec": {"maxReplicas": 5}})
        await eventually(lambda: len(changes) == 2)
        edited = scalers.get(WEB)

        await api.patch(f"{PATH}/web", {"metadata": {"labels": {"team": "a"}}})
        await eventually(lambda: len(changes) == 3)

        await api.delete(f"{PATH}/web")
        await eventually(lambda: len(changes) == 4)

    assert edited is not None
    assert edited["spec"]["maxReplicas"] == 5
    assert scalers.get(WEB) is None
    assert scalers.keys() == []


async def test_a_scaler_that_waits_for_its_finalizers_says_that_it_is_to_go(scalers: Scalers, api: Api, changes: list[Key]) -> None:
    await defined(api, of_scalers())
    kept = scaler()
    kept["metadata"]["finalizers"] = ["example.dev/mine"]
    async with running(scalers.run()):
        await api.created(PATH, kept)
        await eventually(lambda: changes == [WEB])

        await api.delete(f"{PATH}/web")
        await eventually(lambda: len(changes) == 2)

    document = scalers.get(WEB)
    assert document is not None
    assert document["metadata"]["deletionTimestamp"]


async def test_only_the_namespaces_that_are_ours_are_watched(kube: Kube, quick: Pacing, api: Api) -> None:
    await defined(api, of_scalers())
    await api.created(PATH, scaler())
    await api.created(PATH.replace(f"/{NAMESPACE}/", "/kube-system/"), scaler("system"))
    scalers = Scalers(kube=kube, namespaces=("kube-system",), pacing=quick)

    async with running(scalers.run()):
        await eventually(lambda: scalers.health[f"{PLURAL} in kube-system"].synced)

    assert scalers.keys() == [Key("kube-system", "system")]


async def test_the_kind_may_go_and_come_back(scalers: Scalers, api: Api) -> None:
    await defined(api, of_scalers())
    await api.created(PATH, scaler("old"))
    async with running(scalers.run()):
        await eventually(scalers.keys)

        await api.delete(f"{DEFINITIONS}/{PLURAL}.leadtime.dev")
        await eventually(lambda: "apply the CustomResourceDefinition" in scalers.health[PLURAL].last_error)
        await defined(api, of_scalers())
        await api.created(PATH, scaler("new"))

        await eventually(lambda: scalers.keys() == [Key(NAMESPACE, "new")], within_s=10.0)


async def test_whoever_shows_them_hears_of_every_document_with_its_status_and_of_its_end(scalers: Scalers, api: Api) -> None:
    heard: list[tuple[Key, str | None]] = []

    def hear(key: Key, raw: bytes | None) -> None:
        heard.append((key, None if raw is None else msgspec.json.decode(raw).get("status", {}).get("message")))

    scalers.on_document = hear
    await defined(api, of_scalers())
    async with running(scalers.run()):
        await api.created(PATH, scaler())
        await eventually(lambda: heard == [(WEB, None)])
        await api.patch(f"{PATH}/web/status", {"status": {"message": "stays at 2"}})
        await eventually(lambda: (WEB, "stays at 2") in heard)
        await api.delete(f"{PATH}/web")
        await eventually(lambda: heard[-1] == (WEB, None))

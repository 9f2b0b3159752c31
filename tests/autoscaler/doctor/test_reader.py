"""What the doctor asks a cluster, and what it makes of answers that it does not get."""

import pytest

from autoscaler.doctor.diagnosis import diagnose
from autoscaler.doctor.finding import Finding, Level
from autoscaler.doctor.reader import Reader
from autoscaler.doctor.rights import Right
from autoscaler.doctor.seen import Names
from tests.autoscaler.doctor import cases, kube

CONFIGURATION = "/api/v1/namespaces/leadtime/configmaps/of-mine"
SCRAPED = """
sources:
  - name: gpus
    scrape: { endpoints: { namespace: gpu-operator, service: nvidia-dcgm-exporter, port: gpu-metrics } }
rules: [{ preset: dcgm, source: gpus }]
"""
READ = """
sources: [{ name: prometheus, prometheus: { url: "http://prometheus:9090" } }]
rules: [{ preset: dcgm }]
"""


async def examine(server: kube.Kube) -> tuple[Finding, ...]:
    return diagnose(await Reader(server, Names(), clock=lambda: cases.NOW).look())


def rights(server: kube.Kube, account: str) -> set[Right]:
    return {right for user, right in server.asked if user == f"system:serviceaccount:leadtime:{account}"}


def places(server: kube.Kube, account: str, resource: str) -> set[str]:
    return {right.namespace for right in rights(server, account) if right.resource == resource}


async def test_where_all_is_well_nothing_is_found() -> None:
    assert await examine(kube.healthy()) == ()


@pytest.mark.parametrize("status", [0, 401, 429, 500, 504])
async def test_scalers_that_were_not_listed_are_unseen_and_never_none(status: int) -> None:
    server = kube.healthy()
    server.failing[kube.SCALERS] = status

    found = cases.only(await examine(server))

    assert (found.level, found.about) == (Level.UNSEEN, "list inferencescalers.leadtime.dev in all namespaces")


async def test_without_their_kind_there_are_no_scalers() -> None:
    server = kube.healthy()
    del server.objects[kube.SCALERS]

    assert await examine(server) == ()


# ── whose rights ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_daemon_is_asked_about_as_whom_it_acts_and_where_it_looks() -> None:
    server = kube.healthy()
    server.objects[f"{kube.DEPLOYMENTS}/leadtime-adapter"] = cases.deployment("metrics", "--watch-namespace=llm")
    server.objects[f"{kube.DEPLOYMENTS}/leadtime-autoscaler"] = cases.deployment("scaling", "--watch-namespace", "team-a")

    assert await examine(server) == ()

    assert {user.rpartition(":")[2] for user, _ in server.asked} == {"metrics", "scaling"}
    assert places(server, "metrics", "pods") == {"llm"}
    assert places(server, "scaling", "pods") == {"team-a"}


@pytest.mark.parametrize("absent", ["leadtime-adapter", "leadtime-autoscaler"])
async def test_of_a_daemon_that_is_not_there_no_right_is_asked(absent: str) -> None:
    server = kube.healthy()
    del server.objects[f"{kube.DEPLOYMENTS}/{absent}"]
    server.may = lambda user, _: not user.endswith(absent)

    findings = await examine(server)

    assert rights(server, absent) == set()
    assert "right-missing" not in {finding.check for finding in findings}


async def test_where_no_deployment_may_be_seen_nobody_is_said_to_lack_a_right() -> None:
    server = kube.healthy()
    server.failing |= {f"{kube.DEPLOYMENTS}/leadtime-{name}": 403 for name in ("adapter", "autoscaler")}
    server.may = lambda _user, _right: False

    findings = await examine(server)

    assert [finding.level for finding in findings] == [Level.UNSEEN] * 2


@pytest.mark.parametrize(("configuration", "where"), [(SCRAPED, {"gpu-operator"}), (READ, set()), ("sources: [nonsense", set())])
async def test_an_adapter_needs_endpoints_of_the_services_that_it_scrapes(configuration: str, where: set[str]) -> None:
    server = kube.healthy()
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "config", "configMap": {"name": "of-mine"}}]
    adapter = cases.deployment("leadtime-adapter", "--watch-namespace=llm", volumes=volumes)
    server.objects[f"{kube.DEPLOYMENTS}/leadtime-adapter"] = adapter
    server.objects[CONFIGURATION] = {"data": {"adapter.yaml": configuration}}

    assert await examine(server) == ()

    assert places(server, "leadtime-adapter", "endpointslices") == where


async def test_a_configuration_that_may_not_be_read_is_unseen() -> None:
    server = kube.healthy()
    volumes = [{"name": "config", "configMap": {"name": "of-mine"}}]
    server.objects[f"{kube.DEPLOYMENTS}/leadtime-adapter"] = cases.deployment(volumes=volumes)
    server.failing[CONFIGURATION] = 403

    found = cases.only(await examine(server))

    assert "`get configmaps of-mine in namespace leadtime`" in found.fix


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_serves_the_older_version_alone_is_asked_by_that() -> None:
    server = kube.healthy()
    metric = {"type": "Pods", "pods": {"metric": {"name": "waiting_requests"}}}
    server.objects[kube.SCALERS] = {"items": [cases.scaler(metrics=[metric])]}
    del server.objects[f"{kube.DEPLOYMENTS}/leadtime-adapter"]
    del server.objects[f"{kube.APISERVICES}/v1beta2.custom.metrics.k8s.io"]
    others = cases.apiservice("v1beta1", service={"namespace": "monitoring", "name": "prometheus-adapter"})
    server.objects[f"{kube.APISERVICES}/v1beta1.custom.metrics.k8s.io"] = others
    server.objects["/apis/custom.metrics.k8s.io/v1beta1/namespaces/llm/pods/*/waiting_requests"] = {"items": []}

    assert cases.only(await examine(server)).level is Level.NOTE

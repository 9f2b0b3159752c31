"""The doctor on installations as the chart renders them and the docs recommend them: what is left out is no fault."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from autoscaler.doctor.diagnosis import diagnose
from autoscaler.doctor.finding import Finding, Level
from autoscaler.doctor.reader import Reader
from autoscaler.doctor.rights import Right
from autoscaler.doctor.seen import Names
from autoscaler.sandbox import bootstrap, rbac
from autoscaler.sandbox.store import Store
from tests.autoscaler.doctor import cases, kube
from tests.manifests import rendering

NODES = {"it may not list nodes in all namespaces", "it may not watch nodes in all namespaces"}
REVIEWS = {
    "it may not create tokenreviews.authentication.k8s.io in all namespaces",
    "it may not create subjectaccessreviews.authorization.k8s.io in all namespaces",
}
TENANT = "watchNamespace=llm,adapter.enabled=false,rbac.createClusterScoped=false"
#: By the values that docs/install.md has, which daemon is noted as left out, and what is warned of.
INSTALLATIONS: dict[str, tuple[set[str], set[str]]] = {
    "adapter.enabled=true": (set(), set()),
    "adapter.enabled=false": ({"leadtime-adapter"}, set()),
    "autoscaler.enabled=false": ({"leadtime-autoscaler"}, set()),
    "adapter.source=scrape": (set(), set()),
    "watchNamespace=llm": (set(), set()),
    "watchNamespace=llm,adapter.source=scrape": (set(), set()),
    "watchNamespace=llm\\,rag,autoscaler.recommendOnly=true": (set(), set()),
    "serviceAccount.adapter.name=metrics,serviceAccount.autoscaler.name=scaling": (set(), set()),
    "page.enabled=true": (set(), set()),
    "certificates.certManager.enabled=true": (set(), set()),
    TENANT: ({"leadtime-adapter"}, NODES | REVIEWS),
}


def rendered(values: str) -> kube.Kube:
    """Return a cluster in which the chart with *values* runs; without our adapter, prometheus-adapter does, as its chart has it."""
    objects = rendering.chart(f"--set={values}")
    cluster = kube.Kube({path: document for key, found in objects.items() for path, document in _placed(key[0], found)})
    cluster.objects[kube.DEFINITION] = objects["CustomResourceDefinition", None, "inferencescalers.leadtime.dev"]
    if ("Deployment", "leadtime", "leadtime-autoscaler") in objects:
        cluster.objects[kube.LEASE] = cases.lease()
        mode = "Recommend" if "recommendOnly" in values else "Auto"
        cluster.objects[kube.SCALERS] = {"items": [cases.scaler(mode=mode)]}
    if ("Deployment", "leadtime", "leadtime-adapter") not in objects:
        others = {"namespace": "monitoring", "name": "prometheus-adapter"}
        document = cases.apiservice("v1beta1", service=others, insecureSkipTLSVerify=True)
        cluster.objects[f"{kube.APISERVICES}/v1beta1.custom.metrics.k8s.io"] = document
    for path in (kube.SCALERS, "/apis/autoscaling/v2/horizontalpodautoscalers", "/apis/apps/v1/daemonsets"):
        cluster.objects.setdefault(path, {"items": []})
    store = _roles(objects)
    cluster.may = lambda user, right: _may(store, user, right)
    return cluster


def _placed(kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    name = document["metadata"]["name"]
    match kind:
        case "Deployment":
            yield f"{kube.DEPLOYMENTS}/{name}", {**document, "status": {"readyReplicas": 2}}
        case "APIService":
            available = {"conditions": [cases.condition("Available", "True", "Passed")]}
            yield f"{kube.APISERVICES}/{name}", {**document, "status": available}
        case "ConfigMap":
            yield f"/api/v1/namespaces/leadtime/configmaps/{name}", document
        case _:
            pass


def _roles(objects: rendering.Objects) -> Store:
    store = Store()
    for resource, document in bootstrap.objects("", ""):
        store.put(resource, document)
    for (kind, _, _), found in objects.items():
        if kind in {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}:
            store.put(f"{kind.lower()}s.{rbac.GROUP}", dict(found))
    return store


def _may(store: Store, name: str, right: Right) -> bool:
    namespace = name.split(":")[2]
    user = rbac.User(name=name, groups=rbac.service_account_groups(namespace))
    resource, _, subresource = right.resource.partition("/")
    attributes = rbac.Attributes(
        verb=right.verb, group=right.group, resource=resource, subresource=subresource, name=right.name, namespace=right.namespace
    )
    return rbac.decide(store, user, attributes).allowed


async def examine(cluster: kube.Kube) -> tuple[Finding, ...]:
    return diagnose(await Reader(cluster, Names(), clock=lambda: cases.NOW).look())


@pytest.mark.parametrize("values", INSTALLATIONS)
async def test_an_installation_that_the_docs_recommend_has_no_error(values: str) -> None:
    left_out, warnings = INSTALLATIONS[values]

    findings = await examine(rendered(values))

    assert {finding.about for finding in findings if finding.level is Level.NOTE} == {
        f"Deployment leadtime/{name}" for name in left_out
    }
    assert {finding.says.partition(":")[0] for finding in findings if finding.level is Level.WARNING} == warnings
    assert {finding.level for finding in findings} <= {Level.NOTE, Level.WARNING}


async def test_a_service_that_is_scraped_without_a_role_there_is_found() -> None:
    cluster = rendered("watchNamespace=llm,adapter.existingConfigMap=mine")
    scrape = "scrape: { endpoints: { namespace: gpus, service: dcgm, port: 9400 } }"
    configuration = f"sources: [{{ name: gpus, {scrape} }}]\nrules: [{{ preset: dcgm, source: gpus }}]"
    cluster.objects["/api/v1/namespaces/leadtime/configmaps/mine"] = {"data": {"adapter.yaml": configuration}}

    findings = await examine(cluster)

    assert {finding.says for finding in findings} == {
        f"it may not {verb} endpointslices.discovery.k8s.io in namespace gpus" for verb in ("list", "watch")
    }

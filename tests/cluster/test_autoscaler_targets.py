"""Whatever has a /scale is scaled by it: a StatefulSet, a custom resource; and of a Deployment the least loaded pods go first."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster import access, exposed, hpa, scaled, steering, waiting

GROUP = "tests.leadtime.dev"
LOAD = "requests_on_hand"
PLAIN = {
    "minReplicas": 1,
    "maxReplicas": 4,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Target", "cooldownSeconds": 0},
    "warmPool": None,
    "idle": None,
}


@pytest.fixture(scope="module")
def world(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    with steering.world(cluster, tmp_path_factory.mktemp("targets")) as found:
        yield found


def test_a_stateful_set_is_scaled_and_gives_up_its_highest_ordinals(world: steering.World, namespace: str) -> None:
    target = scaled.Scaled(world, namespace, "statefulset")
    target.pin()
    deployment, service = scaled.workload(namespace, replicas=2)
    world.cluster.apply(scaled.stateful(deployment), service)
    target.until_ready(2)
    scaled.until_reported(target)
    target.apply({**PLAIN, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": scaled.NAME}})
    target.until_status(desiredReplicas=2, target=f"StatefulSet/{scaled.NAME}")

    target.pin(gpu_util=95.0)
    target.until_ready(4)
    target.pin(gpu_util=5.0, waiting=0.0)

    target.until_ready(1)
    assert target.pods().keys() == {f"{scaled.NAME}-0"}


@pytest.fixture(scope="module")
def engines(cluster: access.Cluster) -> Iterator[None]:
    """Define a kind of the tests' own with a /scale, and let the controller read and scale it."""
    documents = [definition(), *roles()]
    cluster.apply(*documents)
    cluster.kubectl("wait", "--for=condition=Established", f"customresourcedefinition/engines.{GROUP}", "--timeout=30s")
    yield
    for each in documents:
        cluster.kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=false")


def test_a_custom_resource_is_scaled_by_its_scale_alone(world: steering.World, namespace: str, engines: None) -> None:
    target = scaled.Scaled(world, namespace, f"engines.{GROUP}")
    target.pin()
    engine = {"apiVersion": f"{GROUP}/v1", "kind": "Engine", "metadata": {"name": scaled.NAME}, "spec": {"replicas": 2}}
    world.cluster.apply(engine, *(pod(f"engine-{number}") for number in range(2)), namespace=namespace)
    tell(target, replicas=2)
    target.until_ready(2)
    scaled.until_reported(target)
    target.apply({**PLAIN, "scaleTargetRef": {"apiVersion": f"{GROUP}/v1", "kind": "Engine", "name": scaled.NAME}})
    target.until_status(desiredReplicas=2, readyReplicas=2, target=f"Engine/{scaled.NAME}")

    target.pin(gpu_util=95.0)
    target.until_replicas(3)
    # Its controller, which is us, makes the third pod; and each of three with 20 of 70 can do without the two others.
    target.pin(gpu_util=20.0, waiting=0.0)
    world.cluster.apply(pod("engine-2"), namespace=namespace)
    tell(target, replicas=3)

    target.until_replicas(1)
    target.until_condition("Ready", "True")


def definition() -> dict[str, Any]:
    """Return the definition of the kind Engine: replicas, and the /scale over them."""
    replicas = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}}
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"engines.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": "Engine", "plural": "engines", "singular": "engine"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": replicas, "status": status}}},
                    "subresources": {"status": {}, "scale": scale},
                }
            ],
        },
    }


def roles() -> list[dict[str, Any]]:
    """Return what the shipped roles are to grow by, as ``examples/rbac`` shows it for other kinds."""
    read = {"apiGroups": [GROUP], "resources": ["engines", "engines/scale"], "verbs": ["get"]}
    act = {"apiGroups": [GROUP], "resources": ["engines/scale"], "verbs": ["patch"]}
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"engines-{what}", "labels": {f"rbac.leadtime.dev/aggregate-to-{what}": "true"}},
            "rules": [rule],
        }
        for what, rule in (("read", read), ("act", act))
    ]


def pod(name: str) -> dict[str, Any]:
    """Return the document of a pod with the labels and the containers of the example's, which nobody owns."""
    template = scaled.example("", "vllm-qwen.yaml", "Deployment")["spec"]["template"]
    labels = template["metadata"]["labels"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": template["spec"]}


def tell(target: scaled.Scaled, *, replicas: int) -> None:
    """Write the engine's status, as its controller would."""
    patch = f'{{"status": {{"replicas": {replicas}, "selector": "{hpa.SELECTOR}"}}}}'
    target.kubectl("patch", target.resource, scaled.NAME, "--subresource=status", "--type=merge", f"--patch={patch}")


def test_the_least_loaded_pod_goes_first(world: steering.World, namespace: str) -> None:
    # The oldest pod is the last that a Deployment would remove by itself.
    target = scaled.start(world, namespace, replicas=1)
    (oldest,) = target.pods()
    target.kubectl("scale", f"deployment/{scaled.NAME}", "--replicas=3")
    target.until_ready(3)
    loads = {name: 1.0 if name == oldest else 8.0 for name in target.pods()}
    with page(namespace, loads) as url:
        world.adapter.configure(with_page(world, url))
        waiting.until(
            lambda: world.adapter.values(namespace, LOAD).keys() == loads.keys(),
            what="the load of each pod is served",
            deadline_s=60,
        )
        on_hand = {"metric": {"name": LOAD}, "target": {"type": "AverageValue", "averageValue": "10"}}
        queue = {"metrics": [{"type": "Pods", "pods": on_hand}], "signals": [{"metric": LOAD, "kind": "Queue"}]}

        # 17 of 30 fit on two.
        target.apply({**PLAIN, **queue})
        target.until_replicas(2)

        target.until_ready(2)
        assert target.pods().keys() == loads.keys() - {oldest}
        costs = [
            each["metadata"].get("annotations", {}).get("controller.kubernetes.io/pod-deletion-cost")
            for each in target.pods().values()
        ]
        assert costs == [None, None]


@contextlib.contextmanager
def page(namespace: str, loads: Mapping[str, float]) -> Iterator[str]:
    """Serve how loaded each pod is, and yield the page's URL."""
    lines = [f'{LOAD}{{namespace="{namespace}",pod="{name}"}} {value}' for name, value in loads.items()]
    with exposed.page(lines) as address:
        yield f"http://{address}/metrics"


def with_page(world: steering.World, url: str) -> dict[str, Any]:
    """Return the adapter's configuration with the page at *url* beside the others."""
    config = steering.scraping(world.fleet, ("gpu-1", "gpu-2"))
    source = {"name": "loads", "scrape": {"static": [url], "interval": f"{steering.SCRAPE_S:g}s"}}
    rule = {"metric": LOAD, "series": [LOAD], "source": "loads", "reduce": "single"}
    return {"sources": [*config["sources"], source], "rules": [*config["rules"], rule]}

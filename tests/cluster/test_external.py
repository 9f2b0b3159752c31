"""`external.metrics.k8s.io`, where it was asked for: the real HPA controller scales on a queue that belongs to no pod."""

from typing import Any

import pytest

from tests.cluster import access, backends, hpa, stack, waiting

NAME = "worker"


def _deployment(namespace: str) -> dict[str, Any]:
    labels = {"app": NAME}
    container = {"name": "worker", "image": "example.org/worker"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _autoscaler(namespace: str) -> dict[str, Any]:
    metric = {"name": "queue_depth", "selector": {"matchLabels": {"pod": "inference"}}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": 1,
            "maxReplicas": 9,
            "metrics": [
                {"type": "External", "external": {"metric": metric, "target": {"type": "AverageValue", "averageValue": "2"}}}
            ],
        },
    }


def test_an_external_queue_scales_a_deployment_by_the_series_that_its_selector_names(
    cluster: access.Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with backends.start() as served:
        # The backend gives 5 for each series; only one of these two queues is selected.
        served.pods["queues"] = [(namespace, "inference"), (namespace, "training")]
        config = {
            "sources": [{"name": "broker", "prometheus": {"url": served.url("queues"), "interval": "1s"}}],
            "rules": [{"metric": "queue_depth", "series": "depth", "object": "external", "reduce": "sum", "keep": ["pod"]}],
        }
        with stack.adapter(cluster, tmp_path_factory.mktemp("external"), config, external=True) as adapter:
            path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/queue_depth"
            items = waiting.until(lambda: adapter.raw(path)["items"], what="both queues are served")
            assert {(item["metricLabels"]["pod"], item["value"]) for item in items} == {("inference", "5"), ("training", "5")}

            cluster.apply(_deployment(namespace), _autoscaler(namespace))

            # ⌈5 ÷ 2⌉ = 3; with both queues it would be 5.
            waiting.until(lambda: hpa.replicas(cluster, namespace, NAME) == 3, what="3 replicas", deadline_s=30)
            cluster.kubectl("delete", "apiservice", "v1beta1.external.metrics.k8s.io")  # the next adapter here serves none

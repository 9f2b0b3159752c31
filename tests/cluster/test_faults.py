"""Whatever goes wrong with a metric, the HPA's condition says what, and nothing is scaled: a table on the real controller."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster import access, backends, hpa, processes, stack, waiting

RULE = "faulty"


@dataclass(frozen=True)
class Case:
    """A fault: what the adapter is given, and how its answer starts."""

    name: str
    starts: str
    # What the source is, if not the backend of the case's own name; None: the metric is not served at all.
    source: dict[str, Any] | None = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    # `object`: the HPA reads the metric of the Deployment instead of its pods'.
    kind: str = "pods"
    described: str = ""
    selector: dict[str, str] | None = None
    pods: bool = True


CASES = [
    Case("unknown", "unknown metric: no rule serves", source=None),
    Case("down", "source down", source={"url": "http://127.0.0.1:1"}),
    Case("slow", "source timed out", source={"timeout": "500ms"}),
    Case("unauthorized", "source refused our credentials"),
    Case("tls", "TLS to source failed", source={"scheme": "https"}),
    Case("rejected", "source rejected the query"),
    Case("login", "source sent what cannot be read"),
    Case("partial", "source answered only in part"),
    Case("crowd", "too many series", source={"maxSeries": 10}),
    Case("stale", "stale"),
    Case("nan", "not a number"),
    Case("infinite", "not a number"),
    Case("blank", "DCGM blank value", rule={"series": "DCGM_FI_DEV_GPU_TEMP"}),
    Case("strangers", "no series"),
    Case("unlabelled", "label missing"),
    Case("ambiguous", "ambiguous", rule={"reduce": "single"}),
    Case("nobody", "selector matches no live pod", pods=False),
    Case("half", "too few pods report", rule={"owner": "sum"}, kind="object"),
    Case("orphan", "no such object", rule={"owner": "sum"}, kind="object", described="somebody-else"),
    Case("unkept", "label missing", selector={"model_name": "qwen"}),
]

assert len(CASES) >= 12


def _metric(case: Case) -> str:
    return f"{case.name}_metric"


def _config(cases: list[Case], served: backends.Backends) -> dict[str, Any]:
    sources: list[dict[str, Any]] = []
    rules: list[dict[str, Any]] = []
    for case in cases:
        if case.source is None:
            continue
        told = dict(case.source)
        url = told.pop("url", None) or served.url(case.name, scheme=told.pop("scheme", "http"))
        sources.append({"name": case.name, "prometheus": {"url": url, "interval": "1s", "timeout": "2s", **told}})
        rule = {"name": f"{RULE}-{case.name}", "metric": _metric(case), "series": "anything", "reduce": "sum", **case.rule}
        rules.append({**rule, "source": case.name})
    return {"sources": sources, "rules": rules}


def _deployment(case: Case, namespace: str) -> dict[str, Any]:
    labels = {"app": case.name}
    # A pod that names a service account which is not there is never created.
    account = {} if case.pods else {"serviceAccountName": "nobody"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": case.name, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**account, "containers": [{"name": "server", "image": "example.org/server"}]},
            },
        },
    }


def _autoscaler(case: Case, namespace: str) -> dict[str, Any]:
    metric: dict[str, Any] = {"name": _metric(case)}
    if case.selector is not None:
        metric["selector"] = {"matchLabels": case.selector}
    if case.kind == "pods":
        spec: dict[str, Any] = {
            "type": "Pods",
            "pods": {"metric": metric, "target": {"type": "AverageValue", "averageValue": "100"}},
        }
    else:
        described = {"apiVersion": "apps/v1", "kind": "Deployment", "name": case.described or case.name}
        spec = {
            "type": "Object",
            "object": {"metric": metric, "describedObject": described, "target": {"type": "Value", "value": "100"}},
        }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": case.name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": case.name},
            "minReplicas": 1,
            "maxReplicas": 5,
            "metrics": [spec],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


@dataclass
class Scene:
    """A namespace in which every case has its Deployment and its HPA."""

    cluster: access.Cluster
    namespace: str
    since: float

    def message(self, case: Case) -> str:
        """Return what the adapter said to the case's HPA, once its condition says that it cannot scale."""

        def inactive() -> str:
            found = hpa.condition(self.cluster, self.namespace, "ScalingActive", case.name)
            said = hpa.adapters_words(found.get("message", "")) if found.get("status") == "False" else ""
            assert said.startswith(case.starts), said or found
            return said

        return waiting.until(inactive, what=f"the HPA of {case.name} says {case.starts!r}", deadline_s=60)


@pytest.fixture(scope="module")
def scene(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("faults")
    with backends.start() as served, cluster.namespace("faults") as namespace:
        cluster.apply(*(_deployment(case, namespace) for case in CASES))
        for case in CASES:
            if case.pods:
                waiting.until(
                    lambda case=case: hpa.ready(cluster, namespace, case.name) == 2, what=f"{case.name} is ready", deadline_s=60
                )
        for pod in cluster.get("pods", f"--namespace={namespace}")["items"]:
            app = pod["metadata"]["labels"]["app"]
            served.pods.setdefault(app, []).append((namespace, pod["metadata"]["name"]))
        with stack.adapter(cluster, folder, _config(CASES, served)):
            time.sleep(3)  # every source has been asked: from here on no metric is still warming up
            cluster.apply(*(_autoscaler(case, namespace) for case in CASES))
            yield Scene(cluster, namespace, time.monotonic())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_condition_starts_with_the_cause_and_names_rule_and_source(scene: Scene, case: Case) -> None:
    said = scene.message(case)

    assert len(said) <= 200, said
    if case.source is not None and case.pods and not case.described:
        assert f"[rule {RULE}-{case.name}]" in said
        assert f"[source {case.name}]" in said


def test_nothing_is_scaled_by_a_metric_that_is_missing(scene: Scene) -> None:
    # The HPAs have no window: a value taken for zero would have made 2 replicas 1 within two of the controller's periods.
    time.sleep(max(0.0, 8.0 - (time.monotonic() - scene.since)))

    found = scene.cluster.get("deployments", f"--namespace={scene.namespace}")["items"]

    assert {each["metadata"]["name"]: each["spec"]["replicas"] for each in found} == {case.name: 2 for case in CASES}


def test_the_same_reason_is_explained_on_the_command_line(scene: Scene) -> None:
    case = next(case for case in CASES if case.name == "nan")

    process = processes.run_leadtime(
        "explain", "metric", _metric(case), "pods", f"--namespace={scene.namespace}", "--selector=app=nan",
        f"--kubeconfig={scene.cluster.kubeconfig}",
    )  # fmt: skip

    assert process.returncode == 1
    assert "no value (503): not a number" in process.stdout

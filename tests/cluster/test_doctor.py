"""`leadtime doctor` on a real control plane: each of these set-ups is broken in one way, and it says in which and what mends it."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import access, doctoring, exposed, prometheus, scaled, stack, steering, waiting

Break = Callable[["Ward"], contextlib.AbstractContextManager[None]]

APISERVICE = "v1beta1.custom.metrics.k8s.io"
WAIT_S = 60.0


@dataclass
class Ward:
    """A healthy installation with one scaler, to break."""

    world: steering.World
    healthy: scaled.Scaled

    @property
    def cluster(self) -> access.Cluster:
        return self.world.cluster

    @property
    def namespace(self) -> str:
        return self.healthy.namespace

    def patch(self, resource: str, name: str, change: object, *arguments: str, kind: str = "merge") -> None:
        self.cluster.kubectl("patch", resource, name, f"--type={kind}", f"--patch={json.dumps(change)}", *arguments)

    def visit(self, *arguments: str) -> doctoring.Visit:
        return doctoring.visit(self.cluster.kubeconfig, *arguments)


@pytest.fixture(scope="module")
def ward(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with steering.world(cluster, tmp_path_factory.mktemp("doctor")) as world, cluster.namespace("doctor") as namespace:
        healthy = scaled.start(world, namespace, replicas=2)
        healthy.apply({"behavior": scaled.AT_ONCE})
        healthy.until_condition("Ready", "True")
        healthy.until_condition("SignalsFresh", "True")
        found = Ward(world, healthy)
        # What other tests have left in the cluster is theirs: the daemons' own pods are the last to be ready.
        waiting.until(lambda: found.visit().status == 0, what="all is well to begin with", deadline_s=2 * WAIT_S)
        yield found


# ── what is broken, and put back ─────────────────────────────────────────────────────────────────────────────────────────────


def _applied(*documents: dict[str, Any]) -> Break:
    @contextlib.contextmanager
    def broken(ward: Ward) -> Iterator[None]:
        placed = [{**each, "metadata": {"namespace": ward.namespace, **each["metadata"]}} for each in documents]
        ward.cluster.apply(*placed)
        try:
            yield
        finally:
            for each in placed:
                ward.healthy.kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=true")

    return broken


def _apiservice(change: dict[str, Any]) -> Break:
    @contextlib.contextmanager
    def broken(ward: Ward) -> Iterator[None]:
        before = ward.cluster.get("apiservice", APISERVICE)["spec"]
        ward.patch("apiservice", APISERVICE, {"spec": change})
        try:
            yield
        finally:
            ward.patch("apiservice", APISERVICE, {"spec": {"insecureSkipTLSVerify": False, **before}})

    return broken


@contextlib.contextmanager
def _apiservice_gone(ward: Ward) -> Iterator[None]:
    before = ward.cluster.get("apiservice", APISERVICE)
    ward.cluster.kubectl("delete", "apiservice", APISERVICE)
    try:
        yield
    finally:
        ward.cluster.apply({**before, "metadata": {"name": APISERVICE}, "status": None})


@contextlib.contextmanager
def _older_definition(ward: Ward) -> Iterator[None]:
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/warmPool"
    rules = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations"
    ward.patch("crd", "inferencescalers.leadtime.dev", [{"op": "remove", "path": each} for each in (rules, path)], kind="json")
    try:
        yield
    finally:
        crds = str(stack.MANIFESTS / "base" / "crds")
        ward.cluster.kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", crds)


@contextlib.contextmanager
def _right_taken(ward: Ward) -> Iterator[None]:
    before = ward.cluster.get("clusterrolebinding", "leadtime-autoscaler-report")
    ward.cluster.kubectl("delete", "clusterrolebinding", "leadtime-autoscaler-report")
    try:
        yield
    finally:
        ward.cluster.apply({name: before[name] for name in ("apiVersion", "kind", "roleRef", "subjects")} | _named(before))


def _named(document: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": document["metadata"]["name"], "labels": document["metadata"].get("labels", {})}}


@contextlib.contextmanager
def _adapter_at_zero(ward: Ward) -> Iterator[None]:
    where = f"--namespace={stack.NAMESPACE}"
    before = ward.cluster.get("deployment", stack.SERVICE, where)["spec"]["replicas"]
    ward.cluster.kubectl("scale", "deployment", stack.SERVICE, "--replicas=0", where)
    try:
        yield
    finally:
        ward.cluster.kubectl("scale", "deployment", stack.SERVICE, f"--replicas={before}", where)


def _deployment_gone(name: str) -> Break:
    @contextlib.contextmanager
    def broken(ward: Ward) -> Iterator[None]:
        where = f"--namespace={stack.NAMESPACE}"
        before = ward.cluster.get("deployment", name, where)
        ward.cluster.kubectl("delete", "deployment", name, where)
        try:
            yield
        finally:
            metadata = {**_named(before)["metadata"], "namespace": stack.NAMESPACE}
            ward.cluster.apply({**before, "metadata": metadata, "status": None})
            ward.cluster.kubectl("rollout", "status", f"deployment/{name}", where, f"--timeout={WAIT_S:g}s")

    return broken


@contextlib.contextmanager
def _controller_gone(ward: Ward) -> Iterator[None]:
    replica = ward.world.replicas[0]
    replica.process.stop()
    try:
        yield
    finally:
        replica.process.restart()
        waiting.until(ward.world.leader, what="the controller leads again", deadline_s=WAIT_S)


@contextlib.contextmanager
def _clock_an_hour_fast(ward: Ward) -> Iterator[None]:
    """Have the lease renewed by somebody whose clock is an hour ahead, which no process of ours can be made to be."""
    with _controller_gone(ward):
        ahead = {"holderIdentity": "fast", "renewTime": "2099-01-01T00:00:00.000000Z"}
        ward.patch("lease", steering.NAME, {"spec": ahead}, f"--namespace={stack.NAMESPACE}")
        yield


@contextlib.contextmanager
def _source_down(ward: Ward) -> Iterator[None]:
    before = ward.world.adapter.config.read_text()
    config = yaml.safe_load(before)
    config["sources"].append({"name": "gone", "prometheus": {"url": "http://127.0.0.1:1"}})
    config["rules"] = [
        *config.get("rules", ()),
        {"metric": "far_queue", "series": ["far_queue"], "source": "gone", "reduce": "single"},
    ]
    ward.world.adapter.configure(config)
    try:
        with _applied(_scaler("far", metrics=[_pods_metric("far_queue")]))(ward):
            yield
    finally:
        ward.world.adapter.configure(yaml.safe_load(before))


@contextlib.contextmanager
def _scaled_object(ward: Ward) -> Iterator[None]:
    version = {
        "name": "v1alpha1", "served": True, "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }  # fmt: skip
    names = {"plural": "scaledobjects", "singular": "scaledobject", "kind": "ScaledObject", "listKind": "ScaledObjectList"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "scaledobjects.keda.sh"},
        "spec": {"group": "keda.sh", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    ward.cluster.apply(definition)
    ward.cluster.kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=30s")
    try:
        ward.cluster.apply(
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "metadata": {"name": "by-keda", "namespace": ward.namespace},
                "spec": {"scaleTargetRef": {"name": scaled.NAME}},
            }
        )
        yield
    finally:
        ward.cluster.kubectl("delete", "crd", "scaledobjects.keda.sh")


def _scaler(name: str, **spec: Any) -> dict[str, Any]:
    found = scaled.scaler("default", {"mode": "Recommend", "scaleDown": None, **spec})
    return {**found, "metadata": {"name": name}}


def _pods_metric(name: str) -> dict[str, Any]:
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": "10"}}}


def _on(name: str) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def _plain_deployment() -> dict[str, Any]:
    """Return a Deployment whose pods nothing can hold back: no label, no gate, no Service."""
    labels = {"app": "plain"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "vllm"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "plain"}, "spec": spec}


def _hpa() -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "older"},
        "spec": {
            "scaleTargetRef": _on(scaled.NAME),
            "minReplicas": 2,
            "maxReplicas": 2,
            "metrics": [_pods_metric("inference_queue_size")],
        },
    }


#: Each a way to break it: how, the check that finds it, what it is about, and words that its fix has.
BROKEN: dict[str, tuple[Break, str, str, str]] = {
    "an older definition is served": (_older_definition, "definition-old", "inferencescalers.leadtime.dev", "manifests/base/crds"),
    "another adapter has our APIService": (
        _apiservice({"service": {"name": "prometheus-adapter", "namespace": "monitoring"}}),
        "apiservice-owner", APISERVICE, "delete the APIService",
    ),
    "the APIService leads nowhere": (
        _apiservice({"service": {"port": 1}}), "apiservice-unavailable", APISERVICE, "get pods,endpointslices",
    ),
    "an APIService is not there": (_apiservice_gone, "apiservice-missing", APISERVICE, "kubectl apply"),
    "an APIService checks no certificate": (
        _apiservice({"insecureSkipTLSVerify": True, "caBundle": None}), "apiservice-insecure", APISERVICE, "insecureSkipTLSVerify",
    ),
    "the controller lacks a right": (_right_taken, "right-missing", "leadtime-autoscaler", "rbac.yaml"),
    "the adapter is scaled to zero": (_adapter_at_zero, "daemon-not-ready", "leadtime-adapter", "--replicas=2"),
    "an adapter that is registered is gone": (
        _deployment_gone(stack.SERVICE), "daemon-missing", stack.SERVICE, "kubectl apply",
    ),
    "an autoscaler that has led is gone": (_deployment_gone(steering.NAME), "daemon-missing", steering.NAME, "kubectl apply"),
    "no controller leads": (_controller_gone, "no-leader", "leadtime-autoscaler", "logs deploy/leadtime-autoscaler"),
    "the controller's clock is fast": (_clock_an_hour_fast, "clock-skew", "controller fast", "chrony"),
    "a target is not there": (
        _applied(_scaler("lost", scaleTargetRef=_on("nobody"))), "scaler-not-ready", "/lost", "scaleTargetRef",
    ),
    "an HPA has the same target": (_applied(_hpa()), "conflicting-hpa", f"/{scaled.NAME}", "kubectl delete hpa older"),
    "a ScaledObject has the same target": (
        _scaled_object, "conflicting-scaledobject", f"/{scaled.NAME}", "kubectl delete scaledobject by-keda",
    ),
    "two scalers have one target": (_applied(_scaler("zwilling")), "twin-scaler", "/zwilling", "delete one"),
    "a metric's name is wrong": (
        _applied(_scaler("typo", metrics=[_pods_metric("inference_queue_sise")])),
        "metric-unknown", "inference_queue_sise", "spec.metrics",
    ),
    "a source is down": (_source_down, "source-unreachable", "source gone", "ConfigMap"),
    "the warm pool cannot be held back": (
        _applied(_plain_deployment(), _scaler("pool", scaleTargetRef=_on("plain"), warmPool={"min": 1, "max": 2})),
        "warm-pool-ineffective", "/pool", "leadtime.dev/routed",
    ),
    "there is nothing between the bounds": (
        _applied(_scaler("fixed", minReplicas=3, maxReplicas=3)), "bounds-equal", "/fixed", "maxReplicas",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_found_with_its_fix(ward: Ward, case: str) -> None:
    make, check, about, fix = BROKEN[case]
    with make(ward):
        finding = waiting.until(lambda: ward.visit().of(check, about), what=f"{check} is found", deadline_s=WAIT_S)
        visit = ward.visit()

    assert fix in finding.fix
    assert visit.status == 1
    waiting.until(lambda: check not in ward.visit().wrong, what=f"{check} is gone once it is mended", deadline_s=2 * WAIT_S)


def test_a_doctor_without_rights_says_which_and_goes_on(ward: Ward) -> None:
    ward.cluster.kubectl("create", "serviceaccount", "stranger", f"--namespace={ward.namespace}")
    stranger = ward.cluster.service_account_kubeconfig(ward.namespace, "stranger")

    visit = doctoring.visit(stranger)

    assert visit.status == 3
    assert visit.wrong == set()
    asked = " ".join(finding.fix for finding in visit.findings)
    for right in (
        "get customresourcedefinitions.apiextensions.k8s.io inferencescalers.leadtime.dev",
        f"get apiservices.apiregistration.k8s.io {APISERVICE}",
        "create subjectaccessreviews.authorization.k8s.io",
        "get leases.coordination.k8s.io leadtime-autoscaler in namespace leadtime",
        "list inferencescalers.leadtime.dev in all namespaces",
        "list horizontalpodautoscalers.autoscaling in all namespaces",
        "list daemonsets.apps in all namespaces",
    ):
        assert right in asked


def test_what_one_may_see_is_judged_without_the_rest(ward: Ward) -> None:
    name = f"sees-scalers-{ward.namespace}"
    ward.cluster.kubectl("create", "serviceaccount", "reader", f"--namespace={ward.namespace}")
    ward.cluster.kubectl("create", "clusterrole", name, "--verb=list", "--resource=inferencescalers.leadtime.dev")
    ward.cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={ward.namespace}:reader")
    reader = ward.cluster.service_account_kubeconfig(ward.namespace, "reader")

    with _applied(_scaler("lost", scaleTargetRef=_on("nobody")))(ward):
        finding = waiting.until(
            lambda: doctoring.visit(reader).of("scaler-not-ready", "/lost"), what="the scaler is judged", deadline_s=WAIT_S
        )

    assert "TargetNotFound" in finding.says
    ward.cluster.kubectl("delete", "clusterrole,clusterrolebinding", name)


def test_a_team_with_rights_in_its_namespace_alone_has_its_scalers_judged(ward: Ward) -> None:
    ward.healthy.kubectl("create", "serviceaccount", "member")
    ward.healthy.kubectl("create", "role", "looks", "--verb=list", "--resource=inferencescalers.leadtime.dev,hpa")
    ward.healthy.kubectl("create", "rolebinding", "looks", "--role=looks", f"--serviceaccount={ward.namespace}:member")
    member = ward.cluster.service_account_kubeconfig(ward.namespace, "member")

    with _applied(_scaler("fixed", minReplicas=3, maxReplicas=3))(ward):
        visit = doctoring.visit(member, f"--namespace={ward.namespace}")

    assert "maxReplicas" in visit.of("bounds-equal", f"{ward.namespace}/fixed").fix
    unseen = {finding.about for finding in visit.findings if finding.level == "unseen"}
    assert not any(about.startswith(("list inferencescalers", "list horizontalpodautoscalers")) for about in unseen)


# ── the GPUs' series ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _pages(labels: str) -> Iterator[str]:
    """Serve two GPUs' utilisation with these *labels* on loopback, and yield the address."""
    lines = [f'DCGM_FI_DEV_GPU_UTIL{{gpu="{gpu}",UUID="GPU-{gpu}"{labels}}} 50' for gpu in range(2)]
    with exposed.page(lines) as address:
        yield address


def _job(name: str, address: str, **more: Any) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [address]}], **more}


_POD = ',namespace="llm",pod="qwen-abc"'
_OWN = {"target_label": "pod", "replacement": "qwen-abc"}  # a label of the target's own: the exporter's word for it gives way

#: Each a way to scrape: the labels of the page, the jobs, the check that finds what is wrong, and words of its fix.
SCRAPED: dict[str, tuple[str, Callable[[str], list[dict[str, Any]]], str, str]] = {
    "GPUs without pods": ("", lambda to: [_job("dcgm", to)], "gpu-labels-missing", "DCGM_EXPORTER_KUBERNETES=true"),
    "labels that gave way": (
        _POD, lambda to: [_job("dcgm", to, relabel_configs=[_OWN])], "gpu-labels-exported", "honorLabels: true",
    ),
    "one GPU twice": (_POD, lambda to: [_job("one", to), _job("two", to)], "gpu-series-twice", "delete one of the monitors"),
    "two styles": (
        _POD, lambda to: [_job("one", to), _job("two", to, relabel_configs=[_OWN])],
        "gpu-labels-mixed", "the same on every monitor",
    ),
    "a scrape a minute and more": (
        _POD, lambda to: [_job("dcgm", to, scrape_interval="70s", scrape_timeout="1s")],
        "scrape-too-slow", "set its interval to 15s",
    ),
    "no exporter": (_POD, lambda _: [], "gpu-series-missing", "ServiceMonitor"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCRAPED)
def test_what_is_wrong_with_the_gpus_series_is_found_in_a_real_prometheus(ward: Ward, tmp_path: Path, case: str) -> None:
    labels, jobs, check, fix = SCRAPED[case]
    with _pages(labels) as address, prometheus.start(tmp_path, jobs(address)) as running:
        if jobs(address):
            waiting.until(
                lambda: len(running.query("count by (job) (DCGM_FI_DEV_GPU_UTIL)")) == len(jobs(address)),
                what="every job has scraped",
                deadline_s=2 * WAIT_S,
            )
        visit = ward.visit(f"--prometheus={running.url}")

    assert fix in visit.of(check).fix
    assert visit.status == 1


def test_an_exporter_slower_than_its_scrape_is_told_what_to_set(ward: Ward, tmp_path: Path) -> None:
    container = {"name": "exporter", "image": "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.2", "args": ["-c", "20000"]}
    labels = {"app": "dcgm"}
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "dcgm"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"nodeSelector": {"no": "such"}, "containers": [container]}},
        },
    }
    with _applied(daemon_set)(ward), _pages(_POD) as address, prometheus.start(tmp_path, [_job("dcgm", address)]) as running:
        waiting.until(lambda: running.query("DCGM_FI_DEV_GPU_UTIL"), what="the GPUs are scraped")
        found = ward.visit(f"--prometheus={running.url}").of("exporter-slower-than-scrape", f"{ward.namespace}/dcgm")

    assert "every 20 s (as it is told) and is scraped every 1 s" in found.says
    assert "DCGM_EXPORTER_INTERVAL=1000" in found.fix


def test_a_prometheus_that_does_not_answer_is_told_and_the_rest_is_looked_at(ward: Ward) -> None:
    visit = ward.visit("--prometheus=http://127.0.0.1:1")

    assert visit.wrong == set()
    assert visit.of("unseen", "Prometheus http://127.0.0.1:1").fix == "mend that and ask again"
    assert visit.status == 3

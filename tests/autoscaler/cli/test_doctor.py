"""`leadtime doctor`: what it prints and how it ends; what it finds is for tests/autoscaler/doctor and tests/cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from adapter.snapshot import rfc3339
from autoscaler.cli import terminal
from autoscaler.doctor import reader
from autoscaler.resource import definition
from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.conftest import Leadtime
from tests.autoscaler.doctor import cases

LEASE = "/apis/coordination.k8s.io/v1/namespaces/leadtime/leases/leadtime-autoscaler"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferencescalers.leadtime.dev"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[apiserver.Server]:
    monkeypatch.setattr("time.time", lambda: cases.NOW)
    with apiserver.serve(tmp_path) as world:
        world.now = rfc3339(cases.NOW)
        for version in ("v1beta1", "v1beta2"):
            name = f"{version}.custom.metrics.k8s.io"
            world.objects[f"/apis/apiregistration.k8s.io/v1/apiservices/{name}"] = cases.apiservice(version)
        for name in ("leadtime-adapter", "leadtime-autoscaler"):
            world.objects[f"/apis/apps/v1/namespaces/leadtime/deployments/{name}"] = cases.deployment(name)
        world.objects[CRD] = definition.document()
        world.objects[LEASE] = cases.lease()
        world.objects[f"{apiserver.ROOT}/inferencescalers"] = {"items": [cases.scaler()]}
        for path in ("/apis/autoscaling/v2/horizontalpodautoscalers", "/apis/apps/v1/daemonsets"):
            world.objects[path] = {"items": []}
        yield world


def test_where_all_is_well_it_says_so_and_what_it_did_not_look_at(leadtime: Leadtime, server: apiserver.Server) -> None:
    ran = leadtime("doctor", "--kubeconfig", server.kubeconfig)

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == ["all is well", "the GPUs' series were not looked at: --prometheus URL does"]


def test_each_finding_is_told_with_its_fix_and_counted(leadtime: Leadtime, server: apiserver.Server) -> None:
    del server.objects[LEASE]
    server.objects["/apis/apps/v1/namespaces/leadtime/deployments/leadtime-adapter"] = cases.deployment(ready=0, replicas=0)

    ran = leadtime("doctor", "--kubeconfig", server.kubeconfig)

    assert ran.status == 1
    lines = ran.out.splitlines()
    assert lines[0] == "error daemon-not-ready: Deployment leadtime/leadtime-adapter"
    assert lines[2].startswith("  fix: kubectl -n leadtime scale deployment leadtime-adapter")
    assert "2 errors" in lines


def test_what_is_only_noted_is_no_fault(leadtime: Leadtime, server: apiserver.Server) -> None:
    others = {"namespace": "monitoring", "name": "prometheus-adapter"}
    del server.objects["/apis/apps/v1/namespaces/leadtime/deployments/leadtime-adapter"]
    for version in ("v1beta1", "v1beta2"):
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.custom.metrics.k8s.io"
        server.objects[path] = cases.apiservice(version, service=others)

    ran = leadtime("doctor", "--kubeconfig", server.kubeconfig)

    assert ran.status == 0
    assert ran.out.splitlines()[0] == "note not-installed: Deployment leadtime/leadtime-adapter"
    assert "all is well" in ran.out.splitlines()


def test_on_a_narrow_terminal_what_mends_it_is_one_line_all_the_same(
    leadtime: Leadtime, server: apiserver.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "there", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    del server.objects[CRD]

    told = json.loads(leadtime("doctor", "-o", "json", "--kubeconfig", server.kubeconfig).out)["findings"]
    lines = leadtime("doctor", "--kubeconfig", server.kubeconfig).out.splitlines()

    assert max(len(each["fix"]) for each in told) > 40
    assert {f"  fix: {each['fix']}" for each in told} <= set(lines)


def test_it_asks_for_each_right_of_each_daemon_as_that_daemon(leadtime: Leadtime, server: apiserver.Server) -> None:
    server.allowed = lambda asked: asked.get("resource") != "secrets"

    ran = leadtime("doctor", "-o", "json", "--kubeconfig", server.kubeconfig)

    found = json.loads(ran.out)["findings"]
    assert {each["check"] for each in found} == {"right-missing"}
    assert {each["about"] for each in found} == {"ServiceAccount leadtime/leadtime-adapter"}
    users = {body["spec"]["user"] for body in server.reviewed if body["kind"] == "SubjectAccessReview"}
    assert users == {f"system:serviceaccount:leadtime:leadtime-{name}" for name in ("adapter", "autoscaler")}


def test_a_controller_of_some_namespaces_needs_its_rights_in_those(leadtime: Leadtime, server: apiserver.Server) -> None:
    told = cases.deployment("leadtime-autoscaler", "--watch-namespace=llm")
    server.objects["/apis/apps/v1/namespaces/leadtime/deployments/leadtime-autoscaler"] = told

    leadtime("doctor", "--kubeconfig", server.kubeconfig)

    asked = [
        body["spec"]["resourceAttributes"]
        for body in server.reviewed
        if body["kind"] == "SubjectAccessReview" and body["spec"]["user"].endswith("-autoscaler")
    ]
    assert {each.get("namespace") for each in asked if each["resource"] == "deployments"} == {"llm"}
    assert {each.get("namespace") for each in asked if each["resource"] == "nodes"} == {None}


def test_a_right_that_it_lacks_is_named_and_it_ends_with_3(leadtime: Leadtime, server: apiserver.Server) -> None:
    server.refused.add("/apis/autoscaling/v2/horizontalpodautoscalers")

    ran = leadtime("doctor", "--kubeconfig", server.kubeconfig)

    assert ran.status == 3
    assert "list horizontalpodautoscalers.autoscaling in all namespaces" in ran.out
    assert "1 thing that could not be looked at" in ran.out


def test_an_api_server_that_is_away_is_one_line(leadtime: Leadtime, server: apiserver.Server, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.write_text(Path(server.kubeconfig).read_text().replace("127.0.0.1:", "127.0.0.1:1/"))

    ran = leadtime("doctor", "--kubeconfig", str(away))

    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: Kubernetes API server: no answer")


def test_in_one_namespace_it_takes_rights_in_that_one_only(leadtime: Leadtime, server: apiserver.Server) -> None:
    server.objects[f"{apiserver.ROOT}/namespaces/llm/inferencescalers"] = {"items": [cases.scaler(minReplicas=8)]}
    for path in (f"{apiserver.ROOT}/inferencescalers", "/apis/autoscaling/v2/horizontalpodautoscalers"):
        server.refused.add(path)
    server.refused.add("/apis/autoscaling/v2/namespaces/llm/horizontalpodautoscalers")

    ran = leadtime("doctor", "-n", "llm", "--kubeconfig", server.kubeconfig)

    assert ran.status == 1
    assert "bounds-equal: InferenceScaler llm/qwen" in ran.out
    assert "list horizontalpodautoscalers.autoscaling in namespace llm" in ran.out
    assert "1 warning, 1 thing that could not be looked at" in ran.out


def test_of_more_metrics_than_it_asks_for_it_says_that_there_are_more(
    leadtime: Leadtime, server: apiserver.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_METRICS", 1)
    metrics = [{"type": "Pods", "pods": {"metric": {"name": name}}} for name in ("one", "two", "three")]
    server.objects[f"{apiserver.ROOT}/inferencescalers"] = {"items": [cases.scaler(metrics=metrics)]}
    server.objects["/apis/custom.metrics.k8s.io/v1beta2/namespaces/llm/pods/*/one"] = {"answer": {"status": 200}}

    ran = leadtime("doctor", "-o", "yaml", "--kubeconfig", server.kubeconfig)

    (found,) = yaml.safe_load(ran.out)["findings"]
    assert found["about"] == "the metrics of the other scalers"
    assert found["says"] == "1 of 3 were asked for: look at one namespace after the other, with --namespace"
    assert ran.status == 3


def test_what_is_no_address_is_a_usage_error(leadtime: Leadtime, server: apiserver.Server) -> None:
    assert leadtime("doctor", "--prometheus", "localhost:9090", "--kubeconfig", server.kubeconfig).status == 2

"""`leadtime explain metric`, against a server that explains with the adapter's own code."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapter.api import documents, paths, views
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules import model
from adapter.snapshot import RuleResult, Value
from adapter.workload import Owner, Pod
from tests.autoscaler.cli.conftest import Leadtime
from tests.strategies import NOW, State, result, rule

BOTH = paths.Groups(external=paths.EXTERNAL_GROUP)


@dataclass
class Server:
    """The aggregation layer's side: what is asked of it, and the state of the world that it answers from."""

    results: list[RuleResult] = field(default_factory=list)
    pods: tuple[Pod, ...] = ()
    explains: bool = True
    asked: list[str] = field(default_factory=list)
    kubeconfig: str = ""

    def answer(self, target: str) -> tuple[int, bytes]:
        self.asked.append(target)
        asked = paths.parse("GET", target, BOTH)
        if isinstance(asked, paths.Refusal):
            return asked.code, documents.refused(asked)
        assert isinstance(asked, paths.Explain), asked
        state = State(tuple(self.results), self.pods)
        if not self.explains:
            return 200, views.read(asked.read, state.snapshot, state.inventory, now=NOW).body
        return 200, json.dumps(views.explanation(asked.read, state.snapshot, state.inventory, now=NOW)).encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    world = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = world.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, name="server")
    serving.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{listening.server_port}"}}],
                "users": [{"name": "me", "user": {}}],
            }
        )
    )
    world.kubeconfig = str(kubeconfig)
    yield world
    listening.shutdown()
    serving.join()
    listening.server_close()


def pod(name: str) -> Pod:
    return Pod("team-a", name, f"uid-{name}", {"app": "web"}, ready=True, owner=Owner("apps/v1", "Deployment", "web"))


def test_a_value_is_told_as_hpa_reads_it_with_each_pod_and_its_rule(leadtime: Leadtime, server: Server) -> None:
    values = {ObjectRef("pods", "team-a", name): Sample(value, NOW - 4.0) for name, value in (("p0", 3.0), ("p1", 6.0))}
    server.results = [result(rule(), values)]
    server.pods = (pod("p0"), pod("p1"))

    ran = leadtime("explain", "metric", "queue", "-n", "team-a", "--kubeconfig", server.kubeconfig)

    assert ran.status == 0
    assert ran.out.splitlines() == [
        "HPA reads 4500m: the mean of 2 values",
        "pods: 2 live, 2 ready, 2 reporting",
        "  team-a/pods/p0: 3, 4s old, from 1 series",
        "  team-a/pods/p1: 6, 4s old, from 1 series",
        "rule rule reads queue_series (latest) from source",
    ]


def test_a_missing_value_is_told_with_its_reason_and_what_hpa_does(leadtime: Leadtime, server: Server) -> None:
    fault = Missing(Reason.SOURCE_DOWN, "refused", NOW - 9.0, "rule", "source")
    server.results = [result(rule(), {}, fault=fault)]
    server.pods = (pod("p0"),)

    ran = leadtime("explain", "metric", "queue", "-n", "team-a", "--kubeconfig", server.kubeconfig)

    assert ran.status == 1
    assert "no value (503): source down: refused [rule rule] [source source] [for 9s]" in ran.out
    assert "HPA cannot read this metric" in ran.out
    assert "  fault: source down: refused" in ran.out


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (("queue",), "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/queue?explain=true"),
        (("queue", "pods/p0", "-n", "ns"), "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns/pods/p0/queue?explain=true"),
        (
            ("queue", "deployments.apps/web"),
            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/deployments.apps/web/queue?explain=true",
        ),
        (("queue", "namespace"), "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/metrics/queue?explain=true"),
        (("queue", "nodes/gpu-0", "-n", ""), "/apis/custom.metrics.k8s.io/v1beta2/nodes/gpu-0/queue?explain=true"),
        (
            ("queue", "-l", "app=web", "--metric-selector", "model=x"),
            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/queue?explain=true&labelSelector=app%3Dweb&metricLabelSelector=model%3Dx",
        ),
        (
            ("queue", "--external", "--metric-selector", "q=x"),
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue?explain=true&labelSelector=q%3Dx",
        ),
    ],
)
def test_every_kind_of_object_has_its_path(leadtime: Leadtime, server: Server, arguments: tuple[str, ...], target: str) -> None:
    leadtime("explain", "metric", *arguments, "--kubeconfig", server.kubeconfig)

    (asked,) = server.asked
    assert paths.parse("GET", asked, BOTH) == paths.parse("GET", target, BOTH)


def test_an_external_metric_is_told_by_its_labels(leadtime: Leadtime, server: Server) -> None:
    of = rule(objects=model.ExternalObject(None), reducer=model.Reducer(None))
    parts = (({"queue": "jobs"}, Sample(3.0, NOW)), ({}, Sample(4.0, NOW)))
    value = Value.of(Sample(7.0, NOW), parts)
    server.results = [RuleResult(rule=of, at=NOW, values={ObjectRef(model.EXTERNAL_RESOURCE, "", ""): value})]

    ran = leadtime("explain", "metric", "queue", "--external", "--kubeconfig", server.kubeconfig)

    assert ran.status == 0
    assert ran.out.splitlines()[:3] == [
        "HPA reads 7: the sum of 2 values",
        "  queue=jobs: 3, 0s old, from 1 series",
        "  no labels: 4, 0s old, from 1 series",
    ]


def test_an_external_metric_without_series_gives_hpa_nothing(leadtime: Leadtime, server: Server) -> None:
    server.results = [result(rule(objects=model.ExternalObject(None)), {})]

    ran = leadtime("explain", "metric", "queue", "--external", "--kubeconfig", server.kubeconfig)

    assert ran.status == 1
    assert ran.out.startswith("no value: HPA cannot read this metric")


def test_the_json_is_the_servers(leadtime: Leadtime, server: Server) -> None:
    ran = leadtime("explain", "metric", "queue", "-o", "json", "--kubeconfig", server.kubeconfig)

    told: Any = json.loads(ran.out)
    assert ran.status == 1
    assert told["answer"]["missing"]["reason"] == "unknown metric"


def test_another_adapter_in_our_place_is_told(leadtime: Leadtime, server: Server) -> None:
    server.explains = False

    ran = leadtime("explain", "metric", "queue", "--kubeconfig", server.kubeconfig)

    assert ran.status == 1
    assert "is served, but not by leadtime" in ran.err
    assert not ran.out


def test_a_warning_is_passed_on(leadtime: Leadtime, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: object, **__: object) -> dict[str, Any]:
        document: dict[str, Any] = explanation(*_, **__)  # type: ignore[arg-type]
        return document | {"asked": {**document["asked"], "warning": "nobody reads that"}}

    explanation = views.explanation
    monkeypatch.setattr(views, "explanation", told)

    assert "warning: nobody reads that" in leadtime("explain", "metric", "queue", "--kubeconfig", server.kubeconfig).out


def test_what_the_server_refuses_is_its_own_sentence(leadtime: Leadtime, server: Server) -> None:
    ran = leadtime("explain", "metric", "queue", "pods/a/b", "--kubeconfig", server.kubeconfig)

    assert ran.status == 1
    assert ran.err.startswith("error: Kubernetes API server: 404: ")


def test_a_kubeconfig_that_is_not_there_is_status_2(leadtime: Leadtime, tmp_path: Path) -> None:
    ran = leadtime("explain", "metric", "queue", "--kubeconfig", str(tmp_path / "none"))

    assert ran.status == 2
    assert "none" in ran.err


def test_an_unknown_output_is_a_usage_error(leadtime: Leadtime) -> None:
    assert leadtime("explain", "metric", "queue", "-o", "yaml").status == 2

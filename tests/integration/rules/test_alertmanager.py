"""From a series to whoever is on call: Prometheus with our rules, and Alertmanager with the configuration of `docs/alerts.md`."""

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.cluster import prometheus
from tests.docs import pages
from tests.integration.rules import alertmanager
from tests.integration.rules.programs import program
from tests.manifests.prometheus import rules

PAGE = Path("docs/alerts.md")
_WHOSE = 'namespace="llm",scaler="qwen",target="Deployment/qwen"'
_ENGINE = 'namespace="llm",pod="qwen-a",engine="0",model_name="Qwen/Qwen3-8B"'
#: A scaler that nobody leads for: it is not ready, a signal is stale, and 150 requests wait.
EXPORTED = f"""\
leadtime_leader 0
leadtime_condition{{{_WHOSE},type="Ready",reason="TargetNotFound"}} 0
leadtime_signal_fresh{{{_WHOSE},signal="gpu_utilization"}} 0
leadtime_adapter_config_reload_successful 1
leadtime_adapter_rule_up{{source="prometheus",rule="dcgm/gpu_utilization",metric="gpu_utilization"}} 0
vllm:num_requests_waiting{{{_ENGINE}}} 150
"""


def configuration() -> str:
    """Return the configuration that the page shows."""
    (block,) = [each for each in pages.blocks("yaml") if each.title == "alertmanager.yaml"]
    return block.text


@dataclass(frozen=True, slots=True)
class Paged:
    """What was set off: the receiver, and Alertmanager's address."""

    receiver: alertmanager.Receiver
    url: str


def at_once() -> Mapping[str, Any]:
    """Return the rules as they are, but that nothing has to last."""
    groups = [
        {**group, "rules": [{**rule, "for": "0s"} if "alert" in rule else rule for rule in group["rules"]]}
        for group in rules.document()["groups"]
    ]
    return {"groups": groups}


@contextlib.contextmanager
def exporter(text: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, name="exporter")
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tell(server: prometheus.Prometheus, url: str) -> None:
    """Have *server* send its alerts to Alertmanager at *url* from now on."""
    document = yaml.safe_load(server.config.read_text())
    document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [url.removeprefix("http://")]}]}]}
    server.config.write_text(yaml.safe_dump(document))
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/-/reload", method="POST"), timeout=10).close()


def until(holds: Callable[[], bool], what: str, *, deadline_s: float = 60.0) -> None:
    give_up = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < give_up, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.2)


@contextlib.contextmanager
def paging(folder: Path, text: str, expected: set[str], told: set[str]) -> Iterator[Paged]:
    """Yield what comes of the page *text* once *expected* have arrived at Alertmanager, and *told* at the receiver."""
    for name in ("prometheus", "alertmanager"):
        program(name)
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(dict(at_once())))
    with contextlib.ExitStack() as running:
        receiver = running.enter_context(alertmanager.receiver())
        target = running.enter_context(exporter(text))
        shown = (
            configuration().replace("http://pager.example:8080/alerts", receiver.url).replace("group_wait: 30s", "group_wait: 5s")
        )
        url = running.enter_context(alertmanager.start(folder, shown))
        job = {
            "job_name": "leadtime-autoscaler",
            "honor_labels": True,
            "static_configs": [{"targets": [target], "labels": {"namespace": "leadtime", "pod": "leadtime-autoscaler-0"}}],
        }
        tell(running.enter_context(prometheus.start(folder, [job], rule_files=[file])), url)
        until(lambda: expected <= {each["labels"]["alertname"] for each in alertmanager.alerts(url)}, f"{expected} at Alertmanager")
        until(lambda: told <= receiver.firing().keys(), f"{told} told")
        yield Paged(receiver, url)


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paged]:
    """Yield what came of the exporter's page."""
    told = {"LeadtimeNoLeader", "LeadtimeInferenceQueueLong", "LeadtimeSourceDown"}
    with paging(tmp_path_factory.mktemp("paged"), EXPORTED, {*told, "LeadtimeNotReady", "LeadtimeSignalStale"}, told) as found:
        yield found


def test_the_page_shows_a_configuration_that_alertmanager_takes(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yaml"
    file.write_text(configuration())

    ran = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False, timeout=60)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 inhibit rules" in ran.stdout


@pytest.mark.parametrize("alert", ["LeadtimeNotReady", "LeadtimeGpuWasted"])
def test_our_alerts_go_to_their_team_and_nobody_elses_do(alert: str, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yaml"
    file.write_text(configuration())

    def receivers(name: str) -> str:
        command = [program("amtool"), "config", "routes", "test", f"--config.file={file}", f"alertname={name}"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    assert (receivers(alert), receivers("KubePodNotReady")) == ("gpu-team", "nobody")


def test_whoever_is_on_call_is_told_what_it_is_and_where_its_page_is(paged: Paged) -> None:
    alert = paged.receiver.firing()["LeadtimeInferenceQueueLong"]

    assert alert["labels"] == {
        "alertname": "LeadtimeInferenceQueueLong",
        "namespace": "llm",
        "job": "leadtime-autoscaler",
        "model": "Qwen/Qwen3-8B",
        "severity": "warning",
    }
    assert alert["annotations"] == {
        "summary": "150 requests wait for Qwen/Qwen3-8B in llm.",
        "description": (
            "150 requests have been taken by leadtime-autoscaler in llm and wait for room in Qwen/Qwen3-8B. It has lasted for"
            " minutes: the replicas that there are do not keep up."
        ),
        "threshold": "100",
        "runbook_url": "https://leadtime.dev/runbooks/LeadtimeInferenceQueueLong",
    }


def test_without_a_leader_nothing_is_said_of_scalers(paged: Paged) -> None:
    (leader,) = [each for each in alertmanager.alerts(paged.url) if each["labels"]["alertname"] == "LeadtimeNoLeader"]
    (lost,) = [each for each in alertmanager.alerts(paged.url) if each["labels"]["alertname"] == "LeadtimeNotReady"]

    assert lost["status"]["state"] == "suppressed"
    assert leader["fingerprint"] in lost["status"]["inhibitedBy"]
    assert "LeadtimeNoLeader" in paged.receiver.firing()
    assert "LeadtimeNotReady/qwen" not in paged.receiver.firing()


def test_with_a_leader_a_signal_whose_source_is_down_is_explained_by_that(tmp_path: Path) -> None:
    led = EXPORTED.replace("leadtime_leader 0", "leadtime_leader 1")
    told = {"LeadtimeSourceDown", "LeadtimeNotReady/qwen"}

    with paging(tmp_path, led, {"LeadtimeSourceDown", "LeadtimeSignalStale"}, told) as found:
        known = {each["labels"]["alertname"]: each for each in alertmanager.alerts(found.url)}

        assert known["LeadtimeSignalStale"]["status"]["inhibitedBy"] == [known["LeadtimeSourceDown"]["fingerprint"]]
        assert "LeadtimeSignalStale/qwen" not in found.receiver.firing()
        assert "LeadtimeNoLeader" not in known


def test_what_is_told_at_a_time_is_of_one_namespace_and_scaler(paged: Paged) -> None:
    for message in paged.receiver.messages:
        assert len({(each["labels"].get("namespace"), each["labels"].get("scaler")) for each in message["alerts"]}) == 1

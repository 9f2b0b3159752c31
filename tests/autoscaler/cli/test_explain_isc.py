"""`leadtime explain isc`: from an object's status, and from a record alone."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapter.snapshot import rfc3339
from autoscaler.decision.model import Record
from autoscaler.report.record import Recorder
from tests.autoscaler.cli.conftest import Leadtime
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import document

HELD = histories.held_by_the_cool_down()
HEADLINE = "llm-inference/qwen stays at 4: the queue asks for 3, but it rose 120 s ago: no scale-down for 300 s"
PATH = "/apis/leadtime.dev/v1alpha1/namespaces/llm-inference/inferencescalers/qwen"


# ── from the status ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Server:
    """An API server that has some objects."""

    objects: dict[str, Any] = field(default_factory=dict)
    kubeconfig: str = ""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    world = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = world.objects.get(self.path)
            body = json.dumps(found or {"kind": "Status", "message": "inferencescalers.leadtime.dev not found"}).encode()
            self.send_response(200 if found else 404)
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


@pytest.mark.parametrize("name", [("llm-inference/qwen",), ("qwen", "-n", "llm-inference")])
def test_the_trail_in_the_status_is_told_with_its_steps_and_the_counterfactual(
    leadtime: Leadtime, server: Server, name: tuple[str, ...]
) -> None:
    server.objects[PATH] = {"status": document(HELD)}

    ran = leadtime("explain", "isc", *name, "--kubeconfig", server.kubeconfig)

    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == HEADLINE
    assert "  3. Cooldown  3 → 4  it rose 120 s ago: no scale-down for 300 s" in lines
    assert lines[-1] == "without the cool-down it would be 3"


def test_a_time_picks_the_entry_that_was_in_force_then(leadtime: Leadtime, server: Server) -> None:
    first = document(HELD)
    later = replace(HELD, decision=replace(HELD.decision, at=HELD.decision.at + 100, reason=HELD.decision.trail[1].rule))
    server.objects[PATH] = {"status": document(later, first)}
    ask = ("explain", "isc", "llm-inference/qwen", "--kubeconfig", server.kubeconfig, "--at")

    then = leadtime(*ask, "2027-01-15T08:00:30Z")
    before = leadtime(*ask, str(histories.START - 1))

    assert "since 2027-01-15T08:00:00Z: stays at 4: the queue asks for 3, but it rose 120 s ago" in then.out
    assert then.status == 0
    assert (before.status, before.err) == (1, "error: the trail of llm-inference/qwen does not reach that time\n")


def test_json_has_the_entry_and_the_status(leadtime: Leadtime, server: Server) -> None:
    status = document(HELD)
    server.objects[PATH] = {"status": status}

    ran = leadtime("explain", "isc", "llm-inference/qwen", "-o", "json", "--kubeconfig", server.kubeconfig)

    assert json.loads(ran.out) == {"scaler": "llm-inference/qwen", "decision": status["trail"][0], "status": status}


def test_an_object_that_is_not_ready_or_not_decided_on_is_not_explained(leadtime: Leadtime, server: Server) -> None:
    status = document(HELD)
    status["conditions"][0].update(status="False", reason="TargetNotFound", message="no such Deployment")
    ask = ("explain", "isc", "llm-inference/qwen", "--kubeconfig", server.kubeconfig)

    server.objects[PATH] = {"status": status}
    broken = leadtime(*ask)
    server.objects[PATH] = {"spec": {}}
    new = leadtime(*ask)
    server.objects.clear()
    absent = leadtime(*ask)

    assert broken.status == 1
    assert "Ready=False (TargetNotFound): no such Deployment" in broken.out
    assert (new.status, new.out) == (1, "llm-inference/qwen has not been decided on yet\n")
    assert (absent.status, absent.out) == (1, "")
    assert "not found" in absent.err


# ── from a record alone ──────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(tmp_path: Path, *records: Record) -> str:
    path = tmp_path / "record.jsonl"
    with Recorder(path) as recorder:
        for record in records:
            recorder.write(record)
    return str(path)


def test_a_record_is_explained_by_taking_the_decision_again(leadtime: Leadtime, tmp_path: Path) -> None:
    file = recorded(tmp_path, HELD)

    ran = leadtime("explain", "isc", "qwen", "-n", "llm-inference", "--record", file)

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "2027-01-15T08:00:00Z 4 replicas were there",
        HEADLINE,
        "signals (1 to 8 replicas, mode Auto):",
        "  inference_queue_size: 6/10 is the load of 2.4 replicas, asks for 3; 4 s old",
        "steps:",
        "  1. Start     4      4 serve",
        "  2. Demand    4 → 3  inference_queue_size 24 over 4 pods is 6 each against 10: asks for 3",
        "  3. Cooldown  3 → 4  it rose 120 s ago: no scale-down for 300 s",
        "without the cool-down it would be 3",
        "taken again from the record alone: 4, as it was recorded",
    ]


def test_every_decision_of_a_history_is_reproduced_at_its_time(leadtime: Leadtime, tmp_path: Path) -> None:
    records = list(histories.World(load=histories.busy).run(24))
    file = recorded(tmp_path, *records)

    for record in records[::4]:
        at = rfc3339(record.observation.now)
        ran = leadtime("explain", "isc", histories.TARGET, "--record", file, "--at", at, "-o", "json")
        told = json.loads(ran.out)

        assert ran.status == 0
        assert (told["at"], told["reproduced"]) == (at, True)
        assert told["recorded"] == {"replicas": record.decision.replicas, "serving": record.decision.serving}
        assert told["decision"]["replicas"] == record.decision.replicas


def test_a_number_that_the_record_does_not_lead_to_is_said(leadtime: Leadtime, tmp_path: Path) -> None:
    file = recorded(tmp_path, replace(HELD, decision=replace(HELD.decision, replicas=6, serving=6)))

    ran = leadtime("explain", "isc", "llm-inference/qwen", "--record", file)

    assert (ran.status, ran.err) == (1, "taken again from the record alone: 4, and 6 was recorded\n")


def test_a_scaler_or_a_time_that_is_not_in_the_record_is_said_with_what_is(leadtime: Leadtime, tmp_path: Path) -> None:
    file = recorded(tmp_path, HELD)

    other = leadtime("explain", "isc", "llama", "--record", file)
    early = leadtime("explain", "isc", "llm-inference/qwen", "--record", file, "--at", "2026-01-01T00:00:00")

    assert (other.status, other.err) == (1, f"error: {file} has no decision of default/llama; it has llm-inference/qwen\n")
    assert early.status == 1
    assert "has no decision of llm-inference/qwen at that time or before" in early.err


@pytest.mark.parametrize("content", [None, b"nonsense\n"])
def test_a_record_that_cannot_be_read_is_the_users_to_mend(leadtime: Leadtime, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "record.jsonl"
    if content is not None:
        file.write_bytes(content)

    ran = leadtime("explain", "isc", "qwen", "--record", str(file))

    assert ran.status == 2
    assert str(file) in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("wrong", [("-o", "yaml"), ("--at", "yesterday")])
def test_options_that_mean_nothing_are_refused(leadtime: Leadtime, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    ran = leadtime("explain", "isc", "qwen", "--record", recorded(tmp_path, HELD), *wrong)

    assert ran.status == 2
    assert wrong[1] in ran.err

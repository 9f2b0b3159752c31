"""The commands of a person's habits on a real control plane, also as kubectl's plug-in."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.decision.schedule import Boost
from autoscaler.resource import boosts
from tests.cluster import access, build, processes, scaled, stack, steering, waiting

WAIT_S = 60.0
SPEC = {
    "minReplicas": 2,
    "maxReplicas": 6,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Target", "cooldownSeconds": 0},
    "warmPool": None,
    "idle": None,
}


@pytest.fixture(scope="module")
def world(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steering.World]:
    with steering.world(cluster, tmp_path_factory.mktemp("commands")) as found:
        yield found


@pytest.fixture
def target(world: steering.World, namespace: str) -> scaled.Scaled:
    """Return a target at rest: two replicas that its signals ask for."""
    found = scaled.start(world, namespace, replicas=2)
    found.apply(SPEC)
    found.until_condition("SignalsFresh", "True")
    return found


def at_rest(target: scaled.Scaled) -> None:
    """Have each pod say so little that four of them would be asked to be two: 4 × 30 / 70 = 1.7."""
    target.pin(gpu_util=30.0, waiting=1.0)


def leadtime(target: scaled.Scaled, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autoscaler.cli.main", *arguments, f"--kubeconfig={target.world.cluster.kubeconfig}"]
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def test_a_boost_raises_the_replicas_and_ends_by_the_controllers_own_clock(target: scaled.Scaled) -> None:
    at_rest(target)
    asked = leadtime(target, "boost", target.key, "--for=10m", "--min=4")
    assert (asked.returncode, asked.stderr) == (0, "")
    target.until_replicas(4, deadline_s=WAIT_S)
    assert target.until_status(reason="Schedule")["message"]

    # The same annotation with an end that is near: nobody takes it away, and it is over.
    ending = boosts.spell(Boost(min_replicas=4, until=time.time() + 5.0))
    target.kubectl("annotate", "--overwrite", "inferencescaler", scaled.NAME, f"{boosts.ANNOTATION}={ending}")

    target.until_replicas(2, deadline_s=WAIT_S)
    assert target.get("inferencescaler", scaled.NAME)["metadata"]["annotations"][boosts.ANNOTATION] == ending


def test_a_boost_can_be_ended_and_says_twice_what_serves_by_default(target: scaled.Scaled) -> None:
    at_rest(target)
    begun = leadtime(target, "boost", target.key, "--for=30m")
    assert "at least 4 replicas until" in begun.stdout
    target.until_replicas(4, deadline_s=WAIT_S)
    shown = leadtime(target, "status", "-n", target.namespace)
    ended = leadtime(target, "boost", target.key, "--end")

    assert "at least 4 until" in shown.stdout
    assert "the boost is ended" in ended.stdout
    target.until_replicas(2, deadline_s=WAIT_S)


def test_what_is_paused_stays_and_goes_on_in_the_mode_that_it_had(target: scaled.Scaled) -> None:
    paused = leadtime(target, "pause", target.key)
    assert f"paused; it stays at 2 until `leadtime resume {target.key}`" in paused.stdout
    target.until_condition("Active", "False", reason="Paused")
    target.pin(gpu_util=95.0, waiting=30.0)
    stack.settle(4.0)
    assert target.replicas() == 2
    refused = leadtime(target, "boost", target.key, "--for=30m")
    resumed = leadtime(target, "resume", target.key)

    assert (refused.returncode, "is paused" in refused.stderr) == (1, True)
    assert "resumed in mode Auto" in resumed.stdout
    waiting.until(lambda: target.replicas() > 2, what="it scales again", deadline_s=WAIT_S)
    assert "leadtime.dev/mode-before-pause" not in (target.get("inferencescaler", scaled.NAME)["metadata"].get("annotations") or {})


def test_status_and_top_show_what_the_object_and_the_metrics_api_say(target: scaled.Scaled) -> None:
    shown = leadtime(target, "status", "-n", target.namespace)
    closely = leadtime(target, "status", target.key)
    named = leadtime(target, "status", "-n", target.namespace, "-o", "name")
    document = json.loads(leadtime(target, "status", target.key, "-o", "json").stdout)
    top = json.loads(leadtime(target, "top", "-n", target.namespace, "-o", "json").stdout)

    assert (shown.returncode, closely.returncode) == (0, 0)
    assert target.key in shown.stdout
    assert f"Deployment/{scaled.NAME}" in closely.stdout
    assert "the last decision" in closely.stdout
    assert named.stdout == f"inferencescaler.leadtime.dev/{scaled.NAME}\n"
    assert document["metadata"]["name"] == scaled.NAME
    # Every pod is pinned at 60 % and 8 requests that wait.
    assert [(each["scaler"], each["gpuUtilization"], each["queue"]) for each in top] == [(target.key, 0.6, 16.0)]


def test_kubectl_runs_it_as_a_plug_in_and_asks_it_what_comes_next(target: scaled.Scaled, tmp_path: Path) -> None:
    for name, call in (
        ("kubectl-leadtime", "from autoscaler.cli.main import plugin; plugin()"),
        ("kubectl_complete-leadtime", "from autoscaler.cli.completion import of_plugin; of_plugin()"),
    ):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{call}" "$@"\n')
        script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "KUBECONFIG": str(target.world.cluster.kubeconfig),
        "PYTHONPATH": str(stack.ROOT),
        "COLUMNS": "200",
    }

    def kubectl(*arguments: str) -> str:
        command = [str(build.program("kubectl")), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment).stdout

    assert f"inferencescaler.leadtime.dev/{scaled.NAME}" in kubectl("leadtime", "status", target.key, "-o", "name")
    assert "Usage: kubectl leadtime" in kubectl("leadtime", "--help")
    assert {"status", "doctor"} <= set(kubectl("__complete", "leadtime", "").split())
    assert "kubectl-leadtime" in kubectl("plugin", "list")


def test_a_scaler_that_is_not_there_is_one_line_and_status_1(world: steering.World, namespace: str) -> None:
    ran = processes.run_leadtime("pause", f"{namespace}/nobody", f"--kubeconfig={world.cluster.kubeconfig}")

    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert 'inferencescalers.leadtime.dev "nobody" not found' in ran.stderr

"""The newcomer's clock: the steps of docs/install.md, taken word for word on a real control plane, up to the first decisions.

What a cluster has before is there: a Deployment of vLLM on GPUs, and a Prometheus that scrapes the exporters and the engines. Its
HPA controller looks as often as it is shipped to, every 15 s.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import access, build, controlplane, hpa, prometheus, scaled, stack, waiting
from tests.cluster.chart import kubelet
from tests.manifests import reading

PAGE = reading.ROOT.parent / "docs" / "install.md"
HEADING = "## From nothing to the first decisions"
NAMESPACE, WORKLOAD_NAMESPACE = "leadtime", "llm-inference"
#: The address of a Prometheus that the page has, as an example of one's own.
EXAMPLE_URL = "http://prometheus-k8s.monitoring.svc:9090"
MOST_STEPS, MOST_LINES = 5, 10
#: What each pod has waiting, of a target of 10, with two pods: three are wanted.
WAITING = 15.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the page: files of the reader's own, by their names, and commands."""

    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """Return how many lines of configuration the reader writes: of files, and values that are set."""
        own = sum(bool(line.strip()) for text in self.files.values() for line in text.splitlines())
        return own + sum(command.count("--set") for command in self.commands)


def steps() -> list[Step]:
    """Return the numbered steps of the page's section."""
    section = PAGE.read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    found: list[Step] = []
    for text in re.split(r"(?m)^\d+\. ", section)[1:]:
        step = Step()
        for words, language, block in re.findall(r"(?s)([^`]*(?:`[^`\n]+`[^`]*)*)```(\w+)\n(.*?)```", text):
            plain = re.sub(r"(?m)^ {3}", "", block)
            if language == "yaml":
                (name,) = re.findall(r"`([\w.-]+\.yaml)`", words)
                step.files[name] = plain
            else:
                step.commands.extend(line.removeprefix("$ ") for line in plain.replace("\\\n", " ").splitlines() if line)
        found.append(step)
    return found


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody with a terminal, and a cluster with a workload in it."""

    plane: controlplane.ControlPlane
    folder: Path
    prometheus_url: str

    def take(self, step: Step) -> str:
        """Do what *step* says, and return what the commands print."""
        for name, text in step.files.items():
            (self.folder / name).write_text(text)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.plane.kubeconfig),
        }
        told: list[str] = []
        for command in step.commands:
            words = ["bash", "-euo", "pipefail", "-c", command.replace(EXAMPLE_URL, self.prometheus_url)]
            ran = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=180)
            assert ran.returncode == 0, f"{command}: {ran.stderr or ran.stdout}"
            told.append(ran.stdout)
        return "".join(told)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    if missing := build.missing([*controlplane.COMPONENTS, "helm", "prometheus"]):
        pytest.skip(f"not built: {', '.join(missing)}")
    folder = tmp_path / "terminal"
    (folder / "bin").mkdir(parents=True)
    (folder / "manifests").symlink_to(reading.ROOT)
    for name in ("helm", "kubectl"):
        (folder / "bin" / name).symlink_to(build.program(name))
    command = folder / "bin" / "leadtime"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m autoscaler.cli.main "$@"\n')
    command.chmod(0o755)
    with controlplane.start(tmp_path / "plane", hpa_defaults=True) as plane:
        for name in ("gpu-1", "gpu-2"):
            plane.add_node(name)
        plane.kubectl("create", "namespace", WORKLOAD_NAMESPACE)
        waiting.until(lambda: _has_account(plane), what="pods may be created")
        with (
            stack.fleet(plane.kubeconfig, tmp_path / "fleet", selector=hpa.SELECTOR) as fleet,
            prometheus.start(tmp_path / "prometheus", fleet.jobs()) as scraping,
        ):
            plane.apply(*scaled.workload(WORKLOAD_NAMESPACE, replicas=2))
            fleet.pin(gpu_util=60.0, waiting=WAITING)
            waiting.until(lambda: len(scraping.query("vllm:num_requests_waiting")) == 2, what="two engines are scraped")
            yield Newcomer(plane, folder, scraping.url)


def _has_account(plane: controlplane.ControlPlane) -> bool:
    return bool(plane.kubectl("get", "serviceaccount", "default", f"--namespace={WORKLOAD_NAMESPACE}", "--ignore-not-found"))


def test_the_page_asks_for_few_steps_and_few_lines() -> None:
    found = steps()

    assert all(step.commands for step in found)
    assert len(found) <= MOST_STEPS
    assert sum(step.lines for step in found) <= MOST_LINES
    # And it says how many.
    assert (len(found), sum(step.lines for step in found)) == (5, 10)
    assert "Five steps and ten lines of configuration" in PAGE.read_text()


def test_the_steps_lead_to_a_decision_of_the_hpa_and_to_one_of_ours(
    newcomer: Newcomer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plane, (install, *others, look) = newcomer.plane, steps()
    began = time.monotonic()

    newcomer.take(install)
    with kubelet.pods(plane, NAMESPACE, tmp_path / "pods") as running:
        kubelet.lead_to(plane, NAMESPACE, "leadtime-adapter", next(pod for pod in running if pod.component == "adapter"))
        for step in others:
            newcomer.take(step)
        decided = {
            "InferenceScaler": waiting.until(
                lambda: _decided_by_us(plane, began), what="an InferenceScaler decides", deadline_s=120
            ),
            "HPA": waiting.until(lambda: _decided_by_the_hpa(plane, began), what="the HPA decides", deadline_s=120),
        }
        told = newcomer.take(look)

    assert "horizontalpodautoscaler.autoscaling/vllm-qwen" in told
    assert "inferencescaler.leadtime.dev/vllm-qwen" in told
    assert "inference_queue_size" in told
    lines, count = sum(step.lines for step in steps()), len(steps())
    seconds = ", ".join(f"{who} {after_s:.0f} s" for who, after_s in decided.items())
    with capsys.disabled():
        print(f"\nfrom `helm install` to the first decision: {seconds}; {count} steps, {lines} lines of configuration")


def _decided_by_the_hpa(plane: controlplane.ControlPlane, began: float) -> float | None:
    """Return after how many seconds the HPA wants more, for the queue that our adapter serves; None while it does not."""
    found = plane.get("hpa", hpa.NAME, f"--namespace={WORKLOAD_NAMESPACE}")
    if not access.is_true(found, "ScalingActive"):
        return None
    (metric,) = found["status"]["currentMetrics"]
    assert metric["pods"]["metric"]["name"] == "inference_queue_size"
    assert found["status"]["desiredReplicas"] >= 3, found["status"]
    return time.monotonic() - began


def _decided_by_us(plane: controlplane.ControlPlane, began: float) -> float | None:
    """Return after how many seconds the InferenceScaler recommends more; None while it does not."""
    found = plane.get("isc", hpa.NAME, f"--namespace={WORKLOAD_NAMESPACE}")
    if "desiredReplicas" not in found.get("status", {}) or not access.is_true(found, "Ready"):
        return None
    assert found["status"]["desiredReplicas"] >= 3, found["status"]
    return time.monotonic() - began

"""Whoever may write into a cluster or a metric has no power over the terminal of whoever reads it, by whichever command."""

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.advice import asking
from tests.autoscaler.advice import gpus
from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.conftest import Leadtime, Ran
from tests.autoscaler.doctor import cases

#: A title, a colour, a cleared screen by an 8-bit escape, text that runs backwards, a line of its own, and rich's own markup.
EVIL = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202egpj.\u2028\nerror: [blink]pay[/blink] [link=https://evil]here[/link]"
#: What markup would have eaten.
MARKUP = "[blink]pay[/blink] [link=https://evil]here[/link]"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[apiserver.Server]:
    with apiserver.serve(tmp_path) as world:
        decision = {"at": EVIL, "from": 2, "to": 3, "reason": EVIL, "why": EVIL}
        world.scaler(
            name="qwen",
            metadata={"annotations": {"leadtime.dev/mode-before-pause": EVIL, EVIL: EVIL}, "generation": 1},
            spec={"scaleTargetRef": {"kind": EVIL, "name": EVIL}, "minReplicas": 1, "maxReplicas": 8, "mode": EVIL},
            status={
                "reason": EVIL,
                "message": EVIL,
                "signals": EVIL,
                "currentReplicas": 2,
                "desiredReplicas": 3,
                "forecast": {"summary": EVIL},
                "conditions": [{"type": kind, "status": "False", "reason": EVIL, "message": EVIL} for kind in ("Ready", EVIL)],
                "trail": [decision],
                "observedGeneration": 1,
            },
        )
        evil = f"{apiserver.ROOT}/inferencescalers"
        world.objects[evil]["items"].append(
            {"metadata": {"name": EVIL, "namespace": EVIL}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": EVIL}}}
        )
        metric = {"message": EVIL, "reason": "no series", "source": EVIL}
        told = {
            "asked": {"warning": EVIL},
            "answer": {"status": 404, "missing": metric},
            "hpa": {"effect": EVIL},
            "objects": [{"object": EVIL, "missing": metric}, {"labels": {EVIL: EVIL}, "value": EVIL, "ageSeconds": 1, "series": 1}],
            "rules": [{"rule": EVIL, "sumOf": [], "source": EVIL, "fault": {"message": EVIL}}],
        }
        told["objects"][1] |= {"shared": False}  # type: ignore[index]
        world.objects[f"{CUSTOM}/namespaces/llm/pods/*/evil"] = told
        service = {"namespace": EVIL, "name": EVIL}
        for version in ("v1beta1", "v1beta2"):
            name = f"{version}.custom.metrics.k8s.io"
            world.objects[f"/apis/apiregistration.k8s.io/v1/apiservices/{name}"] = cases.apiservice(version, service=service)
        world.objects["/apis/autoscaling/v2/horizontalpodautoscalers"] = {
            "items": [{"metadata": {"name": EVIL, "namespace": "llm"}, "spec": {"scaleTargetRef": {"kind": EVIL, "name": EVIL}}}]
        }
        world.objects["/apis/coordination.k8s.io/v1/namespaces/leadtime/leases/leadtime-autoscaler"] = cases.lease(
            holderIdentity=EVIL
        )
        yield world


@pytest.fixture
def ask(leadtime: Leadtime, server: apiserver.Server, monkeypatch: pytest.MonkeyPatch) -> Leadtime:
    monkeypatch.setenv("COLUMNS", "9999")  # so that no line of a text begins where a terminal ends

    def run(*arguments: str) -> Ran:
        return leadtime(*arguments, "--kubeconfig", server.kubeconfig)

    return run


def harmless(ran: Ran) -> str:
    """Return what was printed, all of it; fail if any of it could do more than be read."""
    printed = ran.out + ran.err
    powers = {char for char in printed if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert powers == set(), f"{powers} in {printed!r}"
    assert not any(line.startswith("error: [blink]") for line in printed.splitlines()), "it speaks with our voice"
    return printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "-o", "wide"),
        ("status", "llm/qwen"),
        ("top",),
        ("explain", "isc", "llm/qwen"),
        ("explain", "metric", "evil", "-n", "llm"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_what_a_person_reads_is_spelled_out_and_no_markup(ask: Leadtime, arguments: tuple[str, ...]) -> None:
    printed = harmless(ask(*arguments))

    assert MARKUP.replace(" ", "") in "".join(printed.split())
    assert "\\x1b]0;owned\\x07" in "".join(printed.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "-o", "json"),
        ("status", "-o", "yaml"),
        ("status", "-o", "name"),
        ("top", "-o", "json"),
        ("explain", "isc", "llm/qwen", "-o", "json"),
        ("explain", "metric", "evil", "-n", "llm", "-o", "json"),
        ("doctor", "-o", "json"),
        ("doctor", "-o", "yaml"),
        ("pause", "llm/qwen"),
        ("resume", "llm/qwen"),
        ("boost", "llm/qwen", "--for", "30m"),
        ("boost", "llm/qwen", "--end"),
    ],
    ids=" ".join,
)
def test_what_programs_read_or_is_one_line_is_harmless_too(ask: Leadtime, arguments: tuple[str, ...]) -> None:
    assert harmless(ask(*arguments))


def test_json_says_all_of_it_to_a_program_all_the_same(ask: Leadtime) -> None:
    assert json.loads(ask("status", "llm/qwen", "-o", "json").out)["status"]["message"] == EVIL


@pytest.mark.parametrize(("output", "shown"), [("table", True), ("wide", True), ("json", True), ("yaml", False), ("name", False)])
def test_labels_of_a_metric_are_harmless_and_no_name_of_a_scaler(
    leadtime: Leadtime, monkeypatch: pytest.MonkeyPatch, output: str, shown: bool
) -> None:
    monkeypatch.setattr(asking, "PAUSES_S", ())
    with gpus.serve() as server:
        server.deployments[EVIL, EVIL] = gpus.Deployment(load=lambda _: 1.0, replicas=lambda _: 8.0)
        past = ("--days", "0.05", "--run", "0.05", "--jobs", "1", "--at", "1780000000")

        printed = harmless(leadtime("recommend", "--prometheus", server.url, *past, "-o", output))

    assert ("owned" in "".join(printed.split())) == shown


def test_words_of_a_prometheus_that_refuses_are_harmless(leadtime: Leadtime) -> None:
    with gpus.serve() as server:
        server.refusals = [(400, "bad_data", EVIL)] * 4

        ran = leadtime("recommend", "--prometheus", server.url)

    assert "owned" in harmless(ran)
    assert ran.status == 1


def _hpa() -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": EVIL}
    metric = {"type": EVIL, "pods": {"metric": {"name": EVIL}}}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [metric], EVIL: EVIL}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": EVIL, "namespace": EVIL},
        "spec": spec,
    }


def _scaled_object() -> dict[str, Any]:
    spec = {"scaleTargetRef": {"name": EVIL}, "triggers": [{"type": EVIL, "metadata": {EVIL: EVIL}}], EVIL: EVIL}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": EVIL, "namespace": EVIL}, "spec": spec}


@pytest.mark.parametrize(
    ("command", "document"),
    [
        (("import", "hpa"), _hpa),
        (("import", "scaledobject"), _scaled_object),
        (("scaler", "check"), lambda: {**_hpa(), "apiVersion": "leadtime.dev/v1alpha1", "kind": "InferenceScaler"}),
    ],
    ids=["import hpa", "import scaledobject", "scaler check"],
)
def test_a_file_of_what_a_cluster_had_is_harmless(
    leadtime: Leadtime, tmp_path: Path, command: tuple[str, ...], document: Callable[[], dict[str, Any]]
) -> None:
    file = tmp_path / "exported.json"
    file.write_text(json.dumps(document()))

    assert "owned" in harmless(leadtime(*command, str(file)))

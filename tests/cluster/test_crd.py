"""The CustomResourceDefinition, held to a real API server: what it fills in, what it refuses in which words, what kubectl shows."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from autoscaler.errors import InvalidScalerError
from autoscaler.resource import policy
from tests.autoscaler.resource import documents
from tests.cluster import access, waiting
from tests.manifests import reading

CRD = reading.ROOT / "base" / "crds" / "inferencescalers.yaml"
EXAMPLES = sorted((reading.ROOT / "examples").glob("scaler*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def _established(cluster: access.Cluster) -> Iterator[None]:
    cluster.kubectl("apply", "--server-side", f"--filename={CRD}")
    name = "customresourcedefinition/inferencescalers.leadtime.dev"
    cluster.kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
    waiting.until(lambda: "inferencescalers" in cluster.kubectl("api-resources"), what="the kind is discovered")
    return


def applied(cluster: access.Cluster, namespace: str, document: dict[str, Any]) -> dict[str, Any]:
    """Apply *document* and return it as it is stored."""
    cluster.apply({**document, "metadata": {"name": document["metadata"]["name"]}}, namespace=namespace)
    return cluster.get("isc", document["metadata"]["name"], f"--namespace={namespace}")


def test_the_schema_is_structural_and_complete(cluster: access.Cluster) -> None:
    definition = cluster.get("customresourcedefinition", "inferencescalers.leadtime.dev")

    conditions = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"
    assert "x-kubernetes-preserve-unknown-fields" not in definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_accepted_whole_and_read_the_same_as_it_was_written(
    cluster: access.Cluster, namespace: str, example: Any
) -> None:
    written = yaml.safe_load(example.read_text())

    stored = applied(cluster, namespace, written)

    known = policy.read(stored, known_zone=documents.known_zone)
    assert known.policy == policy.read(written, known_zone=documents.known_zone).policy
    assert known.uid == stored["metadata"]["uid"]


def test_what_is_left_out_is_filled_in_and_null_is_left_out(cluster: access.Cluster, namespace: str) -> None:
    document = documents.scaler(
        scaleDown={"rule": "Consolidation"}, idle={"replicas": 1, "zeroAfterSeconds": None}, warmPool={"max": 2}, urgent=None
    )

    spec = applied(cluster, namespace, document)["spec"]

    assert (spec["mode"], spec["minReplicas"], spec["conflictPolicy"]) == ("Recommend", 1, "Yield")
    assert spec["scaleDown"] == {
        "rule": "Consolidation",
        "bandRatio": 0.3,
        "cooldownSeconds": 300,
        "minCoverageRatio": 0.8,
    }
    assert spec["idle"] == {"replicas": 1, "afterSeconds": 300}
    assert spec["warmPool"] == {"min": 0, "max": 2, "quantile": 0.97, "atZero": False}
    assert "urgent" not in spec
    assert "forecast" not in spec


@pytest.mark.parametrize(("change", "words"), documents.CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_by_both_in_words_of_their_own(
    cluster: access.Cluster, namespace: str, change: dict[str, Any], words: str
) -> None:
    document = documents.scaler(**copy.deepcopy(change))

    with pytest.raises(access.KubectlError) as refused:
        applied(cluster, namespace, document)

    assert words in str(refused.value)
    with pytest.raises(InvalidScalerError):
        policy.read(document, known_zone=documents.known_zone)


def test_kubectl_shows_the_columns(cluster: access.Cluster, namespace: str) -> None:
    applied(cluster, namespace, documents.scaler(minReplicas=0, idle={}))
    status = {
        "observedGeneration": 1,
        "target": "Deployment/vllm-qwen",
        "signals": "gpu 71/70 · queue 12/10",
        "currentReplicas": 3,
        "desiredReplicas": 4,
        "readyReplicas": 3,
        "warmReplicas": 1,
        "servingReplicas": 3,
        "reason": "Demand",
        "forecast": {"summary": "4.2 in 75 s"},
        "startup": {"p50Seconds": 41.5, "p90Seconds": 58.5, "p99Seconds": 70, "samples": 12},
        "metricAgeSeconds": 7,
        "gpus": 6,
        "today": "2026-11-23",
        "gpuHoursToday": 41.25,
        "costToday": "102.30 USD",
    }

    cluster.kubectl(
        "patch", "isc", "qwen", f"--namespace={namespace}", "--subresource=status", "--type=merge",
        f"--patch={json.dumps({'status': status, 'spec': {'maxReplicas': 99}})}",
    )  # fmt: skip
    narrow = cluster.kubectl("get", "isc", f"--namespace={namespace}").splitlines()
    wide = cluster.kubectl("get", "inferencescalers", f"--namespace={namespace}", "--output=wide").splitlines()
    stored = cluster.get("isc", "qwen", f"--namespace={namespace}")

    assert narrow[0].split() == ["NAME", "TARGET", "SIGNALS", "CURRENT", "DESIRED", "READY", "MIN", "MAX", "REASON", "AGE"]
    shown = [cell.strip() for cell in narrow[1].split("  ") if cell.strip()]
    assert shown[:-1] == ["qwen", "vllm-qwen", "gpu 71/70 · queue 12/10", "3", "4", "3", "0", "8", "Demand"]
    assert [cell.strip() for cell in wide[0].split("  ") if cell.strip()][-8:] == [
        "MODE",
        "FORECAST",
        "WARM",
        "START-UP",
        "METRIC AGE",
        "GPUS",
        "GPU-H TODAY",
        "COST TODAY",
    ]
    assert [cell.strip() for cell in wide[1].split("  ") if cell.strip()][-8:] == [
        "Recommend",
        "4.2 in 75 s",
        "1",
        "58.5",
        "7",
        "6",
        "41.25",
        "102.30 USD",
    ]
    # Of a write to /status the wish is left alone, and no field is pruned.
    assert stored["status"] == status
    assert stored["spec"]["maxReplicas"] == 8


def test_status_outside_its_own_path_is_ignored(cluster: access.Cluster, namespace: str) -> None:
    document = documents.scaler()
    document["status"] = {"reason": "Forged"}

    stored = applied(cluster, namespace, document)

    assert "status" not in stored
    assert stored["metadata"]["generation"] == 1


def test_kubectl_explains_every_field(cluster: access.Cluster) -> None:
    explained = cluster.kubectl("explain", "isc.spec.scaleDown")

    assert "bandRatio" in explained
    assert "the utilisation, from 0 to 1" in " ".join(explained.split())

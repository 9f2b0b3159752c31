"""An HPA as an InferenceScaler that decides as it does."""

import copy
from typing import Any

from hypothesis import given

from autoscaler.decision import model
from autoscaler.resource import hpa, policy
from autoscaler.resource.hpa import Converted
from tests.autoscaler.resource import documents
from tests.autoscaler.resource.documents import GATEWAY, GPU, QUEUE, Document
from tests.manifests import reading

CPU: Document = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm-qwen"}


def theirs(version: str = "autoscaling/v2", **spec: Any) -> Document:
    return {
        "apiVersion": version,
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "qwen", "namespace": "llm", "uid": "u", "resourceVersion": "7", "labels": {"team": "a"}},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 8, "metrics": [copy.deepcopy(QUEUE)], **spec},
        "status": {"currentReplicas": 3},
    }


def read(converted: Converted) -> model.Policy:
    assert converted.document is not None
    return policy.read(converted.document, known_zone=documents.known_zone).policy


def test_hpas_own_defaults_are_written_out_and_what_is_ours_is_off() -> None:
    converted = hpa.convert(theirs())

    assert read(converted) == model.Policy(
        min_replicas=1,
        max_replicas=8,
        signals=(model.Signal(name="inference_queue_size", kind=model.Kind.QUEUE, source=model.Source.PODS, target_milli=10_000),),
        behavior=model.Behavior(
            up=model.Direction(
                window_s=0,
                rates=(model.Rate(model.RateType.PODS, 4, 15), model.Rate(model.RateType.PERCENT, 100, 15)),
            ),
            down=model.Direction(window_s=300, rates=(model.Rate(model.RateType.PERCENT, 100, 15),)),
        ),
        scale_down=model.ScaleDown(rule=model.DownRule.TARGET, cooldown_s=0, min_coverage_ratio=0),
        forecast=model.ForecastPolicy(mode=model.ForecastMode.OFF),
        on_missing=model.OnMissing(fail_open=False),
        urgent_ratio=None,
        mode=model.Mode.RECOMMEND,
    )
    assert (converted.notes, converted.refused) == ([], [])


def test_the_object_keeps_its_name_and_labels_and_nothing_that_the_cluster_gave_it() -> None:
    document = hpa.convert(theirs()).document

    assert document is not None
    assert document["metadata"] == {"name": "qwen", "namespace": "llm", "labels": {"team": "a"}}
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}


def test_labels_by_which_a_tool_owns_the_hpa_are_left_out_and_that_is_said() -> None:
    owners = {
        "app.kubernetes.io/instance": "llm",
        "app.kubernetes.io/managed-by": "Helm",
        "helm.sh/chart": "llm-1.2.3",
        "argocd.argoproj.io/instance": "llm",
        "kustomize.toolkit.fluxcd.io/name": "llm",
        "helm.toolkit.fluxcd.io/name": "llm",
        "scaledobject.keda.sh/name": "qwen",
    }
    kept = {"team": "a", "app.kubernetes.io/name": "qwen", "app.kubernetes.io/part-of": "llm"}
    told = theirs()

    told["metadata"]["labels"] = {**owners, **kept}
    some = hpa.convert(told)
    told["metadata"]["labels"] = owners
    none = hpa.convert(told)

    assert some.document is not None
    assert none.document is not None
    assert some.document["metadata"]["labels"] == kept
    assert "labels" not in none.document["metadata"]
    assert dict(some.notes)["metadata.labels"].startswith(f"{', '.join(owners)} left out: ")
    assert some.refused == []


def test_labels_that_are_none_are_refused() -> None:
    told = theirs()
    told["metadata"]["labels"] = ["a"]

    converted = hpa.convert(told)

    assert converted.document is not None
    assert "labels" not in converted.document["metadata"]
    assert converted.refused == [("metadata.labels", "is no mapping of labels")]


def test_a_behaviour_keeps_what_it_says_and_takes_hpas_defaults_for_the_rest() -> None:
    behavior = {
        "scaleUp": {"stabilizationWindowSeconds": 60, "tolerance": "0.05"},
        "scaleDown": {"selectPolicy": "Disabled", "policies": None},
    }

    found = read(hpa.convert(theirs(behavior=behavior))).behavior

    assert (found.up.window_s, found.up.tolerance, len(found.up.rates)) == (60, 0.05, 2)
    assert (found.down.window_s, found.down.select) == (300, model.Select.DISABLED)
    assert found.down.rates == (model.Rate(model.RateType.PERCENT, 100, 15),)


def test_utilisation_is_taken_at_its_word_as_hpa_takes_it_and_that_is_said() -> None:
    converted = hpa.convert(theirs(metrics=[GPU, QUEUE]))

    gpu, queue = read(converted).signals
    assert (gpu.kind, queue.kind) == (model.Kind.OTHER, model.Kind.QUEUE)
    ((path, note),) = converted.notes
    assert path == "spec.metrics[0]"
    assert "without its hint under signals it is read as Utilization" in note


def test_what_is_refused_is_told_and_the_rest_comes_along() -> None:
    converted = hpa.convert(theirs(metrics=[CPU, QUEUE, {"type": "ContainerResource"}]))

    assert [signal.name for signal in read(converted).signals] == ["inference_queue_size"]
    assert [path for path, _ in converted.refused] == ["spec.metrics[0]", "spec.metrics[2]"]
    assert all("CPU and memory" in why for _, why in converted.refused)


def test_an_hpa_on_cpu_alone_comes_to_nothing() -> None:
    converted = hpa.convert(theirs(metrics=[CPU]))

    assert converted.document is None
    assert [path for path, _ in converted.refused] == ["spec.metrics[0]", "spec.metrics"]


def test_zero_is_a_number_as_any_other_where_hpa_has_it_so() -> None:
    found = read(hpa.convert(theirs(minReplicas=0, metrics=[GATEWAY])))

    assert (found.min_replicas, found.idle, found.on_missing.fail_open) == (0, None, False)


def test_version_1_keeps_things_in_annotations_and_says_how_to_get_them() -> None:
    old = theirs("autoscaling/v1", metrics=None, targetCPUUtilizationPercentage=80)
    old["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": "[]"}

    converted = hpa.convert(old)

    assert converted.document is None
    assert any("horizontalpodautoscalers.v2.autoscaling" in why for _, why in converted.refused)
    assert "spec.targetCPUUtilizationPercentage" in dict(converted.refused)


def test_version_2beta2_says_the_same_as_version_2() -> None:
    assert read(hpa.convert(theirs("autoscaling/v2beta2"))) == read(hpa.convert(theirs()))


def test_other_versions_and_kinds_are_refused() -> None:
    for document in (theirs("autoscaling/v2beta1"), {"kind": "Deployment"}, {}):
        converted = hpa.convert(document)

        assert converted.document is None
        assert converted.refused


def test_the_example_hpa_converts_whole() -> None:
    converted = hpa.convert(reading.one("HorizontalPodAutoscaler", "examples"))

    assert converted.refused == []
    assert read(converted).behavior.up.rates == (model.Rate(model.RateType.PODS, 2, 60),)


@given(documents.anything.map(lambda spec: {**theirs(), "spec": spec}) | documents.anything)
def test_no_object_is_too_odd_to_be_answered(told: Any) -> None:
    converted = hpa.convert(told)

    assert (converted.document is None) <= bool(converted.refused)

"""A KEDA ScaledObject as an InferenceScaler that decides as KEDA does, and the adapter's rules for its queries."""

from typing import Any

import pytest
import yaml
from hypothesis import given

from adapter import settings
from autoscaler.decision import model
from autoscaler.resource import policy, scaledobject
from autoscaler.resource.hpa import Converted
from autoscaler.resource.scaledobject import Adapter
from autoscaler.resource.scaler import Scaler, Schedule, TargetRef
from tests.autoscaler.resource import documents
from tests.autoscaler.resource.documents import Document

CRON: Document = {
    "type": "cron",
    "metadata": {"timezone": "Asia/Shanghai", "start": "0 8 * * 1-5", "end": "0 20 * * 1-5", "desiredReplicas": "2"},
}


def prometheus(query: str = "sum(waiting)", address: str = "http://prometheus:9090", **trigger: Any) -> Document:
    metadata = {"serverAddress": address, "query": query, "threshold": "10", "ignoreNullValues": "false"}
    return {"type": "prometheus", **trigger, "metadata": {**metadata, **trigger.get("metadata", {})}}


def theirs(*triggers: Document, annotations: Document | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "qwen", "namespace": "llm", "annotations": annotations or {}},
        "spec": {"scaleTargetRef": {"name": "vllm-qwen"}, "triggers": list(triggers) or [prometheus()], **spec},
    }


def convert(*triggers: Document, adapter: Adapter | None = None, **rest: Any) -> Converted:
    return scaledobject.convert(theirs(*triggers, **rest), adapter or Adapter())


def read(converted: Converted) -> Scaler:
    assert converted.document is not None
    return policy.read(converted.document, known_zone=documents.known_zone)


def test_labels_by_which_a_tool_owns_the_object_are_left_out() -> None:
    told = theirs()
    told["metadata"]["labels"] = {"app.kubernetes.io/instance": "llm", "team": "a"}

    converted = scaledobject.convert(told, Adapter())

    assert converted.document is not None
    assert converted.document["metadata"]["labels"] == {"team": "a"}
    assert dict(converted.notes)["metadata.labels"].startswith("app.kubernetes.io/instance left out")


def test_kedas_own_defaults_are_written_out_and_what_is_ours_is_off() -> None:
    converted = convert()

    found = read(converted)
    assert found.target == TargetRef("apps/v1", "Deployment", "vllm-qwen")
    assert (found.policy.min_replicas, found.policy.max_replicas) == (0, 100)
    # KEDA goes from any number to 0 once nothing was active for its cool-down of 300 s.
    assert found.policy.idle == model.Idle(replicas=1, after_s=300, zero_after_s=300)
    assert found.policy.scale_down == model.ScaleDown(rule=model.DownRule.TARGET, cooldown_s=0, min_coverage_ratio=0)
    assert (found.policy.urgent_ratio, found.policy.forecast.mode) == (None, model.ForecastMode.OFF)
    assert found.policy.on_missing == model.OnMissing(behavior=model.MissingBehavior.HOLD, fail_open=False)
    assert found.policy.mode is model.Mode.RECOMMEND
    assert converted.refused == []


def test_a_query_becomes_an_external_metric_and_a_rule_that_loads() -> None:
    adapter = Adapter()
    query = 'sum(vllm:num_requests_waiting{model="qwen"})'

    converted = convert(prometheus(query, name="queue depth"), adapter=adapter)

    (signal,), (asked,) = read(converted).policy.signals, read(converted).queries
    assert (signal.source, signal.target_type, signal.target_milli) == (
        model.Source.EXTERNAL,
        model.TargetType.AVERAGE_VALUE,
        10_000,
    )
    loaded = settings.parse(yaml.safe_dump(adapter.document()))
    assert [rule.metric for rule in loaded.rules] == [asked.metric] == ["queue-depth"]
    assert [source.name for source in loaded.sources] == ["prometheus"]


def test_metrics_of_several_objects_keep_apart_and_share_what_they_can() -> None:
    adapter = Adapter()

    first = convert(prometheus(name="queue"), prometheus(name="queue", query="b"), adapter=adapter)
    second = convert(prometheus(name="queue", query="c", address="http://other:9090"), adapter=adapter)

    names = [query.metric for query in (*read(first).queries, *read(second).queries)]
    assert names == ["queue", "queue-2", "queue-3"]
    loaded = settings.parse(yaml.safe_dump(adapter.document()))
    assert [rule.metric for rule in loaded.rules] == names
    assert [(rule.source) for rule in loaded.rules] == ["prometheus", "prometheus", "prometheus-2"]


def test_a_threshold_by_value_stays_one() -> None:
    (signal,) = read(convert(prometheus(metricType="Value"))).policy.signals

    assert signal.target_type is model.TargetType.VALUE


def test_a_cron_trigger_becomes_a_schedule() -> None:
    found = read(convert(CRON))

    assert found.schedules == (
        Schedule(name="cron-0", start="0 8 * * 1-5", end="0 20 * * 1-5", time_zone="Asia/Shanghai", min_replicas=2),
    )
    assert found.policy.signals == ()


@pytest.mark.parametrize(
    ("spec", "least", "idle"),
    [
        ({"minReplicaCount": 2}, 2, None),
        ({"cooldownPeriod": 60}, 0, model.Idle(replicas=1, after_s=60, zero_after_s=60)),
        ({"minReplicaCount": 3, "idleReplicaCount": 1}, 3, model.Idle(replicas=1, after_s=300)),
        ({"minReplicaCount": 2, "idleReplicaCount": 0}, 0, model.Idle(replicas=1, after_s=300, zero_after_s=300)),
    ],
)
def test_the_minimum_the_idle_count_and_the_cool_down_say_what_rests(spec: Document, least: int, idle: model.Idle | None) -> None:
    found = read(convert(**spec)).policy

    assert (found.min_replicas, found.idle) == (least, idle)


def test_a_minimum_that_holds_only_while_there_is_work_is_said_to_be_lost() -> None:
    assert "spec.minReplicaCount" in dict(convert(minReplicaCount=2, idleReplicaCount=0).notes)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("static", model.MissingBehavior.STATIC),
        ("currentReplicas", model.MissingBehavior.HOLD),
        ("currentReplicasIfHigher", model.MissingBehavior.CURRENT_IF_HIGHER),
        ("currentReplicasIfLower", model.MissingBehavior.CURRENT_IF_LOWER),
    ],
)
def test_a_fallback_is_what_happens_when_metrics_are_missing(theirs: str, ours: model.MissingBehavior) -> None:
    converted = convert(pollingInterval=10, fallback={"failureThreshold": 4, "replicas": 6, "behavior": theirs})

    # Four polls of 10 s have to fail.
    assert read(converted).policy.on_missing == model.OnMissing(behavior=ours, replicas=6, after_s=40, fail_open=False)


def test_pauses_stay() -> None:
    assert read(convert(annotations={"autoscaling.keda.sh/paused": "true"})).policy.mode is model.Mode.PAUSED
    down = read(convert(annotations={"autoscaling.keda.sh/paused-scale-in": "true"})).policy.behavior.down
    assert down.select is model.Select.DISABLED
    up = read(convert(annotations={"autoscaling.keda.sh/paused-scale-out": "true"})).policy.behavior.up
    assert up.select is model.Select.DISABLED


def test_the_behaviour_of_its_hpa_comes_along() -> None:
    advanced = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 30}}}}

    assert read(convert(advanced=advanced)).policy.behavior.up.window_s == 30


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ({"advanced": {"scalingModifiers": {"formula": "a + b"}}}, "spec.advanced.scalingModifiers"),
        ({"fallback": {"replicas": 1, "behavior": "guess"}}, "spec.fallback.behavior"),
        ({"triggers": [prometheus(), {"type": "cpu", "metadata": {"value": "60"}}]}, "spec.triggers[1]"),
        ({"triggers": [prometheus(), {"type": "kafka"}]}, "spec.triggers[1]"),
        ({"triggers": [CRON, prometheus(metadata={"query": None})]}, "spec.triggers[1].metadata.query"),
        ({"triggers": [CRON, prometheus(metricType="Utilization")]}, "spec.triggers[1].metricType"),
        (
            {"triggers": [prometheus(), {**CRON, "metadata": {"desiredReplicas": "two"}}]},
            "spec.triggers[1].metadata.desiredReplicas",
        ),
    ],
)
def test_what_cannot_be_carried_over_is_refused_with_its_path_and_the_rest_stays(rest: Document, path: str) -> None:
    converted = convert(**rest)

    assert [where for where, _ in converted.refused] == [path]
    assert read(converted)


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        ({"triggers": [prometheus(metadata={"activationThreshold": "5"})]}, "spec.triggers[0].metadata.activationThreshold"),
        ({"triggers": [prometheus(metadata={"ignoreNullValues": "true"})]}, "spec.triggers[0].metadata.ignoreNullValues"),
        ({"triggers": [prometheus(metadata={"authModes": "bearer"})]}, "spec.triggers[0].metadata.authModes"),
        ({"triggers": [prometheus(authenticationRef={"name": "a"})]}, "spec.triggers[0].authenticationRef"),
        ({"pollingInterval": 5}, "spec.pollingInterval"),
        ({"initialCooldownPeriod": 60}, "spec.initialCooldownPeriod"),
        ({"advanced": {"restoreToOriginalReplicaCount": True}}, "spec.advanced.restoreToOriginalReplicaCount"),
        (
            {"annotations": {"autoscaling.keda.sh/paused-replicas": "4"}},
            "metadata.annotations.autoscaling.keda.sh/paused-replicas",
        ),
    ],
)
def test_what_is_not_needed_or_stands_elsewhere_is_noted(rest: Document, path: str) -> None:
    converted = convert(**rest)

    assert path in dict(converted.notes)
    assert converted.refused == []


def test_an_object_on_cpu_alone_comes_to_nothing() -> None:
    adapter = Adapter()

    converted = convert({"type": "cpu"}, adapter=adapter)

    assert converted.document is None
    assert [path for path, _ in converted.refused] == ["spec.triggers[0]", "spec.triggers"]
    assert adapter.document() is None


@given(documents.anything.map(lambda spec: {**theirs(), "spec": spec}) | documents.anything)
def test_no_object_is_too_odd_to_be_answered(told: Any) -> None:
    converted = scaledobject.convert(told, Adapter())

    assert (converted.document is None) <= bool(converted.refused)

"""Explanations: they agree with the answer, name what is missing, and mark what was made up."""

import json
from typing import Any

import pytest

from adapter import lookup
from adapter.api import explain, paths
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules import model
from adapter.snapshot import RuleResult, Value
from adapter.workload import Pod
from tests.adapter.api import goldens

NOW = 1_700_000_100.0  # 2023-11-14T22:15:00Z
BOTH = paths.Groups(external="external.metrics.k8s.io")

UTILIZATION = model.Rule(
    name="dcgm/gpu_utilization",
    metric="gpu_utilization",
    source="prometheus",
    of=(
        model.Term(
            (
                model.Candidate(model.Selection("DCGM_FI_PROF_GR_ENGINE_ACTIVE")),
                model.Candidate(model.Selection("DCGM_FI_DEV_GPU_UTIL"), 0.01),
            )
        ),
    ),
    objects=model.PodObject(device=True),
    reducer=model.Reducer(model.Fold.MEAN, ("tp_rank",)),
    owner_fold=model.Fold.MEAN,
    keep=("modelName",),
)
LATENCY = model.Rule(
    name="gateway/latency",
    metric="latency_seconds",
    source="gateway",
    of=(model.Term((model.Candidate(model.Selection("latency_seconds_sum", measure=model.Rate(60.0))),)),),
    over=(model.Term((model.Candidate(model.Selection("latency_seconds", measure=model.Quantile(0.9, 120.0))),)),),
    objects=model.NamedObject("services", "Service", "v1", "service", "namespace"),
)
QUEUE = model.Rule(
    name="broker/queue",
    metric="queue",
    source="rabbitmq",
    of=(model.Term((model.Candidate(model.Selection("queue_depth")),)),),
    objects=model.ExternalObject(),
    max_age_s=30.0,
)
REQUESTS = model.Rule(
    name="mesh/requests",
    metric="requests",
    source="prometheus",
    of=(model.Term((model.Candidate(model.Selection(promql="sum by (namespace) (rate(requests_total[1m]))")),)),),
    objects=model.NamespaceObject(),
    absent_as=0.0,
)


def asked(tail: str) -> Any:
    request = paths.parse("GET", f"/explain/{tail}", BOTH)
    assert isinstance(request, paths.Explain), request
    return request.read


def pod(name: str, *, ready: bool = True) -> Pod:
    return Pod("gpu", name, f"uid-{name}", {"app": "vllm"}, ready=ready)


def item(ref: ObjectRef, sample: Sample, labels: dict[str, str] | None = None) -> lookup.Item:
    return lookup.Item(ref, lookup.POD, Value.of(sample), labels)


def three_pods() -> tuple[RuleResult, list[Pod], lookup.Values]:
    """A fresh value, a stale one, and a blank."""
    pods = [pod("a"), pod("b"), pod("c", ready=False)]
    fresh = Sample(0.5, NOW - 4.0, 30.0, series=2, shared=True)
    result = RuleResult(
        rule=UTILIZATION,
        at=NOW - 2.0,
        values={pods[0].ref: Value.of(fresh), pods[1].ref: Value.of(Sample(0.9, NOW - 75.0))},
        missing={pods[2].ref: Missing(Reason.BLANK, "gpu 3", NOW - 20.0, UTILIZATION.name, UTILIZATION.source)},
        unattributed=5,
    )
    return result, pods, lookup.Values((item(pods[0].ref, fresh),), NOW + 56.0)


def test_pods_of_which_one_reports() -> None:
    result, pods, answer = three_pods()

    told = explain.read(asked("namespaces/gpu/pods/*/gpu_utilization?labelSelector=app%3Dvllm"), answer, [result], pods, now=NOW)

    goldens.check("explain-pods", told)


def test_each_live_pod_is_told_of_once_with_its_value_or_its_reason() -> None:
    result, pods, answer = three_pods()

    told: Any = explain.read(asked("namespaces/gpu/pods/*/gpu_utilization"), answer, [result], pods, now=NOW)

    outcomes = {one["object"]: one.get("value") or one["missing"]["reason"] for one in told["objects"]}
    assert outcomes == {"gpu/pods/a": "500m", "gpu/pods/b": "stale", "gpu/pods/c": "DCGM blank value"}
    # One of the two ready pods reports; the third is live and need not.
    assert told["coverage"] == {"live": 3, "ready": 2, "reporting": 1, "readyAndReporting": 1, "ratio": 0.5}


def test_a_missing_answer_says_what_hpa_does_about_it() -> None:
    why = Missing(Reason.SOURCE_DOWN, "connection refused", NOW - 90.0, UTILIZATION.name, "prometheus")
    result = RuleResult(rule=UTILIZATION, fault=why)

    told: Any = explain.read(asked("namespaces/gpu/pods/*/gpu_utilization"), why, [result], [pod("a")], now=NOW)

    assert told["answer"]["status"] == 503
    assert told["answer"]["missing"]["message"] == why.message(now=NOW)
    assert told["answer"]["missing"]["forSeconds"] == 90.0
    assert told["hpa"] == {"effect": explain.BLOCKED}
    assert told["rules"][0]["fault"]["reason"] == "source down"


def test_the_metrics_selector_is_applied_to_each_object() -> None:
    ref = pod("a").ref
    parts = (({"modelName": "A100"}, Sample(0.2, NOW)), ({"modelName": "H100"}, Sample(0.6, NOW)))
    result = RuleResult(rule=UTILIZATION, at=NOW, values={ref: Value.of(Sample(0.4, NOW), parts)})
    answer = lookup.Values((item(ref, Sample(0.6, NOW)),), NOW + 60)

    told: Any = explain.read(
        asked("namespaces/gpu/pods/a/gpu_utilization?metricLabelSelector=modelName%3DH100"), answer, [result], [pod("a")], now=NOW
    )

    assert [one["value"] for one in told["objects"]] == ["600m"]
    assert told["asked"]["metricLabelSelector"] == "modelName=H100"


@pytest.mark.parametrize(
    ("tail", "values", "reads"),
    [
        # HPA's integer division of thousandths, towards zero: 1001m / 2 = 500m, -1001m / 2 = -500m.
        ("namespaces/gpu/pods/*/gpu_utilization", [0.5, 0.501], "500m"),
        ("namespaces/gpu/pods/*/gpu_utilization", [-0.5, -0.501], "-500m"),
        ("namespaces/gpu/pods/a/gpu_utilization", [0.25], "250m"),
        ("namespaces/gpu/deployments.apps/vllm/queue", [1500.0], "1500"),
        ("external/namespaces/gpu/queue", [1.5, 998.5], "1k"),
    ],
)
def test_what_hpa_reads_is_computed_in_its_own_arithmetic(tail: str, values: list[float], reads: str) -> None:
    items = tuple(item(ObjectRef("pods", "gpu", str(number)), Sample(value, NOW)) for number, value in enumerate(values))

    told: Any = explain.read(asked(tail), lookup.Values(items, NOW + 60), [], [], now=NOW)

    assert told["hpa"]["reads"] == reads


def test_a_stand_in_for_an_absent_object_is_marked() -> None:
    result = RuleResult(rule=REQUESTS, at=NOW - 3.0)
    answer = lookup.Values((item(ObjectRef("namespaces", "", "gpu"), Sample(0.0, NOW - 3.0, series=0)),), NOW + 57.0)

    told: Any = explain.read(asked("namespaces/gpu/metrics/requests"), answer, [result], [], now=NOW)

    assert told["objects"][0]["value"] == "0"
    assert "absentAs" in told["objects"][0]
    assert "absentAs" in told["answer"]["items"][0]
    assert told["rules"][0]["absentAs"] == 0.0


def test_a_measured_zero_is_not_marked_as_a_stand_in() -> None:
    ref = ObjectRef(model.NAMESPACE_RESOURCE, "", "gpu")
    result = RuleResult(rule=REQUESTS, at=NOW, values={ref: Value.of(Sample(0.0, NOW))})
    answer = lookup.Values((item(ref, Sample(0.0, NOW)),), NOW + 60.0)

    told: Any = explain.read(asked("namespaces/gpu/metrics/requests"), answer, [result], [], now=NOW)

    assert "absentAs" not in told["objects"][0]
    assert "absentAs" not in told["answer"]["items"][0]


def test_objects_that_are_no_pods_are_those_the_rules_know_in_the_namespace() -> None:
    refs = [ObjectRef("services", "gpu", "x"), ObjectRef("services", "other", "y"), ObjectRef("services", "gpu", "z")]
    gone = Missing(Reason.NOT_A_NUMBER, "0/0", None, LATENCY.name, LATENCY.source)
    result = RuleResult(rule=LATENCY, at=NOW, values={ref: Value.of(Sample(1.0, NOW)) for ref in refs[:2]}, missing={refs[2]: gone})
    answer = lookup.Values((item(refs[0], Sample(1.0, NOW)),), NOW + 60.0)

    def told_of(tail: str) -> list[str]:
        told: Any = explain.read(asked(tail), answer, [result], [], now=NOW)
        return [one["object"] for one in told["objects"]]

    assert told_of("namespaces/gpu/services/*/latency_seconds") == ["gpu/services/x", "gpu/services/z"]
    assert told_of("namespaces/gpu/services/z/latency_seconds") == ["gpu/services/z"]
    assert told_of("namespaces/gpu/services/*/latency_seconds?fieldSelector=metadata.name%3Dz") == ["gpu/services/z"]


def test_pods_that_are_gone_are_not_told_of() -> None:
    result, _, _ = three_pods()
    why = Missing(Reason.SELECTOR_EMPTY, "namespace gpu")

    told: Any = explain.read(asked("namespaces/gpu/pods/*/gpu_utilization"), why, [result], [], now=NOW)

    assert told["objects"] == []
    assert "coverage" not in told


def test_an_external_metric_is_told_by_its_labels() -> None:
    ref = ObjectRef(model.EXTERNAL_RESOURCE, "gpu", "")
    items = (item(ref, Sample(3.0, NOW - 1), {"queue": "a"}), item(ref, Sample(4.0, NOW - 2), {"queue": "b"}))
    result = RuleResult(rule=QUEUE, at=NOW)

    told = explain.read(asked("external/namespaces/gpu/queue"), lookup.Values(items, NOW + 28), [result], [], now=NOW)

    goldens.check("explain-external", told)


def every_result() -> list[RuleResult]:
    pods, _, _ = three_pods()
    down = Missing(Reason.SOURCE_DOWN, "connection refused", NOW - 90.0, LATENCY.name, LATENCY.source)
    warming = Missing(Reason.WARMING, "no collection has ended yet", rule=QUEUE.name, source=QUEUE.source)
    return [
        pods,
        RuleResult(rule=LATENCY, at=NOW - 95.0, fault=down),
        RuleResult(rule=QUEUE, fault=warming),
        RuleResult(rule=REQUESTS, at=NOW - 1.0, fault=Missing(Reason.TOO_MANY_SERIES, "200000", NOW)),
    ]


def test_every_rule_with_what_it_reads_and_gave() -> None:
    goldens.check("explain-rules", explain.rules(every_result(), now=NOW))


def test_every_source_with_its_state() -> None:
    told = explain.sources(every_result(), now=NOW)

    goldens.check("explain-sources", told)
    assert {one["source"]: one["state"] for one in told} == {
        "prometheus": "partly failing",
        "gateway": "failing",
        "rabbitmq": "warming up",
    }


def test_the_warning_about_an_unread_parameter_is_repeated() -> None:
    told: Any = explain.read(asked("namespaces/gpu/pods/*/m?selector=a%3Db"), Missing(Reason.SELECTOR_EMPTY, "x"), [], [], now=NOW)

    assert "labelSelector" in told["asked"]["warning"]


def test_an_explanation_is_plain_json() -> None:
    result, pods, answer = three_pods()

    told = explain.read(asked("namespaces/gpu/deployments.apps/vllm/gpu_utilization"), answer, [result], pods, now=NOW)

    assert json.loads(json.dumps(told, allow_nan=False)) == told

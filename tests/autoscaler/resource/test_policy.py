"""From an object to a policy: all of it, or everything that is wrong with it."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import model
from autoscaler.errors import InvalidScalerError
from autoscaler.resource import policy
from autoscaler.resource.scaler import Key, Query, Scaler, Schedule, TargetRef
from tests.autoscaler.resource import documents
from tests.autoscaler.resource.documents import GATEWAY, GPU, OFFICE, QUEUE, Document


def read(document: Document) -> Scaler:
    return policy.read(document, known_zone=documents.known_zone)


def problems(document: Document) -> dict[str, str]:
    """Return what is wrong, by path."""
    with pytest.raises(InvalidScalerError) as refused:
        read(document)
    return {problem.path: problem.message for problem in refused.value.problems}


# Laws


@given(documents.valid())
def test_what_contradicts_nothing_is_read(document: Document) -> None:
    before = copy.deepcopy(document)

    found = read(document)

    assert found.policy.max_replicas == document["spec"]["maxReplicas"]
    assert len(found.queries) == len(found.policy.signals) == len(document["spec"]["metrics"])
    assert [query.metric for query in found.queries] == [signal.name for signal in found.policy.signals]
    assert document == before


@given(documents.valid())
def test_null_is_the_same_as_left_out(document: Document) -> None:
    def without_nulls(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: without_nulls(value) for key, value in node.items() if value is not None}
        return [without_nulls(each) for each in node] if isinstance(node, list) else node

    assert read(document) == read(without_nulls(document))


@given(st.one_of(documents.spoilt(), documents.anything.map(lambda told: {"spec": told}), documents.anything))
def test_whatever_is_told_is_read_or_refused_with_a_reason(document: Any) -> None:
    try:
        found = read(document)
    except InvalidScalerError as error:
        told = [problem.message for problem in error.problems]
    else:
        told = [str(found.target)]

    assert told
    assert all(told)


#: Each is wrong by itself, in a field of its own.
FAULTS: tuple[tuple[Document, str], ...] = (
    ({"minReplicas": 9}, "spec.minReplicas"),
    ({"idle": {"afterSeconds": "300"}}, "spec.idle.afterSeconds"),
    ({"warmPool": {"min": 2, "max": 1, "quantile": 2}}, "spec.warmPool.min"),
    ({"warmPool": {"min": 2, "max": 1, "quantile": 2}}, "spec.warmPool.quantile"),
    ({"startup": {"prior": {"p50Seconds": 61}}}, "spec.startup.prior.p50Seconds"),
    ({"schedules": [{**OFFICE, "timeZone": "Mars/Olympus"}]}, "spec.schedules[0].timeZone"),
    ({"metrics": [GPU, {"type": "Resource"}]}, "spec.metrics[1]"),
    ({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1}]}}}, "spec.behavior.scaleUp.policies[0].periodSeconds"),
    ({"budget": {"maxGPUs": 0}}, "spec.budget.maxGPUs"),
    ({"mdoe": "Auto"}, "spec.mdoe"),
    ({"scaleTargetRef": {"kind": "Deployment"}}, "spec.scaleTargetRef.name"),
)


@given(st.lists(st.sampled_from(FAULTS), min_size=1, unique_by=lambda fault: next(iter(fault[0]))))
def test_every_problem_is_told_at_once_with_its_path(faults: list[tuple[Document, str]]) -> None:
    changes: Document = {}
    for change, _ in faults:
        changes |= copy.deepcopy(change)

    told = problems(documents.scaler(**changes))

    assert {path for _, path in faults} <= told.keys()


# What is read


def test_the_users_policy_is_read_to_the_letter() -> None:
    document = documents.scaler(
        minReplicas=0,
        scaleDown={"rule": "Band", "bandRatio": 0.3, "cooldownSeconds": 300},
        warmPool={"min": 1, "max": 2, "quantile": 0.97, "atZero": False},
        idle={"replicas": 1, "afterSeconds": 300, "zeroAfterSeconds": None},
        schedules=[OFFICE],
        mode="Auto",
        budget={"maxGPUs": 16},
    )
    document["metadata"] |= {"uid": "u-1", "generation": 7, "creationTimestamp": "2026-09-01T00:00:10Z"}

    found = read(document)

    assert found == Scaler(
        key=Key("llm-inference", "qwen"),
        uid="u-1",
        generation=7,
        created_at=1788220810.0,  # 20,697 days of 86,400 s after the epoch, and 10 s
        target=TargetRef("apps/v1", "Deployment", "vllm-qwen"),
        policy=model.Policy(
            min_replicas=0,
            max_replicas=8,
            signals=(
                model.Signal(
                    name="DCGM_FI_DEV_GPU_UTIL",
                    kind=model.Kind.UTILIZATION,
                    source=model.Source.PODS,
                    target_milli=70_000,
                    stale_after_s=90.0,
                    percent=True,
                ),
                model.Signal(name="inference_queue_size", kind=model.Kind.QUEUE, source=model.Source.PODS, target_milli=10_000),
            ),
            scale_down=model.ScaleDown(rule=model.DownRule.BAND),
            warm_pool=model.WarmPool(min=1, max=2),
            idle=model.Idle(),
            max_gpus=16,
            mode=model.Mode.AUTO,
        ),
        queries=(
            Query(source=model.Source.PODS, metric="DCGM_FI_DEV_GPU_UTIL"),
            Query(source=model.Source.PODS, metric="inference_queue_size"),
        ),
        schedules=(Schedule(name="office", start="0 8 * * 1-5", end="0 20 * * 1-5", time_zone="Asia/Shanghai", min_replicas=2),),
        notes=("spec.minReplicas: 0 is never reached without idle.zeroAfterSeconds: idle.replicas 1 is the floor",),
    )


def test_what_is_left_out_takes_our_defaults_and_not_hpas() -> None:
    found = read(documents.scaler(behavior={"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {"tolerance": "50m"}}))

    assert found.policy == model.Policy(
        max_replicas=8,
        signals=found.policy.signals,
        behavior=model.Behavior(
            up=model.Direction(
                window_s=0, rates=(model.Rate(model.RateType.PODS, 2, 60), model.Rate(model.RateType.PERCENT, 100, 15))
            ),
            down=model.Direction(
                window_s=300,
                rates=(model.Rate(model.RateType.PODS, 1, 120), model.Rate(model.RateType.PERCENT, 50, 120)),
                tolerance=0.05,
            ),
        ),
    )


def test_an_object_and_an_external_metric_say_where_their_values_are() -> None:
    selector = {"matchLabels": {"model": "qwen"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}
    document = documents.scaler(
        metrics=[
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "Service", "name": "gateway"},
                    "metric": {"name": "requests", "selector": selector},
                    "target": {"type": "Value", "value": "2500m"},
                },
            },
            GATEWAY,
        ]
    )

    found = read(document)

    assert found.queries == (
        Query(
            source=model.Source.OBJECT,
            metric="requests",
            metric_selector="model=qwen,tier in (a,b)",
            described=TargetRef("v1", "Service", "gateway"),
        ),
        Query(source=model.Source.EXTERNAL, metric="gateway_queue_size"),
    )
    assert [(signal.target_type, signal.target_milli) for signal in found.policy.signals] == [
        (model.TargetType.VALUE, 2500),
        (model.TargetType.AVERAGE_VALUE, 10_000),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "stale_after_s", "percent"),
    [
        ("DCGM_FI_DEV_GPU_UTIL", model.Kind.UTILIZATION, 90, True),
        ("gpu_utilization", model.Kind.UTILIZATION, 90, False),
        ("DCGM_FI_DEV_POWER_USAGE", model.Kind.OTHER, 90, False),
        ("vllm:num_requests_waiting", model.Kind.QUEUE, 60, False),
        ("inference_requests_in_flight", model.Kind.CONCURRENCY, 60, False),
        ("sglang:token_usage", model.Kind.KV_CACHE, 60, False),
        ("time_to_first_token_p90_seconds", model.Kind.LATENCY, 60, False),
        ("tokens_per_second", model.Kind.RATE, 60, False),
        ("app_jobs", model.Kind.OTHER, 60, False),
    ],
)
def test_what_a_metric_measures_is_told_from_its_name(name: str, kind: model.Kind, stale_after_s: float, percent: bool) -> None:
    (signal,) = read(documents.scaler(metrics=[documents.pods(name, averageValue="700m")])).policy.signals

    assert (signal.kind, signal.stale_after_s, signal.percent, signal.learned) == (kind, stale_after_s, percent, False)


def test_a_hint_says_more_than_the_name() -> None:
    hints = [{"metric": "npu_busy", "kind": "Utilization", "staleAfterSeconds": 20}, {"metric": "jobs", "kind": "Concurrency"}]
    hints[1]["learnCapacity"] = True
    metrics = [documents.pods("npu_busy", averageValue=65), documents.pods("jobs", averageValue=4)]

    busy, jobs = read(documents.scaler(metrics=metrics, signals=hints, scaleDown={"rule": "Band"})).policy.signals

    assert (busy.kind, busy.stale_after_s, busy.percent) == (model.Kind.UTILIZATION, 20.0, True)
    assert (jobs.kind, jobs.learned) == (model.Kind.CONCURRENCY, True)


def test_an_urgent_queue_can_be_switched_off() -> None:
    assert read(documents.scaler(urgent={"ratio": 3})).policy.urgent_ratio == 3
    assert read(documents.scaler(urgent={"disabled": True})).policy.urgent_ratio is None


def test_a_manifest_that_was_never_applied_is_read_too() -> None:
    document = documents.scaler()
    document["metadata"] = {"name": "qwen"}

    found = read(document)

    assert (found.key, found.uid, found.generation, found.created_at) == (Key("default", "qwen"), "", 0, 0.0)


# What is refused


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"maxReplicas": None}, "spec.maxReplicas", "is missing"),
        ({"maxReplicas": "8"}, "spec.maxReplicas", "must be a whole number"),
        ({"maxReplicas": True}, "spec.maxReplicas", "must be a whole number"),
        ({"forecast": {"mode": False}}, "spec.forecast.mode", "put it in quotes"),
        ({"forecast": {"quantile": float("nan")}}, "spec.forecast.quantile", "finite"),
        ({"metrics": [QUEUE, QUEUE]}, "spec.metrics[1]", "inference_queue_size is spec.metrics[0] already"),
        ({"metrics": []}, "spec.metrics", "give metrics or schedules"),
        ({"metrics": [{"type": "Resource"}]}, "spec.metrics[0]", "CPU and memory do not say how busy a GPU is"),
        (
            {"metrics": [documents.pods("a", averageValue=1.5)]},
            "spec.metrics[0].pods.target.averageValue",
            'put it in quotes, "1.5"',
        ),
        ({"metrics": [documents.pods("a", averageValue="1e16")]}, "spec.metrics[0].pods.target.averageValue", "beyond"),
        ({"metrics": [documents.pods("a", averageValue="NaN")]}, "spec.metrics[0].pods.target.averageValue", "no digits"),
        ({"metrics": [documents.pods("a", averageValue="-1")]}, "spec.metrics[0].pods.target.averageValue", "not above zero"),
        ({"metrics": [documents.pods("a/b", averageValue="1")]}, "spec.metrics[0].pods.metric.name", "one segment of a path"),
        ({"metrics": [documents.pods("a")]}, "spec.metrics[0].pods.target.averageValue", "is missing"),
        ({"signals": [{"metric": "nothing"}]}, "spec.signals[0].metric", "is none of the metrics"),
        (
            {"signals": [{"metric": "inference_queue_size", "learnCapacity": True}]},
            "spec.signals[0].learnCapacity",
            "learned from kind Concurrency, and inference_queue_size is Queue",
        ),
        (
            {"minReplicas": 0, "idle": {"zeroAfterSeconds": 9}},
            "spec.minReplicas",
            "an Object metric, an External metric, or a schedule",
        ),
        ({"scaleDown": {"rule": "Band"}, "metrics": [QUEUE]}, "spec.scaleDown.rule", "add a metric such as DCGM_FI_DEV_GPU_UTIL"),
        ({"warmPool": {"max": 8}}, "spec.warmPool.max", "leaves no replica to serve"),
        ({"onMissing": {"behavior": "Static", "replicas": 9}}, "spec.onMissing.replicas", "above maxReplicas 8"),
        ({"schedules": [{**OFFICE, "minReplicas": 9}]}, "spec.schedules[0].minReplicas", "above spec.maxReplicas 8"),
        (
            {"minReplicas": 2, "schedules": [{**OFFICE, "minReplicas": None, "maxReplicas": 1}]},
            "spec.schedules[0].maxReplicas",
            "below spec.minReplicas 2",
        ),
        ({"schedules": [{**OFFICE, "minReplicas": None}]}, "spec.schedules[0]", "changes nothing"),
        ({"schedules": [OFFICE, OFFICE]}, "spec.schedules[1].name", "spec.schedules[0] is named office already"),
        ({"schedules": [{**OFFICE, "start": "8 am"}]}, "spec.schedules[0].start", "five fields"),
        ({"schedules": [{**OFFICE, "start": "61 8 * * *"}]}, "spec.schedules[0].start", "Bad minute"),
        ({"schedules": [{**OFFICE, "end": OFFICE["start"]}]}, "spec.schedules[0].end", "never be in force"),
        ({"schedules": [{**OFFICE, "timeZone": "CEST"}]}, "spec.schedules[0].timeZone", "IANA"),
        ({"behavior": {"scaleUp": {"policies": []}}}, "spec.behavior.scaleUp.policies", "at least one entry"),
        ({"behavior": {"scaleUp": {"tolerance": "-1"}}}, "spec.behavior.scaleUp.tolerance", "negative"),
    ],
)
def test_a_problem_names_its_place_the_rule_and_the_remedy(change: Document, path: str, words: str) -> None:
    told = problems(documents.scaler(**copy.deepcopy(change)))

    assert list(told) == [path]
    assert words in told[path]


@pytest.mark.parametrize("change", [change for change, _ in documents.CONTRADICTIONS])
def test_what_the_api_server_refuses_is_refused_here(change: Document) -> None:
    assert problems(documents.scaler(**copy.deepcopy(change)))


def test_what_is_no_inferencescaler_is_refused_as_such() -> None:
    told = problems({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "data": {}})

    assert told == {
        "apiVersion": "must be leadtime.dev/v1alpha1",
        "kind": "must be InferenceScaler",
        "metadata": "is missing",
        "spec": "is missing",
        "data": "is not a known field: check its spelling",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"minReplicas": 0, "idle": {"zeroAfterSeconds": 600}, "metrics": [GPU, GATEWAY]},
        {"minReplicas": 0, "idle": {"zeroAfterSeconds": 600}, "schedules": [OFFICE]},
        {"minReplicas": 0, "idle": {"replicas": 1}},
        {"minReplicas": 0},
        {"metrics": [], "schedules": [OFFICE]},
        {"warmPool": {"min": 1, "max": 7}},
    ],
)
def test_what_is_just_possible_is_read(change: Document) -> None:
    assert read(documents.scaler(**copy.deepcopy(change)))


# What is said of it


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minReplicas": 0}, "0 is never reached without idle.zeroAfterSeconds"),
        ({"idle": {"zeroAfterSeconds": 600}}, "has no effect, since minReplicas is 1"),
        ({"minReplicas": 0, "metrics": [GATEWAY], "idle": {"zeroAfterSeconds": 60}}, "shorter than afterSeconds, so 300 counts"),
        ({"scaleDown": {"bandRatio": 0.2}}, "means something with rule Band only"),
        ({"warmPool": {"quantile": 0.9}}, "there is no pool while max is 0"),
        ({"metrics": [documents.pods("DCGM_FI_DEV_GPU_UTIL", averageValue="0.7")]}, "runs from 0 to 100, and its target is 0.7"),
        ({"metrics": [documents.pods("gpu_utilization", averageValue="70")]}, "runs from 0 to 1, and its target is 70"),
        ({"minReplicas": 0, "idle": {}, "metrics": [documents.external("jobs", value="5")]}, "give it kind Queue"),
        ({"minReplicas": 3, "onMissing": {"behavior": "Static", "replicas": 2}}, "below minReplicas 3"),
        ({"urgent": {"ratio": 3, "disabled": True}}, "means nothing while urgent.disabled is true"),
    ],
)
def test_what_is_legal_and_odd_is_noted(change: Document, words: str) -> None:
    assert words in "; ".join(read(documents.scaler(**copy.deepcopy(change))).notes)


def test_a_plain_scaler_needs_no_note() -> None:
    assert read(documents.scaler()).notes == ()

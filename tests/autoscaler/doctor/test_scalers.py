"""What is wrong with single scalers: targets, rivals, metrics, pools."""

import pytest

from autoscaler.doctor.diagnosis import diagnose
from autoscaler.doctor.finding import Finding, Level
from autoscaler.doctor.seen import MetricAsked, Unread
from autoscaler.report import conditions
from autoscaler.resource.scaler import Mechanism
from tests.autoscaler.doctor import cases

ASKED = MetricAsked("llm", "qwen", "inference_queue_size", "Pods")


def of(*scalers: cases.Document, **changes: object) -> tuple[Finding, ...]:
    return diagnose(cases.healthy(scalers=scalers, **changes))


def rival(kind: str, target: str = "vllm-qwen", name: str = "older", **metadata: object) -> cases.Document:
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "llm", **metadata},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": target}},
    }


@pytest.mark.parametrize("reason", [each for each in conditions.Ready if each not in ("Ready", "MemoryCorrupted", "Starting")])
def test_every_reason_for_not_being_ready_has_a_fix_of_its_own(reason: str) -> None:
    told = cases.scaler(status={"conditions": [cases.condition("Ready", "False", reason, "as it is")]})

    found = cases.only(of(told))

    assert (found.check, found.level, found.says) == ("scaler-not-ready", Level.ERROR, f"{reason}: as it is")
    assert "docs/reasons.md" not in found.fix


def test_a_scaler_of_which_nobody_knows_is_told_unless_it_only_begins() -> None:
    defect, beginning = (
        cases.scaler(status={"conditions": [cases.condition("Ready", "Unknown", reason)]})
        for reason in ("InternalError", "Starting")
    )

    assert cases.only(of(defect)).check == "scaler-not-ready"
    assert of(beginning) == ()


@pytest.mark.parametrize(
    ("condition", "check"),
    [
        (cases.condition("SignalsFresh", "False", "NoneFresh"), "signals-stale"),
        (cases.condition("Conflict", "True", "ForeignWriter"), "conflicting-writer"),
        (cases.condition("CapacityBlocked", "True", "Unschedulable"), "capacity-blocked"),
    ],
)
def test_a_condition_that_complains_is_told(condition: cases.Document, check: str) -> None:
    assert cases.only(of(cases.scaler(status={"conditions": [condition]}))).check == check


def test_a_scaler_that_nobody_looks_at_is_found_after_a_minute() -> None:
    ignored = cases.scaler(status={"conditions": [], "observedGeneration": None})
    new = {**ignored, "metadata": {**ignored["metadata"], "creationTimestamp": "2027-01-15T07:59:30Z"}}

    assert cases.only(of(ignored)).check == "scaler-unwatched"
    assert of(new) == ()


@pytest.mark.parametrize(
    ("kind", "field", "check"),
    [("HorizontalPodAutoscaler", "hpas", "conflicting-hpa"), ("ScaledObject", "scaled_objects", "conflicting-scaledobject")],
)
def test_who_else_sets_the_same_target_is_named_with_the_command_that_takes_it_away(kind: str, field: str, check: str) -> None:
    found = cases.only(of(cases.scaler(), **{field: (rival(kind),)}))

    assert found.check == check
    assert "older -n llm" in found.fix


@pytest.mark.parametrize("mode", ["Recommend", "Paused"])
def test_who_writes_nothing_has_no_rival(mode: str) -> None:
    assert of(cases.scaler(mode=mode), hpas=(rival("HorizontalPodAutoscaler"),)) == ()
    assert of(cases.scaler(mode=mode), scaled_objects=(rival("ScaledObject"),)) == ()


def test_an_hpa_of_another_target_is_nobodys_rival() -> None:
    assert of(cases.scaler(), hpas=(rival("HorizontalPodAutoscaler", target="other"),)) == ()


def test_the_hpa_that_keda_made_is_not_told_beside_its_scaled_object() -> None:
    keda = rival("HorizontalPodAutoscaler", name="keda-hpa", ownerReferences=[{"kind": "ScaledObject"}])

    findings = of(cases.scaler(), hpas=(keda,), scaled_objects=(rival("ScaledObject"),))

    assert [finding.check for finding in findings] == ["conflicting-scaledobject"]


def test_two_scalers_of_one_target_are_one_too_many() -> None:
    found = cases.only(of(cases.scaler(), cases.scaler("twin")))

    assert (found.check, found.about) == ("twin-scaler", "InferenceScaler llm/twin")


def test_a_pool_that_nothing_holds_back_is_told_with_its_obstacle() -> None:
    pool = {"mechanism": str(Mechanism.HEADROOM), "why": "no Service selects the pods"}

    found = cases.only(of(cases.scaler(status={"pool": pool}, warmPool={"max": 2})))

    assert found.check == "warm-pool-ineffective"
    assert "no Service selects the pods" in found.says
    assert of(cases.scaler(status={"pool": pool})) == ()


def test_bounds_without_anything_between_them_are_told() -> None:
    assert cases.only(of(cases.scaler(minReplicas=3, maxReplicas=3))).check == "bounds-equal"


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def missing(reason: str, source: str = "prometheus") -> cases.Document:
    return {"answer": {"status": 404, "missing": {"reason": reason, "message": f"{reason}: it is so", "source": source}}}


@pytest.mark.parametrize(
    ("reason", "check"),
    [
        ("unknown metric", "metric-unknown"),
        ("no series", "metric-missing"),
        ("stale", "metric-missing"),
        ("too few pods report", "metric-missing"),
        ("source down", "source-unreachable"),
        ("TLS to source failed", "source-unreachable"),
    ],
)
def test_a_metric_without_a_value_is_told_by_its_reason(reason: str, check: str) -> None:
    assert cases.only(of(cases.scaler(), metrics={ASKED: missing(reason)})).check == check


def test_a_source_that_is_down_is_told_once_however_many_metrics_it_has() -> None:
    metrics = {ASKED: missing("source down"), ASKED._replace(metric="gpu_utilization"): missing("source down")}

    assert cases.only(of(cases.scaler(), metrics=metrics)).about == "source prometheus"


def test_a_metric_with_a_value_is_well_and_one_without_pods_has_none() -> None:
    assert of(cases.scaler(), metrics={ASKED: {"answer": {"status": 200}}}) == ()
    assert of(cases.scaler(status={"readyReplicas": 0}), metrics={ASKED: missing("no series")}) == ()


def test_a_metrics_api_that_does_not_answer_is_unseen() -> None:
    found = cases.only(of(cases.scaler(), metrics={ASKED: Unread("metric", "503: the server is unavailable")}))

    assert found.level is Level.UNSEEN

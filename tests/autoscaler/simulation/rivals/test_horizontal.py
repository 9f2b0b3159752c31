"""The port of Kubernetes' autoscaler keeps the rules that Kubernetes documents; every number here is worked out by hand."""

import pytest

from autoscaler.simulation.rivals import horizontal
from autoscaler.simulation.rivals.horizontal import (
    Metric,
    MetricType,
    Phase,
    Pod,
    PolicyType,
    ScalingPolicy,
    ScalingRules,
    Select,
    Spec,
    TargetType,
    World,
)

SECOND_NS = 1_000_000_000
TARGET_10 = Metric(type=MetricType.PODS, target_milli=10_000)
AT_ONCE = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 1000, 1),))


def spec(*metrics: Metric, least: int = 1, most: int = 100, up: ScalingRules = AT_ONCE, down: ScalingRules = AT_ONCE) -> Spec:
    return Spec(min_replicas=least, max_replicas=most, metrics=metrics or (TARGET_10,), scale_up=up, scale_down=down)


def pods(count: int, *, phase: Phase = Phase.RUNNING, ready: bool = True, prefix: str = "p") -> tuple[Pod, ...]:
    return tuple(Pod(name=f"{prefix}{number}", phase=phase, ready=ready and phase is Phase.RUNNING) for number in range(count))


def world(
    replicas: int, *answers: horizontal.Answer, found: tuple[Pod, ...] | None = None, status: int | None = None, at: float = 0.0
) -> World:
    return World(
        now_ns=round(at * SECOND_NS),
        replicas=replicas,
        status_replicas=replicas if status is None else status,
        pods=pods(replicas) if found is None else found,
        answers=answers,
    )


def each(value: float, count: int, *, prefix: str = "p") -> dict[str, int]:
    return {f"{prefix}{number}": round(value * 1000) for number in range(count)}


def asked(replicas: int, value: float) -> int:
    """Return what an autoscaler without windows says of *replicas* pods with *value* of 10 each."""
    return horizontal.Autoscaler(spec()).sync(world(replicas, each(value, replicas)))


# ── one metric of pods ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("replicas", "value", "wanted"),
    [
        (4, 20.0, 8),  # 4 × 20/10
        (4, 12.0, 5),  # 4 × 1.2 = 4.8
        (4, 11.0, 4),  # 1.1 is within the tolerance of a tenth
        (4, 11.1, 5),  # 4.44
        (4, 9.0, 4),
        (4, 8.9, 4),  # beyond the tolerance, but 3.56 rounds up to what there is
        (4, 7.5, 3),
        (4, 0.0, 1),  # nothing to do: the minimum
    ],
)
def test_replicas_follow_the_ratio_of_usage_to_target_beyond_the_tolerance(replicas: int, value: float, wanted: int) -> None:
    assert asked(replicas, value) == wanted


def test_the_mean_usage_loses_its_fraction_of_a_thousandth() -> None:
    # 10001 + 10002 = 20003, halved 10001: with no tolerance 1.0001 × 2 asks for 3; the lost half cannot.
    exact = ScalingRules(window_s=0, policies=AT_ONCE.policies, tolerance=0.0)
    scaler = horizontal.Autoscaler(spec(up=exact, down=exact))

    assert scaler.sync(world(2, {"p0": 10_000, "p1": 10_001})) == 2
    assert scaler.sync(world(2, {"p0": 10_001, "p1": 10_002})) == 3


def test_each_direction_has_its_own_tolerance() -> None:
    up = ScalingRules(window_s=0, policies=AT_ONCE.policies, tolerance=0.5)
    down = ScalingRules(window_s=0, policies=AT_ONCE.policies, tolerance=0.0)
    scaler = horizontal.Autoscaler(spec(up=up, down=down))

    assert scaler.sync(world(4, each(14.0, 4))) == 4
    assert scaler.sync(world(4, each(16.0, 4))) == 7  # 6.4
    assert scaler.sync(world(4, each(7.5, 4))) == 3


def test_pending_pods_count_as_nothing_on_the_way_up() -> None:
    found = (*pods(2), *pods(2, phase=Phase.PENDING, prefix="new"))

    # 2 × 21 over 4 pods is 10.5, within the tolerance; over the 2 alone it would ask for 5. 60/4 = 15, and 1.5 × 4 = 6.
    assert horizontal.Autoscaler(spec()).sync(world(4, each(21.0, 2), found=found)) == 4
    assert horizontal.Autoscaler(spec()).sync(world(4, each(30.0, 2), found=found)) == 6


def test_pending_pods_do_not_count_on_the_way_down() -> None:
    found = (*pods(2), *pods(2, phase=Phase.PENDING, prefix="new"))

    # 5/10 × the 2 that count.
    assert horizontal.Autoscaler(spec()).sync(world(4, each(5.0, 2), found=found)) == 1


def test_a_pending_pods_own_value_is_not_used() -> None:
    found = (*pods(2), *pods(1, phase=Phase.PENDING, prefix="new"))

    # Not (5 + 5 + 200)/3 = 70.
    assert horizontal.Autoscaler(spec()).sync(world(3, {**each(5.0, 2), "new0": 200_000}, found=found)) == 1


def test_pods_without_a_value_count_as_on_target_on_the_way_down() -> None:
    # (2 + 2 + 10 + 10)/4 = 6; 0.6 × 4 = 2.4.
    assert horizontal.Autoscaler(spec()).sync(world(4, each(2.0, 2))) == 3


def test_pods_without_a_value_count_as_nothing_on_the_way_up() -> None:
    # 2 × 21 over 4 pods is 10.5, within the tolerance; 2 × 26 is 13, and 1.3 × 4 = 5.2.
    assert horizontal.Autoscaler(spec()).sync(world(4, each(21.0, 2))) == 4
    assert horizontal.Autoscaler(spec()).sync(world(4, each(26.0, 2))) == 6


def test_what_missing_values_turn_round_changes_nothing() -> None:
    # 2 × 15 would ask for more; over 4 pods it is 7.5, which would ask for fewer.
    assert horizontal.Autoscaler(spec()).sync(world(4, each(15.0, 2))) == 4


def test_a_rise_that_ends_below_what_is_there_changes_nothing() -> None:
    # 3 pods are found where 9 are wanted: 1 without a value. 2 × 20 over 3 pods is 13.333, 1.3333 × 3 = 4 < 9.
    assert horizontal.Autoscaler(spec()).sync(world(9, each(20.0, 2), found=pods(3))) == 9


def test_a_rise_over_fewer_pods_than_wanted_can_lower_the_number_when_none_is_pending_or_missing() -> None:
    # 2 × 2 = 4 for the 2 pods that are there; the other 7 do not exist yet.
    assert horizontal.Autoscaler(spec()).sync(world(9, each(20.0, 2), found=pods(2))) == 4


@pytest.mark.parametrize("other", [Pod(name="p2", terminating=True), Pod(name="p2", phase=Phase.FAILED, ready=False)])
def test_terminating_and_failed_pods_are_left_out(other: Pod) -> None:
    # 20/10 × 2, whatever the third one says.
    assert horizontal.Autoscaler(spec()).sync(world(2, each(20.0, 3), found=(*pods(2), other))) == 4


def test_a_pod_that_runs_and_is_not_ready_counts_with_its_value() -> None:
    found = (*pods(1), Pod(name="p1", ready=False))

    assert horizontal.Autoscaler(spec()).sync(world(2, each(20.0, 2), found=found)) == 4


@pytest.mark.parametrize(
    ("answer", "found"),
    [(None, pods(4)), ({}, pods(4)), (each(20.0, 4), ()), (each(20.0, 4), pods(4, phase=Phase.PENDING))],
    ids=["the API fails", "it has no item", "no pods", "all pods are pending"],
)
def test_without_a_usable_value_nothing_changes(answer: horizontal.Answer, found: tuple[Pod, ...]) -> None:
    assert horizontal.Autoscaler(spec()).sync(world(4, answer, found=found)) == 4


# ── values of objects, and external ones ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [MetricType.OBJECT, MetricType.EXTERNAL])
def test_a_value_scales_the_ready_pods_by_its_ratio(kind: MetricType) -> None:
    value = Metric(type=kind, target_type=TargetType.VALUE, target_milli=10_000)
    found = (*pods(2), Pod(name="slow", ready=False), Pod(name="new", phase=Phase.PENDING, ready=False))

    # 25/10 × 2 ready.
    assert horizontal.Autoscaler(spec(value)).sync(world(4, (25_000,), found=found)) == 5
    assert horizontal.Autoscaler(spec(value)).sync(world(4, (11_000,), found=found)) == 4
    assert horizontal.Autoscaler(spec(value)).sync(world(4, (25_000,), found=())) == 4  # no pods: an error


@pytest.mark.parametrize("kind", [MetricType.OBJECT, MetricType.EXTERNAL])
def test_an_average_value_is_shared_by_the_replicas_in_the_status(kind: MetricType) -> None:
    average = Metric(type=kind, target_milli=10_000)

    # 43/10 whatever the pods are; within tolerance of the status the status' number stands, not the spec's.
    assert horizontal.Autoscaler(spec(average)).sync(world(3, (43_000,))) == 5
    assert horizontal.Autoscaler(spec(average)).sync(world(3, (43_000,), status=4)) == 4  # 43/(10 × 4) = 1.075
    assert horizontal.Autoscaler(spec(average)).sync(world(3, (43_000,), status=0)) == 5


def test_external_values_are_summed() -> None:
    queues = Metric(type=MetricType.EXTERNAL, target_milli=10_000)

    assert horizontal.Autoscaler(spec(queues)).sync(world(1, (12_000, 20_000, 9_000))) == 5  # 41/10


def test_a_negative_external_sum_is_taken_for_an_overflow_when_it_is_shared() -> None:
    shared = Metric(type=MetricType.EXTERNAL, target_milli=10_000)
    whole = Metric(type=MetricType.EXTERNAL, target_type=TargetType.VALUE, target_milli=10_000)

    assert horizontal.Autoscaler(spec(shared, most=7)).sync(world(2, (-1,))) == 7
    assert horizontal.Autoscaler(spec(whole, most=7)).sync(world(2, (-1,))) == 1


# ── several metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_largest_proposal_of_several_metrics_counts() -> None:
    scaler = horizontal.Autoscaler(spec(TARGET_10, Metric(type=MetricType.PODS, target_milli=5_000)))

    assert scaler.sync(world(4, each(5.0, 4), each(10.0, 4))) == 8


def test_a_failed_metric_forbids_fewer_and_allows_more() -> None:
    scaler = horizontal.Autoscaler(spec(TARGET_10, TARGET_10))

    assert scaler.sync(world(4, each(2.0, 4), None)) == 4
    assert scaler.sync(world(4, None, each(20.0, 4))) == 8


def test_what_failing_metrics_forbid_is_not_remembered() -> None:
    down = ScalingRules(window_s=60, policies=AT_ONCE.policies)
    scaler = horizontal.Autoscaler(spec(TARGET_10, TARGET_10, down=down))
    scaler.sync(world(4, each(10.0, 4), each(10.0, 4), at=0))

    scaler.sync(world(4, each(5.0, 4), None, at=59))

    # The recommendations of 4 at 0 s have left the window; one at 59 s would hold.
    assert scaler.sync(world(4, each(5.0, 4), each(5.0, 4), at=61)) == 2


# ── bounds and the switch ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_outside_the_bounds_is_brought_to_the_nearest_at_once_whatever_the_metrics_say() -> None:
    slow = ScalingRules(window_s=600, policies=(ScalingPolicy(PolicyType.PODS, 1, 600),))
    scaler = horizontal.Autoscaler(spec(least=3, most=6, up=slow, down=slow))

    assert scaler.sync(world(1, None)) == 3
    assert scaler.sync(world(9, each(100.0, 9), at=1)) == 6


def test_what_the_bounds_changed_counts_for_the_rates() -> None:
    down = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 3, 60),))
    scaler = horizontal.Autoscaler(spec(most=6, down=down))
    assert scaler.sync(world(8, None, at=0)) == 6  # 2 removed

    assert scaler.sync(world(6, each(1.0, 6), at=30)) == 5  # 6 + 2 − 3
    assert scaler.sync(world(5, each(1.0, 5), at=89)) == 3  # only the 1 of 30 s counts: 5 + 1 − 3


def test_a_target_at_zero_is_switched_off() -> None:
    scaler = horizontal.Autoscaler(spec(least=2))

    assert scaler.sync(world(0, each(50.0, 2))) == 0


# ── windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fewer_are_asked_for_only_when_the_whole_down_window_agrees() -> None:
    down = ScalingRules(window_s=60, policies=AT_ONCE.policies)
    scaler = horizontal.Autoscaler(spec(down=down))
    assert scaler.sync(world(4, each(10.0, 4), at=0)) == 4

    assert scaler.sync(world(4, each(7.5, 4), at=15)) == 4
    assert scaler.sync(world(4, each(2.5, 4), at=30)) == 4
    assert scaler.sync(world(4, each(2.5, 4), at=59.5)) == 4
    assert scaler.sync(world(4, each(2.5, 4), at=60)) == 3  # what is exactly a window old no longer counts: the 3 of 15 s does
    assert scaler.sync(world(3, each(3.0, 3), at=75)) == 1


def test_more_are_asked_for_only_as_far_as_the_whole_up_window_agrees() -> None:
    up = ScalingRules(window_s=30, policies=AT_ONCE.policies)
    scaler = horizontal.Autoscaler(spec(up=up))
    assert scaler.sync(world(2, each(10.0, 2), at=0)) == 2

    assert scaler.sync(world(2, each(40.0, 2), at=15)) == 2
    assert scaler.sync(world(2, each(30.0, 2), at=30)) == 6
    assert scaler.sync(world(6, each(20.0, 6), at=44)) == 6
    assert scaler.sync(world(6, each(20.0, 6), at=60)) == 12


def test_the_first_number_that_is_seen_holds_for_a_window() -> None:
    rules = ScalingRules(window_s=60, policies=AT_ONCE.policies)
    scaler = horizontal.Autoscaler(spec(up=rules, down=rules))

    assert scaler.sync(world(4, each(40.0, 4), at=0)) == 4
    assert scaler.sync(world(4, each(1.0, 4), at=15)) == 4


# ── rates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pods_are_added_no_faster_than_a_policy_allows() -> None:
    up = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 2, 60),))
    scaler = horizontal.Autoscaler(spec(up=up))

    assert scaler.sync(world(2, each(90.0, 2), at=0)) == 4
    assert scaler.sync(world(4, each(90.0, 4), at=59)) == 4
    assert scaler.sync(world(4, each(90.0, 4), at=60)) == 6


@pytest.mark.parametrize(("select", "wanted"), [(Select.MAX, 20), (Select.MIN, 14), (Select.DISABLED, 10)])
def test_the_select_policy_chooses_among_rates_on_the_way_up(select: Select, wanted: int) -> None:
    policies = (ScalingPolicy(PolicyType.PODS, 4, 15), ScalingPolicy(PolicyType.PERCENT, 100, 15))
    scaler = horizontal.Autoscaler(spec(up=ScalingRules(window_s=0, policies=policies, select=select)))

    assert scaler.sync(world(10, each(90.0, 10))) == wanted


@pytest.mark.parametrize(("select", "wanted"), [(Select.MAX, 5), (Select.MIN, 6), (Select.DISABLED, 10)])
def test_the_select_policy_chooses_among_rates_on_the_way_down(select: Select, wanted: int) -> None:
    policies = (ScalingPolicy(PolicyType.PODS, 4, 15), ScalingPolicy(PolicyType.PERCENT, 50, 15))
    scaler = horizontal.Autoscaler(spec(down=ScalingRules(window_s=0, policies=policies, select=select)))

    assert scaler.sync(world(10, each(0.0, 10))) == wanted


def test_per_cent_are_rounded_up_on_the_way_up_and_cut_on_the_way_down() -> None:
    tenth = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PERCENT, 10, 60),))

    # 3 × 1.1 = 3.3; 3 × 0.9 = 2.7.
    assert horizontal.Autoscaler(spec(up=tenth)).sync(world(3, each(90.0, 3))) == 4
    assert horizontal.Autoscaler(spec(down=tenth)).sync(world(3, each(0.0, 3))) == 2
    # 100 × 1.1 is 110.00000000000001 in binary, rounded up.
    assert horizontal.Autoscaler(spec(most=200, up=tenth)).sync(world(100, each(90.0, 100))) == 111


def test_what_was_removed_within_the_period_may_come_back() -> None:
    up = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 1, 60),))
    scaler = horizontal.Autoscaler(spec(up=up))
    assert scaler.sync(world(8, each(5.0, 8), at=0)) == 4

    assert scaler.sync(world(4, each(90.0, 4), at=30)) == 9  # 4 + 4 + 1


def test_a_change_that_its_own_direction_has_forgotten_is_lost_to_the_other_one_too() -> None:
    up = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 1, 600),))
    down = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 9, 15),))
    one = horizontal.Autoscaler(spec(up=up, down=down))
    two = horizontal.Autoscaler(spec(up=up, down=down))
    for scaler in (one, two):
        assert scaler.sync(world(10, each(4.0, 10), at=0)) == 4  # 6 removed

    # Up at 60 s, with the period of 600 s: 4 + 6 + 1.
    assert one.sync(world(4, each(90.0, 4), at=60)) == 11
    # Here 2 more are removed first, and their record takes the place of the 6, older than the 15 s of its own policy.
    assert two.sync(world(4, each(5.0, 4), at=45)) == 2
    assert two.sync(world(2, each(90.0, 2), at=60)) == 5  # 2 + 2 + 1, not 2 + 8 + 1


def test_a_person_who_shrinks_within_the_period_is_not_worked_against() -> None:
    down = ScalingRules(window_s=0, policies=(ScalingPolicy(PolicyType.PODS, 1, 60),))
    scaler = horizontal.Autoscaler(spec(down=down))
    assert scaler.sync(world(2, each(50.0, 2), at=0)) == 10  # 8 added

    # 10 − 8 − 1 = 1 is allowed at once: the additions of the period count for the way down.
    assert scaler.sync(world(10, each(0.0, 10), at=15)) == 1

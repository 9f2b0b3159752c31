"""Each signal asks for what the HPA would, and for a real number beside it; what cannot be believed asks for nothing."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import demand
from autoscaler.decision.model import (
    Behavior,
    Capacity,
    Direction,
    Kind,
    Memory,
    Observation,
    Pods,
    Policy,
    Reading,
    Signal,
    Source,
    TargetType,
    Trust,
    Trusting,
    Vote,
)
from tests.autoscaler.decision import strategies
from tests.autoscaler.decision.strategies import NOW

QUEUE = Signal(name="queue", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)
BACKLOG = Signal(name="backlog", kind=Kind.QUEUE, source=Source.EXTERNAL, target_milli=10_000)
LEVEL = Signal(name="level", kind=Kind.OTHER, source=Source.OBJECT, target_type=TargetType.VALUE, target_milli=10_000)
BUSY = Signal(name="gpu", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True)
TTFT = Signal(name="ttft", kind=Kind.LATENCY, source=Source.OBJECT, target_type=TargetType.VALUE, target_milli=2_000)


def _vote(
    signal: Signal,
    reading: Reading,
    *,
    current: int = 2,
    pods: Pods | None = None,
    status: int | None = None,
    memory: Memory | None = None,
) -> Vote:
    policy = Policy(max_replicas=100, signals=(signal,))
    observation = Observation(
        now=NOW,
        replicas=current,
        status_replicas=current if status is None else status,
        pods=Pods(ready=current) if pods is None else pods,
        readings=(reading,),
    )
    (vote,) = demand.votes(policy, observation, memory or Memory(), current=current)
    return vote


def _said(total_milli: int, reporting: int = 0, **more: object) -> Reading:
    return Reading(total_milli=total_milli, reporting=reporting, **{"at": NOW - 5.0, **more})  # type: ignore[arg-type]


# ── HPA's integers, against its algorithm over explicit pods ─────────────────────────────────────────────────────────────────


def _ratio(values: dict[str, int], target: int) -> float:
    return math.trunc(sum(values.values()) / len(values)) / target


def _hpa_pods(values: dict[str, int], missing: list[str], unready: list[str], target: int, current: int) -> int:
    """Kubernetes 1.36, replica_calculator.go, calcPlainMetricReplicas: pod by pod."""
    values = dict(values)
    ready = len(values)
    ratio = _ratio(values, target)
    fill_unready = bool(unready) and ratio > 1.0
    if not fill_unready and not missing:
        return current if 0.9 <= ratio <= 1.1 else math.ceil(ratio * ready)
    if ratio < 1.0:
        values |= dict.fromkeys(missing, target)
    elif ratio > 1.0:
        values |= dict.fromkeys(missing, 0)
    if fill_unready:
        values |= dict.fromkeys(unready, 0)
    new = _ratio(values, target)
    if 0.9 <= new <= 1.1 or (ratio < 1.0 < new) or (new < 1.0 < ratio):
        return current
    asks = math.ceil(new * len(values))
    if (new < 1.0 and asks > current) or (new > 1.0 and asks < current):
        return current
    return asks


@given(
    st.lists(st.integers(0, 40_000), min_size=1, max_size=8),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 12),
    st.sampled_from([7, 1_000, 10_000]),
)
def test_pods_are_asked_as_hpa_asks_them(values: list[int], missing: int, pending: int, current: int, target: int) -> None:
    signal = replace(QUEUE, target_milli=target)
    reading = _said(sum(values), len(values), missing=missing)

    vote = _vote(signal, reading, current=current, pods=Pods(ready=len(values) + missing, pending=pending))

    named = {f"p{number}": value for number, value in enumerate(values)}
    lost = [f"m{number}" for number in range(missing)]
    late = [f"u{number}" for number in range(pending)]
    assert vote.proposal == _hpa_pods(named, lost, late, target, current)


@given(st.integers(0, 200_000), st.integers(0, 12), st.integers(0, 12))
def test_an_average_is_compared_with_the_replicas_of_the_status(total: int, current: int, status: int) -> None:
    vote = _vote(BACKLOG, _said(total), current=current, status=status)

    # replica_calculator.go, GetExternalPerPodMetricReplicas: Go's division by no replicas is within no tolerance.
    held = status > 0 and 0.9 <= total / (10_000 * status) <= 1.1
    assert vote.proposal == (status if held else math.ceil(total / 10_000))
    assert vote.demand == total / 10_000


@given(st.integers(0, 200_000), st.integers(0, 12), st.integers(0, 12))
def test_a_value_as_it_stands_is_so_many_times_the_ready_pods(total: int, current: int, ready: int) -> None:
    vote = _vote(LEVEL, _said(total), current=current, pods=Pods(ready=ready, loading=1))

    # getUsageRatioReplicaCount
    ratio = total / 10_000
    held = current if 0.9 <= ratio <= 1.1 else math.ceil(ratio * ready)
    assert vote.proposal == (math.ceil(ratio) if current == 0 else held)


def test_the_mean_is_cut_to_a_thousandth_before_it_is_compared() -> None:
    # 33 003m over 3 pods is 11 001m, over 1.1 × 10; 33 002m is 11 000.67m, cut to 11 000m: within.
    assert _vote(QUEUE, _said(33_003, 3), current=3).proposal == 4
    assert _vote(QUEUE, _said(33_002, 3), current=3).proposal == 3


def test_each_direction_has_its_own_tolerance() -> None:
    behavior = Behavior(up=Direction(window_s=0, tolerance=0.5), down=Direction(window_s=0, tolerance=0.05))
    policy = Policy(max_replicas=100, signals=(BACKLOG, BACKLOG), behavior=behavior)
    observation = Observation(
        now=NOW, replicas=10, status_replicas=10, pods=Pods(ready=10), readings=(_said(150_000), _said(89_000))
    )

    up, down = demand.votes(policy, observation, Memory(), current=10)

    # 1.5 of the target is within a half above it; 0.89 is not within a twentieth below: ceil(8.9)
    assert up.proposal == 10
    assert down.proposal == 9


def test_a_number_beyond_int32_is_int32s_largest() -> None:
    assert _vote(BACKLOG, _said(2**62)).proposal == 2**31 - 1


def test_a_value_below_zero_is_cut_towards_zero_as_go_does() -> None:
    signal = replace(QUEUE, kind=Kind.OTHER)

    vote = _vote(signal, _said(-15, 2))

    # -15m over 2 is -7m in Go, and ceil(-0.0007 × 2) = 0
    assert vote.value == -0.007
    assert vote.proposal == 0
    assert vote.demand == 0.0


def test_warm_pods_are_no_part_of_the_status() -> None:
    # 30 over 3 serving replicas is at the target; the two warm ones would make it 6 each.
    pods = Pods(ready=3, warm_ready=1, warm_starting=1)

    assert _vote(BACKLOG, _said(30_000), current=3, pods=pods, status=5).proposal == 3


# ── the demand as a real number ──────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 200_000),
    st.integers(0, 20_000),
    st.sampled_from(Source),
)
def test_more_load_is_never_a_smaller_demand(
    reporting: int, missing: int, pending: int, total: int, more: int, source: Source
) -> None:
    signal = replace(QUEUE, source=source)
    pods = Pods(ready=reporting + missing, pending=pending)
    current = reporting + missing + pending

    calm = _vote(signal, _said(total, reporting, missing=missing), current=current, pods=pods)
    busy = _vote(signal, _said(total + more, reporting, missing=missing), current=current, pods=pods)

    assert calm.demand is not None
    assert busy.demand is not None
    assert calm.demand <= busy.demand
    assert calm.proposal is not None
    assert busy.proposal is not None
    assert calm.proposal <= busy.proposal


def test_a_pod_without_a_value_holds_its_place_on_the_way_down() -> None:
    # 4 of 10 at one pod and nothing known of the other: 0.4 + 1
    assert _vote(QUEUE, _said(4_000, 1, missing=1)).demand == pytest.approx(1.4)


def test_a_pod_without_a_value_adds_nothing_past_the_target() -> None:
    assert _vote(QUEUE, _said(30_000, 1, missing=1)).demand == pytest.approx(3.0)


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_the_demand_does_not_depend_on_how_many_pods_share_it(total: int, pods: int) -> None:
    assert _vote(QUEUE, _said(total, pods), current=pods).demand == total / 10_000


@given(st.integers(0, 100_000), st.integers(1, 10))
def test_latency_asks_for_half_to_twice_the_pods_that_serve(value: int, ready: int) -> None:
    vote = _vote(TTFT, _said(value), current=ready)

    assert vote.demand == ready * min(max(value / 2_000, 0.5), 2.0)
    assert vote.trust is Trust.UP_ONLY


def test_latency_does_not_double_what_is_on_its_way() -> None:
    # 2 serve and 2 start: twice the 2 is the 4 that are asked for already.
    vote = _vote(TTFT, _said(9_000), current=4, pods=Pods(ready=2, loading=2))

    assert vote.proposal == 4


# ── what cannot be believed ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (Reading(why="the source is down"), "the source is down"),
        (Reading(), "it has no value"),
        (_said(1_000, 1, at=NOW - 61.0), "it is 61 s old, over 60 s"),
        (_said(1_000, 1, at=NOW + 61.0), "lies 61 s in the future: check the clocks"),
        (_said(1_000, 1, at=math.nan), "old"),
        (_said(-1, 1), "-0.001 is not possible"),
        (_said(0, 0, missing=2), "no pod reports"),
        (_said(2**63, 1), "larger than a quantity can be"),
    ],
)
def test_what_cannot_be_believed_asks_for_nothing_and_says_why(reading: Reading, why: str) -> None:
    vote = _vote(QUEUE, reading)

    assert not vote.fresh
    assert vote.demand is None
    assert vote.proposal is None
    assert why in vote.why


@pytest.mark.parametrize("age_s", [60.0, 0.0, -60.0])
def test_a_reading_on_the_edge_of_its_time_is_believed(age_s: float) -> None:
    assert _vote(QUEUE, _said(1_000, 1, at=NOW - age_s)).fresh


def test_pods_have_nothing_to_say_at_zero_replicas() -> None:
    vote = _vote(QUEUE, Reading(why="no pods"), current=0)

    assert not vote.fresh
    assert vote.why == "no pods at zero replicas"


def test_a_queue_outside_the_pods_speaks_at_zero_replicas() -> None:
    assert _vote(BACKLOG, _said(12_000), current=0).proposal == 2


def test_a_value_cannot_be_scaled_by_pods_that_do_not_exist() -> None:
    vote = _vote(LEVEL, _said(30_000), pods=Pods())

    assert not vote.fresh
    assert vote.why == "none of 2 replicas has a pod"


def test_a_value_with_no_pod_ready_is_hpas_none_and_yet_work() -> None:
    vote = _vote(LEVEL, _said(30_000), pods=Pods(loading=2))

    assert vote.proposal == 0
    assert vote.demand == 3.0


def test_coverage_is_of_the_pods_that_should_report() -> None:
    assert _vote(QUEUE, _said(1_000, 3, missing=1), current=4).coverage == 0.75
    assert _vote(BACKLOG, _said(1_000)).coverage == 1.0


@given(strategies.cases())
def test_a_vote_is_fresh_exactly_where_it_has_a_number(case: strategies.Case) -> None:
    observation = case.observation

    votes = demand.votes(case.policy, observation, case.memory, current=observation.replicas)

    assert [vote.signal for vote in votes] == [signal.name for signal in case.policy.signals]
    for signal, reading, vote in zip(case.policy.signals, observation.readings, votes, strict=True):
        assert vote.fresh == (vote.proposal is not None) == (vote.demand is not None) == (vote.value is not None)
        assert vote.fresh or vote.why
        late = reading.at is not None and abs(observation.now - reading.at) > signal.stale_after_s
        assert not (vote.fresh and (late or reading.total_milli is None))


# ── trust and learned targets ────────────────────────────────────────────────────────────────────────────────────────────────


def test_utilisation_of_a_shared_device_may_only_veto() -> None:
    vote = _vote(BUSY, _said(140_000, 2, shared=True))

    assert vote.trust is Trust.VETO_ONLY
    assert "shared" in vote.why


def test_saturated_utilisation_may_only_veto() -> None:
    memory = Memory(trusting=(("gpu", Trusting(saturated=True)),))

    assert _vote(BUSY, _said(140_000, 2), memory=memory).trust is Trust.VETO_ONLY
    assert _vote(BUSY, _said(140_000, 2)).trust is Trust.FULL


def test_a_learned_concurrency_is_the_target() -> None:
    signal = Signal(name="inflight", kind=Kind.CONCURRENCY, source=Source.PODS, target_milli=10_000, learned=True)
    memory = Memory(capacities=(("inflight", Capacity(per_replica=20.0, samples=9)),))

    vote = _vote(signal, _said(60_000, 2), memory=memory)

    # 60 over 20 each
    assert vote.target == 20.0
    assert vote.demand == 3.0
    assert vote.proposal == 3


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("signal", "reading", "told"),
    [
        (QUEUE, _said(45_000, 2), "queue 45 over 2 pods is 22.5 each against 10"),
        (QUEUE, _said(45_000, 2, missing=1), "queue 45 over 2 pods is 22.5 each against 10, 1 pod without a value, 1 pending"),
        (BACKLOG, _said(45_000), "backlog 45 against 10 a replica"),
        (LEVEL, _said(45_000), "level 45 against 10"),
        (TTFT, _said(2_500), "ttft 2.5 against 2"),
        (QUEUE, Reading(why="the source is down"), "queue: the source is down"),
    ],
)
def test_a_vote_is_told_with_its_numbers(signal: Signal, reading: Reading, told: str) -> None:
    pods = Pods(ready=2, pending=1 if reading.missing else 0)

    vote = _vote(signal, reading, pods=pods)

    assert demand.tell(signal, reading, vote, pending=pods.pending) == told

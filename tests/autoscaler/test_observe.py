"""What a decision is given: every pod counted once, nothing missing taken for a zero, and no order that matters."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler import observe
from autoscaler.cluster.answers import Answer
from autoscaler.decision.model import Decision, Kind, Observation, Policy, Reading, Rule, ScheduleState, Signal, Source, TargetType
from autoscaler.decision.startup import Quantiles
from autoscaler.resource.scaler import ROUTED, Key, Mechanism, Query, Scaler, TargetRef
from autoscaler.seen import PodSeen, Pool, TargetSeen

NOW = 1_800_000_000.0

QUEUE = Signal(name="queue", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)
BUSY = Signal(name="busy", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True)
BACKLOG = Signal(name="backlog", kind=Kind.QUEUE, source=Source.EXTERNAL, target_type=TargetType.VALUE, target_milli=1)

TARGET = TargetSeen(
    namespace="shop",
    ref=TargetRef("apps/v1", "Deployment", "web"),
    replicas=3,
    status_replicas=2,
    selector="app=web",
    path="/apis/apps/v1/namespaces/shop/deployments/web",
    gpus_per_replica=1,
    rolling_out=True,
    stuck="why",
    template_labels={},
)


def scaler(*signals: Signal) -> Scaler:
    return Scaler(
        key=Key("shop", "web"),
        uid="u",
        generation=1,
        created_at=0.0,
        target=TARGET.ref,
        policy=Policy(max_replicas=5, signals=signals),
        queries=tuple(Query(source=each.source, metric=each.name) for each in signals),
    )


def pool(mechanism: Mechanism) -> Pool:
    return Pool(mechanism=mechanism, why="")


def pod(name: str, *, phase: str = "ready", since_s: float = 60.0, held: bool = False, **more: Any) -> PodSeen:
    """Return a pod that is `ready`, `loading` or `pending`; one that is *held* is warm by its label."""
    at = NOW - since_s
    up: dict[str, Any] = {"running": phase != "pending"}
    if phase == "ready":
        up |= {"ready": True, "ready_at": at, "containers_ready": True, "containers_ready_at": at}
    labels = {"app": "web", ROUTED: "false" if held else "true"}
    return PodSeen(namespace="shop", name=name, uid=name, labels=labels, created_at=NOW - 600.0, **up | more)


def gated(each: PodSeen) -> PodSeen:
    """Return *each* behind a gate that it has not passed: ready but for that."""
    return dataclasses.replace(each, ready=False, ready_at=None, gate=False, labels={"app": "web"})


def observed(
    *pods: PodSeen,
    mechanism: Mechanism = Mechanism.LABEL,
    signals: tuple[Signal, ...] = (),
    answers: tuple[Answer, ...] = (),
    **more: Any,
) -> Observation:
    return observe.observation(scaler(*signals), TARGET, pods, pool(mechanism), answers, now=NOW, **more)


def reading(*pods: PodSeen, values: Mapping[str, tuple[int, float]], signal: Signal = QUEUE, why: str = "", **more: Any) -> Reading:
    (found,) = observed(*pods, signals=(signal,), answers=(Answer(values=values, why=why),), **more).readings
    return found


def test_the_target_and_all_that_others_know_are_passed_on() -> None:
    schedule = ScheduleState(names=("office",))
    learned = Quantiles(p50_s=30.0, p90_s=45.0, p99_s=60.0, samples=9)

    seen = observed(quantiles=learned, schedule=schedule)

    assert (seen.now, seen.replicas, seen.status_replicas, seen.gpus_per_replica) == (NOW, 3, 2, 1)
    assert (seen.startup_p90_s, seen.startup_p99_s, seen.schedule) == (45.0, 60.0, schedule)
    assert (seen.pods.rolling_out, seen.pods.stuck, seen.pool_offered) == (True, "why", True)
    assert observed().startup_p90_s is None


def test_pods_count_by_how_far_they_are() -> None:
    seen = observed(pod("a"), pod("b", since_s=19.0), pod("c", phase="loading"), pod("d", phase="pending"), pod("w", held=True))

    assert (seen.pods.ready, seen.pods.loading, seen.pods.pending, seen.pods.young) == (2, 1, 1, 1)
    assert (seen.pods.warm_ready, seen.pods.warm_starting) == (1, 0)


def test_a_pod_that_never_becomes_ready_is_at_some_time_no_longer_waited_for() -> None:
    loading = [pod(f"l{after}", phase="loading", unready_at=NOW - after) for after in (10.0, 599.0, 601.0)]

    assert observed(pod("r"), *loading).pods.loading == 2
    # Three times the p99 of 400 s: there it is 1,200 s.
    slow = Quantiles(p50_s=200.0, p90_s=300.0, p99_s=400.0, samples=5)
    assert observed(pod("r"), *loading, quantiles=slow).pods.loading == 3


def test_twenty_seconds_make_a_pod_grown_up() -> None:
    assert observed(pod("a", since_s=20.0)).pods.young == 0


def test_behind_its_gate_a_pod_is_warm_as_soon_as_its_containers_are_ready() -> None:
    seen = observed(gated(pod("a")), gated(pod("b", phase="loading")), mechanism=Mechanism.GATE)

    assert (seen.pods.warm_ready, seen.pods.warm_starting, seen.pods.ready) == (1, 1, 0)


def test_where_nothing_holds_pods_back_every_pod_gets_requests() -> None:
    seen = observed(pod("a", held=True), mechanism=Mechanism.HEADROOM)

    assert (seen.pods.ready, seen.pods.warm_ready, seen.pool_offered) == (1, 0, False)


def test_the_oldest_pod_without_a_node_is_told() -> None:
    seen = observed(
        pod("a", phase="pending", unschedulable_since=NOW - 10), pod("b", phase="pending", unschedulable_since=NOW - 130), pod("c")
    )

    assert (seen.pods.unschedulable, seen.pods.unschedulable_since) == (2, NOW - 130)


def test_gpus_of_a_target_that_does_not_tell_are_its_pods() -> None:
    pods = (pod("a", gpus=2), pod("b", gpus=4))

    for silent in (None, 0):
        assert gpus(silent, *pods) == 4


def test_no_gpus_are_known_to_be_none_where_a_template_or_a_pod_shows_it() -> None:
    assert gpus(0) == 0
    assert gpus(None, pod("a")) == 0
    assert gpus(None) is None


def gpus(told: int | None, *pods: PodSeen) -> int | None:
    target = dataclasses.replace(TARGET, gpus_per_replica=told)
    return observe.observation(scaler(), target, pods, pool(Mechanism.LABEL), (), now=NOW).gpus_per_replica


def test_a_reading_sums_over_ready_routed_pods_and_is_as_old_as_the_oldest() -> None:
    values = {name: (4_000, NOW - age) for age, name in enumerate(("a", "b", "loads", "warm", "stranger"))}
    pods = (pod("a"), pod("b"), pod("c"), pod("loads", phase="loading"), pod("starts", phase="pending"), pod("warm", held=True))

    found = reading(*pods, values=values)

    # a and b report; c has no value and `loads` may not have one yet; `starts` is not missing, it has not begun.
    assert (found.total_milli, found.reporting, found.missing, found.at) == (8_000, 2, 2, NOW - 1)


def test_a_failed_read_keeps_the_last_values_and_says_what_failed() -> None:
    found = reading(pod("a"), values={"a": (1, NOW - 50)}, why="source down: gpus")

    assert (found.total_milli, found.at, found.why) == (1, NOW - 50, "source down: gpus")


@pytest.mark.parametrize(
    ("pods", "why", "said"),
    [
        ((), "", "no pod runs"),
        ((pod("a", phase="pending"),), "", "no pod runs"),
        ((pod("a", phase="loading"),), "", "no pod is ready yet"),
        ((pod("a"),), "", "the one ready pod has no value"),
        ((pod("a"), pod("b")), "", "none of 2 ready pods has a value"),
        ((pod("a"),), "unknown metric: queue", "unknown metric: queue"),
    ],
)
def test_without_a_value_there_is_a_reason(pods: tuple[PodSeen, ...], why: str, said: str) -> None:
    found = reading(*pods, values={}, why=why)

    assert (found.total_milli, found.at, found.why) == (None, None, said)


def test_the_band_compares_a_ratio_whatever_the_metric_runs_to() -> None:
    fraction = dataclasses.replace(BUSY, percent=False)

    assert reading(pod("a"), pod("b"), values={"a": (20_000, NOW), "b": (40_000, NOW)}, signal=BUSY).band_ratio == 0.3
    assert reading(pod("a"), values={"a": (300, NOW)}, signal=fraction).band_ratio == 0.3
    assert reading(pod("a"), values={"a": (300, NOW)}, signal=QUEUE).band_ratio is None


def test_only_how_busy_a_device_is_can_be_somebody_elses_doing() -> None:
    pods = (pod("a", node="n1"), pod("b", node="n2"))
    shared = frozenset({"n2"})

    assert reading(*pods, values={"a": (1, NOW), "b": (1, NOW)}, signal=BUSY, shared_nodes=shared).shared
    assert not reading(*pods, values={"a": (1, NOW)}, signal=BUSY, shared_nodes=shared).shared  # b says nothing
    assert not reading(*pods, values={"a": (1, NOW), "b": (1, NOW)}, signal=QUEUE, shared_nodes=shared).shared


def test_what_is_not_about_pods_is_taken_as_it_was_answered() -> None:
    known, unknown = Answer(total_milli=0, at=NOW - 3), Answer(why="no such queue")

    first, second = observed(pod("a"), signals=(BACKLOG, BACKLOG), answers=(known, unknown)).readings

    assert first == Reading(total_milli=0, at=NOW - 3)  # an answer of zero is a zero
    assert second == Reading(why="no such queue")


def test_an_answer_for_each_signal_is_a_must() -> None:
    with pytest.raises(ValueError, match="zip"):
        observed(signals=(QUEUE, BUSY), answers=(Answer(),))


def test_a_target_as_we_left_it_differs_in_its_replicas_alone() -> None:
    assert observe.with_replicas(TARGET, 7) == dataclasses.replace(TARGET, replicas=7)


# Laws.


@st.composite
def fleets(draw: st.DrawFn) -> list[PodSeen]:
    """Draw pods of every phase, held back by label or gate or not at all."""
    shapes = st.tuples(
        st.sampled_from(["ready", "loading", "pending"]), st.sampled_from(["", "label", "gate"]), st.integers(0, 100)
    )
    pods = []
    for number, (phase, how, since_s) in enumerate(draw(st.lists(shapes, max_size=8))):
        each = pod(f"p{number}", phase=phase, since_s=float(since_s), held=how == "label")
        pods.append(gated(each) if how == "gate" else each)
    return pods


values_of_some = st.dictionaries(
    st.sampled_from([f"p{number}" for number in range(10)]),
    st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 100).map(lambda age: NOW - age)),
)
mechanisms = st.sampled_from(Mechanism)


@given(fleets(), values_of_some, mechanisms)
def test_every_pod_is_counted_exactly_once(pods: list[PodSeen], values: dict[str, tuple[int, float]], mechanism: Mechanism) -> None:
    seen = observed(*pods, mechanism=mechanism, signals=(QUEUE,), answers=(Answer(values=values),))

    counted, (found,) = seen.pods, seen.readings
    assert counted.ready + counted.starting + counted.warm_ready + counted.warm_starting == len(pods)
    assert found.reporting + found.missing == counted.ready + counted.loading
    assert counted.young <= counted.ready


@given(fleets(), values_of_some, mechanisms)
def test_a_value_that_is_missing_never_counts(
    pods: list[PodSeen], values: dict[str, tuple[int, float]], mechanism: Mechanism
) -> None:
    (found,) = observed(*pods, mechanism=mechanism, signals=(QUEUE,), answers=(Answer(values=values),)).readings

    counting = [
        each.name
        for each in pods
        if each.ready and each.name in values and (mechanism is Mechanism.HEADROOM or not observe.is_warm(each))
    ]
    assert found.reporting == len(counting)
    assert found.total_milli == (sum(values[name][0] for name in counting) if counting else None)
    assert found.at == (min(values[name][1] for name in counting) if counting else None)
    assert (found.total_milli is None) <= bool(found.why)


@given(fleets(), values_of_some, mechanisms, st.randoms(use_true_random=False))
def test_the_order_of_pods_says_nothing(
    pods: list[PodSeen], values: dict[str, tuple[int, float]], mechanism: Mechanism, chance: Any
) -> None:
    signals, answers = (QUEUE, BUSY), (Answer(values=values), Answer(values=values))
    shuffled = list(pods)
    chance.shuffle(shuffled)

    first = observed(*pods, mechanism=mechanism, signals=signals, answers=answers)

    assert observed(*shuffled, mechanism=mechanism, signals=signals, answers=answers) == first


def test_a_pod_is_as_busy_as_its_signals_are_of_their_targets_and_one_without_values_is_not_told() -> None:
    shrinking = Decision(at=NOW, current=2, replicas=1, serving=1, act=True, votes=(), trail=(), reason=Rule.DEMAND)
    answers = (Answer(values={"a": (35_000, NOW)}), Answer(values={"a": (5_000, NOW), "b": (0, NOW)}), Answer(total_milli=1))

    told = observe.loads(scaler(BUSY, QUEUE, BACKLOG), shrinking, [pod("a"), pod("b"), pod("c")], answers)

    # 35 of 70 per cent, and 5 of 10 that wait
    assert told == {"a": 1.0, "b": 0.0}


def test_nobody_is_asked_how_busy_pods_are_where_none_goes_and_none_is_held() -> None:
    staying = Decision(at=NOW, current=2, replicas=2, serving=2, act=False, votes=(), trail=(), reason=Rule.DEMAND)

    told = observe.loads(scaler(BUSY), staying, [pod("a"), pod("b")], (Answer(values={"a": (35_000, NOW)}),))

    assert told == {}

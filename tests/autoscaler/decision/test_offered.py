"""The load that is offered to a target, in replicas' worth: of what users send, whatever serves it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import offered, pipeline
from autoscaler.decision.model import Bin, Kind, Memory, Observation, Pods, Policy, Reading, Signal, Source, TargetType, Trusting
from autoscaler.decision.offered import Offered

NOW = 1_800_000_000.0


def signal(kind: Kind, *, target: float = 10.0, source: Source = Source.PODS, name: str = "") -> Signal:
    return Signal(name=name or kind.value, kind=kind, source=source, target_milli=round(1000 * target))


def reading(total: float | None, reporting: int = 0, missing: int = 0, at: float = NOW) -> Reading:
    return Reading(total_milli=None if total is None else round(1000 * total), reporting=reporting, missing=missing, at=at)


def demanded(told: list[tuple[Signal, Reading]], *, ready: int, loading: int = 0, memory: Memory | None = None) -> Offered | None:
    """Return what is offered to as many replicas as there are pods, as a decision on them sees it."""
    policy = Policy(max_replicas=50, min_replicas=0, signals=tuple(one for one, _ in told))
    replicas = ready + loading
    seen = Observation(
        now=NOW,
        replicas=replicas,
        status_replicas=replicas,
        pods=Pods(ready=ready, loading=loading),
        readings=tuple(one for _, one in told),
    )
    decision, _ = pipeline.decide(policy, seen, memory or Memory(expected=replicas, serving=replicas))
    return offered.demanded(policy, seen, decision.votes)


def test_requests_that_arrive_are_counted_in_replicas() -> None:
    # 45 a second on 3 pods, 10 for each.
    assert demanded([(signal(Kind.RATE), reading(45.0, 3))], ready=3) == Offered(4.5, ("Rate",))


def test_a_rate_of_arrival_tells_more_than_requests_in_flight_and_these_more_than_a_queue() -> None:
    rate = (signal(Kind.RATE), reading(30.0, 2))
    concurrency = (signal(Kind.CONCURRENCY), reading(70.0, 2))
    queue = (signal(Kind.QUEUE), reading(90.0, 2))

    assert demanded([queue, concurrency, rate], ready=2) == Offered(3.0, ("Rate",))
    assert demanded([queue, concurrency], ready=2) == Offered(7.0, ("Concurrency",))
    assert demanded([queue], ready=2) == Offered(9.0, ("Queue",))


def test_without_either_the_largest_of_queue_and_utilisation_counts() -> None:
    busy = (replace(signal(Kind.UTILIZATION, target=70.0), percent=True), reading(140.0, 2))

    assert demanded([busy, (signal(Kind.QUEUE), reading(5.0, 2))], ready=2) == Offered(2.0, ("Utilization", "Queue"))


def test_a_latency_says_nothing_of_how_much_there_is() -> None:
    assert demanded([(signal(Kind.LATENCY), reading(30.0, 2))], ready=2) is None


@pytest.mark.parametrize("told", [reading(None, 0, 2), reading(20.0, 2, at=NOW - 300.0), reading(-5.0, 2)])
def test_what_is_missing_stale_or_impossible_is_not_known_and_nothing_takes_its_place(told: Reading) -> None:
    assert demanded([(signal(Kind.RATE), told), (signal(Kind.QUEUE), reading(20.0, 2))], ready=2) is None


def test_the_largest_of_signals_of_which_one_is_missing_is_not_known() -> None:
    assert demanded([(signal(Kind.QUEUE), reading(20.0, 2)), (signal(Kind.KV_CACHE), reading(None, 0, 2))], ready=2) is None


def test_pods_that_do_not_report_are_taken_to_carry_what_the_others_do_while_they_are_few() -> None:
    # 8 of 10 carry 40: all of them 50.
    assert demanded([(signal(Kind.RATE), reading(40.0, 8, 2))], ready=10) == Offered(5.0, ("Rate",))
    assert demanded([(signal(Kind.RATE), reading(35.0, 7, 3))], ready=10) is None


def test_pods_that_load_carry_nothing_though_a_vote_lets_them_hold_their_place() -> None:
    assert demanded([(signal(Kind.RATE), reading(20.0, 4, 3))], ready=4, loading=3) == Offered(2.0, ("Rate",))


def test_at_zero_replicas_a_signal_of_pods_is_not_missed_and_one_that_survives_them_counts() -> None:
    external = (signal(Kind.QUEUE, source=Source.EXTERNAL, name="waiting"), reading(5.0))
    pods = (signal(Kind.UTILIZATION), reading(None))

    assert demanded([external, pods], ready=0) == Offered(0.5, ("waiting",))
    assert demanded([pods], ready=0) is None


def test_a_value_as_it_stands_is_so_many_times_the_pods_that_are_ready() -> None:
    depth = replace(signal(Kind.QUEUE, source=Source.OBJECT), target_type=TargetType.VALUE)

    assert demanded([(depth, reading(15.0))], ready=4) == Offered(6.0, ("Queue",))


def test_utilisation_that_no_longer_rises_is_marked() -> None:
    flat = Memory(expected=2, serving=2, trusting=(("Utilization", Trusting(bins=(Bin(1.0, 1.0),), saturated=True)),))
    told = demanded([(signal(Kind.UTILIZATION, target=0.7), reading(1.96, 2))], ready=2, memory=flat)

    assert told is not None
    assert told.saturated


@given(
    kind=st.sampled_from([Kind.RATE, Kind.CONCURRENCY]),
    load=st.integers(0, 100_000),
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=2),
    queue=st.integers(0, 10_000),
)
def test_more_replicas_at_the_same_offered_load_do_not_change_it(kind: Kind, load: int, counts: list[int], queue: int) -> None:
    few, many = (
        demanded(
            [(signal(kind), Reading(total_milli=load, reporting=ready, at=NOW)), (signal(Kind.QUEUE), reading(queue, ready))],
            ready=ready,
        )
        for ready in counts
    )

    assert few is not None
    assert many is not None
    assert few.replicas == pytest.approx(load / 10_000)
    assert many.replicas == pytest.approx(few.replicas)

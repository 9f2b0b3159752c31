"""What a replica holds is learned from full replicas alone, and used once it was seen often enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import capacity, demand
from autoscaler.decision.model import Capacity, Kind, Memory, Observation, Pods, Policy, Reading, Signal, Source
from tests.autoscaler.decision.strategies import NOW

IN_FLIGHT = Signal(name="inflight", kind=Kind.CONCURRENCY, source=Source.PODS, target_milli=10_000, learned=True)
WAITING = Signal(name="waiting", kind=Kind.QUEUE, source=Source.PODS, target_milli=5_000)
BACKLOG = Signal(name="backlog", kind=Kind.QUEUE, source=Source.EXTERNAL, target_milli=5_000)


def _said(total: float, **more: object) -> Reading:
    return Reading(total_milli=round(total * 1000), reporting=2, **more)  # type: ignore[arg-type]


def _update(
    *said: tuple[Signal, Reading], memory: Memory | None = None, pods: Pods | None = None
) -> tuple[tuple[str, Capacity], ...]:
    memory = memory or Memory()
    policy = Policy(max_replicas=9, signals=tuple(signal for signal, _ in said))
    observation = Observation(
        now=NOW, replicas=2, status_replicas=2, pods=pods or Pods(ready=2), readings=tuple(reading for _, reading in said)
    )
    return capacity.update(policy, observation, demand.votes(policy, observation, memory, current=2), memory)


@given(st.lists(st.floats(1.0, 500.0), min_size=1, max_size=50))
def test_what_is_learned_lies_within_what_was_seen(seen: list[float]) -> None:
    known = Capacity()
    for value in seen:
        known = capacity.learn(known, value)

    assert known.per_replica is not None
    assert min(seen) - 1e-6 <= known.per_replica <= max(seen) + 1e-6
    assert known.samples == len(seen)


@given(st.floats(1.0, 100.0), st.floats(1.0, 100.0))
def test_a_change_is_learned_slowly_and_surely(before: float, after: float) -> None:
    known = Capacity(per_replica=before, samples=50)

    first = capacity.learn(known, after)
    for _ in range(90):
        known = capacity.learn(known, after)

    assert first.per_replica is not None
    assert known.per_replica is not None
    assert abs(first.per_replica - before) <= 0.05 * abs(after - before) + 1e-9
    # 0.95 ^ 90 is 0.0099
    assert abs(known.per_replica - after) <= 0.01 * abs(after - before) + 1e-9


def test_the_first_samples_count_alike() -> None:
    known = Capacity()
    for value in (10.0, 20.0, 30.0):
        known = capacity.learn(known, value)

    assert known.per_replica == pytest.approx(20.0)


@pytest.mark.parametrize(("samples", "target"), [(4, 10_000), (5, 24_000)])
def test_five_samples_replace_the_declared_target(samples: int, target: int) -> None:
    memory = Memory(capacities=(("inflight", Capacity(per_replica=24.0, samples=samples)),))

    assert capacity.target_milli(IN_FLIGHT, memory) == target
    assert capacity.target_milli(WAITING, memory) == 5_000


def test_a_full_replica_shows_what_it_holds_without_what_waits_at_it() -> None:
    # 60 in flight of which 12 wait: 48 run at 2 pods
    assert _update((IN_FLIGHT, _said(60)), (WAITING, _said(12))) == (("inflight", Capacity(per_replica=24.0, samples=1)),)


def test_what_waits_elsewhere_is_not_among_those_in_flight() -> None:
    assert _update((IN_FLIGHT, _said(48)), (BACKLOG, _said(12))) == (("inflight", Capacity(per_replica=24.0, samples=1)),)


@pytest.mark.parametrize(
    ("in_flight", "waiting", "pods"),
    [
        (_said(60), _said(1), Pods(ready=2)),  # one that waits, over two pods: one of them may have room
        (_said(60), Reading(why="down"), Pods(ready=2)),
        (Reading(why="down"), _said(12), Pods(ready=2)),
        (_said(12), _said(12), Pods(ready=2)),  # nothing runs
        (_said(60), _said(12), Pods(ready=2, loading=1)),
        (_said(60), _said(12), Pods(ready=2, young=1)),
        (_said(60, missing=1), _said(12), Pods(ready=3)),
        (_said(60, at=NOW - 999.0), _said(12), Pods(ready=2)),
    ],
)
def test_what_does_not_show_full_replicas_teaches_nothing(in_flight: Reading, waiting: Reading, pods: Pods) -> None:
    memory = Memory(capacities=(("inflight", Capacity(per_replica=24.0, samples=9)),))

    assert _update((IN_FLIGHT, in_flight), (WAITING, waiting), memory=memory, pods=pods) is memory.capacities


def test_a_queue_alone_shows_no_capacity() -> None:
    memory = Memory()

    assert _update((WAITING, _said(12)), memory=memory) is memory.capacities

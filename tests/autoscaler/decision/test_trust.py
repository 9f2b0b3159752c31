"""Utilisation that no longer rises with the load loses its vote; one that does keeps it, and neither flips."""

import itertools
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import demand, trust
from autoscaler.decision.model import Bin, Kind, Memory, Observation, Pods, Policy, Reading, Signal, Source, Trust, Trusting
from tests.autoscaler.decision.strategies import NOW

FOUR_HOURS = 48  # bins
SEEDS = range(100)
LOADS = st.lists(st.floats(0.0, 2.0), min_size=40, max_size=96)
UTILIZATIONS = st.floats(0.0, 1.5)


def _duty_cycle(load: float) -> float:
    """At a target of 70 %: busy whenever there is a request, of which a full replica has ten."""
    return (1.0 - math.exp(-10.0 * load)) / 0.7


def _linear(load: float) -> float:
    return load


def _uniform(rng: random.Random) -> list[float]:
    return [rng.uniform(0.2, 1.2) for _ in range(FOUR_HOURS)]


def _wave(rng: random.Random) -> list[float]:
    phase = rng.uniform(0.0, math.tau)
    return [0.7 + 0.5 * math.sin(phase + math.tau * number / FOUR_HOURS) for number in range(FOUR_HOURS)]


def _bins(seed: int, follows: Callable[[float], float], loads: Callable[[random.Random], list[float]]) -> list[Bin]:
    rng = random.Random(seed)
    return [Bin(min(1 / 0.7, follows(load) * rng.gauss(1.0, 0.08)), load) for load in loads(rng)]


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_the_isotonic_fit_rises_and_keeps_the_mean(values: list[float]) -> None:
    fitted = trust.isotonic(values)

    assert len(fitted) == len(values)
    assert all(before <= after + 1e-6 for before, after in itertools.pairwise(fitted))
    assert sum(fitted) == pytest.approx(sum(values), abs=1e-3)


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_what_rises_is_its_own_isotonic_fit(values: list[float]) -> None:
    assert trust.isotonic(sorted(values)) == pytest.approx(sorted(values))


@given(st.lists(st.builds(Bin, UTILIZATIONS, st.floats(0.0, 2.0)), max_size=39), st.booleans())
def test_few_bins_change_nothing(bins: list[Bin], was: bool) -> None:
    assert trust.saturated(bins, was=was) is was


@given(st.lists(st.builds(Bin, UTILIZATIONS, st.floats(0.9, 1.0)), min_size=40, max_size=96), st.booleans())
def test_one_load_alone_changes_nothing(bins: list[Bin], was: bool) -> None:
    assert trust.saturated(bins, was=was) is was


@given(LOADS, st.randoms(use_true_random=False))
def test_the_order_in_which_loads_came_does_not_matter(loads: list[float], rng: random.Random) -> None:
    bins = [Bin(min(load, 1.0), load) for load in loads]
    mixed = rng.sample(bins, len(bins))

    assert trust.saturated(bins) is trust.saturated(mixed)


@given(st.lists(st.builds(Bin, UTILIZATIONS, st.floats(0.0, 2.0)), min_size=40, max_size=96))
def test_who_is_demoted_does_not_come_back_by_the_same_evidence(bins: list[Bin]) -> None:
    if trust.saturated(bins, was=False):
        assert trust.saturated(bins, was=True)


# ── what it is for ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("loads", [_uniform, _wave])
def test_a_duty_cycle_is_demoted_within_four_hours(loads: Callable[[random.Random], list[float]]) -> None:
    demoted = sum(trust.saturated(_bins(seed, _duty_cycle, loads)) for seed in SEEDS)

    assert demoted >= 0.95 * len(SEEDS)


@pytest.mark.parametrize("loads", [_uniform, _wave])
def test_linear_utilisation_keeps_its_vote(loads: Callable[[random.Random], list[float]]) -> None:
    demoted = sum(trust.saturated(_bins(seed, _linear, loads)) for seed in SEEDS)

    assert demoted <= 0.05 * len(SEEDS)


def test_a_gauge_that_never_moves_is_demoted() -> None:
    assert trust.saturated([Bin(1.0, 0.2 + number / 48) for number in range(FOUR_HOURS)])


def test_a_new_model_that_is_told_apart_gets_its_vote_back() -> None:
    assert not trust.saturated(_bins(1, _linear, _uniform), was=True)


# ── bins ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _observed(seconds: range, utilization: float = 0.5, load: float = 0.5, begun: Trusting | None = None) -> Trusting:
    trusting = begun or Trusting()
    for second in seconds:
        trusting = trust.observe(trusting, now=NOW + second, utilization=utilization, load=load)
    return trusting


def test_a_bin_is_the_mean_of_five_minutes() -> None:
    calm = _observed(range(0, 150, 15), utilization=0.2, load=0.1)

    trusting = _observed(range(150, 301, 15), utilization=0.4, load=0.3, begun=calm)

    # ten samples of each in [0 s, 300 s); the one at 300 s opens the next bin
    (bin_,) = trusting.bins
    assert bin_.utilization == pytest.approx(0.3)
    assert bin_.load == pytest.approx(0.2)
    assert trusting.open_count == 1


def test_the_last_eight_hours_are_kept() -> None:
    trusting = _observed(range(0, 100 * 300, 60))

    assert len(trusting.bins) == 96


def test_what_a_gap_left_of_a_bin_is_forgotten() -> None:
    trusting = _observed(range(0, 30, 15))

    assert trust.observe(trusting, now=NOW + 5000.0, utilization=1.0, load=1.0).bins == ()


def test_a_clock_that_is_set_back_begins_the_bin_anew() -> None:
    trusting = _observed(range(0, 150, 15))

    back = trust.observe(trusting, now=NOW - 3600.0, utilization=1.0, load=1.0)

    assert back.open_since == NOW - 3600.0
    assert back.open_count == 1


# ── within the tick ──────────────────────────────────────────────────────────────────────────────────────────────────────────

BUSY = Signal(name="gpu", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True)
QUEUE = Signal(name="queue", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)


def _update(readings: tuple[Reading, ...], memory: Memory, now: float = NOW, signals: tuple[Signal, ...] = (BUSY, QUEUE)) -> Memory:
    policy = Policy(max_replicas=9, signals=signals)
    observation = Observation(now=now, replicas=2, status_replicas=2, pods=Pods(ready=2), readings=readings)
    votes = demand.votes(policy, observation, memory, current=2)
    return Memory(trusting=trust.update(policy, observation, votes, memory))


def _said(total_milli: int, **more: object) -> Reading:
    return Reading(total_milli=total_milli, reporting=2, **more)  # type: ignore[arg-type]


def test_a_tick_adds_utilisation_over_the_other_signals_demand_per_pod() -> None:
    memory = _update((_said(70_000), _said(12_000)), Memory())

    ((name, trusting),) = memory.trusting
    assert name == "gpu"
    assert trusting.open_utilization == 0.5  # 35 of 70
    assert trusting.open_load == 0.6  # 1.2 replicas over 2 pods


@pytest.mark.parametrize(
    ("readings", "signals"),
    [
        ((_said(70_000),), (BUSY,)),  # nothing to compare it with
        ((_said(70_000, shared=True), _said(0)), (BUSY, QUEUE)),
        ((_said(70_000), Reading()), (BUSY, QUEUE)),
        ((Reading(), _said(0)), (BUSY, QUEUE)),
        ((_said(0),), (QUEUE,)),
    ],
)
def test_a_tick_that_teaches_nothing_returns_the_same_tuple(readings: tuple[Reading, ...], signals: tuple[Signal, ...]) -> None:
    memory = Memory(trusting=(("gpu", Trusting(saturated=True)),))

    assert _update(readings, memory, signals=signals).trusting is memory.trusting


def test_after_four_hours_of_a_busy_gpu_its_vote_is_a_veto() -> None:
    memory = Memory()
    for tick in range(4 * 60 + 6):
        load = 0.7 + 0.5 * math.sin(math.tau * tick / 240)
        readings = (_said(round(_duty_cycle(load) * 140_000)), _said(round(load * 20_000)))
        memory = _update(readings, memory, now=NOW + 60.0 * tick)

    policy = Policy(max_replicas=9, signals=(BUSY,))
    observation = Observation(now=NOW, replicas=2, status_replicas=2, pods=Pods(ready=2), readings=(_said(196_000),))
    (vote,) = demand.votes(policy, observation, memory, current=2)
    assert vote.trust is Trust.VETO_ONLY

"""The laws of a run: nothing is lost, nothing comes from nowhere, and chance does not care who asks."""

import dataclasses
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.fleet import simulate
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.sight import PodMetric, Sight, TotalMetric, Wanted
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import Nodes, Path, Startup, World
from tests.autoscaler.simulation.inmemory import Kept, Scripted, every, load, wants

QUICK = Startup(p50_s=20.0, p90_s=30.0)


def wandering(seed: int, *, period_s: float = 15.0, holds_requests: bool = True) -> Scripted:
    """Return a policy that wants anything: any number, and any pods held back, promoted and given up."""
    chance = random.Random(seed)

    def script(sight: Sight) -> Wanted:
        names = [pod.name for pod in sight.pods]
        return Wanted(
            replicas=chance.randint(0, 9),
            route=tuple(name for name in names if chance.random() < 0.4),
            hold=tuple(name for name in names if chance.random() < 0.3),
            victims=tuple(chance.sample(names, len(names))),
            in_s=chance.choice([None, 1.0, 7.0, 40.0]),
        )

    return Scripted(script, period_s=period_s, holds_requests=holds_requests)


worlds = st.builds(
    World,
    startup=st.builds(Startup, p50_s=st.just(20.0), p90_s=st.just(30.0), failure_ratio=st.sampled_from([0.0, 0.3])),
    nodes=st.sampled_from([Nodes(), Nodes(ready=2, most=3, pods_per_node=2)]),
    gpus_per_pod=st.sampled_from([1, 4]),
    drain_s=st.sampled_from([0.0, 3.0, 30.0]),
    first_replicas=st.integers(0, 3),
    min_replicas=st.integers(0, 2),
    max_replicas=st.integers(3, 8),
)
seeds = st.integers(0, 10_000)


def plain(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as values that compare, NaN with NaN."""
    fields = {field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome) if field.name != "timeline"}
    if outcome.timeline is not None:
        line = outcome.timeline
        fields |= {name: getattr(line, name).tolist() for name in line.__slots__ if name != "step_s"}
    return {name: repr(value) for name, value in fields.items()}


@given(worlds, seeds, seeds, st.booleans())
def test_every_gpu_second_is_of_one_kind(world: World, seed: int, walk: int, holds: bool) -> None:
    policy = wandering(walk, holds_requests=holds)
    lives: dict[str, list[float]] = {}

    def watched(sight: Sight) -> Wanted:
        for pod in sight.pods:
            if pod.scheduled_at is not None:
                lives.setdefault(pod.name, [max(0.0, pod.scheduled_at), 0.0])[1] = sight.now
        return policy.ask(sight)

    outcome = simulate(every(0.7, until=400.0), world, Scripted(watched, period_s=0.5), seed, serve=Kept())

    spent = outcome.gpu_s
    assert spent.total == pytest.approx(spent.serving + spent.starting + spent.warm + spent.draining)
    assert min(spent.serving, spent.starting, spent.warm, spent.draining) >= 0.0
    assert 0.0 <= spent.busy <= spent.serving + 1e-6
    # No pod is paid for before it is seen to be scheduled, nor less than from its first sight to its last.
    least = sum(last - since for since, last in lives.values()) * world.gpus_per_pod
    assert spent.total >= least - 1e-6


@given(worlds, seeds, seeds, st.booleans())
def test_every_request_is_answered_or_failed_or_still_inside(world: World, seed: int, walk: int, holds: bool) -> None:
    requests = every(0.7, until=300.0)

    outcome = simulate(requests, world, wandering(walk, holds_requests=holds), seed, serve=Kept())

    assert outcome.requests == len(requests)
    assert outcome.requests == outcome.completed + outcome.failed + outcome.unfinished
    assert outcome.late <= outcome.completed
    assert outcome.killed <= outcome.failed


@given(worlds, seeds, seeds)
def test_no_pod_serves_before_it_is_ready(world: World, seed: int, walk: int) -> None:
    kept, policy = Kept(), wandering(walk)
    ready: dict[int, float] = {}

    def watched(sight: Sight) -> Wanted:
        ready.update((int(pod.name.removeprefix("pod-")), pod.ready_at) for pod in sight.pods if pod.ready_at is not None)
        return policy.ask(sight)

    simulate(every(0.7, until=300.0), world, Scripted(watched), seed, serve=kept)

    least_s, _ = world.startup.endpoint_s
    for came, pod in kept.lines.served:
        if pod > world.first_replicas and pod in ready and came <= 300.0:
            # Requests that were held come to it once endpoints have it, so they may have come before.
            first_given = next(at for at, what, which in kept.lines.said if what == "add" and which == pod)
            assert first_given >= ready[pod] + least_s - 1e-9


@given(worlds, seeds, seeds)
def test_the_bounds_hold_whatever_is_wanted(world: World, seed: int, walk: int) -> None:
    chance = random.Random(walk)
    policy = Scripted(lambda _sight: Wanted(replicas=chance.randint(-5, 99)))

    simulate(every(3.0, until=200.0), world, policy, seed, serve=Kept())

    for sight in policy.seen[1:]:
        assert world.min_replicas <= sight.replicas <= world.max_replicas
        assert sight.status_replicas == sight.replicas


@given(worlds, seeds, seeds)
def test_the_same_seed_gives_the_same_outcome_to_the_bit(world: World, seed: int, walk: int) -> None:
    def run() -> dict[str, Any]:
        return plain(simulate(every(0.9, until=200.0), world, wandering(walk), seed, timeline_s=20.0, serve=Kept()))

    assert run() == run()


def test_another_seed_gives_other_starts() -> None:
    runs = [simulate(every(1.0, until=200.0), World(), wants(5), seed, serve=Kept()).gpu_s for seed in (1, 2)]

    assert runs[0].starting != runs[1].starting


@given(seeds, seeds)
def test_two_policies_meet_the_same_starts_and_the_same_service(seed: int, walk: int) -> None:
    world = World(startup=QUICK, first_replicas=1, max_replicas=9)
    services = Kept(), Kept()

    def starts_under(policy: Scripted, kept: Kept) -> dict[str, float]:
        seen: dict[str, float] = {}

        def watched(sight: Sight) -> Wanted:
            seen.update(
                (pod.name, pod.scheduled_at - pod.created_at)
                for pod in sight.pods
                if pod.scheduled_at is not None and pod.created_at > 0
            )
            return policy.ask(sight)

        simulate(every(1.0, until=300.0), world, Scripted(watched), seed, serve=kept)
        return seen

    wandered, planned = starts_under(wandering(walk), services[0]), starts_under(wants(2, 4, 9), services[1])

    # Every pod finds room at once: scheduled after its own share of its own start-up, whenever it was created.
    for name in wandered.keys() & planned.keys():
        assert wandered[name] == pytest.approx(planned[name])
    assert services[0].lines.luck == services[1].lines.luck
    assert services[0].lines.arrived == services[1].lines.arrived


def test_it_begins_with_the_first_pods_serving() -> None:
    kept = Kept()
    policy = wants(3)

    outcome = simulate(every(0.5, until=60.0), World(first_replicas=3), policy, 1, serve=kept)

    assert [pod.ready for pod in policy.seen[0].pods] == [True, True, True]
    assert outcome.gpu_s.serving == pytest.approx(3 * 60.0)
    assert outcome.gpu_s.starting == 0.0
    assert outcome.starts == 0
    # Two requests a second of a second each: two GPUs' worth, less the last request, which comes as the load ends.
    assert outcome.gpu_s.busy == pytest.approx(2 * 60.0 - 1.0, abs=1.0)


def test_a_fleet_may_begin_without_a_pod_and_serve_what_is_held_once_there_is_one() -> None:
    world = World(first_replicas=0, min_replicas=0, startup=QUICK)

    outcome = simulate(load([1.0], until=200.0), world, wants(1), 3, serve=Kept())

    assert outcome.completed == 2
    assert outcome.starts == 1
    assert outcome.late == 1  # the first, which waited for the pod


def test_what_nobody_holds_fails() -> None:
    world = World(first_replicas=0, min_replicas=0)

    outcome = simulate(load([1.0], until=5.0), world, wants(0, holds_requests=False), 3, serve=Kept())

    assert outcome.failed == 2
    assert outcome.unfinished == 0


def test_requests_that_nobody_takes_are_unfinished_in_the_end() -> None:
    world = World(first_replicas=0, min_replicas=0)

    outcome = simulate(load([1.0], until=5.0), world, wants(0), 3, serve=Kept())

    assert (outcome.unfinished, outcome.failed) == (2, 0)
    assert np.isnan(outcome.first_token_p50_s)


def test_after_the_load_those_inside_may_finish_and_nothing_is_paid_for() -> None:
    # 10 requests at once in the last moment: the one pod needs 10 s for them.
    policy = wants(1)

    outcome = simulate(load([30.0] * 9, until=30.0), World(), policy, 1, serve=Kept())

    assert outcome.completed == 10
    assert outcome.gpu_s.total == pytest.approx(30.0)
    assert max(sight.now for sight in policy.seen) <= 30.0


def test_first_tokens_are_counted_with_what_they_stand_for() -> None:
    # The pod answers one by one: after 1, 2, … 10 s.
    outcome = simulate(load([30.0] * 9, until=30.0), World(), wants(1), 1, serve=Kept())

    assert outcome.first_token_p50_s == 5.0
    assert outcome.first_token_p95_s == 10.0
    assert outcome.first_token_p99_s == 10.0


def test_changes_and_reversals_are_counted() -> None:
    # 1 → 3 → 2 → 2 → 4: three changes, and twice the other way within ten minutes.
    outcome = simulate(every(5.0, until=120.0), World(startup=QUICK), wants(3, 2, 2, 4), 1, serve=Kept())

    assert (outcome.changes, outcome.reversals, outcome.starts) == (3, 2, 4)


def test_a_change_back_after_more_than_ten_minutes_is_no_reversal() -> None:
    # Up at some moment within the first 700 s, and down 700 s later.
    outcome = simulate(every(50.0, until=1500.0), World(), wants(2, 1, period_s=700.0), 1, serve=Kept())

    assert (outcome.changes, outcome.reversals) == (2, 0)


def test_a_policy_is_asked_from_a_random_moment_on_and_then_every_period_or_when_it_wants_to() -> None:
    policy = Scripted(lambda _sight: Wanted(replicas=1, in_s=2.0 if len(policy.seen) == 1 else None), period_s=10.0)

    simulate(every(5.0, until=60.0), World(), policy, 5, serve=Kept())

    first = policy.seen[0].now
    assert 0.0 <= first < 10.0
    assert [sight.now - first for sight in policy.seen[:4]] == pytest.approx([0.0, 2.0, 12.0, 22.0])


@pytest.mark.parametrize("in_s", [0.0, -1.0, float("nan")])
def test_a_policy_that_wants_to_be_asked_at_once_is_refused(in_s: float) -> None:
    policy = Scripted(lambda _sight: Wanted(replicas=1, in_s=in_s))

    with pytest.raises(ValueError, match="scripted: to be asked again in"):
        simulate(every(5.0, until=60.0), World(), policy, 5, serve=Kept())


def test_the_timeline_shows_the_fleet_at_each_tick() -> None:
    # A request every second from 1 s on, and a second pod wanted from within the first 15 s on.
    outcome = simulate(every(1.0, until=100.0), World(startup=QUICK), wants(2), 1, timeline_s=10.0, serve=Kept())

    line = outcome.timeline
    assert line is not None
    assert len(line.wanted) == 10
    assert line.load_per_s.tolist() == [1.0] * 10
    assert line.wanted.tolist()[1:] == [2] * 9
    assert (line.serving + line.starting).tolist()[1:] == [2] * 9
    assert line.serving[0] == 1
    assert line.serving[-1] == 2


def test_a_timeline_counts_who_becomes_unhappy_in_each_step() -> None:
    # Ten at 5 s: answered at 6 … 15 s, those from the third on late: at 8, 9, 10 s in the first step, at 11 … 15 s in the second.
    outcome = simulate(load([5.0] * 10, until=20.0), World(), wants(1), 1, timeline_s=10.0, serve=Kept())

    assert outcome.timeline is not None
    assert outcome.timeline.unhappy.tolist() == [3.0, 5.0]
    assert outcome.timeline.waiting.tolist() == [4.0, 0.0]


@pytest.mark.parametrize("step_s", [0.0, -1.0])
def test_a_timeline_without_a_step_is_refused(step_s: float) -> None:
    with pytest.raises(ValueError, match="timeline_s"):
        simulate(every(5.0, until=60.0), World(), wants(1), 5, timeline_s=step_s, serve=Kept())


def test_the_policys_own_path_replaces_the_worlds() -> None:
    policy = wants(1, path=Path(scrape_s=1.0, lost_ratio=0.0), period_s=5.0)

    simulate(every(0.5, until=60.0), World(path=Path(scrape_s=60.0)), policy, 5, serve=Kept())

    ages = [sight.now - sight.total[TotalMetric.HELD].at for sight in policy.seen[1:]]
    assert max(ages) < 1.0
    assert all("pod-1" in sight.per_pod[PodMetric.RUNNING] for sight in policy.seen[1:])


def test_rates_and_requests_are_served_without_being_told_how() -> None:
    rates = Rates("steady", 60, [1.0] * 10)
    requests = every(1.0, until=60.0)

    by_rates = simulate(rates, World(first_replicas=2), wants(2), 1)
    by_requests = simulate(requests, World(first_replicas=2), wants(2), 1)

    assert by_rates.requests == pytest.approx(600.0, abs=100.0)  # by chance: four standard errors of the root of 600
    assert by_requests.requests == 60
    assert by_rates.attainment_ratio > 0.99
    assert by_requests.attainment_ratio > 0.99

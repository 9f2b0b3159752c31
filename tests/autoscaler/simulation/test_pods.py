"""The life of pods, each step at its moment: who comes, who goes first, who gets requests, and what is paid for."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.agenda import Agenda
from autoscaler.simulation.pod import Phase
from autoscaler.simulation.pods import Pods
from autoscaler.simulation.sight import PodSight
from autoscaler.simulation.world import Nodes, Startup, World
from tests.autoscaler.simulation.inmemory import Lines, load

# Every start takes 100 s: 2 s until a node is looked for, 20 s for the image, 78 s for the model; endpoints learn in 1.5 s.
ALIKE = Startup(p50_s=100.0, p90_s=100.0, probe_s=0.0, endpoint_s=(1.5, 1.5))


class Fleet:
    """Pods with a clock that moves by hand, and a second account of what they cost, from event to event."""

    def __init__(self, world: World, requests: Sequence[float] = (), *, seed: int = 1) -> None:
        self.agenda = Agenda()
        self.service = Lines(load(requests, until=1e6), world, holds=True, rng=np.random.default_rng(0))
        self.pods = Pods(world, seed, self.service, self.agenda)
        self.areas = dict.fromkeys(Phase, 0.0)
        """Pod-seconds in each phase."""
        self._now = 0.0

    def pass_until(self, until: float) -> None:
        for at, act in self.agenda.due(until):
            self._count(at)
            self.service.advance(at)
            act(at)
        self._count(until)
        self.service.advance(until)

    def _count(self, now: float) -> None:
        for phase, pods in self.pods.phases().items():
            self.areas[phase] += pods * (now - self._now)
        self._now = now

    def scale(self, replicas: int, *victims: str, at: float) -> None:
        self.pass_until(at)
        self.pods.scale(replicas, victims, at)

    def hold(self, *names: str, at: float) -> None:
        self.pass_until(at)
        self.pods.hold(names, at)

    def route(self, *names: str, at: float) -> None:
        self.pass_until(at)
        self.pods.route(names, at)

    def names(self, *, terminating: bool = False) -> list[str]:
        return [pod.name for pod in self.pods.sights() if pod.terminating is terminating]

    def pod(self, name: str) -> PodSight:
        return next(pod for pod in self.pods.sights() if pod.name == name)


def world(**more: object) -> World:
    settings = {"startup": ALIKE, "first_replicas": 0, "min_replicas": 0} | more
    return World(**settings)  # type: ignore[arg-type]


def test_a_pod_is_scheduled_then_pulls_its_image_then_loads_and_then_serves() -> None:
    fleet = Fleet(world())

    fleet.scale(1, at=10.0)
    fleet.pass_until(200.0)

    assert fleet.pods.sights() == (PodSight(name="pod-1", created_at=10.0, scheduled_at=12.0, started_at=32.0, ready_at=110.0),)
    assert fleet.service.said == [(111.5, "add", 1)]


def test_a_pod_shows_how_far_it_is_and_no_more() -> None:
    fleet = Fleet(world())
    fleet.scale(1, at=0.0)

    assert fleet.pod("pod-1") == PodSight(name="pod-1", created_at=0.0)
    fleet.pass_until(2.0)
    assert fleet.pod("pod-1") == PodSight(name="pod-1", created_at=0.0, scheduled_at=2.0)
    fleet.pass_until(22.0)
    assert fleet.pod("pod-1").running
    assert not fleet.pod("pod-1").ready


def test_on_a_node_that_has_the_image_it_is_not_pulled_again() -> None:
    fleet = Fleet(world(first_replicas=1))

    fleet.scale(2, at=10.0)
    fleet.pass_until(200.0)

    # Scheduled at 12 s, runs at once, and loads for 78 s.
    assert fleet.pod("pod-2").started_at == 12.0
    assert fleet.pod("pod-2").ready_at == 90.0


def test_readiness_waits_for_the_next_probe() -> None:
    startup = Startup(p50_s=100.0, p90_s=100.0, probe_s=10.0)
    fleet = Fleet(world(startup=startup))

    fleet.scale(6, at=0.0)
    fleet.pass_until(200.0)

    # All are loaded at 100 s, and each is probed at its own moment within ten seconds.
    ready_at = [pod.ready_at for pod in fleet.pods.sights() if pod.ready_at is not None]
    assert len(set(ready_at)) == 6
    assert all(100.0 <= at < 110.0 for at in ready_at)


def test_a_start_that_fails_begins_again() -> None:
    startup = Startup(p50_s=100.0, p90_s=100.0, probe_s=0.0, failure_ratio=0.5)
    fleet = Fleet(world(startup=startup))

    fleet.scale(30, at=0.0)
    fleet.pass_until(2000.0)

    # Loading takes 78 s, and each failure adds half of that.
    extra = {(pod.ready_at - 100.0) / 39.0 for pod in fleet.pods.sights() if pod.ready_at is not None}
    assert all(each == pytest.approx(round(each), abs=1e-9) for each in extra)
    assert {round(each) for each in extra} >= {0, 1, 2}


def test_pods_that_always_fail_to_start_stay_and_cost() -> None:
    fleet = Fleet(world(startup=Startup(p50_s=100.0, p90_s=100.0, failure_ratio=1.0)))

    fleet.scale(1, at=0.0)
    fleet.pass_until(1000.0)

    assert not fleet.pod("pod-1").ready
    assert fleet.pods.spent(1000.0).starting == pytest.approx(998.0)


def test_the_first_pods_are_ready_and_serve_at_once_after_a_start_like_any_other() -> None:
    fleet = Fleet(world(first_replicas=2))

    assert fleet.pods.sights()[1] == PodSight(name="pod-2", created_at=-100.0, scheduled_at=-98.0, started_at=-78.0, ready_at=0.0)
    assert fleet.service.said == [(0.0, "add", 1), (0.0, "add", 2)]
    assert fleet.pods.starts == 0


def test_first_pods_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match="first_replicas 5 do not fit on 2 nodes of 2 places: have more nodes ready"):
        Fleet(world(first_replicas=5, nodes=Nodes(ready=2, pods_per_node=2)))


def test_pods_without_room_are_pending_until_a_node_comes() -> None:
    nodes = Nodes(ready=1, most=2, pods_per_node=1, provision_s=(60.0, 60.0))
    fleet = Fleet(world(first_replicas=1, nodes=nodes))

    fleet.scale(3, at=10.0)
    fleet.pass_until(50.0)
    assert [pod.scheduled_at is None for pod in fleet.pods.sights()] == [False, True, True]
    assert fleet.pods.phases()[Phase.PENDING] == 2
    fleet.pass_until(500.0)

    # No room is found at 12 s, the node is there 60 s later, has to pull the image, and is the last that there may be.
    assert fleet.pod("pod-2").scheduled_at == 72.0
    assert fleet.pod("pod-2").started_at == 92.0
    assert fleet.pod("pod-3").scheduled_at is None


def test_who_waits_longest_gets_the_place_of_a_pod_that_goes() -> None:
    nodes = Nodes(ready=1, most=1, pods_per_node=1)
    fleet = Fleet(world(first_replicas=1, nodes=nodes))
    fleet.scale(3, at=10.0)
    fleet.pods.hold(["pod-1"], 10.0)

    # Of 3 pods the two that no node has go first; then the one that serves gives its place to a new one.
    fleet.scale(1, at=20.0)
    assert fleet.names() == ["pod-1"]
    fleet.scale(0, at=30.0)
    fleet.scale(1, at=30.0)
    fleet.pass_until(40.0)

    assert fleet.pod("pod-4").scheduled_at == 32.0


def test_a_pod_that_is_given_up_before_a_node_has_it_costs_nothing() -> None:
    fleet = Fleet(world())

    fleet.scale(1, at=0.0)
    fleet.scale(0, at=1.0)
    fleet.pass_until(300.0)

    assert fleet.pods.sights() == ()
    assert fleet.pods.spent(300.0).total == 0.0
    assert fleet.service.said == []


def test_gpu_time_begins_when_a_node_has_the_pod() -> None:
    fleet = Fleet(world(gpus_per_pod=4))

    fleet.scale(1, at=10.0)
    fleet.pass_until(211.5)

    # Scheduled at 12 s, takes requests from 111.5 s on.
    spent = fleet.pods.spent(211.5)
    assert spent.starting == pytest.approx(4 * 99.5)
    assert spent.serving == pytest.approx(4 * 100.0)
    assert spent.total == pytest.approx(4 * 199.5)


def test_gpu_time_that_was_computed_is_of_pods_that_serve() -> None:
    # Two requests of a second each.
    fleet = Fleet(world(first_replicas=1, gpus_per_pod=2), requests=[10.0, 20.0])

    fleet.pass_until(50.0)

    assert fleet.pods.spent(50.0).busy == pytest.approx(2 * 2.0)
    assert fleet.pods.spent(50.0).busy == pytest.approx(2 * 2.0)


orders = st.tuples(
    st.sampled_from([0.0, 0.7, 5.0, 31.0, 90.0]),  # after so long
    st.integers(0, 6),
    st.sets(st.integers(1, 12), max_size=4),  # to hold
    st.sets(st.integers(1, 12), max_size=4),  # to route
)


@given(st.lists(orders, max_size=12), st.booleans(), st.sampled_from([0.0, 3.0, 30.0]), st.integers(1, 99))
def test_gpu_time_is_the_time_that_pods_spend_in_each_phase(
    script: list[tuple[float, int, set[int], set[int]]], full: bool, drain_s: float, seed: int
) -> None:
    nodes = Nodes(ready=1, most=2, pods_per_node=2) if full else Nodes()
    startup = Startup(p50_s=20.0, p90_s=30.0, failure_ratio=0.2)
    setting = world(first_replicas=1, nodes=nodes, startup=startup, drain_s=drain_s, gpus_per_pod=3)
    fleet = Fleet(setting, requests=[0.9 * i for i in range(300)], seed=seed)

    now = 0.0
    for after_s, replicas, held, routed in script:
        now += after_s
        fleet.hold(*(f"pod-{number}" for number in held), at=now)
        fleet.route(*(f"pod-{number}" for number in routed), at=now)
        fleet.scale(replicas, at=now)
    fleet.pass_until(now + 50.0)

    spent = fleet.pods.spent(now + 50.0)
    for phase in (Phase.STARTING, Phase.SERVING, Phase.WARM, Phase.DRAINING):
        assert getattr(spent, phase.value) == pytest.approx(3 * fleet.areas[phase])
    assert spent.busy <= spent.serving + 1e-6


def test_of_a_shrink_go_first_what_does_not_run_then_what_is_not_ready_then_victims_then_the_youngest() -> None:
    nodes = Nodes(ready=1, most=1, pods_per_node=7)
    fleet = Fleet(world(first_replicas=4, nodes=nodes))
    fleet.scale(6, at=0.0)  # pod-5 and pod-6 run from 2 s on, and load
    fleet.scale(8, at=10.0)  # pod-7 gets the last place at 12 s, pod-8 none
    fleet.pass_until(12.0)

    order = []
    before = fleet.names()
    for replicas in range(7, -1, -1):
        fleet.scale(replicas, "pod-2", "pod-3", "pod-5", at=12.0)
        order += [name for name in before if name not in fleet.names()]
        before = fleet.names()

    # No node has pod-8. pod-5, pod-6 and pod-7 load, pod-5 is a victim of them.
    assert order == ["pod-8", "pod-5", "pod-7", "pod-6", "pod-2", "pod-3", "pod-4", "pod-1"]


def test_what_does_not_run_goes_before_a_victim() -> None:
    fleet = Fleet(world(first_replicas=1, nodes=Nodes(pods_per_node=1)))
    fleet.scale(2, at=0.0)

    fleet.scale(1, "pod-1", at=10.0)  # pod-2 pulls its image

    assert fleet.names() == ["pod-1"]


def test_terminating_pods_are_no_replicas() -> None:
    fleet = Fleet(world(first_replicas=1), requests=[9.5] * 20)
    fleet.scale(0, at=10.0)

    fleet.scale(1, at=11.0)

    assert fleet.names(terminating=True) == ["pod-1"]
    assert fleet.names() == ["pod-2"]


def test_a_pod_that_goes_is_withdrawn_and_ends_once_it_is_empty() -> None:
    # At 10 s it has requests until 14 s; endpoints learn at 11.5 s, and it looks every second from then on.
    fleet = Fleet(world(first_replicas=1), requests=[10.0] * 4)

    fleet.scale(0, at=10.0)
    fleet.pass_until(100.0)

    assert fleet.service.said[1:] == [(11.5, "withdraw", 1), (14.5, "remove", 1)]
    assert fleet.service.tally.killed == 0
    spent = fleet.pods.spent(100.0)
    assert (spent.serving, spent.draining) == (pytest.approx(10.0), pytest.approx(4.5))


def test_what_is_not_done_when_a_pod_has_to_go_is_killed() -> None:
    fleet = Fleet(world(first_replicas=1, drain_s=5.0), requests=[10.0] * 9)

    fleet.scale(0, at=10.0)
    fleet.pass_until(100.0)

    # Those that end at 11, 12, 13, 14 and 15 s are done.
    assert fleet.service.said[-1] == (15.0, "remove", 1)
    assert fleet.service.tally.killed == 4
    assert fleet.pods.spent(100.0).draining == pytest.approx(5.0)


def test_a_pod_that_is_not_ready_ends_at_once() -> None:
    fleet = Fleet(world())
    fleet.scale(1, at=0.0)

    fleet.scale(0, at=50.0)
    fleet.pass_until(300.0)

    assert fleet.pods.sights() == ()
    assert fleet.pods.spent(300.0).total == pytest.approx(48.0)
    assert fleet.service.said == []


def test_a_pod_that_is_held_back_takes_no_requests_once_endpoints_know() -> None:
    fleet = Fleet(world(first_replicas=2), requests=[15.0, 15.0])

    fleet.hold("pod-1", at=10.0)
    fleet.pass_until(20.0)

    assert fleet.pod("pod-1").warm
    assert fleet.service.said[2:] == [(11.5, "withdraw", 1)]
    assert {pod for _, pod in fleet.service.served} == {2}
    spent = fleet.pods.spent(20.0)
    assert (spent.serving, spent.warm) == (pytest.approx(31.5), pytest.approx(8.5))


def test_a_warm_pod_takes_requests_once_endpoints_know_that_it_is_promoted() -> None:
    fleet = Fleet(world(first_replicas=1))
    fleet.hold("pod-1", at=10.0)

    fleet.route("pod-1", at=50.0)
    fleet.pass_until(60.0)

    assert not fleet.pod("pod-1").warm
    assert fleet.service.said[-1] == (51.5, "add", 1)
    assert fleet.pods.spent(60.0).warm == pytest.approx(40.0)


def test_a_pod_that_is_held_back_before_it_is_ready_becomes_warm_and_never_serves() -> None:
    fleet = Fleet(world())
    fleet.scale(1, at=0.0)

    fleet.hold("pod-1", at=5.0)
    fleet.pass_until(150.0)

    assert fleet.service.said == []
    spent = fleet.pods.spent(150.0)
    assert (spent.starting, spent.warm) == (pytest.approx(98.0), pytest.approx(50.0))


def test_a_pod_that_is_held_back_just_after_it_became_ready_never_serves() -> None:
    fleet = Fleet(world())
    fleet.scale(1, at=0.0)

    fleet.hold("pod-1", at=100.5)
    fleet.pass_until(150.0)

    assert fleet.service.said == []
    assert fleet.pods.phases() == {Phase.WARM: 1}


def test_held_back_and_promoted_before_endpoints_know_of_it_a_pod_just_goes_on() -> None:
    fleet = Fleet(world(first_replicas=1))

    fleet.hold("pod-1", at=10.0)
    fleet.route("pod-1", at=10.5)
    fleet.pass_until(60.0)

    assert fleet.service.said == [(0.0, "add", 1)]
    assert fleet.pods.spent(60.0).serving == pytest.approx(60.0)


def test_a_warm_pod_that_goes_is_gone_at_once_when_it_has_nothing_to_do() -> None:
    fleet = Fleet(world(first_replicas=1))
    fleet.hold("pod-1", at=10.0)

    fleet.scale(0, at=50.0)

    assert fleet.pods.sights() == ()
    assert fleet.service.said[-1] == (50.0, "remove", 1)


def test_names_that_are_not_there_and_pods_on_their_way_out_are_passed_over() -> None:
    fleet = Fleet(world(first_replicas=1), requests=[10.0] * 9)
    fleet.scale(0, at=10.0)

    fleet.hold("pod-1", "pod-77", at=10.0)
    fleet.route("pod-1", "pod-77", at=10.0)

    assert not fleet.pod("pod-1").warm


def test_what_is_shown_is_the_same_object_until_something_changes() -> None:
    fleet = Fleet(world(first_replicas=2))
    before, version = fleet.pods.sights(), fleet.pods.version

    fleet.pass_until(100.0)
    assert fleet.pods.sights() is before
    assert fleet.pods.version == version
    fleet.scale(3, at=100.0)

    assert fleet.pods.sights()[:2] == before
    assert fleet.pods.version != version

"""What a target's pods hold and wait for."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.census import Census, Counting, Holding, State, Waiting
from autoscaler.cost.hardware import NOT_TOLD, Capacity, Hardware
from autoscaler.resource.scaler import ROUTED
from autoscaler.seen import PodSeen

L4, H100 = Hardware("nvidia-l4", Capacity.SPOT), Hardware("NVIDIA-H100", Capacity.ON_DEMAND)
NODES = {"l4-1": L4, "l4-2": L4, "h100-1": H100}
WARM = {ROUTED: "false"}


def pod(name: str = "a", node: str = "l4-1", **more: Any) -> PodSeen:
    """Return a pod with one GPU that is ready, unless told otherwise."""
    told = {"gpus": 1, "labels": {}, "running": True, "ready": True, "containers_ready": True, **more}
    return PodSeen(namespace="llm", name=name, uid=name, node=node, created_at=0.0, **told)


def loading(name: str = "a", **more: Any) -> PodSeen:
    return pod(name, ready=False, containers_ready=False, **more)


def take(
    pods: list[PodSeen], leaving: list[PodSeen] | None = None, *, pool_offered: bool = True, gpus_per_group: int = 0
) -> Census:
    return Counting().take(
        pods,
        leaving or [],
        hardware=lambda name: NODES.get(name, NOT_TOLD),
        nodes_version=1,
        pool_offered=pool_offered,
        gpus_per_group=gpus_per_group,
    )


def test_each_gpu_is_held_for_what_its_pod_does_on_what_its_node_has() -> None:
    found = take(
        [
            pod("serves", gpus=2),
            pod("serves-too", node="l4-2"),
            pod("elsewhere", node="h100-1", gpus=8),
            pod("waits", labels=WARM),
            loading("loads"),
            loading("is-pulled", running=False),
        ],
        [pod("goes", leaving=True)],
    )

    assert found.holdings == (
        Holding(State.DRAINING, L4, 1),
        Holding(State.SERVING, H100, 8),
        Holding(State.SERVING, L4, 3),
        Holding(State.STARTING, L4, 2),
        Holding(State.WARM, L4, 1),
    )
    assert found.gpus == 15


def test_a_pod_without_a_node_holds_nothing_and_one_on_an_unknown_node_an_unknown_gpu() -> None:
    found = take([loading("homeless", node="", running=False), pod("far", node="new-1")], [pod("unborn", node="", leaving=True)])

    assert found.holdings == (Holding(State.SERVING, NOT_TOLD, 1),)


def test_a_pod_that_asks_for_no_whole_gpu_holds_none() -> None:
    assert take([pod(gpus=0)]).holdings == ()


def test_behind_its_gate_a_pod_is_warm_once_its_containers_are_ready() -> None:
    assert take([pod(gate=False, ready=False)]).holdings == (Holding(State.WARM, L4, 1),)
    assert take([loading(gate=False)]).holdings == (Holding(State.STARTING, L4, 1),)


def test_where_no_pod_can_be_held_back_a_marked_one_serves() -> None:
    assert take([pod(labels=WARM)], pool_offered=False).holdings == (Holding(State.SERVING, L4, 1),)


def test_a_group_holds_the_gpus_of_all_its_pods_with_its_leader() -> None:
    assert take([pod(gpus=8)], [pod("old", gpus=8, leaving=True)], gpus_per_group=16).holdings == (
        Holding(State.DRAINING, L4, 16),
        Holding(State.SERVING, L4, 16),
    )


def test_a_pod_on_its_way_waits_for_a_node_an_image_or_a_model() -> None:
    found = take(
        [
            pod("there"),
            loading("no-node", node="", running=False, unschedulable_since=5.0),
            loading("not-looked-at", node="", running=False),
            loading("pulls", running=False),
            loading("loads"),
            loading("loads-warm", labels=WARM),
        ]
    )

    assert found.waiting == Waiting(unschedulable=1, image=1, loading=2)


def test_nothing_is_counted_again_until_a_pod_or_a_node_changes() -> None:
    asked: list[str] = []

    def hardware(name: str) -> Hardware:
        asked.append(name)
        return L4

    counting, first = Counting(), pod("a")

    def look(pods: list[PodSeen], leaving: list[PodSeen], version: int) -> Census:
        return counting.take(pods, leaving, hardware=hardware, nodes_version=version, pool_offered=True)

    look([first], [], 1)
    again = look([first], [], 1)
    assert len(asked) == 1
    assert look([replace(first, ready=False)], [], 1).holdings == (Holding(State.STARTING, L4, 1),)
    assert look([first], [replace(first, leaving=True)], 1) != again
    look([first], [], 2)
    # One pod in each of the four that were counted, and one more that leaves in the third.
    assert len(asked) == 5


pods = st.lists(
    st.builds(
        pod,
        st.sampled_from("abcdef"),
        st.sampled_from(["", *NODES]),
        gpus=st.integers(0, 8),
        ready=st.booleans(),
        running=st.booleans(),
        labels=st.sampled_from([{}, WARM]),
        gate=st.sampled_from([None, True, False]),
    ),
    max_size=6,
)


@given(pods, pods, st.booleans())
def test_every_gpu_of_a_pod_with_a_node_is_held_once(here: list[PodSeen], leaving: list[PodSeen], offered: bool) -> None:
    found = take(here, leaving, pool_offered=offered)

    assert found.gpus == sum(each.gpus for each in (*here, *leaving) if each.node)
    assert all(holding.gpus > 0 for holding in found.holdings)
    assert len({(holding.state, holding.hardware) for holding in found.holdings}) == len(found.holdings)

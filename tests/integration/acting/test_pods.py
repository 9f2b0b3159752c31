"""Warm pods in real EndpointSlices, and pods that go in the order that was asked for."""

import time
from dataclasses import replace
from typing import Any

import pytest

from autoscaler import actuate
from autoscaler.cluster import deletion, routing, scale
from autoscaler.decision.model import Decision, Rule
from autoscaler.resource.scaler import ROUTED, Mechanism
from autoscaler.seen import PodSeen, Pool
from tests.cluster import waiting
from tests.integration.acting.conftest import NAMESPACE, World
from tests.integration.contract.documents import apps, core, deployment

LABEL = Pool(mechanism=Mechanism.LABEL, why="")
GATE = Pool(mechanism=Mechanism.GATE, why="")
NOW = 1_750_000_000.0


def decision(serving: int, warm: int = 0) -> Decision:
    return Decision(
        at=time.time(), current=0, replicas=serving + warm, serving=serving, act=True, votes=(), trail=(), reason=Rule.DEMAND
    )


async def furnished(world: World, replicas: int, *, gate: str | None = None, label: bool = True) -> list[PodSeen]:
    """Create a Deployment with a Service that takes routed pods only, and return its pods."""
    body = deployment("web", replicas=replicas, gate=gate)
    selector = {"app": "web"}
    if label:
        body["spec"]["template"]["metadata"]["labels"][ROUTED] = "true"
        selector[ROUTED] = "true"
    await world.api.created(
        core(NAMESPACE, "services"), {"metadata": {"name": "web"}, "spec": {"selector": selector, "ports": [{"port": 80}]}}
    )
    await world.api.created(apps(NAMESPACE, "deployments"), body)
    return await world.ready(replicas)


def names(pods: list[PodSeen] | tuple[PodSeen, ...]) -> set[str]:
    return {pod.name for pod in pods}


def annotations(world: World, name: str) -> dict[str, str]:
    found = world.sandbox.store.get("pods", NAMESPACE, name)
    assert found is not None
    result: dict[str, str] = found["metadata"].get("annotations") or {}
    return result


async def test_a_held_pod_gets_no_requests_and_a_promoted_one_does_within_a_second(world: World) -> None:
    pods = await furnished(world, 3)
    await world.serving("web", names(pods))

    held = await routing.hold(world.kube, pods[:1], Mechanism.LABEL, now=NOW)
    await world.serving("web", names(pods[1:]))
    began = time.monotonic()
    promoted = await routing.promote(world.kube, [world.pods()[0]], Mechanism.LABEL, now=NOW)
    await world.serving("web", names(pods))

    assert time.monotonic() - began < 1.0
    assert held.done == promoted.done == {pods[0].name}
    assert held.problems == promoted.problems == ()
    assert all(pod.ready for pod in world.pods())  # all the while: roll-outs and disruption budgets see ready pods


async def test_a_gate_lets_no_pod_be_ready_until_it_is_passed(world: World) -> None:
    pods = await furnished(world, 2, gate=ROUTED, label=False)
    assert [pod.gate for pod in pods] == [False, False]

    await routing.promote(world.kube, pods, Mechanism.GATE, now=NOW)
    await world.serving("web", names(pods))
    await routing.hold(world.kube, pods[:1], Mechanism.GATE, now=NOW)
    await world.serving("web", names(pods[1:]))

    held = world.sandbox.store.get("pods", NAMESPACE, pods[0].name)
    assert held is not None
    (condition,) = [each for each in held["status"]["conditions"] if each["type"] == ROUTED]
    assert (condition["status"], condition["reason"]) == ("False", "Warm")
    assert condition["lastTransitionTime"] == "2025-06-15T15:06:40Z"
    assert {each["type"] for each in held["status"]["conditions"]} >= {"PodScheduled", "ContainersReady", "Ready"}


async def test_a_pod_that_was_replaced_is_not_written_to(world: World) -> None:
    pods = await furnished(world, 2)
    stranger = replace(pods[0], uid="another-life")
    gone = replace(pods[1], name="gone")

    outcome = await routing.hold(world.kube, [stranger, gone, pods[1]], Mechanism.LABEL, now=NOW)

    assert outcome.done == {pods[1].name}
    assert outcome.problems == ()  # nobody can do anything about it, and nobody has to
    assert {pod.name: pod.labels[ROUTED] for pod in world.pods()} == {pods[0].name: "true", pods[1].name: "false"}


async def test_under_headroom_no_pod_is_held(world: World) -> None:
    pods = await furnished(world, 1)

    outcome = await routing.hold(world.kube, pods, Mechanism.HEADROOM, now=NOW)

    assert outcome.done == frozenset()
    assert world.pods()[0].labels[ROUTED] == "true"


async def test_without_the_right_every_pod_says_so_and_stays_as_it_is(recommending: World) -> None:
    pods = await furnished(recommending, 2)

    outcomes = [
        await routing.hold(recommending.kube, pods, Mechanism.LABEL, now=NOW),
        await routing.hold(recommending.kube, pods, Mechanism.GATE, now=NOW),
        await deletion.mark(recommending.kube, pods),
    ]

    for outcome in outcomes:
        assert outcome.done == frozenset()
        assert len(outcome.problems) == 2
        assert all("403" in problem and "forbidden" in problem for problem in outcome.problems)
    assert [pod.labels[ROUTED] for pod in recommending.pods()] == ["true", "true"]


async def carried_out(world: World, wanted: Decision, pool: Pool, loads: dict[str, float]) -> actuate.Plan:
    """Plan as things stand and do it, in the plan's order."""
    target = await world.target("web")
    plan = actuate.plan(wanted, target, world.pods(), pool, loads)
    await routing.promote(world.kube, plan.route, pool.mechanism, now=NOW)
    await deletion.unmark(world.kube, plan.unmark)
    await deletion.mark(world.kube, plan.victims)
    if plan.scale_to is not None:
        await scale.scale(world.kube, target, plan.scale_to)
    await routing.hold(world.kube, plan.hold, pool.mechanism, now=NOW)
    return plan


async def test_the_least_busy_pods_go_and_those_that_stay_bear_no_mark(world: World) -> None:
    pods = await furnished(world, 5)
    loads = {pod.name: load for pod, load in zip(pods, (3.0, 0.5, 2.0, 0.1, 1.0), strict=True)}

    await carried_out(world, decision(2), LABEL, loads)
    left = await world.ready(2)
    await carried_out(world, decision(2), LABEL, loads)

    assert names(left) == {pods[0].name, pods[2].name}
    assert all(deletion.DELETION_COST not in annotations(world, pod.name) for pod in left)


async def test_victims_are_marked_in_their_order_and_ours_are_taken_away_again(world: World) -> None:
    pods = await furnished(world, 3)

    await deletion.mark(world.kube, pods)
    marked = world.pods()
    await deletion.unmark(world.kube, marked)

    assert [pod.deletion_cost for pod in marked] == ["-3", "-2", "-1"]
    assert {pod.deletion_cost_manager for pod in marked} == {"leadtime"}
    assert [pod.deletion_cost for pod in world.pods()] == [None, None, None]


async def test_a_cost_that_somebody_else_has_set_stands_and_is_honoured(world: World) -> None:
    pods = await furnished(world, 3)
    path = core(NAMESPACE, "pods", pods[0].name)
    await world.api.patch(path, {"metadata": {"annotations": {deletion.DELETION_COST: "1000"}}}, fieldManager="somebody")
    loads = {pods[0].name: 0.0, pods[1].name: 1.0, pods[2].name: 2.0}

    await carried_out(world, decision(2), LABEL, loads)
    left = await world.ready(2)
    await carried_out(world, decision(2), LABEL, loads)

    assert names(left) == {pods[0].name, pods[2].name}
    assert annotations(world, pods[0].name)[deletion.DELETION_COST] == "1000"


async def test_marks_that_a_crash_has_left_are_taken_away(world: World) -> None:
    pods = await furnished(world, 2)
    await deletion.mark(world.kube, pods[:1])  # and then the process was gone

    await carried_out(world, decision(2), LABEL, {})

    assert [pod.deletion_cost for pod in world.pods()] == [None, None]


@pytest.mark.parametrize("pool", [LABEL, GATE], ids=lambda pool: pool.mechanism)
async def test_a_pool_fills_is_promoted_from_and_shrinks_while_enough_pods_serve(world: World, pool: Pool) -> None:
    """Walk through growth, promotion, rest and shrinking; how many serve is looked at after each step."""
    gate = ROUTED if pool.mechanism is Mechanism.GATE else None
    pods = await furnished(world, 2, gate=gate, label=gate is None)
    loads: dict[str, float] = {pod.name: 1.0 for pod in pods}

    async def settled(wanted: Decision) -> None:
        async def done() -> bool:
            plan = await carried_out(world, wanted, pool, loads)
            found = world.pods()
            return not plan and len(found) == wanted.replicas and all(pod.containers_ready for pod in found)

        await waiting.eventually(done, what=f"{wanted.serving} serve and {wanted.warm} are warm", deadline_s=20)

        async def routed() -> bool:
            return len(world.endpoints("web")) == wanted.serving

        await waiting.eventually(routed, what=f"{wanted.serving} endpoints", deadline_s=10)

    await settled(decision(2))
    before = world.endpoints("web")
    await settled(decision(2, warm=1))
    assert world.endpoints("web") == before  # the new pod is the warm one
    await settled(decision(3, warm=1))
    assert before < world.endpoints("web")
    await settled(decision(1, warm=1))
    await settled(decision(1))


async def test_a_dead_controller_keeps_no_new_pod_from_its_requests_under_label(world: World) -> None:
    pods = await furnished(world, 2)
    await routing.hold(world.kube, pods[:1], Mechanism.LABEL, now=NOW)

    body: dict[str, Any] = {"spec": {"replicas": 4}}
    await world.api.patch(apps(NAMESPACE, "deployments", "web", "scale"), body)
    grown = await world.ready(4)

    await world.serving("web", names(grown) - {pods[0].name})

"""What holds the total: the budget, pods that fit nowhere, a roll-out, a pause, and somebody else's hand."""

from dataclasses import replace

import pytest

from autoscaler.decision.model import (
    ConflictPolicy,
    Decision,
    ForeignWrite,
    Mode,
    Pods,
    Rule,
    ScaleDown,
    WarmPool,
)
from tests.autoscaler.decision import loop

FREE = loop.FREE


def settled(replicas: int, policy: loop.model.Policy = FREE) -> loop.Loop:
    life = loop.Loop(policy=policy, replicas=replicas, serving=replicas)
    life.settle(replicas * 0.9, 900.0)
    return life


def said(decision: Decision, rule: Rule) -> str:
    return next(step.why for step in decision.trail if step.rule is rule)


# ── budget ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("max_gpus", "gpus", "replicas"), [(16, 4, 4), (15, 4, 3), (3, 4, 2), (16, 0, 7), (None, 4, 7)])
def test_the_budget_says_how_many_are_paid_for(max_gpus: int | None, gpus: int, replicas: int) -> None:
    life = settled(2, replace(FREE, max_gpus=max_gpus))

    decision = life.tick(6.9, gpus_per_replica=gpus)

    # The two that run are not both kept: but one is, however little is paid for.
    assert decision.replicas == (1 if max_gpus == 3 else replicas)
    assert (Rule.BUDGET in decision.limited_by) is (replicas < 7)


def test_of_a_target_that_does_not_show_its_gpus_one_replica_comes_and_shows_them() -> None:
    life = loop.Loop(policy=replace(FREE, min_replicas=0, max_gpus=16), replicas=0, serving=0)

    first = life.tick(6.9)
    second = life.tick(6.9, gpus_per_replica=4)
    without_pods = life.tick(6.9)

    assert (first.replicas, first.reason, first.limited_by) == (1, Rule.BUDGET, (Rule.BUDGET,))
    assert said(first, Rule.BUDGET) == "nothing shows yet how many GPUs a replica has, and budget.maxGPUs is 16"
    assert (second.replicas, without_pods.replicas) == (4, 4)  # 16 ÷ 4, seen or remembered
    assert said(without_pods, Rule.BUDGET) == "budget.maxGPUs 16 pays for 4 replicas of 4"


# ── pods that fit nowhere ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("waits_s", "replicas"), [(120.0, 5), (121.0, 3)])
def test_no_more_are_asked_for_while_a_pod_fits_on_no_node(waits_s: float, replicas: int) -> None:
    life = settled(3)
    pods = Pods(ready=2, pending=1, unschedulable=1, unschedulable_since=life.now - waits_s)

    decision = life.tick(4.9, pods=pods)

    assert decision.replicas == replicas
    assert (decision.reason is Rule.UNSCHEDULABLE) is (replicas == 3)


def test_a_frozen_total_takes_from_the_pool_what_has_to_serve() -> None:
    life = settled(3, replace(FREE, warm_pool=WarmPool(min=1, max=1)))
    assert (life.replicas, life.serving) == (4, 3)
    pods = replace(life.pods(), unschedulable=1, unschedulable_since=life.now - 500.0)

    decision = life.tick(4.9, pods=pods)

    assert (decision.replicas, decision.serving) == (4, 4)


# ── roll-out ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_taken_away_during_a_roll_out() -> None:
    policy = replace(FREE, warm_pool=WarmPool(min=1, max=1), scale_down=ScaleDown(rule=loop.model.DownRule.TARGET))
    life = settled(3, policy)
    pods = replace(life.pods(), rolling_out=True)

    rolling = life.tick(0.9, pods=pods)
    done = life.tick(0.9)

    assert (rolling.replicas, rolling.serving, rolling.limited_by) == (4, 3, (Rule.ROLL_OUT,))
    assert (done.replicas, done.serving) == (2, 1)


def test_a_roll_out_that_is_stuck_is_given_no_more_pods() -> None:
    life = settled(3)

    decision = life.tick(4.9, pods=replace(life.pods(), rolling_out=True, stuck="progress deadline exceeded"))

    assert (decision.replicas, decision.reason) == (3, Rule.ROLL_OUT)
    assert "progress deadline exceeded" in said(decision, Rule.ROLL_OUT)


def test_a_roll_out_does_not_keep_what_is_past_the_maximum() -> None:
    life = settled(3, replace(FREE, max_replicas=4))
    life.scale(6)

    decision = life.tick(2.7, pods=replace(life.pods(), rolling_out=True))

    assert (decision.replicas, decision.reason) == (6, Rule.CONFLICT)
    life.now += 300.0
    assert life.tick(2.7, pods=replace(life.pods(), rolling_out=True)).replicas == 4


# ── pause ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_scaler_says_what_it_would_do_and_does_nothing() -> None:
    life = settled(3)
    life.policy = replace(FREE, mode=Mode.PAUSED)

    decision = life.tick(4.9)

    assert (decision.replicas, decision.serving, decision.act, decision.reason) == (3, 3, False, Rule.PAUSED)
    assert decision.trail[-1].before == 5


def test_what_somebody_did_during_a_pause_is_no_conflict_after_it() -> None:
    life = settled(3)
    life.policy = replace(FREE, mode=Mode.PAUSED)
    life.tick(2.7)
    life.scale(5)
    life.policy = FREE

    decision = life.tick(2.7)

    assert decision.act
    assert Rule.CONFLICT not in {step.rule for step in decision.trail}


# ── somebody else ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unexpected_number_is_left_for_the_cool_down_and_is_ours_afterwards() -> None:
    life = settled(3)
    life.scale(6)
    life.serving = 6
    came = life.now

    decisions = life.run([2.7] * 22)

    held = [one for one in decisions if not one.act]
    assert {one.replicas for one in held} == {6}
    assert len(held) == 20  # 300 s
    assert all(one.reason is Rule.CONFLICT for one in held)
    assert said(held[0], Rule.CONFLICT) == "somebody else set 6 replicas where 3 were asked for: it is left so for 300 s"
    assert (decisions[20].act, decisions[20].at) == (True, came + 300.0)
    assert decisions[20].replicas < 6


def test_who_wrote_is_named() -> None:
    life = settled(3)
    life.scale(6)
    foreign = ForeignWrite(writer="kubectl-scale", at=life.now)

    first = life.tick(2.7, foreign=foreign)
    second = life.tick(2.7)

    assert said(first, Rule.CONFLICT).startswith("kubectl-scale set 6 replicas where 3 were asked for")
    assert said(second, Rule.CONFLICT) == "kubectl-scale set 6 replicas: it is left so for 285 s"
    assert life.memory.writer == "kubectl-scale"


def test_one_write_that_is_seen_again_and_again_is_yielded_to_once() -> None:
    life = settled(3)
    foreign = ForeignWrite(writer="kubectl-scale", at=life.now)

    decisions = [life.tick(2.7, foreign=foreign) for _ in range(25)]

    assert [one.act for one in decisions] == [False] * 20 + [True] * 5


def test_a_writer_that_stands_by_is_yielded_to_as_long_as_it_does() -> None:
    life = settled(3)
    hpa = ForeignWrite(writer="kube-controller-manager", at=life.now - 9000.0, standing=True)

    decisions = [life.tick(4.9, foreign=hpa) for _ in range(60)]
    alone = life.tick(4.9)

    assert loop.changes(decisions) == [3]
    assert not any(one.act for one in decisions)
    assert (alone.act, alone.replicas) == (True, 5)


def test_reassert_only_says_so() -> None:
    life = settled(3, replace(FREE, conflict=ConflictPolicy.REASSERT))
    life.scale(6)

    decision = life.tick(4.9)

    assert decision.act
    assert said(decision, Rule.CONFLICT).endswith("and is overruled")


def test_beside_an_hpa_a_recommendation_is_still_a_recommendation() -> None:
    life = loop.Loop(policy=replace(FREE, mode=Mode.RECOMMEND), replicas=3, serving=3)
    life.run([2.7] * 5)
    hpa = ForeignWrite(writer="kube-controller-manager", at=life.now, standing=True)

    decision = life.tick(4.9, foreign=hpa)

    assert (decision.replicas, decision.act) == (5, False)


def test_a_number_out_of_bounds_is_left_too_while_it_is_yielded_to() -> None:
    life = settled(3)
    life.scale(20)

    decision = life.tick(2.7)

    assert (decision.replicas, decision.act) == (20, False)

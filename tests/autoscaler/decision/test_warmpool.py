"""Warm pods serve within a second, are refilled apart from the scale-out, and never push past a bound."""

from dataclasses import replace

from autoscaler.decision import warmpool
from autoscaler.decision.model import Behavior, Decision, Direction, Pods, Rate, RateType, Rule, Select, WarmPool
from tests.autoscaler.decision import loop

POOLED = replace(loop.AUTO, warm_pool=WarmPool(min=1, max=2))


def settled(replicas: int, policy: loop.model.Policy = POOLED) -> loop.Loop:
    life = loop.Loop(policy=policy, replicas=replicas, serving=replicas)
    life.settle(replicas * 0.9, 900.0)
    return life


def numbers(decision: Decision) -> tuple[int, int]:
    return decision.serving, decision.warm


def test_the_pool_rides_on_top_of_what_serves() -> None:
    decision = settled(2).tick(1.8)

    assert numbers(decision) == (2, 1)
    assert decision.reason is Rule.DEMAND  # that a pool is kept is not why there are two


def test_the_pool_is_not_among_what_the_signals_are_compared_with() -> None:
    life = settled(2)

    # 2.2 replicas' worth over two is just within the tolerance; over the three pods there are it would be 0.73.
    assert life.tick(2.2).serving == 2


def test_warm_pods_serve_at_once_whatever_the_window_and_the_rate() -> None:
    never = Behavior(up=Direction(window_s=600, select=Select.DISABLED))
    life = settled(2, replace(POOLED, behavior=never))

    decision = life.tick(2.9)

    assert numbers(decision) == (3, 1)
    assert [step.rule for step in decision.trail if step.rule is Rule.PROMOTION] == [Rule.PROMOTION]
    assert life.pods().ready == 3


def test_no_more_warm_pods_serve_than_are_asked_for() -> None:
    policy = replace(POOLED, warm_pool=WarmPool(min=2, max=2))
    life = settled(2, policy)

    assert numbers(life.tick(2.9)) == (3, 2)


def test_a_warm_pod_that_is_not_ready_is_no_help_yet() -> None:
    life = settled(2)
    pods = Pods(ready=2, warm_starting=1)

    assert numbers(life.tick(2.9, pods=pods)) == (2, 1)


def test_a_refill_is_not_counted_as_a_change_that_the_rates_limit() -> None:
    slow = Behavior(up=Direction(window_s=0, rates=(Rate(RateType.PODS, 1, 600),)))
    life = settled(2, replace(POOLED, behavior=slow))
    counted = life.memory.ups

    promoted = life.tick(2.9)
    more = life.tick(5.5, pods=Pods(ready=3, warm_starting=1))

    # One is promoted and refilled; the one that 10 minutes allow is still to come.
    assert (numbers(promoted), numbers(more)) == ((3, 1), (4, 1))
    assert len(life.memory.ups) == len(counted) + 1


def test_a_promotion_begins_the_cool_down() -> None:
    life = settled(2)

    promoted = life.tick(2.9)

    assert life.memory.up_at == promoted.at


def test_of_what_no_longer_serves_the_pool_keeps_its_share() -> None:
    life = settled(3)

    fell = next(one for one in (life.tick(0.9) for _ in range(80)) if one.serving < 3)

    assert numbers(fell) == (1, 1)
    assert fell.current == 4  # half of them may go at once


def test_the_pool_gives_way_to_the_maximum() -> None:
    life = settled(6, replace(POOLED, max_replicas=7))

    found = [numbers(life.tick(load)) for load in (5.4, 7.0, 7.0, 7.0, 7.0)]

    assert found[0] == (6, 1)
    assert found[-1] == (7, 0)


def test_the_pool_gives_way_to_the_budget() -> None:
    life = settled(2, replace(POOLED, max_gpus=8))

    assert numbers(life.tick(1.8, gpus_per_replica=4)) == (2, 0)


def test_no_warm_pod_goes_while_a_signal_is_missing() -> None:
    life = settled(2)
    life.policy = replace(POOLED, warm_pool=WarmPool(min=0, max=2))
    held = life.tick(None)

    freed = life.tick(1.8)

    assert (numbers(held), numbers(freed)) == ((2, 1), (2, 0))


def test_after_a_change_by_somebody_else_all_but_the_warm_serve() -> None:
    seen = loop.Loop().observe(0.9, replicas=5, pods=Pods(ready=3, warm_ready=1, warm_starting=1))

    assert warmpool.serving(seen, expected=4, remembered=2) == 3
    assert warmpool.serving(seen, expected=5, remembered=2) == 2
    assert warmpool.serving(seen, expected=None, remembered=None) == 3


def test_pods_whose_gates_nobody_has_passed_yet_were_not_chosen_to_be_warm() -> None:
    life = settled(2)
    adopted = replace(life.observe(7.5), replicas=8, status_replicas=8, pods=Pods(warm_ready=8))

    assert warmpool.serving(adopted, None, None) == 8


def test_without_a_pool_what_was_kept_warm_goes_and_it_says_so() -> None:
    life = settled(2)
    life.policy = loop.AUTO

    decision = life.tick(1.8)

    assert (numbers(decision), decision.current, decision.reason) == ((2, 0), 3, Rule.WARM_POOL)

"""Several votes make one number: the largest going up, and going down only what the rule, the evidence and the pods allow."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autoscaler.decision import combine as combining
from autoscaler.decision import demand
from autoscaler.decision.combine import Combined
from autoscaler.decision.model import (
    DownRule,
    Kind,
    Memory,
    Observation,
    Pods,
    Policy,
    Reading,
    Rule,
    ScaleDown,
    Signal,
    Source,
    TargetType,
    Trusting,
)
from autoscaler.decision.trail import Trail
from tests.autoscaler.decision import strategies
from tests.autoscaler.decision.strategies import NOW

QUEUE = Signal(name="queue", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)
BACKLOG = Signal(name="backlog", kind=Kind.QUEUE, source=Source.EXTERNAL, target_milli=10_000)
BUSY = Signal(name="gpu", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=70_000, percent=True)
TTFT = Signal(name="ttft", kind=Kind.LATENCY, source=Source.OBJECT, target_type=TargetType.VALUE, target_milli=2_000)

#: The rules that are ours by default; what is HPA's has HPA's flaws.
OURS = strategies.policies().map(
    lambda policy: replace(
        policy,
        scale_down=replace(
            policy.scale_down,
            rule=DownRule.CONSOLIDATION if policy.scale_down.rule is DownRule.TARGET else policy.scale_down.rule,
        ),
    )
)


def _run(policy: Policy, observation: Observation, memory: Memory | None = None) -> tuple[Combined, Trail]:
    current = observation.replicas
    trail = Trail(current, "serving now")
    votes = demand.votes(policy, observation, memory or Memory(), current=current)
    return combining.combine(trail, policy, observation, votes, current=current), trail


def _combined(
    *said: tuple[Signal, Reading],
    replicas: int = 4,
    pods: Pods | None = None,
    rule: DownRule = DownRule.CONSOLIDATION,
    memory: Memory | None = None,
) -> tuple[Combined, Trail]:
    policy = Policy(max_replicas=20, signals=tuple(signal for signal, _ in said), scale_down=ScaleDown(rule=rule))
    observation = Observation(
        now=NOW,
        replicas=replicas,
        status_replicas=replicas,
        pods=pods or Pods(ready=replicas),
        readings=tuple(reading for _, reading in said),
    )
    return _run(policy, observation, memory)


def _said(total: float, reporting: int = 4, **more: object) -> Reading:
    return Reading(total_milli=round(total * 1000), reporting=reporting, at=NOW - 5.0, **more)  # type: ignore[arg-type]


def _busy(percent: float, reporting: int = 4, **more: object) -> Reading:
    return _said(percent * reporting, reporting, band_ratio=percent / 100, **more)


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(strategies.cases())
def test_the_trail_goes_from_the_current_number_to_the_wanted_one(case: strategies.Case) -> None:
    combined, trail = _run(case.policy, case.observation, case.memory)

    assert trail.steps[0].before == case.observation.replicas
    assert trail.steps[-1].after == trail.number == combined.wanted
    for step, following in itertools.pairwise(trail.steps):
        assert step.after == following.before
    assert {step.rule for step in trail.steps} <= {Rule.START, Rule.DEMAND, Rule.DOWN_RULE}


@given(strategies.cases())
def test_nothing_is_lowered_on_what_is_missing_late_or_thin(case: strategies.Case) -> None:
    policy, observation = case.policy, case.observation
    votes = demand.votes(policy, observation, case.memory, current=observation.replicas)
    assume(any(not vote.fresh or vote.coverage < policy.scale_down.min_coverage_ratio for vote in votes))

    combined, _ = _run(policy, observation, case.memory)

    assert combined.wanted >= observation.replicas


@given(st.data(), OURS)
def test_more_load_in_one_signal_never_asks_for_fewer(data: st.DataObject, policy: Policy) -> None:
    calm = data.draw(strategies.worlds(policy))
    index = data.draw(st.integers(0, len(policy.signals) - 1))
    total = calm.readings[index].total_milli
    assume(total is not None)
    assert total is not None
    more = total + data.draw(st.integers(0, 3 * policy.signals[index].target_milli * max(1, calm.replicas)))
    memory = data.draw(strategies.memories(policy, calm))

    less_asked, _ = _run(policy, calm, memory)
    more_asked, _ = _run(policy, strategies.loaded(calm, index, more), memory)

    assert less_asked.wanted <= more_asked.wanted
    assert not (more_asked.idle and not less_asked.idle)


@given(st.data(), OURS)
def test_the_same_load_spread_over_what_was_asked_for_changes_nothing_more(data: st.DataObject, policy: Policy) -> None:
    # Loads that stay as they are when pods come and go: not latency, and not a value that is so many times the pods.
    signals = tuple(
        replace(signal, target_type=TargetType.AVERAGE_VALUE) for signal in policy.signals if signal.kind is not Kind.LATENCY
    )
    assume(signals)
    policy = replace(policy, signals=signals)
    world = data.draw(strategies.worlds(policy, at_rest=True).filter(lambda world: world.replicas > 0))
    world = replace(world, pods=Pods(ready=world.replicas))
    readings = tuple(
        replace(reading, total_milli=reading.total_milli or 0, reporting=world.replicas if signal.source is Source.PODS else 0)
        for signal, reading in zip(signals, world.readings, strict=True)
    )
    first, _ = _run(policy, replace(world, readings=readings))
    after = first.wanted

    settled, _ = _run(
        policy,
        replace(
            world,
            replicas=after,
            status_replicas=after,
            pods=Pods(ready=after),
            readings=tuple(
                replace(
                    reading,
                    reporting=after if signal.source is Source.PODS else 0,
                    band_ratio=None if reading.band_ratio is None else min(1.0, reading.band_ratio * world.replicas / after),
                )
                for signal, reading in zip(signals, readings, strict=True)
            ),
        ),
    )

    assert settled.wanted == after


@given(strategies.consistent_cases(OURS, at_rest=True))
def test_those_who_stay_carry_the_demand(case: strategies.Case) -> None:
    combined, _ = _run(case.policy, case.observation, case.memory)
    assume(combined.wanted < case.observation.replicas)

    votes = demand.votes(case.policy, case.observation, case.memory, current=case.observation.replicas)
    most = max(vote.demand or 0.0 for vote in votes if vote.kind is not Kind.LATENCY)
    spare = 0.95 if case.policy.scale_down.rule is DownRule.CONSOLIDATION else 1.0
    assert combined.wanted >= 1
    assert combined.wanted >= math.ceil(most / spare - 1e-9)


@given(strategies.consistent_cases(strategies.hpa_policies()))
def test_the_target_rule_goes_to_the_largest_of_hpas_proposals(case: strategies.Case) -> None:
    current = case.observation.replicas
    votes = demand.votes(case.policy, case.observation, case.memory, current=current)
    proposals = [vote.proposal for vote in votes if vote.proposal is not None]

    combined, _ = _run(case.policy, case.observation, case.memory)

    # horizontal.go, computeReplicasForMetrics: the largest; any invalid metric keeps the number from falling
    invalid = len(votes) - len(proposals)
    most = max(proposals, default=current)
    assert combined.wanted == (current if invalid and most < current else most)
    assert combined.failed == (not proposals or (invalid > 0 and most < current))


# ── up ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_largest_vote_wins_and_is_told() -> None:
    combined, trail = _combined((QUEUE, _said(60)), (BACKLOG, _said(15)))

    assert combined.wanted == 6
    assert combined.demand == 6.0
    assert trail.steps[-1].why == "queue 60 over 4 pods is 15 each against 10: asks for 6"


def test_within_tolerance_nothing_changes() -> None:
    combined, trail = _combined((QUEUE, _said(43)))

    assert combined.wanted == 4
    assert trail.steps[-1].why == "queue 43 over 4 pods is 10.75 each against 10: 4 are right"


def test_one_signal_is_enough_to_go_up_while_another_is_lost() -> None:
    combined, _ = _combined((QUEUE, _said(60)), (BACKLOG, Reading(why="down")))

    assert combined.wanted == 6
    assert not combined.lost
    assert not combined.all_fresh
    assert not combined.failed


def test_shared_utilisation_keeps_what_is_there_and_adds_nothing() -> None:
    combined, trail = _combined((QUEUE, _said(5)), (BUSY, _busy(95, shared=True)))

    assert combined.wanted == 4
    assert "its device is shared" in trail.steps[-1].why


def test_saturated_utilisation_does_not_add_to_the_demand() -> None:
    memory = Memory(trusting=(("gpu", Trusting(saturated=True)),))

    combined, _ = _combined((QUEUE, _said(5)), (BUSY, _busy(95)), memory=memory)

    assert combined.demand == 0.5


def test_latency_adds_and_never_removes() -> None:
    slow, _ = _combined((QUEUE, _said(5)), (TTFT, _said(3)))
    swift, _ = _combined((QUEUE, _said(5)), (TTFT, _said(0.1)))
    alone, trail = _combined((TTFT, _said(0.1)))

    assert slow.wanted == 6  # 4 × 1.5
    assert slow.demand == 6.0
    assert swift.wanted == 1
    assert swift.demand == 0.5
    assert alone.wanted == 4
    assert alone.demand is None
    assert trail.steps[-1].why == "only latency speaks, which cannot ask for fewer"


def test_a_queue_outside_the_pods_wakes_a_target_at_zero() -> None:
    combined, _ = _combined((QUEUE, Reading()), (BACKLOG, _said(1)), replicas=0)

    assert combined.wanted == 1
    assert combined.all_fresh
    assert not combined.idle


# ── down ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("queue", "wanted"),
    [
        (28.5, 3),  # 2.85 ÷ 0.95 is 3, to the last digit
        (28.6, 4),  # a twentieth to spare takes a fourth
        (19.1, 3),
        (19.0, 2),
        (0.0, 1),  # the last one is the idle rule's
    ],
)
def test_consolidation_leaves_a_twentieth_to_spare(queue: float, wanted: int) -> None:
    combined, _ = _combined((QUEUE, _said(queue)))

    assert combined.wanted == wanted


def test_consolidation_says_what_the_demand_takes() -> None:
    combined, trail = _combined((QUEUE, _said(29)))

    assert [(step.rule, step.before, step.after) for step in trail.steps[1:]] == [(Rule.DEMAND, 4, 3), (Rule.DOWN_RULE, 3, 4)]
    assert combined.blocked == "queue's demand of 2.9 replicas with a twentieth to spare takes 4"


def test_without_the_scale_down_rule_it_would_be_the_demands_number() -> None:
    policy = Policy(max_replicas=9, signals=(QUEUE,))
    observation = Observation(now=NOW, replicas=4, status_replicas=4, pods=Pods(ready=4), readings=(_said(28),))
    votes = demand.votes(policy, observation, Memory(), current=4)
    trail = Trail(4, "serving now", frozenset({Rule.DOWN_RULE}))

    assert combining.combine(trail, policy, observation, votes, current=4).wanted == 3


@pytest.mark.parametrize(
    ("percent", "wanted", "why"),
    [
        (29.0, 2, ""),  # 4 × 29 ÷ 70 = 1.66
        (30.0, 4, "gpu is 30% on average, not below 30%"),
    ],
)
def test_the_band_is_the_mean_utilisation(percent: float, wanted: int, why: str) -> None:
    combined, _ = _combined((BUSY, _busy(percent)), (QUEUE, _said(0)), rule=DownRule.BAND)

    assert combined.wanted == wanted
    assert why in combined.blocked


def test_the_band_does_not_go_under_what_another_signal_needs() -> None:
    combined, _ = _combined((BUSY, _busy(10)), (QUEUE, _said(24)), rule=DownRule.BAND)

    assert combined.wanted == 3


def test_the_band_needs_a_utilisation() -> None:
    without, _ = _combined((QUEUE, _said(0)), rule=DownRule.BAND)
    silent, _ = _combined((BUSY, _said(0)), rule=DownRule.BAND)

    assert without.wanted == silent.wanted == 4
    assert "use Consolidation" in without.blocked
    assert "does not tell a mean" in silent.blocked


@pytest.mark.parametrize(
    ("queue", "backlog", "pods", "why"),
    [
        (_said(1), Reading(why="down"), Pods(ready=4), "no fewer while backlog cannot be read: down"),
        (_said(0, 3, missing=1), _said(1), Pods(ready=4), "no fewer while queue covers 75% of the pods, under 80%"),
        (_said(1), _said(1), Pods(ready=4, rolling_out=True), "no fewer while a roll-out is under way"),
        (_said(1, 3), _said(1), Pods(ready=3, loading=1), "no fewer while pods start: 1 not ready yet"),
    ],
)
def test_what_keeps_the_number_up_is_said(queue: Reading, backlog: Reading, pods: Pods, why: str) -> None:
    combined, trail = _combined((QUEUE, queue), (BACKLOG, backlog), pods=pods)

    assert combined.wanted == 4
    assert combined.blocked == why
    assert trail.steps[-1] == replace(trail.steps[-1], rule=Rule.DOWN_RULE, after=4, why=why)


def test_a_pod_that_no_node_takes_does_not_keep_the_others() -> None:
    combined, _ = _combined((BACKLOG, _said(1)), pods=Pods(ready=3, pending=1, unschedulable=1, unschedulable_since=NOW - 999))

    assert combined.wanted == 1


# ── loss and idleness ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_signals_lost_is_told_and_holds() -> None:
    combined, trail = _combined((QUEUE, Reading(why="no route to host")), (BACKLOG, Reading()))

    assert combined.lost
    assert combined.failed
    assert combined.wanted == 4
    assert combined.demand is None
    assert trail.steps[-1].why == "no signal asks for a number; queue: no route to host"


def test_pods_that_are_not_to_be_there_are_not_missed() -> None:
    combined, trail = _combined((QUEUE, Reading()), replicas=0)

    assert not combined.lost
    assert combined.idle
    assert combined.failed  # HPA knows no such difference
    assert trail.steps[-1].why == "no signal speaks at zero replicas"


def test_a_lost_queue_at_zero_is_missed() -> None:
    combined, _ = _combined((QUEUE, Reading()), (BACKLOG, Reading(why="down")), replicas=0)

    assert combined.lost
    assert not combined.idle


@pytest.mark.parametrize(
    ("said", "pods", "idle"),
    [
        ([(QUEUE, _said(0)), (BUSY, _busy(0.1))], Pods(ready=4), True),  # 0.4 ÷ 70 = 0.006
        ([(QUEUE, _said(0)), (BUSY, _busy(0.4))], Pods(ready=4), False),  # 1.6 ÷ 70 = 0.023
        ([(QUEUE, _said(0)), (TTFT, _said(1))], Pods(ready=4), True),  # the quantile of the last request stays
        ([(TTFT, _said(0))], Pods(ready=4), False),
        ([(QUEUE, _said(0))], Pods(ready=4, young=1), False),
        ([(QUEUE, _said(0)), (BACKLOG, Reading())], Pods(ready=4), False),
        ([(QUEUE, _said(0, 3, missing=1))], Pods(ready=4), False),
        ([], Pods(ready=4), False),
    ],
)
def test_idle_is_when_every_signal_says_so(said: list[tuple[Signal, Reading]], pods: Pods, idle: bool) -> None:
    combined, _ = _combined(*said, pods=pods)

    assert combined.idle is idle


def test_a_policy_without_signals_holds() -> None:
    combined, trail = _combined()

    assert combined.wanted == 4
    assert not combined.lost
    assert trail.steps[-1].why == "the policy has no signals"

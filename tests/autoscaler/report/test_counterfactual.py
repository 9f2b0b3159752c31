"""What a rule was worth: the same decision without it."""

from dataclasses import replace

from hypothesis import given

from autoscaler.decision import pipeline
from autoscaler.decision.model import Memory, Observation, Pods, Reading, Rule, Span
from autoscaler.report import counterfactual
from autoscaler.report.counterfactual import Otherwise
from tests.autoscaler.decision import strategies
from tests.autoscaler.report import histories


def test_a_cool_down_is_worth_the_replica_that_it_keeps() -> None:
    held = histories.held_by_the_cool_down()

    told = counterfactual.of(held.policy, held.observation, held.before, held.decision)

    assert held.decision.replicas == 4
    assert told == (Otherwise(rules=(Rule.COOLDOWN,), replicas=3, serving=3),)


def test_limits_that_hide_each_other_are_left_out_together() -> None:
    # 3 of 4 are asked for; the window still holds the 4 of 15 s ago, and without it the cool-down would hold them.
    held = histories.held_by_the_cool_down()
    memory = replace(held.before, asked=(Span(4, histories.START - 90.0, histories.START - 15.0),))
    decision, _ = pipeline.decide(held.policy, held.observation, memory)

    told = counterfactual.of(held.policy, held.observation, memory, decision)

    assert decision.reason is Rule.DOWN_WINDOW
    assert told == (Otherwise(rules=(Rule.DOWN_WINDOW, Rule.COOLDOWN), replicas=3, serving=3),)


def test_a_bound_is_worth_what_it_cuts_off() -> None:
    # 38 over 2 pods is 19 each against 10: asks for 4, as it did for the last minute and more; maxReplicas takes one away.
    policy = replace(histories.held_by_the_cool_down().policy, max_replicas=3)
    reading = Reading(total_milli=38_000, reporting=2, at=histories.START)
    seen = Observation(now=histories.START, replicas=2, status_replicas=2, pods=Pods(ready=2), readings=(reading,))
    memory = Memory(expected=2, serving=2, asked=(Span(4, histories.START - 90.0, histories.START - 15.0),))
    decision, _ = pipeline.decide(policy, seen, memory)

    told = counterfactual.of(policy, seen, memory, decision)

    assert decision.replicas == 3
    assert told == (Otherwise(rules=(Rule.MAX,), replicas=4, serving=4),)


@given(case=strategies.cases())
def test_every_telling_is_the_decision_that_is_taken_without_those_rules_and_another_number(case: strategies.Case) -> None:
    decision, _ = pipeline.decide(case.policy, case.observation, case.memory)

    told = counterfactual.of(case.policy, case.observation, case.memory, decision)

    for one in told:
        other, _ = pipeline.decide(case.policy, case.observation, case.memory, without=frozenset(one.rules))
        assert (other.replicas, other.serving) == (one.replicas, one.serving) != (decision.replicas, decision.serving)
        assert not {Rule.START, Rule.DEMAND}.intersection(one.rules)

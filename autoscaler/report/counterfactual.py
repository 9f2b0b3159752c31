"""What it would be otherwise: the same decision, taken again with one rule left out."""

from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.decision import pipeline
from autoscaler.decision.model import Decision, Memory, Observation, Policy, Rule

#: What is asked for, and what is there: to leave them out would be to ask another question.
_ALWAYS = frozenset({Rule.START, Rule.DEMAND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """The number that it would be without *rules*."""

    rules: tuple[Rule, ...]
    replicas: int
    serving: int


def candidates(decision: Decision) -> tuple[Rule, ...]:
    """Return the rules that changed the number or decided it, in the order in which they did."""
    # A promotion changes what the limits after it start from.
    changed = (step.rule for step in decision.trail if step.before != step.after or step.rule is Rule.PROMOTION)
    rules = dict.fromkeys((*changed, *decision.limited_by, decision.reason))
    return tuple(rule for rule in rules if rule not in _ALWAYS)


def without(policy: Policy, observation: Observation, memory: Memory, rules: Iterable[Rule]) -> Decision:
    """Return the decision with *rules* left out."""
    decision, _ = pipeline.decide(policy, observation, memory, without=frozenset(rules))
    return decision


def of(policy: Policy, observation: Observation, memory: Memory, decision: Decision) -> tuple[Otherwise, ...]:
    """Return what each rule that made *decision* was worth: the numbers without it, where they are others.

    Limits hide each other: where the number stays without one of them because the next one holds it, they are left out together,
    until it moves. Costs a decision for each rule, and one more for each that was hidden.
    """
    told: dict[frozenset[Rule], Otherwise] = {}
    for rule in candidates(decision):
        holds = rule is Rule.DOWN_RULE or rule in decision.limited_by
        one = _otherwise(policy, observation, memory, decision, rule, chase=holds)
        if one is not None:
            told.setdefault(frozenset(one.rules), one)
    return tuple(told.values())


def _otherwise(
    policy: Policy, observation: Observation, memory: Memory, decision: Decision, rule: Rule, *, chase: bool
) -> Otherwise | None:
    rules = [rule]
    while True:
        other = without(policy, observation, memory, rules)
        if (other.replicas, other.serving) != (decision.replicas, decision.serving):
            return Otherwise(rules=tuple(rules), replicas=other.replicas, serving=other.serving)
        if not chase or other.reason in _ALWAYS or other.reason in rules:
            return None
        rules.append(other.reason)

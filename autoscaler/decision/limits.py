"""The limits on the number that serves, in the order of the contract, each with its step.

Fallback on metric loss, schedules, stabilisation, urgent path, cool-down, restart, rate policies, minimum and maximum.
"""

from dataclasses import dataclass
from typing import assert_never

from autoscaler.decision import rates, windows
from autoscaler.decision.model import Kind, Memory, MissingBehavior, Observation, Policy, Rule, Source, Span, TargetType, Vote
from autoscaler.decision.trail import Trail


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which numbers the total has to be, and the rule that says so at either end."""

    floor: int
    cap: int
    floor_rule: Rule = Rule.MIN
    cap_rule: Rule = Rule.MAX


def bounds(trail: Trail, policy: Policy, observation: Observation, floor: int) -> Bounds:
    """Return the bounds of now: *floor* and maxReplicas, and the schedules' where those are narrower. The cap wins."""
    schedule = observation.schedule
    cap, cap_rule, floor_rule = policy.max_replicas, Rule.MAX, Rule.MIN
    if trail.applies(Rule.SCHEDULE):
        if schedule.max_replicas is not None and schedule.max_replicas < cap:
            cap, cap_rule = schedule.max_replicas, Rule.SCHEDULE
        if schedule.min_replicas is not None and schedule.min_replicas > floor:
            floor, floor_rule = schedule.min_replicas, Rule.SCHEDULE
    return Bounds(min(floor, cap), cap, floor_rule, cap_rule)


def fall_back(trail: Trail, policy: Policy, *, current: int, lost_s: float) -> None:
    """Do what the user asked for when no signal has said anything for *lost_s*: until then, the number is held."""
    missing = policy.on_missing
    if lost_s < missing.after_s:
        return
    since = f"no signal says anything, for {lost_s:.0f} s"
    if current == 0:
        if missing.fail_open:
            trail.set(Rule.METRIC_LOSS, 1, f"{since}: onMissing.failOpen wakes one replica")
        return
    match missing.behavior:
        case MissingBehavior.HOLD:
            after = current
        case MissingBehavior.STATIC:
            after = missing.replicas
        case MissingBehavior.CURRENT_IF_HIGHER:
            after = max(current, missing.replicas)
        case MissingBehavior.CURRENT_IF_LOWER:
            after = min(current, missing.replicas)
        case _:
            assert_never(missing.behavior)
    asked = "" if missing.behavior is MissingBehavior.HOLD else f" {missing.replicas}"
    trail.set(Rule.METRIC_LOSS, after, f"{since}: onMissing.behavior is {missing.behavior}{asked}")


def schedule(trail: Trail, observation: Observation) -> None:
    """Raise or lower what is asked for to what the schedules in force say."""
    state = observation.schedule
    names = ", ".join(state.names)
    if state.min_replicas is not None and trail.number < state.min_replicas:
        trail.set(Rule.SCHEDULE, state.min_replicas, f"schedule {names}: at least {state.min_replicas}")
    if state.max_replicas is not None and trail.number > state.max_replicas:
        trail.set(Rule.SCHEDULE, state.max_replicas, f"schedule {names}: at most {state.max_replicas}")


def urgency(policy: Policy, observation: Observation, votes: tuple[Vote, ...]) -> str:
    """Return which queue has grown past *urgent_ratio* times what the pods take, in words; empty where none has."""
    ratio = policy.urgent_ratio
    if ratio is None:
        return ""
    for signal, reading, vote in zip(policy.signals, observation.readings, votes, strict=True):
        if signal.kind is not Kind.QUEUE or not vote.fresh or reading.total_milli is None:
            continue
        whole = signal.source is not Source.PODS and signal.target_type is TargetType.VALUE
        capacity = signal.target_milli * (1 if whole else max(1, observation.pods.ready))
        if reading.total_milli >= ratio * capacity:
            return f"{signal.name} {reading.total_milli / 1000:g} is at least {ratio:g} × what the pods take, {capacity / 1000:g}"
    return ""


def stabilise(
    trail: Trail,
    policy: Policy,
    asked: tuple[Span, ...],
    *,
    current: int,
    now: float,
    urgent: str,
    woken: bool,
    at_rest: bool,
    foreseen: int,
) -> None:
    """Apply the windows to what was *asked* before, and take that back where the queue is *urgent*.

    A wake-up waits for no window, and rest has waited already. Nor does what is *foreseen*: it is due one start-up later, and
    would come late by the window.
    """
    number = trail.number
    if number < current and not at_rest:
        windows.hold_down(trail, asked, policy.behavior.down, current=current, now=now)
    if number <= current or woken:
        return
    windows.hold_up(trail, asked, policy.behavior.up, current=current, now=now, foreseen=foreseen)
    if urgent:
        trail.set(Rule.URGENT, number, f"{urgent}: no window, twice the rate")


def cool_down(trail: Trail, policy: Policy, memory: Memory, *, current: int, now: float) -> None:
    """Hold the number for a while after it rose, and after a restart that left nothing to remember."""
    held = why_no_down(trail, policy, memory, now=now)
    if trail.number < current and held is not None:
        trail.set(held[0], current, held[1])


def why_no_down(trail: Trail, policy: Policy, memory: Memory, *, now: float) -> tuple[Rule, str] | None:
    """Return the rule that forbids a scale-down now, and its reason."""
    cooldown_s = policy.scale_down.cooldown_s
    if memory.up_at is not None and now < memory.up_at + cooldown_s and trail.applies(Rule.COOLDOWN):
        return Rule.COOLDOWN, f"it rose {now - memory.up_at:.0f} s ago: no scale-down for {cooldown_s:.0f} s"
    if memory.no_down_before is not None and now < memory.no_down_before and trail.applies(Rule.RESTART):
        left_s = memory.no_down_before - now
        return Rule.RESTART, f"nothing is known of the time before the restart: no scale-down for {left_s:.0f} s yet"
    return None


def pace(trail: Trail, policy: Policy, memory: Memory, *, current: int, now: float, urgent: bool, at_rest: bool) -> None:
    """Apply the rate policies. Rest goes in one step; a policy that forbids scale-downs forbids that too."""
    behavior = policy.behavior
    rates.limit_up(trail, behavior.up, memory.ups, memory.downs, current=current, now=now, urgent=urgent)
    rates.limit_down(trail, behavior.down, memory.ups, memory.downs, current=current, now=now, at_once=at_rest)


def bound(trail: Trail, observation: Observation, limit: Bounds) -> None:
    """Bring the number between the bounds."""
    if trail.number < limit.floor:
        trail.set(limit.floor_rule, limit.floor, _bound(observation, limit.floor_rule, f"no fewer than {limit.floor}"))
    if trail.number > limit.cap:
        trail.set(limit.cap_rule, limit.cap, _bound(observation, limit.cap_rule, f"no more than {limit.cap}"))


def _bound(observation: Observation, rule: Rule, said: str) -> str:
    return f"schedule {', '.join(observation.schedule.names)}: {said}" if rule is Rule.SCHEDULE else said

"""One decision: from what is asked for, what is seen and what is remembered to a number, its reasons, and a new memory.

The number that signals, forecast, rest and limits work on is the replicas that serve. The warm pool makes a total of it, and
what the cluster allows acts on the total.
"""

from dataclasses import dataclass

from autoscaler.decision import capacity, combine, demand, forecasted, guards, idle, limits, rates, trust, warmpool, windows
from autoscaler.decision import memory as remembering
from autoscaler.decision.combine import Combined
from autoscaler.decision.model import Change, Decision, Memory, Mode, Observation, Policy, Rule, Span, Step, Vote
from autoscaler.decision.trail import NOTHING, Trail

_LIMITS = frozenset(
    {
        Rule.SCHEDULE,
        Rule.UP_WINDOW,
        Rule.DOWN_WINDOW,
        Rule.COOLDOWN,
        Rule.RESTART,
        Rule.UP_RATE,
        Rule.DOWN_RATE,
        Rule.MIN,
        Rule.MAX,
        Rule.BUDGET,
        Rule.UNSCHEDULABLE,
        Rule.ROLL_OUT,
        Rule.PAUSED,
        Rule.CONFLICT,
    }
)
#: What decided, where no step changed the number: these say more than the demand.
_TELLING = frozenset({Rule.DISABLED, Rule.METRIC_LOSS, Rule.IDLE, Rule.ZERO, Rule.PAUSED, Rule.CONFLICT})


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A decision on its way: what the parts find out besides the number, and what is remembered of it."""

    current: int  # that serve, promoted ones included
    serving: int
    asked: tuple[Span, ...]
    worked_at: float
    lost_at: float | None
    lift_at: float | None
    lift_from: int | None
    cap: int
    demand: float | None = None
    urgent: bool = False
    woken: bool = False
    forecast_used: bool = False
    disabled: bool = False


def decide(policy: Policy, observation: Observation, memory: Memory, without: frozenset[Rule] = NOTHING) -> tuple[Decision, Memory]:
    """Return how many replicas there shall be, with every step that made the number, and the memory for the next decision.

    Rules in *without* are left out: so one learns what a rule is worth. The memory is then of no use.

    Raises:
        ValueError: There are not as many readings as signals.

    """
    memory = remembering.by_clock(memory, now=observation.now)
    current = warmpool.serving(observation, memory.expected, memory.serving)
    votes = demand.votes(policy, observation, memory, current=current)
    warm = observation.replicas - current
    trail = Trail(current, f"{current} serve, {warm} warm" if warm else f"{current} serve", without)
    draft = _Draft(
        current=current,
        serving=current,
        asked=memory.asked or (Span(current, observation.now, observation.now),),
        worked_at=observation.now,
        lost_at=memory.lost_at,
        lift_at=memory.lift_at,
        lift_from=memory.lift_from,
        cap=policy.max_replicas,
    )
    if observation.replicas == 0 and policy.min_replicas > 0 and not memory.zeroed and trail.applies(Rule.DISABLED):
        draft.disabled = True
        trail.set(Rule.DISABLED, 0, f"replicas is 0 and minReplicas {policy.min_replicas}: somebody has switched it off")
    elif (bound := _out_of_bounds(policy, observation)) is not None and trail.applies(Rule.OUT_OF_BOUNDS):
        trail.set(Rule.OUT_OF_BOUNDS, bound, f"{observation.replicas} replicas are not between {_spell_bounds(policy)}")
        draft.serving = min(bound, current) if observation.replicas > bound else max(current, bound - warm)
    else:
        _serve(trail, draft, policy, observation, memory, votes)
    conflict = _guard(trail, draft, policy, observation, memory, current)
    act = policy.mode is Mode.AUTO and not conflict.held and not draft.disabled
    decision = Decision(
        at=observation.now,
        current=observation.replicas,
        replicas=trail.number,
        serving=draft.serving,
        act=act,
        votes=votes,
        trail=tuple(trail.steps),
        reason=_reason(trail.steps, observation),
        demand=draft.demand,
        urgent=draft.urgent or draft.woken,
        forecast_used=draft.forecast_used,
        limited_by=_limited_by(trail.steps),
    )
    return decision, _remember(policy, observation, memory, votes, decision, draft, conflict, before=current)


def _out_of_bounds(policy: Policy, observation: Observation) -> int | None:
    """Return the nearest bound, if the replicas that are there are beyond it, whatever there is to do."""
    if observation.replicas > policy.max_replicas:
        return policy.max_replicas
    lowest = idle.lowest(policy)
    return lowest if observation.replicas < lowest else None


def _spell_bounds(policy: Policy) -> str:
    return f"{idle.lowest(policy)} and {policy.max_replicas}"


def _serve(trail: Trail, draft: _Draft, policy: Policy, observation: Observation, memory: Memory, votes: tuple[Vote, ...]) -> None:
    """Take the number from what serves to what shall serve, and on to the total with the warm pool."""
    now = observation.now
    before = current = draft.current
    combined = combine.combine(trail, policy, observation, votes, current=current)
    draft.demand = combined.demand
    draft.worked_at = idle.worked_at(memory, combined, observation)
    draft.lost_at = None if not combined.lost else now if memory.lost_at is None else memory.lost_at
    forecast = None if combined.lost else forecasted.usable(trail, policy, observation)
    lead_s = forecasted.lead_s(policy, observation, votes)
    resting = idle.rest(
        trail, policy, observation, memory, combined, forecast, current=current, worked_at=draft.worked_at, lead_s=lead_s
    )
    draft.forecast_used = forecast is not None
    draft.lift_at, draft.lift_from = forecasted.lift(trail, forecast, memory, current=current, now=now, lead_s=lead_s)
    foreseen = forecasted.foreseen(trail, forecast)
    limit = limits.bounds(trail, policy, observation, idle.floor(policy, resting.rule, current=current))
    draft.cap = limit.cap
    current = draft.current = warmpool.promote(trail, observation, wanted=combined.wanted, current=current, cap=limit.cap)
    if combined.lost and draft.lost_at is not None:
        limits.fall_back(trail, policy, current=current, lost_s=now - draft.lost_at)
    limits.schedule(trail, observation)
    draft.woken = not idle.follows_hpa(policy) and idle.wake(trail, current=before)
    asked = draft.asked
    if not combined.failed:
        draft.asked = windows.record(asked, trail.number, policy.behavior, now=now)
    urgent = limits.urgency(policy, observation, votes)
    at_once = resting.at_once
    draft.urgent = bool(urgent) and trail.applies(Rule.URGENT)
    limits.stabilise(
        trail, policy, asked, current=current, now=now, urgent=urgent, woken=draft.woken, at_rest=at_once, foreseen=foreseen
    )
    limits.cool_down(trail, policy, memory, current=current, now=now)
    limits.pace(trail, policy, memory, current=current, now=now, urgent=draft.urgent or draft.woken, at_rest=at_once)
    limits.bound(trail, observation, limit)
    draft.serving = trail.number
    hold = _why_pool_stays(trail, policy, observation, memory, combined)
    warmpool.add(trail, policy, observation, forecast, before=before, cap=limit.cap, hold=hold)


def _why_pool_stays(trail: Trail, policy: Policy, observation: Observation, memory: Memory, combined: Combined) -> str:
    """Return why no warm pod may be taken away, if that is so: the laws of a scale-down hold for the total too."""
    if policy.warm_pool.max == 0:
        return ""
    if not combined.all_fresh:
        return "not every signal is fresh"
    held = limits.why_no_down(trail, policy, memory, now=observation.now)
    return held[1] if held is not None else ""


def _guard(trail: Trail, draft: _Draft, policy: Policy, observation: Observation, memory: Memory, before: int) -> guards.Conflict:
    """Apply what acts on the total. Where it is cut, warm pods go first."""
    paid = guards.budget(policy, observation, memory)
    guards.limit_budget(trail, policy, observation, memory)
    guards.freeze_unschedulable(trail, observation)
    guards.guard_roll_out(trail, observation, ceiling=draft.cap if paid is None else min(draft.cap, max(1, paid)))
    if observation.pods.rolling_out and trail.applies(Rule.ROLL_OUT):
        draft.serving = max(draft.serving, before)
    guards.pause(trail, policy, observation)
    conflict = guards.conflict(policy, observation, memory) if trail.applies(Rule.CONFLICT) else guards.Conflict()
    guards.yield_to(trail, observation, conflict)
    if conflict.held or (policy.mode is Mode.PAUSED and trail.applies(Rule.PAUSED)):
        draft.serving = before
    draft.serving = min(draft.serving, trail.number)
    return conflict


def _reason(steps: list[Step], observation: Observation) -> Rule:
    """Return the rule that decided: the last that changed the number, the pool's addition aside; else what says most."""
    for step in reversed(steps):
        if step.before != step.after and step.rule is not Rule.WARM_POOL:
            return step.rule
    telling = _TELLING if steps[-1].after == observation.replicas else {Rule.WARM_POOL}
    return next((step.rule for step in reversed(steps) if step.rule in telling), steps[min(1, len(steps) - 1)].rule)


def _limited_by(steps: list[Step]) -> tuple[Rule, ...]:
    """Return the limits that changed the number; a window that urgency overruled did not."""
    changed = {step.rule: None for step in steps if step.before != step.after}
    if Rule.URGENT in changed:
        changed.pop(Rule.UP_WINDOW, None)
    return tuple(rule for rule in changed if rule in _LIMITS)


def _remember(
    policy: Policy,
    observation: Observation,
    memory: Memory,
    votes: tuple[Vote, ...],
    decision: Decision,
    draft: _Draft,
    conflict: guards.Conflict,
    *,
    before: int,
) -> Memory:
    """Return what the next decision has to know. What is only recommended has not happened, and is not remembered as if."""
    now = observation.now
    ups, downs, up_at, down_at, woke_at = memory.ups, memory.downs, memory.up_at, memory.down_at, memory.woke_at
    expected: int | None = None
    serving: int | None = None
    zeroed = memory.zeroed and observation.replicas == 0
    if decision.act:
        expected, serving = decision.replicas, decision.serving
        zeroed = expected == 0 and (memory.zeroed or observation.replicas > 0)
        change = serving - draft.current
        if change > 0:
            ups = rates.store(ups, Change(now, change), policy.behavior.up)
        elif change < 0:
            downs = rates.store(downs, Change(now, -change), policy.behavior.down)
        if serving > before or expected > observation.replicas:
            up_at = now
        if serving < before or expected < observation.replicas:
            down_at = now
        if before == 0 and serving > 0:
            woke_at = now
    elif conflict.held:
        expected, serving = observation.replicas, before
    return Memory(
        asked=draft.asked,
        ups=ups,
        downs=downs,
        expected=expected,
        serving=serving,
        up_at=up_at,
        down_at=down_at,
        worked_at=draft.worked_at,
        woke_at=woke_at,
        zeroed=zeroed,
        lost_at=draft.lost_at,
        no_down_before=memory.no_down_before if memory.no_down_before is not None and now < memory.no_down_before else None,
        lift_at=draft.lift_at,
        lift_from=draft.lift_from,
        yield_until=conflict.until,
        writer=conflict.writer,
        gpus_per_replica=guards.gpus_per_replica(observation, memory),
        trusting=trust.update(policy, observation, votes, memory),
        capacities=capacity.update(policy, observation, votes, memory),
    )

"""The last limits, on the total: what the budget pays for, what the cluster takes, a roll-out, a pause, and another's hand.

They hold the number where it is, or below a ceiling; none of them asks for anything.
"""

from dataclasses import dataclass

from autoscaler.decision.model import ConflictPolicy, Memory, Mode, Observation, Policy, Rule
from autoscaler.decision.trail import Trail

UNSCHEDULABLE_AFTER_S = 120.0
_SOMEBODY = "somebody else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Another's write of the replicas: whether it is yielded to, until when, and whose it is."""

    held: bool = False
    until: float | None = None
    writer: str = ""
    why: str = ""


def conflict(policy: Policy, observation: Observation, memory: Memory) -> Conflict:
    """Return what another's write means at this tick.

    One that happened once is yielded to for the cool-down, one that will happen again for as long as it stands.
    """
    if policy.mode is not Mode.AUTO:
        return Conflict()
    now, foreign = observation.now, observation.foreign
    unexpected = memory.expected is not None and observation.replicas != memory.expected
    if foreign is None and not unexpected and memory.yield_until is None:
        return Conflict()
    yields = policy.conflict is ConflictPolicy.YIELD
    if foreign is not None and foreign.standing:
        why = f"{foreign.writer} sets the replicas too" + (": it is left to it" if yields else ", and is overruled")
        return Conflict(held=yields, writer=foreign.writer, why=why)
    ends = [memory.yield_until] if memory.yield_until is not None else []
    if unexpected:
        ends.append(now + policy.scale_down.cooldown_s)
    if foreign is not None:
        ends.append(foreign.at + policy.scale_down.cooldown_s)
    until = max(ends)
    if now >= until and not unexpected:
        return Conflict()
    writer = foreign.writer if foreign is not None else (not unexpected and memory.writer) or _SOMEBODY
    did = f"{writer} set {observation.replicas} replicas" + (f" where {memory.expected} were asked for" if unexpected else "")
    if not yields or now >= until:
        return Conflict(writer=writer, why=f"{did}, and is overruled")
    return Conflict(held=True, until=until, writer=writer, why=f"{did}: it is left so for {until - now:.0f} s")


def gpus_per_replica(observation: Observation, memory: Memory) -> int | None:
    """Return how many GPUs a replica has, as it is seen or was seen last; None: it never was."""
    return memory.gpus_per_replica if observation.gpus_per_replica is None else observation.gpus_per_replica


def budget(policy: Policy, observation: Observation, memory: Memory) -> int | None:
    """Return how many replicas the GPU budget pays for; None: it says nothing.

    While nobody knows how many GPUs a replica has, it pays for those that are there, and for one that will show it.
    """
    if policy.max_gpus is None:
        return None
    gpus = gpus_per_replica(observation, memory)
    if gpus is None:
        return max(1, observation.replicas)
    return policy.max_gpus // gpus if gpus > 0 else None


def limit_budget(trail: Trail, policy: Policy, observation: Observation, memory: Memory) -> None:
    """Keep the total within the GPU budget; the last replica that runs is not taken for it."""
    paid = budget(policy, observation, memory)
    if paid is None or trail.number <= paid:
        return
    after = max(paid, min(1, observation.replicas))
    if after < trail.number:
        gpus = gpus_per_replica(observation, memory)
        unknown = f"nothing shows yet how many GPUs a replica has, and budget.maxGPUs is {policy.max_gpus}"
        why = unknown if gpus is None else f"budget.maxGPUs {policy.max_gpus} pays for {paid} replicas of {gpus}"
        trail.set(Rule.BUDGET, after, why)


def freeze_unschedulable(trail: Trail, observation: Observation) -> None:
    """Ask for no more while a pod waits for a node that does not come."""
    pods = observation.pods
    if pods.unschedulable_since is None or trail.number <= observation.replicas:
        return
    waits_s = observation.now - pods.unschedulable_since
    if waits_s > UNSCHEDULABLE_AFTER_S:
        why = f"{pods.unschedulable} pods fit on no node, for {waits_s:.0f} s already: more would wait beside them"
        trail.set(Rule.UNSCHEDULABLE, observation.replicas, why)


def guard_roll_out(trail: Trail, observation: Observation, *, ceiling: int) -> None:
    """Take nothing away during a roll-out, up to *ceiling*, and add nothing to one that is stuck."""
    pods = observation.pods
    kept = min(observation.replicas, ceiling)
    if pods.rolling_out and trail.number < kept:
        trail.set(Rule.ROLL_OUT, kept, "a roll-out is under way: none is taken away until it is done")
    if pods.stuck and trail.number > observation.replicas:
        trail.set(Rule.ROLL_OUT, observation.replicas, f"the roll-out is stuck, and more pods would be too: {pods.stuck}")


def pause(trail: Trail, policy: Policy, observation: Observation) -> None:
    """Leave everything as it is while the scaler is paused."""
    if policy.mode is Mode.PAUSED:
        trail.set(Rule.PAUSED, observation.replicas, "mode is Paused")


def yield_to(trail: Trail, observation: Observation, found: Conflict) -> None:
    """Leave everything as somebody else set it, or only say that it is overruled."""
    if found.why:
        trail.set(Rule.CONFLICT, observation.replicas if found.held else trail.number, found.why)

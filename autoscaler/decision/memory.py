"""What a decision remembers, across restarts: when it has to be written down, and what it is worth when it is read again."""

from collections.abc import Hashable, Iterator
from dataclasses import replace

from autoscaler.decision import forecasted
from autoscaler.decision.model import Change, Memory, Policy, Span

#: After a restart with nothing to remember, the number is not lowered for this long at least.
NO_DOWN_S = 300.0
#: Silence that has lasted this long is written down with its beginning; a shorter one begins anew with a restart.
QUIET_S = 60.0


def fresh(now: float, policy: Policy) -> Memory:
    """Return the memory of a target of which nothing is remembered: it is not scaled down for a while."""
    return Memory(no_down_before=now + max(NO_DOWN_S, forecasted.lead_s(policy)))


def restore(memory: Memory, *, now: float, replicas: int) -> Memory:
    """Return a stored *memory* as it is to be gone on with at *now*, when the target has *replicas*.

    What is not written down at every tick is filled in so that nothing is lowered the sooner: what was asked for last has been
    asked for until now, and there was work until now unless a silence had been written down. *now* may be the time at which the
    one who wrote it was last known to be alive: the nearer it is to the last decision, the less a scale-up is delayed.
    """
    memory = by_clock(memory, now=now)
    last = memory.asked[-1] if memory.asked else None
    asked = memory.asked
    # While no signal says anything, nothing is asked for: then it is on record until when something was.
    if last is not None and last.until < now and memory.lost_at is None:
        asked = (*asked[:-1], Span(last.replicas, last.since, now))
    worked_at = memory.worked_at
    if worked_at is not None and not _quiet(memory):
        worked_at = max(worked_at, now)
    return adopt(replace(memory, asked=asked, worked_at=worked_at), replicas=replicas)


def by_clock(memory: Memory, *, now: float) -> Memory:
    """Return *memory* with no time in it that is yet to come: where the latest is later than *now*, the clock was set back.

    Then all of its times are set back by as much, as if no time had passed since. What lies in the future counts as having just
    been, and would for as long as the clock was set back. Deadlines go with the rest: as much is left of them as was.
    """
    back_s = max(_past(memory), default=now) - now
    if back_s <= 0.0:
        return memory

    def past(at: float) -> float:
        return min(now, at - back_s)  # rounding must not make it later than now

    def known(at: float | None) -> float | None:
        return None if at is None else past(at)

    def due(at: float | None) -> float | None:
        return None if at is None else at - back_s

    return replace(
        memory,
        asked=tuple(Span(span.replicas, past(span.since), past(span.until)) for span in memory.asked),
        ups=tuple(Change(past(change.at), change.by) for change in memory.ups),
        downs=tuple(Change(past(change.at), change.by) for change in memory.downs),
        up_at=known(memory.up_at),
        down_at=known(memory.down_at),
        worked_at=known(memory.worked_at),
        woke_at=known(memory.woke_at),
        lost_at=known(memory.lost_at),
        no_down_before=due(memory.no_down_before),
        lift_at=known(memory.lift_at),
        yield_until=due(memory.yield_until),
        trusting=tuple((name, replace(each, open_since=known(each.open_since))) for name, each in memory.trusting),
    )


def _past(memory: Memory) -> Iterator[float]:
    """Yield the times of *memory* at which something was so."""
    yield from (span.until for span in memory.asked)
    yield from (change.at for change in (*memory.ups, *memory.downs))
    yield from (each.open_since for _, each in memory.trusting if each.open_since is not None)
    told = (memory.up_at, memory.down_at, memory.worked_at, memory.woke_at, memory.lost_at, memory.lift_at)
    yield from (at for at in told if at is not None)


def adopt(memory: Memory, *, replicas: int) -> Memory:
    """Return *memory* when the target turned out to have *replicas*: what was asked of ``/scale`` last may not have got there.

    A change that did not happen is forgotten; the number is taken for ours, so that it is not mistaken for another's. Of fewer
    replicas the warm ones are missed first; of more, those that were to go serve on.
    """
    if memory.expected is None or memory.expected == replicas:
        return memory
    told = memory.expected if memory.serving is None else memory.serving
    serving = min(told + max(0, replicas - memory.expected), replicas)
    woken = memory.woke_at is not None and memory.woke_at == memory.up_at
    return replace(
        memory,
        expected=replicas,
        serving=serving,
        ups=_without(memory.ups, memory.up_at, told - serving),
        downs=_without(memory.downs, memory.down_at, serving - told),
        zeroed=replicas == 0 and (memory.zeroed or woken),
    )


def _without(changes: tuple[Change, ...], at: float | None, by: int) -> tuple[Change, ...]:
    """Return *changes* without *by* of those that were made *at*."""
    if by <= 0:
        return changes
    left = (Change(change.at, change.by - by) if change.at == at else change for change in changes)
    return tuple(change for change in left if change.by > 0)


def _quiet(memory: Memory) -> bool:
    """Return whether there had been no work for a while when *memory* was left."""
    if memory.worked_at is None or not memory.asked:
        return False
    return memory.asked[-1].until - memory.worked_at >= QUIET_S


def durable(memory: Memory) -> Hashable:
    """Return what of *memory* has to be on record before it is acted on: equal values need no writing.

    Left out is what changes at every tick and `restore` fills in: until when the last number was asked for, the time of work
    that goes on, five minutes that are not over, and the fine digits of what a replica holds.
    """
    last = memory.asked[-1] if memory.asked else None
    return (
        None if last is None else (last.replicas, last.since),
        memory.ups,
        memory.downs,
        memory.expected,
        memory.serving,
        memory.up_at,
        memory.down_at,
        memory.worked_at if _quiet(memory) else None,
        memory.woke_at,
        memory.zeroed,
        memory.lost_at,
        memory.no_down_before,
        memory.lift_at,
        memory.lift_from,
        memory.yield_until,
        memory.writer,
        memory.gpus_per_replica,
        tuple((name, known.bins, known.saturated) for name, known in memory.trusting),
        tuple(
            (name, None if known.per_replica is None else f"{known.per_replica:.2g}", known.samples.bit_length())
            for name, known in memory.capacities
        ),
    )

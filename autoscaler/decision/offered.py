"""How much load is offered to a target, in replicas' worth: what a forecast learns from.

It has to be what users send, and not what the pods get through nor how many there are: a forecast of those would see its own
effects come back. Where the signals do not tell, nothing is known, which is never nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.decision import demand
from autoscaler.decision.model import Kind, Observation, Policy, Reading, Signal, Source, TargetType, Trust, Vote

#: Of the ready pods that are to report; what the others carry is taken to be the same. With fewer nothing is known.
MIN_REPORTING = 0.8

#: The first of these that the target has signals of is what its load is told by, whatever others say. A series that went from one
#: to the other as they come and go would have steps that no user made.
_FAMILIES = (frozenset({Kind.RATE}), frozenset({Kind.CONCURRENCY}), frozenset(Kind) - {Kind.RATE, Kind.CONCURRENCY, Kind.LATENCY})


@dataclass(frozen=True, slots=True)
class Offered:
    """The load on a target, in *replicas* full of it. Where it is *saturated* there may be more than can be seen."""

    replicas: float
    signals: tuple[str, ...]
    saturated: bool = False


def demanded(policy: Policy, observation: Observation, votes: Sequence[Vote]) -> Offered | None:
    """Return the load that is offered, or None where it is not known.

    Rates of arrival tell it best; requests in flight, waiting ones included, do next; without either it is the largest demand
    among queue, utilisation and whatever else there is, latency aside, which says that there is too much and not how much. *votes*
    are those of a decision on *observation*.
    """
    told = [
        (signal, reading, vote)
        for signal, reading, vote in zip(policy.signals, observation.readings, votes, strict=False)
        if not demand.mute(signal, reading, current=observation.replicas)
    ]
    kinds = {signal.kind for signal in policy.signals}
    family = next((family for family in _FAMILIES if family & kinds), None)
    if family is None:
        return None
    told = [one for one in told if one[0].kind in family]
    loads = [_load(signal, reading, vote, ready=observation.pods.ready) for signal, reading, vote in told]
    known = [load for load in loads if load is not None]
    if not known or len(known) < len(loads):  # the largest of some of them may be any
        return None
    return Offered(
        replicas=max(known),
        signals=tuple(signal.name for signal, _, _ in told),
        saturated=any(vote.trust is Trust.VETO_ONLY for _, _, vote in told),
    )


def _load(signal: Signal, reading: Reading, vote: Vote, *, ready: int) -> float | None:
    """Return how many replicas one signal fills, if it says so."""
    if not vote.fresh or reading.total_milli is None or vote.demand is None:
        return None
    load = vote.demand
    if signal.source is Source.PODS:
        if reading.reporting < MIN_REPORTING * ready:
            return None
        # What the vote adds for pods without a value is caution, and no load.
        load = reading.total_milli / (1000 * vote.target) * max(1.0, ready / reading.reporting)
    elif signal.target_type is TargetType.AVERAGE_VALUE:
        load = reading.total_milli / (1000 * vote.target)
    return load if math.isfinite(load) and load >= 0.0 else None

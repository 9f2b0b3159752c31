"""One number from the votes of several signals: the largest on the way up; on the way down what the policy's rule allows.

Anything that is missing, late or out of place keeps the number where it is. What is decided here knows no windows, rates or
bounds: those follow.
"""

import math
from dataclasses import dataclass
from typing import assert_never

from autoscaler.decision import demand as asking
from autoscaler.decision.model import DownRule, Kind, Observation, Pods, Policy, Rule, Trust, Vote
from autoscaler.decision.trail import Trail

#: What the replicas that stay may be loaded to under Consolidation: a twentieth is left to spare.
CONSOLIDATED_RATIO = 0.95
#: A demand up to this counts as no work: a GPU that is asked how busy it is is not quite idle.
IDLE_REPLICAS = 0.02
_ROUNDING = 1e-9
_MAY_LOWER = (Trust.FULL, Trust.VETO_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """What the signals ask for together."""

    wanted: int
    demand: float | None  # the largest of the fresh, trusted demands, in replicas; None: no such signal
    lost: bool  # signals should speak, and none is fresh
    all_fresh: bool  # each signal that should speak is fresh
    idle: bool  # each signal says, with coverage, that there is no work
    blocked: str = ""  # why there are not fewer, where fewer were asked for
    failed: bool = False  # HPA would call its metrics invalid: it keeps the number, and records nothing in its windows


def combine(trail: Trail, policy: Policy, observation: Observation, votes: tuple[Vote, ...], *, current: int) -> Combined:
    """Take *trail* from *current*, its number, to what the signals ask for.

    `Rule.DEMAND` goes to what the largest vote asks for, and `Rule.DOWN_RULE` back up to what the policy's rule allows.
    """
    missed = _missed(policy, observation, votes, current)
    speaks = any(vote.fresh for vote in votes)
    lost = missed is not None and not speaks
    leader, asked = leader_of(votes, current)
    blocked = _follow(trail, policy, observation, votes, leader, asked, missed, current)
    return Combined(
        wanted=trail.number,
        demand=max(
            (
                vote.demand
                for vote in votes
                if vote.demand is not None
                and (vote.trust is Trust.FULL or (vote.trust is Trust.UP_ONLY and _asks(vote, current) > current))
            ),
            default=None,
        ),
        lost=lost,
        all_fresh=missed is None,
        idle=missed is None and _idle(policy, observation.pods, votes),
        blocked=blocked,
        failed=not speaks or (missed is not None and asked < current),
    )


def _missed(policy: Policy, observation: Observation, votes: tuple[Vote, ...], current: int) -> Vote | None:
    """Return the first vote that should be fresh and is not; a signal of pods says nothing where there are to be none."""
    for signal, reading, vote in zip(policy.signals, observation.readings, votes, strict=True):
        if not vote.fresh and not asking.mute(signal, reading, current=current):
            return vote
    return None


def _asks(vote: Vote, current: int) -> int:
    """Return how many replicas *vote* is good for, as far as it is trusted."""
    proposal = current if vote.proposal is None else vote.proposal
    match vote.trust:
        case Trust.FULL:
            return max(0, proposal)
        case Trust.VETO_ONLY:
            return max(0, min(proposal, current))
        case Trust.UP_ONLY:
            return max(proposal, current)
        case Trust.OFF:
            return current
        case _:
            assert_never(vote.trust)


def leader_of(votes: tuple[Vote, ...], current: int) -> tuple[int | None, int]:
    """Return the vote that asks for most, by its place, and its number; one that may not ask for fewer gives way to others."""
    place: int | None = None
    most = -1
    for index, vote in enumerate(votes):
        if not vote.fresh or vote.trust is Trust.OFF:
            continue
        asks = _asks(vote, current)
        if vote.trust is Trust.UP_ONLY and asks <= current:
            continue
        if asks > most:
            place, most = index, asks
    return (None, current) if place is None else (place, most)


def _follow(
    trail: Trail,
    policy: Policy,
    observation: Observation,
    votes: tuple[Vote, ...],
    leader: int | None,
    asked: int,
    missed: Vote | None,
    current: int,
) -> str:
    """Write the steps; return why there are not fewer."""
    if leader is None:
        why = _silence(votes, missed)
        trail.set(Rule.DEMAND, current, why)
        return why
    vote = votes[leader]
    told = asking.tell(policy.signals[leader], observation.readings[leader], vote, pending=observation.pods.pending)
    if asked > current:
        trail.set(Rule.DEMAND, asked, f"{told}: asks for {asked}")
        return ""
    if asked == current:
        limit = f", and {vote.why}" if vote.trust is Trust.VETO_ONLY and vote.proposal != asked else ""
        trail.set(Rule.DEMAND, current, f"{told}: {current} are right{limit}")
        return ""
    rule = policy.scale_down.rule
    if rule is not DownRule.TARGET and asked == 0:
        asked = 1
        told += ", and the last replica goes by the idle rule alone"
    trail.set(Rule.DEMAND, asked, f"{told}: asks for {vote.proposal}")
    if asked == current:
        return ""
    allowed, why = _allowed(policy, observation, votes, missed, asked, current)
    if allowed == asked:
        return ""
    trail.set(Rule.DOWN_RULE, allowed, why)
    return why if allowed == current else ""


def _silence(votes: tuple[Vote, ...], missed: Vote | None) -> str:
    """Return why no vote sets a number."""
    if missed is not None:
        return f"no signal asks for a number; {missed.signal}: {missed.why}"
    if not votes:
        return "the policy has no signals"
    if any(vote.fresh for vote in votes):
        return "only latency speaks, which cannot ask for fewer"
    return "no signal speaks at zero replicas"


def _allowed(
    policy: Policy, observation: Observation, votes: tuple[Vote, ...], missed: Vote | None, asked: int, current: int
) -> tuple[int, str]:
    """Return how far down from *current* to *asked* the policy's rule lets the number go, and why no further."""
    rule = policy.scale_down.rule
    if missed is not None:
        return current, f"no fewer while {missed.signal} cannot be read: {missed.why}"
    least = policy.scale_down.min_coverage_ratio
    for vote in votes:
        if vote.coverage < least:
            return current, f"no fewer while {vote.signal} covers {vote.coverage:.0%} of the pods, under {least:.0%}"
    if rule is DownRule.TARGET:
        return asked, ""
    why = _unsettled(observation.pods)
    if why:
        return current, why
    strongest = max((vote for vote in votes if vote.fresh and vote.trust in _MAY_LOWER), key=_demand)
    most = _demand(strongest)
    match rule:
        case DownRule.CONSOLIDATION:
            fits = math.ceil(most / CONSOLIDATED_RATIO - _ROUNDING)
            why = f"{strongest.signal}'s demand of {asking.number(most)} replicas with a twentieth to spare takes {max(1, fits)}"
        case DownRule.BAND:
            why = _above_band(policy, observation)
            if why:
                return current, why
            fits = math.ceil(most - _ROUNDING)
            why = f"{strongest.signal}'s demand of {asking.number(most)} replicas takes {max(1, fits)}"
        case _:
            assert_never(rule)
    if fits >= current:
        return current, why
    return max(asked, fits), why


def _demand(vote: Vote) -> float:
    return vote.demand or 0.0


def _unsettled(pods: Pods) -> str:
    """Return what is under way that makes the demand per pod no measure yet."""
    if pods.rolling_out:
        return "no fewer while a roll-out is under way"
    # One that no node takes does not start, and waiting for it would keep the others for ever.
    starting = pods.starting - pods.unschedulable
    return f"no fewer while pods start: {starting} not ready yet" if starting > 0 else ""


def _above_band(policy: Policy, observation: Observation) -> str:
    """Return which utilisation is not below the band, or that none says so."""
    band = policy.scale_down.band_ratio
    seen = False
    for signal, reading in zip(policy.signals, observation.readings, strict=True):
        if signal.kind is not Kind.UTILIZATION:
            continue
        if reading.band_ratio is None:
            return f"no fewer while {signal.name} does not tell a mean over the pods"
        if not reading.band_ratio < band:
            return f"no fewer while {signal.name} is {reading.band_ratio:.0%} on average, not below {band:.0%}"
        seen = True
    return "" if seen else "no fewer by the Band rule without a utilisation signal: use Consolidation"


def _idle(policy: Policy, pods: Pods, votes: tuple[Vote, ...]) -> bool:
    """Return whether each signal that speaks knows of no work. Latency has a say only where nothing else does."""
    if pods.young or not votes:
        return False
    least = policy.scale_down.min_coverage_ratio
    speaking = [vote for vote in votes if vote.fresh]
    counted = [vote for vote in speaking if vote.kind is not Kind.LATENCY] or speaking
    return all(vote.coverage >= least and vote.demand is not None and vote.demand <= IDLE_REPLICAS for vote in counted)

"""Take recorded decisions again: the same numbers from the record alone, or what they would be under another policy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from autoscaler.decision import pipeline
from autoscaler.decision.model import Decision, Memory, Policy, Record, Rule


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A decision that comes out other than it was recorded; *chained* when only the memory handed on from before does that."""

    at: float
    recorded: tuple[int, int]  # replicas, serving
    again: tuple[int, int]
    chained: bool


@dataclass(slots=True)
class Replayed:
    """What became of one target's records."""

    target: str
    first_at: float
    last_at: float
    decisions: int = 0
    reproduced: int = 0
    """Those whose integers came out again from their own record."""
    chained: int = 0
    """Those whose integers came out again from the memory that the decision before, taken again, had left."""
    begun: int = 0
    """How often the chain of memories begins: once, and at every restart of the controller."""
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def faithful(self) -> bool:
        """Return whether every integer was reproduced, in both ways."""
        return self.decisions == self.reproduced == self.chained


@dataclass(frozen=True, slots=True)
class Changed:
    """A stretch of decisions that would all have been the same other number. Times are Unix seconds, replicas are totals."""

    since: float
    until: float
    decisions: int
    recorded: int
    otherwise: int


def check(records: Iterable[Record]) -> list[Replayed]:
    """Return, for each target, how many of its decisions come out again with the same replicas and serving replicas."""
    replayed: dict[str, Replayed] = {}
    chains: dict[str, tuple[Memory, Memory]] = {}  # the memory recorded last, and the one that replaying left
    for record in records:
        at = record.observation.now
        told = replayed.setdefault(record.target, Replayed(record.target, at, at))
        told.last_at = at
        told.decisions += 1
        recorded = integers(record.decision)
        alone, after = pipeline.decide(record.policy, record.observation, record.before)
        told.reproduced += integers(alone) == recorded
        if integers(alone) != recorded:
            told.mismatches.append(Mismatch(at, recorded, integers(alone), chained=False))
        last, memory = chains.get(record.target, (None, record.before))
        if last != record.before:
            told.begun += 1
            memory = record.before
        if memory == record.before:
            chained = alone
        else:
            chained, after = pipeline.decide(record.policy, record.observation, memory)
            if integers(chained) != recorded and integers(alone) == recorded:
                told.mismatches.append(Mismatch(at, recorded, integers(chained), chained=True))
        told.chained += integers(chained) == recorded
        chains[record.target] = (record.after, after)
    return list(replayed.values())


def what_if(
    records: Iterable[Record], *, without: frozenset[Rule] = frozenset(), settings: Iterable[tuple[str, Any]] = ()
) -> Iterator[tuple[str, Changed]]:
    """Yield the target and the stretches where leaving out rules, or other *settings* of the policy, would have changed the number.

    Each decision is taken by itself, from what was seen and remembered then: what the other number would have done to the load
    nobody knows. Raises `ValueError` for a setting that the policy does not have or that it refuses.
    """
    settings = list(settings)
    policies: dict[Policy, Policy] = {}
    runs: dict[str, Changed] = {}
    for record in records:
        policy = policies.get(record.policy)
        if policy is None:
            policy = policies[record.policy] = changed_policy(record.policy, settings)
        decision, _ = pipeline.decide(policy, record.observation, record.before, without=without)
        recorded, otherwise = record.decision.replicas, decision.replicas
        run = runs.pop(record.target, None)
        if run is not None and (run.recorded, run.otherwise) != (recorded, otherwise):
            yield record.target, run
            run = None
        if recorded != otherwise:
            at = record.observation.now
            since, count = (at, 0) if run is None else (run.since, run.decisions)
            runs[record.target] = Changed(since, at, count + 1, recorded, otherwise)
    yield from runs.items()


def integers(decision: Decision) -> tuple[int, int]:
    """Return what a decision comes down to: replicas, and how many of them serve."""
    return decision.replicas, decision.serving


def changed_policy(policy: Policy, settings: Iterable[tuple[str, Any]]) -> Policy:
    """Return *policy* with members such as ``scale_down.cooldown_s`` set to other values.

    Raises `ValueError` for a name that it does not have and for a value that it refuses.
    """
    plain: dict[str, Any] = msgspec.to_builtins(policy)
    for path, value in settings:
        *above, name = path.split(".")
        place: Any = plain
        for step in above:
            place = place.get(step) if isinstance(place, dict) else None
        if not isinstance(place, dict) or name not in place:
            raise ValueError(f"{path} is no setting of a policy: {', '.join(_paths(plain))}")
        place[name] = value
    try:
        return msgspec.convert(plain, Policy)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _paths(plain: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in plain.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"

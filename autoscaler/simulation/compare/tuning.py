"""Choosing a family's settings on the first part of a trace: the same number of configurations for every family.

The objective is the comparison's own: the least GPU time among those that answer enough requests in time; where none does, the one
that answers the most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.simulation.compare import entries, matrix
from autoscaler.simulation.compare.cases import Part
from autoscaler.simulation.compare.entries import Entry, Family
from autoscaler.simulation.compare.matrix import Cell
from autoscaler.simulation.outcome import Outcome

#: The share of requests that has to be answered in time.
ATTAINED = 0.99
#: Tuning has seeds of its own: what is judged has not been seen.
FIRST_SEED = 100_000

#: What is no rival but the mark for all may be searched for longer.
CLAIRVOYANT_TIMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much is tried for each family: so many configurations, each with so many seeds."""

    configurations: int = 16
    seeds: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration and what its runs came to."""

    entry: Entry
    attainment_ratio: float
    gpu_hours: float


def trials(family: Family, budget: Budget) -> list[Entry]:
    """Return the configurations that are tried: the first is the family's default."""
    count = budget.configurations * (CLAIRVOYANT_TIMES if family.clairvoyant else 1)
    return entries.drawn(family, count, seed=budget.seed)


def cells(case: int, family: Family, budget: Budget) -> list[Cell]:
    """Return the runs of a family's trials on the first part of a case, seed by seed within each trial."""
    return [
        Cell(case=case, part=Part.TEST if family.clairvoyant else Part.TRAIN, entry=entry, seed=FIRST_SEED + seed)
        for entry in trials(family, budget)
        for seed in range(budget.seeds)
    ]


def judged(tried: Sequence[Cell], outcomes: Sequence[Outcome]) -> list[Trial]:
    """Return the trials in the order in which they were drawn, each over its seeds."""
    runs: dict[tuple[tuple[str, entries.Setting], ...], tuple[Entry, list[Outcome]]] = {}
    for cell, outcome in zip(tried, outcomes, strict=True):
        runs.setdefault(cell.entry.settings, (cell.entry, []))[1].append(outcome)
    return [
        Trial(
            entry,
            sum(each.attainment_ratio for each in found) / len(found),
            sum(each.gpu_hours for each in found) / len(found),
        )
        for entry, found in runs.values()
    ]


def best(found: Sequence[Trial]) -> Trial:
    """Return the best trial; of equals the one that was drawn first."""
    return min(found, key=_order)


def _order(trial: Trial) -> tuple[bool, float, float]:
    enough = trial.attainment_ratio >= ATTAINED
    return (not enough, trial.gpu_hours if enough else -trial.attainment_ratio, trial.gpu_hours)


def tune(runner: matrix.Runner, case: int, family: Family, budget: Budget) -> Entry:
    """Return the family with the best of its trials on one case."""
    tried = cells(case, family, budget)
    return best(judged(tried, runner.run(tried))).entry

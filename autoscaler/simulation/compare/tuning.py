"""Choosing a family's settings on the first part of a trace: the same number of configurations for every family.

Each configuration is tried at several levels of its tightness, which is a front, and judged as the comparison judges: by the GPU
time at which enough requests are in time. Where no configuration gets there, it is the one that gets nearest. A single point would
not do: it rewards the configuration that happened to end just above the limit, and on the last part that one ends below.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.simulation.compare import entries, statistics
from autoscaler.simulation.compare.cases import Part
from autoscaler.simulation.compare.entries import Entry, Family, Setting
from autoscaler.simulation.compare.matrix import Cell
from autoscaler.simulation.compare.statistics import Point
from autoscaler.simulation.outcome import Outcome

#: The share of requests that has to be answered in time.
ATTAINED = 0.99
#: The share that may be missed.
ALLOWED = 1.0 - ATTAINED
#: The levels of tightness at which a configuration is tried.
LEVELS = (0.8, 1.0, 1.4, 2.2)
#: Tuning has seeds of its own: what is judged has not been seen.
FIRST_SEED = 100_000

#: What is no rival but the mark for all may be searched for longer: so many times as many runs.
CLAIRVOYANT_TIMES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much is tried for each family: so many configurations, each at every level and with so many seeds."""

    configurations: int = 8
    seeds: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration at one level, and what its runs came to."""

    entry: Entry
    point: Point


def configurations(family: Family, budget: Budget) -> list[Entry]:
    """Return the configurations that are tried: the first is the family's default."""
    count = budget.configurations * (CLAIRVOYANT_TIMES * len(LEVELS) if family.clairvoyant else 1)
    return entries.drawn(family, count, seed=budget.seed)


def cells(case: int, family: Family, budget: Budget) -> list[Cell]:
    """Return the runs of a family's trials on the first part of a case: by configuration, then level, then seed.

    What is clairvoyant is tuned on the last part, its tightness like every other knob.
    """
    return [
        Cell(case=case, part=Part.TEST if family.clairvoyant else Part.TRAIN, entry=at, seed=FIRST_SEED + seed)
        for entry in configurations(family, budget)
        for at in ([entry] if family.clairvoyant else entries.levels(entry, LEVELS))
        for seed in range(budget.seeds)
    ]


def judged(tried: Sequence[Cell], outcomes: Sequence[Outcome]) -> list[list[Trial]]:
    """Return each configuration's trials in the order in which they were drawn, every one over its seeds."""
    runs: dict[tuple[tuple[str, Setting], ...], dict[float, tuple[Entry, list[Outcome]]]] = {}
    for cell, outcome in zip(tried, outcomes, strict=True):
        levels = runs.setdefault(cell.entry.settings, {})
        levels.setdefault(cell.entry.level, (cell.entry, []))[1].append(outcome)
    return [[Trial(entry, _mean(found)) for entry, found in levels.values()] for levels in runs.values()]


def _mean(outcomes: Sequence[Outcome]) -> Point:
    count = len(outcomes)
    return Point(sum(each.gpu_hours for each in outcomes) / count, sum(1.0 - each.attainment_ratio for each in outcomes) / count)


def best(found: Sequence[Sequence[Trial]]) -> Entry:
    """Return the best configuration at the level that suits it; of equals the one that was drawn first."""
    trials = min(found, key=_order)
    chosen = min(trials, key=lambda trial: _order([trial]))
    return dataclasses.replace(chosen.entry, settings=tuple(chosen.entry.at_level.items()), level=1.0)


def _order(trials: Sequence[Trial]) -> tuple[bool, float, float]:
    """Return what a configuration is ranked by: what enough in time costs it, or else how little it misses, and for what."""
    points = [trial.point for trial in trials]
    enough = statistics.gpu_hours_at(points, ALLOWED)
    if enough.known:
        return (False, enough.value, 0.0)
    nearest = min(points, key=lambda point: (point.missed_ratio, point.gpu_hours))
    return (True, nearest.missed_ratio, nearest.gpu_hours)

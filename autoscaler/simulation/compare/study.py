"""A whole comparison: what will be run, the tuning on each trace's first part, the judging on its last, and what came of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscaler.errors import AutoscalerError
from autoscaler.simulation.compare import cases, entries, matrix, tuning
from autoscaler.simulation.compare.cases import Case, Part
from autoscaler.simulation.compare.entries import Entry, Family
from autoscaler.simulation.compare.matrix import Cell, Runner
from autoscaler.simulation.compare.statistics import Grid
from autoscaler.simulation.compare.tuning import Budget
from autoscaler.simulation.outcome import Outcome

#: Points of a timeline that is drawn.
_DRAWN_STEPS = 360


class UnknownEntryError(AutoscalerError):
    """No trace or no entry has the name that was asked for; the message lists those that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run."""

    cases: tuple[Case, ...]
    families: tuple[Family, ...]
    budget: Budget = field(default_factory=Budget)
    seeds: int = 20
    """How many seeds those have that claims are about; the first of them are the others', too."""
    headline: frozenset[str] = frozenset()
    """Names of the entries that claims are about."""
    other_seeds: int = 3
    drawn: frozenset[str] = frozenset()
    """Names of entries of which a timeline is kept, of their first seed."""

    def __post_init__(self) -> None:
        for what, names in (
            ("traces", [case.name for case in self.cases]),
            ("policies", [family.name for family in self.families]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} of the same name: {', '.join(sorted(names))}")

    @property
    def tunable(self) -> list[Family]:
        """Return the families that are tuned."""
        return [family for family in self.families if family.tunable]

    @property
    def tuning_runs(self) -> int:
        """Return how many runs tuning takes."""
        return len(self.cases) * sum(len(tuning.cells(0, family, self.budget)) for family in self.tunable)

    @property
    def judging_runs(self) -> int:
        """Return how many runs judging takes at most: fewer where a bound makes two levels the same."""
        each = [entry for family in self.families for entry in _entries(family, entries.tuned(family, {}))]
        runs = sum(len(entries.levels(entry, entries.taking_part(entry))) * self.seeds_of(entry) for entry in each)
        return len(self.cases) * runs

    def seeds_of(self, entry: Entry) -> int:
        """Return with how many seeds an entry is judged."""
        return self.seeds if entry.name in self.headline else min(self.seeds, self.other_seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one entry came to on one trace: its runs at each level, all with the same seeds in the same order."""

    entry: Entry
    """At the level of 1."""
    runs: Mapping[float, tuple[Outcome, ...]]

    @property
    def name(self) -> str:
        """How the entry is called."""
        return self.entry.name

    @property
    def itself(self) -> tuple[Outcome, ...]:
        """Return the runs at its own tightness."""
        return self.runs[1.0]

    def mean(self, measure: Callable[[Outcome], float]) -> float:
        """Return the mean of *measure* over the runs at its own tightness."""
        return float(np.mean([measure(outcome) for outcome in self.itself]))

    @property
    def grid(self) -> Grid:
        """Return its points at all levels."""
        return _grid(list(self.runs.values()))

    @property
    def point(self) -> Grid:
        """Return its point at its own tightness."""
        return _grid([self.itself])


def _grid(levels: Sequence[tuple[Outcome, ...]]) -> Grid:
    return Grid(
        np.array([[outcome.gpu_hours for outcome in level] for level in levels]),
        np.array([[1.0 - outcome.attainment_ratio for outcome in level] for level in levels]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of all entries on one trace, in the order of the plan: each family as shipped, then tuned."""

    case: Case
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row | None:
        """Return the entry called *name*, or None where it did not take part."""
        return next((row for row in self.rows if row.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of a comparison."""

    plan: Plan
    judged: tuple[Judged, ...]


#: Told while it runs: what is being done, how many runs of it are done, and how many there are.
Progress = Callable[[str, int, int], None]


def conduct(plan: Plan, simulate: matrix.Simulate, *, workers: int, progress: Progress | None = None) -> Results:
    """Return the results of *plan*: the same ones whatever the number of *workers*. Raises `CellError`."""
    with Runner(_foreseen(plan, workers, progress), simulate, workers=workers) as runner:
        chosen = _tune(plan, runner, progress)
        return _judge(plan, runner, chosen, progress)


def single(
    plan: Plan, trace: str, name: str, simulate: matrix.Simulate, *, workers: int, progress: Progress | None = None
) -> tuple[Case, Entry]:
    """Return the case of a trace and the entry called *name*, with the settings that it has in the whole of *plan*.

    Raises `UnknownEntryError`, and `CellError` where tuning fails.
    """
    found = [case for case in plan.cases if case.name == trace]
    if not found:
        raise UnknownEntryError(f"{trace}: there is no such trace; there are {', '.join(case.name for case in plan.cases)}")
    family = next((each for each in plan.families if name in _names(each)), None)
    if family is None:
        known = [each for family in plan.families for each in _names(family)]
        raise UnknownEntryError(f"{name}: there is no such policy; there are {', '.join(known)}")
    alone = dataclasses.replace(plan, cases=tuple(found), families=(family,))
    foreseen = _foreseen(alone, workers, progress)
    if entries.default(family).name == name and not family.clairvoyant:
        return foreseen[0], entries.default(family)
    with Runner(foreseen, simulate, workers=workers) as runner:
        return foreseen[0], _tune(alone, runner, progress)[0, family.name]


def _names(family: Family) -> list[str]:
    return [entry.name for entry in _entries(family, entries.tuned(family, {}))]


def _foreseen(plan: Plan, workers: int, progress: Progress | None) -> tuple[Case, ...]:
    """Return the cases, with what the forecaster says of them where anybody listens to it."""
    if not any(family.foresees for family in plan.families):
        return plan.cases
    return tuple(matrix.each(cases.foreseen, plan.cases, workers=workers, progress=_told(progress, "forecasts")))


def _tune(plan: Plan, runner: Runner, progress: Progress | None) -> dict[tuple[int, str], Entry]:
    """Return the tuned entry of each tunable family by the case's place and the family's name."""
    pairs = [(case, family) for case in range(len(plan.cases)) for family in plan.tunable]
    tried = [tuning.cells(case, family, plan.budget) for case, family in pairs]
    outcomes = iter(runner.run([cell for cells in tried for cell in cells], _told(progress, "tuning")))
    found = [tuning.judged(cells, [next(outcomes) for _ in cells]) for cells in tried]
    return {(case, family.name): tuning.best(each) for (case, family), each in zip(pairs, found, strict=True)}


def _judge(plan: Plan, runner: Runner, chosen: Mapping[tuple[int, str], Entry], progress: Progress | None) -> Results:
    cells: list[Cell] = []
    for place in range(len(plan.cases)):
        for family in plan.families:
            for entry in _entries(family, chosen.get((place, family.name))):
                cells += _cells(plan, place, entry)
    outcomes = runner.run(cells, _told(progress, "judging"))
    return Results(
        plan=plan,
        judged=tuple(
            Judged(case=case, rows=_rows([pair for pair in zip(cells, outcomes, strict=True) if pair[0].case == place]))
            for place, case in enumerate(plan.cases)
        ),
    )


def _entries(family: Family, chosen: Entry | None) -> list[Entry]:
    """Return a family's entries: as shipped, and tuned where it can be; what is clairvoyant is only ever chosen."""
    if not family.tunable or chosen is None:
        return [entries.default(family)]
    return [chosen] if family.clairvoyant else [entries.default(family), chosen]


def _cells(plan: Plan, place: int, entry: Entry) -> list[Cell]:
    step_s = plan.cases[place].test.duration_s / _DRAWN_STEPS
    return [
        Cell(
            case=place,
            part=Part.TEST,
            entry=at,
            seed=seed,
            timeline_s=step_s if seed == 0 and at.level == 1.0 and entry.name in plan.drawn else None,
        )
        for at in entries.levels(entry, entries.taking_part(entry))
        for seed in range(plan.seeds_of(entry))
    ]


def _rows(pairs: Sequence[tuple[Cell, Outcome]]) -> tuple[Row, ...]:
    """Return the runs of one case by entry and level, in their order."""
    found: dict[str, dict[float, list[Outcome]]] = {}
    entry_of: dict[str, Entry] = {}
    for cell, outcome in pairs:
        found.setdefault(cell.entry.name, {}).setdefault(cell.entry.level, []).append(outcome)
        if cell.entry.level == 1.0:
            entry_of[cell.entry.name] = cell.entry
    return tuple(
        Row(entry=entry_of[name], runs={level: tuple(outcomes) for level, outcomes in levels.items()})
        for name, levels in found.items()
    )


def _told(progress: Progress | None, what: str) -> matrix.Progress | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)

"""The runs of a comparison, each by itself, in as many processes as are wanted: the results do not depend on how many.

The cases go to each process once, when it starts; a cell only names its own.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from autoscaler.decision.model import Record
from autoscaler.errors import AutoscalerError
from autoscaler.simulation.compare.cases import Case, Part
from autoscaler.simulation.compare.entries import Entry, Given
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.sight import Policy
from autoscaler.simulation.workload import Workload
from autoscaler.simulation.world import World


class CellError(AutoscalerError):
    """A run ended in an error; the message says which one, so that it can be run again by itself."""


class Simulate(Protocol):
    """Runs one policy on one workload: `fleet.simulate`."""

    def __call__(self, workload: Workload, world: World, policy: Policy, seed: int, *, timeline_s: float | None = None) -> Outcome:
        """Return what came of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run: an entry on a part of a case, with a seed."""

    case: int
    """Its place among the cases."""
    part: Part
    entry: Entry
    seed: int
    timeline_s: float | None = None


#: Told after each run: how many are done, and how many there are.
Progress = Callable[[int, int], None]


def given(case: Case, part: Part, *, on_decision: Callable[[Record], object] | None = None) -> Given:
    """Return what a policy is built from for a *part* of a case. What is sized beforehand is sized on the first part always."""
    return Given(
        workload=case.part(part),
        train=case.train,
        world=case.world(part),
        carried_per_s=case.carried_per_s,
        recording=case.recorded(part),
        on_decision=on_decision,
    )


def run(cell: Cell, cases: Sequence[Case], simulate: Simulate) -> Outcome:
    """Return what came of one run, under its entry's name."""
    case = cases[cell.case]
    what = given(case, cell.part)
    try:
        return simulate(what.workload, what.world, cell.entry.build(what), cell.seed, timeline_s=cell.timeline_s)
    except Exception as error:
        settings = ", ".join(f"{name}={value}" for name, value in cell.entry.at_level.items())
        raise CellError(
            f"{cell.entry.name} ({settings}) on the {cell.part} part of {case.name} with seed {cell.seed}: {error!r}"
        ) from error


class Runner:
    """Runs cells in *workers* processes, or in this one where that is one; a context manager that ends them."""

    def __init__(self, cases: Sequence[Case], simulate: Simulate, *, workers: int) -> None:
        self._cases = tuple(cases)
        self._simulate = simulate
        self._workers = workers
        self._pool: futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._workers > 1:
            # Spawned, so that what a process inherits is the same on every platform: nothing.
            self._pool = futures.ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._cases, self._simulate),
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(self, cells: Sequence[Cell], progress: Progress | None = None) -> list[Outcome]:
        """Return the outcome of each of *cells*, in their order. Raises `CellError` for the first that fails."""
        tell = progress or _silent
        if self._pool is None:
            outcomes = []
            for done, cell in enumerate(cells, 1):
                outcomes.append(run(cell, self._cases, self._simulate))
                tell(done, len(cells))
            return outcomes
        waiting = {self._pool.submit(_run, cell): place for place, cell in enumerate(cells)}
        found: dict[int, Outcome] = {}
        for done, future in enumerate(futures.as_completed(waiting), 1):
            try:
                found[waiting[future]] = future.result()
            except futures.process.BrokenProcessPool as error:
                raise CellError("a process ended by itself, for want of memory most likely: take fewer workers") from error
            tell(done, len(cells))
        return [found[place] for place in range(len(cells))]


def each(function: Callable[[Case], Case], cases: Sequence[Case], *, workers: int, progress: Progress | None = None) -> list[Case]:
    """Return what *function* makes of each of *cases*, in their order, in as many processes."""
    tell = progress or _silent
    made = []
    if workers == 1:
        for case in cases:
            made.append(function(case))
            tell(len(made), len(cases))
        return made
    with futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for case in pool.map(function, cases):
            made.append(case)
            tell(len(made), len(cases))
    return made


def _silent(done: int, total: int) -> None:  # noqa: ARG001 - nobody is told
    return None


#: What a worker process was given when it began. It never changes after that.
_begun: tuple[Sequence[Case], Simulate] | None = None


def _begin(cases: Sequence[Case], simulate: Simulate) -> None:
    global _begun  # noqa: PLW0603 - the only way that a process pool hands something to its workers once
    _begun = (cases, simulate)


def _run(cell: Cell) -> Outcome:
    if _begun is None:
        raise RuntimeError("this process was not begun by a runner")
    return run(cell, *_begun)

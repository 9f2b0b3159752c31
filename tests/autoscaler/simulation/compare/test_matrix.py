"""Runs: the same results whatever the number of processes, and an error that says which run it was."""

import pytest

from autoscaler.simulation.compare import entries, matrix
from autoscaler.simulation.compare.cases import Part
from autoscaler.simulation.compare.entries import Entry, Family
from autoscaler.simulation.compare.matrix import Cell, CellError
from tests.autoscaler.simulation.compare import fakes


def cells(entry: Entry, seeds: int) -> list[Cell]:
    return [Cell(case=0, part=Part.TEST, entry=entry, seed=seed) for seed in range(seeds)]


def test_two_processes_give_the_results_of_one_in_the_same_order() -> None:
    wanted = cells(entries.default(fakes.family("a")), 6)

    with matrix.Runner([fakes.case()], fakes.simulate, workers=1) as alone:
        single = alone.run(wanted)
    with matrix.Runner([fakes.case()], fakes.simulate, workers=2) as pair:
        double = pair.run(wanted)

    assert single == double
    assert [outcome.seed for outcome in single] == list(range(6))


def test_progress_is_told_after_each_run() -> None:
    told: list[tuple[int, int]] = []

    with matrix.Runner([fakes.case()], fakes.simulate, workers=1) as runner:
        runner.run(cells(entries.default(fakes.family("a")), 3), lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_run_that_fails_says_which_one_it_was() -> None:
    broken = Family(name="broken", build=fakes.build_broken, defaults={"pods": 1.0})

    with (
        matrix.Runner([fakes.case("azure")], fakes.simulate, workers=1) as runner,
        pytest.raises(CellError, match=r"broken \(pods=1.0\) on the test part of azure with seed 0: ValueError.*no signal"),
    ):
        runner.run(cells(entries.default(broken), 1))

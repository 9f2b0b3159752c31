"""Tuning: the configuration that has enough in time for the least GPU time, on the first part, with seeds of its own."""

from autoscaler.simulation.compare import entries, matrix, tuning
from autoscaler.simulation.compare.cases import Part
from autoscaler.simulation.compare.statistics import Point
from autoscaler.simulation.compare.tuning import Budget, Trial
from tests.autoscaler.simulation.compare import fakes

FAMILY = fakes.family("a")
DEFAULT, OTHER = entries.default(FAMILY), entries.tuned(FAMILY, {"loss": 0.01})


def front(entry: entries.Entry, *points: tuple[float, float]) -> list[Trial]:
    """Return what a configuration came to at the levels of 1, 2 and so on: GPU-hours and the share that was missed."""
    return [Trial(at, Point(*point)) for at, point in zip(entries.levels(entry, (1.0, 2.0, 3.0)), points, strict=False)]


def test_the_one_whose_front_has_enough_in_time_for_the_least_is_chosen() -> None:
    dear = front(DEFAULT, (10.0, 0.02), (20.0, 0.0))  # 15 at a hundredth
    cheap = front(OTHER, (8.0, 0.03), (16.0, 0.0))  # some 13

    assert dict(tuning.best([dear, cheap]).settings)["loss"] == 0.01


def test_it_takes_the_cheapest_level_that_was_seen_to_have_enough() -> None:
    trials = front(DEFAULT, (10.0, 0.02), (20.0, 0.005), (30.0, 0.0))

    chosen = tuning.best([trials])

    assert (dict(chosen.settings)["pods"], chosen.level) == (2.0, 1.0)


def test_where_none_gets_there_the_one_that_gets_nearest_is_chosen() -> None:
    far, near = front(DEFAULT, (1.0, 0.5), (2.0, 0.4)), front(OTHER, (5.0, 0.1), (6.0, 0.1))

    assert dict(tuning.best([far, near]).settings) == {"pods": 1.0, "loss": 0.01}


def test_of_equals_the_first_is_chosen() -> None:
    assert dict(tuning.best([front(DEFAULT, (5.0, 0.01)), front(OTHER, (5.0, 0.01))]).settings)["loss"] == 0.02


def test_trials_run_at_every_level_on_the_first_part_with_seeds_that_are_not_judged() -> None:
    cells = tuning.cells(0, FAMILY, Budget(configurations=3, seeds=2))

    assert len(cells) == 3 * len(tuning.LEVELS) * 2
    assert {cell.part for cell in cells} == {Part.TRAIN}
    assert {cell.entry.level for cell in cells} == set(tuning.LEVELS)
    assert min(cell.seed for cell in cells) == tuning.FIRST_SEED


def test_a_family_is_tuned_to_what_its_trials_show() -> None:
    tried = tuning.cells(0, fakes.family("a", loss=0.018), Budget(configurations=4))
    with matrix.Runner([fakes.case()], fakes.simulate, workers=1) as runner:
        chosen = tuning.best(tuning.judged(tried, runner.run(tried)))

    # One pod misses 1.8 % of the requests, with half of the loss 0.9 %: enough, and two pods are not needed.
    assert dict(chosen.settings) == {"pods": 1.0, "loss": 0.009}

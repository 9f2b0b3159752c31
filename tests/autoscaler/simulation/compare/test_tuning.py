"""Tuning: the least GPU time among those that answer enough in time, on the first part, with seeds of its own."""

from autoscaler.simulation.compare import entries, matrix, tuning
from autoscaler.simulation.compare.cases import Part
from autoscaler.simulation.compare.tuning import Budget, Trial
from tests.autoscaler.simulation.compare import fakes

ENTRY = entries.default(fakes.family("a"))


def test_of_those_that_answer_enough_the_cheapest_is_chosen() -> None:
    cheap, enough, dear = Trial(ENTRY, 0.98, 1.0), Trial(ENTRY, 0.99, 5.0), Trial(ENTRY, 1.0, 9.0)

    assert tuning.best([dear, enough, cheap]) is enough


def test_where_none_answers_enough_the_one_that_answers_the_most_is_chosen() -> None:
    worse, better = Trial(ENTRY, 0.5, 1.0), Trial(ENTRY, 0.9, 5.0)

    assert tuning.best([worse, better]) is better


def test_of_equals_the_first_is_chosen() -> None:
    first, second = Trial(ENTRY, 0.99, 5.0), Trial(ENTRY, 0.99, 5.0)

    assert tuning.best([first, second]) is first


def test_trials_run_on_the_first_part_with_seeds_that_are_not_judged() -> None:
    cells = tuning.cells(0, fakes.family("a"), Budget(configurations=3, seeds=2))

    assert len(cells) == 6
    assert {cell.part for cell in cells} == {Part.TRAIN}
    assert min(cell.seed for cell in cells) == tuning.FIRST_SEED


def test_a_family_is_tuned_to_what_its_trials_show() -> None:
    with matrix.Runner([fakes.case()], fakes.simulate, workers=1) as runner:
        chosen = tuning.tune(runner, 0, fakes.family("a", loss=0.018), Budget(configurations=4))

    # One pod misses 1.8 % of the requests, with half of the loss 0.9 %: enough, and two pods are not needed.
    assert dict(chosen.settings) == {"pods": 1.0, "loss": 0.009}

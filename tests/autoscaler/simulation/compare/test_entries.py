"""Entries: equal tuning budgets, levels of one knob, and descriptions that travel between processes."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.compare import entries
from autoscaler.simulation.compare.entries import Family, Tightness, Tuning
from tests.autoscaler.simulation.compare import fakes


def test_the_first_configuration_that_is_tried_is_the_default() -> None:
    family = fakes.family("a")

    assert entries.drawn(family, 3, seed=0)[0].settings == entries.default(family).settings


@given(st.integers(1, 20), st.integers(0, 5))
def test_as_many_configurations_are_drawn_as_the_budget_has_and_none_twice(count: int, seed: int) -> None:
    drawn = entries.drawn(fakes.family("a"), count, seed=seed)

    assert len(drawn) == min(count, 4)  # two choices for each of two knobs
    assert len({each.settings for each in drawn}) == len(drawn)
    assert drawn == entries.drawn(fakes.family("a"), count, seed=seed)


def test_a_larger_budget_tries_what_a_smaller_one_tries_first() -> None:
    family = fakes.family("a")

    assert entries.drawn(family, 4, seed=1)[:2] == entries.drawn(family, 2, seed=1)


def test_levels_turn_the_tightness_knob_alone() -> None:
    levels = entries.levels(entries.default(fakes.family("a", pods=2.0)), (0.5, 1.0, 1.5))

    assert [each.at_level for each in levels] == [{"pods": pods, "loss": 0.02} for pods in (1.0, 2.0, 3.0)]
    assert {each.name for each in levels} == {"a"}


def test_levels_that_a_bound_makes_the_same_are_run_once() -> None:
    family = Family(name="a", build=fakes.build, defaults={"pods": 90.0, "loss": 0.0}, tightness=Tightness(knob="pods", most=95.0))

    levels = entries.levels(entries.default(family), (0.5, 1.0, 1.5, 2.0))

    assert [(each.level, each.at_level["pods"]) for each in levels] == [(0.5, 45.0), (1.0, 90.0), (1.5, 95.0)]


def test_a_knob_at_its_bound_keeps_the_level_of_one() -> None:
    family = Family(name="a", build=fakes.build, defaults={"pods": 95.0, "loss": 0.0}, tightness=Tightness(knob="pods", most=95.0))

    assert [each.level for each in entries.levels(entries.default(family), (1.0, 1.5))] == [1.0]


def test_the_default_of_what_can_be_tuned_is_judged_as_it_is_unless_its_front_is_wanted() -> None:
    tunable, fixed, fronted = fakes.family("a"), fakes.family("b", tunable=False), fakes.family("c", front=True)

    assert entries.taking_part(entries.default(tunable)) == (1.0,)
    assert entries.taking_part(entries.tuned(tunable, {})) == entries.LEVELS
    assert entries.taking_part(entries.default(fixed)) == entries.LEVELS
    assert entries.taking_part(entries.default(fronted)) == entries.LEVELS


def test_an_entry_comes_back_from_another_process_as_it_was() -> None:
    entry = entries.tuned(fakes.family("a"), {"pods": 2.0})

    back = pickle.loads(pickle.dumps(entry))  # noqa: S301 - its own

    assert (back, back.name, back.tuning) == (entry, "a tuned", Tuning.TUNED)


def test_a_knob_without_a_default_is_refused() -> None:
    with pytest.raises(ValueError, match="speed can be tuned, but has no default"):
        Family(name="a", build=fakes.build, defaults={}, choices={"speed": (1, 2)})
    with pytest.raises(ValueError, match="so its default is a number"):
        Family(name="a", build=fakes.build, defaults={"pods": "many"}, tightness=Tightness(knob="pods"))

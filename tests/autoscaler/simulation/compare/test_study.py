"""A whole comparison with a simulator of one formula."""

import dataclasses

import pytest

from autoscaler.simulation.compare import entries, study
from autoscaler.simulation.compare.study import Plan, UnknownEntryError
from autoscaler.simulation.compare.tuning import Budget
from tests.autoscaler.simulation.compare import fakes


def plan(seeds: int = 3, **more: frozenset[str]) -> Plan:
    return Plan(
        cases=(fakes.case("one"), fakes.case("two")),
        families=(fakes.family("a", loss=0.018), fakes.family("b", tunable=False)),
        budget=Budget(configurations=4),
        seeds=seeds,
        **more,
    )


def test_every_family_is_judged_as_shipped_and_tuned_where_it_can_be() -> None:
    results = study.conduct(plan(), fakes.simulate, workers=1)

    assert [judged.case.name for judged in results.judged] == ["one", "two"]
    for judged in results.judged:
        assert [row.name for row in judged.rows] == ["a", "a tuned", "b"]
        assert all(len(runs) == 3 for row in judged.rows for runs in row.runs.values())


def test_what_is_tuned_has_the_settings_that_were_best_on_the_first_part() -> None:
    tuned = study.conduct(plan(), fakes.simulate, workers=1).judged[0].row("a tuned")

    assert tuned is not None
    assert dict(tuned.entry.settings) == {"pods": 1.0, "loss": 0.009}


def test_the_plan_says_beforehand_how_many_runs_there_are() -> None:
    counted: dict[str, int] = {}

    def tell(what: str, done: int, total: int) -> None:
        counted[what] = total

    wanted = plan()
    study.conduct(wanted, fakes.simulate, workers=1, progress=tell)

    # Tuning: two traces × four configurations × four levels.
    # Judging: two traces × (a as it is + five levels of a tuned and of b) × three seeds.
    assert (wanted.tuning_runs, wanted.judging_runs) == (2 * 4 * 4, 2 * (1 + 2 * len(entries.LEVELS)) * 3)
    assert counted == {"tuning": wanted.tuning_runs, "judging": wanted.judging_runs}


def test_all_policies_meet_the_same_seeds() -> None:
    judged = study.conduct(plan(), fakes.simulate, workers=1).judged[0]

    assert {tuple(run.seed for run in runs) for row in judged.rows for runs in row.runs.values()} == {(0, 1, 2)}


def test_a_timeline_is_kept_of_the_first_seed_of_those_that_are_drawn() -> None:
    judged = study.conduct(plan(drawn=frozenset({"a tuned"})), fakes.simulate, workers=1).judged[0]

    kept = [(row.name, level, run.seed) for row in judged.rows for level, runs in row.runs.items() for run in runs if run.timeline]
    assert kept == [("a tuned", 1.0, 0)]


def test_two_traces_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two traces of the same name"):
        Plan(cases=(fakes.case("one"), fakes.case("one")), families=())


def test_a_single_entry_has_the_settings_that_it_has_in_the_whole_comparison() -> None:
    whole = study.conduct(plan(), fakes.simulate, workers=1).judged[1].row("a tuned")

    case, entry = study.single(plan(), "two", "a tuned", fakes.simulate, workers=1)

    assert whole is not None
    assert (case.name, entry) == ("two", whole.entry)
    assert study.single(plan(), "two", "a", fakes.simulate, workers=1)[1].settings == (("pods", 1.0), ("loss", 0.018))


def test_what_is_no_trace_or_no_policy_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownEntryError, match="three: there is no such trace; there are one, two"):
        study.single(plan(), "three", "a", fakes.simulate, workers=1)
    with pytest.raises(UnknownEntryError, match="c: there is no such policy; there are a, a tuned, b"):
        study.single(plan(), "one", "c", fakes.simulate, workers=1)


def test_those_that_claims_are_about_have_all_seeds_and_the_others_the_first_of_them() -> None:
    few = dataclasses.replace(plan(), headline=frozenset({"a tuned"}), other_seeds=1)

    judged = study.conduct(few, fakes.simulate, workers=1).judged[0]

    assert {row.name: len(row.itself) for row in judged.rows} == {"a": 1, "a tuned": 3, "b": 1}
    assert few.judging_runs == 2 * (1 + len(entries.LEVELS) * 3 + len(entries.LEVELS))


def test_what_knows_the_load_is_chosen_on_the_judged_part_and_takes_part_only_so() -> None:
    seer = dataclasses.replace(fakes.family("seer", loss=0.018), clairvoyant=True)
    single = Plan(cases=(fakes.case("one"),), families=(seer,), budget=Budget(configurations=1), seeds=1)

    judged = study.conduct(single, fakes.simulate, workers=1).judged[0]

    assert [row.name for row in judged.rows] == ["seer"]
    # Of one configuration it is allowed four: all that there are.
    assert dict(judged.rows[0].entry.settings) == {"pods": 1.0, "loss": 0.009}
    assert single.tuning_runs == 4

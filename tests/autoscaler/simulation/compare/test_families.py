"""The families: all of them can be built as they are and with whatever tuning may choose, and travel to other processes."""

import dataclasses
import pickle

import numpy as np
import pytest

from autoscaler.simulation.compare import cases, entries, families, matrix, signals
from autoscaler.simulation.compare.cases import Case, Part, Preparation
from autoscaler.simulation.compare.entries import Family, Given
from autoscaler.simulation.compare.families import UnknownPolicyError
from autoscaler.simulation.compare.signals import Follow, Measured
from autoscaler.simulation.rivals.static import Static
from autoscaler.simulation.sight import Sight
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import World

CARRIED_PER_S = 5.7


@pytest.fixture(scope="module")
def case() -> Case:
    load = 10.0 + 5.0 * np.sin(np.arange(60) / 5.0)
    return cases.prepare(Rates("made", 60, load), World(), CARRIED_PER_S, Preparation(test_s=1200.0, peak_pods=8))


@pytest.fixture(scope="module")
def given(case: Case) -> Given:
    return matrix.given(case, Part.TEST)


@pytest.mark.parametrize("family", families.EVERY, ids=lambda family: family.name)
def test_a_family_can_be_built_with_all_that_tuning_may_choose_and_at_all_levels(family: Family, given: Given) -> None:
    chosen = [entries.default(family), *entries.drawn(family, 12, seed=3)]

    for entry in chosen:
        for level in entries.levels(entry):
            policy = level.build(given)
            assert policy.period_s > 0


@pytest.mark.parametrize("family", families.EVERY, ids=lambda family: family.name)
def test_a_family_comes_back_from_another_process_as_it_was(family: Family) -> None:
    back = pickle.loads(pickle.dumps(family))  # noqa: S301 - its own

    assert (back.name, back.defaults, back.about) == (family.name, family.defaults, family.about)


def test_every_family_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({family.name for family in families.EVERY}) == len(families.EVERY)
    assert all(family.about for family in families.EVERY)


@pytest.mark.parametrize("family", [family for family in families.EVERY if family.tunable], ids=lambda family: family.name)
def test_the_defaults_are_among_what_tuning_may_choose(family: Family) -> None:
    assert all(family.defaults[knob] in choices for knob, choices in family.choices.items())


def test_more_tightness_has_a_lower_target_for_each_signal(given: Given) -> None:
    loose, tight = (signals.followed(Follow.ALL, given, tightness) for tightness in (1.0, 2.0))

    assert [each.measured for each in loose] == [Measured.GPU, Measured.QUEUE, Measured.RATE]
    assert [each.target for each in loose] == [70.0, 10.0, pytest.approx(0.8 * CARRIED_PER_S)]
    assert [each.target for each in tight] == [35.0, 5.0, pytest.approx(0.4 * CARRIED_PER_S)]


def test_gpu_utilization_has_no_target_that_it_cannot_pass(given: Given) -> None:
    assert signals.followed(Follow.GPU, given, 0.5)[0].target == signals.MOST_GPU_PERCENT


def test_as_many_requests_are_in_a_pod_as_littles_law_says(given: Given) -> None:
    together = signals.together(given, 2.0)

    # 500 tokens in one chunk and 120 out: 120 steps of 8 ms, and for each running request 119 × 1 ms + 500 × 0.05 ms = 0.144 s.
    assert together == pytest.approx(2.0 * (0.96 + 0.144 * together))


def test_a_static_fleet_is_sized_on_the_first_part(given: Given) -> None:
    # Ten times the load in the judged part is nothing that it could have known.
    surprised = dataclasses.replace(given, workload=Rates("made", 60, [1000.0] * 20))

    built = [entries.default(families.chosen(["static"])[0]).build(each) for each in (given, surprised)]

    assert all(isinstance(policy, Static) for policy in built)
    sight = Sight(now=0.0, replicas=1, pods=())
    assert built[0].ask(sight) == built[1].ask(sight)


def test_policies_are_chosen_by_name_and_unknown_names_are_answered_with_those_there_are() -> None:
    assert [family.name for family in families.chosen(["hpa", "leadtime"])] == ["leadtime", "hpa"]
    assert families.chosen([]) == families.EVERY
    with pytest.raises(UnknownPolicyError, match=r"hpaa: there is no such policy; there are aibrix, hpa,"):
        families.chosen(["hpaa"])

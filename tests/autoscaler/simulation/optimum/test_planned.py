"""A plan at work: pods are asked for ahead of time, and let go on time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation import world
from autoscaler.simulation.optimum import planned
from autoscaler.simulation.sight import Sight

PODS = np.array([1, 1, 1, 4, 4, 2, 2, 2], dtype=np.int64)


def _ask(policy: planned.Planned, now: float) -> tuple[int, float | None]:
    wanted = policy.ask(Sight(now=now, replicas=1, pods=()))
    return wanted.replicas, wanted.in_s


def test_pods_are_asked_for_ahead_and_let_go_when_the_plan_does() -> None:
    # Ticks of 5 s, 10 s ahead: the four that are needed from 15 s on are asked for at 5 s, and two of them go at 25 s.
    policy = planned.Planned(PODS, 5.0, lead_s=10.0)

    assert [_ask(policy, 5.0 * tick)[0] for tick in range(9)] == [1, 4, 4, 4, 4, 2, 2, 2, 2]


def test_it_wants_to_be_asked_when_its_answer_changes() -> None:
    policy = planned.Planned(PODS, 5.0, lead_s=10.0)

    assert _ask(policy, 3.0) == (1, 2.0)
    assert _ask(policy, 6.0) == (4, 19.0)
    assert _ask(policy, 30.0) == (2, None)


def test_the_lead_is_the_start_and_all_that_has_to_be_told() -> None:
    startup = world.Startup(probe_s=10.0, endpoint_s=(1.0, 2.0))

    assert planned.lead_s(startup, 60.0, period_s=5.0) == 77.0


@given(pods=st.lists(st.integers(0, 9), min_size=1, max_size=40), lead=st.integers(0, 50))
def test_what_is_asked_for_is_the_most_that_is_needed_until_a_start_is_done(pods: list[int], lead: int) -> None:
    asked = planned.asked(np.array(pods, dtype=np.int64), lead)

    assert asked.tolist() == [max(pods[tick : tick + lead + 1]) for tick in range(len(pods))]


def test_a_plan_without_ticks_is_refused() -> None:
    with pytest.raises(ValueError, match="a plan has ticks"):
        planned.Planned(np.array([], dtype=np.int64), 5.0, lead_s=1.0)

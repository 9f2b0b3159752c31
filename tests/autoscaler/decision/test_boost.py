"""A boost raises the least for a while, beside the schedules, and is over at its time whoever asked."""

import math

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import pipeline, schedule
from autoscaler.decision.model import Memory, Rule, ScheduleState
from autoscaler.decision.schedule import Boost
from tests.autoscaler.decision import loop

NOW = 1_800_000_000.0
STATES = st.builds(
    ScheduleState,
    names=st.lists(st.sampled_from(["office", "night"]), max_size=2, unique=True).map(tuple),
    min_replicas=st.none() | st.integers(0, 20),
    max_replicas=st.none() | st.integers(1, 20),
)
BOOSTS = st.builds(Boost, min_replicas=st.integers(1, 20), until=st.floats(NOW - 1e6, NOW + 1e6))


@given(STATES, BOOSTS, st.floats(NOW + 1.0, NOW + 1e6) | st.just(math.inf))
def test_it_only_ever_raises_the_least_and_only_until_its_end(state: ScheduleState, boost: Boost, until: float) -> None:
    found, stands = schedule.boosted(state, until, boost, now=NOW)

    if boost.until <= NOW:
        assert (found, stands) == (state, until)
    else:
        assert found.min_replicas == max(boost.min_replicas, state.min_replicas or 0)
        assert (found.max_replicas, found.next_start) == (state.max_replicas, state.next_start)
        assert stands == min(until, boost.until)


def test_at_its_end_there_is_nothing_left_of_it() -> None:
    boost = Boost(min_replicas=5, until=NOW)

    assert schedule.boosted(ScheduleState(), math.inf, boost, now=NOW) == (ScheduleState(), math.inf)
    assert schedule.boosted(ScheduleState(), math.inf, boost, now=NOW - 0.001)[0].min_replicas == 5


def test_nothing_is_nothing() -> None:
    assert schedule.boosted(ScheduleState(), 7.0, None, now=NOW) == (ScheduleState(), 7.0)


def test_a_boost_is_a_step_of_the_trail_that_says_until_when() -> None:
    world = loop.Loop(policy=loop.FREE, replicas=2, serving=2)
    state, _ = schedule.boosted(ScheduleState(), math.inf, Boost(min_replicas=6, until=loop.START + 1800.0), now=loop.START)

    decision, _ = pipeline.decide(loop.FREE, world.observe(2.0, schedule=state), Memory())

    step = next(step for step in decision.trail if step.rule is Rule.SCHEDULE)
    # 1 800 000 000 is 08:00, and half an hour later it is over.
    assert (step.after, step.why) == (6, "schedule boost until 2027-01-15T08:30:00Z: at least 6")


def test_the_greatest_number_of_the_scaler_holds_for_a_boost_too() -> None:
    world = loop.Loop(policy=loop.FREE, replicas=2, serving=2)
    state, _ = schedule.boosted(ScheduleState(), math.inf, Boost(min_replicas=50, until=loop.START + 1800.0), now=loop.START)

    decision, _ = pipeline.decide(loop.FREE, world.observe(2.0, schedule=state), Memory())

    assert decision.replicas <= loop.FREE.max_replicas

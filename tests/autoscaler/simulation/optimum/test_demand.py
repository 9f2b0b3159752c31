"""The pods that a load demands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.simulation import workload, world
from autoscaler.simulation.optimum import demand
from autoscaler.simulation.serving import capacity

# One request takes 0.5 s of a pod, whatever comes with it.
SINGLE = world.World(engine=world.Classic(batch_s=0.4, item_s=0.1, exponential=True), max_replicas=50)
FROM_NONE = world.World(engine=SINGLE.engine, min_replicas=0, max_replicas=50)


def _requests(at: list[float], tokens: float = 1.0) -> workload.Requests:
    return workload.Requests("load", at, [500.0] * len(at), [tokens] * len(at))


def test_a_steady_rate_demands_what_it_takes() -> None:
    # 7/s of 0.5 s each: 3.5 pods.
    rates = workload.Rates("load", 60, [7.0])

    assert demand.demanded(rates, SINGLE, tick_s=10.0).tolist() == [4] * 6


def test_a_burst_demands_pods_for_as_long_as_a_first_token_may_take() -> None:
    # 20 requests of 0.5 s within 2 s: 5 pods, up to 12 s. It is looked at every half second: at 12.5 s half of them are 2 s ago.
    rates = workload.Rates("load", 1, [0.0] * 10 + [20.0] + [0.0] * 9)

    assert demand.demanded(rates, FROM_NONE, tick_s=1.0).tolist() == [0] * 10 + [5, 5, 3] + [0] * 7


def test_single_requests_and_their_rates_demand_the_same() -> None:
    at = (np.arange(60) / 2.0 + 0.25).tolist()
    requests, rates = _requests(at), workload.Rates("load", 30, [2.0])

    assert demand.demanded(requests, SINGLE, tick_s=5.0)[1:].tolist() == demand.demanded(rates, SINGLE, tick_s=5.0)[1:].tolist()


def test_long_answers_demand_more_than_short_ones() -> None:
    at = np.arange(0.0, 60.0, 0.1)
    tokens = np.where(at < 30.0, 50.0, 400.0)
    requests = workload.Requests("load", at, np.full(len(at), 500.0), tokens)

    pods = demand.demanded(requests, world.World(), tick_s=10.0)

    assert pods[1] < pods[4]


def test_a_raise_demands_so_much_more() -> None:
    # 3.5 pods and half as many: 5.25.
    rates = workload.Rates("load", 60, [7.0])

    assert demand.demanded(rates, SINGLE, tick_s=30.0, raised_ratio=0.5).tolist() == [6, 6]


def test_the_bounds_hold() -> None:
    rates = workload.Rates("load", 10, [0.0, 500.0])
    fleet = world.World(engine=SINGLE.engine, min_replicas=2, max_replicas=9)

    assert demand.demanded(rates, fleet, tick_s=10.0).tolist() == [2, 9]


def test_where_nothing_is_in_time_pods_are_demanded_for_what_they_can() -> None:
    rates = workload.Rates("load", 60, [50.0])
    fleet = world.World(slo=world.Slo(between_tokens_s=0.001))

    pods = demand.demanded(rates, fleet, tick_s=60.0)

    # Mean lengths of `Rates`: 500 and 120.
    assert pods.tolist() == [np.ceil(50.0 / capacity.most_per_s(fleet.engine, 500.0, 120.0))]


@settings(max_examples=30)
@given(
    per_s=st.lists(st.floats(0.0, 40.0), min_size=1, max_size=12).filter(any),
    more=st.floats(1.0, 3.0),
    tick_s=st.sampled_from([1.0, 5.0, 15.0]),
)
def test_more_load_never_demands_fewer(per_s: list[float], more: float, tick_s: float) -> None:
    less, greater = (
        demand.demanded(workload.Rates("load", 10, np.array(per_s) * times), FROM_NONE, tick_s=tick_s) for times in (1.0, more)
    )

    assert (greater >= less).all()


@pytest.mark.parametrize("wrong", [{"tick_s": 0.0}, {"tick_s": 1.0, "raised_ratio": -1.0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above"):
        demand.demanded(workload.Rates("load", 10, [1.0]), SINGLE, **wrong)

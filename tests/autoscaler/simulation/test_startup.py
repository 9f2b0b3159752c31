"""A pod's luck: lognormal, by its number, and seen by probes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.startup import Luck
from autoscaler.simulation.world import Startup


def test_half_of_the_starts_take_the_median_and_nine_of_ten_the_p90() -> None:
    startup = Startup(p50_s=45.0, p90_s=90.0)

    totals = np.array([Luck(startup, 7, number).total_s for number in range(1, 2001)])

    # With 2,000 draws a share of 0.5 has a standard error of 0.011, one of 0.9 of 0.007.
    assert (totals <= 45.0).mean() == pytest.approx(0.5, abs=0.04)
    assert (totals <= 90.0).mean() == pytest.approx(0.9, abs=0.025)


def test_without_a_spread_all_starts_are_alike() -> None:
    assert {Luck(Startup(p50_s=60.0, p90_s=60.0), 1, number).total_s for number in range(1, 9)} == {60.0}


def test_a_pods_luck_depends_on_its_number_and_the_seed_alone() -> None:
    startup = Startup()

    assert Luck(startup, 1, 5).total_s == Luck(startup, 1, 5).total_s
    assert len({Luck(startup, seed, number).total_s for seed in (1, 2) for number in (5, 6)}) == 4


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e4), st.integers(1, 99), st.sampled_from([0.5, 1.0, 10.0]))
def test_readiness_is_seen_at_the_first_probe_that_finds_it(
    started_at: float, loading_s: float, number: int, probe_s: float
) -> None:
    luck = Luck(Startup(probe_s=probe_s), 1, number)
    loaded_at = started_at + loading_s

    seen_at = luck.probed_at(started_at, loaded_at)

    assert 0.0 <= seen_at - loaded_at < probe_s + 1e-6
    probes = (seen_at - started_at - luck.probe_phase_s) / probe_s
    assert probes == pytest.approx(round(probes), abs=1e-4)
    assert 0.0 <= luck.probe_phase_s < probe_s


def test_without_probes_readiness_is_seen_at_once() -> None:
    assert Luck(Startup(probe_s=0.0), 1, 1).probed_at(10.0, 33.0) == 33.0


def test_an_attempt_that_fails_takes_half_of_its_time_and_the_next_is_drawn_anew() -> None:
    luck = Luck(Startup(failure_ratio=1.0, scheduling_ratio=0.1, image_ratio=0.3), 1, 1)
    first_s = luck.total_s

    loading_s, fails = luck.attempt()

    # 1 - 0.1 - 0.3 = 0.6 of it is loading.
    assert (loading_s, fails) == (pytest.approx(0.6 * first_s / 2), True)
    assert luck.total_s != first_s


def test_as_many_attempts_fail_as_is_said() -> None:
    failed = [Luck(Startup(failure_ratio=0.2), 3, number).attempt()[1] for number in range(1, 1001)]

    assert np.mean(failed) == pytest.approx(0.2, abs=0.05)  # four standard errors of 0.0126


@given(st.integers(1, 99))
def test_endpoints_learn_within_their_time(number: int) -> None:
    luck = Luck(Startup(endpoint_s=(1.0, 2.0)), 1, number)

    assert all(1.0 <= luck.endpoint_s() <= 2.0 for _ in range(5))

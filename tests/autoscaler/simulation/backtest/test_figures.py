"""Two kinds of run are compared seed by seed: better is only what is worse in nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.backtest import figures
from autoscaler.simulation.outcome import GpuSeconds, Outcome


def outcome(gpu_hours: float, missed: float, seed: int = 0) -> Outcome:
    return Outcome(
        workload="load",
        policy="leadtime",
        seed=seed,
        duration_s=3600.0,
        requests=10_000.0,
        completed=10_000.0,
        late=missed,
        failed=0.0,
        killed=0.0,
        gpu_s=GpuSeconds(serving=gpu_hours * 3600.0, busy=gpu_hours * 1800.0),
        starts=3,
        changes=4,
        reversals=1,
        first_token_p50_s=0.1,
        first_token_p95_s=0.2,
        first_token_p99_s=0.3,
    )


def test_figures_are_means_over_the_seeds() -> None:
    found = figures.Figures.of([outcome(10.0, 100.0), outcome(14.0, 300.0)])

    assert found.gpu_hours == pytest.approx(12.0)
    assert found.missed == pytest.approx(200.0)
    assert found.missed_ratio == pytest.approx(0.02)
    assert found.utilization_ratio == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("others", "better"),
    [
        ([(9.0, 100.0), (9.0, 100.0)], True),  # a tenth cheaper
        ([(10.0, 50.0), (10.0, 50.0)], True),  # half as many missed
        ([(9.95, 100.0), (9.95, 100.0)], False),  # half a per cent is not worth a change
        ([(9.0, 102.0), (9.0, 100.0)], False),  # with one seed 2 of 10,000 requests more are missed
        ([(10.02, 50.0), (10.0, 50.0)], False),  # with one seed it is dearer
        ([(10.0, 100.0), (10.0, 100.0)], False),
    ],
)
def test_better_is_what_is_worth_a_change_and_worse_with_no_seed(others: list[tuple[float, float]], better: bool) -> None:
    base = [outcome(10.0, 100.0), outcome(10.0, 100.0, seed=1)]

    found = figures.difference(base, [outcome(*each, seed=seed) for seed, each in enumerate(others)])

    assert found.better is better


@given(st.floats(1.0, 100.0), st.floats(0.0, 5000.0), st.floats(1.0, 100.0), st.floats(0.0, 5000.0))
def test_of_two_kinds_of_run_at_most_one_is_better(hours: float, missed: float, other_hours: float, other_missed: float) -> None:
    one, other = [outcome(hours, missed)], [outcome(other_hours, other_missed)]

    assert not (figures.difference(one, other).better and figures.difference(other, one).better)
    assert not figures.difference(one, one).better

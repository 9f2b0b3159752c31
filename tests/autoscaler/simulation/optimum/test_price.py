"""What a run cost, as one number."""

import pytest

from autoscaler.simulation.optimum import price
from autoscaler.simulation.outcome import GpuSeconds, Outcome


def _outcome(*, gpu_s: float, late: float = 0.0, failed: float = 0.0, starts: int = 0) -> Outcome:
    return Outcome(
        workload="load",
        policy="any",
        seed=1,
        duration_s=60.0,
        requests=100.0,
        completed=100.0 - failed,
        late=late,
        failed=failed,
        killed=0.0,
        gpu_s=GpuSeconds(serving=gpu_s),
        starts=starts,
        changes=0,
        reversals=0,
        first_token_p50_s=0.1,
        first_token_p95_s=0.1,
        first_token_p99_s=0.1,
    )


def test_gpu_time_missed_requests_and_starts_add_up() -> None:
    # 7200 + (3 + 2) · 20 + 4 · 60 = 7540 GPU-seconds.
    outcome = _outcome(gpu_s=7200.0, late=3.0, failed=2.0, starts=4)

    assert price.cost_gpu_h(outcome, price.Prices(missed_gpu_s=20.0, start_gpu_s=60.0)) == pytest.approx(7540 / 3600)


def test_regret_is_what_a_run_costs_beyond_the_optimum() -> None:
    prices = price.Prices()

    assert price.regret_ratio(_outcome(gpu_s=5000.0), _outcome(gpu_s=4000.0), prices) == pytest.approx(0.25)
    assert price.regret_ratio(_outcome(gpu_s=4000.0), _outcome(gpu_s=4000.0), prices) == 0.0


def test_no_regret_is_told_of_an_optimum_that_costs_nothing() -> None:
    with pytest.raises(ValueError, match="cost nothing"):
        price.regret_ratio(_outcome(gpu_s=1.0), _outcome(gpu_s=0.0), price.Prices())


def test_prices_are_not_negative() -> None:
    with pytest.raises(ValueError, match="not negative"):
        price.Prices(missed_gpu_s=-1.0)

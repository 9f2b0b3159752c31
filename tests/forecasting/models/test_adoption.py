"""What is adopted: what has been better on a day that its fit had not seen, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecasting.errors import InputError
from forecasting.forecast import Array, Spec
from forecasting.models import adoption, autoregressive
from forecasting.models.history import History, Verdict
from forecasting.tuning import Autoregression, Tuning
from tests.forecasting.models import loads

SPEC = Spec(step_s=60, day_s=80 * 60, horizons=(1, 5), quantiles=(0.1, 0.5, 0.9))
SETTLE = adoption.settle(SPEC)


def history(values: Array, *, slot: int = 0, tuning: Tuning | None = None) -> History:
    return History(name="qwen", slot=slot, values=values, tuning=tuning or Tuning())


def refitted(values: Array, *, slot: int = 0, tuning: Tuning | None = None) -> Verdict:
    (verdict,) = adoption.refit([history(values, slot=slot, tuning=tuning)], SPEC)
    return verdict


def daily(days: float) -> Array:
    return loads.daily(days, spec=SPEC)


def white(days: float) -> Array:
    return loads.white(days, spec=SPEC)


@pytest.fixture(scope="module")
def cycle() -> Array:
    """Return a load that doubles for 3 of every 17 buckets: no day has its shape, and only the lags tell when it will."""
    buckets = np.arange(round(3.5 * SPEC.day))
    noise = np.random.default_rng(2).normal(0.0, 1.0, buckets.size)
    return np.asarray(np.where(buckets % 17 < 3, 200.0, 100.0) + noise)


@pytest.fixture(scope="module")
def judged(cycle: Array) -> Verdict:
    """Return the verdict on it."""
    return refitted(cycle)


def test_rows_do_not_see_each_other() -> None:
    slow = Tuning(autoregression=Autoregression(scale=1.0, constant=5.0, lags=(0.9,)))
    trials = [
        adoption.Trial(values=daily(3.2), slot=0, tunings=(Tuning(), Tuning())),
        adoption.Trial(values=white(3.2), slot=0, tunings=(Tuning(), slow)),
    ]

    day, noise = adoption.replay(trials, SPEC)

    (alone,) = adoption.replay(trials[1:], SPEC)
    assert day.shape == (2, 2, 2)  # rows, horizons, and the quantiles from the median on
    assert (day[0] == day[1]).all()
    np.testing.assert_allclose(noise, alone, rtol=1e-4)
    assert (noise[0] != noise[1]).any()


def test_a_proposal_does_not_see_the_day_that_it_is_judged_by() -> None:
    values = daily(4.5)
    other = values.copy()
    other[-SPEC.day - SETTLE :] = white(2)[: SPEC.day + SETTLE]

    seen, unseen = (adoption._prepared(history(load), SPEC) for load in (values, other))

    assert isinstance(seen, adoption.Trial)
    assert isinstance(unseen, adoption.Trial)
    assert seen.tunings == unseen.tunings


def test_a_proposal_that_earns_its_place_is_fitted_to_all(cycle: Array, judged: Verdict) -> None:
    assert judged.tuning == Tuning(autoregression=autoregressive.fit(cycle, SPEC, 0))
    assert judged.ratio is not None
    assert judged.ratio < 0.7
    assert judged.why == f"{judged.ratio:.3f} of the loss over the last day"


def test_what_runs_already_is_no_improvement(cycle: Array, judged: Verdict) -> None:
    again = refitted(cycle, tuning=judged.tuning)

    assert again.ratio == pytest.approx(1.0, abs=0.02)


def test_the_first_bucket_may_have_any_number(cycle: Array, judged: Verdict) -> None:
    slot = 29_000_000 // SPEC.day * SPEC.day  # a midnight in 2025

    verdict = refitted(cycle, slot=slot)

    assert verdict.tuning == judged.tuning


def test_noise_adopts_nothing_and_says_by_how_much_it_was_missed() -> None:
    verdict = refitted(white(3.2))

    assert verdict.tuning == Tuning()
    assert verdict.ratio is not None
    assert verdict.why == f"{verdict.ratio:.3f} of the loss over the last day: 0.98 is asked for"


@given(
    hnp.arrays(np.float64, (2, 3), elements=st.floats(0.1, 10.0)),
    st.floats(0.5, 2.0),
)
def test_the_ratio_is_that_of_the_losses_whatever_their_size(loss: Array, factor: float) -> None:
    assert adoption._ratio(factor * loss, loss, level=1.0) == pytest.approx(factor, rel=1e-4)


def test_between_two_perfect_forecasts_the_ratio_is_one() -> None:
    assert adoption._ratio(np.zeros((1, 1)), np.zeros((1, 1)), level=100.0) == 1.0
    assert adoption._ratio(np.zeros((1, 1)), np.zeros((1, 1)), level=0.0) == 1.0


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (loads.daily(3, spec=SPEC), "240 buckets are too few to judge a model by: wait for 250"),
        (np.full(5 * SPEC.day, 7.0), "the series is constant at 7"),
        (np.append(daily(3.5), np.full(70, np.nan)), "less than half of the last day can be scored"),
    ],
    ids=["short", "constant", "silent"],
)
def test_a_series_that_no_model_can_be_judged_on_has_a_verdict_that_says_why(values: Array, why: str) -> None:
    verdict = refitted(values)

    assert verdict.tuning == Tuning()
    assert why in verdict.why


def test_one_that_cannot_be_judged_does_not_hold_up_the_others() -> None:
    good, short = history(daily(3.2)), history(np.ones(3), slot=261)

    verdicts = adoption.refit([short, good, short], SPEC)

    assert [verdict.ratio is not None for verdict in verdicts] == [False, True, False]


def test_series_of_different_times_are_the_callers_mistake() -> None:
    with pytest.raises(InputError, match="series that end 1000 buckets apart"):
        adoption.refit([history(daily(3.2)), history(daily(3.2), slot=1000)], SPEC)

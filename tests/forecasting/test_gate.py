"""The gate: open where a forecast has proved itself, shut everywhere else, and shut at once when it fails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import InputError, StateError
from forecasting.forecast import Array, Spec
from forecasting.gate import Gate, Rules, Verdict

#: A day of 96 buckets, so that a test has days to offer; a gate opens after 20 forecasts.
SPEC = Spec(step_s=900, horizons=(1, 4))
RULES = Rules(least=20, caution=20.0)


def judged(errors: Array, *, reference: float = 1.0, horizon: int = 1, q: float = 0.5, gate: Gate | None = None) -> Gate:
    """Return the gate of a series that is 100 throughout, forecast with *errors*, its references with *reference*: one row."""
    gate = gate or Gate(1, SPEC, references=2, rules=RULES)
    gate.realise(np.array([100.0]))
    for error in errors:
        gate.issue(
            np.array([100.0 + error]),
            np.array([[100.0 + reference], [100.0 + 2 * reference]]),
            horizons=np.array([horizon]),
            quantiles=np.array([q]),
        )
        gate.realise(np.array([100.0]))
    return gate


def test_it_opens_when_enough_forecasts_have_been_better_than_the_best_reference() -> None:
    # The ratio is 0.5; with 20 more at 1 it counts as 0.75.
    assert not judged(np.full(19, 0.5)).open[0]
    assert judged(np.full(20, 0.5)).open[0]
    assert judged(np.full(20, 0.5)).ratio == pytest.approx([0.5])


def test_forecasts_of_futures_that_overlap_are_worth_less() -> None:
    # 60 for four buckets are worth 15: 1 − 0.1·15/35 = 0.957; of one bucket they are worth 60: 1 − 0.1·60/80 = 0.925.
    assert not judged(np.full(63, 0.9), horizon=4).open[0]
    assert judged(np.full(60, 0.9), horizon=1).open[0]


def test_few_forecasts_that_are_a_little_better_open_it_later() -> None:
    # 1 − 0.07·n/(n + 20) < 0.95 from n = 51 on: 0.07·51/71 = 0.0503.
    assert not judged(np.full(50, 0.93)).open[0]
    assert judged(np.full(51, 0.93)).open[0]


@pytest.mark.parametrize("error", [0.96, 1.0, 3.0])
def test_it_stays_shut_where_a_reference_does_about_as_well(error: float) -> None:
    gate = judged(np.full(300, error))

    assert not gate.open[0]
    assert "best reactive" in gate.why(0) or "far worse" in gate.why(0)


def test_once_open_it_shuts_where_the_reference_is_better_and_not_before() -> None:
    opened = judged(np.full(96, 0.5))
    # A mean over 100 that was 0.5 and gets 1.2: above 1 when 0.7·(99/100)ⁿ < 0.2, from n = 125 on.
    still = judged(np.full(115, 1.2), gate=opened).open[0]
    shut = judged(np.full(20, 1.2), gate=opened)

    assert still
    assert not shut.open[0]
    assert shut.verdict(0) is Verdict.NO_BETTER


def test_a_forecast_that_fails_badly_shuts_it_within_the_hour() -> None:
    gate = judged(np.full(960, 0.5), gate=Gate(1, Spec(step_s=90, horizons=(1, 4)), references=2, rules=RULES))
    # The last hour's mean was 0.25, half of the error, and goes towards 5. It is above the reference's 0.5 by as much again, its
    # usual loss, when 0.25 + 4.75·(1 − (29/30)ⁿ) > 1, from n = 6 on; the day's mean is still 0.28.
    opened = [bool(judged(np.array([10.0]), gate=gate).open[0]) for _ in range(7)]

    assert opened == [True, True, True, True, True, False, False]
    assert gate.verdict(0) is Verdict.FAILING
    assert gate.ratio[0] < 0.6


def test_a_shift_of_level_shuts_it_at_once_and_until_it_is_over() -> None:
    gate = judged(np.full(96, 0.5))
    gate.issue(
        np.array([100.5]),
        np.array([[101.0], [102.0]]),
        horizons=np.array([1]),
        quantiles=np.array([0.5]),
        shifted=np.array([True]),
    )

    assert not gate.open[0]
    assert gate.verdict(0) is Verdict.SHIFTED
    assert "just changed" in gate.why(0)
    assert judged(np.full(2, 0.5), gate=gate).open[0]


def test_a_forecast_that_is_too_low_too_often_stays_shut_however_small_its_loss() -> None:
    # Always 0.1 below, where a median is to be above half of the time; its loss is a twentieth of the best reference's.
    gate = judged(np.full(200, -0.1), reference=2.0)

    assert gate.ratio[0] == pytest.approx(0.05, rel=1e-4)
    assert not gate.open[0]
    assert gate.verdict(0) is Verdict.UNDERCOVERED
    assert gate.why(0) == "it covers 0% where 50% is asked for"


def test_what_is_issued_for_several_buckets_is_compared_with_the_largest_of_them() -> None:
    gate = Gate(1, SPEC, references=1, rules=RULES)
    gate.realise(np.array([1.0]), 7)
    gate.issue(np.array([5.0]), np.array([[9.0]]), horizons=np.array([4]), quantiles=np.array([0.5]))
    for value in (2.0, 7.0, 3.0):
        gate.realise(np.array([value]))
    before = gate.evaluations[0]

    gate.realise(np.array([1.0]))

    # The largest of 2, 7, 3, 1 is 7: both are off by 2.
    assert (before, gate.evaluations[0]) == (0, 1)
    assert gate.ratio[0] == 1.0


@pytest.mark.parametrize(("known", "evaluations"), [((np.nan, np.nan, np.nan, 4.0), 0), ((np.nan, 4.0, np.nan, 4.0), 1)])
def test_what_is_mostly_not_known_is_not_judged(known: tuple[float, ...], evaluations: int) -> None:
    gate = Gate(1, SPEC, references=1, rules=RULES)
    gate.realise(np.array([1.0]))
    gate.issue(np.array([5.0]), np.array([[9.0]]), horizons=np.array([4]), quantiles=np.array([0.5]))

    for value in known:
        gate.realise(np.array([value]))

    assert gate.evaluations[0] == evaluations


def test_buckets_that_are_left_out_are_gaps_and_what_was_issued_for_them_is_never_judged() -> None:
    gate = Gate(1, SPEC, references=1, rules=RULES)
    gate.realise(np.array([1.0]), 100)
    gate.issue(np.array([5.0]), np.array([[9.0]]), horizons=np.array([1]), quantiles=np.array([0.5]))

    gate.realise(np.array([1.0]), 106)

    assert gate.evaluations[0] == 0


def test_a_horizon_that_changes_leaves_the_record_and_each_forecast_is_judged_by_its_own() -> None:
    gate = judged(np.full(30, 0.5), horizon=4)
    known = gate.evaluations[0]

    judged(np.full(30, 0.5), horizon=1, gate=gate)

    assert gate.evaluations[0] > known
    assert gate.open[0]


def test_a_series_of_zeros_that_everybody_forecasts_without_error_is_no_merit() -> None:
    gate = judged(np.zeros(300), reference=0.0)

    assert gate.ratio[0] == 1.0
    assert not gate.open[0]


def test_a_row_that_has_seen_nothing_says_that_it_learns() -> None:
    gate = Gate(2, SPEC, rules=RULES)

    assert np.isnan(gate.ratio).all()
    assert np.isnan(gate.coverage).all()
    assert gate.why(1) == "it learns: 0 of 20 forecasts have come due"


def test_rows_come_and_go_without_touching_their_neighbours() -> None:
    gate = judged(np.full(30, 0.5))
    gate.resize(3)
    gate.take(judged(np.full(30, 2.0)), [2])
    told = gate.open.tolist(), gate.evaluations.tolist()

    gate.reset([2])

    assert told == ([True, False, False], [30, 0, 30])
    assert gate.evaluations.tolist() == [30, 0, 0]
    assert gate.open[0]


@given(st.integers(0, 40), st.integers(1, 4))
def test_what_is_saved_goes_on_as_if_nothing_had_been(buckets: int, horizon: int) -> None:
    rng = np.random.default_rng(buckets)
    errors = rng.normal(0.0, 0.5, 60)
    whole = judged(errors[:buckets], horizon=horizon)
    again = Gate.load(whole.dump(), SPEC, rules=RULES)

    for one in (whole, again):
        judged(errors[buckets:], horizon=horizon, gate=one)

    assert again.dump() == whole.dump()


def test_a_state_of_something_else_is_refused() -> None:
    told = judged(np.full(3, 0.5)).dump()

    with pytest.raises(StateError, match="another specification"):
        Gate.load(told, Spec())
    with pytest.raises(StateError, match="damaged"):
        Gate.load(told[:-1] + bytes([told[-1] ^ 1]), SPEC)


def test_what_does_not_fit_is_refused() -> None:
    gate = Gate(1, SPEC, references=2, rules=RULES)
    good = {"horizons": np.array([1]), "quantiles": np.array([0.5])}
    with pytest.raises(InputError, match="call realise first"):
        gate.issue(np.array([1.0]), np.ones((2, 1)), **good)
    gate.realise(np.array([1.0]), 5)

    with pytest.raises(InputError, match="taken in before"):
        gate.realise(np.array([1.0]), 5)
    with pytest.raises(InputError, match="one value for each"):
        gate.realise(np.ones(2))
    with pytest.raises(InputError, match="references have shape"):
        gate.issue(np.array([1.0]), np.ones((3, 1)), **good)
    with pytest.raises(InputError, match="must be 1 to 4 buckets"):
        gate.issue(np.array([1.0]), np.ones((2, 1)), horizons=np.array([5]), quantiles=np.array([0.5]))
    with pytest.raises(InputError, match="must be the same"):
        gate.take(Gate(2, SPEC, references=2, rules=RULES), [0])
    with pytest.raises(InputError, match="must not be above"):
        Rules(opens_below=1.1)

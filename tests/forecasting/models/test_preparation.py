"""What a fit gets to see of a series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecasting.errors import InputError, ModelError
from forecasting.forecast import Array
from forecasting.models import preparation

ANYTHING = hnp.arrays(np.float64, st.integers(1, 50), elements=st.floats(allow_nan=True, allow_infinity=True))


@given(ANYTHING)
def test_what_is_filled_is_a_load_without_gaps_or_refused(values: Array) -> None:
    try:
        filled = preparation.filled(values)
    except ModelError:
        assert preparation.missing(values).mean() > 0.2
    else:
        assert filled.shape == values.shape
        assert not preparation.missing(filled).any()
        known = ~preparation.missing(values)
        assert (filled[known] == values[known]).all()


def test_gaps_are_bridged_by_straight_lines_and_the_ends_are_held() -> None:
    values = np.array([np.nan, 1.0, 1.0, 1.0, 1.0, -5.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, np.inf])

    filled = preparation.filled(values)

    # 3 of 15 are missing: just not too many. Between 1 and 3 lies 2.
    assert filled.tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]


def test_more_than_a_fifth_missing_is_refused_with_the_count() -> None:
    values = np.where(np.arange(10) < 3, np.nan, 1.0)

    with pytest.raises(ModelError, match=r"3 of 10 buckets are missing: at most 20% may be"):
        preparation.filled(values)


def test_a_table_is_the_callers_mistake() -> None:
    with pytest.raises(InputError, match=r"values have shape \(2, 3\).*pass shape \(n,\)"):
        preparation.filled(np.ones((2, 3)))


@pytest.mark.parametrize(
    "values", [np.zeros(10), np.full(10, 7.0), 7.0 + 1e-9 * np.arange(10)], ids=["zeros", "sevens", "rounding"]
)
def test_a_constant_is_refused(values: Array) -> None:
    with pytest.raises(ModelError, match="the series is constant at"):
        preparation.require_variation(values)

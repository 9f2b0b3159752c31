"""Quantiles of values that stand for several requests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation import quantiles


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_weights_of_one_give_the_quantile_of_the_values(values: list[int], ratio: float) -> None:
    [value] = quantiles.weighted([(float(each), 1.0) for each in values], (ratio,))

    assert value == np.quantile(values, ratio, method="inverted_cdf")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=20), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_weight_is_as_good_as_so_many_values(pairs: list[tuple[int, int]], ratio: float) -> None:
    repeated = [(float(value), 1.0) for value, weight in pairs for _ in range(weight)]

    assert quantiles.weighted([(float(v), float(w)) for v, w in pairs], (ratio,)) == quantiles.weighted(repeated, (ratio,))


@pytest.mark.parametrize("pairs", [[], [(1.0, 0.0)]])
def test_without_weight_there_is_no_quantile(pairs: list[tuple[float, float]]) -> None:
    assert all(math.isnan(value) for value in quantiles.weighted(pairs, (0.5, 0.9)))

"""Rates and quantiles from successive pages: restarts, windows, and what cannot be told."""

import doctest
import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapter.metric import Row
from adapter.sources import counters
from adapter.sources.counters import Counters

INTERVAL_S = 5.0
counts = st.integers(0, 10**9).map(float)


def rate_of(values: Sequence[float], *, window_s: float = 1e6, step_s: float = INTERVAL_S) -> float | None:
    """Return the rate after *values* were read, one every *step_s*."""
    seen = Counters(window_s)
    for number, value in enumerate(values):
        seen.add([Row({"pod": "a"}, value, number * step_s)], now=number * step_s)
    rates = seen.rates()
    return rates[0].value if rates else None


def page(at: float, amounts: dict[str, float], **labels: str) -> list[Row]:
    return [Row({**labels, "le": bound}, amount, at) for bound, amount in amounts.items()]


# --- rates ---


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=20))
def test_without_a_restart_a_rate_is_last_less_first_over_the_time_between(growth: list[int]) -> None:
    values = [float(sum(growth[: end + 1])) for end in range(len(growth))]

    assert rate_of(values) == pytest.approx((values[-1] - values[0]) / (INTERVAL_S * (len(values) - 1)))


@given(st.lists(counts, min_size=2, max_size=20))
def test_after_a_restart_all_that_is_shown_has_come_since(values: list[float]) -> None:
    grown = sum(later - earlier if later >= earlier else later for earlier, later in itertools.pairwise(values))

    assert rate_of(values) == pytest.approx(grown / (INTERVAL_S * (len(values) - 1)))


@given(st.lists(counts, min_size=2, max_size=30), st.integers(2, 30))
def test_only_what_was_measured_within_the_window_counts(values: list[float], pages: int) -> None:
    # A window of n intervals is open at its start: it holds the last n pages.
    assert rate_of(values, window_s=pages * INTERVAL_S) == rate_of(values[-pages:])


@given(st.lists(counts, max_size=20), st.floats(0.1, 100.0))
def test_a_rate_is_never_negative(values: list[float], window_s: float) -> None:
    rate = rate_of(values, window_s=window_s)

    assert rate is None or rate >= 0


@pytest.mark.parametrize("values", [[], [7.0]])
def test_one_page_tells_no_rate(values: list[float]) -> None:
    assert rate_of(values) is None


def test_a_rate_is_as_old_as_its_newest_measurement() -> None:
    seen = Counters(60)
    seen.add([Row({}, 1.0, 100.0)], now=101.0)
    seen.add([Row({}, 5.0, 102.0)], now=106.0)

    assert seen.rates() == [Row({}, 2.0, 102.0)]


def test_a_measurement_that_is_shown_again_is_no_new_one() -> None:
    seen = Counters(60)
    seen.add([Row({}, 1.0, 100.0)], now=100.0)
    seen.add([Row({}, 5.0, 102.0)], now=102.0)
    seen.add([Row({}, 5.0, 102.0)], now=107.0)

    assert seen.rates() == [Row({}, 2.0, 102.0)]


def test_a_page_that_failed_costs_no_history() -> None:
    # 10 a page for pages 0 to 5, of which 2 to 4 were not read: 50 in 25 s.
    seen = Counters(60)
    for number in (0, 1, 5):
        seen.add([Row({}, 10.0 * number, number * INTERVAL_S)], now=number * INTERVAL_S)

    assert seen.rates() == [Row({}, 2.0, 25.0)]


def test_a_series_that_left_the_page_has_no_rate_any_more() -> None:
    seen = Counters(60)
    for number in range(2):
        seen.add([Row({"pod": pod}, float(number), number * INTERVAL_S) for pod in "ab"], now=number * INTERVAL_S)

    seen.add([Row({"pod": "a"}, 2.0, 10.0)], now=10.0)

    assert [row.labels for row in seen.rates()] == [{"pod": "a"}]


def test_a_series_not_seen_for_the_window_is_forgotten() -> None:
    seen = Counters(60)
    seen.add([Row({"pod": "a"}, 1.0, 0.0)], now=0.0)

    seen.add([Row({"pod": "b"}, 1.0, 60.0)], now=60.0)

    assert len(seen) == 1


@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
def test_a_count_that_is_no_finite_number_is_as_if_it_had_not_been_there(nonsense: float) -> None:
    # 10 → 30 in 10 s; the page between says nothing.
    assert rate_of([10.0, nonsense, 30.0]) == 2.0


def test_a_clock_that_was_set_back_starts_the_history_afresh() -> None:
    seen = Counters(60)
    seen.add([Row({}, 1.0, 5000.0)], now=5000.0)
    seen.add([Row({}, 2.0, 5005.0)], now=5005.0)

    for number in range(3):
        seen.add([Row({}, 10.0 + number * 10.0, number * INTERVAL_S)], now=number * INTERVAL_S)

    assert seen.rates() == [Row({}, 2.0, 10.0)]


# --- histograms ---


def test_buckets_are_kept_together_by_their_other_labels_and_grow_as_one() -> None:
    seen = Counters(60, buckets=True)
    seen.add([*page(0, {"1": 1, "+Inf": 2}, pod="a"), *page(0, {"1": 0, "+Inf": 0}, pod="b")], now=0)
    seen.add([*page(5, {"1": 4, "+Inf": 9}, pod="a"), *page(5, {"1": 0, "+Inf": 1}, pod="b")], now=5)

    grown = {growth.labels["pod"]: dict(growth.amounts) for growth in seen.growths()}

    assert grown == {"a": {"1": 3.0, "+Inf": 7.0}, "b": {"1": 0.0, "+Inf": 1.0}}


def test_a_restart_shows_in_any_bucket_and_is_of_all_of_them() -> None:
    # After the restart the first bucket already shows more than before: by itself it would look like a growth of 1.
    seen = Counters(60, buckets=True)
    seen.add(page(0, {"1": 2, "+Inf": 50}), now=0)
    seen.add(page(5, {"1": 3, "+Inf": 4}), now=5)

    (growth,) = seen.growths()

    assert growth.amounts == {"1": 3.0, "+Inf": 4.0}


def test_other_buckets_are_another_histogram() -> None:
    seen = Counters(60, buckets=True)
    seen.add(page(0, {"1": 2, "+Inf": 50}), now=0)
    seen.add(page(5, {"2": 3, "+Inf": 60}), now=5)

    assert list(seen.growths()) == []


# --- quantiles ---

#: The histograms of Prometheus' own tests (promql/promqltest/testdata/histograms.test) and the answers that they demand.
POSITIVE = {"0.1": 50.0, ".2": 70.0, "1e0": 110.0, "+Inf": 120.0}
NEGATIVE = {"-.2": 10.0, "-0.1": 20.0, "0.3": 20.0, "+Inf": 30.0}


@pytest.mark.parametrize(
    ("amounts", "q", "expected"),
    [
        (POSITIVE, 0.2, 0.048),
        (POSITIVE, 0.5, 0.15),
        (POSITIVE, 0.8, 0.72),
        (POSITIVE, 1.0, 1.0),
        (NEGATIVE, 0.2, -0.2),
        (NEGATIVE, 0.5, -0.15),
        (NEGATIVE, 0.8, 0.3),
    ],
)
def test_quantiles_are_those_of_prometheus(amounts: dict[str, float], q: float, expected: float) -> None:
    assert counters.quantile(q, amounts) == pytest.approx(expected)


@pytest.mark.parametrize(
    "amounts",
    [{}, {"+Inf": 5.0}, {"1": 5.0}, {"1": 0.0, "+Inf": 0.0}, {"1": 5.0, "2": 6.0}, {"1": 5.0, "much": 6.0}],
    ids=["no buckets", "one bucket", "no +Inf", "no observation", "two without +Inf", "a bound that is no number"],
)
def test_what_tells_no_quantile_is_not_a_number(amounts: dict[str, float]) -> None:
    assert math.isnan(counters.quantile(0.9, amounts))


def test_one_bound_in_two_spellings_is_one_bucket() -> None:
    together = counters.quantile(0.5, {"1": 10.0, "1.0": 10.0, "2": 15.0, "2.0": 15.0, "+Inf": 30.0})

    assert together == counters.quantile(0.5, {"1": 20.0, "2": 30.0, "+Inf": 30.0})


bounds = st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=8, unique=True).map(sorted)


@given(bounds, st.data(), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_stay_within_the_buckets_and_do_not_cross(
    upper: list[float], data: st.DataObject, one: float, two: float
) -> None:
    inside = data.draw(st.lists(st.integers(0, 1000), min_size=len(upper) + 1, max_size=len(upper) + 1))
    assume(sum(inside) > 0)
    cumulative = [float(sum(inside[: end + 1])) for end in range(len(inside))]
    amounts = dict(zip([*map(repr, upper), "+Inf"], cumulative, strict=True))

    lower, higher = (counters.quantile(q, amounts) for q in sorted((one, two)))

    assert 0 <= lower <= higher * (1 + 1e-12) <= upper[-1] * (1 + 1e-9)


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(counters) == doctest.TestResults(failed=0, attempted=1)

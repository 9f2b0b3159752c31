"""What can be a load, which buckets were left out, and what became of the forecasts that are due."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import intake
from forecasting.errors import InputError
from forecasting.forecast import Spec, Target


def test_what_cannot_be_a_load_is_a_gap() -> None:
    values = np.array([3.0, 0.0, -1.0, np.inf, -np.inf, np.nan, 1e30])

    loads = intake.loads(values, rows=7)

    np.testing.assert_array_equal(loads, np.array([3.0, 0.0, np.nan, np.nan, np.nan, np.nan, np.nan], dtype=np.float32))


def test_one_value_for_each_row_is_needed() -> None:
    with pytest.raises(InputError, match="rows"):
        intake.loads(np.zeros(3), rows=2)


def test_the_bucket_after_the_last_follows_without_a_gap() -> None:
    assert intake.left_out(7, None, longest=30) == (8, [])
    assert intake.left_out(None, 500, longest=30) == (500, [])


def test_of_buckets_that_were_left_out_only_the_first_and_the_last_matter() -> None:
    slot, missing = intake.left_out(7, 1_000_000, longest=3)

    assert slot == 1_000_000
    assert missing == [8, 9, 10, 999_997, 999_998, 999_999]
    assert intake.left_out(7, 11, longest=3) == (11, [8, 9, 10])


@given(last=st.integers(0, 10**9), late=st.integers(0, 10**6))
def test_a_late_or_repeated_bucket_is_refused(last: int, late: int) -> None:
    with pytest.raises(InputError, match="taken in before"):
        intake.left_out(last, last - late, longest=30)


@given(start=st.integers(0, 1000), horizons=st.sets(st.integers(1, 12), min_size=1, max_size=4))
def test_what_is_issued_comes_due_h_buckets_later(start: int, horizons: set[int]) -> None:
    ordered = tuple(sorted(horizons))
    due = intake.Due(ordered)
    issued = np.full(due.places, -1)

    for slot in range(start, start + 40):
        arrived = issued[due.at(slot)]
        issued[due.at(slot)] = slot

        expected = [slot - h if slot - h >= start else -1 for h in ordered]
        assert arrived.tolist() == expected


@given(values=st.lists(st.one_of(st.floats(0, 100, width=32), st.just(float("nan"))), min_size=12, max_size=20))
def test_the_outcome_of_the_maximum_is_that_of_a_brute_force_search(values: list[float]) -> None:
    spec = Spec(horizons=(1, 4, 10), target=Target.MAX)
    recent = intake.Recent(1, spec)
    for slot, value in enumerate(values):
        recent.add(slot, np.array([value], dtype=np.float32))

    outcome = recent.outcome(len(values) - 1)[:, 0]

    for horizon, found in zip(spec.horizons, outcome, strict=True):
        window = np.array(values[-horizon:], dtype=np.float32)
        known = window[np.isfinite(window)]
        expected = known.max() if 2 * len(known) >= horizon else np.nan
        np.testing.assert_array_equal(found, np.float32(expected))

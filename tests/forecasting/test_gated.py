"""The engine behind its gates, on series whose nature is known. A day has 120 buckets, so that a test has eight of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from forecasting import state
from forecasting.errors import InputError, StateError
from forecasting.forecast import Array, Mask, Spec
from forecasting.gate import Verdict
from forecasting.gated import Gated, at_each

SPEC = Spec(day_s=7200, horizons=(1, 5, 10))
DAYS = 8
SHIFTS_AT = 7 * SPEC.day + 30
#: Rows of each kind.
WHITE, WALK, DAILY, SHIFTED = (slice(start, start + 10) for start in (0, 10, 20, 30))


def series(rng: np.random.Generator) -> Array:
    """Return the loads of all rows, shape (rows, buckets)."""
    buckets = np.arange(DAYS * SPEC.day)
    phases = rng.uniform(0.0, 1.0, (20, 1))
    daily = (10.0 + 8.0 * np.sin(2 * np.pi * (buckets / SPEC.day + phases))) * rng.lognormal(0.0, 0.05, (20, len(buckets)))
    daily[10:, SHIFTS_AT:] *= 3.0
    white = rng.gamma(4.0, 3.0, (10, len(buckets)))
    walk = np.abs(60.0 + np.cumsum(rng.normal(0.0, 1.0, (10, len(buckets))), axis=1))
    return np.concatenate([white, walk, daily])


@dataclass
class Seen:
    """The gates after each bucket, shape (buckets, rows)."""

    gated: Gated
    open: Mask
    shifted: Mask


@pytest.fixture(scope="module")
def seen() -> Seen:
    loads = series(np.random.default_rng(20))
    rows, buckets = loads.shape
    gated = Gated(rows, SPEC)
    horizons, quantiles = np.full(rows, 5), np.full(rows, 0.9)
    opened, shifted = np.zeros((buckets, rows), dtype=np.bool_), np.zeros((buckets, rows), dtype=np.bool_)
    for bucket in range(buckets):
        gated.observe(loads[:, bucket], horizons=horizons, quantiles=quantiles)
        opened[bucket] = gated.gate.open
        if bucket >= SHIFTS_AT:
            shifted[bucket] = [gated.gate.verdict(row) is Verdict.SHIFTED for row in range(rows)]
    return Seen(gated, opened, shifted)


@pytest.mark.parametrize("kind", [WHITE, WALK])
def test_on_noise_it_stays_shut_or_shuts_within_the_hour(seen: Seen, kind: slice) -> None:
    assert seen.open[:, kind].mean() <= 0.01
    assert longest(seen.open[:, kind]) <= 60


def test_on_a_daily_pattern_it_opens_and_stays_open(seen: Seen) -> None:
    last = seen.open[-2 * SPEC.day :, DAILY]

    assert last.mean() >= 0.9
    assert (np.abs(np.diff(last.astype(int), axis=0)).sum(axis=0) <= 2).all()
    assert (seen.gated.gate.ratio[DAILY] < 0.95).all()


def test_a_shift_of_level_shuts_it_within_the_hour(seen: Seen) -> None:
    before, after = seen.open[SHIFTS_AT - 1, SHIFTED], seen.open[SHIFTS_AT : SHIFTS_AT + 60, SHIFTED]

    assert before.mean() >= 0.8
    assert (~after).any(axis=0).all()
    assert seen.shifted[SHIFTS_AT : SHIFTS_AT + 10, SHIFTED].any(axis=0).mean() >= 0.8


def longest(opened: Mask) -> int:
    """Return for how many buckets in a row any of the gates was open."""
    most = 0
    for row in opened.T:
        run = 0
        for each in row:
            run = run + 1 if each else 0
            most = max(most, run)
    return most


def test_a_row_that_comes_from_another_goes_on_as_if_it_had_always_been_here() -> None:
    loads = series(np.random.default_rng(1))[[0, 25], :60]
    whole, first, second = Gated(2, SPEC), Gated(2, SPEC), Gated(1, SPEC)
    horizons, quantiles = np.array([5, 10]), np.array([0.9, 0.5])
    for bucket in range(50):
        whole.observe(loads[:, bucket], bucket, horizons=horizons, quantiles=quantiles)
        first.observe(np.array([loads[0, bucket], np.nan]), bucket, horizons=horizons, quantiles=quantiles)
        second.observe(loads[1:, bucket], bucket, horizons=horizons[1:], quantiles=quantiles[1:])

    first.take(second, [1])
    for bucket in range(50, 60):
        for one in (whole, first):
            one.observe(loads[:, bucket], bucket, horizons=horizons, quantiles=quantiles)

    assert np.array_equal(at_each(first.engine, horizons, quantiles), at_each(whole.engine, horizons, quantiles))
    assert np.array_equal(first.gate.ratio, whole.gate.ratio)


def test_what_is_saved_goes_on_exactly_and_what_is_damaged_is_refused() -> None:
    loads = series(np.random.default_rng(2))[[0, 25], :40]
    gated = Gated(2, SPEC)
    horizons, quantiles = np.array([5, 10]), np.array([0.9, 0.5])
    for bucket in range(30):
        gated.observe(loads[:, bucket], bucket, horizons=horizons, quantiles=quantiles)
    kept = gated.dump()
    again = Gated.load(kept, SPEC)

    for bucket in range(30, 40):
        for one in (gated, again):
            one.observe(loads[:, bucket], bucket, horizons=horizons, quantiles=quantiles)

    assert again.dump() == gated.dump()
    assert again.rows == 2
    for harm in (kept[:-1], kept[:5], b"", kept[: len(kept) // 2]):
        with pytest.raises(StateError, match=r"cut short|parts"):
            Gated.load(harm, SPEC)
    with pytest.raises(StateError, match="another specification"):
        Gated.load(kept, Spec())


def test_rows_come_are_forgotten_and_skip_buckets_in_step() -> None:
    gated = Gated(1, SPEC)
    gated.observe(np.array([4.0]), 7, horizons=np.array([5]), quantiles=np.array([0.9]))

    gated.resize(2)
    gated.advance(9)
    gated.reset([0], keep_profile=True)

    assert (gated.rows, gated.slot) == (2, 9)
    assert np.isnan(gated.engine.quantiles()).all()
    assert state.fingerprint(gated.spec) == state.fingerprint(SPEC)


def test_each_row_is_asked_at_its_own_horizon_and_quantile() -> None:
    gated = Gated(3, SPEC)
    horizons, quantiles = np.array([1, 7, 10]), np.array([0.9, 0.5, 0.97])
    for value in (4.0, 6.0, 5.0, 7.0):
        gated.observe(np.full(3, value), horizons=horizons, quantiles=quantiles)

    told = at_each(gated.engine, horizons, quantiles)

    expected = [gated.engine.quantiles([h], [q])[row, 0, 0] for row, (h, q) in enumerate(zip(horizons, quantiles, strict=True))]
    assert told.tolist() == expected
    assert at_each(Gated(0, SPEC).engine, np.array([], dtype=int), np.array([])).shape == (0,)
    with pytest.raises(InputError, match="must have shape"):
        at_each(gated.engine, horizons[:2], quantiles)

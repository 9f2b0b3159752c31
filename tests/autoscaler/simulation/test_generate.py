"""Made load is as large as it is asked to be, shaped as its kind says, and the same for the same seed."""

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation import generate
from autoscaler.simulation.shapes import Kind
from autoscaler.simulation.workload import Rates, Values, WorkloadError

HOUR_S, DAY_S = 3600, 86_400

#: The variance by mean of how many requests come in a long time is the sum of the clients' shares times their squared variations.
DISPERSION = {
    Kind.DAILY: 0.2 * 2**2 + 0.15 * 2**2 + 0.1 * 1.5**2 + 0.55,
    Kind.BURSTY: 0.3 * 6**2 + 0.2 * 5**2 + 0.1 * 4**2 + 0.4,
}

_KINDS = st.sampled_from(list(Kind))


def dispersion(counts: Values) -> float:
    """Return the variance of counts by their mean: 1 for a Poisson process."""
    return float(counts.var() / counts.mean())


def day(kind: Kind, seed: int = 1) -> Rates:
    """Return a day of *kind*, 20 requests a second, without a past."""
    return generate.rates(kind, seed=seed, mean_per_s=20, past_s=0)


def test_every_kind_has_its_sentence() -> None:
    assert list(generate.KINDS) == list(Kind)


@given(_KINDS, st.integers(0, 10_000), st.sampled_from([15, 60]))
def test_as_many_come_as_are_asked_for(kind: Kind, seed: int, step_s: int) -> None:
    load = generate.rates(kind, seed=seed, mean_per_s=20, duration_s=6 * HOUR_S, past_s=0, step_s=step_s)

    due = 20 * 6 * HOUR_S
    # Six standard deviations, and the client's group that is cut at each end.
    assert load.per_s.sum() * step_s == pytest.approx(due, abs=6 * (DISPERSION.get(kind, 1.0) * due) ** 0.5 + 300)
    assert len(load.per_s) == 6 * HOUR_S / step_s


@given(_KINDS, st.integers(0, 10_000))
def test_as_many_requests_come_as_are_asked_for(kind: Kind, seed: int) -> None:
    log = generate.requests(kind, seed=seed, mean_per_s=10, duration_s=1800)

    assert len(log) == pytest.approx(18_000, abs=6 * (DISPERSION.get(kind, 1.0) * 18_000) ** 0.5 + 1)
    assert log.duration_s <= 1800


@given(_KINDS, st.integers(0, 10_000))
def test_the_same_seed_is_the_same_load_and_another_is_not(kind: Kind, seed: int) -> None:
    first, again, other = (
        generate.rates(kind, seed=s, duration_s=HOUR_S, past_s=HOUR_S).per_s.tobytes() for s in (seed, seed, seed + 1)
    )
    assert first == again != other

    log, same = (generate.requests(kind, seed=seed, duration_s=600) for _ in range(2))
    assert log.at.tobytes() == same.at.tobytes()
    assert log.prompt_tokens.tobytes() == same.prompt_tokens.tobytes()


def test_seeds_mean_the_same_on_every_machine() -> None:
    # Written down once: another machine, or a numpy whose generators changed, must come to the same bytes.
    digest = hashlib.sha256()
    for kind in Kind:
        load = generate.rates(kind, seed=3, duration_s=2 * HOUR_S, past_s=HOUR_S)
        log = generate.requests(kind, seed=3, duration_s=600)
        for kept in (load.per_s, load.past, log.at, log.prompt_tokens, log.output_tokens):
            digest.update(np.rint(kept * 1e6).astype("<i8").tobytes())

    assert digest.hexdigest() == "8919cd739de2e7bcd54dc83ae16ef6959eb6c3bec447d3037f738d8f7ad3b26d"


@given(_KINDS, st.integers(0, 100))
def test_what_comes_does_not_depend_on_how_much_past_there_is(kind: Kind, seed: int) -> None:
    short = generate.rates(kind, seed=seed, duration_s=HOUR_S, past_s=0)
    long = generate.rates(kind, seed=seed, duration_s=HOUR_S, past_s=5 * HOUR_S)

    assert short.per_s.tobytes() == long.per_s.tobytes()
    assert len(long.past) == 5 * 60
    assert (long.past >= 0).all()


def test_days_are_busiest_in_the_afternoon_and_weekends_are_quiet() -> None:
    week = generate.rates(Kind.DAILY, seed=1, mean_per_s=20, duration_s=7 * DAY_S, past_s=0, step_s=60)
    hours = week.per_s.reshape(7, 24, 60).mean(axis=2)

    weekdays = hours[:5].mean(axis=0)
    assert int(weekdays.argmax()) in (13, 14)  # the curve's highest point is 14:00
    assert weekdays[14] > 3 * weekdays[2]
    assert hours[5:].mean() < 0.75 * hours[:5].mean()


def test_the_past_of_a_day_is_the_days_before_it() -> None:
    load = generate.rates(Kind.DAILY, seed=1, mean_per_s=20, duration_s=DAY_S, past_s=2 * DAY_S)

    for past in load.past.reshape(2, 24, 60).mean(axis=2):
        assert int(past.argmax()) in (12, 13, 14, 15)


@pytest.mark.parametrize("seed", range(3))
def test_bursty_load_is_burstier_than_a_flat_one_at_every_scale(seed: int) -> None:
    bursty, flat = (generate.requests(kind, seed=seed, mean_per_s=20) for kind in (Kind.BURSTY, Kind.FLAT))

    for scale_s in (1, 10, 60):
        few, many = (
            dispersion(np.bincount((log.at // scale_s).astype(np.int64), minlength=3600 // scale_s)) for log in (flat, bursty)
        )
        # 3600 / 60 = 60 counts of a Poisson process: their dispersion is 1, with a standard deviation of (2 / 60) ** 0.5 = 0.18.
        assert few < 2
        assert many > 4


def test_flat_load_is_poisson() -> None:
    # 1440 counts: the dispersion's standard deviation is (2 / 1440) ** 0.5 = 0.037.
    assert dispersion(day(Kind.FLAT).per_s * 60) == pytest.approx(1.0, abs=0.15)
    gaps = np.diff(generate.requests(Kind.FLAT, seed=1, mean_per_s=20).at)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_the_kinds_are_what_their_sentences_say(seed: int) -> None:
    spiky, steps, ramp, sparse = (day(kind, seed).per_s for kind in (Kind.SPIKY, Kind.STEPS, Kind.RAMP, Kind.SPARSE))

    assert np.mean(spiky == 0) > 0.75
    assert spiky.max() > 5 * spiky.mean()
    low, high = np.quantile(steps, (0.1, 0.9))
    assert high / low == pytest.approx(5, rel=0.15)
    assert np.abs(np.diff(steps)).max() > 0.7 * (high - low)
    assert np.quantile(ramp, 0.99) / np.quantile(ramp, 0.05) == pytest.approx(6, rel=0.2)
    assert np.abs(np.diff(ramp)).max() < 0.3 * ramp.max()
    # The longest silence is longer than an hour.
    assert "0" * 60 in "".join("1" if value else "0" for value in sparse)


def test_shifted_load_repeats_itself_until_it_does_not() -> None:
    load = generate.rates(Kind.SHIFTED, seed=1, mean_per_s=20, past_s=DAY_S)
    peaks = np.concatenate((load.past, load.per_s)).reshape(48, 60) > 30

    hours = peaks[:24].any(axis=0)
    assert 11 <= hours.sum() <= 14  # a fifth of an hour
    assert (peaks[:31] == peaks[0]).mean() > 0.99  # up to 30 % of the day at least
    assert (peaks[39:] == peaks[0]).mean() < 0.9  # and never after 60 %


def test_lengths_are_whole_heavy_tailed_and_of_the_mean_that_rates_say() -> None:
    log = generate.requests(Kind.FLAT, seed=1, mean_per_s=50)  # 180,000
    load = day(Kind.FLAT)

    for lengths, mean, expected in (
        (log.prompt_tokens, load.mean_prompt_tokens, 500),
        (log.output_tokens, load.mean_output_tokens, 120),
    ):
        assert (lengths == np.rint(lengths)).all()
        assert lengths.min() >= 1
        assert lengths.mean() == pytest.approx(mean, rel=0.02)
        assert mean == pytest.approx(expected, rel=0.01)
        assert np.quantile(lengths, 0.999) > 10 * np.median(lengths)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"seed": -1}, "the seed -1 must be 0 or more"),
        ({"seed": 1, "mean_per_s": 0.0}, "mean_per_s 0.0 must be above 0"),
        ({"seed": 1, "duration_s": 540}, "duration_s 540 must be 600 or more"),
        ({"seed": 1, "duration_s": 90_001}, "must be multiples of step_s 60"),
        ({"seed": 1, "past_s": -60}, "must be multiples of step_s 60"),
        ({"seed": 1, "step_s": 0}, "must be multiples of step_s 0"),
        ({"seed": 1, "past_s": 60 * 10**9}, "are more than can be made"),
        ({"seed": 1, "mean_per_s": 1e-9}, "there are no requests"),
    ],
)
def test_what_cannot_be_made_is_said(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(WorkloadError, match=why):
        generate.rates(Kind.DAILY, **arguments)


@pytest.mark.parametrize(("mean_per_s", "why"), [(1e9, "more than can be made one by one"), (1e-9, "there are no requests")])
def test_requests_that_cannot_be_made_are_refused(mean_per_s: float, why: str) -> None:
    with pytest.raises(WorkloadError, match=why):
        generate.requests(Kind.DAILY, seed=1, mean_per_s=mean_per_s)

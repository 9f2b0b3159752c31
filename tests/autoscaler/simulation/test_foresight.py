"""What is foretold of a load: by the product's forecaster at work, by a recording of it, or by whoever knows."""

import asyncio
import dataclasses
import math
import pickle

import numpy as np
import pytest

from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.decision.model import Forecast
from autoscaler.decision.offered import Offered
from autoscaler.simulation import foresight, loads
from autoscaler.simulation.foresight import Learning, Perfect, Recorded, Recording, Unseen
from autoscaler.simulation.measures import MeasureError
from autoscaler.simulation.ours import scaler_of
from autoscaler.simulation.workload import Rates
from forecasting.forecast import Spec
from forecasting.series import Series

SPEC = Spec(day_s=3600)
BEGINS_S = 36_000  # ten of its days
PER_REPLICA = 2.0


def rates(minutes: int = 40, *, past: int = 240, seed: int = 1) -> Rates:
    """Return a load with a wave a day (of an hour) and some noise, and its past."""
    at = np.arange(-past, minutes) * 60.0
    load = 20.0 + 12.0 * np.sin(at / 3600.0 * 2 * math.pi) + np.random.default_rng(seed).normal(0, 0.5, len(at))
    return Rates("waves", 60, load[past:], past=load[:past], start_s=BEGINS_S)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return foresight.record(rates(), spec=SPEC, horizons=(1, 2, 5, 30), quantiles=(0.5, 0.9, 0.97))


def learning(past: int | None = 240) -> Learning:
    """Return the forecaster that has learned the first *past* buckets before the beginning."""
    whole = loads.series(rates())
    return Learning(past=None if past is None else Series(whole.start_s, 60, whole.values[:past] / PER_REPLICA), spec=SPEC)


def played(one: Learning, minutes: int, *, lead_s: float) -> list[Forecast | None]:
    """Return what *one* says at the beginning of each minute while it sees the load."""
    series = rates()
    told = []
    for minute in range(minutes):
        now = BEGINS_S + 60.0 * minute
        for look in (0.0, 15.0, 30.0, 45.0):
            forecast = one.forecast(now + look, lead_s, 0.9, 0.97)
            if not look:
                told.append(forecast)
            one.saw(Offered(replicas=float(series.per_s[minute]) / PER_REPLICA, signals=()), now + look)
    return told


@pytest.mark.parametrize(("lead_s", "buckets"), [(60.0, 2), (260.0, 5)])
def test_a_recording_says_what_the_forecaster_says(recording: Recording, lead_s: float, buckets: int) -> None:
    played_back = Recorded(recording, PER_REPLICA)

    told = played(learning(), 40, lead_s=lead_s)

    recorded = [played_back.forecast(BEGINS_S + 60.0 * minute, lead_s, 0.9, 0.97) for minute in range(40)]
    known = [(one, other) for one, other in zip(told, recorded, strict=True) if one is not None and other is not None]
    assert len(known) == 40
    for one, other in known:
        assert other.serving == pytest.approx(one.serving, rel=1e-5)
        assert other.pool == pytest.approx(one.pool, rel=1e-5)
        assert (other.horizon_s, other.gate_open) == (one.horizon_s, one.gate_open)
        assert one.horizon_s == buckets * 60.0
    assert any(one.gate_open for one, _ in known)


def test_the_forecaster_at_work_is_the_controllers() -> None:
    scaler = scaler_of(PER_REPLICA)
    clock = [float(BEGINS_S)]

    async def aside(work, *given):  # type: ignore[no-untyped-def]
        return work(*given)

    async def controller() -> list[Forecast | None]:
        anticipation = Anticipation(spec=SPEC, clock=lambda: clock[0], aside=aside)
        anticipation.follow(scaler)
        told = []
        for minute in range(40):
            for look in (0.0, 15.0, 30.0, 45.0):
                now = clock[0] = BEGINS_S + 60.0 * minute + look
                if minute and not look:
                    await anticipation.close()
                one = anticipation.forecast(scaler.key, lead_s=90.0 + minute, quantile=0.9, pool_quantile=0.97, now=now)
                told.append(one)
                anticipation.saw(scaler.key, Offered(replicas=1.0 + minute % 7 + look / 60.0, signals=()), now=now)
        return told

    ours, told = Learning(spec=SPEC), []
    for minute in range(40):
        for look in (0.0, 15.0, 30.0, 45.0):
            now = BEGINS_S + 60.0 * minute + look
            told.append(ours.forecast(now, 90.0 + minute, 0.9, 0.97))
            ours.saw(Offered(replicas=1.0 + minute % 7 + look / 60.0, signals=()), now)

    assert told == asyncio.run(controller())
    assert told[-1] is not None


def test_a_lead_between_two_horizons_is_answered_from_the_longer(recording: Recording) -> None:
    one = Recorded(recording, PER_REPLICA).forecast(BEGINS_S + 600.0, 120.0, 0.9, 0.97)

    # 120 s are 2.5 buckets and so 3; the next that there is has 5.
    assert one is not None
    assert one.horizon_s == 300.0


def test_a_recording_scales_with_what_a_replica_takes(recording: Recording) -> None:
    one, two = (Recorded(recording, each).forecast(BEGINS_S + 600.0, 120.0, 0.9, 0.97) for each in (1.0, 4.0))

    assert one is not None
    assert two is not None
    assert one.serving == pytest.approx(4.0 * two.serving)


def test_forecasts_scale_with_the_load() -> None:
    few, many = (
        foresight.record(Rates("r", 60, factor * rates().per_s, start_s=BEGINS_S), spec=SPEC, horizons=(5,), quantiles=(0.9,))
        for factor in (1.0, 0.013)
    )

    np.testing.assert_allclose(many.said, 0.013 * few.said, rtol=1e-5)
    np.testing.assert_array_equal(many.open, few.open)


def test_a_recording_knows_nothing_of_the_minute_that_has_not_ended() -> None:
    usual = rates(minutes=24, past=20)
    bumped = usual.per_s.copy()
    bumped[20:] *= 3.0
    other = Rates("waves", 60, bumped, past=usual.past, start_s=BEGINS_S)

    one, two = (Recorded(foresight.record(each, spec=SPEC, horizons=(2,), quantiles=(0.9,)), 1.0) for each in (usual, other))

    for minute in range(21):
        assert one.forecast(BEGINS_S + 60.0 * minute, 60.0, 0.9, 0.9) == two.forecast(BEGINS_S + 60.0 * minute, 60.0, 0.9, 0.9)
    assert one.forecast(BEGINS_S + 60.0 * 21, 60.0, 0.9, 0.9) != two.forecast(BEGINS_S + 60.0 * 21, 60.0, 0.9, 0.9)


def test_a_recording_travels_between_processes(recording: Recording) -> None:
    again = pickle.loads(pickle.dumps(recording))  # noqa: S301

    one, two = (Recorded(each, PER_REPLICA).forecast(BEGINS_S + 600.0, 60.0, 0.9, 0.97) for each in (recording, again))
    assert one == two
    assert one is not None


def test_nothing_is_foretold_before_there_was_any_load() -> None:
    cold = foresight.record(Rates("r", 60, [5.0] * 10, start_s=BEGINS_S), spec=SPEC, horizons=(2,), quantiles=(0.9,))

    assert Recorded(cold, 1.0).forecast(float(BEGINS_S), 60.0, 0.9, 0.97) is None
    assert Learning(spec=SPEC).forecast(float(BEGINS_S), 60.0, 0.9, 0.97) is None
    assert Recorded(cold, 1.0).forecast(BEGINS_S + 60.0, 60.0, 0.9, 0.97) is not None


def test_a_recording_ends_with_its_load(recording: Recording) -> None:
    ended = BEGINS_S + 40 * 60.0

    # Of two buckets: what was said at the end still stands a minute later, and no more after two.
    stands = [Recorded(recording, 1.0).forecast(ended + later, 60.0, 0.9, 0.97) is not None for later in (0.0, 60.0, 119.0, 120.0)]
    assert stands == [True, True, True, False]


def test_who_knows_tells_the_largest_load_within_the_lead() -> None:
    truth = Perfect(Rates("r", 60, [2.0, 2.0, 8.0, 4.0, 2.0]), per_replica=2.0)

    told = [truth.forecast(now, 90.0, 0.9, 0.97) for now in (0.0, 20.0, 30.0, 120.0, 180.0, 299.0, 300.0)]

    # From 30 s on, 90 s reach into the third minute, whose 8 per second fill four replicas.
    assert [one.serving if one else None for one in told] == [1.0, 1.0, 4.0, 4.0, 2.0, 1.0, None]
    assert all(one is None or (one.gate_open and one.pool == one.serving) for one in told)


def test_nobody_who_is_unseen_says_anything() -> None:
    Unseen().saw(None, 0.0)

    assert Unseen().forecast(0.0, 60.0, 0.9, 0.97) is None


def test_a_past_of_other_buckets_is_refused() -> None:
    with pytest.raises(ValueError, match=r"15 s .* 60 s: resample"):
        Learning(past=loads.series(rates(), step_s=15), spec=SPEC)


def test_the_rate_of_a_replica_is_its_rate_signals_target() -> None:
    policy = scaler_of(2.5).policy

    assert foresight.rate_per_replica(policy) == 2.5
    with pytest.raises(MeasureError, match="add one"):
        foresight.rate_per_replica(dataclasses.replace(policy, signals=policy.signals[:2]))


def test_a_recording_begins_with_what_is_known_when_the_load_begins() -> None:
    recording = foresight.record(rates(10, past=5), spec=SPEC, horizons=(1,), quantiles=(0.9,))

    assert recording.first == BEGINS_S // 60 - 1
    assert recording.said.shape == recording.open.shape == (11, 1, 1)

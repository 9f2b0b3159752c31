"""Loads to test with, all of them seeded: a day is only 120 buckets long, so that weeks take milliseconds."""

import numpy as np

from forecasting.engine import Engine
from forecasting.forecast import Array, Spec, Target

DAY = 120
SPEC = Spec(horizons=(1, 5, 10), quantiles=(0.5, 0.9, 0.99), target=Target.AT, day_s=DAY * 60)


def daily(buckets: int, *, rows: int = 1, seed: int = 0, noise: float = 0.05) -> Array:
    """Return a load with a daily wave between 20 and 180 and some noise, shape (buckets, rows)."""
    rng = np.random.default_rng(seed)
    wave = 100 + 80 * np.sin(2 * np.pi * np.arange(buckets) / DAY)
    return np.maximum(wave[:, None] * (1 + noise * rng.normal(size=(buckets, rows))), 0.0)


def noisy(buckets: int, *, rows: int = 1, seed: int = 0, level: float = 100.0) -> Array:
    """Return a load without a pattern around *level*, shape (buckets, rows)."""
    return level * np.random.default_rng(seed).gamma(20.0, 1 / 20.0, size=(buckets, rows))


def feed(engine: Engine, values: Array, start: int = 0) -> Array:
    """Let *engine* take in *values* from bucket *start* on, and return its quantiles: (buckets, rows, horizons, quantiles)."""
    issued = []
    for slot, value in enumerate(values, start):
        engine.observe(value, slot)
        issued.append(engine.quantiles())
    return np.array(issued)


def mean_error(issued: Array, actual: Array, *, place: int, horizon: int) -> float:
    """Return the mean absolute error of the medians at horizon number *place*, which is *horizon* buckets."""
    return float(np.mean(np.abs(actual[horizon:] - issued[: len(actual) - horizon, :, place, 0])))


def last_error(actual: Array, horizon: int) -> float:
    """Return the mean absolute error of the last value."""
    return float(np.mean(np.abs(actual[horizon:] - actual[:-horizon])))

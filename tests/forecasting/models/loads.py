"""Loads with a known make-up, for fits whose result can be told beforehand. A day of them is 240 buckets, to be quick."""

import numpy as np
from numpy.typing import NDArray

from forecasting.forecast import Array, Spec

SPEC = Spec(step_s=60, day_s=240 * 60)


def shape(slots: NDArray[np.integer], spec: Spec = SPEC) -> Array:
    """Return a day's shape around 0 that two waves describe in full: +30 at the peak of the first, 10 of the second."""
    angle = 2.0 * np.pi * slots / spec.day
    return 30.0 * np.sin(angle) + 10.0 * np.cos(2.0 * angle)


def daily(days: float, *, slot: int = 0, noise: float = 1.0, seed: int = 1, spec: Spec = SPEC) -> Array:
    """Return *days* of that shape around 100, from bucket *slot* on, with normal noise of that standard deviation."""
    slots = slot + np.arange(round(days * spec.day))
    return 100.0 + shape(slots, spec) + np.random.default_rng(seed).normal(0.0, noise, slots.size)


def white(days: float, *, seed: int = 1, spec: Spec = SPEC) -> Array:
    """Return noise around 100."""
    return np.random.default_rng(seed).normal(100.0, 10.0, round(days * spec.day))

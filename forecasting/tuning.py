"""What may be set for one series apart from all others: found by a slow fit now and then, run by the engine in every bucket."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoregression:
    """``y[t+1] = constant + Σ lags[i]·y[t−i] + Σ sines[k]·sin(2π(k+1)(t+1)/day) + cosines[k]·cos(…)``, t the bucket's number.

    Iterated for longer horizons. The parameters stand for values divided by *scale*.
    """

    scale: float
    constant: float
    lags: tuple[float, ...]
    sines: tuple[float, ...] = ()
    cosines: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a fit proposes for one series; None leaves what there is."""

    autoregression: Autoregression | None = None

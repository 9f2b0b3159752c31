"""What is expected of a target's load, and what that expectation has been worth so far: a value that is made once a minute."""

from dataclasses import dataclass

from autoscaler.decision.model import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One target's prospects. Loads are in replicas' worth."""

    forecast: Forecast | None = None
    """What a decision may use; None where nothing can be said yet, or any more."""
    quantiles: tuple[tuple[float, float], ...] = ()
    """Quantiles of the largest load within the horizon, each with its load, ascending."""
    realised: float | None = None
    """The largest load of the last buckets, as many as the horizon has: what the forecast made before them was of."""
    learning: bool = True
    """Too few forecasts have come due to judge them."""
    ratio: float | None = None
    """The forecasts' loss over that of the best reactive ones; below 1 they are worth something."""
    coverage: float | None = None
    """The share of realised loads that were at most the forecast, 0 to 1."""
    evaluations: int = 0
    """How many forecasts have come due."""
    why: str = "nothing has been seen of its load yet"
    """Why the forecast is believed or not."""
    trouble: str = ""
    """Why the days before we began to look are not known, if they are not."""

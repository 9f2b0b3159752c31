"""What a run cost, as one number: GPU time, requests that were not answered in time, and starts."""

from dataclasses import dataclass

from autoscaler.simulation.outcome import Outcome

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a missed request and a start are worth, in GPU-seconds."""

    missed_gpu_s: float = 20.0
    """A request that is late or fails. One GPU of the default world answers some five requests a second in time: at this price a
    GPU for a second pays where more than one request in a hundred would be late without it."""
    start_gpu_s: float = 60.0
    """A start, beside the GPU time it takes, which is counted as such: wear, images pulled, the risk that it fails."""

    def __post_init__(self) -> None:
        if self.missed_gpu_s < 0.0 or self.start_gpu_s < 0.0:
            raise ValueError(f"prices are not negative: missed_gpu_s {self.missed_gpu_s}, start_gpu_s {self.start_gpu_s}")


def cost_gpu_h(outcome: Outcome, prices: Prices) -> float:
    """Return GPU-hours plus the prices of all missed requests and of all starts, in GPU-hours."""
    return (outcome.gpu_s.total + prices.missed_gpu_s * outcome.missed + prices.start_gpu_s * outcome.starts) / _HOUR_S


def regret_ratio(outcome: Outcome, optimum: Outcome, prices: Prices) -> float:
    """Return by what share *outcome* cost more than *optimum*. Raises `ValueError` when the optimum cost nothing."""
    least = cost_gpu_h(optimum, prices)
    if least <= 0.0:
        raise ValueError(f"{optimum.workload}: the optimum cost nothing, so nothing is a share of it: compare the costs themselves")
    return cost_gpu_h(outcome, prices) / least - 1.0

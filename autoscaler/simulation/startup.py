"""How a pod starts: its luck, drawn by its number, so that the k-th pod of every policy takes as long."""

import math

from autoscaler.simulation import chance
from autoscaler.simulation.world import Startup

_Z90 = 1.2815515655446004  # of the standard normal distribution


class Luck:
    """What chance has for one pod. Draws are made in the order in which the pod comes to need them."""

    __slots__ = ("_chance", "_startup", "probe_phase_s", "total_s")

    def __init__(self, startup: Startup, seed: int, number: int) -> None:
        """Draw the start of pod *number* in the run of *seed*."""
        self._startup = startup
        self._chance = chance.generator(seed, chance.Cause.STARTUP, number)
        self.total_s = self._lognormal()
        self.probe_phase_s = float(self._chance.random()) * startup.probe_s

    @property
    def scheduling_s(self) -> float:
        """How long it takes from the pod's creation until a node is looked for."""
        return self._startup.scheduling_ratio * self.total_s

    @property
    def image_s(self) -> float:
        """How long pulling its image takes."""
        return self._startup.image_ratio * self.total_s

    def attempt(self) -> tuple[float, bool]:
        """Return how long the pod loads from now on, and whether that fails; what fails does so half-way."""
        loading_ratio = 1.0 - self._startup.scheduling_ratio - self._startup.image_ratio
        loading_s = loading_ratio * self.total_s
        if self._chance.random() < self._startup.failure_ratio:
            self.total_s = self._lognormal()  # of the next attempt: another disk, another moment
            return loading_s / 2.0, True
        return loading_s, False

    def endpoint_s(self) -> float:
        """Return how long endpoints take to learn of the next change."""
        least, most = self._startup.endpoint_s
        return least + (most - least) * float(self._chance.random())

    def probed_at(self, started_at: float, loaded_at: float) -> float:
        """Return when the pod is seen to be ready: at the first probe that finds it so; its containers run since *started_at*."""
        period_s = self._startup.probe_s
        if period_s <= 0.0:
            return loaded_at
        first_at = started_at + self.probe_phase_s
        probes = max(0, math.ceil((loaded_at - first_at) / period_s))
        return max(loaded_at, first_at + probes * period_s)  # rounding must not see it before

    def _lognormal(self) -> float:
        sigma = math.log(self._startup.p90_s / self._startup.p50_s) / _Z90
        return self._startup.p50_s * math.exp(sigma * float(self._chance.standard_normal()))

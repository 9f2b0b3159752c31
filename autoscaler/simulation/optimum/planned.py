"""A plan at work as an autoscaler: it asks for pods as long before they are needed as they take, and lets them go on time."""

import math

import numpy as np

from autoscaler.simulation import world
from autoscaler.simulation.optimum.plan import Pods
from autoscaler.simulation.sight import Sight, Wanted


class Planned:
    """`sight.Policy` that replays *pods*, the plan for each tick of *tick_s*, asking *lead_s* ahead of what it needs."""

    def __init__(self, pods: Pods, tick_s: float, *, lead_s: float, name: str = "clairvoyant") -> None:
        if not len(pods) or tick_s <= 0.0 or lead_s < 0.0:
            raise ValueError(f"{name}: a plan has ticks, tick_s {tick_s} is above 0 and lead_s {lead_s} not below")
        self._name = name
        self._tick_s = tick_s
        self._asked = asked(pods, math.ceil(lead_s / tick_s))
        self._changes = np.flatnonzero(np.diff(self._asked)) + 1

    @property
    def name(self) -> str:
        """How it is called in tables."""
        return self._name

    @property
    def period_s(self) -> float:
        """A tick; between changes it is asked less often."""
        return self._tick_s

    @property
    def path(self) -> world.Path | None:
        """The world's: it looks at no metric."""
        return None

    @property
    def holds_requests(self) -> bool:
        """Requests wait where there is no pod: whoever plans to have none has a gateway."""
        return True

    def ask(self, sight: Sight) -> Wanted:
        """Return what the plan asks for now, and when that next changes."""
        tick = min(int(sight.now / self._tick_s), len(self._asked) - 1)
        later = np.searchsorted(self._changes, tick, side="right")
        in_s = float(self._changes[later]) * self._tick_s - sight.now if later < len(self._changes) else None
        return Wanted(replicas=int(self._asked[tick]), in_s=in_s)


def asked(pods: Pods, lead_ticks: int) -> Pods:
    """Return what to ask for at each tick: the most of *pods* from that tick on until *lead_ticks* later."""
    length = len(pods)
    most = pods.copy()
    reach = 1  # most[i] is the maximum of so many ticks from i on
    while reach <= lead_ticks:
        step = min(reach, lead_ticks + 1 - reach)
        if step < length:
            most[:-step] = np.maximum(most[:-step], most[step:])
        reach += step
    return most


def lead_s(startup: world.Startup, startup_s: float, *, period_s: float) -> float:
    """Return how long before it serves a pod that starts in *startup_s* must be asked for: probes and endpoints take time, too."""
    return startup_s + startup.probe_s + startup.endpoint_s[1] + period_s

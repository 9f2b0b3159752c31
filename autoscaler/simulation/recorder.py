"""What was there at each moment of a run, for plots."""

import numpy as np

from autoscaler.simulation.outcome import Timeline
from autoscaler.simulation.pod import Phase
from autoscaler.simulation.pods import Pods
from autoscaler.simulation.service import Service


class Recorder:
    """Takes down the fleet at each tick, the first one step after the beginning. Raises `ValueError` for a step of nothing."""

    def __init__(self, step_s: float, service: Service, pods: Pods) -> None:
        """Begin with nothing taken down."""
        if not step_s > 0.0:
            raise ValueError(f"timeline_s {step_s} must be more than 0 seconds")
        self._step_s = step_s
        self._service = service
        self._pods = pods
        self._arrived = 0.0
        self._missed = 0.0
        self._whole: list[tuple[int, int, int, int, int]] = []
        self._parts: list[tuple[float, float, float]] = []

    @property
    def next_at(self) -> float:
        """When the next tick is due."""
        return (len(self._whole) + 1) * self._step_s

    def note(self, wanted: int) -> None:
        """Take down this moment, with *wanted* replicas."""
        phases = self._pods.phases()
        starting = phases[Phase.STARTING] + phases[Phase.PENDING]
        self._whole.append((wanted, phases[Phase.SERVING], starting, phases[Phase.WARM], phases[Phase.DRAINING]))
        arrived, tally = self._service.arrived, self._service.tally
        missed = tally.late + tally.failed
        waiting = self._service.held + sum(self._service.gauges(pod.number).waiting for pod in self._pods.alive())
        self._parts.append(((arrived - self._arrived) / self._step_s, waiting, missed - self._missed))
        self._arrived, self._missed = arrived, missed

    def timeline(self) -> Timeline:
        """Return what was taken down."""
        whole = np.array(self._whole, dtype=np.int64).reshape(-1, 5)
        parts = np.array(self._parts, dtype=np.float64).reshape(-1, 3)
        return Timeline(
            step_s=self._step_s,
            load_per_s=parts[:, 0],
            wanted=whole[:, 0],
            serving=whole[:, 1],
            starting=whole[:, 2],
            warm=whole[:, 3],
            draining=whole[:, 4],
            waiting=parts[:, 1],
            unhappy=parts[:, 2],
        )

"""What the demo plays: a load over time, and the InferenceScaler that follows it, with a second for every minute of a cluster."""

from dataclasses import dataclass
from typing import Any

from autoscaler.resource.scaler import API_VERSION, KIND
from autoscaler.sandbox.scenery import WORKLOAD, WORKLOAD_NAMESPACE

#: A minute of windows, rates, cool-down, idling and model loading takes a second here.
SCALE = 60
STARTUP_S = 4.0
SLO_S = 2.0
MAX_REPLICAS = 8
UTILIZATION = "DCGM_FI_DEV_GPU_UTIL"
QUEUE = "gateway_queue_size"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The load of a demo of *duration_s* seconds; one engine carries 5 requests per second at 70 %."""

    duration_s: float

    @property
    def burst_at(self) -> float:
        """Return when the load jumps."""
        return 0.33 * self.duration_s

    @property
    def silence_at(self) -> float:
        """Return when the load ends."""
        return 0.46 * self.duration_s

    @property
    def return_at(self) -> float:
        """Return when it comes back, at the earliest: the pods have to be gone by then."""
        return 0.84 * self.duration_s

    def scene(self, at: float) -> str:
        """Return what is played at *at* seconds, while nothing is late."""
        scenes = (
            (0.1 * self.duration_s, "a quiet start"),
            (0.25 * self.duration_s, "a ramp"),
            (self.burst_at, "a plateau"),
            (self.silence_at, "a burst"),
            (self.return_at, "silence"),
        )
        return next((name for end, name in scenes if at < end), "work again")

    def before_silence(self) -> list[tuple[float, float]]:
        """Return (seconds, requests per second) from the start until the load ends."""
        quiet, plateau, burst = 3.0, 8.0, 34.0
        marks = ((0.0, quiet), (0.1, quiet), (0.25, plateau))
        ramp = [(share * self.duration_s, rate) for share, rate in marks]
        jump = [(self.burst_at, plateau), (self.burst_at, burst), (self.silence_at, burst), (self.silence_at, 0.0)]
        return [*ramp, *jump]

    def on_return(self) -> list[tuple[float, float]]:
        """Return the load from its return on."""
        return [(0.0, 5.0)]


def scaler() -> dict[str, Any]:
    """Return the demo's object: the policy of the shipped example with every time a sixtieth, and a queue that survives zero."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": WORKLOAD, "namespace": WORKLOAD_NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": WORKLOAD},
            "mode": "Auto",
            "minReplicas": 0,
            "maxReplicas": MAX_REPLICAS,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": UTILIZATION}, "target": {"type": "AverageValue", "averageValue": "70"}},
                },
                {
                    "type": "Object",
                    "object": {
                        "describedObject": {"apiVersion": "v1", "kind": "Service", "name": WORKLOAD},
                        "metric": {"name": QUEUE},
                        "target": {"type": "AverageValue", "averageValue": "10"},
                    },
                },
            ],
            "signals": [{"metric": QUEUE, "kind": "Queue"}],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 1, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 1}]},
                "scaleDown": {"stabilizationWindowSeconds": 5, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 2}]},
            },
            "scaleDown": {"rule": "Band", "bandRatio": 0.3, "cooldownSeconds": 5},
            "startup": {"prior": {"p50Seconds": 4, "p90Seconds": 5}},
            "forecast": {"mode": "Off"},
            "warmPool": {"min": 1, "max": 2},
            "idle": {"replicas": 1, "afterSeconds": 5, "zeroAfterSeconds": 10},
        },
    }

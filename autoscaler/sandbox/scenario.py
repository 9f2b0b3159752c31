"""What the demo plays: a load over time, and the InferenceScaler that follows it, with a second for every minute of a cluster."""

from dataclasses import dataclass
from typing import Any

from autoscaler.resource.scaler import API_VERSION, KIND
from autoscaler.sandbox import stage
from autoscaler.sandbox.scenery import REQUEST_RATE, WORKLOAD, WORKLOAD_NAMESPACE

#: A minute of windows, rates, cool-down, idling and model loading takes a second here.
SCALE = 60
STARTUP_S = 4.0
SLO_S = 2.0
#: How long the gateway holds a request, how many it gives a pod at most, and how long a deleted pod works on what it has.
PATIENCE_S = 60.0
IN_FLIGHT_PER_POD = 24
DRAIN_S = 6.0
MAX_REPLICAS = 8
UTILIZATION = "DCGM_FI_DEV_GPU_UTIL"
QUEUE = "gateway_queue_size"
DAY_S = 86_400 // SCALE
#: Two minutes of a cluster: a slow machine takes half a minute to learn two days of them.
BUCKET_S = 2
#: How far ahead the load is forecast: a start-up, and what it takes to see and to decide.
LEAD_S = 7.0
PER_REPLICA = 5.0
#: What a Prometheus has kept of the load, in replicas' worth: the requests that came, over those that one pod carries.
HISTORY_QUERY = f"sum(rate(llm_d_epp_request_total[3s])) / {PER_REPLICA:g}"
_QUIET, _PLATEAU, _BURST = 3.0, 8.0, 34.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """The load of a demo of *duration_s* seconds; one engine carries 5 requests per second at 70 %.

    The ramp, the burst and the silence after it come every day at this time, the return does not.
    """

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
        marks = ((0.0, _QUIET), (0.1, _QUIET), (0.25, _PLATEAU))
        ramp = [(share * self.duration_s, rate) for share, rate in marks]
        jump = [(self.burst_at, _PLATEAU), (self.burst_at, _BURST), (self.silence_at, _BURST), (self.silence_at, 0.0)]
        return [*ramp, *jump]

    def usual(self) -> list[tuple[float, float]]:
        """Return the load of every day, from half a day before the start to half a day after it: a night, all this, a noon."""
        half, over = DAY_S / 2, self.return_at + DAY_S / 20
        night = [(-half, _QUIET), (-0.9 * half, 2 * _QUIET), (-0.8 * half, _QUIET)]
        noon = [(over, 0.0), (over, _QUIET), ((over + half) / 2, 1.5 * _PLATEAU), (half, _QUIET)]
        return [*night, *self.before_silence(), *noon]

    def on_return(self) -> list[tuple[float, float]]:
        """Return the load from its return on."""
        return [(0.0, 5.0)]


def day(played: Scenario) -> stage.Day:
    """Return the day on which *played* is, with two days before it."""
    return stage.Day(
        today=played.before_silence(),
        usual=played.usual(),
        query=HISTORY_QUERY,
        day_s=DAY_S,
        days=2,
        bucket_s=BUCKET_S,
        per_replica=PER_REPLICA,
    )


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
                {
                    # What users send, however many pods there are: only of that a forecast can learn.
                    "type": "External",
                    "external": {
                        "metric": {"name": REQUEST_RATE},
                        "target": {"type": "AverageValue", "averageValue": f"{PER_REPLICA:g}"},
                    },
                },
            ],
            "signals": [{"metric": QUEUE, "kind": "Queue"}, {"metric": REQUEST_RATE, "kind": "Rate"}],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 1, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 1}]},
                "scaleDown": {"stabilizationWindowSeconds": 5, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 2}]},
            },
            "scaleDown": {"rule": "Band", "bandRatio": 0.3, "cooldownSeconds": 5},
            "startup": {"prior": {"p50Seconds": 4, "p90Seconds": 5}},
            # Three loads in four are provided for, and not nine in ten: those would hold pods long after a burst.
            "forecast": {"mode": "Gated", "quantile": 0.75, "maxHorizonSeconds": round(LEAD_S), "historyQuery": HISTORY_QUERY},
            "warmPool": {"min": 1, "max": 2},
            "idle": {"replicas": 1, "afterSeconds": 5, "zeroAfterSeconds": 10},
        },
    }

"""What one look at a demo shows: the load, the pods by where they are, and what the autoscaler says and expects."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from autoscaler.resource.scaler import ROUTED
from autoscaler.sandbox.objects import Obj, is_deleting, is_true, labels_of, name_of


class State(enum.Enum):
    """Where a pod is."""

    SERVING = "●"
    WARM = "○"
    STARTING = "◌"


def state_of(pod: Obj) -> State:
    """Return where *pod* is, as its label and its readiness show it."""
    if not is_true(pod, "Ready"):
        return State.STARTING
    return State.WARM if labels_of(pod).get(ROUTED) == "false" else State.SERVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What the autoscaler expects, by its own metrics. Loads are in replicas' worth; None is not known."""

    offered: float | None = None
    median: float | None = None
    """Of the largest load within the horizon; with as much probability it is less as it is more."""
    likely: float | None = None
    """The same, with 90 % probability that it is no more."""
    horizon_s: float | None = None
    gate_open: bool = False
    loss_ratio: float | None = None
    """The forecasts' loss over that of the best reactive ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything that one look showed; times are seconds since the beginning."""

    at: float
    rate: float  # requests per second that are offered
    held: int  # requests that wait at the gateway
    completed: int = 0
    late: int = 0
    failed: int = 0
    gpu_seconds: float = 0.0
    gpu_percent: float | None = None  # mean over the serving pods, as the adapter serves it
    pods: Mapping[str, State] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)  # the InferenceScaler's
    prospect: Prospect = Prospect()

    def count(self, state: State) -> int:
        """Return how many pods are in *state*."""
        return sum(each is state for each in self.pods.values())


def pods(found: Sequence[Obj]) -> dict[str, State]:
    """Return where each pod is that is not on its way out."""
    return {name_of(pod): state_of(pod) for pod in found if not is_deleting(pod)}


def prospect(page: str) -> Prospect:
    """Return what the autoscaler expects of its only target, from the *page* of its metrics."""
    lines = [line for line in page.splitlines() if line.startswith(("leadtime_forecast_", "leadtime_offered_"))]
    samples = (sample for family in text_string_to_metric_families("\n".join(lines) + "\n") for sample in family.samples)
    found = {(sample.name, sample.labels.get("quantile")): sample.value for sample in samples}
    return Prospect(
        offered=found.get(("leadtime_offered_replicas", None)),
        median=found.get(("leadtime_forecast_replicas", "0.5")),
        likely=found.get(("leadtime_forecast_replicas", "0.9")),
        horizon_s=found.get(("leadtime_forecast_horizon_seconds", None)),
        gate_open=found.get(("leadtime_forecast_gate_open", None)) == 1,
        loss_ratio=found.get(("leadtime_forecast_loss_ratio", None)),
    )

"""What the status of an InferenceScaler holds: the last decisions, and what they were made of.

It is written by the controller and read by people and programs, never by the decision: its memory is elsewhere.
"""

from typing import Annotated, Literal

import pydantic

from autoscaler.resource.scaler import Mechanism
from autoscaler.resource.schema import ATOMIC, Part, by

#: How many decisions are kept.
MAX_TRAIL = 32
_MAX_STEPS = 32

_Long = Annotated[int, pydantic.Field(json_schema_extra={"format": "int64"})]
_Time = Annotated[str, pydantic.Field(json_schema_extra={"format": "date-time"})]


class Condition(Part):
    """One statement about the scaler, true or not."""

    type: Annotated[str, pydantic.Field(min_length=1, max_length=316)]
    """``Ready``, ``Active``, ``Limited``, ``SignalsFresh``, ``ForecastUsed``, ``Conflict`` or ``CapacityBlocked``."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, pydantic.Field(max_length=1024)]
    """Why, in one word of a closed list."""
    message: Annotated[str, pydantic.Field(max_length=32768)] = ""
    """Why, for people."""
    last_transition_time: _Time
    """Since when."""
    observed_generation: _Long | None = None
    """Of which spec it speaks."""


class Step(Part):
    """One rule at work."""

    rule: str
    """Which one."""
    before: int
    """The number that it was given."""
    after: int
    """The number that it made of it."""
    why: str | None = None
    """For people."""


class Otherwise(Part):
    """What would have been decided without one rule."""

    rule: str
    """The rule that is thought away."""
    replicas: int
    """The number without it."""


class Entry(Part):
    """One decision."""

    at: _Time
    """When."""
    from_: Annotated[int, pydantic.Field(alias="from")]
    """The replicas that there were."""
    to: int
    """The replicas that were decided on."""
    serving: int | None = None
    """How many of them get requests."""
    reason: str
    """The rule that decided the number."""
    why: str | None = None
    """For people."""
    steps: Annotated[tuple[Step, ...], pydantic.Field(max_length=_MAX_STEPS, json_schema_extra=ATOMIC)]
    """How the number came about, rule by rule."""
    without: Annotated[tuple[Otherwise, ...], pydantic.Field(max_length=_MAX_STEPS, json_schema_extra=ATOMIC)] = ()
    """What each limit is worth: the number without it."""


class ForecastQuantile(Part):
    """What the load may come to."""

    quantile: float
    """With which probability it is no larger, 0 to 1."""
    replicas: float
    """The load, in replicas."""


class ForecastStatus(Part):
    """What is expected, and whether it is believed."""

    summary: str | None = None
    """The forecast in a few words."""
    used: bool | None = None
    """Whether it raised the number."""
    gate_open: bool | None = None
    """Whether it is believed."""
    serving: float | None = None
    """The load to provide for, in replicas."""
    pool: float | None = None
    """The load that serving and warm pods together are to carry, in replicas."""
    horizon_seconds: float | None = None
    """How far ahead that is."""
    why: str | None = None
    """Why it raised the number or did not."""
    gate: str | None = None
    """Why it is believed or not."""
    offered: float | None = None
    """The load now, in replicas; without it nothing is learned."""
    saturated: bool | None = None
    """Whether there may be more load than its signals can show."""
    loss_ratio: float | None = None
    """What its errors cost, in parts of what those of the best reactive forecast do; below 1 it is worth something."""
    coverage: float | None = None
    """The share of loads that were at most what was forecast; `spec.forecast.quantile` is meant."""
    evaluations: int | None = None
    """How many forecasts it is judged by."""
    quantiles: Annotated[tuple[ForecastQuantile, ...], pydantic.Field(max_length=8, json_schema_extra=ATOMIC)] = ()
    """The largest load within the horizon."""


class Phase(Part):
    """One part of a start-up."""

    name: str
    """Such as ``Scheduled``."""
    p50_seconds: float | None = None
    """Half of the pods took no longer."""
    p90_seconds: float | None = None
    """Nine of ten took no longer."""


class StartupStatus(Part):
    """How long pods take from their creation until they are ready."""

    p50_seconds: float | None = None
    """Half of the pods took no longer."""
    p90_seconds: float | None = None
    """Nine of ten took no longer."""
    p99_seconds: float | None = None
    """Ninety-nine of a hundred took no longer."""
    samples: int | None = None
    """How many pods have shown it; 0 while the prior stands."""
    phases: Annotated[tuple[Phase, ...], pydantic.Field(max_length=8, json_schema_extra=ATOMIC)] = ()
    """What the time is made of."""


class PoolStatus(Part):
    """How warm pods are kept from requests."""

    mechanism: Mechanism
    """By a label that the Service selects, by a readiness gate, or not at all."""
    why: str | None = None
    """Why in no better way."""
    warm: int | None = None
    """How many there are."""


class Status(Part):
    """What was seen and decided last."""

    observed_generation: _Long | None = None
    """Which spec it was decided by."""
    conditions: Annotated[
        tuple[Condition, ...],
        pydantic.Field(max_length=16, json_schema_extra=by("type")),
    ] = ()
    """What is true of the scaler."""
    target: str | None = None
    """What is scaled, such as ``Deployment/vllm-qwen``."""
    signals: str | None = None
    """Each signal and its target: ``gpu 71/70 · queue 12/10``."""
    current_replicas: int | None = None
    """The replicas that the target was asked for when it was looked at."""
    desired_replicas: int | None = None
    """The replicas that were decided on, warm ones included."""
    ready_replicas: int | None = None
    """The pods that are ready, warm ones included."""
    serving_replicas: int | None = None
    """The replicas that are meant to get requests."""
    warm_replicas: int | None = None
    """The replicas that are meant to be ready without."""
    reason: str | None = None
    """The rule that decided the number."""
    message: str | None = None
    """Why, for people."""
    last_scale_time: _Time | None = None
    """When the target's replicas were set last."""
    metric_age_seconds: int | None = None
    """How old the oldest sample in the decision was."""
    gpus: int | None = None
    """The GPUs that its pods hold, those included that start or terminate."""
    today: Annotated[str, pydantic.Field(json_schema_extra={"format": "date"})] | None = None
    """The day of `gpuHoursToday` and `costToday`, from midnight to midnight UTC."""
    gpu_hours_today: float | None = None
    """The GPU-hours held on that day, as far as a controller looked."""
    cost_today: str | None = None
    """What they cost, such as ``31.20 USD``; ``>31.20 USD`` where some of them have no price, and nothing where none has."""
    forecast: ForecastStatus | None = None
    """What is expected, and whether it is believed."""
    startup: StartupStatus | None = None
    """How long pods take from their creation until they are ready."""
    pool: PoolStatus | None = None
    """How warm pods are kept from requests."""
    trail: Annotated[tuple[Entry, ...], pydantic.Field(max_length=MAX_TRAIL, json_schema_extra=ATOMIC)] = ()
    """The last decisions, the newest first."""

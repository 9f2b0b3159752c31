"""What the spec of an InferenceScaler may say, field by field.

The CustomResourceDefinition and the reference in `docs/inferencescaler.md` are made of these classes: the sentence under a field is
what ``kubectl explain`` prints. What fields mean together is for `checks` and, in the API server, `rules`.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_UP
from typing import Annotated, Any

import pydantic
from pydantic.alias_generators import to_camel

from adapter import quantity, selector
from autoscaler.decision import model
from autoscaler.decision.model import (
    ConflictPolicy,
    DownRule,
    ForecastMode,
    Kind,
    MissingBehavior,
    Mode,
    RateType,
    Select,
    TargetType,
)

#: The bounds that autoscaling/v2 sets to a stabilisation window and to a policy's period, in seconds.
MAX_WINDOW_S = 3600
MAX_PERIOD_S = 1800

_INT32 = 2**31 - 1
_METRIC_NAME = re.compile(r"[^\s\x00-\x1f\x7f/%?#]{1,253}")
_API_VERSION = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_MAX_QUANTITY = 64  # characters


def milli(value: object) -> int:
    """Return the quantity *value* in thousandths, rounded up as API machinery does; it has to be above zero."""
    found = _milli(value)
    if found <= 0:
        raise ValueError(f"{value} is not above zero: a target is what one replica is meant to carry, such as 10 or 500m")
    return found


def ratio(value: object) -> float:
    """Return the quantity *value*, which is at least zero, as a number."""
    found = _milli(value)
    if found < 0:
        raise ValueError(f"{value} is negative: 0 reacts to any difference, and 100m to one of a tenth")
    return found / 1000


def _milli(value: object) -> int:
    if isinstance(value, float):
        raise ValueError(f'{value} is no quantity as it stands: put it in quotes, "{value}"')  # noqa: TRY004 - pydantic's contract
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{type(value).__name__} is no quantity: write a whole number, or text such as 500m or 1.5")  # noqa: TRY004
    if isinstance(value, str):
        exact = quantity.parse(value)
        if abs(exact) > quantity.MAX_MAGNITUDE:
            raise ValueError(f"{value} is beyond ±{quantity.MAX_MAGNITUDE:g}, which is what readers of metrics take")
        return int((exact * 1000).to_integral_value(ROUND_UP))
    if abs(value) > quantity.MAX_MAGNITUDE:
        raise ValueError(f"the number is beyond ±{quantity.MAX_MAGNITUDE:g}, which is what readers of metrics take")
    return value * 1000


def _matches(pattern: re.Pattern[str], rule: str) -> Any:
    def check(text: str) -> str:
        if not pattern.fullmatch(text) or text in (".", ".."):
            raise ValueError(f"{text!r} {rule}")
        return text

    return pydantic.AfterValidator(check)


def _shown(pattern: re.Pattern[str], longest: int = 253) -> Any:
    """Return the same rule for the API server."""
    return pydantic.Field(json_schema_extra={"pattern": f"^{pattern.pattern}$", "maxLength": longest})


_QUANTITY_SCHEMA = pydantic.WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": _MAX_QUANTITY})
_Target = Annotated[int, pydantic.PlainValidator(milli), _QUANTITY_SCHEMA]
_Tolerance = Annotated[float, pydantic.PlainValidator(ratio), _QUANTITY_SCHEMA]
_Bool = Annotated[bool, pydantic.Strict()]
_Count = Annotated[int, pydantic.Strict(), pydantic.Field(ge=0, le=_INT32)]
_Positive = Annotated[int, pydantic.Strict(), pydantic.Field(ge=1, le=_INT32)]
_Seconds = Annotated[int, pydantic.Strict(), pydantic.Field(ge=0, le=_INT32)]
_Ratio = Annotated[float, pydantic.Strict(), pydantic.Field(ge=0, le=1)]
_Quantile = Annotated[float, pydantic.Strict(), pydantic.Field(gt=0, lt=1)]
_Text = Annotated[str, pydantic.Field(max_length=253)]
_Line = Annotated[str, pydantic.Field(min_length=1, max_length=253)]
_MetricName = Annotated[
    str,
    _matches(_METRIC_NAME, "cannot be the name of a metric: it is one segment of a path, without '/', '%', '?', '#' and blanks"),
    _shown(_METRIC_NAME),
]
_ApiVersion = Annotated[str, _matches(_API_VERSION, "is no apiVersion: write apps/v1, or v1 for the core"), _shown(_API_VERSION)]
_KindName = Annotated[str, _matches(_KIND, "is no kind: write it as in manifests, such as Deployment"), _shown(_KIND, 63)]
_Name = Annotated[str, _matches(_NAME, "is no name of a Kubernetes object: it takes a-z, 0-9, '-' and '.'"), _shown(_NAME)]
#: What is refused by a rule that says why, and has to get past the field check for that.
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_Refused = Annotated[dict[str, Any] | None, pydantic.WithJsonSchema(_ANYTHING)]


#: A list that is written as a whole.
ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


def by(*keys: str) -> dict[str, Any]:
    """Return what makes a list one whose entries are known by *keys*, so that several managers can own them."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class Part(pydantic.BaseModel):
    """What every part has in common: names as manifests spell them, none that are not known, and null means left out."""

    model_config = pydantic.ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, told: object) -> object:
        return {key: value for key, value in told.items() if value is not None} if isinstance(told, Mapping) else told


class ScaleTargetRef(Part):
    """What is scaled, in the scaler's own namespace: anything with a ``/scale`` subresource."""

    api_version: _ApiVersion
    """Such as ``apps/v1``."""
    kind: _KindName
    """Such as ``Deployment``, ``StatefulSet`` or ``LeaderWorkerSet``."""
    name: _Name
    """The target's name."""


class DescribedObject(Part):
    """The object that a metric is about."""

    api_version: _ApiVersion = "v1"
    """Such as ``v1``, or ``networking.k8s.io/v1`` for an Ingress."""
    kind: _KindName
    """Such as ``Service``."""
    name: _Name
    """The object's name."""


class Requirement(Part):
    """A condition on a label."""

    key: _Text
    """The label."""
    operator: _Text
    """``In``, ``NotIn``, ``Exists`` or ``DoesNotExist``."""
    values: Annotated[tuple[_Text, ...], pydantic.Field(max_length=64)] = ()
    """What ``In`` and ``NotIn`` compare with."""


class LabelSelector(Part):
    """Conditions on the metric's own labels."""

    match_labels: dict[str, _Text] = {}
    """Labels that have exactly these values."""
    match_expressions: Annotated[tuple[Requirement, ...], pydantic.Field(max_length=16)] = ()
    """Further conditions."""

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> "LabelSelector":
        selector.from_label_selector(self.model_dump(by_alias=True))
        return self


class MetricIdentifier(Part):
    """Which metric."""

    name: _MetricName
    """The metric's name, as the metrics API serves it."""
    selector: LabelSelector | None = None
    """Which of its series, by the metric's own labels."""


class MetricTarget(Part):
    """What the metric is compared with."""

    type: TargetType
    """``AverageValue`` divides the metric by the replicas, ``Value`` takes it as it stands. Pods metrics take the first."""
    average_value: _Target | None = None
    """For ``AverageValue``: the metric's value per replica, as a quantity: ``70``, ``"0.8"`` or ``500m``."""
    value: _Target | None = None
    """For ``Value``: the metric's own value, as a quantity."""


class PodsMetric(Part):
    """A metric that each pod of the target has; the mean over its pods is compared."""

    metric: MetricIdentifier
    """The metric."""
    target: MetricTarget
    """What one pod is meant to carry."""


class ObjectMetric(Part):
    """A metric of one object, such as a Service; it survives when the target has no pods."""

    described_object: DescribedObject
    """The object, in the scaler's namespace."""
    metric: MetricIdentifier
    """The metric."""
    target: MetricTarget
    """What it is compared with."""


class ExternalMetric(Part):
    """A metric of no object, such as the length of a queue; it survives when the target has no pods."""

    metric: MetricIdentifier
    """The metric."""
    target: MetricTarget
    """What it is compared with."""


_TYPES = ("Pods", "Object", "External", "Resource", "ContainerResource")


class Metric(Part):
    """One signal, as autoscaling/v2 spells it."""

    type: Annotated[str, pydantic.Field(json_schema_extra={"enum": [*_TYPES]})]
    """``Pods``, ``Object`` or ``External``; ``Resource`` and ``ContainerResource`` are refused."""
    pods: PodsMetric | None = None
    """For ``Pods``: a metric that each pod has."""
    object: ObjectMetric | None = None
    """For ``Object``: a metric of one object. It survives zero replicas."""
    external: ExternalMetric | None = None
    """For ``External``: a metric of no object. It survives zero replicas."""
    resource: _Refused = None
    """Refused: CPU and memory do not say how busy a GPU is."""
    container_resource: _Refused = None
    """Refused: CPU and memory do not say how busy a GPU is."""


class SignalHint(Part):
    """What the metric's name does not tell."""

    metric: _MetricName
    """Which of ``metrics``, by its name."""
    kind: Kind | None = None
    """What it measures. Told from the name for metrics of the adapter's presets, and ``Other`` for all others."""
    stale_after_seconds: Annotated[int, pydantic.Strict(), pydantic.Field(ge=1, le=MAX_WINDOW_S)] | None = None
    """From which age on a value says nothing any more: 60, and 90 for what dcgm-exporter measures."""
    learn_capacity: _Bool = False
    """For ``Concurrency``: learn what a replica holds when it is full; the target stands until then."""


class RatePolicy(Part):
    """A bound on how fast the number changes."""

    type: RateType
    """What ``value`` counts: pods, or per cent of the replicas at the period's beginning."""
    value: _Positive
    """How many."""
    period_seconds: Annotated[int, pydantic.Strict(), pydantic.Field(ge=1, le=MAX_PERIOD_S)]
    """Per how long."""


class ScalingRules(Part):
    """How fast the number may change in one direction."""

    stabilization_window_seconds: Annotated[int, pydantic.Strict(), pydantic.Field(ge=0, le=MAX_WINDOW_S)] | None = None
    """How long a wish has to last. By default 60 on the way up, where a forecast does not wait, and 300 on the way down."""
    select_policy: Select = Select.MAX
    """Which of several policies rules: the one that changes most, least, or none at all."""
    policies: Annotated[tuple[RatePolicy, ...], pydantic.Field(min_length=1, max_length=8)] | None = None
    """Bounds on the rate. By default, whichever is more: up 2 pods per 60 s or 100 % per 15 s, down 1 pod or 50 % per 120 s."""
    tolerance: _Tolerance | None = None
    """How far from its target a metric may be before anything changes, as a ratio: by default ``"0.1"``."""


class BehaviorSpec(Part):
    """autoscaling/v2's behaviour; what is left out takes Leadtime's defaults and not HPA's."""

    scale_up: ScalingRules = ScalingRules()
    """On the way up."""
    scale_down: ScalingRules = ScalingRules()
    """On the way down."""


_DOWN = model.ScaleDown()
_PRIOR = model.StartupPrior()
_FORECAST = model.ForecastPolicy()
_POOL = model.WarmPool()
_IDLE = model.Idle()
_MISSING = model.OnMissing()


class ScaleDownSpec(Part):
    """When fewer replicas may be asked for."""

    rule: DownRule = _DOWN.rule
    """``Consolidation``: the others could carry the demand with a twentieth to spare. ``Band``: the mean utilisation is below
    ``bandRatio``. ``Target``: whenever the metrics ask for fewer, as HPA does."""
    band_ratio: Annotated[float, pydantic.Strict(), pydantic.Field(gt=0, lt=1)] = _DOWN.band_ratio
    """For ``Band``: the utilisation, from 0 to 1, below which the target shrinks."""
    cooldown_seconds: _Seconds = int(_DOWN.cooldown_s)
    """No scale-down for this long after a scale-up. Longer than a model takes to load, or a dip during start-up undoes it."""
    min_coverage_ratio: _Ratio = _DOWN.min_coverage_ratio
    """Of the ready pods, how many have to report before their silence may mean that there is less to do."""


class Prior(Part):
    """What is believed until enough pods have started."""

    p50_seconds: Annotated[int, pydantic.Strict(), pydantic.Field(ge=1, le=_INT32)] = int(_PRIOR.p50_s)
    """Half of the pods are ready so long after they were created."""
    p90_seconds: Annotated[int, pydantic.Strict(), pydantic.Field(ge=1, le=_INT32)] = int(_PRIOR.p90_s)
    """Nine of ten are."""


class StartupSpec(Part):
    """How long a pod takes to serve; learned from the target's own pods."""

    prior: Prior = Prior()
    """What is believed until enough pods have started."""


class ForecastSpec(Part):
    """Whether the load of one start-up time ahead may raise the number. It never lowers it."""

    mode: ForecastMode = _FORECAST.mode
    """``Gated``: while it has lately been better than assuming that nothing changes. ``Always``, or ``Off``."""
    quantile: _Quantile = _FORECAST.quantile
    """How much of what may come is provided for."""
    max_horizon_seconds: Annotated[int, pydantic.Strict(), pydantic.Field(ge=1, le=86400)] = int(_FORECAST.max_horizon_s)
    """How far ahead is looked at most, however long pods take to start; beyond 30 minutes nothing is forecast."""
    history_query: Annotated[str, pydantic.Field(min_length=1, max_length=4096)] | None = None
    """PromQL whose value is the offered load in replicas' worth, one series: what a new target learns its days from. Left out: the
    load that Leadtime itself has exported."""


class WarmPoolSpec(Part):
    """Pods that are ready and get no requests, to be put to work in a second."""

    min: _Count = _POOL.min
    """So many at least, beside those that serve."""
    max: _Count = _POOL.max
    """So many at most; 0 means that there is no pool."""
    quantile: _Quantile = _POOL.quantile
    """How much of what may come is provided for by pods that serve and warm pods together."""
    at_zero: _Bool = _POOL.at_zero
    """Whether warm pods stay when the target serves with none."""


class IdleSpec(Part):
    """The floor while there is no work, which is not the minimum: a minimum of 0 and 1 when idle go together."""

    replicas: _Positive = _IDLE.replicas
    """How many replicas stay when there is no work, be it more or fewer than ``minReplicas``."""
    after_seconds: _Seconds = int(_IDLE.after_s)
    """How long there has to be none."""
    zero_after_seconds: _Seconds | None = None
    """How long there has to be none before the last replica goes too, where ``minReplicas`` is 0. Left out: never."""


class ScheduleSpec(Part):
    """A recurring stretch of time with bounds of its own."""

    name: _Line
    """Says which one, in the reasons given."""
    start: _Line
    """When it begins, as a cron line of five fields: ``0 8 * * 1-5``."""
    end: _Line
    """When it ends, as a cron line of five fields."""
    time_zone: _Line = "UTC"
    """The time zone of both, by its name in the IANA database."""
    min_replicas: _Count | None = None
    """The minimum while it lasts."""
    max_replicas: _Count | None = None
    """The maximum while it lasts."""


class OnMissingSpec(Part):
    """What to do when no metric says anything. A single one that is missing only keeps the number from going down."""

    behavior: MissingBehavior = _MISSING.behavior
    """``Hold`` the number, go to ``replicas`` (``Static``), or only up or only down to them."""
    replicas: _Count = _MISSING.replicas
    """For all but ``Hold``: how many."""
    after_seconds: _Seconds = int(_MISSING.after_s)
    """How long all of them have to be missing."""
    fail_open: _Bool = _MISSING.fail_open
    """Whether a target at zero wakes to one replica when nothing can say whether it is needed."""


class BudgetSpec(Part):
    """What the target may take."""

    max_gpus: _Positive | None = pydantic.Field(default=None, alias="maxGPUs")
    """The most GPUs, warm pods included."""


class UrgentSpec(Part):
    """When a queue is too long to wait for the up-window."""

    ratio: Annotated[float, pydantic.Strict(), pydantic.Field(ge=1, le=1000)] = 2.0
    """So many times what the pods' targets add up to."""
    disabled: _Bool = False
    """Never."""


class Spec(Part):
    """What is wanted."""

    scale_target_ref: ScaleTargetRef
    """What is scaled: anything with a ``/scale`` subresource, in the same namespace."""
    mode: Mode = Mode.RECOMMEND
    """``Recommend`` decides, says why, and changes nothing. ``Auto`` acts. ``Paused`` leaves the number alone."""
    min_replicas: _Count = 1
    """Never fewer while there is work. 0 takes ``idle.zeroAfterSeconds`` and a signal that survives without pods."""
    max_replicas: _Positive
    """Never more, warm pods included."""
    metrics: Annotated[tuple[Metric, ...], pydantic.Field(max_length=16, json_schema_extra=ATOMIC)] = ()
    """The signals, exactly as in an autoscaling/v2 HorizontalPodAutoscaler. The one that asks for most rules."""
    signals: Annotated[tuple[SignalHint, ...], pydantic.Field(max_length=16, json_schema_extra=by("metric"))] = ()
    """What the metrics' names do not tell."""
    behavior: BehaviorSpec = BehaviorSpec()
    """How fast the number may change, as in an autoscaling/v2 HorizontalPodAutoscaler, with defaults for GPUs."""
    scale_down: ScaleDownSpec = ScaleDownSpec()
    """When fewer replicas may be asked for."""
    startup: StartupSpec = StartupSpec()
    """How long a pod takes to serve; learned from the target's own pods."""
    forecast: ForecastSpec = ForecastSpec()
    """Whether the load of one start-up time ahead may raise the number. It never lowers it."""
    warm_pool: WarmPoolSpec = WarmPoolSpec()
    """Pods that are ready and get no requests, to be put to work in a second. Left out: none."""
    idle: IdleSpec | None = None
    """The floor while there is no work, which is not the minimum. Left out: the metrics alone decide."""
    schedules: Annotated[tuple[ScheduleSpec, ...], pydantic.Field(max_length=32, json_schema_extra=by("name"))] = ()
    """Recurring stretches of time with bounds of their own."""
    on_missing: OnMissingSpec = OnMissingSpec()
    """What to do when no metric says anything."""
    budget: BudgetSpec = BudgetSpec()
    """What the target may take. Left out: as much as ``maxReplicas`` allows."""
    urgent: UrgentSpec = UrgentSpec()
    """When a queue is too long to wait for the up-window."""
    conflict_policy: ConflictPolicy = ConflictPolicy.YIELD
    """When somebody else sets the replicas: ``Yield`` to them, or ``Reassert`` what was decided."""

"""The rules of an InferenceScaler that the API server itself refuses objects by, in CEL.

They are the part of `checks` that can be said there: an object that this refuses is refused by `policy.read` as well, which knows
more, such as time zones.
"""

from dataclasses import dataclass

from autoscaler.resource import metrics

#: Says of Resource and ContainerResource metrics why they are not taken, and what is.
NOT_GPU = (
    "CPU and memory do not say how busy a GPU is; take a Pods metric such as DCGM_FI_DEV_GPU_UTIL or inference_queue_size instead"
)
SURVIVORS = "an Object metric, an External metric, or a schedule with minReplicas"
ZERO = f"zero replicas need a signal that survives without pods: {SURVIVORS}; Pods metrics end with the last pod"
BAND = "rule Band compares the utilisation of GPUs: add a metric such as DCGM_FI_DEV_GPU_UTIL, or say under signals which one it is"


@dataclass(frozen=True, slots=True)
class Rule:
    """*holds* has to be true of what lies at *place* (``[]`` steps into a list), or the API server refuses it with *message*."""

    place: tuple[str, ...]
    holds: str
    message: str


_ABOVE_ZERO = "type(self) == int ? int(self) > 0 : isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))"
_NOT_NEGATIVE = "type(self) == int ? int(self) >= 0 : isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))"
_SURVIVES = (
    "(has(self.metrics) && self.metrics.exists(m, m.type == 'Object' || m.type == 'External'))"
    " || (has(self.schedules) && self.schedules.exists(s, has(s.minReplicas) && s.minReplicas > 0))"
)
_REACHES_ZERO = "has(self.idle) ? has(self.idle.zeroAfterSeconds) : has(self.scaleDown) && self.scaleDown.rule == 'Target'"
_UTILIZATION = ", ".join(f"'{name}'" for name in metrics.UTILIZATION)
_OF_METRIC = "it is what type {0} is about, and goes with no other type"
_TARGETS = tuple(("metrics", "[]", kind, "target") for kind in ("pods", "object", "external"))

RULES = (
    Rule((), "self.minReplicas <= self.maxReplicas", "minReplicas is above maxReplicas: lower the one or raise the other"),
    Rule(
        (),
        "(has(self.metrics) && size(self.metrics) > 0) || (has(self.schedules) && size(self.schedules) > 0)",
        "there is nothing to decide by: give metrics or schedules",
    ),
    Rule(
        (),
        f"self.minReplicas > 0 || !({_REACHES_ZERO}) || {_SURVIVES}",
        ZERO,
    ),
    Rule(
        (),
        "!has(self.warmPool) || self.warmPool.max < self.maxReplicas",
        "warmPool.max leaves no replica to serve: keep it below maxReplicas",
    ),
    Rule((), "!has(self.idle) || self.idle.replicas <= self.maxReplicas", "idle.replicas is above maxReplicas: lower it"),
    Rule(
        (),
        "!has(self.scaleDown) || self.scaleDown.rule != 'Band'"
        f" || (has(self.metrics) && self.metrics.exists(m, has(m.pods) && m.pods.metric.name in [{_UTILIZATION}]))"
        " || (has(self.signals) && self.signals.exists(s, has(s.kind) && s.kind == 'Utilization'))",
        BAND,
    ),
    Rule(
        ("warmPool",),
        "self.min <= self.max",
        "warmPool.min is above warmPool.max: lower the one or raise the other",
    ),
    Rule(
        ("startup", "prior"),
        "self.p50Seconds <= self.p90Seconds",
        "p50Seconds is above p90Seconds: half of the pods take no longer than nine of ten",
    ),
    Rule(("schedules", "[]"), "has(self.minReplicas) || has(self.maxReplicas)", "give minReplicas, maxReplicas, or both"),
    Rule(
        ("schedules", "[]"),
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "minReplicas is above maxReplicas: lower the one or raise the other",
    ),
    Rule(("metrics", "[]"), "self.type != 'Resource' && self.type != 'ContainerResource'", f"refused: {NOT_GPU}"),
    Rule(("metrics", "[]"), "(self.type == 'Pods') == has(self.pods)", f"pods: {_OF_METRIC.format('Pods')}"),
    Rule(("metrics", "[]"), "(self.type == 'Object') == has(self.object)", f"object: {_OF_METRIC.format('Object')}"),
    Rule(("metrics", "[]"), "(self.type == 'External') == has(self.external)", f"external: {_OF_METRIC.format('External')}"),
    Rule(
        ("metrics", "[]", "pods", "target"),
        "self.type == 'AverageValue'",
        "a Pods metric is compared by type AverageValue: each pod has a value of its own",
    ),
    *(
        Rule(
            place,
            "self.type == 'Value' ? has(self.value) && !has(self.averageValue) : has(self.averageValue) && !has(self.value)",
            "give the one that type names: value for Value, averageValue for AverageValue",
        )
        for place in _TARGETS
    ),
    *(
        Rule((*place, member), _ABOVE_ZERO, "a target is a quantity above zero, such as 10 or 500m")
        for place in _TARGETS
        for member in ("averageValue", "value")
    ),
    *(
        Rule(("behavior", direction, "tolerance"), _NOT_NEGATIVE, "a tolerance is a quantity of at least zero, such as 100m")
        for direction in ("scaleUp", "scaleDown")
    ),
)

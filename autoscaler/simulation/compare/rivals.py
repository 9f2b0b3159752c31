"""The rivals as they are compared: what each is built from, its defaults, and which knobs of its own object tuning may turn.

All have *tightness*, which divides every target: that is their front. Whatever takes metrics of pods one by one follows those of
pods only; HPA and KEDA may follow the rate of requests as well, as ours does.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeVar

from autoscaler.simulation.compare import signals
from autoscaler.simulation.compare.entries import Family, Given, Setting, Tightness
from autoscaler.simulation.compare.signals import Follow, Measured
from autoscaler.simulation.rivals import aibrix, hpa, keda, knative, kthena, static
from autoscaler.simulation.rivals.horizontal import PolicyType, ScalingPolicy, ScalingRules
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import Policy
from autoscaler.simulation.traces import scaling
from autoscaler.simulation.workload import Requests

TIGHTNESS = Tightness(knob="tightness", least=0.2, most=8.0)
_OF_PODS = (Follow.GPU, Follow.QUEUE, Follow.CONCURRENCY)
_WINDOWS_S = (60.0, 120.0, 300.0, 600.0)
_TOLERANCES = (0.05, 0.1, 0.2)
_BIN_S = 60

_T = TypeVar("_T")


def setting(settings: Mapping[str, Setting], knob: str, kind: type[_T]) -> _T:
    """Return a setting, which has to be of the *kind* that its knob has."""
    value = settings[knob]
    if not isinstance(value, kind):
        raise TypeError(f"{knob} is {value!r}, and is to be of the kind {kind.__name__}")
    return value


def _metrics(given: Given, settings: Mapping[str, Setting], kind: MetricType) -> tuple[Metric, ...]:
    """Return the signals of *settings* as a rival names them. A rate is one value for all pods, so External."""
    followed = signals.followed(Follow(setting(settings, "follow", str)), given, setting(settings, "tightness", float))
    return tuple(
        Metric(measures=each.measures, target=each.target, type=MetricType.EXTERNAL if each.measured is Measured.RATE else kind)
        for each in followed
    )


#: The behaviour of HPA, and so of KEDA: what the API server fills in, and what is often recommended instead.
_HORIZONTAL: Mapping[str, Setting] = {
    "follow": Follow.ALL,
    "tightness": 1.0,
    "up_window_s": 0,
    "up_percent": 100,
    "down_window_s": 300,
    "down_pods_per_min": None,
    "tolerance": 0.1,
}
_HORIZONTAL_CHOICES: Mapping[str, tuple[Setting, ...]] = {
    "follow": tuple(Follow),
    "up_window_s": (0, 30, 60),
    "up_percent": (100, 300),
    "down_window_s": (60, 120, 300, 600),
    "down_pods_per_min": (None, 1, 4),
    "tolerance": _TOLERANCES,
}


def _rules(settings: Mapping[str, Setting]) -> tuple[ScalingRules, ScalingRules]:
    tolerance = setting(settings, "tolerance", float)
    up = ScalingRules(
        window_s=setting(settings, "up_window_s", int),
        policies=(
            ScalingPolicy(PolicyType.PODS, 4, 15),
            ScalingPolicy(PolicyType.PERCENT, setting(settings, "up_percent", int), 15),
        ),
        tolerance=tolerance,
    )
    pods = settings["down_pods_per_min"]
    slowly = ScalingPolicy(PolicyType.PODS, pods, 60) if isinstance(pods, int) else ScalingPolicy(PolicyType.PERCENT, 100, 15)
    down = ScalingRules(window_s=setting(settings, "down_window_s", int), policies=(slowly,), tolerance=tolerance)
    return up, down


def _hpa(given: Given, settings: Mapping[str, Setting]) -> Policy:
    up, down = _rules(settings)
    return hpa.Hpa(
        hpa.Settings(
            metrics=_metrics(given, settings, MetricType.PODS),
            min_replicas=max(1, given.world.min_replicas),
            max_replicas=given.world.max_replicas,
            scale_up=up,
            scale_down=down,
        )
    )


def _keda(given: Given, settings: Mapping[str, Setting]) -> Policy:
    up, down = _rules(settings)
    return keda.Keda(
        keda.Settings(
            triggers=tuple(keda.Trigger(metric=each) for each in _metrics(given, settings, MetricType.EXTERNAL)),
            min_replica_count=given.world.min_replicas,
            max_replica_count=given.world.max_replicas,
            scale_up=up,
            scale_down=down,
        )
    )


def _knative(given: Given, settings: Mapping[str, Setting]) -> Policy:
    carried = signals.together(given, given.carried_per_s)
    return knative.Kpa(
        knative.Settings(
            container_concurrency=carried / setting(settings, "tightness", float),
            target_utilization_ratio=setting(settings, "target_utilization_ratio", float),
            min_scale=given.world.min_replicas,
            max_scale=given.world.max_replicas,
            stable_window_s=setting(settings, "stable_window_s", int),
            panic_threshold_ratio=setting(settings, "panic_threshold_ratio", float),
            scale_down_delay_s=setting(settings, "scale_down_delay_s", float),
        )
    )


def _aibrix(given: Given, settings: Mapping[str, Setting]) -> Policy:
    tolerance = setting(settings, "tolerance", float)
    return aibrix.Apa(
        aibrix.Settings(
            metrics=_metrics(given, settings, MetricType.PODS),
            min_replicas=given.world.min_replicas,
            max_replicas=given.world.max_replicas,
            max_scale_up_rate=setting(settings, "up_rate", float),
            up_tolerance_ratio=tolerance,
            down_tolerance_ratio=tolerance,
            down_cooldown_s=setting(settings, "down_cooldown_s", float),
            observe_window_s=setting(settings, "observe_window_s", float),
            stabilizer=aibrix.Stabilizer(setting(settings, "stabilizer", str)),
        )
    )


def _kthena(given: Given, settings: Mapping[str, Setting]) -> Policy:
    shipped = kthena.Settings(
        metrics=_metrics(given, settings, MetricType.PODS),
        min_replicas=max(1, given.world.min_replicas),
        max_replicas=given.world.max_replicas,
        tolerance_percent=setting(settings, "tolerance_percent", int),
        collection=kthena.Collection(setting(settings, "collection", str)),
    )
    down = dataclasses.replace(shipped.scale_down, window_s=setting(settings, "down_window_s", float))
    return kthena.Kthena(dataclasses.replace(shipped, scale_down=down))


def _static(given: Given, settings: Mapping[str, Setting]) -> Policy:
    """Return a fleet for the busiest minute of the first part."""
    load = given.train
    busiest_per_s = float((scaling.to_rates(load, _BIN_S) if isinstance(load, Requests) else load).per_s.max())
    pods = math.ceil(busiest_per_s / (signals.HEADROOM_RATIO * given.carried_per_s) * setting(settings, "tightness", float))
    return static.Static(min(max(pods, given.world.min_replicas), given.world.max_replicas))


RIVALS = (
    Family(
        name="hpa",
        build=_hpa,
        defaults=_HORIZONTAL,
        choices=_HORIZONTAL_CHOICES,
        tightness=TIGHTNESS,
        about="Kubernetes 1.36's HorizontalPodAutoscaler, behaviour v2",
    ),
    Family(
        name="keda",
        build=_keda,
        defaults=_HORIZONTAL,
        choices=_HORIZONTAL_CHOICES,
        tightness=TIGHTNESS,
        about="KEDA 2.20: Prometheus triggers and the HPA that it makes",
    ),
    Family(
        name="knative",
        build=_knative,
        defaults={
            "tightness": 1.0,
            "target_utilization_ratio": 0.7,
            "stable_window_s": 60,
            "panic_threshold_ratio": 2.0,
            "scale_down_delay_s": 0.0,
        },
        choices={
            "target_utilization_ratio": (0.6, 0.7, 0.8, 0.9),
            "stable_window_s": (30, 60, 120, 300),
            "panic_threshold_ratio": (1.2, 1.5, 2.0, 4.0),
            "scale_down_delay_s": (0.0, *_WINDOWS_S),
        },
        tightness=TIGHTNESS,
        about="Knative Serving 1.23's pod autoscaler on concurrency, with its activator",
    ),
    Family(
        name="aibrix",
        build=_aibrix,
        defaults={
            "follow": Follow.QUEUE,
            "tightness": 1.0,
            "up_rate": 2.0,
            "tolerance": 0.1,
            "down_cooldown_s": 300.0,
            "observe_window_s": 180.0,
            "stabilizer": aibrix.Stabilizer.AS_SHIPPED,
        },
        choices={
            "follow": _OF_PODS,
            "up_rate": (1.5, 2.0, 4.0),
            "tolerance": _TOLERANCES,
            "down_cooldown_s": _WINDOWS_S,
            "observe_window_s": (30.0, 60.0, 180.0),
            "stabilizer": tuple(aibrix.Stabilizer),
        },
        tightness=TIGHTNESS,
        about="AIBrix 0.7's APA; tuning may mend its stabiliser",
    ),
    Family(
        name="kthena",
        build=_kthena,
        defaults={
            "follow": Follow.QUEUE,
            "tightness": 1.0,
            "tolerance_percent": 10,
            "down_window_s": 300.0,
            "collection": kthena.Collection.SUMMED,
        },
        choices={
            "follow": _OF_PODS,
            "tolerance_percent": (5, 10, 20),
            "down_window_s": _WINDOWS_S,
            "collection": tuple(kthena.Collection),
        },
        tightness=TIGHTNESS,
        about="Kthena after 1.0.0-rc.0; tuning may mend how it collects metrics",
    ),
    Family(
        name="static",
        build=_static,
        defaults={"tightness": 1.0},
        tightness=TIGHTNESS,
        about="as many pods as the busiest minute of the first part took, always",
    ),
)

"""Everybody who takes part: our policy and what is left of it without one of its parts, its rivals, and the clairvoyant plan."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from autoscaler.decision import model
from autoscaler.decision.model import ForecastMode, Signal, Source, StartupPrior
from autoscaler.errors import AutoscalerError
from autoscaler.resource.scaler import Query
from autoscaler.simulation import ablations, foresight, loads, ours
from autoscaler.simulation.ablations import Ablation
from autoscaler.simulation.compare import signals
from autoscaler.simulation.compare.entries import Family, Given, Setting
from autoscaler.simulation.compare.rivals import RIVALS, TIGHTNESS, setting
from autoscaler.simulation.compare.signals import Follow, Followed, Measured
from autoscaler.simulation.optimum import clairvoyant, price
from autoscaler.simulation.sight import Policy

OURS, REACTIVE, OPTIMUM = "leadtime", "leadtime reactive", "optimum"


class UnknownPolicyError(AutoscalerError):
    """No family has the name that was asked for; the message lists those that there are."""


#: The product's own defaults.
_DEFAULTS: Mapping[str, Setting] = {
    "follow": Follow.ALL,
    "tightness": 1.0,
    "up_window_s": model.Behavior().up.window_s,
    "patience_s": model.Behavior().down.window_s,
}
#: Forecasts are of the rate of requests, so whatever is followed, that is; never alone, for it says nothing of what already waits.
_CHOICES: Mapping[str, tuple[Setting, ...]] = {
    "follow": (Follow.ALL, Follow.CONCURRENCY_RATE),
    "up_window_s": (0, 60),
    "patience_s": (60, 120, 300),
}
_FORESEEING: Mapping[str, Setting] = {"forecast": ForecastMode.GATED, "quantile": model.ForecastPolicy().quantile}
_FORESEEING_CHOICES: Mapping[str, tuple[Setting, ...]] = {
    "forecast": (ForecastMode.GATED, ForecastMode.ALWAYS),
    "quantile": (0.8, 0.9, 0.97),
}

_METRICS: Mapping[Measured, tuple[str, Source]] = {
    Measured.GPU: ("DCGM_FI_DEV_GPU_UTIL", Source.PODS),
    Measured.QUEUE: ("inference_queue_size", Source.PODS),
    Measured.CONCURRENCY: ("inference_requests_in_flight", Source.PODS),
    Measured.RATE: ("inference_request_rate", Source.EXTERNAL),
}


def _leadtime(given: Given, settings: Mapping[str, Setting], *, ablation: Ablation) -> Policy:
    """Return the controller's own policy with these settings, and with one part off."""
    followed = signals.followed(Follow(setting(settings, "follow", str)), given, setting(settings, "tightness", float))
    policy = ablation.change(_decided(given, settings, tuple(_signal(each) for each in followed)))
    scaler = dataclasses.replace(
        ours.scaler_of(given.carried_per_s),
        policy=policy,
        queries=tuple(Query(source=each.source, metric=each.name) for each in policy.signals),
    )
    return ours.Leadtime(
        scaler,
        foresight=_foresight(given, policy, ablation),
        start_s=loads.start_s(given.workload),
        learns_startup=ablation.learns_startup,
        gpus_per_pod=given.world.gpus_per_pod,
        on_decision=given.on_decision,
    )


def _decided(given: Given, settings: Mapping[str, Setting], followed: tuple[Signal, ...]) -> model.Policy:
    """Return the policy of an InferenceScaler with these settings. Its start-up's prior is the world's: users know theirs."""
    base = ours.scaler_of(given.carried_per_s).policy
    behavior, startup = base.behavior, given.world.startup
    # How long it waits before it goes down: both the window and the cool-down, of which the longer one counts.
    patience_s = setting(settings, "patience_s", int)
    return dataclasses.replace(
        base,
        min_replicas=given.world.min_replicas,
        max_replicas=given.world.max_replicas,
        signals=followed,
        behavior=model.Behavior(
            up=dataclasses.replace(behavior.up, window_s=setting(settings, "up_window_s", int)),
            down=dataclasses.replace(behavior.down, window_s=patience_s),
        ),
        scale_down=dataclasses.replace(base.scale_down, cooldown_s=float(patience_s)),
        startup=StartupPrior(p50_s=startup.p50_s, p90_s=startup.p90_s),
        forecast=dataclasses.replace(
            base.forecast, mode=ForecastMode(setting(settings, "forecast", str)), quantile=setting(settings, "quantile", float)
        ),
    )


def _signal(followed: Followed) -> Signal:
    metric, source = _METRICS[followed.measured]
    return ours.signal_of(metric, source, followed.target)


def _foresight(given: Given, policy: model.Policy, ablation: Ablation) -> foresight.Foresight | None:
    if policy.forecast.mode is ForecastMode.OFF:
        return None
    per_replica = foresight.rate_per_replica(policy)
    if ablation.perfect:
        return foresight.Perfect(given.workload, per_replica)
    return None if given.recording is None else foresight.Recorded(given.recording, per_replica)


def _optimum(given: Given, settings: Mapping[str, Setting]) -> Policy:
    """Return the replay of the plan of least cost for what the load demands, and *tightness* times as much."""
    reading = clairvoyant.Reading(
        raised_ratio=setting(settings, "tightness", float) - 1.0,
        windows=setting(settings, "windows", float),
        keeps=setting(settings, "keeps", float),
        slow_start=setting(settings, "slow_start", bool),
    )
    return clairvoyant.plan_for(given.workload, given.world, reading, price.Prices())


_AS_IT_IS = Ablation(name="as it is")
_REACTIVE = next(each for each in ablations.ABLATIONS if each.name == "reactive")

OURS_FAMILY = Family(
    name=OURS,
    build=functools.partial(_leadtime, ablation=_AS_IT_IS),
    defaults={**_DEFAULTS, **_FORESEEING},
    choices={**_CHOICES, **_FORESEEING_CHOICES},
    tightness=TIGHTNESS,
    front=True,
    foresees=True,
    about="the controller's own code, with its forecasts",
)
REACTIVE_FAMILY = Family(
    name=REACTIVE,
    build=functools.partial(_leadtime, ablation=_REACTIVE),
    defaults={**_DEFAULTS, **_FORESEEING},
    choices=_CHOICES,
    tightness=TIGHTNESS,
    about="the same without forecasts and without warm pods",
)
OPTIMUM_FAMILY = Family(
    name=OPTIMUM,
    build=_optimum,
    defaults={"tightness": 1.0, "windows": 1.0, "keeps": 1.0, "slow_start": True},
    choices={
        "tightness": tuple(1.0 + raised for raised in clairvoyant.RAISES),
        "windows": clairvoyant.WINDOWS,
        "keeps": clairvoyant.KEEPS,
        "slow_start": (False, True),
    },
    tightness=TIGHTNESS,
    clairvoyant=True,
    about="the plan of somebody who knows the load and pays for the same starts; chosen on the part that is judged",
)
ABLATIONS = tuple(
    Family(
        name=f"{OURS}: {ablation.name}",
        build=functools.partial(_leadtime, ablation=ablation),
        defaults={**_DEFAULTS, **_FORESEEING},
        foresees=True,
        ablates=OURS,
        about=f"as shipped, but: {ablation.name}",
    )
    for ablation in ablations.ABLATIONS
    if ablation is not _REACTIVE
)
EVERY = (OURS_FAMILY, REACTIVE_FAMILY, *RIVALS, OPTIMUM_FAMILY, *ABLATIONS)


def chosen(names: Sequence[str], every: Sequence[Family] = EVERY) -> tuple[Family, ...]:
    """Return the families of these names, in the order of *every*; all without names. Raises `UnknownPolicyError`."""
    known = {family.name for family in every}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownPolicyError(f"{', '.join(unknown)}: there is no such policy; there are {', '.join(sorted(known))}")
    return tuple(family for family in every if not names or family.name in names)

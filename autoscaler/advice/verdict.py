"""What an InferenceScaler would have made of a Deployment's past, by the backtest's own machinery, and what to do about it."""

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autoscaler.errors import AutoscalerError
from autoscaler.resource.scaler import API_VERSION, KIND, Scaler
from autoscaler.simulation.backtest import conduct, history, replica, runs
from autoscaler.simulation.backtest.figures import Difference, Figures
from autoscaler.simulation.world import Startup
from forecasting.errors import InputError
from forecasting.series import Series

#: Below this share of the GPU-hours a change is not worth its trouble.
WORTH_RATIO = 0.10
#: From this utilisation on there may be more load than is seen.
_SATURATED = 0.95
_STEP_S = 60
_HEADROOM = 1.25


class Name(NamedTuple):
    """A Deployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Advice(enum.StrEnum):
    """What to do."""

    SCALE = "scale"
    """It would have taken fewer GPU-hours, and not been late more often."""
    ADD = "add"
    """It was short of GPUs: requests came late that need not have."""
    LEAVE = "leave"
    """It has what it needs, and not much more."""
    UNKNOWN = "unknown"
    """Nothing can be said; the reason says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one Deployment's past."""

    deployment: Name
    advice: Advice
    why: str
    notes: tuple[str, ...] = ()
    document: Mapping[str, Any] | None = None
    """The InferenceScaler that was run, in mode Recommend; None where none could be."""
    hours: float = 0.0
    """Of history that was run."""
    was: Figures | None = None
    """With the replicas that there were."""
    would_be: Figures | None = None
    """With the scaler."""
    unasked: bool = False
    """Prometheus has not told what it takes to say more."""


def unasked(deployment: Name, why: str) -> Verdict:
    """Return that Prometheus did not say enough of *deployment*, and why."""
    return Verdict(deployment=deployment, advice=Advice.UNKNOWN, why=why, unasked=True)


def scaler(deployment: Name, *, most: int, target_percent: float, mode: str) -> dict[str, Any]:
    """Return the InferenceScaler that one would begin with: by GPU utilisation, from one replica to *most*."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": deployment.name, "namespace": deployment.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment.name},
            "minReplicas": 1,
            "maxReplicas": most,
            "mode": mode,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "gpu_utilization"},
                        "target": {"type": "AverageValue", "averageValue": f"{round(target_percent * 10)}m"},
                    },
                }
            ],
        },
    }


def judge(
    deployment: Name,
    load: Series,
    replicas: Series,
    *,
    gpus_each: int,
    target_percent: float,
    startup_p90_s: float,
    run_days: float,
    forecast: bool,
    read: Callable[[Mapping[str, Any]], Scaler],
) -> Verdict:
    """Return what is to be done about *deployment*, whose *load* is in replicas' worth; both series have the same steps.

    A replica has *gpus_each*. The last *run_days* are run again; with *forecast* by a scaler that learns from what was before,
    which takes ten times as long. Where no scaler could have saved anything, because there was hardly more than the load took,
    nothing is run. *read* makes a `Scaler` of a document. What cannot be run is a verdict too, with its reason.
    """
    counts = replicas.values[np.isfinite(replicas.values)]
    loads = load.values[np.isfinite(load.values)]
    if not len(counts) or not len(loads):
        return Verdict(deployment=deployment, advice=Advice.UNKNOWN, why="there is no value of its GPUs in that time")
    if not loads.any():
        kept = scaler(deployment, most=max(2, math.ceil(float(counts.max()))), target_percent=target_percent, mode="Recommend")
        why = "its GPUs did nothing at all in that time: delete it, or let an InferenceScaler rest it at zero"
        return Verdict(deployment=deployment, advice=Advice.SCALE, why=why, document=kept)
    notes = _saturation(load, replicas, target_percent)
    saving = _most_saved(load, replicas)
    if saving is None:
        why = "its load and how many replicas it had are never known for the same time"
        return Verdict(deployment=deployment, advice=Advice.UNKNOWN, why=why)
    if not notes and saving < WORTH_RATIO:
        why = f"not even who knew the load could have saved more than {saving:.0%} of its GPU-hours"
        return Verdict(deployment=deployment, advice=Advice.LEAVE, why=why)
    most = max(2, math.ceil(float(counts.max())), math.ceil(float(loads.max()) * _HEADROOM))
    document = scaler(deployment, most=most, target_percent=target_percent, mode="Auto")
    if not forecast:
        document["spec"]["forecast"] = {"mode": "Off"}
    kept = scaler(deployment, most=most, target_percent=target_percent, mode="Recommend")
    fine, real = _by_the_minute(load), _by_the_minute(replicas)
    try:
        found = read(document)
        model = replica.model(found)
        past = history.prepare(fine, name=str(deployment), days=run_days, requests_per_s=model.requests_per_s)
        begin = (past.rates.start_s - real.start_s) // _STEP_S
        ran = real.values[begin : begin + len(past.rates.per_s)]
        if not np.isfinite(ran).any():
            return Verdict(deployment=deployment, advice=Advice.UNKNOWN, why="how many replicas it had is not known for that time")
        question = conduct.Question(
            document=document,
            scaler=found,
            replica=model,
            read=read,
            really=runs.Replicas(step_s=_STEP_S, counts=ran),
            price=False,
            suggest=False,
            plan=False,
            seeds=1,
        )
        startup = Startup(p50_s=0.75 * startup_p90_s, p90_s=startup_p90_s)
        ground = conduct.ground(question, past.rates, startup=startup, gpus_per_pod=gpus_each)
        with runs.Runner(ground) as runner:
            result = conduct.conduct(question, runner, ground.workload.duration_s)
    except (AutoscalerError, InputError) as error:
        return Verdict(deployment=deployment, advice=Advice.UNKNOWN, why=str(error))
    assert result.really is not None and result.over_really is not None  # noqa: PT018, S101 - they were asked for
    advice, why = _advice(result.really.figures, result.base.figures, result.over_really, most=most)
    return Verdict(
        deployment=deployment,
        advice=advice,
        why=why,
        notes=(*past.notes, *notes),
        document=kept,
        hours=len(past.rates.per_s) * _STEP_S / 3600,
        was=result.really.figures,
        would_be=result.base.figures,
    )


def _advice(was: Figures, would_be: Figures, more: Difference, *, most: int) -> tuple[Advice, str]:
    late = f"late requests {was.missed_ratio:.2%} → {would_be.missed_ratio:.2%}"
    hours = f"GPU-hours {was.gpu_hours:.1f} → {would_be.gpu_hours:.1f} ({more.gpu_ratio:+.0%})"
    if was.missed_ratio > 0.01 and more.missed < 0.0:
        return Advice.ADD, f"it was short of GPUs; between 1 and {most} replicas: {late}, {hours}"
    if more.gpu_ratio <= -WORTH_RATIO and would_be.missed_ratio <= max(0.001, was.missed_ratio):
        return Advice.SCALE, f"between 1 and {most} replicas: {hours}, {late}"
    if more.gpu_ratio <= -WORTH_RATIO:
        return Advice.LEAVE, f"it would save, and requests would come late for it: {hours}, {late}"
    return Advice.LEAVE, f"there is little to save: {hours}, {late}"


def _by_the_minute(series: Series) -> Series:
    """Return *series* in steps of a minute; what was seen stands until it was looked again."""
    return Series(series.start_s, _STEP_S, np.repeat(series.values, series.step_s // _STEP_S))


def _most_saved(load: Series, replicas: Series) -> float | None:
    """Return which share of the replicas nobody needed: at each look, those beyond the load and beyond one.

    None where there is no look at which both are known.
    """
    known = np.isfinite(load.values) & np.isfinite(replicas.values)
    if not known.any():
        return None
    there = replicas.values[known].sum()
    needed = np.minimum(np.maximum(1.0, np.ceil(load.values[known])), replicas.values[known]).sum()
    return float(1.0 - needed / there) if there else 0.0


def _saturation(load: Series, replicas: Series, target_percent: float) -> tuple[str, ...]:
    known = np.isfinite(load.values) & np.isfinite(replicas.values) & (replicas.values > 0)
    if not known.any():
        return ()
    mean = load.values[known] / replicas.values[known] * (target_percent / 100.0)
    share = float((mean >= _SATURATED).mean())
    if share < 0.01:
        return ()
    return (f"its GPUs were saturated for {share:.0%} of the time: there may have been more load than they show",)

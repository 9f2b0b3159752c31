"""Which of the fleet's metrics a scaler's signal reads: in a cluster the metrics API answers, here the `Sight` does.

What is answered takes the same form, thousandths with their times, so that everything behind it is the controller's own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoscaler.cluster.answers import Answer
from autoscaler.decision.model import Kind, Signal, Source
from autoscaler.errors import AutoscalerError
from autoscaler.simulation.sight import PodMetric, Sample, Sight, TotalMetric

_PER_CENT = 0.01


class MeasureError(AutoscalerError):
    """A signal measures what is not simulated; the message names it and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a signal reads: the sum of these metrics, times *factor*. What has no finite value is absent, never zero.

    For a Pods metric *pods* are each pod's own. *totals* are known of the target only: of these every ready pod that gets requests
    shows its part, as if they were spread evenly, or with *whole* all of it. For an Object or External metric *pods* are added up.
    """

    pods: tuple[PodMetric, ...] = ()
    totals: tuple[TotalMetric, ...] = ()
    factor: float = 1.0
    whole: bool = False


def metric_of(signal: Signal) -> Measure:
    """Return what *signal* reads, by its kind and source. Raises `MeasureError` for what the simulator does not know."""
    measure = _known(signal)
    if measure is None:
        raise MeasureError(
            f"signal {signal.name} ({signal.kind}, {signal.source}): the simulator does not know what it measures: "
            f"{_remedy(signal)}, or leave it out"
        )
    return measure


def _known(signal: Signal) -> Measure | None:
    of_pods = signal.source is Source.PODS
    held = () if of_pods else (TotalMetric.HELD,)
    match signal.kind:
        case Kind.UTILIZATION if of_pods:
            return Measure(pods=(PodMetric.GPU_UTIL,), factor=1.0 if signal.percent else _PER_CENT)
        case Kind.KV_CACHE if of_pods:
            return Measure(pods=(PodMetric.KV_USAGE,))
        case Kind.QUEUE:
            return Measure(pods=(PodMetric.WAITING,), totals=held)
        case Kind.CONCURRENCY:
            return Measure(pods=(PodMetric.WAITING, PodMetric.RUNNING), totals=held)
        case Kind.RATE if "token" not in signal.name:
            return Measure(totals=(TotalMetric.ARRIVALS,))
        case Kind.LATENCY if "inter_token" not in signal.name:
            return Measure(totals=(TotalMetric.TTFT_P90,), whole=True)
        case _:
            return None


def _remedy(signal: Signal) -> str:
    match signal.kind:
        case Kind.UTILIZATION | Kind.KV_CACHE:
            return "make it a Pods metric"
        case Kind.RATE:
            return "make it a rate of requests, such as inference_request_rate"
        case Kind.LATENCY:
            return "make it a time to first token, such as time_to_first_token_p90_seconds"
        case _:
            return "give it a kind in spec.signals"


class Meter:
    """Reads one signal. Between two scrapes nothing changes, and then the last answer is given again."""

    def __init__(self, signal: Signal, measure: Measure, *, start_s: float = 0.0) -> None:
        """Read *measure* for *signal*; *start_s* is the Unix time of the fleet's 0."""
        self._measure = measure
        self._of_pods = signal.source is Source.PODS
        self._start_s = start_s
        self._shown: object = None
        self._answer = Answer()

    @property
    def spreads(self) -> bool:
        """Whether it tells pods what is known of the whole target only."""
        return self._of_pods and bool(self._measure.totals)

    def read(self, sight: Sight, routed: Sequence[str]) -> Answer:
        """Return what the metrics API would answer. *routed* are the ready pods that get requests, for what is spread over them."""
        measure = self._measure
        samples = [dict(sight.per_pod.get(metric, {})) for metric in measure.pods]
        totals = [sight.total.get(metric) for metric in measure.totals]
        shown = samples, totals, routed if self.spreads else ()
        if shown != self._shown:
            self._shown = shown
            self._answer = self._read(samples, totals, routed)
        return self._answer

    def _read(self, samples: Sequence[Mapping[str, Sample]], totals: Sequence[Sample | None], routed: Sequence[str]) -> Answer:
        scale, start_s = 1000.0 * self._measure.factor, self._start_s
        if not self._of_pods:
            # Pods that show nothing yet add nothing: PromQL's sum is of those that are there.
            added = _added([*totals, *(sample for each in samples for sample in each.values() if math.isfinite(sample.value))])
            if added is None:
                return Answer(why="nothing shows it")
            return Answer(total_milli=round(added.value * scale), at=start_s + added.at)
        if self.spreads:
            total = _added(totals)
            shares = 1 if self._measure.whole else len(routed)
            shown = {} if total is None else {name: Sample(total.value / shares, total.at) for name in routed}
        else:
            shown = {name: added for name in samples[0] if (added := _added([each.get(name) for each in samples])) is not None}
        values = {name: (round(sample.value * scale), start_s + sample.at) for name, sample in shown.items()}
        return Answer(values=values, why="" if values else "no pod shows it")


def _added(samples: Sequence[Sample | None]) -> Sample | None:
    """Return the sum with the oldest of the times, or None where one of *samples* is absent or not finite, or there is none."""
    value, at = 0.0, math.inf
    for sample in samples:
        if sample is None:
            return None
        value += sample.value
        at = min(at, sample.at)
    return Sample(value, at) if samples and math.isfinite(value) else None
